"""What a year, or belonging to a group, is worth in compute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scaling.formatting import format_number, format_percent
from scaling.serial import plain


@dataclass(frozen=True)
class ComputeGain:
    """By how much more compute counts: between two dates, or for one of two groups of models.

    Parameters
    ----------
    orders : float
        Orders of magnitude.
    low, high : float
        Ends of their interval; NaN without bootstrap replicates.
    level : float
        Nominal coverage.
    method : str
        How the interval was made.
    """

    orders: float
    low: float
    high: float
    level: float
    method: str

    @property
    def factor(self) -> float:
        """By how much it multiplies compute: 10 to the power of `orders`."""
        return float(10.0**self.orders)

    @property
    def factor_interval(self) -> tuple[float, float]:
        """Its interval."""
        return float(10.0**self.low), float(10.0**self.high)

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out that nothing changes."""
        return self.low > 0 or self.high < 0

    def __float__(self) -> float:
        return self.orders

    def __str__(self) -> str:
        return self._said("")

    def _said(self, each: str) -> str:
        said = f"{format_number(self.orders, 3)} orders of magnitude of compute{each}"
        if not math.isnan(self.low):
            # An end near 0 is not rounded to it.
            ends = [format_number(end, 2) for end in (self.low, self.high)]
            said += f" ({format_percent(self.level)} interval {ends[0]} to {ends[1]})"
        said += f", a factor of {format_number(self.factor, 3)}"
        if not math.isnan(self.low) and not self.told_apart:
            said += ", not told apart from no change"
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(
            {
                "orders": self.orders,
                "low": self.low,
                "high": self.high,
                "level": self.level,
                "factor": self.factor,
                "factor_low": self.factor_interval[0],
                "factor_high": self.factor_interval[1],
                "told_apart": self.told_apart,
                "method": self.method,
            }
        )
        return table


@dataclass(frozen=True)
class YearlyGain(ComputeGain):
    """Growth of compute that counts, a year; see `ComputeGain` for what it is made of."""

    @property
    def doubling_years(self) -> float:
        """Years until compute counts double; infinite where it does not grow."""
        return _doubling(self.orders)

    @property
    def doubling_interval(self) -> tuple[float, float]:
        """Its interval, years; the upper end is infinite where no growth cannot be ruled out."""
        return _doubling(self.high), _doubling(self.low)

    def __str__(self) -> str:
        said = self._said(" a year")
        if math.isfinite(self.doubling_years):
            said += f"; doubling in {format_number(12 * self.doubling_years, 2)} months"
            if not math.isnan(self.low):
                ends = [format_number(12 * end, 2) for end in self.doubling_interval]
                said += f" ({ends[0]} to {ends[1] if ends[1] != 'inf' else 'never'})"
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        low, high = self.doubling_interval
        doubling = {"doubling_years": self.doubling_years, "doubling_low": low, "doubling_high": high}
        return {**super().to_dict(), **plain(doubling)}


def _doubling(orders: float) -> float:
    if math.isnan(orders):
        return math.nan
    return math.log10(2) / orders if orders > 0 else math.inf
