"""The values of single examples by name: what each says, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db import value_losses as losses
from db.value_job import Found, Job
from db.value_neighbours import neighbours, plan_of, sensitivity

if TYPE_CHECKING:
    from scaling.valuation.points.sharded import ScorePlan


@dataclass(frozen=True)
class Method:
    """A way to value examples.

    Parameters
    ----------
    what : str
        In a line.
    unit : str
        Of the values.
    options : mapping of str to type
        That it takes.
    whole : callable, optional
        Computes all values at once.
    plan : callable, optional
        Prepares values that come a shard at a time.
    end : str or None
        Which end is better to have; None where that depends on how much is kept.
    embeddings : bool
        Whether it reads embeddings.
    regression_unit : str or None
        Of the values where the task is regression, and that makes a difference.
    ends : str
        What speaks for either end, where it is open which to keep.
    """

    what: str
    unit: str
    options: Mapping[str, type]
    whole: Callable[[Job], Found] | None = None
    plan: Callable[[Job], ScorePlan] | None = None
    end: str | None = "highest"
    embeddings: bool = True
    regression_unit: str | None = None
    ends: str = (
        "examples of high difficulty are better to keep where data are plenty, those of low difficulty where they are "
        "few (arXiv:2206.14486)"
    )

    def unit_of(self, options: Mapping[str, Any]) -> str:
        """Return the unit of values that are made with some options."""
        if self.regression_unit is not None and options.get("task") == "regression":
            return self.regression_unit
        return self.unit


_KNN: dict[str, type] = {"k": int, "metric": str, "task": str, "baseline": float, "blocks": int}
_SHARE, _SQUARED = "share of accuracy", "squared units of the target"

#: Methods by name.
METHODS: dict[str, Method] = {
    "knn_shapley": Method(
        "exact Shapley value for a nearest-neighbour predictor", _SHARE, _KNN, neighbours("knn_shapley"),
        regression_unit=_SQUARED,
    ),
    "knn_banzhaf": Method(
        "mean gain over all sets of the others, for that predictor", _SHARE, _KNN, neighbours("knn_banzhaf"),
        regression_unit=_SQUARED,
    ),
    "knn_leave_one_out": Method(
        "what that predictor loses without the example", _SHARE, _KNN, neighbours("knn_leave_one_out"),
        regression_unit=_SQUARED,
    ),
    "color_filter": Method(
        "prior less conditional loss: what a model of the target finds easier", "nats per token", {},
        losses.two_losses("prior", "conditional"), embeddings=False,
    ),
    "learnability": Method(
        "learner less reference loss: not known yet, and can be learnt", "nats per token", {},
        losses.two_losses("learner", "reference"), embeddings=False,
    ),
    "jest": Method(
        "what an example adds to a batch that is chosen as a whole by learnability", "nats per token",
        {"size": int, "chunks": int, "sweeps": int, "temperature": float, "pairs": str}, losses.joint, embeddings=False,
    ),
    "prototypes": Method(
        "one less the cosine to the nearest prototype: difficulty", "1 - cosine", {"k": int, "sample": int},
        plan=plan_of("prototype", ("k", "sample")), end=None,
    ),
    "sensitivity": Method(
        "chance of a draw that estimates the mean loss from few losses", "chance",
        {"k": int, "size": int, "lam": float, "z": float, "sample": int, "normalise": bool}, sensitivity,
    ),
    "alignment": Method(
        "loss drops where the validation loss drops; no influence", "squared nats", {"validation": str},
        losses.alignment, embeddings=False,
    ),
    "el2n": Method("length of the error vector", "length", {}, losses.error_norm, end=None, embeddings=False),
    "forgetting": Method(
        "times it was right and then wrong", "events", {"threshold": float}, losses.forgetting, end=None,
        embeddings=False,
    ),
    "maps": Method(
        "confidence and its variability over training", "probability",
        {"value": str, "ambiguous_share": float, "confidence_from": float}, losses.maps, end=None, embeddings=False,
        ends="examples of low confidence are hard ones or wrongly labelled ones, those of high variability ambiguous "
        "ones",
    ),
    "relevance": Method(
        "cosine to the queries, of the nearest one or on average", "cosine", {"reduce": str},
        plan=plan_of("similarity", ("reduce",)),
    ),
    "leverage": Method(
        "ridge leverage: high for directions that few examples have", "share", {"ridge": float},
        plan=plan_of("leverage", ("ridge",)), end=None,
        ends="examples of high leverage lie in directions that few others have, those of low leverage are like many "
        "others",
    ),
}  # fmt: skip
