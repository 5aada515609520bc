"""Units, and the only place that turns numbers into text."""

NS_PER_S = 1_000_000_000


def seconds(ns: float) -> float:
    """Return nanoseconds as seconds."""
    return ns / NS_PER_S


def nanoseconds(s: float) -> int:
    """Return seconds as whole nanoseconds, rounded to the nearest."""
    return round(s * NS_PER_S)


def show_seconds(s: float | None) -> str:
    """Return a duration for a person: `1.4 s`, `23 ms`, `5 us`; `-` when it is not known."""
    if s is None:
        return "-"
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if abs(s) >= scale:
            return f"{_two_digits(s / scale)} {unit}"
    return f"{_two_digits(s / 1e-6)} us" if s else "0 s"


def show_share(share: float | None) -> str:
    """Return a ratio as whole percent; `-` when it is not known."""
    return "-" if share is None else f"{share * 100:.0f}%"


def show_bytes(n: float | None) -> str:
    """Return bytes in binary units: `512 B`, `24.0 GiB`; `-` when it is not known."""
    if n is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(n) < 1024:  # noqa: PLR2004
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} TiB"


def _two_digits(value: float) -> str:
    magnitude = abs(value)
    return f"{value:.0f}" if magnitude >= 10 else f"{value:.1f}" if magnitude >= 1 else f"{value:.2f}"  # noqa: PLR2004
