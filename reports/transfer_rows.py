"""Pairs of runs, and maps from loss to loss, as rows: exact ones for programs, and rounded ones for people."""

from __future__ import annotations

import math
from typing import Any

from reports.forms_rows import forms_text
from reports.rows import Rows, saved_fit_row, saved_fit_text
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural

_SHOWN = 12  # unpaired runs that a table names


def pair_rows(found: Any) -> Rows:
    """Return pairs as rows, then the runs that are in none.

    Parameters
    ----------
    found : db.pairs.PairSelection
        The pairs.

    Returns
    -------
    list of dict
        Of a pair its number, both sides' runs, the source's size and both losses as they are fitted; of a run that is
        in none the side that it is on and the ``reason``, with the rest missing.
    """
    pairs = found.pairs
    rows: Rows = [
        {
            "pair": i + 1,
            "source": " ".join(ours),
            "target": " ".join(theirs),
            "n_params": float(pairs.n_params[i]),
            "n_tokens": float(pairs.n_tokens[i]),
            "compute_flop": float(pairs.budget[i]),
            "x": float(found.inputs["x"][i]),
            "y": float(found.observed[i]),
            "reason": None,
        }
        for i, (ours, theirs) in enumerate(pairs.members)
    ]
    empty = dict.fromkeys(rows[0])
    for one in found.excluded:
        side, _, reason = one.reason.partition(": ")
        rows.append(empty | {side: one.run_id, "reason": reason})
    return rows


def pairs_shown(found: Any) -> str:
    """Return pairs as people read them: a table of the pairs, and one of the runs that are in none."""
    from reports.terminal import render

    rows = pair_rows(found)
    shown = [
        {
            "source": row["source"],
            "target": row["target"],
            "params": format_count(row["n_params"]),
            "tokens": format_count(row["n_tokens"]),
            "compute (FLOP)": format_number(row["compute_flop"]),
            "x": format_number(row["x"]),
            "y": format_number(row["y"]),
        }
        for row in rows
        if row["pair"] is not None
    ]
    parts = [f"y = {found.question.words}", render(shown, "table").rstrip("\n")]
    left = [row for row in rows if row["pair"] is None]
    if left:
        named = [
            {"unpaired": row["source"] or row["target"], "side": "source" if row["source"] else "target",
             "reason": row["reason"]}
            for row in left[:_SHOWN]
        ]  # fmt: skip
        parts.append(render(named, "table").rstrip("\n"))
        if len(left) > _SHOWN:
            parts.append(f"and {len(left) - _SHOWN} more; all of them with --format csv")
    return "\n\n".join(parts)


def transfer_row(saved: Any, level: float) -> dict[str, Any]:
    """Return a fitted map as one row object.

    Parameters
    ----------
    saved : db.saved.SavedFit
        Of pairs.
    level : float
        Nominal coverage of the intervals of its parameters.

    Returns
    -------
    dict
        ``kappa K floor_x floor_y`` (None where the form has no such number), ``form n_pairs r2 verdict``, where
        ``floors`` come from, how runs were paired, the back-test by extrapolation factor, and all forms that were
        tried; then that of `reports.rows.saved_fit_row`.
    """
    fit, asked = saved.fit, saved.pairs
    record = fit.settings["loss_to_loss"]
    own = saved_fit_row(saved, level)
    floors = {"x": record["floor_x"], "y": record["floor_y"]}
    counts = saved.excluded["counts"]
    head = {
        "name": saved.name,
        "fit_id": saved.fit_id,
        "map": asked.words,
        "form": record["form"],
        "kappa": fit.estimates.get("kappa"),
        "K": fit.estimates.get("K"),
        "floor_x": _floor_value(floors["x"]),
        "floor_y": _floor_value(floors["y"]),
        "n_pairs": fit.n_obs,
        "r2": record["r2"],
        "verdict": fit.verdict,
        "reasons": own["reasons"],
        "estimates": dict(fit.estimates),
        "intervals": {k: {"low": p["low"], "high": p["high"]} for k, p in own["parameters"].items()},
        "floors": floors,
        "source": {"value": asked.source, "metric": asked.metric_source, "unit": fit.law.inputs["x"] or "unknown"},
        "target": {"value": asked.target, "metric": asked.metric_target, "unit": fit.law.unit or "unknown"},
        "pairing": {"by": asked.way, "column": asked.column, "tolerance": saved.config["transfer"]["tolerance"]},
        "unpaired": {
            side: sum(n for reason, n in counts.items() if reason.startswith(f"{side}: "))
            for side in ("source", "target")
        },
        "notes": list(saved.config["notes"]),
        "ordered_by": record["ordered_by"],
        "backtest": [] if fit.backtest is None else [entry.to_dict() for entry in fit.backtest.summary()],
        "chosen": record["chosen"],
        "candidates": record["candidates"],
    }
    return head | {k: v for k, v in own.items() if k not in head}


def transfer_text(saved: Any, level: float) -> str:
    """Return a fitted map as a text: the map, its floors and pairs, the forms that were tried, and the fit itself."""
    fit, record = saved.fit, saved.fit.settings["loss_to_loss"]
    lines = [
        f"y = {saved.pairs.words}",
        f"form {record['form']}, {record['chosen']}; {format_plural(fit.n_obs, 'pair')}, R^2 of the losses "
        f"{format_number(record['r2'], 5)}",
        *(f"floor of {side}: {_floor_words(record[f'floor_{side}'])}" for side in ("x", "y")),
    ]
    parts = ["\n".join(lines), forms_text(record, "held-out error", format_percent)]
    if fit.backtest is not None:
        parts.append(repr(fit.backtest))
    return "\n\n".join([*parts, saved_fit_text(saved, level)])


def _floor_value(floor: dict[str, Any]) -> float | None:
    """A floor as a number, where the map has it."""
    return floor["value"] if floor["kind"] in ("given", "free") else None


def _floor_words(floor: dict[str, Any]) -> str:
    if floor["value"] is None:
        return str(floor["source"])
    low, high = floor.get("low"), floor.get("high")
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    within = f" ({format_interval(low, high)})" if known else ""
    use = {"given": f"given, {floor['source']}", "free": "found by this fit"}
    return f"{format_number(floor['value'])}{within}, {use.get(floor['kind'], 'not used by this form')}"
