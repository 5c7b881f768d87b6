"""What a test for a shift between two benchmarks returns."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from scaling.formatting import format_estimate, format_interval, format_number, format_plural
from scaling.serial import plain

ERROR_RATE = 0.05


@dataclass(frozen=True)
class CutoffShift:
    """The step at one cutoff.

    Parameters
    ----------
    cutoff : str
        First day of the later side.
    n_before, n_after, n_groups : int
        Models on each side that were compared, and the groups they come from.
    gamma, gamma_low, gamma_high : float
        The step, in logits of B.
    points, points_low, points_high : float
        What it adds to the B of the models after it, on average, as a share of 1. NaN by the published way.
    statistic : float
        Of the test; in units of chance.
    p, p_corrected : float
        Of this cutoff alone, and after correction for all cutoffs; the same where nothing was corrected.
    dispersion : float
        Variance of models beyond that of their items, as a factor. NaN by the published way.
    """

    cutoff: str
    n_before: int
    n_after: int
    n_groups: int
    gamma: float
    gamma_low: float
    gamma_high: float
    points: float
    points_low: float
    points_high: float
    statistic: float
    p: float
    p_corrected: float
    dispersion: float


@dataclass(frozen=True)
class Sensitivity:
    """The step at the leading cutoff when it is measured in another way.

    Parameters
    ----------
    way : str
        What differs.
    n : int
        Models compared.
    gamma, gamma_low, gamma_high : float
        The step in logits, with its interval.
    """

    way: str
    n: int
    gamma: float
    gamma_low: float
    gamma_high: float


@dataclass(frozen=True)
class ContaminationShift:
    """Whether one benchmark rose, or fell, beyond what another predicts, from some date on.

    Parameters
    ----------
    cutoffs : tuple of CutoffShift
        In order of their dates.
    sensitivity : tuple of Sensitivity
        At the leading cutoff.
    n, n_groups : int
        Models with both scores and a date, and their groups.
    method : str
        How it was measured, in words.
    preset : str
        ``zhang2026``, or empty.
    alternative, scheme, level, permutations, seed
        Settings.
    corrected : bool
        Whether p-values allow for having looked at all cutoffs.
    published : dict of str to dict
        By cutoff, what the published way gives beside: ``intercept slope gamma gamma_error r2 null_mean null_sd p
        n_before n_after``. Empty by default.
    left_out : dict of str to int
        Rows that could not be used, by reason.
    notes : tuple of str
        What should be known beside the numbers.
    """

    cutoffs: tuple[CutoffShift, ...]
    sensitivity: tuple[Sensitivity, ...]
    n: int
    n_groups: int
    method: str
    preset: str
    alternative: str
    scheme: str
    level: float
    permutations: int
    seed: int
    corrected: bool
    published: dict[str, dict[str, float]]
    left_out: dict[str, int]
    notes: tuple[str, ...]

    @property
    def leading(self) -> CutoffShift:
        """The cutoff with the smallest p-value; of equals the largest statistic."""
        return min(self.cutoffs, key=lambda row: (row.p_corrected, -abs(row.statistic)))

    @property
    def shifted(self) -> bool:
        """Whether a shift can be told."""
        return self.leading.p_corrected <= ERROR_RATE

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        row = self.leading
        p = f"p = {format_number(row.p_corrected, 2)}" + (
            f" after correction for {format_plural(len(self.cutoffs), 'cutoff')}"
            if self.corrected and len(self.cutoffs) > 1
            else ""
        )
        if not self.corrected and len(self.cutoffs) > 1:
            p += f", not corrected for having looked at {len(self.cutoffs)} cutoffs"
        size = _size(row)
        if self.shifted:
            return f"Shift of {size} at {row.cutoff}, {p}."
        return f"No shift can be told: the step that stands out most, {size} at {row.cutoff}, has {p}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        told = {"verdict": self.verdict, "shifted": self.shifted, "leading": self.leading.cutoff}
        out: dict[str, Any] = plain(asdict(self) | told)
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the test as a report in plain text."""
        groups = "" if self.n_groups == self.n else f" of {format_plural(self.n_groups, 'group')}"
        lines = [self.verdict, f"{format_plural(self.n, 'model')}{groups}; {self.method}", ""]
        lines += [f"  {self._line(row)}" for row in self.cutoffs]
        if self.sensitivity:
            lines += ["", f"the step at {self.leading.cutoff}, measured in other ways"]
            lines += [
                f"  {s.way}: {format_number(s.gamma, 3)} logits ({format_interval(s.gamma_low, s.gamma_high)}), "
                f"{format_plural(s.n, 'model')}"
                for s in self.sensitivity
            ]
        lines += ["", self._how(), *(f"left out: {count} ({reason})" for reason, count in self.left_out.items())]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _line(self, row: CutoffShift) -> str:
        text = f"{row.cutoff}: {row.n_before} before, {row.n_after} after, p = {format_number(row.p, 2)}"
        if self.corrected:
            text += f", corrected {format_number(row.p_corrected, 2)}"
        fit = self.published.get(row.cutoff)
        if fit is None:
            ends = format_interval(row.gamma_low, row.gamma_high)
            return f"{text}, step {format_number(row.gamma, 3)} logits ({ends}), {_size(row)}"
        return (
            f"{text}, logit(B) = {format_number(fit['intercept'])} + {format_number(fit['slope'])} logit(A), after it "
            f"+ {format_estimate(fit['gamma'], fit['gamma_error'])}; R2 {format_number(fit['r2'], 3)}; permuted steps "
            f"{format_number(fit['null_mean'], 3)} ± {format_number(fit['null_sd'], 3)}"
        )

    def _how(self) -> str:
        scheme = {
            "flip": "flips of the signs of groups, the same for all cutoffs",
            "permute": "permutations of dates among models of similar A, the same for all cutoffs",
            "sides": "permutations of the side of the cutoff among models of similar A",
        }[self.scheme]
        return (
            f"{100 * self.level:g} % intervals; {self.alternative} p-values from {self.permutations} {scheme}, "
            f"seed {self.seed}"
        )


def _size(row: CutoffShift) -> str:
    """Write a step in points, or in logits where points are not known."""
    if not math.isfinite(row.gamma):
        return "a step too large to be estimated"
    if math.isfinite(row.points):
        return f"{100 * row.points:+.1f} points ({format_interval(100 * row.points_low, 100 * row.points_high)})"
    return f"{row.gamma:+.3g} logits ({format_interval(row.gamma_low, row.gamma_high)})"
