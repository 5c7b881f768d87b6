"""What a search for jumps returns."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from scaling.formatting import format_interval, format_number, format_plural
from scaling.serial import plain

ERROR_RATE = 0.05


@dataclass(frozen=True)
class Jump:
    """The jump of one benchmark at one cutoff.

    Parameters
    ----------
    task, cutoff : str
        Which benchmark, and the first day of the later side.
    points, low, high : float
        What it gained at equal compute beyond what the other benchmarks say, as a share of 1, with its interval over
        groups.
    statistic : float
        Of the test, in units of chance.
    p, p_corrected : float
        Of this jump alone, and after correction for all benchmarks and cutoffs.
    n_before, n_after : int
        Models on each side.
    """

    task: str
    cutoff: str
    points: float
    low: float
    high: float
    statistic: float
    p: float
    p_corrected: float
    n_before: int
    n_after: int


@dataclass(frozen=True)
class JumpTest:
    """Jumps of several benchmarks, over several cutoffs.

    Parameters
    ----------
    found : tuple of Jump
        Jumps that can be told, the clearest first; each is taken out before the next is sought.
    leading : Jump
        The clearest one, whether or not it can be told.
    table : tuple of Jump
        All of them, before any was taken out.
    tasks, cutoffs : tuple of str
        What was looked at.
    n, n_compute, n_groups : int
        Models, values of compute that two or more of them share, and groups.
    trend, level, permutations, seed
        Settings.
    left_out : dict of str to int
        Rows that could not be used, by reason.
    notes : tuple of str
        What was done to the numbers.
    """

    found: tuple[Jump, ...]
    leading: Jump
    table: tuple[Jump, ...]
    tasks: tuple[str, ...]
    cutoffs: tuple[str, ...]
    n: int
    n_compute: int
    n_groups: int
    trend: bool
    level: float
    permutations: int
    seed: int
    left_out: dict[str, int]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        looked = f"after correction for {len(self.tasks)} benchmarks and {format_plural(len(self.cutoffs), 'cutoff')}"
        if not self.found:
            return (
                f"No jump can be told: the clearest, {_size(self.leading)} on {self.leading.task} at "
                f"{self.leading.cutoff}, has p = {format_number(self.leading.p_corrected, 2)} {looked}."
            )
        told = "; ".join(
            f"{_size(jump)} on {jump.task} at {jump.cutoff} (p = {format_number(jump.p_corrected, 2)})"
            for jump in self.found
        )
        return f"Jump at equal compute that the other benchmarks do not show: {told}, {looked}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self) | {"verdict": self.verdict})
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the test as a report in plain text."""
        lines = [
            self.verdict,
            f"{format_plural(self.n, 'model')}, {self.n_compute} values of compute with two models or more, "
            f"{format_plural(self.n_groups, 'group')}; "
            + ("a steady trend is allowed for" if self.trend else "no trend is allowed for"),
            "",
            "the clearest cutoff of each benchmark",
        ]
        for task in self.tasks:
            jump = min((j for j in self.table if j.task == task), key=lambda j: (j.p_corrected, -abs(j.statistic)))
            lines.append(
                f"  {task}: {_size(jump)} at {jump.cutoff}, p = {format_number(jump.p, 2)}, corrected "
                f"{format_number(jump.p_corrected, 2)}"
            )
        lines.append(
            f"{100 * self.level:g} % intervals; {self.permutations} flips of the signs of groups, the same for all, "
            f"seed {self.seed}"
        )
        lines += [f"left out: {count} ({reason})" for reason, count in self.left_out.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _size(jump: Jump) -> str:
    if not math.isfinite(jump.low):
        return f"{100 * jump.points:+.1f} points"
    return f"{100 * jump.points:+.1f} points ({format_interval(100 * jump.low, 100 * jump.high)})"
