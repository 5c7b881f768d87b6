"""Completing a mapping from the usual names of columns.

What a mapping file says is never changed; what it leaves out is guessed, and two columns that could both be meant are
an error rather than a choice.
"""

from __future__ import annotations

from types import MappingProxyType

from db.fields import ALIASES, FIELDS, candidate, is_loss_name
from db.mapping import Mapping, MetricSpec
from db.problems import nearest
from db.readers.table import Table
from scaling.errors import InputDataError

_GUESSED = "guessed from the name"
_LETTERS = {full: letter for letter, full in ALIASES.items() if len(letter) == 1}
# Two columns that could be these are no reason to stop: both are kept under their own names.
_OPTIONAL = ("name", "corpus")


def complete(mapping: Mapping, table: Table, metric: str | None = None) -> Mapping:
    """Add to a mapping what it leaves out.

    Parameters
    ----------
    mapping : Mapping
        What is given.
    table : Table
        The file.
    metric : str, optional
        Metric to show as the loss; a metric of the mapping, or a column.

    Returns
    -------
    Mapping
        With the metric to show, and how each part was found.

    Raises
    ------
    InputDataError
        If two columns could be the same quantity, or no column is a loss; names the candidates.
    """
    columns = dict(mapping.columns)
    origins = dict(mapping.origins)
    if mapping.guess:
        taken = _named_columns(mapping, table)
        for field in FIELDS:
            if field in columns or field in mapping.constants or field in mapping.derived:
                continue
            found = _guess_field(field, table, taken)
            if found is not None:
                column, text = found
                columns[field] = text
                taken.add(column)
                origins[field] = _GUESSED
    metrics = mapping.metrics
    if not metrics and mapping.guess:
        metrics = _guess_metrics(table)
        origins |= dict.fromkeys((spec.metric for spec in metrics), _GUESSED)
    shown, metrics = _shown_metric(metrics, metric or mapping.metric, table)
    origins.setdefault(shown, "named as the metric")
    return mapping.with_options(
        columns=MappingProxyType(columns), metrics=metrics, metric=shown, origins=MappingProxyType(origins)
    )


def _named_columns(mapping: Mapping, table: Table) -> set[str]:
    """Columns that are a field or a metric already; one that is only used in an expression may still be a field."""
    texts = [text for value in mapping.columns.values() for text in (value if isinstance(value, tuple) else (value,))]
    return {text for text in (*texts, *(spec.column for spec in mapping.metrics)) if text in table.columns}


def _guess_field(field: str, table: Table, taken: set[str]) -> tuple[str, str] | None:
    """The column that a field is, and the expression that gives it in its unit."""
    judged = [
        (found.rank, column, found.factor)
        for column in table.columns
        if column not in taken and (found := candidate(column, field)) is not None
    ]
    if not judged:
        return None
    best = min(rank for rank, _, _ in judged)
    tied = [(column, factor) for rank, column, factor in judged if rank == best]
    if len(tied) > 1:
        if field in _OPTIONAL:
            return None
        names = ", ".join(f"'{column}'" for column, _ in tied)
        key = _LETTERS.get(field, field)
        raise InputDataError(
            f"{table.path}: several columns could be {field}, the {FIELDS[field]}: {names}.",
            f'Say which in a mapping file: [columns] {key} = "{tied[0][0]}"',
        )
    column, factor = tied[0]
    if factor == 1.0:
        return column, column
    power = f"{factor:.0e}".replace("e+0", "e").replace("e+", "e")
    return column, f"{column if column.isidentifier() else _quoted(column)} * {power}"


def _guess_metrics(table: Table) -> tuple[MetricSpec, ...]:
    """Every column that is a loss by its name and holds numbers for the most part."""
    specs: list[MetricSpec] = []
    plain = next(
        (column for column in ("loss", *table.columns) if column in table.columns and column.lower() == "loss"), None
    )
    for column in table.columns:
        if not is_loss_name(column):
            continue
        is_loss = column == plain
        if is_loss or table.mostly_numbers(column):
            specs.append(MetricSpec("loss" if is_loss else column, column))
    return tuple(specs)


def _shown_metric(
    metrics: tuple[MetricSpec, ...], wanted: str | None, table: Table
) -> tuple[str, tuple[MetricSpec, ...]]:
    names = [spec.metric for spec in metrics]
    losses = [spec.metric for spec in metrics if spec.kind in (None, "loss")]
    if wanted is not None:
        if wanted in names:
            return wanted, metrics
        if wanted in table.columns:
            return wanted, (*metrics, MetricSpec(wanted, wanted))
        raise InputDataError(
            f"{table.path} has no metric and no column '{wanted}'.", nearest(wanted, [*names, *table.columns])
        )
    if "loss" in names:
        return "loss", metrics
    if len(losses or names) == 1:
        return (losses or names)[0], metrics
    if names := losses or names:
        listed = ", ".join(f"'{name}'" for name in names[:8])
        if len(names) > 8:
            listed += f" and {len(names) - 8} more"
        raise InputDataError(
            f"{table.path} has several losses: {listed}.",
            f"Say which one is the loss: --metric {names[0]!r}. The others are kept as metrics too.",
        )
    raise InputDataError(
        f"{table.path} has no column that is a loss by its name.",
        f'{nearest("loss", table.columns)} Name it with --metric, or in a mapping file: [metrics] loss = "COLUMN". '
        "Scores of models on tasks are read with --scores.",
    )


def _quoted(column: str) -> str:
    return f"'{column}'" if '"' in column else f'"{column}"'
