"""One run: a batch size on a number of devices, and what it takes in time and money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.batch_size.planner.cluster import Cluster
from scaling.batch_size.planner.curve import StepsCurve
from scaling.batch_size.planner.gpus import HOUR
from scaling.serial import plain


@dataclass(frozen=True)
class Run:
    """A run: its batch, its devices, and what they take.

    Parameters
    ----------
    goal : str
        What it was chosen for, in words.
    batch : float
        In `unit`.
    gpus : int
        Devices.
    batch_per_gpu : float
        In `unit`.
    steps, wall_seconds, gpu_hours, cost : float
        Estimates; the cost is NaN without a price.
    intervals : dict of str to (float, float)
        Of ``steps wall_seconds gpu_hours cost``, percentiles of the replicates at this batch and these devices.
    overhead : float
        Compute above the least, as a share.
    in_time, in_budget : float
        Share of the replicates that meet the deadline, and the budget; NaN where there is none, or no replicates.
    unit : str
        Of the batch.
    """

    goal: str
    batch: float
    gpus: int
    batch_per_gpu: float
    steps: float
    wall_seconds: float
    gpu_hours: float
    cost: float
    intervals: dict[str, tuple[float, float]]
    overhead: float
    in_time: float
    in_budget: float
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON: the fields by name, and the ends as ``NAME_low`` and ``NAME_high``."""
        table = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "intervals"}
        for name, (low, high) in self.intervals.items():
            table |= {f"{name}_low": low, f"{name}_high": high}
        out: dict[str, Any] = plain(table)
        return out


@dataclass(frozen=True)
class Infeasible:
    """Says that no run meets what was asked, and why.

    Parameters
    ----------
    goal : str
        What was asked.
    why : str
        The reason, with its numbers.
    instead : str
        What would be possible.
    """

    goal: str
    why: str
    instead: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: ``goal why instead``."""
        return {"goal": self.goal, "why": self.why, "instead": self.instead}


def make_run(
    curve: StepsCurve,
    cluster: Cluster,
    batch: float,
    gpus: int,
    goal: str,
    deadline_seconds: float | None = None,
    budget: float | None = None,
    level: float = 0.9,
) -> Run:
    """Work out what one batch size on a number of devices takes.

    Parameters
    ----------
    curve, cluster, deadline_seconds, budget, level
        As of `plan_runs`.
    batch : float
        In the unit of the curve.
    gpus : int
        Devices.
    goal : str
        What it is for, in words.

    Returns
    -------
    Run
    """
    each = float(cluster.step_seconds(batch, gpus))
    price = math.nan if cluster.hardware.price_per_hour is None else cluster.hardware.price_per_hour
    draws = curve.draws
    steps = draws[:, 0] + draws[:, 1] / batch
    drawn = {"steps": steps, "wall_seconds": steps * each}
    drawn["gpu_hours"] = drawn["wall_seconds"] * gpus / HOUR
    drawn["cost"] = drawn["gpu_hours"] * price
    table = np.stack(list(drawn.values()), axis=1)
    low, high = curve.interval(table[1:], level)
    intervals = {name: (float(low[j]), float(high[j])) for j, name in enumerate(drawn)}
    estimates = {name: float(values[0]) for name, values in drawn.items()}

    def share(name: str, limit: float | None) -> float:
        return math.nan if limit is None or not len(table[1:]) else float(np.mean(drawn[name][1:] <= limit))

    return Run(
        goal=goal, batch=batch, gpus=gpus, batch_per_gpu=batch / gpus, **estimates, intervals=intervals,
        overhead=batch / curve.critical, in_time=share("wall_seconds", deadline_seconds),
        in_budget=share("cost", budget), unit=curve.unit,
    )  # fmt: skip
