"""How often a concept has to be trained on before it is imitated.

Concepts are sorted by how often they were trained on, and the imitation score is split into stretches of one mean. The
count at which the second stretch begins is the imitation threshold, as in "Finding the Imitation Threshold"
(MIMETIC^2), which takes the first change point of PELT with a penalty set by hand. Here the penalty comes from the
scatter of the scores, the threshold has an interval over concepts, and whether there is a break at all is tested.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.serial import plain
from scaling.valuation.appraisal.out_of_sample import rising_curve
from scaling.valuation.change_point import best_break, break_p_value, first_changes, noise_of, optimal_partition

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

ERROR_RATE = 0.05
FEWEST = 12  # concepts


@dataclass(frozen=True)
class ImitationThreshold:
    """Where imitation sets in.

    Parameters
    ----------
    n : int
        Concepts.
    threshold : float
        Count of the first concept of the second stretch; NaN where the scores are one stretch.
    interval : (float, float)
        By bootstrap of concepts, of those replicates that have a change point.
    without : float
        Share of replicates that have none.
    last_below : float
        Count of the last concept before it.
    change_points : tuple of float
        Counts at which all further stretches begin, the threshold first.
    means : tuple of float
        Mean score of each stretch.
    noise, penalty : float
        Scatter of scores, and what a further stretch has to take off the sum of squares: 2 noise^2 ln n.
    break_at, sup_f, p_value : float
        The best single break: its count, its F against one mean, and the share of permutations of the scores that
        reach it.
    isotonic_r2 : float
        Share of the variance that a curve that never falls explains; in the sample.
    isotonic_counts, isotonic_scores : tuple of float
        That curve.
    warnings : tuple of str
        What to know before believing it.
    min_size, level, bootstrap, permutations, seed
        Settings.
    """

    n: int
    threshold: float
    interval: tuple[float, float]
    without: float
    last_below: float
    change_points: tuple[float, ...]
    means: tuple[float, ...]
    noise: float
    penalty: float
    break_at: float
    sup_f: float
    p_value: float
    isotonic_r2: float
    isotonic_counts: tuple[float, ...]
    isotonic_scores: tuple[float, ...]
    warnings: tuple[str, ...]
    min_size: int
    level: float
    bootstrap: int
    permutations: int
    seed: int

    def __repr__(self) -> str:
        if np.isnan(self.threshold):
            lines = [f"No imitation threshold: the scores of {format_plural(self.n, 'concept')} are one stretch."]
        else:
            low, high = (format_number(end) for end in self.interval)  # counts, in as many digits as the threshold
            lines = [
                f"Imitation threshold {format_number(self.threshold)} ({format_percent(self.level)} interval "
                f"{low} to {high}): mean score {format_number(self.means[0], 3)} below, "
                f"{format_number(self.means[1], 3)} from there on"
            ]
        lines.append(
            f"best single break at {format_number(self.break_at)}, p = {format_number(self.p_value, 2)}; "
            f"{format_plural(len(self.means), 'stretch').replace('stretchs', 'stretches')}; a rising curve explains "
            f"{format_percent(self.isotonic_r2)} of the variance; {format_plural(self.n, 'concept')}, seed {self.seed}"
        )
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self))
        return out


def imitation_threshold(
    counts: ArrayLike,
    scores: ArrayLike,
    *,
    min_size: int = 5,
    penalty: float | None = None,
    level: float = 0.95,
    bootstrap: int = 300,
    permutations: int = 999,
    seed: int = 0,
) -> ImitationThreshold:
    """Find how often a concept has to be trained on before it is imitated.

    Parameters
    ----------
    counts : array_like (n,)
        Training examples of each concept, in any order; concepts of equal count are never parted.
    scores : array_like (n,)
        How well each is imitated.
    min_size : int, default 5
        Fewest concepts in a stretch.
    penalty : float, optional
        What a further stretch has to take off the sum of squares; ``2 noise^2 ln n`` where missing.
    level : float, default 0.95
        Of the interval.
    bootstrap, permutations : int
        Replicates of concepts, and permutations of scores.
    seed : int, default 0
        Of both, and of the order of concepts of equal count, which the scatter rests on.

    Returns
    -------
    ImitationThreshold

    Raises
    ------
    InputDataError
        For pairs that are not finite, counts below 0, fewer than 12 concepts or two counts, or scores that are all the
        same.
    UsageError
        For settings that mean nothing.

    Notes
    -----
    Time grows with the square of the concepts, and with the replicates: seconds for 500, half a minute for 2000.
    """
    check_level(level)
    if min_size < 1 or bootstrap < 2 or permutations < 19 or (penalty is not None and not penalty >= 0):
        raise UsageError(
            f"min_size {min_size}, {bootstrap} replicates, {permutations} permutations, penalty {penalty}: at least 1, "
            "2, 19 and 0 are needed."
        )
    x, y = _pairs(counts, scores, min_size)
    order_seed, draw_seed, shuffle_seed = np.random.SeedSequence(seed).spawn(3)
    mixed = np.random.default_rng(order_seed).random(len(x))
    x, y = (column[np.lexsort((y, x))] for column in (x, y))  # the input order must not matter ...
    order = np.lexsort((mixed, x))  # ... and neither must the score, for concepts of equal count
    x, y = x[order], y[order]
    positions, blocks = np.unique(x, return_inverse=True)
    noise = noise_of(y)
    asked = 2 * noise**2 * np.log(len(y)) if penalty is None else float(penalty)
    cuts = optimal_partition(y, asked, min_size=min_size, blocks=blocks)
    means = tuple(float(part.mean()) for part in np.split(y, cuts))
    weights = np.random.default_rng(draw_seed).multinomial(len(y), np.full(len(y), 1 / len(y)), size=bootstrap)
    changes = first_changes(y, asked, weights.astype(float), min_size=min_size, blocks=blocks)
    replicates = np.where(changes > 0, positions[changes], np.nan)
    low, high = replicate_interval(replicates[:, None], level)
    place, sup_f = best_break(y, min_size=min_size, blocks=blocks)
    p_value = break_p_value(y, min_size=min_size, blocks=blocks, permutations=permutations, seed=shuffle_seed)
    at, curve = rising_curve(x, y)
    without = float(np.mean(changes == 0))
    return ImitationThreshold(
        n=len(y), threshold=float(x[cuts[0]]) if len(cuts) else float("nan"), interval=(float(low[0]), float(high[0])),
        without=without, last_below=float(x[cuts[0] - 1]) if len(cuts) else float("nan"),
        change_points=tuple(float(x[cut]) for cut in cuts), means=means, noise=noise, penalty=float(asked),
        break_at=float(positions[place]), sup_f=sup_f, p_value=p_value,
        isotonic_r2=1 - float(np.sum((y - curve[blocks]) ** 2)) / float(np.sum((y - y.mean()) ** 2)),
        isotonic_counts=tuple(at.tolist()), isotonic_scores=tuple(curve.tolist()),
        warnings=_warnings(p_value, means, without, len(cuts) > 0), min_size=min_size, level=level, bootstrap=bootstrap,
        permutations=permutations, seed=seed,
    )  # fmt: skip


def fit_imitation(counts: ArrayLike, scores: ArrayLike, *, bootstrap: int = 1000, seed: int = 0) -> Fit:
    """Fit the law `imitation` of the book: a smooth rise of the logarithm of the count.

    Its ``threshold`` is the middle of the rise, which is not the change point of `imitation_threshold`.

    Parameters
    ----------
    counts, scores : array_like (n,)
        As of `imitation_threshold`; concepts that were never trained on have no logarithm and are left out.
    bootstrap : int, default 1000
        Replicates.
    seed : int, default 0
        Recorded.

    Returns
    -------
    Fit
        By least squares; of inputs named ``n``.

    Raises
    ------
    InputDataError
        As `imitation_threshold`.
    """
    from scaling.fitting.fit import fit

    x, y = _pairs(counts, scores, 1)
    x, y = x[x > 0], y[x > 0]
    return fit("imitation", {"n": x}, y, objective="squared", residual="linear", bootstrap=bootstrap, seed=seed)


def _pairs(counts: ArrayLike, scores: ArrayLike, min_size: int) -> tuple[Array, Array]:
    try:
        x, y = np.asarray(counts, float), np.asarray(scores, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"Counts or scores hold something that is not a number: {error}") from error
    if x.ndim != 1 or x.shape != y.shape:
        raise InputDataError(f"counts have shape {x.shape}, scores {y.shape}; one of both a concept is expected.")
    if np.any(bad := ~(np.isfinite(x) & np.isfinite(y) & (x >= 0))):
        row = int(np.flatnonzero(bad)[0])
        raise InputDataError(f"Concept {row} has the count {x[row]} and the score {y[row]}.", "Leave it out.")
    fewest = max(FEWEST, 2 * min_size)
    if len(x) < fewest:
        raise InputDataError(
            f"{format_plural(len(x), 'concept')}: no threshold can be told from fewer than {fewest}.",
            "Score more concepts, some seen seldom and some often.",
        )
    if len(np.unique(x)) < 2:
        raise InputDataError(f"All concepts have the count {format_number(x[0])}.")
    if np.ptp(y) == 0:
        raise InputDataError(f"All concepts have the score {format_number(y[0])}: nothing sets in.")
    return x, y


def _warnings(p_value: float, means: tuple[float, ...], without: float, found: bool) -> tuple[str, ...]:
    out = []
    if p_value > ERROR_RATE:
        out.append(f"scores in any other order break as much with a chance of {format_number(p_value, 2)}")
    if found and means[1] < means[0]:
        out.append("scores fall at the first change point, so it is no onset of imitation")
    if found and without > ERROR_RATE:
        out.append(
            f"{format_percent(without)} of the replicates have no change point, and the interval is of the others"
        )
    return tuple(out)
