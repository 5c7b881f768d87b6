"""Large tables are read in parts, and what comes of them is what comes of small ones."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import bulk, bulk_doubles, bulk_json, bulk_kept, bulk_runs, bulk_source, ingest
from db import write as writing
from db.mapping import Mapping
from db.readers import json_list, records, run_table
from db.readers.probe import Probe
from db.store import Store
from scaling.errors import InputDataError, ScalingError

Write = Callable[..., Path]
TABLES = {
    "runs": "*",
    "metrics": "*",
    "sources": "* EXCLUDE (imported_at)",
    "metric_defs": "*",
    "datasets": "*",
    "audit": "* EXCLUDE (happened_at)",
    "known_runs": "run_id",
}
Stores = tuple[Store, Store]
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Switch between the road of small tables and that of large ones, in parts of a few rows."""
    monkeypatch.setattr(bulk, "_CELLS", 1)
    monkeypatch.setattr(bulk, "_FEWEST_ROWS", 3)
    monkeypatch.setattr(bulk_source, "_PART_ROWS", 3)
    monkeypatch.setattr(bulk_kept, "_CELLS", 6)
    monkeypatch.setattr(bulk_kept, "_COLUMNS", 2)
    monkeypatch.setattr(bulk_kept, "_HELD", 9)
    monkeypatch.setattr(bulk_doubles, "_CELLS", 9)
    monkeypatch.setattr(bulk_runs, "_PIECE", 2)
    monkeypatch.setattr(writing, "_RUNS", 2)

    def switch(large: bool) -> None:
        monkeypatch.setattr(ingest, "_LARGE", 0 if large else 1 << 60)

    return switch


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    """Two stores that see the same files, one on each road."""
    with Store(":memory:") as small, Store(":memory:") as large:
        yield small, large


def _outcome(store: Store, path: Path, mapping: Mapping | None, metric: str | None) -> Any:
    try:
        plan = ingest.plan_ingest(path, mapping, metric=metric)
        told = (repr(plan.preview), plan.mapping.lines(), plan.n_values, plan.shape, plan.problems, plan.warnings)
        report = ingest.write_plan(store, plan)
        return (told, str(report), report.status, plan.source_id, plan.sha256, plan.format)
    except ScalingError as error:
        return type(error), error.message, error.hint


def _content(store: Store) -> dict[str, Any]:
    return {
        table: repr(store.query(f"SELECT {columns} FROM {table} ORDER BY ALL")[1]) for table, columns in TABLES.items()
    }


def _same(
    stores: Stores,
    switch: Callable[[bool], None],
    path: Path,
    mapping: Mapping | None = None,
    metric: str | None = None,
) -> Any:
    for store in stores:
        for table in TABLES:
            store.query(f"DELETE FROM {table}")
    switch(False)
    small = _outcome(stores[0], path, mapping, metric)
    switch(True)
    large = _outcome(stores[1], path, mapping, metric)
    assert large == small
    before, after = _content(stores[0]), _content(stores[1])
    for table in TABLES:
        assert after[table] == before[table], table
    return large


RUNS = st.sampled_from(["a", "b", "c", " a", "", "NA", "é", "7", "7.0", "x, y"])
STEPS = st.sampled_from(["0", "1", "2", "3", "10", "1e1", "1.5", "-1", "", "nan", "9007199254740993", "x", " 4 "])
NUMBERS = st.sampled_from(
    ["3", "2.5", "2.50", "nan", "NaN", "inf", "-Infinity", "+inf", "", "NA", "-", "0", "-1", "oops", "1_0", "1e400",
     "-1e999", "1e-400", "\u0663", "True", "0x10", "1e", "1.", ".5", "\t2", "\u00a02", "1d", "1,5", "infinit", "--1"]
)  # fmt: skip
SIZES = st.sampled_from(["1e8", "1e8", "1e8", "100000000", "2e8", "", "x", "0", "inf"])
KEPT = st.sampled_from(
    ["0.1", "0.10", "0.2", "", "NA", "nan", "007", "1e-3", "text", "true", "False", " 5", "5", "-0", "\u00a0", "n/a ",
     "\u0663", "123456789012345678901", "1" * 400, "1e400", "a_b"]
)  # fmt: skip
MAPPINGS = [
    None,
    Mapping.parse('[columns]\ntokens = "seen"\nD = "D"'),
    Mapping.parse('[columns]\nN = "N * 2 - 1e8"\nname = "lr"\n[derived]\nC = "6*N*D"\n[options]\nallow_missing = true'),
    Mapping.parse(
        '[columns]\nrun_id = ["run", "lr"]\n[metrics]\nloss = "loss"\nseen = { column = "seen", kind = "count" }'
    ),
    Mapping.parse(
        '[columns]\ncorpus = "note"\n[constants]\nD = 1e9\nname = "one"\n[metrics]\nloss = "loss ** 2 / seen"'
    ),
]
HEADER = ["run", "step", "loss", "val_loss", "seen", "N", "D", "lr", "note"]


@st.composite
def rows(draw: st.DrawFn) -> list[list[str]]:
    """Rows of a log: mostly in order, with everything that can be wrong with them."""
    kinds = [RUNS, STEPS, NUMBERS, NUMBERS, NUMBERS, SIZES, SIZES, KEPT, KEPT]
    usual = ["abc", "012345", ["3.5", "2", "nan"], ["4.5", ""], ["10", "20"], ["1e8"], ["2e9", "2e9", "3e9"]]
    clean = [st.sampled_from(values) for values in (*usual, ["0.1", "0.10", "2"], ["x", "y", ""])]
    odd = draw(st.lists(st.booleans(), min_size=len(HEADER), max_size=len(HEADER)))
    strategies = [one if is_odd else other for one, other, is_odd in zip(kinds, clean, odd, strict=True)]
    return draw(st.lists(st.tuples(*strategies).map(list), min_size=1, max_size=14))


@settings(suppress_health_check=SHARED, max_examples=25, deadline=None)
@given(table=rows(), data=st.data())
def test_csv_is_read_the_same_in_parts(
    tmp_path: Path, stores: Stores, in_parts: Callable[[bool], None], table: list[list[str]], data: st.DataObject
) -> None:
    path = tmp_path / "log.csv"
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    with path.open("w", encoding=data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), newline="") as stream:
        writer = csv.writer(stream, delimiter=data.draw(st.sampled_from(",\t")), lineterminator=end)
        writer.writerow(HEADER)
        for row in table:
            writer.writerow(row)
            stream.write(data.draw(st.sampled_from([""] * 12 + [end, " " + end, "a,1,2" + end, ",,,,,,,," + end])))
    _same(stores, in_parts, path, data.draw(st.sampled_from(MAPPINGS)), data.draw(st.sampled_from([None, "val_loss"])))


def _json_cell(text: str) -> Any:
    if text in ("nan", "NaN"):
        return math.nan
    if text in ("true", "False"):
        return text == "true"
    try:
        return float(text) if "." in text or "e" in text else int(text)
    except (ValueError, OverflowError):
        return text or None


@settings(suppress_health_check=SHARED, max_examples=25, deadline=None)
@given(table=rows(), data=st.data())
def test_json_lines_are_read_the_same_in_parts(
    tmp_path: Path, stores: Stores, in_parts: Callable[[bool], None], table: list[list[str]], data: st.DataObject
) -> None:
    path = tmp_path / "log.jsonl"
    lines = []
    for row in table:
        cells = [cell if data.draw(st.integers(0, 5)) == 0 else _json_cell(cell) for cell in row]
        record = dict(zip(HEADER, cells, strict=True))
        for name in data.draw(st.sampled_from([[], [], ["lr"], ["note", "seen"], ["loss"]])):
            del record[name]
        odd = [{}, {}, {"Loss": 1}, {"late": [1, {"a": 2}]}, {"c": {"lr": "\ud800", "x": {}}}, {'"q\n': '"'}]
        lines.append(json.dumps(record | data.draw(st.sampled_from(odd))))
        lines += data.draw(st.sampled_from([[]] * 10 + [[""], ["{broken"], ["[1]"], ["{}"]]))
    path.write_text("\n".join(lines), encoding="utf-8")
    _same(stores, in_parts, path, data.draw(st.sampled_from(MAPPINGS)))


@settings(suppress_health_check=SHARED, max_examples=25, deadline=None)
@given(table=rows(), data=st.data())
def test_parquet_is_read_the_same_in_parts(
    tmp_path: Path, stores: Stores, in_parts: Callable[[bool], None], table: list[list[str]], data: st.DataObject
) -> None:
    path = tmp_path / "log [1]*'.parquet"
    path.unlink(missing_ok=True)
    types = {
        "run": ["VARCHAR", "DOUBLE"],
        "step": ["BIGINT", "DOUBLE", "VARCHAR", "INTEGER"],
        "loss": ["DOUBLE", "FLOAT", "VARCHAR"],
        "val_loss": ["DOUBLE", "VARCHAR"],
        "seen": ["UBIGINT", "VARCHAR", "BOOLEAN"],
        "N": ["DOUBLE", "DECIMAL(18,2)"],
        "D": ["HUGEINT", "DOUBLE"],
        "lr": ["VARCHAR", "DOUBLE", "BOOLEAN", "TINYINT"],
        "note": ["VARCHAR", "BOOLEAN", "DATE"],
    }
    drawn = [f'TRY_CAST({name} AS {data.draw(st.sampled_from(types[name]))}) AS "{name}"' for name in HEADER]
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(f'{name} VARCHAR' for name in HEADER)})").fetchall()
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(HEADER))})", table)
        target = str(tmp_path / "plain.parquet")
        connection.execute(f"COPY (SELECT {', '.join(drawn)} FROM t) TO '{target}' (FORMAT parquet)").fetchall()
    Path(target).rename(path.with_name("log it's.parquet"))
    _same(stores, in_parts, path.with_name("log it's.parquet"), data.draw(st.sampled_from(MAPPINGS)))


WIDE_HEADER = ["run", "N", "D", "loss", "val_loss", "lr", "note", "seed"]
WIDE_MAPPINGS = [
    None,
    Mapping.parse('[columns]\nrun_id = ["run", "seed"]\n[options]\nallow_missing = true'),
    Mapping.parse('[columns]\nname = "note"\ncorpus = "run"\n[options]\nallow_missing = true'),
    Mapping.parse('[columns]\nN = "N * 2 - 1e8"\n[metrics]\nloss = "loss"\nlr = { column = "lr", kind = "other" }'),
    Mapping.parse('[columns]\nstep = "seed"\n[options]\nshape = "wide"'),
]


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Rows of a table of runs, some of which stand there again; with names for them or without."""
    usual = [
        ["1e8"],
        ["2e9", "3e9"],
        ["3.5", "2", "nan"],
        ["4.5", ""],
        ["0.1", "0.10", "2"],
        ["x", "y%s", ""],
        ["1", "2"],
    ]
    kinds = [SIZES, SIZES, NUMBERS, NUMBERS, KEPT, KEPT, STEPS]
    odd = draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    cells = [one if is_odd else st.sampled_from(other) for one, other, is_odd in zip(kinds, usual, odd, strict=True)]
    count = draw(st.integers(1, 12))
    rest = [list(draw(st.tuples(*cells))) for _ in range(count)]
    if draw(st.booleans()):
        names = [f"r{number}" for number in range(count)]
    else:
        names = draw(st.lists(RUNS, min_size=count, max_size=count))
    table = [[name, *row] for name, row in zip(names, rest, strict=True)]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 5]))):
        again = list(draw(st.sampled_from(table)))
        if draw(st.integers(0, 3)) == 0:
            again[draw(st.integers(1, len(again) - 1))] = "7"
        table.insert(draw(st.integers(0, len(table))), again)
    if draw(st.integers(0, 2)):
        return WIDE_HEADER, table
    return ["size", *WIDE_HEADER[1:]], table


@settings(suppress_health_check=SHARED, max_examples=80, deadline=None)
@given(drawn=runs(), data=st.data())
def test_tables_of_a_row_a_run_are_read_the_same_in_parts(
    tmp_path: Path,
    stores: Stores,
    in_parts: Callable[[bool], None],
    drawn: tuple[list[str], list[list[str]]],
    data: st.DataObject,
) -> None:
    header, table = drawn
    kind = data.draw(st.sampled_from(["csv", "jsonl", "json", "parquet"]))
    path = tmp_path / f"table.{kind}"
    path.unlink(missing_ok=True)
    if kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([header, *table])
    elif kind == "parquet":
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE t ({', '.join(f'{name} VARCHAR' for name in header)})").fetchall()
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(header))})", table)
            types = [data.draw(st.sampled_from(["VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN"])) for _ in header[1:]]
            cells = [
                f"TRY_CAST({name} AS {as_type}) AS {name}" for name, as_type in zip(header[1:], types, strict=True)
            ]
            connection.execute(f"COPY (SELECT {', '.join([header[0], *cells])} FROM t) TO '{path}'").fetchall()
    else:
        cell = _json_cell if data.draw(st.booleans()) else str
        records = [dict(zip(header, [row[0], *map(cell, row[1:])], strict=True)) for row in table]
        for record in records:
            for name in data.draw(st.sampled_from([[], [], ["lr"], ["note", "seed"]])):
                del record[name]
        lines = [json.dumps(record) for record in records]
        text = (",\n" if kind == "json" else "\n").join(lines)
        path.write_text(f"[{text}]" if kind == "json" else text, encoding="utf-8")
    _same(stores, in_parts, path, data.draw(st.sampled_from(WIDE_MAPPINGS)))


@pytest.mark.parametrize("kind", ["csv", "csv.gz"])
def test_rows_of_a_table_of_runs_that_stand_there_twice(
    tmp_path: Path, stores: Stores, in_parts: Callable[[bool], None], kind: str
) -> None:
    path = tmp_path / f"runs.{kind}"

    def outcome(*lines: str) -> Any:
        text = "\n".join(["run,N,D,loss,lr", *lines]).encode()
        path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
        return _same(stores, in_parts, path)

    told = [f"{run},1e8,1e9,3,0.{run}" for run in range(1, 8)]
    (_, _, n_values, shape, problems, warnings), *_ = outcome(*told, *told[4:], told[0], "9,x,1e9,3,1")
    assert (n_values, shape, [problem.line for problem in problems]) == (7, "wide", [13])
    assert warnings == ("Rows that repeat an earlier row exactly were dropped: lines 9, 10, 11 and 12.",)
    error, message, _ = outcome(*told, *(row.replace(",3,", ",4,") for row in reversed(told)), told[6])
    assert error is InputDataError
    assert message == (
        f"Runs stand in {path} twice (column run), with different values:\n  7: lines 8 and 9\n  6: lines 7 and 10\n"
        "  5: lines 6 and 11\n  4: lines 5 and 12\n  3: lines 4 and 13\n  and 2 more"
    )
    (preview, *_, warnings), *_ = outcome(*told)
    assert "'lr': 0.1" in preview
    assert warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "run,step,loss\n",
        "1,2,3\n4,5,6\n",
        "run,step,N,D,loss\na,x,1e8,1e9,3\n",
        "run,step,N,params,D,loss\na,1,1e8,1e8,1e9,3\n",
        "run,step,N,D,los\na,1,1e8,1e9,3\n",
        "run,step,N,D,loss\na,1,70,1.4e12,3\n",
        "step,N,D,loss\n1,1e8,1e9,3\n",
        "run,step,loss,x,x,\na,1,3,1,2,\na,2,3,1,2,\n",
        'run,step,loss,note\n"a\nb",1,3,"x ""y"""\n"a\nb",2,2,\n',
        'run,step,loss\n"a,3\n',
        "run,step,loss\na,1\nb\n",
        "run,N,D,loss\na,1e8,1e9,3\nb,1e8,1e9,2\n",
        "run\tstep\tloss\r\na\t1\t3\r\na\t1\t3\r\nb\t1\t2",
        "run,step,loss\na,1,3\rb,1,2\r\n",
        "\n\nrun,step,loss\na,1,3\n",
        'run,step,"lo\nss",loss\na,1,2,3\n',
        "run,step,loss\na,1,3\n\x00,1,2\n",
    ],
)
def test_odd_files(tmp_path: Path, stores: Stores, in_parts: Callable[[bool], None], text: str) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode())
    _same(stores, in_parts, path)
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    _same(stores, in_parts, packed)
    packed.write_bytes(packed.read_bytes()[:-9])
    assert _same(stores, in_parts, packed)[0] is InputDataError


def test_rows_of_runs_that_are_interleaved_restarted_and_refused(
    write: Write, stores: Stores, in_parts: Callable[[bool], None]
) -> None:
    lines = ["run,step,N,D,loss,lr"]
    for step in range(12):
        for run, size in (("b", 2e8), ("a", 1e8)):
            lines.append(f"{run},{step},{size},1e9,{4 - step / 10 + size / 1e9},{0.1 * (step + 1)}")
    lines += [f"a,{step},1e8,1e9,{5 - step / 10},0.5" for step in range(3, 9)]
    lines[1] = "b,0,2e8,1e9,oops,1"  # so that b begins after a
    told, *_ = _same(stores, in_parts, write("\n".join(lines), "mixed.csv"))
    preview, _, n_values, shape, problems, warnings = told
    assert (n_values, shape, [problem.line for problem in problems]) == (23, "long", [2])
    assert preview.index("'a'") < preview.index("'b'")
    assert warnings[0].startswith("loss: rows that log a step of their run again, with another value: lines 26, 27, 28")


def test_what_duckdb_takes_for_a_number_is_what_python_takes_for_one() -> None:
    texts = [" 1 ", "1e400", "+1", "0x10", "1e-400", "True", "1.", ".5", "1e", "1_", "1_000", "infin", "-nan", "1d"]
    connection = duckdb.connect()
    for text in texts:
        [(value,)] = connection.execute("SELECT TRY_CAST(? AS DOUBLE)", [text]).fetchall()
        if value is not None and "_" not in text:
            assert repr(float(text)) == repr(value)


def test_problems_beyond_a_thousand_are_counted(
    write: Write, in_parts: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "TOLD", 3)
    monkeypatch.setattr(bulk_source, "TOLD", 2)
    lines = ["run,step,loss", *(f"r{step // 4},{step},{'x' if step % 2 else 3}" for step in range(20)), "a", "b", "c"]
    in_parts(True)
    plan = ingest.plan_ingest(write("\n".join(lines)))
    assert [problem.line for problem in plan.problems] == [22, 23, 3, 5, 7]
    assert plan.n_refused == 13
    assert plan.warnings[:3] == (
        "No column is n_params; laws that need it cannot be fitted.",
        "No column is n_tokens; laws that need it cannot be fitted.",
        "1 more rows cannot be read; they are counted, not listed.",
    )
    assert plan.warnings[3] == "7 more problems are counted, not listed: not a number."


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_columns(write: Write, stores: Stores, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    names = [f"m{number}_loss" if number % 2 else f"c{number}" for number in range(count)]
    lines = [",".join(["run", "step", "N", "D", "loss", *names])]
    for step in range(4):
        cells = [str(number + step + 1) for number in range(count)]
        lines.append(",".join(["a", str(step), "1e8", "1e9", "3", *cells]))
    mapping = Mapping.parse('[metrics]\nloss = "loss"\nm5 = "m5_loss"')

    def switch(large: bool) -> None:
        monkeypatch.setattr(ingest, "_LARGE", 0 if large else 1 << 60)

    told, *_ = _same(stores, switch, write("\n".join(lines), "broad.csv"), mapping)
    assert told[2] == 8


def test_a_file_that_changes_while_it_is_read(
    long: Path, store: Store, in_parts: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for large in (False, True):
        in_parts(large)
        name = "read_large" if large else "read_table"
        read = getattr(ingest, name)

        def change(*args: Any, read: Any = read, **options: Any) -> Any:
            found = read(*args, **options)
            with long.open("a", encoding="utf-8") as stream:
                stream.write("r3,0,0,20,10.9,,0.1\n")
            return found

        monkeypatch.setattr(ingest, name, change)
        with pytest.raises(InputDataError, match="changed while it was read; nothing was stored"):
            ingest.ingest(store, long, metric="loss")
        monkeypatch.setattr(ingest, name, read)
    assert store.query("SELECT count(*) FROM sources")[1] == [(0,)]


def test_bytes_that_are_no_text_name_their_line(tmp_path: Path, in_parts: Callable[[bool], None]) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("run,step,loss\né,1,3\n".encode() + "é,2,3\n".encode("latin-1"))
    for large in (False, True):
        in_parts(large)
        with pytest.raises(InputDataError, match=r"is not UTF-8 text \(byte 0xe9\) in line 3") as raised:
            ingest.plan_ingest(path)
        assert raised.value.hint == "Save it again as UTF-8."


def test_lines_and_packed_files_without_end(
    tmp_path: Path, in_parts: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"run": "a", "step": 1, "loss": 3}\n' * 1000))
    monkeypatch.setattr(records, "LARGEST_UNPACKED", 10_000)
    for large in (False, True):
        in_parts(large)
        with pytest.raises(InputDataError, match="unpacks to more than 10000 characters"):
            ingest.plan_ingest(path)
    monkeypatch.setattr(records, "LONGEST_LINE", 20)
    for large in (False, True):
        in_parts(large)
        with pytest.raises(InputDataError, match=":1: the line is longer than 20 characters"):
            ingest.plan_ingest(path)


NUMBERS_OF_JSON = [
    "-0", "-0.0", "0e5", "1E5", "1e+2", "1.50", "9007199254740993", "-9223372036854775809", "18446744073709551616",
    "1" * 40, "1" * 400, "1e400", "-1e400", "5e-324", "1e22", "NaN", "-Infinity", "null", "true", "nan", "01", "1.",
    "+1", ".5", "1" * 5000,
]  # fmt: skip
TEXTS_OF_JSON = [
    '""', '"1.0"', '"null"', '"a\\"b"', '"\\\\"', '"\\/\\n"', '"\\u00e9"', '"\u00e9\u2028"', '"\\ud83d\\ude00"',
    '"\\ud800"', '"\x7f"', '"a\tb"', '"\\x"', '"NA"', '"},{"',
]  # fmt: skip
VALUES_OF_JSON = st.one_of(
    st.sampled_from(NUMBERS_OF_JSON),
    st.sampled_from(TEXTS_OF_JSON),
    st.sampled_from(["{}", "[]", "[1, NaN]", '{"x": 1}', '{"x": 1, "x": 2}', '{"x": {"y": "z"}}', "{,}", ""]),
)
FORMS = [
    '{"run":"a","step":%d,"loss":3.5,"v":%s}',
    '{"run": "a", "step": %d, "loss": 2, "c": {"v": %s, "w": 1}}',
    ' { "run" : "b" , "step" : %d , "a/b~c.d\'" : %s , "loss" : 1e0 } ',
    '{"run":"b","step":%d,"loss":3,"c.v":%s,"c":{"v":5}}',
    '{"run":"a","step":%d,"loss":3,"v":%s,"v":7}',
    '{"run":"a","step":%d,"loss":3,"v":%s,}',
    '{"run":"a","step":%d,"loss":3,"v":%s}}',
]


@settings(suppress_health_check=SHARED, max_examples=60, deadline=None)
@given(data=st.data())
def test_json_values_are_read_the_same_in_parts(
    tmp_path: Path, stores: Stores, in_parts: Callable[[bool], None], data: st.DataObject
) -> None:
    path = tmp_path / "log.jsonl"
    forms = data.draw(st.lists(st.sampled_from([*FORMS[:3], *FORMS]), min_size=1, max_size=3))
    chosen = data.draw(st.lists(st.tuples(st.sampled_from(forms), VALUES_OF_JSON), min_size=1, max_size=12))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\n\n", "\r"]))
    path.write_bytes(end.join(form % (step, value) for step, (form, value) in enumerate(chosen)).encode())
    _same(stores, in_parts, path)


def test_lines_of_one_shape_are_left_to_duckdb(
    tmp_path: Path, in_parts: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    lines = [f'{{"run": "a", "step": {step}, "loss": {3 if step != 7 else "Infinity"}}}' for step in range(50)]
    lines[40] = '{"run": "a", "step": 40, "loss": 3, "note": [1]}'
    path.write_text("\n".join(lines), encoding="utf-8")
    seen: list[int] = []

    def count(path: str, line: int, text: str) -> Any:
        seen.append(line)
        return records.json_record(path, line, text)

    monkeypatch.setattr(bulk_json, "json_record", count)
    in_parts(True)
    plan = ingest.plan_ingest(path)
    assert (plan.n_values, seen) == (50, [41])


@settings(suppress_health_check=SHARED, max_examples=40, deadline=None)
@given(data=st.data())
def test_json_lists_are_read_the_same_in_parts_and_as_lines_are(
    tmp_path: Path,
    stores: Stores,
    in_parts: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    data: st.DataObject,
) -> None:
    monkeypatch.setattr(json_list, "_CHUNK", data.draw(st.integers(1, 40)))
    form = st.sampled_from([FORMS[0], FORMS[1], FORMS[2], *FORMS, "17", "[%d, %s]", '"%d %s"'])
    chosen = data.draw(st.lists(st.tuples(form, VALUES_OF_JSON), min_size=1, max_size=8))
    rows = [form % (step, value) if "%d" in form else form for step, (form, value) in enumerate(chosen)]
    space = data.draw(st.sampled_from(["", " ", "\n", "\r\n", "\r", "\n\n  "]))
    path = tmp_path / "log.json"
    path.write_bytes(f"{space}[{space}{f'{space},{space}'.join(rows)}{space}]{space}".encode())
    told = _same(stores, in_parts, path)
    lines = tmp_path / "log.jsonl"
    lines.write_bytes("\n".join(rows).encode())
    if not any(isinstance(part, type) for part in told):
        (preview, mapping, n_values, *_), *_ = _same(stores, in_parts, lines)
        assert (preview, mapping, n_values) == told[0][:3]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"loss": 3}', "is a JSON document that is no list of rows"),
        ('[{"loss": 3},\n {"loss": 2}', r"it ends within its list \(line 2\)"),
        ('[{"loss": 3},\r\n {"loss": 2', r"delimiter \(line 2\)"),
        ('[{"loss": 3}\n\n {"loss": 2}]', r"a comma between two rows was expected \(line 3\)"),
        ('[{"loss": 3}] []', "there is more behind the end of its list"),
        ("[]", "has no rows"),
        ("[1, 2]", "No row of .* the first problem: .*log.json:1: the row is not a JSON object"),
    ],
)
def test_documents_that_are_no_table(tmp_path: Path, in_parts: Callable[[bool], None], text: str, reason: str) -> None:
    path = tmp_path / "log.json"
    path.write_bytes(text.encode())
    for large in (False, True):
        in_parts(large)
        with pytest.raises(InputDataError, match=reason):
            ingest.plan_ingest(path)


def test_a_row_of_a_list_that_is_too_long(
    tmp_path: Path, in_parts: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_list, "LARGEST_ROW", 100)
    monkeypatch.setattr(json_list, "_CHUNK", 10)
    path = tmp_path / "log.json"
    path.write_text(f'[{{"loss": 3}}, {{"loss": 2, "note": "{"x" * 300}"}}]', encoding="utf-8")
    for large in (False, True):
        in_parts(large)
        with pytest.raises(InputDataError, match="a row of its list is longer than 100 characters"):
            ingest.plan_ingest(path)


def test_only_a_list_of_objects_is_a_table_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    for text, is_table in (('[{"loss": 3}]', True), ("\ufeff [\r\n{}]", True), ('{"loss": 3}', False), ("[1]", False)):
        path.write_text(text, encoding="utf-8")
        assert (run_table.sniff(Probe(path)) is not None) == is_table


@pytest.mark.parametrize("sign", ["", "-"])
def test_whole_numbers_beyond_all_floats_are_infinite_on_both_roads(tmp_path, stores, in_parts, sign) -> None:
    path = tmp_path / "table.jsonl"
    rows = [{"run_id": f"r{i}", "N": 1e8, "D": 2e9, "loss": 3.5} for i in range(4)]
    lines = [json.dumps(row) for row in rows]
    lines[2] = lines[2].replace("3.5", sign + "1" * 400)
    path.write_text("\n".join(lines) + "\n")
    _same(stores, in_parts, path)
    assert stores[0].query("SELECT loss_status FROM runs_final ORDER BY run_id")[1] == [
        ("ok",), ("ok",), (f"{sign}inf",), ("ok",),
    ]  # fmt: skip
