"""A plan in plain text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scaling.batch_size.planner.gpus import HOUR
from scaling.batch_size.planner.run import Infeasible, Run
from scaling.formatting import format_interval, format_number, format_percent, format_plural, format_whole

if TYPE_CHECKING:
    from scaling.batch_size.planner.answer import BatchPlan

_ORDER = ("fastest", "cheapest", "in_time", "in_budget", "in_both")


def plan_text(plan: BatchPlan) -> str:
    """Write a plan for people.

    Parameters
    ----------
    plan : BatchPlan
        The plan.

    Returns
    -------
    str
    """
    front, unit = plan.front, plan.curve.unit
    level = format_percent(front.level, 3)
    critical = format_interval(front.critical_low, front.critical_high)
    lines = [
        f"critical batch size b/a: {format_number(front.critical)} {unit} ({level} interval {critical})",
        f"up to {format_percent(plan.overhead)} more compute than the least: B = {format_number(plan.batch)} {unit} "
        f"({format_interval(plan.batch_low, plan.batch_high)}), "
        f"{format_number(1 + 1 / plan.overhead)} times the fewest steps",
    ]
    lines += [
        f"  best where time counts {format_percent(w)} and compute the rest: B = {format_number(b)} {unit}"
        for w, (b, _, _) in front.by_weight.items()
    ]
    if plan.cluster is not None:
        least = format_number(plan.cluster.smallest_per_gpu)
        lines.append(
            f"devices before another one hardly helps: {format_number(math.floor(plan.gpus))} "
            f"({format_interval(plan.gpus_low, plan.gpus_high)}), at {least} {unit} each"
        )
        lines.append(plan.cluster.hardware.label)
    lines += [run_text(plan.runs[name]) for name in _ORDER if name in plan.runs]
    if plan.warmup is not None:
        lines += ["warm-up of the batch:", repr(plan.warmup)]
    lines.append(f"verdict: {plan.verdict}")
    return "\n".join([*lines, *(f"  - {note}" for note in (*plan.curve.reasons, *plan.notes))])


def run_text(run: Run | Infeasible) -> str:
    """Write one run, or why there is none, in a line.

    Parameters
    ----------
    run : Run or Infeasible
        The run.

    Returns
    -------
    str
    """
    if isinstance(run, Infeasible):
        return f"{run.goal}: there is none. {run.why} {run.instead}"
    low, high = run.intervals["wall_seconds"]
    text = (
        f"{run.goal}: {format_plural(run.gpus, 'device')}, B = {format_whole(run.batch)} {run.unit}, "
        f"{format_number(run.wall_seconds / HOUR, 3)} h ({format_interval(low / HOUR, high / HOUR)}), "
        f"{format_percent(run.overhead)} more compute than the least"
    )
    if not math.isnan(run.cost):
        text += f", cost {format_number(run.cost)} ({format_interval(*run.intervals['cost'])})"
    if not math.isnan(run.in_time):
        text += f"; in time in {format_percent(run.in_time)} of the replicates"
    if not math.isnan(run.in_budget):
        text += f"; in budget in {format_percent(run.in_budget)}"
    return text
