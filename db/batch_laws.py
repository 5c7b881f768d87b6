"""Laws of the critical batch size: one row a sweep, or a target of one sweep, whose steps are fitted first.

What was asked for is that of `db.batch_steps` (a target may be a list, one point each), and ``over tokens_from``:
``over`` is a law of the critical batch size, and ``tokens_from`` says where the tokens of a point come from: ``runs``,
their training tokens, or ``fit``, the fewest samples b of its curve. Curves are fitted in the unit of the batch column;
a context length makes the law one of tokens. Without an overhead the critical batch is b/a.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db import batch_steps
from db.batch_answers import by_number, label_of
from db.batch_sweeps import Sweep, lines_of, sweep_of
from db.kinds import DerivedSelection, axis_of, hash_lines
from db.select import Excluded
from db.sweeps import SweepRun, batch_sql
from scaling.batch_size.law_design import LOSS, NEEDS, choose_law, read_design, read_inputs
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.batch_size.steps import StepsFit
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

KIND = "critical_batch"
USUAL: dict[str, Any] = {**batch_steps.USUAL, "overhead": None, "over": None, "tokens_from": None}
#: What the words of a command stand for.
OVER = {
    "tokens": "critical_batch", "params": "critical_batch_params", "both": "critical_batch_joint",
    "loss": "critical_batch_loss",
}  # fmt: skip
_SHARED = (
    "Several points are read from the same runs, so that their errors go together; the interval takes each as its own."
)
_WORDS = {law: word for word, law in OVER.items()}
FEWEST = "fewest_samples"  # of a curve, which no column holds
_COLUMNS = {"N": "n_params", "D": "n_tokens", "L": "target"}


@dataclass(frozen=True)
class Point:
    """One critical batch size of a law.

    Parameters
    ----------
    label : str
        Its sweep, or its target.
    sweep : Sweep
        The cells.
    steps : StepsFit
        Their curve, without replicates.
    critical : float
        In the unit of the law.
    runs : tuple of SweepRun
        The runs behind it.
    """

    label: str
    sweep: Sweep
    steps: StepsFit
    critical: float
    runs: tuple[SweepRun, ...]


@dataclass(frozen=True)
class LawRows:
    """What a law of the critical batch size is made from.

    Parameters
    ----------
    points : tuple of Point
        In the order of the rows.
    inputs : dict of str to ndarray (m,)
        ``N``, ``D`` (in the unit of the law) and ``L``, those that are known of every point.
    law : str
        Which law.
    tokens_from : str
        ``runs`` or ``fit``.
    """

    points: tuple[Point, ...]
    inputs: dict[str, Any]
    law: str
    tokens_from: str


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of all curves, or of all runs where a column holds their steps."""
    batch_sql(store, asked.get("batch"), asked.get("context_length"))  # refuses tokens that would be multiplied
    return batch_steps.sql_of(store, {**asked, "sweep": None, "context_length": None})


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Work out the critical batch size of each sweep, or of each target.

    Raises
    ------
    InputDataError
        Where fewer than two are left.
    """
    factor = float(asked.get("context_length") or 1.0)
    points: list[Point] = []
    failed: InputDataError | None = None
    excluded = [Excluded(str(row[0]), f"no {asked['by']}") for row in rows if _unparted(asked, columns, row)]
    for label, mine, part in _parts(asked, columns, rows):
        try:
            sweep, runs, left = sweep_of(mine, columns, part)
            steps = sweep.fit(mine.get("form") or "steps_to_target", bootstrap=0)
            critical = float(steps.critical_batch(*_convention(asked)))
            if not (math.isfinite(critical) and critical > 0):
                raise InputDataError(f"The critical batch size of {label} is {format_number(critical)}.")
        except InputDataError as error:
            excluded.append(Excluded(label, error.message))
            failed = failed or InputDataError(f"{label}: {error.message}", error.hint)
            continue
        excluded += left
        points.append(Point(label, sweep, steps, critical * factor, tuple(runs)))
    if len(points) < 2:
        why = f"{excluded[0].run_id}: {excluded[0].reason}" if excluded else ""
        hint = "Part the runs with --by n_params, or read several targets off one sweep: --target 3.2 --target 3.0"
        raise InputDataError(
            f"A law needs critical batch sizes of several sweeps, and there is {len(points) or 'none'}. "
            f"{failed.message if failed else why}".rstrip(),
            failed.hint if failed and failed.hint else hint,
        )
    source = _rows_of(asked, points, factor)
    inputs = {name: source.inputs[name] for name in NEEDS[source.law]}
    order = -source.inputs["L"] if source.law == LOSS else np.prod(list(inputs.values()), axis=0)
    lines = [[p.label, *line] for p in points for line in lines_of(p.sweep)]
    lines += [[p.label, name, float(source.inputs[name][i])] for i, p in enumerate(points) for name in source.inputs
              if name != "D" or source.tokens_from == "runs"]  # fmt: skip
    return DerivedSelection(
        run_ids=tuple(p.label for p in points),
        inputs=inputs,
        observed=np.array([p.critical for p in points]),
        sql=sql,
        sha256=hash_lines(lines),
        excluded=tuple(excluded),
        not_selected=0,
        columns={name: _COLUMNS[name] if name != "D" or source.tokens_from == "runs" else FEWEST for name in inputs},
        metric=str(asked.get("steps") or asked.get("metric") or "loss"),
        order=order,
        members=tuple(tuple(sorted(run.run_id for run in p.runs)) for p in points),
        source=source,
        notes=(
            *([_SHARED] if _share_runs(points) else []),
            *dict.fromkeys(f"{p.label}: {note}" for p in points for note in p.sweep.found.notes),
        ),
    )


def _share_runs(points: Sequence[Point]) -> bool:
    """Whether some run stands behind several points."""
    every = [run.run_id for p in points for run in {run.run_id: run for run in p.runs}.values()]
    return len(set(every)) < len(every)


def make(rows: DerivedSelection, asked: Mapping[str, Any], **settings: Any) -> Fit:
    """Fit the curves with their replicates, and the law to them."""
    return fit_law(rows, asked, **settings).fit


def fit_law(rows: DerivedSelection, asked: Mapping[str, Any], bootstrap: int = 1000, seed: int = 0) -> CriticalLaw:
    """Fit the law, with what it says beside its fit."""
    from scaling.batch_size.law import fit_critical_law

    source: LawRows = rows.source
    form = asked.get("form") or "steps_to_target"
    curves = [point.sweep.fit(form, bootstrap=bootstrap, seed=seed) for point in source.points]
    overhead, anchor = _convention(asked)
    inputs = source.inputs
    return fit_critical_law(
        curves, n_params=inputs.get("N"), n_tokens=inputs.get("D"), loss=inputs.get("L"), law=source.law,
        overhead=overhead, anchor=anchor, tokens_per_sample=asked.get("context_length"), bootstrap=bootstrap, seed=seed,
    )  # fmt: skip


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the largest points out."""
    import scaling

    return scaling.backtest_law(saved.fit, rows.inputs, rows.observed, by=axis_of(rows), **settings)


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved law."""
    asked, settings = dict(config["derived"]["asked"]), config["settings"]
    asked["over"] = _WORDS.get(str(asked.get("over")))
    words = ["scaling", "batch-size", "law", *batch_steps.asked_words(asked, USUAL)]
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"]), "--name", config["name"]]
    return shlex.join(words)


def _convention(asked: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Overhead, and the anchor where there is an overhead; in the unit of the batch column."""
    overhead = asked.get("overhead")
    return overhead, asked.get("anchor") if overhead is not None else None


def _unparted(asked: Mapping[str, Any], columns: Sequence[str], row: tuple[Any, ...]) -> bool:
    """Tell whether a run has no value of the column that parts sweeps."""
    return bool(asked.get("by")) and row[columns.index("sweep")] is None


def _parts(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> list[tuple[str, dict[str, Any], list[tuple[Any, ...]]]]:
    """Part the rows by sweep, or repeat them for each target: a label, what is asked of it, and its rows."""
    own = {**asked, "context_length": None}
    targets = asked.get("target")
    if asked.get("by"):
        at = columns.index("sweep")
        values = sorted({row[at] for row in rows} - {None}, key=by_number)
        if isinstance(targets, list | tuple) and len(targets) > 1:
            raise UsageError(
                "Several targets of several sweeps are no points of one law.",
                "Give one --target, or one for each sweep: --target 85000000=3.42, or a column that holds it.",
            )
        own["target"] = targets[0] if isinstance(targets, list | tuple) else targets
        return [(label_of(value), own, [row for row in rows if row[at] == value]) for value in values]
    listed = list(targets) if isinstance(targets, list | tuple) else [targets]
    return [("the sweep" if one is None else f"target {one:g}" if isinstance(one, float) else str(one),
             {**own, "target": one}, list(rows)) for one in listed]  # fmt: skip


def _rows_of(asked: Mapping[str, Any], points: Sequence[Point], factor: float) -> LawRows:
    """Collect what is known of every point, and settle which law."""
    tokens = np.array([p.sweep.n_tokens for p in points])
    known = bool(np.all(np.isfinite(tokens) & (tokens > 0)))
    way = asked.get("tokens_from") or ("runs" if known and asked.get("steps") else "fit")
    if way == "runs" and not known:
        raise InputDataError(
            "The runs of a sweep do not share their training tokens, so a sweep has none of its own.",
            "Take the fewest samples of each curve: --tokens-from fit",
        )
    given = {
        "N": np.array([p.sweep.n_params for p in points]),
        "D": tokens if way == "runs" else np.array([p.steps.estimates["b"] for p in points]) * factor,
        "L": np.array([p.sweep.found.target for p in points]),
    }
    inputs = read_inputs({k: v for k, v in given.items() if np.all(np.isfinite(v) & (v > 0))}, len(points))
    return LawRows(tuple(points), inputs, choose_law(asked.get("over"), inputs, read_design(inputs)), way)
