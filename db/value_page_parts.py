"""Find what a page on the worth of data is about, by the names that were given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.store import Store


def page_of_name(store: Store, name: str, *, forecast: bool = False) -> tuple[str, str] | None:
    """Tell which part of a page is about a name.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        Of anything.
    forecast : bool, default False
        Whether a forecast of it is asked for, which only the page of its law gives.

    Returns
    -------
    (str, str) or None
        Of ``selection values sources appraisal imitation curves`` the first that there is, and its name; None where
        the page is that of a law.
    """
    _, fits = store.query("SELECT name, kind FROM fits WHERE name = ? OR fit_id = ?", [name, name])
    if fits:
        return None if forecast else _page_of_fit(store, *fits[0])
    kind = _kind_of(store, name)
    return None if kind is None else (kind, name)


def _page_of_fit(store: Store, name: str, kind: str | None) -> tuple[str, str] | None:
    """Tell which page says more of a fit than that of its law does."""
    from db.saved import load_fit

    if kind == "imitation":
        return kind, name
    if kind == "appraisal":
        whole = str(load_fit(store, name).config["derived"]["asked"]["appraisal"])
        if store.query("SELECT 1 FROM appraisal_defs WHERE appraisal_name = ?", [whole])[1]:
            return kind, whole
    return None


def _kind_of(store: Store, name: str) -> str | None:
    if store.query("SELECT 1 FROM subsets WHERE subset_name = ?", [name])[1]:
        return "selection"
    _, rows = store.query("SELECT what FROM valuation_defs WHERE valuation_name = ?", [name])
    if rows:
        return "sources" if rows[0][0] == "sources" else "values"
    if store.query("SELECT 1 FROM appraisal_defs WHERE appraisal_name = ?", [name])[1]:
        return "appraisal"
    from db.value_page_values import beginning_of

    if beginning_of(store, name):
        return "sources"
    _, rows = store.query(
        "SELECT 1 FROM fits WHERE kind = 'learning_curve' AND starts_with(name, ? || '_') LIMIT 1", [name]
    )
    return "curves" if rows else None


def appraisals_of(store: Store, names: Sequence[str], selections: Sequence[str]) -> list[str]:
    """Name the appraisals that a page should hold selections against, where none was named.

    Parameters
    ----------
    store : Store
        An open store.
    names : sequence of str
        Appraisals that were named.
    selections : sequence of str
        Selections of the page.

    Returns
    -------
    list of str
        Those that were named; without any, the newest one that names such a selection as one of its subsets.
    """
    if names or not selections:
        return list(names)
    marks = ", ".join("?" for _ in selections)
    _, rows = store.query(
        "SELECT d.appraisal_name FROM appraisal_defs AS d JOIN appraisals AS a USING (appraisal_name) "
        f"WHERE a.subset_name IN ({marks}) AND d.findings IS NOT NULL ORDER BY d.created_at DESC LIMIT 1",
        list(selections),
    )
    return [str(row[0]) for row in rows]


def load_parts(
    store: Store, asked: Mapping[str, Any], level: float, progress: Callable[[int, int], None] | None = None
) -> list[tuple[str, Any]]:
    """Load all parts of a page, in its order.

    Parameters
    ----------
    store : Store
        An open store.
    asked : mapping
        Names by kind: ``selection appraisal sources values imitation curves``; ``worth``, a fit, with ``losses``, each
        a mapping of ``L N D``; ``budget`` and ``cost`` of the curves; ``seed``, ``force``. All may be missing.
    level : float
        Of the intervals.
    progress : callable, optional
        Told how many parts are loaded, and of how many.

    Returns
    -------
    list of (str, object)
        Kind, and what `reports.value_gather_values.parts_of` takes of it.

    Raises
    ------
    UsageError, InputDataError, VerdictError
        As of what loads them.
    """
    from db.subsets import read_subset
    from db.value_page_fits import load_collection, load_imitation, load_worth
    from db.value_page_values import load_sources, load_values
    from db.value_pages import load_appraisal, load_subset
    from db.value_worth import Measured

    selections, seed, force = list(asked.get("selection") or []), asked.get("seed", 0), bool(asked.get("force"))
    wanted: list[tuple[str, Callable[[], Any]]] = []
    for name in selections:
        wanted.append(("selection", lambda name=name: load_subset(store, name, level=level, seed=seed)))
    for name in appraisals_of(store, asked.get("appraisal") or [], selections):
        wanted.append(("appraisal", lambda name=name: load_appraisal(store, name)))
    if asked.get("worth"):
        losses = [Measured(None, one["L"], one.get("N"), one.get("D")) for one in asked["losses"]]
        wanted.append(
            ("worth", lambda: load_worth(store, asked["worth"], losses=losses, level=level, seed=seed, force=force))
        )
    if asked.get("sources"):
        wanted.append(("sources", lambda: load_sources(store, asked["sources"])))
    for name in asked.get("values") or []:
        wanted.append(("values", lambda name=name: load_values(store, name)))
    for name in asked.get("imitation") or []:
        wanted.append(("imitation", lambda name=name: load_imitation(store, name)))
    if asked.get("curves"):
        more = {} if asked.get("budget") is None else {"cost": asked["cost"], "force": force}
        names, budget = list(asked["curves"]), asked.get("budget")
        wanted.append(("curves", lambda: (names, load_collection(store, names, budget, level=level, **more))))
    for name in selections:
        read_subset(store, name)  # one that there is not is said before anything is scored
    found: dict[int, tuple[str, Any]] = {}
    # Selections score random subsets, which takes longest: what is missing elsewhere is said before.
    for done, at in enumerate(sorted(range(len(wanted)), key=lambda i: wanted[i][0] == "selection"), start=1):
        kind, load = wanted[at]
        found[at] = kind, load()
        if progress is not None:
            progress(done, len(wanted))
    return [found[at] for at in range(len(wanted))]
