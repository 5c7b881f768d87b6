"""What is known of an objective: whether its gains shrink as a set grows, and so what a greedy set is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["submodular", "weak", "none"]


@dataclass(frozen=True)
class Guarantee:
    """What an objective promises.

    Parameters
    ----------
    kind : {"submodular", "weak", "none"}
        Whether gains never grow as the set does; grow at most by ``1/ratio``; or nothing is known.
    why : str
        The reason, or the counterexample, in a sentence.
    monotone : bool
        Whether no element ever takes value away, up to the size that was asked for.
    ratio : float, default 1
        Of a weakly submodular objective: ``f(v|S) >= ratio * f(v|T)`` for every S within T.

    Notes
    -----
    A greedy set of a monotone objective has at least ``1 - exp(-ratio)`` of the largest value among sets of its size
    (Nemhauser, Wolsey and Fisher 1978 for ratio 1; Das and Kempe, arXiv:1102.3975, below).
    """

    kind: Kind
    why: str
    monotone: bool = True
    ratio: float = 1.0

    @property
    def lazy(self) -> bool:
        """Whether gains of an earlier, smaller set bound those of a larger one, after division by the ratio."""
        return self.kind != "none" and self.ratio > 0

    @property
    def greedy_share(self) -> float | None:
        """Share of the optimum that a greedy set of a given size has at least; None where nothing is promised."""
        return 1 - math.exp(-self.ratio) if self.monotone and self.kind != "none" else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, with the share of the optimum."""
        return {
            "kind": self.kind,
            "monotone": self.monotone,
            "ratio": self.ratio if self.kind != "none" else None,
            "greedy_share": self.greedy_share,
            "why": self.why,
        }
