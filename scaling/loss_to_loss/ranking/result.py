"""What a ranking of corpora returns: a table for each way of forecasting, and a decision in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_count, format_interval, format_number, format_percent
from scaling.serial import plain

Array = NDArray[np.float64]

_TIE = 1e-6  # losses that differ by a smaller share are the same
SURE, LIKELY = 0.9, 0.7  # probabilities from which on a winner is called clear, or likely


def ranks_of(losses: Array) -> NDArray[np.int64]:
    """Rank losses from 1 on, the lowest first; those that are the same to a millionth share the better rank.

    Examples
    --------
    >>> ranks_of(np.array([2.5, 2.4, 2.5, 2.6])).tolist()
    [2, 1, 2, 4]
    """
    values = np.asarray(losses, float)
    return np.asarray(1 + np.sum(values[None] < values[:, None] * (1 - _TIE), axis=1), np.int64)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def format_chance(p: float, draws: int) -> str:
    """Write a probability that was counted in draws; none is certain, however many say so.

    Examples
    --------
    >>> format_chance(1.0, 4000), format_chance(0.0, 4000), format_chance(0.79, 4000)
    ('over 99.9 %', 'under 0.1 %', '79 %')
    """
    least = max(4 / draws, 1e-3)
    if p > 1 - least:
        return f"over {format_percent(1 - least, 3)}"
    return f"under {format_percent(least, 1)}" if p < least else format_percent(p)


@dataclass(frozen=True)
class RankedCorpus:
    """One corpus of a ranking.

    Parameters
    ----------
    corpus : str
        Which.
    forecast, low, high : float
        The loss of a run at the target, with its interval.
    p_best : float
        Probability that it is the lowest of all.
    rank, rank_low, rank_high : int
        By the forecast, from 1 on; and the interval of the rank in the draws.
    baseline_loss : float
        Its best loss at the largest budget tried.
    baseline_rank : int
        By that.
    baseline_p_best : float
        Probability that it is the lowest, from the scatter of runs at that budget alone.
    n_runs : int
        How many were used.
    """

    corpus: str
    forecast: float
    low: float
    high: float
    p_best: float
    rank: int
    rank_low: int
    rank_high: int
    baseline_loss: float
    baseline_rank: int
    baseline_p_best: float
    n_runs: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Ranking:
    """Corpora ranked at a budget.

    Parameters
    ----------
    corpora : tuple of str (n,)
        Sorted by name; rows and columns of `pairwise`.
    method : {'laws', 'maps', 'both'}
        What the answer rests on; ``laws`` where maps were asked for as well, but could not be fitted.
    target_flop : float
        The budget.
    n_params : float or None
        Parameters there, where they were given.
    level : float
        Nominal coverage.
    law, trim : str
        What was fitted to each corpus, and what was left out of its runs.
    reference, form : str
        The corpus that maps start from, and their form; empty without maps.
    tables : dict of str to tuple of RankedCorpus
        Method to corpora, the best first.
    pairwise : dict of str to ndarray (n, n)
        Method (and ``baseline``) to the probability that the corpus of the row has the lower loss.
    baseline_flop, baseline_scatter : float
        The largest budget that all have tried, and the standard deviation of a run there, of logarithms.
    bootstrap, draws, seed : int
        Of the draws.
    not_falling : tuple of str
        Corpora on whose larger budgets no fall with compute can be told from chance, so that no forecast holds.
    notes : tuple of str
        What else is to be known.
    """

    corpora: tuple[str, ...]
    method: str
    target_flop: float
    n_params: float | None
    level: float
    law: str
    trim: str
    reference: str
    form: str
    tables: dict[str, tuple[RankedCorpus, ...]]
    pairwise: dict[str, Array]
    baseline_flop: float
    baseline_scatter: float
    bootstrap: int
    draws: int
    seed: int
    not_falling: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> tuple[RankedCorpus, ...]:
        """The corpora, the best first, by the method that the answer rests on."""
        return self.tables[self.method]

    @property
    def best(self) -> RankedCorpus:
        """The corpus most likely to be best, and of equals the one with the lower forecast."""
        return max(self.table, key=lambda row: (row.p_best, -row.forecast))

    def probability(self, one: str, other: str, method: str | None = None) -> float:
        """Return the probability that one corpus has a lower loss than another at the target."""
        return float(self.pairwise[method or self.method][self.corpora.index(one), self.corpora.index(other)])

    @property
    def verdict(self) -> str:
        """``clear``, ``likely`` or ``open``: how sure it is which corpus is best; ``open`` where one does not fall."""
        if self.not_falling:
            return "open"
        p = self.best.p_best
        return "clear" if p >= SURE else "likely" if p >= LIKELY else "open"

    @property
    def decision(self) -> str:
        """Who wins, by how much, how sure, and whether the baseline says the same."""
        first = self.best
        second = min((row for row in self.table if row is not first), key=lambda row: row.forecast)
        gap = second.forecast / first.forecast - 1
        at = f"at {format_number(self.target_flop)} FLOP"
        sure = format_chance(first.p_best, self.draws)
        if self.not_falling:
            where = ", ".join(self.not_falling)
            said = (
                f"The metric is not monotone: over the larger budgets of {where} no fall with compute can be told from "
                f"chance, so no forecast of it holds {at}, and the leader there, {first.corpus} with {sure}, stands "
                "for little."
            )
        elif self.verdict == "open":
            rivals = [row.corpus for row in sorted(self.table, key=lambda r: -r.p_best) if row.p_best >= 1 - SURE]
            level = [row.corpus for row in self.table if row.rank == 1]
            if len(level) > 1 and first.rank == 1:
                said = f"Nothing tells {_listed(level)} apart {at}: their forecasts are the same, "
                said += f"{format_number(first.forecast)}"
            else:
                said = f"It is open which corpus is best {at}: {first.corpus} leads with a probability of {sure}"
            said += f"; still in the race: {', '.join(rivals)}." if set(rivals) - set(level) else "."
        else:
            word = "clearly" if self.verdict == "clear" else "likely"
            said = f"{first.corpus} is {word} best {at}, with a probability of {sure}"
            ahead = f"{format_percent(gap)} below" if gap > 0 else f"{format_percent(-gap)} above"
            said += f": its forecast {format_number(first.forecast)} lies {ahead} that of {second.corpus}."
        return f"{said} {self._beside_baseline(first)}"

    def _beside_baseline(self, first: RankedCorpus) -> str:
        """Say whether the best loss at the largest budget tried has the same winner."""
        lowest = [row for row in self.table if row.baseline_rank == 1]
        head = f"The best loss at {format_number(self.baseline_flop)} FLOP, the largest budget that all have tried,"
        if len(lowest) > 1:
            names, loss = _listed([row.corpus for row in lowest]), format_number(lowest[0].baseline_loss)
            against = "" if first in lowest else f", all below that of {first.corpus}"
            return f"{head} does not tell {names} apart either: it is {loss} of each{against}."
        leader = lowest[0]
        if leader is first:
            return f"{head} says the same."
        one, other = format_number(leader.baseline_loss), format_number(first.baseline_loss)
        by = f" (by {format_percent(first.baseline_loss / leader.baseline_loss - 1, 2)})" if one == other else ""
        return f"{head} says otherwise: there {leader.corpus} leads with {one} against {other}{by}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table: dict[str, Any] = plain(
            {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("tables", "pairwise")}
            | {"tables": {name: [row.to_dict() for row in rows] for name, rows in self.tables.items()}}
            | {"pairwise": self.pairwise, "verdict": self.verdict, "decision": self.decision}
        )
        return table

    def __repr__(self) -> str:
        width = max(len("corpus"), *(len(row.corpus) for row in self.table))
        at = "" if self.n_params is None else f" with {format_count(self.n_params)} parameters"
        lines = [
            self.decision, "",
            f"at {format_number(self.target_flop)} FLOP{at}, method {self.method}, law {self.law} (left out: "
            f"{self.trim})" + (f", {self.form} maps from {self.reference}" if self.form else ""),
            f"{'corpus':{width}}  forecast  {100 * self.level:g} % interval   best with  rank        baseline",
        ]  # fmt: skip
        for row in self.table:
            ranks = f"{row.rank} ({row.rank_low} to {row.rank_high})"
            lines.append(
                f"{row.corpus:{width}}  {format_number(row.forecast):8}  {format_interval(row.low, row.high):15} "
                f"{format_chance(row.p_best, self.draws):>10}  {ranks:11} {format_number(row.baseline_loss)} "
                f"(rank {row.baseline_rank}, {format_chance(row.baseline_p_best, self.draws)})"
            )
        return "\n".join([*lines, *self.notes, f"{self.draws} draws, {self.bootstrap} replicates, seed {self.seed}"])
