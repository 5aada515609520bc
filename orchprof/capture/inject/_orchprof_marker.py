"""A log that holds nothing but why its process was not recorded. Plain code of any Python 3."""

import json
import os
import struct
import sys
import zlib


def leave(logs, code, said):  # type: (str, str, str) -> None  # noqa: ANN001, ANN202
    """Write the log into the folder `logs`: the finding `code` of this process, and what there is to say of it."""
    program = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""  # noqa: PTH119
    meta = {"version": 1, "pid": os.getpid(), "ppid": os.getppid(), "python": said, "main": program}
    payload = json.dumps([["meta", meta], ["finding", code, said]]).encode()
    frame = struct.pack("<4sII", b"NOTE", len(payload), zlib.crc32(payload)) + payload
    with open(os.path.join(logs, "log-%d-0.bin" % os.getpid()), "wb") as log:  # noqa: PTH118, PTH123, UP031
        log.write(frame)
