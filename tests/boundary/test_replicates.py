"""Replicates from rows that were put together, against those that the engine gives for all rows."""

from __future__ import annotations

import numpy as np
import pytest

import scaling
from scaling.boundary import replicates
from scaling.boundary.solver import curve
from scaling.errors import UsageError
from scaling.fitting.solve import Problem
from tests.boundary.conftest import clustered

AT = np.linspace(21, 25, 30)


def by_the_engine(b, z, y, groups, count, seed):
    """The same boundary and bootstrap through the general engine alone."""
    settings = b.settings
    names = ("y0", "rise", "b", "z_mid")
    return scaling.fit(
        "boundary", {"C": 10**z}, y, objective=b.fit.objective, penalty={"b": (0, settings.ridge)}, groups=groups,
        start=dict(zip(names, b.optimum.theta.tolist(), strict=True)), bootstrap=count, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("grouped", [True, False])
def test_replicates_are_those_of_all_rows(grouped):
    z, y, base = clustered(11, bases=30, each=20)
    groups = base if grouped else None
    b = scaling.boundary.fit(z, y, tau=0.9, groups=groups, bootstrap=150, seed=6)
    engine = by_the_engine(b, z, y, groups, 150, 6)
    ours, theirs = curve(b.fit.replicates, AT), curve(engine.replicates, AT)
    away = np.max(np.abs(ours - theirs), axis=1)
    assert np.quantile(away, 0.95) < 1e-4
    np.testing.assert_allclose(np.quantile(ours, [0.05, 0.95], axis=0), np.quantile(theirs, [0.05, 0.95], axis=0),
                               atol=2e-3)  # fmt: skip
    assert b.fit.settings["resample"] == engine.settings["resample"]
    assert b.fit.interval_method == engine.interval_method
    assert b.fit.percentile_level(0.9) == engine.percentile_level(0.9)


def test_a_replicate_that_comes_near_rows_put_together_is_refitted_in_full(monkeypatch):
    """Two pilots know little of how low the others come, so many meet rows that were put together."""
    z, y, base = clustered(3, bases=20, each=20)
    honest = scaling.boundary.fit(z, y, tau=0.9, groups=base, bootstrap=90)
    alone = []
    costs = Problem.costs

    def counted(self, theta, weights):
        alone.extend([len(weights)] * (len(weights) == 1))
        return costs(self, theta, weights)

    monkeypatch.setattr(Problem, "costs", counted)
    monkeypatch.setattr(replicates, "_PILOT", 2)
    hasty = scaling.boundary.fit(z, y, tau=0.9, groups=base, bootstrap=90)
    assert len(alone) > 20
    away = np.abs(curve(honest.fit.replicates, AT) - curve(hasty.fit.replicates, AT)).max(axis=1)
    assert np.quantile(away, 0.95) < 1e-3


def test_fewer_replicates_are_the_first_of_more():
    z, y, base = clustered(4)
    few = scaling.boundary.fit(z, y, tau=0.9, groups=base, bootstrap=80, seed=2)
    many = scaling.boundary.fit(z, y, tau=0.9, groups=base, bootstrap=160, seed=2)
    np.testing.assert_allclose(curve(few.fit.replicates, AT), curve(many.fit.replicates[:80], AT), atol=2e-4)


def test_one_replicate_has_no_spread():
    z, y, _ = clustered(4)
    with pytest.raises(UsageError, match="one bootstrap replicate has no spread"):
        scaling.boundary.fit(z, y, bootstrap=1)
