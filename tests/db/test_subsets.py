"""Selections and appraisals: kept with how they were made, exported whole, removed whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.appraisals import read_appraisal, remove_appraisal, save_appraisal
from db.example_sets import ingest_examples
from db.store import Store
from db.subsets import export_subset, read_index, read_subset, remove_subset, save_subset, write_index
from scaling.errors import InputDataError, StoreError, UsageError

HOW: dict[str, Any] = {
    "objective": "vendi", "method": "lazy", "set_name": "A", "options": {"q": np.inf}, "seed": 3, "value": 2.5,
    "score": 1.75, "certificate": {"share": 0.9}, "guarantee": {"kind": "submodular"}, "command": "scaling value ...",
}  # fmt: skip


@pytest.fixture
def examples(store: Store, tmp_path: Path) -> Store:
    (tmp_path / "a.csv").write_text("id\n" + "".join(f"e{i}\n" for i in range(9)))
    ingest_examples(store, tmp_path / "a.csv", "A")
    return store


def test_a_subset_comes_back_with_how_it_was_chosen(examples: Store) -> None:
    kept = save_subset(examples, "S", np.array([8, 0, 3]), gains=[1.5, 0.75, 0.25], **HOW)
    assert (kept.indices.tolist(), kept.size) == ([8, 0, 3], 3)
    assert kept.gains is not None
    assert kept.gains.tolist() == [1.5, 0.75, 0.25]
    assert (kept.options, kept.certificate, kept.guarantee) == ({"q": "inf"}, {"share": 0.9}, {"kind": "submodular"})
    assert (kept.objective, kept.method, kept.seed, kept.value, kept.score) == ("vendi", "lazy", 3, 2.5, 1.75)
    assert not kept.is_random
    _, rows = examples.query("SELECT rank, example_id, gain FROM chosen_examples ORDER BY rank")
    assert rows == [(0, "e8", 1.5), (1, "e0", 0.75), (2, "e3", 0.25)]
    same = save_subset(examples, "S", np.array([8, 0, 3]), gains=[1.5, 0.75, 0.25], **HOW)
    assert same.created_at == kept.created_at
    assert examples.query("SELECT count(*) FROM audit WHERE event = 'select'")[1] == [(1,)]


def test_another_subset_takes_the_name_only_when_asked(examples: Store) -> None:
    save_subset(examples, "S", [8, 0, 3], **HOW)
    for indices, changes in (([8, 3, 0], {}), ([8, 0, 3], {"seed": 4}), ([8, 0, 3], {"options": {}})):
        with pytest.raises(UsageError, match="another subset 'S' already, of 3 examples by vendi"):
            save_subset(examples, "S", indices, **{**HOW, **changes})
    assert save_subset(examples, "S", [1], replace=True, **HOW).indices.tolist() == [1]
    assert examples.query("SELECT count(*) FROM subset_members")[1] == [(1,)]
    assert remove_subset(examples, "S") == 1
    for table in ("subsets", "subset_members"):
        assert examples.query(f"SELECT count(*) FROM {table}")[1] == [(0,)]
    with pytest.raises(UsageError, match="no subset 'S'"):
        read_subset(examples, "S")


@pytest.mark.parametrize(
    ("indices", "changes", "match"),
    [
        ([1, 2, 1], {}, "occurs twice"),
        ([-1, 2], {}, "is negative"),
        ([0, 9], {}, "positions from 0 to 8, and the subset 'S' has 9"),
        ([0, 1], {"gains": [1.0]}, r"2 positions are given with gains of shape \(1,\)"),
        ([], {}, "not an array of shape"),
        ([True, False], {}, "type bool"),
        ([0], {"set_name": "B"}, "no set 'B'"),
    ],
)
def test_subsets_that_cannot_be(examples: Store, indices: Any, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        save_subset(examples, "S", indices, **{**HOW, **changes})
    assert examples.query("SELECT count(*) FROM subsets")[1] == [(0,)]


@pytest.mark.parametrize("ending", [".npy", ".txt", ".csv", ".parquet"])
def test_an_index_file_holds_the_order(examples: Store, tmp_path: Path, ending: str) -> None:
    save_subset(examples, "S", [8, 0, 3], gains=[1.5, 0.75, 0.25], **HOW)
    path = export_subset(examples, "S", tmp_path / f"index{ending}")
    assert read_index(path).tolist() == [8, 0, 3]
    assert read_index(path).dtype == np.int64
    if ending == ".csv":
        assert path.read_text() == "rank,position,example_id,gain\n0,8,e8,1.5\n1,0,e0,0.75\n2,3,e3,0.25\n"
    if ending == ".npy":
        assert np.load(path).dtype == np.int64
    if ending == ".parquet":
        found = examples.query("SELECT example_id FROM read_parquet(?) ORDER BY rank", [str(path)])[1]
        assert found == [("e8",), ("e0",), ("e3",)]
    assert sorted(x.name for x in tmp_path.iterdir()) == ["a.csv", f"index{ending}"], "nothing lies beside it"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_index(tmp_path / "i.npy", [1, 2])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StoreError, match="cannot be written: No space left"):
        write_index(path, [3])
    assert read_index(path).tolist() == [1, 2]
    assert [x.name for x in tmp_path.iterdir()] == ["i.npy"]
    with pytest.raises(StoreError, match="cannot be written"):
        write_index(tmp_path / "no" / "i.csv", [3])
    with pytest.raises(UsageError, match="not known by its ending"):
        write_index(tmp_path / "i.json", [3])
    with pytest.raises(UsageError, match="another number of gains"):
        write_index(path, [3], gains=[1, 2])


def test_files_of_positions_that_hold_something_else(tmp_path: Path) -> None:
    def refused(name: str, match: str) -> None:
        with pytest.raises(InputDataError, match=match):
            read_index(tmp_path / name)

    np.save(tmp_path / "mask.npy", np.array([True, False]))
    refused("mask.npy", "type bool, not a list of positions")
    np.save(tmp_path / "floats.npy", np.array([1.0]))
    refused("floats.npy", "type float64")
    np.save(tmp_path / "minus.npy", np.array([3, -1]))
    refused("minus.npy", "holds the position -1")
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    refused("objects.npy", "no position")
    (tmp_path / "words.txt").write_text("1\ntwo\n")
    refused("words.txt", "no position")
    (tmp_path / "other.csv").write_text("place\n1\n")
    refused("other.csv", "has no column 'position'")
    (tmp_path / "gap.csv").write_text("rank,position\n0,1\n1,\n")
    refused("gap.csv", "is empty in row 2")
    refused("gone.npy", "There is no file")
    assert read_index(tmp_path / "other.csv", column="place").tolist() == [1]


ROWS: list[dict[str, Any]] = [
    {"subset_name": "S", "objective": "vendi", "is_random": False, "regime": "fixed_size", "size": 100, "score": 24.8,
     "z_random": 15.0, "performance": 0.91},
    {"subset_name": "r0", "objective": "vendi", "is_random": True, "regime": "fixed_size", "size": 100, "score": 18.4,
     "performance": np.nan},
    {"subset_name": "S", "objective": "facility_location", "is_random": False},
]  # fmt: skip


def test_an_appraisal_comes_back_row_by_row(store: Store) -> None:
    kept = save_appraisal(
        store, "ap", ROWS, performance_metric="accuracy", performance_unit="share", higher_is_better=True,
        findings={"vendi": {"spearman": 0.15, "cap": np.nan}},
    )  # fmt: skip
    assert [(row["subset_name"], row["objective"], row["score"]) for row in kept.rows] == [
        ("S", "vendi", 24.8), ("r0", "vendi", 18.4), ("S", "facility_location", None),
    ]  # fmt: skip
    assert (kept.rows[0]["performance"], kept.rows[1]["performance"]) == (0.91, None)
    assert (kept.rows[0]["size"], kept.rows[1]["is_random"], kept.rows[2]["regime"]) == (100, True, None)
    assert kept.findings == {"vendi": {"spearman": 0.15, "cap": None}}
    assert (kept.performance_metric, kept.higher_is_better) == ("accuracy", True)
    with pytest.raises(UsageError, match="an appraisal 'ap' already"):
        save_appraisal(store, "ap", ROWS)
    assert len(save_appraisal(store, "ap", ROWS[:1], replace=True).rows) == 1
    assert remove_appraisal(store, "ap") == 1
    with pytest.raises(UsageError, match="no appraisal 'ap'"):
        read_appraisal(store, "ap")
    _, rows = store.query("SELECT detail FROM audit WHERE event = 'remove'")
    assert json.loads(rows[0][0]) == {"n_rows": 1}


@pytest.mark.parametrize(
    ("rows", "error", "match"),
    [
        ([], InputDataError, "has no rows"),
        ([{**ROWS[0], "accuracy": 1}], UsageError, "has 'accuracy', which an appraisal does not keep"),
        ([{"subset_name": "S", "objective": "vendi"}], InputDataError, "Row 1 .* has no is_random"),
        ([ROWS[0], ROWS[1], ROWS[0]], InputDataError, "Row 3 .* scores the subset 'S' by vendi again: so does row 1"),
    ],
)
def test_appraisals_that_cannot_be(store: Store, rows: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        save_appraisal(store, "ap", rows)
    assert store.query("SELECT count(*) FROM appraisal_defs")[1] == [(0,)]
