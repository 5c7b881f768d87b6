"""Load what pages on the worth of data show of values: of examples, and of sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from db.valuations import StoredValuation

_ITEMS = 10  # examples listed at either end


@dataclass(frozen=True)
class LoadedValues:
    """Values of examples.

    Parameters
    ----------
    saved : StoredValuation
        As they are kept.
    entry : dict or None
        Row of ``example_sets``; None where the set is gone or was no set.
    top, bottom : tuple of dict
        Items of highest and of lowest value.
    groups : dict of str to ndarray
        Finite values of each class, or of each group where there are no classes.
    group_word : str
        ``class`` or ``group``.
    what : str
        What the method says, in a line.
    end : str or None
        Which end is better to have.
    """

    saved: StoredValuation
    entry: dict[str, Any] | None
    top: tuple[dict[str, Any], ...]
    bottom: tuple[dict[str, Any], ...]
    groups: dict[str, NDArray[np.float64]]
    group_word: str
    what: str
    end: str | None


@dataclass(frozen=True)
class LoadedSources:
    """Values of sources, by one or several methods.

    Parameters
    ----------
    asked : tuple of str
        As they were named.
    valuations : tuple of StoredValuation
        One a method, of the same sources.
    fit : SavedFit or None
        The law; None where it is gone.
    simulated : bool
        Whether the runs behind it are simulated.
    """

    asked: tuple[str, ...]
    valuations: tuple[StoredValuation, ...]
    fit: SavedFit | None
    simulated: bool


def load_values(store: Store, name: str) -> LoadedValues:
    """Load values of examples.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The valuation.

    Returns
    -------
    LoadedValues

    Raises
    ------
    UsageError
        If there is none of that name, it is not complete, or it is one of sources.
    """
    from db.example_read import read_examples, set_entry
    from db.valuations import best_items, read_valuation
    from db.value_methods import METHODS

    saved = read_valuation(store, name)
    definition = saved.definition
    if definition.what != "examples":
        raise UsageError(f"The valuation '{name}' is one of sources.", f"Show it as such: --sources {name}")
    _, there = store.query("SELECT 1 FROM example_sets WHERE set_name = ?", [definition.set_name])
    entry, groups, word = None, {}, "class"
    if there:
        entry = set_entry(store, str(definition.set_name))
        examples = read_examples(store, str(definition.set_name))
        names, codes = examples.label_names, examples.label_codes
        if not 2 <= len(names) <= examples.n / 2:
            names, codes, word = examples.group_names, examples.group_codes, "group"
        if 2 <= len(names) <= examples.n / 2 and len(codes) == len(saved.values):
            finite = np.isfinite(saved.values)
            groups = {one: saved.values[finite & (codes == i)] for i, one in enumerate(names)}
    method = METHODS.get(definition.method)
    return LoadedValues(
        saved,
        entry,
        tuple(best_items(store, name, _ITEMS)),
        tuple(best_items(store, name, _ITEMS, lowest=True)),
        groups,
        word,
        method.what if method else "",
        method.end if method else None,
    )


def load_sources(store: Store, names: Sequence[str]) -> LoadedSources:
    """Load values of sources.

    Parameters
    ----------
    store : Store
        An open store.
    names : sequence of str
        Valuations; or what the names of those of several methods begin with.

    Returns
    -------
    LoadedSources

    Raises
    ------
    UsageError
        If there is none of a name, one is of examples, or they are of different sources or laws.
    """
    from db.provenance import is_simulated
    from db.saved import load_fit
    from db.valuations import find_def, read_valuation
    from db.value_page_fits import runs_behind

    every = []
    for name in names:
        if find_def(store, name) is None and (several := beginning_of(store, name)):
            every += several
        else:
            every.append(name)
    found = tuple(read_valuation(store, name) for name in every)
    first = found[0]
    for one in found:
        if one.items is None:
            raise UsageError(
                f"The valuation '{one.definition.name}' is one of examples.",
                f"Show it as such: --values {one.definition.name}",
            )
        if one.items != first.items or one.definition.fit_name != first.definition.fit_name:
            raise UsageError(
                f"The valuations '{first.definition.name}' and '{one.definition.name}' are of different sources or "
                "laws, so they cannot stand side by side.",
                "Show them on pages of their own.",
            )
    _, there = store.query("SELECT 1 FROM fits WHERE name = ?", [first.definition.fit_name])
    if not there:
        return LoadedSources(tuple(names), found, None, False)
    fit = load_fit(store, str(first.definition.fit_name))
    return LoadedSources(tuple(names), found, fit, is_simulated(store, runs_behind(store, fit)[0]))


def beginning_of(store: Store, name: str) -> list[str]:
    """Names of the valuations of sources that begin with one, in the order in which methods are told."""
    from db.value_sources import WAYS

    ways = [f"{name}_{way.replace('-', '_')}" for way in WAYS]
    _, rows = store.query("SELECT valuation_name FROM valuation_defs WHERE what = 'sources'")
    there = {row[0] for row in rows}
    return [way for way in ways if way in there]
