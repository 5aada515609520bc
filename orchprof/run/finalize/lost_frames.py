"""What lost frames leave behind: rows that name a strand or a span of which nothing else is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchprof.run.contradictions import NAMES, UNNAMED
from orchprof.run.finalize.event_logs import Finding
from orchprof.run.schema import TABLES

Tables = dict[str, pd.DataFrame]


def without_lost(tables: Mapping[str, pd.DataFrame]) -> tuple[Tables, list[Finding]]:
    """Return tables in which every id names a row, and what there is to say of it, as findings.

    A row that cannot be without what it names is left out; elsewhere the id becomes null.

    Args:
        tables: all of the schema's, typed.
    """
    kept, lost = dict(tables), 0
    for where, target in sorted(NAMES.items(), key=_may_be_null):
        table, _, column = where.partition(".")
        named = kept[table][column]
        known = pd.Series(_ids(named)).isin(_ids(_column(kept, target))).to_numpy() | named.isna().to_numpy()
        if where in UNNAMED:
            by, kinds = UNNAMED[where]
            known |= kept[table][by].isin(kinds).to_numpy()
        lost += int((~known).sum())
        if not known.all():
            kept[table] = (
                kept[table].assign(**{column: named.where(known)})
                if _may_be_null((where, target))
                else kept[table][known].reset_index(drop=True)
            )
    message = f"{lost} rows name strands or spans whose start was lost: they stand alone, or are left out"
    return kept, [{"code": "lost_events", "message": message}] if lost else []


def _ids(column: "pd.Series[Any]") -> NDArray[np.int64]:
    return column.to_numpy(dtype="int64", na_value=0)


def _may_be_null(pair: tuple[str, str]) -> bool:
    table, _, column = pair[0].partition(".")
    return TABLES[table][column] == "Int64"


def _column(tables: Tables, where: str) -> "pd.Series[Any]":
    table, _, column = where.partition(".")
    return tables[table][column]
