"""Small writers of logs that are JSON, CSV or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from tests.db.writers.made import Made, word


def hf_trainer(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a state of the Trainer, with the settings of the model beside it."""
    [run] = runs
    history = [{"step": step, **row} for step, row in run.rows]
    last = max((step for step, _ in run.rows), default=0)
    (folder / "trainer_state.json").write_text(
        json.dumps({"global_step": last, "log_history": history}, indent=2, sort_keys=True)
    )
    (folder / "config.json").write_text(json.dumps(dict(run.config)))
    return folder


def lightning(folder: Path, runs: Sequence[Made]) -> Path:
    """Write the table of the CSVLogger, with its settings beside it."""
    [run] = runs
    names = ["epoch", "step", *run.metrics]
    rows: list[list[str]] = [names]
    for step, row in run.rows:
        cells = {name: str(value) for name, value in row.items()} | {"step": str(step)}
        rows.append([cells.get(name, "") for name in names])
    _write(folder / "metrics.csv", rows)
    settings = "".join(f"{json.dumps(key)}: {json.dumps(value)}\n" for key, value in run.config.items())
    (folder / "hparams.yaml").write_text(settings or "{}\n")
    return folder


def levanter(folder: Path, runs: Sequence[Made]) -> Path:
    """Write the lines of Levanter's json_logger."""
    [run] = runs
    lines: list[dict[str, Any]] = [{"tracker": "json_logger", "event": "hparams", "hparams": dict(run.config)}]
    lines += [{"tracker": "json_logger", "event": "log", "step": step, "metrics": dict(row)} for step, row in run.rows]
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def history_rows(runs: Sequence[Made]) -> list[dict[str, Any]]:
    """Rows of a history of W&B, those of several runs between each other."""
    longest = max((len(run.rows) for run in runs), default=0)
    return [
        {"run_id": run.key, "_step": run.rows[i][0], "_timestamp": 1.7e9 + i, **run.rows[i][1]}
        for i in range(longest)
        for run in runs
        if i < len(run.rows)
    ]


def history_jsonl(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a history as lines of JSON."""
    path = folder / "history.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in history_rows(runs)))
    return path


def history_csv(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a history as a table with commas; NaN is written out."""
    rows = history_rows(runs)
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["run_id", "_step", "_timestamp"]
    cells = [[word(row[n]) if isinstance(row.get(n), float) else str(row.get(n, "")) for n in names] for row in rows]
    _write(folder / "history.csv", [names, *cells])
    return folder / "history.csv"


def history_parquet(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a history as Parquet."""
    rows = history_rows(runs)
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["run_id", "_step", "_timestamp"]
    kinds = {"run_id": "VARCHAR", "_step": "BIGINT"}
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
    columns = ", ".join(f"{quoted[name]} {kinds.get(name, 'DOUBLE')}" for name in names)
    path = folder / "history.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE history ({columns})")
        if rows:
            sql = f"INSERT INTO history VALUES ({', '.join('?' * len(names))})"
            connection.executemany(sql, [[row.get(name) for name in names] for row in rows])
        connection.execute(f"COPY history TO '{path}' (FORMAT parquet)")
    return path


def chart(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a chart of W&B: a row a step, and three columns a run and metric."""
    lines = [(run, metric, dict(series)) for run in runs for metric, series in run.series.items()]
    ends = ("", "__MIN", "__MAX")
    rows = [["Step", *(f"{run.key} - {metric}{end}" for run, metric, _ in lines for end in ends)]]
    for step in sorted({step for run in runs for step, _ in run.rows}):
        cells = ["" if (value := values.get(step)) is None else word(value) for _, _, values in lines for _ in ends]
        rows.append([str(step), *cells])
    _write(folder / "chart.csv", rows, csv.QUOTE_ALL)
    return folder / "chart.csv"


def _write(path: Path, rows: Sequence[Sequence[str]], quoting: Any = csv.QUOTE_MINIMAL) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n", quoting=quoting).writerows(rows)
