"""The command line: the only room that knows arguments, standard output and exit codes."""

import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper

from orchprof.errors import OrchprofError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every expected failure is one `error:` line on stderr.

    A fault of our own is not expected: its traceback goes through.

    Args:
        arguments: what follows `orchprof`; the process's own when None.
    """
    import typer

    from orchprof.cli.app import build
    from orchprof.cli.words import INTERRUPTED, complain, drop_output, unwritten, usage_fault

    # Newer typers carry their own copy of click; this is the base of its errors in either.
    fault_type: type[Exception] = next(
        c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
    )
    if isinstance(
        sys.stdout, TextIOWrapper
    ):  # a character that its encoding lacks is escaped there, as on stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        asked = next(iter(sys.argv[1:] if arguments is None else arguments), None)
        code = build(asked).main(args=arguments, prog_name="orchprof", standalone_mode=False)
        sys.stdout.flush()
    except OrchprofError as error:
        complain(error)
        return error.exit_code
    except fault_type as error:
        complain(usage_fault(error))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()  # the reader left (`| head`)
        return 1
    except OSError as error:
        if not _said_help(error):
            raise
        complain(unwritten(error))
        return 1
    return code if isinstance(code, int) else 0


def _said_help(error: OSError) -> bool:
    """Return whether it was click's own writing that failed: of help, or of the version."""
    return traceback.extract_tb(error.__traceback__)[-1].name == "echo"
