"""The one formatter: how a number is written wherever a reader meets it.

The rounding rule
-----------------
* **A value with an error** follows the Particle Data Group (Phys. Rev. D 98, 030001, section 5.3): take the three
  leading digits of the error; 100 to 354 are rounded to two digits, 355 to 949 to one, 950 to 999 are rounded up to
  1000 and keep two. The value is cut at the same decimal place.
* **An interval** is cut at the decimal place that the rule gives for half its width; one whose ends are a factor of ten
  or more apart keeps two significant digits of each.
* **An error or width below 1e-12 of the value** is rounding of the arithmetic: both are written as bare numbers.
* **A bare number** has four significant digits; a whole number, but for rounding of the arithmetic, shows no decimals.
* **Counts** of parameters and tokens from a thousand on carry K, M, B or T and three significant digits.
* From 1e6 on, and below 1e-3, powers of ten are written as in ``5.76e23``.
* What is unknown is written ``unknown``; never 0 and never an empty cell.
"""

from __future__ import annotations

import math

UNKNOWN = "unknown"
_ROUNDING = 1e-12  # of a value: what the arithmetic itself leaves
_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def format_number(value: float | None, digits: int = 4) -> str:
    """Write a bare number with `digits` significant digits.

    Parameters
    ----------
    value : float or None
        The number. None and NaN are written ``unknown``.
    digits : int, default 4
        Significant digits.

    Returns
    -------
    str

    Examples
    --------
    >>> format_number(1.8172181), format_number(5.76e23), format_number(0.00010182740178)
    ('1.817', '5.76e23', '1.018e-4')
    """
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    exponent = _exponent(value, digits)
    if exponent >= 6 or exponent < -3:
        return _scientific(value, digits - 1, trim=True)
    place = digits - 1 - exponent
    text = f"{round(value, place):.{max(place, 0)}f}"
    return _trim(text) if abs(value - round(value)) <= _ROUNDING * abs(value) else text


def format_estimate(value: float, error: float) -> str:
    """Write a value with its standard error, by the rule of the Particle Data Group.

    Parameters
    ----------
    value, error : float
        The estimate and its standard error, in the same unit.

    Returns
    -------
    str

    Examples
    --------
    >>> format_estimate(0.3473105, 0.0154), format_estimate(2143.4, 1293.3), format_estimate(1.8172, 0.0097)
    ('0.347 ± 0.015', '2100 ± 1300', '1.817 ± 0.010')
    """
    if math.isnan(error) or math.isinf(error) or error <= 0:
        return f"{format_number(value)} ± {UNKNOWN if error != 0 else '0'}"
    if not math.isfinite(value) or error <= _ROUNDING * abs(value):
        return f"{format_number(value)} ± {format_number(error, 2)}"
    place, error = _pdg(error)
    power = _needs_power(max(abs(value), error), place)
    if power is None:
        return f"{_at_place(value, place)} ± {_at_place(error, place)}"
    return f"({_at_place(value, place, power)} ± {_at_place(error, place, power)})e{power}"


def format_interval(low: float, high: float) -> str:
    """Write an interval, both ends cut at the same decimal place.

    Parameters
    ----------
    low, high : float
        The ends, in the same unit.

    Returns
    -------
    str

    Examples
    --------
    >>> format_interval(0.31713, 0.37291), format_interval(1042.1, 5810.9), format_interval(61.3, 34012)
    ('0.317 to 0.373', '1000 to 5800', '61 to 34000')
    """
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    largest = max(abs(low), abs(high))
    half = high / 2 - low / 2
    if math.isinf(largest) or half <= _ROUNDING * largest:
        return f"{format_number(low)} to {format_number(high)}"
    if high >= 10 * low > 0 or low <= 10 * high < 0:
        return f"{format_number(low, 2)} to {format_number(high, 2)}"
    place, _ = _pdg(half)
    power = _needs_power(largest, place)
    unit = "" if power is None else f"e{power}"
    return " to ".join(_at_place(end, place, power) + unit for end in (low, high))


def format_count(value: float | None) -> str:
    """Write a count of parameters or tokens, the way the field does.

    Parameters
    ----------
    value : float or None
        The count.

    Returns
    -------
    str

    Examples
    --------
    >>> format_count(70e9), format_count(1.4e12), format_count(124_439_808), format_count(512)
    ('70B', '1.4T', '124M', '512')
    """
    if value is None or not math.isfinite(value):
        return format_number(value)
    for unit, suffix in _SUFFIXES:
        if abs(value) >= unit * 0.9995:
            scaled = value / unit
            if abs(scaled) >= 1e4:
                break
            place = 2 - _exponent(scaled, 3)
            return _trim(f"{round(scaled, place):.{max(place, 0)}f}") + suffix
    return format_number(value, 3)


def format_count_interval(low: float, high: float) -> str:
    """Write an interval of counts, both ends as `format_count` does.

    Parameters
    ----------
    low, high : float
        The ends.

    Returns
    -------
    str

    Examples
    --------
    >>> format_count_interval(1_371_000, 1.49e6), format_count_interval(5.7e5, float("inf"))
    ('1.37M to 1.49M', '570K to inf')
    """
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    return f"{format_count(low)} to {format_count(high)}"


def format_whole(value: float | None) -> str:
    """Write a number that somebody set, such as a batch size: whole numbers below 1e9 whole, others to six digits.

    Parameters
    ----------
    value : float or None
        The number.

    Returns
    -------
    str

    Examples
    --------
    >>> format_whole(131072.0), format_whole(8388608), format_whole(0.25), format_whole(4194304.5)
    ('131072', '8388608', '0.250000', '4.1943e6')
    """
    if value is not None and math.isfinite(value) and value == round(value) and abs(value) < 1e9:
        return str(round(value))
    return format_number(value, 6)


def format_money(value: float | None) -> str:
    """Write an amount that is spent: to the hundredth below 1e9, so that rows add up to their sum as they are shown.

    Parameters
    ----------
    value : float or None
        The amount; below 100 it is a bare number, which shows more of a small price.

    Returns
    -------
    str

    Examples
    --------
    >>> format_money(16666.0), format_money(16666.6667), format_money(0.00025), format_money(2.5e9)
    ('16666', '16666.67', '2.5e-4', '2.5e9')
    """
    if value is None or not 100 <= abs(value) < 1e9:
        return format_number(value, 4 if value is None or abs(value) < 100 else 6)
    text = f"{value:.2f}"
    return text.removesuffix(".00")


def format_plural(count: int, word: str) -> str:
    """Write a number of things.

    Parameters
    ----------
    count : int
        How many.
    word : str
        One of them.

    Returns
    -------
    str

    Examples
    --------
    >>> format_plural(1, "run"), format_plural(5, "run"), format_plural(5, "class")
    ('1 run', '5 runs', '5 classes')
    """
    if count == 1:
        return f"{count} {word}"
    return f"{count} {word}{'es' if word.endswith('ss') else 's'}"


def format_factor(value: float) -> str:
    """Write an extrapolation factor.

    Parameters
    ----------
    value : float
        How far outside the data; 1 is inside.

    Returns
    -------
    str

    Examples
    --------
    >>> format_factor(37.2), format_factor(1.26)
    ('x37', 'x1.3')
    """
    if not math.isfinite(value):
        return UNKNOWN
    if value >= 1e6:
        return "x" + format_number(value, 2)
    return f"x{value:.0f}" if value >= 9.95 else f"x{_trim(f'{value:.1f}')}"


def format_percent(value: float, digits: int = 2) -> str:
    """Write a share as a percentage.

    Parameters
    ----------
    value : float
        The share; 1 is all.
    digits : int, default 2
        Significant digits.

    Returns
    -------
    str

    Examples
    --------
    >>> format_percent(0.00731), format_percent(0.9)
    ('0.73 %', '90 %')
    """
    return UNKNOWN if math.isnan(value) else f"{format_number(100 * value, digits)} %"


def _exponent(value: float, digits: int) -> int:
    """Power of ten of the leading digit after rounding to `digits` significant digits."""
    return int(f"{value:.{max(digits - 1, 0)}e}".split("e")[1])


def _pdg(error: float) -> tuple[int, float]:
    """Decimal place at which the PDG rule cuts, and the error rounded there."""
    mantissa, power = f"{error:.2e}".split("e")
    leading, exponent = int(mantissa.replace(".", "")), int(power)
    if leading < 355:
        return 1 - exponent, error
    if leading < 950:
        return -exponent, error
    return -exponent, float(f"1e{exponent + 1}")


def _needs_power(value: float, place: int) -> int | None:
    """Power of ten to factor out of a number cut at a decimal place, or None where plain digits read better."""
    digits = _exponent(value, 17) + place + 1
    exponent = max(_exponent(value, digits), -307)  # below it floats lose digits, and 1e-324 is 0
    return exponent if exponent >= 6 or exponent < -3 else None


def _at_place(value: float, place: int, power: int | None = None) -> str:
    """Cut at a decimal place (negative places are tens, hundreds), after taking out a power of ten."""
    if power is not None:
        value, place = value / float(f"1e{power}"), place + power
    text = f"{round(value, place):.{max(place, 0)}f}"
    return text[1:] if text.startswith("-") and float(text) == 0 else text


def _scientific(value: float, decimals: int, *, trim: bool) -> str:
    mantissa, exponent = f"{value:.{max(decimals, 0)}e}".split("e")
    return f"{_trim(mantissa) if trim else mantissa}e{int(exponent)}"


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
