"""Every error orchprof raises on purpose: one line of what, the bad value and where, and the remedy."""

from difflib import get_close_matches


class OrchprofError(Exception):
    """Base of all expected errors; the command line prints it as one `error:` line and exits with `exit_code`."""

    exit_code = 1


class UsageError(OrchprofError):
    """What was asked cannot be understood: an unknown name, a bad value, a forbidden combination."""

    exit_code = 2


class RunError(OrchprofError):
    """A run directory cannot be read, or was written by a schema this version does not know."""


class UnfitRunError(RunError):
    """What was named is no run, or one that cannot be read or contradicts itself: nothing can be said of it."""

    exit_code = 2


class ModelError(OrchprofError):
    """The model's side failed: an endpoint that does not start, a spec nothing published covers."""


class MissingExtraError(OrchprofError):
    """An optional package is not installed; the message carries the exact command that installs it."""


def unknown(what: str, value: str, valid: list[str], where: str) -> UsageError:
    """Return the error for a name that is not in a list, naming the nearest one that is.

    Args:
        what: the kind of thing, as in "workload".
        value: what was given.
        valid: every name that would have been right, in the order to list them.
        where: the option or file that held it.
    """
    near = get_close_matches(value, valid, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(valid)}"
    return UsageError(f"unknown {what}, {value!r} @ {where}, {remedy}")
