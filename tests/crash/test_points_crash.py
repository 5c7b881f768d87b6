"""200,000 embeddings in shards are valued by a command that is killed twice, and gone on with by the same command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from db.store import Store

ROOT = Path(__file__).resolve().parents[2]
N, DIMS, FILE_ROWS, LIMIT_MIB = 200_000, 64, 10_000, 600

# The highest memory of the process itself: that of `getrusage` counts what the parent had before.
WATCHED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
import cli
try:
    cli.main()
finally:
    lines = Path("/proc/self/status").read_text().splitlines() if sys.platform == "linux" else []
    print(*(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "shards").mkdir()
    for i in range(N // FILE_ROWS):
        np.save(tmp_path / "shards" / f"{i:02d}.npy", rng.standard_normal((FILE_ROWS, DIMS), np.float32))
    np.save(tmp_path / "queries.npy", rng.standard_normal((8, DIMS)))
    return tmp_path


def _log(store: Path) -> int:
    """Bytes of what was committed and is not in the file itself yet."""
    file = Path(f"{store}.wal")
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _run(folder: Path, store: str, kill_at: float = np.inf) -> tuple[int, int, str]:
    """Run the command, and kill it once its log has grown so far; gives its end, the growth, and standard error."""
    command = [sys.executable, "-c", WATCHED, str(ROOT), "value", "points", "shards", "--method", "relevance"]
    command += ["--queries", "queries.npy", "--name", "v", "--db", store]
    grown, last = 0, _log(folder / store)
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
        while process.poll() is None:
            now = _log(folder / store)
            grown, last = grown + max(0, now - last), now
            if grown >= kill_at:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            time.sleep(0.002)
    return process.returncode, grown, (folder / "errors").read_text()


def _marked(folder: Path) -> int:
    """Check that shards that are marked are there whole and others not at all; gives how many are marked."""
    with Store(str(folder / "killed.duckdb"), read_only=True) as store:
        _, rows = store.query(
            "SELECT s.sha256 IS NOT NULL, s.n, count(v.position) FROM valuation_shards AS s LEFT JOIN valuations AS v "
            "ON v.position BETWEEN s.first AND s.first + s.n - 1 GROUP BY s.shard, s.sha256, s.n"
        )
    assert len(rows) == N // FILE_ROWS
    assert all(there == (n if marked else 0) for marked, n, there in rows), rows
    return sum(marked for marked, _, _ in rows)


@pytest.mark.slow
def test_a_command_that_is_killed_is_given_again_and_goes_on(folder: Path) -> None:
    code, whole, said = _run(folder, "unbroken.duckdb")
    assert code == 0, said
    peaks = [said]
    before = 0
    for share in (0.35, 0.25):
        code, _, said = _run(folder, "killed.duckdb", share * whole)
        assert code == -signal.SIGKILL, said
        done = _marked(folder)
        assert before < done < N // FILE_ROWS
        before = done
    code, rest, said = _run(folder, "killed.duckdb")
    assert code == 0, said
    assert rest < 0.8 * whole  # what was done is not done again
    peaks.append(said)
    assert _marked(folder) == N // FILE_ROWS
    with Store(str(folder / "killed.duckdb"), read_only=True) as store:
        _, counted = store.query(
            "SELECT count(*), count(DISTINCT position), min(position), max(position) FROM valuations"
        )
        assert counted == [(N, N, 0, N - 1)]
        store.connection.execute(f"ATTACH '{folder / 'unbroken.duckdb'}' AS unbroken (READ_ONLY)")
        _, [(different,)] = store.query(
            "SELECT count(*) FROM valuations AS a FULL JOIN unbroken.valuations AS b USING (position) "
            "WHERE a.value IS DISTINCT FROM b.value"
        )
        assert different == 0
        _, values = store.query("SELECT value FROM valuations ORDER BY position")
    rows = np.concatenate([np.load(file) for file in sorted((folder / "shards").iterdir())]).astype(np.float64)
    queries = np.load(folder / "queries.npy")
    cosines = rows @ (queries / np.linalg.norm(queries, axis=1, keepdims=True)).T
    expected = cosines.max(axis=1) / np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(np.array(values)[:, 0], expected, rtol=0, atol=1e-6)
    for said in peaks:
        for kib in said.split()[-1:] if sys.platform == "linux" else ():
            assert int(kib) < LIMIT_MIB * 1024
