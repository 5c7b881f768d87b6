"""Find starting values: a spread of points over the non-linear parameters, with the linear ones projected out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product

import numpy as np
import sympy
from numpy.typing import NDArray

from scaling.laws.formula import parse_formula, symbol
from scaling.laws.law import Law

Array = NDArray[np.float64]

_GRID = {1: 65, 2: 17}  # points a parameter; beyond two, or without bounds, a low-discrepancy sequence is finer
_SEQUENCE = 4096
_MAX_ROWS = 400  # enough to rank starting values; the polish sees all rows
_TRIED = 64  # points at which a row is asked whether the law has a value there
_UNBOUNDED = (1e-3, 1e3)  # sizes tried for a parameter without bounds, of either sign
_EXPONENTS = (0.02, 4.0)  # the same for one that is an exponent


def screen(
    law: Law,
    inputs: dict[str, Array],
    observed: Array,
    low: Array,
    high: Array,
    ranges: Sequence[tuple[float, float]],
    relative: bool,
    floor: float = 0.0,
) -> Array:
    """Propose starting values.

    Parameters
    ----------
    law : Law
        What is to be fitted.
    inputs : dict of str to ndarray (n,)
        Natural units.
    observed : ndarray (n,)
        What the law should predict.
    low, high : ndarray (p,)
        Bounds in natural units.
    ranges : sequence of (float, float), one a parameter
        Where to look; may be infinite.
    relative : bool
        Whether residuals are relative (of logarithms), which weighs the rows of the inner problem by
        1/(observed - floor).
    floor : float, default 0
        Of those logarithms.

    Returns
    -------
    ndarray (G, p)
        Natural units, inside the bounds.
    """
    names = law.parameter_names
    rows = spread_rows(len(observed))
    inputs = {name: x[rows] for name, x in inputs.items()}
    observed = observed[rows]
    linear = [names.index(n) for n in law.linear_parameters]
    curved = [j for j in range(len(names)) if j not in linear]
    exponents = exponent_names(law.formula)
    points = _spread([ranges[j] for j in curved], [names[j] in exponents for j in curved])
    if not linear:
        return np.clip(points, low, high)
    columns, offset = _basis(law, [names[j] for j in linear], [names[j] for j in curved], inputs, points)
    # A law may not be defined everywhere; squares of what is kept must not overflow.
    size = np.maximum(np.max(np.abs(columns), axis=(1, 2)), np.max(np.abs(offset), axis=1))
    points, columns, offset = points[size < 1e100], columns[size < 1e100], offset[size < 1e100]
    weight = 1 / np.maximum(np.abs(observed - floor), 1e-300) if relative else np.ones_like(observed)
    solution = _bounded_least_squares(columns * weight, (observed - offset) * weight, low[linear], high[linear])
    out = np.empty((len(points), len(names)))
    out[:, curved], out[:, linear] = points, solution
    out = out[np.all(np.isfinite(out), axis=1)]
    return np.clip(out, low, high)


def undefined_rows(law: Law, inputs: dict[str, Array], ranges: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """Return the rows at which a law has no value for any of its parameters that are tried."""
    names, exponents = law.parameter_names, exponent_names(law.formula)
    points = _spread(list(ranges), [name in exponents for name in names])
    tried = points[:: max(1, len(points) // _TRIED)]
    _, value = _basis(law, [], list(names), inputs, tried)
    return np.flatnonzero(~np.isfinite(value).any(axis=0))


def spread_rows(n: int) -> NDArray[np.int64]:
    """Return at most `_MAX_ROWS` rows, evenly spread over the data."""
    return np.unique(np.linspace(0, n - 1, min(n, _MAX_ROWS)).round().astype(np.int64))


@lru_cache(maxsize=128)
def exponent_names(formula: str) -> frozenset[str]:
    """Return the names that stand in the exponent of a power of something else than a number."""
    powers = [p for p in parse_formula(formula).atoms(sympy.Pow) if p.base.free_symbols]
    return frozenset(str(name) for p in powers for name in p.exp.free_symbols)


def _spread(ranges: Sequence[tuple[float, float]], exponents: Sequence[bool] = ()) -> Array:
    """Points that fill a box, logarithmically where it lies on one side of zero."""
    if not ranges:
        return np.zeros((1, 0))
    if len(ranges) in _GRID and (len(ranges) == 1 or np.all(np.isfinite(ranges))):
        axis = (np.arange(_GRID[len(ranges)]) + 0.5) / _GRID[len(ranges)]
        unit = np.array(list(product(*[axis] * len(ranges))))
    else:
        unit = _low_discrepancy(_SEQUENCE, len(ranges))
    sizes = [_EXPONENTS if j < len(exponents) and exponents[j] else _UNBOUNDED for j in range(len(ranges))]
    return np.stack(
        [_stretch(unit[:, j], *pair, size) for j, (pair, size) in enumerate(zip(ranges, sizes, strict=True))], axis=1
    )


def _low_discrepancy(n: int, dimension: int) -> Array:
    """Return the additive sequence of the generalised golden ratio: even in any dimension, the same every time."""
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dimension + 1))
    steps = ratio ** -np.arange(1.0, dimension + 1)
    return np.asarray((0.5 + np.outer(np.arange(1, n + 1), steps)) % 1.0)


def _stretch(unit: Array, low: float, high: float, sizes: tuple[float, float] = _UNBOUNDED) -> Array:
    """Map (0, 1) to a range: by logarithms where it has one sign and spans a decade, else evenly."""
    small, large = sizes
    if np.isinf(low) and np.isinf(high):
        size = small * (large / small) ** np.abs(2 * unit - 1)
        return np.asarray(np.sign(unit - 0.5) * size)
    if np.isinf(high):
        return np.asarray(low + small * (large / small) ** unit)
    if np.isinf(low):
        return np.asarray(high - small * (large / small) ** unit)
    if low > 0 and high / low >= 10:
        return np.asarray(low * (high / low) ** unit)
    return np.asarray(low + (high - low) * unit)


def _basis(
    law: Law, linear: list[str], curved: list[str], inputs: dict[str, Array], points: Array
) -> tuple[Array, Array]:
    """Columns that multiply the linear parameters, (G, k, n), and what stands without them, (G, n)."""
    function = _basis_function(law.formula, tuple(linear), tuple(curved), tuple(inputs))
    shape = (len(points), len(next(iter(inputs.values()))))
    with np.errstate(all="ignore"):
        values = function(*(points[:, j : j + 1] for j in range(points.shape[1])), *inputs.values())
    *columns, offset = (np.broadcast_to(np.asarray(v, float), shape) for v in values)
    return np.stack(columns, axis=1) if columns else np.empty((shape[0], 0, shape[1])), offset


@lru_cache(maxsize=128)
def _basis_function(
    formula: str, linear: tuple[str, ...], curved: tuple[str, ...], inputs: tuple[str, ...]
) -> Callable[..., list[Array]]:
    """Compile what multiplies each linear parameter, and the rest, as a function of the others and of the inputs."""
    expression = parse_formula(formula)
    parts = [expression.diff(symbol(name)) for name in linear]
    rest = expression.subs({symbol(name): 0 for name in linear})
    arguments = [symbol(name) for name in (*curved, *inputs)]
    safe = sympy.symbols(f"v0:{len(arguments)}", real=True)
    renamed = [e.xreplace(dict(zip(arguments, safe, strict=True))) for e in (*parts, rest)]
    function: Callable[..., list[Array]] = sympy.lambdify(safe, renamed, "numpy", cse=True)
    return function


def _bounded_least_squares(columns: Array, target: Array, low: Array, high: Array) -> Array:
    """Least squares with bounds on few coefficients, for a whole batch, trying every choice of those held.

    Parameters
    ----------
    columns : ndarray (G, k, n)
        The regressors of each problem.
    target : ndarray (G, n)
        What they should add up to.
    low, high : ndarray (k,)
        Bounds.

    Returns
    -------
    ndarray (G, k)
        NaN where no choice is feasible.
    """
    batch, size, _ = columns.shape
    with np.errstate(all="ignore"):
        norm = np.sqrt(np.einsum("gkn,gkn->gk", columns, columns))
        norm = np.where(np.isfinite(norm) & (norm > 0), norm, np.nan)
        unit = np.nan_to_num(columns / norm[:, :, None])
    gram = np.einsum("gkn,gln->gkl", unit, unit)
    moment = np.einsum("gkn,gn->gk", unit, np.nan_to_num(target))
    floor, ceiling = low * norm, high * norm
    best = np.full((batch, size), np.nan)
    best_cost = np.full(batch, np.inf)
    open_rows = np.arange(batch)
    bound_choices = [[c for c in (0, -1, 1) if c == 0 or np.isfinite((low, high)[c == 1][j])] for j in range(size)]
    for choice in product(*bound_choices):
        held = np.array(choice)
        free = held == 0
        g, m, low_g, high_g = gram[open_rows], moment[open_rows], floor[open_rows], ceiling[open_rows]
        solution = np.where(held == -1, low_g, np.where(held == 1, high_g, 0.0))
        if free.any():
            right = m[:, free] - np.einsum("gkl,gl->gk", g[:, free], solution)
            matrix = g[:, free][:, :, free] + 1e-13 * np.eye(int(free.sum()))
            solution[:, free] = np.linalg.solve(matrix, np.nan_to_num(right)[:, :, None])[:, :, 0]
        slack = 1e-12 * (1 + np.abs(solution))
        feasible = np.all((solution >= low_g - slack) & (solution <= high_g + slack), axis=1)
        cost = np.einsum("gk,gkl,gl->g", solution, g, solution) - 2 * np.einsum("gk,gk->g", solution, m)
        take = feasible & (cost < best_cost[open_rows])
        best[open_rows[take]], best_cost[open_rows[take]] = solution[take], cost[take]
        if free.all():  # where no bound is in the way, nothing held at one can be better
            open_rows = open_rows[~feasible]
    return np.asarray(best / norm)
