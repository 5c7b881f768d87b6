"""Arithmetic in column names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import expression
from db.cells import BAD, MISSING, NAN, OK, Numbers, numbers_from_cells
from scaling.errors import UsageError

COLUMNS = {
    "N": [1e8, 2e8],
    "C": [6e18, 2.4e19],
    "params_M": [70, 400],
    "a.b": [1, 2],
    "Model Size (B)": [7, 70],
}


def _value(text: str) -> list[float]:
    def lookup(name: expression.Name) -> Numbers:
        return numbers_from_cells(COLUMNS[name.name])

    return np.broadcast_to(expression.evaluate(expression.parse(text), lookup).values, 2).tolist()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("params_M * 1e6", [7e7, 4e8]),
        ("C/(6*N)", [1e10, 2e10]),
        ("C/(6N)", [1e10, 2e10]),
        ("2(N + 1)", [2e8 + 2, 4e8 + 2]),
        ("1/2N", [1 / 2e8, 1 / 4e8]),
        ('"Model Size (B)" * 1e9', [7e9, 7e10]),
        ("'Model Size (B)'*1e9", [7e9, 7e10]),
        ("a.b ** 2 ** 3", [1, 256]),
        ("-a.b**2", [-1, -4]),
        ("2 ** -a.b", [0.5, 0.25]),
        ("10 - 4 - 3 + +1", [4, 4]),
        ("8/4/2", [1, 1]),
        ("1e-3", [1e-3, 1e-3]),
    ],
)
def test_values(text: str, values: list[float]) -> None:
    assert _value(text) == pytest.approx(values, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("N ^ 2", 2, "A power is written with"),
        ("N *", 3, "a number or a name is missing"),
        ("(N + 1", 6, "a closing bracket is missing"),
        ("N 2", 2, "an operator is missing"),
        ("exp(N)", 3, "there are no functions"),
        ("__import__('os')", 10, "there are no functions"),
        ("N; C", 1, "has no meaning"),
        ("", 0, "a number or a name is missing"),
        ("N[0]", 1, "has no meaning"),
        ("(" * 200 + "N", 50, "nested too deeply"),
    ],
)
def test_errors_point_at_the_character(text: str, position: int, why: str) -> None:
    with pytest.raises(UsageError, match=why) as raised:
        expression.parse(text)
    assert raised.value.message.splitlines()[-1] == "  " + " " * position + "^"


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        node = expression.parse(text)
    except UsageError:
        return
    assert isinstance(node, expression.Number | expression.Name | expression.Negative | expression.Binary)


@given(st.recursive(
    st.integers(1, 9).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
    max_leaves=8,
))  # fmt: skip
def test_numbers_agree_with_python(text: str) -> None:
    try:
        expected = float(eval(text))  # the text is made above
    except ZeroDivisionError:
        return
    assert _value(text)[0] == pytest.approx(expected, rel=1e-12)


def test_a_status_goes_through_arithmetic() -> None:
    cells = {"x": ["1", "nan", "", "oops", "0"], "y": ["1", "1", "1", "1", "1"]}
    result = expression.evaluate(expression.parse("y / x + 0 * x"), lambda name: numbers_from_cells(cells[name.name]))
    assert result.status.tolist()[:4] == [OK, NAN, MISSING, BAD]
    assert not np.isfinite(result.values[4])
