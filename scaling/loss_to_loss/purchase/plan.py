"""How many runs to buy on a new corpus, and which: what each choice costs, and what its map would miss the target by.

The runs are cells of a sweep that another corpus has already; a map takes the losses there to those of the new corpus,
and a large run of the old corpus gives x at the target. What the map would miss by is simulated: outcomes on the new
corpus are drawn from what maps between other corpora look like (`scaling.loss_to_loss.purchase.truths`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural
from scaling.loss_to_loss.purchase.result import Design, PurchasePlan
from scaling.loss_to_loss.purchase.truths import PairsOfCorpora, Truths, draw_truths, read_maps
from scaling.loss_to_loss.ranking.maps import LINEAR_FORMS, evaluate_linear, fit_linear

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

COUNTS = (3, 4, 5, 6, 8, 12, 20)
_RUNG = 1.5  # budgets are sorted into rungs of this ratio
_FEW_RANDOM = 25  # random choices of cells that are averaged


def plan_pairs(
    x: ArrayLike,
    budget: ArrayLike,
    cost: ArrayLike | None,
    target_x: float,
    *,
    maps: Sequence[PairsOfCorpora | tuple[ArrayLike, ArrayLike, ArrayLike]] = (),
    counts: Sequence[int] = COUNTS,
    forms: Sequence[str] = tuple(LINEAR_FORMS),
    simulations: int = 400,
    seed: int = 0,
) -> PurchasePlan:
    """Work out what a map from few runs on a new corpus would miss by, for many choices of runs.

    Parameters
    ----------
    x : array_like (n,)
        Loss of the source at each cell of its sweep, above 0.
    budget : array_like (n,)
        FLOP of each cell.
    cost : array_like (n,) or None
        What the cell would cost on the new corpus, FLOP; the budget where None.
    target_x : float
        Loss of the source where the forecast is wanted: that of a large run of its own, measured.
    maps : sequence of PairsOfCorpora, or of (x, y, budget)
        Paired losses of other corpora, one an ordered pair; see `draw_truths`. Without any, a stated prior.
    counts : sequence of int
        How many runs to try, from 2 on.
    forms : sequence of str
        Maps that may be fitted; of each design the one that misses least is taken.
    simulations : int, default 400
        Outcomes drawn; every design is tried on the same ones.
    seed : int, default 0
        Recorded.

    Returns
    -------
    PurchasePlan

    Raises
    ------
    InputDataError
        For columns that cannot be used, or fewer cells than any count.
    UsageError
        For settings that make no sense.

    Notes
    -----
    A design is a count, a largest budget and a span down to the smallest one. Its cells are spread evenly over the
    budgets in between, each the cell of the lowest x of its budget, and where there are more runs than budgets the next
    lowest ones.
    """
    u, flop, price = _check(x, budget, cost)
    if not (math.isfinite(target_x) and target_x > 0):
        raise UsageError(f"the loss at the target must be a number above 0, not {target_x}")
    if unknown := [form for form in forms if form not in LINEAR_FORMS]:
        raise UsageError(f"there is no form '{unknown[0]}' here", hint=f"There are: {', '.join(LINEAR_FORMS)}.")
    wanted = sorted({int(k) for k in counts})
    if not wanted or wanted[0] < 2 or not forms:
        raise UsageError("a design has two runs or more, and a form of the map")
    if simulations < 20:
        raise UsageError(f"{simulations} simulations say little; ask for some hundreds")
    usable = [k for k in wanted if k <= len(u)]
    if not usable:
        raise InputDataError(
            f"the sweep has {format_plural(len(u), 'cell')}, and the smallest design {wanted[0]}", hint="Ask for fewer."
        )
    read = read_maps(maps)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, 21]).spawn(2)]
    truths = draw_truths(u, flop, target_x, read, simulations, streams[0])
    rung = np.round(np.log(flop / flop.max()) / np.log(_RUNG)).astype(np.int64)
    designs: dict[tuple[int, ...], Design] = {}
    for k in usable:
        for cells in _choices(u, rung, k):
            key = tuple(sorted(cells.tolist()))
            if key not in designs:
                designs[key] = _judge(u, flop, price, cells, target_x, truths, forms)
    random = tuple(_random(u, flop, price, k, target_x, truths, forms, streams[1]) for k in usable)
    return PurchasePlan(
        designs=tuple(sorted(designs.values(), key=lambda d: d.cost_flop)),
        random=random,
        target_x=float(target_x),
        beyond=float(u.min() / target_x),
        maps=tuple(entry.name for entry in read),
        n_maps=truths.maps,
        n_cells=len(u),
        simulations=simulations,
        seed=seed,
    )


def _check(x: ArrayLike, budget: ArrayLike, cost: ArrayLike | None) -> tuple[Array, Array, Array]:
    columns = [np.atleast_1d(np.asarray(v, float)) for v in (x, budget, budget if cost is None else cost)]
    if len({len(v) for v in columns}) != 1:
        raise InputDataError(f"there are {len(columns[0])} losses, {len(columns[1])} budgets, {len(columns[2])} costs")
    for name, values in zip(("loss", "budget", "cost"), columns, strict=True):
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if len(bad):
            raise InputDataError(f"the {name} of cell {bad[0]} is {values[bad[0]]}, and must be a number above 0")
    return columns[0], columns[1], columns[2]


def _choices(x: Array, rung: Rows, count: int) -> list[Rows]:
    """Choose cells for every largest budget and every span down from it."""
    levels = np.unique(rung)[::-1]
    out = []
    for i, top in enumerate(levels):
        for low in levels[i:]:
            inside = levels[(levels <= top) & (levels >= low)]
            if len(inside) < 2 and count > 1 and len(levels) > 1:
                continue  # one budget draws no line that reaches another
            cells = _spread(x, rung, inside, count)
            if cells is not None:
                out.append(cells)
    return out


def _spread(x: Array, rung: Rows, levels: Rows, count: int) -> Rows | None:
    """Spread runs over the budgets of a range: both ends first, then evenly, then the next lowest of each."""
    if count <= len(levels):
        picked = levels[np.round(np.linspace(0, len(levels) - 1, count)).astype(int)]
        return np.array([_lowest(x, rung, level)[0] for level in picked])
    queues = [list(_lowest(x, rung, level)) for level in levels]
    out: list[int] = []
    while len(out) < count and any(queues):
        for queue in queues:
            if queue and len(out) < count:
                out.append(queue.pop(0))
    return np.array(out) if len(out) == count else None


def _lowest(x: Array, rung: Rows, level: int) -> Rows:
    """Cells of a budget, that of the lowest x first: where runs are nearly compute-optimal."""
    cells = np.flatnonzero(rung == level)
    return np.asarray(cells[np.argsort(x[cells], kind="stable")])


def _judge(
    x: Array, budget: Array, cost: Array, cells: Rows, target_x: float, truths: Truths, forms: Sequence[str]
) -> Design:
    """Fit every form to every outcome, and keep the form that misses least."""
    errors = {form: _errors(form, x[cells], truths.cells[:, cells], target_x, truths.target) for form in forms}
    form = min(errors, key=lambda f: (float(np.mean(errors[f])), LINEAR_FORMS[f][1]))
    at = budget[cells]
    return Design(
        count=len(cells), largest_flop=float(at.max()), span=float(at.max() / at.min()),
        cost_flop=float(cost[cells].sum()), form=form, mean_error=float(np.mean(errors[form])),
        p90_error=float(np.quantile(errors[form], 0.9)), cells=tuple(int(i) for i in cells[np.argsort(at)]),
    )  # fmt: skip


def _random(
    x: Array, budget: Array, cost: Array, count: int, target_x: float, truths: Truths, forms: Sequence[str],
    random: np.random.Generator,
) -> Design:  # fmt: skip
    """Choose cells at random, several times, and judge the choices together."""
    chosen = [random.permutation(len(x))[:count] for _ in range(_FEW_RANDOM)]
    parts = {
        form: np.concatenate(
            [_errors(form, x[c], truths.cells[:, c], target_x, truths.target) for c in chosen]
        )
        for form in forms
    }  # fmt: skip
    form = min(parts, key=lambda f: (float(np.mean(parts[f])), LINEAR_FORMS[f][1]))
    tops, spans = zip(*((budget[c].max(), budget[c].max() / budget[c].min()) for c in chosen), strict=True)
    price = float(np.mean([cost[c].sum() for c in chosen]))
    return Design(
        count=count, largest_flop=float(np.median(tops)), span=float(np.median(spans)), cost_flop=price, form=form,
        mean_error=float(np.mean(parts[form])), p90_error=float(np.quantile(parts[form], 0.9)), cells=(),
    )  # fmt: skip


def _errors(form: str, x: Array, log_y: Array, target_x: float, log_truth: Array) -> Array:
    """Relative sizes of what maps through cells miss the target by, one an outcome; at most 1, as without any value."""
    found, centre = fit_linear(form, x, np.exp(log_y))
    forecast = evaluate_linear(form, found, centre, np.array([[target_x]]))[:, 0]
    with np.errstate(over="ignore"):
        return np.asarray(np.fmin(np.abs(forecast / np.exp(log_truth) - 1), 1.0))
