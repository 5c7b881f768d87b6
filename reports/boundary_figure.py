"""The boundary over the scatter of models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.boundary_answers import BoundaryAnswers
from reports.boundary_inputs import BoundaryPage
from reports.boundary_words import flop, made_of, model_name, score_axis, share_below
from reports.series import FigureData, Series
from reports.style import (
    DATA,
    FORM,
    LAW,
    MUTED,
    PAST,
    RASTER_DATA,
    WIDTH,
    beyond,
    new_figure,
    place_labels,
    scale_axis,
    styled,
)
from reports.words import level_text, listed, printable
from scaling.formatting import format_interval, format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_VECTORS = 5000  # models of one look; more are drawn as pixels, which weigh less
_TOLD = 2000  # models up to which each is told on hovering
_LETTER, _HANDLE = 4.3, 27.0  # points, of an entry of the legend
_CURVE = 121  # points of a curve
_NAMED = 6  # models above the boundary that the figure names
_PAD = 0.12  # decades beside what is shown
_SHADED = 0.3  # decades beyond the compute seen from which on the ground is shaded
_DASHES = {0.9: (0, (5, 2)), 0.5: (0, (1, 1.6))}
_PIXELS = {DATA: RASTER_DATA, PAST: "#9a4d88", FORM: "#00866a"}  # enough contrast on light and on dark
_LOOKS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "color": DATA, "markerfacecolor": "none", "markeredgewidth": 0.9},
    {"marker": "x", "color": PAST, "markeredgewidth": 1.3},
    {"marker": "s", "color": FORM, "markerfacecolor": "none", "markeredgewidth": 0.9},
)


def boundary_figure(answers: BoundaryAnswers) -> tuple[FigureData, Figure]:
    """Draw the models, the boundary with its band, and lower quantiles lightly.

    Parameters
    ----------
    answers : BoundaryAnswers
        The numbers of the page.

    Returns
    -------
    FigureData, Figure
        Series ``boundary`` and ``models``.
    """
    page, b = answers.page, answers.page.boundary
    z, y = b.scores.log10_compute, b.scores.score
    low, high = b.support
    left, right = min(low, float(answers.z.min())) - _PAD, max(high, float(answers.z.max())) + _PAD
    grid = np.linspace(left, right, _CURVE)
    curve, bottom, top = curves(answers, grid)
    named = _to_name(page)
    with styled():
        figure, (axes,) = new_figure(4.6)
        handles = draw_models(axes, page)
        if answers.banded:
            axes.fill_between(10**grid, bottom, top, color=LAW, alpha=0.25, linewidth=0, zorder=3)
        thins: list[tuple[Any, str]] = []
        [line] = axes.plot(10**grid, curve, color=LAW, linewidth=2.0, zorder=4)
        for tau in answers.lines:
            [thin] = axes.plot(
                10**grid, answers.line(tau, grid), color=MUTED, linewidth=1.1, linestyle=_DASHES[tau], zorder=3
            )
            thins.append((thin, f"{share_below(tau)} below"))
        axes.set_xlim(10**left, 10**right)
        highest = float(max(y.max(), np.nanmax(top) if answers.banded else curve.max()))
        lowest = float(min(y.min(), curve.min()))
        room = 0.09 if right > high + _SHADED else 0.05  # below the models, for what is said of the shaded ground
        span = highest - lowest
        axes.set_ylim(lowest - room * span, min(1.02, highest + 0.12 * span))
        scale_axis(axes.xaxis, "flop", True)
        scale_axis(axes.yaxis, "value", False)
        if right > high + _SHADED:
            beyond(axes, 10**high, 10**right, top=False)
        axes.set_xlabel("training compute (FLOP)")
        axes.set_ylabel(score_axis(page))
        label = f"{share_below(b.tau)} of the models score below"
        handles.append((line, label + (f", {level_text(page.level)} band" if answers.banded else "")))
        key(figure, [*handles, *reversed(thins)])
        avoid = np.concatenate([np.column_stack([10**z, y]), np.column_stack([10**grid, curve])])
        place_labels(axes, [(10 ** z[i], y[i]) for i in named], [model_name(page.models[i]) for i in named], avoid, 7.5)
    light = _light_words(answers, grid)
    shaded = " Shaded ground: beyond the compute seen." if right > high + _SHADED else ""
    names = f" Named: models furthest above it, {len(named)} of {b.n_above}." if named else ""
    return (
        FigureData(
            key="fig-boundary",
            title=f"{page.task}: scores of {format_plural(b.n_obs, 'model')} and the boundary",
            finding=_finding(answers),
            caption=f"Each point is a model. Thick line: the boundary, which {share_below(b.tau)} of the models stay "
            f"below{f', with the {level_text(page.level)} band of the curve' if answers.banded else ''}.{light}{names}"
            f"{_marks_words(page)}{shaded} {made_of(page)}",
            series=(_curve_series(answers, grid, curve, bottom, top), _model_series(page)),
            tooltips=_tooltips(page),
        ),
        figure,
    )


def curves(answers: BoundaryAnswers, grid: Array) -> tuple[Array, Array, Array]:
    """Work out the boundary and its band at log10 compute; NaN for a band that there is none of."""
    b = answers.page.boundary
    if not answers.banded:
        nothing = np.full(len(grid), np.nan)
        return np.asarray(b.predict(grid)), nothing, nothing
    band = b.predict(grid, level=answers.page.level)
    return np.asarray(band.mean), np.asarray(band.low), np.asarray(band.high)


def parts_of(page: BoundaryPage) -> list[tuple[str, Mask]]:
    """Part the models by their marks: those without first; a model with several has the first of them."""
    left = np.ones(page.boundary.n_obs, bool)
    found = []
    for name, mask in list(page.marks.items())[: len(_LOOKS)]:
        found.append((name, mask & left))
        left = left & ~mask
    return [("model", left), *found]


def draw_models(axes: Axes, page: BoundaryPage) -> list[tuple[Any, str]]:
    """Draw the scatter, marked models apart; as pixels where there are too many for vectors.

    Returns
    -------
    list of (handle, str)
        Entries of the legend.
    """
    from matplotlib.lines import Line2D

    s, many = page.boundary.scores, page.boundary.n_obs > _TOLD
    handles: list[tuple[Any, str]] = []
    for k, (name, mask) in enumerate(parts_of(page)):
        if not mask.any():
            continue
        look: dict[str, Any] = {"marker": "o", "color": DATA, "markeredgewidth": 0}
        if k:
            look = dict(_LOOKS[k - 1])
        pixels = int(mask.sum()) > _VECTORS  # which cannot follow the theme
        drawn = look | ({"color": _PIXELS[look["color"]]} if pixels else {})
        size, alpha = (2.6, 0.4) if many else (4.0 if page.boundary.n_obs < 300 else 3.2, 0.55)
        if k:
            alpha = 0.8
        axes.plot(
            10 ** s.log10_compute[mask], s.score[mask], linestyle="", markersize=size, alpha=alpha, gid=f"models-{k}",
            rasterized=pixels, zorder=2, **drawn,
        )  # fmt: skip
        handles.append((Line2D([], [], linestyle="", markersize=4.5, **look), name))
    return handles


def key(figure: Figure, handles: list[tuple[Any, str]]) -> None:
    """Write the legend above the panels, in one row where it fits."""
    wide = _LETTER * sum(len(text) for _, text in handles) + _HANDLE * len(handles)
    columns = math.ceil(len(handles) / math.ceil(wide / (72 * WIDTH)))
    figure.legend(
        [mark for mark, _ in handles], [text for _, text in handles], loc="outside upper left", ncols=columns,
        fontsize=8, handlelength=1.6, columnspacing=1.5, borderpad=0.1, handletextpad=0.5,
    )  # fmt: skip


def _to_name(page: BoundaryPage) -> list[int]:
    """Models to be named: those furthest above the boundary, each name once."""
    if not page.models:
        return []
    b = page.boundary
    away = b.scores.score - b.fitted
    found: list[int] = []
    for i in np.argsort(-away, kind="stable").tolist():
        if away[i] <= 0 or len(found) == _NAMED:
            break
        if model_name(page.models[i]) not in [model_name(page.models[j]) for j in found]:
            found.append(i)
    return found


def _light_words(answers: BoundaryAnswers, grid: Array) -> str:
    if not answers.lines:
        return ""
    lines = listed([share_below(tau) for tau in reversed(answers.lines)])
    cut = " where quantiles do not cross" if answers.crossing(grid).any() else ""
    return f" Thin lines: {lines} of the models score below{cut}."


def _marks_words(page: BoundaryPage) -> str:
    looks = ("rings", "crosses", "squares")
    said = [f"{look}: {name}" for (name, mask), look in zip(page.marks.items(), looks, strict=False) if mask.any()]
    return f" {'; '.join(said).capitalize()}." if said else ""


def _finding(answers: BoundaryAnswers) -> str:
    page, i = answers.page, answers.asked
    band = (
        f" ({level_text(page.level)} band {format_interval(float(answers.low[i]), float(answers.high[i]))})"
        if answers.banded
        else ""
    )
    low, high = page.boundary.support
    return (
        f"{format_plural(page.boundary.n_obs, 'model')} between {flop(low)} and {flop(high)} FLOP, "
        f"{page.boundary.n_above} of them above the boundary, which is {format_number(float(answers.mean[i]), 3)}"
        f"{band} at {flop(float(answers.z[i]))} FLOP."
    )


def _curve_series(answers: BoundaryAnswers, grid: Array, curve: Array, low: Array, high: Array) -> Series:
    page = answers.page
    columns: dict[str, Any] = {"compute (FLOP)": 10**grid, f"{share_below(page.boundary.tau)} below": curve}
    if answers.banded:
        columns |= {f"{level_text(page.level)} band, low": low, f"{level_text(page.level)} band, high": high}
    columns |= {f"{share_below(tau)} below": answers.line(tau, grid) for tau in reversed(answers.lines)}
    return Series("boundary", columns, dict.fromkeys(columns, "value") | {"compute (FLOP)": "flop"}, curve=True)


def _model_series(page: BoundaryPage) -> Series:
    b = page.boundary
    order = np.argsort(b.fitted - b.scores.score, kind="stable")
    bases: Any = page.base_models or (() if b.scores.groups is None else tuple(map(str, b.scores.groups)))
    texts: dict[str, Any] = {"model": page.models, page.group_word: bases, "date": page.dates}
    if page.marks:
        texts["mark"] = tuple(
            ", ".join(name for name, mask in page.marks.items() if mask[i]) or "–" for i in range(b.n_obs)
        )
    columns: dict[str, Any] = {
        name: tuple(printable(str(values[i])) or "–" for i in order.tolist())
        for name, values in texts.items()
        if len(values)
    }
    columns |= {
        "compute (FLOP)": 10 ** b.scores.log10_compute[order],
        "score": b.scores.score[order],
        "above the boundary by": (b.scores.score - b.fitted)[order],
    }
    units = {name: "text" for name in texts if name in columns}
    units |= {"compute (FLOP)": "flop", "score": "value", "above the boundary by": "value"}
    return Series("models", columns, units, order="furthest above the boundary first")


def _tooltips(page: BoundaryPage) -> dict[str, tuple[str, ...]]:
    s = page.boundary.scores
    if page.boundary.n_obs > _TOLD or not page.models:
        return {}
    return {
        f"models-{k}": tuple(
            f"{shown}: {format_number(s.score[i], 3)} at {flop(float(s.log10_compute[i]))} FLOP"
            for i, shown in ((i, page.models[i]) for i in np.flatnonzero(mask).tolist())
        )
        for k, (_, mask) in enumerate(parts_of(page))
    }
