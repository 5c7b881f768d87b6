"""The page of steps to a target over batch size: how large the batch may be, what it costs to be off, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from reports.batch_figures import steps_figure
from reports.batch_page import Decision, Origin, Section, estimates_table, name_cell, over
from reports.batch_pareto import pareto_figure
from reports.batch_steps_tables import conventions_table, costs_table, criticals_table, forms_table, plans_table
from reports.batch_words import critical_text, ends_text, fit_checks, past_check, reach_words, size_text, tried_text
from reports.tables import Table, make_table, of_checks
from reports.trust import NO, NONE, YES, Check
from reports.words import cited, level_text, shortest
from scaling.errors import ScalingError
from scaling.formatting import format_count, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.batch_size.cells import Cell
    from scaling.batch_size.critical import CriticalBatch
    from scaling.batch_size.forms import FormComparison
    from scaling.batch_size.planner.curve import StepsCurve
    from scaling.batch_size.planner.tradeoff import ParetoFront
    from scaling.batch_size.steps import StepsFit
    from scaling.fitting.backtest import Backtest

SOURCES = "arXiv:1812.06162 (b/a), arXiv:2410.21676 (an overhead above linear scaling from an anchor)"


@dataclass(frozen=True)
class StepsPage:
    """What the page of a curve of steps shows.

    Parameters
    ----------
    steps : StepsFit
        The curve.
    cells : tuple of Cell
        What it was fitted to.
    overhead : float
        Share by which samples may exceed the comparison.
    anchor : float or None
        Batch size that linear scaling starts from, in the unit of the curve.
    target : float
        The loss; NaN where it is not known.
    rule : str
        Where the target comes from.
    batches : tuple of float
        Batch sizes asked for.
    forms : FormComparison or None
        The forms held against each other.
    backtest : Backtest or None
        The largest batch sizes held out.
    """

    steps: StepsFit
    cells: tuple[Cell, ...]
    overhead: float = 0.2
    anchor: float | None = None
    target: float = math.nan
    rule: str = ""
    batches: tuple[float, ...] = ()
    forms: FormComparison | None = None
    backtest: Backtest | None = None

    @property
    def target_words(self) -> str:
        """The target in words."""
        return "the target" if math.isnan(self.target) else f"a loss of {shortest(self.target)}"

    def criticals(self, level: float) -> list[CriticalBatch]:
        """Critical batch sizes, the one that answers first."""
        found = []
        if self.anchor is not None:
            found.append(self.steps.critical_batch(self.overhead, self.anchor, level))
        if self.steps.form != "steps_to_target_power":  # which has no fewest number of samples
            found.append(self.steps.critical_batch(self.overhead, level=level))
        return [*found, self.steps.critical_batch(level=level)]

    def all_beyond(self, level: float) -> bool:
        """Whether every batch that was tried lies beyond b/a, the upper end of its interval too."""
        ratio = self.steps.critical_batch(level=level)
        return max(ratio.estimate, ratio.high) < float(self.steps.batch.min())


def decide(page: StepsPage, origin: Origin) -> Decision:
    """Make the page.

    Parameters
    ----------
    page : StepsPage
        The numbers.
    origin : Origin
        Where they come from.

    Returns
    -------
    Decision
    """
    criticals = page.criticals(origin.level)
    known = page.steps.verdict != NOT_IDENTIFIED
    priced = known and not page.all_beyond(origin.level)  # else the front is of batches that nobody runs
    curve, front = _front(page, origin.level) if priced else (None, None)
    answer: list[Any] = [criticals_table(criticals, page, origin)]
    pareto = None
    if curve is not None and front is not None:
        answer.append(costs_table(page, curve, criticals[0], origin))
        measured = np.array([[c.batch, c.steps] for c in page.cells if not c.censored]).T
        pareto = pareto_figure(curve, front, (measured[0], measured[1]), origin)
    return Decision(
        overline="Batch size",
        title=f"Batch size: {origin.name}",
        headline=_headline(page, criticals),
        quote=_quote(page, criticals) if known else "",
        choice="",
        verdict=page.steps.verdict,
        reasons=page.steps.reasons,
        sections=(
            Section("answer", "Which batch", "Which batch", _notes(page, criticals),
                    tuple(answer)),
            Section("pareto", "Time against compute", "Time and compute",
                    parts=() if pareto is None or front is None else (pareto, plans_table(front, origin))),
            Section("trust", "Can it be trusted?", "Trust", parts=(
                of_checks(_checks(page, criticals)),
                forms_table(page.forms, origin),
                conventions_table(page, origin),
            )),
            Section("figures", "The curve", "The curve", parts=(
                steps_figure(page.steps, page.cells, criticals, page.target_words, origin),
                estimates_table(page.steps.fit, origin),
            )),
        ),
        methods=_methods(page, origin),
        tables=(_cells_table(page, origin),),
        machine={
            "kind": "steps",
            "target": {"loss": page.target, "rule": page.rule},
            "unit": page.steps.unit,
            "critical_batches": [c.to_dict() for c in criticals],
            "steps": page.steps.to_dict(),
            "cells": [c.to_dict() for c in page.cells],
            "forms": None if page.forms is None else page.forms.to_dict(),
            "front": None if front is None else front.to_dict(),
            "backtest": None if page.backtest is None else page.backtest.to_dict(),
        },
    )  # fmt: skip


def _front(page: StepsPage, level: float) -> tuple[StepsCurve | None, ParetoFront | None]:
    from scaling.batch_size.planner.curve import curve_of
    from scaling.batch_size.planner.tradeoff import pareto_front

    if not math.isfinite(float(page.steps.critical_batch())):  # steps that never level off
        return None, None
    try:
        curve = curve_of(page.steps)
    except ScalingError:  # another form has no such trade-off in closed form
        return None, None
    return curve, pareto_front(curve, level=level)


def _headline(page: StepsPage, criticals: Sequence[CriticalBatch]) -> Markup:
    if page.steps.verdict == NOT_IDENTIFIED:
        why = page.steps.reasons[0] if page.steps.reasons else ""
        return Markup("How large the batch may be on the way to {} cannot be told from {}. {}").format(
            page.target_words, format_plural(len(page.cells), "batch size"), why
        )
    first = criticals[0]
    most = float(page.steps.batch.max())
    if not math.isfinite(first.estimate):
        return Markup(
            "Steps to {} still fall in proportion to the batch at <strong>{} {}</strong>, the largest tried: no "
            "critical batch size is in sight ({} interval {})."
        ).format(
            page.target_words, tried_text(most, first.unit), first.unit, level_text(first.level),
            ends_text(first.low, first.high, first.unit),
        )  # fmt: skip
    least = float(page.steps.batch.min())
    ratio = criticals[-1]
    if page.all_beyond(ratio.level):
        return Markup(
            "Every batch tried, from <strong>{} {}</strong> on, is beyond the critical batch size: steps to {} hardly "
            "fall any more (b/a at most {}, the upper end of its {} interval)."
        ).format(
            tried_text(least, ratio.unit), ratio.unit, page.target_words, size_text(ratio.high, ratio.unit),
            level_text(ratio.level),
        )  # fmt: skip
    share = format_percent(page.overhead, 3)
    if first.overhead is None:
        said = "On the way to {} a batch of <strong>{} {}</strong> takes twice the fewest steps and samples"
        head = Markup(said).format(page.target_words, size_text(first.estimate, first.unit), first.unit)
    else:
        than = "perfect scaling takes"
        if first.anchor is not None:
            than = f"linear scaling from {tried_text(first.anchor, first.unit)} {first.unit} takes"
        said = "Up to a batch of <strong>{} {}</strong>, {} costs at most {} more samples than {}"
        head = Markup(said).format(size_text(first.estimate, first.unit), first.unit, page.target_words, share, than)
    ends = ends_text(first.low, first.high, first.unit)
    far = reach_words(first.estimate, least, most)
    tail = "" if far == "inside" else f", {far} the batches tried"
    return head + Markup(" ({} interval {}{}).").format(level_text(first.level), ends, tail)


def _notes(page: StepsPage, criticals: Sequence[CriticalBatch]) -> tuple[str, ...]:
    """Notes on the critical batch sizes that the verdict does not hold already."""
    found = dict.fromkeys(note for c in criticals for note in c.notes)
    return tuple(note for note in found if note not in page.steps.reasons)


def _quote(page: StepsPage, criticals: Sequence[CriticalBatch]) -> str:
    ratio = criticals[-1]
    if not math.isfinite(ratio.estimate):
        return (
            "Each doubling of the batch still halves the steps, so there is nothing to trade yet; larger batches than "
            f"{tried_text(float(page.steps.batch.max()), ratio.unit)} {ratio.unit} would show where that ends."
        )
    a, b = page.steps.estimates["a"], page.steps.estimates["b"]
    if page.all_beyond(ratio.level):
        return (
            f"About {format_number(a)} steps are needed at any batch tried, so a smaller batch costs less and hardly "
            "more time; smaller ones would show where the steps begin to rise."
        )
    said = f"By the other rule, b/a, it is {critical_text(ratio)}: twice the fewest steps and samples. "
    said = said if ratio is not criticals[0] else ""
    if page.steps.form == "steps_to_target":
        said += (
            f"No batch takes fewer than {format_number(a)} steps, and none fewer than {format_count(b)} "
            f"{ratio.unit} in all. "
        )
    if (rate := _rate_near(page, criticals[0].estimate)) is not None:
        said += f"The best run near that batch, at {tried_text(rate[0], ratio.unit)} {ratio.unit}, had the learning "
        said += f"rate {shortest(rate[1], 4)}{rate[2]}. "
    return said + "A batch off by a factor of two has its price in the table below."


def _rate_near(page: StepsPage, batch: float) -> tuple[float, float, str] | None:
    """Return batch and learning rate of the reached cell nearest to a batch, and a remark where its grid ends there."""
    known = [
        c for c in page.cells
        if not c.censored and isinstance(c.settings.get("lr"), int | float) and math.isfinite(c.settings["lr"])
    ]  # fmt: skip
    if not known or not math.isfinite(batch):
        return None
    best = min(known, key=lambda c: abs(math.log(c.batch / batch)))
    return best.batch, float(best.settings["lr"]), ", an end of what was tried" if best.edges else ""


def _checks(page: StepsPage, criticals: Sequence[CriticalBatch]) -> list[Check]:
    steps, cells, first = page.steps, page.cells, criticals[0]
    least, most = float(steps.batch.min()), float(steps.batch.max())
    far = reach_words(first.estimate, least, most)
    censored = sum(c.censored for c in cells)
    edged = [c for c in cells if c.edges]
    runs = [c.runs for c in cells]
    ratio = criticals[-1].estimate
    bent = math.isfinite(ratio) and least < ratio < most
    out = [
        Check("Answer among the batches tried", YES if far == "inside" else NO, far,
              f"From {tried_text(least, steps.unit)} to {tried_text(most, steps.unit)} {steps.unit} were tried; "
              "outside of them the answer rests on the form of the curve."),
        Check("The curve bends inside the data", YES if bent else NO,
              f"b/a = {size_text(ratio, steps.unit)}" if math.isfinite(ratio) else "none in sight",
              "Both ends, steps that fall with the batch and steps that do not, are seen where b/a lies among the "
              "batches tried."),
        Check("Interval has an upper end", YES if first.bounded else NO, ends_text(first.low, first.high, first.unit),
              f"{level_text(first.level)}, {first.method}."),
        Check("Every batch reached the target", NO if censored else YES, f"{len(cells) - censored} of {len(cells)}",
              "Those that did not count as censored: more steps than they had." if censored else
              "No batch size is censored."),
        Check("Best run inside its grid", NO if edged else YES, f"{len(cells) - len(edged)} of {len(cells)}",
              f"At an end at B = {', '.join(tried_text(c.batch, steps.unit) for c in edged[:8])}"
              f"{' and others' if len(edged) > 8 else ''}, so fewer steps may do." if edged else
              "None lies at an end of the learning rates tried, as far as these are known."),
        Check("Runs a batch size", NONE, f"{min(runs)} to {max(runs)}" if min(runs) < max(runs) else str(max(runs)),
              "The best of many runs is an optimistic number, the more so the more there are."),
    ]  # fmt: skip
    if page.forms is not None and len(page.forms.forms) > 1:
        others = [f.critical.estimate for f in page.forms.forms]
        agree = sum(criticals[-1].low <= value <= criticals[-1].high for value in others)
        out.append(
            Check("Other forms agree on b/a", YES if agree == len(others) else NO, f"{agree} of {len(others)}",
                  f"Forms whose corner lies inside {ends_text(criticals[-1].low, criticals[-1].high, steps.unit)}.")
        )  # fmt: skip
    return [*out, past_check(page.backtest, "largest batch sizes"), *fit_checks(steps.fit)]


def _methods(page: StepsPage, origin: Origin) -> tuple[tuple[str, str | Markup], ...]:
    steps = page.steps
    censored = int(steps.censored.sum())
    how = "counted as censored, by the chance of taking more steps than seen" if censored else "none was missed"
    return (
        ("Target", f"{page.target_words.capitalize()}; {page.rule or 'given'}."),
        ("Steps", "The first crossing of the target by the best run of each batch size, read between evaluations on "
                  f"logarithmic scales, or as the log holds them. Batch sizes that missed it: {how}."),
        ("Law", f"{steps.fit.law.output} = {steps.fit.law.formula}; objective: {steps.fit.objective}. Scatter around "
                "it "
                f"{format_percent(steps.sigma)} of the steps."),
        ("Critical batch size", cited(
            "Two rules are in use and differ by a factor of ten on one curve, so each number carries its own: "
            f"{SOURCES}."
        )),
        ("Intervals", f"{level_text(origin.level)}. Of b/a and the overhead rule: "
                      f"{page.criticals(origin.level)[0].method}; of parameters and curve: "
                      f"{steps.fit.interval_method}."),
        ("Unit", f"All batches are in {steps.unit}."),
    )  # fmt: skip


def _cells_table(page: StepsPage, origin: Origin) -> Table:
    unit = page.steps.unit
    rows = []
    for c in page.cells:
        rate = c.settings.get("lr")
        known = isinstance(rate, int | float) and math.isfinite(rate)
        state = "not reached: more" if c.censored else ", ".join(c.edges) or "reached"
        between = f"{format_number(c.low)} to {format_number(c.high)}" if c.high > c.low > 0 else "as logged"
        rows.append((
            tried_text(c.batch, unit), over(format_number(c.steps), between), state, name_cell(c.run_id),
            format_number(float(rate), 3) if known and rate is not None else "–", f"{c.reached} of {c.runs}",
            "–" if math.isnan(c.gap) else f"+{format_percent(c.gap)}",
        ))  # fmt: skip
    heads = (f"batch ({unit})", "steps", "state", "best run", "learning rate", "runs at the target", "second best")
    return make_table(f"Steps to {page.target_words}, by batch size", heads, rows, texts=(2, 3), note=f"{origin.data}.")
