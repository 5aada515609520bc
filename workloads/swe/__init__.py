"""swe: an agent with a shell finds and corrects a fault in a real repository, and its tests say when it is done."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .bare import Agent

SUMMARY: Final = "find and correct a fault in a copy of networkx with bash, grep, sed and its own tests"
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "tests": (
        "quick",
        "what is run before the fix is handed in: quick = one test file, slow = its subpackage's",
    ),
    "steps": (1, "further steps of reading tests between seeing the failure and correcting it"),
    "timeout_s": (30, "a command is killed after this many seconds"),
    "output_tokens": (0, "length of each of the model's turns (0 = as long as its text)"),
}
TASKS: Final = 8  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {"steps": 0}
VARIANTS: Final = ("mini-swe-agent", "bare")
_TOOLS: Final = {"networkx": "networkx>=3.4", "openai": "openai>=1.99", "pytest": "pytest>=8"}
REQUIRES: Final[dict[str, dict[str, str]]] = {
    "mini-swe-agent": {**_TOOLS, "minisweagent": "mini-swe-agent>=2.0"},
    "bare": _TOOLS,
}
ENV: Final[dict[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MSWEA_SILENT_STARTUP": "1",
    "DO_NOT_TRACK": "1",
}
SCRIPT: Final = f"{__name__}.script:make"
_TESTS: Final = ("quick", "slow")


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "Agent":
    """Return the agent; each worker slot gets a copy of the repository under `workdir` when it is first prepared.

    Args:
        settings: a value for every name in SETTINGS.
        seed: decides the order of the tasks.
        variant: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: a folder of this run's own.

    Raises:
        ValueError: an unknown variant or selection of tests, a setting out of range, or a networkx so different
            from the one the faults were found in that none can be seeded.
        ImportError: a package that the variant needs is missing.
        FileNotFoundError: git is missing.
    """
    _check(settings, variant)
    if variant == "mini-swe-agent":
        from .mini import MiniAgent

        return MiniAgent(settings, seed, base_url, model, workdir)
    from .bare import BareAgent

    return BareAgent(settings, seed, base_url, model, workdir)


def _check(settings: dict[str, Any], variant: str) -> None:
    for name, value, valid in (("variant", variant, VARIANTS), ("tests", settings["tests"], _TESTS)):
        if value not in valid:
            raise ValueError(f"unknown {name}, {value!r} @ swe, choose from {', '.join(valid)}")
    for name, least in (("steps", 0), ("timeout_s", 1), ("output_tokens", 0)):
        if settings[name] < least:
            raise ValueError(f"{name} is too small, {settings[name]} @ swe, give {least} or more")
