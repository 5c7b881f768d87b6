"""What the objectives of coverage share: candidates that may be some rows of the data, and a set that starts empty."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from scaling.errors import UsageError
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices, Objective


class RowObjective(Objective):
    """An objective whose data are shared between its copies, and whose candidates may be some of its rows.

    Parameters
    ----------
    name : str
        As the catalogue has it.
    n : int
        Rows.
    guarantee : Guarantee
        What is promised.
    settings : dict
        Plain data: what `describe` returns beside the name.
    """

    def __init__(self, name: str, n: int, guarantee: Guarantee, settings: dict[str, Any]) -> None:
        self.name = name
        self.n = n
        self.guarantee = guarantee
        self._settings = settings
        self._rows: Indices | None = None

    @abstractmethod
    def _empty(self) -> None:
        """Set the state of the empty set; never in place, since copies share what is there."""

    @abstractmethod
    def _gains(self, rows: Indices | None) -> Array:
        """Return gains of rows, counted over all of them."""

    @abstractmethod
    def _add(self, row: int) -> float:
        """Put a row into the state; returns its gain."""

    def _restart(self) -> None:
        self.chosen = []
        self.value = 0.0
        self._empty()

    def gains(self, candidates: Indices | None = None) -> Array:
        """Return f(S + v) - f(S), shape (c,), of some candidates or of all n."""
        if self._rows is not None:
            candidates = self._rows if candidates is None else self._rows[candidates]
        return self._gains(candidates)

    def add(self, index: int) -> float:
        """Put a candidate into the set; returns its gain."""
        index = int(index)
        if not 0 <= index < self.n:
            raise UsageError(f"There is no candidate {index}: there are {self.n}, counted from 0.")
        if index in self.chosen:
            raise UsageError(f"Candidate {index} is in the set already.", "A set holds each candidate once.")
        gain = self._add(index if self._rows is None else int(self._rows[index]))
        self.chosen.append(index)
        self.value += gain
        return gain

    def _rows_of(self, subset: Sequence[int] | Indices) -> Indices:
        """Return which rows of the data a set of candidates is."""
        members = np.asarray(subset, np.intp)
        return members if self._rows is None else self._rows[members]

    def fresh(self) -> Self:
        """Return the same objective with the empty set; data are shared, state is not."""
        made = copy.copy(self)
        made._restart()
        return made

    def among(self, rows: Indices) -> Self:
        """Return the same objective for some candidates alone; what is represented stays whole, so values compare."""
        rows = np.asarray(rows, np.intp)
        made = copy.copy(self)
        made._rows = rows if self._rows is None else self._rows[rows]
        made.n = len(rows)
        made._restart()
        return made

    def describe(self) -> dict[str, Any]:
        """Return the settings that make this objective again, as plain data."""
        return {"objective": self.name, **self._settings}
