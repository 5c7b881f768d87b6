"""Results as rows: exact ones for programs, and rounded ones for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scaling.formatting import (
    format_count,
    format_count_interval,
    format_factor,
    format_interval,
    format_number,
)

if TYPE_CHECKING:
    from scaling.allocation.allocate import Allocation
    from scaling.laws.law import Law
    from scaling.prediction import Prediction
    from scaling.results import Fit

Rows = list[dict[str, Any]]


def fit_row(fit: Fit, level: float) -> dict[str, Any]:
    """Return a fit as one row object.

    Parameters
    ----------
    fit : Fit
        The fit.
    level : float
        Nominal coverage of the intervals of its parameters.

    Returns
    -------
    dict
        With the parameters nested by name: ``estimate low high se``.
    """
    parameters = {}
    for name, value in fit.estimates.items():
        low, high = fit.interval(name, level)
        parameters[name] = {"estimate": value, "low": low, "high": high, "se": fit.standard_errors[name]}
    return {
        "law": fit.law.name,
        "formula": fit.law.formula,
        "objective": str(fit.objective),
        "objective_value": fit.objective_value,
        "n_obs": fit.n_obs,
        "verdict": fit.verdict,
        "reasons": list(fit.diagnostics.reasons),
        "parameters": parameters,
        "level": level,
        "interval_method": fit.interval_method,
        "seed": fit.seed,
    }


def saved_fit_row(saved: Any, level: float) -> dict[str, Any]:
    """Return a fit of the store as one row object: that of `fit_row`, and where it comes from."""
    group = {"group_by": saved.group_by, "group_value": saved.group_value}
    origin = {"excluded": saved.excluded["counts"], "sql": saved.sql, "data_sha256": saved.data_sha256}
    return {"fit_id": saved.fit_id, "name": saved.name} | fit_row(saved.fit, level) | group | origin


def saved_fit_text(saved: Any, level: float) -> str:
    """Return a fit of the store as a text: its summary, and how to call it in SQL."""
    group = f", {saved.group_by} = {saved.group_value}" if saved.group_by else ""
    call = f"{saved.name}({', '.join(saved.arguments.values())})"
    return f"{saved.fit.summary(level)}\nsaved as {saved.name} ({saved.fit_id}{group}); in SQL: {call}"


def forecast_rows(fit: Fit, targets: Sequence[Mapping[str, float]], predictions: Sequence[Prediction]) -> Rows:
    """Return forecasts as rows.

    ``verdict`` is that of the forecast, ``fit_verdict`` that of the fit behind it; ``parts`` and ``lost_share`` as of
    `scaling.Prediction`.
    """
    return [
        {
            "inputs": dict(inputs),
            fit.law.output: p.mean,
            "low": p.low,
            "high": p.high,
            "level": p.level,
            "kind": p.kind,
            "extrapolation_factor": p.extrapolation_factor,
            "verdict": p.verdict,
            "fit_verdict": fit.verdict,
            "method": p.method,
            "lost_share": p.lost_share,
            "parts": dict(p.parts),
            "backtest": p.backtest,
            "unit": fit.law.unit or "unknown",
        }
        for inputs, p in zip(targets, predictions, strict=True)
    ]


def forecast_shown(fit: Fit, targets: Sequence[Mapping[str, float]], predictions: Sequence[Prediction]) -> Rows:
    """Return forecasts as people read them."""
    return [
        {k: _input(fit, k, v) for k, v in inputs.items()}
        | {
            fit.law.output: with_interval(p.mean, p.low, p.high),
            f"{100 * p.level:g} % interval": format_interval(p.low, p.high),
            "verdict": p.verdict,
        }
        for inputs, p in zip(targets, predictions, strict=True)
    ]


def _input(fit: Fit, name: str, value: float) -> str:
    """One input of a forecast; a year keeps its days."""
    if fit.law.inputs.get(name, "").startswith("decimal year"):
        return f"{value:.7g}"
    return format_count(value) if name in ("N", "D") else format_number(value)


def allocation_shown(fit: Fit, plan: Allocation) -> Rows:
    """Return compute-optimal splits as people read them."""
    span = f"{100 * plan.level:g} %"
    return [
        {
            "compute (FLOP)": format_number(row["compute_flop"]),
            "params": format_count(row["n_params"]),
            f"params, {span}": format_count_interval(row["n_params_low"], row["n_params_high"]),
            "tokens": format_count(row["n_tokens"]),
            f"tokens, {span}": format_count_interval(row["n_tokens_low"], row["n_tokens_high"]),
            "tokens/param": format_number(row["tokens_per_param"], 3),
            fit.law.output: with_interval(row["loss"], row["loss_low"], row["loss_high"]),
            f"{fit.law.output}, {span}": format_interval(row["loss_low"], row["loss_high"]),
            "extrapolating": format_factor(row["extrapolation_factor"]),
        }
        for row in plan.rows()
    ]


def with_interval(value: float, low: float, high: float) -> str:
    """Write a value that stands beside its interval, with one digit more than the interval, and at least four."""
    half = (high - low) / 2
    if not (math.isfinite(half) and half > 0 and value):
        return format_number(value)
    return format_number(value, max(4, 2 + math.floor(math.log10(abs(value))) - math.floor(math.log10(half))))


def law_text(law: Law) -> str:
    """Return a law as a text: formula, parameters with their bounds, published coefficients."""
    unit = f" ({law.unit})" if law.unit else ""
    lines = [law.title, f"{law.output}{unit} = {law.formula}", law.note, law.source]
    bounds = {p.name: f"{p.low} to {p.high}" for p in law.parameters}
    name_width, bound_width = max(map(len, bounds)), max(map(len, bounds.values()))
    lines += ["", *(f"  {p.name:{name_width}}  {bounds[p.name]:{bound_width}}  {p.meaning}" for p in law.parameters)]
    for entry in law.published:
        values = ", ".join(f"{k} = {v:g}" for k, v in entry.values.items())
        lines += ["", f"{entry.name} ({entry.source})", f"  {values}", f"  {entry.note}"]
    return "\n".join(line.rstrip() for line in lines)
