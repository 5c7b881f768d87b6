"""Each finding behind a verdict, shown by data that have it, and absent from data that do not."""

import dataclasses

import numpy as np
import pytest

import scaling
from scaling.errors import VerdictError

TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


def loss(n, d):
    return TRUTH["E"] + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / d ** TRUTH["beta"]


def cross(sizes=6, lengths=6):
    n, d = np.meshgrid(np.geomspace(1e7, 1e10, sizes), np.geomspace(2e8, 2e12, lengths))
    return n.ravel(), d.ravel()


def noise(n, seed=0, scatter=0.003):
    return np.exp(scatter * np.random.default_rng(seed).standard_normal(n))


def chinchilla(n, d, y, **settings):
    return scaling.fit("chinchilla", {"N": n, "D": d}, y, **({"objective": "squared", "bootstrap": 0} | settings))


@pytest.mark.parametrize("objective", ["squared", "huber", "lad"])
@pytest.mark.parametrize("scatter", [0, 0.003])
def test_a_good_design_is_ok(objective, scatter):
    n, d = cross()
    fit = chinchilla(n, d, loss(n, d) * noise(36, scatter=scatter), objective=objective, bootstrap=50)
    assert fit.verdict == "ok"
    assert fit.diagnostics.reasons == ()
    flags = ("converged", "enough_rows", "well_conditioned", "optimum_is_repeatable", "residuals_unstructured",
             "bootstrap_sound", "enough_groups")  # fmt: skip
    assert all(getattr(fit.diagnostics, flag) is True for flag in flags)
    assert fit.diagnostics.at_bound == fit.diagnostics.constant_inputs == fit.diagnostics.wide == ()


@pytest.mark.parametrize("constant", ["N", "D"])
def test_all_runs_at_one_size_identify_nothing(constant):
    n, d = cross()
    n, d = (np.full(36, 1e9), d) if constant == "N" else (n, np.full(36, 1e11))
    fit = chinchilla(n, d, loss(n, d) * noise(36))
    assert fit.verdict == "not identified"
    assert fit.diagnostics.constant_inputs == (constant,)
    assert f"All rows have the same {constant}, so its effect cannot be seen." in fit.diagnostics.reasons


def test_one_ratio_of_tokens_to_parameters_is_never_ok():
    n = np.geomspace(1e8, 1e10, 12)
    verdicts = [chinchilla(n, 20 * n, loss(n, 20 * n) * noise(12, seed)).verdict for seed in range(12)]
    assert "ok" not in verdicts
    assert "not identified" in verdicts


@pytest.mark.parametrize(("rows", "enough"), [(8, False), (9, True)])
def test_too_few_rows(rows, enough):
    n, d = (v[np.linspace(0, 35, rows).round().astype(int)] for v in cross())
    fit = chinchilla(n, d, loss(n, d) * noise(rows))
    assert fit.diagnostics.enough_rows is enough
    assert ("There are too few rows: at most 3 more than parameters." in fit.diagnostics.reasons) is not enough
    assert (fit.verdict == "not identified") is not enough


def test_as_many_rows_as_parameters_leave_nothing_to_judge_by():
    n, d = (v[[0, 5, 14, 20, 33]] for v in cross())
    fit = chinchilla(n, d, loss(n, d))
    assert fit.verdict == "not identified"
    assert np.isnan(list(fit.standard_errors.values())).all()
    forced = fit.predict({"N": 1e9, "D": 1e11}, force=True)
    assert forced.mean == pytest.approx(loss(1e9, 1e11), rel=1e-6)
    assert np.isnan([forced.low, forced.high]).all()


def test_a_forecast_needs_force_where_nothing_is_identified():
    n, d = np.full(36, 1e9), cross()[1]
    fit = chinchilla(n, d, loss(n, d) * noise(36))
    with pytest.raises(VerdictError) as caught:
        fit.predict({"N": 1e11, "D": 2e12})
    assert caught.value.exit_code == 1
    assert caught.value.message == (
        "the law 'chinchilla' is not identified by its 36 rows, so it forecasts nothing. "
        "All rows have the same N, so its effect cannot be seen."
    )
    assert "--force" in caught.value.hint
    forced = fit.predict({"N": 1e9, "D": 1e11}, force=True)
    assert forced.verdict == "not identified"
    assert forced.mean == pytest.approx(loss(1e9, 1e11), rel=0.01)
    assert np.isnan([forced.low, forced.high]).all()


def test_a_parameter_at_its_bound():
    n, d = cross()
    y = (loss(n, d) - TRUTH["E"] - 0.01) * noise(36)  # the best floor would be below zero
    fit = chinchilla(n, d, y, bootstrap=60)
    assert fit.verdict == "weak"
    assert fit.diagnostics.at_bound == ("E",)
    assert fit.estimates["E"] == 0
    assert "A bound holds E; its error is not known." in fit.diagnostics.reasons
    assert not fit.diagnostics.bootstrap_sound
    assert 0.1 < fit.diagnostics.replicates_at_bound <= 1
    plain = chinchilla(n, d, y)
    assert np.isnan(plain.interval("E")).all()
    assert np.isfinite(plain.interval("alpha")).all()


def test_the_wrong_shape_leaves_a_trend():
    x = np.geomspace(1e6, 1e10, 40)
    straight = scaling.fit("power", {"x": x}, (1.7 + 100 / x**0.25) * noise(40), objective="squared", bootstrap=0)
    assert straight.verdict == "weak"
    assert straight.diagnostics.structure_p < 1e-6
    assert "The residuals show a trend that chance would not leave" in straight.diagnostics.reasons[0]
    right = scaling.fit("power_floor", {"x": x}, (1.7 + 100 / x**0.25) * noise(40), objective="squared", bootstrap=0)
    assert right.diagnostics.structure_p > 1e-3


def test_the_trend_test_does_not_cry_wolf():
    n, d = cross()
    p = [
        chinchilla(n, d, loss(n, d) * noise(36, seed), start=TRUTH).diagnostics.structure_p for seed in range(200)
    ]  # fmt: skip
    assert min(p) > 1e-4
    assert np.mean(np.array(p) < 0.05) <= 0.1


def test_a_narrow_range_is_wide_or_at_a_bound():
    x = np.geomspace(1e8, 2e8, 20)
    fit = scaling.fit(
        "power_floor", {"x": x}, (2 + 100 / x**0.25) * noise(20, scatter=0.01), objective="squared", bootstrap=0
    )
    assert fit.verdict != "ok"
    assert fit.diagnostics.at_bound or fit.diagnostics.wide


def test_one_compute_budget_widens_the_intervals():
    n = np.geomspace(1e7, 1e10, 36)
    d = 1e20 / 6 / n
    for seed in range(5):
        budget = chinchilla(n, d, loss(n, d) * noise(36, seed))
        spread = chinchilla(*cross(), loss(*cross()) * noise(36, seed))
        for name in TRUTH:
            assert not np.diff(budget.interval(name)) < 4 * np.diff(spread.interval(name))


@pytest.mark.parametrize(("groups", "enough"), [(7, False), (9, True)])
def test_few_groups(groups, enough):
    n, d = cross()
    fit = chinchilla(n, d, loss(n, d) * noise(36), groups=np.arange(36) % groups)
    assert fit.diagnostics.groups == groups
    assert fit.diagnostics.enough_groups is enough
    reason = f"There are only {groups} groups to resample; intervals from so few are too narrow."
    assert (reason in fit.diagnostics.reasons) is not enough


def test_an_optimum_that_one_start_alone_found_is_not_trusted():
    x = np.linspace(0, 6, 60)
    y = 2 + np.sin(7.3 * x) * noise(60, scatter=0.1)
    fit = scaling.fit("a + b*sin(w*x)", {"x": x}, y, objective="squared", residual="linear", bootstrap=0)
    found = fit.diagnostics.starts_at_optimum
    assert fit.diagnostics.starts > 1
    assert fit.diagnostics.optimum_is_repeatable is (found > 1)
    lone = scaling.fit("a + b*sin(w*x)", {"x": x}, y, objective="squared", residual="linear", bootstrap=0,
                       start=[{"a": 2, "b": 1, "w": w} for w in (7.3, 0.5, 20.0)])  # fmt: skip
    assert lone.diagnostics.starts_at_optimum == 1
    assert lone.verdict == "weak"
    assert "Only one of 3 starts reached the optimum; there may be a better one." in lone.diagnostics.reasons


def test_one_start_asked_for_is_no_fault():
    n, d = cross()
    fit = chinchilla(n, d, loss(n, d) * noise(36), start=TRUTH)
    assert (fit.diagnostics.starts, fit.diagnostics.starts_at_optimum) == (1, 1)
    assert fit.verdict == "ok"


def test_redundant_parameters_are_found():
    x = np.linspace(1, 20, 25)
    y = (1 + 2 * x) * noise(25)
    fit = scaling.fit("a + b + c*x", {"x": x}, y, objective="squared", bootstrap=0)
    assert fit.verdict == "not identified"
    assert fit.diagnostics.condition_number > 1e7
    assert fit.evaluate({"x": 10.0})[0, 0] == pytest.approx(21, rel=0.01)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "ok"),
        ({"structure_p": 0.99e-4}, "weak"), ({"structure_p": 1.01e-4}, "ok"), ({"structure_p": np.nan}, "ok"),
        ({"condition_number": 1.01e7}, "not identified"), ({"condition_number": 0.99e7}, "ok"),
        ({"condition_number": np.inf}, "not identified"), ({"condition_number": np.nan}, "not identified"),
        ({"starts": 24, "starts_at_optimum": 1}, "weak"), ({"starts": 24, "starts_at_optimum": 2}, "ok"),
        ({"starts": 1, "starts_at_optimum": 1}, "ok"),
        ({"replicates_converged": 0.979, "replicates_at_bound": 0.0}, "weak"),
        ({"replicates_converged": 0.981, "replicates_at_bound": 0.1}, "ok"),
        ({"replicates_converged": 1.0, "replicates_at_bound": 0.101}, "weak"),
        ({"groups": 7}, "weak"), ({"groups": 8}, "ok"),
        ({"converged": False}, "weak"), ({"wide": ("E",)}, "weak"), ({"at_bound": ("E",)}, "weak"),
        ({"enough_rows": False}, "not identified"), ({"constant_inputs": ("N",)}, "not identified"),
        ({"converged": False, "enough_rows": False}, "not identified"),
    ],
)  # fmt: skip
def test_the_limits_of_the_findings(change, verdict):
    n, d = cross()
    fit = chinchilla(n, d, loss(n, d) * noise(36), start=TRUTH)
    changed = dataclasses.replace(fit.diagnostics, **change)
    assert changed.verdict == verdict
    assert bool(changed.reasons) is (verdict != "ok")
