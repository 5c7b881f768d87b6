"""Sweeps over learning rate and batch size as worked out from the rows of a store: cells, optima, timescales.

What was asked for, as plain data: ``batch rate weight_decay context_length batch_unit metric where method order cutoff
surface surface_cutoff surface_bootstrap``, and of each saved fit its ``part`` and the ``base`` of its name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_count, format_number

if TYPE_CHECKING:
    from db.sweeps import SweepRun
    from scaling.hyperparameters import Cells, LossSurface, Method, Regrets, TunedLaws, TunedTimescale
    from scaling.results import Fit

Array = NDArray[np.float64]

#: Everything that can be asked for, with what it is where nothing was said.
USUAL: dict[str, Any] = {
    "batch": None, "rate": None, "weight_decay": None, "context_length": None, "batch_unit": None, "metric": None,
    "where": None, "method": "bowl", "order": 3, "cutoff": None, "surface": False, "surface_cutoff": 0.2,
    "surface_bootstrap": 0,
}  # fmt: skip


@dataclass(frozen=True)
class TuningSweep:
    """A sweep over learning rate and batch size.

    Parameters
    ----------
    asked : dict
        What was asked for.
    cells : Cells
        Runs of one size and number of tokens together; of runs that differ in weight decay alone the best one.
    runs : tuple of SweepRun
        All runs that can be used, in the order of their ids.
    in_cells : tuple of int
        Which of them the rows of the cells are.
    decay : ndarray (n,) or None
        Weight decay of each run; None where no cell has several.
    notes : tuple of str
        What to know of the runs, in sentences.
    """

    asked: dict[str, Any]
    cells: Cells
    runs: tuple[SweepRun, ...]
    in_cells: tuple[int, ...]
    decay: Array | None
    notes: tuple[str, ...]

    @property
    def method(self) -> Method:
        """How the optima of cells are found."""
        from scaling.hyperparameters import Method

        asked = USUAL | self.asked
        return Method(asked["method"], asked["cutoff"], int(asked["order"]))

    @cached_property
    def laws(self) -> TunedLaws:
        """The laws, without replicates: their points, the surfaces of the cells, the best learning rates of batches."""
        return self.fit(bootstrap=0)

    @cached_property
    def timescale(self) -> TunedTimescale:
        """The law of the best timescale, without replicates."""
        return self.fit_timescale(bootstrap=0)

    def fit(self, *, bootstrap: int, seed: int = 0) -> TunedLaws:
        """Fit the laws; of cells too few for one it is said what their optima are."""
        from scaling.hyperparameters import fit_laws

        try:
            return fit_laws(self.cells, self.method, bootstrap=bootstrap, seed=seed)
        except InputDataError as error:
            if len(self.cells) > 3 or not (said := self._optima()):
                raise
            raise InputDataError(f"{error.message}. {said}", error.hint) from error

    def fit_timescale(self, *, bootstrap: int, seed: int = 0) -> TunedTimescale:
        """Fit the law of the best timescale."""
        from scaling.hyperparameters import fit_timescale

        assert self.decay is not None
        return fit_timescale(
            *columns_of(self.runs), self.decay, [run.value for run in self.runs],
            context_length=self.cells.context_length, bootstrap=bootstrap, seed=seed,
        )  # fmt: skip

    def fit_surface(self, *, bootstrap: int, seed: int = 0) -> LossSurface:
        """Fit the loss of all runs in cells at once, but of those far above the best of their cell."""
        from scaling.hyperparameters import fit_loss_surface

        runs = [self.runs[i] for i in self.in_cells]
        losses, share = [run.value for run in runs], self.surface_cutoff
        return fit_loss_surface(*columns_of(runs), losses, bootstrap=bootstrap, seed=seed, cutoff=share)

    def surface_of(self, fit: Fit) -> LossSurface:
        """Return the loss surface that a fit is of."""
        from scaling.hyperparameters import LossSurface

        return LossSurface(fit, self.cells, self.on_surface[0], self.surface_cutoff)

    @property
    def surface_cutoff(self) -> float:
        """Share above the best loss of its cell up to which a run counts for the loss surface."""
        return float((USUAL | self.asked)["surface_cutoff"])

    @cached_property
    def on_surface(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Runs of the loss surface: which row of the cells' runs, which cell, which run in it; by the row."""
        row = np.concatenate([cell.rows for cell in self.cells])
        of_cell = np.concatenate([np.full(cell.n, k) for k, cell in enumerate(self.cells)])
        within = np.concatenate([np.arange(cell.n) for cell in self.cells])
        kept = np.concatenate([cell.relative <= self.surface_cutoff for cell in self.cells])
        order = np.argsort(row)
        order = order[kept[order]]
        return row[order], of_cell[order], within[order]

    def regrets(self) -> dict[str, Regrets]:
        """Measure what the laws give up: where they were fitted, and in cells that they do not know.

        Those that need more cells than there are are left out.
        """
        from scaling.hyperparameters import leave_largest_out, leave_one_cell_out, regrets_of
        from scaling.hyperparameters.regret import LARGEST

        how = self.method
        found = {"fitted": regrets_of(self.cells, how.words, self.laws.points_at, self.laws.bowls)}
        with suppress(InputDataError):
            found["one_cell_out"] = leave_one_cell_out(self.cells, how)
        for by in LARGEST:
            with suppress(InputDataError):
                found[f"largest_{by}_out"] = leave_largest_out(self.cells, how, by=by)
        return found

    def members(self, cell: int) -> tuple[str, ...]:
        """Return the ids of the runs of a cell."""
        return self._members[cell]

    def best_run(self, cell: int) -> str:
        """Return the id of the run of the lowest loss of a cell, which stands for it."""
        return self._members[cell][self.cells[cell].best]

    def cell_at(self, n_params: float, n_tokens: float) -> int:
        """Return which cell is of a size and a number of tokens."""
        found = self.cells.find(n_params, n_tokens)
        return next(k for k, cell in enumerate(self.cells) if cell is found)

    @cached_property
    def _members(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(self.runs[self.in_cells[row]].run_id for row in cell.rows) for cell in self.cells)

    def lines(self) -> list[list[object]]:
        """Return what a fit of the sweep rests on, a line a run."""
        decays = [math.nan] * len(self.runs) if self.decay is None else self.decay.tolist()
        return [
            [run.run_id, run.n_params, run.n_tokens, run.rate, run.batch, run.value, decay]
            for run, decay in zip(self.runs, decays, strict=True)
        ]

    def _optima(self) -> str:
        """Say where the optima of a few cells lie, for whom no law can be had."""
        from scaling.hyperparameters import find_optima

        try:
            optima = find_optima(self.cells, self.method)
        except InputDataError:
            return ""
        said = [
            f"{self.cells[k].name} has it at learning rate {format_number(lr)} and a batch of {format_count(b)} tokens"
            for k, lr, b in zip(optima.group[:3], optima.lr, optima.batch, strict=False)
        ]
        return f"The lowest loss: {'; '.join(said)}"


def columns_of(runs: Sequence[SweepRun]) -> tuple[Array, Array, Array, Array]:
    """Parameters, tokens, learning rate and batch of runs, (n,) each."""
    n, d, rate, batch = np.array([[r.n_params, r.n_tokens, r.rate, r.batch] for r in runs], float).T
    return n, d, rate, batch
