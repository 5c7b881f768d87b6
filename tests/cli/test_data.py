"""scaling ingest, ls, show, rm: what goes in, what is there, what goes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

LOG = "run_id,N,D,loss,tag\na,1e8,2e9,3.5,x\nb,2e8,4e9,3.25,y\n"
LONG = "run,step,tokens,params,loss\nr,0,0,1e7,10.8\nr,100,1e8,1e7,4.5\nr,200,2e8,1e7,4.25\n"


class TestIngest:
    def test_reports_what_it_did(self, write: Any, ok: Any) -> None:
        answer = ok("ingest", write("runs.csv", LOG))
        assert answer.row["status"] == "ingested"
        assert (answer.row["n_runs"], answer.row["n_rows"], answer.row["n_refused"]) == (2, 2, 0)
        assert "2 runs from 2 rows" in answer.err
        assert "n_params <- N" in answer.err

    def test_twice_changes_nothing_and_says_so(self, write: Any, ok: Any) -> None:
        log = write("runs.csv", LOG)
        ok("ingest", log)
        before = ok("sql", "SELECT * FROM runs").rows, ok("sql", "SELECT count(*) AS n FROM audit").rows
        answer = ok("ingest", log)
        assert answer.row["status"] == "unchanged"
        assert "unchanged" in answer.err
        assert (ok("sql", "SELECT * FROM runs").rows, ok("sql", "SELECT count(*) AS n FROM audit").rows) == before

    def test_a_file_that_grew(self, write: Any, ok: Any) -> None:
        ok("ingest", write("runs.csv", LOG))
        row = ok("ingest", write("runs.csv", LOG + "c,4e8,8e9,3,z\n")).row
        assert (row["status"], row["n_runs"], row["n_replaced"]) == ("replaced", 3, 2)
        assert [run["run_id"] for run in ok("ls").rows] == ["a", "b", "c"]

    def test_several_files(self, write: Any, ok: Any) -> None:
        rows = ok("ingest", write("runs.csv", LOG), write("long.csv", LONG)).rows
        assert [(Path(row["path"]).name, row["n_runs"], row["n_rows"]) for row in rows] == [
            ("runs.csv", 2, 2),
            ("long.csv", 1, 3),
        ]
        assert len(ok("ls").rows) == 3

    def test_what_was_finished_stays_when_a_later_file_is_bad(self, write: Any, run: Any, ok: Any) -> None:
        answer = run("ingest", write("runs.csv", LOG), write("empty.csv", ""))
        assert answer.code == 4
        assert "2 runs from 2 rows" in answer.err
        assert "empty.csv is empty" in answer.err
        assert len(ok("ls").rows) == 2

    def test_dry_run_writes_nothing(self, write: Any, ok: Any, tmp_path: Path) -> None:
        answer = ok("ingest", write("long.csv", LONG), "--dry-run")
        assert answer.row["n_tokens"] == 2e8
        assert answer.row["loss"] == 4.25
        assert "1 runs in 3 rows, long form; nothing is written" in answer.err
        assert not list(tmp_path.glob("*.duckdb*"))

    def test_dry_run_of_several_files_is_one_list(self, write: Any, ok: Any) -> None:
        answer = ok("ingest", write("runs.csv", LOG), write("long.csv", LONG), "--dry-run")
        assert [row["run_id"] for row in answer.rows] == ["a", "b", "r"]

    def test_a_mapping(self, write: Any, ok: Any) -> None:
        log = write("odd.csv", "id,size_M,seen_B,val\na,100,2,3.5\n")
        mapping = write(
            "map.toml",
            '[columns]\nrun_id = "id"\nN = "size_M * 1e6"\nD = "seen_B * 1e9"\n'
            '[constants]\ncorpus = "web"\n[metrics]\nloss = { column = "val", unit = "nats/token" }\n',
        )
        ok("ingest", log, "--mapping", mapping)
        row = ok("ls").row
        assert (row["n_params"], row["n_tokens"], row["loss"], row["corpus"]) == (1e8, 2e9, 3.5, "web")
        assert row["compute_flop"] == pytest.approx(6 * 1e8 * 2e9)
        [metric] = ok("ls", "--what", "metrics").rows
        assert (metric["metric"], metric["unit"], metric["n_runs"]) == ("loss", "nats/token", 1)

    def test_runs_of_another_file_are_taken_over_only_when_asked(self, write: Any, ok: Any, refused: Any) -> None:
        ok("ingest", write("runs.csv", LOG))
        other = write("other.csv", LOG.replace("3.5", "3.75"))
        assert "--replace" in refused(4, "ingest", other).err
        assert ok("ingest", other, "--replace").row["n_replaced"] == 2
        assert ok("ls").rows[0]["loss"] == 3.75

    def test_the_store_comes_from_the_environment(
        self, write: Any, ok: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SCALING_DB", "elsewhere.duckdb")
        ok("ingest", write("runs.csv", LOG))
        assert [path.name for path in tmp_path.glob("*.duckdb")] == ["elsewhere.duckdb"]
        ok("ingest", write("runs.csv", LOG), "--db", "named.duckdb")  # the option goes before
        assert len(ok("ls", "--db", "named.duckdb").rows) == 2

    def test_a_store_in_the_home_folder(
        self, write: Any, ok: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "home").mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("SCALING_DB", "~/runs.duckdb")  # which no shell has expanded
        ok("ingest", write("runs.csv", LOG))
        assert (tmp_path / "home" / "runs.duckdb").exists()
        assert len(ok("ls").rows) == 2

    @pytest.mark.parametrize("name", ["", ":memory:"])
    def test_a_store_that_would_vanish_is_refused(self, name: str, write: Any, refused: Any) -> None:
        assert "a store is a file" in refused(2, "ingest", write("runs.csv", LOG), "--db", name).err

    def test_diverged_runs_keep_their_status(self, store: Path, ok: Any) -> None:
        rows = ok("sql", "SELECT run_id, loss, loss_status FROM runs_final WHERE loss_status <> 'ok' ORDER BY 1").rows
        assert rows == [
            {"run_id": "code-50", "loss": None, "loss_status": "inf"},
            {"run_id": "web-50", "loss": None, "loss_status": "nan"},
        ]


class TestLs:
    def test_runs_are_cut_and_that_is_said(self, store: Path, ok: Any) -> None:
        answer = ok("ls", "--limit", "7")
        assert len(answer.rows) == 7
        assert "The first 7" in answer.err
        assert "--limit" in answer.err

    def test_nothing_is_said_where_nothing_is_cut(self, store: Path, ok: Any) -> None:
        answer = ok("ls", "--limit", "60")
        assert len(answer.rows) == 60
        assert answer.err == ""

    def test_unasked_a_program_gets_all_and_people_get_50(self, store: Path, ok: Any) -> None:
        assert len(ok("ls").rows) == len(ok("ls", "--format", "csv").table) == 60
        answer = ok("ls", "--format", "table")
        assert len(answer.out.splitlines()) == 52
        assert "The first 50" in answer.err

    def test_sources(self, store: Path, ok: Any) -> None:
        row = ok("ls", "--what", "sources").row
        assert (Path(row["uri"]).name, row["format"], row["n_runs"], row["n_refused"]) == ("runs.csv", "csv", 60, 0)

    def test_sizes_are_written_the_way_the_field_does(self, store: Path, ok: Any) -> None:
        table = ok("ls", "--format", "table").out
        assert "20M" in table
        assert "500M" in table
        assert "100B" in table

    def test_nothing_of_that_name(self, store: Path, refused: Any) -> None:
        assert "Did you mean 'sources'?" in refused(2, "ls", "--what", "source").err


class TestShow:
    def test_a_run(self, store: Path, ok: Any) -> None:
        row = ok("show", "web-00").row
        assert (row["run_id"], row["corpus"], row["n_params"], row["warm"]) == ("web-00", "web", 2e7, True)
        text = ok("show", "web-00", "--format", "table").out
        assert ["n_params", "20M"] in [line.split() for line in text.splitlines()]

    def test_other_metrics_of_a_run(self, write: Any, ok: Any) -> None:
        ok("ingest", write("two.csv", "run_id,N,D,loss,val_loss\na,1e8,2e9,3.5,nan\n"), "--metric", "loss")
        assert ok("show", "a").row["metrics"] == {"loss": 3.5, "val_loss": "nan"}

    def test_a_fit(self, store: Path, ok: Any) -> None:
        assert ok("show", "web").row["name"] == "web"
        assert "60 iid bootstrap replicates" in ok("show", "WEB", "--format", "table").out
        assert ok("show", "latest").row["name"] == "curve"

    def test_a_fit_by_its_identifier(self, store: Path, ok: Any) -> None:
        fit_id = ok("show", "web").row["fit_id"]
        assert ok("show", fit_id).row["name"] == "web"

    @pytest.mark.parametrize(("name", "near"), [("webb-00", "web-00"), ("curv", "curve")])
    def test_the_nearest_name(self, name: str, near: str, store: Path, refused: Any) -> None:
        err = refused(2, "show", name).err
        assert f"no run and no fit '{name}'" in err
        assert f"Did you mean '{near}'?" in err


class TestRm:
    def test_a_run(self, store: Path, ok: Any, query: Any) -> None:
        answer = ok("rm", "run", "web-00")
        assert answer.rows == [{"removed": "run", "name": "web-00"}]
        assert "1 logged value" in answer.err
        assert query("SELECT count(*) FROM runs WHERE run_id = 'web-00'") == [(0,)]
        assert query("SELECT count(*) FROM metrics WHERE run_id = 'web-00'") == [(0,)]
        assert ("remove", "run", "web-00") in query("SELECT event, object_kind, object_id FROM audit")

    def test_a_source(self, store: Path, ok: Any, query: Any) -> None:
        source_id = ok("ls", "--what", "sources").row["source_id"]
        assert "60 runs" in ok("rm", "source", source_id).err
        assert query("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM metrics)") == [(0, 0)]
        assert ("remove", "source", source_id) in query("SELECT event, object_kind, object_id FROM audit")

    def test_a_source_by_its_path(self, write: Any, ok: Any) -> None:
        ok("ingest", write("runs.csv", LOG))
        assert "2 runs" in ok("rm", "source", "runs.csv").err
        assert ok("ls").rows == []

    def test_a_fit_and_its_macro(self, store: Path, ok: Any, query: Any, refused: Any) -> None:
        ok("forecast", "web", "--params", "1B", "--tokens", "1B", "--save")
        fit_id = ok("show", "web").row["fit_id"]
        ok("rm", "fit", "WEB")
        for table in ("fits", "fit_replicates", "predictions"):
            assert query(f"SELECT count(*) FROM {table} WHERE fit_id = '{fit_id}'") == [(0,)]
        assert "web" in refused(2, "sql", "SELECT web(1e9, 1e10)").err
        events = query(f"SELECT event, detail FROM audit WHERE object_kind = 'fit' AND object_id = '{fit_id}'")
        assert events[-1][0] == "remove"
        assert json.loads(events[-1][1])["name"] == "web"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["runs", "a"], "Did you mean 'run'?"),
            (["run", "web-000"], "Did you mean 'web-00'?"),
            (["source", "f00"], "There are:"),
            (["fit", "wep"], "Did you mean 'web'?"),
            (["fit"], "Missing argument"),
        ],
    )
    def test_nothing_of_that_name(self, words: list[str], said: str, store: Path, refused: Any) -> None:
        assert said in refused(2, "rm", *words).err

    def test_a_fit_outlives_its_runs(self, store: Path, ok: Any) -> None:
        before = ok("forecast", "web", "--params", "70B", "--tokens", "1.4T").out
        ok("rm", "run", "web-00")
        assert ok("forecast", "web", "--params", "70B", "--tokens", "1.4T").out == before
