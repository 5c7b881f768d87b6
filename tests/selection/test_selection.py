"""Choosing a law by its largest runs held out: known truths, ties, weights, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError
from scaling.results import Fit
from scaling.selection.scores import ROUNDING, Errors, compare, scatter, tied, weigh

FAST = {"objectives": ("squared",), "trims": ("none",), "bootstrap": 0}


def grid(sizes=8, lengths=7):
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(2e7, 4e9, sizes), np.geomspace(4e8, 2e11, lengths)))
    return {"N": n, "D": d}


def noisy(truth, noise=0.002, seed=0):
    return truth * np.exp(noise * np.random.default_rng(seed).standard_normal(len(truth)))


def chinchilla(x):
    return 1.7 + 400 / x["N"] ** 0.34 + 1100 / x["D"] ** 0.28


def skaling(x):
    return 1.7 + 60 * (x["N"] ** -0.5 + 3 * x["D"] ** -0.5) ** 0.6


@pytest.fixture(scope="module")
def coupled():
    x = grid()
    return scaling.select(["chinchilla", "skaling", "multiplicative"], x, noisy(skaling(x)), **FAST)


def test_coupled_data_choose_the_coupled_law(coupled):
    assert coupled.best.law.name == "skaling"
    assert coupled.best.estimates["k"] == pytest.approx(0.6, abs=0.1)
    assert coupled.weights["skaling"] > 0.9


@pytest.mark.slow
def test_separable_data_choose_the_separable_law_though_a_wider_one_fits_better():
    x = grid(9, 8)
    chosen = []
    for seed in range(4):
        loss = noisy(chinchilla(x), 0.003, seed=seed)
        chosen.append(scaling.select(["skaling", "chinchilla"], x, loss, **FAST).best.law.name)
        fits = {law: scaling.fit(law, x, loss, objective="squared", bootstrap=0) for law in ("chinchilla", "skaling")}
        assert fits["skaling"].objective_value < fits["chinchilla"].objective_value  # in the sample it always does
    # Ties are within half a standard error, so now and then a wider law wins by chance.
    assert chosen.count("chinchilla") >= 3


def test_a_run_too_small_to_obey_the_law_is_trimmed():
    x = grid(10, 8)
    compute = 6 * x["N"] * x["D"]
    bend = 1 + 0.08 * (compute < np.quantile(compute, 0.4)) * np.log10(np.quantile(compute, 0.4) / compute)
    made = scaling.select(["chinchilla"], x, noisy(chinchilla(x) * bend), objectives=("squared",), bootstrap=0)
    assert made.candidates[0].trim == "smallest 50 %"
    assert made.best.n_obs == 40
    assert made.best.settings["trim"] == "smallest 50 %"
    assert made.best.backtest is not None
    assert made.best.backtest.trim == "smallest 50 %"
    assert made.best.backtest.n_rows == 80


def test_the_table_is_ranked_and_complete(coupled):
    table = coupled.table
    assert list(table.columns) == [
        "rank", "law", "objective", "trim", "n_params", "score", "bias", "coverage", "ratio", "se", "cuts", "verdict",
        "weight", "reason",
    ]  # fmt: skip
    assert len(table) == 3
    assert table["rank"].tolist() == [1, 2, 3]
    first = table.iloc[0]
    assert (first["law"], first["verdict"], first["n_params"], first["ratio"]) == ("skaling", "chosen", 6, 1.0)
    assert (table["ratio"].iloc[1:] > 1).all()
    assert 0 <= first["coverage"] <= 1
    assert table["weight"].sum() == pytest.approx(1)
    assert sum(coupled.weights.values()) == pytest.approx(1)


def test_the_best_fit_carries_its_back_test_and_its_rivals(coupled):
    best = coupled.best
    assert best.backtest is not None
    assert best.backtest.law == "skaling"
    assert {r.law.name for r in best.rivals} == {"chinchilla", "multiplicative"}
    assert sum(r.weight for r in best.rivals) + coupled.weights["skaling"] == pytest.approx(1)
    assert Fit.from_json(best.to_json()) == best
    p = best.predict({"N": 2e10, "D": 1e12}, level=0.9, force=True)
    assert set(p.parts) == {"parameters", "noise", "form", "back-test"}
    text = repr(coupled)
    assert "skaling" in text
    assert "6*N*D" in text


def test_a_rival_that_the_rows_do_not_determine_has_no_say():
    """Two constants of which only the sum is seen: as good a forecast as the plain law, and not identified."""
    x = {"x": np.geomspace(1e6, 1e10, 60)}
    y = noisy(1.7 + 100 / x["x"] ** 0.25, 0.003)
    made = scaling.select(["power_floor", "E + F + A/x**alpha"], x, y, **FAST)
    assert made.best.law.name == "power_floor"
    assert made.weights == {"power_floor": 1.0, "formula": 0.0}
    assert made.best.rivals == ()
    [refused] = [c for c in made.candidates if c.law.name == "formula"]
    assert refused.verdict == "refused"
    assert refused.reason.startswith("all rows do not determine it: Some combination of parameters leaves the fit un")


def test_a_law_that_cannot_be_tried_is_in_the_table_with_the_reason():
    x = {k: v[:11] for k, v in grid(11, 1).items()}
    x["D"] = np.geomspace(1e9, 1e10, 11) * np.tile([1.0, 3.0], 6)[:11]
    made = scaling.select(["multiplicative", "farseer"], x, noisy(chinchilla(x)), **FAST)
    table = made.table.set_index("law")
    assert table.loc["farseer", "verdict"] == "refused"
    assert "11 rows are left for the 9 parameters" in table.loc["farseer", "reason"]
    assert table.loc["farseer", "weight"] == 0
    assert made.weights == {"multiplicative": 1.0, "farseer": 0.0}


def test_held_out_runs_do_not_touch_the_refits_that_they_score():
    x = grid()
    loss = noisy(skaling(x))
    from scaling.fitting.objective import Objective
    from scaling.fitting.rollout import find_axis, find_cuts
    from scaling.laws.book import find_law
    from scaling.selection.select import _candidates

    law = find_law("chinchilla")
    axis = find_axis(law, x)
    cuts = find_cuts(axis.values, np.arange(len(loss)))
    secret, units = axis.values > cuts[0].edge * 1.001, np.arange(len(loss))
    halved = np.where(secret, 0.5 * loss, loss)
    [one] = _candidates(law, x, loss, axis, units, cuts, [Objective.parse("squared")], ["none"])
    [two] = _candidates(law, x, halved, axis, units, cuts, [Objective.parse("squared")], ["none"])
    assert one.errors is not None
    assert two.errors is not None
    # Halved outcomes move every error of the mildest cut-off by ln 2, because its forecasts stay.
    assert two.errors.bias[0] - one.errors.bias[0] == pytest.approx(np.log(2), rel=1e-9)


def test_the_choice_is_the_same_every_time():
    x = grid()
    loss = noisy(chinchilla(x))
    names = ["chinchilla", "multiplicative"]
    one = scaling.select(names, x, loss, objectives=("huber",), trims=("none",), bootstrap=30, seed=4)
    two = scaling.select(names, x, loss, objectives=("huber",), trims=("none",), bootstrap=30, seed=4)
    assert one.best == two.best
    assert one.table.equals(two.table)
    other = scaling.select(names, x, loss, objectives=("huber",), trims=("none",), bootstrap=30, seed=5)
    assert other.table["score"].tolist() == one.table["score"].tolist()
    assert not np.array_equal(other.best.replicates, one.best.replicates)


def test_formulas_of_one_name_are_told_apart():
    x = {"x": np.geomspace(1, 1e5, 40)}
    y = 2 + 5 / x["x"] ** 0.4
    made = scaling.select(["a/x**b", "e + a/x**b"], x, y, **FAST)
    assert made.best.law.formula == "e + a/x**b"
    assert set(made.weights) == {"formula_1", "formula_2"}


@pytest.mark.slow
def test_one_bad_run_does_not_drown_the_difference_between_laws():
    random = np.random.default_rng(7)
    n = np.repeat(np.geomspace(5e7, 2e9, 8), 8)
    d = n * np.tile(np.geomspace(2, 150, 8), 8) * np.exp(random.normal(0, 0.05, 64))
    n, k = n * np.exp(random.normal(0, 0.02, 64)), 0.45
    loss = (1.7 + ((400 / n**0.34) ** (1 / k) + (1500 / d**0.33) ** (1 / k)) ** k) * np.exp(random.normal(0, 0.003, 64))
    loss[0] *= 1.5
    x = {"N": n, "D": d}
    made = scaling.select(["chinchilla", "skaling"], x, loss, objectives="huber", trims="none", bootstrap=0)
    assert made.best.law.name == "skaling"
    table = made.table.set_index("law")
    assert table.loc["chinchilla", "verdict"] == "worse"
    assert table.loc["chinchilla", "ratio"] > 1.3
    assert made.weights["skaling"] > 0.95


def test_the_scatter_is_that_of_most_runs():
    normal = 0.003 * np.random.default_rng(0).standard_normal(20000)
    assert scatter(normal) == pytest.approx(0.003, rel=0.03)
    assert scatter(np.array([0.001, -0.001, 0.002, 5.0, np.nan])) == pytest.approx(1.4826 * 0.0015)
    assert scatter(np.zeros(5)) == scatter(np.full(3, np.nan)) == ROUNDING


@pytest.mark.parametrize("exact", ["a law of the family", "a constant"])
def test_exact_data_go_to_the_defaults_and_weights_add_up(exact):
    x = grid()
    loss = chinchilla(x) if exact == "a law of the family" else np.full(len(x["N"]), 3.0)
    made = scaling.select(["chinchilla", "gadre"], x, loss, bootstrap=0)  # warnings are errors here
    first = made.candidates[0]
    assert (first.trim, first.objective.name) == ("none", "huber")
    assert sum(made.weights.values()) == pytest.approx(1)
    if exact == "a law of the family":
        assert first.law.name == "chinchilla"
        assert made.weights["chinchilla"] > 0.999
    else:
        assert made.best.verdict == "not identified"
    assert made.best.backtest is not None
    assert made.best.backtest.inside[np.isfinite(made.best.backtest.low)].all()


def test_lone_texts_and_equal_laws_count_as_one():
    x = grid()
    loss = noisy(chinchilla(x))
    made = scaling.select(["chinchilla", "chinchilla"], x, loss, objectives="squared", trims="none", bootstrap=0)
    assert len(made.candidates) == 1
    assert made.weights == {"chinchilla": 1.0}
    assert str(made.best.objective) == "squared on log residuals"


def test_laws_of_different_inputs_are_refused_with_what_would_do():
    with pytest.raises(UsageError, match="'kaplan_n' and 'kaplan_d' have different inputs") as refused:
        scaling.select("kaplan", grid(), chinchilla(grid()), **FAST)
    assert refused.value.hint is not None
    assert "kaplan_n (of N); kaplan_d (of D)" in refused.value.hint
    assert "compute_optimal" in refused.value.hint


def test_each_trimming_finds_its_own_optimum():
    """Every candidate of the table reaches what a search from the screen of its own rows finds."""
    from scaling.fitting.checks import Rows, bounds_of, make_problem, ranges
    from scaling.fitting.objective import Objective
    from scaling.fitting.rollout import find_axis, find_cuts, refit, screened, trimmed
    from scaling.laws.book import find_law
    from scaling.selection.select import TRIMS, _candidates

    law, x = find_law("chinchilla"), grid()
    loss = noisy(skaling(x), 0.004, seed=5)
    axis, goals = find_axis(law, x), [Objective.parse("huber"), Objective.parse("squared")]
    cuts = find_cuts(axis.values, np.arange(len(loss)))[:1]
    for c in _candidates(law, x, loss, axis, np.arange(len(loss)), cuts, goals, TRIMS):
        keep = trimmed(c.trim, axis.values, loss)
        some = {k: v[keep] for k, v in x.items()}
        rows = Rows(some, loss[keep], np.ones(keep.sum()), None)
        problem = make_problem(law, rows, c.objective, bounds_of(law, ranges(law, rows)))
        own = refit(law, some, loss[keep], c.objective, screened(law, some, loss[keep], c.objective))
        assert c.theta is not None
        assert own is not None
        both = problem.kernel.to_internal(np.array([c.theta, own]))
        found, sought = problem.values(both, np.ones((2, keep.sum())))
        assert found <= sought * (1 + 1e-4)


def errors(*squares, near=(0.5, 0.25, 0.1), cuts=(0, 1, 2)):
    near = np.array(near[: len(squares)])
    return Errors(tuple(cuts[: len(squares)]), np.array(squares), np.zeros(len(squares)), near)


def test_candidates_are_compared_cut_by_cut():
    one, other = errors(4e-4, 1e-4, 9e-4), errors(1e-4, 1e-4, 1e-4)
    weight = np.sqrt([0.5, 0.25, 0.1])
    difference, error, shared = compare(one, other, 0.0)
    ratio = np.array([np.log(2), 0, np.log(3)])
    assert difference == pytest.approx(weight @ ratio / weight.sum(), rel=1e-12)
    effective = weight.sum() ** 2 / (weight @ weight)
    by_hand = np.sqrt(weight @ (ratio - difference) ** 2 / weight.sum() / (effective - 1))
    assert error == pytest.approx(by_hand, rel=1e-12)
    assert shared == 1
    few, _, share = compare(errors(4e-4), other, 0.0)
    assert few == pytest.approx(np.log(2))
    assert share == pytest.approx(weight[0] / weight.sum())
    assert np.isnan(compare(errors(1e-4, cuts=(7,)), other, 0.0)[0])
    # Far below the scatter of single runs nothing can be told apart.
    assert abs(compare(one, other, 1.0)[0]) < 1e-3


def test_ties_are_small_or_within_half_a_standard_error():
    assert tied(0.019, float("nan"))
    assert not tied(0.021, float("nan"))
    assert tied(0.09, 0.2)
    assert not tied(0.11, 0.2)


def test_weights_fall_with_the_error_and_refused_ones_have_none():
    weights = weigh(np.array([0.0, 0.1, np.nan]))
    assert weights.sum() == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(np.exp(-1.6))
    assert weights[2] == 0


def test_bad_input_is_refused_with_the_reason():
    x = grid()
    loss = chinchilla(x)
    with pytest.raises(InputDataError, match=r"no runs can be held out: all runs have about the same 6\*N\*D"):
        scaling.select(["chinchilla"], {"N": x["N"], "D": 1e19 / x["N"]}, loss, **FAST)
    few = {k: v[:7] for k, v in x.items()}
    with pytest.raises(InputDataError, match="no law can be held against held-out runs"):
        scaling.select(["chinchilla"], few, loss[:7], **FAST)
    with pytest.raises(UsageError, match="different inputs"):
        scaling.select(["chinchilla", "power"], x, loss, **FAST)
    with pytest.raises(UsageError, match="no law to choose"):
        scaling.select([], x, loss, **FAST)
    with pytest.raises(UsageError, match="no trimming"):
        scaling.select(["chinchilla"], x, loss, trims=("none", "worst"), bootstrap=0)
    with pytest.raises(UsageError, match="no objective or no trimming"):
        scaling.select(["chinchilla"], x, loss, objectives=())


def clusters(decades=(0, 1, 2), rows=(20, 20, 60), seed=0):
    """Checkpoints of a few runs that differ from each other by far more than their own checkpoints do."""
    random = np.random.default_rng(seed)
    x = np.concatenate([np.geomspace(10.0**d, 8 * 10.0**d, n) for d, n in zip(decades, rows, strict=True)])
    which = np.repeat(np.arange(len(rows)), rows)
    level = 0.015 * random.standard_normal(len(rows))
    return x, (2 + 3 / x**0.5) * np.exp(level[which] + 0.001 * random.standard_normal(len(x))), which


def test_a_trimming_that_leaves_one_cluster_is_refused_with_the_reason():
    x, y, which = clusters()
    with pytest.raises(InputDataError, match="power_floor: one cluster is left, and its rows are not independent"):
        scaling.select(
            ["power_floor"], {"x": x}, y, groups=which, trims="smallest 50 %", objectives="squared", bootstrap=0
        )
    made = scaling.select(
        ["power_floor"], {"x": x}, y, groups=which, trims=("none", "smallest 50 %"), objectives="squared", bootstrap=50
    )
    table = made.table.set_index("trim")
    assert table.loc["smallest 50 %", "verdict"] == "refused"
    assert table.loc["smallest 50 %", "reason"].startswith("one cluster is left")
    assert made.candidates[0].trim == "none"
    assert made.best.diagnostics.groups == 3
    assert "cluster bootstrap" in made.best.interval_method
    # Of the two cut-offs, the one that leaves a single cluster is no more scored than it is back-tested.
    assert made.candidates[0].errors is not None
    assert len(made.candidates[0].errors.cuts) == 1
    assert made.best.backtest is not None
    assert [reason[:19] for _, reason in made.best.backtest.skipped] == ["one cluster is left"]


def test_clusters_that_reach_equally_far_are_no_runs_of_the_same_size():
    x = np.tile(np.geomspace(1, 1000, 20), 4)
    with pytest.raises(InputDataError, match="no runs can be held out: all clusters reach about the same x"):
        scaling.select(["power_floor"], {"x": x}, 2 + 3 / x**0.5, groups=np.repeat(np.arange(4), 20), **FAST)


def test_a_law_that_falls_through_zero_is_not_scored_without_its_worst_forecasts():
    x = np.linspace(1, 100, 80)
    y = noisy(10 / (1 + x / 60) ** 1.2, 0.003)
    made = scaling.select(["a - b*x", "a/(1 + x/b)**c"], {"x": x}, y, **FAST)
    table = made.table.set_index("law")
    assert made.best.law.formula == "a/(1 + x/b)**c"
    assert table.loc["formula_1", "verdict"] == "refused"
    line = next(c for c in made.candidates if c.law.name == "formula_1")
    assert line.failed
    assert 0 not in line.failed  # from the mildest cut-off even the line stays above 0
    shared = len(set(line.failed) & set(made.candidates[0].errors.cuts))
    assert shared == 3
    assert table.loc["formula_1", "reason"] == (
        f"its forecasts are not all above 0 at {shared} cut-offs where those of formula_2 are"
    )
    assert made.weights == {"formula_1": 0.0, "formula_2": 1.0}
    bent = noisy(np.maximum(10 - 0.2 * x, 0) + np.exp(-x / 100) + 0.5, 0.01)
    with pytest.raises(InputDataError, match="at no cut-off are all its forecasts above 0"):
        scaling.select(["a - b*x"], {"x": x}, bent, **FAST)


@pytest.mark.slow
def test_intervals_cover_when_every_law_on_offer_is_wrong():
    """The truth mixes two power laws of the data; 90 % intervals of forecasts 20 times beyond must still hold."""
    inside, without = [], []
    for seed in range(40):
        random = np.random.default_rng(seed)
        x = grid(7, 6)
        a, b, mix = random.uniform(0.25, 0.4), random.uniform(0.22, 0.36), random.uniform(0.02, 0.2)

        def truth(n, d, a=a, b=b, mix=mix):
            return 1.6 + 0.45 * (3e8 / n) ** a + 0.5 * (1e10 / d) ** b + mix * (1e9 / np.sqrt(n * d)) ** 0.12

        loss = noisy(truth(x["N"], x["D"]), seed=seed)
        made = scaling.select(["chinchilla", "multiplicative", "gadre"], x, loss, trims=("none",), bootstrap=100)
        target = {"N": 4e9 * 20**0.5, "D": 2e11 * 20**0.5}
        outcome = truth(**{k.lower(): v for k, v in target.items()}) * np.exp(0.002 * random.standard_normal())
        for fit, kept in ((made.best, inside), (replace(made.best, backtest=None, rivals=()), without)):
            p = fit.predict(target, level=0.9, force=True)
            kept.append(p.low <= outcome <= p.high)
    # Of 40 intervals at 90 %, fewer than 29 would come once in ten thousand times.
    assert sum(inside) >= 29
    assert sum(inside) >= sum(without)
