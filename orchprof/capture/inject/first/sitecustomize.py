"""What a recorded interpreter runs before the program: it starts the recorder, then what it stands in front of.

The interpreter may be of any version and have nothing installed, so this is plain code of any Python 3, and the rest
of orchprof is loaded from where this file lies: no folder of ours is left on the program's `sys.path`.
"""

import os
import sys
import time

_entered = time.monotonic_ns(), time.process_time_ns()  # what is done from here on is recording's own
_here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib costs a program that wants none
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _here]  # noqa: PTH100
_home = os.path.dirname(os.path.dirname(os.path.dirname(_here)))  # noqa: PTH120
_logs = os.environ.get("ORCHPROF_LOGS", "")

try:
    if not _logs:
        pass
    elif sys.version_info < (3, 11) or sys.implementation.name != "cpython":
        sys.path.insert(0, os.path.dirname(_here))  # noqa: PTH120
        try:
            __import__("_orchprof_marker").leave(_logs, "python_too_old", sys.version.split()[0])
        finally:
            del sys.path[0]
    else:
        if "orchprof" not in sys.modules:
            # What `importlib.util` stands on, and is there in any Python: that package costs as much as all of ours.
            import _frozen_importlib
            import _frozen_importlib_external

            _file = os.path.join(_home, "__init__.py")  # noqa: PTH118
            _spec = _frozen_importlib_external.spec_from_file_location(
                "orchprof", _file, submodule_search_locations=[_home]
            )
            assert _spec is not None
            assert _spec.loader is not None
            sys.modules["orchprof"] = _frozen_importlib.module_from_spec(_spec)
            _spec.loader.exec_module(sys.modules["orchprof"])
        from orchprof.capture.inject import begin

        begin.begin(_logs, _entered)
except Exception:  # noqa: BLE001  a program must not notice that it could not be recorded
    for _name in [name for name in sys.modules if name.split(".")[0] == "orchprof"]:
        del sys.modules[_name]

# The one that this stands in front of, of a distribution or a virtual environment. If it is missing or fails, the
# interpreter says and does what it would have done without us.
sys.modules.pop("sitecustomize", None)
__import__("sitecustomize")
