"""What Levanter keeps of a run beside its checkpoints, ``tracker_metrics.jsonl``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, number, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.log_lines import ended
from db.readers.probe import Probe
from db.readers.text import flatten, json_lines
from scaling.errors import ReadError

NAME = "levanter"
WHAT = "metrics that Levanter keeps of a run (tracker_metrics.jsonl)"
READS = (
    "Lines `{config, summary}`, one a run: settings and last values, with `run_path` as the key of the run where it is "
    "there. Lines of its json_logger with their steps."
)
LEAVES_OUT = "Histograms. There is no history in `{config, summary}`."
TRIED = "from documentation: its source in public repositories"
UPSERTS = True
FIELDS: Sequence[Field] = (
    Field("summary", "summary"),
    Field("config", "config"),
    Field("*/bpb", "summary.*/bpb", "bits/byte"),
    Field("train/loss", "summary.train/loss", "nats/token"),
    Field("eval/loss", "summary.eval/loss", "nats/token"),
    Field("throughput/total_tokens", "summary.throughput/total_tokens", "tokens"),
    Field("throughput/total_gflops", "summary.throughput/total_gflops", "GFLOP"),
    Field("throughput/gflops_per_second", "summary.throughput/gflops_per_second", "GFLOP/second"),
    Field("parameter_count", "summary.parameter_count", "parameters"),
)

_TOKENS = "throughput/total_tokens"
_EVENTS = ("hparams", "log", "summary", "finish")
_DEPTH = 8


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a file: by its keys, or by its name."""
    if probe.is_dir or not probe.name.endswith((".jsonl", ".json", ".jsonl.gz")):
        return None
    if {"config", "summary"} <= probe.keys <= {"config", "summary", "run_path"}:
        return Sign(Level.KEYS, "it has the keys 'config' and 'summary' and no others")
    if {"tracker", "event"} <= probe.keys:
        return Sign(Level.KEYS, "it has the keys 'tracker' and 'event'")
    if probe.name == "tracker_metrics.jsonl":
        return Sign(Level.ENDING, "it is called tracker_metrics.jsonl")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a file; see `db.readers.format`."""
    collector, odd = Collector(), Complaints(str(path))
    n_runs = n_events = 0
    for line, record in json_lines(path):
        if isinstance(record, ReadError):
            odd.add(line, None, None, record.reason, "row")
        elif not isinstance(record, dict):
            odd.add(line, None, None, "the line is no JSON object", "row")
        elif record.get("event") in _EVENTS and "tracker" in record:
            n_events += 1
            yield from _event(record, line, collector, odd)
        elif isinstance(record.get("config"), dict) or isinstance(record.get("summary"), dict):
            n_runs += 1
            yield _run(record, n_runs)
        else:
            odd.add(line, None, None, "the line has neither 'config' nor 'summary'", "row")
        yield from odd.take()
        if collector.full:
            yield from collector.flush()
    yield from collector.flush()
    yield from odd.rest()
    if not n_runs + n_events:
        raise ReadError(str(path), "no line of it is of a run", hint="Say with --format what it is.")
    yield Note("summary has the last value of each metric: no lowest value, and no history.")
    yield Note("Metrics called bpb are in bits per byte, total_gflops in 1e9 FLOP.")
    if not ended(path):
        yield Note("The last line has no end: the run goes on, or was stopped while it wrote.")


def _run(record: dict[str, Any], n: int) -> RunFound:
    """A run of one line; the first without a path is the only one of its file."""
    path = record.get("run_path")
    key = path if isinstance(path, str) and path else "" if n == 1 else f"run {n}"
    config, summary = record.get("config"), record.get("summary")
    return RunFound(
        key,
        name=key.rstrip("/").rpartition("/")[2] or None,
        config=flatten(config) if isinstance(config, dict) else {},
        summary=flatten(summary) if isinstance(summary, dict) else {},
    )


def _event(record: dict[str, Any], line: int, collector: Collector, odd: Complaints) -> Iterator[Found]:
    """What the json_logger writes of one event."""
    event, metrics = record["event"], record.get("metrics")
    run = record.get("run_id")
    key = run if isinstance(run, str) else ""
    if event == "hparams" and isinstance(record.get("hparams"), dict):
        yield RunFound(key, config=flatten(record["hparams"]))
    elif event == "finish" and isinstance(record.get("summary"), dict):
        yield RunFound(key, state="finished", summary=flatten(record["summary"]))
    elif event == "summary" and isinstance(metrics, dict):
        yield RunFound(key, summary=_joined(metrics))
    elif event == "log" and isinstance(metrics, dict):
        step = whole_step(record.get("step"))
        if step is None and record.get("step") is not None:
            odd.add(line, "step", record.get("step"), "the step is no whole number from 0 on", "row")
            return
        read = _joined(metrics)
        tokens = number(read.get(_TOKENS))
        for name, value in read.items():
            one = number(value)
            if one is not None or value is None:
                collector.add(key, name, step, one, math.nan if tokens is None else tokens)


def _joined(metrics: dict[str, Any], prefix: str = "", depth: int = _DEPTH) -> dict[str, Any]:
    """Nested metrics by their path with slashes, as Levanter itself names them."""
    flat: dict[str, Any] = {}
    for key, value in metrics.items():
        if not isinstance(value, dict):
            flat[f"{prefix}{key}"] = value
        elif depth:
            flat.update(_joined(value, f"{prefix}{key}/", depth - 1))
    return flat
