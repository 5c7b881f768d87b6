"""Rules for a batch that changes: limits, peaks and ratios that the formulas have by themselves."""

import math

import pytest

from scaling.errors import UsageError
from scaling.hyperparameters import beta2_at_batch, lr_at_batch


def test_powers_of_the_batch():
    assert lr_at_batch(1e-3, 100, 900, "sqrt") == pytest.approx(3e-3, rel=1e-12)
    assert lr_at_batch(1e-3, 100, 900, "linear") == pytest.approx(9e-3, rel=1e-12)


def test_sgd_is_linear_below_the_critical_batch_and_flat_above():
    assert lr_at_batch(1, 1, 2, "sgd", 1e6) == pytest.approx(2, rel=1e-5)
    assert lr_at_batch(1, 1e8, 1e9, "sgd", 100) == pytest.approx(1, rel=1e-5)
    assert lr_at_batch(1, 100, 1e12, "sgd", 100) == pytest.approx(2, rel=1e-6)  # half of the most at B_crit


def test_surge_is_highest_at_the_critical_batch_and_the_same_either_way():
    peak = lr_at_batch(1, 64, 1000, "surge", 1000)
    assert all(lr_at_batch(1, 64, b, "surge", 1000) < peak for b in (500, 900, 1100, 2000))
    assert lr_at_batch(1, 64, 250, "surge", 1000) == pytest.approx(lr_at_batch(1, 64, 4000, "surge", 1000), rel=1e-12)
    # 2 lr_c / (sqrt(B/B_c) + sqrt(B_c/B)), at a quarter of it: 2/(1/2 + 2) of the peak.
    assert lr_at_batch(1, 1000, 250, "surge", 1000) == pytest.approx(0.8, rel=1e-12)
    assert lr_at_batch(1, 1, 4, "surge", 1e9) == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("rule", ["linear", "sqrt", "sgd", "surge"])
def test_there_and_back_is_where_it_was(rule):
    there = lr_at_batch(3e-4, 96, 1024, rule, 500)
    assert lr_at_batch(there, 1024, 96, rule, 500) == pytest.approx(3e-4, rel=1e-12)


def test_a_half_life_in_tokens_is_held():
    for beta2, batch, new in ((0.95, 512, 64), (0.999, 64, 4096)):
        carried = beta2_at_batch(beta2, batch, new)
        assert new * math.log(0.5) / math.log(carried) == pytest.approx(batch * math.log(0.5) / math.log(beta2))


def test_what_is_no_rule_or_number_is_refused():
    with pytest.raises(UsageError, match="no rule 'root'"):
        lr_at_batch(1e-3, 1, 2, "root")
    with pytest.raises(UsageError, match="turns at the critical batch"):
        lr_at_batch(1e-3, 1, 2, "surge")
    with pytest.raises(UsageError, match="the new batch is above 0"):
        lr_at_batch(1e-3, 1, 0)
    with pytest.raises(UsageError, match="beta2"):
        beta2_at_batch(1.0, 1, 2)
    with pytest.raises(UsageError, match="a batch is above 0"):
        beta2_at_batch(0.9, 0, 2)
