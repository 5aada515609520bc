"""Golden cases of the ledger: where the builder of tables lies."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))
