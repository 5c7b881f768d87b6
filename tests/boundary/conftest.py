"""Scores of made-up models whose boundary is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

TRUTH = {"y0": 0.095, "L": 0.70, "b": 1.5, "z_mid": 23.2}


def sigmoid(z: Any, y0: float, L: float, b: float, z_mid: float) -> Any:
    return y0 + L / (1 + np.exp(-b * (z - z_mid)))


def without_chance() -> tuple[Any, Any]:
    """50 models at each of 201 budgets, spread evenly over .25 below .1 + .7 sigmoid: nothing is random."""
    z = np.repeat(np.linspace(21, 25, 201), 50)
    v = np.tile((np.arange(50) + 0.5) / 50, 201)
    return z, np.clip(sigmoid(z, 0.1, 0.7, 1.5, 23.2) - 0.25 * (1 - v), 0, 1)


def clustered(seed: int, bases: int = 30, each: int = 12, spread: float = 0.06) -> tuple[Any, Any, Any]:
    """Models of some bases: half of how far each lies below the boundary is its base's."""
    rng = np.random.default_rng(seed)
    base_z, base_skill = rng.uniform(21, 25, bases), rng.beta(3, 1, bases)
    base = np.repeat(np.arange(bases), each)
    skill = 0.5 * base_skill[base] + 0.5 * rng.beta(3, 1, len(base))
    z = base_z[base]
    return z, np.clip(sigmoid(z, 0.1, 0.7, 1.5, 23.2) - 4 * spread * (1 - skill), 0, 1), base


@pytest.fixture(scope="session")
def even() -> tuple[Any, Any]:
    return without_chance()


@pytest.fixture(scope="session")
def models() -> tuple[Any, Any, Any]:
    return clustered(0)
