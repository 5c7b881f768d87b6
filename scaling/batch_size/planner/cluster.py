"""Devices: how long a step takes, how many of them help, and the time that a number of them needs.

The wall clock of a run on G devices is ``T(B, G) = (a + b/B) * t_step(B, G)`` with::

    t_step(B, G) = max(B*L*F / (G*peak*MFU), t_floor) + t_comm(G)

where L are the tokens of a sample and F the FLOP of a token. Devices are kept busy only by a batch that grows with
them, and the batch stops paying at the critical size; that is where devices stop paying too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.hardware import Hardware
from scaling.batch_size.planner.curve import StepsCurve
from scaling.batch_size.planner.identities import batch_for_overhead, positive
from scaling.errors import InputDataError, UsageError
from scaling.serial import plain

Array = NDArray[np.float64]

_KEPT = 0.95  # of the best utilisation: what counts as keeping it


@dataclass(frozen=True)
class Communication:
    """Time that a step spends on exchanging gradients, where computing does not hide it.

    A ring passes 2*(G - 1)/G of the gradients through each device, and a message takes a fixed time for each doubling
    of the devices.

    Parameters
    ----------
    gradient_bytes : float, default 0
        Of all gradients, such as 2 times the parameters.
    bytes_per_second : float, default inf
        Of one device.
    latency_seconds : float, default 0
        For each doubling of the devices.
    """

    gradient_bytes: float = 0.0
    bytes_per_second: float = math.inf
    latency_seconds: float = 0.0

    def __post_init__(self) -> None:
        sane = self.gradient_bytes >= 0 and self.bytes_per_second > 0 and self.latency_seconds >= 0
        if not (sane and math.isfinite(self.gradient_bytes) and math.isfinite(self.latency_seconds)):
            raise UsageError(
                "bytes and times of communication are finite and not negative, and its bandwidth is above 0"
            )

    def seconds(self, gpus: ArrayLike) -> Array:
        """Seconds a step on G devices; none on one."""
        g = np.asarray(gpus, float)
        ring = 2 * (g - 1) / g * self.gradient_bytes / self.bytes_per_second
        return np.asarray(ring + self.latency_seconds * np.log2(g))


@dataclass(frozen=True)
class Cluster:
    """Devices of one kind at work on one model.

    Parameters
    ----------
    hardware : Hardware
        Peak, utilisation and price of a device.
    flop_per_sample : float
        FLOP of a training step for one sample, such as ``6 * n_params * context_length``.
    smallest_per_gpu : float
        Samples a device and step below which the utilisation is not kept.
    step_floor_seconds : float
        Least time of the computing of a step; that of `smallest_per_gpu` samples where `make_cluster` works it out.
    communication : Communication
        On top of the computing.
    """

    hardware: Hardware
    flop_per_sample: float
    smallest_per_gpu: float
    step_floor_seconds: float = 0.0
    communication: Communication = Communication()

    @property
    def seconds_per_sample(self) -> float:
        """Of one device at its utilisation."""
        return self.flop_per_sample / (self.hardware.peak_flop_per_second * self.hardware.mfu)

    def step_seconds(self, batch: ArrayLike, gpus: ArrayLike) -> Array:
        """Seconds of a step of a batch, in samples, on G devices."""
        b, g = np.asarray(batch, float), np.asarray(gpus, float)
        computing = np.maximum(b * self.seconds_per_sample / g, self.step_floor_seconds)
        return np.asarray(computing + self.communication.seconds(g))

    def wall_seconds(self, curve: StepsCurve, batch: ArrayLike, gpus: ArrayLike) -> Array:
        """Seconds to the target, (a + b/B) * t_step(B, G), with the batch in the unit of the curve."""
        return np.asarray(curve.steps(batch) * self.step_seconds(batch, gpus))

    def fastest_batch(self, curve: StepsCurve, gpus: ArrayLike, overhead: float | None = None) -> Array:
        """Batch of the shortest time on G devices, which is the cheapest on them as well.

        Parameters
        ----------
        curve : StepsCurve
            Steps over batch size.
        gpus : array_like
            Devices.
        overhead : float, optional
            Most compute above the least, as a share; the batch goes no further.

        Returns
        -------
        ndarray
            Less than `smallest_per_gpu` a device only where `overhead` allows no more.

        Notes
        -----
        Where computing takes longer than the floor, time is ``a*c*B/G + b*t/B`` and what does not depend on B, with c
        the seconds of a sample and t those of communication: least at ``sqrt(B_crit*t*G/c)``. Below it the floor makes
        every step last the same, so that a larger batch is faster.
        """
        g = np.asarray(gpus, float)
        talk = self.communication.seconds(g)
        least = max(self.smallest_per_gpu, self.step_floor_seconds / self.seconds_per_sample)
        best = np.maximum(g * least, np.sqrt(curve.critical * talk * g / self.seconds_per_sample))
        if overhead is not None:
            best = np.minimum(best, batch_for_overhead(curve.critical, overhead))
        return np.asarray(best)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON: times in seconds, FLOP, prices per hour of a device."""
        talk = self.communication
        out: dict[str, Any] = plain(
            {
                "gpu": self.hardware.name,
                "peak_flop_per_second": self.hardware.peak_flop_per_second,
                "mfu": self.hardware.mfu,
                "price_per_gpu_hour": self.hardware.price_per_hour,
                "flop_per_sample": self.flop_per_sample,
                "seconds_per_sample": self.seconds_per_sample,
                "smallest_batch_per_gpu": self.smallest_per_gpu,
                "step_floor_seconds": self.step_floor_seconds,
                "gradient_bytes": talk.gradient_bytes,
                "bytes_per_second": talk.bytes_per_second,
                "latency_seconds": talk.latency_seconds,
            }
        )
        return out


def make_cluster(
    hardware: Hardware,
    flop_per_sample: float,
    *,
    smallest_per_gpu: float | None = None,
    step_floor_seconds: float | None = None,
    communication: Communication | None = None,
    one: float = 1.0,
) -> Cluster:
    """Describe devices at work on a model.

    Parameters
    ----------
    hardware : Hardware
        See `scaling.allocation.hardware.find_hardware`.
    flop_per_sample : float
        FLOP of a training step for one sample.
    smallest_per_gpu : float, optional
        Samples a device and step below which the utilisation is not kept; the batch that takes as long as the floor
        where missing, and `one` without a floor.
    step_floor_seconds : float, optional
        Least time of the computing of a step; that of `smallest_per_gpu` samples where missing, since below it a step
        takes no less time. Never less than that of `one`.
    communication : Communication, optional
        None where missing.
    one : float, default 1
        The least that a device can be given: one sample, or the tokens of a sequence where samples are tokens.

    Returns
    -------
    Cluster

    Raises
    ------
    UsageError
        For numbers that are not above 0.
    """
    positive(flop_per_sample, "the FLOP of a sample")
    alone = flop_per_sample / (hardware.peak_flop_per_second * hardware.mfu)
    floor = 0.0 if step_floor_seconds is None else float(step_floor_seconds)
    single = positive(one, "one sample")
    if not (np.isfinite(floor) and floor >= 0):
        raise UsageError(f"the least time of a step is a finite number of seconds, 0 or more, not {floor:g}")
    if smallest_per_gpu is not None:
        least = max(positive(smallest_per_gpu, "the smallest batch a device"), single)
        floor = least * alone if step_floor_seconds is None else floor
    else:
        least = max(floor / alone, single)
    floor = max(floor, single * alone)  # no device computes less than one sample
    return Cluster(hardware, flop_per_sample, least, floor, communication or Communication())


def smallest_keeping_mfu(per_gpu: ArrayLike, mfu: ArrayLike, share: float = _KEPT) -> float:
    """Read off the smallest batch a device that keeps the utilisation, from measurements.

    Parameters
    ----------
    per_gpu : array_like (n,)
        Samples a device and step.
    mfu : array_like (n,)
        Model FLOP utilisation measured there, or tokens a second: only ratios count.
    share : float, default 0.95
        Of the best one, that counts as keeping it.

    Returns
    -------
    float
        Interpolated on the logarithm of the batch, between the largest batch that falls short and the next.

    Raises
    ------
    InputDataError
        For fewer than two measurements, or numbers that are not above 0.
    UsageError
        For a share outside (0, 1].

    Examples
    --------
    >>> smallest_keeping_mfu([1, 2, 4, 8], [0.10, 0.20, 0.40, 0.40], share=1.0)
    4.0
    """
    b, m = np.asarray(per_gpu, float), np.asarray(mfu, float)
    if b.shape != m.shape or b.ndim != 1 or len(b) < 2:
        raise InputDataError("utilisation is measured at two batch sizes a device or more, one number each")
    if not (np.all(np.isfinite(b) & (b > 0)) and np.all(np.isfinite(m) & (m > 0))):
        raise InputDataError("batch sizes a device and utilisations are finite numbers above 0")
    if not 0 < share <= 1:
        raise UsageError(f"the share of the best utilisation lies above 0 and up to 1, not at {share:g}")
    order = np.argsort(b)
    b, m = b[order], m[order]
    wanted = share * m.max()
    short = np.flatnonzero(m < wanted)
    if not len(short):
        return float(b[0])
    k = int(short[-1])
    if k == len(b) - 1:  # the last one measured falls short again: the best seen is the only one that keeps it
        return float(b[int(np.argmax(m))])
    part = (wanted - m[k]) / (m[k + 1] - m[k])
    return float(np.exp(np.log(b[k]) + part * (np.log(b[k + 1]) - np.log(b[k]))))
