"""Laws written out by hand, random truths in the range of training sweeps, and stores that are quickly there."""

import shutil

import numpy as np
import pytest

from tests import truths

BY_HAND = truths.BY_HAND | {
    "chinchilla": lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
    "kaplan": lambda N, D, E, N_c, D_c, alpha_N, alpha_D: E + ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D,
    "skaling": lambda N, D, E, A, R, alpha, beta, k: E + A * (N**-alpha + R * D**-beta) ** k,
    "multiplicative": lambda N, D, E, A, alpha, beta: E + A * N**-alpha * D**-beta,
    "shifted_power": lambda x, K, E_x, kappa, E_y: K * (x - E_x) ** kappa + E_y,
    "offset_power": lambda x, K, kappa, E_y: K * x**kappa + E_y,
    "log_log": lambda x, K, kappa: K * x**kappa,
    "affine": lambda x, a, b: a + b * x,
    "quadratic": lambda x, a, b, c: a + b * x + c * x**2,
    "log_quadratic": lambda x, a, b, c: np.exp(a + b * np.log(x) + c * np.log(x) ** 2),
    "power": lambda x, A, alpha: A / x**alpha,
    "power_floor": lambda x, E, A, alpha: E + A / x**alpha,
}
MID_N, MID_D, MID_X = 3e8, 2e10, 1e8  # geometric middle of the sweeps


def sweep(n_sizes=5, n_lengths=4):
    """Sizes crossed with training lengths, a run each."""
    pairs = [(n, d) for n in np.geomspace(1e7, 1e10, n_sizes) for d in np.geomspace(2e8, 2e12, n_lengths)]
    return {"N": np.array(pairs)[:, 0], "D": np.array(pairs)[:, 1]}


def draw_truth(name, rng):
    """Inputs and parameters of a law, drawn so that each term counts for something in the sweep."""
    if name in truths.BY_HAND:
        return truths.draw(name, rng)

    def log_uniform(low, high):
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def uniform(low, high):
        return float(rng.uniform(low, high))

    a, b, floor = uniform(0.2, 0.6), uniform(0.2, 0.6), uniform(0.5, 2.5)
    if name == "chinchilla":
        size, data = log_uniform(0.05, 1) * MID_N**a, log_uniform(0.05, 1) * MID_D**b
        return sweep(), {"E": floor, "A": size, "B": data, "alpha": a, "beta": b}
    if name == "kaplan":
        size, data = MID_N * log_uniform(0.05, 1) ** (1 / a), MID_D * log_uniform(0.05, 1) ** (1 / b)
        return sweep(), {"E": floor, "N_c": size, "D_c": data, "alpha_N": a, "alpha_D": b}
    if name == "skaling":
        k = uniform(0.4, 1.2)
        a, b = a / k, b / k
        ratio = MID_D**b / MID_N**a * log_uniform(0.3, 3)
        return sweep(), {
            "E": floor,
            "A": log_uniform(0.1, 1) * MID_N ** (a * k),
            "R": ratio,
            "alpha": a,
            "beta": b,
            "k": k,
        }
    if name == "multiplicative":
        a, b = uniform(0.05, 0.4), uniform(0.05, 0.4)
        return sweep(), {"E": floor, "A": log_uniform(0.1, 2) * MID_N**a * MID_D**b, "alpha": a, "beta": b}
    if name == "shifted_power":
        pole = uniform(1, 2)
        truth = {"K": log_uniform(0.4, 2.5), "E_x": pole, "kappa": uniform(0.5, 2), "E_y": uniform(0.5, 2)}
        return {"x": pole + np.geomspace(0.1, 3, 24)}, truth
    if name in ("offset_power", "log_log"):
        truth = {"K": log_uniform(0.2, 2), "kappa": uniform(0.5, 2)}
        return {"x": np.geomspace(0.6, 9, 24)}, truth | ({"E_y": uniform(0.3, 1.5)} if name == "offset_power" else {})
    if name in ("affine", "quadratic", "log_quadratic"):
        truth = {"a": uniform(0.1, 0.8), "b": uniform(0.4, 1.5)}
        return {"x": np.linspace(1.5, 7, 24)}, truth | ({} if name == "affine" else {"c": uniform(0.05, 0.3)})
    x = {"x": np.geomspace(1e6, 1e10, 24)}
    if name == "power":
        a = uniform(0.03, 0.6)
        return x, {"A": log_uniform(0.5, 5) * MID_X**a, "alpha": a}
    a = uniform(0.1, 0.8)
    return x, {"E": floor, "A": log_uniform(0.1, 2) * MID_X**a, "alpha": a}


@pytest.fixture(scope="session")
def by_hand():
    """Each law of the book as a plain Python function of its inputs and parameters."""
    return BY_HAND


@pytest.fixture(scope="session")
def draw():
    """A function (name, rng) -> inputs, truth."""
    return draw_truth


@pytest.fixture(scope="session")
def clean(by_hand):
    """A function (name, inputs, truth) -> what the law predicts, without noise."""
    return lambda name, inputs, truth: by_hand[name](**inputs, **truth)


@pytest.fixture
def chinchilla_runs(by_hand):
    """A small noisy sweep of a known Chinchilla law: inputs and losses."""
    inputs = sweep(6, 6)
    truth = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    noise = np.random.default_rng(11).standard_normal(len(inputs["N"]))
    return inputs, by_hand["chinchilla"](**inputs, **truth) * np.exp(0.003 * noise), truth


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """The file of a store with nothing in it: a copy is opened in a fifth of the time that making one takes."""
    from db.store import Store

    path = tmp_path_factory.mktemp("empty") / "scaling.duckdb"
    with Store(path):
        pass
    return path


@pytest.fixture
def new_store(empty_store, tmp_path_factory):
    """An open store with nothing in it, in a folder apart from that of the test; it vanishes after the test."""
    from db.store import Store

    folder = tmp_path_factory.mktemp("new_store")
    with Store(shutil.copy(empty_store, folder)) as opened:
        yield opened
    shutil.rmtree(folder)
