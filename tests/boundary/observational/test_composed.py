"""The link as a law of benchmark scores: what it is called, what it says, and how it is back-tested."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scaling.boundary.observational import analyse, backtest_link, compose
from scaling.boundary.observational.composed import input_names
from scaling.errors import InputDataError

NAMES = ("MMLU", "ARC-C", "2shot", "exp")


def models(n_benchmarks: int = 4, families: int = 8) -> dict[str, Any]:
    """Six models of each family, whose scores hang on one ability, with a guess of 0.25 on the task."""
    random = np.random.default_rng(3)
    z = np.array([20.6 + 0.6 * j + 0.05 * i for i in range(families) for j in range(6)])
    ability = 1.2 * (z - 22) + 0.35 * np.repeat(np.arange(families) % 4 - 1.5, 6)
    slopes = np.linspace(0.4, 0.6, n_benchmarks)
    scores = 1 / (1 + np.exp(-np.outer(ability, slopes))) + 0.003 * random.standard_normal((len(z), n_benchmarks))
    task = 0.25 + 0.75 / (1 + np.exp(-(1.4 * ability - 0.8))) + 0.003 * random.standard_normal(len(z))
    return {
        "scores": scores,
        "task": np.clip(task, 0, 1),
        "log10_compute": z,
        "families": [f"f{i // 6}" for i in range(len(z))],
        "reference": "f0",
        "bootstrap": 0,
    }


@pytest.mark.parametrize(
    ("benchmarks", "taken", "names"),
    [
        (("MMLU", "ARC-C", "2shot"), (), ("mmlu", "arc_c", "x_2shot")),
        (("MATH", "math"), (), ("x_1", "x_2")),
        (("exp", "MMLU"), (), ("x_1", "x_2")),
        (("alpha", "MMLU"), ("alpha",), ("x_1", "x_2")),
        (("数学", "MMLU"), (), ("x_1", "x_2")),
    ],
)
def test_inputs_are_called_like_benchmarks_where_they_can(
    benchmarks: tuple[str, ...], taken: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert input_names(benchmarks, taken) == names


@pytest.mark.parametrize("objective", ["squared", "huber"])
def test_the_law_says_what_the_analysis_says(objective: str) -> None:
    data = models()
    data["scores"][3, 1] = np.nan
    made = analyse(**data, benchmarks=NAMES, cutoff_flop=4e22, chance=0.25, objective=objective)
    fit = compose(made)
    filled = made.components.imputer.apply(data["scores"])
    inputs = dict(zip(fit.law.inputs, filled.T, strict=True))
    assert tuple(inputs) == ("x_1", "x_2", "x_3", "x_4")  # exp is a function
    mean = np.asarray(fit.predict(inputs).mean)
    assert mean == pytest.approx(made.forecast.mean, abs=1e-12)
    train = made.train
    assert fit.residuals == pytest.approx((data["task"] - mean)[train], abs=1e-12)
    rho = np.abs(fit.residuals) ** 2 if objective == "squared" else np.abs(fit.residuals) ** 2 / 2
    assert fit.objective_value == pytest.approx(rho.sum(), rel=1e-12)  # residuals are far below delta
    assert fit.objective.delta == (None if objective == "squared" else 0.075)
    assert fit.support["score"] == (data["task"][train].min(), data["task"][train].max())
    record = fit.settings["observational"]
    assert (record["inputs"]["x_2"], record["imputed_cells"]) == ("ARC-C", 1)
    assert type(fit).from_dict(fit.to_dict()).law == fit.law


def test_replicates_keep_the_components_and_the_estimates() -> None:
    made = analyse(**models(), cutoff_flop=4e22, chance=0.25, n_components=1)
    bare, fit = compose(made), compose(made, bootstrap=20, seed=3)
    assert fit.estimates == bare.estimates
    assert fit.replicates.shape == (20, 3)
    assert (fit.law, fit.seed) == (bare.law, 3)
    assert np.ptp(fit.replicates[:, list(fit.law.parameter_names).index("beta1")]) > 0


def test_a_benchmark_that_never_varies_is_no_input() -> None:
    data = models()
    data["scores"][:, 2] = 0.5
    made = analyse(**data, benchmarks=("a", "b", "flat", "d"), n_components=1)
    fit = compose(made)
    assert tuple(fit.law.inputs) == ("a", "b", "d")
    rows = dict(zip(("a", "b", "flat", "d"), data["scores"].T, strict=True))
    mean = fit.predict({name: rows[name] for name in fit.law.inputs}).mean
    assert np.asarray(mean) == pytest.approx(made.forecast.mean, abs=1e-12)


def test_a_formula_that_is_too_long_is_refused() -> None:
    made = analyse(**models(20), n_components=5)
    with pytest.raises(InputDataError, match="5 components of 20 benchmarks cannot be written as a law"):
        compose(made)


def test_the_back_test_learns_from_the_small_models_alone() -> None:
    data = models()
    made = analyse(**data, n_components=1, chance=0.25)
    found = backtest_link(made, "squared", "observational", bootstrap=20, seed=1)
    assert (found.n_rows, found.axis, found.log, found.skipped) == (48, "training compute", False, ())
    assert found.factor.min() > 1
    assert np.sqrt(np.mean(found.error**2)) < 0.03
    assert np.all((found.low < found.predicted) & (found.predicted < found.high))
    # What it says of the mildest cut-off is what an analysis with that cut-off says, and the held-out scores are no
    # part of it.
    edge = found.cut.max()
    held = found.cut == edge
    apart = analyse(**data, n_components=1, chance=0.25, cutoff_flop=edge)
    assert found.predicted[held] == pytest.approx(apart.forecast.mean[found.row[held]], abs=1e-6)
    worse = {**data, "task": np.where(data["log10_compute"] > np.log10(edge) + 1e-9, 0.3, data["task"])}
    again = backtest_link(analyse(**worse, n_components=1, chance=0.25), "squared", "observational", bootstrap=0)
    assert again.predicted[again.cut == edge] == pytest.approx(found.predicted[held], abs=1e-12)
    assert np.all(np.isnan(again.low))


def test_no_back_test_without_computes_that_differ() -> None:
    data = models()
    made = analyse(**data, n_components=1)
    unknown = analyse(**{**data, "log10_compute": np.full(48, np.nan)}, n_components=1)
    assert len(backtest_link(unknown, "squared", "law")) == 0
    assert "compute" in backtest_link(unknown, "squared", "law").reason
    same = analyse(**{**data, "log10_compute": np.full(48, 22.0)}, n_components=1)
    assert "about the same compute" in backtest_link(same, "squared", "law").reason
    assert backtest_link(made, "squared", "law", bootstrap=0).n_rows == 48
