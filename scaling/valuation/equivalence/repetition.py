"""What repeated and unequal tokens are worth: effective tokens of pools, and the error of pools that wear out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.repetition import effective_count
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

MOST_EPOCHS = 32  # that the law `repeated_pools` of the book writes out
_LONGEST = 10_000  # epochs that are summed


def effective_tokens(n_tokens: ArrayLike, unique_tokens: ArrayLike, decay: ArrayLike, weight: ArrayLike = 1.0) -> Array:
    """Say how many fresh tokens of the reference a pool is worth after it was seen some times.

    Parameters
    ----------
    n_tokens : array_like
        Tokens trained on, repeated ones counted each time; fewer than `unique_tokens` are all fresh.
    unique_tokens : array_like
        U.
    decay : array_like
        R*, repeats after which a token has lost 1 - 1/e of its worth.
    weight : array_like, default 1
        w, fresh tokens of the reference that a fresh token of the pool is worth.

    Returns
    -------
    ndarray
        ``w*U*(1 + R*(1 - exp(-(D/U - 1)/R)))``; ``w*D`` up to one epoch.

    Raises
    ------
    InputDataError
        For numbers of tokens that are negative, decays that are not positive, or weights that are negative.

    References
    ----------
    Muennighoff et al. 2023, arXiv:2305.16264.

    Examples
    --------
    >>> [f"{v:.6e}" for v in effective_tokens(400e9, [100e9, 25e9, 10e9], 15.387756)]
    ['3.725673e+11', '2.645614e+11', '1.516746e+11']
    """
    d, u, r, w = (np.asarray(v, float) for v in (n_tokens, unique_tokens, decay, weight))
    for values, least, what in (
        (d, True, "tokens"),
        (u, True, "unique tokens"),
        (r, False, "a decay"),
        (w, True, "a weight"),
    ):
        if not np.all((values >= 0) if least else (values > 0)) or not np.all(np.isfinite(values)):
            raise InputDataError(
                f"{what} must be finite numbers {'from 0 on' if least else 'above 0'}: {values.tolist()}"
            )
    if np.any((u == 0) & (d > 0)):
        raise InputDataError("tokens were trained on from a pool that has none")
    with np.errstate(all="ignore"):
        seen = effective_count(np.maximum(d, u), np.where(u > 0, u, 1.0), r)
    return np.asarray(w * np.where(d <= u, d, seen))


def pooled_tokens(
    n_tokens: Sequence[float],
    unique_tokens: Sequence[float],
    decay: ArrayLike,
    weights: ArrayLike = 1.0,
) -> float:
    """Add up what several pools are worth: `effective_tokens` of each.

    Parameters
    ----------
    n_tokens, unique_tokens : sequence of float (k,)
        Of each pool.
    decay, weights : float or array_like (k,)
        Of each pool; the weight of one pool, the reference, is 1.

    Returns
    -------
    float
    """
    d, u = np.atleast_1d(np.asarray(n_tokens, float)), np.atleast_1d(np.asarray(unique_tokens, float))
    if d.shape != u.shape or d.ndim != 1:
        raise InputDataError(f"tokens have shape {d.shape} and unique tokens {u.shape}; one of each a pool is expected")
    return float(np.sum(effective_tokens(d, u, decay, weights)))


def repeated_pool_error(
    n_samples: ArrayLike,
    unique_samples: ArrayLike,
    a: float,
    b: ArrayLike,
    c: ArrayLike,
    d: float,
    *,
    floor_in_product: bool = False,
) -> Array:
    """Work out the error of a model trained on pools whose utility is halved every `c` epochs, for any number of them.

    Parameters
    ----------
    n_samples : array_like (m,)
        Samples seen, repeated ones counted each time.
    unique_samples : array_like (m,)
        U of one pool; with p pools mixed in equal parts, p*U samples make an epoch.
    a, d : float
        Scale of the samples, and the error that none take away.
    b, c : float or array_like (p,)
        Exponent (below 0) and half-life in epochs of each pool.
    floor_in_product : bool, default False
        Multiply `d` by the ratios of later epochs as well, as code published with the law does; for comparison alone.

    Returns
    -------
    ndarray (m,)
        ``d + (a*n_1)**b_0 * prod_k (n_(k+1)/n_k)**b_k``, where n_k are the samples at the end of epoch k, and ``b_k``
        is the mean over the pools of ``b*2**(-k/(p*c))``.

    Raises
    ------
    InputDataError
        For samples, pools, scales or half-lives that are not positive, or exponents that are not below 0.

    References
    ----------
    Goyal et al. 2024, arXiv:2404.07177.

    Examples
    --------
    >>> [round(float(v), 10) for v in repeated_pool_error([50, 100, 250, 1000], 100, a=0.02, b=-0.15, c=2, d=0.1)]
    [1.1, 1.0012504626, 0.923470787, 0.884409744]
    """
    n, u = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (n_samples, unique_samples)))
    slopes, lives = np.broadcast_arrays(np.atleast_1d(np.asarray(b, float)), np.atleast_1d(np.asarray(c, float)))
    if not (np.all(n > 0) and np.all(u > 0) and a > 0 and np.all(lives > 0) and np.all(slopes < 0) and d >= 0):
        raise InputDataError(
            "samples, pools, a and c must be above 0, b below 0 and d from 0 on: "
            f"n = {n.tolist()}, U = {u.tolist()}, a = {a}, b = {slopes.tolist()}, c = {lives.tolist()}, d = {d}"
        )
    pools = len(slopes)
    epoch = pools * u
    last = int(min(np.ceil(np.max(n / epoch)), _LONGEST + 1))
    if last > _LONGEST:
        raise InputDataError(
            f"{np.max(n / epoch):.3g} epochs are more than the {_LONGEST} that are worked out one by one"
        )
    later = np.zeros(n.shape)
    for k in range(1, last):
        exponent = float(np.mean(slopes * 2 ** (-k / (pools * lives))))
        later += exponent * np.log(np.minimum(n, (k + 1) * epoch) / np.minimum(n, k * epoch))
    first = (a * np.minimum(n, epoch)) ** float(np.mean(slopes))
    return np.asarray((first + d) * np.exp(later) if floor_in_product else d + first * np.exp(later))


def fit_repeated_pools(n_samples: ArrayLike, unique_samples: ArrayLike, error: ArrayLike, **options: Any) -> Fit:
    """Fit the law of pools that wear out: the law ``repeated_pools`` of the book.

    Parameters
    ----------
    n_samples, unique_samples, error : array_like (m,)
        Of each run.
    **options
        As of `scaling.fit`.

    Returns
    -------
    Fit
        With E = d, D_c = 1/a, beta = -b and h = c of `repeated_pool_error`.

    Raises
    ------
    UsageError
        For runs of more epochs than the law writes out.
    InputDataError
        For data that cannot be fitted.
    """
    from scaling.fitting.fit import fit

    inputs = {"D": np.asarray(n_samples, float), "U": np.asarray(unique_samples, float)}
    with np.errstate(all="ignore"):
        epochs = inputs["D"] / inputs["U"]
    if np.any(epochs > MOST_EPOCHS * (1 + 1e-7)):
        row = int(np.argmax(epochs))
        raise UsageError(
            f"row {row} has {epochs.flat[row]:.4g} epochs, and the law repeated_pools writes out {MOST_EPOCHS}",
            hint="Leave such rows out: what the law says beyond would be its first epochs and nothing that was seen.",
        )
    return fit("repeated_pools", inputs, error, **options)
