"""Laws of the learning rate and batch as rows: one object for programs, tables and sentences for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.rows import Rows
from scaling.formatting import format_count, format_number, format_percent, format_plural

PLATEAU = 0.0025  # of the loss
_OF = {
    "fitted": "these laws, where fitted",
    "one_cell_out": "laws of the other cells",
    "largest_parameters_out": "laws without the largest model",
    "largest_compute_out": "laws without most compute",
}
_PARTS = {
    "lr": "best learning rate", "batch": "best batch", "coupled": "best learning rate at a batch",
    "timescale": "best timescale of AdamW", "loss": "loss of all runs",
}  # fmt: skip


def fit_row(one: Any, regrets: Mapping[str, Any], published: Sequence[Any], level: float) -> dict[str, Any]:
    """Return the laws of a sweep as one row object.

    Parameters
    ----------
    one : db.tunings.SavedTuning
        The laws.
    regrets : mapping of str to scaling.hyperparameters.Regrets
        What they give up.
    published : sequence of scaling.hyperparameters.published.PublishedRegret
        What published laws give up on the same cells.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    dict
        Keys as docs/tuning.md lists them.
    """
    laws, counts = one.laws, one.laws.cells.counts
    how = laws.method
    found = {"lr": laws.lr, "batch": laws.batch, "coupled": laws.coupled}
    if one.timescale is not None:
        found["timescale"] = one.timescale.law
    tables = {part: law.to_dict(level) for part, law in found.items() if law is not None}
    if one.surface is not None:
        tables["loss"] = one.surface.to_dict(level)
    return {
        "name": one.name,
        "fits": {part: saved.name for part, saved in one.saved.items()},
        "metric": one.saved["lr"].metric,
        "context_length": laws.cells.context_length,
        "batch_unit": "tokens",
        "method": how.name,
        "cutoff": how.share,
        "order": how.order if how.name == "bowl" else None,
        "n_cells": counts["cells"],
        "n_runs": counts["runs"],
        "n_diverged": counts["diverged"],
        "n_not_finite": counts["not_finite"],
        "cells": cell_rows(laws),
        "laws": {part: {"fit": one.saved[part].name} | table for part, table in tables.items()},
        "regret": {name: found.to_dict() for name, found in regrets.items()},
        "published": [entry.to_dict() for entry in published],
        "level": level,
        "bootstrap": laws.bootstrap,
        "seed": laws.seed,
        "verdict": laws.verdict,
        "reasons": list(laws.reasons),
        "notes": list(one.notes),
        "left_out": one.saved["lr"].excluded["counts"],
        "command": one.command,
    }


def cell_rows(laws: Any) -> Rows:
    """Return the cells: the best run, the vertex of the loss surface, and what an error costs there."""
    rows = []
    for bowl in laws.bowls:
        cell, known = bowl.cell, bowl.ok
        widths = bowl.plateau(PLATEAU) if known else (None, None)
        error = bowl.covariance.diagonal() ** 0.5 if known else (None, None)
        rows.append(
            {
                "n_params": cell.n_params, "n_tokens": cell.n_tokens, "runs": cell.n, "diverged": cell.diverged,
                "best_lr": float(cell.lr[cell.best]), "best_batch": float(cell.batch[cell.best]),
                "best_loss": float(cell.loss[cell.best]), "edges": list(cell.edges),
                "status": bowl.status, "convex": _convex(bowl.status), "n_obs": bowl.n_obs,
                "lr": bowl.lr if known else None, "lr_error": None if error[0] is None else float(error[0]),
                "batch": bowl.batch if known else None, "batch_error": None if error[1] is None else float(error[1]),
                "loss": bowl.loss if known else None, "slope": bowl.slope if known else None,
                "plateau_lr_octaves": widths[0], "plateau_batch_octaves": widths[1],
                "cost_of_2x_lr": bowl.cost_of_lr() if known else None,
                "cost_of_2x_batch": bowl.cost_of_batch() if known else None,
                "cost_of_2x_batch_lr_held": bowl.cost_of_batch(retuned=False) if known else None,
            }
        )  # fmt: skip
    return rows


def fit_text(one: Any, regrets: Mapping[str, Any], published: Sequence[Any], level: float) -> str:
    """Return the laws of a sweep as a text: cells, laws, what they and published laws give up, and the macros."""
    from reports.terminal import render

    laws, counts = one.laws, one.laws.cells.counts
    rows = cell_rows(laws)
    lines = [
        f"{format_plural(counts['runs'], 'run')} in {format_plural(counts['cells'], 'cell')}, {counts['diverged']} "
        f"diverged; optima: {laws.method.words}",
        "",
        render([_cell_shown(row) for row in rows], "table").rstrip("\n"),
        f"lr and batch: the lowest point of a cell's surface, ± one standard error. Wide: octaves that lose no more "
        f"than {format_percent(PLATEAU)}. 2x: loss given up by twice or half, of a batch with the learning rate "
        "re-tuned.",
        "",
    ]
    found = {"lr": laws.lr, "batch": laws.batch, "coupled": laws.coupled}
    if one.timescale is not None:
        found["timescale"] = one.timescale.law
    lines += [f"{_PARTS[part]}: {law.sentence(level)}" for part, law in found.items() if law is not None]
    if one.surface is not None:
        state = one.surface.verdict if one.surface.closed else "without a lowest point"
        lines.append(f"{_PARTS['loss']}: {format_plural(one.surface.fit.n_obs, 'run')}, 17 parameters, {state}")
    lines += ["", "Loss given up against the best run of each cell:", render(regret_rows(regrets, published), "table")]
    lines += [f"note: {note}" for note in one.notes]
    lines += [f"left out: {format_plural(n, 'run')}, {why}" for why, n in one.saved["lr"].excluded["counts"].items()]
    lines += [f"verdict: {laws.verdict}", *(f"  - {reason}" for reason in laws.reasons)]
    lines += [f"saved as {saved.name}; in SQL: {_call(saved)}" for saved in one.saved.values()]
    return "\n".join(lines)


def regret_rows(regrets: Mapping[str, Any], published: Sequence[Any]) -> Rows:
    """Return what laws give up as people read it: of the sweep, and published."""
    own = [
        {
            "by": _OF[name], "mean": format_percent(found.mean, 3), "at most": format_percent(found.worst, 3),
            "cells": len(found.cells), "taken at its best": "",
        }
        for name, found in regrets.items()
    ]  # fmt: skip
    others = [
        {
            "by": f"{entry.rule} ({entry.source})", "mean": format_percent(entry.mean, 3),
            "at most": format_percent(entry.worst, 3), "cells": len(entry.by_cell), "taken at its best": entry.tuned,
        }
        for entry in published
    ]  # fmt: skip
    return [*own, *others]


def _cell_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    table = {
        "cell": f"{format_count(row['n_params'])} at {format_count(row['n_tokens'])}",
        "runs": row["runs"],
        "diverged": row["diverged"],
        "best run": f"{format_number(row['best_loss'])} at {format_number(row['best_lr'], 3)}, "
        f"{format_count(row['best_batch'])}",
    }
    known = row["status"] == "ok"
    table |= {
        "lr": f"{format_number(row['lr'], 3)} ±{format_percent(row['lr_error'], 1)}" if known else None,
        "batch": f"{format_count(row['batch'])} ±{format_percent(row['batch_error'], 1)}" if known else None,
        "lr wide": format_number(row["plateau_lr_octaves"], 2) if known else None,
        "batch wide": format_number(row["plateau_batch_octaves"], 2) if known else None,
        "2x lr": format_percent(row["cost_of_2x_lr"]) if known else None,
        "2x batch": format_percent(row["cost_of_2x_batch"]) if known else None,
        "to know": "; ".join([*([] if known else [row["status"]]), *(f"best run at the {e}" for e in row["edges"])]),
    }
    return table


def _convex(status: str) -> bool | None:
    """Whether a surface is convex around its vertex; None where none could be fitted."""
    if "not convex" in status:
        return False
    return None if status.startswith("too few") else True


def _call(saved: Any) -> str:
    return f"{saved.name}({', '.join(saved.arguments.values())})"
