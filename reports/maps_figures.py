"""The sheet: loss against loss in small multiples, and the same as a difference from each map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports import maps_grid as draw
from reports.maps_rows import made_of_maps, signed
from reports.series import FigureData, Series
from reports.style import INK, LAW, ZONE, styled
from reports.words import level_text, listed
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_CURVE = 41  # points of a map
_FAR = 0.995  # share of the differences that the axis must show
_SIZES = {1: (4.2, 6.0), 2: (3.4, 5.0), 3: (2.9, 4.4), 4: (2.4, 4.0)}  # of runs and of the large run, by columns


def sheet_figure(sheet: Any) -> tuple[FigureData, Figure] | None:
    """Draw all maps: pairs of runs, the identity line, the map with its band, and the large run.

    Parameters
    ----------
    sheet : db.map_sheet.Sheet
        The maps.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``large runs``, and for each map its pairs and its curve; None without a pair.
    """
    maps = draw.panels_of(sheet)
    if not maps:
        return None
    level, edges = level_text(sheet.question.level), draw.shades(maps)
    curves = [_curve(one, sheet.question.level) for one in maps]
    with styled():
        figure, axes = draw.grid(maps, share_x=True)
        small, large = _SIZES.get(draw.columns_for(maps), (2.1, 3.6))
        for panel, one, curve in zip(axes, maps, curves, strict=True):
            draw.runs(panel, one, one.data.y, edges, small)
            if curve is not None:
                panel.fill_between(curve[0], curve[2], curve[3], color=LAW, alpha=0.25, linewidth=0, zorder=2)
                panel.plot(curve[0], curve[1], color=INK, linewidth=0.9, zorder=2)
            if one.large is not None:
                draw.large_run(panel, one.large.x, one.y, one.large.outcome, large)
        _limits(axes, maps)
        for panel, one in zip(axes, maps, strict=True):
            if _comparable(one):
                draw.identity(panel)
            if one.large is not None and one.large.x < one.data.x.min():
                panel.axvspan(panel.get_xlim()[0], one.data.x.min(), color=ZONE, linewidth=0, zorder=0)
        draw.finish(
            figure, axes, f"loss x on the source ({_units(maps, 'x')})", f"y on the target ({_units(maps, 'y')})"
        )
        extra = [draw.key_line(f"map, {level} band"), draw.key_line("y = x", dashed=True)]
        extra[1:] = extra[1:] if any(map(_comparable, maps)) else []
        draw.key(figure, edges, [*extra, *draw.key_large(_outcomes(maps))])
    return (
        FigureData(
            key="fig-sheet",
            title=f"Loss against loss, {format_plural(len(maps), 'map')}",
            finding=_finding(maps),
            caption="Points: paired runs, the stronger their colour the larger their budget. Line: the map, with the "
            f"{level} band of a new run. Dashed: y = x, where both are losses of one unit. Diamond: the forecast of "
            "the large run with its interval; ring: what it scored. Shaded ground: losses x below those of all pairs. "
            f"{'All panels have the same axes. ' if len(maps) > 1 else ''}{made_of_maps(sheet)}",
            series=(_large_series(maps, level), *_series(maps, curves, level)),
        ),
        figure,
    )


def residual_figure(sheet: Any) -> tuple[FigureData, Figure] | None:
    """Draw pairs, band and large run as relative differences from each map, where a percent is to be seen.

    Parameters
    ----------
    sheet : db.map_sheet.Sheet
        The maps.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``differences``; None without a fit.
    """
    maps = [one for one in draw.panels_of(sheet) if one.fit is not None]
    if not maps:
        return None
    level, edges = level_text(sheet.question.level), draw.shades(maps)
    curves = [_curve(one, sheet.question.level) for one in maps]
    away = [100 * (one.data.y / one.fit.evaluate({"x": one.data.x})[0] - 1) for one in maps]
    with styled():
        figure, axes = draw.grid(maps, share_x=True)
        small, large = _SIZES.get(draw.columns_for(maps), (2.1, 3.6))
        reach = 0.0
        for panel, one, curve, errors in zip(axes, maps, curves, away, strict=True):
            draw.runs(panel, one, errors, edges, small)
            panel.axhline(0, color=INK, linewidth=0.9, zorder=2)
            reach = max(reach, float(np.nanquantile(np.abs(errors), _FAR)))
            if curve is not None:
                low, high = (100 * (end / curve[1] - 1) for end in curve[2:])
                panel.fill_between(curve[0], low, high, color=LAW, alpha=0.25, linewidth=0, zorder=1)
            said, outcome = _relative(one)
            if one.large is not None and said is not None:
                draw.large_run(panel, one.large.x, said, outcome, large)
                ends = [abs(v) for v in (*said, outcome) if math.isfinite(v)]
                reach = max(reach, *ends)
            if one.large is not None and one.large.x < one.data.x.min():
                panel.axvspan(0, one.data.x.min(), color=ZONE, linewidth=0, zorder=0)
        left, right = _across(maps)
        for panel in axes:
            panel.set_xlim(left, right)
            panel.set_ylim(-1.12 * reach, 1.12 * reach)
        draw.finish(figure, axes, f"loss x on the source ({_units(maps, 'x')})", "y against the map (%)")
        extra = [draw.key_line(f"map, {level} band")]
        draw.key(figure, edges, [*extra, *draw.key_large(_outcomes(maps))])
    beyond = int(sum(np.sum(np.abs(errors) > 1.12 * reach) for errors in away))
    hidden = f" {format_plural(beyond, 'pair')} lie outside the picture." if beyond else ""
    return (
        FigureData(
            key="fig-differences",
            title="The same, as a difference from each map",
            finding=_finding(maps),
            caption="The zero line is the map. Points: paired runs, the stronger their colour the larger their budget. "
            f"Band: the {level} interval of a new run at each x. Diamond: the forecast of the large run with its "
            "interval (with the error of x, where x is itself a forecast); ring: what it scored."
            f"{hidden} {made_of_maps(sheet)}",
            series=(_differences(maps),),
        ),
        figure,
    )


def _curve(one: Any, level: float) -> tuple[Array, Array, Array, Array] | None:
    """The map with its band, from the large run to the end of the pairs; None without a map or a band."""
    if one.fit is None:
        return None
    start, end = float(one.data.x.min()), float(one.data.x.max())
    at = [] if one.large is None else [one.large.x]
    x = np.linspace(min(start, *at, start), max(end, *at, end), _CURVE)
    said = one.fit.predict({"x": x}, level=level, force=True)
    keep = np.isfinite(said.mean)
    return (x[keep], said.mean[keep], said.low[keep], said.high[keep]) if keep.any() else None


def _relative(one: Any) -> tuple[tuple[float, float, float] | None, float]:
    """Forecast, interval and outcome in percent of the forecast."""
    mean, low, high = one.y
    if one.large is None or not (math.isfinite(mean) and mean > 0):
        return None, math.nan
    return (0.0, 100 * (low / mean - 1), 100 * (high / mean - 1)), 100 * (one.large.outcome / mean - 1)


def _across(maps: list[Any]) -> tuple[float, float]:
    ends = [v for one in maps for v in (one.data.x.min(), one.data.x.max(), *([one.large.x] if one.large else []))]
    low, high = float(min(ends)), float(max(ends))
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _limits(axes: list[Any], maps: list[Any]) -> None:
    """Give all panels one window, in which a third of the identity line is to be seen, where it makes sense."""
    left, right = _across(maps)
    ends = [v for one in maps for v in (one.data.y.min(), one.data.y.max(), *one.y) if math.isfinite(v)]
    ends += [one.large.outcome for one in maps if one.large is not None and math.isfinite(one.large.outcome)]
    low, high = float(min(ends)), float(max(ends))
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin
    if any(map(_comparable, maps)):
        low, high = min(low, right - (right - left) / 3), max(high, left + (right - left) / 3)
    for panel in axes:
        panel.set_xlim(left, right)
        panel.set_ylim(low, high)


def _comparable(one: Any) -> bool:
    """Whether x and y are losses of one unit, so that a line of equal losses means something."""
    return bool(one.data.unit_x == one.data.unit_y and one.data.unit_x)


def _outcomes(maps: list[Any]) -> bool:
    return any(one.large is not None and math.isfinite(one.large.outcome) for one in maps)


def _units(maps: list[Any], side: str) -> str:
    """Metric and unit of an axis, where all maps share them."""
    name = "source" if side == "x" else "target"
    metrics = list(dict.fromkeys(getattr(one.data, f"metric_{name}").rsplit("/", 1)[-1] for one in maps))
    units = list(dict.fromkeys(getattr(one.data, f"unit_{side}") for one in maps))
    return ", ".join(filter(None, [*(metrics if len(metrics) == 1 else []), *(units if len(units) == 1 else [])]))


def _finding(maps: list[Any]) -> str:
    said = [one for one in maps if math.isfinite(one.y[0])]
    if not said:
        return "No map of this sheet gives a forecast."
    shown = [
        f"{one.label}: {format_number(one.y[0])}"
        + (f" (outcome {format_number(one.large.outcome)}, {signed(one.error)})" if math.isfinite(one.error) else "")
        for one in said[:6]
    ]
    more = f"; and {len(said) - 6} more" if len(said) > 6 else ""
    return f"Forecasts of the large run: {'; '.join(shown)}{more}."


def _large_series(maps: list[Any], level: str) -> Series:
    known = [one for one in maps if one.large is not None]
    columns = {
        "map": tuple(one.label for one in known),
        "run": tuple(one.large.run_id or one.large.question for one in known),
        "FLOP": np.array([one.large.compute_flop for one in known]),
        "x": np.array([one.large.x for one in known]),
        "forecast y": np.array([one.y[0] for one in known]),
        f"{level} low": np.array([one.y[1] for one in known]),
        f"{level} high": np.array([one.y[2] for one in known]),
        "outcome": np.array([one.large.outcome for one in known]),
    }
    units = dict.fromkeys(columns, "value") | {"map": "text", "run": "text", "FLOP": "flop"}
    return Series("large runs", columns, units)


def _series(maps: list[Any], curves: list[Any], level: str) -> list[Series]:
    """The pairs of each map, and its curve."""
    found = []
    for one, curve in zip(maps, curves, strict=True):
        order = np.arange(len(one.data.x))[::-1]  # the largest budgets first
        budget = np.full(len(order), np.nan) if one.data.budget is None else one.data.budget
        found.append(
            Series(
                f"pairs of {one.label}",
                {
                    "runs": tuple(one.data.run_ids[i] for i in order),
                    "FLOP": budget[order],
                    "x": one.data.x[order],
                    "y": one.data.y[order],
                },
                {"runs": "text", "FLOP": "flop", "x": "value", "y": "value"},
                order="largest budgets first",
            )
        )
        if curve is not None:
            names = ("x", "the map", f"{level} low", f"{level} high")
            columns = dict(zip(names, curve, strict=True))
            found.append(Series(f"map of {one.label}", columns, dict.fromkeys(names, "value"), curve=True))
    return found


def _differences(maps: list[Any]) -> Series:
    columns: dict[str, list[Any]] = {"map": [], "scatter of the pairs (rms)": [], "interval": [], "outcome": []}
    for one in maps:
        left = one.data.y / one.fit.evaluate({"x": one.data.x})[0] - 1
        said, outcome = _relative(one)
        columns["map"].append(one.label)
        columns["scatter of the pairs (rms)"].append(100 * float(np.sqrt(np.nanmean(left**2))))
        ends = "unknown" if said is None else listed([signed(said[1] / 100), signed(said[2] / 100)])
        columns["interval"].append(ends)
        columns["outcome"].append("unknown" if not math.isfinite(outcome) else signed(outcome / 100))
    units = {"map": "text", "interval": "text", "outcome": "text", "scatter of the pairs (rms)": "percent"}
    return Series("differences", columns, units)
