"""Runs to cells: all runs of one model size and one number of tokens, over learning rate and batch size.

A run that diverged is recorded as a finite loss as often as not (seven nats, or eleven), so it is told by its loss
beside the best of its cell and never by a missing value. It stays in the cell, because where runs diverge is part of
the surface, and it is far above every cut-off of the fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.noise_rows import as_floats
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_count
from scaling.hyperparameters.columns import check_columns, in_tokens, snap

if TYPE_CHECKING:
    from scaling.hyperparameters.surface import Surface

Array = NDArray[np.float64]

DIVERGED = 0.5  # share above the best loss of the cell; 2.3 nats become 3.5, which no run that trains ends at
SAME_SIZE = 0.01  # relative difference below which two sizes, or two numbers of tokens, are one


@dataclass(frozen=True)
class Cell:
    """All runs of one model size and one number of tokens.

    Parameters
    ----------
    n_params, n_tokens : float
        Parameters and training tokens.
    lr : ndarray (n,)
        Peak learning rate, as recorded.
    batch : ndarray (n,)
        Tokens a step.
    loss : ndarray (n,)
        Final loss; infinite where it was no number.
    rows : ndarray of int (n,)
        Where each run stands in what was given.
    """

    n_params: float
    n_tokens: float
    lr: Array = field(repr=False)
    batch: Array = field(repr=False)
    loss: Array = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)

    @property
    def n(self) -> int:
        """How many runs."""
        return len(self.loss)

    @property
    def name(self) -> str:
        """Size and tokens, as in ``268M at 80B``."""
        return f"{format_count(self.n_params)} at {format_count(self.n_tokens)}"

    @cached_property
    def relative(self) -> Array:
        """Loss above the best of the cell, as a share of it, shape (n,)."""
        return np.asarray(self.loss / self.loss.min() - 1)

    @cached_property
    def surface(self) -> Surface:
        """The loss between the runs."""
        from scaling.hyperparameters.surface import Surface

        return Surface(self.lr, self.batch, self.loss, self.name)

    @property
    def best(self) -> int:
        """Index of the run of the lowest loss."""
        return int(np.argmin(self.loss))

    @cached_property
    def rate(self) -> Array:
        """Learning rates with roundings of one value made the same, shape (n,)."""
        return snap(self.lr)

    def span(self, share: float) -> tuple[float, float]:
        """Octaves of learning rate and of batch that the runs within a share of the best cover."""
        near = self.relative < share
        lr, batch = (float(np.log2(v[near].max() / v[near].min())) for v in (self.rate, self.batch))
        return lr, batch

    @property
    def diverged(self) -> int:
        """Runs with a loss more than half above the best, or with none."""
        return int(np.sum(self.relative > DIVERGED))

    @property
    def not_finite(self) -> int:
        """Those of them whose loss was no number."""
        return int(np.sum(~np.isfinite(self.loss)))

    @property
    def edges(self) -> tuple[str, ...]:
        """At which ends of the grid the best run lies: ``lowest learning rate``, ``highest batch`` and so on."""
        at = self.best
        rates = self.rate[self.batch == self.batch[at]]
        ends = []
        for what, value, tried in (
            ("learning rate", self.rate[at], rates),
            ("batch", self.batch[at], self.batch),
        ):
            if value == tried.min():
                ends.append(f"lowest {what}")
            elif value == tried.max():
                ends.append(f"highest {what}")
        return tuple(ends)

    @property
    def apart(self) -> tuple[float, float] | None:
        """Two batch sizes whose learning rates do not overlap, so that neither was tried as the other was."""
        spans = [(b, self.rate[self.batch == b]) for b in np.unique(self.batch)]
        low = max(spans, key=lambda s: float(s[1].min()))
        high = min(spans, key=lambda s: float(s[1].max()))
        if float(low[1].min()) > float(high[1].max()):
            return float(min(low[0], high[0])), float(max(low[0], high[0]))
        return None


@dataclass(frozen=True)
class Cells:
    """The cells of a sweep, from the smallest model on.

    Parameters
    ----------
    cells : tuple of Cell
        By size, then by tokens.
    context_length : float or None
        Tokens of a sequence, where it was given.
    """

    cells: tuple[Cell, ...]
    context_length: float | None = None

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def __getitem__(self, index: int) -> Cell:
        return self.cells[index]

    @property
    def n_runs(self) -> int:
        """Runs in all cells."""
        return sum(cell.n for cell in self.cells)

    @property
    def counts(self) -> dict[str, int]:
        """Cells, runs, those that diverged, and those of them whose loss was no number."""
        return {
            "cells": len(self.cells),
            "runs": self.n_runs,
            "diverged": sum(cell.diverged for cell in self.cells),
            "not_finite": sum(cell.not_finite for cell in self.cells),
        }

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What to know about the grids before anything is fitted to them, one sentence each."""
        found = []
        for cell in self.cells:
            if cell.edges:
                found.append(
                    f"The best run of {cell.name} has the {' and the '.join(cell.edges)} tried: the optimum may lie "
                    "beyond the grid."
                )
            if cell.apart is not None:
                one, other = (format_count(b) for b in cell.apart)
                found.append(
                    f"In {cell.name} the learning rates of batch {one} and of batch {other} tokens do not overlap, so "
                    "one of the two was not tuned as the other was."
                )
        return tuple(found)

    def find(self, n_params: float, n_tokens: float) -> Cell:
        """Return the cell of a size and a number of tokens, to 1 %.

        Raises
        ------
        UsageError
            Where there is none.
        """
        for cell in self.cells:
            if abs(cell.n_params / n_params - 1) < SAME_SIZE and abs(cell.n_tokens / n_tokens - 1) < SAME_SIZE:
                return cell
        there = "; ".join(cell.name for cell in self.cells)
        raise UsageError(
            f"there are no runs of {format_count(n_params)} parameters and {format_count(n_tokens)} tokens",
            hint=f"There are: {there}.",
        )

    def without(self, left_out: NDArray[np.bool_]) -> Cells:
        """Return the cells that are not left out, (k,)."""
        return Cells(tuple(c for c, out in zip(self.cells, left_out, strict=True) if not out), self.context_length)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, the cells and the warnings as plain data."""
        return {
            **self.counts,
            "context_length": self.context_length,
            "warnings": list(self.warnings),
            "table": [
                {
                    "n_params": c.n_params, "n_tokens": c.n_tokens, "runs": c.n, "diverged": c.diverged,
                    "best_lr": float(c.lr[c.best]), "best_batch": float(c.batch[c.best]),
                    "best_loss": float(c.loss[c.best]), "edges": list(c.edges),
                }
                for c in self.cells
            ],
        }  # fmt: skip


def find_cells(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    lr: ArrayLike,
    batch: ArrayLike,
    loss: ArrayLike,
    *,
    context_length: float | None = None,
    batch_unit: str | Sequence[str] = "tokens",
) -> Cells:
    """Sort runs into cells of one size and one number of tokens.

    Parameters
    ----------
    n_params, n_tokens : array_like (n,)
        Parameters and training tokens; values within 1 % of one another are the same.
    lr : array_like (n,)
        Peak learning rate.
    batch : array_like (n,)
        Tokens a step, or sequences; see `batch_unit`.
    loss : array_like (n,)
        Final loss. What diverged may be a large number, NaN or infinite.
    context_length : float, optional
        Tokens of a sequence; needed where the batch is in sequences.
    batch_unit : {'tokens', 'sequences'} or sequence of them, default 'tokens'
        Of `batch`, or of each of its rows.

    Returns
    -------
    Cells

    Raises
    ------
    InputDataError
        For lengths that differ, sizes that are not above zero, batches that cannot all be in one unit, and cells
        without a single loss.
    UsageError
        For sequences without a context length, and for another unit.
    """
    columns = check_columns({"n_params": n_params, "n_tokens": n_tokens, "lr": lr, "batch": batch})
    values = as_floats(loss, "loss", dimensions=1)
    if values.shape != columns["lr"].shape:
        raise InputDataError(f"there are {values.size} losses for {columns['lr'].size} learning rates")
    # Minus infinity and NaN say as little as plus infinity about where the run ended; none was the best.
    values = np.where(np.isfinite(values), values, np.inf)
    if np.any(values <= 0):
        row = int(np.argmin(values))
        raise InputDataError(f"the loss in row {row} is {values[row]:g}; a loss is above 0")
    tokens = in_tokens(columns["batch"], columns["n_tokens"], context_length, batch_unit)
    size, length = snap(columns["n_params"], SAME_SIZE), snap(columns["n_tokens"], SAME_SIZE)
    cells = []
    for n, d in sorted(set(zip(size.tolist(), length.tolist(), strict=True))):
        rows = np.flatnonzero((size == n) & (length == d))
        if not np.any(np.isfinite(values[rows])):
            raise InputDataError(
                f"no run of {format_count(n)} parameters and {format_count(d)} tokens has a loss",
                hint="Leave these runs out, or look for the column that holds their loss.",
            )
        cells.append(Cell(n, d, columns["lr"][rows], tokens[rows], values[rows], rows))
    return Cells(tuple(cells), None if context_length is None else float(context_length))
