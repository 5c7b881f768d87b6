"""Sweeps over batch size, learning rate and weight averaging with known answers, on the problem of `scaling.sgd`.

A sweep trains, at each batch size, at learning rates below the limit of stability and with weight averages of several
horizons. The steps to a target are those of the run that is there first, and how the critical batch size grows with the
samples is known from theory: `scaling.batch_theory`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.sgd import Spectrum, check_exponents, power_law_spectrum, require, simulate_run

Array = NDArray[np.float64]

_EVERY_STEP = 64  # up to here the last weights are looked at after each step
_STEP_RATIO = 1.02  # beyond: the loss is nearly a power of the step in between


@dataclass(frozen=True)
class BatchSweep:
    """A problem, and the settings that are tried on it.

    Parameters
    ----------
    a, b : float
        Decay exponents of feature variance and signal, both above 1.
    label_noise : float, default 1
        Variance of the noise in y.
    n_params : int, default 50000
        Features, all of which the model sees.
    batch_sizes : tuple of int
        Powers of two from 32 to 2**20 by default.
    n_rates : int, default 13
        Learning rates at each batch size, down from half a bound below which training is stable.
    rate_ratio : float, default sqrt(2)
        Between neighbouring learning rates.
    horizon_ratio : float, default 1.6
        Between neighbouring averaging horizons h, in steps; the decay is 1 - 1/h. The shortest is 1: no average.
    longest_horizon : float, default 2500
        No horizon is longer.
    """

    a: float
    b: float
    label_noise: float = 1.0
    n_params: int = 50_000
    batch_sizes: tuple[int, ...] = field(default=tuple(2**k for k in range(5, 21)))
    n_rates: int = 13
    rate_ratio: float = math.sqrt(2)
    horizon_ratio: float = 1.6
    longest_horizon: float = 2500.0

    def __post_init__(self) -> None:
        check_exponents(self.a, self.b)
        require(self.label_noise > 0, "Without noise in the labels no batch is too small.", "Take label_noise above 0.")
        require(
            len(self.batch_sizes) > 0 and min(self.batch_sizes) >= 1 and self.n_rates >= 1,
            "The grid is empty.",
            "Name a batch size, and take one learning rate or more.",
        )
        require(
            min(self.rate_ratio, self.horizon_ratio) > 1 and self.longest_horizon >= 1,
            "Neighbours on the grid must differ.",
            "Take ratios above 1 and a horizon of 1 or more.",
        )

    @property
    def spectrum(self) -> Spectrum:
        """What the models see."""
        return power_law_spectrum(self.a, self.b, self.n_params, dimension=self.n_params)

    def learning_rates(self, batch_size: int) -> Array:
        """Give the learning rates that are tried at a batch size.

        ``2 / (lam_1 (1 + 1/B) + tr(H)/B)`` is always stable, and half of it is the largest rate.

        Parameters
        ----------
        batch_size : int
            Samples a step.

        Returns
        -------
        ndarray (n_rates,)
            Descending.
        """
        spectrum = self.spectrum
        variance = float(spectrum.multiplicity @ spectrum.eigenvalue)
        top = 1 / (float(spectrum.eigenvalue.max()) * (1 + 1 / batch_size) + variance / batch_size)
        return np.asarray(top * self.rate_ratio ** -np.arange(self.n_rates, dtype=float))

    @property
    def decays(self) -> Array:
        """Decays of the averages, ascending from 0."""
        count = math.floor(math.log(self.longest_horizon) / math.log(self.horizon_ratio) + 1e-9) + 1
        return np.asarray(-np.expm1(-np.arange(count) * math.log(self.horizon_ratio)))


@dataclass(frozen=True)
class SimulatedSteps:
    """The steps to one target at one batch size, of the best run.

    Parameters
    ----------
    batch_size : int
        Samples a step.
    target : float
        Loss above the label noise.
    steps : float
        Interpolated; NaN where no run was there within the steps allowed.
    learning_rate, average_decay : float
        Of the best run; NaN where there is none.
    lowest_rate : bool
        Whether it is the lowest learning rate of the grid, below which a better one may lie.
    longest_average : bool
        Whether its average is the longest of the grid.
    """

    batch_size: int
    target: float
    steps: float
    learning_rate: float
    average_decay: float
    lowest_rate: bool
    longest_average: bool


def simulate_steps_to_targets(
    sweep: BatchSweep, targets: Sequence[float], *, averaged: bool = True, max_steps: int = 200_000
) -> tuple[SimulatedSteps, ...]:
    """Find the steps that the best run of each batch size takes to each target.

    Parameters
    ----------
    sweep : BatchSweep
        The problem and the grid.
    targets : sequence of float
        Losses above the label noise, below the initial one.
    averaged : bool, default True
        Whether runs may average their weights, over one of the horizons or not at all. Last weights alone if not.
    max_steps : int, default 200000
        Where runs end that have not reached every target.

    Returns
    -------
    tuple of SimulatedSteps
        By batch size, and for each by descending target.

    Raises
    ------
    UsageError
        If there is no target, or one is not between zero and the initial excess loss.
    """
    spectrum = sweep.spectrum
    initial = float((spectrum.multiplicity * spectrum.eigenvalue) @ spectrum.squared_weight)
    wanted = np.sort(np.unique(np.asarray(targets, float)))[::-1]
    require(
        wanted.size > 0 and wanted[-1] > 0 and wanted[0] < initial,
        f"Targets lie between 0 and the loss before training, {initial:g} above the label noise.",
        "Lower the targets, or leave out those of zero.",
    )
    require(max_steps >= 1, f"max_steps is {max_steps}.", "Take 1 or more.")
    crossings = _crossings_of_averages if averaged else _crossings_of_last_weights
    return tuple(
        row for batch in sweep.batch_sizes for row in crossings(sweep, spectrum, batch, wanted, initial, max_steps)
    )


def batch_run_logs(sweep: BatchSweep, n_tokens: int, *, n_logged: int = 40) -> list[dict[str, Any]]:
    """Write a sweep as log rows, one a logged step of each run, without evaluation noise.

    Every learning rate is combined with every average, so grids are best kept small.

    Parameters
    ----------
    sweep : BatchSweep
        The problem and the grid.
    n_tokens : int
        Samples of every run, rounded down to whole steps.
    n_logged : int, default 40
        Logged steps a run at most, evenly spaced in log(step).

    Returns
    -------
    list of dict
        Keys ``run_id, batch_size, learning_rate, average_decay, step, n_tokens, loss``. The loss is that of the
        average, label noise included, in squared units of y; of the last weights where `average_decay` is 0.

    Raises
    ------
    UsageError
        If the samples are fewer than the largest batch, or no step is logged.
    """
    largest = max(sweep.batch_sizes)
    require(n_tokens >= largest, f"{n_tokens} samples are less than one batch of {largest}.", "Raise n_tokens.")
    require(n_logged >= 1, f"n_logged is {n_logged}; the last step is always logged.", "Take 1 or more.")
    spectrum = sweep.spectrum
    rows: list[dict[str, Any]] = []
    for batch in sweep.batch_sizes:
        n_steps = n_tokens // batch
        logged = np.unique(np.round(np.geomspace(1, n_steps, n_logged))).astype(int)
        rates = sweep.learning_rates(batch)
        stepping = _excess_after_each_step(spectrum, rates, sweep.decays, batch, sweep.label_noise, n_steps)
        wanted = set(logged.tolist())
        losses = np.array([sweep.label_noise + excess for step, excess in stepping if step in wanted])
        for i, rate in enumerate(rates.tolist()):
            for j, decay in enumerate(sweep.decays.tolist()):
                run = {"run_id": f"b{batch}-lr{i}-avg{j}", "batch_size": batch, "learning_rate": rate}
                rows += [
                    run | {"average_decay": decay, "step": step, "n_tokens": step * batch, "loss": loss}
                    for step, loss in zip(logged.tolist(), losses[:, i, j].tolist(), strict=True)
                ]
    return rows


def _excess_after_each_step(
    spectrum: Spectrum, rates: Array, decays: Array, batch_size: int, noise: float, n_steps: int
) -> Iterator[tuple[int, Array]]:
    """Excess loss of every average of runs at every learning rate, step by step: arrays (rates, decays).

    The recursion of `scaling.sgd.simulate_run`, where the two moments of the average are divided by (1 - q) and
    (1 - q)**2, which leaves five passes over the arrays a step.
    """
    lam, weight = spectrum.eigenvalue, spectrum.multiplicity * spectrum.eigenvalue
    contraction = rates[:, None] * lam
    kept = (1 - contraction) ** 2 + contraction**2 / batch_size
    source = rates[:, None] * contraction / batch_size
    carried = (1 - contraction)[:, None, :] * decays[:, None]
    squared_decay, scale = (decays**2)[:, None], (1 - decays) ** 2
    last = np.repeat(spectrum.squared_weight[None], rates.size, axis=0)
    cross = np.repeat(last[:, None, :], decays.size, axis=1) / (1 - decays)[:, None]
    square = np.repeat(last[:, None, :], decays.size, axis=1) / scale[:, None]
    for step in range(1, n_steps + 1):
        last = kept * last + source * ((last @ weight) + noise)[:, None]
        cross *= carried
        square *= squared_decay
        square += cross
        cross += last[:, None, :]
        square += cross
        yield step, (square @ weight) * scale


def _crossings_of_averages(
    sweep: BatchSweep, spectrum: Spectrum, batch: int, targets: Array, initial: float, max_steps: int
) -> Iterator[SimulatedSteps]:
    """Step all runs of a batch size together until one of them has reached the last target."""
    rates, decays = sweep.learning_rates(batch), sweep.decays
    before = np.full((rates.size, decays.size), initial)
    found = 0
    for step, excess in _excess_after_each_step(spectrum, rates, decays, batch, sweep.label_noise, max_steps):
        while found < targets.size and excess.min() <= targets[found]:
            at = _interpolated(float(max(step - 1, 1)), float(step), before, excess, targets[found])
            i, j = np.unravel_index(np.argmin(at), at.shape)
            yield _row(sweep, batch, float(targets[found]), float(at[i, j]), rates, int(i), int(j))
            found += 1
        if found == targets.size:
            return
        before = excess
    for target in targets[found:]:
        yield SimulatedSteps(batch, float(target), math.nan, math.nan, math.nan, False, False)


def _crossings_of_last_weights(
    sweep: BatchSweep, spectrum: Spectrum, batch: int, targets: Array, initial: float, max_steps: int
) -> Iterator[SimulatedSteps]:
    """Look at every step at first and then at steps a fiftieth apart, in closed form."""
    rates = sweep.learning_rates(batch)
    count = math.ceil(math.log(max(max_steps / _EVERY_STEP, 1)) / math.log(_STEP_RATIO)) + 1
    later = np.geomspace(min(_EVERY_STEP, max_steps), max_steps, count)
    steps = np.unique(np.round(np.append(np.arange(1, min(_EVERY_STEP, max_steps) + 1), later))).astype(int)
    noise = sweep.label_noise
    excess = np.array(
        [simulate_run(spectrum, g, batch, max_steps, label_noise=noise, steps=steps).loss - noise for g in rates]
    )
    before = np.concatenate([np.full((rates.size, 1), initial), excess[:, :-1]], axis=1)
    for target in targets:
        reached = (excess <= target).any(axis=0)
        if not reached.any():
            yield SimulatedSteps(batch, float(target), math.nan, math.nan, math.nan, False, False)
            continue
        k = int(np.argmax(reached))
        at = _interpolated(float(steps[max(k - 1, 0)]), float(steps[k]), before[:, k], excess[:, k], target)
        i = int(np.argmin(at))
        yield _row(sweep, batch, float(target), float(at[i]), rates, i, 0, averaged=False)


def _interpolated(first: float, second: float, before: Array, after: Array, target: float) -> Array:
    """Steps at which each run crosses a target between two steps, linear in logarithms; inf where it does not."""
    crosses = (after <= target) & (before > target)
    ratio = np.where(crosses, before / np.where(crosses, after, 1.0), 2.0)
    share = np.log(np.where(crosses, before / target, 1.0)) / np.log(ratio)
    return np.where(crosses, first * (second / first) ** share, np.inf)


def _row(
    sweep: BatchSweep, batch: int, target: float, steps: float, rates: Array, i: int, j: int, *, averaged: bool = True
) -> SimulatedSteps:
    """The winner's settings, and whether they lie at the edge of the grid."""
    return SimulatedSteps(
        batch_size=batch,
        target=target,
        steps=steps,
        learning_rate=float(rates[i]),
        average_decay=float(sweep.decays[j]),
        lowest_rate=rates.size > 1 and i == rates.size - 1,
        longest_average=averaged and sweep.decays.size > 1 and j == sweep.decays.size - 1,
    )
