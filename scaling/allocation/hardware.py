"""Accelerators: what a number of FLOP takes in device hours and in money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_number, format_percent

Array = NDArray[np.float64]

MFU = 0.4  # model FLOP utilisation where none is given: a usual value of large dense runs
_SECONDS = 3600.0


@dataclass(frozen=True)
class Accelerator:
    """A device.

    Parameters
    ----------
    name : str
        As the command line takes it.
    peak_flop_per_second : float
        Dense bfloat16 with float32 accumulation. Vendors print twice that where the matrices are half empty.
    source : str
        Where the number is printed.
    """

    name: str
    peak_flop_per_second: float
    source: str


_NVIDIA = "NVIDIA data sheet, bfloat16 tensor core without sparsity"
_GOOGLE = "Google Cloud TPU documentation, peak compute per chip (bf16)"
ACCELERATORS = {
    a.name: a
    for a in (
        Accelerator("a100", 312e12, _NVIDIA),
        Accelerator("h100", 989e12, f"{_NVIDIA}; SXM"),
        Accelerator("h100-nvl", 835e12, f"{_NVIDIA}; NVL"),
        Accelerator("h100-pcie", 756e12, f"{_NVIDIA}; PCIe"),
        Accelerator("h200", 989e12, f"{_NVIDIA}; SXM"),
        Accelerator("b200", 2250e12, f"{_NVIDIA}"),
        Accelerator("mi300x", 1307e12, "AMD data sheet, bfloat16 matrix without sparsity"),
        Accelerator("tpu-v5e", 197e12, _GOOGLE),
        Accelerator("tpu-v5p", 459e12, _GOOGLE),
        Accelerator("tpu-v6e", 918e12, _GOOGLE),
    )
}


@dataclass(frozen=True)
class Hardware:
    """Devices at work.

    Parameters
    ----------
    peak_flop_per_second : float
        Of one device.
    mfu : float, default 0.4
        Model FLOP utilisation: the share of the peak that goes into the FLOP of the cost model.
    price_per_hour : float, optional
        Of one device, in any currency.
    name : str
        For the tables.

    Raises
    ------
    UsageError
        For a peak or price that is not positive, or a utilisation outside (0, 1].
    """

    peak_flop_per_second: float
    mfu: float = MFU
    price_per_hour: float | None = None
    name: str = "a device"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.peak_flop_per_second) and self.peak_flop_per_second > 0):
            raise UsageError(f"the peak of a device is a positive number of FLOP/s, not {self.peak_flop_per_second:g}")
        if not 0 < self.mfu <= 1:
            raise UsageError(
                f"the utilisation (MFU) is a share above 0 and up to 1, not {self.mfu:g}", hint="0.4 stands for 40 %."
            )
        if self.price_per_hour is not None and not (np.isfinite(self.price_per_hour) and self.price_per_hour > 0):
            raise UsageError(
                f"the price of a device hour is a number above 0, not {self.price_per_hour:g}",
                hint="Leave it out to see hours alone.",
            )

    @property
    def label(self) -> str:
        """What is assumed, in one line."""
        text = (
            f"{self.name}: {format_number(self.peak_flop_per_second)} FLOP/s at {format_percent(self.mfu)} utilisation"
        )
        return text if self.price_per_hour is None else f"{text}, {self.price_per_hour:g} a device hour"

    def hours(self, flop: ArrayLike) -> Array:
        """Return the device hours that FLOP take."""
        return np.asarray(flop, float) / (self.peak_flop_per_second * self.mfu * _SECONDS)

    def money(self, flop: ArrayLike) -> Array:
        """Return what FLOP cost, in the currency of the price; NaN without a price."""
        return self.hours(flop) * (float("nan") if self.price_per_hour is None else self.price_per_hour)


def find_hardware(gpu: str | None = None, peak_flop_per_second: float | None = None, **settings: Any) -> Hardware:
    """Find an accelerator by its name, or take one of the user's own.

    Parameters
    ----------
    gpu : str, optional
        A name of `ACCELERATORS`.
    peak_flop_per_second : float, optional
        Instead of a name, or to correct that of a name.
    **settings
        `mfu` and `price_per_hour` of `Hardware`.

    Returns
    -------
    Hardware

    Raises
    ------
    UsageError
        For an unknown name, or neither.
    """
    if gpu is None:
        if peak_flop_per_second is None:
            raise UsageError(
                "hours and money need a device", hint=f"Name one (--gpu {', '.join(ACCELERATORS)}) or its --peak-flops."
            )
        return Hardware(peak_flop_per_second, **settings)
    if (known := ACCELERATORS.get(gpu.lower())) is None:
        raise UsageError(
            f"there is no accelerator '{gpu}' in the list",
            hint=did_you_mean(gpu, ACCELERATORS) + " For another, give its --peak-flops.",
        )
    peak = known.peak_flop_per_second if peak_flop_per_second is None else peak_flop_per_second
    return Hardware(peak, name=known.name, **settings)
