"""Load what the page of a fit of batch sizes or of tuning shows: the fit, its rows, where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from db import kinds
from db.kinds import DerivedSelection
from db.provenance import SourceOfRuns, is_simulated, sources_of
from db.saved import SavedFit, load_fit, unchanged_rows
from scaling.errors import ScalingError, UsageError

if TYPE_CHECKING:
    from db.store import Store
    from scaling.batch_size.critical import CriticalBatch
    from scaling.fitting.backtest import Backtest

_REPLICATES = 200  # of what is fitted for the page alone
_BESIDE = 3  # critical batch sizes beside a noise scale


@dataclass(frozen=True)
class PageParts:
    """What a page is made from.

    Parameters
    ----------
    kind : str
        Of `db.kinds`.
    saved : SavedFit
        The fit.
    rows : DerivedSelection
        Its rows.
    made : object
        The fit as its kind answers from it: `db.batch_answers.SavedSteps`, a `CriticalLaw` with its points,
        `db.noise_fits.RunNoise` or `db.tunings.SavedTuning`.
    sources : tuple of SourceOfRuns
        The files the runs came from.
    simulated : bool
        Whether no model was trained.
    backtest : Backtest or None
        The largest rows held out; None where that cannot be done.
    store : str
        Path of the store.
    beside : dict of str to CriticalBatch
        Beside a noise scale: b/a of saved curves of the same runs, by the names of the fits.
    """

    kind: str
    saved: SavedFit
    rows: DerivedSelection
    made: Any
    sources: tuple[SourceOfRuns, ...]
    simulated: bool
    backtest: Backtest | None
    store: str
    beside: dict[str, CriticalBatch] = field(default_factory=dict)


def load_named(store: Store, name: str) -> SavedFit:
    """Load a saved fit, or of the laws of a sweep, which share the beginning of their names, the learning rate's.

    Raises
    ------
    UsageError
        Where there is no such fit.
    """
    try:
        return load_fit(store, name)
    except UsageError:
        _, found = store.query(
            "SELECT name FROM fits WHERE kind = 'tuning' AND lower(name) = lower(?) || '_lr'", [name]
        )
        if not found:
            raise
        return load_fit(store, str(found[0][0]))


def load_page(store: Store, saved: SavedFit, level: float = 0.9) -> PageParts:
    """Load what the page of a fit shows.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        A derived fit.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    PageParts

    Raises
    ------
    InputDataError
        Where the rows have changed since.
    """
    rows = unchanged_rows(store, saved)
    assert isinstance(rows, DerivedSelection)
    kind = str(saved.config[kinds.KEY]["kind"])
    return PageParts(
        kind, saved, rows, _made(store, kind, saved, rows), tuple(sources_of(store, rows.runs)),
        is_simulated(store, rows.runs), _held_out(saved, rows, level), str(store.path),
        _beside(store, rows, level) if kind == "noise_scale" else {},
    )  # fmt: skip


def _held_out(saved: SavedFit, rows: DerivedSelection, level: float) -> Backtest | None:
    """Hold the largest rows out; of the loss of all runs, which takes minutes, only what was kept with the fit."""
    if saved.fit.law.name == "tuned_loss":
        return saved.fit.backtest
    try:
        return kinds.backtest_again(saved, rows, level=level, bootstrap=_REPLICATES, seed=saved.fit.seed or 0)
    except ScalingError:
        return None


def _made(store: Store, kind: str, saved: SavedFit, rows: DerivedSelection) -> Any:
    if kind == "steps":
        from db.batch_answers import load_steps

        return load_steps(store, saved.fit_id)
    if kind in ("critical_batch", "iso_loss"):
        asked, settings = saved.config[kinds.KEY]["asked"], saved.config["settings"]
        module: Any = kinds.kind_named(kind)
        # Points come with their replicates only from the curves; the law itself is the one that was saved.
        return replace(module.fit_law(rows, asked, **settings), fit=saved.fit)
    if kind == "tuning":
        from db.tunings import load_tuning

        return load_tuning(store, saved.name)
    return rows.source


def _beside(store: Store, rows: DerivedSelection, level: float) -> dict[str, CriticalBatch]:
    """Critical batch sizes of saved curves whose runs are those of the noise scale, or of their size."""
    from db.batch_answers import load_steps

    runs = set(rows.runs)
    sizes = _sizes(store, runs)
    _, names = store.query("SELECT name FROM fits WHERE kind = 'steps' ORDER BY created_at")
    found: dict[str, CriticalBatch] = {}
    for (name,) in names:
        try:
            one = load_steps(store, str(name))
        except ScalingError:  # its rows have changed: nothing to show beside
            continue
        same = runs & set(one.rows.runs) or (sizes and sizes == _sizes(store, set(one.rows.runs)))
        if same and one.steps.unit == rows.source.noise.unit and len(found) < _BESIDE:
            found[str(name)] = one.steps.critical_batch(level=level)
    return found


def _sizes(store: Store, runs: set[str]) -> set[float]:
    """Return the sizes of runs; empty where one is not known."""
    _, rows = store.query("SELECT DISTINCT n_params FROM runs_final WHERE run_id IN (SELECT unnest(?))", [sorted(runs)])
    sizes = {row[0] for row in rows}
    return set() if None in sizes else sizes
