"""How many epochs of which pool, when good data are scarce and other data are plenty.

What a budget of tokens buys is concave in each pool's share, so the best split fills up to one level of marginal worth
(water-filling), which is found exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_count, format_interval, format_number, format_percent
from scaling.inputs import check_level
from scaling.results import Fit
from scaling.valuation.equivalence.pool_law import Pool, PoolLaw
from scaling.valuation.equivalence.token_curve import positive

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PoolAllocation:
    """The best use of a budget of tokens over pools.

    Parameters
    ----------
    names : tuple of str
        Of the k pools.
    n_tokens, n_params : float
        D and N.
    tokens, epochs : ndarray (k,)
        The best split.
    epochs_interval : tuple of ndarray (k,)
        Percentiles of the best splits of the replicates.
    effective : float
        Fresh tokens of the reference that the split is worth.
    effective_interval : (float, float)
        Of it.
    loss : float
        Of a model of N parameters after it.
    loss_interval : (float, float)
        Of the law's curve.
    next_worth : float
        Fresh tokens of the reference that one more token of the budget is worth.
    strategies : tuple of dict
        ``strategy`` (``best``, ``uniform`` or ``only X``), ``effective``, ``loss`` and ``loss_above_best`` with their
        intervals; uniform is the same number of epochs of every pool.
    level : float
        Nominal coverage.
    method, verdict : str
        How intervals are made; of the law where the split is.
    """

    names: tuple[str, ...]
    n_tokens: float
    n_params: float | None
    tokens: Array
    epochs: Array
    epochs_interval: tuple[Array, Array]
    effective: float
    effective_interval: tuple[float, float]
    loss: float
    loss_interval: tuple[float, float]
    next_worth: float
    strategies: tuple[dict[str, Any], ...]
    level: float
    method: str
    verdict: str

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a pool."""
        return [
            {
                "pool": self.names[i],
                "n_tokens": float(self.tokens[i]),
                "epochs": float(self.epochs[i]),
                "epochs_low": float(self.epochs_interval[0][i]),
                "epochs_high": float(self.epochs_interval[1][i]),
            }
            for i in range(len(self.names))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        names = ("n_tokens", "n_params", "effective", "loss", "next_worth", "level", "method", "verdict", "strategies")
        out: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {"effective_low": self.effective_interval[0], "effective_high": self.effective_interval[1]}
            | {"loss_low": self.loss_interval[0], "loss_high": self.loss_interval[1], "pools": self.rows()}
        )
        return out

    def __repr__(self) -> str:
        worth, ends = format_count(self.effective), format_interval(*self.loss_interval)
        lines = [
            f"{format_count(self.n_tokens)} tokens, worth {worth} fresh ones; loss {format_number(self.loss)} ({ends})"
        ]
        for row in self.rows():
            ends = format_interval(row["epochs_low"], row["epochs_high"])
            amount = f"{format_number(row['epochs'], 3)} epochs ({ends}), {format_count(row['n_tokens'])} tokens"
            lines.append(f"  {row['pool']}: {amount}")
        for row in self.strategies[1:]:
            more = f"loss {format_number(row['loss'])}, {format_number(row['loss_above_best'], 2)} above the best"
            lines.append(f"  {row['strategy']}: worth {format_count(row['effective'])}; {more}")
        said = f"one more token is worth {format_percent(self.next_worth)} of a fresh one"
        return "\n".join([*lines, f"  {said}; verdict: {self.verdict}; intervals: {self.method}"])


def allocate_pools(
    source: Fit | str,
    pools: Sequence[Pool],
    n_tokens: float,
    n_params: float | None = None,
    *,
    level: float = 0.95,
    at: Mapping[str, float] | None = None,
    tokens: str | None = None,
    force: bool = False,
) -> PoolAllocation:
    """Split a budget of training tokens over pools so that it is worth the most.

    Parameters
    ----------
    source : Fit or str
        A law of tokens, such as ``chinchilla`` (each pool then needs a decay), one of repeated data
        (``data_constrained``), one of sources (`fit_source_weights`), or published coefficients: ``muennighoff-2023``.
    pools : sequence of Pool
        k of them.
    n_tokens : float
        D, repeats counted.
    n_params : float, optional
        N, where the law has it.
    level : float, default 0.95
        Nominal coverage.
    at, tokens, force
        As of `scaling.valuation.worth`.

    Returns
    -------
    PoolAllocation
        The split of the lowest loss: for most laws that of the most effective tokens.

    Raises
    ------
    InputDataError
        For pools without tokens, negative weights, or names that stand twice.
    UsageError
        For a law without tokens, or a pool without a decay where the law has none.
    VerdictError
        Where the law is not identified and `force` is not set.

    Examples
    --------
    >>> allocate_pools("muennighoff-2023", [Pool("books", 1e9), Pool("web", 1e11, 0.3)], 2e10, 1e9).epochs.round(2)
    array([9.84, 0.1 ])
    """
    check_level(level)
    law = PoolLaw.of(source, pools, n_params, at=at, tokens=tokens, force=force)
    total = positive(n_tokens, "the number of tokens")
    split = law.best_split(total)
    effective, loss = law.effective(split), law.loss(split)
    plans = {"best": split, "uniform": total * law.unique / law.unique.sum()}
    plans |= {f"only {name}": total * np.eye(len(pools))[i] for i, name in enumerate(law.names)}
    rows = []
    for name, plan in plans.items():
        worth, reached = law.effective(plan), law.loss(plan)
        with np.errstate(invalid="ignore"):
            above = reached - loss
        row: dict[str, Any] = {"strategy": name}
        for key, values in (("effective", worth), ("loss", reached), ("loss_above_best", above)):
            low, high = law.interval(values, level)
            row |= {key: float(values[0]), f"{key}_low": float(low), f"{key}_high": float(high)}
        rows.append(row)
    low, high = law.interval(split / law.unique, level)
    return PoolAllocation(
        tuple(law.names), total, law.n_params, split[0], split[0] / law.unique, (low, high), float(effective[0]),
        (rows[0]["effective_low"], rows[0]["effective_high"]), float(loss[0]),
        (rows[0]["loss_low"], rows[0]["loss_high"]), float(law.next_worth(split)[0]), tuple(rows), level, law.method,
        law.verdict(split),
    )  # fmt: skip
