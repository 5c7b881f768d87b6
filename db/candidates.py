"""Read the runs that could be bought: a list of sizes, or a table."""

from __future__ import annotations

import csv
from pathlib import Path

from db.fields import candidate
from scaling import arguments
from scaling.errors import InputDataError, UsageError

_WHAT = "--candidates"


def read_candidates(text: str) -> dict[str, list[float]]:
    """Read candidate runs.

    Parameters
    ----------
    text : str
        The path of a CSV file with a column of parameters and one of tokens, under any of the names that an ingest
        knows; or a list such as ``1Bx20B,3Bx60B``.

    Returns
    -------
    dict of str to list of float
        ``N`` and ``D``.

    Raises
    ------
    UsageError
        For a list that cannot be read.
    InputDataError
        For a file that cannot be read or has no such columns.
    """
    path = Path(text)
    if path.suffix.lower() == ".csv" or path.is_file():
        return _read_table(path)
    out: dict[str, list[float]] = {"N": [], "D": []}
    for part in text.split(","):
        n, cross, d = part.strip().lower().partition("x")
        if not (n and cross and d):
            raise UsageError(
                f"'{part.strip()}' is no run that {_WHAT} can take.",
                "Write runs as parameters x tokens, such as 1Bx20B,3Bx60B, or name a CSV file.",
            )
        out["N"].append(arguments.size(n, _WHAT))
        out["D"].append(arguments.size(d, _WHAT))
    return out


def _read_table(path: Path) -> dict[str, list[float]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputDataError(f"The file {path} cannot be read: {error}.") from error
    columns = {}
    for name, field in (("N", "n_params"), ("D", "n_tokens")):
        named = [(found.rank, i, found.factor) for i, column in enumerate(head) if (found := candidate(column, field))]
        if not named:
            raise InputDataError(
                f"The file {path} has no column of {field}; it has: {', '.join(head) or 'none'}.",
                "Name the columns N and D, or n_params and n_tokens.",
            )
        columns[name] = min(named)
    out: dict[str, list[float]] = {"N": [], "D": []}
    for line, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        for name, (_, i, factor) in columns.items():
            value = row[i] if i < len(row) else ""
            try:
                out[name].append(factor * arguments.size(value, head[i]))
            except UsageError as error:
                raise InputDataError(f"{path}, line {line}: '{value}' is no size for {head[i]}.") from error
    if not out["N"]:
        raise InputDataError(f"The file {path} names no runs.")
    return out
