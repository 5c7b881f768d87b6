"""How forecasts of the next period went, beside every baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reports.boundary_inputs import BoundaryPage
from reports.boundary_trust import signed
from reports.boundary_words import baseline_text, made_of_backtest, share_below, shortened, tested_by
from reports.series import FigureData, Series
from reports.style import INK, LAW, MUTED, PAPER, new_figure, scale_axis, styled
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = 4  # steps that are drawn: the last
_ROW = 0.23  # inches
_WORST = -0.35  # of skill; what does worse is written at the edge
_LEGEND = 0.95


def history_figure(page: BoundaryPage) -> tuple[FigureData, Figure] | None:
    """Draw the skill of the boundary and of all baselines, a panel a step from a period to the next.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``steps``; None without a back-test.
    """
    from scaling.boundary.evaluation.result import FORECAST

    found = page.backtest
    if found is None:
        return None
    steps, means = found.rows[-_PANELS:], found.means
    models = sorted(found.models, key=lambda name: means[name]["pinball"])
    values = {name: np.array([row.out[name].skill for row in steps]) for name in models}
    known = np.concatenate([v[np.isfinite(v)] for v in values.values()])
    right = float(max(known.max(initial=0.0), 0.05)) * 1.12
    left = float(max(min(known.min(initial=0.0), -0.05) - 0.02, _WORST))
    with styled():
        figure, panels = new_figure(_LEGEND + _ROW * len(models), columns=len(steps), share_y=True)
        for k, (axes, row) in enumerate(zip(panels, steps, strict=True)):
            _panel(axes, [(name, float(values[name][k])) for name in models], left, right)
            axes.set_title(shortened(f"{row.train} → {row.test}", 30), fontsize=8.5)
            axes.set_xlabel("skill")
        panels[0].set_yticks(range(len(models)), [_label(name) for name in models])
        panels[0].set_ylim(len(models) - 0.4, -0.6)
    best = models[0]
    own = means[FORECAST]
    finding = (
        f"Over {format_plural(len(found), 'step')} the mean skill of the boundary with its margin is "
        f"{format_number(own['skill'], 2)} (pinball {format_number(own['pinball'], 3)}); the least loss has "
        f"{_label(best)}."
    )
    shown = f"The last {len(steps)} of {len(found)} steps. " if len(found) > len(steps) else ""
    return (
        FigureData(
            key="fig-history",
            title="Skill on models held out, this boundary beside all baselines",
            finding=finding,
            caption=f"{shown}Skill: 1 - pinball loss over that of the constant quantile of the models fitted; 0 is no "
            f"better than no knowledge of compute. Diamonds: this boundary, {tested_by(found)}; filled with its "
            f"margin. Ordered by the mean loss; what lies outside is written at the edge. {finding} "
            f"{made_of_backtest(page, 'none for skill; standard errors of the loss stand in the table of steps')}",
            series=(_series(page, models),),
        ),
        figure,
    )


def _panel(axes: Axes, skills: list[tuple[str, float]], left: float, right: float) -> None:
    from scaling.boundary.evaluation.result import FORECAST, PLAIN

    axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
    for i, (name, skill) in enumerate(skills):
        own = name in (FORECAST, PLAIN)
        if not np.isfinite(skill):
            continue
        if skill < left:
            axes.annotate(
                f"◂ {signed(skill)}", (0, i), xycoords=("axes fraction", "data"), xytext=(2, 0),
                textcoords="offset points", va="center", fontsize=7.5, color=MUTED,
            )  # fmt: skip
            continue
        color = LAW if own else INK
        axes.plot([min(0, skill), max(0, skill)], [i, i], color=color, linewidth=1.0, alpha=0.5, zorder=2)
        axes.plot(
            [skill], [i], "D" if own else "o", color=color, markersize=5, zorder=3,
            markerfacecolor=PAPER if name == PLAIN else color, markeredgewidth=1.1 if name == PLAIN else 0,
        )  # fmt: skip
    axes.set_xlim(left, right)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    scale_axis(axes.xaxis, "value", False, True)


def _label(name: str) -> str:
    own = {"boundary": "this boundary, with margin", "boundary without margin": "without its margin"}
    return own.get(name, shortened(baseline_text(name), 34))


def _series(page: BoundaryPage, models: list[str]) -> Series:
    found = page.backtest
    assert found is not None
    cells: list[tuple[Any, ...]] = []
    for row in found.rows[-_PANELS:]:
        for name in models:
            m = row.out[name]
            cells.append((f"{row.train} → {row.test}", _label(name), m.pinball, m.skill, m.coverage))
    step, model, loss, skill, below = zip(*cells, strict=True)
    tau = share_below(found.rows[0].tau)
    columns = {
        "fitted → held against": step,
        "model": model,
        "pinball": np.array(loss),
        "skill": np.array(skill),
        f"below ({tau} nominal)": 100 * np.array(below),
    }
    units = dict.fromkeys(columns, "value") | {"fitted → held against": "text", "model": "text"}
    return Series("steps", columns, units | {f"below ({tau} nominal)": "percent"}, order="in the order of the panels")
