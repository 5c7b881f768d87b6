"""Imitation thresholds as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scaling.formatting import format_interval, format_number, format_percent, format_plural


def imitation_row(answer: Any) -> dict[str, Any]:
    """Return an imitation threshold as one row object.

    Parameters
    ----------
    answer : db.imitation_fits.ImitationAnswer
        What came of the concepts.

    Returns
    -------
    dict
        Keys as docs/appraisal.md lists them.
    """
    saved, fit = answer.saved, answer.saved.fit
    found = answer.threshold.to_dict()
    level = found["level"]
    parameters = {}
    for name, value in fit.estimates.items():
        low, high = fit.interval(name, level)
        parameters[name] = {"estimate": value, "low": low, "high": high}
    return {
        "name": saved.name,
        "fit_id": saved.fit_id,
        "metric": answer.metric,
        "count": saved.config["derived"]["asked"]["count"],
        **found,
        "rise": parameters,
        "verdict": fit.verdict,
        "reasons": list(fit.diagnostics.reasons),
        "excluded": dict(answer.excluded),
        "command": saved.command,
    }


def isotonic_rows(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rising curve as flat rows."""
    pairs = zip(row["isotonic_counts"], row["isotonic_scores"], strict=True)
    return [{"count": count, "score": score} for count, score in pairs]


def imitation_text(row: Mapping[str, Any], answer: Any) -> str:
    """Return an imitation threshold as a text: the change point, the stretches, the smooth rise, and warnings."""
    from reports.terminal import render

    change, *warnings = repr(answer.threshold).split("\nwarning: ")
    rise, level = row["rise"]["threshold"], format_percent(row["level"])
    lines = [change]
    if row["change_points"]:
        lines.append(render(_stretches(row), "table").rstrip("\n"))
    lines.append(
        f"smooth rise: half way at {format_number(rise['estimate'])} ({level} interval "
        f"{format_interval(rise['low'], rise['high'])}), from {format_number(row['rise']['low']['estimate'], 3)} to "
        f"{format_number(row['rise']['high']['estimate'], 3)}; verdict: {row['verdict']}"
    )
    lines += [f"  - {reason}" for reason in row["reasons"]]
    lines += [f"warning: {text.strip()}" for text in warnings]
    lines += [f"left out: {format_plural(count, 'run')}: {reason}" for reason, count in row["excluded"].items()]
    return "\n".join([*lines, f"saved as {row['name']}; in SQL: {row['name']}({_argument(answer)})"])


def _stretches(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the stretches of one mean as people read them."""
    starts = ["the first", *(format_number(count) for count in row["change_points"])]
    return [
        {"count from": start, "mean score": format_number(mean, 3)}
        for start, mean in zip(starts, row["means"], strict=True)
    ]


def _argument(answer: Any) -> str:
    return ", ".join(answer.saved.arguments.values())
