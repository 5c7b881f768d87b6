"""Pools of data as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.rows import Rows
from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_count_interval,
    format_interval,
    format_number,
    format_percent,
)


def pools_row(found: Any) -> dict[str, Any]:
    """Return the best use of pools as one row object.

    Parameters
    ----------
    found : db.value_pools.PoolsAnswer
        The plan.

    Returns
    -------
    dict
        Keys as docs/value_sources.md lists them.
    """
    said = found.plan.to_dict()
    of = {pool.name: pool for pool in found.pools}
    best = found.split_of("best")
    for row in said["pools"]:
        row |= {
            "unique_tokens": of[row["pool"]].unique_tokens,
            "share": best[row["pool"]] / found.plan.n_tokens,
            "cost": found.cost.get(row["pool"]),
            "spend": found.spend(dict.fromkeys(best, 0.0) | {row["pool"]: best[row["pool"]]}) if found.cost else None,
        }
    for row in said["strategies"]:
        row["spend"] = found.spend(found.split_of(row["strategy"])) if found.cost else None
    filters = None if found.filters is None else found.filters.to_dict()["filters"]
    return {
        "fit": None if found.saved is None else found.saved.name,
        "fit_id": None if found.saved is None else found.saved.fit_id,
        **said,
        "filters": filters,
    }


def pools_text(found: Any) -> str:
    """Return the best use of pools as a text: the split, what else could be done, and which filter at which budget."""
    from reports.terminal import render

    plan, level = found.plan, format_percent(found.plan.level, 3)
    size = "" if plan.n_params is None else f", {format_count(plan.n_params)} parameters"
    lines = [
        f"{format_count(plan.n_tokens)} tokens{size}",
        render(pools_shown(found), "table").rstrip("\n"),
        "",
        render(strategies_shown(found), "table").rstrip("\n"),
        f"one more token is worth {format_percent(plan.next_worth)} of a fresh one",
    ]
    if found.filters is not None:
        lines += ["", "which pools to keep at which budget, each with the same number of epochs:"]
        lines += [render(filters_shown(found.filters), "table").rstrip("\n")]
    law = "published coefficients" if found.saved is None else f"fit {found.saved.name}"
    lines.append(f"intervals of {level}: {plan.method}")
    lines.append(f"law: {law}; verdict: {plan.verdict}")
    return "\n".join(lines)


def pools_shown(found: Any) -> Rows:
    """Return the best split as people read it."""
    level = format_percent(found.plan.level, 3)
    row = pools_row(found)
    return [
        {
            "pool": one["pool"],
            "unique": format_count(one["unique_tokens"]),
            "tokens": format_count(one["n_tokens"]),
            "of the budget": format_percent(one["share"], 3),
            "epochs": format_number(one["epochs"], 3),
            f"{level} interval": _ends(one["epochs_low"], one["epochs_high"]),
            **({} if one["spend"] is None else {"spend": format_number(one["spend"])}),
        }
        for one in row["pools"]
    ]


def strategies_shown(found: Any) -> Rows:
    """Return the best split beside plainer ones as people read them."""
    level = format_percent(found.plan.level, 3)
    words = {"best": "the best", "uniform": "as many epochs of each"}
    return [
        {
            "use": words.get(one["strategy"], one["strategy"]),
            "worth, in fresh tokens": format_count(one["effective"]),
            "loss": format_number(one["loss"]),
            "above the best": "-" if one["strategy"] == "best" else format_number(one["loss_above_best"], 3),
            f"{level} of it": "-"
            if one["strategy"] == "best"
            else _ends(one["loss_above_best_low"], one["loss_above_best_high"]),
            **({"spend": format_number(found.spend(found.split_of(one["strategy"])))} if found.cost else {}),
        }
        for one in found.plan.strategies
    ]


def filters_shown(filters: Any) -> Rows:
    """Return which pools to keep at which budget as people read it."""
    level = format_percent(filters.level, 3)
    return [
        {
            "tokens": format_count_interval(row["from_tokens"], row["to_tokens"]),
            "keep": " + ".join(row["kept"]),
            f"gives way at, {level}": "-"
            if i == len(filters.kept) - 1
            else format_count_interval(row["to_tokens_low"], row["to_tokens_high"]),
        }
        for i, row in enumerate(filters.rows())
    ]


def _ends(low: float, high: float) -> str:
    return UNKNOWN if low is None or high is None or np.isnan([low, high]).any() else format_interval(low, high)
