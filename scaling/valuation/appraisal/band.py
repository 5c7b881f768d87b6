"""The band of random subsets: what a score is by chance, and how far a given set lies from it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.serial import plain
from scaling.valuation.appraisal.draws import ConstrainedDraws, Draws, Score, as_score, candidates_of, checked, run_all

if TYPE_CHECKING:
    from scaling.valuation.choosing.constraints import Constraint
    from scaling.valuation.objective import Objective

Array = NDArray[np.float64]

_FEWEST = 10  # draws that a spread is taken of
_STILL = 1e-12  # of the mean: a spread below it is rounding
QUANTILES = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)


@dataclass(frozen=True)
class Band:
    """Scores of random subsets of one size.

    Parameters
    ----------
    n, k : int
        Candidates, and members of a subset.
    balanced : bool
        Whether subsets were drawn with as many of each class.
    values : ndarray (draws,)
        Scores.
    swap : float
        Most that a score moves when one member is exchanged.
    swap_from : {"given", "estimated"}
        Where that comes from. Estimated, it is the largest of one swap a draw, so a lower estimate, and a bound that
        rests on it is none for certain.
    seed : int
        Each draw has its own child.
    within : {"", "caps", "budget"}
        What subsets kept to beside their size: most members of a class, or a budget, under which `k` is the most
        members that it buys.
    """

    n: int
    k: int
    balanced: bool
    values: Array
    swap: float
    swap_from: str
    seed: int
    within: str = ""

    @property
    def mean(self) -> float:
        """Mean score."""
        return float(self.values.mean())

    @property
    def sd(self) -> float:
        """Standard deviation of scores; 0 where they differ by rounding alone."""
        sd = float(self.values.std(ddof=1))
        return sd if sd > _STILL * abs(self.mean) else 0.0

    @property
    def variation(self) -> float:
        """Coefficient of variation; NaN where the mean is 0."""
        return self.sd / abs(self.mean) if self.mean else float("nan")

    def quantile(self, share: float) -> float:
        """Return a quantile of the scores."""
        return float(np.quantile(self.values, share))

    def z(self, value: float) -> float:
        """Return how many standard deviations a score lies above random subsets; NaN where these all score the same."""
        return (float(value) - self.mean) / self.sd if self.sd else float("nan")

    def chance(self, distance: float) -> float:
        """Bound the chance that a random subset scores so far from the mean, by concentration; see the notes.

        Notes
        -----
        ``2 exp(-2 t^2 / (k c^2))`` for sampling without replacement, where exchanging one member moves the score by c
        at most. It holds for any score and is wide: compare `sd`.
        """
        if self.swap == 0:
            return 1.0 if distance <= 0 else 0.0
        return min(1.0, 2 * math.exp(-2 * float(distance) ** 2 / (self.k * self.swap**2)))

    def radius(self, level: float = 0.95) -> float:
        """Return the distance from the mean that a share of at least `level` of random subsets keeps within."""
        check_level(level)
        return self.swap * math.sqrt(self.k * math.log(2 / (1 - level)) / 2)

    def __repr__(self) -> str:
        kind = "class-balanced random subsets" if self.balanced else "random subsets"
        if self.within:
            return self._constrained()
        return (
            f"{format_plural(len(self.values), 'draw')} of {kind}, {self.k} of {self.n}: mean "
            f"{format_number(self.mean)}, sd {format_number(self.sd, 3)} ({format_percent(self.variation)} of it), "
            f"95 % within {format_interval(self.quantile(0.025), self.quantile(0.975))}\n"
            f"by concentration 95 % within {format_number(self.radius(), 3)} of the mean, with swaps of at most "
            f"{format_number(self.swap, 3)} ({self.swap_from}); seed {self.seed}"
        )

    def _constrained(self) -> str:
        what = f"under caps, {self.k} of {self.n}"
        if self.within == "budget":
            what = f"within a budget, {self.k} of {self.n} at most"
        return (
            f"{format_plural(len(self.values), 'draw')} of random subsets {what}: mean {format_number(self.mean)}, sd "
            f"{format_number(self.sd, 3)}, 95 % within {format_interval(self.quantile(0.025), self.quantile(0.975))}; "
            f"seed {self.seed}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(
            asdict(self)
            | {
                "mean": self.mean,
                "sd": self.sd,
                "variation": self.variation,
                "quantiles": {str(q): self.quantile(q) for q in QUANTILES},
                "radius_95": self.radius(),
            }
        )
        return out


def random_band(
    score: Score | Objective,
    k: int,
    *,
    n: int | None = None,
    labels: ArrayLike | None = None,
    within: Constraint | None = None,
    draws: int = 100,
    swap: float | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> Band:
    """Score random subsets of one size.

    Parameters
    ----------
    score : callable or Objective
        A function of the indices of a set, or an objective, of which `score()` is taken.
    k : int
        Members of a subset.
    n : int, optional
        Candidates; an objective knows them.
    labels : array_like (n,), optional
        Classes: subsets then hold as many of each as of the others, as far as that goes.
    within : Constraint, optional
        What subsets keep to, in place of a size and labels: most members of a class, a budget. `k` is then not used,
        and as subsets of a budget have no one size, no swap is estimated.
    draws : int, default 100
        How many subsets.
    swap : float, optional
        Most that the score moves when one member is exchanged, where that is known. Missing, it is estimated by one
        swap a draw.
    seed : int, default 0
        Recorded; the same draws come whatever the number of jobs.
    jobs : int, default 1
        Threads.

    Returns
    -------
    Band

    Raises
    ------
    InputDataError
        For scores that are not finite, such as those of a determinant of too many vectors.
    UsageError
        For sizes or numbers of draws that make no sense.
    """
    candidates = candidates_of(score, n)
    if within is not None:
        return _band_within(score, within, candidates, labels, draws, swap, seed, jobs)
    if k >= candidates:
        raise UsageError(
            f"{k} of {format_plural(candidates, 'candidate')} leaves nothing to chance: there is one such set."
        )
    if draws < _FEWEST:
        raise UsageError(f"{format_plural(draws, 'draw')} have no spread to speak of; {_FEWEST} are needed.")
    if swap is not None and not 0 <= swap < math.inf:
        raise UsageError(f"A swap moves a score by {swap}; it is 0 or above.")
    source, of = Draws(candidates, k, labels), as_score(score)

    def work(child: np.random.SeedSequence) -> tuple[float, float]:
        generator = np.random.default_rng(child)
        subset = source.one(generator)
        value = checked(of(subset), f"a random subset of {k}")
        if swap is not None or (other := source.swapped(subset, generator)) is None:
            return value, 0.0
        return value, abs(checked(of(other), f"a random subset of {k}") - value)

    found = np.array(run_all(work, np.random.SeedSequence(seed).spawn(draws), jobs))
    most, whence = (float(found[:, 1].max()), "estimated") if swap is None else (float(swap), "given")
    return Band(candidates, k, labels is not None, found[:, 0], most, whence, seed)


def _band_within(
    score: Score | Objective, within: Constraint, n: int, labels: ArrayLike | None, draws: int, swap: float | None,
    seed: int, jobs: int,
) -> Band:  # fmt: skip
    """Score random subsets that keep to a constraint."""
    if within.n != n or labels is not None:
        raise UsageError(
            f"A constraint on {within.n} candidates does not go with {format_plural(n, 'candidate')}."
            if within.n != n
            else "labels and a constraint both say how many of a class there may be."
        )
    if draws < _FEWEST:
        raise UsageError(f"{format_plural(draws, 'draw')} have no spread to speak of; {_FEWEST} are needed.")
    source, of = ConstrainedDraws(within), as_score(score)

    def work(child: np.random.SeedSequence) -> float:
        return checked(of(source.one(np.random.default_rng(child))), "a random subset that keeps to the constraint")

    found = np.array(run_all(work, np.random.SeedSequence(seed).spawn(draws), jobs))
    kind = "" if within.counts_only else "caps" if within.costs is None else "budget"
    known = math.nan if swap is None else float(swap)
    return Band(n, source.k, False, found, known, "unknown" if swap is None else "given", seed, kind)
