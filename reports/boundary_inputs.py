"""What the page of a boundary needs to know beyond the boundary itself. No clock and no store is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.inputs import RefusedRow, Source
from scaling.errors import UsageError

if TYPE_CHECKING:
    from scaling.boundary.design import DesignComparison
    from scaling.boundary.drift import DatedBoundary, Drift
    from scaling.boundary.evaluation.calibration import Reliability
    from scaling.boundary.evaluation.recalibration import Recalibration
    from scaling.boundary.evaluation.result import BoundaryBacktest
    from scaling.boundary.result import Boundary


@dataclass(frozen=True)
class BoundaryPage:
    """Everything that the page of a boundary shows.

    Parameters
    ----------
    boundary : Boundary
        The boundary.
    task : str
        What was scored.
    metric, harness : str
        How the score was made, and by what; may be empty.
    name : str
        Under which the boundary is saved; may be empty.
    models : tuple of str (n,)
        Name of each model that was fitted, in the order of ``boundary.scores``; empty where unknown.
    dates : tuple of str (n,)
        Its date.
    base_models : tuple of str (n,)
        Its base model; the groups of the boundary are shown where missing.
    marks : mapping of str to ndarray of bool (n,)
        Models to be told apart, such as ``merged`` or ``flagged``; at most three sorts are drawn.
    group_word : str
        What a group of the boundary is.
    backtest : BoundaryBacktest, optional
        How forecasts of the next period went.
    drift : Drift, optional
        The boundaries of single periods.
    dated : DatedBoundary, optional
        One boundary that a year moves.
    designs : tuple of DesignComparison
        What designs recover of this boundary, one comparison a budget.
    reliability : Reliability, optional
        How chances of a score, forecast for later periods, came true.
    recalibration : Recalibration, optional
        Whether putting them right by earlier periods helped with the next.
    scores : tuple of float
        Scores of the inverse table, 0 to 1; where there are none the page takes tenths around the boundary, and says
        so.
    computes : tuple of float
        FLOP of the table of attainable scores, the first of which is the answer; where there are none the page takes
        whole powers of ten.
    refused : tuple of RefusedRow
        Rows read but not used.
    excluded_counts : mapping of str to int
        How many rows each filter left out, by its words.
    sources : tuple of Source
        The files the rows came from.
    command, sql : str
        What was typed, and the query that selected the rows.
    data_sha256 : str
        Hash of the selected rows.
    versions : mapping of str to str
        Software, by name.
    store : str
        Name of the store.
    created_at : str
        When the boundary was saved.
    where : str
        The condition that selected the rows; empty for all.
    simulated : bool
        Whether the scores come from a simulator.
    level : float
        Nominal coverage of every interval on the page.

    Raises
    ------
    UsageError
        Where columns do not have one value a model, or a score, a compute or the level makes no sense.
    """

    boundary: Boundary
    task: str
    metric: str = ""
    harness: str = ""
    name: str = ""
    models: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    marks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    group_word: str = "base model"
    backtest: BoundaryBacktest | None = None
    drift: Drift | None = None
    dated: DatedBoundary | None = None
    designs: tuple[DesignComparison, ...] = ()
    reliability: Reliability | None = None
    recalibration: Recalibration | None = None
    scores: tuple[float, ...] = ()
    computes: tuple[float, ...] = ()
    refused: tuple[RefusedRow, ...] = ()
    excluded_counts: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    command: str = ""
    sql: str = ""
    data_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    store: str = ""
    created_at: str = ""
    where: str = ""
    simulated: bool = False
    level: float = 0.9

    def __post_init__(self) -> None:
        n = self.boundary.n_obs
        columns: dict[str, Any] = {"models": self.models, "dates": self.dates, "base_models": self.base_models}
        for name, column in columns.items():
            if len(column) not in (0, n):
                raise UsageError(f"'{name}' has {len(column)} values, but the boundary was fitted to {n} models")
        for name, mask in self.marks.items():
            if np.shape(mask) != (n,):
                raise UsageError(f"the mark '{name}' has shape {np.shape(mask)}, but the boundary has {n} models")
        for score in self.scores:
            if not 0 <= score <= 1:
                raise UsageError(f"a score lies between 0 and 1, not at {score:g}", hint="0.7 stands for 70 %.")
        for compute in self.computes:
            if not (np.isfinite(compute) and compute > 0):
                raise UsageError(f"compute must be positive, not {compute:g}", hint="1e24 is 10^24 FLOP.")
        if not 0 < self.level < 1:
            raise UsageError(f"a level lies between 0 and 1, not at {self.level:g}", hint="0.9 stands for 90 %.")
