"""Fit a capability boundary: a high quantile of scores as a sigmoid of log compute."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Scores, read_scores
from scaling.boundary.evaluation.periods import read_periods
from scaling.boundary.result import Boundary
from scaling.boundary.settings import Settings, settle
from scaling.boundary.solver import Optimum, Points, mean_loss, screen, solve
from scaling.errors import InputDataError, UsageError
from scaling.fitting.checks import whole
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from scaling.fitting.newton import Progress
    from scaling.results import Fit

Array = NDArray[np.float64]

_FEWEST = 4  # models: as many as parameters


def fit(
    log10_compute: ArrayLike,
    score: ArrayLike,
    tau: float = 0.98,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    period: ArrayLike | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    *,
    progress: Progress | None = None,
) -> Boundary:
    """Fit the score that a compute budget can buy.

    Parameters
    ----------
    log10_compute : array_like (n,)
        log10 of the training compute of each model, FLOP. NaN and minus infinity are left out and counted.
    score : array_like (n,)
        Score of each model, 0 to 1 or in percent.
    tau : float, default 0.98
        Share of the models below the boundary.
    preset : {'zhang2026'}, optional
        Published settings (kappa 50, ridge 1e-3); what is given beside it wins.
    kappa : float, optional
        Sharpness of the corner of the pinball loss, one over score. 2000 where missing, reached by way of rounder
        corners: the curve is then the quantile itself. A rounded corner lifts it, by up to ln(tau/(1 - tau))/kappa.
    ridge : float, optional
        Times the squared steepness (logits for ten times the compute), added to the mean loss. 0.2/n where missing.
    groups : array_like (n,), optional
        Cluster of each model, its base model above all: models made from one base are no independent draws.
    period : array_like (n,), optional
        Period of each model, in an order that sorts; dates of numpy, pandas or Python are taken as calendar quarters.
        All models are fitted; the periods teach the margin of forecasts out of period.
    bootstrap : int, default 0
        Replicates, by clusters where there are `groups`; needed for bands.
    seed : int, default 0
        Of the bootstrap and of the folds that the margin is learned on; recorded.
    progress : callable, optional
        Told how many replicates are done, and of how many.

    Returns
    -------
    Boundary

    Raises
    ------
    InputDataError
        For data that cannot be fitted; see `scaling.boundary.data.read_scores`.
    UsageError
        For settings that make no sense.

    Notes
    -----
    q(z) = y0 + L sigmoid(b (z - z_mid)), with y0 and y0 + L between 0 and 1, b in 0.05 to 50 and z_mid within the
    compute seen (arXiv:2602.15327). What is minimised is the mean of ln(1 + exp(kappa u))/kappa + (tau - 1) u over the
    models, u = score - q, plus ridge b^2.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.repeat(np.linspace(21, 25, 100), 10)
    >>> reach = 0.2 + 0.6 / (1 + np.exp(-1.5 * (z - 23)))
    >>> b = fit(z, reach * np.tile(np.linspace(0.1, 1, 10), 100), tau=0.95)
    >>> round(float(b.predict(23.0)), 2)
    0.5
    """
    labels, notes = (None, []) if period is None else read_periods(period)
    scores = read_scores(log10_compute, score, groups, labels)
    scores = replace(scores, notes=(*notes, *scores.notes))
    if len(scores.score) < _FEWEST:
        raise InputDataError(
            f"a boundary has {_FEWEST} parameters, which {format_plural(len(scores.score), 'model')} cannot determine",
            hint="Add models, of several sizes. " + " ".join(scores.notes),
        )
    settings = settle(len(scores.score), tau, preset, kappa, ridge)
    count, seed = whole(bootstrap, "the number of bootstrap replicates"), whole(seed, "the seed")
    if count == 1:
        raise UsageError("one bootstrap replicate has no spread", hint="Ask for some hundreds, or for 0.")
    optimum = solve(Points.of(scores.log10_compute, scores.score), settings.tau, settings.kappa, settings.ridge)
    boundary = Boundary(scores, settings, optimum, count, seed)
    if count:  # the replicates are part of the answer, so they are made now
        boundary.__dict__["fit"] = engine_fit(scores, settings, optimum, count, seed, progress)
    return boundary


def restore(fit: Fit, scores: Scores) -> Boundary:
    """Put a boundary together again from the fit that was saved of it.

    Parameters
    ----------
    fit : Fit
        Of `Boundary.fit`.
    scores : Scores
        What it was fitted to.

    Returns
    -------
    Boundary
        With the estimates and the replicates of that fit; nothing is fitted.

    Raises
    ------
    InputDataError
        Where the scores are not as many as were fitted.
    """
    record, theta = fit.settings["boundary"], fit.theta
    if len(scores.score) != fit.n_obs:
        raise InputDataError(f"the boundary was fitted to {fit.n_obs} models, and not to {len(scores.score)}")
    settings = Settings(record["tau"], record["kappa"], record["ridge"], record["preset"])
    points = Points.of(scores.log10_compute, scores.score)
    value = mean_loss(theta, points, settings.tau, settings.kappa) + settings.ridge * float(theta[2]) ** 2
    boundary = Boundary(scores, settings, Optimum(theta, value), len(fit.replicates), fit.seed)
    boundary.__dict__["fit"] = fit
    return boundary


def engine_fit(
    scores: Scores, settings: Settings, optimum: Optimum, bootstrap: int, seed: int, progress: Progress | None = None
) -> Fit:
    """Make an ordinary fit of a boundary whose optimum is known.

    Parameters
    ----------
    scores : Scores
        What was fitted.
    settings : Settings
        By what.
    optimum : Optimum
        Where the solver ended; beside it the engine tries the starts of the screen.
    bootstrap, seed, progress
        As of `fit`.

    Returns
    -------
    Fit
        Of the law ``boundary`` over compute in FLOP; its ``settings["boundary"]`` says what it came from.

    Raises
    ------
    InputDataError
        Where all models share one group, so that there is nothing to resample.
    """
    from scaling.boundary.judge import concerns_of
    from scaling.boundary.solver import curve
    from scaling.fitting.fit import fit as fit_law
    from scaling.fitting.objective import Objective

    points = Points.of(scores.log10_compute, scores.score)
    names = ("y0", "rise", "b", "z_mid")
    starts = [optimum.theta, *screen(points, settings.tau, settings.ridge)]
    groups: Any = scores.groups
    if groups is not None and len(set(map(str, groups))) == 1:
        if bootstrap:
            raise InputDataError(
                f"all {len(groups)} models share one group, {groups[0]}, so there is nothing to resample",
                hint="Take models of other bases too, or other groups, or no bootstrap (0 replicates).",
            )
        groups = None
    made = fit_law(
        "boundary",
        {"C": 10.0**scores.log10_compute},
        scores.score,
        objective=Objective("pinball", "linear", tau=settings.tau, kappa=settings.kappa),
        penalty={"b": (0.0, settings.ridge)},
        groups=groups,
        start=[dict(zip(names, theta.tolist(), strict=True)) for theta in starts],
        bootstrap=0,
        seed=seed,
    )
    if bootstrap:
        made = _with_replicates(made, scores, settings, groups, np.stack(starts), bootstrap, progress)
    fitted = curve(made.theta, scores.log10_compute)
    record = {
        "tau": settings.tau,
        "kappa": settings.kappa,
        "ridge": settings.ridge,
        "preset": settings.preset,
        "above": int(np.sum(scores.score > fitted)),
        "notes": list(scores.notes),
    }
    judged = replace(made.diagnostics, concerns=concerns_of(scores, settings, fitted), curve_only=True)
    return replace(made, diagnostics=judged, settings={**made.settings, "boundary": record})


def _with_replicates(
    made: Fit, scores: Scores, settings: Settings, groups: Any, starts: Array, count: int, progress: Progress | None
) -> Fit:
    """Give a fit its bootstrap replicates, and what is to be known of them."""
    from scaling.boundary.replicates import draw_replicates
    from scaling.fitting.compile import compile_law

    found = draw_replicates(
        made.law, 10.0**scores.log10_compute, scores.score, made.objective, settings.ridge, groups, starts, count,
        made.seed, progress,
    )  # fmt: skip
    kind = "iid" if groups is None else "cluster"
    return replace(
        made,
        replicates=compile_law(made.law, made.log_scaled).to_natural(found.theta),
        diagnostics=replace(
            made.diagnostics,
            replicates=count,
            replicates_converged=found.converged,
            replicates_at_bound=found.at_bound,
        ),
        settings={**made.settings, "bootstrap": count, "resample": kind, "interval": "percentile"},
    )
