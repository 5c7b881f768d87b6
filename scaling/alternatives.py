"""The same rows under other objectives and other laws: how much of an answer is the analyst's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike

from scaling.errors import ScalingError
from scaling.fitting.objective import Objective
from scaling.laws.book import find_law, law_names
from scaling.laws.law import Law
from scaling.results import Fit

# Robust objectives on the fit's own scale, least squares on both: what published fits differ in.
_ROBUST, _SCALES = ("huber", "lad"), ("log", "linear")


@dataclass(frozen=True)
class Alternative:
    """Another way to fit the same rows.

    Parameters
    ----------
    label : str
        What differs: the objective, or the law.
    fit : Fit or None
        The fit; None where it was refused.
    refusal : str
        Why it was.
    """

    label: str
    fit: Fit | None = None
    refusal: str = ""


def alternatives(
    fit: Fit,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    bootstrap: int = 200,
    progress: Callable[[int, int], None] | None = None,
) -> list[Alternative]:
    """Fit the same rows by the other objectives, and by the other laws of the book with the same inputs.

    Parameters
    ----------
    fit : Fit
        The fit to vary.
    inputs : mapping of str to array_like (n,)
        Its rows.
    observed : array_like (n,)
        What it predicts.
    groups : array_like (n,), optional
        Clusters, as of `scaling.fit`.
    bootstrap : int, default 200
        Replicates of each; enough for a standard error to about 5 %.
    progress : callable, optional
        Told after each how many are done, and of how many.

    Returns
    -------
    list of Alternative
        Objectives first, then laws in the order of the book.
    """
    here = (fit.objective.name, fit.objective.residual_text)
    choices = [*((name, here[1]) for name in _ROBUST), *(("squared", residual) for residual in _SCALES)]
    wanted = [
        (_label(name, residual), fit.law, name, residual) for name, residual in choices if (name, residual) != here
    ]
    for name in law_names():
        law = find_law(name)
        same_inputs = set(law.inputs) == set(fit.law.inputs)
        if same_inputs and law.output == fit.law.output and law.formula != fit.law.formula:
            wanted.append((name, law, *here))
    out = []
    for one in wanted:
        out.append(_try(*one, fit, inputs, observed, groups, bootstrap))
        if progress is not None:
            progress(len(out), len(wanted))
    return out


def _label(name: str, residual: str) -> str:
    """Name an objective with the scale of its residuals, but without its usual settings."""
    goal = Objective.parse(name, residual)
    return name + str(goal).removeprefix(goal.text)


def _try(
    label: str, law: Law, name: str, residual: str, fit: Fit,
    inputs: Mapping[str, ArrayLike], observed: ArrayLike, groups: ArrayLike | None, bootstrap: int,
) -> Alternative:  # fmt: skip
    from scaling.fitting.fit import fit as fit_law

    same_scale = (name, residual) == (fit.objective.name, fit.objective.residual_text)
    # Its settings are in the unit of the residual, and mean nothing elsewhere.
    goal = fit.objective if same_scale else Objective.parse(name, residual)
    try:
        other = fit_law(law, inputs, observed, objective=goal, groups=groups, bootstrap=bootstrap, seed=fit.seed)
    except ScalingError as error:
        return Alternative(label, None, error.message)
    return Alternative(label, other)
