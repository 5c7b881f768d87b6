"""Approaches 1, 2 and 3 as rows for programs, and as a text for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.terminal import render
from scaling.formatting import UNKNOWN, format_count, format_number, format_percent

if TYPE_CHECKING:
    from scaling.approaches.side_by_side import Approaches

Rows = list[dict[str, Any]]
_WORDS = {"N": "params", "D": "tokens"}


def approaches_rows(found: Approaches, remarks: Sequence[str] = ()) -> Rows:
    """Return one row an approach and budget asked for; `remarks`, on the data, stand before the notes."""
    shared = {
        "law": found.law,
        "objective": found.objective,
        "replicates": found.bootstrap,
        "n_rows": found.n_rows,
        "grouping": found.budgets.rule,
        "notes": [*remarks, *found.notes],
        "seed": found.seed,
    }
    return [row | shared for row in found.table]


def vertex_rows(found: Approaches) -> Rows:
    """Return one row a budget of the runs, for parameters and for tokens, with the raw and the corrected optimum."""
    rows = []
    for quantity, raw in found.optima.items():
        fixed = found.corrected.get(quantity)
        for i, row in enumerate(raw.rows()):
            better = float("nan") if fixed is None else fixed.budgets[i].optimum
            rows.append(row | {"corrected": better, "bias": row["optimum"] / better - 1})
    return rows


def vertices_shown(found: Approaches) -> Rows:
    """Return the budgets of the runs as people read them."""
    rows = []
    for row in vertex_rows(found):
        known = row["low"] == row["low"]
        rows.append(
            {
                "optimum in": _WORDS[row["quantity"]],
                "compute (FLOP)": format_number(row["compute_flop"]),
                "runs": str(row["n_rows"]),
                "sizes": str(row["n_sizes"]),
                "optimum": format_count(row["optimum"]),
                f"{100 * found.level:g} %": f"{format_count(row['low'])} to {format_count(row['high'])}"
                if known
                else UNKNOWN,
                "bias": format_percent(row["bias"]) if row["bias"] == row["bias"] else UNKNOWN,
                "corrected": format_count(row["corrected"]),
                "refused": (row["refused"] or "").replace("_", " "),
            }
        )
    return rows


def approaches_text(found: Approaches, remarks: Sequence[str] = ()) -> str:
    """Return the whole comparison as a text: the summary, and the optimum in parameters of every budget."""
    shown = [row for row in vertices_shown(found) if row["optimum in"] == _WORDS["N"]]
    head = "".join(f"{line}\n" for line in remarks)
    return f"{head}{found.summary()}\n\nApproach 2, budget by budget:\n{render(shown, 'table').rstrip()}"
