"""The law of a boundary that a year moves, or that differs between two groups, and ordinary fits of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.data import Scores
from scaling.boundary.drift.search import Moved, refits
from scaling.boundary.settings import Settings
from scaling.boundary.solver import Optimum
from scaling.errors import InputDataError
from scaling.laws.book import find_law
from scaling.laws.law import Law

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

NAME = "boundary_in_time"
ORIGIN = 2024.75  # as it stands in the formula of the book: 2024-10-01
_YEARS = "(year - 2024.75)"
_DIGITS = 4  # of a decimal year: an hour


def law_in_time(origin: float = ORIGIN, earliest: float | None = None) -> Law:
    """Write the law with an origin of its own.

    Parameters
    ----------
    origin : float
        Decimal year at which z_mid is read.
    earliest : float, optional
        Years before it count as it.

    Returns
    -------
    Law

    Examples
    --------
    >>> law_in_time(2024, earliest=2023).formula
    'y0 + (1 - y0)*rise*sigmoid(b*(log10(C) + c*(max(year, 2023) - 2024) - z_mid))'
    """
    law = find_law(NAME)
    year = "year" if earliest is None else f"max(year, {round(earliest, _DIGITS):.10g})"
    return replace(law, formula=law.formula.replace(_YEARS, f"({year} - {round(origin, _DIGITS):.10g})"))


def law_of_groups() -> Law:
    """Write the law of two groups: one boundary, which lies c orders of magnitude of compute further left for one."""
    law = find_law(NAME)
    c = replace(law.parameters[-1], low=-4.0, high=4.0, meaning="orders of magnitude of compute between the groups")
    return replace(
        law,
        name="boundary_of_two",
        title="Sigmoid boundary of a score over compute, of two groups of models",
        formula=law.formula.replace(_YEARS, "second"),
        inputs={"C": law.inputs["C"], "second": "0 or 1"},
        parameters=(*law.parameters[:-1], c),
        note="",
    )


def years_since(year: Any, origin: float, earliest: float | None) -> Array:
    """Return what stands beside c in `law_in_time`, in years."""
    years = np.asarray(year, float)
    first = -np.inf if earliest is None else round(earliest, _DIGITS)
    return np.asarray(np.maximum(years, first) - round(origin, _DIGITS))


def clusters_of(scores: Scores, bootstrap: int) -> NDArray[np.int64] | None:
    """Number the groups of models from 0; None where there are none.

    Raises
    ------
    InputDataError
        Where a bootstrap is asked for and all models share one group.
    """
    if scores.groups is None:
        return None
    _, code = np.unique(scores.groups.astype(str), return_inverse=True)
    if code.max() == 0:
        if bootstrap:
            raise InputDataError(
                f"all {len(code)} models share one group, {scores.groups[0]}, so there is nothing to resample",
                hint="Take models of other bases too, or no bootstrap.",
            )
        return None
    return np.asarray(code, np.int64)


def draws(scores: Scores, bootstrap: int, seed: int) -> Array:
    """Draw the weights (B, n) of a bootstrap, the same as those of the engine: clusters whole, where there are any."""
    from scaling.fitting.resample import bootstrap_weights

    return bootstrap_weights(len(scores.score), bootstrap, seed, clusters_of(scores, bootstrap))


def ordinary_fit(
    law: Law,
    column: Mapping[str, Array],
    rows: Moved,
    scores: Scores,
    settings: Settings,
    optima: list[Optimum],
    bootstrap: int,
    seed: int,
    record: Mapping[str, Any],
) -> Fit:
    """Make an ordinary fit of a moved boundary whose optimum is known.

    Parameters
    ----------
    law : Law
        Of the inputs C and one more.
    column : mapping of str to ndarray (n,)
        That one.
    rows : Moved
        The same for the search.
    scores, settings
        What is fitted and by what.
    optima : list of Optimum
        Where searches ended, the best first; the engine starts there.
    bootstrap, seed : int
        Replicates; they are drawn as the engine draws them and solved by `refits`, which is four times as fast.
    record : mapping
        Kept in ``settings["boundary"]``.

    Returns
    -------
    Fit
    """
    from scaling.fitting.fit import fit as fit_law
    from scaling.fitting.objective import Objective

    groups = clusters_of(scores, bootstrap)
    made = fit_law(
        law,
        {"C": 10.0**scores.log10_compute, **column},
        scores.score,
        objective=Objective("pinball", "linear", tau=settings.tau, kappa=settings.kappa),
        penalty={"b": (0.0, settings.ridge)},
        groups=groups,
        start=[dict(zip(law.parameter_names, one.theta.tolist(), strict=True)) for one in optima],
        bootstrap=0,
        seed=seed,
    )
    kept = {
        "tau": settings.tau,
        "kappa": settings.kappa,
        "ridge": settings.ridge,
        "preset": settings.preset,
        "notes": list(scores.notes),
        **record,
    }
    judged = replace(made.diagnostics, curve_only=True)
    if not bootstrap:
        return replace(made, diagnostics=judged, settings={**made.settings, "boundary": kept})
    weights = draws(scores, bootstrap, seed)
    best = Optimum(made.theta, made.objective_value / len(scores.score))
    found = refits(rows, [best, *optima[1:]], weights)
    held = np.any((found <= rows.low) | (found >= rows.high), axis=1)
    judged = replace(
        judged,
        replicates=bootstrap,
        replicates_converged=float(np.mean(np.all(np.isfinite(found), axis=1))),
        replicates_at_bound=float(np.mean(held)),
    )
    again = {
        **made.settings,
        "bootstrap": bootstrap,
        "resample": "iid" if groups is None else "cluster",
        "interval": "percentile",
        "boundary": kept,
    }
    return replace(made, replicates=found, diagnostics=judged, settings=again)
