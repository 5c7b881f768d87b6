"""The entrance to designs: what it returns and what it refuses."""

import json

import numpy as np
import pytest

from scaling.boundary.design import choose_models
from scaling.errors import InputDataError, UsageError
from tests.boundary.design.pools import pool

DESIGNS = ("stratified", "random", "i_optimal", "d_optimal")


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_adds_up_and_is_plain_data(name):
    z, cost, _, base = pool()
    found = choose_models(z, cost, 0.2, name, known=[3, 4], groups=base, seed=1)
    assert len(set(found.order)) == len(found.order)
    assert found.spent == pytest.approx(cost[found.chosen].sum())
    assert found.spent <= found.budget == pytest.approx(0.2 * cost.sum())
    assert found.share == pytest.approx(found.spent / cost.sum())
    assert sum(b.chosen for b in found.bins) == len(found.order)
    assert sum(b.spent for b in found.bins) == pytest.approx(found.spent)
    assert sum(b.models for b in found.bins) == len(z)
    assert sum(b.known for b in found.bins) == found.known == 2
    assert found.groups == len(set(base[found.chosen]))
    assert (found.trace is None) == (name in ("stratified", "random"))
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["order"] == list(found.order)
    assert data["share"] == found.share
    assert f"{len(found.order)} models of 240 to evaluate, 2 models known already" in repr(found)
    assert choose_models(z, cost, 0.2, name, known=[3, 4], groups=base, seed=1) == found


@pytest.mark.parametrize("name", DESIGNS)
def test_the_whole_budget_buys_the_whole_pool(name):
    z, cost, _, _ = pool()
    found = choose_models(z, cost, 1.0, name)
    assert found.chosen.tolist() == list(range(len(z)))
    rest = choose_models(z, cost, 1.0, name, known=np.arange(len(z)) >= 10)
    assert rest.chosen.tolist() == list(range(10))


def test_a_budget_in_units_of_the_cost_and_costs_that_are_all_alike():
    z, cost, _, _ = pool()
    assert choose_models(z, cost, 0.2 * cost.sum(), unit="cost").order == choose_models(z, cost, 0.2).order
    assert len(choose_models(z, None, 0.25).order) == 60


def test_models_without_compute_are_left_out_and_said():
    z, cost, _, _ = pool()
    holes = z.copy()
    holes[[0, 7]] = [np.nan, -np.inf]
    found = choose_models(holes, cost, 0.5)
    assert found.notes == ("Left out 2 models of 240 whose compute is missing or zero.",)
    assert not {0, 7} & set(found.order)
    assert found.pool_cost == pytest.approx(np.delete(cost, [0, 7]).sum())
    whole = choose_models(np.delete(z, [0, 7]), np.delete(cost, [0, 7]), 0.5)
    assert found.chosen.tolist() == np.delete(np.arange(240), [0, 7])[whole.chosen].tolist()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"design": "stratifed"}, UsageError, "Did you mean 'stratified'"),
        ({"budget": 0}, UsageError, "above 0"),
        ({"budget": float("nan")}, UsageError, "above 0"),
        ({"budget": 20}, UsageError, "unit='cost'"),
        ({"unit": "percent"}, UsageError, "share or cost"),
        ({"budget": 1e-9}, InputDataError, "pays for no model"),
        ({"cost": np.zeros(240)}, InputDataError, "240 models is no number above 0, first in row 0"),
        ({"cost": np.ones(5)}, InputDataError, "'cost' has 5 rows"),
        ({"log10_compute": np.full(240, 1e24)}, InputDataError, "not its logarithm"),
        ({"log10_compute": np.full(240, np.nan)}, InputDataError, "none of the 240"),
        ({"log10_compute": ["a"] * 240}, InputDataError, "not a number"),
        ({"known": [240]}, InputDataError, "positions from 0 to 239"),
        ({"known": [-1]}, InputDataError, "positions from 0 to 239"),
        ({"known": [True, False]}, InputDataError, "240 models"),
        ({"known": np.ones(240, bool)}, InputDataError, "none to choose"),
        ({"groups": ["a"]}, InputDataError, "'groups' has shape"),
        ({"by_group": True}, UsageError, "needs the groups"),
        ({"n_bins": 0}, UsageError, "at least 1"),
        ({"exponent": -1}, UsageError, "exponent"),
        ({"design": "i_optimal", "balance": -1}, UsageError, "balance"),
        ({"design": "i_optimal", "items": 0}, UsageError, "items"),
        ({"seed": -1}, UsageError, "seed"),
    ],
)
def test_what_cannot_be_designed_is_refused(change, error, words):
    z, cost, _, _ = pool()
    with pytest.raises(error, match=words):
        choose_models(**({"log10_compute": z, "cost": cost} | change))


def test_one_compute_is_one_bin():
    found = choose_models(np.full(20, 23.0), np.arange(1.0, 21.0), 0.5)
    assert len(found.bins) == 1
    assert found.spent <= found.budget
