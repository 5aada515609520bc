"""Writes the standard library's pages as pydoc renders them: `python -m ...web.render FOLDER`.

In a process of its own, because every module has to be imported for it.
"""

import contextlib
import importlib
import pydoc
import sys
import warnings
from pathlib import Path
from typing import Final

# They print, open windows or browsers, or are programs and not documentation.
_SKIPPED: Final = {"antigravity", "idlelib", "lib2to3", "test", "this", "turtledemo"}


def modules() -> list[str]:
    """Return the names of the top-level modules that have a page."""
    return sorted(name for name in sys.stdlib_module_names if name[0] != "_" and name not in _SKIPPED)


def render(name: str) -> str:
    """Return a module's page.

    Raises:
        Exception: whatever importing it raises; some are for other systems only.
    """
    html, module = pydoc.HTMLDoc(), importlib.import_module(name)
    return html.page(pydoc.describe(module), html.document(module, name))


def main() -> None:
    """Write a file per module."""
    folder = Path(sys.argv[1])
    warnings.simplefilter("ignore")  # other people's deprecations
    for name in modules():
        with contextlib.suppress(Exception):
            (folder / f"{name}.html").write_text(render(name), encoding="utf-8")


if __name__ == "__main__":
    main()
