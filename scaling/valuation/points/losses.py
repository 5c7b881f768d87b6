"""Values of examples from two logged losses each: what a model trained on the target finds easier.

A loss is the mean negative log-likelihood of a token over one example, in nats; sums would rank by length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class FilteredByLoss:
    """The examples that a filter by two losses keeps.

    Parameters
    ----------
    indices : ndarray (n,)
        Examples kept, best first.
    scores : ndarray (n_examples,)
        Score of every example, in nats per token: NaN where one of its losses is missing or was not in the pool.
    threshold : float
        Lowest score that was kept.
    tau : float
        Examples in the pool for each one kept.
    n_pool : int
        Examples looked at.
    n_missing : int
        Of these, examples left out because a loss was missing or not finite.
    seed : int or None
        Of the pool; None where all examples are in it.
    """

    indices: Indices
    scores: Array
    threshold: float
    tau: float
    n_pool: int
    n_missing: int
    seed: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without the scores of those that were left out."""
        table: dict[str, Any] = plain(vars(self) | {"scores": self.scores[self.indices]})
        return table

    def __repr__(self) -> str:
        """Say how many were kept, and above which score."""
        missing = f"; {format_plural(self.n_missing, 'example')} without a loss" if self.n_missing else ""
        return (
            f"FilteredByLoss: {format_plural(len(self.indices), 'example')} kept of {self.n_pool}, "
            f"scores from {format_number(self.threshold)} nats per token on{missing}"
        )


def mean_token_loss(token_losses: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """Reduce losses of tokens to the mean loss of each example.

    Parameters
    ----------
    token_losses : array_like (n, length)
        In nats; one row an example.
    mask : array_like (n, length) of bool, optional
        Which tokens count; padding does not. All by default.

    Returns
    -------
    ndarray (n,)
        NaN for an example without a token that counts, or with one whose loss is not finite.

    Raises
    ------
    InputDataError
        For shapes that differ.
    """
    losses = np.asarray(token_losses, np.float64)
    counts = np.ones(losses.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if losses.ndim != 2 or counts.shape != losses.shape:
        raise InputDataError(
            f"token_losses has shape {losses.shape} and mask has {counts.shape}; one row an example is expected."
        )
    kept = np.where(counts, losses, 0.0)
    tokens = counts.sum(axis=1)
    usable = (tokens > 0) & np.all(np.isfinite(kept), axis=1)
    means = np.full(len(losses), np.nan)
    means[usable] = kept[usable].sum(axis=1) / tokens[usable]
    return means


def color_score(prior: ArrayLike, conditional: ArrayLike) -> Array:
    """Score examples by how much better the target's model predicts them (CoLoR-Filter, arXiv:2406.10670).

    Parameters
    ----------
    prior : array_like (n,)
        Loss of each example under a model trained on general data, in nats per token.
    conditional : array_like (n,)
        Loss under that model after further training on the target.

    Returns
    -------
    ndarray (n,)
        ``prior - conditional``: the higher, the more like the target. NaN where a loss is missing or not finite.

    Raises
    ------
    InputDataError
        For counts that differ.

    Examples
    --------
    >>> color_score([3.0, 2.0], [2.5, 2.25]).tolist()
    [0.5, -0.25]
    """
    return _difference(prior, conditional, "prior", "conditional")


def learnability(learner: ArrayLike, reference: ArrayLike) -> Array:
    """Score examples by what the model does not know yet and another one does.

    Parameters
    ----------
    learner : array_like (n,)
        Loss of each example under the model in training, in nats per token.
    reference : array_like (n,)
        Loss under a model trained on data that are known to be good.

    Returns
    -------
    ndarray (n,)
        ``learner - reference``: high where there is something to learn that can be learnt; noise is high under both.
        NaN where a loss is missing or not finite.

    Raises
    ------
    InputDataError
        For counts that differ.
    """
    return _difference(learner, reference, "learner", "reference")


def color_filter(
    prior: ArrayLike, conditional: ArrayLike, n: int | None = None, *, tau: float | None = None, seed: int = 0
) -> FilteredByLoss:
    """Keep the n examples with the highest CoLoR score out of a pool of tau * n (arXiv:2406.10670).

    Parameters
    ----------
    prior, conditional : array_like (n_examples,)
        As for `color_score`.
    n : int, optional
        Examples to keep. By default the whole part of `n_examples` / `tau`.
    tau : float, optional
        Examples to look at for each one kept. By default all are looked at.
    seed : int, default 0
        Of the draw of the pool, where it is not everything.

    Returns
    -------
    FilteredByLoss
        Ties go to the lower index.

    Raises
    ------
    InputDataError
        For counts that differ, or fewer examples with both losses than are to be kept.
    UsageError
        For neither n nor tau, a tau below 1, or a pool larger than the examples.
    """
    scores = color_score(prior, conditional)
    if tau is not None and not (np.isfinite(tau) and tau >= 1):
        raise UsageError(f"tau is {tau}; it counts the examples looked at for each one kept, so it is 1 or more.")
    if n is None:
        if tau is None:
            raise UsageError("How many examples to keep is open.", "Give n, or tau, which keeps one in tau.")
        if tau > len(scores):
            raise UsageError(f"One example in {format_number(tau)} is none of {len(scores)}.", "Lower tau.")
        n, pool = int(len(scores) / tau), np.arange(len(scores))
    else:
        pool = draw_pool(len(scores), n, tau, np.random.default_rng(seed).permutation(len(scores)))
    whole = len(pool) == len(scores)
    kept = best_of(scores, pool, n)
    shown = scores
    if not whole:
        shown = np.full(len(scores), np.nan)
        shown[pool] = scores[pool]
    missing = int(np.isnan(scores[pool]).sum())
    return FilteredByLoss(
        kept, shown, float(scores[kept[-1]]), len(pool) / n, len(pool), missing, None if whole else seed
    )


def _difference(first: ArrayLike, second: ArrayLike, *names: str) -> Array:
    losses = []
    for values, name in zip((first, second), names, strict=True):
        try:
            losses.append(np.asarray(values, np.float64))
        except (TypeError, ValueError) as error:
            raise InputDataError(f"{name} holds something that is not a number: {error}") from error
        if losses[-1].ndim != 1 or not losses[-1].size:
            raise InputDataError(f"{name} has shape {losses[-1].shape}; one loss an example is expected.")
    if len(losses[0]) != len(losses[1]):
        raise InputDataError(
            f"{names[0]} has {len(losses[0])} losses and {names[1]} has {len(losses[1])}.",
            "Give both losses of every example, in the same order.",
        )
    usable = np.isfinite(losses[0]) & np.isfinite(losses[1])
    return np.where(usable, np.where(usable, losses[0], 0) - np.where(usable, losses[1], 0), np.nan)


def draw_pool(examples: int, n: int, tau: float | None, entering: Indices) -> Indices:
    """Return the examples that are looked at, ascending: the first tau * n to enter, or all."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise UsageError(f"n is {n}; it counts the examples to keep.")
    size = examples if tau is None else round(tau * n)
    if size > examples or n > examples:
        raise UsageError(
            f"{format_plural(max(size, int(n)), 'example')} would be looked at, and there are {examples}.",
            "Keep fewer, or lower tau.",
        )
    return np.sort(entering[:size])


def best_of(scores: Array, pool: Indices, n: int) -> Indices:
    """Return the n best of a pool, best first, ties to the lower index."""
    usable = pool[np.isfinite(scores[pool])]
    if len(usable) < n:
        raise InputDataError(
            f"{format_plural(n, 'example')} are to be kept, and {len(usable)} of {len(pool)} have both losses.",
            "Keep fewer, or evaluate the losses that are missing.",
        )
    return usable[np.argsort(-scores[usable], kind="stable")[:n]]
