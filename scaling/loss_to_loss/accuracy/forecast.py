"""Forecast an accuracy: at a measured loss, or from compute by way of the loss, with the error of every step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_count, format_factor, format_number
from scaling.loss_to_loss.forecast import MEASURED, PREDICTED
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.results import Fit

_INSIDE = 1.05  # factors below it are no extrapolation


@dataclass(frozen=True)
class AccuracyForecast:
    """The accuracy at a target, and what it rests on.

    Parameters
    ----------
    accuracy, low, high : float
        1 - error, and its interval, both within 0 and 1; NaN where a law has no value.
    loss, loss_low, loss_high : float
        The loss in between, nats/token; of one that was measured both ends are the loss itself.
    inputs : dict of str to float
        Where the first law was asked: N, D and for a budget C.
    level : float
        Nominal coverage.
    kind : {'run', 'curve'}
        Whether the interval is for a new run, or for the laws' own curves.
    extrapolation_factor : float
        How far the target lies beyond the data of the first law; with a measured loss, beyond those of the accuracy.
    loss_extrapolation_factor : float
        How far the loss lies beyond the losses that the law of the accuracy was fitted to.
    question : str
        ``x measured`` or ``x predicted``: whether the error of the loss is in the interval.
    steps : tuple of str
        The way from target to accuracy in words, one step each.
    method, verdict : str
        How the interval was made, and the worst verdict of the fits or ``extrapolating x37``.
    notes : tuple of str
        What the back-tests say, ends that were cut at 0 or 1, and parts of the way where a law has no value.
    """

    accuracy: float
    low: float
    high: float
    loss: float
    loss_low: float
    loss_high: float
    inputs: dict[str, float]
    level: float
    kind: str
    extrapolation_factor: float
    loss_extrapolation_factor: float
    question: str
    steps: tuple[str, ...]
    method: str
    verdict: str
    notes: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "inputs": dict(self.inputs),
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "loss": self.loss,
            "loss_low": self.loss_low,
            "loss_high": self.loss_high,
            "level": self.level,
            "kind": self.kind,
            "extrapolation_factor": self.extrapolation_factor,
            "loss_extrapolation_factor": self.loss_extrapolation_factor,
            "question": self.question,
            "steps": list(self.steps),
            "verdict": self.verdict,
            "method": self.method,
            "notes": list(self.notes),
        }


def forecast_accuracy(
    loss_fit: Fit | None,
    accuracy_fit: Fit,
    target: Mapping[str, float],
    level: float = 0.9,
    kind: str = "run",
    *,
    map_fit: Fit | None = None,
    compute_flop: float | None = None,
    seed: int = 0,
    force: bool = False,
) -> AccuracyForecast:
    """Forecast the accuracy on a task.

    Parameters
    ----------
    loss_fit : Fit or None
        Of a law of the loss. None where the loss of the target was measured.
    accuracy_fit : Fit
        Of `scaling.loss_to_loss.fit_accuracy`, or of any law of one loss whose output is a share of wrong answers.
    target : mapping of str to float
        Inputs of the law of the loss, such as N and D; or ``{"C": flop}``, a budget that is split as that law has it
        best; or, with a measured loss, that of the law of the accuracy, ``{"x": 2.13}``.
    level : float, default 0.9
        Nominal coverage.
    kind : {'run', 'curve'}, default 'run'
        As of `scaling.downstream.chain`.
    map_fit : Fit, optional
        A map from the loss of `loss_fit`, on another corpus, to that of `accuracy_fit`: three steps in all.
    compute_flop : float, optional
        Training compute of a run whose loss was measured, FLOP; the extrapolation factor is then the larger of that in
        budgets and that in losses.
    seed : int, default 0
        Of what is drawn.
    force : bool, default False
        Answer even where a verdict is ``not identified``.

    Returns
    -------
    AccuracyForecast

    Raises
    ------
    UsageError
        For fits that do not go together, and a budget for a law without N and D.
    VerdictError
        Where a law is not identified, or the task is at chance or its error rises, and `force` is not set.
    InputDataError
        For bad targets.

    Notes
    -----
    The laws of an error are not bounded by themselves, and neither are their intervals: what lies beyond 0 or 1 is cut
    there, and the notes say so.
    """
    _check_error(accuracy_fit)
    if loss_fit is None:
        if map_fit is not None:
            raise UsageError(
                "a map of losses needs a law of the loss that it starts from", hint="Give loss_fit as well."
            )
        return _measured(accuracy_fit, target, level, kind, compute_flop, force)
    from scaling.downstream import chain

    first, steps = loss_fit, []
    inputs, said = split_budget(loss_fit, target, level, force)
    steps += said
    if map_fit is not None:
        from scaling.loss_to_loss.translation.translate import translate

        first = translate(loss_fit, map_fit, seed=seed)
        steps.append(f"loss by the law {loss_fit.law.name}")
        steps.append(f"loss on the other corpus by the map {map_fit.law.name}")
    else:
        steps.append(f"loss by the law {loss_fit.law.name}")
    steps.append(f"error by the law {accuracy_fit.law.name}, accuracy = 1 - error")
    at = {name: inputs[name] for name in inputs if name != "C" or "C" in first.law.inputs}
    found = chain(first, accuracy_fit, at, level, kind, seed, force)
    notes = [f"loss: {found.backtest}"] if found.backtest else []
    notes += [_of_the_error(found.then_backtest)] if found.then_backtest else []
    notes += _below_floor(accuracy_fit, found.loss, found.loss_low)
    return _as_accuracy(
        found.mean, found.low, found.high, notes,
        loss=found.loss, loss_low=found.loss_low, loss_high=found.loss_high, inputs=inputs, level=level, kind=kind,
        extrapolation_factor=found.extrapolation_factor, loss_extrapolation_factor=found.loss_extrapolation_factor,
        question=PREDICTED, steps=tuple(steps), method=found.method, verdict=found.verdict,
    )  # fmt: skip


def _measured(
    fit: Fit, target: Mapping[str, float], level: float, kind: str, compute_flop: float | None, force: bool
) -> AccuracyForecast:
    """Forecast at a loss that was seen."""
    [name] = fit.law.inputs
    if set(target) != {name}:
        raise InputDataError(
            f"with a measured loss the target is {name}, and not {', '.join(target) or 'nothing'}",
            hint="Give a law of the loss as well, to start from a size or a budget.",
        )
    loss = float(target[name])
    said = fit.predict({name: loss}, level=level, kind=kind, force=force)
    about = fit.settings.get("accuracy", {})
    factor, verdict, tested = float(said.extrapolation_factor), said.verdict, said.backtest
    if compute_flop is not None:
        if not (math.isfinite(compute_flop) and compute_flop > 0):
            raise InputDataError(f"a compute is a number above 0, not {compute_flop}")
        if about.get("largest_budget"):
            up, down = compute_flop / about["largest_budget"], about["smallest_budget"] / compute_flop
            factor = max(up, down, factor)  # a loss far off the usual one of its budget is far out too
            if fit.verdict != NOT_IDENTIFIED:
                verdict = f"extrapolating {format_factor(factor)}" if factor >= _INSIDE else fit.verdict
            if fit.backtest is not None:
                tested = fit.backtest.sentence(max(up, 1.0))
            if down >= _INSIDE:
                tested = (
                    f"No back-test is possible at {format_factor(down)} below the runs: no smaller run was held out."
                )
    return _as_accuracy(
        said.mean, said.low, said.high, [_of_the_error(tested), *_below_floor(fit, loss, loss)],
        loss=loss, loss_low=loss, loss_high=loss, inputs={name: loss}, level=level, kind=kind,
        extrapolation_factor=factor, loss_extrapolation_factor=float(said.extrapolation_factor), question=MEASURED,
        steps=(f"loss {format_number(loss)}, measured", f"error by the law {fit.law.name}, accuracy = 1 - error"),
        method=said.method, verdict=verdict,
    )  # fmt: skip


def split_budget(
    fit: Fit, target: Mapping[str, float], level: float = 0.9, force: bool = False
) -> tuple[dict[str, float], list[str]]:
    """Turn a budget into the size and the tokens that a law of the loss has best.

    Parameters
    ----------
    fit : Fit
        Of a law of N and D.
    target : mapping of str to float
        ``{"C": flop}``; any other is returned as it is.
    level : float, default 0.9
        As of `scaling.allocate`.
    force : bool, default False
        Likewise.

    Returns
    -------
    inputs : dict of str to float
        N, D and C.
    said : list of str
        The step in words; empty where nothing was split.

    Raises
    ------
    UsageError
        For a law of other inputs.
    """
    if set(target) != {"C"} or "C" in fit.law.inputs:
        return {k: float(v) for k, v in target.items()}, []
    if set(fit.law.inputs) != {"N", "D"}:
        raise UsageError(
            f"the law '{fit.law.name}' has the inputs {', '.join(fit.law.inputs)}, so a budget cannot be split between "
            "N and D by it",
            hint="Give its own inputs as the target.",
        )
    from scaling.allocation.allocate import allocate

    budget = float(target["C"])
    best = allocate(fit, budget, level=level, force=force)
    n, d = float(np.ravel(best.n_params)[0]), float(np.ravel(best.n_tokens)[0])
    said = (
        f"{format_number(budget)} FLOP at the compute-optimal split of {fit.law.name}: {format_count(n)} parameters on "
        f"{format_count(d)} tokens"
    )
    return {"N": n, "D": d, "C": budget}, [said]


def _of_the_error(tested: str) -> str:
    """Say of what a back-test of the error speaks: where the error was forecast too high, the accuracy was too low."""
    for way, other in (("high", "low"), ("low", "high")):
        tested = tested.replace(f"too {way} on average", f"too {way} on average, and so the accuracy too {other}")
    return f"accuracy{', by the errors in 1 - accuracy' if tested.startswith('Back-test') else ''}: {tested}"


def _below_floor(fit: Fit, loss: float, low: float) -> list[str]:
    """Say where the law of the error has no value: below the floor that its loss was given."""
    floor = fit.settings.get("accuracy", {}).get("floor_x", {})
    if floor.get("kind") != "given" or not low <= floor["value"]:
        return []
    edge = f"the floor {format_number(floor['value'])} of the law of the accuracy"
    if loss <= floor["value"]:
        return [
            f"Undefined: the loss {format_number(loss)} lies at or below {edge}. A form without a floor has a value."
        ]
    return [f"Part of the interval of the loss lies below {edge}, and has no part in that of the accuracy."]


def _as_accuracy(error: float, low: float, high: float, notes: list[str], **rest: Any) -> AccuracyForecast:
    """Turn an error into an accuracy, within 0 and 1."""
    ends = [1 - float(value) for value in (error, high, low)]
    cut = [min(max(end, 0.0), 1.0) if math.isfinite(end) else math.nan for end in ends]
    names = ("forecast", "low end", "high end")
    ways = [name for name, was, now in zip(names, ends, cut, strict=True) if math.isfinite(was) and was != now]
    if ways:
        notes = [*notes, f"Cut at 0 or 1, beyond which there is no accuracy: {', '.join(ways)}."]
    return AccuracyForecast(accuracy=cut[0], low=cut[1], high=cut[2], notes=tuple(notes), **rest)


def _check_error(fit: Fit) -> None:
    first, last = fit.support.get(fit.law.output, (math.nan, math.nan))
    if len(fit.law.inputs) != 1 or not (first >= 0 and last <= 1):
        raise UsageError(
            f"the fit of '{fit.law.name}' is not of a share of wrong answers over one loss, so it has no accuracy",
            hint="Fit one: scaling.loss_to_loss.fit_accuracy, scaling transfer accuracy.",
        )
