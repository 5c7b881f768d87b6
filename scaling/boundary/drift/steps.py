"""What became of a boundary from period to period."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.settings import Settings
from scaling.boundary.solver import curve
from scaling.formatting import format_number, format_percent, format_plural
from scaling.serial import plain
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from scaling.boundary.evaluation.metrics import Metrics

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DriftStep:
    """How the boundary of a period lies to that of the one before.

    Parameters
    ----------
    before, after : str
        The periods.
    log10_compute : ndarray (k,)
        Where they are compared; within the compute of both.
    shift : ndarray (k,)
        The later boundary minus the earlier one, in score.
    low, high : ndarray (k,)
        Ends of the intervals of `shift`; NaN without bootstrap replicates.
    p : ndarray (k,)
        Of no shift there, corrected for all points of all steps.
    p_value : float
        Of no shift at any of these points, corrected for all steps.
    forecast : Metrics
        How the earlier boundary holds the later models: its ``signed_coverage_error`` is what arXiv:2602.15327 calls
        drift, above 0 where fewer models than 1 - tau lie above.
    """

    before: str
    after: str
    log10_compute: Array
    shift: Array
    low: Array
    high: Array
    p: Array
    p_value: float
    forecast: Metrics

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, the shifts as rows."""
        columns = (self.log10_compute, self.shift, self.low, self.high, self.p)
        names = ("log10_compute", "shift", "low", "high", "p")
        table: dict[str, Any] = plain(
            {
                "before": self.before,
                "after": self.after,
                "p_value": self.p_value,
                "shifts": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
                "forecast": self.forecast.to_dict(),
            }
        )
        return table


@dataclass(frozen=True)
class Drift:
    """Boundaries of successive periods held against each other; see `drift`.

    Parameters
    ----------
    steps : tuple of DriftStep
        One for each period but the first.
    thetas : dict of str to ndarray (4,)
        The boundary of each period: y0, rise, b, z_mid.
    counts : dict of str to int
        Models of each.
    settings : Settings
        By what they were fitted.
    p_value : float
        Of no shift anywhere; NaN without bootstrap replicates.
    level : float
        Nominal coverage of the intervals of shifts, each by itself.
    method : str
        How they were made.
    bootstrap, seed : int
        Replicates and their seed.
    findings : tuple of (str, str)
        The verdict that each leads to, and a sentence.
    notes : tuple of str
        What was left out or converted.
    """

    steps: tuple[DriftStep, ...]
    thetas: dict[str, Array] = field(repr=False)
    counts: dict[str, int]
    settings: Settings
    p_value: float
    level: float
    method: str
    bootstrap: int
    seed: int
    findings: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def periods(self) -> tuple[str, ...]:
        """The periods, in time."""
        return tuple(self.thetas)

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; `reasons` says why."""
        words = {word for word, _ in self.findings}
        return NOT_IDENTIFIED if NOT_IDENTIFIED in words else WEAK if WEAK in words else OK

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return tuple(sentence for _, sentence in self.findings)

    def predict(self, log10_compute: Any, period: str) -> Array:
        """The boundary of a period at log10 compute, in its shape."""
        z = np.asarray(log10_compute, float)
        return curve(self.thetas[period], z.ravel()).reshape(z.shape)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Any:
        return iter(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: steps with their shifts, the test of any drift, verdict and reasons."""
        table: dict[str, Any] = plain(
            {
                "tau": self.settings.tau,
                "kappa": self.settings.kappa,
                "preset": self.settings.preset,
                "periods": self.counts,
                "p_value": self.p_value,
                "steps": [step.to_dict() for step in self.steps],
                "level": self.level,
                "method": self.method,
                "bootstrap": self.bootstrap,
                "seed": self.seed,
                "verdict": self.verdict,
                "reasons": list(self.reasons),
                "notes": list(self.notes),
            }
        )
        return table

    def summary(self) -> str:
        """Return the drift as a report in plain text."""
        lines = [
            f"Drift of the boundary below which {format_percent(self.settings.tau)} of the models lie: "
            + ", ".join(f"{name} ({format_plural(count, 'model')})" for name, count in self.counts.items()),
            *self.notes,
        ]
        for step in self.steps:
            said = "" if np.isnan(step.p_value) else f"; p = {format_number(step.p_value, 2)} for no shift"
            lines += ["", f"{step.before} to {step.after}{said}"]
            lines += [f"  models of {step.after} against the boundary of {step.before}: {step.forecast}"]
            for z, shift, low, high in zip(step.log10_compute, step.shift, step.low, step.high, strict=True):
                band = "" if np.isnan(low) else f"  {format_number(low, 2)} to {format_number(high, 2)}"
                lines.append(f"  {format_number(10.0**z, 3):>9} FLOP  {format_number(shift, 2):>9}{band}")
        lines += ["", f"intervals: {self.method}" + (f", {format_percent(self.level)} each" if self.bootstrap else "")]
        if self.bootstrap:
            lines.append(
                f"any drift: p = {format_number(self.p_value, 2)} for none, corrected for all points of all steps"
            )
        lines += [f"verdict: {self.verdict}", *(f"  - {reason}" for reason in self.reasons)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()
