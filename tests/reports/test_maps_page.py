"""The sheet of maps: what it says, that it is one safe file, and that the same maps give the same bytes."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import scaling
from db.map_sheet import Sheet, SheetQuestion
from db.provenance import SourceOfRuns
from reports.maps_figures import residual_figure, sheet_figure
from reports.maps_floors import of_law_floors, of_sensitivity
from reports.maps_grid import columns_for
from reports.maps_page import map_row, maps_shown, render_maps, write_maps
from reports.maps_rows import goal_text, of_answers, of_candidates, of_maps, of_parts
from reports.style import SENTINELS
from reports.words import mean_text
from scaling.errors import UsageError
from scaling.loss_to_loss import Floor
from scaling.loss_to_loss.sensitivity import law_floors
from scaling.loss_to_loss.sheet import LargeRun, PairData, SheetMap, make_map

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = np.geomspace(1e18, 6.4e19, 7)
LARGE = 1.28e21  # 20 times the largest
LAWS = {"web": (1.8, 480.0, 2100.0), "code": (0.9, 310.0, 1500.0), "books & <co>": (2.0, 500.0, 2500.0)}


def runs() -> tuple[np.ndarray, np.ndarray]:
    """Sizes and tokens of five runs a budget."""
    n = np.concatenate([np.geomspace(0.4, 2.5, 5) * math.sqrt(c / 120) for c in BUDGETS])
    return n, np.repeat(BUDGETS, 5) / (6 * n)


def loss_of(corpus: str, n, d):
    floor, a, b = LAWS[corpus]
    return floor + a / n**0.35 + b / d**0.37


def logged(corpus: str) -> np.ndarray:
    """The losses of the runs of a corpus, with half a percent of noise."""
    n, d = runs()
    seed = list(LAWS).index(corpus)
    return loss_of(corpus, n, d) * np.exp(np.random.default_rng(seed).normal(0, 0.005, len(n)))


def large_of(source: str, target: str, **more) -> LargeRun:
    n = math.sqrt(LARGE / 120)
    x, y = (float(loss_of(corpus, n, 20 * n)) for corpus in (source, target))
    return LargeRun(x, LARGE, f"{source}-big", "It is the largest.", y, f"{target}-big", **more)


def data_of(source: str, target: str, **more) -> PairData:
    ids = tuple(f"{source}-{i}+{target}-{i}" for i in range(35))
    x, y = logged(source), logged(target)
    unpaired = ((f"{source}-lost", "source: no target run has its parameters and tokens"),)
    text = {"notes": ("35 pairs of runs.",), "sql": f"SELECT '{source}'", "sha256": "ab" * 32}
    sides = (source, target, "val_loss", "val_loss", "nats/token", "nats/token")
    return PairData(*sides, x, y, np.repeat(BUDGETS, 5), ids, unpaired, **text, **more)


def sheet_of(*maps: SheetMap, **asked) -> Sheet:
    file = SourceOfRuns("somewhere/runs.csv", "cd" * 32, 70, datetime(2026, 1, 2, tzinfo=UTC), ())
    question = SheetQuestion(metric="val_loss", bootstrap=20, **asked)
    return Sheet(question, maps, (file,), False, {"scaling-suite": "0.1.0"}, "scaling.duckdb")


@pytest.fixture(scope="module")
def floors():
    n, d = runs()
    fast = {"laws": ("chinchilla",), "shares": (0.0, 0.4), "bootstrap": 20}
    return {c: law_floors(n, d, logged(c), 6 * n * d, side=c, **fast) for c in LAWS}


@pytest.fixture(scope="module")
def maps(floors):
    return tuple(
        make_map(
            data_of("web", target), large_of("web", target), bootstrap=20, source_floors=floors["web"],
            target_floors=floors[target],
        )
        for target in ("code", "books & <co>")
    )  # fmt: skip


@pytest.fixture(scope="module")
def sheet(maps):
    return sheet_of(*maps)


@pytest.fixture(scope="module")
def page(sheet):
    return render_maps(sheet)


def seen(html: str) -> str:
    """What a reader sees."""
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("\u00a0", " ")
    return re.sub(r" ([,;.:])", r"\1", text)


def held(html: str) -> dict:
    [block] = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, flags=re.DOTALL)
    return json.loads(block)


class TestAnswer:
    def test_stands_first_with_the_outcome(self, page, maps):
        top = seen(page)[:1500]
        for one in maps:
            assert (
                f"{mean_text(*one.y)} on {one.data.target}".replace("& <", "&amp; &lt;").replace("o>", "o&gt;") in top
            )
        assert "whose measured val_loss is" in top
        assert "x20 the budget of the largest pair" in top
        assert "For 2 of 2 the target has that run" in top
        assert "Question: x measured." in top

    def test_a_row_a_map(self, sheet, maps):
        table = of_answers(sheet)
        assert table.heads[0] == "from web to"
        for row, one in zip(table.rows, maps, strict=True):
            error = one.y[0] / one.large.outcome - 1
            assert abs(error) < 0.03
            assert f"{one.verdict}" in row
            assert re.search("not held" if not one.held else r"(?<!not )held", str(row[4]))

    def test_the_json_has_the_digits(self, page, maps):
        rows = held(page)["maps"]
        assert [row["y"] for row in rows] == [one.y[0] for one in maps]
        assert [row["extrapolation_factor"] for row in rows] == [pytest.approx(20.0)] * 2
        assert rows[0]["pairs"]["x"] == logged("web").tolist()
        assert rows[0]["sql"] == "SELECT 'web'"
        assert {row["basis"] for row in rows[0]["floors"]} == {"none", "law", "end", "grid"}

    def test_what_is_not_known_of_the_extrapolation_is_null(self, maps):
        known, unknown = map_row(maps[0], False), map_row(replace(maps[0], forecast=None), False)
        assert (known["extrapolation"], unknown["extrapolation"]) == ("x20", None)
        assert math.isnan(unknown["extrapolation_factor"])  # which JSON writes as null

    def test_one_map_is_answered_in_a_sentence(self, maps):
        text = seen(render_maps(sheet_of(maps[0])))
        mean, low, high = maps[0].y
        assert re.search(r"would score on code: \d\.\d+ \(90 % of new runs: \d\.\d+ to \d\.\d+\)", text)
        assert low < mean < high

    def test_in_a_terminal(self, sheet):
        lines = maps_shown(sheet).splitlines()
        assert lines[0].split()[:3] == ["map", "form", "x"]
        assert "web → code" in lines[2]


class TestQuestion:
    @pytest.fixture(scope="class")
    @staticmethod
    def predicted(maps):
        n, d = runs()
        noisy = logged("web") * np.exp(np.random.default_rng(5).normal(0, 0.012, len(n)))
        law = scaling.fit("chinchilla", {"N": n, "D": d}, noisy, bootstrap=20)
        size = math.sqrt(LARGE / 120)
        inputs = {"N": size, "D": 20 * size}
        x = float(law.evaluate(inputs)[0][0])
        run = LargeRun(x, LARGE, why="It is a forecast.", source_fit=law, source_name="web-law", inputs=inputs)
        one = make_map(maps[0].data, run, bootstrap=20)
        return sheet_of(one, sources=("web",), source_fit="web-law", n_params=size, n_tokens=20 * size)

    def test_an_x_that_is_predicted_widens_the_interval_and_says_so(self, predicted):
        [one] = predicted.maps
        said = one.forecast.prediction
        assert one.y[2] - one.y[1] > 1.3 * (said.high - said.low)
        assert one.verdict == one.chained.verdict
        text = seen(render_maps(predicted))
        assert "Question: x predicted." in text
        assert "if x were known" in text
        assert "half width with the error of x" in of_parts(predicted).heads
        assert held(render_maps(predicted))["maps"][0]["question"] == "x predicted"

    def test_an_x_that_is_predicted_never_narrows_the_interval(self, predicted):
        [one] = predicted.maps
        said = one.forecast.prediction
        narrow = replace(one, chained=replace(one.chained, low=said.mean, high=said.mean))
        assert narrow.y[1:] == (said.low, said.high)
        unknown = replace(one, chained=replace(one.chained, low=math.nan, high=math.nan))
        assert np.isnan(unknown.y[1:]).all()

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"x": 2.0, "target_run": "a"}, "each say which run"),
            ({"source_fit": "a", "sources": ("web",)}, "these are missing"),
            ({"n_params": 1e9}, "no law is named"),
            ({"x": 2.0}, "a loss on one source"),
            ({"compute_flop": 1e21, "sources": ("web",)}, "which is missing"),
        ],
    )
    def test_words_that_make_no_sense(self, asked, words):
        with pytest.raises(UsageError, match=words):
            SheetQuestion(**asked)


class TestMaps:
    def test_floors_that_are_given_have_their_source(self, maps):
        data = replace(maps[0].data, floor_x=Floor(1.75, "E of the law a", 1.7, 1.8), floor_y=Floor(0.8, "number"))
        one = make_map(data, maps[0].large, form="shifted_power", bootstrap=20)
        sheet = sheet_of(one, floors="both", form="shifted_power")
        [row] = of_maps(sheet).rows
        assert "E of the law a" in str(row[7])
        assert "1.70 to 1.80" in str(row[7])
        assert "number" in str(row[8])
        assert "floors given" in " ".join(of_sensitivity(sheet).heads)
        assert goal_text(one.fit.objective) == "squared on log residuals above 0.8000"
        assert "squared on log residuals above the floor of y" in seen(render_maps(sheet))

    def test_the_form_that_was_chosen_is_bold_among_its_rivals(self, sheet, maps):
        table = of_candidates(sheet)
        for row, one in zip(table.rows, maps, strict=True):
            bold = [head for head, cell in zip(table.heads, row, strict=True) if "<strong>" in str(cell)]
            assert bold == [one.fit.law.name]

    def test_a_map_without_a_value_offers_one_that_has(self, maps):
        data = replace(maps[0].data, floor_x=Floor(1.9), floor_y=Floor(0.8))
        one = make_map(data, replace(maps[0].large, x=1.85), form="shifted_power", bootstrap=20)
        sheet = sheet_of(one, form="shifted_power")
        text = seen(render_maps(sheet))
        assert "no forecast, because the maps have no value at x = 1.850" in text
        assert f"({one.forecast.instead_form})" in text
        assert f"1 {one.fit.verdict}; 1 forecast undefined" in text
        assert "no value at this x" in of_answers(sheet).rows[0]

    def test_a_map_that_is_refused_stands_there_with_the_reason(self, maps):
        bad = make_map(replace(maps[0].data, floor_x=Floor(5.0)), maps[0].large, bootstrap=20)
        assert bad.fit is None
        text = seen(render_maps(sheet_of(bad, maps[1])))
        assert "The floor of x, 5" in text
        assert "1 ok and 1 refused" in text or "1 weak and 1 refused" in text

    def test_without_a_large_run_the_maps_stand_alone(self, maps):
        text = seen(render_maps(sheet_of(*(make_map(one.data, None, bootstrap=20) for one in maps[:1]))))
        assert "No run of a source is left to forecast" in text


class TestFloors:
    def test_the_table_is_of_differences(self, sheet, maps):
        table = of_sensitivity(sheet)
        [column] = [i for i, head in enumerate(table.heads) if head == "chinchilla, all budgets"]
        [row] = [r for r in maps[0].sensitivity if (r.basis, r.held, r.share) == ("law", "both", 0.0)]
        size = 100 * (row.forecast / maps[0].y[0] - 1)
        shown = float(table.rows[0][column].replace("−", "-").removesuffix(" %"))
        assert shown == pytest.approx(size, rel=0.06)

    def test_floors_of_each_side_stand_once(self, sheet, floors):
        table = of_law_floors(sheet)
        assert [row[0] for row in table.rows] == ["web", "code", "books & <co>"]
        assert table.rows[0][1].startswith(f"{floors['web'][0].floor.value:.3f}")


class TestDocument:
    def test_figures_have_numbers_and_tables(self, page):
        assert re.findall(r"<strong>Figure (\d)\.", page) == ["1", "2", "3", "4", "5"]
        assert page.count("<summary>The numbers of figure") == 5

    def test_ids_are_unique_and_links_lead_to_them(self, page):
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)

    def test_colours_follow_the_theme(self, page):
        assert not re.search("|".join(SENTINELS), page, flags=re.IGNORECASE)

    def test_loads_and_runs_nothing(self, page):
        assert not re.search(r"<script(?! type=\"application/json\")|<link|<img|@import|url\(http", page)
        assert "books & <co>" not in page
        assert "books &amp; &lt;co&gt;" in page

    def test_every_table_and_figure_names_objective_intervals_and_data(self, page):
        captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, flags=re.DOTALL)
        assert len(captions) == 5
        for caption in captions:
            assert re.search(
                r"Objective: squared.*intervals: .*data: 70 pairs of runs in 2 maps from runs.csv", caption
            )

    def test_all_panels_show_one_window_and_the_line_of_equal_losses(self, sheet):
        data, figure = sheet_figure(sheet)
        assert len({axes.get_ylim() for axes in figure.axes}) == 1
        low, high = figure.axes[0].get_ylim()
        left, right = figure.axes[0].get_xlim()
        assert max(low, left) < min(high, right)
        assert data["large runs"]["outcome"].tolist() == [one.large.outcome for one in sheet.maps]

    def test_differences_are_of_the_map(self, sheet, maps):
        data, _ = residual_figure(sheet)
        fit = maps[0].fit
        off = maps[0].data.y / fit.evaluate({"x": maps[0].data.x})[0] - 1
        shown = data["differences"]["scatter of the pairs (rms)"][0]
        assert shown == pytest.approx(100 * math.sqrt(np.mean(off**2)))

    def test_thirty_maps_have_a_row_a_source_and_names_that_keep_apart(self, maps):
        names = ["fineweb-100b", "fineweb-edu-100b", "proof-pile-2", "slimpajama-chunk1", "smollm-corpus", "starcoder"]
        many = [
            replace(maps[0], data=replace(maps[0].data, source=a, target=b)) for a in names for b in names if a != b
        ]
        assert columns_for(many) == 5
        _, figure = sheet_figure(sheet_of(*many))
        figure.draw_without_rendering()
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [axes.title.get_window_extent(renderer) if axes.get_title() else
                 axes._left_title.get_window_extent(renderer) for axes in figure.axes]  # fmt: skip
        for i, one in enumerate(boxes):
            assert not any(one.overlaps(other) for other in boxes[i + 1 :])
            assert one.x1 <= figure.bbox.x1

    def test_the_same_maps_give_the_same_bytes(self, sheet, page, tmp_path):
        path = write_maps(sheet, tmp_path / "maps.html")
        assert path.read_text(encoding="utf-8") == page

    def test_a_directory_is_refused_before_anything_is_drawn(self, sheet, tmp_path, monkeypatch):
        monkeypatch.setattr("reports.maps_page.render_maps", lambda _: pytest.fail("drawn"))
        with pytest.raises(UsageError, match="is a directory"):
            write_maps(sheet, tmp_path)


_RENDER = """
import hashlib, sys
sys.path[:0] = {paths!r}
from test_maps_page import data_of, large_of, sheet_of
from reports.maps_page import render_maps
from scaling.loss_to_loss.sheet import make_map
one = make_map(data_of("web", "code"), large_of("web", "code"), bootstrap=10)
print(hashlib.sha256(render_maps(sheet_of(one)).encode()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes():
    code = _RENDER.format(paths=[str(ROOT), str(ROOT / "tests" / "reports")])
    digests = [
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "77")
    ]  # fmt: skip
    assert digests[0] == digests[1]
    assert len(digests[0]) == 64
