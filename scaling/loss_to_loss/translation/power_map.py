"""The formulas of a translation: how a map is read, how a law is put into it, and when the result is a law of its kind.

A law L(N, D) put into the place of x in a map gives the law of the other corpus. Where L is Kaplan's law with a floor
and the map a shifted power law from that very floor, the result is Kaplan's law again, with other numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import sympy
from numpy.typing import NDArray

from scaling.errors import LawError, UsageError
from scaling.laws.book import find_law
from scaling.laws.formula import MAX_LENGTH, symbol
from scaling.laws.law import Law
from scaling.laws.parameter import Parameter
from scaling.serial import number

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

_SAME_FLOOR = 1e-9  # relative difference below which the floor of a map is that of the law
_GRID = 33  # losses over which a map is written anew from another floor
_STEPS = 8  # of Gauss-Newton from a neighbouring optimum; four reach rounding


@dataclass(frozen=True)
class PowerMap:
    """A map that is a shifted power law, K*(x - E_x)**kappa + E_y, read off its formula.

    Parameters
    ----------
    scale, exponent : str
        Names of K and kappa.
    floor_x, floor_y : float or str
        A number that stands in the formula (0 where nothing does), or the name of the parameter.
    """

    scale: str
    exponent: str
    floor_x: float | str
    floor_y: float | str

    def formula(self, floor_x: float) -> str:
        """Write the formula with another number for the floor of x."""
        above = f"(x - {float(floor_x)!r})" if floor_x else "x"
        below = self.floor_y if isinstance(self.floor_y, str) else repr(float(self.floor_y)) if self.floor_y else ""
        return f"{self.scale}*{above}**{self.exponent}" + (f" + {below}" if below else "")

    def floors_y(self, law: Law, theta: Array) -> Array:
        """Return E_y of parameter rows (B, p): shape (B,)."""
        if isinstance(self.floor_y, str):
            return theta[:, law.parameter_names.index(self.floor_y)]
        return np.full(len(theta), self.floor_y)


def read_power_map(fit: Fit) -> PowerMap | None:
    """Read a map as a shifted power law.

    Parameters
    ----------
    fit : Fit
        Of a law of one input.

    Returns
    -------
    PowerMap or None
        None for any other form. A floor that is a number is taken from ``settings["loss_to_loss"]`` where it stands
        there as given, and else from the formula.
    """
    [name] = fit.law.inputs
    x, parameters = symbol(name), {symbol(p): p for p in fit.law.parameter_names}
    terms = sympy.Add.make_args(fit.law.expression)
    power = [term for term in terms if term.has(x)]
    rest = sympy.Add(*(term for term in terms if not term.has(x)))
    if len(power) != 1 or not (rest in parameters or rest.is_number):
        return None
    factors = sympy.Mul.make_args(power[0])
    raised = [f for f in factors if f.has(x)]
    scale = sympy.Mul(*(f for f in factors if not f.has(x)))
    if len(raised) != 1 or scale not in parameters or not raised[0].is_Pow or raised[0].exp not in parameters:
        return None
    floor = x - raised[0].base
    if floor.has(x) or not (floor in parameters or floor.is_number):
        return None
    given = fit.settings.get("loss_to_loss", {}).get("floor_x") or {}
    floor_x = parameters.get(floor) or float(floor)
    if isinstance(floor_x, float) and given.get("kind") == "given":
        floor_x = number(given["value"])
    return PowerMap(
        parameters[scale],
        parameters[raised[0].exp],
        floor_x,
        parameters.get(rest) or (float(rest) if rest != 0 else 0.0),
    )


def is_kaplan(law: Law) -> bool:
    """Tell whether a law is Kaplan's of N and D with a floor, by its formula."""
    book = find_law("kaplan")
    return set(law.inputs) == set(book.inputs) and bool(law.expression == book.expression)


def is_exact(source: Fit, power: PowerMap | None) -> bool:
    """Tell whether a law put into a map is a law of its own kind again (arXiv:2411.12925)."""
    if power is None or isinstance(power.floor_x, str) or not is_kaplan(source.law):
        return False
    floor = source.estimates["E"]
    return abs(power.floor_x - floor) <= _SAME_FLOOR * abs(floor)


def translate_kaplan(law: Law, theta: Array, scale: Array, exponent: Array, floor: Array) -> Array:
    """Translate Kaplan's law by a shifted power law from its own floor.

    Parameters
    ----------
    law : Law
        Kaplan's.
    theta : ndarray (B, 5)
        Its parameters, natural units.
    scale, exponent, floor : ndarray (B,)
        K, kappa and E_y of the map.

    Returns
    -------
    ndarray (B, 5)
        N_c K^(1/(kappa alpha_N)), D_c K^(1/(kappa alpha_D)), kappa alpha_N, kappa alpha_D and E_y. The ratio of the
        exponents stays, and so does alpha_N N_c^(alpha_N/alpha_D) / (alpha_D D_c), which fix the compute-optimal N.
    """
    place = {name: j for j, name in enumerate(law.parameter_names)}
    out = np.empty_like(theta)
    out[:, place["E"]] = floor
    with np.errstate(all="ignore"):
        for size, power in (("N_c", "alpha_N"), ("D_c", "alpha_D")):
            out[:, place[power]] = exponent * theta[:, place[power]]
            shift = np.log(scale) / out[:, place[power]]
            out[:, place[size]] = np.exp(np.log(theta[:, place[size]]) + shift)
    return out


def from_other_floor(
    scale: Array, exponent: Array, floor_y: Array, floor: float, others: Array, losses: tuple[float, float], free: bool
) -> tuple[Array, Array, Array]:
    """Fit shifted power laws anew with other floors of x, to what they themselves say where the pairs lie.

    Parameters
    ----------
    scale, exponent, floor_y : ndarray (B,)
        K, kappa and E_y, fitted with `floor` as the floor of x.
    floor : float
        That floor.
    others : ndarray (B,)
        The floors to take in its place, one a row.
    losses : (float, float)
        The range of x of the pairs.
    free : bool
        Whether E_y is a parameter: plain differences are then made small over the range, in the logarithm of x - E_x
        evenly, and those of ln(y - E_y) with E_y as it is otherwise, as the two are fitted to pairs.

    Returns
    -------
    scale, exponent, floor_y : ndarray (B,)
        NaN where the other floor does not lie below the pairs.

    Notes
    -----
    A map fitted with another floor has another K and kappa, and says the same of the pairs. Were they kept, a replicate
    of the source whose floor is .05 lower would move all its losses up by as much, although its runs stay.
    """
    grid = floor + np.geomspace(losses[0] - floor, losses[1] - floor, _GRID)
    with np.errstate(all="ignore"):
        line = np.log(scale)[:, None] + exponent[:, None] * np.log(grid - floor)
        at = np.log(np.where(others[:, None] < grid[0], grid - others[:, None], np.nan))
        middle = at.mean(axis=1, keepdims=True)
        slope = np.sum((at - middle) * line, axis=1) / np.sum((at - middle) ** 2, axis=1)
        rows = np.stack([line.mean(axis=1) - slope * middle[:, 0], slope, floor_y], axis=1)
        if free:
            rows = _least_squares(rows, at, np.exp(line) + floor_y[:, None])
        return np.exp(rows[:, 0]), rows[:, 1], np.where(np.isnan(slope), np.nan, rows[:, 2])


def _least_squares(start: Array, at: Array, wanted: Array) -> Array:
    """Bring exp(a + b*at) + c close to curves (B, g), by Gauss-Newton steps from rows (B, 3) that are close already."""
    rows = start.copy()
    known = np.flatnonzero(np.isfinite(at).all(axis=1) & np.isfinite(start).all(axis=1))
    for _ in range(_STEPS):
        power = np.exp(rows[known, :1] + rows[known, 1:2] * at[known])
        slopes = np.stack([power, power * at[known], np.ones_like(power)], axis=2)
        left = wanted[known] - power - rows[known, 2:]
        rows[known] += (np.linalg.pinv(slopes) @ left[:, :, None])[:, :, 0]
    return rows


@dataclass(frozen=True)
class Composed:
    """A law put into a map.

    Parameters
    ----------
    law : Law
        Of the inputs of the source; the parameters of the source first, then those of the map.
    renamed : dict of str to str
        New names of parameters of the map that the source has too.
    """

    law: Law
    renamed: dict[str, str]


def compose(source: Law, pair: Law, source_support: Mapping[str, tuple[float, float]] | None = None,
            pair_support: Mapping[str, tuple[float, float]] | None = None) -> Composed:  # fmt: skip
    """Put the formula of a law in the place of x in the formula of a map.

    Parameters
    ----------
    source : Law
        Whose output is the x of the map.
    pair : Law
        Of one input.
    source_support, pair_support : mapping, optional
        Ranges of inputs and output in the data of each; bounds that depend on them become numbers.

    Returns
    -------
    Composed

    Raises
    ------
    UsageError
        Where the formula would be longer than formulas may be, or nested deeper.
    """
    [x] = pair.inputs
    output = pair.output if pair.output != "y" else source.output
    taken = {*source.inputs, *source.parameter_names, output}
    renamed: dict[str, str] = {}
    for name in pair.parameter_names:
        if name not in taken:
            taken.add(name)
            continue
        new = f"{name}_map"
        while new in taken or new in pair.parameter_names:
            new += "_"
        renamed[name] = new
        taken.add(new)
    if output in (*source.parameter_names, *source.inputs):
        output = f"{output}_out"
    words = renamed | {x: f"({source.formula})"}
    formula = re.sub(r"\b[^\W\d]\w*\b", lambda found: words.get(found.group(), found.group()), pair.formula)
    if len(formula) > MAX_LENGTH:
        raise UsageError(
            f"the law '{source.name}' put into the map '{pair.name}' has {len(formula)} characters, and formulas have "
            f"{MAX_LENGTH} at most",
            hint="Take a shorter law or a map in which x stands once, such as log_log.",
        )
    parameters = [
        *(_numbered(p, source_support) for p in source.parameters),
        *(replace(_numbered(p, pair_support), name=renamed.get(p.name, p.name)) for p in pair.parameters),
    ]
    try:
        law = Law(
            name=f"{source.name}_by_{pair.name}",
            title=f"{source.title}; translated by: {pair.title}",
            formula=formula,
            inputs=dict(source.inputs),
            parameters=tuple(parameters),
            output=output,
            unit=pair.unit,
            source=source.source,
            note="A law of one corpus, put into the place of x in a map of losses to another.",
        )
    except LawError as error:
        raise UsageError(
            f"the law '{source.name}' cannot be put into the map '{pair.name}': {error.message}",
            hint="Take a simpler law, or a map in which x stands once, such as log_log.",
        ) from error
    return Composed(law, renamed)


def _numbered(parameter: Parameter, support: Mapping[str, tuple[float, float]] | None) -> Parameter:
    """Turn bounds that depend on the data into numbers; the data of the new law are others."""
    plain = replace(parameter, screen=None)
    if not isinstance(parameter.low, str) and not isinstance(parameter.high, str):
        return plain
    try:
        low, high = parameter.bounds(support or {})
    except LawError:
        low, high = -np.inf, np.inf
    return replace(plain, low=low, high=high)
