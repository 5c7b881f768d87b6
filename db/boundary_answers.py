"""What saved boundaries say: attainable scores at some compute, with the chance of a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.arguments import day
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from db.boundaries import SavedBoundary
    from db.score_rows import ScoreRows
    from db.store import Store

#: Replicates of a boundary that a year moves, which is fitted for the answer and not kept.
DATED_REPLICATES = 200


@dataclass(frozen=True)
class AttainableScores:
    """What a boundary says is attainable.

    Parameters
    ----------
    compute_flop, score, low, high, extrapolation_factor : ndarray (m,)
        Compute in FLOP; the boundary there and its band, NaN without replicates; how far outside the compute seen.
    level : float
        Nominal coverage of the band.
    margin : float
        Added for models of a period to come; 0 where not asked for.
    margin_parts : dict of str to float
        What each source says of it.
    date : str or None
        The day that was asked for.
    chances : list of list of dict
        For each compute, of each score: ``score probability at_most at_least``.
    method : str
        How the band was made.
    verdict : str
        Of what was asked: the boundary, or the one that a year moves.
    notes : tuple of str
        What is to be known of it, in sentences.
    """

    compute_flop: Any
    score: Any
    low: Any
    high: Any
    extrapolation_factor: Any
    level: float
    margin: float
    margin_parts: dict[str, float]
    date: str | None
    chances: list[list[dict[str, Any]]]
    method: str
    verdict: str
    notes: tuple[str, ...]


def forecast_boundary(
    one: SavedBoundary,
    compute: Sequence[float],
    scores: Sequence[float] = (),
    level: float = 0.9,
    *,
    out_of_period: bool = False,
    date: str | None = None,
) -> AttainableScores:
    """Work out attainable scores.

    Parameters
    ----------
    one : SavedBoundary
        The boundary.
    compute : sequence of float (m,)
        FLOP.
    scores : sequence of float
        Scores whose chance is wanted, 0 to 1.
    level : float
        Nominal coverage of the band.
    out_of_period : bool
        For models of a period to come.
    date : str, optional
        For models of a day; the same scores are fitted again by a boundary that a year moves.

    Returns
    -------
    AttainableScores

    Raises
    ------
    UsageError
        For what does not go together, or scores outside 0 to 1.
    InputDataError
        For a date where the scores have none.
    """
    z = np.log10(np.asarray(compute, float))
    check_scores(scores)
    if date is not None:
        if out_of_period or scores:
            raise UsageError(
                "A boundary that a year moves answers --date, which has no margin of periods and no chances of scores.",
                "Ask for --date by itself.",
            )
        return _dated(one, z, level, date)
    boundary = one.boundary
    mean, low, high, method = boundary.predict(z, out_of_period=out_of_period), *_nothing(z), ""
    if boundary.bootstrap:
        found = boundary.predict(z, level=level, out_of_period=out_of_period)
        mean, low, high, method = found.mean, found.low, found.high, found.method
    margin = boundary.margin if out_of_period else None
    chances, notes = _chances(boundary, z, scores)
    about = f"Score that {100 * boundary.tau:.8g} % of the models stay below; band: {method or 'none'}."
    said = [about]
    if margin is not None:
        parts = ", ".join(f"{name} {format_number(value, 2)}" for name, value in margin.parts.items())
        said.append(f"Margin {format_number(margin.value, 2)}: {margin.method} ({parts}).")
        if one.rows.period is None:
            said.append(
                "It was fitted without periods, so how far a later one lies above is not known: fit with --period."
            )
    return AttainableScores(
        np.asarray(compute, float), mean, low, high, boundary.extrapolation_factor(z), level,
        0.0 if margin is None else margin.value, {} if margin is None else dict(margin.parts), None, chances,
        method or "none: there are no replicates", boundary.verdict, (*said, *notes),
    )  # fmt: skip


def check_scores(scores: Sequence[float]) -> None:
    """Refuse scores that are none.

    Raises
    ------
    UsageError
        For one outside 0 to 1.
    """
    for score in scores:
        if not 0 <= score <= 1:
            raise UsageError(f"A score lies between 0 and 1, not at {score:g}.", "0.7 stands for 70 %.")


def _dated(one: SavedBoundary, z: Any, level: float, date: str) -> AttainableScores:
    """By a boundary that a year moves."""
    from scaling.boundary.drift import fit_in_time

    date = day(date, "--date")
    rows, boundary, asked = one.rows, one.boundary, one.saved.config["boundary"]
    if np.isnat(rows.date).all():
        raise InputDataError("None of the scores has a date, so no boundary can be moved by one.", "Leave --date out.")
    count = min(boundary.bootstrap, DATED_REPLICATES)
    dates = [None if np.isnat(day) else str(day) for day in rows.date]
    made = fit_in_time(
        rows.log10_compute, rows.score, dates, groups=rows.groups, bootstrap=count, seed=boundary.seed, **asked
    )
    mean, low, high, method = made.predict(z, date), *_nothing(z), "none: there are no replicates"
    if count:
        found = made.predict(z, date, level=level)
        mean, low, high, method = found.mean, found.low, found.high, found.method
    first, last = (str(day) for day in (np.nanmin(rows.date), np.nanmax(rows.date)))
    beyond = (
        f"The day {date} lies outside those of the scores, {first} to {last}: the rate is carried on as it was there."
    )
    said = [
        *([] if first <= date <= last else [beyond]),
        f"By a boundary of {format_plural(made.n_obs, 'model')} that a year moves, fitted now and not kept; "
        f"band: {method}.",
        f"Compute-equivalent gain: {made.gain(level)}.",
        *([] if made.verdict == "ok" else [f"It is {made.verdict}. {' '.join(made.reasons)}"]),
    ]
    return AttainableScores(
        10.0**z, mean, low, high, boundary.extrapolation_factor(z), level, 0.0, {}, date, [[] for _ in z], method,
        made.verdict, tuple(said),
    )  # fmt: skip


def _nothing(z: Any) -> tuple[Any, Any]:
    return np.full(z.shape, np.nan), np.full(z.shape, np.nan)


def _chances(boundary: Any, z: Any, scores: Sequence[float]) -> tuple[list[list[dict[str, Any]]], list[str]]:
    """Chances of scores at each compute, by a grid of quantiles that do not cross."""
    if not scores:
        return [[] for _ in z], []
    grid = boundary.grid()
    found = [grid.probability(x, z) for x in scores]
    table = [
        [
            {
                "score": float(x),
                "probability": float(chance.value[i]),
                "at_most": bool(chance.at_most[i]),
                "at_least": bool(chance.at_least[i]),
            }
            for x, chance in zip(scores, found, strict=True)
        ]
        for i in range(len(z))
    ]
    taus = ", ".join(f"{tau:g}" for tau in grid.taus)
    return table, [f"Chances: linear between the quantiles {taus} of the same models, and no further out than those."]


def facts_of(store: Store, rows: ScoreRows) -> dict[str, list[Any]]:
    """Look up what sources say of the models behind scores.

    Parameters
    ----------
    store : Store
        An open store.
    rows : ScoreRows
        The scores.

    Returns
    -------
    dict of str to list (n,)
        ``base_model``, ``merged``, ``moe`` and ``flagged``, None where unknown, in the order of the scores.
    """
    names = ("base_model", "merged", "moe", "flagged")
    _, found = store.query(
        f"SELECT eval_id, {', '.join(names)} FROM scores WHERE eval_id IN (SELECT unnest(?))", [list(rows.eval_id)]
    )
    known = {row[0]: row[1:] for row in found}
    return {name: [known[key][i] for key in rows.eval_id] for i, name in enumerate(names)}
