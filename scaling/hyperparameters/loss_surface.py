"""The loss over model size, tokens, learning rate and batch at once: one law of all runs, whole grids and their edges.

Laws of the best learning rate and batch take one optimum from each cell and leave the loss aside. Here every run
counts, the optimum of each cell is what the law says, and the same fit forecasts the loss, the optimum and what a
setting off it gives up. Runs of one cell share what is peculiar to it, so errors are clustered by cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, VerdictError
from scaling.fitting.fit import fit
from scaling.fitting.intervals import percentile_interval, t_quantile
from scaling.fitting.objective import Objective
from scaling.formatting import format_plural
from scaling.hyperparameters.cells import Cells, find_cells
from scaling.hyperparameters.laws import labels
from scaling.hyperparameters.surface_check import drifts
from scaling.hyperparameters.surface_optimum import SurfaceOptimum
from scaling.hyperparameters.surface_starts import surface_starts, usable_bowls
from scaling.inputs import check_level
from scaling.serial import plain
from scaling.verdicts import WEAK

if TYPE_CHECKING:
    from scaling.prediction import Prediction
    from scaling.results import Fit

Array = NDArray[np.float64]

LAW = "tuned_loss"


@dataclass(frozen=True)
class LossSurface:
    """The law of the whole loss surface; see `fit_loss_surface`.

    Parameters
    ----------
    fit : Fit
        Of the law `tuned_loss`; its groups are the cells.
    cells : Cells
        All runs that were given.
    rows : ndarray of int (n,)
        Which of them were fitted, in the order of the fit's residuals.
    cutoff : float or None
        Share above the best loss of its cell up to which a run was fitted.
    """

    fit: Fit = field(repr=False)
    cells: Cells = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    cutoff: float | None = None

    @property
    def estimates(self) -> dict[str, float]:
        """Of the parameters, natural units."""
        return self.fit.estimates

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``."""
        return self.fit.verdict

    @property
    def left_out(self) -> int:
        """Runs that were not fitted: those beyond the cut-off, and those without a loss."""
        return self.cells.n_runs - len(self.rows)

    @property
    def closed(self) -> bool:
        """Whether the bowl rises in every direction, so that there is an optimum."""
        e = self.estimates
        return bool(4 * e["h_u"] * e["h_v"] > e["h_uv"] ** 2)

    @property
    def slope(self) -> float:
        """D ln lr*/d ln B near the optimum: how the best learning rate moves with a batch that is given."""
        return -self.estimates["h_uv"] / (2 * self.estimates["h_u"])

    def predict(
        self,
        n_params: ArrayLike,
        n_tokens: ArrayLike,
        lr: ArrayLike,
        batch: ArrayLike,
        *,
        level: float = 0.95,
        kind: str = "run",
        force: bool = False,
    ) -> Prediction:
        """Forecast the loss.

        Parameters
        ----------
        n_params, n_tokens, lr, batch : array_like (m,)
            Parameters, training tokens, peak learning rate, tokens a step.
        level, kind, force
            As of `Fit.predict`.

        Returns
        -------
        Prediction
            Nats a token.
        """
        return self.fit.predict(_inputs(n_params, n_tokens, lr, batch), level, kind, force)

    def optimum(self, n_params: float, n_tokens: float, level: float = 0.95) -> SurfaceOptimum:
        """Work out the learning rate and batch of the lowest loss.

        Parameters
        ----------
        n_params, n_tokens : float
            Parameters and training tokens.
        level : float, default 0.95
            Of the intervals, which come from the bootstrap where the fit has one and else from its covariance.

        Returns
        -------
        SurfaceOptimum

        Raises
        ------
        VerdictError
            Where the bowl is not closed.
        """
        self._require_closed()
        check_level(level)
        n, d = math.log(n_params), math.log(n_tokens)
        lr, lr_ends = self._exp_of({"p_0": 1.0, "p_N": n, "p_D": d}, level)
        batch, batch_ends = self._exp_of({"q_0": 1.0, "q_D": d}, level)
        loss = float(self.fit.evaluate(_inputs(n_params, n_tokens, lr, batch))[0, 0])
        return SurfaceOptimum(lr, batch, loss, lr_ends, batch_ends, level)

    def regret(self, n_params: ArrayLike, n_tokens: ArrayLike, lr: ArrayLike, batch: ArrayLike) -> Array:
        """Work out the loss expected to be given up at a learning rate and batch.

        Parameters
        ----------
        n_params, n_tokens, lr, batch : array_like (m,)
            Parameters, training tokens, peak learning rate, tokens a step.

        Returns
        -------
        ndarray (m,)
            Loss above that of the optimum, as a share of it.

        Raises
        ------
        VerdictError
            Where the bowl is not closed.
        """
        self._require_closed()
        e, at = self.estimates, _inputs(n_params, n_tokens, lr, batch)
        n, d = np.log(at["N"]), np.log(at["D"])
        best = _inputs(
            at["N"], at["D"], np.exp(e["p_0"] + e["p_N"] * n + e["p_D"] * d), np.exp(e["q_0"] + e["q_D"] * d)
        )
        return np.asarray(self.fit.evaluate(at)[0] / self.fit.evaluate(best)[0] - 1)

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table = {
            "law": LAW, "formula": self.fit.law.formula, "objective": str(self.fit.objective),
            "objective_value": self.fit.objective_value, "estimates": self.estimates,
            "intervals": {k: list(self.fit.interval(k, level)) for k in self.estimates}, "level": level,
            "interval_method": self.fit.interval_method, "closed": self.closed, "slope": self.slope,
            "n_obs": self.fit.n_obs, "cells": len(self.cells), "left_out": self.left_out, "cutoff": self.cutoff,
            "residual_rms": self.fit.diagnostics.residual_rms, "seed": self.fit.seed, "verdict": self.verdict,
            "reasons": list(self.fit.diagnostics.reasons),
        }  # fmt: skip
        out: dict[str, Any] = plain(table)
        return out

    def __repr__(self) -> str:
        bowl = "closed" if self.closed else "not closed, so there is no optimum"
        runs = format_plural(self.fit.n_obs, "run")
        left = f", {self.left_out} left out" if self.left_out else ""
        return f"{runs} in {format_plural(len(self.cells), 'cell')}{left}; the bowl is {bowl}\n{self.fit.summary()}"

    def _require_closed(self) -> None:
        if not self.closed:
            raise VerdictError(
                "the loss surface has no lowest point: it does not rise in every direction of learning rate and batch",
                hint="Widen the grids of learning rate and batch until both sides of the optimum are seen.",
            )

    def _exp_of(self, along: Mapping[str, float], level: float) -> tuple[float, tuple[float, float]]:
        """Exponential of a sum of parameters that the engine moves as they are, times numbers, and its interval."""
        names = self.fit.law.parameter_names
        at, x = [names.index(name) for name in along], np.array(list(along.values()))
        middle = float(self.fit.theta[at] @ x)
        if len(self.fit.replicates):
            low, high = percentile_interval(self.fit.replicates[:, at] @ x, self.fit.percentile_level(level))
        else:
            half = t_quantile(level, self.fit.degrees) * np.sqrt(x @ self.fit.covariance[np.ix_(at, at)] @ x)
            low, high = middle - half, middle + half
        return math.exp(middle), (float(np.exp(low)), float(np.exp(high)))


def fit_loss_surface(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    lr: ArrayLike,
    batch: ArrayLike,
    loss: ArrayLike,
    *,
    bootstrap: int = 0,
    seed: int = 0,
    cutoff: float | None = None,
    objective: str | Objective = "huber",
    delta: float | None = 0.005,
) -> LossSurface:
    """Fit the loss of all runs of a sweep over learning rate and batch at several sizes and numbers of tokens.

    Parameters
    ----------
    n_params, n_tokens : array_like (n,)
        Parameters and training tokens.
    lr : array_like (n,)
        Peak learning rate.
    batch : array_like (n,)
        Tokens a step.
    loss : array_like (n,)
        Final loss, nats a token. Runs without a finite one are left out; a run that diverged and has one is held off
        by the objective, or left out by the cut-off.
    bootstrap : int, default 0
        Draws of whole cells; with 0 intervals come from the covariance clustered by cell.
    seed : int, default 0
        Of the draws.
    cutoff : float, optional
        Share above the best loss of its cell up to which a run is fitted, such as 0.2; all are where missing.
    objective : str or Objective, default 'huber'
        What is minimised; see `scaling.fitting.objective`.
    delta : float, optional
        Of ``huber``: relative residuals beyond it count linearly. 0.005 is of the size of a cell's scatter.

    Returns
    -------
    LossSurface

    Raises
    ------
    InputDataError
        For columns that cannot be fitted, fewer than seven cells, and fewer than four with an optimum inside the grid.
    UsageError
        For a cut-off that is not above 0.
    """
    if cutoff is not None and not cutoff > 0:
        raise UsageError(f"a cut-off is a share of the loss above 0, not {cutoff:g}", hint="0.2 is 20 %.")
    cells = find_cells(n_params, n_tokens, lr, batch, loss)
    starts = surface_starts(cells)
    table = np.concatenate(
        [
            np.column_stack(
                [np.broadcast_to([c.n_params, c.n_tokens], (c.n, 2)), c.lr, c.batch, c.loss, c.relative, c.rows]
            )
            for c in cells
        ]
    )
    of_cell = np.repeat(np.arange(len(cells)), [c.n for c in cells])
    order = np.argsort(table[:, -1])
    table, of_cell = table[order], of_cell[order]
    kept = np.isfinite(table[:, 4]) & (table[:, 5] <= (np.inf if cutoff is None else cutoff))
    sizes, lengths, rates, batches, losses, _, rows = table[kept].T
    result = fit(
        LAW,
        _inputs(sizes, lengths, rates, batches),
        losses,
        objective=Objective.parse(objective, delta=delta if objective == "huber" else None),
        groups=labels(of_cell[kept]),
        start=starts,
        bootstrap=bootstrap,
        seed=seed,
    )
    concerns = tuple((WEAK, said) for said in drifts(result.estimates, usable_bowls(cells, 3)))
    result = replace(result, diagnostics=replace(result.diagnostics, concerns=concerns))
    return LossSurface(result, cells, rows.astype(np.int64), cutoff)


def _inputs(n_params: ArrayLike, n_tokens: ArrayLike, lr: ArrayLike, batch: ArrayLike) -> dict[str, Array]:
    columns = np.broadcast_arrays(*(np.asarray(v, float) for v in (n_params, n_tokens, lr, batch)))
    return dict(zip(("N", "D", "lr", "B"), columns, strict=True))
