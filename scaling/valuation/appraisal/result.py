"""What an appraisal returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.serial import plain
from scaling.valuation.appraisal.over_optimised import OverOptimisation


@dataclass(frozen=True)
class Coefficient:
    """A number with its interval; NaN where it is not defined.

    Parameters
    ----------
    value, low, high : float
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{format_number(self.value, 2)} ({format_interval(self.low, self.high)})"


@dataclass(frozen=True)
class Relation:
    """One score and the performance, in one regime.

    Parameters
    ----------
    objective : str
    regime : {"pooled", "fixed size", "class-balanced", "fixed budget"}
    subsets : {"all", "random"}
        All subsets of the regime, or those alone that were drawn at random.
    n, strata : int
        Subsets, and sizes or budgets within which they are compared.
    spearman, kendall, pearson : Coefficient
        Correlations; Kendall's is tau-b.
    partial : Coefficient
        Spearman's given log size and class-balance entropy, as far as they vary.
    given : tuple of str
        Which of them do.
    isotonic_r2 : Coefficient
        Share of the variance that a curve which never falls explains of subsets that it has not seen; below 0 where it
        does worse than the mean. Its interval takes the held-out errors as they are.
    held_out_by : str
        How they were held out.
    """

    objective: str
    regime: str
    subsets: str
    n: int
    strata: int
    spearman: Coefficient
    kendall: Coefficient
    pearson: Coefficient
    partial: Coefficient
    given: tuple[str, ...]
    isotonic_r2: Coefficient
    held_out_by: str


@dataclass(frozen=True)
class Difference:
    """How far the best objective correlates above another one, on the same bootstrap replicates.

    Parameters
    ----------
    objective : str
        The other one.
    value, low, high : float
    """

    objective: str
    value: float
    low: float
    high: float

    @property
    def told(self) -> bool:
        """Whether the two are told apart."""
        return self.low > 0


@dataclass(frozen=True)
class Best:
    """Which objective predicts best in a regime.

    Parameters
    ----------
    regime, measure : str
        By which correlation.
    objective : str or None
        Of the highest one; None where none is defined.
    predicts : bool
        Whether its interval lies above 0.
    others : tuple of Difference
        Against each other objective, the nearest first.
    """

    regime: str
    measure: str
    objective: str | None
    predicts: bool
    others: tuple[Difference, ...]

    @property
    def not_told_apart(self) -> tuple[str, ...]:
        """Objectives that may predict as well."""
        return tuple(other.objective for other in self.others if not other.told)

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        if self.objective is None:
            return f"{self.regime}: no score varies, so none predicts"
        if not self.predicts:
            return (
                f"{self.regime}: none is told to predict; '{self.objective}' has the highest {self.measure} correlation"
            )
        if rest := self.not_told_apart:
            return f"{self.regime}: '{self.objective}' predicts best, not told apart from {', '.join(rest)}"
        return f"{self.regime}: '{self.objective}' predicts best"


@dataclass(frozen=True)
class RandomSpread:
    """What a score, or the performance, is by chance at one size.

    Parameters
    ----------
    of : str
        An objective, or ``performance``.
    size : float
    n : int
        Random subsets.
    mean, sd, low, high : float
        Of them; the ends are the smallest and the largest.
    """

    of: str
    size: float
    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Appraisal:
    """Scores of subsets held against performance.

    Parameters
    ----------
    n, n_random : int
        Subsets, and those of them that were drawn at random.
    objectives : tuple of str
    better : {"higher", "lower"}
        Of the performance as it was given.
    relations : tuple of Relation
        Every objective in every regime, among all subsets and among random ones.
    best : tuple of Best
        One a regime.
    over_optimised : tuple of OverOptimisation
        One an objective.
    spreads : tuple of RandomSpread
        Of random subsets.
    missing : dict of str to str
        Regimes that there are not, and why.
    notes : tuple of str
    rows : tuple of int
        Which rows of the table were used.
    measure, level, bootstrap, permutations, seed
        Settings.
    """

    n: int
    n_random: int
    objectives: tuple[str, ...]
    better: str
    relations: tuple[Relation, ...]
    best: tuple[Best, ...]
    over_optimised: tuple[OverOptimisation, ...]
    spreads: tuple[RandomSpread, ...]
    missing: dict[str, str]
    notes: tuple[str, ...]
    rows: tuple[int, ...]
    measure: str
    level: float
    bootstrap: int
    permutations: int
    seed: int

    def relation(self, objective: str, regime: str = "pooled", subsets: str = "all") -> Relation:
        """Return one relation; KeyError where there is none."""
        for one in self.relations:
            if (one.objective, one.regime, one.subsets) == (objective, regime, subsets):
                return one
        raise KeyError((objective, regime, subsets))

    def caps(self) -> dict[str, float]:
        """Return up to where each over-optimised score may be optimised."""
        return {one.objective: one.cap for one in self.over_optimised if one.flagged}

    def __repr__(self) -> str:
        lines = [f"{format_plural(self.n, 'subset')}, {self.n_random} of them at random", ""]
        lines += [f"  {one.verdict}" for one in self.best]
        lines += ["", *(f"  {one.verdict}" for one in self.over_optimised), ""]
        width = max(len(name) for name in self.objectives)
        for one in self.relations:
            lines.append(
                f"  {one.objective:<{width}}  {one.regime}, {one.subsets}, n = {one.n}: Spearman {one.spearman}, "
                f"Pearson {one.pearson}, isotonic R2 {format_number(one.isotonic_r2.value, 2)} ({one.held_out_by})"
            )
        lines += [f"  no regime '{name}': {why}" for name, why in self.missing.items()]
        lines += [f"  note: {note}" for note in self.notes]
        lines.append(f"  {format_percent(self.level)} BCa intervals of {self.bootstrap} replicates, seed {self.seed}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table = {key: value for key, value in asdict(self).items() if key not in ("best", "over_optimised")}
        table["best"] = [
            asdict(one) | {"not_told_apart": one.not_told_apart, "verdict": one.verdict} for one in self.best
        ]
        table["interval_method"] = "BCa bootstrap of subsets, within sizes or budgets"
        table["over_optimised"] = [one.to_dict() for one in self.over_optimised]
        out: dict[str, Any] = plain(table)
        return out
