"""Memory and work grow as they are said to: each in a process of its own, which may not take more than it is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scaling.valuation import select, select_from_shards

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is one of Linux")

# Limits what the process may map beyond what it has, so that anything larger ends in a MemoryError.
LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
import scipy.linalg
from scaling.valuation import make_objective, select, select_from_shards
rows = np.load(sys.argv[1], mmap_mode="r")
small = np.array(rows[:64])
for name in ("vendi", "facility_location"):
    select(small, 4, name, "lazy")  # what is imported on first use
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


def limited(path: Path, mebibytes: int, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED + code, str(path), str(mebibytes)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def clustered(path: Path, n: int, m: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    made = rng.standard_normal((200, m))[rng.integers(200, size=n)] + 0.6 * rng.standard_normal((n, m))
    made = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    np.save(path, made)
    return made


@pytest.mark.slow
def test_facility_location_needs_no_matrix_of_all_pairs(tmp_path):
    """All similarities of 20,000 would take 1,526 MiB."""
    rows = clustered(tmp_path / "x.npy", 20_000, 64)
    run = 'print(*select(rows, 30, "facility_location", "lazy", memory="{}").indices.tolist())'
    refused = limited(tmp_path / "x.npy", 192, run.format("dense"))
    assert "MemoryError" in refused.stderr
    found = limited(tmp_path / "x.npy", 192, run.format("on_the_fly"))
    assert not found.stderr
    members = np.array(found.stdout.split(), dtype=int)
    assert len(set(members.tolist())) == 30
    # A twentieth of what is open beyond the best of 20 random sets.
    rng = np.random.default_rng(1)
    value = (rows @ rows[members].T).max(axis=1).mean()
    chance = max((rows @ rows[rng.choice(len(rows), 30, replace=False)].T).max(axis=1).mean() for _ in range(20))
    assert value > chance + 0.05 * (1 - chance)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "above_chance"),
    [
        ('found = select(rows, 200, "vendi", "stochastic")', 8),
        ("found = select_from_shards(lambda i: rows[i * 20_000:(i + 1) * 20_000], 200, count=20)", 8),
        ('found = select(rows, 200, "vendi", "sieve")', 0.5),  # which takes the first rows that are good enough
    ],
    ids=["stochastic", "shards", "sieve"],
)
def test_selection_from_a_mapped_array_leaves_it_where_it_is(tmp_path, code, above_chance):
    """400,000 rows in float64 would take 195 MiB, and their resolvents (16 a row) 49."""
    clustered(tmp_path / "x.npy", 400_000, 64)
    done = limited(tmp_path / "x.npy", 160, f"{code}\nprint(found.score, *found.indices.tolist())")
    assert not done.stderr
    score, *members = done.stdout.split()
    assert len(set(members)) == 200
    rows = np.load(tmp_path / "x.npy", mmap_mode="r")

    def vendi(chosen):
        values = np.linalg.eigvalsh(rows[chosen].astype(np.float64).T @ rows[chosen] / len(chosen))
        values = values[values > 1e-12]
        return float(np.exp(-(values * np.log(values)).sum()))

    assert float(score) == pytest.approx(vendi(np.array(members, dtype=int)), rel=1e-6)
    rng = np.random.default_rng(2)
    assert float(score) > max(vendi(rng.choice(len(rows), 200, replace=False)) for _ in range(20)) + above_chance


@pytest.mark.slow
@pytest.mark.parametrize("method", ["stochastic", "shards"])
def test_work_is_linear_in_the_number_of_rows(tmp_path, method):
    rows = clustered(tmp_path / "x.npy", 80_000, 32)

    def evaluations(n):
        if method == "shards":
            found = select_from_shards(lambda i: rows[i * 10_000 : (i + 1) * 10_000], 100, count=n // 10_000)
        else:
            found = select(rows[:n], 100, "vendi", "stochastic")
        return found.evaluations

    counts = np.array([evaluations(n) for n in (20_000, 40_000, 80_000)])
    steps = np.diff(counts)
    assert steps[1] == pytest.approx(2 * steps[0], rel=0.02)
    assert counts[2] < 4.2 * counts[0]
