"""A component as a score between 0 and 1, so that a boundary can be fitted to it as to a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.observational.components import Components, fit_components
from scaling.errors import InputDataError, UsageError
from scaling.serial import plain

Array = NDArray[np.float64]

EDGES = (0.01, 0.99)  # quantiles of the training models that become 0 and 1, as in arXiv:2602.15327


@dataclass(frozen=True)
class LatentScore:
    """One principal component, rescaled.

    Parameters
    ----------
    components : Components
    which : int
        Number of the component, from 1.
    low, high : float
        Values of the component that become 0 and 1: the 1 % and 99 % quantiles of the training models.
    """

    components: Components
    which: int
    low: float
    high: float

    def transform(self, scores: ArrayLike, models: Sequence[str] | None = None) -> Array:
        """Return the latent score of models, within [0, 1], shape (m,); refuses what `Components.transform` does."""
        values = self.components.transform(scores, models)[:, self.which - 1]
        return np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(
            {"component": self.which, "low": self.low, "high": self.high, "components": self.components.to_dict()}
        )
        return table


def fit_latent_score(
    scores: ArrayLike,
    which: int = 1,
    *,
    rank: int = 0,
    benchmarks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
) -> LatentScore:
    """Learn a latent score from training models.

    Parameters
    ----------
    scores : array_like (n, d)
        Of the training period alone: models to be forecast must not shape the scale they are measured on.
    which : int, default 1
        Number of the component.
    rank : int, default 0
        Components that missing scores are filled in by; 0 fills in means, as arXiv:2602.15327 does.
    benchmarks, models : sequence of str, optional
        Names.

    Returns
    -------
    LatentScore
        `transform` gives scores for `scaling.boundary.fit`.

    Raises
    ------
    InputDataError
        As of `fit_components`, or where the component does not vary between its edges.
    UsageError
        For a component that is not there.
    """
    if which < 1:
        raise UsageError(f"there is no component {which}", hint="They are numbered from 1.")
    found = fit_components(scores, which, rank=rank, benchmarks=benchmarks, models=models)
    low, high = np.quantile(found.values[:, which - 1], EDGES)
    if not high > low:
        raise InputDataError(f"component {which} has one value in nearly all models, so it makes no scale")
    return LatentScore(found, which, float(low), float(high))
