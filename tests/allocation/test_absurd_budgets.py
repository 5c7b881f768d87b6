"""Budgets for which a law has nothing to say: at its floor, beyond all sizes, and below one parameter or one token."""

import numpy as np
import pytest

import scaling
from scaling.errors import VerdictError
from tests.truths import crossed


def chinchilla(N, D, E, A, B, alpha, beta):
    return E + A / N**alpha + B / D**beta


RUNS = crossed(N=np.geomspace(1e7, 1e10, 6), D=np.geomspace(2e8, 2e11, 6))
TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


@pytest.fixture(scope="module")
def fit():
    return scaling.fit("chinchilla", RUNS, chinchilla(**RUNS, **TRUTH), objective="squared", bootstrap=0)


@pytest.mark.parametrize("budget", [1e120, 1e300])
def test_at_the_floor_no_split_is_better_than_another(fit, budget):
    with pytest.raises(VerdictError, match=r"is its floor to rounding, E = 1\.690, so no split is better") as caught:
        scaling.allocate(fit, [1e22, budget])
    assert caught.value.hint == "Ask for a smaller budget."
    with pytest.raises(VerdictError, match=r"is its floor to rounding, E = 1\.690"):
        scaling.overhead(fit, budget**0.5, budget**0.5)


def test_a_law_without_a_floor_ends_where_the_search_does():
    free = scaling.fit(
        "A/N**alpha + B/D**beta",
        RUNS,
        400 / RUNS["N"] ** 0.2 + 300 / RUNS["D"] ** 0.15,
        objective="squared",
        bootstrap=0,
    )
    best = scaling.allocate(free, 1e80)
    assert 6 * best.n_params[0] * best.n_tokens[0] == pytest.approx(1e80)
    with pytest.raises(VerdictError, match="1e300 FLOP lies beyond all sizes that are searched, up to 1e90 parameters"):
        scaling.allocate(free, 1e300)


@pytest.mark.parametrize("budget", [1e-5, 1.0, 20.0])
def test_an_optimum_of_less_than_one_parameter_or_token_is_refused(fit, budget):
    g = (0.34 * 406.4 / (0.28 * 410.7)) ** (1 / 0.62)
    n = g * (budget / 6) ** (0.28 / 0.62)
    if min(n, budget / 6 / n) < 1:
        with pytest.raises(VerdictError, match=r"FLOP buy no model: by the law the best would have .* parameters and "):
            scaling.allocate(fit, budget)
    else:
        assert scaling.allocate(fit, budget).n_params[0] == pytest.approx(n, rel=1e-5)


@pytest.mark.parametrize("target", [800.0, 1e5])
def test_a_loss_that_less_than_one_parameter_reaches_is_refused(fit, target):
    """The best split has less than one token where it reaches a loss of 750 or more."""
    with pytest.raises(VerdictError, match=r"less than one parameter or less than one token reaches a loss of"):
        scaling.compute_for_loss(fit, target)
    assert scaling.compute_for_loss(fit, 100.0)["n_params"].point[0] > 1
