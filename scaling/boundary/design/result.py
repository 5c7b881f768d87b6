"""A design: which models to evaluate, in which order, and what that costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.serial import plain

_SINGULAR = 1e8  # of a condition number: parameters that the models tell apart no more
_SHOWN = 10  # bins that a summary lists


@dataclass(frozen=True)
class DesignBin:
    """What a design does in one bin of compute.

    Parameters
    ----------
    low, high : float
        Smallest and largest log10 compute of its models, FLOP.
    models, known, chosen : int
        In the pool, of those evaluated already, and of those chosen.
    groups : int
        Different groups among the chosen ones.
    cost, spent : float
        Of all its models, and of the chosen ones.
    """

    low: float
    high: float
    models: int
    known: int
    chosen: int
    groups: int
    cost: float
    spent: float


@dataclass(frozen=True)
class Design:
    """Which models to evaluate.

    Parameters
    ----------
    name : str
        ``stratified``, ``random``, ``i_optimal`` or ``d_optimal``.
    order : tuple of int
        Positions of the chosen models among those that were given, in the order of choice.
    budget, spent, pool_cost : float
        What there was, what the chosen ones cost, and what the whole pool would; in the unit of the cost.
    models, known : int
        In the pool, and of those evaluated already.
    bins : tuple of DesignBin
        By rising compute: ten bins of equally many models.
    settings : dict of str to float, int, bool or None
        Of the design.
    seed : int
        Of its random choices.
    groups : int, optional
        Different groups among the chosen models; None where no groups were given.
    condition : float, optional
        Condition number of the information matrix; of optimal designs only.
    trace : float, optional
        tr(A M^-1), the mean variance of the nominal curve at unit noise; of optimal designs only.
    notes : tuple of str
        What should be known beside the numbers.
    """

    name: str
    order: tuple[int, ...]
    budget: float
    spent: float
    pool_cost: float
    models: int
    known: int
    bins: tuple[DesignBin, ...]
    settings: dict[str, Any]
    seed: int
    groups: int | None = None
    condition: float | None = None
    trace: float | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def chosen(self) -> NDArray[np.int64]:
        """Positions of the chosen models, ascending."""
        return np.sort(np.array(self.order, np.int64))

    @property
    def share(self) -> float:
        """What the chosen models cost, as a share of the whole pool."""
        return self.spent / self.pool_cost

    def to_dict(self) -> dict[str, Any]:
        """Return the whole design as plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self))
        out["share"] = self.share
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the design as a report in plain text."""
        known = f", {format_plural(self.known, 'model')} known already" if self.known else ""
        lines = [
            f"{self.name}: {format_plural(len(self.order), 'model')} of {self.models} to evaluate{known}, for "
            f"{format_number(self.spent)} ({format_percent(self.share, 3)} of what the pool costs)"
        ]
        if self.groups is not None:
            lines[0] += f", of {format_plural(self.groups, 'group')}"
        if self.condition is not None and self.trace is not None:
            near = " (nearly singular)" if self.condition > _SINGULAR else ""
            lines.append(
                f"  tr(A M^-1) {format_number(self.trace)}, condition number {format_number(self.condition, 3)}{near}"
            )
        lines.append("  log10 compute       models  known  chosen  share of the bin's cost")
        for b in self.bins[:_SHOWN]:
            lines.append(
                f"  {format_interval(b.low, b.high):18}  {b.models:6d}  {b.known:5d}  {b.chosen:6d}  "
                f"{format_percent(b.spent / b.cost)}"
            )
        first = ", ".join(map(str, self.order[:_SHOWN]))
        lines.append(f"  first rows: {first}{', ...' if len(self.order) > _SHOWN else ''}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])
