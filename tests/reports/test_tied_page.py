"""The page of a law that fixes how its optimum grows: the law that estimates it stands beside it, as in `allocate`."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import scaling
from reports import Target, answer, render_report
from reports.contours import contours
from reports.prose import cost_words
from reports.tables import of_allocation
from scaling.allocation.ties import fit_untied
from scaling.errors import UsageError

BUDGETS = (1e22, 1e24)  # where the other law has fewer parameters than all replicates of this one


@pytest.fixture(scope="module")
def alone(make):
    """Gadre's law on runs of two exponents, which it ties."""
    rng = np.random.default_rng(2)
    n, d = 10 ** rng.uniform(7.5, 10, 80), 10 ** rng.uniform(9, 11.5, 80)
    loss = (1.8 + 480 / n**0.36 + 700 / d**0.29) * np.exp(rng.normal(0, 0.005, 80))
    page = make("gadre", {"N": n, "D": d}, loss, bootstrap=60)
    return replace(page, budgets=BUDGETS, targets=(Target("next", {"N": 2e10, "D": 1e12}),), level=0.9)


@pytest.fixture(scope="module")
def beside(alone):
    return replace(alone, untied=fit_untied(alone.fit, alone.inputs, alone.observed))


def of_line(page):
    """The compute-optimal line that is drawn, and the caption under it."""
    drawn, _ = contours(answer(page))
    [line] = [series for series in drawn.series if series.name == "compute-optimal line"]
    return line.columns, drawn.caption


def test_the_interval_of_the_table_reaches_to_the_other_law(alone, beside):
    narrow, wide = answer(alone).allocation, answer(beside).allocation
    free = scaling.allocate(beside.untied, BUDGETS, 0.9)
    plan = scaling.allocate(beside.fit, BUDGETS, 0.9, untied=beside.untied)
    np.testing.assert_array_equal(wide.n_params_interval, plan.n_params_interval)
    np.testing.assert_array_equal(wide.n_tokens_interval, plan.n_tokens_interval)
    assert np.all(free.n_params < narrow.n_params_interval[0])
    np.testing.assert_array_equal(wide.n_params_interval[0], free.n_params)
    np.testing.assert_array_equal(wide.n_params_interval[1], narrow.n_params_interval[1])
    np.testing.assert_array_equal(wide.n_tokens_interval[1], free.n_tokens)


def test_the_page_says_what_the_other_law_says(alone, beside):
    note, before = of_allocation(answer(beside)).note, of_allocation(answer(alone)).note
    assert "stretched to the optimum of chinchilla, fitted to the same rows" in note
    said = re.findall(r"With the exponents estimated \(chinchilla, \w+, on the same rows\), at (\S+) FLOP", note)
    assert said == ["1e22", "1e24"]
    assert "reaches to that by chinchilla" in cost_words(answer(beside))
    assert "exponents estimated" not in before
    assert "chinchilla" not in cost_words(answer(alone))


def test_the_band_of_the_drawn_line_reaches_as_far(alone, beside):
    columns, caption = of_line(beside)
    free = scaling.allocate(beside.untied, columns["compute (FLOP)"], 0.9)
    assert np.all(columns["parameters, 90 % low"] <= free.n_params)
    assert np.all(columns["parameters, 90 % high"] >= free.n_params)
    assert "with its 90 % band reaching to the optimum of chinchilla" in caption
    before, plain = of_line(alone)
    assert columns["parameters, 90 % low"][-1] == pytest.approx(free.n_params[-1], rel=1e-12)
    assert columns["parameters, 90 % low"][-1] < before["parameters, 90 % low"][-1]
    assert "with its 90 % band. " in plain


def test_another_law_without_an_optimum_refuses_the_table_and_leaves_the_line_without_a_band(alone):
    page = replace(alone, untied=scaling.fit("multiplicative", alone.inputs, alone.observed, bootstrap=0))
    answers = answer(page)
    assert answers.allocation is None
    assert answers.no_allocation.startswith("The law 'multiplicative' has no compute-optimal split at ")
    assert answers.no_allocation.endswith(
        "The law 'gadre' fixes how its optimum grows, so the split is held against that by 'multiplicative', fitted to "
        "the same rows."
    )
    columns, caption = of_line(page)
    assert np.isfinite(columns["parameters"]).all()
    assert np.isnan(columns["parameters, 90 % low"]).all()
    assert "the compute-optimal split. " in caption
    assert answers.no_allocation.replace("'", "&#39;") in render_report(page)


def test_why_no_law_stands_beside_it_is_said(alone):
    why = "The book has no law that is 'mine' without the tie, so none is set beside it."
    assert of_allocation(answer(replace(alone, no_untied=why))).note.endswith(f" {why}")


def test_a_fit_to_other_rows_is_refused(alone, data):
    with pytest.raises(UsageError, match=r"'chinchilla' was fitted to 240 rows of N, D, but the report is of 80 rows"):
        replace(alone, untied=data.fit)
