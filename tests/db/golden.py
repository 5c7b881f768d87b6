"""What a log is known to hold, and how the command's store is held against it."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from typer.testing import CliRunner

from tests.db.writers.made import Series, Value

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
Fact = tuple[Any, str, tuple[str, ...]]
Score = tuple[str, ...]  # task, metric and filter; of a table of several models the model before them
OLD = 1_700_000_000


@dataclass(frozen=True)
class Run:
    """What is known of a run of a log.

    Parameters
    ----------
    series : dict
        All its values by metric; steps are None where there are none, values None where they are missing.
    metric : str
        Metric that is shown as its loss.
    final : (float or None, str)
        The loss that is shown, and its status.
    facts : dict
        All facts with their value, rule and keys.
    missing : tuple of str
        Facts that are told to be missing; with ``?``, to be in doubt.
    shown : dict
        Columns of ``runs_final`` besides.
    state, name : str, optional
        What the log says.
    counted : dict
        Metrics whose values follow from no formula, such as times: how many there are.
    tokens : dict
        Tokens by step that stand beside the values of some metrics.
    digits : dict
        Significant digits of some metrics.
    """

    series: Series
    metric: str = "loss"
    final: tuple[float | None, str] = (None, "missing")
    facts: Mapping[str, Fact] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    name: str | None = None
    counted: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    digits: Mapping[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Values in all."""
        return sum(map(len, self.series.values())) + sum(self.counted.values())


@dataclass(frozen=True)
class Golden:
    """A log with all that it holds.

    Parameters
    ----------
    made : str or callable
        Where it lies among the fixtures, or what writes it into a folder and gives its path.
    runs : dict of str to Run
        By identifier in the store.
    scores : dict
        Scores by task, metric and filter.
    notes : tuple of str
        Parts of what has to be said.
    problems : tuple of (str or None, str or None, str)
        Column, value and reason of all that is refused.
    more : callable, optional
        Adds to the log.
    grew : (str, dict)
        The only run that grows by it, and its values: metric to step and value.
    scored : dict
        Scores that it changes.
    stand_in : callable, optional
        Puts something in the place of a service or library.
    address : str, optional
        What the command is told instead of the path.
    by_model : bool
        Whether scores are named by their model too.
    """

    made: str | Callable[[Path], Path]
    runs: Mapping[str, Run] = field(default_factory=dict)
    scores: Mapping[Score, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[tuple[str | None, str | None, str], ...] = ()
    more: Callable[[Path], None] | None = None
    grew: tuple[str, Mapping[str, tuple[int | None, Value]]] | None = None
    scored: Mapping[Score, float] = field(default_factory=dict)
    stand_in: Callable[[pytest.MonkeyPatch], None] | None = None
    address: str | None = None
    by_model: bool = False

    def lay(self, folder: Path) -> Path:
        """Put the log into a folder; gives what the command is told."""
        folder.mkdir()
        if not isinstance(self.made, str):
            path = self.made(folder)
        elif (LOGS / self.made).is_dir():
            path = Path(shutil.copytree(LOGS / self.made, folder / Path(self.made).name))
        else:
            path = Path(shutil.copy(LOGS / self.made, folder))
        settle(folder)
        return path


def settle(folder: Path, age: int = 0) -> None:
    """Give files a time long ago, as those of a run that ended have."""
    for file in folder.rglob("*"):
        if file.is_file():
            os.utime(file, (OLD + age, OLD + age))


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


@cache
def _built() -> Any:
    from typer.main import get_command

    from cli import app

    return get_command(app)


def scaling(*words: str | Path) -> Answer:
    """Run the command in this process; an error that is no message is raised."""
    from cli import app

    with patch("typer.testing._get_command", return_value=_built()):
        result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def ingest(path: str | Path, db: Path) -> list[dict[str, Any]]:
    """Ingest what lies at a path; gives the rows that are printed."""
    done = scaling("ingest", path, "--db", db, "--format", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert isinstance(rows, list)
    return rows


def ask(db: Path, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of a query, past the command."""
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql, list(params)).fetchall()


def series_of(db: Path, run: str) -> Series:
    """All values of a run, as what they are."""
    rows = ask(
        db,
        "SELECT metric, step, value, value_status FROM metrics WHERE run_id = ? ORDER BY metric, step NULLS FIRST",
        [run],
    )
    found: Series = {}
    for metric, step, value, status in rows:
        found.setdefault(metric, []).append((step, as_said(value, status)))
    return found


def as_said(value: float | None, status: str) -> Value:
    """A stored value as a log says it."""
    if status == "ok":
        assert value is not None
        assert math.isfinite(value)
        return value
    assert value is None
    return None if status == "missing" else float(status)


def same(found: Series, expected: Series) -> bool:
    """Whether values are the same to the last bit, NaN being the same as NaN."""
    return {name: list(map(repr, one)) for name, one in found.items()} == {
        name: list(map(repr, _floats(one))) for name, one in expected.items()
    }


def _floats(series: list[tuple[int, Value]]) -> list[tuple[int, Value]]:
    return [(step, None if value is None else float(value)) for step, value in series]


def check_run(db: Path, run_id: str, run: Run) -> None:
    """Hold a run in a store against what is known of it."""
    found = series_of(db, run_id)
    assert {name: len(found.pop(name)) for name in run.counted} == run.counted
    assert sorted(found) == sorted(run.series)
    for metric, expected in run.series.items():
        assert same({metric: found[metric]}, {metric: expected}), (metric, found[metric], expected)
    [(name, metric, loss, status, shown_metric)] = ask(
        db,
        "SELECT r.name, r.loss_metric, f.loss, f.loss_status, f.metric FROM runs AS r JOIN runs_final AS f "
        "USING (run_id) WHERE r.run_id = ?",
        [run_id],
    )
    assert (name, metric, shown_metric, (loss, status)) == (run.name, run.metric, run.metric, run.final)
    assert ask(db, "SELECT state FROM run_logs WHERE run_id = ?", [run_id]) in ([(run.state,)], [])
    for column, expected_shown in run.shown.items():
        assert ask(db, f"SELECT {column} FROM runs_final WHERE run_id = ?", [run_id]) == [(expected_shown,)], column
    facts, missing = facts_of(db, run_id)
    assert facts == run.facts
    assert missing == set(run.missing)
    for one, tokens in run.tokens.items():
        sql = "SELECT step, tokens FROM metrics WHERE run_id = ? AND metric = ?"
        assert dict(ask(db, sql, [run_id, one])) == tokens
    for one, digits in run.digits.items():
        sql = "SELECT DISTINCT significant_digits FROM metrics WHERE run_id = ? AND metric = ?"
        assert ask(db, sql, [run_id, one]) == [(digits,)]


def facts_of(db: Path, run_id: str) -> tuple[dict[str, Fact], set[str]]:
    """Facts of a run with their rules and keys; those that are missing, and what is in doubt, marked by ``?``."""
    rows = ask(db, "SELECT fact, value, text_value, rule, keys FROM run_facts WHERE run_id = ?", [run_id])
    facts: dict[str, Fact] = {}
    lacking: set[str] = set()
    for fact, value, text, rule, keys in rows:
        if rule.startswith(("missing: ", "in doubt: ")):
            assert (value, keys) == (None, "[]")
            lacking.add(fact + "?" * rule.startswith("in doubt: "))
        else:
            assert fact not in facts
            facts[fact] = (text if value is None else value, rule, tuple(json.loads(keys)))
    return facts, lacking


def scores_of(db: Path, *, by_model: bool = False) -> dict[Score, float]:
    """Scores of a store."""
    rows = ask(db, "SELECT model_id, task, metric, filter, value FROM evals")
    found: dict[Score, float] = {tuple(row[not by_model : -1]): row[-1] for row in rows}
    assert len(found) == len(rows)
    return found
