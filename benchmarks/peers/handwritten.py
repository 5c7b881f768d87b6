"""SciPy's BFGS with gradients derived by hand: what a careful person writes in an afternoon.

The prediction is a log-sum-exp of three terms; the gradient of its logarithm is the share of each term times the
derivative of that term's exponent. Settings of the optimiser are SciPy's defaults.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from peers import DELTA, Array, to_natural


def fit(log_n: Array, log_d: Array, log_loss: Array, start: Array) -> Array:
    """Fit by BFGS from one start (a, b, e, alpha, beta); natural units."""
    with np.errstate(all="ignore"):
        return to_natural(minimize(_objective, start, (log_n, log_d, log_loss), "BFGS", jac=True).x)


def _objective(theta: Array, log_n: Array, log_d: Array, log_loss: Array) -> tuple[float, Array]:
    a, b, e, alpha, beta = theta
    model, data = a - alpha * log_n, b - beta * log_d
    top = np.maximum(np.maximum(model, data), e)
    model, data, floor = np.exp(model - top), np.exp(data - top), np.exp(e - top)
    total = model + data + floor
    r = log_loss - top - np.log(total)
    slope = np.clip(r, -DELTA, DELTA)
    by_model, by_data, by_floor = (-slope * share / total for share in (model, data, floor))
    gradient = np.array([by_model.sum(), by_data.sum(), by_floor.sum(), -(by_model @ log_n), -(by_data @ log_d)])
    return float(np.sum(slope * (r - 0.5 * slope))), gradient
