"""Where the engine starts: from values that are given, or from the best of a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import Rows
from scaling.fitting.screen import screen, spread_rows, undefined_rows
from scaling.fitting.solve import Problem
from scaling.formatting import format_number, format_plural
from scaling.laws.law import Law

Array = NDArray[np.float64]

Start = Mapping[str, float] | Sequence[Mapping[str, float]]


def as_list(start: Start) -> list[Mapping[str, float]]:
    """Return starting values as a list, also where only one set is given."""
    return [start] if isinstance(start, Mapping) else list(start)


def starting_values(
    law: Law,
    problem: Problem,
    rows: Rows,
    bounds: Array,
    support: dict[str, tuple[float, float]],
    start: Start | None,
) -> Array:
    """Return starting values, best first.

    Parameters
    ----------
    law : Law
        What is fitted.
    problem : Problem
        The same, compiled with its data.
    rows : Rows
        The data.
    bounds : ndarray (p, 2)
        Natural units.
    support : dict of str to (float, float)
        Ranges of the data, on which screening ranges may depend.
    start : mapping, or sequence of mappings, optional
        Those that are given; sought where missing.

    Returns
    -------
    ndarray (G, p)
        Internal scale.

    Raises
    ------
    UsageError
        For starting values that are not those of the law's parameters.
    InputDataError
        Where none are found.
    """
    kernel = problem.kernel
    if start is not None:
        given = []
        for entry in as_list(start):
            if missing := [name for name in law.parameter_names if name not in entry]:
                raise UsageError(f"there is no starting value for '{missing[0]}'", hint="Give one for every parameter.")
            if odd := set(entry) - set(law.parameter_names):
                name = sorted(odd)[0]
                raise UsageError(
                    f"the law '{law.name}' has no parameter '{name}' to start from",
                    hint=did_you_mean(name, law.parameter_names),
                )
            try:
                given.append([float(entry[name]) for name in law.parameter_names])
            except (TypeError, ValueError) as error:
                raise UsageError(f"a starting value is not a number: {error}") from error
        if not given:
            raise UsageError("the list of starting values is empty", hint="Leave `start` out to have them sought.")
        return kernel.to_internal(np.clip(np.array(given), bounds[:, 0], bounds[:, 1]))
    ranges = [q.screening_range(support) for q in law.parameters]
    low, high, goal = bounds[:, 0], bounds[:, 1], problem.objective
    points = kernel.to_internal(
        screen(law, rows.inputs, rows.observed, low, high, ranges, goal.residual == "log", goal.floor)
    )
    if not len(points):
        raise _no_starts(law, rows, ranges)
    # Some hundred rows tell good starts from bad ones; the polish sees all of them.
    some = spread_rows(rows.n)
    small = replace(problem, data=problem.data.take(some), observed=rows.observed[some])
    weights = rows.weights[None, some]
    cost = np.concatenate([small.values(points[i : i + 256], weights) for i in range(0, len(points), 256)])
    return np.asarray(points[np.argsort(cost, kind="stable")])


def _no_starts(law: Law, rows: Rows, ranges: Sequence[tuple[float, float]]) -> InputDataError:
    """Say why a law has no starting values: rows at which it has no value, where there are such."""
    what = f"no starting values for the law '{law.name}' were found inside its bounds"
    without = undefined_rows(law, rows.inputs, ranges)
    if not len(without):
        return InputDataError(what)
    row = int(without[0])
    where = ", ".join(f"{name} = {format_number(float(x[row]))}" for name, x in rows.inputs.items())
    return InputDataError(
        f"{what}: whatever its parameters, it has no value at {len(without)} of the {format_plural(rows.n, 'row')}, "
        f"such as {where}",
        hint="Leave such rows out (on the command line by --where), or fit a law that has a value there.",
    )
