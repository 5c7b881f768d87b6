"""NaN, infinite and missing values, and a step that is logged twice, through every format that can log them."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from db.readers.formats import formats
from tests.db.golden import ask, ingest, same, scaling, series_of
from tests.db.goldens.common import INF, NAN
from tests.db.goldens.tables import cell
from tests.db.writers import binary, databases, tables, texts
from tests.db.writers.made import Made, Value

#: What is logged of the loss; it ends in NaN.
KINDS: dict[str, tuple[int, Value]] = {"nan": (2, NAN), "inf": (3, INF), "-inf": (4, -INF), "missing": (5, None)}
TWICE = [(6, 3.5), (6, 3.25)]
END = (7, NAN)
NOT_LOGGED = "an empty cell is a row that logged nothing of the metric"
PRINTED = "a line prints what was logged and nothing else"


@dataclass(frozen=True)
class Can:
    """A way to write logs, and what it cannot write.

    Parameters
    ----------
    format : str
        Format that it is told as.
    write : callable
        Writes runs into a folder, and gives what the command is told.
    lacks : dict
        What it cannot write, and why.
    metric : str
        How it calls the loss.
    """

    format: str
    write: Callable[[Path, Sequence[Made]], Path]
    lacks: dict[str, str] = field(default_factory=dict)
    metric: str = "loss"


def table_of_text(name: str, separator: str) -> Callable[[Path, Sequence[Made]], Path]:
    """A writer of a table of runs, a row a step."""

    def write(folder: Path, runs: Sequence[Made]) -> Path:
        rows: list[tuple[object, ...]] = [("run_id", "N", "D", "step", "loss")]
        rows += [(run.key, 1e7, 1e8 * step, step, row["loss"]) for run in runs for step, row in run.rows]
        (folder / name).write_text("".join(separator.join(map(cell, row)) + "\n" for row in rows))
        return folder / name

    return write


def table_of_lines(folder: Path, runs: Sequence[Made]) -> Path:
    """The same as lines of JSON."""
    rows = [{"run_id": run.key, "N": 1e7, "D": 1e8 * s, "step": s, **row} for run in runs for s, row in run.rows]
    (folder / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "runs.jsonl"


def table_of_columns(folder: Path, runs: Sequence[Made]) -> Path:
    """The same as Parquet."""
    rows = [(run.key, 1e7, 1e8 * step, step, row["loss"]) for run in runs for step, row in run.rows]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (run_id VARCHAR, N DOUBLE, D DOUBLE, step BIGINT, loss DOUBLE)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute(f"COPY t TO '{folder / 'runs.parquet'}' (FORMAT parquet)")
    return folder / "runs.parquet"


NUMBER = {"missing": "an event has a number"}
NULLS = {"missing": "a value is never empty"}
CELLS = {"missing": NOT_LOGGED}
WAYS = {
    "wandb": Can("wandb", binary.wandb),
    "wandb-chart": Can("wandb-chart", tables.chart, {**CELLS, "twice": "a chart has one point a step"}),
    "wandb-history, JSON lines": Can("wandb-history", tables.history_jsonl),
    "wandb-history, CSV": Can("wandb-history", tables.history_csv, CELLS),
    "wandb-history, Parquet": Can("wandb-history", tables.history_parquet, CELLS),
    "tensorboard, numbers": Can("tensorboard", binary.tfevents, NUMBER),
    "tensorboard, tensors": Can("tensorboard", binary.tfevents_tensors, NUMBER),
    "mlflow": Can("mlflow", databases.mlflow, NULLS),
    "mlruns": Can("mlruns", databases.mlruns, NULLS),
    "trackio": Can("trackio", databases.trackio),
    "hf_trainer": Can("hf_trainer", tables.hf_trainer),
    "lightning": Can("lightning", tables.lightning, CELLS),
    "levanter": Can("levanter", tables.levanter),
    "neptune": Can("neptune", databases.neptune),
    "megatron": Can("megatron", texts.megatron, metric="lm loss"),
    "nanotron": Can("nanotron", texts.nanotron, {"missing": PRINTED}, "lm_loss"),
    "torchtitan": Can(
        "torchtitan", texts.torchtitan, {"missing": PRINTED, "-inf": "a loss below 0 stands for none of that rank"}
    ),
    "olmo, console": Can("olmo", texts.olmo, {"missing": PRINTED}, "train/CE loss"),
    "olmo, saved": Can("olmo", texts.olmo_saved, {"twice": "a step is a file"}, "train/CE loss"),
    "run-table, CSV": Can("run-table", table_of_text("runs.csv", ","), CELLS),
    "run-table, TSV": Can("run-table", table_of_text("runs.tsv", "\t"), CELLS),
    "run-table, JSON lines": Can("run-table", table_of_lines, {"missing": "null is a row without the metric"}),
    "run-table, Parquet": Can("run-table", table_of_columns, CELLS),
}  # fmt: skip
#: Formats that log no values step by step, and where the tests of theirs are.
OTHERS = {
    "wandb-runs": "one value a run and no steps: its golden has a run that ended in NaN",
    "wandb-api": "a service, by a stand-in: its golden has NaN, infinite and missing values",
    "aim": "a library, by a stand-in: its golden has NaN and infinite values",
    "lm-eval": "a score that is no number is refused by name: its golden",
    "inspect": "a score that is no number is refused by name: its golden",
    "helm": "a score that is no number is refused by name: its own tests",
    "score-table": "an empty cell and NaN are models that wait: its golden",
}


def test_every_format_is_here_or_has_a_reason() -> None:
    ways = {way.format for way in WAYS.values()}
    assert ways | set(OTHERS) == set(formats())
    assert not ways & set(OTHERS)


def made(way: Can) -> tuple[Made, list[tuple[int, Value]]]:
    """A run that logs all that can be written, and the values that the store has of it."""
    logged = [(1, 4.0), *(pair for kind, pair in KINDS.items() if kind not in way.lacks)]
    logged += TWICE if "twice" not in way.lacks else TWICE[-1:]
    logged.append(END)
    kept = [pair for pair in logged if pair != TWICE[0]]
    key = "0" * 31 + "1"
    return Made(key, [(step, {way.metric: value}) for step, value in logged]), kept


@pytest.mark.parametrize("name", list(WAYS))
def test_odd_values_stay_what_they_are(name, tmp_path, empty_store) -> None:
    way = WAYS[name]
    run, kept = made(way)
    (tmp_path / "log").mkdir()
    db = Path(shutil.copy(empty_store, tmp_path / "s.duckdb"))
    [row] = ingest(way.write(tmp_path / "log", [run]), db)
    if way.format != "run-table":
        assert row["format"] == way.format
    assert (row["n_runs"], row["n_refused"]) == (1, 0)
    [(run_id,)] = ask(db, "SELECT run_id FROM runs")
    found = series_of(db, run_id)
    assert same({"loss": found[way.metric]}, {"loss": kept})
    # It ended in NaN, and shows nothing that stood before.
    assert ask(db, "SELECT loss, loss_status FROM runs_final") == [(None, "nan")]
    assert ask(db, "SELECT count(*) FROM frontier") == [(0,)]
    exported(db, way.metric, kept, tmp_path / "out.parquet")


def exported(db: Path, metric: str, kept: list[tuple[int, Value]], parquet: Path) -> None:
    """Hold what other programs get of the values against them."""
    quoted = metric.replace("'", "''")
    sql = (
        "SELECT step, value, value_status, CASE WHEN value_status = 'ok' THEN value WHEN value_status <> 'missing' "
        f"THEN value_status::DOUBLE END AS x FROM metrics WHERE metric = '{quoted}' ORDER BY step"
    )
    statuses = [status_of(value) for _, value in kept]
    rows = list(csv.DictReader(io.StringIO(scaling("sql", sql, "--db", db, "--format", "csv").out)))
    assert [(int(row["step"]), row["value_status"]) for row in rows] == [
        (step, status) for (step, _), status in zip(kept, statuses, strict=True)
    ]
    assert [repr(float(row["x"])) if row["x"] else None for row in rows] == [numeral(value) for _, value in kept]
    assert [bool(row["value"]) for row in rows] == [status == "ok" for status in statuses]
    for shown in ("json", "jsonl"):
        text = scaling("sql", sql, "--db", db, "--format", shown).out
        objects = json.loads(text) if shown == "json" else [json.loads(line) for line in text.splitlines()]
        assert [one["value_status"] for one in objects] == statuses
        assert [one["value"] for one in objects] == [
            value if status == "ok" else None for (_, value), status in zip(kept, statuses, strict=True)
        ]
    with duckdb.connect(str(db), read_only=True) as connection:
        connection.execute(f"COPY ({sql}) TO '{parquet}' (FORMAT parquet)")
    with duckdb.connect() as connection:
        read: list[Any] = connection.execute(f"SELECT x, value_status FROM '{parquet}' ORDER BY step").fetchall()
    assert [(None if x is None else repr(x), status) for x, status in read] == [
        (numeral(value), status) for (_, value), status in zip(kept, statuses, strict=True)
    ]


def status_of(value: Value) -> str:
    """What the store calls a value."""
    if value is None:
        return "missing"
    return "ok" if abs(value) < INF else str(value)


def numeral(value: Value) -> str | None:
    """A value as text; None for what is missing."""
    return None if value is None else repr(value)
