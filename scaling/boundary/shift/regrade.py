"""Whether a benchmark was graded anew: two versions of its scores for the same models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.shift.checks import check_settings, clusters, shares, usable
from scaling.boundary.shift.flips import few_flips, flip_groups, group_sums
from scaling.boundary.shift.proportions import proportion_interval
from scaling.boundary.shift.size_slope import spearman
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]

ERROR_RATE = 0.05
_FEWEST = 3


@dataclass(frozen=True)
class Regrade:
    """Two versions of the scores of the same models.

    Parameters
    ----------
    n, n_groups : int
        Models with both, and groups they come from.
    changed, up, down : int
        Models whose score differs by more than `tolerance`, and those that rose and fell.
    share_changed, share_low, share_high : float
        The first as a share, with its Wilson interval.
    mean, low, high : float
        Mean change, as a share of 1, with its interval over groups (t, from the sums of groups).
    median, lowest, highest : float
        Of the changes.
    rank_correlation : float
        Of the two versions: whether models keep their order.
    p, p_sign : float
        Of the mean change and of the balance of rises and falls, by flipping the signs of groups.
    tolerance, level, permutations, seed
        Settings.
    left_out : dict of str to int
        Rows that could not be used, by reason.
    notes : tuple of str
        What was done to the numbers.
    """

    n: int
    n_groups: int
    changed: int
    up: int
    down: int
    share_changed: float
    share_low: float
    share_high: float
    mean: float
    low: float
    high: float
    median: float
    lowest: float
    highest: float
    rank_correlation: float
    p: float
    p_sign: float
    tolerance: float
    level: float
    permutations: int
    seed: int
    left_out: dict[str, int]
    notes: tuple[str, ...]

    @property
    def shifted(self) -> bool:
        """Whether the change has a direction: scores moved up, or down, as a whole."""
        return min(1.0, 2 * min(self.p, self.p_sign)) <= ERROR_RATE

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        if not self.changed:
            return f"The two versions agree on all of {format_plural(self.n, 'model')}."
        most = self.highest if abs(self.highest) >= abs(self.lowest) else self.lowest
        text = (
            f"{format_percent(self.share_changed, 3)} of {format_plural(self.n, 'model')} score differently, by "
            f"{100 * self.mean:+.1f} points on average ({format_interval(100 * self.low, 100 * self.high)}) and "
            f"{100 * most:+.0f} at most"
        )
        p = f"p = {format_number(self.p, 2)}, of the signs alone {format_number(self.p_sign, 2)}"
        if self.shifted:
            return f"The measurement changed: {text} ({p}). Scores of the two versions do not belong in one series."
        return f"The measurement changed for some, and no direction can be told: {text} ({p})."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self) | {"verdict": self.verdict, "shifted": self.shifted})
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the comparison as a report in plain text."""
        ends = format_interval(100 * self.share_low, 100 * self.share_high)
        lines = [
            self.verdict,
            f"changed by more than {self.tolerance:g}: {self.changed} ({ends} %), {self.up} up and {self.down} down",
            f"change in points: median {100 * self.median:+.2f}, from {100 * self.lowest:+.1f} to "
            f"{100 * self.highest:+.1f}; rank correlation of the versions {format_number(self.rank_correlation, 3)}",
            f"{format_plural(self.n_groups, 'group')}; {100 * self.level:g} % intervals, {self.permutations} flips, "
            f"seed {self.seed}",
        ]
        lines += [f"left out: {count} ({reason})" for reason, count in self.left_out.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def detect_regrade(
    before: ArrayLike,
    after: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    tolerance: float = 1e-9,
    level: float = 0.95,
    permutations: int = 2000,
    seed: int = 0,
) -> Regrade:
    """Compare two versions of the scores of the same models.

    Parameters
    ----------
    before, after : array_like (n,)
        Scores of each model by the earlier and the later version; shares or per cent, NaN where missing.
    groups : array_like (n,), optional
        Base models, whose descendants answer alike and so are graded alike.
    tolerance : float, default 1e-9
        Difference up to which two scores are the same.
    level : float, default 0.95
        Nominal coverage.
    permutations : int, default 2000
        Flips of the signs of groups.
    seed : int, default 0
        Of them.

    Returns
    -------
    Regrade

    Raises
    ------
    InputDataError
        For columns that cannot be used, or fewer than three models with both.
    UsageError
        For settings that mean nothing.

    Notes
    -----
    Answers that are graded twice by the same grader score the same, so any change says that something changed; the
    tests say whether the changes have a direction. Where each version asked the models again, chance alone changes
    scores, and only the tests count.
    """
    from scaling.fitting.intervals import t_quantile

    check_settings(level, permutations, seed)
    if not tolerance >= 0:
        raise UsageError(f"a tolerance is 0 or above, not {tolerance:g}")
    old, note_old = shares(before, "before")
    new, note_new = shares(after, "after")
    if bool(note_old) != bool(note_new):
        raise InputDataError(
            f"{note_old or note_new}, and the other version is not", hint="Give both versions in the same unit."
        )
    cleaned = usable({"before": old, "after": new}, (note_old, note_new))
    code = np.unique(clusters(groups, len(old))[0][cleaned.kept], return_inverse=True)[1].astype(np.int64)
    old, new = cleaned.columns["before"], cleaned.columns["after"]
    if len(old) < _FEWEST:
        raise InputDataError(f"{format_plural(len(old), 'model')} with both versions are too few to compare")
    change = new - old
    moved = np.abs(change) > tolerance
    change = np.where(moved, change, 0.0)
    tested = flip_groups(group_sums(np.column_stack([change, np.sign(change)]), code), permutations, seed)
    mean, count, n_groups = float(change.mean()), int(moved.sum()), int(code.max()) + 1
    sums = group_sums((change - mean)[:, None], code)[:, 0]
    error = np.sqrt(np.sum(sums**2) * n_groups / max(n_groups - 1, 1)) / len(change)
    half = t_quantile(level, n_groups - 1) * float(error)
    low, high = proportion_interval(count, len(change), level)
    return Regrade(
        n=len(change),
        n_groups=n_groups,
        changed=count,
        up=int(np.sum(change > 0)),
        down=int(np.sum(change < 0)),
        share_changed=count / len(change),
        share_low=float(low),
        share_high=float(high),
        mean=mean,
        low=mean - half,
        high=mean + half,
        median=float(np.median(change)),
        lowest=float(change.min()),
        highest=float(change.max()),
        rank_correlation=spearman(old, new),
        p=float(tested.p_single[0]),
        p_sign=float(tested.p_single[1]),
        tolerance=tolerance,
        level=level,
        permutations=permutations,
        seed=seed,
        left_out=cleaned.left_out,
        notes=(*cleaned.notes, *few_flips(n_groups)),
    )
