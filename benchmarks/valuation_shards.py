"""Values of 10,000,000 x 64 embeddings in shards, through the command line, killed twice and gone on with.

A part of `valuation.py`. It writes 2.4 GiB beside other temporary files, and removes them; ``--n 1000000`` writes less.

The embeddings are float32, in ``.npy`` files of 250,000 rows. Each method is run once without a break. Then the first
is run again into a store of its own, killed with SIGKILL in the middle twice, and given again as it was until it ends.
The store is asked by SQL what it holds: after each kill, that shards that are marked are there whole and the others not
at all; at the end, that every position is there once and that no value differs from those of the unbroken run.

Seconds are CPU seconds of the whole command, with the start of Python; peak memory is that of its own process, as Linux
counts it (a process that is killed does not say). The run
fails (exit code 1) where a value is lost, doubled or another, where no kill met a valuation that was under way, or
where a command takes more than 4 GiB.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")})

import numpy as np
from valuation_timing import failed, row, table

from db.store import Store
from scaling.formatting import format_number

ROOT = Path(__file__).resolve().parents[1]
N, DIMS, FILE_ROWS, QUERIES = 10_000_000, 64, 250_000, 16
WAYS = {
    "relevance": ["--queries", "queries.npy"],
    "leverage": [],
    "prototypes": ["--option", "k=100", "--option", "sample=20000"],
}
KILLS = (0.3, 0.6)  # of the bytes that a run leaves that is not killed
LIMIT_GIB = 4.0

# The command, which says at its end how much memory it had at most. What `getrusage` says counts the parent's too.
COMMAND = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
import cli
try:
    cli.main()
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    Path("peak").write_text(*(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""

MARKED = (
    "SELECT s.sha256 IS NOT NULL AS marked, s.n, count(v.position) AS there FROM valuation_shards AS s "
    "LEFT JOIN valuations AS v ON v.valuation_name = s.valuation_name AND v.position BETWEEN s.first AND "
    "s.first + s.n - 1 GROUP BY s.shard, s.sha256, s.n"
)
COUNTED = "SELECT count(*), count(DISTINCT position), min(position), max(position), count(value) FROM valuations"
DIFFERENT = (
    "SELECT count(*) FROM valuations AS a FULL JOIN unbroken.valuations AS b USING (position) "
    "WHERE a.value IS DISTINCT FROM b.value"
)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    wall: float
    cpu: float
    gib: float


def write(folder: Path, n: int) -> None:
    """Write the shards, and the queries beside them."""
    (folder / "shards").mkdir()
    for i, start in enumerate(range(0, n, FILE_ROWS)):
        rng = np.random.Generator(np.random.SFC64(i))
        rows = rng.standard_normal((min(FILE_ROWS, n - start), DIMS), np.float32)
        rows[:, :4] += 2
        np.save(folder / "shards" / f"{i:04d}.npy", rows)
    np.save(folder / "queries.npy", np.random.default_rng(1).normal(size=(QUERIES, DIMS)))


def run(folder: Path, method: str, store: str, kill_at: float | None = None) -> Ended:
    """Run the command, and kill it once its store, log included, has that many bytes."""
    command = [sys.executable, "-c", COMMAND, str(ROOT), "value", "points", "shards", "--method", method, *WAYS[method]]
    peak = folder / "peak"
    peak.unlink(missing_ok=True)
    start = time.perf_counter()
    with Path(os.devnull).open("w") as away:
        process = subprocess.Popen([*command, "--name", "v", "--db", store], cwd=folder, stdout=away)
    if kill_at is not None:
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if size_of(folder / store) >= kill_at:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.005)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    gib = int(peak.read_text()) / 2**20 if peak.exists() else np.nan
    return Ended(process.returncode, time.perf_counter() - start, used.ru_utime + used.ru_stime, gib)


def size_of(store: Path) -> int:
    """Return bytes of a store and its log."""
    return sum(file.stat().st_size for file in (store, Path(f"{store}.wal")) if file.exists())


def unbroken(folder: Path, n: int) -> bool:
    """Run every method once; returns whether all went well."""
    print(f"{n:,} x {DIMS} float32 in files of {FILE_ROWS:,} rows; `scaling value points` without a break\n")
    table("method", "CPU seconds", "wall seconds", "rows a CPU second", "peak GiB", "store, bytes a row")
    good = True
    for method in WAYS:
        ended = run(folder, method, f"{method}.duckdb")
        good &= ended.code == 0 and ended.gib <= LIMIT_GIB
        size = size_of(folder / f"{method}.duckdb") / n
        numbers = (ended.cpu, ended.wall, n / ended.cpu, ended.gib, size)
        row(method, *(format_number(number, 3) for number in numbers))
    return good


def killed(folder: Path, method: str) -> bool:
    """Kill the command in the middle, give it again as it was, and ask the store what is there."""
    print(f"\n`{method}` again, killed and given again\n")
    table("run", "ended by", "wall seconds", "CPU seconds", "peak GiB", "shards marked", "values", "marked, not whole",
        "not marked, there")  # fmt: skip
    good, met = True, 0
    bytes_ = size_of(folder / f"{method}.duckdb")
    for i, share in enumerate((*KILLS, None), start=1):
        ended = run(folder, method, "killed.duckdb", None if share is None else share * bytes_)
        with Store(str(folder / "killed.duckdb"), read_only=True) as store:
            _, shards = store.query(MARKED)
        done = sum(marked for marked, _, _ in shards)
        torn = sum(there != n for marked, n, there in shards if marked)
        extra = sum(there for marked, _, there in shards if not marked)
        met += ended.code == -signal.SIGKILL and 0 < done < len(shards)
        good &= not torn and not extra and not ended.gib > LIMIT_GIB
        by = "SIGKILL" if ended.code == -signal.SIGKILL else f"itself, exit code {ended.code}"
        numbers = ["" if np.isnan(number) else format_number(number, 3) for number in ended[1:]]
        there = sum(there for _, _, there in shards)
        row(f"{i}", by, *numbers, f"{done} of {len(shards)}", f"{there:,}", f"{torn}", f"{extra:,}")
    return good and ended.code == 0 and met > 0


def compared(folder: Path, method: str, n: int) -> bool:
    """Ask for what was lost, doubled, or is another."""
    with Store(str(folder / "killed.duckdb"), read_only=True) as store:
        _, [counted] = store.query(COUNTED)
        store.connection.execute(f"ATTACH '{folder / f'{method}.duckdb'}' AS unbroken (READ_ONLY)")
        _, [(different,)] = store.query(DIFFERENT)
        _, kept = store.query("SELECT value FROM valuations WHERE position < 1000 ORDER BY position")
    rows = np.load(folder / "shards" / "0000.npy", mmap_mode="r")[:1000].astype(np.float64)
    queries = np.load(folder / "queries.npy")
    lengths = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(queries, axis=1)
    away = float(np.abs((rows @ queries.T / lengths).max(axis=1) - np.array(kept)[:, 0]).max())
    print(f"\n```sql\n{COUNTED};\n-- {', '.join(f'{number:,}' for number in counted)}")
    print(f"{DIFFERENT};  -- of the run without a break\n-- {different}\n```")
    print(f"\nThe first 1,000 values differ from a product written out by at most {away:.1e}.")
    return counted == (n, n, 0, n - 1, n) and different == 0 and away < 1e-6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=N, help="rows in all shards")
    n = parser.parse_args().n
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(folder, n)
        first = next(iter(WAYS))
        good = unbroken(folder, n) and killed(folder, first) and compared(folder, first, n)
    return 0 if good else failed("a value is lost, doubled or another, no kill met a valuation, or the memory")


if __name__ == "__main__":
    sys.exit(main())
