"""A store in memory with the runs of a known law."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.store import Store

TRUTH = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}


def law(n: float, d: float) -> float:
    """The Chinchilla law, written out once more."""
    return TRUTH["E"] + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / d ** TRUTH["beta"]


def log_text() -> str:
    """Two corpora of 20 runs, whose losses differ by a factor; one run of each diverged, and one has no corpus."""
    random = np.random.default_rng(11)
    lines = ["run_id,corpus,N,D,loss,width,odd name"]
    for corpus, factor in (("web", 1.0), ("code", 0.6)):
        for i, n in enumerate(np.geomspace(2e7, 3e9, 5)):
            for j, d in enumerate(np.geomspace(5e8, 1e11, 4)):
                loss = factor * law(n, d) * np.exp(0.002 * random.standard_normal())
                shown = {("web", 4, 0): "nan", ("code", 4, 0): "inf"}.get((corpus, i, j), f"{loss:.9g}")
                lines.append(f"{corpus}-{i}{j},{corpus},{n:.6g},{d:.6g},{shown},w{i},{i + 1}")
    lines.append("lost,,1e8,1e9,4.1,w0,1")
    return "\n".join(lines) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log as a file."""
    path = tmp_path / "runs.csv"
    path.write_text(log_text(), encoding="utf-8")
    return path


@pytest.fixture
def store(log: Path, new_store: Store) -> Store:
    """A store that holds the log and vanishes after the test."""
    new_store.ingest(log)
    return new_store


@pytest.fixture
def ask(store: Store) -> Callable[..., list[tuple[Any, ...]]]:
    """Ask the store for rows."""

    def _ask(sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        return store.query(sql, params)[1]

    return _ask
