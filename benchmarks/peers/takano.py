"""The PyPI package `chinchilla`, through its own interface.

It runs BFGS with numerical gradients in extended precision from every point of a grid. The grid is the one of its
README, with 3 or 5 points a parameter. Its objective is set to the one of this benchmark (its default is another), it
is kept to one process, and the figure that its `fit` draws is left out of the time.
"""

from __future__ import annotations

import os
import tempfile
import time
from functools import partial
from unittest.mock import patch

import numpy as np

from peers import DELTA, Array

os.environ.setdefault("MPLBACKEND", "Agg")


def fit(n_params: Array, n_tokens: Array, loss: Array, points: int) -> tuple[Array, float, float]:
    """Fit from `points` ** 5 starts; natural units, and the CPU and wall seconds of `Chinchilla.fit` alone."""
    import pandas as pd
    from chinchilla import Chinchilla
    from chinchilla._metrics import log_huber

    with tempfile.TemporaryDirectory() as folder, patch("os.cpu_count", return_value=1), np.errstate(all="ignore"):
        peer = Chinchilla(
            folder,
            param_grid={
                "E": np.linspace(1, 2, points),
                "a": np.linspace(1, 10, points),
                "b": np.linspace(1, 10, points),
                "alpha": np.linspace(0.1, 0.7, points),
                "beta": np.linspace(0.1, 0.7, points),
            },
            loss_fn=partial(log_huber, delta=DELTA),
            log_level=50,
        )
        # Set here rather than through its CSV file or `append`, which would round the columns.
        peer.database.df = pd.DataFrame({"C": 6 * n_params * n_tokens, "N": n_params, "D": n_tokens, "loss": loss})
        peer.visualizer.optim = lambda *_args, **_settings: None
        cpu, wall = time.process_time(), time.perf_counter()
        peer.fit(parallel=False)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return np.array([peer.params[name] for name in ("E", "A", "B", "alpha", "beta")], float), cpu, wall
