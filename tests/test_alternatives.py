"""The same rows under other objectives and other laws."""

from __future__ import annotations

import numpy as np
import pytest

import scaling
from scaling.alternatives import alternatives

RANDOM = np.random.default_rng(2)
N, D = RANDOM.uniform(1e7, 1e10, 40), RANDOM.uniform(1e9, 1e12, 40)
LOSS = (1.8 + 480 / N**0.35 + 2100 / D**0.37) * np.exp(0.002 * RANDOM.standard_normal(40))
INPUTS = {"N": N, "D": D}
OTHERS = ["huber on log residuals", "lad on log residuals", "squared on log residuals", "squared on linear residuals"]


@pytest.mark.parametrize(
    ("objective", "residual", "expected"),
    [
        ("huber", "log", OTHERS[1:]),
        ("squared", "linear", ["huber on linear residuals", "lad on linear residuals", "squared on log residuals"]),
        ("lad", "linear", ["huber on linear residuals", *OTHERS[2:]]),
    ],
)
def test_are_the_other_objectives_and_then_the_other_laws(objective: str, residual: str, expected: list[str]) -> None:
    fit = scaling.fit("chinchilla", INPUTS, LOSS, objective=objective, residual=residual, bootstrap=0)
    found = alternatives(fit, INPUTS, LOSS, bootstrap=0)
    assert [a.label for a in found] == [*expected, "kaplan", "skaling", "multiplicative", "farseer", "gadre"]
    for other in found[len(expected) :]:
        assert other.fit is not None
        assert (other.fit.objective.name, other.fit.objective.residual) == (objective, residual)
        assert other.fit.law.name == other.label


@pytest.mark.slow
def test_are_fits_like_any_other() -> None:
    fit = scaling.fit("chinchilla", INPUTS, LOSS, bootstrap=0, seed=6)
    found = {a.label: a.fit for a in alternatives(fit, INPUTS, LOSS, bootstrap=20)}
    expected = scaling.fit("chinchilla", INPUTS, LOSS, objective="lad", bootstrap=20, seed=6)
    assert found["lad on log residuals"] == expected
    assert found["kaplan"] == scaling.fit("kaplan", INPUTS, LOSS, bootstrap=20, seed=6)


@pytest.mark.slow
def test_keep_the_delta_of_the_objective_and_the_clusters() -> None:
    groups = np.repeat(np.arange(10), 4)
    fit = scaling.fit("chinchilla", INPUTS, LOSS, delta=0.01, groups=groups, bootstrap=0)
    found = {a.label: a.fit for a in alternatives(fit, INPUTS, LOSS, groups, bootstrap=10)}
    skaling, lad = found["skaling"], found["lad on log residuals"]
    assert skaling is not None
    assert lad is not None
    assert skaling.objective.delta == 0.01
    assert lad.objective.delta is None
    assert lad.diagnostics.groups == skaling.diagnostics.groups == 10


@pytest.mark.slow
def test_that_cannot_be_fitted_say_why() -> None:
    few = {"N": N[:5], "D": D[:5]}
    fit = scaling.fit("chinchilla", few, LOSS[:5], bootstrap=0)
    found = {a.label: a for a in alternatives(fit, few, LOSS[:5], bootstrap=0)}
    assert found["skaling"].fit is None
    assert "5 rows cannot determine the 6 parameters" in found["skaling"].refusal
    assert found["lad on log residuals"].fit is not None
    assert found["lad on log residuals"].refusal == ""


def test_a_law_of_ones_own_is_compared_by_its_objectives() -> None:
    bounds = {"E": {"low": 0}, "A": {"low": 0}, "a": {"low": 0.01, "high": 2}}
    fit = scaling.fit("E + A/q**a", {"q": N}, LOSS, parameters=bounds, bootstrap=0)
    assert [a.label for a in alternatives(fit, {"q": N}, LOSS, bootstrap=0)] == OTHERS[1:]


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    fit = scaling.fit("chinchilla", INPUTS, LOSS, bootstrap=0)
    alternatives(fit, INPUTS, LOSS, bootstrap=0, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 8) for i in range(1, 9)]
