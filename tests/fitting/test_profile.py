"""Profile likelihoods: against brute force, against the t interval where both hold, and where they stay open."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, least_squares

import scaling
from scaling.errors import InputDataError, UsageError

X = np.geomspace(1e6, 1e10, 40)
Y = (1.7 + 100 / X**0.25) * np.exp(0.004 * np.random.default_rng(1).standard_normal(40))
TRUTH = {"E": 1.7, "A": 100.0, "alpha": 0.25}


@pytest.fixture(scope="module")
def plain():
    return scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=0)


def brute_force(alpha):
    """Least sum of squares with the exponent held, by another optimiser."""

    def residuals(v):
        return np.log(Y) - np.log(v[0] + np.exp(v[1]) / X**alpha)

    return 2 * least_squares(residuals, [1.7, np.log(100)], xtol=1e-14, ftol=1e-14, gtol=1e-14).cost


def test_it_is_the_smallest_objective_with_the_parameter_held(plain):
    profile = scaling.profile_likelihood(plain, {"x": X}, Y, "alpha")
    for i in (0, 10, 30, len(profile.grid) - 1):
        assert profile.objective[i] == pytest.approx(brute_force(profile.grid[i]), rel=1e-7)
        assert profile.parameters[i, 2] == profile.grid[i]
        r = np.log(Y) - np.log(plain.evaluate({"x": X}, profile.parameters[[i]])[0])
        assert np.sum(r**2) == pytest.approx(profile.objective[i], rel=1e-9)
    assert np.all(np.diff(profile.grid) > 0)
    assert profile.objective.min() == pytest.approx(plain.objective_value, rel=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_its_interval_is_that_of_the_f_test(plain, level):
    profile = scaling.profile_likelihood(plain, {"x": X}, Y, "alpha", level)
    limit = plain.objective_value * (1 + stats.f.ppf(level, 1, 37) / 37)
    assert profile.threshold == pytest.approx(limit, rel=1e-9)
    centre = plain.estimates["alpha"]
    low = brentq(lambda a: brute_force(a) - limit, centre - 0.03, centre)
    high = brentq(lambda a: brute_force(a) - limit, centre, centre + 0.03)
    assert (profile.low, profile.high) == pytest.approx((low, high), abs=1e-6)
    assert profile.closes
    assert profile.method == "profile likelihood, F test with 37 degrees of freedom"


def test_the_test_is_the_interval_turned_round(plain):
    profile = scaling.profile_likelihood(plain, {"x": X}, Y, "alpha", 0.9)
    for end in (profile.low, profile.high):
        assert scaling.profile_test(plain, {"x": X}, Y, {"alpha": end}) == pytest.approx(0.1, abs=1e-5)
    assert scaling.profile_test(plain, {"x": X}, Y, plain.estimates) == pytest.approx(1, abs=1e-6)
    assert scaling.profile_test(plain, {"x": X}, Y, TRUTH) > 0.01
    assert scaling.profile_test(plain, {"x": X}, Y, TRUTH | {"E": 1.5}) < 1e-10


@pytest.mark.parametrize("objective", ["squared", "huber", "lad", "pinball(0.5)"])
def test_it_agrees_with_the_t_interval_of_many_rows(objective):
    x = np.geomspace(1e6, 1e10, 400)
    y = (1.7 + 100 / x**0.25) * np.exp(0.004 * np.random.default_rng(2).standard_normal(400))
    fit = scaling.fit("power_floor", {"x": x}, y, objective=objective, bootstrap=0)
    profile = scaling.profile_likelihood(fit, {"x": x}, y, "alpha")
    low, high = fit.interval("alpha")
    # Of a robust objective the profile is not quite a parabola: it follows the rows near the curve one by one.
    assert (profile.low, profile.high) == pytest.approx(
        (low, high), abs=(0.03 if objective == "squared" else 0.3) * (high - low)
    )
    assert profile.closes


def test_weights_count_as_rows_do():
    twice = scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=0, weights=np.full(40, 2.0))
    profile = scaling.profile_likelihood(twice, {"x": X}, Y, "E", weights=np.full(40, 2.0))
    once = scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=0)
    other = scaling.profile_likelihood(once, {"x": X}, Y, "E")
    assert (profile.low, profile.high) == pytest.approx((other.low, other.high), rel=1e-6)


def test_clusters_widen_it():
    x = np.repeat(np.geomspace(1e6, 1e10, 30), 8)
    runs = np.repeat(np.arange(30), 8)
    rng = np.random.default_rng(0)
    y = (1.7 + 100 / x**0.25) * np.exp(0.004 * rng.standard_normal(30)[runs] + 0.001 * rng.standard_normal(240))
    single = scaling.fit("power_floor", {"x": x}, y, objective="squared", bootstrap=0)
    whole = scaling.fit("power_floor", {"x": x}, y, objective="squared", bootstrap=0, groups=runs)
    narrow = scaling.profile_likelihood(single, {"x": x}, y, "alpha")
    wide = scaling.profile_likelihood(whole, {"x": x}, y, "alpha", groups=runs)
    assert 1.8 < (wide.high - wide.low) / (narrow.high - narrow.low) < 3.6
    low, high = whole.interval("alpha")
    assert (wide.low, wide.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    assert "scaled to the cluster-robust variance" in wide.method


def test_a_profile_that_does_not_close_says_so():
    x = np.geomspace(1e8, 2e8, 20)
    y = (2 + 100 / x**0.25) * np.exp(0.01 * np.random.default_rng(0).standard_normal(20))
    fit = scaling.fit("power_floor", {"x": x}, y, objective="squared", bootstrap=0)
    profile = scaling.profile_likelihood(fit, {"x": x}, y, "E")
    assert not profile.closes_low
    assert profile.low == 0  # the bound
    assert fit.verdict == "not identified"
    short = np.linspace(0, 0.1, 15)
    line = 1 + short + 0.08 * np.random.default_rng(3).standard_normal(15)  # of which no curvature can be seen
    bent = scaling.fit(
        "a - b*exp(-c*x)", {"x": short}, line, objective="squared", residual="linear", bootstrap=0,
        start={"a": 2, "b": 1, "c": 1},
    )  # fmt: skip
    open_end = scaling.profile_likelihood(bent, {"x": short}, line, "c")
    assert not open_end.closes
    assert np.isinf([open_end.low, open_end.high]).any()


def two_bumps():
    """A fit that ended at the lower of two bumps, and its rows."""
    x = np.linspace(0, 10, 40)
    y = np.exp(-((x - 2) ** 2)) + 3 * np.exp(-((x - 8) ** 2)) + 0.05 * np.random.default_rng(0).standard_normal(40)
    start = {"a": 0, "b": 1.0, "c": 2.0}
    fit = scaling.fit("a + b*exp(-(x - c)**2)", {"x": x}, y, objective="squared", residual="linear", bootstrap=0,
                      start=start)  # fmt: skip
    return fit, {"x": x}, y


def test_a_fit_that_is_not_the_optimum_is_said_to_be_none(plain):
    fit, inputs, y = two_bumps()
    assert fit.estimates["c"] == pytest.approx(2, abs=0.2)
    profile = scaling.profile_likelihood(fit, inputs, y, "c", grid=np.linspace(0, 10, 21))
    assert not profile.fit_is_optimum
    assert profile.better["c"] == pytest.approx(8)
    assert profile.objective.min() < 0.2 * fit.objective_value
    assert not profile.low <= fit.estimates["c"] <= profile.high
    again = scaling.fit(fit.law, inputs, y, objective=fit.objective, bootstrap=0, start=profile.better)
    assert again.estimates["c"] == pytest.approx(8, abs=0.1)
    assert scaling.profile_likelihood(again, inputs, y, "c").fit_is_optimum
    assert again.objective_value <= profile.objective.min()
    with pytest.raises(
        InputDataError, match=r"fits better .* than at the estimates .*\nFit again, starting at a=.* c=8"
    ):
        scaling.profile_test(fit, inputs, y, {"c": 8.0})
    assert scaling.profile_likelihood(plain, {"x": X}, Y, "alpha").better == {}
    assert scaling.profile_region(plain, {"x": X}, Y, ("E", "alpha"), size=9).fit_is_optimum


def test_a_grid_of_ones_own(plain):
    grid = np.linspace(0.2, 0.3, 21)
    profile = scaling.profile_likelihood(plain, {"x": X}, Y, "alpha", grid=grid)
    np.testing.assert_allclose(profile.grid, grid, rtol=1e-12)
    chosen = scaling.profile_likelihood(plain, {"x": X}, Y, "alpha")
    assert (profile.low, profile.high) == pytest.approx((chosen.low, chosen.high), abs=2e-4)
    near = scaling.profile_likelihood(
        plain, {"x": X}, Y, "alpha", grid=plain.estimates["alpha"] + np.array([-1e-4, 0, 1e-4])
    )
    assert not near.closes  # nothing was looked at where it might


def test_the_joint_region(plain):
    region = scaling.profile_region(plain, {"x": X}, Y, ("E", "alpha"), 0.9, size=41)
    assert region.objective.shape == (41, 41)
    assert region.threshold == pytest.approx(plain.objective_value * (1 + 2 * stats.f.ppf(0.9, 2, 37) / 37), rel=1e-6)
    assert region.closes
    assert 0.02 < region.inside.mean() < 0.5
    # E and alpha rise together, so the region lies along the diagonal: its corners are outside.
    assert not region.inside[0, -1]
    assert not region.inside[-1, 0]
    where = np.argwhere(region.inside)
    assert np.corrcoef(where.T)[0, 1] > 0.9
    # Each axis of the region is wider than the interval of the parameter alone.
    alone = scaling.profile_likelihood(plain, {"x": X}, Y, "alpha", 0.9)
    held = region.second[region.inside.any(axis=0)]
    assert held.max() - held.min() > 1.1 * (alone.high - alone.low)
    i, k = where[len(where) // 2]
    p = scaling.profile_test(plain, {"x": X}, Y, {"E": region.first[i], "alpha": region.second[k]})
    assert p > 0.1
    rise = region.objective[i, k] - plain.objective_value
    assert p == pytest.approx(stats.f.sf(rise / plain.objective_value * 37 / 2, 2, 37), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda f: scaling.profile_likelihood(f, {"x": X}, Y, "alfa"), "has no parameter 'alfa'\nDid you mean 'alpha'"),
        (lambda f: scaling.profile_likelihood(f, {"x": X}, Y, "E", 95), "a level lies between 0 and 1"),
        (lambda f: scaling.profile_likelihood(f, {"x": X}, Y, "E", grid=[1.7, 1.8]), "a grid needs at least 3 finite"),
        (lambda f: scaling.profile_likelihood(f, {"x": X}, Y, "E", grid=[-1, 1.7, 1.8]), "outside the bounds"),
        (
            lambda f: scaling.profile_likelihood(f, {"x": X}, Y, "E", grid=[1.0, 1.1, 1.2]),
            "not lie inside the grid",
        ),
        (lambda f: scaling.profile_region(f, {"x": X}, Y, ("E", "E")), "a region needs two parameters, but 'E' was"),
        (lambda f: scaling.profile_region(f, {"x": X}, Y, ("E", "A"), size=2), "at least 3 points along each axis"),
        (lambda f: scaling.profile_test(f, {"x": X}, Y, {}), "there is no value to test"),
        (lambda f: scaling.profile_test(f, {"x": X}, Y, {"E": -1}), "E = -1 lies outside the bounds"),
    ],
)
def test_what_cannot_be_asked(plain, call, says):
    with pytest.raises(UsageError, match=says):
        call(plain)


def test_rows_that_are_not_those_of_the_fit(plain):
    for inputs, observed in (({"x": X}, 1.01 * Y), ({"x": X[:30]}, Y[:30])):
        with pytest.raises(InputDataError, match="rows are not those of the fit"):
            scaling.profile_likelihood(plain, inputs, observed, "alpha")
    two = {"x": X[:2]}
    exact = scaling.fit("power", two, 3 / X[:2] ** 0.1, objective="squared", bootstrap=0)
    with pytest.raises(InputDataError, match="leave none to judge by"):
        scaling.profile_likelihood(exact, two, 3 / X[:2] ** 0.1, "alpha")
