"""Steps to a target over batch size: the runs, the curve with its band, and the critical batch sizes on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.batch_words import critical_text, ends_text, short_definition, size_text, tried_text
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, FORM, INK, LAW, MUTED, beyond, new_figure, place_labels, points, scale_axis, styled
from reports.words import level_text
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.batch_page import Origin
    from scaling.batch_size.cells import Cell
    from scaling.batch_size.critical import CriticalBatch
    from scaling.batch_size.steps import StepsFit

Array = NDArray[np.float64]
_CURVE = 81
_FARTHEST = 8.0  # times the batches tried, that a critical batch may lie outside of the picture's range
_WITH_CORNER = ("steps_to_target", "steps_to_target_sharp")  # forms whose small batches scale perfectly


def count_unit(unit: str) -> str:
    """Return how a batch is written in a table and at an axis."""
    return "count" if unit == "tokens" else "value"


def steps_figure(
    steps: StepsFit, cells: Sequence[Cell], criticals: Sequence[CriticalBatch], target: str, origin: Origin
) -> tuple[FigureData, Figure]:
    """Draw the steps of each batch size, the curve with its band, and the critical batch sizes.

    Parameters
    ----------
    steps : StepsFit
        The curve.
    cells : sequence of Cell
        What it was fitted to, one a batch size.
    criticals : sequence of CriticalBatch
        To be marked on it.
    target : str
        The target in words, such as ``a loss of 2.7``.
    origin : Origin
        Of the page.

    Returns
    -------
    FigureData, Figure
        Series ``curve``, ``critical batch sizes`` and ``batch sizes``.
    """
    low, high = _span(steps, criticals)
    grid = np.geomspace(low, high, _CURVE)
    band = steps.predict(grid, origin.level, kind="curve", force=True)
    marked = [c for c in criticals if math.isfinite(c.estimate) and low <= c.estimate <= high]
    with styled():
        figure, (axes,) = new_figure(4.4)
        handles = _draw_curve(axes, steps, grid, (band.mean, band.low, band.high), origin.level)
        handles += _draw_cells(axes, cells)
        tried = float(steps.batch.min()), float(steps.batch.max())
        axes.set_xlim(low, high)
        _limit_steps(axes, steps, band.mean)
        scale_axis(axes.xaxis, count_unit(steps.unit), True)
        scale_axis(axes.yaxis, "value", True)
        if high > 1.7 * tried[1]:
            beyond(axes, tried[1], high, text="the batches tried end here")
        at = [(c.estimate, float(steps.predict([c.estimate], force=True).mean[0])) for c in marked]
        for c, (x, y) in zip(marked, at, strict=True):
            axes.plot([x, x], [axes.get_ylim()[0], y], color=INK, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=4)
            axes.plot([max(c.low, low), min(c.high, high)], [y, y], color=INK, linewidth=1.4, zorder=5)
            axes.plot([x], [y], "D", color=INK, markersize=5.5, markeredgewidth=0, zorder=6)
        axes.set_xlabel(f"batch size ({steps.unit})")
        axes.set_ylabel(f"steps to {target}")
        key(figure, handles)
        bars = [
            (x, y)
            for c, (_, y) in zip(marked, at, strict=True)
            for x in np.geomspace(max(c.low, low), min(c.high, high), 9)
        ]
        avoid = np.concatenate(
            [np.column_stack([steps.batch, steps.steps]), np.column_stack([grid, band.mean]), np.reshape(bars, (-1, 2))]
        )
        names = [f"{short_definition(c)}: {size_text(c.estimate, c.unit)}" for c in marked]
        place_labels(axes, at, names, avoid, 8.5)
    censored = int(steps.censored.sum())
    left = [c for c in criticals if c not in marked]
    outer = "; ".join(f"{short_definition(c)}, {critical_text(c)}" for c in left)
    outside = f" Outside the picture: {outer}." if left else ""
    hollow = " Triangles: no run reached the target, so more steps than this." if censored else ""
    squares = " Squares: the best run lies at an end of its grid." if any(c.edges for c in cells) else ""
    return (
        FigureData(
            key="fig-steps",
            title=f"Steps to {target} over batch size",
            finding=f"{format_plural(len(steps.batch), 'batch size')} from {tried_text(tried[0], steps.unit)} to "
            f"{tried_text(tried[1], steps.unit)} {steps.unit}. Critical: "
            f"{'; '.join(f'{critical_text(c)}, {c.definition}' for c in criticals)}.",
            caption=f"Points: steps of the best run of each batch size; bars: the evaluations on either side of the "
            f"crossing, where they are known.{hollow}{squares} Diamonds: critical batch sizes with their intervals, "
            f"each by the convention at its label.{outside} {origin.made_of()} Band: of the curve.",
            series=(
                _curve_series(steps, grid, band.mean, band.low, band.high, origin.level),
                critical_series(criticals),
                cell_series(cells, steps.unit),
            ),
            tooltips={"cells": _tips(cells, steps.unit, False), "censored": _tips(cells, steps.unit, True)},
        ),
        figure,
    )


def _span(steps: StepsFit, criticals: Sequence[CriticalBatch]) -> tuple[float, float]:
    """Return the ends of the axis: the batches tried and the critical ones that are not far outside."""
    least, most = float(steps.batch.min()), float(steps.batch.max())
    known = [c.estimate for c in criticals if least / _FARTHEST <= c.estimate <= most * _FARTHEST]
    return min([least, *known]) / 1.45, max([most, *known]) * 1.45


def _limit_steps(axes: Axes, steps: StepsFit, curve: Array) -> None:
    low = min(float(np.min(curve)), float(steps.steps.min()))
    high = max(float(np.max(curve)), float(steps.steps.max()))
    axes.set_ylim(low / (high / low) ** 0.16, high * (high / low) ** 0.04)


def _draw_curve(
    axes: Axes, steps: StepsFit, grid: Array, band: tuple[Array, Array, Array], level: float
) -> list[tuple[Any, str]]:
    """Draw the curve, its band and its asymptotes; the ends of the axes are set afterwards."""
    mean, low, high = band
    handles = []
    known = bool(np.isfinite(low).all() and np.isfinite(high).all())
    if known:
        axes.fill_between(grid, low, high, color=LAW, alpha=0.25, linewidth=0, zorder=1)
    [line] = axes.plot(grid, mean, color=LAW, zorder=3)
    handles.append((line, f"{steps.fit.law.formula}{f', {level_text(level)} band' if known else ''}"))
    a, b = steps.estimates["a"], steps.estimates["b"]
    look: dict[str, Any] = {"color": MUTED, "linewidth": 1.0, "zorder": 1}
    if math.isfinite(float(steps.critical_batch())):  # else a stands at its bound and means nothing
        [flat] = axes.plot(grid, np.full(len(grid), a), linestyle=(0, (4, 2)), **look)
        handles.append((flat, f"fewest steps a = {format_number(a, 3)}"))
    if steps.form in _WITH_CORNER:
        [steep] = axes.plot(grid, b / grid, linestyle=(0, (1, 1.5)), **look)
        handles.append((steep, "perfect scaling b/B"))
    return handles


def _draw_cells(axes: Axes, cells: Sequence[Cell]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    reached, open_ = ([c for c in cells if c.censored is flag] for flag in (False, True))
    handles = [(Line2D([], [], linestyle="", marker="o", color=DATA, markersize=5), "best run of a batch")]
    for c in reached:
        if c.high > c.low > 0:
            axes.plot([c.batch, c.batch], [c.low, c.high], color=DATA, linewidth=1.1, alpha=0.7, zorder=2)
    points(axes, np.array([c.batch for c in reached]), np.array([c.steps for c in reached]), gid="cells", size=5)
    if open_:
        look: dict[str, Any] = {"linestyle": "", "marker": "^", "color": DATA, "markerfacecolor": "none"}
        at = [c.batch for c in open_], [c.steps for c in open_]
        axes.plot(*at, markersize=6.5, markeredgewidth=1.2, gid="censored", zorder=2, **look)
        handles.append((Line2D([], [], markersize=5.5, **look), "target not reached"))
    if edged := [c for c in reached if c.edges]:
        look = {"linestyle": "", "marker": "s", "color": FORM, "markerfacecolor": "none"}
        axes.plot(
            [c.batch for c in edged], [c.steps for c in edged], markersize=9, markeredgewidth=1.0, zorder=2, **look
        )
        handles.append((Line2D([], [], markersize=6, **look), "at an end of its grid"))
    return handles


def _curve_series(steps: StepsFit, grid: Array, mean: Array, low: Array, high: Array, level: float) -> Series:
    batch = f"batch ({steps.unit})"
    columns = {batch: grid, "steps": mean}
    if np.isfinite(low).all():
        columns |= {f"{level_text(level)} low": low, f"{level_text(level)} high": high}
    columns |= {f"samples ({steps.unit})": mean * grid}
    units = dict.fromkeys(columns, "value")
    return Series(
        "curve", columns, units | {batch: count_unit(steps.unit), f"samples ({steps.unit})": "count"}, curve=True
    )


def critical_series(criticals: Sequence[CriticalBatch]) -> Series:
    """Make the series of critical batch sizes with their conventions."""
    columns = {
        "critical": tuple(c.definition for c in criticals),
        "batch": tuple(f"{size_text(c.estimate, c.unit)} {c.unit}" for c in criticals),
        "interval": tuple(ends_text(c.low, c.high, c.unit) for c in criticals),
        "method": tuple(f"{level_text(c.level)}, {c.method}" for c in criticals),
    }
    return Series("critical batch sizes", columns, dict.fromkeys(columns, "text"))


def cell_series(cells: Sequence[Cell], unit: str) -> Series:
    """Make the series of batch sizes: the best run of each, and what is to be said of it."""
    columns: dict[str, Any] = {
        f"batch ({unit})": np.array([c.batch for c in cells]),
        "steps": np.array([c.steps for c in cells]),
        "state": tuple(_state(c) for c in cells),
        "best run": tuple(c.run_id for c in cells),
        "runs": np.array([c.runs for c in cells], float),
        "reached": np.array([c.reached for c in cells], float),
        "second best": np.array([c.gap for c in cells]) * 100,
    }
    if any(_rate(c) for c in cells):
        columns["learning rate"] = tuple(_rate(c) or "–" for c in cells)
    units = {f"batch ({unit})": count_unit(unit), "steps": "value", "state": "text", "best run": "text"}
    units |= {"runs": "value", "reached": "value", "second best": "percent", "learning rate": "text"}
    return Series("batch sizes", columns, {name: units[name] for name in columns})


def _rate(cell: Cell) -> str:
    value = cell.settings.get("lr")
    known = isinstance(value, int | float) and math.isfinite(value)
    return format_number(float(value), 3) if known and value is not None else ""


def _state(cell: Cell) -> str:
    if cell.censored:
        return "not reached: more than this"
    return f"reached; {', '.join(cell.edges)}" if cell.edges else "reached"


def _tips(cells: Sequence[Cell], unit: str, censored: bool) -> tuple[str, ...]:
    return tuple(
        f"{tried_text(c.batch, unit)} {unit}: {'more than ' if c.censored else ''}{format_number(c.steps)} steps, "
        f"{c.run_id}"
        for c in cells
        if c.censored is censored
    )
