"""A boundary that a year moves: what is attainable at a compute and a date, and what a year is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Scores, check_logarithm
from scaling.boundary.drift.dates import decimal_year, iso_day, one_year
from scaling.boundary.drift.forecast import DatedForecast
from scaling.boundary.drift.law import law_in_time, ordinary_fit, years_since
from scaling.boundary.drift.rate import ComputeGain, YearlyGain
from scaling.boundary.drift.search import Moved, moved_curve, same_shape
from scaling.boundary.inverse import Inverse, inverse_of, reach
from scaling.boundary.settings import Settings
from scaling.boundary.solver import Optimum
from scaling.errors import UsageError
from scaling.inputs import check_level
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

_FAR = 1.05  # extrapolation that is not worth a word, as a ratio


@dataclass(frozen=True)
class DatedBoundary:
    """A sigmoid quantile boundary that a year moves along log compute; see `fit_in_time`.

    Parameters
    ----------
    scores : Scores
        What was fitted.
    year : ndarray (n,)
        Decimal year of each model.
    settings : Settings
        By what.
    optima : tuple of Optimum
        Where searches ended, the best first: y0, rise, b, z_mid and c.
    bootstrap : int
        Replicates.
    seed : int
        Of the bootstrap.
    origin : float
        Decimal year at which z_mid is read.
    earliest : float, optional
        Years before it count as it.
    """

    scores: Scores = field(repr=False)
    year: Array = field(repr=False)
    settings: Settings
    optima: tuple[Optimum, ...] = field(repr=False)
    bootstrap: int
    seed: int
    origin: float
    earliest: float | None

    @property
    def tau(self) -> float:
        """Share of the models below the boundary."""
        return self.settings.tau

    @property
    def optimum(self) -> Optimum:
        """The best of `optima`."""
        return self.optima[0]

    @property
    def n_obs(self) -> int:
        """Models that were fitted."""
        return len(self.scores.score)

    @property
    def objective_value(self) -> float:
        """Mean loss of a model, and the ridge, at the optimum."""
        return self.optimum.value

    @property
    def estimates(self) -> dict[str, float]:
        """y0, L, b (logits for ten times the compute), z_mid (log10 FLOP at the origin), c (decades a year)."""
        y0, rise, b, middle, c = self.optimum.theta.tolist()
        return {"y0": y0, "L": (1 - y0) * rise, "b": b, "z_mid": middle, "c": c}

    @property
    def years(self) -> Array:
        """Years since the origin as they were fitted, shape (n,)."""
        return years_since(self.year, self.origin, self.earliest)

    @property
    def dates(self) -> tuple[float, float]:
        """First and last decimal year seen."""
        return float(self.year.min()), float(self.year.max())

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest log10 compute seen."""
        return float(self.scores.log10_compute.min()), float(self.scores.log10_compute.max())

    @cached_property
    def fitted(self) -> Array:
        """The boundary at the compute and the date of each model, shape (n,)."""
        return moved_curve(self.optimum.theta, self.scores.log10_compute, self.years)

    @property
    def n_above(self) -> int:
        """Models that score more than the boundary."""
        return int(np.sum(self.scores.score > self.fitted))

    @cached_property
    def fit(self) -> Fit:
        """The boundary as an ordinary fit of the law ``boundary_in_time`` over C and year, with its replicates."""
        from scaling.boundary.drift.concerns import concerns_in_time
        from scaling.boundary.judge import concerns_of

        law = law_in_time(self.origin, self.earliest)
        rows = Moved.of(self.scores, self.years, self.settings, law)
        record = {"origin": self.origin, "earliest": self.earliest, "above": self.n_above}
        made = ordinary_fit(
            law, {"year": self.year}, rows, self.scores, self.settings, list(self.optima), self.bootstrap, self.seed,
            record,
        )  # fmt: skip
        found = concerns_in_time(
            self.scores.log10_compute, self.years, self.fitted, float(self.optimum.theta[4]),
            (float(rows.low[4]), float(rows.high[4])), made.replicates[:, 4] if len(made.replicates) else np.empty(0),
        )  # fmt: skip
        concerns = (*concerns_of(self.scores, self.settings, self.fitted), *found)
        return replace(made, diagnostics=replace(made.diagnostics, concerns=concerns))

    @property
    def verdict(self) -> str:
        """``ok``, ``weak`` or ``not identified``; `reasons` says why."""
        return self.fit.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding behind the verdict."""
        return self.fit.diagnostics.reasons

    def gain(self, level: float = 0.9) -> YearlyGain:
        """What a year is worth in compute, with its interval; of `level`, NaN without bootstrap replicates."""
        check_level(level)
        if not self.bootstrap:
            return YearlyGain(self.estimates["c"], math.nan, math.nan, level, "none: there are no bootstrap replicates")
        low, high = self.fit.interval("c", level)
        return YearlyGain(self.estimates["c"], low, high, level, self.fit.interval_method)

    def gain_between(self, first: Any, then: Any, level: float = 0.9) -> ComputeGain:
        """What the time between two dates is worth in compute: `gain` times the years between them.

        Parameters
        ----------
        first, then : date-like
            As of `decimal_year`.
        level : float, default 0.9
            Nominal coverage.

        Returns
        -------
        ComputeGain
        """
        ends = [one_year(date, "each of the two dates") for date in (first, then)]
        t = years_since(ends, self.origin, self.earliest)
        span, year = float(t[1] - t[0]), self.gain(level)
        low, high = sorted((year.low * span, year.high * span))
        return ComputeGain(year.orders * span, low, high, level, year.method)

    def at(self, date: Any) -> Array:
        """The boundary of one date: y0, rise, b and z_mid, shape (4,)."""
        years = years_since(one_year(date, "the date"), self.origin, self.earliest)
        return same_shape(self.optimum.theta, np.asarray(years))

    def predict(self, log10_compute: ArrayLike, date: Any, level: float | None = None, hold: bool = False) -> Any:
        """Work out the attainable score.

        Parameters
        ----------
        log10_compute : array_like
            log10 FLOP.
        date : date-like or array_like
            One date, or one for each compute.
        level : float, optional
            Nominal coverage of a band.
        hold : bool, default False
            Whether later dates count as the last one seen: no further gain is assumed.

        Returns
        -------
        ndarray or DatedForecast
            Scores in the shape of `log10_compute`; with a `level` an object with ``mean``, ``low`` and ``high``.

        Raises
        ------
        UsageError
            For a level without bootstrap replicates, or dates that do not go with the compute.
        """
        z = np.asarray(log10_compute, float)
        check_logarithm(z)
        year = decimal_year(date)
        if year.size not in (1, z.size):
            raise UsageError(f"there are {year.size} dates for {z.size} values of compute")
        year = np.broadcast_to(year, (z.size,)) if year.size == 1 else year
        if hold:
            year = np.minimum(year, self.dates[1])
        t = years_since(year, self.origin, self.earliest)
        mean = moved_curve(self.optimum.theta, z.ravel(), t).reshape(z.shape)
        if level is None:
            return mean
        from scaling.bands import replicate_interval
        from scaling.formatting import format_factor

        check_level(level)
        if not self.bootstrap:
            raise UsageError(
                "a band is made from bootstrap replicates, but this boundary has none",
                hint="Fit it with bootstrap=1000 and groups, such as base models.",
            )
        low, high = replicate_interval(moved_curve(self.fit.replicates, z.ravel(), t), self.fit.percentile_level(level))
        away = np.maximum(np.maximum(z - self.support[1], self.support[0] - z), 0)
        late = np.maximum(np.maximum(year - self.dates[1], self.dates[0] - year), 0).reshape(z.shape)
        factor = 10.0**away
        far = float(np.max(factor)) if factor.size else 1.0
        verdict = f"extrapolating {format_factor(far)}" if far >= _FAR else self.verdict

        def shape(values: Array) -> Any:
            return float(np.squeeze(values)) if z.ndim == 0 else values.reshape(z.shape)

        return DatedForecast(
            shape(mean), shape(low), shape(high), level, shape(factor), shape(late),
            f"{self.fit.interval_method}, pointwise", verdict,
        )  # fmt: skip

    def invert(self, score: float, date: Any, level: float = 0.9) -> Inverse:
        """Work out the compute at which the boundary of a date reaches a score.

        Parameters
        ----------
        score : float
            0 to 1.
        date : date-like
            One date.
        level : float, default 0.9
            Nominal coverage of the interval, where there are bootstrap replicates.

        Returns
        -------
        Inverse

        Raises
        ------
        UsageError
            For a score outside 0 to 1.
        """
        if not 0 <= score <= 1:
            raise UsageError(f"a score lies between 0 and 1, not at {score:g}", hint="0.7 stands for 70 %.")
        check_level(level)
        years = years_since(one_year(date, "the date"), self.origin, self.earliest)
        replicates, method, at_level = np.empty(0), "none: there are no bootstrap replicates", level
        if self.bootstrap:
            replicates = reach(same_shape(self.fit.replicates, np.asarray(years)), score)
            method, at_level = self.fit.interval_method, self.fit.percentile_level(level)
        at = float(reach(self.at(date), score))
        return replace(inverse_of(at, replicates, score, self.tau, at_level, self.support, method), level=level)

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return plain data: estimates, the gain a year, dates, verdict and reasons."""
        table: dict[str, Any] = plain(
            {
                "law": self.fit.law.formula,
                "tau": self.tau,
                "kappa": self.settings.kappa,
                "ridge": self.settings.ridge,
                "preset": self.settings.preset,
                "n_obs": self.n_obs,
                "n_above": self.n_above,
                "estimates": self.estimates,
                "objective_value": self.objective_value,
                "origin": iso_day(self.origin),
                "earliest": None if self.earliest is None else iso_day(self.earliest),
                "first_date": iso_day(self.dates[0]),
                "last_date": iso_day(self.dates[1]),
                "gain": self.gain(level).to_dict(),
                "bootstrap": self.bootstrap,
                "seed": self.seed,
                "verdict": self.verdict,
                "reasons": list(self.reasons),
                "notes": list(self.scores.notes),
            }
        )
        return table

    def summary(self, level: float = 0.9) -> str:
        """Return the boundary as a report in plain text."""
        from scaling.boundary.drift.words import summary_in_time

        return summary_in_time(self, level)

    def __repr__(self) -> str:
        return self.summary()
