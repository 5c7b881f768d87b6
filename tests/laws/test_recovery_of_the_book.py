"""The bounds and screens of the book lead to the optimum: known truths come back, with noise and without."""

import numpy as np
import pytest

import scaling
from tests.truths import BY_HAND, crossed, draw

SEEDS = 24
SLOW = ("farseer", "data_constrained", "precision", "gemstones", "capped_power", "tuned_loss")  # 10 to 60 seconds each
LAWS = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in BY_HAND]


@pytest.mark.parametrize("name", LAWS)
def test_a_known_truth_comes_back_from_noise_free_data(name):
    worst = []
    for seed in range(SEEDS):
        inputs, truth = draw(name, np.random.default_rng(seed))
        fit = scaling.fit(name, inputs, BY_HAND[name](**inputs, **truth), objective="squared", bootstrap=0)
        worst.append(max(abs(fit.estimates[k] / truth[k] - 1) for k in truth))
    assert np.sum(np.array(worst) < 1e-6) >= (20 if name == "farseer" else SEEDS)


@pytest.mark.parametrize("name", LAWS)
def test_with_noise_the_screen_leads_where_a_start_at_the_truth_does(name):
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        inputs, truth = draw(name, rng)
        clean = BY_HAND[name](**inputs, **truth)
        noisy = clean * np.exp(0.005 * rng.standard_normal(len(clean)))
        free, led = (
            scaling.fit(name, inputs, noisy, objective="squared", bootstrap=0, start=start) for start in (None, truth)
        )
        found.append(free.objective_value <= led.objective_value * (1 + 1e-6))
    assert sum(found) >= 20


def test_the_ratios_of_a_group_are_found_where_that_group_alone_says_nothing():
    """The second group is a line in ln N and ln D, on which a fit to it alone is refused."""
    sweep, n = crossed(N=np.geomspace(1e7, 1e10, 4), D=np.geomspace(1e9, 1e12, 4)), np.geomspace(1e7, 1e10, 12)
    line = {"N": n, "D": 20 * n}
    inputs = {k: np.concatenate([sweep[k], line[k]]) for k in line} | {"g": np.repeat([0.0, 1.0], [16, 12])}
    truth = {"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.29, "r_N": 1.8, "r_D": 0.6}
    loss = BY_HAND["shared_exponents"](**inputs, **truth)
    loss = loss * np.exp(1e-4 * np.random.default_rng(0).standard_normal(28))
    alone = scaling.fit("chinchilla", line, loss[16:], objective="squared", bootstrap=0)
    assert alone.verdict == "not identified"
    together = scaling.fit("shared_exponents", inputs, loss, objective="squared", bootstrap=0)
    assert together.verdict == "ok"
    assert together.estimates == pytest.approx(truth, rel=0.05)
