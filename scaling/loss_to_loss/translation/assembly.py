"""Make a fit of a translated law: its scatter, its range, its verdict, and the record of what it was made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.fitting.checks import Rows
from scaling.fitting.compile import compile_value
from scaling.fitting.diagnostics import Diagnostics
from scaling.fitting.residual_tests import residual_structure
from scaling.laws.law import Law
from scaling.loss_to_loss.translation.draws import Draws, lost, mapped_scatter
from scaling.results import Fit
from scaling.verdicts import WEAK

Array = NDArray[np.float64]

_ROUNDING = 1e-12  # of a parameter: a spread below it is none


@dataclass(frozen=True)
class TranslatedLaw:
    """A translated law with its numbers.

    Parameters
    ----------
    law : Law
        The form.
    theta : ndarray (p,)
        Estimates, natural units.
    replicates : ndarray (B, p)
        Natural units; NaN where a replicate of the source leaves the domain of the map.
    covariance : ndarray (p, p)
        On the internal scale.
    log_scaled : tuple of bool (p,)
        Which parameters are treated on a logarithmic scale.
    exact : bool
        Whether it is a law of its own kind again.
    draws : Draws
        What the replicates were made of.
    """

    law: Law
    theta: Array
    replicates: Array
    covariance: Array
    log_scaled: tuple[bool, ...]
    exact: bool
    draws: Draws


def assemble(source: Fit, pair: Fit, made: TranslatedLaw, rows: Rows | None, seed: int) -> Fit:
    """Make a fit of a translated law: scatter, range, verdict and record.

    Parameters
    ----------
    source, pair : Fit
        What was translated, and by what.
    made : TranslatedLaw
        The law.
    rows : Rows, optional
        Runs on the new corpus.
    seed : int
        As of `translate`.

    Returns
    -------
    Fit
        Without rivals, a back-test and the place of the optimum.

    Raises
    ------
    InputDataError
        Where the law has no value at one of the runs.
    """
    from scaling import __version__

    goal = pair.objective
    if rows is None:
        residuals = mapped_scatter(source, pair, np.random.SeedSequence(seed).spawn(2)[1])
        seen = pair.support[pair.law.output]
    else:
        kernel = compile_value(made.law, made.log_scaled)
        predicted = kernel.value(kernel.to_internal(made.theta[None]), kernel.prepare(rows.inputs))[0]
        residuals = goal.residuals(rows.observed, predicted)
        if (bad := np.flatnonzero(~np.isfinite(residuals))).size:
            raise InputDataError(
                f"the translated law has no value at row {int(bad[0])} of the runs on the new corpus, or its residual "
                f"there has none ({goal})",
                hint="Leave the row out, or take a map that is defined there.",
            )
        seen = (float(rows.observed.min()), float(rows.observed.max()))
    support = {k: v for k, v in source.support.items() if k in source.law.inputs or k == "6*N*D"}
    [count], whole = [len(made.replicates)], made.replicates
    gone, finding = lost(whole, f"their loss on the old corpus lies where the map '{pair.law.name}' has no value")
    clustered = min(
        (f for f in (source, pair) if f.diagnostics.groups), key=lambda f: f.diagnostics.groups, default=None
    )
    record: dict[str, Any] = {
        "way": "exact" if made.exact else "pointwise",
        "question": "x predicted",
        "source": _entry(source),
        "map": _entry(pair),
        "seed": seed,
        "paired": made.draws.paired,
        "drawn_from_covariance": list(made.draws.drawn),
        "replicates_outside": gone,
        "rows": "runs on the new corpus" if rows is not None else "residuals of the pairs and of the law",
    }
    settings = {
        "bootstrap": count,
        "resample": (clustered or pair).settings.get("resample", "iid"),
        "interval": "percentile" if count else "t",
        "weighted": False,
        "grouped": clustered is not None,
        "start": None,
        "fitted_parameters": len(pair.law.parameters),
        "translated": record,
    }
    if isinstance(table := pair.settings.get("loss_to_loss"), dict):
        record["map"]["form"] = table.get("form")
    fit = Fit(
        law=made.law,
        objective=goal,
        estimates=dict(zip(made.law.parameter_names, made.theta.tolist(), strict=True)),
        objective_value=float(np.sum(goal.rho(residuals))),
        n_obs=len(residuals),
        covariance=made.covariance,
        log_scaled=made.log_scaled,
        degrees=float(min(source.degrees, pair.degrees)),
        replicates=whole,
        residuals=residuals,
        support=support | {made.law.output: seen},
        diagnostics=_judged(pair, made, rows, residuals, clustered),
        seed=seed,
        settings=settings,
        version=__version__,
    )
    notes = [(WEAK, note) for note in made.draws.notes] + ([finding] if finding else [])
    own = set(fit.diagnostics.reasons)
    for side, other in ((f"The law '{source.law.name}'", source), (f"The map '{pair.law.name}'", pair)):
        notes += [(word, f"{side}: {said}") for word, said in other.diagnostics.findings if said not in own]
    return replace(fit, diagnostics=replace(fit.diagnostics, concerns=tuple(notes)))


def _judged(pair: Fit, made: TranslatedLaw, rows: Rows | None, residuals: Array, clustered: Fit | None) -> Diagnostics:
    """What is known of the translation itself; what was found of the two fits is added to it."""
    known = np.sqrt(np.diag(made.covariance))
    size = np.where(made.log_scaled, 1.0, np.abs(made.theta))
    free = np.flatnonzero(np.isfinite(known) & (known > _ROUNDING * size))
    names, worst, condition = made.law.parameter_names, 0.0, 1.0
    pair_of: tuple[str, ...] = ()
    if len(free) > 1:
        matrix = made.covariance[np.ix_(free, free)] / np.outer(known[free], known[free])
        away = np.abs(matrix - np.eye(len(free)))
        i, j = np.unravel_index(int(np.argmax(away)), away.shape)
        worst, pair_of = float(away[i, j]), (names[free[min(i, j)]], names[free[max(i, j)]])
        condition = math.sqrt(float(np.linalg.cond(matrix)))
    trend = math.nan
    if rows is not None:
        rounding = 1e-12 * float(np.max(np.abs(rows.observed)))
        trend = residual_structure(
            residuals, rows.weights, rows.inputs, len(pair.law.parameters), rounding, groups=rows.groups
        )
    drawn = len(made.replicates)
    return Diagnostics(
        converged=True,  # whether the two fits did is said by the side
        starts=1,
        starts_at_optimum=1,
        enough_rows=True,
        constant_inputs=(),
        at_bound=(),
        condition_number=condition,
        largest_correlation=worst,
        correlated=pair_of,
        wide=(),
        residual_rms=float(np.sqrt(np.mean(residuals**2))),
        structure_p=trend,
        replicates=drawn,
        replicates_converged=1.0 if drawn else math.nan,
        replicates_at_bound=0.0 if drawn else math.nan,
        groups=0 if clustered is None else clustered.diagnostics.groups,
        groups_of_one=0 if clustered is None else clustered.diagnostics.groups_of_one,
    )


def _entry(fit: Fit) -> dict[str, Any]:
    """What a translation keeps of each of its two fits."""
    return {
        "law": fit.law.name,
        "formula": fit.law.formula,
        "estimates": dict(fit.estimates),
        "objective": str(fit.objective),
        "n_obs": fit.n_obs,
        "verdict": fit.verdict,
        "seed": fit.seed,
        "replicates": len(fit.replicates),
    }
