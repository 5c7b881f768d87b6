"""Runs of a store as sweeps over learning rate and batch size: which columns, which runs, which cells.

What was asked for is that of `db.tuning_sweeps`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.select import Excluded
from db.sweeps import SweepRun, batch_sql, check_unit, decay_sql, in_tokens, number_of, rate_sql, read_runs, runs_sql
from db.tuning_sweeps import TuningSweep, columns_of
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_count, format_plural

if TYPE_CHECKING:
    from db.store import Store

Array = NDArray[np.float64]


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the runs of a sweep; raises `UsageError` where batches do not count tokens."""
    check_unit(asked.get("batch_unit"))
    context = asked.get("context_length")
    if asked.get("batch_unit") == "tokens" and context:
        raise UsageError(
            "Batches that count tokens already are not multiplied by a context length once more.",
            "Leave --context-length out, or say what the column counts: --batch-unit sequences.",
        )
    batch, name, unit = batch_sql(store, asked.get("batch"), context)
    in_tokens("tokens" if context else str(asked.get("batch_unit") or unit), name)
    rate = rate_sql(store, asked.get("rate"), needed=True)
    assert rate is not None
    decay = decay_sql(store, asked.get("weight_decay"))
    return runs_sql(
        store, batch=batch, rate=rate[0], metric=asked.get("metric"), where=asked.get("where"),
        settings={} if decay is None else {"weight_decay": decay[0]},
    )  # fmt: skip


def named(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Put the names of the columns that were found in the place of those that nobody named."""
    rate = rate_sql(store, asked.get("rate"), needed=True)
    assert rate is not None
    return dict(asked) | {"batch": batch_sql(store, asked.get("batch"))[1], "rate": rate[1]}


def sweep_of(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> tuple[TuningSweep, list[Excluded]]:
    """Sort runs into cells.

    Raises
    ------
    InputDataError
        Where no run can be used, and where all have one batch size.
    """
    from scaling.hyperparameters import find_cells

    runs, excluded = _usable(read_runs(columns, rows))
    decay, notes = _decay(runs, asked), []
    chosen = tuple(range(len(runs))) if decay is None else _best_of_decays(runs)
    if dropped := len(runs) - len(chosen):
        notes.append(
            f"{format_plural(dropped, 'run')} that another of the same learning rate and batch beats, with another "
            "weight decay, count for the timescale and not for the loss surface."
        )
    kept = [runs[i] for i in chosen]
    if len({run.batch for run in kept}) < 2:
        raise InputDataError(
            f"All {format_plural(len(kept), 'run')} have one batch size, {format_count(kept[0].batch)} tokens, so "
            "there is nothing to tell the best one by.",
            "Run sweeps over learning rate at three batch sizes or more, or name another column with --batch.",
        )
    cells = find_cells(*columns_of(kept), [run.value for run in kept], context_length=asked.get("context_length"))
    if single := [cell.name for cell in cells if len(np.unique(cell.batch)) < 2]:
        notes.append(f"One batch size alone was run at {', '.join(single)}.")
    return TuningSweep(dict(asked), cells, tuple(runs), chosen, decay, tuple(notes)), excluded


def _usable(runs: Sequence[SweepRun]) -> tuple[list[SweepRun], list[Excluded]]:
    """Part runs that have all it takes from others; one whose loss was no number at its end stays."""
    kept, excluded = [], []
    for run in runs:
        lacks = {
            "n_params missing": not run.n_params > 0,
            "n_tokens missing": not run.n_tokens > 0,
            "learning rate missing": not run.rate > 0,
            "loss missing": run.status == "missing",
        }
        why = next((reason for reason, found in lacks.items() if found), None)
        if why is None:
            kept.append(run)
        else:
            excluded.append(Excluded(run.run_id, why))
    if not kept:
        counts = {e.reason: sum(o.reason == e.reason for o in excluded) for e in excluded}
        said = ", ".join(f"{reason} {count}" for reason, count in counts.items())
        raise InputDataError(f"None of the {len(runs)} runs can be used: {said}.", "See the runs with: scaling ls")
    return kept, excluded


def _decay(runs: Sequence[SweepRun], asked: Mapping[str, Any]) -> Array | None:
    """Weight decay of each run; None where no size and number of tokens was run with several."""
    values = np.array([number_of(run.settings.get("weight_decay")) for run in runs])
    tried: dict[tuple[float, float], set[float]] = {}
    for run, value in zip(runs, values.tolist(), strict=True):
        if value > 0:
            tried.setdefault((run.n_params, run.n_tokens), set()).add(value)
    if any(len(several) > 1 for several in tried.values()):
        return values
    if asked.get("weight_decay") is not None:
        raise InputDataError(
            f"No size and number of tokens was run with several weight decays in '{asked['weight_decay']}', so the "
            "best one cannot be told.",
            "Leave --weight-decay out, or name another column.",
        )
    return None


def _best_of_decays(runs: Sequence[SweepRun]) -> tuple[int, ...]:
    """Of runs that differ in weight decay alone, take the one of the lowest loss."""
    from scaling.hyperparameters.columns import snap

    rates = snap(np.array([run.rate for run in runs]))
    best: dict[tuple[float, ...], int] = {}
    for i, (run, rate) in enumerate(zip(runs, rates.tolist(), strict=True)):
        key = (run.n_params, run.n_tokens, rate, run.batch)
        if key not in best or _ended(run) < _ended(runs[best[key]]):
            best[key] = i
    return tuple(sorted(best.values()))


def _ended(run: SweepRun) -> float:
    return run.value if math.isfinite(run.value) else math.inf
