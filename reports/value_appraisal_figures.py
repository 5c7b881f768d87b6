"""Scores of subsets beside what training on them gave: a panel a score, and the correlations with their intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, MUTED, PAST, ZONE, new_figure, scale_axis, styled
from reports.words import level_text, listed
from scaling.formatting import format_interval, format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.value_appraisal_page import AppraisalPage
    from scaling.valuation.appraisal.over_optimised import OverOptimisation
    from scaling.valuation.appraisal.result import RandomSpread, Relation

MOST_PANELS = 6
_SD = 3  # of the band of random subsets
_RANDOM = {"marker": "o", "linestyle": "", "color": DATA, "markerfacecolor": "none", "markeredgewidth": 0.9}
_PUSHED = {"marker": "o", "linestyle": "", "color": DATA, "markeredgewidth": 0}
_BEYOND = {"marker": "X", "linestyle": "", "color": PAST, "markeredgewidth": 0}


def panels_figure(page: AppraisalPage) -> tuple[FigureData, Figure]:
    """Draw performance over each score, with the band of random subsets, the line that bends, and the cap.

    Parameters
    ----------
    page : AppraisalPage
        The appraisal.

    Returns
    -------
    FigureData, Figure
        Series ``lines``, ``random subsets``, and one a score with its subsets.
    """
    shown = page.ranked[:MOST_PANELS]
    columns = 1 if len(shown) == 1 else 2
    rows = math.ceil(len(shown) / columns)
    with styled():
        figure, every = new_figure(0.6 + 2.7 * rows, columns, rows, share_y=True)
        for name, axes in zip(shown, every, strict=False):
            _draw(axes, page, name)
        for axes in every[len(shown) :]:
            axes.set_visible(False)
        for axes in every[::columns]:
            axes.set_ylabel(page.metric_words)
        key(figure, _handles(page, shown))
    left = f" {format_plural(len(page.ranked) - len(shown), 'more score')} in the tables." if len(shown) < len(
        page.ranked) else ""  # fmt: skip
    flagged = [one.objective for one in page.result.over_optimised if one.flagged]
    finding = f"{listed(flagged)} {'was' if len(flagged) == 1 else 'were'} pushed beyond where more of it helps." if (
        flagged) else "No score was seen to be pushed beyond where more of it helps."  # fmt: skip
    return (
        FigureData(
            key="fig-performance",
            title=f"What training gave ({page.metric_words}) over each score of the same subsets",
            finding=f"{format_plural(page.result.n, 'subset')}, {page.result.n_random} of them random. {finding}",
            caption=f"Each mark is a subset that was trained on. {_shaded(page)}Line: the one that bends once and "
            "fits best; where it is dashed, more of the score brought nothing. Upright line: up to where to optimise; "
            f"crosses lie beyond it. {page.bend_words}{left} {page.made_of('the bootstrap of subsets')}",
            series=(_lines(page), _spreads(page), *(_subsets(page, name) for name in shown)),
        ),
        figure,
    )


def _shaded(page: AppraisalPage) -> str:
    if page.spread("performance") is None:
        return ""
    return (
        f"Shaded: random subsets, {_SD} sd of them to either side of their mean score; dotted level line: their mean "
        "performance. "
    )


def _draw(axes: Axes, page: AppraisalPage, name: str) -> None:
    score, y, random = page.scores[name], page.performance, page.is_random
    spread, mean = page.spread(name), page.spread("performance")
    if spread is not None:
        axes.axvspan(spread.mean - _SD * spread.sd, spread.mean + _SD * spread.sd, color=ZONE, linewidth=0, zorder=0)
    if mean is not None:
        axes.axhline(mean.mean, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    found = page.detected(name)
    beyond = score > found.cap if found is not None and found.flagged else np.zeros(len(score), bool)
    axes.plot(score[random], y[random], markersize=4, gid=f"random-{name}", zorder=3, **_RANDOM)
    mine = ~random & ~beyond
    axes.plot(score[mine], y[mine], markersize=4.4, alpha=0.75, gid=f"chosen-{name}", zorder=3, **_PUSHED)
    mine = ~random & beyond
    axes.plot(score[mine], y[mine], markersize=5.2, gid=f"beyond-{name}", zorder=4, **_BEYOND)
    if found is not None:
        _draw_line(axes, page, name, found)
    scale_axis(axes.xaxis, "value", False, narrow=True)
    scale_axis(axes.yaxis, "value", False, narrow=True)
    one = page.relation(name)
    axes.set_xlabel(name)
    axes.set_title(f"{page.measure} {format_number(one.value, 2)} ({format_interval(one.low, one.high)})")


def _draw_line(axes: Axes, page: AppraisalPage, name: str, found: OverOptimisation) -> None:
    low, high = float(np.nanmin(page.scores[name])), float(np.nanmax(page.scores[name]))
    grid = np.array([low, min(max(found.s0, low), high), high])
    level = page.line(name, grid)
    bent = found.flagged and "bend" in found.reasons
    axes.plot(grid[:2], level[:2], color=LAW, linewidth=1.6, zorder=5)
    axes.plot(grid[1:], level[1:], color=LAW, linewidth=1.6, linestyle=(0, (3, 2)) if bent else "-", zorder=5)
    if found.flagged and math.isfinite(found.cap):
        axes.axvline(found.cap, color=INK, linewidth=1.1, zorder=2)
        right = (found.cap - low) / (high - low) < 0.5 if high > low else True
        axes.annotate(
            f"optimise to {format_number(found.cap)}", (found.cap, 0.03), xycoords=("data", "axes fraction"),
            xytext=(4 if right else -4, 0), textcoords="offset points", ha="left" if right else "right", fontsize=8,
            gid="halo", zorder=6,
        )  # fmt: skip


def _handles(page: AppraisalPage, shown: list[str]) -> list[tuple[Any, str]]:
    made: list[tuple[Any, str]] = []
    if page.is_random.any():
        made.append((Line2D([], [], markersize=4, **_RANDOM), "random subset"))
    if not page.is_random.all():
        made.append((Line2D([], [], markersize=4.4, **_PUSHED), "chosen subset"))
    flagged = [one for one in page.result.over_optimised if one.flagged and one.objective in shown]
    if flagged:
        made.append((Line2D([], [], markersize=5, **_BEYOND), "beyond the cap"))
    if page.result.over_optimised:
        made.append((Line2D([], [], color=LAW, linewidth=1.6), "line that bends once"))
    if page.spread(shown[0]) is not None:
        made.append((Patch(color=ZONE), f"random, {_SD} sd"))
    return made


def _lines(page: AppraisalPage) -> Series:
    found = page.result.over_optimised
    columns: dict[str, Any] = {
        "score": tuple(one.objective for one in found),
        "slope below": tuple(_with(one.slope_before, one.slope_before_interval) for one in found),
        "bends at": tuple(_with(one.s0, one.s0_interval) for one in found),
        "slope above": tuple(_with(one.slope_after, one.slope_after_interval) for one in found),
        "p of a bend": tuple(format_number(one.p_value, 2) for one in found),
        "pushed subsets": tuple(str(one.n_pushed) for one in found),
        "their performance, sd above random": tuple(
            _with(one.pushed_performance_z, one.pushed_interval) for one in found
        ),
        "optimise to": tuple(_with(one.cap, one.cap_interval) if one.flagged else "no limit seen" for one in found),
    }
    return Series("lines", columns, dict.fromkeys(columns, "text"))


def _with(value: float, interval: tuple[float, float]) -> str:
    return f"{format_number(value, 3)} ({format_interval(*interval)})" if math.isfinite(value) else "–"


def _spreads(page: AppraisalPage) -> Series:
    found: tuple[RandomSpread, ...] = page.result.spreads
    columns: dict[str, Any] = {
        "of": tuple(page.metric_words if one.of == "performance" else one.of for one in found),
        "size": np.array([one.size for one in found]),
        "subsets": np.array([one.n for one in found], float),
        "mean": np.array([one.mean for one in found]),
        "sd": np.array([one.sd for one in found]),
        "smallest": np.array([one.low for one in found]),
        "largest": np.array([one.high for one in found]),
    }
    return Series("random subsets", columns, dict.fromkeys(columns, "value") | {"of": "text"})


def _subsets(page: AppraisalPage, name: str) -> Series:
    order = np.argsort(-page.scores[name], kind="stable")
    spread = page.spread(name)
    columns: dict[str, Any] = {
        "subset": tuple(page.names[i] for i in order),
        "drawn": tuple("at random" if page.is_random[i] else "chosen" for i in order),
        "size": page.size[order],
        name: page.scores[name][order],
    }
    if spread is not None and spread.sd > 0:
        columns["sd above random"] = (page.scores[name][order] - spread.mean) / spread.sd
    columns[page.metric] = page.performance[order]
    units = dict.fromkeys(columns, "value") | {"subset": "text", "drawn": "text"}
    return Series(f"subsets by {name}", columns, units, order="the highest score first")


def correlations_figure(page: AppraisalPage) -> tuple[FigureData, Figure]:
    """Draw the rank correlation of each score with performance, in each regime, with its interval."""
    rows: list[tuple[str, Relation]] = [(name, one) for name in page.ranked for one in page.relations(name)]
    groups = list(dict.fromkeys(page.regime_words(one) for _, one in rows))
    looks = [
        {"marker": "o", "color": DATA}, {"marker": "o", "color": DATA, "markerfacecolor": "none"},
        {"marker": "D", "color": LAW}, {"marker": "D", "color": LAW, "markerfacecolor": "none"},
        {"marker": "s", "color": PAST}, {"marker": "s", "color": PAST, "markerfacecolor": "none"},
        {"marker": "^", "color": INK}, {"marker": "^", "color": INK, "markerfacecolor": "none"},
    ]  # fmt: skip
    measure = page.result.measure
    with styled():
        figure, (axes,) = new_figure(0.9 + 0.2 * len(rows) + 0.12 * len(page.ranked))
        at, ticks, y = {}, [], 0.0
        for name in page.ranked:
            mine = [one for n, one in rows if n == name]
            for one in mine:
                at[name, page.regime_words(one)] = y
                y += 1.0
            ticks.append(y - 0.5 - len(mine) / 2)
            y += 0.6
        for name, one in rows:
            c = getattr(one, measure)
            look = looks[groups.index(page.regime_words(one)) % len(looks)]
            place = at[name, page.regime_words(one)]
            axes.plot([c.low, c.high], [place, place], color=look["color"], linewidth=1.3, zorder=2)
            axes.plot([c.value], [place], linestyle="", markersize=5, zorder=3, **look)
        axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
        axes.set_xlim(min(-0.3, *(getattr(o, measure).low - 0.05 for _, o in rows)), 1.02)
        axes.set_yticks(ticks, page.ranked)
        axes.set_ylim(y - 0.1, -0.9)
        axes.yaxis.grid(False)
        axes.set_xlabel(f"{page.measure} correlation with {page.metric}; above 0: a higher score is better")
        key(figure, [
            (Line2D([], [], linestyle="", markersize=5, **looks[i % len(looks)]), words)
            for i, words in enumerate(groups)
        ])  # fmt: skip
    columns: dict[str, Any] = {
        "score": tuple(name for name, _ in rows),
        "among": tuple(page.regime_words(one) for _, one in rows),
        page.measure: tuple(str(getattr(one, measure)) for _, one in rows),
    }
    return (
        FigureData(
            key="fig-correlations",
            title=f"How well each score predicts {page.metric}",
            finding="; ".join(one.verdict for one in page.result.best) + ".",
            caption=f"Marks: {page.measure} correlations with their {level_text(page.result.level)} intervals. Among "
            "random subsets alone scores differ little, so that there is less to predict. "
            f"{page.made_of('BCa bootstrap of subsets, within sizes or budgets')}",
            series=(Series("correlations", columns, dict.fromkeys(columns, "text")),),
        ),
        figure,
    )
