"""Every law of the book, and formulas, get a page."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import scaling
from reports import Target, render_report
from reports.svg import formula_svg
from tests import truths
from tests.conftest import BY_HAND, draw_truth

LOSS_TO_LOSS = {"offset_power", "log_log", "affine", "quadratic", "log_quadratic"}  # x is a loss, not a budget


def _data(law, make_runs):
    inputs = scaling.find_law(law).inputs
    if law in truths.BY_HAND or law in LOSS_TO_LOSS:
        inputs, truth = draw_truth(law, np.random.default_rng(3))
        exact = BY_HAND[law](**inputs, **truth)
        return inputs, exact * np.exp(np.random.default_rng(1).normal(0, 0.002, len(exact)))
    rng = np.random.default_rng(1)
    if set(inputs) == {"N", "D"}:
        return make_runs(48)
    if law == "shifted_power":  # from near the floor: with x from 2.2 and 0.4 % noise no floor can be told
        x = 1.5 + np.geomspace(0.05, 2.5, 48)
        return {"x": x}, (0.8 * (x - 1.5) ** 1.3 + 1.2) * np.exp(rng.normal(0, 0.001, 48))
    x = np.geomspace(1e18, 1e21, 48)
    return {"x": x}, (1.7 + 3e3 * x**-0.17) * np.exp(rng.normal(0, 0.01, 48))


SOON = ("chinchilla", "kaplan", "power_floor", "shifted_power")  # two inputs and one; the others are slow tests
BOOK = [n if n in SOON else pytest.param(n, marks=pytest.mark.slow) for n in scaling.law_names()]


@pytest.mark.parametrize("law", BOOK)
def test_every_law_of_the_book(law, make, make_runs):
    page = make(law, *_data(law, make_runs))
    assert page.fit.verdict != "not identified"
    text = render_report(page)
    expected = ["fig-width", "fig-data", "fig-residuals", "fig-fan"]
    if set(page.fit.law.inputs) != {"N", "D"} and len(page.fit.law.inputs) > 1:
        expected.pop()  # of several inputs only N and D have a course to draw the forecast along
    if set(page.fit.law.inputs) == {"N", "D"}:
        expected.insert(3, "fig-contours")
    assert re.findall(r'<figure id="([^"]+)"', text) == expected
    assert "No target was given, so this page takes" in text
    assert 'aria-labelledby="formula-title formula-desc"' in text


def test_a_formula_without_bootstrap(make):
    n = np.geomspace(1e7, 1e9, 30)
    loss = (2 + 400 / n**0.34) * np.exp(np.random.default_rng(0).normal(0, 0.01, 30))
    page = make("E + A/N**alpha", {"N": n}, loss, bootstrap=0, parameters={"alpha": {"low": 0.01, "high": 2}})
    text = render_report(page)
    assert "t interval from the covariance" in text
    assert "N = 10B parameters" in text


def test_a_chinchilla_fit_without_bootstrap_has_an_allocation_without_intervals(make, make_runs):
    text = render_report(make("chinchilla", *make_runs(60), bootstrap=0))
    assert "Intervals: none: the fit has no bootstrap replicates" in text
    assert '<td class="n">unknown</td>' in text


def test_targets_on_both_sides_of_a_loss_to_loss_law(make, make_runs):
    page = make("shifted_power", *_data("shifted_power", make_runs))
    text = render_report(replace(page, targets=(Target("better", {"x": 1.53}), Target("worse", {"x": 5.0}))))
    assert "At x = 1.53 nats/token (better) the law forecasts y = " in text
    assert "← the data end here" in text
    assert "the data end here →" in text


def test_clusters_are_reported(make):
    x = np.geomspace(1e18, 1e21, 40)
    loss = 3e3 * x**-0.17 * np.exp(np.random.default_rng(0).normal(0, 0.01, 40))
    text = render_report(make("power", {"x": x}, loss, groups=np.arange(40) // 8))
    assert "Enough clusters" in text
    assert "cluster bootstrap replicates" in text


def test_many_points_become_pixels(make, make_runs):
    text = render_report(make("chinchilla", *make_runs(2500), bootstrap=10))
    assert text.count("data:image/png;base64,") >= 3
    assert len(text.encode()) < 1_000_000
    assert '"rows":null' in text


@pytest.mark.parametrize("name", scaling.law_names())
def test_every_formula_is_typeset(name):
    law = scaling.find_law(name)
    svg = formula_svg(law.latex(), "f", "text")
    assert svg is not None
    assert svg.count("<use") >= len(law.inputs) + len(law.parameters)  # a glyph for each name at least


def test_a_formula_that_cannot_be_typeset_is_left_to_plain_text():
    assert formula_svg(r"\begin{cases} a \end{cases}", "f", "text") is None
