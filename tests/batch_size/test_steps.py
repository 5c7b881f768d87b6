"""The curve of steps: recovery, coverage, and what cannot be fitted."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.batch_size import fit_steps
from scaling.errors import InputDataError, UsageError
from scaling.results import Fit

B = 2.0 ** np.arange(6, 15)
TRUE_A, TRUE_B = 2000.0, 1.1e7


def noisy(rng, sigma=0.05, batch=B):
    return (TRUE_A + TRUE_B / batch) * np.exp(sigma * rng.standard_normal(len(batch)))


def test_exact_steps_give_the_law_back():
    s = fit_steps(B, TRUE_A + TRUE_B / B, bootstrap=0, unit="sequences")
    assert s.estimates["a"] == pytest.approx(TRUE_A, rel=1e-9)
    assert s.estimates["b"] == pytest.approx(TRUE_B, rel=1e-9)
    assert s.critical_batch().estimate == pytest.approx(5500, rel=1e-9)
    assert s.critical_batch(overhead=0.2, anchor=256).estimate == pytest.approx(1407.2, rel=1e-9)


def test_it_is_the_engines_least_squares_of_logarithms():
    steps = noisy(np.random.default_rng(0))
    s = fit_steps(B, steps, bootstrap=200, seed=4)
    plain = scaling.fit(
        "steps_to_target", {"B": B}, steps, objective="squared", resample="residual", bootstrap=200, seed=4
    )
    assert s.estimates == plain.estimates
    assert np.array_equal(s.fit.replicates, plain.replicates)
    assert s.sigma == pytest.approx(np.sqrt(np.sum(plain.residuals**2) / 7))


@pytest.mark.parametrize(("form", "more"), [("steps_to_target_power", 1.07), ("steps_to_target_sharp", 1.5)])
def test_the_other_forms_give_themselves_back(form, more):
    steps = TRUE_A + TRUE_B / B**more
    if form == "steps_to_target_sharp":
        steps = TRUE_A * (1 + (TRUE_B / (TRUE_A * B)) ** more) ** (1 / more)
    s = fit_steps(B, steps, bootstrap=0, form=form)
    assert s.fit.theta == pytest.approx([TRUE_A, TRUE_B, more], rel=1e-6)


def test_the_fit_round_trips_and_keeps_what_a_critical_batch_size_needs():
    s = fit_steps(B, noisy(np.random.default_rng(1)), bootstrap=100, unit="sequences")
    again = Fit.from_json(s.fit.to_json())
    assert again == s.fit
    from scaling.batch_size import critical_batch_of

    for method in ("fieller", "delta", "bootstrap"):
        assert critical_batch_of(again, 0.2, 256, method=method) == s.critical_batch(0.2, 256, method=method)


def test_what_a_command_prints_is_plain():
    s = fit_steps(B, noisy(np.random.default_rng(1)), bootstrap=0, unit="sequences")
    table = json.loads(json.dumps(s.to_dict(), allow_nan=False))
    assert table["unit"] == "sequences"
    assert table["rows"][0] == {"batch": 64.0, "steps": pytest.approx(float(s.steps[0])), "censored": False}
    assert table["critical_batch"]["estimate"] == pytest.approx(s.critical_batch().estimate)
    assert "critical batch size" in repr(s)
    assert "sequences" in repr(s)


def test_mixed_units_are_fitted_in_tokens_with_a_context_length():
    steps = TRUE_A + TRUE_B / B
    unit = ["sequences"] * 4 + ["tokens"] * 5
    given = np.where(np.arange(9) < 4, B, B * 512)
    s = fit_steps(given, steps, bootstrap=0, unit=unit, context_length=512)
    assert s.unit == "tokens"
    assert s.critical_batch().estimate == pytest.approx(5500 * 512, rel=1e-8)


def test_intervals_cover():
    """90 % intervals of b/a held the truth in 88 to 93 % of 400 sweeps when this was written."""
    rng, count = np.random.default_rng(7), 120
    held = {"fieller": 0, "delta": 0}
    for _ in range(count):
        s = fit_steps(B, noisy(rng), bootstrap=0)
        for method in held:
            found = s.critical_batch(method=method)
            held[method] += found.low <= TRUE_B / TRUE_A <= found.high
    for method, hits in held.items():
        assert 0.82 <= hits / count <= 0.97, method


def test_percentiles_are_widened_for_few_rows():
    s = fit_steps(B, noisy(np.random.default_rng(2)), bootstrap=1000)
    found = s.critical_batch(method="bootstrap")
    ratio = s.fit.replicates[:, 1] / s.fit.replicates[:, 0]
    low, high = np.quantile(ratio, [0.05, 0.95])
    assert found.low < low < high < found.high
    assert "widened for 7 degrees of freedom" in found.method


def test_seeds_of_the_bootstrap_are_kept():
    steps = noisy(np.random.default_rng(3))
    one, other = (fit_steps(B, steps, bootstrap=50, seed=seed) for seed in (1, 2))
    assert one.fit.seed == 1
    assert not np.array_equal(one.fit.replicates, other.fit.replicates)
    assert np.array_equal(one.fit.replicates, fit_steps(B, steps, bootstrap=50, seed=1).fit.replicates)


@pytest.mark.parametrize(
    ("batch", "steps", "message"),
    [
        ([256] * 5, [100, 101, 99, 100, 102], "all rows have one batch size"),
        ([256, 512, 256], [100, 60, 101], "2 different batch sizes"),
        ([64, 128, 256], [100, 60, 0], "steps are 0 in row 2"),
        ([64, 128, 256], [100, 60, np.nan], "steps are nan in row 2"),
        ([64, 128, 256], [100, 60], "shape"),
        ([64, 128, -256], [100, 60, 40], "batch size is -256 in row 2"),
        ([64, 128, 256, 262144, 524288, 1048576], [9, 8, 7, 6, 5, 4], "look like sequences"),
        ([64, 128, 256], ["a", "b", "c"], "not a number"),
    ],
)
def test_what_cannot_be_fitted_is_said(batch, steps, message):
    with pytest.raises(InputDataError, match=message) as caught:
        fit_steps(batch, steps)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("mark", ["no", 2, np.nan, pd.NA, None])
def test_a_mark_of_censoring_is_yes_or_no(mark):
    with pytest.raises(InputDataError, match="says yes or no"):
        fit_steps([64, 128, 256, 512], [100, 60, 40, 30], pd.Series([False, mark, False, False], dtype=object))


def test_three_parameters_need_four_batch_sizes():
    with pytest.raises(InputDataError, match="3 different batch sizes"):
        fit_steps([64, 128, 256], [100, 60, 40], form="steps_to_target_power")


@pytest.mark.parametrize(
    "settings",
    [
        {"form": "hyperbola"},
        {"bootstrap": 1},
        {"bootstrap": -3},
        {"seed": 1.5},
        {"unit": "images"},
        {"unit": 3},
        {"unit": ["sequences", "tokens"] * (len(B) // 2) + ["tokens"] * (len(B) % 2), "context_length": "512"},
    ],
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(UsageError):
        fit_steps(B, TRUE_A + TRUE_B / B, **settings)
