"""Records as plain JSON values: keys in the order of their types, never NaN, numpy scalars as numbers."""

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import numpy as np

# A key whose entries stand beside it: what they are called is known only when they are made.
SPREAD: Final = "by_limit"


def plain(record: object) -> Any:
    """Return a record of dicts, lists and scalars; NaN and infinities, which JSON cannot say, are None."""
    return _finite(msgspec.to_builtins(record, enc_hook=_python))


def _python(value: "np.generic") -> Any:
    """Return a numpy scalar as the Python number that it holds."""
    return value.item()


def _finite(value: object) -> Any:
    if isinstance(value, dict):
        pairs = (item.items() if key == SPREAD else ((key, item),) for key, item in value.items())
        return {key: _finite(item) for pair in pairs for key, item in pair}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
