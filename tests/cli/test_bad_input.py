"""Whatever is wrong with a log, a store or a disk: what is said, the exit code, and the store as it was.

The fixture `refused` compares the bytes of every store in the folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.store import Store

TARGET = ("--params", "70B", "--tokens", "1.4T")


class TestLogs:
    """A log that cannot be used ends with 4: in a store that has runs, and where there is no store yet."""

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            pytest.param("", ["bad.csv is empty", "Check that the export finished"], id="empty"),
            pytest.param("run_id,N,D,loss\n", ["has no rows", "Check that the export finished"], id="no rows"),
            pytest.param(
                "run_id,N,D,los\na,1e8,1e9,3\n",
                ["bad.csv has no column that is a loss", "Did you mean 'los'?", "--metric"],
                id="missing column",
            ),
            pytest.param(
                "run_id,N,D,loss\na,1e8,1e9,low\n",
                ["bad.csv, line 2", "'loss'", "not a number", "'low'", "Fix these rows"],
                id="text in a number column",
            ),
            pytest.param(
                "run_id,N,D,loss\na,1e8,1e9,-3\nb,1e8,1e9,0\n",
                ["lines 2 and 3", "a loss is above 0", "'-3'"],
                id="negative and zero loss",
            ),
            pytest.param(
                "run_id,N,D,loss\na,70,1.4e12,2.1\nb,7,1e12,2.3\n",
                ["N looks like millions or billions", "70 beside 1.4e+12 tokens (lines 2 and 3)", 'N = "N * 1e9"'],
                id="mixed units",
            ),
            pytest.param(
                "run_id,N,D,loss\na,1e8,1e9,3\nb,1e8,1e9,3\na,1e8,1e9,4\n",
                ["twice", "a: lines 2 and 4", "Remove all but one"],
                id="duplicate runs",
            ),
        ],
    )
    @pytest.mark.parametrize("there", [True, False], ids=["a store", "no store"])
    def test_that_cannot_be_used(
        self, text: str, said: list[str], there: bool, write: Any, refused: Any, request: pytest.FixtureRequest
    ) -> None:
        if there:
            request.getfixturevalue("store")
        answer = refused(4, "ingest", write("bad.csv", text))
        for fragment in said:
            assert fragment in answer.err
        assert Path("scaling.duckdb").exists() == there

    def test_rows_that_cannot_be_used_are_told_and_the_others_are_read(self, write: Any, ok: Any) -> None:
        log = write(
            "odd.csv", "run_id,N,D,loss\na,1e8,1e9,3\nb,1e8,1e9,low\nc,1e8,1e9,-1\nd,1e8,1e9,nan\ne,1e8,1e9,inf\n"
        )
        answer = ok("ingest", log)
        assert (answer.row["n_runs"], answer.row["n_refused"]) == (3, 2)
        assert "odd.csv:3, column 'loss': not a number ('low')" in answer.err
        assert "odd.csv:4, column 'loss': a loss is above 0" in answer.err
        assert {row["run_id"]: row["loss_status"] for row in ok("ls").rows} == {"a": "ok", "d": "nan", "e": "inf"}

    def test_mixed_units_that_are_meant(self, write: Any, ok: Any) -> None:
        assert ok("ingest", write("toy.csv", "run_id,N,D,loss\na,70,1.4e12,2.1\n"), "--allow-units").row["n_runs"] == 1

    def test_no_such_file(self, write: Any, refused: Any, store: Path) -> None:
        write("runs.csv", "run_id,N,D,loss\n")
        answer = refused(4, "ingest", "run.csv")
        assert "no file run.csv" in answer.err
        assert "runs.csv" in answer.err

    def test_a_directory(self, refused: Any, store: Path, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "map.toml").write_text("")
        answer = refused(4, "ingest", "logs")
        assert "Nothing below these paths is a log of a known format" in answer.err
        assert "scaling formats" in answer.err
        answer = refused(4, "ingest", "logs", "--mapping", "map.toml")
        assert "No table lies below logs" in answer.err
        assert "Tables end in csv" in answer.err

    def test_a_log_that_is_empty(self, refused: Any, store: Path, tmp_path: Path) -> None:
        (tmp_path / "trainer_state.json").touch()
        assert "trainer_state.json is empty" in refused(4, "ingest", "trainer_state.json").err

    def test_a_mapping_that_names_no_column(self, write: Any, refused: Any, store: Path) -> None:
        log = write("runs.csv", "run_id,N,D,loss\na,1e8,1e9,3\n")
        mapping = write("map.toml", '[columns]\nD = "tokns"\n')
        assert "no column 'tokns'" in refused(4, "ingest", log, "--mapping", mapping).err

    @pytest.mark.parametrize("text", ['[colums]\nN = "N"\n', "[columns\n", '[columns]\nN = "N *"\n'])
    def test_a_mapping_that_cannot_be_read(self, text: str, write: Any, refused: Any, store: Path) -> None:
        log = write("runs.csv", "run_id,N,D,loss\na,1e8,1e9,3\n")
        refused(2, "ingest", log, "--mapping", write("map.toml", text))


class TestRowsOfAFit:
    def test_fewer_rows_than_parameters(self, store: Path, refused: Any) -> None:
        answer = refused(4, "fit", "chinchilla", "--where", "corpus = 'web' AND run_id LIKE 'web-0%' AND warm")
        assert "4 rows cannot determine the 5 parameters" in answer.err

    @pytest.mark.parametrize("n", [5, 8])
    def test_too_few_points_are_flagged_and_forecast_nothing(
        self, n: int, store: Path, ok: Any, refused: Any, query: Any
    ) -> None:
        """Up to three points more than parameters; the runs are spread over sizes and budgets."""
        keep = ["web-00", "web-13", "web-22", "web-31", "web-44", "web-04", "web-52", "web-41"][:n]
        where = f"run_id IN ({', '.join(repr(name) for name in keep)})"
        row = ok("fit", "chinchilla", "--where", where, "--bootstrap", "0", "--no-backtest", "--name", "few").row
        assert row["n_obs"] == n
        assert row["verdict"] == "not identified"
        assert any("too few rows" in reason for reason in row["reasons"])
        assert "too few rows" in refused(1, "forecast", "few", *TARGET).err
        assert ok("forecast", "few", *TARGET, "--force").row["verdict"] == "not identified"

    def test_all_runs_at_one_size(self, ok: Any, write: Any, refused: Any) -> None:
        lines = [
            f"r{i},1e8,{d},{1.8 + 2000 / d**0.37 + 0.001 * (i % 3)}"
            for i, d in enumerate(range(10**9, 10**10, 5 * 10**8))
        ]
        ok("ingest", write("one.csv", "\n".join(["run_id,N,D,loss", *lines])))
        row = ok("fit", "chinchilla", "--bootstrap", "0", "--no-backtest", "--name", "one").row
        assert row["verdict"] == "not identified"
        assert any("N" in reason and "same" in reason for reason in row["reasons"])
        assert "N" in refused(1, "forecast", "one", *TARGET).err

    def test_nothing_but_diverged_runs(self, store: Path, refused: Any) -> None:
        answer = refused(4, "fit", "chinchilla", "--where", "loss_status <> 'ok'")
        assert "None of the 2 runs selected can be fitted: of run code-50, the loss is inf" in answer.err

    def test_an_input_that_is_text(self, store: Path, refused: Any) -> None:
        answer = refused(4, "fit", "E + A/x**alpha", "--input", "x=corpus")
        assert "holds 'code' (run code-00), which is not a number" in answer.err
        assert "TRY_CAST" in answer.err

    def test_an_empty_store(self, store: Path, ok: Any, refused: Any) -> None:
        ok("rm", "source", ok("ls", "--what", "sources").row["source_id"])
        assert "The store has no runs" in refused(4, "fit", "chinchilla").err


COMMANDS = [
    ("ls",),
    ("show", "web"),
    ("rm", "run", "web-00"),
    ("sql", "SELECT 1"),
    ("schema",),
    ("fit", "chinchilla"),
    ("fits",),
    ("forecast", "web", *TARGET),
    ("forecast", "web", *TARGET, "--save"),
    ("allocate", "web", "--flops", "1e23"),
    ("report", "web", "-o", "page.html"),
]
INGEST = ("ingest", "good.csv")


@pytest.fixture
def good(write: Any) -> Path:
    return write("good.csv", "run_id,N,D,loss\na,1e8,1e9,3\n")


@pytest.mark.parametrize("words", [*COMMANDS, INGEST], ids=lambda words: " ".join(words[:2]))
class TestStores:
    """A store that cannot be used ends with 3, whatever the command."""

    def test_a_text_file(self, words: tuple[str, ...], good: Path, write: Any, refused: Any) -> None:
        write("scaling.duckdb", "run_id,N,D,loss\n")
        assert "scaling.duckdb is not a DuckDB database but a text file" in refused(3, *words).err

    def test_a_database_of_something_else(self, words: tuple[str, ...], good: Path, refused: Any) -> None:
        import duckdb

        with duckdb.connect("scaling.duckdb") as connection:
            connection.execute("CREATE TABLE customers (name VARCHAR)").fetchall()
        answer = refused(3, *words)
        assert "scaling.duckdb" in answer.err
        assert "not a store" in answer.err or "no store of this package" in answer.err

    def test_a_truncated_file(self, words: tuple[str, ...], good: Path, store: Path, refused: Any) -> None:
        store.write_bytes(store.read_bytes()[: store.stat().st_size // 2])
        answer = refused(3, *words)
        assert "truncated or damaged" in answer.err
        assert "Restore it from a backup" in answer.err

    def test_a_directory(self, words: tuple[str, ...], good: Path, refused: Any, tmp_path: Path) -> None:
        (tmp_path / "data.duckdb").mkdir()
        answer = refused(3, *words, "--db", "data.duckdb")
        assert "data.duckdb is a directory, not a store" in answer.err
        assert "Name a file in it" in answer.err

    def test_a_folder_that_is_not_there(self, words: tuple[str, ...], good: Path, refused: Any) -> None:
        assert "no directory nowhere" in refused(3, *words, "--db", "nowhere/scaling.duckdb").err


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_no_store(words: tuple[str, ...], refused: Any, tmp_path: Path) -> None:
    answer = refused(3, *words)
    assert "There is no store scaling.duckdb" in answer.err
    assert "scaling ingest" in answer.err
    assert list(tmp_path.iterdir()) == []


HOLDER = """
import sys
from db.store import Store
with Store(sys.argv[1]) as store:
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(store: Path) -> Iterator[int]:
    """Another process that has the store open for writing; its PID."""
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-c", HOLDER, str(store)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.communicate("")


@pytest.mark.parametrize("words", [("ls",), INGEST], ids=lambda words: words[0])
def test_a_store_that_another_process_holds(words: tuple[str, ...], good: Path, holder: int, refused: Any) -> None:
    answer = refused(3, *words)
    assert f"locked by process {holder}" in answer.err
    assert "Wait for it to finish" in answer.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    if mount is None or unmount is None or os.geteuid() != 0:
        pytest.skip("only the superuser can mount a small disk")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("this system lets nobody mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run([unmount, folder], check=True)


class TestFullDisk:
    @pytest.fixture
    def full(self, small_disk: Path, store: Path) -> Path:
        """A store on a disk that has no space left."""
        path = Path(shutil.copy(store, small_disk / "scaling.duckdb"))
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * shutil.disk_usage(small_disk).free)
        return path

    @staticmethod
    def contents(path: Path) -> tuple[Any, ...]:
        with Store(path, read_only=True) as store:
            return tuple(store.query(f"SELECT * FROM {table} ORDER BY ALL")[1] for table in ("runs", "metrics", "fits"))

    def check(self, full: Path, run: Callable[..., Any], *words: str | Path) -> str:
        before = self.contents(full)
        answer = run(*words, "--db", full)
        assert answer.code == 3, answer.err
        assert answer.out == ""
        full.with_name("filler").unlink()
        assert self.contents(full) == before
        assert (
            run("fit", "chinchilla", "--bootstrap", "0", "--no-backtest", "--db", full).code == 0
        )  # with space it goes on
        return str(answer.err)

    def test_ingest(self, full: Path, write: Any, run: Any) -> None:
        lines = [f"r{i % 400},{i // 400},1e8,{i + 1}e5,{3 + 1 / (i + 1)}" for i in range(80000)]
        log = write("big.csv", "\n".join(["run_id,step,N,tokens,loss", *lines]))
        err = self.check(full, run, "ingest", log)
        assert "The disk of the store" in err
        assert "is full; nothing was changed" in err
        assert "Free some space" in err

    def test_fit(self, full: Path, run: Any) -> None:
        err = self.check(full, run, "fit", "chinchilla", "--bootstrap", "2000", "--no-backtest", "--name", "big")
        assert "is full; nothing was changed" in err

    def test_a_new_store_leaves_nothing_behind(self, full: Path, good: Path, run: Any) -> None:
        answer = run("ingest", good, "--db", full.with_name("new.duckdb"))
        assert answer.code == 3
        assert "is full" in answer.err
        assert not full.with_name("new.duckdb").exists()
