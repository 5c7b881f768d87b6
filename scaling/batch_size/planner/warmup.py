"""Growing the batch as a run goes on: a schedule from a law of the critical batch size.

A law ``B_crit = k*D**q`` grows with the tokens, so a batch that is right at the end wastes compute at the start. A
schedule that stays at a share f of it takes, if it could change at every step, ``D**(1-q)/(f*k*(1-q))`` steps, which is
1/(1 - q) times those of the last batch held throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.bands import replicate_interval
from scaling.batch_size.planner.identities import positive
from scaling.batch_size.planner.sizes import batch_sizes
from scaling.errors import UsageError
from scaling.formatting import format_count, format_count_interval, format_number, format_percent, format_whole
from scaling.inputs import check_level
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.batch_size.planner.growth import Growth

Array = NDArray[np.float64]

_ROUNDING = 1e-12  # of the length of a run
ASSUMPTION = (
    "The law says how the critical batch size grows with the tokens of whole runs. The schedule reads it as the "
    "critical batch size at each moment of one run, which is assumed here and was not measured."
)
LEARNING_RATE = (
    "Learning rates grow as the square root of the batch, by sqrt(2) for each doubling, as is usual for Adam "
    "(arXiv:2505.23971); for SGD they would grow as the batch."
)


@dataclass(frozen=True)
class Phase:
    """A stretch of a run at one batch size.

    Parameters
    ----------
    batch : float
        In the unit of the schedule.
    start, end : float
        Tokens, or samples, so far.
    steps : float
        In this stretch.
    start_low, start_high : float
        Percentiles of where the replicates of the law put its start; NaN without. 0 for the first.
    lr_factor : float
        Learning rate over that of the first stretch.
    """

    batch: float
    start: float
    end: float
    steps: float
    start_low: float
    start_high: float
    lr_factor: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class WarmupSchedule:
    """A schedule of the batch size.

    Parameters
    ----------
    phases : tuple of Phase
        In order.
    total : float
        Tokens, or samples, of the run.
    steps : float
        Of the schedule.
    steps_constant_start, steps_constant_final : float
        Of the first and of the last batch held throughout.
    steps_ideal : float
        Of a batch that follows the law at every step; infinite where the exponent is 1 or more.
    ideal_ratio : float
        1/(1 - q): those over the steps of the law's last batch held throughout.
    overhead, overhead_constant_start, overhead_constant_final : float
        Compute above the least, as a share: the mean of B over the law's critical batch over the run. NaN where the law
        is not of b/a, and infinite for an exponent of 1 or more.
    steps_low, steps_high : float
        Percentiles of the steps that the schedules of the law's replicates take.
    share : float
        f: the batch over the critical one.
    k, q : float
        The law's coefficients, in the unit of the schedule.
    convention : str
        What the law calls critical.
    unit : str
        Of batches and of the run.
    level : float
        Nominal coverage.
    verdict : str
        That of the law.
    notes : tuple of str
        The assumption, the rule of the learning rate, and what else is to be known.
    """

    phases: tuple[Phase, ...]
    total: float
    steps: float
    steps_constant_start: float
    steps_constant_final: float
    steps_ideal: float
    ideal_ratio: float
    overhead: float
    overhead_constant_start: float
    overhead_constant_final: float
    steps_low: float
    steps_high: float
    share: float
    k: float
    q: float
    convention: str
    unit: str
    level: float
    verdict: str
    notes: tuple[str, ...]

    @property
    def switches(self) -> list[float]:
        """Tokens, or samples, at which the batch changes."""
        return [phase.start for phase in self.phases[1:]]

    @property
    def saving(self) -> float:
        """Share of the steps of the first batch that the schedule does not need."""
        return 1 - self.steps / self.steps_constant_start

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON: the fields by name, ``phases`` as a list, ``switches`` and ``saving``."""
        table = {name: getattr(self, name) for name in self.__dataclass_fields__}
        table |= {"phases": [p.to_dict() for p in self.phases], "switches": self.switches, "saving": self.saving}
        out: dict[str, Any] = plain(table)
        return out

    def __repr__(self) -> str:
        lines = [
            f"  from {format_count(p.start)} {self.unit}: B = {format_whole(p.batch)} {self.unit}, "
            f"{format_number(p.steps)} steps, learning rate x{format_number(p.lr_factor)}"
            for p in self.phases
        ]
        first, last = format_number(self.steps_constant_start), format_number(self.steps_constant_final)
        lines.insert(0, f"{format_number(self.steps)} steps, {format_percent(self.saving)} fewer than {first}")
        lines.append(f"the last batch throughout takes {last} steps")
        return "\n".join([*lines, *(f"  - {note}" for note in self.notes)])


def warmup_schedule(
    growth: Growth,
    total: float,
    *,
    share: float = 1.0,
    start: float | None = None,
    most: float | None = None,
    multiple: float | None = None,
    power_of_two: bool = False,
    level: float = 0.9,
) -> WarmupSchedule:
    """Plan a schedule of the batch size.

    Parameters
    ----------
    growth : Growth
        How the critical batch grows; see `scaling.batch_size.planner.growth`.
    total : float
        Tokens of the run; samples where the law counts those.
    share : float, default 1
        f: how much of the critical batch to use. The compute above the least is about f.
    start : float, optional
        The first batch; never is it smaller. The power of two below the law at a thousandth of the run where missing.
    most : float, optional
        The largest batch.
    multiple : float, optional
        Batches are multiples of this, and change at each; doublings of the first where missing.
    power_of_two : bool, default False
        Round the first batch down to a power of two.
    level : float, default 0.9
        Nominal coverage.

    Returns
    -------
    WarmupSchedule

    Raises
    ------
    UsageError
        For numbers that are not above 0, a law that does not grow, or sizes that contradict each other.

    Notes
    -----
    The batch B_j holds from ``(B_j/(f*k))**(1/q)`` tokens on: never does it exceed the law, but for the first.
    """
    check_level(level)
    positive(total, "the length of the run")
    positive(share, "the share of the critical batch")
    k, q = growth.k, growth.q
    if not q > 0:
        raise UsageError(
            f"by this law the critical batch does not grow with the run (exponent {format_number(q)})",
            hint="There is nothing to warm up: hold one batch.",
        )
    if start is None:
        start, power_of_two = share * k * (total / 1000) ** q, True
    last = share * k * total**q
    sizes = batch_sizes(start, last, most=most, multiple=multiple, power_of_two=power_of_two)
    at = _switches(sizes, np.array([k]), np.array([q]), share, total)[0]
    used = (np.arange(len(sizes)) == 0) | (at < total * (1 - _ROUNDING))  # none that begins with the end of the run
    sizes, at, drawn = sizes[used], at[used], growth.replicates
    steps = np.diff(np.append(at, total)) / sizes
    low, high = replicate_interval(_switches(sizes, drawn[:, 0], drawn[:, 1], share, total), level)
    phases = tuple(
        Phase(float(b), float(at[j]), float(at[j + 1]) if j + 1 < len(at) else float(total), float(steps[j]),
              0.0 if j == 0 else float(low[j]), 0.0 if j == 0 else float(high[j]), math.sqrt(b / sizes[0]))
        for j, b in enumerate(sizes.tolist())
    )  # fmt: skip
    ends = _steps_of_replicates(growth, float(sizes[0]), total, share, most, multiple, level)
    mean = _mean_inverse(growth, at, total)
    whole = float(np.sum(mean))
    return WarmupSchedule(
        phases=phases, total=float(total), steps=float(np.sum(steps)), steps_constant_start=float(total / sizes[0]),
        steps_constant_final=float(total / sizes[-1]),
        steps_ideal=total ** (1 - q) / (share * k * (1 - q)) if q < 1 else math.inf,
        ideal_ratio=1 / (1 - q) if q < 1 else math.inf,
        overhead=float(np.sum(mean * sizes)), overhead_constant_start=float(sizes[0]) * whole,
        overhead_constant_final=float(sizes[-1]) * whole, steps_low=ends[0], steps_high=ends[1], share=float(share),
        k=k, q=q, convention=growth.convention, unit=growth.unit, level=level, verdict=growth.verdict,
        notes=(ASSUMPTION, LEARNING_RATE, *_remarks(growth, sizes, start, last, most, share, total)),
    )  # fmt: skip


def _switches(sizes: Array, k: Array, q: Array, share: float, total: float) -> Array:
    """Where laws (R,) reach batch sizes (m,), cut to the run: (R, m), 0 for the first size."""
    with np.errstate(all="ignore"):
        at = np.exp(np.log(sizes / (share * k[:, None])) / q[:, None])
    at = np.where(q[:, None] > 0, at, total)  # a law that does not grow never gets there
    at[:, 0] = 0
    return np.minimum(at, total)


def _steps_of_replicates(
    growth: Growth, first: float, total: float, share: float, most: float | None, multiple: float | None, level: float
) -> tuple[float, float]:
    """Percentiles of the steps that the schedules of the replicates take."""
    k, q = growth.replicates.T
    if not len(k):
        return math.nan, math.nan
    with np.errstate(over="ignore"):
        reach = np.where(q > 0, share * k * total**q, 0)
    # Where nearly all of the replicates end; and not so far that the list of sizes is refused.
    furthest = first * 2.0**100 if multiple is None else first + 5000 * multiple
    end = min(float(np.quantile(np.minimum(reach, furthest), 0.999)), furthest)
    sizes = batch_sizes(first, end, most=most, multiple=multiple)
    at = _switches(sizes, k, q, share, total)
    spent = np.diff(np.concatenate([at, np.full((len(k), 1), total)], axis=1), axis=1) / sizes
    low, high = replicate_interval(spent.sum(axis=1)[:, None], level)
    return float(low[0]), float(high[0])


def _mean_inverse(growth: Growth, at: Array, total: float) -> Array:
    """Share of each stretch (m,) in the mean of 1/B_crit over the run."""
    if not growth.ratio:
        return np.full(len(at), math.nan)
    if growth.q >= 1:
        return np.where(at == 0, math.inf, 0.0)
    power = 1 - growth.q
    ends = np.append(at, total) ** power
    return np.asarray(np.diff(ends) / (growth.k * power * total))


def _remarks(
    growth: Growth, sizes: Array, start: float, last: float, most: float | None, share: float, total: float
) -> list[str]:
    notes = list(growth.reasons)
    if start > last:
        notes.append(
            f"The law reaches {format_number(last)} {growth.unit} at the end of the run, less than the first batch: "
            "the batch never grows."
        )
    if most is not None and most < last:
        notes.append(f"The largest batch allowed holds it below the law, which ends at {format_number(last)}.")
    if not growth.ratio:
        notes.append(
            f"The law's batch is not known to be b/a ({growth.convention}), so the compute above the least is not "
            "known either."
        )
    low, high = growth.support
    if total > high * (1 + 1e-9) or _first_switch(growth, sizes, share, total) < low * (1 - 1e-9):
        notes.append(
            f"The law was fitted to runs of {format_count_interval(low, high)} {growth.unit}, and the "
            "schedule reads it outside of that."
        )
    return notes


def _first_switch(growth: Growth, sizes: Array, share: float, total: float) -> float:
    if len(sizes) < 2:
        return total
    return float(_switches(sizes[:2], np.array([growth.k]), np.array([growth.q]), share, total)[0, 1])
