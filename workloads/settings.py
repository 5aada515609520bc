"""Settings that are refused, in the same words by every workload."""

from typing import Any


def one_of(workload: str, name: str, value: Any, valid: tuple[str, ...]) -> None:
    """Do nothing when a choice is one of the valid ones.

    Raises:
        ValueError: it is not.
    """
    if value not in valid:
        raise ValueError(f"unknown {name}, {value!r} @ {workload}, choose from {', '.join(valid)}")


def at_least(workload: str, settings: dict[str, Any], least: dict[str, int]) -> None:
    """Do nothing when every setting named in `least` is no smaller than given there.

    Raises:
        ValueError: one is.
    """
    for name, smallest in least.items():
        if settings[name] < smallest:
            raise ValueError(f"{name} is too small, {settings[name]} @ {workload}, give {smallest} or more")
