"""The laws of a sweep over learning rate and batch size together: fitted, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from db.kinds import KEY, DerivedSelection, save_all
from db.tuning_fits import KIND, PARTS, selection_of
from db.tuning_runs import named, sql_of, sweep_of
from db.tuning_sweeps import USUAL, TuningSweep
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.hyperparameters import LossSurface, TunedLaws, TunedTimescale


@dataclass(frozen=True)
class SavedTuning:
    """The laws of a sweep as they stand in the store.

    Parameters
    ----------
    name : str
        What the names of its fits begin with.
    saved : dict of str to SavedFit
        By part: ``lr batch``, and where they could be had or were asked for ``coupled timescale loss``.
    laws : TunedLaws
        With their replicates.
    sweep : TuningSweep
        The runs.
    timescale : TunedTimescale or None
        With its replicates.
    surface : LossSurface or None
        The loss of all runs at once.
    notes : tuple of str
        What to know of the runs, in sentences.
    """

    name: str
    saved: dict[str, SavedFit]
    laws: TunedLaws
    sweep: TuningSweep
    timescale: TunedTimescale | None
    surface: LossSurface | None
    notes: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that makes these fits."""
        return self.saved["lr"].command


def fit_tuning(
    store: Store, asked: Mapping[str, Any], *, name: str | None = None, replace_fits: bool = False, bootstrap: int,
    seed: int,
) -> SavedTuning:  # fmt: skip
    """Fit the laws of a sweep, and save them with their macros: all of them or none.

    Parameters
    ----------
    store : Store
        Open for writing.
    asked : mapping
        As of `db.tuning_sweeps`; what is left out is usual.
    name : str, optional
        What the names of the fits begin with.
    replace_fits : bool
        Whether saved fits of these names give way.
    bootstrap, seed : int
        Draws of whole cells.

    Returns
    -------
    SavedTuning

    Raises
    ------
    UsageError
        For a question that makes no sense, or a name that is taken.
    InputDataError
        Where the runs cannot hold the laws.
    """
    from db.query import run_select

    base = _base_name(store, name, replace_fits)
    asked = USUAL | named(store, asked) | {"base": base}
    sql = sql_of(store, asked)
    columns, rows = run_select(store, sql)
    if not rows:
        raise InputDataError("No run of the store is selected.", "See what there is with: scaling ls")
    sweep, excluded = sweep_of(asked, columns, rows)
    laws = sweep.fit(bootstrap=bootstrap, seed=seed)
    made = {"lr": laws.lr.fit, "batch": laws.batch.fit}
    if laws.coupled is not None:
        made["coupled"] = laws.coupled.fit
    timescale, notes = None, list(sweep.notes)
    if sweep.decay is not None:
        try:
            timescale = sweep.fit_timescale(bootstrap=bootstrap, seed=seed)
        except InputDataError as error:
            if asked["weight_decay"] is not None:
                raise
            notes.append(f"No law of the weight decay: {error.message}.")
        else:
            made["timescale"] = timescale.law.fit
    surface = None
    if asked["surface"]:
        surface = sweep.fit_surface(bootstrap=asked["surface_bootstrap"], seed=seed)
        made["loss"] = surface.fit
    parts = []
    for part, fit in made.items():
        one = asked | {"part": part}
        parts.append((f"{base}_{part}", one, selection_of(one, sweep, excluded, sql), fit, notes[len(sweep.notes) :]))
    saved = save_all(store, KIND, parts, replace=replace_fits, bootstrap=bootstrap, seed=seed)
    by_part = dict(zip(made, saved, strict=True))
    _remove_stale(store, base, made)
    return SavedTuning(base, by_part, laws, sweep, timescale, surface, tuple(notes))


def load_tuning(store: Store, name: str) -> SavedTuning:
    """Load the laws of a sweep.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        What the names of its fits begin with, the name of one of them, or ``latest``.

    Returns
    -------
    SavedTuning

    Raises
    ------
    UsageError
        Where there are none.
    InputDataError
        Where their runs have changed since.
    """
    from db.saved import load_fit, unchanged_rows
    from scaling.hyperparameters import TunedLaw

    first = _first(store, name)
    asked = first.config[KEY]["asked"]
    saved = {part: one for part in PARTS if (one := _sibling(store, first, part)) is not None}
    if missing := [part for part in ("lr", "batch") if part not in saved]:
        raise UsageError(
            f"The fit '{asked['base']}_{missing[0]}' is gone, and without it nothing can be recommended.",
            f"Fit again: {first.command} --replace",
        )
    rows = unchanged_rows(store, load_fit(store, saved["lr"].fit_id))
    assert isinstance(rows, DerivedSelection)
    sweep: TuningSweep = rows.source
    laws, settings = sweep.laws, first.config["settings"]
    coupled = saved.get("coupled")
    laws = replace(
        laws,
        lr=TunedLaw(saved["lr"].fit, laws.lr.group),
        batch=TunedLaw(saved["batch"].fit, laws.batch.group),
        coupled=None if coupled is None or laws.coupled is None else TunedLaw(coupled.fit, laws.coupled.group),
        bootstrap=settings["bootstrap"],
        seed=settings["seed"],
    )
    timescale, surface = None, None
    if "timescale" in saved:
        timescale = replace(sweep.timescale, law=TunedLaw(saved["timescale"].fit, sweep.timescale.law.group))
    if "loss" in saved:
        surface = sweep.surface_of(saved["loss"].fit)
    notes = tuple(saved["lr"].config["notes"])
    return SavedTuning(str(asked["base"]), saved, laws, sweep, timescale, surface, notes)


def _base_name(store: Store, name: str | None, replace_fits: bool) -> str:
    """Return the name that those of the fits begin with; refuses one that is taken before the work."""
    from db.fits import check_fit_name

    _, rows = store.query("SELECT lower(name) FROM fits")
    taken, number = {row[0] for row in rows}, 1
    if name is None:
        while any(f"{KIND}_{number}_{part}" in taken for part in PARTS):
            number += 1
        return f"{KIND}_{number}"
    for part in PARTS:
        check_fit_name(store, f"{name}_{part}", replace_fits)
    return name


def _remove_stale(store: Store, base: str, made: Mapping[str, Any]) -> None:
    """Remove parts of an earlier making that gave way and has none that takes their place."""
    from db.fits import remove_fit

    _, rows = store.query("SELECT name FROM fits WHERE kind = ?", [KIND])
    known = {str(row[0]).lower() for row in rows}
    for part in PARTS:
        if part not in made and f"{base}_{part}".lower() in known:
            remove_fit(store, f"{base}_{part}")


def _first(store: Store, name: str) -> SavedFit:
    """Load one of the fits that a name is of."""
    from db.saved import load_fit

    _, rows = store.query("SELECT name FROM fits WHERE kind = ?", [KIND])
    known = {str(row[0]).lower(): str(row[0]) for row in rows}
    found = next((known[key] for part in PARTS if (key := f"{name}_{part}".lower()) in known), None)
    saved = load_fit(store, name if found is None else found)
    if saved.config.get(KEY, {}).get("kind") != KIND:
        raise UsageError(
            f"The fit '{saved.name}' is no law of learning rates and batches.",
            "Make some with: scaling tune fit --name NAME",
        )
    return saved


def _sibling(store: Store, first: SavedFit, part: str) -> SavedFit | None:
    """Load another fit of the same making; None where there is none, or one that was made another time."""
    from db.saved import load_fit

    table = first.config[KEY]["asked"]
    try:
        one = load_fit(store, f"{table['base']}_{part}")
    except UsageError:
        return None
    same = one.config.get(KEY, {}).get("asked", {}) | {"part": table["part"]} == table
    same = same and one.config["settings"] == first.config["settings"] and one.data_sha256 == first.data_sha256
    return one if same else None
