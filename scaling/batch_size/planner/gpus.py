"""Time against the number of devices, and how many of them before another one hardly helps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.planner.cluster import Cluster
from scaling.batch_size.planner.curve import StepsCurve
from scaling.batch_size.planner.identities import batch_for_overhead
from scaling.errors import UsageError
from scaling.serial import plain

Array = NDArray[np.float64]

HOUR = 3600.0  # seconds


def gpus_before_diminishing(curve: StepsCurve, cluster: Cluster, overhead: float) -> float:
    """Return how many devices the largest batch of an overhead keeps busy: overhead*B_crit over the smallest a device.

    Parameters
    ----------
    curve : StepsCurve
        Steps over batch size, its batch in the samples of the cluster.
    cluster : Cluster
        Devices.
    overhead : float
        Compute above the least that is accepted, as a share.

    Returns
    -------
    float
        Not rounded; below 1 the batch does not even keep one device busy.
    """
    return float(batch_for_overhead(curve.critical, overhead)) / cluster.smallest_per_gpu


@dataclass(frozen=True)
class GpuCurve:
    """Time against the number of devices, each at its own fastest batch.

    Parameters
    ----------
    gpus, batch, steps, wall_seconds, gpu_hours, cost : ndarray (m,)
        The cost is NaN without a price.
    overhead : ndarray (m,)
        Compute above the least, as a share.
    marginal_speedup : ndarray (m,)
        d ln(1/time)/d ln G on the way from the row before: 1 where a doubling halves the time, 0 where it does
        nothing. NaN in the first row.
    wall_seconds_interval, cost_interval : tuple of ndarray (m,)
        Percentiles of the replicates, at the batch of the row.
    unit : str
        Of the batch.
    """

    gpus: Array
    batch: Array
    steps: Array
    wall_seconds: Array
    gpu_hours: Array
    cost: Array
    overhead: Array
    marginal_speedup: Array
    wall_seconds_interval: tuple[Array, Array]
    cost_interval: tuple[Array, Array]
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON: ``unit`` and ``rows``, each with the fields by name and ``_low _high``."""
        rows = []
        names = ("gpus", "batch", "steps", "wall_seconds", "gpu_hours", "cost", "overhead", "marginal_speedup")
        for i in range(len(self.gpus)):
            row = {name: float(getattr(self, name)[i]) for name in names}
            for name in ("wall_seconds", "cost"):
                low, high = getattr(self, f"{name}_interval")
                row |= {f"{name}_low": float(low[i]), f"{name}_high": float(high[i])}
            rows.append(row)
        out: dict[str, Any] = plain({"unit": self.unit, "rows": rows})
        return out


def time_against_gpus(
    curve: StepsCurve,
    cluster: Cluster,
    gpus: ArrayLike | None = None,
    overhead: float | None = None,
    level: float = 0.9,
) -> GpuCurve:
    """Work out the time that numbers of devices need.

    Parameters
    ----------
    curve : StepsCurve
        Steps over batch size.
    cluster : Cluster
        Devices.
    gpus : array_like (m,), optional
        Numbers of them, increasing; powers of two to four times `gpus_before_diminishing` at an overhead of 1 where
        missing.
    overhead : float, optional
        Most compute above the least.
    level : float, default 0.9
        Nominal coverage.

    Returns
    -------
    GpuCurve

    Raises
    ------
    UsageError
        For numbers of devices below 1 or not increasing.
    """
    if gpus is None:
        top = max(4 * gpus_before_diminishing(curve, cluster, 1.0), 2.0)
        numbers: Array = np.asarray(2.0 ** np.arange(0, math.floor(math.log2(top)) + 1), float)
    else:
        numbers = np.atleast_1d(np.asarray(gpus, float))
    if not (np.all(np.isfinite(numbers) & (numbers >= 1)) and np.all(np.diff(numbers) > 0)):
        raise UsageError("numbers of devices are 1 or more, and increase from row to row")
    batch = cluster.fastest_batch(curve, numbers, overhead)
    each = cluster.step_seconds(batch, numbers)
    draws = curve.draws
    drawn = (draws[:, :1] + draws[:, 1:] / batch) * each
    seconds = drawn[0]
    price = math.nan if cluster.hardware.price_per_hour is None else cluster.hardware.price_per_hour
    dear = numbers * price / HOUR
    speedup = np.full(len(numbers), math.nan)
    speedup[1:] = -np.diff(np.log(seconds)) / np.diff(np.log(numbers))
    return GpuCurve(
        gpus=numbers, batch=batch, steps=curve.steps(batch), wall_seconds=seconds, gpu_hours=numbers * seconds / HOUR,
        cost=seconds * dear, overhead=batch / curve.critical, marginal_speedup=speedup,
        wall_seconds_interval=curve.interval(drawn[1:], level), cost_interval=curve.interval(drawn[1:] * dear, level),
        unit=curve.unit,
    )  # fmt: skip
