"""Weights & Biases runs on disk: ``.wandb`` files, directories of runs, and those of runs that were started again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.problems import Problem
from db.readers.again import Again
from db.readers.collect import Collector
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.probe import Probe
from db.readers.text import flatten, guarded, json_document
from db.readers.wandb_frames import IDENTITY, Damage, records
from db.readers.wandb_log import ABOUT, Log
from db.readers.wandb_rows import OWN
from db.readers.wandb_yaml import read_settings
from scaling.errors import ReadError

NAME = "wandb"
WHAT = "a Weights & Biases run on disk"
READS = (
    "The whole history, offline or synced, from the transaction log `run-<id>.wandb`, each record checked by its "
    "checksum; settings, summary, state, tags, rewound, forked and resumed runs. Nested metrics have dots. Steps are "
    "those of the metric that the run defines as the axis where it counts steps (`train/global_step`), else `_step`. "
    "A directory of a run without its log gives settings and summary from `files/`."
)
LEAVES_OUT = "Media, histograms, tables, texts, console output, system metrics, artifacts."
TRIED = "wandb 0.31.0"
FIELDS: Sequence[Field] = ABOUT
UPSERTS = False

_RUN = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)", re.DOTALL)
_LOG = re.compile(r"run-(.+)\.wandb", re.DOTALL)
_BESIDE = ("files/config.yaml", "files/wandb-summary.json", "files/wandb-metadata.json")
_METADATA = {
    "host": "host", "program": "program", "gpu": "gpu", "gpu_count": "n_gpus", "startedAt": "started_at",
    "python": "python",
}  # fmt: skip


def sniff(probe: Probe) -> Sign | None:
    """Say whether this is a transaction log, the directory of a run, or one with several logs of a run."""
    return _of_directory(probe) if probe.is_dir else _of_file(probe)


def _of_file(probe: Probe) -> Sign | None:
    if probe.head.startswith(IDENTITY):
        return Sign(Level.MAGIC, "it begins with :W&B")
    if probe.name.endswith(".wandb") and IDENTITY.startswith(probe.head):
        return Sign(Level.ENDING, "its name ends in .wandb")
    return None


def _of_directory(probe: Probe) -> Sign | None:
    logs = [name for name in probe.names if _LOG.fullmatch(name)]
    if logs or (_RUN.fullmatch(probe.name) and "files" in probe.names):
        why = f"it holds {logs[0]}" if logs else "it is named as the directory of a run, and holds files"
        return Sign(Level.DIRECTORY, why, _read_of(probe.path, "", logs))
    runs = [(name, match[2]) for name in probe.names if (match := _RUN.fullmatch(name))]
    times = Counter(run for _, run in runs)
    parts = [(name, run) for name, run in runs if times[run] > 1]
    if not parts:
        return None  # each is a log of its own, so that one that grows does not have the others read again
    entries = (_read_of(probe.path, f"{name}/", [f"run-{run}.wandb"]) or (name,) for name, run in parts)
    why = f"it holds directories of a run that was started again, such as {parts[0][0]}"
    return Sign(Level.DIRECTORY, why, tuple(entry for of_run in entries for entry in of_run))


def _read_of(path: Path, below: str, logs: Sequence[str]) -> tuple[str, ...]:
    """What is read of the directory of a run; media and what else lies in it are not looked at."""
    found = [f"{below}{name}" for name in (*logs, *_BESIDE) if (path / below / name).is_file()]
    if not below and not any(name.startswith("files/") for name in found):
        files = path / "files"  # so that what lies there is not taken for logs of its own
        found += [f"files/{entry.name}" for entry in sorted(files.iterdir())[:1]] if files.is_dir() else []
    return tuple(found)


def read(path: Path, entries: Sequence[str] = (), **options: Any) -> Iterator[Found]:
    """Read a log, the directory of a run, or all of many runs."""
    del options
    with guarded(path):
        is_dir = path.is_dir()
    if not is_dir:
        yield from _read_log(path, _name_of(path), Collector())
        return
    if _logs_in(path) or (_RUN.fullmatch(path.name) and (path / "files").is_dir()):
        yield from _read_run(path, Collector())
        return
    with guarded(path):
        names = {entry.split("/")[0] for entry in entries} or {entry.name for entry in path.iterdir()}
    # A run that was resumed has several directories; their dates tell the order.
    dated = sorted((match[1], match[2], name) for name in names if (match := _RUN.fullmatch(name)))
    collector, several = Collector(), _several([run for _, run, _ in dated])
    if several:
        yield Note(
            f"{path}: runs that were started again have several logs, read in the order of their dates: {several}."
        )
    met: dict[str, Again] = {}
    for _, run, name in dated:
        try:
            earlier = run in met
            again = met.setdefault(run, Again())
            again.watch()
            for found in _read_run(path / name, collector, again, earlier=earlier):
                again.see(found)
                yield found
        except ReadError as error:  # the runs beside it are read all the same
            yield from collector.flush()
            yield Problem(error.path, 1, None, error.place, error.reason)


def _several(runs: list[str]) -> str:
    again = sorted({run for run, after in zip(sorted(runs), sorted(runs)[1:], strict=False) if run == after})
    return ", ".join(again[:20]) + (" and so on" if len(again) > 20 else "")


def _logs_in(directory: Path) -> list[Path]:
    with guarded(directory):
        return sorted(entry for entry in directory.iterdir() if _LOG.fullmatch(entry.name))


def _name_of(path: Path) -> str:
    match = _LOG.fullmatch(path.name)
    return match[1] if match else path.stem


def _read_run(
    directory: Path, collector: Collector, again: Again | None = None, *, earlier: bool = False
) -> Iterator[Found]:
    match = _RUN.fullmatch(directory.name)
    logs = _logs_in(directory)
    run = _name_of(logs[0]) if logs else match[2] if match else directory.name
    files = directory / "files"
    if files.is_dir():
        found = _from_files(files, run, summary_too=not logs)
        if found is not None:
            yield found
    for log in logs:
        yield from _read_log(log, run, collector, again, earlier=earlier)
    if not logs:
        yield Note(f"{directory}: its log run-{run}.wandb is not there, so there is no history.")


def _from_files(files: Path, run: str, *, summary_too: bool) -> RunFound | None:
    """What the files beside a log say: of the machine, and where there is no log, settings and summary."""
    about: dict[str, Any] = {}
    metadata = _object(files / "wandb-metadata.json")
    for key, name in _METADATA.items():
        if metadata.get(key) is not None and not isinstance(metadata[key], dict | list):
            about[name] = metadata[key]
    git = metadata.get("git")
    if isinstance(git, dict) and isinstance(git.get("commit"), str):
        about["commit"] = git["commit"]
    if not summary_too:
        return RunFound(run, about=about) if about else None
    summary = flatten(_object(files / "wandb-summary.json"))
    config = read_settings(files / "config.yaml")
    return RunFound(
        run,
        config={name: value for name, value in config.items() if not name.startswith("_wandb")},
        summary={name: value for name, value in summary.items() if name.partition(".")[0] not in OWN},
        about={"id": run, **about},
    )


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json_document(path, 16 * 2**20)
    except ReadError:  # what is beside the log is no reason not to read the log
        return {}
    return found if isinstance(found, dict) else {}


def _read_log(
    path: Path, run: str, collector: Collector, again: Again | None = None, *, earlier: bool = False
) -> Iterator[Found]:
    complaints = Complaints(str(path))
    log = Log(str(path), run, collector, complaints, again, earlier=earlier)
    place = 0
    for record in records(path):
        if isinstance(record, Damage):
            yield from _damaged(record, path, place, complaints)
        else:
            place += 1
            yield from log.take(record, place)
            if collector.full:
                yield from collector.flush()
        if complaints.waiting:
            yield from complaints.take()
    yield from collector.flush()
    yield from log.end()
    yield from complaints.rest()


def _damaged(damage: Damage, path: Path, place: int, complaints: Complaints) -> Iterator[Note]:
    if damage.cut_off:
        yield Note(f"{path}: {damage.why}, as in the log of a run that goes on or was killed.")
    else:
        complaints.add(place + 1, None, f"byte {damage.offset:,}", f"{damage.why}; it is skipped", "row")
