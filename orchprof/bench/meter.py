"""Meter: what counters beside the workers say of the measured tasks: the endpoint's CPU, and the machine's energy."""

from contextlib import suppress
from typing import Any

import psutil

from orchprof.watch.energy_counters import counters


class Meter:
    """Counters from when the warm-up is over until the last task has ended."""

    def __init__(self, pid: int | None) -> None:
        """Prepare them: what is slow to load is loaded before anything is measured.

        Args:
            pid: of the model's endpoint; None: it runs elsewhere.
        """
        self._pid = pid
        self._counters, self._why = counters()
        self._begun_s: float | None = None
        self._has_begun = False

    def begin(self) -> None:
        """Count from now on, whatever was counted before."""
        if self._counters is not None:
            if self._has_begun:
                self._counters.stop()
            self._counters.start()
        self._has_begun = True
        self._begun_s = self._cpu_s()

    def end(self) -> dict[str, Any]:
        """Return run.json's `metered`: CPU seconds of the endpoint, joules by part, and why there are none."""
        now_s = self._cpu_s()
        spent_s = None if now_s is None or self._begun_s is None else now_s - self._begun_s
        counted = self._counters.stop() if self._counters is not None and self._has_begun else []
        names = ("part", "joules", "tier")
        return {
            "endpoint_core_s": spent_s,
            "energy": [dict(zip(names, each, strict=True)) for each in counted],
            "energy_reason": self._why,
        }

    def _cpu_s(self) -> float | None:
        """Return the CPU time of the endpoint and all that it started; None: there is none here."""
        with suppress(psutil.Error):
            if self._pid is not None:
                spent = psutil.Process(self._pid).cpu_times()
                return float(spent.user + spent.system + spent.children_user + spent.children_system)
        return None
