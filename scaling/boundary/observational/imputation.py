"""Scores that are missing, filled in from the others: iterated reconstruction by few principal components.

As in arXiv:2405.10938, section 3.1 and its code: scores become z-scores, missing ones start at the mean, and are
replaced by what `rank` components make of the row until nothing moves. Everything is learned from the training rows.
A new row is filled by the components that are there: the iteration's end is the least-squares fit of its known scores,
which is worked out at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.observational.table import check_scores, name_of
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_percent
from scaling.serial import plain

Array = NDArray[np.float64]

_TOLERANCE = 1e-10  # z-scores; the largest step of a missing cell at which the iteration ends
_ITERATIONS = 1000


@dataclass(frozen=True)
class Imputer:
    """How missing scores are filled in, learned from training rows.

    Parameters
    ----------
    mean, scale : ndarray (d,)
        Of the known training scores of each benchmark.
    centre : ndarray (d,)
        Mean of the filled z-scores.
    directions : ndarray (rank, d)
        Principal directions of the filled z-scores, orthonormal.
    filled : ndarray (n, d)
        The training scores, with nothing missing, within [0, 1].
    missing : ndarray of bool (n, d)
        Which of them were filled in.
    iterations : int
    converged : bool
        Whether the last step moved no cell by more than 1e-10 standard deviations.
    """

    mean: Array
    scale: Array
    centre: Array
    directions: Array
    filled: Array
    missing: NDArray[np.bool_]
    iterations: int
    converged: bool

    @property
    def rank(self) -> int:
        """Components of the reconstruction; 0 fills in means."""
        return len(self.directions)

    @property
    def n_imputed(self) -> int:
        """Training scores that were filled in."""
        return int(self.missing.sum())

    @property
    def imputed_by_benchmark(self) -> tuple[int, ...]:
        """The same, of each benchmark."""
        return tuple(int(n) for n in self.missing.sum(axis=0))

    def apply(
        self, scores: ArrayLike, models: Sequence[str] | None = None, benchmarks: Sequence[str] | None = None
    ) -> Array:
        """Fill in the missing scores of new rows.

        Parameters
        ----------
        scores : array_like (m, d)
        models, benchmarks : sequence of str, optional
            Names, for messages.

        Returns
        -------
        ndarray (m, d)
            Known scores are as they were.

        Raises
        ------
        InputDataError
            For another number of benchmarks, scores that are no shares, or a row with nothing observed.
        """
        values = check_scores(scores, benchmarks, models)
        if values.shape[1] != len(self.mean):
            raise InputDataError(f"there are {values.shape[1]} benchmarks, and {len(self.mean)} were learned from")
        refuse_empty_rows(values, models)
        return self._fill(values)

    def _fill(self, values: Array) -> Array:
        missing = np.isnan(values)
        out = values.copy()
        z = (values - self.mean) / self.scale - self.centre
        for i in np.flatnonzero(missing.any(axis=1)):
            known = ~missing[i]
            weights = np.linalg.lstsq(self.directions[:, known].T, z[i, known], rcond=None)[0]
            made = (self.centre + weights @ self.directions) * self.scale + self.mean
            out[i, missing[i]] = np.clip(made[missing[i]], 0.0, 1.0)
        return out

    def summary(self) -> str:
        """Return what was filled in, in a sentence."""
        if not self.n_imputed:
            return "No score is missing."
        share = format_percent(self.n_imputed / self.missing.size)
        how = f"by {self.rank} principal component{'s' if self.rank > 1 else ''}" if self.rank else "by means"
        rows = int(self.missing.any(axis=1).sum())
        end = "" if self.converged else f"; the iteration had not ended after {self.iterations} steps"
        return f"{self.n_imputed} of {self.missing.size} scores ({share}), of {rows} models, were filled in {how}{end}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without the scores."""
        table: dict[str, Any] = plain(
            {
                "rank": self.rank,
                "n_imputed": self.n_imputed,
                "n_scores": self.missing.size,
                "imputed_by_benchmark": self.imputed_by_benchmark,
                "iterations": self.iterations,
                "converged": self.converged,
                "mean": self.mean,
                "scale": self.scale,
            }
        )
        return table


def fit_imputer(
    scores: ArrayLike,
    rank: int = 1,
    *,
    benchmarks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
) -> Imputer:
    """Fill in the missing scores of training rows, and learn how.

    Parameters
    ----------
    scores : array_like (n, d)
        Shares between 0 and 1; NaN where a model was not evaluated.
    rank : int, default 1
        Components of the reconstruction; 1 in arXiv:2405.10938. 0 fills in the mean of each benchmark.
    benchmarks, models : sequence of str, optional
        Names, for messages.

    Returns
    -------
    Imputer

    Raises
    ------
    InputDataError
        For a model or a benchmark with nothing observed, or scores that are no shares.
    UsageError
        For a rank that the data cannot have.
    """
    values = check_scores(scores, benchmarks, models)
    refuse_empty_rows(values, models)
    for j in np.flatnonzero(np.isnan(values).all(axis=0)):
        raise InputDataError(
            f"benchmark '{name_of(benchmarks, int(j))}' has no score among these {len(values)} models",
            hint="Leave it out: nothing says how its scores go with the others.",
        )
    if not 0 <= rank < min(values.shape):
        raise UsageError(
            f"{len(values)} models on {values.shape[1]} benchmarks cannot be filled in by {rank} components",
            hint=f"At most {min(values.shape) - 1}; 1 is usual, 0 fills in means.",
        )
    return impute(values, rank)


def refuse_empty_rows(values: Array, models: Sequence[str] | None) -> None:
    """Refuse a model without any score."""
    for i in np.flatnonzero(np.isnan(values).all(axis=1)):
        raise InputDataError(
            f"model {name_of(models, int(i))} has no score on any benchmark", hint="Leave the model out."
        )


def impute(values: Array, rank: int) -> Imputer:
    """Do the work of `fit_imputer` on scores that are known to be good."""
    missing = np.isnan(values)
    mean = np.nanmean(values, axis=0)
    scale = np.nanstd(values, axis=0)
    scale = np.where(scale > 0, scale, 1.0)  # a benchmark on which all score alike is 0 in z-scores
    z = np.where(missing, 0.0, (values - mean) / scale)
    centre, directions, steps, moved = np.zeros(values.shape[1]), np.empty((0, values.shape[1])), 0, 0.0
    while rank:
        centre = z.mean(axis=0)
        away = z - centre
        directions = np.linalg.eigh(away.T @ away)[1][:, ::-1][:, :rank].T
        if not missing.any():
            break
        made = centre + (away @ directions.T) @ directions
        moved = float(np.max(np.abs(made - z)[missing]))
        z = np.where(missing, made, z)
        steps += 1
        if moved <= _TOLERANCE or steps == _ITERATIONS:
            break
    filled = np.where(missing, np.clip(z * scale + mean, 0.0, 1.0), values)
    return Imputer(mean, scale, centre, directions, filled, missing, steps, moved <= _TOLERANCE)
