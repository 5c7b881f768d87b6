"""Runs to buy on a new corpus: which cells, what they cost, and errors that follow from what the truth is."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.loss_to_loss.purchase.plan import plan_pairs
from scaling.loss_to_loss.purchase.truths import draw_truths, read_maps

BUDGETS = np.array([1e18, 3e18, 1e19, 3e19, 1e20])


def cells():
    """A source sweep: five budgets by three ratios, the middle one the best."""
    budget = np.repeat(BUDGETS, 3)
    x = 1.5 + 3 * (budget / 1e18) ** -0.12 + np.tile([0.05, 0.0, 0.08], 5)
    return x, budget


def known(bend=0.0, noise=0.0, slope=1.1, seed=0, repeats=1):
    """Pairs of other corpora: a parabola of logarithms."""
    x, budget = (np.tile(column, repeats) for column in cells())
    v = np.log(x)
    y = np.exp(
        0.1 + slope * v + bend * (v - v.mean()) ** 2 + noise * np.random.default_rng(seed).standard_normal(len(x))
    )
    return x, y, budget


def test_without_bend_and_scatter_two_runs_draw_the_map():
    x, budget = cells()
    found = plan_pairs(x, budget, None, 2.0, maps=[known()], counts=(2, 3))
    assert all(d.form == "log_log" for d in found.designs if d.count == 2)
    assert max(d.mean_error for d in found.designs) < 1e-9
    assert found.n_maps == 1
    assert found.designs[0].cost_flop == pytest.approx(1e18 + 3e18)


def test_the_cells_are_the_best_of_their_budgets_spread_over_a_range():
    x, budget = cells()
    cost = 2 * budget
    found = plan_pairs(x, budget, cost, 2.0, maps=[known(0.05, 0.003)], counts=(3, 8))
    widest = next(d for d in found.designs if d.count == 3 and d.span > 90)
    assert [i % 3 for i in widest.cells] == [1, 1, 1]
    assert list(budget[list(widest.cells)]) == [1e18, 1e19, 1e20]
    assert widest.cost_flop == pytest.approx(2 * (1e18 + 1e19 + 1e20))
    eight = next(d for d in found.designs if d.count == 8 and d.span > 90)
    assert len(set(eight.cells)) == 8
    assert {i for i in eight.cells if i % 3 == 1} == {1, 4, 7, 10, 13}
    costs = [d.cost_flop for d in found.designs]
    assert costs == sorted(costs)


def test_errors_of_scatter_alone_are_those_of_least_squares():
    """A straight line of logarithms through three known cells: the standard error at the target in closed form."""
    x, budget = cells()
    sd, target = 0.004, 2.0
    found = plan_pairs(x, budget, None, target, counts=(3,), maps=[known(0, sd, repeats=200)],
                       forms=("log_log",), simulations=4000)  # fmt: skip
    design = next(d for d in found.designs if d.span > 90)
    u = np.log(x[list(design.cells)])
    leverage = 1 / 3 + (np.log(target) - u.mean()) ** 2 / np.sum((u - u.mean()) ** 2)
    scatter = sd * np.sqrt(1 + leverage)  # of the run at the target as well
    assert design.mean_error == pytest.approx(np.sqrt(2 / np.pi) * scatter, rel=0.05)
    assert design.p90_error / design.mean_error == pytest.approx(1.645 / 0.798, rel=0.05)


def test_a_bend_asks_for_larger_budgets_and_a_form_that_bends():
    x, budget = cells()
    found = plan_pairs(x, budget, None, 1.7, maps=[known(0.6, 1e-4)], counts=(3, 5, 12))
    by_top = {
        top: np.mean([d.mean_error for d in found.designs if d.count == 3 and d.largest_flop == top])
        for top in (3e18, 1e20)
    }
    assert by_top[1e20] < by_top[3e18]
    best = found.best(1e30)
    assert best.form in ("log_quadratic", "quadratic")
    straight = plan_pairs(x, budget, None, 1.7, maps=[known(0.6, 1e-4)], counts=(12,), forms=("log_log",))
    assert straight.best(1e30).mean_error > 3 * best.mean_error


def test_the_answers_are_the_cheapest_and_the_best():
    x, budget = cells()
    found = plan_pairs(x, budget, None, 2.0, maps=[known(0.1, 0.004)])
    for one, other in zip(found.pareto, found.pareto[1:], strict=False):
        assert other.cost_flop > one.cost_flop
        assert other.mean_error < one.mean_error
    middle = found.pareto[len(found.pareto) // 2]
    assert found.cheapest(middle.mean_error) == middle
    assert found.best(middle.cost_flop).mean_error == middle.mean_error
    tail = found.cheapest(0.05, "p90")
    assert tail.p90_error <= 0.05
    assert all(d.p90_error > 0.05 for d in found.designs if d.cost_flop < tail.cost_flop)
    with pytest.raises(VerdictError, match=r"no design of these cells is expected to miss by 1e-6 %"):
        found.cheapest(1e-8)
    with pytest.raises(UsageError, match="buy no design; the cheapest costs"):
        found.best(1e10)
    with pytest.raises(UsageError, match="is a share between 0 and 1"):
        found.cheapest(1.5)
    with pytest.raises(UsageError, match="no measure 'median'"):
        found.best(1e30, "median")


def test_a_prior_stands_in_for_maps_and_is_named():
    x, budget = cells()
    found = plan_pairs(x, budget, None, 2.0, counts=(3,))
    assert found.n_maps == 0
    assert "a prior" in repr(found)
    truths = draw_truths(x, budget, 2.0, [], 4000, np.random.default_rng(0))
    slope = (truths.cells[:, 0] - truths.cells[:, -2]) / np.log(x[0] / x[-2])
    assert slope.mean() == pytest.approx(1.0, abs=0.02)
    assert slope.std() == pytest.approx(0.22, rel=0.1)


def test_seeds_and_plain_data():
    x, budget = cells()
    one, same, other = (
        plan_pairs(x, budget, None, 2.0, maps=[known(0.1, 0.004)], counts=(3, 4), seed=s) for s in (1, 1, 2)
    )  # fmt: skip
    assert one.to_dict() == same.to_dict()
    assert one.to_dict()["designs"] != other.to_dict()["designs"]
    table = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert [d["count"] for d in table["random"]] == [3, 4]
    assert table["beyond"] == pytest.approx(x.min() / 2.0)


def test_maps_of_few_pairs_are_left_out():
    x, y, budget = known()
    assert read_maps([(x[:5], y[:5], budget[:5])]) == []
    with pytest.raises(InputDataError, match="15 x, 14 y and 15 budgets"):
        read_maps([(x, y[:-1], budget)])
    with pytest.raises(InputDataError, match="must be numbers above 0"):
        read_maps([(x, -y, budget)])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"target_x": -1.0}, UsageError, "loss at the target"),
        ({"counts": (1,)}, UsageError, "two runs or more"),
        ({"counts": (90,)}, InputDataError, "15 cells, and the smallest design 90"),
        ({"forms": ("cubic",)}, UsageError, "no form 'cubic'"),
        ({"simulations": 3}, UsageError, "3 simulations say little"),
        ({"budget": -BUDGETS}, InputDataError, "there are 15 losses, 5 budgets"),
        ({"x": np.append(np.full(14, 2.0), np.nan)}, InputDataError, "loss of cell 14 is nan"),
    ],
)
def test_what_cannot_be_planned(change, error, message):
    x, budget = cells()
    given = {"x": x, "budget": budget, "cost": None, "target_x": 2.0} | change
    with pytest.raises(error, match=message):
        plan_pairs(given.pop("x"), given.pop("budget"), given.pop("cost"), given.pop("target_x"), **given)
