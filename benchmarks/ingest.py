"""Tables of runs with one row a step into a store: seconds and memory, beside pandas and one plain INSERT.

    python benchmarks/ingest.py --folder FOLDER [--millions 1 5 20]

Each table has runs of 1000 steps and the columns run_id, step, tokens, loss, N and D, and is written as CSV, JSON lines
and Parquet. Everybody runs in a process of its own, on one processor where the system allows to say so, and its seconds
are those from its start to its end, on the clock; its memory is the most that was resident.

* ``scaling ingest``: the command, with everything it does: hash, checks of every row, runs, statuses, store, report.
* ``pandas + INSERT``: `pandas.read_csv` or `read_json(lines=True)`, and one INSERT of the frame into a DuckDB table of
  the same columns as the store's. No row is checked, and a NaN becomes NULL. pandas has no engine for Parquet of its
  own, so that frame comes from DuckDB.
* ``INSERT``: DuckDB alone, from the file into such a table.

The tables are made once and kept in FOLDER; 20 million rows take 4 GB there. JSON lines of 20 million are left out
unless ``--json`` is given.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import duckdb

MAPPING = '[columns]\nrun_id = "run_id"\nstep = "step"\ntokens = "tokens"\nN = "N"\nD = "D"\n'
TABLE = (
    "CREATE TABLE metrics "
    "(run_id VARCHAR, metric VARCHAR, step BIGINT, tokens DOUBLE, value DOUBLE, value_status VARCHAR)"
)
COLUMNS = "run_id, 'loss', step, tokens, loss, 'ok'"
FRAMES = {
    "csv": "pandas.read_csv(path)",
    "jsonl": "pandas.read_json(path, lines=True)",
    "parquet": "connection.execute('SELECT * FROM read_parquet(?)', [path]).df()",
}
READERS = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}


def make(folder: Path, millions: int, kind: str) -> Path:
    """Write a table, unless it is there."""
    path = folder / f"steps{millions}.{kind}"
    if not path.exists():
        options = {"csv": "(FORMAT csv, HEADER)", "jsonl": "(FORMAT json)", "parquet": "(FORMAT parquet)"}[kind]
        duckdb.execute(
            "COPY (SELECT 'run-' || lpad(CAST(i // 1000 AS VARCHAR), 5, '0') AS run_id, i % 1000 * 10 AS step, "
            "(i % 1000 * 10) * 524288.0 AS tokens, 2.0 + 3.0 / (1 + i % 1000) + (hash(i) % 100000) / 1e6 AS loss, "
            "(1 + i // 1000 % 50) * 1e7 AS N, 10000 * 524288.0 AS D "
            f"FROM range({millions * 1_000_000}) AS t(i)) TO '{path}' {options}"
        ).fetchall()
    return path


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and megabytes of a command on one processor."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        code = subprocess.run(command, capture_output=True, check=False).returncode
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        Path(os.environ["PEAK"]).write_text(f"{code} {peak}", encoding="utf-8")
        os._exit(0)
    os.waitpid(child, 0)
    seconds = time.perf_counter() - start
    code_text, peak_text = Path(os.environ["PEAK"]).read_text(encoding="utf-8").split()
    if code_text != "0":
        sys.exit(f"{command[:4]} failed")
    return seconds, int(peak_text) / 1024


def commands(path: Path, kind: str, folder: Path) -> dict[str, list[str]]:
    """What each does with a table."""
    target = folder / "target.duckdb"
    opened = f"import duckdb; path = {str(path)!r}; connection = duckdb.connect({str(target)!r})\n"
    opened += f"connection.execute({TABLE!r})\n"
    insert = f"INSERT INTO metrics SELECT {COLUMNS} FROM "
    frame = f"import pandas; frame = {FRAMES[kind]}\nconnection.execute({f'{insert}frame'!r})"
    plain = f"connection.execute({f'{insert}{READERS[kind]}(?)'!r}, [path])"
    scaling = str(Path(sys.executable).with_name("scaling"))
    mapping = str(folder / "mapping.toml")
    return {
        "scaling ingest": [scaling, "ingest", str(path), "--db", str(target), "--mapping", mapping],
        "pandas + INSERT": [sys.executable, "-c", f"{opened}{frame}\nconnection.close()"],
        "INSERT": [sys.executable, "-c", f"{opened}{plain}\nconnection.close()"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--best-of", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="also JSON lines of 20 million rows and more")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    os.environ["PEAK"] = str(folder / "peak.txt")
    print("| rows | format | MB | who | seconds | ratio to ours | peak MB |\n|---|---|---|---|---|---|---|", flush=True)
    for millions in options.millions:
        for kind in ("parquet", "csv", "jsonl"):
            if kind == "jsonl" and millions >= 20 and not options.json:
                continue
            path = make(folder, millions, kind)
            ours = 0.0
            for who, command in commands(path, kind, folder).items():
                found = []
                for _ in range(1 if kind == "jsonl" else options.best_of):
                    (folder / "target.duckdb").unlink(missing_ok=True)
                    found.append(run(command))
                seconds, peak = min(found)
                ours = ours or seconds
                cells = (f"{millions} million", kind, f"{path.stat().st_size / 1e6:.0f}", who)
                numbers = (f"{seconds:.2f}", f"{seconds / ours:.2f}", f"{peak:.0f}")
                print(f"| {' | '.join((*cells, *numbers))} |", flush=True)
    (folder / "target.duckdb").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
