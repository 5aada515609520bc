"""Running an example agent as its user would: alone, recorded, and recorded without any label."""

import importlib.util
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from example_agents import AGENTS
from support import plain

from orchprof.ledger.summary import summarise
from orchprof.models import endpoint_process
from orchprof.run.store import open_run

HERE = Path(__file__).parent
HOME = HERE.parents[1]
EXAMPLES = HOME / "examples"
RUN_S = 180
# Nobody's tests phone home, and no framework's greeting changes with the day.
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MSWEA_SILENT_STARTUP": "1",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}


@dataclass(frozen=True)
class Alone:
    """What one run of a program left: what it said, and what its tools and the endpoint counted."""

    out: str
    tools: Counter
    requests: int


@dataclass(frozen=True)
class Recorded(Alone):
    """The same, and what was recorded of it."""

    tables: dict[str, pd.DataFrame]
    findings: list
    record: dict


class Bench:
    """Runs one agent, each time in a new home and with a fresh endpoint's tally."""

    def __init__(self, agent, folder):
        self.agent, self.folder = agent, folder
        self.script = EXAMPLES / f"{agent.name}_agent.py"

    def alone(self):
        return self._run("alone", [sys.executable, self.script])

    def recorded(self, name="recorded", *options, **environment):
        run = self.folder / name / "run"
        record = [sys.executable, "-m", "orchprof", "record", "--quiet", "--out", run, *options, "--"]
        alone = self._run(name, [*record, sys.executable, self.script], environment)
        found = open_run(run)
        summary = plain(found.of(summarise))
        return Recorded(alone.out, alone.tools, alone.requests, found.tables, found.meta.findings, summary)

    def without_labels(self):
        return self.recorded("without_labels", "--task-from", "program", ORCHPROF_LABELS="off")

    def _run(self, name, command, environment=()):
        home = self.folder / name
        home.mkdir(exist_ok=True)
        settings = {"style": self.agent.style, "tally": str(home / "requests")}
        told = {"HOME": str(home), "OPENAI_API_KEY": "none", "TOOL_TALLY": str(home / "tools")}
        mine = os.environ | QUIET | told | self.agent.environment | dict(environment)
        with endpoint(settings) as model:
            done = subprocess.run(
                command,
                env=mine | {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": model.model},
                cwd=home,
                capture_output=True,
                text=True,
                timeout=RUN_S,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        tools = Counter((home / "tools").read_text().split())
        return Alone(done.stdout, tools, len((home / "requests").read_text().split()))


@contextmanager
def endpoint(settings):
    """Yield a model that takes no time and says what scripted_models has it say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(EXAMPLES), prepend=os.pathsep)
        with endpoint_process.start("zero", "scripted_models:make", settings) as model:
            yield model


def installed(module):
    """Return whether a module, or the package of a dotted one, is there; nothing of it is imported but parents."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(scope="module", params=AGENTS, ids=lambda agent: agent.name)
def bench(request, tmp_path_factory):
    agent = request.param
    missing = [module for module in agent.needs if not installed(module)]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    return Bench(agent, tmp_path_factory.mktemp(agent.name))


@pytest.fixture(scope="module")
def recorded(bench):
    return bench.recorded()
