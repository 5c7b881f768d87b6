"""Run logs with known answers: the exact expected loss of mini-batch SGD on power-law linear regression.

The features of the data are independent, ``x_i ~ N(0, lam_i)``, and ``y = sum_i w*_i x_i + noise``. Feature i has
the variance ``lam_i = i**-a`` and carries the signal ``lam_i w*_i**2 = signal * i**-b``. A model of N parameters
sees the first N features. The others are independent of all that it sees, so to this model their signal is more
noise in the labels: it adds to the loss, and to the noise of the gradient.

* The loss is the expected squared error ``E (y - <w, x>)**2``: no half, label noise included, in squared units of
  y. The expectation is over the batches too: one number a step, nothing sampled.
* The gradient is that of half the squared error: ``w <- w - (learning_rate / batch_size) sum x (<x, w> - y)``.
* One sample counts as one token, and none is used twice.

For Gaussian features the mean squared errors ``v_i = E (w_i - w*_i)**2`` close under one step, which makes the loss
exact for any schedule of learning rate and batch size. Closely related analyses: arXiv:2006.08212 (SGD on power-law
spectra), arXiv:2406.08466 (model size against data).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What a model sees of the data; features of nearly the same variance stand together.

    Parameters
    ----------
    eigenvalue : ndarray of shape (K,)
        Variance of a feature.
    multiplicity : ndarray of shape (K,)
        How many features share it.
    squared_weight : ndarray of shape (K,)
        Mean ``w*_i**2`` of these, which is also the squared error of a model that starts from zero.
    unseen_risk : float, default 0
        Summed ``lam_i w*_i**2`` of the features that the model does not see.
    """

    eigenvalue: FloatArray
    multiplicity: FloatArray
    squared_weight: FloatArray
    unseen_risk: float = 0.0

    @property
    def n_params(self) -> int:
        """Number of features that the model sees, hence of its parameters."""
        return round(float(self.multiplicity.sum()))


def power_law_spectrum(
    a: float,
    b: float,
    n_params: int,
    *,
    signal: float = 1.0,
    dimension: int | None = None,
    exact: int = 32,
    per_decade: int = 30,
) -> Spectrum:
    """Build the spectrum ``lam_i = i**-a``, ``lam_i w*_i**2 = signal * i**-b``, cut after `n_params` features.

    The first `exact` features stand alone, later ones in bins of equal logarithmic width. Each bin keeps its summed
    variance and its summed signal, and the last one ends at `n_params`, so that the cut itself is exact.

    Parameters
    ----------
    a, b : float
        Decay exponents of variance and signal, both above 1.
    n_params : int
        Size of the model.
    signal : float, default 1
        Signal of the first feature.
    dimension : int, optional
        Number of features that the data have; infinitely many if left out.
    exact, per_decade : int
        Resolution. At the default the excess loss agrees with that of 20,000 single features to about 2e-4, relative.

    Returns
    -------
    Spectrum

    Raises
    ------
    UsageError
        If an exponent is not above 1, `n_params` is above `dimension`, or another argument is not positive.
    """
    check_exponents(a, b)
    require(n_params >= 1, f"n_params is {n_params}; a model has at least one parameter.", "Take 1 or more.")
    require(
        dimension is None or n_params <= dimension,
        f"n_params is {n_params}, more than the {dimension} features that the data have.",
        "Lower n_params, or leave dimension out for infinitely many features.",
    )
    require(signal > 0, f"signal is {signal}; the first feature must carry some.", "Take a positive signal.")
    require(min(exact, per_decade) >= 1, "exact and per_decade count features and bins.", "Take 1 or more.")
    edges = _bin_edges(n_params, exact, per_decade)
    multiplicity = np.diff(edges)
    variance, risk = -np.diff(_tail_sum(edges, a)), -signal * np.diff(_tail_sum(edges, b))
    ends = edges[-1:] if dimension is None else np.array([edges[-1], dimension + 1.0])
    unseen = _tail_sum(ends, b)
    unseen_risk = 0.0 if n_params == dimension else signal * float(unseen[0] - unseen[1:].sum())
    return Spectrum(variance / multiplicity, multiplicity, risk / variance, unseen_risk)


def stability_limit(spectrum: Spectrum, batch_size: int) -> float:
    """Find the constant learning rate above which the expected loss grows without bound.

    Parameters
    ----------
    spectrum : Spectrum
        What the model sees.
    batch_size : int
        Samples a step.

    Returns
    -------
    float
    """
    return _learning_rate_at_share(spectrum, batch_size, 1.0)


def learning_rate_for_excess(spectrum: Spectrum, batch_size: int, excess: float, *, label_noise: float) -> float:
    """Find the constant learning rate at which gradient noise comes to add `excess` to the loss.

    In the steady state ``v_i = g (R + s) / (B (2 - g lam_i (1 + 1/B)))``, with g the learning rate, B the batch
    size, R the excess loss and s all noise in the labels. Summed with weights ``lam_i`` this is
    ``R = x(g) (R + s)``, so ``R = s x / (1 - x)``. x grows with g, and x = 1 is the stability limit.

    Parameters
    ----------
    spectrum : Spectrum
        What the model sees.
    batch_size : int
        Samples a step.
    excess : float
        Steady-state loss above that of the best weights.
    label_noise : float
        Variance of the noise in y.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If the excess, or all noise in the labels, is not positive.
    """
    noise = label_noise + spectrum.unseen_risk
    require(excess > 0, f"excess is {excess}; no learning rate gives that.", "Take a positive excess.")
    require(noise > 0, "Without noise in the labels the excess fades to 0.", "Take label_noise above 0.")
    return _learning_rate_at_share(spectrum, batch_size, excess / (excess + noise))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The expected loss of one training run at its logged steps.

    Parameters
    ----------
    step : ndarray of shape (T,)
        Steps taken, ascending, from 1 on.
    n_tokens : ndarray of shape (T,)
        Samples used up to and including that step.
    loss : ndarray of shape (T,)
        Expected squared error of the weights; inf where a diverging run has left the range of floats.
    average_loss : ndarray of shape (T,) or None
        The same for the exponentially weighted average of the weights, where one was asked for.
    """

    step: IntArray
    n_tokens: IntArray
    loss: FloatArray
    average_loss: FloatArray | None = None


def simulate_run(
    spectrum: Spectrum,
    learning_rate: ArrayLike,
    batch_size: ArrayLike,
    n_steps: int,
    *,
    label_noise: float,
    average_decay: float | None = None,
    steps: ArrayLike | None = None,
) -> Trajectory:
    """Give the exact expected loss along one run of mini-batch SGD that starts from zero weights.

    With g the learning rate, B the batch size, m the multiplicities, ``R = sum m lam v`` the excess loss and s all
    noise in the labels, a step is ``v <- v ((1 - g lam)**2 + (g lam)**2 / B) + (g**2 lam / B) (R + s)``: the square
    is what the full gradient would do, and the terms over B are the variance of a batch.

    One learning rate and batch size for the whole run, without averaging, are solved in closed form, whatever the
    number of steps. A schedule or an average is stepped through.

    Parameters
    ----------
    spectrum : Spectrum
        What the model sees.
    learning_rate : float or array_like of shape (n_steps,)
        One for the run, or one a step.
    batch_size : int or array_like of shape (n_steps,)
        Samples a step; one for the run, or one a step.
    n_steps : int
        Length of the run.
    label_noise : float
        Variance of the noise in y.
    average_decay : float, optional
        Decay q, in [0, 1), of the average ``avg <- q avg + (1 - q) w``, which starts at the initial weights.
    steps : array_like of int, optional
        Steps to log, from 1 to `n_steps`; the last one alone if left out.

    Returns
    -------
    Trajectory

    Raises
    ------
    UsageError
        If a setting is out of its range, or a schedule is not as long as the run.
    """
    require(n_steps >= 1, f"n_steps is {n_steps}; a run takes at least one step.", "Take 1 or more.")
    require(label_noise >= 0, f"label_noise is {label_noise}, but it is a variance.", "Take 0 or more.")
    require(
        average_decay is None or 0 <= average_decay < 1,
        f"average_decay is {average_decay}, outside [0, 1).",
        "An average over about h steps has the decay 1 - 1/h.",
    )
    rate, batch = _per_step("learning_rate", learning_rate, n_steps), _batch_sizes(batch_size, n_steps)
    logged = np.unique(np.asarray(n_steps if steps is None else steps, dtype=np.int64))
    require(
        logged.size > 0 and logged[0] >= 1 and logged[-1] <= n_steps,
        f"The steps to log must lie between 1 and n_steps, which is {n_steps}.",
        "Leave out step 0 and what comes after the run.",
    )
    noise = label_noise + spectrum.unseen_risk
    if rate.ndim == batch.ndim == 0 and average_decay is None:
        excess, average = _closed_form_excess(spectrum, float(rate), float(batch), noise, logged), None
    else:
        schedule = np.broadcast_to(rate, n_steps), np.broadcast_to(batch, n_steps)
        excess, average = _stepwise_excess(spectrum, schedule, noise, average_decay, logged)
    n_tokens = logged * int(batch) if batch.ndim == 0 else np.cumsum(batch)[logged - 1].astype(np.int64)
    return Trajectory(logged, n_tokens, noise + excess, None if average is None else noise + average)


def _closed_form_excess(
    spectrum: Spectrum, learning_rate: float, batch_size: float, noise: float, steps: IntArray
) -> FloatArray:
    """Excess loss at `steps` of the last weights, for one learning rate and batch size.

    A step is ``v <- M v + noise * source``, where M is diagonal plus the outer product of source and weight. In units
    of ``sqrt(source / weight)`` for v, M is symmetric: it has orthogonal modes, and each is a geometric series. The
    modes are taken from I - M, since what weak features lose a step is too little to be read off M itself.
    """
    contraction = learning_rate * spectrum.eigenvalue
    weight = spectrum.multiplicity * spectrum.eigenvalue
    source = learning_rate * contraction / batch_size
    coupling = np.sqrt(weight * source)
    lost = np.diag(2 * contraction - contraction**2 * (1 + 1 / batch_size)) - np.outer(coupling, coupling)
    rate, modes = np.linalg.eigh(lost)
    # M has no negative eigenvalue, so no mode loses more than all of itself; rounding may disagree.
    rate = np.minimum(rate, 1 - np.finfo(float).eps)
    readout, start = coupling @ modes, (np.sqrt(weight / source) * spectrum.squared_weight) @ modes
    exponent = np.multiply.outer(steps, np.log1p(-rate))
    with np.errstate(over="ignore", invalid="ignore"):
        gathered = np.where(rate == 0, steps[:, None], -np.expm1(exponent) / np.where(rate == 0, 1.0, rate))
        return _without_nan(np.exp(exponent) @ (readout * start) + noise * (gathered @ readout**2))


def _stepwise_excess(
    spectrum: Spectrum,
    schedule: tuple[FloatArray, FloatArray],
    noise: float,
    average_decay: float | None,
    steps: IntArray,
) -> tuple[FloatArray, FloatArray | None]:
    """Excess loss at `steps` of the last weights and of their average, for any learning rates and batch sizes.

    The average needs two more moments of each parameter: of its own error with itself and with that of the last
    weights. The latter shrinks by the mean step alone, because a fresh batch knows nothing of the average.
    """
    lam, weight = spectrum.eigenvalue, spectrum.multiplicity * spectrum.eigenvalue
    last = cross = square = spectrum.squared_weight
    q = 0.0 if average_decay is None else average_decay
    excess: list[float] = []
    average: list[float] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for step, (g, batch_size) in enumerate(zip(*schedule, strict=True), start=1):
            contraction = g * lam
            kept = (1 - contraction) ** 2 + contraction**2 / batch_size
            last = kept * last + g * contraction / batch_size * (weight @ last + noise)
            if average_decay is not None:
                carried = (1 - contraction) * cross
                square = q**2 * square + 2 * q * (1 - q) * carried + (1 - q) ** 2 * last
                cross = q * carried + (1 - q) * last
            if step == steps[len(excess)]:
                excess.append(float(weight @ last))
                average.append(float(weight @ square))
                if step == steps[-1]:
                    break
    last_excess, average_excess = _without_nan(np.array(excess)), _without_nan(np.array(average))
    return last_excess, None if average_decay is None else average_excess


def _without_nan(excess: FloatArray) -> FloatArray:
    """Write what overflowed as inf: sums of growing terms are inf - inf only once the loss has left the floats."""
    return np.where(np.isfinite(excess), excess, np.inf)


def _learning_rate_at_share(spectrum: Spectrum, batch_size: int, share: float) -> float:
    """Find the learning rate at which x of `learning_rate_for_excess` is `share`, by bisection."""
    batch = float(_batch_sizes(batch_size))
    weight = spectrum.multiplicity * spectrum.eigenvalue
    spread = spectrum.eigenvalue * (1 + 1 / batch)
    low, high = 0.0, 2 / float(spread.max())
    for _ in range(60):
        middle = (low + high) / 2
        x = float(np.sum(weight * middle / (batch * (2 - middle * spread))))
        low, high = (middle, high) if x < share else (low, middle)
    return low


def _bin_edges(n_params: int, exact: int, per_decade: int) -> FloatArray:
    """First feature of each bin, and one past the last."""
    alone = min(exact, n_params)
    n_bins = math.ceil(per_decade * math.log10((n_params + 1) / (alone + 1)))
    binned = np.round(np.geomspace(alone + 1, n_params + 1, n_bins + 1))
    return np.unique(np.concatenate([np.arange(1.0, alone + 2.0), binned]))


def _tail_sum(start: FloatArray, exponent: float) -> FloatArray:
    """Sum ``i**-exponent`` over ``i >= start``: some terms one by one, then the Euler-Maclaurin series."""
    s, q = exponent, start + 24
    total = np.sum([(start + k) ** -s for k in range(24)], axis=0)
    total = total + q ** (1 - s) / (s - 1) + q**-s / 2 + s * q ** (-s - 1) / 12
    total -= s * (s + 1) * (s + 2) * q ** (-s - 3) / 720
    return np.asarray(total + s * (s + 1) * (s + 2) * (s + 3) * (s + 4) * q ** (-s - 5) / 30240)


def _per_step(name: str, value: ArrayLike, n_steps: int) -> FloatArray:
    """Check a setting that has one value for the run, or one a step."""
    values = np.asarray(value, dtype=float)
    require(
        values.shape in {(), (n_steps,)},
        f"{name} has the shape {values.shape}, but the run has {n_steps} steps.",
        "Give one number for the run, or one a step.",
    )
    require(
        bool(np.all(np.isfinite(values) & (values > 0))),
        f"{name} must be positive and finite at every step.",
        "End a schedule that decays to zero one step earlier.",
    )
    return values


def _batch_sizes(value: ArrayLike, n_steps: int = 0) -> FloatArray:
    """Check batch sizes; they may change from step to step only in a run of `n_steps`."""
    values = _per_step("batch_size", value, n_steps)
    whole = bool(np.all(values == np.floor(values)))
    require(whole, "batch_size counts samples, so it is whole.", "Round the batch size.")
    return values


def check_exponents(a: float, b: float) -> None:
    """Refuse exponents whose variances or signals do not sum to a finite number."""
    require(a > 1, f"a is {a}: the variances i**-a sum to a finite number only above 1.", "Take a above 1.")
    require(b > 1, f"b is {b}: the signals i**-b sum to a finite number only above 1.", "Take b above 1.")


def require(condition: bool, message: str, hint: str) -> None:
    """Raise a `UsageError` unless a condition holds."""
    if not condition:
        raise UsageError(message, hint)
