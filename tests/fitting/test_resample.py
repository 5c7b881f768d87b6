"""The kinds of resampling: what each keeps and changes, and that blocks change nothing."""

import numpy as np
import pytest

import scaling
import scaling.fitting.solve as solve_module
from scaling.errors import InputDataError, UsageError
from scaling.fitting.objective import Objective
from scaling.fitting.resample import (
    Jackknife,
    Perturbed,
    Reweighted,
    bootstrap_weights,
    centre,
    choose,
    signs,
    without_leverage,
)  # fmt: skip

GROUPS = np.repeat(np.arange(20), 3)
X = np.geomspace(1e6, 1e10, 60)
Y = (1.7 + 100 / X**0.25) * np.exp(0.004 * np.random.default_rng(0).standard_normal(60))
KINDS = [("iid", None), ("dirichlet", None), ("wild", None), ("residual", None),
         ("cluster", GROUPS), ("dirichlet", GROUPS), ("wild", GROUPS)]  # fmt: skip


def fitted(**settings):
    return scaling.fit("power_floor", {"x": X}, Y, **({"objective": "squared", "bootstrap": 100} | settings))


def perturbed(kind, n=60, groups=None, **changes):
    rng = np.random.default_rng(8)
    given = {"fitted": rng.normal(1, 0.2, n), "residuals": rng.normal(0, 0.1, n), "log": False} | changes
    return Perturbed(kind, np.ones(n), 5, groups, **given)


@pytest.mark.parametrize("kind", ["iid", "dirichlet"])
def test_replicates_are_the_children_of_one_seed(kind):
    source = Reweighted(kind, np.ones(30), 7, None)
    whole, _ = source.draw(0, 20)
    np.testing.assert_array_equal(np.concatenate([source.draw(0, 6)[0], source.draw(6, 20)[0]]), whole)
    rng = np.random.default_rng(np.random.SeedSequence(7).spawn(20)[13])
    if kind == "iid":
        expected = np.bincount(rng.integers(0, 30, 30), minlength=30)
    else:
        expected = rng.standard_exponential(30)
        expected *= 30 / expected.sum()
    np.testing.assert_array_equal(whole[13], expected)


@pytest.mark.parametrize(("kind", "groups"), [("wild", None), ("residual", None), ("wild", GROUPS)])
def test_observed_replicates_are_the_children_of_one_seed(kind, groups):
    source = perturbed(kind, groups=groups)
    whole = source.draw(0, 12)[1]
    np.testing.assert_array_equal(np.concatenate([source.draw(0, 5)[1], source.draw(5, 12)[1]]), whole)
    assert not np.array_equal(whole[0], whole[1])


def test_dirichlet_weights_are_uniform_on_the_simplex():
    weights, observed = Reweighted("dirichlet", np.ones(12), 0, None).draw(0, 4000)
    assert observed is None
    np.testing.assert_allclose(weights.sum(axis=1), 12, rtol=1e-12)
    assert weights.min() > 0
    # A share of a flat Dirichlet of 12 has mean 1/12 and variance 11 / (12^2 * 13); the weights are 12 times that.
    assert weights.mean(axis=0) == pytest.approx(np.ones(12), abs=0.06)
    assert weights.var() == pytest.approx(11 / 13, rel=0.03)


def test_dirichlet_weights_of_a_cluster_are_one():
    weights, _ = Reweighted("dirichlet", np.ones(60), 0, GROUPS).draw(0, 10)
    np.testing.assert_array_equal(weights, weights[:, ::3][:, GROUPS])
    np.testing.assert_allclose(weights[:, ::3].sum(axis=1), 20, rtol=1e-12)


def test_weights_of_rows_multiply_those_of_replicates():
    own = np.random.default_rng(0).uniform(0.5, 2, 30)
    for kind in ("iid", "dirichlet"):
        np.testing.assert_array_equal(
            Reweighted(kind, own, 3, None).draw(0, 5)[0], own * Reweighted(kind, np.ones(30), 3, None).draw(0, 5)[0]
        )


def test_a_wild_replicate_changes_signs_only():
    source = perturbed("wild")
    weights, observed = source.draw(0, 400)
    np.testing.assert_array_equal(weights, np.ones((400, 60)))
    change = (observed - source.fitted) / source.residuals
    np.testing.assert_allclose(np.abs(change), 1, rtol=1e-9)
    assert change.mean() == pytest.approx(0, abs=0.03)


def test_a_wild_replicate_of_clusters_keeps_them_whole():
    source = perturbed("wild", groups=GROUPS)
    change = (source.draw(0, 50)[1] - source.fitted) / source.residuals
    np.testing.assert_allclose(change, change[:, ::3][:, GROUPS], rtol=1e-9)
    few = perturbed("wild", groups=GROUPS // 2)  # ten groups: six factors in place of two
    change = (few.draw(0, 200)[1] - few.fitted) / few.residuals
    assert set(np.round(change.ravel() ** 2, 6)) == {0.5, 1.0, 1.5}


@pytest.mark.parametrize(("units", "count"), [(2, 6), (11, 6), (12, 2), (500, 2)])
def test_the_factors_of_the_wild_bootstrap(units, count):
    factors = signs(units)
    assert len(factors) == count
    assert factors.mean() == pytest.approx(0, abs=1e-15)
    assert np.mean(factors**2) == pytest.approx(1)
    assert np.mean(factors**3) == pytest.approx(0, abs=1e-15)


def test_logarithmic_residuals_are_put_back_on_logarithms():
    log = perturbed("wild", log=True)
    linear = perturbed("wild")
    np.testing.assert_allclose(np.log(log.draw(0, 3)[1]), linear.draw(0, 3)[1], rtol=1e-12)


def test_a_residual_replicate_draws_from_the_residuals():
    source = perturbed("residual")
    drawn = source.draw(0, 200)[1] - source.fitted
    assert {*np.round(drawn.ravel(), 12)} == {*np.round(source.residuals, 12)}
    # Each place gets the residuals of all places.
    assert len(set(np.round(drawn[:, 0], 12))) > 50


def test_leverage_is_given_back():
    rng = np.random.default_rng(4)
    design = np.stack([np.ones(25), rng.normal(size=25)], axis=1)
    y = rng.normal(size=25)
    hat = design @ np.linalg.solve(design.T @ design, design.T)
    residuals = y - hat @ y
    given = without_leverage(residuals, residuals, np.ones(25), design, None)
    np.testing.assert_allclose(given, residuals / (1 - np.diag(hat)), rtol=1e-10)
    # That is the error of predicting each row from the others.
    for i in (0, 7, 24):
        others = np.arange(25) != i
        slope = np.linalg.lstsq(design[others], y[others], rcond=None)[0]
        assert given[i] == pytest.approx(y[i] - design[i] @ slope, rel=1e-9)


def test_leverage_of_clusters_is_given_back():
    rng = np.random.default_rng(4)
    design = np.stack([np.ones(24), rng.normal(size=24)], axis=1)
    weights = rng.uniform(0.5, 2, 24)
    groups = np.repeat(np.arange(6), 4)
    y = rng.normal(size=24)

    def solve(rows):
        root = np.sqrt(weights[rows])
        return np.linalg.lstsq(design[rows] * root[:, None], y[rows] * root, rcond=None)[0]

    residuals = y - design @ solve(np.arange(24))
    given = without_leverage(residuals, residuals, weights, design, groups)
    for g in range(6):
        inside = groups == g
        left_out = y[inside] - design[inside] @ solve(np.flatnonzero(~inside))
        np.testing.assert_allclose(given[inside], left_out * np.sqrt(5 / 6), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [("squared", {}, np.mean), ("lad", {}, np.median), ("pinball", {"tau": 0.8}, lambda r: np.quantile(r, 0.8))],
)
def test_the_centre_of_residuals_is_that_of_the_objective(name, settings, expected):
    residuals = np.random.default_rng(1).gumbel(size=1001)
    assert centre(residuals, Objective(name, "log", **settings)) == pytest.approx(expected(residuals), abs=2e-3)


def test_the_jackknife_leaves_out_each_row_once():
    weights = np.random.default_rng(0).uniform(0.5, 2, 9)
    source = Jackknife(weights, 0, None)
    assert source.count == 9
    rows, observed = source.draw(0, 9)
    assert observed is None
    np.testing.assert_array_equal(rows, np.where(np.eye(9) > 0, 0, weights))


def test_the_jackknife_leaves_out_whole_clusters_and_blocks_of_many_units():
    by_cluster, _ = Jackknife(np.ones(60), 0, GROUPS).draw(0, 20)
    np.testing.assert_array_equal(by_cluster == 0, np.arange(20)[:, None] == GROUPS)
    many = Jackknife(np.ones(1001), 3, None)
    assert many.count == 200
    rows, _ = many.draw(0, 200)
    np.testing.assert_array_equal((rows == 0).sum(axis=0), 1)  # every row is left out once
    assert set((rows == 0).sum(axis=1)) == {5, 6}
    np.testing.assert_array_equal(np.concatenate([many.draw(0, 70)[0], many.draw(70, 200)[0]]), rows)


@pytest.mark.parametrize(("kind", "groups"), KINDS)
@pytest.mark.parametrize("objective", ["squared", "huber", "lad"])
def test_blocks_change_nothing(kind, groups, objective, monkeypatch):
    if objective == "lad" and kind in ("iid", "residual"):
        objective = "pinball(0.5)"  # half of lad, by the same way through rounded objectives
    count = 20 if objective in ("lad", "pinball(0.5)") else 80
    settings = {"objective": objective, "resample": kind, "groups": groups, "bootstrap": count, "interval": "bca"}
    whole = fitted(**settings)
    monkeypatch.setattr(solve_module, "_BLOCK_ELEMENTS", 60 * 7)
    blocks = fitted(**settings)
    np.testing.assert_allclose(blocks.replicates, whole.replicates, rtol=1e-6)
    np.testing.assert_allclose(blocks.jackknife, whole.jackknife, rtol=1e-6)


def test_progress_over_blocks_is_told_to_the_end(monkeypatch):
    monkeypatch.setattr(solve_module, "_BLOCK_ELEMENTS", 60 * 7)
    told = []
    fitted(progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (100, 100)
    assert told == sorted(told)
    assert told.count((100, 100)) == 1


def test_residuals_do_not_move_between_rows_of_different_weight():
    weights = np.where(np.arange(60) % 2, 0.2, 5.0)
    with pytest.raises(UsageError, match="but the weights differ\nTake 'wild'") as caught:
        fitted(resample="residual", weights=weights)
    assert caught.value.exit_code == 2
    same = fitted(resample="residual", weights=np.full(60, 3.0), seed=1)
    np.testing.assert_allclose(same.replicates, fitted(resample="residual", seed=1).replicates, rtol=1e-5)


@pytest.mark.parametrize("kind", ["iid", "wild", "dirichlet"])
def test_rows_of_different_weight_measure_the_scatter_of_the_covariance(kind):
    # Their noise is even, so a covariance that took the weights as precisions would be too small by a third.
    weights = np.where(np.arange(60) % 2, 0.2, 5.0)
    plain = fitted(bootstrap=0, weights=weights)
    boot = fitted(resample=kind, weights=weights, bootstrap=600)
    for name, error in plain.standard_errors.items():
        assert boot.standard_errors[name] == pytest.approx(error, rel=0.3)


@pytest.mark.parametrize(("kind", "groups"), KINDS)
def test_every_kind_measures_the_same_scatter(kind, groups):
    # Rows are independent here, with or without the groups, so all kinds estimate what the covariance does.
    plain = fitted(bootstrap=0)
    boot = fitted(resample=kind, groups=groups, bootstrap=600)
    for name, error in plain.standard_errors.items():
        assert boot.standard_errors[name] == pytest.approx(error, rel=0.55 if groups is not None else 0.25)
    assert boot.estimates == plain.estimates


@pytest.mark.parametrize("kind", ["cluster", "dirichlet", "wild"])
def test_shared_noise_is_seen_by_every_kind_that_keeps_clusters(kind):
    x = np.repeat(np.geomspace(1e6, 1e10, 30), 8)
    runs = np.repeat(np.arange(30), 8)
    rng = np.random.default_rng(0)
    shared = 0.004 * rng.standard_normal(30)[runs] + 0.001 * rng.standard_normal(240)
    y = (1.7 + 100 / x**0.25) * np.exp(shared)
    settings = {"objective": "squared", "bootstrap": 300}
    single = scaling.fit("power_floor", {"x": x}, y, **settings)
    whole = scaling.fit("power_floor", {"x": x}, y, groups=runs, resample=kind, **settings)
    for name in single.estimates:
        assert 1.8 < whole.standard_errors[name] / single.standard_errors[name] < 3.6


@pytest.mark.parametrize(
    ("kind", "groups", "words"),
    [("iid", None, "iid"), (None, None, "iid"), (None, GROUPS, "cluster"), ("dirichlet", None, "Bayesian (Dirichlet)"),
     ("dirichlet", GROUPS, "Bayesian (Dirichlet) cluster"), ("wild", None, "wild"), ("wild", GROUPS, "wild cluster"),
     ("residual", None, "residual"), (None, np.arange(60), "cluster (every group is one row)")],
)  # fmt: skip
def test_the_kind_is_said(kind, groups, words):
    fit = fitted(resample=kind, groups=groups, bootstrap=40, seed=2)
    widened = "" if groups is None or "one row" in words else f", widened for {len(set(groups.tolist()))} clusters"
    assert fit.interval_method == f"percentile of 40 {words} bootstrap replicates, seed 2{widened}"
    assert fit.settings["resample"] == (kind or ("iid" if groups is None else "cluster"))


def test_groups_of_one_row_are_rows():
    alone = fitted(groups=np.arange(60))
    assert alone.diagnostics.groups_of_one == 60
    assert alone.diagnostics.groups_are_rows
    np.testing.assert_array_equal(alone.replicates, fitted().replicates)
    some = fitted(groups=np.where(np.arange(60) < 30, np.arange(60), GROUPS + 100), bootstrap=0)
    assert some.diagnostics.groups_of_one == 30
    assert not some.diagnostics.groups_are_rows


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"resample": "jackknife"}, "there is no resampling 'jackknife'"),
        ({"resample": "clusters"}, "there is no resampling 'clusters'\nDid you mean 'cluster'"),
        ({"resample": "cluster"}, "resampling by cluster needs to know the clusters\nGive groups, or take 'iid'"),
        ({"resample": "iid", "groups": GROUPS}, "'iid' resampling takes every row as independent, but groups"),
        ({"resample": "residual", "groups": GROUPS}, "'residual' resampling takes every row as independent"),
        ({"resample": "wild", "objective": "pinball(0.9)"}, "which the objective 'pinball' does not treat alike"),
        ({"resample": "wild", "objective": "asymmetric(10)"}, "which the objective 'asymmetric' does not treat alike"),
    ],
)  # fmt: skip
def test_kinds_that_do_not_go_with_the_data(settings, says):
    with pytest.raises(UsageError, match=says) as caught:
        fitted(**settings)
    assert caught.value.exit_code == 2


def test_one_group_in_all_is_refused_and_two_identify_nothing():
    with pytest.raises(InputDataError, match="all rows are in one group, so there is nothing to resample"):
        fitted(groups=np.zeros(60))
    two = fitted(groups=np.arange(60) % 2, bootstrap=0)
    assert two.degrees == 1
    assert two.verdict == "not identified"
    assert any("There are only 2 groups, and fewer than 5 cannot say" in r for r in two.diagnostics.reasons)


def test_weights_that_leave_one_group_are_refused():
    with pytest.raises(InputDataError, match="all rows are in one group"):
        fitted(groups=GROUPS, weights=np.where(GROUPS == 3, 1.0, 0.0))


def test_a_choice_without_a_request():
    goal = Objective("huber")
    assert choose(None, None, goal) == "iid"
    assert choose(None, GROUPS, goal) == "cluster"
    assert choose("wild", GROUPS, goal) == "wild"
    np.testing.assert_array_equal(
        bootstrap_weights(60, 5, 3, GROUPS), Reweighted("cluster", np.ones(60), 3, GROUPS).draw(0, 5)[0]
    )
