"""Renderers: result records in, text out. Nothing here computes a measure, prints or touches a run.

Names come from whatever was recorded. A person's terminal gets them `visible`; a program gets them as they are.
"""

from collections.abc import Callable
from typing import Any, Final

from orchprof.contract.schema.validation import validate
from orchprof.report import json_text
from orchprof.report.console import bench, brief, claim, env, explain, plan, prices, verify, whatif, workloads
from orchprof.report.console.cost import cost, cost_of_runs
from orchprof.terminal import visible_record

__all__ = ["render", "validate"]

CONSOLE: Final[dict[str, Callable[[Any, bool], str]]] = {
    "orchprof.bench/1": bench.render,
    "orchprof.report/1": bench.render,
    "orchprof.brief/1": brief.render,
    "orchprof.claim/1": claim.render,
    "orchprof.cost/1": cost.render,
    "orchprof.costs/1": cost_of_runs.several,
    "orchprof.env/1": env.render,
    "orchprof.explain/1": explain.render,
    "orchprof.plan/1": plan.render,
    "orchprof.prices/1": prices.render,
    "orchprof.verify/1": verify.render,
    "orchprof.whatif/1": whatif.render,
    "orchprof.workloads/1": workloads.render,
}
RENDERERS: Final[dict[str, Callable[[Any, bool], str]]] = {
    "console": lambda record, details: CONSOLE[record.schema](visible_record(record), details),
    "json": lambda record, _details: json_text.render(record),
}


def render(record: object, form: str, *, details: bool = False) -> str:
    """Return a record as text that ends in a newline.

    Args:
        record: any of the contract's; its `schema` says which.
        form: `console` or `json`.
        details: console only: all that was measured after the one table; JSON always has it all.
    """
    return RENDERERS[form](record, details)
