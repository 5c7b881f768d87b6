"""A benchmark graded anew: from two versions of its scores, and from its series."""

import json

import numpy as np
import pytest

from scaling.boundary.shift import detect_jump, detect_regrade
from scaling.errors import InputDataError, UsageError

WHEN = np.datetime64("2024-09-01")
TASKS = ("math", "bbh", "gpqa")


def graded(n=300, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 30, n)
    return rng.uniform(0, 0.6, n), base, rng


def test_a_grader_that_is_kinder_is_told_and_one_that_is_not_is_not():
    old, base, rng = graded()
    found = detect_regrade(old, np.clip(old + np.where(rng.random(300) < 0.4, 0.1, 0.0), 0, 1), groups=base)
    assert found.shifted
    assert found.up == found.changed == pytest.approx(120, abs=25)
    assert found.low < 0.04 < found.high
    assert "The measurement changed" in found.verdict
    assert "do not belong in one series" in found.verdict
    same = detect_regrade(old, old)
    assert (same.changed, same.p, same.p_sign) == (0, 1, 1)
    assert "agree on all" in same.verdict
    noise = rng.normal(0, 0.02, 150)
    again = old + 0.1 + np.concatenate([noise, -noise])
    asked_again = detect_regrade(old + 0.1, again)
    assert asked_again.share_changed > 0.9
    assert not asked_again.shifted
    assert "no direction can be told" in asked_again.verdict
    assert asked_again.rank_correlation > 0.98


def test_bases_that_are_graded_alike_count_as_one():
    old, base, rng = graded()
    by_base = rng.choice([-0.05, 0.06], 30)
    new = np.clip(old + by_base[base] + 0.05, 0, 1)
    assert detect_regrade(old + 0.05, new, groups=base).p > 5 * detect_regrade(old + 0.05, new).p
    told = []
    for seed in range(150):
        before, after, ten = versions(seed)
        told.append(detect_regrade(before, after, groups=ten, permutations=199).shifted)
    assert np.mean(told) <= 0.08  # 5 % are due


def versions(seed):
    """Two versions that differ base by base, without a direction."""
    rng = np.random.default_rng(seed)
    base = np.arange(60) % 10
    old = rng.uniform(0.3, 0.6, 60)
    return old, old + rng.normal(0, 0.05, 10)[base], base


def test_versions_in_different_units_are_refused():
    old, _, _ = graded()
    with pytest.raises(InputDataError, match="same unit"):
        detect_regrade(old, 100 * old)
    assert detect_regrade(100 * old, 100 * old).notes
    with pytest.raises(InputDataError, match="2 models"):
        detect_regrade(old[:2], old[:2])
    with pytest.raises(UsageError, match="tolerance"):
        detect_regrade(old, old, tolerance=-1)
    assert json.dumps(detect_regrade(old, old).to_dict(), allow_nan=False)


def series(jump=0.0, trend=0.0, shared=0.0, n=600, seed=0):
    """Three benchmarks that go together; math jumps by `jump` at WHEN, all by `shared`, and rise by `trend` a year."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 40, n)
    compute = np.linspace(21, 25, 40)[level]
    day = rng.integers(0, 360, n)
    date = np.datetime64("2024-03-01") + day
    common = 0.3 + 0.08 * (compute - 23) + rng.normal(0, 0.04, n) + trend * day / 365
    after = date >= WHEN
    scores = {task: np.clip(common + rng.normal(0, 0.02, n) + shared * after, 0, 1) for task in TASKS}
    scores["math"] = np.clip(scores["math"] + jump * after, 0, 1)
    return scores, date, compute


def test_a_jump_of_one_benchmark_is_found_at_its_date_and_the_others_do_not_mirror_it():
    scores, date, compute = series(jump=0.03, trend=0.05)
    found = detect_jump(scores, date, compute)
    assert [(jump.task, jump.cutoff) for jump in found.found] == [("math", "2024-09-01")]
    assert found.found[0].low < 0.03 < found.found[0].high
    assert found.found[0].p_corrected < 0.01
    mirrored = min(row.p for row in found.table if row.task == "bbh")
    assert mirrored < 0.05  # before the jump was taken out
    assert "on math at 2024-09-01" in found.verdict


@pytest.mark.parametrize("settings", [{}, {"trend": 0.3}, {"shared": 0.05}])
def test_noise_progress_and_a_jump_of_all_are_no_jump_of_one(settings):
    told = [bool(detect_jump(*series(**settings, seed=k), permutations=199).found) for k in range(40)]
    assert np.mean(told) <= 0.125  # 5 % are due


def test_a_trend_of_one_benchmark_is_a_jump_only_where_no_trend_is_allowed_for():
    scores, date, compute = series()
    day = (date - np.datetime64("2024-03-01")).astype(float)
    scores["math"] = scores["math"] + 0.08 * day / 365
    assert not detect_jump(scores, date, compute).found
    assert detect_jump(scores, date, compute, trend=False).found[0].task == "math"


def test_two_jumps_are_both_found():
    scores, date, compute = series(jump=0.04, n=900)
    scores["gpqa"] = np.clip(scores["gpqa"] - 0.04 * (date >= np.datetime64("2024-11-01")), 0, 1)
    found = detect_jump(scores, date, compute)
    assert {(jump.task, jump.cutoff) for jump in found.found} == {("math", "2024-09-01"), ("gpqa", "2024-11-01")}


def test_searches_that_mean_nothing_are_refused_and_plain_data_are_strict_json():
    scores, date, compute = series(n=120)
    with pytest.raises(UsageError, match="1 benchmark"):
        detect_jump({"math": scores["math"]}, date, compute)
    with pytest.raises(InputDataError, match="equal compute"):
        detect_jump(scores, date, np.linspace(20, 25, 120))
    with pytest.raises(InputDataError, match="sides"):
        detect_jump(scores, date, compute, cutoffs="2030-01-01")
    with pytest.raises(InputDataError, match="20 models"):
        detect_jump({k: v[:30] for k, v in scores.items()}, date[:30], compute[:30])
    found = detect_jump(scores, date, compute, cutoffs=["2024-09-01", "2024-10-01"], permutations=99)
    assert found.cutoffs == ("2024-09-01", "2024-10-01")
    assert len(json.loads(json.dumps(found.to_dict(), allow_nan=False))["table"]) == 6
    assert "math: " in found.summary()
