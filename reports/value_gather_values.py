"""Turn values of examples and of sources, worth and learning curves of a store into the parts of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reports.batch_page import Origin
from reports.inputs import Source
from reports.value_collection_page import CollectionPage, collection_part
from reports.value_gather import appraisal_parts, query_of, selection_part, source_of, when
from reports.value_imitation_page import ImitationPage, imitation_part
from reports.value_page import Part
from reports.value_points_page import ValuesPage, values_part
from reports.value_sources_page import SourcesPage, Way, sources_part
from reports.value_worth_page import WorthPage, worth_part
from scaling.formatting import format_plural


def part_of_values(loaded: Any) -> Part:
    """Make the part of values of examples.

    Parameters
    ----------
    loaded : db.value_page_values.LoadedValues
        The values.

    Returns
    -------
    Part
    """
    saved, made = loaded.saved, loaded.saved.definition
    page = ValuesPage(
        name=made.name,
        set_name=made.set_name or "a file",
        method=made.method,
        values=saved.values,
        unit=made.unit or "",
        what=loaded.what,
        end=loaded.end,
        options=made.options,
        top=loaded.top,
        bottom=loaded.bottom,
        groups=loaded.groups,
        group_word=loaded.group_word,
        seed=made.seed,
        command=made.command or "",
        sha256=made.inputs_sha256 or "",
        created_at=when(made.created_at),
        source=source_of(loaded.entry),
    )
    return replace(values_part(page), sql=query_of("ranked_examples", "valuation_name", made.name))


def part_of_sources(loaded: Any) -> Part:
    """Make the part of values of sources.

    Parameters
    ----------
    loaded : db.value_page_values.LoadedSources
        The values.

    Returns
    -------
    Part
    """
    first, fit = loaded.valuations[0], loaded.fit
    options = first.definition.options
    nothing = np.full(len(first.items), np.nan)
    ways = tuple(
        Way(
            name=one.definition.name,
            method=one.definition.method,
            values=one.values,
            low=nothing if one.low is None else one.low,
            high=nothing if one.high is None else one.high,
            level=one.definition.level or 0.9,
            interval_method=one.definition.interval_method or "not known",
            command=one.definition.command or "",
            sha256=one.definition.inputs_sha256 or "",
            created_at=when(one.definition.created_at),
            error=_errors(one.definition.options.get("sampling_error"), one.items),
        )
        for one in loaded.valuations
    )
    tokens = options.get("tokens") or {}
    page = SourcesPage(
        names=first.items,
        ways=ways,
        fit=first.definition.fit_name or "",
        law=fit.fit.law.name if fit is not None else "unknown",
        unit=first.definition.unit or "",
        verdict=fit.fit.verdict if fit is not None else "unknown",
        tokens=np.array([float(tokens.get(name, np.nan)) for name in first.items]),
        total=float(options.get("total", np.nan)),
        base=float(options.get("base", 0.0)),
        reasons=() if fit is None else tuple(fit.fit.diagnostics.reasons),
        simulated=loaded.simulated,
        name=" and ".join(loaded.asked),
    )
    return sources_part(page)


def _errors(found: Any, names: Sequence[str]) -> np.ndarray[Any, Any] | None:
    return None if found is None else np.array([float(found.get(name, np.nan)) for name in names])


def part_of_worth(loaded: Any) -> Part:
    """Make the part of losses in random tokens.

    Parameters
    ----------
    loaded : db.value_page_fits.LoadedFit
        With a `db.value_worth.WorthAnswer`.

    Returns
    -------
    Part
    """
    answer = loaded.answer
    origin = _origin(loaded, answer.saved, answer.worths[0].level)
    runs = tuple(run or "" for run in answer.runs)
    page = WorthPage(answer.saved.fit, origin, answer.worths, runs, answer.trend, answer.no_trend or "")
    return replace(worth_part(page), sql=answer.saved.sql or "")


def part_of_collection(loaded: Any, names: Sequence[str], level: float) -> Part:
    """Make the part of learning curves and a collection budget.

    Parameters
    ----------
    loaded : db.value_page_fits.LoadedFit
        With learning curves and a plan.
    names : sequence of str
        As they were asked for.
    level : float
        Of the intervals.

    Returns
    -------
    Part
    """
    found, plan = loaded.answer
    first = next(iter(found.saved.values()))
    asked = loaded.asked
    page = CollectionPage(
        name=" and ".join(names), curves=found.curves, plan=plan, count=str(asked.get("count") or "examples"),
        metric=str(asked.get("value") or asked.get("metric") or "loss"), level=level,
        sources=_sources(loaded.sources), command=first.command, created_at=when(first.created_at),
        sha256=first.data_sha256, simulated=loaded.simulated,
    )  # fmt: skip
    return replace(collection_part(page), sql=first.sql or "")


def part_of_imitation(loaded: Any) -> Part:
    """Make the part of an imitation threshold.

    Parameters
    ----------
    loaded : db.value_page_fits.LoadedFit
        With the fit, its concepts, and what their score is.

    Returns
    -------
    Part
    """
    saved, concepts, metric = loaded.answer
    found = dict(saved.fit.settings["imitation_threshold"])
    page = ImitationPage(
        origin=_origin(loaded, saved, float(found["level"])), found=found, counts=concepts.counts,
        scores=concepts.scores, names=concepts.run_ids, metric=metric, count=str(loaded.asked["count"]),
    )  # fmt: skip
    return replace(imitation_part(page), sql=saved.sql or "")


def _origin(loaded: Any, saved: Any, level: float) -> Origin:
    """Say where a fit is from."""
    asked = saved.config.get("question", {}).get("where") or loaded.asked.get("where") or ""
    return Origin(
        name=saved.name, fit=saved.fit, command=saved.command, data_sha256=saved.data_sha256,
        created_at=when(saved.created_at), where=str(asked), rows=format_plural(saved.fit.n_obs, "row"),
        runs=loaded.n_runs, sources=_sources(loaded.sources), simulated=loaded.simulated, level=level,
        notes=loaded.notes,
    )  # fmt: skip


def _sources(found: Sequence[Any]) -> tuple[Source, ...]:
    return tuple(Source(Path(s.uri).name, s.sha256, s.n_runs, when(s.imported_at)) for s in found)


def parts_of(loaded: Sequence[tuple[str, Any]], level: float) -> list[Part]:
    """Make all parts of a page.

    Parameters
    ----------
    loaded : sequence of (str, object)
        As `db.value_page_parts.load_parts` gives them.
    level : float
        Of the intervals.

    Returns
    -------
    list of Part
    """
    appraisals = [one for kind, one in loaded if kind == "appraisal"]
    out: list[Part] = []
    for kind, one in loaded:
        if kind == "selection":
            out.append(selection_part(one, appraisals))
        elif kind == "appraisal":
            out += appraisal_parts(one)
        elif kind == "imitation":
            out.append(part_of_imitation(one))
        elif kind == "worth":
            out.append(part_of_worth(one))
        elif kind == "sources":
            out.append(part_of_sources(one))
        elif kind == "values":
            out.append(part_of_values(one))
        else:
            names, found = one
            out.append(part_of_collection(found, names, level))
    return out
