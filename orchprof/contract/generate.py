"""`python -m orchprof.contract.generate`: write what follows from the contract's types, in a checkout."""

import json
from pathlib import Path
from typing import Final

from orchprof.contract.json_schema import schema
from orchprof.contract.kinds import KINDS
from orchprof.contract.metrics_page import page
from orchprof.contract.validation import SCHEMAS

CHECKOUT: Final = Path(__file__).parents[2]
SCHEMA_FILES: Final = "orchprof/contract/schemas"
PAGE: Final = "docs/metrics.md"


def files() -> dict[str, str]:
    """Return the text of each generated file by its path in the checkout."""
    schemas = {f"{SCHEMA_FILES}/{SCHEMAS[name]}": json.dumps(schema(name), indent=2) + "\n" for name in KINDS}
    return {**schemas, PAGE: page()}


def main() -> None:
    """Write them all."""
    for name, text in files().items():
        (CHECKOUT / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
