"""Lines of equal loss in the plane of parameters and tokens, with the compute-optimal line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.answers import Answers
from reports.course import FRONTIER
from reports.series import FigureData, Series
from reports.style import INK, LAW, MUTED, new_figure, place_labels, points, scale_axis, styled
from reports.words import input_name, level_text, made_of, numbering, output_name, shortest
from scaling.allocation.allocate import Allocation, allocate
from scaling.errors import VerdictError
from scaling.formatting import format_count, format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_CELLS = 90
_LEVELS = 9
_LINE_POINTS = 25
_LABEL_GAP = 0.042  # of the height or width of the axes, between labels at its edges


def contours(answers: Answers) -> tuple[FigureData, Figure]:
    """Draw the plane of N and D.

    Parameters
    ----------
    answers : Answers
        Of an identified law of N and D.

    Returns
    -------
    FigureData, Figure
        Series ``compute-optimal line`` (where there is one), ``lines of equal ...`` and ``runs``.
    """
    data, fit = answers.data, answers.data.fit
    n, d = data.inputs["N"], data.inputs["D"]
    n_name, d_name, out = input_name(fit.law, "N"), input_name(fit.law, "D"), output_name(fit.law)
    n_ends, d_ends = (_ends(answers, name) for name in ("N", "D"))
    n_grid, d_grid = np.geomspace(*n_ends, _CELLS), np.geomspace(*d_ends, _CELLS)
    plane = fit.evaluate({"N": np.tile(n_grid, _CELLS), "D": np.repeat(d_grid, _CELLS)})[0].reshape(_CELLS, _CELLS)
    levels = _nice_levels(plane)
    line = _optimal_line(answers)
    order = np.argsort(-(n * d), kind="stable")
    runs = Series(
        "runs",
        {
            "run": tuple(data.run_ids[i] for i in order),
            n_name: n[order],
            d_name: d[order],
            out: data.observed[order],
        },
        {"run": "text", n_name: "count", d_name: "count", out: "value"},
        order="largest compute first",
    )
    most_n = f"tokens needed at {format_count(n_ends[1])} parameters"
    most_d = f"parameters needed at {format_count(d_ends[1])} tokens"
    edge = Series(
        f"lines of equal {fit.law.output}",
        {
            out: levels,
            most_n: _crossings(plane[:, -1], d_grid, levels),
            most_d: _crossings(plane[-1], n_grid, levels),
        },
        {out: "tick", most_n: "edge", most_d: "edge"},
    )
    series = (*([_line_series(answers, line)] if line else []), edge, runs)
    with styled():
        figure, (axes,) = new_figure(5.0)
        axes.contour(n_grid, d_grid, plane, levels=levels, colors=[MUTED], linewidths=0.8, alpha=0.75, zorder=1)
        points(axes, n, d, gid="runs", size=3.8)
        axes.set_xlim(n_ends)
        axes.set_ylim(d_ends)
        scale_axis(axes.xaxis, "count", True)
        scale_axis(axes.yaxis, "count", True)
        axes.grid(False)
        axes.set_xlabel(n_name)
        axes.set_ylabel(d_name)
        for side in ("top", "right"):
            axes.spines[side].set_visible(True)
        _label_edges(axes, n_grid, d_grid, plane, levels, fit.law.output)
        if line:
            _draw_line(axes, line)
        at = [(f.target.inputs["N"], f.target.inputs["D"]) for f in answers.forecasts]
        axes.plot(*np.array(at).T, "D", color=INK, markersize=5.5, markeredgewidth=0, zorder=6)
        names = [str(i + 1) for i in range(len(at))] if len(at) > 1 else [answers.targets[0].label]
        place_labels(axes, at, names, np.column_stack([n, d]), size=8.5)
    tips = tuple(
        f"{data.run_ids[i]}: {format_count(n[i])} parameters, {format_count(d[i])} tokens, "
        f"{fit.law.output} {format_number(data.observed[i])}"
        for i in range(len(n))
    )
    if line:
        finding = (
            f"Along the compute-optimal line the tokens a parameter go from "
            f"{format_number(float(line.n_tokens[0] / line.n_params[0]), 3)} at "
            f"{format_number(float(line.compute_flop[0]), 2)} FLOP to "
            f"{format_number(float(line.n_tokens[-1] / line.n_params[-1]), 3)} at "
            f"{format_number(float(line.compute_flop[-1]), 2)} FLOP."
        )
        band = ""
        if np.isfinite(line.n_params_interval).any():
            band = f", with its {level_text(data.level)} band"
            band += f" reaching to the optimum of {line.untied.law}" if line.untied is not None else ""
        how = f"Coloured line: the compute-optimal split{band}. "
    else:
        finding = "The law has no compute-optimal line: its loss falls all the way to one side."
        how = ""
    return (
        FigureData(
            key="fig-contours",
            title=f"Lines of equal {fit.law.output} over parameters and tokens",
            finding=finding,
            caption=f"Points: {format_plural(fit.n_obs, 'row')}. Thin lines: equal {out}, labelled at the edge. {how}"
            f"Diamonds: the targets{numbering(len(at))}. {finding} {made_of(data)}",
            series=series,
            tooltips={"runs": tips},
        ),
        figure,
    )


def _ends(answers: Answers, name: str) -> tuple[float, float]:
    values = [*answers.data.inputs[name], *(f.target.inputs[name] for f in answers.forecasts)]
    margin = (max(values) / min(values)) ** 0.05 * 1.05
    return float(min(values) / margin), float(max(values) * margin)


def _nice_levels(plane: Array) -> Array:
    from matplotlib.ticker import MaxNLocator

    low, high = float(np.nanmin(plane)), float(np.nanquantile(plane, 0.97))
    levels = MaxNLocator(_LEVELS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return np.array([level for level in levels if low < level < float(np.nanmax(plane))])


def _optimal_line(answers: Answers) -> Allocation | None:
    """Return the frontier with its intervals, from the smallest compute to the farthest target."""
    course = answers.course
    if course is None or course.kind != FRONTIER:
        return None
    low, high = answers.reach
    data, grid = answers.data, course.grid(low, high, _LINE_POINTS)
    try:
        return allocate(data.fit, grid, data.level, untied=data.untied)
    except VerdictError:
        if data.untied is None:
            raise
        # The law without the tie has no optimum somewhere along the line: the line is known there, its band is not.
        return allocate(replace(data.fit, replicates=data.fit.replicates[:0]), grid, data.level)


def _line_series(answers: Answers, line: Allocation) -> Series:
    level = level_text(answers.data.level)
    columns = {
        "compute (FLOP)": line.compute_flop,
        "parameters": line.n_params,
        f"parameters, {level} low": line.n_params_interval[0],
        f"parameters, {level} high": line.n_params_interval[1],
        "tokens": line.n_tokens,
        f"tokens, {level} low": line.n_tokens_interval[0],
        f"tokens, {level} high": line.n_tokens_interval[1],
        output_name(answers.data.fit.law): line.loss,
    }
    units = dict.fromkeys(columns, "count")
    units |= {"compute (FLOP)": "flop", output_name(answers.data.fit.law): "value"}
    return Series("compute-optimal line", columns, units, curve=True)


def _draw_line(axes: Axes, line: Allocation) -> None:
    """Draw the line, and its band along the directions of constant compute: few parameters go with many tokens."""
    few, many = line.n_params_interval
    known = np.isfinite(few) & np.isfinite(many)
    if known.any():
        cells = line.n_params * line.n_tokens
        x = np.concatenate([few[known], many[known][::-1]])
        y = np.concatenate([(cells / few)[known], (cells / many)[known][::-1]])
        axes.fill(x, y, color=LAW, alpha=0.28, linewidth=0, zorder=3)
    axes.plot(line.n_params, line.n_tokens, color=LAW, zorder=4)


def _crossings(values: Array, at: Array, levels: Array) -> Array:
    """Where a profile along an edge first crosses each level, by interpolation in logarithms; NaN where it does not."""
    out = np.full(len(levels), np.nan)
    for k, level in enumerate(levels):
        side = values > level
        change = np.flatnonzero(side[1:] != side[:-1])
        if change.size:
            i = change[0]
            share = (level - values[i]) / (values[i + 1] - values[i])
            out[k] = np.exp(np.log(at[i]) + share * np.log(at[i + 1] / at[i]))
    return out


def _label_edges(axes: Axes, n_grid: Array, d_grid: Array, plane: Array, levels: Array, what: str) -> None:
    """Write each level where its line leaves at the right, the top or the left; crowded ones are skipped."""
    right, left = (_share(_crossings(edge, d_grid, levels), d_grid) for edge in (plane[:, -1], plane[:, 0]))
    top = _share(_crossings(plane[-1], n_grid, levels), n_grid)
    decimals = max(len(shortest(float(level)).partition(".")[2]) for level in levels)
    # Of each edge: the places, how far apart labels must be, and how a label stands there.
    edges: tuple[tuple[Array, float, dict[str, Any]], ...] = (
        (right, _LABEL_GAP, {"xytext": (4, 0), "va": "center_baseline"}),
        (top, 1.6 * _LABEL_GAP, {"xytext": (0, 3), "ha": "center", "va": "bottom"}),
        (left, _LABEL_GAP, {"xytext": (4, 0), "va": "center_baseline", "gid": "halo", "zorder": 5}),
    )
    used: list[list[float]] = [[], [], []]
    for k, level in enumerate(levels):
        for number, (places, gap, stands) in enumerate(edges):
            place = float(places[k])
            if np.isfinite(place) and all(abs(place - other) > gap for other in used[number]):
                used[number].append(place)
                at = ((1, place), (place, 1), (0, place))[number]
                text = f"{level:.{decimals}f}"
                axes.annotate(
                    text, at, xycoords="axes fraction", textcoords="offset points", color=MUTED, fontsize=8, **stands
                )
                break
    axes.annotate(
        what, (1, 1), xycoords="axes fraction", xytext=(4, 3), textcoords="offset points", color=MUTED, fontsize=8
    )


def _share(places: Array, grid: Array) -> Array:
    """Turn places into shares of a logarithmic axis."""
    return np.asarray(np.log(places / grid[0]) / np.log(grid[-1] / grid[0]))
