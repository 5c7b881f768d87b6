"""Tables of the page of steps to a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reports.batch_page import Origin, over
from reports.batch_words import change, ends_text, reach_words, size_text, tried_text
from reports.tables import Table, make_table
from reports.words import count_interval, level_text
from scaling.errors import ScalingError
from scaling.formatting import format_count, format_interval, format_number, format_percent

if TYPE_CHECKING:
    from reports.batch_steps_page import StepsPage
    from scaling.batch_size.critical import CriticalBatch
    from scaling.batch_size.forms import FormComparison
    from scaling.batch_size.planner.curve import StepsCurve
    from scaling.batch_size.planner.tradeoff import ParetoFront

_OFF = (0.25, 0.5, 1.0, 2.0, 4.0)
_OVERHEADS = (0.1, 0.2, 0.5, 1.0)
_ANCHORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def criticals_table(criticals: Sequence[CriticalBatch], page: StepsPage, origin: Origin) -> Table:
    """Make the table of critical batch sizes, each with its convention."""
    least, most = float(page.steps.batch.min()), float(page.steps.batch.max())
    rows = [
        (c.definition, size_text(c.estimate, c.unit), ends_text(c.low, c.high, c.unit), c.method,
         reach_words(c.estimate, least, most))
        for c in criticals
    ]  # fmt: skip
    unit = page.steps.unit
    heads = ("critical by", f"batch ({unit})", f"{level_text(origin.level)} interval", "interval by", "batches tried")
    note = f"Two rules of one curve, not two estimates of one number. {origin.made_of('see the column')} Unit: {unit}."
    return make_table("Critical batch sizes", heads, rows, (0, 3, 4), note, strong=(0,))


def costs_table(page: StepsPage, curve: StepsCurve, best: CriticalBatch, origin: Origin) -> Table | None:
    """Make the table of what other batch sizes cost, beside the one that answers."""
    if not math.isfinite(best.estimate):
        return None
    sizes = [best.estimate * factor for factor in _OFF] + list(page.batches)
    return costs_of(curve, best.estimate, sizes, [f"x{factor:g}" for factor in _OFF], origin)


def costs_of(
    curve: StepsCurve, best: float, sizes: Sequence[float], names: Sequence[str], origin: Origin, data: str = ""
) -> Table:
    """Make the table of what batch sizes take in time and compute, beside a best one."""
    from scaling.batch_size.planner.tradeoff import pareto_front

    unit = curve.unit
    front = pareto_front(curve, np.array(sizes), level=origin.level)
    at = curve.steps(best)
    rows = []
    for i, size in enumerate(sizes):
        low, high = (float(ends[i]) for ends in front.intervals["steps"])
        least, most = (float(ends[i]) for ends in front.intervals["samples"])
        steps, samples = float(front.steps[i]), float(front.samples[i])
        rows.append((
            names[i] if i < len(names) else "asked",
            size_text(size, unit) if i < len(names) else tried_text(size, unit),
            over(format_number(steps), format_interval(low, high)), change(steps / float(at) - 1),
            over(format_count(samples), count_interval(least, most)), change(samples / (float(at) * best) - 1),
            f"+{format_percent(float(front.overhead[i]))}",
        ))  # fmt: skip
    heads = (
        "off by", f"batch ({unit})", "steps", "time", f"{unit} seen", "compute", "above the fewest possible",
    )  # fmt: skip
    how = f"percentiles of {len(curve.replicates)} replicates" if len(curve.replicates) else "none, no bootstrap"
    note = (
        f"Time and compute are beside those of the batch {size_text(best, unit)} {unit}; a step is taken to last the "
        f"same at every batch, as on as many devices as it needs. Below steps and {unit}: {level_text(origin.level)} "
        f"intervals. {origin.made_of(how, data)}"
    )
    strong = tuple(i for i, name in enumerate(names) if name == "x1")
    return make_table("What a batch that is off costs", heads, rows, 1, note, strong)


def plans_table(front: ParetoFront, origin: Origin) -> Table:
    """Make the table of the best batch for a price of time, and for an overhead."""
    unit = front.unit
    rows = [
        (f"at most {format_percent(share, 3)} more compute than the least", size_text(best[0], unit),
         ends_text(best[1], best[2], unit), f"{format_number(1 + 1 / share, 3)} times", f"+{format_percent(share, 3)}")
        for share, best in front.by_overhead.items()
    ]  # fmt: skip
    for weight, best in front.by_weight.items():
        share = best[0] / front.critical
        rows.append((
            f"time weighs {format_percent(weight, 3)}, compute {format_percent(1 - weight, 3)}",
            size_text(best[0], unit), ends_text(best[1], best[2], unit), f"{format_number(1 + 1 / share, 3)} times",
            f"+{format_percent(share)}",
        ))  # fmt: skip
    heads = ("plan", f"batch ({unit})", f"{level_text(front.level)} interval", "of the least time", "compute")
    note = (
        f"Least time and least compute are those of an endless and of a tiny batch. With devices, a deadline or a "
        f"budget: scaling batch-size plan {origin.name}. {origin.made_of('percentiles of the replicates')}"
    )
    return make_table("Batches for a price of time", heads, rows, 1, note)


def forms_table(found: FormComparison | None, origin: Origin) -> Table | None:
    """Make the table of the forms held against each other."""
    if found is None:
        return None
    rows = []
    for form in found.forms:
        unit = form.critical.unit
        rows.append((
            form.steps.fit.law.formula, "–" if math.isnan(form.rms) else format_percent(form.rms),
            format_number(form.aicc, 3), size_text(form.critical.estimate, unit),
            ends_text(form.critical.low, form.critical.high, unit),
        ))  # fmt: skip
    strong = tuple(i for i, form in enumerate(found.forms) if form.steps.form == found.chosen)
    heads = ("form of the curve", "missed held-out steps by", "AICc", "b/a or corner", f"{level_text(found.level)}")
    own = origin.fit.law.formula
    note = f"The back-test takes the shaded form: {found.reason}. This page is of {own}. {origin.made_of('by form')}"
    return make_table("Other forms of the curve", heads, rows, 1, note, strong)


def conventions_table(page: StepsPage, origin: Origin) -> Table | None:
    """Make the table of what overhead and anchor make of the same curve."""
    unit = page.steps.unit
    base = page.anchor if page.anchor is not None else float(page.steps.batch.min()) * 2
    anchors: list[float | None] = [None, *(base * part for part in _ANCHORS)]
    overheads = sorted({*_OVERHEADS, page.overhead})
    rows = []
    for overhead in overheads:
        cells = []
        for anchor in anchors:
            try:
                cells.append(size_text(page.steps.critical_batch(overhead, anchor, origin.level).estimate, unit))
            except ScalingError:  # the power form has no fewest samples to compare with
                cells.append("–")
        rows.append((format_percent(overhead, 3), *cells))
    heads = ("overhead", "perfect scaling", *(f"from {tried_text(float(a or 0), unit)}" for a in anchors[1:]))
    strong = tuple(i for i, overhead in enumerate(overheads) if overhead == page.overhead)
    note = (
        f"Critical batch sizes in {unit}: the largest whose samples exceed those of linear scaling from the anchor by "
        "no more than the overhead. One curve gives all of them, so a number without its overhead and anchor says "
        f"little. {origin.made_of('none here')}"
    )
    return make_table("The same curve by other conventions", heads, rows, 1, note, strong)
