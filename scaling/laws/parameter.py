"""A parameter of a law, and the bounds that may depend on the data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scaling.errors import LawError, did_you_mean

# A bound may be a number or may depend on the data: "min(loss)", "1e-3 * max(N)", "log10(max(C))".
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_DATA_BOUND = re.compile(
    rf"(?:(?P<factor>{_NUMBER})\s*\*\s*)?(?P<log>log10\()?(?P<function>min|max)\((?P<name>\w+)\)(?(log)\))"
)
_HOW_BOUNDS_LOOK = 'Bounds are numbers, or like "min(loss)", "1e-3 * max(N)" or "log10(max(C))".'
Bound = float | str


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law.

    Parameters
    ----------
    name : str
        As it stands in the formula.
    low, high : float or str, default -inf and inf
        Bounds; a string such as ``"min(loss)"`` is worked out from the data.
    screen : tuple of (float or str), optional
        Where to look for starting values; the bounds where it is missing.
    meaning : str
        One line for people.
    """

    name: str
    low: Bound = -float("inf")
    high: Bound = float("inf")
    screen: tuple[Bound, Bound] | None = None
    meaning: str = ""

    def bounds(self, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
        """Work out the bounds.

        Parameters
        ----------
        ranges : mapping of str to (float, float)
            Smallest and largest value of each input and of the observed quantity.

        Returns
        -------
        tuple of float

        Raises
        ------
        LawError
            Where the low bound is not below the high one.
        """
        low, high = (resolve_bound(bound, ranges) for bound in (self.low, self.high))
        if not low < high:
            raise LawError(f"parameter '{self.name}': the low bound {low:g} is not below the high bound {high:g}")
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Return the parameter as plain data, without what is at its default."""
        table: dict[str, Any] = {"low": self.low, "high": self.high}
        table = {key: bound for key, bound in table.items() if bound not in (float("inf"), -float("inf"))}
        if self.screen is not None:
            table["screen"] = list(self.screen)
        return table | ({"meaning": self.meaning} if self.meaning else {})

    def screening_range(self, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
        """Work out where starting values are sought: `screen` cut to the bounds, or the bounds (maybe infinite)."""
        low, high = self.bounds(ranges)
        if self.screen is None:
            return low, high
        first, last = (resolve_bound(bound, ranges) for bound in self.screen)
        return max(low, first), min(high, last)


def resolve_bound(bound: Bound, ranges: Mapping[str, tuple[float, float]]) -> float:
    """Work out a bound that may depend on the data.

    Parameters
    ----------
    bound : float or str
        A number, or ``min(name)`` or ``max(name)``, or ``log10`` of one, with an optional factor in front.
    ranges : mapping of str to (float, float)
        Smallest and largest value of each name.

    Returns
    -------
    float

    Raises
    ------
    LawError
        For any other text.
    """
    if not isinstance(bound, str):
        return float(bound)
    match = _DATA_BOUND.fullmatch(bound.strip())
    if match is None:
        raise LawError(f"'{bound}' is not a bound", hint=_HOW_BOUNDS_LOOK)
    if match["name"] not in ranges:
        raise LawError(f"the bound '{bound}' names no input or output", hint=did_you_mean(match["name"], ranges))
    value = ranges[match["name"]][match["function"] == "max"]
    if match["log"]:
        if not value > 0:
            raise LawError(f"the bound '{bound}' has no value: {match['function']}({match['name']}) is {value:g}")
        value = math.log10(value)
    return float(match["factor"] or 1) * value


def read_parameter(spot: str, name: str, table: Any) -> Parameter:
    """Read a parameter from plain data, such as a table of a TOML file.

    Parameters
    ----------
    spot : str
        Law and file, for messages.
    name : str
        The parameter.
    table : mapping
        Keys ``low high screen meaning``, all optional.

    Returns
    -------
    Parameter

    Raises
    ------
    LawError
        For an unknown key or a value of the wrong type.
    """
    if not isinstance(table, Mapping):
        raise LawError(
            f"{spot}: parameter '{name}' is not a table", hint=f"parameters.{name} = {{ low = 0, high = 2 }}"
        )
    known = {"low", "high", "screen", "meaning"}
    if unknown := sorted(set(table) - known):
        raise LawError(
            f"{spot}: parameter '{name}' has the unknown key '{unknown[0]}'", hint=did_you_mean(unknown[0], known)
        )
    screen = table.get("screen")
    if screen is not None and not (isinstance(screen, list | tuple) and len(screen) == 2):
        raise LawError(f"{spot}: the screen of parameter '{name}' must be a pair [low, high]")
    for key, bound in [*((k, table[k]) for k in ("low", "high") if k in table), *(("screen", b) for b in screen or ())]:
        if isinstance(bound, str):
            if _DATA_BOUND.fullmatch(bound.strip()) is None:
                raise LawError(
                    f"{spot}: parameter '{name}': '{bound}' is not a bound",
                    hint=_HOW_BOUNDS_LOOK,
                )
        elif isinstance(bound, bool) or not isinstance(bound, int | float) or math.isnan(bound):
            raise LawError(f"{spot}: {key} of parameter '{name}' must be a number or a text such as \"min(loss)\"")
        elif key == "screen" and math.isinf(bound):
            raise LawError(f"{spot}: the screen of parameter '{name}' must be finite")
    return Parameter(
        name=str(name),
        low=table.get("low", -float("inf")),
        high=table.get("high", float("inf")),
        screen=None if screen is None else (screen[0], screen[1]),
        meaning=str(table.get("meaning", "")),
    )
