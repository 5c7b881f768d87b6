"""Choosing the rows of a fit, and accounting for every other row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaling
from db.select import Question, hash_rows, select, shut_out_files
from db.store import Store
from scaling.errors import InputDataError, UsageError

CHINCHILLA = scaling.find_law("chinchilla")
WEB = Question(where="corpus = 'web'")


class TestRows:
    def test_are_those_of_the_view_in_the_order_of_their_ids(self, store: Store, ask: Any) -> None:
        found = select(store, CHINCHILLA, WEB, positive=True)
        rows = ask(
            "SELECT run_id, n_params, n_tokens, loss FROM runs_final WHERE corpus = 'web' AND loss > 0 ORDER BY run_id"
        )
        assert len(found) == len(rows) == 19
        assert found.run_ids == tuple(row[0] for row in rows)
        np.testing.assert_array_equal(found.inputs["N"], [row[1] for row in rows])
        np.testing.assert_array_equal(found.inputs["D"], [row[2] for row in rows])
        np.testing.assert_array_equal(found.observed, [row[3] for row in rows])
        assert found.columns == {"N": "n_params", "D": "n_tokens"}
        assert found.metric == "loss"

    def test_every_run_is_used_left_out_or_not_selected(self, store: Store) -> None:
        found = select(store, CHINCHILLA, WEB, positive=True)
        assert found.reasons() == {"not selected by the condition": 21, "the loss is nan": 1}
        assert len(found) + sum(found.reasons().values()) == 41

    def test_the_sql_can_be_run_again(self, store: Store, ask: Any) -> None:
        found = select(store, CHINCHILLA, Question(where="corpus = 'web' -- why not"), positive=True)
        assert [row[0] for row in ask(found.sql) if row[4] == "ok"] == list(found.run_ids)

    def test_names_of_columns_may_be_in_any_case(self, store: Store) -> None:
        law = scaling.find_law("E + A/x**alpha", ["x"])
        found = select(store, law, Question(inputs={"x": "N_Params"}, by="CORPUS"), positive=True)
        assert found.columns == {"x": "n_params"}
        assert set(found.groups or ()) == {"web", "code"}

    def test_a_column_with_a_blank_in_its_name(self, store: Store) -> None:
        law = scaling.find_law("E + A/x**alpha", ["x"])
        found = select(store, law, Question(inputs={"x": "odd name"}), positive=True)
        assert sorted(set(found.inputs["x"])) == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("name", ["observed", "status", "by", "cluster", "run_id", "loss_status"])
    def test_an_input_may_be_called_like_any_other_column(self, name: str, store: Store) -> None:
        law = scaling.find_law(f"E + A/{name}**alpha", [name])
        question = Question(inputs={name: "n_tokens"}, by="corpus", cluster="n_params")
        found = select(store, law, question, positive=True)
        assert sorted(set(np.round(found.inputs[name] / 1e6))) == [500, 2924, 17100, 100000]
        assert set(found.groups or ()) == {"web", "code"}
        assert len(set(found.clusters or ())) == 5

    def test_the_usual_letters_stand_for_columns(self, store: Store, ask: Any) -> None:
        law = scaling.find_law("E + A/C**alpha", ["C"])
        found = select(store, law, WEB, positive=True)
        flop = ask("SELECT compute_flop FROM runs_final WHERE corpus = 'web' AND loss > 0 ORDER BY run_id")
        np.testing.assert_array_equal(found.inputs["C"], [row[0] for row in flop])

    def test_losses_that_are_not_positive(self, store: Store, ask: Any) -> None:
        ask("UPDATE metrics SET value = -1 WHERE run_id = 'web-00'")
        reasons = select(store, CHINCHILLA, WEB, positive=True).reasons()
        assert reasons["the loss is not positive, so it has no logarithm"] == 1
        assert len(select(store, CHINCHILLA, WEB, positive=False)) == 19

    def test_inputs_that_no_law_can_use(self, store: Store) -> None:
        law = scaling.find_law("E + A/x**alpha", ["x"])
        expression = (
            "CASE width WHEN 'w0' THEN NULL WHEN 'w1' THEN 'inf'::DOUBLE WHEN 'w2' THEN 'nan'::DOUBLE ELSE 1 END"
        )
        found = select(store, law, Question(where="corpus = 'web'", inputs={"x": expression}), positive=True)
        assert len(found) == 7
        assert found.reasons() == {
            "not selected by the condition": 21, "x is missing": 4, "x is inf": 4, "x is nan": 4, "the loss is nan": 1,
        }  # fmt: skip

    def test_sizes_are_positive(self, store: Store) -> None:
        question = Question(where="corpus = 'web'", inputs={"N": "n_params - 2e7"})
        assert select(store, CHINCHILLA, question, positive=True).reasons()["N is not positive"] == 4


class TestGroups:
    def test_take_their_own_rows_and_their_own_losses(self, store: Store) -> None:
        found = select(store, CHINCHILLA, Question(by="corpus", cluster="width"), positive=True)
        web = found.take("web")
        alone = select(store, CHINCHILLA, Question(where="corpus = 'web'", cluster="width"), positive=True)
        assert web.run_ids == alone.run_ids
        assert web.sha256 == alone.sha256
        assert web.clusters == alone.clusters
        np.testing.assert_array_equal(web.observed, alone.observed)

    def test_say_what_was_left_out_of_them(self, store: Store) -> None:
        found = select(store, CHINCHILLA, Question(by="corpus"), positive=True)
        assert found.reasons() == {"the loss is nan": 1, "the loss is inf": 1, "corpus is missing": 1}
        assert found.take("web").reasons() == {"the loss is nan": 1, "corpus is missing": 1}
        assert found.take("code").reasons() == {"the loss is inf": 1, "corpus is missing": 1}

    def test_by_and_cluster_may_be_the_same_column(self, store: Store) -> None:
        found = select(store, CHINCHILLA, Question(by="corpus", cluster="corpus"), positive=True)
        assert found.groups == found.clusters

    def test_a_run_without_a_cluster_is_left_out(self, store: Store) -> None:
        found = select(store, CHINCHILLA, Question(cluster="corpus"), positive=True)
        assert found.reasons()["corpus is missing"] == 1


class TestHash:
    X, Y = {"N": np.array([1e8, 2e8]), "D": np.array([1e9, 2e9])}, np.array([3.0, 2.5])

    def test_does_not_depend_on_the_order(self) -> None:
        turned = {name: values[::-1] for name, values in self.X.items()}
        assert hash_rows(["a", "b"], self.X, self.Y) == hash_rows(["b", "a"], turned, self.Y[::-1])

    def test_sees_the_last_bit(self) -> None:
        y = self.Y.copy()
        y[1] = np.nextafter(y[1], 3)
        assert hash_rows(["a", "b"], self.X, self.Y) != hash_rows(["a", "b"], self.X, y)

    @pytest.mark.parametrize("ids", [["a", "c"], ["b", "a"]])
    def test_sees_which_run_is_which(self, ids: list[str]) -> None:
        assert hash_rows(["a", "b"], self.X, self.Y) != hash_rows(ids, self.X, self.Y)


class TestRefused:
    @pytest.mark.parametrize(
        ("question", "said"),
        [
            (Question(where="corpsu = 'web'"), "Did you mean 'corpus'?"),
            (Question(by="corpsu"), "Did you mean 'corpus'?"),
            (Question(metric="los"), "Did you mean 'loss'?"),
            (Question(inputs={"M": "n_params"}), "no input 'M'"),
            (Question(where="true; DROP TABLE runs"), "--where"),
            (Question(inputs={"N": "n_params) AS N, (n_params"}), "--input"),
        ],
    )
    def test_questions_that_make_no_sense(self, question: Question, said: str, store: Store) -> None:
        with pytest.raises(UsageError) as raised:
            select(store, CHINCHILLA, question, positive=True)
        assert said in str(raised.value)

    def test_a_law_whose_input_no_column_gives(self, store: Store) -> None:
        with pytest.raises(UsageError, match=r"needs the input 'x'.*\n.*--input x="):
            select(store, scaling.find_law("power"), Question(), positive=True)

    def test_nothing_left(self, store: Store) -> None:
        with pytest.raises(InputDataError, match="of run web-40, the loss is nan"):
            select(store, CHINCHILLA, Question(where="run_id = 'web-40'"), positive=True)

    def test_text_where_a_number_is_needed(self, store: Store) -> None:
        with pytest.raises(InputDataError, match=r"holds 'w0' \(run code-00\), which is not a number"):
            select(store, CHINCHILLA, Question(inputs={"N": "width"}), positive=True)

    def test_runs_that_show_different_metrics(self, store: Store, tmp_path: Path) -> None:
        other = tmp_path / "other.csv"
        other.write_text("run_id,corpus,N,D,ppl\nz,web,1e8,1e9,20\n")
        store.ingest(other, metric="ppl")
        with pytest.raises(UsageError, match="different metrics as their loss: loss, ppl"):
            select(store, CHINCHILLA, WEB, positive=True)
        assert len(select(store, CHINCHILLA, Question(where="corpus = 'web' AND metric = 'loss'"), positive=True)) == 19
        assert select(store, CHINCHILLA, Question(metric="loss"), positive=True).metric == "loss"


def test_files_can_be_shut_out_and_the_store_still_written(tmp_path: Path, log: Path) -> None:
    (tmp_path / "secret.csv").write_text("the secret\n")
    with Store(tmp_path / "s.duckdb") as store:
        store.ingest(log)
        shut_out_files(store)
        with pytest.raises(UsageError, match="outside the store"):
            store.query("SELECT * FROM read_csv(?)", [str(tmp_path / "secret.csv")])
        with store.transaction() as connection:
            connection.execute("DELETE FROM runs WHERE run_id = 'lost'").fetchall()
    with Store(tmp_path / "s.duckdb", read_only=True) as store:
        assert store.query("SELECT count(*) FROM runs")[1] == [(40,)]
