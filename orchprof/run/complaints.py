"""Complaints: what a log says went wrong with the recording of its process."""

from typing import Any

from orchprof.record.log import VERSION
from orchprof.run.journal import Journal


def complaints(journal: Journal) -> list[dict[str, Any]]:
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
    found = []
    if any(not clock["has_delay"] for _, clock in journal.notes["clock"]):
        found.append({"code": "no_run_delay", "message": "the kernel reports no run delay of threads"})
    lost = sum(closed["lost_frames"] for _, closed in journal.notes["closed"])
    if lost:
        found.append({"code": "lost_events", "message": f"{lost} buffers could not be written"})
    for _, unborn in journal.notes["unborn"]:
        message = (
            f"{unborn} rows of {journal.path.name} tell of strands whose start was lost: they are left out"
        )
        found.append({"code": "lost_events", "message": message})
    for _, where, why in journal.notes["hook"]:
        found.append({"code": "hook_disabled", "message": f"{where} is not followed: {why}"})
    for _, told in journal.notes["watch"]:
        message = f"threads cannot be looked at from outside: {told.get('reason', 'not allowed')}"
        found.append({"code": "no_sampler", "message": message})
    for _, (_pid, name) in journal.notes["container"]:
        message = f"{name} ran its work outside this process tree: its CPU is not counted"
        found.append({"code": "outside_tree", "message": message})
    return list({(each["code"], each["message"]): each for each in found}.values())
