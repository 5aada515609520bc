"""What runs when nobody says what: the five workloads, small and quick, and one of them on a model that is measured."""

from collections.abc import Iterable
from typing import Final

from orchprof.bench.settings import Plan
from orchprof.models.spec import DEFAULT_LLAMA, DEFAULT_SPEC

WORKLOADS: Final = ("rag", "web", "math", "chem", "swe")
# As many as a few minutes on two cores hold; each of them takes seconds.
TASKS: Final = {"rag": 50, "web": 10, "math": 12, "chem": 10, "swe": 8}
_MEASURED: Final = "rag"
_MEASURED_TASKS: Final = 5
_MEASURED_SPEC: Final = f"llama:{DEFAULT_LLAMA}"


def plans(installed: Iterable[str], seed: int = 0) -> list[Plan]:
    """Return the plans of the suite, of the workloads that are installed, in order."""
    there = [name for name in WORKLOADS if name in set(installed)]
    found = [_plan(name, DEFAULT_SPEC, TASKS[name], seed) for name in there]
    if _MEASURED in there:
        found.append(_plan(_MEASURED, _MEASURED_SPEC, _MEASURED_TASKS, seed))
    return found


def _plan(workload: str, model: str, tasks: int, seed: int) -> Plan:
    return Plan(
        workload=workload, variant=None, model=model, tasks=tasks, warmup=1, concurrency=1, mode="sequential",
        seed=seed, settings={}, quick=True, task_timeout_s=120.0,
    )  # fmt: skip
