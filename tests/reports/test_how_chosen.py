"""No text says that a back-test chose a law where it did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from markupsafe import Markup

import scaling
from reports import ReportInput, answer
from reports.backtest import opening
from reports.page import environment
from reports.trust import checks
from scaling.loss_to_loss.pairs import fit_pairs
from scaling.results import Fit
from scaling.rivals import Rival

FLATTERS = "The law was chosen by errors like these"
BUDGET = np.repeat([1e18, 3e18, 1e19, 3e19, 1e20], 4)
X = 1.8 + 60 * BUDGET**-0.1 * np.tile([1, 1.02, 1.04, 1.07], 5)
Y = (0.9 + 0.7 * (X - 1.5) ** 1.1) * np.exp(0.002 * np.random.default_rng(2).standard_normal(20))


@pytest.fixture(scope="module")
def contested(data: ReportInput) -> ReportInput:
    """The trial page with a back-test and a rival."""
    found = scaling.backtest_law(data.fit, data.inputs, data.observed, bootstrap=0)
    other = scaling.fit("kaplan", data.inputs, data.observed, bootstrap=0)
    rival = Rival(other.law, other.estimates, 0.3, 0.01, str(other.objective))
    return replace(data, fit=replace(data.fit, backtest=found, rivals=(rival,)), alternatives=())


def told(page: ReportInput, **settings: Any) -> ReportInput:
    return replace(page, fit=replace(page.fit, settings=page.fit.settings | settings))


@pytest.mark.parametrize("record", ["loss_to_loss", "accuracy"])
def test_a_page_says_so_of_a_law_that_its_errors_chose_alone(contested: ReportInput, record: str) -> None:
    assert FLATTERS in opening(answer(contested))
    assert FLATTERS in opening(answer(told(contested, **{record: {"chosen": "by its back-test"}})))
    for how in ("asked for", "for want of a back-test"):
        assert FLATTERS not in opening(answer(told(contested, **{record: {"chosen": how}})))


def test_the_weights_of_rivals_are_not_those_of_a_back_test_that_was_not_possible(contested: ReportInput) -> None:
    said = {one.question: one.sentence for one in checks(answer(contested))}["Rival laws agree"]
    assert "to which the back-test gives 1 % of the weight or more" in said
    untested = told(contested, accuracy={"chosen": "for want of a back-test"})
    said = {one.question: one.sentence for one in checks(answer(untested))}["Rival laws agree"]
    assert "that have 1 % of the weight or more, which no back-test could set" in said


def summary(n: int, **settings: Any) -> str:
    fit: Fit = fit_pairs(X[:n], Y[:n], budget=BUDGET[:n], bootstrap=0, **settings)
    return next(line for line in fit.summary().splitlines() if "rivals and their weights" in line)


def test_the_summary_of_a_map_says_how_its_form_was_come_by() -> None:
    assert summary(4).startswith("taken for want of a back-test; ")
    assert summary(20).startswith("chosen by a back-test; ")
    assert summary(20, form="affine").startswith("held against others by a back-test; ")


def test_an_option_is_not_broken_and_stays_as_it_is_typed() -> None:
    kept = environment().filters["unbroken"]
    said = kept("x predicted (--source-fit with --params), 5 % -- or not, a--b & c")
    assert said == (
        'x predicted (<span class="option">--source-fit</span> with <span class="option">--params</span>), 5\u00a0% '
        "-- or not, a--b &amp; c"
    )
    assert kept(Markup("<b>5 %</b> --at")) == '<b>5\u00a0%</b> <span class="option">--at</span>'
