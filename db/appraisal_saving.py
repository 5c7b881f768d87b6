"""Keep an appraisal: its rows, what came of it, and the bent line of each objective as a fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Any

import numpy as np

from db import kinds
from db import value_appraisals as kind
from db.appraisals import save_appraisal
from db.fits import check_fit_name
from db.macros import safe_name
from scaling.errors import ScalingError, UsageError

if TYPE_CHECKING:
    from db.store import Store
    from db.value_appraisals import AppraisalAnswer, Part


def save_answer(
    store: Store, answer: AppraisalAnswer, asked: Mapping[str, Any], *, replace: bool, bootstrap: int, seed: int
) -> AppraisalAnswer:
    """Save an appraisal and the fits of its objectives.

    Parameters
    ----------
    store : Store
        Open for writing.
    answer : AppraisalAnswer
        With a name.
    asked : mapping
        As of `db.value_appraisals.USUAL`.
    replace : bool
        Whether what has those names gives way.
    bootstrap, seed : int
        Of the fits.

    Returns
    -------
    AppraisalAnswer
        With the saved fits.

    Raises
    ------
    UsageError
        For names that are taken.
    """
    name = str(answer.name)
    fits = [(part, *one) for part in answer.parts for one in _fits(answer, part, asked, bootstrap, seed)]
    names = _names(store, name, [(part.subsets.regime, own["objective"]) for part, own, *_ in fits])
    for one in names:
        check_fit_name(store, one, replace)
    table = answer.table
    findings = [{"part": part.subsets.regime, **part.appraisal.to_dict()} for part in answer.parts]
    save_appraisal(
        store, name, [row for part in answer.parts for row in appraisal_rows(part)],
        performance_metric=table.performance, performance_unit=table.unit, higher_is_better=table.higher_is_better,
        source_uri=table.uri, source_sha256=table.sha256, options=_options(answer, asked, bootstrap, seed),
        findings={"parts": findings}, command=answer.command, replace=replace,
    )  # fmt: skip
    rows = [(one, own, selection, fit, ()) for one, (_, own, selection, fit) in zip(names, fits, strict=True)]
    saved = kinds.save_all(store, kind.KIND, rows, replace=replace, bootstrap=bootstrap, seed=seed) if rows else []
    parts = []
    for part in answer.parts:
        mine = {own["objective"]: s for (p, own, *_), s in zip(fits, saved, strict=True) if p is part}
        parts.append(replace_fields(part, saved=mine))
    return replace_fields(answer, parts=tuple(parts))


def appraisal_rows(part: Part) -> Iterator[dict[str, Any]]:
    """Give the rows of a part as the store keeps them: one an objective and subset."""
    subsets = part.subsets
    for objective, score in subsets.scores.items():
        for i, name in enumerate(subsets.names):
            yield {
                "subset_name": name,
                "objective": objective,
                "regime": subsets.regime,
                "is_random": subsets.is_random is not None and bool(subsets.is_random[i]),
                "size": subsets.size[i],
                "budget": None if subsets.budget is None else subsets.budget[i],
                "class_entropy": None if subsets.entropy is None else subsets.entropy[i],
                "score": score[i],
                "z_random": part.z_random[objective][i],
                "n_eq": part.n_eq[objective][i] if 0 < part.n_eq[objective][i] < np.inf else None,
                "performance": subsets.performance[i],
            }


def _options(answer: AppraisalAnswer, asked: Mapping[str, Any], bootstrap: int, seed: int) -> dict[str, Any]:
    """Say how it was made, and what the rows do not hold: which subsets are balanced, and whether any is random."""
    balanced = [
        (part.subsets.regime, name, bool(even))
        for part in answer.parts
        if part.subsets.even is not None
        for name, even in zip(part.subsets.names, part.subsets.even, strict=True)
    ]
    said = {key: value for key, value in asked.items() if key in kind.USUAL}
    known = all(part.subsets.is_random is not None for part in answer.parts)
    return {**said, "bootstrap": bootstrap, "seed": seed, "random_known": known, "balanced": balanced}


def _fits(
    answer: AppraisalAnswer, part: Part, asked: Mapping[str, Any], bootstrap: int, seed: int
) -> Iterator[tuple[dict[str, Any], kinds.DerivedSelection, Any]]:
    """Fit the bent line of each objective that has one, to the rows that the detector had."""
    subsets, report = part.subsets, part.appraisal
    kept = np.array(report.rows)
    needed = [
        c for c, known in (("budget", subsets.budget), ("class_entropy", subsets.class_entropy)) if known is not None
    ]
    for found in report.over_optimised:
        own = {key: asked[key] for key in kind.USUAL} | {
            "table": answer.table.source, "appraisal": answer.name, "objective": found.objective,
            "regime_value": subsets.regime, "metric": answer.table.performance, "better": report.better,
            "bend_seed": found.seed, "needed": needed,
        }  # fmt: skip
        drawn = np.zeros(len(kept), bool) if subsets.is_random is None else subsets.is_random[kept]
        columns = ("subset_name", "size", "is_random", "score", "performance")
        values = (subsets.size[kept], drawn, subsets.scores[found.objective][kept], subsets.performance[kept])
        rows = list(zip([subsets.names[i] for i in kept], *(v.tolist() for v in values), strict=True))
        selection = kind.derive(own, columns, rows, kind.select_text(own))
        try:
            yield own, selection, kind.fit_bend(selection, found, bootstrap, seed)
        except ScalingError as error:
            raise UsageError(
                f"The bent line of '{found.objective}' cannot be fitted: {error.message}", error.hint
            ) from error


def _names(store: Store, name: str, of: list[tuple[str | None, str]]) -> list[str]:
    """Name the fits: by their objective, and by their regime where there are several."""
    several = len({regime for regime, _ in of}) > 1
    texts = [f"{name}_{regime}_{objective}" if several else f"{name}_{objective}" for regime, objective in of]
    made = [safe_name(store, text) for text in texts]
    if len({one.lower() for one in made}) == len(made):
        return made
    return [safe_name(store, f"{name}_{i}") for i in range(1, len(of) + 1)]
