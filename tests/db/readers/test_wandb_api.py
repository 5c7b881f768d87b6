"""Runs by W&B's API, with a stand-in that has the methods of `wandb.Api` as version 0.31.0 defines them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.readers import wandb_api
from db.readers.found import Note, RunFound, Values
from scaling.errors import ReadError, UsageError


class StandInRun:
    """As `wandb.apis.public.Run`: attributes, the sampled `history`, and `scan_history`, whose keys drop rows."""

    entity, project = "team", "ladder"
    group, job_type, tags, notes, sweep_name, created_at = "g", None, ["a"], "", None, "2026-01-02T00:00:00Z"

    def __init__(self, run: str, n_rows: int, state: str = "finished", fails_at: int | None = None) -> None:
        self.id, self.name, self.state, self._n_rows, self._fails_at = run, f"name of {run}", state, n_rows, fails_at
        self.config = {"lr": 0.001, "model": {"n_params": 10**6}, "_wandb": {"x": 1}}
        self.summary_metrics = {"loss": 1.5, "_step": 9, "_wandb": {"runtime": 3}, "picture": {"_type": "image-file"}}

    def history(self, samples: int = 500, **kwargs: Any) -> list[dict[str, Any]]:
        raise AssertionError("the history was sampled")

    def scan_history(
        self, keys: list[str] | None = None, page_size: int = 1000, min_step: int = 0, max_step: int | None = None,
        use_cache: bool = True,
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        assert keys is None
        for i in range(self._n_rows):
            if i == self._fails_at:
                raise RuntimeError("HTTP 502\nbad gateway")
            row: dict[str, Any] = {"_step": i, "_runtime": i / 2, "_timestamp": 1.7e9 + i, "loss": 4 - i / 1024}
            if i % 7 == 0:
                row["eval"] = {"c4": "NaN" if i == 7 else 5.0}
            if i == 8:
                row["loss"] = None
            yield row


class StandIn:
    """As `wandb.Api`."""

    def __init__(self, *runs: StandInRun) -> None:
        self._runs = runs
        self.asked: list[str] = []

    def run(self, path: str = "") -> StandInRun:
        self.asked.append(path)
        for run in self._runs:
            if path == f"team/ladder/{run.id}":
                return run
        raise ValueError(f"Could not find run {path}")

    def runs(
        self, path: str | None = None, filters: dict[str, Any] | None = None, order: str = "+created_at",
        per_page: int = 50, include_sweeps: bool = False, lazy: bool = True,
    ) -> Iterator[StandInRun]:  # fmt: skip
        self.asked.append(str(path))
        return iter(self._runs)


def test_the_whole_history_of_a_run_and_never_a_sample() -> None:
    api = StandIn(StandInRun("r1", 3000))
    found = list(wandb_api.read("wandb://team/ladder/r1", api=api))
    assert api.asked == ["team/ladder/r1"]
    values = {one.metric: one for one in found if isinstance(one, Values)}
    assert values["loss"].step.tolist() == list(range(3000))
    assert values["loss"].missing is not None
    assert values["loss"].missing.nonzero()[0].tolist() == [8]
    assert values["loss"].value[2999] == 4 - 2999 / 1024
    assert values["eval.c4"].step.tolist() == list(range(0, 3000, 7))
    assert math.isnan(values["eval.c4"].value[1])
    assert values["eval.c4"].missing is None
    assert set(values) == {"loss", "eval.c4"}


def test_what_is_known_of_a_run() -> None:
    (run,) = (
        one
        for one in wandb_api.read("wandb://team/ladder", api=StandIn(StandInRun("r1", 1)))
        if isinstance(one, RunFound)
    )
    assert (run.key, run.name, run.state) == ("r1", "name of r1", "finished")
    assert run.config == {"lr": 0.001, "model.n_params": 10**6}
    assert run.summary == {"loss": 1.5}
    assert run.about == {
        "id": "r1", "entity": "team", "project": "ladder", "group": "g", "tags": ["a"], "started": 1767312000.0,
    }  # fmt: skip


def test_all_runs_of_a_project_however_the_address_is_written() -> None:
    api = StandIn(StandInRun("r1", 2), StandInRun("r2", 3, "preempting"))
    for address in ("wandb://team/ladder", "wandb://team/ladder/", Path("wandb://team/ladder")):
        found = list(wandb_api.read(address, api=api))
        assert [one.key for one in found if isinstance(one, RunFound)] == ["r1", "r2"]
        assert [one.state for one in found if isinstance(one, RunFound)] == ["finished", None]
        assert [one.step.tolist() for one in found if isinstance(one, Values) and one.metric == "loss"] == [
            [0, 1],
            [0, 1, 2],
        ]
    assert api.asked == ["team/ladder"] * 3


def test_steps_of_trainers_are_training_steps() -> None:
    run = StandInRun("r1", 0)
    rows = [{"_step": i, "train/global_step": 500 * i, "loss": 3.0} for i in range(3)]
    run.scan_history = lambda **kwargs: iter(rows)  # type: ignore[method-assign, assignment]
    found = list(wandb_api.read("wandb://team/ladder/r1", api=StandIn(run)))
    assert [one.step.tolist() for one in found if isinstance(one, Values) and one.metric == "loss"] == [[0, 500, 1000]]
    assert any("train/global_step" in one.text for one in found if isinstance(one, Note))


def test_an_answer_that_breaks_off_is_a_read_error_with_its_place() -> None:
    with pytest.raises(ReadError, match=r"r1, its history, after 5 rows: W&B does not answer: HTTP 502 bad gateway"):
        list(wandb_api.read("wandb://team/ladder/r1", api=StandIn(StandInRun("r1", 9, fails_at=5))))
    with pytest.raises(ReadError, match="Could not find run"):
        list(wandb_api.read("wandb://team/ladder/none", api=StandIn()))
    with pytest.raises(ReadError, match="there are no runs in it"):
        list(wandb_api.read("wandb://team/ladder", api=StandIn()))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(wandb_api, "import_module", missing)
    with pytest.raises(UsageError) as caught:
        list(wandb_api.read("wandb://team/ladder"))
    assert caught.value.hint == "pip install 'scaling-suite[wandb]'"


@pytest.mark.parametrize("address", ["wandb://", "wandb://team", "wandb://a/b/c/d/e", "team/ladder"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(UsageError, match="no address of W&B runs"):
        list(wandb_api.read(address, api=StandIn()))
