"""What designs recover of a boundary, held against random choice at equal cost."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_estimate, format_number, format_percent, format_plural
from scaling.serial import plain

#: What designs are measured by, all of it the better the smaller. The first two are mean absolute distances from the
#: curve of all models: at places even in log compute, and at the compute of the models.
MEASURES = {
    "curve": "the curve over log compute",
    "curve_at_data": "the curve at the models",
    "pinball_in": "pinball loss in the period",
    "smoothed_in": "smoothed pinball loss in the period",
    "coverage_in": "coverage error in the period",
    "pinball_out": "pinball loss out of the period",
    "smoothed_out": "smoothed pinball loss out of the period",
    "coverage_out": "coverage error out of the period",
}
UNCLEAR = "no clear difference"
_CLEAR = 2.0  # standard errors of a difference that is taken for one


@dataclass(frozen=True)
class Measure:
    """One measure of a design, over the draws.

    Parameters
    ----------
    name : str
        A key of `MEASURES`.
    mean, se : float
        Mean over the draws and its standard error.
    full : float
        The same of the boundary of all models, which costs the whole pool; 0 for the distances from it.
    difference, difference_se : float
        Mean less that of random choice, and its standard error.
    """

    name: str
    mean: float
    se: float
    full: float
    difference: float
    difference_se: float

    @property
    def against_random(self) -> str:
        """``better``, ``worse`` or ``no clear difference``: by two standard errors."""
        if not abs(self.difference) > _CLEAR * self.difference_se:
            return UNCLEAR
        return "better" if self.difference < 0 else "worse"


@dataclass(frozen=True)
class Trial:
    """What became of a design.

    Parameters
    ----------
    name : str
        Of the design.
    models, share : float
        Models chosen, and what they cost as a share of the pool; means over the draws.
    measures : tuple of Measure
        In the order of `MEASURES`; without those out of the period where no models of another one were given.
    values : dict of str to tuple of float
        Each measure of each draw.
    """

    name: str
    models: float
    share: float
    measures: tuple[Measure, ...]
    values: dict[str, tuple[float, ...]]

    def measure(self, name: str) -> Measure:
        """Return one measure by its name."""
        found = {m.name: m for m in self.measures}
        if name not in found:
            raise UsageError(f"there is no measure '{name}' here", hint=did_you_mean(name, found))
        return found[name]

    def sentence(self) -> str:
        """Say what the design is better and worse at than random choice at equal cost."""
        if self.name == "random":
            return "random is what the others are held against."
        parts = []
        for verdict, head in (
            ("better", "better than random at"),
            ("worse", "worse than random at"),
            (UNCLEAR, UNCLEAR),
        ):
            found = [m for m in self.measures if m.against_random == verdict and not m.name.startswith("smoothed")]
            if found:
                told = [MEASURES[m.name] + (_against(m) if verdict != UNCLEAR else "") for m in found]
                parts.append(f"{head}{' in' if verdict == UNCLEAR else ''} {_listed(told)}")
        return f"{self.name} is {'; '.join(parts)}.".replace(f"is {UNCLEAR}", f"shows {UNCLEAR}")


def _against(m: Measure) -> str:
    return f" ({format_number(m.mean, 3)} against {format_number(m.mean - m.difference, 3)})"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


@dataclass(frozen=True)
class DesignComparison:
    """Designs held against random choice at equal cost.

    Parameters
    ----------
    trials : tuple of Trial
        One a design; ``random`` is always among them.
    budget_share : float
        What each could spend, as a share of what the pool costs.
    models, test_models : int
        In the pool, and of the other period.
    tau : float
        Quantile of the boundary.
    kappa : float
        Sharpness of the corner of the loss that was fitted, and of the smoothed loss that is measured.
    draws, seed : int
        Draws of each design, and what they come from.
    notes : tuple of str
        What should be known beside the numbers.
    """

    trials: tuple[Trial, ...]
    budget_share: float
    models: int
    test_models: int
    tau: float
    kappa: float
    draws: int
    seed: int
    notes: tuple[str, ...] = ()

    def trial(self, name: str) -> Trial:
        """Return what became of one design."""
        found = {t.name: t for t in self.trials}
        if name not in found:
            raise UsageError(f"'{name}' was not tried", hint=did_you_mean(name, found))
        return found[name]

    def best(self, measure: str = "curve") -> str:
        """Return the name of the design with the smallest mean of a measure."""
        return min(self.trials, key=lambda t: t.measure(measure).mean).name

    @property
    def verdict(self) -> str:
        """Which design wins at what, in words."""
        names = [m.name for m in self.trials[0].measures if not m.name.startswith("smoothed")]
        wins: dict[str, list[str]] = {}
        for m in names:
            wins.setdefault(self.best(m), []).append(MEASURES[m])
        ordered = sorted(wins, key=lambda name: -len(wins[name]))
        best = "; ".join(f"{name} does best at {_listed(wins[name])}" for name in ordered)
        return "\n".join([f"At equal cost {best}.", *(t.sentence() for t in self.trials if t.name != "random")])

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a design and measure."""
        return [
            {"design": t.name, "models": t.models, "share": t.share, "measure": m.name, "mean": m.mean, "se": m.se,
             "full": m.full, "difference": m.difference, "difference_se": m.difference_se,
             "against_random": m.against_random}
            for t in self.trials for m in t.measures
        ]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the whole comparison as plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self))
        for trial, source in zip(out["trials"], self.trials, strict=True):
            for measure, m in zip(trial["measures"], source.measures, strict=True):
                measure["against_random"] = m.against_random
        out["verdict"] = self.verdict
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the comparison as a report in plain text."""
        lines = [
            f"Designs for {format_percent(self.budget_share, 3)} of what {format_plural(self.models, 'model')} cost; "
            f"{format_plural(self.draws, 'draw')} each, seed {self.seed}"
        ]
        for t in self.trials:
            lines.append(f"  {t.name:12} {format_number(t.models, 3)} models, {format_percent(t.share, 3)} of the cost")
        for name in (m.name for m in self.trials[0].measures):
            lines.append(f"  {MEASURES[name]} (all models: {format_number(self.trials[0].measure(name).full, 3)})")
            for t in self.trials:
                m = t.measure(name)
                value = format_estimate(m.mean, m.se) if math.isfinite(m.se) else format_number(m.mean)
                verdict = "" if t.name == "random" else f"  {m.against_random}"
                lines.append(f"    {t.name:12} {value}{verdict}")
        return "\n".join([*lines, self.verdict, *self.notes])
