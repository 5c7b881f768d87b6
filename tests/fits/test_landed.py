"""Back-tests kept in the store, and forecasts scored once their run has landed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from db.backtests import backtest_fit, backtest_runs
from db.choosing import choose_runs
from db.fits import fit_runs, remove_fit, save_predictions, with_backtest
from db.landed import landed_summary, passed_over, score_landed
from db.removal import remove_run
from db.saved import load_fit, rows_of
from db.select import Question
from db.verify import IDENTICAL, verify_fit
from reports.backtest_rows import landed_text
from reports.gather import gather
from reports.words import data_words
from scaling.errors import InputDataError, UsageError

WEB = Question(where="corpus = 'web'")
TARGET = {"N": 2e10, "D": 4e11}


def later(store, path: Path, rows: list[str]) -> None:
    path.write_text("\n".join(["run_id,corpus,N,D,loss", *rows]) + "\n", encoding="utf-8")
    store.ingest(path)


@pytest.fixture
def forecast(store):
    [saved], _ = fit_runs(store, "chinchilla", WEB, name="web", bootstrap=50)
    save_predictions(store, saved, [TARGET], [saved.fit.predict(TARGET, level=0.9)])
    return saved


def test_a_run_that_landed_scores_the_forecast_once(store, forecast, ask, tmp_path):
    assert score_landed(store) == ([], 1)
    said = forecast.fit.predict(TARGET, level=0.9)
    later(store, tmp_path / "big.csv", ["big,web,2.01e10,3.98e11,1.9"])
    [one], waiting = score_landed(store, "web")
    assert waiting == 0
    assert (one.run_id, one.observed, one.new, one.fit) == ("big", 1.9, True, "web")
    assert one.error == pytest.approx(math.log(said.mean / 1.9), rel=1e-12)
    assert one.inside is (said.low <= 1.9 <= said.high)
    assert one.factor == pytest.approx(said.extrapolation_factor)
    assert ask("SELECT observed, run_id, scored_at IS NOT NULL FROM predictions") == [(1.9, "big", True)]
    later(store, tmp_path / "closer.csv", ["closer,web,2e10,4e11,2.5"])
    [again], _ = score_landed(store)
    assert (again.run_id, again.observed, again.new) == ("big", 1.9, False)


def test_only_runs_like_those_fitted_and_near_the_target_count(store, forecast, tmp_path):
    later(
        store,
        tmp_path / "others.csv",
        ["code,code,2e10,4e11,1.2", "far,web,2.1e10,4e11,1.9", "bad,web,2e10,4e11,nan", "lost2,,2e10,4e11,1.9"],
    )
    assert score_landed(store) == ([], 1)
    condition = "but the conditions of that fit (corpus = 'web') do not select it"
    said = passed_over(store)
    assert len(said) == 2
    assert said[0].startswith(f"The run code has the inputs that web forecast, {condition}")  # the nearest, by name
    assert said[1] == "The run bad has the inputs that web forecast, but the loss is nan."


def test_all_conditions_of_a_fit_of_one_group_are_named(store, tmp_path):
    question = Question(where="n_params > 1", by="corpus")
    saved, _ = fit_runs(store, "chinchilla", question, name="each", bootstrap=0)
    [web] = [one for one in saved if one.group_value == "web"]
    save_predictions(store, web, [TARGET], [web.fit.predict(TARGET)])
    later(store, tmp_path / "other.csv", ["other,prose,2e10,4e11,1.9"])
    assert score_landed(store) == ([], 1)
    [said] = passed_over(store)
    assert "(n_params > 1 AND corpus = 'web')" in said


def test_a_wider_tolerance_takes_a_run_farther_off(store, forecast, tmp_path):
    later(store, tmp_path / "far.csv", ["far,web,2.1e10,4e11,1.9"])
    assert score_landed(store) == ([], 1)
    [one], _ = score_landed(store, tolerance=0.06)
    assert one.run_id == "far"
    assert passed_over(store) == []  # nothing waits


def test_the_nearest_of_several_runs_counts(store, forecast, tmp_path):
    later(store, tmp_path / "two.csv", ["a,web,2.01e10,4e11,1.95", "b,web,2.001e10,4e11,1.96"])
    [one], _ = score_landed(store)
    assert one.run_id == "b"


def test_a_run_of_the_fit_never_scores_its_forecast(store, ask, tmp_path):
    [saved], _ = fit_runs(store, "chinchilla", WEB, name="web", bootstrap=0)
    _, rows = store.query("SELECT run_id, n_params, n_tokens FROM runs_final WHERE run_id = 'web-20'")
    run_id, n, d = rows[0]
    save_predictions(store, saved, [{"N": n, "D": d}], [saved.fit.predict({"N": n, "D": d})])
    assert score_landed(store) == ([], 1)  # it was there before
    path = tmp_path / "again.csv"
    path.write_text(f"run_id,corpus,N,D,loss\n{run_id},web,{n},{d},2.9\n", encoding="utf-8")
    from db.ingest import plan_ingest, write_plan

    write_plan(store, plan_ingest(path, None), replace=True)  # read in again after the forecast, it is no new run
    assert ask(f"SELECT loss FROM runs_final WHERE run_id = '{run_id}'") == [(2.9,)]
    assert score_landed(store) == ([], 1)


def known_input(store, run_id: str) -> dict[str, float]:
    _, [(n, d)] = store.query("SELECT n_params, n_tokens FROM runs_final WHERE run_id = ?", [run_id])
    return {"N": n, "D": d}


def test_a_run_that_was_known_is_no_news_when_its_log_grows(store, ask, log):
    """Neither a run of another corpus, nor one that was fitted, nor one that was removed in between."""
    [saved], _ = fit_runs(store, "chinchilla", WEB, name="web", bootstrap=0)
    [whole], _ = fit_runs(store, "chinchilla", Question(where="run_id <> 'lost'"), name="whole", bootstrap=0)
    targets = [known_input(store, "lost"), known_input(store, "web-00")]
    for one in (saved, whole):
        save_predictions(store, one, [*targets, TARGET], [one.fit.predict(t, force=True) for t in (*targets, TARGET)])
    met = ask("SELECT run_id, first_met_at FROM known_runs ORDER BY run_id")
    assert len(met) == 41
    remove_run(store, "code-11")
    # The corpus that was missing is filled in, one run is new, and the one that was removed comes back.
    text = log.read_text(encoding="utf-8").replace("lost,,", "lost,web,")
    log.write_text(text + "new,web,2e10,4e11,1.9,w0,1\n", encoding="utf-8")
    store.ingest(log)
    [(later_than_all,)] = ask(
        "SELECT min(imported_at) > max(first_met_at) FROM sources, known_runs WHERE run_id <> 'new'"
    )
    assert later_than_all
    assert ask("SELECT run_id, first_met_at FROM known_runs WHERE run_id <> 'new' ORDER BY run_id") == met
    landed, waiting = score_landed(store)
    assert [(x.fit, x.run_id, x.observed) for x in landed] == [("web", "new", 1.9), ("whole", "new", 1.9)]
    assert waiting == 4


def test_a_run_that_was_trimmed_is_no_news_when_its_log_grows(store, log, monkeypatch):
    import scaling.selection.select

    monkeypatch.setitem(scaling.selection.select.select.__kwdefaults__, "trims", ("highest 10 %",))
    monkeypatch.setattr(scaling.selection.select, "_ROWS_A_PARAMETER", 2)
    saved, _ = choose_runs(store, "chinchilla", WEB, name="low", bootstrap=0)
    _, [(trimmed,)] = store.query("SELECT arg_max(run_id, loss) FROM runs_final WHERE corpus = 'web'")
    assert store.query("SELECT count(*) FROM fit_rows WHERE run_id = ?", [trimmed])[1] == [(0,)]
    target = known_input(store, trimmed)
    save_predictions(store, saved, [target], [saved.fit.predict(target, force=True)])
    log.write_text(log.read_text(encoding="utf-8") + "new,web,2e10,4e11,1.9,w0,1\n", encoding="utf-8")
    store.ingest(log)
    assert score_landed(store) == ([], 1)
    log.write_text(
        log.read_text(encoding="utf-8") + f"twin,web,{target['N']!r},{target['D']!r},5.0,w0,1\n", encoding="utf-8"
    )
    store.ingest(log)
    [one], _ = score_landed(store)
    assert (one.run_id, one.observed) == ("twin", 5.0)


def test_forecasts_outlive_a_replaced_fit(store, forecast, tmp_path):
    fit_runs(store, "chinchilla", WEB, name="web", replace=True, bootstrap=0, seed=1)
    later(store, tmp_path / "big.csv", ["big,web,2e10,4e11,1.9"])
    [one], _ = score_landed(store)
    assert (one.fit_id, one.fit) == (forecast.fit_id, forecast.fit_id)
    assert score_landed(store, forecast.fit_id)[0][0].run_id == "big"


def test_a_removed_fit_takes_its_forecasts_and_rows_with_it(store, forecast, ask):
    assert ask("SELECT count(*) FROM fit_rows") == [(forecast.fit.n_obs,)]
    remove_fit(store, "web")
    assert ask("SELECT (SELECT count(*) FROM fit_rows), (SELECT count(*) FROM predictions)") == [(0, 0)]
    assert score_landed(store) == ([], 0)


def test_the_summary_counts_what_was_inside(store, forecast, tmp_path):
    said = forecast.fit.predict(TARGET, level=0.9)
    save_predictions(store, forecast, [{"N": 3e10, "D": 6e11}], [forecast.fit.predict({"N": 3e10, "D": 6e11})])
    later(store, tmp_path / "two.csv", [f"in,web,2e10,4e11,{said.mean}", "out,web,3e10,6e11,9.0"])
    landed, waiting = score_landed(store)
    summary = landed_summary(landed)
    assert (summary["n"], summary["inside"], summary["intervals"], waiting) == (2, 1, 2, 0)
    assert summary["coverage"] == 0.5
    missed = math.log(forecast.fit.predict({"N": 3e10, "D": 6e11}).mean / 9.0)
    assert summary["bias"] == pytest.approx(missed / 2, rel=1e-6)
    assert summary["rms"] == pytest.approx(abs(missed) / math.sqrt(2), rel=1e-6)
    assert math.isnan(landed_summary([])["rms"])


def test_a_forecast_that_was_saved_twice_counts_once(store, forecast, tmp_path):
    said = forecast.fit.predict(TARGET, level=0.9)
    save_predictions(store, forecast, [TARGET, TARGET], [said, forecast.fit.predict(TARGET, level=0.5)])
    later(store, tmp_path / "big.csv", [f"big,web,2e10,4e11,{said.mean}"])
    landed, _ = score_landed(store)
    assert len(landed) == 3
    summary = landed_summary(landed)
    assert (summary["n"], summary["saved"], summary["runs"]) == (1, 3, 1)
    assert summary["intervals"] == 2  # one at each level
    assert summary["nominal"] == pytest.approx(0.7)
    assert "1 forecast of 1 run scored (2 saved again count no second time)" in landed_text(summary, 0)


def test_a_bad_tolerance_and_an_unknown_fit_are_refused(store, forecast):
    with pytest.raises(UsageError, match="--tolerance is a share"):
        score_landed(store, tolerance=2)
    with pytest.raises(UsageError, match="no fit 'wbe'"):
        score_landed(store, "wbe")


def test_a_back_test_is_kept_with_its_fit_and_replaced_by_the_next(store, ask):
    [saved], _ = fit_runs(store, "chinchilla", WEB, name="web", bootstrap=0, finish=with_backtest)
    loaded = load_fit(store, "web")
    assert loaded.fit == saved.fit
    assert loaded.fit.backtest is not None
    count = len(loaded.fit.backtest)
    assert count > 5
    assert ask("SELECT count(*), count(DISTINCT run_id) FROM predictions WHERE kind = 'backtest'")[0][0] == count
    _, found = backtest_fit(store, "web", bootstrap=0, level=0.5)
    assert ask("SELECT DISTINCT level FROM predictions WHERE kind = 'backtest'") == [(0.5,)]
    assert ask("SELECT count(*) FROM predictions") == [(count,)]
    assert load_fit(store, "web").fit.backtest == found
    kept = ask("SELECT observed, mean, cut, run_id, inputs FROM predictions ORDER BY rowid LIMIT 1")[0]
    rows = rows_of(store, saved)
    i = rows.run_ids.index(kept[3])
    assert kept[0] == rows.observed[i] == found.observed[0]
    assert (kept[1], kept[2]) == (found.predicted[0], found.cut[0])
    assert json.loads(kept[4])["N"] == rows.inputs["N"][i]
    assert score_landed(store) == ([], 0)  # hold-outs are no forecasts of runs to come


def test_rows_that_changed_refuse_a_back_test(store, tmp_path):
    fit_runs(store, "chinchilla", WEB, name="web", bootstrap=0)
    later(store, tmp_path / "more.csv", ["more,web,2e9,4e10,2.5"])
    with pytest.raises(InputDataError, match="have changed since"):
        backtest_fit(store, "web")


def test_a_law_is_back_tested_without_a_fit(store, ask):
    found = backtest_runs(store, "chinchilla", WEB, bootstrap=0)
    assert len(found) > 5
    assert ask("SELECT count(*) FROM fits") == [(0,)]


@pytest.mark.slow
def test_what_is_chosen_can_be_fitted_again_from_the_store(store, ask, monkeypatch):
    import scaling.selection.select

    monkeypatch.setattr(scaling.selection.select, "_ROWS_A_PARAMETER", 2)
    saved, made = choose_runs(store, "chinchilla, multiplicative", WEB, name="best", bootstrap=20, seed=2)
    assert saved.fit.estimates == made.best.estimates
    assert saved.fit.backtest == made.best.backtest
    assert saved.fit.rivals == made.best.rivals
    assert load_fit(store, "best").fit == saved.fit
    assert rows_of(store, saved).sha256 == saved.data_sha256
    assert saved.config["chosen_from"] == ["chinchilla", "multiplicative"]
    assert len(rows_of(store, saved)) == made.best.n_obs
    assert ask("SELECT count(*) FROM predictions WHERE kind = 'backtest'") == [(len(made.best.backtest),)]
    assert verify_fit(store, "best").status == IDENTICAL
    backtest_fit(store, "best", bootstrap=0)
    assert load_fit(store, "best").fit.rivals == made.best.rivals


def test_a_trimmed_fit_is_not_back_tested_on_other_rows(store, tmp_path, monkeypatch):
    import scaling.selection.select

    monkeypatch.setitem(scaling.selection.select.select.__kwdefaults__, "trims", ("smallest 25 %",))
    monkeypatch.setattr(scaling.selection.select, "_ROWS_A_PARAMETER", 2)
    choose_runs(store, "chinchilla", WEB, name="large", bootstrap=0)
    same = verify_fit(store, "large")
    assert same.status == IDENTICAL
    assert "So is its back-test, run again." in same.sentences
    later(store, tmp_path / "small.csv", ["small,web,1e7,2e8,5.9"])  # below what the trimming kept
    changed = verify_fit(store, "large")
    assert changed.status == IDENTICAL
    assert any("Rows that its trimming left out have changed since" in said for said in changed.sentences)
    with pytest.raises(InputDataError, match="was chosen on have changed") as refused:
        backtest_fit(store, "large")
    assert "scaling fit auto --family chinchilla" in str(refused.value.hint)


def test_a_trimming_becomes_a_condition_that_landed_runs_need_not_meet(store, tmp_path, monkeypatch):
    import scaling.selection.select

    monkeypatch.setitem(scaling.selection.select.select.__kwdefaults__, "trims", ("highest 10 %",))
    monkeypatch.setattr(scaling.selection.select, "_ROWS_A_PARAMETER", 2)
    saved, made = choose_runs(store, "chinchilla", WEB, name="low", bootstrap=0)
    assert saved.config["trim"] == "highest 10 %"
    assert saved.fit.n_obs == made.best.n_obs < 19
    assert "loss <= " in saved.config["question"]["where"]
    assert saved.config["untrimmed"] == "corpus = 'web'"
    assert saved.command == (
        "scaling fit auto --family chinchilla --where 'corpus = '\"'\"'web'\"'\"'' --bootstrap 0 --seed 0 --name low"
    )
    assert verify_fit(store, "low").status == IDENTICAL
    _, again = backtest_fit(store, "low")
    assert again == made.best.backtest  # trimmed anew at every cut-off, not twice
    assert again.trim == "highest 10 %"
    assert load_fit(store, "low").fit == saved.fit
    page = gather(saved, rows_of(store, saved), [], [], store="runs.duckdb", simulated=False, targets=[], budgets=[],
                  level=0.9)  # fmt: skip
    assert (page.where, page.trim) == ("corpus = 'web'", "highest 10 %")
    left = again.n_rows - page.fit.n_obs
    assert data_words(page).endswith(
        f"rows where corpus = 'web' (trimmed: highest 10 %, {left} of {again.n_rows} rows left out)"
    )
    save_predictions(store, saved, [TARGET], [saved.fit.predict(TARGET, force=True)])
    later(store, tmp_path / "bad.csv", ["bad,web,2e10,4e11,11.0"])
    [one], _ = score_landed(store)
    assert one.observed == 11.0


def test_one_law_is_chosen_for_all_rows(store):
    with pytest.raises(UsageError, match="not one a group"):
        choose_runs(store, "compute_optimal", Question(by="corpus"))
    with pytest.raises(UsageError, match="No law or family"):
        choose_runs(store, " , ")
