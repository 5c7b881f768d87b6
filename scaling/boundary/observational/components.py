"""Principal components of benchmark scores: the capabilities that many benchmarks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.observational.imputation import Imputer, fit_imputer, impute
from scaling.boundary.observational.table import check_scores
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_interval, format_number, format_percent
from scaling.serial import plain

Array = NDArray[np.float64]

_FLAT = 1e-20  # squared shares; a variance below it is rounding
PUBLISHED = 5  # components that arXiv:2405.10938 keeps


@dataclass(frozen=True)
class Components:
    """Principal components of scores that are not scaled: all benchmarks run from 0 to 1, and those that differ count.

    Parameters
    ----------
    imputer : Imputer
        How missing scores are filled in.
    mean : ndarray (d,)
        Mean score of each benchmark.
    loadings : ndarray (K, d)
        Orthonormal rows; each adds up to more than 0, so that a higher first component is a better model.
    shares : ndarray (min(n, d),)
        Share of the variance that each component explains, those that were not kept too.
    benchmarks : tuple of str (d,)
    share_replicates : ndarray (B, K)
        Shares in bootstrap replicates; empty without a bootstrap.
    loading_replicates : ndarray (B, K, d)
        Loadings in them, each with the sign that agrees with `loadings`. Components are taken in the order of their
        variance, so where two swap places their loadings scatter.
    families : int
        Families that were drawn; 0 without a bootstrap.
    seed : int
    """

    imputer: Imputer
    mean: Array
    loadings: Array
    shares: Array
    benchmarks: tuple[str, ...]
    share_replicates: Array
    loading_replicates: Array
    families: int
    seed: int

    @property
    def n_components(self) -> int:
        """Components that were kept."""
        return len(self.loadings)

    @property
    def values(self) -> Array:
        """Components of the training models, shape (n, K)."""
        return np.asarray((self.imputer.filled - self.mean) @ self.loadings.T)

    def transform(self, scores: ArrayLike, models: Sequence[str] | None = None) -> Array:
        """Return the components of new models.

        Parameters
        ----------
        scores : array_like (m, d)
            Missing scores are filled in by what was learned in training.
        models : sequence of str, optional
            Names, for messages.

        Returns
        -------
        ndarray (m, K)

        Raises
        ------
        InputDataError
            As of `Imputer.apply`.
        """
        return np.asarray((self.imputer.apply(scores, models, self.benchmarks) - self.mean) @ self.loadings.T)

    def share_interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return the interval of each share from families drawn anew, shape (K,) each; NaN without a bootstrap."""
        return self._interval(self.share_replicates, level)

    def loading_interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return the interval of each loading from families drawn anew, shape (K, d) each; NaN without a bootstrap."""
        return self._interval(self.loading_replicates, level)

    def _interval(self, replicates: Array, level: float) -> tuple[Array, Array]:
        from scaling.fitting.intervals import percentile_interval
        from scaling.inputs import check_level

        check_level(level)
        if not len(replicates):
            unknown = np.full(replicates.shape[1:], np.nan)
            return unknown, unknown
        return percentile_interval(replicates, expanded_level(level, self.families))

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Return plain data."""
        low, high = self.share_interval(level)
        loading_low, loading_high = self.loading_interval(level)
        table: dict[str, Any] = plain(
            {
                "benchmarks": self.benchmarks,
                "n_models": len(self.imputer.filled),
                "families": self.families,
                "explained_share": self.shares,
                "level": level,
                "share_low": low,
                "share_high": high,
                "loadings": self.loadings,
                "loading_low": loading_low,
                "loading_high": loading_high,
                "imputation": self.imputer.to_dict(),
                "seed": self.seed,
            }
        )
        return table

    def summary(self, level: float = 0.95) -> str:
        """Return the components as a table in plain text."""
        low, high = self.share_interval(level)
        lines = []
        for k in range(self.n_components):
            said = f"PC{k + 1}  {format_percent(self.shares[k], 3)} of the variance"
            if np.isfinite(low[k]):
                said += f" ({100 * level:g} % interval {format_interval(100 * low[k], 100 * high[k])} %)"
            parts = ", ".join(
                f"{b} {format_number(w, 2)}" for b, w in zip(self.benchmarks, self.loadings[k], strict=True)
            )
            lines.append(f"{said}: {parts}")
        return "\n".join([*lines, self.imputer.summary()])


def fit_components(
    scores: ArrayLike,
    n_components: int | None = None,
    *,
    rank: int = 1,
    benchmarks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
    bootstrap: int = 0,
    seed: int = 0,
) -> Components:
    """Fill in missing scores, and find the principal components.

    Parameters
    ----------
    scores : array_like (n, d)
        Shares between 0 and 1; NaN where a model was not evaluated.
    n_components : int, optional
        How many to keep; 5, or as many as there are, where missing.
    rank : int, default 1
        Components that missing scores are filled in by; 0 for means.
    benchmarks, models : sequence of str, optional
        Names.
    families : sequence of str (n,), optional
        Families are drawn whole by the bootstrap: models of one family share their data and their recipe.
    bootstrap : int, default 0
        Replicates.
    seed : int, default 0
        Of the bootstrap; recorded.

    Returns
    -------
    Components

    Raises
    ------
    InputDataError
        For fewer than 3 models, scores that do not vary, or what `fit_imputer` refuses.
    UsageError
        For more components than there are, or a bootstrap without families.
    """
    bootstrap, seed = check_draws(bootstrap, seed)
    values = check_scores(scores, benchmarks, models)
    most = min(len(values) - 1, values.shape[1])
    if len(values) < 3:
        raise InputDataError(f"there are {len(values)} models; components need 3 or more")
    keep = min(PUBLISHED, most) if n_components is None else n_components
    if not 1 <= keep <= most:
        raise UsageError(
            f"{len(values)} models on {values.shape[1]} benchmarks have no {keep} components", f"At most {most}."
        )
    imputer = fit_imputer(values, rank, benchmarks=benchmarks, models=models)
    mean, loadings, variances = decompose(imputer.filled)
    if not variances.sum() > _FLAT:
        raise InputDataError("all models have the same scores, so there are no components")
    shares_drawn, loadings_drawn, n_families = np.empty((0, keep)), np.empty((0, keep, values.shape[1])), 0
    if bootstrap:
        if families is None or len(families) != len(values):
            raise UsageError("the bootstrap draws families whole, so it needs the family of each model")
        codes = np.unique(np.array(families), return_inverse=True)[1]
        n_families = int(codes.max()) + 1
        if n_families < 2:
            raise InputDataError("all models are of one family, and drawing it again changes nothing")
        shares_drawn, loadings_drawn = _replicate(values, rank, codes, loadings[:keep], bootstrap, seed)
    named = tuple(benchmarks) if benchmarks is not None else tuple(f"x{j}" for j in range(values.shape[1]))
    shares = variances / variances.sum()
    return Components(imputer, mean, loadings[:keep], shares, named, shares_drawn, loadings_drawn, n_families, seed)


def decompose(filled: Array) -> tuple[Array, Array, Array]:
    """Return the mean, all principal directions as rows with a sum above 0, and their variances, largest first."""
    mean = filled.mean(axis=0)
    _, singular, directions = np.linalg.svd(filled - mean, full_matrices=False)
    signs = np.where(directions.sum(axis=1) < 0, -1.0, 1.0)
    return mean, directions * signs[:, None], singular**2 / max(len(filled) - 1, 1)


def check_draws(bootstrap: int, seed: int) -> tuple[int, int]:
    """Return the number of replicates and the seed, or refuse what is none; one replicate has no spread."""
    from scaling.fitting.checks import whole

    count = whole(bootstrap, "the number of bootstrap replicates")
    if count == 1:
        raise UsageError("one bootstrap replicate has no spread", hint="Ask for some hundreds, or for 0.")
    return count, whole(seed, "the seed")


def draw_families(codes: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw as many families as there are, with replacement; return the rows of their models."""
    count = int(codes.max()) + 1
    members = [np.flatnonzero(codes == g) for g in range(count)]
    return np.concatenate([members[g] for g in rng.integers(count, size=count)])


def expanded_level(level: float, families: int) -> float:
    """Return the level at which percentiles are taken for an interval of a level, where few families were drawn whole.

    Parameters
    ----------
    level : float
    families : int

    Returns
    -------
    float
        Wider, as few families tell their own scatter badly: the expanded percentile interval of arXiv:1411.5279, as of
        `scaling.Fit.percentile_level`.
    """
    from scipy.special import ndtr

    from scaling.fitting.intervals import t_quantile

    if families < 2:
        return level
    return float(2 * ndtr(np.sqrt(families / (families - 1)) * t_quantile(level, families - 1)) - 1)


def _replicate(
    values: Array, rank: int, codes: NDArray[np.intp], reference: Array, count: int, seed: int
) -> tuple[Array, Array]:
    """Find the components again among families drawn anew; draws too poor for any are NaN."""
    keep, d = reference.shape
    shares, loadings = np.full((count, keep), np.nan), np.full((count, keep, d), np.nan)
    for b, child in enumerate(np.random.SeedSequence(seed).spawn(count)):
        drawn = values[draw_families(codes, np.random.default_rng(child))]
        if len(drawn) <= max(keep, rank) or np.isnan(drawn).all(axis=0).any():
            continue
        _, directions, variances = decompose(impute(drawn, rank).filled)
        signs = np.where(np.sum(directions[:keep] * reference, axis=1) < 0, -1.0, 1.0)
        shares[b] = variances[:keep] / variances.sum()
        loadings[b] = directions[:keep] * signs[:, None]
    return shares, loadings
