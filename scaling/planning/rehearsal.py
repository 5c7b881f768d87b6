"""Measure what a set of runs would do for a forecast, by simulating their outcomes and fitting again.

A truth is one bootstrap replicate of the fit, and beyond the data a smooth error of form on top of it
(`scaling.planning.form_error`): so the truth is never the fit itself, truths differ as much as the data leave open, and
no law of the same form meets them. The outcomes of the new runs are the truth plus residuals of the fit, drawn with
replacement. The law is fitted to the old rows and the new ones together, and its forecast is held against the truth.
Truths and noise are seeded simulation by simulation, so the numbers do not depend on what else is rehearsed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.allocation.cost import SIX_N_D
from scaling.allocation.surface import Surface, best_split
from scaling.errors import ScalingError
from scaling.fitting.compile import compile_law
from scaling.fitting.fit import fit as fit_law
from scaling.inputs import check_inputs
from scaling.planning.designs import Candidates
from scaling.planning.form_error import FormError
from scaling.results import Fit

Array = NDArray[np.float64]

_NORMAL_MAD = 1.4826  # standard deviation of a normal over its median absolute deviation
_MEDIAN_COST = np.pi / 2  # variance of the median of normal noise over that of its mean


@dataclass(frozen=True)
class Target:
    """What is to be forecast: the lowest loss for a budget, or the loss of one cell or of several.

    Parameters
    ----------
    compute_flop : float or None
        The budget, C = 6 N D.
    n_params, n_tokens : tuple of float
        The q cells.
    """

    compute_flop: float | None = None
    n_params: tuple[float, ...] = ()
    n_tokens: tuple[float, ...] = ()

    def forecast(self, fit: Fit, theta: Array) -> Array:
        """Return the forecasts of each parameter row (B, p): (B, q), q = 1 for a budget; NaN where there is none."""
        if self.compute_flop is not None:
            return _optimum(fit, theta, self.compute_flop)[2]
        values = fit.evaluate(self.cells(fit), theta)
        return np.where(np.isfinite(values), values, np.nan)

    def cells(self, fit: Fit) -> dict[str, Array]:
        """Return the parameters and tokens (q,) at which a fit takes the target."""
        if self.compute_flop is None:
            return {"N": np.array(self.n_params), "D": np.array(self.n_tokens)}
        log_n, log_d, _ = _optimum(fit, fit.theta[None], self.compute_flop)
        return {"N": np.exp(log_n[0]), "D": np.exp(log_d[0])}

    def interval(self, fit: Fit, level: float) -> tuple[Array, Array]:
        """Return the intervals of a fit's curve at the cells, low and high (q,): NaN where the fit has none."""
        cells = self.cells(fit)
        if not np.all(np.isfinite(cells["N"])):
            nothing = np.full(len(cells["N"]), np.nan)
            return nothing, nothing
        prediction = fit.predict(cells, level=level, kind="curve", force=True)
        return np.asarray(prediction.low), np.asarray(prediction.high)


@dataclass(frozen=True)
class Rows:
    """The rows that a fit was made from, and what else it takes to make it again.

    Parameters
    ----------
    inputs : dict of str to ndarray (n,)
        Natural units.
    observed : ndarray (n,)
        The losses.
    groups : ndarray of str (n,) or None
        Clusters.
    weights : ndarray (n,) or None
        Of the rows.
    """

    inputs: dict[str, Array]
    observed: Array
    groups: NDArray[np.str_] | None = None
    weights: Array | None = None

    def refit(self, fit: Fit, starts: Sequence[Mapping[str, float]], more: Mapping[str, Array], losses: Array) -> Fit:
        """Fit the law again to these rows and `more`, as `fit` was, without replicates."""
        count = len(losses)
        settings: dict[str, Any] = {"penalty": penalty} if (penalty := fit.settings.get("penalty")) else {}
        if self.groups is not None:
            settings["groups"] = np.concatenate([self.groups, [f"new run {i}" for i in range(count)]])
        if self.weights is not None:
            settings["weights"] = np.concatenate([self.weights, np.ones(count)])
        inputs = {k: np.concatenate([v, more[k]]) if count else v for k, v in self.inputs.items()}
        return fit_law(
            fit.law, inputs, np.concatenate([self.observed, losses]), objective=fit.objective, bootstrap=0,
            start=list(starts), **settings,
        )  # fmt: skip


@dataclass(frozen=True)
class Rehearsed:
    """What simulations say of one way to spend the budget.

    Parameters
    ----------
    name : str
        Which way.
    n_runs, spent_flop : float
        Runs and what they cost, on average over the simulations.
    error : ndarray (s,)
        Of the forecast, against the truth: the root mean square over the cells of a target. NaN where a refit failed.
    width : ndarray (s,)
        Width of the interval of the refit, which is of the parameters only; NaN where it has none.
    inside : ndarray (s,)
        Whether that interval held the truth, as a share of the cells of a target; NaN where there is none.
    """

    name: str
    n_runs: float
    spent_flop: float
    error: Array
    width: Array
    inside: Array

    @property
    def rmse(self) -> float:
        """Root mean square error of the forecast, in the unit of the loss."""
        return float(np.sqrt(np.nanmean(self.error**2))) if np.any(np.isfinite(self.error)) else float("nan")

    @property
    def rmse_se(self) -> float:
        """Its standard error over the simulations."""
        return _standard_error(self.error**2) / (2 * self.rmse) if self.rmse > 0 else float("nan")

    @property
    def mean_width(self) -> float:
        """Mean width of the interval, over the refits that have one."""
        return float(np.nanmean(self.width)) if np.any(np.isfinite(self.width)) else float("nan")

    @property
    def width_se(self) -> float:
        """Its standard error over the simulations."""
        return _standard_error(self.width)

    @property
    def held(self) -> float:
        """Share of the rehearsals whose interval held the truth; NaN where no refit has one."""
        return float(np.nanmean(self.inside)) if np.any(np.isfinite(self.inside)) else float("nan")

    @property
    def held_se(self) -> float:
        """Its binomial standard error, with one that held and one that did not put in, so that it is never 0."""
        known = self.inside[np.isfinite(self.inside)]
        share = (float(known.sum()) + 1) / (len(known) + 2)
        return float(np.sqrt(share * (1 - share) / len(known))) if len(known) else float("nan")

    @property
    def failed(self) -> int:
        """Refits without a forecast."""
        return int(np.sum(~np.isfinite(self.error)))


def gain_over(one: Rehearsed, other: Rehearsed) -> tuple[float, float]:
    """Return by how much the mean square error of `other` exceeds that of `one`, and the standard error of that.

    Both met the same truths, so the difference is taken truth by truth.
    """
    difference = other.error**2 - one.error**2
    known = difference[np.isfinite(difference)]
    return (float(known.mean()) if known.size else float("nan")), _standard_error(difference)


def run_noise(fit: Fit) -> float:
    """Estimate the variance of one run's outcome about the law, as far as the fit's objective feels it.

    Parameters
    ----------
    fit : Fit
        With more rows than parameters.

    Returns
    -------
    float
        On the scale of the residuals. Least squares feels the variance; the others, nearly median fits, feel the
        middle of the residuals, and what normal noise of that width does to a median.
    """
    n, p = len(fit.residuals), len(fit.theta)
    if fit.objective.name == "squared":
        return float(np.sum(fit.residuals**2)) / (n - p)
    middle = float(np.median(np.abs(fit.residuals - np.median(fit.residuals))))
    return (_NORMAL_MAD * middle) ** 2 * n / (n - p) * _MEDIAN_COST


def rehearse(
    fit: Fit,
    rows: Rows,
    target: Target,
    designs: Mapping[str, Callable[[np.random.Generator], Candidates]],
    form: FormError | None = None,
    *,
    simulations: int,
    seed: int,
    level: float,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Rehearsed]:
    """Rehearse several ways to spend a budget.

    Parameters
    ----------
    fit : Fit
        With replicates.
    rows : Rows
        Its rows.
    target : Target
        What is to be forecast.
    designs : mapping of str to callable
        From a random generator to the runs of a design, which may differ from simulation to simulation.
    form : FormError, optional
        Where missing, the form of every truth is that of the law.
    simulations : int
        Truths to try each design against.
    seed : int
        Of truths, noise and designs.
    level : float
        Nominal coverage of the intervals.
    progress : callable, optional
        Told after each refit how many are done, and of how many.

    Returns
    -------
    dict of str to Rehearsed
        One a design, and ``nothing``: the forecast as it is, against the same truths.
    """
    truths = fit.replicates[np.all(np.isfinite(target.forecast(fit, fit.replicates)), axis=1)]
    root = np.random.SeedSequence(seed)
    order = np.random.default_rng(root.spawn(1)[0]).permutation(len(truths))
    chosen = truths[np.resize(order, simulations)]
    wrong = [_no_error if form is None else form.draw(np.random.default_rng(c)) for c in root.spawn(simulations)]
    at_target = np.array([error(target.cells(fit)) for error in wrong])
    truth = fit.objective.moved(target.forecast(fit, chosen), at_target)
    children = [child.spawn(len(designs)) for child in root.spawn(simulations)]
    nothing = rows.refit(fit, [fit.estimates], {}, np.empty(0))
    inflate = np.sqrt(len(fit.residuals) / (len(fit.residuals) - len(fit.theta)))
    ends = target.interval(nothing, level)
    today = Rehearsed(
        "nothing",
        0.0,
        0.0,
        _miss(target.forecast(fit, fit.theta[None]), truth),
        np.full(simulations, np.mean(ends[1] - ends[0])),
        np.array([_held(ends, one) for one in truth]),
    )
    out = {"nothing": today}
    for k, (name, design) in enumerate(designs.items()):
        error, width, inside = (np.full(simulations, np.nan) for _ in range(3))
        counts, spent = np.zeros(simulations), np.zeros(simulations)
        for s in range(simulations):
            random = np.random.default_rng(children[s][k])
            cells = design(random)
            counts[s], spent[s] = len(cells.cost_flop), cells.cost_flop.sum()
            noise = inflate * random.choice(fit.residuals, len(cells.cost_flop))
            start = [fit.estimates, dict(zip(fit.law.parameter_names, chosen[s].tolist(), strict=True))]
            try:
                new = _outcomes(fit, chosen[s], cells, noise + wrong[s](cells.inputs))
                again = rows.refit(fit, start, cells.inputs, new)
                error[s] = _miss(target.forecast(again, again.theta[None])[0], truth[s])
                ends = target.interval(again, level)
                width[s], inside[s] = np.mean(ends[1] - ends[0]), _held(ends, truth[s])
            except ScalingError:  # counted: an outcome that the law cannot take is a failure of the design
                pass
            if progress:
                progress(k * simulations + s + 1, len(designs) * simulations)
        out[name] = Rehearsed(name, float(counts.mean()), float(spent.mean()), error, width, inside)
    return out


def _outcomes(fit: Fit, theta: Array, cells: Candidates, away: Array) -> Array:
    """Losses of new runs, as far away from the law as is said on the scale of the residuals."""
    if not len(away):
        return np.empty(0)
    return fit.objective.moved(fit.evaluate(check_inputs(fit.law, cells.inputs), theta[None])[0], away)


def _no_error(cells: Mapping[str, Array]) -> Array:
    return np.zeros(len(cells["N"]))


def _miss(forecast: Array, truth: Array) -> Array:
    """Root mean square over the cells of a target, (..., q)."""
    return np.asarray(np.sqrt(np.mean((forecast - truth) ** 2, axis=-1)))


def _held(ends: tuple[Array, Array], truth: Array) -> float:
    """Share of the cells (q,) whose interval holds the truth; NaN where one has no interval."""
    low, high = ends
    return float(np.mean((low <= truth) & (truth <= high))) if np.all(np.isfinite(low + high)) else float("nan")


def _optimum(fit: Fit, theta: Array, compute_flop: float) -> tuple[Array, Array, Array]:
    kernel = compile_law(fit.law, fit.log_scaled)
    return best_split(Surface(kernel, kernel.to_internal(theta)), SIX_N_D, np.array([compute_flop]))


def _standard_error(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.std(known, ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")
