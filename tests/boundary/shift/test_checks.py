"""Columns as people have them: per cent, missing values, dates of every kind."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from scaling.boundary.shift.checks import clusters, days, shares, usable
from scaling.errors import InputDataError


def test_scores_in_percent_are_divided_and_said():
    column, note = shares([50, 75, float("nan"), 99], "math")
    np.testing.assert_allclose(column[[0, 1, 3]], [0.5, 0.75, 0.99])
    assert "percent" in note
    assert "math" in note
    column, note = shares([0.5, 1.0], "math")
    assert (column.tolist(), note) == ([0.5, 1.0], "")


def test_missing_values_of_pandas_are_missing():
    column, _ = shares(pd.Series([0.5, pd.NA, None, 1.0], dtype=object), "math")
    assert np.isnan(column).tolist() == [False, True, True, False]


@pytest.mark.parametrize("bad", [[0.5, -0.1], [50, 120], [0.2, 0.3, 0.1] * 10 + [7.0]])
def test_scores_that_are_no_share_are_refused_with_their_row(bad):
    with pytest.raises(InputDataError, match=f"row {len(bad) - 1}"):
        shares(bad, "score")


def test_dates_are_read_from_what_people_have():
    column = days(
        ["2025-02-06", dt.date(2025, 2, 6), dt.datetime(2025, 2, 6, 23), pd.Timestamp("2025-02-06"), None, ""]
    )
    assert np.array_equal(column[:4], np.full(4, np.datetime64("2025-02-06")))
    assert np.isnat(column[4:]).all()
    assert np.isnat(days(pd.Series([pd.NaT, "2024-01-01"]))[0])
    with pytest.raises(InputDataError, match="row 1"):
        days(["2025-02-06", "soon"])
    with pytest.raises(InputDataError, match="no date"):
        days(["20"])


def test_rows_with_something_missing_are_counted_once_by_reason():
    cleaned = usable({"a": np.array([1, np.nan, np.nan, 4]), "b": np.array([np.nan, np.nan, 1, 2])})
    assert cleaned.left_out == {"a missing": 2, "b missing": 1}
    assert cleaned.kept.tolist() == [False, False, False, True]
    assert cleaned.columns["b"].tolist() == [2]


def test_a_row_without_a_group_is_a_group_of_its_own():
    codes, labels = clusters(["x", None, "x", float("nan"), ""], 5)
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 4 == len(labels)
    with pytest.raises(InputDataError, match="2 rows"):
        clusters(["x"], 2)
