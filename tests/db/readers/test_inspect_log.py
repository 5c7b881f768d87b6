"""Logs of Inspect, from files that it wrote itself (tests/fixtures/make/inspect_log.py)."""

import json
import math
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers import inspect_log
from db.readers.format import Level
from db.readers.json_head import first_members
from db.readers.probe import Probe
from db.readers.zipped import opened_zip
from scaling.errors import ReadError
from tests.db.readers.results import LOGS, Results, cut_everywhere, mutated, outcome

SUMS, JSON = LOGS / "inspect" / "sums.eval", LOGS / "inspect" / "sums.json"
GROUPED, FAILING = LOGS / "inspect" / "grouped.eval", LOGS / "inspect" / "failing.eval"


def header(path):
    with opened_zip(path) as archive:
        return json.loads(archive.read("header.json", 1 << 20))


def zipped(path, members, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, text in members.items():
            archive.writestr(name, text if isinstance(text, str | bytes) else json.dumps(text))
    return path


def test_every_metric_by_scorer_and_reducer():
    assert Results(inspect_log, SUMS).by("metric", "filter") == {
        ("accuracy", "match"): 0.25,
        ("accuracy", "match, at_least_1"): 0.5,
        ("mean", "both.length"): 1.0,
        ("accuracy", "both.right"): 0.25,
        ("mean", "both.length, at_least_1"): 1.0,
        ("accuracy", "both.right, at_least_1"): 0.5,
        ("mean", "odd, at_least_1"): 1.0,
    }


def test_all_that_is_said_of_a_result():
    found = Results(inspect_log, SUMS)
    score = found.one(filter="match")
    spec = header(SUMS)["eval"]
    assert (score.model, score.task, score.task_version) == ("mockllm/model", "sums", "2")
    # three of the six questions were right in one of two epochs
    assert score.stderr == pytest.approx(math.sqrt(6 * 0.0625 / 5 / 6))
    assert (score.n_samples, score.n_shot, score.harness) == (6, 3, "inspect-ai 0.3.285")
    assert (score.key, score.evaluated) == (spec["eval_id"], spec["created"][:10])
    assert score.extra == {
        "epochs": 2,
        "limit": 6,
        "questions_of_task": 8,
        "task_args": {"fewshot": 3},
        "run_id": spec["run_id"],
        "task_id": spec["task_id"],
        "unit": "share",
        "reducer": "mean",
        "unscored_samples": 0,
    }
    assert found.notes == [f"{SUMS}: results are of a part of the task (limit 6)."]


def test_a_spread_is_no_result_and_no_error():
    length = Results(inspect_log, SUMS).one(filter="both.length")
    assert (length.stderr, length.extra["std"]) == (None, 0.0)


def test_what_is_no_number_is_refused():
    [problem] = Results(inspect_log, SUMS).problems
    assert (problem.column, problem.value, problem.reason) == ("odd.mean", "inf", "the score is not finite")


def test_groups_of_samples():
    found = Results(inspect_log, GROUPED)
    assert found.by("metric") == {("mean[low]",): 0.3125, ("mean[high]",): 0.8125, ("mean[all]",): 0.5625}
    assert [(s.n_samples, s.stderr) for s in found.scores] == [(None, None), (None, None), (8, None)]
    assert found.scores[0].task_version == "1.0"


def test_json_is_read_up_to_its_samples(tmp_path):
    assert Results(inspect_log, JSON).by("metric", "filter") == {
        ("accuracy", "match"): 1.0,
        ("mean", "both.length"): 1.0,
        ("accuracy", "both.right"): 1.0,
    }
    text = JSON.read_text()
    start = text.index('"samples": [')
    path = tmp_path / "log.json"
    path.write_text(text[: start + 11])
    whole, cut = Results(inspect_log, JSON), Results(inspect_log, path)
    assert whole.scores == cut.scores
    assert [p.value for p in whole.problems] == ["inf"]


def test_an_evaluation_that_failed_has_no_results():
    found = Results(inspect_log, FAILING)
    assert (found.scores, found.problems) == ([], [])
    assert found.notes == [f"{FAILING}: the evaluation has no results; its status is 'error'."]


def test_an_evaluation_that_goes_on(tmp_path):
    with opened_zip(SUMS) as archive:
        start = archive.read("_journal/start.json", 1 << 20)
    path = zipped(tmp_path / "live.eval", {"_journal/start.json": start, "samples/q1_epoch_1.json": "{}"})
    found = Results(inspect_log, path)
    assert (found.sign.level, found.scores) == (Level.MAGIC, [])
    assert "its status is 'started'" in found.notes[0]


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_gives_the_same(tmp_path, kind):
    path = zipped(tmp_path / "log.eval", {"header.json": header(SUMS)}, kind)
    assert Results(inspect_log, path).scores == Results(inspect_log, SUMS).scores


def test_results_of_an_evaluation_that_ended_early(tmp_path):
    log = header(SUMS) | {"status": "cancelled", "invalidated": True}
    found = Results(inspect_log, zipped(tmp_path / "log.eval", {"header.json": log}))
    assert {(s.extra["status"], s.extra["invalidated"]) for s in found.scores} == {("cancelled", True)}
    assert ["ended as 'cancelled'" in note or "marked as invalid" in note for note in found.notes] == [
        True,
        True,
        False,
    ]


def test_a_bomb_is_not_unpacked(tmp_path):
    bomb = zipped(tmp_path / "bomb.eval", {"header.json": b"[" * (200 * 2**20)})
    assert bomb.stat().st_size < 2**20
    with pytest.raises(ReadError, match=r"member 'header.json'.*would unpack to 209,715,200 bytes"):
        list(inspect_log.read(bomb, ()))
    data = bytearray(bomb.read_bytes())  # one that lies about its size
    for at in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = (1000).to_bytes(4, "little")
    bomb.write_bytes(data)
    with pytest.raises(ReadError, match=r"member 'header\.json'"):
        list(inspect_log.read(bomb, ()))


def test_the_checksum_is_held_against_what_was_unpacked(tmp_path):
    with zipfile.ZipFile(SUMS) as archive:
        info = archive.getinfo("header.json")
    first = info.header_offset + 30 + len(info.filename)
    data = SUMS.read_bytes()
    path = tmp_path / "log.eval"
    places = range(first, first + info.compress_size, 41)
    for place in places:
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(ReadError, match=r"member 'header\.json'"):
            list(inspect_log.read(path, ()))
    assert len(places) == 26


def test_names_and_documents_that_are_none(tmp_path):
    path = tmp_path / "log.json"
    for text, why in {
        '{"version": 2, "status": "success", "eval": []': "cut off",
        '{"version": 2, "status": "success", "eval": 7}': "no 'eval'",
        '{"version": 2, 3: 4}': "a name in quotes was expected",
        '["version"]': "{ was expected",
        "": "cut off",
    }.items():
        path.write_text(text)
        with pytest.raises(ReadError, match=why):
            list(inspect_log.read(path, ()))


def test_first_members_hold_no_more_than_one(tmp_path):
    path = tmp_path / "big.json"
    with path.open("w") as stream:
        stream.write('{"a": 12, "b": "x\\u00fc", "c": [')
        stream.write("1," * 400_000 + '1], "d": 1e5, "stop": ')
        stream.write("[" * 1000)  # no JSON any more
    found = dict(first_members(path, {"stop"}))
    assert (found["a"], found["b"], len(found["c"]), found["d"]) == (12, "xü", 400_001, 1e5)
    with pytest.raises(ReadError, match="one part of it is above"):
        list(first_members(path, {"stop"}, limit=100_000))
    with pytest.raises(ReadError, match="character 800"):
        list(first_members(path, ()))


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings(tmp_path, mark):
    path = tmp_path / "log.json"
    path.write_bytes(JSON.read_text().encode(mark))
    assert inspect_log.sniff(Probe(path)).level == Level.KEYS
    assert Results(inspect_log, path).scores == Results(inspect_log, JSON).scores


def test_cut_off(tmp_path):
    outcomes = cut_everywhere(inspect_log, FAILING, tmp_path / "log.eval")
    assert set(outcomes) == {"ReadError"}
    text = JSON.read_text()
    small = tmp_path / "small.json"
    small.write_text(json.dumps({key: value for key, value in json.loads(text).items() if key in ("version", "eval")}))
    assert "ReadError" in cut_everywhere(inspect_log, small, tmp_path / "log.json", every=3)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([FAILING, GROUPED, JSON]),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8),
)
def test_mutated(tmp_path_factory, whole, changes):
    path = tmp_path_factory.mktemp("m") / whole.name
    path.write_bytes(mutated(whole.read_bytes(), changes))
    assert not str(outcome(inspect_log, path)).startswith("an error")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_random(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("r")
    for name, start in {"a.eval": b"PK\x03\x04", "b.json": b'{"eval": {'}.items():
        (folder / name).write_bytes(start + data)
        assert not str(outcome(inspect_log, folder / name)).startswith("an error")
