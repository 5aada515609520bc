"""Finding functions by name as soon as there are any: those of imported modules, and those of the program itself.

`python agent.py` is no import that anybody can follow, and its functions are called before its end. So the bodies of
the modules that were named are watched line by line until they have defined what is wanted, by local events of
`sys.monitoring`: every other code object is met once and costs nothing from then on. Where there is none (3.11) a
trace function does that, in the program's own body only, because it slows down what runs meanwhile, mostly imports.
Wrapped right after its `def`, a function is wrapped under all its later names, in a list of tools for instance. What
is no Python code, and on 3.11 whatever is imported, is wrapped after the import: a name it got until then stays bare.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final

from orchprof.capture.frameworks.wrap import Make, under
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.strands import Strands

# What the program's own module is called: by Python, and in a worker that `multiprocessing` spawned.
_MAIN: Final = ("__main__", "__mp_main__")
_BODY: Final = "<module>"
# The body of a worker that `multiprocessing` spawned only goes on to run the program's.
_SPAWNED: Final = "--multiprocessing-fork"


@dataclass(slots=True)
class Place:
    """A wanted function: its module, its name there (perhaps `Class.method`), and what each call runs under."""

    module: str
    path: str
    make: Make
    found: bool = field(default=False)

    @property
    def first(self) -> str:
        """What the module itself must define."""
        return self.path.partition(".")[0]

    def named(self, module: str | None, file: str) -> bool:
        """Return whether this module is the one that was meant; a program may be called what its file is called."""
        if module in _MAIN:
            return self.module == "__main__" or self.module.rpartition(".")[2] == Path(file).stem
        return self.module == module


def when_defined(strands: Strands, patches: Patches, wanted: list[Place]) -> None:
    """Put every wanted function under its span when it is defined, and note for each that is found that it was."""
    settle = functools.partial(_settle, strands, patches)
    for place in wanted:
        patches.when_imported(place.module, functools.partial(_after_import, settle, place))
    main = sys.modules["__main__"]  # in a forked child it has run already
    for place in wanted:
        if place.named(_MAIN[0], getattr(main, "__file__", None) or ""):
            settle(place, vars(main))
    _watch(patches, _Bodies([place for place in wanted if not place.found], settle))


def _after_import(settle: "_Settle", place: Place, module: ModuleType) -> None:
    if not place.found and place.first in vars(module):
        settle(place, vars(module))


_Settle = Callable[[Place, dict[str, Any]], None]


def _settle(strands: Strands, patches: Patches, place: Place, names: dict[str, Any]) -> None:
    """Wrap a function that is there; one that is missing from its class, or is no function, is complained of."""
    if place.found or place.first not in names:
        return
    place.found = True
    where = f"{place.module}:{place.path}"
    try:
        _wrap(patches, place, names, where)
    except Exception as error:  # noqa: BLE001  whatever a program calls by that name
        patches.complain(where, error)
    else:
        strands.log.note(("label", where))


def _wrap(patches: Patches, place: Place, names: dict[str, Any], where: str) -> None:
    *classes, name = place.path.split(".")
    if not classes:
        original = names[name]
        names[name] = _wrapped(patches, where, original, place.make)
        patches.also(functools.partial(names.__setitem__, name, original))
        return
    owner = names[classes[0]]
    for inner in classes[1:]:
        owner = vars(owner)[inner]
    original = vars(owner)[name]
    setattr(owner, name, _wrapped(patches, where, original, place.make))
    patches.also(functools.partial(setattr, owner, name, original))


def _wrapped(patches: Patches, where: str, original: Any, make: Make) -> Any:
    """Return what stands for the original, of its own kind."""
    if isinstance(original, staticmethod | classmethod):
        return type(original)(under(patches, where, original.__func__, make))
    if not isinstance(original, FunctionType):
        raise TypeError(f"it is no function but a {type(original).__name__}")
    return under(patches, where, original, make)


class _Bodies:
    """The bodies of modules that may define what is wanted, while they run."""

    def __init__(self, wanted: list[Place], settle: _Settle) -> None:
        self._wanted, self._settle = wanted, settle

    def pending(self) -> bool:
        """Return whether anything is still to be found."""
        return any(not place.found for place in self._wanted)

    def defines(self, frame: FrameType) -> bool:
        """Return whether this frame is the body of a module that defines what is still wanted."""
        return frame.f_code.co_name == _BODY and bool(self._here(frame))

    def look(self, frame: FrameType) -> bool:
        """Wrap what has been defined by now; return whether this body has more to define."""
        here = self._here(frame)
        for place in here:
            self._settle(place, frame.f_globals)
        return not all(place.found for place in here)

    def _here(self, frame: FrameType) -> list[Place]:
        name, code = frame.f_globals.get("__name__"), frame.f_code
        places = (place for place in self._wanted if not place.found and place.first in code.co_names)
        return [place for place in places if place.named(name, code.co_filename)]


def _watch(patches: Patches, bodies: _Bodies) -> None:
    if bodies.pending():
        if sys.version_info >= (3, 12):
            _monitor(patches, bodies)
        else:
            _trace(bodies)


def _trace(bodies: _Bodies) -> None:
    """Look at each line of the program's body; when a debugger or a tracer is there already, it is not disturbed."""
    if sys.gettrace() is not None:
        return

    def body(frame: FrameType, event: str, _arg: Any) -> Any:
        if event != "return" and bodies.look(frame):
            return body
        frame.f_trace = None
        return stop() if _is_main(frame) else None

    def begun(frame: FrameType, _event: str, _arg: Any) -> Any:
        if bodies.defines(frame):
            return body
        return stop() if _is_main(frame) and _SPAWNED not in sys.argv else None

    def stop() -> None:
        if told() is begun:
            sys.settrace(None)
        if sys.gettrace is hidden:
            sys.gettrace = told

    def hidden() -> Any:
        """Return the trace function, as the builtin does; ours is not there for the program."""
        answer = told()
        return None if answer is begun else answer

    told = sys.gettrace
    sys.gettrace = hidden
    sys.settrace(begun)


def _is_main(frame: FrameType) -> bool:
    return frame.f_code.co_name == _BODY and frame.f_globals.get("__name__") in _MAIN


if sys.version_info >= (3, 12):
    _LAST_TOOL: Final = 5

    def _monitor(patches: Patches, bodies: _Bodies) -> None:
        """Look at each line of the program's body; every other code object is met once and never again."""
        watch = sys.monitoring
        tool = next((n for n in range(_LAST_TOOL, -1, -1) if watch.get_tool(n) is None), None)
        if tool is None:
            return

        def begun(code: CodeType, _offset: int) -> Any:
            if code.co_name == _BODY and bodies.defines(sys._getframe(1)):
                watch.set_local_events(tool, code, watch.events.LINE)
            return watch.DISABLE

        def line(code: CodeType, _line: int) -> Any:
            if not bodies.look(sys._getframe(1)):
                watch.set_local_events(tool, code, 0)
                if not bodies.pending():
                    watch.set_events(tool, 0)

        watch.use_tool_id(tool, "orchprof")
        watch.register_callback(tool, watch.events.PY_START, begun)
        watch.register_callback(tool, watch.events.LINE, line)
        watch.set_events(tool, watch.events.PY_START)
        patches.also(functools.partial(_end, tool))

    def _end(tool: int) -> None:
        sys.monitoring.set_events(tool, 0)
        for event in (sys.monitoring.events.PY_START, sys.monitoring.events.LINE):
            sys.monitoring.register_callback(tool, event, None)
        sys.monitoring.free_tool_id(tool)
