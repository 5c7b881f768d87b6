"""What the page says about the width of a forecast, the back-test and the rival laws."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import scaling
from reports import ReportInput, Target, answer, render_report
from reports.backtest import error_text, of_factors, of_skipped, of_targets, opening, remedy
from reports.backtest_figure import backtest_figure
from reports.backtest_rows import rivals_text
from reports.fan import forecast_fan
from reports.prose import headline, methods
from reports.rivals import of_rivals, rivals_words
from reports.tables import of_allocation, of_growth
from reports.trust import checks, trust_words
from reports.width import contained, of_parts, width_figure, width_words
from scaling.formatting import format_number
from scaling.rivals import Rival

ERROR = "error (% of loss)"


@pytest.fixture(scope="module")
def tested(data: ReportInput) -> ReportInput:
    """The trial page with a back-test."""
    found = scaling.backtest_law(data.fit, data.inputs, data.observed, bootstrap=40)
    return replace(data, fit=replace(data.fit, backtest=found), alternatives=())


@pytest.fixture(scope="module")
def contested(tested: ReportInput) -> ReportInput:
    """The same with a rival worth naming, and one that is not."""
    rivals = []
    for name, weight in (("kaplan", 0.3), ("multiplicative", 0.004)):
        fit = scaling.fit(name, tested.inputs, tested.observed, bootstrap=0)
        rivals.append(Rival(fit.law, fit.estimates, weight, 0.01, str(fit.objective), "smallest 25 %"))
    return replace(tested, fit=replace(tested.fit, rivals=tuple(rivals)))


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("\u00a0", " ")


def section(page: str, name: str) -> str:
    return re.search(rf'<section id="{name}">.*?</section>', page, re.S)[0]


def said_by(page: ReportInput) -> dict[str, tuple[str, str]]:
    return {one.question: (one.answer, one.number) for one in checks(answer(page))}


# --- the width


def test_shares_are_those_of_the_prediction_and_parts_alone_add_up_in_quadrature(contested):
    table = of_parts(answer(contested))
    run = contested.fit.predict(dict(contested.targets[0].inputs), level=contested.level)
    assert set(run.parts) == {"parameters", "noise", "form", "back-test"}
    shares = {row[0]: float(row[2].removesuffix(" %")) / 100 for row in table.rows if "under" not in row[2]}
    words = {"scatter of runs": "noise", "form of the law": "form"}
    for name, share in shares.items():
        assert share == pytest.approx(run.parts[words.get(name, name)], rel=0.05)
    alone = np.log1p([float(row[3].strip("± %")) / 100 for row in table.rows])
    square = (np.log(run.mean / run.low) ** 2 + np.log(run.high / run.mean) ** 2) / 2
    assert np.sum(alone**2) == pytest.approx(square, rel=0.05)
    assert [row[2] for row in table.rows] == sorted(
        (row[2] for row in table.rows), key=lambda t: -float(re.sub("[^0-9.]", "", t))
    )


def test_bars_are_shares_of_a_hundred(contested):
    near = Target("", {"N": 1e9, "D": 20e9})
    answers = answer(replace(contested, targets=(*contested.targets, near)))
    drawn, picture = width_figure(answers)
    shares = drawn["shares"]
    names = ["parameters", "scatter of runs", "form of the law", "back-test"]
    assert list(shares.columns)[1:] == names
    assert np.sum([shares[name] for name in names], axis=0) == pytest.approx([100, 100])
    assert shares["target"] == ("1. next model", "2. 1B parameters on 20B tokens")
    assert shares["back-test"][1] == 0  # inside the data the law forecasts no change beyond them
    assert shares["scatter of runs"].tolist() == [100 * f.run.parts["noise"] for f in answers.forecasts]
    widths = [patch.get_width() for patch in picture.axes[0].patches]
    assert np.reshape(widths, (4, 2)).sum(0) == pytest.approx([100, 100])
    table = of_parts(answers)
    assert [row[0] for row in table.rows] == ["1. next model", "2. 1B parameters on 20B tokens"]
    assert table.rows[1][-1] == "scatter of runs"
    assert len(contained(answers)) == 4
    assert contained(answer(contested)) == []  # the table of the parts says it


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"parameters": 0.7, "noise": 0.3},
            "The parameters dominate: of the squared width 70 % from the parameters and 30 % from the scatter of runs. "
            "More runs, or runs that differ more from each other, would narrow the interval most.",
        ),
        (
            {"parameters": 0.05, "noise": 0.05, "form": 0.0005, "back-test": 0.8995},
            "The back-test dominates: of the squared width 90 % from the back-test, 5 % from the parameters, 5 % "
            "from the scatter of runs and under 0.1 % from the form of the law. Larger runs, from which the target is "
            "less far, would narrow the interval most.",
        ),
        (
            {"parameters": 0.49, "noise": 0.51},
            "No part dominates: of the squared width 51 % from the scatter of runs and 49 % from the parameters.",
        ),
        ({"parameters": 1.0}, "The whole width comes from the parameters."),
        ({"parameters": float("nan"), "noise": float("nan")}, ""),
        ({}, ""),
    ],
)
def test_words_name_the_part_that_dominates(answers, parts, words):
    forecast = answers.forecasts[0]
    assert width_words(replace(forecast, run=replace(forecast.run, parts=parts))) == words


def test_a_bar_that_is_much_longer_than_the_errors_is_cut(tested):
    drawn, picture = backtest_figure(answer(tested))
    errors = np.abs(list(drawn["held-out runs"].columns.values())[5])
    assert "go on; their ends are in the table" not in drawn.caption
    answers = answer(tested)
    first = answers.forecasts[0]
    wide = replace(first, run=replace(first.run, low=first.run.mean / 3, high=first.run.mean * 3))
    drawn, picture = backtest_figure(replace(answers, forecasts=(wide,)))
    _, top = picture.axes[0].get_ylim()
    assert top <= 1.15 * 3 * errors.max() * (1 + 1e-9)
    bars = [line for line in picture.axes[0].lines if line.get_gid() is None and len(line.get_ydata()) == 2]
    assert max(float(np.max(line.get_ydata())) for line in bars) <= top
    assert "Bars that end in a triangle go on; their ends are in the table." in drawn.caption
    assert float(list(drawn["targets"].columns.values())[3][0]) == pytest.approx(200)


def test_the_half_width_of_a_law_on_its_own_scale_has_a_unit(make):
    x = np.geomspace(1, 1e4, 60)
    y = -3 + 0.5 * np.log(x) + np.random.default_rng(0).normal(0, 0.05, 60)
    page = make("a + b*log(x)", {"x": x}, y, objective="squared", residual="linear")
    found = scaling.backtest_law(page.fit, page.inputs, y, bootstrap=20)
    assert not found.log
    answers = answer(replace(page, fit=replace(page.fit, backtest=found), targets=(Target("", {"x": 1e5}),)))
    run = answers.forecasts[0].run
    noise = next(row for row in of_parts(answers).rows if row[0] == "scatter of runs")
    assert float(noise[3].removeprefix("± ")) == pytest.approx(
        np.sqrt(run.parts["noise"]) * (run.high - run.low) / 2, rel=0.05
    )
    drawn = backtest_figure(answers)[0]["held-out runs"]
    assert np.sort(drawn["error"]) == pytest.approx(np.sort(found.predicted - found.observed))
    assert error_text(-0.0123, found, signed=True) == "−0.012"
    assert "Errors are forecast − observed." in dict(methods(answers))["Back-test"]


# --- the back-test


def test_the_first_paragraph_quotes_the_back_test_at_the_factor_of_the_target(tested):
    found = tested.fit.backtest
    compute = 6 * tested.inputs["N"] * tested.inputs["D"]
    near = replace(tested, targets=(Target("", {"N": 10e9, "D": 500e9}),))
    factor = 6 * 10e9 * 500e9 / compute.max()
    assert 1.5 < factor < 3
    page = text_of(render_report(near))
    quote = found.sentence(factor)
    assert quote.startswith(f"Back-test at {scaling.formatting.format_factor(factor)}: ")
    assert quote in page[: page.index("Verdict on the fit")]
    far = answer(replace(tested, targets=(Target("", {"N": 1e13, "D": 1e15}),)))
    assert headline(far).backtest.startswith("No back-test is possible at x")


def test_every_held_out_run_is_drawn_where_it_belongs(tested):
    found = tested.fit.backtest
    drawn, picture = backtest_figure(answer(tested))
    runs = drawn["held-out runs"]
    assert len(runs) == len(found) > 100
    error = {}
    for name, fitted, factor, value in zip(
        runs["run"], runs["fitted up to 6ND"], runs["extrapolation"], runs[ERROR], strict=True
    ):
        error[name, fitted] = (factor, value)
    compute = 6 * tested.inputs["N"] * tested.inputs["D"]
    for row in found.rows():
        factor, value = error[tested.run_ids[row["row"]], row["cut"]]
        assert factor == pytest.approx(compute[row["row"]] / row["cut"])
        assert value == pytest.approx(100 * (row["predicted"] / tested.observed[row["row"]] - 1))
    marks = {line.get_gid(): len(line.get_xdata()) for line in picture.axes[0].lines}
    far = sum(len(line.get_xdata()) for line in picture.axes[0].lines if line.get_marker() in "^v")
    outside = sum(not row["inside"] for row in found.rows())
    assert marks["held-in"] + marks["held-out"] + far == len(found)
    assert outside - far <= marks["held-out"] <= outside
    assert marks["targets"] == 1


def test_ranges_and_targets_of_the_figure(tested):
    found = tested.fit.backtest
    drawn, picture = backtest_figure(answer(tested))
    bins = drawn["by extrapolation factor"]
    known = found.summary()
    assert bins["inside the 90 % interval"] == pytest.approx([100 * entry.coverage for entry in known])
    assert bins[f"mean {ERROR}"] == pytest.approx([100 * np.expm1(entry.bias) for entry in known])
    assert bins["to"][-1] == found.largest_factor
    covered = [line.get_ydata()[0] for line in picture.axes[1].lines if len(line.get_ydata()) == 2]
    assert {round(100 * entry.coverage, 9) for entry in known} <= {round(float(y), 9) for y in covered}
    run = tested.fit.predict({"N": 70e9, "D": 1.4e12}, level=0.9)
    target = drawn["targets"]
    compute = 6 * tested.inputs["N"] * tested.inputs["D"]
    assert target["extrapolation"] == pytest.approx([6 * 70e9 * 1.4e12 / compute.max()])
    assert target["error allowed (% of loss), from"] == pytest.approx([100 * (run.mean / run.high - 1)])
    assert target["error allowed (% of loss), to"] == pytest.approx([100 * (run.mean / run.low - 1)])


def test_a_target_out_of_sight_is_named_instead_of_drawn(tested):
    away = Target("moon shot", {"N": 1e14, "D": 1e16})
    drawn, picture = backtest_figure(answer(replace(tested, targets=(*tested.targets, away))))
    assert drawn["targets"]["target"] == ("next model",)
    assert "Too far off to be drawn: moon shot (x" in drawn.caption
    assert picture.axes[0].get_xlim()[1] < 10 * tested.fit.backtest.largest_factor
    alone, _ = backtest_figure(answer(replace(tested, targets=(away,))))
    with pytest.raises(KeyError):
        alone["targets"]


def test_an_error_far_off_does_not_squash_the_others(tested):
    found = tested.fit.backtest
    error = found.error.copy()
    error[7] = 3.0  # forecast 20 times too high
    wild = replace(found, error=error, predicted=found.observed * np.exp(error))
    near = (Target("", {"N": 1e9, "D": 20e9}),)
    drawn, picture = backtest_figure(answer(replace(tested, fit=replace(tested.fit, backtest=wild), targets=near)))
    assert drawn["held-out runs"][ERROR][0] == pytest.approx(100 * np.expm1(3.0))
    assert picture.axes[0].get_ylim()[1] < 60
    triangles = [line for line in picture.axes[0].lines if line.get_marker() == "^"]
    assert [len(line.get_xdata()) for line in triangles] == [1]
    assert "1 farther off is drawn as triangles at the edge." in drawn.caption


def test_without_intervals_nothing_is_said_to_be_covered(tested):
    found = tested.fit.backtest
    unknown = np.full(len(found), np.nan)
    bare = answer(replace(tested, fit=replace(tested.fit, backtest=replace(found, low=unknown, high=unknown))))
    drawn, picture = backtest_figure(bare)
    assert len(picture.axes) == 1
    assert set(drawn["held-out runs"]["inside the 90 % interval"]) == {"unknown"}
    assert "Lower panel" not in drawn.caption
    assert {row[-1] for row in of_factors(bare).rows} == {"unknown"}
    assert "Intervals held there" not in {one.question for one in checks(bare)}


@pytest.mark.slow
def test_forecasts_that_failed_are_counted_and_not_drawn(tested):
    found = tested.fit.backtest
    error, predicted, low = found.error.copy(), found.predicted.copy(), found.low.copy()
    error[:3], predicted[:3], low[:3] = np.nan, -0.1, np.nan
    page = replace(tested, fit=replace(tested.fit, backtest=replace(found, error=error, predicted=predicted, low=low)))
    answers = answer(page)
    said = "3 of the forecasts were not a number above 0: they have no error, and count as outside their intervals."
    drawn, picture = backtest_figure(answers)
    runs = drawn["held-out runs"]
    assert np.isnan(runs[ERROR][:3]).all()
    assert np.isfinite(runs[ERROR][3:]).all()
    assert runs["inside the 90 % interval"][:3] == ("no",) * 3
    points = sum(len(line.get_xdata()) for line in picture.axes[0].lines if (line.get_gid() or "").startswith("held"))
    assert points == len(found) - 3
    assert f"{said} They are not drawn, and lead the table." in drawn.caption
    assert of_factors(answers).note.startswith(said)
    assert sum(int(row[1]) for row in of_factors(answers).rows) == len(found)
    assert said in opening(answers)
    assert said in text_of(section(render_report(page), "backtest"))


def test_failures_alone_are_no_picture_and_the_part_is_the_usual_error(tested):
    found = tested.fit.backtest
    unknown = np.full(len(found), np.nan)
    failed = replace(found, error=unknown, predicted=np.zeros(len(found)), low=unknown, high=unknown)
    page = replace(tested, fit=replace(tested.fit, backtest=failed))
    answers = answer(page)
    assert backtest_figure(answers) is None
    assert "none of them was a number above 0." in opening(answers)
    shares = {row[0]: row for row in of_parts(answers).rows}
    assert "back-test" not in shares
    assert shares["usual error of other sweeps"][1].startswith("what laws usually miss larger runs by")
    assert "usual error of other sweeps (no run could be forecast here)" in answers.forecasts[0].run.method
    assert '<figure id="fig-backtest">' not in render_report(page)


def test_a_page_for_a_forecast_that_may_be_zero(make):
    x = np.linspace(1, 100, 30)
    y = (10 - 0.08 * x) * np.exp(0.03 * np.random.default_rng(0).standard_normal(30))
    made = make("a - b*x", {"x": x}, y, objective="squared", bootstrap=200)
    fit = replace(made.fit, backtest=scaling.backtest_law(made.fit, {"x": x}, y, bootstrap=0))
    page = replace(made, fit=fit, targets=(Target("far", {"x": 124.5}),))
    answers = answer(page)
    assert answers.forecasts[0].run.low == 0
    assert of_parts(answers) is None
    assert "far" in render_report(page)


def test_tables_of_the_back_test(tested):
    found = replace(tested.fit.backtest, skipped=((3e18, "5 rows are left <here>"),))
    page = replace(tested, fit=replace(tested.fit, backtest=found))
    answers = answer(page)
    rows = of_factors(answers).rows
    assert [row[0] for row in rows] == [entry.range for entry in found.summary()]
    assert sum(int(row[1]) for row in rows) == len(found)
    factor = answers.forecasts[0].backtest_factor
    at = of_targets(answers).rows[0]
    assert at[3:6] == tuple(str(getattr(found.at(factor), name)) for name in ("n", "runs", "cuts"))
    assert of_skipped(answers).rows == (("3e18", "5 rows are left <here>"),)
    text = section(render_report(page), "backtest")
    assert "5 rows are left &lt;here&gt;" in text
    for words in ("huber(0.001) on log residuals", "nominal 90 % of a new run", "240 rows of runs.csv"):
        assert words in text


def test_inside_the_data_the_table_says_so(tested):
    at = of_targets(answer(replace(tested, targets=(Target("", {"N": 1e9, "D": 20e9}),)))).rows[0]
    assert at[1:3] == ("inside the data", "x1 to x2")


def test_a_back_test_of_more_rows_than_the_fit_names_rows(tested):
    trimmed = replace(tested.fit.backtest, n_rows=300, trim="smallest 25 %")
    drawn, _ = backtest_figure(answer(replace(tested, fit=replace(tested.fit, backtest=trimmed))))
    runs = drawn["held-out runs"]
    assert all(re.fullmatch(r"row \d+", name) for name in runs["run"])
    assert "trimmed: smallest 25 %" in drawn.caption


def test_a_fit_without_a_back_test_says_so_and_how_to_get_one(data):
    page = render_report(data)
    text = text_of(section(page, "backtest"))
    assert "No back-test came with this fit" in text
    assert "scaling backtest trial" in text
    assert '<figure id="fig-backtest">' not in page
    assert "none has been held against a forecast of this law" in trust_words(answer(data))
    assert said_by(data)["Back-tested"] == ("no", "none")


def test_a_law_without_a_size_of_run_is_sent_elsewhere(make):
    rng = np.random.default_rng(0)
    inputs = {"a": rng.uniform(1, 3, 50), "b": rng.uniform(10, 1000, 50)}
    y = 1 + 2 * inputs["a"] + 0.5 * np.log(inputs["b"]) + rng.normal(0, 0.1, 50)
    command, words = remedy(answer(make("c0 + c1*a + c2*log(b)", inputs, y)))
    assert command == ""
    assert "scaling.backtest_law(..., by=...)" in words


def test_a_back_test_that_was_not_possible_gives_its_reason(unidentified):
    found = scaling.backtest_law(unidentified.fit, unidentified.inputs, unidentified.observed, bootstrap=0)
    assert len(found) == 0
    page = replace(unidentified, fit=replace(unidentified.fit, backtest=found))
    answers = answer(page)
    assert opening(answers).startswith(f"No back-test is possible: {found.reason}")
    assert remedy(answers) == ("", "")
    assert said_by(page)["Back-tested"] == ("no", "not possible")
    assert len(of_skipped(answers).rows) == len(found.skipped)
    assert '<figure id="fig-backtest">' not in render_report(page)


# --- rivals


def test_rivals_forecast_with_their_own_estimates_and_weights_add_up(contested):
    answers = answer(contested)
    rows = of_rivals(answers).rows
    assert [row[0] for row in rows] == ["chinchilla (this report)", "kaplan", "multiplicative"]
    assert [row[3] for row in rows] == ["70 %", "30 %", "0.40 %"]
    assert rows[1][2:5] == ("smallest 25 %", "30 %", "1.0 %")
    target = {name: np.array([value]) for name, value in contested.targets[0].inputs.items()}
    for row, rival in zip(rows[1:], contested.fit.rivals, strict=True):
        assert float(row[5]) == pytest.approx(float(rival.evaluate(target)[0]), abs=6e-3)
    words = rivals_words(answers)
    assert "2 other laws forecast the same held-out runs; 1 of them did well enough to deserve 1 % of" in words
    mean, run = float(rows[1][5]), answers.forecasts[0].run
    alone = replace(contested.fit, rivals=(), backtest=None).predict(contested.targets[0].inputs, contested.level)
    assert run.low <= mean <= run.high  # as the interval reaches to a rival of this weight, it says nothing of it
    assert not alone.low <= mean <= alone.high
    assert "outside what parameters and scatter alone allow" in words
    assert said_by(contested)["Rival laws agree"] == ("no", "0 of 1")
    kaplan = format_number(float(contested.fit.rivals[0].evaluate(target)[0]))
    said = f"Rival laws, by the back-test: kaplan {kaplan} (weight 0.30)."
    assert rivals_text(contested.fit, dict(contested.targets[0].inputs)) == said
    assert rivals_text(replace(contested.fit, rivals=()), dict(contested.targets[0].inputs)) == ""


def test_rivals_worth_naming_are_drawn_in_the_fan(contested, tested):
    drawn, _ = forecast_fan(answer(contested))
    assert [series.name for series in drawn.series] == ["curve", "new run", "kaplan"]
    compute = drawn["kaplan"]["training compute 6ND (FLOP)"]
    best = scaling.allocate(contested.fit, compute)
    assert drawn["kaplan"]["loss (nats/token)"] == pytest.approx(
        contested.fit.rivals[0].evaluate({"N": best.n_params, "D": best.n_tokens}), rel=1e-9
    )
    assert [series.name for series in forecast_fan(answer(tested))[0].series] == ["curve", "new run"]


def test_a_fit_without_rivals_says_that_no_form_was_weighed(tested, data, contested):
    flattered = "The law was chosen by errors like these, which flatters them a little."
    assert opening(answer(contested)).endswith(flattered)
    assert flattered not in opening(answer(tested))
    assert of_rivals(answer(tested)) is None
    assert "carries no rival law" in rivals_words(answer(tested))
    assert rivals_words(answer(data)) == ""


# --- checks, allocation, methods and the page as a whole


@pytest.mark.parametrize(
    ("change", "question", "number"),
    [
        ({"line_slope": 1.0}, "N and D vary independently", "D as N^1"),
        ({"line_slope": -1.0}, "N and D vary independently", "D as N^-1"),
        (
            {"amplitude_correlation": 0.9995, "amplitude_pair": ("A", "alpha")},
            "Amplitudes and exponents apart",
            "correlation 0.9995",
        ),
        ({"profile_open": ("E", "B")}, "Profiles close", "2 open"),
        (
            {"replicate_degrees": 12, "replicate_rms": 0.004, "lack_of_fit_p": 1e-6},
            "Meets repeated runs",
            "p = 1e-6",
        ),
        ({"replicates": 20}, "Enough replicates", "20"),
        ({"groups": 5, "groups_of_one": 5}, "Enough clusters", "5"),
    ],
)
def test_every_flag_of_the_diagnostics_is_a_line_of_the_panel(data, change, question, number):
    before, after = data.fit.diagnostics, replace(data.fit.diagnostics, **change)
    assert after.verdict != "ok"
    page = replace(data, fit=replace(data.fit, diagnostics=after))
    assert said_by(page)[question] == ("no", number)
    old = said_by(replace(data, fit=replace(data.fit, diagnostics=before))).get(question)
    assert old is None or old[0] in ("yes", "–")


def test_the_back_test_has_its_lines_in_the_panel(tested):
    found = tested.fit.backtest
    factor = answer(tested).forecasts[0].backtest_factor
    said = said_by(tested)
    near = found.at(factor)
    assert said["Back-test reaches the target"] == ("yes", scaling.formatting.format_plural(near.n, "forecast"))
    assert said["Intervals held there"] == ("–", f"{100 * near.coverage:.0f} % of nominal 90 %")
    far = replace(tested, targets=(Target("", {"N": 1e13, "D": 1e15}),))
    assert said_by(far)["Back-test reaches the target"][0] == "no"


def test_the_allocation_names_its_cost_and_how_the_optimum_grows(data, answers):
    best = answers.allocation
    fit = data.fit.estimates
    a = fit["beta"] / (fit["alpha"] + fit["beta"])  # the closed form of this law
    rows = of_growth(answers).rows
    assert len(rows) == 2
    assert float(rows[0][1]) == pytest.approx(a, abs=2e-3)
    assert float(rows[0][3].removesuffix(" times")) == pytest.approx(10**a, rel=2e-3)
    low, high = map(float, rows[0][2].split(" to "))
    assert low < a < high
    assert float(rows[0][1]) + float(rows[1][1]) == pytest.approx(1, abs=2e-3)
    ratio = of_allocation(answers).rows[0][3]
    assert float(re.match(r"[\d.]+", str(ratio))[0]) == pytest.approx(best.n_tokens[0] / best.n_params[0], rel=5e-3)
    text = text_of(section(render_report(data), "allocation"))
    assert "each budget C = 6*N*D FLOP of training, counting parameters (N) as the fitted rows count them" in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("iid", "Rows were drawn one by one, with replacement"),
        ("dirichlet", "Every row got a random positive weight"),
        ("wild", "changed their signs at random"),
        ("residual", "The residuals were put back in random places"),
    ],
)
def test_methods_say_how_replicates_were_drawn(data, kind, words):
    page = replace(data, fit=replace(data.fit, settings=data.fit.settings | {"resample": kind}))
    assert words in dict(methods(answer(page)))["Intervals"]


def test_the_whole_page(contested):
    page = render_report(contested)
    assert page == render_report(contested)
    assert len(page.encode()) < 600_000
    figures = re.findall(r'<figure id="([^"]+)">', page)
    assert figures[:2] == ["fig-width", "fig-backtest"]
    numbers = [int(n) for n in re.findall(r"<strong>Figure (\d+)\.", page)]
    assert numbers == list(range(1, len(figures) + 1))
    table = json.loads(re.search(r'id="report-data">(.*?)</script>', page, re.S)[1])
    run = contested.fit.predict({"N": 70e9, "D": 1.4e12}, level=0.9)
    assert table["forecasts"][0]["parts"] == run.parts
    assert table["forecasts"][0]["backtest"] == run.backtest
    assert [r["law"] for r in table["rivals"]] == ["kaplan", "multiplicative"]
    assert len(table["fit"]["backtest"]["error"]) == len(contested.fit.backtest)
    points = re.search(r'<figure id="fig-backtest">.*?</figure>', page, re.S)[0]
    assert len(re.findall(r"<title>run-\d{3}, x[\d.]+: [+−][\d.e-]+ %</title>", points)) > 0.9 * len(
        contested.fit.backtest
    )
    assert "no run beyond the data" not in text_of(page)
