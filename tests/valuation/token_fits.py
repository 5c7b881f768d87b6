"""Fits of laws of tokens with known truths, made once."""

from dataclasses import replace
from functools import cache

import numpy as np

import scaling
from scaling.valuation import fit_source_weights
from tests.truths import BY_HAND, crossed, design, draw

TRUTH = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28}
DECAYS = {"R_D": 15.4, "R_N": 5.31}


def chinchilla(n, d, **truth):
    t = TRUTH | truth
    return t["E"] + t["A"] / np.asarray(n) ** t["alpha"] + t["B"] / np.asarray(d) ** t["beta"]


@cache
def noisy(bootstrap=0, seed=0, scatter=0.005):
    """A fit of chinchilla to 64 runs, and those runs."""
    x = crossed(N=np.geomspace(1e7, 1e10, 8), D=np.geomspace(2e8, 2e12, 8))
    loss = chinchilla(x["N"], x["D"]) * np.exp(scatter * np.random.default_rng(seed).standard_normal(64))
    return scaling.fit("chinchilla", x, loss, objective="squared", bootstrap=bootstrap), (x, loss)


@cache
def exact(beta=0.28):
    """A fit of chinchilla whose estimates are the truth to the last digit."""
    made, _ = noisy()
    return replace(made, estimates=TRUTH | {"beta": beta})


@cache
def power(bootstrap=0, scatter=0.003):
    """A fit of E + B/D**b: the law of the reference values of sources, with estimates E = 1.7, B = 400, b = 0.28."""
    d = np.repeat(np.geomspace(1e9, 1e12, 9), 4)
    loss = (1.7 + 400 * d**-0.28) * np.exp(scatter * np.random.default_rng(1).standard_normal(36))
    bounds = {"E": {"low": 0, "high": 3}, "B": {"low": 1e-2, "high": 1e17}, "b": {"low": 0.01, "high": 2}}
    made = scaling.fit("E + B/D**b", {"D": d}, loss, parameters=bounds, objective="squared", bootstrap=bootstrap)
    return made if bootstrap else replace(made, estimates={"E": 1.7, "B": 400.0, "b": 0.28})


@cache
def repeated(bootstrap=60):
    """A fit of data_constrained_decay to noisy runs: the two decays, with the other constants as published."""
    x = design("data_constrained_decay")
    noise = np.random.default_rng(5).standard_normal(len(x["N"]))
    loss = BY_HAND["data_constrained_decay"](**x, **DECAYS) * np.exp(0.003 * noise)
    return scaling.fit("data_constrained_decay", x, loss, objective="squared", bootstrap=bootstrap)


@cache
def mixtures():
    """Weights from 60 runs on mixtures of three sources, worth 1, 2.5 and 0.4; some on one source alone."""
    rng = np.random.default_rng(1)
    total, n = 10 ** rng.uniform(9, 11, 60), 10 ** rng.uniform(7.5, 9.5, 60)
    mix = rng.dirichlet([1, 1, 1], 60)
    mix[:9] = np.eye(3)[np.arange(9) % 3]
    tokens = dict(zip(("web", "books", "code data"), (total[:, None] * mix).T, strict=True))
    worth_ = tokens["web"] + 2.5 * tokens["books"] + 0.4 * tokens["code data"]
    loss = (1.7 + 400 / n**0.34 + 400 / worth_**0.28) * np.exp(0.003 * rng.standard_normal(60))
    return tokens, loss, n


@cache
def weighted():
    tokens, loss, n = mixtures()
    return fit_source_weights(tokens, loss, n, reference="web", objective="squared", bootstrap=200)


@cache
def drawn(name):
    """A fit of a law of the book to its own design with 0.2 % of noise, with 20 replicates."""
    rng = np.random.default_rng(2)
    inputs, truth = draw(name, rng) if name in BY_HAND else _two_inputs(name)
    law = BY_HAND.get(name) or CLOSED[name]
    loss = law(**inputs, **truth) * np.exp(0.002 * rng.standard_normal(len(next(iter(inputs.values())))))
    return scaling.fit(name, inputs, loss, objective="squared", bootstrap=20, start=truth)


CLOSED = {
    "chinchilla": lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
    "kaplan": lambda N, D, E, N_c, D_c, alpha_N, alpha_D: E + ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D,
    "skaling": lambda N, D, E, A, R, alpha, beta, k: E + A * (N**-alpha + R * D**-beta) ** k,
    "multiplicative": lambda N, D, E, A, alpha, beta: E + A * N**-alpha * D**-beta,
}
TRUTHS = {
    "chinchilla": TRUTH,
    "kaplan": {"E": 1.967, "N_c": 6.68e7, "D_c": 8.9e8, "alpha_N": 0.413, "alpha_D": 0.456},
    "skaling": {"E": 1.815, "A": 300.0, "R": 3.0, "alpha": 0.45, "beta": 0.42, "k": 0.77},
    "multiplicative": {"E": 1.2, "A": 2e3, "alpha": 0.18, "beta": 0.16},
}


def _two_inputs(name):
    return crossed(N=np.geomspace(1e7, 1e10, 8), D=np.geomspace(2e8, 2e12, 8)), TRUTHS[name]
