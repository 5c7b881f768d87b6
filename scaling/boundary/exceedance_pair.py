"""Models that exceed on one benchmark, and not on another that goes with it: a sign that the one was trained for.

On models that are known, the excess on benchmark A goes with that on B. A new model whose excess on A is out of
proportion to that on B stands out by what is left of A when B is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Scores, read_numbers
from scaling.boundary.exceedance import Exceedances, find_exceedances, known_excess, ranks
from scaling.boundary.result import Boundary
from scaling.errors import InputDataError
from scaling.formatting import format_number, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]

_GOES_WITH = 0.3  # rank correlation from which B says something about A
_FEWEST = 10  # models that both boundaries know


@dataclass(frozen=True)
class OneSided:
    """A new model on two benchmarks.

    Parameters
    ----------
    name : str
        Of the model.
    a, b : float
        How far it lies above the boundary on each, in the scatter of models.
    p_a, p_b : float
        Conformal p-values of these.
    p_given_b : float
        Conformal p-value of what is left of A when what goes with B is taken away.
    adjusted : float
        The same for all models tested together.
    flagged : bool
        Whether it is a discovery on A by itself and given B, and none on B.
    """

    name: str
    a: float
    b: float
    p_a: float
    p_b: float
    p_given_b: float
    adjusted: float
    flagged: bool


@dataclass(frozen=True, repr=False)
class OneSidedExceedances:
    """New models on two benchmarks; see `find_one_sided`. Iterates over them in the order given.

    Parameters
    ----------
    rows : tuple of OneSided
        A model each.
    correlation : float
        Of ranks, between the excess of the models known on A and on B.
    slope : float
        Of the one by the other.
    rate : float
        False discovery rate that is held.
    notes : tuple of str
        What speaks against it.
    """

    rows: tuple[OneSided, ...]
    correlation: float
    slope: float
    rate: float
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[OneSided]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Names of the models flagged, the most surprising first."""
        return tuple(row.name for row in sorted(self.rows, key=lambda row: (row.adjusted, -row.a)) if row.flagged)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain({**asdict(self), "flagged": self.flagged})
        return table

    def summary(self) -> str:
        """Return the models flagged as plain text."""
        of = {row.name: row for row in self.rows}
        return "\n".join(
            [
                f"{len(self.flagged)} of {format_plural(len(self), 'new model')} exceed on A and not on B "
                f"(rank correlation of the two among models known {format_number(self.correlation, 2)})",
                *self.notes,
                *(
                    f"{name}: {format_number(of[name].a, 2)} sd above on A, {format_number(of[name].b, 2)} on B, "
                    f"adjusted p given B {format_number(of[name].adjusted, 2)}"
                    for name in self.flagged
                ),
            ]
        )

    __repr__ = summary


def find_one_sided(
    boundary_a: Boundary,
    boundary_b: Boundary,
    log10_compute: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    names: Sequence[str] | None = None,
    rate: float = 0.1,
    method: str = "bh",
    out_of_period: bool = False,
) -> OneSidedExceedances:
    """Find new models that exceed a boundary on benchmark A, and not on benchmark B that goes with it.

    Parameters
    ----------
    boundary_a, boundary_b : Boundary
        Fitted to the scores of one table of models on each benchmark; models that lack one of them are passed over.
    log10_compute, score_a, score_b : array_like (m,)
        The new models.
    names, rate, method, out_of_period
        As of `scaling.boundary.find_exceedances`.

    Returns
    -------
    OneSidedExceedances

    Raises
    ------
    InputDataError
        For boundaries of different models, or of too few that both know.
    UsageError
        As `scaling.boundary.find_exceedances`.
    """
    from scipy.stats import false_discovery_control, spearmanr

    z, a, b = (
        read_numbers(column, name)
        for column, name in ((log10_compute, "log10_compute"), (score_a, "score_a"), (score_b, "score_b"))
    )
    if not z.shape == a.shape == b.shape:
        raise InputDataError(f"there are {len(z)} values of compute, but {len(a)} and {len(b)} scores of new models")
    called = [f"row {k}" for k in range(len(z))] if names is None else [str(name) for name in names]
    whole = np.isfinite(z) & np.isfinite(a) & np.isfinite(b)
    kept = [called[k] for k in np.flatnonzero(whole)] if len(called) == len(z) else called
    on_a, on_b = (
        find_exceedances(boundary, z[whole], column[whole], kept, rate, method, out_of_period)
        for boundary, column in ((boundary_a, a), (boundary_b, b))
    )
    known_a, known_b, clusters = _both(boundary_a, boundary_b)
    correlation = slope = 0.0
    if np.ptp(known_a) and np.ptp(known_b):
        correlation = float(spearmanr(known_a, known_b).statistic)
        slope = float(np.cov(known_a, known_b)[0, 1] / np.var(known_b, ddof=1))
    new_a, new_b = (np.array([row.in_scatter_sd for row in on]) for on in (on_a, on_b))
    p, _ = ranks(new_a - slope * new_b, known_a - slope * known_b, clusters)
    how: Any = method
    adjusted = false_discovery_control(p, method=how)
    notes = []
    if correlation < _GOES_WITH:
        notes.append(
            f"B says little of A: among models known, their rank correlation is {format_number(correlation, 2)}."
        )
    if left := int(np.sum(~whole)):
        notes.append(f"Left out {format_plural(left, 'model')} of {len(z)} without compute or one of the scores.")
    return OneSidedExceedances(_rows(on_a, on_b, p, adjusted, rate), correlation, slope, rate, tuple(notes))


def _rows(on_a: Exceedances, on_b: Exceedances, p: Array, adjusted: Array, rate: float) -> tuple[OneSided, ...]:
    return tuple(
        OneSided(
            name=x.name,
            a=x.in_scatter_sd,
            b=y.in_scatter_sd,
            p_a=x.p_value,
            p_b=y.p_value,
            p_given_b=float(alone),
            adjusted=float(both),
            flagged=bool(x.adjusted <= rate and x.excess > 0 and both <= rate and y.p_value > rate),
        )
        for x, y, alone, both in zip(on_a, on_b, p, adjusted, strict=True)
    )


def _both(boundary_a: Boundary, boundary_b: Boundary) -> tuple[Array, Array, NDArray[np.int64]]:
    """Excess of the models that both boundaries know, on each, and their clusters."""
    a, b = boundary_a.scores, boundary_b.scores
    _, of_a, of_b = np.intersect1d(a.kept, b.kept, return_indices=True)
    if len(of_a) < _FEWEST or not _same(a, b, of_a, of_b):
        raise InputDataError(
            f"the two boundaries share {format_plural(len(of_a), 'model')} of the same compute, and "
            f"{_FEWEST} are the fewest that say how their scores go together",
            hint="Fit both to the columns of one table, whose rows are the same models.",
        )
    away_a, clusters = known_excess(boundary_a, boundary_a.grid())
    away_b, _ = known_excess(boundary_b, boundary_b.grid())
    away_a, away_b, clusters = away_a[of_a], away_b[of_b], clusters[of_a]
    there = np.isfinite(away_a) & np.isfinite(away_b)
    return away_a[there], away_b[there], clusters[there]


def _same(a: Scores, b: Scores, of_a: NDArray[np.int64], of_b: NDArray[np.int64]) -> bool:
    return bool(np.array_equal(a.log10_compute[of_a], b.log10_compute[of_b]))
