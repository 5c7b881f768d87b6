"""Count parameters as Kaplan or as Chinchilla did, and the FLOP that follow from either count.

Kaplan et al. (arXiv:2001.08361) left the embeddings out of N, Hoffmann et al. (arXiv:2203.15556) counted everything.
For the model family of the former the two counts are tied by ``N_total = N_ne + omega * N_ne**(1/3)``: depth and width
grow together, so the embeddings grow as the width, and the width as the cube root of the rest (Pearce & Song 2024,
arXiv:2406.12907, who give omega = 47491). The smaller the model, the more of it is embedding, and that alone turns
Chinchilla's exponents into ones near Kaplan's over the range of sizes that Kaplan trained.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean

Array = NDArray[np.float64]

EMBEDDING_SCALE = 47491.0  # omega of the model family of arXiv:2001.08361, from arXiv:2406.12907
FLOP_PER_PARAMETER_TOKEN = 6.0  # forward and backward pass of a dense model, attention over the context left out
CONVENTIONS = ("total", "non-embedding")


def total_from_nonembedding(n_nonembedding: ArrayLike, embedding_scale: float = EMBEDDING_SCALE) -> Array:
    """Count all parameters of models whose non-embedding parameters are known.

    Parameters
    ----------
    n_nonembedding : float or array_like
        Parameters without embeddings, positive.
    embedding_scale : float, default 47491
        omega; it belongs to one vocabulary and one shape of model, so give your own for another family. 0 for models
        without embeddings.

    Returns
    -------
    ndarray, of the shape given
        All parameters.

    Raises
    ------
    InputDataError
        Where a count is not a positive number.
    UsageError
        Where `embedding_scale` is negative or no number.

    References
    ----------
    Pearce & Song 2024, arXiv:2406.12907.

    Examples
    --------
    >>> float(total_from_nonembedding(1e9))
    1047491000.0
    """
    count, omega = _positive(n_nonembedding, "non-embedding parameters"), _scale(embedding_scale)
    return np.asarray(count + omega * np.cbrt(count))


def nonembedding_from_total(n_total: ArrayLike, embedding_scale: float = EMBEDDING_SCALE) -> Array:
    """Count the parameters without embeddings of models whose total is known: the inverse of the other direction.

    Parameters
    ----------
    n_total : float or array_like
        All parameters, positive.
    embedding_scale : float, default 47491
        As of `total_from_nonembedding`.

    Returns
    -------
    ndarray, of the shape given
        Parameters without embeddings, to about 1e-15 of their size.

    Raises
    ------
    InputDataError
        Where a count is not a positive number.
    UsageError
        Where `embedding_scale` is negative or no number.

    References
    ----------
    Pearce & Song 2024, arXiv:2406.12907.

    Examples
    --------
    >>> float(nonembedding_from_total(1047491000.0))
    1000000000.0
    """
    total, omega = _positive(n_total, "parameters"), _scale(embedding_scale)
    if omega == 0:
        return total
    # The cube root x of the answer solves x**3 + omega*x = total. It has one real root; Newton's steps from above fall
    # towards it, because the cubic is convex there.
    with np.errstate(over="ignore"):
        root = np.minimum(np.cbrt(total), total / omega)
    for _ in range(60):
        step = (root**3 + omega * root - total) / (3 * root**2 + omega)
        root = root - step
        if np.all(np.abs(step) <= 1e-16 * root):
            break
    return np.asarray(root**3)


def training_flop(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    convention: str = "total",
    embedding_scale: float = EMBEDDING_SCALE,
) -> Array:
    """Work out the FLOP of a training run, C = 6 N D.

    Parameters
    ----------
    n_params : array_like
        All parameters, embeddings included.
    n_tokens : array_like
        Tokens trained on, repeated ones counted each time.
    convention : {'total', 'non-embedding'}, default 'total'
        Which parameters stand for N: all of them, or those that `nonembedding_from_total` finds.
    embedding_scale : float, default 47491
        As of `total_from_nonembedding`; for ``non-embedding`` only.

    Returns
    -------
    ndarray, of the shape the two make together

    Raises
    ------
    InputDataError
        Where a count is not a positive number.
    UsageError
        For another convention.

    Examples
    --------
    >>> float(training_flop(1e9, 2e10))
    1.2e+20
    >>> float(training_flop(1047491000.0, 2e10, "non-embedding"))
    1.2e+20
    """
    if convention not in CONVENTIONS:
        raise UsageError(f"there is no way '{convention}' to count FLOP", hint=did_you_mean(convention, CONVENTIONS))
    count = _positive(n_params, "parameters")
    if convention == "non-embedding":
        count = nonembedding_from_total(count, embedding_scale)
    return np.asarray(FLOP_PER_PARAMETER_TOKEN * count * _positive(n_tokens, "tokens"))


def _positive(values: ArrayLike, what: str) -> Array:
    try:
        counts = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a number of {what} is not a number: {error}") from error
    if not np.all((counts > 0) & np.isfinite(counts)):
        bad = counts[~((counts > 0) & np.isfinite(counts))].flat[0]
        raise InputDataError(f"a number of {what} must be positive and finite, not {bad:g}")
    return counts


def _scale(omega: float) -> float:
    if not (np.isfinite(omega) and omega >= 0):
        raise UsageError(f"the embedding scale must be a number from 0 on, not {omega}")
    return float(omega)
