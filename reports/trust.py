"""The panel that says how far to trust the fit: every check by name, with its answer, its number and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.answers import Answers
from reports.words import INSIDE, level_text, listed
from scaling.fitting.diagnostics import CONDITION_LIMIT, SPARE_ROWS, STRUCTURE_P
from scaling.formatting import format_factor, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

YES, NO, NONE = "yes", "no", "–"

VERDICTS = {
    OK: "No check found a reason to distrust the fit.",
    WEAK: "Usable inside the data. Read the reasons below before relying on it outside of them.",
    NOT_IDENTIFIED: "The data do not determine the parameters: quite different values fit as well, and they disagree "
    "outside the data. Therefore no forecast is given.",
}


@dataclass(frozen=True)
class Check:
    """One line of the panel.

    Parameters
    ----------
    question : str
        Such that ``yes`` is good.
    answer : {'yes', 'no', '–'}
        The dash where there is nothing to judge, or no limit to judge by.
    number : str
        What the answer rests on.
    sentence : str
        What it means.
    """

    question: str
    answer: str
    number: str
    sentence: str


def checks(answers: Answers) -> list[Check]:
    """List the checks of the fit, then those of its forecast.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    list of Check
    """
    return [*_of_the_data(answers), *_of_the_fit(answers), *_of_the_forecast(answers)]


def _answer(good: bool) -> str:
    return YES if good else NO


def _of_the_data(answers: Answers) -> list[Check]:
    fit, said = answers.data.fit, answers.data.fit.diagnostics
    p = len(fit.law.parameters)
    constant = said.constant_inputs
    held, wide = said.at_bound, said.wide
    return [
        Check(
            "Enough rows",
            _answer(said.enough_rows),
            f"{fit.n_obs} for {format_plural(p, 'parameter')}",
            f"At least {p + SPARE_ROWS + 1} are needed to judge this law at all.",
        ),
        Check(
            "Every input varies",
            _answer(not constant),
            f"{len(fit.law.inputs) - len(constant)} of {len(fit.law.inputs)}",
            f"All rows have the same {listed(constant)}, so its effect cannot be seen."
            if constant
            else "No input is the same in all rows.",
        ),
        Check(
            "Every direction determined",
            _answer(said.well_conditioned),
            f"condition number {format_number(said.condition_number, 2)}",
            f"Above {format_number(CONDITION_LIMIT, 1)}, some combination of parameters could change unseen.",
        ),
        Check(
            "Every parameter determined",
            _answer(not wide),
            f"{p - len(wide)} of {p}",
            f"The data hardly determine {listed(wide)}." if wide else "None is uncertain by a factor of 20 or more.",
        ),
        Check(
            "Clear of bounds",
            _answer(not held),
            f"{p - len(held)} of {p}",
            f"A bound holds {listed(held)}; its error is not known." if held else "No bound holds a parameter.",
        ),
        Check(
            "Estimates independent",
            NONE,
            f"largest correlation {format_number(said.largest_correlation, 4)}",
            f"Between {listed(said.correlated)}. Near 1, the two can be traded for each other, and neither should be "
            "quoted alone."
            if said.correlated
            else "Not known.",
        ),
    ]


def _of_the_fit(answers: Answers) -> list[Check]:
    said = answers.data.fit.diagnostics
    log = answers.data.fit.objective.residual == "log"
    scatter = format_percent(said.residual_rms) if log else format_number(said.residual_rms, 3)
    out = [
        Check(
            "Converged",
            _answer(said.converged),
            f"{format_plural(said.starts, 'start')}",
            "No step lowers the objective any more."
            if said.converged
            else "Steps still lower the objective, or the parameters run away.",
        ),
        Check(
            "Optimum repeatable",
            _answer(said.optimum_is_repeatable),
            f"{said.starts_at_optimum} of {said.starts}",
            "Of the starting values that were polished, those that ended at the reported optimum.",
        ),
        Check(
            "Residuals without a trend",
            NONE if np.isnan(said.structure_p) else _answer(said.residuals_unstructured),
            f"p = {format_number(said.structure_p, 2)}",
            "Too few rows to tell."
            if np.isnan(said.structure_p)
            else f"Chance of such a trend over the inputs if the law had the right shape; the limit is "
            f"{format_number(STRUCTURE_P, 1)}.",
        ),
        Check(
            "Scatter of the runs",
            NONE,
            f"{scatter} rms",
            "Root mean square of the residuals" + (", of logarithms." if log else "."),
        ),
        Check(
            "Bootstrap sound",
            _answer(said.bootstrap_sound) if said.replicates else NONE,
            f"{format_plural(said.replicates, 'replicate')}" if said.replicates else "none made",
            f"{format_percent(said.replicates_converged, 3)} converged, "
            f"{format_percent(said.replicates_at_bound, 3)} ended at a bound."
            if said.replicates
            else "Intervals come from the covariance instead.",
        ),
    ]
    if said.groups:
        out.append(
            Check(
                "Enough clusters",
                _answer(said.enough_groups),
                str(said.groups),
                "Rows of one cluster are resampled together; from fewer than 8 clusters intervals come out too narrow.",
            )
        )
    return out


def _of_the_forecast(answers: Answers) -> list[Check]:
    if not answers.forecasts:
        return []
    factors = np.array([f.run.extrapolation_factor for f in answers.forecasts])
    inside = int(np.sum(factors < INSIDE))
    one = len(factors) == 1
    farthest = format_factor(float(np.max(factors)))
    out = [
        Check(
            "Target inside the data" if one else "Targets inside the data",
            _answer(inside == len(factors)),
            f"factor {farthest}" if one else f"{inside} of {len(factors)}, farthest {farthest}",
            "Largest ratio by which an input of a target exceeds those of the runs; 1 is inside. The farther, the more "
            "a forecast rests on the form of the law.",
        )
    ]
    means = [rival.mean for rival in answers.rivals]
    if means:
        main = answers.forecasts[0].run
        agree = sum(main.low <= mean <= main.high for mean in means)
        out.append(
            Check(
                "Alternatives agree",
                _answer(agree == len(means)),
                f"{agree} of {len(means)}",
                f"Of the other objectives and laws that fit about as well, those whose forecast lies inside the "
                f"{level_text(answers.data.level)} interval. Their forecasts go from {format_number(min(means))} to "
                f"{format_number(max(means))}.",
            )
        )
    return out
