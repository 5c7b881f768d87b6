"""A repository of Aim, by a stand-in for Aim's library, and one that Aim made where that is installed."""

import math
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest

from db.readers import aim
from db.readers.format import Level
from db.readers.probe import Probe
from scaling.errors import ReadError
from tests.db.readers.gathering import Gathered, same

MADE = Path(__file__).parents[2] / "fixtures" / "logs" / "aim"


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


def stand_in(monkeypatch, runs):
    """A library with these runs; what they ask of the repository is kept in the list that is given."""
    asked = []

    def request_tree(name, sub=None, **how):
        asked.append((name, sub, how))

    class Repo:
        @staticmethod
        def from_path(path):
            return SimpleNamespace(list_all_runs=lambda: list(runs), request_tree=request_tree)

    def opened(key, *, repo, read_only):
        assert read_only
        repo.request_tree("meta", read_only=True)
        repo.request_tree("seqs", key, read_only=True)
        return runs[key]

    module = ModuleType("aim")
    module.Repo, module.Run = Repo, opened
    monkeypatch.setitem(sys.modules, "aim", module)
    return asked


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
    asked = stand_in(monkeypatch, {"abc": Run()})
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
    assert found.notes == []
    # From the files of the run itself, not by the index, and without writing what others own.
    how = {"read_only": True, "skip_read_optimization": True}
    assert asked == [("meta", "abc", how), ("seqs", "abc", how)]


def test_what_the_library_raises_is_an_error_of_the_reader(repository, monkeypatch):
    class Broken(Run):
        def metrics(self):
            raise RuntimeError("IO error: lock")

    stand_in(monkeypatch, {"abc": Broken()})
    with pytest.raises(ReadError, match=r"Aim cannot read it: RuntimeError: IO error: lock"):
        list(aim.read(repository, ()))


def test_a_repository_that_aim_made(tmp_path):
    pytest.importorskip("aim", reason="the extra aim is not installed")
    shutil.copytree(MADE, tmp_path / "r")
    before = {path: path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file()}
    found = Gathered(aim.read(tmp_path / "r" / ".aim", ()))
    assert found.error is None
    assert sorted(run["name"] for run in found.runs.values()) == ["ended", "killed"]
    for key, run in found.runs.items():
        ended = run["name"] == "ended"
        assert run["state"] == ("finished" if ended else None)
        assert run["config"] == {
            "hparams.lr": 3e-4 if ended else 6e-4, "hparams.n_params": 1_000_000,
            "hparams.model.d_model": 64, "hparams.model.n_layers": 2,
        }  # fmt: skip
        assert run["about"].items() >= {"group": "sweep", "tags": ["small"]}.items()
        losses = [3.0, 2.5, math.nan, math.inf, -math.inf, 1.5]
        assert same(found.values[key, "loss{subset=train}"], [(10 * i, loss) for i, loss in enumerate(losses)])
        assert found.values[key, 'val "loss"\n/ all'] == [(10 * i, 4 - i / 4) for i in range(4)]
    assert before == {path: path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file()}
