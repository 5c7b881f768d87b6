"""Simulated run logs with known answers: sweeps over sizes, budgets and corpora, each run its own.

The dynamics are those of `scaling.sgd`: the exact expected loss of mini-batch SGD on power-law linear regression. Here
are the corpora, the recipe by which each run chooses its learning rate, and what a law fitted to the logs ought to
find.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.sgd import (
    Trajectory,
    check_exponents,
    learning_rate_for_excess,
    power_law_spectrum,
    require,
    simulate_run,
    stability_limit,
)


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
    check_exponents(a, b)
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
    require(min(len(corpora), len(sizes), len(budgets)) > 0, "The grid is empty.", "Name at least one of each.")
    require(n_logged >= 1, f"n_logged is {n_logged}; the last step is always logged.", "Take 1 or more.")
    grid = [(corpus, size, budget) for corpus in corpora for size in sizes for budget in budgets]
    require(
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
    require(seed >= 0, f"seed is {seed}; a seed is not negative.", "Take a whole number from 0 on.")
    require(noise >= 0, f"noise is {noise}; a standard deviation is not negative.", "Take 0 for none.")
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
    require(
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
