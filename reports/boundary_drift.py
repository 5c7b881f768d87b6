"""The boundaries of single periods, and how far each lies from the one before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.boundary_inputs import BoundaryPage
from reports.boundary_time import end_labels
from reports.boundary_trust import signed
from reports.boundary_words import flop, score_axis, share_below, shortened
from reports.series import FigureData, Series
from reports.style import DATA, FORM, LAW, MUTED, PAST, new_figure, scale_axis, styled
from reports.tables import Table, make_table
from reports.words import cited, level_text, printable
from scaling.formatting import UNKNOWN, format_interval, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scaling.boundary.drift import Drift

_CURVE = 97
_MOST = 4  # steps that are drawn: the last
_LOOKS = (("^", FORM), ("s", PAST), ("o", DATA), ("D", LAW))  # of the steps, the last one last
_APART = 0.05  # decades between marks of two steps at one compute
_FAINT = 0.3


def drift_figure(page: BoundaryPage) -> tuple[FigureData, Figure] | None:
    """Draw the boundary of each period, and how far each lies from the one before at fixed compute.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``boundaries of periods`` and ``shifts``; None without a drift.
    """
    found = page.drift
    if found is None:
        return None
    steps, periods = found.steps[-_MOST:], found.periods[-_MOST - 1 :]
    z = np.linspace(*page.boundary.support, _CURVE)
    curves = {period: np.asarray(found.predict(z, period)) for period in periods}
    with styled():
        figure, (left, right) = new_figure(3.5, columns=2)
        for i, (period, curve) in enumerate(curves.items()):
            last = period == periods[-1]
            alpha = _FAINT + (1 - _FAINT) * (i + 1) / len(periods)
            left.plot(10**z, curve, color=LAW, alpha=alpha, linewidth=2.0 if last else 1.3)
        left.set_xlim(10 ** z[0], 10 ** z[-1])
        scale_axis(left.xaxis, "flop", True, True)
        scale_axis(left.yaxis, "value", False, True)
        left.set_xlabel("training compute (FLOP)")
        left.set_ylabel(score_axis(page))
        end_labels(left, [(shortened(name, 12), float(c[-1]), LAW) for name, c in curves.items()])
        _draw_shifts(right, steps)
        scale_axis(right.xaxis, "flop", True, True)
        scale_axis(right.yaxis, "value", False, True)
        right.set_xlabel("training compute (FLOP)")
        right.set_ylabel("shift of the boundary, in score")
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=8, borderpad=0.1)
    columns: dict[str, Any] = {"compute (FLOP)": 10**z} | {printable(k): v for k, v in curves.items()}
    level = level_text(found.level)
    bars = f", with {level} intervals, each by itself" if found.bootstrap else ""
    shown = f" The last {len(steps)} of {len(found.steps)} steps." if len(found.steps) > len(steps) else ""
    return (
        FigureData(
            key="fig-drift",
            title="Boundaries of single periods, and their shifts",
            finding=drift_words(found),
            caption=f"Left: the boundary that {share_below(found.settings.tau)} of the models of each period stay "
            f"below; the fainter the earlier. Right: how far it lies above that of the period before{bars}; marks of "
            f"one compute are set a little apart.{shown} {drift_words(found)} {_made_of(page, found)}",
            series=(
                Series(
                    "boundaries of periods", columns,
                    dict.fromkeys(columns, "value") | {"compute (FLOP)": "flop"}, curve=True,
                ),
                _shift_series(steps, level),
            ),
        ),
        figure,
    )  # fmt: skip


def _draw_shifts(axes: Axes, steps: Any) -> None:
    axes.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
    looks = _LOOKS[-len(steps) :]
    for i, (step, (marker, color)) in enumerate(zip(steps, looks, strict=True)):
        if not len(step.log10_compute):
            continue
        x = 10 ** (step.log10_compute + _APART * (i - (len(steps) - 1) / 2))
        if np.isfinite(step.low).any():
            axes.vlines(x, step.low, step.high, color=color, linewidth=1.1, zorder=2)
        name = shortened(f"{step.before} → {step.after}", 24)
        axes.plot(x, step.shift, marker, color=color, markersize=4.5, markeredgewidth=0, label=name, zorder=3)


def _shift_series(steps: Any, level: str) -> Series:
    rows = [
        (f"{s.before} → {s.after}", 10**z, shift, low, high, p)
        for s in steps
        for z, shift, low, high, p in zip(s.log10_compute, s.shift, s.low, s.high, s.p, strict=True)
    ]
    names = ("step", "compute (FLOP)", "shift", f"{level} low", f"{level} high", "p, corrected")
    columns: dict[str, Any] = (
        dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    )
    units = dict.fromkeys(columns, "value") | {"step": "text", "compute (FLOP)": "flop"}
    return Series("shifts", columns, units, order="in time")


def drift_words(found: Drift) -> str:
    """Say whether the boundary moved at all."""
    if math.isnan(found.p_value):
        return "Without bootstrap replicates it is not known whether these shifts are more than scatter."
    return (
        f"If no boundary had moved, shifts as clear as these would be seen with probability "
        f"{format_number(found.p_value, 2)} (corrected for all points of all steps)."
    )


def of_drift(page: BoundaryPage) -> Table | None:
    """Make the table of steps: the largest shift of each, and how the earlier boundary holds the later models."""
    found = page.drift
    if found is None:
        return None
    rows = []
    for step in found.steps:
        m = step.forecast
        k = int(np.argmax(np.abs(step.shift))) if len(step.shift) else -1
        rows.append(
            (
                printable(f"{step.before} → {step.after}"),
                f"{signed(float(step.shift[k]))} at {flop(float(step.log10_compute[k]))}" if k >= 0 else UNKNOWN,
                format_interval(float(step.low[k]), float(step.high[k])) if k >= 0 else UNKNOWN,
                format_number(step.p_value, 2),
                format_number(m.pinball, 3),
                format_percent(m.coverage, 3),
                signed(m.signed_coverage_error),
            )
        )
    heads = (
        "step", "largest shift, at FLOP", f"{level_text(found.level)} interval", "p of no shift",
        "pinball of the earlier", "below it", "signed coverage error",
    )  # fmt: skip
    counts = ", ".join(f"{printable(name)}: {count}" for name, count in found.counts.items())
    note = (
        "The earlier boundary, without a margin, held against the later models within the compute it saw; what "
        "arXiv:2602.15327 calls drift is its signed coverage error, below 0 where too many lie above. Verdict: "
        f"{found.verdict}. {' '.join(found.reasons)} Models: {counts}. {_made_of(page, found)}"
    )
    return make_table("From period to period", heads, rows, note=cited(" ".join(note.split())))


def _made_of(page: BoundaryPage, found: Drift) -> str:
    s = found.settings
    ridge = f" + {s.ridge:.3g} b^2" if s.ridge else ""
    total = format_plural(sum(found.counts.values()), "model")
    files = f" of {', '.join(shortened(f.file) for f in page.sources[:3])}" if page.sources else ""
    return (
        f"Objective: mean pinball({s.tau:g}), kappa {s.kappa:g}{ridge}; intervals: {found.method}; data: {total} in "
        f"{format_plural(len(found.counts), 'period')}{files}."
    )
