"""What data is worth, and which part of it to take: scores, selections, values, and their worth in random tokens.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.valuation.appraisal.band import Band, random_band
    from scaling.valuation.appraisal.broken_line import Scan, fit_broken_line, scan_bends
    from scaling.valuation.appraisal.entrance import appraise
    from scaling.valuation.appraisal.over_optimised import OverOptimisation, detect_over_optimisation
    from scaling.valuation.appraisal.result import Appraisal
    from scaling.valuation.catalogue import make_objective
    from scaling.valuation.choosing.certificate import Certificate
    from scaling.valuation.choosing.entrance import select
    from scaling.valuation.choosing.selected import Selected
    from scaling.valuation.choosing.shards import select_from_shards
    from scaling.valuation.collection.allocation import allocate_collection
    from scaling.valuation.collection.cross import CrossEffect, CrossEffects, cross_effects
    from scaling.valuation.collection.crossed import CrossedPlan, allocate_crossed
    from scaling.valuation.collection.curves import LearningCurve, LearningCurves, learning_curves
    from scaling.valuation.collection.held_out import HeldOutCurves, hold_out_largest
    from scaling.valuation.collection.plan import CollectionPlan
    from scaling.valuation.collection.rehearsal import Rehearsal, rehearse_collection
    from scaling.valuation.collection.sequential import Rounds, collect_in_rounds
    from scaling.valuation.embeddings import as_embeddings
    from scaling.valuation.equivalence.across_sizes import SizeTrend, worth_across_sizes
    from scaling.valuation.equivalence.equivalent_size import EquivalentSize
    from scaling.valuation.equivalence.pool_law import Pool
    from scaling.valuation.equivalence.pools import PoolAllocation, allocate_pools
    from scaling.valuation.equivalence.quality import SourceWeights, fit_source_weights
    from scaling.valuation.equivalence.repetition import (
        effective_tokens,
        fit_repeated_pools,
        pooled_tokens,
        repeated_pool_error,
    )
    from scaling.valuation.equivalence.score_curve import ScoreCurve, random_score_curve, score_curve_of
    from scaling.valuation.equivalence.thresholds import Thresholds, filtering_thresholds
    from scaling.valuation.equivalence.tokens import worth
    from scaling.valuation.equivalence.worth_result import Worth
    from scaling.valuation.guarantee import Guarantee
    from scaling.valuation.imitation import ImitationThreshold, fit_imitation, imitation_threshold
    from scaling.valuation.objective import Objective
    from scaling.valuation.points.alignment import Alignment, loss_drop_alignment
    from scaling.valuation.points.dynamics import (
        Forgetting,
        TrainingMap,
        el2n,
        el2n_from_losses,
        forgetting_events,
        right_from_losses,
        training_map,
        true_label_probability,
    )
    from scaling.valuation.points.joint_batches import JointBatch, sample_joint_batch
    from scaling.valuation.points.losses import FilteredByLoss, color_filter, color_score, learnability, mean_token_loss
    from scaling.valuation.points.nearest import knn_banzhaf, knn_leave_one_out, knn_shapley, knn_utility
    from scaling.valuation.points.neighbour_graph import GraphValues, knn_shapley_from_graph
    from scaling.valuation.points.prototypes import PrototypeScores, Pruned, prototype_difficulty, prune_by_difficulty
    from scaling.valuation.points.sensitivity import (
        CentreExamples,
        MeanLoss,
        WeightedSample,
        centre_examples,
        sensitivity_sample,
        weighted_mean_loss,
    )
    from scaling.valuation.points.shard_source import ArrayShards, ShardSource
    from scaling.valuation.points.sharded import ScorePlan, plan_scores, score_shards
    from scaling.valuation.points.tau_overlap import TauOverlap, overlap_by_tau
    from scaling.valuation.sources.price import TokenPrice, token_price
    from scaling.valuation.sources.valued import SourceValues
    from scaling.valuation.sources.values import source_values
    from scaling.valuation.spectral.diversity import (
        DiversityRow,
        DiversityTable,
        diversity_table,
        leinster_cobbold,
        log_det_score,
        renyi,
        tsallis,
        vendi,
        von_neumann,
    )

_PLACES = {
    "appraisal.band": ("Band", "random_band"),
    "appraisal.broken_line": ("Scan", "fit_broken_line", "scan_bends"),
    "appraisal.entrance": ("appraise",),
    "appraisal.over_optimised": ("OverOptimisation", "detect_over_optimisation"),
    "appraisal.result": ("Appraisal",),
    "equivalence.score_curve": ("EquivalentSize", "ScoreCurve", "random_score_curve", "score_curve_of"),
    "imitation": ("ImitationThreshold", "fit_imitation", "imitation_threshold"),
    "catalogue": ("make_objective",),
    "choosing.certificate": ("Certificate",),
    "choosing.entrance": ("select",),
    "choosing.selected": ("Selected",),
    "choosing.shards": ("select_from_shards",),
    "collection.allocation": ("allocate_collection",),
    "collection.cross": (
        "CrossEffect",
        "CrossEffects",
        "cross_effects",
    ),
    "collection.crossed": (
        "CrossedPlan",
        "allocate_crossed",
    ),
    "collection.curves": (
        "LearningCurve",
        "LearningCurves",
        "learning_curves",
    ),
    "collection.held_out": (
        "HeldOutCurves",
        "hold_out_largest",
    ),
    "collection.plan": ("CollectionPlan",),
    "collection.rehearsal": (
        "Rehearsal",
        "rehearse_collection",
    ),
    "collection.sequential": (
        "Rounds",
        "collect_in_rounds",
    ),
    "embeddings": ("as_embeddings",),
    "guarantee": ("Guarantee",),
    "objective": ("Objective",),
    "points.alignment": ("Alignment", "loss_drop_alignment"),
    "points.dynamics": (
        "Forgetting",
        "TrainingMap",
        "el2n",
        "el2n_from_losses",
        "forgetting_events",
        "right_from_losses",
        "training_map",
        "true_label_probability",
    ),
    "points.joint_batches": ("JointBatch", "sample_joint_batch"),
    "points.losses": ("FilteredByLoss", "color_filter", "color_score", "learnability", "mean_token_loss"),
    "points.nearest": ("knn_banzhaf", "knn_leave_one_out", "knn_shapley", "knn_utility"),
    "points.neighbour_graph": ("GraphValues", "knn_shapley_from_graph"),
    "points.prototypes": ("PrototypeScores", "Pruned", "prototype_difficulty", "prune_by_difficulty"),
    "points.sensitivity": (
        "CentreExamples",
        "MeanLoss",
        "WeightedSample",
        "centre_examples",
        "sensitivity_sample",
        "weighted_mean_loss",
    ),
    "points.shard_source": ("ArrayShards", "ShardSource"),
    "points.sharded": ("ScorePlan", "plan_scores", "score_shards"),
    "points.tau_overlap": ("TauOverlap", "overlap_by_tau"),
    "spectral.diversity": (
        "DiversityRow",
        "DiversityTable",
        "diversity_table",
        "leinster_cobbold",
        "log_det_score",
        "renyi",
        "tsallis",
        "vendi",
        "von_neumann",
    ),
    "equivalence.across_sizes": ("SizeTrend", "worth_across_sizes"),
    "equivalence.pool_law": ("Pool",),
    "equivalence.pools": ("PoolAllocation", "allocate_pools"),
    "equivalence.quality": ("SourceWeights", "fit_source_weights"),
    "equivalence.repetition": ("effective_tokens", "fit_repeated_pools", "pooled_tokens", "repeated_pool_error"),
    "equivalence.thresholds": ("Thresholds", "filtering_thresholds"),
    "equivalence.tokens": ("worth",),
    "equivalence.worth_result": ("Worth",),
    "sources.price": ("TokenPrice", "token_price"),
    "sources.valued": ("SourceValues",),
    "sources.values": ("source_values",),
}
_HOMES = {name: f"scaling.valuation.{module}" for module, names in _PLACES.items() for name in names}

__all__ = [
    "Alignment",
    "Appraisal",
    "ArrayShards",
    "Band",
    "CentreExamples",
    "Certificate",
    "CollectionPlan",
    "CrossEffect",
    "CrossEffects",
    "CrossedPlan",
    "DiversityRow",
    "DiversityTable",
    "EquivalentSize",
    "FilteredByLoss",
    "Forgetting",
    "GraphValues",
    "Guarantee",
    "HeldOutCurves",
    "ImitationThreshold",
    "JointBatch",
    "LearningCurve",
    "LearningCurves",
    "MeanLoss",
    "Objective",
    "OverOptimisation",
    "Pool",
    "PoolAllocation",
    "PrototypeScores",
    "Pruned",
    "Rehearsal",
    "Rounds",
    "Scan",
    "ScoreCurve",
    "ScorePlan",
    "Selected",
    "ShardSource",
    "SizeTrend",
    "SourceValues",
    "SourceWeights",
    "TauOverlap",
    "Thresholds",
    "TokenPrice",
    "TrainingMap",
    "WeightedSample",
    "Worth",
    "allocate_collection",
    "allocate_crossed",
    "allocate_pools",
    "appraise",
    "as_embeddings",
    "centre_examples",
    "collect_in_rounds",
    "color_filter",
    "color_score",
    "cross_effects",
    "detect_over_optimisation",
    "diversity_table",
    "effective_tokens",
    "el2n",
    "el2n_from_losses",
    "filtering_thresholds",
    "fit_broken_line",
    "fit_imitation",
    "fit_repeated_pools",
    "fit_source_weights",
    "forgetting_events",
    "hold_out_largest",
    "imitation_threshold",
    "knn_banzhaf",
    "knn_leave_one_out",
    "knn_shapley",
    "knn_shapley_from_graph",
    "knn_utility",
    "learnability",
    "learning_curves",
    "leinster_cobbold",
    "log_det_score",
    "loss_drop_alignment",
    "make_objective",
    "mean_token_loss",
    "overlap_by_tau",
    "plan_scores",
    "pooled_tokens",
    "prototype_difficulty",
    "prune_by_difficulty",
    "random_band",
    "random_score_curve",
    "rehearse_collection",
    "renyi",
    "repeated_pool_error",
    "right_from_losses",
    "sample_joint_batch",
    "scan_bends",
    "score_curve_of",
    "score_shards",
    "select",
    "select_from_shards",
    "sensitivity_sample",
    "source_values",
    "token_price",
    "training_map",
    "true_label_probability",
    "tsallis",
    "vendi",
    "von_neumann",
    "weighted_mean_loss",
    "worth",
    "worth_across_sizes",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.valuation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
