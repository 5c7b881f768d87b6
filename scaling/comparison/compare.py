"""Hold two laws against each other at a target: which has the lower loss, how surely, and what it is worth in compute.

Both are taken at their own compute-optimal split of a budget, or at the same given inputs. Besides the difference of
the losses there is the compute multiplier at equal loss, C_B / C with L_B(C_B) = L_A(C): how many times the budget the
second recipe needs to reach the loss of the first.

All spreads are of bootstrap replicates. "Share of the replicates in which A is better" is just that: no posterior
probability, for no prior was stated, and it allows neither for the scatter of single runs nor for a wrong form of law.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.cost import SIX_N_D
from scaling.allocation.surface import Surface, best_split, least_cost
from scaling.allocation.walls import no_split, refuse_fractions
from scaling.comparison.comparison import Compared, Comparison
from scaling.errors import UsageError, VerdictError
from scaling.fitting.compile import Data, compile_law
from scaling.formatting import format_factor, format_interval, format_percent, format_plural
from scaling.inputs import check_inputs, check_level
from scaling.results import Fit
from scaling.roots import find_root
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK
from scaling.width import axis_factor

Array = NDArray[np.float64]

SEVERITY = (OK, WEAK, NOT_IDENTIFIED)
_PAIRS = 1000  # of replicates of two fits that were resampled independently, at least
_FAR = float(np.log(1e30))  # of the multiplier of an only input: what is not reached by then never is
_STEPS = 139  # on the way there, half a unit of the logarithm each: what a law does in between is not seen


def compare(
    fit_a: Fit,
    fit_b: Fit,
    *,
    compute_flop: ArrayLike | None = None,
    target: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
    level: float = 0.9,
    paired: bool = False,
    seed: int = 0,
    force: bool = False,
    names: tuple[str, str] = ("A", "B"),
    same_rows: bool = False,
    concerns: Sequence[str] = (),
) -> Comparison:
    """Hold two fits against each other.

    Parameters
    ----------
    fit_a, fit_b : Fit
        Of the same quantity, with bootstrap replicates; their laws may differ but must have the same inputs.
    compute_flop : float or array_like (m,), optional
        Budgets C = 6 N D; each law of N and D is then taken at its own optimum.
    target : mapping, or sequence of mappings, optional
        Inputs at which both are taken. Give either budgets or targets.
    level : float, default 0.9
        Nominal coverage of the intervals.
    paired : bool, default False
        Whether replicate i of one belongs to replicate i of the other. That is right where both were resampled on the
        same rows or the same clusters, in the same way and with the same seed, and then the noise they share cancels.
        Refused where the way, the seed, or the number of replicates, rows or clusters differ; that the rows or clusters
        are the same ones cannot be seen here.
        Of fits to different runs the replicates are independent whatever their seeds: they are paired at random.
    seed : int, default 0
        Of that pairing; recorded.
    force : bool, default False
        Answer even where a fit is not identified, the units differ, or the two were fitted in ranges without overlap.
    names : (str, str), default ('A', 'B')
        What the fits are called.
    same_rows : bool, default False
        Whether both are fits of the very same rows. Their difference is then one of laws, objectives or settings, and
        says nothing about recipes: refused unless `force` is set.
    concerns : sequence of str
        Why like is not held against like, as far as the fits themselves cannot tell, such as losses that were measured
        on other text. Each becomes a note, and no verdict is better than ``weak``.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        For laws with different inputs, no target, no replicates, or a pairing that cannot be.
    VerdictError
        Where a fit is not identified, the units differ, the ranges do not overlap, both are of the same rows, or a law
        has no optimum at a budget of one parameter and one token or more.
    """
    check_level(level)
    notes = _check_form(fit_a, fit_b, names, same_rows, force) + _check_alike(fit_a, fit_b, names, force)
    notes += _assumed(fit_a, fit_b, names)
    a, b = _pair(fit_a, fit_b, paired, seed, names)
    budgets, targets = _check_targets(fit_a, compute_flop, target)
    points = [_at_budget(fit_a, fit_b, a, b, budget, level, names) for budget in budgets]
    points += [_at_target(fit_a, fit_b, a, b, inputs, level) for inputs in targets]
    if concerns:
        notes = [*concerns, *notes]
        points = [replace(point, verdict=WEAK) if point.verdict == OK else point for point in points]
    if lost := max(point.lost_share for point in points):
        notes.append(f"Up to {format_percent(lost)} of the pairs of replicates have no answer and are left out.")
    if (lost_too := max((p.multiplier_lost_share for p in points if p.multiplier_lost_share > lost), default=0.0)) > 0:
        notes.append(
            f"Up to {format_percent(lost_too)} of the pairs of replicates have no multiplier, and are left out of its "
            "interval and of the share in which B never gets there."
        )
    if (taken := _taken_level(fit_a, fit_b, level)) > level:
        notes.append(
            f"The intervals end at the percentiles of {100 * taken:.3g} %, not of {100 * level:g} %: few clusters tell "
            "their own scatter badly."
        )
    only = next(iter(fit_a.law.inputs)) if len(fit_a.law.inputs) == 1 else ""
    return Comparison(
        names[0], names[1], tuple(points), level, paired, len(a) - 1, seed, "compute" if budgets else only,
        fit_a.law.unit, fit_a.verdict, fit_b.verdict, tuple(notes),
        *(text for fit, other in ((fit_a, fit_b), (fit_b, fit_a)) for text in (_law(fit, other), str(fit.objective))),
    )  # fmt: skip


def _law(fit: Fit, other: Fit) -> str:
    """Name the law of a fit; by its formula where another formula has the same name."""
    same = fit.law.name == other.law.name and fit.law.formula != other.law.formula
    return fit.law.formula if same else fit.law.name


def _check_form(fit_a: Fit, fit_b: Fit, names: tuple[str, str], same_rows: bool, force: bool) -> list[str]:
    """Tell a difference of laws or objectives from one of recipes; refuse where it can be nothing else."""
    fits = ((fit_a, fit_b, names[0]), (fit_b, fit_a, names[1]))
    laws = [_law(fit, other) for fit, other, _ in fits]
    objectives = [str(fit.objective) for fit, *_ in fits]
    differ = [
        f"the {what} ({one} of {names[0]}, {other} of {names[1]})"
        for what, (one, other) in (("law", laws), ("objective", objectives))
        if one != other
    ]
    which = " and ".join(differ)
    if same_rows:
        text = (
            f"the fits {names[0]} and {names[1]} are of the same {fit_a.n_obs} rows, so their difference is that of "
            f"{which or 'their settings'}, and not one of recipes"
        )
        if not force:
            raise VerdictError(
                text,
                hint="To choose between laws, hold the largest runs out (scaling fit auto, scaling.select); --force "
                "(force=True) takes the difference all the same.",
            )
        return [f"{text[0].upper()}{text[1:]}."]
    if differ:
        verb = "differs" if len(differ) == 1 else "differ"
        return [
            f"NOT LIKE WITH LIKE: {which} {verb}, so an unknown part of the difference is that of the fits and not of "
            "the recipes. Fit both with one law and one objective."
        ]
    return []


def _assumed(fit_a: Fit, fit_b: Fit, names: tuple[str, str]) -> list[str]:
    """What is taken for granted: units, the form of the laws; and how the fits' own intervals differ from these."""
    notes = []
    if assumed := [name for fit, name in ((fit_a, names[0]), (fit_b, names[1])) if fit.law.unit.endswith(", assumed")]:
        notes.append(
            f"The unit of {' and '.join(dict.fromkeys(assumed))} is assumed; nothing says that the losses are in it."
        )
    if fit_a.interval_kind != fit_b.interval_kind or fit_a.settings.get("resample") != fit_b.settings.get("resample"):
        notes.append(
            f"The fits make intervals in different ways ({names[0]}: {fit_a.interval_method}; {names[1]}: "
            f"{fit_b.interval_method}); those here are percentiles of the replicates of both."
        )
    return [*notes, "The form of both laws is taken as true; what their back-tests say of that is quoted."]


def _backtest(fit: Fit, inputs: Mapping[str, float]) -> str:
    """What the back-test of a fit says about forecasts as far out as inputs."""
    if fit.backtest is None:
        return "no back-test came with this fit"
    values = {name: np.atleast_1d(np.asarray(value, float)) for name, value in inputs.items()}
    return fit.backtest.sentence(float(np.max(np.maximum(axis_factor(fit, fit.backtest, values), 1.0))))


def _check_alike(fit_a: Fit, fit_b: Fit, names: tuple[str, str], force: bool) -> list[str]:
    """Refuse two fits that cannot be compared; return what to know of those that can."""
    if set(fit_a.law.inputs) != set(fit_b.law.inputs):
        raise UsageError(
            f"the fit {names[0]} is of a law of {', '.join(fit_a.law.inputs)} and {names[1]} of one of "
            f"{', '.join(fit_b.law.inputs)}, so there is no target for both",
            hint="Compare laws of the same inputs.",
        )
    for fit, name in ((fit_a, names[0]), (fit_b, names[1])):
        if not len(fit.replicates):
            raise UsageError(
                f"the fit {name} has no bootstrap replicates, so nothing says how sure a comparison is",
                hint="Fit it again with some hundreds (--bootstrap 1000, bootstrap=1000).",
            )
        fit.require_identified(force)
    notes: list[str] = []
    units = [fit.law.unit.removesuffix(", assumed") for fit in (fit_a, fit_b)]
    checks = ((fit_a.law.output, fit_b.law.output, "predict"), (*units, "are in"))
    for one, other, verb in checks:
        if one == other:
            continue
        text = (
            f"the fits {names[0]} and {names[1]} {verb} different things: {one or 'unknown'} and {other or 'unknown'}"
        )
        if one and other and not force:
            raise VerdictError(text, hint="Their difference means nothing; --force (force=True) takes it all the same.")
        notes.append(f"{text[0].upper()}{text[1:]}.")
    for key in sorted(set(fit_a.support) & (set(fit_a.law.inputs) | {"6*N*D"})):
        (low_a, high_a), (low_b, high_b) = fit_a.support[key], fit_b.support[key]
        if max(low_a, low_b) <= min(high_a, high_b):
            continue
        ranges = " and ".join(format_interval(*fit.support[key]) for fit in (fit_a, fit_b))
        text = f"the rows of {names[0]} and {names[1]} have no {key} in common: {ranges}"
        if not force:
            raise VerdictError(
                text,
                hint="Their difference would be one of ranges as much as of recipes; --force (force=True) takes it.",
            )
        notes.append(f"{text[0].upper()}{text[1:]}.")
    return notes


def _pair(fit_a: Fit, fit_b: Fit, paired: bool, seed: int, names: tuple[str, str]) -> tuple[Array, Array]:
    """Bring the replicates together: (1 + pairs, p) each, the estimates first."""
    count_a, count_b = len(fit_a.replicates), len(fit_b.replicates)
    if paired:
        drawn = [_drawn(fit) for fit in (fit_a, fit_b)]
        if drawn[0] != drawn[1]:
            raise UsageError(
                f"the replicates do not pair: {names[0]} has {_drawn_words(fit_a)}, {names[1]} {_drawn_words(fit_b)}",
                hint="Fit both with the same --bootstrap, --seed and --resample to the same runs or clusters, or "
                "compare them unpaired.",
            )
        i = j = np.arange(count_a)
    else:
        # Whole permutations, so that every replicate counts as often as every other one, or once more.
        random = np.random.default_rng(np.random.SeedSequence(seed))
        pairs = max(_PAIRS, count_a, count_b)
        i, j = (
            np.concatenate([random.permutation(count) for _ in range(-(-pairs // count))])[:pairs]
            for count in (count_a, count_b)
        )
    a = np.concatenate([fit_a.theta[None], fit_a.replicates[i]])
    b = np.concatenate([fit_b.theta[None], fit_b.replicates[j]])
    return a, b


def _drawn(fit: Fit) -> tuple[int, int, str, int, int]:
    """What two fits must have in common for their replicates to be drawn alike; rows of clusters may differ."""
    groups = fit.diagnostics.groups
    return len(fit.replicates), fit.seed, _resample(fit), groups, 0 if groups else fit.n_obs


def _drawn_words(fit: Fit) -> str:
    groups = fit.diagnostics.groups
    units = format_plural(groups, "cluster") if groups else format_plural(fit.n_obs, "row")
    return f"{len(fit.replicates)} with seed {fit.seed} ({_resample(fit)} of {units})"


def _resample(fit: Fit) -> str:
    return str(fit.settings.get("resample", "cluster" if fit.diagnostics.groups else "iid"))


def _check_targets(
    fit: Fit, compute_flop: ArrayLike | None, target: Mapping[str, float] | Sequence[Mapping[str, float]] | None
) -> tuple[list[float], list[dict[str, float]]]:
    if (compute_flop is None) == (target is None):
        raise UsageError(
            "a comparison needs budgets or targets, and not both",
            hint="Such as compute_flop=1e24, or target={'N': 70e9, 'D': 1.4e12}.",
        )
    if compute_flop is not None:
        if set(fit.law.inputs) != {"N", "D"}:
            raise UsageError(
                f"laws of {', '.join(fit.law.inputs)} have no optimum to compare at for a budget",
                hint="Give a target instead (--at, target=).",
            )
        try:
            budgets = np.atleast_1d(np.asarray(compute_flop, float))
        except (TypeError, ValueError) as error:
            raise UsageError(f"a compute budget is not a number: {error}") from error
        if budgets.ndim != 1 or not budgets.size or not np.all(np.isfinite(budgets) & (budgets > 0)):
            raise UsageError("compute budgets must be positive numbers, in FLOP")
        return budgets.tolist(), []
    rows = [target] if isinstance(target, Mapping) else list(target or ())
    if not rows:
        raise UsageError("there is no target to compare at", hint="Such as target={'N': 70e9, 'D': 1.4e12}.")
    return [], [{k: float(v[0]) for k, v in check_inputs(fit.law, row).items()} for row in rows]


def _at_budget(
    fit_a: Fit, fit_b: Fit, a: Array, b: Array, budget: float, level: float, names: tuple[str, str]
) -> Compared:
    flop = np.array([budget])
    surfaces = [_surface(fit, rows) for fit, rows in ((fit_a, a), (fit_b, b))]
    splits = [best_split(surface, SIX_N_D, flop) for surface in surfaces]
    for surface, (log_n, log_d, loss), fit, name in zip(surfaces, splits, (fit_a, fit_b), names, strict=True):
        try:
            if np.isnan(loss[0, 0]):
                raise no_split(fit, surface, SIX_N_D, budget, level)
            refuse_fractions(flop, np.exp(log_n[0]), np.exp(log_d[0]))
        except VerdictError as error:
            raise VerdictError(
                f"by the fit {name}, {error.message}",
                hint=f"{error.hint} Or compare at given inputs (--params and --tokens, target=).",
            ) from None
    loss_a, loss_b = splits[0][2][:, 0], splits[1][2][:, 0]
    with np.errstate(over="ignore"):
        multiplier = np.exp(least_cost(surfaces[1], SIX_N_D, loss_a[:, None])[2][:, 0] - np.log(budget))
    # Without end, a loss that rises with the compute is above any: where B is better already, it is there at once.
    multiplier = np.where(np.isinf(multiplier) & (loss_b <= loss_a), np.where(loss_b < loss_a, 0.0, 1.0), multiplier)
    places = [{"N": float(np.exp(log_n[0, 0])), "D": float(np.exp(log_d[0, 0]))} for log_n, log_d, _ in splits]
    unknown = "the cheapest model of B for the loss of A lies outside the range of sizes that was searched"
    return _summarise(fit_a, fit_b, {"C": budget}, loss_a, loss_b, multiplier, places, level, unknown)


def _surface(fit: Fit, theta: Array) -> Surface:
    kernel = compile_law(fit.law, fit.log_scaled)
    return Surface(kernel, kernel.to_internal(theta))


def _at_target(fit_a: Fit, fit_b: Fit, a: Array, b: Array, inputs: dict[str, float], level: float) -> Compared:
    loss_a, loss_b = fit_a.evaluate(inputs, a)[:, 0], fit_b.evaluate(inputs, b)[:, 0]
    multiplier, unknown = np.full(len(a), np.nan), ""
    if len(inputs) == 1 and (value := next(iter(inputs.values()))) > 0:
        multiplier, unknown = _along(fit_b, b, next(iter(inputs)), value, loss_b, loss_a)
    return _summarise(fit_a, fit_b, inputs, loss_a, loss_b, multiplier, [inputs, inputs], level, unknown)


def _along(fit: Fit, theta: Array, name: str, value: float, here: Array, wanted: Array) -> tuple[Array, str]:
    """By how much the only input must be multiplied for each row to reach a loss, and why it is NaN for the estimates.

    From the target on, where the loss is `here`, the search goes outwards: up to the first point as low as is wanted,
    or down to the last one that still is. So a law that does not fall has an answer as well: where it is worse at the
    target it never gets there, and where it is better it is there at once. NaN where the law has no value on the way.
    """
    kernel = compile_law(fit.law, fit.log_scaled)
    rows = kernel.to_internal(theta)
    logged = kernel.log_inputs[name]

    def loss(log_multiplier: Array) -> Array:
        log_x = np.log(value) + log_multiplier
        with np.errstate(all="ignore"):
            return kernel.value(rows, Data((log_x if logged else np.exp(log_x),), np.empty((0, 0))))

    worse = here > wanted
    side = np.where(worse, 1.0, -1.0)[:, None]
    steps = np.linspace(0.0, _FAR, _STEPS)
    values = np.array(np.broadcast_to(loss(side * steps), (len(rows), _STEPS)))
    values[:, 0] = here
    with np.errstate(invalid="ignore"):
        low_enough = values <= wanted[:, None]
        ends = np.isnan(values) | (low_enough == worse[:, None])  # where a row has its answer, or none
    k = np.argmax(ends, axis=1)
    left, right = steps[np.maximum(k - 1, 0)], steps[k]

    def above(share: Array) -> Array:
        return loss(side * (left + share * (right - left))[:, None])[:, 0] - wanted

    root = left + find_root(above, 0.0, 1.0, wanted.shape) * (right - left)
    times = np.where(ends.any(axis=1), np.exp(side[:, 0] * root), np.where(worse, np.inf, 0.0))
    times = np.where(here == wanted, 1.0, times)
    lost = np.isnan(here) | np.isnan(wanted) | (ends.any(axis=1) & np.isnan(values[np.arange(len(k)), k]))
    unknown = f"the law of B has no value on a part of the range of {name} that was searched"
    return np.where(lost, np.nan, times), unknown


def _summarise(
    fit_a: Fit, fit_b: Fit, inputs: dict[str, float], loss_a: Array, loss_b: Array, multiplier: Array,
    places: list[dict[str, float]], level: float, unknown: str,
) -> Compared:  # fmt: skip
    difference = loss_a - loss_b
    known = np.isfinite(difference[1:])
    spread = difference[1:][known]
    answered = known & ~np.isnan(multiplier[1:])
    times = multiplier[1:][answered]
    share = float(np.mean(np.where(spread == 0, 0.5, spread < 0))) if len(spread) else float("nan")
    taken = _taken_level(fit_a, fit_b, level)
    fits = (fit_a, fit_b)
    factors = [float(fit.extrapolation_factor(place)[0]) for fit, place in zip(fits, places, strict=True)]
    largest = max(factors)
    worst = max((fit.verdict for fit in fits), key=SEVERITY.index)
    extrapolates = not largest < 1.05 and worst != NOT_IDENTIFIED
    return Compared(
        inputs, float(loss_a[0]), float(loss_b[0]), float(difference[0]), *_interval(spread, taken), share,
        float(multiplier[0]), *_interval(times, taken), float(np.mean(np.isinf(times))) if len(times) else float("nan"),
        1 - float(np.mean(known)), factors[0], factors[1],
        f"extrapolating {format_factor(largest)}" if extrapolates else worst,
        backtest_a=_backtest(fit_a, places[0]), backtest_b=_backtest(fit_b, places[1]),
        why_unknown=unknown if np.isnan(multiplier[0]) else "",
        multiplier_lost_share=1 - float(np.mean(answered)) if unknown else float("nan"),
    )  # fmt: skip


def _taken_level(fit_a: Fit, fit_b: Fit, level: float) -> float:
    """The level at which percentiles are taken: that of the fit with fewer clusters."""
    return max(fit_a.percentile_level(level), fit_b.percentile_level(level))


def _interval(values: Array, level: float) -> tuple[float, float]:
    """Percentiles; where some values are infinite, the nearest outward ones, for infinity has no neighbour to mix."""
    if not len(values):
        return float("nan"), float("nan")
    tails = ((1 - level) / 2, (1 + level) / 2)
    if np.all(np.isfinite(values)):
        low, high = np.quantile(values, tails)
    else:
        low, high = np.quantile(values, tails[0], method="lower"), np.quantile(values, tails[1], method="higher")
    return float(low), float(high)
