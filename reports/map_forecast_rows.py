"""Forecasts of one loss from another as rows: exact ones for programs, and rounded ones for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.rows import Rows, with_interval
from scaling.formatting import format_factor, format_interval, format_number, format_percent

if TYPE_CHECKING:
    from scaling.loss_to_loss.forecast import MapForecast

_PARTS = {"noise": "scatter of the runs", "form": "form of the map", "usual error": "usual error of maps"}


def map_forecast_rows(head: dict[str, Any], found: Sequence[MapForecast], runs: Sequence[str | None]) -> Rows:
    """Return forecasts from measured losses as rows for programs; `runs` names the run of each, where it is one."""
    return [head | {"run_id": run} | said.row() for said, run in zip(found, runs, strict=True)]


def map_forecasts_shown(found: Sequence[MapForecast], runs: Sequence[str | None]) -> Rows:
    """Return forecasts from measured losses as people read them."""
    return [
        ({"run": run} if run is not None else {})
        | {
            "x, measured": format_number(said.x),
            "y": with_interval(said.prediction.mean, said.prediction.low, said.prediction.high),
            f"{100 * said.prediction.level:g} %": format_interval(said.prediction.low, said.prediction.high),
            "beyond the pairs": _beyond(said),
            "verdict": said.prediction.verdict,
        }
        for said, run in zip(found, runs, strict=True)
    ]


def map_forecast_notes(found: Sequence[MapForecast]) -> list[str]:
    """Say why there is no forecast and what is said instead, what a width is made of, and what the back-test says."""
    lines = [said.sentence for said in found if said.undefined]
    for said in found:
        shares = {k: v for k, v in said.prediction.parts.items() if not math.isnan(v)}
        if shares:
            named = ", ".join(
                f"{_PARTS.get(k, k)} {format_percent(v)}" for k, v in sorted(shares.items(), key=lambda kv: -kv[1])
            )
            lines.append(f"Of the squared width at x = {format_number(said.x)}: {named}.")
    lines += [said.prediction.backtest for said in found if said.prediction.backtest]
    return list(dict.fromkeys(lines))


def _beyond(said: MapForecast) -> str:
    """How far out, and in what: budgets where the compute of the run is known, losses where it is not."""
    of = "of loss" if math.isnan(said.compute_flop) else "of budget"
    return f"{format_factor(said.prediction.extrapolation_factor)} {of}"
