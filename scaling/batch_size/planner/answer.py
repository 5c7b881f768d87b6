"""What to run: batch size, devices, time, money and warm-up of one training run, in one answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.batch_size.law_result import CriticalLaw
from scaling.batch_size.planner.cluster import Cluster, Communication, make_cluster
from scaling.batch_size.planner.curve import StepsCurve, curve_from_law, curve_of
from scaling.batch_size.planner.deadline import MOST_GPUS, plan_runs
from scaling.batch_size.planner.gpus import HOUR, GpuCurve, gpus_before_diminishing, time_against_gpus
from scaling.batch_size.planner.growth import Growth, growth_of
from scaling.batch_size.planner.identities import positive, tokens_of_sample
from scaling.batch_size.planner.run import Infeasible, Run
from scaling.batch_size.planner.text import plan_text
from scaling.batch_size.planner.tradeoff import WEIGHTS, ParetoFront, pareto_front
from scaling.batch_size.planner.warmup import WarmupSchedule, warmup_schedule
from scaling.errors import UsageError
from scaling.formatting import format_whole
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.serial import plain

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from scaling.allocation.hardware import Hardware
    from scaling.batch_size.steps import StepsFit
    from scaling.results import Fit

OVERHEAD = 0.2  # compute above the least that is accepted where nothing is said
ONE_SEQUENCE = 4096.0  # tokens that a device takes at least, where a batch counts tokens and nobody said
DOUBLINGS = 14  # of the devices, in the table of their times


@dataclass(frozen=True)
class BatchPlan:
    """A plan of the batch size; see `plan_batch`.

    Parameters
    ----------
    curve : StepsCurve
        What it rests on.
    front : ParetoFront
        Time against compute.
    overhead : float
        Compute above the least that is accepted, as a share.
    batch, batch_low, batch_high : float
        The largest batch of that overhead, in the unit of the curve.
    tokens_per_sample, flop_per_token : float
        NaN where they are not known.
    cluster : Cluster or None
        Devices; None where none were named, and nothing below then.
    gpus, gpus_low, gpus_high : float
        Devices before another one hardly helps: the largest batch over the smallest a device.
    gpu_curve : GpuCurve or None
        Time against devices.
    runs : dict of str to Run or Infeasible
        ``fastest cheapest in_time in_budget in_both``, those that were asked for.
    warmup : WarmupSchedule or None
        Where a law of the critical batch was given.
    notes : tuple of str
        What is assumed.
    """

    curve: StepsCurve
    front: ParetoFront
    overhead: float
    batch: float
    batch_low: float
    batch_high: float
    tokens_per_sample: float
    flop_per_token: float
    cluster: Cluster | None
    gpus: float
    gpus_low: float
    gpus_high: float
    gpu_curve: GpuCurve | None
    runs: dict[str, Run | Infeasible]
    warmup: WarmupSchedule | None
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """That of the curve."""
        return self.curve.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON. Batches and samples are in ``unit``, times in seconds, compute in FLOP.

        Keys
        ----
        unit, level, source, verdict, reasons, notes
            What the plan rests on.
        tokens_per_sample, flop_per_token
            None where they are not known.
        fewest_steps, fewest_samples
            a and b.
        critical_batch
            ``estimate low high``: b/a.
        overhead, batch, batch_low, batch_high
            The largest batch of the overhead.
        front, by_weight, by_overhead
            As of `ParetoFront.to_dict`.
        cluster, gpus, gpus_low, gpus_high, gpu_curve
            None without devices; as of `Cluster.to_dict` and the rows of `GpuCurve.to_dict`.
        runs
            ``fastest cheapest in_time in_budget in_both``: as of `Run.to_dict`, or ``goal why instead`` where no run
            meets what was asked. Empty without devices.
        warmup
            As of `WarmupSchedule.to_dict`, or None.
        """
        front = self.front.to_dict()
        out: dict[str, Any] = plain(
            {
                "unit": self.curve.unit,
                "level": self.front.level,
                "source": self.curve.source,
                "verdict": self.verdict,
                "reasons": self.curve.reasons,
                "notes": self.notes,
                "tokens_per_sample": self.tokens_per_sample,
                "flop_per_token": self.flop_per_token,
                "fewest_steps": self.curve.a,
                "fewest_samples": self.curve.b,
                "critical_batch": front["critical_batch"],
                "overhead": self.overhead,
                "batch": self.batch,
                "batch_low": self.batch_low,
                "batch_high": self.batch_high,
                **{name: front[name] for name in ("front", "by_weight", "by_overhead")},
                "cluster": None if self.cluster is None else self.cluster.to_dict(),
                "gpus": self.gpus,
                "gpus_low": self.gpus_low,
                "gpus_high": self.gpus_high,
                "gpu_curve": None if self.gpu_curve is None else self.gpu_curve.to_dict()["rows"],
                "runs": {name: run.to_dict() for name, run in self.runs.items()},
                "warmup": None if self.warmup is None else self.warmup.to_dict(),
            }
        )
        return out

    def __repr__(self) -> str:
        return plan_text(self)


def plan_batch(
    steps: StepsFit | Fit | StepsCurve | CriticalLaw,
    *,
    n_params: float | None = None,
    n_tokens: float | None = None,
    loss: float | None = None,
    tokens_per_sample: float | None = None,
    flop_per_token: float | None = None,
    overhead: float = OVERHEAD,
    batch: ArrayLike | None = None,
    weights: Sequence[float] = WEIGHTS,
    hardware: Hardware | None = None,
    gpus: int | Sequence[int] | None = None,
    most_gpus: int = MOST_GPUS,
    multiple: int = 1,
    smallest_per_gpu: float | None = None,
    step_floor_seconds: float | None = None,
    communication: Communication | None = None,
    deadline_hours: float | None = None,
    budget: float | None = None,
    chance: float | None = None,
    most_overhead: float | None = None,
    warmup: CriticalLaw | Growth | None = None,
    warmup_settings: Mapping[str, Any] | None = None,
    level: float = 0.9,
    force: bool = False,
) -> BatchPlan:
    """Plan the batch size of a run, with devices, time, money and a warm-up as far as these are asked for.

    Parameters
    ----------
    steps : StepsFit, Fit, StepsCurve or CriticalLaw
        Steps to a target over batch size; or a law of the critical batch, for a run of `n_tokens` tokens.
    n_params : float, optional
        Parameters; for the cost of a token, and for laws over model size.
    n_tokens, loss : float, optional
        Where a law is asked. `n_tokens` is the length of the run at a small batch.
    tokens_per_sample : float, optional
        Context length. Where the batch is in tokens it is what a device cannot take less of.
    flop_per_token : float, optional
        6 times `n_params` where missing.
    overhead : float, default 0.2
        Compute above the least that is accepted, for the batch and the devices before another hardly helps.
    batch : array_like, optional
        Batch sizes of the front, in the unit of the curve.
    weights : sequence of float
        Of time, for the table of best batches.
    hardware : Hardware, optional
        See `scaling.allocation.hardware.find_hardware`.
    gpus : int or sequence of int, optional
        Numbers of devices to choose from.
    most_gpus, multiple : int
        Devices that there are, and how many come together.
    smallest_per_gpu : float, optional
        Samples a device below which its utilisation is not kept, in the unit of the curve.
    step_floor_seconds, communication : optional
        As of `scaling.batch_size.planner.cluster.make_cluster`.
    deadline_hours, budget : float, optional
        Wall clock, and money in the currency of the price.
    chance : float, optional
        Share of the replicates that must keep a limit; the estimates must where missing.
    most_overhead : float, optional
        Most compute above the least of any run that is proposed.
    warmup : CriticalLaw or Growth, optional
        Law of a warm-up; the law itself where `steps` is one over tokens and `warmup_settings` are given.
    warmup_settings : mapping, optional
        ``share start most multiple power_of_two total`` of `scaling.batch_size.planner.warmup.warmup_schedule`.
    level : float, default 0.9
        Nominal coverage.
    force : bool, default False
        Plan even on a fit that is ``not identified``.

    Returns
    -------
    BatchPlan

    Raises
    ------
    UsageError
        For settings that do not go together, such as a deadline without devices.
    VerdictError
        For a fit or law that is not identified, unless forced.
    InputDataError
        For a curve without a trade-off.
    """
    if isinstance(steps, CriticalLaw):
        if n_tokens is None:
            raise UsageError("a law of the critical batch is asked for a run of some length", hint="Give n_tokens.")
        curve = curve_from_law(steps, n_tokens, n_params, loss, force)
        warmup = steps if warmup is None and warmup_settings is not None else warmup
    else:
        curve = curve_of(steps, force)
    overhead = positive(overhead, "the overhead")
    length = tokens_of_sample(curve.unit, tokens_per_sample)
    if flop_per_token is None and n_params is not None:
        flop_per_token = FLOP_PER_PARAMETER_TOKEN * positive(n_params, "the number of parameters")
    front = pareto_front(
        curve, batch, tokens_per_sample=tokens_per_sample, flop_per_token=flop_per_token, weights=weights,
        overheads=sorted({overhead, 0.1, 0.5, 1.0}), level=level,
    )  # fmt: skip
    each, low, high = front.by_overhead[overhead]
    cluster, notes = None, []
    if hardware is not None:
        cluster = _cluster(
            curve, hardware, length, flop_per_token, smallest_per_gpu=smallest_per_gpu,
            step_floor_seconds=step_floor_seconds, communication=communication,
            one=tokens_per_sample or ONE_SEQUENCE if curve.unit == "tokens" else 1.0,
        )  # fmt: skip
        if smallest_per_gpu is None and step_floor_seconds is None:
            one = (
                "one sample"
                if curve.unit != "tokens"
                else f"a sequence of {tokens_per_sample or ONE_SEQUENCE:g} tokens"
            )
            notes.append(
                f"How small a batch a device can take and keep its utilisation was not given: {one} is assumed to keep "
                "it, so the numbers of devices are upper bounds."
            )
    elif deadline_hours is not None or budget is not None or gpus is not None:
        raise UsageError("time and money need devices", hint="Name one, such as h100, or give its peak FLOP/s.")
    numbers = None if gpus is None else np.atleast_1d(np.asarray(gpus, object)).tolist()
    runs: dict[str, Run | Infeasible] = {}
    if cluster is not None:
        deadline = None if deadline_hours is None else positive(deadline_hours, "the deadline") * HOUR
        runs = plan_runs(
            curve, cluster, deadline_seconds=deadline, budget=budget,
            overhead=most_overhead, gpus=numbers, most_gpus=most_gpus, multiple=multiple, chance=chance, level=level,
        )  # fmt: skip
    notes += _untried(curve, [run.batch for run in runs.values() if isinstance(run, Run)])
    least = math.nan if cluster is None else cluster.smallest_per_gpu
    return BatchPlan(
        curve=curve, front=front, overhead=overhead, batch=each, batch_low=low, batch_high=high,
        tokens_per_sample=length, flop_per_token=math.nan if flop_per_token is None else flop_per_token,
        cluster=cluster, gpus=each / least, gpus_low=low / least, gpus_high=high / least,
        gpu_curve=None if cluster is None else _gpu_curve(curve, cluster, numbers, most_gpus, level), runs=runs,
        warmup=_warmup(curve, warmup, n_params, n_tokens, length, warmup_settings, level, force), notes=tuple(notes),
    )  # fmt: skip


def _untried(curve: StepsCurve, batches: Sequence[float]) -> list[str]:
    """Say which batches of runs lie outside those that the curve was fitted to."""
    low, high = curve.tried
    outside = sorted({b for b in batches if not low * (1 - 1e-9) <= b <= high * (1 + 1e-9)})
    if not outside:
        return []
    return [
        f"Batch sizes of {format_whole(low)} to {format_whole(high)} {curve.unit} were tried; runs at "
        f"{', '.join(format_whole(b) for b in outside)} rest on the form of the law."
    ]


def _gpu_curve(
    curve: StepsCurve, cluster: Cluster, gpus: Sequence[int] | None, most_gpus: int, level: float
) -> GpuCurve:
    """Work out the time of some doublings of the devices, up to those that there are and a little beyond what helps."""
    top = min(4 * gpus_before_diminishing(curve, cluster, 1.0), max(gpus) if gpus else most_gpus)
    last = max(math.floor(math.log2(max(top, 2.0))), 1)
    numbers = {2**k for k in range(max(last - DOUBLINGS, 0), last + 1)} | {int(n) for n in gpus or () if n >= 1}
    return time_against_gpus(curve, cluster, sorted(numbers), level=level)


def _cluster(
    curve: StepsCurve, hardware: Hardware, length: float, flop_per_token: float | None, **settings: Any
) -> Cluster:
    """Describe the devices in the samples of the curve."""
    if flop_per_token is None:
        raise UsageError(
            "time and money need the cost of a token",
            hint="Give the parameters (n_params; --params 7B), or flop_per_token.",
        )
    if math.isnan(length):
        raise UsageError(
            f"time and money need the tokens of one of the {curve.unit}",
            hint="Give the context length (tokens_per_sample; --context-length 2048).",
        )
    return make_cluster(hardware, length * flop_per_token, **settings)


def _warmup(
    curve: StepsCurve, law: CriticalLaw | Growth | None, n_params: float | None, n_tokens: float | None, length: float,
    settings: Mapping[str, Any] | None, level: float, force: bool,
) -> WarmupSchedule | None:  # fmt: skip
    """Plan the warm-up, over the tokens of a small batch where no length is given."""
    if law is None:
        if settings:
            raise UsageError("a warm-up follows a law of the critical batch", hint="Give the law as warmup.")
        return None
    asked = dict(settings or {})
    growth = law if isinstance(law, Growth) else growth_of(law, n_params, force)
    total = asked.pop("total", None) or n_tokens or curve.b * (length if growth.unit == "tokens" else 1.0)
    if math.isnan(total):
        raise UsageError(
            f"the law counts tokens and the curve {curve.unit}, so the length of the run is not known in tokens",
            hint="Give the context length (tokens_per_sample; --context-length 2048), or n_tokens.",
        )
    return warmup_schedule(growth, total, level=level, **asked)
