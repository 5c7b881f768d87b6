"""Laws written out by hand with a truth and a design each, and how shares of covered truths are judged."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import binom

from tests.batch_truths import BY_HAND

LEVELS = (0.5, 0.9, 0.95)


@dataclass(frozen=True)
class Case:
    """A law by hand, a truth, a design, the noise of ln(loss), and targets at 20 and 100 times the largest scale."""

    curve: object
    truth: dict
    inputs: dict
    scatter: float
    target: dict

    @property
    def mean(self):
        """The law at the design."""
        return self.curve(**self.inputs, **self.truth)


def band(level, simulations, false_alarm=1e-4):
    """Shares of covered truths that a correct interval leaves with a chance of `false_alarm` only."""
    return tuple(binom.ppf([false_alarm / 2, 1 - false_alarm / 2], simulations, level) / simulations)


def outside_the_band(shares, simulations):
    """What is covered too rarely or too often, as a mapping from what and level to the share."""
    bands = {level: band(level, simulations) for level in LEVELS}
    return {key: share for key, share in shares.items() if not bands[key[1]][0] <= share <= bands[key[1]][1]}


def crossed(low, high, sizes, lengths, copies=1):
    n, d = np.meshgrid(np.geomspace(low[0], high[0], sizes), np.geomspace(low[1], high[1], lengths))
    return {"N": np.tile(n.ravel(), copies), "D": np.tile(d.ravel(), copies)}


def shaped(widths, depths, lengths):
    """Widths crossed with depths and training lengths; the parameters follow from the shape."""
    w, l, d = (v.ravel() for v in np.meshgrid(widths, depths, lengths))  # noqa: E741
    return {"w": w, "l": l, "N": 12 * l * w**2 + 1e5 * w, "D": d}


def repeated(unique, epochs, sizes):
    u, e, n = (v.ravel() for v in np.meshgrid(unique, epochs, sizes))
    return {"N": n, "D": u * e, "U": u}


def in_bits(rows):
    """Sizes, tokens and precisions of weights, activations and cache, drawn evenly."""
    rng = np.random.default_rng(0)
    bits = {name: rng.choice([2.0, 3.0, 4.0, 6.0, 8.0, 12.0], rows) for name in ("P_w", "P_a", "P_kv")}
    return {"N": np.geomspace(1e7, 1e10, rows), "D": rng.permutation(np.geomspace(2e8, 2e12, rows)), **bits}


def farseer(N, D, F, s, q, B, b, p, h, a, r):
    n, d = N / 1e9, D / 1e10
    return F * np.exp(s * n**q) + B * np.exp(b * n**p) / d ** (h * np.exp(a * n**r))


def data_constrained(N, D, U, E, A, B, alpha, beta, R_D, R_N):
    unique = np.minimum(U, D)
    best = np.minimum(N, (unique**beta * alpha * A / (beta * B)) ** (1 / alpha))
    tokens = unique * (1 + R_D * (1 - np.exp(-(D / unique - 1) / R_D)))
    params = best * (1 + R_N * (1 - np.exp(-(N / best - 1) / R_N)))
    return E + A / params**alpha + B / tokens**beta


def repeated_pools(D, U, E, D_c, beta, h):
    power = np.log(np.minimum(D, U) / D_c)
    for k in range(1, 32):
        power = power + 2 ** (-k / h) * np.log(np.minimum(D, (k + 1) * U) / np.minimum(D, k * U))
    return E + np.exp(-beta * power)


MUENNIGHOFF = {
    "E": np.exp(0.6254804), "A": np.exp(6.255414), "B": np.exp(7.3049974), "alpha": 0.3526596, "beta": 0.3526596,
}  # fmt: skip
SWEEP = crossed((1e7, 2e8), (1e10, 2e12), 8, 8)
FAR = {"N": np.array([4.47e10, 1e11]), "D": np.array([8.94e12, 2e13])}  # 20 and 100 times the compute
LINE = {"x": np.geomspace(1e6, 1e10, 60)}
TOKENS = {"D": np.geomspace(1e9, 1e11, 60)}
LATER = {"D": np.array([2e12, 1e13])}
COMPUTE = {"C": np.geomspace(1e17, 1e22, 60)}
FAR_COMPUTE = {"C": np.array([2e23, 1e24])}
BATCHES = {"B": np.geomspace(16, 65536, 60)}
LARGE = {"B": np.array([1.3e6, 6.6e6])}
BATCHED = dict(zip("NDB", (v.ravel() for v in np.meshgrid(
    np.geomspace(1e7, 1e10, 4), np.geomspace(1e9, 1e12, 4), np.geomspace(2e4, 1e7, 4)
)), strict=True))  # fmt: skip
TUNED = dict(zip(("N", "D", "lr", "B"), (v.ravel() for v in np.meshgrid(
    np.geomspace(1e8, 1e10, 4), np.geomspace(2e9, 2e12, 4), np.geomspace(3e-4, 6e-3, 4), np.geomspace(6e4, 6e6, 4)
)), strict=True))  # fmt: skip
BEYOND = {"x": np.array([2e11, 1e12])}
BUDGETS = np.geomspace(1e20, 1e26, 30)
REPEATED = repeated(np.geomspace(1e8, 1e10, 4), np.array([1, 3, 10, 40]), np.geomspace(1e7, 3e9, 6))
REPEATED_FAR = {"N": np.array([1e10, 3e10]), "D": np.array([3e11, 1e12]), "U": np.array([3e10, 1e11])}
CASES = {
    "broken_line": Case(
        lambda s, a, b, c, s0: np.where(s < s0, a + b * s, a + b * s0 + (b + c) * (s - s0)),
        {"a": 0.3, "b": 0.15, "c": -0.2, "s0": 2.4}, {"s": np.linspace(0.5, 5, 60)}, 0.01,
        {"s": np.array([5.5, 6.0])},
    ),
    "imitation": Case(
        lambda n, low, high, slope, threshold: low + (high - low) / (1 + (threshold / n) ** slope),
        {"low": 0.2, "high": 0.7, "slope": 1.5, "threshold": 300.0}, {"n": np.geomspace(1, 1e5, 60)}, 0.02,
        {"n": np.array([2e6, 1e7])},
    ),
    "boundary": Case(
        lambda C, y0, rise, b, z_mid: y0 + (1 - y0) * rise / (1 + np.exp(-b * (np.log10(C) - z_mid))),
        {"y0": 0.15, "rise": 0.8, "b": 2.0, "z_mid": 23.0}, {"C": np.tile(BUDGETS, 2)}, 0.005,
        {"C": np.array([2e27, 1e28])},
    ),
    "boundary_in_time": Case(
        lambda C, year, y0, rise, b, z_mid, c: (
            y0 + (1 - y0) * rise / (1 + np.exp(-b * (np.log10(C) + c * (year - 2024.75) - z_mid)))
        ),
        {"y0": 0.15, "rise": 0.8, "b": 2.0, "z_mid": 23.0, "c": 0.6},
        {"C": np.tile(BUDGETS, 3), "year": np.repeat([2023.5, 2024.25, 2025.0], 30)}, 0.005,
        {"C": np.array([2e27, 1e28]), "year": np.array([2025.0, 2026.0])},
    ),
    "chinchilla": Case(
        lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
        {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}, SWEEP, 0.005, FAR,
    ),
    "kaplan": Case(
        lambda N, D, E, N_c, D_c, alpha_N, alpha_D: E + ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D,
        {"E": 1.967, "N_c": 6.68e7, "D_c": 8.9e8, "alpha_N": 0.413, "alpha_D": 0.456}, SWEEP, 0.005, FAR,
    ),
    "skaling": Case(
        lambda N, D, E, A, R, alpha, beta, k: E + A * (N**-alpha + R * D**-beta) ** k,
        {"E": 1.815, "A": 300.0, "R": 3.0, "alpha": 0.45, "beta": 0.42, "k": 0.77}, SWEEP, 0.005, FAR,
    ),
    "multiplicative": Case(
        lambda N, D, E, A, alpha, beta: E + A * N**-alpha * D**-beta,
        {"E": 1.2, "A": 2e3, "alpha": 0.18, "beta": 0.16}, SWEEP, 0.005, FAR,
    ),
    "gadre": Case(
        lambda N, D, E, A, B, alpha: E + A / N**alpha + B / D**alpha,
        {"E": 1.7, "A": 400.0, "B": 1500.0, "alpha": 0.3}, SWEEP, 0.005, FAR,
    ),
    # Nine parameters, three of them for each of two slow curves: more rows and less noise than other laws need.
    "farseer": Case(
        farseer,
        {"F": 1.1, "s": 0.55, "q": -0.18, "B": 0.12, "b": 0.8, "p": -0.12, "h": 0.2, "a": 0.5, "r": 0.08},
        crossed((1e7, 2e8), (1e11, 2e12), 16, 12), 0.0005,
        {"N": np.array([4.47e11, 1e12]), "D": np.array([8.94e12, 2e13])},
    ),
    "data_constrained": Case(
        data_constrained, MUENNIGHOFF | {"R_D": 15.387756, "R_N": 5.309743}, REPEATED, 0.003, REPEATED_FAR,
    ),
    "data_constrained_decay": Case(
        lambda N, D, U, R_D, R_N: data_constrained(N, D, U, **MUENNIGHOFF, R_D=R_D, R_N=R_N),
        {"R_D": 15.387756, "R_N": 5.309743}, REPEATED, 0.003, REPEATED_FAR,
    ),
    "repeated_pools": Case(
        repeated_pools, {"E": 0.15, "D_c": 4e6, "beta": 0.25, "h": 3.0},
        {key: repeated(np.geomspace(1e8, 1e11, 6), np.array([0.3, 1, 1.5, 2, 3, 4, 6, 8, 12, 16]), [1])[key]
         for key in "DU"}, 0.005,
        {"D": np.array([3e13, 1.5e14]), "U": np.array([1.5e12, 7.5e12])},
    ),
    "downstream_error": Case(
        lambda L, eps, k, gamma: eps - k * np.exp(-gamma * L),
        {"eps": 0.85, "k": 2.0, "gamma": 0.9}, {"L": np.linspace(1.5, 3.2, 60)}, 0.005, {"L": np.array([1.2, 1.0])},
    ),
    # Its floor E_x is seen by the rows close to it alone: see shifted_power.
    "capped_power": Case(
        lambda x, K, E_x, kappa, E_y, cap: -np.logaddexp(-10 * cap, -10 * (K * (x - E_x) ** kappa + E_y)) / 10,
        {"K": 0.6, "E_x": 1.4, "kappa": 0.6, "E_y": 0.15, "cap": 0.75}, {"x": 1.4 + np.geomspace(0.01, 3, 60)}, 0.001,
        {"x": np.array([1.408, 8.0])},
    ),
    "chance_sigmoid": Case(
        lambda x, E_y, chance_error, s, x_0: E_y + (chance_error - E_y) / (1 + np.exp(-s * (x - x_0))),
        {"E_y": 0.15, "chance_error": 0.75, "s": 4.0, "x_0": 2.5}, {"x": np.linspace(1.5, 4.5, 60)}, 0.005,
        {"x": np.array([1.2, 1.0])},
    ),
    "shared_exponents": Case(
        lambda N, D, g, E, A, B, alpha, beta, r_N, r_D: (
            E + A * r_N ** (-alpha * g) / N**alpha + B * r_D ** (-beta * g) / D**beta
        ),
        {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28, "r_N": 1.5, "r_D": 0.6},
        {k: np.tile(v, 2) for k, v in SWEEP.items()} | {"g": np.repeat([0.0, 1.0], 64)}, 0.005,
        FAR | {"g": np.array([1.0, 1.0])},
    ),
    "kaplan_n": Case(
        lambda N, N_c, alpha_N: (N_c / N) ** alpha_N,
        {"N_c": 8.8e13, "alpha_N": 0.076}, {"N": LINE["x"]}, 0.005, {"N": BEYOND["x"]},
    ),
    "kaplan_d": Case(
        lambda D, D_c, alpha_D: (D_c / D) ** alpha_D,
        {"D_c": 5.4e13, "alpha_D": 0.095}, {"D": LINE["x"]}, 0.005, {"D": BEYOND["x"]},
    ),
    "kaplan_c": Case(
        lambda C, C_c, alpha_C: (C_c / C) ** alpha_C,
        {"C_c": 2.6784e28, "alpha_C": 0.05}, {"C": 1e10 * LINE["x"]}, 0.005, {"C": 1e10 * BEYOND["x"]},
    ),
    "kaplan_steps": Case(
        lambda N, S, N_c, S_c, alpha_N, alpha_S: (N_c / N) ** alpha_N + (S_c / S) ** alpha_S,
        {"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76},
        dict(zip("NS", crossed((1e6, 1e3), (1e9, 1e5), 8, 8).values(), strict=True)), 0.005,
        {"N": np.array([4.47e9, 1e10]), "S": np.array([4.47e5, 1e6])},
    ),
    # The floor E_x is seen only by rows close to it, and its interval is normal only while the lowest row does not hold
    # it: hence rows from 0.05 above the floor, and 0.1 % noise. At 0.5 % one optimum in seven lies on a bound.
    "shifted_power": Case(
        lambda x, K, E_x, kappa, E_y: K * (x - E_x) ** kappa + E_y,
        {"K": 0.9, "E_x": 1.4, "kappa": 1.1, "E_y": 1.2}, {"x": 1.4 + np.geomspace(0.05, 6, 60)}, 0.001,
        {"x": np.array([15.0, 20.0])},
    ),
    "offset_power": Case(
        lambda x, K, kappa, E_y: K * x**kappa + E_y, {"K": 0.4, "kappa": 1.6, "E_y": 0.8},
        {"x": np.geomspace(0.6, 9, 60)},
        0.005, {"x": np.array([12.0, 15.0])},
    ),
    "log_log": Case(
        lambda x, K, kappa: K * x**kappa, {"K": 0.8, "kappa": 1.2}, {"x": np.geomspace(1.5, 7, 60)}, 0.005,
        {"x": np.array([9.0, 12.0])},
    ),
    "affine": Case(
        lambda x, a, b: a + b * x, {"a": 0.3, "b": 0.9}, {"x": np.linspace(1.5, 7, 60)}, 0.005,
        {"x": np.array([9.0, 12.0])},
    ),
    "quadratic": Case(
        lambda x, a, b, c: a + b * x + c * x**2, {"a": 0.4, "b": 0.3, "c": 0.1}, {"x": np.linspace(1.5, 7, 60)}, 0.005,
        {"x": np.array([9.0, 12.0])},
    ),
    "log_quadratic": Case(
        lambda x, a, b, c: np.exp(a + b * np.log(x) + c * np.log(x) ** 2), {"a": 0.1, "b": 0.7, "c": 0.2},
        {"x": np.geomspace(1.5, 7, 60)}, 0.005, {"x": np.array([9.0, 12.0])},
    ),
    "power": Case(lambda x, A, alpha: A / x**alpha, {"A": 30.0, "alpha": 0.1}, LINE, 0.005, BEYOND),
    "power_floor": Case(
        lambda x, E, A, alpha: E + A / x**alpha, {"E": 1.7, "A": 100.0, "alpha": 0.25}, LINE, 0.005, BEYOND,
    ),
    "precision": Case(
        lambda N, D, P_w, P_a, P_kv, E, A, B, alpha, beta, gamma_w, gamma_a, gamma_kv: (
            E + A / (N * (1 - np.exp(-P_w / gamma_w)) * (1 - np.exp(-P_a / gamma_a)) * (1 - np.exp(-P_kv / gamma_kv)))
            ** alpha + B / D**beta
        ),
        {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28,
         "gamma_w": 2.7, "gamma_a": 2.2, "gamma_kv": 1.4},
        in_bits(160), 0.003, FAR | {name: np.array([4.0, 8.0]) for name in ("P_w", "P_a", "P_kv")},
    ),
    # Width and depth act through N as well, so their own terms are seen only where shapes differ much at one size.
    "gemstones": Case(
        lambda w, l, N, D, E, A_w, A_l, A_N, A_D, alpha_w, alpha_l, alpha_N, alpha_D: (  # noqa: E741
            E + A_w / w**alpha_w + A_l / l**alpha_l + A_N / N**alpha_N + A_D / D**alpha_D
        ),
        {"E": 1.69, "A_w": 60.0, "A_l": 1.5, "A_N": 406.4, "A_D": 410.7,
         "alpha_w": 0.9, "alpha_l": 1.2, "alpha_N": 0.34, "alpha_D": 0.28},
        shaped(np.geomspace(64, 4096, 7), np.geomspace(2, 96, 6), np.geomspace(2e8, 2e12, 6)), 0.0005,
        {k: v[:, 0] if v.ndim > 1 else v for k, v in shaped([8192], [96], [8.94e12, 2e13]).items()},
    ),
    "steps_to_target": Case(
        lambda B, a, b: a + b / B, {"a": 2095.35, "b": 1.13833e7}, BATCHES, 0.05, LARGE,
    ),
    "steps_to_target_power": Case(
        lambda B, a, b, alpha: a + b * B**-alpha, {"a": 2095.35, "b": 1.13833e7, "alpha": 1.04}, BATCHES, 0.02, LARGE,
    ),
    # Where its floor is hardly reached, the corner and the floor are hardly told apart.
    "steps_to_target_sharp": Case(
        lambda B, a, b, k: (a**k + (b / B) ** k) ** (1 / k), {"a": 2095.35, "b": 4e6, "k": 1.5}, BATCHES, 0.01, LARGE,
    ),
    "tokens_to_target": Case(
        lambda B, D_min, B_crit: D_min * (1 + B / B_crit), {"D_min": 5.8e9, "B_crit": 2.8e6},
        {"B": np.geomspace(3e4, 3e7, 60)}, 0.02, {"B": np.array([6e8, 3e9])},
    ),
    "critical_batch": Case(lambda D, k, q: k * D**q, {"k": 17.75, "q": 0.47}, TOKENS, 0.06, LATER),
    "critical_batch_params": Case(
        lambda N, k, p: k * N**p, {"k": 72.2, "p": 0.47}, {"N": LINE["x"]}, 0.06, {"N": BEYOND["x"]},
    ),
    "critical_batch_joint": Case(
        lambda N, D, k, p, q: k * N**p * D**q, {"k": 12.0, "p": 0.05, "q": 0.45}, SWEEP, 0.06, FAR,
    ),
    "critical_batch_loss": Case(
        lambda L, B_0, alpha_B: B_0 / L ** (1 / alpha_B), {"B_0": 2.1e8, "alpha_B": 0.21},
        {"L": np.linspace(2, 5, 60)}, 0.06, {"L": np.array([1.6, 1.4])},
    ),
    "noise_scale": Case(
        lambda T, k, q: k * T**q, {"k": 2.0, "q": 0.6}, {"T": np.geomspace(1e2, 1e6, 60)}, 0.1,
        {"T": np.array([2e7, 1e8])},
    ),
    "three_term": Case(
        lambda N, S, B, E, A, F, G, alpha, beta, gamma: E + A / N**alpha + F / S**beta + G / B**gamma,
        {"E": 1.5, "A": 169.5, "F": 30.0, "G": 60.0, "alpha": 0.29, "beta": 0.4, "gamma": 0.42},
        dict(zip("NSB", (v.ravel() for v in np.meshgrid(
            np.geomspace(1e7, 1e10, 6), np.geomspace(1e3, 1e6, 6), np.geomspace(2e4, 2e7, 6)
        )), strict=True)), 0.002,
        {"N": np.array([4.47e10, 1e11]), "S": np.array([4.47e6, 1e7]), "B": np.array([4e7, 8e7])},
    ),
    "optimal_learning_rate": Case(
        lambda N, D, k, p, q: k * N**p * D**q, {"k": 1.79, "p": -0.713, "q": 0.307}, SWEEP, 0.1, FAR,
    ),
    "coupled_learning_rate": Case(
        lambda N, D, B, k, p, q, r: k * N**p * D**q * B**r, {"k": 2.01, "p": -0.587, "q": -0.009, "r": 0.349},
        BATCHED, 0.1, FAR | {"B": np.array([4e7, 8e7])},
    ),
    "optimal_batch": Case(lambda D, k, q: k * D**q, {"k": 0.58, "q": 0.571}, TOKENS, 0.1, LATER),
    "learning_rate_of_compute": Case(
        lambda C, k, q: k * C**q, {"k": 0.3118, "q": -0.125}, COMPUTE, 0.1, FAR_COMPUTE,
    ),
    "batch_of_compute": Case(lambda C, k, q: k * C**q, {"k": 0.292, "q": 0.3271}, COMPUTE, 0.1, FAR_COMPUTE),
    "ema_timescale": Case(
        lambda R, k, q: k * R**q, {"k": 1.0, "q": -0.527}, {"R": np.geomspace(2, 2000, 60)}, 0.1,
        {"R": np.array([4e4, 2e5])},
    ),
    "tuned_loss": Case(
        BY_HAND["tuned_loss"],
        {
            "E": 1.2, "A": 250.0, "R": 1.5, "alpha": 0.42, "beta": 0.4, "k": 0.8, "h": 0.15, "h_u": 1.5, "h_v": 1.2,
            "h_uv": -0.9, "s": 0.25, "r": 0.05, "p_0": -2.0, "p_N": -0.5, "p_D": 0.25, "q_0": -0.5, "q_D": 0.56,
        },
        TUNED, 0.001,
        FAR | {"lr": np.array([6e-4, 5e-4]), "B": np.array([1e7, 1.5e7])},
    ),
    "optimal_weight_decay": Case(
        lambda N, D, B, lr, k, q: B / (lr * D * k * (D / N) ** q), {"k": 1.0, "q": -0.527},
        BATCHED | {"lr": np.tile([1e-3, 4e-3], 32)}, 0.1,
        FAR | {"B": np.array([4e7, 8e7]), "lr": np.array([1e-3, 1e-3])},
    ),
}  # fmt: skip


def shares_covered(fits, case, each_level=False):
    """Share of covered truths by what is asked for and level; `fits` yields a fit and the noise of a new run.

    Forecasts are of the law's curve and of a new run, at 20 and 100 times. With `each_level` they are asked for level
    by level, as they must be where they are no t intervals.
    """
    names = list(case.truth)
    curve = np.log(case.curve(**case.target, **case.truth))
    inside = {
        (what, level): [] for what in (*names, "curve x20", "curve x100", "run x20", "run x100") for level in LEVELS
    }
    for fit, new_noise in fits:
        for name in names:
            for level in LEVELS:
                low, high = fit.interval(name, level)
                inside[name, level].append(low <= case.truth[name] <= high)
        quantile = {level: stdtrit(fit.degrees, 0.5 + level / 2) for level in LEVELS}
        for kind, truth in (("curve", curve), ("run", curve + new_noise)):
            if each_level:
                answers = {level: fit.predict(case.target, level, kind, force=True) for level in LEVELS}
                hits = {v: (np.log(a.low) <= truth) & (truth <= np.log(a.high)) for v, a in answers.items()}
            else:
                forecast = fit.predict(case.target, kind=kind, force=True)
                miss = np.abs(truth - np.log(forecast.mean)) / np.log(forecast.high / forecast.mean)
                hits = {level: miss * quantile[0.95] <= quantile[level] for level in LEVELS}
            for level, hit in hits.items():
                inside[f"{kind} x20", level].append(hit[0])
                inside[f"{kind} x100", level].append(hit[1])
    return {key: float(np.mean(hits)) for key, hits in inside.items()}


@pytest.fixture(scope="session")
def coverage():
    """The cases, and functions that judge them."""
    return SimpleNamespace(
        levels=LEVELS, cases=CASES, band=band, outside=outside_the_band, shares=shares_covered, crossed=crossed
    )
