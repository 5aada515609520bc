"""Energy counters of this machine, as the zeus library reads them; where there are none, nothing is guessed."""

from importlib import import_module
from typing import Protocol

_WINDOW = "orchprof"


class _Energies(Protocol):
    """Joules by device over a window; None where there are no counters."""

    cpu_energy: dict[int, float] | None
    gpu_energy: dict[int, float] | None


class _Monitor(Protocol):
    """What is used of zeus's monitor."""

    def begin_window(self, key: str, *, sync_execution: bool) -> None: ...

    def end_window(self, key: str, *, sync_execution: bool) -> _Energies: ...


class Counters:
    """This machine's energy counters over a stretch of time."""

    def __init__(self, monitor: _Monitor) -> None:
        self._monitor = monitor

    def start(self) -> None:
        """Count from now on."""
        self._monitor.begin_window(_WINDOW, sync_execution=False)

    def stop(self) -> list[tuple[str, float, str]]:
        """Return part, joules since the start and tier of each kind of counter there is."""
        seen = self._monitor.end_window(_WINDOW, sync_execution=False)
        packages = (seen.cpu_energy or {}, "cpu", "measured:rapl")
        boards = (seen.gpu_energy or {}, "accelerator", "measured:nvml")
        return [
            (part, float(sum(joules.values())), tier) for joules, part, tier in (packages, boards) if joules
        ]


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
