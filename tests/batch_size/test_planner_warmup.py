"""Schedules of the batch size: the published example, the identity of the exponent, rounding, and what is assumed."""

import json

import numpy as np
import pytest

from scaling.batch_size.planner.growth import Growth, growth_of
from scaling.batch_size.planner.sizes import batch_sizes
from scaling.batch_size.planner.warmup import ASSUMPTION, LEARNING_RATE, warmup_schedule
from scaling.errors import UsageError, VerdictError

# Critical batches in tokens, from decayed runs of arXiv:2503.04715; 256 sequences of 512 tokens at first.
LAW = Growth(164.06, 0.4266)
TOTAL, START = 24.576e9, 131072


def test_the_example_with_the_whole_critical_batch():
    made = warmup_schedule(LAW, TOTAL, start=START)
    np.testing.assert_allclose(np.array(made.switches) / 1e9, [0.032, 0.164, 0.833, 4.23, 21.5], rtol=0.011)
    assert [p.batch for p in made.phases] == [START * 2**j for j in range(6)]
    assert made.steps == pytest.approx(14229, abs=0.5)
    assert made.steps_constant_start == 187500
    assert made.steps_constant_final == pytest.approx(5859.375)
    assert made.saving == pytest.approx(1 - 14229 / 187500, abs=1e-5)


@pytest.mark.parametrize(("share", "steps"), [(0.5, 28212), (0.2, 65853)])
def test_the_example_with_a_share_of_it(share, steps):
    assert warmup_schedule(LAW, TOTAL, start=START, share=share).steps == pytest.approx(steps, abs=0.5)


def test_a_batch_holds_from_where_the_law_reaches_it():
    for share in (1.0, 0.3):
        made = warmup_schedule(LAW, TOTAL, start=START, share=share)
        for phase in made.phases[1:]:
            assert share * 164.06 * phase.start**0.4266 == pytest.approx(phase.batch, rel=1e-12)
        ends = [p.end for p in made.phases]
        assert ends[:-1] == made.switches
        assert ends[-1] == TOTAL
        assert sum(p.steps * p.batch for p in made.phases) == pytest.approx(TOTAL, rel=1e-12)
        # Another doubling is not reached.
        assert made.phases[-1].batch * 2 > share * 164.06 * TOTAL**0.4266


@pytest.mark.parametrize(("q", "ratio"), [(0.4266, 1.744), (0.468, 1.8797), (0.0001, 1.0001)])
def test_following_the_law_takes_one_over_one_less_q_times_the_steps_of_its_last_batch(q, ratio):
    made = warmup_schedule(Growth(164.06, q), TOTAL, start=16)
    assert made.ideal_ratio == pytest.approx(ratio, abs=1e-4)
    assert made.steps_ideal == pytest.approx(made.ideal_ratio * TOTAL / (164.06 * TOTAL**q), rel=1e-12)


def test_finer_steps_come_to_the_ideal():
    """With batches that change at every sequence the steps are those of the integral, but for the start."""
    fine = warmup_schedule(LAW, TOTAL, start=512, multiple=512, share=0.2)
    integral = TOTAL**0.5734 / (0.2 * 164.06 * 0.5734)
    assert fine.steps_ideal == pytest.approx(integral, rel=1e-12)
    assert fine.steps == pytest.approx(integral, rel=0.01)
    coarse = warmup_schedule(LAW, TOTAL, start=512, share=0.2)
    assert coarse.steps > 1.2 * fine.steps  # doublings lag behind the law by a quarter and more


def test_the_overhead_is_the_mean_of_the_batch_over_the_critical_one():
    made = warmup_schedule(LAW, TOTAL, start=START, share=0.5)
    t = (np.arange(2_000_000) + 0.5) / 2_000_000 * TOTAL
    batch = np.array([p.batch for p in made.phases])[np.searchsorted(made.switches, t, side="right")]
    assert made.overhead == pytest.approx(np.mean(batch / (164.06 * t**0.4266)), rel=1e-3)
    assert made.overhead_constant_final == pytest.approx(np.mean(batch[-1] / (164.06 * t**0.4266)), rel=1e-3)
    assert made.overhead_constant_start < made.overhead < made.overhead_constant_final


def test_the_learning_rate_grows_by_the_root_of_two_at_each_doubling():
    made = warmup_schedule(LAW, TOTAL, start=START)
    np.testing.assert_allclose([p.lr_factor for p in made.phases], np.sqrt(2) ** np.arange(6), rtol=1e-14)
    assert LEARNING_RATE in made.notes


def test_the_assumption_stands_on_every_schedule():
    made = warmup_schedule(LAW, TOTAL, start=START)
    assert made.notes[0] == ASSUMPTION
    assert "assumed here and was not measured" in repr(made)
    assert made.to_dict()["notes"][0] == ASSUMPTION
    assert "B = 131072 tokens," in repr(made)


def test_the_first_and_the_largest_batch_bound_it():
    made = warmup_schedule(LAW, TOTAL, start=START, most=1e6)
    assert [p.batch for p in made.phases] == [START, 2 * START, 4 * START]
    assert any("holds it below the law, which ends at 4.44" in note for note in made.notes)
    large = warmup_schedule(LAW, 1e8, start=2**22)
    assert [p.batch for p in large.phases] == [2**22]
    assert any("the batch never grows" in note for note in large.notes)
    assert large.steps == large.steps_constant_start == large.steps_constant_final


def test_a_batch_that_is_reached_with_the_end_of_the_run_is_not_used():
    made = warmup_schedule(Growth(1.0, 0.5), 2.0**20, start=2.0**8)
    assert [p.batch for p in made.phases] == [256, 512]  # 1024 = sqrt(2**20) is reached at the very end
    assert made.steps_constant_final == 2.0**11


def test_where_no_first_batch_is_given():
    made = warmup_schedule(LAW, TOTAL)
    first = made.phases[0].batch
    assert first == 2.0 ** np.floor(np.log2(164.06 * (TOTAL / 1000) ** 0.4266))
    assert len(made.phases) == 6


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"start": 300, "last": 2500, "power_of_two": True}, [256, 512, 1024, 2048]),
        ({"start": 300, "last": 2500}, [300, 600, 1200, 2400]),
        ({"start": 300, "last": 2400}, [300, 600, 1200, 2400]),
        ({"start": 300, "last": 800, "multiple": 128}, [256, 384, 512, 640, 768]),
        ({"start": 256, "last": 5000, "most": 1024}, [256, 512, 1024]),
        ({"start": 256, "last": 100}, [256]),
        ({"start": 256, "last": 256 * 3, "multiple": 256}, [256, 512, 768]),
    ],
)  # fmt: skip
def test_sizes(asked, expected):
    assert batch_sizes(**asked).tolist() == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"start": 100, "last": 2500, "multiple": 128}, "below the multiple of 128"),
        ({"start": 2048, "last": 4096, "most": 1024}, "above the largest"),
        ({"start": 1, "last": 1e9, "multiple": 1}, "would change"),
        ({"start": 0, "last": 1e9}, "above 0"),
    ],
)
def test_sizes_that_make_no_sense(asked, said):
    with pytest.raises(UsageError, match=said):
        batch_sizes(**asked)


def test_a_law_that_does_not_grow_has_no_warm_up():
    with pytest.raises(UsageError, match="does not grow"):
        warmup_schedule(Growth(1e6, -0.1), TOTAL, start=START)
    with pytest.raises(UsageError, match="is none"):
        Growth(0.0, 0.4)
    with pytest.raises(UsageError, match="is none"):
        Growth("164", 0.4)


def test_an_exponent_of_one_has_no_finite_ideal():
    made = warmup_schedule(Growth(1e-3, 1.0), TOTAL, start=START)
    assert (made.ideal_ratio, made.steps_ideal, made.overhead) == (np.inf, np.inf, np.inf)
    assert np.isfinite(made.steps)


def replicated(scatter=0.03):
    rng = np.random.default_rng(5)
    q = 0.4266 + scatter * rng.standard_normal(400)
    k = 164.06 * np.exp(-np.log(8e9) * (q - 0.4266))  # the laws cross in the middle of the runs
    return Growth(164.06, 0.4266, np.stack([k, q], axis=1), support=(1.4e9, 2.5e10))


def test_switches_have_the_intervals_of_the_law():
    growth = replicated()
    made = warmup_schedule(growth, TOTAL, start=START)
    for phase in made.phases[1:]:
        at = np.minimum((phase.batch / growth.replicates[:, 0]) ** (1 / growth.replicates[:, 1]), TOTAL)
        assert (phase.start_low, phase.start_high) == pytest.approx(tuple(np.quantile(at, [0.05, 0.95])), rel=0.02)
        assert phase.start_low < phase.start < phase.start_high
    assert made.steps_low < made.steps < made.steps_high
    # Of one replicate, the steps are those of the schedule that it leads to.
    alone = Growth(164.06, 0.4266, np.tile([[200.0, 0.43]], (30, 1)))
    expected = warmup_schedule(Growth(200.0, 0.43), TOTAL, start=START).steps
    got = warmup_schedule(alone, TOTAL, start=START)
    assert (got.steps_low, got.steps_high) == pytest.approx((expected, expected), rel=1e-9)


def test_laws_among_the_replicates_that_never_grow_or_run_away_are_borne():
    draws = np.array([[164.06, 0.4266]] * 30 + [[1e6, -0.1], [1e6, 0.0], [1e18, 3.0]])
    for multiple in (None, 131072):
        made = warmup_schedule(Growth(164.06, 0.4266, draws), TOTAL, start=START, multiple=multiple)
        assert made.steps_low <= made.steps <= made.steps_high <= 187500


def test_it_says_where_the_law_was_not_fitted():
    made = warmup_schedule(replicated(), TOTAL, start=START)
    assert any("fitted to runs of 1.4B to 25B tokens" in n for n in made.notes)
    inside = warmup_schedule(replicated(), TOTAL, start=2**21)
    assert not any("fitted to runs" in n for n in inside.notes)


def test_a_schedule_is_strict_json():
    table = warmup_schedule(LAW, TOTAL, start=START).to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["phases"][1]["start_low"] is None
    assert table["switches"] == [p["start"] for p in table["phases"][1:]]


class TestFromALaw:
    TOKENS = np.geomspace(1e9, 5e10, 12)
    RATIO = 164.06 * TOKENS**0.4266 * np.exp(0.05 * np.random.default_rng(1).standard_normal(12))

    def law(self, critical, **settings):
        from scaling.batch_size.law import fit_critical_law

        return fit_critical_law(critical, **({"n_tokens": self.TOKENS, "unit": "tokens", "bootstrap": 100} | settings))

    def test_the_coefficients_come_over_with_their_replicates(self):
        law = self.law(self.RATIO)
        growth = growth_of(law)
        assert (growth.k, growth.q) == (law.estimates["k"], law.estimates["q"])
        np.testing.assert_array_equal(growth.replicates, law.fit.replicates)
        assert growth.support == pytest.approx((1e9, 5e10))

    def test_sequences_become_tokens(self):
        law = self.law(self.RATIO / 512, unit="sequences", tokens_per_sample=512)
        assert growth_of(law).k == pytest.approx(self.law(self.RATIO).estimates["k"], rel=1e-6)

    def test_a_law_of_both_takes_the_model_size(self):
        size = np.tile([1e8, 1e9, 4e8], 4)
        law = self.law(self.RATIO * (size / 1e9) ** 0.1, n_params=size)
        growth = growth_of(law, n_params=2e9)
        assert law.fit.law.name == "critical_batch_joint"
        at = float(np.squeeze(law.predict(2e9, 3e10).estimate))
        assert growth.k * 3e10**growth.q == pytest.approx(at, rel=1e-12)
        with pytest.raises(UsageError, match="needs the model size"):
            growth_of(law)

    def test_a_law_without_tokens_is_refused(self):
        law = self.law(self.RATIO, n_tokens=None, n_params=self.TOKENS / 20)
        with pytest.raises(UsageError, match="does not say how the critical batch grows over a run"):
            growth_of(law)

    def test_numbers_of_no_known_convention_give_no_overhead(self):
        made = warmup_schedule(growth_of(self.law(self.RATIO, overhead=0.2)), TOTAL, start=START)
        assert np.isnan(made.overhead)
        assert any("not known to be b/a" in note for note in made.notes)

    def test_a_law_that_is_not_identified_is_no_schedule(self):
        few = self.law(self.RATIO[:4], n_tokens=self.TOKENS[:4], bootstrap=0)
        assert few.verdict == "not identified"
        with pytest.raises(VerdictError, match="not identified"):
            growth_of(few)
        assert growth_of(few, force=True).q > 0
