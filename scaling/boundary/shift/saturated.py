"""What a measurement of saturation returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scaling.boundary.shift.size_slope import SizeSlope
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural
from scaling.serial import plain

ERROR_RATE = 0.05
LEAST_LARGE = 10  # large models of a month that a verdict is made from
_MUCH = 0.1  # fall of a share without one organisation from which on it is said
_DEFAULT_RULE = "matched_best"


@dataclass(frozen=True)
class MonthlyShare:
    """Large models of one month that lie below small ones.

    Parameters
    ----------
    month : str
        Such as ``2024-09``.
    n_small, n_large, n_groups : int
        Small models released in the month; large ones that could be compared; organisations of the large ones.
    dominated : float
        How many lie below; a sum of chances for ``matched_best``.
    share, low, high : float
        The same as a share of `n_large`, with its interval.
    permuted, permuted_low, permuted_high : float
        What sizes shuffled within each month give: mean, and the interval of a month's share.
    p : float
        Chance that shuffled sizes leave as few below: small where size still buys something.
    without_one : float
        The lowest share with the small models of one organisation left out.
    rests_on : str
        That organisation; empty where none makes a difference.
    """

    month: str
    n_small: int
    n_large: int
    n_groups: int
    dominated: float
    share: float
    low: float
    high: float
    permuted: float
    permuted_low: float
    permuted_high: float
    p: float
    without_one: float
    rests_on: str


@dataclass(frozen=True)
class Trend:
    """Change of the log-odds of lying below, a year.

    Parameters
    ----------
    log_odds, low, high : float
        A year; models of one organisation may be alike (CR3).
    """

    log_odds: float
    low: float
    high: float


@dataclass(frozen=True)
class RuleShares:
    """All months by one rule.

    Parameters
    ----------
    rule, description : str
        Its name, and in words.
    months : tuple of MonthlyShare
        Months with a large model that could be compared.
    trend : Trend, optional
        Over the years; None where the data do not tell.
    not_compared : int
        Large models with too few small ones before them.
    """

    rule: str
    description: str
    months: tuple[MonthlyShare, ...]
    trend: Trend | None
    not_compared: int

    def month(self, name: str) -> MonthlyShare:
        """Return one month, such as ``2024-09``."""
        return next(row for row in self.months if row.month == name)

    @property
    def latest(self) -> MonthlyShare | None:
        """The last month with ten large models, or None."""
        enough = [row for row in self.months if row.n_large >= LEAST_LARGE]
        return enough[-1] if enough else None


@dataclass(frozen=True)
class Saturation:
    """Small against large models over time.

    Parameters
    ----------
    rules : tuple of RuleShares
        One a rule.
    slopes : tuple of SizeSlope
        Score against size in each month with ten models.
    n, n_small, n_large, n_groups : int
        Models, those below and above the threshold, and organisations.
    threshold : float
        Parameters.
    level, interval, permutations, seed
        Settings.
    left_out : dict of str to int
        Rows that could not be used, by reason.
    notes : tuple of str
        What was done to the numbers.
    """

    rules: tuple[RuleShares, ...]
    slopes: tuple[SizeSlope, ...]
    n: int
    n_small: int
    n_large: int
    n_groups: int
    threshold: float
    level: float
    interval: str
    permutations: int
    seed: int
    left_out: dict[str, int]
    notes: tuple[str, ...]

    def rule(self, name: str) -> RuleShares:
        """Return one rule, such as ``running_max``."""
        return next(rule for rule in self.rules if rule.rule == name)

    @property
    def saturated(self) -> bool | None:
        """Whether the latest month shows no advantage of large models; None where nothing can be said."""
        row = self._judged().latest
        return None if row is None else row.p > ERROR_RATE

    @property
    def verdict(self) -> str:
        """What the latest month with ten large models says, in a sentence."""
        judged = self._judged()
        row = judged.latest
        if row is None:
            return (
                f"Nothing can be said: no month has {LEAST_LARGE} large models that {judged.description} could be "
                "held against."
            )
        how = (
            f"{format_percent(row.share, 3)} of {format_plural(row.n_large, 'large model')} lie below "
            f"{judged.description}, and with sizes shuffled within each month "
            f"{format_percent(row.permuted, 3)} would (p = {format_number(row.p, 2)})"
        )
        if row.p > ERROR_RATE:
            return f"In {row.month} no advantage of large models can be told: {how}."
        return f"In {row.month} large models still stand above small ones: {how}."

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where a month's share rests on the small models of one organisation."""
        out = []
        for rule in self.rules:
            falls = [row for row in rule.months if row.n_large >= LEAST_LARGE and row.rests_on]
            worst = max(falls, key=lambda row: row.share - row.without_one, default=None)
            if worst is not None and worst.share - worst.without_one >= _MUCH:
                out.append(
                    f"By {rule.description}, {format_percent(worst.share, 3)} of the large models of {worst.month} lie "
                    f"below; without the small models of {worst.rests_on} {format_percent(worst.without_one, 3)} would."
                )
        return tuple(out)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        told = {"verdict": self.verdict, "saturated": self.saturated, "warnings": self.warnings}
        out: dict[str, Any] = plain(asdict(self) | told)
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the measurement as a report in plain text."""
        lines = [
            self.verdict,
            f"{format_plural(self.n, 'model')}, {self.n_small} below and {self.n_large} above "
            f"{format_count(self.threshold)} parameters, {format_plural(self.n_groups, 'organisation')}",
        ]
        for rule in self.rules:
            lines += ["", f"large models below {rule.description}"]
            if rule.trend is not None:
                ends = format_interval(rule.trend.low, rule.trend.high)
                lines.append(f"  log-odds change by {format_number(rule.trend.log_odds, 3)} a year ({ends})")
            lines += [f"  {_row(row)}" for row in rule.months if row.n_large >= LEAST_LARGE]
            if rule.not_compared:
                lines.append(f"  {format_plural(rule.not_compared, 'large model')} had too few small ones before them")
        if self.slopes:
            lines += ["", "score a tenfold size"]
            lines += [f"  {s.month}: {_slope(s)}" for s in self.slopes]
        lines += ["", *(f"warning: {text}" for text in self.warnings), self._how()]
        lines += [f"left out: {count} ({reason})" for reason, count in self.left_out.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _how(self) -> str:
        return (
            f"{100 * self.level:g} % intervals: {self.interval.capitalize()}, widened for models of one organisation "
            f"that are alike; {format_plural(self.permutations, 'shuffle')} of sizes within months, seed {self.seed}"
        )

    def _judged(self) -> RuleShares:
        names = [rule.rule for rule in self.rules]
        return self.rule(_DEFAULT_RULE if _DEFAULT_RULE in names else names[-1])


def _row(row: MonthlyShare) -> str:
    text = (
        f"{row.month}: {format_percent(row.share, 3)} of {row.n_large} ({_percents(row)}), "
        f"shuffled {format_percent(row.permuted, 3)}, p = {format_number(row.p, 2)}"
    )
    if row.rests_on and row.share - row.without_one > 0.005:
        text += f"; {format_percent(row.without_one, 3)} without {row.rests_on}"
    return text


def _percents(row: MonthlyShare) -> str:
    return f"{format_interval(100 * row.low, 100 * row.high)} %"


def _slope(row: SizeSlope) -> str:
    return (
        f"{format_number(row.slope, 3)} ({format_interval(row.slope_low, row.slope_high)}), "
        f"rank correlation {format_number(row.spearman, 2)}, {format_plural(row.n, 'model')}"
    )
