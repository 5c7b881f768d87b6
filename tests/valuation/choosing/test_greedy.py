"""Eager, lazy and the definition take the same members."""

import numpy as np
import pytest

from scaling.errors import InputDataError
from scaling.valuation import select
from scaling.valuation.guarantee import Guarantee
from tests.valuation.choosing.toys import MONOTONE, Toy, brute_greedy, cut, growing


@pytest.mark.parametrize("kind", [*MONOTONE, "cut"])
@pytest.mark.parametrize("seed", range(6))
def test_eager_lazy_and_the_definition_agree(kind, seed):
    toy = (MONOTONE | {"cut": cut})[kind](np.random.default_rng(seed), 11)
    expected = brute_greedy(toy, 6)
    for method in ("eager", "lazy"):
        found = select(None, 6, toy, method)
        assert found.indices.tolist() == expected
        assert found.method == method
        assert found.gains.sum() == pytest.approx(toy.evaluate(expected), rel=1e-12)


def test_lazy_spares_most_gains():
    rng = np.random.default_rng(0)
    points = rng.random((400, 2))
    near = np.exp(-20 * ((points[:, None] - points) ** 2).sum(axis=2))
    eager, lazy = (
        select(None, 30, "facility_location", m, similarities=near, certify=False) for m in ("eager", "lazy")
    )
    assert eager.indices.tolist() == lazy.indices.tolist()
    assert eager.evaluations == 30 * 400
    assert lazy.evaluations < 0.25 * eager.evaluations


def test_ties_go_to_the_lowest_index():
    sizes = np.array([1.0, 2.0, 2.0, 1.0, 2.0])
    toy = Toy(5, lambda s: float(sizes[list(s)].sum()))
    for method in ("eager", "lazy"):
        assert select(None, 4, toy, method).indices.tolist() == [1, 2, 4, 0]


def test_duplicates_are_taken_last_and_named():
    X = np.eye(4)[[0, 1, 0, 1, 2, 3]]
    found = select(X, 5, "feature_based")
    assert found.indices.tolist() == [0, 1, 4, 5, 2]
    assert "1 member of the set with embeddings that another has too: duplicates" in found.notes


def growing_gain():
    """Candidate 3 gains 0.5 alone and 0.9 after 0; without the ratio its old gain would hide it behind candidate 1."""

    def of(s):
        base = {0: 1.0, 1: 0.8, 2: 0.1, 3: 0.5}
        return sum(base[v] for v in s) + (0.4 if 0 in s and 3 in s else 0.0)

    return of


def test_weak_gains_may_grow_by_the_ratio_and_lazy_allows_for_it():
    wide = 20  # more candidates than a first batch, so that the order of the keys matters
    inner = growing_gain()
    fillers = np.linspace(0.79, 0.6, wide)

    def of(s):
        few = [v for v in s if v < 4]
        return inner(few) + float(sum(fillers[v - 4] for v in s if v >= 4))

    toy = Toy(4 + wide, of, Guarantee("weak", "a toy", ratio=0.5 / 0.9))
    assert brute_greedy(toy, 2) == [0, 3]
    assert select(None, 2, toy, "lazy").indices.tolist() == [0, 3]
    untrue = Toy(4 + wide, of, Guarantee("submodular", "not so"))
    assert select(None, 2, untrue, "lazy").indices.tolist() == [0, 1]


def test_lazy_falls_back_where_gains_can_grow():
    toy = growing(np.random.default_rng(1), 9)
    found = select(None, 4, toy, "lazy")
    assert found.method == "eager"
    assert found.indices.tolist() == brute_greedy(toy, 4)
    assert found.notes[0] == "lazy asked for; gains of this objective can grow, so every step scored all candidates"


@pytest.mark.parametrize("method", ["eager", "lazy"])
def test_near_ties_of_approximate_gains_are_decided_exactly(method):
    misled = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        close = MONOTONE["facility"](rng, 12)
        noise = rng.uniform(-0.1, 0.1, (13, 12))
        noise[:, 0] = 0.1  # so that the bound is met
        toy = Toy(12, close.of, noise=noise)
        expected = brute_greedy(close, 6)
        assert select(None, 6, toy, method).indices.tolist() == expected
        state = toy.fresh()
        while len(state.chosen) < 6:
            gains = state.gains()
            gains[state.chosen] = -np.inf
            state.add(int(gains.argmax()))
        misled += state.chosen != expected
    assert misled > 3  # the noise alone would choose otherwise


def test_a_gain_that_is_not_a_number_is_refused():
    toy = Toy(4, lambda s: float("nan") if 2 in s else float(len(s)))
    with pytest.raises(InputDataError, match="The gain of candidate 2 is nan"):
        select(None, 2, toy)


def test_where_all_that_is_left_is_minus_infinity_the_selection_ends():
    toy = Toy(6, lambda s: float(len(s)) if len(s) <= 3 else -np.inf, Guarantee("submodular", "a toy", monotone=False))
    found = select(None, 5, toy)
    assert found.indices.tolist() == [0, 1, 2]
    assert "after 3 members every further one takes the value to -inf" in found.notes[0]
