"""The panel that says how far to trust the fit: every check by name, with its answer, its number and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.answers import Answers
from reports.backtest_rows import WORTH_NAMING
from reports.rivals import ask_rivals, without_rivals
from reports.words import INSIDE, LOSS_FACTOR, above_floor, is_map, level_text, listed, sentence, trim_words, untested
from scaling.fitting.diagnostics import (
    AMPLITUDE_CORRELATION,
    CONDITION_LIMIT,
    FEW_REPLICATES,
    LACK_OF_FIT_P,
    SPARE_ROWS,
    STRUCTURE_P,
)
from scaling.fitting.objective import Objective
from scaling.formatting import format_factor, format_interval, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

YES, NO, NONE = "yes", "no", "–"
NOT_JUDGED = "not judged"
_UNIDENTIFIED = "Quite different parameters fit as well. The errors of those shown"

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
    return [
        *_of_the_data(answers), *_of_the_design(answers), *_of_the_fit(answers), *_of_the_resampling(answers),
        *_of_the_past(answers), *_of_the_forecast(answers),
    ]  # fmt: skip


def trust_words(answers: Answers) -> str:
    """Say what the checks are, and what none of them can tell."""
    head = "Every check that was made, with its number. A dash stands where there is no limit to judge by."
    found = answers.data.fit.backtest
    if not answers.forecasts:
        return head
    if found is None or not len(found):
        return (
            f"{head} Whether the intervals hold beyond the data can only be told by larger runs, and none has been "
            "held against a forecast of this law."
        )
    return (
        f"{head} How forecasts of this law did up to {format_factor(found.largest_factor)} beyond what was fitted "
        "stands above; what lies farther out is tested by nothing."
    )


def _answer(good: bool) -> str:
    return YES if good else NO


def _same_rows(answers: Answers) -> str:
    return f"They see the trimmed rows only ({trim_words(answers.data)}), so this is no test of the trimming."


def _of_the_data(answers: Answers) -> list[Check]:
    fit, said = answers.data.fit, answers.data.fit.diagnostics
    p = len(fit.law.parameters)
    constant = said.constant_inputs
    open_ends = not answers.identified  # then an error is that of one of many fits, and no judge
    held, wide = said.at_bound, said.wide
    return [
        Check(
            "Enough rows",
            _answer(said.enough_rows and said.enough_points),
            f"{fit.n_obs} for {format_plural(p, 'parameter')}"
            + ("" if said.enough_points else f", {format_plural(said.points, 'different input')}"),
            f"At least {p + SPARE_ROWS + 1} of different inputs are needed to judge this law at all.",
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
            NO if wide else NONE if open_ends else YES,
            NOT_JUDGED if open_ends and not wide else f"{p - len(wide)} of {p}",
            f"The data hardly determine {listed(wide)}."
            if wide
            else f"{_UNIDENTIFIED} say nothing about the others."
            if open_ends
            else "No standard error is a factor of 20 or more, or a quarter of the range.",
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


def _of_the_design(answers: Answers) -> list[Check]:
    """Whether the rows can tell apart what the law needs told apart."""
    said = answers.data.fit.diagnostics
    open_ends = not answers.identified
    fixed = [name for name in ("N", "D") if name in said.constant_inputs]
    out = []
    if answers.of_n_and_d:
        line = said.inputs_in_a_line or said.one_budget or bool(fixed)
        out.append(
            Check(
                "N and D vary independently",
                _answer(not line),
                f"{listed(fixed)} constant"
                if fixed
                else f"D as N^{format_number(said.line_slope, 2)}"
                if line
                else "no line",
                f"All rows have the same {listed(fixed)}."
                if fixed
                else "All rows lie on one line: what N and D do cannot be told apart."
                if said.inputs_in_a_line
                else "All rows lie on one line, as at one compute budget: away from it the form of the law decides."
                if said.one_budget
                else "The rows do not all lie on one line of ln N and ln D.",
            )
        )
    known = not np.isnan(said.amplitude_correlation) and not (open_ends and said.amplitudes_separable)
    out.append(
        Check(
            "Amplitudes and exponents apart",
            _answer(said.amplitudes_separable) if known else NONE,
            f"correlation {format_number(said.amplitude_correlation)}" if known else "none to judge",
            f"The largest one in the middle of the data, between {listed(said.amplitude_pair)}; the limit is "
            f"{format_number(AMPLITUDE_CORRELATION, 3)}."
            if known
            else "The law has no such pair, its errors are not known, or the data do not determine it.",
        )
    )
    opened = said.profile_open
    out.append(
        Check(
            "Profiles close",
            NO if opened else NONE if open_ends else YES,
            f"{len(opened)} open" if opened else NOT_JUDGED if open_ends else "none open",
            f"The profile likelihood of {listed(opened)} does not close: values at a bound, or very far off, fit about "
            "as well."
            if opened
            else f"{_UNIDENTIFIED} say nothing about the others."
            if open_ends
            else "No 95 % profile likelihood was found that does not close; it is followed where another number raises "
            "the suspicion.",
        )
    )
    repeated = said.replicate_degrees > 0
    goal = answers.data.fit.objective
    scatter = _scatter(goal, said.replicate_rms) + above_floor(goal)
    out.append(
        Check(
            "Meets repeated runs",
            _answer(said.fits_replicates) if repeated and not np.isnan(said.lack_of_fit_p) else NONE,
            f"p = {format_number(said.lack_of_fit_p, 2)}" if repeated else "none repeated",
            f"Chance of missing the means of runs at the same inputs by as much, if the law were true; the limit is "
            f"{format_number(LACK_OF_FIT_P, 1)}. Such runs scatter by {scatter} "
            f"({format_plural(said.replicate_degrees, 'degree')} of freedom)."
            if repeated
            else "No two rows have the same inputs, so that noise and lack of fit cannot be told apart.",
        )
    )
    return out


def _of_the_fit(answers: Answers) -> list[Check]:
    said = answers.data.fit.diagnostics
    goal = answers.data.fit.objective
    scatter, log = _scatter(goal, said.residual_rms), goal.residual == "log"
    return [
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
            f"{scatter} rms{above_floor(goal)}",
            "Root mean square of the residuals" + (f", of logarithms{above_floor(goal)}." if log else "."),
        ),
    ]


def _scatter(goal: Objective, size: float) -> str:
    """Write a root mean square residual: as a share where residuals are of logarithms."""
    return format_percent(size) if goal.residual == "log" else format_number(size, 3)


def _of_the_resampling(answers: Answers) -> list[Check]:
    said = answers.data.fit.diagnostics
    out = [
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
    if said.replicates:
        out.append(
            Check(
                "Enough replicates",
                _answer(said.replicates >= FEW_REPLICATES),
                str(said.replicates),
                f"From fewer than {FEW_REPLICATES}, the ends of a 95 % interval rest on one or two of them.",
            )
        )
    if said.groups:
        single = (
            " Every cluster is one row, so this is resampling rows."
            if said.groups_are_rows
            else f" {said.groups_of_one} of them have one row."
            if said.groups_of_one
            else ""
        )
        out.append(
            Check(
                "Enough clusters",
                _answer(said.enough_groups),
                str(said.groups),
                "Rows of one cluster are resampled together; from fewer than 20 clusters intervals come out too narrow."
                + single,
            )
        )
    return out


def _of_the_past(answers: Answers) -> list[Check]:
    """What the back-test says, at the farthest target where there is one."""
    found = answers.data.fit.backtest
    if found is None or not len(found):
        return [
            Check(
                "Back-tested",
                NO,
                "none" if found is None else "not possible",
                "No run was held out and forecast from the smaller ones."
                if found is None
                else f"{sentence(found.reason)}.",
            )
        ]
    if not answers.forecasts:
        return []
    factor = max(f.backtest_factor for f in answers.forecasts)
    entry = found.at(factor)
    one = len(answers.forecasts) == 1
    name = "Back-test reaches the target" if one else "Back-test reaches the targets"
    if np.isnan(factor):
        return [
            Check(
                name,
                NONE,
                f"up to {format_factor(found.largest_factor)}",
                f"Pairs were held out by {found.axis}, and a target is a loss here, which does not tell its own: see "
                "scaling transfer forecast.",
            )
        ]
    if not entry.n:
        return [Check(name, NO, f"factor {format_factor(factor)}", f"{sentence(entry.reason)}.")]
    out = [
        Check(
            name,
            YES,
            format_plural(entry.n, "forecast"),
            f"Of {format_plural(entry.runs, 'held-out run')} near {format_factor(factor)}, from "
            f"{format_plural(entry.cuts, 'cut-off')}.",
        )
    ]
    if not np.isnan(entry.coverage):
        out.append(
            Check(
                "Intervals held there",
                NONE,
                f"{100 * entry.coverage:.0f} % of nominal {level_text(entry.level)}",
                "Those intervals had parameters and scatter alone; that of this report is wider by what they missed. "
                "Errors of one run from several cut-offs go together, so there is no limit to judge by.",
            )
        )
    return out


def _weighed(answers: Answers) -> str:
    """Say which rivals are worth naming, and where their weight comes from."""
    share = f"{format_percent(WORTH_NAMING)} of the weight or more"
    if untested(answers.data.fit):
        return f"that have {share}, which no back-test could set"
    return f"to which the back-test gives {share}"


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
            f"a forecast rests on the form of the law.{LOSS_FACTOR if is_map(answers.data.fit) else ''}",
        )
    ]
    trusted = [one for one in ask_rivals(answers) if one.rival.weight >= WORTH_NAMING and np.isfinite(one.mean)]
    if trusted:
        alone = without_rivals(answers)
        agree = sum(alone.low <= one.mean <= alone.high for one in trusted)
        out.append(
            Check(
                "Rival laws agree",
                _answer(agree == len(trusted)),
                f"{agree} of {len(trusted)}",
                f"Of the laws {_weighed(answers)} "
                f"({listed([one.rival.law.name for one in trusted])}), those whose forecast lies inside "
                f"{format_interval(alone.low, alone.high)}: what parameters and scatter alone allow, at "
                f"{level_text(answers.data.level)}. The interval of this report reaches to the rivals.",
            )
        )
    means = [one.mean for one in answers.as_good]
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
                f"{format_number(max(means))}." + (f" {_same_rows(answers)}" if trim_words(answers.data) else ""),
            )
        )
    return out
