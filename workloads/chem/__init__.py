"""chem: an agent studies a molecule with a chemist's tools and reports what they said."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..settings import at_least, one_of

if TYPE_CHECKING:
    from .bare import Agent

SUMMARY: Final = (
    "report on a molecule: formula, weight, 3-D structure, substructures of a library, literature"
)
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "molecules": ("medium", "light (8-17 atoms besides hydrogen), medium (21-37), or heavy (43-76)"),
    "conformers": (1, "3-D structures that are made of a molecule, each with its energy minimised"),
    "tools": (
        5,
        "how many tools a task takes, of parse, descriptors, 3-D, substructure and literature search",
    ),
    "documents": (10_000, "at most this many passages of literature (0 = all there are)"),
    "corpus": ("installed", "the literature: installed, stdlib, or a folder of your own text and HTML files"),
    "timeout_s": (60, "seconds that a fragment of a molecule may take to find a place in space"),
    # A thought, a call and a report of at most five lines: the text itself decides unless told otherwise.
    "output_tokens": (0, "length of each of the model's turns (0 = as long as its text)"),
}
TASKS: Final = 20  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {"documents": 2_000, "corpus": "stdlib"}
VARIANTS: Final = ("langgraph", "bare")
_TOOLS: Final = {"rdkit": "rdkit>=2024.3", "openai": "openai>=1.99"}
REQUIRES: Final[dict[str, dict[str, str]]] = {
    "langgraph": {
        **_TOOLS,
        "langgraph": "langgraph>=1.0",
        "langchain": "langchain>=1.0",
        "langchain_openai": "langchain-openai>=1.0",
    },
    "bare": _TOOLS,
}
ENV: Final[dict[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "DO_NOT_TRACK": "1",
}
SCRIPT: Final = f"{__name__}.script:make"
_SIZES: Final = ("light", "medium", "heavy")
_MOST_TOOLS: Final = 5


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "Agent":
    """Return the agent, with its library of molecules and its literature ready to be searched.

    Args:
        settings: a value for every name in SETTINGS.
        seed: decides the tasks.
        variant: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: not used; the tools leave nothing behind.

    Raises:
        ValueError: an unknown variant or class of molecules, a setting out of range, or a corpus without questions.
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
    one_of("chem", "variant", variant, VARIANTS)
    one_of("chem", "molecules", settings["molecules"], _SIZES)
    at_least(
        "chem", settings, {"conformers": 1, "tools": 1, "documents": 0, "timeout_s": 1, "output_tokens": 0}
    )
    if settings["tools"] > _MOST_TOOLS:
        raise ValueError(f"tools is too large, {settings['tools']} @ chem, give {_MOST_TOOLS} or less")
