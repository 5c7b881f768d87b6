"""What repeated tokens are worth, as rows and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.rows import with_interval
from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_count_interval,
    format_factor,
    format_interval,
    format_number,
    format_percent,
)

if TYPE_CHECKING:
    from scaling.allocation.data_constrained import EpochWorth, RepeatedAllocation

Rows = list[dict[str, Any]]


def worth_shown(worth: EpochWorth) -> Rows:
    """Return what each epoch buys as people read it."""
    span = f"{100 * worth.level:g} %"
    return [
        {
            "epoch": str(row["epoch"]),
            "tokens": format_count(row["n_tokens"]),
            "worth, in fresh tokens": format_count(row["effective_tokens"]),
            "loss falls by": format_number(row["loss_gain"]) if np.isfinite(row["loss_gain"]) else UNKNOWN,
            "of what fresh tokens buy": format_percent(row["worth"]),
            f"of that, {span}": _percents(row["worth_low"], row["worth_high"]),
        }
        for row in worth.rows()
    ]


def repeated_shown(plan: RepeatedAllocation) -> Rows:
    """Return splits of compute over a corpus that runs out as people read them."""
    span = f"{100 * plan.level:g} %"
    return [
        {
            "compute (FLOP)": format_number(row["compute_flop"]),
            "params": format_count(row["n_params"]),
            f"params, {span}": format_count_interval(row["n_params_low"], row["n_params_high"]),
            "tokens": format_count(row["n_tokens"]),
            "epochs": format_number(row["epochs"], 3),
            f"epochs, {span}": format_interval(row["epochs_low"], row["epochs_high"]),
            "loss": with_interval(row["loss"], row["loss_low"], row["loss_high"]),
            "with fresh data": format_number(row["fresh_loss"]),
            "extrapolating": format_factor(row["extrapolation_factor"]),
        }
        for row in plan.rows()
    ]


def until_rows(shares: Sequence[float], epochs: Any, interval: tuple[Any, Any]) -> Rows:
    """Return after how many epochs another one buys less than each share, as rows."""
    return [
        {"share": float(share), "epochs": float(k), "low": float(low), "high": float(high)}
        for share, k, low, high in zip(shares, epochs, *interval, strict=True)
    ]


def until_sentence(row: dict[str, Any], level: float) -> str:
    """Say after how many epochs another one buys less than a share of what fresh data would."""
    interval = "" if np.isnan(row["low"]) else f" ({100 * level:g} %: {format_interval(row['low'], row['high'])})"
    return (
        f"After {format_number(row['epochs'], 3)} epochs{interval} the next repeated token buys less than "
        f"{format_percent(row['share'])} of what a fresh one would."
    )


def _percents(low: float, high: float) -> str:
    return UNKNOWN if np.isnan([low, high]).any() else f"{format_percent(low)} to {format_percent(high)}"
