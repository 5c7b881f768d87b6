"""How large a batch may be before it wastes compute: the critical batch size, its growth, and what to run.

From sweeps over batch size the steps to a target loss, the law ``S(B) = a + b/B``, critical batch sizes with their
convention beside them, laws of them over size, tokens and loss, the gradient noise scale, and plans of time and money.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.batch_size.branched import Branched, branched_batches
    from scaling.batch_size.calibration import Calibration, calibrate_noise_scale
    from scaling.batch_size.critical import CriticalBatch
    from scaling.batch_size.iso_loss import IsoLoss, critical_at_losses
    from scaling.batch_size.law import fit_critical_law
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.batch_size.noise import NoiseScale, noise_scale, noise_scale_of_microbatches
    from scaling.batch_size.noise_smoothing import SmoothedNoiseScale, smoothed_noise_scale
    from scaling.batch_size.noise_windows import NoiseScaleCurve, noise_scale_windows
    from scaling.batch_size.published import PublishedRow, published_at
    from scaling.batch_size.steps import StepsFit, fit_steps
    from scaling.batch_size.three_term import ThreeTerm, fit_three_term

_HOMES = {
    "Branched": "scaling.batch_size.branched",
    "Calibration": "scaling.batch_size.calibration",
    "CriticalBatch": "scaling.batch_size.critical",
    "CriticalLaw": "scaling.batch_size.law_result",
    "IsoLoss": "scaling.batch_size.iso_loss",
    "NoiseScale": "scaling.batch_size.noise",
    "NoiseScaleCurve": "scaling.batch_size.noise_windows",
    "PublishedRow": "scaling.batch_size.published",
    "SmoothedNoiseScale": "scaling.batch_size.noise_smoothing",
    "StepsFit": "scaling.batch_size.steps",
    "ThreeTerm": "scaling.batch_size.three_term",
    "branched_batches": "scaling.batch_size.branched",
    "calibrate_noise_scale": "scaling.batch_size.calibration",
    "critical_at_losses": "scaling.batch_size.iso_loss",
    "fit_critical_law": "scaling.batch_size.law",
    "fit_steps": "scaling.batch_size.steps",
    "fit_three_term": "scaling.batch_size.three_term",
    "noise_scale": "scaling.batch_size.noise",
    "noise_scale_of_microbatches": "scaling.batch_size.noise",
    "noise_scale_windows": "scaling.batch_size.noise_windows",
    "published_at": "scaling.batch_size.published",
    "smoothed_noise_scale": "scaling.batch_size.noise_smoothing",
}

__all__ = [
    "Branched",
    "Calibration",
    "CriticalBatch",
    "CriticalLaw",
    "IsoLoss",
    "NoiseScale",
    "NoiseScaleCurve",
    "PublishedRow",
    "SmoothedNoiseScale",
    "StepsFit",
    "ThreeTerm",
    "branched_batches",
    "calibrate_noise_scale",
    "critical_at_losses",
    "fit_critical_law",
    "fit_steps",
    "fit_three_term",
    "noise_scale",
    "noise_scale_of_microbatches",
    "noise_scale_windows",
    "published_at",
    "smoothed_noise_scale",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.batch_size' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
