"""What a choice among laws returns: every candidate with what became of it, and the chosen fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.objective import Objective
from scaling.formatting import format_number, format_percent
from scaling.laws.law import Law
from scaling.selection.scores import Errors

if TYPE_CHECKING:
    import pandas as pd

    from scaling.results import Fit

Array = NDArray[np.float64]

_COLUMNS = (
    "rank", "law", "objective", "trim", "n_params", "score", "bias", "coverage", "ratio", "se", "cuts", "verdict",
    "weight", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A law with an objective and a trimming, and what became of it.

    Parameters
    ----------
    law : Law
        The form.
    objective : Objective
        What is minimised.
    trim : str
        Which rows are left out; see `scaling.fitting.rollout.trimmed`.
    simplicity : tuple of int
        What ties are broken by, smallest first: parameters, then how far trimming and objective are from the default.
    errors : Errors, optional
        Of the held-out runs.
    theta : ndarray (p,), optional
        Estimates from all rows.
    ratio, se : float
        ln(rms / rms of the chosen candidate) over the cut-offs that both have, and its standard error.
    log_score : float
        The same against the reference; what is ranked.
    verdict : str
        ``chosen``, ``tied``, ``worse`` or ``refused``.
    weight : float
        Of the law, on its best candidate; 0 on the others.
    reason : str
        Why it was refused.
    coverage : float
        Of the nominal intervals in the back-test of the chosen one; NaN for the others, which have none.
    failed : tuple of int
        Cut-offs at which a forecast was no number above 0. They are not in `errors`; where the reference did better,
        the candidate is refused.
    """

    law: Law
    objective: Objective
    trim: str
    simplicity: tuple[int, int, int]
    errors: Errors | None = None
    theta: Array | None = None
    ratio: float = float("nan")
    se: float = float("nan")
    log_score: float = float("nan")
    verdict: str = "refused"
    weight: float = 0.0
    reason: str = ""
    coverage: float = float("nan")
    failed: tuple[int, ...] = ()

    def row(self) -> dict[str, Any]:
        """Return the candidate as a row of the table."""
        return {
            "law": self.law.name,
            "objective": str(self.objective),
            "trim": self.trim,
            "n_params": len(self.law.parameters),
            "score": self.errors.rms if self.errors else float("nan"),
            "bias": self.errors.mean if self.errors else float("nan"),
            "coverage": self.coverage,
            "ratio": math.exp(self.ratio),
            "se": self.se,
            "cuts": len(self.errors.cuts) if self.errors else 0,
            "verdict": self.verdict,
            "weight": self.weight,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Selection:
    """What was chosen, and from what.

    Parameters
    ----------
    candidates : tuple of Candidate
        Ranked: the chosen one, then the others by their score, then those refused.
    best : Fit
        The chosen candidate, fitted to all rows that its trimming leaves, with its back-test and its rivals.
    weights : dict of str to float
        The weight that each law deserves; they add up to 1, and refused laws have 0.
    axis : str
        What runs were held out by.
    seed : int
        Of the bootstrap of `best`.
    """

    candidates: tuple[Candidate, ...]
    best: Fit
    weights: dict[str, float]
    axis: str
    seed: int

    @cached_property
    def table(self) -> pd.DataFrame:
        """The candidates, ranked.

        Columns: ``rank law objective trim n_params``; ``score``, root mean square error in the back-test of ln(output),
        and ``bias``, its signed mean, cut-offs weighted by the square root of their closeness to the whole data;
        ``coverage`` of the nominal intervals (of the chosen one alone); ``ratio``, error relative to the chosen one at
        the cut-offs that both have, and ``se``, the standard error of its logarithm; ``cuts``, how many cut-offs;
        ``verdict``, one of ``chosen tied worse refused``; ``weight`` of the law; ``reason`` why it was refused.
        """
        import pandas as pd

        rows = [{"rank": i} | candidate.row() for i, candidate in enumerate(self.candidates, start=1)]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def __repr__(self) -> str:
        shown = [c for c in self.candidates if c.weight > 0 or c.verdict in ("chosen", "tied")][:12]
        lines = [f"Chosen by the largest runs held out ({self.axis}) from {len(self.candidates)} candidates:"]
        width = max(len(c.law.name) for c in shown)
        for c in shown:
            assert c.errors is not None
            lines.append(
                f"  {c.verdict:7} {c.law.name:{width}}  {c.objective}, trimmed: {c.trim}; misses by "
                f"{format_percent(c.errors.rms)}, x{format_number(math.exp(c.ratio), 3)} of the chosen one"
                + (f"; weight {format_number(c.weight, 2)}" if c.weight else "")
            )
        refused = sorted({c.law.name for c in self.candidates} - {c.law.name for c in self.candidates if c.errors})
        if refused:
            lines.append(f"  refused: {', '.join(refused)}")
        return "\n".join([*lines, "", repr(self.best)])
