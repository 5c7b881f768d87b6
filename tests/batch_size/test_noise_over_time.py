"""The noise scale over training, and what it is worth beside a critical batch size."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from scaling.batch_size.calibration import calibrate_noise_scale
from scaling.batch_size.noise_smoothing import smoothed_noise_scale
from scaling.batch_size.noise_windows import describe_growth, noise_scale_windows
from scaling.errors import InputDataError, UsageError


def growing(n=2000, *, scatter=0.2, seed=0):
    """Norms of a run whose noise scale is 3 * step**0.6."""
    rng = np.random.default_rng(seed)
    step = np.arange(1.0, n + 1)
    trace = 12 * np.exp(scatter * rng.standard_normal(n) - scatter**2 / 2)
    squared = 4 * step**-0.6 * np.exp(scatter * rng.standard_normal(n) - scatter**2 / 2)
    return step, squared + trace / 8, squared + trace / 64


def test_windows_follow_a_growing_noise_scale():
    step, small, big = growing()
    shuffled = np.random.default_rng(2).permutation(len(step))
    curve = noise_scale_windows(step[shuffled], small[shuffled], big[shuffled], 8, 64, count=8)
    assert [(w.first, w.last) for w in curve.windows[:2]] == [(1, 250), (251, 500)]
    for w in curve.windows:
        inside = np.arange(w.first, w.last + 1)
        assert w.noise.estimate == pytest.approx(12 / np.mean(4 * inside**-0.6), rel=0.06)
        assert w.centre == inside.mean()
    assert "noise scale went from" in describe_growth(curve)
    assert len(json.loads(json.dumps(curve.to_dict(), allow_nan=False))["windows"]) == 8


def test_windows_by_width_leave_out_what_holds_no_two_rows():
    step = np.array([1.0, 2, 3, 104, 205, 206, 207])
    norms = np.linspace(3, 4, 7)
    curve = noise_scale_windows(step, norms, norms / 2, 8, 64, width=100, block_length=1)
    assert [(w.first, w.last) for w in curve.windows] == [(1, 3), (205, 207)]
    assert curve.n_skipped == 1


def test_law_of_the_noise_scale_over_windows():
    step, small, big = growing()
    late = step > 100  # later windows are narrow beside their distance from zero, so their centre stands for them
    curve = noise_scale_windows(step[late], small[late], big[late], 8, 64, count=12)
    fit = curve.fit()
    assert fit.estimates["q"] == pytest.approx(0.6, abs=0.03)
    assert fit.estimates["k"] == pytest.approx(3, rel=0.2)
    low, high = fit.interval("q", 0.99)
    assert low < 0.6 < high


def test_a_law_needs_three_bounded_windows():
    step, small, big = growing(40)
    curve = noise_scale_windows(step, small, big, 8, 64, count=2)
    with pytest.raises(InputDataError, match="2 windows of 2"):
        curve.fit()


def test_exponential_averages_are_those_of_the_definition():
    step, small, big = growing(60)
    smooth = smoothed_noise_scale(step, small, big, 8, 64, decay=0.9, block_length=1)
    trace, squared = (small - big) / (1 / 8 - 1 / 64), (64 * big - 8 * small) / 56
    for k in (0, 5, 59):
        w = 0.9 ** np.arange(k, -1, -1)
        assert smooth.estimate[k] == pytest.approx(w @ trace[: k + 1] / (w @ squared[: k + 1]), rel=1e-12)
    assert smooth.n_effective == pytest.approx(19)
    assert (smooth.low[0], smooth.high[0]) == (0, math.inf)


def test_intervals_of_exponential_averages_cover_a_constant_noise_scale():
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(40):
        squared, trace = 0.5 + 0.2 * rng.standard_normal(400), 12 + 2 * rng.standard_normal(400)
        smooth = smoothed_noise_scale(
            np.arange(400), 2 + squared + trace / 8, 2 + squared + trace / 64, 8, 64, decay=0.95, block_length=1
        )
        hits += [smooth.low[k] <= 12 / 2.5 <= smooth.high[k] for k in (150, 270, 399)]
    assert 0.82 <= np.mean(hits) <= 0.97  # 120 of them, nearly independent of each other


def test_blocks_of_exponential_averages_end_at_the_last_row():
    step, small, big = growing(65)
    smooth = smoothed_noise_scale(step, small, big, 8, 64, decay=0.9, block_length=10)
    assert smooth.time.tolist() == [15, 25, 35, 45, 55, 65]


def test_bad_windows():
    step, small, big = growing(40)
    with pytest.raises(UsageError, match="not both"):
        noise_scale_windows(step, small, big, 8, 64, count=2, width=10)
    for width in (0, "ten"):
        with pytest.raises(UsageError, match="holds nothing"):
            noise_scale_windows(step, small, big, 8, 64, width=width)
    with pytest.raises(UsageError, match="number of windows must be a whole number"):
        noise_scale_windows(step, small, big, 8, 64, count=2.5)
    with pytest.raises(InputDataError, match="no window"):
        noise_scale_windows(step, small, big, 8, 64, count=40)
    for decay in (1.0, "0.9"):
        with pytest.raises(UsageError, match="decay"):
            smoothed_noise_scale(step, small, big, 8, 64, decay=decay)


def test_windows_of_a_negative_trace_take_no_part_in_a_law():
    """The first quarter has larger gradients in big batches, by sampling: no noise scale, however well bounded."""
    rng = np.random.default_rng(0)
    step, trace = np.arange(1.0, 401), np.repeat([-1.0, 24.0, 30.0, 40.0], 100)
    noise = trace + 3 * rng.standard_normal(400)
    curve = noise_scale_windows(step, 5 + noise / 8, 5 + noise / 64, 8, 64, count=4, block_length=1)
    assert [w.noise.verdict for w in curve.windows] == ["negative", "ok", "ok", "ok"]
    assert len(curve.usable) == 3
    assert np.all(curve.weights > 0)
    assert curve.fit().n_obs == 3


def estimate(value, low, high, level=0.9, unit="sequences"):
    return SimpleNamespace(estimate=value, low=low, high=high, level=level, unit=unit)


def test_ratio_of_one_cell_combines_both_intervals():
    found = calibrate_noise_scale(estimate(4000, 3000, 6000), estimate(500, 400, 800))
    assert found.ratio == 8
    assert found.low == pytest.approx(8 * math.exp(-math.hypot(math.log(4 / 3), math.log(1.6))))
    assert found.high == pytest.approx(8 * math.exp(math.hypot(math.log(1.5), math.log(1.25))))
    assert "proxy" in found.words
    assert found.spread == 1


def test_ratio_over_cells_has_the_scatter_of_the_cells():
    crits = [estimate(4000, 3000, 6000), estimate(9000, 8000, 10000), estimate(500, 400, 600)]
    noises = [estimate(500, 400, 800), estimate(900, 800, 1000), estimate(-20, 300, math.inf)]
    found = calibrate_noise_scale(crits, noises)
    assert found.ratio == pytest.approx(math.sqrt(80))
    assert found.spread == pytest.approx(1.25)
    assert found.n_left_out == 1
    assert found.high / found.ratio == pytest.approx(math.exp(6.3137515 * math.log(1.25) / 2), rel=1e-6)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["n_left_out"] == 1


def test_a_noise_scale_without_an_upper_end_leaves_no_lower_end_of_the_ratio():
    found = calibrate_noise_scale(estimate(4000, 3000, 6000), estimate(500, 400, math.inf))
    assert found.low == 0
    assert math.isfinite(found.high)


@pytest.mark.parametrize(
    ("critical", "noise", "words"),
    [
        (estimate(1, 1, 2), estimate(1, 1, 2, unit="tokens"), "in sequences and in tokens"),
        (estimate(1, 1, 2), estimate(1, 1, 2, level=0.95), "90 % and 95 %"),
        (estimate(1, 1, 2), [estimate(1, 1, 2)] * 2, "cannot be paired"),
        (estimate(1, 1, 2), estimate(-1, 3, math.inf), "no noise scale is above 0"),
        (estimate(math.inf, 1, math.inf), estimate(1, 1, 2), "finite"),
    ],
)
def test_what_cannot_be_calibrated(critical, noise, words):
    with pytest.raises(InputDataError, match=words):
        calibrate_noise_scale(critical, noise)
