"""The runs of several corpora side by side: checked, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SAME = 1e-3  # relative difference within which two sizes, or two budgets, are one


@dataclass(frozen=True)
class Runs:
    """The runs of one corpus.

    Parameters
    ----------
    n_params, n_tokens, compute : ndarray (n,)
        Parameters, tokens and FLOP of each.
    loss : ndarray (n,)
        Lower is better; above 0.
    """

    n_params: Array
    n_tokens: Array
    compute: Array
    loss: Array

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def inputs(self) -> dict[str, Array]:
        """N and D, as laws take them."""
        return {"N": self.n_params, "D": self.n_tokens}

    def take(self, rows: Mask | NDArray[np.int64]) -> Runs:
        """Return some of the runs."""
        return Runs(self.n_params[rows], self.n_tokens[rows], self.compute[rows], self.loss[rows])

    def up_to(self, budget: float) -> Runs:
        """Return the runs up to a budget."""
        return self.take(self.compute <= budget * (1 + _SAME))

    def at(self, budget: float) -> Runs:
        """Return the runs of a budget."""
        return self.take(np.abs(np.log(self.compute / budget)) <= _SAME)


def read_runs(runs: Mapping[str, Any]) -> dict[str, Runs]:
    """Check the runs of each corpus.

    Parameters
    ----------
    runs : mapping of str to (sequence of array_like (n,), or mapping)
        A corpus to N, D, compute and loss, in this order; compute may be None, which makes it 6 N D. Or a mapping with
        the keys ``N D loss`` and perhaps ``compute``.

    Returns
    -------
    dict of str to Runs
        Sorted by name, so that no answer depends on the order in which corpora are named.

    Raises
    ------
    InputDataError
        For fewer than two corpora, lengths that differ, or numbers that are not above 0.
    """
    if len(runs) < 2:
        raise InputDataError(
            f"a ranking needs the runs of two corpora or more, and there {'is' if len(runs) == 1 else 'are'} "
            f"{len(runs)}",
            hint="Name more corpora, or ingest their runs.",
        )
    return {
        corpus: _read(corpus, columns)
        for corpus, columns in sorted(((str(k), v) for k, v in runs.items()), key=lambda pair: pair[0])
    }


def _read(corpus: str, columns: Any) -> Runs:
    if isinstance(columns, Runs):
        return columns
    if isinstance(columns, Mapping):
        columns = [columns.get(name) for name in ("N", "D", "compute", "loss")]
    n, d, compute, loss = columns
    if n is None or d is None or loss is None:
        raise InputDataError(f"the runs of the corpus {corpus} lack N, D or the loss")
    n, d, loss = (np.atleast_1d(np.asarray(column, float)) for column in (n, d, loss))
    if not len(n) == len(d) == len(loss):
        raise InputDataError(
            f"the columns of the corpus {corpus} have different lengths: {len(n)} N, {len(d)} D, {len(loss)} losses"
        )
    flop = FLOP_PER_PARAMETER_TOKEN * n * d if compute is None else np.atleast_1d(np.asarray(compute, float))
    if len(flop) != len(n):
        raise InputDataError(f"the corpus {corpus} has {len(n)} runs, but {len(flop)} budgets")
    for name, values in (("N", n), ("D", d), ("compute", flop), ("loss", loss)):
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if len(bad) or not len(values):
            what = f"is {values[bad[0]]} in row {bad[0]}" if len(bad) else "has no rows"
            raise InputDataError(
                f"{name} of the corpus {corpus} {what}, and must be a number above 0",
                hint="Rank by a metric of which lower is better: a loss, or 1 - accuracy.",
            )
    return Runs(n, d, flop, loss)


def budgets_in_common(runs: Mapping[str, Runs]) -> Array:
    """Return the budgets at which every corpus has a run, the smallest first: shape (k,)."""
    first, *others = runs.values()
    levels: list[float] = []
    for value in np.sort(first.compute):
        if not levels or value > levels[-1] * (1 + _SAME):
            levels.append(float(value))
    return np.array([level for level in levels if all(len(other.at(level)) for other in others)])


def cell_numbers(runs: Mapping[str, Runs]) -> dict[str, NDArray[np.int64]]:
    """Number the cells (N, D), so that runs of one size and length have one number in every corpus.

    Parameters
    ----------
    runs : mapping of str to Runs
        The corpora.

    Returns
    -------
    dict of str to ndarray of int (n,)
        One number a run; numbers run from 0 on without a gap.
    """
    every = np.concatenate([np.log(np.stack([r.n_params, r.n_tokens])) for r in runs.values()], axis=1)
    labels = np.stack([_clusters(values) for values in every])
    _, numbers = np.unique(labels, axis=1, return_inverse=True)
    ends = np.cumsum([len(r) for r in runs.values()])[:-1]
    return dict(zip(runs, np.split(numbers.ravel().astype(np.int64), ends), strict=True))


def _clusters(values: Array) -> NDArray[np.int64]:
    """Give sorted neighbours closer than the tolerance one number."""
    order = np.argsort(values, kind="stable")
    steps = np.concatenate([[0], np.cumsum(np.diff(values[order]) > _SAME)])
    out = np.empty(len(values), np.int64)
    out[order] = steps
    return out
