"""The ways in that inputs take, and what each of them has to keep to."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzzing.inputs import FOLDER, Change, Input, Seed
from benchmarks.fuzzing.stand_ins import WandbApi
from db.ingest import plan_ingest
from db.ingest_paths import ingest_paths
from db.problems import Problem
from db.readers.format import Format
from db.readers.formats import formats
from db.readers.found import NO_STEP, STATES, Note, Restart, RunFound, ScoreFound, Values
from db.readers.probe import Probe
from db.readers.score_tables import preset_of
from db.readers.sniff import best_signs
from db.score_ingest import plan_scores
from db.store import Store
from scaling.errors import InputDataError, ReadError, UsageError

#: CPU seconds that a log may take, and a MiB of it.
SECONDS, PER_MIB = 2.0, 2.0
#: Memory that a log may take, and a byte of it.
BYTES, PER_BYTE = 256 * 2**20, 60
_FAULT = "fault of the reader"
_NO_ROOM = ("bad_alloc", "allocat", "out of memory")  # what libraries say where they asked for too much


class Fault(Exception):  # noqa: N818 - it is what is looked for
    """Something that a reader may not do."""


@dataclass(frozen=True)
class Judged:
    """What came of an input.

    Parameters
    ----------
    came : str
        ``read`` or ``refused``.
    seconds : float
        Of the processor.
    """

    came: str
    seconds: float


def peak() -> int:
    """The most bytes that the process has held; `getrusage` would begin with those of the process before it."""
    try:
        told = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        return 0
    return int(told.partition("VmHWM:")[2].split()[0]) * 1024


def put(folder: Path, changes: Mapping[str, Change]) -> int:
    """Change files of a log that lies in a folder; gives the bytes written."""
    size = 0
    for name, content in changes.items():
        path = folder / name
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        if content == FOLDER and isinstance(content, str):
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
            size += len(content)
    return size


def undo(one: Input, folder: Path) -> None:
    """Make a log again what it was."""
    put(folder, {name: one.seed.files[name] for name in one.changes})


def check(found: Iterable[Any]) -> None:
    """Hold what a reader gives against what was agreed; raises `Fault`."""
    for one in found:
        if isinstance(one, Values):
            whole = one.step.dtype == np.int64 and one.value.dtype == np.float64 and one.step.shape == one.value.shape
            if not whole or not isinstance(one.metric, str) or not isinstance(one.run, str):
                raise Fault(f"values are not as agreed: {one!r}")
            if not ((one.step >= 0) | (one.step == NO_STEP)).all():
                raise Fault(f"a step is negative: {one!r}")
        elif isinstance(one, RunFound):
            if one.state not in (None, *STATES) or not isinstance(one.key, str) or not isinstance(one.name, str | None):
                raise Fault(f"a run is not as agreed: {one!r}"[:500])
            if not all(isinstance(key, str) for key in (*one.config, *one.summary, *one.about)):
                raise Fault(f"a name is no text: {one!r}"[:500])
            nested = [key for part in (one.config, one.summary) for key in part if isinstance(part[key], dict)]
            if nested:
                raise Fault(f"a setting or a result is nested: {nested[0]!r}")
        elif isinstance(one, ScoreFound):
            if not np.isfinite(one.value) or not one.model or not isinstance(one.model, str):
                raise Fault(f"a score is not as agreed: {one!r}"[:500])
        elif not isinstance(one, Note | Restart | Problem):
            raise Fault(f"a reader gave {one!r}"[:500])


def read(one: Format, path: Path, entries: Sequence[str]) -> str:
    """Look at a log and read it by its reader: nothing but a `ReadError` with its place may come. Raises `Fault`."""
    place, planned = str(path), False
    try:
        if one.NAME == "wandb-api":
            place = "wandb://team/ladder"
            check(one.read(Path(place), (), api=WandbApi(path)))
            return "read"
        best_signs(path)
        planned = _planned(one, path)
        check(one.read(path, entries))
    except ReadError as error:
        if _FAULT in str(error):
            raise Fault(str(error)) from error
        if place not in str(error) or not error.reason.strip():
            raise Fault(f"a ReadError without its place: {error}") from error
        if any(word in error.reason.lower() for word in _NO_ROOM):
            raise Fault(f"it asked for more memory than there is: {error}") from error
        return "read" if planned else "refused"
    return "read"


def _planned(one: Format, path: Path) -> bool:
    """Of tables, whose readers refuse them: read them as the ingest does, and say whether that went well."""
    preset = preset_of(Probe(path).columns) if one.NAME == "score-table" else None
    if one.NAME != "run-table" and not preset:
        return False
    try:
        plan = plan_scores(path, preset=preset) if preset else plan_ingest(path)
    except (InputDataError, UsageError) as error:  # of a table the sentence names the file, or else the column
        if path.name not in str(error) and "column" not in str(error):
            raise Fault(f"an error without its place: {error}") from error
        return False
    return bool(plan.n_rows)


class Reader:
    """Reads inputs of a format, one after the other, below a folder.

    Parameters
    ----------
    name : str
        The format.
    folder : Path
        Where logs are put; it stays as it was when an input fails.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._format = formats()[name]
        self._folder = folder
        self._placed: dict[int, tuple[Seed, Path, Path, Sequence[str]]] = {}

    def judge(self, one: Input) -> Judged:
        """Read an input; raises whatever may not come."""
        folder, path, entries = self._place(one.seed)
        size = put(folder, one.changes)
        before, began = peak(), time.process_time()
        came = read(self._format, path, entries)
        took, grown = time.process_time() - began, peak() - before
        if grown > BYTES + PER_BYTE * size:
            raise Fault(f"it took {grown / 2**20:.0f} MiB for {size:,} bytes")
        if took > SECONDS + PER_MIB * size / 2**20:
            raise Fault(f"it took {took:.1f} s of the processor for {size:,} bytes")
        undo(one, folder)
        return Judged(came, took)

    def folder_of(self, seed: Seed) -> Path:
        """Where a log lies that is damaged."""
        return self._place(seed)[0]

    def _place(self, seed: Seed) -> tuple[Path, Path, Sequence[str]]:
        if id(seed) not in self._placed:
            folder = self._folder / f"{self._format.NAME}-{len(self._placed)}"
            shutil.rmtree(folder, ignore_errors=True)
            path = seed.place(folder)
            sign = None if self._format.NAME == "wandb-api" else self._format.sniff(Probe(path))
            self._placed[id(seed)] = seed, folder, path, sign.entries if sign else ()
        return self._placed[id(seed)][1:]


def beside() -> Seed:
    """A log that no damage to others may touch."""
    log = b'{"global_step": 20, "log_history": [{"step": 10, "loss": 3.5}, {"step": 20, "loss": 3.25}]}'
    return Seed("hf_trainer", "beside", {"beside/trainer_state.json": log})


def fingerprint(store: Path, source: str | None = None) -> str:
    """What a store holds, of one source or of all; opens it, and asks its views."""
    with Store(str(store), read_only=True) as opened:
        opened.query("SELECT count(*), sum(loss) FROM runs_final")
        chosen = f"WHERE source_id = '{source}'" if source else ""
        tables = ("sources", "metrics", "runs", "run_facts") if source is None else ("runs",)
        held = [opened.query(f"SELECT * FROM {table} {chosen} ORDER BY ALL")[1] for table in tables]
        if source:
            held.append(opened.query(f"SELECT * FROM metrics JOIN runs USING (run_id) {chosen} ORDER BY ALL")[1])
    return hashlib.sha256(repr(held).encode(errors="surrogateescape")).hexdigest()


class WholeWay:
    """Takes inputs the whole way: found below a directory, read, staged, given facts, and written into a store.

    Parameters
    ----------
    folder : Path
        Where logs and stores are put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._empty = folder / "empty.duckdb"
        beside().place(folder)
        ingest(folder / "beside", self._empty)
        self._before = fingerprint(self._empty)
        with Store(str(self._empty), read_only=True) as opened:
            self._source = opened.query("SELECT source_id FROM sources")[1][0][0]
        self._kept = fingerprint(self._empty, self._source)

    def judge(self, several: Sequence[Input]) -> float:
        """Take inputs in at once, beside a store that holds something; gives CPU seconds, raises what may not come."""
        inside, store = self._folder / "in", self._folder / "store.duckdb"
        shutil.rmtree(inside, ignore_errors=True)
        shutil.copyfile(self._empty, store)
        size = 0
        for number, one in enumerate(several):
            one.seed.place(inside / str(number))
            size += put(inside / str(number), one.changes)
        began = time.process_time()
        rows, failed = ingest(inside, store)
        took = time.process_time() - began
        told = [line for line in failed if _FAULT in line or " failed at it with " in line]
        if told:
            raise Fault("\n".join(told))
        if lost := [line for line in failed if str(inside) not in line]:
            raise Fault(f"what failed is told without its place: {lost[0]}")
        if not rows and fingerprint(store) != self._before:
            raise Fault("nothing was taken in, and the store changed")
        if fingerprint(store, self._source) != self._kept:
            raise Fault("what another log brought has changed")
        if took > 5 + SECONDS * len(several) + PER_MIB * size / 2**20:
            raise Fault(f"it took {took:.1f} s of the processor for {size:,} bytes")
        return took


def ingest(path: Path, store: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """All below a path into a store, as the command does it; gives its rows and what failed."""

    def table(file: Path) -> list[dict[str, Any]]:
        with Store(str(store)) as opened:
            return [{"path": opened.ingest(file, replace=True).path}]

    def scores(file: Path, /, preset: str) -> list[dict[str, Any]]:
        with Store(str(store)) as opened:
            return [{"path": opened.ingest_scores(file, preset=preset, replace=True).path}]

    said: list[str] = []
    try:
        done = ingest_paths([path], str(store), table, scores, said.append, replace=True)
    except InputDataError as error:
        if "Nothing below these paths" not in str(error):
            raise
        return [], []
    return done.rows, done.failed
