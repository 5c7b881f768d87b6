"""One learning curve fitted, by its own rows or by what all groups say of exponents."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scaling.valuation.collection.pooling import Pool
from scaling.valuation.collection.rows import GroupRows, seed_of
from scaling.verdicts import WEAK

if TYPE_CHECKING:
    from scaling.fitting.diagnostics import Diagnostics
    from scaling.results import Fit

RECORD = "learning_curve"  # of the settings of a fit
LEAST_POOLED = 3  # different sizes of a curve whose exponent rests on all groups
_HELD = 1e3  # strength of the penalty that holds an exponent: it moves by less than a thousandth
_COVARIANCE_DRAWS = 400
_THREE_SIZES = (
    "It has three sizes alone: of simulated curves, intervals at 90 % held the truth at eight times the largest size "
    "in 70 to 84 %."
)


def own_fit(rows: GroupRows, law: str, bootstrap: int, seed: int) -> Fit:
    """Fit the curve of a group by its own rows."""
    from scaling.fitting.fit import fit

    # No replicate loses a size: drawn again row by row, four sizes would often be two.
    made = fit(
        law, {"x": rows.x}, rows.y, objective="squared", bootstrap=bootstrap,
        resample="dirichlet" if bootstrap else None, seed=seed_of(seed, rows.group),
    )  # fmt: skip
    return replace(made, settings={**made.settings, RECORD: {"group": rows.group, "pooled": False}})


def pooled_fit(rows: GroupRows, pool: Pool, g: int, bootstrap: int, seed: int) -> Fit:
    """Fit the curve of a group by its own rows and what all groups say of exponents.

    The engine finds the curve with the exponent held at its posterior mean. The replicates, and the covariance, are
    drawn from the posterior, which knows that the exponent in common is not known either.
    """
    from scaling.fitting.fit import fit

    own, held = seed_of(seed, rows.group), {"alpha": (pool.exponent(g), _HELD)}
    made = fit("power_floor", {"x": rows.x}, rows.y, objective="squared", bootstrap=0, penalty=held, seed=own)
    draws = pool.draw(g, max(bootstrap, _COVARIANCE_DRAWS), np.random.default_rng(own))
    internal = np.where(made.log_scaled, np.log(np.maximum(draws, 1e-300)), draws)
    record = {
        "group": rows.group, "pooled": True, "mean": pool.mean, "spread": pool.spread, "groups": len(pool.profiles)
    }  # fmt: skip
    settings = {**made.settings, "bootstrap": bootstrap, RECORD: record}
    if bootstrap:
        settings |= {"resample": "parametric", "interval": "percentile"}
    return replace(
        made, covariance=np.cov(internal, rowvar=False), replicates=draws[:bootstrap], settings=settings,
        degrees=float(sum(len(p.x) - 2 for p in pool.profiles)),
        diagnostics=_judge_pooled(made.diagnostics, rows, pool, bootstrap),
    )  # fmt: skip


def _judge_pooled(found: Diagnostics, rows: GroupRows, pool: Pool, bootstrap: int) -> Diagnostics:
    """Judge a curve whose exponent rests on all groups: what counts is the curve, and the rows of all of them."""
    from scaling.fitting.diagnostics import SPARE_ROWS, STRUCTURE_P

    every = sum(len(p.x) for p in pool.profiles)
    enough = every > 2 * len(pool.profiles) + 2 + SPARE_ROWS
    concerns = list(found.concerns)
    if len(rows.sizes) == LEAST_POOLED:
        concerns.append((WEAK, _THREE_SIZES))
    if found.structure_p < STRUCTURE_P:
        concerns.append((WEAK, "The residuals show a trend: the law does not quite have the shape of the data."))
    return replace(
        found, enough_rows=enough, enough_points=enough, curve_only=True, concerns=tuple(concerns),
        replicates=bootstrap, replicates_converged=1.0 if bootstrap else float("nan"),
        replicates_at_bound=0.0 if bootstrap else float("nan"),
    )  # fmt: skip
