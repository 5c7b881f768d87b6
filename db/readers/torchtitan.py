"""Text logs of torchtitan."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.format import Field, Level, Sign
from db.readers.found import Found
from db.readers.log_lines import Reading, early, numeral, records
from db.readers.probe import Probe
from db.readers.text import flatten

NAME = "torchtitan"
WHAT = "a text log of torchtitan"
READS = (
    "Lines `step: N  loss: ...` and `validate step: N  loss: ...` with all their numbers, the printed config, the "
    "sizes of batch and sequence, and the number of parameters."
)
LEAVES_OUT = "Lines of other ranks, where several print the same steps, and losses below 0, which stand for none."
TRIED = "lines printed by the logger of 0.3.0; older ones from logs that others published"
UPSERTS = False
FIELDS: Sequence[Field] = (
    Field("step", "step", "steps", required=True),
    Field("loss", "loss", "nats/token", required=True),
    Field("validation_metrics/loss", "validate loss", "nats/token"),
    Field("grad_norm", "grad_norm"),
    Field("memory", "memory", "GiB"),
    Field("tps", "tps", "tokens/second/device"),
    Field("wps", "wps", "tokens/second/device"),
    Field("tflops", "tflops", "TFLOP/second/device"),
    Field("mfu", "mfu", "percent"),
)

_STEP = re.compile(r"(?P<held_out>\bvalidate )?\bstep:\s*(?P<step>\d+)\s+(?=loss:)")
_PAIR = re.compile(r"(?<![\w./])(?P<label>[A-Za-z_][\w./]{0,200}):\s*+(?P<value>[^\s:]++)")
_RANK = re.compile(r"\[(?:rank|default)(?P<rank>\d{1,9})\]:")
_CONFIG = re.compile(r"\bRunning with (?:configs|args): (?=\{)")
_SIZE = re.compile(r"\bsize: (?P<n>\d[\d,]{0,20}) total parameters")
_START = re.compile(r"\bTraining starts at step (?P<step>\d+)")
_SHAPE = {
    "local_batch_size": re.compile(r"local batch size (\d{1,18})"),
    "global_batch_size": re.compile(r"global batch size (\d{1,18})"),
    "gradient_accumulation_steps": re.compile(r"gradient accumulation steps (\d{1,18})"),
    "sequence_length": re.compile(r"sequence length (\d{1,18})"),
    "total_steps": re.compile(r"total steps (\d{1,18})"),
    "warmup_steps": re.compile(r"\(warmup (\d{1,18})\)"),
}
_LONGEST_CONFIG = 500_000


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a log: by a line of a step, or the mark that its logger sets before each line."""
    text = early(probe)
    if _STEP.search(text) or "[titan] " in text:
        return Sign(Level.TEXT, "it has lines as torchtitan prints them, `step: N  loss:`")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a log; see `db.readers.format`."""
    log = _Torchtitan(path)
    for line in log.lines():
        log.take(line)
        yield from log.due()
    log.conclude()
    yield from log.end()


class _Torchtitan(Reading):
    def __init__(self, path: Path) -> None:
        super().__init__(path, FIELDS)
        self._config: list[str] | None = None
        self._config_rank: str | None = None
        self._size = self._depth = 0
        self._rank: str | None = None
        self._chosen = False
        self._others = self._none = 0

    def take(self, line: str) -> None:
        found = _RANK.search(line[:200])
        rank = found["rank"] if found else None
        if self._config is not None:
            if rank in (None, self._config_rank):
                self._configured(line[found.end() :] if found else line)
        elif not self.config and (match := _CONFIG.search(line)):
            self._config, self._config_rank, self._size, self._depth = [], rank, 0, 0
            self._configured(line[match.end() :])
        for match, rest in records(line, _STEP):
            self._step(match, rest, rank)
        self._at_start(line)

    def _configured(self, text: str) -> None:
        """Take a line of the printed config; keep it once it is whole."""
        if self._config is None:
            return
        self._config.append(text)
        self._size += len(text)
        self._depth += text.count("{") - text.count("}")
        if self._depth > 0 and self._size < _LONGEST_CONFIG:
            return
        try:
            content = json.JSONDecoder().raw_decode("\n".join(self._config).strip())[0]
        except (ValueError, RecursionError):
            self.note("The printed config cannot be read: lines of other processes stand in it, or it is no JSON.")
            content = {}
        self._config = None
        for key, value in flatten(content).items() if isinstance(content, dict) else ():
            self.setting(key, value)

    def _at_start(self, line: str) -> None:
        if "total parameters" in line and (match := _SIZE.search(line)):
            self.summary["num_parameters"] = int(match["n"].replace(",", ""))
        if "batch size " in line and "sequence length " in line:
            for key, pattern in _SHAPE.items():
                if match := pattern.search(line):
                    self.setting(key, int(match[1]))
        if (match := _START.search(line)) and (step := self.step(match["step"])) is not None:
            self.restart(step)

    def _step(self, match: re.Match[str], rest: str, rank: str | None) -> None:
        read = {pair["label"]: pair["value"] for pair in _PAIR.finditer(rest)}
        loss = numeral(read.get("loss", ""))
        if loss is not None and loss < 0:
            self._none += 1
            return
        if not self._chosen:
            self._rank, self._chosen = rank, True
        if rank != self._rank:
            self._others += 1
            return
        step = self.step(match["step"])
        if step is None:
            return
        if match["held_out"]:
            self.value("loss", read.get("loss", ""), step, name="validation_metrics/loss")
            return
        for label, text in read.items():
            bare = text.partition("GiB")[0].removesuffix("%")
            if text != "N/A":
                self.value(label, bare, step)
            elif label in ("mfu", "tflops"):
                self.missing(label, step)

    def conclude(self) -> None:
        """Say what the whole of the log shows."""
        self.note("The loss of a line is that of its step alone; tps and tflops are means since the line before.")
        if self._others:
            self.note(f"{self._others} lines of other ranks were left out: rank {self._rank} prints the same steps.")
        if self._none:
            self.note(f"{self._none} lines have a loss below 0 and were left out: their rank computes none.")
