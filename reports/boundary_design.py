"""Which models to evaluate: what each design recovers of the boundary for its cost, beside random choice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from reports.boundary_inputs import BoundaryPage
from reports.boundary_words import share_below, shortened
from reports.series import FigureData, Series
from reports.style import DATA, FORM, INK, LAW, MUTED, PAST, new_figure, scale_axis, styled
from reports.tables import Cell, Table, make_table
from reports.words import unbroken
from scaling.boundary.design.comparison import MEASURES, UNCLEAR, DesignComparison, Measure, Trial
from scaling.formatting import format_estimate, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    "stratified": "bins of compute",
    "i_optimal": "I-optimal",
    "d_optimal": "D-optimal",
    "random": "random choice",
}
_LOOKS = {"random": ("o", MUTED), "stratified": ("D", LAW), "i_optimal": ("s", DATA), "d_optimal": ("^", FORM)}
_SPARE = (("v", PAST), ("P", INK), ("X", PAST))
_NO_SPREAD = 1e-6  # of the mean: draws that all choose the same
_TABLE = {
    "curve": "curve over log compute",
    "curve_at_data": "curve at the models",
    "pinball_out": "pinball out of period",
    "coverage_out": "coverage error out of period",
}
_DRAWN = ("curve", "pinball_out")
_AXES = {"curve": "mean distance from the curve of all models", "pinball_out": "pinball loss out of period"}


def named(design: str) -> str:
    """Name a design."""
    return NAMES.get(design, design.replace("_", "-"))


def design_figure(page: BoundaryPage) -> tuple[FigureData, Figure] | None:
    """Draw what designs recover against what they cost.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``designs``; None without a comparison.
    """
    if not page.designs:
        return None
    made = sorted(page.designs, key=lambda one: one.budget_share)
    held = {m.name for m in made[0].trials[0].measures}
    drawn = [name for name in _DRAWN if all(name in {m.name for m in d.trials[0].measures} for d in made)]
    drawn = drawn or sorted(held)[:1]
    names = [t.name for t in made[0].trials]
    looks = {name: _LOOKS.get(name) or _SPARE[i % len(_SPARE)] for i, name in enumerate(names)}
    with styled():
        figure, panels = new_figure(3.3, columns=len(drawn))
        alone = len(made) == 1
        for axes, measure in zip(panels, drawn, strict=True):
            for i, name in enumerate(names):
                trials = [_trial(d, name) for d in made]
                kept = [t for t in trials if t is not None]
                marker, color = looks[name]
                # Designs of one budget stand a little apart, so that their bars do not cover each other.
                apart = 1 + 0.05 * (i - (len(names) - 1) / 2)
                x = np.array([float(i)] if alone else [100 * t.share * apart for t in kept])
                y = np.array([t.measure(measure).mean for t in kept])
                e = np.array([t.measure(measure).se for t in kept])
                axes.errorbar(
                    x, y, yerr=np.where(np.isfinite(e), e, 0), marker=marker, color=color, markersize=5,
                    linewidth=1.3, elinewidth=1.0, label=named(name), zorder=3,
                    linestyle=(0, (4, 2)) if name == "random" else "-",
                )  # fmt: skip
            full = made[0].trials[0].measure(measure).full
            if full > 0:
                axes.axhline(full, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.6)), zorder=1)
                axes.annotate(
                    "all models", (0.01, full), xycoords=("axes fraction", "data"), xytext=(0, -3),
                    textcoords="offset points", ha="left", va="top", fontsize=8, color=MUTED,
                )  # fmt: skip
            axes.set_ylim(bottom=0 if full == 0 else min(axes.get_ylim()[0], full - 0.12 * (axes.get_ylim()[1] - full)))
            axes.set_title(_AXES.get(measure, MEASURES.get(measure, measure)))
            scale_axis(axes.yaxis, "value", False)
            if alone:
                axes.set_xticks(range(len(names)), [named(name).replace(" ", "\n", 1) for name in names])
                axes.set_xlim(-0.6, len(names) - 0.4)
            else:
                _cost_axis(axes)
                axes.set_xlabel("cost, % of that of all models")
        if not alone:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=8, borderpad=0.1)
    first = made[0]
    return (
        FigureData(
            key="fig-design",
            title="What a budget for evaluations recovers, by the way models are chosen",
            finding=design_words(page)[0],
            caption="Lower is better; bars are standard errors over "
            f"{format_plural(first.draws, 'draw')} (seed {first.seed}). At each budget the designs stand beside random "
            f"choice at equal cost{_where(made)}. The pool: {format_plural(first.models, 'model')}"
            f"{f', held against {first.test_models} of another period' if first.test_models else ''}; boundaries of "
            f"{share_below(first.tau)} fitted with kappa {format_number(first.kappa)}. "
            f"{_made_of(page)}",
            series=(_series(made, drawn),),
        ),
        figure,
    )


def _where(made: list[DesignComparison]) -> str:
    if len(made) == 1:
        return f", {format_percent(made[0].budget_share, 3)} of that of all models"
    return ", a little apart, so that bars can be told from each other"


def design_words(page: BoundaryPage) -> list[str]:
    """Say which design recovers the curve best at each budget, and what is known beside the numbers."""
    made = sorted(page.designs, key=lambda one: one.budget_share)
    if not made:
        return []
    said = [
        f"At {format_percent(one.budget_share, 3)} of the cost the curve is recovered best by {named(best)} "
        f"(mean distance {format_number(one.trial(best).measure('curve').mean, 2)}{_beside(one, best)})."
        for one in made
        if (best := one.best("curve"))
    ]
    return [" ".join(said), *dict.fromkeys(note for one in made for note in one.notes)]


def _beside(one: DesignComparison, best: str) -> str:
    if best == "random":
        return ""
    told = one.trial(best).measure("curve").against_random
    random = format_number(one.trial("random").measure("curve").mean, 2)
    return f", random choice {random}" + ("" if told == "better" else f"; {UNCLEAR}")


def of_designs(page: BoundaryPage) -> Table | None:
    """Make the table of what designs recover, each beside random choice; None without a comparison."""
    if not page.designs:
        return None
    made = sorted(page.designs, key=lambda one: one.budget_share)
    held = [m.name for m in made[0].trials[0].measures]
    measures = [name for name in _TABLE if name in held]
    rows: list[tuple[Cell, ...]] = []
    strong: list[int] = []
    for one in made:
        for trial in one.trials:
            if trial.name == "random":
                strong.append(len(rows))
            cells = [_cell(trial.measure(name), trial) for name in measures]
            rows.append(
                (unbroken(format_percent(one.budget_share, 3)), named(trial.name), f"{trial.models:.0f}", *cells)
            )
    heads = ("cost", "design", "models", *(_TABLE[name] for name in measures))
    note = (
        "Means ± standard errors over draws, the smaller the better; below it whether that is better or worse than "
        "random choice at equal cost, by two standard errors. "
        f"{_made_of(page)}"
    )
    return make_table("Designs beside random choice", heads, rows, 2, note=note, strong=tuple(strong))


def _cell(m: Measure, trial: Trial) -> Cell:
    sure = math.isfinite(m.se) and m.se > _NO_SPREAD * abs(m.mean)
    text = format_estimate(m.mean, m.se) if sure else format_number(m.mean, 3)
    if trial.name == "random" or m.against_random == UNCLEAR:
        return text
    return Markup('{}<span class="below">{}</span>').format(text, m.against_random)


def _trial(one: DesignComparison, name: str) -> Trial | None:
    return next((t for t in one.trials if t.name == name), None)


def _cost_axis(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    if low > 0 and high / low > 3:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        return
    axes.set_xlim(max(0.0, low * 0.8), high * 1.2)
    scale_axis(axes.xaxis, "value", False, True)


def _series(made: list[DesignComparison], drawn: list[str]) -> Series:
    pairs = [(one, trial) for one in made for trial in one.trials]
    columns: dict[str, Any] = {
        "design": tuple(named(t.name) for _, t in pairs),
        "cost": np.array([100 * t.share for _, t in pairs]),
        "models": np.array([t.models for _, t in pairs]),
    }
    for name in drawn:
        columns[_AXES.get(name, name)] = np.array([t.measure(name).mean for _, t in pairs])
        columns[f"± ({name.replace('_', ' ')})"] = np.array([t.measure(name).se for _, t in pairs])
    units = dict.fromkeys(columns, "value") | {"design": "text", "cost": "percent"}
    return Series("designs", columns, units, order="by budget")


def _made_of(page: BoundaryPage) -> str:
    one = page.designs[0]
    files = f", from {', '.join(shortened(s.file) for s in page.sources[:3])}" if page.sources else ""
    return (
        f"Objective: mean pinball({one.tau:g}) with a corner rounded by kappa {one.kappa:g}; intervals: standard "
        f"errors over draws; data: {format_plural(one.models, 'model')}{files}."
    )
