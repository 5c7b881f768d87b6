"""Tables of scored subsets of which it is known what predicts, and concepts of which it is known when they set in."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

DOCS = Path(__file__).resolve().parents[1] / "docs" / "appraisal.md"
QUICK = ("--bootstrap", "12", "--permutations", "49")
COLUMNS = ("--performance", "accuracy", "--score", "good", "--score", "pushed", "--size", "size", "--id", "name")
BEND = 12.0  # of the pushed score
N, N_RANDOM = 90, 50


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling value {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def scored(seed: int = 0) -> dict[str, np.ndarray]:
    """Ninety subsets, fifty at random, and twenty optimised by each score.

    `good` goes with the accuracy, `pushed` only up to 12, and a little the other way beyond.
    """
    rng = np.random.default_rng(seed)
    random = np.arange(N) < N_RANDOM
    row = np.arange(N)
    pushed = np.where(row < 70, 11.5 + 0.4 * rng.standard_normal(N), rng.uniform(8, 20, N))
    good = np.where(random | (row >= 70), 50 + rng.standard_normal(N), rng.uniform(40, 60, N))
    fallen = 0.02 * np.minimum(pushed, BEND) - 0.002 * np.maximum(0, pushed - BEND)
    accuracy = 0.5 + fallen + 0.004 * good + 0.004 * rng.standard_normal(N)
    return {"random": random, "good": good, "pushed": pushed, "accuracy": accuracy}


def table(change: dict[str, list[str]] | None = None, sizes: tuple[int, ...] = (100,)) -> str:
    """Write them as CSV; some columns changed."""
    found = scored()
    columns = {
        "name": [f"s{i}" for i in range(N)],
        "size": [str(sizes[i % len(sizes)]) for i in range(N)],
        "random": [str(flag).lower() for flag in found["random"].tolist()],
        **{key: [f"{v:.17g}" for v in found[key]] for key in ("good", "pushed", "accuracy")},
        "constant": ["1.5"] * N,
        "a": [str(sizes[i % len(sizes)] // 2) for i in range(N)],
        "b": [str(sizes[i % len(sizes)] // 2 + (i % 3 == 0) * 20) for i in range(N)],
    } | (change or {})
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def concepts(jump: float = 0.4, n: int = 60, at: float = 300) -> tuple[np.ndarray, np.ndarray]:
    """Counts of concepts, and scores that rise by `jump` around a count."""
    rng = np.random.default_rng(7 if jump == 0 else 4)
    counts = np.round(np.exp(rng.uniform(np.log(5), np.log(5000), n)))
    return counts, 0.2 + jump / (1 + (at / counts) ** 5) + 0.04 * rng.standard_normal(n)


def concept_table(jump: float = 0.4, extra: tuple[str, ...] = ()) -> str:
    """Write them as CSV, and more lines after them."""
    counts, scores = concepts(jump)
    lines = [f"c{i:03d},{n:.0f},{s:.17g}" for i, (n, s) in enumerate(zip(counts, scores, strict=True))]
    return "\n".join(["concept,n_images,similarity", *lines, *extra]) + "\n"


MAPPING = (
    '[columns]\nrun_id = "concept"\n[metrics]\nsimilarity = { column = "similarity", unit = "share", kind = "other" }\n'
)
