"""Batches chosen as a whole by their learnability, where examples of one batch act on each other.

The published idea is to choose the examples of a batch jointly (JEST, arXiv:2406.17711). What is computed here is
defined as follows, and is our own reading of it. The score of a batch B is

    J(B) = sum over i in B of s_i  +  sum over pairs i < j in B of P_ij,

s the learnability of each example and P, symmetric, what two examples add to each other's: for a contrastive loss the
difference between learner and reference of the term that the pair contributes. Without P the best batch is the b best.

A batch is filled in chunks of nearly equal size. Each chunk is drawn without replacement from the examples that are
left, with chances proportional to ``exp(marginal / temperature)``, where the marginal of i is ``J(B + i) - J(B)`` given
the chunks before. A sweep of blocked Gibbs then takes each chunk out in turn and draws it again given all the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class JointBatch:
    """A batch chosen as a whole.

    Parameters
    ----------
    indices : ndarray (b,)
        Its examples, chunk after chunk.
    score : float
        J of the batch, in the units of the losses.
    random_score : float
        Mean of J over all batches of this size.
    chunks, sweeps : int
        Parts in which it was filled, and how often each was drawn again.
    temperature : float
        Of the draws, in the units of the losses.
    seed : int
        Of the draws.
    """

    indices: Indices
    score: float
    random_score: float
    chunks: int
    sweeps: int
    temperature: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table

    def __repr__(self) -> str:
        """Write the score beside that of a random batch."""
        return (
            f"JointBatch: {format_plural(len(self.indices), 'example')}, learnability {format_number(self.score)} "
            f"(a random batch has {format_number(self.random_score)} on average)"
        )


def sample_joint_batch(
    scores: ArrayLike,
    size: int,
    pairs: ArrayLike | None = None,
    *,
    chunks: int = 16,
    sweeps: int = 0,
    temperature: float = 1.0,
    seed: int = 0,
) -> JointBatch:
    """Draw a batch by the learnability of the whole.

    Parameters
    ----------
    scores : array_like (n,)
        Learnability of each example alone, as `learnability` gives it. Examples with NaN are never drawn.
    size : int
        Examples in the batch.
    pairs : array_like (n, n), optional
        What two examples add to each other's, symmetric; the diagonal is not looked at.
    chunks : int, default 16
        Parts in which the batch is filled; as many as examples where those are fewer.
    sweeps : int, default 0
        How often each chunk is drawn again given all the others.
    temperature : float, default 1
        Towards 0 the best examples are taken for certain, towards infinity all are equally likely.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    JointBatch

    Raises
    ------
    InputDataError
        For pairs of another shape, not symmetric or not finite, or fewer usable examples than the batch takes.
    UsageError
        For a size, a number of chunks or a temperature that is not above 0, or negative sweeps.
    """
    s, P = _checked(scores, pairs)
    usable = np.flatnonzero(np.isfinite(s))
    if size < 1 or chunks < 1 or sweeps < 0 or not (temperature > 0 and math.isfinite(temperature)):
        raise UsageError(
            f"size {size}, chunks {chunks}, sweeps {sweeps} and temperature {temperature}: all but the sweeps have to "
            "be above 0, and sweeps 0 or more."
        )
    if len(usable) < size:
        raise InputDataError(f"The batch takes {format_plural(size, 'example')}, and {len(usable)} have a score.")
    rng = np.random.default_rng(seed)
    parts: list[Indices] = [np.empty(0, np.intp)] * min(chunks, size)
    sizes = [len(p) for p in np.array_split(np.arange(size), len(parts))]
    for _ in range(1 + sweeps):
        for place, count in enumerate(sizes):
            others = np.concatenate([p for i, p in enumerate(parts) if i != place] or [usable[:0]])
            marginal = s if P is None else s + P[:, others].sum(axis=1)
            free = np.setdiff1d(usable, others, assume_unique=True)
            # The largest of values with Gumbel noise are a draw without replacement with chances in proportion to exp.
            noisy = marginal[free] / temperature + rng.gumbel(size=len(free))
            parts[place] = free[np.argsort(-noisy, kind="stable")[:count]]
    chosen = np.concatenate(parts)
    score, random_score = float(s[chosen].sum()), size * float(s[usable].mean())
    if P is not None and len(usable) > 1:
        score += float(P[np.ix_(chosen, chosen)].sum()) / 2
        mean_pair = float(P[np.ix_(usable, usable)].sum()) / (len(usable) * (len(usable) - 1))
        random_score += size * (size - 1) / 2 * mean_pair
    return JointBatch(chosen, score, random_score, len(parts), sweeps, temperature, seed)


def _checked(scores: ArrayLike, pairs: ArrayLike | None) -> tuple[Array, Array | None]:
    s = np.array(scores, np.float64)
    if s.ndim != 1 or not s.size:
        raise InputDataError(f"scores has shape {s.shape}; one score an example is expected.")
    if pairs is None:
        return s, None
    P = np.array(pairs, np.float64)
    if P.shape != (len(s), len(s)):
        raise InputDataError(
            f"pairs has shape {P.shape}; {len(s)} by {len(s)} is expected, as there are {len(s)} scores."
        )
    np.fill_diagonal(P, 0.0)
    bad = np.isnan(s)
    P[bad] = P[:, bad] = 0.0
    if not np.all(np.isfinite(P)):
        row, column = np.argwhere(~np.isfinite(P))[0]
        raise InputDataError(f"pairs is {P[row, column]} at ({row}, {column}).", "Give 0 where two do not interact.")
    if not np.allclose(P, P.T, rtol=1e-9, atol=0):
        raise InputDataError("pairs is not symmetric.", "Give the sum of both directions, or its half, in both places.")
    return s, P
