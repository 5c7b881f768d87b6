"""Schedules of learning rate and batch size, as stretches in which both stay the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling.sgd import require


@dataclass(frozen=True)
class Segment:
    """A stretch of a run with one learning rate and one batch size.

    Parameters
    ----------
    n_steps : int
        Its length, 1 or more.
    learning_rate : float
        Positive.
    batch_size : int
        Samples a step.
    """

    n_steps: int
    learning_rate: float
    batch_size: int


def decaying_schedule(
    n_steps: int,
    learning_rate: float,
    batch_size: int,
    *,
    shape: str = "cosine",
    final_share: float = 0.0,
    warmup_steps: int = 0,
    pieces: int = 200,
) -> tuple[Segment, ...]:
    """Cut a learning-rate schedule into pieces that each keep its mean over their steps.

    Parameters
    ----------
    n_steps : int
        Length of the run.
    learning_rate : float
        Its peak.
    batch_size : int
        Samples a step.
    shape : {'cosine', 'linear', 'constant'}
        How it falls after the warm-up.
    final_share : float, default 0
        Learning rate at the end, as a share of the peak.
    warmup_steps : int, default 0
        Steps of a linear rise from zero.
    pieces : int, default 200
        How many; as many as steps give the schedule itself.

    Returns
    -------
    tuple of Segment

    Raises
    ------
    UsageError
        For an unknown shape or settings out of their range.
    """
    shapes = ("cosine", "linear", "constant")
    require(shape in shapes, f"There is no schedule '{shape}'.", f"There are: {', '.join(shapes)}.")
    require(0 <= final_share <= 1, f"final_share is {final_share}; it is a share of the peak.", "Take 0 to 1.")
    require(
        0 <= warmup_steps < n_steps,
        f"warmup_steps is {warmup_steps} of {n_steps} steps.",
        "Leave steps for the schedule after it.",
    )
    require(pieces >= 1, f"pieces is {pieces}.", "Take 1 or more.")
    # The middle of a step stands for it, so that the last one still moves.
    middle = np.arange(n_steps) + 0.5
    fallen = np.clip((middle - warmup_steps) / (n_steps - warmup_steps), 0, 1)
    falls = {"cosine": (1 + np.cos(np.pi * fallen)) / 2, "linear": 1 - fallen, "constant": np.ones(n_steps)}
    share = final_share + (1 - final_share) * falls[shape]
    share = np.where(middle < warmup_steps, middle / max(warmup_steps, 1), share)
    edges = np.unique(np.round(np.linspace(0, n_steps, min(pieces, n_steps) + 1)).astype(int))
    lengths = np.diff(edges)
    means = np.add.reduceat(share, edges[:-1]) / lengths
    return tuple(
        Segment(int(n), float(learning_rate * mean), batch_size) for n, mean in zip(lengths, means, strict=True)
    )


def segments_of(learning_rate: ArrayLike, batch_size: ArrayLike, n_steps: int) -> tuple[Segment, ...]:
    """Gather steps with the same settings.

    Parameters
    ----------
    learning_rate, batch_size : float, or array_like (n_steps,)
        One for the run, or one a step.
    n_steps : int
        Length of the run.

    Returns
    -------
    tuple of Segment

    Raises
    ------
    UsageError
        If a schedule is not as long as the run.
    """
    require(n_steps >= 1, f"n_steps is {n_steps}; a run takes at least one step.", "Take 1 or more.")
    rates, batches = np.asarray(learning_rate, float), np.asarray(batch_size, float)
    for name, values in (("learning_rate", rates), ("batch_size", batches)):
        require(
            values.shape in {(), (n_steps,)},
            f"{name} has the shape {values.shape}, but the run has {n_steps} steps.",
            "Give one number for the run, or one a step.",
        )
    if rates.ndim == batches.ndim == 0:
        return (Segment(n_steps, float(rates), int(batches)),)
    rates, batches = np.broadcast_to(rates, n_steps), np.broadcast_to(batches, n_steps)
    starts = np.concatenate([[0], np.flatnonzero((np.diff(rates) != 0) | (np.diff(batches) != 0)) + 1])
    lengths = np.diff(np.append(starts, n_steps))
    return tuple(Segment(int(n), float(rates[k]), int(batches[k])) for n, k in zip(lengths, starts, strict=True))
