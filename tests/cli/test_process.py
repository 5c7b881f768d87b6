"""What only a process shows: terminals and pipes, exit codes, signals, and other packages in the way."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

SCALING = Path(sys.executable).with_name("scaling")
ROOT = Path(__file__).resolve().parents[2]
SLOW_WORK = """
import sys, time
from cli import progress
with progress("working") as advance:
    for i in range(1, 9):
        if advance:
            advance(i, 8)
        time.sleep(float(sys.argv[1]) / 8)
"""


def scaling(*words: str, env: dict[str, str] | None = None, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run the console script."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | (env or {})
    defaults: dict[str, object] = {"capture_output": True, "text": True, "timeout": 60}
    return subprocess.run([SCALING, *words], check=False, env=environment, **(defaults | settings))  # type: ignore


def on_a_terminal(*words: str, program: Path = SCALING) -> tuple[str, int]:
    """Run a program with a terminal for its output and its talk; give what appears there, and the exit code."""
    ours, theirs = pty.openpty()
    cwd = None if program is SCALING else ROOT
    process = subprocess.Popen([program, *words], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=cwd)
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # what Linux says when the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    return b"".join(pieces).decode().replace("\r\n", "\n"), process.wait(60)


def is_held(path: Path) -> bool:
    """Whether a process has the store open for writing."""
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.IOException:
        return True
    return False


@pytest.fixture(autouse=True, scope="module")
def _installed() -> None:
    assert SCALING.exists(), "the console script is not installed: pip install -e ."


class TestTerminalOrPipe:
    def test_a_pipe_gets_json(self, store: Path) -> None:
        answer = scaling("fits")
        assert answer.returncode == 0
        assert [row["name"] for row in json.loads(answer.stdout)] == ["web", "curve"]
        assert answer.stderr == ""

    def test_a_terminal_gets_a_table(self, store: Path) -> None:
        out, code = on_a_terminal("fits")
        head, rule, first, *_ = out.splitlines()
        assert code == 0
        assert head.split()[:3] == ["name", "fit_id", "law"]
        assert set(rule) == {"-", " "}
        assert first.split()[0] == "web"

    def test_a_terminal_gets_json_when_asked(self, store: Path) -> None:
        out, _ = on_a_terminal("fits", "--format", "json")
        assert len(json.loads(out)) == 2

    @pytest.mark.parametrize(("seconds", "shown"), [(2, True), (0.2, False)])
    def test_a_bar_for_what_takes_longer_than_a_second(self, seconds: float, shown: bool) -> None:
        out, code = on_a_terminal("-c", SLOW_WORK, str(seconds), program=Path(sys.executable))
        assert code == 0
        assert ("working" in out and "8/8" in out) == shown

    def test_no_bar_where_talk_is_no_terminal(self) -> None:
        answer = subprocess.run(
            [sys.executable, "-c", SLOW_WORK, "1.5"], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert answer.stdout + answer.stderr == ""


class TestOutputThatGoesNowhere:
    def test_a_reader_that_leaves(self, store: Path) -> None:
        """As `head` does: no message, no traceback, no failure."""
        with subprocess.Popen(
            [SCALING, "sql", "SELECT * FROM range(300000)", "--format", "csv"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "range\n"
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 0

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
    def test_a_full_disk_behind_standard_output(self, store: Path) -> None:
        with open("/dev/full", "w") as full:
            answer = scaling("fits", capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert answer.returncode == 3
        assert answer.stderr == "error: The system refused: No space left on device.\n"

    def test_no_standard_output_at_all(self, store: Path) -> None:
        answer = subprocess.run(
            ["sh", "-c", '"$0" fits >&-', SCALING], capture_output=True, text=True, check=False, timeout=60
        )
        assert (answer.returncode, answer.stderr) == (0, "")


class TestExitCodes:
    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["fits"], 0),
            (["forecast", "web", "--at", "N=1e12,D=1e14", "--fail-on", "extrapolating"], 1),
            (["fit", "chinchila"], 2),
            (["fits", "--nosuch"], 2),
            (["fits", "--db", "nosuch.duckdb"], 3),
            (["ingest", "nosuch.csv"], 4),
        ],
    )
    def test_each(self, words: list[str], code: int, store: Path) -> None:
        answer = scaling(*words)
        assert answer.returncode == code
        assert "Traceback" not in answer.stderr
        assert bool(answer.stderr) == (code != 0)

    def test_a_misspelt_command(self, store: Path) -> None:
        assert "Did you mean 'forecast'" in scaling("forcast").stderr

    def test_a_traceback_for_those_who_want_one(self, store: Path) -> None:
        answer = scaling("fit", "chinchila", env={"SCALING_DEBUG": "1"})
        assert "Traceback" in answer.stderr
        assert "LawError" in answer.stderr

    def test_interrupt(self, store: Path) -> None:
        words = ("fit", "chinchilla", "--bootstrap", "500000", "--name", "long")
        before = store.read_bytes()
        with subprocess.Popen([SCALING, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not is_held(store):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert out == ""
        assert err == "Interrupted; what was not finished is not in the store.\n"
        assert store.read_bytes() == before

    def test_interrupt_of_a_query(self, store: Path) -> None:
        words = ("sql", "SELECT count(*) FROM range(100000000) AS a(i), range(100000) AS b(j) WHERE i % 7 = j % 5")
        with subprocess.Popen([SCALING, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(3)  # well inside the query, which is stopped after 30 s at the latest
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert out == ""
        assert "Traceback" not in err


class TestEnvironment:
    def test_the_store_named_by_the_environment(self, store: Path, tmp_path: Path) -> None:
        elsewhere = store.rename(tmp_path / "other.duckdb")
        answer = scaling("fits", env={"SCALING_DB": str(elsewhere)})
        assert [row["name"] for row in json.loads(answer.stdout)] == ["web", "curve"]

    def test_the_option_goes_before_the_environment(self, store: Path) -> None:
        assert scaling("fits", "--db", str(store), env={"SCALING_DB": "nosuch.duckdb"}).returncode == 0

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("db/__init__.py", "connect = None\n"),
            ("db.py", "connect = None\n"),
            ("db/__init__.py", "import nosuchdriver\n"),
            ("reports/__init__.py", "raise RuntimeError('not yours')\n"),
        ],
    )
    def test_another_package_of_that_name(self, path: str, text: str, store: Path, tmp_path: Path) -> None:
        """It is named, nothing of it is run, and the answer is the same for every command."""
        shadow = tmp_path / "site" / path
        shadow.parent.mkdir(parents=True)
        shadow.write_text(text, encoding="utf-8")
        before = store.read_bytes()
        for words in (["ls"], ["rm", "fit", "web"], ["--help"]):
            answer = scaling(*words, env={"PYTHONPATH": str(tmp_path / "site")})
            assert answer.returncode == 3
            assert answer.stdout == ""
            name = path.partition("/")[0].removesuffix(".py")
            assert f"Another package named '{name}' shadows ours: {shadow}" in answer.stderr
            assert "environment of its own" in answer.stderr
        assert store.read_bytes() == before

    def test_a_folder_of_that_name_is_no_package(self, store: Path, tmp_path: Path) -> None:
        (tmp_path / "site" / "db").mkdir(parents=True)
        (tmp_path / "db").mkdir()
        assert scaling("fits", env={"PYTHONPATH": f"{tmp_path / 'site'}:{tmp_path}"}).returncode == 0
