"""A loss in random tokens: round trips for every law of tokens, intervals by four ways, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.rivals import Rival
from scaling.valuation import worth
from scaling.valuation.equivalence.delta import delta_error
from scaling.valuation.equivalence.token_curve import TokenCurve
from tests.valuation.token_fits import TRUTH, chinchilla, drawn, exact, noisy, power, repeated

LAWS = ("chinchilla", "kaplan", "skaling", "multiplicative", "gadre", "kaplan_d", "farseer")


def loss_at(fit, n, d):
    inputs = {"N": n, "D": d, "U": d}
    return float(fit.evaluate({name: inputs[name] for name in fit.law.inputs})[0, 0])


class TestEstimate:
    def test_the_reference_value(self):
        found = worth(power(), 2.05, loss_se=0)
        assert found.d_eq == pytest.approx(8.3445e10, rel=1e-5)
        step = 1e-6
        slope = (worth(power(), 2.05 + step).d_eq - worth(power(), 2.05 - step).d_eq) / (2 * step)
        assert slope == pytest.approx(-8.515e11, rel=1e-4)

    def test_it_is_the_closed_form_of_chinchilla(self):
        floor = 1.7 + 400 / 3e8**0.34
        assert worth(exact(), 2.6, 3e8).d_eq == pytest.approx((400 / (2.6 - floor)) ** (1 / 0.28), rel=1e-12)
        assert worth(exact(), 2.6, 3e8).asymptote == pytest.approx(floor, rel=1e-14)

    @pytest.mark.parametrize("name", [*LAWS[:-1], pytest.param(LAWS[-1], marks=pytest.mark.slow)])
    def test_a_loss_of_the_law_is_worth_its_own_tokens(self, name):
        fit = drawn(name)
        for d in (3e9, 4e11, 5e13):
            found = worth(fit, loss_at(fit, 1e9, d), 1e9, n_tokens=2 * d, loss_se=0, force=True)
            assert found.d_eq == pytest.approx(d, rel=1e-8)
            assert found.ratio == pytest.approx(0.5, rel=1e-8)
            assert found.interval[0] < d < found.interval[1]

    def test_every_token_is_fresh_in_a_law_of_repeated_data(self):
        fit = repeated()
        assert worth(fit, loss_at(fit, 1e8, 2e10), 1e8, loss_se=0).d_eq == pytest.approx(2e10, rel=1e-9)

    def test_a_law_of_another_input_is_asked_by_its_name(self):
        x = np.geomspace(1e8, 1e12, 30)
        loss = (2 + 300 / x**0.3) * np.exp(0.001 * np.random.default_rng(0).standard_normal(30))
        fit = scaling.fit("power_floor", {"x": x}, loss, objective="squared", bootstrap=0)
        found = worth(fit, float(fit.evaluate({"x": 3e10})[0, 0]), tokens="x")
        assert found.d_eq == pytest.approx(3e10, rel=1e-9)
        with pytest.raises(UsageError, match=r"no tokens among its inputs x\n.*tokens='x'"):
            worth(fit, 2.5)

    def test_other_inputs_are_held(self):
        x = {"N": np.tile(np.geomspace(1e7, 1e9, 6), 12), "D": np.repeat(np.geomspace(1e9, 1e11, 6), 12)}
        x["g"] = np.tile(np.repeat([0.0, 1.0], 6), 6)
        t = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28, "r_N": 1.0, "r_D": 2.0}
        loss = 1.7 + 400 / x["N"] ** 0.34 + 400 / (x["D"] * np.where(x["g"] == 1, 2, 1)) ** 0.28
        noise = np.exp(0.001 * np.random.default_rng(0).standard_normal(72))
        fit = scaling.fit("shared_exponents", x, loss * noise, objective="squared", bootstrap=0, start=t)
        e = fit.estimates
        for g in (0.0, 1.0):
            above = 2.7 - e["E"] - e["A"] / (e["r_N"] ** g * 1e9) ** e["alpha"]
            expected = (e["B"] / above) ** (1 / e["beta"]) / e["r_D"] ** g
            assert worth(fit, 2.7, 1e9, at={"g": g}).d_eq == pytest.approx(expected, rel=1e-10)
        with pytest.raises(UsageError, match=r"needs the input 'g'"):
            worth(fit, 2.7, 1e9)
        with pytest.raises(UsageError, match="'D' holds the tokens that are asked for"):
            worth(fit, 2.7, 1e9, at={"g": 0, "D": 1e9})
        with pytest.raises(UsageError, match="has no input 'h'"):
            worth(fit, 2.7, 1e9, at={"g": 0, "h": 1e9})


class TestAsymptote:
    def test_a_loss_below_it_is_worth_more_than_any_amount(self):
        fit, _ = noisy(400)
        found = worth(fit, 1.9, 1e9)
        assert found.d_eq == np.inf
        assert found.interval == (np.inf, np.inf)
        assert found.endless_share == 1
        assert found.verdict == "extrapolating without end"
        assert "worth more than any amount of random data under this law" in found.words
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["d_eq"] == "inf"

    def test_just_above_it_the_interval_is_open_where_enough_replicates_are(self):
        fit, _ = noisy(400)
        level = float(TokenCurve.of(fit, 1e9).asymptote()[0])
        found = worth(fit, level + 0.003, 1e9)
        assert 0.1 < found.endless_share < 0.9
        assert found.interval[0] < found.d_eq < found.interval[1] == np.inf
        assert "The interval has no end" in found.words
        below = worth(fit, level - 0.003, 1e9)
        assert below.d_eq == np.inf
        assert below.interval[0] < 1e16
        assert "At least" in below.words

    def test_above_the_loss_of_no_data_it_is_worth_nothing(self):
        d = np.geomspace(1e8, 1e11, 20)
        loss = 1 + 3 / (1 + d / 1e9) ** 0.5
        low = {name: {"low": 1e-3, "high": 1e12 if name == "c" else 10} for name in ("E", "A", "c", "b")}
        start = {"E": 1.0, "A": 3.0, "c": 1e9, "b": 0.5}
        fit = scaling.fit(
            "E + A/(1 + D/c)**b", {"D": d}, loss * np.exp(0.001 * np.sin(np.arange(20))), objective="squared",
            parameters=low, start=start, bootstrap=0,
        )  # fmt: skip
        assert worth(fit, 5.0).d_eq == 0
        assert "worth nothing" in worth(fit, 5.0).words


class TestIntervals:
    @pytest.mark.parametrize("d", [1e10, 1e12])
    def test_four_ways_agree_far_from_the_asymptote(self, d):
        bare, rows = noisy()
        loss = loss_at(bare, 1e9, d)
        ends = [np.log(worth(bare, loss, 1e9, method=m, rows=r).interval) for m, r in
                (("delta", None), ("band", None), ("profile", rows))]  # fmt: skip
        ends.append(np.log(worth(noisy(2000)[0], loss, 1e9).interval))
        half = np.diff(ends[0])[0] / 2
        for other in ends[1:]:
            np.testing.assert_allclose(other, ends[0], atol=0.13 * half)

    def test_near_the_asymptote_the_profile_or_the_band_takes_over(self):
        bare, rows = noisy()
        loss = float(TokenCurve.of(bare, 1e9).asymptote()[0]) + 0.012
        band, profile = worth(bare, loss, 1e9), worth(bare, loss, 1e9, rows=rows)
        assert band.method.startswith("every number of tokens whose forecast holds the loss")
        assert profile.method.startswith("profile likelihood")
        assert band.interval[1] == profile.interval[1] == np.inf
        assert np.log(profile.interval[0]) == pytest.approx(np.log(band.interval[0]), abs=0.25)
        assert worth(bare, loss_at(bare, 1e9, 1e10), 1e9).method.startswith("delta method")

    def test_the_delta_method_by_hand(self):
        fit = replace(noisy()[0], estimates=TRUTH)
        n, d, error = 1e9, 3e10, 0.01
        curve = TokenCurve.of(fit, n)
        above = 400 / d**0.28  # L - E'
        b = 0.28
        gradient = {
            "E": 1 / (b * above), "A": n**-0.34 / (b * above), "B": 1 / (400 * b),
            "alpha": -400 * n**-0.34 * np.log(n) / (b * above), "beta": -np.log(d) / b,
        }  # fmt: skip
        scale = [TRUTH[k] if logged else 1.0 for k, logged in zip(fit.law.parameter_names, fit.log_scaled, strict=True)]
        g = np.array([gradient[k] for k in fit.law.parameter_names]) * scale
        expected = np.sqrt(g @ fit.covariance @ g + (error / (b * above)) ** 2)
        assert delta_error(curve, np.log(d), error) == pytest.approx(expected, rel=1e-7)

    def test_noise_of_the_loss_widens_it(self):
        fit, _ = noisy(400)
        loss = loss_at(fit, 1e9, 1e11)
        widths = [np.diff(np.log(worth(fit, loss, 1e9, loss_se=se).interval))[0] for se in (0, 0.01, 0.03)]
        # The noise of the loss alone: 2 * 1.96 * se/(beta*B/D**beta).
        alone = 2 * 1.96 * 0.03 / (fit.estimates["beta"] * fit.estimates["B"] / 1e11 ** fit.estimates["beta"])
        assert widths[2] == pytest.approx(np.hypot(widths[0], alone), rel=0.1)
        assert widths[0] < widths[1] < widths[2]
        missing = worth(fit, loss, 1e9)
        assert missing.loss_se == pytest.approx(0.005 * loss, rel=0.15)
        assert missing.loss_se_from == "scatter of the runs"

    @pytest.mark.slow
    def test_intervals_cover(self):
        """The loss of a new run at known tokens, 200 times: by the bootstrap 89 to 99 % of 95 % intervals hold them."""
        hits = 0
        x = noisy()[1][0]
        for i in range(200):
            rng = np.random.default_rng([7, i])
            loss = chinchilla(x["N"], x["D"]) * np.exp(0.005 * rng.standard_normal(64))
            fit = scaling.fit("chinchilla", x, loss, objective="squared", bootstrap=200, start=TRUTH)
            seen = float(chinchilla(1e9, 1e11)) * np.exp(0.005 * rng.standard_normal())
            low, high = worth(fit, seen, 1e9, seed=i).interval
            hits += low <= 1e11 <= high
        assert 178 <= hits <= 198

    def test_rivals_count_as_in_a_forecast(self):
        fit, _ = noisy(200)
        rival = Rival(fit.law, fit.estimates | {"E": fit.estimates["E"] + 0.02}, 0.4, 1.0, "squared")
        loss = loss_at(fit, 1e9, 1e11)
        wide, plain = worth(replace(fit, rivals=(rival,)), loss, 1e9), worth(fit, loss, 1e9, method="band")
        assert wide.interval[0] < plain.interval[0] < plain.interval[1] < wide.interval[1]
        assert "the form of the law" in wide.method
        # Under the rival the loss is worth more.
        moved = (fit.estimates["B"] / (loss - 0.02 - worth(fit, loss, 1e9).asymptote)) ** (1 / fit.estimates["beta"])
        assert moved < wide.interval[1]

    @pytest.mark.parametrize(("n", "d"), [(1e9, 1e10), (1e10, 4e12)])
    def test_errors_of_a_back_test_leave_the_band_in_one_piece(self, n, d):
        """They grow without end beyond the data, where a forecast holds any loss: no number of tokens there counts."""
        fit, (x, losses) = noisy(200)
        held = replace(fit, backtest=scaling.backtest_law(fit, x, losses, bootstrap=0))
        loss = loss_at(fit, n, d)
        plain, wide = worth(fit, loss, n, method="band"), worth(held, loss, n)
        assert "the errors of its back-test" in wide.method
        assert wide.interval[0] <= plain.interval[0] < d < plain.interval[1] <= wide.interval[1] < 4 * d
        if d > 2e12:  # beyond the data
            assert wide.interval[0] < plain.interval[0] < plain.interval[1] < wide.interval[1]
        end = held.predict({"N": n, "D": wide.interval[1]}, level=0.95, kind="run")
        assert end.high == pytest.approx(loss, rel=1e-4)
        far = held.predict({"N": n, "D": 1e26}, level=0.95, kind="run")
        assert far.low < loss < far.high

    def test_a_seed_repeats_it(self):
        fit, _ = noisy(200)
        one, again, other = (worth(fit, 2.5, 1e9, seed=s).interval for s in (3, 3, 4))
        assert one == again != other

    def test_a_bound_leaves_the_delta_method_without_an_answer(self):
        x, loss = noisy()[1]
        fit = scaling.fit(
            "E + A/N**alpha + B/D**beta", x, loss, objective="squared", bootstrap=0,
            parameters={"E": {"low": 1.9, "high": 3}, "A": {"low": 1, "high": 1e9}, "alpha": {"low": 0.01, "high": 2},
                        "B": {"low": 1, "high": 1e9}, "beta": {"low": 0.01, "high": 2}},
        )  # fmt: skip
        assert fit.diagnostics.at_bound == ("E",)
        found = worth(fit, 2.7, 1e9, method="delta")
        assert np.isnan(found.interval).all()
        assert "unknown" in repr(found)


class TestReport:
    def test_the_words(self):
        found = worth(exact(), float(chinchilla(1e9, 83.4e9)), 1e9, n_tokens=35e9, loss_se=0)
        assert found.words.startswith("A loss of 2.398 at 1B parameters is worth 83.4B random tokens (95 % interval ")
        assert "That is 2.38 times the 35B that it was trained on" in found.words
        assert found.verdict == "ok"

    def test_how_far_beyond_the_data(self):
        found = worth(exact(), float(chinchilla(1e9, 4e13)), 1e9)
        assert found.extrapolation_factor == pytest.approx(20, rel=1e-6)
        assert found.verdict == "extrapolating x20"

    def test_plain_data(self):
        table = json.loads(json.dumps(worth(noisy(200)[0], 2.5, 1e9, n_tokens=1e10).to_dict(), allow_nan=False))
        assert table["d_eq_low"] < table["d_eq"] < table["d_eq_high"]
        assert table["ratio"] == pytest.approx(table["d_eq"] / 1e10)
        assert table["words"].startswith("A loss of 2.500 at 1B parameters is worth ")


class TestRefused:
    @pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), "2.5"])
    def test_numbers_that_are_none(self, bad):
        for words in ({"loss": bad}, {"n_params": bad}, {"n_tokens": bad}):
            with pytest.raises(InputDataError, match="must be a finite number above 0"):
                worth(exact(), **({"loss": 2.5, "n_params": 1e9} | words))

    def test_a_negative_standard_error(self):
        with pytest.raises(InputDataError, match="standard error of the loss must be a finite number from 0 on"):
            worth(exact(), 2.5, 1e9, loss_se=-1)

    def test_laws_without_tokens(self):
        n = np.geomspace(1e6, 1e9, 12)
        sizes = scaling.fit("kaplan_n", {"N": n}, (8.8e13 / n) ** 0.076, objective="squared", bootstrap=0)
        with pytest.raises(UsageError, match="the law 'kaplan_n' has no tokens among its inputs N"):
            worth(sizes, 2.5, 1e8)

    def test_laws_that_rise_with_tokens(self):
        d = np.geomspace(1e9, 1e12, 12)
        batch = scaling.fit("critical_batch", {"D": d}, 17.75 * d**0.47, objective="squared", bootstrap=0)
        with pytest.raises(UsageError, match="does not fall with tokens"):
            worth(batch, 1e6)

    def test_a_size_that_is_missing(self):
        with pytest.raises(UsageError, match=r"needs the input 'N' .*\nGive the number of parameters"):
            worth(exact(), 2.5)

    def test_methods_that_cannot_be_had(self):
        with pytest.raises(UsageError, match="this fit has none"):
            worth(exact(), 2.5, 1e9, method="bootstrap")
        with pytest.raises(UsageError, match="needs the rows"):
            worth(exact(), 2.5, 1e9, method="profile")
        with pytest.raises(UsageError, match=r"no method 'profil'.*\nDid you mean 'profile'"):
            worth(exact(), 2.5, 1e9, method="profil")
        x, loss = noisy()[1]
        with pytest.raises(InputDataError, match="are not those of the fit"):
            worth(noisy()[0], 2.5, 1e9, method="profile", rows=(x, loss * 1.01))

    def test_a_law_that_is_not_identified(self):
        n = np.geomspace(1e7, 1e10, 12)
        x = {"N": n, "D": 20 * n}
        loss = chinchilla(n, 20 * n) * np.exp(0.003 * np.random.default_rng(0).standard_normal(12))
        line = scaling.fit("chinchilla", x, loss, objective="squared", bootstrap=0)
        with pytest.raises(VerdictError):
            worth(line, 2.5, 1e9)
        assert worth(line, 3.0, 1e9, force=True).verdict == "not identified"
