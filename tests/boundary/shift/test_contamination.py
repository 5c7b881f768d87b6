"""A shift between two benchmarks: found where it was planted, not found where only noise is at work."""

import json

import numpy as np
import pytest
import statsmodels.api as sm

from scaling.boundary.shift import contamination_shift
from scaling.boundary.shift.item_shift import log_odds, without_noise
from scaling.boundary.shift.logit_shift import logit, logit_shift, quantile_bins, shuffles_within, support
from scaling.errors import InputDataError, UsageError

CUT = np.datetime64("2024-12-22")


def logistic(x):
    return 1 / (1 + np.exp(-x))


def pair(gamma=0.0, n=115, items_a=500, items_b=300, makers=21, seed=0):
    """Two benchmarks of models of some makers; newer models are better at both, B steps by `gamma` at CUT."""
    rng = np.random.default_rng(seed)
    maker = rng.integers(0, makers, n)
    day = np.sort(rng.integers(0, 530, n))
    date = np.datetime64("2024-02-26") + day
    x = 0.8 + 1.2 * (day - 265) / 265 + rng.normal(0, 1.1, n) + rng.normal(0, 0.3, makers)[maker]
    y = -2.8 + 1.2 * x + gamma * (date >= CUT) + rng.normal(0, 0.3, makers)[maker] + rng.normal(0, 0.35, n)
    a = rng.binomial(items_a, logistic(x + 0.6)) / items_a
    return a, rng.binomial(items_b, logistic(y)) / items_b, date, maker


def test_a_planted_step_is_found_at_its_date():
    a, b, date, maker = pair(1.0)
    found = contamination_shift(a, b, date, n_items_a=500, n_items_b=300, groups=maker)
    assert found.shifted
    assert abs(np.datetime64(found.leading.cutoff) - CUT) < 45
    at = contamination_shift(a, b, date, n_items_a=500, n_items_b=300, groups=maker, cutoffs=str(CUT))
    row = at.leading
    assert row.gamma_low < 1.0 < row.gamma_high
    assert row.gamma_high - row.gamma_low < 1.0
    assert row.points_low < row.points < row.points_high
    assert "Shift of +" in found.verdict
    assert f"after correction for {len(found.cutoffs)} cutoffs" in found.verdict
    assert 0 < row.points < 0.25  # a logit is at most a quarter of the scale


@pytest.mark.slow
def test_no_shift_is_told_where_there_is_none():
    told, gammas = [], []
    for seed in range(150):
        a, b, date, maker = pair(seed=seed)
        found = contamination_shift(a, b, date, n_items_b=300, groups=maker, permutations=199)
        told.append(found.shifted)
        gammas.append(np.mean([row.gamma for row in found.cutoffs]))
        assert all(row.p_corrected >= row.p for row in found.cutoffs)
    assert np.mean(told) <= 0.09  # 5 % are due
    assert np.mean(gammas) == pytest.approx(0, abs=0.05)


def test_a_pair_without_a_step_says_so():
    found = contamination_shift(*pair(seed=1)[:3])
    assert "No shift can be told" in found.verdict
    assert f"after correction for {len(found.cutoffs)} cutoffs" in found.verdict


def test_the_noise_of_few_items_of_a_makes_a_step_by_itself_and_is_allowed_for():
    plain, shrunk = [], []
    for seed in range(25):
        a, b, date, maker = pair(items_a=20, seed=seed)
        ways = contamination_shift(
            a, b, date, n_items_a=20, n_items_b=300, groups=maker, cutoffs=str(CUT), permutations=19
        )
        shrunk.append(ways.leading.gamma)
        plain.append({s.way: s.gamma for s in ways.sensitivity}["A taken as exact"])
    error = np.std(shrunk) / np.sqrt(25)
    assert np.mean(plain) > 0.12
    assert abs(np.mean(shrunk)) < 2.5 * error < 0.12


def test_scores_of_few_items_are_drawn_to_what_is_expected_of_them():
    rng = np.random.default_rng(0)
    day = np.sort(rng.uniform(0, 500, 400))
    truth = 0.002 * day + rng.normal(0, 0.8, 400)
    few, many = (rng.binomial(n, logistic(truth)) / n for n in (15, 100_000))
    found = without_noise(few, np.full(400, 15.0), day)
    exact = without_noise(many, np.full(400, 1e5), day)
    np.testing.assert_allclose(exact, log_odds(many, np.full(400, 1e5)), atol=2e-3)
    assert np.mean((found - truth) ** 2) < 0.7 * np.mean((log_odds(few, np.full(400, 15.0)) - truth) ** 2)
    assert np.polyfit(found, truth, 1)[0] == pytest.approx(1, abs=0.05)  # what a predictor without noise would have
    assert np.polyfit(log_odds(few, np.full(400, 15.0)), truth, 1)[0] < 0.8
    same = without_noise(np.full(30, 0.5), np.full(30, 10.0), np.arange(30.0))
    np.testing.assert_allclose(same, 0, atol=0.05)


def test_a_fall_counts_where_both_sides_are_asked_for():
    a, b, date, maker = pair(-1.0)
    settings = {"n_items_b": 300, "groups": maker, "cutoffs": str(CUT)}
    assert contamination_shift(a, b, date, **settings).verdict.startswith("Shift of -")
    assert not contamination_shift(a, b, date, alternative="greater", **settings).shifted


def test_permuted_dates_find_the_step_too_and_say_what_they_assume():
    a, b, date, maker = pair(1.0)
    found = contamination_shift(a, b, date, n_items_b=300, groups=maker, scheme="permute")
    assert found.shifted
    assert any("independent" in note for note in found.notes)
    assert not any("independent" in note for note in contamination_shift(a, b, date, groups=maker).notes)


def test_makers_of_whom_there_are_few_make_no_small_p():
    a, b, date, _ = pair(1.0)
    found = contamination_shift(a, b, date, groups=np.arange(len(a)) % 3, cutoffs=str(CUT))
    assert found.leading.p > 0.2  # of 4 different flips, one is that of the data
    assert any("3 groups have only 4 different flips" in note for note in found.notes)


def test_the_published_way_is_least_squares_of_logits():
    a, b, date, _ = pair(0.5)
    after = date >= CUT
    found = logit_shift(a, b, after, permutations=99)
    x, y = logit(a, 1e-6), logit(b, 1e-6)
    rows = support(x, after)
    theirs = sm.OLS(y[rows], np.column_stack([np.ones(rows.sum()), x[rows], after[rows]])).fit()
    np.testing.assert_allclose([found.intercept, found.slope, found.gamma], theirs.params, rtol=1e-8)
    assert found.gamma_error == pytest.approx(theirs.bse[2])
    assert found.r2 == pytest.approx(theirs.rsquared)
    preset = contamination_shift(a, b, date, preset="zhang2026", cutoffs=str(CUT), permutations=99)
    assert preset.leading.p == found.p
    assert preset.published[str(CUT)]["null_sd"] == found.null_sd
    assert not preset.corrected
    assert preset.alternative == "greater"


def test_permuted_steps_are_refitted_steps():
    a, b, date, _ = pair()
    after = date >= CUT
    found = logit_shift(a, b, after, permutations=29, seed=4)
    x, y = logit(a, 1e-6), logit(b, 1e-6)
    rows = support(x, after)
    x, y, side = x[rows], y[rows], after[rows].astype(float)
    steps = []
    for order in shuffles_within(quantile_bins(x), 29, 4):
        steps.append(np.linalg.lstsq(np.column_stack([np.ones(len(x)), x, side[order]]), y, rcond=None)[0][2])
    assert found.null_mean == pytest.approx(np.mean(steps))
    assert found.null_sd == pytest.approx(np.std(steps, ddof=1))
    assert found.p == (1 + np.sum(np.array(steps) >= found.gamma)) / 30


def test_shuffles_stay_within_their_bin():
    bins = quantile_bins(np.random.default_rng(0).random(83))
    assert np.bincount(bins).min() >= 8
    shuffled = shuffles_within(bins, 50, 0)
    assert np.array_equal(bins[shuffled], np.broadcast_to(bins, (50, 83)))
    assert np.array_equal(np.sort(shuffled, axis=1), np.broadcast_to(np.arange(83), (50, 83)))


def test_the_result_is_plain_data_and_the_seed_decides():
    a, b, date, maker = pair()
    settings = {"n_items_a": 500, "n_items_b": 300, "groups": maker, "permutations": 199}
    one, two = (contamination_shift(a, b, date, **settings).to_dict() for _ in range(2))
    assert json.dumps(one, allow_nan=False) == json.dumps(two)
    other = contamination_shift(a, b, date, seed=1, **settings).to_dict()
    assert [row["gamma"] for row in other["cutoffs"]] == [row["gamma"] for row in one["cutoffs"]]
    assert [row["p"] for row in other["cutoffs"]] != [row["p"] for row in one["cutoffs"]]
    text = contamination_shift(a, b, date, **settings).summary()
    assert "least squares of logits clipped at 1e-06" in text
    assert "not why" in text


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"preset": "zhang"}, UsageError),
        ({"preset": "zhang2026"}, UsageError),  # without a cutoff
        ({"preset": "zhang2026", "cutoffs": str(CUT), "alternative": "two-sided"}, UsageError),
        ({"scheme": "shuffle"}, UsageError),
        ({"alternative": "less"}, UsageError),
        ({"cutoffs": "2030-01-01"}, InputDataError),
        ({"cutoffs": []}, UsageError),
        ({"n_items_b": 0}, InputDataError),
        ({"level": 1.5}, UsageError),
    ],
)
def test_what_means_nothing_is_refused(settings, error):
    a, b, date, _ = pair()
    with pytest.raises(error):
        contamination_shift(a, b, date, **settings)


def test_too_few_models_are_refused():
    a, b, date, _ = pair(n=12)
    with pytest.raises(InputDataError, match="12 models"):
        contamination_shift(a, b, date)


def test_scores_that_are_all_equal_are_refused():
    a, b, date, _ = pair()
    for one, other in ((np.full(115, 0.5), b), (a, np.zeros(115))):
        with pytest.raises(InputDataError, match="for all models"):
            contamination_shift(one, other, date)


def test_a_step_from_nothing_to_something_has_no_estimate_and_is_told():
    a, _, date, _ = pair()
    found = contamination_shift(a, 0.5 * (date >= CUT), date, n_items_b=30, cutoffs=str(CUT))
    assert found.shifted
    assert np.isnan(found.leading.gamma)
    assert "too large to be estimated" in found.verdict
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_models_of_one_maker_tell_nothing():
    a, b, date, _ = pair(1.0)
    found = contamination_shift(a, b, date, groups=["x"] * len(a), cutoffs=str(CUT))
    assert found.leading.p == 1
    assert np.isnan(found.leading.gamma_low)
    assert "All rows are of one group, so nothing can be told from chance." in found.notes
