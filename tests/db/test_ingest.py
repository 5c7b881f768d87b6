"""Ingest of tables: shapes, idempotence, replacement, statuses and what is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.ingest import IngestPlan, ingest, plan_ingest, write_plan
from db.mapping import Mapping
from db.store import Store
from scaling.errors import InputDataError, StoreError

Write = Callable[..., Path]
TABLES = ("runs", "metrics", "sources", "metric_defs", "datasets", "audit")


def _content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    return {table: store.query(f"SELECT * FROM {table} ORDER BY ALL")[1] for table in TABLES}


def test_a_plan_writes_nothing_and_shows_everything(long: Path) -> None:
    before = sorted(long.parent.iterdir())
    plan = plan_ingest(long, metric="loss")
    assert (plan.shape, plan.n_rows, plan.n_runs, plan.n_values, plan.n_refused) == ("long", 6, 2, 8, 0)
    assert plan.mapping.lines()[2] == "n_params <- params_M * 1e6 (guessed from the name)"
    assert plan.preview[1] == {
        "run_id": "r2",
        "n_params": 2e7,
        "n_tokens": 2e8,
        "compute_flop": 6 * 2e7 * 2e8,
        "loss": None,
        "loss_status": "nan",
        "step": 200,
        "val_loss": 4.0,
        "lr": 0.1,
    }
    assert plan.warnings == (
        "Columns that change within a run were kept with their value at its last step: lr. "
        "Name a column in [metrics] to keep every step.",
        "1 run ended with loss = NaN: no loss, status kept.",
    )
    assert plan == plan_ingest(str(long), metric="loss")
    assert sorted(long.parent.iterdir()) == before


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_the_preview_is_what_the_store_then_shows(store: Store, wide: Path, long: Path, shape: str) -> None:
    plan = plan_ingest({"wide": wide, "long": long}[shape], metric="loss")
    assert plan.shape == shape
    write_plan(store, plan)
    columns, rows = store.query("SELECT * FROM runs_final ORDER BY run_id")
    shown = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [{key: row[key] for key in preview} for row, preview in zip(shown, plan.preview, strict=True)] == list(
        plan.preview
    )


def test_long_values_are_stored_step_by_step(store: Store, long: Path) -> None:
    report = ingest(store, long, metric="loss")
    assert str(report) == f"{long}: 2 runs from 6 rows (source {report.source_id})."
    assert (report.status, report.n_values) == ("ingested", 8)
    _, rows = store.query(
        "SELECT * EXCLUDE (significant_digits) FROM metrics WHERE run_id = 'r2' ORDER BY metric, step"
    )
    assert rows == [
        ("r2", "loss", 0, 0.0, 10.9, "ok"),
        ("r2", "loss", 100, 1e8, 3.8, "ok"),
        ("r2", "loss", 200, 2e8, None, "nan"),
        ("r2", "val_loss", 100, 1e8, 4.0, "ok"),
    ]
    assert store.query("SELECT metric, kind, unit, higher_is_better FROM metric_defs ORDER BY metric")[1] == [
        ("loss", "loss", "unknown", False),
        ("val_loss", "loss", "unknown", False),
    ]


def test_ingesting_twice_changes_nothing_and_says_so(store: Store, wide: Path, write: Write) -> None:
    first = store.ingest(wide)
    before = _content(store)
    again = store.ingest(wide)
    assert (first.status, again.status) == ("ingested", "unchanged")
    assert str(again) == f"{wide}: unchanged, 3 runs in the store already (source {first.source_id})."
    assert store.ingest(write(wide.read_text(), "copy.csv")).status == "unchanged", "the content counts, not the name"
    assert _content(store) == before


def test_a_changed_file_replaces_its_runs_whole(store: Store, long: Path) -> None:
    store.ingest(long, metric="loss")
    text = long.read_text().splitlines()
    long.write_text("\n".join([text[0], *text[1:3], "r3,0,1e6,30,9.9,,0.1"]) + "\n")
    report = store.ingest(long, metric="loss")
    assert (report.status, report.n_replaced, report.n_removed) == ("replaced", 1, 1)
    assert "2 runs from 3 rows, 1 replaced, 1 no longer in the file and removed" in str(report)
    assert store.query("SELECT run_id, loss, step FROM runs_final ORDER BY run_id")[1] == [
        ("r1", 4.1, 100),
        ("r3", 9.9, 0),
    ]
    assert store.query("SELECT count(*), count(DISTINCT source_id) FROM sources")[1] == [(1, 1)]
    assert store.query("SELECT DISTINCT run_id FROM metrics ORDER BY 1")[1] == [("r1",), ("r3",)]
    _, events = store.query("SELECT event, object_kind, object_id, detail FROM audit ORDER BY happened_at")
    assert [(event, kind) for event, kind, *_ in events] == [("ingest", "source"), ("replace", "source")]
    assert json.loads(events[1][3])["removed_runs"] == ["r2"]
    assert events[1][2] == report.source_id


def test_another_mapping_of_the_same_file_replaces_it_too(store: Store, wide: Path) -> None:
    store.ingest(wide)
    report = store.ingest(wide, Mapping.parse("[columns]\nN = 'N * 1000'"))
    assert (report.status, report.n_replaced) == ("replaced", 3)
    assert store.query("SELECT min(n_params) FROM runs")[1] == [(1e11,)]
    assert store.query("SELECT count(*) FROM sources")[1] == [(1,)]


def test_a_run_of_another_file_is_refused_unless_taken_over(store: Store, wide: Path, write: Write) -> None:
    first = store.ingest(wide)
    other = write("run_id,N,D,loss\nb,1e8,1e9,9\nz,1e8,1e9,9\n", "other.csv")
    before = _content(store)
    with pytest.raises(InputDataError) as raised:
        store.ingest(other)
    assert (
        f"Run 'b' of {other} came from another file already: {wide} (source {first.source_id})" in raised.value.message
    )
    assert f"scaling rm source {first.source_id}" in str(raised.value.hint)
    assert _content(store) == before
    report = store.ingest(other, replace=True)
    assert (report.status, report.n_replaced, report.n_removed) == ("replaced", 1, 0)
    assert store.query("SELECT run_id, loss FROM runs_final ORDER BY run_id")[1] == [
        ("a", 3.5),
        ("b", 9.0),
        ("c", 2.8),
        ("z", 9.0),
    ]
    # The first file no longer has all its runs there, so reading it again is no "unchanged".
    with pytest.raises(InputDataError, match="Run 'b'"):
        store.ingest(wide)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_status_survives_every_format(store: Store, tmp_path: Path, form: str) -> None:
    values = {"a": 2.5, "b": math.nan, "c": math.inf, "d": -math.inf, "e": None}
    path = tmp_path / f"runs.{form}"
    if form == "csv":
        rows = "".join(f"{run},1e8,1e9,{'' if value is None else value}\n" for run, value in values.items())
        path.write_text("run_id,N,D,loss\n" + rows)
    elif form == "jsonl":
        lines = [json.dumps({"run_id": run, "N": 1e8, "D": 1e9, "loss": value}) for run, value in values.items()]
        path.write_text("\n".join(lines))
    else:
        listed = ", ".join(
            f"('{run}', 1e8, 1e9, {'NULL' if value is None else repr(str(value))}::DOUBLE)"
            for run, value in values.items()
        )
        duckdb.connect().execute(
            f"COPY (SELECT * FROM (VALUES {listed}) AS t(run_id, N, D, loss)) TO '{path}' (FORMAT parquet)"
        ).fetchall()
    report = store.ingest(path)
    assert store.query("SELECT run_id, value, value_status FROM metrics ORDER BY run_id")[1] == [
        ("a", 2.5, "ok"),
        ("b", None, "nan"),
        ("c", None, "inf"),
        ("d", None, "-inf"),
        ("e", None, "missing"),
    ]
    assert store.query("SELECT run_id, loss, loss_status FROM runs_final ORDER BY run_id")[1][1] == ("b", None, "nan")
    assert report.warnings == (
        "1 run ended with loss = NaN: no loss, status kept.",
        "1 run ended with loss = inf: no loss, status kept.",
        "1 run ended with loss = -inf: no loss, status kept.",
        "1 run without any loss.",
    )


def test_refused_rows_are_reported_and_stored(store: Store, write: Write) -> None:
    path = write(
        "run_id,N,D,loss,val_loss\na,1e8,1e9,3,4\nb,many,1e9,3,4\nc,1e8,1e9,0,4\nd,1e8,1e9,-1,4\ne,,1e9,3,4\n"
        "f,1e8,inf,3,4\n,1e8,1e9,3,4\nh,1e8,1e9,oops,4\ni,0,1e9,3,4\nj,1e8,1e9,3,bad\nk,1e8\n"
    )
    report = store.ingest(path)
    told = {
        (problem.line, problem.column, problem.value, problem.reason, problem.refused) for problem in report.problems
    }
    above = 'a loss is above 0 (a mapping file can say kind = "other")'
    assert told == {
        (3, "N", "many", "n_params is not a number", "row"),
        (4, "loss", "0", above, "row"),
        (5, "loss", "-1", above, "row"),
        (6, "N", "", "n_params is missing", "row"),
        (7, "D", "inf", "n_tokens is not finite", "row"),
        (8, "run_id", "", "the run has no identifier", "row"),
        (9, "loss", "oops", "not a number", "row"),
        (10, "N", "0", "n_params is not above 0", "row"),
        (11, "val_loss", "bad", "not a number", "value"),
        (12, None, None, "the row has 2 cells, the header has 5", "row"),
    }
    assert all(problem.file == str(path) for problem in report.problems)
    assert str(report.problems[0]).startswith(f"{path}:12: the row has 2 cells")
    assert (report.n_rows, report.n_runs, report.n_refused) == (11, 2, 9)
    assert "9 rows refused" in str(report)
    _, [(problems, n_refused)] = store.query("SELECT problems, n_refused FROM sources")
    assert json.loads(problems) == [problem.to_dict() for problem in report.problems]
    assert n_refused == 9
    assert store.query("SELECT value_status FROM metrics WHERE metric = 'val_loss' AND run_id = 'j'")[1] == [
        ("missing",)
    ]


def test_a_run_whose_size_changes_is_refused_whole(store: Store, write: Write) -> None:
    path = write("run,step,N,D,loss\na,1,1e8,1e9,3\na,2,2e8,1e9,2\nb,1,1e8,1e9,3\nb,2,1e8,1e9,2.9\n")
    report = store.ingest(path)
    assert (report.n_runs, report.n_refused) == (1, 2)
    assert report.problems[0].reason == "n_params changes within the run; perhaps run_id joins several runs"
    assert (report.problems[0].line, report.problems[0].column) == (2, "N")


def test_a_size_given_once_holds_for_the_whole_run(store: Store, write: Write) -> None:
    store.ingest(write("run,step,N,tokens,loss\na,0,1e8,0,9\na,1,,1e6,3\na,2,,2e6,\n"))
    assert store.query("SELECT n_params, n_tokens, loss, step FROM runs_final")[1] == [(1e8, 1e6, 3.0, 1)]


def test_a_total_that_every_row_repeats_is_no_count_of_tokens(store: Store, write: Write) -> None:
    store.ingest(write("run,step,N,D,C,loss\na,0,1e8,2e9,1e10,9\na,1,1e8,2e9,2e10,3\n"))
    assert store.query("SELECT DISTINCT tokens FROM metrics")[1] == [(None,)]
    assert store.query("SELECT n_tokens, compute_flop, compute_rule FROM runs_final")[1] == [(2e9, 2e10, "given")]


def test_tokens_of_a_step_win_over_a_total(store: Store, write: Write) -> None:
    mapping = Mapping.parse("[columns]\ntokens = 'seen'\nD = 'budget'\n[derived]\nC = '6'\n")
    store.ingest(write("run,step,N,seen,budget,loss\na,0,1e8,0,2e9,9\na,1,1e8,1e9,2e9,3\n"), mapping)
    assert store.query("SELECT tokens FROM metrics ORDER BY step")[1] == [(0.0,), (1e9,)]
    assert store.query("SELECT n_tokens, compute_flop FROM runs_final")[1] == [(1e9, 6.0)]


def test_rows_in_any_order_give_the_same_runs(store: Store, long: Path, write: Write) -> None:
    store.ingest(long, metric="loss")
    expected = store.query("SELECT * EXCLUDE (source_id) FROM runs_final ORDER BY run_id")
    header, *rows = long.read_text().splitlines()
    with Store() as other:
        other.ingest(write("\n".join([header, *reversed(rows)]) + "\n", "reversed.csv"), metric="loss")
        assert other.query("SELECT * EXCLUDE (source_id) FROM runs_final ORDER BY run_id") == expected


def test_a_step_that_is_logged_again_keeps_the_later_row(store: Store, write: Write) -> None:
    report = store.ingest(write("run,step,N,D,loss\na,1,1e8,1e9,3\na,2,1e8,1e9,2\na,2,1e8,1e9,2.5\n"))
    assert store.query("SELECT step, value FROM metrics ORDER BY step")[1] == [(1, 3.0), (2, 2.5)]
    assert "loss: rows that log a step of their run again, with another value: line 4" in report.warnings[0]
    same = store.ingest(write("run,step,N,D,loss\nz,1,1e8,1e9,3\nz,1,1e8,1e9,3\n", "same.csv"))
    assert same.warnings == ("loss: rows that repeat a step were dropped (1 in all).",)


def test_runs_without_identifier_are_numbered_by_row(store: Store, write: Write) -> None:
    report = store.ingest(write("N,D,loss\n1e8,1e9,3\n1e8,2e9,2\n1e8,2e9,2\n", "sweep.v2.csv"))
    assert store.query("SELECT run_id FROM runs ORDER BY 1")[1] == [("sweep-1",), ("sweep-2",), ("sweep-3",)]
    assert report.warnings == (
        "Rows that repeat an earlier row exactly: line 4. Nothing identifies the runs, so all rows were kept; "
        "they weigh double in a fit.",
    )


def test_rows_that_repeat_exactly_are_dropped_with_a_warning(store: Store, write: Write) -> None:
    report = store.ingest(write("run_id,N,D,loss\na,1e8,1e9,3\nb,1e8,1e9,3\na,1e8,1e9,3\n"))
    assert (report.n_runs, report.n_refused) == (2, 0)
    assert report.warnings == ("Rows that repeat an earlier row exactly were dropped: line 4.",)


def test_several_columns_make_an_identifier(store: Store, write: Write) -> None:
    mapping = Mapping.parse("[columns]\nrun_id = ['size', 'curve']\nN = 'size * 1e6'\n[derived]\nD = 'step * 1e6'")
    store.ingest(write("size,curve,step,loss\n10,x,1,3\n10,x,2,2\n10,y,2,2.5\n"), mapping)
    assert store.query("SELECT run_id, n_params, n_tokens, loss FROM runs_final ORDER BY 1")[1] == [
        ("10-x", 1e7, 2e6, 2.0),
        ("10-y", 1e7, 2e6, 2.5),
    ]


def test_parts_of_an_identifier_are_kept_as_columns(store: Store, write: Write) -> None:
    mapping = Mapping.parse("[columns]\nrun_id = ['size', 'curve']\nN = 'size * 1e6'")
    store.ingest(write("size,curve,step,loss\n10,x,1,3\n10,x,2,2\n10,y,2,2.5\n"), mapping)
    columns, rows = store.query("SELECT * FROM runs_final ORDER BY run_id")
    assert "size" not in columns  # it is n_params already
    assert [row[columns.index("curve")] for row in rows] == ["x", "y"]


def test_corpora_and_constants(store: Store, write: Write) -> None:
    path = write("run,N,D,loss,dataset\na,1e8,1e9,3,c4\nb,1e8,1e9,3,pile\n")
    store.ingest(path)
    assert store.query("SELECT corpus FROM runs_final ORDER BY 1")[1] == [("c4",), ("pile",)]
    assert store.query("SELECT dataset_id, name FROM datasets ORDER BY 1")[1] == [("c4", "c4"), ("pile", "pile")]
    other = write("run,D,loss\nc,1e9,3\n", "other.csv")
    store.ingest(other, Mapping.parse("[constants]\ncorpus = 'c4'\nN = 1e7"))
    assert store.query("SELECT corpus, n_params FROM runs WHERE run_id = 'c'")[1] == [("c4", 1e7)]
    assert store.query("SELECT count(*) FROM datasets")[1] == [(2,)]


def test_a_metric_keeps_its_unit(store: Store, wide: Path, write: Write) -> None:
    store.ingest(wide)
    nats = Mapping.parse("[metrics]\nloss = { column = 'loss', unit = 'nats/token' }")
    store.ingest(write("run_id,N,D,loss\nn,1e8,1e9,3\n", "n.csv"), nats)
    assert store.query("SELECT unit FROM metric_defs")[1] == [("nats/token",)]
    bits = Mapping.parse("[metrics]\nloss = { column = 'loss', unit = 'bits/byte' }")
    before = _content(store)
    with pytest.raises(InputDataError, match="is in bits/byte, but the store has it in nats/token"):
        store.ingest(write("run_id,N,D,loss\nm,1e8,1e9,3\n", "m.csv"), bits)
    assert _content(store) == before


def test_a_metric_that_is_no_loss_may_be_zero_or_negative(store: Store, write: Write) -> None:
    path = write("run_id,N,D,accuracy,gain_loss\na,1e8,1e9,0,-1\n")
    store.ingest(path, metric="accuracy")
    assert store.query("SELECT loss, metric FROM runs_final")[1] == [(0.0, "accuracy")]
    mapping = Mapping.parse("[metrics]\ngain_loss = { column = 'gain_loss', kind = 'other' }")
    store.ingest(path, mapping)
    assert store.query("SELECT loss, metric FROM runs_final")[1] == [(-1.0, "gain_loss")]


def test_losses_that_were_only_guessed_are_usable_by_name_too(store: Store, write: Write) -> None:
    store.ingest(write("run_id,N,D,loss,val_loss\na,1e8,1e9,3,3.2\n"))
    assert store.query("SELECT val_loss - loss < 0.3 FROM runs_final")[1] == [(True,)]
    assert store.query(f"SELECT loss FROM ({store.runs_final_sql('val_loss')})")[1] == [(3.2,)]


def test_a_read_only_store_takes_nothing(tmp_path: Path, wide: Path) -> None:
    path = tmp_path / "s.duckdb"
    Store(path).close()
    before = path.read_bytes()
    with Store(path, read_only=True) as store, pytest.raises(StoreError, match="open for reading only"):
        store.ingest(wide)
    assert path.read_bytes() == before


def test_a_plan_can_be_written_into_several_stores(wide: Path) -> None:
    plan: IngestPlan = plan_ingest(wide)
    with Store() as one, Store() as two:
        assert write_plan(one, plan).source_id == write_plan(two, plan).source_id == plan.source_id


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    values=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 20), st.floats(0.5, 20) | st.sampled_from([math.nan, math.inf])),
        min_size=1,
        max_size=40,
    )
)
@pytest.mark.slow
def test_the_loss_is_that_of_the_last_step_whatever_the_log(
    tmp_path: Path, values: list[tuple[int, int, float]]
) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"run": f"r{run}", "step": step, "N": 1e8, "D": 1e9, "loss": v}) for run, step, v in values
        )
    )
    last: dict[str, tuple[int, float]] = {}
    for run, step, value in values:
        if step >= last.get(f"r{run}", (-1, 0.0))[0]:
            last[f"r{run}"] = (step, value)
    with Store() as store:
        store.ingest(path)
        _, rows = store.query("SELECT run_id, step, loss, loss_status FROM runs_final ORDER BY run_id")
    assert rows == [
        (run, step, value if math.isfinite(value) else None, "ok" if math.isfinite(value) else str(value))
        for run, (step, value) in sorted(last.items())
    ]
