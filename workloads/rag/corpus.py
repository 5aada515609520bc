"""Where the passages come from: the documentation a Python installation carries, or the user's own files."""

import ast
import hashlib
import importlib.util
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Final

# Present wherever the workloads extra is; each is read as text, none is imported.
PACKAGES: Final = (
    "networkx", "numpy", "pandas", "scipy", "haystack", "jinja2", "jsonschema", "openai", "psutil", "pyarrow",
    "pydantic", "pytest", "rich", "starlette", "tokenizers", "typer", "wordllama",
)  # fmt: skip
SUFFIXES: Final = (".htm", ".html", ".md", ".rst", ".txt")
_SKIPPED: Final = {
    "conftest",
    "dist-packages",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "testing",
    "tests",
}
_PASSAGE_WORDS: Final = 100
_SENTENCE_WORDS: Final = (6, 40)  # shorter ones say too little to be asked about, longer ones are lists


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text with a title of its own, and the sentence it can be asked by (None: it cannot)."""

    title: str
    text: str
    sentence: str | None


def sources(corpus: str) -> list[str]:
    """Return one line per source of the corpus; equal lines mean equal passages.

    Args:
        corpus: `installed`, `stdlib`, or a folder.

    Raises:
        ValueError: there is no such folder.
    """
    if corpus in ("installed", "stdlib"):
        packages = _packages() if corpus == "installed" else {}
        names = [f"{name} {version(_distribution(name))}" for name in packages]
        return [f"python {sys.version}", f"{_stdlib()}", *names]
    return [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in _files(corpus)]


def read(corpus: str, rows: int) -> list[Passage]:
    """Return at most `rows` passages (0 = all), the same ones on every call.

    Fewer than there are is a sample: files are read in the order of a hash of their names until there are enough, so
    that no package comes first.
    """
    found = _installed(corpus) if corpus in ("installed", "stdlib") else _own(Path(corpus), _files(corpus))
    by_title: dict[str, Passage] = {}
    for passage in found:
        by_title[passage.title] = passage
        if len(by_title) == rows:
            break
    return list(by_title.values())


def _installed(corpus: str) -> Iterator[Passage]:
    packages = _packages() if corpus == "installed" else {}
    roots = {"": _stdlib(), **packages}.items()
    modules = [(module, path) for name, root in roots for path, module in _modules(root, name)]
    for module, path in sorted(modules, key=lambda found: _shuffled(found[0])):
        for title, text in _docstrings(path, module):
            yield from _split(title, text)


def _shuffled(name: str) -> bytes:
    return hashlib.sha1(name.encode(), usedforsecurity=False).digest()


def _stdlib() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def _packages() -> dict[str, Path]:
    specs = {name: importlib.util.find_spec(name) for name in PACKAGES}
    return {
        name: Path(spec.submodule_search_locations[0])
        for name, spec in specs.items()
        if spec is not None and spec.submodule_search_locations
    }


def _distribution(name: str) -> str:
    return "haystack-ai" if name == "haystack" else name


def _modules(root: Path, package: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if _SKIPPED.isdisjoint(parts):
            named = parts[:-1] if parts[-1] == "__init__" else parts
            yield path, ".".join([package, *named] if package else named)


def _docstrings(path: Path, module: str) -> Iterator[tuple[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's escape sequences
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # templates and deliberately broken files
            return
    yield from _documented(tree, module)


def _documented(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str
) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node)
    if text:
        yield name, text
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if (
                isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and child.name[0] != "_"
            ):
                yield from _documented(child, f"{name}.{child.name}")


def _split(title: str, text: str) -> Iterator[Passage]:
    """Yield a docstring's passages; its first paragraph's first sentence asks for the first of them."""
    summary = _sentences(" ".join(text.split("\n\n", 1)[0].split()))
    for number, words in enumerate(_windows(text), 1):
        first = number == 1
        yield Passage(
            title if first else f"{title} ({number})", words, _askable(summary[:1]) if first else None
        )


def _windows(text: str) -> Iterator[str]:
    words = text.split()
    for start in range(0, len(words), _PASSAGE_WORDS):
        yield " ".join(words[start : start + _PASSAGE_WORDS])


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text)


def _askable(sentences: list[str]) -> str | None:
    least, most = _SENTENCE_WORDS
    return next((sentence for sentence in sentences if least <= len(sentence.split()) <= most), None)


def _files(folder: str) -> list[Path]:
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"no such corpus, {folder!r} @ rag, give installed, stdlib or a folder")
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _own(root: Path, paths: list[Path]) -> Iterator[Passage]:
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        plain = _plain(text) if path.suffix.lower() in (".htm", ".html") else text
        for number, words in enumerate(_windows(plain), 1):
            # A window's first and last sentences may be cut; only whole ones can be asked about.
            whole = _sentences(words)[0 if number == 1 else 1 : -1]
            yield Passage(f"{path.relative_to(root)}#{number}", words, _askable(whole))


class _Text(HTMLParser):
    """Collects what a page says, without its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _plain(page: str) -> str:
    parser = _Text()
    parser.feed(page)
    parser.close()
    return " ".join(parser.parts)
