"""`python -m orchprof` is the `orchprof` command."""

import sys

from orchprof.cli import main

if __name__ == "__main__":
    sys.exit(main())
