"""From loss curves to steps: the best run of each batch size, and what is to be said of how it was found.

The best of many runs is an optimistic number, and one found at the end of a grid may not be the best there is. Both are
told, cell by cell; nothing is left out because of them. A batch size whose runs all end above the target is kept as
censored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.batch_size.crossing import Crossing, check_curve, first_crossing, loss_at
from scaling.batch_size.tuning import find_edges, find_tuned, notes_on_grids
from scaling.errors import InputDataError
from scaling.formatting import format_number, format_percent, format_plural, format_whole
from scaling.inputs import as_number
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.batch_size.steps import StepsFit

Array = NDArray[np.float64]

_UNEVEN = 2.0  # ratio of the runs of two cells, from which the minimum of one is the more optimistic by its number


@dataclass(frozen=True)
class Curve:
    """The loss curve of one run.

    Parameters
    ----------
    run_id : str
        Its name.
    batch : float
        Batch size, in one unit for all curves.
    settings : mapping of str to object
        What else was set, such as ``lr``; numbers and texts.
    step, loss : ndarray (m,)
        Evaluations.
    """

    run_id: str
    batch: float
    settings: Mapping[str, Any]
    step: Array
    loss: Array


@dataclass(frozen=True)
class Cell:
    """The steps of one batch size.

    Parameters
    ----------
    batch : float
        Batch size.
    steps : float
        Of the best run to the target, interpolated; where `censored`, more than this many.
    low, high : float
        Evaluations on either side of the crossing.
    censored : bool
        Whether no run reached the target.
    run_id : str
        The best run, or the one that the censored steps are of.
    settings : dict of str to object
        Its settings.
    runs, reached, diverged : int
        Runs of this batch size, those of them that reached the target, and those that end without a finite loss or far
        above their lowest.
    runner_up : float
        Steps of the second best run; NaN without one.
    edges : tuple of str
        Settings of the best run that lie at an end of what was tried at this batch size, such as ``lr at its largest``.
    notes : tuple of str
        Findings, in sentences.
    """

    batch: float
    steps: float
    low: float
    high: float
    censored: bool
    run_id: str
    settings: dict[str, Any]
    runs: int
    reached: int
    diverged: int
    runner_up: float = math.nan
    edges: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """Share by which the second best run took longer; NaN without one.

        A small one says that tuning had little left to win, and that the best was partly luck.
        """
        return self.runner_up / self.steps - 1

    @property
    def bounds(self) -> bool:
        """Whether the steps say anything: those of a batch size whose runs all diverged do not."""
        return self.steps > 0 and not (self.censored and self.diverged == self.runs)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        table = {name: getattr(self, name) for name in self.__dataclass_fields__}
        out: dict[str, Any] = plain({**table, "gap": self.gap})
        return out


@dataclass(frozen=True)
class StepsToTarget:
    """Steps to a target over batch size.

    Parameters
    ----------
    target : float
        The loss.
    cells : tuple of Cell
        One a batch size, ascending.
    notes : tuple of str
        Findings about the cells together, in sentences.
    smooth : int
        Evaluations averaged.
    """

    target: float
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = field(default=())
    smooth: int = 1

    @property
    def batch(self) -> Array:
        """Batch sizes (n,)."""
        return np.array([cell.batch for cell in self.cells])

    @property
    def steps(self) -> Array:
        """Steps (n,)."""
        return np.array([cell.steps for cell in self.cells])

    @property
    def censored(self) -> NDArray[np.bool_]:
        """Which batch sizes never reached the target (n,)."""
        return np.array([cell.censored for cell in self.cells])

    def fit(self, **settings: Any) -> StepsFit:
        """Fit the curve of steps, to all batch sizes but those whose runs all diverged.

        Parameters
        ----------
        **settings
            Of `scaling.batch_size.fit_steps`.

        Returns
        -------
        StepsFit
        """
        from scaling.batch_size.steps import fit_steps

        some = np.array([cell.bounds for cell in self.cells])
        return fit_steps(self.batch[some], self.steps[some], self.censored[some], **settings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        return {
            "target": self.target,
            "smooth": self.smooth,
            "cells": [cell.to_dict() for cell in self.cells],
            "notes": list(self.notes),
        }


def steps_to_target(
    curves: Iterable[Curve], target: float, *, smooth: int = 1, tuned: str | Sequence[str] | None = None
) -> StepsToTarget:
    """Find the steps that each batch size takes to a target loss.

    Parameters
    ----------
    curves : iterable of Curve
        All runs, their batch sizes in one unit.
    target : float
        The loss to reach; see `scaling.batch_size.targets.derive_target` for one that follows from the runs.
    smooth : int, default 1
        Evaluations that are averaged before the crossing is sought; see `scaling.batch_size.crossing.first_crossing`.
    tuned : str or sequence of str, optional
        Settings whose ends are looked at. The learning rate where missing, by its usual names; where there is none,
        every setting that is a number.

    Returns
    -------
    StepsToTarget

    Raises
    ------
    InputDataError
        Where there are no curves, and where no run at all reaches the target.

    Notes
    -----
    A run that stops above the target bounds its own steps from below, and the best of several is only bounded by the
    shortest of those that were not yet behind another: a batch size without a run at the target is censored at the end
    of that one. Runs that diverged, and runs behind another at their end, bound nothing.
    """
    known = [_checked(curve) for curve in curves]
    if not known:
        raise InputDataError("there are no loss curves", hint="Each run needs steps and losses.")
    crossings = [first_crossing(curve.step, curve.loss, target, smooth) for curve in known]
    if not any(crossing.reached for crossing in crossings):
        raise _none_reached(known, crossings, target)
    names = find_tuned([curve.settings for curve in known], tuned)
    cells = []
    for batch in sorted({curve.batch for curve in known}):
        here = [i for i, curve in enumerate(known) if curve.batch == batch]
        cells.append(_cell([known[i] for i in here], [crossings[i] for i in here], names))
    return StepsToTarget(float(target), tuple(cells), tuple(_notes_across(cells, known, names)), smooth)


def _checked(curve: Curve) -> Curve:
    if not 0 < as_number(curve.batch) < math.inf:
        raise InputDataError(f"the run '{curve.run_id}' has the batch size {curve.batch}, which is no number above 0")
    step, loss = check_curve(curve.step, curve.loss, f"the run '{curve.run_id}'")
    return Curve(str(curve.run_id), float(curve.batch), dict(curve.settings or {}), step, loss)


def _none_reached(curves: list[Curve], crossings: list[Crossing], target: float) -> InputDataError:
    lowest = [math.inf if math.isnan(c.lowest) else c.lowest for c in crossings]
    at = int(np.argmin(lowest))
    seen = "no run has a finite loss"
    if math.isfinite(lowest[at]):
        seen = (
            f"the lowest loss is {format_number(lowest[at], 6)}, of the run '{curves[at].run_id}' at a batch of "
            f"{format_number(curves[at].batch)}"
        )
    return InputDataError(
        f"none of {format_plural(len(curves), 'run')} reached a loss of {format_number(target, 6)}: {seen}",
        hint="Take a target above the lowest loss, or train longer.",
    )


def _cell(curves: list[Curve], crossings: list[Crossing], names: tuple[str, ...]) -> Cell:
    reached = sorted((i for i, c in enumerate(crossings) if c.reached), key=lambda i: crossings[i].steps)
    ahead = _ahead_at_their_end(curves, crossings)
    best = reached[0] if reached else _bound(crossings, ahead)
    mine, notes = crossings[best], []
    edges = find_edges([curve.settings for curve in curves], best, names) if reached else ()
    if mine.at_first:
        notes.append(f"The first evaluation, at step {format_number(mine.steps)}, already met the target.")
    if reached:
        for i in ahead:
            if crossings[i].steps < mine.steps:
                notes.append(
                    f"The run '{curves[i].run_id}' ended at step {format_number(crossings[i].steps)} ahead of all "
                    "others, so fewer steps may do."
                )
        notes += [f"The best run has {edge} of what was tried, so the steps may be fewer still." for edge in edges]
    diverged = sum(c.diverged for c in crossings)
    if not reached and diverged == len(curves):
        notes.append("All runs diverged, so what a stable one would take is not known; left out of a fit.")
    return Cell(
        batch=curves[0].batch, steps=mine.steps, low=mine.low, high=mine.high, censored=not reached,
        run_id=curves[best].run_id, settings=dict(curves[best].settings), runs=len(curves), reached=len(reached),
        diverged=diverged, runner_up=crossings[reached[1]].steps if len(reached) > 1 else math.nan, edges=edges,
        notes=tuple(notes),
    )  # fmt: skip


def _ahead_at_their_end(curves: list[Curve], crossings: list[Crossing]) -> list[int]:
    """Runs that stopped above the target while no other run had a lower loss at that step."""
    found = []
    for i, crossing in enumerate(crossings):
        if crossing.reached or crossing.diverged:
            continue
        mine = loss_at(curves[i].step, curves[i].loss, crossing.steps)
        others = [loss_at(c.step, c.loss, crossing.steps) for j, c in enumerate(curves) if j != i]
        if not any(other <= mine for other in others):
            found.append(i)
    return found


def _bound(crossings: list[Crossing], ahead: list[int]) -> int:
    """The run at whose last step a batch size is censored."""
    if ahead:
        return min(ahead, key=lambda i: crossings[i].steps)
    stable = [i for i, crossing in enumerate(crossings) if not crossing.diverged]
    return max(stable or range(len(crossings)), key=lambda i: crossings[i].steps)


def _notes_across(cells: list[Cell], curves: list[Curve], names: tuple[str, ...]) -> list[str]:
    notes = []
    if count := sum(cell.censored for cell in cells):
        notes.append(f"{count} of {format_plural(len(cells), 'batch size')} did not reach the target: censored.")
    if edged := [cell for cell in cells if cell.edges]:
        at = ", ".join(format_whole(cell.batch) for cell in edged)
        notes.append(f"The best run lies at an end of its grid at {format_plural(len(edged), 'batch size')}: {at}.")
    by_batch = [(cell.batch, [c.settings for c in curves if c.batch == cell.batch]) for cell in cells]
    for name in names:
        notes += notes_on_grids(by_batch, name)
    if first := [cell for cell in cells if cell.notes and cell.high == cell.steps and cell.low == 0]:
        at = ", ".join(format_whole(cell.batch) for cell in first)
        notes.append(f"The target was met at the first evaluation, so the steps are an upper bound, at B = {at}.")
    counts = [cell.runs for cell in cells]
    if max(counts) > 1:
        gaps = [cell.gap for cell in cells if math.isfinite(cell.gap)]
        gap = f"; the second best took {format_percent(float(np.median(gaps)))} more (median)" if gaps else ""
        uneven = max(counts) >= _UNEVEN * min(counts)
        more = ", most optimistic where there are most runs" if uneven else ""
        runs = f"{min(counts)} to {max(counts)} runs" if min(counts) < max(counts) else f"{max(counts)} runs"
        notes.append(f"Steps are those of the best of {runs} a batch size, an optimistic number{more}{gap}.")
    return notes
