"""The quantities that a mapping of scores can name, and the usual names of their columns."""

from __future__ import annotations

from db.fields import Candidate, normalise, split_unit

#: Every field of a mapping of scores, with what it is. Those of the model come first, then those of the score.
FIELDS = {
    "model": "name of the model",
    "entry": "what was evaluated, where several rows share a name (name, precision, revision)",
    "system": "name of the model in the table of computes, where it is another one",
    "base_model": "pretrained model that it was made from",
    "organisation": "who published it",
    "family": "family of models that it belongs to",
    "type": "kind of model",
    "architecture": "architecture",
    "n_params": "model size in parameters, with all experts (N)",
    "n_params_active": "parameters that one token uses",
    "n_tokens": "tokens that the base model was pretrained on (D)",
    "compute_flop": "pretraining compute in FLOP (C)",
    "compute_low": "lower end of the compute in FLOP",
    "compute_high": "upper end of the compute in FLOP",
    "released": "date of publication",
    "modified": "date of the last change of the files",
    "merged": "whether it was merged from others",
    "moe": "whether it is a mixture of experts",
    "flagged": "whether the source warns of it",
    "key": "identifier that the source gives the row",
    "task": "name of the task (a table with one row a score)",
    "score": "the score (a table with one row a score)",
    "stderr": "standard error of the score",
    "scorers": "scores of several scorers with their standard errors, as in choice:0.85±0.02",
    "n_items": "questions that were asked",
    "n_shot": "examples shown in the prompt",
    "chance": "score of guessing at random",
    "metric": "what was measured, such as acc",
    "version": "version of the task or of its grader",
    "harness": "program or site that ran the evaluation",
    "filter": "how answers were extracted before scoring",
    "chat_template": "whether questions were put into the chat template",
    "evaluated": "date of the evaluation or submission",
}
ALIASES = {"N": "n_params", "D": "n_tokens", "C": "compute_flop", "organization": "organisation"}
TEXT_FIELDS = (
    "model", "entry", "system", "base_model", "organisation", "family", "type", "architecture", "key", "task",
    "scorers", "metric", "version", "harness", "filter",
)  # fmt: skip
DATE_FIELDS = ("released", "modified", "evaluated")
BOOLEAN_FIELDS = ("merged", "moe", "flagged", "chat_template")
NUMBER_FIELDS = tuple(f for f in FIELDS if f not in (*TEXT_FIELDS, *DATE_FIELDS, *BOOLEAN_FIELDS))
#: Fields that describe the model; the rest describe the score.
MODEL_FIELDS = tuple(FIELDS)[: tuple(FIELDS).index("key")]
#: Fields that only a table with one row a score has as columns.
LONG_FIELDS = ("task", "score", "scorers", "stderr", "n_items", "chance", "metric", "version", "filter", "n_shot")
_SCALED = ("n_params", "n_params_active", "n_tokens", "compute_flop", "compute_low", "compute_high")

# The names in one group mean the same, so two of them in a file are ambiguous; an earlier group wins over a later one.
_USUAL: dict[str, tuple[tuple[str, ...], ...]] = {
    "model": (("model", "fullname"), ("model_name",), ("model_id",), ("system",), ("name",)),
    "entry": (("entry", "eval_name"), ("model_id",)),
    "base_model": (("base_model", "mapped_base_model", "identified_base_model"), ("base",)),
    "organisation": (("organisation", "organization", "org", "creator", "developer", "lab"),),
    "family": (("family", "model_family", "base_model_family"),),
    "type": (("type", "model_type"),),
    "architecture": (("architecture", "arch"),),
    "n_params": (
        (
            "N", "params", "param", "parameters", "n_params", "num_params", "nparams", "n_parameters", "num_parameters",
            "parameter_count", "param_count", "model_size", "model_params", "total_params",
        ),
    ),
    "n_params_active": (("n_params_active", "active_params", "active_parameters", "params_active"),),
    "n_tokens": (
        (
            "D", "tokens", "n_tokens", "num_tokens", "ntokens", "token_count", "train_tokens", "training_tokens",
            "pretrain_tokens", "pretraining_tokens", "pretraining_data_size", "total_tokens",
        ),
        ("training_dataset_size",),
    ),
    "compute_flop": (
        (
            "C", "flop", "flops", "compute", "compute_flop", "compute_flops", "train_flops", "training_flops",
            "total_flops", "training_compute", "train_compute", "training_compute_flop", "pretrain_compute",
            "pretraining_compute", "pretrain_compute_flop",
        ),
    ),
    "compute_low": (("compute_low", "compute_flop_low"),),
    "compute_high": (("compute_high", "compute_flop_high"),),
    "released": (
        ("released", "release_date", "version_release_date", "date_released"),
        ("upload_to_hub_date", "upload_date", "uploaded", "publication_date", "published"),
        ("date",),
    ),
    "modified": (("modified", "last_modified", "lastmodified", "updated", "last_updated"),),
    "merged": (("merged", "is_merge", "is_merged"),),
    "moe": (("moe", "is_moe"),),
    "flagged": (("flagged", "is_flagged"),),
    "task": (("task", "task_name"), ("benchmark", "benchmark_name"), ("eval", "dataset")),
    "score": (("score",), ("accuracy", "acc"), ("value", "result")),
    "stderr": (("stderr", "std_err", "standard_error", "score_stderr", "se"),),
    "n_items": (("n_items", "n_samples", "n_questions", "num_questions", "num_samples"),),
    "n_shot": (("n_shot", "num_fewshot", "shots", "n_shots"),),
    "chance": (("chance", "random_baseline"),),
    "metric": (("metric", "metric_name"),),
    "version": (("version", "task_version"),),
    "harness": (("harness",),),
    "filter": (("filter",),),
    "chat_template": (("chat_template", "apply_chat_template"),),
    "evaluated": (
        ("evaluated", "evaluated_on", "evaluated_at", "eval_date"), ("submission_date", "submitted"), ("started_at",),
    ),
}  # fmt: skip
# Columns of numbers that are no score by their name: what a table of scores says about the model beside its scores.
_NO_SCORE = frozenset(
    (
        "id", "index", "rank", "line", "downloads", "likes", "votes", "generation", "epochs", "year", "month", "day",
        "cost", "price", "co2", "carbon", "emissions", "average", "avg", "mean", "sum", "total", "size", "latency",
        "seconds", "minutes", "hours", "time", "hub", "confidence", "log10", "flop", "flops",
    )
)  # fmt: skip
_UNITS = {"zflop": 1e21, "zflops": 1e21, "eflop": 1e18, "eflops": 1e18, "flop": 1.0, "flops": 1.0, "tokens": 1.0}
_UNITS |= {"datapoints": 1.0}


def canonical(field: str) -> str:
    """Full name of a field; other names come back as they are."""
    return ALIASES.get(field, field)


def candidate(column: str, field: str) -> Candidate | None:
    """Judge by its name whether a column is a field.

    Parameters
    ----------
    column : str
        Name of the column.
    field : str
        Name of the field.

    Returns
    -------
    Candidate or None
        How good the name is, and the factor to the unit of the field: ``Model Size (B)`` has 1e9.
    """
    normal = normalise(column)
    base, factor = _unit_of(normal) if field in _SCALED else (normal, 1.0)
    for rank, group in enumerate(_USUAL.get(field, ())):
        for usual in group:
            if len(usual) == 1:  # single letters are what the field writes in capitals
                if column.strip() == usual:
                    return Candidate(rank, 1.0)
                if base == usual.lower() and factor != 1.0 and column.strip().startswith(usual):
                    return Candidate(rank, factor)
            elif usual in (normal, base):
                return Candidate(rank, 1.0 if usual == normal else factor)
    return None


def is_no_score(column: str) -> bool:
    """Whether a column of numbers is something else than a score, by its name."""
    words = set(normalise(column).split("_"))
    if words & _NO_SCORE:
        return True
    return any(candidate(column, field) is not None for field in FIELDS if field not in ("score", "task"))


def _unit_of(normal: str) -> tuple[str, float]:
    base, _, last = normal.rpartition("_")
    if base and last in _UNITS:
        return base, _UNITS[last]
    return split_unit(normal)
