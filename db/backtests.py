"""Back-tests of what the store holds: of a law, and of a saved fit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from db.audit import record
from db.boundaries import refuse_boundary
from db.fits import find_law_of
from db.saved import SavedFit, load_fit, unchanged_rows
from db.select import Question, Selection, select
from scaling.errors import InputDataError

if TYPE_CHECKING:
    from db.store import Store
    from scaling.fitting.backtest import Backtest


def backtest_runs(
    store: Store, law: str, question: Question, *, parameters: Mapping[str, Any] | None = None, **settings: Any
) -> Backtest:
    """Back-test a law on runs of the store; nothing is kept.

    Parameters
    ----------
    store : Store
        An open store.
    law : str
        As of `scaling.fit`.
    question : Question
        Which rows.
    parameters : mapping, optional
        Bounds for the parameters of a formula.
    **settings
        As of `scaling.backtest_law`.

    Returns
    -------
    Backtest

    Raises
    ------
    UsageError, LawError, InputDataError
        For what makes no sense, or cannot be fitted.
    """
    import scaling

    found = find_law_of(store, law, question, parameters)
    goal = scaling.Objective.parse(settings.get("objective") or "huber", settings.get("residual", "log"))
    rows = select(store, found, question, positive=goal.residual == "log")
    return scaling.backtest_law(found, rows.inputs, rows.observed, groups=rows.clusters, **settings)


def backtest_fit(store: Store, name: str, **settings: Any) -> tuple[SavedFit, Backtest]:
    """Back-test a saved fit on its own rows, and keep the result with it, so that its forecasts can quote it.

    Parameters
    ----------
    store : Store
        Open for writing.
    name : str
        As of `db.saved.load_fit`.
    **settings
        ``level bootstrap seed``, as of `scaling.backtest_law`.

    Returns
    -------
    SavedFit, Backtest

    Raises
    ------
    UsageError
        Where there is no such fit.
    InputDataError
        Where its rows, or those that its trimming left out, have changed since.

    Notes
    -----
    A fit that was trimmed is back-tested as it was chosen: on the rows before the trimming, which is done anew at every
    cut-off. Its rivals stay.
    """
    saved = load_fit(store, name)
    if not saved.observational:
        refuse_boundary(saved, "is held against later models, by compute or in time, and not against single runs")
    rows = untrimmed(store, saved, unchanged_rows(store, saved))
    settings = {"seed": saved.fit.seed, "trim": saved.config.get("trim", "none")} | settings
    found = backtest_again(store, saved, rows, **settings)
    saved = replace(saved, fit=replace(saved.fit, backtest=found))
    with store.transaction() as connection:
        _, [(text,)] = store.query("SELECT fit FROM fits WHERE fit_id = ?", [saved.fit_id])
        table = json.loads(text) | {"backtest": found.to_dict()}
        connection.execute(
            "UPDATE fits SET fit = ? WHERE fit_id = ?", [json.dumps(table), saved.fit_id]
        ).fetchall()  # fmt: skip
        keep_backtest(store, saved, rows)
        record(connection, "backtest", "fit", saved.fit_id, {"name": saved.name, "forecasts": len(found)})
    return saved, found


def backtest_again(store: Store, saved: SavedFit, rows: Selection, **settings: Any) -> Backtest:
    """Back-test a saved fit on rows, in the order that its kind asks for.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The fit.
    rows : Selection
        Its rows before any trimming.
    **settings
        ``level bootstrap seed trim``, as of `scaling.backtest_law`.

    Returns
    -------
    Backtest
    """
    import scaling

    if saved.observational:
        from db import observational_fits

        return observational_fits.backtest_again(saved, rows, **settings)
    if saved.derived:
        from db import kinds

        return kinds.backtest_again(saved, rows, **settings)
    if "translated" in saved.config:
        from db import translations

        return translations.backtest_again(store, saved, rows, **settings)
    if saved.pairs is None:
        return scaling.backtest_law(
            saved.fit, rows.inputs, rows.observed, groups=rows.clusters, by=rows.order, **settings
        )  # fmt: skip
    if "accuracy" in saved.config:
        from db import accuracies

        return accuracies.backtest_again(saved, rows, **settings)
    from scaling.loss_to_loss.rerun import backtest_map

    return backtest_map(saved.fit, rows.inputs["x"], rows.observed, rows.order, rows.clusters, **settings)


def untrimmed(store: Store, saved: SavedFit, rows: Selection) -> Selection:
    """Select the rows of a fit before its trimming.

    Parameters
    ----------
    store : Store
        The store.
    saved : SavedFit
        The fit.
    rows : Selection
        Its own rows, which are returned where nothing was trimmed.

    Returns
    -------
    Selection

    Raises
    ------
    InputDataError
        Where they are no longer those that the fit was chosen on.
    """
    if saved.config.get("trim", "none") == "none":
        return rows
    question = Question(**(saved.config["question"] | {"where": saved.config["untrimmed"]}))
    whole = select(store, saved.fit.law, question, positive=saved.fit.objective.residual == "log")
    if whole.sha256 != saved.config.get("untrimmed_sha256"):
        raise InputDataError(
            f"The rows that the fit '{saved.name}' was chosen on have changed since it was made (trimmed: "
            f"{saved.config['trim']}), so it cannot be back-tested as it was chosen.",
            f"Fit again: {saved.command} --replace",
        )
    return whole


def keep_backtest(store: Store, saved: SavedFit, rows: Selection) -> None:
    """Keep the forecasts of a fit's back-test beside those of runs to come; an older back-test gives way.

    Parameters
    ----------
    store : Store
        Open for writing, inside a transaction.
    saved : SavedFit
        With a back-test.
    rows : Selection
        The rows that it was made of.
    """
    found, connection = saved.fit.backtest, store.connection
    connection.execute("DELETE FROM predictions WHERE fit_id = ? AND kind = 'backtest'", [saved.fit_id]).fetchall()
    if found is None or not len(found):
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    lists: list[list[Any]] = [[] for _ in range(8)]
    for entry in found.rows():
        i = entry["row"]
        inputs = json.dumps({name: float(values[i]) for name, values in rows.inputs.items()})
        values = (
            inputs, _null(entry["predicted"]), _null(entry["low"]), _null(entry["high"]), max(entry["factor"], 1.0),
            entry["observed"], rows.run_ids[i], entry["cut"],
        )  # fmt: skip
        for column, value in zip(lists, values, strict=True):
            column.append(value)
    connection.execute(
        """
        INSERT INTO predictions (fit_id, target, level, created_at, scored_at, kind, inputs, mean, low, high,
            extrapolation_factor, observed, run_id, cut)
        SELECT ?, ?, ?, ?, ?, 'backtest', unnest(?::VARCHAR[]), unnest(?::DOUBLE[]), unnest(?::DOUBLE[]),
            unnest(?::DOUBLE[]), unnest(?::DOUBLE[]), unnest(?::DOUBLE[]), unnest(?::VARCHAR[]), unnest(?::DOUBLE[])
        """,
        [saved.fit_id, saved.fit.law.output, found.level, now, now, *lists],
    ).fetchall()


def _null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
