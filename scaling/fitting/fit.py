"""Fit a law to data: the one entrance to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.bootstrap import Replicates, refit
from scaling.fitting.checks import bounds_of, check_rows, log_scaled_by, make_problem, ranges, whole
from scaling.fitting.intervals import covariance
from scaling.fitting.judge import held_by_bounds, judge, residual_jacobian
from scaling.fitting.newton import Progress
from scaling.fitting.objective import Objective
from scaling.fitting.penalty import read_penalty
from scaling.fitting.resample import Jackknife, choose, source_of
from scaling.fitting.starts import Start, as_list, starting_values
from scaling.laws.book import find_law
from scaling.laws.law import Law
from scaling.results import INTERVALS, Fit

Array = NDArray[np.float64]

_POLISHED = 24  # starts taken on from the screen; every published set tried needs one
_BEST_STARTS = 64  # of the screen, offered to each bootstrap replicate beside the optimum


def fit(
    law: str | Law,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    *,
    objective: str | Objective = "huber",
    delta: float | None = None,
    residual: str = "log",
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    start: Start | None = None,
    bootstrap: int = 1000,
    resample: str | None = None,
    interval: str | None = None,
    seed: int = 0,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    penalty: Mapping[str, tuple[float, float]] | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Fit a law.

    Parameters
    ----------
    law : str or Law
        A name in the book, the path of a TOML file, or a formula. In a formula the names found in `inputs` are inputs
        and all others are parameters.
    inputs : mapping of str to array_like (n,)
        One column an input, natural units.
    observed : array_like (n,)
        What the law should predict.
    objective : str or Objective, default 'huber'
        ``huber``, ``squared``, ``lad``, ``pinball(tau)`` or ``asymmetric(over)``, with their settings in brackets; see
        `scaling.fitting.objective`.
    delta : float, optional
        Of ``huber`` and ``asymmetric``, where the objective is given as text without it; 1e-3 where missing.
    residual : str, default 'log'
        ``log`` or ``linear``: whether residuals are of logarithms; ``log above 1.967`` takes those of what lies above a
        floor. An `Objective` says so itself.
    weights : array_like (n,), optional
        How much each row counts in the objective; rows of weight zero are left out. The scatter of a new run is that of
        the residuals, each counted once.
    groups : array_like (n,), optional
        Which cluster each row belongs to (a run, a model family). Clusters are resampled whole; checkpoints of one run
        are never independent rows.
    start : mapping, or sequence of mappings, optional
        Starting values of all parameters; the screen is then left out.
    bootstrap : int, default 1000
        Replicates; 0 for intervals from the covariance.
    resample : {'iid', 'cluster', 'dirichlet', 'wild', 'residual'}, optional
        What a replicate is; see `scaling.fitting.resample`. ``cluster`` with groups and ``iid`` without where missing.
    interval : {'percentile', 'bca'}, optional
        How intervals are made from replicates. ``bca`` (bias-corrected and accelerated) refits without each row or
        cluster, or without each of 200 blocks of them, as well. ``percentile`` where missing.
    seed : int, default 0
        Of the bootstrap; recorded.
    parameters : mapping of str to mapping, optional
        For a formula: bounds, such as ``{"alpha": {"low": 0.01, "high": 2}}``. Others are unbounded.
    penalty : mapping of str to (float, float), optional
        ``{"alpha": (centre, strength)}`` adds ``n * strength * (alpha - centre)^2`` to the objective, with logarithms
        of both where the engine moves the parameter on a logarithmic scale; n is the sum of the weights, which is the
        number of rows without any. A replicate pays the same penalty.
    progress : callable, optional
        Told from time to time how many bootstrap replicates are done, and of how many.

    Returns
    -------
    Fit

    Raises
    ------
    InputDataError
        For data that cannot be fitted: lengths that differ, numbers that are not finite, fewer rows than parameters.
    LawError
        For a law that cannot be found or read.
    UsageError
        For settings that make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.geomspace(1, 1e4, 30)
    >>> result = fit("power_floor", {"x": x}, 2 + 3 / x**0.5, objective="squared", bootstrap=0)
    >>> round(result.estimates["alpha"], 8)
    0.5
    """
    goal = Objective.parse(objective, residual, delta)
    law = find_law(law, inputs, parameters)
    rows = check_rows(law, inputs, observed, goal, weights, groups)
    count = whole(bootstrap, "the number of bootstrap replicates")
    if count == 1:
        raise UsageError("one bootstrap replicate has no spread", hint="Ask for some hundreds, or for 0.")
    seed = whole(seed, "the seed")
    kind = choose(resample, rows.groups, goal, rows.weights)
    interval = _interval(interval, count)

    support = ranges(law, rows)
    bounds = bounds_of(law, support)
    pull = read_penalty(penalty, law.parameter_names, log_scaled_by(bounds))
    problem = make_problem(law, rows, goal, bounds, pull)
    kernel, w = problem.kernel, rows.weights
    starts = starting_values(law, problem, rows, bounds, support, start)
    polished = min(len(starts), _POLISHED)
    minima = problem.solve(starts[:polished], np.broadcast_to(w, (polished, rows.n)), far=True)
    best = int(np.argmin(minima.objective))
    theta, value = minima.theta[best], float(minima.objective[best])
    if not np.isfinite(value):
        raise InputDataError(
            f"the law '{law.name}' is not defined on these data for any parameters tried",
            hint="Check the signs of the inputs and the bounds, or give starting values.",
        )

    predicted = kernel.value(theta[None], problem.data)[0]
    residuals = goal.residuals(rows.observed, predicted)
    jacobian = residual_jacobian(problem, theta)
    free = ~held_by_bounds(problem, theta)
    spread = covariance(jacobian, residuals, w, goal, free, rows.groups, problem.pull(w))

    replicates = left_out = Replicates(np.empty((0, len(theta))), float("nan"), float("nan"))
    if count:
        fitted = goal.to_scale(predicted)
        source = source_of(kind, w, seed, rows.groups, fitted, residuals, jacobian[:, free], goal)
        known = np.concatenate([minima.theta[np.argsort(minima.objective, kind="stable")], starts[:_BEST_STARTS]])
        replicates = refit(problem, source, count, known, progress)
        if interval == "bca":
            jackknife = Jackknife(w, seed, rows.groups)
            left_out = refit(problem, jackknife, jackknife.count, known[:1])
    if {"N", "D"} <= set(rows.inputs):
        flop = 6 * rows.inputs["N"] * rows.inputs["D"]
        support["6*N*D"] = (float(flop.min()), float(flop.max()))
    from scaling import __version__

    return Fit(
        law=law,
        objective=goal,
        estimates=dict(zip(law.parameter_names, kernel.to_natural(theta).tolist(), strict=True)),
        objective_value=value,
        n_obs=rows.n,
        covariance=spread.matrix,
        log_scaled=log_scaled_by(bounds),
        degrees=spread.degrees,
        replicates=kernel.to_natural(replicates.theta),
        residuals=residuals,
        support=support,
        diagnostics=judge(problem, rows, minima, residuals, jacobian, spread, replicates),
        seed=seed,
        settings={
            "bootstrap": count,
            "resample": kind,
            "interval": interval,
            "weighted": weights is not None,
            "grouped": groups is not None,
            "start": None if start is None else [dict(s) for s in as_list(start)],
            **({"penalty": {k: [float(v) for v in pair] for k, pair in penalty.items()}} if penalty else {}),
        },
        version=__version__,
        jackknife=kernel.to_natural(left_out.theta),
    )


def _interval(asked: str | None, replicates: int) -> str:
    """Settle how intervals are made."""
    if asked is None:
        return "percentile" if replicates else "t"
    if asked not in INTERVALS:
        raise UsageError(f"there is no interval '{asked}'", hint=did_you_mean(asked, INTERVALS))
    if asked == "t" or replicates:
        return asked
    raise UsageError(
        f"a {asked} interval is made from bootstrap replicates, but none are asked for",
        hint="Ask for some hundreds of replicates, or leave the interval out.",
    )
