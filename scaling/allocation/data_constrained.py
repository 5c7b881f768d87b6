"""Train on a corpus that runs out: what repeated tokens are worth, and how to split compute when data are scarce.

The law is that of Muennighoff et al. 2023, arXiv:2305.16264; see `scaling.allocation.repetition`. In it a token
repeated for the R-th time is worth ``exp(-R/R_D)`` of a fresh one, whatever the size of the model.

Everything here works from a fit of ``data_constrained`` or ``data_constrained_decay``, with intervals from its
bootstrap replicates, or from published coefficients, without intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.repetition import RepetitionLaw, effective_count
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_factor
from scaling.inputs import check_level
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.results import Fit
from scaling.roots import find_lowest
from scaling.verdicts import NOT_IDENTIFIED

Array = NDArray[np.float64]

_REACH = np.log(1e10)  # how far from N = D the optimum is sought, either way
_COARSE = 231


@dataclass(frozen=True)
class RepeatedAllocation:
    """The best model for each budget when only U unique tokens are there.

    Parameters
    ----------
    compute_flop : ndarray (m,)
        Budgets, C = 6 N D.
    unique_tokens : float
        U.
    n_params, n_tokens, epochs, loss : ndarray (m,)
        The optimum; epochs are D/U, below 1 where the budget does not use up the corpus.
    fresh_loss : ndarray (m,)
        The loss of the best model for the budget if data were without end.
    n_params_interval, epochs_interval, loss_interval : tuple of ndarray (m,)
        Percentiles of the optima of the replicates; NaN without replicates. The one of D follows from that of N.
    level : float
        Nominal coverage.
    extrapolation_factor : ndarray (m,)
        How far the optimum lies beyond the data; NaN for published coefficients.
    method, verdict : str
        How the intervals of N and of the epochs were made; that of the fit, ``extrapolating x37``, or ``published``.
    loss_method : str
        How that of the loss was made: with a back-test or rivals it is that of the forecast of the law's curve.
    backtests : tuple of str (m,)
        What the back-test says about forecasts as far out as each optimum; empty for published coefficients.
    """

    compute_flop: Array
    unique_tokens: float
    n_params: Array
    n_tokens: Array
    epochs: Array
    loss: Array
    fresh_loss: Array
    n_params_interval: tuple[Array, Array]
    epochs_interval: tuple[Array, Array]
    loss_interval: tuple[Array, Array]
    level: float
    extrapolation_factor: Array
    method: str
    verdict: str
    loss_method: str = ""
    backtests: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a budget."""
        columns = {
            "compute_flop": self.compute_flop,
            "unique_tokens": np.full(len(self.compute_flop), self.unique_tokens),
            "n_params": self.n_params,
            "n_params_low": self.n_params_interval[0],
            "n_params_high": self.n_params_interval[1],
            "n_tokens": self.n_tokens,
            "epochs": self.epochs,
            "epochs_low": self.epochs_interval[0],
            "epochs_high": self.epochs_interval[1],
            "loss": self.loss,
            "loss_low": self.loss_interval[0],
            "loss_high": self.loss_interval[1],
            "fresh_loss": self.fresh_loss,
            "extrapolation_factor": self.extrapolation_factor,
        }
        said = self.backtests or ("",) * len(self.compute_flop)
        return [
            {k: float(v[i]) for k, v in columns.items()} | {"loss_method": self.loss_method, "backtest": said[i]}
            for i in range(len(self.compute_flop))
        ]


def allocate_repeated(
    source: Fit | str, compute_flop: ArrayLike, unique_tokens: float, level: float = 0.95, force: bool = False
) -> RepeatedAllocation:
    """Split budgets between parameters and epochs over a corpus of U unique tokens.

    The lowest loss over N at D = C/(6N) is found numerically: there is no closed form once tokens repeat.

    Parameters
    ----------
    source : Fit or str
        As of `scaling.allocation.repetition.RepetitionLaw.of`.
    compute_flop : float or array_like (m,)
        Budgets, C = 6 N D.
    unique_tokens : float
        U.
    level : float, default 0.95
        Nominal coverage of the intervals.
    force : bool, default False
        Answer even where the verdict is ``not identified``.

    Returns
    -------
    RepeatedAllocation
        Intervals are of the law's own optimum; the scatter of single runs is not in them.

    Raises
    ------
    InputDataError
        Where a budget or the corpus is not a positive number.
    UsageError
        For a fit of another law, or an impossible level.
    VerdictError
        Where the fit is not identified.
    """
    check_level(level)
    budgets, unique = _positive(compute_flop, "compute budget"), float(_positive(unique_tokens, "unique tokens")[0])
    law = RepetitionLaw.of(source, force)
    log_n, loss = _best_split(law, budgets, np.full(len(budgets), unique))
    _, fresh = _best_split(law, budgets, np.full(len(budgets), np.inf))
    n = np.exp(log_n)
    tokens = budgets / FLOP_PER_PARAMETER_TOKEN / n
    factor, verdict = np.full(len(budgets), np.nan), "published"
    loss_interval, loss_method, backtests = law.interval(loss, level), law.method, ("",) * len(budgets)
    if law.fit is not None:
        targets = {"N": n[0], "D": tokens[0], "U": np.full(len(budgets), unique)}
        factor = law.fit.extrapolation_factor(targets)
        forecasts = [
            law.fit.predict({k: v[i : i + 1] for k, v in targets.items()}, level, "curve", force)
            for i in range(len(budgets))
        ]
        backtests = tuple(one.backtest for one in forecasts)
        if law.fit.backtest is not None or law.fit.rivals:
            low, high = (np.concatenate([getattr(one, end) for one in forecasts]) for end in ("low", "high"))
            loss_interval = low, high
            loss_method = forecasts[0].method
        largest = float(factor.max())
        extrapolates = largest >= 1.05 and law.fit.verdict != NOT_IDENTIFIED
        verdict = f"extrapolating {format_factor(largest)}" if extrapolates else law.fit.verdict
    return RepeatedAllocation(
        budgets, unique, n[0], tokens[0], tokens[0] / unique, loss[0], fresh[0],
        law.interval(n, level), law.interval(tokens / unique, level), loss_interval, level, factor,
        law.method, verdict, loss_method, backtests,
    )  # fmt: skip


def _best_split(law: RepetitionLaw, budgets: Array, unique: Array) -> tuple[Array, Array]:
    """Return ln N and the loss at the optimum of each row and budget, both (B, m): a grid, then golden section."""
    log_cells = np.log(budgets / FLOP_PER_PARAMETER_TOKEN)

    def loss(log_n: Array) -> Array:
        with np.errstate(all="ignore"):
            return law.loss(np.exp(log_n), np.exp(log_cells - log_n), unique)

    steps = np.linspace(-_REACH, _REACH, _COARSE)
    values = np.stack([loss(np.broadcast_to(0.5 * log_cells + s, (1, len(budgets)))) for s in steps])
    best = np.clip(np.argmin(np.where(np.isnan(values), np.inf, values), axis=0), 1, _COARSE - 2)
    log_n = find_lowest(loss, 0.5 * log_cells + steps[best - 1], 0.5 * log_cells + steps[best + 1])
    return log_n, loss(log_n)


@dataclass(frozen=True)
class EpochWorth:
    """What each pass over a corpus buys.

    Parameters
    ----------
    epoch : ndarray of int (m,)
        1 is the first pass.
    n_tokens : ndarray (m,)
        Tokens trained on at its end.
    effective_tokens : ndarray (m,)
        What they are worth in fresh ones.
    effective_tokens_interval : tuple of ndarray (m,)
        Percentiles of the replicates.
    loss_gain, fresh_gain : ndarray (m,)
        By how much the pass lowers the loss, and by how much as many fresh tokens would from the same point, both in
        the unit of the law and for any one size of model. Infinite for the first pass.
    worth : ndarray (m,)
        Their ratio; 1 for the first pass.
    worth_interval : tuple of ndarray (m,)
        Percentiles of the replicates.
    level : float
        Nominal coverage.
    method : str
        How the intervals were made.
    """

    epoch: NDArray[np.int64]
    n_tokens: Array
    effective_tokens: Array
    effective_tokens_interval: tuple[Array, Array]
    loss_gain: Array
    fresh_gain: Array
    worth: Array
    worth_interval: tuple[Array, Array]
    level: float
    method: str

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict an epoch."""
        return [
            {
                "epoch": int(self.epoch[i]),
                "n_tokens": float(self.n_tokens[i]),
                "effective_tokens": float(self.effective_tokens[i]),
                "effective_tokens_low": float(self.effective_tokens_interval[0][i]),
                "effective_tokens_high": float(self.effective_tokens_interval[1][i]),
                "loss_gain": float(self.loss_gain[i]),
                "fresh_gain": float(self.fresh_gain[i]),
                "worth": float(self.worth[i]),
                "worth_low": float(self.worth_interval[0][i]),
                "worth_high": float(self.worth_interval[1][i]),
            }
            for i in range(len(self.epoch))
        ]


def worth_of_epochs(
    source: Fit | str,
    unique_tokens: float,
    epochs: Sequence[int] = (1, 2, 3, 4, 8, 16, 32, 64),
    level: float = 0.95,
    force: bool = False,
) -> EpochWorth:
    """Say what the k-th pass over a corpus buys, against the same number of fresh tokens.

    Parameters
    ----------
    source : Fit or str
        As of `scaling.allocation.repetition.RepetitionLaw.of`.
    unique_tokens : float
        U.
    epochs : sequence of int, default (1, 2, 3, 4, 8, 16, 32, 64)
        Which passes.
    level : float, default 0.95
        Nominal coverage of the intervals.
    force : bool, default False
        Answer even where the verdict is ``not identified``.

    Returns
    -------
    EpochWorth

    Raises
    ------
    InputDataError
        Where the corpus is not a positive number of tokens.
    UsageError
        For a fit of another law, a pass that is not a whole number from 1 on, or an impossible level.
    VerdictError
        Where the fit is not identified.
    """
    check_level(level)
    unique = float(_positive(unique_tokens, "unique tokens")[0])
    k = np.asarray(epochs, float)
    if k.ndim != 1 or not k.size or not np.all((k >= 1) & (k == np.round(k)) & (k < 1e9)):
        raise UsageError("epochs are counted in whole numbers from 1 on", hint="Ask for 1, 2, 4 and 8, for example.")
    law = RepetitionLaw.of(source, force)
    after = effective_count(k, 1.0, law.R_D)  # in corpora
    before = np.where(k > 1, effective_count(np.maximum(k - 1, 1), 1.0, law.R_D), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # the first pass starts from an infinite loss
        scale = law.B * unique**-law.beta
        gain = scale * (before**-law.beta - after**-law.beta)
        fresh = scale * (before**-law.beta - (before + 1) ** -law.beta)
        worth = np.where(k > 1, gain / fresh, 1.0)
    effective = after * unique
    return EpochWorth(
        k.astype(np.int64), k * unique, effective[0], law.interval(effective, level), gain[0], fresh[0], worth[0],
        law.interval(worth, level), level, law.method,
    )  # fmt: skip


def epochs_until(
    source: Fit | str, share: ArrayLike = (0.5, 0.1), level: float = 0.95, force: bool = False
) -> tuple[Array, tuple[Array, Array]]:
    """Say after how many epochs another one buys less than a share of what fresh data would.

    The slope of the loss in repeated tokens is ``exp(-(k - 1)/R_D)`` of that in fresh ones after k epochs, so the
    answer is ``k = 1 + R_D*ln(1/share)``, whatever the model and the corpus.

    Parameters
    ----------
    source : Fit or str
        As of `scaling.allocation.repetition.RepetitionLaw.of`.
    share : float or array_like (m,), default (0.5, 0.1)
        Between 0 and 1.
    level : float, default 0.95
        Nominal coverage of the interval.
    force : bool, default False
        Answer even where the verdict is ``not identified``.

    Returns
    -------
    epochs : ndarray (m,)
    interval : tuple of ndarray (m,)
        Percentiles of the replicates; NaN where there are none.

    Raises
    ------
    UsageError
        For a fit of another law, or a share or level that is none.
    VerdictError
        Where the fit is not identified.

    Examples
    --------
    >>> epochs_until("muennighoff-2023", 0.5)[0].round(1).tolist()
    [11.7]
    """
    check_level(level)
    shares = np.atleast_1d(np.asarray(share, float))
    if not np.all((shares > 0) & (shares < 1)):
        raise UsageError("a share of the gain of fresh data lies between 0 and 1", hint="0.5 stands for half of it.")
    law = RepetitionLaw.of(source, force)
    epochs = 1 - law.R_D * np.log(shares)
    return epochs[0], law.interval(epochs, level)


def _positive(values: ArrayLike, what: str) -> Array:
    try:
        numbers = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"the {what} must be positive numbers: {error}") from error
    if numbers.ndim != 1 or not numbers.size or not np.all((numbers > 0) & np.isfinite(numbers)):
        raise InputDataError(f"the {what} must be positive and finite, not {np.ravel(values).tolist()}")
    return numbers
