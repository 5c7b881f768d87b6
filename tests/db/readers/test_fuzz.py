"""Damaged logs of every format, drawn as `benchmarks/fuzz_readers.py` draws them: a few, into readers and a store.

A format is fuzzed because it is one of the formats: its logs are those of the fixtures, and one without any gets random
bytes.
"""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
import zlib
from io import BytesIO
from random import Random
from types import SimpleNamespace

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzzing import framed, inputs, plain
from benchmarks.fuzzing.inputs import LOGS, Input, Seed
from benchmarks.fuzzing.stand_ins import stand_ins
from benchmarks.fuzzing.ways import Fault, Reader, WholeWay, peak, read
from db.readers.format import Level, Sign
from db.readers.formats import formats
from db.readers.found import Values
from db.readers.parquet_index import check_index
from db.readers.sqlite import Database
from scaling.errors import ReadError

DRAWS = {"mutated": inputs.mutated, "random": inputs.random}
WITHOUT_PATH = {"wandb-api"}  # an address, which is asked and not found


@pytest.fixture(scope="module", autouse=True)
def aim():
    with stand_ins():
        yield


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    held = {}
    return lambda name: held.setdefault(name, Reader(name, tmp_path_factory.mktemp("read")))


@pytest.fixture(scope="module")
def whole_way(tmp_path_factory):
    return WholeWay(tmp_path_factory.mktemp("whole"))


def few(n):
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=n, deadline=None, suppress_health_check=checks)


@pytest.mark.parametrize("name", sorted(formats()))
def test_there_is_a_log_to_damage_that_is_read_when_it_is_whole(name, readers):
    for seed in inputs.seeds()[name]:
        expected = "refused" if seed.path == "all_models.csv" else "read"  # models without a score
        assert readers(name).judge(Input(seed, "whole", {})).came == expected, seed.path


@pytest.mark.parametrize("name", sorted(formats()))
@few(8)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(sorted(DRAWS)))
def test_mutated_and_random_logs_give_nothing_but_a_read_error_with_its_place(name, readers, seed, kind):
    assert readers(name).judge(DRAWS[kind](name, Random(seed))).came in ("read", "refused")


@pytest.mark.parametrize("name", sorted(formats()))
def test_logs_that_are_cut_off(name, readers):
    every = list(inputs.cuts(name, 40, Random(name)))
    came = [readers(name).judge(one).came for one in Random(name).sample(every, min(len(every), 15))]
    assert set(came) <= {"read", "refused"}


@pytest.mark.parametrize("name", sorted(set(formats()) - WITHOUT_PATH))
def test_the_whole_way_into_a_store_that_holds_something(name, whole_way):
    drawn = Random(name)
    whole_way.judge([inputs.mutated(name, drawn) for _ in range(3)] + [inputs.random(name, drawn)])


def made(found, seed_of=b"[1, 2, 3]"):
    """A format that reads as it is told, for the sake of what it does wrong."""
    return SimpleNamespace(
        NAME="made", WHAT="a made-up log", READS="", LEAVES_OUT="", TRIED="", FIELDS=(), UPSERTS=False, read=found,
        sniff=lambda probe: Sign(Level.DIRECTORY, "it is called so") if probe.name == "made.log" else None,
    )  # fmt: skip


def fails_beyond_brackets(path, entries, **options):
    content = path.read_bytes()
    if content[:1] != b"[":
        raise ReadError(str(path), "it does not begin with a bracket")
    yield from ()
    int(content.strip(b"[]").split(b",")[0])


@pytest.fixture
def made_format(monkeypatch):
    """Tell the formats of one more, and drop what is remembered of them."""

    def add(found):
        one = made(found)
        everything = {**formats(), "made": one}
        for module in ("db.readers.formats", "db.readers.sniff", "benchmarks.fuzzing.ways"):
            monkeypatch.setattr(f"{module}.formats", lambda: everything)
        seeds = {**inputs.seeds(), "made": [Seed("made", "made.log", {"made.log": b"[1, 2, 3]"})]}
        monkeypatch.setattr(inputs, "seeds", lambda: seeds)
        return one

    return add


def test_a_reader_that_raises_another_error_is_found(made_format, tmp_path):
    made_format(fails_beyond_brackets)
    reader = Reader("made", tmp_path)

    def until_it_fails():
        for number in range(500):
            reader.judge(inputs.mutated("made", Random(number)))

    with pytest.raises(ValueError, match="invalid literal for int"):
        until_it_fails()


def test_on_the_whole_way_too(made_format, tmp_path):
    made_format(fails_beyond_brackets)
    [seed] = inputs.seeds()["made"]
    way = WholeWay(tmp_path)
    with pytest.raises(Fault, match="failed with ValueError"):
        way.judge([Input(seed, "random", {"made.log": b"[x]"})])
    way.judge([Input(seed, "random", {"made.log": b"x"})])


def raises(error):
    def read_it(path, entries, **options):
        raise error
        yield

    return read_it


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (raises(ReadError("elsewhere", "it is broken")), "without its place"),
        (lambda path, entries: iter([1]), "a reader gave 1"),
        (lambda path, entries: iter([Values("", "loss", [1], [2.0])]), "'list' object has no attribute"),
    ],
)
def test_what_else_a_reader_may_not_do(made_format, tmp_path, found, why):
    path = tmp_path / "made.log"
    path.write_bytes(b"[1]")
    with pytest.raises((Fault, AttributeError), match=why):
        read(made_format(found), path, ())


def fixture(name):
    return (LOGS / name).read_bytes()


@pytest.mark.parametrize(
    ("mutate", "name", "magic"),
    [
        (framed.event_records, "tfevents/torch/events.out.tfevents.1700000078.host.7.1", b""),
        (framed.wandb_records, "wandb/wandb/offline-run-20261129_083854-axes1/run-axes1.wandb", b":W&B"),
        (framed.database, "trackio/ladder.db", b"SQLite format 3"),
        (framed.members, "inspect/grouped.eval", b"PK\3\4"),
        (framed.columns, "wandb-history/history.parquet", b"PAR1"),
        (plain.values, "hf_trainer/run/trainer_state.json", b""),
        (plain.values, "levanter/events.jsonl", b""),
        (plain.cells, "wandb-chart/chart.csv", b""),
        (plain.lengths, "wandb-history/history.parquet", b""),
    ],
)
def test_a_mutator_changes_a_log_and_draws_the_same_again(mutate, name, magic):
    content = fixture(name)
    changed = [mutate(Random(seed), content, [content]) for seed in range(12)]
    assert [mutate(Random(seed), content, [content]) for seed in range(4)] == changed[:4]
    changed = [one for one in changed if one is not None]
    assert len({content, *changed}) >= 6
    assert all(one.startswith(magic) for one in changed if one)


def test_checksums_are_right_again_after_a_record_has_changed(tmp_path):
    """What is damaged within a frame has to reach the parser behind it."""
    from db.readers.tfrecord import Lost
    from db.readers.tfrecord import records as of_events
    from db.readers.wandb_frames import Damage
    from db.readers.wandb_frames import records as of_wandb

    path = tmp_path / "log"
    ways = (
        (framed.event_records, of_events, Lost, "tfevents/torch/events.out.tfevents.1700000000.host.7.0"),
        (framed.wandb_records, of_wandb, Damage, "wandb/wandb/offline-run-20261129_083848-small1/run-small1.wandb"),
    )
    for mutate, records, lost, name in ways:
        for seed in range(20):
            path.write_bytes(mutate(Random(seed), fixture(name), ()))
            assert not [one for one in records(path) if isinstance(one, lost)], (name, seed)


def test_a_changed_database_is_a_whole_one(tmp_path):
    path = tmp_path / "a.db"
    content = fixture("trackio/ladder.db")
    for seed in range(20):
        path.write_bytes(framed.database(Random(seed), content, ()) or content)
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        db.close()


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path, readers):
    """The index says that the header is small; it unpacks to a quarter of a GiB."""
    bomb = framed.bomb("header.json")
    with zipfile.ZipFile(BytesIO(bomb)) as archive:
        assert archive.namelist() == ["header.json"]
        assert len(zlib.decompressobj(-15).decompress(bomb[41:], 2**26)) == 2**26
    [seed] = [seed for seed in inputs.seeds()["inspect"] if seed.path == "grouped.eval"]
    assert readers("inspect").judge(Input(seed, "mutated", {"grouped.eval": bomb})).came == "refused"


DAMAGED_GZIP = gzip.compress(b"N,D,loss\n1e7,5e9,\x803.5", mtime=0)[:-8] + b"\0" * 8
#: What was found and mended: a log, the file in it, what stood there, and what it became.
MENDED = (
    ("hf_trainer", "run/trainer_state.json", b'"max_steps": ', b'"max_steps": {"a": {"b": 1}}, "x": '),
    ("hf_trainer", "run/trainer_state.json", b'"total_flos": ', b'"total_flos": {"a": 1}, "x": '),
    ("levanter", "events.jsonl", b'"summary": {', b'"summary": {"a": {"b": 1}, '),
    ("olmo", "saved/metrics.json", b"{", b'{"a": {"b": 1}, '),
    ("aim", ".aim/answers.json", b'"name": "small"', b'"name": 1.5'),
    ("wandb-api", "answers.json", b'"name": "small"', b'"name": 1.5'),
    ("run-table", "wide.csv.gz", b"", DAMAGED_GZIP),
    ("run-table", "wide.csv", b"2e7,2e9,", b"2e300,2e300,"),
)


@pytest.mark.parametrize(("name", "file", "old", "new"), MENDED)
def test_what_was_mended(name, file, old, new, readers):
    [seed] = [seed for seed in inputs.seeds()[name] if file in seed.files]
    assert old in seed.files[file]
    changed = seed.files[file].replace(old, new) if old else new
    assert readers(name).judge(Input(seed, "mutated", {file: changed})).came == ("read" if old else "refused")


class Bloated:
    """A connection to a database in which a row has a size that cannot be; SQLite refuses it so."""

    def execute(self, query):
        yield (1,)
        raise MemoryError

    def close(self):
        pass


def test_a_size_in_a_database_that_cannot_be_was_mended(tmp_path):
    path = tmp_path / "ladder.db"
    path.write_bytes(fixture("trackio/ladder.db"))
    with Database(path) as database:
        database._db.close()
        database._db = Bloated()
        rows = database.rows("SELECT 1", "metrics")
        assert next(rows) == (1,)
        with pytest.raises(ReadError, match=r"ladder\.db, table metrics: the database is damaged: a size in it"):
            next(rows)


def with_many_columns(content):
    """A Parquet file whose index says that there are 268 million columns; DuckDB would make room for all of them."""
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    index = content[start:-8]
    assert index[2] == 0x19  # the second field: a list, of structs
    assert index[3] & 15 == 12
    index = index[:3] + b"\xfc\xff\xff\xff\x7f" + index[4 + (index[3] >> 4 == 15) :]
    return content[:start] + index + len(index).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("name", "file"),
    [("neptune", "neptune/RUN-1_part_0.parquet"), ("wandb-history", "history.parquet"), ("run-table", "steps.parquet")],
)
def test_an_index_of_parquet_that_asks_for_gigabytes_was_mended(name, file, readers, tmp_path):
    [seed] = [seed for seed in inputs.seeds()[name] if file in seed.files]
    bloated = with_many_columns(seed.files[file])
    before = peak()
    assert readers(name).judge(Input(seed, "mutated", {file: bloated})).came == "refused"
    assert peak() - before < 100 * 2**20
    path = tmp_path / "a.parquet"
    path.write_bytes(bloated)
    with pytest.raises(ReadError, match="a list of 268,435,455 entries cannot stand in"):
        check_index(path)


def test_the_index_of_a_large_table_is_whole(tmp_path):
    path = tmp_path / "a.parquet"
    columns = ", ".join(f"i AS c{k}" for k in range(300))
    rows = f"(SELECT {columns} FROM range(5000) AS t(i))"
    duckdb.execute(f"COPY {rows} TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    check_index(path)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    for cut in range(1, 200, 7):  # bytes that are missing at its end
        path.write_bytes(content[: -8 - cut] + (length - cut).to_bytes(4, "little") + b"PAR1")
        with pytest.raises(ReadError):
            check_index(path)
