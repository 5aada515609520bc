"""The JSON contract: the schemas that ship with the package, and whether a record keeps to them."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

from orchprof.contract.schema.encoding import plain
from orchprof.errors import OrchprofError, unknown

SCHEMAS: Final = {
    f"orchprof.{name}/1": f"{name}.json"
    for name in (
        "bench", "brief", "claim", "cost", "costs", "env", "explain", "plan", "prices", "report", "verify", "whatif",
        "workloads",
    )
}  # fmt: skip


@cache
def load(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a contract such as `orchprof.report/1`; do not change it.

    Raises:
        UsageError: no contract has this name.
    """
    if name not in SCHEMAS:
        raise unknown("schema", name, sorted(SCHEMAS), "the record's schema")
    text = files("orchprof.contract.schema").joinpath("json", SCHEMAS[name]).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def validate(record: object) -> None:
    """Check a record, of its type or as JSON, against the schema it names.

    Raises:
        UsageError: it names no schema that this version has.
        OrchprofError: it does not keep to its schema; the message says where.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    document = plain(record)
    name = str(document.get("schema"))
    registry = Registry().with_contents((load(kind)["$id"], load(kind)) for kind in SCHEMAS)
    fault = best_match(Draft202012Validator(load(name), registry=registry).iter_errors(document))
    if fault is not None:
        where = "/".join(map(str, fault.absolute_path)) or "the record"
        raise OrchprofError(f"not {name}, {fault.message} @ {where}, update what wrote it")
