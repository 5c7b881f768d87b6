"""Results of models that evaluation logs hold, as models and scores of the store."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db.log_json import to_json

if TYPE_CHECKING:
    from db.readers.found import ScoreFound

#: A model on a hub has an organisation before its name; more parts, or a dot in front, are a path on a disk.
_HUB = re.compile(r"(\w[\w.-]*)/[\w.-]+", re.ASCII)
_MODEL = (
    "name", "base_model", "organisation", "family", "type", "architecture", "n_params", "n_params_active", "n_tokens",
    "compute_flop", "compute_rule", "compute_low", "compute_high", "released", "modified", "merged", "moe", "flagged",
    "concerns",
)  # fmt: skip


@dataclass
class ScoreRows:
    """Rows of models and scores, by their identifiers.

    Parameters
    ----------
    models, scores : dict of str to dict
        Rows as the store has them.
    """

    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)


def rows_of(found: Sequence[ScoreFound]) -> ScoreRows:
    """Make rows of the results of a source; the same result twice in one log is one result.

    A metric whose unit its log does not tell is a share only where no value of it in the log lies outside 0 to 1.
    """
    rows = ScoreRows()
    beyond = {one.metric for one in found if not 0 <= one.value <= 1}
    for one in found:
        model_id = model_id_of(one)
        rows.models[model_id] = rows.models.get(model_id, {}) | _model(one, model_id)
        score = _score(one, model_id, "points" if one.metric in beyond else "share")
        rows.scores[score["eval_id"]] = score
    return rows


def model_id_of(found: ScoreFound) -> str:
    """What tells an evaluated model apart: its name, its revision and the step of its checkpoint."""
    parts = [found.model]
    if revision := found.about_model.get("revision"):
        parts.append(f"@{revision}")
    if found.step is not None:
        parts.append(f" step {found.step}")
    return "".join(parts)


def _model(found: ScoreFound, model_id: str) -> dict[str, Any]:
    known = {name: found.about_model.get(name) for name in _MODEL} | {"name": found.model, "model_id": model_id}
    if known["organisation"] is None and (hub := _HUB.fullmatch(found.model)):
        known["organisation"] = hub[1]
    extra = {name: value for name, value in found.about_model.items() if name not in _MODEL}
    return _stored(known) | {"extra": to_json(extra)}


def _score(found: ScoreFound, model_id: str, likely: str) -> dict[str, Any]:
    extra: dict[str, Any] = dict(found.extra)
    unit = extra.pop("unit", None) or likely
    if found.step is not None:
        extra.setdefault("checkpoint_step", found.step)
    what = [
        found.key,
        model_id,
        found.task,
        found.metric,
        found.filter,
        found.n_shot,
        found.harness,
        found.task_version,
    ]
    return _stored(
        {
            "eval_id": hashlib.sha256(json.dumps(what).encode(errors="surrogateescape")).hexdigest()[:16],
            "source_key": found.key,
            "model_id": model_id,
            "task": found.task,
            "task_version": found.task_version,
            "superseded": False,
            "metric": found.metric,
            "filter": found.filter,
            "n_shot": found.n_shot,
            "value": found.value,
            "unit": unit,
            "stderr": found.stderr,
            "n_samples": found.n_samples,
            "chance": None,
            "harness": found.harness,
            "chat_template": extra.pop("chat_template", None),
            "evaluated_on": found.evaluated,
        }
    ) | {"extra": to_json(extra)}


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose texts can be stored: halves of characters are written out."""
    return {
        name: value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }
