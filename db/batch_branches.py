"""Branches of checkpoints as the store holds them: each a run, with what its trunk had trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from db.sweeps import batch_sql, check_column, check_unit, curves_sql, read_runs, runs_sql
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store
    from scaling.batch_size.branched import Branched

FROM = ("branch", "start")


def branches_of(
    store: Store, asked: Mapping[str, Any], *, tolerance: float, window: float, smoothing: float
) -> Branched:
    """Find the critical batch size at each checkpoint.

    Parameters
    ----------
    store : Store
        An open store.
    asked : mapping
        ``anchor batch context_length batch_unit metric where counted_from``: the anchor is a column, of tokens that
        were trained before a run branched off, and the logged tokens count from the ``branch`` or the ``start``.
    tolerance, window, smoothing : float
        As of `scaling.batch_size.branched.branched_batches`.

    Returns
    -------
    Branched

    Raises
    ------
    UsageError
        For columns that are none.
    InputDataError
        Where no run is a branch, or no checkpoint has two as long as the window.
    """
    from db.query import run_select
    from scaling.batch_size.branched import branched_batches

    check_unit(asked.get("batch_unit"))
    counted = asked.get("counted_from") or FROM[0]
    if counted not in FROM:
        raise UsageError(f"Tokens are not counted from the '{counted}'.", did_you_mean(counted, FROM))
    batch, _, unit = batch_sql(store, asked.get("batch"), asked.get("context_length"))
    anchor = check_column(store, asked["anchor"], "--anchor")
    some = f"{anchor} IS NOT NULL"
    where = f"({asked['where']}\n) AND {some}" if asked.get("where") else some
    runs = runs_sql(store, batch=batch, metric=asked.get("metric"), where=where, settings={"anchor": anchor})
    columns, rows = run_select(store, curves_sql(runs))
    if not rows:
        raise InputDataError(
            f"No run with a value of {asked['anchor']} logged a loss.", "See what there is with: scaling ls"
        )
    known = read_runs(columns, rows)
    step, tokens, loss = (columns.index(name) for name in ("step", "tokens", "logged"))
    start = np.array([float(run.settings["anchor"]) for run in known])
    size = np.array([run.batch for run in known])
    since = np.array([
        np.nan if row[tokens] is None and row[step] is None
        else row[step] * run.batch if row[tokens] is None
        else row[tokens] for run, row in zip(known, rows, strict=True)
    ], float)  # fmt: skip
    if not np.all(np.isfinite(since)):
        raise InputDataError("Some losses were logged without a step, so how far a branch was is not known.")
    if counted == "start":
        since = since - start
    value = np.array([np.nan if row[loss] is None else float(row[loss]) for row in rows])
    own = "tokens" if asked.get("context_length") else str(asked.get("batch_unit") or unit)
    return branched_batches(
        start, size, since, value, tolerance=tolerance, window=window, smoothing=smoothing, unit=own
    )  # fmt: skip
