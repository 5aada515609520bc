"""System calls: what a thread that is blocked in one waits for.

Most say it by themselves. Those on a descriptor depend on what it is, futex on whose address it is, poll and
select on what they poll (all in `blocked`). Opening a FIFO is `file`, as any other opening. What is not here, a
signal awaited or a terminal asked, is `other`.
"""

import platform
from collections.abc import Iterator
from typing import Final

# Number on x86_64 and on aarch64; None where there is no such call.
Numbers = tuple[int | None, int | None]
CALLS: Final[dict[str, dict[str, Numbers]]] = {
    "net": {
        "connect": (42, 203), "accept": (43, 202), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211),
        "recvmsg": (47, 212), "shutdown": (48, 210), "accept4": (288, 242), "recvmmsg": (299, 243),
        "sendmmsg": (307, 269), "epoll_wait": (232, None), "epoll_pwait": (281, 22), "epoll_pwait2": (441, 441),
    },
    "file": {
        "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "close": (3, 57), "stat": (4, None),
        "fstat": (5, 80), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291), "access": (21, None),
        "faccessat": (269, 48), "faccessat2": (439, 439), "getdents": (78, None), "getdents64": (217, 61),
        "readlink": (89, None), "readlinkat": (267, 78), "fsync": (74, 82), "fdatasync": (75, 83),
        "sync": (162, 81), "syncfs": (306, 267), "sync_file_range": (277, 84), "msync": (26, 227),
        "truncate": (76, 45), "ftruncate": (77, 46), "fallocate": (285, 47), "rename": (82, None),
        "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37),
        "unlink": (87, None), "unlinkat": (263, 35), "mkdir": (83, None), "mkdirat": (258, 34),
        "rmdir": (84, None), "fadvise64": (221, 223), "readahead": (187, 213), "statfs": (137, 43),
        "fstatfs": (138, 44), "io_getevents": (208, 4), "io_uring_enter": (426, 426), "execve": (59, 221),
    },
    "child": {
        "wait4": (61, 260), "waitid": (247, 95), "vfork": (58, None), "clone": (56, 220), "clone3": (435, 435),
        "rt_sigsuspend": (130, 133),  # how shells wait
    },
    "lock": {
        "flock": (73, 32), "semop": (65, 193), "semtimedop": (220, 192), "futex_waitv": (449, 449),
        "futex_wait": (455, 455),
    },
    "sleep": {"nanosleep": (35, 101), "clock_nanosleep": (230, 115)},
    "futex": {"futex": (202, 98)},
    "fcntl": {"fcntl": (72, 25)},
    "poll": {"poll": (7, None), "ppoll": (271, 73)},
    "select": {"select": (23, None), "pselect6": (270, 72)},
    "descriptor": {
        "read": (0, 63), "write": (1, 64), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65),
        "writev": (20, 66), "preadv": (295, 69), "pwritev": (296, 70), "preadv2": (327, 286),
        "pwritev2": (328, 287), "sendfile": (40, 71), "splice": (275, 76), "tee": (276, 77),
        "vmsplice": (278, 75), "copy_file_range": (326, 285), "ioctl": (16, 29),
    },
}  # fmt: skip
MACHINES: Final = ("x86_64", "aarch64")


def by_number(machine: str) -> dict[int, str]:
    """Return what a call waits for, or how to find that out, by the call's number; empty for an unknown machine."""
    return {number: kind for number, kind, _ in _numbered(machine)}


def _numbered(machine: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number, the kind and the name of each call that a machine has."""
    if machine not in MACHINES:
        return
    column = MACHINES.index(machine)
    for kind, calls in CALLS.items():
        for name, numbers in calls.items():
            number = numbers[column]
            if number is not None:
                yield number, kind, name


HERE: Final = by_number(platform.machine())
# What waits on descriptors that nobody tells.
EPOLL: Final = frozenset(
    number for number, _, name in _numbered(platform.machine()) if name.startswith("epoll")
)
