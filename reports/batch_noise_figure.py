"""The gradient noise scale over training, with critical batch sizes beside it where they are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.batch_figures import count_unit, critical_series
from reports.batch_words import critical_text, ends_text, size_text
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, FORM, LAW, MUTED, PAST, new_figure, scale_axis, styled
from reports.words import level_text
from scaling.formatting import format_number, format_plural
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.batch_noise_page import NoisePage
    from reports.batch_page import Origin

Array = NDArray[np.float64]
_CURVE = 61
_COLORS = (FORM, PAST)


def noise_figure(page: NoisePage, origin: Origin) -> tuple[FigureData, Figure]:
    """Draw the noise scale of windows over training, the law through them, and critical batch sizes.

    Parameters
    ----------
    page : NoisePage
        The numbers.
    origin : Origin
        Where they come from.

    Returns
    -------
    FigureData, Figure
        Series ``windows``, ``law`` (where it is identified) and ``critical batch sizes`` (where there are any).
    """
    unit, level = page.noise.unit, level_text(page.noise.level)
    windows = page.curve.windows
    start = [w.first for w in windows if w.first > 0]
    ends = min([w.centre for w in windows if w.centre > 0] + start), max(w.last for w in windows)
    log = ends[1] > 12 * ends[0]
    reach = max([ends[1], *page.times])
    grid = np.geomspace(ends[0], reach, _CURVE)
    shown = [w for w in windows if w.noise.estimate > 0]
    series = [_window_series(page)]
    heights = [v for w in shown for v in (w.noise.low, w.noise.estimate, w.noise.high) if v > 0 and math.isfinite(v)]
    heights += [c.estimate for c in page.critical.values() if math.isfinite(c.estimate) and c.estimate > 0]
    with styled():
        figure, (axes,) = new_figure(4.2)
        handles: list[tuple[Any, str]] = []
        if origin.fit.verdict != NOT_IDENTIFIED:
            band = origin.fit.predict({"T": grid}, origin.level, "curve")
            axes.fill_between(grid, band.low, band.high, color=LAW, alpha=0.25, linewidth=0, zorder=1)
            [line] = axes.plot(grid, band.mean, color=LAW, zorder=2)
            handles.append((line, f"{origin.fit.law.formula}, {level_text(origin.level)} band"))
            columns = {page.curve.time: grid, f"noise scale ({unit})": band.mean, "low": band.low, "high": band.high}
            units = dict.fromkeys(columns, count_unit(unit)) | {page.curve.time: "count"}
            series.append(Series("law", columns, units, curve=True))
            heights += [float(v) for v in (*band.low, *band.high) if v > 0 and math.isfinite(v)]
        low, high = min(heights) / 1.5, max(heights) * 1.5
        axes.set_ylim(low, high)
        handles += _draw_windows(axes, page, (low, high))
        handles += _draw_critical(axes, page, (low, high))
        left = ends[0] / 1.25 if log else min(w.first for w in windows) - 0.02 * reach
        axes.set_xlim(left, reach * (1.1 if log else 1.03))
        scale_axis(axes.xaxis, "count", log)
        scale_axis(axes.yaxis, count_unit(unit), True)
        axes.set_xlabel(f"training ({page.curve.time})")
        axes.set_ylabel(f"gradient noise scale ({unit})")
        key(figure, handles)
    negative = len(windows) - len(shown)
    open_ = sum(w.noise.verdict == "unbounded" for w in shown)
    said = f" Arrows: no upper end ({open_})." if open_ else ""
    if negative:
        said += f" Not drawn: {format_plural(negative, 'window')} whose estimate is negative by sampling."
    beside = ""
    if page.critical:
        series.append(critical_series(list(page.critical.values())))
        beside = " Level lines: critical batch sizes b/a of saved curves of the same runs or of their size, with their "
        beside += "intervals: "
        beside += "; ".join(f"{name}, {critical_text(c)}" for name, c in page.critical.items()) + "."
    return (
        FigureData(
            key="fig-noise",
            title=f"The gradient noise scale over {page.curve.time}",
            finding=f"{format_plural(len(windows), 'window')}; all rows together: "
            f"{format_number(page.noise.estimate)} "
            f"{unit} ({level} interval {ends_text(page.noise.low, page.noise.high, unit)}).",
            caption=f"Points: windows of the run, each a ratio of means; vertical bars: {level} intervals by "
            "Fieller's "
            f"theorem, which may have no upper end; level bars: the stretch of training.{said}{beside} "
            f"{origin.made_of(f'of windows Fieller, of the law {origin.fit.interval_method}')} Unit: {unit}.",
            series=tuple(series),
        ),
        figure,
    )


def _draw_windows(axes: Axes, page: NoisePage, ends: tuple[float, float]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    for w in page.curve.windows:
        n = w.noise
        if n.estimate <= 0:
            continue
        axes.plot([max(w.first, 1e-300), w.last], [n.estimate] * 2, color=DATA, linewidth=1.0, alpha=0.6, zorder=3)
        bottom = n.low if n.low > 0 else ends[0]
        axes.plot([w.centre] * 2, [bottom, min(n.high, ends[1])], color=DATA, linewidth=1.3, zorder=3)
        if math.isinf(n.high):
            axes.plot([w.centre], [ends[1] / 1.06], "^", color=DATA, markersize=5, markeredgewidth=0, zorder=3)
    known = [w for w in page.curve.windows if w.noise.estimate > 0]
    axes.plot([w.centre for w in known], [w.noise.estimate for w in known], "o", color=DATA, markersize=5.5,
              markeredgewidth=0, zorder=4, gid="windows")  # fmt: skip
    return [(Line2D([], [], linestyle="", marker="o", color=DATA, markersize=5.5), "window of the run")]


def _draw_critical(axes: Axes, page: NoisePage, ends: tuple[float, float]) -> list[tuple[Any, str]]:
    handles = []
    for k, (name, c) in enumerate(page.critical.items()):
        if not (math.isfinite(c.estimate) and c.estimate > 0):
            continue
        color = _COLORS[k % len(_COLORS)]
        line = axes.axhline(c.estimate, color=color, linewidth=1.4, linestyle=(0, (5, 2)), zorder=2)
        if c.low > 0:
            axes.axhspan(c.low, min(c.high, ends[1]), color=color, alpha=0.13, linewidth=0, zorder=0)
        handles.append((line, f"b/a of {name}: {size_text(c.estimate, c.unit)}"))
    if not page.critical:
        line = axes.axhline(page.noise.estimate, color=MUTED, linewidth=1.0, linestyle=(0, (1, 1.6)), zorder=1)
        handles.append((line, "all rows together"))
    return handles


def _window_series(page: NoisePage) -> Series:
    unit = page.noise.unit
    columns = {
        f"from ({page.curve.time})": np.array([w.first for w in page.curve.windows]),
        "to": np.array([w.last for w in page.curve.windows]),
        f"noise scale ({unit})": tuple(size_text(w.noise.estimate, unit) for w in page.curve.windows),
        f"{level_text(page.noise.level)} interval": tuple(
            ends_text(w.noise.low, w.noise.high, unit) for w in page.curve.windows
        ),
        "rows": np.array([float(w.noise.n) for w in page.curve.windows]),
        "state": tuple(w.noise.verdict for w in page.curve.windows),
    }
    units = dict.fromkeys(columns, "text") | {f"from ({page.curve.time})": "count", "to": "count", "rows": "value"}
    return Series("windows", columns, units)
