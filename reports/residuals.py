"""Residuals against every input: whether the law has the shape of the data, and which runs stand apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.answers import Answers
from reports.comparison import relative_residuals
from reports.series import FigureData, Series
from reports.style import INK, LAW, MUTED, new_figure, place_labels, points, scale_axis, styled
from reports.words import input_name, is_count, made_of, unit_of
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
OUTLYING = 4.0  # robust standard deviations
_LABELLED = 5
_PER_BIN, _BINS = 12, 10
_PANELS = 4
_WIDE_RATIO = 5.0


@dataclass(frozen=True)
class _Panel:
    label: str
    unit: str
    log: bool
    values: Array


def residuals(answers: Answers) -> tuple[FigureData, Figure]:
    """Draw the residuals against each input, and against compute where there is one.

    Parameters
    ----------
    answers : Answers
        Of any law.

    Returns
    -------
    FigureData, Figure
        Series ``residuals``, and ``medians by ...`` for each panel with enough rows.
    """
    data, fit = answers.data, answers.data.fit
    shares = relative_residuals(fit, data.observed)
    relative = shares is not None
    residual = 100 * shares if shares is not None else fit.residuals
    heading = "residual (%)" if relative else f"residual ({unit_of(fit.law)})" if fit.law.unit else "residual"
    unit = "percent" if relative else "value"
    order = np.argsort(-np.abs(residual), kind="stable")
    panels = _panels(answers)
    rows = Series(
        "residuals",
        {"run": tuple(data.run_ids[i] for i in order), heading: residual[order]}
        | {p.label: p.values[order] for p in panels},
        {"run": "text", heading: unit} | {p.label: p.unit for p in panels},
        order="largest residual first",
    )
    centre = float(np.median(residual))
    spread = 1.4826 * float(np.median(np.abs(residual - centre)))
    outliers = np.flatnonzero(np.abs(rows[heading] - centre) > OUTLYING * spread) if spread > 0 else np.array([], int)
    medians = []
    with styled():
        columns = min(len(panels), 3) if len(panels) != _PANELS else 2
        height = 2.9 if len(panels) <= 3 else 5.2
        figure, axes = new_figure(height, columns, -(-len(panels) // columns), share_y=True)
        for k, (one, panel) in enumerate(zip(axes, panels, strict=False)):
            smooth = _medians(panel, residual, heading)
            _draw(one, panel, rows, heading, smooth, k)
            if smooth is not None:
                medians.append(smooth)
            if k % columns == 0:
                one.set_ylabel(heading)
        for one, panel in zip(axes, panels, strict=False):
            named = outliers[:_LABELLED]
            place_labels(
                one,
                [(float(rows[panel.label][i]), float(rows[heading][i])) for i in named],
                [rows["run"][i] for i in named],
                np.column_stack([rows[panel.label], rows[heading]]),
                size=7.5,
            )
    half = float(np.quantile(np.abs(residual), 0.5))
    wander = max((float(np.max(np.abs(m["median " + heading]))) for m in medians), default=float("nan"))
    sign = " %" if relative else ""
    tips = tuple(
        f"{run}: {format_number(float(r), 3)}{sign}" for run, r in zip(rows["run"], rows[heading], strict=True)
    )
    finding = f"Half of the residuals are smaller than {format_number(half, 2)}{sign}. "
    if medians:
        finding += f"The binned medians stray from zero by up to {format_number(wander, 2)}{sign}. "
    who = format_plural(len(outliers), "row") if len(outliers) else "No row"
    finding += (
        f"{who} {'lie' if len(outliers) > 1 else 'lies'} more than {OUTLYING:g} robust "
        f"standard deviations ({format_number(OUTLYING * spread, 2)}{sign}) from the middle."
    )
    few = "" if len(outliers) <= _LABELLED else f" The farthest {_LABELLED} of these carry their run id."
    named_words = " They carry their run id." if 1 < len(outliers) <= _LABELLED else few
    above = "A positive residual means that the run ended higher than the law says. "
    smooth_words = "Line: medians of bins with equally many rows. " if medians else ""
    return (
        FigureData(
            key="fig-residuals",
            title="Residuals against " + ", ".join(p.label for p in panels),
            finding=finding,
            caption=f"Points: {'observed / predicted − 1' if relative else 'observed − predicted'}. {above}"
            f"{smooth_words}{finding}{named_words} {made_of(data)}",
            series=(rows, *medians),
            tooltips={f"runs{k}": tips for k in range(len(panels))},
        ),
        figure,
    )


def _panels(answers: Answers) -> list[_Panel]:
    data, fit = answers.data, answers.data.fit
    panels = []
    for name, values in data.inputs.items():
        log = bool(values.min() > 0 and values.max() > _WIDE_RATIO * values.min())
        panels.append(_Panel(input_name(fit.law, name), "count" if is_count(fit.law, name) else "value", log, values))
    if answers.course is not None and answers.course.unit == "flop":
        panels.append(_Panel(answers.course.label, "flop", True, answers.course.at_runs))
    elif len(panels) == 1:
        predicted = fit.objective.moved(data.observed, -fit.residuals)
        log = bool(predicted.min() > 0 and predicted.max() > _WIDE_RATIO * predicted.min())
        panels.append(_Panel(f"predicted {fit.law.output}", "value", log, predicted))
    return panels[:_PANELS]


def _medians(panel: _Panel, residual: Array, heading: str) -> Series | None:
    """Medians of bins with equally many rows; None where there are too few rows or places."""
    bins = min(len(residual) // _PER_BIN, _BINS)
    if bins < 3 or len(np.unique(panel.values)) < bins:
        return None
    groups = np.array_split(np.argsort(panel.values, kind="stable"), bins)
    columns = {
        panel.label: np.array([float(np.median(panel.values[g])) for g in groups]),
        "median " + heading: np.array([float(np.median(residual[g])) for g in groups]),
        "rows": np.array([len(g) for g in groups]),
    }
    unit = "percent" if "%" in heading else "value"
    units = {panel.label: panel.unit, "median " + heading: unit, "rows": "value"}
    return Series(f"medians by {panel.label}", columns, units)


def _draw(axes: Axes, panel: _Panel, rows: Series, heading: str, smooth: Series | None, number: int) -> None:
    axes.axhline(0, color=INK, linewidth=1.0, zorder=1)
    points(axes, rows[panel.label], rows[heading], gid=f"runs{number}", size=3.6)
    if smooth is not None:
        axes.plot(
            smooth[panel.label],
            smooth["median " + heading],
            "o-",
            color=LAW,
            markersize=3.5,
            markeredgewidth=0,
            linewidth=1.5,
            zorder=4,
        )
    scale_axis(axes.xaxis, panel.unit, panel.log, narrow=True)
    axes.set_xlabel(panel.label)
    axes.tick_params(axis="y", labelcolor=INK, color=MUTED)
