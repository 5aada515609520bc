"""Logs read without sealing them: what a recorded program left behind, whatever became of it."""

import json
import struct
from pathlib import Path

from orchprof.capture import strands as rec
from orchprof.capture.log import read_frames


def notes(directory: Path, kind: str) -> list[list]:
    """Return the notes of a kind in all logs, without the kind."""
    return [note[1:] for path in _logs(directory) for note in _notes(path) if note[0] == kind]


def spans(directory: Path) -> list[tuple[str, str]]:
    """Return (role, name) of every span that was opened, log by log."""
    found = ((row, names) for path in _logs(directory) for row, names in _rows(path))
    return [
        (rec.ROLES[(r[0] >> rec.ROLE_SHIFT) & 0xFF], n[r[8]]) for r, n in found if r[0] & 0xFF == rec.ENTER
    ]


def born(directory: Path, kind: str) -> list[str]:
    """Return the names of the strands of a kind."""
    found = ((row, names) for path in _logs(directory) for row, names in _rows(path))
    spawn = rec.SPAWN | rec.KIND[kind]
    return [names[row[5]] for row, names in found if row[0] == spawn]


def _logs(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.bin"), key=lambda path: int(path.stem.split("-")[2]))


def _notes(path: Path) -> list[list]:
    return [note for tag, payload in read_frames(path) if tag == b"NOTE" for note in json.loads(payload)]


def _rows(path: Path) -> list[tuple]:
    names = {note[1]: note[2] for note in _notes(path) if note[0] == "name"}
    rows = (struct.iter_unpack("<9q", payload) for tag, payload in read_frames(path) if tag == b"ROWS")
    return [(row, names) for frame in rows for row in frame]
