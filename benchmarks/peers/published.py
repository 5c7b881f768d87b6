"""The published procedure (arXiv:2404.10102), written from its description.

The point fit runs L-BFGS-B from each of the 4500 starts of arXiv:2203.15556 with SciPy's numerical gradients; each
bootstrap replicate is one run of BFGS from the printed values of arXiv:2203.15556 with gradients from the package
`autograd`. Settings of the optimisers are SciPy's defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import autograd.numpy as anp
import numpy as np
from autograd import grad
from scipy.optimize import minimize

from peers import DELTA, HOFFMANN, Array, to_natural

_AMPLITUDES, _FLOORS, _EXPONENTS = np.linspace(0, 25, 6), np.linspace(-1, 1, 5), np.linspace(0, 2, 5)
STARTS = np.array(list(product(_AMPLITUDES, _AMPLITUDES, _FLOORS, _EXPONENTS, _EXPONENTS)))


def point_fit(log_n: Array, log_d: Array, log_loss: Array) -> Array:
    """Fit from all 4500 starts and return the best, natural units."""

    def objective(theta: Array) -> float:
        a, b, e, alpha, beta = theta
        size = np.abs(log_loss - np.log(np.exp(a - alpha * log_n) + np.exp(b - beta * log_d) + np.exp(e)))
        return float(np.sum(np.where(size <= DELTA, 0.5 * size * size, DELTA * (size - 0.5 * DELTA))))

    best, lowest = HOFFMANN, np.inf
    with np.errstate(all="ignore"):
        for start in STARTS:
            found = minimize(objective, start, method="L-BFGS-B")
            if found.fun < lowest:
                best, lowest = found.x, found.fun
    return to_natural(best)


def one_start(log_n: Array, log_d: Array, log_loss: Array) -> Array:
    """Fit by BFGS with autograd's gradients from the printed values, natural units."""
    with np.errstate(all="ignore"):
        return to_natural(minimize(_objective, HOFFMANN, (log_n, log_d, log_loss), "BFGS", jac=_gradient).x)


def _objective(theta: Array, log_n: Array, log_d: Array, log_loss: Array) -> float:
    a, b, e, alpha, beta = theta
    predicted = anp.log(anp.exp(a - alpha * log_n) + anp.exp(b - beta * log_d) + anp.exp(e))
    size = anp.abs(log_loss - predicted)
    return anp.sum(anp.where(size <= DELTA, 0.5 * size * size, DELTA * (size - 0.5 * DELTA)))


_gradient: Callable[..., Array] = grad(_objective)
