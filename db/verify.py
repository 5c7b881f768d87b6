"""Check a saved fit: run its stored SQL and settings again, and say whether the same numbers come out.

The question behind the SQL is stored too, and other commands ask it anew; so it is asked beside the SQL, and where the
two select different rows, the fit is damaged. Nothing is written.

What the store keeps of the data is their hash, the number of rows and the time, so of rows that changed it can only be
said how many there are now, which runs are new, and what the record of the store says was done since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.backtests import backtest_again, untrimmed
from db.fits import environment
from db.remade import RELATIVE_SPREAD, Moved, largest_difference, moved_backtest, moved_macro, moved_numbers, same_bits
from db.saved import SavedFit, load_fit, rows_by_sql, rows_of
from db.translations import translated_again, what_left
from scaling.errors import InputDataError, ScalingError, StoreError, UsageError
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from db.select import Selection
    from db.store import Store
    from scaling.results import Fit

IDENTICAL, MOVED, CHANGED, GONE = "identical", "numbers moved", "data changed", "data left the store"
DAMAGED = "damaged"

_NAMED = 5  # runs named one by one


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
        Largest relative difference of an estimate or a replicate; NaN where nothing was fitted again.
    moved : tuple of Moved
        Numbers that came out differently.
    newer_runs : tuple of str
        Runs among the rows of now that the store first met after the fit was made.
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
        rows, asked = _rows(store, saved)
    except (InputDataError, UsageError) as error:
        said = [f"Its {format_plural(saved.fit.n_obs, 'row')} can no longer be selected: {error.message}"]
        return Verification(
            status=GONE, n_now=0, sentences=(*said, *_since(store, saved)), versions=versions, **about
        )  # fmt: skip
    same_data = rows.sha256 == saved.data_sha256
    if "translated" in saved.config and (left := what_left(store, saved)) is not None:
        said = [left[0], "So it cannot be translated again; forecasts from it still work."]
        return Verification(
            status=GONE if left[1] else CHANGED, n_now=len(rows), sentences=(*said, *_since(store, saved)),
            versions=versions, **about,
        )  # fmt: skip
    try:
        again = _refit(store, saved, rows)
    except StoreError:
        raise
    except ScalingError as error:
        if same_data:
            said = [f"The same rows are refused now: {error.message}"]
            return Verification(
                status=MOVED, n_now=len(rows), sentences=(*said, *_environment(versions)), versions=versions, **about
            )  # fmt: skip
        again = None
    stored = _stored(store, saved)
    moved: tuple[Moved, ...] = ()
    largest, exact = float("nan"), False
    beside: list[str] = []
    if again is not None:
        made = again.to_dict()
        moved = tuple(moved_numbers(stored, made, saved.fit.standard_errors))
        largest, exact = largest_difference(stored, made), same_bits(stored, made)
    if same_data:
        more, beside = _back_tested(store, saved, rows)
        moved = (*moved, *more, *moved_macro(store, saved))
    beside += _not_run(saved)
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
        status, said = MOVED, ["The same rows and settings give other numbers.", *_environment(versions), *beside]
    else:
        said = [_agreement(saved.fit, largest, exact), *([] if exact else _environment(versions)), *beside]
        status = IDENTICAL
    if asked.sql != saved.sql:
        said.append(
            "This version writes the selection as another SQL text than the one stored; both select these rows."
        )
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
        if saved.observational:
            dict(saved.config["observational"]["scores"]), dict(saved.fit.settings["observational"])
        if saved.derived:
            dict(saved.config["derived"]["asked"]), str(saved.config["derived"]["kind"])
        if saved.scores is not None:
            dict(saved.config["boundary"]), dict(saved.fit.settings["boundary"])
        if saved.pairs is not None:
            asked, about = ("accuracy",) * 2 if "accuracy" in saved.config else ("transfer", "loss_to_loss")
            dict(saved.config[asked]), dict(saved.fit.settings[about])
    except (KeyError, TypeError, ValueError) as error:
        raise _damage(saved.name, f"its question or settings cannot be read ({error!r})") from error
    return saved


def _damage(name: str, why: str) -> StoreError:
    return StoreError(f"What is stored of the fit '{name}' is damaged: {why.rstrip('.')}.", "Remove it and fit again.")


def _rows(store: Store, saved: SavedFit) -> tuple[Selection, Selection]:
    """Rows of now by the stored SQL, and by the stored question; the same ones.

    Raises
    ------
    InputDataError, UsageError
        Where neither selects any.
    StoreError
        Where they select different ones, or one of them none.
    """
    by_sql, by_question = (_tried(read, store, saved) for read in (rows_by_sql, rows_of))
    if isinstance(by_sql, ScalingError):
        # Rows that left stop both alike; a column that left stops the question, and the SQL in one way or another.
        if isinstance(by_question, (UsageError, type(by_sql))):
            raise by_question
        raise _damage(saved.name, f"its SQL can no longer be used: {by_sql.message}")
    rows = format_plural(len(by_sql), "row")
    if isinstance(by_question, ScalingError):
        raise _damage(
            saved.name, f"its SQL selects {rows}, and its question none in this version: {by_question.message}"
        )
    if (by_sql.sha256, by_sql.clusters) == (by_question.sha256, by_question.clusters):
        return by_sql, by_question
    fitted = {by_sql.sha256: "its SQL", by_question.sha256: "its question"}.get(saved.data_sha256, "neither")
    raise _damage(
        saved.name,
        f"its SQL selects {rows} and its question {len(by_question)}, and they are not the same (those that were "
        f"fitted are those of {fitted}), so one of them was altered, or this version asks the question differently",
    )


def _tried(
    read: Callable[[Store, SavedFit], Selection], store: Store, saved: SavedFit
) -> Selection | InputDataError | UsageError:
    """Rows of a fit, or why there are none."""
    try:
        rows = read(store, saved)
    except (InputDataError, UsageError) as error:
        return error
    return rows if len(rows) else InputDataError(f"No run has {saved.group_by} = {saved.group_value}")


def _refit(store: Store, saved: SavedFit, rows: Selection) -> Fit:
    import scaling

    settings = dict(saved.config["settings"])
    try:
        if saved.scores is not None:
            from db import boundaries

            return boundaries.refit_again(saved, rows)
        if saved.observational or saved.derived:
            from db import kinds, observational_fits

            return (kinds if saved.derived else observational_fits).refit_again(saved, rows)
        if "translated" in saved.config:
            return translated_again(store, saved, rows)
        if "accuracy" in saved.config:
            from db.accuracies import refit_again

            return refit_again(saved, rows)
        if saved.pairs is not None:
            from db.transfers import with_remedy
            from scaling.loss_to_loss.rerun import refit_map

            pairs: Any = rows
            again = refit_map(saved.fit, rows.inputs["x"], rows.observed, rows.order, settings, rows.clusters)
            return with_remedy(again, pairs)
        return scaling.fit(saved.fit.law, rows.inputs, rows.observed, groups=rows.clusters, **settings)
    except TypeError as error:  # a setting that this version does not know
        raise _damage(saved.name, f"its settings cannot be used ({error})") from error


def _stored(store: Store, saved: SavedFit) -> dict[str, Any]:
    """The fit as it stands in the store, with what is worked out again when it is read, such as standard errors."""
    _, [(text,)] = store.query("SELECT fit FROM fits WHERE fit_id = ?", [saved.fit_id])
    table: dict[str, Any] = json.loads(text)
    read = saved.fit.to_dict()
    # A fit saved by an earlier release lacks the later diagnostics; what it was judged by was their defaults.
    return table | {"replicates": read["replicates"], "diagnostics": read["diagnostics"] | table["diagnostics"]}


def _back_tested(store: Store, saved: SavedFit, rows: Selection) -> tuple[list[Moved], list[str]]:
    """Run the back-test of a fit again, on the rows before its trimming; what moved, and what to say of it."""
    found = saved.fit.backtest
    if found is None or not found.n_rows:  # of no rows: that of a law seen through a map, which is translated with it
        return [], []
    try:
        whole = untrimmed(store, saved, rows)
    except InputDataError:
        return [], ["Rows that its trimming left out have changed since, so its back-test was not run again."]
    try:
        again = backtest_again(store, saved, whole, level=found.level, seed=found.seed, trim=found.trim)
    except ScalingError as error:
        return [Moved("back-test", format_plural(len(found), "forecast"), f"refused: {error.message}")], []
    moved = moved_backtest(found, again)
    _, [(asked,)] = store.query("SELECT count(*) FROM audit WHERE event = 'backtest' AND object_id = ?", [saved.fit_id])
    if moved and asked and all(m.quantity in ("back-test: low", "back-test: high") for m in moved):
        # How many replicates its intervals are of can be asked for there, and is not kept.
        return [], ["Its back-test was run again but for the intervals, whose number of replicates is not kept."]
    return moved, [] if moved else [f"So {'is its' if len(found) else 'is the empty'} back-test, run again."]


def _not_run(saved: SavedFit) -> list[str]:
    """What of a fit whose law was chosen is not reproduced."""
    if saved.pairs is not None:
        return ["The choice among forms (rivals and their weights) was not made again, and given floors were kept."]
    if "translated" in saved.config:
        return ["It was translated again from the law and the map as they are stored."]
    if "family" not in saved.config and not saved.fit.rivals:
        return []
    return [
        "Its law was chosen among others: that selection (the rivals, their weights, the trimming) was not run again."
    ]


def _agreement(stored: Fit, largest: float, exact: bool) -> str:
    """Say how well a fit made again agrees where nothing moved."""
    count = len(stored.replicates)
    replicates = f" and all {format_plural(count, 'replicate')}" if count else ""
    if exact:
        return (
            f"All estimates{replicates} are the same to the last bit, and so are the residuals, the ranges, the "
            "covariance and what the verdict is made of."
        )
    return (
        f"The estimates{replicates} agree to {format_number(largest, 2)} of their size, all else, standard errors "
        f"and residuals among it, to {format_number(RELATIVE_SPREAD, 1)}."
    )


def _environment(versions: dict[str, tuple[str, str]]) -> list[str]:
    if not versions:
        return ["The versions of Python and of the libraries are the same."]
    listed = ", ".join(f"{library} {then} then, {now} now" for library, (then, now) in versions.items())
    return [f"Versions that differ: {listed}."]


def _what_changed(saved: SavedFit, rows: Selection, newer: tuple[str, ...]) -> list[str]:
    then, now = saved.fit.n_obs, len(rows)
    count = f"{then} rows then, {now} now" if then != now else f"{now} rows then and now, but not the same values"
    out = [f"The data have changed since: {count}."]
    if newer and saved.of_scores:
        out.append(f"Not fitted then: {format_plural(len(newer), 'score')}, {_some(newer)}.")
    elif newer:
        out.append(f"First read in after the fit was made: {_some(newer)}.")
    left_out = {entry["run_id"] for entry in saved.excluded.get("rows", ())}
    if back := tuple(run for run in rows.runs if run in left_out):
        out.append(f"Left out then, fitted now: {_some(back)}.")
    added = {e.run_id for e in rows.excluded} - left_out
    if added and len(saved.excluded.get("rows", ())) == sum(
        n for reason, n in saved.excluded.get("counts", {}).items() if reason != "not selected by the condition"
    ):
        out.append(f"Left out now, and not then: {_some(tuple(sorted(added)))}.")
    return out


def _newer(store: Store, saved: SavedFit, rows: Selection) -> tuple[str, ...]:
    """Runs among the rows of now that the store first met after the fit was made; of scores those not fitted then."""
    if saved.of_scores:
        _, known = store.query("SELECT run_id FROM fit_rows WHERE fit_id = ?", [saved.fit_id])
        then = {row[0] for row in known}
        return tuple(sorted(name for name in rows.runs if name not in then))
    _, found = store.query(
        "SELECT run_id FROM known_runs WHERE first_met_at > ? AND run_id IN (SELECT unnest(?)) ORDER BY run_id",
        [saved.created_at, list(rows.runs)],
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
        scores = table.get("n_scores", 0)
        extent = f" ({format_plural(count, 'run')})" if kind == "source" and count else ""
        extent = f" ({format_plural(scores, 'score')})" if kind == "source" and scores else extent
        out.append(f"{kind} {name}{extent} {words.get(event, event)}")
    if len(events) > _NAMED:
        out.append(f"and {len(events) - _NAMED} more events")
    return [f"Since then: {'; '.join(out)}."] if out else []


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
