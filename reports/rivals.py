"""The other laws that the back-test leaves some trust in, by weight, and what they forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reports.answers import Answers
from reports.backtest_rows import WORTH_NAMING
from reports.tables import NOTHING, Table, make_table
from reports.words import describe, level_text, mean_text, output_name, rounded, unit_of, untested
from scaling.formatting import format_interval, format_percent, format_plural
from scaling.prediction import Prediction
from scaling.results import Fit
from scaling.rivals import Rival


@dataclass(frozen=True)
class RivalAnswer:
    """What a rival says about the first target.

    Parameters
    ----------
    rival : Rival
        The law, its estimates and its weight.
    mean : float
        Its forecast; NaN where there is no target, or the law is not defined there.
    """

    rival: Rival
    mean: float


def named_rivals(fit: Fit) -> list[Rival]:
    """Return the rivals with a weight worth naming, the most trusted one first."""
    return sorted((rival for rival in fit.rivals if rival.weight >= WORTH_NAMING), key=lambda rival: -rival.weight)


def ask_rivals(answers: Answers) -> list[RivalAnswer]:
    """Ask every rival for the first target, the most trusted one first."""
    rivals = sorted(answers.data.fit.rivals, key=lambda rival: -rival.weight)
    if not answers.forecasts:
        return [RivalAnswer(rival, float("nan")) for rival in rivals]
    inputs = {name: np.array([value]) for name, value in answers.forecasts[0].target.inputs.items()}
    return [RivalAnswer(rival, float(rival.evaluate(inputs)[0])) for rival in rivals]


def without_rivals(answers: Answers) -> Prediction:
    """Forecast the first target with parameters and scatter alone: an interval that no rival has stretched."""
    data = answers.data
    bare = replace(data.fit, rivals=(), backtest=None)
    return bare.predict(answers.forecasts[0].target.inputs, level=data.level, force=True)


def of_rivals(answers: Answers) -> Table | None:
    """Make the table of the rivals, this report's fit first; None where the fit carries none."""
    fit = answers.data.fit
    said = ask_rivals(answers)
    if not said:
        return None
    first = answers.forecasts[0].run if answers.forecasts else None
    trim = fit.backtest.trim if fit.backtest is not None else str(fit.settings.get("trim", "none"))
    own = 1 - sum(one.rival.weight for one in said)
    digits = mean_text(first.mean, first.low, first.high) if first else NOTHING
    rows = [(f"{fit.law.name} (this report)", rounded(str(fit.objective)), trim, _weight(own), NOTHING, digits)]
    for one in said:
        rival = one.rival
        known = first is not None and np.isfinite(one.mean)
        rows.append(
            (
                rival.law.name,
                rounded(rival.objective),
                rival.trim,
                _weight(rival.weight),
                format_percent(float(np.expm1(rival.score))),
                mean_text(one.mean, first.low, first.high) if first and known else NOTHING,
            )
        )
    heads = ("law", "objective", "trimmed", "weight", "error in the back-test", output_name(fit.law))
    at = f" for {describe(fit.law, answers.forecasts[0].target.inputs)}" if answers.forecasts else ""
    note = (
        f"The last column is each law's own forecast{at}; the weighted spread of these forecasts is the part 'form of "
        f"the law' of the {level_text(answers.data.level)} interval. Estimates: all rows that the trimming leaves."
    )
    title = "Laws by the weight that they have" if untested(fit) else "Laws by the weight that the back-test gives them"
    return make_table(title, heads, rows, (0, 1, 2), note, strong=(0,))


def _weight(value: float) -> str:
    return "under 0.1 %" if value < 0.001 else format_percent(value)


def rivals_words(answers: Answers) -> str:
    """Say how far the rivals disagree, or that there are none and what that means."""
    fit = answers.data.fit
    if not fit.rivals:
        if fit.backtest is None or not len(fit.backtest):
            return ""
        return (
            "This fit carries no rival law: no other form has a say in the width of its forecasts. 'scaling fit auto' "
            "weighs the laws of a family by their errors on held-out runs."
        )
    close = [one for one in ask_rivals(answers) if one.rival.weight >= WORTH_NAMING]
    head = (
        f"{format_plural(len(fit.rivals), 'other law')} forecast the same held-out runs; "
        f"{len(close) or 'none'} of them did well enough to deserve {format_percent(WORTH_NAMING)} of the weight."
    )
    if untested(fit):
        beside = f"{format_plural(len(fit.rivals), 'other law')} {'stands' if len(fit.rivals) == 1 else 'stand'}"
        head = f"{beside} beside this one, and no runs could be held out to choose between them."
    means = [one.mean for one in close if np.isfinite(one.mean)]
    if not means or not answers.forecasts:
        return head
    run, unit = answers.forecasts[0].run, unit_of(fit.law)
    alone = without_rivals(answers)
    inside = sum(alone.low <= mean <= alone.high for mean in means)
    low, high = (mean_text(mean, run.low, run.high) for mean in (min(means), max(means)))
    span = low if low == high else f"{low} to {high}"
    where = " for the first target" if len(answers.forecasts) > 1 else ""
    who = "It forecasts" if len(means) == 1 else "These forecast"
    held = f"{inside} of {len(means)} inside" if len(means) > 1 else ("inside" if inside else "outside")
    return (
        f"{head} {who} {span}{f' {unit}' if unit else ''}{where}, {held} what parameters and scatter alone allow "
        f"({format_interval(alone.low, alone.high)})."
    )
