"""Starting the recorder in a process that was told to by its environment, and stopping it however the process ends."""

from __future__ import annotations

import os

from orchprof.capture import recorder
from orchprof.capture.frameworks import human
from orchprof.capture.hooks.patches import wraps
from orchprof.capture.inject import asked
from orchprof.capture.state import STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.state import Recorder
    from orchprof.capture.strands import Strands


def begin(logs: str, entered: tuple[int, int]) -> None:
    """Record this process, and what it forks, into the folder `logs`; what is in the way of that is left there.

    Until it was `entered`, (wall ns, CPU ns of the process), it was its interpreter's start.
    """
    try:
        hooks = (human.hook, asked.hook, _stop_with_a_worker)
        since_ns = asked.started_ns(logs)
        recording = recorder.start(logs, hooks=hooks, cut_ns=asked.known_cut_ns(), since_ns=since_ns)
        recording.log.note(("entered", entered))
        # A forked child begins with the first that a hook sees; at once where functions are to be found by their names.
        STATE.sleeps = not asked.makers()
        if not STATE.sleeps:
            os.register_at_fork(after_in_child=recorder.wake)
    except Exception as error:  # noqa: BLE001  a program must not notice
        recorder.stop()
        from orchprof.capture.inject import _orchprof_marker

        _orchprof_marker.leave(logs, "not_injected", f"{type(error).__name__}: {error}")


def _stop_with_a_worker(strands: Strands, patches: Patches) -> None:  # noqa: ARG001
    """Close the log of a `multiprocessing` worker: it ends by `os._exit`, which runs nothing registered for the end."""

    def patch(module: ModuleType) -> None:
        patches.replace(module.BaseProcess, "_bootstrap", _bootstrap)

    patches.when_imported("multiprocessing.process", patch)


def _prepared(recording: Recorder) -> None:
    """Note that what a worker does from here on is its work; until here it was started, its program imported."""
    recording.log.note(("prepared", recording.strands.thread_clock().snapshot()))


def _bootstrap(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def bootstrap(*args: Any, **kwargs: Any) -> Any:
        recorder.wake()
        if STATE.recorder is not None:
            STATE.recorder.strands.safely(_prepared, STATE.recorder)
        try:
            return original(*args, **kwargs)
        finally:
            recorder.stop()

    return bootstrap
