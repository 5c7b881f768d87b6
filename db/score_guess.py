"""Completing a mapping of scores from the usual names of columns.

What a mapping says is never changed; what it leaves out is guessed. Two columns that could both be the name, the size,
the tokens or the compute of a model are an error rather than a choice; of the others, both are kept as they are.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from db import expression
from db.cells import BAD, MISSING, numbers_from_cells
from db.problems import nearest
from db.readers.table import Table
from db.score_fields import FIELDS, LONG_FIELDS, MODEL_FIELDS, candidate, is_no_score
from db.score_mapping import ScoreMapping, ScoreSpec, TableSpec, spec_key
from scaling.errors import InputDataError, UsageError

_GUESSED = "guessed from the name"
_STRICT = ("model", "n_params", "n_tokens", "compute_flop", "task", "score")


def complete(mapping: ScoreMapping, table: Table) -> ScoreMapping:
    """Add to a mapping of scores what it leaves out, and choose among the columns that it lists.

    Parameters
    ----------
    mapping : ScoreMapping
        What is given.
    table : Table
        The file.

    Returns
    -------
    ScoreMapping
        With the shape ``long`` or ``wide``, one column a field, and how each part was found.

    Raises
    ------
    InputDataError
        If two columns could be the same quantity, or no column names the model or holds a score.
    """
    origins = dict(mapping.origins)
    columns = present(mapping.columns, table)
    given = {*mapping.columns, *mapping.constants, *mapping.derived}
    specs = tuple(spec for spec in (_present_spec(spec, table) for spec in mapping.scores) if spec is not None)
    if mapping.guess:
        taken = {text for text in (*columns.values(), *(spec.column for spec in specs)) if text in table.columns}
        wide = mapping.shape == "wide" or any(spec.column for spec in specs)
        found = guess_fields(table, taken, [f for f in FIELDS if f not in given and not (wide and f in LONG_FIELDS)])
        if "score" in found and not {"task"} & {*found, *given} and mapping.shape != "long":
            taken.discard(found.pop("score"))  # a column of that name without one of tasks: a task by itself
        if mapping.shape != "long" and "score" not in {*columns, *found}:
            found = {field: text for field, text in found.items() if field not in LONG_FIELDS}
        columns |= found
        origins |= dict.fromkeys(found, _GUESSED)
    shape = mapping.shape
    if shape == "auto":
        shape = "long" if "score" in columns and {"task"} & {*columns, *mapping.constants} else "wide"
    if shape == "wide" and mapping.guess and not any(spec.column for spec in specs):
        specs = _guess_tasks(table, set(columns.values()), specs)
        origins |= {spec_key(spec): _GUESSED for spec in specs}
    done = mapping.with_(
        columns=MappingProxyType(columns), scores=specs, shape=shape, origins=MappingProxyType(origins)
    )
    _check(done, table)
    return done


def complete_table(spec: TableSpec, table: Table) -> TableSpec:
    """Add to the mapping of a joined table what it leaves out; as `complete`."""
    columns = present(spec.columns, table)
    key = spec.key
    if key and key not in table.columns:
        raise InputDataError(f"{table.path} has no column '{key}' to join by.", nearest(key, table.columns))
    if not columns:
        columns = guess_fields(table, {key} if key else set(), MODEL_FIELDS)
        key = key or columns.get("model", "")
        columns.pop("model", None)
    if not key:
        raise InputDataError(f"{table.path} has no column that names the model.", nearest("model", table.columns))
    kept = tuple(column for column in spec.keep if column in table.columns)
    return TableSpec(key, spec.on, MappingProxyType(columns), kept)


def present(columns: Any, table: Table) -> dict[str, str]:
    """Of columns that are listed, the first that the file has; a column named alone must be there."""
    chosen = {field: _first_present(text, table) for field, text in columns.items()}
    return {field: text for field, text in chosen.items() if text is not None}


def guess_fields(table: Table, taken: set[str], fields: Any) -> dict[str, str]:
    """Columns that are fields by their names, with the factor to the field's unit; adds them to `taken`."""
    found: dict[str, str] = {}
    for field in fields:
        judged = [
            (hit.rank, column, hit.factor)
            for column in table.columns
            if column not in taken and (hit := candidate(column, field)) is not None
        ]
        if not judged:
            continue
        best = min(rank for rank, _, _ in judged)
        tied = [(column, factor) for rank, column, factor in judged if rank == best]
        if len(tied) > 1 and field in _STRICT:
            names = ", ".join(f"'{column}'" for column, _ in tied)
            raise InputDataError(
                f"{table.path}: several columns could be {field}, the {FIELDS[field]}: {names}.",
                f'Say which in a mapping file: [columns] {field} = "{tied[0][0]}"',
            )
        if len(tied) > 1:
            continue
        column, factor = tied[0]
        taken.add(column)
        found[field] = (
            column if factor == 1.0 else f"{_name(column)} * {factor:.0e}".replace("e+0", "e").replace("e+", "e")
        )
    return found


def _guess_tasks(table: Table, taken: set[str], known: tuple[ScoreSpec, ...]) -> tuple[ScoreSpec, ...]:
    """Every column of numbers that is nothing else by its name."""
    by_task = {spec.task: spec for spec in known}
    used = {column for column in table.columns if any(column in text for text in taken)}
    specs = []
    for column, cells in table.columns.items():
        if column in used or is_no_score(column):
            continue
        status = numbers_from_cells([c[:-1] if isinstance(c, str) and c.endswith("%") else c for c in cells]).status
        filled = (status != MISSING).sum()
        if filled and (status == BAD).sum() < 0.5 * filled:
            base = by_task.get(column, ScoreSpec(column))
            specs.append(ScoreSpec(**{**base.__dict__, "column": column}))
    return tuple(specs)


def _present_spec(spec: ScoreSpec, table: Table) -> ScoreSpec | None:
    if spec.column is None:
        return spec
    column = _first_present(spec.column, table)
    return None if column is None else ScoreSpec(**{**spec.__dict__, "column": column})


def _first_present(text: str | tuple[str, ...], table: Table) -> str | None:
    if isinstance(text, str):
        return text
    return next((part for part in text if _is_there(part, table)), None)


def _is_there(text: str, table: Table) -> bool:
    if text in table.columns:
        return True
    try:
        names = expression.names(expression.parse(text))
    except UsageError:
        return False
    return bool(names) and all(name.name in table.columns for name in names)


def _check(mapping: ScoreMapping, table: Table) -> None:
    columns = {*mapping.columns, *mapping.constants}
    if not {"model", "entry"} & columns:
        raise InputDataError(
            f"{table.path} has no column that names the model.",
            f'{nearest("model", table.columns)} Say which in a mapping file: [columns] model = "COLUMN"',
        )
    if mapping.shape == "long":
        for field in ("task", "score"):
            if field not in columns:
                raise InputDataError(
                    f"{table.path} has one row a score, and no column for the {field}.",
                    f'{nearest(field, table.columns)} Say which in a mapping file: [columns] {field} = "COLUMN"',
                )
    elif not any(spec.column for spec in mapping.scores):
        raise InputDataError(
            f"{table.path} has no column of scores.",
            'Name them in a mapping file: [scores] "TASK" = "COLUMN", or [columns] task and score for one row a score.',
        )


def _name(column: str) -> str:
    return column if column.isidentifier() else f"'{column}'" if '"' in column else f'"{column}"'
