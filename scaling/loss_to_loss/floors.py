"""What a loss cannot go below, where it is known from elsewhere: the floor of a map, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scaling.errors import UsageError
from scaling.formatting import format_interval, format_number
from scaling.serial import number

_SAME = 1 + 1e-6  # budgets that should be equal differ in rounding


@dataclass(frozen=True)
class Floor:
    """A floor that is given.

    Parameters
    ----------
    value : float
        In the unit of the loss; 0 or more.
    source : str
        Where it comes from, such as ``number``, or the fit whose E it is.
    low, high : float
        Its 68 % interval; NaN where nothing is known, and it is then taken as exact.
    course : tuple of (float, float)
        What it was found to be from the runs up to a budget: that budget in FLOP and the floor, by rising budget. A
        back-test takes the floor that was known at its cut-off; without a course it takes `value` everywhere, which
        flatters it where the floor was found from the runs that it holds out.

    Raises
    ------
    UsageError
        For a value that is no number from 0 on, or an interval that does not hold it.
    """

    value: float
    source: str = "number"
    low: float = math.nan
    high: float = math.nan
    course: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):  # of NumPy's own kind they would not read as numbers in a formula
            object.__setattr__(self, name, float(getattr(self, name)))
        if not 0 <= self.value < math.inf:
            raise UsageError(f"a floor is a loss from 0 on, not {self.value}", hint="Leave it out to have it fitted.")
        if not (math.isnan(self.low) or math.isnan(self.high)) and not self.low <= self.value <= self.high:
            between = format_interval(self.low, self.high)
            raise UsageError(f"the floor {format_number(self.value)} lies outside its own interval {between}")

    @property
    def has_error(self) -> bool:
        """Whether its error is known, and is not zero."""
        return bool(self.high > self.low)

    def at(self, budget: float) -> Floor | None:
        """Return the floor as it was known from the runs up to a budget, FLOP; None where none was.

        Without a course the floor itself, at every budget.
        """
        if not self.course:
            return self
        known = [value for edge, value in self.course if edge <= budget * _SAME]
        return Floor(known[-1], self.source) if known else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "value": self.value,
            "source": self.source,
            "low": self.low,
            "high": self.high,
            "course": [list(entry) for entry in self.course],
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Floor:
        """Read plain data back."""
        course = tuple((number(budget), number(value)) for budget, value in table.get("course", ()))
        return cls(number(table["value"]), str(table["source"]), number(table["low"]), number(table["high"]), course)


def as_floor(floor: Floor | float | None) -> Floor | None:
    """Read a floor as it is given: a number, a `Floor`, or None for one that is to be fitted.

    Raises
    ------
    UsageError
        For anything else.
    """
    if floor is None or isinstance(floor, Floor):
        return floor
    try:
        return Floor(float(floor))
    except (TypeError, ValueError) as error:
        raise UsageError(f"a floor is a number, and not {floor!r}", hint="Leave it out to have it fitted.") from error
