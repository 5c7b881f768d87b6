"""What is uncertain in a translation: replicates of law and map brought together, and the scatter of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.compile import Data, compile_value
from scaling.fitting.objective import Objective
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]
Finding = tuple[str, str]


@dataclass(frozen=True)
class Draws:
    """Replicates of a law and of a map: row i of one goes with row i of the other.

    Parameters
    ----------
    source, pair : ndarray (B, p) and (B, q)
        Natural units; B is 0 where neither fit has replicates.
    paired : bool
        Whether they were drawn together.
    drawn : tuple of str
        Sides whose rows were drawn from the covariance, for want of replicates.
    notes : tuple of str
        What is not in them, and why.
    """

    source: Array
    pair: Array
    paired: bool
    drawn: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def bring_together(source: Fit, pair: Fit, paired: bool, seed: np.random.SeedSequence) -> Draws:
    """Put replicates of the law and of the map beside each other.

    Parameters
    ----------
    source, pair : Fit
        The two.
    paired : bool
        Whether replicate i of both was drawn from the same units. Otherwise those of the map are permuted, so that
        equal seeds do not pose as a dependence.
    seed : SeedSequence
        Of the permutation, and of draws from a covariance.

    Returns
    -------
    Draws
        Where one fit has no replicates, rows of it are drawn from its covariance, as many as the other has.
    """
    counts = len(source.replicates), len(pair.replicates)
    mixing, drawing = (np.random.default_rng(s) for s in seed.spawn(2))
    if not any(counts):
        return Draws(source.replicates, pair.replicates, False)
    if all(counts):
        count = min(counts)
        if paired and counts[0] == counts[1]:
            return Draws(source.replicates, pair.replicates, True)
        return Draws(source.replicates[:count], pair.replicates[mixing.permutation(counts[1])[:count]], False)
    count = max(counts)
    if counts[0]:
        rows, notes = _from_covariance(pair, count, drawing, "map")
        return Draws(source.replicates, rows, False, ("map",), notes)
    rows, notes = _from_covariance(source, count, drawing, "source law")
    return Draws(rows, pair.replicates, False, ("source law",), notes)


def _from_covariance(fit: Fit, count: int, rng: np.random.Generator, side: str) -> tuple[Array, tuple[str, ...]]:
    """Draw parameter rows (count, p) from the covariance of a fit; those without an error that is known stay."""
    kernel = compile_value(fit.law, fit.log_scaled)
    rows = np.repeat(kernel.to_internal(fit.theta[None]), count, axis=0)
    known = np.isfinite(np.diag(fit.covariance))
    notes: tuple[str, ...] = ()
    if not known.all():
        held = [name for name, has in zip(fit.law.parameter_names, known, strict=True) if not has]
        notes = (
            f"The {side} has no replicates, and its covariance does not give the error of {', '.join(held)}, which is "
            "therefore not in the intervals. Fit it with some hundreds of replicates.",
        )
    if known.any():
        inside = fit.covariance[np.ix_(known, known)]
        rows[:, known] += rng.multivariate_normal(np.zeros(int(known.sum())), inside, size=count, method="eigh")
    return kernel.to_natural(rows), notes


def map_rows(pair: Fit, losses: Array, theta: Array) -> Array:
    """Work a map out at losses (B, m) with parameters (B, p), row i with row i; NaN outside its domain."""
    kernel = compile_value(pair.law, pair.log_scaled)
    with np.errstate(all="ignore"):
        column = np.log(losses) if all(kernel.log_inputs.values()) else losses
    return kernel.value(kernel.to_internal(theta), Data((column,), np.empty((0, 0))))


def internal_covariance(fit_scales: tuple[bool, ...], replicates: Array) -> Array:
    """Return the covariance of replicates (B, p) on the internal scale; NaN with fewer than two that are known."""
    p = len(fit_scales)
    with np.errstate(all="ignore"):
        rows = np.where(fit_scales, np.log(replicates), replicates)
    rows = rows[np.all(np.isfinite(rows), axis=1)]
    return np.atleast_2d(np.cov(rows.T)) if len(rows) > 1 else np.full((p, p), np.nan)


def mapped_scatter(source: Fit, pair: Fit, seed: np.random.SeedSequence) -> Array:
    """Return what runs of the other corpus scatter by, where there are none: residuals of the pairs, and of the law.

    Parameters
    ----------
    source, pair : Fit
        The law and the map.
    seed : SeedSequence
        Of which residual goes with which.

    Returns
    -------
    ndarray (n,)
        One a pair, on the scale of the map's objective.

    Notes
    -----
    A run of the other corpus lies off the translated law by what the map left of its pair, and by what the law left of
    the run of the pair, seen through the map. So to each residual of the map one of the law is added, drawn at random
    and mapped at one of n losses that spread evenly (in the logarithm) over those of the pairs. Residuals of a fit of p
    parameters to n rows are too small by sqrt((n - p)/n): those of the law are widened by that here, those of the map
    where the scatter is used.
    """
    rng = np.random.default_rng(seed)
    n, q = len(pair.residuals), len(pair.law.parameters)
    low, high = pair.support[next(iter(pair.law.inputs))]
    at = rng.permutation(np.geomspace(low, high, n))
    away = rng.choice(source.residuals, n) * _widening(len(source.residuals), source.fitted_parameters)
    [x] = pair.law.inputs
    goal = pair.objective
    centre, moved = pair.evaluate({x: at})[0], pair.evaluate({x: source.objective.moved(at, away)})[0]
    with np.errstate(all="ignore"):
        through = goal.to_scale(moved) - goal.to_scale(centre)
    return np.asarray(pair.residuals + np.nan_to_num(through) / _widening(n, q))


def _widening(n: int, p: int) -> float:
    return float(np.sqrt(n / (n - p))) if n > p else 1.0


def typical_error(goal: Objective, residuals: Array, level: float, log: bool) -> float:
    """Return the root mean square of residuals, taken at one loss, as logarithms or plain differences."""
    at = np.full(len(residuals), level)
    moved = goal.moved(at, residuals)
    with np.errstate(all="ignore"):
        away = np.log(moved) - np.log(at) if log else moved - at
    return float(np.sqrt(np.nanmean(away**2)))


def lost(replicates: Array, why: str) -> tuple[int, Finding | None]:
    """Count replicates without a value, and say so where they are more than a few."""
    count = int(np.sum(np.isnan(replicates).any(axis=1)))
    if not len(replicates) or count <= 0.02 * len(replicates):
        return count, None
    return count, ("weak", f"Of {format_plural(len(replicates), 'replicate')} {count} are left out: {why}.")
