"""What is printed of a profile along which something better than the fit was found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import scaling
from reports.profile_rows import profile_rows, profile_text, region_rows, region_text

X = np.geomspace(1e6, 1e10, 30)
Y = (1.7 + 100 / X**0.25) * np.exp(0.004 * np.random.default_rng(1).standard_normal(30))
BETTER = {"E": 1.75, "A": 1234567.0, "alpha": 0.25}
SAID = (
    "The fit is not the optimum: other parameters fit these rows better, and what is found here lies around them, not "
    "around the estimate. Fit again with --start E=1.75000 --start A=1.23457e6 --start alpha=0.250000"
)


@pytest.fixture(scope="module")
def fit() -> scaling.Fit:
    return scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=0)


def test_a_profile_says_where_to_fit_again(fit: scaling.Fit) -> None:
    good = scaling.profile_likelihood(fit, {"x": X}, Y, "alpha")
    assert "not the optimum" not in profile_text(good)
    assert all(row["fit_is_optimum"] and row["better"] == {} for row in profile_rows(fit, good))
    bad = replace(good, better=BETTER)
    assert SAID in profile_text(bad).splitlines()
    assert all(not row["fit_is_optimum"] and row["better"] == BETTER for row in profile_rows(fit, bad))


def test_so_does_a_region(fit: scaling.Fit) -> None:
    good = scaling.profile_region(fit, {"x": X}, Y, ("E", "alpha"), size=9)
    assert "not the optimum" not in region_text(good)
    bad = replace(good, better=BETTER)
    assert SAID in region_text(bad).splitlines()
    assert all(row["better"] == BETTER for row in region_rows(bad))
