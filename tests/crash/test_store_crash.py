"""What must not happen to a store when a process dies, the disk fills up, or a bit flips."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.store import Store, StoreWarning
from scaling.errors import StoreError

N_SOURCES, N_RUNS, N_STEPS = 12, 20, 50

# Ingests the same files again and again with changing content, and says after each commit which one it was.
WRITER = """
import sys
from pathlib import Path
from db.store import Store

directory = Path(sys.argv[1])
with Store(directory / "s.duckdb", lock_timeout=10) as store:
    for turn in range(1000):
        for log in sorted(directory.glob("log-*.csv")):
            fresh = log.with_suffix(".new")
            fresh.write_text(log.read_text() + "\\n")
            fresh.replace(log)  # at once, so that a kill never leaves half a log behind
            store.ingest(log)
            print(log.name, flush=True)
"""


def _write_log(path: Path, name: str, n_runs: int = N_RUNS, n_steps: int = N_STEPS) -> Path:
    rows = (
        f"{name}-{run},{step},{1e8 * (run + 1)},{step * 1e6},{3 + 1 / (step + 1)},note {run}"
        for run in range(n_runs)
        for step in range(n_steps)
    )
    path.write_text("run_id,step,N,tokens,loss,note\n" + "\n".join(rows) + "\n")
    return path


def _check_whole(store: Store) -> set[str]:
    """Check that no source is torn; give the names of the files that are there."""
    _, sources = store.query(
        "SELECT s.uri, s.n_runs, (SELECT count(*) FROM runs AS r WHERE r.source_id = s.source_id), "
        "(SELECT count(*) FROM runs AS r JOIN metrics AS m USING (run_id) WHERE r.source_id = s.source_id) "
        "FROM sources AS s"
    )
    assert all(row[1:] == (N_RUNS, N_RUNS, N_RUNS * N_STEPS) for row in sources), sources
    _, [(runs, values, shown, audited)] = store.query(
        "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM metrics), (SELECT count(*) FROM runs_final), "
        "(SELECT count(DISTINCT detail->>'uri') FROM audit)"
    )
    assert (runs, values, shown) == (N_RUNS * len(sources), N_RUNS * N_STEPS * len(sources), N_RUNS * len(sources))
    assert audited == len(sources)
    return {Path(row[0]).name for row in sources}


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_no_torn_source(tmp_path: Path) -> None:
    for number in range(N_SOURCES):
        _write_log(tmp_path / f"log-{number:02}.csv", f"s{number}")
    pauses = random.Random(0)
    acknowledged: set[str] = set()
    for _ in range(8):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged.add(writer.stdout.readline().strip())  # it is at work
            time.sleep(pauses.uniform(0.0, 0.6))
            writer.send_signal(signal.SIGKILL)
            acknowledged |= {line.strip() for line in writer.stdout if line.endswith("\n")}
        assert writer.returncode == -signal.SIGKILL
        with Store(tmp_path / "s.duckdb", read_only=True) as store:
            assert _check_whole(store) >= acknowledged
    assert len(acknowledged) > 1
    with Store(tmp_path / "s.duckdb") as store:  # and it can be written to as before
        for number in range(N_SOURCES):
            store.ingest(tmp_path / f"log-{number:02}.csv")
        assert len(_check_whole(store)) == N_SOURCES


def test_a_store_whose_making_was_never_merged_can_be_opened(tmp_path: Path) -> None:
    """The schema comes back from the write-ahead log alone: no CHECK may need what is not loaded then."""
    code = (
        "import os, sys\nfrom db import migrations\nfrom db.connect import connect\n"
        "c = connect(sys.argv[1], read_only=False, lock_timeout=0)\nc.begin()\n"
        "migrations.MIGRATIONS[0].apply(c)\nmigrations.refresh_views(c)\n"
        "c.execute(\"INSERT INTO meta.schema_version VALUES (1, 'x', now() AT TIME ZONE 'UTC', 'x')\").fetchall()\n"
        "c.execute('CREATE MACRO c4(n, d) AS 1.8 + 400 / n ** 0.3').fetchall()\n"
        "c.commit()\nos.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "s.duckdb"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Path(f"{path}.wal").stat().st_size > 0
    with Store(path) as store:
        assert store.query("SELECT count(*), c4(1, 1) FROM runs_final")[1] == [(0, 401.8)]
        store.ingest(_write_log(tmp_path / "log.csv", "a"))
        assert _check_whole(store) == {"log.csv"}


def test_a_store_killed_while_scores_are_read_in_can_be_opened(tmp_path: Path) -> None:
    """Tables of scores, their comments and their rows come back from the write-ahead log alone."""
    table = tmp_path / "scores.csv"
    table.write_text("model,C,acc\n" + "".join(f"m{i},1e2{i},0.{i}\n" for i in range(1, 6)), encoding="utf-8")
    code = (
        "import os, sys\nfrom db.connect import connect\nfrom db import migrations\nfrom db.score_ingest import *\n"
        "from db.store import Store\n"
        "c = connect(sys.argv[1], read_only=False, lock_timeout=0)\n"
        "c.execute('PRAGMA disable_checkpoint_on_shutdown')\nc.execute(\"SET checkpoint_threshold = '1GB'\")\n"
        "c.begin()\n"
        "for m in migrations.MIGRATIONS:\n"
        "    m.apply(c)\n"
        "    row = [m.version, m.name, 'x']\n"
        "    c.execute('INSERT INTO meta.schema_version VALUES (?, ?, now()::TIMESTAMP, ?)', row)\n"
        "migrations.refresh_views(c)\nc.commit()\n"
        "store = Store.__new__(Store)\nstore.path, store.read_only, store._connection = sys.argv[1], False, c\n"
        "ingest_scores(store, sys.argv[2])\nos.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "s.duckdb"
    killed = subprocess.run([sys.executable, "-c", code, str(path), str(table)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Path(f"{path}.wal").stat().st_size > 0
    with Store(path) as store:
        assert store.query("SELECT count(*), max(log10_compute) FROM scores")[1] == [(5, 25.0)]
        assert store.query("SELECT n_models, n_scores FROM sources")[1] == [(5, 5)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    directory = tmp_path / "disk"
    directory.mkdir()
    if mount is None or unmount is None or os.geteuid() != 0:
        pytest.skip("only the superuser can mount a small disk")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", directory], check=False)
    if mounted.returncode != 0:
        pytest.skip("this system lets nobody mount a small disk")
    try:
        yield directory
    finally:
        subprocess.run([unmount, directory], check=True)


def _fill(directory: Path, leave: int) -> Path:
    """Fill a disk but for some bytes."""
    filler = directory / "filler"
    free = shutil.disk_usage(directory).free
    filler.write_bytes(b"x" * max(free - leave, 0))
    return filler


def test_a_full_disk_leaves_the_store_as_it_was(small_disk: Path, tmp_path: Path) -> None:
    path = small_disk / "s.duckdb"
    with Store(path) as store:
        store.ingest(_write_log(tmp_path / "first.csv", "a"))
    before = path.read_bytes()
    filler = _fill(small_disk, leave=0)
    big = _write_log(tmp_path / "big.csv", "b", n_runs=100, n_steps=1300)
    with pytest.raises(StoreError) as raised, Store(path) as store:
        store.ingest(big)
    assert raised.value.message == f"The disk of the store {path} is full; nothing was changed."
    assert "Free some space" in str(raised.value.hint)
    assert raised.value.exit_code == 3
    assert path.read_bytes() == before
    filler.unlink()
    with Store(path) as store:
        assert _check_whole(store) == {"first.csv"}
        assert store.ingest(_write_log(tmp_path / "second.csv", "c")).status == "ingested"


def test_a_disk_too_full_to_merge_the_log_keeps_what_was_committed(small_disk: Path, tmp_path: Path) -> None:
    path = small_disk / "s.duckdb"
    with Store(path) as store:
        store.ingest(_write_log(tmp_path / "first.csv", "a"))
    store = Store(path)
    filler = _fill(small_disk, leave=200_000)
    store.ingest(_write_log(tmp_path / "second.csv", "b"))
    with pytest.warns(StoreWarning, match=r"is full. What was written is safe in .*s.duckdb.wal"):
        store.close()
    for _ in range(2):
        with Store(path, read_only=True) as reader:
            assert _check_whole(reader) == {"first.csv", "second.csv"}
    filler.unlink()
    Store(path).close()
    assert [entry.name for entry in small_disk.iterdir()] == ["s.duckdb"]
    with Store(path, read_only=True) as reader:
        assert _check_whole(reader) == {"first.csv", "second.csv"}


def test_a_store_that_finds_no_room_at_all_leaves_nothing(small_disk: Path) -> None:
    _fill(small_disk, leave=0)
    with pytest.raises(StoreError, match="is full"):
        Store(small_disk / "new.duckdb")
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, flipped = tmp_path / "s.duckdb", tmp_path / "flipped.duckdb"
    with Store(path) as store:
        store.ingest(_write_log(tmp_path / "log.csv", "a"))
        runs = store.query("SELECT * FROM runs_final ORDER BY run_id")
    whole = path.read_bytes()
    chance = random.Random(0)
    noticed = 0
    for attempt in range(60):
        content = bytearray(whole)
        content[chance.randrange(len(content) if attempt % 2 else 20_000)] ^= 1 << chance.randrange(8)
        flipped.write_bytes(content)
        try:
            with Store(flipped, read_only=True) as store:
                assert store.query("SELECT * FROM runs_final ORDER BY run_id") == runs
        except StoreError:
            noticed += 1
    assert noticed >= 15
