"""States of the Trainer of Hugging Face transformers, as it keeps them with every checkpoint."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, number, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.probe import Probe
from db.readers.text import flatten, json_document
from scaling.errors import ReadError

NAME = "hf_trainer"
WHAT = "a state of the Trainer of Hugging Face transformers"
READS = (
    "`trainer_state.json`: its history with all numbers, the last entry as a summary, `total_flos`, `best_metric`; a "
    "directory with `checkpoint-N` copies counts once, by the newest. `config.json` beside it gives settings."
)
LEAVES_OUT = "`training_args.bin`, `scheduler.pt` and so on: they are pickles. `state.stateful_callbacks`."
TRIED = "transformers 5.24.0"
UPSERTS = False
FIELDS: Sequence[Field] = (
    Field("step", "log_history.step", "steps", required=True),
    Field("tokens", "log_history.num_input_tokens_seen", "tokens"),
    Field("loss", "log_history.loss", "nats/token"),
    Field("eval_loss", "log_history.eval_loss", "nats/token"),
    Field("learning_rate", "log_history.learning_rate"),
    Field("grad_norm", "log_history.grad_norm"),
    Field("epoch", "log_history.epoch", "epochs"),
    Field("summary", "total_flos", "FLOP"),
)

STATE = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-(\d{1,18})\Z")
#: What a state says of how the run was set up, and what it says of how it went.
_SETTINGS = ("max_steps", "num_train_epochs", "train_batch_size", "logging_steps", "eval_steps", "save_steps")
_RESULTS = ("global_step", "epoch", "total_flos", "best_metric", "best_global_step", "num_input_tokens_seen")
#: Only the entry of the end has both; where tokens are counted, every entry has a run time.
_LAST = {"train_loss", "train_runtime"}
_NEWEST = 50


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a state: by its name in a directory or in checkpoints there, or by its keys."""
    if not probe.is_dir:
        known = probe.name.endswith(".json") and {"log_history", "global_step"} <= probe.keys
        return Sign(Level.KEYS, "it has the keys 'log_history' and 'global_step'") if known else None
    checkpoints = sorted((int(match[1]), name) for name in probe.names if (match := _CHECKPOINT.match(name)))
    copies = [f"{name}/{STATE}" for _, name in checkpoints if (probe.path / name / STATE).is_file()]
    entries = [STATE] * (STATE in probe.names) + copies
    if not entries:
        return None
    return Sign(
        Level.DIRECTORY, f"it has {entries[0]}", tuple(entries + ["config.json"] * ("config.json" in probe.names))
    )


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a state, or the newest of those of a directory; see `db.readers.format`."""
    if not entries:
        file, state = path, _state(path)
    else:
        file, state, notes = _newest(path, [entry for entry in entries if entry != "config.json"])
        yield from notes
    config = {key: value for key in _SETTINGS if (value := state.get(key)) is not None}
    summary = {key: value for key in _RESULTS if (value := state.get(key)) is not None}
    history = state.get("log_history")
    if not isinstance(history, list):
        raise ReadError(str(file), "it has no list of entries", "log_history")
    last = next((entry for entry in reversed(history) if isinstance(entry, dict) and entry.keys() >= _LAST), None)
    if last is not None:
        summary |= {key: value for key, value in last.items() if key != "step"}
    yield RunFound("", state="finished" if last else None, config=_model(file) | config, summary=summary)
    yield Note("loss is a mean over the steps since the entry before (logging_steps), and no value of its step.")
    if "total_flos" in summary:
        yield Note("total_flos is 6 x tokens x parameters without those of embeddings; padding counts as tokens.")
    if last is not None:
        yield Note("train_loss of the last entry is a mean over the whole training: kept as a summary, not as a value.")
    yield from _history(file, history, last)


def _history(file: Path, history: list[Any], last: Mapping[str, Any] | None) -> Iterator[Found]:
    collector, odd = Collector(), Complaints(str(file))
    for i, entry in enumerate(history, start=1):
        if entry is last:
            continue
        if not isinstance(entry, dict):
            odd.add(i, "log_history", entry, "the entry is no object", "row")
            continue
        step = whole_step(entry.get("step"))
        if step is None:
            odd.add(i, "log_history.step", entry.get("step"), "the step is no whole number from 0 on", "row")
            continue
        seen = number(entry.get("num_input_tokens_seen"))
        for key, value in entry.items():
            read = number(value)
            if key == "step" or isinstance(value, bool):
                continue
            if read is None and value is not None:
                odd.add(i, f"log_history.{key}", value, "it is no number")
            else:
                collector.add("", key, step, read, math.nan if seen is None else seen)
        if odd.waiting:
            yield from odd.take()
        if collector.full:
            yield from collector.flush()
    yield from collector.flush()
    yield from odd.rest()


def _newest(folder: Path, copies: Sequence[str]) -> tuple[Path, dict[str, Any], list[Found]]:
    """The state with the largest step among copies; the newest checkpoints are looked at first."""
    best: tuple[int, Path, dict[str, Any]] | None = None
    notes: list[Found] = []
    error: ReadError | None = None
    own, checkpoints = [name for name in copies if "/" not in name], [name for name in copies if "/" in name]
    for name in [*own, *reversed(checkpoints[-_NEWEST:])]:
        if best is not None and "/" in name and best[0] >= int(name.split("/")[0].rpartition("-")[2]):
            break  # older than what is known: checkpoints are called by their step
        try:
            state = _state(folder / name)
        except ReadError as one:
            error = one
            notes.append(Note(f"{name} cannot be read and was passed over: {one.reason}."))
            continue
        step = whole_step(state.get("global_step")) or 0
        if best is None or step > best[0]:
            best = step, folder / name, state
    if best is None:
        raise error or ReadError(str(folder), f"it has no {STATE}")
    if len(copies) > 1:
        notes.append(Note(f"Of {len(copies)} copies of the state the newest was read, of step {best[0]}."))
    return best[1], best[2], notes


def _state(path: Path) -> dict[str, Any]:
    state = json_document(path)
    if not isinstance(state, dict):
        raise ReadError(str(path), "it is no JSON object")
    return state


def _model(state: Path) -> dict[str, Any]:
    """Settings of the model, from the file that is kept beside a state, or in the newest checkpoint."""
    for folder in (state.parent, state.parent.parent if _CHECKPOINT.match(state.parent.name) else state.parent):
        path = folder / "config.json"
        if path.is_file():
            try:
                content = json_document(path, 10 * 2**20)
            except ReadError:
                return {}
            return flatten(content) if isinstance(content, dict) and "log_history" not in content else {}
    return {}
