"""Sweeps over learning rate and batch whose optimum is known: a quadratic bowl in logarithms, moved by known laws."""

import numpy as np
import pytest

from scaling.hyperparameters import find_cells

# lr* = K N^P D^Q, B* = KB D^QB, and second derivatives of ln L in ln lr and ln B.
K, P, Q, KB, QB = 20.0, -0.7, 0.2, 0.5, 0.57
HESSIAN = np.array([[0.010, -0.004], [-0.004, 0.012]])
SIZES = [2e8, 4e8, 8e8]
LENGTHS = [20, 60, 200, 500]  # tokens a parameter
CONTEXT = 2048


def best(n, d):
    return K * n**P * d**Q, KB * d**QB


def runs(sizes=SIZES, ratios=LENGTHS, noise=0.0, scatter=0.0, skew=0.0, seed=0, diverges=6.0):
    """Columns of a sweep; each optimum off its law by a scatter, learning rates far above the best one diverged."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        for ratio in ratios:
            d = n * ratio
            lr0, b0 = best(n, d)
            lr0, b0 = lr0 * np.exp(scatter * rng.normal()), b0 * np.exp(scatter * rng.normal())
            floor = 1.7 + 400 / n**0.34 + 400 / d**0.28
            for lr in 2.0 ** np.arange(-13, -4.9, 0.5):
                for batch in CONTEXT * 2.0 ** np.arange(4, 12):
                    u, v = np.log(lr / lr0), np.log(batch / b0)
                    log_loss = 0.5 * (HESSIAN[0, 0] * u**2 + 2 * HESSIAN[0, 1] * u * v + HESSIAN[1, 1] * v**2)
                    log_loss += skew * u**3
                    loss = floor * np.exp(log_loss + noise * rng.normal())
                    rows.append((n, d, lr, batch, diverges if lr > 12 * lr0 else loss))
    return dict(zip(("n_params", "n_tokens", "lr", "batch", "loss"), np.array(rows).T, strict=True))


@pytest.fixture(scope="session")
def exact():
    return find_cells(**runs(), context_length=CONTEXT)


@pytest.fixture(scope="session")
def noisy():
    return find_cells(**runs(noise=0.001, scatter=0.1, seed=3), context_length=CONTEXT)
