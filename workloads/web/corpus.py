"""The pages, their full-text index, and the questions that they answer."""

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ..cache import folder
from .text import extract, sentences, summarise

_FORMAT: Final = "1"  # raise it when what is built changes
_ASKED_WORDS: Final = (8, 40)
_SCHEMA: Final = """
CREATE VIRTUAL TABLE pages USING fts5(name UNINDEXED, text);
CREATE TABLE questions (name TEXT NOT NULL, sentence TEXT NOT NULL);
"""


def pages(corpus: str) -> Path:
    """Return the folder of a corpus's pages, rendered at most once per version of Python.

    Raises:
        ValueError: there is no such folder.
    """
    if corpus == "stdlib":
        return folder("web-pages", [_FORMAT, sys.version, sys.prefix], _render)
    given = Path(corpus)
    if not given.is_dir():
        raise ValueError(f"no such corpus, {corpus!r} @ web, give stdlib or a folder")
    return given.resolve()


def index(root: Path, settings: dict[str, Any]) -> Path:
    """Return the index of the pages under `root` that have a size within the settings'.

    Raises:
        ValueError: there are none.
    """
    chosen = list(_chosen(root, settings["smallest_kb"], settings["largest_kb"]))
    if not chosen:
        raise ValueError(f"no pages of that size @ {root}, change smallest_kb or largest_kb")
    stats = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in chosen]
    kind = [settings["extractor"], version(settings["extractor"]), str(settings["sentences"])]

    def build(scratch: Path) -> None:
        _index(scratch / "pages.sqlite", root, chosen, settings)

    return folder("web", [_FORMAT, *kind, *stats], build) / "pages.sqlite"


def _chosen(root: Path, smallest_kb: int, largest_kb: int) -> Iterator[Path]:
    for path in sorted(root.rglob("*.htm*")):
        kilobytes = path.stat().st_size / 1000
        if path.is_file() and smallest_kb <= kilobytes and (not largest_kb or kilobytes <= largest_kb):
            yield path


def _render(scratch: Path) -> None:
    module = f"{__package__}.render"
    # Modules may print when imported, or read what is typed.
    subprocess.run(
        [sys.executable, "-m", module, str(scratch)],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _index(file: Path, root: Path, chosen: list[Path], settings: dict[str, Any]) -> None:
    read = {path: path.read_text(encoding="utf-8", errors="replace") for path in chosen}
    texts = {
        path.relative_to(root).as_posix(): extract(page, settings["extractor"]) for path, page in read.items()
    }
    connection = sqlite3.connect(file)
    with connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO pages VALUES (?, ?)", texts.items())
        asked = _questions(texts, settings["sentences"])
        connection.executemany("INSERT INTO questions VALUES (?, ?)", asked)
    connection.close()


def _questions(texts: dict[str, str], count: int) -> Iterator[tuple[str, str]]:
    """Yield (page, sentence) for what a page's summary should hold and no other page says."""
    said = Counter(sentence.casefold() for text in texts.values() for sentence in sentences(text))
    least, most = _ASKED_WORDS
    for name, text in texts.items():
        for sentence in summarise(text, count, "numpy"):
            if (
                said[sentence.casefold()] == 1
                and least <= len(sentence.split()) <= most
                and '"' not in sentence
            ):
                yield name, sentence
