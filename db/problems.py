"""What was refused while reading a log, told by file, line and reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scaling.errors import did_you_mean

_LIST_LIMIT = 20


@dataclass(frozen=True)
class Problem:
    """One thing in a log that was refused.

    Parameters
    ----------
    file : str
        The file.
    line : int
        Line of the file, from 1; for Parquet, which has no lines, the row.
    column : str or None
        Column of the file, where one is to blame.
    value : str or None
        What stood there.
    reason : str
        Why it was refused.
    refused : str, default "row"
        ``row`` where the whole row was left out, ``value`` where only this value was.
    """

    file: str
    line: int
    column: str | None
    value: str | None
    reason: str
    refused: str = "row"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        what = f", column {self.column!r}" if self.column else ""
        shown = f" ({_shorten(self.value)})" if self.value is not None else ""
        return f"{where}{what}: {self.reason}{shown}"

    def to_dict(self) -> dict[str, Any]:
        """The problem as a row of plain values."""
        return asdict(self)


def summary(problems: Sequence[Problem], limit: int = 5) -> str:
    """Write problems by their reason, the most frequent first, one reason a line.

    Parameters
    ----------
    problems : sequence of Problem
        The problems.
    limit : int, default 5
        How many reasons to write.

    Returns
    -------
    str
    """
    groups: dict[tuple[str, str | None, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.file, problem.column, problem.reason), []).append(problem)
    lines = []
    for (file, column, reason), members in sorted(groups.items(), key=lambda item: -len(item[1]))[:limit]:
        what = f"column {column!r}: " if column else ""
        value = members[0].value
        shown = f" (first {_shorten(value)})" if value is not None else ""
        lines.append(f"  {file}, {line_list([member.line for member in members])}: {what}{reason}{shown}")
    if len(groups) > limit:
        lines.append(f"  and {len(groups) - limit} more reasons")
    return "\n".join(lines)


def line_list(lines: Sequence[int], limit: int = 8, count: int | None = None) -> str:
    """Write line numbers: ``lines 3, 9 and 12``.

    Parameters
    ----------
    lines : sequence of int
        The line numbers.
    limit : int, default 8
        How many to write.
    count : int, optional
        How many there are in all, where `lines` are only the first of them, at least `limit`.

    Returns
    -------
    str
    """
    count = len(lines) if count is None else count
    numbers = [str(int(line)) for line in lines[: limit + 1]]
    if count == 1:
        return f"line {numbers[0]}"
    if count > limit:
        return f"lines {', '.join(numbers[:limit])} and {count - limit} more"
    return f"lines {', '.join(numbers[:-1])} and {numbers[-1]}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Say the nearest known name, and all of them where they are few.

    Parameters
    ----------
    word : str
        What was asked for.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        As :func:`scaling.errors.did_you_mean`, but a long list is cut.
    """
    names = sorted(set(known))
    if len(names) <= _LIST_LIMIT:
        return did_you_mean(word, names)
    question = did_you_mean(word, names).partition("There are:")[0]
    return f"{question}There are {len(names)}: {', '.join(names[:_LIST_LIMIT])} and so on."


def _shorten(text: str) -> str:
    text = text if len(text) <= 40 else text[:37] + "..."
    return repr(text)
