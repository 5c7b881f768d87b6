"""Fit a law to data: the one entrance to the engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.compile import Kernel, compile_law
from scaling.fitting.diagnostics import SPARE_ROWS, WIDE_LOG_ERROR, Diagnostics, residual_structure
from scaling.fitting.intervals import Covariance, covariance
from scaling.fitting.newton import Progress
from scaling.fitting.objective import Objective
from scaling.fitting.resample import bootstrap_weights
from scaling.fitting.screen import screen, spread_rows
from scaling.fitting.solve import Problem
from scaling.inputs import check_inputs
from scaling.laws.book import find_law
from scaling.laws.law import Law
from scaling.results import Fit

Array = NDArray[np.float64]

_POLISHED = 24  # starts taken on from the screen; every published set tried needs one
_BEST_STARTS = 64  # of the screen, offered to each bootstrap replicate beside the optimum
_SAME = 1e-9  # relative difference below which two objectives are one optimum
_WIDE_RATIO = 1e6  # bounds this far apart, and positive, put a parameter on a logarithmic scale


def fit(
    law: str | Law,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    *,
    objective: str = "huber",
    delta: float | None = None,
    residual: str = "log",
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    start: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
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
    objective : {'huber', 'squared', 'lad'}, default 'huber'
        See `scaling.fitting.objective`.
    delta : float, optional
        Of ``huber``; 1e-3 where missing.
    residual : {'log', 'linear'}, default 'log'
        Whether residuals are of logarithms.
    weights : array_like (n,), optional
        How much each row counts in the objective; rows of weight zero are left out. The scatter of a new run is that of
        the residuals, each counted once.
    groups : array_like (n,), optional
        Which cluster each row belongs to (a run, a model family). Clusters are resampled whole.
    start : mapping, or sequence of mappings, optional
        Starting values of all parameters; the screen is then left out.
    bootstrap : int, default 1000
        Replicates; 0 for intervals from the covariance.
    seed : int, default 0
        Of the bootstrap; recorded.
    parameters : mapping of str to mapping, optional
        For a formula: bounds, such as ``{"alpha": {"low": 0.01, "high": 2}}``. Others are unbounded.
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
    goal = Objective(objective, residual, delta)
    law = find_law(law, inputs, parameters)
    x = check_inputs(law, inputs)
    y = _check_observed(law, observed, len(next(iter(x.values()))), goal)
    n, p = len(y), len(law.parameters)
    _check_enough(n, law)
    replicate_count = _whole(bootstrap, "the number of bootstrap replicates")
    if replicate_count == 1:
        raise UsageError("one bootstrap replicate has no spread", hint="Ask for some hundreds, or for 0.")
    seed = _whole(seed, "the seed")
    w = _check_weights(weights, n)
    codes = _check_groups(groups, n)
    if np.any(w == 0):  # a row that does not count is no row: not of the data's range, nor of the degrees of freedom
        used = np.flatnonzero(w > 0)
        x, y, w = {name: v[used] for name, v in x.items()}, y[used], w[used]
        codes = None if codes is None else _check_groups(codes[used], len(used))
        n = len(used)
        _check_enough(n, law)

    support = {name: (float(v.min()), float(v.max())) for name, v in x.items()}
    support[law.output] = (float(y.min()), float(y.max()))
    bounds = np.array([q.bounds(support) for q in law.parameters])
    log_scaled = tuple(bool(low > 0 and high / low >= _WIDE_RATIO) for low, high in bounds)
    kernel = compile_law(law, log_scaled)
    problem = Problem(
        kernel, kernel.prepare(x), y, goal, kernel.to_internal(bounds[:, 0]), kernel.to_internal(bounds[:, 1])
    )

    starts = _starts(law, kernel, problem, x, y, w, bounds, support, start)
    minima = problem.solve(starts[:_POLISHED], np.broadcast_to(w, (min(len(starts), _POLISHED), n)), far=True)
    best = int(np.argmin(minima.objective))
    theta, value = minima.theta[best], float(minima.objective[best])
    if not np.isfinite(value):
        raise InputDataError(
            f"the law '{law.name}' is not defined on these data for any parameters tried",
            hint="Check the signs of the inputs and the bounds, or give starting values.",
        )
    same = minima.objective <= value + _SAME * value + problem.rounding(w[None])
    replicates, shares = _bootstrap(problem, w, minima.theta, starts, replicate_count, seed, codes, progress)

    residuals = goal.residuals(y, kernel.value(theta[None], problem.data)[0])
    held = (theta - problem.low <= 1e-9 * (1 + abs(theta))) | (problem.high - theta <= 1e-9 * (1 + abs(theta)))
    spread = covariance(_residual_jacobian(problem, theta), residuals, w, goal, ~held, codes)
    if {"N", "D"} <= set(x):
        flop = 6 * x["N"] * x["D"]
        support["6*N*D"] = (float(flop.min()), float(flop.max()))
    names = law.parameter_names
    scale = 1.0 if residual == "log" else float(np.max(np.abs(y)))
    correlation, pair = _largest_correlation(spread, names)
    diagnostics = Diagnostics(
        converged=bool(minima.converged[best]),
        starts=len(minima.theta),
        starts_at_optimum=int(same.sum()),
        enough_rows=n > p + SPARE_ROWS,
        constant_inputs=tuple(k for k, v in x.items() if np.ptp(v) <= 1e-9 * np.max(np.abs(v))),
        at_bound=tuple(name for name, h in zip(names, held, strict=True) if h),
        condition_number=spread.condition_number,
        largest_correlation=correlation,
        correlated=pair,
        wide=_wide(spread, kernel, problem, names),
        residual_rms=float(np.sqrt(np.average(residuals**2, weights=w))),
        structure_p=residual_structure(residuals, w, x, p, rounding=1e-12 * scale),
        replicates=len(replicates),
        replicates_converged=shares[0],
        replicates_at_bound=shares[1],
        groups=0 if codes is None else int(codes.max()) + 1,
    )
    from scaling import __version__

    return Fit(
        law=law,
        objective=goal,
        estimates=dict(zip(names, kernel.to_natural(theta).tolist(), strict=True)),
        objective_value=value,
        n_obs=n,
        covariance=spread.matrix,
        log_scaled=log_scaled,
        degrees=spread.degrees,
        replicates=kernel.to_natural(replicates),
        residuals=residuals,
        support=support,
        diagnostics=diagnostics,
        seed=seed,
        settings={
            "bootstrap": replicate_count,
            "weighted": weights is not None,
            "grouped": groups is not None,
            "start": None if start is None else [dict(s) for s in _as_list(start)],
        },
        version=__version__,
    )


def _as_list(start: Mapping[str, float] | Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    return [start] if isinstance(start, Mapping) else list(start)


def _starts(
    law: Law, kernel: Kernel, problem: Problem, x: dict[str, Array], y: Array, w: Array, bounds: Array,
    support: dict[str, tuple[float, float]], start: Mapping[str, float] | Sequence[Mapping[str, float]] | None,
) -> Array:  # fmt: skip
    """Starting values, best first, internal scale: those given, or those of the screen."""
    if start is not None:
        rows = []
        for entry in _as_list(start):
            if missing := [name for name in law.parameter_names if name not in entry]:
                raise UsageError(f"there is no starting value for '{missing[0]}'", hint="Give one for every parameter.")
            if odd := set(entry) - set(law.parameter_names):
                name = sorted(odd)[0]
                raise UsageError(f"the law '{law.name}' has no parameter '{name}' to start from",
                                 hint=did_you_mean(name, law.parameter_names))  # fmt: skip
            try:
                rows.append([float(entry[name]) for name in law.parameter_names])
            except (TypeError, ValueError) as error:
                raise UsageError(f"a starting value is not a number: {error}") from error
        if not rows:
            raise UsageError("the list of starting values is empty", hint="Leave `start` out to have them sought.")
        return kernel.to_internal(np.clip(np.array(rows), bounds[:, 0], bounds[:, 1]))
    ranges = [q.screening_range(support) for q in law.parameters]
    relative = problem.objective.residual == "log"
    points = kernel.to_internal(screen(law, x, y, bounds[:, 0], bounds[:, 1], ranges, relative))
    if not len(points):
        raise InputDataError(f"no starting values for the law '{law.name}' were found inside its bounds")
    # Some hundred rows tell good starts from bad ones; the polish sees all of them.
    some = spread_rows(len(y))
    small = replace(problem, data=problem.data.take(some), observed=y[some])
    cost = np.concatenate([small.values(points[i : i + 256], w[None, some]) for i in range(0, len(points), 256)])
    return np.asarray(points[np.argsort(cost, kind="stable")])


def _bootstrap(
    problem: Problem,
    w: Array,
    optima: Array,
    starts: Array,
    replicates: int,
    seed: int,
    codes: NDArray[np.int64] | None,
    progress: Progress | None,
) -> tuple[Array, tuple[float, float]]:
    """Refit every replicate from the best start known: estimates (internal), shares converged and at a bound."""
    if replicates == 0:
        return np.empty((0, optima.shape[1])), (float("nan"), float("nan"))
    known = np.concatenate([optima, starts[:_BEST_STARTS]])
    losses = problem.losses(known)
    losses = np.where(np.isfinite(losses), losses, 1e300)
    weights = w * bootstrap_weights(len(w), replicates, seed, codes)
    first = known[np.argmin(weights @ losses.T, axis=1)]
    minima = problem.solve(first, weights, far=False, progress=progress)
    out, value, converged = minima.theta, minima.objective, minima.converged
    # A replicate may sit in a worse basin than another replicate found: offer it a spread of their optima.
    others = out[:: max(1, replicates // _BEST_STARTS)]
    costs = np.where(np.isfinite(cost := problem.losses(others)), cost, 1e300)
    offered = weights @ costs.T
    better = np.flatnonzero(offered.min(axis=1) < value * (1 - _SAME))
    if better.size:
        again = problem.solve(others[np.argmin(offered[better], axis=1)], weights[better], far=False)
        lower = again.objective < value[better]
        out[better[lower]], converged[better[lower]] = again.theta[lower], again.converged[lower]
    at_bound = np.any((out <= problem.low) | (out >= problem.high), axis=1)
    return out, (float(converged.mean()), float(at_bound.mean()))


def _residual_jacobian(problem: Problem, theta: Array) -> Array:
    jacobian = -problem.kernel.jacobian(theta[None], problem.data)[0]
    if problem.objective.residual == "log":
        jacobian = jacobian / problem.kernel.value(theta[None], problem.data)[0][:, None]
    return np.asarray(jacobian)


def _largest_correlation(spread: Covariance, names: tuple[str, ...]) -> tuple[float, tuple[str, ...]]:
    error = np.sqrt(np.diag(spread.matrix))
    with np.errstate(all="ignore"):
        size = np.abs(spread.matrix / np.outer(error, error))
    np.fill_diagonal(size, np.nan)
    if not np.any(np.isfinite(size)):
        return float("nan"), ()
    i, j = np.unravel_index(np.nanargmax(size), size.shape)
    return float(min(size[i, j], 1.0)), (names[i], names[j])


def _wide(spread: Covariance, kernel: Kernel, problem: Problem, names: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters known to no better than a factor of 20, or whose error exceeds a quarter of their allowed range."""
    error = np.sqrt(np.diag(spread.matrix))
    limit = np.where(kernel.log_scaled, WIDE_LOG_ERROR, 0.25 * (problem.high - problem.low))
    return tuple(name for name, e, most in zip(names, error, limit, strict=True) if e > most)


def _whole(value: Any, what: str) -> int:
    """Check that a setting is a whole number from 0 on."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0 or number != value:
        raise UsageError(f"{what} must be a whole number from 0 on, not {value}")
    return number


def _check_observed(law: Law, observed: ArrayLike, n: int, objective: Objective) -> Array:
    try:
        y = np.atleast_1d(np.asarray(observed, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"'{law.output}' holds something that is not a number: {error}") from error
    if y.shape != (n,):
        raise InputDataError(f"'{law.output}' has shape {y.shape}, the inputs have {n} rows")
    if not np.all(np.isfinite(y)):
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise InputDataError(f"'{law.output}' is {y[row]} in row {row}", hint="Leave diverged runs out of the fit.")
    if objective.residual == "log" and not np.all(y > 0):
        row = int(np.flatnonzero(~(y > 0))[0])
        raise InputDataError(
            f"'{law.output}' is {y[row]:g} in row {row}, and has no logarithm",
            hint="Leave the row out, or take linear residuals.",
        )
    return y


def _check_enough(n: int, law: Law) -> None:
    if n < (p := len(law.parameters)):
        raise InputDataError(f"{n} rows cannot determine the {p} parameters of the law '{law.name}'", hint="Add runs.")


def _check_weights(weights: ArrayLike | None, n: int) -> Array:
    if weights is None:
        return np.ones(n)
    try:
        w = np.asarray(weights, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a weight is not a number: {error}") from error
    if w.shape != (n,) or not np.all(np.isfinite(w)) or np.any(w < 0):
        raise InputDataError(f"weights must be {n} finite numbers, none negative")
    if not w.sum() > 0:
        raise InputDataError("the weights sum to zero")
    return w


def _check_groups(groups: ArrayLike | None, n: int) -> NDArray[np.int64] | None:
    if groups is None:
        return None
    labels = np.asarray(groups)
    if any(label is None or (isinstance(label, float) and math.isnan(label)) for label in labels.ravel().tolist()):
        raise InputDataError("a row has no group: None or NaN stands in its place", hint="Leave such rows out.")
    if labels.shape != (n,):
        raise InputDataError(f"groups have shape {labels.shape}, but there are {n} rows")
    _, codes = np.unique(labels.astype(str), return_inverse=True)
    if codes.max() == 0:
        raise InputDataError("all rows are in one group, so there is nothing to resample", hint="Leave groups out.")
    return codes.astype(np.int64)
