"""Patience: which waits a time-out ended, and which of those were slices of one wait that went on."""

from dataclasses import dataclass

import pandas as pd

from orchprof.record import strands as rec
from orchprof.run.journal import Journal


@dataclass(frozen=True, slots=True)
class Patience:
    """The waits of one log for other strands; each is known by its strand and its end.

    Attributes:
        joined: rows `strand, wall_ns, arg`: who waited until when for whom.
        ended: waits that a time-out ended.
        went_on: waits that one cut short, but the same was waited for next, until it was over: slices of one wait, as
            a loop has them that stays open to a signal.
    """

    joined: pd.DataFrame
    ended: pd.MultiIndex
    went_on: pd.MultiIndex

    @classmethod
    def of(cls, journal: Journal) -> "Patience":
        """Return the waits of a log."""
        expired, joins = _at(journal.of(rec.EXPIRED)), journal.of(rec.JOIN)
        waits = joins.sort_values(["strand", "wall_ns", "arg"]).drop_duplicates(["strand", "wall_ns"])
        late = pd.Series(_at(waits).isin(expired), waits.index)
        who = waits[["strand", "arg"]]
        whole = (~(who.eq(who.shift()).all(axis=1) & late.shift(fill_value=False))).cumsum()
        went_on = _at(waits[late & ~late.groupby(whole).transform("last")])
        ended = expired.difference(went_on)
        return cls(joins[~_at(joins).isin(ended)], ended, went_on)

    def released_ns(self, turns: pd.DataFrame, strands: pd.DataFrame) -> "pd.Series[float]":
        """Return when the last strand of this process ended that each turn waited for until its end; NaN: none did.

        A wait that went on was released by nobody, and not before its end.
        """
        last = self.joined["arg"].map(strands.set_index("strand")["end_ns"].astype("float64"))
        last = last.groupby([self.joined["strand"], self.joined["wall_ns"]]).max()
        at = pd.MultiIndex.from_frame(turns[["strand", "end_ns"]])
        released = pd.Series(last.reindex(at).to_numpy(), turns.index)
        end_ns = turns["end_ns"].astype("float64")
        return released.where(released <= end_ns).where(~at.isin(self.went_on), end_ns)


def _at(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[["strand", "wall_ns"]])
