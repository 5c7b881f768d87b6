"""How the maps of a sheet did before, by budget factor, and what the widths of their forecasts are made of."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.maps_rows import made_of_maps, signed
from reports.series import FigureData, Series
from reports.style import DATA, FORM, INK, LAW, MUTED, NOISE, PAPER, PAST, new_figure, scale_axis, styled
from reports.tables import Table, make_table
from reports.words import level_text
from scaling.fitting.backtest import FACTOR_BINS
from scaling.formatting import UNKNOWN, format_factor, format_percent, format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_PARTS = {"parameters": LAW, "noise": NOISE, "form": FORM, "floors": MUTED, "back-test": PAST, "usual error": PAST}


def tested(sheet: Any) -> list[Any]:
    """Return the maps with a back-test that says something."""
    return [one for one in sheet.maps if one.fit is not None and one.fit.backtest and one.fit.backtest.says_something]


def of_factors(sheet: Any) -> Table | None:
    """Make the table of errors of all maps together, by budget factor; None without a back-test."""
    maps = tested(sheet)
    if not maps:
        return None
    rows = []
    for low, high, entries in _bins(maps):
        errors = np.concatenate([entry[0] for entry in entries])
        inside = np.concatenate([entry[1] for entry in entries])
        undefined = sum(entry[2] for entry in entries)
        if not len(errors):
            continue
        rows.append(
            (
                _range(low, high),
                str(sum(bool(len(entry[0])) for entry in entries)),
                str(len(errors) + undefined),
                str(undefined),
                signed(float(np.mean(errors))),
                format_percent(float(np.sqrt(np.mean(errors**2)))),
                f"{100 * np.mean(inside):.0f} %" if len(inside) else UNKNOWN,
            )
        )
    level = level_text(maps[0].fit.backtest.level)
    heads = (
        "budget factor", "maps", "forecasts", "undefined", "mean error", "rms error", f"inside the {level} interval",
    )  # fmt: skip
    orders = {one.fit.settings["loss_to_loss"]["ordered_by"] for one in maps}
    by = "budget" if orders == {"budget"} else "x, the budgets not being known" if orders == {"x"} else "budget or x"
    note = (
        f"Every map was fitted anew to the pairs up to a cut-off of {by}, and forecast the larger ones, x being known. "
        "Errors are relative; above 0 the forecast was too high. The intervals are those of parameters and scatter up "
        f"to each cut-off alone. {made_of_maps(sheet, f'nominal {level} of a new run, parameters and scatter alone')}"
    )
    return make_table("Held-out pairs, by budget factor", heads, rows, note=note)


def backtest_figure(sheet: Any) -> tuple[FigureData, Figure] | None:
    """Draw the root mean square error of each map on held-out pairs against how far they were extrapolated.

    Parameters
    ----------
    sheet : db.map_sheet.Sheet
        The maps.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``maps`` and ``all maps``; None without a back-test.
    """
    maps = tested(sheet)
    if not maps:
        return None
    level = maps[0].fit.backtest.level
    single: dict[str, list[Any]] = {"map": [], "from": [], "to": [], "rms error": [], "forecasts": []}
    whole: dict[str, list[Any]] = {"from": [], "to": [], "rms error": [], "inside the interval": []}
    for low, high, entries in _bins(maps):
        filled = [(one, entry) for one, entry in zip(maps, entries, strict=True) if len(entry[0])]
        if not filled:
            continue
        far = max(entry[3] for _, entry in filled) if math.isinf(high) else high
        for one, (errors, *_) in filled:
            row = (one.label, low, far, 100 * math.sqrt(float(np.mean(errors**2))), len(errors))
            for column, value in zip(single.values(), row, strict=True):
                column.append(value)
        errors, inside = (np.concatenate([entry[k] for _, entry in filled]) for k in (0, 1))
        share = 100 * float(np.mean(inside)) if len(inside) else math.nan
        for column, value in zip(
            whole.values(), (low, far, 100 * math.sqrt(float(np.mean(errors**2))), share), strict=True
        ):
            column.append(value)
    with styled():
        figure, panels = new_figure(4.0, rows=2, heights=(3, 1.1))
        _draw(panels, single, whole, len(maps), level)
        factors = sorted({round(one.factor, 6) for one in maps if one.in_budgets and math.isfinite(one.factor)})
        targets = [factor for factor in factors if factor >= 1.05]
        _scale(panels, whole, targets)
        figure.align_ylabels(panels)
    as_units = {"from": "factor", "to": "factor", "rms error": "percent"}
    series = (
        Series("maps", {k: _column(v) for k, v in single.items()}, as_units | {"map": "text", "forecasts": "count"}),
        Series("all maps", {k: np.array(v) for k, v in whole.items()}, as_units | {"inside the interval": "percent"}),
    )
    dots = (
        "Dots: the maps, one each, side by side within a range of factors; bar: all of them together."
        if len(maps) > 1
        else "Dot and bar: the map."
    )
    return (
        FigureData(
            key="fig-maps-backtest",
            title="Errors on held-out pairs, by budget factor",
            finding="; ".join(
                f"{_range(a, b)}: {format_percent(r / 100)}"
                for a, b, r in zip(whole["from"], whole["to"], whole["rms error"], strict=True)
            ),
            caption=f"{dots} Below: the share of the {level_text(level)} intervals (of parameters and scatter up to "
            "the cut-off alone) that held the pair; dashed, their nominal share. "
            + ("Dashed upright: how far the large runs lie. " if targets else "")
            + made_of_maps(sheet, f"nominal {level_text(level)}, parameters and scatter alone"),
            series=series,
        ),
        figure,
    )


def width_figure(sheet: Any) -> tuple[FigureData, Figure] | None:
    """Draw a bar for each map, as long as its half width, split into its parts.

    Parameters
    ----------
    sheet : db.map_sheet.Sheet
        The maps.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``half widths``; None where no width is known.
    """
    from reports.width import NAMES

    known = []
    for one in sheet.maps:
        if one.forecast is None:
            continue
        said = one.forecast.prediction
        if said.parts and all(map(math.isfinite, said.parts.values())) and said.mean > 0:
            known.append((one, 100 * (said.high - said.low) / 2 / said.mean, said.parts))
    if not known:
        return None
    names = [name for name in NAMES if any(name in parts for *_, parts in known)]
    row = 0.3 if len(known) <= 12 else 0.2
    with styled():
        figure, (axes,) = new_figure(0.95 + row * len(known))
        left = np.zeros(len(known))
        for name in names:
            wide = np.array([half * parts.get(name, 0.0) for _, half, parts in known])
            axes.barh(
                range(len(known)), wide, 0.62, left, color=_PARTS[name], edgecolor=PAPER, linewidth=0.6,
                label=NAMES[name], zorder=2,
            )  # fmt: skip
            left = left + wide
        axes.set_ylim(len(known) - 0.4, -0.6)
        axes.set_yticks(range(len(known)), [one.label for one, *_ in known])
        axes.tick_params(axis="y", length=0, labelsize=8.5 if len(known) <= 12 else 7.0)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"half width of the {level_text(sheet.question.level)} interval (% of the forecast), x known")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names), borderaxespad=0, handlelength=1, borderpad=0.2
        )
    columns = {NAMES[name]: np.array([100 * parts.get(name, 0.0) for *_, parts in known]) for name in names}
    series = Series(
        "half widths",
        {"map": tuple(one.label for one, *_ in known), "half width": np.array([half for _, half, _ in known])}
        | columns,
        {"map": "text", "half width": "percent"} | dict.fromkeys(columns, "percent"),
    )
    halves = [half for _, half, _ in known]
    return (
        FigureData(
            key="fig-maps-width",
            title="What the widths are made of",
            finding=f"Half widths from {format_percent(min(halves) / 100)} to {format_percent(max(halves) / 100)}.",
            caption="Length: the half width at an x that is known. Colours: its squared parts, as shares of the "
            "length. " + made_of_maps(sheet),
            series=(series,),
        ),
        figure,
    )


def _bins(maps: list[Any]) -> list[tuple[float, float, list[tuple[Array, Array, int, float]]]]:
    """Relative errors, whether intervals held, undefined forecasts and largest factor of each map, by range."""
    edges = (*FACTOR_BINS, math.inf)
    found = []
    for low, high in pairwise(edges):
        entries = []
        for one in maps:
            test = one.fit.backtest
            here = (test.factor >= low * (1 - 1e-9)) & (test.factor < high * (1 - 1e-9))
            fine = here & test.defined
            errors = test.predicted[fine] / test.observed[fine] - 1
            known = fine & np.isfinite(test.low) & np.isfinite(test.high)
            inside = (test.observed[known] >= test.low[known]) & (test.observed[known] <= test.high[known])
            far = float(test.factor[here].max()) if here.any() else low
            entries.append((errors, inside.astype(float), int(np.sum(here & ~test.defined)), far))
        found.append((low, high, entries))
    return found


def _draw(
    panels: list[Any], single: dict[str, list[Any]], whole: dict[str, list[Any]], count: int, level: float
) -> None:
    top, bottom = panels
    start, end, rms = (np.array(single[k], float) for k in ("from", "to", "rms error"))
    labels = list(dict.fromkeys(single["map"]))
    place = np.array([(labels.index(label) + 1) / (len(labels) + 1) for label in single["map"]])
    top.plot(
        start ** (1 - place) * end**place, rms, "o", color=DATA, markersize=5.5 if count <= 8 else 3.8, alpha=0.7,
        markeredgewidth=0, zorder=3,
    )  # fmt: skip
    for a, b, value, share in zip(*whole.values(), strict=True):
        top.plot([a, b], [value, value], color=LAW, linewidth=2.2, zorder=2)
        if math.isfinite(share):
            bottom.fill_between([a, b], 0, share, color=LAW, alpha=0.3, linewidth=0, zorder=2)
            bottom.annotate(
                f"{share:.0f} %",
                (math.sqrt(a * b), share / 2),
                ha="center",
                va="center_baseline",
                color=INK,
                fontsize=8,
            )
    bottom.axhline(100 * level, color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
    top.set_ylim(0, 1.12 * float(rms.max()))
    bottom.set_ylim(0, 110)
    bottom.set_yticks([0, 50, round(100 * level, 2)])
    top.set_ylabel("rms error (%)")
    bottom.set_ylabel("held (%)")


def _scale(panels: list[Any], whole: dict[str, list[Any]], targets: list[float]) -> None:
    low, high = min(whole["from"]), max([*whole["to"], *targets])
    for panel in panels:
        panel.set_xlim(low / 1.08, high * 1.15)
        for target in targets:
            panel.axvline(target, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    scale_axis(panels[0].xaxis, "factor", True)
    if len(targets) == 1:
        panels[0].annotate(
            f"the large runs, {format_factor(targets[0])}", (targets[0], 1), xycoords=("data", "axes fraction"),
            xytext=(-4, -3), textcoords="offset points", ha="right", va="top", fontsize=8.5, color=MUTED, gid="halo",
        )  # fmt: skip
    panels[-1].set_xlabel("budget factor: compute of the pair over that of the cut-off")


def _range(low: float, high: float) -> str:
    return f"{format_factor(low)} and beyond" if math.isinf(high) else f"{format_factor(low)} to {format_factor(high)}"


def _column(values: list[Any]) -> Any:
    return tuple(values) if values and isinstance(values[0], str) else np.array(values, float)


def tested_words(sheet: Any) -> str:
    """Say how many maps have a back-test."""
    count, maps = len(tested(sheet)), sum(one.fit is not None for one in sheet.maps)
    if count == maps:
        return ""
    return f"{format_plural(maps - count, 'map')} of {maps} could not be tested: too few budgets to hold some out."
