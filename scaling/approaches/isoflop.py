"""Approach 2: the lowest point of the loss at each compute budget, and a power law through these points.

Runs of one budget differ in size. A parabola through their losses in ln(size) has its vertex at the compute-optimal
size; a straight line through the logarithms of the vertices gives the exponent (Hoffmann et al. 2022,
arXiv:2203.15556, approach 2). The vertex is off wherever the two sides of the valley differ in shape: see
`scaling.approaches.isoflop_bias`, without which no result of this module should be read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.approaches.budgets import Budgets, Refusal
from scaling.approaches.isoflop_line import QUANTITIES, BudgetOptimum, IsoFlop, with_line
from scaling.approaches.valley import CURVES, WEIGHTINGS, Valley, distinct_sizes, lowest_points
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.intervals import t_quantile
from scaling.formatting import format_count, format_number, format_plural
from scaling.inputs import check_level
from scaling.verdicts import NOT_IDENTIFIED

Array = NDArray[np.float64]

MIN_SIZES = 4


def fit_isoflops(
    sizes: ArrayLike,
    loss: ArrayLike,
    budgets: Budgets,
    *,
    quantity: str = "N",
    curve: str = "quadratic",
    weighting: str = "equal",
    groups: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> IsoFlop:
    """Find the lowest point of the loss at each budget, and the power law through these points.

    Parameters
    ----------
    sizes : array_like (n,)
        Parameters, or tokens, of the runs.
    loss : array_like (n,)
        Their losses.
    budgets : Budgets
        Which runs share a budget: from `scaling.approaches.budgets.group_budgets`.
    quantity : {'N', 'D'}, default 'N'
        What the sizes are.
    curve : {'quadratic', 'cubic', 'akima'}, default 'quadratic'
        What is laid through the losses of a budget, in ln(size). A cubic lets the two sides of the valley differ; an
        Akima spline goes through the mean of every size, noise included.
    weighting : {'equal', 'near'}, default 'equal'
        ``near`` gives a run the weight 1 / (1 + |ln size - ln optimum|), the optimum being that of equal weights.
    groups : array_like (n,), optional
        Which run a row is a checkpoint of; runs are then resampled whole, whatever their budgets.
    bootstrap : int, default 1000
        Replicates, of the rows within each budget. 0 for none, and no interval of the line.
    seed : int, default 0
        Of the bootstrap.
    level : float, default 0.95
        Nominal coverage of the intervals.

    Returns
    -------
    IsoFlop
        With a refusal in place of each budget, or of the line, that the runs do not determine.

    Raises
    ------
    InputDataError
        For sizes or losses that cannot be used.
    UsageError
        For an unknown curve or weighting, or an impossible level.

    Notes
    -----
    The error of a vertex is that of the delta method with the scatter of the budget's own runs. That scatter is judged
    by a polynomial of one degree more where there are sizes enough, since a parabola leaves more than noise. In the
    line, a vertex counts by the inverse square of its error with the scatter of all budgets pooled: a handful of runs
    tell little about their own.

    The bootstrap is wild: each run keeps its place and gets the noise that it has, with a sign that is drawn (one for
    all checkpoints of a run), so a budget of five sizes keeps them in every replicate. Drawing rows again instead made
    50 % intervals of the exponent cover 65 to 98 % in simulations. An Akima spline has no noise to sign, and there rows
    are drawn again within their budget. Percentiles are spread by the ratio of the t to the normal quantile. Where the
    vertices scatter about the line by more than their errors explain (chi-square below 5 %), the intervals of the line
    are widened by the root of chi-square over its degrees of freedom.
    """
    for word, known, what in ((curve, CURVES, "curve"), (weighting, WEIGHTINGS, "weighting")):
        if word not in known:
            raise UsageError(f"there is no {what} '{word}'", hint=did_you_mean(word, known))
    if quantity not in QUANTITIES:
        raise UsageError(f"'{quantity}' is neither N nor D")
    check_level(level)
    x, y = _positive(sizes, len(budgets.labels), quantity), _finite(loss, len(budgets.labels))
    draw = draw_weights if curve == "akima" else draw_signs
    draws = draw(budgets.labels, groups, bootstrap, seed)
    found, replicates, valleys = [], [], []
    for j, flop in enumerate(budgets.compute_flop.tolist()):
        rows = np.flatnonzero(budgets.labels == j)
        one, again, valley = _one_budget(
            np.log(x[rows]), y[rows], flop, budgets.refusal(j), curve, weighting, draws[:, rows], level, quantity
        )
        found.append(one)
        replicates.append(again)
        valleys.append(valley)
    vertices = np.log([one.optimum for one in found])
    unit, scatter = _line_weights(found, valleys)
    again = np.array(replicates).reshape(len(found), len(draws)).T
    how = {"quadratic": "parabola", "cubic": "cubic", "akima": "Akima spline"}[curve] + " in ln(size)"
    how += ", rows near the optimum weighing more" if weighting == "near" else ""
    drawn = "runs with all their checkpoints" if groups is not None else "rows within each budget"
    kind = "" if curve == "akima" else "wild "
    how += f"; percentiles of {len(draws)} {kind}bootstrap replicates of {drawn}, seed {seed}" * bool(len(draws))
    how += "" if len(draws) else "; no bootstrap"
    degrees = sum(valley.degrees for valley in valleys if valley is not None)
    blank = IsoFlop(
        quantity, tuple(found), np.nan, np.nan, np.nan, vertices, unit, scatter, again, np.empty((0, 2)), degrees,
        level, 1.0, how, NOT_IDENTIFIED, (), None,
    )  # fmt: skip
    return with_line(blank)


def draw_weights(labels: NDArray[np.int64], groups: ArrayLike | None, replicates: int, seed: int) -> Array:
    """Draw how often each row stands in each replicate.

    Parameters
    ----------
    labels : ndarray of int (n,)
        Budget of each row; rows are drawn again within theirs, so that every budget keeps its number of rows.
    groups : array_like (n,), optional
        Run of each row. Runs are then drawn whole, and budgets get the rows that come with them.
    replicates : int
        How many.
    seed : int
        Each replicate has its own child of the seed's sequence.

    Returns
    -------
    ndarray (replicates, n)
    """
    out = np.zeros((replicates, len(labels)))
    if groups is None:
        units = [np.flatnonzero(labels == j) for j in range(int(labels.max()) + 1)]
    else:
        _, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(replicates)):
        random = np.random.default_rng(child)
        if groups is None:
            for rows in units:
                out[i, rows] = np.bincount(random.integers(0, len(rows), len(rows)), minlength=len(rows))
        else:
            n = int(codes.max()) + 1
            out[i] = np.bincount(random.integers(0, n, n), minlength=n)[codes]
    return out


def draw_signs(labels: NDArray[np.int64], groups: ArrayLike | None, replicates: int, seed: int) -> Array:
    """Draw the signs of a wild bootstrap.

    Parameters
    ----------
    labels : ndarray of int (n,)
        Budget of each row; its length alone counts.
    groups : array_like (n,), optional
        Run of each row: its rows share one sign.
    replicates : int
        How many.
    seed : int
        Each replicate has its own child of the seed's sequence.

    Returns
    -------
    ndarray (replicates, n)
        1 and -1, equally likely.
    """
    codes = np.arange(len(labels))
    if groups is not None:
        _, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    units = int(codes.max()) + 1
    out = np.empty((replicates, len(labels)))
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(replicates)):
        out[i] = (2.0 * np.random.default_rng(child).integers(0, 2, units) - 1)[codes]
    return out


def _one_budget(
    x: Array,
    y: Array,
    flop: float,
    refusal: Refusal | None,
    curve: str,
    weighting: str,
    draws: Array,
    level: float,
    quantity: str,
) -> tuple[BudgetOptimum, Array, Valley | None]:
    """Fit one budget: its optimum, those of the replicates, and the curve; ln(size) and loss come in."""
    n_sizes = int(distinct_sizes(x).max()) + 1
    nothing = np.full(len(draws), np.nan)
    low, high = float(x.min()), float(x.max())
    word, where = QUANTITIES[quantity], f"at {format_number(flop)} FLOP"
    least = MIN_SIZES + (curve == "cubic")

    def refused(why: Refusal) -> tuple[BudgetOptimum, Array, None]:
        blank = (np.nan,) * 6
        return BudgetOptimum(flop, len(x), n_sizes, np.exp(low), np.exp(high), *blank, why), nothing, None

    if refusal is not None:
        return refused(refusal)
    if n_sizes < least:
        return refused(
            Refusal("too_few_sizes", f"{where} the runs have {format_plural(n_sizes, 'size')}, and {least} are needed")
        )
    valley = lowest_points(x, y, np.ones((1, len(x))), curve, weighting)
    vertex = float(valley.vertex[0])
    if np.isnan(vertex):
        return refused(
            Refusal("not_convex", f"{where} the loss has no lowest point in {word}: the {curve} curve is not a valley")
        )
    if not low < vertex < high:
        side, end = ("below the smallest", low) if vertex <= low else ("above the largest", high)
        beyond = f"{side} run, {format_count(float(np.exp(end)))} {word}"
        return refused(Refusal("edge_optimum", f"{where} the lowest point lies {beyond}"))
    again = nothing
    if len(draws):
        if curve == "akima":
            again = lowest_points(x, y, draws, curve, weighting).vertex
        else:
            again = lowest_points(
                x, valley.fitted + draws * valley.noise, np.ones(draws.shape), curve, weighting
            ).vertex
        with np.errstate(invalid="ignore"):
            again = np.where((again > low) & (again < high), again, np.nan)
    error = float(valley.log_error)
    half = t_quantile(level, valley.degrees) * error if valley.degrees > 0 else float("nan")
    one = BudgetOptimum(
        flop,
        len(x),
        n_sizes,
        float(np.exp(low)),
        float(np.exp(high)),
        float(np.exp(vertex)),
        float(np.exp(vertex - half)),
        float(np.exp(vertex + half)),
        error,
        float(valley.curvature[0]),
        float(np.mean(np.isnan(again))) if len(again) else float("nan"),
        None,
    )
    return one, again, valley


def _line_weights(found: list[BudgetOptimum], valleys: list[Valley | None]) -> tuple[Array, float]:
    """Weights of the vertices in the line, of mean 1, and the variance that belongs to the weight 1."""
    good = [j for j, valley in enumerate(valleys) if valley is not None]
    weights = np.full(len(found), np.nan)
    used = [valley for valley in valleys if valley is not None]
    if not used:
        return weights, float("nan")
    gain = np.array([valley.gain for valley in used])  # squared error of the vertex for a scatter of one
    if not np.all(np.isfinite(gain) & (gain > 0)):
        weights[good] = 1.0
        return weights, float("nan")
    weights[good] = (1 / gain) / np.mean(1 / gain)
    degrees = sum(valley.degrees for valley in used)
    pooled = sum(v.variance * v.degrees for v in used if v.degrees > 0) / degrees if degrees > 0 else float("nan")
    return weights, pooled / float(np.mean(1 / gain))


def _positive(values: ArrayLike, n: int, name: str) -> Array:
    out = _finite(values, n, name)
    if not np.all(out > 0):
        row = int(np.flatnonzero(out <= 0)[0])
        raise InputDataError(f"'{name}' must be positive, but row {row} has {out[row]:g}")
    return out


def _finite(values: ArrayLike, n: int, name: str = "loss") -> Array:
    try:
        out = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"'{name}' holds something that is not a number: {error}") from error
    if out.shape != (n,):
        raise InputDataError(f"'{name}' has shape {out.shape}, but there are {n} rows")
    if not np.all(np.isfinite(out)):
        row = int(np.flatnonzero(~np.isfinite(out))[0])
        raise InputDataError(f"'{name}' is {out[row]} in row {row}", hint="Leave such rows out.")
    return out
