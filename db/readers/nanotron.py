"""Text logs of nanotron, which prints every number with three significant digits."""

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
from db.readers.repr_text import settings

NAME = "nanotron"
WHAT = "a text log of nanotron"
READS = (
    "Lines `iteration: N / M | ...` with all their numbers (K, M, G or B, T are read), the printed Config as settings, "
    "the line of the start of training, and the number of parameters."
)
LEAVES_OUT = "Memory reports and values that are no numbers, such as eta. Config files (YAML)."
TRIED = "lines printed by the logger of 0.4; the config and later names from logs that others published"
UPSERTS = False
DIGITS = 3
FIELDS: Sequence[Field] = (
    Field("step", "iteration", "steps", required=True),
    Field("tokens", "consumed_tokens", "tokens"),
    Field("lm_loss", "lm_loss", "nats/token"),
    Field("lr", "lr"),
    Field("grad_norm", "grad_norm"),
    Field("global_batch_size", "global_batch_size", "sequences"),
    Field("elapsed_time_per_iteration_ms", "elapsed_time_per_iteration_ms", "milliseconds"),
    Field("time_per_iteration_ms", "time_per_iteration_ms", "milliseconds"),
    Field("tokens_per_sec", "tokens_per_sec", "tokens/second"),
    Field("tokens_per_sec_per_gpu", "tokens_per_sec_per_gpu", "tokens/second/device"),
    Field("model_tflops_per_gpu", "model_tflops_per_gpu", "TFLOP/second/device"),
    Field("hardware_tflops_per_gpu", "hardware_tflops_per_gpu", "TFLOP/second/device"),
)

_ITERATION = re.compile(r"\biteration:\s*(?P<step>\d+)\s*/\s*(?P<total>\d+)\s*\|")
_CONFIG = re.compile(r"\bConfig\(general=")
_PREFIX = re.compile(r"\A.{0,200}?\[(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)[^\]]{0,200}\]: ?")
_START = re.compile(r"\[Start training\] datetime: [^|]{0,80}\|(?P<pairs>.*)\Z")
_PARAMETERS = re.compile(r"Total number of parameters: (?P<n>[\d.]{1,20}[KMBGTPE]?)\b")
_LONGEST_CONFIG = 500_000
#: What three digits can be off by, and a little more.
_ROUNDED = 0.006


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a log: by a line of an iteration, or the printed config."""
    text = early(probe)
    if _ITERATION.search(text) or _CONFIG.search(text):
        return Sign(Level.TEXT, "it has lines as nanotron prints them, `iteration: N / M |` or its Config")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a log; see `db.readers.format`."""
    log = _Nanotron(path)
    log.note("nanotron prints three significant digits, and so precise are all values, tokens and parameters.")
    for line in log.lines():
        log.take(line)
        yield from log.due()
    log.configured()
    yield from log.end()


class _Nanotron(Reading):
    def __init__(self, path: Path) -> None:
        super().__init__(path, FIELDS, DIGITS, suffixes=True)
        self._config: list[str] = []
        self._size = self._depth = 0
        self._start: tuple[int, float] | None = None

    def take(self, line: str) -> None:
        if self._config:
            self._configured(line)
        elif match := _CONFIG.search(line):
            self._depth = self._size = 0
            self._configured(line[match.start() :])
        for match, rest in records(line, _ITERATION):
            self._iteration(match, rest)
        if match := _START.search(line):
            self._started(dict(pairs(match["pairs"])))
        elif (match := _PARAMETERS.search(line)) and (count := numeral(match["n"], suffixes=True)) is not None:
            self.summary["num_parameters"] = count

    def _configured(self, line: str) -> None:
        """Take a line of the printed config; each may have a prefix of its own."""
        body = _PREFIX.sub("", line, count=1)
        self._config.append(body)
        self._size += len(body)
        self._depth += body.count("(") - body.count(")")
        if self._depth <= 0 or self._size > _LONGEST_CONFIG:
            self.configured()

    def configured(self) -> None:
        """Keep what was printed of the config."""
        for key, value in settings("\n".join(self._config)).items():
            self.setting(key, value)
        self._config = []

    def _started(self, banner: dict[str, str]) -> None:
        for key, text in banner.items():
            self.setting(key, plain(text))
        step, samples = (
            numeral(banner.get("start_iteration_step", "")),
            numeral(banner.get("consumed_train_samples", "")),
        )
        if step is not None and samples is not None and 0 <= step < 2**53:
            self._start = int(step), samples
            self.restart(int(step) + 1)

    def _iteration(self, match: re.Match[str], rest: str) -> None:
        step = self.step(match["step"])
        if step is None:
            return
        read = dict(pairs(rest))
        tokens = self._tokens(step, read.get("consumed_tokens"))
        for label, text in read.items():
            if label != "consumed_tokens":
                self.value(label, text, step, tokens)
        if "train_steps" not in self.config:
            self.setting("train_steps", int(match["total"][:18]))

    def _tokens(self, step: int, text: str | None) -> float:
        """Tokens: counted exactly from the start where the batch is known and the printed number agrees."""
        printed = numeral(text or "", suffixes=True)
        if printed is None:
            return math.nan
        batch, length = self.config.get("global_batch_size"), self.config.get("sequence_length")
        if self._start is None or not isinstance(batch, int) or not isinstance(length, int):
            return printed
        exact = float((self._start[1] + (step - self._start[0]) * batch) * length)
        return exact if abs(exact - printed) <= _ROUNDED * printed else printed
