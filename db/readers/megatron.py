"""Text logs of Megatron-LM and of what grew from it: Megatron-DeepSpeed, Megatron-LLM, NeMo's older scripts, Primus."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.format import Field, Level, Sign
from db.readers.found import Found
from db.readers.log_lines import Reading, early, numeral, pairs, plain, records
from db.readers.probe import Probe

NAME = "megatron"
WHAT = "a text log of Megatron-LM or Megatron-DeepSpeed"
READS = (
    "Lines `iteration N/ M | ...` with all their numbers, `validation loss at iteration N | ...` and those at the end "
    "of training, the arguments block as settings, and parameters counted at the start."
)
LEAVES_OUT = "Timers, memory reports and values that are no numbers. Arguments that are lists stay text."
TRIED = "from documentation: its source, and logs that others published"
UPSERTS = False
FIELDS: Sequence[Field] = (
    Field("step", "iteration", "steps", required=True),
    Field("tokens", "consumed tokens", "tokens"),
    Field("consumed samples", "consumed samples", "samples"),
    Field("elapsed time per iteration (ms)", "elapsed time per iteration (ms)", "milliseconds"),
    Field("elapsed time per iteration (s)", "elapsed time per iteration (s)", "seconds"),
    Field("learning rate", "learning rate"),
    Field("global batch size", "global batch size", "sequences"),
    Field("lm loss", "lm loss", "nats/token"),
    Field("validation lm loss", "lm loss value", "nats/token"),
    Field("test lm loss", "lm loss value", "nats/token"),
    Field("grad norm", "grad norm"),
    Field("loss scale", "loss scale"),
    Field("number of skipped iterations", "number of skipped iterations", "iterations"),
    Field("number of nan iterations", "number of nan iterations", "iterations"),
    Field("samples per second", "samples per second", "samples/second"),
    Field("TFLOPs", "TFLOPs", "TFLOP/second/device"),
    Field("throughput per GPU (TFLOP/s/GPU)", "throughput per GPU (TFLOP/s/GPU)", "TFLOP/second/device"),
)

_ITERATION = re.compile(r"\biteration\s+(?P<step>\d+)\s*/\s*(?P<total>\d+)\s*\|")
_HELD_OUT = re.compile(
    r"\bvalidation loss at (?:iteration (?P<step>\d+)|(?P<end>the end of training))(?P<which>[^|]{0,200})\|"
)
_OPEN, _CLOSE = re.compile(r"-{4} arguments -{4}"), re.compile(r"-{4} end of arguments -{4}")
_ARGUMENT = re.compile(r"(?<![^\s:])(?P<name>[A-Za-z_]\w{0,200}) (?P<dots>\.*) (?P<value>.*)\Z")
_PARAMETERS = re.compile(
    r"number of parameters on \(tensor, pipeline\) model parallel rank \((?P<t>\d{1,6}), (?P<p>\d{1,6})\): "
    r"(?P<n>\d{1,18})"
)
_LOADED = re.compile(r"successfully loaded checkpoint .{0,2000}? at iteration (?P<step>\d+)")
_MARKS = re.compile(
    f"{_ITERATION.pattern}|{_HELD_OUT.pattern.replace('<step>', '<step2>')}|{_OPEN.pattern}|{_PARAMETERS.pattern}"
)
_MOST_LOSSES = 100
_COUNTERS = ("number of skipped iterations", "number of nan iterations")


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a log: by a line of an iteration, or the block of arguments."""
    if _MARKS.search(early(probe)):
        return Sign(Level.TEXT, "it has lines as Megatron prints them, `iteration N/ M |` or its block of arguments")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a log; see `db.readers.format`."""
    log = _Megatron(path)
    for line in log.lines():
        log.take(line)
        yield from log.due()
    log.conclude()
    yield from log.end()


class _Megatron(Reading):
    def __init__(self, path: Path) -> None:
        super().__init__(path, FIELDS)
        self._block = False
        self._last: tuple[int, float] | None = None
        self._losses: dict[str, None] = {}
        self._parameters: dict[tuple[int, int], int] = {}
        self._lacking = self._skipped = self._nan = 0

    def take(self, line: str) -> None:
        if self._block:
            self._argument(line)
        elif _OPEN.search(line):
            self._block = True
        for found, rest in records(line, _ITERATION):
            self._block = False
            self._iteration(found, rest.partition("validation loss at ")[0])
        for found, rest in records(line, _HELD_OUT):
            self._held_out(found, rest)
        if match := _PARAMETERS.search(line):
            self._parameters[int(match["t"]), int(match["p"])] = int(match["n"])
        elif (match := _LOADED.search(line)) and (step := self.step(match["step"])) is not None:
            self.restart(step + 1)

    def _argument(self, line: str) -> None:
        if _CLOSE.search(line):
            self._block = False
        elif match := _ARGUMENT.search(line):
            self.setting(match["name"], plain(match["value"]))

    def _iteration(self, match: re.Match[str], rest: str) -> None:
        step = self.step(match["step"])
        if step is None:
            return
        read = dict(pairs(rest))
        tokens = self._tokens(read)
        losses = []
        for label, text in read.items():
            # 13372.8/13364.7 is the value and its mean; a line of timers may follow without a break.
            first = text.removesuffix(" time (ms)").split("/")[0]
            if self.value(label, first, step, tokens) and label.endswith("loss"):
                losses.append(label)
        for label in self._losses:
            if label not in read:
                self.missing(label, step, tokens)
                self._lacking += 1
        if len(self._losses) < _MOST_LOSSES:
            self._losses.update(dict.fromkeys(losses))
        self._skipped += _positive(read.get(_COUNTERS[0]))
        self._nan += _positive(read.get(_COUNTERS[1]))
        self._last = step, tokens
        if "train_iters" not in self.config:
            self.setting("train_iters", int(match["total"][:18]))

    def _tokens(self, read: dict[str, str]) -> float:
        counted = numeral(read.get("consumed tokens", ""))
        if counted is not None:
            return counted
        samples, length = numeral(read.get("consumed samples", "")), self.config.get("seq_length")
        if samples is None or not isinstance(length, int):
            return math.nan
        self.note("Tokens are consumed samples times seq_length: the log counts none.")
        return samples * float(length)

    def _held_out(self, match: re.Match[str], rest: str) -> None:
        which = " ".join(match["which"].split())
        last = self._last[0] if self._last else None
        step = last if match["step"] is None else self.step(match["step"])
        if step is None and match["step"] is not None:
            return
        tokens = self._last[1] if self._last and self._last[0] == step else math.nan
        split, tail = "validation", ""
        if "test" in which:
            split = "test"
        elif match["end"] or which in ("on validation set", "for val data"):
            tail = " at the end of training"  # over other batches than the one of the same iteration
        elif which:
            tail = f" {which}"
        for label, text in pairs(rest):
            metric = f"{split} {label.removesuffix(' value')}{tail}"
            self.value(label, text, step, tokens, metric if label.endswith((" value", "PPL")) else None)

    def conclude(self) -> None:
        """Say what the whole of the log shows."""
        self.note("Values of training are means over the iterations since the line before (log_interval).")
        if self._lacking:
            what = "1 loss is" if self._lacking == 1 else f"{self._lacking} losses are"
            why = "Megatron prints none that is NaN or of which every iteration was skipped."
            self.note(f"{what} missing: {why}")
        if self._skipped or self._nan:
            self.note(f"Iterations were skipped ({self._skipped}) or gave NaN ({self._nan}).")
        stages = {p for _, p in self._parameters}
        if stages == {0}:
            self.summary["num_parameters"] = sum(self._parameters.values())
            if len(self._parameters) > 1:
                self.note("num_parameters is a sum over tensor ranks, so norms count once for each of them.")
        elif stages:
            self.note("Parameters of pipeline stages are not summed up: tied embeddings would count twice.")


def _positive(text: str | None) -> int:
    count = numeral(text or "")
    return int(count) if count is not None and math.isfinite(count) and count > 0 else 0
