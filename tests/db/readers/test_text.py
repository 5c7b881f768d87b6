"""Lines of text, documents of JSON and looks into files, whatever is in them."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers import text
from db.readers.probe import HEAD, Probe
from db.readers.text import flatten, json_document, json_lines, lines_of, parse_json
from scaling.errors import ReadError


def written(tmp_path, content: bytes, name: str = "a.log"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_any_encoding(tmp_path, encoding, end) -> None:
    path = written(tmp_path, end.join(["step 1 é", "", "step 2"]).encode(encoding))
    assert list(lines_of(path)) == [(1, "step 1 é"), (2, ""), (3, "step 2")]


def test_bytes_that_are_no_text_are_replaced(tmp_path) -> None:
    path = written(tmp_path, b"a" * HEAD + b"\nb\xff\xfe\nc")
    assert list(lines_of(path))[1:] == [(2, "b\ufffd\ufffd"), (3, "c")]


def test_a_line_without_end_is_cut_and_what_follows_keeps_its_number(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(text, "LONGEST_LINE", 10)
    path = written(tmp_path, b"x" * 35 + b"\nb\n" + b"y" * 9 + b"\nz")
    assert list(lines_of(path)) == [(1, "x" * 10), (2, "b"), (3, "y" * 9), (4, "z")]


def test_compressed_lines_end_with_a_place_where_they_are_damaged(tmp_path) -> None:
    whole = gzip.compress(b"a\nb\n" * 1000)
    assert len(list(lines_of(written(tmp_path, whole, "a.log.gz")))) == 2000
    with pytest.raises(ReadError, match="no whole gzip file"):
        list(lines_of(written(tmp_path, whole[:-20], "b.log.gz")))
    with pytest.raises(ReadError):
        list(lines_of(written(tmp_path, b"no gzip", "c.log.gz")))


def test_a_bomb_ends(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(text, "_UNPACKED", 10_000)
    path = written(tmp_path, gzip.compress(b"0\n" * 1_000_000), "a.log.gz")
    with pytest.raises(ReadError, match="unpacks to more than"):
        list(lines_of(path))


def test_json_lines_with_damage_in_the_middle_and_a_last_line_that_is_cut_off(tmp_path) -> None:
    path = written(tmp_path, b'{"a": 1}\n\nbroken\n{"a": NaN}\n{"a": 1')
    found = list(json_lines(path))
    assert [number for number, _ in found] == [1, 3, 4]
    assert isinstance(found[1][1], ReadError)
    assert found[1][1].place == "line 3"
    deep = written(tmp_path, b"[" * 100_000 + b"\n{}\n", "b.log")
    assert [type(one) for _, one in json_lines(deep)] == [ReadError, dict]


def test_documents(tmp_path) -> None:
    assert json_document(written(tmp_path, '{"é": 1}'.encode("utf-16"))) == {"é": 1}
    with pytest.raises(ReadError, match="above 0") as raised:
        json_document(written(tmp_path, b"{}"), limit=1)
    assert "JSON lines" in (raised.value.hint or "")
    with pytest.raises(ReadError) as raised:
        parse_json('{"a":\n 1,}', "a.json")
    assert raised.value.place == "line 2"
    for bad in ("[" * 100_000, '{"a": ' + "1" * 5000 + "}"):
        with pytest.raises(ReadError):
            parse_json(bad, "a.json")
    with pytest.raises(ReadError, match="it is not there any more"):
        json_document(tmp_path / "gone.json")
    with pytest.raises(ReadError):
        json_document(tmp_path)


def test_nested_settings_are_named_by_their_path() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": []}, "e": {}, "f": [{"g": 1}]}) == {
        "a.b.c": 1, "a.d": [], "e": None, "f": [{"g": 1}],
    }  # fmt: skip
    deep: dict = {}
    for _ in range(2000):
        deep = {"x": deep}
    assert flatten(deep) == {}


def test_a_probe_looks_at_no_more_than_the_head(tmp_path) -> None:
    probe = Probe(written(tmp_path, b"line\n" * 100_000))
    assert len(probe.head) == HEAD
    assert len(probe.lines) == 200
    one = Probe(written(tmp_path, b"x" * 200_000, "b.log"))
    assert one.lines == ("x" * HEAD,)
    binary = Probe(written(tmp_path, b"\0\1\2", "c.bin"))
    assert (binary.encoding, binary.lines, binary.keys, binary.columns) == (None, (), frozenset(), ())
    assert Probe(tmp_path).names == ("a.log", "b.log", "c.bin")
    assert Probe(tmp_path).head == b""
    empty = Probe(written(tmp_path, b"", "d.log"))
    assert (empty.lines, empty.keys, empty.columns) == ((), frozenset(), ())


KEYS = st.dictionaries(st.text(min_size=1, max_size=8), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8,
), max_size=6)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(record=KEYS, indent=st.sampled_from([None, 2]))
def test_keys_of_an_object_are_seen_however_it_is_written(tmp_path_factory, record, indent) -> None:
    path = tmp_path_factory.getbasetemp() / "keys.json"
    path.write_bytes(json.dumps(record, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    found = Probe(path).keys
    plain = {key for key in record if key.isprintable() and '"' not in key and "\\" not in key}
    assert plain <= found


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_looked_at_and_read_without_a_fault(tmp_path_factory, content) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(content)
    probe = Probe(path)
    assert isinstance(probe.keys, frozenset)
    assert isinstance(probe.columns, tuple)
    assert probe.footer is not None
    lines = list(lines_of(path))
    assert [number for number, _ in lines] == list(range(1, len(lines) + 1))
    for number, record in json_lines(path):
        assert number >= 1
        assert record is not Ellipsis


def test_whether_the_last_line_has_its_end_is_that_of_what_was_read(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("1\n2")
    lines = lines_of(path)
    assert [text for _, text in lines] == ["1", "2"]
    with path.open("a") as stream:
        stream.write("5\n3\n")
    assert not lines.ended  # what was read was no line, whatever the file looks like now
    lines = lines_of(path)
    assert next(lines) == (1, "1")
    with path.open("a") as stream:
        stream.write("4")
    assert ([text for _, text in lines], lines.ended) == (["25", "3", "4"], False)
