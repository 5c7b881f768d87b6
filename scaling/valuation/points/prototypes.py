"""How far examples are from the prototypes of their data, and which to keep (arXiv:2206.14486)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_percent, format_plural
from scaling.serial import plain
from scaling.valuation.embeddings import as_embeddings
from scaling.valuation.points.kmeans import Clusters, find_clusters, nearest_centre
from scaling.valuation.points.targets import as_label_codes

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class PrototypeScores:
    """How far each example is from its prototype.

    Parameters
    ----------
    difficulty : ndarray (n,)
        One less the cosine to the nearest prototype, between 0 and 2: low for typical examples.
    cluster : ndarray (n,)
        Number of that prototype.
    clusters : Clusters
        The prototypes, and how they were found.
    """

    difficulty: Array
    cluster: Indices
    clusters: Clusters

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return self.clusters.to_dict() | {"difficulty": plain(self.difficulty), "cluster": plain(self.cluster)}

    def __repr__(self) -> str:
        """Say how far examples are in the middle and at the end."""
        middle, most = float(np.median(self.difficulty)), float(self.difficulty.max())
        return (
            f"PrototypeScores: {format_plural(len(self.difficulty), 'example')} around "
            f"{format_plural(len(self.clusters.centres), 'prototype')}, difficulty {format_number(middle)} in the "
            f"middle and {format_number(most)} at most"
        )


@dataclass(frozen=True)
class Pruned:
    """The examples that pruning keeps.

    Parameters
    ----------
    indices : ndarray (k,)
        Examples kept, in their order of before.
    n : int
        Examples there were.
    which : {"hard", "easy"}
        Which end was kept.
    threshold : float
        Difficulty of the last one that was kept for its difficulty alone: the lowest where hard ones are kept, the
        highest where easy ones are. NaN where the floor took all there was.
    n_by_floor : int
        Examples that are there for the floor of their class alone.
    classes : dict of str to tuple of int
        Examples before and after for each class; empty without labels.
    """

    indices: Indices
    n: int
    which: str
    threshold: float
    n_by_floor: int
    classes: dict[str, tuple[int, int]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table

    def __repr__(self) -> str:
        """Say what share was kept, and how far it went."""
        floor = f"; {self.n_by_floor} for the floor of their class" if self.n_by_floor else ""
        return (
            f"Pruned: the {self.which} {format_percent(len(self.indices) / self.n)} of "
            f"{format_plural(self.n, 'example')} kept{floor}"
        )


def prototype_difficulty(
    X: ArrayLike, k: int, *, seed: int = 0, sample: int = 50_000, iterations: int = 50
) -> PrototypeScores:
    """Score examples by their distance from the nearest of k prototypes (arXiv:2206.14486).

    Parameters
    ----------
    X : array_like (n, m)
        Embeddings.
    k : int
        Prototypes, found by k-means of the embeddings at length one.
    seed : int, default 0
        Of the sample and of the start of k-means.
    sample : int, default 50000
        Examples that prototypes are found from, drawn where there are more; all are scored.
    iterations : int, default 50
        Rounds of k-means at most.

    Returns
    -------
    PrototypeScores

    Raises
    ------
    InputDataError
        For rows with NaN or nothing but zeros, or fewer different rows than prototypes.
    UsageError
        For settings below 1.
    """
    rows = as_embeddings(X)
    clusters = find_clusters(rows, k, seed=seed, sample=sample, iterations=iterations)
    cluster, squared = nearest_centre(rows, clusters.centres)
    return PrototypeScores(squared / 2, cluster, clusters)  # |x - c|**2 = 2 - 2 cos, without what 1 - cos would lose


def prune_by_difficulty(
    difficulty: ArrayLike,
    keep: float,
    which: Literal["hard", "easy"],
    *,
    labels: ArrayLike | None = None,
    floor: float = 0.5,
) -> Pruned:
    """Keep a share of the examples: the hard ones where data are plenty, the easy ones where they are few.

    Parameters
    ----------
    difficulty : array_like (n,)
        Any score of difficulty, such as `prototype_difficulty` or `el2n`. NaN is never kept unless a floor needs it.
    keep : float
        Share to keep, above 0 and up to 1.
    which : {"hard", "easy"}
        Which end to keep. arXiv:2206.14486 finds hard examples better to keep when there are many for the model, easy
        ones when there are few, so there is no default.
    labels : array_like (n,), optional
        Classes that the floor protects.
    floor : float, default 0.5
        Share of an equal part of the kept examples that each class has at least, or all it has where that is fewer. Of
        use with `labels` only; 0 is no floor, 1 makes classes as equal as they can be.

    Returns
    -------
    Pruned
        Ties go to the lower index.

    Raises
    ------
    InputDataError
        For counts that differ, infinite values, or fewer known difficulties than are to be kept.
    UsageError
        For shares out of range, or another end.
    """
    values = np.asarray(difficulty, np.float64)
    if values.ndim != 1 or not values.size:
        raise InputDataError(f"difficulty has shape {values.shape}; one value an example is expected.")
    if np.any(np.isinf(values)):
        raise InputDataError(f"difficulty is infinite in row {np.flatnonzero(np.isinf(values))[0]}")
    if which not in ("hard", "easy"):
        raise UsageError(f"which is '{which}'; what is kept is 'hard' or 'easy'.")
    if not 0 < keep <= 1 or not 0 <= floor <= 1:
        raise UsageError(f"keep is {keep} and floor is {floor}; both are shares, and something has to be kept.")
    n = len(values)
    size = max(1, math.floor(keep * n + 1e-9))
    order = np.argsort(-values if which == "hard" else values, kind="stable")  # NaN last in both
    taken = np.zeros(n, dtype=bool)
    codes: Indices | None = None
    names: NDArray[Any] = np.empty(0)
    if labels is not None:
        codes = as_label_codes(labels, labels)[0]
        if len(codes) != n:
            raise InputDataError(f"difficulty has {n} values and labels has {len(codes)}.")
        names = np.unique(np.asarray(labels))
        quota = math.floor(floor * size / len(names))
        for code in range(len(names)):
            taken[order[codes[order] == code][:quota]] = True
    by_floor = np.flatnonzero(taken)
    rest = order[~taken[order]][: size - len(by_floor)]
    if np.any(np.isnan(values[rest])):
        raise InputDataError(
            f"{format_plural(size, 'example')} are to be kept, and {int(np.isfinite(values).sum())} have a difficulty.",
            "Keep fewer, or leave out the examples without.",
        )
    taken[rest] = True
    cut = float(values[rest[-1]]) if len(rest) else math.nan
    plainly = np.zeros(n, dtype=bool)
    plainly[order[:size]] = True
    classes = {}
    if codes is not None:
        before, after = np.bincount(codes), np.bincount(codes[taken], minlength=len(names))
        classes = {str(c): (int(b), int(a)) for c, b, a in zip(names.tolist(), before, after, strict=True)}
    return Pruned(np.flatnonzero(taken), n, which, cut, int(np.sum(taken & ~plainly)), classes)
