"""Real coding agents from npm, recorded against the built-in endpoint, offline: `make agents` installs and runs them.

Their model time is held to the endpoint's own clock, and all of the run to its ledger's laws.
With `-s` a table of what each costs is printed, as docs/coding-agents.md has it.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from orchprof.models import endpoint_process

PROGRAMS = os.environ.get("ORCHPROF_AGENTS")
pytestmark = pytest.mark.skipif(
    PROGRAMS is None, reason="`make agents` installs them and sets ORCHPROF_AGENTS"
)

NS_PER_S = 1e9
ASK = "fix calc.py so that its test passes"
CALC, MENDED = "def add(a, b):\n    return a - b\n", "    return a + b\n"
TEST = """
import time, unittest
from calc import add
class T(unittest.TestCase):
    def test_add(self):
        time.sleep(0.3)
        self.assertEqual(add(2, 3), 5)
"""


@dataclass(frozen=True)
class Agent:
    """How an agent is run without a person; `{url}` is the endpoint's address."""

    command: list[str]
    environment: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)


AGENTS = {
    "codex": Agent(
        ["codex", "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m",
         "gpt-5", "-c", "analytics.enabled=false", "-c", "features.plugins=false", "-c",
         "features.shell_snapshot=false", "-c", "check_for_update_on_startup=false", ASK],
        {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "{url}/v1", "CODEX_HOME": "{home}"},
        options=["--agent", "codex"],
    ),
    "qwen": Agent(
        ["qwen", "--auth-type", "openai", "-p", ASK, "--yolo"],
        {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "{url}/v1", "OPENAI_MODEL": "gpt-5"},
        {"edit": "tool"},
    ),
    "gemini": Agent(
        ["gemini", "-p", ASK, "--yolo", "-m", "gemini-2.5-pro"],
        {"GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": "{url}", "GEMINI_CLI_TRUST_WORKSPACE": "true"},
        options=["--agent", "gemini"],
    ),
}  # fmt: skip


@pytest.fixture
def folder():
    """A folder that no group may write above, which some agents ask for."""
    home = Path.home() / ".cache" / "orchprof-agents" / str(os.getpid())
    home.mkdir(parents=True)
    yield home
    subprocess.run(["rm", "-rf", str(home)], check=False)


def table(folder, name):
    return pd.read_parquet(folder / "run" / f"{name}.parquet")


@pytest.mark.parametrize("name", AGENTS)
def test_a_coding_agent_has_a_ledger(folder, name):
    agent, work = AGENTS[name], folder / "work"
    if not (Path(PROGRAMS) / agent.command[0]).exists():
        pytest.skip(f"{name} is not installed")
    work.mkdir()
    (work / "calc.py").write_text(CALC)
    (work / "test_calc.py").write_text(TEST)
    settings = {"test": "python3 -m unittest -q", **agent.settings}
    spec, script = "paced:llama-3.1-8b@h100-sxm", "orchprof.models.coding:make"
    with endpoint_process.start(spec, script, settings, any_model=True) as endpoint:
        given = {"url": endpoint.base_url.removesuffix("/v1"), "home": str(folder)}
        environment = {key: value.format(**given) for key, value in agent.environment.items()}
        paths = {"HOME": str(folder), "PATH": os.pathsep.join([PROGRAMS, "/usr/bin:/bin"])}
        command = [sys.executable, "-m", "orchprof", "record", "--out", str(folder / "run"), *agent.options]
        done = subprocess.run(
            [*command, "--", *agent.command], cwd=work, env={**os.environ, **environment, **paths},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert MENDED in (work / "calc.py").read_text()

    calls, spans, strands = (table(folder, each) for each in ("model_calls", "spans", "strands"))
    task = table(folder, "tasks").iloc[0]
    shown = subprocess.run(
        [sys.executable, "-m", "orchprof", "report", str(folder / "run"), "--format", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    record = json.loads(shown.stdout)
    model_s = sum(row["cp_s"] for row in record["ledger"] if row["role"] == "model")
    server_s = calls["total_ns"].sum() / NS_PER_S
    assert model_s == pytest.approx(server_s, rel=0.015, abs=0.006 * len(calls))
    assert record["checks"]["conservation_error_s"] < 1e-6
    assert record["shares"]["unexplained"]["cp"] < 0.02
    assert calls["status"].eq(200).all()
    assert calls["output_tokens"].gt(0).all()
    children = strands[strands["kind"] == "child"]
    assert len(children) >= 2  # the tests; an edit may be done in the agent itself
    tools = spans[spans["role"] == "tool"]
    sent = calls.sort_values("sent_ns")["sent_ns"].tolist()
    ends = children["end_ns"].astype("int64")
    between = [min((at for at in sent if at >= end), default=end) - end for end in ends]
    sys.stdout.write(
        f"\n{name}: start {(sent[0] - task['start_ns']) / NS_PER_S:.2f} s, "
        f"whole {record['latency_s']['mean']:.2f} s, model {model_s:.2f} s ({model_s / server_s - 1:+.2%}), "
        f"{record['resources']['core_s_busy'] / len(calls):.2f} core-s a call, {len(tools)} tool calls, "
        f"tool end to request {sorted(between)[len(between) // 2] / 1e6:.0f} ms\n"
    )
