"""Boundaries that a year moves as saved fits: their rows, fitted again, and what they are asked by."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from db.boundaries import ScoreSelection, score_words
from db.score_periods import Period
from db.score_rows import ScoreQuestion, ScoreRows
from db.select import Selection
from db.views import quote_name
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.boundary.drift import DatedBoundary, InTimeBacktest
    from scaling.results import Fit

#: SQL of the decimal year that the macro of such a boundary takes, to be filled with a column of dates.
YEAR_SQL = "(1970 + date_diff('day', DATE '1970-01-01', {date}) / 365.2425)"


def fit_dated(
    rows: ScoreRows, fit: Mapping[str, Any], bootstrap: int, seed: int, earliest: str | None
) -> DatedBoundary:
    """Fit a boundary that a year moves to scores; as of `scaling.boundary.drift.fit_in_time`."""
    from scaling.boundary.drift import fit_in_time

    return fit_in_time(
        rows.log10_compute, rows.score, rows.date, groups=rows.groups, bootstrap=bootstrap, seed=seed,
        earliest=earliest, **fit,
    )  # fmt: skip


def with_year(selection: ScoreSelection) -> ScoreSelection:
    """Make scores the rows of a dated boundary: the decimal year stands beside the compute."""
    from scaling.boundary.drift import decimal_year

    scores = selection.scores
    year = decimal_year(scores.date)
    if not np.isfinite(year).all():
        raise InputDataError("Some scores have lost the date that the boundary was fitted to.")
    column = YEAR_SQL.format(date=quote_name(scores.question.date))
    return replace(
        selection, inputs={**selection.inputs, "year": year}, columns={**selection.columns, "year": column}
    )  # fmt: skip


@dataclass(frozen=True)
class SavedDated:
    """A saved dated boundary with its scores.

    Parameters
    ----------
    saved : SavedFit
        The fit.
    rows : ScoreRows
        Its scores.
    dated : DatedBoundary
        Fitted to them again, by the same settings and seed.
    """

    saved: SavedFit
    rows: ScoreRows
    dated: DatedBoundary

    @property
    def backtest_command(self) -> str:
        """What fits it to all models up to each of its periods, and holds it against those of the next."""
        return shlex.join(["scaling", "boundary", "backtest", self.saved.name])


def load_dated(store: Store, saved: SavedFit) -> SavedDated:
    """Load the scores of a saved dated boundary, and fit it again.

    Raises
    ------
    InputDataError
        Where its scores have changed since it was fitted, or have left the store.
    """
    from db.saved import unchanged_rows

    rows = unchanged_rows(store, saved)
    assert isinstance(rows, ScoreSelection)
    return SavedDated(saved, rows.scores, _again(saved, rows.scores))


def backtest_dated(store: Store, saved: SavedFit, period: Period = None, seed: int | None = None) -> InTimeBacktest:
    """Back-test a saved dated boundary by its own scores and settings.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The fit.
    period : str or sequence of str, optional
        Periods, in place of those that it was saved with.
    seed : int, optional
        Recorded; that of the fit where missing.

    Returns
    -------
    InTimeBacktest

    Raises
    ------
    InputDataError
        Where its scores have changed, or no step from a period to the next can be taken.
    """
    from db.saved import unchanged_rows
    from db.scores import load_question
    from scaling.boundary.drift import backtest_in_time

    selection = unchanged_rows(store, saved)
    assert isinstance(selection, ScoreSelection)
    rows = selection.scores
    if period is not None:
        rows = load_question(store, replace(rows.question, period=period))
    return backtest_in_time(
        rows.log10_compute, rows.score, rows.date, rows.period, groups=rows.groups,
        seed=saved.config["settings"]["seed"] if seed is None else seed, earliest=saved.config["in_time"]["earliest"],
        **dict(saved.config["boundary"]),
    )  # fmt: skip


def refit_dated(saved: SavedFit, rows: Selection) -> Fit:
    """Fit a saved dated boundary to scores again, by the settings that were asked for."""
    assert isinstance(rows, ScoreSelection)
    return _again(saved, rows.scores).fit


def _again(saved: SavedFit, rows: ScoreRows) -> DatedBoundary:
    asked, settings = dict(saved.config["boundary"]), dict(saved.config["settings"])
    return fit_dated(rows, asked, settings["bootstrap"], settings["seed"], saved.config["in_time"]["earliest"])


def drift_command(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved dated boundary."""
    question, asked, settings = ScoreQuestion.from_dict(config["scores"]), config["boundary"], config["settings"]
    odd = question.task.startswith("-")  # read as an option, unless it comes last, after two hyphens
    words = ["scaling", "boundary", "drift", *([] if odd else [question.task])]
    options = {name: asked[name] for name in ("tau", "preset", "kappa", "ridge")}
    options |= {"earliest": config["in_time"]["earliest"]} | {name: settings[name] for name in ("bootstrap", "seed")}
    for option, value in options.items():
        if value is not None:
            words += [f"--{option}", str(value)]
    words += [*score_words(question), "--name", config["name"], *(["--", question.task] if odd else [])]
    return shlex.join(words)


def refuse_dated(saved: SavedFit) -> UsageError:
    """Say what a boundary that a year moves is asked by."""
    return UsageError(
        f"The boundary '{saved.name}' is one that a year moves, and this is for boundaries without dates.",
        f"It forecasts with: scaling forecast {saved.name} --at C=1e24,year=2025.5, and is back-tested with: scaling "
        f"boundary backtest {saved.name}",
    )
