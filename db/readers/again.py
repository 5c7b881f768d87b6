"""Where the later of several logs of one run starts the run again.

A run that was killed goes on from a checkpoint, into a new log, and what it had logged beyond that checkpoint is of a
run that never was. Its training loss tells: where that goes back, all that stood beyond is void, also a metric that
the new log has not reached yet or no longer logs. Other metrics tell nothing: a job that evaluates old checkpoints
beside a training writes into the same run, and goes back too. Nor does a log that began before the earlier one ended:
two processes wrote at the same time, and neither started the other again.
"""

from __future__ import annotations

import math
import re

from db.readers.found import Found, Restart, Values

_EVALUATIONS = frozenset({"val", "valid", "validation", "eval", "evaluation", "test", "dev", "heldout"})
_PARTS = re.compile(r"[^a-z0-9]+")


def is_training_loss(metric: str) -> bool:
    """Whether a metric is, by its name, a loss that a training logs as it goes."""
    parts = _PARTS.split(metric.lower())
    return "loss" in parts and _EVALUATIONS.isdisjoint(parts)


class Again:
    """How far the training of a run had come in its earlier logs.

    Notes
    -----
    Values of each log pass by `see` on their way, and times, at least the first and the last of a log, by `time`;
    `watch` is called where the next log begins, and `restart` with each of its values while `watching` is true.
    """

    def __init__(self) -> None:
        self.watching = False
        self._reached: dict[str, int] = {}
        self._ended = self._latest = -math.inf

    def see(self, found: Found) -> None:
        """Take note of values of a log."""
        if isinstance(found, Values) and found.step.size and is_training_loss(found.metric):
            self._reached[found.metric] = max(self._reached.get(found.metric, -1), int(found.step.max()))

    def watch(self) -> None:
        """Look out for the training loss of the next log."""
        self.watching = bool(self._reached)
        self._ended = self._latest

    def time(self, seconds: float) -> None:
        """Take note of when something was logged."""
        if seconds < self._ended:
            self.watching = False
        self._latest = max(self._latest, seconds)

    def restart(self, run: str, metric: str, step: int | None) -> Restart | None:
        """What a value says of where the log begins; the first of a training loss says all."""
        if step is None or metric not in self._reached:
            return None
        self.watching = False
        return Restart(run, step) if step <= self._reached[metric] else None
