"""Whether published coefficients follow from a table of runs, by the published procedure and around it.

The procedure of arXiv:2503.04715 has no random part, so on the runs that it was applied to it gives the coefficients
that were printed, or the table is another one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scaling.formatting import format_interval, format_number, format_percent
from scaling.hyperparameters.cells import Cells
from scaling.hyperparameters.laws import fit_laws
from scaling.hyperparameters.optima import THRESHOLD, Method
from scaling.hyperparameters.published import step_law
from scaling.hyperparameters.regret import regrets_of
from scaling.laws.book import find_law
from scaling.serial import plain

NEIGHBOURS = (0.001, 0.0025, 0.005, 0.01)
_PRINTED = 5e-4  # half of the last digit of exponents that are printed with three decimals
_EXPONENTS = (("learning rate", "p"), ("learning rate", "q"), ("batch", "q"))


@dataclass(frozen=True)
class Exponent:
    """One published exponent beside that of the table.

    Parameters
    ----------
    law, name : str
        Of which law, and which.
    published, fitted : float
        As printed, and by the published procedure on the table.
    low, high : float
        90 % interval of the fitted one, whole cells drawn.
    elsewhere : tuple of float
        The same by the other ways of finding optima, in their order.
    """

    law: str
    name: str
    published: float
    fitted: float
    low: float
    high: float
    elsewhere: tuple[float, ...]

    @property
    def reproduced(self) -> bool:
        """Whether the procedure gives what was printed."""
        return abs(self.fitted - self.published) <= _PRINTED

    @property
    def inside(self) -> bool:
        """Whether what was printed lies in the interval."""
        return self.low <= self.published <= self.high

    @property
    def sentence(self) -> str:
        """In words."""
        size = {"p": "parameters", "q": "tokens"}[self.name]
        inside = "inside" if self.inside else "outside"
        return (
            f"Exponent of the {size} in the {self.law}: {format_number(self.fitted)} from the table, "
            f"{format_number(self.published)} published, {inside} the interval {format_interval(self.low, self.high)}; "
            f"by other ways {format_number(min(self.elsewhere))} to {format_number(max(self.elsewhere))}."
        )


@dataclass(frozen=True)
class PublishedCheck:
    """Whether the published laws follow from a table of runs.

    Parameters
    ----------
    exponents : tuple of Exponent
        Of the learning rate over N and D, and of the batch over D.
    points : int
        Runs within the published threshold.
    ways : tuple of str
        The other ways of finding optima, in words.
    nearest : float
        The smallest over all ways of the largest distance of an exponent from the published one.
    regret_published, regret_fitted : float
        Mean loss given up on the cells of the table by the published laws, and by those fitted here.
    """

    exponents: tuple[Exponent, ...]
    points: int
    ways: tuple[str, ...] = field(repr=False)
    nearest: float
    regret_published: float
    regret_fitted: float

    @property
    def follow(self) -> bool:
        """Whether the published procedure gives every published exponent."""
        return all(e.reproduced for e in self.exponents)

    @property
    def sentence(self) -> str:
        """The answer in words."""
        verb = "follow" if self.follow else "do not follow"
        said = f"The published coefficients {verb} from this table: " + " ".join(e.sentence for e in self.exponents)
        return (
            f"{said} The nearest way misses one of the exponents by {format_number(self.nearest, 2)}. The loss hardly "
            f"cares: {format_percent(self.regret_published, 3)} is given up by the published laws on average, and "
            f"{format_percent(self.regret_fitted, 3)} by those of the table."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain({
            "follow": self.follow, "points": self.points, "nearest": self.nearest,
            "regret_published": self.regret_published, "regret_fitted": self.regret_fitted, "ways": list(self.ways),
            "exponents": [
                {
                    "law": e.law, "name": e.name, "published": e.published, "fitted": e.fitted,
                    "interval": [e.low, e.high], "inside": e.inside, "elsewhere": list(e.elsewhere),
                }
                for e in self.exponents
            ],
            "sentence": self.sentence,
        })  # fmt: skip
        return out

    def __repr__(self) -> str:
        return self.sentence


def check_published(
    cells: Cells, *, others: Sequence[Method] | None = None, bootstrap: int = 1000, seed: int = 0
) -> PublishedCheck:
    """Hold the laws of arXiv:2503.04715 against a table of runs.

    Parameters
    ----------
    cells : Cells
        The runs, such as the table that was released with them.
    others : sequence of Method, optional
        Ways of finding optima beside the published one; other thresholds, best runs and bowls where missing.
    bootstrap : int, default 1000
        Draws of whole cells, for the intervals of the published way.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    PublishedCheck
    """
    if others is None:
        others = (
            Method("argmin"), *(Method("threshold", s) for s in NEIGHBOURS if s != THRESHOLD),
            Method("bowl", 0.01, 2), Method("bowl", 0.02, 2), Method("bowl"),
        )  # fmt: skip
    fitted = fit_laws(cells, Method("threshold", THRESHOLD), bootstrap=bootstrap, seed=seed)
    ways = [fit_laws(cells, method, bootstrap=0) for method in others]
    printed = {
        "learning rate": find_law("optimal_learning_rate").published[0].values,
        "batch": find_law("optimal_batch").published[0].values,
    }
    exponents = []
    for law, name in _EXPONENTS:
        chosen = [w.lr if law == "learning rate" else w.batch for w in (fitted, *ways)]
        low, high = chosen[0].fit.interval(name, 0.9)
        values = [c.estimates[name] for c in chosen]
        exponents.append(Exponent(law, name, printed[law][name], values[0], low, high, tuple(values[1:])))
    every = np.array([[e.fitted, *e.elsewhere] for e in exponents]) - np.array([[e.published] for e in exponents])
    nearest = float(np.abs(every).max(axis=0).min()) if every.size else math.nan
    return PublishedCheck(
        tuple(exponents),
        fitted.optima.n,
        tuple(method.words for method in others),
        nearest,
        regrets_of(cells, "published", step_law).mean,
        regrets_of(cells, "fitted", fitted.points_at).mean,
    )
