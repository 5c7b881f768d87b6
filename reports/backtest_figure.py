"""The figure of the back-test: every error on a held-out run against how far the run was extrapolated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.answers import Answers, Forecast
from reports.backtest import axis_name, covered_name, failed_words, made_of_backtest, verdict_words
from reports.series import FigureData, Series
from reports.style import INK, LAW, MUTED, beyond, new_figure, place_labels, points, scale_axis, styled
from reports.words import INSIDE, level_text, numbering, output_name, unit_of
from scaling.fitting.backtest import Backtest
from scaling.formatting import UNKNOWN, format_factor, format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_SHOWN = 5.0  # times the largest factor held out: targets farther off are told of, not drawn
_FAR_OFF = 6.0  # errors this many times the 90 % quantile are drawn at the edge, so that the others can be told apart
_LONGEST_BAR = 3.0  # times the reach of the errors: how far the bars of targets may stretch the axis


def backtest_figure(answers: Answers) -> tuple[FigureData, Figure] | None:
    """Draw the error of every forecast of a held-out run, and how many intervals held the outcome.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``held-out runs``, ``by extrapolation factor`` and, where there are any, ``targets``; None without a
        back-test, or where none of its forecasts has an error.
    """
    found = answers.data.fit.backtest
    if found is None or not found.says_something:
        return None
    heading, unit = _error_heading(answers, found), "percent" if found.log else "value"
    order = np.argsort(np.where(found.defined, -np.abs(found.error), -np.inf), kind="stable")
    runs = _runs(answers, found, order, heading, unit)
    bins = _bins(found, heading, unit)
    targets = _targets(answers, found, heading, unit)
    names = [str(i + 1) for i, f in enumerate(answers.forecasts) if _near(f, found)]
    if len(answers.forecasts) == 1:
        names = ["target"]
    covered = bool(np.any(np.isfinite(bins[covered_name(found)])))
    with styled():
        figure, panels = new_figure(
            4.6 if covered else 3.4, rows=2 if covered else 1, heights=(3, 1) if covered else None
        )
        limit = _reach(runs[heading], targets)
        _draw_errors(panels[0], runs, bins, targets, heading, limit)
        _scale(panels[0], found, targets, names, heading, limit)
        if covered:
            _draw_coverage(panels[1], found, bins)
        panels[-1].set_xlabel(f"extrapolation factor: {axis_name(found)} of the run over that of the cut-off")
        figure.align_ylabels(panels)
    level = level_text(found.level)
    clipped = int(np.sum(np.abs(runs[heading]) > limit))
    words = [f"Points: forecasts{f'; hollow where the run lay outside the {level} interval' if covered else ''}."]
    words.append("Above zero the forecast was too high.")
    if clipped:
        words.append(f"{clipped} farther off {'is' if clipped == 1 else 'are'} drawn as triangles at the edge.")
    if fail := failed_words(int(np.sum(~found.defined)), found):
        words.append(
            f"{fail} They are not drawn, and lead the table." if "they have" in fail else f"{fail} It is not drawn."
        )
    words.append("Coloured: the mean error of each range.")
    if targets is not None:
        many = numbering(len(answers.forecasts))
        words.append(f"Diamonds: the targets, with the errors that their intervals allow for{many}.")
        if np.any(np.abs(np.concatenate(_allowed(targets))) > limit):
            words.append("Bars that end in a triangle go on; their ends are in the table.")
    if away := [f for f in answers.forecasts if not _near(f, found) and not np.isnan(f.backtest_factor)]:
        far = " and ".join(f"{f.target.label} ({format_factor(f.backtest_factor)})" for f in away)
        words.append(f"Too far off to be drawn: {far}.")
    if covered:
        words.append(f"Lower panel: share of the {level} intervals that held the run; dashed, the nominal share.")
    return (
        FigureData(
            key="fig-backtest",
            title=f"Error of the forecasts of held-out runs against the extrapolation factor of {axis_name(found)}",
            finding=verdict_words(found),
            caption=f"{' '.join(words)} {made_of_backtest(answers, found)}",
            series=(runs, bins) if targets is None else (runs, bins, targets),
            tooltips=_tips(runs, heading, limit),
        ),
        figure,
    )


def _runs(answers: Answers, found: Backtest, order: NDArray[np.int64], heading: str, unit: str) -> Series:
    ids = answers.data.run_ids
    same_rows = found.n_rows == len(ids)  # a trimmed fit has fewer rows than its back-test
    names = tuple(ids[i] if same_rows else f"row {i + 1}" for i in found.row[order])
    inside = np.where(found.judged, np.where(found.inside, "yes", "no"), UNKNOWN)[order]
    out = output_name(answers.data.fit.law)
    return Series(
        "held-out runs",
        {
            "run": names,
            f"fitted up to {axis_name(found)}": found.cut[order],
            "extrapolation": found.factor[order],
            f"observed {out}": found.observed[order],
            f"forecast {out}": found.predicted[order],
            heading: _errors(found.error[order], found),
            covered_name(found): tuple(inside.tolist()),
        },
        {
            "run": "text",
            f"fitted up to {axis_name(found)}": "flop",
            "extrapolation": "factor",
            f"observed {out}": "value",
            f"forecast {out}": "value",
            heading: unit,
            covered_name(found): "text",
        },
        order="largest error first",
    )


def _bins(found: Backtest, heading: str, unit: str) -> Series:
    entries = found.summary()
    largest = found.largest_factor
    columns = {
        "from": np.array([e.low for e in entries]),
        "to": np.array([min(e.high, largest) for e in entries]),
        "forecasts": np.array([e.n for e in entries]),
        f"mean {heading}": _errors(np.array([e.bias for e in entries]), found),
        f"rms {heading}": _errors(np.array([e.rms for e in entries]), found),
        covered_name(found): np.array([100 * e.coverage for e in entries]),
    }
    units = {"from": "value", "to": "value", "forecasts": "value"}
    units |= {f"mean {heading}": unit, f"rms {heading}": unit, covered_name(found): "percent"}
    return Series("by extrapolation factor", columns, units)


def _near(forecast: Forecast, found: Backtest) -> bool:
    return forecast.backtest_factor <= _SHOWN * found.largest_factor


def _targets(answers: Answers, found: Backtest, heading: str, unit: str) -> Series | None:
    """Errors that the intervals of the targets allow for, at their factors."""
    said = [(f.target.label, f.backtest_factor, f.run) for f in answers.forecasts if _near(f, found)]
    if not said:
        return None
    mean, low, high = (np.array([getattr(run, name) for *_, run in said], float) for name in ("mean", "low", "high"))
    with np.errstate(all="ignore"):  # an interval may reach below 0
        least, most = (100 * (mean / high - 1), 100 * (mean / low - 1)) if found.log else (mean - high, mean - low)
    allowed = f"{heading.replace('error', 'error allowed')}"
    return Series(
        "targets",
        {
            "target": tuple(label for label, *_ in said),
            "extrapolation": np.array([factor for _, factor, _ in said]),
            f"{allowed}, from": least,
            f"{allowed}, to": most,
        },
        {"target": "text", "extrapolation": "factor", f"{allowed}, from": unit, f"{allowed}, to": unit},
    )


def _groups(runs: Series, heading: str, limit: float) -> dict[str, NDArray[np.bool_]]:
    """Tell which forecasts are drawn how: by whether the interval held, without those far off."""
    outside = np.array(list(runs.columns.values())[-1]) == "no"
    near = np.abs(runs[heading]) <= limit
    return {"held-in": near & ~outside, "held-out": near & outside}


def _draw_errors(axes: Axes, runs: Series, bins: Series, targets: Series | None, heading: str, limit: float) -> None:
    factor, error = runs["extrapolation"], runs[heading]
    for gid, some in _groups(runs, heading, limit).items():
        if some.any():
            points(axes, factor[some], error[some], gid=gid, size=4.0, hollow=gid == "held-out")
    for marker, far in (("^", error > limit), ("v", error < -limit)):
        axes.plot(factor[far], np.sign(error[far]) * limit, marker, color=MUTED, markersize=5, markeredgewidth=0)
    axes.axhline(0, color=INK, linewidth=1.0, zorder=1)
    for start, end, mean in zip(bins["from"], bins["to"], bins[f"mean {heading}"], strict=True):
        at = np.clip(mean, -limit, limit)
        axes.plot([start, max(end, 1.02 * start)], [at, at], color=LAW, linewidth=2.4, zorder=4)
    if targets is not None:
        for x, low, high in zip(targets["extrapolation"], *_allowed(targets), strict=True):
            axes.plot([x, x], np.clip([low, high], -limit, limit), color=INK, linewidth=1.4, zorder=5)
            for marker, end, goes_on in (("^", limit, high > limit), ("v", -limit, low < -limit)):
                if goes_on:
                    axes.plot([x], [end], marker, color=INK, markersize=5, markeredgewidth=0, zorder=5)


def _scale(
    axes: Axes, found: Backtest, targets: Series | None, names: Sequence[str], heading: str, limit: float
) -> None:
    """Set the limits, mark what lies beyond the hold-outs, and name the targets, which needs final limits."""
    last = found.largest_factor if targets is None else max(found.largest_factor, *targets["extrapolation"])
    axes.set_xlim(1 / 1.04, 1.06 * last**1.04)
    axes.set_ylim(-1.15 * limit, 1.15 * limit)
    scale_axis(axes.xaxis, "value", True)
    scale_axis(axes.yaxis, "value", False)
    axes.set_ylabel(heading)
    if last > INSIDE * found.largest_factor:
        beyond(axes, found.largest_factor, axes.get_xlim()[1], text="no run held out")
    if targets is not None:
        at = targets["extrapolation"]
        axes.plot(at, np.zeros(len(at)), "D", color=INK, markersize=5.5, markeredgewidth=0, zorder=5, gid="targets")
        drawn = np.column_stack([found.factor, _errors(found.error, found)])[found.defined]
        tops = [
            (float(x), float(min(top, limit)) if np.isfinite(top) else 0.0)
            for x, top in zip(at, _allowed(targets)[1], strict=True)
        ]
        place_labels(axes, tops, names, drawn, size=9)


def _draw_coverage(axes: Axes, found: Backtest, bins: Series) -> None:
    shares = bins[covered_name(found)]
    axes.axhline(100 * found.level, color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
    for start, end, share in zip(bins["from"], bins["to"], shares, strict=True):
        if not np.isfinite(share):
            continue
        right = max(end, 1.02 * start)
        axes.fill_between([start, right], 0, share, color=LAW, alpha=0.3, linewidth=0, zorder=2)
        axes.plot([start, right], [share, share], color=LAW, linewidth=2.4, zorder=3)
        roomy = share >= 25
        axes.annotate(
            f"{share:.0f} %",
            (np.sqrt(start * right), share / 2 if roomy else share),
            xytext=(0, 0 if roomy else 3),
            textcoords="offset points",
            ha="center",
            va="center_baseline" if roomy else "bottom",
            color=INK,
            fontsize=8,
        )
    axes.set_ylim(0, 110)
    axes.set_yticks([0, 50, round(100 * found.level, 2)])
    axes.set_ylabel("covered (%)")


def _reach(error: Array, targets: Series | None) -> float:
    """How far the axis of errors goes: to the largest error that is not far off, and over the bars of the targets.

    Bars that would press the errors into a line are cut at the edge.
    """
    ends = np.abs(np.concatenate(_allowed(targets))) if targets is not None else np.empty(0)
    wanted = float(max(ends[np.isfinite(ends)], default=0.0))
    sizes = np.abs(error[np.isfinite(error)])
    far = _FAR_OFF * float(np.quantile(sizes, 0.9))
    reach = min(float(sizes.max()), far)
    return max(reach, min(wanted, _LONGEST_BAR * reach)) or wanted or 1.0


def _allowed(targets: Series) -> tuple[Array, Array]:
    low, high = list(targets.columns)[2:]
    return targets[low], targets[high]


def _tips(runs: Series, heading: str, limit: float) -> dict[str, tuple[str, ...]]:
    sign = " %" if "%" in heading else ""
    texts = [
        f"{run}, {format_factor(factor)}: {'+' if error > 0 else '−'}{format_number(abs(error), 2)}{sign}"
        for run, factor, error in zip(runs["run"], runs["extrapolation"], runs[heading], strict=True)
    ]
    return {gid: tuple(texts[i] for i in np.flatnonzero(some)) for gid, some in _groups(runs, heading, limit).items()}


def _errors(values: Array, found: Backtest) -> Array:
    """Turn errors of logarithms into percent."""
    return np.asarray(100 * np.expm1(values) if found.log else values)


def _error_heading(answers: Answers, found: Backtest) -> str:
    law = answers.data.fit.law
    if found.log:
        return f"error (% of {law.output})"
    return f"error ({unit_of(law)})" if law.unit else "error"
