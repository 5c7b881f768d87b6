"""Rows for a terminal or for the next program: one output contract for every command.

Data go to standard output, as a table, JSON (a list of objects), JSON lines, CSV or Markdown. Machines get exact
numbers, people get rounded ones.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_count, format_number
from scaling.serial import plain

NOTHING = "-"  # SQL's NULL: there is no value; a number that could not be found is "unknown"
FORMATS = ("table", "json", "jsonl", "csv", "markdown")
Row = Mapping[str, Any]


def choose_format(asked: str | None) -> str:
    """Choose the format of the output.

    Parameters
    ----------
    asked : str or None
        What the user named.

    Returns
    -------
    str
        One of `FORMATS`; unasked, ``table`` on a terminal and ``json`` where the output is read by a program.

    Raises
    ------
    UsageError
        For a format that there is not.
    """
    if asked is None:
        return "table" if sys.stdout is not None and sys.stdout.isatty() else "json"
    if asked not in FORMATS:
        raise UsageError(f"There is no format '{asked}'.", did_you_mean(asked, FORMATS))
    return asked


def render(rows: Sequence[Row], format_: str, shown: Sequence[Row] | None = None, columns: Sequence[str] = ()) -> str:
    """Write rows in a format.

    Parameters
    ----------
    rows : sequence of mapping
        The data, one mapping a row.
    format_ : {'table', 'json', 'jsonl', 'csv', 'markdown'}
        The format.
    shown : sequence of mapping, optional
        What people get instead, for ``table`` and ``markdown``.
    columns : sequence of str, optional
        Names of the columns, for a head where there is no row.

    Returns
    -------
    str
        With a newline at the end, unless it is empty. In JSON, NaN is null and infinities are "inf" and "-inf".
    """
    if format_ == "json":
        return json.dumps([plain(row) for row in rows], indent=2, allow_nan=False) + "\n"
    if format_ == "jsonl":
        return "".join(json.dumps(plain(row), allow_nan=False) + "\n" for row in rows)
    if format_ == "csv":
        return _csv([_flat(row) for row in rows], columns)
    people = [_flat(row) for row in (rows if shown is None else shown)]
    cells = [{k: cell(k, v) for k, v in row.items()} for row in people]
    names = _columns(cells) or list(columns)
    if not names:
        return ""
    return _table(cells, people, names) if format_ == "table" else _markdown(cells, names)


def as_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Turn a result into row objects; columns of the same name are numbered, so that none is lost."""
    names = unique_names(columns)
    return [dict(zip(names, row, strict=True)) for row in rows]


def unique_names(columns: Sequence[str]) -> list[str]:
    """Number the later ones of columns that have the same name."""
    names: list[str] = []
    for column in columns:
        name, number = column, 2
        while name in names or (name != column and name in columns):
            name, number = f"{column}_{number}", number + 1
        names.append(name)
    return names


def _flat(row: Row, prefix: str = "") -> dict[str, Any]:
    """Spread nested mappings over columns with dotted names."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def spread(row: Row) -> dict[str, Any]:
    """Spread a description over one level: mappings by dotted names, lists of mappings by numbers."""
    out: dict[str, Any] = {}
    for key, value in _flat(row).items():
        if isinstance(value, list | tuple) and any(isinstance(x, Mapping) for x in value):
            for number, entry in enumerate(value, start=1):
                known = {k: v for k, v in _flat(entry).items() if v is not None} if isinstance(entry, Mapping) else {}
                out[f"{key} {number}"] = ", ".join(f"{k} {cell(k, v)}" for k, v in known.items()) or str(entry)
        else:
            out[key] = value
    return out


def cell(name: str, value: Any) -> str:
    """Write one value for people; the name of its column tells counts from other numbers."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    is_size = name.startswith(("n_params", "n_tokens"))
    if isinstance(value, float | Decimal) or (is_size and isinstance(value, int)):
        return format_count(float(value)) if is_size else format_number(float(value))
    if isinstance(value, list | tuple):
        return ", ".join(cell(name, v) for v in value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    # A line break or an escape sequence in the data must not reach the terminal.
    return "".join(c if c.isprintable() else " " for c in str(value))


def excerpt(name: str, value: Any) -> str:
    """Write one value for people, a very long one as its beginning; a command is to be copied, so it stays whole."""
    text = cell(name, value)
    if name == "command" or len(text) <= 200:
        return text
    return f"{text[:160].rstrip()} ... ({len(text)} characters; --format json has all)"


def _table(cells: Sequence[Mapping[str, str]], raw: Sequence[Row], names: Sequence[str]) -> str:
    right = {n: all(isinstance(row.get(n), int | float | Decimal | None) for row in raw) for n in names}
    width = {n: max(len(n), *(len(row.get(n, "")) for row in cells)) if cells else len(n) for n in names}

    def line(row: Mapping[str, str]) -> str:
        parts = (f"{row.get(n, ''):>{width[n]}}" if right[n] else f"{row.get(n, ''):<{width[n]}}" for n in names)
        return "  ".join(parts).rstrip() + "\n"

    rule = "  ".join("-" * width[n] for n in names) + "\n"
    return line({n: n for n in names}) + rule + "".join(line(row) for row in cells)


def _markdown(cells: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(v.replace("|", "\\|") for v in values) + " |\n"

    body = "".join(line([row.get(n, "") for n in names]) for row in cells)
    return line(names) + line(["---"] * len(names)) + body


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    names = _columns(rows) or list(columns)
    if not names:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(
        {k: json.dumps(plain(v)) if isinstance(v, list | tuple) else v for k, v in row.items()} for row in rows
    )
    return text.getvalue()
