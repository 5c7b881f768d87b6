"""Forecasts of a map on other floors, and the floors that laws of size and data give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scaling.errors import InputDataError
from scaling.loss_to_loss import Floor, fit_pairs
from scaling.loss_to_loss.sensitivity import FloorRow, LawFloor, floor_sensitivity, law_floors

E_X, E_Y, KAPPA, K = 1.7, 1.3, 1.1, 0.9


def truth(x):
    """The map behind the pairs, written out."""
    return K * (x - E_X) ** KAPPA + E_Y


@pytest.fixture(scope="module")
def pairs():
    x = np.geomspace(2.2, 4.0, 30)
    rng = np.random.default_rng(3)
    return x, truth(x) * np.exp(rng.normal(0, 0.004, 30))


def rows_of(rows: tuple[FloorRow, ...], basis: str, **like: object) -> list[FloorRow]:
    return [r for r in rows if r.basis == basis and all(getattr(r, k) == v for k, v in like.items())]


def test_pairs_without_noise_give_the_truth_on_their_own_floors():
    x = np.geomspace(2.2, 4.0, 20)
    rows = floor_sensitivity(x, truth(x), 1.9, floor_x=Floor(E_X), floor_y=Floor(E_Y))
    for held in ("both", "source"):
        [row] = rows_of(rows, "given", held=held)
        assert row.forecast == pytest.approx(truth(1.9), rel=1e-6)
        assert row.floor_y == pytest.approx(E_Y, rel=1e-5)


@pytest.mark.parametrize(("held", "floor_y"), [("both", Floor(E_Y)), ("source", None)])
def test_a_row_is_what_the_map_itself_says(pairs, held, floor_y):
    x, y = pairs
    fit = fit_pairs(x, y, Floor(E_X), floor_y, form="shifted_power", bootstrap=0)
    rows = floor_sensitivity(x, y, 2.0, floor_x=Floor(E_X), floor_y=Floor(E_Y))
    [row] = rows_of(rows, "given", held=held)
    assert row.forecast == pytest.approx(float(fit.predict({"x": 2.0}).mean), rel=1e-7)


def test_forms_without_a_floor_stand_first(pairs):
    x, y = pairs
    rows = floor_sensitivity(x, y, 2.0)
    assert [row.law for row in rows[:2]] == ["log_log", "offset_power"]
    slope, start = np.polyfit(np.log(x), np.log(y), 1)
    assert rows[0].forecast == pytest.approx(math.exp(start) * 2.0**slope, rel=1e-8)
    assert {row.basis for row in rows[2:]} == {"grid"}


def test_the_first_floor_of_the_grid_is_the_form_without_one(pairs):
    x, y = pairs
    rows = floor_sensitivity(x, y, 2.0)
    [free] = rows_of(rows, "none", law="offset_power")
    first, *_, last = rows_of(rows, "grid")
    assert (first.floor_x, last.floor_x) == (0.0, pytest.approx(0.985 * 2.0))
    assert first.forecast == pytest.approx(free.forecast, rel=1e-7)


def test_ends_of_a_floor_move_the_forecast_to_either_side(pairs):
    x, y = pairs
    rows = floor_sensitivity(x, y, 2.0, floor_x=Floor(E_X, "law", 1.65, 1.75), floor_y=Floor(E_Y, "law", 1.28, 1.32))
    said = {row.moved: row.forecast for row in rows_of(rows, "end")}
    [middle] = rows_of(rows, "given", held="both")
    assert said["E_x at its upper end"] < middle.forecast < said["E_x at its lower end"]
    assert said["E_y at its lower end"] < middle.forecast < said["E_y at its upper end"]
    assert len(said) == 4


def test_laws_are_paired_by_name_and_by_the_budgets_that_are_left(pairs):
    x, y = pairs
    source = [LawFloor("chinchilla", 1e18, 40, share, Floor(1.7 - share)) for share in (0.0, 0.5)]
    target = [LawFloor("chinchilla", 1e18, 40, 0.5, Floor(1.1)), LawFloor("chinchilla", 1e18, 40, 0.0, Floor(1.3))]
    rows = rows_of(floor_sensitivity(x, y, 2.0, source, target), "law", held="both")
    assert [(row.share, row.floor_x, row.floor_y) for row in rows] == [(0.0, 1.7, 1.3), (0.5, 1.2, 1.1)]


@pytest.mark.parametrize(
    ("floor_x", "floor_y", "at", "words"),
    [
        (1.7, 1.3, 1.65, "x = 1.650 lies at or below this floor"),
        (2.3, 1.3, 2.6, "at or above the x of 3 pairs"),
        (1.7, 1.9, 2.0, "at or above the y of"),
    ],
)
def test_a_floor_that_gives_no_forecast_says_why(floor_x, floor_y, at, words, pairs):
    x, y = pairs
    rows = floor_sensitivity(x, y, at, floor_x=Floor(floor_x), floor_y=Floor(floor_y))
    [row] = rows_of(rows, "given", held="both")
    assert math.isnan(row.forecast)
    assert words in row.reason


def test_a_law_without_a_floor_says_whose(pairs):
    x, y = pairs
    good = LawFloor("kaplan", 1e18, 9, 0.0, Floor(1.5))
    none = LawFloor("kaplan", 1e18, 9, 0.0, None, "", "too few runs")
    [row] = rows_of(floor_sensitivity(x, y, 2.0, [none], [good]), "law")
    assert row.reason == "source: too few runs"
    rows = rows_of(floor_sensitivity(x, y, 2.0, [good], [none]), "law")
    assert [(row.held, row.reason) for row in rows] == [("source", ""), ("both", "target: too few runs")]


@pytest.mark.parametrize("at", [0.0, -1.0, math.nan, math.inf])
def test_a_loss_that_is_none_is_refused(pairs, at):
    with pytest.raises(InputDataError, match="a loss is a number above 0"):
        floor_sensitivity(*pairs, at)


def test_losses_that_make_no_pairs_are_refused():
    with pytest.raises(InputDataError, match="make no pairs"):
        floor_sensitivity([2.0, 2.1], [2.0, 2.1, 2.2], 1.9)


class TestLawFloors:
    @pytest.fixture(scope="class")
    @staticmethod
    def sweep():
        """Runs on a Chinchilla law with the floor 1.8, whose two smallest budgets of six did too badly."""
        budgets = np.geomspace(1e18, 1e20, 6)
        n = np.concatenate([np.geomspace(0.3, 3, 7) * math.sqrt(c / 120) for c in budgets])
        compute = np.repeat(budgets, 7)
        d = compute / (6 * n)
        loss = 1.8 + 480 / n**0.35 + 2100 / d**0.37
        worse = 1 + 0.05 * (compute < 3e18)
        noise = np.exp(np.random.default_rng(0).normal(0, 5e-4, len(n)))
        return n, d, loss * worse * noise, compute

    def test_without_the_small_budgets_the_floor_is_near_the_truth(self, sweep):
        whole, cut = law_floors(*sweep, laws=("chinchilla",), shares=(0.0, 0.3), bootstrap=0)
        assert (whole.n_runs, cut.n_runs) == (42, 28)
        assert cut.least_budget == pytest.approx(10 ** (18 + 2 * 2 / 5))
        assert abs(cut.floor.value - 1.8) < 0.02
        assert abs(whole.floor.value - 1.8) > 0.1
        assert whole.floor.source == "E of the law chinchilla, fitted to 42 runs"

    def test_all_budgets_alone_have_an_interval(self, sweep):
        whole, cut = law_floors(*sweep, laws=("chinchilla",), shares=(0.0, 0.3), bootstrap=20)
        assert whole.floor.low < whole.floor.value < whole.floor.high
        assert math.isnan(cut.floor.low)

    def test_a_share_in_a_gap_between_budgets_is_not_fitted_twice(self, sweep):
        assert len(law_floors(*sweep, laws=("chinchilla",), shares=(0.0, 0.1, 0.15), bootstrap=0)) == 2

    def test_too_few_runs_give_none_and_say_why(self, sweep):
        [one] = law_floors(*(values[:5] for values in sweep), laws=("chinchilla",), shares=(0.0,), bootstrap=0)
        assert one.floor is None
        assert one.reason

    def test_runs_that_cannot_be_used_are_left_out(self, sweep):
        n, d, loss, compute = (values.copy() for values in sweep)
        loss[3], n[4] = math.nan, 0.0
        [one] = law_floors(n, d, loss, compute, laws=("chinchilla",), shares=(0.0,), bootstrap=0)
        assert one.n_runs == 40

    def test_nothing_gives_nothing(self):
        assert law_floors([], [], [], []) == ()
