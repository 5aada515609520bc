"""What a worker is told by its environment."""

from orchprof.bench.worker_pool import _own


def test_a_worker_records_itself_also_where_its_driver_is_recorded(monkeypatch):
    monkeypatch.setenv("ORCHPROF_LOGS", "somewhere")
    monkeypatch.setenv("KEPT", "1")
    environment = _own({"OMP_NUM_THREADS": "1"})
    assert "ORCHPROF_LOGS" not in environment
    assert (environment["KEPT"], environment["OMP_NUM_THREADS"]) == ("1", "1")
