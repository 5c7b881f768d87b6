"""The page of a boundary that a year moves: what compute buys at a date, what a year is worth, and what it rests on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from reports import boundary_dated_tables as tables
from reports import boundary_tables, boundary_time
from reports.inputs import Source
from reports.page import check_place, environment, machine_text, picture_of, resource, write_page
from reports.tables import of_checks
from scaling.boundary.drift.dates import iso_day
from scaling.errors import UsageError

if TYPE_CHECKING:
    from scaling.boundary.drift import DatedBoundary


@dataclass(frozen=True)
class DatedPage:
    """Everything that the page of a dated boundary shows.

    Parameters
    ----------
    dated : DatedBoundary
        The boundary.
    task, metric, harness, name : str
        What was scored, how, by what, and under which name the boundary is saved; all but the first may be empty.
    points : tuple of (float, float)
        Compute in FLOP and decimal year; the first is the answer. Where there are none the page takes the largest power
        of ten that was seen, at the last date.
    scores : tuple of float
        Scores of the inverse table, 0 to 1; where there are none the page takes round numbers.
    sources : tuple of Source
        The files the rows came from.
    excluded_counts : mapping of str to int
        How many rows each filter left out, by its words.
    notes : tuple of str
        What else is to be known of the rows.
    command, backtest_command, sql, data_sha256, store, created_at, where : str
        What was typed; what holds boundaries of periods against later models; the query and the hash of the rows; the
        store; when the boundary was saved; the condition on the rows.
    versions : mapping of str to str
        Software, by name.
    level : float
        Nominal coverage of every interval.

    Raises
    ------
    UsageError
        For a score or a compute that makes no sense.
    """

    dated: DatedBoundary
    task: str
    metric: str = ""
    harness: str = ""
    name: str = ""
    points: tuple[tuple[float, float], ...] = ()
    scores: tuple[float, ...] = ()
    sources: tuple[Source, ...] = ()
    excluded_counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    command: str = ""
    backtest_command: str = ""
    sql: str = ""
    data_sha256: str = ""
    store: str = ""
    created_at: str = ""
    where: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    level: float = 0.9

    def __post_init__(self) -> None:
        for score in self.scores:
            if not 0 <= score <= 1:
                raise UsageError(f"a score lies between 0 and 1, not at {score:g}", hint="0.7 stands for 70 %.")
        for compute, year in self.points:
            if not (np.isfinite(compute) and compute > 0 and np.isfinite(year)):
                raise UsageError(f"there is no forecast for {compute:g} FLOP in the year {year:g}")

    @property
    def asked(self) -> tuple[tuple[float, float], ...]:
        """The points of the page, asked for or chosen."""
        if self.points:
            return self.points
        low, high = self.dated.support
        whole = np.floor(high + 1e-9)
        return ((10.0 ** (whole if whole >= low else high), self.dated.dates[1]),)


def render_dated_report(page: DatedPage) -> str:
    """Write the page of a dated boundary.

    Parameters
    ----------
    page : DatedPage
        What it is about.

    Returns
    -------
    str
        A complete HTML document; the same for the same input.
    """
    number = count(1)
    drawn: Any = page  # the parts that both pages of boundaries have look at what both of them know
    figure = boundary_time.dated_figure(drawn)
    assert figure is not None
    return environment().get_template("boundary_dated.html.j2").render(
        page=page,
        boundary=page.dated,
        title=f"{page.task}, by date",
        headline=tables.headline(page),
        quote=boundary_time.rate_words(page.dated, page.level),
        choice="" if page.points else "No compute was asked for; the answer is for the largest power of ten that was "
        "seen, at the last date.",
        verdict_words=tables.VERDICTS[page.dated.verdict],
        points=tables.of_points(page),
        dates=tables.of_dates(page),
        inverse=tables.of_inverse(page),
        figure_of_dates=picture_of(*figure, next(number)),
        rate=boundary_time.of_rate(drawn),
        checks=of_checks(tables.checks(page)),
        estimates=tables.of_estimates(page),
        methods=tables.methods(page),
        rows_used=tables.rows_used(page),
        sources=boundary_tables.of_sources(drawn),
        excluded=boundary_tables.of_excluded(drawn),
        css=Markup(resource("theme.css")),
        machine=_machine(page),
    ) + "\n"  # fmt: skip


def write_dated_report(page: DatedPage, path: str | os.PathLike[str]) -> Path:
    """Write the page to a file, whole or not at all; as `reports.write_boundary_report`."""
    check_place(path)
    return write_page(render_dated_report(page), path)


def _machine(page: DatedPage) -> Markup:
    """Everything for machines."""
    rows = [tables.forecast(page, *point) for point in page.asked]
    table: dict[str, Any] = {
        "report_version": 1,
        "kind": "boundary_in_time",
        "name": page.name,
        "task": page.task,
        "metric": page.metric,
        "harness": page.harness,
        "created_at": page.created_at,
        "level": page.level,
        "answer": rows[0],
        "scores": rows,
        "inverse": [
            {"date": iso_day(year), **page.dated.invert(score, year, page.level).to_dict()}
            for score in tables.scores_of(page)
            for year in tables.inverse_years(page)
        ],
        "dated": page.dated.to_dict(page.level),
        "fit": json.loads(page.dated.fit.to_json(replicates=False)),
        "data": {
            "sha256": page.data_sha256,
            "sources": [vars(s) for s in page.sources],
            "excluded": page.excluded_counts,
        },
        "command": page.command,
        "sql": page.sql,
        "store": page.store,
        "versions": page.versions,
    }
    return machine_text(table)
