"""Approaches 1, 2 and 3 next to each other: agreement with the truth, bias and correction, refusals, the report."""

import json

import numpy as np
import pytest

import scaling
from scaling.approaches.budgets import PowerCost
from scaling.approaches.compare import compare_approaches, deadweight
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number

ALPHA, BETA = 0.465, 0.155
A_TRUE = BETA / (ALPHA + BETA)
A, B, E = 3000.0, 60.0, 1.7


def loss(n, d):
    return E + A / n**ALPHA + B / d**BETA


def best(flop):
    return (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA)) * (np.asarray(flop) / 6) ** A_TRUE


def isoflops(budgets=6, sizes=11, ratio=8.0, off=1.0):
    """A grid on a common ladder of sizes, so that sizes recur from budget to budget and approach 1 has curves too."""
    ladder = best(1e20) * 2.0 ** np.arange(-12, 13)
    rows = []
    for flop in np.geomspace(1e18, 1e21, budgets):
        near = ladder[np.abs(np.log(ladder / (off * best(flop)))) <= np.log(ratio) + 0.01]
        rows += [(n, flop / 6 / n, flop) for n in near[:sizes]]
    return np.array(rows).T


def noisy(n, d, scatter=0.002, seed=0):
    return loss(n, d) + scatter * np.random.default_rng(seed).standard_normal(len(n))


@pytest.fixture(scope="module")
def found():
    n, d, c = isoflops()
    return compare_approaches(n, d, noisy(n, d), c, at=[1e21, 1e23], bootstrap=200, seed=4)


class TestAgreement:
    def test_without_noise_the_correction_and_the_law_are_the_truth(self):
        n, d, c = isoflops(off=1.5)
        found = compare_approaches(n, d, loss(n, d), c, at=[1e19, 1e24], bootstrap=0)
        raw, fixed, law = (found.answer(k) for k in ("2 iso", "2 corr", "3"))
        assert law.a == pytest.approx(A_TRUE, abs=1e-6)
        assert law.n_params[0] == pytest.approx(best([1e19, 1e24]), rel=1e-5)
        assert fixed.a == pytest.approx(A_TRUE, abs=1e-5)
        assert fixed.n_params[0] == pytest.approx(best([1e19, 1e24]), rel=1e-4)
        assert fixed.n_tokens[0] == pytest.approx(np.array([1e19, 1e24]) / 6 / best([1e19, 1e24]), rel=1e-4)
        assert np.all(raw.n_params[0] > 1.1 * best([1e19, 1e24]))

    def test_the_bias_that_is_printed_is_the_one_that_is_taken_off(self):
        n, d, c = isoflops()
        found = compare_approaches(n, d, loss(n, d), c, at=[1e20], bootstrap=0)
        raw, fixed = found.answer("2 iso"), found.answer("2 corr")
        assert raw.bias[0] == pytest.approx(raw.n_params[0] / fixed.n_params[0] - 1)
        assert raw.bias[0, 0] == pytest.approx(raw.n_params[0, 0] / best(1e20) - 1, rel=1e-3)
        assert raw.bias[0, 0] > 0.1
        assert -0.25 < raw.bias[1, 0] < -0.05
        assert np.isnan(fixed.bias).all()

    def test_intervals_hold_the_truth(self, found):
        for approach in ("1", "2 corr", "3"):
            one = found.answer(approach)
            assert one.a_interval[0] < A_TRUE < one.a_interval[1]
            assert one.b_interval[0] < 1 - A_TRUE < one.b_interval[1]
            assert np.all(one.n_params[1] < one.n_params[0])
            assert np.all(one.n_params[0] < one.n_params[2])

    def test_the_raw_interval_of_a_wide_grid_does_not_and_the_report_says_so(self, found):
        raw = found.answer("2 iso")
        assert raw.n_params[1, 0] > best(1e21)
        assert raw.verdict == "weak"
        assert "At 1e21 FLOP its bias on this grid is" in " ".join(raw.reasons)
        assert "beyond its own interval" in " ".join(raw.reasons)

    def test_exponents_add_up_to_one(self, found):
        for one in found.answers:
            assert one.a + one.b == pytest.approx(1, abs=1e-6)

    def test_the_law_is_that_of_fit_and_allocate(self, found):
        n, d, _ = isoflops()
        fit = scaling.fit("chinchilla", {"N": n, "D": d}, noisy(n, d), bootstrap=200, seed=4)
        law = found.answer("3")
        p = fit.estimates
        assert law.a == pytest.approx(p["beta"] / (p["alpha"] + p["beta"]), rel=1e-9)
        plan = scaling.allocate(fit, [1e21, 1e23])
        assert law.n_params[0] == pytest.approx(plan.n_params, rel=1e-6)
        assert law.n_params[1:] == pytest.approx(np.array(plan.n_params_interval), rel=1e-4)
        replicates = fit.replicates[:, [fit.law.parameter_names.index(k) for k in ("alpha", "beta")]]
        share = replicates[:, 1] / replicates.sum(axis=1)
        assert law.a_interval == pytest.approx(np.quantile(share, [0.025, 0.975]), rel=1e-6)

    def test_a_law_without_closed_form(self):
        n, d, c = isoflops()
        # Minimised numerically, and the same law: Skaling with k = 1 is Chinchilla.
        found = compare_approaches(n, d, loss(n, d), c, at=[1e22], law="skaling", bootstrap=0, objective="squared")
        assert found.answer("3").a == pytest.approx(A_TRUE, abs=1e-3)
        assert found.answer("2 corr").n_params[0, 0] == pytest.approx(best(1e22), rel=0.01)


def test_a_law_that_fixes_the_exponents_estimates_none():
    n, d, c = isoflops()
    found = compare_approaches(n, d, noisy(n, d), c, at=[1e22], law="gadre", bootstrap=40)
    [law] = [one for one in found.answers if one.approach == "3 law"]
    assert (law.a, law.b) == pytest.approx((0.5, 0.5), abs=1e-6)
    assert np.isnan([*law.a_interval, *law.b_interval]).all()
    assert law.verdict == "weak"
    assert any("whatever the data: the split rests on that form" in reason for reason in law.reasons)


@pytest.mark.slow
def test_corrected_intervals_hold_the_truth_and_raw_ones_do_not():
    """100 simulations; 90 % intervals of N* at ten times the largest budget, on a grid of a factor of 8 either way."""
    c = np.repeat(np.geomspace(1e18, 1e21, 6), 9)
    n = best(c) * np.tile(np.geomspace(1 / 8, 8, 9), 6)
    d = c / 6 / n
    inside = {"2 iso": 0, "2 corr": 0, "3": 0}
    for seed in range(100):
        y = noisy(n, d, 0.005, seed)
        found = compare_approaches(n, d, y, c, at=[1e22], bootstrap=200, seed=seed, level=0.9)
        for key in inside:
            _, low, high = found.answer(key).n_params[:, 0]
            inside[key] += low <= best(1e22) <= high
    assert inside["2 iso"] == 0
    assert inside["2 corr"] >= 78  # binomial, at a false-alarm rate of 1e-4; no upper bound, as the bias is paired
    assert 78 <= inside["3"] <= 99


class TestDeadweight:
    def test_is_nothing_at_the_optimum_and_as_worked_out_beside_it(self):
        n, d, c = isoflops()
        fit = compare_approaches(n, d, loss(n, d), c, at=[1e20], bootstrap=0).fit
        assert deadweight(fit, best(1e20), 1e20) == pytest.approx([0], abs=1e-6)
        # By hand: the loss at three times the optimum, and the compute whose best loss that is.
        reached = loss(3 * best(1e20), 1e20 / 6 / (3 * best(1e20)))
        grid = np.geomspace(1e19, 1e20, 200_001)
        lowest = loss(best(grid), grid / 6 / best(grid))
        enough = grid[np.argmin(np.abs(lowest - reached))]
        assert deadweight(fit, 3 * best(1e20), 1e20) == pytest.approx([1 - enough / 1e20], abs=1e-4)
        assert 0.05 < 1 - enough / 1e20 < 0.5

    def test_of_another_cost(self):
        n, d, c = isoflops()
        fit = compare_approaches(n, d, loss(n, d), c, at=[1e20], bootstrap=0).fit
        cost = PowerCost(1.1, 1.08)
        from scaling.approaches.isoflop_bias import law_optimum

        there = np.exp(law_optimum(fit, [1e20], cost)[0])
        assert deadweight(fit, there, 1e20, cost) == pytest.approx([0], abs=1e-6)
        assert deadweight(fit, best(1e20), 1e20, cost)[0] > 1e-3

    def test_unknown_stays_unknown(self):
        n, d, c = isoflops()
        fit = compare_approaches(n, d, loss(n, d), c, at=[1e20], bootstrap=0).fit
        out = deadweight(fit, [np.nan, best(1e20)], [1e20, 1e20])
        assert np.isnan(out[0])
        assert out[1] == pytest.approx(0, abs=1e-6)

    def test_stands_in_the_table_of_all_but_the_law_itself(self, found):
        wasted = {row["approach"]: row["deadweight"] for row in found.table if row["compute_flop"] == 1e23}
        assert wasted["2 isoFLOP"] > 0.002
        assert wasted["2 corrected"] < wasted["2 isoFLOP"]
        assert np.isnan(wasted["3 law"])


def trained(checkpoints=10, lengths=1):
    """Runs of 8 sizes and several checkpoints each."""
    rows = []
    for i, n in enumerate(np.geomspace(1e8, 1e10, 8)):
        for k in range(lengths):
            whole = 2e11 * 3.0**k
            for d in np.geomspace(whole / 50, whole, checkpoints):
                rows.append((f"run-{i}-{k}", n, d))
    runs, n, d = zip(*rows, strict=True)
    return np.array(runs), np.array(n), np.array(d)


class TestSchedules:
    def test_checkpoints_are_not_used_unless_asked_for(self):
        runs, n, d = trained()
        found = compare_approaches(n, d, loss(n, d), at=[1e22], runs=runs, bootstrap=0)
        why = found.answer("1").refusal
        assert why.kind == "needs_checkpoints"
        assert why.reason == (
            "there are 0 sizes that were trained to several lengths, and an envelope needs 4. The checkpoints of the "
            "runs would give curves, but a checkpoint from the middle of a learning-rate schedule has a higher loss "
            "than a run planned for that length; they are used where they are asked for (--checkpoints, "
            "checkpoints=True)."
        )
        assert found.n_rows == 8
        assert found.notes[0] == "The last row of each of 8 runs is used; 72 earlier checkpoints left out."
        assert found.answer("3").refusal.kind == "not_identified"  # one length for all

    def test_with_checkpoints_all_say_what_they_are(self):
        runs, n, d = trained(checkpoints=25)
        y = loss(n, d) * (1 + 0.001 * np.random.default_rng(0).standard_normal(len(n)))
        found = compare_approaches(n, d, y, at=[1e22], runs=runs, checkpoints=True, bootstrap=40)
        assert found.n_rows == 200
        for approach in ("1", "3"):
            one = found.answer(approach)
            assert one.refusal is None
            assert one.verdict == "weak"
            assert one.reasons[-1].startswith("Checkpoints are used, 200 of 8 runs: a checkpoint from the middle")
        assert found.fit.diagnostics.groups == 8  # checkpoints of a run are no independent rows
        assert found.answer("1").a == pytest.approx(A_TRUE, abs=0.05)

    def test_the_last_row_counts_whatever_the_order(self):
        runs, n, d = trained(lengths=4)
        order = np.random.default_rng(1).permutation(len(n))
        here, there = (
            compare_approaches(n[k], d[k], loss(n, d)[k], at=[1e22], runs=runs[k], bootstrap=0)
            for k in (np.arange(len(n)), order)
        )
        assert here.n_rows == there.n_rows == 32
        assert here.answer("1").a == pytest.approx(there.answer("1").a, rel=1e-9)
        assert here.answer("1").refusal is None  # four lengths a size make curves of ends of runs

    def test_rows_from_the_middle_are_left_out_of_approach_1_and_flagged_elsewhere(self):
        n, d, c = isoflops()
        early = np.zeros(len(n), bool)
        early[::5] = True
        found = compare_approaches(n, d, loss(n, d), c, at=[1e22], mid_schedule=early, bootstrap=0)
        assert found.envelope.n_rows <= (~early).sum()
        assert (
            found.answer("3").reasons[-1].startswith(f"{early.sum()} of {len(n)} rows lie before the end of their run")
        )
        assert found.answer("2 corr").verdict == "weak"

    def test_where_that_leaves_no_curves_it_says_why(self):
        n, d, c = isoflops()
        found = compare_approaches(n, d, loss(n, d), c, at=[1e22], mid_schedule=c > 2e18, bootstrap=0)
        assert found.answer("1").refusal.kind == "needs_checkpoints"
        assert "rows from before the end of a schedule left out" in found.answer("1").refusal.reason

    @pytest.mark.parametrize("finished", [0, 1])
    def test_only_rows_from_the_middle_are_no_envelope(self, finished):
        n, d, c = isoflops()
        early = np.arange(len(n)) >= finished
        asked = {"at": [1e22], "mid_schedule": early, "bootstrap": 0}
        found = compare_approaches(n, d, loss(n, d), c, **asked)
        one = found.answer("1")
        assert one.refusal.kind == "needs_checkpoints"
        assert "checkpoints=True" in one.reasons[0]
        assert np.isnan([one.a, one.b, *one.n_params[0], *one.n_tokens[0]]).all()
        assert found.envelope.n_rows == 0 or finished
        assert compare_approaches(n, d, loss(n, d), c, **asked, checkpoints=True).answer("1").refusal is None


class TestProduct:
    def test_power_laws_that_do_not_multiply_to_the_budget_say_so(self):
        n, d, c = isoflops()
        # Tokens of the large budgets are logged too high, and the nominal budgets do not know of it.
        found = compare_approaches(n, d * (c / 1e18) ** 0.05, loss(n, d), c, at=[1e21], bootstrap=0)
        cost = found.cost
        one = found.answer("2 iso")
        total = cost.power * one.a + one.b
        product = float(cost.flop(one.n_params[0], one.n_tokens[0])[0])
        assert abs(total - 1) > 0.02
        said = [r for r in one.reasons if r.startswith("Its N and D do not multiply to the budget")]
        assert f" a + b = {total:.4g}, and at 1e21 FLOP" in said[0]
        assert f" FLOP {cost.label} comes to {format_number(product, 3)} FLOP." in said[0]
        assert one.verdict == "weak"

    def test_those_that_do_are_left_alone(self, found):
        assert not any("do not multiply" in reason for one in found.answers for reason in one.reasons)

    def test_half_an_answer_is_none(self):
        n, d, c = isoflops()
        y = loss(n, d)
        d = np.where(c > 2e18, d, d[0])  # tokens as a log might have them wrong: one value at the smallest budget
        two = np.isin(c, np.unique(c)[:2])
        found = compare_approaches(n[two], d[two], y[two], c[two], at=[1e19], bootstrap=0)
        raw = found.answer("2 iso")
        assert found.optima["N"].refusal is None
        assert found.optima["D"].refusal is not None
        assert raw.refusal is not None
        assert np.isnan([raw.a, raw.b, *raw.n_params[0], *raw.n_tokens[0], *raw.bias[0]]).all()


class TestRefusals:
    def test_a_law_that_is_not_identified_leaves_the_parabolas_raw(self):
        # One model size at each token count: nothing tells the two terms apart, yet a budget has its sizes.
        n, d, c = isoflops(budgets=1)
        found = compare_approaches(n[:7], d[:7], loss(n, d)[:7], c[:7], at=[1e19], bootstrap=0)
        assert found.answer("3").refusal.kind == "not_identified"
        assert found.answer("2 corr").refusal.kind == "no_law"
        assert found.answer("2 iso").refusal.kind == "too_few_budgets"
        assert found.corrected == {}
        assert all(row["deadweight"] != row["deadweight"] for row in found.table)

    def test_raw_parabolas_without_a_law_say_that_their_bias_is_unknown(self):
        n, d, c = isoflops(budgets=3)
        found = compare_approaches(n, d, loss(n, d), c, at=[1e19], bootstrap=0, law="multiplicative")
        assert found.answer("3").refusal.kind == "no_optimum"
        assert "its loss falls all the way to one side" in found.answer("3").reasons[0]
        assert found.answer("2 corr").refusal.kind == "no_law"
        raw = found.answer("2 iso")
        assert np.isfinite(raw.a)
        assert raw.verdict == "weak"
        assert raw.reasons[-1] == "Its bias on this grid is not known, because approach 3 gives no law."
        assert np.isnan(raw.bias).all()

    def test_too_few_rows_for_the_law(self):
        n, d, c = isoflops()
        found = compare_approaches(n[:4], d[:4], loss(n, d)[:4], c[:4], at=[1e19], bootstrap=0)
        assert found.answer("3").refusal.kind == "no_fit"
        assert "4 rows cannot determine the 5 parameters" in found.answer("3").reasons[0]
        assert found.fit is None
        assert "refused." in repr(found)

    @pytest.mark.parametrize(
        ("change", "error", "said"),
        [
            ({"at": [0]}, UsageError, "compute budgets must be positive"),
            ({"at": "many"}, UsageError, "not a number"),
            ({"level": 2}, UsageError, "a level lies between"),
            ({"law": "power"}, UsageError, "nothing to allocate"),
            ({"law": "no_such_law"}, UsageError, "the book has no law"),
            ({"curve": "round"}, UsageError, "there is no curve"),
            ({"runs": ["a"]}, InputDataError, "one value a row each"),
            ({"compute_flop": [1.0]}, InputDataError, "one value a row each"),
            ({"tolerance": -1}, UsageError, "tolerance"),
        ],
    )
    def test_what_makes_no_sense(self, change, error, said):
        n, d, c = isoflops()
        asked = {"at": [1e20], "bootstrap": 0, "compute_flop": c} | change
        with pytest.raises(error, match=said):
            compare_approaches(n, d, loss(n, d), **asked)


class TestReport:
    def test_the_table_has_a_row_for_each_approach_and_budget(self, found):
        assert [(row["approach"], row["compute_flop"]) for row in found.table] == [
            (approach, flop)
            for approach in ("1 envelope", "2 isoFLOP", "2 corrected", "3 law")
            for flop in (1e21, 1e23)
        ]
        last = found.table[-1]
        assert last["extrapolation_factor"] == pytest.approx(100)
        assert last["n_params_low"] < last["n_params"] < last["n_params_high"]
        assert last["cost"] == "6*N*D"
        assert last["refused"] is None
        assert last["verdict"] == "extrapolating x100"
        assert found.table[-2]["verdict"] == found.answer("3").verdict

    def test_json_is_strict_and_complete(self, found):
        table = json.loads(found.to_json())
        assert table["table"][0]["deadweight"] is not None
        assert table["table"][-1]["deadweight"] is None  # NaN is no JSON
        assert table["seed"] == 4
        assert {(row["kind"], row["quantity"]) for row in table["budgets"]} == {
            (kind, q) for kind in ("raw", "corrected") for q in "ND"
        }
        assert len(table["budgets"]) == 4 * 6
        assert table["estimates"] == found.fit.estimates

    def test_the_text_is_a_finished_report(self, found):
        text = repr(found)
        assert text == found.summary()
        assert "At 1e23 FLOP, 100 times beyond the runs:" in text
        for word in ("1 envelope", "2 isoFLOP", "2 corrected", "3 law", "bias, params", "deadweight", "95 %"):
            assert word in text
        assert "nan" not in text
        assert (
            "Law of approach 3: chinchilla; objective: huber(0.001) on log residuals; 200 replicates of each for 95 % "
            "intervals; seed 4.\n" in text
        )
        assert text.count("extrapolating x100") == 4
        for one in found.answers:
            assert f"  intervals: {one.method}" in text

    def test_the_same_seed_gives_the_same_answer(self):
        n, d, c = isoflops(budgets=4)
        one, same, other = (
            compare_approaches(n, d, noisy(n, d), c, at=[1e21], bootstrap=40, seed=seed) for seed in (1, 1, 2)
        )
        assert one.to_json() == same.to_json()
        assert one.answer("2 corr").a_interval != other.answer("2 corr").a_interval

    def test_an_answer_that_is_not_there(self, found):
        with pytest.raises(UsageError, match="no approach '4'"):
            found.answer("4")

    def test_is_exported(self):
        assert scaling.compare_approaches is compare_approaches
        assert scaling.Approaches.__name__ == "Approaches"
