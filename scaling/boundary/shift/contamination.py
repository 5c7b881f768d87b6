"""Whether one benchmark rose beyond what another predicts, from some date on: the entrance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.shift.checks import (
    Cleaned,
    check_settings,
    clusters,
    days,
    iso,
    numbers,
    same_length,
    shares,
    usable,
)
from scaling.boundary.shift.contaminated import ContaminationShift, CutoffShift, Sensitivity
from scaling.boundary.shift.flips import check_alternative, few_flips
from scaling.boundary.shift.item_shift import (
    SCHEMES,
    Sample,
    log_odds,
    measure_step,
    randomise_steps,
    without_noise,
)
from scaling.boundary.shift.logit_shift import EPSILON, logit_shift
from scaling.boundary.shift.published import published_shift
from scaling.errors import InputDataError, ScalingError, UsageError, did_you_mean
from scaling.fitting.intervals import t_quantile
from scaling.formatting import format_plural

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

PRESETS = ("zhang2026",)
LEAST = 10  # models on either side of a cutoff that is tried by default
_MOST = 24  # cutoffs that are tried by default
_NOT_CONTAMINATION = (
    "A shift says that B moved against A, not why: training on the items of B, a kind of model that is better at B "
    "alone, and a change of how B is scored all look the same."
)


def contamination_shift(
    score_a: ArrayLike,
    score_b: ArrayLike,
    date: ArrayLike,
    *,
    cutoffs: Sequence[str] | str | None = None,
    n_items_a: ArrayLike | None = None,
    n_items_b: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    preset: str | None = None,
    alternative: str | None = None,
    scheme: str = "flip",
    common_support: bool = True,
    level: float = 0.95,
    permutations: int = 2000,
    seed: int = 0,
) -> ContaminationShift:
    """Test whether benchmark B moved against benchmark A at some date.

    Parameters
    ----------
    score_a, score_b : array_like (n,)
        Scores of each model on the benchmark that predicts and on the one in question; shares or per cent.
    date : array_like (n,)
        Release dates.
    cutoffs : str or sequence of str, optional
        First days of the later side, such as the day B was published. Where missing, the starts of all months with ten
        models on either side.
    n_items_a, n_items_b : float or array_like (n,), optional
        Items of A and B, repeats included: 300 for 30 items asked ten times. With those of A, its scores are shrunk for
        their noise; with those of B, models of few items count for less.
    groups : array_like (n,), optional
        Families or makers, whose models may be alike.
    preset : {'zhang2026'}, optional
        The published way (arXiv:2602.15327): logits clipped at 1e-6, least squares, sides permuted within 10 bins of A,
        models taken as independent, one-sided, cutoffs not corrected for each other; needs `cutoffs`.
    alternative : {'two-sided', 'greater'}, optional
        Whether a fall of B counts. Two-sided by default, 'greater' with the preset.
    scheme : {'flip', 'permute'}
        Flip the signs of groups' contributions, or permute dates among models of similar A, which takes models as
        independent.
    common_support : bool, default True
        Whether a cutoff sees only models whose A lies where both its sides have some.
    level : float, default 0.95
        Nominal coverage of the intervals.
    permutations : int, default 2000
        Randomisations.
    seed : int, default 0
        Of them.

    Returns
    -------
    ContaminationShift

    Raises
    ------
    InputDataError
        For columns that cannot be used, or no cutoff with enough models on both sides.
    UsageError
        For settings that mean nothing.

    Notes
    -----
    ``logit P(item of B solved) = a + b logit(A) + gamma [date >= cutoff]``, by binomial likelihood with over-dispersion
    for models, intervals over groups (CR3). A p-value comes from the score of gamma at gamma = 0, its groups flipped.
    """
    check_settings(level, permutations, seed)
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"there is no preset called '{preset}'", hint=did_you_mean(preset, PRESETS))
    if scheme not in SCHEMES:
        raise UsageError(f"there is no scheme called '{scheme}'", hint=did_you_mean(scheme, SCHEMES))
    sided = alternative or ("greater" if preset else "two-sided")
    check_alternative(sided)
    cleaned, code = _read(score_a, score_b, date, n_items_a, n_items_b, groups)
    columns = cleaned.columns
    base = ContaminationShift(
        cutoffs=(),
        sensitivity=(),
        n=len(code),
        n_groups=len(np.unique(code)),
        method="",
        preset=preset or "",
        alternative=sided,
        scheme="sides" if preset else scheme,
        level=level,
        permutations=permutations,
        seed=seed,
        corrected=preset is None,
        published={},
        left_out=cleaned.left_out,
        notes=(*cleaned.notes, _NOT_CONTAMINATION),
    )
    if preset is not None:
        if sided != "greater":
            raise UsageError("the preset 'zhang2026' is one-sided", hint="Leave the alternative out.")
        return published_shift(base, columns, cutoffs, common_support)
    items_a = columns.get("n_items_a")
    x = log_odds(columns["score_a"], items_a)
    items_b = columns.get("n_items_b", np.ones(len(x)))
    shrunk = x if items_a is None else without_noise(columns["score_a"], items_a, columns["date"])
    sample = Sample(shrunk, columns["score_b"], items_b, columns["date"], code, 1, common_support, x)
    when = _cutoffs(cutoffs, sample)
    tested = randomise_steps(sample, when, scheme, sided, permutations, seed)
    rows = []
    for k, day in enumerate(when):
        step = measure_step(sample, day, level)
        found = [float(column[k]) for column in (tested.statistic, tested.p_single, tested.p_corrected)]
        rows.append(CutoffShift(iso(day), **step.__dict__, statistic=found[0], p=found[1], p_corrected=found[2]))
    out = replace(base, cutoffs=tuple(rows), method=_method(items_a is not None, "n_items_b" in columns))
    leading = when[rows.index(out.leading)]
    return replace(
        out,
        sensitivity=_sensitivity(sample, x, columns, leading, level),
        notes=(*out.notes, *_more_notes(sample, items_a is not None, "n_items_b" in columns, scheme)),
    )


def _read(
    score_a: ArrayLike,
    score_b: ArrayLike,
    date: ArrayLike,
    n_items_a: ArrayLike | None,
    n_items_b: ArrayLike | None,
    groups: ArrayLike | None,
) -> tuple[Cleaned, Codes]:
    a, note_a = shares(score_a, "score_a")
    b, note_b = shares(score_b, "score_b")
    columns = {"score_a": a, "score_b": b, "date": days(date)}
    n = same_length(columns)
    for name, given in (("n_items_a", n_items_a), ("n_items_b", n_items_b)):
        if given is not None:
            items = numbers(given, name)
            items = np.full(n, items[0]) if len(items) == 1 else items
            if np.any(items < 1):
                raise InputDataError(f"'{name}' is {np.nanmin(items):g} in some row, and a score needs an item")
            columns[name] = items
    cleaned = usable(columns, (note_a, note_b))
    code = clusters(groups, n)[0][cleaned.kept]
    if len(code) < 2 * LEAST:
        raise InputDataError(
            f"{format_plural(len(code), 'model')} with both scores and a date are too few for a shift",
            hint=f"There should be {2 * LEAST} at least.",
        )
    for name in ("score_a", "score_b"):
        if np.ptp(cleaned.columns[name]) == 0:
            raise InputDataError(
                f"'{name}' is {cleaned.columns[name][0]:g} for all models, so nothing can be said of a shift"
            )
    return cleaned, np.unique(code, return_inverse=True)[1].astype(np.int64)


def _cutoffs(asked: Sequence[str] | str | None, sample: Sample) -> Array:
    """Days of the cutoffs, in order; each has models on both sides whose A can be compared."""

    def sides(day: float) -> tuple[int, int]:
        rows = sample.rows(day)
        after = int(np.sum(rows & (sample.day >= day)))
        return int(rows.sum()) - after, after

    if asked is not None:
        given = days([asked] if isinstance(asked, str) else list(asked), "cutoffs")
        wanted = np.unique(given[~np.isnat(given)].astype(float))
        for day in wanted:
            if min(sides(day)) < 3:
                before, after = sides(day)
                raise InputDataError(
                    f"of the models whose A both sides of {iso(day)} have, {before} came before and {after} after",
                    hint="Three on either side are the fewest that can be compared.",
                )
        if not len(wanted):
            raise UsageError("no cutoff was given")
        return wanted
    stamps = sample.day.astype("int64").astype("datetime64[D]").astype("datetime64[M]")
    starts = np.arange(stamps.min(), stamps.max() + 1).astype("datetime64[D]").astype(float)
    enough = np.array([day for day in starts if min(sides(day)) >= LEAST])
    if not len(enough):
        raise InputDataError(
            f"no month starts with {LEAST} models on either side whose A can be compared",
            hint="Give cutoffs, or more models.",
        )
    if len(enough) > _MOST:
        enough = enough[np.unique(np.linspace(0, len(enough) - 1, _MOST).round().astype(int))]
    return enough


def _sensitivity(
    sample: Sample, exact_x: Array, columns: dict[str, Array], cutoff: float, level: float
) -> tuple[Sensitivity, ...]:
    """The step at one cutoff, in other ways."""
    ways = [("a parabola in logit(A)", replace(sample, degree=2))]
    if sample.common_support:
        ways.append(("all models, whatever their A", replace(sample, common_support=False)))
    if not np.array_equal(exact_x, sample.x):
        ways.append(("A taken as exact", replace(sample, x=exact_x, seen=None)))
    out = []
    for name, other in ways:
        step = measure_step(other, cutoff, level)
        out.append(Sensitivity(name, step.n_before + step.n_after, step.gamma, step.gamma_low, step.gamma_high))
    few = columns.get("n_items_b")
    last = 0.5 / float(np.median(few)) if few is not None else 1e-2
    for epsilon in (EPSILON, 1e-3, last):
        try:
            found = logit_shift(
                columns["score_a"],
                columns["score_b"],
                columns["date"] >= cutoff,
                epsilon=epsilon,
                common_support=sample.common_support,
            )
        except ScalingError:
            continue
        n = found.n_before + found.n_after
        half = t_quantile(level, n - 3) * found.gamma_error
        name = f"least squares of logits clipped at {epsilon:.2g}"
        out.append(Sensitivity(name, n, found.gamma, found.gamma - half, found.gamma + half))
    return tuple(out)


def _method(items_a: bool, items_b: bool) -> str:
    counted = "over-dispersed counts of items" if items_b else "shares, whose number of items is not known"
    noise = "A shrunk for the noise of its items" if items_a else "A taken as exact"
    return f"logistic regression of {counted}, {noise}, groups of models allowed to be alike"


def _more_notes(sample: Sample, items_a: bool, items_b: bool, scheme: str) -> list[str]:
    out = []
    groups = len(np.unique(sample.group))
    if scheme == "flip":
        out += few_flips(groups)
    if scheme == "permute" and groups < len(sample.x):
        out.append("Permuting dates takes models of one group as independent, which makes p-values too small.")
    if not items_a:
        out.append("The noise of A is not allowed for: where A rises with time, it makes a step upwards by itself.")
    if not items_b:
        out.append("Items of B are not known, so all models count alike.")
    return out
