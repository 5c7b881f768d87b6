"""Boundaries of scores as rows: exact ones for programs, and rounded ones for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.rows import Rows, saved_fit_row, with_interval
from scaling.formatting import (
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)


def tasks_shown(rows: Sequence[dict[str, Any]]) -> Rows:
    """Return the tasks of a store as people read them: the columns that say what can be fitted."""
    return [
        {
            "task": row["task"],
            "metric": row["metric"],
            "harness": row["harness"],
            "version": row["version"],
            "scores": row["n_scores"],
            "with compute": row["n_with_compute"],
            "base models": row["n_base_models"],
            "computes": row["n_compute"],
            "from": row["first_date"],
            "to": row["last_date"],
            "superseded": row["superseded"],
        }
        for row in rows
    ]


def question_words(rows: Any) -> str:
    """Say which scores: the task, its metric and who ran it."""
    asked = rows.question
    parts = [part for part in (asked.metric, asked.harness, asked.version) if part]
    return f"{asked.task} ({', '.join(parts)})" if parts else str(asked.task)


def head_of(one: Any) -> dict[str, Any]:
    """Return the keys that open every row about a saved boundary: which fit, of which scores, of which quantile."""
    asked = one.rows.question
    return {
        "fit": one.saved.name,
        "fit_id": one.saved.fit_id,
        "task": asked.task,
        "metric": asked.metric,
        "harness": asked.harness,
        "tau": one.boundary.tau,
    }


def decades(boundary: Any) -> Any:
    """Whole decades of compute within that seen, and both its ends: log10 FLOP, ascending."""
    low, high = boundary.support
    return np.unique(np.concatenate([[low, high], np.arange(np.ceil(low), np.floor(high) + 1)]))


def boundary_row(one: Any, level: float, crossing: float | None = None) -> dict[str, Any]:
    """Return a fitted boundary as one row object.

    Parameters
    ----------
    one : db.boundaries.SavedBoundary
        A boundary of the store.
    level : float
        Nominal coverage of the bands.
    crossing : float, optional
        By how much it and other quantiles crossed as they were fitted.

    Returns
    -------
    dict
        Keys as docs/boundary.md lists them; then those of `reports.rows.saved_fit_row`.
    """
    boundary, rows = one.boundary, one.rows
    z = decades(boundary)
    if boundary.bootstrap:
        band = boundary.predict(z, level=level)
        mean, low, high = band.mean, band.low, band.high
    else:
        mean = boundary.predict(z)
        low = high = np.full(len(z), math.nan)
    own = saved_fit_row(one.saved, level)
    head = head_of(one)
    settings = boundary.settings
    margin = None if rows.period is None else margin_row(boundary)
    table = {
        "name": own["name"],
        "fit_id": own["fit_id"],
        **{k: head[k] for k in ("task", "metric", "harness", "tau")},
        "version": rows.question.version,
        "preset": settings.preset,
        "kappa": settings.kappa,
        "ridge": settings.ridge,
        "n_models": boundary.n_obs,
        "group": rows.question.group,
        "n_groups": len(set(rows.groups or ())) or None,
        "n_compute": len(np.unique(rows.log10_compute)),
        "n_above": boundary.n_above,
        "n_above_expected": boundary.n_obs * (1 - boundary.tau),
        "coverage": boundary.coverage,
        "pinball": boundary.pinball,
        "objective": boundary.objective,
        "objective_value": boundary.objective_value,
        "verdict": boundary.verdict,
        "reasons": list(boundary.reasons),
        "estimates": boundary.estimates,
        "curve": [
            {"compute_flop": 10.0**at, "score": a, "low": b, "high": c}
            for at, a, b, c in zip(z.tolist(), mean.tolist(), low.tolist(), high.tolist(), strict=True)
        ],
        "level": level,
        "band_method": band_method(boundary),
        "bootstrap": boundary.bootstrap,
        "periods": list(rows.periods),
        "margin": margin,
        "left_out": rows.reasons(),
        "notes": list(rows.notes),
        "crossing": crossing,
        "command": one.saved.command,
    }
    return table | {k: v for k, v in own.items() if k not in table}


def margin_row(boundary: Any) -> dict[str, Any]:
    """Return the margin of forecasts out of period: its value, what each source says, and how it was learned."""
    margin = boundary.margin
    return {"value": margin.value, "parts": dict(margin.parts), "method": margin.method}


def band_method(boundary: Any) -> str:
    """How the bands of a boundary were made, in words."""
    return f"{boundary.fit.interval_method}, pointwise" if boundary.bootstrap else "none: there are no replicates"


def boundary_text(one: Any, level: float) -> str:
    """Return a fitted boundary as a text: its scores, the table, the verdict, what was left out, and its macro."""
    rows, saved = one.rows, one.saved
    lines = [question_words(rows), one.boundary.summary(level)]
    if rows.period is not None:
        lines.append(margin_words(one.boundary))
    lines += [f"left out: {format_plural(count, 'score')}, {reason}" for reason, count in rows.reasons().items()]
    lines += [f"note: {note}" for note in rows.notes]
    call = f"SELECT model, score, {saved.name}({', '.join(saved.arguments.values())}) FROM scores"
    return "\n".join([*lines, f"saved as {saved.name} ({saved.fit_id}); in SQL: {call}"])


def margin_words(boundary: Any) -> str:
    """Say what is added for models of a period to come, and where that was learned."""
    margin = boundary.margin
    parts = ", ".join(f"{name} {format_number(value, 2)}" for name, value in margin.parts.items())
    return f"margin for models of a period to come: {format_number(margin.value, 2)}, {margin.method} ({parts})"


def grid_text(grid: Any) -> str:
    """Return several quantiles side by side, in order at each compute, and by how much they had crossed."""
    from reports.terminal import render

    z = decades(grid.boundaries[0])
    levels = grid.predict(z)
    shown = [
        {"compute (FLOP)": format_number(10.0**at)}
        | {f"q{100 * tau:g}": format_number(level[i]) for tau, level in zip(grid.taus, levels, strict=True)}
        for i, at in enumerate(z.tolist())
    ]
    return "\n".join(["Quantiles that do not cross:", render(shown, "table").rstrip("\n"), crossing_words(grid)])


def crossing_words(grid: Any) -> str:
    """Say whether quantiles crossed as they were fitted, which the macros still do."""
    if not grid.crossing:
        return "As fitted they do not cross within the compute seen."
    return (
        f"As fitted, which is what the macros give, they cross by up to {format_number(grid.crossing, 2)} within the "
        "compute seen; here they are in order."
    )


def forecast_rows(one: Any, found: Any) -> Rows:
    """Return attainable scores as rows.

    Parameters
    ----------
    one : db.boundaries.SavedBoundary
        The boundary.
    found : db.boundary_answers.AttainableScores
        What it says.

    Returns
    -------
    list of dict
        One a compute; keys as docs/boundary.md lists them.
    """
    about = {"margin": found.margin, "margin_parts": found.margin_parts, "date": found.date}
    columns = (found.compute_flop, found.score, found.low, found.high, found.extrapolation_factor)
    return [
        head_of(one)
        | {
            "compute_flop": float(compute),
            "score": float(score),
            "low": float(low),
            "high": float(high),
            "level": found.level,
            "extrapolation_factor": float(factor),
            "verdict": verdict_at(float(factor), found.verdict),
            "fit_verdict": one.boundary.verdict,
            "method": found.method,
            "chances": chances,
        }
        | about
        for compute, score, low, high, factor, chances in zip(*columns, found.chances, strict=True)
    ]


def verdict_at(factor: float, verdict: str) -> str:
    """The verdict of a forecast: that of the boundary, or how far it extrapolates."""
    from scaling.verdicts import NOT_IDENTIFIED

    beyond = factor >= 1.05 and verdict != NOT_IDENTIFIED
    return f"extrapolating {format_factor(factor)}" if beyond else verdict


def forecast_shown(rows: Rows) -> Rows:
    """Return attainable scores as people read them."""
    return [
        {
            "compute (FLOP)": format_number(row["compute_flop"]),
            "score": with_interval(row["score"], row["low"], row["high"]),
            f"{format_percent(row['level'])} band": format_interval(row["low"], row["high"]),
            **{f"P(score >= {format_number(c['score'], 3)})": chance_words(c) for c in row["chances"]},
            "verdict": row["verdict"],
        }
        for row in rows
    ]


def chance_words(chance: dict[str, Any]) -> str:
    """Write a chance; one that lies beyond the outermost quantile as a limit."""
    word = "at most " if chance["at_most"] else "at least " if chance["at_least"] else ""
    return f"{word}{format_percent(chance['probability'], 3)}"


def inverse_rows(one: Any, found: Sequence[Any]) -> Rows:
    """Return the compute that scores need as rows: `scaling.boundary.Inverse.to_dict`, with which boundary."""
    return [
        head_of(one)
        | {"verdict": verdict_at(inverse.extrapolation_factor, one.boundary.verdict)}
        | {"fit_verdict": one.boundary.verdict}
        | inverse.to_dict()
        for inverse in found
    ]


def inverse_notes(one: Any, found: Sequence[Any]) -> list[str]:
    """Say what a probability is, and how intervals were made."""
    lines = [
        "probability: the share of models of that compute, like those that were fitted, that score at least so much.",
        *(f"Interval: {method}." for method in dict.fromkeys(inverse.method for inverse in found)),
    ]
    if any(inverse.status == "unreachable" for inverse in found):
        top = one.boundary.estimates["y0"] + one.boundary.estimates["L"]
        lines.append(f"The boundary of this fit ends at {format_number(top)} with any compute.")
    return lines


def inverse_shown(rows: Rows) -> Rows:
    """Return the compute that scores need as people read it."""
    return [
        {
            "score": format_number(row["score"]),
            "probability": format_percent(row["probability"], 3),
            "compute (FLOP)": "-" if row["compute_flop"] is None else format_number(row["compute_flop"], 3),
            f"{format_percent(row['level'])} interval": _ends(row["low"], row["high"]),
            "status": row["status"],
            "extrapolating": "-" if row["extrapolation_factor"] is None else format_factor(row["extrapolation_factor"]),
        }
        for row in rows
    ]


def _ends(low: Any, high: Any) -> str:
    """Ends of an interval of compute, decades apart, so each is rounded by itself."""
    if low is None or high is None:
        return "unknown"
    named = {"inf": "unreachable", "-inf": "0", 0.0: "0"}
    return " to ".join(str(named.get(end) or format_number(float(end), 2)) for end in (low, high))
