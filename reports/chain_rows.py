"""Forecasts through two fits, from a size to a loss to the error on tasks, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.rows import with_interval
from scaling.formatting import format_count, format_factor, format_interval, format_number

if TYPE_CHECKING:
    from scaling.downstream import ChainedPrediction
    from scaling.loss_to_loss.predicted import PredictedForecast
    from scaling.results import Fit

Rows = list[dict[str, Any]]


def chain_rows(
    first: Fit, second: Fit, targets: Sequence[Mapping[str, float]], found: Sequence[ChainedPrediction]
) -> Rows:
    """Return chained forecasts as rows for programs, with the loss in between."""
    return [
        {
            "inputs": dict(inputs),
            second.law.output: p.mean,
            "low": p.low,
            "high": p.high,
            "loss": p.loss,
            "loss_low": p.loss_low,
            "loss_high": p.loss_high,
            "level": p.level,
            "kind": p.kind,
            "extrapolation_factor": p.extrapolation_factor,
            "loss_extrapolation_factor": p.loss_extrapolation_factor,
            "verdict": p.verdict,
            "fit_verdict": first.verdict,
            "then_verdict": second.verdict,
            "method": p.method,
            "backtest": p.backtest,
            "then_backtest": p.then_backtest,
            "unit": second.law.unit or "unknown",
        }
        for inputs, p in zip(targets, found, strict=True)
    ]


def predicted_rows(first: Fit, second: Fit, found: Sequence[PredictedForecast]) -> Rows:
    """Return forecasts of a map at a loss that a law predicts as rows for programs.

    What a forecast from a measured loss says too has the same name here, so that ``backtest`` and ``fit_verdict`` are
    those of the map, as ``then_backtest`` and ``then_verdict`` are; those of the law are ``source_backtest`` and
    ``source_verdict``.
    """
    rows = chain_rows(first, second, [one.inputs for one in found], [one.chained for one in found])
    return [
        row
        | one.about()
        | {
            "run_id": None,
            "x": row["loss"],
            "y": one.chained.mean,
            "fit_verdict": second.verdict,
            "source_verdict": first.verdict,
            "backtest": one.chained.then_backtest,
            "source_backtest": one.chained.backtest,
        }
        for row, one in zip(rows, found, strict=True)
    ]


def chain_notes(first: str, second: str, found: Sequence[ChainedPrediction]) -> list[str]:
    """Return what the back-tests of both fits say, each sentence once.

    Parameters
    ----------
    first, second : str
        The names of the fits of the loss and of the error.
    found : sequence of ChainedPrediction
        One or more.
    """
    said = [f"{name}: {text}" for p in found for name, text in ((first, p.backtest), (second, p.then_backtest))]
    return list(dict.fromkeys(said))


def chain_shown(
    first: Fit, second: Fit, targets: Sequence[Mapping[str, float]], found: Sequence[ChainedPrediction]
) -> Rows:
    """Return chained forecasts as people read them."""
    return [
        {k: format_count(v) if k in ("N", "D") else format_number(v) for k, v in inputs.items()}
        | {
            first.law.output: with_interval(p.loss, p.loss_low, p.loss_high),
            f"{first.law.output}, {100 * p.level:g} %": format_interval(p.loss_low, p.loss_high),
            second.law.output: with_interval(p.mean, p.low, p.high),
            f"{second.law.output}, {100 * p.level:g} %": format_interval(p.low, p.high),
            "loss beyond its data": format_factor(p.loss_extrapolation_factor),
            "verdict": p.verdict,
        }
        for inputs, p in zip(targets, found, strict=True)
    ]
