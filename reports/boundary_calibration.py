"""Whether chances of a score came true as often as said."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.boundary_inputs import BoundaryPage
from reports.series import FigureData, Series
from reports.style import LAW, MUTED, new_figure, scale_axis, styled
from reports.tables import Table, make_table
from reports.words import cited, level_text, printable
from scaling.formatting import format_estimate, format_interval, format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scaling.boundary.evaluation.calibration import Reliability

_LARGEST = 11.0  # points, of the mark of the fullest bin


def reliability_figure(page: BoundaryPage) -> tuple[FigureData, Figure] | None:
    """Draw how often chances came true against what they were.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``chances``; None where nothing was held against them.
    """
    found = page.reliability
    if found is None:
        return None
    forecast, came, low, high = (
        np.array([getattr(b, name) for b in found.bins]) for name in ("forecast", "frequency", "low", "high")
    )
    n = np.array([b.n for b in found.bins])
    level = level_text(found.level)
    with styled():
        figure, (axes,) = new_figure(3.9)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
        axes.vlines(forecast, low, high, color=LAW, linewidth=1.3, zorder=2)
        for x, y, size in zip(forecast, came, _LARGEST * np.sqrt(n / n.max()), strict=True):
            axes.plot([x], [y], "o", color=LAW, markersize=max(float(size), 3.0), markeredgewidth=0, zorder=3)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_box_aspect(0.62)
        scale_axis(axes.xaxis, "value", False)
        scale_axis(axes.yaxis, "value", False)
        axes.set_xlabel("chance that was forecast")
        axes.set_ylabel("share that came true")
    columns: dict[str, Any] = {
        "chance forecast": 100 * forecast,
        "came true": 100 * came,
        f"{level} low": 100 * low,
        f"{level} high": 100 * high,
        "forecasts": n,
    }
    units = dict.fromkeys(columns, "percent") | {"forecasts": "value"}
    return (
        FigureData(
            key="fig-reliability",
            title="Chances of a score, and how often they came true",
            finding=calibration_words(found),
            caption="Chances that a model of the next period scores at least so much: "
            f"{format_plural(found.n, 'forecast')} in {format_plural(found.clusters, 'group')}, in bins of about as "
            f"many each, the same chance in one. Bars: {level} intervals. "
            f"Dashed: chances that come true as often as said. {calibration_words(found)} "
            f"{_made_of(page, f'{level} of Wilson, with as many independent forecasts as the groups leave')}",
            series=(Series("chances", columns, units),),
        ),
        figure,
    )


def calibration_words(found: Reliability) -> str:
    """Say how far chances were off, beside what right ones would show."""
    interval = (
        ""
        if math.isnan(found.low)
        else f", which chance alone makes larger: right chances would show {format_number(found.expected, 2)}, and as "
        f"much with probability {format_number(found.p_value, 2)}. Without what chance adds it is "
        f"{format_interval(found.low, found.high)} ({level_text(found.level)} interval)"
    )
    return (
        f"The calibration error is {format_number(found.calibration_error, 2)}{interval}; the Brier score is "
        f"{format_number(found.brier.score, 3)}, against {format_number(found.brier.uncertainty, 3)} of one chance for "
        "all."
    )


def of_calibration(page: BoundaryPage) -> Table | None:
    """Make the table of proper scores, taken apart; None where nothing was held against the chances."""
    found = page.reliability
    if found is None:
        return None
    rows = [
        (name, *(format_number(v, 3) for v in (d.score, d.miscalibration, d.discrimination, d.uncertainty)))
        for name, d in (("Brier", found.brier), ("logarithmic", found.log))
    ]
    note = (
        "Score = miscalibration - discrimination + uncertainty, the smaller the better; taken apart by isotonic "
        f"recalibration (arXiv:2008.03033). {_made_of(page, 'none for these scores')}"
    )
    heads = ("proper score of the chances", "score", "miscalibration", "discrimination", "uncertainty")
    return make_table("Proper scores of the chances", heads, rows, note=cited(note))


def of_recalibration(page: BoundaryPage) -> Table | None:
    """Make the table of what recalibration did; None without one."""
    found = page.recalibration
    if found is None:
        return None
    rows = [
        (
            printable(s.test), s.method, str(s.n_fit), str(s.n_test), format_number(s.brier_before, 3),
            format_number(s.brier_after, 3), format_estimate(s.gain, s.gain_se), s.helped,
        )
        for s in found.steps
    ]  # fmt: skip
    heads = (
        "period", "method", "earlier forecasts", "forecasts", "Brier before", "Brier after", "gain", "in words",
    )  # fmt: skip
    note = (
        "The method did best on periods before; 'none' leaves chances alone. Helped or harmed: by two standard errors, "
        f"clustered. {_made_of(page, 'standard errors, clustered')}"
    )
    return make_table("Chances put right by earlier periods", heads, rows, (0, 1, 7), note=note)


def _made_of(page: BoundaryPage, intervals: str) -> str:
    found = page.reliability
    data = "of the periods named" if found is None else f"{format_plural(found.n, 'forecast')}, each of a later period"
    return (
        f"Objective: {page.boundary.objective}, and the like for other quantiles, over the models of earlier periods; "
        f"intervals: {intervals}; data: {data}."
    )
