"""math: a question in mathematics is answered with one call of a calculator, remote or in process."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..settings import at_least, one_of

if TYPE_CHECKING:
    from .bare import Agent

SUMMARY: Final = "answer a question in mathematics with one call of a calculator, between two model calls"
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "problem": ("mixed", "arithmetic, solve, differentiate, integrate, or mixed: each in turn"),
    "backend": (
        "remote",
        "the calculator: remote = an HTTP service in a process of its own, local = in process",
    ),
    # WolframAlpha states in each reply how long it took. Four replies to sums that users published say 0.621, 0.671,
    # 0.796 and 0.886 s; this is their median. The network between the user and the service is not in it.
    "delay_ms": (730, "the remote calculator replies no sooner than this; its network is not counted"),
    "timeout_s": (10, "seconds that the remote calculator is waited for"),  # as in the published workload
    # A call and a one-line answer are all that such an agent writes, so the text itself decides unless told otherwise.
    "output_tokens": (0, "length of each of the model's turns (0 = as long as its text)"),
}
TASKS: Final = 20  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {}  # the delay is what is studied here, and it is short
VARIANTS: Final = ("openai", "bare")
_TOOLS: Final = {"httpx": "httpx>=0.27", "sympy": "sympy>=1.12"}
REQUIRES: Final[dict[str, dict[str, str]]] = {"openai": {**_TOOLS, "openai": "openai>=1.99"}, "bare": _TOOLS}
ENV: Final[dict[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "DO_NOT_TRACK": "1",
}
SCRIPT: Final = f"{__name__}.script:make"
_PROBLEMS: Final = ("mixed", "arithmetic", "solve", "differentiate", "integrate")
_BACKENDS: Final = ("remote", "local")


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "Agent":
    """Return the agent, with its calculator running.

    Args:
        settings: a value for every name in SETTINGS.
        seed: decides the questions.
        variant: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: not used; calculating leaves nothing behind.

    Raises:
        ValueError: an unknown variant, backend or class of problems, or a setting out of range.
        ImportError: a package that the variant needs is missing.
        RuntimeError: the remote calculator did not start.
    """
    del workdir
    _check(settings, variant)
    if variant == "openai":
        from .sdk import OpenAIAgent

        return OpenAIAgent(settings, seed, base_url, model)
    from .bare import BareAgent

    return BareAgent(settings, seed, base_url, model)


def _check(settings: dict[str, Any], variant: str) -> None:
    one_of("math", "variant", variant, VARIANTS)
    one_of("math", "problem", settings["problem"], _PROBLEMS)
    one_of("math", "backend", settings["backend"], _BACKENDS)
    at_least("math", settings, {"delay_ms": 0, "timeout_s": 1, "output_tokens": 0})
