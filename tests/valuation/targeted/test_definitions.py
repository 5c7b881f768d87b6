"""Objectives with a target against their definitions, on every set of a few points; and what each declares."""

import numpy as np
import pytest

from scaling.valuation import make_objective
from tests.valuation.definitions import points, shifted, table_of_gains, worst_ratio

N = 8
X = points(N, 4)
Q = points(15, 4)[N : N + 4]
S, SQ, QQ = shifted(X), shifted(X, Q), shifted(Q)
EYE = np.eye


def _log_det_mi(eta, ridge, within=S, to=SQ, among=QQ):
    def of(s):
        block = within[np.ix_(s, s)] + ridge * EYE(len(s))
        explained = to[s] @ np.linalg.solve(among + ridge * EYE(len(among)), to[s].T)
        return np.linalg.slogdet(block)[1] - np.linalg.slogdet(block - eta**2 * explained)[1]

    return of


def _gio(s, data=X):
    apart = np.sqrt(((Q[:, None] - data) ** 2).sum(-1))
    return 4 / len(Q) * np.log(apart.max(1) / apart[:, s].min(1)).sum()


CASES = {
    "flqmi": ("flqmi", {"queries": Q, "eta": 0.3}, lambda s: SQ[s].max(0).sum() + 0.3 * SQ[s].max(1).sum()),
    "flvmi": (
        "flvmi",
        {"queries": Q, "eta": 0.9},
        lambda s: np.minimum(S[s].max(0), 0.9 * SQ.max(1)).sum(),
    ),
    "flvmi, on the fly": (
        "flvmi",
        {"queries": Q, "eta": 0.9, "memory": "on_the_fly"},
        lambda s: np.minimum(S[s].max(0), 0.9 * SQ.max(1)).sum(),
    ),
    "gcmi": ("gcmi", {"queries": Q, "lam": 2.0}, lambda s: 4 * SQ[s].sum()),
    "com": (
        "com",
        {"queries": Q, "eta": 2.0, "concave": "log1p"},
        lambda s: 2 * np.log1p(SQ[s].sum(1)).sum() + np.log1p(SQ[s].sum(0)).sum(),
    ),
    "flcg": (
        "flcg",
        {"private": Q, "nu": 0.7},
        lambda s: np.maximum(0, S[s].max(0) - 0.7 * SQ.max(1)).sum(),
    ),
    "flcg, on the fly": (
        "flcg",
        {"private": Q, "nu": 0.7, "memory": "on_the_fly"},
        lambda s: np.maximum(0, S[s].max(0) - 0.7 * SQ.max(1)).sum(),
    ),
    "log_det_mi": ("log_det_mi", {"queries": Q, "eta": 0.8, "ridge": 0.2}, _log_det_mi(0.8, 0.2)),
    "log_det_mi, signed": (
        "log_det_mi",
        {"queries": Q, "kernel": "cosine"},
        _log_det_mi(1.0, 0.1, X @ X.T, X @ Q.T, Q @ Q.T),
    ),
    "gio": ("gio", {"queries": Q}, _gio),
}


@pytest.mark.parametrize("case", CASES)
def test_values_gains_and_declarations_hold_on_every_set(case):
    name, options, definition = CASES[case]
    objective = make_objective(name, X, N, **options)
    values, gains = table_of_gains(objective)
    sets = [np.flatnonzero([mask >> v & 1 for v in range(N)]) for mask in range(1 << N)]
    expected = np.array([definition(s) if len(s) else 0.0 for s in sets])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(values, expected, atol=1e-11 * scale)
    for v in range(N):
        outside = [mask for mask in range(1 << N) if not mask >> v & 1]
        rise = expected[np.array(outside) | 1 << v] - expected[outside]
        np.testing.assert_allclose(gains[outside, v], rise, atol=1e-11 * scale)
    assert objective.guarantee.monotone
    assert np.nanmin(gains) >= -1e-11 * scale
    ratio, growth = worst_ratio(gains)
    assert (objective.guarantee.kind == "submodular") == (name != "log_det_mi")
    if name == "log_det_mi":
        assert growth > 0.01 * scale  # gains do grow, so nothing is declared
    else:
        assert growth <= 1e-11 * scale
        assert ratio >= 1 - 1e-9


def test_two_elements_may_say_together_what_neither_says_alone():
    # The query is the sum of two directions at a right angle: after one, the other says more.
    rows, query = np.eye(2), np.array([[1.0, 1.0]])
    objective = make_objective("log_det_mi", rows, 2, queries=query, kernel="cosine", ridge=1e-3)
    first = objective.gains()[1]
    objective.add(0)
    assert objective.gains()[1] > 3 * first
    assert objective.guarantee.kind == "none"


@pytest.mark.parametrize("case", CASES)
def test_some_candidates_alone_have_the_gains_that_they_have_among_all(case):
    name, options, _ = CASES[case]
    objective = make_objective(name, X, 3, **options)
    rows = np.array([7, 1, 4, 0])
    part = objective.among(rows)
    for local in (2, 0):
        objective.add(int(rows[local]))
        part.add(local)
    np.testing.assert_allclose(part.gains()[[1, 3]], objective.gains(rows[[1, 3]]), rtol=1e-10, atol=1e-14)
    assert objective.fresh().gains().tolist() == make_objective(name, X, 3, **options).gains().tolist()


@pytest.mark.parametrize("name", ["flqmi", "flvmi", "gcmi", "com", "log_det_mi", "gio"])
def test_another_order_of_rows_gives_the_same_gains(name):
    order = np.random.default_rng(1).permutation(N)
    here, there = make_objective(name, X, 3, queries=Q), make_objective(name, X[order], 3, queries=Q)
    for index in (2, 5):
        np.testing.assert_allclose(here.gains()[order], there.gains(), atol=1e-11)
        here.add(int(order[index]))
        there.add(index)
    assert here.value == pytest.approx(there.value, rel=1e-11)


def test_what_a_private_set_holds_is_left_out():
    objective = make_objective("flcg", X, 3, private=X[[0, 3]])
    np.testing.assert_allclose(objective.gains()[[0, 3]], 0, atol=1e-12)
    assert np.delete(objective.gains(), [0, 3]).min() > 0.01


def test_the_median_bandwidth_is_that_of_the_candidates_for_both_kernels():
    for name, options in (("flvmi", {"queries": Q}), ("flcg", {"private": Q})):
        made = make_objective(name, X, 3, kernel="rbf", **options)
        width = make_objective("facility_location", X, 3, kernel="rbf").describe()["bandwidth"]
        assert made.describe()["bandwidth"] == width
        again = make_objective(name, X, 3, kernel="rbf", bandwidth=width, **options)
        np.testing.assert_array_equal(made.gains(), again.gains())
