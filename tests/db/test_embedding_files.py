"""Embeddings from files, folders and tables: what is read is what was written, and what is wrong is pointed at."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from db.embedding_files import open_embeddings
from db.store import Store
from scaling.errors import InputDataError, UsageError

RNG = np.random.default_rng(0)
X = (np.round(RNG.standard_normal((23, 5)) * 64) / 64).astype(np.float32)  # exact in decimals too


def parquet(path: Path, sql: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)").fetchall()
    return path


def lists(rows: Any, kind: str = "FLOAT") -> str:
    """SQL of a table with rows as lists."""
    plain = [None if row is None else [None if x is None else float(x) for x in row] for row in rows]
    cells = ", ".join(f"({i}, {str(row).replace('None', 'NULL')}::{kind}[])" for i, row in enumerate(plain))
    return f"SELECT * FROM (VALUES {cells}) AS t(id, emb) ORDER BY id"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_npy_file_is_read_in_pieces_and_mapped_as_a_whole(tmp_path: Path, dtype: Any, order: Any) -> None:
    rows = np.asarray(X * 10, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", rows)
    shards = open_embeddings(tmp_path / "x.npy", shard_rows=10)
    assert (shards.n, shards.m, shards.shape, shards.dtype) == (23, 5, (23, 5), dtype)
    assert [(s.first, s.n, s.start) for s in shards.shards] == [(0, 10, 0), (10, 10, 10), (20, 3, 20)]
    assert np.array_equal(np.concatenate(list(shards)), rows)
    whole = shards.array()
    assert isinstance(whole, np.memmap)
    assert np.array_equal(whole, rows)
    assert not shards.rows(1).flags["WRITEABLE"] or shards.rows(1).base is not whole
    assert np.array_equal(shards.gather([22, 0, 22, 11]), rows[[22, 0, 22, 11]])


def test_a_folder_is_one_array_in_the_order_of_the_numbers_in_its_names(tmp_path: Path) -> None:
    for number, (low, high) in {1: (0, 4), 2: (4, 9), 10: (9, 23)}.items():
        np.save(tmp_path / f"shard-{number}.npy", X[low:high])
    (tmp_path / "notes.txt").write_text("not an array")
    (tmp_path / ".hidden.npy").write_bytes(b"neither")
    shards = open_embeddings(tmp_path, shard_rows=6)
    assert [(s.first, s.n, Path(s.source).name, s.start) for s in shards.shards] == [
        (0, 4, "shard-1.npy", 0),
        (4, 5, "shard-2.npy", 0),
        (9, 6, "shard-10.npy", 0),
        (15, 6, "shard-10.npy", 6),
        (21, 2, "shard-10.npy", 12),
    ]
    assert np.array_equal(shards.array(), X)
    assert np.array_equal(shards.gather([20, 3, 4, 9]), X[[20, 3, 4, 9]])


def test_parquet_lists_and_columns(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", lists(X))
    shards = open_embeddings(path, shard_rows=8)
    assert (shards.n, shards.m, shards.dtype, shards.columns) == (23, 5, np.float32, ("emb",))
    assert np.array_equal(np.concatenate(list(shards)), X)
    assert np.array_equal(shards.gather([19, 2, 2]), X[[19, 2, 2]])
    doubles = open_embeddings(parquet(tmp_path / "d.parquet", lists(X[:3], "DOUBLE")), columns="emb")
    assert doubles.dtype == np.float64
    names = ", ".join(f'emb[{i + 1}] AS "d{i}"' for i in range(5))
    path = parquet(tmp_path / "wide.parquet", f"SELECT id, {names} FROM ({lists(X)}) ORDER BY id")
    columns = ["d3", "d0"]
    wide = open_embeddings(path, columns=columns, shard_rows=9)
    assert np.array_equal(wide.array(), X[:, [3, 0]])
    assert np.array_equal(wide.gather([5, 1]), X[np.ix_([5, 1], [3, 0])])
    with pytest.raises(UsageError, match=r"no column of lists(.|\n)*There are: id, d0, d1"):
        open_embeddings(path)
    with pytest.raises(UsageError, match="has no column 'd9'"):
        open_embeddings(path, columns="d9")


def test_a_parquet_folder_of_several_row_groups_keeps_its_order(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        for number, first in enumerate((0, 5000)):
            connection.execute(
                f"COPY (SELECT [i, -i]::FLOAT[] AS e FROM range({first}, {first + 5000}) AS t(i)) "
                f"TO '{tmp_path}/part-{number}.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
            ).fetchall()
    shards = open_embeddings(tmp_path, shard_rows=3000)
    expected = np.arange(10_000, dtype=np.float32)
    assert np.array_equal(shards.array(), np.column_stack([expected, -expected]))
    chosen = RNG.integers(0, 10_000, 300)
    assert np.array_equal(shards.gather(chosen)[:, 0], chosen)


def test_a_table_of_the_store_by_position_or_as_inserted(store: Store) -> None:
    store.query("CREATE TABLE by_number AS SELECT i AS position, [i, i + 1]::DOUBLE[] AS e FROM range(9, -1, -1) t(i)")
    store.query("CREATE TABLE as_is AS SELECT CAST(i AS FLOAT) AS a, CAST(2 * i AS FLOAT) AS b FROM range(10) t(i)")
    store.query("CREATE VIEW unordered AS SELECT [1.0, 2.0] AS e")
    by_number = open_embeddings("by_number", store=store, shard_rows=4)
    assert np.array_equal(by_number.array()[:, 0], np.arange(10.0))
    assert np.array_equal(by_number.gather([7, 3])[:, 1], [8, 4])
    as_is = open_embeddings("as_is", store=store, columns=["a", "b"], shard_rows=4)
    assert np.array_equal(as_is.array()[:, 1], 2 * np.arange(10))
    assert np.array_equal(as_is.gather([9, 0])[:, 0], [9, 0])
    with pytest.raises(UsageError, match="no column 'position', so its rows have no order"):
        open_embeddings("unordered", store=store)
    store.query("DELETE FROM by_number WHERE position = 3")
    with pytest.raises(InputDataError, match="does not number its 9 rows from 0 to 8"):
        open_embeddings("by_number", store=store)
    with pytest.raises(InputDataError, match="no file 'nothing', and no set or table of that name"):
        open_embeddings("nothing", store=store)


class Payload:
    def __reduce__(self) -> Any:
        return (print, ("a pickle ran",))


def test_what_no_array_of_numbers_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(name: str, match: str) -> None:
        with pytest.raises(InputDataError, match=match):
            open_embeddings(tmp_path / name)

    objects = np.empty((2, 2), dtype=object)
    objects[:] = [[Payload(), 1], [2, 3]]
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    refused("objects.npy", "pickled Python objects, which are not read")
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Payload()))
    refused("bare.npy", "is not a .npy file")
    assert "a pickle ran" not in capsys.readouterr().out
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    refused("words.npy", "holds values of type <U1, not numbers")
    np.save(tmp_path / "tokens.npy", np.zeros((2, 3, 4)))
    refused("tokens.npy", r"has shape \(2, 3, 4\)")
    np.save(tmp_path / "none.npy", np.zeros((0, 4)))
    refused("none.npy", r"shape \(0, 4\): there is nothing in it")
    np.save(tmp_path / "cut.npy", X)
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-33])  # a row has 20 bytes: the last two are torn
    refused("cut.npy", "truncated: its header says 23 rows, but it ends within row 21")
    (tmp_path / "empty.npy").write_bytes(b"")
    refused("empty.npy", "is not a .npy file, or its header is damaged")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing more")
    refused("bad.parquet", "cannot be read")
    (tmp_path / "x.csv").write_text("1,2\n")
    refused("x.csv", r"not known by its ending[\s\S]*scaling value add .*x.csv --set NAME")
    refused("gone.npy", "There are no embeddings at")
    (tmp_path / "folder").mkdir()
    refused("folder", "holds no file of embeddings")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", X[:, :4])
    with pytest.raises(InputDataError, match=r"b\.npy is 4 wide, but .*a\.npy is 5 wide"):
        open_embeddings(tmp_path)
    (tmp_path / "b.npy").unlink()
    parquet(tmp_path / "c.parquet", lists(X[:2]))
    with pytest.raises(InputDataError, match=r"both \.npy and Parquet"):
        open_embeddings(tmp_path)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        # Together they have as many numbers as rows of three: the sum alone would not tell.
        ([[1, 2, 3], [4, 5], [6, 7, 8, 9]], "not all 3 wide: row 1 has 2"),
        ([[1, 2, 3], None, [7, 8, 9]], "missing for 1 of 3 rows: row 1 has none"),
        ([[1, 2, 3], [4, None, 6]], "row 1 is nan in column 1"),
    ],
)
def test_lists_that_are_not_rows_of_one_array(tmp_path: Path, rows: Any, match: str) -> None:
    shards = open_embeddings(parquet(tmp_path / "x.parquet", lists(rows)))
    with pytest.raises(InputDataError, match=match):
        shards.array()


def test_a_row_that_is_not_finite_is_named_with_its_file(tmp_path: Path) -> None:
    bad = X.copy()
    bad[17, 2] = np.nan
    np.save(tmp_path / "a.npy", X[:6])
    np.save(tmp_path / "b.npy", bad[6:])
    shards = open_embeddings(tmp_path, shard_rows=8)
    assert np.array_equal(shards.rows(0), X[:6])
    with pytest.raises(InputDataError, match=r"b\.npy: row 11 \(17 of all\) is nan in column 2"):
        shards.rows(2)
    assert np.isnan(shards.rows(2, check=False)).sum() == 1
    with pytest.raises(InputDataError, match="Row 17 of"):
        shards.gather([0, 17])
    half = np.full((3, 2), 60000, dtype=np.float16)
    half[2] = np.inf
    np.save(tmp_path / "half.npy", half)
    with pytest.raises(InputDataError, match=r"row 2 is inf in column 0(.|\n)*float16 ends at 65504"):
        open_embeddings(tmp_path / "half.npy").array()
    with pytest.raises(UsageError, match="no row 23 in"):
        shards.gather([3, 23])


def test_the_hash_follows_the_content_and_not_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "elsewhere").mkdir()
    np.save(tmp_path / "elsewhere" / "x.npy", X)
    one = open_embeddings(tmp_path / "x.npy").fingerprint()
    assert one[1] == "bytes"
    assert open_embeddings(tmp_path / "elsewhere" / "x.npy", shard_rows=3).fingerprint() == one
    changed = X.copy()
    changed[11, 3] += 1
    np.save(tmp_path / "elsewhere" / "x.npy", changed)
    assert open_embeddings(tmp_path / "elsewhere" / "x.npy").fingerprint() != one
    monkeypatch.setattr("db.embedding_shards._WHOLE", 100)
    sampled = open_embeddings(tmp_path / "x.npy").fingerprint()
    assert sampled[1] == "sample"
    assert open_embeddings(tmp_path / "elsewhere" / "x.npy").fingerprint() != sampled  # small, so every place is read
