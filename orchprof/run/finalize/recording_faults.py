"""Complaints: what a log says went wrong with the recording of its process."""

from collections.abc import Mapping
from typing import Final

from orchprof.capture.log import VERSION
from orchprof.run.finalize.event_logs import Finding, Journal

# Those that the hooks were tested on.
_TESTED: Final = ("3.11", "3.12", "3.13")


def _python(meta: Mapping[str, object]) -> list[Finding]:
    """Return what there is to say of the interpreter that a process ran."""
    faults = []
    release = ".".join(str(meta.get("python", "")).split(".")[:2])
    if meta.get("pid") and release and release not in _TESTED:
        message = f"Python {release} was recorded, which is not tested: {', '.join(_TESTED)} are"
        faults.append({"code": "untested_python", "message": message})
    if not meta.get("gil", True):
        message = "an interpreter without a GIL was recorded: there is no `gil` to wait for, and little of it is tested"
        faults.append({"code": "free_threaded", "message": message})
    return faults


def recording_faults(journal: Journal) -> list[Finding]:
    """Return {"code", "message"} of everything, nothing twice."""
    if journal.meta is None:
        message = f"{journal.path.name} lost its header: its {len(journal.rows)} rows cannot be read"
        return [{"code": "lost_events", "message": message}] if len(journal.rows) else []
    if not journal.known:
        version = journal.meta["version"]
        return [
            {
                "code": "unknown_log",
                "message": f"{journal.path.name} has log version {version}, not {VERSION}",
            }
        ]
    faults = _python(journal.meta)
    if any(not clock["has_delay"] for _, clock in journal.notes["clock"]):
        faults.append({"code": "no_run_delay", "message": "the kernel reports no run delay of threads"})
    lost = sum(closed["lost_frames"] for _, closed in journal.notes["closed"])
    if lost:
        faults.append({"code": "lost_events", "message": f"{lost} buffers could not be written"})
    for _, unborn in journal.notes["unborn"]:
        message = (
            f"{unborn} rows of {journal.path.name} tell of strands whose start was lost: they are left out"
        )
        faults.append({"code": "lost_events", "message": message})
    for _, where, why in journal.notes["hook"]:
        faults.append({"code": "hook_disabled", "message": f"{where} is not followed: {why}"})
    for _, told in journal.notes["watch"]:
        message = f"threads cannot be looked at from outside: {told.get('reason', 'not allowed')}"
        faults.append({"code": "no_sampler", "message": message})
    for _, (_pid, name) in journal.notes["container"]:
        message = f"{name} ran its work outside this process tree: its CPU is not counted"
        faults.append({"code": "outside_tree", "message": message})
    return list({(fault["code"], fault["message"]): fault for fault in faults}.values())
