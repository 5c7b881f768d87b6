"""Saved fits: what is kept, that it comes back to the last digit, and that it can be made again."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import db
import scaling
from db.fits import fit_runs, remove_fit, save_predictions
from db.provenance import is_simulated, sources_of
from db.saved import SavedFit, load_fit, rows_of
from db.select import Question
from db.store import Store
from scaling.errors import InputDataError, LawError, UsageError

WEB = Question(where="corpus = 'web'")
BOUNDS = {"E": {"low": 0.0, "high": 3.0}, "A": {"low": 0.0}, "a": {"low": 0.01, "high": 2.0}}


def one(store: Store, law: str = "chinchilla", question: Question | None = WEB, **settings: Any) -> SavedFit:
    """Make a fit, without a bootstrap unless one is asked for."""
    [saved], failures = fit_runs(store, law, question, **({"bootstrap": 0} | settings))
    assert failures == {}
    return saved


class TestRoundTrip:
    @pytest.mark.parametrize("law", ["chinchilla", "kaplan", "skaling", "multiplicative"])
    def test_a_fit_comes_back_to_the_last_digit(self, law: str, store: Store) -> None:
        saved = one(store, law, bootstrap=25, seed=4, name="mine")
        loaded = load_fit(store, "mine")
        assert loaded.fit == saved.fit
        assert loaded == saved
        np.testing.assert_array_equal(loaded.fit.replicates, saved.fit.replicates)
        target = {"N": 70e9, "D": 1.4e12}
        assert loaded.fit.predict(target, force=True) == saved.fit.predict(target, force=True)

    def test_a_formula_with_bounds_comes_back(self, store: Store) -> None:
        question = Question(where="corpus = 'web'", inputs={"x": "n_tokens / n_params"})
        saved = one(store, "E + A/x**a", question, parameters=BOUNDS, name="ratio")
        loaded = load_fit(store, "ratio")
        assert loaded == saved
        assert [p.to_dict() for p in loaded.fit.law.parameters] == [BOUNDS["E"], BOUNDS["A"], BOUNDS["a"]]

    def test_numbers_that_are_not_finite(self, store: Store, ask: Any) -> None:
        """A parameter at its bound has no error; that comes back as unknown, and is stored as no number."""
        bounds = {"E": {"low": 0.0, "high": 0.5}, "A": {"low": 0.0}, "a": {"low": 0.01, "high": 2.0}}
        saved = one(store, "E + A/C**a", parameters=bounds, name="held")
        assert saved.fit.estimates["E"] == 0.5
        assert math.isnan(saved.fit.standard_errors["E"])
        loaded = load_fit(store, "held")
        assert math.isnan(loaded.fit.standard_errors["E"])
        assert loaded.fit == saved.fit
        [(text,)] = ask("SELECT fit FROM fits WHERE name = 'held'")
        assert json.loads(text)["standard_errors"]["E"] is None

    def test_replicates_are_kept_by_name(self, store: Store, ask: Any) -> None:
        saved = one(store, bootstrap=12, name="mine")
        rows = ask("SELECT replicate, value FROM fit_replicates WHERE parameter = 'alpha' ORDER BY replicate")
        column = saved.fit.law.parameter_names.index("alpha")
        assert [row[0] for row in rows] == list(range(12))
        np.testing.assert_array_equal([row[1] for row in rows], saved.fit.replicates[:, column])
        assert ask("SELECT count(*) FROM fit_replicates") == [(60,)]

    def test_from_a_file_that_was_closed(self, log: Path, tmp_path: Path) -> None:
        with Store(tmp_path / "s.duckdb") as store:
            store.ingest(log)
            saved = one(store, bootstrap=10, name="mine")
        with db.Store(tmp_path / "s.duckdb", read_only=True) as store:
            assert load_fit(store, "mine") == saved


class TestWhatIsKept:
    def test_the_row(self, store: Store, ask: Any) -> None:
        saved = one(store, name="mine", seed=9, bootstrap=5)
        columns = "fit_id, name, kind, law, formula, metric, objective, objective_value, verdict, n_obs, seed, group_by"
        assert ask(f"SELECT {columns} FROM fits") == [
            (
                saved.fit_id, "mine", "loss", "chinchilla", "E + A/N**alpha + B/D**beta", "loss",
                "huber(0.001) on log residuals", saved.fit.objective_value, saved.fit.verdict, 19, 9, None,
            )
        ]  # fmt: skip
        [(sql, data, version, env)] = ask("SELECT query_sql, data_sha256, package_version, env FROM fits")
        assert sql == saved.sql
        assert data == rows_of(store, saved).sha256
        assert version == scaling.__version__
        assert set(json.loads(env)) == {"scaling-suite", "python", "numpy", "scipy", "sympy", "duckdb"}

    def test_what_was_left_out(self, store: Store) -> None:
        assert one(store).excluded == {
            "counts": {"not selected by the condition": 21, "the loss is nan": 1},
            "rows": [{"run_id": "web-40", "reason": "the loss is nan"}],
        }

    def test_the_audit(self, store: Store, ask: Any) -> None:
        first, second = one(store, name="mine"), one(store, name="mine", replace=True)
        remove_fit(store, "mine")
        assert ask("SELECT event, object_id FROM audit WHERE object_kind = 'fit' ORDER BY happened_at, rowid") == [
            ("fit", first.fit_id),
            ("replace", first.fit_id),
            ("fit", second.fit_id),
            ("remove", second.fit_id),
        ]

    def test_the_unit_is_that_of_the_store(self, store: Store, ask: Any) -> None:
        assert one(store).fit.law.unit == "nats/token, assumed"
        assert one(store, "E + A/C**a", parameters=BOUNDS).fit.law.unit == ""
        ask("UPDATE metric_defs SET unit = 'bits/byte'")
        assert one(store).fit.law.unit == "bits/byte"
        assert one(store, "E + A/C**a", parameters=BOUNDS).fit.law.unit == "bits/byte"

    def test_the_latest_of_each_question(self, store: Store, ask: Any) -> None:
        for objective in ("huber", "squared"):
            one(store, objective=objective)
        one(store, question=Question(where="corpus = 'code'"))
        found = ask("SELECT name FROM fit_latest ORDER BY name")
        assert found == [("chinchilla_2",), ("chinchilla_3",)]


class TestCommand:
    @pytest.mark.parametrize(
        ("law", "question", "settings"),
        [
            ("chinchilla", WEB, {"name": "it's", "seed": 3, "bootstrap": 5}),
            ("chinchilla", Question(where="corpus IN ('web', 'it''s') -- and\n", cluster="width"), {"bootstrap": 5}),
            ("E + A/x**a", Question(inputs={"x": "n_tokens / n_params"}, metric="loss"), {"parameters": BOUNDS}),
            ("-E + A/C**a", WEB, {"parameters": BOUNDS | {"E": {"high": 0.0}}}),
            (
                "chinchilla", WEB,
                {"objective": "huber", "delta": 0.01, "residual": "linear",
                 "start": {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.35, "beta": 0.36}},
            ),
        ],
    )  # fmt: skip
    def test_makes_the_same_fit_again(
        self, law: str, question: Question, settings: dict[str, Any], log: Path, tmp_path: Path
    ) -> None:
        """The words that are kept, typed into a shell, give the same numbers."""
        from typer.testing import CliRunner

        from cli import app

        path = tmp_path / "s.duckdb"
        settings = settings | {"name": "mine"}
        with Store(path) as store:
            store.ingest(log)
            first = one(store, law, question, **settings)
        words = shlex.split(first.command)
        assert words[:2] == ["scaling", "fit"]
        answer = CliRunner().invoke(app, [*words[1:], "--replace", "--db", str(path)])
        assert answer.exit_code == 0, answer.stderr
        with Store(path, read_only=True) as store:
            second = load_fit(store, "mine")
        assert second.fit == first.fit
        assert second.data_sha256 == first.data_sha256
        assert set(words) <= set(shlex.split(second.command))


class TestNames:
    def test_are_made_from_the_law(self, store: Store) -> None:
        names = [one(store).name, one(store).name, one(store, "power", Question(inputs={"x": "n_tokens"})).name]
        assert names == ["chinchilla_1", "chinchilla_2", "power_fit_1"]  # power is a function of SQL

    def test_are_found_in_any_case(self, store: Store) -> None:
        saved = one(store, name="C4")
        assert load_fit(store, "c4") == load_fit(store, saved.fit_id) == load_fit(store, "latest") == saved

    def test_of_groups(self, store: Store, ask: Any) -> None:
        ask("UPDATE runs SET corpus = 'Prose, 2nd ed.' WHERE corpus = 'web'")
        saved, _ = fit_runs(store, "chinchilla", Question(by="corpus"), name="demo", bootstrap=0)
        assert [(s.name, s.group_value) for s in saved] == [
            ("demo_prose_2nd_ed", "Prose, 2nd ed."),
            ("demo_code", "code"),
        ]
        assert {s.fit.n_obs for s in saved} == {19}

    def test_of_groups_that_would_be_called_the_same(self, store: Store, ask: Any) -> None:
        ask("UPDATE runs SET corpus = 'a-b' WHERE corpus = 'web'")
        ask("UPDATE runs SET corpus = 'a b' WHERE corpus = 'code'")
        saved, _ = fit_runs(store, "chinchilla", Question(by="corpus"), name="demo", bootstrap=0)
        assert [(s.name, s.group_value) for s in saved] == [("demo_a_b", "a b"), ("demo_a_b_2", "a-b")]
        assert len(ask("SELECT demo_a_b(1e9, 1e10), demo_a_b_2(1e9, 1e10)")) == 1

    def test_that_are_taken(self, store: Store) -> None:
        one(store, name="mine")
        with pytest.raises(UsageError, match="already has a fit 'MINE'") as raised:
            one(store, name="MINE")
        assert "--replace" in str(raised.value.hint)

    def test_that_are_unknown(self, store: Store) -> None:
        with pytest.raises(UsageError, match="Fit one first"):
            load_fit(store, "latest")
        one(store, name="mine")
        with pytest.raises(UsageError, match="Did you mean 'mine'"):
            load_fit(store, "nine")


class TestGroups:
    def test_one_that_cannot_be_fitted_does_not_stop_the_others(self, store: Store, ask: Any) -> None:
        ask("UPDATE runs SET corpus = 'books' WHERE run_id = 'lost'")
        saved, failures = fit_runs(store, "chinchilla", Question(by="corpus"), bootstrap=0)
        assert [s.group_value for s in saved] == ["code", "web"]
        assert list(failures) == ["books"]
        assert "1 rows cannot determine the 5 parameters" in failures["books"].message

    def test_each_selects_its_own_rows_again(self, store: Store) -> None:
        saved, _ = fit_runs(store, "chinchilla", Question(by="corpus"), bootstrap=0)
        for fit in saved:
            assert rows_of(store, fit).sha256 == fit.data_sha256
        assert saved[0].data_sha256 != saved[1].data_sha256

    def test_none_that_can_be_fitted(self, store: Store, ask: Any) -> None:
        with pytest.raises(InputDataError, match="None of the 5 groups of width can be fitted"):
            fit_runs(
                store,
                "chinchilla",
                Question(by="width", where="n_tokens < 1e9 AND corpus = 'web' OR run_id = 'web-41'"),
            )
        assert ask("SELECT count(*) FROM fits") == [(0,)]


class TestNothingIsKeptOfAFitThatFails:
    @pytest.mark.parametrize(
        ("law", "settings", "error"),
        [
            ("chinchila", {}, LawError),
            ("chinchilla", {"objective": "hubert"}, UsageError),
            ("chinchilla", {"start": {"E": 1.0}}, UsageError),
            ("chinchilla", {"name": "table"}, UsageError),
            ("chinchilla", {"parameters": BOUNDS}, LawError),
            ("chinchilla", {"question": Question(where="n_params < 0")}, InputDataError),
        ],
    )
    def test_the_store_is_as_it_was(
        self, law: str, settings: dict[str, Any], error: type[Exception], store: Store, ask: Any
    ) -> None:
        before = ask("SELECT * FROM audit")
        with pytest.raises(error):
            one(store, law, **settings)
        assert ask("SELECT * FROM audit") == before
        assert ask("SELECT count(*) FROM fits") == [(0,)]

    def test_when_the_macro_cannot_be_made(self, store: Store, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """All of a fit is written, or nothing."""
        old = one(store, name="mine", bootstrap=5)
        monkeypatch.setattr("db.fits.macro_sql", lambda *_: "CREATE MACRO broken(")
        with pytest.raises(UsageError):
            one(store, name="mine", replace=True)
        assert load_fit(store, "mine") == old
        assert ask("SELECT count(*) FROM fit_replicates") == [(25,)]
        assert ask("SELECT mine(1e9, 1e10) > 1") == [(True,)]


class TestRowsThatChanged:
    def test_are_seen(self, store: Store, ask: Any) -> None:
        saved = one(store)
        assert rows_of(store, saved).sha256 == saved.data_sha256
        ask("UPDATE metrics SET value = value + 1e-12 WHERE run_id = 'web-00'")
        assert rows_of(store, saved).sha256 != saved.data_sha256

    def test_in_other_runs_do_not_matter(self, store: Store, ask: Any) -> None:
        saved = one(store)
        ask("UPDATE metrics SET value = 1 WHERE run_id = 'code-00'")
        assert rows_of(store, saved).sha256 == saved.data_sha256


class TestPredictions:
    def test_are_kept(self, store: Store, ask: Any) -> None:
        saved = one(store, bootstrap=20)
        targets = [{"N": 1e10, "D": 2e11}, {"N": 70e9, "D": 1.4e12}]
        made = [saved.fit.predict(target, level=0.8) for target in targets]
        save_predictions(store, saved, targets, made)
        rows = ask("SELECT inputs, mean, low, high, level, extrapolation_factor FROM predictions ORDER BY mean DESC")
        for row, target, p in zip(rows, targets, made, strict=True):
            assert json.loads(row[0]) == target
            assert row[1:] == (p.mean, p.low, p.high, 0.8, p.extrapolation_factor)

    def test_what_is_unknown_is_null_and_not_zero(self, store: Store, ask: Any) -> None:
        saved = one(store)
        nothing = scaling.Prediction(2.0, math.nan, math.inf, 0.9, "run", math.nan, "none", "ok")
        save_predictions(store, saved, [{"N": 1e9, "D": 1e10}], [nothing])
        assert ask("SELECT mean, low, high, extrapolation_factor FROM predictions") == [(2.0, None, None, None)]

    def test_outlive_a_refit_and_go_with_a_fit_that_is_removed(self, store: Store, ask: Any) -> None:
        saved = one(store, name="mine")
        save_predictions(store, saved, [{"N": 1e9, "D": 1e10}], [saved.fit.predict({"N": 1e9, "D": 1e10})])
        again = one(store, name="mine", replace=True)
        assert ask("SELECT fit_id FROM predictions") == [(saved.fit_id,)]
        save_predictions(store, again, [{"N": 1e9, "D": 1e10}], [again.fit.predict({"N": 1e9, "D": 1e10})])
        remove_fit(store, "mine")
        assert ask("SELECT fit_id FROM predictions") == [(saved.fit_id,)]


class TestProvenance:
    def test_the_files_behind_a_fit(self, store: Store, log: Path, tmp_path: Path, ask: Any) -> None:
        more = tmp_path / "more.csv"
        more.write_text("run_id,corpus,N,D,loss\nm1,web,1e9,1e10,2.7\nm2,web,1e9,1e10,oops\nm3,code,1e9,1e10,-1\n")
        store.ingest(more)
        saved = one(store)
        found = sources_of(store, rows_of(store, saved).run_ids)
        assert [(Path(s.uri).name, s.n_runs, [line for line, _ in s.refused]) for s in found] == [
            ("more.csv", 1, [3, 4]),
            ("runs.csv", 19, []),
        ]
        assert [reason for _, reason in found[0].refused] == [
            "not a number", 'a loss is above 0 (a mapping file can say kind = "other")',
        ]  # fmt: skip
        assert {s.sha256 for s in found} == {row[0] for row in ask("SELECT sha256 FROM sources")}

    def test_a_value_that_was_refused_is_no_refused_row(self, store: Store, tmp_path: Path) -> None:
        more = tmp_path / "more.csv"
        more.write_text("run_id,corpus,N,D,loss,val_loss\nm1,web,1e9,1e10,2.7,oops\n")
        store.ingest(more, metric="loss")
        assert store.query("SELECT count(*) FROM metrics WHERE run_id = 'm1' AND value_status = 'ok'")[1] == [(1,)]
        [found] = sources_of(store, ["m1"])
        assert found.refused == ()

    def test_whether_no_model_was_trained(self, store: Store, tmp_path: Path) -> None:
        assert not is_simulated(store, ["web-00"])
        made = tmp_path / "made.csv"
        made.write_text("run_id,N,D,loss,simulated\ns1,1e9,1e10,2.7,true\ns2,1e9,1e10,2.7,false\n")
        store.ingest(made)
        assert is_simulated(store, ["s1"])
        assert not is_simulated(store, ["s1", "s2"])
        assert not is_simulated(store, ["s1", "web-00"])
