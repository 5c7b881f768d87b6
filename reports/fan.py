"""The forecast fan: how the law's curve and a new run spread beyond the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.answers import Answers
from reports.course import Course
from reports.rivals import named_rivals
from reports.series import FigureData, Series
from reports.style import FORM, INK, LAW, beyond, new_figure, scale_axis, styled
from reports.words import level_text, listed, made_of, output_name
from scaling.formatting import format_interval, format_number
from scaling.results import Fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.95)
_POINTS = 49
_OPACITY = (0.45, 0.28, 0.16)
_BEHIND = 30.0  # how much of the data the fan shows, as a factor, so that the bands are seen to open
_AHEAD = 3.0  # how far it goes at least


def forecast_fan(answers: Answers) -> tuple[FigureData, Figure]:
    """Draw bands of several levels, for the curve and for a new run.

    Parameters
    ----------
    answers : Answers
        Of an identified law that has a course.

    Returns
    -------
    FigureData, Figure
        Series ``curve`` and ``new run``.
    """
    data, course, fit = answers.data, answers.course, answers.data.fit
    assert course is not None
    start, end = course.ends
    low, high = answers.reach
    if course.log:
        low, high = (max(low, end / _BEHIND) if low >= start else low), max(high, _AHEAD * end)
    grid = course.grid(low, high, _POINTS)
    inputs = course.inputs(grid)
    known = np.isfinite(fit.evaluate(inputs)[0])
    grid, inputs = grid[known], {k: v[known] for k, v in inputs.items()}
    out = output_name(fit.law)
    series = []
    for name, kind in (("curve", "curve"), ("new run", "run")):
        columns = {course.label: grid}
        for level in LEVELS:
            said = fit.predict(inputs, level, kind=kind)
            columns.setdefault(out, said.mean)
            columns |= {f"{level_text(level)} low": said.low, f"{level_text(level)} high": said.high}
        units = dict.fromkeys(columns, "value") | {course.label: course.unit}
        series.append(Series(name, columns, units, curve=True))
    others = _rivals(fit, inputs, course, grid, out)
    with styled():
        figure, panels = new_figure(3.5, columns=2, share_y=True)
        titles = ("the law's curve", "a new run: the curve and the scatter of runs")
        for axes, one, title in zip(panels, series, titles, strict=True):
            for level, opacity in reversed(list(zip(LEVELS, _OPACITY, strict=True))):
                axes.fill_between(
                    grid,
                    one[f"{level_text(level)} low"],
                    one[f"{level_text(level)} high"],
                    color=LAW,
                    alpha=opacity,
                    linewidth=0,
                    label=level_text(level),
                    zorder=2,
                )
            axes.plot(grid, one[out], color=INK, linewidth=1.3, zorder=3)
            for rival in others:
                axes.plot(grid, rival[out], color=FORM, linewidth=1.1, linestyle=(0, (4, 2)), zorder=3)
            axes.set_xlim(grid[0], grid[-1])
            scale_axis(axes.xaxis, course.unit, course.log)
            falling = bool(one[out][-1] <= one[out][0])
            if grid[-1] > end:
                beyond(axes, end, grid[-1], text="data end" if axes is panels[0] else "", top=not falling)
            if grid[0] < start:
                beyond(axes, start, grid[0], text="data end" if axes is panels[0] else "", top=falling)
            axes.set_title(title)
            axes.set_xlabel(course.label)
        panels[0].set_ylabel(out)
        handles, labels = panels[1].get_legend_handles_labels()
        panels[1].legend(handles[::-1], labels[::-1], loc="upper right" if falling else "upper left")
    wide = series[1]
    finding = (
        f"At {course.label} {format_number(float(grid[-1]))} the 95 % band of the curve is "
        f"{format_interval(float(series[0]['95 % low'][-1]), float(series[0]['95 % high'][-1]))}, that of a new run "
        f"{format_interval(float(wide['95 % low'][-1]), float(wide['95 % high'][-1]))}; where the data end they are "
        f"{_at(series[0], course.label, end)} and {_at(wide, course.label, end)}."
    )
    levels = ", ".join(level_text(level) for level in LEVELS)
    dashed = (
        f"Dashed: {listed([one.name for one in others])}, which the back-test leaves some trust in. " if others else ""
    )
    form = "No band allows for the law having the wrong form. " if fit.backtest is None else ""
    return (
        FigureData(
            key="fig-fan",
            title=f"Forecast fan: {fit.law.output} {course.words}",
            finding=finding,
            caption=f"Bands of {levels} around the law {course.words}. {dashed}Shaded: beyond the data. {form}"
            f"{made_of(data, said.method)}",
            series=(*series, *others),
        ),
        figure,
    )


def _rivals(fit: Fit, inputs: dict[str, Array], course: Course, grid: Array, out: str) -> list[Series]:
    """Work out the rival laws along the same line."""
    rivals = named_rivals(fit)
    names = [rival.law.name for rival in rivals]
    return [
        Series(
            f"{rival.law.name} ({rival.trim})" if names.count(rival.law.name) > 1 else rival.law.name,
            {course.label: grid, out: rival.evaluate(inputs)},
            {course.label: course.unit, out: "value"},
            curve=True,
        )
        for rival in rivals
    ]


def _at(series: Series, label: str, place: float) -> str:
    i = int(np.argmin(np.abs(series[label] - place)))
    return format_interval(float(series["95 % low"][i]), float(series["95 % high"][i]))
