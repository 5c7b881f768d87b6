"""Values of sources: the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_count, format_interval, format_number, format_percent

Array = NDArray[np.float64]

EFFICIENT = ("shapley", "aumann_shapley")  # their values add up to the utility of all sources
TITLES = {
    "shapley": "Shapley",
    "banzhaf": "Banzhaf",
    "beta": "Beta",
    "leave_one_out": "leave one out",
    "aumann_shapley": "Aumann-Shapley",
}


@dataclass(frozen=True)
class SourceValues:
    """Values of sources.

    Parameters
    ----------
    names : tuple of str
        Of the k sources.
    tokens : ndarray (k,)
        Of each.
    base : float
        Tokens that are there without any source.
    total : float
        U(V), by how much all sources together lower the loss.
    total_interval : (float, float)
        Percentiles of the replicates.
    values : dict of str to ndarray (k,)
        Loss taken away that each method gives to each source.
    intervals : dict of str to tuple of ndarray (k,)
        Percentiles of the replicates: of the law's parameters, and of the weights where the law has them.
    sampling_errors : dict of str to ndarray (k,)
        Standard errors of sampled values; empty where all coalitions were enumerated.
    beta : (float, float)
        Parameters of ``beta``.
    level : float
        Nominal coverage.
    extrapolation_factor : float
        How far all sources together lie beyond the data of the law.
    method : str
        How intervals are made.
    verdict, law : str
        Of the law where all sources are; its name.
    coalitions : int
        How many utilities the values rest on.
    seed : int
        Of the sample of orders.
    """

    names: tuple[str, ...]
    tokens: Array
    base: float
    total: float
    total_interval: tuple[float, float]
    values: dict[str, Array]
    intervals: dict[str, tuple[Array, Array]]
    sampling_errors: dict[str, Array] = field(default_factory=dict)
    beta: tuple[float, float] = (16.0, 1.0)
    level: float = 0.95
    extrapolation_factor: float = float("nan")
    method: str = ""
    verdict: str = ""
    law: str = ""
    coalitions: int = 0
    seed: int = 0

    @property
    def sums(self) -> dict[str, float]:
        """What the values of each method add up to, as a share of `total`."""
        return {name: float(values.sum()) / self.total for name, values in self.values.items()}

    @property
    def words(self) -> str:
        """Which methods divide the whole utility, and what the others leave over."""
        sums = self.sums
        whole = [TITLES[name] for name in sums if name in EFFICIENT]
        said = []
        if whole:
            verb = "divides" if len(whole) == 1 else "divide"
            said.append(f"{' and '.join(whole)} {verb} the whole, {format_number(self.total)}.")
        for name, share in sums.items():
            if name not in EFFICIENT:
                said.append(f"Values of {TITLES[name]} add up to {format_percent(share)} of it.")
        return " ".join(said)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a source and method."""
        return [
            {
                "source": self.names[i],
                "n_tokens": float(self.tokens[i]),
                "method": method,
                "value": float(values[i]),
                "value_low": float(self.intervals[method][0][i]),
                "value_high": float(self.intervals[method][1][i]),
                "share": float(values[i]) / self.total,
                "sampling_error": float(self.sampling_errors[method][i]) if method in self.sampling_errors else 0.0,
            }
            for method, values in self.values.items()
            for i in range(len(self.names))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        names = (
            "base",
            "total",
            "beta",
            "level",
            "extrapolation_factor",
            "method",
            "verdict",
            "law",
            "coalitions",
            "seed",
        )
        out: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {"total_low": self.total_interval[0], "total_high": self.total_interval[1]}
            | {"sums": self.sums, "words": self.words, "values": self.rows()}
        )
        return out

    def __repr__(self) -> str:
        ends = format_interval(*self.total_interval)
        lines = [f"All {len(self.names)} sources together lower the loss by {format_number(self.total)} ({ends})"]
        for method, values in self.values.items():
            lines.append(f"{TITLES[method]}:")
            for i, name in enumerate(self.names):
                low, high = self.intervals[method]
                said = f"{format_number(values[i])} ({format_interval(low[i], high[i])})"
                more = ""
                if method in self.sampling_errors:
                    more = f", sampled with a standard error of {format_number(self.sampling_errors[method][i], 2)}"
                lines.append(f"  {name}, {format_count(self.tokens[i])} tokens: {said}{more}")
        return "\n".join([*lines, self.words, f"law: {self.law}; verdict: {self.verdict}; intervals: {self.method}"])
