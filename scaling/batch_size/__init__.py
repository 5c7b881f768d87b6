"""How large a batch may be before it wastes compute: the critical batch size, its growth, and what to run.

From sweeps over batch size the steps to a target loss, the law ``S(B) = a + b/B``, critical batch sizes with their
convention beside them, laws of them over size, tokens and loss, the gradient noise scale, and plans of time and money.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.batch_size.calibration import Calibration, calibrate_noise_scale
    from scaling.batch_size.critical import CriticalBatch
    from scaling.batch_size.noise import NoiseScale, noise_scale, noise_scale_of_microbatches
    from scaling.batch_size.noise_smoothing import SmoothedNoiseScale, smoothed_noise_scale
    from scaling.batch_size.noise_windows import NoiseScaleCurve, noise_scale_windows
    from scaling.batch_size.steps import StepsFit, fit_steps

_HOMES = {
    "Calibration": "scaling.batch_size.calibration",
    "CriticalBatch": "scaling.batch_size.critical",
    "NoiseScale": "scaling.batch_size.noise",
    "NoiseScaleCurve": "scaling.batch_size.noise_windows",
    "SmoothedNoiseScale": "scaling.batch_size.noise_smoothing",
    "StepsFit": "scaling.batch_size.steps",
    "calibrate_noise_scale": "scaling.batch_size.calibration",
    "fit_steps": "scaling.batch_size.steps",
    "noise_scale": "scaling.batch_size.noise",
    "noise_scale_of_microbatches": "scaling.batch_size.noise",
    "noise_scale_windows": "scaling.batch_size.noise_windows",
    "smoothed_noise_scale": "scaling.batch_size.noise_smoothing",
}

__all__ = [
    "Calibration",
    "CriticalBatch",
    "NoiseScale",
    "NoiseScaleCurve",
    "SmoothedNoiseScale",
    "StepsFit",
    "calibrate_noise_scale",
    "fit_steps",
    "noise_scale",
    "noise_scale_of_microbatches",
    "noise_scale_windows",
    "smoothed_noise_scale",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.batch_size' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
