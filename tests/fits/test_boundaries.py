"""Boundaries in a store: saved, reloaded by SQL and by question, checked, and where they came from."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaling
from db.backtests import backtest_fit
from db.boundaries import (
    boundary_command,
    fit_boundaries,
    load_boundary,
    score_words,
    select_scores,
    select_scores_by_sql,
)
from db.boundary_answers import facts_of, forecast_boundary
from db.boundary_backtests import backtest_saved, find_tasks
from db.fits import save_predictions
from db.provenance import sources_of_scores
from db.removal import remove_source
from db.saved import load_fit, rows_by_sql, rows_of
from db.score_ingest import ingest_scores
from db.score_rows import ScoreQuestion
from db.store import Store
from db.verify import verify_fit
from scaling.errors import InputDataError, StoreError, UsageError


def table_text() -> str:
    """30 models of 6 bases, of which one has no base and one is merged."""
    random = np.random.default_rng(5)
    lines = ["model,base_model,N,D,released,merged,quiz"]
    for i in range(30):
        base = "" if i == 7 else f"b{i % 6}"
        score = random.uniform() * (0.2 + 0.1 * (i % 6))
        lines.append(f"m{i},{base},{10 ** (9 + 0.4 * (i % 6)):.6g},1e12,2024-0{1 + i % 9}-01,{i == 3},{score:.6f}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the scores and the boundary `quiz`, of 30 models and 20 replicates; beside it their table."""
    folder = tmp_path_factory.mktemp("boundaries")
    (folder / "scores.csv").write_text(table_text(), encoding="utf-8")
    with Store(folder / "made.duckdb") as store:
        ingest_scores(store, folder / "scores.csv")
        fit_boundaries(store, {"task": "quiz", "period": "quarter"}, taus=[0.8], name="quiz", bootstrap=20, seed=2)
    return folder / "made.duckdb"


@pytest.fixture
def stocked(made: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it, open for writing."""
    with Store(shutil.copy(made, tmp_path / "copy.duckdb")) as store:
        yield store


def test_the_rows_come_back_by_question_and_by_sql(stocked: Store) -> None:
    saved = load_fit(stocked, "quiz")
    assert saved.scores == ScoreQuestion("quiz", metric="score", period="quarter")
    for rows in (rows_of(stocked, saved), rows_by_sql(stocked, saved)):
        assert (len(rows), rows.sha256) == (30, saved.data_sha256)
    question = saved.scores
    assert question is not None
    by_sql, by_question = select_scores_by_sql(stocked, question, saved.sql), select_scores(stocked, question)
    assert by_sql.clusters == by_question.clusters == by_sql.scores.groups
    assert by_sql.scores.period == by_question.scores.period


def test_what_is_loaded_is_what_was_fitted(stocked: Store) -> None:
    one = load_boundary(stocked, "quiz")
    made = scaling.boundary.fit(
        one.rows.log10_compute, one.rows.score, tau=0.8, groups=one.rows.groups, period=one.rows.period, bootstrap=20,
        seed=2,
    )  # fmt: skip
    assert one.saved.fit.to_dict() == made.fit.to_dict()
    np.testing.assert_allclose(one.boundary.predict([21.8, 23.0]), made.predict([21.8, 23.0]), atol=1e-9)
    assert one.boundary.margin == made.margin
    assert one.rows.groups is not None
    assert "alone: m7" in one.rows.groups


def test_a_kind_of_its_own_in_the_table_of_fits(stocked: Store) -> None:
    _, [row] = stocked.query("SELECT kind, law, metric, n_obs FROM fits")
    assert row == ("boundary", "boundary", "quiz", 30)
    _, [(count,)] = stocked.query("SELECT count(*) FROM fit_rows JOIN evals ON eval_id = fit_rows.run_id")
    assert count == 30


def test_a_later_harness_does_not_make_its_question_unclear(stocked: Store, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("model,N,D,harness,task,score\nx,1e9,1e12,h,quiz,0.9\n")
    ingest_scores(stocked, tmp_path / "other.csv")
    assert verify_fit(stocked, "quiz").status == "identical"


def test_new_scores_are_named(stocked: Store, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("model,base_model,N,D,released,quiz\nlate,b1,3e9,1e12,2024-09-01,0.31\n", encoding="utf-8")
    ingest_scores(stocked, more)
    found = verify_fit(stocked, "quiz")
    assert (found.status, found.n_then, found.n_now, len(found.newer_runs)) == ("data changed", 30, 31, 1)
    assert "30 rows then, 31 now." in found.sentences[0]
    assert found.sentences[1].startswith("Not fitted then: 1 score, ")


def test_scores_that_left_are_told(stocked: Store) -> None:
    [source] = sources_of_scores(stocked, load_boundary(stocked, "quiz").rows.eval_id)
    assert (Path(source.uri).name, source.n_runs) == ("scores.csv", 30)
    remove_source(stocked, source.uri)
    with pytest.raises(InputDataError, match="no longer in the store: 30 rows then, none now"):
        load_boundary(stocked, "quiz")
    assert verify_fit(stocked, "quiz").status == "data left the store"


@pytest.mark.parametrize("key", ["boundary", "scores"])
def test_damage_is_told(stocked: Store, key: str) -> None:
    _, [(text,)] = stocked.query("SELECT config FROM fits")
    config = json.loads(text)
    config[key] = {"nonsense": 1} if key == "scores" else None
    stocked.connection.execute("UPDATE fits SET config = ?", [json.dumps(config)]).fetchall()
    with pytest.raises(StoreError, match="damaged"):
        verify_fit(stocked, "quiz")


def test_a_macro_that_was_changed_is_told(stocked: Store) -> None:
    stocked.connection.execute("CREATE OR REPLACE MACRO quiz(compute_flop) AS 0.5").fetchall()
    found = verify_fit(stocked, "quiz")
    assert found.status == "numbers moved"
    assert [m.quantity for m in found.moved] == ["SQL macro"]


def test_what_asks_for_runs_is_refused(stocked: Store) -> None:
    saved = load_fit(stocked, "quiz")
    with pytest.raises(UsageError, match="no model by itself shows"):
        save_predictions(stocked, saved, [{"C": 1e22}], [saved.fit.predict({"C": 1e22}, kind="curve", force=True)])
    with pytest.raises(UsageError, match="not against single runs"):
        backtest_fit(stocked, "quiz")
    assert stocked.query("SELECT count(*) FROM predictions")[1] == [(0,)]


def test_its_command_names_all_that_is_not_usual() -> None:
    question = ScoreQuestion(
        "a task", "n_params > 1", "acc", "h", "v2", None, "released", ("2024-07-01", "2024-10-01"), ("merged", "moe"),
        "latest", "model",
    )  # fmt: skip
    config = {
        "scores": question.to_dict(),
        "boundary": {"tau": 0.9, "preset": "zhang2026", "kappa": None, "ridge": 0.01},
        "settings": {"bootstrap": 5, "seed": 1},
        "name": "one",
    }
    words = shlex.split(boundary_command(config))
    assert words[:4] == ["scaling", "boundary", "fit", "a task"]
    given = dict(zip(words[4::2], words[5::2], strict=True))
    assert given == {
        "--tau": "0.9", "--preset": "zhang2026", "--ridge": "0.01", "--bootstrap": "5", "--seed": "1",
        "--metric": "acc", "--harness": "h", "--task-version": "v2", "--where": "n_params > 1", "--group": "none",
        "--date-column": "released", "--period": "2024-07-01,2024-10-01", "--repeats": "latest", "--per": "model",
        "--exclude": "moe", "--name": "one",
    }  # fmt: skip
    assert score_words(ScoreQuestion("a task")) == []
    odd = boundary_command(config | {"scores": replace(question, task="-x").to_dict()})
    assert odd.endswith("-- -x")


def test_what_sources_say_of_the_models(stocked: Store) -> None:
    one = load_boundary(stocked, "quiz")
    facts = facts_of(stocked, one.rows)
    assert [m for m, merged in zip(one.rows.model, facts["merged"], strict=True) if merged] == ["m3"]
    assert facts["base_model"][one.rows.model.index("m7")] is None


def test_tasks_come_before_boundaries_of_the_same_name(stocked: Store) -> None:
    assert find_tasks(stocked, "quiz", (), False) == (["quiz"], None)
    fit_boundaries(stocked, {"task": "quiz"}, taus=[0.8], name="other", bootstrap=0)
    assert find_tasks(stocked, "OTHER", (), False) == ([], "OTHER")
    assert find_tasks(stocked, "latest", (), False) == ([], "latest")
    assert find_tasks(stocked, None, ("quiz", "quiz"), False) == (["quiz"], None)
    with pytest.raises(UsageError, match="neither a task nor a boundary 'quis'"):
        find_tasks(stocked, "quis", (), False)


def test_a_back_test_of_too_few_is_refused_with_the_reason(stocked: Store) -> None:
    fit_boundaries(stocked, {"task": "quiz"}, taus=[0.8], name="bare", bootstrap=0)
    with pytest.raises(InputDataError, match="cannot be held out"):
        backtest_saved(stocked, "bare")


def test_forecasts_without_replicates_have_no_band(stocked: Store) -> None:
    fit_boundaries(stocked, {"task": "quiz"}, taus=[0.8], name="bare", bootstrap=0)
    found: Any = forecast_boundary(load_boundary(stocked, "bare"), [1e22], [0.2])
    assert np.isnan([found.low, found.high]).all()
    assert found.method == "none: there are no replicates"
    assert 0 < found.chances[0][0]["probability"] < 1


def test_several_quantiles_leave_nothing_where_a_name_is_taken(stocked: Store) -> None:
    fit_boundaries(stocked, {"task": "quiz"}, taus=[0.5], name="g_q80", bootstrap=0)
    with pytest.raises(UsageError, match="already has a fit 'g_q80'"):
        fit_boundaries(stocked, {"task": "quiz"}, taus=[0.5, 0.8], name="g", bootstrap=0)
    assert stocked.query("SELECT name FROM fits ORDER BY name")[1] == [("g_q80",), ("quiz",)]
