"""Fits of steps to a target loss over batch size: one row a batch size, worked out from the curves of many runs.

What was asked for, as plain data: ``batch context_length batch_unit rate by sweep steps censored metric where target
anchor samples smooth form``. With ``steps`` a column holds steps to the target already, and no curve is read.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.kinds import DerivedSelection, hash_lines
from db.select import Excluded
from db.sweeps import SweepRun, batch_sql, check_column, check_unit, curves_sql, rate_sql, read_runs, runs_sql
from scaling.errors import InputDataError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.batch_size.cells import Curve, StepsToTarget
    from scaling.batch_size.steps import StepsFit
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

KIND = "steps"
#: Everything that can be asked for, with what it is where nothing was said.
USUAL: dict[str, Any] = {
    "batch": None, "context_length": None, "batch_unit": None, "rate": None, "by": None, "sweep": None, "steps": None,
    "censored": None, "metric": None, "where": None, "target": None, "anchor": None, "samples": None, "smooth": 1,
    "form": "steps_to_target",
}  # fmt: skip
_OPTIONS = {"context_length": "context-length", "batch_unit": "batch-unit", "rate": "lr", "samples": "at-samples"}


@dataclass(frozen=True)
class Sweep:
    """Steps to a target, as worked out from the runs of one sweep.

    Parameters
    ----------
    found : StepsToTarget
        One cell a batch size.
    unit : str
        Of the batch: ``tokens``, ``sequences`` or ``samples``.
    n_params, n_tokens : float
        Size, where all runs share it; tokens that the target took at a small batch are not known here. NaN otherwise.
    rule : str
        Where the target comes from.
    """

    found: StepsToTarget
    unit: str
    n_params: float
    n_tokens: float
    rule: str

    def fit(self, form: str, **settings: Any) -> StepsFit:
        """Fit the curve of steps."""
        return self.found.fit(form=form, unit=self.unit, **settings)


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the curves, or of the runs where a column holds their steps."""
    check_unit(asked.get("batch_unit"))
    batch, _, _ = batch_sql(store, asked.get("batch"), asked.get("context_length"))
    rate = rate_sql(store, asked.get("rate"))
    where, by = asked.get("where"), asked.get("by")
    if by is not None and asked.get("sweep") is not None:
        text = str(asked["sweep"]).replace("'", "''")
        one = f"CAST({check_column(store, by, '--by')} AS VARCHAR) = '{text}'"
        where = f"({where}) AND {one}" if where else one
    marks = {"censored": check_column(store, asked["censored"], "--censored")} if asked.get("censored") else {}
    runs = runs_sql(
        store, batch=batch, rate=None if rate is None else rate[0], by=by, value=asked.get("steps"),
        metric=asked.get("metric"), where=where, settings=marks,
    )  # fmt: skip
    return runs if asked.get("steps") else curves_sql(runs)


def unit_asked(store: Store, asked: Mapping[str, Any]) -> str:
    """Return the unit of the batch: as asked, or as its column's name says it."""
    return str(asked.get("batch_unit") or batch_sql(store, asked.get("batch"), asked.get("context_length"))[2])


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Work out the steps of each batch size; raises `InputDataError` where no run reaches the target."""
    runs = read_runs(columns, rows)
    sweep, excluded = read_steps(asked, runs) if asked.get("steps") else _from_curves(asked, columns, rows, runs)
    cells = [cell for cell in sweep.found.cells if cell.bounds]
    used = {run.run_id: run.batch for run in runs}
    members = [tuple(sorted(name for name, batch in used.items() if batch == cell.batch)) for cell in cells]
    return DerivedSelection(
        run_ids=tuple(cell.run_id for cell in cells),
        inputs={"B": np.array([cell.batch for cell in cells])},
        observed=np.array([cell.steps for cell in cells]),
        sql=sql,
        sha256=hash_lines([cell.run_id, cell.batch, cell.steps, cell.censored] for cell in cells),
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
        saved.fit, rows.inputs, rows.observed, weights=np.where(censored, 0.0, 1.0), by=rows.order, **settings
    )  # fmt: skip


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved fit; of a sweep among several the one that makes all of them."""
    asked, settings = config["derived"]["asked"], config["settings"]
    words = ["scaling", "batch-size", "fit"]
    for key, usual in USUAL.items():
        value = asked.get(key, usual)
        if key != "sweep" and value is not None and value != usual:
            words += option_words(_OPTIONS.get(key, key), value)
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"])]
    name = config["name"] if asked.get("sweep") is None else asked.get("base", config["name"])
    return shlex.join([*words, "--name", name])


def option_words(option: str, value: Any) -> list[str]:
    """Write an option with its value; one that begins with a hyphen stands behind an equals sign."""
    text = f"{value:.17g}" if isinstance(value, float) else str(value)
    return [f"--{option}={text}"] if text.startswith("-") else [f"--{option}", text]


def read_steps(asked: Mapping[str, Any], runs: Sequence[SweepRun]) -> tuple[Sweep, list[Excluded]]:
    """Take the steps from a column: the fewest of each batch size; a run that is marked did not get there."""
    from scaling.batch_size.cells import Cell, StepsToTarget

    excluded, kept = [], []
    for run in runs:
        if math.isfinite(run.value) and run.value > 0:
            kept.append(run)
        else:
            excluded.append(Excluded(run.run_id, f"{asked['steps']} is missing or no positive number"))
    if not kept:
        raise InputDataError(
            f"None of the {len(runs)} runs has a positive number in '{asked['steps']}'.",
            "Name another column with --steps, or leave it out to read the steps from the curves.",
        )
    cells = []
    for batch in sorted({run.batch for run in kept}):
        here = [run for run in kept if run.batch == batch]
        reached = [run for run in here if not _marked(run)]
        best = min(reached, key=lambda r: r.value) if reached else max(here, key=lambda r: r.value)
        others = sorted(run.value for run in reached if run is not best)
        second = others[0] if others else math.nan
        counts = len(here), len(reached), 0
        ends = best.value, best.value, best.value
        cells.append(Cell(batch, *ends, not reached, best.run_id, {"lr": best.rate}, *counts, second))
    target = asked.get("target")
    found = StepsToTarget(math.nan if target is None else float(target), tuple(cells))
    rule = f"taken from the column {asked['steps']}"
    return Sweep(found, _unit(asked), *_shared(kept), rule), excluded


def _from_curves(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], runs: Sequence[SweepRun]
) -> tuple[Sweep, list[Excluded]]:
    """Read the curves, and the crossings of the target on them."""
    from scaling.batch_size.cells import steps_to_target
    from scaling.batch_size.targets import derive_target

    curves, excluded = read_curves(columns, rows, runs)
    given, rule = asked.get("target"), "given"
    if given is None:
        derived = derive_target(curves, anchor=asked.get("anchor"), samples=asked.get("samples"))
        given, rule = derived.loss, derived.rule
    found = steps_to_target(curves, float(given), smooth=int(asked.get("smooth") or 1))
    return Sweep(found, _unit(asked), *_shared(runs), rule), excluded


def read_curves(
    columns: Sequence[str], rows: Sequence[tuple[Any, ...]], runs: Sequence[SweepRun]
) -> tuple[list[Curve], list[Excluded]]:
    """Group the rows of `db.sweeps.curves_sql` by run; a run without steps is left out, and a NaN loss stays one."""
    from scaling.batch_size.cells import Curve

    step, value = columns.index("step"), columns.index("logged")
    status = columns.index("logged_status")
    known: dict[str, tuple[SweepRun, list[tuple[float, float]]]] = {}
    excluded: dict[str, Excluded] = {}
    for run, row in zip(runs, rows, strict=True):
        if row[step] is None:
            excluded[run.run_id] = Excluded(run.run_id, "the log has no steps")
            continue
        if row[status] == "missing" or row[step] <= 0:
            continue
        loss = float(row[value]) if row[value] is not None else math.nan
        known.setdefault(run.run_id, (run, []))[1].append((float(row[step]), loss))
    curves = []
    for run, points in known.values():
        table = np.array(points)
        settings = {"lr": run.rate} if math.isfinite(run.rate) else {}
        curves.append(Curve(run.run_id, run.batch, settings, table[:, 0], table[:, 1]))
    if not curves:
        raise InputDataError(
            "None of the runs selected logged losses at steps, so no crossing of a target can be read.",
            "Read the log in long form, one row a step; or name a column of steps with --steps.",
        )
    return curves, list(excluded.values())


def _unit(asked: Mapping[str, Any]) -> str:
    return str(asked.get("batch_unit") or "samples")


def _shared(runs: Sequence[SweepRun]) -> tuple[float, float]:
    """Size and tokens that all runs have in common; NaN where they do not."""
    sizes, tokens = {run.n_params for run in runs}, {run.n_tokens for run in runs}
    return (sizes.pop() if len(sizes) == 1 else math.nan), (tokens.pop() if len(tokens) == 1 else math.nan)


def _marked(run: SweepRun) -> bool:
    mark = run.settings.get("censored")
    return mark is not None and str(mark).lower() not in ("false", "0", "0.0", "no", "")
