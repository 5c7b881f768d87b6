"""Error norms, forgetting and maps: by hand, with gaps, and between the bounds that a loss leaves open."""

import json
import math

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.points.dynamics import (
    el2n,
    el2n_from_losses,
    forgetting_events,
    right_from_losses,
    training_map,
    true_label_probability,
)

NAN = float("nan")


def test_error_norms_by_hand():
    p = [[0.7, 0.2, 0.1], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert el2n(p, [0, 2, 1]) == pytest.approx([math.sqrt(0.09 + 0.04 + 0.01), 0, math.sqrt(2)])


def test_error_norms_are_averaged_over_the_checkpoints_there_are():
    p = [[[1, 0], [0, 1], [NAN, 0.5]], [[NAN, NAN], [NAN, 0], [0, NAN]]]
    assert el2n(p, [0, 1]) == pytest.approx([math.sqrt(2) / 2, NAN], nan_ok=True)


def test_a_loss_bounds_the_error_norm_from_both_sides():
    rng = np.random.default_rng(0)
    for classes in (2, 3, 10):
        p = rng.dirichlet(np.full(classes, 0.4), size=(500, 3))
        labels = rng.integers(0, classes, 500)
        losses = -np.log(np.maximum(p[np.arange(500), :, labels], 1e-300))
        proxy, true = el2n_from_losses(losses), el2n(p, labels)
        assert np.all(true >= proxy * math.sqrt(classes / (classes - 1)) - 1e-12)
        assert np.all(true <= proxy * math.sqrt(2) + 1e-12)
    even = np.full((1, 5), 0.1)
    even[0, 0] = 0.6
    assert el2n(even, [0]) == pytest.approx(0.4 * math.sqrt(5 / 4))


def test_error_norms_of_losses_leave_out_what_is_missing():
    half = math.log(2)
    found = el2n_from_losses([[half, NAN, math.inf], [NAN, NAN, NAN]])
    assert found == pytest.approx([0.75, NAN], nan_ok=True)
    assert el2n_from_losses([0.0, half]) == pytest.approx([0, 0.5])


def test_forgetting_by_hand():
    right = [
        [1, 0, 1, 0, 1],
        [0, 0, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [1, NAN, 0, NAN, 0],
        [NAN, 1, NAN, 1, NAN],
    ]
    found = forgetting_events(right)
    assert found.events.tolist() == [2, 0, 0, 1, 0]
    assert found.learned_at.tolist() == [0, 2, -1, 0, 1]
    assert found.n_missing.tolist() == [0, 0, 0, 2, 3]
    assert found.unforgettable.tolist() == [False, True, False, False, True]
    assert "of 5 examples, 2 were learnt and never forgotten, 1 were never learnt" in repr(found)
    assert json.loads(json.dumps(found.to_dict()))["events"] == [2, 0, 0, 1, 0]


def test_right_means_more_than_half_of_the_probability():
    p = np.array([[0.51, 0.5, 0.49, NAN, 0.0]])
    losses = -np.log(np.maximum(p, 1e-320))
    assert right_from_losses(losses) == pytest.approx(np.array([[1, 0, 0, NAN, 0]]), nan_ok=True)
    assert right_from_losses([[math.inf]])[0, 0] == 0


def test_maps_by_hand():
    p = [[0.9, 0.9, 0.9], [0.1, 0.1, 0.1], [0.0, 0.5, 1.0], [0.8, 0.9, 1.0], [NAN, 0.5, NAN], [0.2, NAN, 0.4]]
    found = training_map(p, ambiguous_share=0.2)
    assert found.confidence == pytest.approx([0.9, 0.1, 0.5, 0.9, NAN, 0.3], nan_ok=True)
    sd = math.sqrt(2 / 3)
    assert found.variability == pytest.approx([0, 0, 0.5 * sd, 0.1 * sd, NAN, 0.1], nan_ok=True)
    assert found.region.tolist() == ["easy", "hard", "ambiguous", "easy", "unknown", "hard"]
    assert found.variability_from == pytest.approx(0.1)
    assert found.n_missing.tolist() == [0, 0, 0, 0, 2, 1]
    assert "2 easy, 1 ambiguous, 2 hard, 1 unknown" in repr(found)
    assert training_map(p, ambiguous_share=0).region[2] == "easy"
    assert training_map(p, ambiguous_share=0.4).region.tolist()[-1] == "ambiguous"
    assert training_map(p, ambiguous_share=1).region.tolist() == ["ambiguous"] * 4 + ["unknown", "ambiguous"]


def test_the_regions_of_kinds_of_examples_that_are_known():
    rng = np.random.default_rng(1)
    time = np.linspace(0, 1, 12)
    easy = 0.9 + 0.02 * rng.normal(size=(300, 12))
    hard = 0.1 + 0.02 * rng.normal(size=(300, 12))
    learnt = 1 / (1 + np.exp(-12 * (time - rng.uniform(0.3, 0.7, (300, 1)))))
    found = training_map(np.clip(np.vstack([easy, hard, learnt]), 0, 1))
    assert np.mean(found.region[:300] == "easy") == 1
    assert np.mean(found.region[300:600] == "hard") == 1
    assert np.mean(found.region[600:] == "ambiguous") > 0.99


def test_equal_examples_have_no_ambiguous_one():
    assert training_map(np.full((6, 3), 0.7)).region.tolist() == ["easy"] * 6


def test_a_probability_of_a_loss():
    assert true_label_probability([0, math.log(4), math.inf, NAN]) == pytest.approx([1, 0.25, 0, NAN], nan_ok=True)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: true_label_probability([-0.1, NAN]), InputDataError, "go down to -0.1"),
        (lambda: el2n([[0.5, 0.5]], [2]), InputDataError, "from 0 to 1"),
        (lambda: el2n([[0.5, 0.5]], [0, 1]), InputDataError, "one row an example"),
        (lambda: el2n([[2.5, -1]], [0]), InputDataError, "not logits"),
        (lambda: el2n([[0.5, 0.5]], [0.0]), InputDataError, "whole numbers"),
        (lambda: forgetting_events([[0.5]]), InputDataError, "other than 0, 1"),
        (lambda: forgetting_events([1, 0]), InputDataError, "a row an example"),
        (lambda: training_map([[0.5], [0.1]]), InputDataError, "two checkpoints"),
        (lambda: training_map([[0.5, 1.1]]), InputDataError, "outside 0 to 1"),
        (lambda: training_map([[0.5, 1]], ambiguous_share=2), UsageError, "ambiguous_share 2"),
    ],
)
def test_what_is_no_log_of_predictions_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
