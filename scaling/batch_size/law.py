"""Fit the growth of the critical batch size: over training tokens, model size, both, or the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.law_design import ARGUMENTS, NEEDS, choose_law, concern_of, read_design, read_inputs
from scaling.batch_size.law_points import Points, read_points
from scaling.batch_size.law_result import RECORD, CriticalLaw
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_percent, format_plural
from scaling.inputs import as_number
from scaling.verdicts import WEAK

if TYPE_CHECKING:
    from scaling.batch_size.law_design import Design
    from scaling.fitting.bootstrap import Replicates
    from scaling.laws.law import Law
    from scaling.results import Fit

Array = NDArray[np.float64]

_SPARE_FOR_SCATTER = 3  # points beyond parameters that the law's own scatter is taken from
_SPARE_FOR_FORECAST = 2  # the same for a verdict at all, where every point brings its own error


def fit_critical_law(
    critical: ArrayLike | Sequence[Any],
    *,
    n_params: ArrayLike | None = None,
    n_tokens: ArrayLike | None = None,
    loss: ArrayLike | None = None,
    law: str | None = None,
    replicates: ArrayLike | None = None,
    overhead: float | None = None,
    anchor: float | None = None,
    unit: str | None = None,
    tokens_per_sample: float | None = None,
    groups: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> CriticalLaw:
    """Fit a law of the critical batch size.

    Parameters
    ----------
    critical : sequence of StepsFit or CriticalBatch, or array_like (m,)
        The critical batches. Of fits of the steps to a target they are worked out by `overhead` and `anchor`, with
        their replicates; numbers are taken as they are, and `overhead` and `anchor` say what they mean.
    n_params, n_tokens, loss : array_like (m,), optional
        Parameters, training tokens and loss (nats/token) of each. Give what is known, even where the law needs less:
        whether size and tokens vary apart decides what a law of one of them means.
    law : {'critical_batch', 'critical_batch_params', 'critical_batch_joint', 'critical_batch_loss'}, optional
        By the design where missing; see `scaling.batch_size.law_design.choose_law`.
    replicates : array_like (R, m), optional
        Bootstrap replicates of critical batches that are given as numbers; a row is one joint draw.
    overhead : float, optional
        Tokens beyond linear scaling at the critical batch, as a share (0.2 in arXiv:2410.21676). Missing, the critical
        batch is b/a of the steps to the target (arXiv:1812.06162).
    anchor : float, optional
        The batch that scaling is linear from, in `unit`; far below critical where missing.
    unit : {'tokens', 'sequences', 'samples'}, optional
        Of the critical batches and the anchor.
    tokens_per_sample : float, optional
        Context length. With it the law is fitted in tokens a step, as those of the book, whatever `unit` is.
    groups : array_like (m,), optional
        Cluster of each point, such as its model: points of one are no independent draws. Not with replicates.
    bootstrap : int, default 1000
        Replicates, where the points bring none.
    seed : int, default 0
        Recorded.

    Returns
    -------
    CriticalLaw

    Raises
    ------
    InputDataError
        For numbers that cannot be used, or inputs that do not vary.
    UsageError
        For settings that do not go together.
    VerdictError
        For the joint law where size and tokens grow together.

    Notes
    -----
    Squares of log residuals are minimised, every point counted once. Where the points bring replicates, each of them
    is fitted anew (a residual bootstrap in two stages), and where the points scatter around the law by more than their
    own errors explain, a normal draw of the excess is added to each point of each replicate. The excess is the mean
    square of the residuals less what the errors of the points lead one to expect (method of moments).

    Examples
    --------
    >>> found = fit_critical_law([700.0, 1000, 1500, 2000, 2800], n_tokens=[1e9, 2e9, 4e9, 8e9, 16e9], bootstrap=0)
    >>> round(found.estimates["q"], 3)
    0.5
    """
    order, noise = np.random.SeedSequence(seed).spawn(2)
    points = read_points(critical, replicates, overhead, anchor, unit, order)
    inputs = read_inputs({"N": n_params, "D": n_tokens, "L": loss}, len(points.critical))
    design = read_design(inputs)
    name = choose_law(law, inputs, design)
    record: dict[str, Any] = {"unit": points.unit, "tokens_per_sample": _length(tokens_per_sample)}
    if points.unit != "tokens" and tokens_per_sample is not None:
        points = points.in_tokens(float(tokens_per_sample))
    if groups is not None and len(points.replicates):
        raise UsageError(
            "the points bring replicates, so there is nothing to resample by groups",
            hint="Give groups, or replicates, and not both.",
        )
    chosen = _law_in(name, points.unit)
    columns = {key: inputs[key] for key in NEEDS[name]}
    own = bool(len(points.replicates))
    from scaling.fitting.fit import fit as fit_law

    made = fit_law(
        chosen, columns, points.critical, objective="squared", groups=groups, seed=seed,
        bootstrap=0 if own else bootstrap, resample=None if groups is not None else "residual",
    )  # fmt: skip
    holds = _held_without(made)
    if own:
        made, holds = _two_stages(made, columns, points, noise)
    record |= {
        "fit_unit": points.unit, "overhead": points.overhead, "anchor": points.anchor,
        "convention": points.convention, "design": design.to_dict(), "interval_holds": holds, "rows": points.rows,
    }  # fmt: skip
    made = _with_concern(made, name, inputs, design)
    clusters = None if groups is None else np.asarray(groups)
    return CriticalLaw(replace(made, settings={**made.settings, RECORD: record}), points, inputs, clusters)


def restore(fit: Fit) -> CriticalLaw:
    """Put a law together again from the fit that was saved of it.

    Parameters
    ----------
    fit : Fit
        Of `CriticalLaw.fit`.

    Returns
    -------
    CriticalLaw
        Without its points, and so without `CriticalLaw.held_out_largest`.

    Raises
    ------
    InputDataError
        For a fit of something else.
    """
    if RECORD not in fit.settings:
        raise InputDataError(f"this fit of '{fit.law.name}' is no law of a critical batch size")
    return CriticalLaw(fit)


def refit_without(law: CriticalLaw, row: int) -> CriticalLaw:
    """Fit a law again without one of its points.

    Parameters
    ----------
    law : CriticalLaw
        With its points.
    row : int
        Of the point.

    Returns
    -------
    CriticalLaw
    """
    assert law.points is not None
    left = law.points.without(row)
    inputs = {ARGUMENTS[name]: np.delete(values, row) for name, values in law.inputs.items()}
    groups = None if law.groups is None else np.delete(law.groups, row)
    again = fit_critical_law(
        left.critical, law=law.fit.law.name, unit=left.unit, overhead=left.overhead, anchor=left.anchor,
        replicates=left.replicates if len(left.replicates) else None, tokens_per_sample=law.record["tokens_per_sample"],
        bootstrap=int(law.fit.settings["bootstrap"]), seed=law.fit.seed,
        groups=groups if groups is not None and len(np.unique(groups)) > 1 else None, **inputs,
    )  # fmt: skip
    record = {**again.record, **{key: law.record[key] for key in ("unit", "anchor", "convention")}}
    return replace(again, fit=replace(again.fit, settings={**again.fit.settings, RECORD: record}))


def refit_points(made: Fit, inputs: Mapping[str, Array], observed: Array) -> Replicates:
    """Fit a law to other observations at the same inputs, many at once.

    Parameters
    ----------
    made : Fit
        The law at its estimates, by an objective without weights.
    inputs : mapping of str to ndarray (m,)
        Natural units.
    observed : ndarray (R, m)
        One problem a row.

    Returns
    -------
    Replicates
        Natural units.
    """
    from scaling.fitting.bootstrap import Replicates
    from scaling.fitting.checks import bounds_of, check_rows, make_problem

    rows = check_rows(made.law, inputs, observed[0], made.objective, None, None)
    problem = make_problem(made.law, rows, made.objective, bounds_of(made.law, made.support))
    start = np.broadcast_to(problem.kernel.to_internal(made.theta[None]), (len(observed), len(made.theta))).copy()
    found = replace(problem, observed=observed).solve(start, np.ones_like(observed), far=False)
    at_bound = np.any((found.theta <= problem.low) | (found.theta >= problem.high), axis=1)
    natural = problem.kernel.to_natural(found.theta)
    return Replicates(natural, float(found.converged.mean()), float(at_bound.mean()))


def _two_stages(
    made: Fit, inputs: Mapping[str, Array], points: Points, noise: np.random.SeedSequence
) -> tuple[Fit, str]:
    """Give a law the replicates that those of its points lead to, and say what they hold."""
    m, p = made.n_obs, len(made.theta)
    drawn = np.log(points.replicates)
    without = f", without the {format_percent(points.lost)} in which one had no end" if points.lost else ""
    holds = f"it holds the error of each critical batch{without}"
    if m - p < _SPARE_FOR_SCATTER:
        holds += f"; how far critical batches scatter around the law, {m} of them do not tell, so that is not in it"
    else:
        design = np.stack([np.ones(m), *(np.log(v) for v in inputs.values())], axis=1)
        left = np.eye(m) - design @ np.linalg.pinv(design)
        expected = float(np.trace(left @ np.cov(drawn, rowvar=False))) / (m - p)
        seen = float(np.sum(made.residuals**2)) / (m - p)
        excess = max(seen - expected, 0.0) ** 0.5
        drawn = drawn + excess * np.random.default_rng(noise).standard_normal(drawn.shape)
        told = f"{format_number(seen**0.5, 2)} in ln B, where their errors alone make one expect "
        told += format_number(expected**0.5, 2)
        if excess:
            holds += f", and the scatter of the law itself, {format_number(excess, 2)}: they lie {told} from it"
        else:
            holds += f"; around the law they scatter by no more than that ({told}), so nothing is added"
    found = refit_points(made, inputs, np.exp(drawn))
    known = replace(
        made.diagnostics, replicates=len(found.theta), replicates_converged=found.converged,
        replicates_at_bound=found.at_bound,
    )  # fmt: skip
    if m - p >= _SPARE_FOR_FORECAST and not known.enough_rows:
        # The points are no single runs: each rests on a sweep of its own and brings its error.
        known = replace(known, enough_rows=True, enough_points=True)
        word = f"The law has {format_plural(p, 'parameter')} and rests on {format_plural(m, 'critical batch size')}: "
        word += "that it is a power law at all is hardly tested."
        known = replace(known, concerns=((WEAK, word), *known.concerns))
    settings = {**made.settings, "bootstrap": len(found.theta), "resample": "residual", "interval": "percentile"}
    return replace(made, replicates=found.theta, diagnostics=known, settings=settings), holds


def _held_without(made: Fit) -> str:
    """Say what the intervals of a law hold whose points bring no replicates."""
    if made.diagnostics.groups:
        return "it holds how the law differs between draws of the groups, with whatever error the points of each share"
    return "it holds the scatter of the critical batches around the law; an error that all of them share is not in it"


def _with_concern(made: Fit, name: str, inputs: Mapping[str, Array], design: Design) -> Fit:
    said = concern_of(name, inputs, design)
    if not said:
        return made
    return replace(made, diagnostics=replace(made.diagnostics, concerns=(*made.diagnostics.concerns, (WEAK, said))))


def _law_in(name: str, unit: str) -> Law:
    """Find a law, with its batch in a unit other than that of the book where it is."""
    from scaling.laws.book import find_law

    law = find_law(name)
    return law if unit == "tokens" else replace(law, unit=f"{unit} a step", published=())


def _length(tokens_per_sample: float | None) -> float | None:
    if tokens_per_sample is None:
        return None
    length = as_number(tokens_per_sample)
    if not 0 < length < np.inf:
        raise UsageError(f"a sample of {tokens_per_sample} tokens is none", hint="Give the context length.")
    return length
