"""Small writers of results of evaluations: the logs of the fixtures with other results in them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.db.golden import LOGS

Scores = Mapping[tuple[str, str, str], float]  # by task, metric and filter


def lm_eval(folder: Path, scores: Scores, spread: float = 0.125) -> Path:
    """Write results of the LM evaluation harness, each with its standard error."""
    [made] = (LOGS / "lm-eval" / "limited").glob("*/results_*.json")
    log = json.loads(made.read_text())
    results: dict[str, dict[str, Any]] = {}
    for (task, metric, under), value in scores.items():
        kept = results.setdefault(task, {"alias": task})
        kept |= {f"{metric},{under}": value, f"{metric}_stderr,{under}": spread}
    log |= {"results": results, "versions": dict.fromkeys(results, 2.0), "n-shot": dict.fromkeys(results, 5)}
    log |= {"n-samples": {task: {"original": 100, "effective": 100} for task in results}, "configs": {}}
    path = folder / made.name
    path.write_text(json.dumps(log))
    return path


def _inspect(scores: Scores) -> dict[str, Any]:
    log: dict[str, Any] = json.loads((LOGS / "inspect" / "sums.json").read_text())
    kept = [
        {
            "name": under,
            "scorer": under,
            "params": {},
            "metrics": {metric: {"name": metric, "value": value, "params": {}}},
        }
        for (_, metric, under), value in scores.items()
    ]
    [task] = {task for task, *_ in scores}
    log["eval"]["task"] = task
    return log | {"results": {"total_samples": 2, "completed_samples": 2, "scores": kept}, "samples": []}


def inspect_json(folder: Path, scores: Scores) -> Path:
    """Write a log of Inspect as JSON; all scores are of one task."""
    path = folder / "log.json"
    path.write_text(json.dumps(_inspect(scores)))
    return path


def inspect_eval(folder: Path, scores: Scores) -> Path:
    """The same as an archive."""
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(_inspect(scores) | {"samples": None}))
    return path


def helm(folder: Path, scores: Scores) -> Path:
    """Write a run of HELM; all scores are of one task, on its whole test split."""
    spec = json.loads((LOGS / "helm" / "run_spec.json").read_text())
    [task] = {task for task, *_ in scores}
    spec["name"] = f"{task}:model=simple_model1"
    (folder / "run_spec.json").write_text(json.dumps(spec))
    stats = [
        {"name": {"name": metric, "split": "test"}, "count": 1, "sum": value, "mean": value}
        for (_, metric, _), value in scores.items()
    ]
    (folder / "stats.json").write_text(json.dumps(stats))
    return folder
