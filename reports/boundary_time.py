"""The boundary in time: one curve that a year moves, at the dates seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from reports.boundary_inputs import BoundaryPage
from reports.boundary_words import score_axis, share_below
from reports.series import FigureData, Series
from reports.style import LAW, new_figure, scale_axis, styled
from reports.tables import Table, make_table
from reports.words import level_text
from scaling.boundary.drift.dates import iso_day
from scaling.formatting import UNKNOWN, format_interval, format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scaling.boundary.drift import DatedBoundary

_CURVE = 97
_DATES = 4
_FAINT = 0.35  # opacity of the oldest curve
_MONTHS = 12
_APART = 10.0  # points between labels at the end of curves


def dated_figure(page: BoundaryPage) -> tuple[FigureData, Figure] | None:
    """Draw the boundary at a few dates of those seen.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``boundary by date``; None without a dated boundary.
    """
    dated = page.dated
    if dated is None:
        return None
    first, last = (float(q) for q in np.quantile(dated.year, [0.05, 1]))
    years = np.unique(np.round(np.linspace(first, last, _DATES), 4))
    z = np.linspace(*dated.support, _CURVE)
    curves = [np.asarray(dated.predict(z, float(year))) for year in years]
    columns: dict[str, Any] = {"compute (FLOP)": 10**z}
    columns |= {iso_day(float(year)): curve for year, curve in zip(years, curves, strict=True)}
    with styled():
        figure, (axes,) = new_figure(3.6)
        for i, curve in enumerate(curves):
            alpha = _FAINT + (1 - _FAINT) * (i + 1) / len(curves)
            axes.plot(10**z, curve, color=LAW, alpha=alpha, linewidth=1.4 + 0.5 * (i == len(curves) - 1), zorder=3 + i)
        axes.set_xlim(10 ** z[0], 10 ** z[-1])
        low, high = min(c.min() for c in curves), max(c.max() for c in curves)
        pad = 0.05 * max(high - low, 0.05)
        axes.set_ylim(max(-0.02, low - pad), min(1.02, high + pad))
        scale_axis(axes.xaxis, "flop", True)
        scale_axis(axes.yaxis, "value", False)
        axes.set_xlabel("training compute (FLOP)")
        axes.set_ylabel(score_axis(page))
        end_labels(axes, [(iso_day(float(y)), float(c[-1]), LAW) for y, c in zip(years, curves, strict=True)])
    units = dict.fromkeys(columns, "value") | {"compute (FLOP)": "flop"}
    return (
        FigureData(
            key="fig-dated",
            title="One boundary that a year moves",
            finding=rate_words(dated, page.level),
            caption=f"The boundary, which {share_below(dated.tau)} of the models stay below, at "
            f"{format_plural(len(years), 'date')} between those of the models; the fainter the older. It is one curve, "
            "moved along compute at one rate. "
            f"{rate_words(dated, page.level)} {_made_of(page, dated)}",
            series=(Series("boundary by date", columns, units, curve=True),),
        ),
        figure,
    )


def end_labels(axes: Axes, ends: list[tuple[str, float, str]]) -> None:
    """Write what a curve is at its right end, outside of the axes, so that labels keep apart.

    Parameters
    ----------
    axes : Axes
        Whose limits are final.
    ends : list of (str, float, str)
        Text, height in data coordinates, and colour.
    """
    low, high = axes.get_ylim()
    tall = (
        cast("Figure", axes.figure).get_size_inches()[1] * 72 * 0.75
    )  # points, about what the axes have of the figure
    gap = _APART / tall * (high - low)
    shown = sorted((e for e in ends if np.isfinite(e[1])), key=lambda e: e[1])
    places: list[float] = []
    for _, at, _ in shown:
        places.append(max(min(at, high), places[-1] + gap) if places else max(at, low))
    excess = places[-1] - high if places and places[-1] > high else 0.0
    for (text, _, color), place in zip(shown, places, strict=True):
        axes.annotate(
            text, (1, place - excess), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
            va="center", ha="left", fontsize=8, color=color,
        )  # fmt: skip


def rate_words(dated: DatedBoundary, level: float) -> str:
    """Say what a year is worth in compute."""
    gain = dated.gain(level)
    known = not math.isnan(gain.low)
    interval = f" ({level_text(level)} interval {format_interval(*gain.factor_interval)})" if known else ""
    apart = "" if gain.told_apart or not known else ", which is not told apart from no change"
    return (
        f"A year counts like {format_number(gain.factor, 3)} times the compute{interval}{apart}: "
        f"{format_number(gain.orders, 3)} orders of magnitude a year."
    )


def of_rate(page: BoundaryPage) -> Table | None:
    """Make the table of what a year is worth; None without a dated boundary."""
    dated = page.dated
    if dated is None:
        return None
    gain = dated.gain(page.level)
    known = not math.isnan(gain.low)
    doubling = _MONTHS * gain.doubling_years
    ends = [_MONTHS * end for end in gain.doubling_interval]
    rows = [
        (
            "orders of magnitude of compute a year",
            format_number(gain.orders, 3),
            format_interval(gain.low, gain.high) if known else UNKNOWN,
        ),
        (
            "factor of compute a year",
            format_number(gain.factor, 3),
            format_interval(*gain.factor_interval) if known else UNKNOWN,
        ),
        (
            "months in which compute counts double",
            format_number(doubling, 2) if math.isfinite(doubling) else "never",
            f"{format_number(ends[0], 2)} to {format_number(ends[1], 2) if math.isfinite(ends[1]) else 'never'}"
            if known and math.isfinite(ends[0])
            else UNKNOWN,
        ),
    ]
    note = f"Verdict on the rate: {dated.verdict}. {' '.join(dated.reasons)} {_made_of(page, dated)}"
    heads = ("what a year is worth", "estimate", f"{level_text(page.level)} interval")
    return make_table("What a year is worth", heads, rows, note=" ".join(note.split()))


def _made_of(page: BoundaryPage, dated: DatedBoundary) -> str:
    s = dated.settings
    ridge = f" + {s.ridge:.3g} b^2" if s.ridge else ""
    first, last = (iso_day(end) for end in dated.dates)
    return (
        f"Objective: mean pinball({s.tau:g}), kappa {s.kappa:g}{ridge}; intervals: {dated.gain(page.level).method}; "
        f"data: {format_plural(dated.n_obs, 'model')} from {first} to {last}."
    )
