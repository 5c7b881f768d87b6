"""Hold designs against random choice, on models whose scores are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Scores, read_scores
from scaling.boundary.design.choose import DESIGNS, choose_models
from scaling.boundary.design.comparison import MEASURES, DesignComparison, Measure, Trial
from scaling.boundary.design.pool import read_pool
from scaling.boundary.design.strata import bin_of, equal_mass_edges
from scaling.boundary.settings import Settings, settle
from scaling.boundary.solver import Points, curve, solve
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import whole

Array = NDArray[np.float64]

_GRID = 400  # places that curves are compared at
_BINS, _LEAST = 10, 30  # bins of coverage, and models that each holds at least: those of arXiv:2602.15327


def compare_designs(
    log10_compute: ArrayLike,
    cost: ArrayLike | None,
    score: ArrayLike,
    budget: float = 0.2,
    tau: float = 0.98,
    *,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    test_log10_compute: ArrayLike | None = None,
    test_score: ArrayLike | None = None,
    designs: Sequence[str] = ("stratified", "i_optimal", "d_optimal"),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    draws: int = 20,
    seed: int = 0,
    unit: str = "share",
) -> DesignComparison:
    """Choose models by each design, fit the boundary of those, and hold it against that of all models.

    Parameters
    ----------
    log10_compute, cost, budget, groups, unit
        As of `scaling.boundary.design.choose_models`.
    score : array_like (n,)
        Of each model of the pool. Models without one are left out.
    tau, preset, kappa, ridge
        As of `scaling.boundary.fit`.
    test_log10_compute, test_score : array_like (m,), optional
        Models of another period, to forecast. Outside the compute of the chosen models a boundary goes on flat.
    designs : sequence of str
        Which; ``random`` always stands beside them.
    settings : mapping of str to mapping, optional
        Settings of `choose_models` for a design, such as ``{"stratified": {"n_bins": 10, "exponent": 0}}``.
    draws : int, default 20
        Designs of each kind; at least 2. Those of arXiv:2602.15327 differ in how ties are broken.
    seed : int, default 0
        Each draw has its own child of it, the same for all designs.

    Returns
    -------
    DesignComparison

    Raises
    ------
    InputDataError
        For data that cannot be used, or a design that finds models of one compute only.
    UsageError
        For settings that make no sense.
    """
    names = _names(designs, settings)
    draws, seed = whole(draws, "the number of draws"), whole(seed, "the seed")
    if draws < 2:
        raise UsageError(f"a standard error needs 2 draws, not {draws}", hint="Ask for 20.")
    if (test_log10_compute is None) != (test_score is None):
        raise UsageError("models of another period need both compute and a score")
    everything = read_scores(log10_compute, score)
    kept = everything.kept
    price, cluster = (
        None if given is None else _rows(given, np.size(score), kept, name)
        for given, name in ((cost, "cost"), (groups, "groups"))
    )
    pool = read_pool(everything.log10_compute, price, budget, unit, None, cluster)
    test = None
    if test_log10_compute is not None and test_score is not None:
        test = read_scores(test_log10_compute, test_score)
    judge = _Judge(everything, test, lambda n: settle(n, tau, preset, kappa, ridge))
    seeds = [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(draws)]
    found = {}
    for name in names:
        tried = [
            choose_models(
                everything.log10_compute, price, budget, name, groups=cluster, seed=s, unit=unit,
                **dict((settings or {}).get(name, {})),
            )
            for s in seeds
        ]  # fmt: skip
        found[name] = (
            float(np.mean([len(d.order) for d in tried])),
            float(np.mean([d.share for d in tried])),
            [judge.measure(d.chosen) for d in tried],
        )
    full = judge.measure(np.arange(len(everything.score)))
    random = {m: np.array([v[m] for v in found["random"][2]]) for m in full}
    return DesignComparison(
        trials=tuple(_trial(name, *found[name], random, full) for name in names),
        budget_share=pool.budget / pool.cost_total,
        models=len(everything.score),
        test_models=0 if test is None else len(test.score),
        tau=judge.settings.tau,
        kappa=judge.settings.kappa,
        draws=draws,
        seed=seed,
        notes=everything.notes + (() if test is None else test.notes),
    )


def _rows(column: ArrayLike, n: int, kept: NDArray[np.int64], name: str) -> NDArray[Any]:
    given = np.atleast_1d(np.asarray(column))
    if given.shape != (n,):
        raise InputDataError(f"'{name}' has shape {given.shape}, but there are {n} scores")
    return given[kept]


def _names(designs: Sequence[str], settings: Mapping[str, Mapping[str, Any]] | None) -> list[str]:
    names = [*dict.fromkeys(designs)]
    for name in [*names, *(settings or {})]:
        if name not in DESIGNS:
            raise UsageError(f"there is no design '{name}'", hint=did_you_mean(name, DESIGNS))
    return names if "random" in names else [*names, "random"]


@dataclass(frozen=True)
class _Judge:
    """Measures boundaries of some models against all of them and against another period."""

    pool: Scores
    test: Scores | None
    settle: Callable[[int], Settings]

    @cached_property
    def settings(self) -> Settings:
        return self.settle(len(self.pool.score))

    @cached_property
    def full(self) -> Callable[[Array], Array]:
        """The boundary of all models."""
        return self._curve(np.arange(len(self.pool.score)))

    def measure(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """Fit some rows of the pool and measure their curve."""
        z, y = self.pool.log10_compute, self.pool.score
        mine, theirs = self._curve(rows), self.full
        grid = np.linspace(z.min(), z.max(), _GRID)
        out = {
            "curve": float(np.mean(np.abs(mine(grid) - theirs(grid)))),
            "curve_at_data": float(np.mean(np.abs(mine(z) - theirs(z)))),
        }
        for place, at, scores in (("in", z, y), *(
            [("out", self.test.log10_compute, self.test.score)] if self.test is not None else []
        )):  # fmt: skip
            q, s = mine(at), self.settings
            away = scores - q
            out[f"pinball_{place}"] = float(np.mean(np.where(away < 0, s.tau - 1, s.tau) * away))
            rounded = np.logaddexp(0, s.kappa * away) / s.kappa + (s.tau - 1) * away
            out[f"smoothed_{place}"] = float(np.mean(rounded))
            out[f"coverage_{place}"] = _coverage_error(at, scores <= q, s.tau)
        return out

    def _curve(self, rows: NDArray[np.int64]) -> Callable[[Array], Array]:
        z, y = self.pool.log10_compute[rows], self.pool.score[rows]
        if np.ptp(z) == 0:
            raise InputDataError(
                f"a design chose {len(z)} models of one compute, 10^{z[0]:.3g} FLOP, so no boundary can be fitted",
                hint="Raise the budget.",
            )
        s = self.settle(len(rows))
        theta = solve(Points.of(z, y), s.tau, s.kappa, s.ridge).theta
        low, high = z.min(), z.max()
        return lambda at: curve(theta, np.clip(at, low, high))


def _coverage_error(z: Array, below: NDArray[np.bool_], tau: float) -> float:
    """Mean over bins of equally many models of how far the share below lies from tau."""
    at = bin_of(z, equal_mass_edges(z, _BINS, _LEAST))
    counts = np.bincount(at)
    share = np.bincount(at, below)[counts > 0] / counts[counts > 0]
    return float(np.mean(np.abs(share - tau)))


def _trial(
    name: str, models: float, share: float, values: list[dict[str, float]], random: Mapping[str, Array],
    full: Mapping[str, float],
) -> Trial:  # fmt: skip
    measures, kept = [], {}
    for m in MEASURES:
        if m not in full:
            continue
        column = np.array([v[m] for v in values])
        kept[m] = tuple(column.tolist())
        se, other = (float(np.std(v, ddof=1) / np.sqrt(len(v))) for v in (column, random[m]))
        itself = name == "random"
        measures.append(
            Measure(
                name=m,
                mean=float(column.mean()),
                se=se,
                full=full[m],
                difference=0.0 if itself else float(column.mean() - random[m].mean()),
                difference_se=0.0 if itself else float(np.hypot(se, other)),
            )
        )
    return Trial(name, models, share, tuple(measures), kept)
