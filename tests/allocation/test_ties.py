"""Laws that fix how the optimum grows: that this is seen, said, and set against a law that estimates it."""

import dataclasses

import numpy as np
import pytest

import scaling
from reports.allocation_rows import answer_notes, fit_line, form_note
from scaling.allocation.allocate import curve
from scaling.allocation.cost import SIX_N_D
from scaling.allocation.questions import Question
from scaling.allocation.questions import ask as ask_question
from scaling.allocation.ties import fit_untied, fixed_growth, middle_of, tie_reasons, untied_law
from scaling.errors import UsageError
from scaling.rivals import Rival
from tests.truths import crossed


def chinchilla(N, D, E, A, B, alpha, beta):
    return E + A / N**alpha + B / D**beta


TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
RUNS = crossed(N=np.geomspace(1e7, 1e10, 6), D=np.geomspace(2e8, 2e11, 6))
EXACT = chinchilla(**RUNS, **TRUTH)
LOSS = EXACT * np.exp(0.003 * np.random.default_rng(4).standard_normal(len(EXACT)))
MIDDLE = 1e20


@pytest.fixture(scope="module")
def tied():
    """Gadre's law, whose one exponent the rows do not have."""
    return scaling.fit("gadre", RUNS, LOSS, objective="squared", bootstrap=200)


@pytest.fixture(scope="module")
def free():
    return scaling.fit("chinchilla", RUNS, LOSS, objective="squared", bootstrap=200)


class TestWhatTheLawFixes:
    @pytest.mark.parametrize(
        ("formula", "power"),
        [
            ("gadre", 0.5),
            ("E + A/N**a + B/D**a", 0.5),
            ("E + A/N**0.3 + B/D**0.2", 0.4),
            ("E + A/N**(2*a) + B/D**a", 1 / 3),
        ],
    )
    def test_is_seen_in_any_formula(self, formula, power):
        fit = scaling.fit(formula, RUNS, LOSS, objective="squared", bootstrap=0)
        assert fixed_growth(fit.law, fit.estimates, middle_of(fit)) == pytest.approx((power, 1 - power), abs=1e-8)
        assert len(tie_reasons(fit)) == 1

    @pytest.mark.parametrize("name", ["chinchilla", "kaplan", "skaling"])
    def test_nothing_where_the_data_decide(self, name):
        """Exact losses make all replicates agree, and still the law has fixed nothing."""
        fit = scaling.fit(name, RUNS, EXACT, objective="squared", bootstrap=20)
        assert fixed_growth(fit.law, fit.estimates, middle_of(fit)) is None
        plan = scaling.allocate(fit, MIDDLE)
        assert not plan.exponents_fixed
        assert plan.reasons == ()
        assert np.isfinite(plan.exponent_params_interval).all()

    @pytest.mark.parametrize("c", [1e-9, -1e-9])
    def test_an_exponent_near_0_that_is_estimated_is_not_fixed(self, c):
        """A share of it moves nothing, whichever side of 0 it is on."""
        law = scaling.fit("E + A/N**a + B/D**(a + c)", RUNS, EXACT, objective="squared", bootstrap=0).law
        assert fixed_growth(law, {"E": 1.7, "A": 400, "B": 400, "a": 0.3, "c": c}, MIDDLE) is None

    def test_small_numbers_that_are_no_exponents_or_are_tied_stay_fixed(self):
        gadre = scaling.find_law("gadre")
        tiny = {"E": 0.0, "A": 1e-3, "B": 1e-3, "alpha": 0.004}
        assert fixed_growth(gadre, tiny, MIDDLE) == pytest.approx((0.5, 0.5), abs=1e-6)

    def test_nothing_where_there_is_no_optimum(self):
        law = scaling.find_law("multiplicative")
        estimates = {"E": 1.5, "A": 900.0, "alpha": 0.2, "beta": 0.15}
        assert fixed_growth(law, estimates, MIDDLE) is None

    def test_the_law_without_the_tie(self):
        assert untied_law(scaling.find_law("gadre")).name == "chinchilla"
        assert untied_law(scaling.find_law("chinchilla")) is None


def test_exponents_are_exact(free, tied):
    """Closed form b/(a + b), for the estimates and every replicate."""
    for budget in (1e18, 1e21, 1e25):
        plan = scaling.allocate(free, budget, level=0.9)
        t = free.estimates
        assert plan.exponent_params[0] == pytest.approx(t["beta"] / (t["alpha"] + t["beta"]), abs=3e-9)
        a, b = (free.replicates[:, free.law.parameter_names.index(name)] for name in ("alpha", "beta"))
        ends = np.quantile(b / (a + b), [0.05, 0.95])
        assert np.ravel(plan.exponent_params_interval) == pytest.approx(ends, abs=3e-9)
        assert scaling.allocate(tied, budget).exponent_params[0] == pytest.approx(0.5, abs=3e-9)


class TestATiedLaw:
    def test_has_no_interval_of_its_exponents_and_is_weak(self, tied):
        plan = scaling.allocate(tied, MIDDLE)
        assert plan.exponents_fixed
        assert np.isnan([*plan.exponent_params_interval, *plan.exponent_tokens_interval]).all()
        assert plan.exponent_params[0] == pytest.approx(0.5, abs=1e-8)
        [row] = plan.rows()
        assert row["exponents_fixed_by_law"] is True
        assert np.isnan(row["exponent_params_low"])
        assert "N as C^0.500 and D as C^0.500, whatever the data" in row["reasons"][0]
        assert row["untied"] is None

    @pytest.mark.parametrize(
        "ask",
        [
            lambda fit: scaling.allocate(fit, MIDDLE),
            lambda fit: curve(fit, MIDDLE, 2 * MIDDLE, 3),
            lambda fit: scaling.compute_for_loss(fit, 2.7),
            lambda fit: scaling.overhead(fit, 1e9, 2e10),
            lambda fit: ask_question(fit, Question(flops=(MIDDLE,), size_factors=(0.9,))),
        ],
    )
    def test_is_weak_where_the_fit_is_not(self, tied, free, ask):
        sound = dataclasses.replace(tied, diagnostics=free.diagnostics)
        assert (free.verdict, sound.verdict) == ("ok", "ok")
        assert (ask(free).verdict, ask(free).reasons) == ("ok", ())
        assert ask(sound).verdict == "weak"
        assert len(ask(sound).reasons) == 1

    def test_reaches_the_optimum_of_the_law_that_estimates_the_exponents(self, tied, free):
        again = fit_untied(tied, RUNS, LOSS)
        assert again.law.name == "chinchilla"
        np.testing.assert_array_equal(again.replicates, free.replicates)
        assert fit_untied(free, RUNS, LOSS) is None
        alone, plan = (scaling.allocate(tied, [1e20, 1e23], level=0.9, untied=u) for u in (None, again))
        best = scaling.allocate(free, [1e20, 1e23], level=0.9)
        np.testing.assert_array_equal(plan.untied.n_params, best.n_params)
        np.testing.assert_array_equal(plan.untied.n_params_interval, best.n_params_interval)
        assert best.n_params[1] < alone.n_params_interval[0][1]  # the tied law alone was sure of something else
        assert plan.n_params_interval[0][1] == best.n_params[1]
        assert plan.n_tokens_interval[1][1] == best.n_tokens[1]
        assert plan.n_params_interval[1][1] == alone.n_params_interval[1][1]
        assert "stretched to the optimum of chinchilla, fitted to the same rows" in plan.method
        row = plan.rows()[1]["untied"]
        assert (row["law"], row["verdict"]) == ("chinchilla", "ok")
        assert (row["n_params"], row["n_params_low"]) == (best.n_params[1], best.n_params_interval[0][1])
        assert row["exponent_params_high"] == best.exponent_params_interval[1][1]

    def test_a_chosen_model_to_catch_up_with_rests_on_no_optimum(self, tied, free):
        sound = dataclasses.replace(tied, diagnostics=free.diagnostics)
        question = Question(plan_params=(1e9,), plan_tokens=(2e10,), size_factors=(0.9,))
        assert (ask_question(sound, question).verdict, ask_question(sound, question).reasons) == ("ok", ())

    def test_is_set_against_the_same_penalties_and_weights(self):
        settings = {"objective": "squared", "bootstrap": 0}
        pull = {"E": (1.2, 5.0)}
        weights = np.linspace(0.1, 3, len(LOSS))
        pulled = scaling.fit("gadre", RUNS, LOSS, penalty=pull, **settings)
        expected = scaling.fit("chinchilla", RUNS, LOSS, penalty=pull, **settings)
        plain = scaling.fit("chinchilla", RUNS, LOSS, **settings)
        assert fit_untied(pulled, RUNS, LOSS).estimates == expected.estimates
        assert abs(plain.estimates["E"] - expected.estimates["E"]) > 0.01
        weighted = scaling.fit("gadre", RUNS, LOSS, weights=weights, **settings)
        with pytest.raises(UsageError, match="was made with weights, which it does not keep"):
            fit_untied(weighted, RUNS, LOSS)
        expected = scaling.fit("chinchilla", RUNS, LOSS, weights=weights, **settings)
        assert fit_untied(weighted, RUNS, LOSS, weights=weights).estimates == expected.estimates
        assert plain.estimates["E"] != expected.estimates["E"]

    def test_the_band_reaches_as_far(self, tied, free):
        """Else the joint band of a whole curve would hide what the law assumes."""
        ends = (1e20, 1e23, 2)
        alone, plan = (curve(tied, *ends, level=0.9, untied=u) for u in (None, free))
        best = curve(free, *ends, level=0.9)
        assert best.n_params[1] < alone.n_params_band[0][1]
        assert plan.n_params_band[0][1] == best.n_params[1]
        assert plan.n_tokens_band[1][1] == best.n_tokens[1]
        assert plan.n_params_band[1][1] == alone.n_params_band[1][1]
        np.testing.assert_array_equal(plan.loss_band, alone.loss_band)
        notes = answer_notes(plan, SIX_N_D, None, whole_curve=True)
        assert any("as true, but that N and D reach to the optima of the laws named." in line for line in notes)
        assert "but for reaching to the optima of the laws named" in form_note(plan)
        assert not any("laws named" in line for line in answer_notes(alone, SIX_N_D, None, whole_curve=True))

    def test_reaches_rivals_of_small_weight_that_estimate_the_exponents(self, tied, free):
        def contested(fit, weight):
            return dataclasses.replace(fit, rivals=(Rival(free.law, free.estimates, weight, 0.01, "squared"),))

        alone, small, tiny = (
            scaling.allocate(fit, 1e23, level=0.9) for fit in (tied, contested(tied, 0.002), contested(tied, 0.0005))
        )
        best = scaling.allocate(free, 1e23).n_params[0]
        assert small.n_params_interval[0][0] == pytest.approx(best, rel=1e-7)
        assert small.rivals[0].n_params[0] == pytest.approx(best, rel=1e-7)
        assert small.method.endswith("of the rivals that estimate the exponents: chinchilla (0.0020)")
        assert tiny.n_params_interval == alone.n_params_interval
        assert scaling.allocate(contested(free, 0.002), 1e23).rivals == ()


def test_a_fit_is_named_with_its_seed_once(tied):
    plain = scaling.fit("gadre", RUNS, LOSS, objective="squared", bootstrap=0, seed=7)
    assert fit_line("tied", tied).count("seed 0") == 1
    assert fit_line("tied", tied).endswith("bootstrap replicates, seed 0.")
    assert fit_line("plain", plain).endswith("; seed 7.")
