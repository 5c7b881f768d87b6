"""The tables, their comments and rules, and the views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from db import migrations
from db.store import Store
from scaling.errors import StoreError, UsageError

TABLES = {
    "sources", "datasets", "models", "runs", "metric_defs", "metrics", "evals", "fits", "fit_replicates",
    "predictions", "audit", "schema_version", "fit_rows", "known_runs", "example_sets", "examples", "example_losses",
    "valuation_defs", "valuations", "valuation_shards", "subsets", "subset_members", "appraisal_defs", "appraisals",
    "run_logs", "run_facts", "corrections", "source_files",
}  # fmt: skip


def test_tables_and_views_are_all_there(store: Store) -> None:
    _, tables = store.query("SELECT table_name FROM duckdb_tables() WHERE NOT internal")
    assert {name for (name,) in tables} == TABLES
    _, views = store.query("SELECT view_name FROM duckdb_views() WHERE NOT internal")
    assert {name for (name,) in views} == {
        "runs_final", "runs_wide", "frontier", "fit_latest", "scores", "ranked_examples", "chosen_examples",
    }  # fmt: skip


def test_every_table_view_and_column_has_a_comment(store: Store, wide: Path, long: Path) -> None:
    store.ingest(wide)
    store.ingest(long, metric="loss")
    for sql in (
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND (comment IS NULL OR comment = '')",
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND (comment IS NULL OR comment = '')",
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND coalesce(comment, '') = ''",
    ):
        assert store.query(sql)[1] == []


def test_numbers_have_their_unit_in_the_comment(store: Store) -> None:
    _, rows = store.query(
        "SELECT table_name || '.' || column_name, comment FROM duckdb_columns() WHERE NOT internal AND data_type IN "
        "('DOUBLE', 'BIGINT', 'INTEGER', 'SMALLINT') AND table_name NOT IN ('schema_version', 'frontier', 'fit_latest')"
    )
    plain = {"fits.seed", "fit_replicates.replicate"}
    lacking = [name for name, comment in rows if "unit" not in comment and name not in plain]
    assert lacking == []


@pytest.mark.parametrize(
    ("value", "status", "fine"),
    [
        (2.5, "ok", True),
        (None, "nan", True),
        (None, "missing", True),
        (None, "ok", False),
        (2.5, "nan", False),
        (float("nan"), "ok", False),
        (float("inf"), "ok", False),
        (None, "diverged", False),
    ],
)
def test_a_value_is_null_exactly_when_its_status_is_not_ok(
    store: Store, value: float | None, status: str, fine: bool
) -> None:
    insert = "INSERT INTO metrics (run_id, metric, step, value, value_status) VALUES ('a', 'loss', 1, ?, ?)"
    if fine:
        store.query(insert, [value, status])
        assert store.query("SELECT count(*) FROM metrics WHERE value_status = ?", [status])[1] == [(1,)]
    else:
        with pytest.raises(UsageError, match="CHECK constraint"):
            store.query(insert, [value, status])


def test_runs_final_of_a_wide_log(store: Store, wide: Path) -> None:
    store.ingest(wide)
    columns, rows = store.query("SELECT * FROM runs_final ORDER BY run_id")
    assert columns[:12] == [
        "run_id", "name", "n_params", "n_tokens", "compute_flop", "loss", "loss_status", "step", "metric", "corpus",
        "compute_rule", "source_id",
    ]  # fmt: skip
    assert columns[12:] == ["excluded", "lr", "tag"]
    assert rows[0][:11] == ("a", None, 1e8, 2e9, 1.2e18, 3.5, "ok", None, "loss", None, "given")
    assert rows[0][12:] == (True, 0.001, "x")
    assert rows[2][12:] == (False, 0.002, None)
    _, types = store.query("DESCRIBE runs_final")
    assert {row[0]: row[1] for row in types if row[0] in ("excluded", "lr", "tag")} == {
        "excluded": "BOOLEAN",
        "lr": "DOUBLE",
        "tag": "VARCHAR",
    }
    assert store.query("SELECT run_id FROM runs_final WHERE NOT excluded AND lr > 0.001 ORDER BY loss")[1] == [
        ("c",),
        ("b",),
    ]


def test_runs_final_takes_the_last_step_and_never_hides_that_it_diverged(store: Store, long: Path) -> None:
    store.ingest(long, metric="loss")
    _, rows = store.query(
        "SELECT run_id, n_params, n_tokens, compute_flop, compute_rule, loss, loss_status, step FROM runs_final "
        "ORDER BY run_id"
    )
    assert rows == [
        ("r1", 1e7, 2e8, 6 * 1e7 * 2e8, "6ND", 3.9, "ok", 200),
        ("r2", 2e7, 2e8, 6 * 2e7 * 2e8, "6ND", None, "nan", 200),
    ]


def test_runs_final_of_another_metric_has_its_own_last_step(store: Store, long: Path) -> None:
    store.ingest(long, metric="loss")
    sql = store.runs_final_sql("val_loss")
    _, rows = store.query(f"SELECT run_id, loss, step, n_tokens, metric FROM ({sql}) ORDER BY run_id")
    assert rows == [("r1", 4.3, 100, 1e8, "val_loss"), ("r2", 4.0, 100, 1e8, "val_loss")]
    assert store.query(f"SELECT * FROM ({store.runs_final_sql()}) ORDER BY run_id") == store.query(
        "SELECT * FROM runs_final ORDER BY run_id"
    )
    with pytest.raises(UsageError, match=r"has the metric 'vall_loss'.\nDid you mean 'val_loss'"):
        store.runs_final_sql("vall_loss")


def test_a_run_without_the_metric_is_shown_as_missing(store: Store, wide: Path, long: Path) -> None:
    store.ingest(wide)
    store.ingest(long, metric="loss")
    _, rows = store.query(
        f"SELECT run_id, loss_status FROM ({store.runs_final_sql('val_loss')}) WHERE loss IS NULL ORDER BY 1"
    )
    assert rows == [("a", "missing"), ("b", "missing"), ("c", "missing")]


def test_metric_names_are_quoted(store: Store, write: Callable[..., Path]) -> None:
    name = 'it\'s {kept} "loss"'
    path = write(f'run_id,N,D,"{name.replace(chr(34), chr(34) * 2)}"\na,1e8,1e9,3\n')
    store.ingest(path, metric=name)
    assert store.query("SELECT run_id, loss, metric FROM runs_final")[1] == [("a", 3.0, name)]
    assert store.query(f"SELECT loss FROM ({store.runs_final_sql(name)})")[1] == [(3.0,)]
    assert name in store.query("SELECT * FROM runs_wide")[0]


def test_awkward_names_of_kept_columns(store: Store, write: Callable[..., Path]) -> None:
    header = 'run_id,N,D,loss,eval/c4~x,"say ""hi""",Step count,LR,lr,metric,{metric}'
    store.ingest(write(f"{header}\na,1e8,1e9,3,1,2,3,4,5,6,7\n"))
    columns, rows = store.query("SELECT * EXCLUDE (run_id, name, n_params, n_tokens, compute_flop) FROM runs_final")
    kept = dict(zip(columns[7:], rows[0][7:], strict=True))
    assert kept == {
        "eval/c4~x": 1,
        'say "hi"': 2,
        "Step count": 3,
        "LR": 4,
        "lr_2": 5,
        "metric_2": 6,
        "{metric}": 7,
    }
    assert [column.key for column in store.kept_columns() if column.name == "lr_2"] == ["lr"]


def test_the_type_of_a_kept_column_widens_with_the_sources(store: Store, write: Callable[..., Path]) -> None:
    store.ingest(write("run_id,N,D,loss,x,y\na,1e8,1e9,3,1,true\n", "one.csv"))
    assert {column.name: column.sql_type for column in store.kept_columns()} == {"x": "BIGINT", "y": "BOOLEAN"}
    store.ingest(write("run_id,N,D,loss,x,y\nb,1e8,1e9,3,2.5,maybe\n", "two.csv"))
    assert {column.name: column.sql_type for column in store.kept_columns()} == {"x": "DOUBLE", "y": "VARCHAR"}
    assert store.query("SELECT x, y FROM runs_final ORDER BY run_id")[1] == [(1.0, "true"), (2.5, "maybe")]


def test_a_kept_number_that_is_not_finite_stays_one(store: Store, write: Callable[..., Path]) -> None:
    store.ingest(write("run_id,N,D,loss,noise\na,1e8,1e9,3,nan\nb,1e8,1e9,3,-inf\nc,1e8,1e9,3,2\nd,1e8,1e9,3,\n"))
    _, rows = store.query("SELECT run_id, CAST(noise AS VARCHAR) FROM runs_final ORDER BY run_id")
    assert rows == [("a", "nan"), ("b", "-inf"), ("c", "2.0"), ("d", None)]


def test_runs_wide_has_a_column_a_metric(store: Store, long: Path) -> None:
    store.ingest(long, metric="loss")
    assert store.query("SELECT run_id, loss, val_loss FROM runs_wide ORDER BY run_id")[1] == [
        ("r1", 3.9, 4.3),
        ("r2", None, 4.0),
    ]


def test_frontier_is_the_lower_envelope(store: Store, write: Callable[..., Path]) -> None:
    points = [("a", 1e18, 4.0), ("b", 2e18, 3.5), ("c", 2e18, 3.6), ("d", 3e18, 3.7), ("e", 4e18, 3.5), ("f", 5e18, 3)]
    rows = "".join(f"{run},1e8,1e9,{compute},{loss}\n" for run, compute, loss in points)
    store.ingest(write(f"run_id,N,D,C,loss\n{rows}g,1e8,1e9,6e18,nan\n"))
    assert store.query("SELECT run_id FROM frontier ORDER BY compute_flop, run_id")[1] == [
        ("a",),
        ("b",),
        ("e",),
        ("f",),
    ]


def test_fit_latest_shows_the_newest_fit_of_each_selection(store: Store) -> None:
    for number, (law, query) in enumerate([("chinchilla", "q1"), ("chinchilla", "q1"), ("chinchilla", "q2")]):
        store.query(
            "INSERT INTO fits (fit_id, name, kind, law, objective, verdict, query_sql, query_sha256, data_sha256, "
            "n_obs, excluded, config, fit, package_version, env, created_at) VALUES "
            "(?, ?, 'loss', ?, 'huber', 'ok', ?, ?, 'd', 3, '[]', '{}', '{}', '0', '{}', make_timestamp(?))",
            [f"id{number}", f"fit{number}", law, query, query, number * 1_000_000],
        )
    assert store.query("SELECT name FROM fit_latest ORDER BY name")[1] == [("fit1",), ("fit2",)]


def test_an_older_store_learns_when_its_runs_were_met(tmp_path: Path, wide: Path) -> None:
    """A store of version 2, whose log was read again after a fit and a back-test that name three of its runs."""
    path = tmp_path / "s.duckdb"
    with Store(path) as store:
        store.ingest(wide)
        for name, excluded in (("kept", '{"rows": [{"run_id": "b", "reason": "the loss is nan"}]}'), ("other", "[]")):
            store.query(
                "INSERT INTO fits (fit_id, name, kind, law, objective, verdict, query_sql, query_sha256, data_sha256, "
                "n_obs, excluded, config, fit, package_version, env, created_at) VALUES "
                "(?, ?, 'loss', 'l', 'huber', 'ok', 'q', 'q', 'd', 3, ?, '{}', '{}', '0', '{}', '2020-01-02')",
                [name, name, excluded],
            )
        store.query("INSERT INTO fit_rows VALUES ('replaced', 'a'), ('replaced', 'gone'), ('unknown', 'c')")
        store.query("INSERT INTO audit VALUES ('2020-01-03', 'fit', 'fit', 'replaced', '{}', '0')")
        store.query(
            "INSERT INTO predictions (fit_id, target, inputs, created_at, kind, run_id) VALUES "
            "('kept', 'loss', '{}', '2020-01-01', 'backtest', 'b'), "
            "('kept', 'loss', '{}', '2020-01-01', 'forecast', 'c')"
        )
        store.query("UPDATE sources SET imported_at = '2020-01-05'")
        store.query("DROP TABLE known_runs")
        store.query("DELETE FROM meta.schema_version WHERE version > 2")
    with pytest.raises(StoreError, match="older than version"):
        Store(path, read_only=True)
    with Store(path) as store:
        assert store.query("SELECT run_id, CAST(first_met_at AS DATE)::VARCHAR FROM known_runs ORDER BY run_id")[1] == [
            ("a", "2020-01-03"), ("b", "2020-01-01"), ("c", "2020-01-05"), ("gone", "2020-01-03"),
        ]  # fmt: skip
        assert migrations.stored_version(store.connection) == migrations.known_version()
        store.ingest(wide)
        assert store.query("SELECT count(*) FROM known_runs")[1] == [(4,)]


def test_an_older_store_keeps_models_and_results_that_were_written_by_hand(tmp_path: Path, wide: Path) -> None:
    """A store of version 3, in which somebody filled the tables that no release wrote to."""
    path = tmp_path / "s.duckdb"
    with Store(path) as store:
        store.ingest(wide)
        connection = store.connection
        for view in ("runs_final", "runs_wide", "frontier", "fit_latest", "scores"):
            connection.execute(f"DROP VIEW {view}").fetchall()
        schema = (Path(migrations.__file__).parent / "schema.sql").read_text(encoding="utf-8")
        for table in ("models", "evals"):
            connection.execute(f"DROP TABLE {table}").fetchall()
            start = schema.index(f"CREATE TABLE {table} (")
            connection.execute(schema[start : schema.index(";", start)]).fetchall()
        for column in ("n_models", "n_scores"):
            connection.execute(f"ALTER TABLE sources DROP COLUMN {column}").fetchall()
        store.query("DELETE FROM meta.schema_version WHERE version > 3")
        store.query("INSERT INTO models (model_id, family, n_params, param_count_rule) VALUES ('m', 'f', 7e9, 'total')")
        store.query("INSERT INTO evals (eval_id, model_id, task, metric, value) VALUES ('e', 'm', 't', 'acc', 0.5)")
    with Store(path) as store:
        assert migrations.stored_version(store.connection) == migrations.known_version()
        assert store.query("SELECT eval_id, model, task, score, score_unit, n_params, family, source_id FROM scores")[
            1
        ] == [("e", "m", "t", 0.5, "share", 7e9, "f", "by hand")]
        assert store.query("SELECT n_runs, n_models, n_scores FROM sources")[1] == [(3, 0, 0)]
        assert store.ingest(wide).status == "unchanged"
    with Store(path, read_only=True) as store:
        assert store.query("SELECT count(*) FROM runs_final")[1] == [(3,)]


def test_a_store_of_version_4_is_brought_up(tmp_path: Path, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:4])
        with Store(path) as store:
            store.ingest(wide)
            assert store.query("SELECT count(*) FROM duckdb_views() WHERE NOT internal")[1] == [(5,)]
    with pytest.raises(StoreError, match="schema version 4, older than version 7"):
        Store(path, read_only=True)
    with Store(path) as store:
        assert migrations.stored_version(store.connection) == 7
        assert store.ingest(wide).status == "unchanged"
        assert store.query("SELECT count(*) FROM ranked_examples")[1] == [(0,)]
    with Store(path, read_only=True) as store:
        assert store.query("SELECT count(*) FROM runs_final")[1] == [(3,)]
        assert {name for (name,) in store.query("SELECT table_name FROM duckdb_tables()")[1]} == TABLES


def test_a_table_of_somebody_else_is_never_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:4])
        with Store(path) as store:
            store.query("CREATE TABLE subsets AS SELECT 42 AS mine")
    with pytest.raises(StoreError, match=r"table 'subsets' that this package did not make(.|\n)*ALTER TABLE subsets"):
        Store(path)
    with duckdb.connect(f"duckdb:{path}") as plain:
        assert plain.execute("SELECT mine FROM subsets").fetchall() == [(42,)]
        plain.execute("ALTER TABLE subsets RENAME TO my_subsets").fetchall()
    with Store(path) as store:
        assert store.query("SELECT mine FROM my_subsets")[1] == [(42,)]


def test_scores_join_the_model_of_their_own_source(store: Store) -> None:
    for source, compute in (("s1", 1e21), ("s2", 1e22)):
        store.query(
            "INSERT INTO models (source_id, model_id, name, compute_flop) VALUES (?, 'm', 'M', ?)", [source, compute]
        )
        store.query(
            "INSERT INTO evals (eval_id, source_id, model_id, task, metric, value) VALUES (?, ?, 'm', 't', 'acc', 0.5)",
            [f"of {source}", source],
        )
    assert store.query("SELECT eval_id, log10_compute FROM scores ORDER BY 1")[1] == [("of s1", 21.0), ("of s2", 22.0)]
    with pytest.raises(UsageError, match="CHECK constraint"):
        store.query("INSERT INTO models (source_id, model_id, name, compute_flop) VALUES ('s3', 'm', 'M', 0)")
    with pytest.raises(UsageError, match="CHECK constraint"):
        store.query("INSERT INTO evals (eval_id, model_id, task, metric, value) VALUES ('x', 'm', 't', 'acc', 'nan')")
