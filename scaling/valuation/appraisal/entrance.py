"""Which score of a subset predicts what training on it gives, in which regime, and until where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, did_you_mean
from scaling.fitting.intervals import bca_interval
from scaling.formatting import format_plural
from scaling.inputs import check_level
from scaling.valuation.appraisal import broken_line
from scaling.valuation.appraisal.correlations import MEASURES, correlate, left_out, resampled
from scaling.valuation.appraisal.out_of_sample import held_out_errors, r_squared
from scaling.valuation.appraisal.over_optimised import OverOptimisation, detect_over_optimisation
from scaling.valuation.appraisal.result import Appraisal, Best, Coefficient, Difference, RandomSpread, Relation
from scaling.valuation.appraisal.table import FEWEST, Regime, Table, bend_rows, find_regimes, read_table

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

RANKED_BY = ("spearman", "kendall", "pearson")


def appraise(
    size: ArrayLike,
    performance: ArrayLike,
    scores: Mapping[str, ArrayLike],
    *,
    is_random: ArrayLike | None = None,
    class_counts: ArrayLike | None = None,
    class_entropy: ArrayLike | None = None,
    balanced: ArrayLike | None = None,
    budget: ArrayLike | None = None,
    better: str = "higher",
    measure: str = "spearman",
    level: float = 0.95,
    bootstrap: int = 1000,
    permutations: int = 999,
    seed: int = 0,
) -> Appraisal:
    """Hold scores of subsets against what training on the subsets gave.

    Parameters
    ----------
    size : array_like (n,)
        Examples or tokens of each subset.
    performance : array_like (n,)
        The held-out metric.
    scores : mapping of str to array_like (n,)
        One column an objective.
    is_random : array_like of bool (n,), optional
        Subsets that were drawn at random. Among them alone a score varies little, and correlations are told apart.
    class_counts : array_like (n, classes), optional
        Members of each class, for the entropy of classes and for what counts as class-balanced: counts that differ by
        at most 1.
    class_entropy : array_like (n,), optional
        That entropy itself, nats, where counts are not known.
    balanced : array_like of bool (n,), optional
        Which subsets are class-balanced, where the counts do not say it.
    budget : array_like (n,), optional
        What training on each subset was given, such as steps or FLOP.
    better : {"higher", "lower"}
        Of the performance. Every correlation is turned so that above 0 means a better performance at a higher score.
    measure : {"spearman", "kendall", "pearson"}
        What decides which objective predicts best.
    level : float, default 0.95
        Of all intervals.
    bootstrap, permutations : int
        Replicates of subsets, and permutations for the bend of each score.
    seed : int, default 0
        Of both; recorded.

    Returns
    -------
    Appraisal

    Raises
    ------
    InputDataError
        For columns that cannot be used, or fewer than eight subsets.
    UsageError
        For settings that mean nothing.

    Notes
    -----
    Intervals are bias-corrected and accelerated (BCa), of the bootstrap of subsets within sizes or budgets. Where the
    subsets of a regime have several sizes (or budgets), each is compared with those of its own alone.
    Differences between objectives are of the same replicates.
    """
    check_level(level)
    if measure not in RANKED_BY:
        raise UsageError(f"Objectives are not ranked by '{measure}'.", did_you_mean(measure, RANKED_BY))
    if bootstrap < 2:
        raise UsageError(f"{format_plural(bootstrap, 'replicate')} make no interval.", "Ask for about a thousand.")
    table = read_table(
        size, performance, scores, is_random=is_random, class_counts=class_counts, class_entropy=class_entropy,
        balanced=balanced, budget=budget, better=better,
    )  # fmt: skip
    regimes, missing = find_regimes(table)
    relations: list[Relation] = []
    best: list[Best] = []
    seeds = np.random.SeedSequence(seed).spawn(2 * len(regimes) + 1)
    for regime, child, other in zip(regimes, seeds[0::2], seeds[1::2], strict=False):
        found, told = _relate(table, regime, "all", measure, level, bootstrap, child)
        relations += found
        best.append(told)
        drawn = table.is_random[regime.rows]
        if FEWEST <= drawn.sum() < len(drawn):
            within = Regime(regime.name, regime.rows[drawn], np.unique(regime.strata[drawn], return_inverse=True)[1])
            relations += _relate(table, within, "random", measure, level, bootstrap, other)[0]
    detected, notes = _detect(table, level, bootstrap, permutations, seeds[-1])
    dropped = len(np.asarray(performance)) - len(table.size)
    if dropped:
        notes.insert(0, f"{format_plural(dropped, 'subset')} without a finite performance or score left out")
    return Appraisal(
        n=len(table.size), n_random=int(table.is_random.sum()), objectives=tuple(table.scores), better=better,
        relations=tuple(relations), best=tuple(best), over_optimised=detected, spreads=_spreads(table), missing=missing,
        notes=tuple(notes), rows=tuple(int(i) for i in table.rows), measure=measure, level=level, bootstrap=bootstrap,
        permutations=permutations, seed=seed,
    )  # fmt: skip


def _relate(
    table: Table, regime: Regime, which: str, measure: str, level: float, count: int, seed: np.random.SeedSequence
) -> tuple[list[Relation], Best]:
    """Correlate every score with performance in a regime, with intervals, and tell which predicts best."""
    rows, strata = regime.rows, regime.strata
    draw_seed, fold_seed = seed.spawn(2)
    scores = np.column_stack([column[rows] for column in table.scores.values()])
    y = table.upward[rows]
    controls, given = table.controls(rows)
    weights = resampled(strata, count, draw_seed)
    blocks = (np.ones((1, len(rows))), weights, left_out(len(rows)))
    data, replicates, jackknife = (correlate(scores, y, controls, strata, w) for w in blocks)
    intervals = {name: bca_interval(replicates[name], jackknife[name], data[name][0], level) for name in MEASURES}
    found = []
    for j, name in enumerate(table.scores):
        errors, method = held_out_errors(scores[:, j], y, strata, fold_seed)
        shares = [r_squared(errors, w)[:, None] for w in blocks]
        low, high = bca_interval(shares[1], shares[2], shares[0][0], level)
        coefficients = {
            one: Coefficient(float(data[one][0, j]), float(intervals[one][0][j]), float(intervals[one][1][j]))
            for one in MEASURES
        }
        found.append(
            Relation(
                objective=name, regime=regime.name, subsets=which, n=len(rows), strata=regime.n_strata, given=given,
                isotonic_r2=Coefficient(float(shares[0][0, 0]), float(low[0]), float(high[0])), held_out_by=method,
                **coefficients,
            )
        )  # fmt: skip
    return found, _best(
        list(table.scores), regime, measure, data[measure][0], replicates[measure], jackknife[measure], level
    )


def _best(
    names: list[str], regime: Regime, measure: str, value: Array, replicates: Array, jackknife: Array, level: float
) -> Best:
    """Hold the objective of the highest correlation against each other one, on the same replicates."""
    if np.all(np.isnan(value)):
        return Best(regime.name, measure, None, False, ())
    first = int(np.nanargmax(value))
    low, _ = bca_interval(replicates[:, [first]], jackknife[:, [first]], value[[first]], level)
    rivals = []
    for j in np.argsort(-np.nan_to_num(value, nan=-2), kind="stable"):
        if j == first or np.isnan(value[j]):
            continue
        gap = [a[:, [first]] - a[:, [j]] for a in (value[None], replicates, jackknife)]
        below, above = bca_interval(gap[1], gap[2], gap[0][0], level)
        rivals.append(Difference(names[j], float(gap[0][0, 0]), float(below[0]), float(above[0])))
    return Best(regime.name, measure, names[first], bool(low[0] > 0), tuple(rivals))


def _detect(
    table: Table, level: float, bootstrap: int, permutations: int, seed: np.random.SeedSequence
) -> tuple[tuple[OverOptimisation, ...], list[str]]:
    """Look for over-optimisation of each score among the subsets of the commonest size, or of all of them."""
    rows, notes = bend_rows(table.size)
    out = []
    states: Any = seed.generate_state(len(table.scores))
    for (name, column), state in zip(table.scores.items(), states, strict=True):
        if len(np.unique(column[rows])) < broken_line.FEWEST:
            notes.append(f"'{name}' has too few distinct scores for a line that bends")
            continue
        found = detect_over_optimisation(
            column[rows], table.performance[rows], is_random=table.is_random[rows], objective=name,
            better=table.better, level=level, permutations=permutations, bootstrap=bootstrap, seed=int(state),
        )  # fmt: skip
        of_input = table.rows[rows]
        out.append(replace(found, pushed_rows=tuple(int(of_input[i]) for i in found.pushed_rows)))
    return tuple(out), notes


def _spreads(table: Table) -> tuple[RandomSpread, ...]:
    """Sum up the random subsets of each size: what a score, and the performance, are by chance."""
    out = []
    for size in np.unique(table.size[table.is_random]):
        rows = table.is_random & (table.size == size)
        if rows.sum() < 3:
            continue
        for name, column in {"performance": table.performance, **table.scores}.items():
            values = column[rows]
            out.append(
                RandomSpread(
                    name, float(size), int(rows.sum()), float(values.mean()), float(values.std(ddof=1)),
                    float(values.min()), float(values.max()),
                )
            )  # fmt: skip
    return tuple(out)
