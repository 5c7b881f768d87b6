"""Two saved fits beside each other: replicates that belong together, and losses on other text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db.fits import fit_runs
from db.pairing import belong_together, other_text
from db.removal import remove_source
from db.saved import SavedFit
from db.select import Question
from db.store import Store


def make(
    store: Store, name: str, where: str | None = "corpus = 'web'", law: str = "E + A/N**a + B/D**b", **more: Any
) -> SavedFit:
    question = Question(where=where, **{k: more.pop(k) for k in ("metric", "cluster") if k in more})
    bounds = (
        {"a": {"low": 0.1, "high": 1}, "b": {"low": 0.1, "high": 1}} if "**b" in law else {"a": {"low": 0.1, "high": 1}}
    )
    settings = {"bootstrap": 8, "seed": 3, "objective": "squared"} | more
    [saved], _ = fit_runs(store, law, question, name=name, parameters=bounds, **settings)
    return saved


@pytest.fixture
def gone(store: Store) -> Any:
    """Take all runs out of the store."""

    def _gone() -> None:
        [source] = store.query("SELECT source_id FROM sources")[1]
        remove_source(store, source[0])

    return _gone


class TestReplicates:
    def test_of_one_fit_belong_together_whether_or_not_its_rows_are_there(self, store: Store, gone: Any) -> None:
        one = make(store, "one")
        assert belong_together(store, one, one) == (True, "it is one fit")
        gone()
        assert belong_together(store, one, one) == (True, "it is one fit")

    def test_of_the_same_rows_need_no_rows_in_the_store(self, store: Store, gone: Any) -> None:
        one, other = make(store, "one"), make(store, "other", objective="huber")
        assert one.data_sha256 == other.data_sha256
        gone()
        assert belong_together(store, one, other) == (True, "both resampled the same runs")

    @pytest.mark.parametrize("more", [{"seed": 4}, {"bootstrap": 9}, {"resample": "dirichlet"}, {"cluster": "width"}])
    def test_drawn_in_another_way_do_not(self, more: dict[str, Any], store: Store) -> None:
        paired, why = belong_together(store, make(store, "one"), make(store, "other", **more))
        assert not paired
        assert "resampled in different ways, or with different seeds or numbers" in why

    def test_of_other_inputs_are_told_by_the_rows(self, store: Store, gone: Any) -> None:
        one, other = make(store, "one"), make(store, "other", law="E + A/N**a")
        assert one.data_sha256 != other.data_sha256
        assert belong_together(store, one, other) == (True, "both resampled the same runs")
        assert (
            belong_together(store, one, make(store, "code", "corpus = 'code'"))[1]
            == "they were fitted to different runs"
        )
        gone()
        assert belong_together(store, one, other) == (False, "the rows of one can no longer be selected")


class TestText:
    def test_other_corpora_are_a_concern_where_the_loss_is_each_runs_own(self, store: Store) -> None:
        concerns, notes = other_text(store, make(store, "one"), make(store, "two", "corpus = 'code'"))
        assert notes == []
        [said] = concerns
        assert said.startswith("NOT LIKE WITH LIKE: the losses were measured on other text; ")
        assert "the runs of one were trained on web, and those of two on code" in said

    def test_more_corpora_are_other_text_too(self, store: Store) -> None:
        [said], _ = other_text(store, make(store, "one"), make(store, "all2", "corpus IS NOT NULL"))
        assert "those of all2 on code, web" in said

    def test_the_same_corpus_and_the_same_rows_are_none(self, store: Store) -> None:
        one, part = make(store, "one"), make(store, "part", "corpus = 'web' AND n_params > 3e7")
        assert other_text(store, one, part) == ([], [])
        assert other_text(store, one, one) == ([], [])

    def test_a_metric_that_names_its_text_is_taken_to_be_on_it(self, store: Store, ask: Any) -> None:
        ask("UPDATE metrics SET metric = 'loss_c4_val'")
        ask("UPDATE metric_defs SET metric = 'loss_c4_val'")
        one, two = (make(store, c, f"corpus = '{c}'", metric="loss_c4_val") for c in ("web", "code"))
        concerns, [note] = other_text(store, one, two)
        assert concerns == []
        assert note == (
            "The runs of web were trained on web, and those of code on code; both losses are loss_c4_val, taken to be "
            "on the same text."
        )

    def test_runs_that_left_the_store_leave_it_open(self, store: Store, gone: Any) -> None:
        one, two = make(store, "one"), make(store, "two", "corpus = 'code'")
        gone()
        concerns, [note] = other_text(store, one, two)
        assert concerns == []
        assert "of the fit one are no longer all in the store, so it is not known whether both losses were" in note

    def test_other_metrics_are_a_concern(self, store: Store, tmp_path: Path) -> None:
        path = tmp_path / "more.csv"
        lines = [f"m{i},{1e8 * 1.3**i:.6g},{1e9 * 1.5 ** (i % 6):.6g},{3 - 0.01 * i}" for i in range(14)]
        path.write_text("\n".join(["run_id,N,D,val_loss", *lines]))
        store.ingest(path)
        other = make(store, "other", "run_id LIKE 'm%'", metric="val_loss")
        [said], _ = other_text(store, make(store, "one"), other)
        assert "the fit one is of the metric loss and other of val_loss" in said
