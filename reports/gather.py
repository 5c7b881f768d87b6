"""Turn a saved fit, its rows and their sources into what a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.inputs import RefusedRow, ReportInput, Source, Target
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
        fit=saved.fit,
        inputs=rows.inputs,
        observed=rows.observed,
        run_ids=rows.run_ids,
        targets=tuple(Target("", x) for x in targets),
        budgets=tuple(budgets),
        alternatives=tuple(others),
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
