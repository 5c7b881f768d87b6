"""Logs for tests of what lies behind the readers: a format that gives what it is told, and states of a trainer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from db.log_ingest import ingest_logs
from db.log_report import LogReport
from db.readers.discover import Source
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Values
from db.store import Store

OLD = 1_700_000_000


def values(metric: str, steps: Sequence[int], numbers: Sequence[float], run: str = "", **more: Any) -> Values:
    """Values of a metric."""
    return Values(run, metric, np.array(steps, dtype=np.int64), np.array(numbers, dtype=np.float64), **more)


def made(
    path: Path,
    found: Sequence[Found] | Callable[[], Iterator[Found]],
    *,
    name: str = "made",
    upserts: bool = False,
    fields: Sequence[Field] = (),
) -> Source:
    """A source that gives what it is told; its file has to be there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(path))
        settle(path)

    def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:
        yield from found() if callable(found) else found

    one = SimpleNamespace(
        NAME=name, WHAT="a made-up log", READS="", LEAVES_OUT="", TRIED="", FIELDS=fields, UPSERTS=upserts,
        sniff=lambda probe: None, read=read,
    )  # fmt: skip
    return Source(path, one, Sign(Level.TEXT, "it was made"), path)  # type: ignore[arg-type]


def rewrite(path: Path, text: str, age: int = 0) -> None:
    """Write a file anew, some seconds after the last time."""
    path.write_text(text)
    settle(path, age)


def settle(path: Path, age: int = 0) -> None:
    """Give a file a time long ago, so that size and time tell whether it changes."""
    os.utime(path, (OLD + age, OLD + age))


def read_in(db: Path | str | None, *sources: Source, **more: Any) -> list[LogReport]:
    """Ingest sources."""
    return list(ingest_logs(db, sources, **more))


def ask(db: Path | str, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with Store(str(db), read_only=True) as store:
        return store.query(sql, list(params))[1]


def trainer_state(folder: Path, losses: Sequence[float], age: int = 0, **more: Any) -> Path:
    """Write a state as the Hugging Face Trainer does, with a loss every ten steps."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    history = [{"step": 10 * (i + 1), "epoch": 0.1, "loss": loss} for i, loss in enumerate(losses)]
    state = {"global_step": 10 * len(losses), "max_steps": 1000, "log_history": history} | more
    path.write_text(json.dumps(state))
    settle(path, age)
    return path
