import os
import time

from orchprof.capture.clock import Clock, FakeClock
from orchprof.capture.log import Log, read_frames
from orchprof.capture.strands import Strands

MS = 1_000_000


def test_the_three_clocks_move_forward_and_only_the_wall_moves_in_a_sleep():
    clock = Clock()
    wall, cpu, delay = clock.wall_ns(), clock.cpu_ns(), clock.delay_ns()
    time.sleep(0.02)
    assert clock.wall_ns() - wall >= 20 * MS
    assert clock.cpu_ns() - cpu < 20 * MS
    assert clock.delay_ns() >= delay
    clock.close()


def test_a_closed_clock_reads_no_delay_and_can_be_closed_again():
    clock = Clock()
    clock.close()
    clock.close()
    assert clock.delay_ns() == 0


def test_only_a_share_of_the_descriptors_is_kept_and_the_others_read_all_the_same(monkeypatch):
    most = Clock.kept + 1
    monkeypatch.setattr("orchprof.capture.clock.share", lambda: most)
    kept, other = Clock(), Clock()
    assert (kept._held is None, other._held is None) == (False, True)
    assert 0 < kept.delay_ns() <= other.delay_ns() or kept.delay_ns() == other.delay_ns() == 0
    before = Clock.kept
    kept.close()
    other.close()
    assert Clock.kept == before - 1


def test_descriptors_are_out_of_the_programs_way():
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    clock = Clock()
    assert clock._held.number > lowest
    again = os.open(os.devnull, os.O_RDONLY)
    os.close(again)
    clock.close()
    assert again == lowest


def test_a_descriptor_that_is_the_programs_by_now_is_neither_read_nor_closed(tmp_path):
    clock = Clock()
    number = clock._held.number
    with (tmp_path / "user").open("wb+") as user:
        os.dup2(user.fileno(), number)
        before = clock.delay_ns()
        assert clock.delay_ns() >= before
        clock.close()
        assert os.fstat(number).st_size == 0
        os.close(number)


def test_a_machine_without_schedstat_has_no_delay(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError

    monkeypatch.setattr(os, "open", refuse)
    clock = Clock()
    assert not clock.has_delay
    assert clock.delay_ns() == 0


def thread_clock_of(tmp_path, clock):
    log = Log(tmp_path)
    return Strands(log, lambda: clock).thread_clock(), log


def test_a_snapshot_torn_by_a_preemption_is_taken_again(tmp_path):
    clock = FakeClock()
    thread_clock, log = thread_clock_of(tmp_path, clock)
    clock.run(1 * MS)
    clock.preempt_ns = 5 * MS  # strikes between the reads of wall and CPU
    wall = thread_clock.snapshot()
    assert wall == clock.wall  # not the stale first read
    assert thread_clock.delay == 5 * MS  # and the lost time is run delay, not somebody's wait
    log.close()


def test_run_delay_is_read_only_when_the_wall_ran_ahead(tmp_path):
    clock = FakeClock()
    thread_clock, log = thread_clock_of(tmp_path, clock)
    clock.run(10 * MS)
    clock.delay = 7  # nobody looks: wall and CPU agree
    thread_clock.snapshot()
    assert thread_clock.delay == 0
    clock.wait(10 * MS)
    thread_clock.snapshot()
    assert thread_clock.delay == 7
    log.close()


def test_a_cut_is_one_row_of_nine_numbers(tmp_path):
    thread_clock, log = thread_clock_of(tmp_path, FakeClock())
    before = len(log._rows)
    thread_clock.snapshot()
    assert len(log._rows) - before == 9 * 8
    log.close()
    assert [tag for tag, _ in read_frames(log.path)] == [b"NOTE", b"ROWS"]
