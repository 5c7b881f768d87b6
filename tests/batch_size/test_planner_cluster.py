"""Devices: the time of a step, the batch that suits a number of them, and how many help."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from scaling.allocation.hardware import Hardware, find_hardware
from scaling.batch_size.planner.cluster import Cluster, Communication, make_cluster, smallest_keeping_mfu
from scaling.batch_size.planner.curve import StepsCurve
from scaling.batch_size.planner.gpus import gpus_before_diminishing, time_against_gpus
from scaling.errors import InputDataError, UsageError

A, B = 2095.35, 1.13833e7
CURVE = StepsCurve(A, B, unit="sequences")
PARAMS, LENGTH = 302e6, 512
FLOP = 6 * PARAMS * LENGTH  # of a sequence
H100 = find_hardware("h100", mfu=0.4, price_per_hour=2.5)
EACH = FLOP / (989e12 * 0.4)  # seconds of a sequence on one device
TALK = Communication(gradient_bytes=2 * PARAMS, bytes_per_second=50e9, latency_seconds=2e-5)


def test_a_step_takes_the_computing_or_the_floor_and_the_communication():
    cluster = Cluster(H100, FLOP, 4.0, 0.02, TALK)
    for batch, gpus in ((4096.0, 8), (64.0, 64), (65536.0, 1), (1000.0, 100)):
        talk = 2 * (gpus - 1) / gpus * 2 * PARAMS / 50e9 + 2e-5 * np.log2(gpus)
        expected = max(batch * LENGTH * 6 * PARAMS / (gpus * 989e12 * 0.4), 0.02) + talk
        assert cluster.step_seconds(batch, gpus) == pytest.approx(expected, rel=1e-14)
        assert cluster.wall_seconds(CURVE, batch, gpus) == pytest.approx((A + B / batch) * expected, rel=1e-14)


def test_the_floor_and_the_smallest_batch_follow_from_each_other():
    by_batch = make_cluster(H100, FLOP, smallest_per_gpu=8)
    assert by_batch.step_floor_seconds == pytest.approx(8 * EACH, rel=1e-14)
    by_floor = make_cluster(H100, FLOP, step_floor_seconds=8 * EACH)
    assert by_floor.smallest_per_gpu == pytest.approx(8, rel=1e-14)
    both = make_cluster(H100, FLOP, smallest_per_gpu=8, step_floor_seconds=0.5)
    assert (both.smallest_per_gpu, both.step_floor_seconds) == (8, 0.5)


def test_no_device_computes_less_than_one_sample():
    alone = make_cluster(H100, FLOP)
    assert (alone.smallest_per_gpu, alone.step_floor_seconds) == (1, pytest.approx(EACH, rel=1e-14))
    tokens = make_cluster(H100, 6 * PARAMS, one=512)
    assert tokens.smallest_per_gpu == 512
    assert tokens.step_floor_seconds == pytest.approx(EACH, rel=1e-14)


@pytest.mark.parametrize("talk", [Communication(), TALK, Communication(latency_seconds=0.05)])
@pytest.mark.parametrize("gpus", [1, 16, 300, 5000])
def test_the_fastest_batch_is_the_minimum_over_the_batch(talk, gpus):
    cluster = make_cluster(H100, FLOP, smallest_per_gpu=4, communication=talk)
    best = float(cluster.fastest_batch(CURVE, gpus))
    found = minimize_scalar(
        lambda x: float(cluster.wall_seconds(CURVE, np.exp(x), gpus)), bounds=(0, np.log(1e8)), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert cluster.wall_seconds(CURVE, best, gpus) <= found.fun * (1 + 1e-9)
    assert best >= 4 * gpus * (1 - 1e-12)


def test_an_overhead_caps_the_batch():
    cluster = make_cluster(H100, FLOP, smallest_per_gpu=4)
    critical = CURVE.critical
    np.testing.assert_allclose(cluster.fastest_batch(CURVE, [10, 10_000], 0.2), [40, 0.2 * critical], rtol=1e-14)


@pytest.mark.parametrize("overhead", [0.1, 0.2, 1.0])
def test_devices_before_another_one_hardly_helps(overhead):
    cluster = make_cluster(H100, FLOP, smallest_per_gpu=4)
    most = gpus_before_diminishing(CURVE, cluster, overhead)
    assert most == pytest.approx(overhead * (B / A) / 4, rel=1e-14)
    # One percent more of them saves 1/(1 + overhead) percent of the time, and costs what the overhead says.
    near = np.array([most * 0.999, most * 1.001])
    seconds = cluster.wall_seconds(CURVE, cluster.fastest_batch(CURVE, near), near)
    assert -np.diff(np.log(seconds)) / np.diff(np.log(near)) == pytest.approx(1 / (1 + overhead), rel=1e-4)


def test_time_against_devices_falls_ever_less():
    cluster = make_cluster(H100, FLOP, smallest_per_gpu=4)
    table = time_against_gpus(CURVE, cluster)
    np.testing.assert_array_equal(table.gpus, 2.0 ** np.arange(13))  # four times the 1358 of an overhead of 1
    assert np.all(np.diff(table.wall_seconds) < 0)
    assert np.all(np.diff(table.marginal_speedup[1:]) < 0)
    # On the floor every step takes as long, and the time falls with the steps alone.
    time = 1 + CURVE.critical / (4 * table.gpus)
    np.testing.assert_allclose(table.marginal_speedup[1:], np.log2(time[:-1] / time[1:]), rtol=1e-9)
    assert np.isnan(table.marginal_speedup[0])
    # On few devices the money is that of the fewest samples.
    assert table.cost[0] == pytest.approx(B * (1 + 4 / CURVE.critical) * EACH / 3600 * 2.5, rel=1e-12)
    np.testing.assert_allclose(table.gpu_hours, table.gpus * table.wall_seconds / 3600, rtol=1e-14)
    np.testing.assert_allclose(table.cost, 2.5 * table.gpu_hours, rtol=1e-14)


def test_with_a_capped_batch_more_devices_end_to_help():
    cluster = make_cluster(H100, FLOP, smallest_per_gpu=4)
    most = gpus_before_diminishing(CURVE, cluster, 0.2)
    table = time_against_gpus(CURVE, cluster, [most / 2, most, 2 * most, 4 * most], overhead=0.2)
    np.testing.assert_allclose(table.marginal_speedup[2:], 0, atol=1e-12)
    assert table.marginal_speedup[1] > 0.8
    np.testing.assert_allclose(table.overhead[1:], 0.2, rtol=1e-12)


def test_communication_can_make_more_devices_slower():
    cluster = make_cluster(H100, FLOP, smallest_per_gpu=4, communication=Communication(latency_seconds=0.02))
    table = time_against_gpus(CURVE, cluster, [1, 64, 1e6, 1e7])
    assert table.marginal_speedup[1] > 0.5
    assert table.marginal_speedup[-1] < 0


def test_intervals_are_of_the_replicates_at_the_batch_of_the_row():
    rng = np.random.default_rng(3)
    draws = np.array([A, B]) * np.exp(0.05 * rng.standard_normal((500, 2)))
    curve = StepsCurve(A, B, draws, "sequences")
    cluster = make_cluster(H100, FLOP, smallest_per_gpu=4)
    table = time_against_gpus(curve, cluster, [1, 1000])
    low, high = table.wall_seconds_interval
    for i, (gpus, batch) in enumerate(zip(table.gpus, table.batch, strict=True)):
        drawn = (draws[:, 0] + draws[:, 1] / batch) * float(cluster.step_seconds(batch, gpus))
        assert (low[i], high[i]) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])), rel=0.01)
    np.testing.assert_allclose(table.cost_interval[1] / high, table.gpus * 2.5 / 3600, rtol=1e-12)


def test_a_price_that_is_not_known_leaves_the_cost_unknown():
    table = time_against_gpus(CURVE, make_cluster(Hardware(1e15), FLOP), [1, 8]).to_dict()
    assert [row["cost"] for row in table["rows"]] == [None, None]
    assert table["rows"][1]["wall_seconds"] > 0
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_the_smallest_batch_that_keeps_the_utilisation():
    sizes, mfu = [1, 2, 4, 8, 16], [0.1, 0.2, 0.38, 0.40, 0.40]
    assert smallest_keeping_mfu(sizes, mfu, share=0.95) == pytest.approx(4)
    # Half way from 0.2 to 0.38, and half way in the logarithm of the batch.
    assert smallest_keeping_mfu(sizes, mfu, share=0.29 / 0.4) == pytest.approx(2 * np.sqrt(2))
    assert smallest_keeping_mfu(sizes[::-1], mfu[::-1], share=0.95) == pytest.approx(4)
    assert smallest_keeping_mfu([2, 4], [0.4, 0.4]) == 2
    assert smallest_keeping_mfu([1, 2, 4], [0.1, 0.4, 0.2]) == 2  # it falls again: nothing beyond is interpolated


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: make_cluster(H100, 0), UsageError),
        (lambda: make_cluster(H100, FLOP, smallest_per_gpu=-1), UsageError),
        (lambda: make_cluster(H100, FLOP, step_floor_seconds=-1), UsageError),
        (lambda: Communication(gradient_bytes=-1), UsageError),
        (lambda: Communication(bytes_per_second=0), UsageError),
        (lambda: time_against_gpus(CURVE, make_cluster(H100, FLOP), [8, 4]), UsageError),
        (lambda: time_against_gpus(CURVE, make_cluster(H100, FLOP), [0.5]), UsageError),
        (lambda: smallest_keeping_mfu([1], [0.4]), InputDataError),
        (lambda: smallest_keeping_mfu([1, 2], [0.4, np.nan]), InputDataError),
        (lambda: smallest_keeping_mfu([1, 2], [0.4, 0.4], share=1.5), UsageError),
    ],
)
def test_what_makes_no_sense_is_refused(call, error):
    with pytest.raises(error):
        call()
