"""From scores to a forecast of the task, learned from some of the models: components, link, and their rivals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.observational.components import decompose, draw_families
from scaling.boundary.observational.imputation import Imputer, impute
from scaling.boundary.observational.link import LinkSettings, Weights, quick_fit
from scaling.boundary.observational.table import Mask, Table

Array = NDArray[np.float64]

CONSTANT, COMPUTE = "constant", "compute alone"


def label(n_components: int) -> str:
    """Return the name of a forecast by so many components."""
    return "1 component" if n_components == 1 else f"{n_components} components"


@dataclass(frozen=True)
class Pipeline:
    """Imputation, components and link, as learned from some rows.

    Parameters
    ----------
    imputer : Imputer
    mean : ndarray (d,)
    loadings : ndarray (k, d)
    weights : Weights
    settings : LinkSettings
    """

    imputer: Imputer
    mean: Array
    loadings: Array
    weights: Weights
    settings: LinkSettings

    @property
    def benchmark_weights(self) -> Array:
        """How much each benchmark counts in the index, shape (d,)."""
        return np.asarray(self.weights.beta @ self.loadings)

    def index(self, scores: Array) -> Array:
        """Return the sigmoid's argument of models, shape (m,)."""
        return self.weights.index((self.imputer.apply(scores) - self.mean) @ self.loadings.T)

    def predict(self, index: Array) -> Array:
        """Return the score on the task for values of `index`."""
        one = Weights(0.0, np.ones(1), self.weights.shift, 0.0)
        return self.settings.restore(one.normalised(index[:, None]))


def enough(table: Table, rows: NDArray[np.intp], n_components: int) -> bool:
    """Tell whether rows can teach a pipeline: every benchmark is seen, and the task scores fix a link and vary."""
    known = table.task[rows][np.isfinite(table.task[rows])]
    seen = not np.isnan(table.scores[rows]).all(axis=0).any()
    return bool(seen and len(known) >= n_components + 3 and np.ptp(known) > 0)


def learn(
    table: Table,
    rows: NDArray[np.intp],
    counts: Sequence[int],
    rank: int,
    settings: LinkSettings,
    begin: Array | None = None,
) -> list[Pipeline]:
    """Learn a pipeline for each number of components.

    Parameters
    ----------
    table : Table
    rows : ndarray of int (m,)
        Training models, some maybe more than once. Components are learned from all of them, links from those with a
        score on the task.
    counts : sequence of int
        Numbers of components.
    rank : int
        Of the imputation.
    settings : LinkSettings
    begin : ndarray (d,), optional
        Weights of the benchmarks at which to start; see `Pipeline.benchmark_weights`.

    Returns
    -------
    list of Pipeline
        One a number in `counts`.
    """
    imputer = impute(table.scores[rows], rank)
    mean, directions, _ = decompose(imputer.filled)
    known = np.isfinite(table.task[rows])
    values = (imputer.filled[known] - mean) @ directions.T
    score = table.task[rows][known]
    out = []
    for k in counts:
        starts = [] if begin is None else [np.r_[0.0, directions[:k] @ begin]]
        out.append(Pipeline(imputer, mean, directions[:k], quick_fit(values[:, :k], score, settings, starts), settings))
    return out


def forecasts(table: Table, train: Mask, counts: Sequence[int], rank: int, settings: LinkSettings) -> dict[str, Array]:
    """Forecast every model from the training ones, by the mean score, by compute alone, and by components.

    Parameters
    ----------
    table, rank, settings
        As of `learn`.
    train : ndarray of bool (n,)
    counts : sequence of int
        Numbers of components.

    Returns
    -------
    dict of str to ndarray (n,)
        ``constant``, ``compute alone`` (NaN where compute is not known), ``1 component`` and so on.
    """
    known = train & np.isfinite(table.task)
    out = {CONSTANT: np.full(table.n_models, float(np.mean(table.task[known])))}
    paid = known & np.isfinite(table.log10_compute)
    if paid.sum() >= 4 and np.ptp(table.log10_compute[paid]) > 0 and np.ptp(table.task[paid]) > 0:
        z = (table.log10_compute - np.mean(table.log10_compute[paid]))[:, None]
        found = quick_fit(z[paid], table.task[paid], settings)
        out[COMPUTE] = settings.restore(found.normalised(z))
    else:
        out[COMPUTE] = np.full(table.n_models, np.nan)
    for k, pipeline in zip(counts, learn(table, np.flatnonzero(train), counts, rank, settings), strict=True):
        out[label(k)] = pipeline.predict(pipeline.index(table.scores))
    return out


@dataclass(frozen=True)
class Refits:
    """The pipeline, learned again from families drawn anew.

    Parameters
    ----------
    index, predicted : ndarray (B, n)
        Of all models; NaN in replicates that could not be learned.
    benchmark_weights : ndarray (B, d)
    """

    index: Array
    predicted: Array
    benchmark_weights: Array

    @property
    def lost_share(self) -> float:
        """Share of the replicates that could not be learned; 0 without any."""
        return float(np.isnan(self.index[:, 0]).mean()) if len(self.index) else 0.0


def refit(
    table: Table, train: Mask, first: Pipeline, rank: int, settings: LinkSettings, count: int, seed: int
) -> Refits:
    """Draw families of the training models again, and learn components and link from each draw.

    Parameters
    ----------
    table, train, rank, settings
        As of `forecasts`.
    first : Pipeline
        That of all training models; refits start at its weights.
    count : int
        Replicates.
    seed : int

    Returns
    -------
    Refits
    """
    rows = np.flatnonzero(train)
    codes = np.unique(table.family_codes[rows], return_inverse=True)[1]
    k = len(first.loadings)
    index = np.full((count, table.n_models), np.nan)
    predicted, weights = index.copy(), np.full((count, table.scores.shape[1]), np.nan)
    for b, child in enumerate(np.random.SeedSequence(seed).spawn(count)):
        drawn = rows[draw_families(codes, np.random.default_rng(child))]
        if not enough(table, drawn, k):
            continue
        again = learn(table, drawn, [k], rank, settings, first.benchmark_weights)[0]
        index[b] = again.index(table.scores)
        predicted[b], weights[b] = again.predict(index[b]), again.benchmark_weights
    return Refits(index, predicted, weights)
