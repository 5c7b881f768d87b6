"""Where the best learning rate and batch of each cell lie: by surface, by threshold, or as the best run.

``bowl``
    The vertex of a surface fitted to the runs near the best (`scaling.hyperparameters.bowl`). One point a cell.
``threshold``
    All runs within a share of the best loss, as arXiv:2503.04715 takes them. Many points a cell, which share its noise.
``argmin``
    The run of the lowest loss. One point a cell, on the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.hyperparameters.bowl import CUTOFF, fit_bowls
from scaling.hyperparameters.cells import Cells
from scaling.inputs import as_number

Array = NDArray[np.float64]

THRESHOLD = 0.0025  # of arXiv:2503.04715
METHODS = ("bowl", "threshold", "argmin")


@dataclass(frozen=True)
class Method:
    """How optima are found.

    Parameters
    ----------
    name : {'bowl', 'threshold', 'argmin'}
        See the module.
    cutoff : float, optional
        Share above the best loss of the cell; 2 % of a bowl and 0.25 % of a threshold where missing.
    order : {2, 3}, default 3
        Of a bowl.
    """

    name: str = "bowl"
    cutoff: float | None = None
    order: int = 3

    def __post_init__(self) -> None:
        if self.name not in METHODS:
            raise UsageError(f"optima are not found by '{self.name}'", hint=did_you_mean(str(self.name), METHODS))
        if self.name != "argmin" and self.cutoff is not None and not 0 < as_number(self.cutoff) < np.inf:
            raise UsageError(f"a cut-off is a share of the loss above 0, not {self.cutoff}", hint="0.02 is 2 %.")

    @property
    def share(self) -> float:
        """The cut-off that holds."""
        return (
            {"bowl": CUTOFF, "threshold": THRESHOLD, "argmin": 0.0}[self.name] if self.cutoff is None else self.cutoff
        )

    @property
    def words(self) -> str:
        """In words."""
        if self.name == "argmin":
            return "the best run of each cell"
        within = f"within {100 * self.share:g} % of the best of each cell"
        if self.name == "threshold":
            return f"all runs {within}"
        return f"vertex of a {'quadratic' if self.order == 2 else 'cubic'} surface of the logarithms, {within}"


@dataclass(frozen=True)
class Optima:
    """Points that laws are fitted to.

    Parameters
    ----------
    method : Method
        How they were found.
    n_params, n_tokens, lr, batch : ndarray (m,)
        The batch in tokens a step.
    group : ndarray of int (m,)
        Number of the cell of each point.
    covariance : ndarray (m, 2, 2)
        Of ln lr and ln B; NaN where it is not known.
    left_out : tuple of str
        A sentence for each cell without a point.
    """

    method: Method
    n_params: Array = field(repr=False)
    n_tokens: Array = field(repr=False)
    lr: Array = field(repr=False)
    batch: Array = field(repr=False)
    group: NDArray[np.int64] = field(repr=False)
    covariance: Array = field(repr=False)
    left_out: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many points."""
        return len(self.lr)

    def take(self, rows: NDArray[np.bool_]) -> Optima:
        """Return some of the points, a mask (m,)."""
        return Optima(
            self.method, self.n_params[rows], self.n_tokens[rows], self.lr[rows], self.batch[rows], self.group[rows],
            self.covariance[rows], self.left_out,
        )  # fmt: skip


def find_optima(cells: Cells, method: Method | str = "bowl", *, cutoff: float | None = None) -> Optima:
    """Find where the best learning rate and batch of each cell lie.

    Parameters
    ----------
    cells : Cells
        The runs.
    method : Method or str, default 'bowl'
        See the module.
    cutoff : float, optional
        Where the method is given as text; see `Method`.

    Returns
    -------
    Optima

    Raises
    ------
    InputDataError
        Where no cell has an optimum.
    UsageError
        For an unknown method.
    """
    how = method if isinstance(method, Method) else Method(method, cutoff)
    rows: list[tuple[float, float, float, float, int]] = []
    spread: list[Array] = []
    left_out = []
    for k, cell in enumerate(cells):
        if how.name == "bowl":
            continue
        near = cell.relative < how.share if how.name == "threshold" else np.arange(cell.n) == cell.best
        for lr, batch in zip(cell.lr[near], cell.batch[near], strict=True):
            rows.append((cell.n_params, cell.n_tokens, float(lr), float(batch), k))
            spread.append(np.full((2, 2), np.nan))
    if how.name == "bowl":
        for k, bowl in enumerate(fit_bowls(cells, how.share, how.order)):
            if not bowl.ok:
                left_out.append(f"{bowl.cell.name} is left out of the laws: {bowl.status}.")
                continue
            rows.append((bowl.cell.n_params, bowl.cell.n_tokens, bowl.lr, bowl.batch, k))
            spread.append(bowl.covariance)
    if not rows:
        raise InputDataError("no cell has an optimum. " + " ".join(left_out), hint="Widen the cut-off, or run more.")
    n, d, lr_, batch_, group = np.array(rows, float).T
    return Optima(how, n, d, lr_, batch_, group.astype(np.int64), np.array(spread), tuple(left_out))


def default_methods() -> Iterator[Method]:
    """Methods that are held against each other."""
    yield Method("argmin")
    for share in (0.001, 0.0025, 0.005, 0.01):
        yield Method("threshold", share)
    for share in (0.0075, 0.01, 0.02):
        yield Method("bowl", share, 2)
    for share in (0.01, 0.015, 0.02, 0.03):
        yield Method("bowl", share, 3)
