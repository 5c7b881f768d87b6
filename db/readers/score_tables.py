"""Public tables of scores, known by their columns. A preset says what is what in each (`db.score_presets`).

They are read by `db.score_ingest` with that preset, and not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.format import Field, Level, Sign
from db.readers.found import Found
from db.readers.probe import Probe
from scaling.errors import ReadError

NAME = "score-table"
WHAT = "a public table of scores"
READS = "The Open LLM Leaderboard v2, the benchmark runs of Epoch AI, and Proteus-2k, as CSV."
LEAVES_OUT = (
    "Tables that hold no score by themselves, such as Epoch AI's tables of models and of their versions: they are "
    "joined to one (`--models`, `--versions`)."
)
TRIED = "the tables as they were published in 2024 to 2026"
FIELDS: Sequence[Field] = ()
UPSERTS = False

#: Columns that tell a table, and the preset that reads it.
PRESETS: dict[str, tuple[str, ...]] = {
    "open-llm-leaderboard": ("eval_name", "fullname", "IFEval Raw", "MMLU-PRO Raw"),
    "epoch-benchmarks": ("id", "task", "model", "Best score (across scorers)"),
    "proteus": ("model_id", "ifeval_inst_strict", "mmlu_pro", "pretrain_compute_zflops"),
}
#: Columns that tell a table of models, which holds no score: what it is, and how it is used.
MODELS: dict[str, tuple[str, ...]] = {
    "epoch-models": ("Training compute (FLOP)", "Parameters", "Training dataset size (datapoints)"),
}


def preset_of(columns: Sequence[str]) -> str | None:
    """Name the preset that reads a table of these columns; None where there is none."""
    there = set(columns)
    return next((name for name, wanted in PRESETS.items() if there.issuperset(wanted)), None)


def sniff(probe: Probe) -> Sign | None:
    """Known by its columns."""
    if probe.is_dir:
        return None
    preset = preset_of(probe.columns)
    if preset is not None:
        return Sign(Level.KEYS, f"it has the columns of the preset {preset}")
    there = set(probe.columns)
    if any(there.issuperset(wanted) for wanted in MODELS.values()):
        return Sign(Level.KEYS, "it has the columns of Epoch AI's table of models")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Refuse: a table of scores is read with its preset."""
    preset = preset_of(Probe(path).columns)
    if preset is None:
        raise ReadError(
            str(path),
            "it describes models and holds no scores of them",
            hint="Join it to a table of scores: scaling ingest SCORES.csv --preset NAME --models " + path.name,
        )
    raise ReadError(
        str(path), "a table of scores is read with its preset", hint=f"scaling ingest {path} --preset {preset}"
    )
