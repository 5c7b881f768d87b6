"""Laws of the book by hand, each with a design that determines it and truths drawn from a sensible range."""

import numpy as np

from tests import batch_truths

MID_N, MID_D = 3e8, 2e10  # geometric middle of the sweeps
# Smallest and largest value of what a bound may name, as a training sweep has them.
RANGES = {
    "N": (1e7, 1e10), "D": (1e9, 1e12), "U": (1e8, 1e11), "C": (1e17, 1e22), "S": (1e3, 1e6), "x": (2.0, 1e10),
    "L": (2.0, 5.0), "P_w": (3, 16), "P_a": (3, 16), "P_kv": (3, 16), "w": (256, 4096), "l": (3, 96), "g": (0.1, 1.0),
    "loss": (2.1, 4.0), "y": (2.1, 4.0), "error": (0.4, 0.8), "year": (2022.5, 2025.5), "score": (0.1, 0.9),
    "B": (16.0, 1e7), "T": (1e2, 1e6), "R": (2, 2000), "lr": (1e-4, 1e-2), "steps": (1e3, 1e6), "tokens": (1e9, 1e12),
    "s": (0.5, 5.0), "performance": (0.3, 0.9), "n": (1, 1e5), "imitation": (0.1, 0.9),
    "B_crit": (1e5, 1e7), "B_simple": (1e2, 1e5), "tau": (0.01, 1), "weight_decay": (0.01, 1),
}  # fmt: skip


def farseer(N, D, F, s, q, B, b, p, h, a, r):
    n = N / 1e9
    return F * np.exp(s * n**q) + B * np.exp(b * n**p) * (D / 1e10) ** -(h * np.exp(a * n**r))


def gadre(N, D, E, A, B, alpha):
    # As the paper has it: in C and M, with eta = alpha/2.
    eta, c, m = alpha / 2, 6 * N * D, D / N
    return E + (A * 6**eta * m**eta + B * 6**eta * m**-eta) * c**-eta


def data_constrained(N, D, U, E, A, B, alpha, beta, R_D, R_N):
    # As the paper has it: by way of G, the scale of the compute-optimal model.
    unique = np.minimum(U, D)
    g = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    enough = np.minimum(N, (unique * g) ** (beta / alpha) * g)
    tokens = unique + unique * R_D * (1 - np.exp(-(D / unique - 1) / R_D))
    params = enough + enough * R_N * (1 - np.exp(-(N / enough - 1) / R_N))
    return E + A / params**alpha + B / tokens**beta


def data_constrained_decay(N, D, U, R_D, R_N):
    fixed = {"E": np.exp(0.6254804), "A": np.exp(6.255414), "B": np.exp(7.3049974)}
    return data_constrained(N, D, U, **fixed, alpha=0.3526596, beta=0.3526596, R_D=R_D, R_N=R_N)


def precision(N, D, P_w, P_a, P_kv, E, A, B, alpha, beta, gamma_w, gamma_a, gamma_kv):
    effective = N * 1.0
    for bits, gamma in ((P_w, gamma_w), (P_a, gamma_a), (P_kv, gamma_kv)):
        effective = effective * -np.expm1(-bits / gamma)
    return E + A / effective**alpha + B / D**beta


def gemstones(w, l, N, D, E, A_w, A_l, A_N, A_D, alpha_w, alpha_l, alpha_N, alpha_D):  # noqa: E741
    return E + A_w / w**alpha_w + A_l / l**alpha_l + A_N / N**alpha_N + A_D / D**alpha_D


def shared_exponents(N, D, g, E, A, B, alpha, beta, r_N, r_D):
    return E + A / (np.where(g == 1, r_N, 1) * N) ** alpha + B / (np.where(g == 1, r_D, 1) * D) ** beta


def repeated_pools(D, U, E, D_c, beta, h):
    # As the source has it, from one epoch to the next: a = 1/D_c, b = -beta, c = h, d = E.
    error = (np.minimum(D, U) / D_c) ** -beta
    for k in range(1, 32):
        error = error * (np.minimum(D, (k + 1) * U) / np.minimum(D, k * U)) ** (-beta * 0.5 ** (k / h))
    return E + error


BY_HAND = {
    "farseer": farseer,
    "gadre": gadre,
    "data_constrained": data_constrained,
    "data_constrained_decay": data_constrained_decay,
    "repeated_pools": repeated_pools,
    "precision": precision,
    "gemstones": gemstones,
    "shared_exponents": shared_exponents,
    "kaplan_n": lambda N, N_c, alpha_N: (N_c / N) ** alpha_N,
    "kaplan_d": lambda D, D_c, alpha_D: (D_c / D) ** alpha_D,
    "kaplan_c": lambda C, C_c, alpha_C: (C_c / C) ** alpha_C,
    "kaplan_steps": lambda N, S, N_c, S_c, alpha_N, alpha_S: (N_c / N) ** alpha_N + (S_c / S) ** alpha_S,
    "downstream_error": lambda L, eps, k, gamma: eps - k * np.exp(-gamma * L),
    "capped_power": lambda x, K, E_x, kappa, E_y, cap: (
        -np.logaddexp(-10 * cap, -10 * (K * (x - E_x) ** kappa + E_y)) / 10
    ),
    "chance_sigmoid": lambda x, E_y, chance_error, s, x_0: (
        chance_error - (chance_error - E_y) / (1 + np.exp(s * (x - x_0)))
    ),
    "boundary": lambda C, y0, rise, b, z_mid: y0 + (1 - y0) * rise / (1 + (10**z_mid / C) ** (b / np.log(10))),
    "boundary_in_time": lambda C, year, y0, rise, b, z_mid, c: (
        y0 + (1 - y0) * rise / (1 + (10**z_mid / (C * 10 ** (c * (year - 2024.75)))) ** (b / np.log(10)))
    ),
    "broken_line": lambda s, a, b, c, s0: np.where(s < s0, a + b * s, a + b * s0 + (b + c) * (s - s0)),
    "imitation": lambda n, low, high, slope, threshold: (
        (low * threshold**slope + high * n**slope) / (threshold**slope + n**slope)
    ),
} | batch_truths.BY_HAND


crossed = batch_truths.crossed


def design(name):
    """Inputs that determine a law."""
    if name in batch_truths.BY_HAND:
        return batch_truths.design(name)
    if name == "farseer":
        return crossed(N=np.geomspace(5e7, 1e10, 10), D=np.geomspace(1e9, 5e11, 10))
    if name == "gadre":
        return crossed(N=np.geomspace(1e7, 1e10, 5), D=np.geomspace(2e8, 2e12, 4))
    if name in ("data_constrained", "data_constrained_decay"):
        x = crossed(N=np.geomspace(1e7, 1e10, 6), U=np.geomspace(1e8, 1e11, 4), epochs=[1, 2, 4, 8, 16, 40, 100])
        return {"N": x["N"], "D": x["U"] * x["epochs"], "U": x["U"]}
    if name == "repeated_pools":
        x = crossed(U=np.geomspace(1e8, 1e11, 5), epochs=[0.5, 1, 2, 4, 8, 16, 32])
        return {"D": x["U"] * x["epochs"], "U": x["U"]}
    if name == "precision":
        low = [[p if i == j else 16 for j in range(3)] for i in range(3) for p in (3, 4, 6)]
        bits = [[16, 16, 16], [8, 8, 8], [4, 4, 4], *low]
        x = crossed(N=np.geomspace(3e7, 1e9, 4), D=np.geomspace(1.5e9, 5e10, 4), choice=np.arange(len(bits)))
        columns = np.array(bits, float)[x.pop("choice")].T
        return x | dict(zip(("P_w", "P_a", "P_kv"), columns, strict=True))
    if name == "gemstones":
        x = crossed(w=np.geomspace(256, 4096, 5), l=np.geomspace(3, 96, 6), D=np.geomspace(2e9, 2e11, 3))
        return {"w": x["w"], "l": x["l"], "N": 12 * x["w"] ** 2 * x["l"] + 1e5 * x["w"], "D": x["D"]}
    if name == "shared_exponents":
        return crossed(N=np.geomspace(1e7, 1e10, 5), D=np.geomspace(2e8, 2e12, 5), g=np.array([0.0, 1.0]))
    if name == "kaplan_steps":
        return crossed(N=np.geomspace(1e6, 1e9, 6), S=np.geomspace(1e3, 1e6, 8))
    if name == "downstream_error":
        return {"L": np.linspace(2, 5, 30)}
    if name == "capped_power":  # from near the floor E_x on, which nothing else tells
        return {"x": 1.4 + np.geomspace(0.02, 3, 40)}
    if name == "chance_sigmoid":
        return {"x": np.linspace(1.5, 4.5, 40)}
    if name == "boundary":
        return {"C": np.geomspace(1e20, 1e26, 60)}
    if name == "boundary_in_time":
        return crossed(C=np.geomspace(1e20, 1e26, 30), year=np.array([2023.5, 2024.25, 2025.0]))
    if name == "broken_line":
        return {"s": np.linspace(0.5, 5, 48)}
    if name == "imitation":
        return {"n": np.geomspace(1, 1e5, 48)}
    symbol = name[-1].upper()
    return {symbol: np.geomspace(*{"N": (1e6, 1e10), "D": (1e8, 1e12), "C": (1e17, 1e22)}[symbol], 24)}


def draw(name, rng):
    """Inputs and parameters of a law, drawn so that each term counts for something in its design."""
    if name in batch_truths.BY_HAND:
        return batch_truths.draw(name, rng)
    x = design(name)

    def log_uniform(low, high):
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def uniform(low, high):
        return float(rng.uniform(low, high))

    a, b, floor = uniform(0.2, 0.6), uniform(0.2, 0.6), uniform(0.5, 2.5)
    size, data = log_uniform(0.1, 1) * MID_N**a, log_uniform(0.1, 1) * MID_D**b
    both = {"E": floor, "A": size, "B": data, "alpha": a, "beta": b}
    if name == "farseer":
        return x, {
            "F": log_uniform(1, 2.5), "s": -log_uniform(0.05, 0.5), "q": uniform(0.1, 0.6),
            "B": log_uniform(0.3, 1), "b": log_uniform(0.1, 0.6), "p": -uniform(0.1, 0.5),
            "h": log_uniform(0.2, 0.5), "a": -log_uniform(0.05, 0.4), "r": uniform(0.1, 0.6),
        }  # fmt: skip
    if name == "gadre":
        return x, {"E": floor, "A": size, "B": data * MID_D ** (a - b), "alpha": a}
    if name.startswith("data_constrained"):
        decays = {"R_D": log_uniform(4, 40), "R_N": log_uniform(2, 20)}
        return x, decays if name.endswith("decay") else both | decays
    if name == "repeated_pools":
        slope = uniform(0.1, 0.4)
        scale = 3e9 * log_uniform(0.1, 0.5) ** (1 / slope)
        return x, {"E": uniform(0.05, 0.3), "D_c": scale, "beta": slope, "h": log_uniform(1, 10)}
    if name == "precision":
        return x, both | {"gamma_w": uniform(1, 4), "gamma_a": uniform(1, 4), "gamma_kv": uniform(0.7, 3)}
    if name == "gemstones":
        c, d = uniform(0.8, 1.6), uniform(0.8, 1.6)
        terms = {"A_w": log_uniform(0.1, 0.5) * 600**c, "A_l": log_uniform(0.1, 0.5) * 10**d, "A_N": size, "A_D": data}
        return x, {"E": floor} | terms | {"alpha_w": c, "alpha_l": d, "alpha_N": a, "alpha_D": b}
    if name == "shared_exponents":
        return x, both | {"r_N": log_uniform(0.3, 3), "r_D": log_uniform(0.3, 3)}
    if name == "downstream_error":
        return x, {"eps": uniform(0.7, 0.9), "k": log_uniform(1, 4), "gamma": uniform(0.6, 1.2)}
    if name == "capped_power":
        ends = {"E_x": 1.4, "E_y": uniform(0.05, 0.25), "cap": uniform(0.5, 0.8)}
        return x, ends | {"K": log_uniform(0.4, 1), "kappa": uniform(0.3, 1)}
    if name == "chance_sigmoid":
        ends = {"E_y": uniform(0.05, 0.25), "chance_error": uniform(0.5, 0.8)}
        return x, ends | {"s": log_uniform(2, 6), "x_0": uniform(2.2, 3.2)}
    if name in ("boundary", "boundary_in_time"):
        curve = {"y0": uniform(0.05, 0.3), "rise": uniform(0.5, 0.95), "b": log_uniform(1, 4), "z_mid": uniform(22, 24)}
        return x, curve | ({"c": uniform(-0.5, 2)} if name == "boundary_in_time" else {})
    if name == "broken_line":
        return x, {"a": uniform(0.2, 0.5), "b": uniform(0.08, 0.2), "c": -uniform(0.08, 0.2), "s0": uniform(1.8, 3.4)}
    if name == "imitation":
        ends = {"low": uniform(0.1, 0.3), "high": uniform(0.6, 0.9)}
        return x, ends | {"slope": log_uniform(0.8, 4), "threshold": log_uniform(60, 2000)}
    slope = uniform(0.04, 0.15)
    if name == "kaplan_steps":
        scale = 3e7 * log_uniform(2, 4) ** (1 / slope)
        return x, {"N_c": scale, "S_c": log_uniform(3e2, 3e3), "alpha_N": slope, "alpha_S": uniform(0.5, 0.9)}
    [(symbol, column)] = x.items()
    return x, {f"{symbol}_c": column[12] * log_uniform(2, 5) ** (1 / slope), f"alpha_{symbol}": slope}
