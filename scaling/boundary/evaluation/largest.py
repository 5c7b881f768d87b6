"""Hold the models of most compute out: how far a boundary can be carried beyond what it was fitted to.

What a back-test in time cannot say, since that scores models within the compute seen; and what is left where there are
no dates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Scores, read_scores
from scaling.boundary.evaluation.baselines import CONSTANT, ISOTONIC, LINEAR, NAMES, ONE, SMOOTHED, fit_baseline
from scaling.boundary.evaluation.bins import BINS, MIN_BIN, TEST_FIXED, equal_mass_edges
from scaling.boundary.evaluation.metrics import Metrics, measure
from scaling.boundary.evaluation.result import FORECAST, PLAIN, BoundaryBacktest, StepRow
from scaling.boundary.margin import learn_margin
from scaling.boundary.settings import settle
from scaling.boundary.solver import Points, curve, solve
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import whole
from scaling.formatting import format_number, format_plural

Array = NDArray[np.float64]

LARGEST = "largest"  # mode of such a back-test
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)  # of the models, that each cut-off keeps
#: Baselines that say something beyond the compute seen; bins stay as at its end.
BASELINES = (CONSTANT, ONE, ISOTONIC, LINEAR)
_FEWEST = 20  # models on either side of a cut-off


def backtest_largest(
    log10_compute: ArrayLike,
    score: ArrayLike,
    tau: float = 0.98,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    baselines: Sequence[str] | None = None,
    seed: int = 0,
) -> BoundaryBacktest:
    """Fit a boundary to the models up to some compute and hold it against those beyond.

    Parameters
    ----------
    log10_compute, score : array_like (n,)
        As of `scaling.boundary.fit`.
    tau, preset, kappa, ridge, groups
        As of `scaling.boundary.fit`.
    baselines : sequence of str, optional
        Keys of `scaling.boundary.evaluation.baselines.NAMES`; those of `BASELINES` where missing.
    seed : int, default 0
        Of the folds that the margin is learned on, where there are no groups; recorded.

    Returns
    -------
    BoundaryBacktest
        A row a cut-off, at half to nine tenths of the models; ``train`` and ``test`` say the compute, in FLOP. Cut-offs
        share models, so rows are not independent. The margin is learned by leaving groups out of the smaller models.

    Raises
    ------
    InputDataError
        Where no cut-off has enough models on both sides.
    UsageError
        For settings that make no sense.
    """
    names = BASELINES if baselines is None else tuple(baselines)
    for name in names:
        if name not in NAMES:
            raise UsageError(f"there is no baseline '{name}'", hint=did_you_mean(name, NAMES))
    scores, seed = read_scores(log10_compute, score, groups), whole(seed, "the seed")
    settle(len(scores.score), tau, preset, kappa, ridge)
    z = scores.log10_compute
    cuts = np.unique(np.quantile(z, SHARES, method="lower"))
    rows, notes = [], list(scores.notes)
    for cut in cuts.tolist():
        train, test = z <= cut, z > cut
        if min(train.sum(), test.sum()) < _FEWEST or np.ptp(z[train]) == 0:
            notes.append(
                f"No cut-off at {format_number(10.0**cut)} FLOP: {format_plural(int(train.sum()), 'model')} up to it, "
                f"{int(test.sum())} beyond, of at least {_FEWEST} and two values of compute."
            )
            continue
        rows.append(_step(_part(scores, train), _part(scores, test), cut, (tau, preset, kappa, ridge), names, seed))
    if not rows:
        raise InputDataError(
            f"the largest of {format_plural(len(z), 'model')} cannot be held out. {' '.join(notes)}",
            hint="Add models of other compute.",
        )
    asked = {"tau": tau, "preset": preset, "kappa": kappa, "ridge": ridge, "margin": True, "seed": seed}
    return BoundaryBacktest(tuple(rows), LARGEST, TEST_FIXED, asked, tuple(notes))


def _step(
    fitted: Scores, beyond: Scores, cut: float, how: tuple[float, str | None, float | None, float | None],
    names: Sequence[str], seed: int,
) -> StepRow:  # fmt: skip
    z, tau = fitted.log10_compute, how[0]
    settings = settle(len(z), *how)
    theta = solve(Points.of(z, fitted.score), tau, settings.kappa, settings.ridge).theta
    height = learn_margin(fitted, settings, seed).value
    rivals = {name: fit_baseline(name, z, fitted.score, tau) for name in {*names, CONSTANT, SMOOTHED}}

    def metrics(on: Scores, edges: Array, boundary: Array) -> Metrics:
        at = on.log10_compute
        return measure(at, on.score, boundary, tau, edges, on.groups, rivals[CONSTANT](at), rivals[SMOOTHED](at))

    inside = equal_mass_edges(z, BINS, MIN_BIN)
    outside = equal_mass_edges(beyond.log10_compute, BINS, MIN_BIN)
    plain = curve(theta, beyond.log10_compute)
    limit = format_number(10.0**cut, 3)
    return StepRow(
        train=f"up to {limit}",
        test=f"above {limit}",
        n_train=len(z),
        n_test=len(beyond.score),
        n_common=len(beyond.score),
        tau=tau,
        margin=height,
        out={
            FORECAST: metrics(beyond, outside, np.clip(plain + height, 0, 1)),
            PLAIN: metrics(beyond, outside, plain),
            **{name: metrics(beyond, outside, rivals[name](beyond.log10_compute)) for name in names},
        },
        within={
            PLAIN: metrics(fitted, inside, curve(theta, z)),
            **{name: metrics(fitted, inside, rivals[name](z)) for name in names},
        },
    )


def _part(scores: Scores, kept: NDArray[np.bool_]) -> Scores:
    groups = None if scores.groups is None else scores.groups[kept]
    return Scores(scores.log10_compute[kept], scores.score[kept], groups, None, scores.kept[kept], ())
