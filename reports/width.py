"""What the width of a forecast is made of: the shares of its parts, in a picture, a table and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.answers import Answers, Forecast
from reports.rivals import named_rivals
from reports.series import FigureData, Series
from reports.style import FORM, INK, LAW, MUTED, NOISE, PAPER, PAST, new_figure, styled
from reports.tables import Table, make_table
from reports.words import above_floor, level_text, listed, made_of, sentence, unit_of, untested
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.width import noise_from_repeats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
NAMES = {
    "parameters": "parameters", "noise": "scatter of runs", "form": "form of the law", "floors": "given floors",
    "back-test": "back-test", "usual error": "usual error of other sweeps",
}  # fmt: skip
_COLORS = {"parameters": LAW, "noise": NOISE, "form": FORM, "floors": MUTED, "back-test": PAST, "usual error": PAST}
_NARROWER = {
    "parameters": "More runs, or runs that differ more from each other, would narrow the interval most.",
    "noise": "No number of further runs narrows it much, because every single run scatters that far by itself.",
    "form": "Runs where these laws disagree would narrow the interval most.",
    "floors": "Floors that are known better, from laws of more runs, would narrow the interval most.",
    "back-test": "Larger runs, from which the target is less far, would narrow the interval most.",
    "usual error": "Enough smaller and larger runs to hold some out would tell what this law misses by.",
}
_ROW = 0.42  # inches
_LONGEST_NAME = 34  # letters of a target beside its bar
_DOMINANT = 0.6


def known_parts(forecast: Forecast) -> dict[str, float]:
    """Return the shares of the squared half width, the largest first; empty where the width is not known."""
    shares = {name: float(value) for name, value in forecast.run.parts.items()}
    if not shares or not all(np.isfinite(value) for value in shares.values()):
        return {}
    return dict(sorted(shares.items(), key=lambda pair: -pair[1]))


def width_words(forecast: Forecast, named: bool = False) -> str:
    """Say which part of the width dominates, what each gives and what follows; `named` says for which target."""
    shares = known_parts(forecast)
    if not shares:
        return ""
    first, share = next(iter(shares.items()))
    if len(shares) == 1:
        return f"The whole width comes from the {NAMES[first]}."
    where = f" for {forecast.target.label}" if named else ""
    said = [f"{_share(value)} from the {NAMES[name]}" for name, value in shares.items()]
    parts = f"of the squared width{where} {listed(said)}"
    if share < _DOMINANT:
        return f"No part dominates: {parts}."
    return f"The {NAMES[first]} {'dominate' if first == 'parameters' else 'dominates'}: {parts}. {_NARROWER[first]}"


def of_parts(answers: Answers) -> Table | None:
    """Make the table of the parts: explained for one target, side by side for several.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    Table or None
        None where no width is known.
    """
    known = [(f, known_parts(f)) for f in answers.forecasts]
    if not known or not any(shares for _, shares in known):
        return None
    level = level_text(answers.data.level)
    if len(known) == 1:
        forecast, shares = known[0]
        rows = [
            (NAMES[name], sources(answers)[name], _share(share), _alone(answers, forecast, share))
            for name, share in shares.items()
        ]
        heads: tuple[str, ...] = ("part", "what it allows for", "share of the squared width", f"alone, {level}")
        return make_table("What the width is made of", heads, rows, texts=2, note=_note(answers))
    names = [name for name in NAMES if any(name in shares for _, shares in known)]
    several = [
        (
            f"{i + 1}. {f.target.label}",
            *(_share(shares[name]) if name in shares else "unknown" for name in names),
            NAMES[next(iter(shares))] if shares else "unknown",
        )
        for i, (f, shares) in enumerate(known)
    ]
    heads = ("target", *(NAMES[name] for name in names), "largest part")
    texts = (0, len(heads) - 1)
    return make_table("Shares of the squared width of each forecast", heads, several, texts=texts, note=_note(answers))


def _share(value: float) -> str:
    return "under 0.1 %" if 0 < value < 0.001 else format_percent(value)


def _note(answers: Answers) -> str:
    return (
        "Taken as independent, the parts add in quadrature: their squares add up, so shares are of the squared width. "
        "The interval of the curve leaves out the scatter of runs. "
        f"{made_of(answers.data, answers.forecasts[0].run.method)}"
    )


def _alone(answers: Answers, forecast: Forecast, share: float) -> str:
    """Write the half width that a part would give alone, the mean square of both sides."""
    run, fit = forecast.run, answers.data.fit
    floor = fit.objective.floor
    if fit.objective.residual == "log":
        low, mean, high = run.low - floor, run.mean - floor, run.high - floor
        square = (np.log(mean / low) ** 2 + np.log(high / mean) ** 2) / 2
        size = f"± {format_percent(float(np.expm1(np.sqrt(share * square))))}"
        return size + above_floor(fit.objective)
    square = ((run.mean - run.low) ** 2 + (run.high - run.mean) ** 2) / 2
    return f"± {format_number(float(np.sqrt(share * square)), 2)} {unit_of(fit.law)}".rstrip()


def sources(answers: Answers) -> dict[str, str]:
    """Say of every part that an interval may have what it allows for, and what it is taken from."""
    fit = answers.data.fit
    said = fit.diagnostics
    if noise_from_repeats(fit):
        scatter = (
            "scatter of single runs around the law, from runs that were repeated at the same inputs "
            f"({said.replicate_degrees} degrees of freedom)"
        )
    elif fit.objective.name == "squared":
        scatter = "scatter of single runs around the law, taken as normal with the standard deviation of the residuals"
    else:
        scatter = "scatter of single runs around the law, from the quantiles of the residuals"
    count = format_plural(len(fit.law.parameters), "parameter")
    parts = {
        "parameters": f"uncertainty of the {count}: {fit.interval_method}",
        "noise": scatter,
    }
    if any(rival.role == "form" for rival in fit.rivals):
        laws = listed([rival.law.name for rival in named_rivals(fit)] or ["laws of little weight"])
        which = "which no back-test could choose from" if untested(fit) else "that the back-test leaves some trust in"
        parts["form"] = f"the law being another of those {which}, by weight: {laws}"
    if any(rival.role != "form" for rival in fit.rivals):
        parts["floors"] = (
            "the errors of the floors that were given: the law between the ends of their 68 % intervals, each floor by "
            "itself"
        )
    if fit.backtest is not None:
        share = format_percent(fit.backtest.missed_share())
        beside = "".join(
            f"; and what {step.name} misses by, {format_percent(step.share)} of the change beyond its own data"
            for step in fit.backtest.steps
        )
        beside += "; of that, what the form of the law does not cover already" if fit.rivals else ""
        if fit.backtest.says_something:
            parts["back-test"] = (
                f"what the law missed its own largest runs by: {share} of the change that it forecasts beyond the data "
                f"(drawn towards the {format_percent(fit.backtest.usual.share)} usual for sweeps, as cut-offs are few)"
                f"{beside}"
            )
        else:
            parts["usual error"] = (
                f"what laws usually miss larger runs by, as none could be forecast here: {share} of the change that "
                f"the law forecasts beyond the data{beside}"
            )
    return parts


def contained(answers: Answers) -> list[str]:
    """List what the intervals of the forecasts allow for, where no table says so."""
    if len(answers.forecasts) == 1 and known_parts(answers.forecasts[0]):
        return []  # the table of the parts says so
    parts = answers.forecasts[0].run.parts if answers.forecasts else {}
    return [sentence(text) + "." for name, text in sources(answers).items() if name in parts]


def not_contained(answers: Answers) -> list[str]:
    """List what the intervals of the forecasts do not allow for."""
    fit, means = answers.data.fit, [a.mean for a in answers.as_good]
    if fit.backtest is None:
        form = "The law having the wrong form."
    elif fit.rivals:
        form = "The law having a form unlike all that were tried, or going wrong only beyond the runs held out."
    else:
        form = "The law going wrong only beyond the runs that were held out. Other forms were not weighed."
    if means:
        form += (
            f" Other laws and objectives that fit the same rows about as well say "
            f"{format_interval(min(means), max(means))}" + (f" {unit_of(fit.law)}" if fit.law.unit else "")
            + (" for the first target." if len(answers.forecasts) > 1 else ".")
        )  # fmt: skip
    parts = []
    if "observational" in fit.settings:
        parts.append("The error of the components: their centre and loadings are numbers of the law.")
    return [
        form,
        *parts,
        "A run that differs from those in the data in anything but the inputs of the law: architecture, data, "
        "tokenizer, schedule, optimiser.",
        "Runs that are missing because they failed, and errors in the logs.",
    ]


def width_figure(answers: Answers) -> tuple[FigureData, Figure] | None:
    """Draw a bar for each target, split into the parts of its squared half width.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    (FigureData, Figure) or None
        Series ``shares``; None where no width is known, or where it has one part alone.
    """
    known = [(i, f, known_parts(f)) for i, f in enumerate(answers.forecasts)]
    drawn = [(i, f, shares) for i, f, shares in known if len(shares) > 1]
    if not drawn:
        return None
    names = [name for name in NAMES if any(name in shares for *_, shares in drawn)]
    labels = tuple(f.target.label if len(known) == 1 else f"{i + 1}. {f.target.label}" for i, f, _ in drawn)
    columns = {NAMES[name]: np.array([100 * shares.get(name, 0.0) for *_, shares in drawn]) for name in names}
    series = Series("shares", {"target": labels} | columns, {"target": "text"} | dict.fromkeys(columns, "percent"))
    with styled():
        figure, (axes,) = new_figure(0.85 + _ROW * len(drawn))
        axes.set_xlim(0, 100)
        axes.set_ylim(len(drawn) - 0.45, -0.75)
        _draw_bars(axes, series, names)
        axes.set_yticks(range(len(drawn)), [_short(label) for label in labels])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("share of the squared half width (%)")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names), borderaxespad=0, handlelength=1, borderpad=0.2
        )
    first = drawn[0][1]
    level = level_text(answers.data.level)
    return (
        FigureData(
            key="fig-width",
            title="What the width of the forecast is made of",
            finding=width_words(first, named=len(known) > 1),
            caption=f"Each bar: the squared half width of the {level} interval of a new run, split into its parts. "
            f"{made_of(answers.data, first.run.method)}",
            series=(series,),
        ),
        figure,
    )


def _draw_bars(axes: Axes, series: Series, names: list[str]) -> None:
    left = np.zeros(len(series))
    rows = np.arange(len(series))
    for name in names:
        share = series[NAMES[name]]
        axes.barh(
            rows, share, 0.56, left, color=_COLORS[name], edgecolor=PAPER, linewidth=1.5, label=NAMES[name], zorder=2
        )
        for row, start, width in zip(rows, left, share, strict=True):
            if width >= 4:  # narrower pieces have no room for their number, which the table holds
                axes.annotate(
                    format_percent(width / 100),
                    (start + width / 2, row - 0.28),
                    xytext=(0, 1.5),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    color=INK,
                    fontsize=8.5,
                )
        left = left + share


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_NAME else label[: _LONGEST_NAME - 1] + "…"
