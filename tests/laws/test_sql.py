"""A law as SQL agrees with the law in Python."""

import duckdb
import numpy as np
import pytest

import scaling
from scaling.errors import UsageError
from scaling.fitting.compile import compile_law
from scaling.laws.book import find_law, law_names
from tests.truths import RANGES


def natural_draws(law, rng, draws):
    """Parameters inside the bounds, moderate ones, shape (draws, p)."""
    columns = []
    for parameter in law.parameters:
        low, high = parameter.screening_range(RANGES)
        low, high = max(low, 1e-3), min(high, 1e17)
        columns.append(np.exp(rng.uniform(np.log(low), np.log(high), draws)))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("name", law_names())
def test_sql_agrees_with_python(name):
    law = find_law(name)
    rng = np.random.default_rng(3)
    theta = natural_draws(law, rng, 40)
    inputs = {n: np.exp(rng.uniform(*np.log(RANGES[n]), 50)) for n in law.inputs}
    if name == "repeated_pools":  # of more epochs than it writes out it says nothing
        inputs["U"] = inputs["D"] / rng.uniform(0.2, 32, 50)
    rows = list(zip(*inputs.values(), strict=True))
    truth = dict(zip(law.parameter_names, theta[0].tolist(), strict=True))
    kernel = compile_law(law, [False] * len(truth))
    fit = scaling.fit(
        law, inputs, kernel.value(theta[:1], kernel.prepare(inputs))[0], start=truth, bootstrap=0, residual="linear"
    )
    expected = fit.evaluate(inputs, theta)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE runs ({', '.join(f'col_{n} DOUBLE' for n in law.inputs)})")
        connection.executemany(f"INSERT INTO runs VALUES ({', '.join('?' * len(law.inputs))})", rows)
        for values, python in zip(theta, expected, strict=True):
            sql = law.sql(
                dict(zip(law.parameter_names, values.tolist(), strict=True)), {n: f"col_{n}" for n in law.inputs}
            )
            found = np.array(connection.execute(f"SELECT {sql} FROM runs").fetchall())[:, 0]
            np.testing.assert_allclose(found, python, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("a*sigmoid(b*x) - 1/3", lambda a, b, x: a / (1 + np.exp(-b * x)) - 1 / 3),
        ("a*log10(x) + b*log2(x) + ln(x)", lambda a, b, x: a * np.log10(x) + b * np.log2(x) + np.log(x)),
        ("a*tanh(x) + b*arctan(x)*pi", lambda a, b, x: a * np.tanh(x) + b * np.arctan(x) * np.pi),
        ("a*sin(x) - b*cos(2*x)", lambda a, b, x: a * np.sin(x) - b * np.cos(2 * x)),
        ("sqrt(a*x) - b**-x + 2**(1/2)", lambda a, b, x: np.sqrt(a * x) - b**-x + np.sqrt(2)),
        ("a*sqrt(x*x) + exp(-b*x) + exp(1)", lambda a, b, x: a * abs(x) + np.exp(-b * x) + np.e),
        ("-a - -b*x", lambda a, b, x: -a + b * x),
        ("min(a, b*x) + max(x, 1, b)**2", lambda a, b, x: np.minimum(a, b * x) + np.maximum(x, 1) ** 2),
        ("max(min(x, 2), a, b)*x - min(b, 3, 4)", lambda a, b, x: np.maximum(np.minimum(x, 2), a) * x - b),
    ],
)
def test_sql_of_every_function_agrees_with_python(formula, expected):
    law = find_law(formula, inputs=["x"])
    x = np.linspace(0.2, 3, 7)
    with duckdb.connect(":memory:") as connection:
        for value, want in zip(x.tolist(), expected(1.7, 0.6, x), strict=True):
            sql = law.sql({"a": 1.7, "b": 0.6}, {"x": "$x"})
            ((found,),) = connection.execute(f"SELECT {sql}", {"x": value}).fetchall()
            assert found == pytest.approx(want, rel=1e-13)


def test_sql_is_nan_or_infinite_where_python_is():
    law = find_law("shifted_power")
    sql = law.sql({"K": 1.0, "E_x": 2.0, "kappa": 0.5, "E_y": 1.0}, {"x": "x"})
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(f"SELECT {sql} FROM (VALUES (1.5), (3.0)) AS t(x)").fetchall()
    assert np.isnan(rows[0][0])
    assert rows[1][0] == 2.0


def test_passes_that_a_law_does_not_write_out_have_no_value_in_sql_either():
    law = find_law("repeated_pools")
    sql = law.sql({"E": 0.1, "D_c": 50.0, "beta": 0.15, "h": 2.0}, {"D": "d", "U": "u"})
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(f"SELECT {sql} FROM (VALUES (3200, 100), (3201, 100)) AS t(d, u)").fetchall()
    assert rows[0][0] == pytest.approx(0.88340048, abs=1e-8)
    assert np.isnan(rows[1][0])


def test_sql_numbers_read_back_exactly():
    law = find_law("a*x", inputs=["x"])
    with duckdb.connect(":memory:") as connection:
        for number in (0.1, 1 / 3, -2.5, 1e300, 5e-324, 123456789012345680.0, 3.0, float("inf")):
            ((found,),) = connection.execute(f"SELECT {law.sql({'a': number}, {'x': '1e0'})}").fetchall()
            assert found == number


def test_sql_numbers_are_doubles_and_no_decimals():
    # Without an exponent DuckDB takes a literal for a DECIMAL, whose products run out of digits.
    law = find_law("a*b*c*x", inputs=["x"])
    values = np.random.default_rng(0).uniform(1, 10, (50, 3))
    with duckdb.connect(":memory:") as connection:
        for a, b, c in values.tolist():
            sql = law.sql({"a": a, "b": b, "c": c}, {"x": "1e0"})
            ((found,),) = connection.execute(f"SELECT {sql}").fetchall()
            assert found == pytest.approx(a * b * c, rel=1e-15)


def test_sql_needs_a_value_for_every_name():
    with pytest.raises(UsageError, match="no value for B, beta, D"):
        find_law("chinchilla").sql({"E": 1, "A": 1, "alpha": 1}, {"N": "n"})


def test_min_and_max_in_sql_pass_on_what_is_no_number():
    """DuckDB's least and greatest leave out NULL, and least NaN; neither may turn into a value here."""
    law = find_law("a*min(x, 3) + max(x - 5, -z)", inputs=["x", "z"])
    sql = law.sql({"a": 2.0}, {"x": "x", "z": "z"})
    rows = "(1.0, 1.0), (7.0, 1.0), ('nan'::DOUBLE, 1.0), (1.0, 'nan'::DOUBLE), (NULL, 1.0), (1.0, NULL)"
    with duckdb.connect(":memory:") as connection:
        found = [row[0] for row in connection.execute(f"SELECT {sql} FROM (VALUES {rows}) AS t(x, z)").fetchall()]
    assert found[:2] == [1.0, 8.0]
    assert np.isnan(found[2:4]).all()
    assert found[4:] == [None, None]
    # Python says the same of NaN.
    kernel = compile_law(law, [False])
    values = kernel.value(np.array([[2.0]]), kernel.prepare({"x": np.array([np.nan, 1]), "z": np.array([1, np.nan])}))
    assert np.isnan(values).all()
