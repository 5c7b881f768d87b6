"""Logs that are read while the reading is killed, interrupted, or overtaken by their writers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from db.log_ingest import ingest_logs
from db.store import Store
from db.watch import watch
from tests.db.made_logs import ask, made, trainer_state, values

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
N_RUNS = 150


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from cli import main; main()", *words]


def _start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.Popen(
        _command(*words), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _write_runs(folder: Path, n_losses: int) -> None:
    for i in range(N_RUNS):
        losses = (2 + i / 1000 + 1 / np.arange(1, n_losses + 1)).tolist()
        trainer_state(folder / f"run-{i:03d}", losses, age=n_losses)


def _content(db: Path) -> list[tuple[object, ...]]:
    return ask(
        db,
        "SELECT run_id, metric, count(*), sum(value), max(step) FROM metrics GROUP BY ALL UNION ALL "
        "SELECT run_id, fact, 0, value, 0 FROM run_facts UNION ALL "
        "SELECT run_id, source_id, 0, NULL, 0 FROM runs ORDER BY ALL",
    )


def _check(db: Path) -> None:
    """Whatever is in the store is whole: every run has its source, its log and all the values of one reading."""
    assert ask(db, "SELECT count(*) FROM runs ANTI JOIN run_logs USING (run_id, source_id)") == [(0,)]
    assert ask(db, "SELECT count(*) FROM runs ANTI JOIN sources USING (source_id)") == [(0,)]
    assert ask(db, "SELECT count(*) FROM metrics ANTI JOIN runs USING (run_id)") == [(0,)]
    assert ask(db, "SELECT count(*) FROM sources WHERE n_rows <> (SELECT count(*) FROM metrics AS m JOIN runs AS r "
                   "USING (run_id) WHERE r.source_id = sources.source_id)") == [(0,)]  # fmt: skip


def test_a_watch_is_killed_again_and_again(tmp_path) -> None:
    drawn = random.Random(5)
    runs, db = tmp_path / "runs", tmp_path / "s.duckdb"
    log = Path(f"{db}.wal")
    n_killed = 0
    for kill in range(KILLS):
        _write_runs(runs, 3 + kill)
        with _start(tmp_path, "watch", "runs", "--every", "0.1", "--db", "s.duckdb") as process:
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline and not log.exists():
                time.sleep(0.002)
            time.sleep(drawn.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            n_killed += process.returncode == -signal.SIGKILL
        if db.exists():
            with Store(str(db)):  # what was committed is in the log beside it
                pass
            _check(db)
    assert n_killed == KILLS
    list(watch([runs], str(db), looks=1))
    list(watch([runs], str(tmp_path / "clean.duckdb"), looks=1))
    _check(db)
    assert _content(db) == _content(tmp_path / "clean.duckdb")


def test_an_interrupt_ends_a_watch_without_a_trace(tmp_path) -> None:
    _write_runs(tmp_path / "runs", 3)
    with _start(tmp_path, "watch", "runs", "--every", "60", "--db", "s.duckdb") as process:
        for line in process.stderr:
            if line.startswith("watching"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    _check(tmp_path / "s.duckdb")
    assert ask(tmp_path / "s.duckdb", "SELECT count(*) FROM runs") == [(N_RUNS,)]


def test_a_log_that_grows_while_it_is_read(tmp_path) -> None:
    path, db = tmp_path / "metrics.csv", tmp_path / "s.duckdb"
    path.write_text("epoch,step,train_loss\n")
    ended = threading.Event()
    n_lines = 400

    def write() -> None:
        with path.open("a") as stream:
            for step in range(n_lines):
                line = f"0,{step},{3 - step / n_lines}\n"
                for part in (line[:-3], line[-3:]):  # half a line is there for a while
                    stream.write(part)
                    stream.flush()
                    time.sleep(0.003)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    for look in watch([tmp_path], str(db), every=0.05, looks=500):
        if db.exists():
            seen += [step for (step,) in ask(db, "SELECT max(step) FROM metrics") if step is not None]
        if ended.is_set() and look.number > 3:
            break
    writer.join()
    list(watch([tmp_path], str(db), looks=1))
    assert seen == sorted(seen)
    assert len(set(seen)) > 2, seen
    assert ask(db, "SELECT count(*), max(step) FROM metrics WHERE metric = 'train_loss'") == [(n_lines, n_lines - 1)]
    assert ask(db, "SELECT count(*) FROM runs") == [(1,)]


# Not getrusage: what it calls the peak of a new process is at least that of the one that started it.
MEASURE = """
import re, sys
from pathlib import Path
from tests.crash.test_logs_killed import read_made
read_made(Path(sys.argv[1]), int(sys.argv[2]))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def read_made(folder: Path, n: int) -> None:
    """Read a log of some values of five metrics."""

    def found():
        for start in range(0, n // 5, 20_000):
            steps = np.arange(start, min(start + 20_000, n // 5))
            for metric in range(5):
                yield values(f"loss {metric}" if metric else "loss", steps, 3 + 1 / (steps + 1.0))

    [report] = ingest_logs(str(folder / f"{n}.duckdb"), [made(folder / f"{n}.log", found)])
    assert report.n_values == n


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell peaks of memory")
def test_memory_is_flat_in_the_size_of_a_log(tmp_path) -> None:
    peaks = []
    for n in (2_000_000, 12_000_000):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path), str(n)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] < 1000
    assert peaks[1] < peaks[0] + 450  # six times the values, and no more than what spills to disk
