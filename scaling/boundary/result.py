"""A fitted boundary: what it attains, what it takes, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Scores, check_logarithm
from scaling.boundary.inverse import Inverse, inverse_of, reach
from scaling.boundary.settings import Settings, single
from scaling.boundary.solver import Optimum, curve, mean_loss
from scaling.errors import InputDataError, UsageError
from scaling.inputs import check_level

if TYPE_CHECKING:
    from scaling.boundary.grid import QuantileGrid
    from scaling.boundary.margin import Margin
    from scaling.results import Fit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BoundaryForecast:
    """What scores a boundary says are attainable.

    Parameters
    ----------
    mean : float or ndarray
        The boundary, 0 to 1.
    low, high : float or ndarray
        The band around it.
    level : float
        Its nominal coverage.
    extrapolation_factor : float or ndarray
        How far the compute lies outside that seen, as a ratio; 1 is inside.
    method : str
        How the band was made.
    verdict : str
        That of the boundary, or ``extrapolating x37``.
    margin : float
        Added to the boundary for models of a period to come; 0 within the periods seen.
    """

    mean: Any
    low: Any
    high: Any
    level: float
    extrapolation_factor: Any
    method: str
    verdict: str
    margin: float = 0.0


@dataclass(frozen=True)
class Boundary:
    """A sigmoid quantile boundary of scores over compute; see `scaling.boundary.fit`.

    Parameters
    ----------
    scores : Scores
        What was fitted.
    settings : Settings
        By what: quantile, sharpness, ridge.
    optimum : Optimum
        The parameters and the objective.
    bootstrap : int
        Replicates.
    seed : int
        Of the bootstrap, and of the folds of the margin.
    """

    scores: Scores = field(repr=False)
    settings: Settings
    optimum: Optimum
    bootstrap: int
    seed: int

    @property
    def tau(self) -> float:
        """Share of the models below the boundary."""
        return self.settings.tau

    @property
    def estimates(self) -> dict[str, float]:
        """The parameters of arXiv:2602.15327: y0, L, b (logits for ten times the compute) and z_mid (log10 FLOP)."""
        y0, rise, b, middle = self.optimum.theta.tolist()
        return {"y0": y0, "L": (1 - y0) * rise, "b": b, "z_mid": middle}

    @property
    def objective_value(self) -> float:
        """Mean loss of a model, and the ridge, at the optimum."""
        return self.optimum.value

    @property
    def objective(self) -> str:
        """What was minimised, in words."""
        s = self.settings
        ridge = f" + {s.ridge:.3g} b^2" if s.ridge else ""
        return f"mean pinball({s.tau:g}) with a corner rounded by kappa {s.kappa:g}{ridge}"

    @property
    def n_obs(self) -> int:
        """Models that were fitted."""
        return len(self.scores.score)

    @cached_property
    def fitted(self) -> Array:
        """The boundary at the compute of each model, shape (n,)."""
        return curve(self.optimum.theta, self.scores.log10_compute)

    @property
    def n_above(self) -> int:
        """Models that score more than the boundary."""
        return int(np.sum(self.scores.score > self.fitted))

    @property
    def coverage(self) -> float:
        """Share of the models at or below the boundary."""
        return 1 - self.n_above / self.n_obs

    @property
    def pinball(self) -> float:
        """Mean exact pinball loss of the models."""
        from scaling.boundary.solver import Points

        return mean_loss(self.optimum.theta, Points.of(self.scores.log10_compute, self.scores.score), self.tau, None)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest log10 compute seen."""
        return float(self.scores.log10_compute.min()), float(self.scores.log10_compute.max())

    @cached_property
    def fit(self) -> Fit:
        """The boundary as an ordinary fit of the law ``boundary``: to be saved, reported, verified."""
        from scaling.boundary.estimate import engine_fit

        return engine_fit(self.scores, self.settings, self.optimum, self.bootstrap, self.seed)

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; `reasons` says why."""
        return self.fit.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return self.fit.diagnostics.reasons

    def extrapolation_factor(self, log10_compute: ArrayLike) -> Array:
        """How far compute lies outside that seen, as a ratio; 1 is inside. Shape as given."""
        z = np.asarray(log10_compute, float)
        low, high = self.support
        return np.asarray(10.0 ** np.maximum(np.maximum(z - high, low - z), 0))

    def predict(self, log10_compute: ArrayLike, level: float | None = None, out_of_period: bool = False) -> Any:
        """Work out the attainable score.

        Parameters
        ----------
        log10_compute : array_like
            log10 FLOP.
        level : float, optional
            Nominal coverage of a band.
        out_of_period : bool, default False
            Whether it is for models of a period to come: then with the `margin` learned from the periods seen.

        Returns
        -------
        ndarray or BoundaryForecast
            Scores in the shape of `log10_compute`; with a `level` an object with ``mean``, ``low`` and ``high``.

        Raises
        ------
        UsageError
            For a level without bootstrap replicates, and for compute in place of its logarithm.
        InputDataError
            For what is no number.
        """
        try:
            z = np.asarray(log10_compute, float)
        except (TypeError, ValueError) as error:
            raise InputDataError(f"'log10_compute' holds something that is not a number: {error}") from error
        check_logarithm(z)
        margin = self.margin.value if out_of_period else 0.0
        mean = np.clip(curve(self.optimum.theta, z.ravel()) + margin, 0, 1).reshape(z.shape)
        if level is None:
            return mean
        from scaling.formatting import format_factor

        low, high = (np.clip(end + margin, 0, 1).reshape(z.shape) for end in self._band(z.ravel(), level))
        factor = self.extrapolation_factor(z)
        far = float(np.max(factor)) if factor.size else 1.0
        method = f"{self.fit.interval_method}, pointwise"
        if out_of_period:
            method += f"; moved up by a margin of {margin:.3g}, {self.margin.method}, whose own error is not in it"
        verdict = f"extrapolating {format_factor(far)}" if far >= 1.05 else self.verdict

        def shape(values: Array) -> Any:
            return float(values) if z.ndim == 0 else values

        return BoundaryForecast(shape(mean), shape(low), shape(high), level, shape(factor), method, verdict, margin)

    def _band(self, z: Array, level: float) -> tuple[Array, Array]:
        from scaling.bands import replicate_interval

        check_level(level)
        self._need_replicates()
        return replicate_interval(curve(self.fit.replicates, z), self.fit.percentile_level(level))

    def _need_replicates(self) -> None:
        if not self.bootstrap:
            raise UsageError(
                "a band is made from bootstrap replicates, but this boundary has none",
                hint="Fit it with bootstrap=1000 and groups, such as base models.",
            )

    def invert(self, score: float, probability: float | None = None, level: float = 0.9) -> Inverse:
        """Work out the compute that a score needs.

        Parameters
        ----------
        score : float
            The score, 0 to 1.
        probability : float, optional
            Chance that a model of that compute should have to score at least as much: the share of models like those
            seen that do. 1 - tau where missing, which is this boundary itself; others are read off a `grid`.
        level : float, default 0.9
            Nominal coverage of the interval, where there are bootstrap replicates.

        Returns
        -------
        Inverse
            A number too: log10 of the compute, infinite where the score is unreachable.

        Raises
        ------
        UsageError
            For a score or a probability outside 0 to 1.
        """
        score = single(score, "a score")
        if not 0 <= score <= 1:
            raise UsageError(f"a score lies between 0 and 1, not at {score:g}", hint="0.7 stands for 70 %.")
        check_level(level)
        if probability is not None and not math.isclose(probability, 1 - self.tau, abs_tol=1e-12):
            if not 0 < probability < 1:
                raise UsageError(
                    f"a probability lies between 0 and 1, not at {probability:g}",
                    hint="0.1 stands for one model in ten.",
                )
            return self.grid().invert(score, probability, level)
        if self.bootstrap:
            replicates, method = reach(self.fit.replicates, score), self.fit.interval_method
            level_at = self.fit.percentile_level(level)
        else:
            replicates, method, level_at = np.empty(0), "none: there are no bootstrap replicates", level
        at = float(reach(self.optimum.theta, score))
        return replace(inverse_of(at, replicates, score, self.tau, level_at, self.support, method), level=level)

    def grid(self, taus: Sequence[float] | None = None) -> QuantileGrid:
        """Fit other quantiles of the same models, none of which cross; see `scaling.boundary.grid.fit_grid`."""
        from scaling.boundary.grid import grid_of

        return grid_of(self, taus)

    @cached_property
    def margin(self) -> Margin:
        """What to add to the boundary for models of a period to come; see `scaling.boundary.margin`."""
        from scaling.boundary.margin import learn_margin

        return learn_margin(self.scores, self.settings, self.seed)

    def summary(self, level: float = 0.9) -> str:
        """Return the boundary as a report in plain text."""
        from scaling.boundary.summary import summarise

        return summarise(self, level)

    def __repr__(self) -> str:
        return self.summary()
