"""Running saved fits again: identical, moved, changed, gone, damaged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.fits import fit_runs, with_backtest
from db.macros import macro_sql
from db.removal import remove_run, remove_source
from db.saved import load_fit
from db.select import Question
from db.store import Store
from db.verify import damaged, fit_names, verify_fit
from scaling.errors import StoreError, UsageError

WEB = Question(where="corpus = 'web'")


@pytest.fixture
def fitted(store: Store) -> Store:
    """The store with the fit `web`, of 19 runs and 30 replicates."""
    fit_runs(store, "chinchilla", WEB, name="web", bootstrap=30, seed=4)
    return store


def edit(store: Store, column: str, change: Callable[[Any], Any], name: str = "web") -> None:
    """Change a JSON column of a saved fit, past the code that writes it."""
    [(text,)] = store.query(f"SELECT {column} FROM fits WHERE name = ?", [name])[1]
    table = json.loads(text)
    change(table)
    store.connection.execute(f"UPDATE fits SET {column} = ? WHERE name = ?", [json.dumps(table), name]).fetchall()


class TestIdentical:
    def test_a_fit_just_made(self, fitted: Store) -> None:
        found = verify_fit(fitted, "web")
        assert (found.status, found.n_then, found.n_now) == ("identical", 19, 19)
        assert found.largest == 0
        assert found.moved == ()
        assert found.sentences == (
            "All estimates and all 30 replicates are the same to the last bit, and so are the residuals, the ranges, "
            "the covariance and what the verdict is made of.",
        )

    def test_the_back_test_is_run_again(self, store: Store) -> None:
        fit_runs(store, "chinchilla", WEB, name="held", bootstrap=0, finish=with_backtest)
        found = verify_fit(store, "held")
        assert found.status == "identical"
        assert found.sentences[-1] == "So is its back-test, run again."
        edit(store, "fit", lambda t: t["backtest"]["error"].__setitem__(0, 0.123), "held")
        found = verify_fit(store, "held")
        assert found.status == "numbers moved"
        [moved] = found.moved
        assert (moved.quantity, moved.stored) == ("back-test: error", 0.123)

    def test_of_a_chosen_law_the_choice_is_not_run_again(self, fitted: Store) -> None:
        edit(fitted, "config", lambda t: t.update(family="compute_optimal"))
        assert (
            "selection (the rivals, their weights, the trimming) was not run" in verify_fit(fitted, "web").sentences[-1]
        )

    @pytest.mark.parametrize(
        ("law", "question", "settings"),
        [
            ("chinchilla", Question(where="corpus = 'web'", cluster="width"), {"bootstrap": 20}),
            ("chinchilla", WEB, {"objective": "squared", "residual": "linear", "bootstrap": 0}),
            ("chinchilla", WEB, {"objective": "lad", "bootstrap": 5, "seed": 9}),
            (
                "chinchilla",
                WEB,
                {"delta": 0.01, "bootstrap": 0, "start": {"E": 1.5, "A": 300, "B": 900, "alpha": 0.3, "beta": 0.3}},
            ),
        ],
    )
    def test_whatever_the_settings(self, store: Store, law: str, question: Question, settings: dict[str, Any]) -> None:
        fit_runs(store, law, question, name="one", **settings)
        assert verify_fit(store, "one").status == "identical"

    def test_a_formula_with_bounds(self, store: Store) -> None:
        bounds = {"alpha": {"low": 0.01, "high": 2.0}, "E": {"low": 0.0}}
        question = Question(where="corpus = 'web'", inputs={"x": "n_params * n_tokens"})
        fit_runs(store, "E + A/x**alpha", question, name="own", parameters=bounds, bootstrap=10)
        assert verify_fit(store, "own").status == "identical"

    def test_each_fit_of_a_group(self, store: Store) -> None:
        saved, _ = fit_runs(store, "chinchilla", Question(by="corpus"), name="each", bootstrap=10)
        assert len(saved) == 2
        assert fit_names(store) == [s.name for s in saved]
        assert [verify_fit(store, name).status for name in fit_names(store)] == ["identical"] * 2
        assert [verify_fit(store, name).n_then for name in fit_names(store)] == [19, 19]

    def test_of_an_earlier_release_that_had_fewer_diagnostics(self, fitted: Store) -> None:
        edit(fitted, "fit", lambda t: [t["diagnostics"].pop(name) for name in ("curve_only", "concerns")])
        assert verify_fit(fitted, "web").status == "identical"

    def test_to_nine_digits_is_identical_and_says_so(self, fitted: Store) -> None:
        edit(fitted, "fit", lambda t: t["estimates"].update(alpha=t["estimates"]["alpha"] * (1 + 1e-11)))
        saved = load_fit(fitted, "web")
        statement = macro_sql("web", saved.fit, saved.arguments)
        fitted.connection.execute("UPDATE fits SET macro_sql = ?", [statement]).fetchall()
        fitted.connection.execute(statement).fetchall()
        found = verify_fit(fitted, "web")
        assert found.status == "identical"
        assert found.largest == pytest.approx(1e-11, rel=1e-3)
        assert found.sentences[0].startswith("The estimates and all 30 replicates agree to 1e-11 of their size")
        assert found.sentences[1] == "The versions of Python and of the libraries are the same."

    def test_replicates_count_for_the_size(self, fitted: Store) -> None:
        fitted.connection.execute(
            "UPDATE fit_replicates SET value = value * (1 + 1e-8) WHERE parameter = 'E'"
        ).fetchall()
        found = verify_fit(fitted, "web")
        assert found.status == "identical"
        assert found.largest == pytest.approx(1e-8, rel=1e-3)
        assert found.sentences[0].startswith("The estimates and all 30 replicates agree to 1e-8 of their size")


class TestMoved:
    @pytest.mark.parametrize(
        ("change", "quantity"),
        [
            (lambda t: t["residuals"].__setitem__(3, 0.5), "residuals"),
            (lambda t: t["support"].update(N=[1.0, 2.0]), "support of N"),
            (lambda t: t["covariance"][0].__setitem__(0, 9.0), "covariance"),
            (lambda t: t["standard_errors"].update(E=9.0), "se of E"),
            (lambda t: t["diagnostics"].update(residual_rms=9.0), "diagnostics.residual_rms"),
            (lambda t: t.update(jackknife=[[1.0] * 5]), "jackknife"),
            (lambda t: t.update(degrees=3.0), "degrees"),
            (lambda t: t.update(interval_method="made up"), "interval_method"),
        ],
    )
    def test_names_what_was_altered(self, fitted: Store, change: Any, quantity: str) -> None:
        edit(fitted, "fit", change)
        found = verify_fit(fitted, "web")
        assert found.status == "numbers moved"
        assert quantity in {m.quantity for m in found.moved}

    def test_one_replicate(self, fitted: Store) -> None:
        fitted.connection.execute(
            "UPDATE fit_replicates SET value = value * 1.00001 WHERE parameter = 'E' AND replicate = 7"
        ).fetchall()
        assert "replicates" in {m.quantity for m in verify_fit(fitted, "web").moved}

    def test_the_macro_in_the_database(self, fitted: Store) -> None:
        fitted.connection.execute("CREATE OR REPLACE MACRO web(n_params, n_tokens) AS 2.0").fetchall()
        found = verify_fit(fitted, "web")
        assert found.status == "numbers moved"
        [moved] = found.moved
        assert (moved.quantity, moved.stored) == ("SQL macro", "(n_params, n_tokens) AS 2.0")
        fitted.connection.execute("DROP MACRO web").fetchall()
        assert verify_fit(fitted, "web").moved[0].stored == "missing"

    def test_the_stored_text_of_the_macro(self, fitted: Store) -> None:
        fitted.connection.execute("UPDATE fits SET macro_sql = macro_sql || ' + 1'").fetchall()
        assert [m.quantity for m in verify_fit(fitted, "web").moved] == ["stored text of the SQL macro"]

    def test_says_which_number_and_by_how_many_standard_errors(self, fitted: Store) -> None:
        fit = load_fit(fitted, "web").fit
        shifted = fit.estimates["alpha"] + 0.5 * fit.standard_errors["alpha"]
        edit(fitted, "fit", lambda t: t["estimates"].update(alpha=shifted))
        found = verify_fit(fitted, "web")
        assert found.status == "numbers moved"
        moved = found.moved[0]
        assert {m.quantity for m in found.moved} == {"alpha", "SQL macro", "stored text of the SQL macro"}
        assert (moved.quantity, moved.stored, moved.now) == ("alpha", shifted, fit.estimates["alpha"])
        assert moved.standard_errors == pytest.approx(0.5)
        assert found.sentences[1] == "The versions of Python and of the libraries are the same."

    def test_names_the_libraries_that_differ(self, fitted: Store) -> None:
        edit(fitted, "fit", lambda t: t["estimates"].update(E=1.5))
        edit(fitted, "env", lambda t: t.update(numpy="1.99.0"))
        found = verify_fit(fitted, "web")
        assert found.versions is not None
        assert found.versions["numpy"][0] == "1.99.0"
        assert found.sentences[1].startswith("Versions that differ: numpy 1.99.0 then, ")

    def test_another_seed_moves_the_errors_alone(self, fitted: Store) -> None:
        edit(fitted, "config", lambda t: t["settings"].update(seed=5))
        found = verify_fit(fitted, "web")
        assert found.status == "numbers moved"
        quantities = {m.quantity for m in found.moved}
        assert quantities >= {"seed", "replicates", *(f"se of {k}" for k in ("E", "A", "B", "alpha", "beta"))}
        assert not quantities & {"E", "A", "B", "alpha", "beta", "objective_value", "residuals"}

    def test_another_objective_moves_its_value(self, fitted: Store) -> None:
        edit(fitted, "config", lambda t: t["settings"].update(objective="squared"))
        assert "objective_value" in {m.quantity for m in verify_fit(fitted, "web").moved}


class TestChanged:
    def test_a_run_removed(self, fitted: Store) -> None:
        remove_run(fitted, "web-11")
        found = verify_fit(fitted, "web")
        assert (found.status, found.n_then, found.n_now) == ("data changed", 19, 18)
        assert found.sentences[0] == "The data have changed since: 19 rows then, 18 now."
        assert "Since then: run web-11 removed." in found.sentences
        assert found.sentences[-1] == "Fitted again to the rows of now, the numbers move as listed."
        assert "alpha" in {m.quantity for m in found.moved}

    def test_a_value_changed(self, fitted: Store) -> None:
        fitted.connection.execute("UPDATE metrics SET value = value * 1.001 WHERE run_id = 'web-11'").fetchall()
        found = verify_fit(fitted, "web")
        assert found.sentences[0] == "The data have changed since: 19 rows then and now, but not the same values."
        assert found.newer_runs == ()

    def test_runs_read_in_later(self, fitted: Store, tmp_path: Path) -> None:
        more = tmp_path / "more.csv"
        more.write_text("run_id,corpus,N,D,loss\nnew-1,web,1e8,1e9,4.2\nnew-2,web,2e8,2e9,3.9\nnew-3,code,1,1,1\n")
        fitted.ingest(more, allow_units=True)
        found = verify_fit(fitted, "web")
        assert (found.status, found.n_now) == ("data changed", 21)
        assert found.newer_runs == ("new-1", "new-2")
        assert "First read in after the fit was made: new-1, new-2." in found.sentences
        assert any(s.startswith("Since then: source ") and s.endswith("(3 runs) read in.") for s in found.sentences)

    def test_a_longer_log_names_its_new_runs_alone(self, fitted: Store, log: Path) -> None:
        log.write_text(log.read_text() + "new-1,web,1e8,1e9,4.2,w0,1\n")
        fitted.ingest(log)
        found = verify_fit(fitted, "web")
        assert (found.n_now, found.newer_runs) == (20, ("new-1",))

    def test_a_run_that_was_left_out_and_now_counts(self, fitted: Store) -> None:
        fitted.connection.execute(
            "UPDATE metrics SET value = 2.5, value_status = 'ok' WHERE run_id = 'web-40'"
        ).fetchall()
        assert "Left out then, fitted now: web-40." in verify_fit(fitted, "web").sentences

    def test_a_run_that_diverged_since(self, fitted: Store) -> None:
        fitted.connection.execute(
            "UPDATE metrics SET value = NULL, value_status = 'nan' WHERE run_id = 'web-11'"
        ).fetchall()
        assert "Left out now, and not then: web-11." in verify_fit(fitted, "web").sentences

    def test_too_few_rows_to_fit_again(self, fitted: Store) -> None:
        for run_id in (f"web-{i}{j}" for i in range(4) for j in range(4)):
            remove_run(fitted, run_id)
        found = verify_fit(fitted, "web")
        assert (found.status, found.n_now) == ("data changed", 3)
        assert found.sentences[-1] == "The rows of now cannot be fitted."
        assert any("and 11 more events" in s for s in found.sentences)


class TestGone:
    def test_no_row_left(self, fitted: Store) -> None:
        [(source,)] = fitted.query("SELECT source_id FROM sources")[1]
        remove_source(fitted, source)
        found = verify_fit(fitted, "web")
        assert (found.status, found.n_now) == ("data left the store", 0)
        assert "can no longer be selected" in found.sentences[0]
        assert found.sentences[1] == f"Since then: source {source} (41 runs) removed."

    def test_the_group_is_gone(self, store: Store) -> None:
        fit_runs(store, "chinchilla", Question(by="corpus"), name="each", bootstrap=0)
        store.connection.execute("DELETE FROM runs WHERE corpus = 'code'").fetchall()
        found = verify_fit(store, "each_code")
        assert found.status == "data left the store"
        assert "No run has corpus = code" in found.sentences[0]
        assert verify_fit(store, "each_web").status == "identical"

    def test_the_column_is_gone(self, store: Store, tmp_path: Path) -> None:
        table = tmp_path / "scored.csv"
        lines = [f"s{i},{10**8 + i * 10**7},{10**10},{3 - 0.01 * i},{i + 1}" for i in range(12)]
        table.write_text("\n".join(["run_id,N,D,loss,rank", *lines]))
        store.ingest(table)
        question = Question(where="run_id LIKE 's%'", inputs={"x": "rank"})
        fit_runs(store, "a + b*x", question, name="ranked", bootstrap=0)
        [(source,)] = store.query("SELECT source_id FROM runs WHERE run_id = 's0'")[1]
        remove_source(store, source)
        found = verify_fit(store, "ranked")
        assert found.status == "data left the store"


class TestDamaged:
    @pytest.mark.parametrize(
        ("column", "change", "why"),
        [
            ("fit", lambda t: t.pop("estimates"), "no complete fit"),
            ("fit", lambda t: t.pop("law"), "law"),
            ("fit", lambda t: t.update(json_version=99), "JSON version 99"),
            ("fit", lambda t: t["estimates"].pop("alpha"), "its estimates are not those"),
            ("fit", lambda t: t.update(n_obs=7), "its rows are counted differently"),
            ("fit", lambda t: t.update(objective_value=1.0), "its objective differs"),
            ("config", lambda t: t.pop("settings"), "its question or settings cannot be read"),
            ("config", lambda t: t["settings"].update(bogus=1), "its settings cannot be used"),
        ],
    )
    def test_is_refused_with_the_reason(self, fitted: Store, column: str, change: Any, why: str) -> None:
        edit(fitted, column, change)
        with pytest.raises(StoreError, match="What is stored of the fit 'web' is damaged") as caught:
            verify_fit(fitted, "web")
        assert why in caught.value.message

    def test_an_sql_text_that_was_exchanged(self, fitted: Store) -> None:
        fitted.connection.execute("UPDATE fits SET query_sql = 'SELECT 1'").fetchall()
        with pytest.raises(StoreError, match="its SQL does not have the hash"):
            verify_fit(fitted, "web")

    @pytest.mark.parametrize(
        ("sql", "why"),
        [
            ("SELECT 1 WHERE false", "It gives the columns 1, and not run_id, N, D, observed, status"),
            ("SELECT * FROM no_such_table", "no_such_table"),
            ("DELETE FROM metrics", "A SELECT statement is needed"),
            ("{sql}; DELETE FROM metrics", "One SQL statement is needed, and there are 2"),
            ("SELECT * FROM ({sql}) WHERE false", "its SQL can no longer be used: "),
            ("SELECT * FROM ({sql}) LIMIT 12", "its SQL selects 12 rows and its question 19"),
            (
                "SELECT * REPLACE (observed + 0.001 AS observed) FROM ({sql})",
                "(those that were fitted are those of its question), so one of them was altered",
            ),
        ],
    )
    def test_an_sql_text_that_selects_other_rows(self, fitted: Store, sql: str, why: str) -> None:
        """A text exchanged together with its hash is found by running it."""
        [(then,)] = fitted.query("SELECT query_sql FROM fits")[1]
        text = sql.format(sql=then)
        fitted.connection.execute(
            "UPDATE fits SET query_sql = ?, query_sha256 = ?", [text, hashlib.sha256(text.encode()).hexdigest()]
        ).fetchall()
        before = fitted.query("SELECT count(*) FROM metrics")[1]
        with pytest.raises(StoreError, match="What is stored of the fit 'web' is damaged") as caught:
            verify_fit(fitted, "web")
        assert why in caught.value.message
        assert fitted.query("SELECT count(*) FROM metrics")[1] == before

    def test_an_sql_text_that_selects_the_same_rows(self, fitted: Store) -> None:
        text = "SELECT run_id, n_params AS N, n_tokens AS D, loss AS observed, loss_status AS status FROM runs_final "
        text += "WHERE corpus = 'web' ORDER BY loss"
        fitted.connection.execute(
            "UPDATE fits SET query_sql = ?, query_sha256 = ?", [text, hashlib.sha256(text.encode()).hexdigest()]
        ).fetchall()
        found = verify_fit(fitted, "web")
        assert found.n_now == 19
        assert found.sentences[-1].endswith("another SQL text than the one stored; both select these rows.")

    def test_a_question_that_was_exchanged(self, fitted: Store) -> None:
        edit(fitted, "config", lambda t: t["question"].update(where="corpus = 'code'"))
        with pytest.raises(StoreError, match="those that were fitted are those of its SQL"):
            verify_fit(fitted, "web")
        edit(fitted, "config", lambda t: t["question"].update(where="no_such_column > 1"))
        with pytest.raises(StoreError, match="its SQL selects 19 rows, and its question none in this version"):
            verify_fit(fitted, "web")

    def test_clusters_of_another_column(self, store: Store) -> None:
        fit_runs(store, "chinchilla", Question(where="corpus = 'web'", cluster="width"), name="each", bootstrap=0)
        edit(store, "config", lambda t: t["question"].update(cluster="odd name"), "each")
        with pytest.raises(StoreError, match="its SQL selects 19 rows and its question 19, and they are not the same"):
            verify_fit(store, "each")

    def test_replicates_lost(self, fitted: Store) -> None:
        fitted.connection.execute("DELETE FROM fit_replicates WHERE replicate >= 20").fetchall()
        with pytest.raises(StoreError, match="replicates are missing"):
            verify_fit(fitted, "web")

    def test_can_stand_in_a_list(self) -> None:
        found = damaged("web", StoreError("It is damaged."))
        assert (found.name, found.status, found.sentences) == ("web", "damaged", ("It is damaged.",))

    def test_a_name_that_is_none(self, fitted: Store) -> None:
        with pytest.raises(UsageError, match="no fit 'wbe'"):
            verify_fit(fitted, "wbe")


def test_nothing_is_written(fitted: Store) -> None:
    tables = ("fits", "fit_replicates", "audit", "runs", "metrics", "predictions")
    before = [fitted.query(f"SELECT * FROM {t} ORDER BY ALL")[1] for t in tables]
    verify_fit(fitted, "web")
    assert [fitted.query(f"SELECT * FROM {t} ORDER BY ALL")[1] for t in tables] == before
