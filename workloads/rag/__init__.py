"""rag: a question is embedded, searched for exactly, and answered from the passages that were found."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .bare import Agent

SUMMARY: Final = "answer a question from an exact vector search over the documentation installed here"
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "rows": (10_000, "at most this many passages in the index (0 = all there are)"),
    "corpus": ("installed", "installed, stdlib, or a folder of your own .txt, .md, .rst and .html files"),
    "filler": (0, "random vectors to add, which make exact search cost what so many more passages would"),
    "backend": ("exact", "how the index is searched: exact"),
    "top_k": (5, "passages that go into the prompt"),
    "document_characters": (500, "characters of each passage that go into the prompt"),
    "output_tokens": (0, "length of the answer (0 = as long as its text)"),
}
TASKS: Final = 20  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {"rows": 2_000, "corpus": "stdlib"}
VARIANTS: Final = ("haystack", "bare")
_TOOLS: Final = {
    "faiss": "faiss-cpu>=1.8",
    "numpy": "numpy>=1.26",
    "openai": "openai>=1.99",
    "wordllama": "wordllama>=0.3.9",
}
REQUIRES: Final[dict[str, dict[str, str]]] = {
    "haystack": {**_TOOLS, "haystack": "haystack-ai>=3.0"},
    "bare": _TOOLS,
}
# Thread pools read these once, when numpy and faiss load, so they must be set before the process starts.
ENV: Final[dict[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "DO_NOT_TRACK": "1",
}
SCRIPT: Final = f"{__name__}.script:make"
_BACKENDS: Final = ("exact",)


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "Agent":
    """Return the agent, with its corpus read, embedded and indexed.

    Args:
        settings: a value for every name in SETTINGS.
        seed: decides the order of the tasks.
        variant: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: not used; searching leaves nothing behind.

    Raises:
        ValueError: an unknown variant or backend, a setting out of range, or a corpus without tasks.
        ImportError: a package that the variant needs is missing.
    """
    del workdir
    _check(settings, variant)
    if variant == "haystack":
        from .pipeline import HaystackAgent

        return HaystackAgent(settings, seed, base_url, model)
    from .bare import BareAgent

    return BareAgent(settings, seed, base_url, model)


def _check(settings: dict[str, Any], variant: str) -> None:
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant, {variant!r} @ rag, choose from {', '.join(VARIANTS)}")
    backend = settings["backend"]
    if backend not in _BACKENDS:
        raise ValueError(f"unknown backend, {backend!r} @ rag, choose from {', '.join(_BACKENDS)}")
    for name, least in (
        ("rows", 0),
        ("filler", 0),
        ("top_k", 1),
        ("document_characters", 1),
        ("output_tokens", 0),
    ):
        if settings[name] < least:
            raise ValueError(f"{name} is too small, {settings[name]} @ rag, give {least} or more")
