"""The page of a boundary that a year moves: its numbers are those of the boundary, and of a curve, not of a model."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from reports.boundary_dated_page import DatedPage, render_dated_report, write_dated_report
from reports.boundary_dated_tables import checks, of_inverse, of_points, scores_of
from reports.inputs import Source
from scaling.boundary.drift import fit_in_time
from scaling.errors import UsageError

TASK = "Sums"


def dated(bootstrap=30, years=3.0):
    rng = np.random.default_rng(4)
    n = 600
    base = rng.integers(0, 30, n)
    z = rng.uniform(21, 25, n)
    year = 2022.5 + years * rng.uniform(size=n)
    top = 0.1 + 0.8 / (1 + np.exp(-1.5 * (z + 0.5 * (year - 2024) - 23)))
    return fit_in_time(z, top * rng.uniform(size=n), year, groups=base, bootstrap=bootstrap, tau=0.9, seed=2)


@pytest.fixture(scope="module")
def page():
    return DatedPage(
        dated=dated(),
        task=TASK,
        metric="accuracy",
        name="sums",
        points=((1e24, 2025.0), (1e27, 2027.0)),
        scores=(0.5, 0.999),
        sources=(Source("scores.csv", "ab" * 32, 600, "2026-01-02 03:04 UTC"),),
        excluded_counts={"no compute": 5, "no date": 2},
        notes=("600 scores share 30 values of compute.",),
        command="scaling boundary drift Sums --name sums",
        backtest_command="scaling boundary backtest Sums --period quarter",
        sql="SELECT 1",
    )


@pytest.fixture(scope="module")
def html(page):
    return render_dated_report(page)


def seen(html):
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).replace("\u00a0", " ")


def machine(html):
    return json.loads(re.search(r'<script type="application/json" id="report-data">(.*?)</script>', html, re.S)[1])


def test_the_answer_is_that_of_the_boundary(page, html):
    answer, far = machine(html)["scores"]
    band = page.dated.predict(24.0, 2025.0, level=0.9)
    assert (answer["score"], answer["low"], answer["high"]) == pytest.approx((band.mean, band.low, band.high))
    assert (answer["extrapolation_factor"], answer["years_beyond"]) == (1, 0)
    assert answer == machine(html)["answer"]
    high, last = page.dated.support[1], page.dated.dates[1]
    assert far["extrapolation_factor"] == pytest.approx(10 ** (27 - high))
    assert far["years_beyond"] == pytest.approx(2027 - last)
    text = seen(html)
    assert "90 % of the models trained with 1e24 FLOP and dated 2024-12-31 score at most" in text  # years of one length
    assert "A year counts like" in text
    assert "beyond and" in of_points(page).rows[1][-1]
    assert "years after" in of_points(page).rows[1][-1]


def test_it_forecasts_no_single_model(html):
    text = seen(html)
    assert "The band is of the curve, not of a new model" in text
    for word in ("scatter of runs", "a new run", "scaling backtest sums", "huber"):
        assert word not in text


def test_the_inverse_is_that_of_the_date_and_of_a_year_before(page, html):
    reached, unreachable = of_inverse(page).rows
    found, before = (page.dated.invert(0.5, year) for year in (2025.0, 2024.0))
    assert before.log10_compute - found.log10_compute == pytest.approx(page.dated.estimates["c"])
    assert float(reached[1]) == pytest.approx(10**found.log10_compute, rel=0.01)
    assert float(reached[3]) == pytest.approx(10**before.log10_compute, rel=0.01)
    assert unreachable[1] == unreachable[3] == "unreachable"
    rows = machine(html)["inverse"]
    assert [row["score"] for row in rows] == [0.5, 0.5, 0.999, 0.999]


def test_what_it_rests_on_is_judged(page):
    found = {line.question: line for line in checks(page)}
    assert found["Enough models for this quantile"].number == "60 of 600"
    assert found["Held against models that came later"].answer == "no"
    assert found["Dates to tell a rate from"].answer == "yes"
    assert found["Replicates of the band"].answer == "no"
    short = {line.question: line for line in checks(replace(page, dated=dated(0, 0.3)))}
    assert short["Dates to tell a rate from"].answer == "no"
    assert short["A year makes a difference"].answer == "–"


def test_what_nobody_asked_for_is_chosen_and_said(page):
    bare = replace(page, points=(), scores=(), dated=dated(0))
    assert bare.asked == ((1e24, bare.dated.dates[1]),)
    low, high = (float(v) for v in bare.dated.predict(np.array(bare.dated.support), bare.dated.dates[1]))
    assert len(scores_of(bare)) >= 2
    assert all(low < score < high for score in scores_of(bare))
    text = seen(render_dated_report(bare))
    assert "No compute was asked for" in text
    assert "None: no bootstrap was made." in text
    assert math.isnan(machine(render_dated_report(bare))["answer"]["low"] or math.nan)


def test_where_it_came_from(page, html, tmp_path):
    text = seen(html)
    for said in (
        "600 models, from scores.csv went into the boundary. 7 were left out by the selection.",
        "600 scores share 30 values of compute.",
        "scaling boundary drift Sums --name sums",
        "scaling boundary backtest Sums --period quarter",
    ):
        assert said in text
    assert render_dated_report(page) == html
    assert "://" not in re.sub(r"http://www.w3.org|https://arxiv.org", "", html)
    assert write_dated_report(page, tmp_path / "page.html").read_text(encoding="utf-8") == html


def test_not_identified_comes_first(page):
    rng = np.random.default_rng(0)
    z = rng.uniform(21, 25, 200)
    one = fit_in_time(z, rng.uniform(size=200) * (z - 20) / 6, np.full(200, 2024.5), tau=0.9)
    text = seen(render_dated_report(replace(page, dated=one, points=())))
    assert "What a year is worth on Sums cannot be told from 200 models. All models have one date" in text


@pytest.mark.parametrize("change", [{"scores": (70.0,)}, {"points": ((0.0, 2025.0),)}, {"points": ((1e24, math.nan),)}])
def test_input_that_makes_no_sense_is_refused(page, change):
    with pytest.raises(UsageError):
        replace(page, **change)
