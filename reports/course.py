"""The line through the inputs along which a law is drawn as a curve.

For a law of N and D that is the compute-optimal frontier, or, where it has none, the line of the tokens per parameter
that the runs have in the middle. For a law of one input it is that input. Other laws have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reports.words import input_name, is_count
from scaling.allocation.allocate import FLOP_PER_PARAMETER_TOKEN, allocate
from scaling.errors import VerdictError
from scaling.formatting import format_number
from scaling.results import Fit

Array = NDArray[np.float64]
FRONTIER, RATIO, INPUT = "frontier", "ratio", "input"
_WIDE_RATIO = 5.0  # an input that spans more is drawn on a logarithmic axis


@dataclass(frozen=True)
class Course:
    """A line through the inputs, by one coordinate.

    Parameters
    ----------
    kind : {'frontier', 'ratio', 'input'}
        Which line.
    label : str
        Of the axis.
    unit : {'flop', 'count', 'value'}
        How the coordinate is written.
    log : bool
        Whether the axis is logarithmic.
    words : str
        The line, in words that follow "the law".
    at_runs : ndarray (n,)
        Coordinate of each row; the rows need not lie on the line.
    place : callable
        Coordinate of inputs.
    inputs : callable
        Inputs at coordinates, shape (m,).
    """

    kind: str
    label: str
    unit: str
    log: bool
    words: str
    at_runs: Array
    place: Callable[[Mapping[str, float]], float]
    inputs: Callable[[Array], dict[str, Array]]

    @property
    def ends(self) -> tuple[float, float]:
        """Where the data begin and end."""
        return float(self.at_runs.min()), float(self.at_runs.max())

    def grid(self, low: float, high: float, points: int) -> Array:
        """Return evenly spaced coordinates on the scale of the axis."""
        return np.geomspace(low, high, points) if self.log else np.linspace(low, high, points)


def course_of(fit: Fit, inputs: Mapping[str, Array], reach: tuple[float, float]) -> Course | None:
    """Choose the line along which a law is drawn.

    Parameters
    ----------
    fit : Fit
        The fit.
    inputs : mapping of str to ndarray (n,)
        The rows.
    reach : tuple of float
        For laws of N and D: the smallest and the largest compute that the line must reach.

    Returns
    -------
    Course or None
        None for a law of several inputs other than N and D.
    """
    names = list(fit.law.inputs)
    if set(names) == {"N", "D"}:
        return _of_compute(fit, inputs, reach)
    if len(names) > 1:
        return None
    name = names[0]
    values = inputs[name]
    log = bool(values.min() > 0 and values.max() > _WIDE_RATIO * values.min())
    return Course(
        kind=INPUT,
        label=input_name(fit.law, name),
        unit="count" if is_count(fit.law, name) else "value",
        log=log,
        words=f"as a function of {name}",
        at_runs=values,
        place=lambda target: float(target[name]),
        inputs=lambda grid: {name: grid},
    )


def _of_compute(fit: Fit, inputs: Mapping[str, Array], reach: tuple[float, float]) -> Course:
    flop = FLOP_PER_PARAMETER_TOKEN * inputs["N"] * inputs["D"]
    point = replace(fit, replicates=fit.replicates[:0])  # the line itself needs no intervals
    ratio = float(np.median(inputs["D"] / inputs["N"]))

    def frontier(grid: Array) -> dict[str, Array]:
        best = allocate(point, grid, force=True)
        return {"N": best.n_params, "D": best.n_tokens}

    def constant_ratio(grid: Array) -> dict[str, Array]:
        n = np.sqrt(grid / (FLOP_PER_PARAMETER_TOKEN * ratio))
        return {"N": n, "D": ratio * n}

    try:
        frontier(np.geomspace(*reach, 9))
        kind, line, words = FRONTIER, frontier, "along its compute-optimal frontier"
    except VerdictError:
        kind, line = RATIO, constant_ratio
        words = f"at {format_number(ratio, 3)} tokens a parameter, the median of the runs"
    return Course(
        kind=kind,
        label="training compute 6ND (FLOP)",
        unit="flop",
        log=True,
        words=words,
        at_runs=flop,
        place=lambda target: FLOP_PER_PARAMETER_TOKEN * float(target["N"]) * float(target["D"]),
        inputs=line,
    )
