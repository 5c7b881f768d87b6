"""Concave functions of summed features: each more of a feature is worth less than the last."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_weights
from scaling.valuation.embeddings import Rows, as_embeddings
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices

#: Concave functions by name: what they are.
CONCAVE = {"sqrt": "sqrt(x)", "log1p": "log(1 + x)", "saturation": "x/(1 + x)"}
_BLOCK = 1 << 18  # features worked on at a time: they stay in the cache


class FeatureBased(RowObjective):
    """sum_u w_u g(sum_{i in S} B_iu) + sum_{i in S} r_i, B of 0 or more and g concave; made by `build`.

    Parameters
    ----------
    name : str
        As the catalogue has it.
    features : ndarray (n, m)
        B.
    concave : {"sqrt", "log1p", "saturation"}
        g.
    weights : ndarray (m,)
        w.
    settings : dict
        What `describe` returns.
    relevance : ndarray (n,), optional
        r: what each candidate is worth by itself.
    """

    def __init__(
        self,
        name: str,
        features: Rows,
        concave: str,
        weights: Array,
        settings: dict[str, Any],
        relevance: Array | None = None,
    ) -> None:
        guarantee = Guarantee("submodular", f"sums of {CONCAVE[concave]}, which is concave, of sums of 0 or more")
        super().__init__(name, len(features), guarantee, settings)
        self._features, self._concave, self._weights, self._relevance = features, concave, weights, relevance
        self._kind_weights = weights.astype(features.dtype, copy=False)
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "feature_based",
        concave: str = "sqrt",
        features: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Features of 0 or more, unless `features` are given.
        k : int, optional
            Not used: the promise holds for every size.
        concave : {"sqrt", "log1p", "saturation"}
            ``sqrt(x)``, ``log(1 + x)`` or ``x/(1 + x)``.
        features : array_like (n, m), optional
            Features of 0 or more, such as counts of words, or activations cut at zero.
        weights : array_like (m,), optional
            Of features; 1 each by default.

        Returns
        -------
        FeatureBased

        Raises
        ------
        UsageError
            For settings that are not known, or numbers that do not agree.
        InputDataError
            For features that are negative or not finite.
        """
        check_concave(concave)
        values = check_non_negative(X, features, "features")
        of_each = check_weights(weights, values.shape[1], "feature")
        settings = {"concave": concave, "features": values.shape[1]} | ({} if weights is None else {"weights": "given"})
        return cls(name, values, concave, of_each, settings)

    def _empty(self) -> None:
        self._summed = np.zeros(self._features.shape[1])
        self._kind_summed = self._summed.astype(self._features.dtype)

    def _gains(self, rows: Indices | None) -> Array:
        made = np.empty(len(self._features) if rows is None else len(rows))
        step = max(1, _BLOCK // self._features.shape[1])
        for start in range(0, len(made), step):
            part = self._features[start : start + step] if rows is None else self._features[rows[start : start + step]]
            made[start : start + step] = _rise(part, self._kind_summed, self._concave) @ self._kind_weights
        if self._relevance is not None:
            made += self._relevance if rows is None else self._relevance[rows]
        return made

    def _add(self, row: int) -> float:
        part = self._features[row].astype(np.float64)
        gain = float(_rise(part, self._summed, self._concave).dot(self._weights))
        self._summed = self._summed + part
        self._kind_summed = self._summed.astype(self._features.dtype)
        return gain if self._relevance is None else gain + float(self._relevance[row])


def _rise(part: Rows, summed: Rows, concave: str) -> Rows:
    """Return g(summed + part) - g(summed), without the cancellation that the difference has."""
    if concave == "sqrt":
        below = np.sqrt(part + summed) + np.sqrt(summed)
        return np.asarray(np.divide(part, below, out=np.zeros_like(below), where=below > 0))
    if concave == "log1p":
        return np.asarray(np.log1p(part / (1 + summed)))
    return np.asarray(part / ((1 + summed) * (1 + summed + part)))


def apply_concave(values: Array, concave: str) -> Array:
    """Return g of values of 0 or more."""
    if concave == "sqrt":
        return np.asarray(np.sqrt(values))
    return np.asarray(np.log1p(values) if concave == "log1p" else values / (1 + values))


def check_concave(concave: str) -> None:
    """Raise UsageError for a concave function that there is not."""
    if concave not in CONCAVE:
        raise UsageError(f"There is no concave function '{concave}'.", did_you_mean(concave, CONCAVE))


def check_non_negative(X: ArrayLike | None, given: ArrayLike | None, name: str, largest: float = np.inf) -> Rows:
    """Check values of 0 or more, up to `largest`: those given, or else X itself, shape (n, m).

    Raises
    ------
    UsageError
        For another number of rows than X has, or nothing at all.
    InputDataError
        For values outside the range, or not finite.
    """
    if X is None and given is None:
        raise UsageError(f"There are no {name}.", f"Give X, or {name}.")
    source, called = (X, "X") if given is None else (given, name)
    values = as_embeddings(np.asarray(source), normalise=False, name=called)
    if X is not None and len(values) != len(np.asarray(X)):
        raise UsageError(
            f"{name} has {len(values)} rows, and X {len(np.asarray(X))}.", "Both need one row a candidate."
        )
    step = max(1, _BLOCK // values.shape[1])
    for start in range(0, len(values), step):
        part = values[start : start + step]
        if (bad := np.argwhere((part < 0) | (part > largest))).size:
            row, column = bad[0]
            wanted = "0 or more" if largest == np.inf else f"between 0 and {largest:g}"
            raise InputDataError(
                f"{called} is {part[row, column]:.4g} in row {start + row}, column {column}, and has to be {wanted}.",
                f"Give {name} that are, such as counts, or activations cut at zero."
                if largest == np.inf
                else "Give a probability for each concept.",
            )
    return values
