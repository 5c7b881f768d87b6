"""The learning curves of groups, and what a collection budget buys of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports.batch_page import name_cell
from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, MUTED, new_figure, scale_axis, styled
from reports.tables import NOTHING, Table, make_table
from reports.words import count_interval, factor_text, level_text, printable, sentence
from scaling.bands import replicate_interval
from scaling.formatting import format_count, format_interval, format_money, format_number, format_plural
from scaling.valuation.collection.plan import GOALS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.value_collection_page import CollectionPage
    from scaling.valuation.collection.curves import LearningCurve
    from scaling.valuation.collection.plan import CollectionPlan

MOST_PANELS = 9
_GRID = 61
_SPLIT: dict[str, Any] = {"linestyle": "", "color": LAW, "markeredgewidth": 1.6}


def curves_figure(page: CollectionPage) -> tuple[FigureData, Figure]:
    """Draw the learning curve of each group, what is at hand, and what a plan buys.

    Parameters
    ----------
    page : CollectionPage
        The curves.

    Returns
    -------
    FigureData, Figure
        A series a curve, and ``runs``.
    """
    names = list(page.curves)[:MOST_PANELS]
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    bought = {} if page.plan is None else dict(zip(page.plan.groups, page.plan.buy.tolist(), strict=True))
    series: list[Series] = []
    with styled():
        figure, every = new_figure(0.7 + 2.2 * rows, columns, rows, share_y=True)
        for name, axes in zip(names, every, strict=False):
            series.append(_draw(axes, page, page.curves[name], bought.get(name, 0.0)))
        for axes in every[len(names) :]:
            axes.set_visible(False)
        for axes in every[::columns]:
            axes.set_ylabel(page.measure)
        handles: list[tuple[Any, str]] = [
            (Line2D([], [], linestyle="", marker="o", color=DATA, markersize=4), "run"),
            (Line2D([], [], color=LAW), f"curve, {level_text(page.level)} band"),
            (Line2D([], [], color=MUTED, linewidth=1.0, linestyle=(0, (3, 2))), "at hand"),
        ]
        if any(v >= 0.5 for v in bought.values()):
            handles.append((Line2D([], [], linestyle="", marker="D", color=INK, markersize=5), "after the purchase"))
        key(figure, handles)
    left = f" {len(page.curves) - len(names)} more in the table." if len(page.curves) > len(names) else ""
    points = Series("runs", _points(page), {"group": "text", page.count: "count", page.measure: "value"})
    return (
        FigureData(
            key="fig-curves", title=f"{sentence(page.measure)} over {page.count}, group by group",
            finding=f"{format_plural(len(page.curves), 'group')}.",
            caption=f"Points: runs; line: the learning curve with the {level_text(page.level)} band of the curve. "
            f"Upright line: what is at hand.{left} {page.made_of()}",
            series=(*series, points),
        ),
        figure,
    )  # fmt: skip


def _draw(axes: Axes, page: CollectionPage, curve: LearningCurve, buy: float) -> Series:
    reach = max(curve.have + buy, 2 * curve.have) * 1.15
    grid = np.geomspace(float(curve.x.min()), reach, _GRID)
    estimates, draws = curve.parameters, curve.draws

    def loss(p: Any) -> Any:
        return p[..., 0, None] + p[..., 1, None] / grid ** p[..., 2, None]

    mean = loss(estimates[None])[0]
    columns: dict[str, Any] = {page.count: grid, page.measure: mean}
    if len(draws):
        low, high = replicate_interval(loss(draws), curve.fit.percentile_level(page.level))
        axes.fill_between(grid, low, high, color=LAW, alpha=0.25, linewidth=0, zorder=1)
        columns |= {f"{level_text(page.level)} low": low, f"{level_text(page.level)} high": high}
    axes.plot(grid, mean, color=LAW, zorder=3)
    axes.plot(curve.x, curve.y, "o", color=DATA, markersize=3.6, alpha=0.7, markeredgewidth=0, zorder=4)
    axes.axvline(curve.have, color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)), zorder=2)
    if buy >= 0.5:
        at = curve.have + buy
        level = estimates[0] + estimates[1] / at ** estimates[2]
        axes.plot([at], [level], "D", color=INK, markersize=5, markeredgewidth=0, zorder=5)
    scale_axis(axes.xaxis, "count", True, narrow=True)
    scale_axis(axes.yaxis, "value", True, narrow=True)
    axes.set_title(printable(curve.group))
    axes.set_xlabel(page.count)
    units = dict.fromkeys(columns, "value") | {page.count: "count"}
    return Series(f"curve of {printable(curve.group)}", columns, units, curve=True)


def _points(page: CollectionPage) -> dict[str, Any]:
    every = list(page.curves.curves.values())
    return {
        "group": tuple(c.group for c in every for _ in c.x),
        page.count: np.concatenate([c.x for c in every]),
        page.measure: np.concatenate([c.y for c in every]),
    }


def plan_figure(page: CollectionPage, plan: CollectionPlan) -> tuple[FigureData, Figure]:
    """Draw what a budget buys of each group, beside plainer splits of it."""
    order = [int(i) for i in np.argsort(-plan.buy * plan.cost, kind="stable")]
    with styled():
        figure, (axes,) = new_figure(1.0 + 0.36 * len(order))
        for y, i in enumerate(order):
            axes.barh([y], [plan.buy[i]], height=0.5, color=DATA, alpha=0.6, linewidth=0)
            if np.isfinite(plan.buy_low[i]):
                axes.plot([plan.buy_low[i], plan.buy_high[i]], [y, y], color=INK, linewidth=1.3)
            for split, marker in zip(plan.splits, ("|", "x"), strict=False):
                axes.plot([split.buy[i]], [y], marker=marker, markersize=9, **_SPLIT)
        axes.set_yticks(range(len(order)), [printable(plan.groups[i]) for i in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlim(0, None)
        axes.yaxis.grid(False)
        scale_axis(axes.xaxis, "count", False)
        axes.set_xlabel(f"{page.count} to buy")
        handles: list[tuple[Any, str]] = [
            (Patch(color=DATA, alpha=0.6), "the plan"),
            (Line2D([], [], color=INK, linewidth=1.3), f"{level_text(plan.level)} interval"),
        ]
        for split, marker in zip(plan.splits, ("|", "x"), strict=False):
            handles.append((Line2D([], [], marker=marker, markersize=8, **_SPLIT), f"{split.name} split"))
        key(figure, handles)
    columns: dict[str, Any] = {
        "group": tuple(plan.groups[i] for i in order), "plan": plan.buy[order],
        "low": plan.buy_low[order], "high": plan.buy_high[order],
    } | {f"{split.name} split": split.buy[order] for split in plan.splits}  # fmt: skip
    return (
        FigureData(
            key="fig-plan", title=f"What {format_money(plan.budget)} buys of each group",
            finding=f"{GOALS[plan.goal]}: {format_number(plan.outcome_now, 3)} to {format_number(plan.outcome, 3)}.",
            caption="Bars: examples to buy; lines: the interval of the best purchase over the replicates of the "
            f"curves; marks: what plainer splits of the same money buy. {page.made_of()}",
            series=(Series("plan", columns, dict.fromkeys(columns, "count") | {"group": "text"}),),
        ),
        figure,
    )  # fmt: skip


def plan_table(page: CollectionPage, plan: CollectionPlan) -> Table:
    """Make the table of a plan."""
    rows = [
        (name_cell(one["group"]), format_count(one["have"]), format_count(one["buy"]),
         count_interval(one["buy_low"], one["buy_high"]) if plan.draws else NOTHING, format_money(one["cost"]),
         format_money(one["spend"]), factor_text(one["factor"]),
         f"{format_number(one['loss_now'], 3)} to {format_number(one['loss_after'], 3)}",
         format_interval(one["loss_low"], one["loss_high"]) if plan.draws else NOTHING)
        for one in plan.rows()
    ]  # fmt: skip
    level = level_text(plan.level)
    heads = ("group", "at hand", "buy", level, "price", "spend", "beyond measured", page.measure, f"{level} of it")
    return make_table("The plan", heads, rows, note=f"Goal: {GOALS[plan.goal]}. {page.made_of()}")
