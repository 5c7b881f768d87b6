"""Reading CSV, JSON lines and Parquet, with the line of everything that is wrong."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.readers.table import file_format, file_sha256, read_table
from scaling.errors import InputDataError

Write = Callable[..., Path]


def test_csv_with_byte_order_mark_blank_lines_and_newlines_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes('\ufeffrun,note,loss\r\na,"two\r\nlines",3\r\n\r\nb,"say ""hi"", b",4\r\n'.encode())
    table = read_table(path)
    assert table.columns == {"run": ["a", "b"], "note": ["two\r\nlines", 'say "hi", b'], "loss": ["3", "4"]}
    assert table.lines == [2, 5]
    assert (table.n_rows, table.problems, table.format) == (2, (), "csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(write: Write, delimiter: str) -> None:
    text = "run,N,loss\na,1e8,3\n".replace(",", delimiter)
    assert read_table(write(text)).columns == {"run": ["a"], "N": ["1e8"], "loss": ["3"]}


def test_rows_of_another_length_are_refused_by_line(write: Write) -> None:
    table = read_table(write("run,N,loss\na,1,3\nb,2\nc,3,4,5\nd,4,6\n"))
    assert table.lines == [2, 5]
    assert table.n_rows == 4
    assert [(problem.line, problem.reason) for problem in table.problems] == [
        (3, "the row has 2 cells, the header has 3"),
        (4, "the row has 4 cells, the header has 3"),
    ]


def test_columns_without_a_name_or_with_a_taken_one(write: Write) -> None:
    table = read_table(write("run,x,x,\na,1,2,3\n"))
    assert list(table.columns) == ["run", "x", "x_3", "column_4"]
    assert table.warnings == ("Columns share a name; the later ones are called x_3.",)


def test_json_lines_keep_nan_nested_names_and_line_numbers(write: Write) -> None:
    text = (
        '{"run": "a", "loss": NaN, "config": {"lr": 0.1, "betas": [0.9, 0.95]}}\n'
        "\n"
        "{broken\n"
        "[1, 2]\n"
        '{"run": "b", "loss": -Infinity, "extra": true}\n'
    )
    table = read_table(write(text, "runs.jsonl"))
    assert table.lines == [1, 5]
    assert math.isnan(table.columns["loss"][0])
    assert table.columns["loss"][1] == -math.inf
    assert table.columns["config.lr"] == [0.1, None]
    assert json.loads(table.columns["config.betas"][0]) == [0.9, 0.95]
    assert table.columns["extra"] == [None, True]
    assert [(problem.line, problem.reason.split(":")[0]) for problem in table.problems] == [
        (3, "the line is not JSON"),
        (4, "the line is not a JSON object"),
    ]


@pytest.mark.parametrize("name", ["runs.csv.gz", "runs.JSONL.gz"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    text = "run,loss\na,3\n" if "csv" in name else '{"run": "a", "loss": "3"}\n'
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()))
    assert read_table(path).columns == {"run": ["a"], "loss": ["3"]}
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputDataError, match="is not a whole gzip file"):
        read_table(path)
    path.write_bytes(text.encode())
    with pytest.raises(InputDataError, match="is not a whole gzip file"):
        read_table(path)


def test_parquet_keeps_types_and_tells_nan_from_null(tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    duckdb.connect().execute(
        "COPY (SELECT * FROM (VALUES ('a', 1::BIGINT, 'nan'::DOUBLE, true, 1.5::DECIMAL(4, 1), DATE '2026-01-02'), "
        '(\'b\', NULL, NULL, NULL, NULL, NULL)) AS t(run, "n ""x""", loss, ok, price, day)) '
        f"TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)"
    ).fetchall()
    table = read_table(path)
    assert table.lines == [1, 2]
    assert table.columns['n "x"'] == [1, None]
    assert math.isnan(table.columns["loss"][0])
    assert table.columns["loss"][1] is None
    assert table.columns["ok"] == [True, None]
    assert table.columns["price"] == [1.5, None]
    assert table.columns["day"] == ["2026-01-02", None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("runs.csv", b"", "is empty"),
        ("runs.csv", b"\n\n  \n", "is empty"),
        ("runs.jsonl", b"", "is empty"),
        ("runs.jsonl", b"\n\n", "has no rows"),
        ("runs.csv", b"run,N,loss\n", "has no rows"),
        ("runs.csv", b"1,2,3\n4,5,6\n", "holds numbers where the names"),
        ("runs.csv", b"run,loss\na,\xff\xfe\n", "is not UTF-8 text (byte 0xff)"),
        ("runs.csv", b'run,loss\n"a,3\n', ":2: the CSV cannot be read"),
        ("runs.csv", b"run,loss\na\n", "No row of"),
        ("runs.jsonl", b"not json\n", "No row of"),
        ("runs.parquet", b"PAR1 but no more", "is not readable as Parquet"),
        ("runs.xlsx", b"PK", "The format of"),
        ("runs", b"run,loss\n", "The format of"),
        ("runs.parquet.gz", b"PAR1", "The format of"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputDataError) as raised:
        read_table(path)
    assert message in raised.value.message
    assert str(path) in raised.value.message
    assert raised.value.exit_code == 4


def test_directories_and_missing_files_name_what_is_there(tmp_path: Path, wide: Path) -> None:
    with pytest.raises(
        InputDataError, match=r"is a directory, not a table of runs.\nName a file in it, such as wide.csv"
    ):
        file_format(tmp_path)
    with pytest.raises(InputDataError, match=r"There is no file .*\nTables there: wide.csv"):
        file_format(tmp_path / "wise.csv")
    with pytest.raises(InputDataError, match=r"There is no file .*\nCheck the path"):
        file_format(tmp_path / "no" / "wise.csv")


def test_the_hash_is_of_the_bytes(wide: Path) -> None:
    before = file_sha256(wide)
    wide.write_text(wide.read_text() + "\n")
    assert len(before) == 64
    assert file_sha256(wide) != before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    content=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)),
    name=st.sampled_from(["f.csv", "f.jsonl", "f.tsv"]),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    try:
        table = read_table(path)
    except InputDataError:
        return
    assert all(len(cells) == len(table.lines) for cells in table.columns.values())
    assert table.n_rows == len(table.lines) + len(table.problems)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2), min_size=1
    )
)
def test_what_is_written_is_read(tmp_path: Path, rows: list[list[str]]) -> None:
    import csv

    path = tmp_path / "round.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["key", "first", "second"], *(["k", *row] for row in rows)])
    table = read_table(path)
    assert [list(row) for row in zip(table.columns["first"], table.columns["second"], strict=True)] == rows
