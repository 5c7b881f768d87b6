"""Turn a saved boundary, its scores and their sources into what its page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.boundary_dated_page import DatedPage
from reports.boundary_inputs import BoundaryPage
from reports.inputs import RefusedRow, Source
from scaling.errors import ScalingError

REPLICATES = 200  # of what is fitted for the page alone
BUDGET = 0.2  # of the cost, that designs may spend
_REFUSED = 50  # rows named one by one, of each file
_MARKS = {"moe": "mixture of experts"}


def gather_boundary(
    one: Any,
    facts: Mapping[str, Any],
    sources: Sequence[Any],
    *,
    scores: Sequence[float] = (),
    computes: Sequence[float] = (),
    level: float = 0.9,
    store: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[BoundaryPage, list[str]]:
    """Gather what the page of a boundary shows; back-test, drift and chances are worked out here.

    Parameters
    ----------
    one : db.boundaries.SavedBoundary
        The boundary.
    facts : mapping of str to sequence (n,)
        ``base_model``, and ``merged``, ``moe`` and ``flagged``, of each model.
    sources : sequence of db.provenance.SourceOfRuns
        Where the scores came from.
    scores : sequence of float
        Scores of the inverse, 0 to 1.
    computes : sequence of float
        Compute of the forecasts, FLOP.
    level : float
        Nominal coverage of the intervals.
    store : str
        Path of the store.
    progress : callable, optional
        Told how many parts are done, and of how many.

    Returns
    -------
    page : BoundaryPage
    remarks : list of str
        Parts that the page lacks, and why.
    """
    saved, rows, boundary = one.saved, one.rows, one.boundary
    parts, remarks = _parts(one, progress)
    refused = [RefusedRow(Path(s.uri).name, line, reason) for s in sources for line, reason in s.refused[:_REFUSED]]
    marks = {name: np.array([bool(v) for v in facts[name]]) for name in ("merged", "moe", "flagged")}
    page = BoundaryPage(
        boundary=boundary,
        task=rows.question.task,
        metric=rows.question.metric or "",
        harness=rows.question.harness or "",
        name=saved.name,
        models=rows.model,
        dates=tuple("" if np.isnat(day) else str(day) for day in rows.date),
        base_models=tuple(value or "" for value in facts["base_model"]),
        marks={_MARKS.get(name, name): mask for name, mask in marks.items() if mask.any()},
        group_word=(rows.question.group or "model").replace("_", " "),
        scores=tuple(scores),
        computes=tuple(computes),
        refused=tuple(refused),
        excluded_counts=dict(saved.excluded["counts"]),
        sources=_sources(sources),
        command=saved.command,
        sql=saved.sql,
        data_sha256=saved.data_sha256,
        versions=saved.env,
        store=Path(store).name,
        created_at=f"{saved.created_at:%Y-%m-%d %H:%M} UTC",
        where=rows.question.where or "",
        level=level,
        **parts,
    )
    return page, remarks


def gather_dated(
    one: Any,
    sources: Sequence[Any],
    *,
    points: Sequence[tuple[float, float]] = (),
    scores: Sequence[float] = (),
    level: float = 0.9,
    store: str = "",
) -> DatedPage:
    """Gather what the page of a dated boundary shows.

    Parameters
    ----------
    one : db.boundary_dated.SavedDated
        The boundary.
    sources : sequence of db.provenance.SourceOfRuns
        Where the scores came from.
    points : sequence of (float, float)
        Compute in FLOP and decimal year.
    scores : sequence of float
        Scores of the inverse, 0 to 1.
    level : float
        Nominal coverage of the intervals.
    store : str
        Path of the store.

    Returns
    -------
    DatedPage
    """
    saved, asked = one.saved, one.rows.question
    return DatedPage(
        dated=one.dated,
        task=asked.task,
        metric=asked.metric or "",
        harness=asked.harness or "",
        name=saved.name,
        points=tuple(points),
        scores=tuple(scores),
        sources=_sources(sources),
        excluded_counts=dict(saved.excluded["counts"]),
        notes=one.rows.notes,
        command=saved.command,
        backtest_command=one.backtest_command,
        sql=saved.sql,
        data_sha256=saved.data_sha256,
        store=Path(store).name,
        created_at=f"{saved.created_at:%Y-%m-%d %H:%M} UTC",
        where=asked.where or "",
        versions=saved.env,
        level=level,
    )


def _sources(sources: Sequence[Any]) -> tuple[Source, ...]:
    return tuple(Source(Path(s.uri).name, s.sha256, s.n_runs, f"{s.imported_at:%Y-%m-%d %H:%M} UTC") for s in sources)


def _parts(one: Any, progress: Callable[[int, int], None] | None) -> tuple[dict[str, Any], list[str]]:
    """Work out what stands on the page beside the boundary; what cannot be is left out and said."""
    rows, boundary, asked = one.rows, one.boundary, dict(one.saved.config["boundary"])
    count, columns = min(boundary.bootstrap, REPLICATES), (rows.log10_compute, rows.score)
    common: dict[str, Any] = {"groups": rows.groups, "seed": boundary.seed}
    made: dict[str, Any] = {}
    remarks: list[str] = []

    def in_time() -> None:
        import scaling

        made["backtest"] = scaling.boundary.backtest(*columns, rows.period, **common, **asked)

    def chances() -> None:
        from scaling.boundary.evaluation.chances import forecast_chances
        from scaling.boundary.evaluation.recalibration import recalibrate

        settings = {name: value for name, value in asked.items() if name != "tau"}
        found = forecast_chances(*columns, rows.period, **common, **settings)
        made["reliability"] = found.reliability(seed=boundary.seed)
        if len(set(found.period.tolist())) > 1:
            made["recalibration"] = recalibrate(found.probability, found.outcome, found.period, found.groups)

    def drift() -> None:
        from scaling.boundary.drift import drift as drift_of

        made["drift"] = drift_of(*columns, rows.period, bootstrap=count, **common, **asked)

    def dated() -> None:
        from scaling.boundary.drift import fit_in_time

        days = [None if np.isnat(day) else str(day) for day in rows.date]
        made["dated"] = fit_in_time(*columns, days, bootstrap=count, **common, **asked)

    def designs() -> None:
        from scaling.boundary.design import compare_designs

        known = np.isfinite(rows.n_params)
        groups = None if rows.groups is None else np.array(rows.groups, object)[known]
        made["designs"] = (
            compare_designs(
                rows.log10_compute[known], rows.n_params[known], rows.score[known], BUDGET, groups=groups,
                seed=boundary.seed, **asked,
            ),
        )  # fmt: skip

    timed = rows.period is not None and len(rows.periods) > 1
    dates = len(np.unique(rows.date[~np.isnat(rows.date)])) > 1
    wanted = [
        ("back-test", in_time, timed), ("chances", chances, timed), ("drift across periods", drift, timed),
        ("boundary that a year moves", dated, dates), ("evaluation designs", designs, np.isfinite(rows.n_params).any()),
    ]  # fmt: skip
    for i, (name, work, can) in enumerate(wanted, start=1):
        if can:
            try:
                work()
            except ScalingError as error:
                remarks.append(f"The page has no {name}: {error.message}")
        if progress:
            progress(i, len(wanted))
    if not timed:
        remarks.append("The page has no back-test in time: the boundary was fitted without periods (--period).")
    return made, remarks
