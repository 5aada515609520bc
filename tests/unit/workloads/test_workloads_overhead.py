"""overhead: its script, every framework that is installed against an endpoint, and the table."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from orchprof_workloads import overhead
from orchprof_workloads.overhead import __main__ as command
from orchprof_workloads.overhead import script

STEPS = 3
SYSTEM = {"role": "system", "content": ""}
MAIN = ("raw", "httpx", "openai", "haystack", "langgraph", "mini-swe-agent")


@pytest.fixture
def opened(serve, tmp_path):
    """Open an agent of a variant with worker slots that are ready, and give its endpoint too."""
    agents = []

    def start(variant, slots=1):
        endpoint = serve(overhead, {"steps": STEPS})
        agents.append(overhead.open({"steps": STEPS}, 1, variant, endpoint.url, "m", tmp_path))
        for slot in range(slots):
            agents[-1].prepare(0, slot)
        return agents[-1], endpoint

    yield start
    for agent in agents:
        agent.close()


@pytest.mark.parametrize("variant", overhead.VARIANTS)
def test_every_framework_calls_the_tool_so_often_and_again(variant, opened, labels):
    missing = [module for module in overhead.REQUIRES[variant] if find_spec(module) is None]
    if missing:
        assert variant not in MAIN
        pytest.skip(f"not installed here: {', '.join(missing)}")
    agent, endpoint = opened(variant)
    answers = [agent.run(index, 0) for index in range(2)]
    assert answers == [f"{STEPS} made, {STEPS} seen"] * 2
    assert [agent.check(0, answer) for answer in answers] == [None, None]
    more = 2 if variant == "dspy" else 1  # it ends with a call, and is then asked for the answer
    assert len(endpoint.requests) == 2 * (STEPS + more)
    assert labels.count(("tool", "noop")) >= 2 * STEPS


@pytest.mark.parametrize("variant", ["raw", "haystack", "langgraph"])
def test_lanes_share_nothing(variant, opened):
    agent, _ = opened(variant, slots=4)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda slot: [agent.run(0, slot) for _ in range(3)], range(4)))
    assert answers == [[f"{STEPS} made, {STEPS} seen"] * 3] * 4


def test_a_call_that_was_not_made_is_a_wrong_answer(opened):
    agent, endpoint = opened("raw")
    endpoint.script = lambda *_: {"content": f"{STEPS} seen"}
    assert agent.check(0, agent.run(0, 0)) == "'0 made, 3 seen', expected '3 made, 3 seen'"
    assert agent.check(0, "3 made, 2 seen") == "'3 made, 2 seen', expected '3 made, 3 seen'"


def test_a_model_that_never_answers_is_stopped(opened):
    agent, endpoint = opened("raw")
    endpoint.script = lambda *_: {"content": "", "tool_calls": [{"name": "noop", "arguments": {"number": 1}}]}
    with pytest.raises(RuntimeError, match="no answer after 6 turns"):
        agent.run(0, 0)


def said(offered, *contents, first=SYSTEM):
    messages = [first, *({"role": "assistant", "content": content} for content in contents)]
    return script.make({"steps": 2}, 1)(messages, [{"function": {"name": name}} for name in offered])


@pytest.mark.parametrize(
    ("offered", "call", "end"),
    [
        (["noop"], {"name": "noop", "arguments": {"number": 2}}, {"content": "2 seen"}),
        (
            ["noop", "final_answer"],
            {"name": "noop", "arguments": {"number": 2}},
            {
                "content": "",
                "tool_calls": [{"name": "final_answer", "arguments": {"answer": "2 seen"}}],
            },
        ),
        (
            ["bash"],
            {"name": "bash", "arguments": {"command": "noop 2"}},
            {
                "content": "",
                "tool_calls": [
                    {
                        "name": "bash",
                        "arguments": {"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && echo 2 seen"},
                    }
                ],
            },
        ),
    ],
    ids=["answers", "calls an answer", "hands in"],
)
def test_the_script_calls_until_it_has_seen_enough(offered, call, end):
    assert said(offered, "")["tool_calls"] == [call]
    assert said(offered, "", "") == end


def test_the_script_speaks_in_fields_where_no_tools_are_offered():
    asks = {"role": "system", "content": "next_thought next_tool_name"}
    seen = "[[ ## observation_0 ## ]]\nok\n"
    one = said([], seen, first=asks)["content"]
    assert "[[ ## next_tool_name ## ]]\nnoop\n" in one
    assert json.dumps({"number": 2}) in one
    two = f"{seen}[[ ## observation_1 ## ]]\nok\n"
    assert "[[ ## next_tool_name ## ]]\nfinish\n" in said([], two, first=asks)["content"]
    assert "[[ ## answer ## ]]\n2 seen\n" in said([], two)["content"]


@pytest.mark.parametrize(
    ("steps", "variant", "message"),
    [
        (0, "raw", "steps is too small, 0 @ overhead, give 1 or more"),
        (1, "swarm", "unknown variant, 'swarm' @ overhead, choose from raw"),
    ],
)
def test_bad_settings_are_refused(steps, variant, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        overhead.open({"steps": steps}, 1, variant, "http://127.0.0.1:1/v1", "m", tmp_path)


def test_an_interpreter_is_asked_what_it_has():
    homes = command._homes([sys.executable, sys.executable])
    assert set(MAIN) <= set(homes) <= set(overhead.VARIANTS)
    assert set(homes.values()) == {sys.executable}


def test_a_variant_is_measured_in_a_process_of_its_own(capfd):
    measured = command._measured({"raw": sys.executable, "httpx": sys.executable}, 1, 1)
    assert set(measured) == {"raw", "httpx"}
    assert all(measured[variant][key] > 0 for variant in measured for key, _ in command._COLUMNS.values())
    assert measured["httpx"]["rss_mb"] > measured["raw"]["rss_mb"]
    costs = [row["cpu_ms"] for row in measured.values()]
    assert costs == sorted(costs)


def test_a_variant_that_fails_is_left_out_and_said_to_be(capfd):
    assert command._measured({"raw": "/bin/false"}, 2, 1) == {}
    assert capfd.readouterr().err.count("raw is left out of this round: ") == 2


def test_the_table_has_a_row_for_each():
    figures = dict.fromkeys((key for key, _ in command._COLUMNS.values()), 1.234)
    table = command._table({"raw": {"version": "3.11", **figures}}).splitlines()
    assert table[0].startswith("| framework | version | import s | first answer s | CPU ms per step |")
    assert table[2] == "| raw | 3.11 | 1.23 | 1.23 | 1.23 | 1.23 | 1 | 1.23 | 1 |"
