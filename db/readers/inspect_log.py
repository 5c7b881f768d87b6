"""Logs of Inspect: zip files that end in ``.eval``, and JSON. Their results are read, never their samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import number
from db.readers.complaints import Complaints
from db.readers.evaluated import checkpoint_step, count, day, known, mapping, result, stderr, text, unit_of
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, ScoreFound
from db.readers.json_head import LARGEST_MEMBER, first_members
from db.readers.probe import Probe
from db.readers.text import flatten, parse_json
from db.readers.zipped import Zipped, opened_zip
from scaling.errors import ReadError

NAME = "inspect"
WHAT = "an Inspect log"
READS = (
    "`.eval` and `.json` logs: every metric of every scorer and reducer, with its standard error, the samples scored, "
    "the epochs, the task and its version, the model and the settings of the evaluation."
)
LEAVES_OUT = "Samples, transcripts and usage; an evaluation that has not finished has no results yet."
TRIED = "inspect-ai 0.3.285"
FIELDS: Sequence[Field] = (
    Field("model", "eval.model", required=True),
    Field("task", "eval.task", required=True),
    Field("task_version", "eval.task_version"),
    Field("key", "eval.eval_id"),
    Field("evaluated", "eval.created"),
    Field("value", "results.scores[].metrics.<metric>.value", required=True),
    Field("stderr", "results.scores[].metrics.stderr.value"),
    Field("filter", "results.scores[].scorer"),
    Field("n_samples", "results.scores[].scored_samples", unit="questions"),
    Field("n_shot", "eval.task_args.fewshot", unit="examples"),
)
UPSERTS = False

#: Metrics that say how sure another one is, and are no results by themselves.
_ERRORS = ("stderr", "bootstrap_stderr")
_SPREADS = ("std", "var")
#: Metrics that those are the spread of.
_MEANS = ("accuracy", "mean")
#: The group of all samples; how many the others hold is not said.
_ALL = "all"
_WANTED = frozenset(("version", "status", "eval", "results", "stats", "invalidated", "error"))
_UNFINISHED = frozenset(("samples", "reductions"))
_HEADER, _START = "header.json", "_journal/start.json"


def sniff(probe: Probe) -> Sign | None:
    """Known by the first member of the zip file, or by the first keys of the JSON."""
    if probe.head.startswith(b"PK\x03\x04"):
        if _START.encode() in probe.head[30:100]:
            return Sign(Level.MAGIC, "it is a zip file that begins with the journal of an evaluation")
        return Sign(Level.MAGIC, "it is a zip file named .eval") if probe.name.lower().endswith(".eval") else None
    if probe.name.lower().endswith(".json") and {"version", "status", "eval"} <= probe.keys:
        return Sign(Level.KEYS, "it has the keys version, status and eval")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read the results of a log; see `db.readers.format`."""
    if Probe(path).head.startswith(b"PK\x03\x04"):
        with opened_zip(path) as archive:
            log = _from_zip(path, archive)
    else:
        log = {name: value for name, value in first_members(path, _UNFINISHED) if name in _WANTED}
    spec = mapping(log.get("eval"))
    if not spec:
        raise ReadError(str(path), "it does not say what was evaluated: there is no 'eval' in it")
    yield from _said(path, log, spec)
    complaints = Complaints(str(path))
    for score in _scores(log):
        yield from _of_scorer(score, spec, log, complaints)
    yield from complaints.rest()


def _from_zip(path: Path, archive: Zipped) -> dict[str, Any]:
    for name in (_HEADER, _START):
        if name in archive.names:
            raw = archive.read(name, LARGEST_MEMBER).decode("utf-8", errors="replace")
            return mapping(parse_json(raw, str(path)))
    raise ReadError(str(path), f"there is no {_HEADER} in it", hint="Give --format if it is something else.")


def _scores(log: dict[str, Any]) -> list[dict[str, Any]]:
    scores = mapping(log.get("results")).get("scores")
    return [mapping(score) for score in scores] if isinstance(scores, list) else []


def _said(path: Path, log: dict[str, Any], spec: dict[str, Any]) -> Iterator[Note]:
    status = text(log.get("status")) or "started"
    if not _scores(log):
        yield Note(f"{path}: the evaluation has no results; its status is '{status}'.")
    elif status != "success":
        yield Note(f"{path}: the evaluation ended as '{status}', so its results may be of a part of its questions.")
    if log.get("invalidated") is True:
        yield Note(f"{path}: its samples were marked as invalid.")
    limit = mapping(spec.get("config")).get("limit")
    if limit is not None:
        yield Note(f"{path}: results are of a part of the task (limit {limit}).")


def _of_scorer(
    score: dict[str, Any], spec: dict[str, Any], log: dict[str, Any], complaints: Complaints
) -> Iterator[ScoreFound]:
    """Results of one scorer under one reducer."""
    scorer, name = text(score.get("scorer")) or "none", text(score.get("name"))
    reducer = text(score.get("reducer"))
    named = scorer if name in (None, scorer) else f"{scorer}.{name}"
    metrics = {key: mapping(metric) for key, metric in mapping(score.get("metrics")).items()}
    spreads = {key: metric for key, metric in metrics.items() if _kind(key, metric) in (*_ERRORS, *_SPREADS)}
    shared = _shared(spec, log) | {"filter": named if reducer in (None, "mean") else f"{named}, {reducer}"}
    for key, metric in metrics.items():
        if key in spreads:
            continue
        column, grouping = f"{named}.{key}", text(metric.get("group"))
        of = text(mapping(mapping(metric.get("params")).get("metric")).get("name")) if grouping else None
        value = result(complaints, column, metric.get("value"))
        if value is None:
            continue
        near = _beside(key, metric, spreads)
        error = next((near[kind] for kind in _ERRORS if kind in near), None)
        extra = {
            "unit": unit_of(of or key, value),
            "reducer": reducer,
            "grouping": grouping,
            "metric_params": flatten(mapping(metric.get("params"))),
            "unscored_samples": count(score.get("unscored_samples")),
            **{kind: number(near[kind]) for kind in _SPREADS if kind in near},
        }
        yield ScoreFound(
            metric=f"{of}[{key}]" if of else key,
            value=value,
            stderr=stderr(complaints, f"{column}, stderr", error),
            n_samples=None if grouping and key != _ALL else count(score.get("scored_samples")) or None,
            **(shared | {"extra": shared["extra"] | known(extra)}),
        )


def _kind(key: str, metric: dict[str, Any]) -> str:
    return (text(metric.get("name")) or key).split("/")[-1]


def _beside(key: str, metric: dict[str, Any], spreads: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Errors and spreads of a mean, by their kind; those of another group of samples are not its own."""
    if _kind(key, metric) not in _MEANS:
        return {}
    group = metric.get("group")
    return {_kind(name, one): one.get("value") for name, one in spreads.items() if one.get("group") == group}


def _shared(spec: dict[str, Any], log: dict[str, Any]) -> dict[str, Any]:
    """What all results of a log have in common."""
    config, args = mapping(spec.get("config")), mapping(spec.get("task_args"))
    packages, revision = mapping(spec.get("packages")), mapping(spec.get("revision"))
    model = text(spec.get("model")) or "unknown"
    status = text(log.get("status"))
    extra = {
        "status": None if status == "success" else status,
        "invalidated": log.get("invalidated") or None,
        "epochs": count(config.get("epochs")),
        "limit": config.get("limit"),
        "questions_of_task": count(mapping(spec.get("dataset")).get("samples")),
        "dataset": text(mapping(spec.get("dataset")).get("name")),
        "task_args": flatten(args),
        "solver": text(spec.get("solver")),
        "generate": flatten(mapping(spec.get("model_generate_config"))),
        "git_hash": text(revision.get("commit")),
        "run_id": text(spec.get("run_id")),
        "task_id": text(spec.get("task_id")),
    }
    shots = next((args[name] for name in ("fewshot", "num_fewshot", "n_shot") if name in args), None)
    return {
        "model": model,
        "task": text(spec.get("task")) or "unknown",
        "task_version": text(spec.get("task_version")),
        "n_shot": None if isinstance(shots, bool) else count(shots),
        "step": checkpoint_step(model),
        "harness": " ".join(part for part in ("inspect-ai", text(packages.get("inspect_ai"))) if part),
        "evaluated": day(spec.get("created")),
        "key": text(spec.get("eval_id")),
        "about_model": known({"model_args": flatten(mapping(spec.get("model_args")))}),
        "extra": known(extra),
    }
