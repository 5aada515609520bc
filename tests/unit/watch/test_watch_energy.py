"""Energy counters as the zeus library reads them, and the meter beside a bench."""

import os
import sys
import time
from types import ModuleType, SimpleNamespace

from orchprof.bench.meter import Meter
from orchprof.watch.energy_counters import counters


def test_without_the_library_there_are_no_counters(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeus.monitor", None)
    found, why = counters()
    assert found is None
    assert "orchprof[energy]" in why


class Monitor:
    """Stands in for zeus.monitor.ZeusMonitor."""

    gpu_indices, cpu_indices = (0, 1), (0,)
    seen = SimpleNamespace(gpu_energy={0: 100.0, 1: 50.0}, cpu_energy={0: 30.0})

    def begin_window(self, key, sync_execution):
        assert not sync_execution
        self.key = key

    def end_window(self, key, sync_execution):
        assert (key, sync_execution) == (self.key, False)
        return self.seen


def zeus(monkeypatch, monitor):
    module = ModuleType("zeus.monitor")
    module.ZeusMonitor = monitor
    monkeypatch.setitem(sys.modules, "zeus", ModuleType("zeus"))
    monkeypatch.setitem(sys.modules, "zeus.monitor", module)


def test_counters_are_read_where_the_library_sees_them(monkeypatch):
    zeus(monkeypatch, Monitor)
    found, why = counters()
    assert why is None
    found.start()
    assert found.stop() == [("cpu", 30.0, "measured:rapl"), ("accelerator", 150.0, "measured:nvml")]


def test_a_kind_of_counter_that_is_not_there_is_left_out(monkeypatch):
    class NoGpu(Monitor):
        gpu_indices = ()
        seen = SimpleNamespace(gpu_energy={}, cpu_energy={0: 30.0})

    zeus(monkeypatch, NoGpu)
    found, _ = counters()
    found.start()
    assert found.stop() == [("cpu", 30.0, "measured:rapl")]


def test_a_machine_without_counters_says_so(monkeypatch):
    zeus(monkeypatch, lambda: SimpleNamespace(gpu_indices=[], cpu_indices=[]))
    assert counters() == (None, "this machine shows no energy counters")


def test_a_driver_that_fails_stops_nothing(monkeypatch):
    def broken():
        raise RuntimeError("no driver")

    zeus(monkeypatch, broken)
    found, why = counters()
    assert found is None
    assert "no driver" in why


def burn():
    """Use the same CPU time whenever it is called, and return it; the counter has ticks of 10 ms."""
    began_s = time.process_time()
    while time.process_time() < began_s + 0.3:
        sum(range(10_000))
    return time.process_time() - began_s


def test_the_meter_of_an_endpoint_here(monkeypatch):
    zeus(monkeypatch, Monitor)
    meter = Meter(os.getpid())
    meter.begin()
    burn()
    meter.begin()  # from here on
    spent_s = burn()
    found = meter.end()
    assert 0 < found["endpoint_core_s"] < 1.8 * spent_s
    assert found["energy"] == [
        {"part": "cpu", "joules": 30.0, "tier": "measured:rapl"},
        {"part": "accelerator", "joules": 150.0, "tier": "measured:nvml"},
    ]
    assert found["energy_reason"] is None


def test_the_meter_of_an_endpoint_elsewhere_without_counters(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeus.monitor", None)
    meter = Meter(None)
    meter.begin()
    found = meter.end()
    assert (found["endpoint_core_s"], found["energy"]) == (None, [])
    assert "orchprof[energy]" in found["energy_reason"]
    assert Meter(os.getpid()).end()["endpoint_core_s"] is None  # nothing was measured
