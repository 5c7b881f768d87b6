"""The page of all maps on one sheet: the answer first, then the maps, how far to trust them, and how they were made."""

from __future__ import annotations

import math
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reports import maps_backtest, maps_figures, maps_floors, maps_rows, maps_words
from reports.maps_rows import factor_words
from reports.page import check_place, environment, machine_text, picture_of, resource, write_page
from reports.words import level_text, mean_text
from scaling.formatting import format_interval, format_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.series import FigureData

JSON_PAIRS = 5000  # more pairs than this stay in the store alone


def render_maps(sheet: Any) -> str:
    """Write the page.

    Parameters
    ----------
    sheet : db.map_sheet.Sheet
        The maps, as `db.map_sheet.map_sheet` makes them.

    Returns
    -------
    str
        A complete HTML document; the same for the same input.
    """
    number = count(1)

    def picture(drawn: tuple[FigureData, Figure] | None) -> dict[str, Any] | None:
        return None if drawn is None else picture_of(*drawn, next(number))

    asked = sheet.question
    return environment().get_template("maps.html.j2").render(
        sheet=sheet,
        asked=asked,
        about=maps_words.about(sheet),
        title=maps_words.title(sheet),
        headline=maps_words.headline(sheet),
        outcomes=maps_words.outcomes_words(sheet),
        kind="x predicted" if asked.source_fit is not None else "x measured",
        question=maps_words.question_words(sheet),
        verdict=maps_words.verdicts(sheet),
        reasons=maps_words.reasons(sheet),
        answers=maps_rows.of_answers(sheet),
        sheet_figure=picture(maps_figures.sheet_figure(sheet)),
        differences=picture(maps_figures.residual_figure(sheet)),
        maps=maps_rows.of_maps(sheet),
        candidates=maps_rows.of_candidates(sheet),
        floors_figure=picture(maps_floors.floors_figure(sheet)),
        sensitivity=maps_floors.of_sensitivity(sheet),
        law_floors=maps_floors.of_law_floors(sheet),
        floors_words=maps_words.floors_words(sheet),
        backtest_figure=picture(maps_backtest.backtest_figure(sheet)),
        width_figure=picture(maps_backtest.width_figure(sheet)),
        parts=maps_rows.of_parts(sheet),
        factors=maps_backtest.of_factors(sheet),
        tested=maps_backtest.tested_words(sheet),
        remarks=maps_words.remarks(sheet.maps),
        unpaired=maps_rows.of_unpaired(sheet),
        files=maps_rows.of_files(sheet),
        provenance=maps_rows.of_provenance(sheet),
        level=level_text(asked.level),
        css=Markup(resource("theme.css")),
        machine=_machine(sheet),
    ) + "\n"  # fmt: skip


def write_maps(sheet: Any, path: str | os.PathLike[str]) -> Path:
    """Write the page to a file, whole or not at all.

    Parameters
    ----------
    sheet : db.map_sheet.Sheet
        The maps.
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
    check_place(path)
    return write_page(render_maps(sheet), path)


def _machine(sheet: Any) -> Markup:
    """Everything for machines."""
    with_pairs = sum(len(one.data.x) for one in sheet.maps) <= JSON_PAIRS
    table = {
        "report_version": 1,
        "kind": "maps",
        "command": sheet.question.command,
        "level": sheet.question.level,
        "simulated": sheet.simulated,
        "store": sheet.store,
        "versions": sheet.versions,
        "sources": [{"file": Path(s.uri).name, "sha256": s.sha256, "runs": s.n_runs} for s in sheet.sources],
        "maps": [map_row(one, with_pairs) for one in sheet.maps],
    }
    return machine_text(table)


def maps_shown(sheet: Any) -> str:
    """Return the answer of a sheet as people read it in a terminal."""
    from reports.terminal import render

    rows = []
    for one in sheet.maps:
        mean, low, high = one.y
        large = one.large
        rows.append(
            {
                "map": one.label,
                "form": "-" if one.fit is None else one.fit.settings["loss_to_loss"]["form"],
                "x": "-" if large is None else format_number(large.x),
                "y": "undefined" if one.undefined else mean_text(mean, low, high),
                level_text(sheet.question.level): format_interval(low, high),
                "outcome": "-" if large is None or not large.outcome > 0 else format_number(large.outcome),
                "verdict": "no value at this x" if one.undefined else one.verdict,
            }
        )
    return render(rows, "table").rstrip("\n")


def map_row(one: Any, with_pairs: bool = True) -> dict[str, Any]:
    """Return a map as plain data, with its pairs if asked for.

    Parameters
    ----------
    one : SheetMap
        The map.
    with_pairs : bool, default True
        Whether its pairs, its other floors and its query are wanted.

    Returns
    -------
    dict
        ``source target metric_source metric_target form verdict``, the fit, the ``large`` run with its ``question``,
        the forecast ``y low high``, ``outcome error held`` and what was left unpaired.
    """
    d, fit, large = one.data, one.fit, one.large
    mean, low, high = one.y
    record = None if fit is None else fit.settings["loss_to_loss"]
    row: dict[str, Any] = {
        "source": d.source,
        "target": d.target,
        "metric_source": d.metric_source,
        "metric_target": d.metric_target,
        "form": None if record is None else record["form"],
        "n_pairs": len(d.x),
        "x": None if large is None else large.x,
        "y": mean,
        "low": low,
        "high": high,
        "extrapolation": factor_words(one) if math.isfinite(one.factor) else None,
        "extrapolation_factor": one.factor,
        "question": None if large is None else large.question,
        "run": (large.run_id or None) if large is not None else None,
        "compute_flop": None if large is None else large.compute_flop,
        "outcome": None if large is None else large.outcome,
        "error": one.error,
        "held": one.held,
        "verdict": one.verdict,
        "fit_verdict": None if fit is None else fit.verdict,
        "refused": one.refused or None,
    }
    if not with_pairs:
        return row
    return row | {
        "estimates": None if fit is None else dict(fit.estimates),
        "objective": None if fit is None else str(fit.objective),
        "interval_method": None if fit is None else fit.interval_method,
        "seed": None if fit is None else fit.seed,
        "map": record,
        "parts": None if one.forecast is None else dict(one.forecast.prediction.parts),
        "backtest": [] if fit is None or fit.backtest is None else [e.to_dict() for e in fit.backtest.summary()],
        "floors": [r.to_dict() for r in one.sensitivity],
        "pairs": {"runs": list(d.run_ids), "x": d.x, "y": d.y, "compute_flop": d.budget},
        "unpaired": [list(pair) for pair in d.unpaired],
        "notes": list(d.notes),
        "sql": d.sql,
        "sha256": d.sha256,
    }
