"""The loss that the best learning rate would have reached, for each size, length and batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.parabola import fit_parabola

Array = NDArray[np.float64]

NEAR = 0.02  # share above the lowest loss of a cell within which a parabola describes it
_DEEPEST = 0.5  # of `near`: how far below the best run a vertex may lie, in ln loss
_SAME_RATE = 0.02  # learning rates this close are one, written with more or fewer digits
_SAME = 1e-3  # sizes, lengths and batches this close are one: token counts are rounded to whole steps


@dataclass(frozen=True)
class TunedRuns:
    """Losses at the best learning rate, one for each size, length and batch.

    Parameters
    ----------
    n_params, n_tokens, batch : ndarray (m,)
        Parameters, training tokens and tokens a step.
    loss : ndarray (m,)
        nats/token.
    lr : ndarray (m,)
        Where it is reached; NaN where no learning rates were given.
    bracketed : ndarray of bool (m,)
        Whether learning rates on either side lose. Where not, the loss is that of the best run, and a better learning
        rate would lower it.
    interpolated : ndarray of bool (m,)
        Whether the loss is that of the vertex of a parabola in ln lr, and not of a run.
    """

    n_params: Array
    n_tokens: Array
    batch: Array
    loss: Array
    lr: Array
    bracketed: NDArray[np.bool_]
    interpolated: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """How many."""
        return len(self.loss)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of them, in sentences."""
        open_ = int(np.sum(~self.bracketed))
        if not open_:
            return ()
        what = "has its" if open_ == 1 else "have their"
        return (
            f"Of {self.n} cells of one size, length and batch, {open_} {what} best run at an end of the learning rates "
            "tried, so that its loss is too high.",
        )

    def only_bracketed(self) -> TunedRuns:
        """Leave out what has its best run at an end of the learning rates."""
        keep = self.bracketed
        return TunedRuns(
            self.n_params[keep], self.n_tokens[keep], self.batch[keep], self.loss[keep], self.lr[keep],
            self.bracketed[keep], self.interpolated[keep],
        )  # fmt: skip


def tune_runs(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    batch: ArrayLike,
    loss: ArrayLike,
    lr: ArrayLike | None = None,
    near: float = NEAR,
) -> TunedRuns:
    """Take the best over learning rates.

    Parameters
    ----------
    n_params, n_tokens, batch, loss : array_like (n,)
        Of each run: parameters, training tokens, tokens a step, final loss (nats/token). A loss that is no number is
        that of a run that diverged, and is left out; finite losses of diverged runs lie far above the others of their
        cell and take no part.
    lr : array_like (n,), optional
        Peak learning rate. Missing, every run counts as tuned.
    near : float, default 0.02
        Share above the lowest loss of a cell within which runs are taken into its parabola.

    Returns
    -------
    TunedRuns
        In the order of size, length and batch.

    Raises
    ------
    InputDataError
        For lengths that differ, and for what is no positive, finite number.

    Notes
    -----
    A parabola in ln lr is fitted to ln loss of the runs within `near`, and where these are fewer than three learning
    rates, or their parabola has no lowest point among them, to the best run and its neighbours. Where neither has one,
    or its lowest point lies more than half of `near` below the best run, the loss is that of the best run.
    """
    names = ("n_params", "n_tokens", "batch", "loss", *(("lr",) if lr is not None else ()))
    columns = [
        _column(name, values) for name, values in zip(names, _given(n_params, n_tokens, batch, loss, lr), strict=True)
    ]
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in zip(names, columns, strict=True))
        raise InputDataError(f"the columns differ in length: {lengths}")
    known = np.isfinite(columns[3])
    for name, column in zip(names, columns, strict=True):
        wrong = known & ~(np.isfinite(column) & (column > 0))
        if np.any(wrong):
            row = int(np.flatnonzero(wrong)[0])
            raise InputDataError(f"'{name}' is {column[row]:g} in row {row}; a positive, finite number is expected")
    if not np.any(known):
        raise InputDataError("no run has a loss", hint="Final losses of runs are needed, in nats a token.")
    size, length, step, value = (column[known] for column in columns[:4])
    rate = columns[4][known] if lr is not None else None
    codes = np.stack([_codes(size), _codes(length), _codes(step)], axis=1)
    _, cell = np.unique(codes, axis=0, return_inverse=True)
    cell = cell.ravel()
    rows = []
    for k in range(int(cell.max()) + 1):
        at = np.flatnonzero(cell == k)
        found = _best(value[at], None if rate is None else rate[at], near)
        rows.append((size[at[0]], length[at[0]], step[at[0]], *found))
    table = np.array(rows, float)
    n, d, b, lowest, at_rate, inside, read = table.T
    return TunedRuns(n, d, b, lowest, at_rate, inside > 0, read > 0)


def _best(loss: Array, rate: Array | None, near: float) -> tuple[float, float, float, float]:
    """Return loss, learning rate, whether it is bracketed, and whether it was read off a parabola."""
    best = int(np.argmin(loss))
    if rate is None:
        return float(loss[best]), math.nan, 1.0, 0.0
    codes = _codes(rate, _SAME_RATE)
    mine, last = int(codes[best]), int(codes.max())
    inside = 0 < mine < last
    close = loss <= loss[best] * (1 + near)
    for taken in (close, np.abs(codes - mine) <= 1) if inside else (close,):
        if len(np.unique(codes[taken])) < 3:
            continue
        x, found = np.log(rate[taken]), fit_parabola(np.log(rate[taken]), np.log(loss[taken]))
        if found is None or not x.min() <= found.vertex <= x.max():
            continue
        # Beside a neighbour that nearly diverged the parabola dives far below every run, which no loss does.
        if found.height >= math.log(loss[best]) - _DEEPEST * near:
            return math.exp(found.height), math.exp(found.vertex), 1.0, 1.0
    return float(loss[best]), float(rate[best]), float(inside), 0.0


def _given(*values: ArrayLike | None) -> list[ArrayLike]:
    return [v for v in values if v is not None]


def _column(name: str, values: ArrayLike) -> Array:
    try:
        column = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"'{name}' holds something that is not a number: {error}") from error
    if column.ndim != 1 or not len(column):
        raise InputDataError(f"'{name}' has shape {column.shape}; one value a run is expected")
    return column


def _codes(values: Array, same: float = _SAME) -> NDArray[np.int64]:
    """Number values from the smallest on, the same number for those that hardly differ from their neighbour."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(np.log(values[order])) > same
    codes = np.empty(len(values), np.int64)
    codes[order] = np.concatenate([[0], np.cumsum(steps)])
    return codes
