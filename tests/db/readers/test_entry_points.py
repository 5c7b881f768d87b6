"""Formats that other packages bring: one that is read by the command, and those that cannot be taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULE = """
import numpy as np

from db.readers.format import Level, Sign
from db.readers.found import RunFound, Values

NAME = "{name}"
WHAT, READS, LEAVES_OUT, TRIED = "a format of somebody else", "All.", "Nothing.", "mine 1.0"
FIELDS, UPSERTS = (), False


def sniff(probe):
    return Sign(Level.MAGIC, "it begins with MINE") if probe.head.startswith(b"MINE") else None


def read(path, entries, **options):
    steps = [int(line) for line in path.read_text().split()[1:]]
    yield RunFound("mine-1", config={{"n_params": 1000, "batch_tokens": 10}})
    yield Values("mine-1", "loss", np.array(steps), np.array([4.0 - step for step in steps]))
"""


def installed(folder: Path, module: str, where: str = "mine_format") -> dict[str, str]:
    """An environment in which a package with a format is installed."""
    (folder / "mine_format.py").write_text(module)
    about = folder / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[scaling.readers]\nmine = {where}\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def run(env: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from cli import main; main()", *words],
        env=env, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_format_of_another_package_is_read_and_listed(tmp_path):
    env = installed(tmp_path, MODULE.format(name="mine"))
    (tmp_path / "a.log").write_text("MINE\n1\n2\n3\n")
    done = run(env, tmp_path, "ingest", "a.log", "--format", "json")
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert (row["format"], row["n_runs"], row["n_values"], row["metric"]) == ("mine", 1, 3, "loss")
    [shown] = json.loads(run(env, tmp_path, "show", "mine-1", "--format", "json").stdout)
    assert (shown["loss"], shown["n_params"], shown["n_tokens"]) == (1.0, 1000, 30)
    listed = json.loads(run(env, tmp_path, "formats", "--format", "json").stdout)
    assert [one["what"] for one in listed if one["format"] == "mine"] == ["a format of somebody else"]


@pytest.mark.parametrize(
    ("module", "where", "why"),
    [
        (MODULE.format(name="mine"), "no_such_module", "cannot be loaded: No module named 'no_such_module'"),
        ("raise RuntimeError('not today')", "mine_format", "cannot be loaded: not today"),
        (MODULE.format(name="wandb"), "mine_format", "calls its format 'wandb', and there is one of that name"),
    ],
)
def test_a_format_that_cannot_be_taken_is_named_with_its_package(tmp_path, module, where, why):
    env = installed(tmp_path, module, where)
    done = run(env, tmp_path, "formats")
    assert done.returncode == 3
    assert f"The reader 'mine' of another package ({where}) {why}" in done.stderr
