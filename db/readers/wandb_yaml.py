"""The subset of YAML in which W&B writes the settings of a run to ``config.yaml``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from db.readers.text import flatten, lines_of

_ENTRY = re.compile(r"""( *)(?:("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"-][^#]*?|-[^\s#]+?)):(?: +(.*))?$""")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS: dict[str, Any] = {
    "": None, "null": None, "~": None, "true": True, "false": False, ".nan": float("nan"), ".inf": float("inf"),
    "-.inf": float("-inf"), "{}": None, "[]": [],
}  # fmt: skip
_LINES = 100_000


def read_settings(path: Path) -> dict[str, Any]:
    """Read the settings of a run.

    Parameters
    ----------
    path : Path
        ``config.yaml``, where there is one.

    Returns
    -------
    dict of str to plain value
        Nested settings with dots, without the ``value`` and ``desc`` under which W&B has each. Lists of plain values
        stay; what is beyond nested mappings, plain values and such lists is left out.
    """
    if not path.is_file():
        return {}
    found: dict[str, Any] = {}
    open_keys: list[tuple[int, str]] = []
    for number, line in lines_of(path):
        if number > _LINES:
            break
        item = re.match(r" *- (.*)$", line)
        if item is not None and open_keys:
            name = _name(open_keys)
            held = found.get(name)
            if name and not _ENTRY.match(item[1]):
                found[name] = [*(held if isinstance(held, list) else []), _value(item[1])]
            continue
        entry = _ENTRY.match(line)
        if entry is None:
            continue
        indent = len(entry[1])
        while open_keys and open_keys[-1][0] >= indent:
            open_keys.pop()
        open_keys.append((indent, _text(entry[2])))
        name, value = _name(open_keys), (entry[3] or "").strip()
        if not name or value in ("|", "|-", ">", ">-"):
            continue
        if value:
            found[name] = _value(value)
            above = name.rpartition(".")[0]
            if above in found and found[above] is None:
                del found[above]
        else:
            found.setdefault(name, None)
    parents = {name.rpartition(".")[0] for name in found}
    return flatten({name: value for name, value in found.items() if value is not None or name not in parents})


def _name(keys: list[tuple[int, str]]) -> str:
    """The path of a setting; the second part is ``value`` or ``desc``, and the latter is no setting."""
    parts = [key for _, key in keys]
    if len(parts) < 2 or parts[1] != "value":
        return ""
    return ".".join([parts[0], *parts[2:]])


def _text(word: str) -> str:
    if word.startswith('"'):
        try:
            return str(json.loads(word))
        except ValueError:
            return word.strip('"')
    return word[1:-1].replace("''", "'") if word.startswith("'") and word.endswith("'") and len(word) > 1 else word


def _value(word: str) -> Any:
    word = word.strip()
    if word.startswith(("'", '"')):
        return _text(word)
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if _NUMBER.fullmatch(word):
        try:
            return int(word)
        except ValueError:
            return float(word)
    return word
