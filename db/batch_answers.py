"""Steps to a target over batch size as a command asks for them: fitted for each sweep, saved, and loaded again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db import batch_steps, kinds
from db.fits import check_fit_name
from db.macros import safe_name
from db.saved import SavedFit, load_fit, unchanged_rows
from scaling.errors import InputDataError, ScalingError, UsageError
from scaling.formatting import format_count

if TYPE_CHECKING:
    from db.store import Store
    from scaling.batch_size.critical import CriticalBatch
    from scaling.batch_size.forms import FormComparison
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.batch_size.sensitivity import ConventionTable
    from scaling.batch_size.steps import StepsFit

AUTO = "auto"
_ANCHORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the anchor, where conventions are held against each other


@dataclass(frozen=True)
class SavedSteps:
    """Steps to a target of one sweep, as saved.

    Parameters
    ----------
    saved : SavedFit
        The fit.
    rows : DerivedSelection
        Its rows; ``source`` is the `db.batch_sweeps.Sweep`.
    steps : StepsFit
        The curve.
    forms : FormComparison or None
        The forms held against each other, where that was asked for.
    """

    saved: SavedFit
    rows: kinds.DerivedSelection
    steps: StepsFit
    forms: FormComparison | None = None

    def critical(self, level: float) -> tuple[CriticalBatch, ...]:
        """Critical batch sizes: b/a, by the overhead, and by the overhead above linear scaling from the anchor."""
        overhead = float(self.rows.source.overhead)
        found = [self.steps.critical_batch(level=level)]
        if self.steps.form != "steps_to_target_power":  # which has no fewest number of samples
            found.append(self.steps.critical_batch(overhead, level=level))
        if self.rows.source.anchor is not None:
            found.append(self.steps.critical_batch(overhead, self.rows.source.anchor, level=level))
        return tuple(found)


def fit_sweeps(
    store: Store, asked: Mapping[str, Any], *, name: str | None = None, replace: bool = False, forms: bool = False,
    level: float = 0.9, bootstrap: int = 1000, seed: int = 0, progress: Any = None,
) -> tuple[list[SavedSteps], dict[str, ScalingError]]:  # fmt: skip
    """Fit the steps to a target of each sweep, and save the fits.

    Parameters
    ----------
    store : Store
        Open for writing.
    asked : mapping
        As of `db.batch_steps`; the form may be ``auto``: that which forecasts held-out batch sizes best.
    name : str, optional
        Of the fit; of several sweeps the first part of their names.
    replace : bool, default False
        Whether fits of those names give way.
    forms : bool, default False
        Whether to hold the three forms against each other.
    level : float, default 0.9
        Nominal coverage, of the forms' intervals.
    bootstrap, seed : int
        Of the fits.
    progress : callable, optional
        Told how many sweeps are done, and of how many.

    Returns
    -------
    fits : list of SavedSteps
        One a sweep.
    failures : dict of str to ScalingError
        Sweeps that could not be fitted, and why.

    Raises
    ------
    UsageError
        For a question that makes no sense.
    InputDataError
        Where no sweep can be fitted.
    """
    asked = batch_steps.with_batch(store, {**batch_steps.USUAL, **asked})
    sweeps = sweeps_of(store, asked) if asked["by"] else [None]
    check_fit_name(store, name if sweeps == [None] else None, replace)
    base, names = _names(store, name, sweeps)
    made = []
    failures: dict[str, ScalingError] = {}
    for i, (sweep, own) in enumerate(zip(sweeps, names, strict=True), start=1):
        mine = asked if sweep is None else asked | {"sweep": sweep, "base": base}
        try:
            rows = kinds.select_rows(store, batch_steps.KIND, mine)
            compared = _compared(rows, level, bootstrap, seed) if forms or mine["form"] == AUTO else None
            if mine["form"] == AUTO:
                assert compared is not None
                mine = mine | {"form": compared.chosen}
            fitted = batch_steps.fit_sweep(rows, mine, bootstrap=bootstrap, seed=seed)
        except InputDataError as error:
            if sweep is None:
                raise
            failures[sweep] = error
            continue
        made.append((own, mine, rows, fitted, compared))
        if progress is not None:
            progress(i, len(sweeps))
    if not made:
        value, why = next(iter(failures.items()))
        raise InputDataError(
            f"None of the {len(sweeps)} values of {asked['by']} can be fitted; {label_of(value)}: {why.message}",
            why.hint,
        )
    parts = [(own, mine, rows, fitted.fit, ()) for own, mine, rows, fitted, _ in made]
    saved = kinds.save_all(store, batch_steps.KIND, parts, replace=replace, bootstrap=bootstrap, seed=seed)
    both = zip(saved, made, strict=True)
    return [SavedSteps(one, rows, fitted, compared) for one, (_, _, rows, fitted, compared) in both], failures


def _compared(rows: kinds.DerivedSelection, level: float, bootstrap: int, seed: int) -> FormComparison:
    from scaling.batch_size.forms import compare_forms

    found = rows.source.found
    some = np.array([cell.bounds for cell in found.cells])
    return compare_forms(
        found.batch[some], found.steps[some], found.censored[some], unit=rows.source.unit, bootstrap=bootstrap,
        seed=seed, level=level,
    )  # fmt: skip


def sweeps_of(store: Store, asked: Mapping[str, Any]) -> list[str]:
    """List the values of the column that parts sweeps, numbers in their order; runs without one are in none."""
    from db.query import run_select

    columns, rows = run_select(store, batch_steps.sql_of(store, {**asked, "sweep": None}))
    at = columns.index("sweep")
    found = {row[at] for row in rows} - {None}
    if not found:
        raise InputDataError(f"No run that is selected has a value of {asked['by']}.", "Name another column with --by.")
    return sorted(found, key=by_number)


def by_number(text: str) -> tuple[float, str]:
    """Order texts that are numbers as such, and before all others."""
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def label_of(sweep: str) -> str:
    """Write the value of a column in few letters."""
    number = by_number(sweep)[0]
    return format_count(number) if math.isfinite(number) and number >= 1000 else sweep


def _names(store: Store, name: str | None, sweeps: Sequence[str | None]) -> tuple[str | None, list[str | None]]:
    """Name the fits of all sweeps and of each; without a name of one's own, by a number that no saved fit has."""
    if sweeps == [None]:
        return name, [name]
    if name is not None:
        return name, _of_each(store, name, sweeps)
    taken = {str(one).lower() for (one,) in store.query("SELECT name FROM fits")[1]}
    bases = (batch_steps.KIND if i == 1 else f"{batch_steps.KIND}_{i}" for i in itertools.count(1))
    return next((base, own) for base in bases if taken.isdisjoint(map(str, own := _of_each(store, base, sweeps))))


def _of_each(store: Store, base: str, sweeps: Sequence[str | None]) -> list[str | None]:
    short = [safe_name(store, f"{base}_{label_of(str(sweep))}") for sweep in sweeps]
    if len(set(short)) == len(short):
        return list(short)
    return [safe_name(store, f"{base}_{i}") for i in range(1, len(sweeps) + 1)]


def conventions_of(made: Sequence[SavedSteps], overhead: float, level: float, seed: int) -> ConventionTable:
    """Hold conventions against each other on several sweeps; over their size, or over the fewest samples of each.

    Raises
    ------
    UsageError
        For a single sweep.
    """
    from scaling.batch_size.sensitivity import convention_table

    if len(made) < 2:
        raise UsageError(
            "What conventions make of an exponent takes several sweeps, and there is one.",
            "Part the runs by a column: --by n_params",
        )
    anchor = made[0].rows.source.anchor
    if anchor is None:
        anchor = float(np.median([one.steps.batch.min() for one in made]) * 4)
    sizes = [one.rows.source.n_params for one in made]
    known = all(math.isfinite(size) for size in sizes) and len(set(sizes)) > 1
    over = {"n_params": sizes} if known else {"n_tokens": [one.steps.estimates["b"] for one in made]}
    return convention_table(
        [one.steps for one in made], **over, anchors=[anchor * part for part in _ANCHORS], overhead=overhead,
        anchor=anchor, level=level, seed=seed,
    )  # fmt: skip


def load_steps(store: Store, name: str) -> SavedSteps:
    """Load a saved fit of steps, with its rows.

    Raises
    ------
    UsageError
        Where there is no such fit, or it is of another kind.
    InputDataError
        Where its rows have changed.
    """
    from scaling.batch_size.steps import StepsFit

    saved = load_fit(store, name)
    if kind_name(saved) != batch_steps.KIND:
        raise UsageError(
            f"The fit '{saved.name}' is of the law '{saved.fit.law.name}', and no curve of steps over batch size.",
            "Fit one with: scaling batch-size fit",
        )
    rows = unchanged_rows(store, saved)
    assert isinstance(rows, kinds.DerivedSelection)
    cells = [cell for cell in rows.source.found.cells if cell.bounds]
    censored = np.array([cell.censored for cell in cells])
    return SavedSteps(saved, rows, StepsFit(saved.fit, rows.inputs["B"], rows.observed, censored))


def load_law(store: Store, name: str) -> tuple[SavedFit, CriticalLaw]:
    """Load a saved law of the critical batch size; raises `UsageError` where it is none."""
    from scaling.batch_size.law import restore

    saved = load_fit(store, name)
    if kind_name(saved) not in ("critical_batch", "iso_loss"):
        raise UsageError(
            f"The fit '{saved.name}' is of the law '{saved.fit.law.name}', and no law of the critical batch size.",
            "Fit one with: scaling batch-size law",
        )
    return saved, restore(saved.fit)


def kind_name(saved: SavedFit) -> str | None:
    """Name the kind of a saved fit whose rows are worked out; None for another."""
    return str(saved.config[kinds.KEY]["kind"]) if saved.derived else None
