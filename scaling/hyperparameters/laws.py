"""Laws of the best learning rate and batch: from the optima of cells, with intervals from cells drawn whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError
from scaling.fitting.fit import fit
from scaling.formatting import format_count, format_interval, format_number, format_plural
from scaling.hyperparameters.bowl import Bowl, fit_bowls
from scaling.hyperparameters.cells import Cells
from scaling.hyperparameters.optima import Method, Optima, find_optima
from scaling.hyperparameters.slices import Slices, fit_slices
from scaling.laws.book import find_law
from scaling.laws.law import Law
from scaling.serial import plain
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from scaling.hyperparameters.curvature import Curvature
    from scaling.results import Fit

Array = NDArray[np.float64]

COUPLED_WITHIN = 4.0
_LEAST_CELLS = 3  # of the coupled law, and more points than parameters


@dataclass(frozen=True)
class TunedLaw:
    """A law of a hyperparameter.

    Parameters
    ----------
    fit : Fit
        Least squares of logarithms; its groups are the cells.
    group : ndarray of int (n,)
        Cell of each row.
    """

    fit: Fit = field(repr=False)
    group: NDArray[np.int64] = field(repr=False)

    @property
    def estimates(self) -> dict[str, float]:
        """Of the parameters, natural units."""
        return self.fit.estimates

    @property
    def n(self) -> int:
        """Points fitted."""
        return self.fit.n_obs

    @property
    def cells(self) -> int:
        """Cells that they come from."""
        return len(np.unique(self.group))

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``."""
        return self.fit.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return self.fit.diagnostics.reasons

    @cached_property
    def scatter(self) -> Array:
        """Mean residual of ln of each cell, shape (cells,), in the order of their numbers."""
        return np.array([self.fit.residuals[self.group == g].mean() for g in np.unique(self.group)])

    def at(self, inputs: Mapping[str, float]) -> float:
        """Work the law out; inputs that it does not have are left aside."""
        return float(self.fit.evaluate(self.given(inputs))[0, 0])

    def replicates_at(self, inputs: Mapping[str, float]) -> Array:
        """Work the law out at every bootstrap replicate, shape (B,)."""
        return np.asarray(self.fit.evaluate(self.given(inputs), self.fit.replicates)[:, 0])

    def given(self, inputs: Mapping[str, float]) -> dict[str, float]:
        """Return those of the inputs that the law has."""
        return {k: inputs[k] for k in self.fit.law.inputs}

    def sentence(self, level: float = 0.9) -> str:
        """Return the law in one line, with intervals."""
        values = self.estimates
        said = [f"{k} {format_number(v)} ({format_interval(*self.fit.interval(k, level))})" for k, v in values.items()]
        formula = f"{self.fit.law.output} = {self.fit.law.formula}"
        return f"{formula}: {', '.join(said)}; {format_plural(self.n, 'point')}, {self.cells} cells, {self.verdict}"

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return plain data."""
        return {
            "law": self.fit.law.name, "formula": self.fit.law.formula, "estimates": self.estimates,
            "intervals": {k: list(self.fit.interval(k, level)) for k in self.estimates}, "level": level,
            "interval_method": self.fit.interval_method, "n_obs": self.n, "cells": self.cells,
            "rms": float(np.sqrt(np.mean(self.fit.residuals**2))), "verdict": self.verdict,
            "reasons": list(self.reasons),
        }  # fmt: skip


@dataclass(frozen=True)
class TunedLaws:
    """Laws of the best learning rate and batch of a sweep.

    Parameters
    ----------
    cells : Cells
        The runs.
    optima : Optima
        What the first two laws were fitted to.
    lr : TunedLaw
        Best learning rate over parameters and tokens, at the best batch.
    batch : TunedLaw
        Best batch, tokens a step.
    coupled : TunedLaw or None
        Best learning rate at a batch that is given; None where too few batches have one.
    slices : Slices
        Best learning rates of single batches, those that the coupled law was fitted to.
    bowls : tuple of Bowl
        The loss surface of each cell, whatever the optima were found by.
    bootstrap, seed : int
        Draws of cells, the same for all laws.
    """

    cells: Cells = field(repr=False)
    optima: Optima = field(repr=False)
    lr: TunedLaw
    batch: TunedLaw
    coupled: TunedLaw | None
    slices: Slices = field(repr=False)
    bowls: tuple[Bowl, ...] = field(repr=False)
    bootstrap: int = 1000
    seed: int = 0

    @property
    def method(self) -> Method:
        """How the optima were found."""
        return self.optima.method

    @cached_property
    def curvature(self) -> Curvature:
        """How steep the loss rises around its optimum, over parameters and tokens."""
        from scaling.hyperparameters.curvature import fit_curvature

        return fit_curvature(self.bowls)

    @property
    def verdict(self) -> str:
        """The worse one of the learning rate's and the batch's."""
        return max((self.lr.verdict, self.batch.verdict), key=(OK, WEAK, NOT_IDENTIFIED).index)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What was found about either law, about the grids and about cells that were left out."""
        laws = [
            f"{name}: {reason}"
            for name, law in (("Learning rate", self.lr), ("Batch", self.batch))
            for reason in law.reasons
        ]
        return (*laws, *self.optima.left_out, *self.cells.warnings)

    def points_at(self, n_params: float, n_tokens: float) -> tuple[float, float]:
        """Return the best learning rate and batch (tokens a step) by the laws."""
        at = {"N": n_params, "D": n_tokens}
        return self.lr.at(at), self.batch.at(at)

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table = {
            "method": self.method.words, "lr": self.lr.to_dict(level), "batch": self.batch.to_dict(level),
            "coupled": None if self.coupled is None else self.coupled.to_dict(level),
            "cells": self.cells.to_dict(), "bowls": [bowl.to_dict() for bowl in self.bowls],
            "left_out": list(self.optima.left_out), "slices_left_out": list(self.slices.left_out),
            "curvature": self.curvature.to_dict() if any(bowl.ok for bowl in self.bowls) else None,
            "bootstrap": self.bootstrap, "seed": self.seed, "verdict": self.verdict, "reasons": list(self.reasons),
        }  # fmt: skip
        out: dict[str, Any] = plain(table)
        return out

    def __repr__(self) -> str:
        counts = self.cells.counts
        lines = [
            f"{format_plural(counts['runs'], 'run')} in {format_plural(counts['cells'], 'cell')}, "
            f"{counts['diverged']} diverged; optima: {self.method.words}",
            self.lr.sentence(),
            self.batch.sentence(),
        ]
        lines += [] if self.coupled is None else [self.coupled.sentence()]
        lines += [f"verdict: {self.verdict}", *(f"  - {reason}" for reason in self.reasons)]
        return "\n".join(lines)


def fit_laws(
    cells: Cells,
    method: Method | str = "bowl",
    *,
    cutoff: float | None = None,
    batch_law: str | Law = "optimal_batch",
    coupled_within: float | None = COUPLED_WITHIN,
    weighted: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
) -> TunedLaws:
    """Fit laws of the best learning rate and batch.

    Parameters
    ----------
    cells : Cells
        The runs; see `scaling.hyperparameters.find_cells`.
    method : Method or str, default 'bowl'
        How the optimum of a cell is found; see `scaling.hyperparameters.optima`.
    cutoff : float, optional
        Share above the best loss within which runs count, where the method is given as text.
    batch_law : str or Law, default 'optimal_batch'
        A law of N, D or both that predicts the batch, such as the formula ``k*N**p*D**q``.
    coupled_within : float or None, default 4
        The coupled law is fitted to batches within this factor of the best one of their cell, either way; None for
        all of them. The best learning rate bends over a wide range of batches: it rises nearly as
        sqrt(B) and faster at small ones and hardly at large ones.
    weighted : bool, default False
        Whether a vertex counts by its own error and the scatter of all of them; needs a bowl.
    bootstrap : int, default 1000
        Draws of whole cells; 0 for intervals from the covariance.
    seed : int, default 0
        Of the draws, which are the same for all laws.

    Returns
    -------
    TunedLaws

    Raises
    ------
    InputDataError
        For fewer cells than a law has parameters, and where all have one size or one number of tokens.
    UsageError
        For an unknown method.
    """
    optima = find_optima(cells, method, cutoff=cutoff)
    _check_spread(optima)
    settings = (bootstrap, seed)
    lr = _fitted("optimal_learning_rate", optima, optima.lr, weighted, 0, settings)
    batch = _fitted(batch_law, optima, optima.batch, weighted, 1, settings)
    how = optima.method
    bowls = fit_bowls(cells, how.share, how.order) if how.name == "bowl" else fit_bowls(cells)
    slices = fit_slices(cells)
    if coupled_within is not None:
        if not coupled_within > 1:
            raise UsageError(f"batches lie within a factor above 1 of the best, not {coupled_within:g}")
        best = np.array([b.vertex[1] if b.ok else math.log(b.cell.batch[b.cell.best]) for b in bowls])
        slices = slices.take(np.abs(np.log(slices.batch) - best[slices.group]) <= math.log(coupled_within))
    return TunedLaws(cells, optima, lr, batch, _coupled(slices, settings), slices, bowls, bootstrap, seed)


def _fitted(
    law: str | Law, optima: Optima, observed: Array, weighted: bool, which: int, settings: tuple[int, int]
) -> TunedLaw:
    inputs = {"N": optima.n_params, "D": optima.n_tokens}
    found = find_law(law, inputs)
    weights = _weights(found, inputs, observed, optima.covariance[:, which, which]) if weighted else None
    given = {name: inputs[name] for name in found.inputs if name in inputs}
    result = fit(
        found,
        given,
        observed,
        objective="squared",
        groups=labels(optima.group),
        weights=weights,
        bootstrap=settings[0],
        seed=settings[1],
    )
    return TunedLaw(result, optima.group)


def _coupled(slices: Slices, settings: tuple[int, int]) -> TunedLaw | None:
    law = find_law("coupled_learning_rate")
    if slices.n <= len(law.parameters) or len(np.unique(slices.group)) < _LEAST_CELLS:
        return None
    inputs = {"N": slices.n_params, "D": slices.n_tokens, "B": slices.batch}
    result = fit(
        law,
        inputs,
        slices.lr,
        objective="squared",
        groups=labels(slices.group),
        bootstrap=settings[0],
        seed=settings[1],
    )
    return TunedLaw(result, slices.group)


def labels(group: NDArray[np.int64]) -> NDArray[np.str_]:
    """Name cells so that their order as text is that of their numbers: laws of one sweep then draw the same cells."""
    return np.array([f"{g:06d}" for g in group])


def _weights(law: Law, inputs: Mapping[str, Array], observed: Array, variance: Array) -> Array | None:
    """Weigh by the error of each point and what scatters beyond it; None where errors are not known."""
    if not np.all(np.isfinite(variance)):
        return None
    given = {name: inputs[name] for name in law.inputs}
    plainly = fit(law, given, observed, objective="squared", bootstrap=0)
    spare = max(len(observed) - len(law.parameters), 1)
    beyond = max(float(plainly.residuals @ plainly.residuals) / spare - float(variance.mean()), 0.0)
    weights = 1 / (variance + beyond)
    return np.asarray(weights / weights.mean())


def _check_spread(optima: Optima) -> None:
    cells = len(np.unique(optima.group))
    if cells <= len(find_law("optimal_learning_rate").parameters):
        raise InputDataError(
            f"{format_plural(cells, 'cell')} of one size and one number of tokens cannot hold a law of both",
            hint="Run sweeps over learning rate and batch at four sizes and numbers of tokens or more."
            + (" " + " ".join(optima.left_out) if optima.left_out else ""),
        )
    for what, values in (("number of parameters", optima.n_params), ("number of tokens", optima.n_tokens)):
        if len(np.unique(values)) < 2:
            raise InputDataError(
                f"all cells have one {what}, {format_count(float(values[0]))}, so its exponent cannot be told",
                hint="Run sweeps at another one.",
            )
