"""K-means on a seeded sample, for any number of examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural
from scaling.serial import plain
from scaling.valuation.embeddings import Rows

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

_VALUES = 1 << 22  # values of a block of distances or embeddings
_SETTLED = 1e-4  # relative fall of the sum of squared distances at which it counts as settled


@dataclass(frozen=True)
class Clusters:
    """Centres of clusters.

    Parameters
    ----------
    centres : ndarray (k, m)
        Of length one where `spherical`.
    spherical : bool
        Whether examples belong to the centre of the largest cosine rather than of the smallest distance.
    inertia : float
        Mean squared distance of the examples that were used to their centre.
    iterations : int
        Rounds of reassignment.
    settled : bool
        Whether the last round changed next to nothing.
    n_used : int
        Examples that the centres were found from.
    seed : int
        Of the sample and of the start.
    """

    centres: Array
    spherical: bool
    inertia: float
    iterations: int
    settled: bool
    n_used: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without the centres."""
        table: dict[str, Any] = plain({k: v for k, v in vars(self).items() if k != "centres"})
        return table | {"k": len(self.centres)}


def find_clusters(
    X: Rows, k: int, *, seed: int = 0, sample: int = 50_000, iterations: int = 50, spherical: bool = True
) -> Clusters:
    """Find k centres by k-means from a k-means++ start.

    Parameters
    ----------
    X : ndarray (n, m)
        Embeddings, checked; of length one where `spherical`.
    k : int
        Centres.
    seed : int, default 0
        Of the sample and of the start.
    sample : int, default 50000
        Examples that the centres are found from, drawn where there are more.
    iterations : int, default 50
        Rounds at most.
    spherical : bool, default True
        By cosine rather than by distance.

    Returns
    -------
    Clusters

    Raises
    ------
    InputDataError
        For fewer different rows than centres.
    UsageError
        For a k, sample or number of iterations below 1.
    """
    if min(k, sample, iterations) < 1:
        raise UsageError(f"k {k}, sample {sample} and iterations {iterations} all have to be 1 or more.")
    drawing, starting = np.random.SeedSequence(seed).spawn(2)
    drawn: Indices | slice = slice(None)
    if len(X) > sample:
        drawn = np.sort(np.random.default_rng(drawing).choice(len(X), sample, replace=False))
    rows: Array = X[drawn].astype(np.float64)
    centres = _start(rows, k, np.random.default_rng(starting))
    before, settled, rounds = np.inf, False, 0
    while True:
        cluster, squared = nearest_centre(rows, centres)
        now = float(squared.sum())
        settled = before - now <= _SETTLED * now
        if settled or rounds == iterations:
            break
        centres = _means(rows, cluster, squared, centres, spherical)
        before, rounds = now, rounds + 1
    return Clusters(centres, spherical, now / len(rows), rounds, bool(settled), len(rows), seed)


def nearest_centre(X: Rows, centres: Array) -> tuple[Indices, Array]:
    """Find the nearest centre of each example.

    Parameters
    ----------
    X : ndarray (n, m)
        Embeddings.
    centres : ndarray (k, m)
        Of any length; the nearest by distance is the nearest by cosine where rows and centres have length one.

    Returns
    -------
    tuple of ndarray
        Its number, ties to the lowest, and the squared distance to it.
    """
    which = np.empty(len(X), np.intp)
    squared = np.empty(len(X))
    lengths = np.einsum("ij,ij->i", centres, centres)
    for part, rows in _parts(X, max(len(centres), X.shape[1])):
        product = rows @ centres.T
        product *= -2
        product += lengths
        which[part] = np.argmin(product, axis=1)
        apart = rows - centres[which[part]]  # not from the product, which loses small distances to cancellation
        squared[part] = np.einsum("ij,ij->i", apart, apart)
    return which, squared


def _start(rows: Array, k: int, rng: np.random.Generator) -> Array:
    """Draw each centre with chances proportional to the squared distance from those before, the best of a few draws."""
    centres = np.empty((k, rows.shape[1]))
    centres[0] = rows[rng.integers(len(rows))]
    nearest = nearest_centre(rows, centres[:1])[1]
    lengths = np.einsum("ij,ij->i", rows, rows)
    noise = 1e-13 * float(lengths.max())  # what the product below leaves of a distance of zero
    for j in range(1, k):
        upto = np.cumsum(nearest)
        if upto[-1] <= 0:
            raise InputDataError(
                f"{format_plural(k, 'cluster')} are to be found, and there are {format_plural(j, 'different row')}.",
                "Ask for fewer clusters.",
            )
        drawn = np.searchsorted(upto, rng.random(2 + int(np.log(k))) * upto[-1], side="right")
        drawn = np.minimum(drawn, len(rows) - 1)
        left = np.empty((len(drawn), len(rows)))
        for part, some in _parts(rows, max(len(drawn), rows.shape[1])):
            squared = lengths[part] + lengths[drawn, None] - 2 * (rows[drawn] @ some.T)
            np.minimum(nearest[part], np.where(squared > noise, squared, 0.0), out=left[:, part])
        best = int(np.argmin(left.sum(axis=1)))
        centres[j], nearest = rows[drawn[best]], left[best]
    return centres


def _means(rows: Array, cluster: Indices, squared: Array, centres: Array, spherical: bool) -> Array:
    from scipy.sparse import csr_array

    counts = np.bincount(cluster, minlength=len(centres))
    belongs = csr_array((np.ones(len(rows)), cluster, np.arange(len(rows) + 1)), shape=(len(rows), len(centres)))
    sums: Array = np.asarray(belongs.T @ rows)
    made = sums / np.maximum(counts, 1)[:, None]
    if (empty := np.flatnonzero(counts == 0)).size:  # a centre that nobody is near moves to who is farthest from theirs
        made[empty] = rows[np.argsort(-squared, kind="stable")[: len(empty)]]
    if spherical:
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        made = np.where(lengths > 1e-12, made / np.maximum(lengths, 1e-12), centres)  # opposites have no mean direction
    return made


def _parts(X: Rows, width: int) -> Iterator[tuple[slice, Array]]:
    step = max(1, _VALUES // width)
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        yield part, X[part].astype(np.float64)
