"""Designs without a curve: random choice, and money spread over bins."""

import numpy as np
import pytest

from scaling.boundary.design import choose_models
from scaling.boundary.design.strata import bin_of, equal_mass_edges
from tests.boundary.design.pools import pool


def test_random_choice_fills_the_budget_and_can_stop_at_the_first_too_dear():
    z, cost, _, _ = pool()
    full = choose_models(z, cost, 0.2, "random", seed=5)
    short = choose_models(z, cost, 0.2, "random", seed=5, fill=False)
    assert full.order[: len(short.order)] == short.order
    assert len(full.order) > len(short.order)
    rest = np.setdiff1d(np.arange(len(z)), full.chosen)
    assert cost[rest].min() > full.budget - full.spent >= 0
    assert short.order == tuple(np.random.default_rng(5).permutation(len(z))[: len(short.order)].tolist())


@pytest.mark.parametrize("exponent", [0.0, 0.75, 1.0])
def test_bins_get_money_by_the_power_of_their_cost(exponent):
    z = np.tile(np.linspace(21, 25, 20), 500)
    cost = 10 ** ((z - 21) / 2)
    found = choose_models(z, cost, 0.02, n_bins=10, exponent=exponent, ends=False)
    at = bin_of(z, equal_mass_edges(z, 10))
    spent, total = (np.bincount(at, c) for c in (np.where(np.isin(np.arange(len(z)), found.order), cost, 0), cost))
    share = total**exponent
    assert spent / spent.sum() == pytest.approx(share / share.sum(), abs=0.01)


def test_the_ends_of_the_pool_come_first_unless_they_are_known():
    z, cost, _, _ = pool(600, 40)
    found = choose_models(z, cost, 0.1)
    assert [z[found.order[0]], z[found.order[1]]] == [z.min(), z.max()]
    without = choose_models(z, cost, 0.1, ends=False)
    assert z[without.order[0]] > z.min()
    known = [int(np.argmin(z)), int(np.argmax(z))]
    later = choose_models(z, cost, 0.1, known=known)
    assert z.min() < z[later.order[0]] < z.max()
    # An end that the money does not reach is left out, and the money goes elsewhere.
    short = choose_models(z, cost, 0.9 * cost[z == z.max()].min(), unit="cost")
    assert z[short.order[0]] == z.min()
    assert z[list(short.order)].max() < z.max()


def test_known_models_count_as_money_spent_in_their_bin():
    z, cost, _, _ = pool(600, 40)
    at = bin_of(z, equal_mass_edges(z, 40))
    known = np.flatnonzero(at == 5)[:-3]
    found = choose_models(z, cost, 0.15, known=known)
    alone = choose_models(z, cost, 0.15)
    assert not set(known.tolist()) & set(found.order)
    assert np.sum(at[found.chosen] == 5) < np.sum(at[alone.chosen] == 5)
    assert found.spent <= found.budget


def test_the_beginning_of_an_order_is_the_design_for_less():
    z, cost, _, _ = pool(600, 40)
    small, large = (choose_models(z, cost, b, seed=2) for b in (0.1, 0.3))
    common = next(i for i, (a, b) in enumerate(zip(small.order, large.order, strict=False)) if a != b)
    assert cost[list(small.order[:common])].sum() > 0.9 * small.budget


def test_a_bin_takes_one_model_of_each_group_before_a_second():
    z, cost, _, base = pool(400, 80)
    plain = choose_models(z, cost, 0.15, groups=base, n_bins=5)
    spread = choose_models(z, cost, 0.15, groups=base, n_bins=5, by_group=True)
    assert spread.groups > plain.groups
    at = bin_of(z, equal_mass_edges(z, 5))
    for i in range(5):
        taken = np.bincount(base[[r for r in spread.order if at[r] == i]], minlength=80)
        there = np.bincount(base[at == i], minlength=80)
        behind = taken < taken.max() - 1
        assert np.all(taken[behind] == there[behind])  # a group lags by two only where it has no more models


def test_known_models_of_a_group_count_before_the_others():
    z, cost = np.repeat([22.0, 23.0], 6), np.ones(12)
    base = np.array(["a", "a", "a", "b", "b", "b"] * 2)
    found = choose_models(z, cost, 2, known=[0, 6], groups=base, by_group=True, unit="cost")
    assert sorted(base[list(found.order)]) == ["b", "b"]
