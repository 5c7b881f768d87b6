"""Learning curves and collection plans as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scaling.formatting import (
    format_count,
    format_count_interval,
    format_factor,
    format_interval,
    format_money,
    format_number,
    format_percent,
    format_plural,
)


def curves_row(found: Any, level: float) -> dict[str, Any]:
    """Return learning curves as one row object.

    Parameters
    ----------
    found : db.collection_answers.SavedCurves
        The curves, and the fits they are saved as.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    dict
        Keys as docs/value_sources.md lists them.
    """
    said = found.curves.to_dict(level)
    for curve in said["curves"]:
        saved = found.saved[curve["group"]]
        curve |= {"name": saved.name, "fit_id": saved.fit_id}
    said |= {
        "held_out": None if found.held is None else found.held.to_dict(),
        "excluded": dict(found.excluded),
        "command": next(iter(found.saved.values())).command,
    }
    return said


def curves_text(row: Mapping[str, Any]) -> str:
    """Return learning curves as a text: one line a group, what they share, and which were not fitted."""
    from reports.terminal import render

    lines = [f"learning curves ({row['measure']})", render(curves_shown(row), "table").rstrip("\n")]
    for curve in row["curves"]:
        lines += [f"{curve['group']}: {reason}" for reason in curve["reasons"]]
    if (shared := row["shared_exponent"]) is not None:
        lines.append(
            f"the groups share what they know of their exponents: around {format_number(shared['mean'], 3)}, "
            f"{format_number(shared['spread'], 2)} apart from group to group"
        )
    if (held := row["held_out"]) is not None:
        said = ", ".join(f"{way} {format_number(rms, 3)}" for way, rms in held["rms"].items())
        many = format_plural(len(held["groups"]), "group")
        lines.append(f"the largest size of {many}, forecast from the smaller ones, missed by (rms of ln): {said}")
    lines += [f"not fitted: {group} {why}" for group, why in row["refused"].items()]
    lines += [f"left out: {count} x {reason}" for reason, count in row["excluded"].items()]
    return "\n".join(lines)


def curves_shown(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return learning curves as people read them."""
    return [
        {
            "group": curve["group"],
            "fit": curve["name"],
            "floor": format_number(curve["E"], 3) if curve["law"] == "power_floor" else "none",
            "exponent": format_number(curve["alpha"], 3),
            f"{format_percent(curve['level'], 3)} interval": format_interval(curve["alpha_low"], curve["alpha_high"]),
            "sizes": curve["sizes"],
            "up to": format_count(curve["have"]),
            "verdict": curve["verdict"],
        }
        for curve in row["curves"]
    ]


def plan_row(found: Any, plan: Any, budget: float, rounds: int, least_gain: float | None) -> dict[str, Any]:
    """Return a collection plan as one row object.

    Parameters
    ----------
    found : db.collection_answers.SavedCurves
        The curves that it rests on.
    plan : CollectionPlan
        Of the next round.
    budget : float
        Of all rounds.
    rounds : int
        How many are left.
    least_gain : float, optional
        Less than this is no round worth buying.

    Returns
    -------
    dict
        Keys as docs/value_sources.md lists them.
    """
    upper = plan.gain_high if plan.draws else plan.gain
    return {
        "curves": {group: saved.name for group, saved in found.saved.items()},
        "measure": found.curves.measure,
        "budget_of_all_rounds": budget,
        "rounds": rounds,
        "least_gain": least_gain,
        "stop": None if least_gain is None else bool(upper < least_gain),
        **plan.to_dict(),
    }


def plan_text(row: Mapping[str, Any], plan: Any) -> str:
    """Return a collection plan as a text: what to buy, what comes of it, plainer splits, and what to know."""
    from reports.terminal import render
    from scaling.valuation.collection.plan import GOALS

    level = format_percent(row["level"], 3)
    part = f", round 1 of {row['rounds']} of {format_money(row['budget_of_all_rounds'])}" if row["rounds"] > 1 else ""
    ends = format_interval(plan.outcome_low, plan.outcome_high)
    lines = [
        f"{format_money(row['spent'])} of {format_money(row['budget'])} spent{part}",
        render(plan_shown(plan), "table").rstrip("\n"),
        f"{GOALS[row['goal']]}: {format_number(row['outcome_now'])} to {format_number(row['outcome'])} "
        f"({level} interval {ends})",
        *(split.sentence(row["level"]) for split in plan.splits),
        *(f"note: {note}" for note in row["notes"]),
    ]
    if row["stop"] is not None:
        gain = f"lowers the goal by {format_number(plan.gain, 3)} ({format_interval(plan.gain_low, plan.gain_high)})"
        verdict = "stop: even its upper end is less than" if row["stop"] else "go on: its upper end is not below"
        lines.append(f"the money {gain}; {verdict} {format_number(row['least_gain'], 3)}")
    if row["rounds"] > 1:
        lines.append(
            "then measure, ingest, fit the curves again with --replace, and ask for what is left with "
            f"--rounds {row['rounds'] - 1}"
        )
    return "\n".join([*lines, f"verdict: {row['verdict']}"])


def plan_shown(plan: Any) -> list[dict[str, Any]]:
    """Return what to buy as people read it."""
    level = format_percent(plan.level, 3)
    out = []
    for i, group in enumerate(plan.groups):
        price, bought = float(plan.cost[i]), float(plan.buy[i])
        out.append(
            {
                "group": group,
                "have": format_count(float(plan.have[i])),
                "buy": format_count(bought),
                f"{level} interval": format_count_interval(float(plan.buy_low[i]), float(plan.buy_high[i])),
                "price": format_money(price),
                "spend": format_money(price * bought),
                "beyond measured": format_factor(float(plan.factor[i])),
                "loss now": format_number(float(plan.loss_now[i])),
                "loss then": format_number(float(plan.loss_after[i])),
                f"{level} of it": format_interval(float(plan.loss_low[i]), float(plan.loss_high[i])),
            }
        )
    return out
