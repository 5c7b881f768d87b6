"""Deadlines and budgets: the cheapest run that is done in time, and the fastest one for the money."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scaling.batch_size.planner.cluster import Cluster
from scaling.batch_size.planner.curve import StepsCurve
from scaling.batch_size.planner.gpus import HOUR
from scaling.batch_size.planner.identities import positive
from scaling.batch_size.planner.run import Infeasible, Run, make_run
from scaling.errors import UsageError, VerdictError
from scaling.formatting import format_number, format_percent, format_plural
from scaling.inputs import as_number

Array = NDArray[np.float64]

MOST_GPUS = 65536
_LARGEST_SCAN = 2_000_000
_BLOCK = 1024  # numbers of devices at a time, each with every replicate


def batch_for_deadline(curve: StepsCurve, seconds: float, step_seconds: float) -> float:
    """Return the smallest batch that is done in time, at steps of one length: b/(T/t_step - a).

    Parameters
    ----------
    curve : StepsCurve
        Steps over batch size.
    seconds : float
        The deadline.
    step_seconds : float
        Of each step, whatever the batch, as on devices that grow with it.

    Returns
    -------
    float
        In the unit of the curve.

    Raises
    ------
    UsageError
        For times that are not above 0.
    VerdictError
        Where even the fewest steps take longer.
    """
    allowed = positive(seconds, "the deadline") / positive(step_seconds, "the time of a step")
    if not allowed > curve.a:
        raise VerdictError(
            _too_soon(curve, seconds, step_seconds),
            hint="No batch size makes it; only shorter steps or more time would.",
        )
    return curve.b / (allowed - curve.a)


def plan_runs(
    curve: StepsCurve,
    cluster: Cluster,
    *,
    deadline_seconds: float | None = None,
    budget: float | None = None,
    overhead: float | None = None,
    gpus: Sequence[int] | None = None,
    most_gpus: int = MOST_GPUS,
    multiple: int = 1,
    chance: float | None = None,
    level: float = 0.9,
) -> dict[str, Run | Infeasible]:
    """Find the cheapest run that meets a deadline, the fastest within a budget, and the two without such a limit.

    Parameters
    ----------
    curve : StepsCurve
        Steps over batch size, its batch in the samples of the cluster.
    cluster : Cluster
        Devices.
    deadline_seconds, budget : float, optional
        Wall clock, and money in the currency of the price.
    overhead : float, optional
        Most compute above the least that is accepted.
    gpus : sequence of int, optional
        Numbers of devices to choose from; every multiple of `multiple` up to `most_gpus` where missing.
    most_gpus, multiple : int
        Devices that there are, and how many come together, such as 8.
    chance : float, optional
        Share of the replicates that must keep a limit, such as 0.9; where missing the estimates must, which is nearly
        even odds for a run that is just in time.
    level : float, default 0.9
        Nominal coverage.

    Returns
    -------
    dict of str to Run or Infeasible
        ``fastest`` and ``cheapest`` always; ``in_time`` with a deadline; ``in_budget`` with a budget; with both
        ``in_both``, the cheapest run that is done in time and within the budget.

    Raises
    ------
    UsageError
        For limits that are not above 0, a budget without a price, and a chance without replicates.

    Notes
    -----
    On a number of devices the batch is the fastest one, which is also the cheapest there, as the money is time times
    devices. Device hours never fall with the number of devices, so the cheapest run in time is the one on the fewest
    devices that make it.
    """
    if deadline_seconds is not None:
        positive(deadline_seconds, "the deadline")
    price = cluster.hardware.price_per_hour
    if budget is not None:
        positive(budget, "the budget")
        if price is None:
            raise UsageError("a budget needs a price", hint="Give the price of a device hour.")
    numbers = _numbers(gpus, most_gpus, multiple)
    batch = cluster.fastest_batch(curve, numbers, overhead)
    seconds = cluster.wall_seconds(curve, batch, numbers)
    hours = numbers * seconds / HOUR
    sure = None if chance is None else _check_chance(curve, chance)
    timely = paid = np.ones(len(numbers), bool)
    if deadline_seconds is not None:
        timely = _within(curve, cluster, numbers, batch, np.full(len(numbers), deadline_seconds), sure)
    if budget is not None and price is not None:
        paid = _within(curve, cluster, numbers, batch, budget * HOUR / (price * numbers), sure)

    def best(allowed: NDArray[np.bool_], least: Array, goal: str, why: str = "", instead: str = "") -> Run | Infeasible:
        rows = np.flatnonzero(allowed)
        if not len(rows):
            return Infeasible(goal, why, instead)
        i = int(rows[np.argmin(least[rows])])
        return make_run(curve, cluster, float(batch[i]), int(numbers[i]), goal, deadline_seconds, budget, level)

    everything = np.ones(len(numbers), bool)
    quick, frugal = int(np.argmin(seconds)), int(np.argmin(hours))
    out = {
        "fastest": best(everything, seconds, "the shortest time"),
        "cheapest": best(everything, hours, "the fewest device hours"),
    }
    if deadline_seconds is not None:
        why = _late(curve, cluster, deadline_seconds, float(seconds[quick]), overhead, chance)
        instead = f"The fastest run takes {_hours(seconds[quick])} on {_devices(numbers[quick])}."
        out["in_time"] = best(timely, hours, f"the fewest device hours within {_hours(deadline_seconds)}", why, instead)
    if budget is not None and price is not None:
        why = f"The cheapest run costs {format_number(hours[frugal] * price)}, on {_devices(numbers[frugal])}."
        instead = f"It takes {_hours(seconds[frugal])}."
        out["in_budget"] = best(paid, seconds, f"the shortest time for {format_number(budget)}", why, instead)
    if "in_time" in out and "in_budget" in out:
        why, instead = _neither(out["in_time"], out["in_budget"])
        out["in_both"] = best(timely & paid, hours, "the fewest device hours, in time and in budget", why, instead)
    return out


def _neither(timely: Run | Infeasible, paid: Run | Infeasible) -> tuple[str, str]:
    """Say why no run keeps both limits, and what would be possible."""
    for one in (timely, paid):
        if isinstance(one, Infeasible):
            return one.why, one.instead
    assert isinstance(timely, Run)
    assert isinstance(paid, Run)
    least, best = format_number(timely.cost), _hours(paid.wall_seconds)
    return f"In time costs {least} at least, and the budget buys {best} at best.", "Move either limit."


def _check_chance(curve: StepsCurve, chance: float) -> float:
    if not 0 < as_number(chance) < 1:
        raise UsageError(f"a chance lies between 0 and 1, not at {chance}")
    if not len(curve.replicates):
        raise UsageError(
            "a chance is a share of replicates, and this curve has none", hint="Fit the steps with bootstrap=1000."
        )
    return chance


def _within(
    curve: StepsCurve, cluster: Cluster, gpus: Array, batch: Array, limit: Array, chance: float | None
) -> NDArray[np.bool_]:
    """Tell which runs (m,) take no more seconds than allowed: by the estimates, or in a share of the replicates."""
    each = cluster.step_seconds(batch, gpus)
    if chance is None:
        return np.asarray(curve.steps(batch) * each <= limit)
    a, b = curve.replicates.T
    share = [
        np.mean(a + b / batch[i : i + _BLOCK, None] <= (limit / each)[i : i + _BLOCK, None], axis=1)
        for i in range(0, len(gpus), _BLOCK)
    ]
    return np.asarray(np.concatenate(share) >= chance)


def _late(
    curve: StepsCurve, cluster: Cluster, deadline: float, best: float, overhead: float | None, chance: float | None
) -> str:
    """Say why nothing is done in time."""
    if deadline < curve.a * cluster.step_floor_seconds:
        return _too_soon(curve, deadline, cluster.step_floor_seconds)
    held = "" if overhead is None else f" with at most {format_percent(overhead)} more compute than the least"
    sure = "" if chance is None else f" with a chance of {format_percent(chance)}"
    return f"No number of devices{held} is done in {_hours(deadline)}{sure}: the shortest time is {_hours(best)}."


def _too_soon(curve: StepsCurve, seconds: float, step_seconds: float) -> str:
    return (
        f"Even at an infinite batch the run takes {format_number(curve.a)} steps of {format_number(step_seconds)} s, "
        f"which is {_hours(curve.a * step_seconds)}, and the deadline is {_hours(seconds)}."
    )


def _hours(seconds: float) -> str:
    return f"{format_number(seconds / HOUR, 3)} h"


def _devices(count: float) -> str:
    return format_plural(int(count), "device")


def _numbers(gpus: Sequence[int] | None, most: int, multiple: int) -> Array:
    """Numbers of devices (m,) to choose from."""
    if gpus is not None:
        numbers = np.unique(np.array([as_number(count) for count in gpus]))
    else:
        if not (isinstance(multiple, int) and 1 <= multiple <= most):
            raise UsageError(f"devices come {multiple} at a time, of {most}", hint="Such as 8 of 65536.")
        if most // multiple > _LARGEST_SCAN:
            raise UsageError(f"{most} devices are too many to try", hint="Name some numbers, or a larger multiple.")
        numbers = np.arange(multiple, most + 1, multiple, dtype=float)
    if not (len(numbers) and np.all(np.isfinite(numbers) & (numbers >= 1) & (numbers == np.round(numbers)))):
        raise UsageError("numbers of devices are whole and 1 or more")
    return numbers
