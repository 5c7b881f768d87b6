"""A repository of Aim, by a stand-in for Aim's library that has what the reader uses of it."""

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest

from db.readers import aim
from db.readers.format import Level
from db.readers.probe import Probe
from scaling.errors import ReadError
from tests.db.readers.gathering import Gathered, same


@pytest.fixture
def repository(tmp_path):
    for name in ("meta", "seqs"):
        (tmp_path / ".aim" / name).mkdir(parents=True)
    return tmp_path / ".aim"


def series(name, context, steps, values):
    data = SimpleNamespace(items_list=lambda: (steps, [values, [], []]))
    return SimpleNamespace(name=name, context=SimpleNamespace(to_dict=lambda: context), data=data)


class Run:
    hash, name, experiment, tags, creation_time, end_time = "abc", "small", "exp", ("a",), 1.5, 2.5
    parameters: ClassVar = {
        "hparams": {"lr": 3e-4, "model": {"n_params": 10}},
        "__system_params": {"host": "x"},
        "odd": object(),
    }
    odd: ClassVar = [1.0, math.nan, math.inf, -math.inf, None, "word", 2]

    def get(self, key, default, resolve_objects):
        assert key is ...
        return self.parameters

    def metrics(self):
        yield series("loss", {"subset": "train"}, [0, 10, 20, 30, 40, 50, 0.5], self.odd)
        yield series("loss", {}, [1], [4.0])


def stand_in(monkeypatch, runs, hashes):
    def from_path(path):
        return SimpleNamespace(iter_runs=lambda: iter(runs), list_all_runs=lambda: list(hashes))

    module = ModuleType("aim")
    module.Repo = SimpleNamespace(from_path=from_path)
    monkeypatch.setitem(sys.modules, "aim", module)
    return module


def test_without_the_library_the_extra_is_named(repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "aim", None)
    with pytest.raises(ReadError) as error:
        list(aim.read(repository, ()))
    assert error.value.hint == "Install it: pip install 'scaling-suite[aim]'"


def test_known_by_its_name_and_content(repository):
    assert aim.sniff(Probe(repository)).level == Level.DIRECTORY
    assert aim.sniff(Probe(repository.parent)) is None
    (repository / "meta").rename(repository / "other")
    (repository / "seqs").rename(repository / "others")
    assert aim.sniff(Probe(repository)) is None


def test_runs_and_values(repository, monkeypatch):
    stand_in(monkeypatch, [Run()], ["abc", "lost"])
    found = Gathered(aim.read(repository, ()))
    assert found.runs == {
        "abc": {
            "name": "small",
            "state": "finished",
            "config": {"hparams.lr": 3e-4, "hparams.model.n_params": 10},
            "about": {"started": 1.5, "group": "exp", "tags": ["a"]},
            "summary": {},
        }
    }
    assert same(
        found.values["abc", "loss{subset=train}"],
        [(0, 1.0), (10, math.nan), (20, math.inf), (30, -math.inf), (40, None)],
    )
    assert found.values["abc", "loss"] == [(1, 4.0)]
    assert [p.value for p in found.problems] == ["word", "0.5"]
    assert found.notes == [
        f"{repository}: Aim does not give 1 of its runs (lost): they are not in its index. Try: aim storage reindex."
    ]


def test_what_the_library_raises_is_an_error_of_the_reader(repository, monkeypatch):
    class Broken(Run):
        def metrics(self):
            raise RuntimeError("IO error: lock")

    stand_in(monkeypatch, [Broken()], ["abc"])
    with pytest.raises(ReadError, match=r"Aim cannot read it: RuntimeError: IO error: lock"):
        list(aim.read(repository, ()))
