"""How many random examples a score is worth, as a number that says where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scaling.formatting import format_interval, format_number, format_percent, format_whole
from scaling.serial import plain


@dataclass(frozen=True)
class EquivalentSize:
    """How many random examples a score is worth.

    Parameters
    ----------
    value : float
        The score.
    size : float
        Random examples that score the same on average; infinite beyond the upper end of the curve, 0 below it.
    interval : (float, float)
        By bootstrap of the draws of each size, and of the score where it has an error; infinite or 0 likewise.
    curve : (float, float)
        Smallest and largest size of the curve.
    level : float
        Of the interval.
    """

    value: float
    size: float
    interval: tuple[float, float]
    curve: tuple[float, float]
    level: float

    @property
    def beyond(self) -> str | None:
        """``above`` or ``below`` where the score lies outside what random subsets on the curve reach."""
        return "above" if self.size == math.inf else "below" if self.size == 0 else None

    def __repr__(self) -> str:
        low, high = self.interval
        ends = f"{format_percent(self.level)} interval {self._end(low)} to {self._end(high)}"
        if self.beyond is None and low > 0 and high < math.inf:
            ends = f"{format_percent(self.level)} interval {format_interval(low, high)}"
        told = {None: f"about {format_number(self.size, 3)}", "above": self._end(math.inf), "below": self._end(0)}
        words = f"a score of {format_number(self.value)} is worth {told[self.beyond]} random examples"
        same = self.beyond is not None and low == high  # both ends lie where the curve has ended
        return f"{words}, at both ends of the {format_percent(self.level)} interval" if same else f"{words}; {ends}"

    def _end(self, size: float) -> str:
        if size == math.inf:
            return f"more than {format_whole(self.curve[1])}"
        return f"fewer than {format_whole(self.curve[0])}" if size == 0 else format_number(size, 3)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(
            {
                "value": self.value, "size": self.size, "interval": self.interval, "beyond": self.beyond,
                "curve": self.curve, "level": self.level,
            }
        )  # fmt: skip
        return out
