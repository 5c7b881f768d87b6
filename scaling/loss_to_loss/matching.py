"""Pairs of runs: which run of one side goes with which of the other, and which go with none.

Sizes that are meant to be equal are rarely equal as floating-point numbers: tokens follow from a budget divided by
parameters, and steps are whole. So runs are paired up to a relative tolerance, and one so wide that cells run into each
other is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_count, format_number, format_percent, format_plural
from scaling.loss_to_loss.cells import number_cells

Array = NDArray[np.float64]

SOURCE, TARGET = "source", "target"
#: How runs are paired, and the tolerance that goes with it where none is given.
WAYS = {"cell": 1e-3, "run": 0.0, "compute": 1e-2}


@dataclass(frozen=True)
class RunSide:
    """The runs of one side.

    Parameters
    ----------
    run_id : sequence of str (n,)
        Which runs.
    n_params, n_tokens, compute_flop : array_like (n,)
        Parameters, tokens and FLOP; NaN where not known. Compute that is missing is 6*N*D.
    loss : array_like (n,)
        What the map takes (source) or gives (target); a run without a finite one is left unpaired.

    Raises
    ------
    InputDataError
        For columns of different lengths, or a run that stands twice.
    """

    run_id: tuple[str, ...]
    n_params: Array
    n_tokens: Array
    compute_flop: Array
    loss: Array

    def __init__(
        self,
        run_id: Sequence[str],
        n_params: ArrayLike,
        n_tokens: ArrayLike,
        compute_flop: ArrayLike | None,
        loss: ArrayLike,
    ) -> None:
        n = len(run_id)
        nothing = np.full(n, np.nan)
        columns = {"n_params": n_params, "n_tokens": n_tokens, "compute_flop": compute_flop, "loss": loss}
        arrays = {k: nothing.copy() if v is None else np.asarray(v, dtype=float) for k, v in columns.items()}
        for name, values in arrays.items():
            if values.shape != (n,):
                raise InputDataError(f"{name} has shape {values.shape}, but there are {format_plural(n, 'run')}")
        ids = tuple(str(one) for one in run_id)
        if len(set(ids)) < n:
            twice = next(one for i, one in enumerate(ids) if one in ids[:i])
            raise InputDataError(f"the run {twice} stands twice on one side", hint="Give each run once.")
        with np.errstate(all="ignore"):
            sixfold = 6 * arrays["n_params"] * arrays["n_tokens"]
        given = arrays["compute_flop"]
        arrays["compute_flop"] = np.where(np.isfinite(given), given, sixfold)
        object.__setattr__(self, "run_id", ids)
        for name, values in arrays.items():
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.run_id)


class Unpaired(NamedTuple):
    """A run that is in no pair: which, on which side (``source`` or ``target``), and why."""

    run_id: str
    side: str
    reason: str


@dataclass(frozen=True)
class Pairs:
    """Pairs of runs, by rising budget.

    Parameters
    ----------
    x, y : ndarray (n,)
        Loss of the source and of the target; the mean of a side where several of its runs share a cell.
    budget : ndarray (n,)
        Training compute of the source, FLOP, by which pairs are ordered; NaN where it is not known.
    n_params, n_tokens : ndarray (n,)
        Of the source.
    members : tuple of (tuple of str, tuple of str)
        Runs of the source and of the target in each pair.
    unpaired : tuple of Unpaired
        Runs that are in no pair.
    by : str
        ``cell``, ``run`` or ``compute``.
    tolerance : float
        Largest relative difference inside a pair.
    averaged : int
        Pairs in which a side is a mean over several runs.
    """

    x: Array
    y: Array
    budget: Array
    n_params: Array
    n_tokens: Array
    members: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    unpaired: tuple[Unpaired, ...]
    by: str
    tolerance: float
    averaged: int = 0

    def __len__(self) -> int:
        return len(self.members)

    @property
    def sentence(self) -> str:
        """How the runs were paired, in words."""
        n = format_plural(len(self), "pair")
        if self.by == "run":
            return f"{n}: both losses of the same run."
        up_to = f"up to {format_percent(self.tolerance)}"
        if self.by == "compute":
            return f"{n}, one a budget (equal {up_to}): the run of lowest loss of each side."
        seeds = ""
        if self.averaged:
            pairs = "one pair stands" if self.averaged == 1 else f"{self.averaged} pairs stand"
            seeds = f" {pairs[0].upper()}{pairs[1:]} for several runs of one cell, whose losses are averaged."
        return f"{n} of runs with the same parameters and tokens {up_to}.{seeds}"


def match_runs(source: RunSide, target: RunSide, by: str = "cell", tolerance: float | None = None) -> Pairs:
    """Pair the runs of two sides.

    Parameters
    ----------
    source, target : RunSide
        The sides: x and y of the map.
    by : {'cell', 'run', 'compute'}, default 'cell'
        ``cell`` pairs runs of the same parameters and tokens; several runs of a side in one cell, such as seeds, are
        averaged. ``run`` takes both losses of the same run. ``compute`` pairs, at each budget that both sides have, the
        run of lowest loss of each side.
    tolerance : float, optional
        Largest relative difference of parameters and of tokens, or of compute; 0.001 and 0.01 where missing.

    Returns
    -------
    Pairs
        Two or more, by rising budget.

    Raises
    ------
    UsageError
        For another way of pairing, or a tolerance that is no share.
    InputDataError
        Where fewer than two pairs come of it, or the tolerance is so wide that a run belongs to two cells.

    Examples
    --------
    >>> small, large = [1e8, 1e9], [2e9, 2e10]
    >>> one = RunSide(["a", "b"], small, large, None, [3.1, 2.6])
    >>> other = RunSide(["c", "d"], small, large, None, [2.9, 2.3])
    >>> match_runs(one, other).y.tolist()
    [2.9, 2.3]
    """
    if by not in WAYS:
        raise UsageError(f"runs cannot be paired by '{by}'", hint=did_you_mean(by, WAYS))
    width = WAYS[by] if tolerance is None else float(tolerance)
    if not 0 <= width < 1:
        raise UsageError(f"a tolerance is a share from 0 to below 1, not {width}", hint="0.001 stands for 0.1 %.")
    if by == "run":
        return _by_run(source, target)
    sides = {SOURCE: source, TARGET: target}
    why = {name: [_unusable(side, i, by) for i in range(len(side))] for name, side in sides.items()}
    unpaired = [
        Unpaired(side.run_id[i], name, reason)
        for name, side in sides.items()
        for i, reason in enumerate(why[name])
        if reason
    ]
    usable = [(name, i) for name in sides for i, reason in enumerate(why[name]) if not reason]
    place = np.array([_place(sides[name], i, by) for name, i in usable]).reshape(len(usable), -1)
    labels = [(name, sides[name].run_id[i]) for name, i in usable]
    cells: dict[int, dict[str, list[int]]] = {}
    for (name, i), number in zip(usable, number_cells(place, width, labels), strict=True):
        cells.setdefault(number, {SOURCE: [], TARGET: []})[name].append(i)
    found: list[tuple[list[int], list[int]]] = []
    for cell in cells.values():
        ours, theirs = cell[SOURCE], cell[TARGET]
        if not (ours and theirs):
            name, rows = (SOURCE, ours) if ours else (TARGET, theirs)
            other = TARGET if name == SOURCE else SOURCE
            unpaired += [Unpaired(sides[name].run_id[i], name, _ALONE[by].format(other=other)) for i in rows]
            continue
        if by == "compute":
            ours, lost = _lowest(source, ours, SOURCE)
            theirs, more = _lowest(target, theirs, TARGET)
            unpaired += [*lost, *more]
        found.append((ours, theirs))
    if not found:
        raise _no_pair(sides, why, by, width)
    return _pairs(source, target, found, unpaired, by, width)


_ALONE = {
    "cell": "no {other} run has its parameters and tokens",
    "compute": "no {other} run has its compute",
}


def _by_run(source: RunSide, target: RunSide) -> Pairs:
    where = {one: i for i, one in enumerate(target.run_id)}
    unpaired: list[Unpaired] = []
    found: list[tuple[list[int], list[int]]] = []
    for i, one in enumerate(source.run_id):
        if not math.isfinite(source.loss[i]):
            unpaired.append(Unpaired(one, SOURCE, "its loss is no finite number"))
        elif one not in where:
            unpaired.append(Unpaired(one, SOURCE, "it has no target loss"))
        elif not math.isfinite(target.loss[where[one]]):
            unpaired.append(Unpaired(one, TARGET, "its loss is no finite number"))
        else:
            found.append(([i], [where[one]]))
    known = set(source.run_id)
    unpaired += [Unpaired(one, TARGET, "it has no source loss") for one in target.run_id if one not in known]
    if not found:
        raise InputDataError(
            f"none of the {format_plural(len(source), 'run')} has both losses",
            hint="Choose metrics that the same runs logged.",
        )
    return _pairs(source, target, found, unpaired, "run", 0.0)


def _pairs(
    source: RunSide, target: RunSide, found: list[tuple[list[int], list[int]]], unpaired: list[Unpaired],
    by: str, tolerance: float,
) -> Pairs:  # fmt: skip
    if len(found) == 1:
        ours, theirs = ([side.run_id[i] for i in rows] for side, rows in zip((source, target), found[0], strict=True))
        names = " and ".join(dict.fromkeys([*ours, *theirs]))
        raise InputDataError(
            f"there is one pair alone ({names}), and a map needs several",
            hint="Train more runs of sizes that both sides have, or pair by compute.",
        )
    members = [
        (tuple(source.run_id[i] for i in ours), tuple(target.run_id[i] for i in theirs)) for ours, theirs in found
    ]
    columns = {
        "x": [float(np.mean(source.loss[ours])) for ours, _ in found],
        "y": [float(np.mean(target.loss[theirs])) for _, theirs in found],
        "budget": [float(np.mean(source.compute_flop[ours])) for ours, _ in found],
        "n_params": [float(np.mean(source.n_params[ours])) for ours, _ in found],
        "n_tokens": [float(np.mean(source.n_tokens[ours])) for ours, _ in found],
    }
    order = sorted(range(len(found)), key=lambda k: (_last(columns["budget"][k]), members[k]))
    return Pairs(
        **{name: np.array(values)[order] for name, values in columns.items()},
        members=tuple(members[k] for k in order),
        unpaired=tuple(sorted(unpaired, key=lambda one: (one.side, one.run_id))),
        by=by,
        tolerance=tolerance,
        averaged=sum(len(ours) > 1 or len(theirs) > 1 for ours, theirs in found),
    )


def _last(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _unusable(side: RunSide, i: int, by: str) -> str:
    """Why a run can be in no pair; empty where it can."""
    if not math.isfinite(side.loss[i]):
        return "its loss is no finite number"
    needed = ("compute_flop",) if by == "compute" else ("n_params", "n_tokens")
    for name in needed:
        value = float(getattr(side, name)[i])
        if not (math.isfinite(value) and value > 0):
            return f"its {name} is missing" if math.isnan(value) else f"its {name} is {format_number(value)}"
    return ""


def _place(side: RunSide, i: int, by: str) -> list[float]:
    """Where a run lies: logarithms, so that a relative tolerance is a distance."""
    if by == "compute":
        return [math.log(side.compute_flop[i])]
    return [math.log(side.n_params[i]), math.log(side.n_tokens[i])]


def _lowest(side: RunSide, rows: list[int], name: str) -> tuple[list[int], list[Unpaired]]:
    best = min(rows, key=lambda i: (side.loss[i], side.run_id[i]))
    reason = f"another {name} run of its compute has a lower loss"
    return [best], [Unpaired(side.run_id[i], name, reason) for i in rows if i != best]


def _no_pair(sides: dict[str, RunSide], why: dict[str, list[str]], by: str, tolerance: float) -> InputDataError:
    """Say that nothing is paired, and what would be by a wider tolerance."""
    usable = {name: [i for i, reason in enumerate(why[name]) if not reason] for name in sides}
    for name, rows in usable.items():
        if not rows:
            said = f"Of the run {sides[name].run_id[0]}, {why[name][0]}." if why[name] else "There are none."
            raise InputDataError(f"no {name} run can be paired. {said}", hint="See the runs with: scaling ls")
    ours, theirs = (np.array([_place(sides[name], i, by) for i in usable[name]]) for name in (SOURCE, TARGET))
    best, at = math.inf, (0, 0)
    for a, one in enumerate(ours):
        away = np.max(np.abs(theirs - one), axis=1)
        if away.min() < best:
            best, at = float(away.min()), (a, int(away.argmin()))
    nearest = (usable[SOURCE][at[0]], usable[TARGET][at[1]])
    shown = " and ".join(_shown(sides[name], i, by) for name, i in zip((SOURCE, TARGET), nearest, strict=True))
    needed = math.expm1(best)
    same = "compute" if by == "compute" else "parameters and tokens"
    hint = f"--tolerance {_above(needed)} would pair them." if needed < 1 else "No tolerance pairs them."
    if by == "cell":
        hint += " Or pair the best run of each budget: --pair-by compute."
    return InputDataError(
        f"no source run and target run have the same {same} up to {format_percent(tolerance)}; the nearest are "
        f"{shown}, which differ by {format_percent(needed)}",
        hint=hint,
    )


def _shown(side: RunSide, i: int, by: str) -> str:
    if by == "compute":
        return f"{side.run_id[i]} ({format_number(float(side.compute_flop[i]))} FLOP)"
    n, d = format_count(float(side.n_params[i])), format_count(float(side.n_tokens[i]))
    return f"{side.run_id[i]} ({n} parameters, {d} tokens)"


def _above(value: float) -> str:
    """Write a number rounded up to two digits, so that it is enough."""
    scale = 10.0 ** (1 - math.floor(math.log10(value)))
    return f"{math.ceil(value * scale * (1 + 1e-9)) / scale:g}"
