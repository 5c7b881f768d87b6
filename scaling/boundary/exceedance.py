"""How far new models lie above a boundary, and how surprising that is.

Surprise is a conformal rank: how many of the models that the boundary knows lie as far above a boundary that was fitted
without them. Models of one base count as one model together (arXiv:1809.07441), so a thousand models from forty bases
cannot call anything rarer than one in forty-one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import check_logarithm, read_numbers
from scaling.boundary.grid import QuantileGrid
from scaling.boundary.margin import LEFT_OUT, left_out
from scaling.boundary.result import Boundary
from scaling.boundary.solver import curve
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.serial import plain

Array = NDArray[np.float64]

METHODS = ("bh", "by")
_MEDIAN = 0.5
_LEAST_SCATTER = 1e-3  # in score


@dataclass(frozen=True)
class Exceedance:
    """A new model against a boundary.

    Parameters
    ----------
    name : str
        Of the model.
    log10_compute, score : float
        The model.
    boundary : float
        The boundary at its compute; with the gain of a period to come where that was asked for.
    excess : float
        Score less boundary.
    in_boundary_sd : float
        The excess over the bootstrap standard deviation of the boundary there; NaN without replicates.
    in_scatter_sd : float
        The excess over the scatter of models at that compute (upper quantile less median, as of a normal distribution).
    chance : float
        Probability of such a score by the quantiles of the models known; an upper end where it lies above the highest.
    p_value : float
        Conformal probability that a model like those known lies as far up.
    adjusted : float
        The same for all models tested together; where it is at most the rate, the model is a discovery.
    extrapolation_factor : float
        How far its compute lies outside that seen, as a ratio; 1 is inside.
    """

    name: str
    log10_compute: float
    score: float
    boundary: float
    excess: float
    in_boundary_sd: float
    in_scatter_sd: float
    chance: float
    p_value: float
    adjusted: float
    extrapolation_factor: float


@dataclass(frozen=True, repr=False)
class Exceedances:
    """New models against a boundary; see `find_exceedances`. Iterates over them in the order given.

    Parameters
    ----------
    rows : tuple of Exceedance
        A model each.
    rate : float
        False discovery rate that is held.
    method : str
        ``bh`` or ``by``.
    known : int
        Clusters of models that the ranks are among; no p-value is below 1/(known + 1).
    notes : tuple of str
        What was left out.
    """

    rows: tuple[Exceedance, ...]
    rate: float
    method: str
    known: int
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[Exceedance]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> Exceedance:
        return self.rows[at]

    @property
    def discoveries(self) -> tuple[Exceedance, ...]:
        """Models that lie above by more than chance explains, the most surprising first."""
        found = [row for row in self.rows if row.adjusted <= self.rate and row.excess > 0]
        return tuple(sorted(found, key=lambda row: (row.adjusted, -row.in_scatter_sd)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the rows, the names of the discoveries, rate, method, clusters known and notes."""
        table: dict[str, Any] = plain(
            {
                "rows": [asdict(row) for row in self.rows],
                "discoveries": [row.name for row in self.discoveries],
                "rate": self.rate,
                "method": self.method,
                "known": self.known,
                "notes": self.notes,
            }
        )
        return table

    def summary(self) -> str:
        """Return the discoveries, or that there are none, as plain text."""
        found = self.discoveries
        lines = [
            f"{len(found)} of {format_plural(len(self), 'new model')} above the boundary by more than chance explains "
            f"(false discovery rate {format_percent(self.rate)}, ranks among {format_plural(self.known, 'cluster')})",
            *self.notes,
            *(
                f"{row.name}: {format_number(row.score)} at {format_number(10.0**row.log10_compute)} FLOP, "
                f"{format_number(row.excess, 2)} above, {format_number(row.in_scatter_sd, 2)} sd of the scatter, "
                f"p {format_number(row.p_value, 2)}, adjusted {format_number(row.adjusted, 2)}"
                for row in found
            ),
        ]
        if not found and len(self) and self.rate * len(self) < len(self) / (self.known + 1):
            lines.append("So few clusters are known that no single model could be called surprising.")
        return "\n".join(lines)

    __repr__ = summary


def find_exceedances(
    boundary: Boundary,
    log10_compute: ArrayLike,
    score: ArrayLike,
    names: Sequence[str] | None = None,
    rate: float = 0.1,
    method: str = "bh",
    out_of_period: bool = False,
) -> Exceedances:
    """Find new models that lie above a boundary by more than chance explains.

    Parameters
    ----------
    boundary : Boundary
        Fitted to other models; with `groups`, whose clusters the ranks are among.
    log10_compute, score : array_like (m,)
        The new models.
    names : sequence of str, optional
        Of the new models; their positions where missing.
    rate : float, default 0.1
        False discovery rate to hold over all of them.
    method : {'bh', 'by'}
        Benjamini and Hochberg, which conformal p-values allow where the new models are independent (arXiv:2104.08279);
        Benjamini and Yekutieli where they may depend on each other in any way.
    out_of_period : bool, default False
        Whether they are of a period to come: the usual gain from a period to the next, as the margin of the boundary
        has learned it, is then no surprise.

    Returns
    -------
    Exceedances

    Raises
    ------
    InputDataError
        For new models without compute or score, and names of another number.
    UsageError
        For a rate outside 0 to 1, or an unknown method.
    """
    from scipy.stats import false_discovery_control

    if method not in METHODS:
        raise UsageError(f"there is no control '{method}'", hint=did_you_mean(method, METHODS))
    check_level(rate)
    z, y, called, notes = _new(log10_compute, score, names)
    grid = boundary.grid()
    gain = usual_gain(boundary) if out_of_period else 0.0
    line = curve(boundary.optimum.theta, z) + gain
    excess = y - line
    scatter = scatter_of(grid, z)
    p, known = ranks(excess / scatter, *known_excess(boundary, grid))
    method_name: Any = method
    adjusted = false_discovery_control(p, method=method_name)
    spread = curve(boundary.fit.replicates, z).std(axis=0, ddof=1) if boundary.bootstrap else np.full(len(z), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        in_boundary = excess / spread
    columns = (
        z, y, line, excess, in_boundary, excess / scatter, grid.probability(y - gain, z).value, p, adjusted,
        boundary.extrapolation_factor(z),
    )  # fmt: skip
    rows = (Exceedance(name, *map(float, row)) for name, row in zip(called, zip(*columns, strict=True), strict=True))
    return Exceedances(tuple(rows), rate, method, known, notes)


def scatter_of(grid: QuantileGrid, log10_compute: Array) -> Array:
    """Standard deviation of scores in the upper half, at log10 compute (m,): highest quantile less median."""
    from scipy.special import ndtri

    taus, levels = grid.taus, grid.predict(log10_compute)
    half = int(np.argmin(np.abs(taus - _MEDIAN)))
    apart = float(ndtri(taus[-1]) - ndtri(taus[half]))
    if apart <= 0:
        raise InputDataError("a scatter is seen between the median and a higher quantile, but this boundary is lower")
    return np.asarray(np.maximum((levels[-1] - levels[half]) / apart, _LEAST_SCATTER))


def known_excess(boundary: Boundary, grid: QuantileGrid) -> tuple[Array, NDArray[np.int64]]:
    """How far each model known lies above a boundary fitted without its cluster, in scatter (n,), and its cluster."""
    away, clusters = left_out(boundary.scores, boundary.settings, boundary.seed)
    n = len(away)
    code = np.arange(n) if clusters is None else np.unique(clusters.astype(str), return_inverse=True)[1]
    return away / scatter_of(grid, boundary.scores.log10_compute), np.asarray(code, np.int64)


def ranks(new: Array, known: Array, clusters: NDArray[np.int64]) -> tuple[Array, int]:
    """Conformal p-values of new values (m,) among known ones (n,), each cluster of which counts once."""
    there = np.isfinite(known)
    if not there.any():
        raise InputDataError(
            "the models that the boundary knows are all of one cluster, so how far another lies from it cannot be seen",
            hint="Take models of other bases too.",
        )
    known, code = known[there], np.unique(clusters[there], return_inverse=True)[1]
    share = 1 / np.bincount(code)[code]
    order = np.argsort(known, kind="stable")
    # Sum of the shares of those at or above each new value.
    above = np.append(np.cumsum(share[order][::-1])[::-1], 0.0)
    at = np.searchsorted(known[order], new, side="left")
    count = int(code.max()) + 1
    return np.minimum((1 + above[at]) / (count + 1), 1.0), count


def usual_gain(boundary: Boundary) -> float:
    """What scores usually gain from a period to the next, beyond what other base models bring; from 0 on."""
    steps = [height for name, height in boundary.margin.parts.items() if name != LEFT_OUT]
    return max(0.0, float(np.mean(steps)) - boundary.margin.parts[LEFT_OUT]) if steps else 0.0


def _new(
    log10_compute: ArrayLike, score: ArrayLike, names: Sequence[str] | None
) -> tuple[Array, Array, list[str], tuple[str, ...]]:
    z, y = read_numbers(log10_compute, "log10_compute"), read_numbers(score, "score")
    called = [f"row {k}" for k in range(len(z))] if names is None else [str(name) for name in names]
    if not len(z) == len(y) == len(called):
        raise InputDataError(
            f"there are {len(z)} values of compute, {len(y)} scores and {len(called)} names of new models"
        )
    there = np.isfinite(z) & np.isfinite(y)
    if not there.any():
        raise InputDataError(f"none of the {format_plural(len(z), 'new model')} has both compute and a score")
    check_logarithm(z[there])
    if np.any((y[there] < 0) | (y[there] > 1)):
        raise InputDataError("scores of new models must lie between 0 and 1", hint="Divide percentages by 100.")
    left = int(np.sum(~there))
    notes = (f"Left out {format_plural(left, 'model')} of {len(z)} without compute or score.",) if left else ()
    return z[there], y[there], [called[k] for k in np.flatnonzero(there)], notes
