"""The noise scale: against formulas, against draws with a known truth, and where there is no bounded answer."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from scaling.batch_size.mean_ratio import choose_block
from scaling.batch_size.noise import noise_scale, noise_scale_of_microbatches
from scaling.errors import InputDataError, UsageError

LAM = np.arange(1.0, 31) ** -1.5


def drawn_norms(replicates, rows, *, micro=8, devices=8, shrink=0.6, seed=0):
    """Squared gradient norms of least squares at fixed weights, with the exact noise scale."""
    rng = np.random.default_rng(seed)
    error = shrink * LAM**0.4
    each = np.empty((replicates, rows, devices))
    mean = np.empty((replicates, rows))
    for k in range(replicates):
        x = rng.standard_normal((rows, devices, micro, LAM.size)) * np.sqrt(LAM)
        residual = x @ error - rng.standard_normal((rows, devices, micro))
        gradient = np.einsum("rdbf,rdb->rdf", x, residual) / micro
        each[k] = np.sum(gradient**2, axis=-1)
        mean[k] = np.sum(gradient.mean(axis=1) ** 2, axis=-1)
    squared = np.sum((LAM * error) ** 2)
    trace = LAM.sum() * (LAM @ error**2 + 1.0) + squared
    return each, mean, trace / squared


@pytest.fixture(scope="module")
def draws():
    return drawn_norms(300, 100)


def test_interval_covers_the_truth_on_draws_of_a_known_gradient(draws):
    each, mean, truth = draws
    found = [noise_scale(e.mean(axis=1), m, 8, 64, block_length=1) for e, m in zip(each, mean, strict=True)]
    covered = np.mean([n.low <= truth <= n.high for n in found])
    # Of 300 draws, 90 % plus or minus two and a half standard deviations.
    assert 0.857 <= covered <= 0.943
    pooled = noise_scale(each.mean(axis=2).ravel(), mean.ravel(), 8, 64, block_length=1)
    assert abs(pooled.estimate - truth) < 3 * pooled.standard_error
    assert pooled.standard_error < 0.02 * truth


def test_automatic_blocks_keep_the_coverage_of_independent_rows(draws):
    each, mean, truth = draws
    found = [noise_scale(e.mean(axis=1), m, 8, 64) for e, m in zip(each, mean, strict=True)]
    assert 0.857 <= np.mean([n.low <= truth <= n.high for n in found]) <= 0.95
    assert np.mean([n.block_length == 1 for n in found]) > 0.9


def test_the_mean_of_ratios_misses_where_the_ratio_of_means_does_not():
    each, mean, truth = drawn_norms(60, 100, shrink=0.15, seed=3)
    small, big = each.mean(axis=2).ravel(), mean.ravel()
    noise = noise_scale(small, big, 8, 64)
    assert abs(noise.estimate - truth) < 3 * noise.standard_error
    ratios = (small - big) / (1 / 8 - 1 / 64) / ((64 * big - 8 * small) / 56)
    assert abs(ratios.mean() - truth) > 5 * noise.standard_error
    assert noise.n_negative == np.sum(64 * big < 8 * small) > 100


def test_micro_batches_are_the_pairwise_form(draws):
    each, mean, _ = draws
    e, m = each[0], mean[0]
    noise = noise_scale_of_microbatches(e, m, 8, block_length=1)
    pairs = (64 * m - e.sum(axis=1)) / (8 * 7)
    assert noise.gradient_sqnorm == pytest.approx(pairs.mean(), rel=1e-12)
    scatter = 8 * (e.mean(axis=1) - m) * 8 / 7
    assert noise.trace == pytest.approx(scatter.mean(), rel=1e-12)
    assert noise == noise_scale(e.mean(axis=1), m, np.full(100, 8), 64.0, block_length=1)


def test_batch_sizes_one_a_row():
    rng = np.random.default_rng(1)
    b, B = rng.integers(2, 9, 400).astype(float), rng.integers(20, 99, 400).astype(float)
    small, big = 0.5 + 12 / b, 0.5 + 12 / B
    noise = noise_scale(small, big, b, B)
    assert noise.estimate == pytest.approx(24, rel=1e-12)
    assert (noise.gradient_sqnorm, noise.trace) == (pytest.approx(0.5), pytest.approx(12))
    assert noise.high - noise.low < 1e-8


def test_fieller_ends_solve_their_equation():
    each, mean, _ = drawn_norms(1, 200, seed=9)
    small, big = each[0].mean(axis=1), mean[0]
    noise = noise_scale(small, big, 8, 64, level=0.95, block_length=1)
    trace, squared = (small - big) / (1 / 8 - 1 / 64), (64 * big - 8 * small) / 56
    for end in (noise.low, noise.high):
        pull = trace - end * squared
        t = pull.mean() / (pull.std(ddof=1) / math.sqrt(200))
        assert abs(t) == pytest.approx(1.9719565442493954, rel=1e-9)  # Student's t, 199 degrees of freedom


def alike(n, rho, rng):
    """Norms whose rows follow each other with the correlation rho, around a noise scale of 24."""
    shocks = rng.standard_normal((2, n))
    for k in range(1, n):
        shocks[:, k] = rho * shocks[:, k - 1] + math.sqrt(1 - rho**2) * shocks[:, k]
    squared, trace = 0.5 + 0.15 * shocks[0], 12 + 1.0 * shocks[1]
    return squared + trace / 8, squared + trace / 64


def test_blocks_restore_the_coverage_that_autocorrelation_takes():
    rng = np.random.default_rng(5)
    runs = [alike(600, 0.8, rng) for _ in range(200)]
    hits = {}
    for block in (1, None):
        found = [noise_scale(np.abs(s), np.abs(b), 8, 64, block_length=block) for s, b in runs]
        hits[block] = np.mean([n.low <= 24 <= n.high for n in found])
    assert hits[1] < 0.6
    assert hits[None] > 0.83
    assert all(n.block_length >= 4 for n in found)
    assert "neighbours are alike" in found[0].method


def test_a_block_length_that_was_asked_for_is_used():
    small, big = alike(600, 0.8, np.random.default_rng(6))
    noise = noise_scale(small, big, 8, 64, block_length=50)
    assert (noise.block_length, noise.n_blocks) == (50, 12)
    assert choose_block(np.arange(8.0), np.ones(8))[0] == 1


def test_jackknife_takes_out_the_bias_of_the_ratio():
    rng = np.random.default_rng(7)
    plain, corrected = [], []
    for _ in range(2000):
        shocks = math.sqrt(3) * rng.uniform(-1, 1, (2, 12))
        squared, trace = 1.5 + 0.5 * shocks[0], 12 + shocks[1]
        norms = (squared + trace / 8, squared + trace / 64)
        plain.append(noise_scale(*norms, 8, 64, block_length=1).estimate)
        corrected.append(noise_scale(*norms, 8, 64, block_length=1, jackknife=True).estimate)
    standard_error = np.std(corrected) / math.sqrt(2000)
    assert np.mean(plain) - 8 > 3.5 * standard_error
    assert abs(np.mean(corrected) - 8) < 2 * standard_error


def norms_of(squared, spread, n=40):
    """Norms whose estimate of the squared gradient has this mean and scatter, and a trace of about 40."""
    wave = np.sqrt(2) * np.cos(np.pi * (np.arange(n) + 0.5) * 7 / n)
    gradient, trace = squared + spread * wave, 40 + 0.5 * wave
    return gradient + trace / 8, gradient + trace / 64


@pytest.mark.parametrize(("squared", "verdict"), [(0.01, "unbounded"), (-0.01, "negative")])
def test_no_upper_end_is_said(squared, verdict):
    noise = noise_scale(*norms_of(squared, 0.3), 8, 64, block_length=1)
    assert (noise.verdict, noise.unbounded, noise.high) == (verdict, True, math.inf)
    assert noise.q >= 1
    assert "at least" in repr(noise)
    assert "at least" in noise.reason
    # 40 over the most that the squared gradient can be: its mean and t standard errors of the mean.
    most = squared + 1.6849 * 0.3 * math.sqrt(40 / 39) / math.sqrt(40)
    assert noise.low == pytest.approx(40 / most, rel=0.01)
    table = json.loads(json.dumps(noise.to_dict(), allow_nan=False))
    assert table["high"] == "inf"
    assert table["unbounded"] is True


def test_a_squared_gradient_below_zero_beyond_chance_is_an_error_of_the_log():
    noise = noise_scale(*norms_of(-0.3, 0.1), 8, 64, block_length=1)
    assert (noise.verdict, noise.unbounded) == ("negative", False)
    assert noise.high < 0
    assert "swapped" in noise.reason


@pytest.mark.parametrize(("trace", "words"), [(-0.5, "by sampling"), (-40.0, "larger gradients")])
def test_a_negative_trace_is_no_noise_scale_however_well_bounded(trace, words):
    wave = np.sqrt(2) * np.cos(np.pi * (np.arange(40) + 0.5) * 7 / 40)
    traces = trace + 4 * wave
    noise = noise_scale(20 + traces / 8, 20 + traces / 64, 8, 64, block_length=1)
    assert noise.estimate == pytest.approx(trace / 20)
    assert (noise.verdict, noise.unbounded) == ("negative", False)
    assert words in noise.reason
    assert "which is no noise scale" in repr(noise)
    # Student's t at 39 degrees of freedom times the standard error of the mean of the traces.
    assert noise.high == pytest.approx((trace + 1.6849 * 4 * math.sqrt(40 / 39) / math.sqrt(40)) / 20, rel=1e-4)


def test_missing_numbers_are_left_out_and_counted():
    small, big = norms_of(1.0, 0.3)
    frame = pd.DataFrame({"small": small, "big": big})
    frame.loc[3, "small"] = np.nan
    frame.loc[[7, 8], "big"] = np.inf
    noise = noise_scale(frame["small"].astype("Float64"), frame["big"], 8, 64, block_length=1)
    assert (noise.n, noise.n_left_out) == (37, 3)
    keep = np.delete(np.arange(40), [3, 7, 8])
    assert noise.estimate == noise_scale(small[keep], big[keep], 8, 64, block_length=1).estimate


def test_one_micro_batch_missing_leaves_out_its_row(draws):
    each, mean, _ = draws
    e = each[0].copy()
    e[5, 2] = np.nan
    assert noise_scale_of_microbatches(e, mean[0], 8).n_left_out == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([1.0, 2.0], [1.0], 8, 64), InputDataError, "1 row"),
        (([1.0, 2.0], [1.0, 2.0], 64, 8), InputDataError, "small batch has 64"),
        (([1.0, 2.0], [1.0, 2.0], 8, 8), InputDataError, "small batch has 8"),
        (([1.0, -2.0], [1.0, 2.0], 8, 64), InputDataError, "not negative"),
        (([1.0, np.nan], [1.0, 2.0], 8, 64), InputDataError, "1 row"),
        ((["a", "b"], [1.0, 2.0], 8, 64), InputDataError, "not a number"),
        (([[1.0, 2.0]], [1.0, 2.0], 8, 64), InputDataError, "shape"),
        (([1.0, 2.0], [1.0, 2.0], 8, 64, 90), UsageError, "level"),
    ],
)
def test_bad_input(arguments, error, words):
    with pytest.raises(error, match=words):
        noise_scale(*arguments)


def test_bad_settings():
    for length in (30, 0, 1.5, math.nan, "ten"):
        with pytest.raises(UsageError, match=f"blocks of {length}"):
            noise_scale(*norms_of(1.0, 0.3), 8, 64, block_length=length)
    with pytest.raises(InputDataError, match="one micro-batch"):
        noise_scale_of_microbatches(np.ones((5, 1)), np.ones(5), 8)
    with pytest.raises(UsageError, match="unit"):
        noise_scale(*norms_of(1.0, 0.3), 8, 64, unit="bananas")
