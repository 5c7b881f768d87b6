"""The grammar of formulas: precedence against Python's own, errors that point, text that must never run."""

import math
import re
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.errors import LawError, UsageError
from scaling.laws.book import find_law
from scaling.laws.formula import FUNCTIONS, MAX_DEPTH, MAX_LENGTH, is_name, parse_formula, symbol

steady = settings(derandomize=True, deadline=None, max_examples=300)
POINT = {"x": 1.375, "y": 0.71875, "z": 2.5625}


def value(text, **point):
    expression = parse_formula(text)
    return float(expression.subs({symbol(name): number for name, number in (POINT | point).items()}).evalf())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3*4", 14),
        ("(2 + 3)*4", 20),
        ("2 - 3 - 4", -5),
        ("2/3/4", 1 / 6),
        ("2/3*4", 8 / 3),
        ("2**3**2", 512),
        ("(2**3)**2", 64),
        ("2^3^2", 512),
        ("-2**2", -4),
        ("(-2)**2", 4),
        ("2**-1", 0.5),
        ("2*-3", -6),
        ("--x", 1.375),
        ("+-+x", -1.375),
        ("-x**2*y", -(1.375**2) * 0.71875),
        ("x**-y", 1.375**-0.71875),
        ("1.5e3 + .5 + 2. + 1E-2", 1502.51),
        ("pi*x", math.pi * 1.375),
        ("log(x)", math.log(1.375)),
        ("ln(x)", math.log(1.375)),
        ("log2(x)", math.log2(1.375)),
        ("log10(x)", math.log10(1.375)),
        ("exp(-x)", math.exp(-1.375)),
        ("sqrt(x)", math.sqrt(1.375)),
        ("sin(x) + cos(y)", math.sin(1.375) + math.cos(0.71875)),
        ("arctan(x)", math.atan(1.375)),
        ("tanh(x)", math.tanh(1.375)),
        ("sigmoid(x)", 1 / (1 + math.exp(-1.375))),
        ("2**log10(x)", 2 ** math.log10(1.375)),
        ("1e299*x/1e299", 1.375),
        ("1.001**5000", 1.001**5000),
        ("\t x\n + y ", 2.09375),
    ],
)
def test_a_formula_means_what_school_algebra_says(text, expected):
    assert value(text) == pytest.approx(expected, rel=1e-12)


def test_names_may_be_greek_and_are_real_symbols():
    assert parse_formula("α*N_total + β") == symbol("α") * symbol("N_total") + symbol("β")
    assert parse_formula("sqrt(x*x)") == sympy.Abs(symbol("x"))  # not x: nothing is taken to be positive


@dataclass
class Traced:
    """A number of 40 digits that remembers whether anything on the way was not an ordinary real number."""

    number: mpmath.mpf
    odd: list

    def _make(self, work):
        try:
            number = work()
        except (ZeroDivisionError, ValueError, OverflowError):
            number = mpmath.nan
        if isinstance(number, mpmath.mpc) or not mpmath.isfinite(number) or not 1e-200 < abs(number) < 1e200:
            self.odd.append(number)
            number = mpmath.mpf(1)
        return Traced(number, self.odd)

    def __add__(self, other):
        return self._make(lambda: self.number + other.number)

    def __sub__(self, other):
        return self._make(lambda: self.number - other.number)

    def __mul__(self, other):
        return self._make(lambda: self.number * other.number)

    def __truediv__(self, other):
        return self._make(lambda: self.number / other.number)

    def __pow__(self, other):
        return self._make(lambda: self.number**other.number if abs(other.number) <= 300 else mpmath.nan)

    def __neg__(self):
        return Traced(-self.number, self.odd)

    def __pos__(self):
        return self


operators = st.sampled_from([" + ", " - ", "*", " / ", "**", "^"])
signs = st.sampled_from(["", "", "", "-", "+", "--"])
leaves = st.sampled_from(["x", "y", "z", "2", "3", "7", "0.5", "1.25", "10"])


def grown(inner):
    bracketed = inner.map(lambda text: f"({text})")
    called = st.builds("{}({})".format, st.sampled_from(["exp", "log", "tanh"]), leaves)
    operand = st.builds("{}{}".format, signs, st.one_of(leaves, bracketed, called))
    return st.builds(
        lambda first, rest: first + "".join(o + t for o, t in rest),
        operand,
        st.lists(st.tuples(operators, operand), max_size=4),
    )


@steady
@given(st.recursive(leaves, grown, max_leaves=8))
def test_precedence_is_that_of_python(text):
    odd = []

    def traced(number):
        return Traced(mpmath.mpf(number), odd)

    names = {name: traced(number) for name, number in POINT.items()}
    for name, function in (("exp", mpmath.exp), ("log", mpmath.log), ("tanh", mpmath.tanh)):
        names[name] = lambda t, f=function: t._make(lambda: f(t.number))
    # The text is this test's own; numbers are wrapped so that Python computes with 40 digits, too.
    wrapped = "".join(f"traced({t})" if t[0].isdigit() else t for t in _tokens(text))
    with mpmath.workdps(40):
        expected = eval(wrapped.replace("^", "**"), {"__builtins__": {}, "traced": traced, **names})
        if odd:
            return  # overflow, a complex number, a division by zero: refused or not, there is no value to compare
        expression = parse_formula(text)
        found = expression.subs({symbol(n): sympy.Rational(v) for n, v in POINT.items()}).evalf(30)
        assert abs(found - expected.number) <= 1e-9 * max(1, abs(expected.number))


def _tokens(text):
    return re.findall(r"[0-9.]+|\w+|\*\*|.", text)


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("x + $", 4, "'$' has no meaning"),
        ("a.b", 1, "'.' has no meaning"),
        ("x²", 1, "'²' has no meaning"),
        ("²x", 0, "'²' has no meaning"),
        ("x + ٣", 4, "'٣' has no meaning"),
        ("x\x00", 1, "has no meaning"),
        ('__import__("os")', 11, "has no meaning"),
        ("x; y", 1, "';' has no meaning"),
        ("[x]", 0, "'[' has no meaning"),
        ("x = 2", 2, "'=' has no meaning"),
        ("x // y", 3, "expected a number, a name or '('"),
        ("x +", 3, "found the end of the formula"),
        ("x + * y", 4, "found '*'"),
        ("()", 1, "found ')'"),
        ("(x", 2, "expected ')', found the end"),
        ("(x + (y)", 8, "expected ')', found the end"),
        ("x)", 1, "closes nothing"),
        ("6N", 1, "Write multiplication out"),
        ("6 (x)", 2, "Write multiplication out"),
        ("x if y else z", 2, "not expected here"),
        ("lambda: x", 6, "':' has no meaning"),
        ("breakpoint()", 0, "not a function that formulas may use"),
        ("a*b(c + d)", 2, "Multiplication is written out"),
        ("log x", 0, "needs its argument in parentheses"),
        ("x/(2 - 2)", 1, "division by zero"),
        ("x/(y - y)", 1, "division by zero"),
        ("1e400*x", 0, "too large"),
        ("x*(-8)**(1/3)", 6, "no finite real value"),
        ("x + (-8)^0.5", 8, "no finite real value"),
        ("log(-2)*x", 0, "no finite real value"),
        ("x + log(0)", 4, "no finite real value"),
        ("0**(-1)*x", 1, "no finite real value"),
        ("exp(1000)*x", 0, "no finite real value"),
        ("x*10**200*10**200", 9, "no finite real value"),
        ("x/10**200/10**200", 9, "no finite real value"),
    ],
)
def test_an_error_points_at_the_character(text, position, says):
    with pytest.raises(LawError) as caught:
        parse_formula(text)
    assert caught.value.position == position
    assert says in str(caught.value)
    assert caught.value.message.endswith(f"\n  {text}\n  {' ' * position}^")
    assert caught.value.exit_code == UsageError.exit_code == 2


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_formula_says_what_one_looks_like(text):
    with pytest.raises(LawError, match=r'empty\nWrite one, for example "E \+ A/N\*\*alpha"'):
        parse_formula(text)


def test_a_complex_formula_is_refused():
    with pytest.raises(LawError, match="no finite real value"):
        parse_formula("sqrt(-x*x)")


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "x*9**9**9**9**9",
        "((((((9**16)**16)**16)**16)**16)**16)**16",
        "(3*x)**999999999",
        "(x/3)**(-99999999)",
        "sqrt(3*x)**99999999",
        "(10*x)**9**9",
        "exp(exp(exp(exp(exp(9)))))*x",
        "x**exp(exp(exp(9)))",
        "x" + "**9" * 400,
        "(" * 400 + "x" + ")" * 400,
        "-" * 400 + "x",
        "sqrt(" * 400 + "x" + ")" * 400,
        "x**" * 400 + "x",
        "x" * 100_000 + "+",
        "+x" * 50_000,
        "\x00" * 10,
        "(" * 1_000_000,
        "x.__class__.__bases__",
        "open('f', 'w')",
        "eval(x)",
        "exec(x)",
        "getattr(x, y)",
        "`id`",
        "x\nimport os",
        "f'{x}'",
        "\ud800",
    ],
)
def test_hostile_text_is_refused_and_never_runs(text):
    with pytest.raises(LawError):
        parse_formula(text)


def test_the_limits_are_where_they_are_said_to_be():
    longest = "x" + "+x" * ((MAX_LENGTH - 1) // 2)
    assert parse_formula(longest) == (len(longest) + 1) // 2 * symbol("x")
    with pytest.raises(LawError, match=f"{MAX_LENGTH + 1} characters; at most {MAX_LENGTH}"):
        parse_formula("x" * (MAX_LENGTH + 1))
    assert parse_formula("(" * MAX_DEPTH + "x" + ")" * MAX_DEPTH) == symbol("x")
    with pytest.raises(LawError, match=f"more than {MAX_DEPTH} nested levels"):
        parse_formula("(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1))


def test_python_words_are_plain_names():
    assert parse_formula("lambda*exit + __import__") == symbol("lambda") * symbol("exit") + symbol("__import__")


@steady
@given(st.text(max_size=80))
def test_any_text_is_a_formula_or_a_law_error(text):
    try:
        expression = parse_formula(text)
    except LawError:
        return
    assert isinstance(expression, sympy.Expr)


@steady
@given(
    st.lists(st.sampled_from([*"xyEN0129.()+-*/^eE ", "**", "log(", "exp(", "1e99", "sqrt("]), max_size=40).map("".join)
)
def test_any_row_of_signs_is_a_formula_or_a_law_error(text):
    try:
        expression = parse_formula(text)
    except LawError:
        return
    assert not expression.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I)


def test_what_can_be_a_name():
    assert all(is_name(text) for text in ("N", "n_params", "α", "_", "E", "lambda"))
    assert not any(is_name(text) for text in ("", "2x", "a b", "a-b", "x²", "pi", *FUNCTIONS))


class TestMinAndMax:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("min(x, 2)", lambda x, y: np.minimum(x, 2)),
            ("max(x, y, 2)", lambda x, y: np.maximum(np.maximum(x, y), 2)),
            ("x*min(x + 1, y**2)/max(1, x)", lambda x, y: x * np.minimum(x + 1, y**2) / np.maximum(1, x)),
            ("min(max(x, 1), y)**2 - min(3, 4, 2)", lambda x, y: np.minimum(np.maximum(x, 1), y) ** 2 - 2),
        ],
    )
    def test_values(self, text, expected):
        x, y = np.meshgrid(np.linspace(-1, 4, 11), np.linspace(-2, 3, 11))
        found = sympy.lambdify([symbol("x"), symbol("y")], parse_formula(text), "numpy")(x, y)
        np.testing.assert_allclose(found, expected(x, y), rtol=1e-15)

    def test_they_broadcast(self):
        function = sympy.lambdify([symbol("x"), symbol("y")], parse_formula("min(x, y)"), "numpy")
        assert function(np.ones((3, 1)), np.ones((1, 4))).shape == (3, 4)

    def test_slopes_are_those_of_the_value_that_counts(self):
        x, y = symbol("x"), symbol("y")
        slope = sympy.lambdify([x, y], parse_formula("min(x**2, y) + max(3*x, y)").diff(x), "numpy")
        assert slope(1.0, 2.0) == 2 * 1 + 3  # x**2 is the smaller, 3x the larger
        assert slope(3.5, 11.0) == 0  # y is both
        assert slope(2.0, 4.0) == 0.5 * 4 + 3  # half the slope where both are equal

    def test_latex(self):
        text = sympy.latex(parse_formula("min(x, 2)**2 + max(a, b, c)"), order="none")
        assert r"\min\left(x, 2\right)^{2}" in text
        assert r"\max\left(\max\left(a, b\right), c\right)" in text

    def test_of_plain_numbers_and_of_one_thing_twice(self):
        assert parse_formula("min(3, 2, 5)") == 2
        assert parse_formula("max(0.5, 1/3)") == 0.5
        assert parse_formula("min(x, x)") == symbol("x")

    def test_a_parameter_inside_is_not_taken_for_linear(self):
        # At most points the minimum leaves a or b out, and a numerical look alone would call the formula linear in it.
        law = find_law("E + c*min(a, x) + max(b*x, 1e9)", inputs=["x"])
        assert law.linear_parameters == ("E", "c")

    @pytest.mark.parametrize(
        ("text", "position", "says"),
        [
            ("1 + min(a)", 4, "needs two values or more"),
            ("min a", 0, "needs its argument in parentheses"),
            ("min(a,)", 6, "expected a number, a name or"),
            ("max(,a)", 4, "expected a number, a name or"),
            ("min(a, b", 8, "expected ')', found the end"),
            ("exp(a, b)", 5, "expected ')', found ','"),
            ("1,5*x", 1, "',' is not expected here"),
        ],
    )
    def test_mistakes(self, text, position, says):
        with pytest.raises(LawError, match=re.escape(says)) as caught:
            parse_formula(text)
        assert caught.value.position == position

    def test_the_kink_is_fitted_through(self):
        """Saturation at an unknown place: the optimum is found across the bend, with its derivatives."""
        x = np.linspace(0.1, 5, 60)
        fit = scaling.fit(
            "a + b*min(x, c)", {"x": x}, 1 + 0.7 * np.minimum(x, 2.3), residual="linear", objective="squared",
            parameters={"c": {"low": 0.2, "high": 4.9}}, bootstrap=0,
        )  # fmt: skip
        assert fit.estimates == pytest.approx({"a": 1.0, "b": 0.7, "c": 2.3}, rel=1e-9)
