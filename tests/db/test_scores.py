"""Scores go in, come out by task, and go again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from db.removal import take_out_source
from db.score_ingest import ingest_scores, plan_scores
from db.score_rows import ScoreQuestion
from db.scores import load_scores, load_scores_by_sql, tasks
from db.store import Store
from scaling.errors import InputDataError, UsageError

WIDE = """\
model,base_model,N,Pretraining tokens (T),release_date,merged,acc_a,acc_b
lab/one,base-1b,1e9,1,2024-05-11,false,0.25,40
lab/two,base-1b,1e9,1,2024-08-01,true,0.5,50
other/three,base-3b,3e9,2,2024-11-30,false,0.625,60
three-alone,,6e9,,,false,,70
"""


@pytest.fixture
def table(write: Callable[..., Path]) -> Path:
    return write(WIDE, "scores.csv")


def test_a_wide_table_is_read_by_the_usual_names(store: Store, table: Path) -> None:
    plan = plan_scores(table)
    assert (plan.n_rows, plan.n_models, plan.n_scores, plan.n_with_compute) == (4, 4, 7, 3)
    assert 'n_tokens <- "Pretraining tokens (T)" * 1e12 (guessed from the name)' in plan.mapping.lines()
    assert any("acc_b" in said and "percent: divided by 100" in said for said in plan.warnings)
    ingest_scores(store, table)
    _, rows = store.query(
        "SELECT model, task, score, score_unit, compute_flop, log10_compute, compute_rule, organisation, released, "
        "merged FROM scores WHERE task = 'acc_b' ORDER BY score"
    )
    assert [row[2] for row in rows] == pytest.approx([0.4, 0.5, 0.6, 0.7])
    assert rows[0][3:8] == ("share", 6e21, pytest.approx(np.log10(6e21)), "6ND", "lab")
    assert (str(rows[1][8]), rows[1][9]) == ("2024-08-01", True)
    assert rows[3][4:9] == (None, None, None, None, None)


def test_reading_twice_changes_nothing_and_a_changed_file_is_replaced_whole(store: Store, table: Path) -> None:
    first = ingest_scores(store, table)
    assert ingest_scores(store, table).status == "unchanged"
    table.write_text(WIDE.replace("lab/two,", "lab/new,").replace("0.625", "0.75"), encoding="utf-8")
    second = ingest_scores(store, table)
    assert (second.status, second.n_replaced, second.n_removed) == ("replaced", 5, 2)
    assert second.source_id != first.source_id
    assert store.query("SELECT DISTINCT model FROM scores ORDER BY 1")[1] == [
        ("lab/new",), ("lab/one",), ("other/three",), ("three-alone",),
    ]  # fmt: skip
    assert store.query("SELECT score FROM scores WHERE model = 'other/three' AND task = 'acc_a'")[1] == [(0.75,)]
    assert store.query("SELECT n_models, n_scores, n_runs FROM sources")[1] == [(4, 7, 0)]
    assert [row[0] for row in store.query("SELECT event FROM audit ORDER BY happened_at")[1]] == ["ingest", "replace"]


def test_a_model_of_two_sources_stays_when_one_goes(store: Store, table: Path, write: Callable[..., Path]) -> None:
    first = ingest_scores(store, table)
    other = write("model,harness,C,acc_c\nlab/one,mine,5e22,0.3\n", "other.csv")
    second = ingest_scores(store, other)
    assert any(
        "Compute more than 0.1 decades" in said and "lab/one (a factor of 8.3)" in said for said in second.warnings
    )
    gone = take_out_source(store, str(table))
    assert (gone.n_runs, gone.n_models, gone.n_scores) == (0, 4, 7)
    assert store.query("SELECT model, task, compute_flop, source_id FROM scores")[1] == [
        ("lab/one", "acc_c", 5e22, second.source_id)
    ]
    assert first.source_id not in {row[0] for row in store.query("SELECT source_id FROM models")[1]}


def test_a_score_of_another_file_is_refused_until_it_is_taken_over(
    store: Store, table: Path, write: Callable[..., Path]
) -> None:
    ingest_scores(store, table)
    copy = write("model,acc_a\nlab/one,0.3\n", "copy.csv")
    with pytest.raises(InputDataError, match=r"score of 'lab/one' on acc_a of .*copy.csv came from another file"):
        ingest_scores(store, copy)
    assert store.query("SELECT count(*) FROM evals")[1] == [(7,)]
    assert ingest_scores(store, copy, replace=True).n_replaced == 1
    assert store.query("SELECT score FROM scores WHERE model = 'lab/one' AND task = 'acc_a'")[1] == [(0.3,)]
    assert store.query("SELECT count(*) FROM evals")[1] == [(7,)]
    assert ingest_scores(store, table, replace=True).status == "replaced"
    assert store.query("SELECT count(*), count(DISTINCT source_id) FROM models")[1] == [(4, 1)]


def test_load_scores_says_what_it_left_out(store: Store, table: Path) -> None:
    ingest_scores(store, table)
    rows = load_scores(store, "acc_b", period=("2024-07-01", "2024-10-01"), exclude=("merged",))
    assert rows.model == ("lab/one", "other/three") or rows.model == ("other/three", "lab/one")
    order = np.argsort(rows.log10_compute)
    assert rows.log10_compute[order] == pytest.approx(np.log10([6e21, 3.6e22]))
    assert rows.score[order] == pytest.approx([0.4, 0.6])
    assert [rows.period[i] for i in order] == ["P1", "P3"]
    assert [rows.groups[i] for i in order] == ["base-1b", "base-3b"]
    assert [str(rows.date[i]) for i in order] == ["2024-05-11", "2024-11-30"]
    assert rows.reasons() == {"no compute": 1, "excluded: merged": 1}
    assert load_scores(store, "acc_b", where="n_params < 2e9").reasons() == {"not selected by the condition": 2}
    again = load_scores_by_sql(store, rows.sql, ScoreQuestion.from_dict(rows.question.to_dict()))
    assert (again.sha256, again.model_id, again.reasons()) == (rows.sha256, rows.model_id, rows.reasons())
    selection = rows.selection()
    assert selection.inputs["C"] == pytest.approx(10**rows.log10_compute)
    assert selection.clusters == rows.groups


def test_load_scores_refuses_what_is_not_there(store: Store, table: Path) -> None:
    with pytest.raises(InputDataError, match="has no scores"):
        load_scores(store, "acc_a")
    ingest_scores(store, table)
    with pytest.raises(UsageError, match=r"no scores of the task 'acc'.\nDid you mean 'acc_b'"):
        load_scores(store, "acc")
    with pytest.raises(UsageError, match="no column 'base' to group by"):
        load_scores(store, "acc_a", group="base")
    with pytest.raises(UsageError, match="no property to exclude by 'merge'"):
        load_scores(store, "acc_a", exclude=("merge",))
    with pytest.raises(InputDataError, match=r"None of the 1 score .*no compute \(1\)"):
        load_scores(store, "acc_b", where="model = 'three-alone'")
    with pytest.raises(UsageError, match="one SQL expression"):
        load_scores(store, "acc_b", where="true) OR (true")


def test_tasks_are_counted(store: Store, table: Path) -> None:
    ingest_scores(store, table)
    found = {row.task: row for row in tasks(store)}
    counts = found["acc_b"]
    assert (counts.n_scores, counts.n_with_compute, counts.n_base_models, counts.n_compute) == (4, 3, 2, 2)
    assert (str(counts.first_date), str(counts.last_date)) == ("2024-05-11", "2024-11-30")
    assert found["acc_a"].n_scores == 3


def test_a_wrong_column_in_sql_is_told_what_it_became(store: Store, table: Path) -> None:
    ingest_scores(store, table)
    with pytest.raises(UsageError, match="'release_date' of the source was ingested as released"):
        store.query("SELECT release_date FROM scores")
    with pytest.raises(UsageError, match="'acc_b' of the source was ingested as the task acc_b"):
        store.query("SELECT acc_b FROM scores")
    with pytest.raises(UsageError, match="Did you mean 'log10_compute'"):
        store.query("SELECT log_compute FROM scores")


def test_a_file_is_either_runs_or_scores(store: Store, write: Callable[..., Path]) -> None:
    both = write("run_id,model,N,D,loss,acc\na,m,1e8,2e9,3.5,0.5\n", "both.csv")
    ingest_scores(store, both)
    with pytest.raises(InputDataError, match="read as a table of scores before"):
        store.ingest(both)
    take_out_source(store, str(both))
    store.ingest(both)
    with pytest.raises(InputDataError, match="read as a log of runs before"):
        store.ingest_scores(both)
    assert store.query("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM evals)")[1] == [(1, 0)]


def test_names_with_computes_apart_can_be_excluded(store: Store, write: Callable[..., Path]) -> None:
    ingest_scores(store, write("model,C,harness,acc\nA,6.588e24,one,0.5\nsame,1e22,one,0.2\n", "one.csv"))
    assert len(load_scores(store, "acc", exclude="disputed")) == 2
    ingest_scores(store, write("model,C,harness,acc\na,6.48e23,two,0.6\nsame,1.1e22,two,0.3\n", "two.csv"))
    rows = load_scores(store, "acc", harness="one", exclude="disputed")
    assert (rows.model, rows.reasons()) == (("same",), {"excluded: disputed": 1})
    _, gaps = store.query("SELECT model, compute_gap FROM scores WHERE harness = 'one' ORDER BY model")
    assert gaps == [("A", pytest.approx(1.0071786, abs=1e-6)), ("same", pytest.approx(0.041393, abs=1e-6))]


def test_models_that_were_queued_are_counted_and_left_out(store: Store, write: Callable[..., Path]) -> None:
    report = ingest_scores(store, write("model,C,acc,em\na,1e22,0.5,nan\nb,1e22,nan,nan\nc,1e22,,\n"))
    assert (report.n_models, report.n_scores) == (1, 1)
    assert "5 cells without a score (empty or NaN) left out." in report.warnings
    assert "2 models without any score left out." in report.warnings
    assert store.query("SELECT model_id FROM models")[1] == [("a",)]
