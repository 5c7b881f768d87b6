"""Learning curves of groups: found, refused in words, pooled where sizes are few."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.results import Fit
from scaling.valuation.collection.curves import learning_curves
from scaling.valuation.collection.held_out import hold_out_largest
from scaling.valuation.collection.pooling import linear_part, pool_exponents
from tests.valuation.collection.truth import TRUTH, measured

SIZES = np.geomspace(100, 12800, 8)


def test_curves_are_those_that_made_the_rows() -> None:
    found = learning_curves(*measured(SIZES), bootstrap=0)
    assert list(found) == sorted(TRUTH)
    for group, truth in TRUTH.items():
        assert found[group].parameters == pytest.approx(truth, rel=1e-6)
        assert found[group].have == 12800
        assert isinstance(found[group].fit, Fit)
    assert found.verdict == "ok"


def test_neither_order_of_rows_nor_other_groups_change_a_curve() -> None:
    x, y, group = measured(SIZES, 0.02)
    found = learning_curves(x, y, group, bootstrap=20, seed=4)
    order = np.random.default_rng(1).permutation(len(x))
    mixed = learning_curves(x[order], y[order], [group[i] for i in order], bootstrap=20, seed=4)
    alone = learning_curves(x[:8], y[:8], group[:8], bootstrap=20, seed=4)
    for name in found:
        assert mixed[name].fit == found[name].fit
    assert alone["code"].fit == found["code"].fit
    # Replicates of groups are drawn apart: groups of as many rows do not go up and down together.
    draws = {name: found[name].draws[:, 2] for name in found}
    assert abs(np.corrcoef(draws["code"], draws["math"])[0, 1]) < 0.6


def test_an_accuracy_is_turned_into_an_error_and_a_loss_is_left() -> None:
    x, y, group = measured(SIZES, 0.01)
    accuracy = learning_curves(x, 1 - y, group, higher_is_better=True, bootstrap=0)
    error = learning_curves(x, y, group, bootstrap=0)
    assert accuracy["web"].parameters == pytest.approx(error["web"].parameters, rel=1e-9)
    assert accuracy.measure == "error = 1 - value"
    with pytest.raises(InputDataError, match="only a share from 0 to 1"):
        learning_curves(x, 100 * (1 - y), group, higher_is_better=True)
    with pytest.raises(InputDataError, match=r"1 - value, is 0 in row 3"):
        learning_curves(x, np.where(np.arange(len(x)) == 3, 1.0, 1 - y), group, higher_is_better=True)


def test_groups_that_cannot_be_fitted_are_refused_in_words() -> None:
    x, y, group = measured(SIZES, 0.01)
    x, y = (
        np.append(x, [100, 100, 100, 200, 400, *SIZES]),
        np.append(y, [0.5, 0.52, 0.4, 0.3, 0.25, *(0.1 * SIZES**0.3)]),
    )
    group += ["once"] * 2 + ["thrice"] * 3 + ["rising"] * 8
    found = learning_curves(x, y, group, bootstrap=0)
    assert list(found) == sorted(TRUTH)
    assert found.refused["once"].startswith("has one size, and its curve takes 4 at least")
    assert "share what they know of their exponents" in found.refused["thrice"]
    assert found.refused["rising"].startswith("rises from 100 to 12.8K examples: noise of the labels, or a measure of")
    pooled = learning_curves(x, y, group, pool=True, bootstrap=20)
    assert set(pooled.refused) == {"once", "rising"}
    assert pooled["thrice"].fit.verdict == "weak"
    assert "three sizes alone" in pooled["thrice"].fit.diagnostics.reasons[0]
    with pytest.raises(InputDataError, match="no learning curve can be fitted; once has one size"):
        learning_curves([100, 100], [0.5, 0.5], ["once", "once"])


@pytest.mark.parametrize(
    ("x", "y", "group", "words"),
    [
        ([100, np.nan], [0.5, 0.4], None, "number of examples is nan in row 1"),
        ([100, 200], [0.5, np.inf], None, "measured is inf in row 1"),
        ([0, 200], [0.5, 0.4], None, "row 0 has 0 examples"),
        ([100, 200], [0.5, -0.1], None, "measured is -0.1 in row 1, and has no logarithm"),
        ([100, 200], [0.5, 0.4], ["a", None], "row 1 has no group"),
        ([100, 200], [0.5], None, "2 numbers of examples and 1 measured"),
        ([], [], None, "no rows"),
        ([100, 200], [0.5, 0.4], ["a"], "1 groups and 2 rows"),
    ],
)
def test_rows_that_are_none(x: list[float], y: list[float], group: list[str] | None, words: str) -> None:
    with pytest.raises(InputDataError, match=words):
        learning_curves(x, y, group)


def test_settings_that_make_no_sense() -> None:
    rows = measured(SIZES)
    with pytest.raises(UsageError, match="no form 'pwoer'"):
        learning_curves(*rows, law="pwoer")
    with pytest.raises(UsageError, match="under the law power_floor alone"):
        learning_curves(*rows, law="power", pool=True)
    with pytest.raises(UsageError, match="1 group cannot say how far exponents"):
        learning_curves(rows[0][:8], rows[1][:8], pool=True)
    with pytest.raises(UsageError, match="no learning curve of 'wbe'"):
        learning_curves(*rows, bootstrap=0)["wbe"]


def test_the_form_is_the_one_that_forecasts_the_largest_sizes() -> None:
    straight = {"line": (0.0, 3.0, 0.3), "floor": (0.2, 8.0, 0.6)}
    found = learning_curves(*measured(SIZES, 0.003, truth=straight), law="auto", bootstrap=0)
    assert (found["line"].fit.law.name, found["floor"].fit.law.name) == ("power", "power_floor")
    assert found.chosen["floor"]["power"] > 10 * found.chosen["floor"]["power_floor"]
    assert found["line"].parameters[0] == 0


def test_the_linear_part_is_the_optimum_of_relative_squares() -> None:
    random = np.random.default_rng(2)
    x = np.array([100.0, 100, 200, 800, 3000])
    y = (0.05 + 4 / x**0.45) * np.exp(0.05 * random.standard_normal(5))
    alpha = np.array([0.1, 0.45, 1.2])
    floor, size, squares = linear_part(x, y, alpha)
    for e, a, power, least in zip(floor, size, alpha, squares, strict=True):
        others = e + 0.1 * np.abs(random.standard_normal(500)), a * np.exp(0.3 * random.standard_normal(500))
        grid = np.sum(((others[0][:, None] + others[1][:, None] / x**power) / y - 1) ** 2, axis=1)
        assert grid.min() >= least
        assert np.sum(((e + a / x**power) / y - 1) ** 2) == pytest.approx(least, rel=1e-9)


def alike(sizes: np.ndarray, seed: int, groups: int = 8) -> tuple[np.ndarray, np.ndarray, list[str], dict[str, tuple]]:
    """Groups whose exponents scatter by 0.05 around 0.4, with 2 % of noise."""
    random = np.random.default_rng(seed)
    truth = {}
    for g in range(groups):
        alpha = random.normal(0.4, 0.05)
        truth[f"g{g}"] = (random.uniform(0.02, 0.15), random.uniform(0.3, 0.8) * 100**alpha, alpha)
    return *measured(sizes, 0.02, seed, truth), truth


def test_groups_of_few_sizes_gain_from_sharing_their_exponents() -> None:
    missed: dict[str, list[float]] = {"own": [], "shared": []}
    inside = []
    for seed in range(6):
        x, y, group, truth = alike(np.geomspace(100, 800, 4), seed)
        curves = {
            "own": learning_curves(x, y, group, bootstrap=0),
            "shared": learning_curves(x, y, group, pool=True, bootstrap=60),
        }
        assert curves["shared"].verdict == "ok"
        for way, found in curves.items():
            for name, (floor, size, alpha) in truth.items():
                true = floor + size / 6400**alpha
                missed[way].append(np.log(found[name].fit.evaluate({"x": 6400.0})[0, 0] / true))
                if way == "shared":
                    draws = found[name].draws
                    low, high = np.quantile(draws[:, 0] + draws[:, 1] / 6400 ** draws[:, 2], [0.05, 0.95])
                    inside.append(low <= true <= high)
    own, shared = (float(np.sqrt(np.mean(np.square(missed[way])))) for way in ("own", "shared"))
    assert own > 0.1
    assert shared < 0.8 * own
    assert np.mean(inside) >= 0.8
    assert learning_curves(*alike(np.geomspace(100, 800, 4), 0)[:3], bootstrap=60).verdict == "not identified"


def test_the_pool_finds_how_far_exponents_lie_apart() -> None:
    sizes = np.geomspace(100, 51200, 10)
    for spread in (0.02, 0.15):
        truth = {f"g{i}": (0.05, 3.0, 0.45 + spread * z) for i, z in enumerate([-1.5, -0.8, -0.3, 0.1, 0.5, 0.9, 1.1])}
        x, y, group = measured(sizes, 0.002, truth=truth)
        parts = np.array(group)
        pool = pool_exponents([(x[parts == g], y[parts == g]) for g in truth])
        apart = np.std([alpha for *_, alpha in truth.values()])
        assert pool.mean == pytest.approx(0.45, abs=0.02 + 0.3 * spread)
        assert 0.7 * apart < pool.spread < 2.2 * apart
        assert [pool.exponent(g) for g in range(7)] == pytest.approx([t[2] for t in truth.values()], abs=0.02)
        assert pool.scatter == pytest.approx(0.002, rel=0.4)


def test_the_largest_size_held_out_in_three_ways() -> None:
    x, y, group, _ = alike(np.geomspace(100, 1600, 5), 3)
    held = hold_out_largest(x, y, group)
    assert set(held.errors) == {"power", "power_floor", "shared exponent"}
    rows = np.flatnonzero((np.array(group) == "g2") & (x < 1000))
    alone = learning_curves(x[rows], y[rows], bootstrap=0)
    largest = float(y[(np.array(group) == "g2") & (x > 1000)][0])
    expected = np.log(alone["all"].fit.evaluate({"x": 1600.0})[0, 0] / largest)
    assert held.errors["power_floor"][held.groups.index("g2")] == pytest.approx(expected, rel=1e-6)
    assert held.rms("shared exponent") < held.rms("power_floor")
    with pytest.raises(InputDataError, match="no group has the 4 sizes"):
        hold_out_largest([100, 200, 400], [0.5, 0.4, 0.3])
