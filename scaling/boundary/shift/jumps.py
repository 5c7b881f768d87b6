"""Whether a benchmark was graded anew: a jump in its series at equal compute that the other benchmarks do not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.shift.checks import check_settings, clusters, days, iso, numbers, shares, usable
from scaling.boundary.shift.flips import few_flips, flip_groups, group_sums
from scaling.boundary.shift.jump import ERROR_RATE, Jump, JumpTest
from scaling.errors import InputDataError, UsageError
from scaling.fitting.intervals import t_quantile
from scaling.formatting import format_plural

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

LEAST = 20  # models on either side of a cutoff that is tried by default
_MOST_CUTOFFS = 24
_SAME_COMPUTE = 1e-3  # orders of magnitude


def detect_jump(
    scores: Mapping[str, ArrayLike],
    date: ArrayLike,
    log10_compute: ArrayLike,
    *,
    cutoffs: Sequence[str] | str | None = None,
    groups: ArrayLike | None = None,
    trend: bool = True,
    most: int = 3,
    level: float = 0.95,
    permutations: int = 2000,
    seed: int = 0,
) -> JumpTest:
    """Look for a date at which one benchmark jumps, at equal compute, and the others do not.

    Parameters
    ----------
    scores : mapping of str to array_like (n,)
        Benchmark to the scores of the models; two or more benchmarks that go together.
    date : array_like (n,)
        When each model was evaluated; release dates blur a change of grader.
    log10_compute : array_like (n,)
        Models are compared within equal values only, as descendants of one base model have them.
    cutoffs : str or sequence of str, optional
        First days of the later side; where missing, starts of months with 20 models on either side.
    groups : array_like (n,), optional
        Models that may be alike; those of equal compute where missing.
    trend : bool, default True
        Whether a steady change with time is allowed for: progress is no jump.
    most : int, default 3
        Jumps to look for.
    level : float, default 0.95
        Nominal coverage.
    permutations : int, default 2000
        Flips of the signs of groups.
    seed : int, default 0
        Of them.

    Returns
    -------
    JumpTest

    Raises
    ------
    InputDataError
        For columns that cannot be used, or nothing to compare.
    UsageError
        For settings that mean nothing.

    Notes
    -----
    A benchmark's scores are regressed on those of the others, on date and on a constant for each value of compute; a
    jump is a step in what is left. The others take the mirror image of a jump, so the clearest is taken out before the
    next is sought.
    """
    check_settings(level, permutations, seed)
    if len(scores) < 2 or most < 1:
        raise UsageError(
            f"{format_plural(len(scores), 'benchmark')} and {most} jumps are too few to look for",
            hint="One benchmark is held against the others, so there should be two or more.",
        )
    read = {name: shares(values, name) for name, values in scores.items()}
    columns: dict[str, NDArray[Any]] = {name: column for name, (column, _) in read.items()}
    columns |= {"date": days(date), "log10_compute": numbers(log10_compute, "log10_compute")}
    cleaned = usable(columns, tuple(note for _, note in read.values()))
    day, compute = cleaned.columns["date"], cleaned.columns["log10_compute"]
    strata = np.unique(np.round(compute / _SAME_COMPUTE), return_inverse=True)[1].astype(np.int64)
    code = strata if groups is None else clusters(groups, len(cleaned.kept))[0][cleaned.kept]
    code = np.unique(code, return_inverse=True)[1].astype(np.int64)
    size = np.bincount(strata, minlength=1)
    if not np.any(size > 1):
        raise InputDataError(
            "no two models have the same compute, so nothing is compared at equal compute",
            hint="Round the compute, or use that of the base models.",
        )
    when = _cutoffs(cutoffs, day)
    names = tuple(scores)
    table = np.column_stack([cleaned.columns[name] for name in names])
    first = _search(names, table, day, when, strata, code, trend, level, permutations, seed)
    found: list[Jump] = []
    current = first
    while current.leading.p_corrected <= ERROR_RATE and len(found) < most:
        jump = current.leading
        found.append(jump)
        table = table.copy()
        table[:, names.index(jump.task)] -= jump.points * (day >= np.datetime64(jump.cutoff, "D").astype(float))
        current = _search(names, table, day, when, strata, code, trend, level, permutations, seed)
    return JumpTest(
        found=tuple(found),
        leading=first.leading,
        table=tuple(first.jumps),
        tasks=names,
        cutoffs=tuple(iso(cutoff) for cutoff in when),
        n=len(day),
        n_compute=int(np.sum(size > 1)),
        n_groups=int(code.max()) + 1,
        trend=trend,
        level=level,
        permutations=permutations,
        seed=seed,
        left_out=cleaned.left_out,
        notes=(*cleaned.notes, *few_flips(int(code.max()) + 1)),
    )


@dataclass(frozen=True)
class _Found:
    """All jumps, and how much of the scatter of its benchmark each explains."""

    jumps: list[Jump]
    explained: list[float]

    @property
    def leading(self) -> Jump:
        """The benchmark by its p-value, and the cutoff by what it explains: p-values of neighbours hardly differ."""
        first = min(self.jumps, key=lambda jump: (jump.p_corrected, -abs(jump.statistic)))
        least = ERROR_RATE if first.p_corrected <= ERROR_RATE else first.p_corrected
        rivals = [
            (explained, jump)
            for jump, explained in zip(self.jumps, self.explained, strict=True)
            if jump.task == first.task and jump.p_corrected <= least
        ]
        return max(rivals, key=lambda pair: pair[0])[1]


def _search(
    names: tuple[str, ...],
    table: Array,
    day: Array,
    cutoffs: Array,
    strata: Codes,
    code: Codes,
    trend: bool,
    level: float,
    permutations: int,
    seed: int,
) -> _Found:
    """Every benchmark at every cutoff."""
    within = _within(table, strata)
    steps = _within((day[:, None] >= cutoffs).astype(float), strata)
    line = _within(((day - day.mean()) / max(float(day.std()), 1e-12))[:, None], strata)
    size, error, explained, sums = [], [], [], []
    for k in range(len(names)):
        nuisance = np.hstack([np.delete(within, k, axis=1), *([line] if trend else [])])
        hat, *_ = np.linalg.lstsq(nuisance, np.column_stack([within[:, [k]], steps]), rcond=None)
        residual = within[:, k] - nuisance @ hat[:, 0]
        left = steps - nuisance @ hat[:, 1:]
        length = np.sum(left**2, axis=0)
        left = np.where(length > 1e-9 * len(day), left, 0.0)  # a cutoff that no stratum has both sides of
        length = np.maximum(length, 1e-9 * len(day))
        step = residual @ left / length
        spread = group_sums(left * (residual[:, None] - left * step), code)
        size.append(step)
        error.append(np.sqrt(np.sum(spread**2, axis=0) * len(spread) / max(len(spread) - 1, 1)) / length)
        explained.append(step**2 * length / max(float(residual @ residual), 1e-300))
        sums.append(group_sums(left * residual[:, None], code))
    tested = flip_groups(np.hstack(sums), permutations, seed)
    half = t_quantile(level, int(code.max())) * np.concatenate(error)
    steps_found, after = np.concatenate(size), np.sum(day[:, None] >= cutoffs, axis=0)
    rows = []
    for at, (name, c) in enumerate((name, c) for name in names for c in range(len(cutoffs))):
        rows.append(
            Jump(
                task=name,
                cutoff=iso(cutoffs[c]),
                points=float(steps_found[at]),
                low=float(steps_found[at] - half[at]),
                high=float(steps_found[at] + half[at]),
                statistic=float(tested.statistic[at]),
                p=float(tested.p_single[at]),
                p_corrected=float(tested.p_corrected[at]),
                n_before=len(day) - int(after[c]),
                n_after=int(after[c]),
            )
        )
    return _Found(rows, [float(share) for share in np.concatenate(explained)])


def _within(columns: Array, strata: Codes) -> Array:
    """Take the mean of its stratum off each value."""
    count = np.bincount(strata).astype(float)
    return np.asarray(columns - (group_sums(columns, strata) / count[:, None])[strata])


def _cutoffs(asked: Sequence[str] | str | None, day: Array) -> Array:
    if asked is not None:
        given = days([asked] if isinstance(asked, str) else list(asked), "cutoffs")
        wanted: Array = np.unique(given[~np.isnat(given)].astype(float))
        inside = wanted[(wanted > day.min()) & (wanted <= day.max())]
        if len(inside) < len(wanted) or not len(wanted):
            raise InputDataError(
                "a cutoff has no models on one of its sides",
                hint=f"Dates run from {iso(day.min())} to {iso(day.max())}.",
            )
        return np.asarray(inside)
    stamps = day.astype("int64").astype("datetime64[D]").astype("datetime64[M]")
    starts = np.arange(stamps.min(), stamps.max() + 1).astype("datetime64[D]").astype(float)
    enough = np.array([d for d in starts if LEAST <= np.sum(day >= d) <= len(day) - LEAST])
    if not len(enough):
        raise InputDataError(
            f"no month starts with {LEAST} models on either side", hint="Give cutoffs, or more models."
        )
    if len(enough) > _MOST_CUTOFFS:
        enough = enough[np.unique(np.linspace(0, len(enough) - 1, _MOST_CUTOFFS).round().astype(int))]
    return np.asarray(enough)
