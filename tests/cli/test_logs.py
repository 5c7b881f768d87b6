"""The commands around logs: ingest of directories, formats, show, set, doctor and watch, with their exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.db.goldens.api import go_on, wandb_stand_in
from tests.db.made_logs import ask, rewrite, trainer_state
from tests.db.writers.binary import tfevents
from tests.db.writers.made import Made

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
CONFIG = {
    "model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 2, "vocab_size": 100, "n_positions": 32,
}  # fmt: skip
N = 2 * (12 * 64 * 64 + 13 * 64) + 2 * 64 + 64 * 132


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A directory with two states of a trainer, a text log, a table, and something else; one stands in it."""
    folder = tmp_path / "runs"
    for name, losses in (("small", [3.0, 2.5, 2.25]), ("large", [3.0, 2.25, 2.0])):
        trainer_state(folder / name, losses)
        (folder / name / "config.json").write_text(json.dumps(CONFIG))
    shutil.copy(LOGS / "nanotron" / "train.log", folder / "text.log")
    (folder / "table.csv").write_text("run_id,N,D,loss\nt1,1e8,2e9,3.5\n")
    (folder / "vocabulary.csv").write_text("word,count\na,3\n")
    (folder / "notes.txt").write_text("nothing\n")
    return folder


def keys_in_docs(command: str) -> list[str]:
    """Keys that the documentation names for a command."""
    text = (Path(__file__).parents[2] / "docs" / "ingest.md").read_text(encoding="utf-8")
    [line] = [line for line in text.splitlines() if line.startswith(f"| {command} |")]
    return line.split("`")[-2].split()


def test_a_directory_goes_in_and_again_changes_nothing(runs, run) -> None:
    done = run("ingest", "runs", "--format", "json")
    assert done.code == 0
    assert {Path(row["path"]).name: row["status"] for row in done.rows} == dict.fromkeys(
        ("table.csv", "text.log", "small", "large"), "ingested"
    )
    [small] = [row for row in done.rows if Path(row["path"]).name == "small"]
    assert small.keys() == {
        "source_id", "path", "format", "status", "n_runs", "n_values", "n_scores", "n_refused", "n_new", "n_grown",
        "n_unchanged", "n_removed", "metric",
    }  # fmt: skip
    assert list(small) == keys_in_docs("`ingest` of logs")
    [table] = [row for row in done.rows if Path(row["path"]).name == "table.csv"]
    assert list(table) == keys_in_docs("`ingest` of tables")
    assert (small["format"], small["n_runs"], small["metric"]) == ("hf_trainer", 1, "loss")
    assert "left out: 2 files of no known format" in done.err
    assert "1 of them is a table that cannot be read without its columns being named: --mapping TOML." in done.err
    assert "n_params <- config num_hidden_layers" not in done.err
    assert "n_params <- config n_layer, config n_embd, config vocab_size" in done.err
    assert "counted by the shape of a gpt2 model" in done.err
    again = run("ingest", "runs", "--format", "json")
    assert again.code == 0
    assert {row["status"] for row in again.rows} == {"unchanged"}


def test_a_look_ahead_writes_nothing(runs, run) -> None:
    done = run("ingest", "runs/small", "--dry-run", "--format", "json")
    assert done.code == 0
    assert done.rows[0]["run_id"] == "small"
    assert list(done.rows[0]) == keys_in_docs("`ingest --dry-run` of logs")
    table = run("ingest", "runs/table.csv", "--dry-run", "--format", "json")
    assert list(table.rows[0]) == keys_in_docs("`ingest --dry-run` of tables")
    assert done.rows[0]["n_params"] == N
    assert done.rows[0]["loss"] == 2.25
    assert not Path("scaling.duckdb").exists()


def test_what_fails_is_told_and_the_rest_goes_in(runs, run) -> None:
    (runs / "broken").mkdir()
    rewrite(runs / "broken" / "trainer_state.json", '{"global_step": 1, "log_history": 3}')
    done = run("ingest", "runs", "--format", "json")
    assert done.code == 4
    assert len(done.rows) == 4
    assert done.err.splitlines()[-2].startswith("failed: runs/broken")
    assert "1 source could not be read; see above. The rest was." in done.err


def test_what_could_be_two_things_is_named_once(runs, run) -> None:
    parts = [
        (LOGS / name / file).read_text() for name, file in (("nanotron", "train.log"), ("megatron", "megatron.log"))
    ]
    (runs / "all.log").write_text("".join(parts))
    done = run("ingest", "runs", "--format", "json")
    assert done.code == 4
    assert "failed: runs/all.log could be of several formats:" in done.err
    assert done.err.count("runs/all.log") == 1


def test_one_format_alone(runs, run) -> None:
    done = run("ingest", "runs", "--format", "nanotron", "--format", "json")
    assert [row["format"] for row in done.rows] == ["nanotron"]
    assert "left out: 7 files of another format than nanotron: " in done.err
    assert run("ingest", "runs", "--format", "nanotrom").code == 2
    assert run("ingest", "runs", "--format", "nanotron", "--format", "megatron").code == 2
    assert run("ingest", "runs/table.csv", "--format", "nanotron", "--mapping", "m.toml").code == 2
    nothing = run("ingest", "runs/small", "--format", "megatron")
    assert nothing.code == 4
    assert "Nothing below these paths is of the format megatron." in nothing.err


def test_there_is_nothing(tmp_path, run) -> None:
    (tmp_path / "empty").mkdir()
    assert run("ingest", "empty").code == 4
    assert run("ingest", "nowhere").code == 4
    (tmp_path / "a.bin").write_bytes(b"\0\1")
    assert run("ingest", "a.bin").code == 4


def test_an_address_is_shown_as_it_was_written(run, monkeypatch) -> None:
    wandb_stand_in(monkeypatch)
    done = run("ingest", "wandb://lab/ladder", "--format", "json")
    assert (done.code, [(row["path"], row["status"]) for row in done.rows]) == (0, [("wandb://lab/ladder", "ingested")])
    assert "wandb://lab/ladder: wandb-api, 2 runs" in done.err
    assert "wandb:/l" not in done.err
    assert ask("scaling.duckdb", "SELECT uri FROM sources") == [("wandb://lab/ladder",)]
    again = run("ingest", "wandb://lab/ladder", "--format", "json")
    assert [(row["path"], row["status"]) for row in again.rows] == [("wandb://lab/ladder", "unchanged")]


def test_an_address_is_watched(run, monkeypatch) -> None:
    wandb_stand_in(monkeypatch)
    done = run("watch", "wandb://lab/ladder", "--every", "0.1", "--looks", "2", "--format", "json")
    assert [(row["look"], row["status"], row["n_runs"]) for row in done.rows] == [(1, "ingested", 2)]
    assert "is gone" not in done.err
    go_on(Path())
    done = run("watch", "wandb://lab/ladder", "--every", "0.1", "--looks", "2", "--format", "json")
    assert [(row["look"], row["status"], row["n_grown"]) for row in done.rows] == [(1, "replaced", 1)]


def test_parts_of_a_run_that_lie_beside_each_other_are_said_to_be_runs(tmp_path, run) -> None:
    places = ["a/train", "a/validation", "b/eval", "b/train", "c/train", "c/best", "d", "d/train", "d/val", "e/val"]
    for i, place in enumerate(places):
        (tmp_path / "exp" / place).mkdir(parents=True, exist_ok=True)
        tfevents(tmp_path / "exp" / place, [Made("", [(step, {"loss": 3.0 + i - step}) for step in range(2)])])
    done = run("ingest", "exp", "--format", "json")
    assert (done.code, len(done.rows)) == (0, 10)
    [note] = [line for line in done.err.splitlines() if " are runs of their own here." in line]
    assert note.startswith("note: a/train and a/validation, and parts of the same kind in 1 more directory, are runs")
    assert note.endswith(""": --where "run_id LIKE '%/validation'\"""")
    assert ask("scaling.duckdb", "SELECT count(*) FROM runs WHERE run_id LIKE '%/validation'") == [(1,)]
    for place in ("exp/c", "exp/d", "exp/e"):
        assert "runs of their own" not in run("ingest", place, "--dry-run").err
    alone = run("ingest", "exp/b", "--dry-run").err
    assert "note: eval and train are runs of their own here." in alone
    assert """--where "run_id LIKE 'eval'\"""" in alone


def test_formats_are_listed(run) -> None:
    rows = run("formats", "--format", "json").rows
    assert {"wandb", "tensorboard", "mlflow", "nanotron", "run-table"} <= {row["format"] for row in rows}
    assert rows[0].keys() == {"format", "what", "reads", "leaves_out", "tried"}


def test_facts_are_shown_set_and_taken_back(runs, run) -> None:
    run("ingest", "runs")
    [before] = run("show", "small", "--format", "json").rows
    facts = {one["fact"]: one for one in before["facts"]}
    assert facts["n_params"]["value"] == N
    assert facts["learning_rate"]["rule"].startswith("missing: ")
    done = run("set", "small", "n_params=124M", "D=1.5B", "corpus=c4", "--format", "json")
    assert done.rows == [
        {"run_id": "small", "fact": "n_params", "before": N, "after": 124e6},
        {"run_id": "small", "fact": "n_tokens", "before": None, "after": 1.5e9},
        {"run_id": "small", "fact": "corpus", "before": None, "after": "c4"},
    ]
    text = run("show", "small", "--format", "table").out
    assert "why n_params" in text
    assert "set by hand on" in text
    [shown] = run("show", "small", "--format", "json").rows
    assert (shown["n_params"], shown["n_tokens"], shown["corpus"]) == (124e6, 1.5e9, "c4")
    assert run("set", "small", "n_params=").code == 0
    assert run("show", "small", "--format", "json").rows[0]["n_params"] == N
    assert (
        ask("scaling.duckdb", "SELECT event, object_id FROM audit WHERE object_kind = 'run'") == [("set", "small")] * 2
    )
    for words in (
        ["small", "n_params"],
        ["small", "n_params=x"],
        ["small", "tag=1", "tag=2"],
        ["small", "loss=3"],
        ["smal", "N=1M"],
    ):
        assert run("set", *words).code == 2
    assert run("set", "small", "N=1M", "--db", "other.duckdb").code == 3


def test_a_metric_that_no_run_has_takes_no_loss_away(runs, run) -> None:
    run("ingest", "runs")
    losses = ask("scaling.duckdb", "SELECT run_id, metric, loss FROM runs_final ORDER BY 1")
    assert all(loss is not None for _, _, loss in losses)
    done = run("ingest", "runs/text.log", "runs/large", "--metric", "nosuch")
    assert done.code == run("ingest", "runs/text.log", "runs/large", "--metric", "nosuch").code == 2
    assert "No run of what was read has a metric 'nosuch'" in done.err
    assert "for 'nosuch' is not in it" in done.err
    assert ask("scaling.duckdb", "SELECT run_id, metric, loss FROM runs_final ORDER BY 1") == losses
    for _ in range(2):
        assert run("ingest", "runs/text.log", "runs/large", "--metric", "lm_loss").code == 0


def test_the_doctor_finds_and_fails_where_asked(runs, run) -> None:
    assert run("doctor").code == 3
    run("ingest", "runs/table.csv")
    well = run("doctor", "--format", "json", "--fail-on", "odd")
    assert (well.code, well.rows) == (0, [])
    assert "Nothing is wrong or odd" in well.err
    run("ingest", "runs")
    found = run("doctor", "--format", "json")
    assert found.code == 0
    assert found.rows[0].keys() == {"check", "severity", "count", "what", "names", "remedy"}
    assert {row["check"] for row in found.rows} >= {"runs without D", "losses of few digits"}
    assert run("doctor", "--fail-on", "odd").code == 1
    assert run("doctor", "--fail-on", "wrong").code == 0
    assert run("doctor", "--fail-on", "all").code == 2


def test_watch_looks_and_ends(runs, run) -> None:
    done = run("watch", "runs", "--looks", "2", "--every", "0.1", "--format", "json")
    assert done.code == 0
    assert {(row["look"], row["status"]) for row in done.rows} == {(1, "ingested")}
    assert sorted(row["format"] for row in done.rows) == [
        "hf_trainer", "hf_trainer", "nanotron", "run-table",
    ]  # fmt: skip
    assert "watching 4 sources" in done.err
    alone = run("watch", "runs", "--looks", "1", "--format", "nanotron", "--format", "json", "--db", "n.duckdb")
    assert [row["format"] for row in alone.rows] == ["nanotron"]
    assert run("watch", "nowhere", "--looks", "1").code == 4


def test_losses_of_three_digits_are_left_out_of_a_fit(tmp_path, run) -> None:
    rows = [f"r{i}{j},{n},{d},{1.7 + 400 / n**0.34 + 410 / d**0.28}" for i, n in enumerate((1e7, 3e7, 1e8, 3e8))
            for j, d in enumerate((1e9, 3e9, 1e10, 3e10))]  # fmt: skip
    Path("t.csv").write_text("\n".join(["run_id,N,D,loss", *rows]))
    run("ingest", "t.csv")
    from db.store import Store

    with Store("scaling.duckdb") as store:
        store.query("UPDATE metrics SET significant_digits = 3 WHERE run_id IN ('r00', 'r11')")
    quick = ("--bootstrap", "0", "--format", "json", "--name", "f", "--replace")
    fine, coarse = run("fit", "chinchilla", *quick), run("fit", "chinchilla", *quick, "--coarse")
    assert (fine.code, coarse.code) == (0, 0)
    assert fine.row["n_obs"] == 14
    assert coarse.row["n_obs"] == 16
    assert "the loss was printed with three digits or fewer (--coarse takes it)" in json.dumps(fine.row) + fine.err
    assert run("verify", "f").code == 0


def test_of_many_logs_what_is_the_same_is_told_once(runs, run) -> None:
    for i in range(20):
        trainer_state(runs / f"more-{i}", [3.0, 2.0 + i / 100])
    done = run("ingest", "runs", "--format", "json")
    assert done.code == 0
    assert len(done.rows) == 24
    assert "hf_trainer: ingested (22 logs)" in done.err
    assert "note: Shown as the loss: loss (by its name). (22 logs)" in done.err
    [sizes] = [line for line in done.err.splitlines() if line.startswith("  n_params is missing: ")]
    assert sizes.endswith(" (20 logs, such as more-0, more-1, more-10)")
    assert len(done.err.splitlines()) < 45


def test_a_run_of_a_table_that_is_taken_is_no_unknown_file(runs, run) -> None:
    run("ingest", "runs/table.csv")
    shutil.copy(runs / "table.csv", runs / "zwei.csv")
    (runs / "zwei.csv").write_text("run_id,N,D,loss\nt1,1e8,2e9,3.25\n")
    done = run("ingest", "runs", "--format", "json")
    assert done.code == 4
    assert "failed: Run 't1' of" in done.err
