"""The law of the critical batch size over its points, with published laws of the same definition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.batch_figures import count_unit
from reports.batch_law_axis import (
    axis_label,
    axis_of,
    axis_unit,
    companions,
    held_words,
    published_lines,
    same_definition,
)
from reports.batch_law_published import DASHES
from reports.batch_words import ends_text, size_text
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, PAST, beyond, new_figure, place_labels, scale_axis, styled
from reports.words import level_text
from scaling.batch_size.law_design import JOINT, WORDS
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.batch_law_page import LawPage
    from reports.batch_page import Origin

Array = NDArray[np.float64]
_CURVE = 41
_HELD = 0.02  # spread of a logarithm below which an input was held
_COUPLED = 0.98  # correlation of logarithms from which an input goes with another
_LINE = 9.0  # points between names of curves


def law_figure(page: LawPage, origin: Origin) -> tuple[FigureData, Figure]:
    """Draw the law over its points, with what published laws of the same definition say.

    Parameters
    ----------
    page : LawPage
        The numbers.
    origin : Origin
        Where they come from.

    Returns
    -------
    FigureData, Figure
        Series ``law`` (where it is identified), ``critical batch sizes`` and ``published, NAME``.
    """
    name, unit, level = axis_of(page), page.fit_unit, level_text(origin.level)
    x = page.inputs[name]
    wanted = [t[name] for t in page.asked if name in t]
    low, high = min([*x, *wanted]), max([*x, *wanted])
    pad = (high / low) ** 0.08 * 1.04
    grid = np.geomspace(low / pad, high * pad, _CURVE)
    lines = []
    if unit == "tokens" and (same := same_definition(page)):
        lines = [line for line in published_lines(page, name, grid) if line[1] == same]
    with styled():
        figure, (axes,) = new_figure(4.3)
        series, handles, ys = _draw_law(axes, page, name, grid, origin)
        for k, (who, _, said) in enumerate(lines):
            [line] = axes.plot(grid, said, color=PAST, linewidth=1.3, linestyle=DASHES[k % 4], zorder=2)
            handles.append((line, f"published: {who}"))
            columns = {name: grid, f"batch ({unit})": said}
            units = {name: axis_unit(name), f"batch ({unit})": "count"}
            series.append(Series(f"published, {who}", columns, units, curve=True))
            ys.append(said)
        axes.set_xlim(grid[0], grid[-1])
        every = np.concatenate(ys)
        every = every[np.isfinite(every) & (every > 0)]
        axes.set_ylim(every.min() / 1.5, every.max() * 1.5)
        scale_axis(axes.xaxis, axis_unit(name), name != "L")
        scale_axis(axes.yaxis, count_unit(unit), True)
        _beyond(axes, x, grid)
        axes.set_xlabel(axis_label(name, page))
        axes.set_ylabel(f"critical batch size ({unit} a step)")
        key(figure, handles)
        mean = np.column_stack([grid, series[0][f"batch ({unit})"]]) if page.identified else np.empty((0, 2))
        at = list(zip(x.tolist(), [p.critical for p in page.points], strict=True))
        names = [p.label for p in page.points] if len(at) <= 12 else []
        place_labels(axes, at[: len(names)], names, np.concatenate([mean, np.array(at)]), 8)
    hollow = " Hollow: beyond the largest batch tried, so it rests on the form." if any(
        p.beyond for p in page.points) else ""  # fmt: skip
    bars = f"; bars: {level} intervals of each ({page.point_method})"
    if not any(math.isfinite(p.low) for p in page.points):
        bars = f"; intervals: {page.point_method}"
    line_words = f"Line: the law with the {level} band of the curve; {page.law.interval_holds}."
    if not page.identified:
        line_words = "No law is drawn, because the data do not determine it."
    others = " Published laws of the same definition are drawn with it." if lines else ""
    held = held_words(page, name) if page.law.fit.law.name == JOINT or lines else ""
    return (
        FigureData(
            key="fig-law",
            title=f"The critical batch size over {WORDS[name] if name != 'D' else f'training {page.data_unit}'}",
            finding=f"{format_plural(len(x), 'critical batch size')}: {page.law.written(page.law.unit, 1)}.",
            caption=f"Points: critical batch sizes, {page.law.convention}{bars}.{hollow} {line_words}{others}{held} "
            f"{origin.made_of()}",
            series=tuple(series),
        ),
        figure,
    )


def _draw_law(
    axes: Axes, page: LawPage, name: str, grid: Array, origin: Origin
) -> tuple[list[Series], list[tuple[Any, str]], list[Array]]:
    """Draw the law, its band, the points and the targets; returns series, entries of the legend, and heights."""
    unit, level = page.fit_unit, level_text(origin.level)
    series, handles, ys = [], [], []
    if page.identified:
        inputs = companions(page, name, grid, free=True)
        said = page.law.predict(
            **page.arguments({k: v for k, v in inputs.items() if k in page.needs}), level=origin.level, unit=unit
        )
        mean, low, high = (np.asarray(v, float) for v in (said.estimate, said.low, said.high))
        axes.fill_between(grid, low, high, color=LAW, alpha=0.25, linewidth=0, zorder=1)
        [line] = axes.plot(grid, mean, color=LAW, zorder=3)
        handles.append((line, f"{page.law.fit.law.formula}, {level} band"))
        batch = f"batch ({unit})"
        columns = {name: grid, batch: mean, f"{level} low": low, f"{level} high": high}
        units = dict.fromkeys(columns, count_unit(unit)) | {name: axis_unit(name)}
        series.append(Series("law", columns, units, curve=True))
        ys += [mean, low, high]
    x = page.inputs[name]
    for solid in (True, False):
        rows = [i for i, p in enumerate(page.points) if p.beyond is not solid]
        if not rows:
            continue
        look: dict[str, Any] = {"color": DATA, "markerfacecolor": DATA if solid else "none"}
        for i in rows:
            p = page.points[i]
            if math.isfinite(p.low) and p.low > 0:
                top = p.high if math.isfinite(p.high) else p.critical * 100
                axes.plot([x[i], x[i]], [p.low, top], color=DATA, linewidth=1.2, alpha=0.8, zorder=2)
        at = [page.points[i].critical for i in rows]
        [mark] = axes.plot(
            x[rows], at, "o", markersize=5.5, markeredgewidth=1.1, zorder=4, gid=f"points-{solid}", **look
        )
        handles.append((mark, "critical batch size" if solid else "beyond the batches tried"))
    ends = [v for p in page.points for v in (p.low, p.critical, p.high)]
    ys.append(np.array(ends))
    for row in page.forecasts(origin.level) if page.targets else []:
        if name in row.target:
            at_x = row.target[name]
            axes.plot([at_x, at_x], [row.fit_low, row.fit_high], color=INK, linewidth=1.4, zorder=5)
            [mark] = axes.plot([at_x], [row.fit_estimate], "D", color=INK, markersize=5.5, markeredgewidth=0, zorder=6)
            ys.append(np.array([row.fit_low, row.fit_high]))
            if "asked" not in [text for _, text in handles]:
                handles.append((mark, "asked"))
    series.append(_point_series(page, origin))
    return series, handles, ys


def _point_series(page: LawPage, origin: Origin) -> Series:
    unit, level = page.fit_unit, level_text(origin.level)
    columns: dict[str, Any] = {"point": tuple(p.label for p in page.points)}
    units = {"point": "text"}
    for key_, words in (("N", "parameters"), ("D", "tokens"), ("L", "loss")):
        if key_ in page.inputs:
            columns[words], units[words] = page.inputs[key_], axis_unit(key_)
    columns["batch"] = tuple(f"{size_text(p.critical, unit)} {unit}" for p in page.points)
    columns[f"{level} interval"] = tuple(ends_text(p.low, p.high, unit) for p in page.points)
    columns["batch sizes fitted"] = tuple(str(p.batches) for p in page.points)
    units |= dict.fromkeys(("batch", f"{level} interval", "batch sizes fitted"), "text")
    return Series("critical batch sizes", columns, units)


def _beyond(axes: Axes, x: Array, grid: Array) -> None:
    if grid[-1] > 1.7 * x.max():
        beyond(axes, float(x.max()), grid[-1], text="the data end here", top=False)
