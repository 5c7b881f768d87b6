import datetime

import numpy as np
import pytest

from scaling.boundary.evaluation.periods import split_periods
from scaling.errors import InputDataError, UsageError


def test_the_published_periods():
    days = [
        "2023-01-01",
        "2024-06-30",
        "2024-07-01",
        "2024-09-30",
        "2024-10",
        "2025-01-01",
        "2025-03-31T23:59:59",
        "2025-04-01",
    ]
    made = split_periods(days)
    assert made.labels.tolist() == ["P1", "P1", "P2", "P2", "P3", "P4", "P4", "P5"]
    assert made.names == ("P1", "P2", "P3", "P4", "P5")
    assert made.counts["P4"] == 2
    assert made.notes == ()


def test_the_old_periods_begin_and_end():
    days = ["2023-06-30", "2023-07-01", "2023-11-30", "2023-12-05", "2024-02-01", "2024-06-30", "2024-07-01"]
    made = split_periods(days, "old")
    assert made.labels.tolist() == ["", "P1", "P1", "P2", "P3", "P4", ""]
    assert made.outside == 2
    assert made.notes == ("Left out 2 models of 7 whose date is outside all periods.",)


def test_calendar():
    days = np.array(["2024-03-31", "2024-04-01", "2025-12-31"], "datetime64[D]")
    assert split_periods(days, "quarter").labels.tolist() == ["2024Q1", "2024Q2", "2025Q4"]
    assert split_periods(days, "year").labels.tolist() == ["2024", "2024", "2025"]


def test_cut_dates():
    days = [datetime.date(2024, 1, 1), datetime.datetime(2024, 5, 1, 12), "2024-05-02 10:00:00+00:00"]
    assert split_periods(days, ["2024-05-01", "2024-05-02"]).labels.tolist() == ["P1", "P2", "P3"]


def test_labels_of_many_periods_sort_in_time():
    cuts = [f"20{y}-01-01" for y in range(10, 22)]
    days = [f"20{y:02d}-06-01" for y in range(9, 22)]
    labels = split_periods(days, cuts).labels.tolist()
    assert labels == sorted(labels)
    assert labels[0] == "P01"
    assert labels[-1] == "P13"


def test_missing_dates_are_counted():
    made = split_periods(["2024-05-01", None, float("nan"), "", "NaT", np.datetime64("NaT")])
    assert made.labels.tolist() == ["P1", "", "", "", "", ""]
    assert made.missing == 5
    assert made.to_dict()["notes"] == ["Left out 5 models of 6 whose date is missing."]


def test_what_is_no_date_is_refused():
    with pytest.raises(InputDataError, match="holds 'soon' in row 1"):
        split_periods(["2024-01-01", "soon"])
    with pytest.raises(InputDataError, match="none of 2 dates is there"):
        split_periods([None, "nan"])
    with pytest.raises(InputDataError, match="one column"):
        split_periods([["2024-01-01"], ["2024-01-02"]])
    with pytest.raises(UsageError, match="must ascend"):
        split_periods(["2024-01-01"], ["2024-05-01", "2024-04-01"])
    with pytest.raises(UsageError, match="no periods 'quarters'"):
        split_periods(["2024-01-01"], "quarters")
