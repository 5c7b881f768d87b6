"""Gathering logged values into arrays, a bounded number at a time."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np

from db.readers.found import NO_STEP, Values

#: Values that are held before they are given on; some 40 bytes each.
LIMIT = 200_000
_NON_FINITE = {
    "nan": math.nan, "+nan": math.nan, "-nan": math.nan,
    "inf": math.inf, "infinity": math.inf, "+inf": math.inf, "+infinity": math.inf,
    "-inf": -math.inf, "-infinity": -math.inf,
}  # fmt: skip


class Collector:
    """Values in the order in which they were logged, grouped by run and metric.

    Parameters
    ----------
    digits : int, optional
        Significant digits that the log prints.

    Notes
    -----
    `add` until `full`, then give on what `flush` yields, and flush once more at the end. Steps beyond 64 bits and steps
    that are no whole numbers have no place in a log; `whole_step` tells.
    """

    def __init__(self, digits: int | None = None) -> None:
        self._digits = digits
        self._held: dict[tuple[str, str], tuple[array[int], array[float], array[int], array[float]]] = {}
        self._n = 0

    @property
    def full(self) -> bool:
        """Whether it is time to flush."""
        return self._n >= LIMIT

    def add(self, run: str, metric: str, step: int | None, value: float | None, tokens: float = math.nan) -> None:
        """Take one value; None is one that the log says is missing."""
        held = self._held.get((run, metric))
        if held is None:
            held = self._held[run, metric] = (array("q"), array("d"), array("b"), array("d"))
        held[0].append(NO_STEP if step is None else step)
        held[1].append(math.nan if value is None else value)
        held[2].append(value is None)
        held[3].append(tokens)
        self._n += 1

    def flush(self) -> Iterator[Values]:
        """Give on what is held."""
        held, self._held, self._n = self._held, {}, 0
        for (run, metric), (step, value, missing, tokens) in held.items():
            lacks, counts = np.array(missing, dtype=bool), np.array(tokens)
            yield Values(
                run,
                metric,
                np.array(step, dtype=np.int64),
                np.array(value, dtype=np.float64),
                lacks if lacks.any() else None,
                None if np.isnan(counts).all() else counts,
                self._digits,
            )


def number(value: Any) -> float | None:
    """A logged value as a number, or None where it is none.

    Parameters
    ----------
    value : object
        As JSON or a tracker has it: a number, a boolean (which is no number here), ``"NaN"``, ``"Infinity"`` and so on.

    Returns
    -------
    float or None
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str):
        return _NON_FINITE.get(value.strip().lower())
    return None


def whole_step(value: Any) -> int | None:
    """A step as a whole number within 64 bits from 0 on, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    step = int(value)
    return step if 0 <= step < 2**63 else None
