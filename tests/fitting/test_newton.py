"""The batched minimiser: curved valleys, boxes, poles, rows that do not disturb each other."""

import numpy as np
import pytest

from scaling.fitting.newton import minimise

FREE = np.array([-np.inf, -np.inf]), np.array([np.inf, np.inf])


def least_squares(residuals, jacobian, curvature):
    """Objective and derivatives of a sum of squares, for rows of parameters."""

    def evaluate(theta, rows):
        return np.array([np.sum(residuals(t) ** 2) for t in theta])

    def derivatives(theta, rows):
        value = evaluate(theta, rows)
        r = [residuals(t) for t in theta]
        j = [jacobian(t) for t in theta]
        gradient = np.array([2 * a.T @ b for a, b in zip(j, r, strict=True)])
        with np.errstate(invalid="ignore"):
            gauss = np.array([2 * a.T @ a for a in j])
            hessian = np.array([g + 2 * curvature(t, b) for g, t, b in zip(gauss, theta, r, strict=True)])
        return value, gradient, gauss, hessian

    return evaluate, derivatives


ROSENBROCK = least_squares(
    lambda t: np.array([10 * (t[1] - t[0] ** 2), 1 - t[0]]),
    lambda t: np.array([[-20 * t[0], 10.0], [-1.0, 0.0]]),
    lambda t, r: np.array([[-20 * r[0], 0.0], [0.0, 0.0]]),
)
STARTS = np.array([[-1.2, 1.0], [3.0, -4.0], [0.0, 0.0], [-5.0, 50.0], [1.0, 1.0], [6.0, 0.0]])


@pytest.mark.parametrize("always_both", [False, True])
def test_a_curved_valley(always_both):
    minima = minimise(STARTS, *ROSENBROCK, *FREE, always_both=always_both, max_iterations=500)
    np.testing.assert_allclose(minima.theta, np.ones((6, 2)), atol=1e-9)
    assert minima.converged.all()
    assert np.all(minima.objective < 1e-18)


@pytest.mark.parametrize(
    ("low", "high"),
    [((-2, -2), (0.5, 2)), ((1.5, -2), (3, 2)), ((1.5, -5), (3, 5)), ((-2, 2), (0, 3)), ((2, 2), (2.5, 2.5))],
)
def test_an_optimum_on_the_edge_of_the_box(low, high):
    from scipy.optimize import minimize

    low, high = np.array(low, float), np.array(high, float)
    minima = minimise(STARTS[:4], *ROSENBROCK, low, high, max_iterations=500)
    known = [
        minimize(
            lambda t: 100 * (t[1] - t[0] ** 2) ** 2 + (1 - t[0]) ** 2, np.clip(start, low, high),
            jac=lambda t: [-400 * t[0] * (t[1] - t[0] ** 2) - 2 * (1 - t[0]), 200 * (t[1] - t[0] ** 2)],
            bounds=np.stack([low, high], 1), options={"ftol": 1e-15, "gtol": 1e-12},
        )
        for start in STARTS
    ]  # fmt: skip
    best = min(known, key=lambda k: k.fun)
    assert minima.objective.min() == pytest.approx(best.fun, rel=1e-10)
    np.testing.assert_allclose(minima.theta[np.argmin(minima.objective)], best.x, atol=1e-6)
    assert np.all((minima.theta >= low) & (minima.theta <= high))
    assert minima.converged.all()


def test_a_quadratic_takes_one_newton_step():
    matrix = np.array([[3.0, 1.0], [1.0, 2.0]])
    root = np.linalg.cholesky(matrix).T
    target = np.array([4.0, -7.0])
    functions = least_squares(lambda t: root @ (t - target), lambda t: root, lambda t, r: np.zeros((2, 2)))
    minima = minimise(STARTS, *functions, *FREE, damping=0.0, max_iterations=2)
    np.testing.assert_allclose(minima.theta, np.tile(target, (6, 1)), atol=1e-11)


def test_rows_do_not_disturb_each_other():
    together = minimise(STARTS, *ROSENBROCK, *FREE)
    for i, start in enumerate(STARTS):
        alone = minimise(start[None], *ROSENBROCK, *FREE)
        np.testing.assert_array_equal(alone.theta[0], together.theta[i])
        assert alone.objective[0] == together.objective[i]


def test_units_of_a_parameter_do_not_matter():
    unit = np.array([1e6, 1e-5])
    scaled = least_squares(
        lambda t: np.array([10 * (t[1] / unit[1] - (t[0] / unit[0]) ** 2), 1 - t[0] / unit[0]]),
        lambda t: np.array([[-20 * t[0] / unit[0], 10.0], [-1.0, 0.0]]) / unit,
        lambda t, r: np.array([[-20 * r[0], 0.0], [0.0, 0.0]]) / np.outer(unit, unit),
    )
    minima = minimise(STARTS * unit, *scaled, *FREE, max_iterations=500)
    np.testing.assert_allclose(minima.theta, np.tile(unit, (6, 1)), rtol=1e-9)


def test_a_start_outside_the_box_is_moved_in():
    minima = minimise(np.array([[50.0, -50.0]]), *ROSENBROCK, np.array([-2.0, -2.0]), np.array([2.0, 2.0]))
    np.testing.assert_allclose(minima.theta, [[1, 1]], atol=1e-8)


def test_too_few_iterations_are_admitted():
    minima = minimise(STARTS[:2], *ROSENBROCK, *FREE, max_iterations=2)
    assert not minima.converged.any()
    assert minima.iterations == 2


def test_no_start_in_the_domain_stays_where_it_is():
    def evaluate(theta, rows):
        return np.full(len(theta), np.nan)

    def derivatives(theta, rows):
        b = len(theta)
        return np.full(b, np.nan), np.zeros((b, 2)), np.zeros((b, 2, 2)), np.zeros((b, 2, 2))

    minima = minimise(STARTS, evaluate, derivatives, *FREE)
    assert np.all(np.isinf(minima.objective))
    assert not minima.converged.any()
    np.testing.assert_array_equal(minima.theta, STARTS)


def test_a_pole_in_the_derivatives_is_stepped_back_from():
    # (sqrt(t) - 2)^2 + (u - 1)^2: from t = 30 the first full step lands on the edge t = 0, where the root has no slope.
    functions = least_squares(
        lambda t: np.array([np.sqrt(t[0]) - 2, t[1] - 1]),
        lambda t: np.array([[0.5 / np.sqrt(t[0]) if t[0] > 0 else np.inf, 0.0], [0.0, 1.0]]),
        lambda t, r: np.array([[-0.25 * t[0] ** -1.5 * r[0] if t[0] > 0 else np.nan, 0.0], [0.0, 0.0]]),
    )
    low, high = np.array([0.0, -10.0]), np.array([100.0, 10.0])
    minima = minimise(np.array([[30.0, 0.0], [90.0, -5.0], [0.01, 9.0], [4.0, 1.0]]), *functions, low, high)
    np.testing.assert_allclose(minima.theta, np.tile([4.0, 1.0], (4, 1)), rtol=1e-7)
    assert minima.converged.all()


def test_a_start_on_a_pole_is_left_alone_and_not_called_converged():
    functions = least_squares(
        lambda t: np.array([np.sqrt(t[0]) - 2, t[1] - 1]),
        lambda t: np.array([[0.5 / np.sqrt(t[0]) if t[0] > 0 else np.inf, 0.0], [0.0, 1.0]]),
        lambda t, r: np.zeros((2, 2)),
    )
    minima = minimise(np.array([[0.0, 5.0]]), *functions, np.array([0.0, -10.0]), np.array([9.0, 10.0]))
    np.testing.assert_array_equal(minima.theta, [[0.0, 5.0]])
    assert not minima.converged[0]


def test_a_bound_at_the_end_of_a_narrow_valley_is_reached_at_once():
    # The valley is 1e4 times longer than wide and runs into the bound, where the other parameter has its place.
    residuals = np.array([[100.0, 100.0, 0.0], [0.01, -0.01, 0.0], [0.0, 1.0, 3.0]])
    at_zero = np.array([1.0, 2.0, 0.3])
    problem = least_squares(
        lambda t: residuals @ (t - at_zero), lambda t: residuals, lambda t, r: np.zeros((3, 3))
    )  # fmt: skip
    low, high = np.array([1.5, -9.0, -9.0]), np.full(3, 9.0)
    minima = minimise(np.array([[5.0, 5.0, 5.0], [2.0, 9.0, -9.0]]), *problem, low, high)
    rest, *_ = np.linalg.lstsq(residuals[:, 1:], residuals @ at_zero - 1.5 * residuals[:, 0], rcond=None)
    assert minima.converged.all()
    assert minima.iterations <= 10
    np.testing.assert_array_equal(minima.theta[:, 0], 1.5)
    np.testing.assert_allclose(minima.theta[:, 1:], [rest, rest], rtol=1e-9)
