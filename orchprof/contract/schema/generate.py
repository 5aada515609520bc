"""`python -m orchprof.contract.schema.generate`: write what follows from the contract's types, in a checkout."""

import json
from pathlib import Path
from typing import Final

from orchprof.contract.schema.json_schema import schema
from orchprof.contract.schema.kinds import KINDS
from orchprof.contract.schema.metrics_page import page
from orchprof.contract.schema.validation import SCHEMAS

CHECKOUT: Final = Path(__file__).parents[3]
SCHEMA_FILES: Final = "orchprof/contract/schema/json"
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
