"""Resampling: weights instead of copies, whole clusters, seeds that do not depend on how many are drawn."""

import numpy as np
import pytest

import scaling
from scaling.fitting.resample import Reweighted, bootstrap_weights


def test_a_replicate_draws_as_many_rows_as_there_are():
    weights = bootstrap_weights(30, 200, seed=5)
    assert weights.shape == (200, 30)
    np.testing.assert_array_equal(weights.sum(axis=1), 30)
    np.testing.assert_array_equal(weights, weights.round())
    # Multinomial: mean 1, variance 1 - 1/n, and about 1/e of the rows left out.
    assert weights.mean() == 1
    assert weights.var() == pytest.approx(1 - 1 / 30, rel=0.05)
    assert np.mean(weights == 0) == pytest.approx((1 - 1 / 30) ** 30, rel=0.05)


def test_a_replicate_does_not_depend_on_how_many_are_drawn():
    np.testing.assert_array_equal(bootstrap_weights(20, 100, seed=1)[:10], bootstrap_weights(20, 10, seed=1))
    assert not np.array_equal(bootstrap_weights(20, 10, seed=1), bootstrap_weights(20, 10, seed=2))


def test_clusters_are_drawn_whole():
    groups = np.array([0, 0, 0, 1, 2, 2, 3, 3, 3, 3])
    weights = bootstrap_weights(10, 50, seed=0, groups=groups)
    units = np.stack([weights[:, groups == g][:, 0] for g in range(4)], axis=1)
    np.testing.assert_array_equal(weights, units[:, groups])
    np.testing.assert_array_equal(units.sum(axis=1), 4)


def test_every_row_its_own_cluster_is_the_plain_bootstrap():
    np.testing.assert_array_equal(
        bootstrap_weights(25, 40, seed=3), bootstrap_weights(25, 40, seed=3, groups=np.arange(25))
    )


def curve(n=40, seed=1, scatter=0.004):
    x = np.geomspace(1e6, 1e10, n)
    return x, (1.7 + 100 / x**0.25) * np.exp(scatter * np.random.default_rng(seed).standard_normal(n))


def fitted(x, y, **settings):
    return scaling.fit("power_floor", {"x": x}, y, **({"objective": "squared"} | settings))


def test_a_fit_with_every_row_its_own_group_is_the_plain_fit():
    x, y = curve()
    plain = fitted(x, y, bootstrap=100)
    grouped = fitted(x, y, bootstrap=100, groups=[f"run-{i:03d}" for i in range(40)])
    np.testing.assert_array_equal(grouped.replicates, plain.replicates)
    assert grouped.interval("alpha") == plain.interval("alpha")
    robust = fitted(x, y, bootstrap=0, groups=np.arange(40))
    for name, error in fitted(x, y, bootstrap=0).standard_errors.items():
        assert robust.standard_errors[name] == pytest.approx(error, rel=0.35)


@pytest.mark.parametrize("bootstrap", [0, 300])
def test_rows_that_share_their_noise_are_worth_less(bootstrap):
    x = np.repeat(np.geomspace(1e6, 1e10, 30), 8)
    runs = np.repeat(np.arange(30), 8)
    rng = np.random.default_rng(0)
    shared = 0.004 * rng.standard_normal(30)[runs] + 0.001 * rng.standard_normal(240)
    y = (1.7 + 100 / x**0.25) * np.exp(shared)
    single = fitted(x, y, bootstrap=bootstrap)
    whole = fitted(x, y, bootstrap=bootstrap, groups=runs)
    for name in single.estimates:
        assert whole.estimates[name] == single.estimates[name]
        # Eight copies of nearly the same noise count as one: the error grows by almost sqrt(8).
        assert 1.8 < whole.standard_errors[name] / single.standard_errors[name] < 3.6
    assert whole.diagnostics.groups == 30
    assert single.diagnostics.groups == 0
    assert "cluster" in whole.interval_method
    assert "cluster" not in single.interval_method


def test_labels_of_groups_may_be_anything():
    x, y = curve()
    labels = np.arange(40) % 10
    by_number = fitted(x, y, bootstrap=40, groups=labels)
    by_text = fitted(x, y, bootstrap=40, groups=[f"model {i}" for i in labels])
    by_object = fitted(x, y, bootstrap=40, groups=np.array(["zero" if i == 0 else i for i in labels], object))
    np.testing.assert_array_equal(by_number.replicates, by_text.replicates)
    assert by_object.diagnostics.groups == 10


def test_the_bootstrap_agrees_with_the_covariance_where_both_hold():
    x, y = curve(n=120)
    boot, plain = fitted(x, y, bootstrap=1500), fitted(x, y, bootstrap=0)
    for name, error in plain.standard_errors.items():
        assert boot.standard_errors[name] == pytest.approx(error, rel=0.15)
        np.testing.assert_allclose(boot.interval(name), plain.interval(name), atol=0.5 * error)


@pytest.mark.parametrize("objective", ["squared", "huber", "lad"])
def test_a_replicate_is_the_fit_of_its_rows(objective):
    x, y = curve(n=30)
    count = 3 if objective == "lad" else 20
    fit = fitted(x, y, objective=objective, bootstrap=count, seed=9)
    for i, counts in enumerate(bootstrap_weights(30, count, seed=9)):
        rows = np.repeat(np.arange(30), counts.astype(int))
        alone = fitted(x[rows], y[rows], objective=objective, bootstrap=0)
        theta = fit.replicates[i]
        r = np.log(y[rows]) - np.log(theta[0] + theta[1] / x[rows] ** theta[2])
        value = float(alone.objective.rho(r).sum())
        # Replicates of least absolute deviations stop at four digits: they describe a spread.
        digits = 2e-3 if objective == "lad" else 1e-7
        assert value <= alone.objective_value * (1 + digits)


def test_weights_of_rows_are_kept_by_the_bootstrap():
    x, y = curve()
    y[5] *= 3  # a wild row, as good as left out by its weight
    weights = np.ones(40)
    weights[5] = 1e-12
    weighed = fitted(x, y, bootstrap=200, weights=weights)
    keep = np.arange(40) != 5
    without = fitted(x[keep], y[keep], bootstrap=200)
    assert weighed.estimates == pytest.approx(without.estimates, rel=1e-6)
    for name, error in without.standard_errors.items():
        assert weighed.standard_errors[name] == pytest.approx(error, rel=0.25)


@pytest.mark.parametrize("resample", ["iid", "wild"])
@pytest.mark.parametrize("seed", [0, 4])
def test_a_replicate_does_not_depend_on_how_many_there_are(seed, resample):
    """With 14 rows some replicates have two optima, and which is met depends on what they are offered."""
    rng = np.random.default_rng(seed)
    n, d = 10 ** rng.uniform(7, 10, 14), 10 ** rng.uniform(9, 12, 14)
    y = (1.8 + 480 / n**0.35 + 2080 / d**0.37) * np.exp(0.02 * rng.standard_normal(14))
    few, many = (
        scaling.fit("chinchilla", {"N": n, "D": d}, y, bootstrap=count, resample=resample).replicates
        for count in (50, 300)
    )
    np.testing.assert_allclose(few, many[:50], rtol=1e-6, atol=1e-12)


def test_progress_is_told_to_the_end():
    x, y = curve()
    told = []
    fitted(x, y, bootstrap=150, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (150, 150)
    assert told == sorted(told)


@pytest.mark.parametrize("kind", ["iid", "dirichlet"])
def test_what_is_kept_of_a_draw_is_not_changed_by_those_who_got_it(kind):
    weights = np.linspace(0.5, 2, 12)
    first, _ = Reweighted(kind, weights, 3, None, 2).draw(5, 9)
    copy = first.copy()
    first *= 7.0
    again, _ = Reweighted(kind, weights, 3, None, 2).draw(5, 9)
    np.testing.assert_array_equal(again, copy)
    one, _ = Reweighted(kind, weights, 3, None, 2).draw(6, 7)
    np.testing.assert_array_equal(one[0], copy[1])
    other, _ = Reweighted(kind, 2 * weights, 3, None, 2).draw(5, 9)
    np.testing.assert_array_equal(other, 2 * copy)


def test_replicates_of_a_law_in_a_long_valley_all_arrive():
    # Over one decade of what is reducible, scale, exponent and both floors stand in for each other.
    x = np.sort(np.random.default_rng(0).uniform(2.6, 4.5, 80))
    y = (0.7 * x**1.2 + 0.35) * np.exp(0.005 * np.random.default_rng(1).standard_normal(80))
    fit = scaling.fit("shifted_power", {"x": x}, y, objective="squared", residual="linear", bootstrap=200)
    assert fit.diagnostics.replicates_converged == 1.0
    # No replicate can be lowered by its linear parameters, nor by giving up a floor.
    draws, _ = Reweighted("iid", np.ones(80), 0, None).draw(0, 200)
    for (k, e_x, kappa, e_y), w in zip(fit.replicates, draws, strict=True):
        found = np.sum(w * (y - k * (x - e_x) ** kappa - e_y) ** 2)
        root = np.sqrt(w)
        for floor in (e_x, 0.0):
            columns = np.column_stack([(x - floor) ** kappa, np.ones(80)]) * root[:, None]
            best, *_ = np.linalg.lstsq(columns, y * root, rcond=None)
            if best[0] > 0 and 0 <= best[1] <= y.min():
                assert found <= np.sum((y * root - columns @ best) ** 2) * (1 + 1e-6)
