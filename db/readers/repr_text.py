"""Settings from what Python prints of dataclasses, read as text: nothing of it is run."""

from __future__ import annotations

import re
from typing import Any

from db.readers.log_lines import plain

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_]\w*)=(?!=)"
    r"|(?P<open>(?:[A-Za-z_][\w.]*)?[(\[{])"
    r"|(?P<close>[)\]}])"
    r"|(?P<text>'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\")"
    r"|(?P<object><[^<>]*+>)"
    r"|(?P<bare>[^\s,()\[\]{}'\"<>:]++)"
    r"|(?P<comma>,)",
    re.S,
)
#: Of nested brackets; deeper ones are left out.
_DEEPEST = 64


def settings(text: str, limit: int = 5_000) -> dict[str, Any]:
    """Settings by their path, ``optimizer.lr``.

    Parameters
    ----------
    text : str
        ``Config(a=1, b=Inner(c='x', d=[1, 2]))``, of one line or several. It may end anywhere.
    limit : int
        Settings that are read.

    Returns
    -------
    dict of str to plain value
        Here ``{"a": 1, "b.c": "x", "b.d.0": 1, "b.d.1": 2}``. A single argument without a name, as in
        ``PosixPath('x')``, is the value itself.

    Examples
    --------
    >>> settings("Config(a=1, b=Inner(c='x', path=PosixPath('y')))")
    {'a': 1, 'b.c': 'x', 'b.path': 'y'}
    """
    found: dict[str, Any] = {}
    stack: list[tuple[str, bool, int]] = []  # path, whether it is a list, values without a name so far
    key: str | None = None
    for token in _TOKEN.finditer(text):
        kind, body = token.lastgroup, token[0]
        if kind == "name":
            key = token["name"]
        elif kind == "open":
            path = "" if not stack else _path(stack, key)
            stack.append((path, body[-1] in "[{", 0))
            key = None
        elif kind == "close":
            if stack:
                stack.pop()
            if not stack or len(found) >= limit:
                break
            key = None
        elif kind == "comma":
            key = None
        elif stack and len(stack) <= _DEEPEST:
            found.setdefault(_path(stack, key), plain(body) if kind != "object" else body)
    return found


def _path(stack: list[tuple[str, bool, int]], key: str | None) -> str:
    """Path of the value that comes next, counted where it has no name."""
    path, is_list, n = stack[-1]
    if key is None:
        stack[-1] = (path, is_list, n + 1)
        if not is_list and n == 0 and path:
            return path
        key = str(n)
    return f"{path}.{key}" if path else key
