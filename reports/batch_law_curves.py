"""The curves of steps behind the points of a law of the critical batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.batch_figures import count_unit
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, new_figure, scale_axis, styled
from reports.words import shortest
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.batch_law_page import LawPage
    from reports.batch_page import Origin

Array = NDArray[np.float64]
_LINE = 9.0  # points between names of curves


def curves_figure(page: LawPage, origin: Origin) -> tuple[FigureData, Figure] | None:
    """Draw the curve of steps behind every point of the law, with its target and b/a; None where there are none."""
    behind = [(p.label, p.source) for p in page.points if p.source is not None]
    if not behind:
        return None
    series: list[Series] = []
    with styled():
        figure, (axes,) = new_figure(4.6)
        at: list[tuple[float, float]] = []
        avoid: list[Array] = []
        for label, one in behind:
            steps = one.steps
            grid = np.geomspace(float(steps.batch.min()) / 1.3, float(steps.batch.max()) * 1.3, 41)
            curve = steps.predict(grid, force=True).mean
            axes.plot(grid, curve, color=LAW, linewidth=1.4, zorder=2)
            for flag, look in ((False, "o"), (True, "^")):
                rows = steps.censored == flag
                axes.plot(steps.batch[rows], steps.steps[rows], look, color=DATA, markersize=4, alpha=0.7, zorder=3,
                          markerfacecolor="none" if flag else DATA, markeredgewidth=0.9 if flag else 0)  # fmt: skip
            corner = float(steps.critical_batch())
            if grid[0] < corner < grid[-1]:
                axes.plot([corner], steps.predict([corner], force=True).mean, "D", color=INK, markersize=5, zorder=4)
            at.append((float(grid[0]), float(curve[0])))
            avoid.append(np.column_stack([grid, curve]))
            columns = {f"batch ({steps.unit})": steps.batch, "steps": steps.steps, "fitted": np.exp(
                np.log(steps.predict(steps.batch, force=True).mean))}  # fmt: skip
            units = {f"batch ({steps.unit})": count_unit(steps.unit), "steps": "value", "fitted": "value"}
            target = one.sweep.found.target
            said = "" if math.isnan(target) else f", target {shortest(target)}"
            series.append(Series(f"{label}{said}", columns, units))
        left, right = min(a[0, 0] for a in avoid), max(a[-1, 0] for a in avoid)
        axes.set_xlim(left / (right / left) ** 0.14, right)
        scale_axis(axes.xaxis, count_unit(behind[0][1].steps.unit), True)
        scale_axis(axes.yaxis, "value", True)
        axes.set_xlabel(f"batch size ({behind[0][1].steps.unit})")
        axes.set_ylabel("steps to the target")
        _name_curves(axes, at, [label for label, _ in behind])
    return (
        FigureData(
            key="fig-curves",
            title="Steps over batch size behind every point",
            finding=f"{format_plural(len(behind), 'curve')} of steps, one a point of the law.",
            caption="Lines: a + b/B or the form that was asked for, one a sweep or a target, named at its left end "
            "where there is room; "
            "triangles: the target was not reached, more steps than this; diamonds: b/a of each curve. Objective: "
            f"squared on log residuals; intervals: {_where(page)}; data: {origin.data}.",
            series=tuple(series),
        ),
        figure,
    )


def _where(page: LawPage) -> str:
    """Say where intervals of the critical batch sizes stand."""
    if page.law.record["overhead"] is None:
        return "of b/a, see the figure of the law"
    return f"none of b/a here; of {page.law.convention}, see the figure of the law"


def _name_curves(axes: Axes, at: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write the name of each curve at its left end; one that would cover another is left to the table."""
    taken: list[float] = []
    for (x, y), name in zip(at, names, strict=True):
        height = float(axes.transData.transform((x, y))[1])
        if all(abs(height - other) > _LINE for other in taken):
            taken.append(height)
            axes.annotate(name, (x, y), xytext=(-5, 0), textcoords="offset points", ha="right", va="center", fontsize=8)
