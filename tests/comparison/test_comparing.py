"""Two fits held against each other: known multipliers, pairing, coverage, calibration, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import scaling
from reports.compare_rows import comparison_shown
from scaling.comparison.comparison import Comparison, difference_text, multiplier_sentence
from scaling.errors import InputDataError, UsageError, VerdictError

TRUTH = {"E": 1.7, "A": 400.0, "B": 1200.0, "alpha": 0.34, "beta": 0.34}
GRID = [a.ravel() for a in np.meshgrid(np.geomspace(2e7, 2e9, 6), np.geomspace(1e9, 1e11, 6))]
RUNS = {"N": GRID[0], "D": GRID[1]}
FLOP = 1e22


def law(n: Any, d: Any, data_efficiency: float = 1.0, floor: float = 0.0) -> Any:
    return TRUTH["E"] + floor + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / (data_efficiency * d) ** TRUTH["beta"]


def arm(number: int, data_efficiency: float = 1.0, scatter: float = 0.004, **settings: Any) -> scaling.Fit:
    noise = np.random.default_rng(number).standard_normal(len(GRID[0]))
    loss = law(*GRID, data_efficiency, settings.pop("floor", 0.0)) * np.exp(scatter * noise)
    return scaling.fit("chinchilla", RUNS, loss, **({"objective": "squared", "bootstrap": 100} | settings))


def optimum(data_efficiency: float, flop: float) -> float:
    """The lowest loss for a budget, by the closed form for Chinchilla (arXiv:2203.15556, equation 4)."""
    a, b = TRUTH["alpha"], TRUTH["beta"]
    big_b = TRUTH["B"] / data_efficiency**b
    g = (a * TRUTH["A"] / (b * big_b)) ** (1 / (a + b))
    n, d = g * (flop / 6) ** (b / (a + b)), (flop / 6) ** (a / (a + b)) / g
    return TRUTH["E"] + TRUTH["A"] / n**a + big_b / d**b


def multiplier(data_efficiency: float) -> float:
    """Compute that B (efficiency 1) needs for the loss of A: with the floor equal, a power of the reducible losses."""
    a, b = TRUTH["alpha"], TRUTH["beta"]
    reducible = [optimum(r, FLOP) - TRUTH["E"] for r in (data_efficiency, 1.0)]
    return float((reducible[1] / reducible[0]) ** ((a + b) / (a * b)))


class TestKnownAnswers:
    def test_a_data_efficiency_is_found_again(self) -> None:
        better = arm(1, 2.0, scatter=1e-7, bootstrap=20)
        worse = arm(2, 1.0, scatter=1e-7, bootstrap=20)
        [point] = scaling.compare(better, worse, compute_flop=FLOP).points
        assert point.loss_a == pytest.approx(optimum(2.0, FLOP), rel=1e-6)
        assert point.difference == pytest.approx(optimum(2.0, FLOP) - optimum(1.0, FLOP), rel=1e-3)
        # Twice the data at equal exponents is worth 2^(1/2 + 1/2) = 2 times the compute.
        assert multiplier(2.0) == pytest.approx(2.0)
        assert point.multiplier == pytest.approx(2.0, rel=1e-3)
        assert point.share_a_better == 1
        assert point.never_share == 0

    def test_the_other_way_round_is_the_mirror(self) -> None:
        a, b = arm(1, 1.5), arm(2)
        [there] = scaling.compare(a, b, compute_flop=FLOP, paired=True).points
        [back] = scaling.compare(b, a, compute_flop=FLOP, paired=True).points
        assert back.difference == -there.difference
        ends = (-there.difference_high, -there.difference_low)
        assert (back.difference_low, back.difference_high) == pytest.approx(ends, rel=1e-9)
        assert back.share_a_better == pytest.approx(1 - there.share_a_better, abs=1e-12)

    def test_a_fit_against_itself_ties(self) -> None:
        fit = arm(3)
        [point] = scaling.compare(fit, fit, compute_flop=FLOP, paired=True).points
        assert (point.difference, point.difference_low, point.difference_high) == (0, 0, 0)
        assert point.share_a_better == 0.5
        assert point.multiplier == pytest.approx(1, rel=1e-9)
        assert point.multiplier_low == pytest.approx(1, rel=1e-9)

    def test_at_given_inputs(self) -> None:
        a, b = arm(1, 2.0), arm(2)
        cell = {"N": 1e9, "D": 5e10}
        found = scaling.compare(a, b, target=[cell, {"N": 5e8, "D": 1e10}])
        point = found.points[0]
        assert point.inputs == cell
        assert point.difference == a.evaluate(cell)[0, 0] - b.evaluate(cell)[0, 0]
        assert np.isnan(point.multiplier)
        assert found.multiplied == ""
        assert "times the" not in found.summary()
        assert (point.extrapolation_a, point.verdict) == (1, "ok")

    def test_one_input_is_multiplied_itself(self) -> None:
        x = np.geomspace(1e15, 1e20, 20)
        bounds = {"a": {"low": 0.01, "high": 2.0}, "A": {"low": 1e-3, "high": 1e12}, "E": {"low": 0.0, "high": 3.0}}
        fits = [
            scaling.fit("E + A/x**a", {"x": x}, 2 + size / x**0.1, parameters=bounds, bootstrap=20, objective="squared")
            for size in (90.0, 100.0)
        ]
        found = scaling.compare(*fits, target={"x": 1e21})
        assert found.multiplied == "x"
        assert found.points[0].multiplier == pytest.approx((100 / 90) ** 10, rel=1e-4)
        [back] = scaling.compare(fits[1], fits[0], target={"x": 1e21}).points
        assert back.multiplier == pytest.approx(0.9**10, rel=1e-4)

    def test_a_loss_below_the_floor_is_never_reached(self) -> None:
        found = scaling.compare(arm(1), arm(2, floor=0.3), compute_flop=1e25)
        [point] = found.points
        assert point.multiplier == np.inf
        assert point.multiplier_high == np.inf
        assert point.never_share > 0.9
        assert "B never reaches the loss of A" in found.summary()
        assert json.loads(found.to_json())["points"][0]["multiplier"] == "inf"
        [back] = scaling.compare(arm(2, floor=0.3), arm(1), compute_flop=1e25).points
        assert 0 < back.multiplier < 1e-3
        assert back.never_share == 0

    def test_a_share_that_never_reaches_it(self) -> None:
        """Floors that the replicates cannot tell apart: some say never, and the interval ends at infinity."""
        [point] = scaling.compare(arm(3), arm(4, floor=0.05), compute_flop=1e26).points
        assert 0.05 < point.never_share < 0.95
        assert point.multiplier_high == np.inf
        assert np.isfinite(point.multiplier_low)


def straight(slopes: list[float]) -> scaling.Fit:
    """A fit of 3 x^-alpha whose replicates have these exponents, the first of them the estimate."""
    x = np.geomspace(1, 100, 25)
    bounds = {"alpha": {"low": -2, "high": 2}, "A": {"low": 0.1, "high": 100}}
    fit = scaling.fit(
        "A*x**(-alpha)", {"x": x}, 3 / x ** slopes[0], objective="squared", parameters=bounds, bootstrap=2
    )
    rows = [[3.0 if name == "A" else slope for name in fit.law.parameter_names] for slope in slopes[1:]]
    return replace(fit, replicates=np.array(rows))


class TestNever:
    """Replicates of B whose loss rises: at 50, 3 x^0.01 never gets to the 3 x^-0.02 of A."""

    A = (0.02, 0.02, 0.02, 0.02, 0.02)

    def test_a_loss_that_rises_and_is_worse_never_gets_there(self) -> None:
        a, b = straight(list(self.A)), straight([0.01, 0.01, 0.01, -0.01, -0.02])
        [point] = scaling.compare(a, b, target={"x": 50.0}, paired=True).points
        assert point.multiplier == pytest.approx(50, rel=1e-6)  # (50 m)^0.01 = 50^0.02
        assert point.never_share == 0.5
        assert point.multiplier_low == pytest.approx(50, rel=1e-6)
        assert point.multiplier_high == np.inf
        assert (point.lost_share, point.multiplier_lost_share) == (0, 0)
        assert point.share_a_better == 1

    def test_a_loss_that_rises_and_is_better_is_there_at_once(self) -> None:
        a, b = straight([-0.02] * 5), straight([0.01, 0.01, -0.01, -0.01, -0.02])
        [point] = scaling.compare(a, b, target={"x": 50.0}, paired=True).points
        assert point.multiplier == pytest.approx(50**-3, rel=1e-6)  # (50 m)^-0.01 = 50^0.02
        assert (point.multiplier_low, point.never_share, point.multiplier_lost_share) == (0, 0, 0)
        [back] = scaling.compare(b, b, target={"x": 50.0}, paired=True).points
        assert (back.multiplier, back.multiplier_low, back.multiplier_high) == (1, 1, 1)

    def test_the_share_of_rising_replicates_is_in_never(self) -> None:
        """Noisy rows and a real bootstrap: B rises in a seventh of its replicates, and none of them vanishes."""
        x, bounds = np.geomspace(1, 100, 25), {"alpha": {"low": -2, "high": 2}, "A": {"low": 0.1, "high": 100}}
        fits = []
        for slope, scatter, seed in ((0.02, 0.05, 1), (0.01, 0.06, 2)):
            loss = 3 / x**slope * np.exp(scatter * np.random.default_rng(seed).standard_normal(25))
            fits.append(
                scaling.fit("A*x**(-alpha)", {"x": x}, loss, objective="squared", bootstrap=400, parameters=bounds)
            )
        rising = np.mean(fits[1].replicates[:, fits[1].law.parameter_names.index("alpha")] < 0)
        assert rising == pytest.approx(0.1375)
        [point] = scaling.compare(*fits, target={"x": 50.0}).points
        assert point.never_share >= 0.99 * rising
        assert (point.lost_share, point.multiplier_lost_share, point.multiplier_high) == (0, 0, np.inf)

    def test_a_law_that_falls_first_and_then_rises_is_followed(self) -> None:
        """A valley in ln x around 10: the loss of A is reached on this side of it, or not at all."""
        x, law = np.geomspace(1, 1e4, 30), "E + k*(log(x) - m)**2"
        bounds = {k: {"low": 0.0, "high": 20.0} for k in ("E", "k", "m")}
        valley = scaling.fit(law, {"x": x}, 2 + 0.01 * (np.log(x) - 10) ** 2, parameters=bounds, bootstrap=5)
        for level, wanted in ((2.09, np.exp(2)), (1.9, np.inf)):  # at ln x = 7; below the valley
            flat = replace(valley, estimates={"E": level, "k": 0.0, "m": 10.0})
            [point] = scaling.compare(flat, valley, target={"x": np.exp(5.0)}, force=True).points
            assert point.multiplier == pytest.approx(wanted, rel=1e-3)

    def test_where_the_law_has_no_value_the_multiplier_is_lost_and_said(self) -> None:
        """ln(100 - x) ends at 100: what B would need beyond is not known, and no other replicate suffers for it."""
        x = np.geomspace(1, 50, 25)
        bounds = {"E": {"low": 0, "high": 9}, "k": {"low": 0, "high": 9}, "c": {"low": 60, "high": 200}}
        fits = [
            scaling.fit("E + k*log(c - x)", {"x": x}, level + 0.1 * np.log(100 - x), parameters=bounds, bootstrap=4)
            for level in (1.0, 2.0)
        ]
        a, b = (replace(fit, replicates=np.repeat(fit.theta[None], 4, axis=0)) for fit in fits)
        j = list(b.law.parameter_names).index("E")
        rows = b.replicates.copy()
        rows[:3, j] = 0.99  # three of the four are better already
        found = scaling.compare(a, replace(b, replicates=rows), target={"x": 20.0}, paired=True, force=True)
        [point] = found.points
        assert np.isnan(point.multiplier)
        assert (point.lost_share, point.multiplier_lost_share, point.never_share) == (0, 0.25, 0)
        assert any("Up to 25 % of the pairs of replicates have no multiplier" in note for note in found.notes)
        assert json.loads(found.to_json())["points"][0]["multiplier_lost_share"] == 0.25
        assert comparison_shown(found)[0]["no multiplier in"] == "25 %"
        known = multiplier_sentence(replace(point, multiplier=2.0), "x", 0.9)
        assert known.endswith("; unknown in 25 % of the replicates, which are left out")

    def test_a_budget_where_the_loss_rises_with_the_compute(self) -> None:
        """A saddle-free law that grows with N and D has an optimum for a budget; more compute only makes it worse."""
        bounds = {k: {"low": -1.0, "high": 1.0} for k in ("a", "b")} | {
            k: {"low": 1e-4, "high": 1e4} for k in ("E", "A", "B")
        }
        n, d = GRID
        falling = scaling.fit(
            "E + A/N**a + B/D**b", RUNS, 1.7 + 400 / n**0.34 + 1200 / d**0.34, parameters=bounds, bootstrap=2
        )
        names = falling.law.parameter_names

        def rows(*tables: dict[str, float]) -> Any:
            return np.array([[table[name] for name in names] for table in tables])

        rising = {"E": 1.0, "A": 0.1, "B": 0.1, "a": -0.05, "b": -0.05}
        worse, better = rising | {"E": 5.0}, rising
        own = dict(falling.estimates)
        b = replace(falling, replicates=rows(own, worse, worse, better))
        a = replace(falling, replicates=rows(own, own, own, own))
        [point] = scaling.compare(a, b, compute_flop=1e20, paired=True, force=True).points
        assert point.multiplier == pytest.approx(1, rel=1e-6)
        assert (point.lost_share, point.multiplier_lost_share) == (0, 0)
        assert point.never_share == 0.5
        assert point.multiplier_low == 0


class TestPairing:
    def test_shared_noise_cancels_in_pairs(self) -> None:
        """Two laws for the same rows: most of what one replicate differs by, the other one differs by too."""
        noise = np.exp(0.004 * np.random.default_rng(5).standard_normal(len(GRID[0])))
        fits = [scaling.fit(name, RUNS, law(*GRID) * noise, bootstrap=200) for name in ("chinchilla", "skaling")]
        width = {}
        for paired in (True, False):
            [point] = scaling.compare(*fits, target={"N": 1e9, "D": 5e10}, paired=paired).points
            width[paired] = point.difference_high - point.difference_low
        assert width[True] < 0.7 * width[False]

    def test_independent_arms_are_not_made_to_pair_by_equal_seeds(self) -> None:
        """Copies of one fit, unpaired: the difference spreads by sqrt(2) times one of them, and does not vanish."""
        fit = arm(3, bootstrap=1000)
        cell = {"N": 1e9, "D": 5e10}
        found = scaling.compare(fit, fit, target=cell)
        [point] = found.points
        spread = float(np.std(fit.evaluate(cell, fit.replicates)[:, 0]))
        assert (point.difference_high - point.difference_low) / (2 * 1.645) == pytest.approx(
            np.sqrt(2) * spread, rel=0.1
        )
        assert (found.paired, found.pairs, found.seed) == (False, 1000, 0)

    def test_replicates_of_different_number_are_used_alike(self) -> None:
        found = scaling.compare(arm(1, bootstrap=30), arm(2, bootstrap=45), compute_flop=FLOP)
        assert found.pairs == 1000
        assert 0 <= found.points[0].share_a_better <= 1

    def test_the_seed_alone_decides(self) -> None:
        a, b = arm(1), arm(2)
        one, same, other = (scaling.compare(a, b, compute_flop=FLOP, seed=s) for s in (1, 1, 2))
        assert one == same
        assert one.points[0].difference_low != other.points[0].difference_low
        assert one.points[0].difference == other.points[0].difference

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"bootstrap": 50}, "B 50 with seed 0 (iid of 36 rows)"),
            ({"seed": 1}, "B 100 with seed 1 (iid of 36 rows)"),
            ({"resample": "dirichlet"}, "B 100 with seed 0 (dirichlet of 36 rows)"),
            ({"groups": np.arange(36) // 4}, "B 100 with seed 0 (cluster of 9 clusters)"),
        ],
    )
    def test_what_does_not_pair_is_refused(self, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(UsageError) as caught:
            scaling.compare(arm(1), arm(2, **settings), compute_flop=FLOP, paired=True)
        assert caught.value.message == (f"the replicates do not pair: A has 100 with seed 0 (iid of 36 rows), {words}")

    def test_rows_or_clusters_of_another_number_do_not_pair(self) -> None:
        few = scaling.fit("chinchilla", {k: v[:30] for k, v in RUNS.items()}, law(*GRID)[:30], bootstrap=100)
        with pytest.raises(UsageError, match=r"\(iid of 36 rows\), B 100 with seed 0 \(iid of 30 rows\)"):
            scaling.compare(arm(1), few, compute_flop=FLOP, paired=True)
        by_four, by_six = (arm(1, groups=np.arange(36) // size, bootstrap=20) for size in (4, 6))
        with pytest.raises(UsageError, match=r"\(cluster of 9 clusters\), B 20 with seed 0 \(cluster of 6 clusters\)"):
            scaling.compare(by_four, by_six, compute_flop=FLOP, paired=True)
        uneven = scaling.fit(
            "chinchilla", {k: v[:35] for k, v in RUNS.items()}, law(*GRID)[:35], objective="squared", bootstrap=20,
            groups=np.arange(35) // 4,
        )  # fmt: skip
        assert scaling.compare(by_four, uneven, compute_flop=FLOP, paired=True).paired

    def test_few_clusters_widen_the_intervals(self) -> None:
        """Ends at the percentiles that the fit with fewer clusters needs, and a note that says so."""
        plain, few = arm(1), arm(2, groups=np.arange(36) // 6)
        cell = {"N": 1e9, "D": 5e10}
        wide = scaling.compare(plain, few, target=cell, level=0.9)
        taken = few.percentile_level(0.9)
        assert taken > 0.93
        alike = replace(few, diagnostics=replace(few.diagnostics, groups=0))
        [point] = scaling.compare(plain, alike, target=cell, level=taken).points
        assert (wide.points[0].difference_low, wide.points[0].difference_high) == (
            point.difference_low,
            point.difference_high,
        )
        [note] = [n for n in wide.notes if "few clusters" in n]
        assert note.startswith(f"The intervals end at the percentiles of {100 * taken:.3g} %, not of 90 %")
        assert not [n for n in scaling.compare(plain, arm(2), target=cell).notes if "few clusters" in n]


class TestRefusals:
    def test_laws_of_other_inputs(self) -> None:
        x = np.geomspace(1, 100, 12)
        other = scaling.fit("power", {"x": x}, 3 / x**0.2 * (1 + 0.01 * np.sin(x)), bootstrap=10)
        with pytest.raises(UsageError, match="the fit A is of a law of N, D and B of one of x"):
            scaling.compare(arm(1), other, compute_flop=FLOP, force=True)
        with pytest.raises(UsageError, match="laws of x have no optimum"):
            scaling.compare(other, other, compute_flop=FLOP)

    def test_no_replicates(self) -> None:
        with pytest.raises(UsageError, match="the fit B has no bootstrap replicates") as caught:
            scaling.compare(arm(1), arm(2, bootstrap=0), compute_flop=FLOP)
        assert "--bootstrap 1000" in str(caught.value)

    def test_not_identified(self) -> None:
        line = {"N": GRID[0], "D": 20 * GRID[0]}
        weak = scaling.fit("chinchilla", line, law(line["N"], line["D"]), bootstrap=20)
        assert weak.verdict == "not identified"
        with pytest.raises(VerdictError, match="not identified"):
            scaling.compare(arm(1), weak, compute_flop=FLOP)
        [point] = scaling.compare(arm(1), weak, compute_flop=FLOP, force=True).points
        assert point.verdict == "not identified"

    def test_other_units_and_outputs(self) -> None:
        a = arm(1)
        bits = replace(a, law=replace(a.law, unit="bits/byte"))
        with pytest.raises(VerdictError, match="nats/token and bits/byte"):
            scaling.compare(a, bits, compute_flop=FLOP)
        assert "are in different things" in scaling.compare(a, bits, compute_flop=FLOP, force=True).notes[0]
        assumed = replace(a, law=replace(a.law, unit="nats/token, assumed"))
        assert scaling.compare(a, assumed, compute_flop=FLOP).notes[0].startswith("The unit of B is assumed")
        unknown = replace(a, law=replace(a.law, unit=""))
        assert scaling.compare(a, unknown, compute_flop=FLOP).notes[0].endswith("nats/token and unknown.")
        own = scaling.fit("E + A/N**a + B/D**b", RUNS, law(*GRID) * (1 + 0.001 * np.sin(GRID[0])), bootstrap=10)
        with pytest.raises(VerdictError, match="predict different things: loss and y"):
            scaling.compare(a, own, target={"N": 1e9, "D": 1e10})

    def test_the_same_rows_say_nothing_about_recipes(self) -> None:
        a, b = arm(1, bootstrap=10), arm(1, bootstrap=10, objective="huber")
        with pytest.raises(VerdictError, match="same 36 rows, so their difference is that of the objective"):
            scaling.compare(a, b, compute_flop=FLOP, same_rows=True)
        found = scaling.compare(a, b, compute_flop=FLOP)
        assert found.notes[0].startswith("NOT LIKE WITH LIKE: the objective (squared on log residuals of A, huber")
        assert "The form of both laws is taken as true" in found.notes[-1]

    def test_other_kinds_of_interval_are_said(self) -> None:
        a, b = arm(1, bootstrap=10), arm(2, bootstrap=10, interval="t")
        [note] = [n for n in scaling.compare(a, b, compute_flop=FLOP).notes if "intervals in different ways" in n]
        assert "percentiles of the replicates of both" in note

    def test_ranges_without_overlap(self) -> None:
        a = arm(1)
        large = replace(a, support=a.support | {"N": (1e10, 1e11)})
        with pytest.raises(VerdictError, match="no N in common"):
            scaling.compare(a, large, compute_flop=FLOP)
        assert "have no N in common" in scaling.compare(a, large, compute_flop=FLOP, force=True).notes[0]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({}, "needs budgets or targets"),
            ({"compute_flop": 1e22, "target": {"N": 1, "D": 1}}, "needs budgets or targets"),
            ({"compute_flop": -1}, "must be positive"),
            ({"compute_flop": [1e22, float("inf")]}, "must be positive"),
            ({"compute_flop": "much"}, "not a number"),
            ({"compute_flop": []}, "must be positive"),
            ({"target": []}, "no target"),
            ({"compute_flop": 1e22, "level": 1.0}, "level"),
        ],
    )
    def test_calls_that_make_no_sense(self, settings: dict[str, Any], message: str) -> None:
        fit = arm(1, bootstrap=10)
        with pytest.raises(UsageError, match=message):
            scaling.compare(fit, fit, **settings)

    def test_a_target_with_another_input(self) -> None:
        fit = arm(1, bootstrap=10)
        with pytest.raises(InputDataError, match="no input 'C'"):
            scaling.compare(fit, fit, target={"N": 1e9, "D": 1e9, "C": 1})

    def test_no_optimum(self) -> None:
        flat = scaling.fit("multiplicative", RUNS, 1 + 30 / GRID[0] ** 0.1 / GRID[1] ** 0.05, bootstrap=10)
        with pytest.raises(VerdictError, match="by the fit B, the law 'multiplicative' has no compute-optimal split"):
            scaling.compare(arm(1), flat, compute_flop=FLOP)
        assert len(scaling.compare(arm(1), flat, target={"N": 1e9, "D": 1e10}).points) == 1

    @pytest.mark.parametrize(
        ("budget", "message"),
        [
            (1e-5, "by the fit new, 1e-5 FLOP buy no model: by the law the best would have 1.82e-4 parameters"),
            (1e300, "by the fit new, at 1e300 FLOP the loss of the law 'chinchilla' is its floor to rounding, E = 1"),
        ],
    )
    def test_budgets_that_allocate_refuses(self, budget: float, message: str) -> None:
        a, b = arm(1, bootstrap=20), arm(2, bootstrap=20)
        with pytest.raises(VerdictError, match=r"FLOP buy no model|its floor to rounding"):
            scaling.allocate(a, budget)
        with pytest.raises(VerdictError) as caught:
            scaling.compare(a, b, compute_flop=budget, names=("new", "old"))
        assert caught.value.message.startswith(message)
        assert caught.value.hint is not None
        assert caught.value.hint.endswith("Or compare at given inputs (--params and --tokens, target=).")


def test_it_comes_back_from_json_and_reads_as_a_report() -> None:
    found = scaling.compare(arm(1, 2.0), arm(2), compute_flop=[1e21, 1e23], names=("new", "old"))
    assert Comparison.from_json(found.to_json()) == found
    text = repr(found)
    assert text.startswith("A = new (ok), B = old (ok)\n")
    assert "A is better in 100 % of the bootstrap replicates" in text
    assert "the scatter of runs is not in them" in text
    assert [row["fit_a"] for row in found.rows()] == ["new", "new"]
    with pytest.raises(InputDataError, match="no comparison"):
        Comparison.from_json("{}")


def test_numbers_are_cut_where_their_interval_is() -> None:
    [point] = scaling.compare(arm(1, bootstrap=10), arm(2, bootstrap=10), compute_flop=FLOP).points
    point = replace(point, difference=1.674e-6, difference_low=-0.023, difference_high=0.016)
    assert difference_text(point) == "0.000"
    assert difference_text(replace(point, difference_low=float("nan"))) == "1.674e-6"


def simulated(count: int, data_efficiency: float) -> list[Any]:
    return [
        scaling.compare(arm(1000 + 2 * i, data_efficiency), arm(1001 + 2 * i), compute_flop=FLOP).points[0]
        for i in range(count)
    ]


@pytest.mark.slow
def test_the_interval_of_the_multiplier_covers() -> None:
    """90 % intervals of 200 simulations; the band is the binomial one at a false-alarm rate of 1e-4."""
    truth = multiplier(1.3)
    points = simulated(200, 1.3)
    covered = np.mean([p.multiplier_low <= truth <= p.multiplier_high for p in points])
    assert 0.805 <= covered <= 0.97
    difference = optimum(1.3, FLOP) - optimum(1.0, FLOP)
    covered = np.mean([p.difference_low <= difference <= p.difference_high for p in points])
    assert 0.805 <= covered <= 0.97


@pytest.mark.slow
def test_the_share_is_uniform_where_there_is_no_difference() -> None:
    shares = np.array([p.share_a_better for p in simulated(200, 1.0)])
    for edge in (0.1, 0.25, 0.5, 0.75, 0.9):
        half = 3.9 * np.sqrt(edge * (1 - edge) / len(shares))
        assert np.mean(shares <= edge) == pytest.approx(edge, abs=half)
