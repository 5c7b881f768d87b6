"""The laws of batch sizes and hyperparameters by hand, each with a design that determines it and random truths."""

import numpy as np


def bowl(lr, batch, h_u, h_v, h_uv, s, r):
    """How far the loss lies above that of the optimum, where learning rate and batch are multiples of the best ones."""
    u, v = np.log(lr), np.log(batch)
    return lr**s * batch**r * np.einsum("i...,ij,j...->...", [u, v], [[h_u, h_uv / 2], [h_uv / 2, h_v]], [u, v])


# Laws that are one product of powers of their inputs: the names of the exponents, in the order of the inputs.
PRODUCTS = {
    "critical_batch": ("q",),
    "critical_batch_params": ("p",),
    "critical_batch_joint": ("p", "q"),
    "noise_scale": ("q",),
    "optimal_learning_rate": ("p", "q"),
    "coupled_learning_rate": ("p", "q", "r"),
    "optimal_batch": ("q",),
    "learning_rate_of_compute": ("q",),
    "batch_of_compute": ("q",),
    "ema_timescale": ("q",),
}
BY_HAND = {
    # As McCandlish et al. have it: (S/S_min - 1)*(E/E_min - 1) = 1 with E = B*S, solved for S.
    "steps_to_target": lambda B, a, b: a * (b / (a * B) + 1),
    "steps_to_target_power": lambda B, a, b, alpha: a + b * np.exp(-alpha * np.log(B)),
    "steps_to_target_sharp": lambda B, a, b, k: (a**k + (b / B) ** k) ** (1 / k),
    "tokens_to_target": lambda B, D_min, B_crit: D_min + D_min / B_crit * B,
    "critical_batch": lambda D, k, q: k * np.exp(q * np.log(D)),
    "critical_batch_params": lambda N, k, p: k * np.exp(p * np.log(N)),
    "critical_batch_joint": lambda N, D, k, p, q: k * np.exp(p * np.log(N) + q * np.log(D)),
    "critical_batch_loss": lambda L, B_0, alpha_B: B_0 * np.exp(-np.log(L) / alpha_B),
    "noise_scale": lambda T, k, q: k * np.exp(q * np.log(T)),
    "three_term": lambda N, S, B, E, A, F, G, alpha, beta, gamma: (
        E + A * np.exp(-alpha * np.log(N)) + F * np.exp(-beta * np.log(S)) + G * np.exp(-gamma * np.log(B))
    ),
    "optimal_learning_rate": lambda N, D, k, p, q: k * np.exp(p * np.log(N) + q * np.log(D)),
    "coupled_learning_rate": lambda N, D, B, k, p, q, r: k * np.exp(p * np.log(N) + q * np.log(D) + r * np.log(B)),
    "optimal_batch": lambda D, k, q: k * np.exp(q * np.log(D)),
    "learning_rate_of_compute": lambda C, k, q: k * np.exp(q * np.log(C)),
    "batch_of_compute": lambda C, k, q: k * np.exp(q * np.log(C)),
    "ema_timescale": lambda R, k, q: k * np.exp(q * np.log(R)),
    "tuned_loss": lambda N, D, lr, B, E, A, R, alpha, beta, k, h, h_u, h_v, h_uv, s, r, p_0, p_N, p_D, q_0, q_D: (
        E
        + A * (N**-alpha + R * D**-beta) ** k
        + bowl(lr / (np.exp(p_0) * N**p_N * D**p_D), B / (np.exp(q_0) * D**q_D), h_u, h_v, h_uv, s, r) / D**h
    ),
    # From the timescale that it holds: tau = B/(lr*weight_decay*D).
    "optimal_weight_decay": lambda N, D, B, lr, k, q: B / lr / D / (k * np.exp(q * np.log(D / N))),
}
# What each law predicts in the middle of its design: the range that it is drawn from.
MIDDLE = {
    "critical_batch": (3e5, 1e7),
    "critical_batch_params": (3e5, 1e7),
    "critical_batch_joint": (3e5, 1e7),
    "noise_scale": (1e2, 1e5),
    "optimal_learning_rate": (3e-4, 1e-2),
    "coupled_learning_rate": (3e-4, 1e-2),
    "optimal_batch": (1e5, 1e6),
    "learning_rate_of_compute": (3e-4, 1e-2),
    "batch_of_compute": (1e5, 1e6),
    "ema_timescale": (0.05, 0.5),
}
EXPONENTS = {
    "critical_batch": [(0.2, 0.7)],
    "critical_batch_params": [(0.1, 0.7)],
    "critical_batch_joint": [(-0.2, 0.4), (0.2, 0.7)],
    "noise_scale": [(0.2, 1)],
    "optimal_learning_rate": [(-0.9, -0.2), (-0.2, 0.4)],
    "coupled_learning_rate": [(-0.9, -0.2), (-0.3, 0.1), (0.2, 0.7)],
    "optimal_batch": [(0.3, 0.7)],
    "learning_rate_of_compute": [(-0.3, -0.05)],
    "batch_of_compute": [(0.1, 0.5)],
    "ema_timescale": [(-0.8, -0.2)],
}


def crossed(**axes):
    """Every combination of values, one column an input."""
    return dict(zip(axes, (g.ravel() for g in np.meshgrid(*axes.values())), strict=True))


def design(name):
    """Inputs that determine a law."""
    tokens, sizes, batches = np.geomspace(1e9, 1e12, 24), np.geomspace(1e7, 1e10, 5), np.geomspace(2e4, 1e7, 5)
    if name.startswith("steps_to_target"):
        return {"B": np.geomspace(16, 65536, 24)}
    if name == "three_term":
        return crossed(N=sizes, S=np.geomspace(1e3, 1e6, 6), B=batches)
    if name == "tuned_loss":
        return crossed(
            N=np.geomspace(1e8, 1e10, 3), D=np.geomspace(4e9, 4e11, 3), lr=np.geomspace(3e-4, 1e-2, 3),
            B=np.geomspace(6e4, 4e6, 3),
        )  # fmt: skip
    return {
        "tokens_to_target": {"B": np.geomspace(2e4, 1e8, 24)},
        "critical_batch": {"D": tokens},
        "critical_batch_params": {"N": np.geomspace(1e7, 1e10, 24)},
        "critical_batch_joint": crossed(N=sizes, D=tokens[::4]),
        "critical_batch_loss": {"L": np.linspace(2, 5, 30)},
        "noise_scale": {"T": np.geomspace(1e2, 1e6, 24)},
        "optimal_learning_rate": crossed(N=sizes, D=tokens[::4]),
        "coupled_learning_rate": crossed(N=sizes, D=tokens[::6], B=batches),
        "optimal_batch": {"D": tokens},
        "learning_rate_of_compute": {"C": np.geomspace(1e17, 1e22, 24)},
        "batch_of_compute": {"C": np.geomspace(1e17, 1e22, 24)},
        "ema_timescale": {"R": np.geomspace(2, 2000, 24)},
        "optimal_weight_decay": crossed(N=sizes, D=tokens[::6], B=batches[::2], lr=np.array([1e-3, 4e-3])),
    }[name]


def draw(name, rng):
    """Inputs and parameters of a law, drawn so that each term counts for something in its design."""
    x = design(name)

    def log_uniform(low, high):
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def uniform(low, high):
        return float(rng.uniform(low, high))

    if name in PRODUCTS:
        exponents = [uniform(*pair) for pair in EXPONENTS[name]]
        middle = log_uniform(*MIDDLE[name])
        size = np.exp(sum(p * np.log(column).mean() for p, column in zip(exponents, x.values(), strict=True)))
        return x, {"k": float(middle / size)} | dict(zip(PRODUCTS[name], exponents, strict=True))
    if name.startswith("steps_to_target"):
        fewest, corner = log_uniform(500, 1e4), log_uniform(300, 1e4)
        if name == "steps_to_target_power":
            alpha = uniform(0.8, 1.25)
            return x, {"a": fewest, "b": fewest * corner**alpha, "alpha": alpha}
        extra = {"k": log_uniform(0.6, 3)} if name == "steps_to_target_sharp" else {}
        return x, {"a": fewest, "b": fewest * corner} | extra
    if name == "tokens_to_target":
        return x, {"D_min": log_uniform(1e9, 1e11), "B_crit": log_uniform(3e5, 1e7)}
    if name == "critical_batch_loss":
        alpha = uniform(0.15, 0.4)
        return x, {"B_0": log_uniform(1e5, 1e7) * 3.2 ** (1 / alpha), "alpha_B": alpha}
    if name == "tuned_loss":
        middle_n, middle_d = np.log(1e9), np.log(4e10)
        alpha, beta, k, h = uniform(0.35, 0.6), uniform(0.35, 0.6), uniform(0.6, 1.0), uniform(0.05, 0.3)
        p_n, p_d, q_d = -uniform(0.3, 0.8), uniform(0.1, 0.4), uniform(0.4, 0.65)
        bend_u, bend_v = (log_uniform(0.02, 0.08) * np.exp(h * middle_d) for _ in range(2))
        half = np.exp(-alpha * middle_n)  # each shortage is half of their sum in the middle
        return x, {
            "E": uniform(0.5, 1.5), "A": log_uniform(0.6, 1.2) / (2 * half) ** k,
            "R": half * np.exp(beta * middle_d) * log_uniform(0.7, 1.4), "alpha": alpha, "beta": beta, "k": k,
            "h": h, "h_u": bend_u, "h_v": bend_v, "h_uv": -uniform(0.4, 1.2) * np.sqrt(bend_u * bend_v),
            "s": uniform(0.1, 0.35), "r": uniform(0.02, 0.15) * rng.choice([-1.0, 1.0]),
            "p_0": np.log(log_uniform(1.2e-3, 3e-3)) - p_n * middle_n - p_d * middle_d, "p_N": p_n, "p_D": p_d,
            "q_0": np.log(log_uniform(3e5, 8e5)) - q_d * middle_d, "q_D": q_d,
        }  # fmt: skip
    if name == "optimal_weight_decay":
        return x, {"k": log_uniform(0.3, 3), "q": -uniform(0.2, 0.8)}
    a, b, c = (uniform(0.2, 0.6) for _ in range(3))
    return x, {
        "E": uniform(0.5, 2.5), "A": log_uniform(0.1, 1) * 3e8**a, "F": log_uniform(0.1, 1) * 3e4**b,
        "G": log_uniform(0.1, 1) * 5e5**c, "alpha": a, "beta": b, "gamma": c,
    }  # fmt: skip
