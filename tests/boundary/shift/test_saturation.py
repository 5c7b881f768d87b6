"""Small against large models: what each rule makes of numbers of models, of one false score, and of sizes that say
nothing.
"""

import json

import numpy as np
import pytest

from scaling.boundary.shift import measure_saturation
from scaling.boundary.shift.dominance import RULES
from scaling.errors import InputDataError, UsageError


def series(per_month=60, gain=0.0, growth=1.0, months=12, seed=0):
    """Models of twelve months: a third large, which are better by `gain`; more and more small ones by `growth`."""
    rng = np.random.default_rng(seed)
    day, size, score, maker = [], [], [], []
    for m in range(months):
        large = per_month // 3
        n = large + int(per_month * 2 / 3 * growth**m)
        month = np.datetime64("2024-01") + m
        day += list(month.astype("datetime64[D]") + rng.integers(0, 28, n))
        size += [70e9] * large + [7e9] * (n - large)
        score += list(np.clip(rng.normal(0.4, 0.1, n) + gain * (np.arange(n) < large), 0, 1))
        maker += list(rng.integers(0, 30, n))
    return np.array(score), np.array(size), np.array(day), np.array([f"maker {m}" for m in maker])


def test_where_sizes_say_nothing_no_advantage_is_told():
    score, size, date, maker = series()
    found = measure_saturation(score, size, date, groups=maker)
    row = found.rule("matched_best").latest
    assert row.month == "2024-12"
    assert found.saturated
    assert "no advantage of large models can be told" in found.verdict
    usual = np.mean([month.permuted for month in found.rule("matched_best").months])
    assert usual == pytest.approx(20 / 21, abs=0.01)  # of 21 alike, 20 are below the best of the others
    assert row.permuted_low <= row.share <= row.permuted_high


def test_where_large_models_are_better_they_stand_above():
    score, size, date, maker = series(gain=0.2)
    found = measure_saturation(score, size, date, groups=maker)
    row = found.rule("matched_best").latest
    assert not found.saturated
    assert "still stand above" in found.verdict
    assert row.p == pytest.approx(1 / 201)
    assert row.share < 0.7
    assert row.low < row.share < row.high
    slopes = {s.month: s for s in found.slopes}
    assert slopes["2024-12"].slope == pytest.approx(0.2, abs=0.06)  # a tenfold size is worth `gain`


def test_the_running_best_rises_with_the_number_of_small_models_and_the_matched_one_does_not():
    rises = {rule: [] for rule in RULES}
    for seed in range(5):
        score, size, date, maker = series(gain=0.25, growth=1.6, months=9, seed=seed)
        found = measure_saturation(score, size, date, groups=maker, permutations=19)
        for rule in RULES:
            months = found.rule(rule).months
            rises[rule].append(np.mean([r.share for r in months[-3:]]) - np.mean([r.share for r in months[:3]]))
    rise = {rule: np.mean(values) for rule, values in rises.items()}
    assert rise["running_max"] > 0.25
    assert abs(rise["matched_best"]) < 0.03
    assert abs(rise["window_quantile"]) < 0.05


def test_one_false_score_saturates_the_running_best_for_ever_and_is_named():
    score, size, date, maker = series(gain=0.25)
    clean = measure_saturation(score, size, date, groups=maker, permutations=19)
    false = int(np.flatnonzero((size < 13e9) & (date >= np.datetime64("2024-03-01")))[0])
    score[false], maker[false] = 0.99, "leaky"
    found = measure_saturation(score, size, date, groups=maker, permutations=19)
    after = [row for row in found.rule("running_max").months if row.month > "2024-03"]
    assert all(row.share == 1 and row.rests_on == "leaky" for row in after)
    before = {row.month: row.share for row in clean.rule("running_max").months}
    assert [row.without_one for row in after] == [before[row.month] for row in after]
    changes = [
        row.share - clean.rule(rule).month(row.month).share
        for rule in ("window_quantile", "matched_best")
        for row in found.rule(rule).months
    ]
    assert max(np.abs(changes)) < 20 / 120  # one of 120 in the window, of which 20 are drawn
    last = found.rule("matched_best").month("2024-12")
    assert last.share == clean.rule("matched_best").month("2024-12").share  # out of the window by then
    assert any("leaky" in text for text in found.warnings)
    assert "leaky" in found.summary()


def test_makers_of_many_models_that_are_alike_widen_the_interval():
    score, size, date, _ = series(months=1, per_month=120)
    score[:40] = np.repeat([0.9, 0.1, 0.9, 0.1], 10)  # large ones, ten of a kind
    date[:40] = np.datetime64("2024-01-28")
    kind = np.array(["a", "b", "c", "d"])[np.minimum(np.arange(len(score)) // 10, 3)].astype(object)
    kind[40:] = None
    alone = measure_saturation(score, size, date).rule("matched_best").months[0]
    alike = measure_saturation(score, size, date, groups=kind).rule("matched_best").months[0]
    assert alone.share == alike.share
    assert alike.high - alike.low > 2 * (alone.high - alone.low)
    assert alike.n_groups == 4


def test_rows_that_cannot_be_used_are_counted_and_plain_data_are_strict_json():
    score, size, date, maker = series(months=4)
    score, date = np.append(score, [np.nan, 0.5, 0.5]), np.append(date.astype(str), ["2024-01-01", "", "2024-01-02"])
    size, maker = np.append(size, [7e9, 7e9, 0]), np.append(maker, ["x"] * 3)
    found = measure_saturation(100 * score, size, date, groups=maker, permutations=19)
    assert found.left_out == {"score missing": 1, "n_params missing": 1, "date missing": 1}
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["rules"][0]["rule"] == "running_max"
    assert told["seed"] == 0
    assert told["notes"] == ["'score' is in percent and was divided by 100"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"threshold": 13}, InputDataError),
        ({"rules": ["median"]}, UsageError),
        ({"rules": []}, UsageError),
        ({"interval": "wald"}, UsageError),
        ({"quantile": 1.0}, UsageError),
        ({"permutations": 5}, UsageError),
        ({"seed": -1}, UsageError),
    ],
)
def test_what_means_nothing_is_refused(settings, error):
    score, size, date, _ = series(months=2)
    with pytest.raises(error):
        measure_saturation(score, size, date, **settings)
