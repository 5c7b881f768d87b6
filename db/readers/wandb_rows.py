"""Rows of a W&B history, wherever they come from: which of their values are metrics, and at which step they stand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from db.problems import Problem
from db.readers.again import Again
from db.readers.collect import Collector, number, whole_step
from db.readers.complaints import Complaints
from db.readers.found import Found, Note
from db.readers.text import flatten

STEP, RUNTIME, TIMESTAMP = "_step", "_runtime", "_timestamp"
OWN = frozenset({STEP, RUNTIME, TIMESTAMP, "_wandb"})
#: Metrics of training frameworks that count training steps; W&B's own step counts the calls that logged.
KNOWN_AXES = ("train/global_step", "trainer/global_step")
#: Last parts of names of metrics that count training steps.
STEP_NAMES = frozenset(
    {
        "step", "steps", "global_step", "global_steps", "iteration", "iterations", "iter", "iters",
        "num_updates", "optimizer_step", "update_step",
    }
)  # fmt: skip
#: Rows that W&B's sampled history has unless it is asked for more.
SAMPLED = 500
_NO_STEP = "a step is no whole number from 0 on"
_EVALUATIONS = frozenset({"val", "valid", "validation", "eval", "evaluation", "test"})
_MANY = 40
_REMEMBERED = 10_000


class Rows:
    """Turns rows of a history into values.

    Parameters
    ----------
    collector : Collector
        Where values go.
    complaints : Complaints
        Where problems go.
    again : Again, optional
        What earlier logs of the run had reached.

    Attributes
    ----------
    due : list of Found
        What has to be given on before later values: a restart, and what was logged before it.
    """

    def __init__(self, collector: Collector, complaints: Complaints, again: Again | None = None) -> None:
        self.due: list[Found] = []
        self._again = again
        self._collector = collector
        self._complaints = complaints
        self._steps: str | None = None
        self._tokens: dict[str, str] = {}
        self._globs: list[tuple[str, str]] = []
        self._last: dict[str, float | None] = {}
        self._run: str | None = None
        self._left_out: dict[str, str] = {}

    def define(self, name: str, axis: str, *, glob: bool = False) -> None:
        """Take the axis that a run defines for a metric, or for all whose names begin as the glob does.

        Notes
        -----
        A run has one count of training steps: the first axis that is one by its name holds for all metrics.
        """
        parts = axis.replace("/", ".").lower().split(".")
        if parts[-1] in STEP_NAMES and parts[0] not in _EVALUATIONS and axis != STEP:
            self._steps = self._steps or axis
        elif "token" in parts[-1] and glob:
            self._globs.append((name.removesuffix("*"), axis))
        elif "token" in parts[-1]:
            self._tokens[name] = axis

    def add(self, run: str, step: Any, row: Iterable[tuple[str, Any]], place: int) -> None:
        """Take a row.

        Parameters
        ----------
        run : str
            Key of the run.
        step : object
            Its step, as the log has it; None where it has none.
        row : iterable of (str, object)
            Names and values.
        place : int
            Line or record, for problems.
        """
        at = None if step is None else self._whole(step, STEP, place)
        if step is not None and at is None:
            return
        values = self._metrics(row)
        add = self._collector.add
        if self._steps is None and not self._tokens and not self._globs:
            if self._again is not None:
                self._look_back(self._again, run, at, values, row)
            for name, value in values:
                add(run, name, at, value)
            return
        if run != self._run:
            self._run = run
            self._last.clear()
        self._last.update(values)
        if self._steps is not None:
            at = self._on_axis(self._steps, place)
        if self._again is not None:
            self._look_back(self._again, run, at, values, row)
        for name, value in values:
            tokens = self._last.get(self._token_axis(name))
            add(run, name, at, value, math.nan if tokens is None else tokens)

    def know_restart(self) -> None:
        """Take that the log itself says from where it goes on."""
        if self._again is not None:
            self._again.watching = False

    def notes(self, file: str) -> Iterator[Note | Problem]:
        """Say what was left out, and which steps were taken."""
        if self._steps is not None:
            yield Note(
                f"{file}: steps are those of '{self._steps}', which counts training steps; W&B's own step counts the "
                "calls that logged."
            )
        if self._left_out:
            named = [f"{name} ({kind})" for name, kind in sorted(self._left_out.items())]
            more = f" and {len(named) - _MANY} more" if len(named) > _MANY else ""
            yield Note(f"{file}: left out, as they are no numbers: {', '.join(named[:_MANY])}{more}.")

    def _look_back(
        self,
        again: Again,
        run: str,
        at: int | None,
        values: list[tuple[str, float | None]],
        row: Iterable[tuple[str, Any]],
    ) -> None:
        """Tell by the first training loss of a later log whether it goes back."""
        for name, value in row:
            if name == TIMESTAMP and isinstance(value, int | float):
                again.time(value)
        for name, _ in values:
            if again.watching and (restart := again.restart(run, name, at)) is not None:
                self.due += [*self._collector.flush(), restart]

    def _whole(self, step: Any, name: str, place: int) -> int | None:
        whole = whole_step(step)
        if whole is None:
            self._complaints.add(place, name, step, _NO_STEP, "row")
        return whole

    def _on_axis(self, axis: str, place: int) -> int | None:
        """The step by an axis; a row without it has the one before, as W&B has it too."""
        step = self._last.get(axis)
        if step is None:
            return None
        whole = whole_step(step)
        if whole is None:
            self._complaints.add(place, axis, step, _NO_STEP)
        return whole

    def _token_axis(self, name: str) -> str:
        """The metric that counts tokens for a metric; "" where there is none."""
        axis = self._tokens.get(name)
        if axis is None:
            axis = next((axis for start, axis in self._globs if name.startswith(start)), "")
            if len(self._tokens) < _REMEMBERED:
                self._tokens[name] = axis
        return axis

    def _metrics(self, row: Iterable[tuple[str, Any]]) -> list[tuple[str, float | None]]:
        values: list[tuple[str, float | None]] = []
        media: list[str] = []
        for name, value in row:
            if name in OWN:
                continue
            if type(value) is float or value is None:
                values.append((name, value))
            elif isinstance(value, dict):
                self._nested(name, value, values)
            elif name.endswith("._type"):
                media.append(name.removesuffix("_type"))
                self._leave_out(name.removesuffix("._type"), str(value))
            else:
                as_number = number(value)
                if as_number is None:
                    self._leave_out(name, type(value).__name__)
                else:
                    values.append((name, as_number))
        for start in media:  # the parts of an image, a histogram, a table are no metrics
            values = [pair for pair in values if not pair[0].startswith(start)]
            for name in [name for name in self._left_out if name.startswith(start)]:
                del self._left_out[name]
        return values

    def _nested(self, name: str, value: dict[str, Any], values: list[tuple[str, float | None]]) -> None:
        if "_type" in value:
            self._leave_out(name, str(value["_type"]))
            return
        for inner, leaf in flatten(value, f"{name}.").items():
            as_number = number(leaf)
            if leaf is None or as_number is not None:
                values.append((inner, as_number))
            else:
                self._leave_out(inner, type(leaf).__name__)

    def _leave_out(self, name: str, kind: str) -> None:
        if len(self._left_out) < _REMEMBERED:
            self._left_out.setdefault(name[:200], _KINDS.get(kind, kind[:60]))


_KINDS = {"str": "text", "bool": "yes or no", "list": "list", "dict": "nested"}


def sampled(file: str, met: dict[str, int]) -> Iterator[Note]:
    """Say where a history has just as many rows as a sample has."""
    runs = sorted(run for run, count in met.items() if count == SAMPLED)
    if runs:
        which = f" of the run '{runs[0]}'" if runs[0] else ""
        more = f" and of {len(runs) - 1} more" if len(runs) > 1 else ""
        yield Note(
            f"{file}: the history{which}{more} has {SAMPLED} rows, as many as W&B's sampled history has: lowest and "
            "last values may not be in it. `scan_history` gives all rows."
        )
