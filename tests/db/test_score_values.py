"""Cells of a table of scores: dates, yes and no, shares and percent, scorers."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from db.score_periods import period_labels
from db.score_values import best_scorer, boolean_from_cell, date_from_cell, scores_from_cells
from scaling.errors import UsageError


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2024-05-11", (2024, 5, 11)),
        ("2024-09-27 15:52:33+00:00", (2024, 9, 27)),
        ("2024-09-27T15:52:33Z", (2024, 9, 27)),
        ("2024-05", (2024, 5, 1)),
        ("17 November 2025 4:28pm", (2025, 11, 17)),
        ("November 7, 2025", (2025, 11, 7)),
        ("2024/05/11", (2024, 5, 11)),
    ],
)
def test_dates_that_can_be_read_one_way(cell: str, day: tuple[int, int, int]) -> None:
    assert date_from_cell(cell) == datetime.date(*day)


@pytest.mark.parametrize("cell", ["03/04/2025", "soon", "2025", "2024-13-01", "31 February 2024", 20240511])
def test_what_is_no_date_says_why(cell: Any) -> None:
    assert isinstance(date_from_cell(cell), str)


def test_missing_dates_and_answers_are_unknown() -> None:
    assert [date_from_cell(cell) for cell in ("", None, "NaT", "nan")] == [None] * 4
    assert [boolean_from_cell(c) for c in ("True", "no", 1, "", None, False, "1.0")] == [
        True, False, True, None, None, False, True,
    ]  # fmt: skip
    assert boolean_from_cell("perhaps") == "neither true nor false"


def test_percent_is_found_by_the_95th_percentile_and_not_by_one_value() -> None:
    percent = scores_from_cells([*range(1, 101)])
    assert (percent.unit, percent.values[76]) == ("share", pytest.approx(0.77))
    assert percent.said is not None
    share = scores_from_cells([*np.linspace(0, 1, 99), 77.0])
    assert share.said is None
    assert share.bad == {99: "the score is outside 0 to 1"}
    assert np.isnan(share.values[99])
    assert share.values[98] == 1.0


def test_units_that_are_said_are_not_guessed() -> None:
    assert scores_from_cells([0.5, 0.8], "percent").values == pytest.approx([0.005, 0.008])
    assert scores_from_cells([4.01, 2.49], "points").values == pytest.approx([4.01, 2.49])
    assert scores_from_cells([1200.0, 900.0]).unit == "points"
    assert set(scores_from_cells([50.0, 60.0], "share").bad) == {0, 1}


def test_signs_of_percent_nothing_and_nan() -> None:
    read = scores_from_cells(["77.0%", "0.5", "", "nan", "inf", "none such", None])
    assert read.values[:2] == pytest.approx([0.77, 0.5])
    assert read.said == "written with a percent sign: divided by 100"
    assert list(np.flatnonzero(read.absent)) == [2, 3, 6]
    assert read.bad == {4: "the score is not finite", 5: "the score is not a number"}


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("choice:0.85±0.02", ("choice", 0.02)),
        ("string:0.78±0.01,sympy:0.81±0.01,model:0.95±0.03", ("model", 0.03)),
        ("verification_code:0±0", ("verification_code", None)),
        ("choice:0.85", ("choice", None)),
        ("no scorer", (None, None)),
        ("", (None, None)),
    ],
)
def test_the_best_scorer_and_its_error_which_is_unknown_where_it_rounds_to_0(cell: str, found: Any) -> None:
    assert best_scorer(cell) == found


def test_periods() -> None:
    days = [
        datetime.date(2024, 6, 30),
        datetime.date(2024, 7, 1),
        datetime.date(2025, 3, 31),
        datetime.date(2025, 4, 1),
    ]
    assert period_labels(days, "zhang2026") == ["P1", "P2", "P4", "P5"]
    assert period_labels(days, "quarter") == ["2024-Q2", "2024-Q3", "2025-Q1", "2025-Q2"]
    assert period_labels(days, "month")[0] == "2024-06"
    assert period_labels(days, ("2025-01-01",)) == ["P1", "P1", "P2", "P2"]
    many = period_labels(days, tuple(f"20{y}-01-01" for y in range(10, 24)))
    assert many[0] == "P15"
    for wrong in ("weeks", ("2025-01-01", "2024-01-01"), ("soon",), ()):
        with pytest.raises(UsageError):
            period_labels(days, wrong)
