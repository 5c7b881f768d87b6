"""Forecast one corpus by its law and all others through their maps of it, so that the error of the law cancels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.fitting.diagnostics import SPARE_ROWS
from scaling.fitting.rollout import LADDER
from scaling.formatting import format_plural
from scaling.loss_to_loss.ranking.errors import Misses, summed
from scaling.loss_to_loss.ranking.laws import LawForecasts
from scaling.loss_to_loss.ranking.maps import LINEAR_FORMS, evaluate_linear, fit_linear
from scaling.loss_to_loss.ranking.runs import Runs, cell_numbers

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

#: Share of the forecast change that the maps of a ranking usually miss by, x being measured: their common back-test is
#: drawn towards it with the weight of three cut-offs. They all have one form, which is the best of all corpora and not
#: of each; `scaling.loss_to_loss.pairs.USUAL_MAP` is of a single map with a form of its own, and weighs one cut-off.
USUAL_OF_ALL = 0.08
_TIE = 1.02  # a form that is no more than this much worse, and simpler, is preferred


@dataclass(frozen=True)
class MapForecasts:
    """Maps from one corpus to every other one.

    Parameters
    ----------
    reference : str
        The corpus whose loss is x.
    form : str
        Of all maps; see `scaling.loss_to_loss.ranking.maps.LINEAR_FORMS`.
    pairs : dict of str to (Runs, Runs, ndarray of int (m,))
        Other corpus to the paired runs of the reference and of its own, and the cell that each pair lies in.
    coefficients : dict of str to ndarray (1 + b, p)
        Estimates, then replicates.
    centre : dict of str to float
        As of `fit_linear`.
    scatter : dict of str to float
        Standard deviation of pairs about their map, of logarithms.
    misses : Misses
        Back-test of the maps, with x measured.
    tried : tuple of (str, float)
        Form and root mean square error in the back-test.
    """

    reference: str
    form: str
    pairs: dict[str, tuple[Runs, Runs, Rows]]
    coefficients: dict[str, Array]
    centre: dict[str, float]
    scatter: dict[str, float]
    misses: Misses
    tried: tuple[tuple[str, float], ...]

    def __call__(self, corpus: str, x: Array, rows: NDArray[np.int64] | None = None) -> Array:
        """Work the map of a corpus out at losses x (m,), by the estimates or one replicate each."""
        which = self.coefficients[corpus]
        if rows is None:
            return np.asarray(evaluate_linear(self.form, which[:1], self.centre[corpus], x[None])[0])
        return np.asarray(evaluate_linear(self.form, which[1 + rows], self.centre[corpus], x[:, None])[:, 0])


def forecast_maps(
    runs: Mapping[str, Runs], laws: LawForecasts, *, reference: str | None = None, bootstrap: int = 500, seed: int = 0
) -> MapForecasts:
    """Fit the maps from one corpus to the others, after choosing their form.

    Parameters
    ----------
    runs : mapping of str to Runs
        The corpora.
    laws : LawForecasts
        Their laws, which say how far each run lies beyond others.
    reference : str, optional
        Where missing, the corpus with the most pairs.
    bootstrap : int
        Replicates; each draws cells, the same for every corpus, so that the scatter of x cancels in differences.
    seed : int
        Of the replicates.

    Returns
    -------
    MapForecasts

    Raises
    ------
    InputDataError
        Where a corpus shares too few cells with the reference.
    """
    numbers = cell_numbers(runs)
    if reference is None:
        shared = {c: sum(len(np.intersect1d(numbers[c], other)) for other in numbers.values()) for c in runs}
        reference = max(shared, key=lambda c: shared[c])
    pairs = {c: _pair(runs[reference], numbers[reference], runs[c], numbers[c]) for c in runs if c != reference}
    need = 2 + SPARE_ROWS + 1
    for corpus, (one, *_) in pairs.items():
        if len(one) < need:
            raise InputDataError(
                f"{corpus} and {reference} have {format_plural(len(one), 'cell')} (N, D) in common, and a map needs "
                f"{need} or more",
                hint="Rank by laws alone (--method laws), or train runs of the same sizes and lengths.",
            )
    judged = {form: _backtest(form, pairs, laws, reference) for form in LINEAR_FORMS}
    scores = {form: found.rms() for form, found in judged.items()}
    known = {form: score for form, score in scores.items() if np.isfinite(score)}
    order = sorted(LINEAR_FORMS, key=lambda f: LINEAR_FORMS[f][1])
    form = next((f for f in order if f in known and known[f] <= _TIE * min(known.values())), "affine")
    draws = np.random.default_rng(np.random.SeedSequence([seed, 12]))
    count = 1 + max(int(n.max()) for n in numbers.values())
    weights = draws.multinomial(count, np.full(count, 1 / count), size=bootstrap).astype(float)
    coefficients, centres, scatter = {}, {}, {}
    for corpus, (one, other, cells) in pairs.items():
        w = np.concatenate([np.ones((1, len(cells))), weights[:, cells]])
        coefficients[corpus], centres[corpus] = fit_linear(form, one.loss, other.loss, w)
        miss = _residuals(form, coefficients[corpus][:1], centres[corpus], one, other)
        spare = max(len(miss) - 1 - LINEAR_FORMS[form][1], 1)
        scatter[corpus] = float(np.sqrt(np.nansum(miss**2) / spare))
    return MapForecasts(
        reference, form, pairs, coefficients, centres, scatter, judged[form], tuple(scores.items())
    )  # fmt: skip


def _pair(one: Runs, first: Rows, other: Runs, second: Rows) -> tuple[Runs, Runs, Rows]:
    """Pair the runs of two corpora by cell; of repeated runs the first."""
    cells, i, j = np.intersect1d(first, second, return_indices=True)
    return one.take(i), other.take(j), cells


def _backtest(form: str, pairs: Mapping[str, tuple[Runs, Runs, Rows]], laws: LawForecasts, reference: str) -> Misses:
    """Hold out the largest budgets of every map; x is measured, and how far it lies beyond is what the law says."""
    table = np.full((3, len(LADDER), len(pairs)), np.nan)
    fit = laws.fits[reference]
    for j, (one, other, _) in enumerate(pairs.values()):
        at = fit.evaluate(one.inputs)[0]
        for k, step in enumerate(LADDER):
            left = one.compute <= one.compute.max() / step * (1 + 1e-6)
            if left.sum() <= 1 + LINEAR_FORMS[form][1] + SPARE_ROWS or left.all():
                continue
            edge = float(one.compute[left].max())
            coefficients, centre = fit_linear(form, one.loss[left], other.loss[left])
            inside = _residuals(form, coefficients, centre, one.take(left), other.take(left))
            held = ~left
            back = np.sqrt(edge / one.compute[held])
            from_edge = fit.evaluate({"N": one.n_params[held] * back, "D": one.n_tokens[held] * back})[0]
            ends = [
                evaluate_linear(form, coefficients, centre, x[None])[0] for x in (at[held], from_edge)
            ]  # fmt: skip
            error = _residuals(form, coefficients, centre, one.take(held), other.take(held))
            table[:, k, j] = summed(error, np.abs(np.log(ends[0] / ends[1])), float(np.sqrt(np.nanmean(inside**2))))
    return Misses(table[0], table[1], table[2], 1 / np.array(LADDER))


def _residuals(form: str, coefficients: Array, centre: float, one: Runs, other: Runs) -> Array:
    """Errors of a map at measured x, of logarithms: above 0 where it forecasts too much."""
    return np.asarray(np.log(evaluate_linear(form, coefficients, centre, one.loss[None])[0] / other.loss))
