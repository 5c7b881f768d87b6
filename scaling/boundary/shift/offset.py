"""What two sources differ by, and scores that were brought from one to the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_interval, format_number, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]

ERROR_RATE = 0.05
LEAST_SHARED = 10


@dataclass(frozen=True)
class HarnessOffset:
    """What source B reads more than source A, on the models that both scored.

    Parameters
    ----------
    n, n_groups : int
        Shared models, and base models (or other groups) that they come from.
    mean, low, high, error : float
        Mean difference B - A, as a share of 1, its interval and standard error, both by drawing groups.
    median, sd : float
        Of the differences; the standard deviation is how far a single model may be off.
    p : float
        Two-sided, by flipping the signs of groups.
    centre : float
        Mean over the models of the mean of their two scores.
    at_centre, slope, slope_low, slope_high : float
        The difference as a line in the mean of the two scores: its value at the centre, and what it gains for a unit of
        score, with its interval. NaN where all scores are equal.
    line_covariance : tuple
        Covariance of `at_centre` and `slope`, 2 x 2.
    line_sd : float
        Standard deviation of the differences about that line.
    range_a, range_b : (float, float)
        Lowest and highest score of the shared models by each source.
    level, bootstrap, seed
        Settings.
    left_out : dict of str to int
        Rows that could not be used, by reason.
    notes : tuple of str
        What was done to the numbers.
    """

    n: int
    n_groups: int
    mean: float
    low: float
    high: float
    error: float
    median: float
    sd: float
    p: float
    centre: float
    at_centre: float
    slope: float
    slope_low: float
    slope_high: float
    line_covariance: tuple[tuple[float, float], tuple[float, float]]
    line_sd: float
    range_a: tuple[float, float]
    range_b: tuple[float, float]
    level: float
    bootstrap: int
    seed: int
    left_out: dict[str, int]
    notes: tuple[str, ...]

    @property
    def slope_told(self) -> bool:
        """Whether the offset can be said to depend on the score."""
        return self.n >= LEAST_SHARED and (self.slope_low > 0 or self.slope_high < 0)

    @property
    def told(self) -> bool:
        """Whether an offset can be told, a constant one or one that depends on the score."""
        return self.n >= LEAST_SHARED and (self.p <= ERROR_RATE or self.slope_told)

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        on = f"on {format_plural(self.n, 'shared model')}"
        ends = format_interval(100 * self.low, 100 * self.high)
        if self.n < LEAST_SHARED:
            return f"Too few to tell: B reads {100 * self.mean:+.1f} points against A {on}; {LEAST_SHARED} are needed."
        if self.n_groups == 1:
            return f"Nothing says how sure an offset of one group is: B reads {100 * self.mean:+.1f} points {on}."
        if not self.told:
            return f"No offset can be told: B reads {100 * self.mean:+.1f} points against A ({ends}) {on}."
        text = f"B reads {100 * self.mean:+.1f} points against A ({ends}) {on}, single models {100 * self.sd:.1f} apart"
        if self.slope_told:
            text += f", and the difference changes by {100 * self.slope:+.0f} points over the whole range of scores"
        return f"{text}: apply the offset before pooling."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        told = {"verdict": self.verdict, "told": self.told, "slope_told": self.slope_told}
        out: dict[str, Any] = plain(asdict(self) | told)
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the offset as a report in plain text."""
        points = [100 * value for value in (self.mean, self.median, self.sd)]
        lines = [
            self.verdict,
            f"mean {points[0]:+.2f} points, median {points[1]:+.2f}, standard deviation {points[2]:.2f}, "
            f"p = {format_number(self.p, 2)}; {format_plural(self.n_groups, 'group')}",
            f"slope against the mean of the two scores {format_number(self.slope, 3)} "
            f"({format_interval(self.slope_low, self.slope_high)})",
            f"{100 * self.level:g} % intervals over groups, {self.bootstrap} replicates and as many flips, "
            f"seed {self.seed}",
        ]
        lines += [f"left out: {count} ({reason})" for reason, count in self.left_out.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


@dataclass(frozen=True)
class AppliedOffset:
    """Scores brought to another source's scale.

    Parameters
    ----------
    score : ndarray (n,)
        Kept within 0 and 1.
    shift : ndarray (n,)
        What was added.
    shared_error : ndarray (n,)
        Standard error of what was added; the same mistake in all of them, so it does not average out.
    model_error : float
        Standard deviation of a single model about the offset; independent between models.
    linear : bool
        Whether the offset depends on the score.
    towards : {'b', 'a'}
        Whose scale they are on now.
    clipped, beyond : int
        Scores cut at 0 or 1, and scores outside the range that the shared models cover.
    n_shared : int
        Models that the offset rests on.
    notes : tuple of str
        What was done to the numbers.
    """

    score: Array
    shift: Array
    shared_error: Array
    model_error: float
    linear: bool
    towards: str
    clipped: int
    beyond: int
    n_shared: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self))
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Say in plain text what was done."""
        known = self.shift[np.isfinite(self.shift)]
        if not len(known):
            return "No score was given."
        how = "a line in the score" if self.linear else "a constant"
        ends = format_interval(100 * float(known.min()), 100 * float(known.max()))
        amount = f"{100 * float(known.mean()):+.1f} points" + (f" on average ({ends})" if self.linear else "")
        lines = [
            f"{format_plural(len(known), 'score')} moved by {amount} to the scale of {self.towards.upper()}, {how} "
            f"from {format_plural(self.n_shared, 'shared model')}; standard error "
            f"{format_number(100 * float(self.shared_error[np.isfinite(self.shift)].max()), 2)} points in common at "
            f"most, {format_number(100 * self.model_error, 2)} for a single model"
        ]
        if self.clipped:
            lines.append(f"note: cut at 0 or 1: {format_plural(self.clipped, 'score')}")
        if self.beyond:
            lines.append(f"note: outside the range of the shared models: {format_plural(self.beyond, 'score')}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])
