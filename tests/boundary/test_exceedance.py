"""New models above a boundary: how many are called so where none should be, and whether those that should be are."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.boundary.exceedance import ranks
from scaling.errors import InputDataError, UsageError
from tests.boundary.conftest import clustered


@pytest.fixture(scope="module")
def known():
    z, y, base = clustered(0, bases=100, each=6)
    return scaling.boundary.fit(z, y, tau=0.95, groups=base)


def new(seed, bases, each=1):
    z, y, _ = clustered(1000 + seed, bases=bases, each=each)
    inside = (z > 21.1) & (z < 24.9)
    return z[inside], y[inside]


def test_ranks_count_each_cluster_once():
    values, of = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([0, 0, 0, 0, 1])
    p, count = ranks(np.array([0.0, 2.5, 4.5, 6.0, 5.0]), values, of)
    assert count == 2
    np.testing.assert_allclose(p, np.array([1 + 2, 1 + 0.5 + 1, 1 + 1, 1, 1 + 1]) / 3)
    single, _ = ranks(np.array([2.5]), values, np.arange(5))
    assert single[0] == pytest.approx(4 / 6)


def test_p_values_of_models_drawn_alike_are_even(known):
    z, y = new(0, 400)
    p = np.array([row.p_value for row in scaling.boundary.find_exceedances(known, z, y)])
    for level in (0.05, 0.1, 0.2, 0.5):
        # A boundary known from 100 bases is off by itself: a third more than nominal, and chance.
        assert np.mean(p <= level) <= level * 4 / 3 + 2.5 * np.sqrt(level * (1 - level) / len(p))
    assert np.mean(p <= 0.5) > 0.3


@pytest.mark.slow
def test_false_discoveries_are_held():
    """Where no model is new in kind, any discovery is false: it may come in a tenth of the trials."""
    trials, false = 60, 0
    for seed in range(trials):
        z, y, base = clustered(seed, bases=60, each=4)
        b = scaling.boundary.fit(z, y, tau=0.9, groups=base)
        false += len(scaling.boundary.find_exceedances(b, *new(seed, 30), rate=0.1).discoveries) > 0
    assert false <= 12  # of 60 at 10 %: more happen once in 100 times


def test_models_that_are_better_are_found(known):
    z, y = new(3, 60)
    better = y.copy()
    better[:20] = np.clip(y[:20] + 0.25, 0, 1)
    found = scaling.boundary.find_exceedances(known, z, better, names=[f"m{k}" for k in range(len(z))])
    hits = {row.name for row in found.discoveries}
    true = {f"m{k}" for k in range(20)}
    assert len(hits & true) >= 12
    assert len(hits - true) <= 0.25 * len(hits)
    assert found.discoveries[0].adjusted == min(row.adjusted for row in found)
    assert len(scaling.boundary.find_exceedances(known, z, better, method="by").discoveries) <= len(hits)


def test_what_a_row_says(known):
    at = np.array([23.0])
    q = float(known.predict(23.0))
    row = scaling.boundary.find_exceedances(known, at, [q + 0.1])[0]
    assert row.boundary == pytest.approx(q)
    assert row.excess == pytest.approx(0.1)
    assert np.isnan(row.in_boundary_sd)
    grid = known.grid()
    high, middle = grid.predict(23.0)[-1, 0], grid.predict(23.0)[list(grid.taus).index(0.5), 0]
    assert row.in_scatter_sd == pytest.approx(0.1 / ((high - middle) / 2.0537489), rel=1e-6)  # z of .98
    assert row.chance == pytest.approx(1 - grid.taus[-1])
    assert row.extrapolation_factor == 1
    banded = scaling.boundary.fit(*clustered(0, bases=30)[:2], tau=0.9, groups=clustered(0, bases=30)[2], bootstrap=50)
    sd = banded.fit.replicates
    assert sd.shape[0] == 50
    with_sd = scaling.boundary.find_exceedances(banded, at, [0.9])[0]
    band = banded.predict(23.0, level=0.68)
    assert with_sd.excess / with_sd.in_boundary_sd == pytest.approx((band.high - band.low) / 2, rel=0.5)


def test_so_few_clusters_that_nothing_could_surprise():
    z, y, base = clustered(1, bases=8, each=40)
    b = scaling.boundary.fit(z, y, tau=0.9, groups=base)
    found = scaling.boundary.find_exceedances(b, [23.0], [1.0], rate=0.05)
    assert found.known == 8
    assert found[0].p_value == pytest.approx(1 / 9)
    assert not found.discoveries
    assert "So few clusters are known" in found.summary()


def test_a_gain_that_is_usual_is_no_surprise():
    parts = [clustered(seed, bases=60, each=5) for seed in (1, 2)]
    z, base = (np.concatenate([p[k] for p in parts]) for k in (0, 2))
    y = np.concatenate([parts[0][1], np.clip(parts[1][1] + 0.12, 0, 1)])
    b = scaling.boundary.fit(z[300:], y[300:], tau=0.9, groups=base[300:])
    both = scaling.boundary.fit(z, y, tau=0.9, groups=base, period=np.repeat(["P1", "P2"], 300))
    to, score = new(5, 80)
    score = np.clip(score + 0.24, 0, 1)
    surprised = scaling.boundary.find_exceedances(b, to, score)
    used_to_it = scaling.boundary.find_exceedances(both, to, score, out_of_period=True)
    assert len(surprised.discoveries) > 15
    assert len(used_to_it.discoveries) < len(surprised.discoveries) / 3
    here = scaling.boundary.find_exceedances(both, to, score)
    gain = used_to_it[0].boundary - here[0].boundary
    assert gain == pytest.approx(both.margin.parts["P1 > P2"] - both.margin.parts["left out"])
    assert 0.05 < gain < 0.15


def test_plain_data_and_refusals(known):
    found = scaling.boundary.find_exceedances(known, [23.0, np.nan, 24.0], [0.5, 0.5, 0.99], names=["a", "b", "c"])
    assert [row.name for row in found] == ["a", "c"]
    assert found.notes == ("Left out 1 model of 3 without compute or score.",)
    table = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert table["rows"][1]["excess"] == found[1].excess
    assert table["rows"][0]["in_boundary_sd"] is None
    with pytest.raises(UsageError, match="no control 'bonferroni'"):
        scaling.boundary.find_exceedances(known, [23.0], [0.5], method="bonferroni")
    with pytest.raises(InputDataError, match="between 0 and 1"):
        scaling.boundary.find_exceedances(known, [23.0], [55])
    with pytest.raises(InputDataError, match="2 names"):
        scaling.boundary.find_exceedances(known, [23.0], [0.5], names=["a", "b"])
    z, y, _ = clustered(0)
    with pytest.raises(InputDataError, match="all of one cluster"):
        scaling.boundary.find_exceedances(scaling.boundary.fit(z, y, groups=np.zeros(len(z))), [23.0], [0.5])


@pytest.fixture(scope="module")
def pair():
    """Two benchmarks that see the same skill of a model, each with some noise."""
    z, a, base = clustered(0, bases=100, each=6)
    rng = np.random.default_rng(9)
    b = np.clip(a + rng.normal(0, 0.01, len(a)), 0, 1)
    return tuple(scaling.boundary.fit(z, y, tau=0.9, groups=base) for y in (a, b))


def test_a_model_trained_for_one_benchmark_stands_out(pair):
    z, y = new(11, 50)
    rng = np.random.default_rng(2)
    other = np.clip(y + rng.normal(0, 0.01, len(y)), 0, 1)
    on_a, on_b = y.copy(), other.copy()
    on_a[:10] = np.clip(on_a[:10] + 0.25, 0, 1)  # better on A alone
    both = slice(10, 20)
    on_a[both], on_b[both] = np.clip(on_a[both] + 0.25, 0, 1), np.clip(on_b[both] + 0.25, 0, 1)  # better at all
    found = scaling.boundary.find_one_sided(*pair, z, on_a, on_b, names=[f"m{k}" for k in range(len(z))])
    assert found.correlation > 0.8
    flagged = set(found.flagged)
    assert len(flagged & {f"m{k}" for k in range(10)}) >= 5
    assert not flagged & {f"m{k}" for k in range(10, 20)}
    assert len(flagged) <= len(flagged & {f"m{k}" for k in range(10)}) + 1
    none = scaling.boundary.find_one_sided(*pair, z, y, other)
    assert len(none.flagged) <= 1
    table = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert table["flagged"] == list(found.flagged)
    assert "exceed on A and not on B" in found.summary()


def test_a_benchmark_that_says_nothing_of_the_other_is_named(pair):
    z, _, base = clustered(0, bases=100, each=6)
    noise = scaling.boundary.fit(z, np.random.default_rng(1).uniform(0, 1, len(z)), tau=0.9, groups=base)
    to, y = new(12, 20)
    found = scaling.boundary.find_one_sided(pair[0], noise, to, y, y)
    assert abs(found.correlation) < 0.3
    assert "B says little of A" in found.notes[0]


def test_boundaries_of_different_models_cannot_be_paired(pair):
    z, y, base = clustered(4, bases=100, each=6)
    with pytest.raises(InputDataError, match="share 600 models of the same compute"):
        scaling.boundary.find_one_sided(pair[0], scaling.boundary.fit(z, y, groups=base), [23.0], [0.5], [0.5])


def test_new_models_as_they_come(known):
    given = pd.Series([pd.NA, 22.0, 23.0]), pd.Series([0.5, pd.NA, 0.9], dtype="Float64")
    found = scaling.boundary.find_exceedances(known, *given, names=["a", "b", "c"])
    assert [row.name for row in found] == ["c"]
    assert found.notes == ("Left out 2 models of 3 without compute or score.",)
    with pytest.raises(UsageError, match="not 1e23, which is compute itself"):
        scaling.boundary.find_exceedances(known, [1e23], [0.9])
    with pytest.raises(InputDataError, match="'log10_compute' holds something that is not a number"):
        scaling.boundary.find_exceedances(known, ["much"], [0.9])
