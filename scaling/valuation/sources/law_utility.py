"""A fitted law as the utility of a coalition of sources: by how much their tokens lower the loss, without training.

``U(S) = L(base) - L(base + what the sources in S bring)``, at the estimates and at every bootstrap replicate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.repetition import FULL
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.results import Fit
from scaling.valuation.equivalence.repetition import effective_tokens
from scaling.valuation.equivalence.token_curve import SOURCES, TokenCurve, positive

Array = NDArray[np.float64]
PerSource = Mapping[str, float] | ArrayLike

_BLOCK = 1 << 22  # values of the law that are worked out at once


@dataclass(frozen=True)
class LawUtility:
    """The utility of coalitions of k sources.

    Parameters
    ----------
    names : tuple of str
        Of the sources.
    curve : TokenCurve
        The law.
    tokens : ndarray (k,)
        Of each source, repeats counted.
    brings : ndarray (1 + B or 1, k, q)
        What each source adds: effective tokens (q = 1), or tokens and unique tokens (q = 2).
    base : ndarray (q,)
        What is there without any.
    """

    names: tuple[str, ...]
    curve: TokenCurve
    tokens: Array
    brings: Array
    base: Array

    @property
    def k(self) -> int:
        """Number of sources."""
        return len(self.names)

    @property
    def rows(self) -> int:
        """Estimates and replicates, 1 + B."""
        return len(self.curve.theta)

    @property
    def additive(self) -> bool:
        """Whether the law takes one sum over the sources."""
        return bool(self.brings.shape[2] == 1)

    @property
    def same_sum(self) -> bool:
        """Whether that sum is the same under every replicate."""
        return bool(self.additive and len(self.brings) == 1)

    def totals(self, members: Array, rows: slice = slice(None)) -> Array:
        """Return what coalitions hold, (rows or 1, m, q), of shares of the sources (m, k)."""
        brings = self.brings if len(self.brings) == 1 else self.brings[rows]
        return np.asarray(self.base + np.einsum("mk,rkq->rmq", members, brings))

    def loss_of(self, totals: Array, rows: slice = slice(None)) -> Array:
        """Return the loss (rows, m) of what coalitions hold, (rows or 1, m, q)."""
        with np.errstate(divide="ignore"):
            logs = np.log(totals)
        return self.curve.loss(logs[:, :, 0], rows, None if self.additive else logs[:, :, 1])

    def value(self, members: Array, rows: slice = slice(None)) -> Array:
        """Return the utility (rows, m) of coalitions, as shares of the sources (m, k): 0 and 1 for who is in."""
        start = self.loss_of(self.totals(np.zeros((1, self.k)), rows), rows)
        count = len(range(*rows.indices(self.rows)))
        step = max(1, _BLOCK // max(count, self.k * self.base.size))
        parts = [
            start - self.loss_of(self.totals(members[i : i + step], rows), rows) for i in range(0, len(members), step)
        ]
        return np.concatenate(parts, axis=1) if parts else np.empty((count, 0))


def law_utility(
    fit: Fit,
    tokens: PerSource,
    n_params: float | None = None,
    *,
    base: float = 0.0,
    names: list[str] | None = None,
    weights: PerSource | None = None,
    unique: PerSource | None = None,
    decay: PerSource | None = None,
    at: Mapping[str, float] | None = None,
    input_name: str | None = None,
    force: bool = False,
) -> LawUtility:
    """Make the utility of sources from a fitted law; see `scaling.valuation.sources.values.source_values`."""
    labels, amounts = _labelled(tokens, names)
    k = len(labels)
    for name, value in zip(labels, amounts, strict=True):
        positive(value, f"the tokens of '{name}'", zero=True)
    curve = TokenCurve.of(fit, n_params, at=at, tokens=input_name, force=force)
    start = positive(base, "the tokens that are there without any source", zero=True)
    pools = None if unique is None else _aligned(unique, labels, "unique tokens", np.nan)
    if pools is not None and not np.all(((pools > 0) | (amounts == 0)) & (pools <= amounts * (1 + 1e-9))):
        raise InputDataError("unique tokens must be above 0, and no more than the tokens of their source")
    if curve.follows and decay is None and weights is None:
        seen = amounts if pools is None else pools
        brings = np.stack([amounts, seen], axis=1)[None]
        made = LawUtility(tuple(labels), curve, amounts, brings, np.array([start, start]))
    else:
        worth = _weights_of(fit, labels, weights)
        wear = np.full(k, np.inf) if decay is None else _aligned(decay, labels, "a decay", np.inf)
        if pools is not None and decay is None:
            raise UsageError(
                "unique tokens are given, but not how fast repeated ones wear out",
                hint=f"Say it (decay=...), or fit {FULL} and give no weights.",
            )
        brings = np.stack([_worn(amounts, pools, wear) * worth], axis=2)
        made = LawUtility(tuple(labels), curve, amounts, brings, np.array([start]))
    if not np.all(np.isfinite(made.loss_of(made.totals(np.zeros((1, k)))))):
        raise UsageError(
            f"the law '{fit.law.name}' has no finite loss without tokens, so no coalition can be set against none",
            hint="Say how many tokens are there without any source (base=1e9, or --base 1B): what would be trained on "
            "in any case.",
        )
    return made


def _worn(tokens: Array, unique: Array | None, decay: Array) -> Array:
    """Fresh tokens that those of each source are worth before its weight, (k,)."""
    if unique is None:
        return tokens
    return effective_tokens(tokens, unique, np.where(np.isfinite(decay), decay, 1e12))


def _weights_of(fit: Fit, labels: list[str], weights: PerSource | None) -> Array:
    """Quality weights (1 or 1 + B, k): given, those of a law of sources with its replicates, or 1."""
    if weights is not None:
        given = _aligned(weights, labels, "weights", 1.0)
        if not np.all((given >= 0) & np.isfinite(given)):
            raise InputDataError(f"weights must be finite numbers from 0 on, not {given.tolist()}")
        return given[None]
    record: dict[str, Any] = fit.settings.get(SOURCES, {})
    if not record:
        return np.ones((1, len(labels)))
    if unknown := [name for name in labels if name not in record["inputs"]]:
        raise InputDataError(f"the law knows no source '{unknown[0]}'", hint=did_you_mean(unknown[0], record["inputs"]))
    theta = np.concatenate([fit.theta[None], fit.replicates])
    out = np.ones((len(theta), len(labels)))
    for i, name in enumerate(labels):
        if name in record["weights"]:
            out[:, i] = theta[:, fit.law.parameter_names.index(record["weights"][name])]
    return out


def _labelled(tokens: PerSource, names: list[str] | None) -> tuple[list[str], Array]:
    """Read tokens by source, and their names."""
    named = _named(tokens) if names is None or isinstance(tokens, Mapping) else None
    if named is not None:
        labels, amounts = [str(name) for name in named], _numbers(list(named.values()), "the tokens")
    else:
        amounts = np.atleast_1d(_numbers(tokens, "the tokens"))
        labels = [f"source {i + 1}" for i in range(len(amounts))] if names is None else [str(name) for name in names]
    if amounts.ndim != 1 or len(labels) != len(amounts) or not labels:
        raise InputDataError(
            f"there are {len(labels)} names for tokens of shape {amounts.shape}; one a source is needed"
        )
    if len(set(labels)) < len(labels):
        raise InputDataError(f"a source is named twice: {', '.join(labels)}")
    return labels, amounts


def _named(values: Any) -> dict[Any, Any] | None:
    """Return values by name: of a mapping, or of a pandas Series, whose order says nothing beside its index."""
    if isinstance(values, Mapping) or (hasattr(values, "index") and hasattr(values, "items")):
        return dict(values.items())
    return None


def _numbers(values: Any, what: str) -> Array:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{what} hold something that is not a number: {error}") from error


def _aligned(values: PerSource, labels: list[str], what: str, missing: float) -> Array:
    """Bring what is said of sources into their order."""
    if (named := _named(values)) is not None:
        given = {str(name): value for name, value in named.items()}
        if unknown := [name for name in given if name not in labels]:
            raise InputDataError(
                f"{what} are given for '{unknown[0]}', which is no source", did_you_mean(unknown[0], labels)
            )
        return _numbers([given.get(name, missing) for name in labels], what)
    out = _numbers(values, what)
    if out.ndim == 0:
        return np.full(len(labels), float(out))
    if out.shape != (len(labels),):
        raise InputDataError(f"{what} have shape {out.shape}, and there are {len(labels)} sources")
    return out
