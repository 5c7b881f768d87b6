"""Pairs of runs, and maps from loss to loss, as rows: exact ones for programs, and rounded ones for people."""

from __future__ import annotations

from typing import Any

from reports.rows import Rows
from scaling.formatting import format_count, format_number

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
