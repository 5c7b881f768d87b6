"""Fit one boundary to two groups of models, and find how far it lies apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scaling.boundary.data import read_scores
from scaling.boundary.drift.law import clusters_of, law_of_groups
from scaling.boundary.drift.pair import GroupGain
from scaling.boundary.drift.search import Moved, search
from scaling.boundary.settings import settle
from scaling.errors import InputDataError, UsageError
from scaling.fitting.checks import whole

_KEPT = 4


def compute_equivalent_gain(
    log10_compute: ArrayLike,
    score: ArrayLike,
    second: ArrayLike,
    tau: float = 0.98,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    *,
    names: tuple[str, str] = ("first", "second"),
) -> GroupGain:
    """Find how much compute belonging to the second of two groups of models is worth.

    Parameters
    ----------
    log10_compute, score : array_like (n,)
        As of `scaling.boundary.fit`.
    second : array_like of bool (n,)
        Which models are of the second group: those that were trained further, say, or made after a day.
    tau, preset, kappa, ridge, groups, bootstrap, seed
        As of `scaling.boundary.fit`.
    names : (str, str)
        What the groups are called.

    Returns
    -------
    GroupGain

    Raises
    ------
    InputDataError
        Where a group is empty.
    UsageError
        For settings that make no sense.

    Notes
    -----
    One boundary of arXiv:2602.15327 is fitted to both, over compute of which that of the second group counts 10^c
    times as much.
    """
    flags = np.asarray(second)
    if flags.dtype.kind not in "bif" or not np.isin(flags, (0, 1)).all():
        raise InputDataError("'second' must say yes or no of each model", hint="second = (kind == 'chat'), say.")
    scores = read_scores(log10_compute, score, groups, flags.astype(int))
    assert scores.period is not None
    which = scores.period.astype(bool)
    for name, kept in zip(names, (~which, which), strict=True):
        if not kept.any():
            raise InputDataError(
                f"no model with a score and compute is of the group '{name}'",
                hint="Choose a split that has models on both sides.",
            )
    settings = settle(len(scores.score), tau, preset, kappa, ridge)
    count, seed = whole(bootstrap, "the number of bootstrap replicates"), whole(seed, "the seed")
    if count == 1:
        raise UsageError("one bootstrap replicate has no spread", hint="Ask for some hundreds, or for 0.")
    clusters_of(scores, count)
    moved = Moved.of(scores, which.astype(float), settings, law_of_groups())
    return GroupGain(scores, which, names, settings, tuple(search(moved)[:_KEPT]), count, seed)
