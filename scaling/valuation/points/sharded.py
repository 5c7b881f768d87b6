"""Scores of examples that come in shards: fit once on a sample, then one shard at a time, in any order.

A plan holds all that a score needs. The score of a shard is a function of the plan and the shard alone, so a run that
was stopped goes on with the shards it has not done, and two plans with one fingerprint give the same scores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_plural
from scaling.serial import plain
from scaling.valuation.embeddings import as_embeddings
from scaling.valuation.points.kmeans import find_clusters, nearest_centre
from scaling.valuation.points.leverage import leverage, second_moments, whitener
from scaling.valuation.points.losses import color_score
from scaling.valuation.points.shard_source import ShardSource, draw_rows, unit_blocks

Array = NDArray[np.float64]

#: Name of a score: what it is in a line.
METHODS: dict[str, str] = {
    "prototype": "one less the cosine to the nearest prototype: high for hard examples",
    "similarity": "cosine to the queries, of the nearest one or on average",
    "leverage": "ridge leverage: high for directions that few examples have; two passes",
    "color": "prior less conditional loss, shards holding the two losses of an example in a row",
}


@dataclass(frozen=True)
class ScorePlan:
    """All that the scores of shards need.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    m : int
        Columns of a shard.
    options : mapping of str to object
        Settings and what the fit was made from, as plain data.
    arrays : mapping of str to ndarray
        What was fitted.
    """

    method: str
    m: int
    options: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything the scores depend on."""
        digest = hashlib.sha256(json.dumps([self.method, self.m, plain(self.options)], sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name], np.float64)
            digest.update(f"{name}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def score(self, shard: ArrayLike, name: str = "shard") -> Array:
        """Score the examples of one shard.

        Parameters
        ----------
        shard : array_like (s, m)
            Embeddings, which are brought to length one; for ``color`` the prior and the conditional loss of each.
        name : str
            What to call it in messages.

        Returns
        -------
        ndarray (s,)
            NaN only for ``color``, where a loss is missing.

        Raises
        ------
        InputDataError
            For another number of columns, or rows with NaN or nothing but zeros.
        """
        given = np.asarray(shard)
        if given.ndim != 2 or given.shape[1] != self.m:
            raise InputDataError(f"{name} has shape {given.shape}; rows of {self.m} columns are expected.")
        if self.method == "color":
            return color_score(given[:, 0], given[:, 1])
        scores = np.empty(len(given))
        for which, rows in unit_blocks(given, name):
            if self.method == "prototype":
                scores[which] = nearest_centre(rows, self.arrays["centres"])[1] / 2
            elif self.method == "leverage":
                scores[which] = leverage(rows, self.arrays["whitener"])
            else:
                cosines = self.arrays["queries"] @ rows.astype(np.float64).T  # reduced along its long axis
                scores[which] = cosines.max(axis=0) if self.options["reduce"] == "max" else cosines.mean(axis=0)
        return scores

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without the arrays."""
        table: dict[str, Any] = plain({"method": self.method, "m": self.m, "options": dict(self.options)})
        return table | {"fingerprint": self.fingerprint}

    def __repr__(self) -> str:
        """Say what is scored, and by what."""
        options = ", ".join(f"{key} {value}" for key, value in self.options.items())
        return f"ScorePlan: {self.method} of {format_plural(self.m, 'column')} ({options or 'no settings'})"


def plan_scores(
    method: str,
    source: ShardSource,
    *,
    k: int = 100,
    sample: int = 50_000,
    queries: ArrayLike | None = None,
    reduce: str = "max",
    ridge: float = 1.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ScorePlan:
    """Fit what a score needs.

    Parameters
    ----------
    method : {"prototype", "similarity", "leverage", "color"}
        The score.
    source : ShardSource
        All shards.
    k, sample : int
        Of ``prototype``: prototypes, and examples drawn evenly over all shards that they are found from.
    queries : array_like (q, m)
        Of ``similarity``: embeddings of what is asked for.
    reduce : {"max", "mean"}
        Of ``similarity``: the cosine of the nearest query or the mean over all.
    ridge : float, default 1
        Of ``leverage``, in units of a squared length: directions in which all rows together have less than it count
        for little.
    seed : int, default 0
        Of ``prototype``: of the sample and the start.
    progress : callable, optional
        Of ``leverage``, whose fit is a pass over all shards: called with shards done and of all.

    Returns
    -------
    ScorePlan

    Raises
    ------
    InputDataError
        For rows with NaN or nothing but zeros, or queries of another width.
    UsageError
        For another method, no queries, or settings out of range.
    """
    if method not in METHODS:
        raise UsageError(f"There is no score '{method}' of shards.", did_you_mean(str(method), METHODS))
    if method == "color":
        if source.m != 2:
            raise InputDataError(
                f"color takes rows of two losses, prior and conditional; there are {source.m} columns."
            )
        return ScorePlan(method, 2, {}, {})
    if method == "leverage":
        moments = second_moments(source, progress)
        return ScorePlan(method, source.m, {"ridge": ridge, "n": moments.n}, {"whitener": whitener(moments, ridge)})
    if method == "similarity":
        if queries is None:
            raise UsageError("Similarity to what is open.", "Give queries, the embeddings of what is asked for.")
        if reduce not in ("max", "mean"):
            raise UsageError(f"reduce is '{reduce}'; cosines to the queries are reduced by 'max' or 'mean'.")
        asked = as_embeddings(queries, name="queries").astype(np.float64)
        if asked.shape[1] != source.m:
            raise InputDataError(
                f"queries has {asked.shape[1]} columns and the shards have {source.m}.",
                "Embed queries and examples by one model.",
            )
        return ScorePlan(method, source.m, {"reduce": reduce, "n_queries": len(asked)}, {"queries": asked})
    rows, _ = draw_rows(source, sample, seed)
    clusters = find_clusters(as_embeddings(rows, name="the sample"), k, seed=seed, sample=len(rows))
    options = {"k": k, "sample": len(rows), "seed": seed, "iterations": clusters.iterations}
    return ScorePlan(method, source.m, options, {"centres": clusters.centres})


def score_shards(
    plan: ScorePlan,
    source: ShardSource,
    *,
    done: Container[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, Array]]:
    """Score shards one after another.

    Parameters
    ----------
    plan : ScorePlan
        What to score by.
    source : ShardSource
        All shards.
    done : container of int
        Shards to leave out, because their scores are kept already.
    progress : callable, optional
        Called with the number of shards done and of all, after the caller has taken the scores.

    Yields
    ------
    tuple of int and ndarray
        Number of the shard, and the scores of its rows.

    Raises
    ------
    InputDataError
        For a shard that cannot be scored; the shards before it were yielded.
    """
    for i in range(len(source)):
        if i not in done:
            yield i, plan.score(source.rows(i), f"shard {i}")
        if progress is not None:
            progress(i + 1, len(source))
