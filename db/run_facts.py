"""The facts of a run as the store has them: what it was, by which rule, and what somebody corrected."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from db.views import runs_final_sql
from scaling.formatting import format_number

if TYPE_CHECKING:
    from db.store import Store

# What SQL makes of the texts of kept columns.
_READ: dict[str, Callable[[str], Any]] = {"BOOLEAN": "true".__eq__, "BIGINT": int, "DOUBLE": float, "VARCHAR": str}


def run_final(store: Store, run_id: str) -> dict[str, Any] | None:
    """The row of ``runs_final`` of a run, None where there is none.

    Asked so that thousands of kept columns cost nothing: the view makes an expression of each.

    Parameters
    ----------
    store : Store
        An open store.
    run_id : str
        The run.

    Returns
    -------
    dict or None
        By name.
    """
    columns, rows = store.query(f"SELECT * FROM ({runs_final_sql([])}) WHERE run_id = ?", [run_id])
    if not rows:
        return None
    kept = store.kept_columns()
    _, found = store.query(
        "SELECT entry.key, json_extract_string(entry.value, '$') FROM runs, json_each(runs.extra) AS entry "
        "WHERE run_id = ?",
        [run_id],
    )
    texts = dict(found)
    return dict(zip(columns, rows[0], strict=True)) | {
        column.name: None if (text := texts.get(column.key)) is None else _READ[column.sql_type](text)
        for column in kept
    }


def facts_of(store: Store, run_id: str) -> list[dict[str, Any]]:
    """List the facts of a run.

    Parameters
    ----------
    store : Store
        An open store.
    run_id : str
        The run.

    Returns
    -------
    list of dict
        ``fact value rule keys``, in alphabetical order, what is missing or in doubt after it, and what was set by hand
        last, with what the source says. Empty for runs of tables that nobody corrected.
    """
    _, rows = store.query(
        "SELECT fact, text_value, value, rule, keys FROM run_facts WHERE run_id = ? "
        "ORDER BY rule LIKE 'missing: %' OR rule LIKE 'in doubt: %', fact, rule",
        [run_id],
    )
    _, set_by_hand = store.query(
        "SELECT fact, text_value, value, was, corrected_at FROM corrections WHERE run_id = ? ORDER BY fact", [run_id]
    )
    corrected = {row[0] for row in set_by_hand}
    found = [
        {"fact": fact, "value": value if text is None else text, "rule": rule, "keys": json.loads(keys)}
        for fact, text, value, rule, keys in rows
        if fact not in corrected
    ]
    by_rule = {fact: rule for fact, *_, rule, _ in rows}
    for fact, text, value, was, at in set_by_hand:
        before = json.loads(was)
        shown = format_number(before) if isinstance(before, int | float) else str(before)
        told = f" ({by_rule[fact]})" if fact in by_rule else ""
        rule = f"set by hand on {at:%Y-%m-%d}; its source says " + (
            f"{shown}{told}" if before is not None else "nothing"
        )
        found.append({"fact": fact, "value": value if text is None else text, "rule": rule, "keys": []})
    return found
