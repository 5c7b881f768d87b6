"""Every objective against its definition, on every set of a few points; and what each one declares, tried out."""

import numpy as np
import pytest

from scaling.valuation import make_objective
from tests.valuation.definitions import points, shifted, table_of_gains, worst_ratio

N = 8
X = points(N, 4)
S = shifted(X)
OTHER = points(20, 4)[N:14]
RNG = np.random.default_rng(3)
B = RNG.random((N, 5)) * (RNG.random((N, 5)) < 0.6)
P = RNG.random((N, 6)) ** 2
TOKENS = RNG.random(N) * 30
W = np.array([0.5, 2.0, 0.0, 1.0, 3.0, 1.0, 0.2, 1.0])


def _law(tokens, start):
    return lambda s: 400 * start**-0.3 - 400 * (start + tokens[s].sum()) ** -0.3


def _unique(s, budget, start=0.0, repetition=15.387756):
    unique = min(start + TOKENS[s].sum(), budget)
    return unique * (1 + repetition * (1 - np.exp(-(budget / unique - 1) / repetition))) if unique else 0.0


def _sigma(s):
    return B[s].sum(0) / (1 + B[s].sum(0))


CASES = {
    "facility": ("facility_location", {}, lambda s: S[s].max(0).sum()),
    "facility, weights": ("facility_location", {"weights": W}, lambda s: (W * S[s].max(0)).sum()),
    "facility, represent": ("facility_location", {"represent": OTHER}, lambda s: shifted(X, OTHER)[s].max(0).sum()),
    "facility, on the fly": ("facility_location", {"memory": "on_the_fly"}, lambda s: S[s].max(0).sum()),
    "facility, relu": (
        "facility_location",
        {"kernel": "relu_cosine", "memory": "on_the_fly"},
        lambda s: np.maximum(X @ X.T, 0)[s].max(0).sum(),
    ),
    "facility, rbf": (
        "facility_location",
        {"kernel": "rbf", "bandwidth": 0.7, "memory": "on_the_fly"},
        lambda s: np.exp(-((X[:, None] - X) ** 2).sum(-1) / (2 * 0.49))[s].max(0).sum(),
    ),
    "graph cut": ("graph_cut", {"lam": 0.5}, lambda s: S[s].sum() - 0.5 * S[np.ix_(s, s)].sum()),
    "graph cut, steep": ("graph_cut", {"lam": 2.0}, lambda s: S[s].sum() - 2 * S[np.ix_(s, s)].sum()),
    "graph cut, represent": (
        "graph_cut",
        {"lam": 0.3, "represent": OTHER},
        lambda s: shifted(X, OTHER)[s].sum() - 0.3 * S[np.ix_(s, s)].sum(),
    ),
    "saturated": ("saturated_coverage", {"share": 0.3}, lambda s: np.minimum(S[s].sum(0), 0.3 * S.sum(0)).sum()),
    "saturated, on the fly": (
        "saturated_coverage",
        {"share": 0.3, "memory": "on_the_fly", "weights": W},
        lambda s: (W * np.minimum(S[s].sum(0), 0.3 * S.sum(0))).sum(),
    ),
    "sqrt": ("feature_based", {"features": B}, lambda s: np.sqrt(B[s].sum(0)).sum()),
    "log1p": ("feature_based", {"features": B, "concave": "log1p"}, lambda s: np.log1p(B[s].sum(0)).sum()),
    "saturation": (
        "feature_based",
        {"features": B, "concave": "saturation", "weights": [1, 0, 2, 1, 1]},
        lambda s: (np.array([1, 0, 2, 1, 1]) * _sigma(s)).sum(),
    ),
    "set cover": ("set_cover", {"probabilities": P}, lambda s: (1 - np.prod(1 - P[s], axis=0)).sum()),
    "law": (
        "law_value",
        {"tokens": TOKENS, "start_tokens": 5.0, "amplitude": 400, "exponent": 0.3},
        _law(TOKENS, 5.0),
    ),
    "budget": ("law_value", {"tokens": TOKENS, "training_tokens": 90.0}, lambda s: _unique(s, 90.0)),
    "law on a budget": (
        "law_value",
        {
            "tokens": TOKENS,
            "start_tokens": 2.0,
            "amplitude": 400,
            "exponent": 0.3,
            "training_tokens": 60.0,
            "repetition": 5.0,
        },
        lambda s: 400 * (_unique([], 60.0, 2.0, 5.0) ** -0.3 - _unique(s, 60.0, 2.0, 5.0) ** -0.3),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_values_gains_and_declarations_hold_on_every_set(case):
    name, options, definition = CASES[case]
    objective = make_objective(name, X, N, **options)
    values, gains = table_of_gains(objective)
    sets = [np.flatnonzero([mask >> v & 1 for v in range(N)]) for mask in range(1 << N)]
    expected = np.array([definition(s) if len(s) else 0.0 for s in sets])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(values, expected, atol=1e-12 * scale)
    for v in range(N):
        outside = [mask for mask in range(1 << N) if not mask >> v & 1]
        rise = expected[np.array(outside) | 1 << v] - expected[outside]
        np.testing.assert_allclose(gains[outside, v], rise, atol=1e-12 * scale)
    ratio, growth = worst_ratio(gains)
    assert objective.guarantee.kind == "submodular"
    assert growth <= 1e-12 * scale
    assert ratio >= 1 - 1e-9
    if objective.guarantee.monotone:
        assert np.nanmin(gains) >= -1e-12 * scale


def test_a_steep_graph_cut_is_not_monotone_and_says_so():
    steep = make_objective("graph_cut", X, 3, lam=2.0)
    assert not steep.guarantee.monotone
    assert steep.guarantee.greedy_share is None
    assert np.nanmin(table_of_gains(steep)[1]) < -0.1
    assert make_objective("graph_cut", X, 3, lam=0.5).guarantee.monotone


def test_up_to_a_size_a_steep_graph_cut_may_be_monotone():
    rows = points(60, 4)
    assert make_objective("graph_cut", rows, 3, lam=2.0).guarantee.monotone
    assert not make_objective("graph_cut", rows, 30, lam=2.0).guarantee.monotone
    assert not make_objective("graph_cut", rows, None, lam=2.0).guarantee.monotone


@pytest.mark.parametrize("case", CASES)
def test_some_candidates_alone_have_the_gains_that_they_have_among_all(case):
    name, options, _ = CASES[case]
    objective = make_objective(name, X, 3, **options)
    rows = np.array([7, 1, 4, 6, 0])
    part = objective.among(rows)
    assert part.n == 5
    for local in (2, 0):
        objective.add(int(rows[local]))
        part.add(local)
    np.testing.assert_allclose(part.gains()[[1, 3, 4]], objective.gains(rows[[1, 3, 4]]), rtol=1e-12)
    twice = part.among(np.array([1, 3]))
    assert twice.chosen == []
    np.testing.assert_allclose(twice.gains(), objective.fresh().gains(rows[[1, 3]]), rtol=1e-12)
    assert part.value == pytest.approx(objective.evaluate([4, 7]), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_copies_do_not_share_their_state(case):
    name, options, _ = CASES[case]
    objective = make_objective(name, X, 3, **options)
    first = objective.gains().copy()
    other = objective.fresh()
    other.add(3)
    other.add(6)
    objective.evaluate([1, 2])
    np.testing.assert_array_equal(objective.gains(), first)
    assert objective.value == 0
    assert objective.chosen == []


@pytest.mark.parametrize("name", ["facility_location", "graph_cut", "saturated_coverage", "k_center"])
@pytest.mark.parametrize("seed", [0, 1])
def test_another_order_of_rows_selects_the_same_examples(name, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((40, 6))
    order = rng.permutation(40)
    here, there = make_objective(name, rows, 6), make_objective(name, rows[order], 6)
    for _ in range(6):
        a, b = here.gains(), there.gains()
        np.testing.assert_allclose(a[order], b, atol=1e-10)
        a[here.chosen], b[there.chosen] = -np.inf, -np.inf
        assert order[b.argmax()] == a.argmax()
        here.add(int(a.argmax()))
        there.add(int(b.argmax()))
