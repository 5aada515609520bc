"""What a hook changed in other modules, so that it can be put back in reverse order."""

import contextlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

_MISSING = object()


class Patches:
    """A stack of changes. `undo` takes all of them back; changes never stack twice, because recording does not."""

    def __init__(self, complain: Callable[[str, BaseException], object]) -> None:
        """Start with no change; `complain(module, error)` hears of a library that a hook does not know."""
        self._complain = complain
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Set `owner.name` to `make(what it was)`."""
        original = getattr(owner, name)
        own = vars(owner).get(name, _MISSING)
        setattr(owner, name, make(original))
        self.also(lambda: delattr(owner, name) if own is _MISSING else setattr(owner, name, own))

    def also(self, undo: Callable[[], object]) -> None:
        """Remember one more thing to do when the hooks are taken out."""
        self._undo.append(undo)

    def when_imported(self, name: str, patch: Callable[[ModuleType], None]) -> None:
        """Call `patch(module)` now if the module is loaded, else right after the program imports it itself.

        A library of a version that the patch does not fit is left as it was, and complained of: it must not fail
        the program.
        """

        def try_patch(module: ModuleType) -> None:
            done = len(self._undo)
            try:
                patch(module)
            except Exception as error:  # noqa: BLE001 - whatever an unknown version lacks
                self._back_to(done)
                self._complain(name, error)

        if name in sys.modules:
            try_patch(sys.modules[name])
            return
        finder = _AfterImport(name, try_patch)
        sys.meta_path.insert(0, finder)
        self.also(lambda: _forget(finder))

    def undo(self) -> None:
        """Put everything back."""
        self._back_to(0)

    def complain(self, where: str, error: BaseException) -> None:
        """Say that a hook gave up."""
        self._complain(where, error)

    def _back_to(self, done: int) -> None:
        while len(self._undo) > done:
            self._undo.pop()()


class _AfterImport(importlib.abc.MetaPathFinder):
    """Finds one module the way everybody else would, and patches it after it has run."""

    def __init__(self, name: str, patch: Callable[[ModuleType], None]) -> None:
        self._name, self._patch = name, patch

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        # A program may only ask whether the module is there: this stays until it runs.
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader)
        return spec

    def _wrap(self, loader: Any) -> None:
        execute, patch = loader.exec_module, self._patch

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:
                _forget(self)
                patch(module)

        loader.exec_module = exec_module


def _forget(finder: _AfterImport) -> None:
    with contextlib.suppress(ValueError):
        sys.meta_path.remove(finder)
