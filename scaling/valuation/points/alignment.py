"""Whose loss falls when the validation loss falls: alignment of logged losses across checkpoints.

This is no influence: it does not ask what would happen without an example. Examples that are merely learnt at the same
time as what matters are aligned too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_plural
from scaling.serial import plain
from scaling.valuation.points.targets import as_targets

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """Alignment of the loss drops of examples with those of a validation loss.

    Parameters
    ----------
    score : ndarray (n,)
        Sum over intervals of the drop of the example's loss times that of the validation loss, in squared nats. Where
        intervals are missing, the sum of those present is divided by the share that these have of the sum of squared
        validation drops, so that an example which falls as the validation loss does scores the same with gaps.
    cosine : ndarray (n,)
        The same without the size of the drops, between -1 and 1, over the intervals present.
    used : ndarray (n,) of int
        Intervals present. Where there are none, or the validation loss did not move in them, both scores are NaN.
    n_intervals : int
        Intervals between checkpoints.
    """

    score: Array
    cosine: Array
    used: NDArray[np.intp]
    n_intervals: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table

    def __repr__(self) -> str:
        """Say how many examples fall with the validation loss, and how many lack checkpoints."""
        known = np.isfinite(self.score)
        short = int(np.sum(self.used < self.n_intervals))
        missing = f"; {format_plural(short, 'example')} with missing checkpoints" if short else ""
        return (
            f"Alignment: over {format_plural(self.n_intervals, 'interval')}, {int(np.sum(self.score[known] > 0))} of "
            f"{format_plural(int(known.sum()), 'example')} fall with the validation loss{missing}"
        )


def loss_drop_alignment(losses: ArrayLike, validation_losses: ArrayLike, weights: ArrayLike | None = None) -> Alignment:
    """Score examples by how their loss falls where a validation loss falls.

    Parameters
    ----------
    losses : array_like (n, c)
        Loss of each example at each checkpoint, in order of training, in nats. NaN where it was not logged; the
        intervals on both sides are then missing, none is bridged.
    validation_losses : array_like (c,)
        Validation loss at the same checkpoints.
    weights : array_like (c - 1,), optional
        Weight of each interval, such as its learning rate. One each by default.

    Returns
    -------
    Alignment

    Raises
    ------
    InputDataError
        For checkpoints that differ in number, fewer than two, validation losses that are missing, or negative weights.
    """
    own = np.asarray(losses, np.float64)
    if own.ndim != 2 or not own.size:
        raise InputDataError(
            f"losses has shape {own.shape}; one row an example and one column a checkpoint is expected."
        )
    target = as_targets(validation_losses, "validation_losses")
    if own.shape[1] != len(target) or len(target) < 2:
        raise InputDataError(
            f"losses has {format_plural(own.shape[1], 'checkpoint')} and validation_losses has {len(target)}; the same "
            "ones are needed, two at least."
        )
    each = np.ones(len(target) - 1) if weights is None else as_targets(weights, "weights")
    if len(each) != len(target) - 1 or np.any(each < 0):
        raise InputDataError(f"weights are {len(target) - 1} numbers, one an interval and none negative.")
    own = np.where(np.isfinite(own), own, np.nan)
    drops, fall = own[:, :-1] - own[:, 1:], target[:-1] - target[1:]
    present = np.isfinite(drops)
    drops = np.where(present, drops, 0.0)
    product = drops @ (each * fall)
    moved = present @ (each * fall**2)  # of the validation loss, in the intervals that the example has
    size = np.sqrt(drops**2 @ each)
    known = moved > 0
    score, cosine = np.full(len(own), np.nan), np.full(len(own), np.nan)
    score[known] = product[known] * (float(each @ fall**2) / moved[known])
    still = known & (size == 0)
    cosine[still] = 0.0
    moving = known & (size > 0)
    cosine[moving] = np.clip(product[moving] / (size[moving] * np.sqrt(moved[moving])), -1, 1)
    return Alignment(score, cosine, present.sum(axis=1), len(target) - 1)
