"""Runs to buy on a new corpus, as rows: exact ones for programs, and rounded ones for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scaling.formatting import format_count, format_factor, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from scaling.loss_to_loss.purchase.result import Design

Rows = list[dict[str, Any]]


def purchase_rows(found: Any, answers: Mapping[str, Design]) -> Rows:
    """Return the designs that no cheaper one is as good as, the cheapest first, and those that were asked for.

    Parameters
    ----------
    found : db.purchases.Purchase
        The plan.
    answers : mapping of str to Design
        What was asked for, and the design that answers it.

    Returns
    -------
    list of dict
        ``source metric target_x target n_maps not_falling seed``; of the design ``count largest_flop span cost_flop
        form mean_error p90_error``, errors as shares; ``runs``, a list of ``run_id`` of the source with ``n_params
        n_tokens cost_flop``; ``pareto``; and ``answers``, the questions that it answers.
    """
    plan = found.plan
    head = {
        "source": found.source, "metric": found.metric, "target_x": plan.target_x, "target": found.target,
        "n_maps": plan.n_maps, "not_falling": list(found.not_falling), "seed": plan.seed,
    }  # fmt: skip
    designs = sorted({*plan.pareto, *answers.values()}, key=lambda d: (d.cost_flop, d.mean_error))
    return [
        head
        | {k: v for k, v in d.to_dict().items() if k != "cells"}
        | {
            "runs": _runs(found, d),
            "pareto": d in plan.pareto,
            "answers": [question for question, answer in answers.items() if answer == d],
        }
        for d in designs
    ]


def purchase_text(found: Any, answers: Mapping[str, Design]) -> str:
    """Return a plan as people read it: what was asked for and its runs, and the table of what errors cost."""
    from reports.terminal import render

    plan, parts = found.plan, []
    for question, design in answers.items():
        sizes = ", ".join(
            f"{format_count(run['n_params'])} x {format_count(run['n_tokens'])}" for run in _runs(found, design)
        )
        parts.append(f"{question[0].upper()}{question[1:]}: {design.sentence}.\nParameters x tokens: {sizes}")
    rows = [
        {
            "runs": d.count,
            "largest (FLOP)": format_number(d.largest_flop),
            "span": format_factor(d.span),
            "cost (FLOP)": format_number(d.cost_flop),
            "map": d.form,
            "mean error": format_percent(d.mean_error),
            "nine in ten below": format_percent(d.p90_error),
        }
        for d in plan.pareto
    ]
    parts.append(render(rows, "table").rstrip("\n"))
    x = f"{found.metric} of {found.source} at the target is {format_number(plan.target_x)}, {found.target}"
    parts.append(
        f"{x}; {format_plural(plan.n_cells, 'cell')} below it. {plan.source_of_errors} "
        f"{plan.simulations} simulations, seed {plan.seed}."
    )
    return "\n\n".join(parts)


def _runs(found: Any, design: Design) -> Rows:
    cells = found.cells
    return [
        {
            "run_id": found.run_ids[i],
            "n_params": float(cells.n_params[i]),
            "n_tokens": float(cells.n_tokens[i]),
            "cost_flop": 6 * float(cells.n_params[i]) * float(cells.n_tokens[i]),
        }
        for i in design.cells
    ]
