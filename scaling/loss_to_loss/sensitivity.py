"""How far a forecast moves with the floor it rests on: floors of two laws, of the larger budgets alone, of none.

Small budgets pull the floor of a law: on the sweep of arXiv:2411.12925 the mean floor of the Kaplan form falls from
1.63 to 1.05 nats as the budgets below 4e18 FLOP go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, ScalingError
from scaling.formatting import format_number, format_plural
from scaling.loss_to_loss.floors import Floor
from scaling.loss_to_loss.maps import map_law, map_objective
from scaling.verdicts import NOT_IDENTIFIED

Array = NDArray[np.float64]

#: Laws of size and data whose parameter E is a floor.
LAWS = ("chinchilla", "kaplan")
#: Where small budgets are cut off, as shares of the range of budgets on a logarithmic scale.
SHARES = (0.0, 0.1, 1 / 3, 0.5)
_GRID = 7  # floors of x between 0 and the data, at which the forecast is worked out
_NEAR = 0.985  # of the lowest x: where that grid ends, as the map bends without end at its floor
_LEVEL = 0.68


@dataclass(frozen=True)
class LawFloor:
    """A floor that a law of size and data gives, fitted to the runs of one side.

    Parameters
    ----------
    law : str
        Name of the law.
    least_budget : float
        Smallest compute among the runs that it was fitted to, FLOP.
    n_runs : int
        How many there are.
    share : float
        Where small budgets were cut off, as a share of the range of budgets; 0 for none.
    floor : Floor or None
        Its E, with a 68 % interval where all budgets were fitted; None where there is none.
    verdict : str
        Of the fit.
    reason : str
        Why there is no floor.
    """

    law: str
    least_budget: float
    n_runs: int
    share: float
    floor: Floor | None
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True)
class FloorRow:
    """What a map says on one choice of floors.

    Parameters
    ----------
    basis : {'none', 'given', 'law', 'end', 'grid'}
        A form without a floor of x; the floors of the map at hand; those of a law; one of these moved to an end of its
        interval; a floor of x between 0 and the data.
    law : str
        Which law, ``given``, or the form without a floor.
    share, least_budget : float
        Which budgets the law was fitted to; NaN where it is none.
    moved : str
        Which floor was moved, and where to; empty for none.
    held : {'both', 'source', 'none'}
        Which floors are held; the other one is found by the map.
    floor_x, floor_y : float
        The floors; NaN where there is none.
    forecast : float
        Loss y; NaN where there is none.
    reason : str
        Why there is no forecast.
    """

    basis: str
    law: str
    held: str
    floor_x: float
    floor_y: float
    forecast: float
    share: float = math.nan
    least_budget: float = math.nan
    moved: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def law_floors(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    loss: ArrayLike,
    compute_flop: ArrayLike,
    *,
    laws: Sequence[str] = LAWS,
    shares: Sequence[float] = SHARES,
    bootstrap: int = 100,
    seed: int = 0,
    side: str = "",
) -> tuple[LawFloor, ...]:
    """Fit laws of size and data to the runs of one side, without the smallest budgets too, and take their floors.

    Parameters
    ----------
    n_params, n_tokens, loss, compute_flop : array_like (n,)
        The runs: parameters, tokens, loss in any unit, FLOP.
    laws : sequence of str
        Laws of N and D with the parameter E.
    shares : sequence of float
        Of the range of budgets, on a logarithmic scale, below which runs are left out.
    bootstrap : int, default 100
        Replicates behind the error of the floors of all budgets; 0 for that of the covariance.
    seed : int, default 0
        Of the bootstrap.
    side : str
        What the runs are, for the words of their source.

    Returns
    -------
    tuple of LawFloor
        One a law and a share; a law that gives no floor says why.
    """
    columns = [np.asarray(values, float) for values in (n_params, n_tokens, loss, compute_flop)]
    usable = np.all([np.isfinite(values) & (values > 0) for values in columns], axis=0)
    n, d, losses, compute = (values[usable] for values in columns)
    if not len(compute):
        return ()
    first, last = float(compute.min()), float(compute.max())
    found: list[LawFloor] = []
    for law in laws:
        seen: set[int] = set()
        for share in shares:
            keep = compute >= first * (last / first) ** share * (1 - 1e-9)
            if (count := int(keep.sum())) in seen:
                continue  # a gap between budgets: the same runs again
            seen.add(count)
            replicates = bootstrap if share == 0 else 0
            about = f"E of the law {law}, fitted to {format_plural(count, 'run')}{side and f' of {side}'}"
            found.append(_one(law, n[keep], d[keep], losses[keep], compute[keep], share, replicates, seed, about))
    return tuple(found)


def floor_sensitivity(
    x: ArrayLike,
    y: ArrayLike,
    at: float,
    source: Sequence[LawFloor] = (),
    target: Sequence[LawFloor] = (),
    floor_x: Floor | None = None,
    floor_y: Floor | None = None,
) -> tuple[FloorRow, ...]:
    """Forecast a loss on one floor after another.

    Parameters
    ----------
    x, y : array_like (n,)
        The losses of each pair.
    at : float
        The loss x that a forecast is wanted at.
    source, target : sequence of LawFloor
        Floors of both sides, as of `law_floors`; rows are made where both sides have one.
    floor_x, floor_y : Floor, optional
        The floors that the map at hand was given.

    Returns
    -------
    tuple of FloorRow
        Forms without a floor of x, the floors given, those of the laws, each also at the ends of its interval; then a
        grid of floors of x with the floor of y found by the map.

    Raises
    ------
    InputDataError
        For losses that make no pairs, or a loss `at` that is no number above 0.

    Notes
    -----
    Between two floors that are held a shifted power law is the straight line of ln(y - E_y) on ln(x - E_x), by least
    squares. With the floor of y free it is fitted to plain differences, as in `scaling.loss_to_loss.fit_pairs`.

    Examples
    --------
    >>> x = np.geomspace(2.2, 4.0, 24)
    >>> rows = floor_sensitivity(x, 0.9 * (x - 1.7) ** 1.1 + 1.3, 2.0, floor_x=Floor(1.7), floor_y=Floor(1.3))
    >>> [round(row.forecast, 4) for row in rows if (row.basis, row.held) == ("given", "both")]
    [1.5394]
    """
    one, other = np.asarray(x, float), np.asarray(y, float)
    if one.shape != other.shape or one.ndim != 1 or len(one) < 2:
        raise InputDataError(f"losses of shapes {one.shape} and {other.shape} make no pairs")
    if not (math.isfinite(at) and at > 0):
        raise InputDataError(f"a loss is a number above 0, not {at}")
    rows = [_without(one, other, at, form) for form in ("log_log", "offset_power")]
    if floor_x is not None:
        rows += _held(one, other, at, floor_x, floor_y, "given", "given")
    theirs = {(f.law, f.share): f for f in target}
    for ours in source:
        mate = theirs.get((ours.law, ours.share))
        first, second = ours.floor, None if mate is None else mate.floor
        about: dict[str, Any] = {"share": ours.share, "least_budget": ours.least_budget}
        if first is None:
            nothing = (math.nan, math.nan, math.nan)
            rows.append(FloorRow("law", ours.law, "source", *nothing, **about, reason=f"source: {ours.reason}"))
            continue
        rows += _held(one, other, at, first, second, "law", ours.law, **about)
        if second is None and mate is not None:
            lost = (first.value, math.nan, math.nan)
            rows.append(FloorRow("law", ours.law, "both", *lost, **about, reason=f"target: {mate.reason}"))
    for value in np.linspace(0.0, _NEAR * min(float(one.min()), at), _GRID):
        rows.append(_source_held(one, other, at, Floor(float(value)), "grid", "grid"))
    return tuple(rows)


def _one(
    law: str, n: Array, d: Array, loss: Array, compute: Array, share: float, replicates: int, seed: int, about: str
) -> LawFloor:
    """Fit a law and take its floor."""
    import scaling

    least, count = float(compute.min()), len(n)
    try:
        fit = scaling.fit(law, {"N": n, "D": d}, loss, bootstrap=replicates, seed=seed)
    except ScalingError as error:
        return LawFloor(law, least, count, share, None, "", error.message)
    if fit.verdict == NOT_IDENTIFIED:
        return LawFloor(law, least, count, share, None, fit.verdict, f"the law {law} is not identified by these runs")
    value = max(fit.estimates["E"], 0.0)
    low, high = fit.interval("E", _LEVEL) if share == 0 else (math.nan, math.nan)
    if math.isfinite(low) and math.isfinite(high):
        low, high = max(min(low, value), 0.0), max(high, value)
    else:
        low = high = math.nan
    return LawFloor(law, least, count, share, Floor(value, about, low, high), fit.verdict)


def _without(x: Array, y: Array, at: float, form: str) -> FloorRow:
    """A form that has no floor of x."""
    fit = _fit(form, x, y, None, None)
    said = math.nan if fit is None else float(fit.evaluate({"x": np.array([at])})[0][0])
    floor_y = fit.estimates.get("E_y", math.nan) if fit is not None else math.nan
    return FloorRow("none", form, "none", math.nan, floor_y, said, reason="" if fit else "it could not be fitted")


def _held(
    x: Array, y: Array, at: float, floor_x: Floor, floor_y: Floor | None, basis: str, law: str, **about: float
) -> list[FloorRow]:
    """Hold floors as they are, then at the ends of their intervals."""
    rows = [_source_held(x, y, at, floor_x, basis, law, **about)]
    if floor_y is None:
        ends = [(Floor(end), None, f"E_x at its {name} end") for end, name in _ends(floor_x)]
        return rows + [_source_held(x, y, at, f, "end", law, moved=moved, **about) for f, _, moved in ends]
    rows.append(_both_held(x, y, at, floor_x.value, floor_y.value, basis, law, **about))
    for end, name in _ends(floor_x):
        rows.append(_both_held(x, y, at, end, floor_y.value, "end", law, moved=f"E_x at its {name} end", **about))
    for end, name in _ends(floor_y):
        rows.append(_both_held(x, y, at, floor_x.value, end, "end", law, moved=f"E_y at its {name} end", **about))
    return rows


def _ends(floor: Floor) -> list[tuple[float, str]]:
    return [(floor.low, "lower"), (floor.high, "upper")] if floor.has_error else []


def _both_held(
    x: Array, y: Array, at: float, floor_x: float, floor_y: float, basis: str, law: str, **about: Any
) -> FloorRow:
    """The straight line of logarithms above both floors."""
    reason = _no_map(x, floor_x, "x") or _no_map(y, floor_y, "y") or _no_value(at, floor_x)
    said = math.nan
    if not reason:
        slope, start = np.polyfit(np.log(x - floor_x), np.log(y - floor_y), 1)
        said = float(np.exp(start + slope * math.log(at - floor_x)) + floor_y)
    return FloorRow(basis, law, "both", floor_x, floor_y, said, reason=reason, **about)


def _source_held(x: Array, y: Array, at: float, floor_x: Floor, basis: str, law: str, **about: Any) -> FloorRow:
    """A shifted power law that finds the floor of y."""
    reason = _no_map(x, floor_x.value, "x") or _no_value(at, floor_x.value)
    said = floor_y = math.nan
    if not reason:
        fit = _fit("shifted_power", x, y, floor_x, None)
        if fit is None:
            reason = "it could not be fitted"
        else:
            said, floor_y = float(fit.evaluate({"x": np.array([at])})[0][0]), fit.estimates["E_y"]
    return FloorRow(basis, law, "source", floor_x.value, floor_y, said, reason=reason, **about)


def _fit(form: str, x: Array, y: Array, floor_x: Floor | None, floor_y: Floor | None) -> Any:
    import scaling

    law, goal = map_law(form, floor_x, floor_y), map_objective(form, floor_x, floor_y)
    try:
        return scaling.fit(law, {"x": x}, y, objective=goal, bootstrap=0)
    except ScalingError:
        return None


def _no_map(losses: Array, floor: float, name: str) -> str:
    """Why no map has this floor; empty where one may."""
    if floor < float(losses.min()):
        return ""
    count = int(np.sum(losses <= floor))
    return f"this floor lies at or above the {name} of {format_plural(count, 'pair')}"


def _no_value(at: float, floor: float) -> str:
    return "" if at > floor else f"x = {format_number(at)} lies at or below this floor"
