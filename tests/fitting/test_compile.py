"""Kernels: values and derivatives against 40-digit numerical ones, batches against single rows."""

import mpmath
import numpy as np
import pytest
import sympy

from scaling.errors import InputDataError
from scaling.fitting.compile import compile_law
from scaling.fitting.objective import Objective
from scaling.laws.book import find_law, law_names
from scaling.laws.formula import symbol
from tests import truths

# Formulas of every shape that the splitter must cope with: (formula, inputs, parameters).
ODD = {
    "exponential": ("E + A*exp(-x/tau)", {"x": (0.1, 3)}, {"E": 0.7, "A": 1.9, "tau": 0.8}),
    "logarithms": ("a*log10(x) + b*ln(x)**2 + c", {"x": (0.5, 9)}, {"a": 1.3, "b": 0.4, "c": 3.0}),
    "square root": ("sqrt(a*x + b) + c/sqrt(x)", {"x": (0.5, 9)}, {"a": 1.3, "b": 0.4, "c": 3.0}),
    "sigmoid": ("low + high*sigmoid(k*(ln(x) - m))", {"x": (1, 90)}, {"low": 0.2, "high": 0.9, "k": 1.4, "m": 2.0}),
    "waves": ("a + b*sin(w*x) + c*arctan(d*x)", {"x": (-2, 2)}, {"a": 4.0, "b": 1.2, "w": 1.7, "c": 0.9, "d": 0.6}),
    "x in a sum": ("a + b*x + c*x**d", {"x": (0.4, 5)}, {"a": 0.4, "b": 0.3, "c": 1.2, "d": 0.6}),
    "x shifted": ("K*(2*x - E)**k + F", {"x": (2, 8)}, {"K": 0.8, "E": 1.4, "k": 1.3, "F": 0.9}),
    "saturating": ("E + A*(1 + x/d)**(-c)", {"x": (0.0, 9)}, {"E": 1.1, "A": 2.0, "d": 2.5, "c": 0.7}),
    "product of sums": ("(a + b*x)*(c + z**d)*exp(-e*x*z)", {"x": (0.2, 2), "z": (0.5, 2)},
                        {"a": 1.0, "b": 0.6, "c": 0.9, "d": 0.5, "e": 0.2}),
    "shared name in base and exponent": ("a**(b*x) + b/x**a", {"x": (0.5, 3)}, {"a": 1.6, "b": 0.7}),
    "broken power": ("a + b*x**(-c)*(1 + (x/d)**(1/f))**(-g*f)", {"x": (1, 400)},
                     {"a": 0.3, "b": 3.0, "c": 0.2, "d": 30.0, "f": 0.4, "g": 0.3}),
    "absolute value": ("A*sqrt(a*a)*x + tanh(b*x)", {"x": (0.5, 3)}, {"A": 1.1, "a": 0.8, "b": 0.5}),
    "names of the compiler's own": ("t1*exp(-x0) + t0/x0**x1", {"x0": (0.5, 3)}, {"t1": 1.4, "t0": 0.9, "x1": 0.7}),
    "words of Python": ("lambda/pass**None", {"pass": (2, 9)}, {"lambda": 5.0, "None": 0.4}),
}  # fmt: skip
BOOK = {
    "chinchilla": {"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.3},
    "kaplan": {"E": 1.9, "N_c": 7e7, "D_c": 9e8, "alpha_N": 0.41, "alpha_D": 0.46},
    "skaling": {"E": 1.8, "A": 300.0, "R": 3.0, "alpha": 0.45, "beta": 0.42, "k": 0.77},
    "multiplicative": {"E": 1.2, "A": 2e3, "alpha": 0.18, "beta": 0.16},
    "shifted_power": {"K": 0.9, "E_x": 1.4, "kappa": 1.1, "E_y": 1.2},
    "offset_power": {"K": 0.4, "kappa": 1.3, "E_y": 1.2},
    "log_log": {"K": 0.9, "kappa": 1.2},
    "affine": {"a": 0.4, "b": 0.8},
    "quadratic": {"a": 0.6, "b": 0.7, "c": 0.1},
    "log_quadratic": {"a": 0.2, "b": 0.9, "c": 0.1},
    "power": {"A": 30.0, "alpha": 0.1},
    "power_floor": {"E": 1.7, "A": 100.0, "alpha": 0.25},
} | {name: truths.draw(name, np.random.default_rng(1))[1] for name in truths.BY_HAND}
# All positive, so that each has a logarithm, and near enough to 1 for differences with 40 digits.
FALLING = ("optimal_learning_rate", "coupled_learning_rate", "learning_rate_of_compute", "ema_timescale")
for law in ("farseer", "boundary_in_time", "optimal_weight_decay", "tuned_loss", "broken_line", *FALLING):
    BOOK[law] = {name: abs(value) for name, value in BOOK[law].items()}
BOOK["kaplan_c"] = {"C_c": 1e14, "alpha_C": 0.06}
RANGES = {
    "N": (1e7, 1e10), "D": (1e9, 1e12), "x": (2.0, 50.0), "U": (3e8, 1e11), "C": (1e8, 1e12), "S": (1e3, 1e6),
    "L": (2, 5), "P_w": (3, 16), "P_a": (3, 16), "P_kv": (3, 16), "w": (256, 4096), "l": (3, 96), "g": (0.1, 1),
    "year": (2022.0, 2026.0), "B": (16.0, 1e7), "T": (1e2, 1e6), "R": (2, 2000), "lr": (1e-4, 1e-2),
    "s": (0.5, 5.0), "n": (30.0, 3e4),
}  # fmt: skip
CASES = [*law_names(), *ODD]
SIZE = 5  # rows


def case(name, seed=0):
    """A law, its inputs, a truth, and observations off the curve by a few percent."""
    rng = np.random.default_rng(seed)
    if name in ODD:
        formula, ranges, truth = ODD[name]
        law = find_law(formula, inputs=ranges)
    else:
        law, truth = find_law(name), BOOK[name]
        ranges = {n: RANGES[n] for n in law.inputs}
        if name.startswith("boundary"):
            ranges["C"] = (1e21, 1e25)  # its middle is there; far below it nothing is left of the curve
        if name == "repeated_pools":
            ranges = {"D": (1e11, 1e12), "U": (4e10, 1e11)}  # repeats, of no more epochs than it writes out
    if all(low > 0 for low, _ in ranges.values()):
        inputs = {n: np.exp(rng.uniform(*np.log(pair), SIZE)) for n, pair in ranges.items()}
    else:
        inputs = {n: np.linspace(*pair, SIZE) for n, pair in ranges.items()}
    truth = {n: truth[n] for n in law.parameter_names}
    value = mp_function(law)
    exact = [float(value(*truth.values(), *row)) for row in zip(*inputs.values(), strict=True)]
    return law, inputs, truth, np.array(exact) * np.exp(rng.uniform(-0.05, 0.05, SIZE))


def mp_function(law):
    names = [symbol(n) for n in (*law.parameter_names, *law.inputs)]
    plain = sympy.symbols(f"q0:{len(names)}", real=True)
    return sympy.lambdify(plain, law.expression.xreplace(dict(zip(names, plain, strict=True))), "mpmath")


def rho(objective, r):
    if objective.name == "squared":
        return r**2
    if objective.name == "lad":
        return abs(r)
    return r**2 / 2 if abs(r) <= objective.delta else objective.delta * (abs(r) - objective.delta / 2)


@pytest.mark.parametrize("logged", [False, True], ids=["natural", "logged"])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow)
        if n in ("data_constrained", "precision", "repeated_pools", "tuned_loss")
        else n
        for n in CASES
    ],
)
def test_derivatives_agree_with_numerical_ones(name, logged):
    law, inputs, truth, observed = case(name)
    value, p = mp_function(law), len(truth)
    kernel = compile_law(law, [logged] * p)
    data = kernel.prepare(inputs)
    theta = kernel.to_internal(np.array([list(truth.values())]))
    rows = list(zip(*inputs.values(), strict=True))
    weights = np.array([1.0, 0.5, 2.0, 0.0, 3.0])

    def predict(t, i):
        return value(*(mpmath.exp(v) if logged else v for v in t), *(mpmath.mpf(v) for v in rows[i]))

    with mpmath.workdps(40):
        at = [mpmath.mpf(v) for v in theta[0]]
        f = [predict(at, i) for i in range(SIZE)]
        first = [[_partial(lambda *t, i=i: predict(t, i), at, [j]) for j in range(p)] for i in range(SIZE)]
        np.testing.assert_allclose(kernel.value(theta, data)[0], np.array(f, float), rtol=1e-13)
        scale = np.abs(np.array(first, float)).max()
        np.testing.assert_allclose(
            kernel.jacobian(theta, data)[0], np.array(first, float), rtol=1e-11, atol=1e-13 * scale
        )
        second = {
            (i, j, k): _partial(lambda *t, i=i: predict(t, i), at, [j, k])
            for i in range(SIZE) for j in range(p) for k in range(j, p)
        }  # fmt: skip
        for objective in (Objective("squared", r) for r in ("log", "linear")):
            _compare(kernel, theta, data, observed, weights, objective, (f, first, second))
        for residual, scale in (("log", 0.02), ("linear", 0.02 * float(np.median(observed)))):
            _compare(kernel, theta, data, observed, weights, Objective("huber", residual, scale), (f, first, second))
            _compare(kernel, theta, data, observed, weights, Objective("lad", residual), (f, first, second))


def _partial(function, at, which):
    """First or second partial derivative, by central differences with 40 digits."""
    order = [which.count(j) for j in range(len(at))]
    return mpmath.diff(function, tuple(at), tuple(order))


def _compare(kernel, theta, data, observed, weights, objective, exact):
    """Build objective, gradient, Gauss-Newton matrix and Hessian from the exact derivatives of f by the chain rule."""
    f, first, second = exact
    p = len(first[0])
    value, gradient = mpmath.mpf(0), mpmath.matrix(p, 1)
    gauss, hessian = mpmath.matrix(p, p), mpmath.matrix(p, p)
    log, delta = objective.residual == "log", objective.delta
    for i, (y, w) in enumerate(zip(observed, weights, strict=True)):
        r = mpmath.log(mpmath.mpf(y) / f[i]) if log else mpmath.mpf(y) - f[i]
        value += w * rho(objective, r)
        inside = delta is None or abs(r) <= delta
        score = {"squared": 2 * r, "lad": mpmath.sign(r), "huber": r if inside else mpmath.sign(r) * (delta or 0)}
        bend = {"squared": 2, "lad": 0, "huber": int(inside)}[objective.name]
        s = score[objective.name]
        for j in range(p):
            dr = -first[i][j] / (f[i] if log else 1)
            gradient[j] += w * s * dr
            for k in range(p):
                dk = -first[i][k] / (f[i] if log else 1)
                bent = -second[i, min(j, k), max(j, k)]
                both = bent / f[i] + first[i][j] * first[i][k] / f[i] ** 2 if log else bent
                gauss[j, k] += w * s / r * dr * dk
                hessian[j, k] += w * (bend * dr * dk + s * both)
    found = kernel.contract(theta, data, objective.weigher(observed, weights[None]))
    size = np.sqrt(np.diag(np.array(gauss.tolist(), float)))
    assert found[0][0] == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(
        found[1][0] / size, np.array(gradient.tolist(), float)[:, 0] / size, rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(
        found[2][0] / np.outer(size, size),
        np.array(gauss.tolist(), float) / np.outer(size, size),
        rtol=1e-10,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        found[3][0] / np.outer(size, size),
        np.array(hessian.tolist(), float) / np.outer(size, size),
        rtol=1e-10,
        atol=1e-11,
    )


@pytest.mark.parametrize("name", CASES)
def test_a_batch_is_its_rows(name):
    law, inputs, truth, observed = case(name)
    kernel = compile_law(law, [False] * len(truth))
    data = kernel.prepare(inputs)
    rng = np.random.default_rng(1)
    theta = np.array(list(truth.values())) * np.exp(rng.uniform(-0.02, 0.02, (9, len(truth))))
    weights = rng.uniform(0, 2, (9, SIZE))
    objective = Objective("huber", "linear", 0.1)
    together = (kernel.value(theta, data), kernel.jacobian(theta, data),
                *kernel.contract(theta, data, objective.weigher(observed, weights)))  # fmt: skip
    for b in range(9):
        row, weight = theta[b : b + 1], weights[b : b + 1]
        alone = (kernel.value(row, data), kernel.jacobian(row, data),
                 *kernel.contract(row, data, objective.weigher(observed, weight)))  # fmt: skip
        for many, one in zip(together, alone, strict=True):
            size = np.max(np.abs(one), initial=1e-300)
            np.testing.assert_allclose(many[b] / size, one[0] / size, rtol=1e-12, atol=1e-14)


def test_rows_can_be_taken():
    law, inputs, truth, _ = case("chinchilla")
    kernel = compile_law(law, [False] * len(truth))
    theta = np.array([list(truth.values())])
    rows = np.array([3, 0, 3])
    taken = kernel.prepare(inputs).take(rows)
    assert taken.n == 3
    np.testing.assert_array_equal(kernel.value(theta, taken), kernel.value(theta, kernel.prepare(inputs))[:, rows])
    np.testing.assert_array_equal(
        kernel.jacobian(theta, taken), kernel.jacobian(theta, kernel.prepare(inputs))[:, rows]
    )


def test_the_scales_are_each_others_inverse():
    kernel = compile_law(find_law("chinchilla"), [False, True, True, False, False])
    natural = np.array([[1.7, 400.0, 1e17, 0.3, 0.4], [0.0, 1e-2, 3.0, 2.0, 0.01]])
    internal = kernel.to_internal(natural)
    np.testing.assert_allclose(internal[:, 1:3], np.log(natural[:, 1:3]), rtol=1e-15)
    np.testing.assert_array_equal(internal[:, [0, 3, 4]], natural[:, [0, 3, 4]])
    np.testing.assert_allclose(kernel.to_natural(internal), natural, rtol=1e-14)


@pytest.mark.parametrize(
    ("formula", "must_be_positive"),
    [
        ("A/x**a", True), ("a*log(x)", True), ("E + ((c/x)**a + b)**d", True), ("E + (N + c/x)**a", True),
        ("a + b*x", False), ("a*exp(-x)", False), ("K*(x - E)**k", False), ("K*(2*x - E)**k", False),
        ("a + b*log(1 + c*x)", False), ("E + A*(1 + x/d)**(-c)", False), ("a*x**2 + b", False),
    ],
)  # fmt: skip
def test_inputs_in_powers_and_logarithms_must_be_positive(formula, must_be_positive):
    names = {n for n in "xN" if n in formula}
    law = find_law(formula, inputs=names)
    kernel = compile_law(law, [False] * len(law.parameters))
    inputs = {n: np.array([1.0, 2.0]) for n in names} | {"x": np.array([1.0, 0.0])}
    if must_be_positive:
        with pytest.raises(InputDataError, match="input 'x' must be positive, but row 1 has 0"):
            kernel.prepare(inputs)
    else:
        assert kernel.prepare(inputs).n == 2


def test_outside_the_domain_is_nan_and_silent():
    law = find_law("shifted_power")
    kernel = compile_law(law, [False] * 4)
    values = kernel.value(np.array([[1.0, 2.0, 0.5, 1.0]]), kernel.prepare({"x": np.array([1.0, 3.0])}))
    assert np.isnan(values[0, 0])
    assert values[0, 1] == 2.0
