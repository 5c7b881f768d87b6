"""Two sources on the same models: the offset, and scores brought across."""

import json

import numpy as np
import pytest

from scaling.boundary.shift import apply_offset, compute_disagreement, harness_offset, pair_models
from scaling.errors import InputDataError, UsageError


def sources(n=200, level=-0.03, slope=0.0, noise=0.02, base_sd=0.0, spread=0.3, seed=0):
    """True scores, and what two sources make of them: B - A is `level` at 0.5 and gains `slope` a unit."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 25, n)
    truth = rng.uniform(0.5 - spread, 0.5 + spread, n)
    difference = level + slope * (truth - 0.5) + rng.normal(0, base_sd, 25)[base]
    a = truth - difference / 2 + rng.normal(0, noise, n)
    return a, truth + difference / 2 + rng.normal(0, noise, n), base


def test_a_constant_offset_is_found_and_taken_away():
    a, b, base = sources()
    found = harness_offset(a, b, groups=base)
    assert found.low < -0.03 < found.high
    assert found.sd == pytest.approx(0.02 * np.sqrt(2), rel=0.1)
    assert found.told
    assert not found.slope_told
    assert "-3" in found.verdict
    moved = apply_offset(a, found)
    assert np.mean(moved.score - b) == pytest.approx(0, abs=1e-12)
    assert not moved.linear
    np.testing.assert_allclose(moved.shared_error, found.error)
    back = apply_offset(moved.score, found, towards="a")
    np.testing.assert_allclose(back.score, a, atol=1e-12)


def test_an_offset_that_depends_on_the_score_is_a_line_both_ways():
    a, b, base = sources(slope=-0.3)
    found = harness_offset(a, b, groups=base)
    assert found.slope_told
    assert found.slope_low < -0.3 < found.slope_high
    moved = apply_offset(a, found)
    assert moved.linear
    np.testing.assert_allclose(apply_offset(moved.score, found, towards="a").score, a, atol=1e-9)
    low, high = a < 0.35, a > 0.65
    for part in (low, high):
        assert np.mean(moved.score[part] - b[part]) == pytest.approx(0, abs=0.015)
    flat = apply_offset(a, found, linear=False)
    assert abs(np.mean(flat.score[low] - b[low])) > 0.03
    assert moved.shared_error.min() < found.error * 1.1
    assert moved.shared_error[np.argmax(a)] > 1.2 * moved.shared_error.min()  # the slope tells less at the ends


def test_noise_alone_makes_no_slope():
    """Against A alone the difference falls by the noise of A; against the mean it does not."""
    slopes = [harness_offset(*sources(noise=0.05, spread=0.1, seed=k)[:2], bootstrap=19).slope for k in range(30)]
    a, b, _ = sources(noise=0.05, spread=0.1)
    assert np.polyfit(a, b - a, 1)[0] < -0.3
    assert np.mean(slopes) == pytest.approx(0, abs=0.04)


def test_models_of_one_base_that_are_alike_widen_the_interval():
    a, b, base = sources(base_sd=0.05, noise=0.005, level=0.0)
    alike, alone = harness_offset(a, b, groups=base), harness_offset(a, b)
    assert alike.mean == alone.mean
    assert alike.high - alike.low > 1.8 * (alone.high - alone.low)
    assert alike.p > alone.p


def test_intervals_over_bases_hold_the_truth_as_often_as_they_say():
    held = []
    for seed in range(200):
        a, b, base = sources(base_sd=0.05, seed=seed)
        found = harness_offset(a, b, groups=base, bootstrap=199, level=0.9)
        held.append(found.low <= -0.03 <= found.high)
    assert 0.82 <= np.mean(held) <= 0.95


def test_few_shared_models_are_measured_and_not_applied():
    a, b, _ = sources(n=9)
    found = harness_offset(a, b)
    assert "Too few" in found.verdict
    assert not found.told
    with pytest.raises(InputDataError, match="9 shared models"):
        apply_offset(a, found)
    with pytest.raises(InputDataError, match="2 models"):
        harness_offset(a[:2], b[:2])


def test_scores_that_leave_the_scale_or_the_shared_range_are_counted():
    a, b, _ = sources(level=0.2)
    moved = apply_offset([0.05, 0.5, 0.95, np.nan], harness_offset(a, b))
    assert (moved.clipped, moved.beyond) == (1, 2)
    assert moved.score[2] == 1
    assert np.isnan(moved.score[3])
    assert "cut at 0 or 1: 1 score" in moved.summary()


def test_a_direction_or_slope_that_means_nothing_is_refused():
    a, b, _ = sources()
    found = harness_offset(a, b)
    with pytest.raises(UsageError, match="'c'"):
        apply_offset(a, found, towards="c")
    x = np.linspace(0.1, 0.3, 20)
    steep = harness_offset(x, 4 * x - 0.3)
    assert steep.slope > 1
    with pytest.raises(UsageError, match="no map"):
        apply_offset(x, steep, linear=True)


def test_equal_sources_have_no_offset_and_plain_data_are_strict_json():
    a = np.linspace(0.1, 0.9, 30)
    same = harness_offset(a, a)
    assert (same.mean, same.error, same.p) == (0, 0, 1)
    assert "No offset can be told" in same.verdict
    flat = harness_offset(np.full(12, 0.5), np.full(12, 0.6))
    assert np.isnan(flat.slope)
    assert apply_offset([0.5], flat).score == pytest.approx(0.6)
    assert json.loads(json.dumps(flat.to_dict(), allow_nan=False))["slope"] is None
    assert json.dumps(apply_offset([0.5], flat).to_dict(), allow_nan=False)


def test_models_are_paired_by_name_whatever_their_capitals():
    pairs = pair_models(["x/A", "x/B", "x/a", ""], ["X/A", "y/C", "x/A", ""], "all")
    assert list(zip(pairs.rows_a.tolist(), pairs.rows_b.tolist(), strict=True)) == [(0, 0), (0, 2), (2, 0), (2, 2)]
    assert (pairs.only_a, pairs.only_b, pairs.repeated_a, pairs.repeated_b) == (1, 1, 1, 1)
    assert json.loads(json.dumps(pairs.to_dict()))["rows_b"] == [0, 2, 0, 2]
    assert pairs.summary().startswith("4 pairs of rows; 1 models only in A")
    last = pair_models(["x/A", "x/B", "x/a"], ["x/a"], "last")
    assert last.rows_a.tolist() == [2]
    assert len(pair_models(["a"], ["b"])) == 0
    with pytest.raises(UsageError, match="mean"):
        pair_models(["a"], ["b"], "mean")


def test_compute_that_differs_is_listed_the_worst_first():
    a, b = [1e23, 1e23, 1e23, np.nan, 0], [1e23 * 10**0.05, 1e24 * 1.2, 1e23 / 3, 1e23, 1e22]
    found = compute_disagreement(a, b, ["p", "q", "r", "s", "t"])
    assert (found.n, found.apart, found.far_apart) == (3, 2, 1)
    assert [row["name"] for row in found.models] == ["q", "r"]
    assert found.models[1]["dex"] == pytest.approx(-np.log10(3))
    assert "x12 more in B" in found.summary()
    assert json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(InputDataError, match="no model"):
        compute_disagreement([1.0], [0.0])
    with pytest.raises(InputDataError, match="2 rows"):
        compute_disagreement([1e20], [1e20, 1e21])


def test_an_offset_of_one_base_model_has_no_error():
    a, b, _ = sources()
    found = harness_offset(a, b, groups=["x"] * 200)
    assert np.isnan([found.low, found.high, found.error, found.slope_low]).all()
    assert not found.told
    assert "one group" in found.verdict
    moved = apply_offset(a, found)
    assert np.isnan(moved.shared_error).all()
    assert "standard error unknown" in moved.summary()
    assert json.dumps(found.to_dict(), allow_nan=False)
