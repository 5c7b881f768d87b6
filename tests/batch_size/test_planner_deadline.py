"""Deadlines and budgets: against an exhaustive search, and what is said where nothing works."""

import json

import numpy as np
import pytest

from scaling.allocation.hardware import Hardware, find_hardware
from scaling.batch_size.planner.cluster import Communication, make_cluster
from scaling.batch_size.planner.curve import StepsCurve
from scaling.batch_size.planner.deadline import batch_for_deadline, plan_runs
from scaling.batch_size.planner.run import Infeasible, Run, make_run
from scaling.errors import UsageError, VerdictError

A, B = 2095.35, 1.13833e7
DRAWS = np.array([A, B]) * np.exp(0.05 * np.random.default_rng(0).standard_normal((300, 2)))
CURVE = StepsCurve(A, B, DRAWS, "sequences")
FLOP = 6 * 3.02e9 * 512
CLUSTER = make_cluster(find_hardware("h100", mfu=0.4, price_per_hour=2.0), FLOP, smallest_per_gpu=4)
HOUR = 3600.0


def test_a_deadline_is_inverted_for_the_batch():
    batch = batch_for_deadline(CURVE, 2 * HOUR, 0.5)
    assert batch == pytest.approx(B / (2 * HOUR / 0.5 - A), rel=1e-14)
    assert (A + B / batch) * 0.5 == pytest.approx(2 * HOUR, rel=1e-13)


def test_a_deadline_before_the_fewest_steps_is_refused_in_words():
    with pytest.raises(VerdictError) as caught:
        batch_for_deadline(CURVE, 0.999 * A * 0.5, 0.5)
    assert caught.value.message == (
        "Even at an infinite batch the run takes 2095 steps of 0.5000 s, which is 0.291 h, and the deadline is 0.291 h."
    )
    assert batch_for_deadline(CURVE, 1.001 * A * 0.5, 0.5) == pytest.approx(1000 * B / A, rel=1e-9)


def exhaustive(cluster, gpus, overhead=None):
    """Time and money of every number of devices with each of many batch sizes."""
    batch = np.geomspace(1, 1e7, 4001)
    if overhead is not None:
        batch = batch[batch <= overhead * CURVE.critical]
    g, b = np.meshgrid(gpus, batch, indexing="ij")
    seconds = cluster.wall_seconds(CURVE, b, g)
    return g, seconds, seconds * g / HOUR * cluster.hardware.price_per_hour


@pytest.mark.parametrize("talk", [Communication(), Communication(6e8, 5e10, 1e-3)])
@pytest.mark.parametrize("overhead", [None, 0.3])
def test_no_pair_of_devices_and_batch_beats_the_plan(talk, overhead):
    cluster = make_cluster(CLUSTER.hardware, FLOP, smallest_per_gpu=4, communication=talk)
    gpus = np.arange(1, 400)
    g, seconds, cost = exhaustive(cluster, gpus, overhead)
    deadline, budget = 3 * HOUR, 250.0
    found = plan_runs(
        CURVE, cluster, deadline_seconds=deadline, budget=budget, overhead=overhead, most_gpus=399
    )  # fmt: skip
    timely, paid, both = found["in_time"], found["in_budget"], found["in_both"]
    assert timely.wall_seconds <= deadline
    assert timely.cost <= cost[seconds <= deadline].min() * (1 + 1e-12)
    assert paid.cost <= budget
    assert paid.wall_seconds <= seconds[cost <= budget].min() * (1 + 1e-12)
    assert found["fastest"].wall_seconds <= seconds.min() * (1 + 1e-12)
    assert found["cheapest"].cost <= cost.min() * (1 + 1e-12)
    assert both.cost == timely.cost
    assert both.wall_seconds <= deadline
    assert g[seconds <= deadline].min() == timely.gpus  # no fewer devices make it


def test_a_run_is_what_its_parts_say():
    run = make_run(CURVE, CLUSTER, 1024, 64, "as asked")
    assert run.steps == pytest.approx(13211.853906, rel=1e-6)
    assert run.wall_seconds == pytest.approx(13211.853906 * 16 * FLOP / (989e12 * 0.4), rel=1e-6)
    assert run.gpu_hours == pytest.approx(64 * run.wall_seconds / HOUR, rel=1e-14)
    assert run.cost == pytest.approx(2 * run.gpu_hours, rel=1e-14)
    assert (run.batch_per_gpu, run.unit) == (16, "sequences")
    assert run.overhead == pytest.approx(1024 / (B / A), rel=1e-14)
    low, high = run.intervals["wall_seconds"]
    assert low < run.wall_seconds < high
    assert np.isnan(run.in_time)


def test_the_chance_of_being_in_time_is_a_share_of_the_replicates():
    run = make_run(CURVE, CLUSTER, 1024, 64, "as asked", deadline_seconds=5000.0, budget=170.0)
    seconds = (DRAWS[:, 0] + DRAWS[:, 1] / 1024) * float(CLUSTER.step_seconds(1024, 64))
    assert run.in_time == np.mean(seconds <= 5000.0)
    assert run.in_budget == np.mean(seconds * 64 / HOUR * 2 <= 170.0)
    assert 0 < run.in_time < 1
    tight = plan_runs(CURVE, CLUSTER, deadline_seconds=3 * HOUR)["in_time"]
    assert 0.2 < tight.in_time < 0.95  # on the fewest devices that make it, it is nearly even


def test_a_chance_asks_for_more_devices():
    settings = {"deadline_seconds": 0.5 * HOUR, "budget": 200.0}
    even, sure = (plan_runs(CURVE, CLUSTER, **settings, chance=c) for c in (None, 0.9))
    assert even["in_time"].in_time < 0.6
    assert sure["in_time"].gpus > even["in_time"].gpus
    assert sure["in_time"].in_time >= 0.9
    fewer = plan_runs(CURVE, CLUSTER, **settings, gpus=[sure["in_time"].gpus - 1], chance=0.9)["in_time"]
    assert isinstance(fewer, Infeasible)
    assert "with a chance of 90 %" in fewer.why
    assert sure["in_budget"].in_budget >= 0.9 > even["in_budget"].in_budget
    with pytest.raises(UsageError, match="this curve has none"):
        plan_runs(StepsCurve(A, B), CLUSTER, **settings, chance=0.9)


def test_what_cannot_be_done_is_said_with_its_numbers():
    floor = A * CLUSTER.step_floor_seconds
    found = plan_runs(CURVE, CLUSTER, deadline_seconds=0.9 * floor, budget=1.0)
    timely, paid, both = found["in_time"], found["in_budget"], found["in_both"]
    assert isinstance(timely, Infeasible)
    assert "Even at an infinite batch the run takes 2095 steps of 0.09381 s" in timely.why
    assert isinstance(paid, Infeasible)
    assert paid.why.startswith("The cheapest run costs 148.4,")
    assert paid.why.endswith("on 1 device.")
    assert isinstance(both, Infeasible)
    assert both.why == timely.why
    assert list(found) == ["fastest", "cheapest", "in_time", "in_budget", "in_both"]


def test_a_deadline_that_the_devices_do_not_make():
    found = plan_runs(CURVE, CLUSTER, deadline_seconds=3 * HOUR, most_gpus=8)["in_time"]
    assert isinstance(found, Infeasible)
    assert found.why.startswith("No number of devices is done in 3 h: the shortest time is 9.")
    assert found.instead.endswith("on 8 devices.")
    held = plan_runs(CURVE, CLUSTER, deadline_seconds=0.1 * HOUR, overhead=0.1)["in_time"]
    assert "with at most 10 % more compute than the least" in held.why


def test_limits_that_only_together_are_too_much():
    found = plan_runs(CURVE, CLUSTER, deadline_seconds=0.5 * HOUR, budget=155.0)
    assert isinstance(found["in_time"], Run)
    assert isinstance(found["in_budget"], Run)
    assert isinstance(found["in_both"], Infeasible)
    assert "In time costs 1" in found["in_both"].why
    assert "the budget buys" in found["in_both"].why


def test_devices_come_as_they_come():
    found = plan_runs(CURVE, CLUSTER, deadline_seconds=3 * HOUR, multiple=8, most_gpus=1024)
    alone = plan_runs(CURVE, CLUSTER, deadline_seconds=3 * HOUR, most_gpus=1024)
    assert found["in_time"].gpus == -(-alone["in_time"].gpus // 8) * 8
    assert plan_runs(CURVE, CLUSTER, gpus=[64])["fastest"].gpus == 64


def test_without_a_price_there_is_no_cost_and_no_budget():
    cluster = make_cluster(Hardware(989e12), FLOP)
    run = plan_runs(CURVE, cluster, deadline_seconds=10 * HOUR)["in_time"]
    table = run.to_dict()
    assert table["cost"] is None
    assert table["cost_low"] is None
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    with pytest.raises(UsageError, match="a budget needs a price"):
        plan_runs(CURVE, cluster, budget=100.0)


@pytest.mark.parametrize(
    "settings",
    [{"deadline_seconds": 0}, {"budget": -1}, {"gpus": [0]}, {"gpus": [1.5]}, {"gpus": []}, {"multiple": 0},
     {"chance": 1.0}, {"most_gpus": 10**8}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(settings):
    with pytest.raises(UsageError):
        plan_runs(CURVE, CLUSTER, **settings)
