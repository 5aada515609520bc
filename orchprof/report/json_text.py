"""Records as JSON: unrounded, never NaN, keys in the order of the contract."""

import json
import math
from typing import Any

import msgspec

from orchprof.contract import validation
from orchprof.contract.plan import Plan, spread


def render(record: Any) -> str:
    """Return a record as JSON text that ends in a newline.

    Floats are not rounded; NaN and infinities, which JSON cannot say, become null. Keys come in the order
    of the record's schema, keys the schema does not know after them as they were.
    """
    document: dict[str, Any] = msgspec.to_builtins(record, enc_hook=_python)
    if isinstance(record, Plan):
        document = spread(document)
    schema = validation.load(str(document["schema"]))
    return json.dumps(_plain(document, schema, schema), indent=2, allow_nan=False) + "\n"


def _plain(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Return a value of built-in types, its objects' keys ordered by the schema's properties."""
    schema, root = _resolve(schema, root)
    if isinstance(value, dict):
        return _object(value, schema.get("properties", {}), root)
    if isinstance(value, list | tuple):
        items = schema.get("items") or {}
        return [_plain(each, items, root) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _python(value: Any) -> Any:
    """Return a numpy scalar as the Python number that it holds."""
    return value.item()


def _object(value: dict[str, Any], known: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    order = [key for key in known if key in value] + [key for key in value if key not in known]
    return {key: _plain(value[key], known.get(key, {}), root) for key in order}


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Follow a reference, within the schema (`#/$defs/share`) or to another one (`urn:...`)."""
    target = schema.get("$ref", "")
    if target.startswith("urn:"):
        other = validation.by_id(target)
        return other, other
    if target:
        return root["$defs"][target.rpartition("/")[2]], root
    return schema, root
