"""Finding logs below a path: links, pipes, what cannot be read, and what could be several things."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from db.ingest_paths import find_sources
from db.readers import formats as known
from db.readers.discover import Source, Unread, discover
from db.readers.format import Level, Sign
from db.readers.sniff import sniff
from scaling.errors import InputDataError, ReadError, UsageError
from tests.db.made_logs import trainer_state


def found_below(root: Path, wanted: str | None = None) -> dict[str, str]:
    """Label and format of the sources below a path."""
    return {one.label: one.format.NAME for one in discover(root, wanted) if isinstance(one, Source)}


def unread_below(root: Path) -> dict[str, str]:
    """Name and reason of what should have been read and was not."""
    return {one.path.name: one.why for one in discover(root) if isinstance(one, Unread) and one.known}


def two_named(monkeypatch: pytest.MonkeyPatch, *signs) -> None:
    """Put formats in place that know every file by some sign."""
    made = {}
    for i, sign in enumerate(signs):
        sniffs = sign if callable(sign) else lambda probe, s=sign: None if probe.is_dir else s
        made[f"f{i}"] = SimpleNamespace(NAME=f"f{i}", WHAT=f"format {i}", sniff=sniffs)
    monkeypatch.setattr("db.readers.sniff.formats", lambda: made)
    monkeypatch.setattr("db.readers.sniff.format_named", lambda name: made[name])


def test_sources_are_called_by_where_they_lie(tmp_path) -> None:
    trainer_state(tmp_path / "b" / "run 1", [3])
    trainer_state(tmp_path / "a", [3])
    (tmp_path / "runs.csv").write_text("run_id,N,D,loss\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.csv").write_text("run_id,loss\n")
    (tmp_path / "README").write_text("nothing\n")
    assert found_below(tmp_path) == {"runs": "run-table", "a": "hf_trainer", "b/run 1": "hf_trainer"}
    assert unread_below(tmp_path) == {}


def test_the_place_where_one_stands_has_its_name(tmp_path, monkeypatch) -> None:
    trainer_state(tmp_path / "run", [3])
    monkeypatch.chdir(tmp_path / "run")
    assert found_below(Path()) == {"run": "hf_trainer"}


def test_links_are_followed_only_out_of_what_is_walked(tmp_path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    trainer_state(inside / "run-2", [3])
    trainer_state(outside / "run-9", [3])
    (inside / "latest").symlink_to(inside / "run-2")
    (inside / "alias.json").symlink_to(inside / "run-2" / "trainer_state.json")
    (inside / "loop").symlink_to(inside)
    (inside / "up").symlink_to(tmp_path)
    (inside / "gone").symlink_to(tmp_path / "nowhere")
    (inside / "circle").symlink_to(inside / "circle")
    (inside / "elsewhere").symlink_to(outside)
    (outside / "back").symlink_to(inside)
    assert found_below(inside) == {"run-2": "hf_trainer", "elsewhere/run-9": "hf_trainer"}
    assert unread_below(inside) == {}


def test_a_link_that_is_named_is_followed(tmp_path) -> None:
    trainer_state(tmp_path / "run", [3])
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    sources, _ = find_sources([tmp_path / "latest", tmp_path / "run"], None)
    assert len(sources) == 1
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputDataError, match="The link leads nowhere"):
        list(discover(tmp_path / "gone"))


def test_pipes_and_sockets_are_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    for name in ("trainer_state.json", "events.out.tfevents.1"):
        (tmp_path / name).symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "metrics.csv"))
        assert found_below(tmp_path) == {}
    whys = {(one.path.name, one.why, one.known) for one in discover(tmp_path) if isinstance(one, Unread)}
    names = ("a.csv", "trainer_state.json", "events.out.tfevents.1", "metrics.csv")
    assert whys == {(name, "it is a pipe or a device", False) for name in names}
    with pytest.raises(ReadError, match="it is a pipe or a device"):
        list(discover(tmp_path / "a.csv"))


def refusing(function, closed):
    """A function of the system that refuses one directory, as it does to who has no right to it."""

    def refuse(path="."):
        if os.fspath(path) == os.fspath(closed):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return function(path)

    return refuse


def test_what_may_not_be_read_is_said(tmp_path, monkeypatch) -> None:
    trainer_state(tmp_path / "run", [3])
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    if os.geteuid() == 0:  # root may read everything, so the system's answer to others is played
        for name in ("listdir", "scandir"):
            monkeypatch.setattr(os, name, refusing(getattr(os, name), closed))
    assert unread_below(tmp_path) == {"closed": "it cannot be read: permission denied"}


def test_what_the_system_refuses_is_said(tmp_path, monkeypatch) -> None:
    trainer_state(tmp_path / "run", [3])
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    assert unread_below(tmp_path) == {"closed": "it cannot be read: permission denied"}
    assert found_below(tmp_path) == {"run": "hf_trainer"}


def test_directories_may_be_nested_deeply(tmp_path, monkeypatch) -> None:
    """Deeper than Python recurses, and in the end deeper than a path may be long."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2100):
        os.mkdir("d")
        os.chdir("d")
    try:
        found, unread = found_below(tmp_path), unread_below(tmp_path)
    finally:  # tools that remove a tree give up at such a depth
        for _ in range(2100):
            os.chdir("..")
            os.rmdir("d")
    assert found == {}
    assert set(unread.values()) == {"it cannot be read: file name too long"}


def test_there_is_no_such_path(tmp_path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputDataError, match="There is no file") as raised:
        list(discover(tmp_path / "run"))
    assert raised.value.hint == "There is: runs."


def test_what_could_be_two_things_is_an_error_that_lists_them(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.log"
    path.write_text("x")
    two_named(
        monkeypatch, Sign(Level.TEXT, "it has x"), Sign(Level.TEXT, "it is short"), Sign(Level.ENDING, "its name")
    )
    with pytest.raises(InputDataError, match="could be of several formats") as raised:
        sniff(path)
    assert "--format f0: it has x" in raised.value.message
    assert "f2" not in raised.value.message
    assert unread_below(tmp_path).keys() == {"a.log"}
    assert found_below(tmp_path, "f1") == {"a": "f1"}
    assert found_below(tmp_path, "f2") == {}
    assert [one.NAME for one, _ in sniff(path, "f1")] == ["f1"]


def test_formats_that_read_other_entries_share_a_directory(tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("a", "b", "c"):
        (run / name).write_text("x")
    signs = [
        lambda probe, i=i: Sign(Level.DIRECTORY, "it has it", ("ab"[i],)) if probe.is_dir else None for i in (0, 1)
    ]
    two_named(monkeypatch, *signs)
    sources, unread = find_sources([run], None)
    assert [one.uri for one in sources] == [f"{run}#f0", f"{run}#f1"]
    assert [one.path.name for one in unread] == ["c"]


def test_a_format_that_fails_at_a_file_costs_that_file(tmp_path, monkeypatch) -> None:
    (tmp_path / "a.log").write_text("x")

    def broken(probe):
        if not probe.is_dir:
            raise KeyError("head")

    two_named(monkeypatch, broken)
    assert "the format 'f0' failed at it with KeyError" in unread_below(tmp_path)["a.log"]


def test_what_is_said_to_be_a_format_has_to_look_like_it(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    with pytest.raises(InputDataError, match="does not look like"):
        sniff(path, "megatron")
    with pytest.raises(UsageError, match="no format 'megatrom'"):
        sniff(path, "megatrom")


def test_five_thousand_files_are_looked_at_in_seconds(tmp_path) -> None:
    for i in range(5000):
        (tmp_path / f"{i}.txt").write_bytes(b"epoch " * 50)
    began = time.perf_counter()
    assert sum(isinstance(one, Unread) for one in discover(tmp_path)) == 5000
    assert time.perf_counter() - began < 20


def test_names_of_formats_are_unique() -> None:
    loaded = known.formats()
    assert len(loaded) == len(known.MODULES)
