"""Fits whose rows are worked out from what the store holds, such as steps to a target loss from many curves.

A kind says three things: the SQL that selects what it needs, how rows are worked out from what that SQL gives, and how
they are fitted. From these follow the saved fit and its macro, and that it is selected, verified, back-tested and shown
as a command again. What was asked for stands in the configuration of the fit, as plain data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from db.select import Question, Selection
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

_HOMES = {
    "steps": "db.batch_steps",
    "critical_batch": "db.batch_laws",
    "iso_loss": "db.batch_iso_loss",
    "noise_scale": "db.noise_fits",
    "tuning": "db.tuning_fits",
    "learning_curve": "db.learning_curves",
    "appraisal": "db.value_appraisals",
    "imitation": "db.imitation_fits",
    "source_quality": "db.source_quality",
}
KEY = "derived"  # of the configuration


@dataclass(frozen=True)
class DerivedSelection(Selection):
    """The rows of such a fit.

    Parameters
    ----------
    source : object
        What the fit is made from: the rows as the science has them, with all that a law's columns do not hold.
    notes : tuple of str
        What to know of the rows, in sentences.
    """

    source: Any = field(kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)


class Kind(Protocol):
    """A module that makes fits of one kind."""

    def sql_of(self, store: Store, asked: Mapping[str, Any]) -> str:
        """Return one SELECT that gives all that the rows are worked out from, in a fixed order."""
        ...

    def derive(
        self, asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
    ) -> DerivedSelection:
        """Work the rows out from what the SQL gave; raises `InputDataError` where there are none."""
        ...

    def make(self, rows: DerivedSelection, asked: Mapping[str, Any], **settings: Any) -> Fit:
        """Fit the rows; settings are ``bootstrap seed``, and the number of replicates is that of ``bootstrap``."""
        ...

    def backtest(self, saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
        """Hold the largest rows out; settings are ``level bootstrap seed``."""
        ...

    def command_of(self, config: Mapping[str, Any]) -> str:
        """Return the command that makes a saved fit."""
        ...


def kind_named(name: str) -> Kind:
    """Find a kind by its name.

    Raises
    ------
    UsageError
        Where this version knows none of that name.
    """
    if name not in _HOMES:
        raise UsageError(f"This version knows no fits of the kind '{name}'.", "Use the release that made the fit.")
    return cast("Kind", import_module(_HOMES[name]))


def kind_of(saved: SavedFit) -> Kind | None:
    """Find the kind of a saved fit; None for a fit of rows as they stand in the store."""
    table = saved.config.get(KEY)
    return None if table is None else kind_named(str(table["kind"]))


def has_plain_page(saved: SavedFit) -> bool:
    """Tell whether the page of a fit of such rows is that of any law: its rows are runs, and its inputs columns."""
    return bool(getattr(kind_of(saved), "PLAIN_PAGE", False))


def select_rows(store: Store, name: str, asked: Mapping[str, Any], sql: str | None = None) -> DerivedSelection:
    """Select the rows of a kind.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The kind.
    asked : mapping
        What was asked for.
    sql : str, optional
        A text that the kind wrote once; written anew where missing.

    Returns
    -------
    DerivedSelection

    Raises
    ------
    UsageError
        For a question that makes no sense, or a text that fails.
    InputDataError
        Where no row is left.
    """
    from db.query import run_select

    kind = kind_named(name)
    text = kind.sql_of(store, asked) if sql is None else sql
    columns, rows = run_select(store, text)
    if not rows:
        raise InputDataError("No run of the store is selected.", "See what there is with: scaling ls")
    return kind.derive(asked, columns, rows, text)


def select_again(store: Store, saved: SavedFit, *, by_sql: bool = False) -> DerivedSelection:
    """Select the rows of a saved fit anew, or by its stored SQL; raises as `select_rows`."""
    table = saved.config[KEY]
    return select_rows(store, table["kind"], table["asked"], saved.sql if by_sql else None)


def refit_again(saved: SavedFit, rows: Selection) -> Fit:
    """Fit a saved fit again to its rows, by the settings that were asked for."""
    kind, table = kind_of(saved), saved.config[KEY]
    assert kind is not None
    assert isinstance(rows, DerivedSelection)
    return kind.make(rows, table["asked"], **saved.config["settings"])


def backtest_again(saved: SavedFit, rows: Selection, **settings: Any) -> Backtest:
    """Back-test a saved fit on its rows."""
    kind = kind_of(saved)
    assert kind is not None
    assert isinstance(rows, DerivedSelection)
    settings.pop("trim", None)  # no rows are left out
    return kind.backtest(saved, rows, **settings)


def axis_of(rows: DerivedSelection) -> str | None:
    """Name what rows are held out by: the only input; None for several, and for a loss, which is taken downwards."""
    names = list(rows.inputs)
    return names[0] if len(names) == 1 and names != ["L"] else None


def backtest_words(store: Store, saved: SavedFit) -> list[str]:
    """Say what else a kind has to say of its back-test, in sentences; nothing for most."""
    words = getattr(kind_of(saved), "backtest_words", None)
    return [] if words is None else list(words(select_again(store, saved)))


def save_derived(
    store: Store, kind: str, asked: Mapping[str, Any], rows: DerivedSelection, fit: Fit, *, name: str | None,
    replace: bool = False, notes: Sequence[str] = (), **settings: Any,
) -> SavedFit:  # fmt: skip
    """Save a fit of a kind, with its macro.

    Parameters
    ----------
    store : Store
        Open for writing.
    kind : str
        Its name.
    asked : mapping
        Plain data: what makes the same rows and the same fit again.
    rows : DerivedSelection
        The rows.
    fit : Fit
        The fit.
    name : str, optional
        Of the fit and its macro; made from the kind where missing.
    replace : bool
        Whether a saved fit of that name gives way.
    notes : sequence of str
        Kept beside those of the rows.
    **settings
        ``bootstrap seed``.

    Returns
    -------
    SavedFit

    Raises
    ------
    UsageError
        For a name that is no name, or taken.
    """
    return save_all(store, kind, [(name, asked, rows, fit, notes)], replace=replace, **settings)[0]


def save_all(
    store: Store, kind: str, parts: Sequence[tuple[str | None, Mapping[str, Any], DerivedSelection, Fit, Any]], *,
    replace: bool = False, **settings: Any,
) -> list[SavedFit]:  # fmt: skip
    """Save fits of a kind that belong together, all of them or none.

    Parameters
    ----------
    store : Store
        Open for writing.
    kind : str
        Its name.
    parts : sequence of tuple
        Of each fit its name, what was asked for, its rows, the fit, and notes; as of `save_derived`.
    replace, **settings
        As of `save_derived`.

    Returns
    -------
    list of SavedFit
    """
    from db.fits import save_fits

    table = [
        {
            "law": fit.law.name, "question": Question(rows.metric, asked.get("where")), "selection": rows, "fit": fit,
            "base": kind, "name": name,
            "notes": {KEY: {"kind": kind, "asked": dict(asked)}, "notes": [*rows.notes, *notes]},
        }
        for name, asked, rows, fit, notes in parts
    ]  # fmt: skip
    return save_fits(store, table, replace=replace, kind=kind, **settings)


def hash_lines(lines: Iterable[Sequence[object]]) -> str:
    """Hash rows of values whatever their order; floats by their exact bits."""
    texts = ["\t".join(v.hex() if isinstance(v, float) else str(v) for v in line) for line in lines]
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()


def no_landing(saved: SavedFit) -> UsageError:
    """Say that a forecast of such a fit cannot be kept to be held against a run."""
    return UsageError(
        f"A forecast of the fit '{saved.name}' cannot be kept: its rows are worked out from several runs each, so no "
        "single run shows whether it was right.",
        f"Leave --save out. How it does on its largest rows, held out: scaling backtest {saved.name}",
    )
