"""Shifts between scores as rows: one object a test for programs, its main table for a sheet, a text for people."""

from __future__ import annotations

from typing import Any

from reports.boundary_rows import question_words
from reports.rows import Rows
from scaling.formatting import format_plural


def scores_head(rows: Any) -> dict[str, Any]:
    """Say of loaded scores what they are: the keys of each entry of ``scores``.

    Parameters
    ----------
    rows : db.score_rows.ScoreRows
        The scores.

    Returns
    -------
    dict
        ``task metric harness version where group date n_scores left_out notes``.
    """
    asked = rows.question
    return {
        "task": asked.task,
        "metric": asked.metric,
        "harness": asked.harness,
        "version": asked.version,
        "where": asked.where,
        "group": asked.group,
        "date": asked.date,
        "n_scores": len(rows),
        "left_out": rows.reasons(),
        "notes": list(rows.notes),
    }


def shift_row(answer: Any) -> dict[str, Any]:
    """Return a test as one row object.

    Parameters
    ----------
    answer : db.boundary_shift.ShiftAnswer
        What it found.

    Returns
    -------
    dict
        Keys as docs/shift.md lists them: ``kind``, ``scores``, those of the result, and of what stands beside it.
    """
    extra = {name: one.to_dict() if hasattr(one, "to_dict") else one for name, one in answer.extra.items()}
    out = {
        "kind": answer.kind,
        "scores": [scores_head(rows) for rows in answer.rows],
        **answer.result.to_dict(),
        **extra,
    }
    return out | {"notes": [*answer.notes, *out["notes"]]}


def shift_table(answer: Any) -> Rows:
    """Return the main table of a test, for a sheet: a row a month and rule, a cutoff, a jump, or one in all."""
    first, last = answer.rows[0].question, answer.rows[-1].question
    whole = answer.result.to_dict()
    if answer.kind == "saturation":
        return [
            {"task": first.task, "rule": rule["rule"], **month} for rule in whole["rules"] for month in rule["months"]
        ]
    if answer.kind == "contamination":
        return [{"task_a": first.task, "task_b": last.task, **cutoff} for cutoff in whole["cutoffs"]]
    if answer.kind == "jump":
        return list(whole["table"])
    sides = ("harness_a", "harness_b") if answer.kind == "harness" else ("version_a", "version_b")
    names = [getattr(one, answer.kind if answer.kind == "harness" else "version") for one in (first, last)]
    plain_ones = {name: value for name, value in whole.items() if not isinstance(value, list | tuple | dict)}
    return [{"task": first.task, **dict(zip(sides, names, strict=True)), **plain_ones}]


def shift_text(answer: Any) -> str:
    """Return a test as people read it: which scores, what was found, and what was left out."""
    words = [question_words(rows) for rows in answer.rows]
    if answer.kind == "regrade" and answer.rows[-1].question.version is None:
        words[-1] += ", the version in force"
    joined = {"contamination": "A: {}\nB: {}", "harness": "A: {}\nB: {}", "regrade": "before: {}\nafter: {}"}
    head = joined[answer.kind].format(*words) if answer.kind in joined else "; ".join(words)
    lines = [head, *answer.notes, "", answer.result.summary()]
    if (beside := answer.extra.get("compute")) is not None:
        lines += ["", beside.summary()]
    return "\n".join([*lines, *left_out_lines(answer.rows)])


def left_out_lines(parts: Any) -> list[str]:
    """Say which scores were not loaded, and why; of several parts, of which task or side."""
    several = len({rows.question.task for rows in parts}) > 1
    out: dict[str, None] = {}
    for rows in parts:
        where = f" of {rows.question.task}" if several else ""
        for reason, count in rows.reasons().items():
            out[f"not loaded: {format_plural(count, 'score')}{where}, {reason}"] = None
    return list(out)
