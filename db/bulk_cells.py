"""Cells of a large table: as text in SQL, and back as what the file said."""

from __future__ import annotations

import json
from typing import Any

# Every character that Python strips from a text.
_SPACE = (
    r"[\t\n\x{0b}\x{0c}\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*"
)
_WORDS = "|na|n/a|none|null|<na>|-"


def is_missing_sql(text: str, *, words: bool) -> str:
    """SQL that tells whether a text is blank or, with `words`, one that means "no value"."""
    # What is longer than the longest such word and visible at both ends is a value: that spares most the expression.
    return (
        f"CASE WHEN {text} IS NULL THEN true "
        f"WHEN length({text}) > 4 AND ({text})[1] BETWEEN '!' AND '~' AND ({text})[-1] BETWEEN '!' AND '~' THEN false "
        f"ELSE regexp_full_match({text}, '{_SPACE}({_WORDS if words else ''}){_SPACE}', 'i') END"
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


def decode(raw: Any, kind: str) -> Any:
    """A cell as the reader of small tables gives it, from what SQL holds."""
    if kind == "csv":
        return "" if raw is None else raw
    if kind != "json" or raw is None:
        return raw
    if raw[:1] in ('"', "\\"):
        return raw[1:] if raw[0] == '"' else json.loads(raw[1:])
    return {"true": True, "false": False}[raw] if raw in ("true", "false") else _number(raw)


def _number(raw: str) -> int | float:
    try:
        return int(raw)
    except ValueError:
        return float(raw)
