"""Quantile fits and the over-estimate penalty: values, derivatives, majorisers, optima, covariances, text."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.errors import UsageError
from scaling.fitting.compile import compile_law
from scaling.fitting.objective import Objective
from scaling.fitting.solve import Problem

steady = settings(derandomize=True, deadline=None)

SMOOTH = [
    Objective("squared"),
    Objective("huber", delta=0.3),
    Objective("pinball", tau=0.9, kappa=7),
    Objective("pinball", tau=0.2, kappa=0.8),
    Objective("asymmetric", over=10, delta=0.3),
    Objective("asymmetric", over=0.25, delta=0.3),
]
CORNERED = [Objective("lad"), Objective("pinball", tau=0.98), Objective("pinball", tau=0.3)]


def test_the_smoothed_pinball_at_tau_98_kappa_50():
    u = np.array([-0.2, -0.1, -0.05, -0.02, 0, 0.02, 0.05, 0.1, 0.2])
    known = [0.00400091, 0.00213431, 0.00257779, 0.00666523, np.log(2) / 50, 0.02586523, 0.05057779, 0.09813431,
             0.19600091]  # fmt: skip
    np.testing.assert_allclose(Objective("pinball", tau=0.98, kappa=50).rho(u), known, atol=1e-8)


def test_the_exact_pinball_and_the_over_estimate_penalty():
    r = np.array([-2.0, -0.1, 0.0, 0.1, 2.0])
    np.testing.assert_allclose(Objective("pinball", tau=0.9).rho(r), [0.2, 0.01, 0, 0.09, 1.8])
    np.testing.assert_allclose(Objective("pinball", tau=0.5).rho(r), Objective("lad").rho(r) / 2)
    np.testing.assert_allclose(Objective("asymmetric", over=10, delta=0.5).rho(r), [8.75, 0.05, 0, 0.005, 0.875])
    np.testing.assert_allclose(Objective("asymmetric", over=1).rho(r), Objective("huber").rho(r))


def test_neither_end_of_a_sharp_pinball_overflows():
    objective = Objective("pinball", tau=0.9, kappa=1e6)
    r = np.array([-1e3, 1e3])
    np.testing.assert_allclose(objective.rho(r), [100, 900], rtol=1e-12)
    np.testing.assert_allclose(objective.score(r), [-0.1, 0.9], rtol=1e-12)


@steady
@given(st.floats(-3, 3), st.sampled_from(SMOOTH))
def test_the_derivatives_are_those_of_rho(r, objective):
    step = 1e-4
    corner = min(abs(r), abs(abs(r) - (objective.delta or 9)))
    if corner < 2 * step:
        return
    below, here, above = objective.rho(np.array([r - step, r, r + step]))
    assert objective.score(np.array([r]))[0] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-7)
    bend, _ = objective.curvatures(np.array([r]))
    assert bend[0] == pytest.approx((above - 2 * here + below) / step**2, rel=1e-4, abs=1e-5)


@steady
@given(st.floats(-3, 3), st.sampled_from([*SMOOTH, *CORNERED]))
def test_the_parabola_of_the_gauss_newton_step_lies_above(at, objective):
    if objective.cornered and abs(at) < 1e-6:
        return
    r = np.linspace(-5, 5, 2001)
    start = np.array([at])
    rise = r - at
    _, chord = objective.curvatures(start)
    parabola = objective.rho(start) + objective.score(start) * rise + 0.5 * chord * rise**2
    assert np.all(objective.rho(r) <= parabola + 1e-9 * (1 + parabola))


@pytest.mark.parametrize("objective", [str(o) for o in SMOOTH])
@pytest.mark.parametrize("residual", ["log", "linear"])
def test_gradient_and_hessian_of_a_whole_problem(objective, residual):
    goal = Objective.parse(objective.split(" on ")[0], residual)
    law = scaling.find_law("a + b*x**c", {"x": [1.0]})
    rng = np.random.default_rng(3)
    x = rng.uniform(1, 9, 40)
    y = 2 + 0.7 * x**0.8 + 0.4 * rng.standard_normal(40)
    kernel = compile_law(law, [False] * 3)
    problem = Problem(kernel, kernel.prepare({"x": x}), np.abs(y), goal, np.full(3, -9.0), np.full(3, 9.0))
    theta, weights = np.array([2.1, 0.6, 0.85]), rng.uniform(0.5, 2, (1, 40))
    value, gradient, _, hessian = problem._derivatives(theta[None], weights, np.array([0]))
    assert value[0] == pytest.approx(problem.values(theta[None], weights)[0], rel=1e-13)

    def slope(at):
        return problem._derivatives(at[None], weights, np.array([0]))[1][0]

    for j, step in enumerate(1e-6 * np.eye(3)):
        ends = problem.values(np.array([theta - step, theta + step]), weights)
        assert gradient[0, j] == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(
            hessian[0, j], (slope(theta + step) - slope(theta - step)) / 2e-6, rtol=2e-5, atol=1e-5
        )


@pytest.fixture(scope="module")
def line():
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 10, 401)
    return {"x": x}, 20 + 0.7 * x + (1 + 0.1 * x) * rng.standard_normal(401)


@pytest.mark.parametrize("tau", [0.02, 0.1, 0.5, 0.75, 0.9, 0.98])
def test_the_exact_quantile_is_the_linear_programme(line, tau):
    from scipy.optimize import linprog

    inputs, y = line
    fit = scaling.fit("a + b*x", inputs, y, objective=f"pinball({tau})", residual="linear", bootstrap=0)
    n = len(y)
    design = np.stack([np.ones(n), inputs["x"]], axis=1)
    best = linprog(
        np.r_[0, 0, np.full(n, tau), np.full(n, 1 - tau)],
        A_eq=np.hstack([design, np.eye(n), -np.eye(n)]),
        b_eq=y,
        bounds=[(None, None)] * 2 + [(0, None)] * (2 * n),
    )
    assert fit.objective_value == pytest.approx(best.fun, rel=1e-9)
    # Up to the rows that the line goes through, the share below it is tau.
    assert np.sum(fit.residuals < -1e-7) <= tau * n <= np.sum(fit.residuals <= 1e-7)


def test_half_of_lad(line):
    inputs, y = line
    lad = scaling.fit("a + b*x", inputs, y, objective="lad", residual="linear", bootstrap=0)
    half = scaling.fit("a + b*x", inputs, y, objective="pinball(0.5)", residual="linear", bootstrap=0)
    assert half.objective_value == pytest.approx(lad.objective_value / 2, rel=1e-10)
    assert half.theta == pytest.approx(lad.theta, rel=1e-6)
    np.testing.assert_allclose(half.covariance, lad.covariance, rtol=1e-4)
    bent = y + 0.3 * (inputs["x"] - inputs["x"].mean()) ** 2
    said = [
        scaling.fit("a + b*x", inputs, bent, objective=o, residual="linear", bootstrap=0)
        for o in ("lad", "pinball(0.5)")
    ]
    assert said[0].diagnostics.structure_p == pytest.approx(said[1].diagnostics.structure_p, rel=1e-3)
    assert said[0].diagnostics.structure_p < 1e-4
    assert said[0].verdict == said[1].verdict == "weak"


def test_a_sharper_corner_comes_near_the_exact_quantile(line):
    inputs, y = line
    exact = scaling.fit("a + b*x", inputs, y, objective="pinball(0.9)", residual="linear", bootstrap=0)
    gaps = []
    for kappa in (1, 10, 100):
        goal = Objective("pinball", "linear", tau=0.9, kappa=kappa)
        smooth = scaling.fit("a + b*x", inputs, y, objective=goal, bootstrap=0)
        gaps.append(float(np.sum(exact.objective.rho(smooth.residuals))) - exact.objective_value)
        assert smooth.objective == goal
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[2] < 1e-3 * exact.objective_value


@pytest.mark.slow
def test_the_boundary_of_a_sigmoid():
    """The .98-quantile of a known mixture: a sigmoid half a hundredth below the highest curve."""
    z = np.repeat(np.linspace(21, 25, 201), 50)
    v = np.tile((np.arange(50) + 0.5) / 50, 201)
    y = np.clip(0.1 + 0.7 * (1 / (1 + np.exp(-1.5 * (z - 23.2)))) - 0.25 * (1 - v), 0, 1)
    assert y.sum() == pytest.approx(2999.6043261, abs=1e-6)
    bounds = {"y0": {"low": 0, "high": 1}, "L": {"low": 0, "high": 1}, "m": {"low": 21, "high": 25},
              "b": {"low": 0.05, "high": 50}}  # fmt: skip
    known = {
        50: ([0.12534, 0.69969, 23.20025, 1.50098], 0.00332871),
        200: ([0.09722, 0.700, 23.200, 1.500], 0.00247106),
        2000: ([0.095, 0.700, 23.200, 1.500], 0.00235023),
    }
    for kappa, (values, objective) in known.items():
        fit = scaling.fit(
            "y0 + L*sigmoid(b*(z - m))", {"z": z}, y, objective=f"pinball(0.98, {kappa})", residual="linear",
            parameters=bounds, bootstrap=0,
        )  # fmt: skip
        assert fit.objective_value / len(y) <= objective + 1e-8
        found = [fit.estimates[name] for name in ("y0", "L", "m", "b")]
        np.testing.assert_allclose(found, values, atol=3e-4)


def test_over_estimates_pull_the_law_down(line):
    inputs, y = line
    levels, shares = [], []
    for over in (0.1, 1, 10):
        goal = Objective("asymmetric", "linear", over=over, delta=1e-3)
        fit = scaling.fit("a + b*x", inputs, y, objective=goal, bootstrap=0)
        levels.append(fit.estimates["a"] + 5 * fit.estimates["b"])
        shares.append(float(np.mean(fit.residuals < 0)))
    assert levels[0] > levels[1] > levels[2]
    # With so small a delta it is the quantile 1 / (1 + over).
    assert shares == pytest.approx([10 / 11, 1 / 2, 1 / 11], abs=0.01)


@pytest.mark.parametrize(
    "objective",
    [
        pytest.param("pinball(0.5)", marks=pytest.mark.slow),
        pytest.param("pinball(0.9)", marks=pytest.mark.slow),
        "pinball(0.9, 20)",
        pytest.param("asymmetric(4, 0.01)", marks=pytest.mark.slow),
        "asymmetric(4, 1)",
    ],
)
@pytest.mark.slow
def test_the_covariance_covers(objective):
    """400 simulations: 95 % intervals of the slope cover in 90 to 99 %, about the binomial band at 1e-4."""
    rng = np.random.default_rng(11)
    covered = 0
    x = np.linspace(0, 1, 150)
    for _ in range(400):
        y = 5 + 2 * x + 0.3 * rng.standard_normal(150)
        fit = scaling.fit("a + b*x", {"x": x}, y, objective=objective, residual="linear", bootstrap=0,
                          start={"a": 5, "b": 2})  # fmt: skip
        low, high = fit.interval("b", 0.95)
        covered += low <= 2 <= high
    assert 0.90 <= covered / 400 <= 0.99


def test_a_quantile_with_too_few_rows_beyond_it_has_no_covariance(line):
    inputs, y = {"x": line[0]["x"][:100]}, line[1][:100]
    fit = scaling.fit("a + b*x", inputs, y, objective="pinball(0.98)", residual="linear", bootstrap=0)
    assert np.all(np.isnan(fit.covariance))
    assert np.isnan(fit.interval("b")[0])


def test_a_quantile_keeps_its_share_in_the_bootstrap(line):
    inputs, y = line
    fit = scaling.fit("a + b*x", inputs, y, objective="pinball(0.9)", residual="linear", bootstrap=200)
    low, high = fit.interval("b")
    assert low < fit.estimates["b"] < high
    exact = scaling.fit("a + b*x", inputs, y, objective="pinball(0.9)", residual="linear", bootstrap=0)
    assert np.std(fit.replicates[:, 1]) == pytest.approx(exact.standard_errors["b"], rel=0.4)


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("squared", Objective("squared")),
        ("huber", Objective("huber", delta=1e-3)),
        ("huber(0.25)", Objective("huber", delta=0.25)),
        (" lad ", Objective("lad")),
        ("pinball(0.9)", Objective("pinball", tau=0.9)),
        ("pinball(0.9, 0)", Objective("pinball", tau=0.9)),
        ("pinball(0.9, inf)", Objective("pinball", tau=0.9)),
        ("pinball(0.98,50)", Objective("pinball", tau=0.98, kappa=50)),
        ("asymmetric(10)", Objective("asymmetric", over=10, delta=1e-3)),
        ("asymmetric(10, 0.01)", Objective("asymmetric", over=10, delta=0.01)),
    ],
)
def test_text_and_back(text, goal):
    assert Objective.parse(text) == goal
    written, _, scale = str(goal).partition(" on ")
    assert Objective.parse(written) == goal
    assert scale == "log residuals"


@steady
@given(st.floats(1e-300, 1e300), st.floats(1e-6, 1 - 1e-6))
def test_no_digit_is_lost_in_the_text(size, tau):
    for goal in (
        Objective("huber", delta=size),
        Objective("pinball", tau=tau, kappa=size),
        Objective("asymmetric", over=size, delta=size),
    ):
        assert Objective.parse(goal.text) == goal


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pinbal(0.9)", "there is no objective 'pinbal'\nDid you mean 'pinball(TAU)'"),
        ("pinball", "needs tau"),
        ("pinball()", "needs tau"),
        ("pinball(1)", "tau must lie between 0 and 1, not 1"),
        ("pinball(nan)", "tau must lie between 0 and 1"),
        ("pinball(0.9, -1)", "kappa must be positive"),
        ("pinball(a)", "tau must be a number, not 'a'"),
        ("pinball(0.1, 2, 3)", "takes tau and kappa, but 3 were given"),
        ("lad(2)", "takes no settings, but 1 were given"),
        ("asymmetric", "needs to know how many times"),
        ("asymmetric(0)", "over must be positive and finite"),
        ("asymmetric(2, 0)", "delta must be positive and finite"),
        ("huber(0.1", "cannot read the objective"),
        ("", "cannot read the objective"),
    ],
)
def test_text_that_is_no_objective(text, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        Objective.parse(text)


def test_two_deltas_that_differ():
    assert Objective.parse("asymmetric(3)", delta=0.5).delta == 0.5
    with pytest.raises(UsageError, match="but the objective says"):
        Objective.parse("huber(0.1)", delta=0.5)
    with pytest.raises(UsageError, match="but the objective is"):
        Objective.parse(Objective("huber"), delta=0.5)


def test_a_fit_comes_back_from_json_with_its_objective(line):
    inputs, y = line
    for text in ("pinball(0.9, 20)", "asymmetric(10)", "lad"):
        fit = scaling.fit("a + b*x", inputs, y, objective=text, residual="linear", bootstrap=0)
        assert scaling.Fit.from_json(fit.to_json()).objective == fit.objective
    # As it was written before there were tau, kappa and over.
    table = json.loads(fit.to_json()) | {"objective": {"name": "huber", "residual": "log", "delta": 0.001}}
    assert scaling.Fit.from_json(json.dumps(table)).objective == Objective()


def test_scatter_that_grows_is_no_trend_around_a_quantile():
    """The residuals around the quantile drift with x, because they spread; whether they are above it does not."""
    rng = np.random.default_rng(8)
    x = rng.uniform(1, 10, 300)
    y = 50 + 2 * x + x * rng.standard_normal(300)
    good = scaling.fit("a + b*x", {"x": x}, y, objective="pinball(0.9)", residual="linear", bootstrap=0)
    assert good.diagnostics.structure_p > 0.01
    bent = scaling.fit("a + b*x", {"x": x}, y + (x - 5) ** 2, objective="pinball(0.9)", residual="linear", bootstrap=0)
    assert bent.diagnostics.structure_p < 1e-4


def corner_rows(seed=5, n=60):
    rng = np.random.default_rng(seed)
    sizes, tokens = 10 ** rng.uniform(7, 10, n), 10 ** rng.uniform(9, 11.5, n)
    y = (1.8 + 480 / sizes**0.35 + 2080 / tokens**0.37) * np.exp(0.004 * rng.standard_normal(n))
    return {"N": sizes, "D": tokens}, y


@pytest.mark.parametrize("objective", ["lad", "pinball(0.7)"])
@pytest.mark.parametrize("kind", ["plain", "groups", "weights"])
def test_errors_do_not_hang_on_the_rounding_of_rows_that_are_met_exactly(objective, kind):
    inputs, y = corner_rows()
    rows = np.arange(60)
    more = {"plain": {}, "groups": {"groups": rows // 3}, "weights": {"weights": 1.0 + rows % 2}}[kind]
    fits = []
    for seed in (None, 0, 1, 2):
        shift = 0 if seed is None else 2e-16 * np.random.default_rng(seed).choice([-1, 0, 1], 60)
        fits.append(scaling.fit("chinchilla", inputs, y * (1 + shift), objective=objective, bootstrap=0, **more))
    size = np.sort(np.abs(fits[0].residuals))
    assert size[4] < 1e-14 < 1e-6 < size[5]  # five rows for five parameters
    for other in fits[1:]:
        np.testing.assert_allclose(other.covariance, fits[0].covariance, rtol=1e-6)
        assert other.diagnostics.structure_p == pytest.approx(fits[0].diagnostics.structure_p, rel=1e-6)


@pytest.mark.parametrize(("text", "ends"), [("lad", (-1, 1)), ("pinball(0.7)", (-0.3, 0.7))])
def test_the_score_of_a_row_that_is_met_is_its_multiplier(text, ends):
    inputs, y = corner_rows()
    fit = scaling.fit("chinchilla", inputs, y, objective=text, bootstrap=0)
    kernel = compile_law(fit.law, fit.log_scaled)
    theta, data = kernel.to_internal(fit.theta[None]), kernel.prepare(inputs)
    jacobian = -kernel.jacobian(theta, data)[0] / kernel.value(theta, data)[0][:, None]
    weights = np.ones(60)
    signs = np.where(np.arange(60) % 2, 1e-17, -1e-17)
    met = np.abs(fit.residuals) < 1e-14
    found = fit.objective.scores_at_optimum(np.where(met, signs, fit.residuals), weights, jacobian)
    assert np.array_equal(found[~met], fit.objective.score(fit.residuals)[~met])
    assert np.all((ends[0] < found[met]) & (found[met] < ends[1]))
    balance = np.abs(found @ jacobian) / np.linalg.norm(jacobian, axis=0)
    assert balance.max() < 1e-6
    # Of more rows than the parameters need, those nearest the middle; here all rows are met, and balance by themselves.
    flat = fit.objective.scores_at_optimum(np.zeros(60), weights, jacobian)
    assert np.max(np.abs(flat @ jacobian) / np.linalg.norm(jacobian, axis=0)) < 1e-6
    # Smooth objectives have no corner.
    huber = Objective()
    assert np.array_equal(huber.scores_at_optimum(fit.residuals, weights, jacobian), huber.score(fit.residuals))


def repeated(seed, noise=0.02):
    rng = np.random.default_rng(seed)
    x = np.repeat(np.geomspace(1, 1e4, 12), 8)
    return {"x": x}, (2 + 3 / x**0.5) * np.exp(noise * rng.standard_normal(96))


@pytest.mark.parametrize("objective", ["pinball(0.9)", "asymmetric(10)"])
def test_repeated_runs_around_a_lopsided_curve_are_no_lack_of_fit(objective):
    """The curve is meant to miss their means, so the test of lack of fit says nothing."""
    for seed in range(5):
        fit = scaling.fit("power_floor", *repeated(seed), objective=objective, bootstrap=0)
        known = fit.diagnostics
        assert known.replicate_degrees == 84
        assert known.replicate_rms == pytest.approx(0.02, rel=0.25)
        assert np.isnan(known.lack_of_fit_p)
        assert known.fits_replicates
        assert not any("misses the means" in reason for reason in known.reasons)


def test_run_intervals_around_a_quantile_of_repeated_runs_cover():
    """12 sweeps, 90 % intervals of a new run at each of their inputs; a quantile curve plus or minus covered 67 %."""
    from scipy.stats import norm

    covered = []
    for seed in range(12):
        inputs, y = repeated(seed)
        fit = scaling.fit("power_floor", inputs, y, objective="pinball(0.9)", bootstrap=0)
        x = np.unique(inputs["x"])
        forecast = fit.predict({"x": x}, level=0.9, force=True)
        truth = np.log(2 + 3 / x**0.5)
        ends = [norm.cdf((np.log(side) - truth) / 0.02) for side in (forecast.low, forecast.high)]
        covered.append(np.mean(ends[1] - ends[0]))
    assert 0.88 < np.mean(covered) < 0.96
