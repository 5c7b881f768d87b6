"""Boundaries in time as rows: all that was found as one object, the steps between periods as a sheet."""

from __future__ import annotations

from typing import Any

from reports.boundary_rows import question_words
from reports.boundary_shift_rows import left_out_lines, scores_head
from reports.rows import Rows


def drift_row(answer: Any, level: float) -> dict[str, Any]:
    """Return what time did to a boundary as one row object.

    Parameters
    ----------
    answer : db.boundary_drift.DriftAnswer
        What was found.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    dict
        Keys as docs/boundary_drift.md lists them.
    """
    asked, saved = answer.rows.question, answer.saved
    return {
        "task": asked.task,
        "metric": asked.metric,
        "harness": asked.harness,
        "version": asked.version,
        "drift": None if answer.drift is None else answer.drift.to_dict(),
        "in_time": None if answer.in_time is None else answer.in_time.to_dict(level),
        "gain": None if answer.gain is None else answer.gain.to_dict(level),
        "density": None if answer.density is None else _named(answer),
        "refused": answer.refused,
        "name": None if saved is None else saved.name,
        "fit_id": None if saved is None else saved.fit_id,
        "command": None if saved is None else saved.command,
        "scores": scores_head(answer.rows),
        "notes": list(answer.notes),
    }


def _named(answer: Any) -> dict[str, Any]:
    """Densities with the names of the models that were denser than all before."""
    found = answer.density
    table: dict[str, Any] = found.to_dict()
    names = [answer.rows.model[found.boundary.scores.kept[i]] for i in found.records]
    rows = [{key: value for key, value in row.items() if key != "row"} for row in table["records"]]
    table["records"] = [{"model": name} | row for name, row in zip(names, rows, strict=True)]
    return table


def drift_table(answer: Any) -> Rows:
    """Return the main table: a row a step and compute; where no periods were compared, what a year is worth."""
    task = answer.rows.question.task
    if answer.drift is None:
        return [{"task": task, **answer.in_time.gain(0.9).to_dict()}]
    return [
        {
            "task": task,
            "before": step["before"],
            "after": step["after"],
            "compute_flop": 10.0 ** row["log10_compute"],
            **{name: row[name] for name in ("shift", "low", "high", "p")},
            "p_step": step["p_value"],
            "signed_coverage_error": step["forecast"]["signed_coverage_error"],
        }
        for step in answer.drift.to_dict()["steps"]
        for row in step["shifts"]
    ]


def drift_text(answer: Any, level: float) -> str:
    """Return what time did to a boundary as people read it."""
    parts = [question_words(answer.rows), *answer.notes]
    for name, summary in (
        ("drift", None if answer.drift is None else answer.drift.summary()),
        ("in_time", None if answer.in_time is None else answer.in_time.summary(level)),
        ("gain", None if answer.gain is None else answer.gain.summary(level)),
        ("density", None if answer.density is None else answer.density.summary()),
    ):
        if summary is not None:
            parts += ["", summary]
        elif name in answer.refused:
            what = {"drift": "Periods were not compared", "in_time": "No boundary that a year moves"}[name]
            parts += ["", f"{what}: {answer.refused[name]}"]
    parts += ["", *left_out_lines([answer.rows])]
    if (saved := answer.saved) is not None:
        year = saved.columns["year"]
        parts.append(
            f"saved as {saved.name} ({saved.fit_id}); in SQL: SELECT model, score, "
            f"{saved.name}(compute_flop, {year[1:-1]}) FROM scores"
        )
    return "\n".join(parts).rstrip("\n")
