"""A target that rises with compute, or no longer falls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from scaling.loss_to_loss.monotone import ERROR_RATE, larger_half, monotone_note, rising_chance

BUDGETS = np.repeat(np.geomspace(1e17, 1e20, 8), 6)


def losses(budget: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    """Losses that fall with compute."""
    return 2 + 1.5 * (budget / 1e17) ** -0.2 + noise * np.random.default_rng(seed).standard_normal(len(budget))


@pytest.mark.parametrize(("n", "levels"), [(12, 12), (24, 4), (48, 8)])
def test_the_chance_is_that_of_kendalls_test(n: int, levels: int) -> None:
    """Against scipy, which has no correction for continuity: without it the two are one test."""
    random = np.random.default_rng(n)
    order = np.arange(n) % levels
    y = np.round(random.standard_normal(n) + 0.2 * order, 1)
    theirs = kendalltau(order, y, alternative="greater", method="asymptotic").pvalue
    score = np.sum(np.triu(np.sign(np.subtract.outer(y, y)) * np.sign(np.subtract.outer(order, order)), 1))
    assert score > 0
    ours = rising_chance(y, order)
    assert theirs < ours < 1.6 * theirs


@pytest.mark.parametrize(("n", "levels"), [(6, 6), (8, 4), (16, 16), (40, 4)])
def test_no_trend_is_called_rising_as_rarely_as_promised(n: int, levels: int) -> None:
    random = np.random.default_rng(17)
    order = np.arange(n) % levels
    rate = np.mean([rising_chance(random.standard_normal(n), order) <= ERROR_RATE for _ in range(4000)])
    assert rate <= ERROR_RATE + 3 * np.sqrt(ERROR_RATE / 4000)


def test_all_tied_is_no_rise() -> None:
    assert rising_chance([1.0, 1.0, 1.0], [1, 2, 3]) == 1
    assert rising_chance([1.0, 2.0, 3.0], [1, 1, 1]) == 1


def test_the_larger_half_is_of_budgets_and_not_of_rows() -> None:
    many_small = np.array([1.0] * 20 + [2.0, 3.0, 4.0])
    assert many_small[larger_half(many_small)].tolist() == [3, 4]
    assert larger_half(np.arange(10.0)).sum() == 5


def test_a_loss_that_falls_says_nothing() -> None:
    x = losses(BUDGETS, 0.01)
    assert monotone_note(x, 0.8 * x + 0.3, BUDGETS) == ""
    assert monotone_note(x, 0.8 * x + 0.3) == ""


def test_a_target_that_turns_around_is_named() -> None:
    x = losses(BUDGETS, 0.01)
    u = np.log(BUDGETS / 3e18)
    y = 3 + 0.1 * u**2 + 0.02 * np.random.default_rng(1).standard_normal(len(u))
    note = monotone_note(x, y, BUDGETS)
    assert note.startswith("The target is not monotone: over the larger half of the budgets (24 pairs) it rises")
    assert "less than 0.0001" in note
    assert monotone_note(x, y, None).startswith("The target is not monotone")


def test_a_target_that_levels_off_in_its_scatter_is_named() -> None:
    x = losses(BUDGETS, 0.01)
    flat = 2.3 + 1.5 * np.exp(-2 * np.log(BUDGETS / 1e17)) + 0.2 * np.random.default_rng(2).standard_normal(48)
    assert "no fall with compute can be told from chance" in monotone_note(x, flat, BUDGETS)


def test_a_source_that_levels_off_too_is_no_news() -> None:
    random = np.random.default_rng(5)
    x, y = 2 + 0.1 * random.standard_normal((2, 48))
    assert monotone_note(x, y, BUDGETS) == ""


def test_budgets_that_differ_in_rounding_are_one() -> None:
    """With six budgets of eight rows, half of the rows are of the larger half, jitter or not."""
    budget = np.repeat(np.geomspace(1e17, 1e20, 6), 8)
    u = np.log(budget / 3e18)
    x, y = losses(budget, 0.01), 3 + 0.1 * u**2
    jitter = budget * (1 + 1e-12 * np.random.default_rng(0).standard_normal(48))
    assert monotone_note(x, y, jitter) == monotone_note(x, y, budget) != ""
    assert "24 pairs" in monotone_note(x, y, jitter)


def test_few_pairs_say_nothing() -> None:
    assert monotone_note([3.0, 2.5, 2.2, 2.0], [1.0, 1.2, 1.4, 1.6], [1e17, 1e18, 1e19, 1e20]) == ""
