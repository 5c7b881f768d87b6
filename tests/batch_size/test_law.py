"""Laws of the critical batch size: known answers, designs told apart, and intervals that hold what they say."""

import json
import math

import numpy as np
import pytest

import scaling
from scaling.batch_size.critical import CriticalBatch
from scaling.batch_size.law import fit_critical_law, restore
from scaling.batch_size.law_design import read_design
from scaling.batch_size.steps import fit_steps
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.results import Fit

SIZES = np.array([1e8, 2e8, 4e8, 8e8, 16e8])


def curves(kappa=0.5, noise=0.03, seed=0, sizes=SIZES, bootstrap=200):
    """Fits of steps whose critical batch is 100 * (tokens / 1e9)^kappa sequences, at 20 tokens a parameter."""
    rng = np.random.default_rng(seed)
    fits = []
    batch = 2.0 ** np.arange(4, 12)
    for tokens in 20 * sizes:
        critical = 100 * (tokens / 1e9) ** kappa
        steps = tokens / 512 * (1 / batch + 1 / critical) * np.exp(noise * rng.standard_normal(len(batch)))
        fits.append(fit_steps(batch, steps, bootstrap=bootstrap, unit="sequences"))
    return fits


class TestLaws:
    def test_tokens(self):
        d = np.geomspace(1e9, 1e11, 6)
        law = fit_critical_law(3.0 * d**0.45, n_tokens=d, bootstrap=0, unit="tokens")
        assert law.fit.law.name == "critical_batch"
        assert law.estimates["k"] == pytest.approx(3.0, rel=1e-6)
        assert law.estimates["q"] == pytest.approx(0.45, rel=1e-6)

    def test_loss(self):
        loss = np.array([4.0, 3.6, 3.2, 3.0, 2.8, 2.6])
        law = fit_critical_law(2.1e8 / loss ** (1 / 0.21), loss=loss, bootstrap=0, unit="tokens")
        assert law.estimates["B_0"] == pytest.approx(2.1e8, rel=1e-5)
        assert law.estimates["alpha_B"] == pytest.approx(0.21, rel=1e-5)
        assert law.predict(loss=2.0, force=True).estimate == pytest.approx(2.1e8 / 2 ** (1 / 0.21), rel=1e-5)

    def test_both_where_both_vary(self):
        n, d = (v.ravel() for v in np.meshgrid([1e8, 4e8, 1.6e9], [2e9, 8e9, 3.2e10]))
        law = fit_critical_law(1e-2 * n**0.1 * d**0.4, n_params=n, n_tokens=d, bootstrap=0, unit="tokens")
        assert law.fit.law.name == "critical_batch_joint"
        assert law.design.kind == "both vary"
        assert law.design.condition == pytest.approx(1.0)
        assert law.estimates["p"] == pytest.approx(0.1, abs=1e-6)
        assert law.estimates["q"] == pytest.approx(0.4, abs=1e-6)

    def test_one_of_two_that_vary_says_what_it_leaves_out(self):
        n, d = (v.ravel() for v in np.meshgrid([1e8, 4e8, 1.6e9], [2e9, 8e9, 3.2e10]))
        law = fit_critical_law(
            1e-2 * n**0.1 * d**0.4, n_params=n, n_tokens=d, law="critical_batch", bootstrap=0, unit="tokens"
        )
        assert law.reasons[0] == "The parameters vary too, from 100M to 1.6B, and the law leaves them out."

    def test_of_fits_with_their_convention(self):
        fits = curves(noise=0)
        law = fit_critical_law(fits, n_params=SIZES, n_tokens=20 * SIZES, tokens_per_sample=512)
        assert law.estimates["q"] == pytest.approx(0.5, rel=1e-6)
        assert law.coefficient("sequences", 1e9) == pytest.approx(100, rel=1e-5)
        assert law.coefficient("tokens", 1e9) == pytest.approx(51200, rel=1e-5)
        anchored = fit_critical_law(fits, n_tokens=20 * SIZES, overhead=0.2, anchor=64)
        expected = 0.2 * 100 * (20 * SIZES / 1e9) ** 0.5 + 1.2 * 64
        assert anchored.points.critical == pytest.approx(expected, rel=1e-6)
        assert anchored.convention == "20 % above linear scaling from a batch of 64 sequences"

    def test_of_critical_batches_by_one_convention(self):
        d = np.geomspace(1e9, 1e11, 5)

        def batch(tokens, overhead):
            return CriticalBatch(100 * (tokens / 1e9) ** 0.5, 1.0, 2.0, 0.9, "", overhead, 64.0, "sequences")

        law = fit_critical_law([batch(t, 0.2) for t in d], n_tokens=d, bootstrap=0)
        assert (law.unit, law.record["overhead"], law.record["anchor"]) == ("sequences", 0.2, 64.0)
        with pytest.raises(UsageError, match=r"differ in their overhead: 0\.1, 0\.2"):
            fit_critical_law([batch(d[0], 0.1), *(batch(t, 0.2) for t in d[1:])], n_tokens=d)
        with pytest.raises(UsageError, match=r"anchor of the critical batches is 64\.0, and not 32"):
            fit_critical_law([batch(t, 0.2) for t in d], n_tokens=d, anchor=32)


class TestDesigns:
    def test_coupled_is_one_law(self):
        law = fit_critical_law(curves(), n_params=SIZES, n_tokens=20 * SIZES)
        assert law.design.kind == "coupled"
        assert law.design.slope == pytest.approx(1.0)
        assert "at 20 tokens a parameter: a law of the size and a law of the tokens are one law" in law.design.words
        of_size = fit_critical_law(curves(), n_params=SIZES, n_tokens=20 * SIZES, law="critical_batch_params")
        assert of_size.estimates["p"] == pytest.approx(law.estimates["q"], rel=1e-9)

    def test_coupled_refuses_both(self):
        with pytest.raises(VerdictError, match="which of the two does the work cannot be told"):
            fit_critical_law(curves(), n_params=SIZES, n_tokens=20 * SIZES, law="critical_batch_joint")

    def test_coupled_by_another_power(self):
        n = np.geomspace(1e8, 1e10, 6)
        design = read_design({"N": n, "D": 1e18 / n})
        assert design.kind == "coupled"
        assert design.slope == pytest.approx(-1.0)

    def test_joint_needs_both(self):
        with pytest.raises(UsageError, match="needs the parameters of each critical batch"):
            fit_critical_law([1.0, 2, 3, 4, 5], n_tokens=[1e9, 2e9, 4e9, 8e9, 16e9], law="critical_batch_joint")

    def test_held_size_and_held_tokens(self):
        d = np.geomspace(1e9, 1e11, 6)
        held = np.full(6, 3.02e8)
        fixed_n = fit_critical_law(d**0.47, n_params=held, n_tokens=d, bootstrap=0)
        assert (fixed_n.design.kind, fixed_n.fit.law.name) == ("tokens vary", "critical_batch")
        fixed_d = fit_critical_law(d**0.087, n_params=d, n_tokens=held, bootstrap=0)
        assert (fixed_d.design.kind, fixed_d.fit.law.name) == ("size varies", "critical_batch_params")
        with pytest.raises(InputDataError, match="parameters are the same at every critical batch"):
            fit_critical_law(d**0.47, n_params=held, n_tokens=d, law="critical_batch_params")
        with pytest.raises(InputDataError, match="show no growth"):
            fit_critical_law(d**0.47, n_params=held, n_tokens=held)

    def test_off_the_ratio_is_said(self):
        law = fit_critical_law(curves(), n_params=SIZES, n_tokens=20 * SIZES)
        beside = law.predict(n_params=1e9, n_tokens=2e11)
        assert "At 200 tokens a parameter, x10 off those of the points" in beside.notes[0]
        assert law.predict(n_params=1e9, n_tokens=2e10).notes == ()


class TestIntervals:
    def test_shared_seeds_of_the_fits_do_not_couple_their_replicates(self):
        # All fits have seed 0 and as many rows, so their replicates draw the same rows of residuals.
        law = fit_critical_law(curves(), n_tokens=20 * SIZES)
        drawn = np.corrcoef(np.log(law.points.replicates), rowvar=False)
        assert np.max(np.abs(drawn[np.triu_indices(5, 1)])) < 4 / math.sqrt(200)

    @pytest.mark.slow
    def test_they_cover(self):
        inside = 0
        for seed in range(150):
            law = fit_critical_law(curves(seed=seed, noise=0.05, bootstrap=200), n_tokens=20 * SIZES)
            low, high = law.fit.interval("q", 0.9)
            inside += low < 0.5 < high
        assert 0.83 <= inside / 150 <= 0.97

    def test_scatter_beyond_the_errors_is_added(self):
        rng = np.random.default_rng(1)
        d = np.geomspace(1e9, 1e11, 8)
        line = 100 * (d / 1e9) ** 0.5
        own = np.exp(0.02 * rng.standard_normal((2000, 8)))
        apart = line * np.exp(0.3 * rng.standard_normal(8))
        law = fit_critical_law(apart, n_tokens=d, replicates=apart * own)
        assert "and the scatter of the law itself" in law.interval_holds
        x = np.log(d) - np.log(d).mean()
        residual = float(np.sqrt(np.sum(law.fit.residuals**2) / 6))
        assert law.fit.standard_errors["q"] == pytest.approx(residual / math.sqrt(float(x @ x)), rel=0.06)
        tight = fit_critical_law(line, n_tokens=d, replicates=line * own)
        assert "nothing is added" in tight.interval_holds
        assert tight.fit.standard_errors["q"] == pytest.approx(0.02 / math.sqrt(float(x @ x)), rel=0.06)

    def test_four_points_do_not_tell_their_scatter(self):
        law = fit_critical_law(curves(sizes=SIZES[:4]), n_tokens=20 * SIZES[:4])
        assert "4 of them do not tell" in law.interval_holds
        assert law.verdict == "weak"

    def test_few_points_without_errors_forecast_nothing(self):
        law = fit_critical_law([100.0, 140, 200, 290], n_tokens=[1e9, 2e9, 4e9, 8e9])
        assert law.verdict == "not identified"
        with pytest.raises(VerdictError):
            law.predict(n_tokens=1e10)
        assert law.predict(n_tokens=1e10, force=True).estimate > 290

    def test_extrapolation_is_said(self):
        law = fit_critical_law(curves(), n_tokens=20 * SIZES)
        far = law.predict(n_tokens=20 * SIZES[-1] * 5)
        assert far.verdict == "extrapolating x5"
        assert far.low < far.estimate < far.high

    def test_held_out_largest(self):
        found = fit_critical_law(curves(noise=0), n_tokens=20 * SIZES).held_out_largest()
        assert found.points == 4
        assert found.missed == pytest.approx(0, abs=1e-6)
        assert found.forecast.extrapolation_factor == pytest.approx(2)
        line = 100 * np.sqrt(20 * SIZES / 1e9)
        bent = fit_critical_law(np.append(line[:-1], 2 * line[-1]), n_tokens=20 * SIZES).held_out_largest()
        assert bent.missed == pytest.approx(-0.5, abs=1e-6)

    def test_held_out_largest_draws_clusters_whole_as_the_law_does(self):
        tokens = np.geomspace(1e9, 1e11, 24)
        cluster = np.repeat(np.arange(6), 4)
        shift = np.array([0.2, -0.2, 0.2, -0.2, 0.2, -0.2])[cluster]
        batch = 1e6 * (tokens / 1e9) ** 0.4 * np.exp(shift)
        forecasts = [
            fit_critical_law(batch, n_tokens=tokens, groups=groups).held_out_largest().forecast
            for groups in (cluster, None)
        ]
        whole, single = (np.log(f.high / f.low) for f in forecasts)
        assert whole > 1.3 * single
        assert "between draws of the groups" in forecasts[0].method


class TestResult:
    def test_through_json(self):
        law = fit_critical_law(curves(), n_params=SIZES, n_tokens=20 * SIZES, tokens_per_sample=512)
        again = restore(Fit.from_json(law.fit.to_json()))
        assert again.fit == law.fit
        assert again.design == law.design
        assert again.predict(n_tokens=1e12) == law.predict(n_tokens=1e12)
        assert json.loads(json.dumps(law.to_dict()))["written"] == law.written()
        with pytest.raises(UsageError, match="points of this law are not at hand"):
            again.held_out_largest()

    def test_of_something_else(self):
        other = scaling.fit("power", {"x": [1.0, 2, 4, 8, 16, 32]}, [6.0, 5, 4, 3.4, 3, 2.5], bootstrap=0)
        with pytest.raises(InputDataError, match="no law of a critical batch size"):
            restore(other)

    def test_units(self):
        law = fit_critical_law(curves(), n_tokens=20 * SIZES, tokens_per_sample=512)
        assert (law.unit, law.fit.law.unit) == ("sequences", "tokens a step")
        in_tokens = law.predict(n_tokens=1e10, unit="tokens").estimate
        assert in_tokens == pytest.approx(512 * law.predict(n_tokens=1e10).estimate)
        bare = fit_critical_law(curves(), n_tokens=20 * SIZES)
        assert bare.fit.law.unit == "sequences a step"
        assert bare.fit.law.published == ()
        with pytest.raises(UsageError, match="how many tokens a sample has is not known"):
            bare.predict(n_tokens=1e10, unit="tokens")

    def test_same_seed_same_numbers(self):
        one, two, other = (fit_critical_law(curves(), n_tokens=20 * SIZES, seed=seed) for seed in (3, 3, 4))
        assert one.fit == two.fit
        assert not np.array_equal(one.fit.replicates, other.fit.replicates)


class TestBadInput:
    @pytest.mark.parametrize(
        ("critical", "more", "error", "match"),
        [
            ([], {"n_tokens": []}, InputDataError, "no critical batches"),
            ([1.0, 2, math.inf], {"n_tokens": [1, 2, 3]}, InputDataError, "critical batch 2 is inf"),
            ([1.0, -2, 3], {"n_tokens": [1, 2, 3]}, InputDataError, "critical batch 1 is -2"),
            (["a", 2, 3], {"n_tokens": [1, 2, 3]}, InputDataError, "not a number"),
            ([1.0, 2, 3], {}, UsageError, "what it grows with"),
            ([1.0, 2, 3], {"n_tokens": [1, 2]}, InputDataError, "shape"),
            ([1.0, 2, 3], {"n_tokens": [1, 0, 3]}, InputDataError, "'n_tokens' is 0 in row 1"),
            ([1.0, 2, 3], {"n_tokens": [1, 2, 3], "law": "chinchilla"}, UsageError, "no law of the critical batch"),
            ([1.0, 2, 3], {"n_tokens": [1, 2, 3], "unit": "words"}, UsageError, "no unit 'words'"),
            ([1.0, 2, 3], {"n_tokens": [1, 2, 3], "anchor": 64}, UsageError, "an anchor belongs to an overhead"),
            ([1.0, 2, 3], {"n_tokens": [1, 2, 3], "replicates": [[1, 2]]}, InputDataError, r"\(R, 3\) is expected"),
            ([1.0, 2, 3], {"n_tokens": [1, 2, 3], "tokens_per_sample": 0}, UsageError, "sample of 0 tokens"),
            ([1.0, 2, 3], {"n_tokens": [1, 2, 3], "tokens_per_sample": "2k"}, UsageError, "sample of 2k tokens"),
            ([1.0, 2, 3], {"n_tokens": [1, 2, 3], "overhead": -1}, UsageError, "overhead is a finite number above 0"),
            ([1.0, 2, 3], {"n_params": [1e8] * 3}, InputDataError, "parameters are the same at every"),
            ([1.0, 2, 3], {"loss": [2.5] * 3}, InputDataError, "loss are the same at every"),
        ],
    )
    def test_says_what_is_wrong(self, critical, more, error, match):
        with pytest.raises(error, match=match):
            fit_critical_law(critical, **more)

    def test_replicates_without_end(self):
        d = np.geomspace(1e9, 1e11, 5)
        line = 100 * np.sqrt(d / 1e9)
        rng = np.random.default_rng(0)
        drawn = line * np.exp(0.1 * rng.standard_normal((100, 5)))
        drawn[:10, 2] = np.inf
        law = fit_critical_law(line, n_tokens=d, replicates=drawn)
        assert len(law.fit.replicates) == 90
        assert "without the 10 % in which one had no end" in law.interval_holds
        drawn[:60, 2] = np.inf
        with pytest.raises(InputDataError, match="60 % of the replicates"):
            fit_critical_law(line, n_tokens=d, replicates=drawn)

    def test_groups_and_replicates(self):
        with pytest.raises(UsageError, match="nothing to resample by groups"):
            fit_critical_law(curves(), n_tokens=20 * SIZES, groups=list("aabbc"))
