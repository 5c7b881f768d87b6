"""What MLflow's two stores have in common: names of tags, numbers of states, how infinite values are kept."""

from __future__ import annotations

import math
from typing import Any

#: What MLflow keeps an infinite value as in a database.
LARGEST = 1.7976931348623157e308
#: States of runs, by their names in a database and by their numbers in files.
STATES = {
    "RUNNING": "running", "FINISHED": "finished", "FAILED": "failed", "KILLED": "killed",
    "1": "running", "3": "finished", "4": "failed", "5": "killed",
}  # fmt: skip
#: Tags of MLflow itself that say something of a run; its others are left out.
_TAGS = {
    "mlflow.parentRunId": "parent",
    "mlflow.user": "user",
    "mlflow.source.name": "program",
    "mlflow.source.git.commit": "commit",
    "mlflow.note.content": "notes",
}
_NAME = "mlflow.runName"


def about_tags(tags: dict[str, str]) -> tuple[dict[str, Any], str | None]:
    """What tags say of a run, and the name that they give it."""
    about: dict[str, Any] = {to: tags[at] for at, to in _TAGS.items() if at in tags}
    about.update({f"tags.{key}": value for key, value in tags.items() if not key.startswith("mlflow.")})
    return about, tags.get(_NAME) or None


def unbounded(value: float) -> float:
    """A value, where the largest that there are stand for infinite ones."""
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else value


def seconds(milliseconds: Any) -> float | None:
    """Seconds of a time in milliseconds; None where it is none."""
    try:
        return int(milliseconds) / 1000
    except (TypeError, ValueError, OverflowError):
        return None
