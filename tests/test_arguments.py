"""Reading what people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.arguments import bounds, check_targets, day, days, pairs, quantity, size, targets
from scaling.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70e9", 70e9),
        ("7e10", 70e9),
        ("70B", 70e9),
        ("70b", 70e9),
        ("1.4T", 1.4e12),
        ("124M", 124e6),
        ("512", 512.0),
        ("512K", 512e3),
        ("1_000", 1000.0),
        (" 3.5 ", 3.5),
        ("-2", -2.0),
        ("0", 0.0),
        ("5.76e23", 5.76e23),
        (".5B", 5e8),
        ("1e-3", 1e-3),
    ],
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text, "--params") == value


@pytest.mark.parametrize(
    "text", ["", " ", "B", "70G", "70BB", "7O", "1,000", "1e400", "1e300T", "nan", "inf", "-inf", "Infinity", "0x10"]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number that --params can take") as raised:
        quantity(text, "--params")
    assert "70B" in str(raised.value.hint)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_back_exactly(value: float) -> None:
    assert quantity(repr(value), "x") == value


@pytest.mark.parametrize("text", ["0", "-1", "-70B", "-1e-300"])
def test_sizes_are_above_zero(text: str) -> None:
    with pytest.raises(UsageError, match="--tokens takes a number above 0"):
        size(text, "--tokens")


def test_pairs_are_split_at_the_first_equals_sign() -> None:
    assert pairs(["x = CASE WHEN a = 1 THEN 2 END", "y=b"], "--input") == [
        ("x", "CASE WHEN a = 1 THEN 2 END"),
        ("y", "b"),
    ]
    assert pairs(None, "--input") == []


@pytest.mark.parametrize("text", ["x", "x=", "=1", "", "="])
def test_what_is_no_pair(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form NAME=VALUE that --input takes"):
        pairs([text], "--input")


def test_a_name_given_twice() -> None:
    with pytest.raises(UsageError, match="--input gives 'x' twice"):
        pairs(["x=1", "x=2"], "--input")


def test_bounds() -> None:
    assert bounds(["alpha=0.01:2", "E=0:", "b=:1e3", "c=:", "d=-1:1K"]) == {
        "alpha": {"low": 0.01, "high": 2.0},
        "E": {"low": 0.0},
        "b": {"high": 1000.0},
        "c": {},
        "d": {"low": -1.0, "high": 1000.0},
    }
    assert bounds(None) == {}


@pytest.mark.parametrize(("text", "said"), [("alpha=1", "gives no bounds"), ("alpha=a:2", "is not a number")])
def test_what_are_no_bounds(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        bounds([text])


def test_targets_come_in_order() -> None:
    assert targets(["1B", "2B"], ["20B", "40B"], ["x=1e3,y=-2", "N=3B,D=60B"]) == [
        {"N": 1e9, "D": 20e9},
        {"N": 2e9, "D": 40e9},
        {"x": 1e3, "y": -2.0},
        {"N": 3e9, "D": 60e9},
    ]
    assert targets(None, None, None) == []


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ((["1B"], None, None), "1 --params and 0 --tokens"),
        ((None, ["1B", "2B"], None), "0 --params and 2 --tokens"),
        ((["-1B"], ["1B"], None), "--params takes a number above 0"),
        ((["1B"], ["0"], None), "--tokens takes a number above 0"),
        ((None, None, ["N=0,D=1"]), "--at N takes a number above 0"),
        ((None, None, ["C=-1"]), "--at C takes a number above 0"),
        ((None, None, ["x=1,,y=2"]), "NAME=VALUE"),
        ((None, None, ["x=1,x=2"]), "gives 'x' twice"),
        ((None, None, ["x=many"]), "'many' is not a number that --at x can take"),
    ],
)
def test_what_are_no_targets(given_: tuple[list[str] | None, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        targets(*given_)


def test_targets_name_the_inputs_of_the_law() -> None:
    check_targets([{"D": 1.0, "N": 2.0}], "chinchilla", ["N", "D"])
    check_targets([], "chinchilla", ["N", "D"])
    with pytest.raises(UsageError, match="'chinchilla' takes N, D, and a target names x") as raised:
        check_targets([{"N": 1.0, "D": 1.0}, {"x": 1.0}], "chinchilla", ["N", "D"])
    assert raised.value.hint == "Write it as: --params ... --tokens ..."
    with pytest.raises(UsageError) as raised:
        check_targets([{"N": 1.0, "D": 1.0}], "mine", ["x", "y"])
    assert raised.value.hint == "Write it as: --at x=...,y=..."


def test_days() -> None:
    assert day(" 2024-02-29", "--date") == "2024-02-29"
    assert days(["2024-02-29", "2025-01-01"], "--cutoff") == ["2024-02-29", "2025-01-01"]
    assert days([], "--cutoff") is None


@pytest.mark.parametrize("text", ["", "yesterday", "2025-02-29", "2024-13-01", "1e3", "2024"])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(UsageError, match="is no day that --date can take"):
        day(text, "--date")
