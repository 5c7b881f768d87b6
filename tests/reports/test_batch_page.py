"""Pages on batch sizes: the numbers are those of the fits, and none stands without its convention and unit."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html import unescape
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reports import batch_law_page, batch_noise_page, batch_steps_page
from reports.batch_figures import steps_figure
from reports.batch_law_axis import companions, published_lines, same_definition
from reports.batch_law_figure import law_figure
from reports.batch_law_page import LawPage, LawPoint
from reports.batch_law_published import published_figure
from reports.batch_law_tables import published_table
from reports.batch_noise_figure import noise_figure
from reports.batch_noise_page import NoisePage
from reports.batch_page import Origin, render_decision, write_decision
from reports.batch_pareto import pareto_figure
from reports.batch_steps_page import StepsPage
from reports.batch_steps_tables import conventions_table, costs_table
from reports.batch_words import change, ends_text, reach_words, size_text
from reports.inputs import Source
from scaling.batch_size import fit_steps, noise_scale, noise_scale_windows
from scaling.batch_size.cells import Cell
from scaling.batch_size.forms import compare_forms
from scaling.batch_size.law import fit_critical_law
from scaling.batch_size.planner.curve import curve_of
from scaling.batch_size.planner.tradeoff import pareto_front
from scaling.errors import UsageError

A, B = 1000.0, 2e6
BATCHES = 2.0 ** np.arange(6, 15)
ANCHOR = 256.0


def origin_of(fit: Any, **more: Any) -> Origin:
    return Origin(
        name="trial", fit=fit, rows="9 batch sizes", runs=27, where="n_params > 1",
        sources=(Source("sweep.csv", "ab" * 32, 27, "2026-01-02 03:04 UTC"),), command="scaling batch-size fit",
        sql="SELECT 1", excluded_counts={"the log has no steps": 2}, notes=("The best of 3 runs.",), **more,
    )  # fmt: skip


def steps_page(a: float = A, b: float = B, censored: bool = True, **more: Any) -> StepsPage:
    random = np.random.default_rng(0)
    steps = (a + b / BATCHES) * np.exp(0.02 * random.standard_normal(len(BATCHES)))
    late = np.zeros(len(BATCHES), bool)
    late[-1] = censored
    fit = fit_steps(BATCHES, steps, late, bootstrap=40, unit="sequences")
    cells = []
    for i, (batch, value) in enumerate(zip(BATCHES.tolist(), steps.tolist(), strict=True)):
        edges = ("lr at its largest",) if i == 2 else ()
        low, high = (value, value) if late[i] else (0.9 * value, 1.1 * value)
        cells.append(Cell(batch, value, low, high, bool(late[i]), f"run<{i}>", {"lr": 1e-3 * (i + 1)}, 3,
                          0 if late[i] else 3, 0, math.nan if late[i] else 1.1 * value, edges))  # fmt: skip
    return StepsPage(steps=fit, cells=tuple(cells), anchor=ANCHOR, target=2.7, rule="given", **more)


@pytest.fixture(scope="module")
def page() -> StepsPage:
    one = steps_page(batches=(512.0,))
    s = one.steps
    return replace(one, forms=compare_forms(s.batch, s.steps, s.censored, unit=s.unit, bootstrap=0))


@pytest.fixture(scope="module")
def origin(page: StepsPage) -> Origin:
    return origin_of(page.steps.fit)


@pytest.fixture(scope="module")
def html(page: StepsPage, origin: Origin) -> str:
    return render_decision(batch_steps_page.decide(page, origin), origin)


def seen(html: str) -> str:
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).replace("\u00a0", " ")
    return unescape(text)


def machine(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', html, re.S)
    assert found is not None
    table: dict[str, Any] = json.loads(found[1])
    return table


class TestSteps:
    def test_the_answer_is_the_overhead_rule_with_its_convention(self, page: StepsPage, html: str) -> None:
        best = page.steps.critical_batch(0.2, ANCHOR, 0.9)
        text = seen(html)
        assert best.estimate == pytest.approx(0.2 * B / A + 1.2 * ANCHOR, rel=0.1)
        assert f"Up to a batch of {size_text(best.estimate, 'sequences')} sequences" in text
        assert "at most 20 % more samples than linear scaling from 256 sequences takes" in text
        assert f"(90 % interval {ends_text(best.low, best.high, 'sequences')})" in text
        ratio = page.steps.critical_batch(level=0.9)
        assert f"By the other rule, b/a, it is {size_text(ratio.estimate, 'sequences')} sequences" in text
        assert best.method in text
        assert "objective: squared on log residuals" in text
        assert "arXiv:2410.21676" in text

    def test_everything_is_in_the_data_for_machines(self, page: StepsPage, html: str) -> None:
        table = machine(html)
        assert [c["overhead"] for c in table["critical_batches"]] == [0.2, 0.2, None]
        assert [c["anchor"] for c in table["critical_batches"]] == [ANCHOR, None, None]
        assert table["target"] == {"loss": 2.7, "rule": "given"}
        assert len(table["cells"]) == len(BATCHES)
        assert table["fit"]["estimates"]["a"] == page.steps.estimates["a"]

    def test_the_same_input_gives_the_same_bytes_and_no_text_ends_an_element(
        self, page: StepsPage, origin: Origin, html: str
    ) -> None:
        assert render_decision(batch_steps_page.decide(page, origin), origin) == html
        ids = re.findall(r' id="([^"]+)"', html)
        assert len(ids) == len(set(ids))
        assert "run<1>" not in html
        assert not re.search(r'(?:src|href)="(?!#|https://arxiv\.org)', html)

    def test_a_censored_batch_and_one_at_the_end_of_its_grid_are_marked(self, page: StepsPage, origin: Origin) -> None:
        figure, picture = steps_figure(page.steps, page.cells, page.criticals(0.9), page.target_words, origin)
        states = figure["batch sizes"]["state"]
        assert states[-1] == "not reached: more than this"
        assert states[2] == "reached; lr at its largest"
        assert "Triangles" in figure.caption
        assert "Squares" in figure.caption
        assert [len(figure.tooltips[k]) for k in ("cells", "censored")] == [len(BATCHES) - 1, 1]
        assert picture.axes[0].texts[0].get_text().startswith("20 % above 256: ")

    def test_the_band_holds_the_curve(self, page: StepsPage, origin: Origin) -> None:
        figure, _ = steps_figure(page.steps, page.cells, page.criticals(0.9), page.target_words, origin)
        curve = figure["curve"]
        a, b = page.steps.estimates["a"], page.steps.estimates["b"]
        assert curve["steps"] == pytest.approx(a + b / curve["batch (sequences)"])
        assert np.all((curve["90 % low"] <= curve["steps"]) & (curve["steps"] <= curve["90 % high"]))

    def test_being_off_by_a_factor_has_its_price(self, page: StepsPage, origin: Origin) -> None:
        best = page.criticals(0.9)[0]
        table = costs_table(page, curve_of(page.steps), best, origin)
        assert table is not None
        assert [row[0] for row in table.rows] == ["x0.25", "x0.5", "x1", "x2", "x4", "asked"]
        a, b = page.steps.estimates["a"], page.steps.estimates["b"]
        once, twice = (a + b / (k * best.estimate) for k in (1, 2))
        assert table.rows[3][3] == change(twice / once - 1)
        assert table.rows[3][5] == change(2 * twice / once - 1)
        assert table.rows[2][3] == "the same"
        assert table.rows[5][1] == "512"

    def test_time_against_compute_marks_the_batches_of_overheads(self, page: StepsPage, origin: Origin) -> None:
        curve = curve_of(page.steps)
        figure, _ = pareto_figure(curve, pareto_front(curve), None, origin)
        names = figure["plans"]["plan"]
        assert names[:4] == tuple(f"{k} % more sequences" for k in (10, 20, 50, 100))
        ratio = float(page.steps.critical_batch())
        assert figure["plans"]["batch (sequences)"][1] == size_text(0.2 * ratio, "sequences")
        front = figure["front"]
        lost = (front["of the fewest steps"] - 1) * front["more sequences than the fewest"] / 100
        assert lost == pytest.approx(np.ones(len(lost)))

    def test_conventions_differ_by_the_anchor_that_they_add(self, page: StepsPage, origin: Origin) -> None:
        table = conventions_table(page, origin)
        assert table is not None
        row = table.rows[table.strong[0]]
        ratio = float(page.steps.critical_batch())
        assert row[0] == "20 %"
        assert row[1] == size_text(0.2 * ratio, "sequences")
        assert table.heads[4] == "from 256"
        assert row[4] == size_text(0.2 * ratio + 1.2 * 256, "sequences")

    def test_steps_that_never_level_off_have_no_critical_batch(self) -> None:
        one = steps_page(a=1e-3, censored=False)
        assert float(one.steps.critical_batch()) == math.inf
        origin = origin_of(one.steps.fit)
        text = seen(render_decision(batch_steps_page.decide(one, origin), origin))
        assert "Steps to a loss of 2.7 still fall in proportion to the batch at 16384 sequences" in text
        assert "there is nothing to trade yet" in text
        assert "Time against compute" not in text
        assert "What a batch that is off costs" not in text

    def test_batches_that_all_lie_beyond_the_critical_one_get_no_critical_batch_as_the_answer(self) -> None:
        one = steps_page(b=100.0, censored=False)
        origin = origin_of(one.steps.fit)
        assert max(float(one.steps.critical_batch()), one.steps.critical_batch().high) < BATCHES[0]
        text = seen(render_decision(batch_steps_page.decide(one, origin), origin))
        assert "Every batch tried, from 64 sequences on, is beyond the critical batch size" in text
        assert "Up to a batch of" not in text
        assert "What a batch that is off costs" not in text

    def test_a_verdict_says_how_many_checks_are_against_it(self, page: StepsPage, html: str) -> None:
        against = html.count('class="answer no"')
        assert against > 0
        assert page.steps.verdict == "ok"
        assert f"but {against} of " in seen(html)
        assert "No check found a reason" not in html

    def test_the_front_reaches_every_batch_that_ran(self, page: StepsPage, origin: Origin) -> None:
        curve = curve_of(page.steps)
        for wide in (1.0, 1000.0):
            _, picture = pareto_figure(
                curve, pareto_front(curve), (BATCHES * wide, curve.steps(BATCHES * wide)), origin
            )
            line = np.asarray(picture.axes[0].lines[0].get_xdata(), float)
            assert line.min() <= float(curve.steps(BATCHES[-1] * wide)) * (1 + 1e-9)

    def test_other_forms_have_a_page_without_a_front(self) -> None:
        s = steps_page(censored=False)
        other = fit_steps(s.steps.batch, s.steps.steps, bootstrap=20, unit="sequences", form="steps_to_target_power")
        one = replace(s, steps=other, anchor=None)
        origin = origin_of(other.fit)
        text = seen(render_decision(batch_steps_page.decide(one, origin), origin))
        assert "takes twice the fewest steps and samples" in text
        assert "Time against compute" not in text

    def test_it_is_written_whole(self, page: StepsPage, origin: Origin, html: str, tmp_path: Any) -> None:
        decision = batch_steps_page.decide(page, origin)
        path = write_decision(decision, origin, tmp_path / "page.html")
        assert path.read_text(encoding="utf-8") == html
        with pytest.raises(UsageError, match="is a directory"):
            write_decision(decision, origin, tmp_path)


def law_page(**more: Any) -> LawPage:
    """Five sweeps at 20 tokens a parameter, whose b/a grows as the root of the tokens."""
    tokens = 20 * np.array([1e8, 2e8, 4e8, 8e8, 16e8])
    random = np.random.default_rng(1)
    curves = []
    for d in tokens:
        b = d / 512
        a = b / (1000 * math.sqrt(d / 2e9))
        steps = (a + b / BATCHES) * np.exp(0.02 * random.standard_normal(len(BATCHES)))
        curves.append(fit_steps(BATCHES, steps, bootstrap=40, unit="sequences"))
    law = fit_critical_law(curves, n_params=tokens / 20, n_tokens=tokens, law="critical_batch", bootstrap=40,
                           tokens_per_sample=512, **more)  # fmt: skip
    overhead, anchor = more.get("overhead"), more.get("anchor")
    points = []
    for d, curve in zip(tokens, curves, strict=True):
        found = curve.critical_batch(overhead, anchor)
        behind = SimpleNamespace(steps=curve, sweep=SimpleNamespace(found=SimpleNamespace(target=math.nan)))
        ends = found.estimate * 512, found.low * 512, found.high * 512
        points.append(LawPoint(f"{d / 20:g}", *ends, False, len(BATCHES), behind))
    return LawPage(law=law, points=tuple(points), inputs={"N": tokens / 20, "D": tokens}, point_method="fieller")


@pytest.fixture(scope="module")
def laws() -> LawPage:
    return law_page()


class TestLaw:
    def test_the_answer_is_the_forecast_of_the_law(self, laws: LawPage) -> None:
        one = replace(laws, targets=({"N": 1e9, "D": 1e11},), _cache={})
        origin = origin_of(one.law.fit)
        html = render_decision(batch_law_page.decide(one, origin), origin)
        said = one.law.predict(1e9, 1e11, level=0.9)
        [row] = machine(html)["forecasts"]
        assert (row["estimate"], row["low"], row["high"]) == pytest.approx(
            tuple(float(np.ravel(v)[0]) for v in (said.estimate, said.low, said.high))
        )
        assert row["fit_estimate"] == pytest.approx(512 * row["estimate"])
        text = seen(html)
        assert f"a step may hold {size_text(row['estimate'], 'sequences')} sequences" in text
        assert "b/a, where steps and samples are twice the fewest" in text
        assert "extrapolating x3.1 beyond the data" in text
        assert "of the points, it is not known whether the critical batch follows the training tokens" in text
        assert "Size and tokens grow together" in text

    def test_unlike_definitions_are_drawn_apart(self, laws: LawPage) -> None:
        other = law_page(overhead=0.2, anchor=256)
        assert same_definition(laws) == "b/a: twice the fewest steps and samples"
        assert same_definition(other) == "20 % above linear scaling from 256 sequences of 512 tokens"
        origin = origin_of(other.law.fit)
        with_law, _ = law_figure(other, origin)
        drawn = {series.name for series in with_law.series}
        assert {"published, zhang-2024", "published, zhang-2024-chinchilla"} <= drawn
        assert not any("step-law" in name or "kaplan" in name for name in drawn)
        apart = published_figure(other, origin)
        assert apart is not None
        assert {series.name for series in apart[0].series} == {
            "step-law-2025: batch of the lowest loss at a given number of tokens",
            "deepseek-2024: batch of the lowest loss at a given number of tokens",
        }
        own = published_figure(laws, origin_of(laws.law.fit))
        assert own is not None
        assert len(own[1].axes) == 2  # the 20 % rule, and the lowest loss

    def test_published_laws_are_worked_out_where_the_points_are(self, laws: LawPage) -> None:
        at = np.array([2e9, 8e9])
        assert companions(laws, "D", at)["N"] == pytest.approx(at / 20)
        lines = {name: values for name, _, values in published_lines(laws, "D", at)}
        assert lines["zhang-2024"] / 512 == pytest.approx(22.91 * (at / 1e6) ** 0.47, rel=1e-3)
        assert "minicpm-2024" not in lines  # it needs the loss

    def test_a_law_in_samples_stands_beside_no_published_one(self) -> None:
        values, tokens = 100.0 * np.array([1, 1.42, 1.97, 2.85, 4.01, 5.6, 8.1]), 1e4 * 2.0 ** np.arange(7)
        law = fit_critical_law(values, n_tokens=tokens, unit="samples", bootstrap=40)
        points = tuple(LawPoint(str(i), v, math.nan, math.nan, False, 0, None) for i, v in enumerate(values.tolist()))
        one = LawPage(law=law, points=points, inputs={"D": tokens})
        assert published_table(one) is None
        origin = origin_of(law.fit)
        text = seen(render_decision(batch_law_page.decide(one, origin), origin))
        assert "no published law can be put beside them" in text
        assert "At 640K samples, a step may hold" in text

    def test_the_points_are_drawn_with_their_intervals(self, laws: LawPage) -> None:
        figure, picture = law_figure(laws, origin_of(laws.law.fit))
        table = figure["critical batch sizes"]
        assert table["90 % interval"][0] == ends_text(laws.points[0].low, laws.points[0].high, "tokens")
        bars = [
            line for line in picture.axes[0].lines if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 1
        ]
        ends = {tuple(np.round(np.asarray(line.get_ydata(), float), 3)) for line in bars}
        assert tuple(np.round([laws.points[0].low, laws.points[0].high], 3)) in ends


def noise_page(gradient: float = 1.0, **more: Any) -> NoisePage:
    random = np.random.default_rng(3)
    step = np.arange(1.0, 401)
    trace = 40 * (step / 100) ** 0.3
    small, big = ((gradient + trace / b) * np.exp(0.05 * random.standard_normal(400)) for b in (8, 64))
    noise = noise_scale(small, big, 8, 64, block_length=1)
    curve = noise_scale_windows(step, small, big, 8, 64, count=8, block_length=1)
    return NoisePage(run_id="a", noise=noise, curve=curve, metric="sq_big", **more)


class TestNoise:
    def test_the_critical_batch_stands_beside_it_with_the_ratio(self) -> None:
        critical = fit_steps(BATCHES, A + B / BATCHES, bootstrap=0).critical_batch()
        one = noise_page(critical={"sweep": critical}, times=(800.0,))
        fit = one.curve.fit(bootstrap=30)
        origin = origin_of(fit)
        html = render_decision(batch_noise_page.decide(one, origin), origin)
        table = machine(html)
        assert table["calibrations"]["sweep"]["ratio"] == pytest.approx(B / A / one.noise.estimate, rel=1e-6)
        figure, _ = noise_figure(one, origin)
        assert figure["critical batch sizes"]["batch"] == ("2000 samples",)
        assert len(figure["windows"]) == 8
        text = seen(html)
        assert f"is {size_text(one.noise.estimate, 'samples')} samples" in text
        assert "The noise scale is a proxy" in text
        assert "x2" in text.partition("Noise scale at other times")[2]

    def test_without_a_sweep_the_page_says_what_is_missing(self) -> None:
        one = noise_page()
        origin = origin_of(one.curve.fit(bootstrap=0))
        text = seen(render_decision(batch_noise_page.decide(one, origin), origin))
        assert "No saved curve of steps over batch size is of this run" in text

    def test_an_interval_without_an_end_is_an_arrow(self) -> None:
        one = noise_page()
        first = replace(one.curve.windows[0].noise, high=math.inf, verdict="unbounded")
        windows = (replace(one.curve.windows[0], noise=first), *one.curve.windows[1:])
        origin = origin_of(one.curve.fit(bootstrap=0))
        figure, _ = noise_figure(replace(one, curve=replace(one.curve, windows=windows)), origin)
        assert "Arrows: no upper end (1)." in figure.caption
        assert figure["windows"]["90 % interval"][0].endswith("no upper end")


def test_words() -> None:
    assert (size_text(1.4e6, "tokens"), size_text(1394.2, "sequences")) == ("1.4M", "1394")
    assert ends_text(100, math.inf, "samples") == "above 100, no upper end"
    assert ends_text(0, math.inf, "samples") == "no end on either side"
    assert (change(0.2), change(-0.4), change(2.5), change(0)) == ("20 % more", "40 % less", "x3.5", "the same")
    assert [reach_words(x, 1, 10) for x in (5, 40, 0.1)] == ["inside", "x4 above", "x10 below"]
