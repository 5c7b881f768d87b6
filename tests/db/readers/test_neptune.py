"""Files by the schema of Neptune's exporter (tests/fixtures/make/neptune.py); the service is closed."""

import math
import resource

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers import neptune
from db.readers.format import Level
from db.readers.probe import Probe
from scaling.errors import ReadError
from tests.db.readers.gathering import Gathered, same
from tests.db.readers.results import LOGS, mutated

PROJECT = LOGS / "neptune"
PART = PROJECT / "RUN-1_part_0.parquet"


def read(path):
    sign = neptune.sniff(Probe(path))
    return Gathered(neptune.read(path, () if sign is None else sign.entries))


def write(path, select):
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_runs_of_several_parts():
    found = read(PROJECT)
    assert sorted(found.values) == [
        ("RUN-1", "by/epoch"), ("RUN-1", "train/loss"), ("RUN-1", "val/loss"), ("RUN-2", "train/loss")
    ]  # fmt: skip
    assert found.values["RUN-1", "train/loss"] == [(step, 4 - step / 512) for step in range(0, 1000, 10)]
    assert found.values["RUN-2", "train/loss"] == [(0, 9.0), (1, 8.0), (2, 7.0)]
    assert found.count == 100 + 10 + 2 + 3


def test_what_is_no_number_stays_what_it_is():
    odd = {30: math.nan, 40: math.inf, 50: -math.inf, 60: None}
    found = read(PROJECT)
    assert same(found.values["RUN-1", "val/loss"], [(s, odd.get(s, 5 - s / 512)) for s in range(0, 100, 10)])
    assert [note for note in found.notes if "1 values are empty" in note and "NaN and no value alike" in note]


def test_settings_and_what_the_service_says():
    found = read(PROJECT)
    assert found.runs["RUN-1"] == {
        "name": 'small - "one"',
        "state": "finished",
        "config": {
            "config.model.n_params": 1_000_000,
            "config.optimizer.lr": 3e-4,
            "config.tied": True,
            "config.corpus": "große\nweb",
        },
        "about": {"project": "lab/scaling", "started": 1740830400.0, "tags": ["a", "b"]},
        "summary": {},
    }
    assert (found.runs["RUN-2"]["state"], found.runs["RUN-2"]["name"]) == ("failed", None)


def test_steps_that_are_no_whole_numbers_are_refused():
    found = read(PROJECT)
    assert [(p.file, p.line, p.column, p.value, p.refused) for p in found.problems] == [
        (str(PROJECT / "RUN-1_part_1.parquet"), line, "by/epoch", value, "value")
        for line, value in ((51, "0.500000"), (53, "1.500000"))
    ]
    assert found.values["RUN-1", "by/epoch"] == [(1, 1.0), (2, 2.0)]


def test_what_is_left_out_is_counted():
    [note] = [note for note in read(PROJECT).notes if "left out" in note]
    assert note.endswith("file (1), histogram_series (1), of the machine (1), string_series (1).")


def test_signs(tmp_path):
    sign = neptune.sniff(Probe(PROJECT))
    assert (sign.level, sign.entries) == (
        Level.DIRECTORY, ("RUN-1_part_0.parquet", "RUN-1_part_1.parquet", "RUN-2_part_0.parquet")
    )  # fmt: skip
    assert neptune.sniff(Probe(PART)).level == Level.KEYS
    other = write(tmp_path / "a_part_0.parquet", "SELECT 1 AS run_id, 2 AS step")
    assert neptune.sniff(Probe(other)) is None
    assert neptune.sniff(Probe(tmp_path)) is None


def test_parts_are_read_by_their_numbers(tmp_path):
    for name in ("r_part_0", "r_part_2", "r_part_10"):
        (tmp_path / f"{name}.parquet").write_bytes(PART.read_bytes())
    assert neptune.sniff(Probe(tmp_path)).entries == ("r_part_0.parquet", "r_part_2.parquet", "r_part_10.parquet")


def test_signs_of_patterns_in_a_path_are_no_patterns(tmp_path):
    for name, rows in (("d[1]", 3), ("d1", 5)):
        (tmp_path / name).mkdir()
        where = f"attribute_path = 'train/loss' AND step < {10 * rows}"
        write(tmp_path / name / PART.name, f"SELECT * FROM '{PART}' WHERE {where}")
    assert [read(tmp_path / name).count for name in ("d[1]", "d1")] == [3, 5]


def test_columns_that_are_missing_are_empty_and_odd_ones_an_error(tmp_path):
    row = "'r' AS run_id, 'p' AS project_id, 'x' AS attribute_path, 'float_series' AS attribute_type"
    found = read(write(tmp_path / "a.parquet", f"SELECT {row}, 1.5 AS float_value"))
    assert found.values == {("r", "x"): [(-1, 1.5)]}  # no step is written
    found = read(write(tmp_path / "b.parquet", f"SELECT {row}, 'word' AS float_value, 1 AS step"))
    assert str(tmp_path / "b.parquet") in str(found.error)
    found = read(
        write(tmp_path / "c.parquet", f"SELECT {row.replace(chr(39) + 'r' + chr(39), 'NULL')}, 1 AS float_value")
    )
    assert [(p.column, p.refused) for p in found.problems] == [("run_id", "row")]
    found = read(write(tmp_path / "d.parquet", f"SELECT {row}, 1.0 AS float_value, -3 AS step FROM range(250)"))
    assert (len(found.problems), found.count) == (100, 0)
    assert "150 more of this were refused" in found.notes[0]


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = write(
        tmp_path / "big.parquet",
        "SELECT 'r' AS run_id, 'p' AS project_id, 'loss' AS attribute_path, 'float_series' AS attribute_type, "
        "range AS step, 1.0 / (1 + range) AS float_value FROM range(600000)",
    )
    sizes, peaks = [], []
    for one in neptune.read(path, ()):
        sizes.append(one.value.size)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert sizes == [200_000, 200_000, 200_000]
    assert peaks[-1] - peaks[0] < 60_000  # kB


def test_cut_off_is_an_error(tmp_path):
    data, path = PART.read_bytes(), tmp_path / "a_part_0.parquet"
    for size in range(0, len(data), 173):
        path.write_bytes(data[:size])
        with pytest.raises(ReadError, match=r"a_part_0\.parquet"):
            list(neptune.read(path, ()))
        assert neptune.sniff(Probe(path)) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6))
def test_mutated(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("m") / PART.name
    path.write_bytes(mutated(PART.read_bytes(), changes))
    neptune.sniff(Probe(path))
    found = Gathered(neptune.read(path, ()))
    assert found.error is None or PART.name in str(found.error)
