"""Results of the LM evaluation harness: ``results_<time>.json`` and directories of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.problems import Problem
from db.readers.complaints import Complaints
from db.readers.evaluated import checkpoint_step, count, day, known, mapping, result, stderr, text, unit_of
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, ScoreFound
from db.readers.probe import Probe
from db.readers.text import flatten, guarded, json_document
from scaling.errors import ReadError

NAME = "lm-eval"
WHAT = "results of the LM evaluation harness"
READS = (
    "`results_*.json`, one by one or a directory of them: every metric and filter of every task and group, with its "
    "standard error, version, shots, questions, direction, and what is said of the model. Questions in "
    "`samples_*.jsonl` are counted and held against the number of the results."
)
LEAVES_OUT = "The answers in `samples_*.jsonl`."
TRIED = "lm-eval 0.4.13"
FIELDS: Sequence[Field] = (
    Field("value", "results.<task>.<metric>,<filter>", required=True),
    Field("stderr", "results.<task>.<metric>_stderr,<filter>"),
    Field("task_version", "versions.<task>"),
    Field("n_shot", "n-shot.<task>", unit="examples"),
    Field("n_samples", "n-samples.<task>.effective", unit="questions"),
    Field("higher_is_better", "higher_is_better.<task>.<metric>"),
    Field("model", "model_name"),
    Field("n_params", "config.model_num_parameters", unit="parameters"),
    Field("revision", "config.model_revision"),
    Field("sha", "config.model_sha"),
    Field("evaluated", "date", unit="seconds since 1970"),
)
UPSERTS = False

_TIME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
_RESULTS = re.compile(rf"results_({_TIME})\.json\Z")
_SAMPLES = re.compile(rf"samples_(.+)_({_TIME})\.jsonl\Z", re.DOTALL)
_ANY_TIME = re.compile(rf"_({_TIME})\.json\Z")
_METRIC = re.compile(rb'"[^"\\\n]{1,200},[^"\\\n]{1,200}"\s*:\s*(?:[-\d.NI]|"N/A")')
#: Keys of a task that are numbers and no metrics.
_NO_METRICS = frozenset(("sample_len", "sample_count", "samples", "name", "alias"))


def sniff(probe: Probe) -> Sign | None:
    """Known by the names of the files in a directory, or by the keys of the results."""
    if probe.is_dir:
        times = {found[1] for name in probe.names if (found := _RESULTS.match(name))}
        if not times:
            return None
        samples = [name for name in probe.names if (found := _SAMPLES.match(name)) and found[2] in times]
        results = [name for name in probe.names if _RESULTS.match(name)]
        return Sign(Level.DIRECTORY, f"there is a {results[0]} in it", (*results, *samples))
    if not probe.name.lower().endswith(".json") or "results" not in probe.keys:
        return None
    if {"versions", "config"} <= probe.keys:
        return Sign(Level.KEYS, "it has the keys results, versions and config")
    if _METRIC.search(probe.head):
        return Sign(Level.KEYS, "it has results under keys of a metric and a filter")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read one file of results, or those of a directory; see `db.readers.format`."""
    if not path.is_dir():
        yield from _read_results(path, ())
        return
    whole, error = 0, None
    for name in entries:
        if not (found := _RESULTS.match(name)):
            continue
        beside = [path / other for other in entries if (its := _SAMPLES.match(other)) and its[2] == found[1]]
        try:
            yield from _read_results(path / name, beside)
            whole += 1
        except ReadError as one:  # the other files of the directory are none the worse for it
            error = one
            yield Problem(one.path, 1, None, None, one.reason)
    if error is not None and not whole:
        raise error


def _read_results(path: Path, samples: Sequence[Path]) -> Iterator[Found]:
    log = json_document(path)
    if not isinstance(log, dict) or not isinstance(log.get("results"), dict):
        raise ReadError(str(path), "it has no results of tasks: there is no object 'results' in it")
    complaints = Complaints(str(path))
    shared = _shared(path, log)
    yield from _said(path, log)
    filters: dict[str, set[str]] = {}
    # Groups stand among the results, or beside them, or in both.
    for task, values in (mapping(log.get("groups")) | log["results"]).items():
        for metric, under, value, error in _metrics(mapping(values)):
            filters.setdefault(task, set()).add(under)
            column = f"{task}: {metric},{under}"
            number = result(complaints, column, value)
            if number is not None:
                yield _score(log, task, metric, under, number, stderr(complaints, column, error), shared)
    yield from complaints.rest()
    yield from _counted(log, samples, filters)


def _metrics(values: dict[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    """Metric, filter, value and standard error; before version 0.4 there were no filters."""
    filtered = any("," in key for key in values)
    for key, value in values.items():
        metric, comma, under = key.partition(",") if filtered else (key, ",", "none")
        if not comma or key in _NO_METRICS or metric.endswith("_stderr"):
            continue
        if not filtered and (isinstance(value, bool) or not isinstance(value, int | float)):
            continue
        yield metric, under, value, values.get(f"{metric}_stderr,{under}" if filtered else f"{metric}_stderr")


def _score(
    log: dict[str, Any], task: str, metric: str, under: str, value: float, error: float | None, shared: dict[str, Any]
) -> ScoreFound:
    def of_task(key: str) -> Any:
        return mapping(log.get(key)).get(task)

    parts = mapping(log.get("group_subtasks")).get(task) or []
    group = bool(parts) or task in mapping(log.get("groups"))
    samples = mapping(of_task("n-samples"))
    values = mapping(log["results"].get(task)) or mapping(of_task("groups"))
    asked = count(samples.get("effective"))
    if asked is None:
        asked = count(mapping(values.get("sample_count")).get(f"{metric},{under}"))
    shots = of_task("n-shot")
    better = mapping(of_task("higher_is_better")).get(metric)
    extra = {
        "unit": unit_of(metric, value),
        "group": group or None,
        "parts": parts if group and isinstance(parts, list) else None,
        "questions_of_task": count(samples.get("original")),
        "task_hash": text(of_task("task_hashes")),
    }
    return ScoreFound(
        task=task,
        metric=metric,
        value=value,
        filter=under,
        stderr=error,
        n_samples=asked or None,
        n_shot=count(mapping(of_task("configs")).get("num_fewshot") if shots is None else shots),
        task_version=text(of_task("versions")),
        higher_is_better=better if isinstance(better, bool) else None,
        **(shared | {"extra": shared["extra"] | known(extra)}),
    )


def _shared(path: Path, log: dict[str, Any]) -> dict[str, Any]:
    """What all results of a file have in common."""
    config = mapping(log.get("config"))
    args = _arguments(config.get("model_args"))
    name = (
        text(log.get("model_name"))
        or next((text(args[key]) for key in ("pretrained", "model", "path") if key in args), None)
        or text(config.get("model"))
        or path.parent.name
    )
    revision = text(config.get("model_revision")) or text(args.get("revision"))
    time = _ANY_TIME.search(path.name)
    started = log.get("date", config.get("date"))
    size = count(config.get("model_num_parameters"))
    about = {
        "n_params": size or None,
        "revision": None if revision == "main" else revision,
        "sha": text(config.get("model_sha")),
        "dtype": text(config.get("model_dtype")),
        "model_args": config.get("model_args"),
        "backend": text(log.get("model_source")) or text(config.get("model")),
    }
    extra: dict[str, Any] = {
        "limit": config.get("limit"),
        "git_hash": text(log.get("git_hash")),
        "gen_kwargs": config.get("gen_kwargs"),
        "system_instruction": text(log.get("system_instruction")),
        "fewshot_seed": config.get("fewshot_seed"),
    }
    if "chat_template" in log:
        extra["chat_template"] = bool(log["chat_template"])
    version = text(log.get("lm_eval_version"))
    return {
        "model": name,
        "step": checkpoint_step(revision, name),
        "harness": " ".join(part for part in ("lm-evaluation-harness", version) if part),
        "evaluated": day(started) or (day(time[1]) if time else None),
        "key": time[1] if time else text(started),
        "about_model": known(about),
        "extra": known(extra),
    }


def _arguments(value: Any) -> dict[str, Any]:
    """Arguments of the model: an object, or a text of ``name=value`` with commas."""
    if isinstance(value, str):
        pairs = (part.partition("=") for part in value.split(","))
        return {name.strip(): given.strip() for name, equals, given in pairs if equals}
    return flatten(mapping(value))


def _said(path: Path, log: dict[str, Any]) -> Iterator[Note]:
    config = mapping(log.get("config"))
    limit = config.get("limit")
    if limit is not None:
        what = f"{limit:.0%}" if isinstance(limit, float) and limit < 1 else f"the first {limit} questions"
        yield Note(f"{path}: results are of {what} of each task (limit), so they are not those of the whole tasks.")
    groups = [task for task, parts in mapping(log.get("group_subtasks")).items() if parts]
    groups = [task for task in groups if any("," in key for key in mapping(log["results"].get(task)))]
    if groups:
        yield Note(f"{path}: results of groups repeat those of their tasks, and are marked as groups.")


def _counted(log: dict[str, Any], samples: Sequence[Path], filters: dict[str, set[str]]) -> Iterator[Note]:
    """Hold the lines of files of samples against the number of questions; each filter writes a line."""
    for path in samples:
        found = _SAMPLES.match(path.name)
        task = found[1] if found else ""
        asked = count(mapping(mapping(log.get("n-samples")).get(task)).get("effective"))
        if asked is None:
            continue
        expected, lines = asked * max(1, len(filters.get(task, ()))), _lines(path)
        if lines != expected:
            yield Note(
                f"{path} has {lines:,} lines where the results of {asked:,} questions ask for {expected:,}: one of the "
                "two is of another run, or was cut off."
            )


def _lines(path: Path) -> int:
    """Lines of a file that hold something; a last one needs no end."""
    lines, last = 0, b"\n"
    with guarded(path), path.open("rb") as stream:
        while block := stream.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")
