"""Models of a known boundary that moves by a known rate."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

RATE = 0.8  # orders of magnitude a year


def top(z, year, rate=RATE):
    """The largest score at a compute and a date."""
    return 0.1 + 0.75 / (1 + np.exp(-1.4 * (z + rate * (year - 2024.75) - 23.2)))


@pytest.fixture(scope="session")
def models():
    """Models of 40 bases, four of each of six dates a base, whose scores spread evenly below the top."""
    rng = np.random.default_rng(5)
    base = np.repeat(np.arange(40), 24)
    z = rng.uniform(21, 25, 40)[base]
    year = np.tile(np.repeat(np.linspace(2023.5, 2025, 6), 4), 40)
    score = top(z, year) * rng.uniform(0.5, 1, len(z))
    return SimpleNamespace(z=z, year=year, score=score, base=base, top=top, rate=RATE)
