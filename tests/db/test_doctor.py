"""Each check finds what it is for in a store that has it, and says nothing of one that has not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from db.corrections import correct
from db.doctor import Finding, examine, summary_of
from db.ingest_paths import find_sources
from db.readers.format import Field
from db.readers.found import RunFound, ScoreFound
from db.run_facts import facts_of
from db.store import Store
from tests.db.made_logs import made, read_in, rewrite, settle, trainer_state, values

GOOD = {"n_params": 1e6, "batch_tokens": 1e4, "learning_rate": 1e-3}


def run_of(key, losses=(3.0, 2.5, 2.0), steps=None, metric="loss", **more):
    """A run without anything odd."""
    config = GOOD | more.pop("config", {})
    config = {name: value for name, value in config.items() if value is not None}
    steps = range(100, 100 * len(losses) + 1, 100) if steps is None else steps
    return [RunFound(key, config=config, **more), values(metric, steps, losses, key)]


def examined(tmp_path: Path, *found) -> dict[str, Finding]:
    """What is found in a store of one log, by check."""
    db = tmp_path / "s.duckdb"
    read_in(db, made(tmp_path / "a.log", list(found)))
    return examined_at(db)


def examined_at(db: Path) -> dict[str, Finding]:
    with Store(str(db), read_only=True) as store:
        return {one.check: one for one in examine(store)}


def test_a_good_store_is_silent(tmp_path) -> None:
    found = examined(tmp_path, *run_of("a"), *run_of("b", (3.1, 2.6, 2.1), state="finished"))
    assert found == {}
    assert summary_of([]) == "Nothing is wrong or odd with what the store holds."


def test_an_empty_store_is_silent(tmp_path) -> None:
    with Store(str(tmp_path / "s.duckdb")) as store:
        assert examine(store) == []


@pytest.mark.parametrize(
    ("check", "severity", "run"),
    [
        ("runs without N", "odd", {"config": {"n_params": None}}),
        ("runs without D", "odd", {"config": {"batch_tokens": None}}),
        ("runs without a loss", "odd", {"metric": "accuracy"}),
        ("diverged runs", "odd", {"losses": (3.0, float("nan"))}),
        ("impossible values", "wrong", {"losses": (3.0, -1.0)}),
        ("impossible values", "wrong", {"losses": (3.0, 0.0)}),
        ("impossible values", "wrong", {"config": {"learning_rate": 5000}}),
        ("compute far from 6ND", "odd", {"config": {"compute_flop": 1e20}}),
        ("runs that go on", "odd", {"state": "running"}),
        ("sizes that were estimated", "odd",
         {"config": {"n_params": None, "n_layer": 2, "n_embd": 64, "vocab_size": 100}}),
        ("facts in doubt", "odd", {"config": {"model.num_params": 2e6}}),
    ],
)  # fmt: skip
def test_what_is_odd_with_a_run_is_found(tmp_path, check, severity, run) -> None:
    found = examined(tmp_path, *run_of("good"), *run_of("odd one", **run))
    assert found[check].severity == severity
    assert found[check].count == 1
    assert found[check].names[0].startswith("odd one")
    assert found[check].remedy


def test_runs_that_are_one_are_found(tmp_path) -> None:
    found = examined(tmp_path, *run_of("a"), *run_of("b"), *run_of("c", (3.0, 2.5, 2.01)))
    assert found.keys() == {"duplicate runs"}
    assert found["duplicate runs"].names == ("a = b",)


def test_losses_of_other_units_are_found(tmp_path) -> None:
    runs = [one for i in range(8) for one in run_of(f"r{i}", (3.0, 2.0 + i / 100))]
    assert examined(tmp_path, *runs) == {}
    sums = run_of("sum", (3000.0, 2000.0))
    assert examined(tmp_path / "b", *runs, *sums)["losses in other units"].names == ("sum",)


def test_perplexities_among_losses_are_found(tmp_path) -> None:
    runs = [one for i in range(8) for one in run_of(f"r{i}", (3.0, 2.5 + i / 100))]
    found = examined(tmp_path, *runs, *run_of("ppl", (20.0, 12.3)), *run_of("early", (9.0, 8.0)))
    assert found.keys() == {"losses that may be perplexities"}
    assert found["losses that may be perplexities"].names == ("ppl",)


def test_losses_of_several_units_are_found(tmp_path) -> None:
    found = examined(
        tmp_path, *run_of("a"), *run_of("b", metric="eval/bpb"), *run_of("c", (2.9, 0.8), metric="eval/bpb")
    )
    assert "losses of several units" not in found  # the unit of one metric alone is known
    known = made(tmp_path / "b.log", run_of("d", (2.8, 2.4), metric="nll"), fields=[Field("nll", "nll", "nats/token")])
    read_in(tmp_path / "s.duckdb", known, metric="nll")
    assert examined_at(tmp_path / "s.duckdb")["losses of several units"].names == ("d in nats/token",)


def test_counters_of_tokens_that_fall_are_found_in_logs_and_told(tmp_path) -> None:
    steps = range(1, 101)
    falls = [
        *run_of("falls", config={"batch_tokens": None}),
        values("train/tokens", steps, [1e6 * (i % 25) for i in steps], "falls"),
    ]
    batch = [*run_of("batch"), values("tokens", steps, [4096 - 7 * (i % 3) for i in steps], "batch")]
    grows = [*run_of("grows"), values("tokens", steps, [1e6 * i for i in steps], "grows")]
    found = examined(tmp_path, *falls, *batch, *grows)
    assert found["token counters that fall"].names == ("falls train/tokens",)
    with Store(str(tmp_path / "s.duckdb"), read_only=True) as store:
        told = {one["fact"]: one["rule"] for one in facts_of(store, "falls")}
    assert "train/tokens is logged and does not grow with the steps as a counter does" in told["n_tokens"]


def test_losses_of_few_digits_are_found(tmp_path) -> None:
    coarse = [RunFound("c", config=GOOD), values("loss", [1], [2.3], "c", digits=3)]
    fine = [RunFound("f", config=GOOD), values("loss", [1], [2.31], "f", digits=4)]
    assert examined(tmp_path, *coarse, *fine)["losses of few digits"].names == ("c",)


def test_what_nobody_but_a_hand_can_do_is_found(tmp_path) -> None:
    db = tmp_path / "s.duckdb"
    read_in(db, made(tmp_path / "a.log", run_of("a")))
    with Store(str(db)) as store:
        store.query("INSERT INTO metrics SELECT * FROM metrics WHERE step = 100")
        store.query("INSERT INTO metrics VALUES ('ghost', 'loss', 1, NULL, 2.0, 'ok', NULL)")
        store.query("UPDATE metrics SET tokens = 1 WHERE run_id = 'a' AND step = 300")
        found = {one.check: one for one in examine(store)}
    assert found["duplicate values"].names == ("a loss",)
    assert found["values without a run"].names == ("ghost",)
    assert found["tokens that decrease"].names == ("a",)
    assert {found[check].severity for check in ("duplicate values", "values without a run")} == {"wrong"}
    assert next(iter(found)) in (
        "duplicate values",
        "values without a run",
        "tokens that decrease",
        "impossible values",
    )


def test_a_size_that_was_set_is_no_estimate_any_more(tmp_path) -> None:
    db = tmp_path / "s.duckdb"
    config = {"n_params": None, "n_layer": 2, "n_embd": 64, "vocab_size": 100}
    read_in(db, made(tmp_path / "a.log", run_of("a", config=config)))
    with Store(str(db)) as store:
        correct(store, "a", {"N": "1M"})
    assert examined_at(db) == {}


def test_scores_without_compute_are_found(tmp_path) -> None:
    found = examined(
        tmp_path,
        ScoreFound("m", "arc", "acc", 0.5),
        ScoreFound("n", "arc", "acc", 0.5, about_model={"compute_flop": 1e20}),
    )
    assert found["scores without compute"].names == ("m",)


def test_logs_that_changed_grew_or_went_are_found(tmp_path) -> None:
    db = tmp_path / "s.duckdb"
    for i, name in enumerate(("same", "touched", "grown", "gone", "edited")):
        trainer_state(tmp_path / name, [3.0, 2.0 + i / 100])
    extra = tmp_path / "dir" / "a.log"
    read_in(db, *find_sources([tmp_path], None)[0], made(extra, run_of("x")))
    with Store(str(db)) as store:
        for run in ("same", "touched", "grown", "gone", "edited"):
            correct(store, run, {"N": "1M", "D": "1B"})
    assert examined_at(db) == {}
    settle(tmp_path / "touched" / "trainer_state.json", age=9)
    trainer_state(tmp_path / "grown", [3.0, 2.0, 1.0], age=9)
    edited = tmp_path / "edited" / "trainer_state.json"
    rewrite(edited, edited.read_text().replace("3.0", "4.0"), age=9)
    (tmp_path / "gone" / "trainer_state.json").unlink()
    (tmp_path / "gone").rmdir()
    extra.unlink()
    found = examined_at(db)
    assert found["sources that changed"].names == tuple(f"{tmp_path}/{name}#hf_trainer" for name in ("edited", "grown"))
    assert found["sources that are gone"].names == (str(extra), f"{tmp_path}/gone#hf_trainer")


def test_a_file_that_is_new_in_a_directory_is_a_change(tmp_path) -> None:
    db = tmp_path / "s.duckdb"
    run = trainer_state(tmp_path / "run", [3.0, 2.0]).parent
    read_in(db, *find_sources([tmp_path], None)[0])
    assert "sources that changed" not in examined_at(db)
    trainer_state(run / "checkpoint-30", [3.0, 2.0, 1.0])
    assert examined_at(db)["sources that changed"].count == 1


def test_a_table_is_held_against_its_time_and_then_its_bytes(tmp_path) -> None:
    db, path = tmp_path / "s.duckdb", tmp_path / "a.csv"
    path.write_text("run_id,N,D,loss\nx,1e8,2e9,3\n")
    with Store(str(db)) as store:
        store.ingest(path)
    later = path.stat().st_mtime + 3600
    os.utime(path, (later, later))
    assert examined_at(db) == {}
    path.write_text("run_id,N,D,loss\nx,1e8,2e9,4\n")
    os.utime(path, (later, later))
    assert examined_at(db).keys() == {"sources that changed"}
    path.unlink()
    assert examined_at(db).keys() == {"sources that are gone"}


def test_findings_are_summed_up() -> None:
    made_up = [Finding("a", "wrong", "", 1, (), ""), Finding("b", "odd", "", 1, (), "")]
    assert summary_of(made_up) == "2 findings: 1 wrong, 1 odd."
