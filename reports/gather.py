"""Turn a saved fit, its rows and their sources into what a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports.inputs import RefusedRow, ReportInput, Source, Target
from reports.words import ASSUMED, is_map, rounded
from scaling.alternatives import Alternative
from scaling.results import Fit


def gather(
    saved: Any,
    rows: Any,
    sources: Sequence[Any],
    others: Sequence[Alternative],
    *,
    targets: Sequence[dict[str, float]],
    budgets: Sequence[float],
    level: float,
    store: str,
    simulated: bool,
    untied: tuple[Fit | None, str] = (None, ""),
) -> ReportInput:
    """Gather what a page shows.

    Parameters
    ----------
    saved : db.saved.SavedFit
        The fit, as the store has it.
    rows : db.select.Selection
        Its rows.
    sources : sequence of db.provenance.SourceOfRuns
        Where they came from.
    others : sequence of Alternative
        The same rows under other objectives and laws.
    targets : sequence of dict
        Inputs of the forecasts.
    budgets : sequence of float
        Compute to split, FLOP.
    level : float
        Nominal coverage of the intervals.
    store : str
        Path of the store.
    simulated : bool
        Whether no model was trained.
    untied : (Fit or None, str)
        The same rows by the law without the tie that fixes its optimum's growth, or why there is none; as of
        `db.freed.freed_fit`.

    Returns
    -------
    ReportInput
    """
    refused = [RefusedRow(Path(s.uri).name, line, reason) for s in sources for line, reason in s.refused]
    refused += [RefusedRow(f"run {row['run_id']}", None, row["reason"]) for row in saved.excluded["rows"]]
    files = [Source(Path(s.uri).name, s.sha256, s.n_runs, f"{s.imported_at:%Y-%m-%d %H:%M} UTC") for s in sources]
    return ReportInput(
        name=saved.name,
        fit=_labelled(saved),
        inputs=rows.inputs,
        observed=rows.observed,
        run_ids=rows.run_ids,
        targets=tuple(Target("", x) for x in targets),
        budgets=tuple(budgets),
        alternatives=tuple(replace(one, label=rounded(one.label)) for one in others),
        refused=tuple(refused),
        excluded_counts=dict(saved.excluded["counts"]),
        sources=tuple(files),
        command=saved.command,
        sql=saved.sql,
        data_sha256=saved.data_sha256,
        versions=saved.env,
        store=Path(store).name,
        created_at=f"{saved.created_at:%Y-%m-%d %H:%M} UTC",
        simulated=simulated,
        level=level,
        where=_condition(saved),
        trim=_trim(saved),
        untied=untied[0],
        no_untied=untied[1],
    )


def _labelled(saved: Any) -> Fit:
    """Return the fit; of a map with what x and y were measured on beside their units, so that axes say it."""
    fit: Fit = saved.fit
    asked = saved.pairs
    if asked is None or not is_map(fit):
        return fit
    x = _measured(fit.law.inputs["x"], asked.metric_source, asked.source)
    y = _measured(fit.law.unit, asked.metric_target, asked.target, "1 - " if asked.complement else "")
    return replace(fit, law=replace(fit.law, inputs={"x": x}, unit=y))


def _measured(unit: str, metric: str, corpus: str, complement: str = "") -> str:
    bare, assumed = unit.removesuffix(ASSUMED), ASSUMED if unit.endswith(ASSUMED) else ""
    return f"{bare or 'a loss'}, {complement}{metric.rsplit('/', 1)[-1]} of {corpus}{assumed}"


def _condition(saved: Any) -> str:
    """The condition of a fit and its group; of a trimmed one what was asked for, as the trimming is named by itself."""
    config = saved.config
    asked = config.get("question", {}).get("where") or ""
    if _trim(saved) != "none":
        asked = config.get("untrimmed", asked) or ""
    if saved.group_by is None:
        return str(asked)
    group = f"{saved.group_by} = '{saved.group_value}'"
    return f"({asked}) AND {group}" if asked else group


def _trim(saved: Any) -> str:
    """The trimming of a fit: of one chosen from the store it is among the rows' condition, and named beside it."""
    return str(saved.config.get("trim") or saved.fit.settings.get("trim", "none"))
