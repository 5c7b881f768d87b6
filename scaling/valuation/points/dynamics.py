"""What logged predictions of single examples say of them: error norms, forgetting, and maps of the training set.

Rows are examples and columns are checkpoints in order of training. A missing value is NaN: it is left out, never
guessed, and results say how many there were. An infinite loss is a probability of zero.
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

REGIONS = ("easy", "ambiguous", "hard", "unknown")


@dataclass(frozen=True)
class Forgetting:
    """How often examples were forgotten.

    Parameters
    ----------
    events : ndarray (n,) of int
        Times an example was right at one checkpoint and wrong at the next one it was evaluated at.
    learned_at : ndarray (n,) of int
        First checkpoint at which it was right, from 0; -1 for never.
    n_missing : ndarray (n,) of int
        Checkpoints at which it was not evaluated.
    """

    events: NDArray[np.intp]
    learned_at: NDArray[np.intp]
    n_missing: NDArray[np.intp]

    @property
    def unforgettable(self) -> NDArray[np.bool_]:
        """Which examples were learnt and never forgotten, shape (n,)."""
        unforgettable: NDArray[np.bool_] = (self.events == 0) & (self.learned_at >= 0)
        return unforgettable

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self) | {"unforgettable": self.unforgettable})
        return table

    def __repr__(self) -> str:
        """Count those that were never forgotten and never learnt."""
        return (
            f"Forgetting: of {format_plural(len(self.events), 'example')}, {int(self.unforgettable.sum())} were learnt "
            f"and never forgotten, {int(np.sum(self.learned_at < 0))} were never learnt"
        )


@dataclass(frozen=True)
class TrainingMap:
    """Where examples lie by their confidence and its variability over training.

    Parameters
    ----------
    confidence : ndarray (n,)
        Mean probability of the true label.
    variability : ndarray (n,)
        Its standard deviation over checkpoints (divided by their number).
    region : ndarray (n,) of str
        ``ambiguous`` for a variability above `variability_from`; of the others ``easy`` for a confidence of
        `confidence_from` or more, else ``hard``. ``unknown`` for fewer than two checkpoints.
    variability_from, confidence_from : float
        Where the regions meet.
    n_missing : ndarray (n,) of int
        Checkpoints without a value.
    """

    confidence: Array
    variability: Array
    region: NDArray[np.str_]
    variability_from: float
    confidence_from: float
    n_missing: NDArray[np.intp]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table

    def __repr__(self) -> str:
        """Count the examples of each region."""
        counts = {name: int(np.sum(self.region == name)) for name in REGIONS}
        shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name != "unknown")
        return f"TrainingMap: {shown}; ambiguous above a variability of {format_number(self.variability_from)}"


def true_label_probability(losses: ArrayLike) -> Array:
    """Return the probability of the true label that a loss stands for.

    Parameters
    ----------
    losses : array_like
        Cross-entropies in nats, of any shape. Of a sequence, the mean over its tokens.

    Returns
    -------
    ndarray
        ``exp(-loss)``; of a sequence, the geometric mean over its tokens. NaN stays NaN.

    Raises
    ------
    InputDataError
        For negative losses, which no probability has.
    """
    values = np.asarray(losses, np.float64)
    if np.any(values < 0):
        raise InputDataError(
            f"losses go down to {float(np.nanmin(values))}; the cross-entropy of a label is 0 at least.",
            "Give losses in nats of discrete labels or tokens.",
        )
    return np.exp(-values)


def el2n(probabilities: ArrayLike, labels: ArrayLike) -> Array:
    """Score examples by the length of their error vector (EL2N, arXiv:2107.07075).

    Parameters
    ----------
    probabilities : array_like (n, classes) or (n, c, classes)
        Predicted probability of each class, at one checkpoint or at each of c.
    labels : array_like (n,) of int
        True classes, from 0.

    Returns
    -------
    ndarray (n,)
        ``|p - one_hot(label)|``, between 0 and the square root of 2, averaged over the checkpoints without a missing
        value; NaN where there is none.

    Raises
    ------
    InputDataError
        For counts that differ, labels that are no class, or probabilities outside 0 to 1.
    """
    p = np.array(probabilities, np.float64)
    if p.ndim == 2:
        p = p[:, None, :]
    classes = np.asarray(labels)
    if p.ndim != 3 or not p.size or classes.shape != p.shape[:1]:
        raise InputDataError(
            f"probabilities has shape {np.shape(probabilities)} and labels has {classes.shape}; one row an example is "
            "expected in both."
        )
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= p.shape[2]:
        raise InputDataError(f"labels are whole numbers from 0 to {p.shape[2] - 1}, the classes of probabilities.")
    if np.any((p < 0) | (p > 1 + 1e-6)):
        raise InputDataError("probabilities has values outside 0 to 1.", "Give probabilities, not logits.")
    p[np.arange(len(p)), :, classes] -= 1
    return _mean(np.sqrt(np.sum(p**2, axis=2)))


def el2n_from_losses(losses: ArrayLike) -> Array:
    """Score examples by what a loss says of the length of their error vector.

    Parameters
    ----------
    losses : array_like (n,) or (n, c)
        Cross-entropies in nats, at one checkpoint or at each of c.

    Returns
    -------
    ndarray (n,)
        ``1 - exp(-loss)``, averaged over the checkpoints that have a value; NaN where there is none. A proxy: a loss
        tells the error of the true class alone. `el2n` of the same prediction is larger by a factor between
        sqrt(C/(C-1)), where the other C-1 classes are equally likely, and sqrt(2), where one of them takes all.

    Raises
    ------
    InputDataError
        For negative losses, or another shape.
    """
    p = true_label_probability(losses)
    return _mean(1 - _table(p[:, None] if p.ndim == 1 else p, "losses"))


def right_from_losses(losses: ArrayLike, threshold: float = math.log(2)) -> Array:
    """Say at which checkpoints an example counts as predicted right, from its loss.

    Parameters
    ----------
    losses : array_like (n, c)
        Cross-entropies in nats.
    threshold : float, default log(2)
        Below it an example counts as right. At log(2) the true label has more than half of the probability, so it is
        the most likely one; with more than two classes it may be that with less.

    Returns
    -------
    ndarray (n, c)
        1, 0, or NaN where the loss is missing.
    """
    values = _table(losses, "losses")
    return np.where(np.isnan(values), np.nan, values < threshold)


def forgetting_events(right: ArrayLike) -> Forgetting:
    """Count how often examples were forgotten (Toneva et al. 2019).

    Parameters
    ----------
    right : array_like (n, c) of bool, or of 0, 1 and NaN
        Whether each example was predicted right at each checkpoint; NaN where it was not evaluated, and then the next
        checkpoint at which it was follows the one before.

    Returns
    -------
    Forgetting

    Raises
    ------
    InputDataError
        For other values, or another shape.
    """
    table = _table(right, "right")
    present = ~np.isnan(table)
    if np.any(present & (table != 0) & (table != 1)):
        raise InputDataError("right holds values other than 0, 1 and nan.", "right_from_losses makes it from losses.")
    events, learned = np.zeros(len(table), np.intp), np.full(len(table), -1, np.intp)
    was_right = np.zeros(len(table), dtype=bool)
    for at in range(table.shape[1]):
        now, here = table[:, at] == 1, present[:, at]
        events += here & was_right & ~now
        learned[now & (learned < 0)] = at
        was_right = np.where(here, now, was_right)
    return Forgetting(events, learned, table.shape[1] - present.sum(axis=1))


def training_map(
    probabilities: ArrayLike, *, ambiguous_share: float = 1 / 3, confidence_from: float = 0.5
) -> TrainingMap:
    """Place examples by the probability of their label over training (after Swayamdipta et al. 2020).

    Parameters
    ----------
    probabilities : array_like (n, c)
        Probability of the true label at each checkpoint, as `true_label_probability` makes it; NaN where missing.
    ambiguous_share : float, default 1/3
        Share of the examples, those of the highest variability, that are called ambiguous at most.
    confidence_from : float, default 0.5
        Mean probability from which the others are called easy.

    Returns
    -------
    TrainingMap

    Raises
    ------
    InputDataError
        For probabilities outside 0 to 1, another shape, or no example with two checkpoints.
    UsageError
        For shares outside 0 to 1.
    """
    if not (0 <= ambiguous_share <= 1 and 0 <= confidence_from <= 1):
        raise UsageError(
            f"ambiguous_share {ambiguous_share} and confidence_from {confidence_from} lie between 0 and 1."
        )
    p = _table(probabilities, "probabilities")
    if np.any((p < 0) | (p > 1)):
        raise InputDataError("probabilities has values outside 0 to 1.", "true_label_probability makes it from losses.")
    present = np.isfinite(p).sum(axis=1)
    confidence = _mean(p)
    variability = np.sqrt(_mean((p - confidence[:, None]) ** 2))
    known = present >= 2
    if not known.any():
        raise InputDataError("No example has a value at two checkpoints, so none has a variability.")
    confidence, variability = np.where(known, confidence, np.nan), np.where(known, variability, np.nan)
    ranked = np.sort(variability[known])
    above = math.floor(ambiguous_share * len(ranked) + 1e-9)
    cut = float(ranked[-1 - above]) if above < len(ranked) else -math.inf
    region = np.where(variability > cut, "ambiguous", np.where(confidence >= confidence_from, "easy", "hard"))
    region = np.where(known, region, "unknown")
    return TrainingMap(confidence, variability, region, cut, confidence_from, p.shape[1] - present)


def _table(values: ArrayLike, name: str) -> Array:
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or not table.size:
        raise InputDataError(f"{name} has shape {table.shape}; a row an example and a column a checkpoint is expected.")
    return table


def _mean(table: Array) -> Array:
    """Average over checkpoints, without the missing ones."""
    present = ~np.isnan(table)
    count = present.sum(axis=1)
    means = np.full(len(table), np.nan)
    means[count > 0] = np.where(present, table, 0.0).sum(axis=1)[count > 0] / count[count > 0]
    return means
