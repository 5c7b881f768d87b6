"""The published designs, step by step against the definitions of their gains."""

import numpy as np
import pytest

from scaling.boundary.design import choose_models
from scaling.boundary.design.optimal import NOMINAL
from scaling.boundary.design.strata import bin_of, equal_mass_edges
from tests.boundary.design.pools import pool


def slope(z):
    """The nominal curve differentiated numerically, at log10 FLOP."""
    theta = np.array([NOMINAL[k] for k in ("y0", "L", "a", "b")])

    def curve(t):
        return t[0] + t[1] / (1 + np.exp(-(t[2] + t[3] * (z - 21))))

    steps = 1e-5 * np.eye(4)
    return np.column_stack([(curve(theta + h) - curve(theta - h)) / 2e-5 for h in steps])


@pytest.mark.parametrize(("design", "items"), [("d_optimal", None), ("i_optimal", None), ("i_optimal", 100)])
def test_every_model_after_the_seeds_has_the_largest_gain_for_its_cost(design, items):
    """The gain of each candidate is worked out anew from determinants and inverses, without any update."""
    z, cost, _, _ = pool(60, 20)
    found = choose_models(z, cost, 0.3, design, balance=0.01, items=items)
    j = slope(z)
    if items:
        p = NOMINAL["y0"] + NOMINAL["L"] / (1 + np.exp(-(NOMINAL["a"] + NOMINAL["b"] * (z - 21))))
        j = j * np.sqrt(items / (p * (1 - p)))[:, None]
    edges = equal_mass_edges(z, 10)
    at = bin_of(z, edges)
    middles = slope((edges[1:] + edges[:-1]) / 2)
    wanted = middles.T @ middles / len(middles)

    def value(rows):
        m = 1e-9 * np.eye(4) + j[rows].T @ j[rows]
        return np.linalg.slogdet(m)[1] if design == "d_optimal" else -np.trace(wanted @ np.linalg.inv(m))

    order = list(found.order)
    assert len(order) > 12
    for k in range(8, len(order)):  # the first ones rest on a matrix that is singular to the last digit
        chosen = order[:k]
        left = found.budget - cost[chosen].sum()
        gains = {}
        for i in set(range(len(z))) - set(chosen):
            if cost[i] <= left:
                held = np.sum(at[chosen] == at[i])
                bonus = 0 if design == "d_optimal" else 0.01 * np.log((held + 1 + 1e-6) / (held + 1e-6))
                gains[i] = (value([*chosen, i]) - value(chosen) + bonus) / cost[i]
        assert gains[order[k]] == pytest.approx(max(gains.values()), rel=1e-4)
    assert found.trace == pytest.approx(
        np.trace(wanted @ np.linalg.inv(1e-9 * np.eye(4) + j[order].T @ j[order])), rel=1e-4
    )
    assert found.condition == pytest.approx(np.linalg.cond(1e-9 * np.eye(4) + j[order].T @ j[order]), rel=1e-3)


@pytest.mark.parametrize("design", ["d_optimal", "i_optimal"])
def test_the_ends_of_the_pool_come_first_and_the_money_is_spent(design):
    z, cost, _, _ = pool()
    found = choose_models(z, cost, 0.2, design)
    assert z[found.order[0]] == z.min()
    assert {z[i] for i in found.order[1:4]} == {z.max()}  # the shoulders lie at 1e28 and 1e31 FLOP
    rest = np.setdiff1d(np.arange(len(z)), found.chosen)
    assert cost[rest].min() > found.budget - found.spent >= 0


def test_known_models_stand_in_for_seeds_and_for_information():
    z, cost, _, _ = pool()
    ends = [int(np.argmin(z)), int(np.argmax(z))]
    found = choose_models(z, cost, 0.1, "i_optimal", known=ends)
    assert not set(ends) & set(found.order)
    assert z.min() < z[found.order[0]]
    first = choose_models(z, cost, 0.05, "i_optimal")
    more = choose_models(z, cost, 0.05, "i_optimal", known=first.chosen)
    assert more.trace < first.trace
    assert more.known == len(first.order)


def test_the_seed_only_breaks_ties():
    z, cost, _, _ = pool()
    found = [choose_models(z, cost, 0.2, "i_optimal", seed=s) for s in (0, 1)]
    assert found[0].order != found[1].order
    # The first few seeds of the design are models of one compute and different costs.
    same = [choose_models(z, None, 0.2, "i_optimal", seed=s) for s in (0, 1)]
    assert sorted(z[list(same[0].order)]) == sorted(z[list(same[1].order)])
    assert same[0].order != same[1].order
