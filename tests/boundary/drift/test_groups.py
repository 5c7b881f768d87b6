"""What belonging to a group is worth in compute comes back."""

import json

import numpy as np
import pytest

from scaling.boundary.drift import compute_equivalent_gain
from scaling.errors import InputDataError
from scaling.results import Fit

AHEAD = 0.7


@pytest.fixture(scope="module")
def two(models):
    second = np.arange(len(models.z)) % 3 == 0
    share = models.score / models.top(models.z, models.year)
    score = share * models.top(models.z + AHEAD * second, 2024.75)
    return compute_equivalent_gain(
        models.z, score, second, tau=0.95, groups=models.base, bootstrap=50, seed=2, names=("plain", "tuned")
    )


def test_the_gain_comes_back(two):
    gain = two.gain()
    assert gain.orders == pytest.approx(AHEAD, abs=0.1)
    assert gain.high - gain.low < 0.15
    assert two.gain(0.99).low < AHEAD < two.gain(0.99).high
    assert gain.told_apart
    assert two.verdict == "ok"
    assert two.predict(23.0, True) == pytest.approx(two.predict(23.0 + gain.orders, False), rel=1e-12)


def test_boundaries_by_themselves_agree(two):
    rows = two.by_score()
    assert len(rows) == 5
    for row in rows[1:4]:
        assert row["orders"] == pytest.approx(AHEAD, abs=0.35)
        assert row["low"] < row["orders"] < row["high"]
    [beyond] = two.by_score(1.0)
    assert not np.isfinite(beyond["orders"])


def test_it_is_an_ordinary_fit(two):
    again = Fit.from_dict(json.loads(json.dumps(two.fit.to_dict())))
    values = again.evaluate({"C": np.array([1e23, 1e23]), "second": np.array([0.0, 1.0])})[0]
    assert values == pytest.approx([float(two.predict(23.0, which)) for which in (False, True)], abs=1e-6)


def test_groups_without_compute_in_common_are_not_identified(models):
    second = models.z > 23
    found = compute_equivalent_gain(models.z, models.score, second, tau=0.95)
    assert found.verdict == "not identified"
    assert any("no compute in common" in reason for reason in found.reasons)
    assert found.by_score() == []


def test_a_small_group_is_named(models):
    second = np.arange(len(models.z)) < 40
    found = compute_equivalent_gain(models.z, models.score, second, tau=0.95, names=("old", "new"))
    assert any("quantile of 'new' rests on single models: of 40 models 2 should" in r for r in found.reasons)


def test_what_is_printed(two):
    text = two.summary()
    assert "'tuned' (320 models) rather than 'plain' (640)" in text
    assert str(two.gain()) in text
    table = two.to_dict()
    json.dumps(table, allow_nan=False)
    assert table["gain"]["orders"] == two.gain().orders
    assert len(table["by_score"]) == 5


@pytest.mark.parametrize(
    ("second", "why"), [(["a", "b", "a"], "yes or no"), ([0, 2, 1], "yes or no"), ([0, 0, 0], "of the group 'second'")]
)
def test_what_is_refused(second, why):
    with pytest.raises(InputDataError, match=why):
        compute_equivalent_gain([21, 22, 23], [0.1, 0.2, 0.3], second)
