"""Agents of a user's own: functions that nobody wrapped, run like any workload; what is wrong with them is said."""

import dataclasses
import sys

import pytest
from support import summarise

from orchprof.bench import catalogue, driver
from orchprof.errors import UsageError
from orchprof.run.store import open_run

PLAN = driver.Plan(
    workload="", variant=None, model="zero", tasks=4, warmup=1, concurrency=1, mode="sequential", seed=0,
    settings={}, quick=False, task_timeout_s=30.0,
)  # fmt: skip
AGENTS = """
import json, os, time, urllib.request
import orchprof

def asks(number):
    messages = [{"role": "user", "content": f"say {number}"}]
    body = json.dumps({"model": os.environ["ORCHPROF_MODEL"], "messages": messages})
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    with orchprof.tool("ask"), urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers)) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]

async def awaited(number):
    return number

def judged(word):
    return word.upper()

judged.inputs = ["a", "b", "c"]
judged.check = lambda word, answer: None if answer == "A" else f"{word} is not a"

def raises(number):
    raise KeyError(f"no {number}")

def two(number, more):
    return number

def empty(number):
    return number

empty.inputs = []
CONSTANT = 3
"""


@pytest.fixture(autouse=True)
def agents(tmp_path, monkeypatch):
    (tmp_path / "own_agents.py").write_text(AGENTS)
    (tmp_path / "own_broken.py").write_text("import surely_not_installed\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def run(tmp_path, name, **changes):
    plan = dataclasses.replace(PLAN, workload=name, **changes)
    return open_run(driver.run(plan, tmp_path / "run", lambda _event: None))


def measured(result):
    return result.tables["tasks"].query("not warmup").sort_values("index")


def test_a_function_asks_the_model_that_its_environment_names(tmp_path):
    result = run(tmp_path, "own_agents:asks")
    tasks = measured(result)
    assert tasks["index"].tolist() == [0, 1, 2, 3]
    assert tasks["ok"].isna().all()  # nobody judged the answers
    assert len(result.tables["model_calls"]) == 5
    record = summarise(result.tables, result.meta)
    assert (record["run"]["workload"], record["run"]["variant"]) == ("own_agents:asks", "")
    assert record["shares"]["orchestration"] is not None  # it named a tool
    assert "ask" in [row["name"] for row in record["by_name"]]


@pytest.mark.parametrize(
    ("mode", "concurrency"), [("sequential", 1), ("threads", 2), ("async", 2), ("processes", 2)]
)
def test_a_coroutine_function_runs_in_every_mode_without_a_model(tmp_path, mode, concurrency):
    result = run(tmp_path, "own_agents:awaited", mode=mode, concurrency=concurrency)
    assert measured(result)["end_ns"].notna().all()
    assert result.tables["model_calls"].empty
    assert summarise(result.tables, result.meta)["shares"]["orchestration"] is None  # nothing named anything


def test_inputs_and_a_judge_of_its_own_are_used(tmp_path):
    tasks = measured(run(tmp_path, "own_agents:judged", tasks=3))
    assert tasks["ok"].tolist() == [True, False, False]
    assert tasks["reason"].tolist()[1:] == ["b is not a", "c is not a"]


def test_one_that_raises_fails_its_tasks_with_the_reason(tmp_path):
    tasks = measured(run(tmp_path, "own_agents:raises", tasks=2))
    assert tasks["ok"].tolist() == [False, False]
    assert tasks["reason"].tolist() == ["KeyError: 'no 0'", "KeyError: 'no 1'"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_agents:ask", "unknown function, 'ask' @ own_agents:ask, did you mean 'asks'?"),
        (
            "own_agent:asks",
            "no module 'own_agent', 'own_agent:asks' @ WORKLOAD, run it where own_agent can be",
        ),
        ("own_agents:", "not an agent, 'own_agents:' @ WORKLOAD, write it as module:function"),
        ("own_agents:two", "an agent takes one argument, (number, more) @ own_agents:two"),
        ("own_agents:empty", "no inputs, own_agents:empty.inputs @ WORKLOAD, put at least one there"),
        ("own_agents:CONSTANT", "not a function, int @ own_agents:CONSTANT"),
        ("own_broken:agent", "cannot import it, ModuleNotFoundError: No module named 'surely_not_installed'"),
        ("own_agents", "not a workload, module 'own_agents' lacks SUMMARY, SETTINGS"),
    ],
)
def test_what_is_wrong_with_an_agent_is_one_error(tmp_path, name, said):
    with pytest.raises(UsageError) as refused:
        run(tmp_path, name)
    assert str(refused.value).startswith(said)
    assert not (tmp_path / "run").exists()


def test_a_module_that_follows_the_protocol_is_a_workload(tmp_path):
    (tmp_path / "own_workload.py").write_text(
        "SUMMARY, SETTINGS, TASKS, QUICK = 'mine', {'k': (2, 'a number')}, 2, {}\n"
        "VARIANTS, REQUIRES, ENV = ('v',), {}, {}\n"
        "SCRIPT = 'orchprof.models.script:echo'\n"
        "from orchprof.bench.user_agent import Agent\n"
        "def open(settings, seed, variant, base_url, model, workdir):\n"
        "    return Agent(lambda index: index * settings['k'])\n"
    )
    result = run(tmp_path, "own_workload", settings={"k": "5"}, tasks=None)
    assert len(measured(result)) == 2
    assert result.meta.params.settings == {"k": 5}
    assert catalogue.describe("own_workload").summary == "mine"
