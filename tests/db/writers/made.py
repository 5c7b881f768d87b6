"""Runs that tests make up, to be written in each format and read again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = float | None  # None where a run says that it has no value
Row = tuple[int, Mapping[str, Value]]
Series = dict[str, list[tuple[int, Value]]]


@dataclass(frozen=True)
class Made:
    """A run that was made up.

    Parameters
    ----------
    key : str
        What its format tells it apart by.
    rows : sequence of (int, mapping)
        Steps in the order in which they were logged, with the metrics of each.
    config : mapping
        Its settings.
    """

    key: str
    rows: Sequence[Row]
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def series(self) -> Series:
        """Its values by metric, in the order in which they were logged."""
        found: Series = {}
        for step, row in self.rows:
            for metric, value in row.items():
                found.setdefault(metric, []).append((step, value))
        return found

    @property
    def metrics(self) -> list[str]:
        """Its metrics, in the order in which they come."""
        return list(self.series)


def grown(run: Made, step: int, metric: str, value: Value) -> Made:
    """The run with one more value."""
    return Made(run.key, [*run.rows, (step, {metric: value})], run.config)


def word(value: float) -> str:
    """A number as Python prints it, with the words of JSON for what is not finite."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
