"""Shifts: what looks like progress, or the lack of it, and may be something else.

``measure_saturation``
    Small against large models over time.
``measure_monotonicity``
    Whether scores rise with compute, where many models share it.
``contamination_shift``
    Whether one benchmark moved against another from some date on.
``harness_offset``, ``apply_offset``, ``pair_models``, ``compute_disagreement``
    Two sources that score the same models.
``detect_regrade``, ``detect_jump``
    A benchmark that was graded anew: from two versions of its scores, or from its series alone.
``proportion_interval``
    How sure a share is.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.shift.contaminated import ContaminationShift
    from scaling.boundary.shift.contamination import contamination_shift
    from scaling.boundary.shift.harness import apply_offset, harness_offset
    from scaling.boundary.shift.jump import JumpTest
    from scaling.boundary.shift.jumps import detect_jump
    from scaling.boundary.shift.matching import ComputeDisagreement, PairedModels, compute_disagreement, pair_models
    from scaling.boundary.shift.monotonicity import Monotonicity, measure_monotonicity
    from scaling.boundary.shift.offset import AppliedOffset, HarnessOffset
    from scaling.boundary.shift.proportions import proportion_interval
    from scaling.boundary.shift.regrade import Regrade, detect_regrade
    from scaling.boundary.shift.saturated import Saturation
    from scaling.boundary.shift.saturation import measure_saturation

_HOMES = {
    "AppliedOffset": "scaling.boundary.shift.offset",
    "ComputeDisagreement": "scaling.boundary.shift.matching",
    "ContaminationShift": "scaling.boundary.shift.contaminated",
    "HarnessOffset": "scaling.boundary.shift.offset",
    "JumpTest": "scaling.boundary.shift.jump",
    "Monotonicity": "scaling.boundary.shift.monotonicity",
    "PairedModels": "scaling.boundary.shift.matching",
    "Regrade": "scaling.boundary.shift.regrade",
    "Saturation": "scaling.boundary.shift.saturated",
    "apply_offset": "scaling.boundary.shift.harness",
    "compute_disagreement": "scaling.boundary.shift.matching",
    "contamination_shift": "scaling.boundary.shift.contamination",
    "detect_jump": "scaling.boundary.shift.jumps",
    "detect_regrade": "scaling.boundary.shift.regrade",
    "harness_offset": "scaling.boundary.shift.harness",
    "measure_monotonicity": "scaling.boundary.shift.monotonicity",
    "measure_saturation": "scaling.boundary.shift.saturation",
    "pair_models": "scaling.boundary.shift.matching",
    "proportion_interval": "scaling.boundary.shift.proportions",
}

__all__ = [
    "AppliedOffset",
    "ComputeDisagreement",
    "ContaminationShift",
    "HarnessOffset",
    "JumpTest",
    "Monotonicity",
    "PairedModels",
    "Regrade",
    "Saturation",
    "apply_offset",
    "compute_disagreement",
    "contamination_shift",
    "detect_jump",
    "detect_regrade",
    "harness_offset",
    "measure_monotonicity",
    "measure_saturation",
    "pair_models",
    "proportion_interval",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.boundary.shift' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
