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
from reports.backtest_rows import rivals_text
from reports.page import environment
from reports.rivals import of_rivals, rivals_words
from reports.trust import checks
from reports.width import sources
from scaling.loss_to_loss.pairs import fit_pairs
from scaling.results import Fit
from scaling.rivals import Rival

UNTESTED = "for want of a back-test"
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
    for how in ("asked for", UNTESTED):
        assert FLATTERS not in opening(answer(told(contested, **{record: {"chosen": how}})))


def test_the_weights_of_rivals_are_not_those_of_a_back_test_that_was_not_possible(contested: ReportInput) -> None:
    said = {one.question: one.sentence for one in checks(answer(contested))}["Rival laws agree"]
    assert "to which the back-test gives 1 % of the weight or more" in said
    untested = told(contested, accuracy={"chosen": UNTESTED})
    said = {one.question: one.sentence for one in checks(answer(untested))}["Rival laws agree"]
    assert "that have 1 % of the weight or more, which no back-test could set" in said


def test_rivals_of_an_untested_law_are_said_to_be_so(contested: ReportInput) -> None:
    tested, other = (answer(page) for page in (contested, told(contested, accuracy={"chosen": UNTESTED})))
    assert of_rivals(tested).caption.startswith("Laws by the weight that the back-test gives them")
    assert of_rivals(other).caption.startswith("Laws by the weight that they have")
    assert rivals_words(tested).startswith("1 other law forecast the same held-out runs; 1 of them did well enough")
    assert rivals_words(other).startswith("1 other law stands beside this one, and no runs could be held out")
    assert "that the back-test leaves some trust in, by weight: kaplan" in sources(tested)["form"]
    assert "those which no back-test could choose from, by weight: kaplan" in sources(other)["form"]
    at = {"N": 1e10, "D": 2e11}
    assert rivals_text(tested.data.fit, at).startswith("Rival laws, by the back-test: kaplan ")
    assert rivals_text(other.data.fit, at).startswith("Rival laws, which no back-test could weigh: kaplan ")


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
