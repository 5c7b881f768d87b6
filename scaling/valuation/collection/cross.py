"""How much an example of one group is worth to another: runs that train on several groups at once.

The loss of a group falls with its own examples and a share of the others': E + A/(n_g + sum_h w_gh n_h)^alpha. A share
is known only where the runs tell the counts apart, which is looked at first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_interval, format_number, format_plural
from scaling.inputs import check_level
from scaling.serial import plain
from scaling.valuation.collection.rows import seed_of

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

HIGHEST = 10.0  # examples of one's own that an example of another group may be worth
_ALIKE = 1e-3  # share of a column of counts that others must leave unexplained
_WIDEST = 1.0  # interval of a share, in examples of one's own, beyond which it is not known
_LEAST = 0.01  # of a share at its low end: it cannot be below 0, so that an interval hardly ever begins there
HELPS, NOT_TOLD, NOT_IDENTIFIED = "helps", "not told apart from 0", "not identified"


@dataclass(frozen=True)
class CrossEffect:
    """What examples of one group are worth to another.

    Parameters
    ----------
    group, other : str
        Whose loss, and whose examples.
    share, low, high : float
        Examples of `group` that one of `other` is worth, with its interval; NaN where it is not known.
    word : str
        ``helps``, ``not told apart from 0`` or ``not identified``.
    why : str
        Where it is not identified, why.
    """

    group: str
    other: str
    share: float
    low: float
    high: float
    word: str
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        names = ("group", "other", "share", "low", "high", "word", "why")
        return {name: plain(getattr(self, name)) for name in names}


@dataclass(frozen=True)
class CrossEffects:
    """Learning curves of groups that also learn from each other.

    Parameters
    ----------
    groups : tuple of str (G,)
        Names, in order.
    fits : dict of str to Fit
        By group; inputs ``n0`` (its own) and ``n1`` on, those of the others that the runs tell apart.
    effects : tuple of CrossEffect
        One a pair.
    have : ndarray (G,)
        The most examples of each group that a run trained on.
    level : float
        Nominal coverage.
    seed : int
        Of the replicates.
    """

    groups: tuple[str, ...]
    fits: dict[str, Fit]
    effects: tuple[CrossEffect, ...]
    have: Array
    level: float
    seed: int

    @property
    def shares(self) -> Array:
        """What an example of a group (column) is worth to each (row), (G, G): 1 to itself, 0 where not identified."""
        place = {group: i for i, group in enumerate(self.groups)}
        matrix = np.eye(len(self.groups))
        for one in self.effects:
            if one.word != NOT_IDENTIFIED:
                matrix[place[one.group], place[one.other]] = one.share
        return matrix

    @property
    def parameters(self) -> Array:
        """E, A and alpha of each group, shape (G, 3)."""
        return np.array([[self.fits[g].estimates[k] for k in ("E", "A", "alpha")] for g in self.groups])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table = {
            group: dict(zip(("E", "A", "alpha"), row, strict=True))
            for group, row in zip(self.groups, self.parameters.tolist(), strict=True)
        }
        effects = [one.to_dict() for one in self.effects]
        return {"curves": table, "effects": effects, "level": self.level, "seed": self.seed}

    def __repr__(self) -> str:
        lines = [f"what examples of {format_plural(len(self.groups), 'group')} are worth to each other"]
        for one in self.effects:
            said = f"{format_number(one.share, 3)} ({format_interval(one.low, one.high)}), {one.word}"
            if one.word == NOT_IDENTIFIED:
                said = f"{one.word}: {one.why}"
            lines.append(f"  an example of {one.other} to {one.group}: {said}")
        return "\n".join(lines)


def cross_effects(
    counts: Mapping[str, ArrayLike],
    losses: Mapping[str, ArrayLike],
    *,
    bootstrap: int = 200,
    level: float = 0.9,
    seed: int = 0,
) -> CrossEffects:
    """Fit what examples of each group are worth to the others.

    Parameters
    ----------
    counts : mapping of str to array_like (n,)
        By group: examples of it that each run trained on; may be 0.
    losses : mapping of str to array_like (n,)
        By group: loss or error of each run on its test set; NaN where it was not measured.
    bootstrap : int, default 200
        Replicates behind the intervals; 40 at least.
    level : float, default 0.9
        Nominal coverage.
    seed : int, default 0
        Of the replicates.

    Returns
    -------
    CrossEffects
        A share is ``not identified`` where the counts of two groups go together in the runs, where runs are too few, or
        where its interval is wider than one example. It is then left out of the curve.

    Raises
    ------
    InputDataError
        For counts or losses that are none.
    UsageError
        For groups that differ, or too few replicates.
    """
    check_level(level)
    if bootstrap < 40:
        raise UsageError("intervals of shares take 40 replicates at least")
    table = _counts(counts)
    groups = tuple(sorted(table))
    if set(losses) != set(groups) or len(groups) < 2:
        raise UsageError(
            "counts and losses name different groups, or only one", hint="Give both for two groups or more."
        )
    fits, effects = {}, []
    for group in groups:
        y = np.asarray(losses[group], float)
        if y.shape != table[group].shape:
            raise InputDataError(f"{group} has {len(table[group])} counts and {y.size} losses")
        some = np.flatnonzero(np.isfinite(y))
        if not np.any(table[group][some] > 0):
            raise InputDataError(
                f"no run whose loss on {group} is known trained on it, so it has no curve", hint="Leave the group out."
            )
        own = {name: values[some] for name, values in table.items()}
        made, found = _of_group(group, [g for g in groups if g != group], own, y[some], bootstrap, level, seed)
        fits[group] = made
        effects += found
    return CrossEffects(groups, fits, tuple(effects), np.array([table[g].max() for g in groups]), level, seed)


def _counts(counts: Mapping[str, ArrayLike]) -> dict[str, Array]:
    table = {str(name): np.atleast_1d(np.asarray(values, float)) for name, values in counts.items()}
    for name, values in table.items():
        if not np.all(np.isfinite(values) & (values >= 0)):
            row = int(np.flatnonzero(~(np.isfinite(values) & (values >= 0)))[0])
            raise InputDataError(f"the examples of {name} are {values[row]} in row {row}")
    if len({len(values) for values in table.values()}) > 1:
        raise InputDataError(
            "groups have different numbers of runs", hint="A run without a group has 0 examples of it."
        )
    return table


def _of_group(
    group: str, others: list[str], counts: dict[str, Array], y: Array, bootstrap: int, level: float, seed: int
) -> tuple[Fit, list[CrossEffect]]:
    """Fit one group; shares that turn out wide are left out, and the curve is fitted again."""
    why = _together(group, others, counts)
    kept = [name for name in others if name not in why]
    while True:
        least = 3 + len(kept) + 4
        if len(y) >= least or not kept:
            fit = _fit(group, kept, counts, y, bootstrap, seed)
            wide = {}
            for i, name in enumerate(kept, start=1):
                low, high = fit.interval(f"w{i}", level)
                if high - low > _WIDEST or high > 0.99 * HIGHEST:
                    wide[name] = high - low
            if not wide:
                break
            worst = max(wide, key=lambda name: wide[name])
            why[worst] = f"its interval is {format_number(wide[worst], 2)} wide, in examples of {group}"
        else:
            worst = kept[-1]
            why[worst] = f"{format_plural(len(y), 'run')} are fewer than the {least} that it takes"
        kept.remove(worst)
    found = []
    for name in others:
        if name in why:
            found.append(CrossEffect(group, name, np.nan, np.nan, np.nan, NOT_IDENTIFIED, why[name]))
            continue
        key = f"w{kept.index(name) + 1}"
        low, high = fit.interval(key, level)
        word = HELPS if low > _LEAST else NOT_TOLD
        found.append(CrossEffect(group, name, fit.estimates[key], low, high, word))
    return fit, found


def _together(group: str, others: list[str], counts: dict[str, Array]) -> dict[str, str]:
    """Say which other groups the runs do not tell apart from the own one and those before."""
    basis, names, why = [counts[group]], [group], {}
    for name in others:
        column = counts[name]
        if not np.any(column > 0):
            why[name] = "no run trained on it"
            continue
        known = np.column_stack(basis)
        scale = np.maximum(known.max(axis=0), 1.0)
        left = column - known / scale @ np.linalg.lstsq(known / scale, column, rcond=None)[0]
        if float(left @ left) <= _ALIKE**2 * float(column @ column):
            why[name] = (
                f"its counts go with those of {' and '.join(names)} in all runs, so what it is worth is in theirs"
            )
            continue
        basis.append(column)
        names.append(name)
    return why


def _fit(group: str, kept: list[str], counts: dict[str, Array], y: Array, bootstrap: int, seed: int) -> Fit:
    from scaling.fitting.fit import fit

    inputs = {"n0": counts[group]} | {f"n{i}": counts[name] for i, name in enumerate(kept, start=1)}
    some = sum(inputs.values()) > 0  # a run that trained on none of them has no place on the curve
    inputs, y = {name: values[some] for name, values in inputs.items()}, y[some]
    within = " + ".join(["n0", *(f"w{i}*n{i}" for i in range(1, len(kept) + 1))])
    bounds: dict[str, dict[str, Any]] = {
        "E": {"low": 0, "high": "1.25 * min(y)"},
        "A": {"low": 1e-6, "high": 1e30},
        "alpha": {"low": 0.001, "high": 3, "screen": [0.05, 1.2]},
    }
    bounds |= {f"w{i}": {"low": 0, "high": HIGHEST, "screen": [0, 1.5]} for i in range(1, len(kept) + 1)}
    return fit(
        f"E + A/({within})**alpha", inputs, y, objective="squared", bootstrap=bootstrap, resample="dirichlet",
        seed=seed_of(seed, group), parameters=bounds,
    )  # fmt: skip
