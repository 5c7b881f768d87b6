"""One plan of everything: from a fit of steps, and from a law for a run that was never swept."""

import json

import numpy as np
import pandas as pd
import pytest

from scaling.allocation.hardware import find_hardware
from scaling.batch_size import fit_steps, plan_batch
from scaling.batch_size.planner.curve import StepsCurve
from scaling.batch_size.planner.growth import Growth
from scaling.errors import UsageError, VerdictError

A, B = 2095.35, 1.13833e7
KEYS = [
    "unit", "level", "source", "verdict", "reasons", "notes", "tokens_per_sample", "flop_per_token", "fewest_steps",
    "fewest_samples", "critical_batch", "overhead", "batch", "batch_low", "batch_high", "front", "by_weight",
    "by_overhead", "cluster", "gpus", "gpus_low", "gpus_high", "gpu_curve", "runs", "warmup",
]  # fmt: skip
GROWTH = Growth(164.06, 0.4266)


@pytest.fixture(scope="module")
def steps():
    batch = 2.0 ** np.arange(5, 16)
    noise = np.exp(0.04 * np.random.default_rng(3).standard_normal(len(batch)))
    return fit_steps(batch, (A + B / batch) * noise, unit="sequences", bootstrap=300)


@pytest.fixture(scope="module")
def plan(steps):
    return plan_batch(
        steps, n_params=302e6, tokens_per_sample=512, hardware=find_hardware("h100", price_per_hour=2.0),
        smallest_per_gpu=4, deadline_hours=1.0, budget=30.0, chance=0.9, warmup=GROWTH,
        warmup_settings={"start": 32768, "share": 0.2},
    )  # fmt: skip


def test_the_batch_is_the_largest_of_the_overhead(plan, steps):
    critical = steps.estimates["b"] / steps.estimates["a"]
    assert plan.batch == pytest.approx(0.2 * critical, rel=1e-12)
    assert plan.batch_low < plan.batch < plan.batch_high
    assert plan.gpus == pytest.approx(0.2 * critical / 4, rel=1e-12)
    assert (plan.gpus_low, plan.gpus_high) == pytest.approx((plan.batch_low / 4, plan.batch_high / 4))
    assert plan.flop_per_token == 6 * 302e6


def test_the_parts_are_those_of_their_own_functions(plan):
    assert plan.cluster.flop_per_sample == 6 * 302e6 * 512
    assert plan.runs["in_time"].wall_seconds <= 3600
    assert plan.runs["in_time"].in_time >= 0.9
    assert plan.runs["in_budget"].cost <= 30
    # The length of the warm-up is that of a small batch: b sequences of 512 tokens.
    assert plan.warmup.total == pytest.approx(512 * plan.curve.b, rel=1e-12)
    assert plan.warmup.share == 0.2
    assert plan.gpu_curve.gpus[0] == 1


def test_a_plan_is_strict_json_with_its_keys(plan):
    table = plan.to_dict()
    assert list(table) == KEYS
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert list(table["runs"]) == ["fastest", "cheapest", "in_time", "in_budget", "in_both"]
    assert table["critical_batch"]["estimate"] == pytest.approx(table["fewest_samples"] / table["fewest_steps"])
    assert table["cluster"]["gpu"] == "h100"
    assert [row["gpus"] for row in table["gpu_curve"]][:3] == [1, 2, 4]
    assert table["warmup"]["phases"][0]["batch"] == 32768


def test_a_plan_for_people(plan):
    text = repr(plan)
    assert "up to 20 % more compute than the least: B = 1017 sequences (920 to 1120), 6 times the fewest steps" in text
    assert "best where time counts 25 % and compute the rest: B = 1696 sequences" in text
    assert "devices before another one hardly helps: 254 (229 to 281), at 4 sequences each" in text
    assert "the fewest device hours within 1 h: 8 devices, B = 32 sequences, 0.912 h (" in text
    assert "assumed here and was not measured" in text
    assert "unknown" not in text


def test_without_devices_there_is_the_trade_off_alone(steps):
    table = plan_batch(steps).to_dict()
    assert list(table) == KEYS
    assert (table["cluster"], table["gpus"], table["gpu_curve"], table["runs"], table["warmup"]) == (
        None, None, None, {}, None,
    )  # fmt: skip
    assert table["front"][0]["compute_flop"] is None


def test_one_sample_a_device_is_assumed_where_nothing_was_said(steps):
    made = plan_batch(steps, n_params=302e6, tokens_per_sample=512, hardware=find_hardware("h100"))
    assert made.cluster.smallest_per_gpu == 1
    assert any("upper bounds" in note for note in made.notes)
    tokens = StepsCurve(A, 512 * B, unit="tokens")
    made = plan_batch(tokens, n_params=302e6, tokens_per_sample=512, hardware=find_hardware("h100"))
    assert made.cluster.smallest_per_gpu == 512
    assert made.gpus == pytest.approx(0.2 * B / A, rel=1e-12)


def test_devices_that_are_given(steps):
    made = plan_batch(
        steps, n_params=302e6, tokens_per_sample=512, hardware=find_hardware("h100"), gpus=64, smallest_per_gpu=4
    )  # fmt: skip
    assert {run.gpus for run in made.runs.values()} == {64}


@pytest.mark.parametrize("gpus", [np.int64(64), np.array([64]), pd.Series([64], index=[7]), (64,)])
def test_devices_may_come_in_any_column(steps, gpus):
    made = plan_batch(steps, n_params=302e6, tokens_per_sample=512, hardware=find_hardware("h100"), gpus=gpus)
    assert {run.gpus for run in made.runs.values()} == {64}


def test_runs_at_batches_that_were_never_tried_are_named():
    sizes = 2.0 ** np.arange(6, 15)
    fit = fit_steps(sizes, (A + B / sizes) * np.exp(0.02 * np.cos(5 * np.arange(9))), bootstrap=20, unit="sequences")
    settings = {"n_params": 302e6, "tokens_per_sample": 512, "hardware": find_hardware("h100"), "smallest_per_gpu": 4}
    inside = plan_batch(fit, **settings, gpus=[64, 1024])
    assert not any("were tried" in note for note in inside.notes)
    outside = plan_batch(fit, **settings, gpus=[1, 64, 32768])
    told = [note for note in outside.notes if "were tried" in note]
    assert told == ["Batch sizes of 64 to 16384 sequences were tried; runs at 4, 131072 rest on the form of the law."]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hardware": find_hardware("h100"), "n_params": 3e8, "tokens_per_sample": 512, "gpus": "eight"}, "are whole"),
        ({"deadline_hours": 1.0}, "time and money need devices"),
        ({"gpus": 8}, "time and money need devices"),
        ({"hardware": find_hardware("h100")}, "the cost of a token"),
        ({"hardware": find_hardware("h100"), "n_params": 3e8}, "the tokens of one of the sequences"),
        ({"warmup_settings": {"share": 0.2}}, "a warm-up follows a law"),
        ({"warmup": GROWTH}, "the length of the run is not known in tokens"),
        ({"n_params": -1.0}, "above 0"),
        ({"overhead": "a fifth"}, "the overhead is a finite number above 0, not a fifth"),
        (
            {"hardware": find_hardware("h100"), "n_params": 3e8, "tokens_per_sample": 512, "deadline_hours": "soon"},
            "the deadline is a finite number above 0, not soon",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(steps, settings, said):
    with pytest.raises(UsageError, match=said):
        plan_batch(steps, **settings)


class TestFromALaw:
    @pytest.fixture(scope="class")
    @classmethod
    def law(cls):
        from scaling.batch_size.law import fit_critical_law

        tokens = np.geomspace(1e9, 5e10, 12)
        noise = np.exp(0.05 * np.random.default_rng(1).standard_normal(12))
        return fit_critical_law(164.06 * tokens**0.4266 * noise, n_tokens=tokens, unit="tokens", bootstrap=200)

    def test_the_batch_of_a_run_that_was_never_swept(self, law):
        made = plan_batch(law, n_tokens=2e10, n_params=1e9, warmup_settings={"share": 0.2})
        assert made.batch == pytest.approx(0.2 * float(np.squeeze(law.predict(n_tokens=2e10).estimate)), rel=1e-12)
        assert made.batch_low < made.batch < made.batch_high
        assert made.warmup.total == 2e10
        assert made.warmup.phases[1].start_low < made.warmup.phases[1].start_high
        assert made.to_dict()["source"].startswith("the law ")
        assert any("was not measured" in reason for reason in made.curve.reasons)
        assert plan_batch(law, n_tokens=2e10).warmup is None

    def test_a_law_needs_a_length(self, law):
        with pytest.raises(UsageError, match="a run of some length"):
            plan_batch(law)


def test_a_fit_that_is_not_identified_is_no_plan():
    batch = np.array([64.0, 256, 1024, 4096])
    few = fit_steps(batch, A + B / batch, unit="sequences", bootstrap=0)
    with pytest.raises(VerdictError):
        plan_batch(few)
    assert plan_batch(few, force=True).verdict == "not identified"


def test_a_device_takes_a_whole_sequence_where_a_batch_counts_tokens(steps):
    in_tokens = fit_steps(512 * steps.batch, steps.steps, unit="tokens", bootstrap=100)
    asked = {"n_params": 302e6, "hardware": find_hardware("h100")}
    assumed = plan_batch(in_tokens, **asked)
    assert assumed.cluster.smallest_per_gpu == 4096
    assert any("a sequence of 4096 tokens is assumed" in note for note in assumed.notes)
    told = plan_batch(in_tokens, tokens_per_sample=512, **asked)
    assert told.cluster.smallest_per_gpu == 512
    assert told.gpus == pytest.approx(8 * assumed.gpus)


def test_the_table_of_devices_ends_at_those_that_there_are(steps):
    asked = {"n_params": 302e6, "tokens_per_sample": 512, "hardware": find_hardware("h100")}
    plan = plan_batch(steps, gpus=[24, 100], **asked)
    assert plan.gpu_curve.gpus.tolist() == [1, 2, 4, 8, 16, 24, 32, 64, 100]
    whole = plan_batch(steps, **asked).gpu_curve.gpus
    assert len(whole) == 15
    assert whole[-1] <= 4 * plan.curve.critical < 2 * whole[-1]
