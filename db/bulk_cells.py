"""Cells of a large table: as text in SQL, and back as what the file said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

# Every character that Python strips from a text.
_SPACE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# No two that follow each other are as short as the longest, so that none is found where both are meant.
_WORDS = "|na|n/a|none|null|<na>|-|"
_LONGEST = 4


def is_missing_sql(text: str, *, words: bool) -> str:
    """SQL that tells whether a text is blank or, with `words`, one that means "no value".

    Without patterns and lists: to make them for each of thousands of columns takes longer than to read these.
    """

    def is_word(text: str) -> str:
        return f"(length({text}) <= {_LONGEST} AND contains('{_WORDS}', '|' || lower({text}) || '|'))"

    stripped = f"trim({text}, '{_SPACE}')"
    # What is visible at both ends need not be stripped, which spares most the slow part.
    return (
        f"CASE WHEN {text} IS NULL THEN true "
        f"WHEN ({text})[1] BETWEEN '!' AND '~' AND ({text})[-1] BETWEEN '!' AND '~' "
        f"THEN {is_word(text) if words else 'false'} "
        f"ELSE {stripped} = ''{f' OR {is_word(stripped)}' if words else ''} END"
    )


def encode(cell: Any) -> str | None:
    """A cell of JSON as text: numbers and booleans as they are written, texts with a mark before them."""
    if cell is None:
        return None
    if isinstance(cell, str):
        try:
            cell.encode()
        except UnicodeEncodeError:  # half a pair of surrogates, which UTF-8 lacks
            return f"\\{json.dumps(cell)}"
        return f'"{cell}'
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return repr(cell)


def encode_all(cells: list[Any]) -> list[str | None]:
    """Cells of a column as text; see `encode`."""
    kinds = set(map(type, cells))
    if kinds <= {int} or kinds <= {float}:
        return list(map(repr, cells))
    return [encode(cell) for cell in cells]


def decode(raw: Any, kind: str) -> Any:
    """A cell as the reader of small tables gives it, from what SQL holds."""
    if kind == "csv":
        return "" if raw is None else raw
    if kind != "json" or raw is None:
        return raw
    if raw[:1] in ('"', "\\"):
        return raw[1:] if raw[0] == '"' else json.loads(raw[1:])
    return {"true": True, "false": False}[raw] if raw in ("true", "false") else _number(raw)


def decode_all(raws: Sequence[Any], kind: str) -> Sequence[Any]:
    """Cells of a column; see `decode`."""
    if kind == "json":
        return [decode(raw, kind) for raw in raws]
    if kind == "csv" and None in raws:
        return ["" if raw is None else raw for raw in raws]
    return raws


def _number(raw: str) -> int | float:
    try:
        return int(raw)
    except ValueError:
        return float(raw)
