"""Forecast a loss by a map from another one that a law predicts, and say where the map has no value there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scaling.loss_to_loss.forecast import forecast_map
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.downstream import ChainedPrediction
    from scaling.results import Fit


@dataclass(frozen=True)
class PredictedForecast:
    """What a map says at a loss that a law predicts.

    Parameters
    ----------
    inputs : dict of str to float
        Where the law was asked; with the budget C, where N and D are its compute-optimal split.
    chained : ChainedPrediction
        Both losses with their intervals. Its verdict is ``not identified`` where the map has no value.
    steps : tuple of str
        How a budget was split, in words; empty where none was.
    undefined, instead_form, instead
        As of `scaling.loss_to_loss.MapForecast`, at the loss that the law predicts.
    """

    inputs: dict[str, float]
    chained: ChainedPrediction
    steps: tuple[str, ...] = ()
    undefined: str = ""
    instead_form: str = ""
    instead: float = math.nan
    why: str = ""

    @property
    def sentences(self) -> list[str]:
        """The split of the budget, and why there is no forecast, as far as there is something to say."""
        return [*(f"{step}." for step in self.steps), *([self.why] if self.why else [])]

    def about(self) -> dict[str, Any]:
        """Return what a forecast through any two laws does not have, as plain data."""
        n, d = self.inputs.get("N"), self.inputs.get("D")
        compute = self.inputs.get("C", None if n is None or d is None else 6 * n * d)
        return {
            "compute_flop": compute,
            "undefined": self.undefined or None,
            "instead_form": self.instead_form or None,
            "instead": None if math.isnan(self.instead) else self.instead,
            "steps": list(self.steps),
        }


def forecast_through(
    source_fit: Fit,
    pair_fit: Fit,
    target: Mapping[str, float],
    level: float = 0.9,
    kind: str = "run",
    seed: int = 0,
    force: bool = False,
) -> PredictedForecast:
    """Forecast a loss by a map, at the loss that a law of the source predicts.

    Parameters
    ----------
    source_fit : Fit
        Of the loss that the map starts from.
    pair_fit : Fit
        From `scaling.loss_to_loss.fit_pairs`.
    target : mapping of str to float
        Inputs of the law; or ``{"C": flop}``, a budget, which is split between N and D as that law has it best.
    level, kind, seed, force
        As of `scaling.downstream.chain`.

    Returns
    -------
    PredictedForecast

    Raises
    ------
    UsageError
        For a budget with a law of other inputs than N and D.
    VerdictError
        Where one of the fits is not identified and `force` is not set.
    InputDataError
        For bad inputs.
    """
    from scaling.downstream import chain
    from scaling.loss_to_loss.accuracy.forecast import split_budget

    inputs, steps = split_budget(source_fit, target, level, force)
    at = {name: value for name, value in inputs.items() if name in source_fit.law.inputs}
    found = chain(source_fit, pair_fit, at if steps else inputs, level=level, kind=kind, seed=seed, force=force)
    if math.isfinite(found.mean):
        return PredictedForecast(inputs, found, tuple(steps))
    found = replace(found, verdict=NOT_IDENTIFIED)
    if not (math.isfinite(found.loss) and found.loss > 0):
        reason = f"the law {source_fit.law.name} has no loss there"
        return PredictedForecast(inputs, found, tuple(steps), reason, why=f"Undefined: {reason}.")
    said = forecast_map(pair_fit, found.loss, level=level, kind=kind, force=True)
    return PredictedForecast(
        inputs, found, tuple(steps), said.undefined, said.instead_form, said.instead, said.sentence
    )  # fmt: skip
