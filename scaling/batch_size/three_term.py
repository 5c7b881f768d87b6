"""The loss over model size, steps and batch, and the batch of the lowest loss that follows from it.

Every run counts, also those whose batch was far from the best, so the batch itself is told well inside the data. The
exponent with which it grows is soft: it is a ratio of two exponents that trade against the floor of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.tuned import TunedRuns, tune_runs
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.inputs import check_level

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

SOFT = (
    "The exponent is soft: it rests on two exponents that trade against the floor of the loss, and moves with the "
    "range of batches that is fitted. Read batches inside the data."
)


@dataclass(frozen=True)
class OptimalBatch:
    """The batch of the lowest loss at a number of tokens.

    Parameters
    ----------
    estimate, low, high : float or ndarray
        Tokens a step.
    level : float
        Nominal coverage; the ends are NaN without replicates.
    extrapolation_factor : float or ndarray
        How far the tokens, or the batch, lie beyond those of the runs; 1 is inside.
    method : str
        How the interval was made.
    """

    estimate: Any
    low: Any
    high: Any
    level: float
    extrapolation_factor: Any
    method: str


@dataclass(frozen=True)
class ThreeTerm:
    """The fitted law and what follows from it; see `fit_three_term`.

    Parameters
    ----------
    fit : Fit
        Of the law ``three_term``, over N, S (steps) and B (tokens a step).
    runs : TunedRuns
        What was fitted: the loss at the best learning rate of each size, length and batch.
    notes : tuple of str
        What was left out, in sentences.
    """

    fit: Fit
    runs: TunedRuns = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """That of the fit."""
        return self.fit.verdict

    @property
    def exponent(self) -> float:
        """With which the best batch grows over tokens, beta/(beta + gamma)."""
        return float(_growth(self.fit.theta[None], self.fit)[1][0])

    @property
    def constant(self) -> float:
        """The best batch at one token, tokens a step."""
        return float(np.exp(_growth(self.fit.theta[None], self.fit)[0][0]))

    def exponent_interval(self, level: float = 0.9) -> tuple[float, float]:
        """Return the percentile interval of the exponent; NaN without replicates."""
        from scaling.bands import replicate_interval

        check_level(level)
        drawn = _growth(self.fit.replicates, self.fit)[1][:, None]
        low, high = replicate_interval(drawn, self.fit.percentile_level(level))
        return float(low[0]), float(high[0])

    def optimal_batch(self, n_tokens: ArrayLike, level: float = 0.9) -> OptimalBatch:
        """Work the batch of the lowest loss out, at any model size.

        Parameters
        ----------
        n_tokens : float or array_like (m,)
            Training tokens.
        level : float, default 0.9
            Nominal coverage.

        Returns
        -------
        OptimalBatch

        Notes
        -----
        With S = D/B the loss is lowest where beta F (B/D)^beta = gamma G / B^gamma, so
        B = (gamma G/(beta F))^(1/(beta + gamma)) D^(beta/(beta + gamma)).
        """
        from scaling.bands import replicate_interval

        check_level(level)
        tokens = np.asarray(n_tokens, float)
        flat = np.log(np.atleast_1d(tokens).ravel())
        constant, power = _growth(self.fit.theta[None], self.fit)
        at = np.exp(constant[0] + power[0] * flat)
        drawn, growth = _growth(self.fit.replicates, self.fit)
        low, high = replicate_interval(
            np.exp(drawn[:, None] + growth[:, None] * flat), self.fit.percentile_level(level)
        )
        seen = (self.runs.n_tokens.min(), self.runs.n_tokens.max()), self.fit.support["B"]
        factor = np.ones_like(at)
        for values, (first, last) in ((np.exp(flat), seen[0]), (at, seen[1])):
            factor = np.maximum(factor, np.maximum(values / last, first / values))

        def shape(values: Array) -> Any:
            return float(values[0]) if tokens.ndim == 0 else values.reshape(tokens.shape)

        return OptimalBatch(
            shape(at), shape(low), shape(high), level, shape(factor), self.fit.interval_method
        )  # fmt: skip

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return what a command prints as plain data."""
        from scaling.serial import plain

        out: dict[str, Any] = plain(
            {
                "law": self.fit.law.name, "estimates": self.fit.estimates, "n_obs": self.fit.n_obs,
                "residual_rms": self.fit.diagnostics.residual_rms, "exponent": self.exponent,
                "exponent_interval": self.exponent_interval(level), "constant": self.constant, "level": level,
                "interval_method": self.fit.interval_method, "verdict": self.verdict,
                "reasons": self.fit.diagnostics.reasons, "notes": (*self.notes, SOFT), "seed": self.fit.seed,
            }
        )  # fmt: skip
        return out

    def __repr__(self) -> str:
        low, high = self.exponent_interval(0.9)
        rms = format_percent(self.fit.diagnostics.residual_rms)
        lines = [
            f"Batch of the lowest loss: {format_number(self.constant, 3)}*D^{format_number(self.exponent, 3)} tokens a "
            f"step (exponent, 90 % interval {format_interval(low, high)})",
            f"  {format_plural(self.fit.n_obs, 'cell')}; the law misses their losses by {rms} (rms)",
            f"  {SOFT}",
            *(f"  {note}" for note in self.notes),
        ]
        return "\n".join([*lines, "", repr(self.fit)])


def fit_three_term(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    batch: ArrayLike,
    loss: ArrayLike,
    lr: ArrayLike | None = None,
    *,
    objective: str = "huber",
    keep_untuned: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
) -> ThreeTerm:
    """Fit the loss over model size, steps and batch.

    Parameters
    ----------
    n_params, n_tokens, batch, loss : array_like (n,)
        Of each run: parameters, training tokens, tokens a step, final loss (nats/token).
    lr : array_like (n,), optional
        Peak learning rate; the best one is taken, see `scaling.batch_size.tuned.tune_runs`.
    objective : str, default 'huber'
        As of `scaling.fit`.
    keep_untuned : bool, default False
        Whether cells stay in whose best run lies at an end of the learning rates: their losses are too high.
    bootstrap : int, default 1000
        Replicates, in which all batches of one size and length are drawn together.
    seed : int, default 0
        Recorded.

    Returns
    -------
    ThreeTerm

    Raises
    ------
    InputDataError
        For columns that cannot be used, or too few of them.
    """
    from scaling.fitting.fit import fit

    tuned = tune_runs(n_params, n_tokens, batch, loss, lr)
    runs = tuned if keep_untuned else tuned.only_bracketed()
    notes = list(tuned.notes)
    if runs.n < tuned.n:
        notes.append("They are left out.")
    cells = np.unique(np.stack([runs.n_params, runs.n_tokens], axis=1), axis=0, return_inverse=True)[1].ravel()
    inputs = {"N": runs.n_params, "S": runs.n_tokens / runs.batch, "B": runs.batch}
    made = fit(
        "three_term", inputs, runs.loss, objective=objective, bootstrap=bootstrap, seed=seed,
        groups=cells if len(np.unique(cells)) > 1 else None,
    )  # fmt: skip
    return ThreeTerm(made, runs, tuple(notes))


def _growth(theta: Array, fit: Fit) -> tuple[Array, Array]:
    """Logarithm of the best batch at one token, and its exponent, of rows (R, p) of parameters."""
    columns = dict(zip(fit.law.parameter_names, theta.T, strict=True)) if len(theta) else {}
    if not columns:
        return np.empty(0), np.empty(0)
    both = columns["beta"] + columns["gamma"]
    ratio = np.log(columns["gamma"] * columns["G"] / (columns["beta"] * columns["F"]))
    return ratio / both, columns["beta"] / both
