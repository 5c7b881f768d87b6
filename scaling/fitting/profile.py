"""Profile likelihoods: how well the law still fits with one or two parameters held, the others free.

An interval from a profile needs no normal theory for the estimate: it follows a curved valley, stays inside the bounds,
and stays open where the data do not close it. It does need the rows, so it is no method of a saved fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.fitting.held import minimise_held
from scaling.fitting.walk import Setting
from scaling.formatting import format_number
from scaling.inputs import check_level

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """The profile likelihood of a parameter.

    Parameters
    ----------
    name : str
        The parameter.
    estimate : float
        Of the fit.
    level : float
        Nominal coverage of the interval.
    grid : ndarray (G,)
        Values at which the parameter was held, natural units, rising.
    objective : ndarray (G,)
        Smallest objective there.
    parameters : ndarray (G, p)
        All parameters there, natural units.
    threshold : float
        Objective at the ends of the interval.
    low, high : float
        The interval. Where the profile does not close: the bound of the parameter, or infinity.
    closes_low, closes_high : bool
        Whether the profile rises above the threshold on each side.
    method : str
        How the threshold was chosen.
    better : dict of str to float
        Parameters at which the law fits better than at the estimates, natural units: the fit is not the optimum, the
        interval lies around these in place of the estimate, and the law should be fitted again from here
        (``scaling.fit(..., start=profile.better)``). Empty where the fit is the best found.
    """

    name: str
    estimate: float
    level: float
    grid: Array
    objective: Array
    parameters: Array
    threshold: float
    low: float
    high: float
    closes_low: bool
    closes_high: bool
    method: str
    better: dict[str, float] = field(default_factory=dict)

    @property
    def fit_is_optimum(self) -> bool:
        """Whether nothing better than the fit was found along the profile."""
        return not self.better

    @property
    def closes(self) -> bool:
        """Whether the data bound the parameter on both sides."""
        return self.closes_low and self.closes_high


@dataclass(frozen=True)
class ProfileRegion:
    """The joint profile likelihood of two parameters.

    Parameters
    ----------
    names : tuple of (str, str)
        The parameters.
    estimate : tuple of (float, float)
        Of the fit.
    level : float
        Nominal coverage of the region.
    first, second : ndarray (G,), (H,)
        Values at which they were held, natural units, rising.
    objective : ndarray (G, H)
        Smallest objective there; inf where the law is not defined.
    threshold : float
        Objective on the edge of the region.
    closes : bool
        Whether the region lies inside the grid; where it does not, the data or a bound leave it open.
    method : str
        How the threshold was chosen.
    better : dict of str to float
        As of `Profile`.
    """

    names: tuple[str, str]
    estimate: tuple[float, float]
    level: float
    first: Array
    second: Array
    objective: Array
    threshold: float
    closes: bool
    method: str
    better: dict[str, float] = field(default_factory=dict)

    @property
    def fit_is_optimum(self) -> bool:
        """Whether nothing better than the fit was found on the grid."""
        return not self.better

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which points of the grid lie in the region, (G, H)."""
        return self.objective <= self.threshold


def profile_likelihood(
    fit: Fit,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    name: str,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    grid: ArrayLike | None = None,
) -> Profile:
    """Work out the profile likelihood of a parameter, and the interval that it gives.

    Parameters
    ----------
    fit : Fit
        The fit.
    inputs, observed, weights, groups
        Its rows, as they were given to `scaling.fit`.
    name : str
        The parameter.
    level : float, default 0.95
        Nominal coverage of the interval.
    grid : array_like (G,), optional
        Values to hold the parameter at, natural units, around the estimate; an interval is then sought among them
        alone. Chosen where missing, and extended until the profile closes, or to the bound, or to 200 standard errors.

    Returns
    -------
    Profile

    Raises
    ------
    UsageError
        For an unknown parameter or an impossible level or grid.
    InputDataError
        Where these are not the rows of the fit, or they leave nothing to judge noise by.

    Notes
    -----
    Squared residuals: the F test of nonlinear regression (Bates and Watts 1988). Robust objectives: the rise of the
    objective divided by E psi^2 / E psi' (Ronchetti 1982). With groups, and with weights that differ, that is
    scaled by the ratio of the robust to the plain variance of the parameter.
    """
    setting = Setting.of(fit, inputs, observed, weights, groups)
    j = setting.column(name)
    check_level(level)
    rise = setting.rise([j], level)
    points, found, theta = setting.walk(j, rise, grid)
    value = min(setting.value, float(found.min()))
    closes_low, low = setting.end(j, points, found, rise, -1)
    closes_high, high = setting.end(j, points, found, rise, 1)
    natural = setting.problem.kernel.to_natural(theta)
    return Profile(
        name=name,
        estimate=fit.estimates[name],
        level=level,
        grid=natural[:, j],
        objective=found,
        parameters=natural,
        threshold=value + rise,
        low=low,
        high=high,
        closes_low=closes_low,
        closes_high=closes_high,
        method=setting.method,
        better=setting.better(found, theta, rise),
    )


def profile_region(
    fit: Fit,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    names: tuple[str, str],
    level: float = 0.95,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    size: int = 31,
) -> ProfileRegion:
    """Work out the joint profile likelihood of two parameters on a grid, and the level that bounds their region.

    Parameters
    ----------
    fit : Fit
        The fit.
    inputs, observed, weights, groups
        Its rows, as they were given to `scaling.fit`.
    names : (str, str)
        The parameters.
    level : float, default 0.95
        Nominal coverage of the region.
    size : int, default 31
        Points along each axis.

    Returns
    -------
    ProfileRegion

    Raises
    ------
    UsageError
        For unknown or equal parameters, an impossible level, or fewer than 3 points.
    InputDataError
        Where these are not the rows of the fit, or they leave nothing to judge noise by.
    """
    setting = Setting.of(fit, inputs, observed, weights, groups)
    first, second = names
    columns = [setting.column(first), setting.column(second)]
    if columns[0] == columns[1]:
        raise UsageError(f"a region needs two parameters, but '{first}' was given twice")
    if size < 3:
        raise UsageError(f"a region needs at least 3 points along each axis, not {size}")
    check_level(level)
    rise = setting.rise(columns, level)
    axes = [setting.axis(j, rise, size) for j in columns]
    values = np.stack([v.ravel() for v in np.meshgrid(*axes, indexing="ij")], axis=1)
    cells = np.arange(len(values)).reshape(size, size)
    sweeps = tuple(_shifted(cells, axis, step).ravel() for axis in (0, 1) for step in (1, -1))
    theta, found = minimise_held(
        setting.problem, setting.theta, setting.weights, [columns] * len(values), values,
        setting.spread.matrix, sweeps=sweeps,
    )  # fmt: skip
    objective = found.reshape(size, size)
    threshold = min(setting.value, float(found.min())) + rise
    edge = np.concatenate([objective[0], objective[-1], objective[:, 0], objective[:, -1]])
    kernel = setting.problem.kernel
    full = [np.tile(setting.theta, (size, 1)) for _ in axes]
    for table, j, axis in zip(full, columns, axes, strict=True):
        table[:, j] = axis
    return ProfileRegion(
        names=(first, second),
        estimate=(fit.estimates[first], fit.estimates[second]),
        level=level,
        first=kernel.to_natural(full[0])[:, columns[0]],
        second=kernel.to_natural(full[1])[:, columns[1]],
        objective=objective,
        threshold=threshold,
        closes=bool(np.all(edge > threshold)),
        method=setting.method,
        better=setting.better(found, theta, rise),
    )


def profile_test(
    fit: Fit,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    values: Mapping[str, float],
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> float:
    """Test whether parameters may have given values: published ones, for instance.

    Parameters
    ----------
    fit : Fit
        The fit.
    inputs, observed, weights, groups
        Its rows, as they were given to `scaling.fit`.
    values : mapping of str to float
        Of one parameter or several, natural units; the others are fitted again.

    Returns
    -------
    float
        p value. Values whose p lies above 1 - level are those in the interval, or the region, of that level.

    Raises
    ------
    UsageError
        For unknown parameters, none at all, or values outside their bounds.
    InputDataError
        Where these are not the rows of the fit, or they leave nothing to judge noise by; where the law fits better with
        these values than at the estimates, so that the fit is not the optimum.
    """
    from scipy.special import fdtrc

    setting = Setting.of(fit, inputs, observed, weights, groups)
    if not values:
        raise UsageError("there is no value to test", hint='Give some, such as {"alpha": 0.34}.')
    columns = [setting.column(name) for name in values]
    full = setting.problem.kernel.to_natural(setting.theta)
    full[columns] = [float(v) for v in values.values()]
    held = setting.problem.kernel.to_internal(full)[columns]
    inside = (setting.problem.low[columns] <= held) & (held <= setting.problem.high[columns])
    if not inside.all():
        name, value = list(values.items())[int(np.argmin(inside))]
        raise UsageError(f"{name} = {value:g} lies outside the bounds of the parameter")
    theta, found = minimise_held(
        setting.problem, setting.theta, setting.weights, [columns], held[None], setting.spread.matrix
    )
    rise = setting.rise(columns, 0.5)  # refuses where noise is not known
    if better := setting.better(found, theta, rise):
        lower, known = format_number(float(found[0]), 6), format_number(setting.value, 6)
        raise InputDataError(
            f"with these values the law fits better (objective {lower}) than at the estimates of the fit ({known}), so "
            "the fit is no optimum to test them against",
            hint=f"Fit again, starting at {', '.join(f'{k}={format_number(v, 6)}' for k, v in better.items())}.",
        )
    statistic = max(float(found[0]) - setting.value, 0.0) / setting.calibration.unit(columns)
    return float(fdtrc(len(columns), setting.spread.degrees, statistic))


def _shifted(cells: NDArray[np.int64], axis: int, step: int) -> NDArray[np.int64]:
    """Index of each cell's neighbour along an axis; a cell at the edge is its own."""
    moved = np.roll(cells, step, axis=axis)
    edge: list[Any] = [slice(None), slice(None)]
    edge[axis] = 0 if step > 0 else -1
    moved[tuple(edge)] = cells[tuple(edge)]
    return moved
