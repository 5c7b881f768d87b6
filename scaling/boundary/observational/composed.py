"""The link as a law of the benchmark scores themselves: components are linear in them, so their numbers go into it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scaling.boundary.observational.link import fit_link
from scaling.errors import InputDataError, LawError
from scaling.formatting import format_plural
from scaling.laws.formula import is_name
from scaling.laws.law import Law

if TYPE_CHECKING:
    from scaling.boundary.observational.analysis import Analysis
    from scaling.fitting.objective import Objective
    from scaling.results import Fit

NAME = "observational"
OUTPUT = "score"
_LONGEST_NAME = 24  # characters of an input; a formula has each of them once a component
_NOTHING = 1e-14  # loadings below it are rounding: those of a benchmark that never varies


def input_names(benchmarks: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the inputs of a law after benchmarks.

    Parameters
    ----------
    benchmarks : sequence of str
    taken : sequence of str
        Names that something else has: parameters and the output.

    Returns
    -------
    tuple of str
        ``arc_c`` of ARC-C. Where a benchmark makes no name, or two make the same one, all are numbered: ``x_1``.

    Examples
    --------
    >>> input_names(["MMLU", "ARC-C"])
    ('mmlu', 'arc_c')
    >>> input_names(["MATH", "Math"])
    ('x_1', 'x_2')
    """
    made = [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST_NAME].strip("_") for name in benchmarks]
    made = [f"x_{name}" if name[:1].isdigit() else name for name in made]
    used = {name.lower() for name in taken}
    if len(set(made)) == len(made) and all(is_name(name) and name not in used for name in made):
        return tuple(made)
    return tuple(f"x_{j}" for j in range(1, len(made) + 1))


def compose(analysis: Analysis, bootstrap: int = 0, seed: int = 0) -> Fit:
    """Make the link of an analysis a fit whose inputs are the benchmark scores.

    Parameters
    ----------
    analysis : Analysis
        As of `scaling.boundary.observational.analyse` (arXiv:2405.10938).
    bootstrap : int, default 0
        Replicates of the link. Families are drawn whole; the components stay, since in those of other models the
        parameters of the link mean something else.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    Fit
        Of the task's score, a share, with the parameters, covariance and verdict of the link. Centre and loadings are
        numbers in its formula, so its intervals do not have their error. Its settings have under ``observational``
        which input is which benchmark.

    Raises
    ------
    InputDataError
        Where benchmarks and components are too many to be written into one formula.
    """
    parts, chance, k = analysis.components, analysis.link.settings.chance, analysis.n_components
    table, train = analysis.table, analysis.train
    known = np.isfinite(table.task[train])
    filled, observed = parts.imputer.filled[known], table.task[train][known]
    families = [table.families[i] for i in np.flatnonzero(train)[known]]
    link = analysis.link.fit
    if bootstrap:
        link = fit_link(
            parts.values[known, :k], observed, settings=analysis.link.settings, bootstrap=bootstrap, seed=seed,
            families=families if len(set(families)) > 1 else None,
        ).fit  # fmt: skip
    loadings = parts.loadings[:k]
    names = input_names(parts.benchmarks, [*link.law.parameter_names, OUTPUT])
    used = [j for j in range(len(names)) if np.any(np.abs(loadings[:, j]) > _NOTHING)]
    argument = ["alpha"]
    for i, row in enumerate(loadings):
        terms = [f"{_number(row[j])}*{names[j]}" for j in used if row[j]]
        argument.append(f"beta{i + 1}*({' + '.join(terms)} - {_number(float(row @ parts.mean))})")
    formula = f"sigmoid({' + '.join(argument)})"
    if "shift" in link.law.parameter_names:
        formula = f"shift + (1 - shift)*{formula}"
    if chance:
        formula = f"{_number(chance)} + {_number(1 - chance)}*({formula})"
    try:
        law = Law(
            NAME,
            f"Observational scaling by {format_plural(k, 'component')} of {format_plural(len(names), 'benchmark')}",
            formula, {names[j]: "share" for j in used}, link.law.parameters, OUTPUT, "share", source="arXiv:2405.10938",
            note="Components were learned first; their centre and loadings are numbers here, and no error of theirs is "
            f"in the intervals. Inputs: {', '.join(f'{names[j]} is {parts.benchmarks[j]}' for j in used)}.",
        )  # fmt: skip
        law.expression  # noqa: B018 - read now, while what is wrong with it can be said
    except LawError as error:
        raise InputDataError(
            f"The link of {format_plural(k, 'component')} of {format_plural(len(names), 'benchmark')} cannot be "
            f"written as a law: {error.message}",
            "Take fewer benchmarks or --components, or leave --name out.",
        ) from error
    goal = link.objective if link.objective.delta is None else _scaled(link, 1 - chance)
    residuals = link.residuals * (1 - chance)
    spans = {names[j]: (float(filled[:, j].min()), float(filled[:, j].max())) for j in used}
    record = {
        "inputs": {names[j]: parts.benchmarks[j] for j in used},
        "n_components": k,
        "imputed_cells": int(parts.imputer.missing[known].sum()),
        "component_error": False,
    }
    return replace(
        link,
        law=law,
        objective=goal,
        objective_value=float(np.sum(goal.rho(residuals))),
        residuals=residuals,
        support=spans | {OUTPUT: (float(observed.min()), float(observed.max()))},
        settings=link.settings | {"observational": record},
    )


def _scaled(link: Fit, by: float) -> Objective:
    assert link.objective.delta is not None
    return replace(link.objective, delta=float(f"{link.objective.delta * by:.12g}"))  # 0.75*0.1 is to be read as 0.075


def _number(value: float) -> str:
    """Write a number of a formula so that it reads back exactly."""
    text = repr(float(value))
    return f"({text})" if text.startswith("-") else text
