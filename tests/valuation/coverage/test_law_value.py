"""The value of a set under a law, in nats and in effective tokens."""

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective


@pytest.mark.parametrize(("unique", "worth"), [(100e9, 3.725673e11), (25e9, 2.645614e11), (10e9, 1.516746e11)])
def test_unique_tokens_on_a_budget_count_as_published(unique, worth):
    objective = make_objective("law_value", None, tokens=[unique], training_tokens=400e9)
    assert objective.gains()[0] == pytest.approx(worth, rel=1e-6)
    assert objective.describe()["repetition"] == 15.387756
    assert objective.describe()["unit"] == "effective tokens"


def test_beyond_the_budget_unique_tokens_add_nothing():
    objective = make_objective("law_value", None, tokens=[30.0, 30.0, 30.0], training_tokens=60.0)
    objective.add(0)
    objective.add(1)
    assert objective.value == pytest.approx(60, rel=1e-12)
    assert objective.gains()[2] == 0


def test_small_gains_keep_their_digits():
    objective = make_objective("law_value", None, tokens=[1.0], start_tokens=1e12, amplitude=400, exponent=0.3)
    assert objective.gains()[0] == pytest.approx(400 * 0.3 * 1e12**-1.3, rel=1e-9)


def test_a_fit_gives_its_term_in_tokens():
    rng = np.random.default_rng(0)
    n, d = np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 5))
    n, d = n.ravel(), d.ravel()
    loss = (1.7 + 400 / n**0.34 + 410 / d**0.28) * np.exp(0.001 * rng.standard_normal(25))
    fit = scaling.fit("chinchilla", {"N": n, "D": d}, loss, bootstrap=0)
    tokens = np.array([1e9, 5e9])
    objective = make_objective("law_value", None, fit=fit, tokens=tokens, start_tokens=1e9)
    inputs = {"N": np.full(3, 1e8), "D": 1e9 + np.array([0, 1e9, 5e9])}
    expected = fit.evaluate(inputs).ravel()
    np.testing.assert_allclose(objective.gains(), expected[0] - expected[1:], rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs the tokens"),
        ({"tokens": [1.0, 2.0]}, "every token is worth the same"),
        ({"tokens": [1.0, 2.0], "amplitude": 3.0}, "both its amplitude and its exponent"),
        ({"tokens": [1.0, 2.0], "amplitude": 3.0, "exponent": 0.3}, "start_tokens (which a law needs) is 0"),
        ({"tokens": [1.0, 2.0], "amplitude": -3.0, "exponent": 0.3, "start_tokens": 1}, "amplitude is -3"),
        ({"tokens": [1.0, 2.0], "training_tokens": 0}, "training_tokens is 0"),
        ({"tokens": [1.0, 2.0], "amplitude": 3, "exponent": 0.3, "start_tokens": 1, "repetition": 3}, "budget"),
    ],
)
def test_calls_that_make_no_sense(options, words):
    with pytest.raises(UsageError) as caught:
        make_objective("law_value", None, **options)
    assert words in str(caught.value)


def test_tokens_are_counted_and_not_negative():
    with pytest.raises(UsageError, match="3 are expected"):
        make_objective("law_value", np.ones((3, 2)), tokens=[1.0, 2.0], training_tokens=5)
    with pytest.raises(InputDataError, match="weight of candidate 1 is -2"):
        make_objective("law_value", None, tokens=[1.0, -2.0], training_tokens=5)


def test_a_fit_without_such_a_term_is_refused():
    compute = np.geomspace(1, 1e4, 9)
    fit = scaling.fit("E + A/C**alpha", {"C": compute}, 2 + compute**-0.3 + 0.001 * (-1.0) ** np.arange(9))
    with pytest.raises(UsageError, match="no term B/D"):
        make_objective("law_value", None, fit=fit, tokens=[1.0], start_tokens=1.0)
