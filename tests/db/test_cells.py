"""Cells become numbers with a status, or typed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.cells import (
    BAD,
    INF,
    MISSING,
    NAN,
    NEGATIVE_INF,
    OK,
    numbers_from_cells,
    text_from_cell,
    typed_values,
)


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("1.5", OK), (" 2e9 ", OK), ("-3", OK), (".5", OK), ("1.", OK), (4, OK), (2.5, OK),
        ("nan", NAN), ("NaN", NAN), ("-nan", NAN), (math.nan, NAN),
        ("inf", INF), ("Infinity", INF), ("+inf", INF), (math.inf, INF), ("1e999", INF),
        ("-inf", NEGATIVE_INF), (-math.inf, NEGATIVE_INF),
        ("", MISSING), ("  ", MISSING), (None, MISSING), ("NA", MISSING), ("null", MISSING), ("None", MISSING),
        ("abc", BAD), ("1,000", BAD), ("1_000", BAD), ("70B", BAD), ("0x10", BAD), (True, BAD), ("true", BAD),
        ("1e", BAD), ("--1", BAD), ("nano", BAD),
    ],
)  # fmt: skip
def test_each_cell_has_its_status(cell: object, status: int) -> None:
    for beside in ([], ["1"], [None]):
        numbers = numbers_from_cells([cell, *beside])
        assert numbers.status[0] == status
        assert np.isfinite(numbers.values[0]) == (status == OK)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_every_float_survives_being_written(values: list[float]) -> None:
    numbers = numbers_from_cells([repr(value) for value in values])
    np.testing.assert_array_equal(numbers.values, np.array(values, dtype=float))
    expected = [
        NAN if math.isnan(value) else OK if math.isfinite(value) else INF if value > 0 else NEGATIVE_INF
        for value in values
    ]
    assert numbers.status.tolist() == expected


@given(st.lists(st.one_of(st.text(), st.none(), st.booleans(), st.integers(), st.floats())))
def test_any_cells_can_be_read(cells: list[object]) -> None:
    numbers = numbers_from_cells(cells)
    assert numbers.values.shape == numbers.status.shape == (len(cells),)
    assert len(typed_values(cells)) == len(cells)


@pytest.mark.parametrize(
    ("cells", "typed"),
    [
        (["True", "false", ""], [True, False, None]),
        ([True, None], [True, None]),
        (["1", "-2", ""], [1, -2, None]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1e3", "NA"], [1000.0, None]),
        (["nan", "1.5", "-inf"], ["NaN", 1.5, "-Infinity"]),
        (["1", "two", "NA", ""], ["1", "two", "NA", None]),
        (["007", "8"], ["007", "8"]),
        (["12e5000", "3"], ["12e5000", "3"]),
        ([10**30], [1e30]),
        (["", None], [None, None]),
        ([True, 1], ["True", "1"]),
    ],
)
def test_a_kept_column_has_one_type(cells: list[object], typed: list[object]) -> None:
    found = typed_values(cells)
    assert found == typed
    assert list(map(type, found)) == list(map(type, typed))


def test_text_of_a_whole_float_is_the_integer() -> None:
    assert [text_from_cell(cell) for cell in (1.0, 2.5, " a ", "", None, 3)] == ["1", "2.5", "a", None, None, "3"]
