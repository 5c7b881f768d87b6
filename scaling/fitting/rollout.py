"""Roll forward: which runs a back-test holds out, at which cut-offs, and refits to what is left.

Nothing of a refit may know the held-out rows: bounds such as ``min(loss)`` and the starting values are worked out from
rows up to the cut-off, and no refit starts at an optimum of the whole data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import Rows, bounds_of, design_points, make_problem, ranges
from scaling.fitting.compile import compile_value
from scaling.fitting.diagnostics import SPARE_ROWS
from scaling.fitting.objective import Objective
from scaling.fitting.starts import starting_values
from scaling.formatting import format_number, format_plural
from scaling.laws.law import Law

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: The largest compute is divided by these to give the cut-offs.
LADDER = (1.5, 2.5, 4.0, 7.0, 12.0, 20.0, 40.0)
_SAME = 1 + 1e-6  # budgets that should be equal differ in rounding
_POLISHED = 12  # starts of the screen; one of the first few nearly always ends at the optimum
_LOSSES = ("nats", "bits/", "bits per", "loss")  # how the unit of a loss begins
_TRIM = re.compile(r"(smallest|highest)\s+(\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True)
class Axis:
    """What the runs are ordered by.

    Parameters
    ----------
    name : str
        Such as ``6*N*D``.
    values : ndarray (n,)
        One a row; the largest are held out.
    inputs : dict of str to float
        Power of the axis by which each input goes with it, from which follows where a law is worked out at the edge of
        the data; empty where that is not known.
    """

    name: str
    values: Array
    inputs: dict[str, float]


@dataclass(frozen=True)
class Cut:
    """One cut-off.

    Parameters
    ----------
    edge : float
        Largest value of the axis among the rows that are left.
    step : float
        Largest value of all, in units of the cut-off asked for.
    left, held : ndarray of bool (n,)
        Rows to fit to, and rows to forecast.
    """

    edge: float
    step: float
    left: Mask
    held: Mask


def find_axis(law: Law, inputs: Mapping[str, Array], by: str | ArrayLike | None = None) -> Axis:
    """Find what the runs are ordered by.

    Parameters
    ----------
    law : Law
        Whose inputs they are.
    inputs : mapping of str to ndarray (n,)
        Natural units.
    by : str or array_like (n,), optional
        An input, or values of its own. Where missing: 6*N*D, else C, else the only input, or D beside unique ones (U).
        An input that is a loss, by its unit, or is in the unit of what the law predicts, is taken downwards, because
        larger runs have lower losses.

    Returns
    -------
    Axis

    Raises
    ------
    UsageError
        Where there is no such input, or several to choose from.
    InputDataError
        For values that are not positive, or of another length.
    """
    n = len(next(iter(inputs.values())))
    if isinstance(by, str):
        if by not in inputs:
            raise UsageError(f"there is no input '{by}' to hold runs out by", hint=did_you_mean(by, inputs))
        axis = Axis(by, inputs[by], {by: 1.0})
    elif by is not None:
        axis = Axis("what was given", np.asarray(by, float), {})
    elif {"N", "D"} <= set(inputs):
        axis = Axis("6*N*D", 6 * inputs["N"] * inputs["D"], {"N": 0.5, "D": 0.5})
    elif "C" in inputs:
        axis = Axis("C", inputs["C"], {"C": 1.0})
    elif set(inputs) == {"D", "U"}:  # unique ones say how often they are seen, and not how large the run is
        axis = Axis("D", inputs["D"], {"D": 1.0})
    elif len(law.inputs) == 1:
        name, unit = next(iter(law.inputs.items()))
        unit, predicted = (text.removesuffix(", assumed") for text in (unit, law.unit))
        down = unit.startswith(_LOSSES) or (bool(unit) and unit == predicted)
        with np.errstate(all="ignore"):
            axis = Axis(f"1/{name}", 1 / inputs[name], {name: -1.0}) if down else Axis(name, inputs[name], {name: 1.0})
    else:
        raise UsageError(
            f"the law '{law.name}' has the inputs {', '.join(law.inputs)}, and none of them is the size of a run",
            hint="Say what to hold runs out by (by=...).",
        )
    if axis.values.shape != (n,) or not np.all(np.isfinite(axis.values)) or not np.all(axis.values > 0):
        raise InputDataError(f"runs are held out by {axis.name}, which must be {n} finite numbers above 0")
    return axis


def find_units(groups: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Number the independent units: clusters where there are any, else rows."""
    if groups is None:
        return np.arange(n)
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise InputDataError(f"groups have shape {labels.shape}, but there are {n} rows")
    _, codes = np.unique(labels.astype(str), return_inverse=True)
    return codes.astype(np.int64)


def find_cuts(values: Array, units: NDArray[np.int64], steps: Sequence[float] = LADDER) -> list[Cut]:
    """Choose cut-offs, the mildest first; units stay together.

    Parameters
    ----------
    values : ndarray (n,)
        The axis.
    units : ndarray of int (n,)
        A unit is left in only where all its rows are up to the cut-off.
    steps : sequence of float
        The largest value is divided by these; all above 1.

    Returns
    -------
    list of Cut
        Cut-offs that leave the same rows stand once, those that leave none or hold out none not at all.

    Raises
    ------
    UsageError
        For steps that are no numbers above 1, or none at all.
    """
    wrong = [step for step in steps if not _is_step(step)]
    if wrong or not len(steps):
        what = f"{wrong[0]!r} is none" if wrong else "there are none"
        raise UsageError(
            f"the steps of a back-test divide the largest compute, so they are numbers above 1, and {what}",
            hint="Such as (1.5, 2.5, 4, 7, 12, 20, 40).",
        )
    top = np.zeros(units.max() + 1)
    np.maximum.at(top, units, values)
    cuts: list[Cut] = []
    known = set()
    for step in steps:
        limit = values.max() / step * _SAME
        left = top[units] <= limit
        if not left.any() or left.all() or left.tobytes() in known:
            continue
        known.add(left.tobytes())
        edge = float(values[left].max())
        held = ~left & (values > edge * _SAME)
        if held.any():
            cuts.append(Cut(edge, float(step), left, held))
    return cuts


def why_no_cuts(axis: Axis, units: NDArray[np.int64]) -> str:
    """Say why there is no cut-off."""
    clustered = len(np.unique(units)) < len(units) and np.max(axis.values) > LADDER[0] * np.min(axis.values)
    return f"all {'clusters reach' if clustered else 'runs have'} about the same {axis.name}"


def _is_step(step: object) -> bool:
    return isinstance(step, (int, float, np.integer, np.floating)) and 1 < float(step) < np.inf


def trimmed(trim: str, values: Array, observed: Array) -> Mask:
    """Tell which rows a trimming keeps.

    Parameters
    ----------
    trim : str
        ``none``, ``smallest 25 %`` (leave out that share of rows with the smallest compute) or ``highest 10 %`` (with
        the highest observations).
    values, observed : ndarray (n,)
        The axis, and what was observed; of the rows to be fitted alone.

    Returns
    -------
    ndarray of bool (n,)

    Raises
    ------
    UsageError
        For another text.
    """
    if trim == "none":
        return np.ones(len(values), bool)
    match = _TRIM.fullmatch(trim.strip())
    if match is None or not 0 < float(match[2]) < 100:
        raise UsageError(f"'{trim}' is no trimming", hint="There are: none, smallest 25 %, highest 10 %.")
    count = int(len(values) * float(match[2]) / 100)
    if match[1] == "smallest":  # rows that are equal stay or go together, so that a condition can say the same
        return np.asarray(values >= np.sort(values)[count])
    return np.asarray(observed <= np.sort(observed)[::-1][count])


def why_not(law: Law, inputs: Mapping[str, Array], left: Mask, units: NDArray[np.int64]) -> str:
    """Say why a law cannot be fitted to some of the rows; an empty text where it can.

    Parameters
    ----------
    law : Law
        What is to be fitted.
    inputs : mapping of str to ndarray (n,)
        Of all rows.
    left : ndarray of bool (n,)
        Those to fit to.
    units : ndarray of int (n,)
        Independent units, as of `find_units`. Rows of one cluster are never taken for independent ones, so one cluster
        says nothing of how far others would differ from it.
    """
    count, p = int(left.sum()), len(law.parameters)
    if count <= p + SPARE_ROWS:
        rows = f"{format_plural(count, 'row')} {'is' if count == 1 else 'are'} left"
        return f"{rows} for the {format_plural(p, 'parameter')}, and at least {p + SPARE_ROWS + 1} are needed"
    if np.all(units[left] == units[left][0]):
        return "one cluster is left, and its rows are not independent of each other"
    for name, x in inputs.items():
        if np.ptp(x[left]) <= 1e-9 * np.max(np.abs(x[left])):
            return f"all rows that are left have the same {name} ({format_number(float(x[left][0]))})"
    points = int(design_points({name: x[left] for name, x in inputs.items()}).max()) + 1
    if points <= p + SPARE_ROWS:
        rows = f"the rows that are left have only {format_plural(points, 'different input')}"
        return f"{rows} for the {format_plural(p, 'parameter')}, and at least {p + SPARE_ROWS + 1} are needed"
    return ""


def screened(law: Law, inputs: Mapping[str, Array], observed: Array, objective: Objective) -> Array:
    """Screen starting values on rows.

    Parameters
    ----------
    law, inputs, observed, objective
        As of `refit`.

    Returns
    -------
    ndarray (k, p)
        The best ones, natural units, best first.
    """
    rows = Rows(dict(inputs), observed, np.ones(len(observed)), None)
    support = ranges(law, rows)
    bounds = bounds_of(law, support)
    problem = make_problem(law, rows, objective, bounds)
    starts = starting_values(law, problem, rows, bounds, support, None)[:_POLISHED]
    return np.asarray(problem.kernel.to_natural(starts))


def refit(law: Law, inputs: Mapping[str, Array], observed: Array, objective: Objective, starts: Array) -> Array | None:
    """Fit a law to rows, without judging it.

    Parameters
    ----------
    law : Law
        What is fitted.
    inputs : mapping of str to ndarray (n,)
        Of the rows to fit to, and of no others.
    observed : ndarray (n,)
        Likewise.
    objective : Objective
        What is minimised.
    starts : ndarray (k, p)
        Natural units; brought inside the bounds that the rows give.

    Returns
    -------
    ndarray (p,)
        Estimates in natural units; None where the law is not defined on the rows.
    """
    rows = Rows(dict(inputs), observed, np.ones(len(observed)), None)
    bounds = bounds_of(law, ranges(law, rows))
    problem = make_problem(law, rows, objective, bounds)
    first = problem.kernel.to_internal(np.clip(starts, bounds[:, 0], bounds[:, 1]))
    minima = problem.solve(first, np.ones((len(first), rows.n)), far=True)
    best = int(np.argmin(minima.objective))
    if not np.isfinite(minima.objective[best]):
        return None
    return np.asarray(problem.kernel.to_natural(minima.theta[best]))


def evaluate(law: Law, theta: Array, inputs: Mapping[str, Array]) -> Array:
    """Work a law out at inputs (m,) for parameters (p,) in natural units: shape (m,)."""
    kernel = compile_value(law, (False,) * len(law.parameters))
    return np.asarray(kernel.value(theta[None], kernel.prepare(dict(inputs)))[0])


def change_beyond(
    law: Law,
    theta: Array,
    inputs: Mapping[str, Array],
    factor: Array,
    powers: Mapping[str, float],
    support: Mapping[str, tuple[float, float]],
    log: bool,
    floor: float = 0.0,
) -> Array:
    """Work out how much a law changes between the edge of the data and targets beyond it.

    Parameters
    ----------
    law : Law
        The form.
    theta : ndarray (p,)
        Its parameters, natural units.
    inputs : mapping of str to ndarray (m,)
        The targets.
    factor : ndarray (m,)
        How far the axis goes beyond the data.
    powers : mapping of str to float
        Of `Axis`.
    support : mapping of str to (float, float)
        Range of each input in the data.
    log : bool
        Whether the change is of logarithms.
    floor : float, default 0
        Of those logarithms.

    Returns
    -------
    ndarray (m,)
        The larger of two changes: from the target brought back along the axis at the same ratio of its inputs, and from
        the target with each input brought back into the range of the data. 0 inside both.
    """
    back = {k: x / np.maximum(factor, 1.0) ** powers.get(k, 0.0) for k, x in inputs.items()}
    clipped = {k: np.clip(x, *support[k]) for k, x in inputs.items()}
    here, *edges = (evaluate(law, theta, x) for x in (inputs, back, clipped))
    with np.errstate(all="ignore"):
        here, *edges = (np.log(value - floor) if log else value for value in (here, *edges))
        changes = [np.abs(here - edge) for edge in edges]
    return np.asarray(np.fmax(np.nan_to_num(changes[0]), np.nan_to_num(changes[1])))
