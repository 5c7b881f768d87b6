"""A choice of models to evaluate as rows: the models by name, and what each design recovers beside random choice."""

from __future__ import annotations

from typing import Any

from reports.boundary_rows import question_words
from reports.boundary_shift_rows import left_out_lines, scores_head
from reports.rows import Rows
from scaling.formatting import format_number, format_percent, format_plural

_SHOWN = 20  # models that a text names


def choice_rows(answer: Any) -> Rows:
    """Return the chosen models, in the order of choice.

    Parameters
    ----------
    answer : db.boundary_design.DesignAnswer
        The choice.

    Returns
    -------
    list of dict
        ``rank model model_id group compute_flop cost spent_share bin``: the share of what the pool costs that is spent
        up to and with it, and the number of its bin of compute.
    """
    out, spent = [], 0.0
    for rank, i in enumerate(answer.design.order, start=1):
        z = float(answer.log10_compute[i])
        cost = float(answer.cost[i])
        spent += cost
        place = next((n for n, b in enumerate(answer.design.bins, start=1) if b.low <= z <= b.high), None)
        out.append(
            {
                "rank": rank,
                "model": answer.model[i],
                "model_id": answer.model_id[i],
                "group": answer.group[i],
                "compute_flop": 10.0**z,
                "cost": cost,
                "spent_share": spent / answer.design.pool_cost,
                "bin": place,
            }
        )
    return out


def design_row(answer: Any, cost: str) -> dict[str, Any]:
    """Return a choice as one row object.

    Parameters
    ----------
    answer : db.boundary_design.DesignAnswer
        The choice.
    cost : str
        What costs were taken from.

    Returns
    -------
    dict
        Keys as docs/evaluation_design.md lists them.
    """
    made = answer.design.to_dict()
    made.pop("order")
    asked = None if answer.rows is None else answer.rows.question
    return {
        "task": None if asked is None else asked.task,
        "metric": None if asked is None else asked.metric,
        "harness": None if asked is None else asked.harness,
        "version": None if asked is None else asked.version,
        "design": made.pop("name"),
        "n_chosen": len(answer.design.order),
        "cost": cost,
        **made,
        "choice": choice_rows(answer),
        "comparison": None if answer.comparison is None else answer.comparison.to_dict(),
        "no_comparison": answer.why_none or None,
        "scores": None if answer.rows is None else scores_head(answer.rows),
        "notes": [*answer.notes, *made["notes"]],
    }


def design_text(answer: Any, cost: str) -> str:
    """Return a choice as people read it: the bins, the first models by name, and which design wins."""
    from reports.terminal import render

    named = "a task that nobody has run" if answer.rows is None else question_words(answer.rows)
    chosen = choice_rows(answer)
    shown = [
        {
            "": row["rank"],
            "model": row["model"],
            "compute (FLOP)": format_number(row["compute_flop"], 3),
            "cost": format_number(row["cost"], 3),
            "spent": format_percent(row["spent_share"], 3),
            "bin": row["bin"],
        }
        for row in chosen[:_SHOWN]
    ]
    lines = [
        f"Models to evaluate on {named}; cost: {'all alike' if cost == 'one' else cost}",
        *answer.notes,
        "",
        *(line for line in answer.design.summary().splitlines() if not line.startswith("  first rows:")),
        "",
        render(shown, "table").rstrip("\n"),
    ]
    if len(chosen) > _SHOWN:
        lines.append(f"and {format_plural(len(chosen) - _SHOWN, 'model')} more; all of them with --format csv")
    if answer.comparison is None:
        lines += ["", f"Not compared with random choice: {answer.why_none}."]
    else:
        lines += ["", answer.comparison.summary()]
        if answer.known.any():
            lines.append("The comparison begins with nothing known.")
    return "\n".join([*lines, *([] if answer.rows is None else left_out_lines([answer.rows]))])
