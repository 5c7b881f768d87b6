"""The mean loss of all examples from a few losses: sensitivity sampling (arXiv:2402.17327).

Losses are measured at k examples only, the centres of clusters. An example that is far from its centre, or whose centre
has a high loss, may have a high loss itself, so it is drawn more often, and counts less when it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_estimate, format_number, format_plural
from scaling.serial import plain
from scaling.valuation.embeddings import as_embeddings
from scaling.valuation.points.kmeans import find_clusters, nearest_centre
from scaling.valuation.points.targets import as_targets

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class CentreExamples:
    """The examples whose losses have to be measured.

    Parameters
    ----------
    indices : ndarray (k,)
        The example nearest to each centre of k-means: measure its loss.
    cluster : ndarray (n,)
        Cluster of each example.
    distance : ndarray (n,)
        From each example to that of its cluster in `indices`.
    seed : int
        Of k-means.
    """

    indices: Indices
    cluster: Indices
    distance: Array
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table


@dataclass(frozen=True)
class WeightedSample:
    """Examples drawn with known chances, and what each stands for.

    Parameters
    ----------
    indices : ndarray (s,)
        Draws with replacement: an example may come twice, and then counts twice.
    weights : ndarray (s,)
        Examples that each draw stands for: 1/(s p).
    chances : ndarray (n,)
        Chance p of each example at each draw.
    lam : float
        Loss that one unit of distance**z is taken to be worth.
    z : float
        Power of the distance.
    seed : int
        Of the draws.
    """

    indices: Indices
    weights: Array
    chances: Array
    lam: float
    z: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without the chances of those that were not drawn."""
        table: dict[str, Any] = plain(vars(self) | {"chances": self.chances[self.indices]})
        return table

    def __repr__(self) -> str:
        """Say how many draws stand for how many examples."""
        least, most = float(self.weights.min()), float(self.weights.max())
        return (
            f"WeightedSample: {format_plural(len(self.indices), 'draw')} of "
            f"{format_plural(len(self.chances), 'example')}, each standing for {format_number(least)} to "
            f"{format_number(most)}"
        )


@dataclass(frozen=True)
class MeanLoss:
    """The mean loss of all examples, estimated from a weighted sample.

    Parameters
    ----------
    estimate, standard_error : float
        In the unit of the losses.
    n : int
        Examples it stands for.
    n_drawn : int
        Draws it is made of.
    """

    estimate: float
    standard_error: float
    n: int
    n_drawn: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table

    def __repr__(self) -> str:
        """Write the estimate with its error."""
        return (
            f"MeanLoss: {format_estimate(self.estimate, self.standard_error)} over {format_plural(self.n, 'example')}, "
            f"from {format_plural(self.n_drawn, 'draw')}"
        )


def centre_examples(
    X: ArrayLike, k: int, *, seed: int = 0, sample: int = 50_000, iterations: int = 50, normalise: bool = False
) -> CentreExamples:
    """Find the k examples whose losses stand for the others.

    Parameters
    ----------
    X : array_like (n, m)
        Embeddings.
    k : int
        Losses that can be afforded.
    seed, sample, iterations
        As for `prototype_difficulty`.
    normalise : bool, default False
        Whether rows are brought to length one first.

    Returns
    -------
    CentreExamples
        Fewer than k where a centre of the sample is nobody's among all examples.

    Raises
    ------
    InputDataError
        For NaN, or fewer different rows than k.
    UsageError
        For settings below 1.
    """
    rows = as_embeddings(X, normalise=normalise)
    found = find_clusters(rows, k, seed=seed, sample=sample, iterations=iterations, spherical=normalise)
    cluster, squared = nearest_centre(rows, found.centres)
    order = np.lexsort((squared, cluster))  # by cluster, nearest first, ties to the lower index
    _, first, code = np.unique(cluster[order], return_index=True, return_inverse=True)
    indices = order[first]
    cluster[order] = code
    distance = np.empty(len(rows))
    step = max(1, (1 << 22) // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        apart = rows[part].astype(np.float64) - rows[indices[cluster[part]]]
        distance[part] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    return CentreExamples(indices, cluster, distance, seed)


def sensitivity_sample(
    centres: CentreExamples,
    centre_losses: ArrayLike,
    size: int,
    *,
    lam: float | None = None,
    z: float = 2.0,
    seed: int = 0,
) -> WeightedSample:
    """Draw examples with chances proportional to what their loss may be (arXiv:2402.17327).

    Parameters
    ----------
    centres : CentreExamples
        Of all examples.
    centre_losses : array_like (k,)
        Measured losses of `centres.indices`, none negative.
    size : int
        Draws. The error of the estimated mean falls as one over its square root.
    lam : float, optional
        Loss that one unit of distance**z is taken to be worth. By default as much as makes losses and distances weigh
        the same over all examples; the estimate is unbiased whatever it is.
    z : float, default 2
        Power of the distance.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    WeightedSample
        With chances ``p(e)`` proportional to ``loss(c_e) + lam * |e - c_e|**z``.

    Raises
    ------
    InputDataError
        For losses that are negative, missing, or not one a centre, or nothing that sets examples apart from 0.
    UsageError
        For fewer than one draw, a negative lam, or a z that is not above 0.
    """
    losses = as_targets(centre_losses, "centre_losses")
    if len(losses) != len(centres.indices):
        raise InputDataError(f"There are {len(losses)} losses for {format_plural(len(centres.indices), 'centre')}.")
    if np.any(losses < 0):
        raise InputDataError(
            f"centre_losses is {losses.min()} in row {int(losses.argmin())}; chances cannot be negative.",
            "Subtract the lowest loss there can be.",
        )
    if size < 1 or not (math.isfinite(z) and z > 0) or (lam is not None and not (math.isfinite(lam) and lam >= 0)):
        raise UsageError(f"size {size}, z {z} and lam {lam}: draws and z have to be above 0, lam 0 or more.")
    expected = losses[centres.cluster]
    far = centres.distance**z
    if lam is None:
        lam = float(expected.sum() / far.sum()) if far.sum() > 0 else 0.0
    scale = expected + lam * far
    if not scale.sum() > 0:
        raise InputDataError("All losses are 0 and lam is too: no example would be drawn.", "Give a lam above 0.")
    chances = scale / scale.sum()
    drawn = np.random.default_rng(seed).choice(len(chances), size, p=chances)
    return WeightedSample(drawn.astype(np.intp), 1 / (size * chances[drawn]), chances, lam, z, seed)


def weighted_mean_loss(sample: WeightedSample, losses: ArrayLike) -> MeanLoss:
    """Estimate the mean loss of all examples from those that were drawn.

    Parameters
    ----------
    sample : WeightedSample
        The draws.
    losses : array_like (s,)
        Measured loss of each of `sample.indices`.

    Returns
    -------
    MeanLoss
        Without bias, as long as examples whose chance is 0 (those at a centre whose loss is 0) have a loss of 0. The
        standard error is that of s independent draws; NaN for one draw.

    Raises
    ------
    InputDataError
        For losses that are missing, or not one a draw.
    """
    measured = as_targets(losses, "losses")
    if len(measured) != len(sample.indices):
        raise InputDataError(f"There are {len(measured)} losses for {format_plural(len(sample.indices), 'draw')}.")
    each = measured * sample.weights * (len(measured) / len(sample.chances))
    error = float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else math.nan
    return MeanLoss(float(each.mean()), error, len(sample.chances), len(each))
