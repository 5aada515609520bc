"""The literature: full-text search, ranked by BM25, over documentation that is at hand."""

import re
import sqlite3
import threading
from pathlib import Path
from typing import Final

from ..cache import folder
from ..rag import corpus

_FORMAT: Final = "1"  # raise it when what _build writes changes
_FOUND: Final = 5
_SCHEMA: Final = """
CREATE VIRTUAL TABLE passages USING fts5 (title, text);
CREATE TABLE questions (title TEXT NOT NULL, sentence TEXT NOT NULL);
"""
_QUESTIONS: Final = """
SELECT title, sentence FROM questions GROUP BY lower(sentence) HAVING count(*) = 1 ORDER BY min(rowid)
"""


class Literature:
    """Documents that can be searched. Safe in threads."""

    def __init__(self, name: str, rows: int) -> None:
        inputs = [_FORMAT, name, str(rows), *corpus.sources(name)]
        home = folder("chem", inputs, lambda scratch: _build(scratch, corpus.read(name, rows)))
        self._address = f"file:{home / 'literature.sqlite'}?mode=ro"
        self._threads = threading.local()
        self._opened: list[sqlite3.Connection] = []

    def questions(self) -> list[tuple[str, str]]:
        """Return (title, sentence) of every passage whose sentence no other passage shares."""
        return self._connection().execute(_QUESTIONS).fetchall()

    def search(self, query: str) -> list[dict[str, str]]:
        """Return title and text of the best passages that hold any word of a query, the best first."""
        words = re.findall(r"\w+", query)
        if not words:
            return []
        any_of_them = " OR ".join(f'"{word}"' for word in words)
        rows = self._connection().execute(
            "SELECT title, text FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ?",
            (any_of_them, _FOUND),
        )
        return [{"title": title, "text": text} for title, text in rows]

    def close(self) -> None:
        """Close every thread's connection."""
        for connection in self._opened:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            # Each thread has its own: searches are long enough to be in each other's way. Another one closes it.
            connection = sqlite3.connect(self._address, uri=True, check_same_thread=False)
            self._threads.connection = connection
            self._opened.append(connection)
        return connection


def _build(scratch: Path, passages: list[corpus.Passage]) -> None:
    if not passages:
        raise ValueError(f"no passages @ chem corpus, give a folder with {', '.join(corpus.SUFFIXES)} files")
    connection = sqlite3.connect(scratch / "literature.sqlite")
    with connection:
        connection.executescript(_SCHEMA)
        rows = ((passage.title, passage.text) for passage in passages)
        connection.executemany("INSERT INTO passages VALUES (?, ?)", rows)
        asked = ((passage.title, passage.sentence) for passage in passages if passage.sentence)
        connection.executemany("INSERT INTO questions VALUES (?, ?)", asked)
    connection.close()
