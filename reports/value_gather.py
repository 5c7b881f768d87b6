"""Turn what the store holds of selections, values and appraisals into the parts of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reports.inputs import Source
from reports.value_appraisal_page import AppraisalPage, appraisal_part
from reports.value_page import Part
from reports.value_same_score import same_score
from reports.value_subset_page import SubsetPage, subset_part
from scaling.formatting import format_interval, format_number, format_whole


def when(moment: Any) -> str:
    """Write a time of the store; empty where it is not known."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def query_of(table: str, column: str, name: str) -> str:
    """Write the query of all rows of a name."""
    quoted = name.replace("'", "''")
    return f"SELECT * FROM {table} WHERE {column} = '{quoted}'"


def source_of(entry: Mapping[str, Any] | None) -> Source | None:
    """Say which file a set of examples is from."""
    if entry is None or not (entry["source_uri"] or entry["embeddings_uri"]):
        return None
    uri, sha256 = entry["source_uri"], entry["source_sha256"]
    if not uri:
        uri, sha256 = entry["embeddings_uri"], entry["embeddings_sha256"]
    return Source(Path(uri).name, sha256 or "", int(entry["n_examples"]), when(entry["created_at"]))


def appraisal_parts(loaded: Any) -> list[Part]:
    """Make the parts of an appraisal: one a regime of its table.

    Parameters
    ----------
    loaded : db.value_pages.LoadedAppraisal
        The appraisal, its subsets, and what came of it.

    Returns
    -------
    list of Part
    """
    saved, out = loaded.saved, []
    source = None
    if saved.source_uri:
        source = Source(Path(saved.source_uri).name, saved.source_sha256 or "", loaded.n_rows, when(saved.created_at))
    several = len(loaded.parts) > 1
    for subsets, found in loaded.parts:
        drawn = np.zeros(len(subsets.names), bool) if subsets.is_random is None else subsets.is_random
        page = AppraisalPage(
            name=f"{saved.name}, {subsets.regime}" if several else saved.name,
            metric=saved.performance_metric or "performance",
            unit=saved.performance_unit or "",
            result=appraisal_of(found),
            names=subsets.names,
            size=subsets.size,
            performance=subsets.performance,
            scores=subsets.scores,
            is_random=np.asarray(drawn, bool),
            regime=subsets.regime or "" if several else "",
            source=source,
            command=saved.command or "",
            created_at=when(saved.created_at),
            sha256=saved.source_sha256 or "",
            notes=() if subsets.is_random is not None else ("Which subsets were drawn at random is not known.",),
        )
        out.append(replace(appraisal_part(page), sql=query_of("appraisals", "appraisal_name", saved.name)))
    return out


def selection_part(loaded: Any, appraisals: Sequence[Any] = ()) -> Part:
    """Make the part of a selection.

    Parameters
    ----------
    loaded : db.value_pages.LoadedSubset
        The selection.
    appraisals : sequence of db.value_pages.LoadedAppraisal
        Those that the page also shows: what they say of the objective is said of the selection.

    Returns
    -------
    Part
    """
    saved = loaded.saved
    score = saved.score if saved.score is not None else saved.value
    told = _said_of(saved, score, loaded.differing, appraisals)
    page = SubsetPage(
        name=saved.name,
        set_name=saved.set_name or "a file",
        n=loaded.n,
        size=saved.size,
        objective=saved.objective,
        method=saved.method,
        options=saved.options,
        score=math.nan if score is None else score,
        value=saved.value,
        is_random=saved.is_random,
        certificate=saved.certificate or {},
        guarantee=saved.guarantee or {},
        gains=saved.gains,
        members=loaded.members,
        classes=loaded.classes,
        class_word=loaded.class_word,
        cost=loaded.cost,
        band=loaded.band,
        curve=loaded.curve,
        worth=loaded.worth,
        no_random=loaded.no_random,
        random_words=loaded.random_words,
        curve_words=loaded.curve_words,
        unmatched=loaded.unmatched,
        path_sizes=loaded.path_sizes,
        path_scores=loaded.path_scores,
        **told,
        embeddings=loaded.embeddings,
        seed=saved.seed,
        command=saved.command or "",
        sha256=saved.inputs_sha256 or "",
        created_at=when(saved.created_at),
        source=source_of(loaded.entry),
    )
    return replace(subset_part(page), sql=query_of("chosen_examples", "subset_name", saved.name))


def _said_of(
    saved: Any, score: float | None, differing: Mapping[str, str], appraisals: Sequence[Any]
) -> dict[str, Any]:  # fmt: skip
    """Find what appraisals say of the score of a selection: up to where, and whether it predicts.

    One that is of this score for certain goes before one that has its name. Scores of most objectives grow with the
    subset, so a cap holds for the sizes that were appraised alone.
    """
    unknown, matches = "", []
    for loaded in appraisals:
        for subsets, found in loaded.parts:
            same = same_score(loaded.saved.name, subsets, saved.name, saved.objective, score, differing)
            if same is not None and same.column is None:
                unknown = unknown or same.words
            elif same is not None and same.column in (result := appraisal_of(found)).objectives:
                matches.append((same, loaded.saved.name, subsets, result))
    if not matches:
        return {"other_score": unknown}
    same, name, subsets, result = min(matches, key=lambda match: not match[0].sure)
    cap, other = None, ""
    low, high = float(np.min(subsets.size)), float(np.max(subsets.size))
    if not low <= saved.size <= high:
        ends = format_whole(low) if low == high else f"{format_whole(low)} to {format_whole(high)}"
        other = (
            f"The appraisal {name} is of subsets of {ends} examples: up to where the score of "
            f"{format_whole(saved.size)} may be raised does not follow from it."
        )
    for one in result.over_optimised:
        if one.objective == same.column and not other:
            cap = (name, one.cap if one.flagged else math.inf, *one.cap_interval)
    regimes = [one.regime for one in result.relations if one.objective == same.column]
    relation = result.relation(same.column, "fixed size" if "fixed size" in regimes else "pooled")
    c = getattr(relation, result.measure)
    number = f"{format_number(c.value, 2)} ({format_interval(c.low, c.high)})"
    return {
        "cap": cap, "predicts": (name, number, bool(c.low > 0)), "other_sizes": other, "matched": same.words,
        "sure": same.sure,
    }  # fmt: skip


def appraisal_of(found: Mapping[str, Any]) -> Any:
    """Make an appraisal of what was kept of it.

    Parameters
    ----------
    found : mapping
        As `Appraisal.to_dict` gives it.

    Returns
    -------
    Appraisal
    """
    from scaling.valuation.appraisal.over_optimised import OverOptimisation
    from scaling.valuation.appraisal.result import Appraisal, Best, Coefficient, Difference, RandomSpread, Relation

    def of(kind: Any, row: Mapping[str, Any]) -> Any:
        return kind(**{name: _value(row[name]) for name in kind.__dataclass_fields__})

    measures = ("spearman", "kendall", "pearson", "partial", "isotonic_r2")
    relations = tuple(
        of(Relation, {**row, **{name: of(Coefficient, row[name]) for name in measures}}) for row in found["relations"]
    )
    best = []
    for row in found["best"]:
        others = tuple(of(Difference, other) for other in row["others"])
        best.append(Best(row["regime"], row["measure"], row["objective"], row["predicts"], others))
    rest = {
        "relations": relations,
        "best": tuple(best),
        "over_optimised": tuple(of(OverOptimisation, row) for row in found["over_optimised"]),
        "spreads": tuple(of(RandomSpread, row) for row in found["spreads"]),
    }
    own = {name: _value(found[name]) for name in Appraisal.__dataclass_fields__ if name not in rest}
    return Appraisal(**own, **rest)


def _value(value: Any) -> Any:
    """Undo what JSON does: lists for tuples, and nothing for a number that is none."""
    if isinstance(value, list):
        return tuple(math.nan if one is None else one for one in value)
    return math.nan if value is None else value
