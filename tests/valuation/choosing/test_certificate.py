"""A certificate is a true lower bound of the share of the optimum, whatever the method and the constraint."""

import numpy as np
import pytest

from scaling.valuation import select
from scaling.valuation.guarantee import Guarantee
from tests.valuation.choosing.toys import MONOTONE, Toy, brute_best, cut, growing

N, K = 9, 4
METHODS = ["eager", "lazy", "stochastic", "sieve", "partitions"]


@pytest.mark.parametrize("kind", MONOTONE)
@pytest.mark.parametrize("seed", range(8))
def test_the_true_share_is_never_below_the_certificate(kind, seed):
    rng = np.random.default_rng(100 + seed)
    toy = MONOTONE[kind](rng, N)
    best = brute_best(toy, K)
    for method in METHODS:
        found = select(None, K, toy, method, seed=seed)
        proof = found.certificate
        assert proof.upper >= best - 1e-9
        assert proof.share <= found.value / best + 1e-9
        assert proof.share == pytest.approx(min(1, found.value / proof.upper))
        assert proof.share > 0.2  # and it says something


@pytest.mark.parametrize("kind", MONOTONE)
@pytest.mark.parametrize("seed", range(5))
def test_under_caps_and_budgets_too(kind, seed):
    rng = np.random.default_rng(200 + seed)
    toy = MONOTONE[kind](rng, N)
    labels, costs = np.arange(N) % 3, rng.uniform(0.5, 3, N)

    def capped(s):
        return len(s) == 0 or np.bincount(labels[list(s)]).max() <= 1

    def affordable(s):
        return costs[list(s)].sum() <= 4.0

    for method in ("eager", "lazy"):
        classes = select(None, 3, toy, method, labels=labels, per_class=1)
        best = brute_best(toy, 3, capped)
        assert classes.certificate.upper >= best - 1e-9
        assert classes.value >= classes.certificate.share * best - 1e-9
        assert classes.value >= classes.promised_share * best - 1e-9
        budget = select(None, None, toy, method, costs=costs, budget=4.0)
        best = brute_best(toy, N, affordable)
        assert costs[budget.indices].sum() <= 4.0
        assert budget.certificate.upper >= best - 1e-9
        assert budget.value >= budget.certificate.share * best - 1e-9
        if budget.promised_share is not None:
            assert budget.value >= budget.promised_share * best - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_approximate_gains_widen_it(seed):
    rng = np.random.default_rng(300 + seed)
    exact = MONOTONE["log_det"](rng, N)
    noise = rng.uniform(-0.3, 0.3, (N + 1, N))
    toy = Toy(N, exact.of, noise=noise)
    best = brute_best(exact, K)
    for method in ("eager", "lazy", "stochastic"):
        assert select(None, K, toy, method).certificate.upper >= best - 1e-9


def test_nothing_is_certified_where_nothing_is_known():
    rng = np.random.default_rng(0)
    bent = select(None, 3, cut(rng, 7)).certificate
    assert (bent.share, bent.upper) == (None, None)
    assert str(bent).startswith("none: this objective is not monotone")
    free = select(None, 3, growing(rng, 7)).certificate
    assert free.to_dict()["share"] is None
    assert "can grow" in free.why
    unasked = select(None, 3, MONOTONE["cover"](rng, 7), certify=False).certificate
    assert unasked.why == "it was not asked for"


def entropy(X, k):
    """Entropy of the spectrum, made monotone up to k unit rows."""

    def of(s):
        x = np.linalg.eigvalsh(X[list(s)].T @ X[list(s)])
        x = x[x > 1e-12]
        return float(-np.sum(x * np.log(x)) + (1 + np.log(k)) * len(s))

    toy = Toy(len(X), of)
    toy.monotone_to = k
    return toy


def narrow(rng, n=6):
    """Unit vectors of the plane that are much alike."""
    X = np.column_stack([1 + rng.normal(0, 0.17, n), rng.normal(0, 0.17, n)])
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def test_a_budget_of_monotonicity_has_to_hold_the_set_and_the_optimum_together():
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(20):
        X = narrow(rng)
        for k in (2, 3):
            found = select(None, k, entropy(X, 2 * k))
            assert found.certificate.upper >= brute_best(entropy(X, 2 * k), k) - 1e-9
            assert found.promised_share == pytest.approx(1 - np.exp(-1))
            best = brute_best(entropy(X, k), k)
            short = select(None, k, entropy(X, k))
            assert short.certificate.prefix == 0  # all that is certain: no member was held beside the optimum
            assert short.certificate.upper >= best - 1e-9
            assert short.promised_share is None
            assert "monotone up to" in short.promise
            untrue = entropy(X, k)
            untrue.monotone_to = None
            broken += select(None, k, untrue).certificate.upper < best - 1e-6
    assert broken > 5  # so the limit is there for a reason


def test_the_score_is_certified_where_value_and_size_say_it():
    toy = MONOTONE["facility"](np.random.default_rng(0), 8)
    toy.score_at = lambda value, size: value / size
    toy.fresh = lambda: toy_copy(toy)
    found = select(None, 4, toy)
    assert found.scores == pytest.approx(np.cumsum(found.gains) / np.arange(1, 5))
    assert found.certificate.score_share == pytest.approx(found.certificate.share)
    assert found.best_prefix == 1  # a mean over members falls as gains do
    assert "score is best at 1 member" in found.notes[-1]


def toy_copy(toy):
    made = Toy(toy.n, toy.of, toy.guarantee)
    made.score_at, made.fresh = toy.score_at, lambda: toy_copy(toy)
    return made


def test_the_share_that_is_printed_is_rounded_down():
    from scaling.valuation.choosing.certificate import Certificate

    assert "at least 99.9 % of the optimum" in str(Certificate(0.99999, 1.0, 1.0, 3, "x"))


def test_weak_bounds_are_divided_by_the_ratio():
    # f(1 | {0}) is twice f(1): a sum of gains without the ratio says 2, and the pair is worth 3.
    toy = Toy(2, lambda s: {0: 0.0, 1: 1.0, 2: 3.0}[len(set(s))], Guarantee("weak", "a toy", ratio=0.5))
    found = select(None, 2, toy)
    assert found.certificate.upper >= 3.0
