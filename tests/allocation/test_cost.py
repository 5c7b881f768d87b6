"""What a run costs: 6ND and its relatives, formulas, and the two inverses of each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.allocation.cost import SIX_N_D, FormulaCost, TransformerCost, find_cost
from scaling.errors import LawError, UsageError

HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
MODELS = {
    "6ND": SIX_N_D,
    "attention": TransformerCost(seq_len=8192, aspect=100),
    "attention, total": TransformerCost(seq_len=8192, params_are="total"),
    "on total": TransformerCost(params_are="non-embedding", flop_of="total"),
    "on non-embedding": TransformerCost(params_are="total", flop_of="non-embedding"),
    "served": TransformerCost(served_tokens=1e11),
    "power": FormulaCost("3*N**1.2*D**0.9"),
    "sum": FormulaCost("6*N*D + 50*N**1.5 + 1e6*D"),
}


@pytest.fixture(scope="module")
def fit():
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(2e8, 2e12, 6)))
    loss = HOFFMANN["E"] + HOFFMANN["A"] / n ** HOFFMANN["alpha"] + HOFFMANN["B"] / d ** HOFFMANN["beta"]
    loss = loss * np.exp(0.003 * np.random.default_rng(0).standard_normal(len(n)))
    return scaling.fit("chinchilla", {"N": n, "D": d}, loss, objective="squared", bootstrap=50)


def test_six_n_d():
    assert SIX_N_D.flop(70e9, 1.4e12) == pytest.approx(5.88e23, rel=1e-14)
    assert SIX_N_D.label == "6*N*D"
    assert SIX_N_D.counts == "as the fitted rows count them"


def test_attention_of_a_known_shape():
    """GPT-3 175B: 96 layers, width 12288, context 2048; 12 l d^2 = 174B (arXiv:2005.14165)."""
    n = 12 * 96 * 12288**2
    cost = TransformerCost(seq_len=2048, aspect=12288 / 96)
    assert cost.flop(n, 3e11) == pytest.approx(6 * n * 3e11 + 12 * 96 * 12288 * 2048 * 3e11, rel=1e-12)
    assert cost.label == "6*N*D + 12*l*d*2048*D with d = 128*l and N = 12*l*d^2"
    # A third of training is the forward pass, which is what serving costs.
    served = TransformerCost(seq_len=2048, served_tokens=1e12)
    assert served.flop(n, 3e11) - served.training_flop(n, 3e11) == pytest.approx(cost.flop(n, 1e12) / 3, rel=1e-12)


def test_served_tokens_cost_two_flop_a_parameter():
    cost = TransformerCost(served_tokens=2e12)
    assert cost.flop(7e9, 1e12) == pytest.approx(6 * 7e9 * 1e12 + 2 * 7e9 * 2e12, rel=1e-14)
    assert cost.training_flop(7e9, 1e12) == pytest.approx(4.2e22, rel=1e-14)
    assert cost.label == "6*N*D + 2*N*2e12"
    assert np.isnan(cost.tokens_for(7e9, 2 * 7e9 * 2e12))  # serving alone eats the budget


def test_the_other_count_of_parameters():
    """N_total = N_ne + 47491 N_ne^(1/3), arXiv:2406.12907."""
    total = 1e9 + 47491 * 1e3
    on_total = TransformerCost(params_are="non-embedding", flop_of="total")
    assert on_total.flop(1e9, 1e10) == pytest.approx(6 * total * 1e10, rel=1e-13)
    assert on_total.other_count(1e9)[0] == "total"
    assert on_total.label == "6*N*D, its N being total parameters"
    assert on_total.counts == "non-embedding parameters"
    back = TransformerCost(params_are="total", flop_of="non-embedding")
    assert back.flop(total, 1e10) == pytest.approx(6e19, rel=1e-12)
    assert back.other_count(total)[1] == pytest.approx(1e9, rel=1e-12)
    assert TransformerCost().other_count(1e9) is None
    own = FormulaCost("7*N*D", "total")
    assert own.counts == "total parameters"
    assert own.other_count(total)[0] == "non-embedding"
    assert own.other_count(total)[1] == pytest.approx(1e9, rel=1e-12)
    assert own.flop(2.0, 3.0) == 42  # the formula takes N as it is
    assert FormulaCost("7*N*D").other_count(1e9) is None
    assert FormulaCost("7*N*D").counts == "as the fitted rows count them"
    # With attention and a total count the shape is that of the parameters without embeddings.
    shaped = TransformerCost(seq_len=100, params_are="total").flop(total, 1.0) - 6 * total
    assert shaped == pytest.approx(TransformerCost(seq_len=100).flop(1e9, 1.0) - 6e9, rel=1e-7)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25, deadline=None)
@given(st.floats(15, 28), st.floats(8.5, 11.5))
def test_the_inverses(name, log_flop, log_size):
    cost, budget, size = MODELS[name], 10**log_flop, 10**log_size
    for found, flop in (
        (cost.tokens_for(size, budget), lambda x: cost.flop(size, x)),
        (cost.params_for(size, budget), lambda x: cost.flop(x, size)),
    ):
        if np.isnan(found):  # not even the smallest is within the budget
            assert flop(1e-15) > budget
        else:
            assert flop(found) == pytest.approx(budget, rel=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_the_optimum_along_any_cost(name, fit):
    """The budget is met, and no neighbour on the line of equal cost is better; checked past the code that found it."""
    cost = MODELS[name]
    budgets = np.array([1e20, 1e23])
    plan = scaling.allocate(fit, budgets, cost=cost)
    np.testing.assert_allclose(cost.flop(plan.n_params, plan.n_tokens), budgets, rtol=1e-9)
    assert plan.cost == cost.label
    for factor in (0.5, 0.97, 1.03, 2.0):
        n = plan.n_params * factor
        d = cost.tokens_for(n, budgets)
        there = fit.evaluate({"N": n, "D": np.where(np.isnan(d), 1.0, d)})[0]
        assert np.all(there > plan.loss)


@pytest.mark.parametrize(("k", "p", "q"), [(6, 1, 1), (0.002, 1.3, 0.8), (7, 0.6, 1.9)])
def test_the_closed_form_of_a_power_cost(k, p, q, fit):
    """alpha A N^-alpha / p = beta B D^-beta / q, with N and D tied by k N^p D^q = C."""
    budgets = np.geomspace(1e20, 1e24, 3)
    plan = scaling.allocate(fit, budgets, cost=FormulaCost(f"{k}*N**{p}*D**{q}"))
    t = fit.estimates
    left = t["alpha"] * t["A"] * plan.n_params ** -t["alpha"] / p
    np.testing.assert_allclose(left, t["beta"] * t["B"] * plan.n_tokens ** -t["beta"] / q, rtol=1e-6)
    np.testing.assert_allclose(k * plan.n_params**p * plan.n_tokens**q, budgets, rtol=1e-9)
    growth = t["beta"] / (q * t["alpha"] + p * t["beta"])
    np.testing.assert_allclose(plan.exponent_params, growth, rtol=1e-5)
    np.testing.assert_allclose(p * plan.exponent_params + q * plan.exponent_tokens, 1, rtol=1e-5)


def test_serving_makes_the_best_model_smaller_and_trained_for_longer(fit):
    """arXiv:2401.00448, both ways to ask: for a loss, and for a budget of training and serving together."""
    plain, served = (scaling.compute_for_loss(fit, 2.1, cost=TransformerCost(served_tokens=x)) for x in (0.0, 1e13))
    assert served["n_params"].point < plain["n_params"].point
    assert served["n_tokens"].point > plain["n_tokens"].point
    n, d = served["n_params"].point[0], served["n_tokens"].point[0]
    total = served["compute_flop"].point[0]
    assert total == pytest.approx(6 * n * d + 2 * n * 1e13, rel=1e-9)
    assert fit.evaluate({"N": n, "D": d})[0, 0] == pytest.approx(2.1, rel=1e-12)
    # Stationarity in N after D(N), arXiv:2401.00448: (6 D + 2 D_inf) - 6 N (dL/dN)/(dL/dD) = 0.
    t = fit.estimates
    slope = (t["alpha"] * t["A"] * n ** (-t["alpha"] - 1)) / (t["beta"] * t["B"] * d ** (-t["beta"] - 1))
    assert 6 * d + 2e13 == pytest.approx(6 * n * slope, rel=1e-5)
    # The training-optimal model of that loss costs more once it is served.
    alone = plain["n_params"].point[0], plain["n_tokens"].point[0]
    assert TransformerCost(served_tokens=1e13).flop(*alone) > total
    budget = scaling.allocate(fit, total, cost=TransformerCost(served_tokens=1e13))
    assert budget.n_params[0] == pytest.approx(n, rel=1e-5)
    assert budget.loss[0] == pytest.approx(2.1, rel=1e-10)
    assert budget.training_flop[0] == pytest.approx(6 * n * d, rel=1e-5)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("6*N", "has N\n"),
        ("6*N*D*x", "has D, N, x"),
        ("42", "has neither"),
        ("6*N*D - 1e30*N", "does not grow"),
        ("N/D", "does not grow"),
        ("-6*N*D", "does not grow"),
        ("N*D + log(N - 1e9)", "does not grow"),
    ],
)
def test_costs_that_are_none(formula, said):
    with pytest.raises(UsageError, match=said):
        FormulaCost(formula)


def test_a_cost_that_cannot_be_read_points_at_the_character():
    with pytest.raises(LawError, match="6N"):
        FormulaCost("6N*D")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attention": True}, "length of the context"),
        ({"seq_len": 2048.0}, "for attention alone"),
        ({"aspect": 64.0}, "for attention alone"),
        ({"flop_of": "total"}, "which parameters the law's N counts"),
        ({"params_are": "all"}, "no count of parameters 'all'"),
        ({"attention": True, "seq_len": -1.0}, "a context length must be a positive"),
        ({"attention": True, "seq_len": 2048.0, "aspect": 0.0}, "an aspect"),
        ({"served_tokens": -1.0}, "served tokens must be a number from 0 on"),
        ({"served_tokens": np.inf}, "served tokens must be a number from 0 on"),
        ({"formula": "6*N*D", "served_tokens": 1e9}, "says everything itself"),
        ({"formula": "6*N*D", "attention": True}, "says everything itself"),
        ({"formula": "6*N*D", "params_are": "total", "flop_of": "total"}, "says everything itself"),
        ({"formula": "6*N*D", "params_are": "all"}, "no count of parameters 'all'"),
    ],
)
def test_options_that_do_not_go_together(options, said):
    with pytest.raises(UsageError, match=said):
        find_cost(options.pop("formula", None), **options)


def test_options_make_the_model():
    assert find_cost() == SIX_N_D
    assert find_cost("6*N*D") == FormulaCost("6*N*D")
    assert find_cost("6*N*D", params_are="total") == FormulaCost("6*N*D", "total")
    assert find_cost(attention=True, seq_len=4096.0).aspect == 128
