"""Embeddings are checked once, and a row comes out the same whatever it stands among."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scaling.errors import InputDataError, UsageError
from scaling.valuation import as_embeddings, knn_shapley, select, vendi
from scaling.valuation.catalogue import OBJECTIVES, make_objective


@pytest.mark.parametrize(
    ("given_type", "made"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i8", "f8"), ("u1", "f8"), ("?", "f8")]
)
def test_each_precision_is_computed_in_one_that_serves(given_type, made):
    rows = np.array([[3, 4], [0, 1]]).astype(given_type)
    assert as_embeddings(rows).dtype == np.dtype(made)
    assert as_embeddings(rows, normalise=False).dtype == np.dtype(made)


def test_rows_have_length_one_and_their_direction():
    rows = as_embeddings([[3, 4], [0, -2]])
    assert rows.tolist() == [[0.6, 0.8], [0.0, -1.0]]


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_squares_that_overflow_or_vanish_do_no_harm(size):
    assert as_embeddings([[3 * size, 4 * size]])[0] == pytest.approx([0.6, 0.8], rel=1e-15)


@given(st.integers(1, 40), st.integers(0, 1000))
def test_a_row_is_the_same_whatever_it_stands_among(cut, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((41, 8)).astype(np.float32)
    rows[::2] /= np.linalg.norm(rows[::2], axis=1, keepdims=True)  # some have length one to a few digits already
    whole = as_embeddings(rows)
    assert np.array_equal(whole, np.vstack([as_embeddings(rows[:cut]), as_embeddings(rows[cut:])]))


def test_rows_of_length_one_are_not_copied():
    rows = as_embeddings(np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32))
    assert as_embeddings(rows) is rows


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        (np.ones(3), UsageError, r"X has shape \(3,\)"),
        (np.empty((0, 4)), InputDataError, "nothing to score"),
        ([["a", "b"]], UsageError, "not a number"),
        ([[1.0, 2.0], [1.0, np.nan]], InputDataError, "X is nan in row 1, column 1"),
        (
            [[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]],
            InputDataError,
            "2 rows of X with nothing but zeros, .* row 1:",
        ),
        ([[1.0, np.inf]], InputDataError, "X is inf in row 0, column 1"),
        (np.ones((2, 2), complex), UsageError, "X holds complex128"),
        (np.ma.masked_greater([[1, 2], [3, 9]], 5), InputDataError, "X is nan in row 1, column 1"),
        (sparse.csr_array(np.eye(2)), UsageError, "X is sparse"),
        (
            pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, None]}, dtype="Float64"),
            InputDataError,
            "missing in row 1, col.* 1",
        ),
    ],
)
def test_what_cannot_be_used_is_pointed_at(rows, kind, message):
    with pytest.raises(kind, match=message):
        as_embeddings(rows)


def test_an_overflow_of_float16_says_what_to_do():
    with np.errstate(over="ignore"):
        rows = np.array([[1.0, 7e4]]).astype(np.float16)
    with pytest.raises(InputDataError, match="row 0, column 1") as error:
        as_embeddings(rows)
    assert "float32" in error.value.hint


def test_lengths_whose_squares_overflow_are_refused_where_lengths_stay():
    rows = 1e160 * np.arange(1.0, 9.0).reshape(4, 2)
    assert vendi(rows) == pytest.approx(vendi(rows / 1e160), rel=1e-12)  # the cosine has no lengths
    calls = (
        lambda: vendi(rows, kernel="linear"),
        lambda: select(rows, 2, kernel="linear"),
        lambda: knn_shapley(rows, [0, 1, 0, 1], rows / 1e160, [0, 1, 0, 1]),
    )
    for call in calls:
        with pytest.raises(InputDataError, match=r"X is 8e\+160 in row 3, column 1: squares"):
            call()
    with pytest.raises(InputDataError, match="overflow float32"):
        vendi(np.full((2, 2), 1e25, np.float32), kernel="linear")


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(InputDataError, match="weights hold something that is not a number"):
        vendi(np.eye(2), weights=["a", "b"])
    with pytest.raises(InputDataError, match="weights hold something that is not a number"):
        select(np.eye(2), 1, "facility_location", weights=["a", "b"])


def test_zeros_are_no_harm_where_no_length_is_asked_for():
    assert as_embeddings([[0.0, 0.0]], normalise=False).tolist() == [[0.0, 0.0]]


def test_an_objective_or_option_that_there_is_not_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="no objective 'vendy'") as error:
        make_objective("vendy", np.eye(3))
    assert "vendi" in error.value.hint
    with pytest.raises(UsageError, match="no objective '3'"):
        make_objective(3, np.eye(3))
    with pytest.raises(UsageError, match="no option 'kernal'") as error:
        make_objective("facility_location", np.eye(3), kernal="rbf")
    assert "kernel" in error.value.hint


def test_every_objective_of_the_catalogue_is_there():
    from importlib import import_module

    for name, (module, kind, line) in OBJECTIVES.items():
        assert callable(getattr(import_module(f"scaling.valuation.{module}"), kind).build), name
        assert line
