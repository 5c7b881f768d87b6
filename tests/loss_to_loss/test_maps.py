"""Forms of a map as laws, and floors."""

import math

import numpy as np
import pytest

import scaling
from scaling.errors import UsageError
from scaling.loss_to_loss import FORMS, Floor, map_law
from scaling.loss_to_loss.floors import as_floor
from scaling.loss_to_loss.maps import candidate_laws, map_at, map_objective

X = np.geomspace(2.0, 4.0, 30)
TRUTHS = {
    "shifted_power": ({"K": 0.9, "E_x": 1.2, "kappa": 1.1, "E_y": 0.7}, lambda x: 0.9 * (x - 1.2) ** 1.1 + 0.7),
    "offset_power": ({"K": 0.4, "kappa": 1.6, "E_y": 0.5}, lambda x: 0.4 * x**1.6 + 0.5),
    "log_log": ({"K": 0.8, "kappa": 1.2}, lambda x: 0.8 * x**1.2),
    "affine": ({"a": -0.3, "b": 1.1}, lambda x: -0.3 + 1.1 * x),
    "quadratic": ({"a": 0.4, "b": 0.3, "c": 0.1}, lambda x: 0.4 + 0.3 * x + 0.1 * x**2),
    "log_quadratic": (
        {"a": 0.1, "b": 0.7, "c": 0.2}, lambda x: np.exp(0.1 + 0.7 * np.log(x) + 0.2 * np.log(x) ** 2),
    ),
}  # fmt: skip


def test_the_forms_are_those_of_the_law_book():
    assert [law.name for law in scaling.find_family("loss_to_loss")] == list(FORMS)
    assert set(TRUTHS) == set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_finds_its_own_truth(form):
    truth, curve = TRUTHS[form]
    fit = scaling.fit(map_law(form), {"x": X}, curve(X), objective=map_objective(form), bootstrap=0)
    for name, value in truth.items():
        assert fit.estimates[name] == pytest.approx(value, rel=1e-4), name


def test_floors_that_are_given_are_numbers_of_the_formula():
    law = map_law("shifted_power", Floor(1.2), Floor(0.7))
    assert law.formula == "K*(x - 1.2)**kappa + 0.7"
    assert law.parameter_names == ("K", "kappa")
    assert map_law("offset_power", Floor(1.2), Floor(0.7)).formula == "K*x**kappa + 0.7"
    assert map_law("quadratic", Floor(1.2), Floor(0.7)) == map_law("quadratic")
    precise = 1.9669051342679635
    assert repr(precise) in map_law("shifted_power", Floor(np.float64(precise))).formula


def test_what_each_form_is_fitted_by():
    floors = (Floor(1.2), Floor(0.7))
    assert str(map_objective("shifted_power", *floors)) == "squared on log residuals above 0.7"
    assert str(map_objective("shifted_power", floors[0])) == "squared on linear residuals"
    assert {form: map_objective(form).residual for form in FORMS if form.startswith("log")} == {
        "log_log": "log", "log_quadratic": "log",
    }  # fmt: skip


def test_candidates_leave_out_what_says_the_same():
    assert [law.name for law in candidate_laws(None, None)] == [
        "log_log", "affine", "offset_power", "quadratic", "log_quadratic",
    ]  # fmt: skip
    assert "offset_power" not in {law.name for law in candidate_laws(Floor(0.0), None)}
    assert {law.name for law in candidate_laws(Floor(1.0), None)} == set(FORMS)
    both = {law.name: law.formula for law in candidate_laws(Floor(0.0), Floor(0.7))}
    assert both["offset_power"] == "K*x**kappa + E_y"  # what y is at x = 0 is no floor of y
    assert both["shifted_power"] == "K*(x - 0.0)**kappa + 0.7"


def test_a_floor_with_a_course_is_at_a_cut_off_what_was_known_there():
    floor = Floor(1.5, "a law", course=((1e18, 1.9), (1e19, 1.7), (1e20, 1.5)))
    assert [floor.at(c).value for c in (1e18, 5e18, 1e19, 9e20)] == [1.9, 1.9, 1.7, 1.5]
    assert floor.at(9e17) is None
    assert Floor(1.5).at(1.0) == Floor(1.5)
    assert Floor.from_dict(floor.to_dict()) == floor
    at = map_at("shifted_power", floor, Floor(0.7))
    law, goal = at(2e18)
    assert (law.formula, goal.floor) == ("K*(x - 1.9)**kappa + 0.7", 0.7)
    assert at(1e17) is None
    assert map_at("shifted_power", Floor(1.5), Floor(0.7)) is None
    assert map_at("offset_power", floor, None) is None  # has no such floor


def test_floors_are_checked_and_read():
    assert as_floor(None) is None
    assert as_floor(1) == Floor(1.0)
    assert not Floor(1.5).has_error
    assert Floor(1.5, "E of c4", 1.4, 1.7).has_error
    kept = Floor(1.5, "E of c4", 1.4, 1.7)
    assert Floor.from_dict(kept.to_dict()) == kept
    for bad in (-0.1, math.nan, math.inf):
        with pytest.raises(UsageError, match="a floor is a loss from 0 on"):
            Floor(bad)
    with pytest.raises(UsageError, match="outside its own interval"):
        Floor(1.5, "number", 1.6, 1.7)
    with pytest.raises(UsageError, match="a floor is a number"):
        as_floor("low")
    with pytest.raises(UsageError, match="Did you mean 'affine'"):
        map_law("afine")
