"""Forecasts held against models they have not seen: the largest of the training models, and those beyond a cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.observational.link import LinkSettings
from scaling.boundary.observational.pipeline import COMPUTE, enough, forecasts, label
from scaling.boundary.observational.table import Mask, Table

Array = NDArray[np.float64]

SHARES = (0.2, 0.35, 0.5)  # of the training models, the largest first, that are left out in turn
_FEWEST_FAMILIES = 5  # in a test, below which drawing them again says nothing
_DRAWS = 2000


@dataclass(frozen=True)
class HeldOutError:
    """How one forecast did.

    Parameters
    ----------
    predictor : str
        ``constant``, ``compute alone``, ``1 component`` and so on.
    n_components : int
        0 for those without.
    train, test : float
        Mean squared errors, in squared shares, of the training models and of test models of known compute: the same
        models for all predictors.
    n_train, n_test : int
        How many models these are.
    test_all : float
        The same over all test models, those of unknown compute too; NaN where compute is needed.
    n_test_all : int
    """

    predictor: str
    n_components: int
    train: float
    test: float
    n_train: int
    n_test: int
    test_all: float
    n_test_all: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Rehearsal:
    """What leaving the largest training models out says.

    Parameters
    ----------
    shares : tuple of float
        Shares of the training models that were left out in turn.
    errors : dict of str to float
        Mean squared error of each predictor over all models left out.
    n_components : int
        The fewest components whose error exceeds the smallest one by no more than a standard error of the difference,
        families taken whole; 0 where none could be tried.
    """

    shares: tuple[float, ...]
    errors: dict[str, float]
    n_components: int

    @property
    def best(self) -> str:
        """The predictor with the smallest error, components or not; empty where none could be tried."""
        return min(self.errors, key=lambda name: self.errors[name]) if self.errors else ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"best": self.best}


def leave_largest_out(table: Table, train: Mask, counts: Sequence[int], rank: int, settings: LinkSettings) -> Rehearsal:
    """Forecast the largest training models from the smaller ones, by every predictor.

    Parameters
    ----------
    table : Table
    train : ndarray of bool (n,)
        Models beyond a cutoff are not among them, so the choice knows nothing of the test.
    counts : sequence of int
        Numbers of components to try.
    rank, settings
        As of `scaling.boundary.observational.pipeline.learn`.

    Returns
    -------
    Rehearsal
        Models of unknown compute have no place in an order of size and take no part.
    """
    usable = train & np.isfinite(table.log10_compute) & np.isfinite(table.task)
    size = table.log10_compute[usable]
    total: dict[str, list[Array]] = {}
    tried, owners = [], []
    for share in SHARES if usable.any() else ():
        edge = float(np.quantile(size, 1.0 - share))
        small, large = train & (table.log10_compute <= edge), usable & (table.log10_compute > edge)
        possible = [k for k in counts if enough(table, np.flatnonzero(small), k)]
        if not large.any() or not possible:
            continue
        tried.append(share)
        owners.append(table.family_codes[large])
        for name, predicted in forecasts(table, small, possible, rank, settings).items():
            total.setdefault(name, []).append((predicted - table.task)[large] ** 2)
    # A predictor that some cut was too small for would be judged by the easy ones alone.
    whole = {name: np.concatenate(parts) for name, parts in total.items() if len(parts) == len(tried)}
    whole = {name: squares for name, squares in whole.items() if np.all(np.isfinite(squares))}
    errors = {name: float(np.mean(squares)) for name, squares in whole.items()}
    found = [k for k in counts if label(k) in errors]
    chosen = _fewest({k: whole[label(k)] for k in found}, np.concatenate(owners)) if found else 0
    return Rehearsal(tuple(tried), errors, chosen)


def _fewest(squares: Mapping[int, Array], families: NDArray[np.intp]) -> int:
    """Return the fewest components within one standard error of the best: ties go to the simpler link."""
    best = min(squares, key=lambda k: float(np.mean(squares[k])))
    for k in sorted(squares):
        worse = squares[k] - squares[best]
        sums = np.bincount(families, worse - worse.mean())
        if worse.mean() <= float(np.sqrt(sums @ sums)) / len(worse):
            return k
    return best


def hold_against(
    table: Table, train: Mask, predicted: Mapping[str, Array], counts: Mapping[str, int]
) -> tuple[HeldOutError, ...]:
    """Work the errors of forecasts out.

    Parameters
    ----------
    table : Table
    train : ndarray of bool (n,)
    predicted : mapping of str to ndarray (n,)
        As of `scaling.boundary.observational.pipeline.forecasts`.
    counts : mapping of str to int
        Components of those that have any.

    Returns
    -------
    tuple of HeldOutError
    """
    scored = np.isfinite(table.task)
    test = scored & ~train
    paid = test & np.isfinite(table.log10_compute)

    def error(values: Array, rows: Mask) -> float:
        return float(np.mean((values - table.task)[rows] ** 2)) if rows.any() else float("nan")

    return tuple(
        HeldOutError(
            name,
            counts.get(name, 0),
            error(values, scored & train & np.isfinite(values)),
            error(values, paid),
            int(np.sum(scored & train & np.isfinite(values))),
            int(paid.sum()),
            error(values, test),
            int(test.sum()),
        )
        for name, values in predicted.items()
    )


@dataclass(frozen=True)
class Contest:
    """Components against compute alone, on the same test models.

    Parameters
    ----------
    components, compute, constant : float
        Mean squared errors.
    n_models, n_families : int
    low, high : float
        Interval of the first less the second, from test families drawn anew; NaN with fewer than five of them.
    level : float
    """

    components: float
    compute: float
    constant: float
    n_models: int
    n_families: int
    low: float
    high: float
    level: float

    @property
    def winner(self) -> str:
        """``components`` or ``compute alone``."""
        return "components" if self.components < self.compute else COMPUTE

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        return bool(self.low > 0 or self.high < 0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table = {f.name: getattr(self, f.name) for f in fields(self)}
        return table | {"winner": self.winner, "beyond_chance": self.beyond_chance}


def contest(
    table: Table, train: Mask, components: Array, compute: Array, constant: Array, level: float, seed: int
) -> Contest | None:
    """Hold the forecast of components against that of compute alone; None where no test model has a known compute."""
    paid = np.isfinite(table.task) & ~train & np.isfinite(components) & np.isfinite(compute)
    if not paid.any():
        return None
    one, other = (components - table.task)[paid] ** 2, (compute - table.task)[paid] ** 2
    families = np.unique(table.family_codes[paid], return_inverse=True)[1]
    count = int(families.max()) + 1
    low = high = float("nan")
    if count >= _FEWEST_FAMILIES:
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        weights = rng.multinomial(count, np.full(count, 1.0 / count), size=_DRAWS)
        sums = np.bincount(families, one - other)
        means = weights @ sums / (weights @ np.bincount(families))
        low, high = (float(v) for v in np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))
    third = float(np.mean((constant - table.task)[paid] ** 2))
    return Contest(float(one.mean()), float(other.mean()), third, int(paid.sum()), count, low, high, level)
