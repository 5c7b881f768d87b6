"""Observational scaling as rows: the analysis and the selection as one object, its forecasts as a sheet."""

from __future__ import annotations

from typing import Any

from reports.boundary_rows import question_words
from reports.boundary_shift_rows import left_out_lines, scores_head
from reports.rows import Rows
from scaling.formatting import format_plural

UNSAVED = (
    "It is not kept as a fit. With --name NAME the link is saved, as a law and a SQL macro of the benchmark scores."
)


def observational_row(answer: Any) -> dict[str, Any]:
    """Return an analysis as one row object.

    Parameters
    ----------
    answer : db.boundary_observational.ObservationalAnswer
        The analysis.

    Returns
    -------
    dict
        Keys as docs/observational.md lists them.
    """
    return {
        "task": answer.task,
        "benchmarks": list(answer.benchmarks),
        "n_models": len(answer.kept),
        "n_families": len(set(answer.families)),
        "n_components": answer.components,
        "analysis": None if answer.analysis is None else answer.analysis.to_dict(),
        "selection": None if answer.selection is None else selection_row(answer),
        "scores": [scores_head(rows) for rows in answer.joined.parts.values()],
        "notes": list(answer.notes),
        "fit": None if answer.saved is None else answer.saved.name,
        "fit_id": None if answer.saved is None else answer.saved.fit_id,
        "inputs": None if answer.saved is None else dict(answer.saved.config["observational"]["inputs"]),
    }


def selection_row(answer: Any) -> dict[str, Any]:
    """Return selected families, their models by name."""
    table: dict[str, Any] = answer.selection.to_dict()
    return table | {"models": [model for _, model in _selected(answer)]}


def _selected(answer: Any) -> list[tuple[str, str]]:
    """Family and model of those selected, families in their order."""
    place = {family: i for i, family in enumerate(answer.selection.families)}
    named = [(answer.families[i], answer.models[i]) for i in answer.selection.models]
    return sorted(named, key=lambda pair: (place[pair[0]], pair[1]))


def observational_table(answer: Any) -> Rows:
    """Return the main table: a row a model with its forecast, or a model of the selected families."""
    if answer.analysis is not None:
        return list(answer.analysis.rows())
    return [{"family": family, "model": model} for family, model in _selected(answer)]


def observational_text(answer: Any) -> str:
    """Return an analysis as people read it."""
    parts = answer.joined.parts
    on = ", ".join(question_words(parts[name]) for name in answer.benchmarks)
    what = "" if answer.task is None else f"{question_words(parts[answer.task])} from "
    lines = [f"{what}{on}", *answer.notes]
    if answer.analysis is not None:
        lines += ["", answer.analysis.summary()]
    if answer.selection is not None:
        lines += ["", f"Families, by {format_plural(answer.components, 'component')}:", answer.selection.summary()]
    return "\n".join([*lines, *left_out_lines(parts.values()), *_saved_lines(answer)])


def _saved_lines(answer: Any) -> list[str]:
    """Say what the fit is called, and how its macro is called in SQL."""
    if answer.analysis is None:
        return []
    if answer.saved is None:
        return [UNSAVED]
    kept = answer.saved.config["observational"]
    said = ", ".join(f"{key} is {label}" for key, label in kept["inputs"].items())
    return [
        f"Saved as {answer.saved.name}, a law of the benchmark scores ({said}). Its intervals take the components as "
        "known; those above do not.",
        f"Its forecasts of all models: {macro_query(answer.saved)}",
    ]


def macro_query(saved: Any) -> str:
    """Write the SQL that calls the macro of such a fit with the scores of each model."""
    kept = saved.config["observational"]
    parts = []
    for label in kept["inputs"].values():
        asked = kept["scores"][label]
        also = [f"task = {_text(label)}", f"metric = {_text(asked['metric'])}"]
        also += [f"harness = {_text(asked['harness'])}"] if asked["harness"] else []
        also += [f"task_version = {_text(asked['version'])}"] if asked["version"] else ["NOT superseded"]
        parts.append(f"max(score) FILTER ({' AND '.join(also)})")
    return f"SELECT model, {saved.name}({', '.join(parts)}) AS forecast FROM scores GROUP BY model ORDER BY model"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
