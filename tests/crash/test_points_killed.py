"""The command that values examples is killed again and again: given once more, it ends where one run would have."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from db.store import Store

ROOT = Path(__file__).resolve().parents[2]
N_SHARDS, ROWS, M = 40, 8_000, 16
KILLS = 12


def _write_shards(folder: Path) -> None:
    drawn = np.random.default_rng(3)
    centres = drawn.normal(size=(12, M))
    (folder / "shards").mkdir()
    for i in range(N_SHARDS):
        rows = centres[drawn.integers(0, 12, ROWS)] + 0.4 * drawn.normal(size=(ROWS, M))
        np.save(folder / "shards" / f"shard-{i}.npy", rows.astype(np.float32))


def _command(db: str) -> list[str]:
    words = ["value", "points", "shards", "--method", "prototypes", "--option", "k=12", "--name", "v", "--db", db]
    return [sys.executable, "-c", "from cli import main; main()", *words]


def _environment() -> dict[str, str]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return os.environ | one | {"PYTHONPATH": str(ROOT)}


def _killed(folder: Path, db: str, seconds: float) -> bool:
    """Run the command, and kill it some time after it began to write; whether it was at work then."""
    log = folder / f"{db}.wal"
    with subprocess.Popen(
        _command(db), cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        before = log.stat().st_size if log.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and log.stat().st_size > before + 10_000:  # more than the definition
                break
            time.sleep(0.005)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode == -signal.SIGKILL


def _state(db: Path) -> tuple[int, int, int]:
    """Check that marked shards are there once and others not at all; give shards done, values, and all shards."""
    with Store(db, read_only=True) as store:
        _, rows = store.query(
            "SELECT s.sha256 IS NOT NULL, s.n, (SELECT count(*) FROM valuations AS v WHERE v.position >= s.first "
            "AND v.position < s.first + s.n) FROM valuation_shards AS s ORDER BY s.shard"
        )
        assert all(found == (n if done else 0) for done, n, found in rows)
        _, [(values, distinct)] = store.query("SELECT count(*), count(DISTINCT position) FROM valuations")
        assert values == distinct
    return sum(done for done, _, _ in rows), values, len(rows)


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_values(tmp_path: Path) -> None:
    _write_shards(tmp_path)
    Store(tmp_path / "torn.duckdb").close()  # so that what is written from now on is values
    subprocess.run(_command("whole.duckdb"), cwd=tmp_path, env=_environment(), check=True, capture_output=True)
    pauses = random.Random(1)
    done_before, in_the_middle = 0, 0
    for _ in range(KILLS):
        if not _killed(tmp_path, "torn.duckdb", pauses.uniform(0.0, 0.25)):
            break
        done, _, shards = _state(tmp_path / "torn.duckdb")
        assert done >= done_before  # what was marked stays
        in_the_middle += 0 < done < shards
        done_before = done
    assert in_the_middle >= 1
    last = subprocess.run(_command("torn.duckdb"), cwd=tmp_path, env=_environment(), check=True, capture_output=True,
                          text=True)  # fmt: skip
    assert f'"shards_done_before": {done_before}' in last.stdout
    assert _state(tmp_path / "torn.duckdb")[:2] == (N_SHARDS, N_SHARDS * ROWS)
    found = {}
    for name in ("whole", "torn"):
        with Store(tmp_path / f"{name}.duckdb", read_only=True) as store:
            found[name] = store.query("SELECT position, value, value_status FROM valuations ORDER BY position")[1]
            assert store.query("SELECT complete FROM valuation_defs")[1] == [(True,)]
    assert found["torn"] == found["whole"]
