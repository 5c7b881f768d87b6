"""Valuations: written a shard at a time, gone on with by the same call only, and read as they were written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.embedding_files import open_embeddings
from db.example_sets import ingest_examples
from db.store import Store
from db.valuations import (
    ValuationDef,
    begin_valuation,
    best_items,
    read_def,
    read_valuation,
    remove_valuation,
    save_valuation,
)
from scaling.errors import InputDataError, StoreError, UsageError

VALUES = np.array([0.5, -1, np.nan, np.inf, -np.inf, 2, 0, 3.25, -0.125, 7])
PIECES = [(0, 4), (4, 6)]
DEF = ValuationDef(
    "v", "examples", "knn_shapley", 10, options={"k": 5, "q": np.inf}, seed=0, unit="accuracy", inputs_sha256="a" * 64
)


def test_values_come_back_as_they_were_written(store: Store) -> None:
    writer = begin_valuation(store, DEF, shards=PIECES)
    assert (writer.pending, writer.resumed, writer.complete) == ((0, 1), False, False)
    assert writer.append(1, VALUES[4:])
    assert writer.pending == (0,)
    assert writer.append(0, VALUES[:4].tolist())
    done = writer.finish()
    assert done.complete
    assert writer.complete
    found = read_valuation(store, "v")
    assert np.array_equal(found.values, VALUES, equal_nan=True)
    assert (found.low, found.high, found.items) == (None, None, None)
    assert found.definition == done == replace(DEF, complete=True, created_at=done.created_at)
    assert found.definition.options == {"k": 5, "q": "inf"}
    _, rows = store.query("SELECT value_status, count(*), count(value) FROM valuations GROUP BY 1 ORDER BY 1")
    assert rows == [("-inf", 1, 0), ("inf", 1, 0), ("nan", 1, 0), ("ok", 7, 7)]
    assert [row["position"] for row in best_items(store, "v", 3)] == [9, 7, 5]
    assert [row["value"] for row in best_items(store, "v", 2, lowest=True)] == [-1, -0.125]
    _, audited = store.query("SELECT event, object_kind, object_id FROM audit")
    assert audited == [("value", "valuation", "v")]


def test_what_was_begun_goes_on_with_what_is_missing(store: Store) -> None:
    begin_valuation(store, DEF, shards=PIECES).append(1, VALUES[4:])
    with pytest.raises(UsageError, match=r"'v' is not complete: 1 of 2 shards are done\.\nGo on with it"):
        read_valuation(store, "v")
    partial = read_valuation(store, "v", partial=True).values
    assert np.isnan(partial[:4]).all()
    assert np.array_equal(partial[4:], VALUES[4:])
    writer = begin_valuation(store, DEF, shards=PIECES, replace=True)  # a killed command is given again as it was
    assert (writer.pending, writer.resumed) == ((0,), True)
    with pytest.raises(UsageError, match="1 of 2 shards still to come"):
        writer.finish()
    assert not writer.append(1, VALUES[4:]), "the same values again are no error, and no second copy"
    with pytest.raises(UsageError, match="Shard 1 of the valuation 'v' was written before, with other values"):
        writer.append(1, VALUES[4:] + 1)
    writer.append(0, VALUES[:4])
    writer.finish()
    assert store.query("SELECT count(*), count(DISTINCT position) FROM valuations")[1] == [(10, 10)]
    again = begin_valuation(store, DEF, shards=PIECES)
    assert (again.pending, again.complete) == ((), True)
    again.finish()
    assert store.query("SELECT count(*) FROM audit WHERE event = 'value'")[1] == [(1,)]
    anew = begin_valuation(store, DEF, shards=PIECES, replace=True)
    assert anew.pending == (0, 1)
    assert store.query("SELECT count(*) FROM valuations")[1] == [(0,)]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"seed": 1}, r"the seed \(0, now 1\)"),
        ({"inputs_sha256": "b" * 64}, r"the data \(aaaaaaaaaaaaa\.\.\., now bbbbbbbbbbbbb\.\.\.\)"),
        ({"options": {"k": 10, "q": np.inf}}, r"the option k \(5, now 10\)"),
        ({"options": {"k": 5}}, r"the option q \(inf, now none\)"),
        ({"method": "knn_banzhaf"}, r"the method \(knn_shapley, now knn_banzhaf\)"),
        ({"package_version": "0"}, "the version of the package"),
    ],
)
def test_nothing_else_may_go_on_with_it(store: Store, changes: dict[str, Any], match: str) -> None:
    begin_valuation(store, DEF, shards=PIECES).append(0, VALUES[:4])
    with pytest.raises(UsageError, match=match):
        begin_valuation(store, replace(DEF, **changes), shards=PIECES)
    assert store.query("SELECT count(*) FROM valuations")[1] == [(4,)]
    assert begin_valuation(store, replace(DEF, **changes), shards=PIECES, replace=True).pending == (0, 1)
    assert store.query("SELECT count(*) FROM valuations")[1] == [(0,)]


def test_other_pieces_are_something_else_too(store: Store) -> None:
    begin_valuation(store, DEF, shards=PIECES)
    with pytest.raises(UsageError, match="how the items are divided into shards"):
        begin_valuation(store, DEF, shards=[(0, 5), (5, 5)])
    for pieces in ([(0, 4)], [(0, 4), (5, 5)], [(4, 6), (0, 4)], [(0, 4), (4, 7)]):
        with pytest.raises(UsageError, match="do not divide its 10 items"):
            begin_valuation(store, replace(DEF, name="w"), shards=pieces)
    assert begin_valuation(store, replace(DEF, name="w")).shards == ((0, 10),)


def test_a_complete_one_of_an_earlier_version_is_still_what_was_asked_for(store: Store) -> None:
    save_valuation(store, replace(DEF, package_version="0"), VALUES)
    assert begin_valuation(store, DEF).complete


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        ({"shard": 2, "values": VALUES}, UsageError, "has no shard 2: it has 2"),
        ({"shard": 0, "values": VALUES}, UsageError, r"have shape \(10,\); 4 numbers are expected"),
        ({"shard": 0, "values": VALUES[:4], "low": VALUES[:4]}, UsageError, "one end only"),
        ({"shard": 0, "values": [1] * 4, "low": [2] * 4, "high": [1] * 4}, InputDataError, "in the wrong order"),
        (
            {"shard": 0, "values": VALUES[:4], "items": list("abcd")},
            UsageError,
            "Examples are named by their positions",
        ),
    ],
)
def test_shards_that_do_not_fit(store: Store, call: dict[str, Any], error: Any, match: str) -> None:
    writer = begin_valuation(store, DEF, shards=PIECES)
    with pytest.raises(error, match=match):
        writer.append(**call)
    assert writer.pending == (0, 1)


def test_sources_have_names_and_intervals(store: Store) -> None:
    sources = ValuationDef("s", "sources", "shapley", 3, fit_name="c4", level=0.9, interval_method="bootstrap")
    with pytest.raises(UsageError, match="Sources are valued by name"):
        save_valuation(store, sources, [1, 2, 3])
    with pytest.raises(UsageError, match="two are the same"):
        save_valuation(store, sources, [1, 2, 3], items=["web", "web", "code"])
    save_valuation(
        store, sources, [0.2, 0.3, 0.1], low=[0.1, np.nan, 0], high=[0.3, np.inf, 0.2], items=["web", "books", "code"]
    )
    found = read_valuation(store, "s")
    assert found.items == ("web", "books", "code")
    assert found.low is not None
    assert found.high is not None
    assert np.array_equal(found.low, [0.1, np.nan, 0], equal_nan=True)
    assert found.high.tolist() == [0.3, np.inf, 0.2]
    _, rows = store.query("SELECT rank, item, value FROM ranked_examples WHERE valuation_name = 's' ORDER BY rank")
    assert rows == [(1, "books", 0.3), (2, "web", 0.2), (3, "code", 0.1)]
    with pytest.raises(UsageError, match="There is a valuation 's' already"):
        save_valuation(store, sources, [1, 2, 3], items=["web", "books", "code"])
    save_valuation(store, sources, [1, 2, 3], items=["web", "books", "code"], replace=True)
    assert read_valuation(store, "s").values.tolist() == [1, 2, 3]


def test_ranked_examples_name_the_examples_of_the_set(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,label,grp\n" + "".join(f"e{i},{i % 2},g\n" for i in range(10)))
    np.save(tmp_path / "x.npy", np.eye(10))
    ingest_examples(store, tmp_path / "a.csv", "A", embeddings=tmp_path / "x.npy")
    shards = open_embeddings("A", store=store, shard_rows=3)
    writer = begin_valuation(store, replace(DEF, set_name="A"), shards=shards)
    assert writer.shards == ((0, 3), (3, 3), (6, 3), (9, 1))
    for shard in shards.shards:
        writer.append(shard.index, VALUES[shard.first : shard.first + shard.n])
    writer.finish()
    _, rows = store.query("SELECT rank, item, label, value_status FROM ranked_examples ORDER BY rank")
    assert rows[0] == (1, "e9", "1", "ok")
    assert [row[1] for row in rows[-3:]] == ["e2", "e3", "e4"]  # without a finite value, by position
    assert best_items(store, "v", 1)[0]["label"] == "1"


def test_a_valuation_goes_whole(store: Store) -> None:
    save_valuation(store, DEF, VALUES)
    save_valuation(store, replace(DEF, name="w"), VALUES)
    assert remove_valuation(store, "v") == 10
    assert store.query("SELECT DISTINCT valuation_name FROM valuations")[1] == [("w",)]
    assert store.query("SELECT count(*) FROM valuation_shards")[1] == [(1,)]
    _, rows = store.query("SELECT detail FROM audit WHERE event = 'remove'")
    assert json.loads(rows[0][0]) == {"method": "knn_shapley", "n_values": 10}
    with pytest.raises(UsageError, match=r"no valuation 'v'\.\n.*There are: w"):
        read_def(store, "v")


def test_a_table_that_was_changed_by_hand_is_not_called_complete(store: Store) -> None:
    writer = begin_valuation(store, DEF, shards=PIECES)
    writer.append(0, VALUES[:4])
    writer.append(1, VALUES[4:])
    store.query("DELETE FROM valuations WHERE position = 3")
    with pytest.raises(StoreError, match="has 9 values of 10 items, which cannot be"):
        writer.finish()
    remove_valuation(store, "v")
    with pytest.raises(StoreError, match="has gone from the store"):
        writer.append(0, VALUES[:4])


@pytest.mark.parametrize(
    ("changes", "match"),
    [({"name": ""}, "needs a name"), ({"what": "tokens"}, "not of 'tokens'"), ({"n_items": 0}, "nothing to value")],
)
def test_definitions_that_cannot_be(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        replace(DEF, **changes)
