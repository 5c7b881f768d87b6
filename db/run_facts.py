"""The facts of a run as the store has them: what it was, by which rule, and what somebody corrected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.store import Store


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
        ``fact value rule keys``, in alphabetical order, those that are missing last. What was set by hand stands with
        the rule ``set by hand``, beside what the log said. Empty for runs of tables that nobody corrected.
    """
    _, rows = store.query(
        "SELECT fact, coalesce(text_value, value::VARCHAR), value, rule, keys FROM run_facts WHERE run_id = ? "
        "ORDER BY rule LIKE 'missing: %', fact",
        [run_id],
    )
    found = {
        fact: {"fact": fact, "value": text if value is None else value, "rule": rule, "keys": json.loads(keys)}
        for fact, text, value, rule, keys in rows
    }
    _, set_by_hand = store.query(
        "SELECT fact, coalesce(text_value, value::VARCHAR), value, coalesce(was_text, was::VARCHAR), corrected_at "
        "FROM corrections WHERE run_id = ? ORDER BY fact",
        [run_id],
    )
    for fact, text, value, was, at in set_by_hand:
        before = f", before {was}" if was is not None else ""
        rule = f"set by hand on {at:%Y-%m-%d}{before}"
        found[fact] = {"fact": fact, "value": text if value is None else value, "rule": rule, "keys": []}
    return list(found.values())
