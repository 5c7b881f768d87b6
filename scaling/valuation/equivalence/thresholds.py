"""Which filtering threshold at which budget: strict filters win while their data are fresh, loose ones later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.allocation.repetition import RepetitionLaw
from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_count, format_count_interval
from scaling.inputs import check_level
from scaling.results import Fit
from scaling.roots import find_root
from scaling.valuation.equivalence.pool_law import Pool, PoolLaw
from scaling.valuation.equivalence.token_curve import TokenCurve, positive

Array = NDArray[np.float64]
KINDS = ("nested", "single")
PARAMETERS = ("E", "A", "B", "alpha", "beta", "R_D", "R_N")
_POINTS = 513  # budgets at which the best is looked for first
_LEVEL = 1e-12  # relative difference below which two filters are equally good


@dataclass(frozen=True)
class Thresholds:
    """The best filter of every budget.

    Parameters
    ----------
    kept : tuple of tuple of str
        Pools that are kept, in the order of budgets.
    crossings : ndarray (c,)
        Budgets in tokens at which one gives way to the next.
    crossing_intervals : tuple of ndarray (c,)
        Percentiles of the replicates: where those two cross; 0 or infinite where they do not within the budgets.
    budgets : (float, float)
        Smallest and largest that were asked about.
    n_params : float or None
        N.
    level : float
        Nominal coverage.
    method : str
        How intervals are made.
    """

    kept: tuple[tuple[str, ...], ...]
    crossings: Array
    crossing_intervals: tuple[Array, Array]
    budgets: tuple[float, float]
    n_params: float | None
    level: float
    method: str

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a filter: what it keeps, and from which budget to which."""
        ends = [self.budgets[0], *self.crossings.tolist(), self.budgets[1]]
        bounds = [*zip(*(v.tolist() for v in self.crossing_intervals), strict=True), (np.nan, np.nan)]
        return [
            {
                "kept": list(names),
                "from_tokens": ends[i],
                "to_tokens": ends[i + 1],
                "to_tokens_low": bounds[i][0],
                "to_tokens_high": bounds[i][1],
            }
            for i, names in enumerate(self.kept)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        out: dict[str, Any] = plain(
            {"n_params": self.n_params, "level": self.level, "method": self.method, "filters": self.rows()}
        )
        return out

    def __repr__(self) -> str:
        lines = []
        for row in self.rows():
            span = f"{format_count(row['from_tokens'])} to {format_count(row['to_tokens'])} tokens"
            line = f"{span}: {' + '.join(row['kept'])}"
            known = not np.isnan(row["to_tokens_low"])
            ends = format_count_interval(row["to_tokens_low"], row["to_tokens_high"])
            lines.append(f"{line} (gives way at {ends})" if known else line)
        return "\n".join([*lines, f"  intervals: {self.method}"])


def filtering_thresholds(
    source: Fit | str,
    pools: Sequence[Pool],
    budgets: tuple[float, float],
    n_params: float | None = None,
    *,
    kind: str = "nested",
    level: float = 0.95,
    at: Mapping[str, float] | None = None,
    tokens: str | None = None,
    force: bool = False,
) -> Thresholds:
    """Say which pools to keep at which budget.

    Parameters
    ----------
    source : Fit or str
        As of `allocate_pools`.
    pools : sequence of Pool
        Parts of the data between one threshold and the next, by their quality.
    budgets : (float, float)
        Smallest and largest number of training tokens.
    n_params : float, optional
        N, where the law has it.
    kind : {'nested', 'single'}, default 'nested'
        ``nested``: a filter keeps the best pools down to some weight, all with the same number of epochs. ``single``:
        one pool alone.
    level : float, default 0.95
        Nominal coverage of the crossings.
    at, tokens, force
        As of `scaling.valuation.worth`.

    Returns
    -------
    Thresholds

    Raises
    ------
    UsageError
        For an unknown kind or an empty range of budgets.
    InputDataError, VerdictError
        As of `allocate_pools`.
    """
    check_level(level)
    if kind not in KINDS:
        raise UsageError(f"there is no kind of filter '{kind}'", did_you_mean(kind, KINDS))
    low, high = (positive(value, "a budget") for value in budgets)
    if not low < high:
        raise UsageError(f"the budgets from {low:g} to {high:g} are none", hint="Give the smaller one first.")
    law = PoolLaw.of(source, pools, n_params, at=at, tokens=tokens, force=force)
    order = np.argsort(-law.weights[0], kind="stable")
    sets = [order[: m + 1] for m in range(len(order))] if kind == "nested" else [order[[m]] for m in range(len(order))]
    shares = np.zeros((len(sets), len(order)))
    for i, members in enumerate(sets):
        shares[i, members] = law.unique[members] / law.unique[members].sum()
    grid = np.linspace(np.log(low), np.log(high), _POINTS)
    alone = _estimates(law)
    table = np.array([[_merit(alone, np.exp(x) * share)[0] for x in grid] for share in shares])
    best = np.argmax(table >= table.max(axis=0) - _LEVEL * np.abs(table.max(axis=0)), axis=0)
    edges = np.flatnonzero(np.diff(best))
    crossings, ends = np.empty(len(edges)), np.empty((2, len(edges)))
    for i, edge in enumerate(edges):
        pair = shares[[best[edge], best[edge + 1]]]
        crossings[i] = np.exp(_crossings(alone, pair, grid[edge], grid[edge + 1])[0])
        ends[:, i] = law.interval(np.exp(_crossings(law, pair, grid[0], grid[-1])), level)
    kept = tuple(tuple(law.names[j] for j in sets[best[k]]) for k in [0, *(edges + 1).tolist()])
    return Thresholds(kept, crossings, (ends[0], ends[1]), (low, high), law.n_params, level, law.method)


def _merit(law: PoolLaw, tokens: Array) -> Array:
    """Return what is to be large, (1 + B,): effective tokens where these alone count, or minus the loss."""
    return law.effective(tokens) if isinstance(law.law, TokenCurve) else -law.loss(tokens)


def _crossings(law: PoolLaw, pair: Array, low: float, high: float) -> Array:
    """Return ln D (1 + B,) where the second split overtakes the first; minus or plus infinity where it does not."""

    def ahead(log_d: Array) -> Array:
        first, second = (_merit(law, np.exp(log_d)[:, None] * share) for share in pair)
        return second - first

    shape = law.weights.shape[:1]
    root = find_root(ahead, low, high, shape)
    return np.where(np.isnan(root), np.where(ahead(np.full(shape, low)) > 0, -np.inf, np.inf), root)


def _estimates(law: PoolLaw) -> PoolLaw:
    """Leave the replicates out."""
    if isinstance(law.law, TokenCurve):
        first: RepetitionLaw | TokenCurve = replace(law.law, theta=law.law.theta[:1])
    else:
        first = replace(law.law, **{name: getattr(law.law, name)[:1] for name in PARAMETERS})
    return replace(law, weights=law.weights[:1], decays=law.decays[:1], law=first)
