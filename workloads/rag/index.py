"""The tools: embed a query, search the index, fetch the passages; and building the index they search."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np

import orchprof

from ..cache import folder
from . import corpus

_FORMAT: Final = "1"  # raise it when what _build writes changes
_FILL_ROWS: Final = 65_536  # made at a time, to keep the peak of memory near the index's own size
_SCHEMA: Final = """
CREATE TABLE passages (id INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE questions (title TEXT NOT NULL, sentence TEXT NOT NULL);
"""


class Tools:
    """What the agent may call. Safe in threads."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._top_k: int = settings["top_k"]
        self._characters: int = settings["document_characters"]
        home = _indexed(settings["corpus"], settings["rows"])
        faiss.omp_set_num_threads(1)
        self._index = faiss.read_index(str(home / "vectors.faiss"))
        self.passages = int(self._index.ntotal)
        _fill(self._index, settings["filler"])
        self._embedder = embedder()
        # One connection for all threads: a fetch is so short that the lock is hardly ever met.
        self._database = sqlite3.connect(
            f"file:{home / 'passages.sqlite'}?mode=ro", uri=True, check_same_thread=False
        )
        self._lock = threading.Lock()

    def questions(self) -> list[tuple[str, str]]:
        """Return (title, sentence) of every passage whose sentence no other passage shares."""
        return self._database.execute("SELECT title, sentence FROM questions ORDER BY rowid").fetchall()

    @orchprof.tool("embed_query")
    def embed_query(self, text: str) -> list[float]:
        """Return the text's unit vector."""
        vector: list[float] = self._embedder.embed([text], norm=True)[0].tolist()
        return vector

    @orchprof.tool("search_docs")
    def search_docs(self, vector: list[float]) -> list[int]:
        """Return the ids of the nearest passages, the nearest first; fewer than `top_k` if there are."""
        _, ids = self._index.search(np.asarray([vector], dtype=np.float32), self._top_k)
        return [int(found) for found in ids[0] if 0 <= found < self.passages]

    @orchprof.tool("fetch_passages")
    def fetch_passages(self, ids: list[int]) -> list[dict[str, str]]:
        """Return title and text of the passages, in the order of `ids`, each text cut as set."""
        marks = ", ".join("?" * len(ids))
        with self._lock:
            rows = self._database.execute(
                f"SELECT id, title, text FROM passages WHERE id IN ({marks})", ids
            ).fetchall()
        found = {key: {"title": title, "text": text[: self._characters]} for key, title, text in rows}
        return [found[key] for key in ids]

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def embedder() -> Any:
    """Return WordLlama's static token embeddings (256 wide), from the files inside its own package.

    Its loader looks for the tokenizer in a cache folder and downloads it when it is not there; the package's
    folder has the layout of that cache.
    """
    with _root_logger_kept():
        import wordllama
    home = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=home, disable_download=True)


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo what a library does to the root logger, which would then log, and cost, every HTTP request."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def _fill(index: Any, rows: int) -> None:
    """Add random unit vectors: exact search costs the same over them as over text; they match nothing."""
    generator = np.random.default_rng(0)
    for start in range(0, rows, _FILL_ROWS):
        shape = (min(_FILL_ROWS, rows - start), index.d)
        vectors = generator.standard_normal(shape, dtype=np.float32)
        faiss.normalize_L2(vectors)
        index.add(vectors)


def _indexed(name: str, rows: int) -> Path:
    inputs = [_FORMAT, name, str(rows), version("wordllama"), *corpus.sources(name)]
    return folder("rag", inputs, lambda scratch: _build(scratch, corpus.read(name, rows)))


def _build(scratch: Path, passages: list[corpus.Passage]) -> None:
    if not passages:
        raise ValueError(f"no passages @ rag corpus, give a folder with {', '.join(corpus.SUFFIXES)} files")
    vectors = embedder().embed([f"{passage.title} {passage.text}" for passage in passages], norm=True)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(scratch / "vectors.faiss"))
    connection = sqlite3.connect(scratch / "passages.sqlite")
    with connection:
        connection.executescript(_SCHEMA)
        rows = ((key, passage.title, passage.text) for key, passage in enumerate(passages))
        connection.executemany("INSERT INTO passages VALUES (?, ?, ?)", rows)
        connection.executemany("INSERT INTO questions VALUES (?, ?)", _unique(passages))
    connection.close()


def _unique(passages: list[corpus.Passage]) -> list[tuple[str, str]]:
    """Return (title, sentence) of the passages that are the only one with their sentence, in any case."""
    owners: dict[str, list[tuple[str, str]]] = {}
    for passage in passages:
        if passage.sentence:
            owners.setdefault(passage.sentence.casefold(), []).append((passage.title, passage.sentence))
    return [owned[0] for owned in owners.values() if len(owned) == 1]
