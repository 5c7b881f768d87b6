"""Selections by eigenvalue objectives: the same, whichever way gains came about."""

import itertools

import numpy as np
import pytest

from scaling.valuation import make_objective, select, vendi


def by_brute_force(rows, k, q, first):
    """Take the row with which the set has the largest Vendi score, each time; ties go to the lowest index."""
    chosen = [first]
    while len(chosen) < k:
        scores = np.array([-1 if i in chosen else vendi(rows[[*chosen, i]], q) for i in range(len(rows))])
        chosen.append(int(np.flatnonzero(scores >= scores.max() - 1e-12)[0]))
    return chosen


@pytest.mark.parametrize("q", [0.3, 0.5, 1, 1.5, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eager_lazy_and_brute_force_select_the_same(q, dtype):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(80, 8)) + rng.normal(size=8)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)
    eager = select(rows, 14, objective="vendi", method="eager", q=q)
    lazy = select(rows, 14, objective="vendi", method="lazy", q=q)
    assert eager.indices.tolist() == lazy.indices.tolist()
    assert eager.indices.tolist() == by_brute_force(rows.astype(np.float64), 14, q, int(eager.indices[0]))
    assert lazy.score == pytest.approx(vendi(rows[lazy.indices], q), rel=1e-9)


@pytest.mark.parametrize("method", ["eager", "lazy"])
def test_differences_far_below_the_certificate_decide(method):
    """Two candidates all but orthogonal to the first member: their gains differ by 3e-9, the certificate is 1e-6."""
    angles = np.arccos([0.0, 1.0e-4, 0.84e-4])
    rows = np.column_stack([np.cos(angles), np.sin(angles)])
    rows[0] = [1, 0]
    objective = make_objective("vendi", rows, 2)
    objective.add(0)
    assert objective.error > 1e-7
    worth = objective.exact_gains(np.array([1, 2]))
    assert 1e-9 < worth[1] - worth[0] < 1e-8
    assert select(rows, 2, objective="vendi", method=method, first=0).indices.tolist() == [0, 2]


def test_greedy_sets_are_worth_the_share_of_the_optimum_that_is_promised():
    """At least 1 - 1/e of the optimum in units of 1 + log VS; what data-dependent bounds say is never too much."""
    shares = []
    for seed in range(12):
        rows = np.random.default_rng(seed).normal(size=(12, 4))
        best = max(vendi(rows[list(subset)]) for subset in itertools.combinations(range(12), 4))
        found = select(rows, 4, objective="vendi")
        shares.append((1 + np.log(found.score)) / (1 + np.log(best)))
        assert 0 < found.certificate.score_share <= found.score / best + 1e-9
    assert min(shares) > 0.9
    assert max(shares) <= 1 + 1e-12


def test_orders_near_one_select_as_order_one_does():
    rows = np.random.default_rng(8).normal(size=(60, 6))
    at_one = select(rows, 10, objective="vendi").indices.tolist()
    for q in (1 - 1e-4, 1 + 1e-9, 1 + 1e-4):
        assert select(rows, 10, objective="vendi", q=q).indices.tolist() == at_one


@pytest.mark.parametrize("objective", ["vendi", "rke", "log_det", "a_optimal", "von_neumann"])
def test_copies_of_one_example_are_one_kind(objective):
    rows = np.ones((6, 3))
    chosen = select(rows, 4, objective=objective, method="eager")
    assert chosen.indices.tolist() == [0, 1, 2, 3]
    assert np.all(np.isfinite(chosen.gains))
    if objective in ("vendi", "rke"):
        assert chosen.score == pytest.approx(1, abs=1e-12)
