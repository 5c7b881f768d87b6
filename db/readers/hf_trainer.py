"""States of the Trainer of Hugging Face transformers, as it keeps them with every checkpoint."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, number, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.json_head import members
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
_LIST = "log_history"
MODEL = "config.json"


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a state: by its name in a directory or in checkpoints there, or by its keys."""
    if not probe.is_dir:
        known = probe.name.endswith(".json") and {"log_history", "global_step"} <= probe.keys
        why = "it has the keys 'log_history' and 'global_step'"
        return Sign(Level.KEYS, why, beside=_models(probe.path)) if known else None
    checkpoints = sorted((int(match[1]), name) for name in probe.names if (match := _CHECKPOINT.match(name)))
    copies = [f"{name}/{STATE}" for _, name in checkpoints if (probe.path / name / STATE).is_file()]
    entries = [STATE] * (STATE in probe.names) + copies
    if not entries:
        return None
    models = [
        name for name in (MODEL, *(f"{name}/{MODEL}" for _, name in checkpoints)) if (probe.path / name).is_file()
    ]
    return Sign(Level.DIRECTORY, f"it has {entries[0]}", tuple(entries + models))


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a state, or the newest of those of a directory; see `db.readers.format`."""
    file = path
    if entries:
        file, notes = _newest(path, [entry for entry in entries if entry.rpartition("/")[2] != MODEL])
        yield from notes
    history = _History(str(file))
    state: dict[str, Any] = {}
    for name, i, value in members(file, _LIST):
        if i is None:
            state[name] = value
            continue
        state[name] = []
        history.take(i, value)
        yield from history.due()
    if not isinstance(state.get(_LIST), list):
        raise ReadError(str(file), "it has no list of entries", _LIST)
    yield from history.end()
    config = {key: value for key in _SETTINGS if (value := state.get(key)) is not None}
    summary = {key: value for key in _RESULTS if (value := state.get(key)) is not None}
    # The state says how it stands now; the entry is of an end that training may have gone beyond.
    summary = {key: value for key, value in history.last.items() if key != "step"} | summary
    config = _model(file) | flatten(config)
    yield RunFound("", state="finished" if history.ended else None, config=config, summary=flatten(summary))
    yield Note("loss is a mean over the steps since the entry before (logging_steps), and no value of its step.")
    if "total_flos" in summary:
        yield Note("total_flos is 6 x tokens x parameters without those of embeddings; padding counts as tokens.")
    if history.last:
        yield Note("train_loss of the last entry is a mean over the whole training: kept as a summary, not as a value.")


class _History:
    """Takes the entries of a history one by one.

    Parameters
    ----------
    file : str
        The file.

    Attributes
    ----------
    last : dict of str to object
        The newest of the entries that a training ends with; empty without one.
    ended : bool
        Whether nothing follows it.
    """

    def __init__(self, file: str) -> None:
        self.last: dict[str, Any] = {}
        self.ended = False
        self._collector, self._odd = Collector(), Complaints(file)

    def take(self, i: int, entry: Any) -> None:
        """Take an entry."""
        if not isinstance(entry, dict):
            self._odd.add(i, _LIST, entry, "the entry is no object", "row")
            return
        self.ended = entry.keys() >= _LAST
        if self.ended:
            self.last = entry
            return
        step = whole_step(entry.get("step"))
        if step is None:
            reason = "the step is no whole number from 0 on"
            self._odd.add(i, f"{_LIST}.step", entry.get("step"), reason, "row")
            return
        seen = number(entry.get("num_input_tokens_seen"))
        for key, value in entry.items():
            read = number(value)
            if key == "step" or isinstance(value, bool):
                continue
            if read is None and value is not None:
                self._odd.add(i, f"{_LIST}.{key}", value, "it is no number")
            else:
                self._collector.add("", key, step, read, math.nan if seen is None else seen)

    def due(self) -> Iterator[Found]:
        """What can be given on by now."""
        if self._odd.waiting:
            yield from self._odd.take()
        if self._collector.full:
            yield from self._collector.flush()

    def end(self) -> Iterator[Found]:
        """The rest."""
        yield from self._collector.flush()
        yield from self._odd.rest()


def _newest(folder: Path, copies: Sequence[str]) -> tuple[Path, list[Found]]:
    """The state with the largest step among copies; the newest checkpoints are looked at first."""
    best: tuple[int, Path] | None = None
    notes: list[Found] = []
    error: ReadError | None = None
    own, checkpoints = [name for name in copies if "/" not in name], [name for name in copies if "/" in name]
    for name in [*own, *reversed(checkpoints[-_NEWEST:])]:
        if best is not None and "/" in name and best[0] >= int(name.split("/")[0].rpartition("-")[2]):
            break  # older than what is known: checkpoints are called by their step
        try:
            step = _step_of(folder / name)
        except ReadError as one:
            error = one
            notes.append(Note(f"{name} cannot be read and was passed over: {one.reason}."))
            continue
        if best is None or step > best[0]:
            best = step, folder / name
    if best is None:
        raise error or ReadError(str(folder), f"it has no {STATE}")
    if len(copies) > 1:
        notes.append(Note(f"Of {len(copies)} copies of the state the newest was read, of step {best[0]}."))
    return best[1], notes


def _step_of(path: Path) -> int:
    """The step of a state that is whole."""
    return max([whole_step(value) or 0 for name, _, value in members(path, _LIST) if name == "global_step"], default=0)


def _model(state: Path) -> dict[str, Any]:
    """Settings of the model, from the file that is kept beside a state, or beside its checkpoint."""
    for name in _models(state):
        try:
            content = json_document(state.parent / name, 10 * 2**20)
        except ReadError:
            return {}
        return flatten(content) if isinstance(content, dict) and "log_history" not in content else {}
    return {}


def _models(state: Path) -> tuple[str, ...]:
    """Where the settings of the model may stand, by the path from the directory of a state; the nearest first."""
    names = [MODEL, f"../{MODEL}"] if _CHECKPOINT.match(state.parent.name) else [MODEL]
    return tuple(name for name in names if (state.parent / name).is_file())
