"""Published laws by hand, in one unit; what cannot be worked out says why; whether printed coefficients follow."""

import json
import math

import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.hyperparameters import Method, check_published, find_cells, published_regrets, published_rules
from scaling.hyperparameters.published import step_law
from tests.hyperparameters.conftest import runs

N, D = 1e9, 1e11


def by_name(**settings):
    return {rule.name: rule for rule in published_rules(N, D, **settings)}


def test_laws_are_what_was_printed():
    rules = by_name(loss=2.5)
    step = rules["step-law-2025"]
    assert step.lr == pytest.approx(1.79 * N**-0.713 * D**0.307, rel=1e-12)
    assert step.batch == pytest.approx(0.58 * D**0.571, rel=1e-12)
    deepseek = rules["deepseek-2024"]
    assert deepseek.lr == pytest.approx(0.3118 * (6 * N * D) ** -0.125, rel=1e-12)
    assert deepseek.batch == pytest.approx(0.2920 * (6 * N * D) ** 0.3271, rel=1e-12)
    assert rules["kaplan-2020-lr"].lr == pytest.approx(3.239e-3 - 1.395e-4 * math.log(N), rel=1e-12)
    assert rules["porian-2024"].lr == pytest.approx(3.7 * N**-0.36, rel=1e-12)
    assert rules["minicpm-2024"].batch == pytest.approx(1.21e9 / 2.5**6.24, rel=1e-12)


def test_critical_batches_are_told_from_best_ones():
    rules = by_name(loss=2.5)
    critical = {name: rule for name, rule in rules.items() if rule.kind == "critical"}
    assert critical["zhang-2024"].batch == pytest.approx(512 * 22.91 * (D / 1e6) ** 0.47, rel=1e-5)
    assert critical["zhang-2024-chinchilla"].batch == pytest.approx(512 * 93.20 * (N / 1e6) ** 0.47, rel=1e-5)
    assert critical["kaplan-2020"].batch == pytest.approx(2.1e8 / 2.5 ** (1 / 0.21), rel=1e-9)
    assert all(rule.lr is None for rule in critical.values())


def test_compute_as_given_is_used():
    rules = by_name(flops_per_token=9e9)
    assert rules["deepseek-2024"].lr == pytest.approx(0.3118 * (9e9 * D) ** -0.125, rel=1e-12)
    assert "as given" in rules["deepseek-2024"].note


def test_what_cannot_be_worked_out_says_why():
    rules = by_name()
    for name, why in {
        "minicpm-2024": "a law of the loss, which is missing",
        "kaplan-2020": "a law of the loss, which is missing",
        "power-lines-2025": "its unit could not",
        "bjorck-2024": "could be read",
    }.items():
        assert not rules[name].known
        assert why in rules[name].note
    assert rules["porian-2024"].batch is None
    assert "unit could not be read" in rules["porian-2024"].note
    huge = {rule.name: rule for rule in published_rules(2e10, 4e11)}
    assert huge["kaplan-2020-lr"].lr is None
    assert huge["kaplan-2020-lr"].note == "below 0 at 20B"


def test_every_rule_has_a_source_and_is_plain_data():
    for rule in published_rules(N, D, loss=2.0):
        assert rule.source.startswith("arXiv:")
        assert json.loads(json.dumps(rule.to_dict(), allow_nan=False))["batch_unit"] == "tokens"


@pytest.mark.parametrize(("settings", "said"), [({"loss": 0}, "a loss"), ({"flops_per_token": -1}, "FLOP a token")])
def test_numbers_that_are_none_are_refused(settings, said):
    with pytest.raises(UsageError, match=said):
        published_rules(N, D, **settings)


def test_on_a_sweep_made_by_a_published_law_that_law_gives_up_nothing():
    """The optimum of each cell moved to where the published law has it."""
    cells = step_law_sweep()
    regrets = {entry.rule: entry for entry in published_regrets(cells)}
    step = regrets["step-law-2025"]
    assert step.tuned == ""
    assert step.mean < 1e-3
    assert step.mean < min(entry.mean for name, entry in regrets.items() if entry.tuned == "" and name != step.rule)
    assert regrets["porian-2024"].tuned == "batch"
    assert regrets["minicpm-2024"].tuned == "learning rate"
    assert not {"zhang-2024", "kaplan-2020", "power-lines-2025"} & set(regrets)
    assert len(step.by_cell) == len(cells)
    assert step.worst == max(step.by_cell)


def step_law_sweep(shift=0.0):
    from tests.hyperparameters import conftest

    table = runs(sizes=[2e8, 4e8, 8e8], ratios=[20, 100, 400])
    for n, d in {(n, d) for n, d in zip(table["n_params"], table["n_tokens"], strict=True)}:
        at = (table["n_params"] == n) & (table["n_tokens"] == d)
        lr, batch = step_law(n, d)
        lr *= (d / 4e10) ** shift
        u, v = np.log(table["lr"][at] / lr), np.log(table["batch"][at] / batch)
        h = conftest.HESSIAN
        table["loss"][at] = 2.5 * np.exp(0.5 * (h[0, 0] * u**2 + 2 * h[0, 1] * u * v + h[1, 1] * v**2))
    return find_cells(**table, context_length=2048)


def test_whether_printed_coefficients_follow_is_told_from_numbers():
    check = check_published(step_law_sweep(shift=-0.15), others=[Method("bowl", 0.02, 2)], bootstrap=100)
    assert not check.follow
    tokens = next(e for e in check.exponents if e.law == "learning rate" and e.name == "q")
    assert tokens.published == 0.307
    assert tokens.elsewhere[0] == pytest.approx(0.307 - 0.15, abs=1e-6)
    assert not tokens.reproduced
    assert check.nearest == pytest.approx(0.15, abs=1e-3)
    assert check.sentence.startswith("The published coefficients do not follow from this table")
    assert check.regret_published > check.regret_fitted
    assert json.loads(json.dumps(check.to_dict(), allow_nan=False))["follow"] is False


def test_printed_coefficients_that_follow_are_said_to():
    exponent = check_published(step_law_sweep(), others=[Method("bowl", 0.02, 2)], bootstrap=20).exponents[1]
    assert exponent.elsewhere[0] == pytest.approx(0.307, abs=1e-6)
    assert exponent.inside
