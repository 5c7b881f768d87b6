"""Which runs to buy next: those that most narrow a forecast for a budget, beside what plainer ways of spending it do.

The runs are chosen by what the bootstrap replicates say, and by how wrong the form of the law may be
(`scaling.planning.designs`, `scaling.planning.form_error`), which is a first-order rule. Whether that was worth the
trouble is then measured (`scaling.planning.rehearsal`): outcomes are simulated and the law is fitted again, for the
plan, for the same budget spent at random on the same cells, and for a plain isoFLOP ladder. The cost is C = 6 N D.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.fitting.intervals import percentile_interval
from scaling.formatting import format_factor, format_number, format_percent, format_plural
from scaling.inputs import check_inputs, check_level
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.planning.designs import Candidates, Knowledge, choose, grid, ladder, random_choice, shares
from scaling.planning.form_error import FormError
from scaling.planning.plan import Plan, PlannedRun, Way
from scaling.planning.rehearsal import Rehearsed, Rows, Target, gain_over, rehearse, run_noise
from scaling.results import Fit
from scaling.verdicts import NOT_IDENTIFIED

Array = NDArray[np.float64]

_DESIGNS = 200  # random designs whose narrowing is foretold, to say how the plan stands among them
_FEW_REPLICATES = 40
_MOSTLY = 0.5  # of the variance at the target
_SURE = 2.0  # standard errors by which a mean square error must differ
_RATIO_ROOM = 20.0  # no cell of the grid has tokens per parameter farther than this factor from those of the target


def plan_runs(
    fit: Fit,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    budget_flop: float,
    *,
    target_flop: float | None = None,
    target: Mapping[str, ArrayLike] | None = None,
    candidates: Mapping[str, ArrayLike] | None = None,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    max_runs: int = 16,
    repeats: bool = True,
    floor_flop: float = 0.0,
    level: float = 0.9,
    simulations: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Choose the runs that most narrow a forecast, for a budget.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D, with bootstrap replicates. It need not be identified: that is what new runs
        are for.
    inputs : mapping of str to array_like (n,)
        The rows of the fit.
    observed : array_like (n,)
        Their losses.
    budget_flop : float
        Of all new runs together.
    target_flop : float, optional
        Forecast the lowest loss for this budget.
    target : mapping of str to float or array_like (q,), optional
        Forecast the loss at this N and D instead; at several, the mean of the variances is what is narrowed.
    candidates : mapping of str to array_like (k,), optional
        ``N`` and ``D`` of the runs that could be bought. Where missing, costs that halve from the budget down to a 64th
        of it, crossed with nine ratios of tokens to parameters. The ratios span those of the data and the target, as
        far as a factor of 20 from the target's; no cell has fewer parameters or tokens than the smallest in the data.
    groups, weights : array_like (n,), optional
        As the fit was given them.
    max_runs : int, default 16
        Runs at most.
    repeats : bool, default True
        Whether a cell may be bought more than once, which averages the scatter of runs.
    floor_flop : float, default 0
        What a run costs at least, however small.
    level : float, default 0.9
        Nominal coverage of the intervals.
    simulations : int, default 100
        Truths against which each way of spending the budget is rehearsed.
    seed : int, default 0
        Recorded.
    progress : callable, optional
        Told how many refits are done, and of how many.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        For a law of other inputs, a fit without replicates, budgets that are not positive or buy no candidate.
    InputDataError
        For rows that are not those of the fit, or too few of them to know the noise.
    VerdictError
        Where no replicate has a forecast at the target.
    """
    check_level(level)
    rows = _check_fit(fit, inputs, observed, groups, weights)
    budget = _positive(budget_flop, "the budget")
    if not (np.isfinite(floor_flop) and floor_flop >= 0):
        raise UsageError(f"what a run costs at least cannot be {floor_flop} FLOP")
    for value, least, what in ((max_runs, 1, "runs"), (simulations, 2, "simulations"), (seed, 0, "seed")):
        if value != int(value) or value < least:
            raise UsageError(f"{what} must be a whole number from {least} on, not {value}")
    goal = _check_target(fit, target_flop, target)
    values = goal.forecast(fit, np.concatenate([fit.theta[None], fit.replicates]))
    known = np.all(np.isfinite(values[1:]), axis=1)
    if not np.all(np.isfinite(values[0])) or known.sum() < 2:
        raise VerdictError(
            f"the law '{fit.law.name}' has no forecast at the target to be narrowed",
            hint="Name a target by its --params and --tokens (target=).",
        )
    ratio = _target_ratio(fit, goal)
    cells = _check_candidates(fit, rows, candidates, budget, ratio, floor_flop)

    spread = fit.objective.to_scale(fit.evaluate(cells.inputs, fit.replicates[known]))
    usable = np.all(np.isfinite(spread), axis=1)
    forecast = fit.objective.to_scale(values[1:][known])
    form = FormError(fit, FLOP_PER_PARAMETER_TOKEN * float(np.max(rows.inputs["N"] * rows.inputs["D"])))
    at = goal.cells(fit)
    places = {k: np.concatenate([column, at[k]]) for k, column in cells.inputs.items()}
    knowledge = Knowledge(spread[usable], forecast[usable], run_noise(fit), form.covariance(places))
    chosen = choose(knowledge, cells.cost_flop, budget, max_runs, repeats)
    if not chosen:
        raise VerdictError(
            "no candidate would narrow the forecast at the target: the replicates agree on it already",
            hint="Spend the budget on the target itself.",
        )
    random = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    others = [random_choice(random, cells.cost_flop, budget, max_runs, repeats) for _ in range(_DESIGNS)]
    foretold = np.array([knowledge.variance_after(other) for other in others])
    after = knowledge.variance_after(chosen)
    of_form = float(np.mean(form.size(at) ** 2)) / knowledge.variance

    rungs = ladder(budget, ratio, floor_flop)
    designs = {
        "plan": lambda _: cells.take(chosen),
        "random": lambda r: cells.take(random_choice(r, cells.cost_flop, budget, max_runs, repeats)),
        "isoFLOP ladder": lambda _: rungs,
    }
    ways = rehearse(
        fit, rows, goal, designs, form, simulations=simulations, seed=seed, level=level, progress=progress
    )  # fmt: skip
    factor = float(np.max(fit.extrapolation_factor(at)))
    loss = values.mean(axis=1)
    low, high = percentile_interval(loss[1:], fit.percentile_level(level))
    return Plan(
        runs=_group(cells, chosen, shares(chosen, knowledge), budget),
        ways=tuple(_way(way) for way in ways.values()),
        budget_flop=budget,
        spent_flop=float(cells.cost_flop[chosen].sum()),
        target=_told(goal, at),
        loss=float(loss[0]),
        loss_interval=(float(low), float(high)),
        extrapolation_factor=factor,
        narrowing=float(np.sqrt(after / knowledge.variance)),
        random_narrowing=float(np.sqrt(np.median(foretold) / knowledge.variance)),
        random_beaten=float(np.mean(foretold > after)),
        candidates=len(cells.cost_flop),
        level=level,
        simulations=simulations,
        seed=seed,
        unit=fit.law.unit,
        verdict=fit.verdict,
        form_share=form.share,
        findings=tuple(_compare_ways(ways, other) for other in ("random", "isoFLOP ladder")),
        notes=(*_notes(fit, ways, factor, float(1 - known.mean()), of_form), *_short_intervals(ways, level)),
    )


def _check_fit(
    fit: Fit, inputs: Mapping[str, ArrayLike], observed: ArrayLike, groups: ArrayLike | None, weights: ArrayLike | None
) -> Rows:
    """Refuse a fit that nothing can be planned from, and rows that are not its own."""
    fit.require_fitted("more of them would not teach it anything")
    if set(fit.law.inputs) != {"N", "D"}:
        raise UsageError(
            f"the law '{fit.law.name}' has the inputs {', '.join(fit.law.inputs)}, so no run of N and D can be planned",
            hint="Fit a law of N and D, such as chinchilla.",
        )
    if not len(fit.replicates):
        raise UsageError(
            "the fit has no bootstrap replicates, and they are what says which runs would teach most",
            hint="Fit it again with some hundreds (--bootstrap 1000, bootstrap=1000).",
        )
    x, y = check_inputs(fit.law, inputs), np.atleast_1d(np.asarray(observed, float))
    labels = None if groups is None else np.asarray(groups).astype(str)
    w = None if weights is None else np.asarray(weights, float)
    for what, asked, given in (("groups", "grouped", labels), ("weights", "weighted", w)):
        if bool(fit.settings.get(asked)) != (given is not None):
            raise UsageError(
                f"the fit was made {'with' if given is None else 'without'} {what}, and so must the plan be"
            )
    if w is not None:
        x, y, labels, w = (
            {k: v[w > 0] for k, v in x.items()},
            y[w > 0],
            labels if labels is None else labels[w > 0],
            w[w > 0],
        )
    same = len(y) == len(next(iter(x.values()))) == fit.n_obs
    if same:
        residuals = fit.objective.residuals(y, fit.evaluate(x)[0])
        same = bool(np.allclose(residuals, fit.residuals, rtol=1e-6, atol=1e-9 * max(1.0, float(np.max(np.abs(y))))))
    if not same:
        raise InputDataError(
            f"these are not the {fit.n_obs} rows that the fit was made from", hint="Fit again, then plan."
        )
    if fit.n_obs <= len(fit.theta):
        raise InputDataError(
            f"{fit.n_obs} rows for {len(fit.theta)} parameters leave nothing to judge the scatter of runs by",
            hint="Add runs before planning further ones.",
        )
    return Rows(x, y, labels, w)


def _positive(value: float, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} is not a number: {value}") from error
    if not (np.isfinite(number) and number > 0):
        raise UsageError(f"{what} must be a positive number of FLOP, not {number:g}")
    return number


def _check_target(fit: Fit, target_flop: float | None, target: Mapping[str, ArrayLike] | None) -> Target:
    if (target_flop is None) == (target is None):
        raise UsageError(
            "a plan needs one target: a budget, or parameters and tokens",
            hint="Such as target_flop=1e24, or target={'N': 70e9, 'D': 1.4e12}.",
        )
    if target is None:
        assert target_flop is not None
        return Target(compute_flop=_positive(target_flop, "the target"))
    cells = check_inputs(fit.law, target)
    if min(float(v.min()) for v in cells.values()) <= 0:
        raise UsageError("parameters and tokens of a target must be positive")
    return Target(n_params=tuple(cells["N"].tolist()), n_tokens=tuple(cells["D"].tolist()))


def _told(goal: Target, at: Mapping[str, Array]) -> dict[str, float | tuple[float, ...]]:
    """Return the target as the plan records it; a single cell as two numbers."""
    if goal.compute_flop is not None:
        return {"C": goal.compute_flop}
    return {k: float(v[0]) if len(v) == 1 else tuple(v.tolist()) for k, v in at.items()}


def _target_ratio(fit: Fit, goal: Target) -> float:
    """Tokens per parameter of the target; of several cells, in the middle."""
    cells = goal.cells(fit)
    return float(np.exp(np.mean(np.log(cells["D"] / cells["N"]))))


def _check_candidates(
    fit: Fit, rows: Rows, candidates: Mapping[str, ArrayLike] | None, budget: float, ratio: float, floor: float
) -> Candidates:
    """Return the cells that the budget can buy."""
    if candidates is not None:
        columns = check_inputs(fit.law, candidates)
        if min(float(v.min()) for v in columns.values()) <= 0:
            raise InputDataError("parameters and tokens of a candidate must be positive")
        cost = np.maximum(FLOP_PER_PARAMETER_TOKEN * columns["N"] * columns["D"], floor)
        if not np.any(cost <= budget):
            raise UsageError(
                f"a budget of {format_number(budget)} FLOP buys none of the {format_plural(len(cost), 'candidate')}: "
                f"the cheapest costs {format_number(float(cost.min()))} FLOP"
            )
        kept = cost <= budget
        return Candidates(columns["N"][kept], columns["D"][kept], cost[kept])
    seen = rows.inputs["D"] / rows.inputs["N"]
    ends = np.clip([min(seen.min(), ratio), max(seen.max(), ratio)], ratio / _RATIO_ROOM, ratio * _RATIO_ROOM)
    low_n, low_d = fit.support["N"][0], fit.support["D"][0]
    cells = grid(budget, (float(ends[0]), float(ends[1])), (low_n, low_d), floor)
    if not len(cells.cost_flop):
        cheapest = max(FLOP_PER_PARAMETER_TOKEN * low_n * low_d, floor)
        raise UsageError(
            f"a budget of {format_number(budget)} FLOP buys no run as large as the smallest of the data, "
            f"which costs {format_number(cheapest)} FLOP",
            hint="Raise the budget, or name smaller runs yourself (--candidates, candidates=).",
        )
    return cells


def _group(cells: Candidates, chosen: list[int], teaches: list[float], budget: float) -> tuple[PlannedRun, ...]:
    """Put runs of the same cell together, in the order of the first of them."""
    counts = Counter(chosen)
    return tuple(
        PlannedRun(
            n_params=float(cells.n_params[i]),
            n_tokens=float(cells.n_tokens[i]),
            runs=count,
            cost_flop=count * float(cells.cost_flop[i]),
            budget_share=count * float(cells.cost_flop[i]) / budget,
            teaches=float(sum(t for j, t in zip(chosen, teaches, strict=True) if j == i)),
        )
        for i, count in counts.items()
    )


def _way(way: Rehearsed) -> Way:
    return Way(
        way.name, way.n_runs, way.spent_flop, way.rmse, way.rmse_se, way.mean_width, way.width_se,
        way.held, way.held_se, way.failed,
    )  # fmt: skip


def _compare_ways(ways: Mapping[str, Rehearsed], other: str) -> str:
    """Say in words whether the plan did better than another way, and whether the simulations can tell."""
    gain, error = gain_over(ways["plan"], ways[other])
    plan, rival = format_number(ways["plan"].rmse, 3), format_number(ways[other].rmse, 3)
    name = "random choice" if other == "random" else "an isoFLOP ladder"
    if not np.isfinite(gain) or not np.isfinite(error):
        return f"The simulations do not say whether the plan is better than {name}."
    if gain > _SURE * error:
        share = 1 - ways["plan"].rmse / ways[other].rmse
        return f"The plan is better than {name}: its error is {format_percent(share)} smaller ({plan} against {rival})."
    if gain < -_SURE * error:
        return f"The plan is worse than {name} ({plan} against {rival}): take that instead."
    return f"The plan is no better than {name}, as far as these simulations can tell ({plan} against {rival})."


def _short_intervals(ways: Mapping[str, Rehearsed], level: float) -> list[str]:
    """Say which intervals held the truth less often than they promise, beyond what chance would do."""
    short = [way for way in ways.values() if way.held < level - _SURE * way.held_se]
    if not short:
        return []
    shares = ", ".join(f"{way.name} {format_percent(way.held)}" for way in short)
    return [
        f"The {100 * level:g} % intervals of the rehearsals held the truth less often than that ({shares}): they are "
        "of the parameters only and know no error of form. Judge the forecasts by their error, not by that width."
    ]


def _notes(fit: Fit, ways: Mapping[str, Rehearsed], factor: float, lost: float, of_form: float) -> list[str]:
    notes = []
    if fit.verdict == NOT_IDENTIFIED:
        notes.append(
            "The fit is not identified, so its forecast stands for nothing yet and the replicates say only roughly "
            "which runs would change that: buy a part of the plan, fit again, plan again."
        )
    if not factor >= 1.05:
        notes.append("The target lies inside the data: a run there measures it without any law.")
    elif factor > 10:
        notes.append(
            f"The target lies {format_factor(factor)} beyond the data; how wrong the form of the law is so far out is "
            "assumed here, not measured."
        )
    if of_form > _MOSTLY:
        notes.append(
            f"{format_percent(of_form)} of the variance at the target stands for a wrong form of the law, which only "
            "runs nearer to the target narrow, not more runs."
        )
    if len(fit.replicates) < _FEW_REPLICATES:
        notes.append(f"Only {len(fit.replicates)} replicates: what each run teaches is rough.")
    if lost:
        notes.append(f"{format_percent(lost)} of the replicates have no forecast at the target and are left out.")
    for way in ways.values():
        if way.failed:
            notes.append(f"{way.name}: {format_plural(way.failed, 'refit')} of {len(way.error)} gave no forecast.")
    return notes
