"""Forecast every corpus by a law of its own: one form and one trimming for all, so that their errors are alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, LawError
from scaling.fitting.fit import fit as fit_law
from scaling.fitting.holdout import backtest_law
from scaling.fitting.rollout import LADDER, change_beyond, trimmed
from scaling.loss_to_loss.ranking.errors import Misses, summed
from scaling.loss_to_loss.ranking.runs import Runs
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.results import Fit

Array = NDArray[np.float64]

#: What ``auto`` chooses from: laws and trimmings that are fast to fit and that a few dozen runs determine.
CHOICE = (("chinchilla", "none"), ("chinchilla", "smallest 25 %"), ("chinchilla", "smallest 50 %"), ("gadre", "none"))
_OBJECTIVE = "squared"
_POWERS = {"N": 0.5, "D": 0.5}


@dataclass(frozen=True)
class LawForecasts:
    """Forecasts of every corpus by its own law.

    Parameters
    ----------
    corpora : tuple of str (n,)
        In order.
    law, trim : str
        What was fitted to each, and what was left out of its runs before.
    fits : dict of str to Fit
        One a corpus.
    misses : Misses
        Their back-tests.
    tried : tuple of (str, str, float)
        Law, trimming and score of each candidate: what corpora missed by beyond one another.
    """

    corpora: tuple[str, ...]
    law: str
    trim: str
    fits: dict[str, Fit]
    misses: Misses
    tried: tuple[tuple[str, str, float], ...]

    def cell(self, corpus: str, target_flop: float, n_params: float | None) -> tuple[float, float]:
        """Return parameters and tokens at the target: those given, or where the law of the corpus is lowest."""
        if n_params is not None:
            return n_params, target_flop / (FLOP_PER_PARAMETER_TOKEN * n_params)
        return lowest(self.fits[corpus], target_flop)

    def scatter(self, corpus: str) -> float:
        """Standard deviation of a run about its law, of logarithms."""
        fit = self.fits[corpus]
        return math.sqrt(float(np.sum(fit.residuals**2)) / max(fit.n_obs - len(fit.theta), 1))

    def change(self, corpus: str, inputs: Mapping[str, Array], factor: float) -> float:
        """How far the law of a corpus goes between the data and a target, of logarithms."""
        fit = self.fits[corpus]
        return float(
            change_beyond(fit.law, fit.theta, inputs, np.array([factor]), _POWERS, fit.support, True)[0]
        )  # fmt: skip


def forecast_laws(runs: Mapping[str, Runs], law: str = "auto", *, bootstrap: int = 500, seed: int = 0) -> LawForecasts:
    """Fit one law to each corpus, after choosing it where it is not named.

    Parameters
    ----------
    runs : mapping of str to Runs
        The corpora.
    law : str
        A law of N and D, with all runs; or ``auto``, one of `CHOICE`: the one by which corpora miss least of
        their own when their largest runs are held out.
    bootstrap : int
        Replicates of each fit.
    seed : int
        Of the replicates; each corpus has a child of its own.

    Returns
    -------
    LawForecasts

    Raises
    ------
    InputDataError
        Where a corpus has too few runs for the law.
    """
    candidates = CHOICE if law == "auto" else [(law, "none")]
    judged = [(name, trim, backtests(runs, name, trim)) for name, trim in candidates]
    scores = [(name, trim, found.own_rms()) for name, trim, found in judged]
    known = [score for *_, score in scores if math.isfinite(score)]
    best = min(known) * (1 + 0.02) if known else math.nan  # ties go to the earlier one
    i = next((k for k, (*_, score) in enumerate(scores) if score <= best), 0)
    name, trim, misses = judged[i]
    seeds = np.random.SeedSequence([seed, 11]).generate_state(len(runs))
    fits = {
        corpus: _fit(corpus, r, name, trim, bootstrap, int(s))
        for (corpus, r), s in zip(runs.items(), seeds, strict=True)
    }  # fmt: skip
    return LawForecasts(tuple(runs), name, trim, fits, misses, tuple(scores))


def backtests(runs: Mapping[str, Runs], law: str, trim: str = "none", steps: Sequence[float] = LADDER) -> Misses:
    """Hold out the largest runs of every corpus, at the same cut-offs.

    Parameters
    ----------
    runs : mapping of str to Runs
        The corpora.
    law, trim : str
        What is fitted.
    steps : sequence of float
        As of `scaling.backtest_law`.

    Returns
    -------
    Misses
        One row a step.
    """
    table = np.full((3, len(steps), len(runs)), np.nan)
    for j, r in enumerate(runs.values()):
        try:
            found = backtest_law(
                law, r.inputs, r.loss, objective=_OBJECTIVE, trim=trim, bootstrap=0, steps=steps, by=r.compute
            )  # fmt: skip
        except (InputDataError, LawError):
            continue
        for cut in np.unique(found.cut):
            rows = found.cut == cut
            k = int(np.argmin(np.abs(np.log(r.compute.max() / cut / np.array(steps)))))
            table[:, k, j] = summed(found.error[rows], found.change[rows], float(found.scatter[rows][0]))
    return Misses(table[0], table[1], table[2], 1 / np.array(steps))


def lowest(fit: Fit, budget: float) -> tuple[float, float]:
    """Find N and D of the lowest loss of a law for a budget, within 30 times the range of the ratios in the data."""
    low, high = (fit.support["D"][0] / fit.support["N"][1], fit.support["D"][1] / fit.support["N"][0])
    ratio = np.geomspace(max(low / 30, 1e-3), high * 30, 2001)
    n = np.sqrt(budget / (FLOP_PER_PARAMETER_TOKEN * ratio))
    with np.errstate(all="ignore"):
        best = int(np.nanargmin(fit.evaluate({"N": n, "D": ratio * n})[0]))
    return float(n[best]), float(ratio[best] * n[best])


def _fit(corpus: str, runs: Runs, law: str, trim: str, bootstrap: int, seed: int) -> Fit:
    kept = runs.take(trimmed(trim, runs.compute, runs.loss))
    try:
        return fit_law(law, kept.inputs, kept.loss, objective=_OBJECTIVE, bootstrap=bootstrap, seed=seed)
    except InputDataError as error:
        raise InputDataError(f"the corpus {corpus}: {error.message}", hint=error.hint) from error
