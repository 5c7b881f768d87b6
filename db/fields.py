"""The quantities that a mapping can name, and the usual names of their columns."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Every field of a mapping, with what it is.
FIELDS = {
    "run_id": "identifier of the run",
    "name": "name of the run",
    "corpus": "corpus it was trained on",
    "step": "training step of the row (a log with one row a step)",
    "tokens": "tokens seen by that step",
    "n_params": "model size in parameters (N)",
    "n_tokens": "training tokens (D)",
    "compute_flop": "training compute in FLOP (C)",
}
#: The field's own letters, accepted wherever a field is named.
ALIASES = {"N": "n_params", "D": "n_tokens", "C": "compute_flop", "dataset": "corpus", "run": "run_id"}
TEXT_FIELDS = ("run_id", "name", "corpus")

# The names in one group mean the same, so two of them in a file are ambiguous; an earlier group wins over a later one.
_USUAL: dict[str, tuple[tuple[str, ...], ...]] = {
    "run_id": (("run_id", "runid", "run_uuid"), ("run",), ("id",), ("run_name",), ("exp_name",), ("name",)),
    "name": (("name", "run_name", "display_name"), ("exp_name", "experiment_name")),
    "corpus": (("corpus", "dataset", "train_set", "training_set", "train_dataset", "dataset_name"), ("data",)),
    "step": (("step", "_step", "global_step", "iteration", "iter"),),
    "n_params": (
        (
            "N", "params", "param", "parameters", "n_params", "num_params", "nparams", "n_parameters", "num_parameters",
            "parameter_count", "param_count", "model_size", "model_params", "total_params",
        ),
    ),
    "n_tokens": (
        (
            "D", "tokens", "n_tokens", "num_tokens", "ntokens", "token_count", "train_tokens", "training_tokens",
            "total_tokens", "tokens_seen", "consumed_tokens", "seen_tokens",
        ),
    ),
    "compute_flop": (
        (
            "C", "flop", "flops", "compute", "compute_flop", "compute_flops", "train_flops", "training_flops",
            "total_flops", "training_compute", "train_compute", "training_compute_flop", "total_flos",
        ),
    ),
}  # fmt: skip

_UNITS = {
    "k": 1e3, "thousand": 1e3, "thousands": 1e3,
    "m": 1e6, "million": 1e6, "millions": 1e6,
    "b": 1e9, "g": 1e9, "billion": 1e9, "billions": 1e9,
    "t": 1e12, "trillion": 1e12, "trillions": 1e12,
}  # fmt: skip
_POWER_OF_TEN = re.compile(r"1e(\d{1,2})(?:_?flops?)?\Z")
_SCALED = ("n_params", "n_tokens", "compute_flop")
_LOSS_WORDS = frozenset({"loss", "nll", "bpb", "crossentropyloss", "cross_entropy"})


class Candidate(NamedTuple):
    """A column that may be a field: how good the name is (0 is best), and the factor to the field's unit."""

    rank: int
    factor: float


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
    """
    normal = normalise(column)
    base, factor = split_unit(normal) if field in _SCALED else (normal, 1.0)
    for rank, group in enumerate(_USUAL.get(field, ())):
        for usual in group:
            # Single letters are what the field writes in capitals; a small n or d is something else.
            if (column.strip() == usual) if len(usual) == 1 else usual in (normal, base):
                return Candidate(rank, 1.0 if usual in (normal, column.strip()) else factor)
            if len(usual) == 1 and base == usual.lower() and factor != 1.0 and column.strip().startswith(usual):
                return Candidate(rank, factor)
    return None


def is_loss_name(column: str) -> bool:
    """Whether a column is a loss, by its name: ``val_loss``, ``loss_c4``, ``eval/c4/CrossEntropyLoss``."""
    words = normalise(column).split("_")
    if "target" in words:  # a loss that was aimed at, not one that was reached
        return False
    return bool(_LOSS_WORDS & {words[0], words[-1]}) or normalise(column) in _LOSS_WORDS


def normalise(column: str) -> str:
    """The words of a name in small letters, joined by underscores: ``#Params (B)`` gives ``params_b``."""
    return re.sub(r"[^0-9a-z]+", "_", column.strip().lower()).strip("_") or column.strip().lower()


def split_unit(normal: str) -> tuple[str, float]:
    """Part a name from the unit at its end: ``params_m`` gives ``("params", 1e6)``."""
    base, _, last = normal.rpartition("_")
    base = base.removesuffix("_in")
    if not base:
        return normal, 1.0
    power = _POWER_OF_TEN.match(last)
    if power:
        return base, 10.0 ** int(power[1])
    return (base, _UNITS[last]) if last in _UNITS else (normal, 1.0)
