"""The page of a boundary: what it says, that it never shows a coverage error alone, and that it is one safe file."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

import scaling
from reports import BoundaryPage, RefusedRow, Source, render_boundary_report, write_boundary_report
from reports.boundary_answers import answer_boundary
from reports.boundary_calibration import of_calibration, of_recalibration, reliability_figure
from reports.boundary_design import design_figure, of_designs
from reports.boundary_drift import drift_figure, of_drift
from reports.boundary_figure import boundary_figure, parts_of
from reports.boundary_history import history_figure
from reports.boundary_inverse import inverse_figure
from reports.boundary_tables import of_chances, of_estimates, of_inverse, of_margin, of_scores
from reports.boundary_time import dated_figure, of_rate
from reports.boundary_trust import checks, of_rivals, of_steps
from reports.boundary_words import flop_interval, score_axis, shortened
from reports.style import SENTINELS
from scaling.boundary.design import compare_designs
from scaling.boundary.drift import drift, fit_in_time
from scaling.boundary.evaluation.chances import forecast_chances
from scaling.boundary.evaluation.recalibration import recalibrate
from scaling.boundary.evaluation.rolling import backtest
from scaling.errors import UsageError

N, BASES = 240, 24
PERIODS = ("P1", "P2", "P3")
TASK = "Sums & <products>"


def scattered(n=N, seed=0):
    """Models of `BASES` bases: log10 compute, scores below a sigmoid that rises with the period, bases and periods."""
    draw = np.random.default_rng(seed)
    base = np.arange(n) % BASES
    z = np.linspace(21.2, 24.8, BASES)[base]
    period = np.arange(n) // BASES % len(PERIODS)
    top = 0.15 + 0.7 / (1 + np.exp(-1.4 * (z + 0.2 * period - 23)))
    return z, top * draw.beta(4, 1.2, n), np.array([f"base-{b}" for b in base]), np.array(PERIODS)[period]


@pytest.fixture(scope="module")
def boundary():
    z, y, base, period = scattered()
    return scaling.boundary.fit(z, y, groups=base, period=period, bootstrap=40)


@pytest.fixture(scope="module")
def page(boundary):
    z, y, base, period = scattered()
    year = 2024 + np.searchsorted(PERIODS, period) / 4 + np.arange(N) % 5 / 40
    chances = forecast_chances(z, y, period, groups=base)
    last = period == "P3"
    designs = tuple(
        compare_designs(
            z[~last], None, y[~last], budget=share, test_log10_compute=z[last], test_score=y[last], draws=3,
            designs=("stratified",),
        )
        for share in (0.3, 0.6)
    )  # fmt: skip
    return BoundaryPage(
        boundary=boundary,
        task=TASK,
        metric="accuracy",
        harness="lm-eval",
        name="sums",
        models=tuple(f"somebody/{'a-very-long-name-of-a-model-' * 4}{i}" for i in range(N)),
        dates=tuple("2024-07-01" for _ in range(N)),
        base_models=tuple(base.tolist()),
        marks={"merged": np.arange(N) % 3 == 0, "flagged": np.arange(N) % 10 == 0},
        backtest=backtest(z, y, period, groups=base),
        drift=drift(z, y, period, groups=base, bootstrap=30),
        dated=fit_in_time(z, y, year, groups=base),
        designs=designs,
        reliability=chances.reliability(bootstrap=50),
        recalibration=recalibrate(chances.probability, chances.outcome, np.arange(len(chances)) % 2, chances.groups),
        scores=(0.5, 0.999, 0.02),
        computes=(1e26, 1e23),
        refused=(RefusedRow("scores.csv", 17, "the score is 3"),),
        excluded_counts={"compute is missing": 5},
        sources=(Source("scores.csv", "ab" * 32, 246, "2026-01-02 03:04 UTC"),),
        command="scaling boundary fit 'Sums' --name sums",
        sql="SELECT model, score FROM scores WHERE compute_flop > 1 AND score < 2",
        data_sha256="cd" * 32,
        versions={"scaling-suite": "0.1.0"},
        store="scaling.duckdb",
        created_at="2026-01-02 03:05 UTC",
    )


@pytest.fixture(scope="module")
def answers(page):
    return answer_boundary(page)


@pytest.fixture(scope="module")
def html(page):
    return render_boundary_report(page)


@pytest.fixture(scope="module")
def both(page):
    """The page with and without a back-test, and the tables of each."""
    return [(one, tables_of(one)) for one in (page, replace(page, backtest=None))]


def seen(html: str) -> str:
    """What a reader sees."""
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).replace("\u00a0", " ")


def machine(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="report-data">(.*?)</script>', html, re.S)[1])


def tables_of(page):
    answers = answer_boundary(page)
    found = [of_scores(answers), of_inverse(answers), of_chances(answers), of_rivals(page), of_steps(page)]
    found += [of_margin(page), of_estimates(page), of_drift(page), of_rate(page), of_designs(page)]
    return [t for t in (*found, of_calibration(page), of_recalibration(page)) if t is not None]


def figures_of(page):
    answers = answer_boundary(page)
    drawn = [boundary_figure(answers), inverse_figure(answers)]
    drawn += [f(page) for f in (history_figure, drift_figure, dated_figure, design_figure, reliability_figure)]
    return [data for data, _ in (one for one in drawn if one is not None)]


class TestAnswer:
    def test_stands_first_with_its_band_and_how_far_it_is_extrapolated(self, html, boundary):
        said = boundary.predict(26.0, level=0.9)
        text = seen(re.search(r"<h1>(.*?)</h1>", html, re.S)[1])
        match = re.fullmatch(
            r"98 % of the models trained with 1e26 FLOP score at most ([\d.]+) on Sums &amp; &lt;products&gt; "
            r"\(90 % band ([\d.]+) to ([\d.]+)\), extrapolating x(\d+) beyond the compute seen\.",
            text,
        )
        assert match, text
        assert [float(g) for g in match.groups()[:3]] == pytest.approx([said.mean, said.low, said.high], abs=6e-3)
        assert int(match[4]) == round(10**1.2)

    def test_a_row_a_compute_with_the_margin_of_models_to_come(self, answers, boundary):
        rows = of_scores(answers).rows
        assert [row[0] for row in rows] == ["1e26", "1e23"]
        assert [float(row[3]) for row in rows] == pytest.approx(
            (boundary.predict(np.array([26.0, 23.0])) + boundary.margin.value).clip(0, 1), abs=6e-3
        )
        assert [row[-1] for row in rows] == ["x16 beyond", "inside"]
        assert float(rows[1][4]) == pytest.approx(boundary.grid().predict(23.0)[5, 0], abs=6e-4)

    def test_the_inverse_says_what_cannot_be_reached(self, answers, boundary):
        reached, never, small = of_inverse(answers).rows
        at = boundary.invert(0.5, level=0.9)
        assert float(reached[1]) == pytest.approx(at.compute_flop, rel=6e-3)
        assert [float(end) for end in reached[2].split(" to ")] == pytest.approx([10**at.low, 10**at.high], rel=0.06)
        assert (never[1], never[3]) == ("unreachable", "–")
        assert boundary.invert(0.999).status == "unreachable"
        assert small[1] == "any" or "below" in small[3]

    def test_chances_are_those_of_the_grid(self, answers, boundary):
        row = of_chances(answers).rows[0]
        chance = float(boundary.grid().probability(0.5, 23.0).value[0])
        assert float(row[2].removesuffix(" %")) == pytest.approx(100 * chance, abs=0.6)
        assert of_chances(answers).rows[1][2] == "at most 2 %"

    def test_choices_of_the_page_are_said(self, page):
        found = answer_boundary(replace(page, scores=(), computes=()))
        assert [round(v, 9) for v in found.z] == [22, 23, 24, 25]
        assert found.asked == 2
        assert "largest power of ten" in found.compute_choice
        at = [inverse.log10_compute for inverse in found.inverses]
        assert sum(math.isfinite(v) for v in at) >= 3
        assert "No score was asked for" in found.score_choice

    def test_quantiles_that_cross_are_not_given(self):
        # The best score .6 at any compute, while all others rise towards it: beyond the data the 90 % curve passes it.
        z = np.repeat(np.linspace(21, 24, 31), 40)
        share = np.tile(np.linspace(0, 1, 40), 31)
        y = np.where(share > 0.97, 0.6, 0.6 * share * (z - 20) / 4.2)
        found = answer_boundary(BoundaryPage(scaling.boundary.fit(z, y), "t", computes=(1e27, 1e22)))
        assert found.crossing(np.array([27.0, 22.0])).tolist() == [True, False]
        assert np.isnan(found.line(0.9, np.array([27.0]))[0])
        crossed, inside = of_scores(found).rows
        assert crossed[4:6] == ("crosses", "crosses")
        assert float(inside[4]) < float(inside[1])
        assert "Crosses: quantiles cross there" in of_scores(found).note

    def test_interval_ends_that_no_compute_reaches_are_words(self):
        assert flop_interval(22.0, math.inf) == "1e22 to never"
        assert flop_interval(-math.inf, 24.0) == "any to 1e24"
        assert flop_interval(math.inf, math.inf) == "never"
        assert flop_interval(math.nan, math.nan) == "unknown"
        assert flop_interval(7.0, 40.0, (21.0, 25.0)) == "far below to far above"
        assert flop_interval(20.0, 26.0, (21.0, 25.0)) == "1e20 to 1e26"

    def test_what_an_axis_says_fits_beside_it(self, page):
        assert score_axis(page) == "score on Sums & <products> (accuracy)"
        assert score_axis(replace(page, task="t" * 90)) == f"score on {'t' * 15}…{'t' * 15}"


class TestTrust:
    def test_losses_stand_beside_all_baselines_in_and_out_of_period(self, page):
        table = of_rivals(page)
        means, within = page.backtest.means, page.backtest.within
        assert len(table.rows) == len(page.backtest.models) == 10
        losses = [float(row[1]) for row in table.rows]
        assert losses == sorted(losses)
        own = next(row for row in table.rows if row[0] == "this boundary, with margin")
        assert table.rows[table.strong[0]] == own
        assert float(own[1]) == pytest.approx(means["boundary"]["pinball"], rel=6e-3)
        assert float(own[2]) == pytest.approx(means["boundary"]["skill"], abs=6e-3)
        plain = next(row for row in table.rows if row[0] == "this boundary, without margin")
        assert float(plain[5]) == pytest.approx(within["boundary without margin"]["pinball"], rel=6e-3)

    def test_no_coverage_error_without_a_loss_beside_it(self, both):
        for _, tables in both:
            found = [t for t in tables if "coverage error" in " ".join(t.heads)]
            assert len(found) >= 3
            for table in found:
                assert "pinball" in " ".join(table.heads)

    def test_a_row_a_step(self, page):
        rows = of_steps(page).rows
        assert [row[0] for row in rows] == ["P1 → P2", "P2 → P3"]
        first = page.backtest.rows[0]
        assert rows[0][1:3] == (str(first.n_train), f"{first.n_common} of {first.n_test}")
        assert float(rows[0][4].split(" ± ")[0]) == pytest.approx(first.pinball, rel=0.06)

    def test_without_periods_the_fitted_models_alone_are_told(self, page):
        alone = replace(page, backtest=None)
        table = of_rivals(alone)
        heads, rows = table.heads, table.rows
        assert heads[1:] == ("pinball, fitted", "skill, fitted", "below, fitted", "coverage error, fitted")
        assert {"constant 1", "linear quantile regression"} <= {str(row[0]) for row in rows}
        own = next(row for row in rows if row[0] == "this boundary, without margin")
        assert float(own[1]) == pytest.approx(page.boundary.pinball, rel=6e-3)
        assert of_steps(alone) is None
        assert history_figure(alone) is None
        assert "is not known: none was held against it" in seen(render_boundary_report(alone))

    def test_checks_count_models_above_and_groups(self, answers, boundary):
        found = {line.question: line for line in checks(answers)}
        assert found["As many above it as expected"].number.startswith(f"{boundary.n_above} above, 4.8 ")
        assert found["Enough models for this quantile"].answer == "no"  # 240 * .02 = 4.8, below 5
        assert found["Base models known"].number.startswith("24; ")
        lonely = answer_boundary(BoundaryPage(scaling.boundary.fit(*scattered()[:2]), "t"))
        assert {c.question: c.answer for c in checks(lonely)}["Base models known"] == "no"

    def test_what_is_not_identified_has_no_answer(self, page):
        z, y, base, _ = scattered(24)
        few = scaling.boundary.fit(z, y, groups=base, bootstrap=20)
        html = render_boundary_report(BoundaryPage(few, "t", backtest=page.backtest))
        top = seen(html)[:1200]
        assert "What compute buys on t cannot be told from 24 models" in top
        assert "score at most" not in seen(re.search(r"<h1>.*?</h1>", html, re.S)[0])
        assert "Verdict on the boundary: not identified" in top
        assert "Of models to come" not in top


class TestFigures:
    def test_each_says_objective_intervals_and_data(self, both):
        for one, tables in both:
            captions = {f.key: f.caption for f in figures_of(one)}
            assert len(captions) == 7 - (one.backtest is None)
            notes = {t.caption: t.note for t in tables}
            assert len(notes) == 12 - (one.backtest is None)
            for name, text in (captions | notes).items():
                for word in ("Objective: mean pinball(0.98)", "; intervals: ", "; data: "):
                    assert word in text, name

    def test_the_curve_is_the_boundary(self, answers, boundary):
        data, _ = boundary_figure(answers)
        curve = data["boundary"]
        z = np.log10(curve["compute (FLOP)"])
        assert curve["98 % below"] == pytest.approx(boundary.predict(z))
        assert np.all(curve["90 % band, low"] <= curve["90 % band, high"])
        assert z[-1] > 26
        models = data["models"]
        away = models["above the boundary by"]
        assert np.all(np.diff(away) <= 0)
        assert int(np.sum(away > 0)) == boundary.n_above

    def test_marked_models_are_told_apart(self, page, answers):
        parts = parts_of(page)
        assert [name for name, _ in parts] == ["model", "merged", "flagged"]
        assert np.sum([mask for _, mask in parts], axis=0).tolist() == [1] * N
        data, _ = boundary_figure(answers)
        marks = data["models"]["mark"]
        assert sum("merged" in mark for mark in marks) == 80
        assert sum(mark == "merged, flagged" for mark in marks) == 8

    def test_every_model_can_be_hovered(self, html):
        picture = re.search(r'<figure id="fig-boundary">.*?</figure>', html, re.S)[0]
        assert len(re.findall(r"<use [^>]*><title>somebody/[^<]* FLOP</title></use>", picture)) == N

    def test_the_inverse_turns_the_curve_round(self, answers, boundary):
        series = inverse_figure(answers)[0].series[0]
        known = np.isfinite(series["compute (FLOP)"]) & (series["compute (FLOP)"] > 0)
        assert known.sum() > 20
        z = np.log10(series["compute (FLOP)"][known])
        assert boundary.predict(z) == pytest.approx(series["score"][known], abs=1e-9)

    def test_shifts_and_rate_are_those_of_the_results(self, page):
        shifts = drift_figure(page)[0]["shifts"]
        assert shifts["shift"] == pytest.approx(np.concatenate([s.shift for s in page.drift.steps]))
        last = dated_figure(page)[0]["boundary by date"]
        day = list(last.columns)[-1]
        assert last[day] == pytest.approx(page.dated.predict(np.log10(last["compute (FLOP)"]), day), abs=2e-3)
        assert float(of_rate(page).rows[0][1]) == pytest.approx(page.dated.gain().orders, rel=6e-3)

    def test_designs_stand_beside_random_choice(self, page):
        series = design_figure(page)[0]["designs"]
        assert list(series["design"]) == ["bins of compute", "random choice"] * 2
        curve = [t.measure("curve").mean for d in page.designs for t in d.trials]
        assert series["mean distance from the curve of all models"] == pytest.approx(curve)
        assert of_designs(page).strong == (1, 3)

    def test_designs_of_one_budget_stand_side_by_side(self, page):
        _, figure = design_figure(replace(page, designs=page.designs[:1]))
        ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
        assert ticks == ["bins\nof compute", "random\nchoice"]
        drawn = [line.get_xdata().tolist() for line in figure.axes[0].lines[:2]]
        assert drawn == [[0.0], [1.0]]

    def test_chances_that_came_true_are_drawn(self, page):
        series = reliability_figure(page)[0]["chances"]
        assert series["came true"] == pytest.approx([100 * b.frequency for b in page.reliability.bins])
        assert int(np.sum(series["forecasts"])) == page.reliability.n


class TestFile:
    def test_sections_stand_in_their_order(self, html):
        sections = re.findall(r'<section id="(\w+)">', html)
        assert sections == ["answer", "trust", "figures", "chances", "time", "design", "methods", "data", "reproduce"]
        assert set(re.findall(r'href="#([a-z]+)">', html)) <= set(sections)

    def test_every_figure_is_followed_by_its_table(self, html):
        assert len(re.findall(r"<figure ", html)) == 7
        assert len(re.findall(r"</figure>\s*<details>.*?<table", html, re.S)) == 7
        numbers = [int(n) for n in re.findall(r"<strong>Figure (\d)\.", html)]
        assert numbers == [1, 2, 3, 4, 5, 6, 7]

    def test_nothing_is_loaded_and_nothing_runs(self, html):
        assert "default-src 'none'" in html
        assert re.findall(r"<script[^>]*>", html) == ['<script type="application/json" id="report-data">']
        for target in re.findall(r'(?:src|href)="([^"]*)"', html):
            assert target.startswith(("#", "data:", "https://arxiv.org/abs/"))

    def test_pictures_follow_the_theme(self, html):
        pictures = "".join(re.findall(r"<svg.*?</svg>", html, re.S))
        assert not re.search(r"#[0-9a-fA-F]{6}\b", pictures)
        assert not any(sentinel in html.lower() for sentinel in SENTINELS)
        assert all("<title " in svg and "<desc " in svg for svg in re.findall(r"<svg.*?</svg>", html, re.S))

    def test_names_are_escaped_and_cut(self, html):
        assert "<products>" not in html
        picture = re.search(r'<figure id="fig-boundary">.*?</figure>', html, re.S)[0]
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
        assert any("…" in text for text in texts)
        assert max(len(text) for text in texts if "model" in text and "…" in text) <= 30
        assert shortened("a" * 100, 11) == "aaaaa…aaaaa"

    def test_cells_are_filled(self, html):
        cells = re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>", html, re.S)
        assert len(cells) > 500
        assert not {"", "nan", "None"} & set(cells)

    def test_the_json_reads_back(self, html, page, boundary):
        table = machine(html)
        assert table["answer"]["score"] == boundary.predict(26.0)
        assert table["estimates"] == boundary.estimates
        assert table["inverse"][1]["status"] == "unreachable"
        assert table["margin"]["value"] == boundary.margin.value
        assert table["backtest"]["rows"][0]["pinball"] == page.backtest.rows[0].pinball
        assert table["data"]["models"]["score"] == boundary.scores.score.tolist()
        assert sum(table["data"]["models"]["flagged"]) == 24
        assert table["sql"] == page.sql

    def test_many_models_stay_light_and_all_are_counted(self, page):
        z, y, base, _ = scattered(3000)
        many, names = scaling.boundary.fit(z, y, groups=base), tuple(f"org/model-{i}" for i in range(3000))
        one = BoundaryPage(many, "t", models=names, backtest=page.backtest)
        data, _ = boundary_figure(answer_boundary(one))
        assert not data.tooltips
        html = render_boundary_report(one)
        assert len(html.encode()) < 700_000
        assert machine(html)["data"]["models"] is None
        assert "40 of 3000 rows, furthest above the boundary first" in html

    def test_the_same_page_has_the_same_bytes_and_is_written_whole(self, html, page, tmp_path):
        file = tmp_path / "page.html"
        assert write_boundary_report(page, file) == file
        assert file.read_text(encoding="utf-8") == html
        assert len(html.encode()) < 600_000
        with pytest.raises(UsageError, match="is a directory"):
            write_boundary_report(page, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": ("a",)}, "'models' has 1 values, but the boundary was fitted to 240 models"),
        ({"marks": {"merged": np.array([True])}}, "the mark 'merged' has shape"),
        ({"scores": (70.0,)}, "a score lies between 0 and 1, not at 70"),
        ({"computes": (0.0,)}, "compute must be positive, not 0"),
        ({"level": 90}, "a level lies between 0 and 1, not at 90"),
    ],
)
def test_input_that_makes_no_sense_is_refused(page, change, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        replace(page, **change)
