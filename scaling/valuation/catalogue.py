"""The objectives by name: where each lives, and what it is in a line."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from scaling.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from scaling.valuation.embeddings import Rows
    from scaling.valuation.objective import Objective

#: Name of an objective: its module within `scaling.valuation`, its class, and what it is in a line.
OBJECTIVES: dict[str, tuple[str, str, str]] = {
    "vendi": ("spectral.objectives", "Vendi", "effective number of distinct examples, of any order q"),
    "von_neumann": ("spectral.objectives", "VonNeumann", "entropy of the spectrum, on a budget of k"),
    "renyi": ("spectral.objectives", "Renyi", "the logarithm of the Vendi score"),
    "tsallis": ("spectral.objectives", "Tsallis", "Tsallis entropy of the spectrum"),
    "rke": ("spectral.objectives", "Rke", "Vendi of order 2, without an eigenvalue"),
    "power": ("spectral.objectives", "Power", "sum of powers of the eigenvalues"),
    "spectral": ("spectral.objectives", "SpectralFunction", "any function of the eigenvalues, by name"),
    "log_det": ("spectral.log_det", "LogDet", "log-determinant with a ridge: DPP, information of a Gaussian process"),
    "dpp": ("spectral.log_det", "Dpp", "log-determinant without a ridge"),
    "d_optimal": ("spectral.designs", "DOptimal", "experimental design: volume"),
    "a_optimal": ("spectral.designs", "AOptimal", "experimental design: mean variance of coefficients"),
    "v_optimal": ("spectral.designs", "VOptimal", "experimental design: mean variance of predictions"),
    "g_optimal": ("spectral.designs", "GOptimal", "experimental design: largest variance of a prediction"),
    "facility_location": ("coverage.facility", "FacilityLocation", "how well each example has one like it in the set"),
    "graph_cut": ("coverage.graph_cut", "GraphCut", "similarity to all, less similarity within"),
    "saturated_coverage": ("coverage.saturated", "SaturatedCoverage", "similarity of each example, up to a share"),
    "feature_based": ("coverage.features", "FeatureBased", "concave functions of summed features"),
    "set_cover": ("coverage.set_cover", "SetCover", "probability that each concept is covered"),
    "k_center": ("coverage.centers", "KCenter", "distance of the farthest example from the set"),
    "law_value": ("coverage.law_value", "LawValue", "loss taken away under a law, in effective tokens"),
    "flqmi": ("targeted.facility", "Flqmi", "facility location of queries: relevance and coverage"),
    "flvmi": ("targeted.facility", "Flvmi", "facility location of all examples, as far as queries reach"),
    "flcg": ("targeted.facility", "Flcg", "facility location beyond what a private set covers"),
    "gcmi": ("targeted.graph_cut", "Gcmi", "similarity to queries, summed"),
    "com": ("targeted.concave", "ConcaveOverModular", "similarity to queries, each with diminishing returns"),
    "log_det_mi": ("targeted.log_det", "LogDetMi", "information about queries under a Gaussian process"),
    "gio": ("targeted.gradient_information", "Gio", "divergence of targets from the set, by nearest neighbours"),
}


def make_objective(name: str, X: Rows | None, k: int | None = None, **options: Any) -> Objective:
    """Make an objective over embeddings.

    Parameters
    ----------
    name : str
        As the catalogue has it.
    X : array (n, m) or None
        Embeddings, checked; each objective normalises them as its kernel asks. None where it takes similarities.
    k : int, optional
        Size of the sets to come, where an objective is made monotone up to it.
    **options
        Of that objective, such as ``kernel``, ``queries`` or ``q``.

    Returns
    -------
    Objective
        With the empty set.

    Raises
    ------
    UsageError
        For a name or an option that there is not.
    """
    if name not in OBJECTIVES:
        raise UsageError(f"There is no objective '{name}'.", did_you_mean(name, OBJECTIVES))
    module, kind, _ = OBJECTIVES[name]
    made = getattr(import_module(f"scaling.valuation.{module}"), kind)
    known = [p for p in inspect.signature(made.build).parameters if p not in ("X", "k", "name")]
    if unknown := [option for option in options if option not in known]:
        hint = did_you_mean(unknown[0], known) or (f"It has: {', '.join(known)}." if known else "It has none.")
        raise UsageError(f"The objective '{name}' has no option '{unknown[0]}'.", hint)
    return cast("Objective", made.build(X, k, name=name, **options))
