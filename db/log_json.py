"""What logs say, as JSON that any store takes: bounded, without NaN, and of whole characters."""

from __future__ import annotations

import json
import math
from typing import Any

_DEPTH = 32
_LARGEST = 2**63


def to_json(content: Any) -> str:
    """Write plain values as JSON.

    Parameters
    ----------
    content : object
        Mappings, lists, numbers, texts, booleans and None; anything else becomes its text.

    Returns
    -------
    str
        NaN and infinite numbers, which JSON lacks, stand as text, as everywhere in the store; so do whole numbers
        beyond 64 bits, halves of characters, and what is nested more than 32 deep.
    """
    return json.dumps(_plain(content, _DEPTH), allow_nan=False)


def _plain(value: Any, depth: int) -> Any:  # noqa: PLR0911 - one return a kind
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value < 2 * _LARGEST else f"{value:#x}"
    if isinstance(value, float):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if depth == 0:
        return "..."
    if isinstance(value, dict):
        return {_plain(str(key), depth): _plain(one, depth - 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth - 1) for one in value]
    try:
        return _plain(dict(value), depth)  # a mapping that is not to be changed
    except (TypeError, ValueError):
        return _plain(str(value), depth)
