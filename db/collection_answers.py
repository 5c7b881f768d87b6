"""Learning curves of a store as commands ask for them: fitted and saved a group, loaded again, and spent money on."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db import kinds, learning_curves
from db.fits import check_fit_name
from db.macros import safe_name
from db.saved import SavedFit, load_fit, unchanged_rows
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.store import Store
    from scaling.valuation.collection.curves import LearningCurves
    from scaling.valuation.collection.held_out import HeldOutCurves
    from scaling.valuation.collection.plan import CollectionPlan


@dataclass(frozen=True)
class SavedCurves:
    """Learning curves of several groups, as saved.

    Parameters
    ----------
    saved : dict of str to SavedFit
        By group.
    curves : LearningCurves
        What they say.
    excluded : dict of str to int
        Runs that no curve could use, by reason.
    held : HeldOutCurves or None
        What ways of fitting missed the largest sizes by, where that was asked for.
    """

    saved: dict[str, SavedFit]
    curves: LearningCurves
    excluded: dict[str, int]
    held: HeldOutCurves | None = None


def fit_curves(
    store: Store, asked: Mapping[str, Any], *, name: str | None = None, replace: bool = False, held_out: bool = False,
    bootstrap: int = 200, seed: int = 0, progress: Any = None,
) -> SavedCurves:  # fmt: skip
    """Fit the learning curve of each group, and save the fits.

    Parameters
    ----------
    store : Store
        Open for writing.
    asked : mapping
        As of `db.learning_curves`.
    name : str, optional
        Of the fit; of several groups the first part of their names.
    replace : bool, default False
        Whether fits of those names give way.
    held_out : bool, default False
        Whether to hold the largest size of each group out, in each way of fitting.
    bootstrap, seed : int
        Of the curves.
    progress : callable, optional
        Told how many groups are done, and of how many.

    Returns
    -------
    SavedCurves

    Raises
    ------
    UsageError
        For a question that makes no sense.
    InputDataError
        Where no curve can be fitted.
    """
    from db.query import run_select
    from scaling.valuation.collection.held_out import hold_out_largest

    asked = {**learning_curves.USUAL, **asked}
    check_fit_name(store, name if not asked["by"] else None, replace)
    sql = learning_curves.sql_of(store, asked)
    columns, found = run_select(store, sql)
    if not found:
        raise InputDataError("No run of the store is selected.", "See what there is with: scaling ls")
    rows, excluded = learning_curves.read_curve_rows(asked, columns, found)
    asked["unit"] = learning_curves.unit_of(store, asked, str(found[0][columns.index("metric")]))
    curves = rows.fit(asked, bootstrap, seed, progress)
    base, names = _names(store, name, list(curves) if asked["by"] else [])
    parts = []
    for group in curves:
        own = asked | ({"group": group, "base": base} if asked["by"] else {})
        selection = learning_curves.selection_of(own, rows, excluded, sql)
        parts.append((names[group] if asked["by"] else name, own, selection, curves[group].fit, ()))
    saved = kinds.save_all(store, learning_curves.KIND, parts, replace=replace, bootstrap=bootstrap, seed=seed)
    held = hold_out_largest(rows.x, rows.y, rows.group, higher_is_better=asked["higher"]) if held_out else None
    reasons = Counter(one.reason for one in excluded)
    return SavedCurves(dict(zip(curves, saved, strict=True)), curves, dict(reasons), held)


def load_curves(store: Store, names: Sequence[str]) -> SavedCurves:
    """Load saved learning curves.

    Parameters
    ----------
    store : Store
        An open store.
    names : sequence of str
        Of fits, or what the names of the curves of several groups begin with.

    Returns
    -------
    SavedCurves

    Raises
    ------
    UsageError
        For a name of nothing, of a fit of another kind, or for two curves of one group.
    InputDataError
        Where the rows of a curve have changed.
    """
    from scaling.valuation.collection.curves import restore

    found: dict[str, SavedFit] = {}
    for name in names:
        for saved in _named(store, name):
            group = str(saved.fit.settings["learning_curve"]["group"])
            if group in found and found[group].fit_id != saved.fit_id:
                raise UsageError(f"'{found[group].name}' and '{saved.name}' are both learning curves of {group}.")
            found[group] = saved
    higher = {bool(saved.config[kinds.KEY]["asked"].get("higher")) for saved in found.values()}
    if len(higher) > 1:
        raise UsageError("Some of the curves are of errors, 1 - value, and others of what was measured as it is.")
    rows = {}
    for group, saved in found.items():
        selection = unchanged_rows(store, saved)
        rows[group] = (selection.inputs["x"], selection.observed)
    seed = next(iter(found.values())).config["settings"]["seed"]
    curves = restore({group: saved.fit for group, saved in found.items()}, rows, higher.pop(), seed)
    return SavedCurves(found, curves, {})


def plan_collection(
    store: Store, names: Sequence[str], budget: float, *, rounds: int = 1, **options: Any
) -> tuple[SavedCurves, CollectionPlan]:
    """Spend a budget, or the first round of it, by saved learning curves.

    Parameters
    ----------
    store : Store
        An open store.
    names : sequence of str
        As of `load_curves`.
    budget : float
        Money of all rounds.
    rounds : int, default 1
        Rounds that it is spent in; the plan is that of the next one.
    **options
        As of `scaling.valuation.collection.allocation.allocate_collection`.

    Returns
    -------
    SavedCurves, CollectionPlan
    """
    from scaling.valuation.collection.allocation import allocate_collection

    found = load_curves(store, names)
    return found, allocate_collection(found.curves, budget / rounds, **options)


def _named(store: Store, name: str) -> list[SavedFit]:
    """Load the fit of a name, or all curves whose names begin with it."""
    try:
        saved = load_fit(store, name)
    except UsageError:
        _, rows = store.query("SELECT name FROM fits ORDER BY created_at, name")
        every = [load_fit(store, one) for (one,) in rows if one.startswith(f"{name}_")]
        mine = [one for one in every if _kind(one) == learning_curves.KIND and _base(one) == name]
        if mine:
            return mine
        raise
    if _kind(saved) != learning_curves.KIND:
        raise UsageError(
            f"The fit '{saved.name}' is of the law '{saved.fit.law.name}', and no learning curve of a group.",
            "Fit some with: scaling value curves",
        )
    return [saved]


def _kind(saved: SavedFit) -> str | None:
    return str(saved.config[kinds.KEY]["kind"]) if saved.derived else None


def _base(saved: SavedFit) -> str | None:
    base = saved.config[kinds.KEY]["asked"].get("base")
    return None if base is None else str(base)


def _names(store: Store, name: str | None, groups: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """Name the curves of all groups and of each; without a name of one's own, by a number that no fit has."""
    if name is not None or not groups:
        return name, _of_each(store, str(name), groups)
    taken = {str(one).lower() for (one,) in store.query("SELECT name FROM fits")[1]}
    bases = (learning_curves.KIND if i == 1 else f"{learning_curves.KIND}_{i}" for i in itertools.count(1))
    return next((base, own) for base in bases if taken.isdisjoint((own := _of_each(store, base, groups)).values()))


def _of_each(store: Store, base: str, groups: Sequence[str]) -> dict[str, str]:
    short = {group: safe_name(store, f"{base}_{group}") for group in groups}
    if len({name.lower() for name in short.values()}) == len(short):
        return short
    return {group: safe_name(store, f"{base}_{i}") for i, group in enumerate(groups, start=1)}
