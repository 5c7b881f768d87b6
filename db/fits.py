"""Fit laws to the runs of a store, and keep the fits with everything needed to check them."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as replace_fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from db.audit import record
from db.macros import check_name, drop_sql, macro_sql, safe_name
from db.saved import SavedFit, load_fit
from db.select import Question, Selection, select
from scaling.errors import InputDataError, ScalingError, UsageError

if TYPE_CHECKING:
    from db.store import Store
    from scaling.laws.law import Law
    from scaling.prediction import Prediction
    from scaling.results import Fit

_LIBRARIES = ("numpy", "scipy", "sympy", "duckdb")
_KEPT_EXCLUDED = 200  # named one by one with the fit; the counts are complete


def fit_runs(
    store: Store,
    law: str,
    question: Question | None = None,
    *,
    name: str | None = None,
    replace: bool = False,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    finish: Callable[[Fit, Selection], Fit] | None = None,
    notes: Mapping[str, Any] | None = None,
    make: Callable[[Law, Selection], Fit] | None = None,
    **settings: Any,
) -> tuple[list[SavedFit], dict[str, ScalingError]]:
    """Fit a law to runs of the store, and save the fit with its macro.

    Parameters
    ----------
    store : Store
        Open for writing.
    law : str
        As of `scaling.fit`.
    question : Question, optional
        Which rows; all of them where missing.
    name : str, optional
        Name of the fit and its macro; made from the law where missing.
    replace : bool, default False
        Whether a saved fit of that name gives way.
    parameters : mapping, optional
        Bounds for the parameters of a formula, as of `scaling.fit`.
    finish : callable, optional
        Adds to each fit, given its rows, before it is saved; such as `with_backtest`.
    notes : mapping, optional
        Kept with the configuration of the fit.
    make : callable, optional
        Gives the fit of a law to rows, where it was made before; the same as by the settings.
    **settings
        ``objective delta residual penalty start bootstrap seed``, as of `scaling.fit`.

    Returns
    -------
    fits : list of SavedFit
        One, or one a group.
    failures : dict of str to ScalingError
        Groups that could not be fitted, and why.

    Raises
    ------
    UsageError, LawError
        For a question, law, name or setting that makes no sense.
    InputDataError
        Where the rows cannot be fitted; with groups, where none can.
    """
    import scaling

    question = question or Question()
    found = find_law_of(store, law, question, parameters)
    goal = scaling.Objective.parse(
        settings.get("objective", "huber"), settings.get("residual", "log"), settings.get("delta")
    )
    base_name = _free_name(store, name, found.name, replace)
    selection = select(store, found, question, positive=goal.residual == "log")
    found = _with_unit(store, found, selection)
    parts: dict[str | None, Selection] = {None: selection}
    if selection.groups is not None:
        parts = {value: selection.take(value) for value in sorted(set(selection.groups))}
    made: list[tuple[str, str | None, Selection, Fit]] = []
    failures: dict[str, ScalingError] = {}
    for value, part in parts.items():
        try:
            if make is not None:
                fit = make(found, part)
            else:
                fit = scaling.fit(found, part.inputs, part.observed, groups=part.clusters, **settings)
            if finish is not None:
                fit = finish(fit, part)
        except ScalingError as error:
            if value is None:
                raise
            failures[value] = error
            continue
        made.append((base_name if value is None else _group_name(store, base_name, value, made), value, part, fit))
    if not made:
        value, error = next(iter(failures.items()))
        raise InputDataError(f"None of the {len(failures)} groups of {question.by} can be fitted; {value}: {error}")
    for fit_name, *_ in made:
        _check_free(store, fit_name, replace)
    config = _config(law, base_name, question, selection, settings, parameters) | dict(notes or {})
    with store.transaction():
        saved = [_save(store, n, fit, part, question, value, config, selection.metric) for n, value, part, fit in made]
    return saved, failures


def planned_names(
    store: Store, law: str, question: Question, parameters: Mapping[str, Mapping[str, Any]] | None,
    name: str | None, suffixes: Sequence[str], replace: bool,
) -> list[str]:  # fmt: skip
    """Name several fits of one law by what is added to their common name, before any is made.

    Parameters
    ----------
    store, law, question, parameters, name, replace
        As of `fit_runs`.
    suffixes : sequence of str
        One a fit.

    Returns
    -------
    list of str

    Raises
    ------
    UsageError
        For a name that is no name, or taken.
    """
    base = name or _free_name(store, None, find_law_of(store, law, question, parameters).name, replace)
    return [_free_name(store, f"{base}_{suffix}", law, replace) for suffix in suffixes]


def save_fit(
    store: Store, law: str, question: Question, selection: Selection, fit: Fit, *, base: str, name: str | None = None,
    replace: bool = False, kind: str = "loss", notes: Mapping[str, Any] | None = None, **settings: Any,
) -> SavedFit:  # fmt: skip
    """Save a fit that was made elsewhere, with its macro.

    Parameters
    ----------
    store : Store
        Open for writing.
    law : str
        What was asked for.
    question : Question
        What of it other commands need to know: metric, condition.
    selection : Selection
        The rows.
    fit : Fit
        The fit.
    base : str
        What its name is made from where none is given.
    name, replace, notes
        As of `fit_runs`.
    kind : str
        Kind of question that it answers.
    **settings
        As of `scaling.fit`: what makes the same fit again.

    Returns
    -------
    SavedFit

    Raises
    ------
    UsageError
        For a name that is no name, or taken.
    """
    part = {
        "law": law, "question": question, "selection": selection, "fit": fit, "base": base, "name": name, "notes": notes
    }  # fmt: skip
    return save_fits(store, [part], replace=replace, kind=kind, **settings)[0]


def save_fits(
    store: Store, parts: Sequence[Mapping[str, Any]], *, replace: bool = False, kind: str = "loss", **settings: Any
) -> list[SavedFit]:  # fmt: skip
    """Save fits that belong together, with their macros: all of them or none.

    Parameters
    ----------
    store : Store
        Open for writing.
    parts : sequence of mapping
        Of each fit ``law question selection fit base name notes``, as of `save_fit`.
    replace, kind, **settings
        As of `save_fit`, of all.

    Returns
    -------
    list of SavedFit

    Raises
    ------
    UsageError
        For a name that is no name, or taken.
    """
    names = [_free_name(store, part["name"], part["base"], replace) for part in parts]
    saved = []
    with store.transaction():
        for name, part in zip(names, parts, strict=True):
            rows, question = part["selection"], part["question"]
            config = _config(part["law"], name, question, rows, settings, None) | dict(part["notes"] or {})
            saved.append(_save(store, name, part["fit"], rows, question, None, config, rows.metric, kind))
    return saved


def check_fit_name(store: Store, name: str | None, replace: bool) -> None:
    """Refuse the name of a fit before the work of making it.

    Raises
    ------
    UsageError
        For a name that is no name, or taken.
    """
    if name is not None:
        _free_name(store, name, "", replace)


def with_backtest(fit: Fit, rows: Selection) -> Fit:
    """Back-test a fit on its own rows; the fit as it is where nothing says which runs are the large ones."""
    import scaling

    try:
        found = scaling.backtest_law(
            fit, rows.inputs, rows.observed, groups=rows.clusters, by=rows.order, seed=fit.seed
        )  # fmt: skip
    except (UsageError, InputDataError):
        return fit
    return replace_fields(fit, backtest=found)


def remove_fit(store: Store, name: str) -> SavedFit:
    """Remove a saved fit, its replicates, predictions and macro; recorded in the audit.

    Parameters
    ----------
    store : Store
        Open for writing.
    name : str
        As of `load_fit`.

    Returns
    -------
    SavedFit
        What was removed.

    Raises
    ------
    UsageError
        Where there is none.
    """
    saved = load_fit(store, name)
    with store.transaction() as connection:
        _delete(store, saved.fit_id, saved.name, ("fits", "fit_replicates", "predictions", "fit_rows"))
        record(connection, "remove", "fit", saved.fit_id, {"name": saved.name, "law": saved.fit.law.name})
    return saved


def save_predictions(
    store: Store, saved: SavedFit, inputs: Sequence[Mapping[str, float]], predictions: Sequence[Prediction]
) -> None:
    """Keep forecasts, so that later runs can be held against them.

    Parameters
    ----------
    store : Store
        Open for writing.
    saved : SavedFit
        The fit that made them.
    inputs : sequence of mapping
        Inputs of each.
    predictions : sequence of Prediction
        The forecasts, of scalars.

    Raises
    ------
    UsageError
        For a fit of pairs: a loss does not say which run was forecast. For a boundary: no single model shows whether a
        quantile was right.
    """
    from db.landed import selection_of

    if saved.scores is not None:
        from db.boundaries import no_landing

        raise no_landing(saved)
    if saved.observational:
        from db import observational_fits

        raise observational_fits.no_landing(saved)
    if saved.derived:
        from db import kinds

        raise kinds.no_landing(saved)
    if saved.pairs is not None:
        raise UsageError(
            f"A forecast of the fit '{saved.name}' cannot be kept: it is of pairs of runs, and its input is the loss "
            "of one of them, by which the run that comes of it could not be told.",
            "Leave --save out.",
        )
    now, selection = datetime.now(UTC).replace(tzinfo=None), json.dumps(selection_of(saved))
    with store.transaction() as connection:
        for x, p in zip(inputs, predictions, strict=True):
            connection.execute(
                "INSERT INTO predictions "
                "(fit_id, target, inputs, mean, low, high, level, extrapolation_factor, created_at, selection)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [saved.fit_id, saved.fit.law.output, json.dumps(dict(x)), _null(p.mean), _null(p.low), _null(p.high),
                 p.level, _null(p.extrapolation_factor), now, selection],
            ).fetchall()  # fmt: skip
        record(connection, "forecast", "fit", saved.fit_id, {"name": saved.name, "forecasts": len(inputs)})


def find_law_of(store: Store, law: str, question: Question, parameters: Mapping[str, Mapping[str, Any]] | None) -> Law:
    """Find the law; in a formula, names with a column are inputs."""
    from db.columns import USUAL_COLUMNS
    from scaling.laws.book import find_law

    known, _ = store.query("SELECT * FROM runs_final LIMIT 0")
    return find_law(law, [*question.inputs, *USUAL_COLUMNS, *known], parameters)


def _with_unit(store: Store, law: Law, selection: Selection) -> Law:
    """Give the law the units that the store knows of the metrics; where it knows none, call the law's own assumed."""
    _, rows = store.query("SELECT unit, kind FROM metric_defs WHERE metric = ?", [selection.metric])
    known, kind = rows[0] if rows else ("unknown", "loss")
    assumed = f"{law.unit}, assumed" if law.unit and kind == "loss" else ""
    return replace_fields(law, inputs=law.inputs | selection.units, unit=known if known != "unknown" else assumed)


def _free_name(store: Store, name: str | None, law: str, replace: bool) -> str:
    if name is not None:
        check_name(store, name)
        _check_free(store, name, replace)
        return name
    base, number = safe_name(store, law), 1
    _, rows = store.query("SELECT lower(name) FROM fits")
    taken = {row[0] for row in rows}
    while any(one == f"{base}_{number}" or one.startswith(f"{base}_{number}_") for one in taken):
        number += 1
    return f"{base}_{number}"


def _check_free(store: Store, name: str, replace: bool) -> None:
    _, rows = store.query("SELECT created_at FROM fits WHERE lower(name) = lower(?)", [name])
    if rows and not replace:
        raise UsageError(
            f"The store already has a fit '{name}', made {rows[0][0]:%Y-%m-%d %H:%M} UTC.",
            "Choose another --name, or let it give way with --replace.",
        )


def _group_name(store: Store, base: str, value: str, made: Sequence[tuple[str, Any, Any, Any]]) -> str:
    name, number = safe_name(store, f"{base}_{value}"), 2
    candidate = name
    while candidate in {m[0] for m in made}:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _config(
    law: str, name: str, question: Question, selection: Selection, settings: Mapping[str, Any], parameters: Any
) -> dict[str, Any]:
    return {
        "law": law,
        "name": name,
        "question": {
            "metric": question.metric,
            "where": question.where,
            "inputs": dict(question.inputs),
            "by": question.by,
            "cluster": question.cluster,
            **({"coarse": True} if question.coarse else {}),
        },
        "columns": selection.columns,
        "settings": {k: v for k, v in settings.items() if v is not None and k != "progress"},
        "parameters": {k: dict(v) for k, v in (parameters or {}).items()},
    }


def _save(
    store: Store,
    name: str,
    fit: Fit,
    selection: Selection,
    question: Question,
    value: str | None,
    config: dict[str, Any],
    metric: str,
    kind: str = "loss",
) -> SavedFit:
    import scaling

    table = fit.to_dict()
    replicates = table.pop("replicates")
    now = datetime.now(UTC).replace(tzinfo=None)
    identity = json.dumps([name, selection.sha256, table, str(now)], sort_keys=True)
    fit_id = hashlib.sha256(identity.encode()).hexdigest()[:12]
    excluded = {
        "counts": selection.reasons(),
        "rows": [{"run_id": e.run_id, "reason": e.reason} for e in selection.excluded[:_KEPT_EXCLUDED]],
    }
    env = environment()
    saved = SavedFit(
        fit_id, name, fit, metric, selection.sql, selection.sha256, config, excluded, question.by, value, env, now
    )
    statement = macro_sql(name, fit, saved.arguments)
    connection = store.connection
    _, old = store.query("SELECT fit_id, name FROM fits WHERE lower(name) = lower(?)", [name])
    for old_id, old_name in old:  # its forecasts stay: they are there to be held against runs that came later
        _delete(store, old_id, old_name, ("fits", "fit_replicates"))
        connection.execute("DELETE FROM predictions WHERE fit_id = ? AND kind = 'backtest'", [old_id]).fetchall()
        record(connection, "replace", "fit", old_id, {"name": old_name, "by": fit_id})
    row = {
        "fit_id": fit_id,
        "name": name,
        "kind": kind,
        "law": fit.law.name,
        "formula": fit.law.formula,
        "metric": metric,
        "objective": str(fit.objective),
        "objective_value": _null(fit.objective_value),
        "verdict": fit.verdict,
        "group_by": question.by,
        "group_value": value,
        "query_sql": selection.sql,
        "query_sha256": hashlib.sha256(selection.sql.encode()).hexdigest(),
        "data_sha256": selection.sha256,
        "n_obs": fit.n_obs,
        "excluded": json.dumps(excluded),
        "config": json.dumps(config),
        "fit": json.dumps(table),
        "macro_sql": statement,
        "seed": fit.seed,
        "package_version": scaling.__version__,
        "env": json.dumps(env),
        "created_at": now,
    }
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO fits ({', '.join(row)}) VALUES ({marks})", list(row.values())).fetchall()
    _save_replicates(store, fit_id, list(fit.law.parameter_names), replicates)
    connection.execute(
        "INSERT INTO fit_rows SELECT ?, unnest(?::VARCHAR[])", [fit_id, list(selection.runs)]
    ).fetchall()  # fmt: skip
    if fit.backtest is not None and fit.backtest.n_rows == len(selection):
        from db.backtests import keep_backtest

        keep_backtest(store, saved, selection)
    connection.execute(statement).fetchall()
    record(
        connection,
        "fit",
        "fit",
        fit_id,
        {"name": name, "law": fit.law.name, "n_obs": fit.n_obs, "verdict": fit.verdict},
    )
    return saved


def _save_replicates(store: Store, fit_id: str, names: list[str], replicates: list[list[float | None]]) -> None:
    """Insert all replicates by one statement; a list parameter is far faster than a row at a time."""
    if not replicates:
        return
    store.connection.execute(
        """
        INSERT INTO fit_replicates
        SELECT ?, CAST((i - 1) // ? AS INTEGER), list_extract(?, CAST(1 + (i - 1) % ? AS BIGINT)), list_extract(?, i)
        FROM range(1, 1 + ?) AS rows(i)
        """,
        [fit_id, len(names), names, len(names), [v for row in replicates for v in row], len(names) * len(replicates)],
    ).fetchall()


def _delete(store: Store, fit_id: str, name: str, tables: Sequence[str]) -> None:
    for table in tables:
        store.connection.execute(f"DELETE FROM {table} WHERE fit_id = ?", [fit_id]).fetchall()
    store.connection.execute(drop_sql(name)).fetchall()


def environment() -> dict[str, str]:
    """Return the versions that numbers may depend on."""
    from importlib.metadata import version

    import scaling

    found = {name: version(name) for name in _LIBRARIES}
    return {"scaling-suite": scaling.__version__, "python": platform.python_version(), **found}


def _null(value: float) -> float | None:
    """NaN and infinities as NULL: a number that is not known is not stored as one."""
    import math

    return float(value) if math.isfinite(value) else None
