"""Millions of steps of the exact recursion of `scaling.sgd`, with weight averaging and schedules, in a few jumps.

One step is an affine map of three moments of each feature: the squared error v of the weights, the product c of their
error with that of their average, and the squared error u of the average. While learning rate and batch size stay the
same, n steps are the n-th power of that map, and 22 squarings reach four million steps.

The squarings keep two things apart. Features reach each other only through v, so of the nine blocks of the map three
are full, three are diagonal and three are empty. And a weak feature loses so little in a step that one minus the loss
has few digits of it left, so what the diagonal loses is carried beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.sgd import Spectrum, Trajectory, require
from scaling.sgd_schedules import Segment

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GradientMoments:
    """Exact moments of the gradient of half the squared error, at the logged steps of the last weights.

    Each is an expectation over runs, so their ratios are ratios of means.

    Parameters
    ----------
    sqnorm : ndarray (T,)
        Squared norm of the gradient of the expected loss, ``|G|**2``.
    trace : ndarray (T,)
        Trace of the covariance of one sample's gradient, ``tr(Sigma)``.
    curvature : ndarray (T,)
        ``G' H G``, with H the Hessian.
    curvature_trace : ndarray (T,)
        ``tr(H Sigma)``.
    """

    sqnorm: Array
    trace: Array
    curvature: Array
    curvature_trace: Array

    @property
    def noise_scale(self) -> Array:
        """``tr(Sigma) / |G|**2``, in samples: what `scaling.batch_size.noise_scale` estimates."""
        return self.trace / self.sqnorm

    @property
    def curved_noise_scale(self) -> Array:
        """``tr(H Sigma) / (G' H G)``, in samples: the batch size at which the best step has half its gain."""
        return self.curvature_trace / self.curvature


@dataclass(frozen=True, eq=False)
class JumpedRun:
    """One run: its losses, and the moments of its gradients.

    Parameters
    ----------
    trajectory : Trajectory
        Losses at the logged steps.
    moments : GradientMoments
        At the same steps.
    """

    trajectory: Trajectory
    moments: GradientMoments


def simulate_jumps(
    spectrum: Spectrum,
    segments: Sequence[Segment],
    *,
    label_noise: float,
    average_decay: float | None = None,
    steps: ArrayLike | None = None,
) -> JumpedRun:
    """Give the exact expected loss along one run of mini-batch SGD, by jumps between the logged steps.

    It is the run of `scaling.sgd.simulate_run`, which steps through averages and schedules one by one.

    Parameters
    ----------
    spectrum : Spectrum
        What the model sees.
    segments : sequence of Segment
        The schedule, in order.
    label_noise : float
        Variance of the noise in y.
    average_decay : float, optional
        Decay q, in [0, 1), of the average ``avg <- q avg + (1 - q) w``, which starts at the initial weights.
    steps : array_like of int, optional
        Steps to log, from 1 to the end of the run; the last one alone if left out.

    Returns
    -------
    JumpedRun

    Raises
    ------
    UsageError
        If a setting is out of its range.
    """
    require(len(segments) > 0, "The schedule has no segments.", "Give one or more.")
    for piece in segments:
        require(
            piece.n_steps >= 1 and piece.batch_size >= 1 and 0 < piece.learning_rate < np.inf,
            f"{piece} is no stretch of training.",
            "Steps and batch size are 1 or more, and the learning rate is positive.",
        )
    require(label_noise >= 0, f"label_noise is {label_noise}, but it is a variance.", "Take 0 or more.")
    require(
        average_decay is None or 0 <= average_decay < 1,
        f"average_decay is {average_decay}, outside [0, 1).",
        "An average over about h steps has the decay 1 - 1/h.",
    )
    ends = np.cumsum([piece.n_steps for piece in segments])
    logged = np.unique(np.asarray(ends[-1] if steps is None else steps, dtype=np.int64))
    require(
        logged.size > 0 and logged[0] >= 1 and logged[-1] <= ends[-1],
        f"The steps to log must lie between 1 and the end of the run, which is {ends[-1]}.",
        "Leave out step 0 and what comes after the run.",
    )
    noise = label_noise + spectrum.unseen_risk
    q = 0.0 if average_decay is None else average_decay
    rows = 1 if average_decay is None else 3
    state = np.repeat(spectrum.squared_weight[None], rows, axis=0)
    states = []
    start = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for piece, end in zip(segments, ends, strict=True):
            inside = logged[(logged > start) & (logged <= end)]
            stops = np.unique(np.append(inside, end)) if end < logged[-1] else inside
            powers = _Powers(_one_step(spectrum, piece, noise, q, averaged=rows == 3))
            for gap, stop in zip(np.diff(np.append(start, stops)), stops, strict=True):
                state = powers.advance(state, int(gap))
                if stop in inside:
                    states.append(state)
            start = int(end)
            if start >= logged[-1]:
                break
        trajectory = _trajectory(spectrum, segments, ends, logged, np.array(states), noise)
    return JumpedRun(trajectory, _moments(spectrum, np.array(states)[:, 0], noise))


@dataclass(frozen=True, eq=False)
class _Map:
    """Some number of steps.

    `full` holds the blocks (v from v), (c from v), (u from v) one below the other, or the first alone; `lost` one minus
    the diagonal of the first; `kept` the diagonals (c from c), (u from c), (u from u); `added` what comes on top.
    """

    full: Array
    lost: Array
    kept: Array
    added: Array

    def apply(self, state: Array) -> Array:
        size = self.lost.size
        v = state[0]
        out: Array = (self.full @ v).reshape(-1, size) + self.added
        if len(state) == 3:
            out[1] += self.kept[0] * state[1]
            out[2] += self.kept[1] * state[1] + self.kept[2] * state[2]
        return out

    def squared(self) -> _Map:
        size = self.lost.size
        first = self.full[:size]
        off = first.copy()
        np.fill_diagonal(off, 0)
        lost = 2 * self.lost - self.lost**2 - np.einsum("ij,ji->i", off, off)
        full = self.full @ first
        added = self.added + (self.full @ self.added[0]).reshape(-1, size)
        kept = self.kept
        if len(added) == 3:
            c, uc, u = self.kept
            full[size : 2 * size] += c[:, None] * self.full[size : 2 * size]
            full[2 * size :] += uc[:, None] * self.full[size : 2 * size] + u[:, None] * self.full[2 * size :]
            added[1] += c * self.added[1]
            added[2] += uc * self.added[1] + u * self.added[2]
            kept = np.stack([c * c, uc * c + u * uc, u * u])
        # Read off the product, a diagonal near one would carry its rounding on, doubled by every squaring.
        diagonal = np.arange(size)
        full[diagonal, diagonal] = np.where(lost < 0.5, 1 - lost, full[diagonal, diagonal])
        return _Map(full, lost, kept, added)


class _Powers:
    """The powers of two of a map, made when first asked for."""

    def __init__(self, one: _Map) -> None:
        self._powers = [one]

    def advance(self, state: Array, n_steps: int) -> Array:
        k = 0
        while n_steps >> k:
            if k == len(self._powers):
                self._powers.append(self._powers[-1].squared())
            if n_steps >> k & 1:
                state = self._powers[k].apply(state)
            k += 1
        return state


def _one_step(spectrum: Spectrum, piece: Segment, noise: float, q: float, *, averaged: bool) -> _Map:
    """The map of one step of `scaling.sgd.simulate_run`."""
    lam, weight = spectrum.eigenvalue, spectrum.multiplicity * spectrum.eigenvalue
    contraction = piece.learning_rate * lam
    source = piece.learning_rate * contraction / piece.batch_size
    lost = 2 * contraction - contraction**2 * (1 + 1 / piece.batch_size) - source * weight
    first = np.outer(source, weight)
    np.fill_diagonal(first, 1 - lost)
    added = source * noise
    if not averaged:
        return _Map(first, lost, np.empty((0, lam.size)), added[None])
    carried = q * (1 - contraction)
    full = np.concatenate([first, (1 - q) * first, (1 - q) ** 2 * first])
    kept = np.stack([carried, 2 * (1 - q) * carried, np.full(lam.size, q**2)])
    return _Map(full, lost, kept, np.stack([added, (1 - q) * added, (1 - q) ** 2 * added]))


def _trajectory(
    spectrum: Spectrum,
    segments: Sequence[Segment],
    ends: NDArray[np.int64],
    logged: NDArray[np.int64],
    states: Array,
    noise: float,
) -> Trajectory:
    """Losses and samples at the logged steps."""
    batches = np.array([piece.batch_size for piece in segments], dtype=np.int64)
    lengths = np.array([piece.n_steps for piece in segments], dtype=np.int64)
    before = np.concatenate([[0], np.cumsum(batches * lengths)])
    piece = np.searchsorted(ends, logged)
    n_tokens = before[piece + 1] - (ends[piece] - logged) * batches[piece]
    excess = states @ (spectrum.multiplicity * spectrum.eigenvalue)
    loss = noise + np.where(np.isfinite(excess), excess, np.inf)
    return Trajectory(logged, n_tokens, loss[:, 0], loss[:, 2] if loss.shape[1] == 3 else None)


def _moments(spectrum: Spectrum, v: Array, noise: float) -> GradientMoments:
    """Moments of the gradient from the squared errors of the last weights.

    For Gaussian features the gradient of one sample, ``x (x'd - e)`` at the error d, has the covariance
    ``H (d'H d + s) + H d d' H``, with s the noise of the labels.
    """
    lam, m = spectrum.eigenvalue, spectrum.multiplicity
    risk = v @ (m * lam) + noise
    sqnorm, curvature = v @ (m * lam**2), v @ (m * lam**3)
    trace, curvature_trace = (m @ lam) * risk + sqnorm, (m @ lam**2) * risk + curvature
    finite = np.isfinite(risk)
    return GradientMoments(*(np.where(finite, x, np.inf) for x in (sqnorm, trace, curvature, curvature_trace)))
