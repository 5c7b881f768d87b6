"""What a reader gave, put together for a look at it."""

import numpy as np

from db.problems import Problem
from db.readers.found import Note, Restart, RunFound, Values
from scaling.errors import ReadError


class Gathered:
    """A stream of a reader, sorted by kind; an error at its end is kept."""

    def __init__(self, stream):
        self.runs, self.notes, self.problems, self.restarts, self.values = {}, [], [], [], {}
        self.digits, self.error, self.order, self.missing = {}, None, [], {}
        try:
            for one in stream:
                self.take(one)
        except ReadError as error:
            self.error = error

    def take(self, one):
        if isinstance(one, RunFound):
            said = self.runs.setdefault(
                one.key, {"name": None, "state": None, "config": {}, "about": {}, "summary": {}}
            )
            said["name"], said["state"] = one.name or said["name"], one.state or said["state"]
            for part in ("config", "about", "summary"):
                said[part].update(getattr(one, part))
        elif isinstance(one, Values):
            assert one.step.dtype == np.int64
            assert one.value.dtype == np.float64
            assert len(one.step) == len(one.value)
            assert one.step.min() >= -1
            missing = np.zeros(len(one.value), bool) if one.missing is None else one.missing
            kept = self.values.setdefault((one.run, one.metric), [])
            kept.extend(
                (step, None if lacks else value)
                for step, value, lacks in zip(one.step.tolist(), one.value.tolist(), missing.tolist(), strict=True)
            )
            self.digits[one.run, one.metric] = one.digits
            self.order.append(one.metric)
        elif isinstance(one, Restart):
            self.restarts.append(one.step)
            self.order.append(one)
        elif isinstance(one, Note):
            self.notes.append(one.text)
        elif isinstance(one, Problem):
            self.problems.append(one)
        else:
            raise AssertionError(f"a reader of runs gave {one!r}")

    @property
    def count(self):
        return sum(len(values) for values in self.values.values())


def same(found, expected):
    """Whether pairs of step and value are the same, NaN being the same as NaN."""
    return [(step, repr(value)) for step, value in found] == [(step, repr(value)) for step, value in expected]
