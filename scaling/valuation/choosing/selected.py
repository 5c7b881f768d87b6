"""A selection, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scaling.formatting import format_number, format_percent, format_plural
from scaling.serial import plain
from scaling.valuation.choosing.certificate import Certificate
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices

_SHOWN = 12  # members that a report shows


@dataclass(frozen=True, eq=False, repr=False)
class Selected:
    """A set that was chosen; see `scaling.valuation.select`.

    Parameters
    ----------
    indices : ndarray (k,) of int
        Rows of the embeddings, in the order in which they were taken.
    gains : ndarray (k,)
        What each added to those before it, in the objective's units; they sum to the value.
    certificate : Certificate
        Lower bound of the set's share of the optimum, for these data.
    guarantee : Guarantee
        Of the objective.
    promised_share : float or None
        Share of the optimum that the method has at least on any data; None where nothing is promised.
    promise : str
        The same in words.
    objective, method : str
        Which were used: the method may differ from the one asked for, and `notes` say why.
    options : dict
        Settings of the objective and of the method.
    seed : int
        Of everything that was drawn.
    n : int
        Candidates.
    value : float
        Of the set, in the objective's units.
    score : float
        What people are told of the set, such as a Vendi score.
    scores : ndarray (k,) or None
        The score of each prefix, where the objective's value and the number of members say it.
    best_prefix : int
        Members of the prefix with the best score, or value: more than these make the set no better by it.
    evaluations : int
        Gains that were evaluated.
    swaps : int
        Members that were swapped at the end.
    notes : tuple of str
        What a reader should know.
    """

    indices: Indices
    gains: Array
    certificate: Certificate
    guarantee: Guarantee
    promised_share: float | None
    promise: str
    objective: str
    method: str
    options: dict[str, Any]
    seed: int
    n: int
    value: float
    score: float
    scores: Array | None = None
    best_prefix: int = 0
    evaluations: int = 0
    swaps: int = 0
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        shown = ", ".join(str(index) for index in self.indices[:_SHOWN])
        more = ", ..." if len(self.indices) > _SHOWN else ""
        value = f"value {format_number(self.value)}"
        if not np.isclose(self.score, self.value, rtol=1e-12):
            value = f"score {format_number(self.score)} ({value} in the objective's units)"
        how = f"{self.method} greedy" if self.method in ("eager", "lazy", "stochastic") else self.method
        lines = [
            f"{len(self)} of {format_plural(self.n, 'candidate')} by {self.objective}, {how}, seed {self.seed}",
            f"  indices: {shown}{more}",
            f"  {value}, {format_plural(self.evaluations, 'gain')} evaluated",
            f"  certificate: {self.certificate}",
            f"  promise: {self.promise}",
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        made: dict[str, Any] = plain(
            {
                "objective": self.objective,
                "method": self.method,
                "options": self.options,
                "seed": self.seed,
                "n": self.n,
                "k": len(self.indices),
                "indices": self.indices,
                "gains": self.gains,
                "value": self.value,
                "score": self.score,
                "scores": self.scores,
                "best_prefix": self.best_prefix,
                "certificate": self.certificate.to_dict(),
                "guarantee": self.guarantee.to_dict(),
                "promised_share": self.promised_share,
                "promise": self.promise,
                "evaluations": self.evaluations,
                "swaps": self.swaps,
                "notes": list(self.notes),
            }
        )
        return made


def promise_of(method: str, guarantee: Guarantee, limit: str, epsilon: float) -> tuple[float | None, str]:
    """Return what a method promises of an objective on any data.

    Parameters
    ----------
    method : str
        As `select` has it.
    guarantee : Guarantee
        Of the objective.
    limit : {"count", "caps", "budget", "mixed"}
        What sets have to keep to.
    epsilon : float
        Of the methods that have one.

    Returns
    -------
    float or None, str
        The share of the optimum, and a sentence.
    """
    if guarantee.kind == "none" or not guarantee.monotone:
        lack = "is not monotone" if guarantee.kind != "none" else "promises nothing of its gains"
        return None, f"none: the objective {lack}"
    ratio, exact = guarantee.ratio, guarantee.kind == "submodular"
    share: float | None = None
    expected = ""
    if limit == "count":
        if method in ("eager", "lazy"):
            share = guarantee.greedy_share
        elif method == "stochastic":
            share, expected = float(-np.expm1(-ratio * (1 - epsilon))), " in expectation"
        elif method == "sieve" and exact:
            share = max(0.0, 0.5 - epsilon)
        elif method == "partitions" and exact:
            share, expected = float(-np.expm1(-1.0)) / 2, " in expectation over the parts"
    elif limit == "caps" and method in ("eager", "lazy"):
        share = ratio / (1 + ratio)
    elif limit == "budget" and exact and method in ("eager", "lazy"):
        share = float(-np.expm1(-1.0)) / 2
    if share is None:
        return None, "none for this method under these limits"
    return share, f"at least {format_percent(share, 3)} of the optimum{expected}, on any data"
