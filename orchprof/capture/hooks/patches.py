"""What a hook changed in other modules, so that it can be put back in reverse order."""

from __future__ import annotations

import sys

from orchprof.capture.frames import hidden, hide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

_MISSING = object()
_SHOWN = ("__module__", "__name__", "__qualname__", "__doc__", "__type_params__")


def wraps(original: Any) -> Callable[[F], F]:
    """Return what makes a function look like `original`, as `functools.wraps` does, without that import."""

    def look_alike(function: F) -> F:
        for name in _SHOWN:
            if hasattr(original, name):
                setattr(function, name, getattr(original, name))
        function.__dict__.update(getattr(original, "__dict__", {}))
        function.__wrapped__ = original  # type: ignore[attr-defined]
        return function

    return look_alike


class Patches:
    """A stack of changes. `undo` takes all of them back; changes never stack twice, because recording does not."""

    def __init__(self, complain: Callable[[str, BaseException], object]) -> None:
        """Start with no change; `complain(module, error)` hears of a library that a hook does not know."""
        self._complain = complain
        self._undo: list[Callable[[], object]] = []
        self._close: list[Callable[[], object]] = []
        self._finder = _AfterImport()

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Set `owner.name` to `make(what it was)`; a static or class method stays one."""
        original = getattr(owner, name)
        own = vars(owner).get(name, _MISSING)
        bases = getattr(owner, "__mro__", (owner,))
        raw: Any = next((vars(base)[name] for base in bases if name in vars(base)), None)
        bound = isinstance(raw, staticmethod | classmethod)
        made = hidden(make(raw.__func__ if bound else original))
        if type(owner) is type(sys) and type(made) is type(wraps):
            made.__module__ = (
                owner.__name__
            )  # pickle looks for it there: `posix` has another `system` than `os` now
        setattr(owner, name, type(raw)(made) if bound else made)
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
        self._finder.add(name, try_patch)
        self.also(lambda: self._finder.forget(name, try_patch))

    def before_import(self, wanted: dict[str, str], prepare: Callable[[str], None]) -> None:
        """Call `prepare(what)` for what is wanted of a module right before it is imported; now if it is loaded.

        So what is known of a library is loaded with the library, and can still wait for the modules inside it.
        """

        def try_prepare(what: str) -> None:
            try:
                prepare(what)
            except Exception as error:  # noqa: BLE001 - as in `when_imported`
                self._complain(what, error)

        for name in wanted.keys() & sys.modules.keys():
            try_prepare(wanted[name])
        self._finder.prepare(wanted, try_prepare)
        self.also(lambda: self._finder.prepare({}, try_prepare))

    def closing(self, close: Callable[[], object]) -> None:
        """Remember what to close when recording stops, before the hooks are taken out."""
        self._close.append(close)

    def close(self) -> None:
        """Close what hooks still have open."""
        _all(self._close, self._complain)

    def undo(self) -> None:
        """Close what is open, and put everything back."""
        self.close()
        self._back_to(0)

    def complain(self, where: str, error: BaseException) -> None:
        """Say that a hook gave up."""
        self._complain(where, error)

    def _back_to(self, done: int) -> None:
        _all(self._undo, self._complain, done)


def _all(
    calls: list[Callable[[], object]], complain: Callable[[str, BaseException], object], but: int = 0
) -> None:
    """Do what was remembered, the last first, but for the first few."""
    while len(calls) > but:
        try:
            calls.pop()()
        except Exception as error:  # noqa: BLE001 - the program took a hook out, or put another thing in its place
            complain("undo", error)


def _nothing(_what: str) -> None:
    pass


class _AfterImport:
    """Finds modules the way everybody else would, and patches each after it has run.

    One finder for all: every import of the program asks it, most of them in vain.
    """

    def __init__(self) -> None:
        self._patches: dict[str, list[Callable[[ModuleType], object]]] = {}
        self._wanted: dict[str, str] = {}
        self._prepare: Callable[[str], None] = _nothing

    def add(self, name: str, patch: Callable[[ModuleType], object]) -> None:
        self._start()
        self._patches.setdefault(name, []).append(patch)

    def prepare(self, wanted: dict[str, str], prepare: Callable[[str], None]) -> None:
        if wanted:
            self._start()
        self._wanted, self._prepare = wanted, prepare
        self._stop_if_idle()

    def forget(self, name: str, patch: Callable[[ModuleType], object]) -> None:
        waiting = self._patches.get(name, [])
        if patch in waiting:
            waiting.remove(patch)
        if not waiting:
            self._take(name)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._wanted:
            self._prepare(self._wanted[fullname])
        if fullname not in self._patches:
            return None
        # A program may only ask whether the module is there: its patches stay until it runs.
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._wrap(fullname, spec.loader)
        return spec

    def _wrap(self, name: str, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            try:
                execute(module)
            except BaseException as error:
                hide(error)
                raise
            for patch in self._take(name):
                patch(module)

        loader.exec_module = exec_module

    def _take(self, name: str) -> list[Callable[[ModuleType], object]]:
        """Return a module's patches, which nobody waits for any longer."""
        taken = self._patches.pop(name, [])
        self._stop_if_idle()
        return taken

    def _start(self) -> None:
        if not (self._patches or self._wanted):
            sys.meta_path.insert(0, self)

    def _stop_if_idle(self) -> None:
        if not (self._patches or self._wanted) and self in sys.meta_path:
            sys.meta_path.remove(self)
