"""What a learning rate and a batch give up against the best of a cell, and what laws do where they were not fitted.

Two measures. By the runs: the loss between runs (`scaling.hyperparameters.surface`) above that of the best run. The
best of a hundred noisy runs is a low bar, so even the true optimum has a regret there. By the bowl: the second order
around the vertex of a fitted surface, which has no such bar and takes the surface's form as true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.fitting.fit import fit
from scaling.formatting import format_percent, format_plural
from scaling.hyperparameters.bowl import Bowl, fit_bowls
from scaling.hyperparameters.cells import Cell, Cells
from scaling.hyperparameters.optima import Method, Optima, find_optima
from scaling.laws.book import find_law
from scaling.laws.law import Law
from scaling.serial import plain

Array = NDArray[np.float64]
Predict = Callable[[float, float], tuple[float, float]]

_LARGEST = 0.3  # share of the cells that are held out as the largest in compute
LARGEST = ("parameters", "compute")
_VARIES = 0.01  # spread of a logarithm below which an input was held


@dataclass(frozen=True)
class Regrets:
    """What a rule gave up, cell by cell.

    Parameters
    ----------
    rule : str
        Where the learning rates and batches come from, in words.
    cells : tuple of Cell
        Where it was measured.
    lr, batch : ndarray (k,)
        What the rule says; tokens a step.
    by_runs : ndarray (k,)
        Loss above that of the best run, as a share.
    by_bowl : ndarray (k,)
        The same above the vertex of the fitted surface; NaN where there is none.
    """

    rule: str
    cells: tuple[Cell, ...] = field(repr=False)
    lr: Array = field(repr=False)
    batch: Array = field(repr=False)
    by_runs: Array = field(repr=False)
    by_bowl: Array = field(repr=False)

    @property
    def mean(self) -> float:
        """Over the cells, by the runs."""
        return float(self.by_runs.mean())

    @property
    def worst(self) -> float:
        """The largest, by the runs."""
        return float(self.by_runs.max())

    @property
    def mean_by_bowl(self) -> float:
        """Over the cells that have a surface; NaN where none has."""
        known = self.by_bowl[np.isfinite(self.by_bowl)]
        return float(known.mean()) if known.size else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table = {
            "rule": self.rule, "mean": self.mean, "worst": self.worst, "mean_by_bowl": self.mean_by_bowl,
            "table": [
                {"n_params": c.n_params, "n_tokens": c.n_tokens, "lr": lr, "batch": b, "by_runs": r, "by_bowl": w}
                for c, lr, b, r, w in zip(self.cells, self.lr, self.batch, self.by_runs, self.by_bowl, strict=True)
            ],
        }  # fmt: skip
        out: dict[str, Any] = plain(table)
        return out

    def __repr__(self) -> str:
        return (
            f"{self.rule}: gives up {format_percent(self.mean, 3)} of the loss on average and at most "
            f"{format_percent(self.worst, 3)}, {format_plural(len(self.cells), 'cell')}"
        )


def cell_regret(cell: Cell, lr: ArrayLike, batch: ArrayLike) -> Array:
    """Work out the loss given up in a cell, by its runs.

    Parameters
    ----------
    cell : Cell
        The runs.
    lr, batch : array_like (m,)
        Tokens a step; beyond the grid they are moved to its edge.

    Returns
    -------
    ndarray (m,)
        Interpolated loss above that of the best run, as a share; infinite beside a run without a loss.
    """
    surface = cell.surface
    return np.asarray(surface.at(np.log(np.asarray(lr, float)), np.log(np.asarray(batch, float))) / surface.best - 1)


def regrets_of(cells: Cells, rule: str, predict: Predict, bowls: Sequence[Bowl] | None = None) -> Regrets:
    """Measure a rule on every cell.

    Parameters
    ----------
    cells : Cells
        Where to measure.
    rule : str
        Its name.
    predict : callable
        From parameters and tokens to learning rate and batch (tokens).
    bowls : sequence of Bowl, optional
        Of the cells; fitted where missing.

    Returns
    -------
    Regrets
    """
    said = [predict(cell.n_params, cell.n_tokens) for cell in cells]
    return _measured(cells, rule, said, bowls)


def leave_one_cell_out(
    cells: Cells, method: Method | str = "bowl", *, batch_law: str | Law = "optimal_batch"
) -> Regrets:
    """Measure in each cell the laws of all the others.

    Parameters
    ----------
    cells : Cells
        The runs.
    method : Method or str
        How optima are found; see `scaling.hyperparameters.optima`.
    batch_law : str or Law
        As of `scaling.hyperparameters.fit_laws`.

    Returns
    -------
    Regrets
    """
    optima = find_optima(cells, method)
    said = []
    for k, cell in enumerate(cells):
        predict = laws_of_points(optima.take(optima.group != k), batch_law)
        said.append(predict(cell.n_params, cell.n_tokens))
    return _measured(cells, f"{optima.method.words}, one cell left out", said, None)


def leave_largest_out(
    cells: Cells,
    method: Method | str = "bowl",
    *,
    by: str = "parameters",
    batch_law: str | Law = "optimal_batch",
) -> Regrets:
    """Measure in the largest cells the laws of the smaller ones.

    Parameters
    ----------
    cells : Cells
        The runs.
    method : Method or str
        How optima are found.
    by : {'parameters', 'compute'}
        The cells of the largest model, or three in ten, those of the largest N*D.
    batch_law : str or Law
        As of `scaling.hyperparameters.fit_laws`.

    Returns
    -------
    Regrets
        Of the cells that were held out.

    Raises
    ------
    UsageError
        For another measure of size.
    InputDataError
        Where the smaller cells do not determine the laws.
    """
    held = largest(cells, by)
    optima = find_optima(cells, method)
    predict = laws_of_points(optima.take(~held[optima.group]), batch_law)
    inside = cells.without(~held)
    return regrets_of(inside, f"{optima.method.words}, largest by {by} left out", predict)


def largest(cells: Cells, by: str) -> NDArray[np.bool_]:
    """Tell which cells are the largest, (k,); see `leave_largest_out`."""
    if by not in LARGEST:
        raise UsageError(f"cells are not ordered by '{by}'", hint=f"There are: {', '.join(LARGEST)}.")
    size = np.array([c.n_params for c in cells])
    if by == "parameters":
        return np.asarray(size >= size.max() * (1 - 1e-9))
    compute = size * np.array([c.n_tokens for c in cells])
    count = max(1, round(_LARGEST * len(cells)))
    return np.asarray(compute >= np.sort(compute)[-count])


def laws_of_points(optima: Optima, batch_law: str | Law = "optimal_batch") -> Predict:
    """Fit both laws to points, without intervals.

    Parameters
    ----------
    optima : Optima
        Points of the cells that may be known.
    batch_law : str or Law
        As of `scaling.hyperparameters.fit_laws`.

    Returns
    -------
    callable
        From parameters and tokens to learning rate and batch.

    Raises
    ------
    InputDataError
        For too few cells, or such as do not determine the laws: one size, or sizes and tokens in one ratio.
    """
    if not optima.n:
        raise InputDataError("no cell is left to fit the laws to", hint="Run sweeps of more sizes.")
    inputs = {"N": optima.n_params, "D": optima.n_tokens}
    fits = []
    for law, observed in ((find_law("optimal_learning_rate"), optima.lr), (find_law(batch_law, inputs), optima.batch)):
        given = {k: v for k, v in inputs.items() if k in law.inputs}
        columns = np.column_stack([np.ones(optima.n), *(np.log(v) for v in given.values())])
        columns[:, 1:] -= columns[:, 1:].mean(axis=0)  # so that what does not vary has a column of zeros
        if np.linalg.matrix_rank(columns, tol=_VARIES * math.sqrt(optima.n)) < columns.shape[1]:
            raise InputDataError(
                f"the cells that are left, {format_plural(optima.n, 'point')}, do not tell the exponents of "
                f"'{law.name}' apart: {' and '.join(given)} have to vary, and not as one",
                hint="Run sweeps of more sizes, and of more numbers of tokens at each.",
            )
        fits.append(fit(law, given, observed, objective="squared", bootstrap=0))

    def predict(n_params: float, n_tokens: float) -> tuple[float, float]:
        at = {"N": n_params, "D": n_tokens}
        lr, batch = (float(f.evaluate({k: at[k] for k in f.law.inputs})[0, 0]) for f in fits)
        return lr, batch

    return predict


def _measured(cells: Cells, rule: str, said: Sequence[tuple[float, float]], bowls: Sequence[Bowl] | None) -> Regrets:
    lr, batch = np.array(said, float).T
    by_runs = np.array([cell_regret(c, [x], [b])[0] for c, x, b in zip(cells, lr, batch, strict=True)])
    surfaces = fit_bowls(cells) if bowls is None else bowls
    by_bowl = np.array([
        float(s.regret(x, b)) if s.ok else math.nan for s, x, b in zip(surfaces, lr, batch, strict=True)
    ])  # fmt: skip
    return Regrets(rule, tuple(cells), lr, batch, by_runs, by_bowl)
