"""Energy counters of this machine, as the zeus library reads them; where there are none, nothing is guessed."""

from importlib import import_module
from typing import Any

_WINDOW = "orchprof"


class Counters:
    """This machine's energy counters over a stretch of time."""

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor

    def start(self) -> None:
        """Count from now on."""
        self._monitor.begin_window(_WINDOW, sync_execution=False)

    def stop(self) -> list[tuple[str, float, str]]:
        """Return part, joules since the start and tier of each kind of counter there is."""
        seen = self._monitor.end_window(_WINDOW, sync_execution=False)
        packages = (seen.cpu_energy or {}, "cpu", "measured:rapl")
        boards = (seen.gpu_energy or {}, "accelerator", "measured:nvml")
        return [(part, float(sum(each.values())), tier) for each, part, tier in (packages, boards) if each]


def counters() -> tuple[Counters | None, str | None]:
    """Return counters to be started, or None and why there are none."""
    try:
        monitor = import_module("zeus.monitor").ZeusMonitor()
    except ImportError:
        return None, "zeus is not installed: pip install 'orchprof[energy]'"
    except Exception as error:  # noqa: BLE001 - drivers fail in their own ways, and a run must go on without them
        return None, f"zeus cannot read this machine's counters: {error}"
    if not monitor.gpu_indices and not monitor.cpu_indices:
        return None, "this machine shows no energy counters"
    return Counters(monitor), None
