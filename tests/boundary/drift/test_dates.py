"""Dates of any kind become decimal years."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from scaling.boundary.drift.dates import decimal_year, iso_day, read_dated
from scaling.errors import InputDataError

NEW_YEAR = 2025.00181  # 2025-01-01: 20089 days after 1970 began


@pytest.mark.parametrize(
    "dates",
    [
        ["2025-01-01"], [" 2025-01-01T00:00:00Z"], [date(2025, 1, 1)], [datetime(2025, 1, 1, 5)], ["2025-01"],
        np.array(["2025-01-01"], "datetime64[D]"), pd.to_datetime(["2025-01-01"]), pd.Series(["2025-01-01"]),
        [NEW_YEAR], "2025-01-01",
    ],
)  # fmt: skip
def test_one_day_in_many_spellings(dates):
    assert decimal_year(dates) == pytest.approx([NEW_YEAR], abs=1e-4)


def test_missing_dates_stay_missing():
    assert np.isnan(decimal_year([None, "", float("nan"), pd.NaT, "NaT", "2024-10-01"])).tolist() == [True] * 5 + [
        False
    ]
    assert np.isnan(decimal_year(np.array(["NaT", "2024-10-01"], "datetime64[D]"))).tolist() == [True, False]


def test_a_year_has_one_length_and_days_come_back():
    spans = np.diff(decimal_year(["2023-10-01", "2024-10-01", "2025-10-01"]))
    assert spans == pytest.approx([366 / 365.2425, 365 / 365.2425], rel=1e-12)
    for day in ("1970-01-01", "2024-02-29", "2024-10-01", "2025-12-31"):
        assert iso_day(decimal_year(day)[0]) == day


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        (["2024-10-01", "soon"], "row 1 has the date 'soon'"),
        (["2024-13-01"], "row 0 has the date '2024-13-01'"),
        ([2024.5, 20241001], "row 1 has the date 20241001"),
        ([np.inf], "no year between"),
        ([["2024-10-01"]], "must be one column"),
    ],
)
def test_what_is_no_date_is_refused(dates, why):
    with pytest.raises(InputDataError, match=why):
        decimal_year(dates)


def test_models_without_a_date_are_left_out_and_counted():
    read = read_dated([22, 23, 24], [0.1, 0.2, 0.3], ["2024-10-01", "", "2025-01-01"])
    assert read.scores.kept.tolist() == [0, 2]
    assert read.year == pytest.approx([2024.74992, NEW_YEAR], abs=1e-5)
    assert read.scores.notes == ("Left out 1 model of 3 whose period or date is missing.",)
    assert read.scores.period is None
