import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import UsageError
from scaling.valuation.spectral.phi import PHI, make_phi, phi_of_order

SUBMODULAR = [("entropy", None), ("power", 0.3), ("power", 0.5), ("power", 1.5), ("power", 2.0), ("log", 0.1)]
WEAK = [("ratio", 1.0), ("ratio", 0.1), ("log_ratio", None), ("exponential", None), ("atan", None), ("tanh", None)]


def clean(values):
    return np.where(values > np.finfo(float).eps * values.size * values[-1], values, 0.0)


def value(rows, phi):
    return float(phi.total(clean(np.linalg.eigvalsh(rows.T @ rows)))) if len(rows) else 0.0


def nested(seed, most=8):
    """Return unit rows of a set S, those that make it T, and one more."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 5))
    rows = rng.normal(size=(most, m)) + rng.normal(size=m) * rng.uniform(0, 2)  # often close together
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    inner, outer = sorted(rng.integers(0, most, size=2))
    return rows[:inner], rows[:outer], rows[-1:]


def gain(rows, v, phi):
    return value(np.vstack([rows, v]), phi) - value(rows, phi)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SUBMODULAR), st.integers(0, 100_000))
def test_gains_of_submodular_functions_never_grow(which, seed):
    phi = make_phi(*which)
    assert phi.guarantee(8.0).kind == "submodular"
    small, large, v = nested(seed)
    # A power of 0.3 turns rounding of 1e-16 next to an eigenvalue of zero into 1e-5.
    slack = 1e-4 if phi.parameter is not None and phi.parameter < 0.5 else 1e-7
    assert gain(small, v, phi) >= gain(large, v, phi) - slack


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000))
def test_the_rank_is_submodular(seed):
    phi = make_phi("rank")
    small, large, v = nested(seed)
    assert phi.guarantee(8.0).kind == "submodular"
    assert gain(small, v, phi) >= gain(large, v, phi)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(WEAK), st.integers(0, 100_000))
def test_gains_of_weak_functions_grow_at_most_by_their_ratio(which, seed):
    phi = make_phi(*which)
    small, large, v = nested(seed)
    guarantee = phi.guarantee(8.0)
    assert guarantee.kind == "weak"
    assert 0 < guarantee.ratio < 1
    assert gain(small, v, phi) >= guarantee.ratio * gain(large, v, phi) - 1e-12


def test_some_gains_of_every_weak_function_do_grow():
    """So none of them is called weak that is submodular."""
    for which in WEAK:
        phi = make_phi(*which)
        found = [nested(seed) for seed in range(300)]
        assert min(gain(s, v, phi) - gain(t, v, phi) for s, t, v in found) < -1e-4, which


def test_ratios():
    assert make_phi("ratio", 1.0).guarantee(3.0).ratio == pytest.approx(4 * 4 / 25)
    assert make_phi("ratio", 0.1).guarantee(3.0).ratio == pytest.approx(4 * 31 / 32**2)
    assert make_phi("log_ratio").guarantee(9.0).ratio == pytest.approx(0.1)
    # 1/phi' = 1 + x^2 over its chord 1 + x L is smallest at x = (sqrt(1 + L^2) - 1)/L, where the ratio is 2 x / L.
    expected = 2 * (math.sqrt(65) - 1) / 64
    assert make_phi("atan").guarantee(8.0).ratio == pytest.approx(0.999 * expected, rel=1e-6)
    assert make_phi("tanh").guarantee(1000.0).ratio == 0
    assert make_phi("tanh").guarantee(1000.0).kind == "none"  # a bound that says nothing is no bound
    assert not make_phi("tanh").guarantee(1000.0).lazy


def plane(*degrees):
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize(
    ("name", "parameter", "members", "more", "v", "gains"),
    [
        ("largest", None, (0,), 60, 120, (-0.5, 0.0)),
        ("minimum", None, (0,), 45, 135, (0.2929, 0.7071)),
        ("power", 3.0, (0, 0, 0), 45, 120, (-10.0, -8.755)),
    ],
)
def test_the_counterexamples_are_what_they_say(name, parameter, members, more, v, gains):
    phi = make_phi(name, parameter)
    found = gain(plane(*members), plane(v), phi), gain(plane(*members, more), plane(v), phi)
    np.testing.assert_allclose(found, gains, atol=6e-4)
    guarantee = phi.guarantee(8.0)
    assert (guarantee.kind, guarantee.lazy, guarantee.greedy_share) == ("none", False, None)
    assert "gains can grow" in guarantee.why


@pytest.mark.parametrize("q", [2.5, 3.5, 4.0])
def test_the_counterexample_stands_for_other_powers_above_two(q):
    phi = make_phi("power", q)
    assert gain(plane(0, 0, 0), plane(120), phi) < gain(plane(0, 0, 0, 45), plane(120), phi)
    assert phi.guarantee(8.0).kind == "none"


def test_the_constant_makes_gains_positive_up_to_the_size_and_no_smaller_one_does():
    for which in [("entropy", None), ("power", 1.5), ("power", 2.0), ("largest", None)]:
        phi = make_phi(*which)
        c = phi.monotone_constant(5.0)
        same = np.ones((5, 1))  # the worst case: five copies
        last = gain(same[:4], same[4:], phi) + c
        assert last >= 0
        assert last == pytest.approx(0, abs=1) if which[0] != "largest" else last == 0
    assert make_phi("entropy").monotone_constant(6.0) == pytest.approx(1 + math.log(6))
    assert make_phi("power", 2.0).monotone_constant(6.0) == 12
    for which in [("power", 0.5), *WEAK]:
        assert make_phi(*which).monotone_constant(9.0) == 0
    assert make_phi("entropy").guarantee(math.inf).monotone is False
    assert make_phi("power", 0.5).guarantee(math.inf).monotone is True


def test_normalised_entropy_is_not_submodular_but_what_is_optimised_is():
    """log VS gains -0.0566 at {a, b} and +0.1459 at {a ten times, b}: growth. h = tr phi(M) has no such pair."""
    a, b = np.eye(2)
    small, large = np.array([a, b]), np.array([a] * 10 + [b])

    def log_vendi(rows):
        p = np.linalg.eigvalsh(rows.T @ rows / len(rows))
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    gains = [log_vendi(np.vstack([rows, b])) - log_vendi(rows) for rows in (small, large)]
    np.testing.assert_allclose(gains, [-0.0566, 0.1459], atol=1e-4)
    phi = make_phi("entropy")
    assert gain(small, b[None], phi) >= gain(large, b[None], phi)


def test_derivatives_are_those_of_the_functions():
    x, step = 1.7, 1e-6
    for name in PHI:
        if name in ("rank", "minimum", "largest", "log_ratio", "tanh"):
            continue
        phi = make_phi(name)
        difference = (phi.of(np.array([x + step])) - phi.of(np.array([x - step])))[0] / (2 * step)
        assert phi.slope(x) == pytest.approx(difference, rel=1e-8), name


def test_orders():
    assert [phi_of_order(q).name for q in (0, 0.5, 1, 2, math.inf)] == ["rank", "power", "entropy", "power", "largest"]


@pytest.mark.parametrize(
    ("name", "parameter"), [("entropie", None), ("atan", 2.0), ("ratio", -1.0), ("power", math.nan)]
)
def test_bad_names_and_parameters(name, parameter):
    with pytest.raises(UsageError):
        make_phi(name, parameter)
