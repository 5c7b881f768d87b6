"""The forms of a map, or of a law of an accuracy, that were tried: a table, and below it what decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scaling.formatting import format_number

_DECIDES = (
    "Forms are compared cut-off by cut-off, by the mean logarithm of the ratio of their errors; the held-out error is "
    "that of all cut-offs together, so a form called worse may have the smaller one."
)


def forms_text(record: Mapping[str, Any], head: str, error: Callable[[float], str]) -> str:
    """Return the forms that were tried as a text.

    Parameters
    ----------
    record : mapping
        What a fit keeps of the choice: ``candidates``, rows of ``form verdict score weight reason``.
    head : str
        Name of the column of held-out errors.
    error : callable
        Writes one of them.

    Returns
    -------
    str
        A table; below it what decides between forms where errors are shown, and the reasons, one a line, which are too
        long for a cell.
    """
    from reports.terminal import render

    rows = [
        {
            "form": row["form"],
            head: "-" if row["score"] is None else error(row["score"]),
            "weight": format_number(row["weight"], 2),
            "verdict": row["verdict"],
        }
        for row in record["candidates"]
    ]
    lines = [render(rows, "table").rstrip("\n")]
    if any(row["score"] is not None for row in record["candidates"]):
        lines.append(_DECIDES)
    lines += [f"{row['form']}: {row['reason']}" for row in record["candidates"] if row["reason"]]
    return "\n".join(lines)
