"""What the fixtures of evaluations hold, by the rules after which their models answered, and small public tables."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

from db.readers.zipped import opened_zip
from tests.db.golden import Golden
from tests.db.goldens.common import edit

REFUSED = "the score is not finite"


# --- The LM evaluation harness: twelve numbers are doubled ------------------------------------------------------------

NUMBERS = range(1, 13)
CHARACTERS = sum(len(f"Double {n} is") for n in NUMBERS)
PICKED = sum(n % 4 != 0 for n in NUMBERS) / 12
WRITTEN = sum(n % 3 != 0 for n in NUMBERS) / 12
WHOLE: dict[tuple[str, str, str], float] = {
    ("doubles_choice", "acc", "none"): PICKED,
    ("doubles_choice", "acc_norm", "none"): PICKED,
    ("doubles_text", "exact_match", "strict-match"): WRITTEN,
    ("doubles_text", "exact_match", "flexible-extract"): 1.0,
    ("doubles", "acc", "none"): PICKED,
    ("doubles", "exact_match", "strict-match"): WRITTEN,
    ("doubles", "exact_match", "flexible-extract"): 1.0,
    ("doubles_loss", "bits_per_byte", "none"): 2.0,
    ("doubles_loss", "word_perplexity", "none"): 2 ** (2 * CHARACTERS / (12 * 3)),
}


def half(log: dict[str, Any]) -> None:
    """Another result."""
    log["results"]["doubles_choice"]["acc,none"] = 0.5


def results_of(path: Path) -> str:
    """Name of the file of results in a folder."""
    [file] = path.glob("results_*.json")
    return file.name


HALF = {("doubles_choice", "acc", "none"): 0.5}
LM_EVAL = [
    Golden(
        "lm-eval/whole/lab__tiny-1m",
        scores=WHOLE,
        notes=("results of groups repeat those of their tasks",),
        problems=tuple(
            (f"loss_{kind}: {metric},none", kind, REFUSED)
            for kind in ("nan", "inf")
            for metric in ("word_perplexity", "bits_per_byte")
        ),
        more=lambda path: edit(results_of(path), half)(path),
        scored=HALF,
    ),
    Golden(
        "lm-eval/limited/lab__tiny-1m",
        scores={("doubles_choice", metric, "none"): 4 / 5 for metric in ("acc", "acc_norm")},
        notes=("results are of the first 5 questions of each task (limit)",),
        more=lambda path: edit(results_of(path), half)(path),
        scored=HALF,
    ),
]


# --- Inspect: sums from 2 on, answered by 2, 4, 6, 0 over and over ----------------------------------------------------

ANSWERS = (2, 4, 6, 0)


def right(n_questions: int, n_epochs: int) -> list[list[bool]]:
    """Whether the answers to each question are right, an epoch each; an epoch ends before the next begins."""
    asked = range(1, n_questions + 1)
    return [
        [ANSWERS[(epoch * n_questions + question - 1) % 4] == 2 * question for epoch in range(n_epochs)]
        for question in asked
    ]


def mean(values: Any) -> float:
    """The mean of what is to be counted."""
    known = list(values)
    return sum(known) / len(known)


MEAN = mean(sum(row) / 2 for row in right(6, 2))
ANY = mean(max(row) for row in right(6, 2))
FIRST = mean(row[0] for row in right(2, 1))


def accuracy_of(log: dict[str, Any], value: float) -> None:
    """Set the first accuracy of a log."""
    log["results"]["scores"][0]["metrics"]["accuracy"]["value"] = value


def rewrite(path: Path) -> None:
    """Write the head of an archive anew, with another accuracy."""
    with opened_zip(path) as archive:  # Inspect packs by a method that Python 3.11 has not
        head = json.loads(archive.read("header.json", 1 << 20))
    metrics = head["results"]["scores"][0]["metrics"]
    next(iter(metrics.values()))["value"] = 0.875
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps(head))


INSPECT = [
    Golden(
        "inspect/sums.eval",
        scores={
            ("sums", "accuracy", "match"): MEAN,
            ("sums", "accuracy", "match, at_least_1"): ANY,
            ("sums", "accuracy", "both.right"): MEAN,
            ("sums", "accuracy", "both.right, at_least_1"): ANY,
            ("sums", "mean", "both.length"): 1.0,
            ("sums", "mean", "both.length, at_least_1"): 1.0,
            ("sums", "mean", "odd, at_least_1"): 1.0,
        },
        notes=("Results are of a part of the task (limit 6).",),
        problems=(("odd.mean", "inf", REFUSED),),
        more=rewrite,
        scored={("sums", "accuracy", "match"): 0.875},
    ),
    Golden(
        "inspect/sums.json",
        scores={
            ("sums", "accuracy", "match"): FIRST,
            ("sums", "accuracy", "both.right"): FIRST,
            ("sums", "mean", "both.length"): 1.0,
        },
        notes=("Results are of a part of the task (limit 2).",),
        problems=(("odd.mean", "inf", REFUSED),),
        more=edit(None, lambda log: accuracy_of(log, 0.25)),
        scored={("sums", "accuracy", "match"): 0.25},
    ),
    Golden(  # targets over 16: 2 to 8 are low, 10 to 16 high
        "inspect/grouped.eval",
        scores={
            ("grouped_sums", "mean[low]", "halves"): sum(range(2, 9, 2)) / 4 / 16,
            ("grouped_sums", "mean[high]", "halves"): sum(range(10, 17, 2)) / 4 / 16,
            ("grouped_sums", "mean[all]", "halves"): sum(range(2, 17, 2)) / 8 / 16,
        },
        more=rewrite,
        scored={("grouped_sums", "mean[low]", "halves"): 0.875},
    ),
]


# --- HELM: is a number even? Multiples of 5 are answered wrongly, and small letters of 7 too. -------------------------

TASK = "parity:data_augmentation=lower"
#: HELM drew 24 questions of its test split and 6 of the other: four of the 24 are multiples of 5, two more of 7.
SHARES = {"": (24, 20, 18), "split valid": (6, 5, 4)}
KINDS = {
    "": 0, "lowercase (perturbed)": 1, "lowercase (original)": 0, "lowercase (worst)": 1, "robustness (worst)": 1,
    "fairness (worst)": 0,
}  # fmt: skip


def helm_scores() -> dict[tuple[str, str, str], float]:
    """All scores; a model that gives no probabilities has them all at 1."""
    found: dict[tuple[str, str, str], float] = {}
    for split, (asked, plain, small) in SHARES.items():
        for kind, perturbed in KINDS.items():
            under = ", ".join(part for part in (split, kind) if part) or "none"
            for metric in ("exact_match", "exact_match@5"):
                found[TASK, metric, under] = (plain, small)[perturbed] / asked
            found[TASK, "logprob", under] = 0.0
            if kind in ("", "lowercase (perturbed)"):
                found |= {(TASK, "perplexity", under): 1.0, (TASK, "bits_per_byte", under): 0.0}
                found[TASK, "logprob_per_byte", under] = 0.0
    return found


def all_right(stats: list[dict[str, Any]]) -> None:
    """All questions of the whole test split are answered."""
    for stat in stats:
        if stat["name"] == {"name": "exact_match", "split": "test"}:
            stat.update(mean=1.0, sum=24)


HELM = Golden(
    "helm",
    scores=helm_scores(),
    notes=("It was asked for at most 30 questions, and has as many", "Results on perturbed questions stand beside"),
    more=edit("stats.json", all_right),
    scored={(TASK, "exact_match", "none"): 1.0},
)


# --- Public tables, after their columns -------------------------------------------------------------------------------


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a table with commas."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


TASKS = ("IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO")


def leaderboard(folder: Path, share: float = 0.25) -> Path:
    """Two models on six tasks; one has no score of the last."""
    rows = [
        {
            "eval_name": f"lab_{name}_bfloat16", "Precision": "bfloat16", "fullname": f"lab/{name}",
            "#Params (B)": size, **{f"{task} Raw": (i + 1) / 16 for i, task in enumerate(TASKS)}, "GPQA Raw": share,
        }
        for name, size in (("small", 1.5), ("large", 7))
    ]  # fmt: skip
    rows[1]["MMLU-PRO Raw"] = "nan"
    return write(folder / "contents.csv", rows)


def epoch(folder: Path, share: float = 0.5) -> Path:
    """Three runs of one task, of which one failed."""
    names = ("id", "task", "model", "Best score (across scorers)", "Scores", "started_at", "Status", "task version")
    runs = [
        ("a1", "GPQA diamond", "m-1", share, "x", "2025-01-02", "Success", "1"),
        ("a2", "FrontierMath", "m-1", 0.125, "x", "2025-01-03", "Success", "1"),
        ("a3", "GPQA diamond", "m-2", 0.75, "x", "2025-01-04", "Error", "1"),
    ]
    return write(folder / "runs.csv", [dict(zip(names, run, strict=True)) for run in runs])


def proteus(folder: Path, share: float = 0.5) -> Path:
    """A model on four tasks, one of them by prompts and by instructions."""
    row = {
        "model_id": "lab/one", "num_params_B": 2, "pretrain_compute_zflops": 3, "bbh": 0.25, "math_hard": 0.125,
        "gpqa": share, "musr": 0.375, "mmlu_pro": 0.0625, "ifeval_inst_strict": 0.75, "ifeval_prompt_strict": 0.625,
    }  # fmt: skip
    return write(folder / "proteus.csv", [row])


def again(write_table: Any) -> Any:
    """Write a table again with another share."""
    return lambda path: write_table(path.parent, 0.875)


METRICS = dict(zip(TASKS, ("mean_strict_acc", "acc_norm", "exact_match", "acc_norm", "acc_norm", "acc"), strict=True))
TABLES = [
    Golden(
        leaderboard,
        scores={
            (f"lab_{name}_bfloat16", task, METRICS[task], "none"): 0.25 if task == "GPQA" else (i + 1) / 16
            for name in ("small", "large")
            for i, task in enumerate(TASKS)
            if (name, task) != ("large", "MMLU-PRO")
        },
        more=again(leaderboard),
        scored={(f"lab_{name}_bfloat16", "GPQA", "acc_norm", "none"): 0.875 for name in ("small", "large")},
        by_model=True,
    ),
    Golden(
        epoch,
        scores={("GPQA diamond", "best of scorers", "none"): 0.5, ("FrontierMath", "best of scorers", "none"): 0.125},
        more=again(epoch),
        scored={("GPQA diamond", "best of scorers", "none"): 0.875},
    ),
    Golden(
        proteus,
        scores={
            ("BBH", "acc_norm", "none"): 0.25, ("MATH Lvl 5", "exact_match", "none"): 0.125,
            ("GPQA", "acc_norm", "none"): 0.5, ("MUSR", "acc_norm", "none"): 0.375, ("MMLU-PRO", "acc", "none"): 0.0625,
            ("IFEval", "inst_level_strict_acc", "none"): 0.75, ("IFEval", "prompt_level_strict_acc", "none"): 0.625,
        },
        more=again(proteus),
        scored={("GPQA", "acc_norm", "none"): 0.875},
    ),
]  # fmt: skip
GOLDENS = {"lm-eval": LM_EVAL, "inspect": INSPECT, "helm": [HELM], "score-table": TABLES}
