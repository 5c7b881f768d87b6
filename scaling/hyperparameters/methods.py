"""Ways of finding the optimum of a cell, held against each other by what their laws give up on cells left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from scaling.formatting import format_percent
from scaling.hyperparameters.cells import Cells
from scaling.hyperparameters.optima import Method, default_methods, find_optima
from scaling.hyperparameters.regret import (
    Regrets,
    laws_of_points,
    leave_largest_out,
    leave_one_cell_out,
    regrets_of,
)
from scaling.laws.law import Law
from scaling.serial import plain


@dataclass(frozen=True)
class Compared:
    """One way of finding optima, and what its laws give up.

    Parameters
    ----------
    method : Method
        The way.
    points : int
        That the laws were fitted to.
    fitted, one_out, largest_size, largest_compute : Regrets
        On the cells they were fitted to; on each cell by the others; on the cells of the largest model, and of the
        largest compute, by the smaller ones.
    """

    method: Method
    points: int
    fitted: Regrets = field(repr=False)
    one_out: Regrets = field(repr=False)
    largest_size: Regrets = field(repr=False)
    largest_compute: Regrets = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table = {
            "method": self.method.words, "points": self.points, "fitted": self.fitted.mean,
            "one_cell_out": self.one_out.mean, "largest_parameters_out": self.largest_size.mean,
            "largest_compute_out": self.largest_compute.mean,
        }  # fmt: skip
        out: dict[str, Any] = plain(table)
        return out

    def __repr__(self) -> str:
        shares = (self.fitted.mean, self.one_out.mean, self.largest_size.mean, self.largest_compute.mean)
        return f"{self.method.words}: " + ", ".join(format_percent(s, 3) for s in shares)


def compare_methods(
    cells: Cells, methods: Iterable[Method] | None = None, *, batch_law: str | Law = "optimal_batch"
) -> tuple[Compared, ...]:
    """Hold ways of finding optima against each other.

    Parameters
    ----------
    cells : Cells
        The runs.
    methods : iterable of Method, optional
        Best runs, thresholds and bowls at several cut-offs where missing.
    batch_law : str or Law
        As of `scaling.hyperparameters.fit_laws`.

    Returns
    -------
    tuple of Compared
        In the order of the methods.
    """
    return tuple(_compared(cells, m, batch_law) for m in (default_methods() if methods is None else methods))


def _compared(cells: Cells, method: Method, batch_law: str | Law) -> Compared:
    optima = find_optima(cells, method)
    fitted = regrets_of(cells, method.words, laws_of_points(optima, batch_law))
    return Compared(
        method,
        optima.n,
        fitted,
        leave_one_cell_out(cells, method, batch_law=batch_law),
        leave_largest_out(cells, method, by="parameters", batch_law=batch_law),
        leave_largest_out(cells, method, by="compute", batch_law=batch_law),
    )
