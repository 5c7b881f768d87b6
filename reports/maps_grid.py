"""Small multiples of a sheet of maps: one panel a map, a source a row where the targets fit into one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.style import DATA, FORM, INK, LAW, MUTED, new_figure, scale_axis
from reports.words import power_of_ten, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
SHADES = (0.22, 0.4, 0.65, 1.0)  # opacity of runs, by budget: the largest are darkest
_WIDEST = 6  # columns
_SMALL = 7.0  # points, of text in a sheet of many panels
_CHARACTER = 0.6  # width of a letter, as a share of its size


def panels_of(sheet: Any) -> list[Any]:
    """Return the maps that have pairs to draw."""
    return [one for one in sheet.maps if len(one.data.x)]


def columns_for(maps: list[Any]) -> int:
    """Choose the number of columns: that of the targets of a source, where all sources have as many."""
    sources = [one.data.source for one in maps]
    counts = {sources.count(source) for source in sources}
    if len(set(sources)) > 1 and len(counts) == 1 and 2 < next(iter(counts)) <= _WIDEST:
        return next(iter(counts))
    return len(maps) if len(maps) <= 3 else 3 if len(maps) <= 6 else 4 if len(maps) <= 12 else 5


def grid(maps: list[Any], share_x: bool, legend: float = 0.3) -> tuple[Figure, list[Axes]]:
    """Make a figure with a panel for each map, titled, with one vertical scale for all.

    Parameters
    ----------
    maps : list of SheetMap
        What the panels are of.
    share_x : bool
        Whether all panels have one horizontal scale.
    legend : float
        Inches above the panels for a legend.

    Returns
    -------
    figure, axes
        One panel a map; spare ones are gone.
    """
    columns = columns_for(maps)
    rows = math.ceil(len(maps) / columns)
    height = {1: 3.9, 2: 3.1, 3: 2.35, 4: 1.95}.get(columns, 1.72)
    figure, axes = new_figure(height * rows + legend + 0.35, columns, rows, share_y=True)
    for spare in axes[len(maps) :]:
        spare.remove()
    axes = axes[: len(maps)]
    for i, (one, panel) in enumerate(zip(maps, axes, strict=True)):
        if share_x and i:
            panel.sharex(axes[0])
        title(panel, one, columns)
        if columns > 2:
            panel.tick_params(labelsize=_SMALL)
        panel.tick_params(labelleft=i % columns == 0, labelbottom=not share_x or i + columns >= len(maps))
    return figure, axes


def title(panel: Axes, one: Any, columns: int) -> None:
    """Name the map of a panel, on two lines where one is too narrow."""
    d, size = one.data, 9.0 if columns <= 2 else _SMALL + 0.5
    room = 7.4 / columns * 72 / (_CHARACTER * size)
    if d.source == d.target:
        lines = [_short(d.source, room), f"→ {_short(d.metric_target.rsplit('/', 1)[-1], room - 2)}"]
    elif len(one.label) <= room:
        lines = [one.label]
    else:
        lines = [_short(d.source, room), f"→ {_short(d.target, room - 2)}"]
    panel.set_title("\n".join(map(printable, lines)), fontsize=size, linespacing=1.15, pad=4)


def _short(text: str, room: float) -> str:
    most = max(int(room), 6)
    return text if len(text) <= most else f"…{text[-(most - 1) :]}"


def finish(figure: Figure, axes: list[Axes], across: str, up: str) -> None:
    """Set the scales, and name the axes once for all panels."""
    narrow = len(axes) > 1
    for panel in axes:
        scale_axis(panel.xaxis, "value", False, narrow)
        scale_axis(panel.yaxis, "value", False, narrow)
    if narrow:
        figure.supxlabel(printable(across), fontsize=9, color=INK)
        figure.supylabel(printable(up), fontsize=9, color=INK)
    else:
        axes[0].set_xlabel(printable(across))
        axes[0].set_ylabel(printable(up))


def shades(maps: list[Any]) -> list[float]:
    """Return the edges between the shades of runs: equal steps of the logarithm of the budgets of all maps."""
    known = [one.data.budget for one in maps if one.data.budget is not None and np.all(np.isfinite(one.data.budget))]
    if not known:
        return []
    budgets = np.concatenate(known)
    if budgets.max() < 2 * budgets.min():
        return []
    return [float(edge) for edge in np.geomspace(budgets.min(), budgets.max() * (1 + 1e-9), len(SHADES) + 1)]


def runs(panel: Axes, one: Any, y: Array, edges: list[float], size: float) -> None:
    """Draw the pairs of a map, shaded by budget."""
    budget = one.data.budget
    if not edges or budget is None:
        draw_points(panel, one.data.x, y, 0.55, size)
        return
    which = np.clip(np.searchsorted(edges, budget, side="right") - 1, 0, len(SHADES) - 1)
    for shade, opacity in enumerate(SHADES):
        some = which == shade
        if some.any():
            draw_points(panel, one.data.x[some], y[some], opacity, size)


def draw_points(panel: Axes, x: Array, y: Array, opacity: float, size: float) -> None:
    """Draw runs in one shade."""
    panel.plot(x, y, "o", markersize=size, color=DATA, alpha=opacity, markeredgewidth=0, zorder=3)


def large_run(panel: Axes, x: float, said: tuple[float, float, float], outcome: float, size: float) -> None:
    """Draw the forecast of the large run with its interval, and what came of it."""
    mean, low, high = said
    if math.isfinite(low) and math.isfinite(high):
        panel.plot([x, x], [low, high], color=LAW, linewidth=1.6, zorder=5)
        panel.plot([x, x], [low, high], "_", color=LAW, markersize=size * 1.5, markeredgewidth=1.2, zorder=5)
    if math.isfinite(mean):
        panel.plot([x], [mean], "D", color=LAW, markersize=size, markeredgewidth=0, zorder=5)
    if math.isfinite(outcome):
        panel.plot(
            [x], [outcome], "o", markersize=size * 1.55, markerfacecolor="none", markeredgecolor=FORM,
            markeredgewidth=1.3, zorder=6,
        )  # fmt: skip


def key(figure: Figure, edges: list[float], more: list[tuple[Any, str]]) -> None:
    """Write the legend above the panels: shades of budgets, then what else is drawn."""
    from matplotlib.lines import Line2D

    entries: list[tuple[Any, str]] = []
    for low, high, opacity in zip(edges[:-1], edges[1:], SHADES, strict=bool(edges)) if edges else ():
        mark = Line2D([], [], marker="o", linestyle="", color=DATA, alpha=opacity, markersize=5, markeredgewidth=0)
        entries.append((mark, f"{_flop(low)} to {_flop(high)} FLOP"))
    if not edges:
        mark = Line2D([], [], marker="o", linestyle="", color=DATA, alpha=0.55, markersize=5, markeredgewidth=0)
        entries.append((mark, "pair of runs"))
    entries += more
    figure.legend(
        [mark for mark, _ in entries], [text for _, text in entries], loc="outside upper left", ncols=4,
        fontsize=8, handlelength=1.5, columnspacing=1.4, borderpad=0.1, handletextpad=0.5,
    )  # fmt: skip


def key_large(outcome: bool) -> list[tuple[Any, str]]:
    """Entries of the legend for the large run."""
    from matplotlib.lines import Line2D

    found: list[tuple[Any, str]] = [(Line2D([], [], marker="D", color=LAW, markersize=5), "forecast and interval")]
    if outcome:
        ring = Line2D(
            [], [], marker="o", linestyle="", markerfacecolor="none", markeredgecolor=FORM, markersize=7,
            markeredgewidth=1.3,
        )  # fmt: skip
        found.append((ring, "outcome"))
    return found


def key_line(text: str, color: str = INK, dashed: bool = False) -> tuple[Any, str]:
    """Entry of the legend for a line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, linewidth=1.2, linestyle=(0, (3, 2)) if dashed else "-"), text


def identity(panel: Axes) -> None:
    """Draw y = x; it never stretches the axes."""
    panel.axline((1, 1), slope=1, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)


def _flop(value: float) -> str:
    return power_of_ten(float(f"{value:.1e}"))
