"""Floors of a sheet of maps, and what the forecasts would be on other floors: tables and a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from reports import maps_grid as draw
from reports.maps_rows import heading, made_of_maps, named, signed
from reports.series import FigureData, Series
from reports.style import FORM, INK, LAW, PAPER, PAST, styled
from reports.tables import NOTHING, Table, make_table
from reports.words import level_text
from scaling.formatting import format_interval, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scaling.loss_to_loss.sensitivity import FloorRow

_COLORS = {"chinchilla": LAW, "kaplan": FORM, "given": INK}
_MARKS = {"chinchilla": "o", "kaplan": "s", "given": "D"}
_SHOWN = 0.97  # share of the forecasts that the axis must show; others are told of


def has_floors(sheet: Any) -> bool:
    """Whether any map has a forecast on other floors."""
    return any(one.sensitivity and math.isfinite(one.y[0]) for one in sheet.maps)


def of_sensitivity(sheet: Any) -> Table | None:
    """Make the table of forecasts on other floors, one row a map, as differences from the forecast of this page."""
    maps = [one for one in sheet.maps if one.sensitivity and math.isfinite(one.y[0])]
    if not maps:
        return None
    keys = dict.fromkeys(_name(row) for one in maps for row in one.sensitivity if row.basis in ("none", "law", "given"))
    names = [name for name in keys if _shown(maps, name)]
    rows = []
    for one in maps:
        cells = []
        for name in names:
            [found] = [r for r in one.sensitivity if r.basis != "end" and _name(r) == name][:1] or [None]
            said = found is not None and math.isfinite(found.forecast)
            cells.append(
                "no floor" if found is None else signed(found.forecast / one.y[0] - 1) if said else "undefined"
            )
        spread = _spread(one)
        rows.append((named(sheet, one), format_number(one.y[0]), *cells, spread))
    from_budget = _budgets(sheet)
    heads = (heading(sheet), "forecast here", *(from_budget.get(name, name) for name in names), "over all floors")
    note = (
        "Differences from the forecast of this page. Without a floor: the form log_log. Otherwise a shifted power law "
        "between the floors E of a law of N and D, fitted to all runs of either side, or without the smallest budgets: "
        "those below a share of the range of budgets, on a logarithmic scale, are left out. Small budgets pull a floor "
        "away from what larger runs go to. Undefined: x lies at or below that floor; no floor: the law gives none. The "
        "last column holds every row of figure and tables below, ends of the floors' 68 % intervals among them. "
        + made_of_maps(sheet, "none, these are fits alone")
    )
    return make_table("The forecast on other floors", heads, rows, note=note)


def of_law_floors(sheet: Any) -> Table | None:
    """Make the table of floors of the laws, by side."""
    known: dict[tuple[str, str], dict[str, tuple[float, float, float]]] = {}
    names: dict[str, None] = {}
    for one in sheet.maps:
        d = one.data
        for side, metric, column in ((d.source, d.metric_source, "floor_x"), (d.target, d.metric_target, "floor_y")):
            cells = known.setdefault((side, metric), {})
            for row in one.sensitivity:
                if row.basis == "law" and row.held == "both":
                    names[_law_name(row)] = None
                    value = getattr(row, column)
                    if math.isfinite(value):
                        cells[_law_name(row)] = (value, *_ends(one.sensitivity, row, column))
    if not names:
        return None
    several = len({metric for _, metric in known}) > 1
    rows = []
    for (side, metric), cells in known.items():
        texts = []
        for name in names:
            value, low, high = cells.get(name, (math.nan,) * 3)
            within = f" ({format_interval(low, high)})" if math.isfinite(low) else ""
            texts.append(f"{format_number(value)}{within}" if math.isfinite(value) else NOTHING)
        rows.append((f"{side}, {metric}" if several else side, *texts))
    note = (
        "Floors E of laws of N and D, log residuals with a Huber loss; in parentheses their 68 % intervals, where all "
        "budgets were fitted. Missing: the law is not identified by these runs. Data: the runs of each side that meet "
        "the condition of this page, paired or not."
    )
    from_budget = _budgets(sheet)
    heads = ("side", *(from_budget.get(name, name) for name in names))
    return make_table("Floors of the laws", heads, rows, note=note)


def floors_figure(sheet: Any) -> tuple[FigureData, Figure] | None:
    """Draw the forecast of each map against the floor of x that it rests on.

    Parameters
    ----------
    sheet : db.map_sheet.Sheet
        The maps.

    Returns
    -------
    (FigureData, Figure) or None
        One series a map; None where no map has a forecast on another floor.
    """
    maps = [one for one in sheet.maps if one.sensitivity and math.isfinite(one.y[0])]
    if not maps:
        return None
    level, reach = level_text(sheet.question.level), _reach(maps)
    hidden = 0
    with styled():
        figure, axes = draw.grid(maps, share_x=False, legend=0.4)
        size = 4.6 if draw.columns_for(maps) <= 3 else 3.4
        for panel, one in zip(axes, maps, strict=True):
            mean, low, high = one.y
            if math.isfinite(low):
                panel.axhspan(
                    100 * (low / mean - 1), 100 * (high / mean - 1), color=LAW, alpha=0.15, linewidth=0, zorder=0
                )
            panel.axhline(0, color=INK, linewidth=0.7, zorder=1)
            if math.isfinite(one.error):
                outcome = 100 * (one.large.outcome / mean - 1)
                panel.axhline(outcome, color=FORM, linewidth=1.2, linestyle=(0, (1, 1.5)), zorder=1)
            curve = [(r.floor_x, 100 * (r.forecast / mean - 1)) for r in one.sensitivity if r.basis == "grid"]
            curve = [point for point in curve if math.isfinite(point[1])]
            panel.plot(*zip(*curve, strict=True), color=INK, linewidth=1.0, zorder=2) if curve else None
            for row in one.sensitivity:
                away = 100 * (row.forecast / mean - 1)
                if not math.isfinite(away) or row.basis == "grid":
                    continue
                hidden += abs(away) > 1.1 * reach
                _mark(panel, row, away, size)
            panel.set_xlim(-0.06 * float(one.data.x.min()), 1.02 * float(one.data.x.min()))
            panel.axvline(one.large.x, color=INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        for panel in axes:
            panel.set_ylim(-1.1 * reach, 1.1 * reach)
        draw.finish(figure, axes, "floor of x", "forecast against that of this page (%)")
        given = any(row.basis == "given" for one in maps for row in one.sensitivity)
        _key(figure, given, any(math.isfinite(one.error) for one in maps))
    told = f" Outside the picture, but in the tables: {format_plural(int(hidden), 'forecast')}." if hidden else ""
    return (
        FigureData(
            key="fig-floors",
            title="The forecast against the floor it rests on",
            finding=" ".join(f"{one.label}: {_spread(one)}." for one in maps[:6]),
            caption="Zero is the forecast of this page, shaded its "
            f"{level} interval; the dashed vertical line is the x of the large run, at which a shifted power law ends. "
            "Line: the floor of x moved, that of y found by the map. Marks: floors of two laws, smaller the more small "
            "budgets are left out (the table names them); filled with both floors held, hollow with that of y found by "
            f"the map; faint with one floor at an end of its 68 % interval.{told} "
            + made_of_maps(sheet, f"{level} of the forecast of this page as in its table; none of the others"),
            series=tuple(_series(one) for one in maps),
        ),
        figure,
    )


def _reach(maps: list[Any]) -> float:
    """How far the axis goes, percent: over all intervals and outcomes, and most of the forecasts."""
    ends, away = [1.0], []
    for one in maps:
        mean, *interval = one.y
        ends += [100 * abs(end / mean - 1) for end in interval if math.isfinite(end)]
        ends += [100 * abs(one.large.outcome / mean - 1)] if math.isfinite(one.error) else []
        away += [100 * abs(row.forecast / mean - 1) for row in one.sensitivity if math.isfinite(row.forecast)]
    return max(*ends, 1.15 * float(np.quantile(away, _SHOWN)) if away else 0.0)


def _mark(panel: Any, row: FloorRow, away: float, size: float) -> None:
    if row.basis == "none":
        if row.law == "log_log":
            panel.plot([0], [away], "^", color=PAST, markersize=size, markeredgewidth=0, zorder=4)
        return
    color = _COLORS.get(row.law, PAST)
    shrink = 1.0 if not row.share > 0 else 1 - 0.75 * row.share
    hollow = row.held == "source"
    panel.plot(
        [row.floor_x], [away], _MARKS.get(row.law, "v"), markersize=size * shrink, color=color,
        markerfacecolor=PAPER if hollow else color, markeredgewidth=1.0 if hollow else 0,
        alpha=0.45 if row.basis == "end" else 1.0, zorder=3 if row.basis == "end" else 4,
    )  # fmt: skip


def _key(figure: Figure, given: bool, outcome: bool) -> None:
    from matplotlib.lines import Line2D

    entries: list[tuple[Any, str]] = [
        (Line2D([], [], marker="o", linestyle="", color=LAW, markersize=5, markeredgewidth=0), "floors of chinchilla"),
        (Line2D([], [], marker="s", linestyle="", color=FORM, markersize=5, markeredgewidth=0), "floors of kaplan"),
        (Line2D([], [], marker="^", linestyle="", color=PAST, markersize=5, markeredgewidth=0), "no floor: log_log"),
        draw.key_line("floor of x moved"),
    ]
    if given:
        mark = Line2D([], [], marker="D", linestyle="", color=INK, markersize=4.5, markeredgewidth=0)
        entries.insert(0, (mark, "floors given"))
    if outcome:
        entries.append((Line2D([], [], color=FORM, linewidth=1.2, linestyle=(0, (1, 1.5))), "outcome"))
    figure.legend(
        [mark for mark, _ in entries], [text for _, text in entries], loc="outside upper left", ncols=6, fontsize=8,
        handlelength=1.5, columnspacing=1.4, borderpad=0.1, handletextpad=0.5,
    )  # fmt: skip


def _law_name(row: FloorRow) -> str:
    if not row.share > 0:
        return f"{row.law}, all budgets"
    return f"{row.law}, from {format_percent(row.share)} of the range"


def _budgets(sheet: Any) -> dict[str, str]:
    """Names of laws by the least budget that they were fitted to, where that is the same for all maps."""
    found: dict[str, set[str]] = {}
    for one in sheet.maps:
        for row in one.sensitivity:
            if row.basis == "law" and row.share > 0:
                found.setdefault(_law_name(row), set()).add(
                    f"{row.law}, from {format_number(row.least_budget, 2)} FLOP"
                )
    return {name: next(iter(texts)) for name, texts in found.items() if len(texts) == 1}


def _name(row: FloorRow) -> str:
    if row.basis == "none":
        return row.law
    if row.basis == "given":
        return f"the floors given ({'both held' if row.held == 'both' else 'that of y free'})"
    return _law_name(row) + (", that of y free" if row.held == "source" else "")


def _shown(maps: list[Any], name: str) -> bool:
    """Whether a column is one of those that the table shows: no floor, or both floors held, or those given."""
    rows = [row for one in maps for row in one.sensitivity if _name(row) == name]
    return any(row.held == "both" or row.law == "log_log" or row.basis == "given" for row in rows)


def _ends(rows: tuple[FloorRow, ...], row: FloorRow, column: str) -> tuple[float, float]:
    """The interval of a floor, from the rows in which it stands at its ends."""
    which = "E_x" if column == "floor_x" else "E_y"
    if row.share > 0:
        return math.nan, math.nan
    ends = [getattr(r, column) for r in rows if r.basis == "end" and r.law == row.law and r.moved.startswith(which)]
    return (min(ends), max(ends)) if len(ends) == 2 else (math.nan, math.nan)


def _spread(one: Any) -> str:
    said = [row.forecast for row in one.sensitivity if math.isfinite(row.forecast)]
    return format_interval(min(said), max(said)) if said else NOTHING


def _series(one: Any) -> Series:
    rows = one.sensitivity
    columns = {
        "floors": tuple(_words(row) for row in rows),
        "floor of x": np.array([row.floor_x for row in rows]),
        "floor of y": np.array([row.floor_y for row in rows]),
        "forecast y": np.array([row.forecast for row in rows]),
        "against this page": np.array([100 * (row.forecast / one.y[0] - 1) for row in rows]),
        "why not": tuple(row.reason or NOTHING for row in rows),
    }
    units = dict.fromkeys(columns, "value") | {"floors": "text", "why not": "text", "against this page": "percent"}
    return Series(f"floors of {one.label}", columns, units)


def _words(row: FloorRow) -> str:
    if row.basis == "grid":
        return "floor of x moved, that of y free"
    if row.basis == "end":
        return f"{_law_name(row) if row.law != 'given' else 'the floors given'}: {row.moved}"
    return _name(row)
