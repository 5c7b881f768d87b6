"""Weight decay as a timescale: AdamW's weights are an average over past updates, and its length is what to tune.

With decoupled weight decay the weights forget at the rate ``lr * weight_decay`` a step, so they average over
``1/(lr*weight_decay)`` steps, or the share ``tau = B/(lr*weight_decay*D)`` of a run of D tokens (arXiv:2505.13738).
Held at its best, weight decay grows with the batch, and the learning rate need not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.noise_rows import as_floats
from scaling.errors import InputDataError, UsageError
from scaling.fitting.fit import fit
from scaling.formatting import format_count, format_plural
from scaling.hyperparameters.bowl import CUTOFF
from scaling.hyperparameters.cells import find_cells
from scaling.hyperparameters.laws import TunedLaw, labels
from scaling.inputs import as_number
from scaling.parabola import fit_parabola

Array = NDArray[np.float64]

_LEAST = 4  # timescales of a parabola


@dataclass(frozen=True)
class TunedTimescale:
    """A law of the best timescale over tokens a parameter.

    Parameters
    ----------
    law : TunedLaw
        ``tau = k*R**q``; its groups are the cells of one size and number of tokens.
    n_params, n_tokens, batch, tau : ndarray (m,)
        The points, one a batch of a cell.
    left_out : tuple of str
        A sentence for each that has no best timescale.
    """

    law: TunedLaw
    n_params: Array = field(repr=False)
    n_tokens: Array = field(repr=False)
    batch: Array = field(repr=False)
    tau: Array = field(repr=False)
    left_out: tuple[str, ...] = ()

    def weight_decay(self, lr: float, batch: float, n_params: float, n_tokens: float) -> float:
        """Return the weight decay that gives a run the best timescale; `batch` in tokens a step."""
        return weight_decay_of(self.law.at({"R": n_tokens / n_params}), lr, batch, n_tokens)

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return plain data."""
        return {"timescale": self.law.to_dict(level), "left_out": list(self.left_out)}

    def __repr__(self) -> str:
        return self.law.sentence()


def timescale_of(lr: ArrayLike, weight_decay: ArrayLike, batch: ArrayLike, n_tokens: ArrayLike) -> Array:
    """Return the timescale of AdamW's average as a share of the run.

    Parameters
    ----------
    lr, weight_decay : array_like
        Peak learning rate and AdamW's lambda.
    batch : array_like
        Tokens a step.
    n_tokens : array_like
        Of the run.

    Returns
    -------
    ndarray
        B/(lr*weight_decay*D); infinite without decay.

    Examples
    --------
    >>> round(float(timescale_of(1e-3, 0.1, 2**20, 20e9)), 4)
    0.5243
    """
    with np.errstate(divide="ignore"):
        return np.asarray(
            np.asarray(batch, float) / (np.asarray(lr, float) * np.asarray(weight_decay, float) * np.asarray(n_tokens))
        )


def weight_decay_of(tau: float, lr: float, batch: float, n_tokens: float) -> float:
    """Return the weight decay of a timescale.

    Parameters
    ----------
    tau : float
        Share of the run.
    lr : float
        Peak learning rate.
    batch, n_tokens : float
        Tokens a step, and of the run.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        For numbers that are not above 0.
    """
    if not all(0 < as_number(v) < math.inf for v in (tau, lr, batch, n_tokens)):
        raise UsageError("a timescale, a learning rate, a batch and a number of tokens are above 0")
    return batch / (lr * n_tokens * tau)


def fit_timescale(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    lr: ArrayLike,
    batch: ArrayLike,
    weight_decay: ArrayLike,
    loss: ArrayLike,
    *,
    cutoff: float = CUTOFF,
    context_length: float | None = None,
    batch_unit: str | Sequence[str] = "tokens",
    bootstrap: int = 1000,
    seed: int = 0,
) -> TunedTimescale:
    """Fit the best timescale over tokens a parameter, from runs with several weight decays.

    Parameters
    ----------
    n_params, n_tokens, lr, batch, loss, context_length, batch_unit
        As of `scaling.hyperparameters.find_cells`.
    weight_decay : array_like (n,)
        AdamW's lambda; runs without decay have no timescale and are left out.
    cutoff : float, default 0.02
        Share above the best loss of a batch of a cell within which runs are fitted, by a parabola in ln tau.
    bootstrap, seed : int
        Draws of whole cells.

    Returns
    -------
    TunedTimescale

    Raises
    ------
    InputDataError
        Where fewer than three batches of cells have a best timescale, or all have one number of tokens a parameter.
    """
    names = ("n_params", "n_tokens", "lr", "batch", "loss")
    decay = as_floats(weight_decay, "weight_decay", dimensions=1)
    given = zip(names, (n_params, n_tokens, lr, batch, loss), strict=True)
    columns = [as_floats(values, name, dimensions=1) for name, values in given]
    if any(v.shape != decay.shape for v in columns):
        raise InputDataError(f"there are {decay.size} weight decays for {columns[0].size} runs")
    kept = np.isfinite(decay) & (decay > 0)
    if not kept.any():
        raise InputDataError("no run has a weight decay above 0, and without decay there is no timescale")
    n, d, rate, size, final = (v[kept] for v in columns)
    units = batch_unit if isinstance(batch_unit, str) else [u for u, k in zip(batch_unit, kept, strict=True) if k]
    cells = find_cells(n, d, rate, size, final, context_length=context_length, batch_unit=units)
    rows, left_out = [], []
    for k, cell in enumerate(cells):
        tau = timescale_of(cell.lr, decay[kept][cell.rows], cell.batch, cell.n_tokens)
        for b in np.unique(cell.batch):
            at = cell.batch == b
            found = _best_timescale(tau[at], cell.loss[at], cutoff)
            if isinstance(found, str):
                left_out.append(f"{cell.name}, batch {format_count(float(b))}: {found}.")
            else:
                rows.append((cell.n_params, cell.n_tokens, float(b), found, float(k)))
    table = np.array(rows, float).reshape(-1, 5)
    ratio = table[:, 1] / table[:, 0]
    if len(table) < 3 or np.ptp(np.log(ratio)) < 1e-6:
        raise InputDataError(
            f"{format_plural(len(table), 'batch')} of cells with a best timescale cannot hold a law of tokens a "
            "parameter" + (". " + " ".join(left_out) if left_out else ""),
            hint="Vary the weight decay at several numbers of tokens a parameter.",
        )
    group = table[:, 4].astype(np.int64)
    result = fit(
        "ema_timescale",
        {"R": ratio},
        table[:, 3],
        objective="squared",
        groups=labels(group) if len(np.unique(group)) > 1 else None,
        bootstrap=bootstrap,
        seed=seed,
    )
    size_, length, batch_, best, _ = table.T
    return TunedTimescale(TunedLaw(result, group), size_, length, batch_, best, tuple(left_out))


def _best_timescale(tau: Array, loss: Array, cutoff: float) -> float | str:
    """Vertex of a parabola in ln tau, or why there is none."""
    if not np.any(np.isfinite(loss)):
        return "no run has a loss"
    near = loss < loss.min() * (1 + cutoff)
    x, z = np.log(tau[near]), np.log(loss[near])
    if len(np.unique(np.round(x, 3))) < _LEAST:
        return f"fewer than {_LEAST} timescales within {100 * cutoff:g} % of the best"
    found = fit_parabola(x, z)
    if found is None:
        return "the loss is not convex in the timescale"
    if not np.log(tau.min()) <= found.vertex <= np.log(tau.max()):
        return "the best timescale lies beyond those tried"
    return math.exp(found.vertex)
