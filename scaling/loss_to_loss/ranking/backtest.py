"""Which way of ranking corpora was right on budgets that were hidden from it: the baseline, the laws, or the maps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, ScalingError
from scaling.formatting import format_number, format_percent, format_plural
from scaling.loss_to_loss.ranking.rank import rank_corpora
from scaling.loss_to_loss.ranking.result import SURE
from scaling.loss_to_loss.ranking.runs import budgets_in_common, read_runs
from scaling.serial import plain

Array = NDArray[np.float64]

#: The largest budget is divided by these, and the budget at or below is the last that a ranking may see.
STEPS = (2.0, 4.5, 20.0)
WAYS = ("baseline", "laws", "maps", "both")


@dataclass(frozen=True)
class Score:
    """How one way of ranking did.

    Parameters
    ----------
    way : str
        One of `WAYS`.
    decisions, right : int
        Pairs of corpora that were decided, over all metrics and cut-offs; and how many of them rightly.
    brier : float
        Mean squared error of the probabilities: 0 at best, 0.25 for a coin.
    sure, sure_right : int
        Decisions with a probability above 0.9, and how many of them were right.
    """

    way: str
    decisions: int
    right: int
    brier: float
    sure: int
    sure_right: int

    @property
    def accuracy(self) -> float:
        """Share that was right."""
        return self.right / self.decisions if self.decisions else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"accuracy": self.accuracy}


@dataclass(frozen=True)
class RankingBacktest:
    """Every pair of corpora decided from small budgets, and held against the largest.

    Parameters
    ----------
    scores : tuple of Score
        One a way.
    cuts : tuple of float
        The largest budgets that rankings could see.
    target_flop : float
        The budget whose best losses are the truth; the largest of them, where metrics differ.
    metrics : tuple of str
        What was decided by.
    rows : tuple of dict
        One a metric, cut-off, pair and way: ``metric cut one other way probability right``.
    skipped : tuple of str
        What could not be tried, and why.
    """

    scores: tuple[Score, ...]
    cuts: tuple[float, ...]
    target_flop: float
    metrics: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    skipped: tuple[str, ...] = ()

    def score(self, way: str) -> Score:
        """Return the score of one way."""
        return next(s for s in self.scores if s.way == way)

    @property
    def winner(self) -> str:
        """The way that was right most often; of equals the one with the better probabilities."""
        return max(self.scores, key=lambda s: (s.right, -s.brier)).way

    @property
    def verdict(self) -> str:
        """Who wins on these runs, and whether that is more than chance, in a sentence."""
        if not self.scores:
            return f"No ranking could be held against held-out budgets: {'; '.join(self.skipped)}."
        best, plain_ = self.score(self.winner), self.score("baseline")
        told = ", ".join(f"{s.way} {format_percent(s.accuracy, 3)}" for s in self.scores)
        what = f"Of {format_plural(best.decisions, 'decision')} on held-out budgets were right: {told}."
        if best.way == "baseline":
            return f"{what} Nothing beats the best loss at the largest budget tried."
        one, other = self._apart(best.way)
        chance = _sign_test(one, other)
        if best.right == plain_.right:
            return f"{what} {best.way} and the baseline are equal."
        apart = f"{best.way} alone was right {one} times, the baseline alone {other} times"
        if chance < 0.05:
            return f"{what} {best.way} beats the baseline: {apart}."
        return f"{what} {best.way} leads, but not by more than chance would do: {apart}."

    def _apart(self, way: str) -> tuple[int, int]:
        """Count the decisions that one way alone, and that the baseline alone, had right."""
        right = {
            name: {(r["metric"], r["cut"], r["one"], r["other"]): r["right"] for r in self.rows if r["way"] == name}
            for name in (way, "baseline")
        }
        both = [(mine, right["baseline"][key]) for key, mine in right[way].items()]
        return sum(a and not b for a, b in both), sum(b and not a for a, b in both)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table: dict[str, Any] = plain(
            {f.name: getattr(self, f.name) for f in fields(self) if f.name != "scores"}
            | {"scores": [s.to_dict() for s in self.scores], "winner": self.winner if self.scores else None}
            | {"verdict": self.verdict}
        )
        return table


def backtest_ranking(
    runs_by_metric: Mapping[str, Mapping[str, Any]],
    *,
    cuts: Sequence[float] | None = None,
    law: str = "chinchilla",
    bootstrap: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RankingBacktest:
    """Rank corpora from small budgets, and see who was right at the largest.

    Parameters
    ----------
    runs_by_metric : mapping of str to mapping
        Metric to the runs of each corpus, as of `scaling.loss_to_loss.rank_corpora`.
    cuts : sequence of float, optional
        FLOP; larger budgets are hidden. Where missing, the budgets in common that lie `STEPS` below the largest.
    law : str, default 'chinchilla'
        As of `rank_corpora`; ``auto`` takes minutes.
    bootstrap, seed
        As of `rank_corpora`.
    progress : callable, optional
        Told how many rankings are made, and of how many.

    Returns
    -------
    RankingBacktest
        The truth of a pair is which corpus has the lower best loss at the largest budget in common.

    Raises
    ------
    InputDataError
        Where the corpora have fewer than two budgets in common.
    """
    read = {metric: read_runs(runs) for metric, runs in runs_by_metric.items()}
    shared = {metric: budgets_in_common(runs) for metric, runs in read.items()}
    if not read or any(len(levels) < 2 for levels in shared.values()):
        short = next((metric for metric, levels in shared.items() if len(levels) < 2), "any metric")
        raise InputDataError(
            f"no budget can be hidden: the corpora have fewer than two budgets in common for {short}",
            hint="A back-test of rankings needs sweeps at the same budgets.",
        )
    jobs = [(metric, cut) for metric, levels in shared.items() for cut in _cuts(levels, cuts)]
    rows: list[dict[str, Any]] = []
    skipped: list[str] = []
    for done, (metric, cut) in enumerate(jobs, start=1):
        top = float(shared[metric][-1])
        truth = {corpus: float(r.at(top).loss.min()) for corpus, r in read[metric].items()}
        left = {corpus: r.up_to(cut) for corpus, r in read[metric].items()}
        try:
            found = rank_corpora(left, top, law=law, bootstrap=bootstrap, seed=seed)
        except ScalingError as error:
            skipped.append(f"{metric} up to {format_number(cut)} FLOP: {error.message}")
        else:
            for way in WAYS:
                if way not in found.pairwise:
                    continue
                for one, other in itertools.combinations(found.corpora, 2):
                    p = found.probability(one, other, way)
                    lower = truth[one] < truth[other]
                    row = {"metric": metric, "cut": cut, "one": one, "other": other, "way": way, "probability": p}
                    rows.append(row | {"right": bool((p > 0.5) == lower), "lower": bool(lower)})
        if progress is not None:
            progress(done, len(jobs))
    return RankingBacktest(
        scores=tuple(score for way in WAYS if (score := _score(way, rows)).decisions),
        cuts=tuple(sorted({cut for _, cut in jobs})),
        target_flop=max(float(levels[-1]) for levels in shared.values()),
        metrics=tuple(read),
        rows=tuple(rows),
        skipped=tuple(skipped),
    )


def score_decisions(way: str, probability: Array, lower: NDArray[np.bool_]) -> Score:
    """Score probabilities that one corpus is lower than another.

    Parameters
    ----------
    way : str
        Whose they are.
    probability : ndarray (n,)
        One a decision.
    lower : ndarray of bool (n,)
        Whether it was.

    Returns
    -------
    Score
    """
    right = (probability > 0.5) == lower
    sure = np.maximum(probability, 1 - probability) > SURE
    brier = float(np.mean((probability - lower) ** 2)) if len(lower) else math.nan
    return Score(way, len(lower), int(right.sum()), brier, int(sure.sum()), int((right & sure).sum()))


def _score(way: str, rows: Sequence[Mapping[str, Any]]) -> Score:
    mine = [(row["probability"], row["lower"]) for row in rows if row["way"] == way]
    return score_decisions(way, np.array([p for p, _ in mine]), np.array([y for _, y in mine], bool))


def _cuts(levels: Array, asked: Sequence[float] | None) -> list[float]:
    """Return the cut-offs for the budgets of one metric, the smallest first."""
    if asked is not None:
        return sorted({float(cut) for cut in asked if cut < levels[-1]})
    below = [levels[levels <= levels[-1] / step * (1 + 1e-3)] for step in STEPS]
    return sorted({float(b[-1]) for b in below if len(b)}) or [float(levels[-2])]


def _sign_test(one: int, other: int) -> float:
    """Two-sided probability of so uneven a split by chance."""
    n = one + other
    if not n:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(max(one, other), n + 1))
    return min(1.0, float(2 * tail / 2**n))
