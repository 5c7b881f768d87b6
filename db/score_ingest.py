"""Ingest of scores: a table of models and their scores into the store, or a look at what that would do.

It mirrors its files as the ingest of runs does (`db.ingest`): the same content changes nothing, a file that changed is
replaced whole, in one transaction, and a score that another file brought is an error until `replace`. A model is
described once a source, so removing one source never takes a model from another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from db.ingest import changes
from db.problems import Problem
from db.readers.scores import ModelsAndScores, read_scores
from db.readers.table import file_sha256, read_table
from db.score_guess import complete, complete_table
from db.score_mapping import ScoreMapping, TableSpec
from db.score_presets import load_preset
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

_PREVIEW = 5
_SHOWN = ("model", "task", "metric", "score", "log10_compute", "compute_rule", "released", "base_model")


@dataclass(frozen=True)
class ScorePlan:
    """What an ingest of scores would do.

    Parameters
    ----------
    path : str
        The file.
    format : str
        ``csv``, ``tsv``, ``jsonl`` or ``parquet``.
    sha256 : str
        Hash of its bytes.
    mapping : ScoreMapping
        The mapping, completed; ``mapping.lines()`` prints it.
    n_rows, n_models, n_scores, n_refused : int
        Data rows in the file, models and scores in them, rows refused.
    n_with_compute : int
        Models whose compute is known.
    problems : tuple of Problem
        What is refused, with file, line and reason.
    warnings : tuple of str
        What else is worth knowing.
    preview : tuple of dict
        The first scores, in columns of ``scores``.
    """

    path: str
    format: str
    sha256: str
    mapping: ScoreMapping
    n_rows: int
    n_models: int
    n_scores: int
    n_refused: int
    n_with_compute: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    preview: tuple[dict[str, Any], ...]
    content: ModelsAndScores = field(repr=False, compare=False)

    @property
    def source_id(self) -> str:
        """Identifier that the source will have."""
        return hashlib.sha256(f"{self.sha256}{self.mapping.sha256}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class ScoreReport:
    """What an ingest of scores did.

    Parameters
    ----------
    status : str
        ``ingested``, ``replaced`` or ``unchanged``.
    source_id, path : str
        The source, and its file.
    n_rows, n_models, n_scores, n_refused, n_with_compute : int
        As in `ScorePlan`.
    n_replaced, n_removed : int
        Scores that were there before and were replaced, and scores that the file no longer has.
    problems : tuple of Problem
        What was refused, with file, line and reason.
    warnings : tuple of str
        What else is worth knowing.
    mapping : ScoreMapping
        The mapping that was used.
    """

    status: str
    source_id: str
    path: str
    n_rows: int
    n_models: int
    n_scores: int
    n_refused: int
    n_with_compute: int
    n_replaced: int
    n_removed: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    mapping: ScoreMapping

    def __str__(self) -> str:
        scores = format_plural(self.n_scores, "score")
        if self.status == "unchanged":
            return f"{self.path}: unchanged, {scores} in the store already (source {self.source_id})."
        models = format_plural(self.n_models, "model")
        parts = [f"{scores} of {models} ({self.n_with_compute} with compute) from {format_plural(self.n_rows, 'row')}"]
        parts += changes(self.n_replaced, self.n_removed, self.n_refused)
        return f"{self.path}: {', '.join(parts)} (source {self.source_id})."


def plan_scores(
    path: str | Path,
    mapping: ScoreMapping | str | Path | None = None,
    *,
    preset: str | None = None,
    tables: Mapping[str, str | Path] | None = None,
) -> ScorePlan:
    """Read a table of scores and say what an ingest would do; writes nothing.

    Parameters
    ----------
    path : str or Path
        A CSV, TSV, JSON lines or Parquet file, with one row a model and one column a task, or one row a score.
    mapping : ScoreMapping or path, optional
        Which column is what; a path names a TOML file. What it leaves out is guessed from the usual names.
    preset : str, optional
        A mapping that comes with the package, such as ``open-llm-leaderboard``.
    tables : mapping of str to path, optional
        Tables to join by the names of models: ``models`` with computes, ``versions`` with dates; see the mapping.

    Returns
    -------
    ScorePlan

    Raises
    ------
    InputDataError
        If the file cannot be used, or has no score.
    UsageError
        If the mapping cannot be read, or there is no such preset or table.
    """
    given = _given(mapping, preset)
    table = read_table(path)
    used = complete(given, table)
    others, specs = {}, dict(used.tables)
    for name, file in (tables or {}).items():
        if name not in specs and (used.preset or specs):
            raise UsageError(f"The mapping joins no table '{name}'.", did_you_mean(name, specs))
        others[name] = read_table(file)
        specs[name] = complete_table(specs.get(name, TableSpec()), others[name])
    joined = {name: file_sha256(file) for name, file in (tables or {}).items()}
    used = used.with_(tables=MappingProxyType(specs), joined=MappingProxyType(joined))
    order = [name for name in specs if name in others]
    content = read_scores(table, used, {name: others[name] for name in order})
    if not content.scores:
        first = f"; the first problem: {content.problems[0]}" if content.problems else ""
        raise InputDataError(f"No score of {path} can be used{first}.", "See what is read with: --dry-run")
    return ScorePlan(
        path=str(path),
        format=table.format,
        sha256=file_sha256(path),
        mapping=used,
        n_rows=table.n_rows,
        n_models=len(content.models),
        n_scores=len(content.scores),
        n_refused=content.n_refused,
        n_with_compute=sum(model["compute_flop"] is not None for model in content.models),
        problems=tuple(content.problems),
        warnings=tuple(content.warnings),
        preview=_preview(content),
        content=content,
    )


def ingest_scores(
    store: Store,
    path: str | Path,
    mapping: ScoreMapping | str | Path | None = None,
    *,
    preset: str | None = None,
    tables: Mapping[str, str | Path] | None = None,
    replace: bool = False,
) -> ScoreReport:
    """Read a table of scores into a store.

    Parameters
    ----------
    store : Store
        A store open for writing.
    path, mapping, preset, tables
        As for `plan_scores`.
    replace : bool, default False
        Take over scores that another file brought.

    Returns
    -------
    ScoreReport

    Raises
    ------
    InputDataError
        As for `plan_scores`; also if a score came from another file already. The store is as it was.
    UsageError
        If the mapping cannot be read, or there is no such preset or table.
    StoreError
        If the store is read-only or its disk is full. The store is as it was.
    """
    return write_score_plan(store, plan_scores(path, mapping, preset=preset, tables=tables), replace=replace)


def write_score_plan(store: Store, plan: ScorePlan, *, replace: bool = False) -> ScoreReport:
    """Write what a plan has read into a store; as `ingest_scores`."""
    from db.score_write import write_scores

    outcome = write_scores(store, plan, replace=replace)
    return ScoreReport(
        status=outcome.status,
        source_id=plan.source_id,
        path=plan.path,
        n_rows=plan.n_rows,
        n_models=plan.n_models,
        n_scores=plan.n_scores,
        n_refused=plan.n_refused,
        n_with_compute=plan.n_with_compute,
        n_replaced=outcome.n_replaced,
        n_removed=outcome.n_removed,
        problems=plan.problems,
        warnings=(*plan.warnings, *outcome.warnings),
        mapping=plan.mapping,
    )


def _given(mapping: ScoreMapping | str | Path | None, preset: str | None) -> ScoreMapping:
    if preset is not None:
        if mapping is not None:
            raise UsageError("A preset is a mapping, and another mapping is given beside it.", "Give one of them.")
        return load_preset(preset)
    if mapping is None:
        return ScoreMapping()
    return mapping if isinstance(mapping, ScoreMapping) else ScoreMapping.load(mapping)


def _preview(content: ModelsAndScores) -> tuple[dict[str, Any], ...]:
    """The first scores, in columns of ``scores``."""
    from math import log10

    models = {model["model_id"]: model for model in content.models}
    rows = []
    for score in content.scores[:_PREVIEW]:
        model = models[score["model_id"]]
        compute = model["compute_flop"]
        known = {"model": model["name"], "score": score["value"], "log10_compute": compute and log10(compute)}
        row = {**model, **score, **known}
        rows.append({key: row[key] for key in _SHOWN})
    return tuple(rows)
