"""A store to run commands on, and commands run in this process."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from typer.testing import CliRunner

WEB = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
CODE = {"E": 0.9, "A": 310.0, "B": 1500.0, "alpha": 0.34, "beta": 0.36}


def law(truth: dict[str, float], n: float, d: float) -> float:
    """The Chinchilla law, written out once more."""
    return truth["E"] + truth["A"] / n ** truth["alpha"] + truth["B"] / d ** truth["beta"]


def log_text() -> str:
    """A log of 30 web runs and 30 code runs, of which one of each diverged."""
    random = np.random.default_rng(7)
    lines = ["run_id,corpus,N,D,loss,lr,warm"]
    for corpus, truth in (("web", WEB), ("code", CODE)):
        for i, n in enumerate(np.geomspace(2e7, 3e9, 6)):
            for j, d in enumerate(np.geomspace(5e8, 1e11, 5)):
                loss = law(truth, n, d) * np.exp(0.002 * random.standard_normal())
                shown = {("web", 5, 0): "nan", ("code", 5, 0): "inf"}.get((corpus, i, j), f"{loss:.9g}")
                lines.append(f"{corpus}-{i}{j},{corpus},{n:.6g},{d:.6g},{shown},{1e-3 / (i + 1):.6g},{j < 4}")
    return "\n".join(lines) + "\n"


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output as JSON: a list of objects."""
        rows = json.loads(self.out)
        assert isinstance(rows, list)
        assert all(isinstance(row, dict) for row in rows)
        return rows

    @property
    def row(self) -> dict[str, Any]:
        """The only row."""
        [row] = self.rows
        return row

    @property
    def table(self) -> list[dict[str, str]]:
        """Standard output as CSV."""
        return list(csv.DictReader(io.StringIO(self.out)))


Run = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in a folder of its own, with nothing set that steers the command."""
    monkeypatch.chdir(tmp_path)
    for name in ("SCALING_DB", "SCALING_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


@cache
def built() -> Any:
    """The commands, made of their functions once: Typer's own runner makes all of them anew for each call."""
    from typer.main import get_command

    from cli import app

    return get_command(app)


def run_command(*words: str | Path, stdin: str | None = None) -> Answer:
    """Run a command in this process; an error that is no message is raised."""
    from cli import app

    with patch("typer.testing._get_command", return_value=built()):
        result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def in_process() -> Run:
    """The same for fixtures that are made once."""
    return run_command


@pytest.fixture
def run() -> Run:
    """Run a command in this process."""
    return run_command


@pytest.fixture
def ok() -> Run:
    """Run a command that must succeed."""

    def _ok(*words: str | Path, stdin: str | None = None) -> Answer:
        answer = run_command(*words, stdin=stdin)
        assert answer.code == 0, answer.err
        return answer

    return _ok


@pytest.fixture
def refused(tmp_path: Path) -> Run:
    """Run a command that must end with an error, print no data, and leave every store as it was."""

    def _refused(code: int, *words: str | Path, stdin: str | None = None) -> Answer:
        before = {path: path.read_bytes() for path in tmp_path.glob("*.duckdb*") if path.is_file()}
        answer = run_command(*words, stdin=stdin)
        assert answer.code == code, answer.err
        assert answer.out == ""
        assert "Traceback" not in answer.err
        after = {path: path.read_bytes() for path in tmp_path.glob("*.duckdb*") if path.is_file()}
        assert after == before
        return answer

    return _refused


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the log, the fit `web` with 60 replicates, and the fit `curve` of one input without any."""
    folder = tmp_path_factory.mktemp("store")
    log, db = folder / "runs.csv", folder / "scaling.duckdb"
    log.write_text(log_text(), encoding="utf-8")
    for words in (
        ("ingest", log),
        ("fit", "chinchilla", "--where", "corpus = 'web'", "--name", "web", "--bootstrap", "60", "--seed", "3"),
        (
            "fit", "E + A/x**alpha", "--input", "x=compute_flop", "--param", "alpha=0.01:2", "--param", "E=0:",
            "--where", "corpus = 'web'", "--name", "curve", "--bootstrap", "0",
        ),
    ):  # fmt: skip
        answer = run_command(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """A copy of the filled store, where commands look for one."""
    return Path(shutil.copy(filled, tmp_path / "scaling.duckdb"))


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with examples in files, and with a store that has them as the set `web`."""
    from tests.cli.valued import ADD, write_examples

    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        answer = run_command(*ADD, "--db", folder / "scaling.duckdb")
    assert answer.code == 0, answer.err
    return folder


@pytest.fixture
def examples(examples_folder: Path, tmp_path: Path) -> Path:
    """The files of examples in the folder of the test, without a store."""
    for file in examples_folder.iterdir():
        if file.suffix != ".duckdb":
            shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture
def web(examples_folder: Path, examples: Path) -> dict[str, np.ndarray]:
    """The examples as the set `web` of a store; gives the numbers of their table by column."""
    shutil.copy(examples_folder / "scaling.duckdb", examples)
    # The set knows its files by their place, which is another one here.
    import duckdb

    with duckdb.connect(str(examples / "scaling.duckdb")) as connection:
        connection.execute(
            "UPDATE example_sets SET embeddings_uri = ?, source_uri = ?",
            [str(examples / "X.npy"), str(examples / "examples.csv")],
        )
    rows = list(csv.DictReader((examples / "examples.csv").read_text(encoding="utf-8").splitlines()))
    return {name: np.array([float(row[name]) for row in rows]) for name in list(rows[0])[3:]}


@pytest.fixture
def tasks(store: Path, write: Callable[[str, str], Path], ok: Run) -> str:
    """Runs of another corpus with two metrics, the loss and the error on tasks; the condition that selects them."""
    random = np.random.default_rng(9)
    lines = ["run_id,corpus,N,D,loss,err"]
    for i, n in enumerate(np.geomspace(2e7, 3e9, 6)):
        for j, d in enumerate(np.geomspace(5e8, 1e11, 4)):
            loss = law(WEB, n, d) * np.exp(0.002 * random.standard_normal())
            err = 0.85 - 2.2 * np.exp(-0.72 * loss) + 0.002 * random.standard_normal()
            shown = {(0, 0): "nan", (0, 1): ""}.get((i, j), f"{err:.9g}")
            lines.append(f"task-{i}{j},tasks,{n:.6g},{d:.6g},{loss:.9g},{shown}")
    mapping = (
        '[metrics]\nloss = { column = "loss", unit = "nats/token" }\n'
        'err = { column = "err", unit = "share", kind = "other" }\n'
    )
    log = write("tasks.csv", "\n".join(lines))
    ok("ingest", log, "--mapping", write("tasks.toml", mapping), "--metric", "loss", "--db", store)
    return "corpus = 'tasks'"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text into a file of the test's own folder."""

    def _write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return _write


@pytest.fixture
def query(store: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the store itself, past the command line."""
    import duckdb

    def _query(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(store), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return _query


@pytest.fixture
def web_runs(query: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, np.ndarray]:
    """The web runs that can be fitted, as arrays."""
    rows: Sequence[Any] = query(
        "SELECT n_params, n_tokens, compute_flop, loss FROM runs_final WHERE corpus = 'web' AND loss_status = 'ok' "
        "ORDER BY run_id"
    )
    return dict(zip(("N", "D", "C", "loss"), np.array(rows).T, strict=True))


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with runs on random data (the fit `c4`), on mixtures (`mix`) and on filtered data.

    Beside them `bare`, which has no replicates, `lean`, which has few and is weak, and `loose` of runs of one mixture,
    which is not identified.
    """
    from tests.cli.mixtures import COLUMNS, QUALITY, log_text

    folder = tmp_path_factory.mktemp("mixed")
    log, db = folder / "runs.csv", folder / "scaling.duckdb"
    log.write_text(log_text(), encoding="utf-8")
    law = ("fit", "chinchilla", "--where", "kind = 'random'", "--no-backtest")
    for words in (
        ("ingest", log),
        ("fit", "chinchilla", "--where", "kind = 'random'", "--name", "c4", "--bootstrap", "80", "--seed", "1"),
        (*law, "--name", "bare", "--bootstrap", "0"),
        (*law, "--name", "lean", "--bootstrap", "20"),
        (*QUALITY, "--name", "mix"),
        ("value", "quality", *COLUMNS, "--where", "kind = 'random'", "--bootstrap", "20", "--name", "loose"),
    ):
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


@pytest.fixture
def mixtures(mixed: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(shutil.copy(mixed, tmp_path / "scaling.duckdb"))
