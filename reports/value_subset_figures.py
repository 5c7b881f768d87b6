"""A selection beside random ones: its score at every size on the way, and what each member added."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, MUTED, new_figure, place_labels, scale_axis, styled
from reports.value_gain_words import gain_shown
from reports.words import level_text, shortest
from scaling.formatting import format_number, format_plural, format_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.value_subset_page import SubsetPage

Array = NDArray[np.float64]
_BAND = (0.025, 0.975)


def score_figure(page: SubsetPage) -> tuple[FigureData, Figure] | None:
    """Draw the score over the size: of the selection on its way, and of random subsets; None where these are unknown.

    Parameters
    ----------
    page : SubsetPage
        The selection.

    Returns
    -------
    FigureData, Figure
        Series ``selection`` and ``random subsets``.
    """
    curve, band = page.curve, page.band
    if curve is None or band is None:
        return None
    free = f" of all data ({page.curve_words})" if page.curve_words else ""
    low, high = (np.array([np.quantile(values, q) for values in curve.scores]) for q in _BAND)
    with styled():
        figure, (axes,) = new_figure(3.9)
        axes.fill_between(curve.sizes, low, high, color=DATA, alpha=0.22, linewidth=0, zorder=1)
        [random] = axes.plot(curve.sizes, curve.means, color=DATA, linewidth=1.4, marker="o", markersize=3.2, zorder=2)
        handles: list[tuple[Any, str]] = [(random, "random subsets, mean and 95 % of them")]
        if len(page.path_sizes):
            [line] = axes.plot(page.path_sizes, page.path_scores, color=LAW, zorder=3)
            handles.append((line, "the selection, as it grew"))
        axes.plot([page.size], [page.score], "D", color=LAW, markersize=6, markeredgewidth=0, zorder=5)
        axes.set_xlim(curve.sizes[0] / 1.1, curve.sizes[-1] * 1.1)
        scale_axis(axes.xaxis, "count", True)
        scale_axis(axes.yaxis, "value", False)
        axes.set_xlabel("examples")
        axes.set_ylabel(page.score_words)
        _mark_worth(axes, page)
        key(figure, handles)
    return (
        FigureData(
            key=f"fig-score-{page.name}",
            title=f"The selection against random subsets: {page.score_words} over the number of examples",
            finding=f"{_chosen(page.size)} {format_number(page.score)}; {page.random_words} "
            f"{format_number(band.mean)} (95 % of {len(band.values)} draws {page.band_ends}). {page.worth_words}",
            caption=f"Diamond: the selection. Dots: mean of random subsets{free}; band: 95 % of the "
            f"{len(curve.scores[0])} that were drawn of each size, seed {curve.seed}. {page.worth_words} "
            f"{page.made_of()}",
            series=(_path(page), _random(page, low, high)),
        ),
        figure,
    )


def _chosen(size: int) -> str:
    return "1 chosen example scores" if size == 1 else f"{size} chosen examples score"


def _mark_worth(axes: Axes, page: SubsetPage) -> None:
    """Draw a level line from the selection to where random subsets score as much."""
    worth = page.worth
    assert page.curve is not None
    at, names = [(float(page.size), page.score)], [f"{format_whole(page.size)} chosen"]
    if worth is not None and worth.beyond is None and abs(worth.size / page.size - 1) > 0.02:
        axes.plot(
            [page.size, worth.size], [page.score] * 2, color=INK, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=4
        )
        low, high = max(worth.interval[0], page.curve.sizes[0]), min(worth.interval[1], page.curve.sizes[-1])
        axes.plot([low, high], [page.score] * 2, color=INK, linewidth=1.5, zorder=4)
        axes.plot([worth.size], [page.score], "o", color=INK, markersize=5, markeredgewidth=0, zorder=5)
        at.append((worth.size, page.score))
        names.append(f"{format_number(worth.size, 3)} random")
    fine = np.geomspace(page.curve.sizes[0], page.curve.sizes[-1], 60)
    avoid = np.column_stack([fine, np.interp(np.log(fine), np.log(page.curve.sizes), page.curve.means)])
    if len(page.path_sizes):
        avoid = np.concatenate([avoid, np.column_stack([page.path_sizes, page.path_scores])])
    place_labels(axes, at, names, avoid, 8.5)


def _path(page: SubsetPage) -> Series:
    sizes, scores = page.path_sizes, page.path_scores
    if not len(sizes) or sizes[-1] != page.size:
        sizes, scores = np.append(sizes, page.size), np.append(scores, page.score)
    return Series(
        "selection", {"examples": sizes, page.score_words: scores}, {"examples": "count", page.score_words: "value"},
        curve=True,
    )  # fmt: skip


def _random(page: SubsetPage, low: Array, high: Array) -> Series:
    assert page.curve is not None
    columns: dict[str, Any] = {
        "examples": page.curve.sizes,
        "draws": np.array([len(values) for values in page.curve.scores], float),
        f"mean {page.score_words}": page.curve.means,
        "2.5 %": low,
        "97.5 %": high,
    }
    return Series("random subsets", columns, dict.fromkeys(columns, "value") | {"examples": "count"})


def gains_figure(page: SubsetPage) -> tuple[FigureData, Figure] | None:
    """Draw what each member added in its turn, and the value so far under the bound of the optimum."""
    gains = page.gains
    if gains is None or not np.isfinite(gains).all() or len(gains) < 2:
        return None
    turn, value = np.arange(1, len(gains) + 1), np.cumsum(gains)
    upper = page.certificate.get("upper")
    with styled():
        figure, (left, right) = new_figure(3.1, 2)
        left.plot(turn, gains, color=LAW, linewidth=1.4)
        left.set_ylabel("gain of the member")
        positive = gains[1:][gains[1:] > 0]
        steep = bool(len(positive) == len(gains) - 1 and gains[0] > 0 and gains.max() / positive.min() > 30)
        scale_axis(left.yaxis, "value", steep, narrow=True)
        right.plot(turn, value, color=LAW)
        handles: list[tuple[Any, str]] = [(Line2D([], [], color=LAW), "the selection")]
        if upper is not None:
            right.axhline(upper, color=MUTED, linewidth=1.1, linestyle=(0, (4, 2)))
            handles.append((Line2D([], [], color=MUTED, linewidth=1.1, linestyle=(0, (4, 2))), "no set is above this"))
            right.set_ylim(min(0.0, float(value.min())), max(upper, float(value.max())) * 1.08)
        right.set_ylabel("value so far")
        scale_axis(right.yaxis, "value", False, narrow=True)
        for axes in (left, right):
            scale_axis(axes.xaxis, "value", False, narrow=True)
            axes.set_xlabel("members, in the order of choice")
        key(figure, handles)
    half = int(np.searchsorted(value, 0.5 * value[-1])) + 1 if value[-1] > 0 else 0
    first = "member" if half == 1 else format_plural(half, "member")
    said = f"Half of the value came with the first {first}. " if half else ""
    bound = "" if upper is None else f"Dashed: no set of this number has a larger value ({page.certificate['why']}). "
    own = "" if page.value is None or math.isclose(page.value, page.score, rel_tol=1e-12) else (
        "The value is in the units in which the objective is maximised, not those of the score. ")  # fmt: skip
    return (
        FigureData(
            key=f"fig-gains-{page.name}",
            title="What each member added, and the value so far",
            finding=f"{said}The last member added {gain_shown(float(gains[-1]), gains, 3)}, the first "
            f"{gain_shown(float(gains[0]), gains, 3)}.",
            caption=f"{said}{bound}{own}{page.made_of()}",
            series=(
                Series(
                    "gains", {"member": turn.astype(float), "gain": gains, "value so far": value},
                    {"member": "tick", "gain": "value", "value so far": "value"}, curve=True,
                ),
            ),
        ),
        figure,
    )  # fmt: skip


def share_words(share: float) -> str:
    """Write a lower bound of a share, never rounded up."""
    return f"{shortest(math.floor(share * 1000 + 1e-9) / 10)} %"


def level_of(worth: Any) -> str:
    """Write the level of an interval."""
    return level_text(worth.level)
