"""From a table and a mapping to models and their scores, with what was left out and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db.cells import text_from_cell, typed_values
from db.problems import Problem
from db.readers.table import Table
from db.score_checks import describe_concerns
from db.score_columns import cells_of, read_fields
from db.score_compute import Computes, find_computes
from db.score_fields import MODEL_FIELDS
from db.score_join import Joined, join
from db.score_mapping import ScoreMapping, ScoreSpec
from db.score_values import best_scorer, first_known, scores_from_cells
from scaling.formatting import format_plural

NO_METRIC = "score"
_NAMED = 6  # models named one by one


@dataclass
class ModelsAndScores:
    """What a table says of models and their scores.

    Parameters
    ----------
    models : list of dict
        One a model, by the columns of the table ``models``.
    scores : list of dict
        One a score, by the columns of the table ``evals``.
    n_refused : int
        Rows that were refused.
    problems : list of Problem
        Refused rows and values, with file, line and reason.
    warnings : list of str
        What else is worth knowing.
    """

    models: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    n_refused: int = 0
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_scores(table: Table, mapping: ScoreMapping, others: Mapping[str, Table]) -> ModelsAndScores:
    """Read the models and scores of a table.

    Parameters
    ----------
    table : Table
        The file.
    mapping : ScoreMapping
        Completed for it (`db.score_guess.complete`).
    others : mapping of str to Table
        Tables to join, by their name in the mapping, which is completed for them too.

    Returns
    -------
    ModelsAndScores
    """
    return _Reader(table, mapping, others).run()


class _Reader:
    def __init__(self, table: Table, mapping: ScoreMapping, others: Mapping[str, Table]) -> None:
        self.table = table
        self.mapping = mapping
        self.others = others
        self.fields = read_fields(table, mapping.columns, mapping.constants)
        self.out = ModelsAndScores(
            n_refused=len(table.problems), problems=[*table.problems], warnings=list(table.warnings)
        )
        self.extra: list[dict[str, Any]] = [{} for _ in table.lines]
        self.repeats: dict[str, int] = {}
        self.ids: set[str] = set()
        self.converted: dict[str, list[str]] = {}

    def run(self) -> ModelsAndScores:
        """Read everything, in the order in which one thing needs another."""
        kept = self._kept_rows()
        self._identify(kept)
        self._join()
        computes = find_computes(self.fields, self.mapping, len(self.table.lines))
        self._keep_columns()
        self._scores(kept)
        rows_of: dict[str, list[int]] = {}
        for row in kept:
            if self.entries[row] is not None:
                rows_of.setdefault(str(self.entries[row]), []).append(row)
        have = {score["model_id"] for score in self.out.scores}
        for entry, rows in rows_of.items():
            if entry in have:
                self.out.models.append(self._model(entry, rows, computes))
        self.out.problems += self.fields.problems
        self._say_the_rest(len(rows_of) - len(have & set(rows_of)))
        concerns, warnings = describe_concerns(self.out.models)
        for model, found in zip(self.out.models, concerns, strict=True):
            model["concerns"] = ",".join(found) or None
        self.out.warnings += warnings
        return self.out

    def _kept_rows(self) -> list[int]:
        kept = np.ones(len(self.table.lines), dtype=bool)
        for column, values in self.mapping.keep.items():
            cells = cells_of(self.table, column, "[keep]")
            self.fields.used.add(column)
            hit = np.array([text_from_cell(cell) in values for cell in cells], dtype=bool)
            if (kept & ~hit).any():
                left = format_plural(int((kept & ~hit).sum()), "row")
                self.out.warnings.append(f"{left} left out, because {column} is not {' or '.join(values)}.")
            kept &= hit
        return [int(row) for row in np.flatnonzero(kept)]

    def _identify(self, kept: list[int]) -> None:
        """Say of each row what was evaluated; a row without a name is refused."""
        nothing = [None] * len(self.table.lines)
        names = self.fields.texts.get("model", nothing)
        entries = self.fields.texts.get("entry", nothing)
        self.names = [name or entry for name, entry in zip(names, entries, strict=True)]
        self.entries: list[str | None] = [entry or name for name, entry in zip(names, entries, strict=True)]
        seen: dict[str, int] = {}
        again: dict[str, None] = {}
        column = str(self.mapping.columns.get("model", self.mapping.columns.get("entry")))
        for row in kept:
            entry = self.entries[row]
            if entry is None:
                self._refuse(row, column, None, "the model has no name")
            elif self.mapping.shape == "wide":
                seen[entry] = seen.get(entry, 0) + 1
                if seen[entry] > 1:
                    again[entry] = None
                    self.entries[row] = f"{entry} #{seen[entry]}"
        if again:
            self.out.warnings.append(
                f"{format_plural(len(again), 'model')} in several rows ({_listed(again)}): each row is kept as an "
                "entry of its own, numbered."
            )

    def _join(self) -> None:
        for name, other in self.others.items():
            spec = self.mapping.tables[name]
            on = self.fields.texts.get(spec.on, [None] * len(self.names))
            looked_up = [value or model for value, model in zip(on, self.names, strict=True)]
            joined = join(self.fields, looked_up, other, spec)
            for row, extra in enumerate(joined.extra):
                self.extra[row] |= extra
            self._say_join(name, spec.key, other, looked_up, joined)

    def _say_join(self, name: str, key: str, other: Table, names: list[str | None], joined: Joined) -> None:
        n_models = len({n for n in names if n is not None})
        n_lost = len(joined.missing) + len(joined.ambiguous)
        said = f"Joined {other.path} (table of {name}) by {key}: {n_models - n_lost} of {n_models} names found"
        if joined.missing:
            said += f"; not found: {_listed(joined.missing)}"
        if joined.ambiguous:
            said += f"; found several times with different values, so not joined: {_listed(joined.ambiguous)}"
        self.out.warnings.append(f"{said}.")

    def _keep_columns(self) -> None:
        """Columns that no mapping names stay with their row."""
        used = self.fields.used | {str(spec.column) for spec in self.mapping.scores if spec.column}
        for column, cells in self.table.columns.items():
            if column not in used:
                for row, value in enumerate(typed_values(cells)):
                    if value is not None:
                        self.extra[row][column] = value

    def _scores(self, kept: list[int]) -> None:
        """Add the scores."""
        rows = [row for row in kept if self.entries[row] is not None]
        if self.mapping.shape == "wide":
            specs = [spec for spec in self.mapping.scores if spec.column is not None]
            absent = sum(self._column(spec, str(spec.column), rows) for spec in specs)
        else:
            column = str(self.mapping.columns["score"])
            known = {spec.task: spec for spec in self.mapping.scores}
            absent = sum(
                self._column(known.get(task, ScoreSpec(task)), column, members)
                for task, members in self._by_task(rows).items()
            )
        if absent:
            what = "cell" if self.mapping.shape == "wide" else "row"
            self.out.warnings.append(f"{format_plural(absent, what)} without a score (empty or NaN) left out.")

    def _by_task(self, rows: list[int]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row in rows:
            task = self.fields.value("task", row)
            if task is None:
                self._refuse(row, str(self.mapping.columns.get("task")), None, "the task has no name")
            else:
                found.setdefault(task, []).append(row)
        return found

    def _refuse(self, row: int, column: str, value: str | None, reason: str) -> None:
        self.out.n_refused += 1
        self.out.problems.append(Problem(self.table.path, self.table.lines[row], column, value, reason))

    def _column(self, spec: ScoreSpec, column: str, rows: list[int]) -> int:
        """Add the scores of one task; gives how many are absent."""
        all_cells = cells_of(self.table, column, spec.task)
        found = scores_from_cells([all_cells[row] for row in rows], spec.unit)
        if found.said:
            self.converted.setdefault(found.said, []).append(spec.task)
        for i, reason in sorted(found.bad.items()):
            line = self.table.lines[rows[i]]
            self.out.problems.append(
                Problem(self.table.path, line, column, str(all_cells[rows[i]]), f"{spec.task}: {reason}", "value")
            )
        for known in np.flatnonzero(np.isfinite(found.values)):
            row = rows[int(known)]
            score = self._score(spec, row, float(found.values[known]), found.unit, float(found.factors[known]))
            name = self._eval_id(score)
            if name in self.ids:
                key = score["source_key"]
                self._refuse(row, column, key, "the same identifier, model and task as another row")
                continue
            self.ids.add(name)
            self.out.scores.append(score | {"eval_id": name})
        return int(found.absent.sum())

    def _score(self, spec: ScoreSpec, row: int, value: float, unit: str, factor: float) -> dict[str, Any]:
        get = self.fields.value
        scorer, stderr = best_scorer(get("scorers", row)) if "scorers" in self.fields.texts else (None, None)
        given, chance = get("stderr", row), get("chance", row)
        long = self.mapping.shape == "long"
        return {
            "model_id": self.entries[row],
            "source_key": get("key", row),
            "task": spec.task,
            "task_version": first_known((spec.version, get("version", row))),
            "superseded": spec.superseded,
            "metric": first_known((spec.metric, get("metric", row), NO_METRIC)),
            "filter": first_known((spec.filter, get("filter", row), scorer, "none")),
            "n_shot": first_known((spec.n_shot, get("n_shot", row))),
            "value": value,
            "unit": unit,
            "stderr": stderr if given is None else given * factor,
            "n_samples": first_known((spec.n_items, get("n_items", row))),
            "chance": first_known((spec.chance, None if chance is None else chance * factor)),
            "harness": first_known((spec.harness, get("harness", row))),
            "chat_template": get("chat_template", row),
            "evaluated_on": get("evaluated", row),
            "extra": json.dumps(self.extra[row]) if long else "{}",
        }

    def _eval_id(self, score: dict[str, Any]) -> str:
        """Name a score by what was evaluated on what, and how; a repeat by the key of the source, or a number."""
        what = [score[k] for k in ("model_id", "task", "metric", "task_version", "harness", "filter", "n_shot")]
        repeat = score["source_key"] if self.mapping.shape == "long" else None
        if repeat is None:
            name = json.dumps(what)
            repeat = self.repeats[name] = self.repeats.get(name, 0) + 1
        return hashlib.sha256(json.dumps([*what, repeat]).encode()).hexdigest()[:16]

    def _model(self, entry: str, rows: list[int], computes: Computes) -> dict[str, Any]:
        """Describe a model by the first row that knows each thing."""
        known = {
            name: first_known([self.fields.value(name, row) for row in rows])
            for name in MODEL_FIELDS
            if name not in ("model", "entry", "system", "compute_flop", "compute_low", "compute_high")
        }
        name = str(self.names[rows[0]])
        if known["organisation"] is None and "/" in name:
            known["organisation"] = name.partition("/")[0]
        first = next((row for row in rows if np.isfinite(computes.flop[row])), rows[0])
        amounts = (("compute_flop", computes.flop), ("compute_low", computes.low), ("compute_high", computes.high))
        system = first_known([self.fields.value("system", row) for row in rows])
        known["base_model"] = first_known((known["base_model"], system))
        extra = {} if self.mapping.shape == "long" else self.extra[rows[0]]
        return {
            "model_id": entry,
            "name": name,
            **known,
            **{key: None if np.isnan(values[first]) else float(values[first]) for key, values in amounts},
            "compute_rule": computes.rules[first],
            "extra": json.dumps(extra | ({"system": system} if system else {})),
        }

    def _say_the_rest(self, n_unscored: int) -> None:
        warn = self.out.warnings.append
        for said, tasks in self.converted.items():
            warn(f"Scores of {_listed(tasks)}: {said}.")
        if n_unscored:
            warn(f"{format_plural(n_unscored, 'model')} without any score left out.")
        for name, count in self.fields.n_zero.items():
            warn(f"{name} is 0 or below in {format_plural(count, 'row')}: taken as unknown.")


def _listed(names: Any) -> str:
    """Name the first few, and count the rest."""
    shown = [str(name) for name in names]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more
