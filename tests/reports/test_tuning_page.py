"""The page of learning rates and batches: what it recommends, what it costs to be off, and the cells behind it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest

from reports import tuning_page
from reports.batch_page import Origin, render_decision
from reports.tuning_cells_figure import cells_figure
from reports.tuning_figures import laws_figure, recommendation_figure
from reports.tuning_page import TuningPage
from reports.tuning_tables import off_table, regrets_table
from scaling.formatting import format_number
from scaling.hyperparameters import find_cells, fit_laws, recommend, regrets_of
from scaling.hyperparameters.bowl import fit_bowls
from tests.tuning_logs import CONTEXT, best, log_text

BIG = {"N": 4e9, "D": 4e11}


def laws_of(bootstrap: int = 30, **settings: Any) -> Any:
    rows = list(csv.DictReader(io.StringIO(log_text(**settings))))
    n, d, lr, batch, loss = (
        np.array([float(row[name]) for row in rows]) for name in ("N", "D", "lr", "batch_seqs", "loss")
    )
    cells = find_cells(n, d, lr, batch * CONTEXT, loss, context_length=CONTEXT)
    return fit_laws(cells, bootstrap=bootstrap, seed=1)


@pytest.fixture(scope="module")
def page() -> TuningPage:
    laws = laws_of(noise=3e-4)
    regrets = {"fitted": regrets_of(laws.cells, "fitted", laws.points_at, laws.bowls)}
    return TuningPage(laws=laws, targets=(dict(BIG),), regrets=regrets, base="sweep", names={"lr": "sweep_lr"})


def origin_of(page: TuningPage) -> Origin:
    return Origin(name="sweep", fit=page.laws.lr.fit, rows="9 optima", runs=441, command="scaling tune fit")


@pytest.fixture(scope="module")
def html(page: TuningPage) -> str:
    origin = origin_of(page)
    return render_decision(tuning_page.decide(page, origin), origin)


def seen(html: str) -> str:
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).replace("\u00a0", " "))


def machine(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', html, re.S)
    assert found is not None
    table: dict[str, Any] = json.loads(found[1])
    return table


def test_the_recommendation_is_near_the_truth_and_carries_its_interval(page: TuningPage, html: str) -> None:
    lr, batch = best(**{k.lower(): v for k, v in BIG.items()})
    rec = recommend(page.laws, BIG["N"], BIG["D"], level=0.9)
    assert (rec.lr, rec.batch) == pytest.approx((lr, batch), rel=0.1)
    table = machine(html)
    [said] = table["recommendations"]
    assert said["lr"] == rec.lr
    assert said["lr_interval"] == [rec.lr_low, rec.lr_high]
    text = seen(html)
    assert f"4B parameters on 400B tokens: learning rate {format_number(rec.lr, 3)}" in text
    assert f"{rec.sequences()[0]} sequences of 2048" in text
    assert "extrapolating x50 beyond the cells" in text  # of the largest N times D
    assert "Batches in tokens a step" in text


def test_being_off_costs_what_the_truth_says(page: TuningPage, html: str) -> None:
    rec = recommend(page.laws, BIG["N"], BIG["D"])
    table = off_table(page, rec, origin_of(page))
    twice = [float(cell.removesuffix(" %")) for cell in table.rows[1][1:] if isinstance(cell, str)]
    # ln L rises by 0.005 u^2, by (0.006 - 0.004^2/(4*0.005)) v^2 along the valley, and by 0.006 v^2 beside it.
    true = [100 * math.expm1(k * math.log(2) ** 2) for k in (0.005, 0.0052, 0.006)]
    assert twice == pytest.approx(true, rel=0.25)
    assert f"Twice or half the learning rate costs {table.rows[1][1]} of the loss" in seen(html)


def test_contours_are_where_the_loss_given_up_is_what_they_say(page: TuningPage) -> None:
    rec = recommend(page.laws, BIG["N"], BIG["D"])
    figure, picture = recommendation_figure(page, rec, origin_of(page))
    hessian = page.laws.curvature.at(BIG["N"], BIG["D"])
    series = figure["loss given up"]
    off = series["learning rate off by, at the best batch"][1]
    assert series["loss given up"][1] == 0.25
    assert np.expm1(hessian[0, 0] * np.log(off) ** 2 / 2) == pytest.approx(0.0025)
    [axes] = picture.axes
    left, right = axes.get_xlim()
    assert left < rec.lr_low < rec.lr_high < right
    assert "step-law-2025" in figure["published"]["law"]


def test_a_batch_that_is_given_gets_its_own_learning_rate(page: TuningPage) -> None:
    one = replace(page, targets=({**BIG, "B": 2.0**22},))
    text = seen(render_decision(tuning_page.decide(one, origin_of(one)), origin_of(one)))
    rec = recommend(page.laws, BIG["N"], BIG["D"], batch=2.0**22)
    assert "a batch of 4.19M tokens (2048 sequences of 2048; given)" in text
    assert "Learning rate at a batch: There are only 9 groups" in text  # the verdict is on the law that answers
    assert "Learning rate: There" not in text
    assert "At the batch given, learning rates of" in text
    assert f"learning rate {format_number(rec.lr, 3)}" in text


def test_without_a_run_the_answer_is_for_the_largest_cell(page: TuningPage) -> None:
    one = replace(page, targets=())
    assert one.asked == ({"N": 4e8, "D": 8e10},)
    text = seen(render_decision(tuning_page.decide(one, origin_of(one)), origin_of(one)))
    assert "No run was asked for" in text
    assert "inside the range of the cells" in text


def test_each_cell_has_a_panel_with_its_vertex_and_what_the_laws_say(page: TuningPage) -> None:
    figure, picture = cells_figure(page, origin_of(page))
    table = figure["cells"]
    assert len(table) == 9
    assert [axes.get_title("left") for axes in picture.axes if axes.get_visible()] == list(table["cell"])
    sizes = [bowl.cell.n_params * bowl.cell.n_tokens for bowl in page.laws.bowls]
    assert table["cell"][-1] == page.laws.bowls[int(np.argmax(sizes))].cell.name
    assert all(text.endswith(" %") for text in table["laws give up"])


def test_a_surface_without_a_minimum_is_said_and_not_drawn(page: TuningPage) -> None:
    cells = laws_of(bootstrap=0).cells
    bad = fit_bowls([replace(cells.cells[0], loss=cells.cells[0].loss[::-1].copy())])
    one = replace(page, laws=replace(page.laws, bowls=(*page.laws.bowls[1:], replace(bad[0], status="not convex"))))
    figure, _ = cells_figure(one, origin_of(one))
    assert "Without lines: 100M at 2B, not convex." in figure.caption
    assert "–" in figure["cells"]["laws give up"]


def test_points_of_the_learning_rate_are_moved_to_the_tokens_of_the_run(page: TuningPage) -> None:
    figure, picture = laws_figure(page, BIG, origin_of(page))
    law = page.laws.lr
    o = page.laws.optima
    moved = o.lr * (BIG["D"] / o.n_tokens) ** law.estimates["q"]
    drawn = [np.asarray(line.get_ydata(), float) for line in picture.axes[0].lines if len(line.get_xdata()) == o.n]
    assert any(len(y) == o.n and np.allclose(y, moved) for y in drawn)
    assert "moved to D = 400B" in figure.caption


def test_published_laws_are_held_against_the_same_cells(page: TuningPage, html: str) -> None:
    table = regrets_table(page, origin_of(page))
    names = [row[0] for row in table.rows]
    assert names[0] == "these laws, where they were fitted"
    assert "step-law-2025" in names
    own = float(str(table.rows[0][2]).removesuffix(" %"))
    assert own == pytest.approx(100 * page.regrets["fitted"].mean, rel=1e-2)
    assert "The released table of runs does not give these coefficients" in seen(html)


def test_the_same_input_gives_the_same_bytes(page: TuningPage, html: str) -> None:
    origin = origin_of(page)
    assert render_decision(tuning_page.decide(page, origin), origin) == html
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
