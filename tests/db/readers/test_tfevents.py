"""Event files that torch and tensorboard wrote, whole, cut off and damaged."""

import math
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db.readers import tfevents
from db.readers.crc32c import crc32c, masked
from db.readers.format import Level
from db.readers.found import Restart, Values
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

LOGS = Path(__file__).parents[2] / "fixtures" / "logs" / "tfevents"
FIRST = LOGS / "torch" / "events.out.tfevents.1700000000.host.7.0"
SECOND = LOGS / "torch" / "events.out.tfevents.1700000078.host.7.1"
TYPES = LOGS / "tensorboard" / "events.out.tfevents.1700000102.host.7.3"


def loss(step):
    return {5: math.nan, 6: math.inf, 7: -math.inf}.get(step, 4 - step / 64)


def read(path):
    sign = tfevents.sniff(Probe(path))
    return Gathered(tfevents.read(path, sign.entries if sign else ()))


def frame(record):
    length = struct.pack("<Q", len(record))
    sums = masked(np.array([crc32c(length), crc32c(record)], np.uint32)).astype("<u4").tobytes()
    return length + sums[:4] + record + sums[4:]


def part(number, content):
    size = len(content)
    assert size < 128
    return bytes((number << 3 | 2, size)) + content


def scalar(step, value, tag=b"loss", time=1.7e9):
    """An event of one number; steps below 128."""
    inner = part(1, tag) + b"\x15" + struct.pack("<f", value)
    return frame(b"\x09" + struct.pack("<d", time) + bytes((0x10, step)) + part(5, part(1, inner)))


HEAD = frame(b"\x09" + struct.pack("<d", 1.7e9) + part(3, b"brain.Event:2"))


def test_a_directory_is_one_run_that_was_started_again():
    found = read(LOGS / "torch")
    assert found.error is None
    assert not found.problems
    first = [(step, loss(step)) for step in range(30)]
    assert same(found.values["", "train/loss"], first + [(step, loss(step) + 1) for step in range(20, 40)])
    assert found.values["", "val/loss"] == [(10, 3.5), (30, 3.25)]
    # What was logged before the start of a session stands before it in the stream, what came after behind it.
    at = found.order.index(Restart("", 20))
    assert (found.order[:at], found.order[at + 1 :]) == (["train/loss", "val/loss"],) * 2
    assert found.runs[""]["config"] == {
        "args.learning_rate": 0.0003,
        "args.model.n_layers": 12,
        "optimizer": "adamw",
    }
    assert found.runs[""]["about"] == {"host": "host", "started": 1700000001.25}
    assert "Left out: histograms (1)." in found.notes
    assert "Left out: texts (1)." in found.notes
    assert [note.startswith("The 2 files of events") for note in found.notes].count(True) == 1


def test_the_settings_of_the_plugin_of_hyperparameters():
    found = read(LOGS / "torch" / "hp")
    assert found.runs[""]["config"] == {"lr": 0.0003, "batch": 32.0, "name": "a b", "amp": 1.0}
    assert found.runs[""]["state"] == "finished"
    assert found.values == {("", "hparam/loss"): [(0, 3.0)]}


def test_every_type_of_number_and_every_name():
    found = read(TYPES)
    values = {metric: values for (_, metric), values in found.values.items()}
    expected = dict.fromkeys(("float_val", "double_val", "half_val", "bfloat16_val", "bfloat16_content"), 1.5)
    expected |= {"int_val": -3.0, "int64_val": -3.0, "uint32_val": 3.0, "uint64_val": 2.0**64 - 2.0**20}
    expected |= {f"float{bits}_content": 1.5 for bits in (16, 32, 64)} | {"of_shape_1": 1.5}
    expected |= {f"{sign}int{bits}_content": 3.0 for sign in ("", "u") for bits in (8, 16)}
    expected |= {"int32_content": 3.0, "int64_content": 3.0}
    assert {name: pairs for name, pairs in values.items() if pairs[0][0] == 4} == {
        name: [(4, value)] for name, value in expected.items()
    }
    odd = {"a \"b\" 'c'", "two\nlines", " - ", "verlust/ä€😀", "", "long" * 50}
    assert {name for name, pairs in values.items() if pairs == [(2**40, 0.25)]} == odd
    assert [values[f"one/{i}"] for i in range(3)] == [[(7, 0.0)], [(7, 0.125)], [(7, 0.25)]]
    assert len(values) == len(expected) + len(odd) + 3
    digits = {metric: kept for (_, metric), kept in found.digits.items() if kept}
    assert digits == {"half_val": 3, "float16_content": 3, "bfloat16_val": 2, "bfloat16_content": 2}
    assert "Left out: tensors of several elements or none (2)." in found.notes
    assert "Left out: tensors of other types (2)." in found.notes
    (problem,) = found.problems
    assert (problem.line, problem.column, problem.value, problem.refused) == (31, "early", "-1", "value")


def test_signs(tmp_path):
    renamed = tmp_path / "loss.bin"
    renamed.write_bytes(FIRST.read_bytes())
    assert tfevents.sniff(Probe(renamed)).level == Level.MAGIC
    assert tfevents.sniff(Probe(tmp_path)) is None
    assert read(renamed).count == 31
    called = tmp_path / "events.out.tfevents.1.host"
    called.write_bytes(b"")
    assert tfevents.sniff(Probe(called)).level == Level.ENDING
    (tmp_path / "events.out.tfevents.2.host").mkdir()
    assert tfevents.sniff(Probe(tmp_path)).entries == (called.name,)
    assert read(called).notes == [f"{called} is empty."]
    damaged = bytearray(FIRST.read_bytes())
    damaged[8] ^= 1
    renamed.write_bytes(damaged)
    assert tfevents.sniff(Probe(renamed)) is None


def test_files_are_read_in_the_order_of_their_time(tmp_path):
    for time, step in ((999, 1), (1000, 2), (20_000, 3)):
        (tmp_path / f"events.out.tfevents.{time}.host").write_bytes(HEAD + scalar(step, 1.0))
    assert [step for step, _ in read(tmp_path).values["", "loss"]] == [1, 2, 3]


def test_a_later_file_whose_training_loss_goes_back_voids_what_lay_beyond(tmp_path):
    first, second = tmp_path / "events.out.tfevents.1.host", tmp_path / "events.out.tfevents.2.host"
    losses = b"".join(scalar(step, 3.0) for step in range(60))
    first.write_bytes(HEAD + losses + scalar(49, 3.5, b"val/loss") + scalar(59, 3.25, b"val/loss"))
    second.write_bytes(HEAD + scalar(40, 1.0, b"val/loss") + b"".join(scalar(step, 2.0) for step in range(41, 90)))
    found = read(tmp_path)
    at = found.order.index(Restart("", 41))
    assert sorted(found.order[:at]) == ["loss", "val/loss", "val/loss"]
    assert found.order[at + 1 :] == ["loss"]
    second.write_bytes(HEAD + scalar(40, 1.0, b"val/loss"))
    assert not any(isinstance(one, Restart) for one in read(tmp_path).order)


def test_processes_that_write_at_the_same_time_void_nothing_of_each_other(tmp_path):
    ranks = [b"".join(scalar(step, 3.0, time=1.7e9 + step + rank) for step in range(60)) for rank in range(2)]
    evaluated = b"".join(scalar(step, 3.5, b"val/loss", 1.7e9 + step) for step in (19, 59))
    for rank, content in enumerate((ranks[0] + evaluated, ranks[1])):
        (tmp_path / f"events.out.tfevents.{rank + 1}.host").write_bytes(HEAD + content)
    found = read(tmp_path)
    assert not any(isinstance(one, Restart) for one in found.order)
    assert found.values["", "val/loss"] == [(19, 3.5), (59, 3.5)]


def test_a_file_that_is_cut_off_anywhere_gives_what_is_whole(tmp_path):
    data = SECOND.read_bytes()
    ends, i = [], 0
    while i < len(data):
        i += 16 + struct.unpack_from("<Q", data, i)[0]
        ends.append(i)
    # The first three records are the version, twice, and the start of the session.
    numbers = [(20 + k, loss(20 + k) + 1) for k in range(20)]
    path = tmp_path / "log"
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        found = Gathered(tfevents.read(path, ()))
        whole = sum(end <= size for end in ends)
        assert found.error is None
        assert not found.problems
        assert found.values.get(("", "train/loss"), []) == numbers[: max(0, whole - 3)]
        cut = any("ends within a record" in note for note in found.notes)
        assert cut == (size not in (0, *ends))


@pytest.mark.parametrize("bit", [0, 7])
def test_no_byte_changes_unseen(tmp_path, bit):
    data = HEAD + b"".join(scalar(step, step / 8) for step in range(6)) + frame(b"")
    whole = [(step, step / 8) for step in range(6)]
    path = tmp_path / "log"
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        path.write_bytes(changed)
        found = Gathered(tfevents.read(path, ()))
        got = found.values.get(("", "loss"), [])
        # One record is lost at most, and that is said; the last frame may also look as if it were cut off.
        assert set(got) <= set(whole)
        assert len(got) >= 5
        assert found.error is None
        assert len(found.problems) == 1


def test_damage_names_record_and_byte(tmp_path):
    data = bytearray(HEAD + b"".join(scalar(step, step / 8) for step in range(6)))
    data[len(HEAD) + 2 * len(scalar(0, 0.0)) + 20] ^= 255
    path = tmp_path / "log"
    path.write_bytes(data)
    (problem,) = Gathered(tfevents.read(path, ())).problems
    assert (problem.line, problem.value, problem.refused) == (4, f"byte {len(HEAD) + 2 * len(scalar(0, 0.0))}", "row")
    assert "checksum" in problem.reason


def test_reading_goes_on_behind_bytes_that_are_no_records(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(HEAD + scalar(1, 1.0) + b"\xee" * 200_001 + scalar(2, 2.0) + bytes(3_000_000))
    found = Gathered(tfevents.read(path, ()))
    assert found.values["", "loss"] == [(1, 1.0), (2, 2.0)]
    begin = len(HEAD + scalar(1, 1.0))
    end = begin + 200_001 + len(scalar(2, 2.0))
    assert [problem.value for problem in found.problems] == [
        f"byte {begin}",
        f"byte {end:,}",
    ]


def test_what_is_no_file_of_records_is_refused(tmp_path):
    path = tmp_path / "events.out.tfevents.1.host"
    path.write_bytes(b"no records, but a text that is long enough")
    found = Gathered(tfevents.read(path, ()))
    assert found.error.place == "byte 0"
    assert "does not begin with a length and its checksum" in str(found.error)
    # Among others it is a problem, and the others are read.
    (tmp_path / "events.out.tfevents.2.host").write_bytes(HEAD + scalar(3, 1.5))
    found = read(tmp_path)
    assert found.error is None
    assert found.values["", "loss"] == [(3, 1.5)]
    assert [problem.file for problem in found.problems] == [str(path)]


def test_many_damages_of_a_kind_are_counted(tmp_path):
    good, bad = scalar(1, 1.0), bytearray(scalar(1, 1.0))
    bad[20] ^= 1
    path = tmp_path / "log"
    path.write_bytes(HEAD + (good + bytes(bad)) * 150)
    found = Gathered(tfevents.read(path, ()))
    assert len(found.values["", "loss"]) == 150
    assert len(found.problems) == 100
    assert any("50 more of this were refused" in note for note in found.notes)
    bad = bytearray(good)
    bad[0] ^= 1
    path.write_bytes(HEAD + (good + bytes(bad)) * 150)
    found = Gathered(tfevents.read(path, ()))
    assert "more than 100 places" in str(found.error)
    assert len(found.values["", "loss"]) == 101


def test_a_file_that_cannot_be_read(tmp_path):
    found = Gathered(tfevents.read(tmp_path / "gone", ()))
    assert "not there" in str(found.error)


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("db.readers.collect.LIMIT", 5_000)
    monkeypatch.setattr("db.readers.tfrecord._PART", 2**16)
    path = tmp_path / "log"
    peaks = []
    for copies in (100, 400):
        path.write_bytes(HEAD + b"".join(scalar(step, step / 8) for step in range(100)) * copies)
        tracemalloc.start()
        n = sum(len(one.value) for one in tfevents.read(path, ()) if isinstance(one, Values))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert n == 100 * copies
    assert peaks[1] < 1.2 * peaks[0]


def test_a_record_too_large_to_hold_values_is_passed_over(tmp_path):
    path = tmp_path / "log"
    length = struct.pack("<Q", 65 * 2**20)
    with path.open("wb") as stream:
        head = masked(np.array([crc32c(length)], np.uint32)).astype("<u4").tobytes()
        stream.write(HEAD + scalar(1, 1.0) + length + head)
        stream.seek(65 * 2**20 + 4, 1)
        stream.write(scalar(2, 2.0))
    found = Gathered(tfevents.read(path, ()))
    assert found.values["", "loss"] == [(1, 1.0), (2, 2.0)]
    assert found.notes == ["Left out: records that are too large to hold values (1)."]


@settings(max_examples=100)
@given(st.binary(max_size=300), st.booleans())
@example(b"", True)
def test_random_records_and_bytes_give_nothing_but_read_errors(tmp_path_factory, data, framed):
    path = tmp_path_factory.mktemp("random") / "log"
    path.write_bytes(HEAD + frame(data) if framed else data)
    found = Gathered(tfevents.read(path, ()))
    assert found.count <= 60


@settings(max_examples=100)
@given(st.data())
def test_records_with_changed_bytes_and_right_checksums(tmp_path_factory, data):
    source = data.draw(st.sampled_from([FIRST, SECOND, TYPES, *(LOGS / "torch" / "hp").iterdir()])).read_bytes()
    out, i = [], 0
    while i < len(source):
        size = struct.unpack_from("<Q", source, i)[0]
        out.append(bytearray(source[i + 12 : i + 12 + size]))
        i += 16 + size
    for record, at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 999), st.integers(0, 255)), max_size=20)
    ):
        chosen = out[record % len(out)]
        chosen[at % len(chosen)] = byte
    path = tmp_path_factory.mktemp("changed") / "log"
    path.write_bytes(b"".join(frame(bytes(record)) for record in out))
    assert Gathered(tfevents.read(path, ())).error is None
