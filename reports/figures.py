"""The figures of the page, in their order. Each is a function from the answers to (FigureData, Figure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.answers import Answers, Forecast
from reports.contours import contours
from reports.course import FRONTIER, Course
from reports.fan import forecast_fan
from reports.residuals import residuals
from reports.series import FigureData, Series
from reports.style import INK, LAW, beyond, new_figure, place_labels, points, scale_axis, styled
from reports.words import (
    describe,
    factor_words,
    input_name,
    is_map,
    level_text,
    made_of,
    mean_text,
    numbering,
    output_name,
    rows_of,
    with_unit,
)
from scaling.formatting import format_interval, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
CURVE_POINTS = 81
__all__ = ["all_figures", "contours", "data_and_law", "forecast_fan", "observed_and_predicted", "residuals"]


def all_figures(answers: Answers) -> list[tuple[FigureData, Figure]]:
    """Draw every figure that the law allows.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    list of (FigureData, Figure)
        In the order of the page. Without curves, contours and fan where the law is not identified.
    """
    first = data_and_law(answers) if answers.course else observed_and_predicted(answers)
    drawn = [first, residuals(answers)]
    if answers.identified and answers.of_n_and_d:
        drawn.append(contours(answers))
    if answers.identified and answers.course:
        drawn.append(forecast_fan(answers))
    return drawn


def data_and_law(answers: Answers) -> tuple[FigureData, Figure]:
    """Draw the runs, the law with its band, and the targets.

    Parameters
    ----------
    answers : Answers
        Of a law that has a course; the law is left out where it is not identified.

    Returns
    -------
    FigureData, Figure
        Series ``law``, ``targets`` and ``runs``.
    """
    data, course, fit = answers.data, answers.course, answers.data.fit
    assert course is not None
    order = np.argsort(-course.at_runs, kind="stable")
    runs = Series(
        "runs",
        {
            "run": tuple(data.run_ids[i] for i in order),
            course.label: course.at_runs[order],
            output_name(fit.law): data.observed[order],
        },
        {"run": "text", course.label: course.unit, output_name(fit.law): "value"},
        order=f"largest {course.label} first",
    )
    series = [runs]
    if answers.identified:
        series = [_law_series(answers, course), _target_series(answers, course), runs]
    with styled():
        figure, (axes,) = new_figure(4.3)
        _draw_data_and_law(axes, answers, course, series)
    tips = tuple(
        f"{run}: {output_name(fit.law)} {format_number(y)}"
        for run, y in zip(runs["run"], runs[output_name(fit.law)], strict=True)
    )
    start, end = course.ends
    low, high = answers.reach
    shaded = "Shaded: beyond the data. " if low < start or high > end else ""
    law_words = (
        f"Line: the law {course.words}, with the {level_text(data.level)} band of the curve. Diamonds: the targets, "
        f"with the {level_text(data.level)} interval of a new run{numbering(len(answers.forecasts))}. {shaded}"
        if answers.identified
        else "No curve is drawn, because the data do not determine the law. "
    )
    method = answers.forecasts[0].run.method if answers.forecasts else ""
    off = "Runs that split their compute otherwise lie above the line. "
    return (
        FigureData(
            key="fig-data",
            title=f"{'Loss against loss' if is_map(fit) else 'The data and the law'}: {fit.law.output} against "
            f"{course.label}",
            finding=_finding(answers, course),
            caption=f"Points: {rows_of(fit)}. {law_words}"
            f"{off if answers.identified and course.kind == FRONTIER else ''}{made_of(data, method)}",
            series=tuple(series),
            tooltips={"runs": tips},
        ),
        figure,
    )


def _law_series(answers: Answers, course: Course) -> Series:
    fit, level = answers.data.fit, answers.data.level
    low, high = answers.reach
    grid = course.grid(low, high, CURVE_POINTS)
    inputs = course.inputs(grid)
    known = np.isfinite(fit.evaluate(inputs)[0])
    inputs, grid = {k: v[known] for k, v in inputs.items()}, grid[known]
    curve = fit.predict(inputs, level, kind="curve")
    columns = {course.label: grid}
    units = {course.label: course.unit}
    if course.unit == "flop":
        columns |= {input_name(fit.law, k): v for k, v in inputs.items()}
        units |= {input_name(fit.law, k): "count" for k in inputs}
    columns |= {
        output_name(fit.law): curve.mean,
        f"{level_text(level)} low": curve.low,
        f"{level_text(level)} high": curve.high,
        "extrapolation": curve.extrapolation_factor,
    }
    units |= {name: "value" for name in columns if name not in units} | {"extrapolation": "factor"}
    return Series("law", columns, units, curve=True)


def _target_series(answers: Answers, course: Course) -> Series:
    level = level_text(answers.data.level)
    out = output_name(answers.data.fit.law)
    runs = [f.run for f in answers.forecasts]
    return Series(
        "targets",
        {
            "target": tuple(f.target.label for f in answers.forecasts),
            course.label: np.array([course.place(f.target.inputs) for f in answers.forecasts]),
            out: np.array([r.mean for r in runs]),
            f"{level} low, new run": np.array([r.low for r in runs]),
            f"{level} high, new run": np.array([r.high for r in runs]),
            "extrapolation": np.array([r.extrapolation_factor for r in runs]),
        },
        {
            "target": "text",
            course.label: course.unit,
            out: "value",
            f"{level} low, new run": "value",
            f"{level} high, new run": "value",
            "extrapolation": "factor",
        },
    )


def _draw_data_and_law(axes: Axes, answers: Answers, course: Course, series: list[Series]) -> None:
    out = output_name(answers.data.fit.law)
    runs = series[-1]
    points(axes, runs[course.label], runs[out], gid="runs")
    avoid = [np.column_stack([runs[course.label], runs[out]])]
    low, high = answers.reach
    start, end = course.ends
    falling = True
    if answers.identified:
        law = series[0]
        x, mean = law[course.label], law[out]
        level = level_text(answers.data.level)
        axes.fill_between(x, law[f"{level} low"], law[f"{level} high"], color=LAW, alpha=0.25, linewidth=0, zorder=3)
        inside = (x >= start * (1 - 1e-9)) & (x <= end * (1 + 1e-9)) if start > 0 else (x >= start) & (x <= end)
        axes.plot(x[inside], mean[inside], color=LAW, zorder=4)
        for part in (x >= end * (1 - 1e-9) if end > 0 else x >= end, x <= start):
            axes.plot(x[part], mean[part], color=LAW, linestyle=(0, (4, 2)), zorder=4)
        avoid += [np.column_stack([x, mean])]
        falling = bool(mean[-1] <= mean[0])
    pad = (high / low) ** 0.035 if course.log else 0.035 * (high - low)
    axes.set_xlim((low / pad, high * pad**3) if course.log else (low - pad, high + pad))
    scale_axis(axes.xaxis, course.unit, course.log)
    y = np.concatenate([a[:, 1] for a in avoid])
    scale_axis(axes.yaxis, "value", bool(y.min() > 0 and y.max() > 8 * y.min()))
    if high > end:
        beyond(axes, end, axes.get_xlim()[1], top=falling)
    if low < start:
        beyond(axes, start, axes.get_xlim()[0], top=not falling)
    axes.set_xlabel(course.label)
    axes.set_ylabel(out)
    if answers.identified:
        mark_targets(axes, answers.forecasts, course, np.concatenate(avoid), kind="run")


def mark_targets(
    axes: Axes, forecasts: tuple[Forecast, ...], course: Course, avoid: Array, kind: str, label: bool = True
) -> None:
    """Draw a diamond with an error bar for each target, and name them."""
    at = [course.place(f.target.inputs) for f in forecasts]
    said = [f.run if kind == "run" else f.curve for f in forecasts]
    mean = [p.mean for p in said]
    for x, p in zip(at, said, strict=True):
        axes.plot([x, x], [p.low, p.high], color=INK, linewidth=1.4, zorder=5)
    axes.plot(at, mean, "D", color=INK, markersize=5.5, markeredgewidth=0, zorder=5, gid="targets")
    if label:
        words = [mean_text(p.mean, p.low, p.high) for p in said]
        if len(forecasts) > 1:
            words = [str(i + 1) for i in range(len(forecasts))]
        place_labels(axes, list(zip(at, mean, strict=True)), words, avoid, size=9)


def _finding(answers: Answers, course: Course) -> str:
    data, fit = answers.data, answers.data.fit
    first, last = course.ends
    span = (
        f"{format_plural(fit.n_obs, 'row')} with {fit.law.output} from {format_number(float(data.observed.min()))} "
        f"to {format_number(float(data.observed.max()))}"
    )
    if not answers.identified or not answers.forecasts:
        return f"{span}, {course.label} from {format_number(first)} to {format_number(last)}. No law is drawn."
    parts = []
    for f in answers.forecasts:
        interval = format_interval(f.run.low, f.run.high)
        parts.append(
            f"{f.target.label}: {with_unit(fit.law, mean_text(f.run.mean, f.run.low, f.run.high))}, "
            f"{level_text(data.level)} interval {interval}, {factor_words(f.run.extrapolation_factor)}"
        )
    return f"{span}, and the law {course.words}. Forecast for {'; '.join(parts)}."


def observed_and_predicted(answers: Answers) -> tuple[FigureData, Figure]:
    """Draw what was observed against what the law says, for laws of several inputs.

    Parameters
    ----------
    answers : Answers
        Of any law.

    Returns
    -------
    FigureData, Figure
        Series ``runs``.
    """
    data, fit = answers.data, answers.data.fit
    out = output_name(fit.law)
    predicted = fit.evaluate(data.inputs)[0]
    order = np.argsort(-np.abs(data.observed - predicted), kind="stable")
    runs = Series(
        "runs",
        {
            "run": tuple(data.run_ids[i] for i in order),
            "predicted": predicted[order],
            "observed": data.observed[order],
        },
        {"run": "text", "predicted": "value", "observed": "value"},
        order="largest difference first",
    )
    with styled():
        figure, (axes,) = new_figure(4.6)
        log = bool(min(predicted.min(), data.observed.min()) > 0 and data.observed.max() > 8 * data.observed.min())
        ends = np.array([min(predicted.min(), data.observed.min()), max(predicted.max(), data.observed.max())])
        points(axes, runs["predicted"], runs["observed"], gid="runs")
        axes.plot(ends, ends, color=LAW, zorder=1)
        scale_axis(axes.xaxis, "value", log)
        scale_axis(axes.yaxis, "value", log)
        axes.set_xlabel(f"predicted {out}")
        axes.set_ylabel(f"observed {out}")
    share = float(np.corrcoef(predicted, data.observed)[0, 1] ** 2) if np.ptp(predicted) > 0 else float("nan")
    caption = (
        "Line: observed = predicted. "
        if answers.identified
        else "The data do not determine the law, so this agreement says nothing about other inputs. "
    )
    tips = tuple(
        f"{run}: {describe(fit.law, {k: v[i] for k, v in data.inputs.items()})}"
        for run, i in zip(runs["run"], order, strict=True)
    )
    return (
        FigureData(
            key="fig-data",
            title=f"The data and the law: observed against predicted {fit.law.output}",
            finding=f"{format_plural(fit.n_obs, 'row')}; the law explains {format_percent(share, 3)} of the variance.",
            caption=f"Points: {format_plural(fit.n_obs, 'row')}. {caption}{made_of(data)}",
            series=(runs,),
            tooltips={"runs": tips},
        ),
        figure,
    )
