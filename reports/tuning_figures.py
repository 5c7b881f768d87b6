"""Figures of learning rates and batches: what it costs to be off a recommendation, and the laws over the cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.boundary_figure import key
from reports.series import FigureData, Series
from reports.style import DATA, INK, LAW, MUTED, PAST, beyond, new_figure, place_labels, scale_axis, styled
from reports.words import level_text
from scaling.formatting import format_count, format_interval, format_number, format_percent
from scaling.hyperparameters.bowl import plateau_widths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.batch_page import Origin
    from reports.tuning_page import TuningPage
    from scaling.hyperparameters.laws import TunedLaw
    from scaling.hyperparameters.recommendation import Recommendation

Array = NDArray[np.float64]
LEVELS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04)  # shares of the loss
_CELLS = 121
_WIDEST = 0.02  # share of the loss whose basin the picture holds
_OCTAVES = 4.5  # at most, on either side, for a published law to be in the picture
_CURVE = 41


def recommendation_figure(page: TuningPage, rec: Recommendation, origin: Origin) -> tuple[FigureData, Figure]:
    """Draw the loss given up around the best setting of a run, the recommendation, and published ones.

    Parameters
    ----------
    page : TuningPage
        The laws.
    rec : Recommendation
        Of the run.
    origin : Origin
        Of the page.

    Returns
    -------
    FigureData, Figure
        Series ``recommendation``, ``loss given up`` and ``published``.
    """
    hessian = page.laws.curvature.at(rec.n_params, rec.n_tokens)
    best = page.laws.points_at(rec.n_params, rec.n_tokens)
    published = [r for r in page.published(rec) if r.lr is not None or r.batch is not None]
    pairs = [r for r in published if r.lr is not None and r.batch is not None]
    points = [(r.lr, r.batch) for r in published if r.lr is not None and r.batch is not None]
    reach = [w / 2 for w in plateau_widths(hessian, _WIDEST, False)]
    for axis in (0, 1):
        away = [abs(math.log2(point[axis] / best[axis])) for point in points]
        away += [abs(math.log2((rec.lr, rec.batch)[axis] / best[axis]))]
        reach[axis] = max([reach[axis], *(a + 0.7 for a in away if a < _OCTAVES)])
    x, y = (np.geomspace(b * 2.0**-r, b * 2.0**r, _CELLS) for b, r in zip(best, reach, strict=True))
    u, v = np.meshgrid(np.log(x / best[0]), np.log(y / best[1]))
    lost = np.expm1((hessian[0, 0] * u * u + 2 * hessian[0, 1] * u * v + hessian[1, 1] * v * v) / 2)
    with styled():
        figure, (axes,) = new_figure(4.9)
        axes.contourf(x, y, lost, levels=[0, rec.plateau_share], colors=[LAW], alpha=0.14, zorder=0)
        lines = axes.contour(x, y, lost, levels=LEVELS, colors=[MUTED], linewidths=0.9, alpha=0.85, zorder=1)
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
        scale_axis(axes.xaxis, "value", True)
        scale_axis(axes.yaxis, "count", True)
        axes.grid(False)
        marks = axes.clabel(lines, fmt=lambda value: format_percent(value, 2), fontsize=8, colors=[MUTED])
        for text in marks:
            text.set_gid("halo")
        handles = _draw_recommendation(axes, rec, best, hessian, (y[0], y[-1]))
        inside = [r for r in pairs if x[0] < float(r.lr or 0) < x[-1] and y[0] < float(r.batch or 0) < y[-1]]
        theirs = [(float(r.lr or 0), float(r.batch or 0)) for r in inside]
        if inside:
            look: dict[str, Any] = {"color": PAST, "markersize": 5.5, "markeredgewidth": 0, "zorder": 4}
            [mark] = axes.plot([lr for lr, _ in theirs], [batch for _, batch in theirs], "s", **look)
            handles.append((mark, "published"))
        axes.set_xlabel("peak learning rate")
        axes.set_ylabel("batch (tokens a step)")
        key(figure, handles)
        at = [(rec.lr, rec.batch), *theirs]
        cross = [(rec.lr, b) for b in np.geomspace(rec.batch_low, rec.batch_high, 9)]
        cross += [(r, rec.batch) for r in np.geomspace(rec.lr_low, rec.lr_high, 9)]
        names = [f"{format_number(rec.lr, 3)}, {format_count(rec.batch)}", *(r.name for r in inside)]
        place_labels(axes, at, names, np.array(cross), 8.5)
    given = " The batch was given; the learning rate is the best one at it." if rec.batch_given else ""
    outside = [r.name for r in pairs if r not in inside]
    left = f" Outside the picture: {', '.join(outside)}." if outside else ""
    return (
        FigureData(
            key="fig-recommendation",
            title=f"Loss given up around the best setting of {format_count(rec.n_params)} parameters on "
            f"{format_count(rec.n_tokens)} tokens",
            finding=f"Learning rate {format_number(rec.lr)} ({format_interval(rec.lr_low, rec.lr_high)}), batch "
            f"{format_count(rec.batch)} tokens; twice or half the learning rate costs "
            f"{format_percent(rec.cost_of_2x_lr)}.",
            caption="Lines: loss above the lowest, as a share of it, by the second derivatives of the loss surfaces "
            "of "
            f"{page.laws.curvature.n} cells carried over to this run; shaded: within "
            f"{format_percent(rec.plateau_share)}. Diamond: the recommendation with the {level_text(rec.level)} "
            "intervals "
            f"of its laws.{given} Dotted: the best learning rate at each batch. Squares: published laws of the "
            "lowest loss, "
            f"those that give both.{left} {origin.made_of(data=page.data_words(origin))} Batches in tokens.",
            series=(_recommended(rec), _given_up(hessian), _published_series(page, rec)),
        ),
        figure,
    )


def _draw_recommendation(
    axes: Axes, rec: Recommendation, best: tuple[float, float], hessian: Array, ends: tuple[float, float]
) -> list[tuple[Any, str]]:
    ridge = np.geomspace(*ends, _CURVE)
    slope = -hessian[0, 1] / hessian[0, 0]
    [line] = axes.plot(best[0] * (ridge / best[1]) ** slope, ridge, color=LAW, linewidth=1.3, linestyle=(0, (1, 1.5)),
                       zorder=2)  # fmt: skip
    axes.plot([rec.lr_low, rec.lr_high], [rec.batch] * 2, color=INK, linewidth=1.5, zorder=5)
    axes.plot([rec.lr] * 2, [rec.batch_low, rec.batch_high], color=INK, linewidth=1.5, zorder=5)
    [mark] = axes.plot([rec.lr], [rec.batch], "D", color=INK, markersize=6, markeredgewidth=0, zorder=6)
    return [(mark, "recommendation"), (line, "best learning rate at a batch")]


def _recommended(rec: Recommendation) -> Series:
    level = level_text(rec.level)
    columns = {
        "quantity": ("learning rate", "batch (tokens)"),
        "value": (format_number(rec.lr), format_count(rec.batch)),
        f"{level} low": (format_number(rec.lr_low), format_count(rec.batch_low)),
        f"{level} high": (format_number(rec.lr_high), format_count(rec.batch_high)),
    }
    return Series("recommendation", columns, dict.fromkeys(columns, "text"))


def _given_up(hessian: Array) -> Series:
    widths = [(plateau_widths(hessian, share, True), plateau_widths(hessian, share, False)) for share in LEVELS]
    columns = {
        "loss given up": 100 * np.array(LEVELS),
        "learning rate off by, at the best batch": np.array([2 ** (held[0] / 2) for held, _ in widths]),
        "batch off by, learning rate re-tuned": np.array([2 ** (free[1] / 2) for _, free in widths]),
        "batch off by, learning rate left": np.array([2 ** (held[1] / 2) for held, _ in widths]),
    }
    return Series("loss given up", columns, dict.fromkeys(columns, "factor") | {"loss given up": "percent"})


def _published_series(page: TuningPage, rec: Recommendation) -> Series:
    rules = [r for r in page.published(rec) if r.lr is not None or r.batch is not None]
    columns = {
        "law": tuple(r.name for r in rules),
        "learning rate": tuple("–" if r.lr is None else format_number(r.lr) for r in rules),
        "batch (tokens)": tuple("–" if r.batch is None else format_count(r.batch) for r in rules),
        "gives": tuple(r.kind for r in rules),
    }
    return Series("published", columns, dict.fromkeys(columns, "text"))


def laws_figure(page: TuningPage, target: dict[str, float], origin: Origin) -> tuple[FigureData, Figure]:
    """Draw the laws of the learning rate and of the batch over the optima of the cells.

    Parameters
    ----------
    page : TuningPage
        The laws.
    target : dict of str to float
        ``N`` and ``D`` of the run, at which the other input of each panel is held.
    origin : Origin
        Of the page.

    Returns
    -------
    FigureData, Figure
        Series ``optima``, ``law of the learning rate`` and ``law of the batch``.
    """
    laws, o = page.laws, page.laws.optima
    spread = np.sqrt(np.stack([o.covariance[:, 0, 0], o.covariance[:, 1, 1]], axis=1))
    panels = (("N", laws.lr, o.lr, spread[:, 0], "peak learning rate", "value"),
              ("D", laws.batch, o.batch, spread[:, 1], "batch (tokens a step)", "count"))  # fmt: skip
    series, words = [], []
    with styled():
        figure, drawn = new_figure(3.7, columns=2)
        for axes, (axis, law, observed, error, label, unit) in zip(drawn, panels, strict=True):
            x = o.n_params if axis == "N" else o.n_tokens
            held = {k: v for k, v in target.items() if k in law.fit.law.inputs and k != axis}
            moved = observed * _moved(law, o.n_params, o.n_tokens, held)
            grid, band = _course(law, axis, x, target, origin.level)
            axes.fill_between(grid, band[1], band[2], color=LAW, alpha=0.25, linewidth=0, zorder=1)
            axes.plot(grid, band[0], color=LAW, zorder=2)
            for xi, yi, ei in zip(x, moved, error, strict=True):
                if math.isfinite(ei):
                    axes.plot([xi, xi], [yi * math.exp(-ei), yi * math.exp(ei)], color=DATA, linewidth=1.1, zorder=3)
            axes.plot(x, moved, "o", color=DATA, markersize=4.5, alpha=0.75, markeredgewidth=0, zorder=4)
            if page.targets:
                axes.plot([target[axis]], [law.at(target)], "D", color=INK, markersize=5.5, zorder=5)
            axes.set_xlim(grid[0], grid[-1])
            every = np.concatenate([moved, band[1], band[2]])
            axes.set_ylim(every.min() / 1.25, every.max() * 1.25)
            scale_axis(axes.xaxis, "count", True, narrow=True)
            scale_axis(axes.yaxis, unit, True, narrow=True)
            if grid[-1] > 1.7 * x.max():
                beyond(axes, float(x.max()), grid[-1], text="")
            axes.set_xlabel("parameters N" if axis == "N" else "training tokens D")
            axes.set_ylabel(label)
            series.append(_law_series(axis, grid, band, unit, origin.level))
            words += _held_words(label.split(" (")[0], held)
    optima = {
        "parameters": o.n_params, "tokens": o.n_tokens, "learning rate": o.lr, "batch (tokens)": o.batch,
    }  # fmt: skip
    units = {"parameters": "count", "tokens": "count", "learning rate": "value", "batch (tokens)": "count"}
    known = bool(np.isfinite(spread).any())
    shaded = " Shaded: beyond the cells." if page.targets else ""
    return (
        FigureData(
            key="fig-laws",
            title="The laws of the best learning rate and batch over the optima of the cells",
            finding=f"{laws.lr.sentence(origin.level)}; {laws.batch.sentence(origin.level)}.",
            caption=f"Points: optima, {laws.method.words}{'; bars: one standard error of each' if known else ''}. "
            f"Lines: the laws with their {level_text(origin.level)} bands.{' '.join(words)}{shaded} "
            f"{origin.made_of(data=page.data_words(origin))}",
            series=(Series("optima", optima, units), *series),
        ),
        figure,
    )


def _moved(law: TunedLaw, n: Array, d: Array, held: dict[str, float]) -> Array:
    """By what factor the law moves each point to where the other inputs are held."""
    rows = []
    for ni, di in zip(n, d, strict=True):
        at = {"N": float(ni), "D": float(di)}
        rows.append(law.at(at | held) / law.at(at))
    return np.array(rows)


def _course(
    law: TunedLaw, axis: str, x: Array, target: dict[str, float], level: float
) -> tuple[Array, tuple[Array, Array, Array]]:
    low, high = min(float(x.min()), target[axis]), max(float(x.max()), target[axis])
    grid = np.geomspace(low / 1.25, high * 1.25, _CURVE)
    inputs = {k: (grid if k == axis else np.full(_CURVE, target[k])) for k in law.fit.law.inputs}
    said = law.fit.predict(inputs, level, "curve", force=True)
    return grid, (said.mean, said.low, said.high)


def _law_series(axis: str, grid: Array, band: tuple[Array, Array, Array], unit: str, level: float) -> Series:
    name = "law of the learning rate" if axis == "N" else "law of the batch"
    out = "learning rate" if axis == "N" else "batch (tokens)"
    columns = {axis: grid, out: band[0], f"{level_text(level)} low": band[1], f"{level_text(level)} high": band[2]}
    return Series(name, columns, dict.fromkeys(columns, unit) | {axis: "count"}, curve=True)


def _held_words(label: str, held: dict[str, float]) -> list[str]:
    if not held:
        return []
    at = ", ".join(f"{k} = {format_count(v)}" for k, v in held.items())
    return [f" Of the {label.removeprefix('peak ')}: points are moved to {at} by the law, and the line is drawn there."]
