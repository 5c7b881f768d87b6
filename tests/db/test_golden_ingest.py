"""Every format through the command into a store: all that a log holds, again, and with one more value."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from db.readers.formats import MODULES, formats
from tests.db.golden import (
    Golden,
    ask,
    check_run,
    facts_of,
    ingest,
    same,
    scores_of,
    series_of,
    settle,
)
from tests.db.goldens import api, scores, tables, texts, trackers, trainers, wandb

GOLDENS: dict[str, list[Golden]] = {
    **trackers.GOLDENS, **trainers.GOLDENS, **texts.GOLDENS, **wandb.GOLDENS, **api.GOLDENS, **scores.GOLDENS,
    **tables.GOLDENS,
}  # fmt: skip


@dataclass(frozen=True)
class Laid:
    """Where a log lies, what the command is told, the store that has it, and what was printed of it."""

    db: Path
    path: Path
    told: str | Path
    rows: list[dict[str, Any]]


READ: dict[int, Laid] = {}


def cases() -> Iterator[Any]:
    """All goldens of all formats; a format without one is a case that fails."""
    for module in MODULES:
        name = import_module(module).NAME
        for i, golden in enumerate(GOLDENS.get(name, [None])):
            yield pytest.param(name, golden, id=f"{name}-{i}")


@pytest.fixture
def laid(
    golden: Golden | None, name: str, empty_store: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Laid:  # fmt: skip
    """A log that is in a store of its own; the second test of a log has what the first one read."""
    assert golden is not None, f"the format {name} has no golden"
    if golden.stand_in:
        golden.stand_in(monkeypatch)
    if (done := READ.pop(id(golden), None)) is None:
        folder = tmp_path_factory.mktemp("golden")
        db = Path(shutil.copy(empty_store, folder / "s.duckdb"))
        path = golden.lay(folder / "logs")
        done = Laid(db, path, golden.address or path, ingest(golden.address or path, db))
        READ[id(golden)] = done
    return done


def content(db: Path) -> list[Any]:
    """All that a store holds of logs."""
    tables = ("runs", "run_logs", "run_facts", "metrics", "evals", "sources", "audit")
    return [sorted(map(repr, ask(db, f"SELECT * FROM {table}"))) for table in tables]


#: Formats whose fixtures the tool itself made, by the programs in tests/fixtures/make.
BY_THE_TOOL = {
    "wandb", "tensorboard", "mlflow", "mlruns", "trackio", "hf_trainer", "lightning", "nanotron", "torchtitan", "olmo",
    "lm-eval", "inspect", "helm", "aim",
}  # fmt: skip
TABLES = {"run-table", "score-table"}


@pytest.mark.parametrize("name", sorted(formats()))
def test_the_list_of_formats_says_whose_files_were_tried(name) -> None:
    tried = formats()[name].TRIED
    if name in BY_THE_TOOL:
        assert re.search(r"\b\d+\.\d+", tried), "it names no version"
    elif name not in TABLES:
        assert re.search("documentation|stand-in|other tools", tried), "it does not say who made them"


@pytest.mark.parametrize(("name", "golden"), list(cases()))
def test_a_log_is_in_the_store_with_all_that_it_holds(name, golden, laid) -> None:
    db, rows = laid.db, laid.rows
    assert {row["status"] for row in rows} == {"ingested"}
    stored = {row[0] for row in ask(db, "SELECT format FROM sources")}
    if name not in TABLES:  # tables are stored with their form
        assert stored == {row["format"] for row in rows} == {name}
        assert sum(row["n_values"] for row in rows) == sum(run.count for run in golden.runs.values())
    assert sum(row.get("n_scores") or 0 for row in rows) == len(golden.scores)
    assert sum(row.get("n_runs") or 0 for row in rows) == len(golden.runs)
    assert sum(row["n_refused"] for row in rows) == len(golden.problems)
    assert {run for (run,) in ask(db, "SELECT run_id FROM runs")} == set(golden.runs)
    assert ask(db, "SELECT count(*) FROM metrics") == [(sum(run.count for run in golden.runs.values()),)]
    for run_id, run in golden.runs.items():
        check_run(db, run_id, run)
    assert scores_of(db, by_model=golden.by_model) == pytest.approx(golden.scores, rel=1e-12)
    said = [json.loads(one) for row in ask(db, "SELECT problems, warnings FROM sources") for one in row]
    problems, notes = [one for part in said[::2] for one in part], [one for part in said[1::2] for one in part]
    assert sorted((p["column"], p["value"], p["reason"]) for p in problems) == sorted(golden.problems)
    for note in golden.notes:
        assert any(note in one for one in notes), (note, notes)


@pytest.mark.parametrize(("name", "golden"), list(cases()))
def test_read_again_it_is_unchanged_and_one_more_value_replaces_one_run(name, golden, laid) -> None:
    db, path, told = laid.db, laid.path, laid.told
    before = content(db)
    assert {row["status"] for row in ingest(told, db)} == {"unchanged"}
    assert content(db) == before
    assert golden.more is not None
    kept = {run: (series_of(db, run), facts_of(db, run)) for run in golden.runs}
    golden.more(path)
    settle(db.parent / "logs", age=60)
    rows = ingest(told, db)
    assert sorted({row["status"] for row in rows}) in (["replaced"], ["replaced", "unchanged"])
    if golden.grew:
        run_id, values = golden.grew
        if name != "run-table":
            assert [row["n_grown"] for row in rows if row["status"] == "replaced"] == [1]
            assert not [row for row in rows if row["n_new"] or row["n_removed"]]
        expected, _ = kept.pop(run_id)
        for metric, (step, value) in values.items():
            expected.setdefault(metric, []).append((step, value))
        assert same(series_of(db, run_id), expected)
    for run, (series, facts) in kept.items():
        assert same(series_of(db, run), series)
        assert facts_of(db, run) == facts
    assert scores_of(db, by_model=golden.by_model) == pytest.approx(
        dict(golden.scores) | dict(golden.scored), rel=1e-12
    )
    assert golden.grew or golden.scored
