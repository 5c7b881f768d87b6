"""Laws of the error on a task, and accuracies forecast from them, as rows: exact for programs, rounded for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.forms_rows import forms_text
from reports.rows import Rows, saved_fit_row, saved_fit_text, with_interval
from scaling.formatting import (
    format_count,
    format_factor,
    format_interval,
    format_number,
    format_plural,
)

if TYPE_CHECKING:
    from scaling.loss_to_loss.accuracy.forecast import AccuracyForecast


def accuracy_row(saved: Any, level: float) -> dict[str, Any]:
    """Return a fitted law of the error as one row object.

    Parameters
    ----------
    saved : db.saved.SavedFit
        Of an accuracy.
    level : float
        Nominal coverage of the intervals of its parameters.

    Returns
    -------
    dict
        ``form chance n_questions floor_x n_runs r2 verdict``, the ``concern`` (``at chance``, ``rises``, ``not above
        chance yet`` or None), the back-test by extrapolation factor, and all forms that were tried with their held-out
        errors in shares; then that of `reports.rows.saved_fit_row`.
    """
    fit, asked = saved.fit, saved.pairs
    record, own = fit.settings["accuracy"], saved_fit_row(saved, level)
    head = {
        "name": saved.name,
        "fit_id": saved.fit_id,
        "task": asked.words,
        "form": record["form"],
        "chance": record["chance"],
        "n_questions": record["n_questions"],
        "floor_x": record["floor_x"]["value"] if record["floor_x"]["kind"] == "given" else None,
        "floor": record["floor_x"],
        "n_runs": fit.n_obs,
        "r2": record["r2"],
        "verdict": fit.verdict,
        "concern": record["concern"],
        "reasons": own["reasons"],
        "estimates": dict(fit.estimates),
        "intervals": {k: {"low": p["low"], "high": p["high"]} for k, p in own["parameters"].items()},
        "loss": asked.metric_source,
        "metric": asked.metric_target,
        "corpus": asked.source,
        "notes": list(saved.config["notes"]),
        "ordered_by": record["ordered_by"],
        "backtest": [] if fit.backtest is None else [entry.to_dict() for entry in fit.backtest.summary()],
        "chosen": record["chosen"],
        "candidates": record["candidates"],
    }
    return head | {k: v for k, v in own.items() if k not in head}


def accuracy_text(saved: Any, level: float) -> str:
    """Return a fitted law of the error as a text: the task, its floor and chance, the forms tried, and the fit."""
    fit, record = saved.fit, saved.fit.settings["accuracy"]
    lines = [
        f"error = {saved.pairs.words}",
        f"form {record['form']}, {record['chosen']}; {format_plural(fit.n_obs, 'run')}, R^2 of the errors "
        f"{format_number(record['r2'], 5)}",
        f"floor of the loss: {_floor_words(record['floor_x'])}",
        "error of guessing: "
        + ("not given" if record["chance"] is None else format_number(1 - record["chance"], 4))
        + ("" if record["n_questions"] is None else "; runs weighted by the noise of their questions"),
    ]
    tried = forms_text(record, "held-out error, points", lambda error: format_number(100 * error, 2))
    parts = ["\n".join(lines), tried]
    if fit.backtest is not None:
        parts.append(repr(fit.backtest))
    return "\n\n".join([*parts, saved_fit_text(saved, level)])


def forecast_rows(first: Any, second: Any, found: Sequence[AccuracyForecast]) -> Rows:
    """Return forecast accuracies as rows for programs.

    Parameters
    ----------
    first, second : db.saved.SavedFit
        The law of the loss, and that of the accuracy.
    found : sequence of AccuracyForecast
        One a target.

    Returns
    -------
    list of dict
        Those of `AccuracyForecast.row`, with the ``error`` that the accuracy is 1 less of, and both fits' verdicts.
    """
    return [
        one.row()
        | {
            "error": 1 - one.accuracy,
            "error_low": 1 - one.high,
            "error_high": 1 - one.low,
            "fit_verdict": first.fit.verdict,
            "then_verdict": second.fit.verdict,
        }
        for one in found
    ]


def forecast_shown(first: Any, found: Sequence[AccuracyForecast]) -> Rows:
    """Return forecast accuracies as people read them."""
    out = []
    for one in found:
        inputs = {
            ("compute (FLOP)" if k == "C" else k): format_count(v) if k in ("N", "D") else format_number(v)
            for k, v in one.inputs.items()
        }
        span = f"{100 * one.level:g} %"
        out.append(
            inputs
            | {
                first.fit.law.output: with_interval(one.loss, one.loss_low, one.loss_high),
                "accuracy": with_interval(one.accuracy, one.low, one.high),
                f"accuracy, {span}": format_interval(one.low, one.high),
                "loss beyond its data": format_factor(one.loss_extrapolation_factor),
                "verdict": one.verdict,
            }
        )
    return out


def _floor_words(floor: dict[str, Any]) -> str:
    if floor["value"] is None:
        return "none"
    low, high = floor["low"], floor["high"]
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    within = f" ({format_interval(low, high)})" if known else ""
    use = f"given, {floor['source']}" if floor["kind"] == "given" else "not used by this form"
    return f"{format_number(floor['value'])}{within}, {use}"
