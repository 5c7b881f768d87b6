"""Every objective of the catalogue: lazy, eager and the definition agree, and promises and certificates are true."""

import math
from itertools import combinations

import numpy as np
import pytest

from scaling.valuation import make_objective, select
from scaling.valuation.catalogue import OBJECTIVES
from tests.valuation.choosing.toys import brute_best

N, K = 9, 3
QUERIES = np.random.default_rng(99).normal(size=(3, 4))
CASES = [
    ("vendi", {}),
    ("vendi", {"q": 0.5}),
    ("vendi", {"q": 1.5}),
    ("vendi", {"q": 2.0}),
    ("vendi", {"q": 0.1}),
    ("vendi", {"q": 3.0}),
    ("vendi", {"q": math.inf}),
    ("vendi", {"kernel": "shifted_cosine"}),
    ("vendi", {"exact": True}),
    ("vendi", {"first": 4}),
    ("von_neumann", {}),
    ("renyi", {"q": 2.0}),
    ("tsallis", {"q": 0.5}),
    ("rke", {}),
    ("power", {"q": 0.3}),
    ("power", {"q": 1.7, "kernel": "linear"}),
    *(("spectral", {"phi": phi}) for phi in ("entropy", "log", "log_ratio", "exponential", "atan", "tanh", "minimum")),
    ("spectral", {"phi": "ratio", "parameter": 2.0}),
    ("log_det", {"ridge": 0.1}),
    ("log_det", {"kernel": "linear"}),
    ("dpp", {}),
    ("d_optimal", {"ridge": 0.5}),
    ("a_optimal", {"ridge": 2.0}),
    ("v_optimal", {"ridge": 2.0}),
    ("g_optimal", {}),
    ("facility_location", {}),
    ("facility_location", {"kernel": "rbf"}),
    ("facility_location", {"memory": "on_the_fly", "represent": QUERIES}),
    ("facility_location", {"neighbours": 3}),
    ("graph_cut", {"lam": 0.4}),
    ("graph_cut", {"lam": 2.0}),
    ("saturated_coverage", {"share": 0.2}),
    ("feature_based", {"concave": "log1p"}),
    ("set_cover", {}),
    ("k_center", {}),
    ("law_value", {}),
    ("flqmi", {"queries": QUERIES}),
    ("flvmi", {"queries": QUERIES}),
    ("flcg", {"private": QUERIES}),
    ("gcmi", {"queries": QUERIES}),
    ("com", {"queries": QUERIES}),
    ("log_det_mi", {"queries": QUERIES}),
    ("gio", {"queries": QUERIES}),
    ("gio", {"queries": QUERIES, "neighbours": 2, "held": QUERIES[:2] + 1}),
]
IDS = [
    "-".join([name, *(f"{key}_{value}" for key, value in options.items() if np.isscalar(value))])
    for name, options in CASES
]


def data(name, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 4))
    if name in ("feature_based", "set_cover"):
        X = np.abs(X) / 4
    options = {"tokens": rng.uniform(1, 5, N), "start_tokens": 2.0, "amplitude": 3.0, "exponent": 0.3}
    return X, options if name == "law_value" else {}


def by_definition(objective, k):
    """Greedy by values of whole sets, the tie of all first members broken as the objective says."""
    chosen = []
    for _ in range(k):
        rows = [v for v in range(objective.n) if v not in chosen]
        if not chosen:
            gains = objective.fresh().exact_gains(np.array(rows))
        else:
            before = objective.evaluate(chosen)
            gains = np.array([objective.evaluate([*chosen, v]) for v in rows]) - before
        if not np.isfinite(gains).any():
            break
        scale = np.abs(gains[np.isfinite(gains)]).max() if not chosen else scale  # noqa: F821
        chosen.append(rows[int(np.flatnonzero(gains >= gains.max() - 1e-9 * scale)[0])])
    return chosen


def test_every_objective_is_tried():
    assert {name for name, _ in CASES} == set(OBJECTIVES)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("seed", range(2))
def test_lazy_eager_and_the_definition_agree_and_say_what_is_true(name, options, seed):
    X, more = data(name, seed)
    objective = make_objective(name, X, 2 * K, **options, **more)
    lazy, eager = (select(X, K, name, method, **options, **more) for method in ("lazy", "eager"))
    assert lazy.indices.tolist() == eager.indices.tolist() == by_definition(objective, K)
    assert lazy.method == ("lazy" if objective.guarantee.lazy else "eager")
    assert eager.value == pytest.approx(objective.evaluate(eager.indices), rel=1e-6, abs=1e-9)
    best = brute_best(objective, K)
    slack = 1e-6 * abs(best)
    for found in (lazy, eager):
        if found.promised_share is not None:
            assert found.value >= found.promised_share * best - slack
        if found.certificate.share is None:
            assert not objective.guarantee.monotone or objective.guarantee.kind == "none"
        else:
            assert found.certificate.upper >= best - slack
            assert found.value >= found.certificate.share * best - slack


@pytest.mark.parametrize(
    ("name", "options"), [("vendi", {}), ("vendi", {"q": 2.0}), ("renyi", {"q": 0.5}), ("rke", {})]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_score_that_is_certified_bounds_the_best_score(name, options, seed):
    X, _ = data(name, seed)
    objective = make_objective(name, X, 2 * K, **options)
    found = select(X, K, name, **options)

    def score(members):
        state = objective.fresh()
        state.extend(members)
        return state.score()

    best = max(score(s) for s in combinations(range(N), K))
    assert found.scores[-1] == pytest.approx(found.score, rel=1e-5)
    assert [score(found.indices[:size].tolist()) for size in (1, 2, 3)] == pytest.approx(
        found.scores, rel=1e-5, abs=1e-6
    )
    assert found.certificate.score_upper >= best - 1e-6
    assert found.score >= found.certificate.score_share * best - 1e-6
    assert found.certificate.score_upper <= (3.0 if name in ("vendi", "rke") else math.log(3)) + 1e-9


def test_a_vendi_score_falls_after_the_rank_and_the_best_prefix_is_said():
    i, j = np.arange(1, 13)[:, None], np.arange(1, 5)
    X = np.sin(0.7 * i * j) + 0.3 * np.cos(1.3 * i**2 / j)
    found = select(X, 6, "vendi", first=0, tolerance=1e-9)
    assert found.indices.tolist() == [0, 3, 2, 6, 8, 11]
    assert found.scores == pytest.approx([1, 1.99906559, 2.99550118, 3.73050077, 3.7029442, 3.66185006], abs=1e-8)
    assert found.best_prefix == 4
    assert "the score is best at 4 members (3.731) and ends at 3.662" in found.notes[-1]
    swapped = select(X, 6, "vendi", first=0, swaps=20)
    assert sorted(swapped.indices.tolist()) == [0, 1, 3, 6, 8, 11]  # the best of all sets of six
    assert swapped.score == pytest.approx(3.7979408189, abs=1e-9)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_score_of_a_set_that_is_given_whole_is_that_of_one_that_grew(name, options, dtype):
    X, more = data(name, 7)
    state = make_objective(name, X.astype(dtype), 2 * K, **options, **more).among(np.array([0, 2, 3, 4, 6, 8]))
    near = 2e-6 if dtype == "f4" else 1e-9
    for subset in ([], [5], [4, 1, 0], [3, 2, 5, 0]):
        grown = state.fresh()
        for index in subset:
            grown.add(index)
        assert state.score_of(subset) == pytest.approx(grown.score(), rel=near, abs=near)
