"""Programs seen from outside: what their ledger says, from logs of those who watched that are written here."""

import random

import pytest

from orchprof.capture.log import VERSION, Log, pack
from orchprof.capture.strands import SAMPLE, SAMPLED_STATES, STATE_SHIFT, THREAD_SAMPLE
from orchprof.ledger.graph.critical_path import critical_path
from orchprof.ledger.graph.task_graph import build
from orchprof.run.finalize.finalize import finalize

MS = 1_000_000
AGENT, SHELL, GIT = 100, 101, 102


class Watch:
    """The log of somebody who watched an agent, in ms."""

    def __init__(self, folder, end, cpu=0, *, known=False):
        self.log, self.end, self.calls = Log(folder), end, 0
        self.log.note(("meta", {"version": VERSION, "pid": 0}))
        self.log.note(("root", [AGENT, 0]))
        self.log.note(("agent", [AGENT, "agent", known]))
        self.process(AGENT, "node")
        self.log.note(("died", [AGENT, end * MS, 0]))
        self.log.note(("root_used", [AGENT, cpu * MS, 0, 0, 1 << 20]))

    def process(self, pid, name):
        self.log.note(("process", [pid, name, False]))

    def child(self, pid, name, start, end, cpu=0, parent=AGENT):
        self.process(pid, name)
        self.log.emit(pack(SAMPLE, end * MS, cpu * MS, 0, 0, pid, 0, 0, 1 << 20))
        self.log.note(("seen", [pid, parent, start * MS, end * MS, 0, cpu * MS]))

    def did(self, pid, state, start, end):
        what = THREAD_SAMPLE | SAMPLED_STATES.index(state) << STATE_SHIFT
        self.log.emit(pack(what, start * MS, end * MS, end - start, 0, pid, pid, 0, 0))

    def call(self, start, end, **said):
        self.calls += 1
        known = {
            "number": self.calls, "wire": "chat", "received_ns": start * MS, "end_ns": end * MS, "status": 200,
            "headers_ns": start * MS, "messages": self.calls, "offers_tools": True, "stream": True,
            "account": {"model": "m", "input_tokens": 10, "output_tokens": 2},
        }  # fmt: skip
        self.log.note(("exchange", known | said))

    def ran(self, pid, key, name, at):
        self.log.note(("tool_process", [pid, key, name, at * MS]))

    def tables(self, tmp_path):
        self.log.note(("closed", {"lost_frames": 0}))
        self.log.close()
        return finalize(tmp_path.glob("*.bin"), whole_programs=True)


def shares(tables):
    """Return for how long, in ms, each role and name had the critical path of each task."""
    found, kinds = [], tables["strands"].set_index("strand")["kind"]
    for graph in build(tables):
        path = critical_path(graph)
        told: dict[tuple[str, str], float] = {}
        assert path.length_ns.sum() == graph.length_ns
        for step, length in zip(path.piece, path.length_ns, strict=True):
            owner = graph.pieces.owner[step]
            key = graph.names[owner] if owner >= 0 else ("framework", "")
            kind = kinds[graph.strands.id[graph.pieces.strand[step]]]
            key = "model" if kind == "remote" else key
            told[key] = told.get(key, 0) + length / MS
        found.append(told)
    return found


def step(watch):
    """An agent of 1 s: 100 ms of start, a call of 300, a shell of 200 in a window of 240, a call of 250."""
    watch.did(AGENT, "running", 0, 100)
    watch.did(AGENT, "net", 100, 999)
    watch.call(100, 400, tool_calls=[{"id": "a", "name": "bash"}])
    watch.child(SHELL, "bash", 420, 620, cpu=150)
    watch.did(SHELL, "running", 420, 570)
    watch.did(SHELL, "file", 570, 620)
    watch.call(640, 890, result_ids=["a"], messages=3)


def test_an_agent_is_its_calls_its_tools_and_the_rest(tmp_path):
    watch = Watch(tmp_path, 1000, cpu=80)
    step(watch)
    watch.ran(SHELL, "a", "bash", 425)
    sealed = watch.tables(tmp_path)
    (told,) = shares(sealed.tables)
    assert told == {"model": 550, ("tool", "bash"): 200, ("framework", ""): 250}
    assert sealed.tables["tasks"]["name"].tolist() == ["agent"]
    calls = sealed.tables["model_calls"]
    assert calls["input_tokens"].tolist() == [10, 10]
    assert calls["provenance"].tolist() == ["client_only"] * 2
    assert sealed.findings == []


def test_a_tool_that_no_command_shows_is_told_by_its_time(tmp_path):
    watch = Watch(tmp_path, 1000)
    step(watch)
    watch.child(GIT, "git", 625, 635)
    (told,) = shares(watch.tables(tmp_path).tables)
    assert told == {"model": 550, ("tool", "bash"): 200, ("framework", ""): 240, ("framework", "git"): 10}


def test_a_tool_without_a_process_has_its_window(tmp_path):
    watch = Watch(tmp_path, 1000)
    watch.did(AGENT, "net", 0, 999)
    watch.call(100, 400, tool_calls=[{"id": "a", "name": "read"}, {"id": "b", "name": "edit"}])
    watch.call(640, 890, result_ids=["a", "b"], messages=4)
    sealed = watch.tables(tmp_path)
    (told,) = shares(sealed.tables)
    assert told == {"model": 550, ("tool", "read"): 240, ("framework", ""): 210}
    (finding,) = sealed.findings
    assert finding["code"] == "in_process_tools"
    assert "read 1, edit 1" in finding["message"]
    assert "0.24 s" in finding["message"]


def test_tools_that_run_at_once_are_waited_for_together(tmp_path):
    watch = Watch(tmp_path, 1000)
    watch.did(AGENT, "net", 0, 999)
    watch.call(100, 400, tool_calls=[{"id": "a", "name": "bash"}, {"id": "b", "name": "bash"}])
    watch.child(101, "make", 410, 500)
    watch.child(102, "pytest", 420, 620)
    watch.child(103, "python", 430, 610, parent=102)
    watch.ran(101, "a", "bash", 411)
    watch.ran(102, "b", "bash", 421)
    watch.ran(103, "b", "bash", 431)  # below one that is joined
    watch.call(640, 890, result_ids=["a", "b"], messages=4)
    tables = watch.tables(tmp_path).tables
    (told,) = shares(tables)
    assert told == {"model": 550, ("tool", "bash"): 210, ("framework", ""): 240}
    assert sorted(tables["strands"].query("kind == 'child'")["name"]) == ["make", "pytest"]


def test_a_tool_beside_a_call_is_not_waited_for_meanwhile(tmp_path):
    watch = Watch(tmp_path, 1000)
    watch.did(AGENT, "net", 0, 999)
    watch.call(100, 400, tool_calls=[{"id": "a", "name": "bash"}])
    watch.child(SHELL, "sleep", 410, 800)
    watch.ran(SHELL, "a", "bash", 411)
    watch.call(500, 700, result_ids=["a"], messages=3)
    (told,) = shares(watch.tables(tmp_path).tables)
    assert told == {"model": 500, ("tool", "bash"): 190, ("framework", ""): 310}


def test_calls_that_overlap_count_once(tmp_path):
    watch = Watch(tmp_path, 1000)
    watch.did(AGENT, "net", 0, 999)
    watch.call(100, 400)
    watch.call(150, 300, offers_tools=False)  # a title
    watch.call(350, 600)
    (told,) = shares(watch.tables(tmp_path).tables)
    assert told == {"model": 500, ("framework", ""): 500}


def test_a_retry_waits_as_a_client(tmp_path):
    watch = Watch(tmp_path, 1000)
    watch.did(AGENT, "net", 0, 999)
    watch.call(100, 110, status=429, account={}, messages=2)
    watch.call(610, 900, messages=2)
    tables = watch.tables(tmp_path).tables
    (told,) = shares(tables)
    assert told == {"model": 300, ("client", "retry"): 500, ("framework", ""): 200}
    assert tables["model_calls"]["status"].tolist() == [429, 200]


def test_each_turn_of_a_conversation_is_a_task(tmp_path):
    watch = Watch(tmp_path, 3000, cpu=300)
    watch.did(AGENT, "net", 0, 2999)
    watch.call(100, 400, user_turn=True, messages=2, tool_calls=[{"id": "a", "name": "bash"}])
    watch.child(SHELL, "bash", 410, 600)
    watch.ran(SHELL, "a", "bash", 411)
    watch.call(610, 900, result_ids=["a"], messages=4, answers=True)
    watch.call(2000, 2500, user_turn=True, messages=6, answers=True)
    tables = watch.tables(tmp_path).tables
    first, second = shares(tables)
    assert first == {"model": 590, ("tool", "bash"): 190, ("framework", ""): 120}
    assert second == {"model": 500, ("framework", ""): 500}
    assert (tables["tasks"]["end_ns"] - tables["tasks"]["start_ns"]).tolist() == [900 * MS, 1000 * MS]


def test_nothing_but_a_program(tmp_path):
    watch = Watch(tmp_path, 1000, cpu=400)
    watch.did(AGENT, "running", 0, 400)
    watch.did(AGENT, "sleep", 400, 999)
    tables = watch.tables(tmp_path).tables
    (told,) = shares(tables)
    assert told == {("framework", ""): 1000}
    assert tables["segments"]["cpu_ns"].sum() == 400 * MS


@pytest.mark.parametrize(("known", "model"), [(True, 300), (False, None)])
def test_the_network_is_for_the_model_where_an_agent_is_known_and_no_call_came_by(tmp_path, known, model):
    watch = Watch(tmp_path, 1000, known=known)
    watch.did(AGENT, "net", 0, 999)
    watch.log.note(("socket", [100 * MS, 400 * MS, AGENT, "h:443", 10, 20]))
    tables = watch.tables(tmp_path).tables
    (told,) = shares(tables)
    assert told.get("model") == model
    if known:
        assert tables["model_calls"]["provenance"].tolist() == ["client_only"]
        assert tables["model_calls"]["input_tokens"].isna().all()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_overlaps_the_wall_is_kept(tmp_path, seed):
    drawn = random.Random(seed)
    watch = Watch(tmp_path, 1000, cpu=drawn.randrange(900))
    now = 0
    for state in ("running", "net", "running", "file", "net"):
        after = min(now + drawn.randrange(1, 300), 999)
        watch.did(AGENT, state, now, after)
        now = after
    windows = []
    for number in range(6):
        start = drawn.randrange(950)
        end = drawn.randrange(start + 1, 1000)
        watch.call(start, end, tool_calls=[{"id": str(number), "name": "bash"}], messages=number + 1)
        windows.append((start, end))
    for number in range(5):
        start = drawn.randrange(950)
        pid = 200 + number
        watch.child(pid, "bash", start, drawn.randrange(start + 1, 1000), cpu=1)
        watch.ran(pid, str(number), "bash", start)
    (told,) = shares(watch.tables(tmp_path).tables)
    covered = {at for start, end in windows for at in range(start, end)}
    assert told["model"] == len(covered)
    assert sum(told.values()) == 1000
