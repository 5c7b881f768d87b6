"""Alignment of loss drops: by hand, with gaps, and where the validation loss stands still."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError
from scaling.valuation.points.alignment import loss_drop_alignment

VALIDATION = [4.0, 3.0, 2.5, 2.4]


def test_scores_by_hand():
    losses = [[3.0, 2.0, 1.5, 1.4], [1.4, 1.5, 2.0, 3.0], [2.0, 2.0, 2.0, 2.0], [5.0, 4.0, 4.0, 4.0]]
    found = loss_drop_alignment(losses, VALIDATION)
    assert found.score == pytest.approx([1.26, -(0.1 + 0.25 + 0.1), 0, 1.0])
    assert found.cosine == pytest.approx([1, -0.45 / 1.26, 0, 1 / np.sqrt(1.26)])
    assert found.used.tolist() == [3] * 4
    assert "2 of 4 examples fall with the validation loss" in repr(found)


def test_weights_are_those_of_the_intervals():
    found = loss_drop_alignment([[3.0, 2.0, 1.0, 1.0]], VALIDATION, weights=[2, 0, 5])
    assert found.score == pytest.approx([2.0])
    assert found.cosine == pytest.approx([2 / np.sqrt(2 * (2 + 5 * 0.01))])


def test_gaps_leave_an_example_that_falls_with_the_validation_loss_where_it_was():
    whole = np.array(VALIDATION) - 1
    gaps = np.array([whole, whole, whole, whole])
    gaps[1, 0] = gaps[2, 3] = gaps[3, 1] = np.nan
    found = loss_drop_alignment(gaps, VALIDATION)
    assert found.used.tolist() == [3, 2, 2, 1]
    assert found.score == pytest.approx([1.26] * 4)
    assert found.cosine == pytest.approx([1.0] * 4)
    assert "3 examples with missing checkpoints" in repr(found)


def test_no_interval_gives_no_score():
    found = loss_drop_alignment([[1.0, np.nan, 2.0, np.nan], [np.inf, 1, 0.5, np.nan]], VALIDATION)
    assert np.isnan(found.score[0])
    assert np.isnan(found.cosine[0])
    assert found.score[1] == pytest.approx(0.25 * 1.26 / 0.25)
    assert json.loads(json.dumps(found.to_dict()))["score"][0] is None


def test_a_validation_loss_that_stands_still_says_nothing():
    found = loss_drop_alignment([[3.0, 2.0], [1.0, 2.0]], [1.0, 1.0])
    assert np.isnan(found.score).all()
    assert np.isnan(found.cosine).all()


@pytest.mark.parametrize(
    ("losses", "validation", "weights", "words"),
    [
        ([[1, 2, 3]], [1, 2], None, "3 checkpoints and validation_losses has 2"),
        ([[1]], [1], None, "two at least"),
        ([1, 2], [1, 2], None, "one row an example"),
        ([[1, 2]], [1, np.nan], None, "nan in row 1"),
        ([[1, 2]], [1, 2], [1, 2], "one an interval"),
        ([[1, 2]], [1, 2], [-1], "none negative"),
    ],
)
def test_losses_that_do_not_fit_together_are_refused(losses, validation, weights, words):
    with pytest.raises(InputDataError, match=words):
        loss_drop_alignment(losses, validation, weights)
