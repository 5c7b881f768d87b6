"""What stand-ins give in the place of a service that cannot be asked, and of a library that is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from db.readers import wandb_api
from tests.db.golden import Golden, Run
from tests.db.goldens.common import INF, NAN, linear, without

ODD = {5: NAN, 6: INF, 7: -INF}
STATE = {"longer": False}


def go_on(_: Path) -> None:
    """The second run goes on for a step."""
    STATE["longer"] = True


def steps_of(number: int) -> range:
    """Steps that a run has logged by now."""
    return range(10 + (number == 1 and STATE["longer"]))


class StandInRun:
    """As a run of W&B's own library."""

    entity, project, group, job_type, tags, notes, sweep_name = "lab", "ladder", None, None, ["a"], None, None
    created_at = "2026-01-02T00:00:00Z"

    def __init__(self, number: int) -> None:
        self.number, self.id, self.name = number, f"r{number}", f"run {number}"
        self.state = ("finished", "running")[number]
        self.config = {"n_params": 10**6, "batch_tokens": 4096, "optimizer": {"lr": 0.001}}
        self.summary_metrics = {"val/loss": 3.5, "_step": 9}

    def history(self, **_: Any) -> list[Any]:
        """The sampled history, which is never asked for."""
        raise AssertionError("the history was sampled")

    def scan_history(self, **_: Any) -> Iterator[dict[str, Any]]:
        """All rows."""
        for step in steps_of(self.number):
            row = {"_step": step, "_timestamp": 1.7e9 + step, "train": {"loss": ODD.get(step, 4 - step / 64)}}
            yield row | ({"val/loss": None if step == 0 else 3.5} if step % 9 == 0 else {})


def wandb_stand_in(patch: pytest.MonkeyPatch) -> None:
    """Put the stand-in in the place of the library."""
    STATE["longer"] = False
    api = SimpleNamespace(runs=lambda _: iter([StandInRun(0), StandInRun(1)]))
    patch.setattr(wandb_api, "import_module", lambda _: SimpleNamespace(Api=lambda: api))


def known(**more: Any) -> dict[str, Any]:
    """Facts of the runs."""
    return {
        "n_params": (1e6, "given", ("config n_params",)),
        "batch_tokens": (4096, "given", ("config batch_tokens",)),
        "n_tokens": (4096 * 9, "last step x batch_tokens", ("last step 9", "config batch_tokens")),
        "learning_rate": (1e-3, "given", ("config optimizer.lr",)),
    } | more


WANDB = Golden(
    lambda folder: folder,
    {
        f"r{number}": Run(
            {"train.loss": linear(range(10), 4, -1 / 64, ODD), "val/loss": [(0, None), (9, 3.5)]},
            "val/loss",
            (3.5, "ok"),
            known(),
            shown={"n_params": 1e6, "n_tokens": 4096 * 9, "compute_flop": 6 * 1e6 * 4096 * 9},
            state=("finished", "running")[number],
            name=f"run {number}",
            tokens={"val/loss": {0: 0, 9: 4096 * 9}},
        )
        for number in range(2)
    },
    more=go_on,
    grew=("r1", {"train.loss": (10, 4 - 10 / 64)}),
    stand_in=wandb_stand_in,
    address="wandb://lab/ladder",
)


class AimRun:
    """As a run of Aim's library."""

    experiment, tags, creation_time = "ladder", (), 1.7e9

    def __init__(self, number: int) -> None:
        self.number, self.hash, self.name = number, f"hash{number}", f"run {number}"
        self.end_time = None if number else 1.8e9

    def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        """All its parameters."""
        return {"hparams": {"lr": 0.001, "model": {"n_params": 10**6}}, "__system_params": {"host": "node"}}

    def metrics(self) -> Iterator[Any]:
        """Its series, by name and context."""
        steps = list(steps_of(self.number))
        values = [ODD.get(step, 4 - step / 64) for step in steps]
        for context, series in (({"subset": "train"}, values), ({"subset": "val"}, [3.5])):
            data = SimpleNamespace(items_list=lambda s=series: (steps[: len(s)], [s, [], []]))
            yield SimpleNamespace(name="loss", context=SimpleNamespace(to_dict=lambda c=context: c), data=data)


def aim_stand_in(patch: pytest.MonkeyPatch) -> None:
    """Put the stand-in in the place of the library."""
    STATE["longer"] = False
    keys = {"hash0": 0, "hash1": 1}
    repository = SimpleNamespace(list_all_runs=lambda: list(keys), request_tree=lambda *_, **__: None)
    module = ModuleType("aim")
    vars(module)["Repo"] = SimpleNamespace(from_path=lambda _: repository)
    vars(module)["Run"] = lambda key, **_: AimRun(keys[key])
    patch.setitem(sys.modules, "aim", module)


def aim_repository(folder: Path) -> Path:
    """A directory as Aim's repositories are."""
    for name in ("meta", "seqs"):
        (folder / ".aim" / name).mkdir(parents=True)
        (folder / ".aim" / name / "data").write_text(name)
    return folder / ".aim"


def write_on(path: Path) -> None:
    """The second run goes on, and the files of the repository with it."""
    (path / "seqs" / "data").write_text("more")
    go_on(path)


AIM = Golden(
    aim_repository,
    {
        f"hash{number}": Run(
            {"loss{subset=train}": linear(range(10), 4, -1 / 64, ODD), "loss{subset=val}": [(0, 3.5)]},
            "loss{subset=val}",
            (3.5, "ok"),
            {
                "n_params": (1e6, "given", ("config hparams.model.n_params",)),
                "learning_rate": (1e-3, "given", ("config hparams.lr",)),
            },
            without("n_params", "learning_rate"),
            state=("finished", None)[number],
            name=f"run {number}",
        )
        for number in range(2)
    },
    more=write_on,
    grew=("hash1", {"loss{subset=train}": (10, 4 - 10 / 64)}),
    stand_in=aim_stand_in,
)

GOLDENS = {"wandb-api": [WANDB], "aim": [AIM]}
