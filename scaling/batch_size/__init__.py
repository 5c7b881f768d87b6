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
    from scaling.batch_size.cells import Cell, Curve, StepsToTarget, steps_to_target
    from scaling.batch_size.conventions import overhead_batch
    from scaling.batch_size.critical import CriticalBatch, critical_batch_of
    from scaling.batch_size.crossing import Crossing, first_crossing
    from scaling.batch_size.forms import FormComparison, compare_forms
    from scaling.batch_size.iso_loss import IsoLoss, critical_at_losses
    from scaling.batch_size.law import fit_critical_law
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.batch_size.noise import NoiseScale, noise_scale, noise_scale_of_microbatches
    from scaling.batch_size.noise_smoothing import SmoothedNoiseScale, smoothed_noise_scale
    from scaling.batch_size.noise_windows import NoiseScaleCurve, noise_scale_windows
    from scaling.batch_size.planner.answer import BatchPlan, plan_batch
    from scaling.batch_size.planner.tradeoff import ParetoFront, pareto_front
    from scaling.batch_size.planner.warmup import WarmupSchedule, warmup_schedule
    from scaling.batch_size.published import PublishedRow, published_at
    from scaling.batch_size.sensitivity import ConventionTable, convention_table
    from scaling.batch_size.steps import StepsFit, fit_steps
    from scaling.batch_size.targets import Target, derive_target
    from scaling.batch_size.three_term import ThreeTerm, fit_three_term

_HOMES = {
    "BatchPlan": "scaling.batch_size.planner.answer",
    "Branched": "scaling.batch_size.branched",
    "Calibration": "scaling.batch_size.calibration",
    "Cell": "scaling.batch_size.cells",
    "ConventionTable": "scaling.batch_size.sensitivity",
    "CriticalBatch": "scaling.batch_size.critical",
    "CriticalLaw": "scaling.batch_size.law_result",
    "Crossing": "scaling.batch_size.crossing",
    "Curve": "scaling.batch_size.cells",
    "FormComparison": "scaling.batch_size.forms",
    "IsoLoss": "scaling.batch_size.iso_loss",
    "NoiseScale": "scaling.batch_size.noise",
    "NoiseScaleCurve": "scaling.batch_size.noise_windows",
    "ParetoFront": "scaling.batch_size.planner.tradeoff",
    "PublishedRow": "scaling.batch_size.published",
    "SmoothedNoiseScale": "scaling.batch_size.noise_smoothing",
    "StepsFit": "scaling.batch_size.steps",
    "StepsToTarget": "scaling.batch_size.cells",
    "Target": "scaling.batch_size.targets",
    "ThreeTerm": "scaling.batch_size.three_term",
    "WarmupSchedule": "scaling.batch_size.planner.warmup",
    "branched_batches": "scaling.batch_size.branched",
    "calibrate_noise_scale": "scaling.batch_size.calibration",
    "compare_forms": "scaling.batch_size.forms",
    "convention_table": "scaling.batch_size.sensitivity",
    "critical_at_losses": "scaling.batch_size.iso_loss",
    "critical_batch_of": "scaling.batch_size.critical",
    "derive_target": "scaling.batch_size.targets",
    "first_crossing": "scaling.batch_size.crossing",
    "fit_critical_law": "scaling.batch_size.law",
    "fit_steps": "scaling.batch_size.steps",
    "fit_three_term": "scaling.batch_size.three_term",
    "noise_scale": "scaling.batch_size.noise",
    "noise_scale_of_microbatches": "scaling.batch_size.noise",
    "noise_scale_windows": "scaling.batch_size.noise_windows",
    "overhead_batch": "scaling.batch_size.conventions",
    "pareto_front": "scaling.batch_size.planner.tradeoff",
    "plan_batch": "scaling.batch_size.planner.answer",
    "published_at": "scaling.batch_size.published",
    "smoothed_noise_scale": "scaling.batch_size.noise_smoothing",
    "steps_to_target": "scaling.batch_size.cells",
    "warmup_schedule": "scaling.batch_size.planner.warmup",
}

__all__ = [
    "BatchPlan",
    "Branched",
    "Calibration",
    "Cell",
    "ConventionTable",
    "CriticalBatch",
    "CriticalLaw",
    "Crossing",
    "Curve",
    "FormComparison",
    "IsoLoss",
    "NoiseScale",
    "NoiseScaleCurve",
    "ParetoFront",
    "PublishedRow",
    "SmoothedNoiseScale",
    "StepsFit",
    "StepsToTarget",
    "Target",
    "ThreeTerm",
    "WarmupSchedule",
    "branched_batches",
    "calibrate_noise_scale",
    "compare_forms",
    "convention_table",
    "critical_at_losses",
    "critical_batch_of",
    "derive_target",
    "first_crossing",
    "fit_critical_law",
    "fit_steps",
    "fit_three_term",
    "noise_scale",
    "noise_scale_of_microbatches",
    "noise_scale_windows",
    "overhead_batch",
    "pareto_front",
    "plan_batch",
    "published_at",
    "smoothed_noise_scale",
    "steps_to_target",
    "warmup_schedule",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.batch_size' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
