"""What killed processes leave in the temporary directory, and what the next one may delete of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from db.temporary import sweep, temporary_file, temporary_folder

ROOT = Path(__file__).resolve().parents[2]
STAGES = """
import numpy as np
from db.log_stage import Stage
from db.logged import Logged
from db.readers.found import Values

def hold():
    stage, logged = Stage(), Logged(on_disk=True)
    steps = np.arange(600_000)
    stage.add(0, 0, Values("", "loss", steps, 1.0 / (1 + steps)), upserts=False)
    return stage, logged
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory, of this process and of those that it starts."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _start(scratch: Path, end: str) -> subprocess.Popen[str]:
    environment = os.environ | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    code = f"{STAGES}\nheld = hold()\nprint('ready', flush=True)\n{end}"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_process_left_goes_at_the_next_start(scratch) -> None:
    with _start(scratch, "input()") as killed, _start(scratch, "input()") as lives:
        of_lives = {name for name in _names(scratch) if f"-{lives.pid}-" in name}
        of_killed = {name for name in _names(scratch) if f"-{killed.pid}-" in name}
        assert (len(of_killed), len(of_lives)) == (2, 2)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert _names(scratch) == of_killed | of_lives
        with _start(scratch, "pass") as third:
            third.communicate(timeout=60)
        assert _names(scratch) == of_lives
        lives.communicate("\n", timeout=60)
    assert _names(scratch) == set()


def test_nothing_else_is_swept(scratch) -> None:
    with temporary_folder("ingest") as own:
        mine = Path(own)
        file = temporary_file("values")
        with subprocess.Popen([sys.executable, "-c", ""]) as gone:
            pass
        left = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
        stays = {
            mine.name, file.name, "scaling-ingest-abcdefgh", f"other-{left.name}", f"{left.name}-more", "linked",
            left.name.replace("scaling-ingest-", "scaling-ingest-elsewhere"),
        }  # fmt: skip
        for name in stays - {mine.name, file.name}:
            (scratch / name).mkdir()
            (scratch / name / "values").write_text("1")
        left.mkdir()
        (left / "link").symlink_to(scratch / "linked")
        link = left.with_name(f"{left.name}2")
        link.symlink_to(scratch / "linked")
        assert sweep(scratch) == [left]
        assert _names(scratch) == stays | {link.name}
        assert (scratch / "linked" / "values").read_text() == "1"
        file.unlink()
    assert sweep(scratch / "nowhere") == []
