"""The models of most compute held out: what is fitted knows nothing of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scaling.boundary.evaluation.largest import backtest_largest
from scaling.errors import InputDataError, UsageError


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any, Any]:
    """30 bases of 12 models each; scores are spread evenly below a boundary that is steep in the middle."""
    random = np.random.default_rng(1)
    base = np.repeat(np.arange(30), 12)
    z = np.linspace(21, 25, 30)[base]
    top = 0.1 + 0.7 / (1 + np.exp(-1.5 * (z - 23)))
    return z, top * random.uniform(0, 1, len(z)), base


def test_each_cut_off_parts_the_models(models: Any) -> None:
    z, y, base = models
    found = backtest_largest(z, y, tau=0.9, groups=base)
    assert [row.n_train for row in found] == [180, 216, 252, 288, 324]
    assert all(row.n_train + row.n_test == 360 and row.n_common == row.n_test for row in found)
    assert found[0].train == f"up to {10 ** z[179]:.3g}".replace("e+", "e")
    assert found.mode == "largest"
    assert {"boundary", "boundary without margin", "constant", "one", "isotonic", "linear"} == set(found.models)


def test_a_rising_boundary_beats_a_constant_beyond_the_data(models: Any) -> None:
    z, y, base = models
    means = backtest_largest(z, y, tau=0.9, groups=base).means
    assert means["boundary"]["pinball"] < 0.8 * means["constant"]["pinball"]
    assert means["constant"]["signed_coverage_error"] < -0.2


def test_what_lies_beyond_a_cut_off_changes_nothing_of_what_was_fitted(models: Any) -> None:
    z, y, base = models
    beyond = z > z[324]
    other = np.where(beyond, 1 - y, y)
    ours, theirs = (backtest_largest(z, one, tau=0.9, groups=base)[4] for one in (y, other))
    assert (ours.margin, ours.within) == (theirs.margin, theirs.within)
    assert ours.pinball != theirs.pinball


def test_too_few_on_either_side_are_named(models: Any) -> None:
    z, y, _ = models
    few = backtest_largest(z[::4], y[::4], tau=0.9)
    assert len(few) == 3
    assert "72 models up to it, 18 beyond, of at least 20" in few.notes[0]
    with pytest.raises(InputDataError, match="cannot be held out"):
        backtest_largest(z[::12], y[::12], tau=0.9)
    with pytest.raises(UsageError, match="no baseline 'linea'"):
        backtest_largest(z, y, baselines=["linea"])
