"""Records as JSON: unrounded, never NaN, keys in the order of the contract."""

import json
from typing import Any

from orchprof.contract.schema import validation
from orchprof.contract.schema.encoding import plain


def render(record: Any) -> str:
    """Return a record as JSON text that ends in a newline.

    Floats are not rounded; NaN and infinities, which JSON cannot say, become null. Keys come in the order
    of the record's type; of one that is given as JSON in that of its schema, keys that it does not know last.
    """
    document = plain(record)
    if isinstance(record, dict):
        schema = validation.load(str(record["schema"]))
        document = _ordered(document, schema, schema)
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _ordered(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Return a value, its objects' keys ordered by the schema's properties."""
    schema, root = _resolve(schema, root)
    if isinstance(value, dict):
        return _object(value, schema.get("properties", {}), root)
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [_ordered(each, items, root) for each in value]
    return value


def _object(value: dict[str, Any], known: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    order = [key for key in known if key in value] + [key for key in value if key not in known]
    return {key: _ordered(value[key], known.get(key, {}), root) for key in order}


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Follow a reference, within the schema (`#/$defs/share`) or to another one (`urn:...`)."""
    target = schema.get("$ref", "")
    if target.startswith("urn:"):
        other = validation.by_id(target)
        return other, other
    if target:
        return root["$defs"][target.rpartition("/")[2]], root
    return schema, root
