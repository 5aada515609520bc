"""Patience: which waits a time-out ended, and which of those were slices of one wait that went on."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import Journal

_COLUMNS: Final = ["strand", "wall_ns", "arg"]
_ANYBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Patience:
    """The waits of one log for other strands; each is known by its strand and its end.

    Attributes:
        joined: rows `strand, wall_ns, arg`: who waited until when for whom.
        given_up: such rows of the waits that a time-out ended.
        ended: those waits.
        went_on: waits that one cut short, but the same was waited for next, until it was over, and nothing was done in
            between that could have ended it: slices of one wait, as a loop has them that stays open to Ctrl-C.
    """

    joined: pd.DataFrame
    given_up: pd.DataFrame
    ended: pd.MultiIndex
    went_on: pd.MultiIndex

    @classmethod
    def of(cls, journal: Journal) -> "Patience":
        """Return the waits of a log."""
        joins, timed_out = journal.of(rec.JOIN), journal.of(rec.EXPIRED)
        expired = _at(timed_out)
        if timed_out.empty:
            return cls(joins, joins.iloc[:0], expired, expired)
        went_on = _slices(journal, joins, joins[_at(joins).isin(expired)])
        ended = expired.difference(went_on)
        late = _at(joins).isin(ended)
        return cls(joins[~late], joins[late], ended, went_on)

    def released_ns(self, turns: pd.DataFrame, strands: pd.DataFrame) -> "pd.Series[float]":
        """Return when the last strand of this process ended that each turn waited for until its end; NaN: none did.

        A wait that went on was released by nobody, and not before its end.
        """
        if self.joined.empty and not len(self.went_on):
            return pd.Series(np.nan, turns.index)
        last = self.joined["arg"].map(strands.set_index("strand")["end_ns"].astype("float64"))
        last = last.groupby([self.joined["strand"], self.joined["wall_ns"]]).max()
        at = pd.MultiIndex.from_frame(turns[["strand", "end_ns"]])
        released = pd.Series(last.reindex(at).to_numpy(), turns.index)
        end_ns = turns["end_ns"].astype("float64")
        return released.where(released <= end_ns).where(~at.isin(self.went_on), end_ns)


def _slices(journal: Journal, joins: pd.DataFrame, late: pd.DataFrame) -> pd.MultiIndex:
    """Return which of the late waits are slices of one that was not: nothing was done to its end in between."""
    near = joins[joins["strand"].isin(late["strand"])]
    waits = near.sort_values("arg", kind="stable").drop_duplicates(["strand", "wall_ns"])
    rows = pd.concat([waits.assign(acts=False), _acts(journal, late).assign(acts=True)])
    rows = rows.sort_values(["strand", "wall_ns"], kind="stable", ignore_index=True)
    awaited = rows["arg"].where(~rows["acts"]).groupby(rows["strand"]).ffill()
    rows = rows[~rows["acts"] | rows["arg"].eq(awaited) | rows["arg"].eq(_ANYBODY)]
    who = rows[["strand", "arg"]]
    same = who.eq(who.shift()).all(axis=1) & ~rows["acts"]
    is_late = pd.Series(_at(rows).isin(_at(late)), rows.index) & ~rows["acts"]
    whole = (~(same & is_late.shift(fill_value=False))).cumsum()
    return _at(rows[is_late & ~is_late.groupby(whole).transform("last").astype(bool)])


def _acts(journal: Journal, late: pd.DataFrame) -> pd.DataFrame:
    """Return when those whose patience ended sent a signal, or released the one that they had waited for."""
    signals = [(strand, said[1], _ANYBODY) for _, strand, said in journal.notes["signal"]]
    told = journal.of(rec.JOIN, rec.WAKE)
    told = told[told["arg"].isin(late["strand"]) & told["strand"].isin(late["arg"])]
    released = told.rename(columns={"strand": "arg", "arg": "strand"})[_COLUMNS]
    return pd.concat([pd.DataFrame(signals, columns=_COLUMNS, dtype="int64"), released])


def _at(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[["strand", "wall_ns"]])
