"""A valuation that is killed in the middle is gone on with: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from db.store import Store
from db.valuations import ValuationDef, begin_valuation, read_valuation

N_ROWS, SHARD_ROWS = 40_000, 1_000

# Values the rows of a file, a shard at a time, and says after each commit which one it was.
WORKER = """
import sys
from db.embedding_files import open_embeddings
from db.store import Store
from db.valuations import ValuationDef, begin_valuation

path, seed = sys.argv[1], int(sys.argv[2])
shards = open_embeddings(path + "/x.npy", shard_rows=1000)
with Store(path + "/s.duckdb", lock_timeout=10) as store:
    definition = ValuationDef(
        "v", "examples", "norm", shards.n, options={"p": 2}, seed=seed, inputs_sha256=shards.fingerprint()[0]
    )
    writer = begin_valuation(store, definition, shards=shards)
    for index in writer.pending:
        writer.append(index, (shards.rows(index) ** 2).sum(axis=1))
        print(index, flush=True)
    writer.finish()
print("finished", flush=True)
"""


def _run_until(path: Path, seconds: float) -> tuple[int, list[str]]:
    """Run the worker for a while after its first shard, then kill it; give its end and what it acknowledged."""
    command = [sys.executable, "-c", WORKER, str(path), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        said = [worker.stdout.readline().strip()]
        time.sleep(seconds)
        worker.send_signal(signal.SIGKILL)
        said += [line.strip() for line in worker.stdout if line.endswith("\n")]
    return worker.returncode, [word for word in said if word]


def _check(path: Path, acknowledged: set[int]) -> int:
    """Check that marked shards are there once and others not at all; give the number of marked shards."""
    with Store(path / "s.duckdb", read_only=True) as store:
        _, rows = store.query(
            "SELECT s.shard, s.sha256 IS NOT NULL, (SELECT count(*) FROM valuations AS v WHERE v.valuation_name = 'v' "
            "AND v.position >= s.first AND v.position < s.first + s.n), s.n FROM valuation_shards AS s ORDER BY shard"
        )
    assert all(there == (n if done else 0) for _, done, there, n in rows), rows
    marked = {shard for shard, done, _, _ in rows if done}
    assert marked >= acknowledged
    return len(marked)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((N_ROWS, 8)))
    return tmp_path


def _killed_until_it_is_done(folder: Path, pauses: list[float]) -> int:
    """Kill the worker again and again; give the number of kills that met a valuation begun and not complete."""
    acknowledged: set[int] = set()
    half_way = 0
    for pause in pauses:
        code, said = _run_until(folder, pause)
        acknowledged |= {int(word) for word in said if word.isdigit()}
        done = _check(folder, acknowledged)
        half_way += 0 < done < N_ROWS // SHARD_ROWS
        if code == 0 or "finished" in said:
            break
    finished = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), "0"], capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[-1] == "finished"
    assert not acknowledged & {int(word) for word in finished.stdout.splitlines()[:-1]}, (
        "what was done is not done again"
    )
    return half_way


def _check_whole(folder: Path) -> None:
    X = np.load(folder / "x.npy")
    with Store(folder / "s.duckdb", read_only=True) as store:
        assert np.array_equal(read_valuation(store, "v").values, (X**2).sum(axis=1))  # as one run would give it
        assert store.query("SELECT count(*), count(DISTINCT position) FROM valuations")[1] == [(N_ROWS, N_ROWS)]
        assert store.query("SELECT count(*) FROM audit WHERE event = 'value'")[1] == [(1,)]


def test_a_valuation_that_is_killed_is_gone_on_with(folder: Path) -> None:
    assert _killed_until_it_is_done(folder, [0.0]) == 1
    _check_whole(folder)
    refused = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), "1"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "the seed (0, now 1)" in refused.stderr


@pytest.mark.slow
def test_many_kills_at_any_moment(folder: Path) -> None:
    pauses = random.Random(1)
    assert _killed_until_it_is_done(folder, [pauses.uniform(0.0, 0.08) for _ in range(12)]) >= 2
    _check_whole(folder)


def test_values_come_back_from_the_write_ahead_log_alone(tmp_path: Path) -> None:
    """A process that is killed before its first checkpoint leaves tables, views and values in the log only."""
    code = (
        "import os, sys\nfrom db.connect import connect\nfrom db import migrations\nfrom db.store import Store\n"
        "from db.valuations import *\n"
        "c = connect(sys.argv[1], read_only=False, lock_timeout=0)\n"
        "c.execute('PRAGMA disable_checkpoint_on_shutdown')\nc.execute(\"SET checkpoint_threshold = '1GB'\")\n"
        "c.begin()\n"
        "for m in migrations.MIGRATIONS:\n"
        "    m.apply(c)\n"
        "    row = [m.version, m.name, 'x']\n"
        "    c.execute('INSERT INTO meta.schema_version VALUES (?, ?, now()::TIMESTAMP, ?)', row)\n"
        "migrations.refresh_views(c)\nc.commit()\n"
        "store = Store.__new__(Store)\nstore.path, store.read_only, store._connection = sys.argv[1], False, c\n"
        "writer = begin_valuation(store, ValuationDef('v', 'examples', 'm', 4), shards=[(0, 2), (2, 2)])\n"
        "writer.append(1, [3.0, float('nan')])\nos.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "s.duckdb"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Path(f"{path}.wal").stat().st_size > 0
    with Store(path) as store:
        writer = begin_valuation(store, ValuationDef("v", "examples", "m", 4), shards=[(0, 2), (2, 2)])
        assert writer.pending == (0,)
        writer.append(0, [1.0, 2.0])
        writer.finish()
        assert np.array_equal(read_valuation(store, "v").values, [1, 2, 3, np.nan], equal_nan=True)
        assert store.query("SELECT position FROM ranked_examples ORDER BY rank")[1] == [(2,), (1,), (0,), (3,)]
