"""How far two sources that score the same models lie apart, and scores of one brought to the other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.shift.checks import check_settings, clusters, shares, usable
from scaling.boundary.shift.flips import few_flips, flip_groups, group_sums
from scaling.boundary.shift.offset import LEAST_SHARED, AppliedOffset, HarnessOffset
from scaling.errors import InputDataError, UsageError
from scaling.fitting.intervals import percentile_interval
from scaling.formatting import format_plural

Array = NDArray[np.float64]

_FEWEST = 3  # models that an offset can be worked out from
_BLOCK = 1 << 22  # weights at a time


def harness_offset(
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    bootstrap: int = 2000,
    seed: int = 0,
) -> HarnessOffset:
    """Measure how far source B scores the same models from source A.

    Parameters
    ----------
    score_a, score_b : array_like (n,)
        Scores of the same models, row by row, by the two sources; shares or per cent, NaN where missing. `pair_models`
        makes such rows.
    groups : array_like (n,), optional
        Base models, whose descendants may be alike.
    level : float, default 0.95
        Nominal coverage.
    bootstrap : int, default 2000
        Replicates, which draw groups; as many flips of their signs give the p-value.
    seed : int, default 0
        Of both.

    Returns
    -------
    HarnessOffset
        B minus A.

    Raises
    ------
    InputDataError
        For columns that cannot be used, or fewer than three shared models.

    Notes
    -----
    The slope is that of the difference against the mean of the two scores (Bland and Altman 1986). Against one of the
    scores it would be negative by the noise of that score alone; against the mean it is 0 where both are as noisy as
    each other.
    """
    check_settings(level, bootstrap, seed)
    a, note_a = shares(score_a, "score_a")
    b, note_b = shares(score_b, "score_b")
    cleaned = usable({"score_a": a, "score_b": b}, (note_a, note_b))
    code = np.unique(clusters(groups, len(a))[0][cleaned.kept], return_inverse=True)[1].astype(np.int64)
    a, b = cleaned.columns["score_a"], cleaned.columns["score_b"]
    if len(a) < _FEWEST:
        raise InputDataError(
            f"the two sources share {format_plural(len(a), 'model')}, too few for an offset",
            hint=f"{_FEWEST} are the fewest; to apply it there should be {LEAST_SHARED}.",
        )
    difference, middle = b - a, (a + b) / 2
    centre = float(middle.mean())
    away = middle - centre
    moments = group_sums(np.column_stack([np.ones(len(a)), away, difference, away**2, away * difference]), code)
    flip_seed, boot_seed = (int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(2))
    replicates = np.column_stack(_line(_resample(moments, bootstrap, boot_seed)))
    mean, at_centre, slope = (float(x[0]) for x in _line(moments.sum(axis=0)[None]))
    tested = flip_groups(moments[:, [2]], bootstrap, flip_seed)
    n_groups = int(code.max()) + 1
    if n_groups == 1:  # drawn again, one group is itself
        replicates = np.full_like(replicates, np.nan)
    low, high = percentile_interval(replicates, level)
    known = replicates[np.all(np.isfinite(replicates), axis=1)]
    covariance = np.cov(known[:, 1:].T) if len(known) > 2 else np.full((2, 2), np.nan)
    scatter = difference - at_centre - (slope * away if math.isfinite(slope) else 0.0)
    (v00, v01), (v10, v11) = covariance.tolist()
    return HarnessOffset(
        n=len(a),
        n_groups=n_groups,
        mean=mean,
        low=float(low[0]),
        high=float(high[0]),
        error=float(np.std(replicates[:, 0], ddof=1)),
        median=float(np.median(difference)),
        sd=float(np.std(difference, ddof=1)),
        p=float(tested.p_single[0]),
        centre=centre,
        at_centre=at_centre,
        slope=slope,
        slope_low=float(low[2]),
        slope_high=float(high[2]),
        line_covariance=((v00, v01), (v10, v11)),
        line_sd=float(np.sqrt(np.sum(scatter**2) / max(len(a) - 2, 1))),
        range_a=(float(a.min()), float(a.max())),
        range_b=(float(b.min()), float(b.max())),
        level=level,
        bootstrap=bootstrap,
        seed=seed,
        left_out=cleaned.left_out,
        notes=(*cleaned.notes, *few_flips(n_groups)),
    )


def apply_offset(
    score: ArrayLike, offset: HarnessOffset, towards: str = "b", linear: bool | None = None
) -> AppliedOffset:
    """Bring scores of one source to the other, before they are pooled.

    Parameters
    ----------
    score : array_like (n,)
        Shares, by the source that is left: A where `towards` is 'b'.
    offset : HarnessOffset
        B minus A on shared models.
    towards : {'b', 'a'}
        Whose scale to bring them to.
    linear : bool, optional
        Whether the offset depends on the score; where missing, it does where its slope can be told from 0.

    Returns
    -------
    AppliedOffset
        The scores, with what the offset adds to their error.

    Raises
    ------
    InputDataError
        For fewer than 10 shared models, or scores that cannot be used.
    UsageError
        For another direction, or a slope that cannot be inverted.
    """
    if offset.n < LEAST_SHARED:
        raise InputDataError(
            f"an offset from {format_plural(offset.n, 'shared model')} is not applied, so the sources cannot be pooled",
            hint=f"{LEAST_SHARED} models that both sources scored are the fewest; or keep to one source.",
        )
    if towards not in ("a", "b"):
        raise UsageError(f"an offset goes towards 'a' or 'b', not '{towards}'")
    values, note = shares(score, "score")
    sloped = offset.slope_told if linear is None else linear
    if sloped and not abs(offset.slope) < 1:
        raise UsageError(
            f"a slope of {offset.slope:g} of the difference against the mean is no map from one source to the other",
            hint="Use linear=False.",
        )
    # on the line d = at_centre + slope * ((a + b)/2 - centre), solved for d at a given a, or at a given b
    slope, sign = (offset.slope, 1.0) if sloped else (0.0, 1.0)
    if towards == "a":
        sign = -1.0
    level = offset.at_centre if sloped else offset.mean
    stretch = 1 / (1 - sign * slope / 2)
    away = values - offset.centre
    shift = (level + slope * away) * stretch
    if sloped:
        by_level = np.full(len(values), stretch)
        by_slope = away * stretch + sign / 2 * shift * stretch
        (v00, v01), (_, v11) = offset.line_covariance
        error = np.sqrt(np.maximum(by_level**2 * v00 + 2 * by_level * by_slope * v01 + by_slope**2 * v11, 0))
        scatter = offset.line_sd * stretch
    else:
        error, scatter = np.full(len(values), offset.error), offset.sd
    moved = values + sign * shift
    ends = offset.range_a if towards == "b" else offset.range_b
    known = np.isfinite(values)
    return AppliedOffset(
        score=np.clip(moved, 0, 1),
        shift=sign * shift,
        shared_error=error,
        model_error=float(scatter),
        linear=sloped,
        towards=towards,
        clipped=int(np.sum(known & ((moved < 0) | (moved > 1)))),
        beyond=int(np.sum(known & ((values < ends[0]) | (values > ends[1])))),
        n_shared=offset.n,
        notes=(note,) if note else (),
    )


def _line(moments: Array) -> tuple[Array, Array, Array]:
    """Mean difference, and intercept at the centre and slope of the line, from sums (k, 5)."""
    n, m, d, mm, md = moments.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = d / n
        spread = mm - m * m / n
        slope = np.where(spread > 1e-12 * np.maximum(n, 1), (md - m * d / n) / spread, np.nan)
        at_centre = np.where(np.isfinite(slope), (d - slope * m) / n, mean)
    return mean, at_centre, slope


def _resample(sums: Array, replicates: int, seed: int) -> Array:
    """Sums of groups drawn with replacement, shape (replicates, columns)."""
    generator = np.random.default_rng(seed)
    count = len(sums)
    block = max(1, _BLOCK // count)
    parts = []
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        parts.append(generator.multinomial(count, np.full(count, 1 / count), size=size) @ sums)
    return np.concatenate(parts)
