"""Examples for the commands that value data: six clusters, with labels, costs and logged losses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

DOCS = Path(__file__).resolve().parents[2] / "docs" / "valuation.md"
N, M, CLASSES, TESTS = 120, 8, 6, 30


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling value {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def keys_of(value: Any, within: tuple[str, ...] = ()) -> set[str]:
    """Keys of an object and of the objects in it; of those in `within` the names are data and not keys."""
    if isinstance(value, list):
        return set().union(*(keys_of(entry, within) for entry in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    return {
        found for key, entry in value.items() for found in {key} | (set() if key in within else keys_of(entry, within))
    }


def write_examples(folder: Path) -> None:
    """Write X.npy, y.npy, test.npy, y_test.npy, and examples.csv with classes, costs and losses."""
    random = np.random.default_rng(5)
    centres = random.normal(size=(CLASSES, M))
    y, asked = random.integers(0, CLASSES, N), random.integers(0, CLASSES, TESTS)
    np.save(folder / "X.npy", (centres[y] + 0.5 * random.normal(size=(N, M))).astype(np.float32))
    np.save(folder / "test.npy", (centres[asked] + 0.5 * random.normal(size=(TESTS, M))).astype(np.float32))
    np.save(folder / "y.npy", y)
    np.save(folder / "y_test.npy", asked)
    lines = ["id,label,group,tokens,prior,conditional,loss1,loss2,loss3,val1,val2,val3"]
    for i in range(N):
        two, three = random.normal(3, 0.3, 2), 2 * random.random(3)
        numbers = ",".join(f"{x:.6g}" for x in [*two, *three, 3.0, 2.5, 2.2])
        lines.append(f"e{i},c{y[i]},{'gh'[i % 2]},{random.integers(10, 100)},{numbers}")
    (folder / "examples.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


ADD = (
    "value", "add", "examples.csv", "--set", "web", "--cost", "tokens", "--embeddings", "X.npy", "--loss",
    "prior=prior", "--loss", "conditional=conditional",
    *(word for step in (1, 2, 3) for word in ("--loss", f"loss@{step}=loss{step}", "--loss", f"val@{step}=val{step}")),
)  # fmt: skip
