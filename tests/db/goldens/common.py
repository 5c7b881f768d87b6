"""Facts as most logs lack them, and small changes of files."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

NAN, INF = math.nan, math.inf
#: What a log that says nothing of itself lacks.
ALL = ("batch_tokens", "compute_flop", "learning_rate", "n_params", "n_tokens")
COUNTED = "counted by the log up to its last step"


def without(*names: str) -> tuple[str, ...]:
    """What is missing where these are known."""
    return tuple(name for name in ALL if name not in names)


def append(text: str, name: str | None = None) -> Callable[[Path], None]:
    """A change that adds text to the end of a file, or of a file in a directory."""

    def change(path: Path) -> None:
        with (path / name if name else path).open("a", encoding="utf-8") as stream:
            stream.write(text)

    return change


def edit(name: str | None, do: Callable[[Any], None]) -> Callable[[Path], None]:
    """A change of a JSON document."""

    def change(path: Path) -> None:
        file = path / name if name else path
        whole = json.loads(file.read_text())
        do(whole)
        file.write_text(json.dumps(whole))

    return change


def insert(sql: str, *values: Any) -> Callable[[Path], None]:
    """A change of a database."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(sql, values)

    return change


def linear(steps: range, start: float, slope: float, odd: dict[int, float | None] | None = None) -> list[Any]:
    """Values on a line, but for some."""
    return [(step, (odd or {}).get(step, start + slope * step)) for step in steps]
