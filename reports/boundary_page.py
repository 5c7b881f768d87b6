"""The page of a boundary: what compute buys first, then how far to trust it, the figures, and how it was made."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from reports import (
    boundary_calibration,
    boundary_design,
    boundary_drift,
    boundary_methods,
    boundary_tables,
    boundary_time,
    boundary_trust,
    boundary_words,
)
from reports.boundary_answers import BoundaryAnswers, answer_boundary
from reports.boundary_figure import boundary_figure
from reports.boundary_history import history_figure
from reports.boundary_inputs import BoundaryPage
from reports.boundary_inverse import inverse_figure
from reports.page import check_place, environment, machine_text, picture_of, resource, write_page
from reports.tables import Table, of_checks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.series import FigureData

JSON_MODELS = 2000  # more models than this stay in the store alone


def render_boundary_report(page: BoundaryPage) -> str:
    """Write the page of a boundary.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.

    Returns
    -------
    str
        A complete HTML document; the same for the same input.
    """
    answers = answer_boundary(page)
    number = count(1)  # figures are numbered in the order of the page

    def picture(drawn: tuple[FigureData, Figure] | None) -> dict[str, Any] | None:
        return None if drawn is None else picture_of(*drawn, next(number))

    history = picture(history_figure(page))
    figures = [picture(boundary_figure(answers)), picture(inverse_figure(answers))]
    reliability = picture(boundary_calibration.reliability_figure(page))
    time = _time(page, picture)
    design = picture(boundary_design.design_figure(page))
    return environment().get_template("boundary.html.j2").render(
        page=page,
        boundary=page.boundary,
        title=boundary_words.title(page),
        headline=boundary_words.headline(answers),
        quote=boundary_words.under_headline(answers),
        choice=boundary_words.choices(answers),
        verdict_words=boundary_words.VERDICTS[page.boundary.verdict],
        scores=boundary_tables.of_scores(answers),
        inverse=boundary_tables.of_inverse(answers),
        chances=boundary_tables.of_chances(answers),
        history_words=boundary_words.history_words(page),
        checks=of_checks(boundary_trust.checks(answers)),
        rivals=boundary_trust.of_rivals(page),
        history_figure=history,
        steps=boundary_trust.of_steps(page),
        margin=boundary_tables.of_margin(page),
        figures=figures,
        reliability=reliability,
        calibration=[
            t for t in (boundary_calibration.of_calibration(page), boundary_calibration.of_recalibration(page)) if t
        ],
        time=time,
        design_figure=design,
        design_words=boundary_design.design_words(page),
        designs=boundary_design.of_designs(page),
        estimates=boundary_tables.of_estimates(page),
        methods=boundary_methods.methods(answers),
        rows_used=boundary_methods.rows_used(page),
        notes=_notes(page),
        sources=boundary_tables.of_sources(page),
        excluded=boundary_tables.of_excluded(page),
        refused=boundary_tables.of_refused(page),
        css=Markup(resource("theme.css")),
        machine=_machine(answers),
    ) + "\n"  # fmt: skip


def write_boundary_report(page: BoundaryPage, path: str | os.PathLike[str]) -> Path:
    """Write the page to a file, whole or not at all.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.
    path : str or path-like
        The file; one that is there is replaced at the end, in one step.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    UsageError
        Where `path` is a directory or a device, or its folder does not exist.
    StoreError
        Where the place cannot be written to, or the disk is full; what was there is as it was.
    """
    check_place(path)  # before the work of drawing it
    return write_page(render_boundary_report(page), path)


def _time(page: BoundaryPage, picture: Any) -> list[dict[str, Any] | Table]:
    """Figures and tables of the section on time, in order; none where nothing is known."""
    parts = [picture(boundary_drift.drift_figure(page)), boundary_drift.of_drift(page)]
    parts += [picture(boundary_time.dated_figure(page)), boundary_time.of_rate(page)]
    return [part for part in parts if part is not None]


def _notes(page: BoundaryPage) -> list[str]:
    """What was left out or converted on the way, each sentence once."""
    backtest = () if page.backtest is None else page.backtest.notes
    dated = () if page.dated is None else page.dated.scores.notes
    own = page.boundary.scores.notes
    return [
        *own,
        *(f"Drift: {note}" for note in (() if page.drift is None else page.drift.notes) if note not in own),
        *(f"Back-test: {note}" for note in backtest if note not in own),
        *(f"Dated boundary: {note}" for note in dated if note not in own),
    ]


def _machine(answers: BoundaryAnswers) -> Markup:
    """Everything for machines."""
    page, b = answers.page, answers.page.boundary
    i = answers.asked
    table: dict[str, Any] = {
        "report_version": 1,
        "kind": "boundary",
        "name": page.name,
        "task": page.task,
        "metric": page.metric,
        "harness": page.harness,
        "created_at": page.created_at,
        "simulated": page.simulated,
        "level": page.level,
        "answer": {"compute_flop": 10 ** answers.z[i], "score": answers.mean[i], "low": answers.low[i],
                   "high": answers.high[i], "probability_above": 1 - b.tau},
        "scores": {
            "compute_flop": 10**answers.z, "score": answers.mean, "low": answers.low, "high": answers.high,
            "to_come": answers.coming, "extrapolation_factor": answers.factor,
            "quantiles": {f"{tau:g}": answers.line(tau, answers.z) for tau in answers.lines},
        },
        "inverse": [inverse.to_dict() for inverse in answers.inverses],
        "inverse_of_quantiles": {f"{tau:g}": [o.to_dict() for o in found] for tau, found in answers.others.items()},
        "margin": asdict(b.margin),
        "estimates": b.estimates,
        "objective": b.objective,
        "objective_value": b.objective_value,
        "pinball": b.pinball,
        "coverage": b.coverage,
        "n_above": b.n_above,
        "verdict": b.verdict,
        "reasons": b.reasons,
        "fit": json.loads(b.fit.to_json(replicates=False)),
        "backtest": None if page.backtest is None else page.backtest.to_dict(),
        "drift": None if page.drift is None else page.drift.to_dict(),
        "dated": None if page.dated is None else page.dated.to_dict(page.level),
        "reliability": None if page.reliability is None else page.reliability.to_dict(),
        "recalibration": None if page.recalibration is None else page.recalibration.to_dict(),
        "designs": [one.to_dict() for one in page.designs],
        "data": {
            "sha256": page.data_sha256,
            "sources": [vars(s) for s in page.sources],
            "excluded": page.excluded_counts,
            "refused": [vars(r) for r in page.refused],
            "models": _models(page),
        },
        "command": page.command,
        "sql": page.sql,
        "store": page.store,
        "versions": page.versions,
    }  # fmt: skip
    return machine_text(table)


def _models(page: BoundaryPage) -> dict[str, Any] | None:
    s = page.boundary.scores
    if len(s.score) > JSON_MODELS:
        return None
    groups = None if s.groups is None else [str(g) for g in s.groups]
    columns = {"model": page.models, "base_model": page.base_models or groups, "date": page.dates}
    kept: dict[str, Any] = {name: column for name, column in columns.items() if column}
    kept |= {"compute_flop": 10**s.log10_compute, "score": s.score}
    return kept | {name: np.asarray(mask, bool) for name, mask in page.marks.items()}
