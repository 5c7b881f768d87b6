"""Boundaries of the scores of a store in time: period by period, as a year moves them, and what that is worth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.boundaries import KIND, selection_of
from db.boundary_dated import fit_dated, with_year
from db.boundary_sides import DATES
from db.columns import check_expression
from db.fits import check_fit_name, save_fit
from db.score_rows import ScoreRows
from db.select import Question
from scaling.errors import InputDataError, ScalingError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.boundary.drift import DatedBoundary, Density, Drift, GroupGain

LAW = "boundary_in_time"
_DAY = re.compile(r"\d{4}-\d{2}(-\d{2})?")


@dataclass(frozen=True)
class DriftAnswer:
    """What time did to a boundary.

    Parameters
    ----------
    rows : ScoreRows
        The scores, with their periods.
    drift : Drift or None
        Period by period.
    in_time : DatedBoundary or None
        One boundary that a year moves.
    gain : GroupGain or None
        What belonging to the second of two groups is worth, where asked for.
    density : Density or None
        How dense models are, where asked for.
    refused : dict of str to str
        ``drift``, ``in_time``: why they could not be worked out.
    saved : SavedFit or None
        The dated boundary as it was saved.
    notes : tuple of str
        What was left out on the way.
    """

    rows: ScoreRows
    drift: Drift | None
    in_time: DatedBoundary | None
    gain: GroupGain | None
    density: Density | None
    refused: dict[str, str]
    saved: SavedFit | None
    notes: tuple[str, ...]


def drift_of(
    store: Store,
    task: str,
    asked: Mapping[str, Any],
    *,
    fit: Mapping[str, Any],
    at: Sequence[float] = (),
    least: int | None = None,
    earliest: str | None = None,
    gain: str | None = None,
    density: bool = False,
    reference: str | None = None,
    name: str | None = None,
    replace_fit: bool = False,
    bootstrap: int = 200,
    level: float = 0.9,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> DriftAnswer:
    """Work out what time did to the boundary of a task, and save the dated one where it is named.

    Parameters
    ----------
    store : Store
        An open store; for writing where `name` is given.
    task : str
        The task.
    asked : mapping
        As of `db.scores.load_scores`; with a period.
    fit : mapping
        ``tau preset kappa ridge``, as of `scaling.boundary.fit`.
    at : sequence of float
        Computes in FLOP at which periods are compared; chosen by the data where empty.
    least : int
        Models that a period needs to be among those that are compared; as many as leave one beyond the boundary where
        missing, 50 of 0.98.
    earliest : str, optional
        As of `scaling.boundary.drift.fit_in_time`.
    gain : str, optional
        A day, or an SQL condition on ``scores``: the models since then, or that meet it, are the second group.
    density : bool
        Whether densities are measured too.
    reference : str, optional
        Day of the boundary that densities are measured by.
    name : str, optional
        Of the dated boundary, which is then saved with its macro of compute and year.
    replace_fit : bool
        Whether a saved fit of that name gives way.
    bootstrap, level, seed
        As of `scaling.boundary.drift.drift`.
    progress : callable, optional
        Told how many parts are done, and of how many.

    Returns
    -------
    DriftAnswer

    Raises
    ------
    UsageError
        For a question, setting or name that makes no sense.
    InputDataError
        Where no score has a date, or neither periods nor dates tell anything.
    """
    from db.scores import load_scores
    from scaling.boundary.drift import density as measure_density

    check_fit_name(store, name, replace_fit)
    if gain is not None:
        _check_gain(gain)
    try:
        rows = load_scores(store, task, **asked)
    except InputDataError as error:
        if "no date" not in error.message:
            raise
        raise InputDataError(error.message, DATES) from error  # the periods cannot be left out
    common = dict(fit) | {"groups": rows.groups, "bootstrap": bootstrap, "seed": seed}
    refused: dict[str, str] = {}
    notes: list[str] = []
    steps, in_time = None, None
    first: ScalingError | None = None
    parts = 2 + (gain is not None) + density

    def done(count: int) -> None:
        if progress is not None:
            progress(count, parts)

    done(0)
    try:
        steps = _by_period(rows, least, at, notes, fit, bootstrap=bootstrap, level=level, seed=seed)
    except InputDataError as error:
        first, refused["drift"] = error, error.message
    done(1)
    try:
        in_time = fit_dated(rows, fit, bootstrap, seed, earliest)
    except InputDataError as error:
        first, refused["in_time"] = first or error, error.message
    done(2)
    if first is not None and steps is None and in_time is None:
        raise first
    apart = None if gain is None else _gain(store, rows, gain, common, notes)
    dense = None
    done(2 + (gain is not None))
    if density:
        dense = measure_density(
            rows.log10_compute, rows.score, rows.date, **common, reference=reference, earliest=earliest,
            n_params=rows.n_params if np.isfinite(rows.n_params).any() else None, level=level,
        )  # fmt: skip
    saved = None
    if name is not None:
        if in_time is None:
            raise InputDataError(f"There is no dated boundary to save as '{name}': {refused['in_time']}")
        saved = _save(store, rows, in_time, fit, earliest, name, replace_fit)
    return DriftAnswer(rows, steps, in_time, apart, dense, refused, saved, tuple(notes))


def _by_period(
    rows: ScoreRows, asked: int | None, at: Sequence[float], notes: list[str], fit: Mapping[str, Any], **settings: Any
) -> Drift:
    """Hold the boundaries of the periods that have enough models against each other."""
    from scaling.boundary.drift import drift

    assert rows.period is not None
    beyond = min(fit["tau"], 1 - fit["tau"])
    least = asked or (math.ceil(1 / beyond - 1e-9) if beyond > 0 else 2)
    counts = {name: rows.period.count(name) for name in rows.periods}
    small = {name: count for name, count in counts.items() if count < least}
    kept = np.array([i for i, name in enumerate(rows.period) if name not in small], dtype=int)
    if small:
        listed = ", ".join(f"{name} ({count})" for name, count in small.items())
        notes.append(f"Periods of fewer than {format_plural(least, 'model')}, not compared: {listed}.")
    part = rows.take(kept)
    if len(part.periods) < 2:
        have = (
            f"one period has {least} models or more, {part.periods[0]}"
            if len(part)
            else f"no period has {least} models"
        )
        raise InputDataError(
            f"Of {format_plural(len(counts), 'period')}, {have}, so no two can be compared.",
            "Take longer periods with --period, such as year, or fewer models in each with --least.",
        )
    points = np.log10(np.asarray(at, float)) if len(at) else None
    return drift(part.log10_compute, part.score, part.period, at=points, groups=part.groups, **fit, **settings)


def _check_gain(what: str) -> None:
    """Refuse what is neither a day nor one SQL expression."""
    if not _DAY.fullmatch(what):
        check_expression(what, "--gain", "type = 'chat'")
        return
    try:
        np.datetime64(what, "D")
    except ValueError as error:
        raise UsageError(f"'{what}' is no day.", "Such as 2024-10-01.") from error


def _gain(store: Store, rows: ScoreRows, what: str, common: Mapping[str, Any], notes: list[str]) -> GroupGain:
    """What belonging to the models since a day, or that meet a condition, is worth."""
    from scaling.boundary.drift import compute_equivalent_gain

    if _DAY.fullmatch(what):
        day = np.datetime64(what, "D")
        flags, kept = (rows.date >= day).astype(int), np.ones(len(rows), bool)
        names = (f"before {what}", f"since {what}")
    else:
        _, found = store.query(f"SELECT eval_id, CAST(({what}\n) AS BOOLEAN) FROM scores")
        said = dict(found)
        known = [said.get(name) for name in rows.eval_id]
        kept = np.array([value is not None for value in known])
        flags = np.array([bool(value) for value in known]).astype(int)
        names = (f"not: {what}", what)
        if lost := int(np.sum(~kept)):
            notes.append(f"Left out of the gain: {format_plural(lost, 'model')} of which '{what}' is not known.")
    part = rows.take(np.flatnonzero(kept))
    groups = {**common, "groups": part.groups}
    return compute_equivalent_gain(part.log10_compute, part.score, flags[kept], names=names, **groups)


def _save(
    store: Store, rows: ScoreRows, made: DatedBoundary, fit: Mapping[str, Any], earliest: str | None, name: str,
    replace_fit: bool,
) -> SavedFit:  # fmt: skip
    notes = {
        "scores": rows.question.to_dict(),
        "boundary": {"tau": made.tau, **{k: fit[k] for k in ("preset", "kappa", "ridge")}},
        "in_time": {"earliest": earliest},
        "notes": list(rows.notes),
    }
    question = Question(rows.question.task, rows.question.where, cluster=rows.question.group)
    return save_fit(
        store, LAW, question, with_year(selection_of(rows)), made.fit, base=LAW, name=name, replace=replace_fit,
        kind=KIND, notes=notes, bootstrap=made.bootstrap, seed=made.seed,
    )  # fmt: skip
