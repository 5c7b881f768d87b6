"""The loss surface of each cell, as small panels with one scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, FORM, INK, LAW, MUTED, new_figure, scale_axis, styled
from scaling.formatting import format_count, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.batch_page import Origin
    from reports.tuning_page import TuningPage
    from scaling.hyperparameters.bowl import Bowl

Array = NDArray[np.float64]
LEVELS = (0.0025, 0.005, 0.01, 0.02)
_MOST = 24  # panels
_CELLS = 70
_ROW = 1.75  # inches


def cells_figure(page: TuningPage, origin: Origin) -> tuple[FigureData, Figure]:
    """Draw the surface of each cell: contours of the loss given up, the runs, the vertex and what the laws say.

    Parameters
    ----------
    page : TuningPage
        The laws.
    origin : Origin
        Of the page.

    Returns
    -------
    FigureData, Figure
        Series ``cells``.
    """
    bowls = sorted(page.laws.bowls, key=lambda b: b.cell.n_params * b.cell.n_tokens)
    shown = bowls[-_MOST:]
    columns = min(4, len(shown))
    rows = math.ceil(len(shown) / columns)
    x_ends, y_ends = _ends(page, shown)
    with styled():
        figure, panels = new_figure(_ROW * rows + 0.6, columns=columns, rows=rows, share_y=True)
        for i, axes in enumerate(panels):
            if i >= len(shown):
                axes.set_visible(False)
                continue
            _draw_cell(axes, page, shown[i], x_ends, y_ends)
            if i + columns < len(shown):
                axes.tick_params(labelbottom=False)
        figure.supxlabel("peak learning rate", fontsize=9)
        figure.supylabel("batch (tokens a step)", fontsize=9)
        key(figure, _handles(shown))
    left = f" The {len(shown)} largest of {len(bowls)} cells." if len(shown) < len(bowls) else ""
    bad = [b for b in shown if not b.ok]
    without = f" Without lines: {'; '.join(f'{b.cell.name}, {b.status}' for b in bad)}." if bad else ""
    cut = format_percent(shown[0].cutoff)
    return (
        FigureData(
            key="fig-cells",
            title="The loss surface of each cell, over learning rate and batch",
            finding=f"{format_plural(len(bowls), 'cell')}, {sum(b.ok for b in bowls)} with a minimum inside the grid.",
            caption=f"Each panel is one model size at one number of tokens, smallest compute first, all on one scale. "
            f"Dots: runs within {cut} of the best, to which the surface was fitted; crosses: diverged runs. Lines: "
            "loss "
            f"above the vertex of the surface, at {', '.join(format_percent(level) for level in LEVELS)}, drawn near "
            f"the runs fitted. Where the diamond of the laws lies between the lines is what they give up in that cell."
            f"{left}{without} Objective of the surfaces: squared on log losses; intervals of the vertices are in the "
            f"table of cells; data: {page.data_words(origin)}. Batches in tokens.",
            series=(_series(page, bowls),),
        ),
        figure,
    )


def _ends(page: TuningPage, bowls: list[Bowl]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of the axes that all panels share: where runs are near the best, and what the laws say."""
    rates, batches = [], []
    for bowl in bowls:
        near = bowl.cell.relative < bowl.cutoff
        lr, batch = page.laws.points_at(bowl.cell.n_params, bowl.cell.n_tokens)
        rates += [*bowl.cell.lr[near], lr]
        batches += [*bowl.cell.batch[near], batch]
    return (min(rates) / 1.3, max(rates) * 1.3), (min(batches) / 1.3, max(batches) * 1.3)


def _draw_cell(
    axes: Axes, page: TuningPage, bowl: Bowl, x_ends: tuple[float, float], y_ends: tuple[float, float]
) -> None:
    cell = bowl.cell
    near = cell.relative < bowl.cutoff
    away = cell.relative > 0.5
    axes.plot(cell.lr[near], cell.batch[near], "o", color=DATA, markersize=2.2, alpha=0.6, markeredgewidth=0, zorder=2)
    axes.plot(cell.lr[away], cell.batch[away], "x", color=MUTED, markersize=2.6, markeredgewidth=0.7, zorder=1)
    if bowl.ok:
        x, y = np.geomspace(*x_ends, _CELLS), np.geomspace(*y_ends, _CELLS)
        u, v = np.meshgrid(x, y)
        lost = np.expm1(bowl.log_loss(np.log(u), np.log(v)) - math.log(bowl.loss))
        plain = bowl.regret(u, v)
        lost = np.where(plain < 2.5 * bowl.cutoff, lost, np.nan)  # a cubic is good among its runs, and nowhere else
        axes.contour(x, y, lost, levels=LEVELS, colors=[LAW], linewidths=0.8, alpha=0.9, zorder=3)
        axes.plot([bowl.lr], [bowl.batch], "+", color=LAW, markersize=7, markeredgewidth=1.4, zorder=4)
    best = cell.best
    axes.plot([cell.lr[best]], [cell.batch[best]], "o", color=FORM, markerfacecolor="none", markersize=5.5,
              markeredgewidth=1.1, zorder=4)  # fmt: skip
    lr, batch = page.laws.points_at(cell.n_params, cell.n_tokens)
    axes.plot([lr], [batch], "D", color=INK, markersize=3.8, markeredgewidth=0, zorder=5)
    axes.set_xlim(*x_ends)
    axes.set_ylim(*y_ends)
    scale_axis(axes.xaxis, "value", True, narrow=True)
    scale_axis(axes.yaxis, "count", True, narrow=True)
    axes.minorticks_off()  # most of the time and weight of many small panels
    axes.set_title(cell.name, fontsize=8)


def _handles(bowls: list[Bowl]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    def mark(**look: Any) -> Any:
        return Line2D([], [], linestyle="", **look)

    out = [
        (Line2D([], [], color=LAW, linewidth=0.9), "loss given up"),
        (mark(marker="+", color=LAW, markersize=7, markeredgewidth=1.4), "vertex"),
        (mark(marker="D", color=INK, markersize=4.2, markeredgewidth=0), "the laws"),
        (mark(marker="o", color=FORM, markerfacecolor="none", markersize=5.5), "best run"),
        (mark(marker="o", color=DATA, markersize=2.8), "run near the best"),
    ]
    if any(bowl.cell.diverged for bowl in bowls):
        out.append((mark(marker="x", color=MUTED, markersize=4, markeredgewidth=0.8), "diverged"))
    return out


def _series(page: TuningPage, bowls: list[Bowl]) -> Series:
    said = [page.laws.points_at(b.cell.n_params, b.cell.n_tokens) for b in bowls]
    columns = {
        "cell": tuple(b.cell.name for b in bowls),
        "vertex, learning rate": tuple(format_number(b.lr) if b.ok else "–" for b in bowls),
        "vertex, batch": tuple(format_count(b.batch) if b.ok else "–" for b in bowls),
        "laws, learning rate": tuple(format_number(lr) for lr, _ in said),
        "laws, batch": tuple(format_count(batch) for _, batch in said),
        "laws give up": tuple(
            format_percent(float(b.regret(*at))) if b.ok else "–" for b, at in zip(bowls, said, strict=True)
        ),
        "best run, learning rate": tuple(format_number(float(b.cell.lr[b.cell.best])) for b in bowls),
        "best run, batch": tuple(format_count(float(b.cell.batch[b.cell.best])) for b in bowls),
        "surface": tuple(b.status for b in bowls),
    }
    return Series("cells", columns, dict.fromkeys(columns, "text"))
