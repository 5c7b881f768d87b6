"""A table that is more than can be held is refused before it is, and one that is small only when packed is large."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from db import bulk, bulk_limits, bulk_runs, ingest
from db.readers import records
from db.store import Store
from scaling.errors import InputDataError

Write = Callable[..., Path]
HEADER = "run,step,N,D,loss\n"


def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_LARGE", 0)
    monkeypatch.setattr(bulk_limits, "MOST_ROWS", 5)
    monkeypatch.setattr(bulk_limits, "MOST_RUNS", 3)


def _rows(run: str, count: int, first: int = 0) -> str:
    return "".join(f"{run},{step},1e8,1e9,3\n" for step in range(first, first + count))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("quoted", ["", '"x"\n'])
def test_a_run_with_too_many_rows(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, packed: bool, quoted: str
) -> None:
    _large(monkeypatch)
    text = HEADER + quoted + _rows("a", 5) + _rows("b", 3) + _rows("c", 6) + _rows("b", 4, 3)
    path = tmp_path / ("log.csv.gz" if packed else "log.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with pytest.raises(InputDataError) as raised:
        ingest.ingest(store, path)
    line = 8 if quoted else 7
    assert raised.value.message == (
        f"{path}: run 'b' has 7 rows, from line {line} on (so do 1 more runs). A run of a table is held whole, and 5 "
        "rows are the most."
    )
    assert raised.value.hint is not None
    assert "every hundredth step" in raised.value.hint
    assert store.query("SELECT count(*) FROM sources")[1] == [(0,)]


def test_as_many_rows_and_runs_as_may_be(write: Write, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _large(monkeypatch)
    report = ingest.ingest(store, write(HEADER + _rows("a", 5) + _rows("b", 5) + _rows("c", 5)))
    assert (report.n_runs, report.n_values) == (3, 15)
    with pytest.raises(InputDataError, match=r"has more than 3 runs, the most that are read from one table\."):
        ingest.ingest(store, write(HEADER + "".join(_rows(run, 1) for run in "abcd"), "other.csv"))
    assert store.query("SELECT count(*) FROM runs")[1] == [(3,)]


def test_rows_without_a_run_are_refused_piece_by_piece(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    _large(monkeypatch)
    monkeypatch.setattr(bulk_runs, "_PIECE", 4)
    monkeypatch.setattr(bulk, "_CELLS", 1)
    monkeypatch.setattr(bulk, "_FEWEST_ROWS", 3)
    sizes = []
    judge = bulk._PartAssembler.judge

    def counted(part: Any) -> Any:
        sizes.append(part.part.n_rows)
        return judge(part)

    monkeypatch.setattr(bulk._PartAssembler, "judge", counted)
    plan = ingest.plan_ingest(write(HEADER + _rows("", 10) + _rows("a", 2)))
    assert (plan.n_runs, plan.n_refused, [problem.line for problem in plan.problems]) == (1, 10, list(range(2, 12)))
    assert sizes == [4, 4, 4]


def test_a_packed_table_that_is_a_bomb(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEADER + _rows("a", 40_000)
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    times = len(text) // path.stat().st_size
    monkeypatch.setattr(records, "MOST_UNPACKED", 2**18)
    for most, large in ((times - 1, 0), (times - 1, 1 << 60)):
        monkeypatch.setattr(records, "MOST_TIMES", most)
        monkeypatch.setattr(ingest, "_LARGE", large)
        with pytest.raises(
            InputDataError, match=r"log\.csv\.gz unpacks to more than 0 GiB, and to more than \d+ times"
        ):
            ingest.ingest(store, path)
    assert store.query("SELECT count(*) FROM sources")[1] == [(0,)]
    monkeypatch.setattr(records, "MOST_TIMES", times + 1)
    assert ingest.plan_ingest(path).n_rows == 40_000


def test_what_a_packed_file_holds_says_whether_it_is_large(tmp_path: Path) -> None:
    text = (HEADER + _rows("a", 4000)).encode()
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(text))
    assert bulk_limits.holds_much(packed, "csv", len(text))
    assert not bulk_limits.holds_much(packed, "csv", len(text) + 1)
    packed.write_bytes(packed.read_bytes()[:200])
    assert not bulk_limits.holds_much(packed, "csv", len(text))
    plain = tmp_path / "log.csv"
    plain.write_bytes(text)
    assert bulk_limits.holds_much(plain, "csv", len(text))
    assert not bulk_limits.holds_much(plain, "csv", len(text) + 1)
    columns = tmp_path / "log [1]*'.parquet"
    target = tmp_path / "log.parquet"
    duckdb.execute(f"COPY (SELECT 'a' AS run, 1 AS step, 3.0 AS loss FROM range(4000)) TO '{target}'").fetchall()
    target.rename(columns)
    assert columns.stat().st_size < 2000
    assert bulk_limits.holds_much(columns, "parquet", 4000 * 3 * 4)
    assert not bulk_limits.holds_much(columns, "parquet", 4000 * 3 * 4 + 4)


def test_a_column_with_the_name_of_the_rows_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _large(monkeypatch)
    path = tmp_path / "log.parquet"
    for count in (3, 4):
        duckdb.execute(
            f"COPY (SELECT 'a' AS run, i AS step, 3.0 AS loss, i AS FILE_row_number FROM range({count}) AS t(i)) "
            f"TO '{path}'"
        ).fetchall()
        if count == 3:
            assert ingest.plan_ingest(path).n_values == 3
        else:
            with pytest.raises(InputDataError, match="has a column 'file_row_number', and with it at most 3 rows"):
                ingest.plan_ingest(path)
