"""What a comparison of two fits returns. Frozen, round-trips through JSON, and prints as a finished report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scaling.errors import InputDataError
from scaling.formatting import format_estimate, format_factor, format_interval, format_number, format_percent
from scaling.serial import number, plain

_PLAIN = ("inputs", "verdict", "backtest_a", "backtest_b", "why_unknown")  # what of a target is no number


@dataclass(frozen=True)
class Compared:
    """Two laws at one target.

    Parameters
    ----------
    inputs : dict of str to float
        The target; ``C`` alone where each law is at its own optimum for that budget, in FLOP.
    loss_a, loss_b : float
        The laws there, in their unit.
    difference, difference_low, difference_high : float
        A minus B: below 0, A is better. Of the laws' curves.
    share_a_better : float
        Share of the bootstrap replicates in which the loss of A is the lower one; ties count by half.
    multiplier, multiplier_low, multiplier_high : float
        How many times the compute (or the one input) B needs for the loss of A: above 1, A is better. inf where B
        never gets there, because its floor lies above that loss or because it does not fall and is worse already; 0
        where B is there at once; NaN where the target leaves nothing to multiply.
    never_share : float
        Share of the replicates with a multiplier in which B never reaches the loss of A.
    lost_share : float
        Share of the replicates without an answer, left out of everything above.
    extrapolation_a, extrapolation_b : float
        How far the target lies beyond the data of each.
    verdict : str
        The worse one of the two fits, or ``extrapolating x37``.
    backtest_a, backtest_b : str
        What the back-test of each says about forecasts as far out.
    why_unknown : str
        Why there is no multiplier, where the target leaves something to multiply.
    multiplier_lost_share : float
        Share of the replicates without a multiplier, those of `lost_share` included, left out of its interval and of
        `never_share`; NaN where the target leaves nothing to multiply.
    """

    inputs: dict[str, float]
    loss_a: float
    loss_b: float
    difference: float
    difference_low: float
    difference_high: float
    share_a_better: float
    multiplier: float
    multiplier_low: float
    multiplier_high: float
    never_share: float
    lost_share: float
    extrapolation_a: float
    extrapolation_b: float
    verdict: str
    backtest_a: str = ""
    backtest_b: str = ""
    why_unknown: str = ""
    multiplier_lost_share: float = float("nan")


@dataclass(frozen=True)
class Comparison:
    """Two fits held against each other.

    Parameters
    ----------
    name_a, name_b : str
        What they are called.
    points : tuple of Compared
        One a target.
    level : float
        Nominal coverage of the intervals.
    paired : bool
        Whether replicate i of one was held against replicate i of the other.
    pairs : int
        Pairs of replicates.
    seed : int
        Of the pairing of replicates that do not belong together.
    multiplied : str
        What the multiplier multiplies: ``compute``, the name of the only input, or nothing.
    unit : str
        Of the losses.
    verdict_a, verdict_b : str
        Of the fits.
    notes : tuple of str
        What should be known beside the numbers.
    law_a, objective_a, law_b, objective_b : str
        What was fitted, and what was minimised.
    """

    name_a: str
    name_b: str
    points: tuple[Compared, ...]
    level: float
    paired: bool
    pairs: int
    seed: int
    multiplied: str
    unit: str
    verdict_a: str
    verdict_b: str
    notes: tuple[str, ...]
    law_a: str = ""
    objective_a: str = ""
    law_b: str = ""
    objective_b: str = ""

    @property
    def method(self) -> str:
        """How the intervals were made, in words."""
        how = "paired" if self.paired else f"independent replicates, paired at random with seed {self.seed}"
        return f"percentiles over {self.pairs} pairs of bootstrap replicates, {how}; the scatter of runs is not in them"

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a target, as the command line prints it."""
        extra = {
            "level": self.level,
            "paired": self.paired,
            "method": self.method,
            "multiplied": self.multiplied or None,
            "unit": self.unit or "unknown",
            "verdict_a": self.verdict_a,
            "verdict_b": self.verdict_b,
            "law_a": self.law_a,
            "objective_a": self.objective_a,
            "law_b": self.law_b,
            "objective_b": self.objective_b,
        }
        return [{"fit_a": self.name_a, "fit_b": self.name_b} | asdict(point) | extra for point in self.points]

    def sides(self) -> list[str]:
        """Say which law and objective each fit is of."""
        return [
            f"{letter} = {name}: the law {law}, {objective}"
            for letter, name, law, objective in (
                ("A", self.name_a, self.law_a, self.objective_a),
                ("B", self.name_b, self.law_b, self.objective_b),
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the whole comparison as plain data, strict JSON: NaN is None, infinities are "inf"."""
        out: dict[str, Any] = plain(asdict(self) | {"method": self.method})
        return out

    def to_json(self, indent: int | None = None) -> str:
        """Write the comparison as strict JSON; `from_json` reads it."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """Read a comparison back.

        Parameters
        ----------
        text : str
            From `to_json`.

        Returns
        -------
        Comparison

        Raises
        ------
        InputDataError
            For a text that is no comparison.
        """
        try:
            table = json.loads(text)
            table.pop("method")
            points = []
            for point in table.pop("points"):
                values: dict[str, Any] = {k: v if k in _PLAIN else number(v) for k, v in point.items()}
                points.append(Compared(**values))
            return cls(points=tuple(points), notes=tuple(table.pop("notes")), **table)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputDataError(
                f"this text is no comparison: {error!r}", hint="Write it with Comparison.to_json()."
            ) from error

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the comparison as a report in plain text."""
        span = f"{100 * self.level:g} %"
        lines = [f"A = {self.name_a} ({self.verdict_a}), B = {self.name_b} ({self.verdict_b})", *self.sides()]
        for point in self.points:
            at = ", ".join(f"{k} = {format_number(v)}" for k, v in point.inputs.items())
            lines += [
                "",
                f"at {at}" + (" FLOP, each at its own optimum" if set(point.inputs) == {"C"} else ""),
                f"  loss of A {format_number(point.loss_a)}, of B {format_number(point.loss_b)} {self.unit}".rstrip(),
                f"  A - B: {difference_text(point)}, {span} interval "
                f"{format_interval(point.difference_low, point.difference_high)}",
                f"  A is better in {format_percent(point.share_a_better, 3)} of the bootstrap replicates",
            ]
            if self.multiplied:
                lines.append(f"  {multiplier_sentence(point, self.multiplied, self.level)}")
            factors = (format_factor(point.extrapolation_a), format_factor(point.extrapolation_b))
            lines.append(f"  beyond the data of A: {factors[0]}, of B: {factors[1]}; verdict: {point.verdict}")
            lines += [f"  {name}: {text}" for name, text in (("A", point.backtest_a), ("B", point.backtest_b)) if text]
        return "\n".join([*lines, "", f"intervals: {self.method}", *(f"note: {note}" for note in self.notes)])


def difference_text(point: Compared) -> str:
    """Write the difference, cut where its interval is."""
    return _cut(point.difference, point.difference_low, point.difference_high)


def multiplier_text(point: Compared) -> str:
    """Write the multiplier, cut where its interval is."""
    return _cut(point.multiplier, point.multiplier_low, point.multiplier_high)


def _cut(value: float, low: float, high: float) -> str:
    """Write a value at the decimal place of its interval, by the rules of `scaling.formatting`."""
    half = high / 2 - low / 2
    if not (np.isfinite(half) and np.isfinite(value)) or half <= 1e-9 * max(abs(value), abs(low), abs(high)):
        return format_number(value)
    if high >= 10 * low > 0 or low <= 10 * high < 0:
        return format_number(value, 2)
    text = format_estimate(value, half)
    number_text, _, rest = text.partition(" ± ")
    return number_text[1:] + rest.partition(")")[2] if text.startswith("(") else number_text


def multiplier_sentence(point: Compared, multiplied: str, level: float) -> str:
    """Say what B needs for the loss of A."""
    if np.isnan(point.multiplier):
        return f"the {multiplied} multiplier at equal loss is unknown: {point.why_unknown or 'it was not found'}"
    ends = f"{100 * level:g} % interval {format_interval(point.multiplier_low, point.multiplier_high)}"
    if np.allclose([point.multiplier, point.multiplier_low, point.multiplier_high], 1, rtol=0, atol=1e-6):
        text = f"B reaches the loss of A with the same {multiplied}"
    elif np.isinf(point.multiplier):
        text = f"B never reaches the loss of A, whatever the {multiplied}; {ends} times"
    else:
        text = f"B needs {multiplier_text(point)} times the {multiplied} for the loss of A; {ends}"
    if point.never_share:
        text += f" (never in {format_percent(point.never_share)} of the replicates)"
    if point.multiplier_lost_share > 0:
        text += f"; unknown in {format_percent(point.multiplier_lost_share)} of the replicates, which are left out"
    return text
