"""Maps between many losses, beside each other: each with its pairs, its forecast of a large run, and its floors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.errors import ScalingError
from scaling.loss_to_loss.floors import Floor
from scaling.loss_to_loss.forecast import MEASURED, PREDICTED, MapForecast, forecast_map
from scaling.loss_to_loss.pairs import fit_pairs
from scaling.loss_to_loss.sensitivity import FloorRow, LawFloor, floor_sensitivity

if TYPE_CHECKING:
    from scaling.downstream import ChainedPrediction
    from scaling.results import Fit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LargeRun:
    """The run that a forecast is wanted of: its loss on the source is known, or is itself a forecast.

    Parameters
    ----------
    x : float
        Loss on the source.
    compute_flop : float
        Its training compute, FLOP; NaN where nobody said.
    run_id : str
        Which run of the source; empty where there is none.
    why : str
        Why this one, in a sentence.
    outcome : float
        What it scored on the target, where that is known; NaN otherwise. No map saw it.
    outcome_run : str
        The run of the target that says so.
    source_fit : Fit, optional
        The law that forecasts x; None where x was measured.
    source_name : str
        Its name.
    inputs : mapping of str to float
        What it forecasts x at.
    """

    x: float
    compute_flop: float = math.nan
    run_id: str = ""
    why: str = ""
    outcome: float = math.nan
    outcome_run: str = ""
    source_fit: Fit | None = None
    source_name: str = ""
    inputs: Mapping[str, float] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """Whether x was measured or is predicted."""
        return MEASURED if self.source_fit is None else PREDICTED


@dataclass(frozen=True)
class PairData:
    """What one map is made from.

    Parameters
    ----------
    source, target : str
        Corpora, or whatever the sides are.
    metric_source, metric_target : str
        Metrics that are x and y.
    unit_x, unit_y : str
        Their units.
    x, y, budget : ndarray (n,)
        Losses of each pair, and its training compute in FLOP.
    run_ids : tuple of str (n,)
        Runs of each pair.
    unpaired : tuple of (str, str)
        Runs that are in no pair, and why.
    notes : tuple of str
        What is to be known of the pairs, in sentences.
    sql, sha256 : str
        What was asked of the store, and the hash of the pairs.
    floor_x, floor_y : Floor, optional
        Floors that are given.
    """

    source: str
    target: str
    metric_source: str
    metric_target: str
    unit_x: str
    unit_y: str
    x: Array
    y: Array
    budget: Array | None
    run_ids: tuple[str, ...]
    unpaired: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    sql: str = ""
    sha256: str = ""
    floor_x: Floor | None = None
    floor_y: Floor | None = None


@dataclass(frozen=True)
class SheetMap:
    """One map of a sheet.

    Parameters
    ----------
    data : PairData
        Its pairs.
    fit : Fit or None
        The map; None where it could not be fitted.
    large : LargeRun or None
        The run that is forecast.
    forecast : MapForecast or None
        What the map says of it, x taken as known.
    chained : ChainedPrediction or None
        The same with the error of the law that forecasts x, where x is predicted.
    sensitivity : tuple of FloorRow
        The forecast on other floors.
    refused : str
        Why there is no map or no forecast, in a sentence.
    """

    data: PairData
    fit: Fit | None
    large: LargeRun | None = None
    forecast: MapForecast | None = None
    chained: ChainedPrediction | None = None
    sensitivity: tuple[FloorRow, ...] = ()
    refused: str = ""

    @property
    def label(self) -> str:
        """Source and target, or both metrics where they are of one corpus."""
        d = self.data
        if d.source == d.target:
            x, y = (metric.rsplit("/", 1)[-1] for metric in (d.metric_source, d.metric_target))
            return f"{d.source}: {x} → {y}"
        return f"{d.source} → {d.target}"

    @property
    def y(self) -> tuple[float, float, float]:
        """The forecast with the ends of its interval; NaN where there is none.

        An x that is itself a forecast never narrows the interval, as percentiles of few replicates might.
        """
        if self.forecast is None:
            return math.nan, math.nan, math.nan
        said, chained = self.forecast.prediction, self.chained
        if chained is None:
            return float(said.mean), float(said.low), float(said.high)
        # Python's min and max would pass over a NaN, and an end that is not known must stay so.
        low, high = np.minimum(chained.low, said.low), np.maximum(chained.high, said.high)
        return float(chained.mean), float(low), float(high)

    @property
    def factor(self) -> float:
        """How far beyond the pairs the large run lies: in budgets, in losses where its compute is not known."""
        return math.nan if self.forecast is None else float(self.forecast.prediction.extrapolation_factor)

    @property
    def in_budgets(self) -> bool:
        """Whether that factor is of budgets."""
        known = self.large is not None and math.isfinite(self.large.compute_flop)
        return known and self.fit is not None and self.fit.settings["loss_to_loss"]["largest_budget"] is not None

    @property
    def verdict(self) -> str:
        """Of the forecast, or of the fit where there is none."""
        if self.chained is not None:
            return self.chained.verdict
        if self.forecast is not None:
            return self.forecast.prediction.verdict
        return "refused" if self.fit is None else self.fit.verdict

    @property
    def undefined(self) -> bool:
        """Whether the map was asked about a loss at which it has no value."""
        return self.forecast is not None and bool(self.forecast.undefined)

    @property
    def error(self) -> float:
        """Forecast against outcome, as a share of the outcome; NaN where one of them is not known."""
        if self.large is None or not self.large.outcome > 0:
            return math.nan
        return self.y[0] / self.large.outcome - 1

    @property
    def held(self) -> bool | None:
        """Whether the interval holds the outcome; None where there is none, or no interval."""
        _, low, high = self.y
        if self.large is None or not all(map(math.isfinite, (self.large.outcome, low, high))):
            return None
        return low <= self.large.outcome <= high


def make_map(
    data: PairData,
    large: LargeRun | None,
    *,
    form: str = "auto",
    bootstrap: int = 200,
    seed: int = 0,
    level: float = 0.9,
    source_floors: Sequence[LawFloor] = (),
    target_floors: Sequence[LawFloor] = (),
) -> SheetMap:
    """Fit the map of a sheet, forecast the large run, and move its floors.

    Parameters
    ----------
    data : PairData
        The pairs.
    large : LargeRun or None
        What is forecast.
    form : str, default 'auto'
        As of `scaling.loss_to_loss.fit_pairs`.
    bootstrap : int, default 200
        Replicates behind the intervals.
    seed : int, default 0
        Of the bootstrap.
    level : float, default 0.9
        Nominal coverage of the interval of the forecast.
    source_floors, target_floors : sequence of LawFloor
        As of `scaling.loss_to_loss.sensitivity.floor_sensitivity`.

    Returns
    -------
    SheetMap
        A map that cannot be fitted, or gives no forecast, says why instead of raising.
    """
    try:
        fit = fit_pairs(
            data.x, data.y, data.floor_x, data.floor_y, form=form, budget=data.budget, bootstrap=bootstrap, seed=seed
        )
    except ScalingError as error:
        return SheetMap(data, None, large, refused=_sentence(error))
    if large is None:
        return SheetMap(data, fit)
    compute = large.compute_flop if math.isfinite(large.compute_flop) else None
    try:
        forecast = forecast_map(fit, large.x, level=level, compute_flop=compute)
        chained = _chained(fit, large, level, seed)
    except ScalingError as error:
        return SheetMap(data, fit, large, refused=_sentence(error))
    floors = (data.floor_x, data.floor_y)
    rows = floor_sensitivity(data.x, data.y, large.x, source_floors, target_floors, *floors)
    return SheetMap(data, fit, large, forecast, chained, rows, forecast.sentence)


def _chained(fit: Fit, large: LargeRun, level: float, seed: int) -> ChainedPrediction | None:
    from scaling.downstream import chain

    if large.source_fit is None:
        return None
    return chain(large.source_fit, fit, dict(large.inputs), level=level, seed=seed)


def _sentence(error: ScalingError) -> str:
    text = error.message.rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
