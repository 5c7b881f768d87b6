"""Small against large models over time: whether size still buys a score that small models do not reach."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.shift.checks import check_settings, clusters, days, numbers, shares, usable
from scaling.boundary.shift.dominance import RULES, Panel, Rule, dominated, from_counts, make_panel, window_counts
from scaling.boundary.shift.proportions import METHODS, design_effect, proportion_interval
from scaling.boundary.shift.quasi import fit_binomial
from scaling.boundary.shift.saturated import MonthlyShare, RuleShares, Saturation, Trend
from scaling.boundary.shift.size_slope import size_slopes
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.intervals import t_quantile

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_YEAR = 365.25
_BLOCK = 256  # organisations left out at a time


def measure_saturation(
    score: ArrayLike,
    n_params: ArrayLike,
    date: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    threshold: float = 13e9,
    window: int = 180,
    quantile: float = 0.95,
    matched: int = 20,
    rules: Sequence[str] = RULES,
    interval: str = "wilson",
    level: float = 0.95,
    permutations: int = 200,
    seed: int = 0,
) -> Saturation:
    """Measure which share of large models lies below small ones, month by month, and what it means.

    Parameters
    ----------
    score : array_like (n,)
        Share of items solved by each model, or per cent; NaN where missing.
    n_params : array_like (n,)
        Parameters.
    date : array_like (n,)
        Release dates, as ISO texts or dates.
    groups : array_like (n,), optional
        Organisations; a model without one stands alone.
    threshold : float, default 13e9
        Parameters that part small models from large ones; models of exactly that size are neither.
    window : int, default 180
        Days before a large model whose small models count, for the rules of a window.
    quantile : float, default 0.95
        Of the scores of small models, for ``window_quantile``.
    matched : int, default 20
        Small models drawn, for ``matched_best``; a window with fewer says nothing.
    rules : sequence of str
        Of ``running_max`` (arXiv:2602.15327), ``window_quantile`` and ``matched_best``.
    interval : {'wilson', 'jeffreys'}
        Of the shares; models of one organisation that are alike count for fewer (the design effect).
    level : float, default 0.95
        Nominal coverage.
    permutations : int, default 200
        Shuffles of the sizes within each month.
    seed : int, default 0
        Of them.

    Returns
    -------
    Saturation

    Raises
    ------
    InputDataError
        For scores, sizes or dates that cannot be used, or no small or no large model.
    UsageError
        For settings that mean nothing.

    Notes
    -----
    The best small model so far rises with the number of small models whatever they can do. What that does alone is
    measured by shuffling sizes among the models of each month: small and large then differ in nothing but number. The
    shuffles take models as independent; those of one organisation are alike, which makes their p-values too small.
    """
    chosen = _rules(rules, threshold, window, quantile, matched, interval)
    check_settings(level, permutations, seed)
    values, note = shares(score, "score")
    size = numbers(n_params, "n_params")
    cleaned = usable({"score": values, "n_params": np.where(size > 0, size, np.nan), "date": days(date)}, (note,))
    codes, labels = clusters(groups, len(values))
    columns, group = cleaned.columns, codes[cleaned.kept]
    panel = make_panel(columns["score"], columns["n_params"], columns["date"], group, threshold)
    if not (panel.small.any() and panel.large.any()):
        raise InputDataError(
            f"there are {panel.small.sum()} models below and {panel.large.sum()} above {threshold:g} parameters, "
            "so there is nothing to compare",
            hint="Give parameters as counts (7e9, not 7), or another threshold.",
        )
    shuffled = _shuffles(panel, permutations, seed)
    order = np.lexsort((columns["score"], columns["date"]))
    slopes = size_slopes(
        panel.score, np.log10(columns["n_params"][order]), panel.month, panel.month_names, panel.group, level
    )
    return Saturation(
        rules=tuple(_measure(panel, rule, shuffled, labels, level, interval) for rule in chosen),
        slopes=slopes,
        n=len(panel),
        n_small=int(panel.small.sum()),
        n_large=int(panel.large.sum()),
        n_groups=len(np.unique(panel.group)),
        threshold=float(threshold),
        level=level,
        interval=interval,
        permutations=permutations,
        seed=seed,
        left_out=cleaned.left_out,
        notes=cleaned.notes,
    )


def _rules(
    names: Sequence[str], threshold: float, window: int, quantile: float, matched: int, interval: str
) -> list[Rule]:
    for name in names:
        if name not in RULES:
            raise UsageError(f"there is no rule called '{name}'", hint=did_you_mean(name, RULES))
    if not names:
        raise UsageError("no rule was asked for", hint=f"There are: {', '.join(RULES)}.")
    if interval not in METHODS:
        raise UsageError(f"there is no interval of a share called '{interval}'", hint=did_you_mean(interval, METHODS))
    if not (threshold > 0 and window >= 1 and 0 < quantile < 1 and matched >= 2):
        raise UsageError(
            f"threshold {threshold:g}, window {window}, quantile {quantile:g} and matched {matched} do not go together",
            hint="Threshold above 0, a window of a day at least, a quantile between 0 and 1, and two models or more.",
        )
    return [Rule(name, window, quantile, matched) for name in names]


def _shuffles(panel: Panel, permutations: int, seed: int) -> NDArray[np.int64]:
    """Orders of the rows (n, permutations) that move models within their month only."""
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    keys = generator.random((len(panel), permutations)) + panel.month[:, None]
    return np.argsort(keys, axis=0)


def _measure(
    panel: Panel, rule: Rule, shuffled: NDArray[np.int64], labels: tuple[str, ...], level: float, interval: str
) -> RuleShares:
    months = len(panel.month_names)
    values = dominated(panel, rule, panel.small[:, None])[:, 0]
    compared = panel.large & np.isfinite(values)
    count, total = _by_month(panel, values, compared)
    permuted = _permuted(panel, rule, shuffled)
    left_out = _leave_one_out(panel, rule, compared, values)
    effect = np.ones(months)
    if compared.any():
        effect[: int(panel.month[compared].max()) + 1] = design_effect(
            values[compared], panel.group[compared], panel.month[compared]
        )
    low, high = proportion_interval(total / effect, count / effect, level, interval)
    small = np.bincount(panel.month[panel.small], minlength=months)
    rows = []
    for m, name in enumerate(panel.month_names):
        if not count[m]:
            continue
        share, null = float(total[m] / count[m]), permuted[m][np.isfinite(permuted[m])]
        ends = np.quantile(null, [(1 - level) / 2, (1 + level) / 2]) if len(null) else (math.nan, math.nan)
        without, by = _lowest(left_out, m)
        rows.append(
            MonthlyShare(
                month=name,
                n_small=int(small[m]),
                n_large=int(count[m]),
                n_groups=len(np.unique(panel.group[compared & (panel.month == m)])),
                dominated=float(total[m]),
                share=share,
                low=float(low[m]),
                high=float(high[m]),
                permuted=float(np.mean(null)) if len(null) else math.nan,
                permuted_low=float(ends[0]),
                permuted_high=float(ends[1]),
                p=float((1 + np.sum(null <= share + 1e-12)) / (len(null) + 1)) if len(null) else math.nan,
                without_one=share if by is None else without,
                rests_on="" if by is None or without >= share - 1e-12 else labels[by],
            )
        )
    trend = _trend(panel, values, compared, level)
    return RuleShares(rule.name, str(rule), tuple(rows), trend, int((panel.large & ~compared).sum()))


def _by_month(panel: Panel, values: Array, rows: Mask) -> tuple[Array, Array]:
    """Return how many models there are in each month, and the sum of their values."""
    months, month = len(panel.month_names), panel.month[rows]
    count, total = np.bincount(month, minlength=months), np.bincount(month, values[rows], minlength=months)
    return count.astype(float), total.astype(float)


def _permuted(panel: Panel, rule: Rule, shuffled: NDArray[np.int64]) -> Array:
    """Shares of each month with sizes shuffled, shape (months, permutations); NaN where none is known."""
    small, large = panel.small[shuffled], panel.large[shuffled]
    values = dominated(panel, rule, small)
    some = large & np.isfinite(values)
    months = len(panel.month_names)
    count, total = np.zeros((months, small.shape[1])), np.zeros((months, small.shape[1]))
    np.add.at(count, panel.month, some.astype(float))
    np.add.at(total, panel.month, np.where(some, values, 0.0))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _leave_one_out(panel: Panel, rule: Rule, compared: Mask, values: Array) -> dict[int, Array]:
    """Shares of each month without the small models of one organisation, for those that could matter."""
    out: dict[int, Array] = {}
    count, _ = _by_month(panel, values, compared)

    def share(changed: Array) -> Array:
        # a model whose small ones become too few keeps its value: nothing is known of what it would be
        now = np.where(np.isfinite(changed), changed, values[compared])
        sums = np.bincount(panel.month[compared], now, minlength=len(count))
        return np.where(count > 0, sums / np.maximum(count, 1), np.nan)

    if not compared.any():
        return out
    if rule.name == "running_max":
        for group in _record_holders(panel):
            small = panel.small & (panel.group != group)
            out[group] = share(dominated(panel, rule, small[:, None])[compared, 0])
        return out
    all_of = window_counts(panel, rule.window, panel.small[:, None], compared)
    groups = np.unique(panel.group[panel.small])
    for start in range(0, len(groups), _BLOCK):
        block = groups[start : start + _BLOCK]
        own = window_counts(panel, rule.window, panel.small[:, None] & (panel.group[:, None] == block), compared)
        changed = from_counts(rule, all_of[0] - own[0], all_of[1] - own[1])
        out |= {int(group): share(changed[:, k]) for k, group in enumerate(block)}
    return out


def _record_holders(panel: Panel) -> list[int]:
    """Organisations whose small models were ever the best so far: only without them does the running best change."""
    score = np.where(panel.small, panel.score, -np.inf)
    best = np.maximum.accumulate(score)
    return sorted({int(g) for g in panel.group[panel.small & (score >= best)]})


def _lowest(left_out: dict[int, Array], month: int) -> tuple[float, int | None]:
    """Return the lowest share of a month without one organisation, and without which."""
    known = [(float(by_month[month]), group) for group, by_month in left_out.items() if np.isfinite(by_month[month])]
    return min(known) if known else (math.nan, None)


def _trend(panel: Panel, values: Array, compared: Mask, level: float) -> Trend | None:
    """Fit the change of the log-odds of lying below, over the years; None where the data do not tell."""
    group, day = panel.group[compared], panel.day[compared]
    if len(np.unique(group)) < 5 or len(np.unique(panel.month[compared])) < 3:
        return None
    years = (day - day.mean()) / _YEAR
    design = np.column_stack([np.ones(len(years)), years])
    fit = fit_binomial(design, values[compared], np.ones(len(years)), group)
    variance = float(fit.covariance[1, 1])
    if not fit.converged or not variance >= 0:
        return None
    half = t_quantile(level, len(np.unique(group)) - 1) * math.sqrt(variance)
    slope = float(fit.coefficients[1])
    return Trend(slope, slope - half, slope + half)
