"""Steps to a target over batch size as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reports.rows import Rows, saved_fit_row
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural, format_whole


def steps_row(one: Any, level: float, conventions: Any = None) -> dict[str, Any]:
    """Return fitted steps to a target as one row object.

    Parameters
    ----------
    one : db.batch_answers.SavedSteps
        A fit of the store.
    level : float
        Nominal coverage of the intervals.
    conventions : ConventionTable, optional
        What conventions make of the exponent.

    Returns
    -------
    dict
        Keys as docs/batch_size.md lists them; then those of `reports.rows.saved_fit_row`.
    """
    sweep, own = one.rows.source, saved_fit_row(one.saved, level)
    table = {
        "name": own["name"],
        "fit_id": own["fit_id"],
        "sweep": sweep.name,
        "form": one.steps.form,
        "unit": sweep.unit,
        "target": sweep.found.target,
        "target_rule": sweep.rule,
        "n_params": sweep.n_params,
        "n_tokens": sweep.n_tokens,
        "overhead": sweep.overhead,
        "anchor": sweep.anchor,
        "estimates": one.steps.estimates,
        "sigma": one.steps.sigma,
        "critical": [found.to_dict() for found in one.critical(level)],
        "cells": [cell.to_dict() for cell in sweep.found.cells],
        "forms": None if one.forms is None else one.forms.to_dict(),
        "conventions": None if conventions is None else conventions.to_dict(),
        "verdict": one.steps.verdict,
        "reasons": list(one.steps.reasons),
        "notes": list(one.rows.notes),
        "command": one.saved.command,
    }
    return table | {k: v for k, v in own.items() if k not in table}


def cells_shown(one: Any) -> Rows:
    """Return the cells of a sweep as people read them."""
    sweep = one.rows.source
    several = any(cell.runs > 1 for cell in sweep.found.cells)
    return [
        {
            f"batch ({sweep.unit})": format_whole(cell.batch),
            "steps": ("more than " if cell.censored else "") + format_number(cell.steps, 6),
            "best run": cell.run_id,
            **({f"{name}": _setting(value) for name, value in cell.settings.items() if _known(value)}),
            **({"runs": cell.runs, "reached": cell.reached, "diverged": cell.diverged} if several else {}),
            "flags": _flags(cell),
        }
        for cell in sweep.found.cells
    ]


def steps_text(one: Any, level: float) -> str:
    """Return fitted steps to a target as a text: the cells, the curve, critical batch sizes, and what to know."""
    from reports.terminal import render

    sweep, saved = one.rows.source, one.saved
    lines = [_head(sweep), render(cells_shown(one), "table").rstrip("\n"), one.steps.fit.summary(level)]
    lines += [f"critical batch size: {line}" for line in critical_lines(one.critical(level))]
    if one.forms is not None:
        lines.append(forms_words(one.forms))
    lines += [f"left out: {format_plural(count, 'run')}, {reason}" for reason, count in one.rows.reasons().items()]
    lines += [f"note: {note}" for note in one.rows.notes]
    call = f"{saved.name}({', '.join(saved.arguments.values())})"
    return "\n".join([*lines, f"saved as {saved.name} ({saved.fit_id}); in SQL: {call}"])


def critical_lines(found: Sequence[Any]) -> list[str]:
    """Write critical batch sizes, a line each: the number, its unit, its interval and its convention."""
    lines = []
    for one in found:
        share = f"{format_percent(one.level, 3)} interval {one.interval}"
        lines.append(f"{format_number(one.estimate)} {one.unit} ({share}), {one.definition}")
    beyond = [note for one in found for note in one.notes if note not in found[0].notes or one is found[0]]
    return lines + [f"  {note}" for note in dict.fromkeys(beyond)]


def forms_words(forms: Any) -> str:
    """Return the forms that were held against each other as a text."""
    from reports.terminal import render

    level = format_percent(forms.level, 3)
    rows = []
    for form in forms.forms:
        far = {
            f"steps at B = {format_whole(batch)}": f"{format_number(steps)} ({format_interval(low, high)})"
            for batch, steps, low, high in form.beyond
        }
        missed = "-" if math.isnan(form.rms) else format_percent(form.rms)
        rows.append(
            {
                "form": form.steps.fit.law.formula,
                "missed held-out steps by": missed,
                "AICc": format_number(form.aicc, 3),
            }
            | {"asymptotes meet at": format_number(form.critical.estimate)}
            | far
        )
    head = f"Forms of the curve, the largest batch sizes held out; beyond the data with {level} intervals:"
    return "\n".join([head, render(rows, "table").rstrip("\n"), f"{forms.chosen}: {forms.reason}."])


def conventions_words(table: Any) -> str:
    """Return what conventions make of an exponent as a text."""
    return f"What the exponent of the critical batch size is by other conventions, on the same curves:\n{table!r}"


def _head(sweep: Any) -> str:
    which = "" if sweep.name is None else f"sweep {sweep.name}: "
    size = "" if math.isnan(sweep.n_params) else f", {format_count(sweep.n_params)} parameters"
    target = sweep.found.target
    loss = "a target loss" if math.isnan(target) else f"a loss of {format_number(target, 6)}"
    return f"{which}steps to {loss} ({sweep.rule}){size}"


def _flags(cell: Any) -> str:
    flags = [*cell.edges]
    if cell.censored:
        flags.append("all diverged" if cell.diverged == cell.runs else "target not reached")
    return ", ".join(flags)


def _known(value: Any) -> bool:
    return not (isinstance(value, float) and math.isnan(value))


def _setting(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else str(value)
