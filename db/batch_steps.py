"""Fits of steps to a target loss over batch size: one row a batch size, worked out from the curves of many runs.

What was asked for, as plain data: ``batch context_length batch_unit rate by sweep steps censored metric where target
anchor samples smooth form overhead``. With ``steps`` a column holds steps to the target already, and no curve is read.
A target is a loss, a column that holds it, or losses by sweep; `anchor` and `samples` count what the batch column does.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from db.batch_sweeps import Sweep, lines_of, sweep_of
from db.kinds import DerivedSelection, axis_of, hash_lines
from db.select import Excluded
from db.sweeps import SweepRun, batch_sql, check_column, check_unit, curves_sql, rate_sql, runs_sql
from scaling.errors import UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.batch_size.steps import StepsFit
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

KIND = "steps"
#: Everything that can be asked for, with what it is where nothing was said.
USUAL: dict[str, Any] = {
    "batch": None, "context_length": None, "batch_unit": None, "rate": None, "by": None, "sweep": None, "steps": None,
    "censored": None, "metric": None, "where": None, "target": None, "anchor": None, "samples": None, "smooth": 1,
    "form": "steps_to_target", "overhead": 0.2,
}  # fmt: skip
_OPTIONS = {"context_length": "context-length", "batch_unit": "batch-unit", "rate": "lr", "samples": "at-samples"}


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the curves, or of the runs where a column holds their steps."""
    check_unit(asked.get("batch_unit"))
    if asked.get("batch_unit") == "tokens" and asked.get("context_length"):
        raise UsageError(
            "Batches that count tokens already are not multiplied by a context length once more.",
            "Leave --context-length out, or say what the column counts: --batch-unit sequences.",
        )
    if asked.get("censored") and not asked.get("steps"):
        raise UsageError(
            "--censored marks steps that a column holds, and no --steps is given.",
            "Curves say themselves whether they reached the target: leave it out.",
        )
    batch, _, _ = batch_sql(store, asked.get("batch"), asked.get("context_length"))
    rate = rate_sql(store, asked.get("rate"))
    where, by = asked.get("where"), asked.get("by")
    if by is not None and asked.get("sweep") is not None:
        text = str(asked["sweep"]).replace("'", "''")
        one = f"CAST({check_column(store, by, '--by')} AS VARCHAR) = '{text}'"
        where = f"({where}) AND {one}" if where else one
    marks = {"censored": check_column(store, asked["censored"], "--censored")} if asked.get("censored") else {}
    if isinstance(asked.get("target"), str):
        marks["target"] = check_column(store, asked["target"], "--target")
    runs = runs_sql(
        store, batch=batch, rate=None if rate is None else rate[0], by=by, value=asked.get("steps"),
        metric=asked.get("metric"), where=where, settings=marks,
    )  # fmt: skip
    return runs if asked.get("steps") else curves_sql(runs)


def with_batch(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Name the batch and what it counts: as asked, or the column that is found and what its name says it counts."""
    _, name, unit = batch_sql(store, asked.get("batch"))
    return {**asked, "batch": name, "batch_unit": asked.get("batch_unit") or unit}


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Work out the steps of each batch size; raises `InputDataError` where no run reaches the target."""
    return selection_of(asked, *sweep_of(asked, columns, rows), sql)


def selection_of(
    asked: Mapping[str, Any], sweep: Sweep, runs: Sequence[SweepRun], excluded: Sequence[Excluded], sql: str
) -> DerivedSelection:
    """Make a sweep the rows of a fit: one a batch size."""
    cells = [cell for cell in sweep.found.cells if cell.bounds]
    used = {run.run_id: run.batch for run in runs}
    members = [tuple(sorted(name for name, batch in used.items() if batch == cell.batch)) for cell in cells]
    return DerivedSelection(
        run_ids=tuple(cell.run_id for cell in cells),
        inputs={"B": np.array([cell.batch for cell in cells])},
        observed=np.array([cell.steps for cell in cells]),
        sql=sql,
        sha256=hash_lines(lines_of(sweep)),
        excluded=tuple(excluded),
        not_selected=0,
        columns={"B": asked.get("batch") or "batch"},
        metric=str(asked.get("steps") or asked.get("metric") or "loss"),
        order=np.array([cell.batch for cell in cells]),
        members=tuple(members),
        source=sweep,
        notes=sweep.found.notes,
    )


def make(rows: DerivedSelection, asked: Mapping[str, Any], **settings: Any) -> Fit:
    """Fit the curve of steps."""
    return fit_sweep(rows, asked, **settings).fit


def fit_sweep(rows: DerivedSelection, asked: Mapping[str, Any], **settings: Any) -> StepsFit:
    """Fit the curve of steps, with what it says of critical batch sizes."""
    sweep: Sweep = rows.source
    return sweep.fit(asked.get("form") or USUAL["form"], **settings)


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the largest batch sizes out; those that never reached the target neither teach nor are forecast."""
    import scaling

    censored = np.array([cell.censored for cell in rows.source.found.cells if cell.bounds])
    return scaling.backtest_law(
        saved.fit, rows.inputs, rows.observed, weights=np.where(censored, 0.0, 1.0), by=axis_of(rows), **settings
    )  # fmt: skip


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved fit; of a sweep among several the one that makes all of them."""
    asked, settings = config["derived"]["asked"], config["settings"]
    words = ["scaling", "batch-size", "fit", *asked_words(asked, USUAL)]
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"])]
    name = config["name"] if asked.get("sweep") is None else asked.get("base", config["name"])
    return shlex.join([*words, "--name", name])


def asked_words(asked: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    """Write what was asked for as options, but for what is usual."""
    words = []
    for key, value in usual.items():
        said = asked.get(key, value)
        if key == "sweep" or said is None or said == value:
            continue
        option = _OPTIONS.get(key, key.replace("_", "-"))
        if said is True:
            words.append(f"--{option}")
        elif isinstance(said, Mapping):
            words += [word for sweep, one in said.items() for word in option_words(option, f"{sweep}={one}")]
        else:
            several = said if isinstance(said, list | tuple) else [said]
            words += [word for one in several for word in option_words(option, one)]
    return words


def option_words(option: str, value: Any) -> list[str]:
    """Write an option with its value; one that begins with a hyphen stands behind an equals sign."""
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return [f"--{option}={text}"] if text.startswith("-") else [f"--{option}", text]
