"""Answers about the allocation of compute as rows and as sentences: exact for programs, rounded for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.rows import allocation_shown, with_interval
from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)

if TYPE_CHECKING:
    from scaling.allocation.allocate import Allocation, Untied
    from scaling.allocation.cost import CostModel
    from scaling.allocation.decision import Decision
    from scaling.allocation.hardware import Hardware
    from scaling.results import Fit

Row = dict[str, Any]
NEVER = "never"
_FEW_BUDGETS = 4
_REACHING = ", but that N and D reach to the optima of the laws named"
_TIMED = ("training_flop", "compute_flop", "optimal_flop", "deadweight_flop")
_HEADS = {
    "n_params": "params",
    "n_tokens": "tokens",
    "compute_flop": "compute (FLOP)",
    "training_flop": "of it training",
    "tokens_per_param": "tokens/param",
    "optimal_flop": "least for that loss",
    "deadweight_flop": "deadweight (FLOP)",
    "deadweight_share": "deadweight",
    "optimal_n_params": "optimal params",
    "optimal_n_tokens": "optimal tokens",
    "loss_at_optimum": "loss, same compute at best",
    "size_factor": "size",
    "n_tokens_needed": "tokens needed",
    "tokens_factor": "times the tokens",
    "compute_factor": "times the compute",
}
_SPANLESS = ("optimal_n_params", "optimal_n_tokens", "loss_at_optimum", "training_flop", "optimal_flop")


def answer_rows(
    name: str, fit: Fit, answer: Allocation | Decision, cost: CostModel, hardware: Hardware | None
) -> list[Row]:
    """Return an answer as rows for programs.

    Parameters
    ----------
    name : str
        Of the fit.
    fit : Fit
        The law behind it.
    answer : Allocation or Decision
        From `scaling.allocation.questions.ask`.
    cost : CostModel
        What was counted.
    hardware : Hardware, optional
        Turns FLOP into device hours and money.

    Returns
    -------
    list of dict
        With the cost model, the count of parameters, the interval method, both verdicts, and the objective, the number
        of rows and the seed of the fit in every row.
    """
    question = getattr(answer, "question", "best split of a budget")
    head = {"fit": name, "question": question, "cost": answer.cost, "params_are": answer.counts}
    tail = {
        "level": answer.level,
        "method": answer.method,
        "verdict": answer.verdict,
        "fit_verdict": fit.verdict,
    } | {key: value for key, value in fit_about(name, fit).items() if key != "fit"}
    return [head | row | _other_count(row, cost) | _work(row, hardware) | tail for row in answer.rows()]


def answer_shown(
    fit: Fit, answer: Allocation | Decision, cost: CostModel, hardware: Hardware | None, *, whole_curve: bool = False
) -> list[Row]:
    """Return an answer as rows for people; the arguments are those of `answer_rows`.

    `whole_curve` shows the joint band of all budgets in place of the interval of each.
    """
    from scaling.allocation.allocate import Allocation

    if isinstance(answer, Allocation):
        shown = _curve_shown(fit, answer) if whole_curve else allocation_shown(fit, answer)
    else:
        shown = [_decision_row(fit, answer, i) for i in range(len(answer.extrapolation_factor))]
    extra = [_other_count(row, cost) | _work(row, hardware) for row in answer.rows()]
    return [
        row | {_words(k): _number(k, v) for k, v in more.items() if not k.startswith("optimal_")}
        for row, more in zip(shown, extra, strict=True)
    ]


def answer_notes(
    answer: Allocation | Decision, cost: CostModel, hardware: Hardware | None, *, whole_curve: bool = False
) -> list[str]:
    """Return the sentences that belong to an answer: cost model, intervals, extrapolation, assumptions."""
    from scaling.allocation.allocate import Allocation
    from scaling.allocation.cost import SIX_N_D

    cost_text = "C = 6 N D" if cost == SIX_N_D else f"C = {answer.cost}"
    lines = [
        f"{cost_text}; N counts parameters {answer.counts}."
        if answer.counts.startswith("as ")
        else f"{cost_text}; N counts {answer.counts}."
    ]
    if isinstance(answer, Allocation):
        lines.append(f"Intervals of the optimum: {answer.method}; the scatter of single runs is not in them.")
        lines.append(form_note(answer))
        lines += rival_lines(answer)
        lines += _growth(answer, whole_curve)
    else:
        lines.append(_decision_method(answer))
        lines += answer.notes
        lines += [f"Weak: {reason}" for reason in answer.reasons]
    lines += dict.fromkeys(answer.backtest[i] for i in _some(len(answer.backtest)))
    if hardware is not None:
        lines.append(f"Hours and money: {hardware.label}.")
    if "below" in answer.beyond:
        lines.append("There are no runs that small: the law is extrapolated downward, below the data.")
    return lines


def fit_about(name: str | None, fit: Fit | None) -> Row:
    """Return which fit an answer rests on, for programs; None for published coefficients."""
    if fit is None:
        return {"fit": None, "law": None, "objective": None, "n_rows": None, "seed": None}
    return {"fit": name, "law": fit.law.name, "objective": str(fit.objective), "n_rows": fit.n_obs, "seed": fit.seed}


def fit_line(name: str, fit: Fit) -> str:
    """Say which fit an answer rests on: its law, objective, rows and seed."""
    rows = format_plural(fit.n_obs, "row")
    seed = "" if len(fit.replicates) else f"; seed {fit.seed}"  # the method of replicates ends with theirs
    return f"Fit {name}: {fit.law.name}, {fit.objective}, {rows}; intervals: {fit.interval_method}{seed}."


def form_note(plan: Allocation) -> str:
    """Say what the intervals of an allocation know of the form of the law."""
    n_and_d = "Intervals of N and D take the form of the law as true"
    if "stretched to" in plan.method:
        n_and_d += ", but for reaching to the optima of the laws named"
    if plan.loss_method and not plan.method.startswith(plan.loss_method):
        said = f"{n_and_d}; that of the loss is the forecast's for the curve there: {plan.loss_method}."
    else:
        said = f"{n_and_d}, and so does that of the loss."
    return " ".join([said, *(f"Weak: {reason}" for reason in plan.reasons)])


def _decision_method(answer: Decision) -> str:
    """Say how the intervals of a decision were made, that of the loss apart where it is that of a forecast."""
    names = [name for name in answer.found if not name.startswith("loss")]
    form = "and they take the form of the law as true"
    if answer.loss_method in ("", answer.method):
        return f"Intervals: {answer.method}; the scatter of single runs is not in them, {form}."
    of_loss = f"that of the loss is the forecast's for the curve there: {answer.loss_method}."
    if not names:
        return f"The scatter of single runs is not in the interval; {of_loss}"
    return f"Intervals: {answer.method}; the scatter of single runs is not in them, {form}; {of_loss}"


def rival_lines(plan: Allocation) -> list[str]:
    """Say where the rivals put the optimum, and the law without its tie, at the first and the last of many budgets."""
    lines = [_untied_line(plan, plan.untied, i) for i in _some(len(plan.compute_flop)) if plan.untied is not None]
    for i in _some(len(plan.compute_flop)) if plan.rivals else ():
        at = [
            f"{r.law} (weight {format_number(r.weight, 2)}) "
            + (
                "has no optimum"
                if math.isnan(float(r.n_params[i]))
                else f"{format_count(float(r.n_params[i]))} on {format_count(float(r.n_tokens[i]))} tokens, "
                f"loss {format_number(float(r.loss[i]))}"
            )
            for r in plan.rivals
        ]
        lines.append(f"Rivals' own optima at {format_number(float(plan.compute_flop[i]))} FLOP: {'; '.join(at)}.")
    return lines


def _untied_line(plan: Allocation, untied: Untied, i: int) -> str:
    row, level = untied.row(i), f"{100 * plan.level:g} %"
    n, d = (format_count(row[name]) for name in ("n_params", "n_tokens"))
    span = _span("n_params", row["n_params_low"], row["n_params_high"])
    a, spread = row["exponent_params"], format_interval(row["exponent_params_low"], row["exponent_params_high"])
    return (
        f"With the exponents estimated ({untied.law}, {untied.verdict}, on the same rows), at "
        f"{format_number(float(plan.compute_flop[i]))} FLOP: {n} ({level}: {span}) on {d} tokens, and the best N grows "
        f"as C^{format_number(a, 3)} ({level}: {spread})."
    )


def _some(count: int) -> Sequence[int]:
    """Return which of several answers notes are given for: all of a few, the first and the last of many."""
    return range(count) if count <= _FEW_BUDGETS else (0, count - 1)


def _growth(plan: Allocation, whole_curve: bool) -> list[str]:
    """Say how the optimum grows, what is joint, and how many replicates have none."""
    budgets = len(plan.compute_flop)
    lines = list(dict.fromkeys(_exponents(plan, i) for i in (0, budgets - 1)))  # once where they are the same
    if len(lines) == 2:
        lines = [f"At {format_number(float(plan.compute_flop[i]))} FLOP: {lines[i]}" for i in (0, -1)]
    if not math.isnan(float(plan.n_params_band[0][0])):
        lines.append(
            "At one budget N and D lie on one line, as the cost is fixed: their joint region is the piece of that line "
            "between the ends of N, where the larger N has the smaller D."
        )
        if budgets > 1:
            where = "The bands" if whole_curve else "The bands in the machine formats"
            lines.append(
                f"{where} hold N, D and the loss at all {format_plural(budgets, 'budget')} at once: the largest "
                f"deviation over the curve stays inside with {format_percent(plan.level)}. They are of the parameters "
                f"only, and take the form of the law as true{_REACHING if 'stretched to' in plan.method else ''}."
            )
    if (lost := float(max(plan.edge_share))) > 0:
        lines.append(
            f"Up to {format_percent(lost)} of the replicates have no optimum; the intervals are of the others."
        )
    return lines


def _exponents(plan: Allocation, i: int) -> str:
    low, high = (float(end[i]) for end in plan.exponent_params_interval)
    span = "" if math.isnan(low) else f" ({100 * plan.level:g} %: {format_interval(low, high)})"
    n, d = float(plan.exponent_params[i]), float(plan.exponent_tokens[i])
    if plan.exponents_fixed:
        return (
            f"The best N grows as C^{format_number(n, 3)}, the best D as C^{format_number(d, 3)}: the law fixes these "
            "exponents, they were not estimated."
        )
    return f"The best N grows as C^{format_number(n, 3)}{span}, the best D as C^{format_number(d, 3)}."


def _curve_shown(fit: Fit, plan: Allocation) -> list[Row]:
    span = f"{100 * plan.level:g} % band"
    return [
        {
            "compute (FLOP)": format_number(row["compute_flop"]),
            "params": format_count(row["n_params"]),
            f"params, {span}": _span("n_params", row["n_params_band_low"], row["n_params_band_high"]),
            "tokens": format_count(row["n_tokens"]),
            f"tokens, {span}": _span("n_tokens", row["n_tokens_band_low"], row["n_tokens_band_high"]),
            "tokens/param": format_number(row["tokens_per_param"], 3),
            fit.law.output: with_interval(row["loss"], row["loss_band_low"], row["loss_band_high"]),
            f"{fit.law.output}, {span}": format_interval(row["loss_band_low"], row["loss_band_high"]),
            "extrapolating": format_factor(row["extrapolation_factor"]),
        }
        for row in plan.rows()
    ]


def _decision_row(fit: Fit, answer: Decision, i: int) -> Row:
    span = f"{100 * answer.level:g} %"
    out: Row = {_head(fit, name): _number(name, float(values[i])) for name, values in answer.given.items()}
    for name, e in answer.found.items():
        head, (point, low, high) = _head(fit, name), (float(x[i]) for x in (e.point, e.low, e.high))
        if name == "training_flop" and math.isclose(point, float(answer.found["compute_flop"].point[i]), rel_tol=1e-9):
            continue  # all of it is training
        out[head] = with_interval(point, low, high) if name == "loss" else _number(name, point)
        if name not in _SPANLESS:
            out[f"{head}, {span}"] = _span(name, low, high)
    factor = float(answer.extrapolation_factor[i])
    return out | {"extrapolating": NEVER if math.isnan(factor) else format_factor(factor)}


def _head(fit: Fit, name: str) -> str:
    return fit.law.output if name == "loss" else _HEADS.get(name, name)


def _number(name: str, value: float) -> str:
    if math.isinf(value) and value > 0:
        return NEVER
    return _writer(name)(value)


def _writer(name: str) -> Callable[[float], str]:
    if name.startswith(("n_params", "n_tokens", "optimal_n_")):
        return format_count
    if name.endswith("_share"):
        return lambda value: format_percent(value, 3)
    if name == "size_factor":
        return lambda value: f"x{value:g}"
    if name.endswith("_factor"):
        return lambda value: format_number(value, 3)
    return format_number


def _span(name: str, low: float, high: float) -> str:
    """Write an interval of which an end may be "never"."""
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    if math.isinf(high) or name.startswith(("n_params", "n_tokens")):
        return NEVER if math.isinf(low) else f"{_number(name, low)} to {_number(name, high)}"
    if name.endswith("_share"):
        return f"{format_interval(100 * low, 100 * high)} %"
    return format_interval(low, high)


def _other_count(row: Mapping[str, Any], cost: CostModel) -> Row:
    """Count the parameters the other way, where it is known which way the law counts them."""
    other = cost.other_count(row["n_params"])
    return {} if other is None else {f"n_params_{other[0].replace('-', '_')}": float(other[1])}


def _work(row: Mapping[str, Any], hardware: Hardware | None) -> Row:
    """Turn FLOP into device hours and money."""
    if hardware is None:
        return {}
    out: Row = {}
    for name in _TIMED:
        if name not in row or (name == "compute_flop" and "training_flop" in row):
            continue
        what = name.removesuffix("_flop")
        out[f"{what}_device_hours"] = float(hardware.hours(row[name]))
        if hardware.price_per_hour is not None:
            out[f"{what}_price"] = float(hardware.money(row[name]))
    return out


def _words(name: str) -> str:
    return {
        "training_device_hours": "device hours",
        "training_price": "price",
        "compute_device_hours": "device hours",
        "compute_price": "price",
        "n_params_total": "params, total",
        "n_params_non_embedding": "params, non-embedding",
    }.get(name, name.replace("_", " "))
