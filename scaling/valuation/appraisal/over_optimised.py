"""Whether a score was pushed beyond where it says anything of performance, and up to where it may be optimised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.serial import plain
from scaling.valuation.appraisal.broken_line import scan_bends

Array = NDArray[np.float64]

ERROR_RATE = 0.05
HIGH_SCORE, NO_GAIN = 3.0, 1.0  # z of the score, and z of the performance that should have come with it
_FEWEST_RANDOM = 10
Reason = Literal["bend", "z"]


@dataclass(frozen=True)
class OverOptimisation:
    """What pushing a score gave.

    Parameters
    ----------
    objective : str
        The score.
    n, n_random : int
        Subsets, and those of them that were drawn at random.
    reasons : tuple of {"bend", "z"}
        Why it counts as over-optimised; none where it does not. ``bend``: performance rises with the score and, from
        `s0` on, no longer does. ``z``: subsets more than 3 sd above random ones in score are, on average, at most 1 sd
        above them in performance.
    slope_before, slope_after, s0 : float
        Of the line that bends once; in units of the performance, higher being better.
    slope_before_interval, slope_after_interval, s0_interval : (float, float)
        Percentiles of bootstrap replicates, each with its own place of the bend.
    sup_f, p_value : float
        Of a bend at any place against a straight line; by permutation of residuals.
    n_pushed : int
        Subsets more than 3 sd above random ones in score.
    pushed_score_z, pushed_performance_z : float
        Their means; NaN where there are none, or no random subsets.
    pushed_interval : (float, float)
        Of the mean performance z, by the bootstrap of both kinds of subsets.
    pushed_rows : tuple of int
        Which of them are at most 1 sd above random subsets in performance.
    cap : float
        Up to where the score may be optimised: `s0` where the bend was the reason, else the end of the random band,
        3 sd above its mean; NaN where nothing was found.
    cap_interval : (float, float)
    level : float
        Of all intervals.
    permutations, bootstrap, seed
        Settings.
    """

    objective: str
    n: int
    n_random: int
    reasons: tuple[Reason, ...]
    slope_before: float
    slope_after: float
    s0: float
    slope_before_interval: tuple[float, float]
    slope_after_interval: tuple[float, float]
    s0_interval: tuple[float, float]
    sup_f: float
    p_value: float
    n_pushed: int
    pushed_score_z: float
    pushed_performance_z: float
    pushed_interval: tuple[float, float]
    pushed_rows: tuple[int, ...]
    cap: float
    cap_interval: tuple[float, float]
    level: float
    permutations: int
    bootstrap: int
    seed: int

    @property
    def flagged(self) -> bool:
        """Whether it counts as over-optimised."""
        return bool(self.reasons)

    @property
    def bends(self) -> bool:
        """Whether the line bends by more than chance would have it."""
        return self.p_value <= ERROR_RATE

    @property
    def verdict(self) -> str:
        """What was found, in sentences."""
        slopes = (
            f"slope {format_number(self.slope_before, 3)} ({_pair(self.slope_before_interval)}) below "
            f"s0 = {format_number(self.s0)} and {format_number(self.slope_after, 3)} "
            f"({_pair(self.slope_after_interval)}) above, p = {format_number(self.p_value, 2)} of a bend"
        )
        if not self.flagged:
            return f"{self.objective}: not seen to be over-optimised; {slopes}."
        parts = []
        if "bend" in self.reasons:
            falls = self.slope_after_interval[1] < 0
            parts.append(f"{'more of it is worse' if falls else 'more of it brings nothing'} above s0: {slopes}")
        if "z" in self.reasons:
            parts.append(
                f"{format_plural(self.n_pushed, 'subset')} that lie {format_number(self.pushed_score_z, 3)} sd above "
                f"random ones in score lie {format_number(self.pushed_performance_z, 2)} sd "
                f"({_pair(self.pushed_interval)}) above them in performance"
            )
        cap = f"Optimise to {format_number(self.cap)} ({_pair(self.cap_interval)}) and no further"
        return f"{self.objective}: over-optimised; {'; '.join(parts)}. {cap}."

    def __repr__(self) -> str:
        return f"{self.verdict}\n{format_percent(self.level)} intervals; seed {self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self) | {"flagged": self.flagged, "verdict": self.verdict})
        return out


def detect_over_optimisation(
    score: ArrayLike,
    performance: ArrayLike,
    *,
    is_random: ArrayLike | None = None,
    objective: str = "score",
    better: str = "higher",
    level: float = 0.95,
    permutations: int = 999,
    bootstrap: int = 1000,
    seed: int = 0,
) -> OverOptimisation:
    """Tell whether a score was optimised beyond where it says anything.

    Parameters
    ----------
    score, performance : array_like (n,)
        Of subsets of one size, or nearly so: scores of other sizes are not comparable.
    is_random : array_like of bool (n,), optional
        Which subsets were drawn at random; without them only the bend is looked for.
    objective : str
        What to call the score.
    better : {"higher", "lower"}
        Of the performance; slopes and z are turned so that higher is better.
    level : float, default 0.95
        Of the intervals.
    permutations, bootstrap : int
        For the p-value of the bend, and for intervals.
    seed : int, default 0
        Of both.

    Returns
    -------
    OverOptimisation

    Raises
    ------
    InputDataError
        For fewer than 12 subsets or distinct scores.
    UsageError
        For settings that mean nothing.

    Notes
    -----
    The bend counts where its p-value is at most 0.05, the slope before it is above 0 with its whole interval, and the
    slope after it is at most 0. The slope after it may still be above 0 within its interval, which the verdict tells:
    "brings nothing" and not "is worse".
    """
    check_level(level)
    if better not in ("higher", "lower"):
        raise UsageError(f"Performance is better 'higher' or 'lower', not '{better}'.")
    if permutations < 19 or bootstrap < 2:
        raise UsageError(
            f"{permutations} permutations and {bootstrap} replicates: 19 and 2 at least are needed.",
            "Ask for about a thousand of both.",
        )
    s, y = np.asarray(score, float), np.asarray(performance, float) * (1 if better == "higher" else -1)
    random = np.zeros(len(s), bool) if is_random is None else np.asarray(is_random, bool)
    if random.shape != s.shape:
        raise InputDataError(f"is_random has shape {random.shape}, scores {s.shape}.")
    scan_seed, z_seed = (int(v) for v in np.random.SeedSequence(seed).generate_state(2))
    scan = scan_bends(s, y, permutations=permutations, bootstrap=bootstrap, seed=scan_seed)
    lines = scan.replicates
    low, high = replicate_interval(np.column_stack([lines[:, 1], lines[:, 1] + lines[:, 2], lines[:, 3]]), level)
    before, after, place = ((float(a), float(b)) for a, b in zip(low, high, strict=True))
    pushed = _pushed(s, y, random, level, bootstrap, z_seed)
    reasons: list[Reason] = []
    if scan.p_value <= ERROR_RATE and before[0] > 0 >= scan.b + scan.c:
        reasons.append("bend")
    if pushed.count and pushed.performance_z <= NO_GAIN:
        reasons.append("z")
    cap, cap_interval = float("nan"), (float("nan"), float("nan"))
    if reasons:
        cap, cap_interval = (scan.s0, place) if "bend" in reasons else (pushed.edge, pushed.edge_interval)
    return OverOptimisation(
        objective=objective, n=len(s), n_random=int(random.sum()), reasons=tuple(reasons), slope_before=scan.b,
        slope_after=scan.b + scan.c, s0=scan.s0, slope_before_interval=before, slope_after_interval=after,
        s0_interval=place, sup_f=scan.sup_f, p_value=scan.p_value, n_pushed=pushed.count,
        pushed_score_z=pushed.score_z, pushed_performance_z=pushed.performance_z, pushed_interval=pushed.interval,
        pushed_rows=pushed.rows, cap=cap, cap_interval=cap_interval, level=level, permutations=permutations,
        bootstrap=bootstrap, seed=seed,
    )  # fmt: skip


@dataclass(frozen=True)
class _Pushed:
    """Subsets far above random ones in score."""

    count: int = 0
    score_z: float = float("nan")
    performance_z: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    rows: tuple[int, ...] = ()
    edge: float = float("nan")
    edge_interval: tuple[float, float] = (float("nan"), float("nan"))


def _pushed(s: Array, y: Array, random: NDArray[np.bool_], level: float, count: int, seed: int) -> _Pushed:
    """Hold subsets that were pushed against random ones, in units of what random ones scatter by."""
    if random.sum() < _FEWEST_RANDOM or np.ptp(s[random]) == 0 or np.ptp(y[random]) == 0:
        return _Pushed()
    mean_s, sd_s = float(s[random].mean()), float(s[random].std(ddof=1))
    mean_y, sd_y = float(y[random].mean()), float(y[random].std(ddof=1))
    far = ~random & ((s - mean_s) / sd_s > HIGH_SCORE)
    edge = mean_s + HIGH_SCORE * sd_s
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, random.sum(), (count, int(random.sum())))
    means, sds = s[random][drawn].mean(1), s[random][drawn].std(1, ddof=1)
    _ends = replicate_interval((means + HIGH_SCORE * sds)[:, None], level)
    edge_interval = (float(_ends[0][0]), float(_ends[1][0]))
    if not far.any():
        return _Pushed(edge=edge, edge_interval=edge_interval)
    z = (y[far] - mean_y) / sd_y
    sd_drawn = y[random][drawn].std(1, ddof=1)
    chosen = generator.integers(0, far.sum(), (count, int(far.sum())))
    replicates = (y[far][chosen].mean(1) - y[random][drawn].mean(1)) / np.where(sd_drawn > 0, sd_drawn, np.nan)
    low, high = replicate_interval(replicates[:, None], level)
    return _Pushed(
        count=int(far.sum()),
        score_z=float((s[far].mean() - mean_s) / sd_s),
        performance_z=float(z.mean()),
        interval=(float(low[0]), float(high[0])),
        rows=tuple(int(i) for i in np.flatnonzero(far)[z <= NO_GAIN]),
        edge=edge,
        edge_interval=edge_interval,
    )


def _pair(interval: tuple[float, float]) -> str:
    return format_interval(*interval)
