"""Event files of TensorBoard, as TensorFlow, PyTorch, JAX and tensorboardX write them."""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.again import Again
from db.readers.collect import Collector
from db.readers.complaints import Complaints
from db.readers.event import Logged, Short, event, hparams, logged
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, Restart, RunFound
from db.readers.probe import Probe
from db.readers.text import flatten, guarded
from db.readers.tfrecord import Records, is_frame, records
from db.readers.wire import WireError
from scaling.errors import ReadError

NAME = "tensorboard"
WHAT = "event files of TensorBoard"
READS = (
    "Scalars, as plain numbers and as tensors of one element of any type of numbers. The files of a directory are one "
    "run, in the order of their time. Starts of sessions; settings and state of the plugin of hyperparameters; texts "
    "of one short line and texts that are a JSON object, as settings. Both checksums of every record."
)
LEAVES_OUT = (
    "Histograms, images, audio, graphs, profiles, longer texts, tensors of several elements, times of single values. "
    "Each directory is a run: so are those of `add_scalars` and `add_hparams` of PyTorch, and the `train` and `val` of "
    "Keras and T5X."
)
TRIED = "tensorboard 2.21.0, torch 2.14.1"
FIELDS = (
    Field("step", "Event.step", "steps"),
    Field("value", "Event.summary.value.simple_value"),
    Field("value", "Event.summary.value.tensor"),
    Field("config", "Event.summary.value.metadata.plugin_data.content.session_start_info.hparams"),
    Field("state", "Event.summary.value.metadata.plugin_data.content.session_end_info.status"),
    Field("started", "Event.wall_time", "seconds since 1970"),
)
UPSERTS = False

_DOUBLE = struct.Struct("<d")
_NAMED = re.compile(r"tfevents\.(\d+)(?:\.(.*))?$")
_BEHIND_HOST = re.compile(r"(\.\d+){1,2}(\.v2)?$")
_LISTED = 5_000  # names that a probe gives at most
_LINE = 200  # characters of a text that is a setting
_TEXTS = 5_000  # settings from texts


def sniff(probe: Probe) -> Sign | None:
    """A directory by the names in it; a file, however it is called, by its first record."""
    if probe.is_dir:
        names: Sequence[str] = probe.names
        if len(names) >= _LISTED:
            names = sorted(os.listdir(probe.path))
        entries = tuple(name for name in names if _NAMED.search(name) and (probe.path / name).is_file())
        return Sign(Level.DIRECTORY, "it holds files of events", entries) if entries else None
    head = probe.head
    if head[12:13] == b"\x09" and b"brain.Event:" in head[12:64] and is_frame(head):
        return Sign(Level.MAGIC, "it begins with a record of events")
    if _NAMED.search(probe.name):
        return Sign(Level.ENDING, "it is called as files of events are")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a file, or the files of a directory as one run."""
    files = [path / entry for entry in entries] if path.is_dir() else [path]
    if not files:
        with guarded(path):
            sign = sniff(Probe(path))
        files = [path / entry for entry in sign.entries] if sign else []
    yield from _Run(files).all()


class _Run:
    """A run on the way through its files."""

    def __init__(self, files: list[Path]) -> None:
        self.files = sorted(files, key=_time) if len(files) > 1 else files
        self.values: dict[int | None, Collector] = {None: Collector()}
        self.plugins: dict[str, str] = {}
        self.short = Short()
        self.config: dict[str, Any] = {}
        self.state: str | None = None
        self.left_out: Counter[str] = Counter()
        self.again = Again()
        self.any = False  # whether a number was logged
        self.started: float | None = None
        self.texts = 0

    def all(self) -> Iterator[Found]:
        yield RunFound("", about=_about(self.files))
        unread: ReadError | None = None
        good = 0
        for file in self.files:
            complaints = Complaints(str(file))
            self.again.watch()
            try:
                for found in self._file(file, complaints):
                    self.again.see(found)
                    yield found
                good += 1
            except ReadError as error:
                yield from self._flushed()
                unread = unread or error
                if len(self.files) > 1:
                    complaints.add(1, None, None, f"the rest of the file was left out: {error.reason}", "row")
            yield from self._flushed()
            yield from complaints.rest()
        yield from self._end()
        if unread is not None and not good:
            raise unread

    def _end(self) -> Iterator[Found]:
        about = {} if self.started is None else {"started": self.started}
        yield RunFound("", state=self.state, config=self.config, about=about)
        if len(self.files) > 1:
            yield Note(
                f"The {len(self.files):,} files of events in {self.files[0].parent} were read as one run, in the order "
                "of their time. Where they are several runs, give each of them a directory of its own."
            )
        for digits in self.values:
            if digits is not None:
                yield Note(f"Some values were logged as floats of 16 bits, of {digits} decimal digits.")
        for other, count in sorted(self.left_out.items()):
            yield Note(f"Left out: {other} ({count:,}).")

    def _file(self, file: Path, complaints: Complaints) -> Iterator[Found]:
        empty = True
        for part in records(file):
            empty = False
            if isinstance(part, Records):
                yield from self._records(part, complaints)
            elif part.cut_off:
                yield Note(
                    f"{file} ends within a record, at byte {part.offset:,}, as that of a run that goes on may; "
                    "what stands before it was read."
                )
            elif part.too_large:
                self.left_out["records that are too large to hold values"] += 1
            else:
                complaints.add(part.number, None, f"byte {part.offset:,}", part.why, "row")
            if complaints.waiting:
                yield from complaints.take()
        if empty:
            yield Note(f"{file} is empty.")

    def _records(self, part: Records, complaints: Complaints) -> Iterator[Found]:
        """Take the numbers of records, the many plain ones the short way."""
        for record in (part.found[0], part.found[-1]) if part.found else ():
            if record[:1] == b"\x09" and len(record) > 8:  # where every event begins: when it was logged
                self.again.time(_DOUBLE.unpack_from(record, 1)[0])
        collector, short = self.values[None], self.short.read
        add = collector.add
        for number, record in enumerate(part.found, part.first):
            plain = short(record)
            if plain is None:
                yield from self._other(number, record, complaints)
            else:
                if self.again.watching:
                    yield from self._look_back(plain[1], plain[0])
                add("", plain[1], plain[0], plain[2])
            if collector.full:
                yield from self._flush()

    def _other(self, number: int, record: bytes, complaints: Complaints) -> Iterator[Found]:
        """Take an event that is more than one plain number."""
        try:
            found = event(record)
            if self.started is None and found.time is not None and math.isfinite(found.time):
                self.started = found.time
            if found.starts and self.any:
                self.again.watching = False  # it says itself from where
                yield from self._flush()
                yield Restart("", max(found.step, 0))
            values = [one for summary in found.summary for one in logged(summary, self.plugins)]
            for one in values:
                if self.again.watching and one.value is not None and found.step >= 0:
                    yield from self._look_back(one.tag, found.step)
                self._take(one, found.step, number, complaints)
            if len(values) == 1 and values[0].value is not None:
                self.short.learn(record, values[0].tag, self.plugins)
        except WireError as error:
            complaints.add(number, None, str(error), "the record is no event, though its checksums are right", "row")

    def _take(self, one: Logged, step: int, number: int, complaints: Complaints) -> None:
        if one.value is not None:
            if step < 0:
                complaints.add(number, one.tag, step, "the step is no whole number from 0 on")
                return
            if one.digits not in self.values:
                self.values[one.digits] = Collector(one.digits)
            self.values[one.digits].add("", one.tag, step, one.value)
            self.any = True
        elif one.other == "hparams":
            settings, state = hparams(one.content)
            self.config.update(settings)
            self.state = state or self.state
        elif one.other != "texts" or not self._setting(one):
            self.left_out[one.other or "values"] += 1

    def _setting(self, one: Logged) -> bool:
        """Take a text as settings, where it is one short line or a JSON object."""
        words = one.content.decode("utf-8", errors="replace").strip()
        name = one.tag.removesuffix("/text_summary")
        if words.startswith("{"):
            try:
                found = json.loads(words)
            except (ValueError, RecursionError):
                return False
            settings = flatten(found, f"{name}.") if isinstance(found, dict) else {}
        elif words and len(words) <= _LINE and "\n" not in words:
            settings = {name: words}
        else:
            return False
        if self.texts + len(settings) > _TEXTS:
            return False
        self.texts += sum(key not in self.config for key in settings)
        self.config.update(settings)
        return True

    def _look_back(self, tag: str, step: int) -> Iterator[Found]:
        """Tell by the first training loss of a later file whether it goes back."""
        if (restart := self.again.restart("", tag, step)) is not None:
            yield from self._flush()
            yield restart

    def _flushed(self) -> Iterator[Found]:
        for found in self._flush():
            self.again.see(found)
            yield found

    def _flush(self) -> Iterator[Found]:
        for collector in self.values.values():
            yield from collector.flush()


def _time(file: Path) -> tuple[float, str]:
    """When a file was begun, as its name says."""
    named = _NAMED.search(file.name)
    return (float(named[1]) if named else math.inf, file.name)


def _about(files: Sequence[Path]) -> dict[str, Any]:
    """The host that the name of the first file tells."""
    named = _NAMED.search(files[0].name) if files else None
    host = _BEHIND_HOST.sub("", named[2] or "") if named else ""
    return {"host": host} if host else {}
