"""The rounding rule, case by case, and what must hold for any number."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scaling.formatting import (
    format_count,
    format_estimate,
    format_factor,
    format_interval,
    format_money,
    format_number,
    format_percent,
)

INF, NAN = math.inf, math.nan
steady = settings(derandomize=True, deadline=None, max_examples=300)
finite = st.floats(min_value=-1e308, max_value=1e308)  # rounded up, the largest floats would read back as infinity
ordinary = st.floats(min_value=1e-30, max_value=1e30)


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        # The two examples that the Particle Data Group gives, and the edges of its three bands.
        (0.827, 0.119, "0.83 ± 0.12"),
        (0.827, 0.367, "0.8 ± 0.4"),
        (1, 0.0354, "1.000 ± 0.035"),
        (1, 0.0355, "1.00 ± 0.04"),
        (1, 0.0949, "1.00 ± 0.09"),
        (1, 0.0950, "1.00 ± 0.10"),
        (1, 0.0999, "1.00 ± 0.10"),
        (1, 0.09996, "1.00 ± 0.10"),
        (1234, 949, "1200 ± 900"),
        (1234, 950, "1200 ± 1000"),
        (1234, 99.4, "1230 ± 100"),
        (99.99, 9.5, "100 ± 10"),
        (-2143.4, 1293.3, "-2100 ± 1300"),
        (0.3473105, 0.0154, "0.347 ± 0.015"),
        # An error larger than the value, and zeros.
        (1, 950, "0 ± 1000"),
        (-0.0001, 1, "0.0 ± 1.0"),
        (-0.0, 0.1, "0.00 ± 0.10"),
        # Powers of ten, taken out of both.
        (5.76e23, 1.1e22, "(5.76 ± 0.11)e23"),
        (1e6, 1e5, "(1.00 ± 0.10)e6"),
        (1e5, 999999, "(0.1 ± 1.0)e6"),
        (999999, 1, "999999.0 ± 1.0"),
        (999999.6, 95, "(1.00000 ± 0.00010)e6"),
        (0.00099, 1e-5, "(9.90 ± 0.10)e-4"),
        (0.001, 0.00095, "0.0010 ± 0.0010"),
        (0, 1e-9, "(0.0 ± 1.0)e-9"),
        (1.7e308, 1e308, "(1.7 ± 1.0)e308"),
        # Errors that are not known, not possible or below what the arithmetic resolves.
        (1, NAN, "1 ± unknown"),
        (1, INF, "1 ± unknown"),
        (1, -1, "1 ± unknown"),
        (1, 0, "1 ± 0"),
        (3, 1e-17, "3 ± 1e-17"),
        (1, 5e-324, "1 ± 4.9e-324"),
        (NAN, 1, "unknown ± 1"),
        (INF, 0.25, "inf ± 0.25"),
        (NAN, NAN, "unknown ± unknown"),
    ],
)
def test_an_estimate_follows_the_rule_of_the_particle_data_group(value, error, expected):
    assert format_estimate(value, error) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.31713, 0.37291, "0.317 to 0.373"),
        (1042.1, 5810.9, "1000 to 5800"),
        (0.0995, 0.1005, "0.0995 to 0.1005"),
        (1.79999, 1.80001, "1.799990 to 1.800010"),
        (61.3, 34012, "61 to 34000"),
        (-34012, -61.3, "-34000 to -61"),
        (-100, -1, "-100 to -1"),
        (-1, 1, "-1.0 to 1.0"),
        (0, 5, "0.0 to 5.0"),
        (-0.0001, 5, "0.0 to 5.0"),
        (0, 1e-5, "0.0e-5 to 1.0e-5"),
        (9e5, 1.1e6, "0.90e6 to 1.10e6"),
        (1e23, 1.5e23, "1.00e23 to 1.50e23"),
        (-1.7e308, 1.7e308, "-1.7e308 to 1.7e308"),
        (1 - 1e-16, 1, "1 to 1"),
        (1, 1, "1 to 1"),
        (-INF, 1, "-inf to 1"),
        (1, INF, "1 to inf"),
        (NAN, 1, "unknown"),
        (1, NAN, "unknown"),
    ],
)
def test_an_interval_is_cut_at_one_decimal_place(low, high, expected):
    assert format_interval(low, high) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "unknown"),
        (NAN, "unknown"),
        (INF, "inf"),
        (-INF, "-inf"),
        (0, "0"),
        (-0.0, "0"),
        (1, "1"),
        (1 - 1e-15, "1"),
        (3 + 1e-12, "3"),
        (1 + 1e-9, "1.000"),
        (12.3, "12.30"),
        (0.1, "0.1000"),
        (1.8172181, "1.817"),
        (9.9996, "10.00"),
        (123456, "123500"),
        (-123456, "-123500"),
        (999949, "999900"),
        (999999.6, "1e6"),
        (1e6, "1e6"),
        (0.00099996, "0.001000"),
        (0.0009999, "9.999e-4"),
        (5.76e23, "5.76e23"),
        (5e-324, "4.941e-324"),
        (1.7976931348623157e308, "1.798e308"),
    ],
)
def test_a_bare_number_has_four_digits(value, expected):
    assert format_number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "unknown"),
        (NAN, "unknown"),
        (0, "0"),
        (0.5, "0.500"),
        (512, "512"),
        (999.4, "999"),
        (999.6, "1K"),
        (1500, "1.5K"),
        (99_950, "100K"),
        (999_499, "999K"),
        (999_500, "1M"),
        (124_439_808, "124M"),
        (70e9, "70B"),
        (-5e9, "-5B"),
        (1.4e12, "1.4T"),
        (1.234e15, "1230T"),
        (1e16, "1e16"),
    ],
)
def test_a_count_carries_the_letter_of_the_field(value, expected):
    assert format_count(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, "x1"), (1.26, "x1.3"), (9.94, "x9.9"), (9.96, "x10"), (37.2, "x37"), (1e6, "x1e6"), (INF, "unknown")],
)
def test_an_extrapolation_factor(value, expected):
    assert format_factor(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0 %"), (1, "100 %"), (0.9, "90 %"), (0.00731, "0.73 %"), (-0.5, "-50 %"), (1e-9, "1e-7 %"), (NAN, "unknown")],
)
def test_a_percentage(value, expected):
    assert format_percent(value) == expected


@steady
@given(finite, st.integers(min_value=1, max_value=12))
def test_a_number_reads_back_to_its_digits(value, digits):
    text = format_number(value, digits)
    assert "e+" not in text
    assert text != "-0"
    # Below the smallest normal number the digits themselves run out.
    assert float(text) == pytest.approx(value, rel=0.5001 * 10.0 ** (1 - digits), abs=1e-307)


@steady
@given(finite, finite)
def test_the_ends_of_an_interval_keep_their_order(a, b):
    low, high = min(a, b), max(a, b)
    text = format_interval(low, high)
    assert "e+" not in text
    first, last = (float(end) for end in text.split(" to "))
    assert first <= last
    assert math.copysign(1, first) > 0 or first < 0  # no "-0"
    width = high / 2 - low / 2
    assert first == pytest.approx(low, abs=max(0.12 * width, 0.06 * abs(low), 1e-307))
    assert last == pytest.approx(high, abs=max(0.12 * width, 0.06 * abs(high), 1e-307))


@steady
@given(ordinary, ordinary, st.sampled_from([-1, 1]))
def test_an_estimate_reads_back_to_the_last_place_of_its_error(size, error, sign):
    value = sign * size
    assume(error > 1e-11 * size)
    text = format_estimate(value, error)
    assert "e+" not in text
    body, _, power = text.partition(")e")
    unit = 10.0 ** int(power or 0)
    shown, shown_error = (float(part) * unit for part in body.lstrip("(").split(" ± "))
    digits = body.split(" ± ")[1].replace(".", "").lstrip("0")
    assert 1 <= len(digits.rstrip("0") or "0") <= 2
    assert shown_error == pytest.approx(error, rel=0.15)
    assert shown == pytest.approx(value, abs=0.51 * error)


@steady
@given(ordinary)
def test_a_count_is_within_half_a_percent(value):
    text = format_count(value)
    unit = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1.0)
    number = float(text[:-1] if unit > 1 else text)
    assert number * unit == pytest.approx(value, rel=5.1e-3)


def test_amounts_that_are_spent_add_up_as_they_are_shown():
    spent = [16666.0, 8333.0, 25001.0]
    assert [format_money(one) for one in [*spent, sum(spent)]] == ["16666", "8333", "25001", "50000"]
    thirds = [50000 / 3] * 3
    assert sum(float(format_money(one)) for one in thirds) == pytest.approx(50000, abs=0.015)
    assert [format_money(one) for one in (0.00025, 2.5, 99.999, 999999.999, -16666.667, 0.0)] == [
        "2.5e-4", "2.500", "100.0", "1000000", "-16666.67", "0",
    ]  # fmt: skip
    assert (format_money(None), format_money(float("nan")), format_money(2.5e9)) == ("unknown", "unknown", "2.5e9")
