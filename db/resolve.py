"""Applying a mapping to a table: each field and metric as one value a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from db import expression
from db.cells import Numbers, numbers_from_floats
from db.fields import ALIASES, FIELDS, TEXT_FIELDS, canonical
from db.mapping import Mapping
from db.problems import nearest
from db.readers.table import Table
from scaling.errors import InputDataError, UsageError


@dataclass(frozen=True)
class Resolved:
    """The fields and metrics of a table.

    Parameters
    ----------
    texts : dict of str to sequence
        Text fields that the mapping gives: one text or None a row.
    numbers : dict of str to Numbers
        Number fields that the mapping gives.
    metrics : dict of str to Numbers
        The metrics.
    sources : dict of str to tuple of str
        Columns that each field or metric is made of.
    """

    texts: dict[str, Sequence[str | None]]
    numbers: dict[str, Numbers]
    metrics: dict[str, Numbers]
    sources: dict[str, tuple[str, ...]]


def resolve(mapping: Mapping, table: Table) -> Resolved:
    """Compute every field and metric of a table.

    Parameters
    ----------
    mapping : Mapping
        A complete mapping.
    table : Table
        The file.

    Returns
    -------
    Resolved

    Raises
    ------
    InputDataError
        If the mapping names a column that is not there; names the nearest.
    UsageError
        If an expression cannot be read; points at the character.
    """
    return _Resolver(mapping, table).run()


class _Resolver:
    def __init__(self, mapping: Mapping, table: Table) -> None:
        self.mapping = mapping
        self.table = table
        self.columns: dict[str, Numbers] = {}
        self.numbers: dict[str, Numbers] = {}
        self.sources: dict[str, tuple[str, ...]] = {}
        self.in_progress: list[str] = []

    def run(self) -> Resolved:
        texts = {field: found for field in TEXT_FIELDS if (found := self._texts(field)) is not None}
        for field in FIELDS:
            if field not in TEXT_FIELDS:
                self._field(field)
        metrics = {}
        for spec in self.mapping.metrics:
            metrics[spec.metric] = self._compute(spec.metric, spec.column, derived=False)
        return Resolved(texts, self.numbers, metrics, self.sources)

    def _texts(self, field: str) -> Sequence[str | None] | None:
        if field in self.mapping.constants:
            return [str(self.mapping.constants[field])] * len(self.table.lines)
        given = self.mapping.columns.get(field)
        if given is None:
            return None
        names = given if isinstance(given, tuple) else (given,)
        columns = [self._known(name.strip("\"'") if name not in self.table.columns else name, field) for name in names]
        self.sources[field] = names
        return self.table.texts(columns)

    def _field(self, field: str) -> Numbers | None:
        """A field's numbers, computed once; derived fields may use one another."""
        if field in self.numbers:
            return self.numbers[field]
        if field in self.in_progress:
            circle = " <- ".join([*self.in_progress, field])
            raise UsageError(f"The derived fields depend on each other in a circle: {circle}.", "Break it somewhere.")
        self.in_progress.append(field)
        try:
            if field in self.mapping.constants:
                value = float(self.mapping.constants[field])
                self.numbers[field] = numbers_from_floats(np.full(len(self.table.lines), value))
            elif field in self.mapping.columns:
                text = self.mapping.columns[field]
                assert isinstance(text, str)
                self.numbers[field] = self._compute(field, text, derived=False)
            elif field in self.mapping.derived:
                self.numbers[field] = self._compute(field, self.mapping.derived[field], derived=True)
            return self.numbers.get(field)
        finally:
            self.in_progress.pop()

    def _compute(self, what: str, text: str, *, derived: bool) -> Numbers:
        if text in self.table.columns:
            self.sources[what] = (text,)
            return self._column(text, what)
        try:
            node = expression.parse(text)
        except UsageError as error:
            raise UsageError(f"{what}: {error.message}", error.hint) from error
        used: list[str] = []

        def lookup(name: expression.Name) -> Numbers:
            return self._lookup(name, what, text, used, derived=derived)

        result = expression.evaluate(node, lookup)
        self.sources[what] = tuple(dict.fromkeys(used))
        if result.values.ndim == 0:
            return numbers_from_floats(np.full(len(self.table.lines), float(result.values)))
        return result

    def _lookup(self, name: expression.Name, what: str, text: str, used: list[str], *, derived: bool) -> Numbers:
        """The values of a name: in a derived field first the fields, otherwise first the columns."""
        if derived and canonical(name.name) in FIELDS and canonical(name.name) not in TEXT_FIELDS:
            found = self._field(canonical(name.name))
            if found is not None:
                used.extend(self.sources.get(canonical(name.name), ()))
                return found
        if name.name in self.table.columns:
            used.append(name.name)
            return self._column(name.name, what)
        if name.name in self.mapping.constants and not isinstance(self.mapping.constants[name.name], str):
            return numbers_from_floats(np.full(len(self.table.lines), float(self.mapping.constants[name.name])))
        known = [*self.table.columns, *self.mapping.constants]
        if derived:
            known += [letter for letter, field in ALIASES.items() if field in self.mapping.columns]
        raise InputDataError(
            f"{self.table.path} has no column '{name.name}', which {what} is made of.\n  {text}\n"
            f"  {' ' * name.position}^",
            nearest(name.name, known),
        )

    def _column(self, name: str, what: str) -> Numbers:
        if name not in self.columns:
            self.columns[name] = self.table.numbers(self._known(name, what))
        return self.columns[name]

    def _known(self, name: str, what: str) -> str:
        if name not in self.table.columns:
            raise InputDataError(
                f"{self.table.path} has no column '{name}', which {what} is made of.",
                nearest(name, self.table.columns),
            )
        return name
