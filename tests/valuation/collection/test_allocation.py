"""A collection budget: exact where it can be checked, beside brute force, and what is said of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.curves import LearningCurves, learning_curves
from scaling.valuation.collection.filling import Curves, fill_in_proportion, fill_sum, fill_worst
from tests.valuation.collection.truth import TRUTH, measured

SIZES = np.geomspace(100, 12800, 8)
PRICES = {"code": 4.0, "math": 2.0, "news": 1.0, "web": 0.5}


@pytest.fixture(scope="module")
def exact() -> LearningCurves:
    """The curves themselves."""
    return learning_curves(*measured(SIZES), bootstrap=0)


@pytest.fixture(scope="module")
def noisy() -> LearningCurves:
    """Curves with replicates."""
    return learning_curves(*measured(SIZES, 0.02, 3), bootstrap=60)


def market(seed: int, groups: int, capped: float = 0.3) -> tuple[Curves, float, np.ndarray, np.ndarray, np.ndarray]:
    """Curves, a budget, prices, what is at hand and what is to be had."""
    random = np.random.default_rng(seed)
    have = random.uniform(50, 500, groups).round()
    alpha = random.uniform(0.2, 0.8, (1, groups))
    curves = Curves(
        random.uniform(0, 0.2, (1, groups)), random.uniform(0.2, 0.9, (1, groups)) * have**alpha, alpha,
        random.uniform(0.5, 2, groups),
    )  # fmt: skip
    available = np.where(random.random(groups) < capped, random.uniform(10, 300, groups).round(), np.inf)
    return curves, random.uniform(100, 3000), random.uniform(0.5, 5, groups), have, available


@pytest.mark.parametrize("seed", range(30))
def test_at_the_optimum_money_is_worth_the_same_everywhere(seed: int) -> None:
    curves, budget, cost, have, available = market(seed, 5)
    buy = fill_sum(curves, budget, cost, have, available)[0]
    assert np.all((buy >= 0) & (buy <= available))
    assert cost @ buy == pytest.approx(min(budget, float(cost @ available)), rel=1e-12)
    worth = curves.slope(have + buy)[0] / cost
    inner = (buy > 1e-9) & (buy < available)
    if inner.any():
        price = worth[inner][0]
        assert worth[inner] == pytest.approx(price, rel=1e-9)
        assert np.all(worth[buy <= 1e-9] <= price * (1 + 1e-9))
        assert np.all(worth[buy == available] >= price * (1 - 1e-9))


@pytest.mark.parametrize("seed", range(30))
def test_groups_with_the_worst_loss_have_one_level(seed: int) -> None:
    curves, budget, cost, have, available = market(seed, 5)
    buy = fill_worst(curves, budget, cost, have, available)[0]
    assert cost @ buy == pytest.approx(min(budget, float(cost @ available)), rel=1e-9)
    level = (curves.weight * curves.loss(have + buy))[0]
    inner = (buy > 1e-6) & (buy < available)
    if inner.any():
        assert level[inner] == pytest.approx(level[inner].max(), rel=1e-7)
        assert np.all(level[buy <= 1e-6] <= level[inner].max() * (1 + 1e-7))
        assert np.all(level[buy == available] >= level[inner].max() * (1 - 1e-7))


@pytest.mark.parametrize("goal", ["sum", "worst"])
@pytest.mark.parametrize("groups", [2, 3])
def test_nothing_on_a_grid_is_better(goal: str, groups: int) -> None:
    for seed in range(4):
        curves, budget, cost, have, available = market(seed, groups)
        fill = fill_sum if goal == "sum" else fill_worst

        def outcome(buy: np.ndarray, curves: Curves = curves, have: np.ndarray = have) -> np.ndarray:
            losses = curves.weight * (curves.floor + curves.size * (have + buy) ** -curves.alpha)
            return losses.sum(axis=-1) if goal == "sum" else losses.max(axis=-1)

        best = float(outcome(fill(curves, budget, cost, have, available))[0])
        steps = 400 if groups == 2 else 60
        shares = (
            np.array([s for s in itertools.product(range(steps + 1), repeat=groups - 1) if sum(s) <= steps]) / steps
        )
        shares = np.column_stack([shares, 1 - shares.sum(axis=1)])
        grid = outcome(np.minimum(shares * budget / cost, available))
        assert best <= grid.min() + 1e-12
        if np.all(np.isinf(available)):
            assert grid.min() - best < 0.02 * best  # the grid comes near it: the best is no artefact


def test_two_groups_by_hand() -> None:
    """A/sqrt(n) with A = 1 and 8: the slopes meet where n2 = 8^(2/3) n1 = 4 n1."""
    curves = Curves(np.zeros((1, 2)), np.array([[1.0, 8.0]]), np.full((1, 2), 0.5), np.ones(2))
    buy = fill_sum(curves, 1e4, np.ones(2), np.ones(2), np.full(2, np.inf))[0]
    assert buy + 1 == pytest.approx([2000.4, 8001.6], rel=1e-12)
    worst = fill_worst(curves, 1e4, np.ones(2), np.ones(2), np.full(2, np.inf))[0]  # n2 = 64 n1
    assert worst + 1 == pytest.approx([10002 / 65, 640128 / 65], rel=1e-9)
    half = fill_in_proportion(np.array([1.0, 3.0]), 100, np.array([1.0, 2.0]), np.array([np.inf, 30.0]))[0]
    assert half == pytest.approx([40, 30])


def test_more_money_is_never_worse_and_buys_no_less(exact: LearningCurves) -> None:
    for goal in ("sum", "worst"):
        plans = [allocate_collection(exact, b, cost=PRICES, goal=goal, whole=False) for b in np.geomspace(10, 1e7, 25)]
        assert np.all(np.diff([p.outcome for p in plans]) < 0)
        assert np.all(np.diff([p.buy for p in plans], axis=0) >= -1e-6)
    assert plans[-1].outcome > 0.15  # the floor of code


def test_the_order_of_groups_does_not_matter(noisy: LearningCurves) -> None:
    turned = LearningCurves(dict(reversed(noisy.curves.items())), {}, False, None, noisy.seed)
    first, second = (allocate_collection(c, 20000, cost=PRICES) for c in (noisy, turned))
    assert first.to_dict() == second.to_dict()


def test_whole_examples_are_as_good_as_any_within_the_budget(exact: LearningCurves) -> None:
    part = LearningCurves({g: exact[g] for g in ("code", "web")}, {}, False, None, 0)
    prices = {"code": 700.0, "web": 90.0}
    for budget in (800.0, 5000.0, 12345.0):
        plan = allocate_collection(part, budget, cost=prices, have=200, weights={"code": 3})
        assert np.all(plan.buy == np.round(plan.buy))
        assert budget - 90 < plan.spent <= budget

        def outcome(code: int, web: int) -> float:
            (e1, a1, p1), (e2, a2, p2) = TRUTH["code"], TRUTH["web"]
            return 3 * (e1 + a1 / (200 + code) ** p1) + e2 + a2 / (200 + web) ** p2

        best = min(outcome(k, int((budget - 700 * k) // 90)) for k in range(int(budget // 700) + 1))
        gain = outcome(0, 0) - best
        assert plan.outcome == pytest.approx(outcome(*plan.buy.astype(int)), rel=1e-6)
        assert plan.outcome - best < 0.08 * gain


def test_large_budgets_and_prices_far_apart_end(exact: LearningCurves) -> None:
    plan = allocate_collection(exact, 1e12, cost={"code": 1e6, "math": 1e-3, "news": 1, "web": 1})
    assert 1e12 - 1e-2 <= plan.spent <= 1e12 * (1 + 1e-9)
    assert np.all(plan.buy > 0)


def test_what_is_to_be_had_bounds_what_is_bought(exact: LearningCurves) -> None:
    plan = allocate_collection(exact, 1e6, cost=1.0, available=100)
    assert plan.buy.tolist() == [100, 100, 100, 100]
    assert "Everything that is to be had is bought, and 999600 of the money is left." in plan.notes
    worst = allocate_collection(exact, 5000, goal="worst", available={"code": 10})
    assert worst.buy[0] == 10
    assert "All of code is bought, and it still has the worst loss." in worst.notes
    assert worst.spent == 5000


def test_a_floor_that_no_money_passes_is_said(exact: LearningCurves) -> None:
    plan = allocate_collection(exact, 1e7, goal="worst")
    assert any(
        note.startswith("No purchase takes the worst loss below 0.150, the floor of code") for note in plan.notes
    )
    assert any(note.startswith("code is nearly at its floor") for note in plan.notes)
    assert any("Buy in rounds" in note for note in plan.notes)
    assert plan.outcome > 0.15


def test_intervals_hold_the_plan_and_splits_are_told_apart(noisy: LearningCurves) -> None:
    plan = allocate_collection(noisy, 50000, cost=PRICES)
    assert np.all((plan.buy_low <= plan.buy) & (plan.buy <= plan.buy_high))
    assert plan.outcome_low < plan.outcome < plan.outcome_high
    assert plan.gain_low < plan.gain < plan.gain_high
    uniform = next(s for s in plan.splits if s.name == "uniform")
    assert uniform.told_apart
    assert uniform.outcome - plan.outcome == pytest.approx(uniform.better, rel=1e-12)
    assert uniform.low < uniform.better < uniform.high
    assert "uniform: the plan is better by" in repr(plan)


def test_a_split_that_is_as_good_is_not_told_apart() -> None:
    same = {"a": TRUTH["web"], "b": TRUTH["web"]}
    found = learning_curves(*measured(SIZES, 0.02, 4, same), bootstrap=60)
    plan = allocate_collection(found, 5000)
    uniform = next(s for s in plan.splits if s.name == "uniform")
    assert not uniform.told_apart
    assert "uniform: not told apart from the plan" in repr(plan)
    assert np.isnan(allocate_collection(learning_curves(*measured(SIZES, 0, 0, same), bootstrap=0), 10).outcome_low)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": 0}, "a budget of 0 buys nothing"),
        ({"budget": -5}, "a budget of -5"),
        ({"budget": np.nan}, "a budget of nan"),
        ({"cost": -1.0}, "an example of code costs -1"),
        ({"cost": {**PRICES, "web": 0}}, "an example of web costs 0"),
        ({"cost": {**PRICES, "wbe": 1}}, "'wbe' is given, and there is no learning curve of it"),
        ({"goal": "best"}, "no goal 'best'"),
        ({"weights": {"web": -1}}, "the loss of web counts -1"),
        ({"have": {"web": 0}}, "of web 0 examples are at hand"),
        ({"available": {"web": -1}}, "of web -1 examples are to be had"),
        ({"available": 0}, "no example of any group"),
        ({"budget": 0.3, "cost": 1.0}, "buys no single example"),
    ],
)
def test_questions_that_make_no_sense(exact: LearningCurves, options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        allocate_collection(exact, **({"budget": 100, "cost": PRICES} | options))


def test_a_group_without_a_price_and_a_curve_that_is_not_identified(exact: LearningCurves) -> None:
    with pytest.raises(InputDataError, match="the price of 'web' is not given"):
        allocate_collection(exact, 100, cost=dict.fromkeys(("code", "math", "news"), 1.0))
    few = learning_curves(*measured(SIZES[:5], 0.01), bootstrap=0)
    with pytest.raises(VerdictError, match="the learning curve of code is not identified"):
        allocate_collection(few, 100)
    assert allocate_collection(few, 100, force=True).verdict == "not identified"
