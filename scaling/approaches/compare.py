"""Approaches 1, 2 and 3 to the compute-optimal model, next to each other on the same runs.

Three ways to the same numbers (Hoffmann et al. 2022, arXiv:2203.15556): the envelope of curves of loss against compute
(`scaling.approaches.envelope`), the vertices of isoFLOP parabolas (`scaling.approaches.isoflop`), and a fitted law of N
and D. Approach 2 always stands with the bias that its parabolas have on the very grid of these runs, and once more
without it (`scaling.approaches.isoflop_bias`). An approach that the runs do not determine is refused with its reason,
and the others stand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.surface import Surface, least_cost
from scaling.allocation.ties import tie_reasons
from scaling.approaches.budgets import Budgets, PowerCost, Refusal, group_budgets, measured_cost
from scaling.approaches.envelope import Envelope, fit_envelope
from scaling.approaches.isoflop import fit_isoflops
from scaling.approaches.isoflop_bias import corrected, design_shift, law_optimum
from scaling.approaches.isoflop_line import IsoFlop
from scaling.approaches.side_by_side import CORRECTED, ENVELOPE, ISOFLOP, LAW, Answer, Approaches
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.fitting.intervals import percentile_interval
from scaling.fitting.newton import Progress
from scaling.fitting.objective import Objective
from scaling.formatting import format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.results import Fit
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

Array = NDArray[np.float64]

_NOTABLE = 0.1  # a bias above this is said, even where it stays inside the interval
_MID_SCHEDULE = (
    "a checkpoint from the middle of a learning-rate schedule has a higher loss than a run planned for that length"
)
_ASKED = "they are used where they are asked for (--checkpoints, checkpoints=True)"
_NO_PRODUCT = 0.02  # from 1, in the sum of the exponents of N and D, even where its error is larger
_SEEN = 0.005  # the same, where its error is smaller
_NO_BUDGET = 0.05  # in ln(C): how far N and D may miss the budget unsaid


def compare_approaches(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    loss: ArrayLike,
    compute_flop: ArrayLike | None = None,
    *,
    at: ArrayLike,
    runs: ArrayLike | None = None,
    mid_schedule: ArrayLike | None = None,
    checkpoints: bool = False,
    law: str = "chinchilla",
    objective: str = "huber",
    residual: str = "log",
    curve: str = "quadratic",
    weighting: str = "equal",
    tolerance: float | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    force: bool = False,
    progress: Progress | None = None,
) -> Approaches:
    """Carry out approaches 1, 2 and 3 on the same runs.

    Parameters
    ----------
    n_params, n_tokens, loss : array_like (n,)
        The runs.
    compute_flop : array_like (n,), optional
        Their compute, or the nominal budget that they belong to; 6 N D by default.
    at : float or array_like (k,)
        Budgets to give the optimum at, FLOP, in the measure of `compute_flop`.
    runs : array_like (n,), optional
        Which run a row belongs to, where there are several checkpoints of a run. Without `checkpoints` only the row
        with the most tokens of each is used.
    mid_schedule : array_like of bool (n,), optional
        Rows that are known to lie before the end of their learning-rate schedule. Approach 1 leaves them out unless
        `checkpoints` is set; the others keep them and say so.
    checkpoints : bool, default False
        Use every row of every run.
    law : str, default 'chinchilla'
        Law of N and D of approach 3.
    objective, residual : str
        As of `scaling.fit`.
    curve, weighting : str
        As of `scaling.approaches.isoflop.fit_isoflops`.
    tolerance : float, optional
        As of `scaling.approaches.budgets.group_budgets`.
    bootstrap : int, default 1000
        Replicates of each approach; 0 for none and no intervals.
    seed : int, default 0
        Of the bootstraps.
    level : float, default 0.95
        Nominal coverage of the intervals.
    force : bool, default False
        Use the law of approach 3 even where it is not identified.
    progress : callable, optional
        As of `scaling.fit`.

    Returns
    -------
    Approaches

    Raises
    ------
    InputDataError
        For values that are not positive, or lengths that differ.
    UsageError
        For budgets, levels or words that make no sense, or a law of other inputs than N and D.

    Notes
    -----
    The bias is known as well as the law is. Its replicates are those of the law's own bootstrap, taken off the
    replicates of the vertices one by one as if the two were independent.
    """
    check_level(level)
    flops = _check_flops(at)
    n, d, y = (np.atleast_1d(np.asarray(v, float)) for v in (n_params, n_tokens, loss))
    c = None if compute_flop is None else np.atleast_1d(np.asarray(compute_flop, float))
    if any(v.shape != n.shape for v in (d, y, *([] if c is None else [c]))):
        raise InputDataError("N, D, C and the loss must have one value a row each")
    early = np.zeros(len(n), dtype=bool) if mid_schedule is None else np.asarray(mid_schedule, bool)
    labels = np.arange(len(n)).astype(str) if runs is None else np.asarray(runs).astype(str)
    if labels.shape != n.shape or early.shape != n.shape:
        raise InputDataError("runs and mid_schedule must have one value a row each")
    n_all, n_runs = len(n), len(np.unique(labels))
    several = n_all > n_runs
    notes: list[str] = []
    if several and not checkpoints:
        kept = _last_rows(labels, d)
        n, d, y, early, labels = n[kept], d[kept], y[kept], early[kept], labels[kept]
        c = None if c is None else c[kept]
        left = format_plural(n_all - n_runs, "earlier checkpoint")
        notes.append(f"The last row of each of {format_plural(n_runs, 'run')} is used; {left} left out.")
    warning: tuple[str, ...] = ()
    if several and checkpoints:
        warning = (f"Checkpoints are used, {n_all} of {format_plural(n_runs, 'run')}: {_MID_SCHEDULE}.",)
    elif early.any():
        share = f"{int(early.sum())} of {format_plural(len(n), 'row')}"
        warning = (f"{share} lie before the end of their run's schedule: {_MID_SCHEDULE}.",)
    clusters = labels if several and checkpoints else None

    budgets = group_budgets(n, d, c, tolerance)
    cost = measured_cost(n, d, c)
    notes.append(f"Budgets: {budgets.rule}; {format_plural(len(budgets.compute_flop), 'budget')}.")
    envelope = _envelope(n, d, y, c, labels, early, several, checkpoints, bootstrap, seed, level)
    shared: dict[str, Any] = {"curve": curve, "weighting": weighting}
    drawn: dict[str, Any] = {"groups": clusters, "bootstrap": bootstrap, "seed": seed, "level": level}
    optima = {
        quantity: fit_isoflops(sizes, y, budgets, quantity=quantity, **shared, **drawn)
        for quantity, sizes in (("N", n), ("D", d))
    }
    fitted, refusal = _law(law, n, d, y, flops, cost, objective, residual, clusters, bootstrap, seed, force, progress)
    usable = fitted if refusal is None else None
    fixed: dict[str, IsoFlop] = {}
    bias = np.full((2, len(flops)), np.nan)
    if usable is not None:
        for i, quantity in enumerate(("N", "D")):
            fixed[quantity], bias[i] = _without_bias(usable, n, d, budgets, optima[quantity], cost, flops, shared)
    doubt: tuple[str, ...] = ()
    if usable is not None and usable.verdict != OK:
        doubt = (f"The law that tells the bias is {usable.verdict}: see approach 3.",)
    answers: tuple[Answer, ...] = (
        _of_envelope(envelope, flops, () if envelope.refusal else warning),
        _of_isoflops(ISOFLOP, optima, fixed, flops, bias, cost, warning),
        _of_isoflops(CORRECTED, fixed, {}, flops, np.full_like(bias, np.nan), cost, (*warning, *doubt)),
        _of_law(fitted, refusal, cost, flops, level, warning),
    )
    if usable is not None:
        answers = tuple(_with_deadweight(one, usable, cost, flops) for one in answers)
    span = np.log(c if c is not None else FLOP_PER_PARAMETER_TOKEN * n * d)
    beyond = np.exp(np.maximum(np.maximum(np.log(flops) - span.max(), span.min() - np.log(flops)), 0.0))
    return Approaches(
        flops, beyond, answers, envelope, optima, fixed, fitted, budgets, cost, level, seed, len(n), tuple(notes),
        law=law, objective=str(Objective.parse(objective, residual)) if fitted is None else str(fitted.objective),
        bootstrap=bootstrap,
    )  # fmt: skip


def _envelope(
    n: Array,
    d: Array,
    y: Array,
    c: Array | None,
    labels: NDArray[np.str_],
    early: NDArray[np.bool_],
    several: bool,
    checkpoints: bool,
    bootstrap: int,
    seed: int,
    level: float,
) -> Envelope:
    settings: dict[str, Any] = {"bootstrap": bootstrap, "seed": seed, "level": level}
    if several and checkpoints:
        return fit_envelope(n, d, y, c, curves=labels, **settings)
    keep = np.ones(len(n), dtype=bool) if checkpoints else ~early
    if not keep.any():
        every = f"all {format_plural(len(n), 'row')} lie before the end of a schedule, and {_MID_SCHEDULE}"
        # One row has no curve, so that this envelope is empty.
        none = fit_envelope(n[:1], d[:1], y[:1], None if c is None else c[:1], **settings)
        return replace(_refused_envelope(none, Refusal("needs_checkpoints", f"{every}; {_ASKED}.")), n_rows=0)
    out = fit_envelope(n[keep], d[keep], y[keep], None if c is None else c[keep], **settings)
    if out.refusal is None or checkpoints or not (several or early.any()):
        return out
    if several:
        offer = f"The checkpoints of the runs would give curves, but {_MID_SCHEDULE}"
    else:
        offer = f"{format_plural(int(early.sum()), 'row')} from before the end of a schedule left out: {_MID_SCHEDULE}"
    reason = f"{out.refusal.reason}. {offer}; {_ASKED}."
    return _refused_envelope(out, Refusal("needs_checkpoints", reason))


def _refused_envelope(envelope: Envelope, refusal: Refusal) -> Envelope:
    return replace(envelope, refusal=refusal, reasons=(refusal.reason,))


def _law(
    law: str,
    n: Array,
    d: Array,
    y: Array,
    flops: Array,
    cost: PowerCost,
    objective: str,
    residual: str,
    clusters: NDArray[np.str_] | None,
    bootstrap: int,
    seed: int,
    force: bool,
    progress: Progress | None,
) -> tuple[Fit | None, Refusal | None]:
    from scaling.fitting.fit import fit
    from scaling.laws.book import find_law

    found = find_law(law, ("N", "D"))
    if set(found.inputs) != {"N", "D"}:
        raise UsageError(
            f"the law '{found.name}' has the inputs {', '.join(found.inputs)}, so there is nothing to allocate",
            hint="Approach 3 takes a law of N and D, such as chinchilla.",
        )
    try:
        out = fit(
            found, {"N": n, "D": d}, y, objective=objective, residual=residual, groups=clusters, bootstrap=bootstrap,
            seed=seed, progress=progress,
        )  # fmt: skip
    except InputDataError as error:
        return None, Refusal("no_fit", error.message)
    try:
        out.require_identified(force)
    except VerdictError:
        return out, Refusal("not_identified", " ".join(out.diagnostics.reasons))
    if np.any(np.isnan(law_optimum(out, flops, cost))):
        why = f"the law '{found.name}' has no compute-optimal split: its loss falls all the way to one side"
        return out, Refusal("no_optimum", why)
    return out, None


def _without_bias(
    fit: Fit,
    n: Array,
    d: Array,
    budgets: Budgets,
    optima: IsoFlop,
    cost: PowerCost,
    flops: Array,
    shared: dict[str, Any],
) -> tuple[IsoFlop, Array]:
    """Approach 2 corrected, and the relative error of the raw one at the budgets asked for."""
    settings: dict[str, Any] = {"quantity": optima.quantity, "cost": cost} | shared
    shift = design_shift(fit, n, d, budgets, **settings)[0]
    again = np.empty((0, len(shift)))
    if len(fit.replicates) and len(optima.vertex_replicates):
        again = design_shift(fit, n, d, budgets, **settings, theta=fit.replicates)
    out = corrected(optima, shift, again, f"the law '{fit.law.name}'")
    # The raw line minus the corrected one is what the grid alone does, at the budgets of the line and beyond.
    return out, np.asarray(optima.at(flops)[0] / out.at(flops)[0] - 1)


def _of_envelope(envelope: Envelope, flops: Array, warning: tuple[str, ...]) -> Answer:
    sizes = {quantity: np.stack(envelope.at(flops, quantity)) for quantity in ("N", "D")}
    ends = {quantity: envelope.exponent_interval(quantity) for quantity in ("N", "D")}
    verdict = WEAK if warning and envelope.verdict == OK else envelope.verdict
    reasons = (*(_sentence(reason) for reason in envelope.reasons), *warning)
    nothing = np.full((2, len(flops)), np.nan)
    return Answer(
        ENVELOPE, envelope.exponent_n, envelope.exponent_d, ends["N"], ends["D"], sizes["N"], sizes["D"], nothing,
        nothing[0], envelope.method, verdict, reasons, envelope.refusal,
    )  # fmt: skip


def _of_isoflops(
    name: str,
    optima: dict[str, IsoFlop],
    fixed: dict[str, IsoFlop],
    flops: Array,
    bias: Array,
    cost: PowerCost,
    warning: tuple[str, ...],
) -> Answer:
    if not optima:
        why = "the bias of the parabolas on this grid is not known, because approach 3 gives no law"
        return _refused(name, flops, Refusal("no_law", why), "none")
    of_n, of_d = optima["N"], optima["D"]
    of_tokens = [r for r in of_d.reasons if r.replace("tokens", "parameters") not in of_n.reasons]  # said once
    if refusal := of_n.refusal or of_d.refusal:  # half an answer is none: what is refused shows no numbers
        return replace(_refused(name, flops, refusal, of_n.method), reasons=(of_n if of_n.refusal else of_d).reasons)
    verdict = max((of_n.verdict, of_d.verdict), key=[OK, WEAK, NOT_IDENTIFIED].index)
    sizes = [np.stack(x.at(flops)) for x in (of_n, of_d)]
    extra = [*warning, *_product_reasons(of_n, of_d, flops, cost)]
    if name == ISOFLOP and not fixed:
        extra.append("Its bias on this grid is not known, because approach 3 gives no law.")
    elif name == ISOFLOP:
        extra += _bias_reasons(sizes[0], fixed["N"], flops, bias[0])
    verdict = WEAK if extra and verdict == OK else verdict
    return Answer(
        name, of_n.exponent, of_d.exponent, of_n.exponent_interval(), of_d.exponent_interval(), sizes[0], sizes[1],
        bias, np.full(len(flops), np.nan), of_n.method, verdict, (*of_n.reasons, *of_tokens, *extra), None,
    )  # fmt: skip


def _product_reasons(of_n: IsoFlop, of_d: IsoFlop, flops: Array, cost: PowerCost) -> list[str]:
    """Say where the optimal parameters and tokens, each from its own parabolas, do not cost the budget."""
    total = cost.power * of_n.exponent + of_d.exponent
    error = np.inf
    if of_n.interval_known and of_d.interval_known and of_n.replicates.shape == of_d.replicates.shape:
        # Both come from the same draws, so that what they share cancels.
        error = float(np.std(cost.power * of_n.replicates[:, 0] + of_d.replicates[:, 0]))
    product = cost.flop(of_n.at(flops)[0], of_d.at(flops)[0])
    off = np.abs(np.log(product / flops))
    if abs(total - 1) <= max(_SEEN, min(error, _NO_PRODUCT)) and off.max() <= _NO_BUDGET:
        return []
    worst = int(np.argmax(off))
    power = "a" if cost.power == 1 else f"{format_number(cost.power)} a"
    return [
        f"Its N and D do not multiply to the budget: {power} + b = {format_number(total, 4)}, and at "
        f"{format_number(float(flops[worst]))} FLOP {cost.label} comes to {format_number(float(product[worst]), 3)} "
        "FLOP. Each is a power law through vertices of its own."
    ]


def _bias_reasons(sizes: Array, fixed: IsoFlop, flops: Array, bias: Array) -> list[str]:
    """Say where the bias is large, or takes the corrected optimum out of the raw interval."""
    truth = fixed.at(flops)[0]
    out = []
    for i, flop in enumerate(flops.tolist()):
        if not np.isfinite(truth[i]):
            continue
        outside = truth[i] < sizes[1, i] or truth[i] > sizes[2, i]
        if outside or abs(np.log1p(bias[i])) > _NOTABLE:
            text = (
                f"At {format_number(flop)} FLOP its bias on this grid is {format_percent(float(bias[i]))} in parameters"
            )
            out.append(text + (", beyond its own interval." if outside else "."))
    return out


def _of_law(
    fit: Fit | None, refusal: Refusal | None, cost: PowerCost, flops: Array, level: float, warning: tuple[str, ...]
) -> Answer:
    if fit is None or refusal is not None:
        return _refused(LAW, flops, refusal or Refusal("no_fit", "there is no fit"), "none")
    # The exponent is that of the optimum about the middle of the budgets asked for; of chinchilla it is one everywhere.
    middle = float(np.exp(np.log(flops).mean()))
    wanted = np.concatenate([flops, [middle * np.e, middle / np.e]])
    theta = np.concatenate([fit.theta[None], fit.replicates])
    log_n = law_optimum(fit, wanted, cost, theta)
    log_d = cost.log_tokens(np.log(wanted), log_n)
    k = len(flops)
    a, b = (0.5 * (v[:, k] - v[:, k + 1]) for v in (log_n, log_d))
    nothing = np.full(k, np.nan)
    ends: list[tuple[float, float]] = [(float("nan"), float("nan"))] * 2
    sizes = [np.stack([np.exp(v[0, :k]), nothing, nothing]) for v in (log_n, log_d)]
    tied = tie_reasons(fit)  # exponents that the law fixes have no interval, for they are not estimated
    if len(fit.replicates):
        at = fit.percentile_level(level)
        for i, (slope, values) in enumerate(((a, log_n), (b, log_d))):
            if not tied:
                low, high = percentile_interval(slope[1:], at)
                ends[i] = (float(low), float(high))
            sizes[i][1:] = np.exp(percentile_interval(values[1:, :k], at))
    reasons = (*fit.diagnostics.reasons, *warning, *tied)
    verdict = WEAK if reasons and fit.verdict == OK else fit.verdict
    method = f"{fit.objective}; {fit.interval_method}" if len(fit.replicates) else f"{fit.objective}; no bootstrap"
    return Answer(
        LAW, float(a[0]), float(b[0]), ends[0], ends[1], sizes[0], sizes[1], np.full((2, k), np.nan), nothing, method,
        verdict, reasons, None,
    )  # fmt: skip


def _refused(name: str, flops: Array, refusal: Refusal, method: str) -> Answer:
    unknown, sizes = (float("nan"), float("nan")), np.full((3, len(flops)), np.nan)
    reason = _sentence(refusal.reason)
    return Answer(
        name, np.nan, np.nan, unknown, unknown, sizes, sizes, sizes[:2], sizes[0], method, NOT_IDENTIFIED, (reason,),
        refusal,
    )  # fmt: skip


def _with_deadweight(answer: Answer, fit: Fit, cost: PowerCost, flops: Array) -> Answer:
    """Add the share of each budget that the choice of parameters wastes under the law."""
    if answer.approach == LAW:
        return answer
    return replace(answer, deadweight=deadweight(fit, answer.n_params[0], flops, cost))


def deadweight(fit: Fit, n_params: ArrayLike, compute_flop: ArrayLike, cost: PowerCost | None = None) -> Array:
    """Work out what a choice of parameters wastes at a budget, if a law is right.

    Parameters
    ----------
    fit : Fit
        Of a law of N and D.
    n_params : array_like (k,)
        The choices; the tokens are what the budget leaves.
    compute_flop : array_like (k,)
        The budgets, FLOP.
    cost : PowerCost, optional
        6 N D by default.

    Returns
    -------
    ndarray (k,)
        1 - C'/C, with C' the compute that reaches the same loss when it is split best; 0 at the optimum, NaN where the
        choice or the optimum is not known.
    """
    cost = cost or PowerCost()
    flops = np.atleast_1d(np.asarray(compute_flop, float))
    n = np.broadcast_to(np.asarray(n_params, float), flops.shape)
    out = np.full(flops.shape, np.nan)
    known = np.isfinite(n) & np.isfinite(law_optimum(fit, flops, cost)[0])
    if known.any():
        surface = Surface.of(replace(fit, replicates=fit.replicates[:0]))
        log_n = np.log(n[known])
        reached = surface.loss(log_n, cost.log_tokens(np.log(flops[known]), log_n))
        log_cost = least_cost(surface, cost, reached)[2][0]
        out[known] = np.maximum(1 - np.exp(log_cost) / flops[known], 0.0)  # below zero by rounding alone
    return out


def _sentence(text: str) -> str:
    """Begin a reason with a capital and end it with a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _last_rows(labels: NDArray[np.str_], d: Array) -> NDArray[np.int64]:
    """Index of the row with the most tokens of each run, in the order of the rows."""
    last: dict[str, int] = {}
    for i, label in enumerate(labels.tolist()):
        if label not in last or d[i] > d[last[label]]:
            last[label] = i
    return np.array(sorted(last.values()), dtype=np.int64)


def _check_flops(at: ArrayLike) -> Array:
    try:
        flops = np.atleast_1d(np.asarray(at, float))
    except (TypeError, ValueError) as error:
        raise UsageError(f"a compute budget is not a number: {error}") from error
    if flops.ndim != 1 or not flops.size or not np.all(np.isfinite(flops) & (flops > 0)):
        raise UsageError("compute budgets must be positive numbers, in FLOP")
    return flops
