"""Small tables of runs in every form that is read, and what they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from tests.db.golden import Golden, Run
from tests.db.goldens.common import INF, NAN, append

COLUMNS = ("run_id", "step", "tokens", "N", "loss", "val_loss", "lr")
ROWS: list[tuple[str, int, float, float, float, float | None, float]] = [
    ("r1", 0, 0, 1e7, 10.5, None, 0.1),
    ("r1", 100, 1e8, 1e7, 4.25, 4.5, 0.2),
    ("r1", 200, 2e8, 1e7, INF, None, 0.1),
    ("r2", 0, 0, 2e7, 10.75, None, 0.1),
    ("r2", 100, 1e8, 2e7, 3.75, 4.0, 0.1),
    ("r2", 200, 2e8, 2e7, NAN, None, 0.1),
]
NEXT = ("r1", 300, 3e8, 1e7, 3.5, None, 0.1)


def cell(value: object) -> str:
    """A cell of a table of text."""
    return "" if value is None else str(value)


def text(separator: str, name: str) -> Callable[[Path], Path]:
    """A writer of a table of text."""

    def write(folder: Path) -> Path:
        rows = [COLUMNS, *ROWS]
        (folder / name).write_text("".join(separator.join(map(cell, row)) + "\n" for row in rows))
        return folder / name

    return write


def jsonl(folder: Path) -> Path:
    """The same as lines of JSON."""
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in ROWS]
    (folder / "runs.jsonl").write_text("".join(lines))
    return folder / "runs.jsonl"


def parquet(folder: Path, rows: Sequence[tuple[object, ...]] = ROWS) -> Path:
    """The same as Parquet."""
    path = folder / "runs.parquet"
    with duckdb.connect() as connection:
        kinds = ("VARCHAR", "BIGINT", *["DOUBLE"] * 5)
        connection.execute(f"CREATE TABLE t ({', '.join(f'{n} {k}' for n, k in zip(COLUMNS, kinds, strict=True))})")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return path


def one_more(path: Path) -> None:
    """Write the table anew with another row."""
    parquet(path.parent, [*ROWS, NEXT])


def run(name: str) -> Run:
    """A run of the table."""
    rows = [row for row in ROWS if row[0] == name]
    losses: list[tuple[int, float | None]] = [(row[1], row[4]) for row in rows]
    evaluated: list[tuple[int, float | None]] = [(row[1], row[5]) for row in rows if row[5] is not None]
    return Run(
        {"loss": losses, "val_loss": evaluated},
        "loss",
        (None, "inf" if name == "r1" else "nan"),  # and no earlier value in its place
        shown={"n_params": rows[0][3], "n_tokens": 2e8},
        tokens={"loss": {0: 0, 100: 1e8, 200: 2e8}},
    )


RUNS = {name: run(name) for name in ("r1", "r2")}
GREW = ("r1", {"loss": (300, 3.5)})
GOLDENS = {
    "run-table": [
        Golden(text(",", "runs.csv"), RUNS, more=append(",".join(map(cell, NEXT)) + "\n"), grew=GREW),
        Golden(text("\t", "runs.tsv"), RUNS, more=append("\t".join(map(cell, NEXT)) + "\n"), grew=GREW),
        Golden(jsonl, RUNS, more=append(json.dumps(dict(zip(COLUMNS, NEXT, strict=True))) + "\n"), grew=GREW),
        Golden(parquet, RUNS, more=one_more, grew=GREW),
    ]
}
