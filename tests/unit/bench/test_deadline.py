import contextlib
import threading
import time

from orchprof.bench.deadline import Limit, TaskTimeout, deadline


def late_in(place):
    """Return how many of many tasks that end about when their limit does were struck after their block."""
    found = []

    def many():
        for _ in range(300):
            inside = True
            try:
                with deadline(Limit(0.001)):
                    until = time.monotonic() + 0.001
                    while time.monotonic() < until:
                        pass
                inside = False
                sum(range(50))
                for _ in range(50):
                    pass
            except TaskTimeout:
                found.append(inside)

    if place == "main":
        many()
    else:
        thread = threading.Thread(target=many)
        thread.start()
        thread.join()
    return found.count(False)


def test_a_time_out_never_arrives_after_its_block():
    assert late_in("main") == late_in("thread") == 0


def test_a_limit_remembers_that_it_struck_when_the_task_swallowed_it():
    limit = Limit(0.01)
    with deadline(limit), contextlib.suppress(TaskTimeout):
        time.sleep(5)
    assert limit.struck
    assert not limit.overdue()
