"""The data-constrained law at the estimates of a fit and all its replicates, or at published coefficients.

After Muennighoff et al. 2023, arXiv:2305.16264: U unique tokens seen R + 1 times count as
``D' = U + U*R_D*(1 - exp(-R/R_D))`` fresh ones, and parameters beyond what U tokens ask for shrink in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, did_you_mean
from scaling.laws.book import find_law
from scaling.results import Fit

Array = NDArray[np.float64]

PUBLISHED = "muennighoff-2023"
FULL, DECAY = "data_constrained", "data_constrained_decay"
_NAMES = ("E", "A", "B", "alpha", "beta", "R_D", "R_N")


@dataclass(frozen=True)
class RepetitionLaw:
    """The data-constrained law at one or many parameter rows: the estimates first, then the replicates.

    Parameters
    ----------
    E, A, B, alpha, beta, R_D, R_N : ndarray (B, 1)
        Its parameters, natural units.
    fit : Fit or None
        Where they are from; None for published ones.
    name : str
        Of the fit's law, or of the published coefficients.
    """

    E: Array
    A: Array
    B: Array
    alpha: Array
    beta: Array
    R_D: Array
    R_N: Array
    fit: Fit | None
    name: str

    @classmethod
    def of(cls, source: Fit | str = PUBLISHED, force: bool = False) -> RepetitionLaw:
        """Take the parameters from a fit, or from published coefficients.

        Parameters
        ----------
        source : Fit or str, default 'muennighoff-2023'
            A fit of ``data_constrained`` or ``data_constrained_decay``, or the name of published coefficients of the
            former.
        force : bool, default False
            Take a fit whose verdict is ``not identified`` all the same.

        Returns
        -------
        RepetitionLaw

        Raises
        ------
        UsageError
            For a fit of another law, or an unknown name.
        VerdictError
            For a fit that is not identified, unless forced.
        """
        published = {entry.name: entry.values for entry in find_law(FULL).published}
        if isinstance(source, str):
            if source not in published:
                raise UsageError(
                    f"there are no published coefficients '{source}' of {FULL}", did_you_mean(source, published)
                )
            return cls(**{k: np.array([[published[source][k]]]) for k in _NAMES}, fit=None, name=source)
        formulas = [find_law(name).formula for name in (FULL, DECAY)]
        if source.law.formula not in formulas:
            raise UsageError(
                f"the law '{source.law.name}' says nothing of repeated tokens",
                hint=f"Fit {FULL} (inputs N, D and U, the unique tokens), or {DECAY}.",
            )
        source.require_identified(force)
        theta = np.concatenate([source.theta[None], source.replicates])
        columns = dict(zip(source.law.parameter_names, theta.T[:, :, None], strict=True))
        if source.law.formula == formulas[1]:
            columns = {k: np.full((len(theta), 1), v) for k, v in published[PUBLISHED].items()} | columns
        return cls(**columns, fit=source, name=source.law.name)

    @property
    def replicates(self) -> int:
        """Number of bootstrap replicates."""
        return len(self.E) - 1

    @property
    def method(self) -> str:
        """How intervals are made, in words."""
        if self.fit is None:
            return "none: published coefficients come without replicates"
        return self.fit.interval_method if self.replicates else "none: the fit has no bootstrap replicates"

    def loss(self, n_params: ArrayLike, n_tokens: ArrayLike, unique_tokens: ArrayLike) -> Array:
        """Work the law out, shape (B, m), for inputs of shape (m,) or (B, m)."""
        n, d, u = (np.asarray(v, float) for v in (n_params, n_tokens, unique_tokens))
        unique = np.minimum(u, d)
        enough = (unique**self.beta * self.alpha * self.A / (self.beta * self.B)) ** (1 / self.alpha)
        params, tokens = effective_count(n, np.minimum(n, enough), self.R_N), effective_count(d, unique, self.R_D)
        return np.asarray(self.E + self.A / params**self.alpha + self.B / tokens**self.beta)

    def interval(self, values: Array, level: float) -> tuple[Array, Array]:
        """Percentiles over the replicates of values (B, m); NaN where there are none."""
        if not self.replicates:
            nothing = np.full(values.shape[1], np.nan)
            return nothing, nothing
        from scaling.fitting.intervals import percentile_interval

        return percentile_interval(values[1:], level if self.fit is None else self.fit.percentile_level(level))


def effective_count(count: ArrayLike, unique: ArrayLike, decay: ArrayLike) -> Array:
    """Say how many fresh tokens (or needed parameters) a larger count is worth.

    Parameters
    ----------
    count : array_like
        Tokens trained on, repeats counted; or parameters.
    unique : array_like
        Unique tokens; or the parameters that these ask for. At most `count`.
    decay : array_like
        R_D or R_N.

    Returns
    -------
    ndarray
        ``unique * (1 + decay*(1 - exp(-(count/unique - 1)/decay)))``; it never exceeds ``unique * (1 + decay)``.

    References
    ----------
    Muennighoff et al. 2023, arXiv:2305.16264.

    Examples
    --------
    >>> int(effective_count(4e9, 1e9, 15.387756))
    3725673123
    """
    total, base, r = (np.asarray(v, float) for v in (count, unique, decay))
    return np.asarray(base * (1 - r * np.expm1((1 - total / base) / r)))
