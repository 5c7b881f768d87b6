"""The look of every figure: sentinel colours that become CSS variables, axes, ticks, and labels that keep apart."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from reports.series import tick_text
from reports.words import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

# Drawn in colours that occur nowhere else; `reports.svg` swaps each for the CSS variable of its name.
INK, PAPER, MUTED, GRID, ZONE, DATA, LAW, FORM, PAST = (
    "#010203",
    "#040506",
    "#070809",
    "#0a0b0c",
    "#0d0e0f",
    "#101112",
    "#131415",
    "#161718",
    "#191a1b",
)
NOISE = DATA  # the scatter of runs has the colour of the runs
SENTINELS = {
    INK: "--ink",
    PAPER: "--paper",
    MUTED: "--muted",
    GRID: "--grid",
    ZONE: "--zone",
    DATA: "--data",
    LAW: "--law",
    FORM: "--form",
    PAST: "--past",
}
RASTER_DATA = "#0072b2"  # pixels cannot follow the theme: this blue has enough contrast on light and on dark
RASTER_ABOVE = 2000  # points; as vectors these would weigh more than the rest of the page
WIDTH = 7.9  # inches
_TEXT = 9.0
_ROOMY = 0.3  # share of the axis that a zone must have to hold its text

_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scaling",
    "text.parse_math": False,
    "font.size": _TEXT,
    "figure.dpi": 72,
    "savefig.dpi": 160,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": _TEXT,
    "axes.titlesize": _TEXT,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": _TEXT - 0.5,
    "ytick.labelsize": _TEXT - 0.5,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "xtick.minor.size": 2,
    "ytick.minor.size": 2,
    "legend.frameon": False,
    "legend.fontsize": _TEXT - 0.5,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "mathtext.fontset": "stix",
}


@contextmanager
def styled(outlines: bool = False) -> Iterator[None]:
    """Draw in the house style, whatever the user's own matplotlib settings are; letters as shapes if asked for."""
    from matplotlib import style

    with (
        warnings.catch_warnings(),
        style.context(_RC | ({"svg.fonttype": "path"} if outlines else {}), after_reset=True),
    ):
        # Widths are measured in matplotlib's own font; the reader's font has the other glyphs.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def new_figure(
    height: float, columns: int = 1, rows: int = 1, share_y: bool = False, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """Make a figure of the page's width.

    Parameters
    ----------
    height : float
        Inches.
    columns, rows : int
        Panels.
    share_y : bool
        Whether the panels have one vertical axis.
    heights : sequence of float, optional
        Of the rows, relative; the rows then have one horizontal axis.

    Returns
    -------
    figure, axes
        Panels row by row.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = None if heights is None else {"height_ratios": list(heights)}
    axes = figure.subplots(rows, columns, sharex=grid is not None, sharey=share_y, squeeze=False, gridspec_kw=grid)
    return figure, list(axes.flat)


def scale_axis(axis: Axis, unit: str, log: bool, narrow: bool = False) -> None:
    """Give an axis its scale, and ticks that read like ``70B`` or ``10²²``; fewer of them in a narrow panel."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    if not log:
        axis.set_major_locator(MaxNLocator(4 if narrow else 7, steps=[1, 2, 2.5, 5, 10]))
        if unit == "count":
            axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(unit, value)))
        return
    (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    decades = float(np.log10(high / low))
    subs = (
        (1.0, 2.0, 5.0)
        if decades < (1.2 if narrow else 2.2)
        else (1.0, 3.0)
        if decades < 3.5 and unit == "count"
        else (1.0,)
    )
    if narrow and decades >= 1.2:
        subs = (1.0,)
    axis.set_major_locator(LogLocator(10, subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(unit, value)))
    axis.set_minor_locator(LogLocator(10, subs=tuple(range(2, 10)), numticks=12) if decades < 8 else NullLocator())
    axis.set_minor_formatter(NullFormatter())


def points(axes: Axes, x: Array, y: Array, gid: str, size: float = 4.2, hollow: bool = False) -> None:
    """Draw the runs; as pixels where there are too many for vectors."""
    many = len(x) > RASTER_ABOVE
    color = RASTER_DATA if many else DATA
    axes.plot(
        x,
        y,
        "o",
        markersize=2.2 if many else size,
        color=color,
        markerfacecolor="none" if hollow else color,
        alpha=0.8 if hollow else 0.35 if many else 0.55,
        markeredgewidth=0.9 if hollow else 0,
        gid=gid,
        rasterized=many,
        zorder=2,
    )


def beyond(axes: Axes, start: float, end: float, text: str = "the data end here", top: bool = True) -> None:
    """Mark where the data end, and everything beyond; the limits of the axis are final by then.

    Parameters
    ----------
    axes : Axes
        Of the figure.
    start, end : float
        Where the data end, and the end of the axis on that side.
    text : str
        Beside the line, or none.
    top : bool
        Whether the text stands at the top.
    """
    axes.axvspan(start, end, color=ZONE, linewidth=0, zorder=0)
    axes.axvline(start, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    if not text:
        return
    right = end >= start
    low, edge = (axes.transAxes.inverted().transform(axes.transData.transform((x, 1)))[0] for x in (start, end))
    within = abs(edge - low) > _ROOMY
    flush_left = right == within
    axes.annotate(
        f"{text} →" if right else f"← {text}",
        (start, 0.985 if top else 0.015),
        xycoords=("data", "axes fraction"),
        xytext=(5 if flush_left else -5, 0),
        textcoords="offset points",
        ha="left" if flush_left else "right",
        va="top" if top else "bottom",
        color=MUTED,
        fontsize=_TEXT - 0.5,
    )


def place_labels(
    axes: Axes, xy: Sequence[tuple[float, float]], labels: Sequence[str], avoid: Array | None = None, size: float = 8.0
) -> list[bool]:
    """Write labels beside points so that they cover neither each other nor, where possible, anything else.

    Parameters
    ----------
    axes : Axes
        Of a figure whose limits are final.
    xy : sequence of (float, float)
        Points, data coordinates.
    labels : sequence of str
        One a point.
    avoid : ndarray (m, 2), optional
        Other places to keep free, data coordinates.
    size : float
        Of the text, points.

    Returns
    -------
    list of bool
        Which labels found a place.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = cast("Figure", axes.figure)
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    to_points = 72.0 / figure.dpi
    frame = axes.get_window_extent(renderer)
    marks = axes.transData.transform(np.array(xy, float)) if len(xy) else np.empty((0, 2))
    busy = marks if avoid is None or not len(avoid) else np.concatenate([marks, axes.transData.transform(avoid)])
    taken: list[tuple[float, float, float, float]] = []
    placed = []
    for (x, y), (px, py), label in zip(xy, marks, labels, strict=True):
        text = axes.annotate(
            printable(label),
            (x, y),
            textcoords="offset points",
            xytext=(0, 0),
            fontsize=size,
            gid="halo",
            in_layout=False,
            zorder=6,
        )
        extent = text.get_window_extent(renderer)
        w, h = extent.width, 1.1 * size / to_points
        best, choice = None, None
        for dx, dy, ha, va in _PLACES:
            left = px + dx / to_points - {"left": 0, "center": w / 2, "right": w}[ha]
            low = py + dy / to_points - {"bottom": 0, "center": h / 2, "top": h}[va]
            box = (left, low, left + w, low + h)
            inside = box[0] >= frame.x0 and box[2] <= frame.x1 and box[1] >= frame.y0 and box[3] <= frame.y1
            if not inside or any(_overlap(box, other) for other in taken):
                continue
            hits = int(
                np.sum((busy[:, 0] > box[0]) & (busy[:, 0] < box[2]) & (busy[:, 1] > box[1]) & (busy[:, 1] < box[3]))
            )
            if best is None or hits < best:
                best, choice = hits, (dx, dy, ha, va, box)
        placed.append(choice is not None)
        if choice is None:
            text.remove()
            continue
        dx, dy, ha, va, box = choice
        text.set(
            position=(dx, dy), horizontalalignment=ha, verticalalignment="center_baseline" if va == "center" else va
        )
        taken.append(box)
    return placed


_PLACES = (
    (7, 0, "left", "center"),
    (-7, 0, "right", "center"),
    (0, 7, "center", "bottom"),
    (0, -7, "center", "top"),
    (6, 6, "left", "bottom"),
    (6, -6, "left", "top"),
    (-6, 6, "right", "bottom"),
    (-6, -6, "right", "top"),
    (0, 16, "center", "bottom"),
    (0, -16, "center", "top"),
    (10, 14, "left", "bottom"),
    (-10, 14, "right", "bottom"),
    (10, -14, "left", "top"),
    (-10, -14, "right", "top"),
)


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
