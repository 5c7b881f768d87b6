"""What the page answers, in numbers: forecasts, the allocation of compute, and what the alternatives say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.comparison import AlternativeAnswer, ask, typical_residual
from reports.course import FRONTIER, RATIO, Course, course_of
from reports.inputs import ReportInput, Target
from reports.words import describe, is_map, sentence
from scaling.allocation.allocate import FLOP_PER_PARAMETER_TOKEN, Allocation, allocate
from scaling.errors import ScalingError
from scaling.prediction import Prediction
from scaling.results import Fit
from scaling.verdicts import NOT_IDENTIFIED
from scaling.width import axis_factor

Array = NDArray[np.float64]
DECADES_AHEAD = 3  # of the default allocation table, above the decade in which the data end
FARTHER = 10.0  # the default target lies this many times beyond the data


@dataclass(frozen=True)
class Forecast:
    """What the law says about one target.

    Parameters
    ----------
    target : Target
        Which one; its label is never empty.
    run : Prediction
        Of a new run: all parts of the width.
    curve : Prediction
        Of the law's curve: the same without the scatter.
    backtest_factor : float
        How far the target lies beyond the data on the axis of the back-test, 1 inside; NaN without a back-test.
    """

    target: Target
    run: Prediction
    curve: Prediction
    backtest_factor: float = float("nan")


@dataclass(frozen=True)
class Answers:
    """The numbers of a page.

    Parameters
    ----------
    data : ReportInput
        What they were worked out from.
    targets : tuple of Target
        Those asked for, or the one chosen.
    choice : str
        How the target was chosen; empty where targets were asked for.
    forecasts : tuple of Forecast
        One a target; none where the law is not identified.
    course : Course or None
        The line along which the law is drawn.
    allocation : Allocation or None
        The compute-optimal table.
    no_allocation : str
        Why there is no such table.
    alternatives : tuple of AlternativeAnswer
        In the order given.
    """

    data: ReportInput
    targets: tuple[Target, ...]
    choice: str
    forecasts: tuple[Forecast, ...]
    course: Course | None
    allocation: Allocation | None
    no_allocation: str
    alternatives: tuple[AlternativeAnswer, ...]

    @property
    def identified(self) -> bool:
        """Whether the law forecasts anything."""
        return self.data.fit.verdict != NOT_IDENTIFIED

    @property
    def of_n_and_d(self) -> bool:
        """Whether the law is one of N and D, so that there is compute to allocate."""
        return set(self.data.fit.law.inputs) == {"N", "D"}

    @property
    def as_good(self) -> tuple[Prediction, ...]:
        """Forecasts of the alternatives that fit as well as the report's fit."""
        return tuple(a.forecast for a in self.alternatives if a.forecast is not None and a.fits_as_well)

    @property
    def reach(self) -> tuple[float, float]:
        """Smallest and largest coordinate on the course among the data and the targets."""
        if self.course is None:
            raise ValueError("a law without a course has no reach")
        places = [self.course.place(f.target.inputs) for f in self.forecasts]
        return min([*places, self.course.ends[0]]), max([*places, self.course.ends[1]])


def answer(data: ReportInput) -> Answers:
    """Work out what a page answers.

    Parameters
    ----------
    data : ReportInput
        What the page is about.

    Returns
    -------
    Answers
        Without forecasts and allocation where the law is not identified.
    """
    fit = data.fit
    identified = fit.verdict != NOT_IDENTIFIED
    smallest, largest = _compute_ends(data)
    asked = [FLOP_PER_PARAMETER_TOKEN * t.inputs["N"] * t.inputs["D"] for t in data.targets] if largest else []
    course = course_of(fit, data.inputs, (min([smallest, *asked]), max([FARTHER * largest, *asked])))
    targets, choice = data.targets, ""
    if not targets and identified:
        targets, choice = _default_target(data, course)
    targets = tuple(t if t.label else Target(describe(fit.law, t.inputs), t.inputs) for t in targets)
    forecasts: tuple[Forecast, ...] = ()
    if identified:
        forecasts = tuple(_forecast(fit, t, data.level) for t in targets)
    allocation, refusal = None, ""
    if set(fit.law.inputs) == {"N", "D"}:
        try:
            allocation = allocate(fit, _budgets(data, targets, largest), data.level, untied=data.untied)
        except ScalingError as error:
            refusal = sentence(error.message) + "."
            if data.untied is not None:
                refusal += (
                    f" The law '{fit.law.name}' fixes how its optimum grows, so the split is held against that by "
                    f"'{data.untied.law.name}', fitted to the same rows."
                )
            if not identified:
                refusal = "No budget is split, because the data do not determine the law."
    else:
        refusal = f"The law predicts from {', '.join(fit.law.inputs)}, so there is no compute to split."
    first = dict(targets[0].inputs) if targets and identified else None
    typical = typical_residual(fit, data.observed)
    others = tuple(ask(a, first, data.level, data.observed, typical) for a in data.alternatives)
    return Answers(data, targets, choice, forecasts, course, allocation, refusal, others)


def _forecast(fit: Fit, target: Target, level: float) -> Forecast:
    factor = float("nan")
    if fit.backtest is not None:
        inputs = {name: np.array([value]) for name, value in target.inputs.items()}
        if fit.backtest.powers or not is_map(fit):  # a loss does not tell how far its run lies in budgets
            factor = float(np.maximum(axis_factor(fit, fit.backtest, inputs), 1.0)[0])
    return Forecast(target, fit.predict(target.inputs, level), fit.predict(target.inputs, level, kind="curve"), factor)


def _compute_ends(data: ReportInput) -> tuple[float, float]:
    """Return the smallest and the largest compute of the data, 0 for laws of anything else than N and D."""
    if set(data.fit.law.inputs) != {"N", "D"}:
        return 0.0, 0.0
    flop = FLOP_PER_PARAMETER_TOKEN * data.inputs["N"] * data.inputs["D"]
    return float(flop.min()), float(flop.max())


def _default_target(data: ReportInput, course: Course | None) -> tuple[tuple[Target, ...], str]:
    """Choose a target, and say how."""
    law, values = data.fit.law, data.inputs
    if course is None:
        best = int(np.argmin(data.observed))
        inputs = {name: float(values[name][best]) for name in law.inputs}
        return (Target("", inputs),), f"the inputs of the run with the lowest {law.output}"
    low, high = course.ends
    if course.unit == "flop" or course.log:
        far = course.inputs(np.array([FARTHER * high]))
        inputs = {name: float(v[0]) for name, v in far.items()}
        what = {FRONTIER: "the compute-optimal model at", RATIO: f"the run {course.words}, at"}.get(course.kind, "")
        of = "compute" if course.unit == "flop" else next(iter(law.inputs))
        return (Target("", inputs),), f"{what} {FARTHER:g} times the largest {of} of the data".strip()
    name = next(iter(law.inputs))
    at_ends = data.fit.evaluate({name: np.array([low, high])})[0]
    end = low if at_ends[0] <= at_ends[1] else high
    return (Target("", {name: end}),), f"the end of the data at which {law.output} is lowest"


def _budgets(data: ReportInput, targets: tuple[Target, ...], largest: float) -> Array:
    """Return the budgets asked for, or the decade in which the data end and those above, with those of the targets."""
    if data.budgets:
        return np.array(data.budgets, float)
    first = int(np.floor(np.log10(largest)))
    decades = [float(f"1e{first + i}") for i in range(DECADES_AHEAD + 1)]
    of_targets = [FLOP_PER_PARAMETER_TOKEN * t.inputs["N"] * t.inputs["D"] for t in targets]
    return np.unique(np.array([*decades, *of_targets]))
