"""What every objective of a selection offers, so that one set of optimisers serves them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.guarantee import Guarantee

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


class Objective(ABC):
    """A set function over n candidates with f(empty) = 0, and the set that was chosen so far.

    Attributes
    ----------
    name : str
        As the catalogue has it.
    n : int
        Candidates.
    guarantee : Guarantee
        Submodular, weakly so, or neither.
    chosen : list of int
        Members of the set, in the order in which they were added.
    value : float
        f of the set, in the units that `gains` have.
    error : float
        Bound of the error of a gain where gains are approximations; 0 where they are exact.
    monotone_to : int or None
        Members up to which the guarantee holds, of an objective that is made monotone by a budget or whose ratio
        rests on one; None where there is no such limit. What is certain of a set of k needs 2 k: it holds the set and
        the optimum together.
    """

    name: str
    n: int
    guarantee: Guarantee
    chosen: list[int]
    value: float
    error: float = 0.0
    monotone_to: int | None = None

    @abstractmethod
    def gains(self, candidates: Indices | None = None) -> Array:
        """Return f(S + v) - f(S), shape (c,), of some candidates or of all n; of members whatever comes, no error."""

    @abstractmethod
    def add(self, index: int) -> float:
        """Put a candidate into the set; returns its gain."""

    def extend(self, indices: Sequence[int] | Indices) -> None:
        """Put several candidates into the set, in their order; objectives that can do so at once say so."""
        for index in indices:
            self.add(int(index))

    @abstractmethod
    def fresh(self) -> Self:
        """Return the same objective with the empty set; data are shared, state is not."""

    @abstractmethod
    def among(self, rows: Indices) -> Objective:
        """Return the same objective for some candidates alone, numbered 0..len(rows)-1, with the empty set.

        What a set has to represent stays whole where that can be afforded, so values are comparable; an objective that
        cannot says so in its documentation.
        """

    def exact_gains(self, candidates: Indices) -> Array:
        """Return gains without approximation, shape (c,); for ties that `error` cannot tell apart."""
        return self.gains(candidates)

    def evaluate(self, subset: Sequence[int] | Indices) -> float:
        """Return f of any set, whatever was chosen."""
        state = self.fresh()
        state.extend(subset)
        return state.value

    def score(self) -> float:
        """Return what people are told of the set, such as a Vendi score; f itself unless an objective says more."""
        return self.value

    def score_of(self, subset: Sequence[int] | Indices) -> float:
        """Return the score of any set, whatever was chosen."""
        state = self.fresh()
        for index in subset:
            state.add(int(index))
        return state.score()

    def score_at(self, value: float, size: int) -> float | None:  # noqa: ARG002
        """Return the score of any set of this value and size; None where these two do not say it."""
        return None

    def of_one_size(self) -> Self:
        """Return what to optimise where all sets have one size: itself, or without a shift that swamps differences."""
        return self

    def relaxed_bound(self, best: Callable[[Array], tuple[float, Indices]]) -> float | None:  # noqa: ARG002
        """Return an upper bound of f over all sets that may be chosen, apart from gains; None where there is none.

        `best` gives, for worths of all candidates, the largest sum over sets that may be chosen, and its members.
        """
        return None

    def describe(self) -> dict[str, Any]:
        """Return the settings that make this objective again, as plain data."""
        return {"objective": self.name}
