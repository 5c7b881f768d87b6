"""Where to buy the next data, on a page: the learning curve of each group, and a collection budget spent on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from reports.batch_page import Section, name_cell
from reports.tables import Table, make_table
from reports.trust import NO, NONE, YES, Check
from reports.value_collection_figures import curves_figure, plan_figure, plan_table
from reports.value_page import Part
from reports.words import factor_text, level_text, listed, printable, sentence
from scaling.formatting import format_count, format_interval, format_money, format_number, format_plural
from scaling.valuation.collection.plan import GOALS
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from reports.inputs import Source
    from scaling.valuation.collection.curves import LearningCurve, LearningCurves
    from scaling.valuation.collection.plan import CollectionPlan


@dataclass(frozen=True)
class CollectionPage:
    """Learning curves of groups, and what a budget buys.

    Parameters
    ----------
    name : str
        What the names of the fits begin with.
    curves : LearningCurves
    plan : CollectionPlan or None
        None where no budget was given.
    count, metric : str
        What examples are counted in, and what was measured.
    level : float
    sources, command, created_at, sha256, simulated
        As of `Part`.
    """

    name: str
    curves: LearningCurves
    plan: CollectionPlan | None = None
    count: str = "examples"
    metric: str = "loss"
    level: float = 0.9
    sources: tuple[Source, ...] = ()
    command: str = ""
    created_at: str = ""
    sha256: str = ""
    simulated: bool = False

    @property
    def measure(self) -> str:
        """What the curves are of."""
        return f"1 - {self.metric}" if self.curves.higher_is_better else self.metric

    def made_of(self) -> str:
        """Say what stands behind numbers."""
        fits = [curve.fit for curve in self.curves.curves.values()]
        laws = listed(list(dict.fromkeys(fit.law.name for fit in fits)))
        rows = sum(len(curve.x) for curve in self.curves.curves.values())
        return (
            f"Law: {laws}, one curve a group; objective: {fits[0].objective}; intervals: {level_text(self.level)}, "
            f"{fits[0].interval_method}; data: {format_plural(rows, 'run')} of {format_plural(len(fits), 'group')}."
        )


def collection_part(page: CollectionPage) -> Part:
    """Write the part of learning curves and a collection budget.

    Parameters
    ----------
    page : CollectionPage
        The curves.

    Returns
    -------
    Part
    """
    curves, plan = page.curves, page.plan
    verdict = curves.verdict if curves.verdict in (OK, WEAK, NOT_IDENTIFIED) else WEAK
    reasons = [f"{printable(c.group)}: {why}" for c in curves.curves.values() for why in c.fit.diagnostics.reasons]
    reasons += [f"{printable(group)} was not fitted: it {why}." for group, why in curves.refused.items()]
    parts: tuple[Any, ...] = (curves_figure(page), _curves_table(page))
    sections = [Section("curves", "How far more of each group takes the loss down", "Curves", parts=parts)]
    if plan is not None:
        sections.insert(0, Section("plan", "What the money buys", "Plan",
                                   parts=(plan_figure(page, plan), plan_table(page, plan))))  # fmt: skip
    methods: list[tuple[str, str]] = [
        ("Learning curves", f"{page.measure} over {page.count} of each group: E + A/n^alpha, or A/n^alpha, fitted to "
                            "the runs of the group."),
    ]  # fmt: skip
    if plan is not None:
        said = f"The examples of each group that make {GOALS[plan.goal]} least for the money; the interval of a "
        methods.append(("Plan", f"{said}purchase is that of the best one under {plan.draws} replicates."))
    return Part(
        kind="collection", name=page.name, answer=_answer(page), made=page.made_of(), verdict=verdict,
        reasons=tuple(reasons), checks=tuple(_checks(page)), sections=tuple(sections), methods=tuple(methods),
        machine={"curves": curves.to_dict(page.level), "plan": None if plan is None else plan.to_dict()},
        command=page.command, sha256=page.sha256, created_at=page.created_at, sources=page.sources,
        notes=() if plan is None else plan.notes, simulated=page.simulated,
    )  # fmt: skip


def _answer(page: CollectionPage) -> Markup:
    plan = page.plan
    if plan is None:
        steep = max(page.curves.curves.values(), key=_saved_by_double)
        words = "Of {}, twice the data of <strong>{}</strong> lowers its {} most: by {}, from {}."
        now = float(steep.fit.predict({"x": [steep.have]}, force=True).mean[0])
        return Markup(words).format(
            format_plural(len(page.curves), "group"), steep.group, page.measure,
            format_number(_saved_by_double(steep), 3), format_number(now, 3),
        )  # fmt: skip
    bought = [i for i in range(len(plan.groups)) if plan.buy[i] >= 0.5]
    bought.sort(key=lambda i: -plan.buy[i] * plan.cost[i])
    if not bought:
        return Markup("<strong>Buy nothing</strong>: no purchase lowers {}.").format(GOALS[plan.goal])
    shown = listed([f"{format_count(plan.buy[i])} of {printable(plan.groups[i])}" for i in bought[:4]])
    rest = f", and less of {format_plural(len(bought) - 4, 'group')}" if len(bought) > 4 else ""
    words = "Buy <strong>{}</strong>{} for {}: {} falls from {} to {} ({} interval {})."
    return Markup(words).format(
        shown, rest, format_money(plan.spent), GOALS[plan.goal], format_number(plan.outcome_now, 3),
        format_number(plan.outcome, 3), level_text(plan.level), format_interval(plan.outcome_low, plan.outcome_high),
    )  # fmt: skip


def _saved_by_double(curve: LearningCurve) -> float:
    now, then = curve.fit.predict({"x": [curve.have, 2 * curve.have]}, force=True).mean
    return float(now - then)


def _checks(page: CollectionPage) -> list[Check]:
    curves, plan = page.curves, page.plan
    good = sum(curve.fit.verdict == OK for curve in curves.curves.values())
    every = len(curves) + len(curves.refused)
    lines = [Check("Do the data determine every curve?", YES if good == every else NO, f"{good} of {every}",
                   "All of them." if good == every else "The others are weak, not identified or not fitted; see the "
                   "reasons.")]  # fmt: skip
    sizes = min(len(np.unique(curve.x)) for curve in curves.curves.values())
    lines.append(Check("Has every group enough sizes?", YES if sizes >= 5 else NO, f"{sizes} at least",
                       "Of each group; a curve with a floor has three parameters."))  # fmt: skip
    if plan is None:
        return lines
    far = float(np.max(plan.factor))
    lines.append(Check("Does the purchase stay near what was measured?", YES if far <= 4 else NO, factor_text(far),
                       "How far the largest purchase goes beyond the most examples that were measured with.",
                       ))  # fmt: skip
    for split in plan.splits:
        known = not math.isnan(split.low)
        lines.append(Check(f"Is the plan told to be better than a {split.name} split?",
                           (YES if split.told_apart else NO) if known else NONE,
                           format_number(split.better, 2), sentence(split.sentence(plan.level)) + "."))  # fmt: skip
    return lines


def _curves_table(page: CollectionPage) -> Table:
    rows = []
    for c in page.curves.curves.values():
        floor, _, alpha = c.parameters.tolist()
        ends = c.fit.interval("alpha", page.level)
        rows.append((name_cell(c.group), format_count(c.have), str(len(np.unique(c.x))),
                     format_number(floor, 3) if c.fit.law.name == "power_floor" else "none", format_number(alpha, 3),
                     format_interval(*ends), format_number(_saved_by_double(c), 3), c.fit.verdict))  # fmt: skip
    level = level_text(page.level)
    heads = ("group", "at hand", "sizes", "floor", "exponent", level, "twice as many take off", "verdict")
    return make_table("Learning curves", heads, rows, (0, 7), page.made_of())
