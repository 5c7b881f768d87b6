"""Console logs of OLMo-core and of OLMo, and the metrics that OLMo-core saves as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.problems import Problem
from db.readers.collect import Collector, number
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.log_lines import Reading, early, numeral
from db.readers.probe import Probe
from db.readers.text import flatten, json_document
from scaling.errors import ReadError

NAME = "olmo"
WHAT = "a log of OLMo-core or OLMo, or the metrics it saves"
READS = (
    "Blocks of the console log, `[step=N/M,epoch=K,...]` and the lines `    name=value` below it, and the parameters "
    "that OLMo counts; "
    "`metrics_step{N}.json` as values, `metrics.json` as the summary, and `config.json` as settings."
)
LEAVES_OUT = "Metrics that the console does not print: it shows a choice of them. Configs that are printed."
TRIED = "blocks and files written by the callbacks of OLMo-core 3.0.0"
UPSERTS = False
FIELDS: Sequence[Field] = (
    Field("step", "step", "steps", required=True),
    Field("tokens", "throughput/total tokens", "tokens"),
    Field("train/CE loss", "train/CE loss", "nats/token"),
    Field("train/CrossEntropyLoss", "train/CrossEntropyLoss", "nats/token"),
    Field("eval/*/CE loss", "eval/*/CE loss", "nats/token"),
    Field("train/PPL", "train/PPL"),
    Field("optim/total grad norm", "optim/total grad norm"),
    Field("throughput/total tokens", "throughput/total tokens", "tokens"),
    Field("throughput/total petaflops", "throughput/total petaflops", "PFLOP"),
    Field("throughput/device/TPS", "throughput/device/TPS", "tokens/second/device"),
)

_HEADER = re.compile(r"\[step=(?P<step>\d+)/(?:\d+|\?{3})(?:,epoch=\d+|\])")
_SAVED = re.compile(r"metrics_step(\d{1,18})\.json\Z")
_TOKENS = ("throughput/total tokens", "throughput/total_tokens")
_KEYS = ("train/CE loss", "optim/total grad norm", *_TOKENS)
_SIZES = (
    ("num_parameters", re.compile(r"\bTotal number of parameters: (\d[\d,]{0,20})")),
    ("num_non_embedding_params", re.compile(r"\bNumber of non-embedding parameters: (\d[\d,]{0,20})")),
)
_RESUMED = re.compile(r"\bWill resume training from step (?P<step>\d+)")
_LONGEST_NAME = 200
#: Values of a block that are held until its tokens are known.
_BLOCK = 10_000


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a log: by saved metrics in a directory, keys of a JSON file, or the head of a block."""
    if probe.is_dir:
        saved = tuple(name for name in probe.names if _SAVED.match(name))
        if not saved:
            return None
        others = tuple(name for name in probe.names if name in ("metrics.json", "config.json"))
        return Sign(Level.DIRECTORY, f"it has {saved[0]}", saved + others)
    if probe.name.endswith(".json"):
        known = [key for key in _KEYS if key in probe.keys]
        return Sign(Level.KEYS, f"it has the key '{known[0]}'") if known else None
    if _HEADER.search(early(probe)):
        return Sign(Level.TEXT, "it has lines as OLMo prints them, `[step=N/M`")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a log, a file of metrics, or a directory of them; see `db.readers.format`."""
    if entries:
        yield from _saved(path, entries)
    elif path.suffix == ".json":
        yield from _saved(path.parent, (path.name,))
    else:
        log = _Olmo(path)
        log.note("The console of OLMo prints some four significant digits.")
        for line in log.lines():
            log.take(line)
            yield from log.due()
        log.close_block()
        yield from log.end()


class _Olmo(Reading):
    def __init__(self, path: Path) -> None:
        super().__init__(path, FIELDS, suffixes=True)
        self._step: int | None = None
        self._block: dict[str, str] = {}

    def take(self, line: str) -> None:
        if match := _HEADER.search(line):
            self.close_block()
            self._step = self.step(match["step"])
        elif self._step is not None:
            head, equals, text = line.rpartition("=")
            name = head[head.rfind("    ") + 4 :] if "    " in head else ""
            if equals and "/" in name and len(name) <= _LONGEST_NAME and not name.startswith(" "):
                self._block[name] = text
        if "parameters: " in line:
            for name, pattern in _SIZES:
                if match := pattern.search(line):
                    self.summary[name] = int(match[1].replace(",", ""))
        if match := _RESUMED.search(line):
            self.close_block()
            if (step := self.step(match["step"])) is not None:
                self.restart(step + 1)
        if len(self._block) >= _BLOCK:
            step = self._step
            self.close_block()
            self._step = step

    def close_block(self) -> None:
        """Keep the values of a block, with the tokens that one of its lines counts."""
        counted = (numeral(self._block.get(name, ""), suffixes=True) for name in _TOKENS)
        tokens = next((value for value in counted if value is not None), math.nan)
        for name, text in self._block.items():
            self.value(name, text, self._step, tokens)
        self._block, self._step = {}, None


def _saved(folder: Path, names: Sequence[str]) -> Iterator[Found]:
    """Metrics that were saved at steps, in the order of the steps; the last ones are the summary."""
    steps = sorted((int(match[1]), name) for name in names if (match := _SAVED.match(name)))
    config = _metrics(folder / "config.json") if "config.json" in names else {}
    last = [name for name in names if not _SAVED.match(name) and name != "config.json"]
    summary = {key: value for name in last for key, value in _metrics(folder / name).items()}
    yield RunFound("", config=flatten(config), summary=flatten(summary))
    if summary and not steps:
        yield Note("metrics.json keeps the last value of each metric, of whatever step: no lowest value, no history.")
    if len(steps) > 1:
        yield Note("A saved file repeats the last value of a metric that was not logged anew, as those of evaluations.")
    collector, error = Collector(), None
    for step, name in steps:
        try:
            metrics = _metrics(folder / name)
        except ReadError as one:
            error = one
            yield Problem(one.path, 1, None, None, one.reason)
            continue
        tokens = next((count for key in _TOKENS if (count := number(metrics.get(key))) is not None), math.nan)
        for key, value in metrics.items():
            read = number(value)
            if read is not None or value is None:
                collector.add("", key, step, read, tokens)
        if collector.full:
            yield from collector.flush()
    yield from collector.flush()
    if error is not None and len(steps) == 1:
        raise error


def _metrics(path: Path) -> dict[str, Any]:
    content = json_document(path)
    if not isinstance(content, dict):
        raise ReadError(str(path), "it is no JSON object")
    return content
