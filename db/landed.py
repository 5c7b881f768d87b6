"""Old forecasts whose runs have landed: which run is which forecast's, and how far off it was."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from db.audit import record
from db.columns import column_of
from db.saved import SavedFit, load_fit
from db.select import Question, Selection, select
from scaling.errors import ScalingError, UsageError

if TYPE_CHECKING:
    from db.store import Store

TOLERANCE = 0.01  # runs rarely end at the very token that was planned


@dataclass(frozen=True)
class Landed:
    """A stored forecast, and the run that came of it.

    Parameters
    ----------
    fit_id, fit : str
        The fit that made the forecast; its name, or its identifier where it has left the store.
    target : str
        Quantity that was forecast.
    inputs : dict of str to float
        Of the forecast.
    run_id : str
        The run.
    forecast, low, high, level : float
        What was said; NaN where nothing was.
    factor : float
        How far beyond the data that was.
    observed : float
        What came.
    error : float
        ln(forecast) - ln(observed), or the plain difference where there is no logarithm.
    inside : bool or None
        Whether the interval held it; None where there was no interval.
    new : bool
        Whether this call found the run.
    """

    fit_id: str
    fit: str
    target: str
    inputs: dict[str, float]
    run_id: str
    forecast: float
    low: float
    high: float
    level: float
    factor: float
    observed: float
    error: float
    inside: bool | None
    new: bool


def score_landed(store: Store, name: str | None = None, tolerance: float = TOLERANCE) -> tuple[list[Landed], int]:
    """Hold stored forecasts against runs that have come into the store since.

    A run counts where the store first met its identifier after the forecast (reading it again, with more runs or from
    another file, makes it no newer, and neither does removing it in between), it is none of the fit's own rows, it
    meets the fit's conditions, and its inputs lie within the tolerance of those forecast. Where several do, the nearest
    one counts. A forecast is scored once: what was found is kept, and later runs change nothing.

    Parameters
    ----------
    store : Store
        Open for writing.
    name : str, optional
        A fit, by name or identifier; all of them where missing.
    tolerance : float, default 0.01
        Largest relative difference of an input.

    Returns
    -------
    landed : list of Landed
        All scored forecasts, those of earlier calls included, oldest first.
    waiting : int
        Forecasts whose run has not come.

    Raises
    ------
    UsageError
        For a fit that made no forecasts, or a tolerance that makes no sense.
    """
    if not 0 <= tolerance < 1:
        raise UsageError(f"--tolerance is a share between 0 and 1, not {tolerance}.", "0.01 stands for 1 %.")
    fit_id = None if name is None else _fit_id(store, name)
    _, rows = store.query(
        "SELECT p.rowid, p.fit_id, coalesce(f.name, p.fit_id), p.target, p.inputs, p.mean, p.low, p.high, p.level, "
        "p.extrapolation_factor, p.observed, p.run_id, p.created_at, p.selection FROM predictions AS p "
        "LEFT JOIN fits AS f ON f.fit_id = p.fit_id WHERE p.kind = 'forecast' AND ($fit IS NULL OR p.fit_id = $fit) "
        "ORDER BY p.created_at, p.rowid",
        {"fit": fit_id},
    )
    landed: list[Landed] = []
    waiting = 0
    selections: dict[tuple[str, str | None], Selection | None] = {}
    with store.transaction() as connection:
        found_now = 0
        for row in rows:
            rowid, fit, shown, target, text, mean, low, high, level, factor, observed, run, made, kept = row
            inputs, new = json.loads(text), run is None
            if new:
                if (fit, kept) not in selections:
                    selections[fit, kept] = _selected(store, _conditions(store, fit, kept))
                match = _match(store, selections[fit, kept], fit, inputs, made, tolerance)
                if match is None:
                    waiting += 1
                    continue
                run, observed = match
                now = datetime.now(UTC).replace(tzinfo=None)
                connection.execute(
                    "UPDATE predictions SET observed = ?, run_id = ?, scored_at = ? WHERE rowid = ?",
                    [observed, run, now, rowid],
                ).fetchall()  # fmt: skip
                found_now += 1
            inside = low <= observed <= high if None not in (mean, low, high) else None
            numbers = [_nan(x) for x in (mean, low, high, level, factor)]
            missed = _error(mean, observed)
            landed.append(Landed(fit, shown, target, inputs, run, *numbers, observed, missed, inside, new))
        if found_now:
            record(connection, "landed", "fit", fit_id or "all", {"scored": found_now, "tolerance": tolerance})
    return landed, waiting


def passed_over(store: Store, name: str | None = None, tolerance: float = TOLERANCE) -> list[str]:
    """Say which runs have the inputs of a forecast that still waits, and why they do not count.

    Parameters
    ----------
    store, name, tolerance
        As of `score_landed`, after which it is asked.

    Returns
    -------
    list of str
        A sentence for each such run: one that does not meet the fit's conditions, or that has no loss to score by.
    """
    fit_id = None if name is None else _fit_id(store, name)
    _, rows = store.query(
        "SELECT DISTINCT p.fit_id, coalesce(f.name, p.fit_id), p.inputs, p.created_at, p.selection "
        "FROM predictions AS p LEFT JOIN fits AS f ON f.fit_id = p.fit_id "
        "WHERE p.kind = 'forecast' AND p.run_id IS NULL "
        "AND ($fit IS NULL OR p.fit_id = $fit) ORDER BY ALL",
        {"fit": fit_id},
    )
    said = []
    known: dict[tuple[str, str | None], tuple[dict[str, Any] | None, Selection | None]] = {}
    for fit, shown, text, made, kept in rows:
        if (fit, kept) not in known:
            known[fit, kept] = _unconditioned(store, fit, kept)
        table, everything = known[fit, kept]
        if table is None:
            continue
        match = _match(store, everything, fit, json.loads(text), made, tolerance)
        if match is not None:
            asked, group = table["question"], table["group_value"]
            parts = [asked["where"] or "", "" if group is None else f"{asked['by']} = '{group}'"]
            condition = " AND ".join(part for part in parts if part)
            said.append(
                f"The run {match[0]} has the inputs that {shown} forecast, but the conditions of that fit "
                f"({condition}) do not select it. (A column that is empty meets no condition.)"
            )
        for run, reason in _without_loss(store, everything, table["law"]["inputs"], json.loads(text), tolerance):
            if _is_new(store, run, fit, made):
                said.append(f"The run {run} has the inputs that {shown} forecast, but {reason}.")
    return list(dict.fromkeys(said))


def _unconditioned(store: Store, fit_id: str, kept: str | None) -> tuple[dict[str, Any] | None, Selection | None]:
    """Return the conditions of the fit behind a forecast, and all runs that would do without them."""
    table = _conditions(store, fit_id, kept)
    if table is None:
        return None, None
    bare = table | {"question": table["question"] | {"where": None, "by": None}, "group_value": None}
    return table, _selected(store, bare)


def landed_summary(landed: Sequence[Landed]) -> dict[str, float]:
    """Summarise scored forecasts: how many, mean and root mean square error, and how many intervals held.

    What one fit said of one target counts once (its interval once a level), however often it was saved; `saved` is the
    number of all.
    """
    forecasts = {(x.fit_id, x.target, _place(x)): x for x in reversed(landed)}.values()
    errors = np.array([x.error for x in forecasts if math.isfinite(x.error)])
    judged = {(x.fit_id, x.target, _place(x), x.level): x for x in reversed(landed) if x.inside is not None}.values()
    nan = float("nan")
    return {
        "n": len(forecasts),
        "saved": len(landed),
        "runs": len({x.run_id for x in landed}),
        "bias": float(errors.mean()) if len(errors) else nan,
        "rms": float(np.sqrt(np.mean(errors**2))) if len(errors) else nan,
        "intervals": len(judged),
        "inside": sum(bool(x.inside) for x in judged),
        "coverage": float(np.mean([bool(x.inside) for x in judged])) if judged else nan,
        "nominal": float(np.mean([x.level for x in judged])) if judged else nan,
    }


def selection_of(saved: SavedFit) -> dict[str, Any]:
    """Return the conditions of a fit as plain data, without what its trimming left out.

    A trimming by the loss would let only good news in, so it is no condition of the runs that forecasts are held
    against.
    """
    question = dict(saved.config["question"])
    if "untrimmed" in saved.config:
        question["where"] = saved.config["untrimmed"]
    return {
        "law": saved.fit.law.to_dict(),
        "question": question,
        "group_value": saved.group_value,
        "positive": saved.fit.objective.residual == "log",
    }


def _place(x: Landed) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(x.inputs.items()))


def _fit_id(store: Store, name: str) -> str:
    """Identifier of a fit that made forecasts; it may have left the store since."""
    _, known = store.query("SELECT count(*) FROM predictions WHERE fit_id = ? AND kind = 'forecast'", [name])
    return name if known[0][0] else load_fit(store, name).fit_id


def _conditions(store: Store, fit_id: str, kept: str | None) -> dict[str, Any] | None:
    """Return the conditions of the fit behind a forecast; None where they are not known any more."""
    if kept is not None:
        table: dict[str, Any] = json.loads(kept)
        return table
    try:  # written before the conditions were kept with a forecast
        return selection_of(load_fit(store, fit_id))
    except UsageError:
        return None


def _selected(store: Store, table: Mapping[str, Any] | None) -> Selection | None:
    """Runs of now that meet conditions; None where they cannot be asked for."""
    from scaling.laws.law import Law

    if table is None:
        return None
    law = Law.from_dict(table["law"]["name"], table["law"])
    try:
        found = select(store, law, Question(**table["question"]), positive=table["positive"])
        return found if table["group_value"] is None else found.take(table["group_value"])
    except ScalingError:
        return None


def _without_loss(
    store: Store, rows: Selection | None, names: Mapping[str, Any], inputs: Mapping[str, float], tolerance: float
) -> list[tuple[str, str]]:
    """Find runs near some inputs that no law can be fitted to, with the reason."""
    if rows is None or not rows.excluded:
        return []
    reasons = {one.run_id: one.reason for one in rows.excluded}
    near = " AND ".join(f"abs(({column_of(rows.columns[n]).sql}) / ${n} - 1) <= $tolerance" for n in names)
    _, found = store.query(
        f"SELECT run_id FROM runs_final WHERE list_contains($ids, run_id) AND {near} ORDER BY run_id",
        {"ids": list(reasons), "tolerance": tolerance} | {n: inputs[n] for n in names},
    )
    return [(run, reasons[run]) for (run,) in found]


def _match(
    store: Store, rows: Selection | None, fit_id: str, inputs: Mapping[str, float], made: datetime, tolerance: float
) -> tuple[str, float] | None:
    """Find the run that a forecast was about."""
    if rows is None or not len(rows):
        return None
    away = np.zeros(len(rows))
    for name, value in inputs.items():
        with np.errstate(all="ignore"):
            away = np.maximum(away, np.abs(rows.inputs[name] - value) / max(abs(value), 1e-300))
    for i in np.lexsort((np.array(rows.run_ids), away)):
        if away[i] > tolerance * (1 + 1e-9):
            return None
        if _is_new(store, rows.run_ids[i], fit_id, made):
            return rows.run_ids[i], float(rows.observed[i])
    return None


def _is_new(store: Store, run_id: str, fit_id: str, made: datetime) -> bool:
    """Whether the store first met a run after a forecast, and it is none of the rows behind it.

    When its source was read says nothing: a log is read again whenever runs are added to it.
    """
    _, [(met,)] = store.query("SELECT first_met_at FROM known_runs WHERE run_id = ?", [run_id])
    _, [(own,)] = store.query("SELECT count(*) FROM fit_rows WHERE fit_id = ? AND run_id = ?", [fit_id, run_id])
    return bool(met > made and not own)


def _error(forecast: float | None, observed: float) -> float:
    if forecast is None:
        return float("nan")
    return math.log(forecast / observed) if forecast > 0 < observed else forecast - observed


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
