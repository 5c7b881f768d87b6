"""What every alternative says about the first target, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.answers import Answers
from reports.comparison import AS_WELL
from reports.series import FigureData, Series
from reports.style import INK, LAW, MUTED, PAPER, new_figure, scale_axis, styled
from reports.words import level_text, mean_text, output_name, with_unit
from scaling.formatting import format_interval, format_number, format_plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 0.26  # inches


def forest(answers: Answers) -> tuple[FigureData, Figure] | None:
    """Draw the forecasts of the alternatives for the first target.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``forecasts``; None where there is no forecast, or nothing to set beside it.
    """
    others = [(a.alternative.label, a.forecast, a.fits_as_well) for a in answers.alternatives if a.forecast is not None]
    if not answers.forecasts or not others:
        return None
    data, fit = answers.data, answers.data.fit
    main = answers.forecasts[0]
    named = [("this report", main.run, True), *others]
    out, level = output_name(fit.law), level_text(data.level)
    means = np.array([p.mean for _, p, _ in named])
    series = Series(
        "forecasts",
        {
            "fit": tuple(label for label, *_ in named),
            out: means,
            f"{level} low": np.array([p.low for _, p, _ in named]),
            f"{level} high": np.array([p.high for _, p, _ in named]),
        },
        {"fit": "text", out: "value", f"{level} low": "value", f"{level} high": "value"},
    )
    with styled():
        figure, (axes,) = new_figure(0.75 + _ROW * len(named))
        axes.axvspan(main.run.low, main.run.high, color=LAW, alpha=0.15, linewidth=0, zorder=0)
        for i, (_, p, well) in enumerate(named):
            color = LAW if i == 0 else INK if well else MUTED
            axes.plot([p.low, p.high], [i, i], color=color, linewidth=1.6 if well else 1.0, zorder=2)
            axes.plot(
                p.mean,
                i,
                "D" if i == 0 else "o",
                color=color,
                markersize=5.5,
                markeredgewidth=0 if well else 1.2,
                markerfacecolor=color if well else PAPER,
                zorder=3,
            )
        axes.set_ylim(len(named) - 0.4, -0.6)
        axes.set_yticks(range(len(named)), [label for label, *_ in named])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        scale_axis(axes.xaxis, "value", False)
        axes.set_xlabel(f"{out}, {main.target.label}")
    means_as_good = [p.mean for p in answers.as_good]
    inside = sum(main.run.low <= mean <= main.run.high for mean in means_as_good)
    narrow = (
        "Those of the alternatives have parameters and scatter alone, because no back-test was made of them. "
        if fit.backtest is not None
        else ""
    )
    finding = (
        f"This report: {mean_text(main.run.mean, main.run.low, main.run.high)} "
        f"({format_interval(main.run.low, main.run.high)}). {format_plural(len(others), 'alternative')}: from "
        f"{format_number(float(means[1:].min()))} to {with_unit(fit.law, format_number(float(means[1:].max())))}. "
        f"Of the {len(means_as_good)} that {'fits' if len(means_as_good) == 1 else 'fit'} about as well, {inside} "
        f"{'lies' if inside == 1 else 'lie'} inside the {level} interval of this report."
    )
    return (
        FigureData(
            key="fig-alternatives",
            title=f"Forecasts of the alternatives for {main.target.label}",
            finding=finding,
            caption=f"{level} intervals of a new run, from the same {format_plural(fit.n_obs, 'row')}. "
            f"Shaded: the interval of this report. Hollow: a typical residual more than {AS_WELL:g} times that of this "
            f"report. {narrow}{finding}",
            series=(series,),
        ),
        figure,
    )
