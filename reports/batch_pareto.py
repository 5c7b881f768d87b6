"""Time against compute: what each batch size takes, and the batches of some overheads on the front."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.batch_figures import count_unit
from reports.batch_words import ends_text, size_text
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, new_figure, place_labels, points, scale_axis, styled
from reports.words import level_text
from scaling.formatting import format_number, format_percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.batch_page import Origin
    from scaling.batch_size.planner.curve import StepsCurve
    from scaling.batch_size.planner.tradeoff import ParetoFront

Array = NDArray[np.float64]
_CURVE = 81


def pareto_figure(
    curve: StepsCurve, front: ParetoFront, measured: tuple[Array, Array] | None, origin: Origin, data: str = ""
) -> tuple[FigureData, Figure]:
    """Draw time against compute, with the batches of some overheads marked.

    Parameters
    ----------
    curve : StepsCurve
        Steps over batch size.
    front : ParetoFront
        Worked out from it.
    measured : (ndarray, ndarray), optional
        Batch and steps of what was run.
    origin : Origin
        Of the page.
    data : str
        What the curve rests on, where that is not the data of the page.

    Returns
    -------
    FigureData, Figure
        Series ``front`` and ``plans``.
    """
    unit, level = front.unit, front.level
    marks = {share: best[0] for share, best in front.by_overhead.items() if math.isfinite(best[0])}
    ran = [] if measured is None else [float(measured[0].min()), float(measured[0].max())]
    grid = np.geomspace(min([min(marks.values()) / 6, *ran]), max([max(marks.values()) * 6, *ran]), _CURVE)
    steps = curve.steps(grid)
    low, high = curve.interval(_samples_at(curve, steps), level)
    known = bool(len(curve.replicates))
    with styled():
        figure, (axes,) = new_figure(4.2)
        handles: list[tuple[Any, str]] = []
        [line] = axes.plot(steps, steps * grid, color=LAW, zorder=3)
        handles.append((line, f"front{f', {level_text(level)} band' if known else ''}"))
        x_ends, y_ends = (steps.min() / 1.12, steps.max() * 1.12), _limits(steps * grid)
        if known:
            top = np.where(np.isfinite(high), high, 10 * y_ends[1])
            axes.fill_between(steps, low, top, color=LAW, alpha=0.25, linewidth=0, zorder=1)
        if measured is not None:
            points(axes, measured[1], measured[0] * measured[1], gid="runs", size=4.5)
            from matplotlib.lines import Line2D

            handles.append((Line2D([], [], linestyle="", marker="o", color=DATA, markersize=4.5), "batches that ran"))
            x_ends = min(x_ends[0], measured[1].min() / 1.1), max(x_ends[1], measured[1].max() * 1.1)
            y_ends = _limits(np.concatenate([steps * grid, measured[0] * measured[1]]))
        axes.set_xlim(*x_ends)
        axes.set_ylim(*y_ends)
        scale_axis(axes.xaxis, "value", True)
        scale_axis(axes.yaxis, "count", True)
        at = [(float(curve.steps(b)), float(curve.steps(b)) * b) for b in marks.values()]
        axes.plot(*np.array(at).T, "D", color=INK, markersize=5.5, markeredgewidth=0, zorder=5)
        axes.set_xlabel("steps: time on enough devices")
        axes.set_ylabel(f"{unit} seen: compute")
        key(figure, handles)
        names = [f"+{format_percent(share, 3)}: B = {size_text(b, unit)}" for share, b in marks.items()]
        below = [np.column_stack([steps, steps * grid * share]) for share in (1.0, 0.9, 0.8, 0.7)]  # labels go above
        place_labels(axes, at, names, np.concatenate(below), 8.5)
    return (
        FigureData(
            key="fig-pareto",
            title="Time against compute: what each batch size takes",
            finding="; ".join(
                f"{format_percent(share, 3)} more {unit} than the fewest at a batch of {size_text(b, unit)} {unit}"
                for share, b in marks.items()
            ) + ".",
            caption=f"Along the line the batch grows from right to left; no batch is better than another in both. "
            f"Diamonds: the batches that take a share more {unit} than the fewest possible (perfect scaling, no "
            f"anchor). A step is taken to last the same at every batch, as on as many devices as the batch needs. "
            f"{origin.made_of(f'percentiles of {len(curve.replicates)} replicates' if known else 'none', data)}",
            series=(_front_series(front), _plan_series(front)),
        ),
        figure,
    )  # fmt: skip


def _limits(values: Array) -> tuple[float, float]:
    low, high = float(np.min(values)), float(np.max(values))
    pad = (high / low) ** 0.07
    return low / pad, high * pad


def _samples_at(curve: StepsCurve, steps: Array) -> Array:
    """Samples (R, m) that each replicate needs for numbers of steps; infinite where they are too few for it."""
    a, b = curve.replicates[:, :1], curve.replicates[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(steps > a, steps * b / np.where(steps > a, steps - a, np.nan), np.inf))


def _front_series(front: ParetoFront) -> Series:
    unit = front.unit
    columns = {
        f"batch ({unit})": front.batch, "steps": front.steps, f"{unit} seen": front.samples,
        "of the fewest steps": front.time_ratio, f"more {unit} than the fewest": 100 * front.overhead,
    }  # fmt: skip
    units = {
        f"batch ({unit})": count_unit(unit), "steps": "value", f"{unit} seen": "count", "of the fewest steps": "factor",
        f"more {unit} than the fewest": "percent",
    }  # fmt: skip
    return Series("front", columns, units, curve=True)


def _plan_series(front: ParetoFront) -> Series:
    unit = front.unit
    level = level_text(front.level)
    found = [(f"{format_percent(k, 3)} more {unit}", v) for k, v in front.by_overhead.items()]
    found += [(f"weight of time {format_number(k, 2)}", v) for k, v in front.by_weight.items()]
    columns = {
        "plan": tuple(name for name, _ in found),
        f"batch ({unit})": tuple(size_text(v[0], unit) for _, v in found),
        f"{level} interval": tuple(ends_text(v[1], v[2], unit) for _, v in found),
    }
    return Series("plans", columns, dict.fromkeys(columns, "text"))
