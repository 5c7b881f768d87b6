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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
    _check_exponents(a, b)
    _require(n_params >= 1, f"n_params is {n_params}; a model has at least one parameter.", "Take 1 or more.")
    _require(
        dimension is None or n_params <= dimension,
        f"n_params is {n_params}, more than the {dimension} features that the data have.",
        "Lower n_params, or leave dimension out for infinitely many features.",
    )
    _require(signal > 0, f"signal is {signal}; the first feature must carry some.", "Take a positive signal.")
    _require(min(exact, per_decade) >= 1, "exact and per_decade count features and bins.", "Take 1 or more.")
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
    _require(excess > 0, f"excess is {excess}; no learning rate gives that.", "Take a positive excess.")
    _require(noise > 0, "Without noise in the labels the excess fades to 0.", "Take label_noise above 0.")
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
    _require(n_steps >= 1, f"n_steps is {n_steps}; a run takes at least one step.", "Take 1 or more.")
    _require(label_noise >= 0, f"label_noise is {label_noise}, but it is a variance.", "Take 0 or more.")
    _require(
        average_decay is None or 0 <= average_decay < 1,
        f"average_decay is {average_decay}, outside [0, 1).",
        "An average over about h steps has the decay 1 - 1/h.",
    )
    rate, batch = _per_step("learning_rate", learning_rate, n_steps), _batch_sizes(batch_size, n_steps)
    logged = np.unique(np.asarray(n_steps if steps is None else steps, dtype=np.int64))
    _require(
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


@dataclass(frozen=True)
class Corpus:
    """A simulated corpus: a spectrum, the noise in its labels, and the recipe that models are trained with.

    Parameters
    ----------
    name : str
        Name, with which run ids begin.
    a, b : float
        Decay exponents of feature variance and signal, both above 1.
    label_noise : float
        Variance of the noise in y: the loss that no model gets below.
    signal : float
        Signal of the first feature.
    excess_amplitude : float
        A run on D tokens takes the learning rate whose gradient noise costs ``excess_amplitude * D**-beta``, with
        the beta of `known_exponents`.
    """

    name: str
    a: float
    b: float
    label_noise: float
    signal: float
    excess_amplitude: float


PROSE = Corpus("prose", a=1.2, b=1.5, label_noise=1.7, signal=2.5, excess_amplitude=20.0)
CODE = Corpus("code", a=1.1, b=1.6, label_noise=1.1, signal=3.0, excess_amplitude=26.4)
DEFAULT_SIZES = tuple(2**k for k in range(5, 13))
DEFAULT_BUDGETS = tuple(2**k for k in range(17, 28))
# A run with 16 times the compute of the largest one above, to hold a forecast against.
TARGET_SIZE = 2**14
TARGET_BUDGET = 2**29


def known_exponents(a: float, b: float) -> dict[str, float]:
    """Say which exponents a law fitted to the final losses ought to find.

    *Size.* A model of N parameters misses the signal ``sum_{i>N} i**-b``, about ``N**-(b-1) / (b-1)``.

    *Data.* Take the last weights of a run of D tokens at one learning rate g and batch size B, and let ``h = g/B``.
    The error of feature i has shrunk by ``exp(-2 h D lam_i)``, so about ``(h D)**(1/a)`` features are learned, and
    the signal of the rest, ``(h D)**-((b-1)/a)``, is still owed. Meanwhile gradient noise keeps up an excess of
    order h. The first falls with h and the second grows; both have the order ``D**-beta``,
    ``beta = (b-1)/(a+b-1)``, if h falls as ``D**-beta``, and any other power of D leaves one of them larger.

    Parameters
    ----------
    a, b : float
        Decay exponents of feature variance and signal, both above 1.

    Returns
    -------
    dict of str to float
        ``alpha``, for parameters, and ``beta``, for tokens.

    Raises
    ------
    UsageError
        If an exponent is not above 1.
    """
    _check_exponents(a, b)
    return {"alpha": b - 1, "beta": (b - 1) / (a + b - 1)}


def known_law(corpus: Corpus) -> dict[str, float]:
    """Give the law ``E + A/N**alpha + B/D**beta`` that the final losses of `simulate_sweep` follow.

    E is the label noise and B the amplitude of the recipe's excess, both exact. A is ``signal / (b - 1)``, where the
    sum over unseen features is taken as an integral: within 1 % at N = 32 for b up to 1.6, and closer beyond. The
    signal that a run still owes at its end comes on top: at most 0.4 % of the loss on the default grid.

    Parameters
    ----------
    corpus : Corpus
        The corpus.

    Returns
    -------
    dict of str to float
        ``E``, ``A``, ``B``, ``alpha`` and ``beta``.
    """
    amplitudes = {"E": corpus.label_noise, "A": corpus.signal / (corpus.b - 1), "B": corpus.excess_amplitude}
    return amplitudes | known_exponents(corpus.a, corpus.b)


def known_kappa(source: Corpus, target: Corpus) -> float:
    """Give kappa of the loss-to-loss law ``L_target - E_target = K (L_source - E_source)**kappa``.

    Runs are paired by N and D. Where N limits, kappa is the ratio of the alphas; where D does, that of the betas.
    Both agree if ``a + b`` is the same for both corpora. Then kappa is exact in either limit, and along any path on
    which the two terms keep their ratio, as they do on the compute-optimal one. Across such paths K varies, by a
    factor of at most ``2**abs(kappa - 1)`` if it is the same in both limits.

    Parameters
    ----------
    source, target : Corpus
        The two corpora.

    Returns
    -------
    float
        NaN where the ratios differ: no single power then relates the losses.
    """
    first, second = known_exponents(source.a, source.b), known_exponents(target.a, target.b)
    by_size, by_data = second["alpha"] / first["alpha"], second["beta"] / first["beta"]
    return by_size if math.isclose(by_size, by_data, rel_tol=1e-9) else math.nan


@dataclass(frozen=True, eq=False)
class SimulatedRun:
    """One run of a sweep, judged by its last weights.

    Parameters
    ----------
    run_id : str
        Corpus, size and token budget.
    corpus : str
        Name of the corpus.
    n_params, batch_size : int
        Size of the model, and samples a step.
    learning_rate : float
        Learning rate, the same at every step.
    trajectory : Trajectory
        Exact losses at the logged steps.
    """

    run_id: str
    corpus: str
    n_params: int
    batch_size: int
    learning_rate: float
    trajectory: Trajectory


def simulate_sweep(
    corpora: Sequence[Corpus] = (PROSE, CODE),
    sizes: Sequence[int] = DEFAULT_SIZES,
    budgets: Sequence[int] = DEFAULT_BUDGETS,
    *,
    batch_size: int = 16,
    n_logged: int = 20,
    diverged: bool = False,
) -> tuple[SimulatedRun, ...]:
    """Train every size on every token budget of every corpus; each budget is a run of its own.

    A run keeps one learning rate, set for its size and budget by the corpus's recipe. The recipe follows the best
    power of D for such runs. Its amplitude is high on purpose: lower learning rates would lower most losses, but the
    cost of few tokens would no longer be the same for every size, and the terms of the law would not add up.

    ``sizes=[TARGET_SIZE], budgets=[TARGET_BUDGET]`` gives the run to hold a forecast against.

    Parameters
    ----------
    corpora : sequence of Corpus
        Corpora with different names.
    sizes, budgets : sequence of int
        Numbers of parameters, and of tokens; a budget is rounded to whole steps.
    batch_size : int, default 16
        Samples a step.
    n_logged : int, default 20
        Logged steps a run at most, evenly spaced in log(step) over its last three decades.
    diverged : bool, default False
        Add a run at twice the stability limit: first corpus, middle size, smallest budget. Some 400 steps take its
        loss to inf.

    Returns
    -------
    tuple of SimulatedRun
        In the order of the arguments; the diverged run comes last.

    Raises
    ------
    UsageError
        If the grid is empty or repeats itself, or a setting is out of its range.
    """
    _require(min(len(corpora), len(sizes), len(budgets)) > 0, "The grid is empty.", "Name at least one of each.")
    _require(n_logged >= 1, f"n_logged is {n_logged}; the last step is always logged.", "Take 1 or more.")
    grid = [(corpus, size, budget) for corpus in corpora for size in sizes for budget in budgets]
    _require(
        len({(corpus.name, size, budget) for corpus, size, budget in grid}) == len(grid),
        "Two runs of the grid have the same corpus name, size and budget, so they would share an id.",
        "Name corpora differently, and list each size and budget once.",
    )
    runs = [_simulate_one(*cell, batch_size, n_logged=n_logged) for cell in grid]
    if diverged:
        cell = (corpora[0], sorted(sizes)[len(sizes) // 2], min(budgets))
        runs.append(_simulate_one(*cell, batch_size, n_logged=n_logged, diverged=True))
    return tuple(runs)


def run_logs(runs: Iterable[SimulatedRun], *, seed: int = 0, noise: float = 0.003) -> list[dict[str, Any]]:
    """Write runs as log rows, one a logged step, with the scatter of a finite evaluation set.

    Each loss is multiplied by ``exp(noise * z)``, z standard normal. What a run draws depends on the seed and the
    run's id alone, so the other runs, and their order, change nothing in its rows. Losses have eight digits.

    Parameters
    ----------
    runs : iterable of SimulatedRun
        Simulated runs.
    seed : int, default 0
        Not negative.
    noise : float, default 0.003
        Relative standard deviation; 0 writes the expectations themselves.

    Returns
    -------
    list of dict
        Keys ``run_id, corpus, n_params, batch_size, learning_rate, step, n_tokens, loss``.

    Raises
    ------
    UsageError
        If the seed or the noise is negative.
    """
    _require(seed >= 0, f"seed is {seed}; a seed is not negative.", "Take a whole number from 0 on.")
    _require(noise >= 0, f"noise is {noise}; a standard deviation is not negative.", "Take 0 for none.")
    columns = ("run_id", "corpus", "n_params", "batch_size", "learning_rate", "step", "n_tokens", "loss")
    rows: list[dict[str, Any]] = []
    for run in runs:
        key = int.from_bytes(run.run_id.encode(), "big")
        logged = run.trajectory
        z = np.random.default_rng(np.random.SeedSequence([seed, key])).standard_normal(logged.loss.size)
        # Eight digits, as a log would have: the last few depend on the linear algebra library and its threads.
        loss = [float(f"{value:.8g}") for value in logged.loss * np.exp(noise * z)]
        measured = (logged.step.tolist(), logged.n_tokens.tolist(), loss)
        settings = (run.run_id, run.corpus, run.n_params, run.batch_size, run.learning_rate)
        rows += [dict(zip(columns, settings + row, strict=True)) for row in zip(*measured, strict=True)]
    return rows


def _simulate_one(
    corpus: Corpus, n_params: int, budget: int, batch_size: int, *, n_logged: int, diverged: bool = False
) -> SimulatedRun:
    """Train one run by the corpus's recipe, or at twice the stability limit."""
    _require(
        budget >= batch_size,
        f"A budget of {budget} tokens is less than one batch of {batch_size}.",
        "Raise the budget or lower batch_size.",
    )
    spectrum = power_law_spectrum(corpus.a, corpus.b, n_params, signal=corpus.signal)
    noise, beta = corpus.label_noise, known_exponents(corpus.a, corpus.b)["beta"]
    n_steps = round(budget / batch_size)
    if diverged:
        learning_rate = 2 * stability_limit(spectrum, batch_size)
    else:
        excess = corpus.excess_amplitude * (n_steps * batch_size) ** -beta
        learning_rate = learning_rate_for_excess(spectrum, batch_size, excess, label_noise=noise)
    steps = np.round(np.geomspace(n_steps, max(1.0, n_steps / 1000), n_logged))
    trajectory = simulate_run(spectrum, learning_rate, batch_size, n_steps, label_noise=noise, steps=steps)
    run_id = f"{corpus.name}-n{n_params}-d{budget}" + ("-diverged" if diverged else "")
    return SimulatedRun(run_id, corpus.name, n_params, batch_size, learning_rate, trajectory)


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
    _require(
        values.shape in {(), (n_steps,)},
        f"{name} has the shape {values.shape}, but the run has {n_steps} steps.",
        "Give one number for the run, or one a step.",
    )
    _require(
        bool(np.all(np.isfinite(values) & (values > 0))),
        f"{name} must be positive and finite at every step.",
        "End a schedule that decays to zero one step earlier.",
    )
    return values


def _batch_sizes(value: ArrayLike, n_steps: int = 0) -> FloatArray:
    """Check batch sizes; they may change from step to step only in a run of `n_steps`."""
    values = _per_step("batch_size", value, n_steps)
    whole = bool(np.all(values == np.floor(values)))
    _require(whole, "batch_size counts samples, so it is whole.", "Round the batch size.")
    return values


def _check_exponents(a: float, b: float) -> None:
    _require(a > 1, f"a is {a}: the variances i**-a sum to a finite number only above 1.", "Take a above 1.")
    _require(b > 1, f"b is {b}: the signals i**-b sum to a finite number only above 1.", "Take b above 1.")


def _require(condition: bool, message: str, hint: str) -> None:
    if not condition:
        raise UsageError(message, hint)
