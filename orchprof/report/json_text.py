"""Records as JSON: unrounded, never NaN, keys in the order of the contract."""

import json

from orchprof.contract.schema.encoding import plain


def render(record: object) -> str:
    """Return a record as JSON text that ends in a newline.

    Floats are not rounded; NaN and infinities, which JSON cannot say, become null. Keys come in the order of the
    record's type.
    """
    return json.dumps(plain(record), indent=2, allow_nan=False) + "\n"
