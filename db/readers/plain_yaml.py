"""The plain part of YAML that tools write settings in: nested mappings, plain values and lists of these, in blocks.

Tags, anchors and texts of several lines are left out: nothing of a file can make an object.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from db.readers.text import lines_of

_ENTRY = re.compile(
    r"(?P<indent> *)(?P<key>'(?:[^']|'')*+'|\"(?:[^\"\\]|\\.)*+\"|[^\s#'\"\-:&*!|>?%@`{}\[\],][^:#]*+|-[^\s:#][^:#]*+)"
    r":(?: +(?P<value>.*))?\Z"
)
_ITEM = re.compile(r"(?P<indent> *)- +(?P<value>.*)\Z")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\Z")
_WORDS: dict[str, Any] = {
    "null": None, "~": None, "true": True, "false": False, ".nan": math.nan, ".inf": math.inf, "-.inf": -math.inf,
    "[]": [], "{}": None,
}  # fmt: skip
_LINES = 20_000
_OPAQUE = ("!", "&", "*", "|", ">", "{", "[")
_MISSING = object()


def plain_yaml(path: Path) -> dict[str, Any]:
    """Read settings.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to plain value
        By their path with dots; lists of plain values stay. What is none of it is left out.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    found: dict[str, Any] = {}
    parents: list[tuple[int, str]] = []
    skipped: int | None = None  # indent of what is left out with all that is below it
    for number, line in lines_of(path):
        if number > _LINES:
            break
        indent = len(line) - len(line.lstrip(" "))
        if skipped is not None and (indent > skipped or not line.strip()):
            continue
        if item := _ITEM.match(line):
            _add_item(found, parents, indent, item["value"])
        elif entry := _ENTRY.match(line):
            while parents and parents[-1][0] >= indent:
                parents.pop()
            text = (entry["value"] or "").strip()
            key = ".".join([*(name for _, name in parents), _unquoted(entry["key"].strip())])
            parents.append((indent, _unquoted(entry["key"].strip())))
            value = _value(text) if text else None
            skipped = indent if value is _MISSING else None
            if value is not _MISSING:
                found[key] = value
    return {key: value for key, value in found.items() if value is not None or not _above(key, found)}


def _add_item(found: dict[str, Any], parents: list[tuple[int, str]], indent: int, text: str) -> None:
    """An item of a list belongs to the key above it, which stands no deeper."""
    while parents and parents[-1][0] > indent:
        parents.pop()
    value = _value(text.strip())
    if not parents or value is _MISSING or _ENTRY.match(text):
        return
    key = ".".join(name for _, name in parents)
    held = found.get(key)
    if held is None:
        found[key] = [value]
    elif isinstance(held, list):
        held.append(value)


def _above(key: str, found: dict[str, Any]) -> bool:
    """Whether a key without a value merely stands above others."""
    return any(other.startswith(f"{key}.") for other in found) if len(found) < 2_000 else False


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text.startswith(("'", '"')):
        return _unquoted(text)
    if text.startswith(_OPAQUE):
        return _MISSING
    if _NUMBER.match(text):
        return int(text) if text.lstrip("+-").isdigit() and len(text) < 19 else float(text)
    return text


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text
