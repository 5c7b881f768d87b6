"""Stand-ins for the libraries of Aim and W&B, which answer what a file of JSON says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ANSWERS = "answers.json"
_ROWS = [{"_step": i, "_timestamp": 1.7e9 + i, "loss": 4 - i / 9, "eval": {"c4": 5.0}} for i in range(9)]
#: One run of W&B and one of Aim, as their libraries give them.
WANDB: Mapping[str, Any] = {
    "runs": [
        {
            "id": "r1", "name": "small", "state": "finished", "entity": "team", "project": "ladder", "group": "g",
            "job_type": None, "tags": ["a"], "notes": "", "sweep_name": None, "created_at": "2026-01-02T00:00:00Z",
            "config": {"lr": 0.001, "model": {"n_params": 10**6}, "_wandb": {"x": 1}},
            "summary_metrics": {"loss": 1.5, "_step": 9, "_wandb": {"runtime": 3}, "picture": {"_type": "image-file"}},
            "history": [*_ROWS, {"_step": 9, "train/global_step": 18, "loss": "NaN", "x": None}],
        }
    ]
}  # fmt: skip
AIM: Mapping[str, Any] = {
    "runs": [
        {
            "hash": "abc", "name": "small", "experiment": "exp", "tags": ["a"], "creation_time": 1.5, "end_time": 2.5,
            "parameters": {"hparams": {"lr": 3e-4, "model": {"n_params": 10}}, "__system_params": {"host": "x"}},
            "metrics": [
                {"name": "loss", "context": {"subset": "train"}, "steps": [0, 10, 20, 30], "values": [4.5, 4, 3.5, 3]},
                {"name": "loss", "context": {}, "steps": [1], "values": [4.0]},
            ],
        }
    ],
}  # fmt: skip


def _answers(path: Path) -> Any:
    return json.loads(path.read_bytes().decode(errors="replace"))


def _objects(found: Any) -> list[Any]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


class WandbApi:
    """As `wandb.Api`, whose rows, settings and summaries are always mappings."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def runs(self, path: str) -> Iterator[Any]:
        """The runs of a project."""
        del path
        for run in _objects(_answers(self._path)["runs"]):
            rows = _objects(run.pop("history", []))
            for part in ("config", "summary_metrics"):
                run[part] = run[part] if isinstance(run.get(part), dict) else {}
            one = SimpleNamespace(**{"name": None, "state": "?", **run})
            one.scan_history = lambda rows=rows, **_: iter(rows)
            yield one


def _aim_run(run: dict[str, Any]) -> Any:
    def metrics() -> Iterator[Any]:
        for one in _objects(run.get("metrics")):
            data = SimpleNamespace(items_list=lambda one=one: (one["steps"], [one["values"], [], []]))
            yield SimpleNamespace(name=one.get("name"), context=one.get("context"), data=data)

    return SimpleNamespace(**run | {"get": lambda *_, **__: run.get("parameters"), "metrics": metrics})


def _aim_repo(path: str) -> Any:
    found = _answers(Path(path) / ".aim" / ANSWERS)
    runs = {str(run.get("hash")): run for run in _objects(found["runs"])}
    return SimpleNamespace(list_all_runs=lambda: list(runs), request_tree=lambda *_, **__: None, runs=runs)


def _aim_run_of(key: str, repo: Any, read_only: bool) -> Any:
    assert read_only
    return _aim_run(repo.runs[key])


@contextmanager
def stand_ins() -> Iterator[None]:
    """Aim's library is its stand-in."""
    before = sys.modules.get("aim")
    module = ModuleType("aim")
    module.__dict__.update(Repo=SimpleNamespace(from_path=_aim_repo), Run=_aim_run_of)
    sys.modules["aim"] = module
    try:
        yield
    finally:
        del sys.modules["aim"]
        if before is not None:
            sys.modules["aim"] = before
