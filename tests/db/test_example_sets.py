"""Sets of examples: read whole or not at all; twice changes nothing; what diverged is told from what is absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from db.embedding_files import open_embeddings
from db.example_sets import ingest_examples, ingest_losses, open_set, read_examples, read_ids, read_losses
from db.store import Store
from db.valued import remove_set
from scaling.errors import InputDataError, UsageError

Write = Callable[..., Path]
TABLE = """\
id,label,group,cost,prior,cond,l0,l1
x,10,web,10,3.5,3.25,1,2
y,9,books,20,nan,2,2,inf
z,10,web,,NA,-inf,1e0,
"""
LOSSES: dict[Any, str] = {"prior": "prior", "cond": "cond", ("train", 100): "l1", ("train", 20): "l0"}


@pytest.fixture
def table(write: Write) -> Path:
    return write(TABLE, "examples.csv")


def whole(store: Store) -> list[Any]:
    """Everything that a set has."""
    return [
        store.query(f"SELECT * FROM {name} ORDER BY ALL")
        for name in ("example_sets", "examples", "example_losses", "audit")
    ]


def test_a_set_comes_back_as_it_was_written(store: Store, table: Path, tmp_path: Path) -> None:
    X = np.arange(12, dtype=np.float16).reshape(3, 4)
    np.save(tmp_path / "x.npy", X)
    report = ingest_examples(store, table, "A", losses=LOSSES, embeddings=tmp_path / "x.npy")
    assert (report.status, report.n_examples, report.n_dims, report.n_labels, report.n_groups) == (
        "ingested",
        3,
        4,
        2,
        2,
    )
    assert {name: report.columns[name] for name in ("id", "label", "group", "cost")} == {
        "id": "id", "label": "label", "group": "group", "cost": "cost",
    }  # fmt: skip
    found = read_examples(store, "A")
    assert (found.label_names, found.label_codes.tolist()) == (("9", "10"), [1, 0, 1])  # as numbers, not as text
    assert found.labels.tolist() == ["10", "9", "10"]
    assert found.targets.tolist() == [10, 9, 10]
    assert (found.group_names, found.groups.tolist()) == (("books", "web"), ["web", "books", "web"])
    assert found.costs[:2].tolist() == [10, 20]
    assert np.isnan(found.costs[2])
    assert (found.has_labels, found.has_costs) == (True, False)
    assert read_ids(store, "A") == ["x", "y", "z"]
    assert read_ids(store, "A", [2, 0]) == ["z", "x"]
    prior = read_losses(store, "A", "prior")
    assert (prior.steps, prior.n_missing, prior.n_not_finite) == (None, 1, 1)
    assert np.array_equal(prior.values, [3.5, np.nan, np.nan], equal_nan=True)
    assert read_losses(store, "A", "cond").values.tolist() == [3.25, 2, -np.inf]
    train = read_losses(store, "A", "train")
    assert train.steps is not None
    assert train.steps.tolist() == [20, 100]
    assert np.array_equal(train.values, [[1, 2], [2, np.inf], [1, np.nan]], equal_nan=True)
    _, rows = store.query("SELECT position, value_status FROM example_losses WHERE role = 'prior' ORDER BY 1")
    assert rows == [(0, "ok"), (1, "nan"), (2, "missing")]
    assert np.array_equal(open_embeddings("A", store=store).array(), X)


def test_twice_changes_nothing_and_a_change_replaces_the_whole(store: Store, table: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    ingest_examples(store, table, "A", losses=LOSSES, embeddings=tmp_path / "x.npy")
    before = whole(store)
    assert ingest_examples(store, table, "A", losses=LOSSES, embeddings=tmp_path / "x.npy").status == "unchanged"
    assert whole(store) == before
    np.save(tmp_path / "x.npy", 2 * np.eye(3))
    with pytest.raises(InputDataError, match="have changed since it was read"):
        open_set(store, "A")
    assert ingest_examples(store, table, "A", losses=LOSSES, embeddings=tmp_path / "x.npy").status == "replaced"
    assert open_set(store, "A").array()[1, 1] == 2
    table.write_text(TABLE + "w,9,web,1,1,1,1,1\n")
    with pytest.raises(InputDataError, match=r"has 4 examples, but .*x\.npy has embeddings of 3"):
        ingest_examples(store, table, "A", losses=LOSSES, embeddings=tmp_path / "x.npy")
    assert read_examples(store, "A").n == 3  # as it was
    assert ingest_examples(store, table, "A").status == "replaced"
    assert store.query("SELECT count(*) FROM examples")[1] == [(4,)]
    assert store.query("SELECT count(*) FROM example_losses")[1] == [(0,)]
    with pytest.raises(UsageError, match="has no embeddings"):
        open_set(store, "A")


def test_a_set_of_another_file_is_replaced_only_when_asked(store: Store, table: Path, write: Write) -> None:
    ingest_examples(store, table, "A")
    other = write("id\nq\n", "other.csv")
    with pytest.raises(UsageError, match="There is a set 'A' already, from another file"):
        ingest_examples(store, other, "A")
    assert ingest_examples(store, other, "A", replace=True).status == "replaced"
    assert read_ids(store, "A") == ["q"]


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "parquet", "csv.gz"])
def test_every_format_gives_the_same_set(store: Store, table: Path, tmp_path: Path, ending: str) -> None:
    ingest_examples(store, table, "csv", losses=LOSSES)
    path = tmp_path / f"same.{ending}"
    header, *lines = TABLE.splitlines()
    if ending == "jsonl":
        words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity", "": "null", "NA": "null", "1e0": "1e0"}
        names = header.split(",")
        rows = [
            "{" + ", ".join(
                f'"{name}": ' + (f'"{cell}"' if name in ("id", "label", "group") else words.get(cell, cell))
                for name, cell in zip(names, line.split(","), strict=True)
            ) + "}"
            for line in lines
        ]  # fmt: skip
        path.write_text("\n".join(rows) + "\n")
    elif ending == "tsv":
        path.write_text(TABLE.replace(",", "\t"))
    else:
        with duckdb.connect() as connection:
            kinds = ", ".join(
                f"CAST(nullif({x}, 'NA') AS DOUBLE) AS {x}" for x in ("cost", "prior", "cond", "l0", "l1")
            )
            connection.execute(
                f"COPY (SELECT id, label, \"group\", {kinds} FROM read_csv('{table}', all_varchar = true)) "
                f"TO '{path}' ({'FORMAT parquet' if ending == 'parquet' else 'FORMAT csv, HEADER'})"
            ).fetchall()
    ingest_examples(store, path, "other", losses=LOSSES)
    for name, columns in (("examples", "position, example_id, label, grp, cost"),
                          ("example_losses", "position, role, step, value, value_status")):  # fmt: skip
        one, other = (
            store.query(f"SELECT {columns} FROM {name} WHERE set_name = ? ORDER BY ALL", [which])
            for which in ("csv", "other")
        )
        assert one == other


def test_positions_follow_the_file_however_large_it_is(store: Store, tmp_path: Path) -> None:
    """DuckDB reads a file in parallel; the row of an example must be that of its embedding all the same."""
    n = 150_000
    path = tmp_path / "many.csv"
    order = np.random.default_rng(1).permutation(n)
    path.write_text("id,cost,loss\n" + "".join(f"e{i},{i},{i}.5\n" for i in order.tolist()))
    ingest_examples(store, path, "many", losses={"m": "loss"})
    assert np.array_equal(read_examples(store, "many").costs, order)
    assert np.array_equal(read_losses(store, "many", "m").values, order + 0.5)
    assert read_ids(store, "many", [0, n - 1]) == [f"e{order[0]}", f"e{order[-1]}"]


def test_embeddings_alone_or_within_the_table(store: Store, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    report = ingest_examples(store, None, "alone", embeddings=tmp_path / "x.npy")
    assert (report.n_examples, report.n_labels) == (3, 0)
    assert read_ids(store, "alone", [2]) == ["2"]
    assert not read_examples(store, "alone").has_labels
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 'e' || i AS id, [i, 2 * i]::FLOAT[] AS vector FROM range(5) t(i)) "
            f"TO '{tmp_path}/both.parquet' (FORMAT parquet)"
        ).fetchall()
    assert ingest_examples(store, tmp_path / "both.parquet", "both", embeddings="vector").n_dims == 2
    assert open_embeddings("both", store=store).gather([4]).tolist() == [[4, 8]]
    bad = np.eye(3)
    bad[1, 2] = np.inf
    np.save(tmp_path / "bad.npy", bad)
    with pytest.raises(InputDataError, match=r"bad\.npy: row 1 is inf in column 2"):
        ingest_examples(store, None, "bad", embeddings=tmp_path / "bad.npy")
    assert store.query("SELECT count(*) FROM example_sets WHERE set_name = 'bad'")[1] == [(0,)]


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        ("id,x\na,1\nb,2\na,3\nb,4\n", {}, r"identifier 'a' of row 3 of .* is that of row 1 already \(2 rows in all"),
        ("id,x\na,1\n,2\n", {}, "1 example of .* without an identifier in column 'id', the first in row 2"),
        ("id,cost\na,1\nb,-2\n", {}, r"Row 2 of .* costs '-2'"),
        ("id,cost\na,1\nb,nan\n", {}, r"Row 2 of .* costs 'nan'"),
        ("id,l\na,1\nb,many\n", {"losses": {"m": "l"}}, r"Row 2 of .* has 'many' as a loss \(column 'l'\)"),
        ("id,x\n", {}, "has no rows"),
    ],
)
def test_what_is_refused_leaves_the_store_as_it_was(
    store: Store, write: Write, text: str, options: Any, match: str
) -> None:
    before = whole(store)
    with pytest.raises(InputDataError, match=match):
        ingest_examples(store, write(text, "bad.csv"), "A", **options)
    assert whole(store) == before


def test_calls_that_cannot_be_meant(store: Store, table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no column 'labl'\.\nDid you mean 'label'"):
        ingest_examples(store, table, "A", label="labl")
    with pytest.raises(UsageError, match="Neither a table"):
        ingest_examples(store, None, "A")
    np.save(tmp_path / "x.npy", np.eye(3))
    with pytest.raises(UsageError, match="but there is no table of examples"):
        ingest_examples(store, None, "A", label="label", embeddings=tmp_path / "x.npy")
    with pytest.raises(InputDataError, match="There is no file"):
        ingest_examples(store, tmp_path / "gone.csv", "A")
    ingest_examples(store, table, "A")
    with pytest.raises(UsageError, match=r"no set 'B'(.|\n)*There are: A"):
        read_examples(store, "B")
    with pytest.raises(UsageError, match=r"no losses of the role 'prior'\.\nIt has no losses at all"):
        read_losses(store, "A", "prior")
    with pytest.raises(UsageError, match="1 position of 2 are not in the set"):
        read_ids(store, "A", [0, 3])


LONG = """\
example,step,loss
z,20,1.5
x,10,3
y,10,nan
x,20,2
"""


def test_losses_in_the_long_form(store: Store, table: Path, write: Write) -> None:
    ingest_examples(store, table, "A")
    path = write(LONG, "log.csv")
    report = ingest_losses(store, path, "A", id="example", role="train")
    assert (report.status, report.roles, report.n_losses, report.n_not_ok, report.n_examples) == (
        "ingested", ("train",), 4, 1, 3,
    )  # fmt: skip
    found = read_losses(store, "A", "train")
    assert found.steps is not None
    assert found.steps.tolist() == [10, 20]
    assert np.array_equal(found.values, [[3, 2], [np.nan, np.nan], [np.nan, 1.5]], equal_nan=True)
    assert (found.n_missing, found.n_not_finite) == (2, 1)
    before = whole(store)
    assert ingest_losses(store, path, "A", id="example", role="train").status == "unchanged"
    assert whole(store) == before
    assert ingest_examples(store, table, "A").status == "unchanged"  # the table itself has not changed
    path.write_text(LONG.replace("3\n", "4\n"))
    assert ingest_losses(store, path, "A", id="example", role="train").status == "replaced"
    assert read_losses(store, "A", "train").values[0].tolist() == [4, 2]
    table.write_text(TABLE.replace("web", "net"))
    assert ingest_examples(store, table, "A").warnings == (
        "Losses that came from files of their own have gone: train.",
    )


@pytest.mark.parametrize(
    ("text", "options", "error", "match"),
    [
        (
            "id,loss\nx,1\nq,2\n",
            {"role": "m"},
            InputDataError,
            "Row 2 .* is of the example 'q', which the set 'A' does",
        ),
        ("id,loss\nx,1\nx,2\n", {"role": "m"}, InputDataError, "Row 2 .* second loss of the example 'x' .* as row 1"),
        ("id,loss,step\nx,1,1.5\n", {"role": "m"}, InputDataError, "has '1.5' as a training step"),
        ("id,loss,step\nx,1,\n", {"role": "m"}, InputDataError, "has 'None' as a training step"),
        ("id,loss,role\nx,1,\n", {}, InputDataError, "Row 1 .* has no role"),
        ("id,loss\nx,oops\n", {"role": "m"}, InputDataError, "has 'oops' as a loss"),
        ("id,loss\nx,1\n", {}, UsageError, "No role is given"),
        ("name,loss\nx,1\n", {"role": "m"}, UsageError, "whose losses these are is not known"),
    ],
)
def test_losses_that_are_refused(
    store: Store, table: Path, write: Write, text: str, options: Any, error: Any, match: str
) -> None:
    ingest_examples(store, table, "A")
    before = whole(store)
    with pytest.raises(error, match=match):
        ingest_losses(store, write(text, "log.csv"), "A", **options)
    assert whole(store) == before


def test_a_set_goes_and_says_what_was_made_of_it(store: Store, table: Path) -> None:
    from db.subsets import save_subset

    ingest_examples(store, table, "A", losses=LOSSES)
    save_subset(store, "S", [2, 0], objective="vendi", method="lazy", set_name="A")
    assert store.query("SELECT example_id FROM chosen_examples ORDER BY rank")[1] == [("z",), ("x",)]
    assert remove_set(store, "A") == (3, ["S"])
    for name in ("example_sets", "examples", "example_losses"):
        assert store.query(f"SELECT count(*) FROM {name}")[1] == [(0,)]
    assert store.query("SELECT example_id FROM chosen_examples ORDER BY rank")[1] == [("2",), ("0",)]
    _, rows = store.query("SELECT event, object_kind, detail FROM audit ORDER BY happened_at DESC LIMIT 1")
    assert rows[0][:2] == ("remove", "set")
    assert json.loads(rows[0][2]) == {"n_examples": 3, "kept": ["S"]}
