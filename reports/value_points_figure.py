"""How the values of examples are spread: a histogram, and how much of all value the best examples hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, LAW, MUTED, new_figure, scale_axis, styled
from scaling.formatting import format_number, format_percent, format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.value_points_page import ValuesPage

_BINS = 60
_SHARES = np.linspace(0, 1, 101)


def values_figure(page: ValuesPage) -> tuple[FigureData, Figure] | None:
    """Draw the values of examples: their histogram, and their distribution or what share of them the best hold.

    Parameters
    ----------
    page : ValuesPage
        The values.

    Returns
    -------
    FigureData, Figure
        Series ``histogram`` and ``distribution``; None where no example has a value.
    """
    values = page.finite
    if not len(values):
        return None
    low, high = _ends(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(values, low, high), bins=min(_BINS, max(5, int(2 * len(values) ** 0.4))),
                                 range=(low, high))  # fmt: skip
    cut = int(np.sum((values < low) | (values > high)))
    with styled():
        figure, (left, right) = new_figure(3.4, 2)
        left.stairs(counts, edges, fill=True, color=DATA, alpha=0.55)
        if page.signed and low < 0 < high:
            left.axvline(0, color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
        left.set_xlabel(page.unit_words)
        left.set_ylabel("examples")
        share = np.arange(1, len(values) + 1) / len(values)
        [line] = right.plot(values, share, color=DATA)
        middle = float(np.median(values))
        mark = right.axvline(middle, color=LAW, linewidth=1.1)
        handles: list[tuple[Any, str]] = [
            (line, "share of examples below"), (mark, f"median {format_number(middle, 3)}"),
        ]  # fmt: skip
        if page.signed and low < 0 < high:
            right.axvline(0, color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
        right.set_xlim(low, high)
        right.set_xlabel(page.unit_words)
        right.set_ylabel("share of examples")
        for axes in (left, right):
            scale_axis(axes.xaxis, "value", False, narrow=True)
            scale_axis(axes.yaxis, "value", False, narrow=True)
        key(figure, handles)
    outside = f" The first and last bar hold {format_plural(cut, 'value')} that lie further out." if cut else ""
    zero = " Dashed: 0." if page.signed else ""
    return (
        FigureData(
            key=f"fig-values-{page.name}",
            title=f"Values of {format_plural(len(values), 'example')}",
            finding=f"Median {format_number(middle, 3)}, 90 % between "
            f"{format_number(float(np.quantile(values, 0.05)), 3)} and "
            f"{format_number(float(np.quantile(values, 0.95)), 3)}."
            + (f" {format_percent(page.below / len(values))} lie below 0." if page.signed else ""),
            caption=f"Left: how many examples have which value. Right: the share of them below each value.{zero}"
            f"{outside} {page.made_of()}",
            series=(_histogram(counts, edges), _distribution(page)),
        ),
        figure,
    )


def _ends(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the ends of the axis: all values, or where a few lie far out, 99.8 % of them."""
    low, high = (float(np.quantile(values, q)) for q in (0.001, 0.999))
    room = 0.5 * (high - low)
    return (
        float(values[0]) if values[0] > low - room else low,
        float(values[-1]) if values[-1] < high + room else high,
    )


def _histogram(counts: Any, edges: Any) -> Series:
    columns = {"from": edges[:-1], "to": edges[1:], "examples": counts.astype(float)}
    return Series("histogram", columns, dict.fromkeys(columns, "value"))


def _distribution(page: ValuesPage) -> Series:
    held = np.cumsum(page.finite[::-1])
    n = len(held)
    at = np.minimum((np.ceil(_SHARES * n)).astype(int), n)
    columns: dict[str, Any] = {
        "best share of examples": 100 * _SHARES[1:],
        "value of the last of them": page.finite[::-1][at[1:] - 1],
        "sum of their values": held[at[1:] - 1],
    }
    units = {"best share of examples": "percent", "value of the last of them": "value", "sum of their values": "value"}
    return Series("distribution", columns, units, curve=True)
