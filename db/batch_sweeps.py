"""Sweeps over batch size as worked out from the rows of a store: the cells of a target, from curves or from a column.

What was asked for is that of `db.batch_steps`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.select import Excluded
from db.sweeps import SweepRun, read_runs
from scaling.arguments import number_or_name
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_factor, format_number, format_plural

if TYPE_CHECKING:
    from scaling.batch_size.cells import Cell, Curve, StepsToTarget
    from scaling.batch_size.steps import StepsFit

_DERIVED = "loss of "  # how the rule of a target begins that nobody gave


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
    anchor : float or None
        Batch size that linear scaling starts from, in `unit`.
    name : str or None
        Value of the column that parts sweeps.
    overhead : float
        Share by which samples may exceed those of linear scaling.
    """

    found: StepsToTarget
    unit: str
    n_params: float
    n_tokens: float
    rule: str
    anchor: float | None = None
    name: str | None = None
    overhead: float = 0.2

    def fit(self, form: str, **settings: Any) -> StepsFit:
        """Fit the curve of steps; where too few reached a target that nobody gave, say how to take another."""
        try:
            return self.found.fit(form=form, unit=self.unit, **settings)
        except InputDataError as error:
            if self.rule.startswith(_DERIVED) and "higher target" in (error.hint or ""):
                hint = "The target was derived. Give a higher one with --target, derive it earlier with --at-samples"
                raise InputDataError(error.message, f"{hint}, or train longer.") from error
            raise


def sweep_of(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> tuple[Sweep, list[SweepRun], list[Excluded]]:
    """Work the sweep out, with its runs and those that were left out."""
    runs = read_runs(columns, rows)
    _check_one_unit(asked, runs)
    sweep, excluded = read_steps(asked, runs) if asked.get("steps") else _from_curves(asked, columns, rows, runs)
    return sweep, runs, excluded


def lines_of(sweep: Sweep) -> list[list[object]]:
    """Return what a fit of a sweep rests on, a line a batch size."""
    return [[cell.run_id, cell.batch, cell.steps, cell.censored] for cell in sweep.found.cells if cell.bounds]


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
    target, _ = _target(asked, kept)
    found = StepsToTarget(math.nan if target is None else target, tuple(cells), notes=tuple(_notes(cells)))
    rule = f"steps taken from the column {asked['steps']}"
    return _sweep(asked, found, kept, rule), excluded


def _from_curves(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], runs: Sequence[SweepRun]
) -> tuple[Sweep, list[Excluded]]:
    """Read the curves, and the crossings of the target on them."""
    from scaling.batch_size.cells import steps_to_target
    from scaling.batch_size.targets import derive_target

    curves, excluded = read_curves(columns, rows, runs)
    given, rule = _target(asked, runs)
    if given is None:
        samples = asked.get("samples")
        samples = None if samples is None else samples * (asked.get("context_length") or 1.0)
        derived = derive_target(curves, anchor=_anchor(asked), samples=samples)
        given, rule = derived.loss, derived.rule
    found = steps_to_target(curves, given, smooth=int(asked.get("smooth") or 1))
    return _sweep(asked, found, runs, rule), excluded


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


def _sweep(asked: Mapping[str, Any], found: StepsToTarget, runs: Sequence[SweepRun], rule: str) -> Sweep:
    names = {run.sweep for run in runs}
    unit = "tokens" if asked.get("context_length") else str(asked.get("batch_unit") or "samples")
    name = names.pop() if len(names) == 1 else None
    overhead = 0.2 if asked.get("overhead") is None else float(asked["overhead"])
    return Sweep(found, unit, *_shared(runs), rule, _anchor(asked), name, overhead)


def _check_one_unit(asked: Mapping[str, Any], runs: Sequence[SweepRun]) -> None:
    """Refuse batches of which some look like sequences and others like tokens, where nobody said which they are."""
    from scaling.batch_size.units import looks_mixed

    batch = np.array([run.batch for run in runs])
    if asked.get("context_length") or (asked.get("batch_unit") or "samples") != "samples":
        return
    if factor := looks_mixed(batch):
        name = asked.get("batch") or "batch"
        raise InputDataError(
            f"The batch sizes in '{name}' fall into two groups {format_factor(factor)} apart "
            f"({format_number(float(batch.min()))} to {format_number(float(batch.max()))}): some look like sequences "
            "and others like tokens.",
            "If all are of one kind, say which: --batch-unit tokens. If not, bring them to tokens with the context "
            f'length, here 512: --batch "CASE WHEN {name} < {_between(batch)} THEN {name} * 512 ELSE {name} END" '
            "--batch-unit tokens",
        )


def _between(batch: NDArray[np.float64]) -> str:
    """A batch size between the two groups."""
    sizes = np.unique(batch)
    at = int(np.argmax(sizes[1:] / sizes[:-1]))
    return f"{2.0 ** np.round(np.log2(np.sqrt(sizes[at] * sizes[at + 1]))):.0f}"


def _anchor(asked: Mapping[str, Any]) -> float | None:
    """The anchor in the unit of the fit."""
    anchor = asked.get("anchor")
    return None if anchor is None else float(anchor) * float(asked.get("context_length") or 1.0)


def _target(asked: Mapping[str, Any], runs: Sequence[SweepRun]) -> tuple[float | None, str]:
    """Return the target loss of the runs of a sweep and where it comes from; None where it is to be derived."""
    target = asked.get("target")
    if isinstance(target, str):
        values: set[Any] = {run.settings.get("target") for run in runs}
        if len(values) > 1 or None in values:
            listed = ", ".join(sorted(str(value) for value in values)[:5])
            raise InputDataError(
                f"The runs of one sweep have several targets in '{target}': {listed}.",
                "Part them with --by, or give the target: --target 2.7",
            )
        return float(values.pop()), f"taken from the column {target}"
    if isinstance(target, Mapping):
        target = _of_sweep(target, str(runs[0].sweep))
    return (None, "") if target is None else (float(target), "given")


def _of_sweep(targets: Mapping[str, float], sweep: str) -> float:
    """Find the target of a sweep, whose name may be a number that was written in another way: 85M, 85000000.0."""
    if sweep in targets:
        return targets[sweep]
    number = number_or_name(sweep)
    for name, target in targets.items():
        if not isinstance(number, str) and number_or_name(name) == number:
            return target
    raise UsageError(
        f"No --target is given for the sweep '{sweep}'; there are some for: {', '.join(targets)}.",
        f"Give one for each: --target {sweep}=LOSS",
    )


def _notes(cells: Sequence[Cell]) -> list[str]:
    """Say what is to be known of steps from a column."""
    notes = []
    if count := sum(cell.censored for cell in cells):
        notes.append(f"{count} of {format_plural(len(cells), 'batch size')} did not reach the target: censored.")
    most = max(cell.runs for cell in cells)
    if most > 1:
        notes.append(f"Steps are the fewest of up to {most} runs a batch size, an optimistic number.")
    return notes


def _shared(runs: Sequence[SweepRun]) -> tuple[float, float]:
    """Size and tokens that all runs have in common; NaN where they do not."""
    sizes, tokens = {run.n_params for run in runs}, {run.n_tokens for run in runs}
    return (sizes.pop() if len(sizes) == 1 else math.nan), (tokens.pop() if len(tokens) == 1 else math.nan)


def _marked(run: SweepRun) -> bool:
    mark = run.settings.get("censored")
    return mark is not None and str(mark).lower() not in ("false", "0", "0.0", "no", "")
