"""W&B runs on disk, from files that W&B 0.31.0 made by the formulas of tests/fixtures/make/wandb.py."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.problems import Problem
from db.readers import wandb_offline
from db.readers.discover import Source, discover
from db.readers.format import Level, Sign
from db.readers.found import Found, Note, Restart, RunFound, Values
from db.readers.probe import Probe
from db.readers.wandb_frames import HEADER
from db.readers.wandb_yaml import read_settings
from scaling.errors import ReadError
from tests.db.writers.binary import framed
from tests.db.writers.binary import part as field

LOGS = Path(__file__).parents[2] / "fixtures" / "logs" / "wandb" / "wandb"
SMALL, *AGAIN = (next(LOGS.glob(f"*-{name}/*.wandb")) for name in ("small1", "again1", "branch1", "axes1"))
STEPS = 100


def read(path: Path) -> list[Found]:
    sign = wandb_offline.sniff(Probe(path))
    return list(wandb_offline.read(path, sign.entries if sign else ()))


def curve(found: Iterable[Found], metric: str, run: str | None = None) -> list[tuple[int, float]]:
    return [
        (int(step), float(value))
        for values in found
        if isinstance(values, Values) and values.metric == metric and run in (None, values.run)
        for step, value in zip(values.step, values.value, strict=True)
    ]


def notes(found: Iterable[Found]) -> str:
    return "\n".join(note.text for note in found if isinstance(note, Note))


def problems(found: Iterable[Found]) -> list[Problem]:
    return [one for one in found if isinstance(one, Problem)]


# A writer of the format, to make what the tool does not: one record a message, in fragments of blocks of 32 KiB.


def item(name: str | tuple[str, ...], value: str) -> bytes:
    names = field(1, name) if isinstance(name, str) else b"".join(field(2, part) for part in name)
    return field(1, names + field(16, value))


def history(number: int, values: dict[Any, str]) -> bytes:
    return field(1, number) + field(2, b"".join(item(name, value) for name, value in values.items()))


def test_every_value_of_a_run() -> None:
    found = read(SMALL)
    steps = [10 * i for i in range(STEPS)]
    assert curve(found, "train/loss") == [(10 * i, 4 - i / 64) for i in range(STEPS)]
    assert curve(found, "tokens") == [(10 * i, 1024.0 * i) for i in range(STEPS)]
    assert curve(found, "grad.norm") == [(10 * i, 1 / (i + 1)) for i in range(STEPS)]
    assert curve(found, 'we"ird\nname - ü') == [(90, 1.5)]
    assert curve(found, "a.b") == [(90, 2.0)]
    assert steps[-1] == 990
    assert sum(len(values.step) for values in found if isinstance(values, Values)) == 3 * STEPS + 5 + 2
    assert not problems(found)


def test_what_is_not_finite_and_what_is_missing_stay_apart() -> None:
    (values,) = (one for one in read(SMALL) if isinstance(one, Values) and one.metric == "val/loss")
    assert values.step.tolist() == [30, 40, 50, 60, 70]
    assert values.missing is not None
    assert values.missing.tolist() == [False, False, False, True, False]
    assert math.isnan(values.value[0])
    assert values.value[[1, 2, 4]].tolist() == [math.inf, -math.inf, 2.5]


def test_settings_summary_and_what_is_known_of_the_run() -> None:
    first, *_, last = (one for one in read(SMALL) if isinstance(one, RunFound))
    assert first.key == "small1"
    assert first.name == 'small - "one"'
    assert first.about | {"started": 0} == {
        "id": "small1", "project": "scaling", "group": "ladder", "job_type": "train", "notes": "by formula",
        "tags": ["a", "b"], "host": "node", "started": 0,
    }  # fmt: skip
    assert first.about["started"] > 1.7e9
    assert last.state == "finished"
    assert last.config == {
        "model.n_params": 1_000_000, "model.n_layers": 2, "model.odd\nkey": 1, "lr": 3e-4, "nothing": None,
        "flag": True, "betas": [0.9, 0.95], "limit": math.inf, "late": 7,
    }  # fmt: skip
    assert last.summary["best"] == 1.25
    assert last.summary["train/loss"] == 4 - 99 / 64
    assert not any(name.startswith(("_", "histogram")) for name in last.summary)


def test_what_is_no_number_is_left_out_and_said() -> None:
    found = read(SMALL)
    assert "flag (yes or no), histogram (histogram), list (list), remark (text)" in notes(found)
    metrics = {values.metric for values in found if isinstance(values, Values)}
    assert metrics == {"train/loss", "tokens", "grad.norm", "val/loss", 'we"ird\nname - ü', "a.b"}


def test_logs_of_one_run_are_read_in_the_order_of_their_dates() -> None:
    found = [one for one in read(LOGS) if getattr(one, "key", getattr(one, "run", None)) == "again1"]
    assert curve(found, "loss") == [
        *((step, 4 - step / 8) for step in range(5)),
        *((step, 3 - step / 8) for step in range(3, 8)),
        *((step, 2 - step / 8) for step in range(5, 8)),
    ]
    restarts = [one for one in found if isinstance(one, Restart)]
    assert [one.step for one in restarts] == [3, 5]  # by its loss, and as the log says
    before = [[one for one in found[: found.index(restart)] if isinstance(one, Values)] for restart in restarts]
    assert [sum(len(values.step) for values in one) for one in before] == [5, 10]
    assert [one.state for one in found if isinstance(one, RunFound) and one.state] == ["failed", "finished", "finished"]
    assert sum("started" in one.about for one in found if isinstance(one, RunFound)) == 1
    assert "again1" in notes(read(LOGS))


def logs_of(folder: Path, *rows: list[tuple[int, dict[str, str]]]) -> Path:
    """A directory with a log of the run a from each list of rows."""
    for day, part in enumerate(rows, 1):
        (folder / f"offline-run-2026010{day}_000000-a").mkdir(parents=True)
        log = folder / f"offline-run-2026010{day}_000000-a" / "run-a.wandb"
        log.write_bytes(framed([history(step, {"_step": str(step), **row}) for step, row in part]))
    return folder


def test_a_training_that_goes_back_voids_what_was_evaluated_beyond(tmp_path: Path) -> None:
    first = [(step, {"train/loss": "3", **({"val/loss": "3.5"} if step % 10 == 9 else {})}) for step in range(60)]
    second = [(40, {"lr": "0.1"}), *((step, {"train/loss": "2"}) for step in range(41, 90))]
    found = read(logs_of(tmp_path, first, second))
    (restart,) = (one for one in found if isinstance(one, Restart))
    assert restart.step == 41
    at = found.index(restart)
    assert len(curve(found[:at], "train/loss")) == 60
    assert curve(found[at:], "train/loss")[0] == (41, 2.0)
    assert curve(found[:at], "lr") == [(40, 0.1)]  # before the step, so it stays


def test_a_job_that_evaluates_old_checkpoints_voids_nothing(tmp_path: Path) -> None:
    training = [(step, {"train/loss": "3", "val/loss": "3.5"}) for step in range(50)]
    evaluation = [(step, {"val/loss": "3.25", "lr": "0.1"}) for step in range(0, 50, 10)]
    onward = [(step, {"train/loss": "2"}) for step in range(50, 60)]
    found = read(logs_of(tmp_path, training, evaluation, onward))
    assert not any(isinstance(one, Restart) for one in found)


def test_a_branch_names_the_run_it_comes_from() -> None:
    found = read(next(LOGS.glob("*-branch1")))
    assert next(one for one in found if isinstance(one, RunFound)).about["forked_from"] == "again1 at step 4"
    assert curve(found, "loss") == [(5, 1 - 5 / 8), (6, 1 - 6 / 8)]
    assert not any(isinstance(one, Restart) for one in found)


def test_steps_are_training_steps_where_the_run_says_which_metric_counts_them() -> None:
    found = read(next(LOGS.glob("*-axes1")))
    assert curve(found, "train/loss") == [(500 * i, 3 - i / 4) for i in range(4)]
    assert curve(found, "eval/loss") == [(500 * i, 3.5 - i / 4) for i in range(4)]
    (values,) = (one for one in found if isinstance(one, Values) and one.metric == "eval/loss")
    assert values.tokens is not None
    assert values.tokens.tolist() == [0, 1e6, 2e6, 3e6]
    assert "'train/global_step', which counts training steps" in notes(found)


def test_the_logs_of_a_run_that_was_started_again_are_one_source_and_the_others_stand_alone() -> None:
    sign = wandb_offline.sniff(Probe(LOGS))
    assert sign is not None
    assert sign.level == Level.DIRECTORY
    assert list(sign.entries) == [path.relative_to(LOGS).as_posix() for path in sorted(LOGS.glob("*/*again1.wandb"))]
    assert len(sign.entries) == 3
    found = [one for one in discover(LOGS) if isinstance(one, Source)]
    assert sorted(one.path.name.rpartition("-")[2] for one in found) == ["axes1", "branch1", "small1", "wandb"]
    assert {one.key for one in read(LOGS) if isinstance(one, RunFound)} == {"again1"}
    runs = {one.key for one in wandb_offline.read(LOGS) if isinstance(one, RunFound)}
    assert runs == {"small1", "again1", "branch1", "axes1"}


def test_signs_of_a_log_and_of_the_directory_of_a_run() -> None:
    assert wandb_offline.sniff(Probe(SMALL)) == Sign(Level.MAGIC, "it begins with :W&B")
    assert wandb_offline.sniff(Probe(SMALL.parent)) == Sign(
        Level.DIRECTORY, "it holds run-small1.wandb", ("run-small1.wandb",)
    )
    assert wandb_offline.sniff(Probe(LOGS.parent)) is None


def test_directories_of_runs_beside_other_logs_leave_these_alone(tmp_path: Path) -> None:
    for name in ("offline-run-20260101_000000-a", "run-20260102_000000-b", "run-20260103_000000-b"):
        (tmp_path / name / "files").mkdir(parents=True)
        (tmp_path / name / f"run-{name[-1]}.wandb").write_bytes(framed([history(1, {"_step": "1", "loss": "2"})]))
        (tmp_path / name / "files" / "output.log").write_text("step: 1 loss: 2.0")
    (tmp_path / "run-20260103_000000-b" / "files" / "wandb-metadata.json").write_text("{}")
    (tmp_path / "latest-run").symlink_to(tmp_path / "run-20260103_000000-b")
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n")
    sign = wandb_offline.sniff(Probe(tmp_path))
    assert sign is not None
    assert set(sign.entries) == {
        "run-20260102_000000-b/run-b.wandb", "run-20260103_000000-b/run-b.wandb",
        "run-20260103_000000-b/files/wandb-metadata.json",
    }  # fmt: skip
    found = [one for one in discover(tmp_path) if isinstance(one, Source)]
    assert [(one.path.name, one.format.NAME) for one in found if one.format.NAME == "wandb"] == [
        (tmp_path.name, "wandb"), ("offline-run-20260101_000000-a", "wandb"),
    ]  # fmt: skip
    assert curve(read(tmp_path), "loss") == [(1, 2.0), (1, 2.0)]
    alone = wandb_offline.sniff(Probe(tmp_path / "offline-run-20260101_000000-a"))
    assert alone is not None
    assert alone.entries == ("run-a.wandb", "files/output.log")


@pytest.mark.parametrize("path", AGAIN[:2], ids=lambda path: path.stem)
def test_cut_off_anywhere_it_is_the_log_of_a_run_that_goes_on(path: Path, tmp_path: Path) -> None:
    whole, cut = path.read_bytes(), tmp_path / path.name
    complete = [(one.metric, one.step.tolist()) for one in read(path) if isinstance(one, Values)]
    lengths = []
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        found = list(wandb_offline.read(cut, ()))
        assert not problems(found)
        assert "no end is recorded" in notes(found)
        got = dict(complete)
        for values in found:
            if isinstance(values, Values):
                assert got[values.metric][: len(values.step)] == values.step.tolist()
        lengths.append(sum(len(one.step) for one in found if isinstance(one, Values)))
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert lengths[-1] == sum(len(steps) for _, steps in complete)


def test_a_changed_byte_never_passes_as_a_value(tmp_path: Path) -> None:
    whole = AGAIN[0].read_bytes()
    true = set(curve(read(AGAIN[0]), "loss"))
    changed = tmp_path / "run-again1.wandb"
    told = 0
    for at in range(len(HEADER), len(whole)):
        changed.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        found = list(wandb_offline.read(changed, ()))
        assert set(curve(found, "loss")) <= true
        assert len({one.metric for one in found if isinstance(one, Values)}) <= 1
        told += bool(problems(found)) or "no whole record" in notes(found)
    assert told == len(whole) - len(HEADER)


def test_damage_in_the_middle_costs_no_more_than_its_fragment(tmp_path: Path) -> None:
    whole = bytearray(SMALL.read_bytes())
    at = whole.index(b"3.015625", 20_000)  # of step 630
    whole[at] = ord("9")
    damaged = tmp_path / "run-small1.wandb"
    damaged.write_bytes(whole)
    found = list(wandb_offline.read(damaged, ()))
    (problem,) = problems(found)
    assert "checksum" in problem.reason
    assert "byte" in str(problem.value)
    assert len(curve(found, "train/loss")) >= STEPS - 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_end_in_nothing_but_a_read_error(data: st.DataObject, tmp_path: Path) -> None:
    if data.draw(st.booleans()):
        content = HEADER + data.draw(st.binary(max_size=300))
    elif data.draw(st.booleans()):  # checksums hold, messages are damaged
        parts = [bytearray(history(1, {"_step": "1", "loss": "2.5"})), bytearray(field(17, field(1, "r")))]
        for part in parts:
            for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(part) - 1), st.integers(0, 255)))):
                part[at] = byte
        content = framed([*map(bytes, parts), data.draw(st.binary(max_size=100))])
    else:
        content = data.draw(st.binary(max_size=300))
    path = tmp_path / "run-x.wandb"
    path.write_bytes(content)
    places: list[str | None] = []
    try:
        for one in wandb_offline.read(path, ()):
            if isinstance(one, Values):
                assert (one.step >= -1).all()
    except ReadError as error:
        places.append(error.place)
    assert all(places)


def test_long_records_run_over_blocks(tmp_path: Path) -> None:
    text = "x" * 100_000
    path = tmp_path / "run-long.wandb"
    path.write_bytes(
        framed(
            [history(1, {"_step": "1", "remark": f'"{text}"', "loss": "2.5"}), history(2, {"_step": "2", "loss": "2"})]
        )
    )
    assert curve(read(path), "loss") == [(1, 2.5), (2, 2.0)]


def test_values_that_older_versions_write_as_nested_text(tmp_path: Path) -> None:
    path = tmp_path / "run-old.wandb"
    image = '{"_type": "image-file", "width": 3}'
    rows = [
        history(i, {"_step": str(i), "val": json.dumps({"loss": 3 - i, "name": "c4"}), "picture": image})
        for i in range(3)
    ]
    path.write_bytes(framed(rows))
    found = read(path)
    assert curve(found, "val.loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert "picture (image-file), val.name (text)" in notes(found)


@pytest.mark.parametrize("step", ["-1", "1.5", "NaN", '"text"', "true", "99999999999999999999"])
def test_a_step_that_is_none_is_a_problem_with_its_record(step: str, tmp_path: Path) -> None:
    path = tmp_path / "run-steps.wandb"
    path.write_bytes(framed([history(1, {"_step": "3", "loss": "2"}), history(2, {"_step": step, "loss": "2"})]))
    found = read(path)
    (problem,) = problems(found)
    assert (problem.line, problem.column) == (2, "_step")
    assert curve(found, "loss") == [(3, 2.0)]


def test_problems_of_one_kind_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "run-many.wandb"
    path.write_bytes(framed(history(i, {"_step": "-1", "loss": "2"}) for i in range(250)))
    found = read(path)
    assert len(problems(found)) == 100
    assert "150 more" in notes(found)


def test_a_damaged_log_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    home = tmp_path / "wandb"
    for day, name in ((1, "bad"), (2, "good")):
        directory = home / f"run-2026010{day}_000000-{name}"
        directory.mkdir(parents=True)
        (directory / f"run-{name}.wandb").write_bytes(framed([history(1, {"_step": "1", "loss": "2"})]))
    bad = next(home.glob("*-bad/*.wandb"))
    bad.write_bytes(b"no log at all")
    (home / "latest-run").symlink_to(home / "run-20260102_000000-good")
    found = read(home)
    assert curve(found, "loss") == [(1, 2.0)]
    (problem,) = problems(found)
    assert problem.file == str(bad)
    with pytest.raises(ReadError, match=":W&B"):
        read(bad)


def test_another_version_of_the_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(HEADER[:-1] + b"\x07")
    with pytest.raises(ReadError, match="version 7"):
        read(path)


def test_a_directory_without_its_log_gives_settings_and_last_values(tmp_path: Path) -> None:
    files = tmp_path / "run-20260101_000000-abc" / "files"
    files.mkdir(parents=True)
    (files / "wandb-summary.json").write_text('{"loss": NaN, "best": {"acc": 0.5}, "_runtime": 3, "_wandb": {"x": 1}}')
    (files / "wandb-metadata.json").write_text('{"host": "node", "gpu": "H200", "git": {"commit": "c0ffee"}}')
    (files / "config.yaml").write_text(
        "_wandb:\n    value:\n        cli_version: 0.31.0\nlr:\n    desc: null\n    value: 3e-4\n"
        "model:\n    value:\n        n_params: 1000000\n        name: 'it''s: small'\n"
        "        betas:\n            - 0.9\n"
        '            - .nan\n        "odd key": "a\\nb"\nflag:\n    value: true\nnothing:\n    value: null\n'
    )
    found = read(files.parent)
    (run,) = (one for one in found if isinstance(one, RunFound))
    assert run.key == "abc"
    betas = run.config["model.betas"]
    assert betas[0] == 0.9
    assert math.isnan(betas[1])
    assert {name: value for name, value in run.config.items() if name != "model.betas"} == {
        "lr": 3e-4, "model.n_params": 1_000_000, "model.name": "it's: small", "model.odd key": "a\nb",
        "flag": True, "nothing": None,
    }  # fmt: skip
    assert set(run.summary) == {"loss", "best.acc"}
    assert math.isnan(run.summary["loss"])
    assert run.about == {"id": "abc", "host": "node", "gpu": "H200", "commit": "c0ffee"}
    assert "there is no history" in notes(found)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="a: -'\"\n#&{[|1.~\\", max_size=80))
def test_any_text_of_settings_is_survived(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a:\n    value:\n        " + text)
    assert all(isinstance(name, str) for name in read_settings(path))


def test_memory_is_flat_in_the_size_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.readers.collect.LIMIT", 5_000)
    path = tmp_path / "run-big.wandb"
    peaks = []
    for n_rows in (2_000, 8_000):
        rows = (history(i, {"_step": str(i), **{f"m{j}": repr(i + j / 8) for j in range(10)}}) for i in range(n_rows))
        path.write_bytes(framed(rows))
        tracemalloc.start()
        total = sum(len(one.step) for one in wandb_offline.read(path, ()) if isinstance(one, Values))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert total == 10 * n_rows
    assert peaks[1] < 1.2 * peaks[0]


def test_values_come_in_the_order_of_the_log_over_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.readers.collect.LIMIT", 10_000)
    path = tmp_path / "run-parts.wandb"
    path.write_bytes(framed(history(i, {"_step": str(i), "a": str(i), "b": str(-i)}) for i in range(15_000)))
    found = [one for one in wandb_offline.read(path, ()) if isinstance(one, Values)]
    assert len(found) == 6
    steps = np.concatenate([one.step for one in found if one.metric == "b"])
    values = np.concatenate([one.value for one in found if one.metric == "b"])
    assert (steps == np.arange(15_000)).all()
    assert (values == -np.arange(15_000)).all()
