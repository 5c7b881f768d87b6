"""Plans of the batch size as a text for people: time against compute, devices, runs, and the warm-up."""

from __future__ import annotations

from typing import Any

from reports.rows import Rows
from scaling.formatting import format_interval, format_number, format_percent, format_whole


def plan_row(name: str, fit_id: str, plan: Any, warmup: str | None = None) -> dict[str, Any]:
    """Return a plan as one row object: `BatchPlan.to_dict`, with the fits that it rests on."""
    said: dict[str, Any] = plan.to_dict()
    return {"fit": name, "fit_id": fit_id, "warmup_fit": warmup} | said


def front_shown(plan: Any) -> Rows:
    """Return what batch sizes take in time and compute, as people read it."""
    level = format_percent(plan.front.level, 3)
    return [
        {
            f"batch ({plan.front.unit})": format_whole(row["batch"]),
            "steps": format_number(row["steps"]),
            f"steps, {level}": format_interval(row["steps_low"], row["steps_high"]),
            "time / least": format_number(row["time_ratio"], 3),
            "compute above the least": format_percent(row["overhead"], 3),
        }
        for row in plan.front.rows
    ]


def gpus_shown(plan: Any) -> Rows:
    """Return time against devices as people read it."""
    rows = plan.gpu_curve.to_dict()["rows"]
    return [
        {
            "devices": format_whole(row["gpus"]),
            f"batch ({plan.front.unit})": format_whole(row["batch"]),
            "hours": format_number(row["wall_seconds"] / 3600, 3),
            "device hours": format_number(row["gpu_hours"], 3),
            **({} if row["cost"] is None else {"cost": format_number(row["cost"], 3)}),
            "compute above the least": format_percent(row["overhead"], 3),
            "a doubling gains": "-" if row["marginal_speedup"] is None else format_percent(row["marginal_speedup"]),
        }
        for row in rows
    ]


def plan_shown(plan: Any) -> str:
    """Return a plan as a text."""
    from reports.terminal import render

    lines = ["time against compute:", render(front_shown(plan), "table").rstrip("\n")]
    if plan.gpu_curve is not None:
        lines += [
            "",
            "time against devices, each at its fastest batch; a doubling that halves the time gains 100 %:",
            render(gpus_shown(plan), "table").rstrip("\n"),
        ]
    return "\n".join([*lines, "", repr(plan)])
