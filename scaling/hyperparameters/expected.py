"""The loss that a recommendation is expected to give up, because laws have errors and cells scatter around them.

Around its optimum the loss rises by half the second derivatives times the squared distance, so what is given up on
average is half the trace of their product with the covariance of that distance, in ln lr and ln B. The distance has two
parts: how far the laws of other draws of the cells lie from these, and how far the optimum of one cell lies from laws
that were known exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.hyperparameters.laws import TunedLaw, TunedLaws

Array = NDArray[np.float64]

_ONE_SIGMA = math.erf(1 / math.sqrt(2))


@dataclass(frozen=True)
class ExpectedRegret:
    """Loss given up on average, as shares of the loss.

    Parameters
    ----------
    parameters : float
        By the errors of the laws.
    scatter : float
        By what optima of cells scatter around them.
    batch : float
        By a batch that was given and is not the best; 0 where none was.
    """

    parameters: float
    scatter: float
    batch: float = 0.0

    @property
    def total(self) -> float:
        """All parts."""
        return self.parameters + self.scatter + self.batch


def expected_regret(laws: TunedLaws, n_params: float, n_tokens: float) -> ExpectedRegret:
    """Work out what the laws' learning rate and batch give up on average.

    Parameters
    ----------
    laws : TunedLaws
        With bootstrap replicates; without them the errors of the two laws are taken as independent.
    n_params, n_tokens : float
        The run.

    Returns
    -------
    ExpectedRegret
    """
    hessian = laws.curvature.at(n_params, n_tokens)
    return ExpectedRegret(
        _half_trace(hessian, law_covariance(laws, n_params, n_tokens)), _half_trace(hessian, cell_scatter(laws))
    )


def law_covariance(laws: TunedLaws, n_params: float, n_tokens: float) -> Array:
    """Covariance (2, 2) of ln lr and ln B of the laws at a run, around the laws themselves."""
    at = {"N": n_params, "D": n_tokens}
    pair = (laws.lr, laws.batch)
    if not laws.bootstrap:
        return np.diag([_variance(law, at) for law in pair])
    with np.errstate(all="ignore"):
        away = np.stack([np.log(law.replicates_at(at) / law.at(at)) for law in pair], axis=1)
    away = away[np.all(np.isfinite(away), axis=1)]
    # Both laws draw the same cells, so their errors stay together; drawn whole, G cells spread too little.
    return np.asarray(away.T @ away / max(len(away), 1) * _widened(laws.lr))


def cell_scatter(laws: TunedLaws) -> Array:
    """Covariance (2, 2) of the optima of cells, ln lr and ln B, around the laws.

    Mean residuals of the cells with the degrees of freedom of each law, less what the errors of the vertices explain
    where these are known, and never below zero in any direction.
    """
    left = np.stack([laws.lr.scatter, laws.batch.scatter], axis=1)
    spare = np.array([max(len(left) - len(law.estimates), 1) for law in (laws.lr, laws.batch)], float)
    covariance = left.T @ left / np.sqrt(np.outer(spare, spare))
    if np.all(np.isfinite(laws.optima.covariance)):
        covariance = covariance - laws.optima.covariance.mean(axis=0)
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def expected_regret_at_batch(
    laws: TunedLaws, coupled: TunedLaw, n_params: float, n_tokens: float, batch: float
) -> ExpectedRegret:
    """Work out what the coupled law's learning rate gives up at a batch that is given.

    Parameters
    ----------
    laws : TunedLaws
        The laws.
    coupled : TunedLaw
        That of them for the learning rate at a batch.
    n_params, n_tokens, batch : float
        The run; tokens a step.

    Returns
    -------
    ExpectedRegret
        With what the batch itself gives up beside the best one by its law, the learning rate re-tuned.
    """
    at = {"N": n_params, "D": n_tokens, "B": batch}
    hessian = laws.curvature.at(n_params, n_tokens)
    if laws.bootstrap:
        with np.errstate(all="ignore"):
            away = np.log(coupled.replicates_at(at) / coupled.at(at))
        away = away[np.isfinite(away)]
        variance = float(np.mean(away**2)) * _widened(coupled)
    else:
        variance = _variance(coupled, at)
    noise = laws.slices.error**2
    around = float(np.mean(coupled.fit.residuals**2)) - float(np.nanmean(noise) if np.isfinite(noise).any() else 0)
    steep = float(hessian[0, 0])
    retuned = float(hessian[1, 1] - hessian[0, 1] ** 2 / steep)
    octave = math.log(batch / laws.batch.at(at))
    return ExpectedRegret(steep * variance / 2, steep * max(around, 0.0) / 2, math.expm1(retuned * octave**2 / 2))


def _half_trace(hessian: Array, covariance: Array) -> float:
    return float(np.trace(hessian @ covariance) / 2)


def _widened(law: TunedLaw) -> float:
    groups = law.cells
    return groups / (groups - 1) if groups > 1 else 1.0


def _variance(law: TunedLaw, at: dict[str, float]) -> float:
    """Variance of the logarithm of a law at a run, from its covariance."""
    said = law.fit.predict(law.given(at), level=_ONE_SIGMA, kind="curve", force=True)
    return float((math.log(said.high / said.low) / 2) ** 2)
