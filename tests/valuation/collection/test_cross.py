"""Groups that learn from each other: shares that runs tell apart, shares that they do not, and what to buy then."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.cross import CrossEffects, cross_effects
from scaling.valuation.collection.crossed import allocate_crossed
from scaling.valuation.collection.curves import learning_curves
from tests.valuation.collection.truth import measured

CURVES = {"code": (0.1, 5.0, 0.5), "math": (0.05, 3.0, 0.4), "web": (0.1, 4.0, 0.45)}
SHARES = {("code", "math"): 0.4, ("web", "code"): 0.1}
PRICES = {"code": 1.0, "math": 2.0, "web": 1.0}


def runs(n: int = 24, noise: float = 0.01) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Counts drawn apart, and the losses they give."""
    random = np.random.default_rng(0)
    counts = {g: np.exp(random.uniform(np.log(200), np.log(20000), n)).round() for g in CURVES}
    counts["code"][:3] = 0  # runs without any of their own still learn from the others
    return counts, losses_of(counts, random, noise)


def losses_of(counts: dict[str, np.ndarray], random: np.random.Generator, noise: float) -> dict[str, np.ndarray]:
    out = {}
    for group, (floor, size, alpha) in CURVES.items():
        within = counts[group] + sum(
            SHARES.get((group, other), 0.0) * counts[other] for other in CURVES if other != group
        )
        with np.errstate(divide="ignore"):
            loss = floor + size / within**alpha
        out[group] = loss * np.exp(noise * random.standard_normal(len(loss)))
    return out


@pytest.fixture(scope="module")
def found() -> CrossEffects:
    return cross_effects(*runs(), bootstrap=100)


def test_shares_are_found_with_intervals_and_nothing_is_told_apart_from_nothing(found: CrossEffects) -> None:
    for one in found.effects:
        true = SHARES.get((one.group, one.other), 0.0)
        assert one.share == pytest.approx(true, abs=0.05)
        assert one.word == ("helps" if true else "not told apart from 0")
        assert one.low - 0.01 <= true <= one.high + 0.01
    assert found.shares[0].tolist()[0] == 1
    assert found.parameters[:, 2] == pytest.approx([0.5, 0.4, 0.45], abs=0.05)
    assert "an example of math to code: 0.4" in repr(found)


def test_counts_that_go_together_are_not_told_apart() -> None:
    counts, _ = runs()
    counts["web"] = 2 * counts["math"]
    counts["code"] = np.maximum(counts["code"], 100)
    made = cross_effects(counts, losses_of(counts, np.random.default_rng(1), 0.01), bootstrap=60)
    said = {(one.group, one.other): one for one in made.effects}
    assert said["math", "web"].why.startswith("its counts go with those of math and code in all runs")
    assert {pair for pair, one in said.items() if one.word == "not identified"} == {
        ("math", "web"), ("web", "math"), ("code", "web")
    }  # fmt: skip
    assert np.isnan(said["math", "web"].share)
    assert made.shares[1, 2] == 0
    assert said["code", "math"].share == pytest.approx(0.4, abs=0.06)  # that of math, and twice that of web, which is 0


def test_too_few_runs_and_groups_never_trained_on() -> None:
    counts, losses = runs(8)
    counts["web"] = np.zeros(8)
    few = cross_effects({g: counts[g] for g in ("code", "math")}, {g: losses[g] for g in ("code", "math")})
    assert {one.word for one in cross_effects(*runs(7)).effects} == {"not identified"}
    assert len(few.effects) == 2
    with pytest.raises(InputDataError, match="no run whose loss on web is known trained on it"):
        cross_effects(counts, {**losses, "web": losses["code"]})
    counts, losses = runs(20)
    alone = {**losses, "code": np.where(np.arange(20) < 10, losses["code"], np.nan)}
    never = cross_effects({**counts, "web": np.where(np.arange(20) < 10, 0, counts["web"])}, alone, bootstrap=40)
    assert [one.why for one in never.effects if (one.group, one.other) == ("code", "web")] == ["no run trained on it"]


def test_runs_that_make_no_sense() -> None:
    counts, losses = runs()
    with pytest.raises(InputDataError, match=r"the examples of web are -1\.0 in row 0"):
        cross_effects({**counts, "web": -np.ones(24)}, losses)
    with pytest.raises(InputDataError, match="different numbers of runs"):
        cross_effects({**counts, "web": np.ones(3)}, losses)
    with pytest.raises(UsageError, match="name different groups"):
        cross_effects({"code": counts["code"]}, losses)
    with pytest.raises(UsageError, match="40 replicates"):
        cross_effects(counts, losses, bootstrap=10)


@pytest.mark.parametrize("goal", ["sum", "worst"])
def test_no_purchase_on_a_grid_is_better(found: CrossEffects, goal: str) -> None:
    plan = allocate_crossed(found, 30000, cost=PRICES, goal=goal)
    assert plan.spent == pytest.approx(30000, rel=1e-9)
    floor, size, alpha = found.parameters.T
    steps = 80
    grid = np.array([(i, j, steps - i - j) for i, j in itertools.product(range(steps + 1), repeat=2) if i + j <= steps])
    bought = grid / steps * 30000 / np.array(list(PRICES.values()))
    losses = floor + size * ((found.have + bought) @ found.shares.T) ** -alpha
    best = (losses.sum(axis=1) if goal == "sum" else losses.max(axis=1)).min()
    assert plan.outcome <= best + 1e-9
    assert best - plan.outcome < 0.02 * (plan.outcome_now - plan.outcome)
    assert plan.gap <= 1e-9 * (plan.outcome_now - plan.outcome)
    assert plan.alone >= plan.outcome - 1e-9


def test_what_helps_others_is_bought_for_them(found: CrossEffects) -> None:
    """Math helps code, so more of it is bought than for itself."""
    plan = allocate_crossed(found, 3000, cost=PRICES, have=2000)
    alone = CrossEffects(found.groups, found.fits, (), found.have, 0.9, 0)
    assert plan.buy[1] > allocate_crossed(alone, 3000, cost=PRICES, have=2000).buy[1] + 50


def test_groups_that_do_not_help_each_other_are_bought_as_if_alone() -> None:
    sizes = np.geomspace(100, 12800, 8)
    x, y, group = measured(sizes, truth=CURVES)
    curves = learning_curves(x, y, group, bootstrap=0)
    fits = {g: curves[g].fit for g in curves}
    nothing = CrossEffects(tuple(fits), fits, (), np.full(3, 12800.0), 0.9, 0)
    for goal in ("sum", "worst"):
        plan = allocate_crossed(nothing, 20000, cost=PRICES, goal=goal, available={"web": 3000})
        own = allocate_collection(curves, 20000, cost=PRICES, goal=goal, available={"web": 3000}, whole=False)
        assert plan.outcome == pytest.approx(own.outcome, rel=1e-9 if goal == "sum" else 1e-7)  # of a linear program
        if goal == "sum":
            assert plan.buy == pytest.approx(own.buy, rel=1e-3, abs=1)
