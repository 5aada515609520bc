"""web: a question is searched for, two pages are fetched, extracted and summarised, and the summaries answer it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..settings import at_least, one_of

if TYPE_CHECKING:
    from .bare import Agent

SUMMARY: Final = "search, fetch two pages, extract and summarise them, and answer from the summaries"
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "corpus": (
        "stdlib",
        "stdlib (the standard library's pages as pydoc renders them) or a folder of .html files",
    ),
    "smallest_kb": (30, "pages smaller than this are left out: under it they are mostly frame"),
    "largest_kb": (700, "pages larger than this are left out (0 = none)"),
    "pages": (2, "pages fetched for each question, as in the published set-up"),
    "fetch": ("sequential", "pages are fetched sequential (as published) or parallel"),
    "delay_ms": (
        200,
        "what the site waits for: three round trips (connect, TLS, request) of 70 ms to another coast",
    ),
    "hang_percent": (0, "pages of a hundred that are never sent"),
    "timeout_s": (10, "a page that says nothing for so long fails the task"),
    "extractor": (
        "selectolax",
        "selectolax (all of a page's text, fast) or trafilatura (its main text, slow)",
    ),
    "summariser": (
        "sumy",
        "LexRank by sumy (pure Python, as published) or numpy (vectorised, the same sentences)",
    ),
    "sentences": (10, "length of each page's summary"),
    "output_tokens": (
        256,
        "length of the answer (0 = as long as its text); the published set-up stops at 256",
    ),
}
TASKS: Final = 20  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {"largest_kb": 60}  # a summary's work grows with the square of a page's length
VARIANTS: Final = ("langgraph", "bare")
_TOOLS: Final = {
    "httpx": "httpx>=0.27",
    "numpy": "numpy>=1.26",
    "openai": "openai>=1.99",
    "selectolax": "selectolax>=0.3.30",
    "sumy": "sumy>=0.11",
    "trafilatura": "trafilatura>=2",
}
REQUIRES: Final[dict[str, dict[str, str]]] = {
    "langgraph": {**_TOOLS, "langgraph": "langgraph>=1", "langchain_openai": "langchain-openai>=1"},
    "bare": _TOOLS,
}
# Thread pools read these once, when numpy loads, so they must be set before the process starts.
ENV: Final[dict[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "DO_NOT_TRACK": "1",
}
SCRIPT: Final = f"{__name__}.script:make"


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "Agent":
    """Return the agent, with its pages rendered, indexed and served by a process of their own.

    Args:
        settings: a value for every name in SETTINGS.
        seed: decides the order of the tasks.
        variant: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: not used; reading the web leaves nothing behind.

    Raises:
        ValueError: an unknown choice, a setting out of range, or a corpus without tasks.
        ImportError: a package that the variant needs is missing.
    """
    del workdir
    _check(settings, variant)
    if variant == "langgraph":
        from .graph import GraphAgent

        return GraphAgent(settings, seed, base_url, model)
    from .bare import BareAgent

    return BareAgent(settings, seed, base_url, model)


def _check(settings: dict[str, Any], variant: str) -> None:
    one_of("web", "variant", variant, VARIANTS)
    one_of("web", "fetch", settings["fetch"], ("sequential", "parallel"))
    one_of("web", "extractor", settings["extractor"], ("selectolax", "trafilatura"))
    one_of("web", "summariser", settings["summariser"], ("sumy", "numpy"))
    least = {"pages": 1, "timeout_s": 1, "sentences": 1}
    zero = ("smallest_kb", "largest_kb", "delay_ms", "hang_percent", "output_tokens")
    at_least("web", settings, least | dict.fromkeys(zero, 0))
