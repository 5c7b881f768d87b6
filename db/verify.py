"""Check a saved fit: run its stored SQL and settings again, and say whether the same numbers come out.

Nothing is written. What the store keeps of the data is their hash, the number of rows and the time, so of rows that
changed it can only be said how many there are now, which runs were read in later, and what the record of the store
says was done since.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.fits import environment
from db.saved import SavedFit, load_fit, rows_of
from scaling.errors import InputDataError, ScalingError, StoreError, UsageError
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from db.select import Selection
    from db.store import Store
    from scaling.results import Fit

IDENTICAL, MOVED, CHANGED, GONE = "identical", "numbers moved", "data changed", "data left the store"
DAMAGED = "damaged"

RELATIVE = 1e-9  # of an estimate: what another build of the same libraries may differ by
RELATIVE_SPREAD = 1e-6  # of a standard error: replicates are solved less far than the fit itself
_NAMED = 5  # runs named one by one


@dataclass(frozen=True)
class Moved:
    """A number that came out differently.

    Parameters
    ----------
    quantity : str
        A parameter, ``objective_value``, ``se of`` a parameter, or ``verdict``.
    stored, now : float or str
        The number then and now.
    standard_errors : float
        How far it moved, in its stored standard errors; NaN where that means nothing.
    """

    quantity: str
    stored: Any
    now: Any
    standard_errors: float


@dataclass(frozen=True)
class Verification:
    """What came of running a fit again.

    Parameters
    ----------
    name, fit_id : str
        The fit.
    status : str
        ``identical``, ``numbers moved``, ``data changed``, ``data left the store``, or ``damaged``.
    sentences : tuple of str
        What was found, in words.
    n_then, n_now : int
        Rows of the fit, and rows that its SQL selects now.
    largest : float
        Largest relative difference of an estimate; NaN where nothing was fitted again.
    moved : tuple of Moved
        Numbers that came out differently.
    newer_runs : tuple of str
        Runs among the rows of now that were read in after the fit was made.
    versions : dict of str to (str, str)
        Libraries whose version differs: then and now.
    """

    name: str
    fit_id: str
    status: str
    sentences: tuple[str, ...]
    n_then: int
    n_now: int
    largest: float = float("nan")
    moved: tuple[Moved, ...] = ()
    newer_runs: tuple[str, ...] = ()
    versions: dict[str, tuple[str, str]] | None = None


def fit_names(store: Store) -> list[str]:
    """Return the names of all saved fits, oldest first."""
    _, rows = store.query("SELECT name FROM fits ORDER BY created_at, name")
    return [row[0] for row in rows]


def verify_fit(store: Store, name: str) -> Verification:
    """Run a saved fit again.

    Parameters
    ----------
    store : Store
        An open store; read-only will do.
    name : str
        As of `db.saved.load_fit`.

    Returns
    -------
    Verification

    Raises
    ------
    UsageError
        Where there is no such fit.
    StoreError
        Where what is stored of it is damaged or does not agree with itself.
    """
    saved = _load(store, name)
    versions = {
        library: (saved.env.get(library, "unknown"), now)
        for library, now in environment().items()
        if saved.env.get(library) != now
    }
    about: dict[str, Any] = {"name": saved.name, "fit_id": saved.fit_id, "n_then": saved.fit.n_obs}
    try:
        rows = rows_of(store, saved)
        if not len(rows):
            raise InputDataError(f"No run has {saved.group_by} = {saved.group_value}")
    except (InputDataError, UsageError) as error:
        said = [f"Its {format_plural(saved.fit.n_obs, 'row')} can no longer be selected: {error.message}"]
        return Verification(
            status=GONE, n_now=0, sentences=(*said, *_since(store, saved)), versions=versions, **about
        )  # fmt: skip
    same_data = rows.sha256 == saved.data_sha256
    try:
        again = _refit(saved, rows)
    except StoreError:
        raise
    except ScalingError as error:
        if same_data:
            said = [f"The same rows are refused now: {error.message}"]
            return Verification(
                status=MOVED, n_now=len(rows), sentences=(*said, *_environment(versions)), versions=versions, **about
            )  # fmt: skip
        again = None
    moved = () if again is None else _differences(saved.fit, again)
    largest = float("nan") if again is None else _largest(saved.fit, again)
    newer: tuple[str, ...] = ()
    if not same_data:
        status, newer = CHANGED, _newer(store, saved, rows)
        said = _what_changed(saved, rows, newer) + _since(store, saved)
        if again is None:
            said.append("The rows of now cannot be fitted.")
        elif moved:
            said.append("Fitted again to the rows of now, the numbers move as listed.")
        else:
            said.append("Fitted again to the rows of now, the numbers stay.")
    elif moved:
        status, said = MOVED, ["The same rows and settings give other numbers.", *_environment(versions)]
    else:
        status, said = IDENTICAL, _agreement(saved.fit, again, largest) + (_environment(versions) if largest else [])
    if rows.sql != saved.sql:
        said.append("This version writes the selection as another SQL text than the one stored; its rows are these.")
    return Verification(
        status=status, sentences=tuple(said), n_now=len(rows), largest=largest, moved=moved, newer_runs=newer,
        versions=versions, **about,
    )  # fmt: skip


def damaged(name: str, error: StoreError) -> Verification:
    """Say of a fit that it cannot be read, where others are to be checked after it."""
    return Verification(name, "unknown", DAMAGED, (error.message,), 0, 0)


def _load(store: Store, name: str) -> SavedFit:
    """Load a fit without trusting what is stored of it."""
    try:
        saved = load_fit(store, name)
    except UsageError:
        raise
    except (ScalingError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        why = error.message if isinstance(error, ScalingError) else repr(error)
        raise _damage(name, why) from error
    fit = saved.fit
    _, [stored] = store.query(
        "SELECT query_sha256, n_obs, law, objective, verdict, objective_value FROM fits WHERE fit_id = ?",
        [saved.fit_id],
    )
    sql_hash, n_obs, law, objective, verdict, value = stored
    checks = (
        (hashlib.sha256(saved.sql.encode()).hexdigest() == sql_hash, "its SQL does not have the hash stored with it"),
        (n_obs == fit.n_obs == len(fit.residuals), "its rows are counted differently in different places"),
        ((law, objective, verdict) == (fit.law.name, str(fit.objective), fit.verdict), "its law, objective or verdict "
         "differs from that of its row in the table of fits"),
        (value is None or value == fit.objective_value, "its objective differs from that of its row in the table"),
        (set(fit.estimates) == set(fit.law.parameter_names), "its estimates are not those of its law's parameters"),
        (len(fit.replicates) == fit.settings.get("bootstrap"), "replicates are missing"),
    )  # fmt: skip
    for fine, why in checks:
        if not fine:
            raise _damage(saved.name, why)
    try:
        question, settings = saved.config["question"], saved.config["settings"]
        for place in (question, settings, question["inputs"]):
            dict(place)
    except (KeyError, TypeError, ValueError) as error:
        raise _damage(saved.name, f"its question or settings cannot be read ({error!r})") from error
    return saved


def _damage(name: str, why: str) -> StoreError:
    return StoreError(f"What is stored of the fit '{name}' is damaged: {why}.", "Remove it and fit again.")


def _refit(saved: SavedFit, rows: Selection) -> Fit:
    import scaling

    settings = dict(saved.config["settings"])
    try:
        return scaling.fit(saved.fit.law, rows.inputs, rows.observed, groups=rows.clusters, **settings)
    except TypeError as error:  # a setting that this version does not know
        raise _damage(saved.name, f"its settings cannot be used ({error})") from error


def _differences(stored: Fit, now: Fit) -> tuple[Moved, ...]:
    """Return the numbers that differ by more than another build of the libraries explains."""
    out = []
    errors = stored.standard_errors
    for name, value in stored.estimates.items():
        new = now.estimates[name]
        if _relative(value, new) > RELATIVE:
            away = abs(new - value) / errors[name] if errors[name] > 0 else float("nan")
            out.append(Moved(name, value, new, away))
    if _relative(stored.objective_value, now.objective_value) > RELATIVE:
        out.append(Moved("objective_value", stored.objective_value, now.objective_value, float("nan")))
    for name, value in errors.items():
        if _relative(value, now.standard_errors[name]) > RELATIVE_SPREAD:
            out.append(Moved(f"se of {name}", value, now.standard_errors[name], float("nan")))
    if stored.verdict != now.verdict:
        out.append(Moved("verdict", stored.verdict, now.verdict, float("nan")))
    return tuple(out)


def _relative(a: float, b: float) -> float:
    if a == b or (np.isnan(a) and np.isnan(b)):
        return 0.0
    with np.errstate(all="ignore"):
        size = abs(a - b) / max(abs(a), abs(b))
    return float(size) if np.isfinite(size) else float("inf")


def _largest(stored: Fit, now: Fit) -> float:
    return max(_relative(value, now.estimates[name]) for name, value in stored.estimates.items())


def _agreement(stored: Fit, now: Fit | None, largest: float) -> list[str]:
    assert now is not None
    if largest == 0 and np.array_equal(stored.replicates, now.replicates, equal_nan=True):
        count = len(stored.replicates)
        replicates = f" and all {format_plural(count, 'replicate')}" if count else ""
        return [f"All estimates{replicates} are the same to the last bit."]
    return [
        f"The estimates agree to {format_number(largest, 2)} of their size, the standard errors to "
        f"{format_number(RELATIVE_SPREAD, 1)}."
    ]


def _environment(versions: dict[str, tuple[str, str]]) -> list[str]:
    if not versions:
        return ["The versions of Python and of the libraries are the same."]
    listed = ", ".join(f"{library} {then} then, {now} now" for library, (then, now) in versions.items())
    return [f"Versions that differ: {listed}."]


def _what_changed(saved: SavedFit, rows: Selection, newer: tuple[str, ...]) -> list[str]:
    then, now = saved.fit.n_obs, len(rows)
    count = f"{then} rows then, {now} now" if then != now else f"{now} rows then and now, but not the same values"
    out = [f"The data have changed since: {count}."]
    if newer:
        out.append(f"Read in after the fit was made: {_some(newer)}.")
    left_out = {entry["run_id"] for entry in saved.excluded.get("rows", ())}
    if back := tuple(run for run in rows.run_ids if run in left_out):
        out.append(f"Left out then, fitted now: {_some(back)}.")
    added = {e.run_id for e in rows.excluded} - left_out
    if added and len(saved.excluded.get("rows", ())) == sum(
        n for reason, n in saved.excluded.get("counts", {}).items() if reason != "not selected by the condition"
    ):
        out.append(f"Left out now, and not then: {_some(tuple(sorted(added)))}.")
    return out


def _newer(store: Store, saved: SavedFit, rows: Selection) -> tuple[str, ...]:
    """Runs among the rows of now whose source was read in after the fit was made."""
    _, found = store.query(
        "SELECT r.run_id FROM runs AS r JOIN sources AS s USING (source_id) "
        "WHERE s.imported_at > ? AND r.run_id IN (SELECT unnest(?)) ORDER BY r.run_id",
        [saved.created_at, list(rows.run_ids)],
    )
    return tuple(row[0] for row in found)


def _since(store: Store, saved: SavedFit) -> list[str]:
    """What the store's own record says was done to runs and sources since the fit was made."""
    _, events = store.query(
        "SELECT event, object_kind, object_id, detail FROM audit "
        "WHERE happened_at > ? AND object_kind IN ('run', 'source') ORDER BY happened_at",
        [saved.created_at],
    )
    words = {"ingest": "read in", "replace": "read in again", "remove": "removed"}
    out = []
    for event, kind, name, detail in events[:_NAMED]:
        table = json.loads(detail)
        count = table.get("n_runs", len(table.get("removed_runs", ())))
        extent = f" ({format_plural(count, 'run')})" if kind == "source" and count else ""
        out.append(f"{kind} {name}{extent} {words.get(event, event)}")
    if len(events) > _NAMED:
        out.append(f"and {len(events) - _NAMED} more events")
    return [f"Since then: {'; '.join(out)}."] if out else []


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
