"""Laws of the critical batch size from runs of several lengths, each decayed to its end: rows are sizes and losses.

What was asked for, as plain data: ``batch context_length batch_unit rate metric where target targets between
keep_untuned over``. Batches are in tokens; ``target`` holds losses, and ``targets`` how many are chosen for each size.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from db.batch_steps import asked_words
from db.kinds import DerivedSelection, axis_of, hash_lines
from db.select import Excluded
from db.sweeps import SweepRun, batch_sql, check_unit, in_tokens, rate_sql, read_runs, runs_sql
from scaling.batch_size.law_design import LOSS, NEEDS
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_count, format_number

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.batch_size.iso_loss import IsoLoss
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

KIND = "iso_loss"
USUAL: dict[str, Any] = {
    "batch": None, "context_length": None, "batch_unit": None, "rate": None, "metric": None, "where": None,
    "target": None, "targets": 6, "between": "interpolated", "keep_untuned": False, "over": "critical_batch",
}  # fmt: skip
_COLUMNS = {"N": "n_params", "D": "fewest_tokens", "L": "loss"}


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the runs; refuses batches that do not count tokens."""
    check_unit(asked.get("batch_unit"))
    length = asked.get("context_length")
    batch, name, unit = batch_sql(store, asked.get("batch"), length)
    if not (asked.get("batch_unit") == "tokens" and length is None):
        in_tokens(unit, name)
    rate = rate_sql(store, asked.get("rate"))
    return runs_sql(
        store, batch=batch, rate=None if rate is None else rate[0], metric=asked.get("metric"), where=asked.get("where")
    )  # fmt: skip


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Read critical batch sizes across runs of several lengths."""
    from scaling.batch_size.iso_loss import critical_at_losses

    kept, excluded = [], []
    for run in read_runs(columns, rows):
        why = _unusable(run)
        if why:
            excluded.append(Excluded(run.run_id, why))
        else:
            kept.append(run)
    if not kept:
        raise InputDataError(
            f"None of the {len(rows)} runs has a size, training tokens and a loss: {excluded[0].reason}.",
            "Name the columns in the mapping of the ingest.",
        )
    rates = np.array([run.rate for run in kept])
    found = critical_at_losses(
        [run.n_params for run in kept], [run.n_tokens for run in kept], [run.batch for run in kept],
        [run.value for run in kept], rates if np.all(np.isfinite(rates)) else None,
        targets=asked.get("target") or int(asked.get("targets") or 6), between=asked.get("between") or "interpolated",
        keep_untuned=bool(asked.get("keep_untuned")),
    )  # fmt: skip
    points = found.points
    inputs = {
        "N": np.array([p.n_params for p in points]),
        "D": np.array([p.fewest_tokens for p in points]),
        "L": np.array([p.target for p in points]),
    }
    law = asked.get("over") or USUAL["over"]
    if law not in NEEDS:
        raise UsageError(f"There is no law of the critical batch size '{law}'.")
    sizes = tuple(f"{p.n_params:g}" for p in points)
    of_size = {size: tuple(run.run_id for run in kept if f"{run.n_params:g}" == size) for size in set(sizes)}
    own = {name: inputs[name] for name in NEEDS[law]}
    return DerivedSelection(
        run_ids=tuple(f"{format_count(p.n_params)} at {format_number(p.target, 6)}" for p in points),
        inputs=own,
        observed=np.array([p.critical_batch for p in points]),
        sql=sql,
        sha256=hash_lines([run.run_id, run.batch, run.rate, run.n_params, run.n_tokens, run.value] for run in kept),
        excluded=tuple(excluded),
        not_selected=0,
        columns={name: _COLUMNS[name] for name in own},
        metric=str(asked.get("metric") or "loss"),
        clusters=sizes if len(set(sizes)) > 1 else None,
        order=-inputs["L"] if law == LOSS else np.prod(list(own.values()), axis=0),
        members=tuple(of_size[size] for size in sizes),
        source=found,
        notes=found.notes,
    )


def make(rows: DerivedSelection, asked: Mapping[str, Any], **settings: Any) -> Fit:
    """Fit the law to the critical batch sizes."""
    return fit_law(rows, asked, **settings).fit


def fit_law(rows: DerivedSelection, asked: Mapping[str, Any], bootstrap: int = 1000, seed: int = 0) -> CriticalLaw:
    """Fit the law, with what it says beside its fit."""
    source: IsoLoss = rows.source
    return source.law(bootstrap, seed, asked.get("over") or USUAL["over"])


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the points of the most tokens out; those of one model size share their runs."""
    import scaling

    return scaling.backtest_law(
        saved.fit, rows.inputs, rows.observed, groups=rows.clusters, by=axis_of(rows), **settings
    )  # fmt: skip


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved law."""
    from db.batch_laws import OVER

    asked, settings = dict(config["derived"]["asked"]), config["settings"]
    words = {law: word for word, law in OVER.items()}
    asked["over"] = words.get(asked.get("over") or USUAL["over"])
    usual = {**USUAL, "over": words[USUAL["over"]]}
    made = ["scaling", "batch-size", "law", "--iso-loss", *asked_words(asked, usual)]
    made += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"]), "--name", config["name"]]
    return shlex.join(made)


def _unusable(run: SweepRun) -> str:
    """Say why a run cannot be used; empty where it can."""
    if run.status != "ok":
        return f"the loss is {run.status}"
    for value, what in ((run.n_params, "size"), (run.n_tokens, "training tokens"), (run.value, "loss")):
        if not (np.isfinite(value) and value > 0):
            return f"the {what} is missing or no positive number"
    return ""
