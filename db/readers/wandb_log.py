"""What the records of one ``.wandb`` file say of its run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from db.readers.again import Again
from db.readers.collect import Collector, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field
from db.readers.found import Found, Note, Restart, RunFound
from db.readers.text import flatten
from db.readers.wandb_records import (
    CONFIG,
    ENVIRONMENT,
    EXIT,
    HISTORY,
    METRIC,
    RUN,
    SUMMARY,
    Items,
    content,
    decoded,
    plain,
)  # fmt: skip
from db.readers.wandb_rows import OWN, STEP, Rows
from db.readers.wire import Scalar, WireError, double, fields, signed, text

#: What is said of a run, by the numbers of the fields that hold it: record, then message.
ABOUT = (
    Field("id", "17.1"), Field("entity", "17.2"), Field("project", "17.3"), Field("group", "17.6"),
    Field("job_type", "17.7"), Field("name", "17.8"), Field("notes", "17.9"), Field("tags", "17.10"),
    Field("sweep", "17.12"), Field("host", "17.13"), Field("program", "26.6"), Field("host", "26.12"),
    Field("gpu", "26.18"), Field("n_gpus", "26.19"),
)  # fmt: skip
_OF_RUN = {int(field.path[3:]): field.name for field in ABOUT if field.path.startswith("17.")}
_OF_MACHINE = {int(field.path[3:]): field.name for field in ABOUT if field.path.startswith("26.")}


class Log:
    """Takes the records of a file in their order.

    Parameters
    ----------
    file : str
        The file.
    run : str
        Key of the run, until its own record says it.
    collector, complaints
        Where values and problems go.
    again : Again, optional
        What the logs of the run have reached, where it has several.
    earlier : bool, default False
        Whether there was one before this, whose end is not this one's.
    """

    def __init__(
        self,
        file: str,
        run: str,
        collector: Collector,
        complaints: Complaints,
        again: Again | None = None,
        *,
        earlier: bool = False,
    ) -> None:
        self._file = file
        self._run = run
        self._complaints = complaints
        self._rows = Rows(collector, complaints, again)
        self._items = Items()
        self._config: dict[str, Any] = {}
        self._summary: dict[str, bytes] = {}
        self._exit: int | None = None
        self._ran: int | None = None
        self._again = earlier
        self._described = False

    def take(self, record: bytes, place: int) -> Iterable[Found]:
        """Take a record; `place` is its number."""
        try:
            found = content(record)
            if found is None:
                return ()
            kind, message = found
            if kind == HISTORY:
                self._history(message, place)
                due, self._rows.due = self._rows.due, []
                return due
            if kind == SUMMARY:
                self._summarise(message)
                return ()
            return list(self._other(kind, message, place))
        except WireError as error:
            self._complaints.add(place, None, None, f"a record is no message: {error}", "row")
            return ()

    def end(self) -> Iterator[Found]:
        """Give what is known once the log has ended."""
        about = {} if self._ran is None else {"runtime": self._ran}
        unknown = "running" if self._again else None
        state = unknown if self._exit is None else "failed" if self._exit else "finished"
        yield RunFound(self._run, state=state, config=self._config, summary=self._last_values(), about=about)
        if self._exit is None:
            yield Note(f"{self._file}: no end is recorded: the run goes on, or was killed.")
        yield from self._rows.notes(self._file)

    def _history(self, message: bytes, place: int) -> None:
        items, others = self._items.read(message)
        step: Any = None
        row: list[tuple[str, Any]] = []
        for name, raw in items:
            try:
                if name == STEP:
                    step = decoded(raw)
                else:
                    row.append((name, plain(raw)))
            except ValueError:
                shown = raw[:50].decode("utf-8", "replace")
                self._complaints.add(place, name, shown, "a value of the history is no JSON")
        if step is None:
            for number, value in others:
                if number == 2 and isinstance(value, bytes):
                    step = next((signed(num) for n, _, num in fields(value) if n == 1 and isinstance(num, int)), 0)
        self._rows.add(self._run, step, row, place)

    def _summarise(self, message: bytes) -> None:
        items, others = self._items.read(message)
        self._summary.update(items)
        for name in self._removed(others):
            self._summary.pop(name, None)

    def _other(self, kind: int, message: bytes, place: int) -> Iterator[Found]:
        if kind == RUN:
            yield from self._run_record(message, place)
        elif kind == CONFIG:
            self._configure(message, place)
        elif kind == METRIC:
            self._define(message)
        elif kind == EXIT:
            values = {number: value for number, _, value in fields(message) if isinstance(value, int)}
            self._exit, self._ran = signed(values.get(1, 0)), values.get(2)
        elif kind == ENVIRONMENT:
            about = _named(message, _OF_MACHINE)
            if about:
                yield RunFound(self._run, about=about)

    def _run_record(self, message: bytes, place: int) -> Iterator[Found]:
        about: dict[str, Any] = _named(message, _OF_RUN)
        parts = {number: value for number, _, value in fields(message)}
        self._run = str(about.get("id") or self._run)
        name = about.pop("name", None)
        if isinstance(parts.get(17), bytes) and not self._again:
            about["started"] = _seconds(parts[17])
        if parts.get(18):
            about["resumed"] = True
        branch: tuple[str, Any] | None = None
        config, branched = parts.get(4), parts.get(23)
        if isinstance(config, bytes):
            branch = self._configure(config, place)
        if isinstance(branched, bytes):
            point = {number: value for number, _, value in fields(branched)}
            branch = text(point.get(1, b"")), double(point.get(2, b"\0" * 8))
        step = whole_step(branch[1]) if branch is not None else None
        if branch is not None and branch[0] != self._run:
            about["forked_from"] = branch[0] if step is None else f"{branch[0]} at step {step}"
        yield RunFound(self._run, name=name or None, config=dict(self._config), about=about)
        if branch is not None and branch[0] == self._run and step is not None and not self._described:
            self._rows.know_restart()
            yield Restart(self._run, step + 1)
        self._described = True

    def _configure(self, message: bytes, place: int) -> tuple[str, Any] | None:
        """Take settings; gives the branch point, where one stands among them."""
        branch = None
        items, others = self._items.read(message)
        for name, raw in items:
            try:
                value = decoded(raw)
            except ValueError:
                self._complaints.add(place, name, raw[:50].decode("utf-8", "replace"), "a setting is no JSON")
                continue
            if name.partition(".")[0] == "_wandb":
                point = value.get("branch_point") if isinstance(value, dict) else None
                if isinstance(point, dict) and isinstance(point.get("run_id"), str):
                    branch = point["run_id"], point.get("step")
            elif isinstance(value, dict):
                self._config.update(flatten(value, f"{name}."))
            else:
                self._config[name] = value
        for name in self._removed(others):
            for key in [key for key in self._config if key == name or key.startswith(f"{name}.")]:
                del self._config[key]
        return branch

    def _removed(self, others: list[tuple[int, Scalar]]) -> list[str]:
        return [self._items.name(value) for number, value in others if number == 2 and isinstance(value, bytes)]

    def _define(self, message: bytes) -> None:
        parts = {number: text(value) for number, kind, value in fields(message) if kind == 2 and number in (1, 2, 4)}
        axis = parts.get(4)
        if axis and parts.get(2):
            self._rows.define(parts[2], axis, glob=True)
        elif axis and parts.get(1):
            self._rows.define(parts[1], axis)

    def _last_values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        media = tuple(name.removesuffix("_type") for name in self._summary if name.endswith("._type"))
        for name, raw in self._summary.items():
            if name.partition(".")[0] in OWN or name.startswith(media):
                continue
            try:
                value = decoded(raw)
            except ValueError:
                continue  # the history has it, and complained
            if not isinstance(value, dict):
                values[name] = value
            elif "_type" not in value:
                values.update(flatten(value, f"{name}."))
        return values


def _named(message: bytes, names: dict[int, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, _, value in fields(message):
        name = names.get(number)
        if name is None or not value:
            continue
        if name == "tags":
            found.setdefault(name, []).append(text(value))
        else:
            found[name] = value if isinstance(value, int) else text(value)
    return found


def _seconds(stamp: Scalar) -> float:
    if not isinstance(stamp, bytes):
        raise WireError("a time is a number")
    parts = {number: value for number, _, value in fields(stamp) if isinstance(value, int)}
    return signed(parts.get(1, 0)) + parts.get(2, 0) / 1e9
