"""Run directories of HELM: what was run, and the statistics of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.complaints import Complaints
from db.readers.evaluated import checkpoint_step, count, known, mapping, result, text, unit_of
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, ScoreFound
from db.readers.probe import Probe
from db.readers.text import flatten, json_document
from scaling.errors import ReadError

NAME = "helm"
WHAT = "a run directory of HELM"
READS = (
    "`run_spec.json`, `scenario.json` and `stats.json`: the mean of every metric by split, part of a split and "
    "perturbation, the questions, the examples in the prompt, the model and how it was asked. What is not of the "
    "whole, unperturbed test split says so in its filter."
)
LEAVES_OUT = (
    "`per_instance_stats.json` and `scenario_state.json`; statistics of the prompts and of the running, such as tokens "
    "and seconds. HELM gives no standard errors."
)
TRIED = "crfm-helm 0.5.16"
FIELDS: Sequence[Field] = (
    Field("task", "run_spec.name", required=True),
    Field("model", "run_spec.adapter_spec.model", required=True),
    Field("metric", "stats[].name.name", required=True),
    Field("value", "stats[].mean", required=True),
    Field("filter", "stats[].name.split, .sub_split, .perturbation"),
    Field("n_samples", "stats[num_instances].mean", unit="questions"),
    Field("n_shot", "stats[num_train_instances].mean", unit="examples"),
)
UPSERTS = False

_SPEC, _STATS, _SCENARIO = "run_spec.json", "stats.json", "scenario.json"
_LARGE = ("per_instance_stats.json", "scenario_state.json", "instances.json")
#: Statistics of prompts and of running, which measure no model.
_BOOKKEEPING = frozenset(
    (
        "num_instances", "num_train_trials", "num_train_instances", "num_references", "num_prompt_tokens",
        "num_completion_tokens", "num_output_tokens", "num_perplexity_tokens", "num_bytes", "num_completions",
        "num_prompt_characters", "prompt_truncated", "batch_size", "inference_runtime", "inference_denoised_runtime",
        "inference_idealized_runtime", "training_co2_cost", "training_energy_cost", "max_prob",
    )
)  # fmt: skip
_BOOKKEEPING_BEGINS = ("finish_reason_",)
_MAIN_SPLIT = "test"


def sniff(probe: Probe) -> Sign | None:
    """Known by the names in the directory."""
    names = set(probe.names)
    if not {_SPEC, _STATS} <= names:
        return None
    ours = tuple(name for name in (_SPEC, _SCENARIO, _STATS, *_LARGE) if name in names)
    return Sign(Level.DIRECTORY, f"there are {_SPEC} and {_STATS} in it", ours)


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read the statistics of a run; see `db.readers.format`."""
    spec = mapping(json_document(path / _SPEC))
    scenario = mapping(json_document(path / _SCENARIO)) if (path / _SCENARIO).is_file() else {}
    stats = json_document(path / _STATS)
    if not isinstance(stats, list):
        raise ReadError(str(path / _STATS), "it is no list of statistics")
    shared, limit = _shared(path, spec, scenario), _adapter(spec).get("max_eval_instances")
    named = [(mapping(stat.get("name")), stat) for stat in stats if isinstance(stat, dict)]
    counts = {(text(name.get("name")), _filter(name)): stat.get("mean") for name, stat in named}
    yield from _said(path, named, limit)
    complaints = Complaints(str(path / _STATS))
    for name, stat in named:
        metric = text(name.get("name"))
        if metric is None or _is_bookkeeping(metric):
            continue
        under = _filter(name)
        value = result(complaints, f"{metric}, {under}", stat.get("mean"))
        if value is not None:
            yield _score(metric, under, value, name, counts, shared)
    yield from complaints.rest()


def _score(
    metric: str, under: str, value: float, name: dict[str, Any], counts: dict[Any, Any], shared: dict[str, Any]
) -> ScoreFound:
    perturbation = mapping(name.get("perturbation"))
    extra = {
        "unit": unit_of(metric, value),
        "split": text(name.get("split")),
        "sub_split": text(name.get("sub_split")),
        "perturbation": text(perturbation.get("name")),
        "computed_on": text(perturbation.get("computed_on")),
    }
    shots = count(counts.get(("num_train_instances", under)))
    return ScoreFound(
        metric=metric,
        value=value,
        filter=under,
        n_samples=count(counts.get(("num_instances", under))) or None,
        **(
            shared
            | {"n_shot": shared["n_shot"] if shots is None else shots}
            | {"extra": shared["extra"] | known(extra)}
        ),
    )


def _filter(name: dict[str, Any]) -> str:
    """Which questions a statistic is of: ``none`` for the whole test split as it is."""
    split, part, perturbation = name.get("split"), name.get("sub_split"), mapping(name.get("perturbation"))
    parts = []
    if split not in (None, _MAIN_SPLIT):
        parts.append(f"split {split}")
    if part is not None:
        parts.append(f"part {part}")
    if perturbation:
        seed = perturbation.get("seed")
        settings = {
            key: value
            for key, value in perturbation.items()
            if key not in ("name", "robustness", "fairness", "computed_on", "seed")
        }
        told = "".join(f" {key}={value}" for key, value in sorted(flatten(settings).items()))
        on = text(perturbation.get("computed_on")) or "perturbed"
        parts.append(f"{perturbation.get('name')}{told}{'' if seed is None else f' seed {seed}'} ({on})")
    return ", ".join(parts) or "none"


def _is_bookkeeping(metric: str) -> bool:
    return metric in _BOOKKEEPING or metric.startswith(_BOOKKEEPING_BEGINS)


def _adapter(spec: dict[str, Any]) -> dict[str, Any]:
    return mapping(spec.get("adapter_spec"))


def _shared(path: Path, spec: dict[str, Any], scenario: dict[str, Any]) -> dict[str, Any]:
    """What all results of a run have in common."""
    adapter = _adapter(spec)
    model = text(adapter.get("model")) or text(adapter.get("model_deployment"))
    name = text(spec.get("name")) or path.name
    if model is None:
        raise ReadError(str(path / _SPEC), "it names no model: there is no 'adapter_spec.model' in it")
    deployment = text(adapter.get("model_deployment"))
    extra = {
        "scenario": text(scenario.get("name")),
        "run": name,
        "groups": spec.get("groups"),
        "method": text(adapter.get("method")),
        "limit": adapter.get("max_eval_instances"),
        "trials": count(adapter.get("num_train_trials")),
        "temperature": adapter.get("temperature"),
        "max_tokens": adapter.get("max_tokens"),
    }
    return {
        "model": model,
        "task": _task(name),
        "n_shot": count(adapter.get("max_train_instances")),
        "step": checkpoint_step(model),
        "harness": "helm",
        "about_model": known({"deployment": None if deployment == model else deployment}),
        "extra": known(extra),
    }


def _task(name: str) -> str:
    """Name of a run without its model: ``mmlu:subject=anatomy``."""
    scenario, colon, args = name.partition(":")
    kept = [arg for arg in args.split(",") if arg and not arg.startswith(("model=", "model_deployment="))]
    return f"{scenario}{colon}{','.join(kept)}" if kept else scenario


def _said(path: Path, named: Any, limit: Any) -> Iterator[Note]:
    plain = [stat for name, stat in named if name.get("name") == "num_instances" and not name.get("perturbation")]
    asked = sum(count(stat.get("mean")) or 0 for stat in plain)
    if isinstance(limit, int) and 0 < limit <= asked:
        yield Note(f"{path}: it was asked for at most {limit} questions, and has as many: perhaps not the whole task.")
    if any(name.get("perturbation") for name, _ in named):
        yield Note(
            f"{path}: results on perturbed questions stand beside those on the plain ones; their filter says so."
        )
    left = {str(name.get("name")) for name, _ in named if _is_bookkeeping(str(name.get("name")))}
    if left:
        yield Note(f"{path}: {len(left)} statistics of prompts and of running are left out.")
