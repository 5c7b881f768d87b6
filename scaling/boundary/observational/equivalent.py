"""The compute that a model is worth, in models of a reference family (arXiv:2405.10938, section 3.3).

Within one family the index of a task - the sigmoid's argument, one number a model - rises with log compute along a
line. Read backwards, that line turns the index of any model, also one of unknown compute, into the compute at which the
reference family would do as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.observational.components import expanded_level
from scaling.errors import InputDataError, did_you_mean
from scaling.formatting import format_interval, format_number, format_plural
from scaling.inputs import check_level
from scaling.serial import plain

Array = NDArray[np.float64]

REFERENCE = "Llama-2"  # of arXiv:2405.10938
_SHOWN = 20  # models in a summary
FEWEST = 3  # models of a reference family: through two a line always fits


@dataclass(frozen=True)
class EquivalentCompute:
    """Compute that models are worth.

    Parameters
    ----------
    reference : str
        The family.
    models : tuple of str (n,)
    log10_compute : ndarray (n,)
        log10 of the FLOP at which the reference family has a model's index.
    low, high : ndarray (n,)
        Interval of it.
    actual : ndarray (n,)
        log10 of the FLOP spent; NaN where it is not known.
    slope, intercept : float
        Of the line: log10 FLOP an index, and at index 0.
    r_squared : float
        Of the reference family's models about the line.
    n_reference : int
        Models of the reference family.
    support : (float, float)
        Smallest and largest index in the reference family; what lies beyond is extrapolated.
    outside : ndarray of bool (n,)
        Whether a model's index lies beyond it.
    level : float
        Nominal coverage.
    """

    reference: str
    models: tuple[str, ...]
    log10_compute: Array
    low: Array
    high: Array
    actual: Array
    slope: float
    intercept: float
    r_squared: float
    n_reference: int
    support: tuple[float, float]
    outside: NDArray[np.bool_]
    level: float

    @property
    def gain(self) -> Array:
        """Orders of magnitude that a model's compute was worth more than the reference family's; NaN if not known."""
        return np.asarray(self.log10_compute - self.actual)

    def rows(self) -> list[dict[str, Any]]:
        """One row a model."""
        return [
            {
                "model": self.models[i],
                "equivalent_flop": 10.0 ** float(self.log10_compute[i]),
                "log10_equivalent": float(self.log10_compute[i]),
                "low": float(self.low[i]),
                "high": float(self.high[i]),
                "log10_compute": float(self.actual[i]),
                "gain_orders_of_magnitude": float(self.gain[i]),
                "extrapolated": bool(self.outside[i]),
            }
            for i in range(len(self.models))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(
            {
                "reference": self.reference,
                "n_reference": self.n_reference,
                "slope": self.slope,
                "intercept": self.intercept,
                "r_squared": self.r_squared,
                "level": self.level,
                "models": self.rows(),
            }
        )
        return table

    def summary(self) -> str:
        """Return the equivalents as a table in plain text."""
        width = max(len(m) for m in self.models)
        lines = [
            f"compute of equal worth in {self.reference} models (log10 FLOP, {100 * self.level:g} % interval), from "
            f"{format_plural(self.n_reference, 'model')}, R2 {format_number(self.r_squared, 3)}"
        ]
        order = np.argsort(-self.log10_compute, kind="stable")
        for i in order[:_SHOWN]:
            value, spent = format_number(float(self.log10_compute[i])), format_number(float(self.actual[i]))
            interval = format_interval(float(self.low[i]), float(self.high[i]))
            beyond = "  (beyond the reference family)" if self.outside[i] else ""
            lines.append(f"  {self.models[i]:{width}}  {value}  {interval}  spent {spent}{beyond}")
        if len(order) > _SHOWN:
            lines.append(f"  and {len(order) - _SHOWN} more, worth less")
        return "\n".join(lines)


def equivalent_compute(
    index: ArrayLike,
    log10_compute: ArrayLike,
    families: Sequence[str],
    *,
    models: Sequence[str] | None = None,
    reference: str = REFERENCE,
    replicates: ArrayLike | None = None,
    drawn_families: int = 0,
    level: float = 0.95,
) -> EquivalentCompute:
    """Turn indices into compute of a reference family.

    Parameters
    ----------
    index : array_like (n,)
        One number a model, higher for better, as of `Link.index` or a first component.
    log10_compute : array_like (n,)
        log10 of FLOP; NaN where it is not known.
    families, models : sequence of str (n,)
        Names.
    reference : str, default 'Llama-2'
        The family whose compute it is measured in.
    replicates : array_like (B, n), optional
        The same indices from refits. What the equivalents scatter by from one to another is then added, in quadrature,
        to the t interval of the reference family's line, which has two degrees of freedom less than that has models.
    drawn_families : int, default 0
        Families that the replicates drew anew; few of them widen their part.
    level : float, default 0.95
        Nominal coverage.

    Returns
    -------
    EquivalentCompute

    Raises
    ------
    InputDataError
        For a reference family that is not there, has fewer than 3 models of known compute, or does not gain with
        compute.
    """
    check_level(level)
    x, z = np.asarray(index, float), np.asarray(log10_compute, float)
    if x.ndim != 1 or z.shape != x.shape or len(families) != len(x):
        raise InputDataError(f"there are {x.size} indices, {z.size} computes and {len(families)} families")
    if reference not in families:
        raise InputDataError(f"there is no family '{reference}'", hint=did_you_mean(reference, families))
    known = (np.array(families) == reference) & np.isfinite(z)
    n = int(known.sum())
    if n < FEWEST:
        raise InputDataError(
            f"the reference family '{reference}' has {format_plural(n, 'model')} of known compute",
            hint=f"A line that can be held against its points needs {FEWEST}: take another family.",
        )
    if np.ptp(x[known]) == 0 or np.ptp(z[known]) == 0:
        raise InputDataError(f"the models of '{reference}' do not differ in index or in compute, so there is no line")
    slope, intercept, r_squared, half = _line(x[known], z[known], x, level)
    if slope <= 0:
        raise InputDataError(
            f"within '{reference}' the index falls with compute, so it tells no compute",
            hint="The components or their link do not measure what compute buys; take another family or task.",
        )
    value = intercept + slope * x
    low, high = value - half, value + half
    if replicates is not None and len(drawn := np.asarray(replicates, float)):
        from scaling.fitting.intervals import percentile_interval

        again = np.array([_again(row, known, z) for row in drawn])
        first, last = percentile_interval(again, expanded_level(level, drawn_families))
        low = value - np.hypot(half, np.maximum(value - first, 0.0))
        high = value + np.hypot(half, np.maximum(last - value, 0.0))
    support = (float(x[known].min()), float(x[known].max()))
    named = tuple(models) if models is not None else tuple(f"model {i}" for i in range(len(x)))
    outside = (x < support[0]) | (x > support[1])
    return EquivalentCompute(
        reference, named, value, low, high, z, slope, intercept, r_squared, n, support, outside, level
    )


def _line(x: Array, z: Array, at: Array, level: float) -> tuple[float, float, float, Array]:
    """Regress z on x; return slope, intercept, R2, and half the t interval of the line where it is asked."""
    from scaling.fitting.intervals import t_quantile

    away = x - x.mean()
    slope = float(away @ z / (away @ away))
    intercept = float(z.mean() - slope * x.mean())
    left = z - intercept - slope * x
    scatter = np.sqrt(left @ left / (len(x) - 2))
    half = t_quantile(level, len(x) - 2) * scatter * np.sqrt(1.0 / len(x) + (at - x.mean()) ** 2 / (away @ away))
    return slope, intercept, float(1.0 - left @ left / np.sum((z - z.mean()) ** 2)), half


def _again(x: Array, known: NDArray[np.bool_], z: Array) -> Array:
    """Work the equivalents out from the indices of one refit; NaN where its line does not rise."""
    away = x[known] - x[known].mean()
    total = float(away @ away)
    slope = float(away @ z[known]) / total if total > 0 else 0.0
    return np.asarray(z[known].mean() + slope * (x - x[known].mean())) if slope > 0 else np.full(len(x), np.nan)
