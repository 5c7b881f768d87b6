"""Pairs of runs from a store."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db.pairs import PairQuestion, ask_pairs, select_pairs, select_pairs_by_sql
from db.select import hash_rows
from db.store import Store
from scaling.errors import InputDataError, UsageError

MAPPING = """
[metrics]
loss = { column = "loss", unit = "nats/token" }
test = { column = "test", unit = "nats/token" }
bpb = { column = "bpb", unit = "bits/byte", kind = "loss" }
plain = { column = "plain", kind = "loss" }
acc = { column = "acc", unit = "share", kind = "accuracy" }

[options]
metric = "loss"
"""
SIZES, TOKENS = (1e8, 3e8, 1e9, 3e9), (2e9, 8e9, 3.2e10)
WEB_TO_CODE = PairQuestion("web", "code", "loss", "loss")


def log_text() -> str:
    """Runs of two corpora on one grid: code lacks a cell and has two seeds of another, one web run diverged."""
    lines = ["run_id,corpus,N,D,loss,test,bpb,plain,acc,wide"]
    for corpus, shift in (("web", 0.0), ("code", -1.0)):
        for i, n in enumerate(SIZES):
            for j, d in enumerate(TOKENS):
                if (corpus, i, j) == ("code", 0, 2):
                    continue
                loss = 3.6 + shift - 0.3 * i - 0.1 * j
                shown = "nan" if (corpus, i, j) == ("web", 3, 2) else f"{loss:.6g}"
                about = f"{loss + 0.5:.6g},{loss / 3:.6g},{loss:.6g},{0.9 - loss / 5:.6g},{i % 2}"
                lines.append(f"{corpus}{i}{j},{corpus},{n:.6g},{d * (1 + 1e-5 * i):.9g},{shown},{about}")
    lines.append("code-seed,code,1e8,2e9,2.8,3.3,0.9,2.8,0.3,0")
    return "\n".join(lines) + "\n"


@pytest.fixture
def runs(store: Store, write: Callable[..., Path]) -> Store:
    """A store with the log."""
    store.ingest(write(log_text(), "pairs.csv"), write(MAPPING, "pairs.toml"))
    return store


class TestCells:
    def test_pairs_by_rising_budget(self, runs: Store) -> None:
        found = select_pairs(runs, WEB_TO_CODE)
        assert len(found) == 10  # 12 cells, without the one that code lacks and the one that diverged
        assert found.order is not None
        assert np.all(np.diff(found.order) >= 0)
        assert found.order[0] == 6 * 1e8 * 2e9
        assert found.run_ids[0] == "web00+code-seed+code00"
        assert found.members is not None
        assert found.members[0] == ("web00", "code-seed", "code00")
        assert found.inputs["x"][0] == pytest.approx(3.6)
        assert found.observed[0] == pytest.approx((2.6 + 2.8) / 2)
        assert found.columns == {"x": "metric:loss"}
        assert (found.metric, found.units, found.target_unit) == ("loss", {"x": "nats/token"}, "nats/token")
        assert len(found.runs) == 21

    def test_every_other_run_has_a_reason(self, runs: Store) -> None:
        found = select_pairs(runs, WEB_TO_CODE)
        assert {e.run_id: e.reason for e in found.excluded} == {
            "web32": "source: the metric loss is nan",
            "web02": "source: no target run has its parameters and tokens",
            "code32": "target: no source run has its parameters and tokens",
        }
        assert found.not_selected == 0
        assert "One pair stands for several runs of one cell, whose losses are averaged." in found.notes[0]

    def test_a_condition_holds_for_both_sides_and_is_counted(self, runs: Store) -> None:
        found = select_pairs(runs, replace(WEB_TO_CODE, where="wide = 0 AND n_params < 2e9"))
        assert {run[-2] for run in found.runs if run != "code-seed"} == {"0", "2"}
        assert found.not_selected == 12
        assert found.reasons()["not selected by the condition"] == 12

    def test_the_hash_is_of_values_and_budgets(self, runs: Store) -> None:
        found = select_pairs(runs, WEB_TO_CODE)
        assert found.order is not None
        columns = {"x": found.inputs["x"], "budget": found.order}
        assert found.sha256 == hash_rows(found.run_ids, columns, found.observed)
        runs.connection.execute("UPDATE runs SET compute_flop = 1e19 WHERE run_id = 'web11'").fetchall()
        assert select_pairs(runs, WEB_TO_CODE).sha256 != found.sha256

    def test_the_stored_sql_gives_the_same_pairs(self, runs: Store) -> None:
        question = replace(WEB_TO_CODE, where="wide = 0 -- comment")
        one = select_pairs(runs, question)
        again = select_pairs_by_sql(runs, question, one.sql)
        assert (again.sha256, again.run_ids, again.excluded) == (one.sha256, one.run_ids, one.excluded)

    def test_another_sql_is_refused(self, runs: Store) -> None:
        with pytest.raises(UsageError, match="does not give the runs of two sides"):
            select_pairs_by_sql(runs, WEB_TO_CODE, "SELECT * FROM runs_final")
        sql = select_pairs(runs, WEB_TO_CODE).sql.replace("'source' AS side", "'both' AS side")
        with pytest.raises(UsageError, match="does not give the runs of two sides"):
            select_pairs_by_sql(runs, WEB_TO_CODE, sql)

    def test_a_wide_tolerance_and_a_narrow_one(self, runs: Store) -> None:
        assert len(select_pairs(runs, replace(WEB_TO_CODE, tolerance=0.5))) == 10
        runs.connection.execute("UPDATE runs SET n_params = 1.05e8 WHERE run_id = 'code00'").fetchall()
        assert select_pairs(runs, WEB_TO_CODE).run_ids[0] == "web00+code-seed"


class TestOneCorpus:
    QUESTION = PairQuestion("web", "web", "loss", "test")

    def test_both_metrics_of_the_same_run(self, runs: Store) -> None:
        found = select_pairs(runs, self.QUESTION)
        assert found.question.way == "run"
        assert found.run_ids[0] == "web00"
        assert found.observed - found.inputs["x"] == pytest.approx(np.full(11, 0.5), abs=1e-5)
        assert found.metric == "test"
        assert [(e.run_id, e.reason) for e in found.excluded] == [
            ("web32", "source: the metric loss is nan"),
            ("web32", "target: it has no source loss"),
        ]

    def test_the_same_metric_is_refused(self, runs: Store) -> None:
        with pytest.raises(UsageError, match="Both sides are loss of web"):
            select_pairs(runs, PairQuestion("web", "web", "loss", "loss"))

    def test_an_error_from_an_accuracy(self, runs: Store) -> None:
        plain = select_pairs(runs, replace(self.QUESTION, metric_target="acc"))
        error = select_pairs(runs, replace(self.QUESTION, metric_target="acc", complement=True))
        assert error.observed == pytest.approx(1 - plain.observed)
        assert (error.target_unit, error.question.words) == ("share", "1 - acc of web from loss of web")

    def test_an_accuracy_is_no_source(self, runs: Store) -> None:
        with pytest.raises(UsageError, match="The source metric acc is an accuracy") as caught:
            select_pairs(runs, replace(self.QUESTION, metric_source="acc"))
        assert "scaling transfer accuracy --corpus web" in (caught.value.hint or "")

    def test_a_loss_has_no_complement(self, runs: Store) -> None:
        with pytest.raises(UsageError, match="The metric test is a loss"):
            select_pairs(runs, replace(self.QUESTION, complement=True))


class TestCompute:
    def test_the_best_of_each_budget(self, runs: Store) -> None:
        found = select_pairs(runs, replace(WEB_TO_CODE, by="compute"))
        budgets: dict[float, list[float]] = {}
        for i, n in enumerate(SIZES):
            for j, d in enumerate(TOKENS):
                if (i, j) not in ((3, 2),):
                    budgets.setdefault(round(math.log(6 * n * d), 2), []).append(3.6 - 0.3 * i - 0.1 * j)
        assert len(found) == len(found.pairs.members) < len(budgets) + 1
        lowest = {min(losses) for losses in budgets.values()}
        assert all(any(abs(x - low) < 1e-6 for low in lowest) for x in found.inputs["x"])


class TestUnits:
    def test_one_of_each_is_refused(self, runs: Store) -> None:
        with pytest.raises(UsageError, match="for one tokenizer only"):
            select_pairs(runs, replace(WEB_TO_CODE, metric_target="bpb"))

    def test_a_factor_turns_nats_into_bits(self, runs: Store) -> None:
        plain = select_pairs(runs, WEB_TO_CODE)
        question = replace(WEB_TO_CODE, metric_target="bpb", bytes_per_token_source=4.0)
        found = select_pairs(runs, question)
        assert found.inputs["x"] == pytest.approx(plain.inputs["x"] / (4 * math.log(2)))
        assert (found.units, found.target_unit) == ({"x": "bits/byte"}, "bits/byte")
        assert found.pairs.x.tolist() == plain.pairs.x.tolist()

    def test_a_unit_that_nobody_said_is_assumed(self, runs: Store) -> None:
        found = select_pairs(runs, replace(WEB_TO_CODE, metric_target="plain"))
        assert found.target_unit == "nats/token, assumed"
        assert "The unit of the target is not known; nats/token is assumed." in found.notes

    def test_other_tokenizers_are_refused(self, runs: Store) -> None:
        for corpus in ("web", "code"):
            runs.connection.execute(
                "UPDATE datasets SET tokenizer = ? WHERE dataset_id = ?", [f"{corpus}-bpe", corpus]
            ).fetchall()
        with pytest.raises(UsageError, match=r"different tokenizers \(web-bpe and code-bpe\)"):
            select_pairs(runs, WEB_TO_CODE)
        both = replace(WEB_TO_CODE, bytes_per_token_source=4.0, bytes_per_token_target=3.0)
        assert len(select_pairs(runs, both)) == 10


class TestBadInput:
    @pytest.mark.parametrize(
        ("changed", "message", "hint"),
        [
            ({"target": "cod"}, "No run in the store has corpus = 'cod'", "Did you mean 'code'?"),
            ({"metric_target": "los"}, "has the metric 'los'", "Did you mean 'loss'?"),
            ({"column": "corpora"}, "has no column 'corpora'", "Did you mean 'corpus'?"),
            ({"by": "cells"}, "cannot be paired by 'cells'", "Did you mean 'cell'?"),
            ({"by": "run"}, "No run is both of web and of code", "--pair-by cell"),
            ({"where": "n_params >"}, "takes one SQL expression", "n_params > 1e8"),
            ({"where": "n_parms > 1"}, "n_parms", "n_params"),
        ],
    )
    def test_what_is_not_there(self, runs: Store, changed: dict[str, str], message: str, hint: str) -> None:
        with pytest.raises(UsageError) as caught:
            select_pairs(runs, replace(WEB_TO_CODE, **changed))  # type: ignore[arg-type]
        assert message in caught.value.message
        assert hint in (caught.value.hint or "")

    def test_a_condition_that_leaves_one_side_empty(self, runs: Store) -> None:
        with pytest.raises(
            InputDataError, match=r"There is no target run \(corpus = 'code'\) that meets the condition"
        ):
            select_pairs(runs, replace(WEB_TO_CODE, where="run_id LIKE 'web%'"))

    def test_a_metric_that_one_side_never_logged(self, runs: Store) -> None:
        runs.connection.execute("DELETE FROM metrics WHERE metric = 'test' AND run_id LIKE 'code%'").fetchall()
        with pytest.raises(
            InputDataError, match="None of the 12 target runs can be used: of run code-seed, the metric"
        ):
            select_pairs(runs, replace(WEB_TO_CODE, metric_target="test"))

    def test_no_common_cell_says_what_would_pair(self, runs: Store) -> None:
        runs.connection.execute("UPDATE runs SET n_params = n_params * 1.03 WHERE corpus = 'code'").fetchall()
        with pytest.raises(InputDataError, match="no source run and target run have the same parameters") as caught:
            select_pairs(runs, WEB_TO_CODE)
        assert "--tolerance 0.03" in (caught.value.hint or "")
        assert len(select_pairs(runs, replace(WEB_TO_CODE, tolerance=0.031))) == 10


def test_a_compute_that_is_something_else_is_pointed_out(runs: Store) -> None:
    runs.connection.execute("UPDATE runs SET compute_flop = n_params").fetchall()
    notes = " ".join(select_pairs(runs, WEB_TO_CODE).notes)
    assert "times 6*N*D (median), and they are ordered by it" in notes
    assert "times 6*N*D" not in " ".join(select_pairs(runs, PairQuestion("web", "web", "loss", "test")).notes[:1])


def test_a_question_is_plain_data() -> None:
    question = replace(WEB_TO_CODE, where="a", tolerance=0.1, bytes_per_token_source=3.5, complement=True)
    assert PairQuestion.from_dict(question.to_dict()) == question


def test_the_metric_that_the_runs_show_stands_in_where_none_is_named(runs: Store) -> None:
    assert ask_pairs(runs, "web", "code") == WEB_TO_CODE
    assert ask_pairs(runs, "web", "code", "test").metric_source == "test"
    asked = ask_pairs(runs, "web", "code", "test", metric_target="bpb")
    assert (asked.metric_source, asked.metric_target) == ("test", "bpb")
    runs.connection.execute("UPDATE runs SET loss_metric = 'test' WHERE run_id = 'web00'").fetchall()
    with pytest.raises(UsageError, match="different metrics as their loss: loss, test"):
        ask_pairs(runs, "web", "code")
