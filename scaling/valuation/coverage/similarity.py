"""Kernels of similarity, computed a tile at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.valuation.embeddings import Rows, as_embeddings

#: Kernels by name; a cosine itself may be negative, which objectives of coverage refuse.
KERNELS = ("shifted_cosine", "relu_cosine", "cosine", "rbf")
_LOG_DISTANCE = "log_distance"  # -log of the distance: that of gradient information, which is no similarity to users
_SAMPLE = 1000  # rows whose distances give the bandwidth
_BLOCK = 1 << 22  # values looked at at a time


@dataclass(frozen=True)
class Kernel:
    """A similarity of rows that is a matrix product and then a function of each entry.

    Parameters
    ----------
    name : str
        One of `KERNELS`.
    bandwidth : float, optional
        Of ``rbf``: exp(-d^2 / (2 bandwidth^2)).
    center : ndarray (m,), optional
        Taken from every row before distances, which does not change them but keeps small ones exact in float32.
    smallest : float, default 0
        Square of the smallest distance told apart, where the logarithm of distances is asked for.
    recorded : dict
        Plain data on how a bandwidth was found.
    """

    name: str
    bandwidth: float | None = None
    center: NDArray[np.float64] | None = None
    smallest: float = 0.0
    recorded: dict[str, Any] = field(default_factory=dict)

    @property
    def linear(self) -> bool:
        """Whether a similarity is affine in the cosine; ``relu_cosine`` is, but for the cut at zero."""
        return self.center is None

    @property
    def signed(self) -> bool:
        """Whether a similarity may be negative."""
        return self.name in {"cosine", _LOG_DISTANCE}

    def prepare(self, X: ArrayLike, name: str = "X") -> Rows:
        """Check embeddings and bring them to the form in which the kernel computes, shape (n, m)."""
        rows = as_embeddings(X, normalise=self.linear, name=name)
        return rows if self.center is None else (rows - self.center.astype(rows.dtype))

    def left(self, rows: Rows) -> Rows:
        """Return the left factor of a product that `finish` turns into similarities, shape (r, m + 1 or 2)."""
        m = rows.shape[1]
        made = np.empty((len(rows), m + (1 if self.linear else 2)), rows.dtype)
        made[:, :m] = rows
        made[:, m] = 1
        if self.linear:
            if self.name == "shifted_cosine":
                made[:, :m] *= made.dtype.type(0.5)
        else:
            scale = self._scale
            made[:, :m] *= made.dtype.type(scale)
            made[:, m + 1] = -0.5 * scale * np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        return made

    def right(self, rows: Rows) -> Rows:
        """Return the right factor, one column a row, shape (m + 1 or 2, u)."""
        u, m = rows.shape
        made = np.empty((m + (1 if self.linear else 2), u), rows.dtype)
        made[:m] = rows.T
        if self.linear:
            made[m] = self.shift
        else:
            made[m] = -0.5 * self._scale * np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
            made[m + 1] = 1
        return made

    @property
    def shift(self) -> float:
        """Similarity of rows at a right angle, for kernels that are affine in the cosine."""
        return 0.5 if self.name == "shifted_cosine" else 0.0

    @property
    def _scale(self) -> float:
        return 2.0 if self.bandwidth is None else 1 / self.bandwidth**2

    def finish(self, tile: Rows) -> Rows:
        """Turn a product into similarities, in place."""
        if self.name in {"shifted_cosine", "relu_cosine"}:
            np.maximum(tile, 0, out=tile)
        elif self.name == "rbf":
            np.minimum(tile, 0, out=tile)
            np.exp(tile, out=tile)
        elif self.name == _LOG_DISTANCE:  # the product is minus the squared distance
            np.negative(tile, out=tile)
            np.maximum(tile, self.smallest, out=tile)
            np.log(tile, out=tile)
            tile *= tile.dtype.type(-0.5)
        return tile

    def between(self, A: Rows, B: Rows) -> Rows:
        """Return similarities of prepared rows, shape (len(A), len(B)), whole; in blocks of A."""
        right = self.right(B.astype(A.dtype, copy=False))
        made = np.empty((len(A), len(B)), A.dtype)
        step = max(1, _BLOCK // max(right.shape))
        for start in range(0, len(A), step):
            part = made[start : start + step]
            np.matmul(self.left(A[start : start + step]), right, out=part)
            self.finish(part)
        return made

    def describe(self) -> dict[str, Any]:
        """Return the settings that make this kernel again, as plain data."""
        return {"kernel": self.name, **self.recorded}


def make_kernel(
    X: ArrayLike, kernel: str = "shifted_cosine", bandwidth: float | None = None, seed: int = 0, signed: bool = False
) -> tuple[Kernel, Rows]:
    """Make a kernel for some embeddings, and bring them to its form.

    Parameters
    ----------
    X : array_like (n, m)
        Embeddings.
    kernel : {"shifted_cosine", "relu_cosine", "cosine", "rbf"}
        ``(1 + cos)/2``, ``max(0, cos)``, ``cos``, or ``exp(-d^2 / (2 bandwidth^2))`` of rows that are not normalised.
    bandwidth : float, optional
        Of ``rbf``; the median distance within a sample of 1,000 rows when it is not given.
    seed : int
        Of that sample.
    signed : bool
        Whether negative similarities are allowed.

    Returns
    -------
    kernel : Kernel
    rows : ndarray (n, m) of float32 or float64

    Raises
    ------
    UsageError
        For a kernel that there is not, a bandwidth that is not positive, or one for a kernel that has none.
    InputDataError
        For embeddings that cannot be used, or a sample whose median distance is 0.
    """
    if kernel not in KERNELS:
        raise UsageError(f"There is no kernel '{kernel}'.", did_you_mean(kernel, KERNELS))
    if kernel == "cosine" and not signed:
        raise UsageError(
            "The kernel 'cosine' has negative similarities, and this objective needs them to be 0 or more.",
            "Take 'shifted_cosine', (1 + cos)/2, or 'relu_cosine', max(0, cos).",
        )
    if kernel != "rbf":
        if bandwidth is not None:
            raise UsageError(f"The kernel '{kernel}' has no bandwidth.", "Leave it out, or take kernel 'rbf'.")
        made = Kernel(kernel)
        return made, made.prepare(X)
    rows = as_embeddings(X, normalise=False)
    recorded: dict[str, Any] = {}
    if bandwidth is None:
        bandwidth, size = _median_distance(rows, seed)
        recorded = {"bandwidth_from": f"median distance of {size} rows", "seed": seed}
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise UsageError(f"A bandwidth of {bandwidth} is not a positive number.", "It has the unit of the embeddings.")
    made = Kernel("rbf", float(bandwidth), _mean(rows), recorded={"bandwidth": float(bandwidth), **recorded})
    return made, made.prepare(rows)


def log_distance_kernel(X: ArrayLike) -> tuple[Kernel, Rows]:
    """Return the kernel whose entries are -log of distances, and rows in its form."""
    rows = as_embeddings(X, normalise=False)
    center = _mean(rows)
    spread = max(float(np.max(np.abs(rows - center.astype(rows.dtype)))), float(np.finfo(rows.dtype).tiny))
    tiny = float(np.finfo(rows.dtype).tiny)  # of rows that are all the same, whose spread says nothing
    smallest = max(rows.shape[1] * spread**2 * float(np.finfo(rows.dtype).eps) * 4, tiny)
    made = Kernel(_LOG_DISTANCE, None, center, smallest)
    return made, made.prepare(rows)


def _mean(rows: Rows) -> NDArray[np.float64]:
    return np.asarray(rows.mean(axis=0, dtype=np.float64))


def _median_distance(rows: Rows, seed: int) -> tuple[float, int]:
    """Return the median distance within a sample, and its size."""
    size = min(len(rows), _SAMPLE)
    if size < 2:
        raise InputDataError("One row has no distance to another.", "Give a bandwidth.")
    taken = np.sort(np.random.default_rng(np.random.SeedSequence(seed)).choice(len(rows), size, replace=False))
    part = rows[taken].astype(np.float64)
    part -= part.mean(axis=0)
    squares = np.einsum("ij,ij->i", part, part)
    above = np.triu_indices(size, 1)
    distances = np.sqrt(np.maximum((squares[:, None] + squares - 2 * part @ part.T)[above], 0))
    middle = float(np.median(distances))
    if middle <= 1e-7 * float(np.sqrt(squares.max())):
        raise InputDataError(
            f"The median distance within {size} rows is 0: more than half of the pairs are duplicates.",
            "Give a bandwidth, or leave duplicates out.",
        )
    return middle, size
