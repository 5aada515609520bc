"""The tools: search, fetch a page, extract its text, summarise it."""

import re
import sqlite3
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import httpx

import orchprof

from ..far import Site
from . import corpus, text


class Tools:
    """What the agent may call. Safe in threads."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        root = corpus.pages(settings["corpus"])
        database = f"file:{corpus.index(root, settings)}?mode=ro"
        # One connection for all threads: a search is so short that the lock is hardly ever met.
        self._database = sqlite3.connect(database, uri=True, check_same_thread=False)
        self._lock = threading.Lock()
        # Imports now what the first calls, some of them in forked processes, would have to.
        self.extract_text("<p>Nothing.</p>")
        text.summarise("There is nothing to see here.", 1, settings["summariser"])
        self._site = Site(root, settings["delay_ms"], settings["hang_percent"])
        self._client = httpx.Client(timeout=settings["timeout_s"])

    def questions(self) -> list[tuple[str, str]]:
        """Return (page, sentence) of everything that can be asked."""
        return self._database.execute("SELECT name, sentence FROM questions ORDER BY rowid").fetchall()

    @orchprof.tool("search_pages")
    def search_pages(self, query: str) -> list[str]:
        """Return the names of the pages that fit best, the best first."""
        wanted = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", query.casefold())))
        found = "SELECT name FROM pages WHERE pages MATCH ? ORDER BY rank LIMIT ?"
        with self._lock:
            rows = (
                self._database.execute(found, (wanted, self._settings["pages"])).fetchall() if wanted else []
            )
        return [name for (name,) in rows]

    def fetch_pages(self, names: list[str]) -> list[str]:
        """Return the pages' HTML, fetched one after another or together, as set."""
        if self._settings["fetch"] == "sequential" or not names:
            return [self.fetch_page(name) for name in names]
        with ThreadPoolExecutor(len(names)) as pool:
            return list(pool.map(self.fetch_page, names))

    @orchprof.tool("fetch_page")
    def fetch_page(self, name: str) -> str:
        """Return a page's HTML.

        Raises:
            TimeoutError: the page said nothing for as long as is waited.
            httpx.HTTPError: it is not there, or the connection failed.
        """
        try:
            response = self._client.get(self._site.url(name))
        except httpx.TimeoutException as error:
            raise TimeoutError(f"{name} sent nothing for {self._settings['timeout_s']} s") from error
        return response.raise_for_status().text

    @orchprof.tool("extract_text")
    def extract_text(self, page: str) -> str:
        """Return a page's text."""
        return text.extract(page, self._settings["extractor"])

    @orchprof.tool("summarise")
    def summarise(self, page_text: str) -> str:
        """Return a text's summary, made in a fresh process as the published set-up does."""
        with ProcessPoolExecutor(1) as pool:
            job = pool.submit(
                text.summarise, page_text, self._settings["sentences"], self._settings["summariser"]
            )
            return " ".join(job.result())

    def close(self) -> None:
        """Close the client and the database, and end the site."""
        self._client.close()
        self._database.close()
        self._site.close()
