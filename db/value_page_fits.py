"""Load what pages on the worth of data show of saved fits: losses in tokens, learning curves, imitation thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scaling.errors import ScalingError

if TYPE_CHECKING:
    from db.collection_answers import SavedCurves
    from db.imitation_fits import Concepts
    from db.provenance import SourceOfRuns
    from db.saved import SavedFit
    from db.store import Store
    from db.value_worth import WorthAnswer
    from scaling.valuation.collection.plan import CollectionPlan


@dataclass(frozen=True)
class LoadedFit:
    """An answer from saved fits, with where their runs are from.

    Parameters
    ----------
    answer : WorthAnswer, (SavedCurves, CollectionPlan or None), or (SavedFit, Concepts, str)
    sources : tuple of SourceOfRuns
        Files.
    n_runs : int
        Runs behind it.
    simulated : bool
        Whether they are simulated.
    asked : mapping
        What was asked for.
    notes : tuple of str
        What is to be known of the rows.
    """

    answer: WorthAnswer | tuple[SavedCurves, CollectionPlan | None] | tuple[SavedFit, Concepts, str]
    sources: tuple[SourceOfRuns, ...]
    n_runs: int
    simulated: bool
    asked: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_worth(store: Store, name: str, **asked: Any) -> LoadedFit:
    """Say what losses are worth, with where the law is from.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        Of the fit.
    **asked
        As of `db.value_worth.worths_of`.

    Returns
    -------
    LoadedFit

    Raises
    ------
    UsageError, InputDataError, VerdictError
        As of `db.value_worth.worths_of`.
    """
    from db.provenance import is_simulated, sources_of
    from db.value_worth import worths_of

    answer = worths_of(store, name, **asked)
    runs, notes = runs_behind(store, answer.saved)
    return LoadedFit(answer, tuple(sources_of(store, runs)), len(runs), is_simulated(store, runs), notes=notes)


def runs_behind(store: Store, saved: SavedFit) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the runs that a fit rests on; none, and why, where they can no longer be selected.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The fit, which answers whether they are there or not.

    Returns
    -------
    runs, notes : tuple of str
    """
    from db.saved import unchanged_rows

    try:
        return tuple(unchanged_rows(store, saved).runs), ()
    except ScalingError as error:
        return (), (error.message,)


def load_collection(
    store: Store, names: Sequence[str], budget: float | None = None, *, level: float = 0.9, **options: Any
) -> LoadedFit:
    """Load learning curves, and spend a budget on them where there is one.

    Parameters
    ----------
    store : Store
        An open store.
    names : sequence of str
        As of `db.collection_answers.load_curves`.
    budget : float, optional
        Money.
    level : float, default 0.9
        Of intervals.
    **options
        As of `db.collection_answers.plan_collection`.

    Returns
    -------
    LoadedFit

    Raises
    ------
    UsageError, InputDataError, VerdictError
        As of `db.collection_answers`.
    """
    from db.collection_answers import load_curves, plan_collection
    from db.provenance import is_simulated, sources_of
    from db.saved import unchanged_rows

    found: Any = load_curves(store, names)
    plan = None
    if budget is not None:
        found, plan = plan_collection(store, names, budget, level=level, **options)
    runs = tuple(run for saved in found.saved.values() for run in unchanged_rows(store, saved).runs)
    runs = tuple(dict.fromkeys(runs))
    first = next(iter(found.saved.values()))
    asked = dict(first.config["derived"]["asked"])
    return LoadedFit((found, plan), tuple(sources_of(store, runs)), len(runs), is_simulated(store, runs), asked)


def load_imitation(store: Store, name: str) -> LoadedFit:
    """Load an imitation threshold: the fit of the smooth rise, the concepts, and what their score is.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        Of the fit.

    Returns
    -------
    LoadedFit

    Raises
    ------
    UsageError
        If there is no such fit.
    InputDataError
        If the concepts have changed since.
    """
    from db.provenance import is_simulated, sources_of
    from db.saved import load_fit, unchanged_rows

    saved = load_fit(store, name)
    rows: Any = unchanged_rows(store, saved)
    runs = rows.source.run_ids
    asked = dict(saved.config["derived"]["asked"])
    answer = (saved, rows.source, rows.metric)
    return LoadedFit(answer, tuple(sources_of(store, runs)), len(runs), is_simulated(store, runs), asked)
