"""Calls: which of a run's model calls were refused, and which bought an answer."""

import pandas as pd

from orchprof.ledger.graph.columns import Bools

# HTTP's first status of a request that was not served: by its own fault, a limit, or the server's.
_REFUSAL = 400


def refused(calls: pd.DataFrame) -> Bools:
    """Return which rows of `model_calls` were turned away by their status: the model did nothing for them.

    They cost nothing and say nothing of the others. One that states its tokens was served all the same.
    """
    silent = (calls["input_tokens"].isna() & calls["output_tokens"].isna()).to_numpy(dtype=bool)
    return silent & (calls["status"].fillna(0) >= _REFUSAL).to_numpy(dtype=bool)


def answered(calls: pd.DataFrame) -> Bools:
    """Return which ended without an error and were not refused: where one states no tokens, it is paid all the same."""
    return calls["error"].isna().to_numpy(dtype=bool) & ~refused(calls)
