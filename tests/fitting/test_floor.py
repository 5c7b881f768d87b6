"""Residuals of logarithms above a floor: exact against least squares on two logarithms, and against moved data."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

import scaling
from scaling.downstream import chain
from scaling.errors import InputDataError, UsageError
from scaling.fitting.holdout import backtest_law
from scaling.fitting.objective import Objective
from scaling.fitting.resample import source_of
from scaling.fitting.rollout import change_beyond
from scaling.laws.book import find_law
from scaling.width import parts_of

steady = settings(derandomize=True, deadline=None)
FORMULA, PLAIN = "K*(x - 1.2)**kappa + 0.8", "K*(x - 1.2)**kappa"
ABOVE = "log above 0.8"
WIDE = {"K": {"low": 1e-6, "high": 1e6}, "kappa": {"low": -5, "high": 5}}


def losses(n=40, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(1.5, 4.0, n))
    return x, 0.9 * (x - 1.2) ** 1.1 * np.exp(noise * rng.standard_normal(n)) + 0.8


def least_squares(x, y, weights=None):
    """Intercept and slope of ln(y - 0.8) on ln(x - 1.2), their covariance, and the variance of the residuals."""
    root = np.sqrt(np.ones(len(x)) if weights is None else weights)
    design = np.column_stack([np.ones(len(x)), np.log(x - 1.2)])
    q, r = np.linalg.qr(design * root[:, None])
    found = np.linalg.solve(r, q.T @ (root * np.log(y - 0.8)))
    left = root * (np.log(y - 0.8) - design @ found)
    variance = left @ left / (len(x) - 2)
    return found, np.linalg.inv(r.T @ r) * variance, variance


def fit_above(x, y, **kwargs):
    kwargs = {"objective": "squared", "residual": ABOVE, "bootstrap": 0, "parameters": WIDE} | kwargs
    return scaling.fit(FORMULA, {"x": x}, y, **kwargs)


class TestWhatIsWritten:
    def test_text(self):
        goal = Objective("squared", "log", floor=1.967)
        assert str(goal) == "squared on log residuals above 1.967"
        assert (goal.text, goal.residual_text) == ("squared", "log above 1.967")
        assert Objective.parse("squared", residual="log above 1.967") == goal
        assert Objective.parse("huber(0.25)", "  log  above 2 ") == Objective("huber", delta=0.25, floor=2)

    @steady
    @given(st.floats(0, 1e300), st.sampled_from(["squared", "huber(0.5)", "lad", "pinball(0.9, 7)", "asymmetric(3)"]))
    def test_reads_back_exactly(self, floor, text):
        parsed = Objective.parse(text)
        goal = dataclasses.replace(parsed, floor=floor)
        assert Objective.parse(goal.text, goal.residual_text) == goal
        assert Objective(**json.loads(json.dumps(goal.to_dict()))) == goal
        assert ("floor" in goal.to_dict()) == (floor != 0)
        assert (goal == parsed) == (floor == 0)

    @pytest.mark.parametrize("floor", [float("nan"), float("inf"), -float("inf"), -1e-9, "low", None])
    def test_impossible_floors(self, floor):
        with pytest.raises(UsageError, match="the floor of the logarithms must be"):
            Objective("squared", floor=floor)

    @pytest.mark.parametrize(
        ("residual", "message"),
        [
            ("linear above 1.3", "a floor belongs to residuals of logarithms"),
            ("log above nan", "must be finite and not negative, not nan"),
            ("log above -1", "must be finite and not negative, not -1"),
            ("log above inf", "must be finite and not negative, not inf"),
            ("log above sea", "must be a number, not 'sea'"),
            ("log above", "there is no residual 'log above'"),
            ("lag above 1", "there is no residual 'lag'"),
        ],
    )
    def test_impossible_texts(self, residual, message):
        with pytest.raises(UsageError, match=message):
            Objective.parse("squared", residual)
        with pytest.raises(UsageError, match=message):
            scaling.fit(FORMULA, {"x": [2, 3, 4]}, [2, 3, 4], residual=residual)

    @pytest.mark.parametrize("value", [0.8, 0.3])
    def test_a_row_without_a_logarithm_is_named(self, value):
        x, y = losses(12)
        y[7] = value
        said = f"'y' is {value} in row 7, which lies at or below the floor 0.8, so it has no logarithm above it"
        with pytest.raises(InputDataError, match=said):
            fit_above(x, y)
        assert fit_above(x, y, weights=np.arange(12.0) != 13, residual="linear").n_obs == 12
        y[7] = -0.5
        with pytest.raises(InputDataError, match=r"'y' is -0.5 in row 7, and has no logarithm"):
            fit_above(x, y)


class TestTheScale:
    @steady
    @given(st.floats(0, 10), st.floats(1e-3, 10), st.floats(-2, 2))
    def test_there_and_back(self, floor, above, away):
        goal, y = Objective("squared", floor=floor), np.array([floor + above])
        scaled = goal.to_scale(y)
        assert scaled == pytest.approx(np.log(y - floor), rel=1e-14)
        assert goal.from_scale(scaled) == pytest.approx(y, rel=1e-14)
        assert goal.moved(y, np.array(away)) == pytest.approx(goal.from_scale(scaled + away), rel=1e-13)
        assert goal.from_scale(np.array([-np.inf, -1e9]))[0] == floor

    def test_outside_the_domain(self):
        goal = Objective("squared", floor=1.0)
        with np.errstate(all="raise"):
            assert np.array_equal(
                goal.to_scale(np.array([0.5, 1.0, np.nan])), [np.nan, -np.inf, np.nan], equal_nan=True
            )
        assert goal.has(np.array([0.5, 1.0, 1.5, np.nan])).tolist() == [False, False, True, False]
        assert np.isinf(goal.rho(goal.residuals(np.array([2.0]), np.array([0.9]))))

    @steady
    @given(st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3), st.lists(st.floats(-3, 3), min_size=3, max_size=3))
    def test_without_a_floor_not_a_bit_differs(self, values, aways):
        y, away, plain = np.array(values), np.array(aways), Objective("squared")
        f = y * np.exp(away)
        for goal in (plain, Objective("squared", floor=0)):
            assert np.array_equal(goal.to_scale(y), np.log(y))
            assert np.array_equal(goal.from_scale(away), np.exp(away))
            assert np.array_equal(goal.moved(y, away), f)
            assert np.array_equal(goal.residuals(y, f), np.log(y) - np.log(f))
            assert np.array_equal(goal.unit(y), np.ones(3))
            assert np.array_equal(goal.slopes_on_scale(f[:, None], y), f[:, None] / y[:, None])
            found = goal.weigher(y, np.ones((1, 3)))(f[None])
            r, inverse = np.log(y) - np.log(f), 1 / f
            expected = (r @ r, -2 * r * inverse, 2 * inverse**2, (2 + 2 * r) * inverse**2)
            for mine, theirs in zip(found, expected, strict=True):
                np.testing.assert_allclose(mine[0], theirs, rtol=1e-14)
        line = Objective("squared", "linear")
        assert line.to_scale(y) is y
        assert line.from_scale(y) is y
        assert np.array_equal(line.moved(y, away), y + away)
        assert np.array_equal(line.unit(-y), y)

    @pytest.mark.parametrize("text", ["squared", "huber(0.1)", "pinball(0.8, 5)", "asymmetric(4, 0.1)"])
    def test_weights_of_rows_are_derivatives(self, text):
        goal = Objective.parse(text, "log above 1.3")
        rng = np.random.default_rng(3)
        y, w = 1.3 + rng.uniform(0.2, 2, 30), rng.uniform(0.5, 2, (1, 30))
        f = 1.3 + (y - 1.3) * np.exp(0.3 * rng.standard_normal(30))

        def loss(at):
            return w[0] * goal.rho(goal.residuals(y, at))

        total, first, outer, curved = goal.weigher(y, w)(f[None])
        step = 1e-5 * (f - 1.3)
        smooth = np.abs(np.abs(goal.residuals(y, f)) - (goal.delta or 9)) > 1e-3  # where rho'' does not jump
        smooth &= np.abs(goal.residuals(y, f)) > 1e-3
        assert smooth.sum() > 25
        assert total[0] == pytest.approx(loss(f).sum(), rel=1e-12)
        np.testing.assert_allclose(first[0], (loss(f + step) - loss(f - step)) / (2 * step), rtol=1e-6, atol=1e-7)
        second = (first_at(goal, y, w, f + step) - first_at(goal, y, w, f - step)) / (2 * step)
        np.testing.assert_allclose(curved[0][smooth], second[smooth], rtol=1e-5, atol=1e-6)
        # Gauss-Newton: the curvature of a parabola in r that lies above rho, taken over to the prediction.
        chord = goal.curvatures(goal.residuals(y, f))[1]
        np.testing.assert_allclose(outer[0], w[0] * chord / (f - 1.3) ** 2, rtol=1e-12)


def first_at(goal, y, w, at):
    return goal.weigher(y, w)(at[None])[1][0]


class TestAgainstLeastSquares:
    def test_estimates_and_errors(self):
        x, y = losses()
        (intercept, slope), covariance, variance = least_squares(x, y)
        fit = fit_above(x, y)
        assert fit.estimates["kappa"] == pytest.approx(slope, abs=1e-9)
        assert np.log(fit.estimates["K"]) == pytest.approx(intercept, abs=1e-9)
        assert fit.log_scaled == (True, False)
        np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-8)
        assert fit.objective_value == pytest.approx(38 * variance, rel=1e-10)
        np.testing.assert_allclose(fit.residuals, np.log(y - 0.8) - intercept - slope * np.log(x - 1.2), atol=1e-9)

    def test_without_bounds(self):
        x, y = losses(seed=1)
        (intercept, slope), *_ = least_squares(x, y)
        fit = fit_above(x, y, parameters=None)
        assert fit.estimates["kappa"] == pytest.approx(slope, abs=1e-9)
        assert np.log(fit.estimates["K"]) == pytest.approx(intercept, abs=1e-9)

    @pytest.mark.parametrize("level", [0.5, 0.9, 0.999999])
    def test_interval_of_a_forecast(self, level):
        x, y = losses(noise=0.3)
        found, covariance, variance = least_squares(x, y)
        fit = fit_above(x, y)
        at = np.array([1.2001, 1.3, 2.0, 3.0, 9.0])
        row = np.column_stack([np.ones(5), np.log(at - 1.2)])
        for kind, extra in (("curve", 0.0), ("run", variance)):
            half = t.ppf(0.5 + level / 2, 38) * np.sqrt(np.einsum("mi,ij,mj->m", row, covariance, row) + extra)
            said = fit.predict({"x": at}, level, kind)
            np.testing.assert_allclose(said.mean, 0.8 + np.exp(row @ found), rtol=1e-8)
            np.testing.assert_allclose(said.low, 0.8 + np.exp(row @ found - half), rtol=1e-8)
            np.testing.assert_allclose(said.high, 0.8 + np.exp(row @ found + half), rtol=1e-8)
            assert np.all(said.low > 0.8)

    @pytest.mark.parametrize("kind", ["iid", "wild", "residual", "dirichlet"])
    def test_every_replicate(self, kind):
        x, y = losses(25, seed=2, noise=0.1)
        fit = fit_above(x, y, bootstrap=20, resample=kind, seed=4)
        (intercept, slope), *_ = least_squares(x, y)
        design = np.column_stack([np.ones(25), np.log(x - 1.2)])
        residuals = np.log(y - 0.8) - design @ [intercept, slope]
        source = source_of(kind, np.ones(25), 4, None, design @ [intercept, slope], residuals, -design, fit.objective)
        weights, observed = source.draw(0, 20)
        for i, (k, kappa) in enumerate(fit.replicates):
            expected, *_ = least_squares(x, y if observed is None else observed[i], weights[i])
            assert [np.log(k), kappa] == pytest.approx(expected, abs=1e-6)
        if observed is not None:
            assert np.all(observed > 0.8)

    def test_replicates_never_forecast_below_the_floor(self):
        x, y = losses(12, noise=1.5)
        fit = fit_above(x, y, bootstrap=200)
        said = fit.predict({"x": [1.2001, 2.0, 30.0]}, 0.99)
        assert np.all((said.low > 0.8) & (said.low < said.mean) & (said.mean < said.high))
        assert np.all(np.isfinite(said.high))

    def test_through_json(self):
        x, y = losses()
        fit = fit_above(x, y, bootstrap=50)
        again = scaling.Fit.from_json(fit.to_json())
        assert again.objective == fit.objective == Objective("squared", floor=0.8)
        assert again.predict({"x": 5.0}) == fit.predict({"x": 5.0})
        assert "squared on log residuals above 0.8" in fit.summary()
        assert "floor" not in json.loads(fit_above(x, y, residual="log").to_json())["objective"]


@pytest.fixture(scope="module", params=["squared", "huber(0.02)", "lad", "pinball(0.7)", "asymmetric(3, 0.02)"])
def twins(request):
    """The same fit above a floor, and to data moved down by it."""
    x, y = losses(30, seed=5, noise=0.1)
    kwargs = {"objective": request.param, "bootstrap": 40, "parameters": WIDE, "seed": 1}
    above = scaling.fit(FORMULA, {"x": x}, y, residual=ABOVE, **kwargs)
    return above, scaling.fit(PLAIN, {"x": x}, y - 0.8, **kwargs), x, y


class TestAgainstMovedData:
    def test_the_same_fit(self, twins):
        above, moved, *_ = twins
        np.testing.assert_allclose(above.theta, moved.theta, rtol=1e-7)
        assert above.objective_value == pytest.approx(moved.objective_value, rel=1e-9)
        np.testing.assert_allclose(above.covariance, moved.covariance, rtol=1e-5)
        np.testing.assert_allclose(above.replicates, moved.replicates, rtol=1e-4)
        assert above.verdict == moved.verdict
        assert above.diagnostics.structure_p == pytest.approx(moved.diagnostics.structure_p, rel=1e-4)

    def test_the_same_forecast(self, twins):
        above, moved, *_ = twins
        here, there = (fit.predict({"x": [1.21, 2.5, 7.0]}, 0.9) for fit in (above, moved))
        for name in ("mean", "low", "high"):
            np.testing.assert_allclose(getattr(here, name), getattr(there, name) + 0.8, rtol=1e-4)
        assert here.method == there.method

    def test_where_the_law_has_no_value(self, twins):
        above, *_ = twins
        higher = dataclasses.replace(above, objective=dataclasses.replace(above.objective, floor=3.0))
        assert "the law is not above 3 there" in higher.predict({"x": 2.0}).method
        assert "there" not in above.predict({"x": 2.0}).method


class TestBeyondTheData:
    def test_change_is_of_what_is_above(self):
        law, theta = find_law(FORMULA, {"x": None}), np.array([0.9, 1.1])
        x, wide = {"x": np.array([1.4, 2.0])}, {"x": (2.0, 4.0)}
        change = change_beyond(law, theta, x, np.array([2.0 / 1.4, 1.0]), {"x": -1.0}, wide, True, 0.8)
        np.testing.assert_allclose(change, [1.1 * np.log(0.8 / 0.2), 0], atol=1e-12)

    def test_back_test_widens_on_that_scale(self):
        x, y = losses(60, noise=0.02)
        fit = fit_above(x, y)
        found = backtest_law(fit, {"x": x}, y, by=(5 - x) ** 8)
        fit = dataclasses.replace(fit, backtest=dataclasses.replace(found, powers={"x": -1.0}, edge=1 / x.min()))
        sides = parts_of(fit, {"x": np.array([1.25])}, 0.9, "curve")
        change = fit.estimates["kappa"] * np.log((x.min() - 1.2) / 0.05)
        share = fit.backtest.missed_share()
        np.testing.assert_allclose(sides["back-test"][0], t.ppf(0.95, np.inf) * share * change, rtol=1e-9)

    def test_scatter_of_a_back_test_is_that_of_its_errors(self):
        x, y = losses(60, noise=0.05)
        found = backtest_law(FORMULA, {"x": x}, y, by=1 / x, objective="squared", residual=ABOVE, bootstrap=0)
        first = found.cut == found.cut[0]
        left = ~np.isin(np.arange(60), found.row[first])
        (intercept, slope), *_ = least_squares(x[left], y[left])
        away = np.log(y[left] - 0.8) - intercept - slope * np.log(x[left] - 1.2)
        expected = np.sqrt(np.mean((away * (y[left] - 0.8) / y[left]) ** 2))
        np.testing.assert_allclose(found.scatter[first], expected, rtol=1e-6)

    def test_a_chain_moves_the_error_above_its_floor(self):
        x, y = losses(30, seed=6, noise=0.5)
        n = np.geomspace(1e6, 1e9, 30)
        loss_fit = scaling.fit("power", {"x": n}, 50 / n**0.15, objective="squared", bootstrap=100)
        kwargs = {"objective": "squared", "bootstrap": 100, "parameters": WIDE}
        above = scaling.fit(FORMULA, {"x": x}, y, residual=ABOVE, **kwargs)
        moved = scaling.fit(PLAIN, {"x": x}, y - 0.8, **kwargs)
        here, there = (chain(loss_fit, fit, {"x": 2e9}, level=0.99, force=True) for fit in (above, moved))
        assert there.low > 0
        for name in ("mean", "low", "high"):
            assert getattr(here, name) == pytest.approx(getattr(there, name) + 0.8, rel=1e-6)
