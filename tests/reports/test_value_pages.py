"""Pages on the worth of data: the answer is that of the numbers, and no figure stands without its table and data."""

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

import scaling
from reports.batch_page import Origin, Section, render_decision
from reports.trust import NO, NONE, YES, Check
from reports.value_appraisal_page import AppraisalPage, appraisal_part
from reports.value_collection_page import CollectionPage, collection_part
from reports.value_gain_words import gain_shown
from reports.value_gather import appraisal_of, selection_part
from reports.value_imitation_page import ImitationPage, imitation_part
from reports.value_page import Part, join_parts
from reports.value_points_page import ValuesPage, values_part
from reports.value_sources_page import SourcesPage, Way, sources_part
from reports.value_subset_page import SubsetPage, subset_part
from reports.value_worth_page import WorthPage, worth_part
from scaling.errors import UsageError
from scaling.valuation import appraise, imitation_threshold, random_band, random_score_curve, worth
from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.curves import learning_curves
from scaling.valuation.imitation import fit_imitation

K, N_RANDOM = 40, 40


def text_of(markup: Any) -> str:
    return unescape(re.sub(r"<[^>]+>", "", str(markup)))


def answers_of(part: Part) -> dict[str, str]:
    return {check.question: check.answer for check in part.checks}


def html_of(*parts: Part) -> str:
    return render_decision(*join_parts(parts, level=0.9, store="scaling.duckdb"))


# --- Appraisals -----------------------------------------------------------------------------------------------------


def scored(better: str = "higher") -> AppraisalPage:
    """Forty random subsets, twenty pushed by each score: `good` goes with the result, `bent` up to 10 alone."""
    rng = np.random.default_rng(2)
    n = 2 * N_RANDOM
    random, row = np.arange(n) < N_RANDOM, np.arange(n)
    bent = np.where(row < 60, 9.5 + 0.3 * rng.standard_normal(n), rng.uniform(6, 20, n))
    good = np.where(random | (row >= 60), 5 + 0.1 * rng.standard_normal(n), rng.uniform(3, 7, n))
    y = 0.5 + 0.04 * good + 0.02 * np.minimum(bent, 10) - 0.003 * np.maximum(bent - 10, 0)
    y += 0.002 * rng.standard_normal(n)
    performance = y if better == "higher" else 3 - y
    scores = {"bent": bent, "good": good}
    size = np.full(n, 100.0)
    result = appraise(
        size, performance, scores, is_random=random, better=better, measure="pearson", bootstrap=60, permutations=99
    )
    names = tuple(f"s<{i}>" for i in range(n))
    return AppraisalPage("study", "accuracy", "", result, names, size, performance, scores, random)


@pytest.fixture(scope="module")
def study() -> AppraisalPage:
    return scored()


def test_the_best_score_and_the_cap_of_the_pushed_one_are_in_the_answer(study: AppraisalPage) -> None:
    part = appraisal_part(study)
    cap = study.result.caps()["bent"]
    assert abs(cap - 10) < 1.0
    said = text_of(part.answer)
    assert said.startswith("Choose data by good: of 2 scores it predicts accuracy best")
    assert f"Stop raising bent at {scaling.formatting.format_number(cap)}" in said
    assert answers_of(part)["Does more of bent still help at the highest score tried?"] == NO
    assert answers_of(part)["Does more of good still help at the highest score tried?"] == YES


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_line_that_bends_is_that_of_least_squares(better: str) -> None:
    page = scored(better)
    found = page.detected("bent")
    assert found is not None
    s, sign = page.scores["bent"], 1 if better == "higher" else -1
    columns = np.column_stack([np.ones_like(s), s, np.maximum(s - found.s0, 0)])
    a, b, c = np.linalg.lstsq(columns, sign * page.performance, rcond=None)[0]
    grid = np.linspace(6, 20, 9)
    expected = sign * (a + b * grid + c * np.maximum(grid - found.s0, 0))
    np.testing.assert_allclose(page.line("bent", grid), expected, rtol=1e-9)


def test_an_appraisal_comes_back_from_what_is_kept_of_it(study: AppraisalPage) -> None:
    back = appraisal_of(json.loads(json.dumps(study.result.to_dict())))
    assert back.to_dict() == study.result.to_dict()
    assert str(back) == str(study.result)


def test_scores_that_predict_nothing_are_not_recommended() -> None:
    rng = np.random.default_rng(4)
    n = 30
    scores, y = {"idle": rng.standard_normal(n)}, rng.standard_normal(n)
    result = appraise(np.full(n, 9.0), y, scores, is_random=np.arange(n) < 5, bootstrap=40, permutations=49)
    names = tuple(str(i) for i in range(n))
    page = AppraisalPage("x", "loss", "nats", result, names, np.full(n, 9.0), y, scores, np.arange(n) < 5)
    part = appraisal_part(page)
    assert text_of(part.answer).startswith("No score is told to predict loss")
    assert part.verdict == "weak"
    assert any("5 random subsets" in reason for reason in part.reasons)
    assert answers_of(part)["Does more of idle still help at the highest score tried?"] == NONE
    assert part.sections[0].parts[1].rows[0][-1] == "it is not told that performance rises with it"


# --- Selections -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def subset() -> SubsetPage:
    """The score is the root of the summed weights: the 40 heaviest of 400 score as much as many random ones."""
    weight = np.arange(400.0)

    def score(members: Any) -> float:
        return float(weight[np.asarray(members)].sum() ** 0.5)

    chosen = np.arange(399, 399 - K, -1)
    curve = random_score_curve(score, n=400, sizes=[5, 20, 40, 80, 160, 300], draws=10)
    value = score(chosen)
    gains = np.diff([0.0, *(score(chosen[: i + 1]) for i in range(K))])
    return SubsetPage(
        name="heavy", set_name="pool", n=400, size=K, objective="weight", method="lazy", options={"kernel": "none"},
        score=value, value=value, certificate={"share": 0.9567, "upper": value / 0.9567, "why": "Gains shrink"},
        gains=gains, band=random_band(score, K, n=400, draws=40), curve=curve, worth=curve.worth(value, level=0.9),
        path_sizes=np.array([5.0, 20.0, 40.0]), path_scores=np.array([score(chosen[:i]) for i in (5, 20, 40)]),
        classes={"a": (30, 200), "b": (10, 200), "c<": (0, 1)}, embeddings="x.npy, 400 x 8", cost=(10.0, 100.0),
        members=({"rank": 0, "example_id": "e399", "label": "a", "grp": None, "gain": float(gains[0])},),
    )  # fmt: skip


def test_a_selection_says_how_many_random_examples_it_stands_for(subset: SubsetPage) -> None:
    part = subset_part(subset)
    # 40 of the heaviest weigh 15,180; a random example weighs 199.5
    assert subset.worth is not None
    assert subset.worth.size == pytest.approx(15180 / 199.5, rel=0.03)
    assert f"stand for {scaling.formatting.format_number(subset.worth.size, 3)} random examples" in text_of(part.answer)
    assert part.verdict == "weak"  # nothing says that the score predicts anything
    answers = answers_of(part)
    assert answers["Does it score above random subsets?"] == YES
    assert answers["Is it near the best possible?"] == YES
    assert answers["Is every class in it?"] == NO
    assert any(check.number == "at least 95.6 %" for check in part.checks)  # never rounded up


def test_a_selection_beyond_the_cap_is_not_to_be_taken(subset: SubsetPage) -> None:
    capped = replace(subset, cap=("study", 100.0, 90.0, 110.0), predicts=("study", "0.9 (0.8 to 1.0)", True))
    part = subset_part(capped)
    assert text_of(part.answer).startswith("Do not take the 40 of 400 examples in heavy for their score")
    assert part.verdict == "weak"
    inside = subset_part(replace(capped, cap=("study", math.inf, math.nan, math.nan)))
    assert text_of(inside.answer).startswith("Take the 40")
    assert inside.verdict == "ok"


def test_a_selection_that_random_ones_equal_is_not_recommended(subset: SubsetPage) -> None:
    assert subset.band is not None
    plain = replace(subset, score=subset.band.mean + subset.band.sd)
    assert text_of(subset_part(plain).answer).startswith("Random examples do as well as")
    unknown = replace(subset, band=None, curve=None, worth=None, no_random="the embeddings are gone")
    part = subset_part(unknown)
    assert "No random subsets to compare with: the embeddings are gone." in part.reasons
    assert "unknown" not in text_of(part.answer)


def test_a_selection_of_one_and_gains_of_rounding_are_written_as_they_are_meant(subset: SubsetPage) -> None:
    assert subset.gains is not None
    noisy = np.concatenate([[-1.39e-8], subset.gains[1:]])
    member = {**subset.members[0], "gain": -1.39e-8}
    one = subset_part(replace(subset, size=1, gains=noisy, members=(member,)))
    assert "the one example of 400 in heavy" in text_of(one.answer).lower()
    assert " its weight score" in text_of(one.answer)
    assert " they " not in text_of(one.answer)
    gains = next(p for section in one.sections for p in section.parts if isinstance(p, tuple) and "gain" in p[0].key)
    assert gains[0].finding.endswith("the first 0.")
    members = next(
        p for section in one.sections for p in section.parts if getattr(p, "caption", "") == "The first members"
    )
    assert members.rows[0][-1] == "0"
    assert gain_shown(1e-6, noisy) == "1e-6"


def test_random_subsets_that_are_bound_as_the_selection_are_called_so(subset: SubsetPage) -> None:
    balanced = subset_part(replace(subset, random_words="class-balanced random subsets of its size"))
    assert "class-balanced random examples" in text_of(balanced.answer)
    bound = replace(subset, random_words="random subsets within the same budget", curve_words="no budget binds them")
    html = html_of(subset_part(bound))
    assert "Random subsets within the same budget: " in html
    assert "Dots: mean of random subsets of all data (no budget binds them)" in html
    free = subset_part(replace(subset, unmatched="which classes bound the selection is not kept"))
    assert answers_of(free)["Does it score above random subsets?"] == NONE
    assert any(reason.startswith("Random subsets match its size alone") for reason in free.reasons)


def test_what_an_appraisal_of_the_page_says_of_an_objective_is_said_of_its_selection(study: AppraisalPage) -> None:
    saved = SimpleNamespace(
        name="sel", set_name="pool", size=100, objective="bent", method="lazy", options={}, score=15.0, value=15.0,
        is_random=False, certificate=None, guarantee=None, gains=None, seed=0, command=None, inputs_sha256=None,
        created_at=None,
    )  # fmt: skip
    loaded = SimpleNamespace(
        saved=saved, n=500, entry=None, members=(), classes={}, class_word="class", cost=None, band=None, curve=None,
        worth=None, path_sizes=np.empty(0), path_scores=np.empty(0), no_random="none", embeddings="",
        random_words="random subsets of its size", curve_words="", unmatched="", differing={},
    )  # fmt: skip
    appraisal = SimpleNamespace(saved=SimpleNamespace(name="study"), parts=((study, study.result.to_dict()),))
    part = selection_part(loaded, [appraisal])
    predicts = study.relation("bent").low > 0
    assert text_of(part.answer).startswith("Do not take")
    assert answers_of(part)["Does this score predict performance?"] == (YES if predicts else NO)
    assert any("usual options, and such data, are assumed" in check.sentence for check in part.checks)
    loaded.differing = {"q": "inf"}  # by the name alone nothing is known of this score
    part = selection_part(loaded, [appraisal])
    assert text_of(part.answer).startswith("The 100 of 500 examples in sel have a bent score of 15")
    assert part.machine["cap"] is None
    assert answers_of(part)["Does this score predict performance?"] == NONE
    assert any("made with q = inf; appraisals keep no options" in reason for reason in part.reasons)
    row = len(study.names) - 1
    saved.name, saved.score = study.names[row], float(f"{study.scores['bent'][row]:.6g}")  # a subset of the appraisal
    part = selection_part(loaded, [appraisal])
    assert part.machine["cap"] == pytest.approx(study.result.caps()["bent"])
    assert any("is one of its subsets, and has this score there" in check.sentence for check in part.checks)
    saved.score *= 1.01
    loaded.differing = {}
    part = selection_part(loaded, [appraisal])
    assert part.machine["cap"] is None
    assert any("which is another score than its own" in reason for reason in part.reasons)
    saved.name, saved.score = "sel", 15.0
    saved.size = 60  # the appraisal is of subsets of 100, and scores grow with the subset
    part = selection_part(loaded, [appraisal])
    assert not text_of(part.answer).startswith("Do not take")
    assert any("is of subsets of 100 examples" in reason for reason in part.reasons)


# --- Values of examples and sources ---------------------------------------------------------------------------------


def test_values_below_nothing_are_counted_and_the_share_of_the_best_is_theirs() -> None:
    values = np.concatenate([np.full(10, -1.0), np.full(80, 1.0), np.full(10, 8.0), [np.nan]])
    page = ValuesPage("v", "pool", "knn_shapley", values, groups={"a": values[:50], "b": values[50:100]})
    part = values_part(page)
    said = text_of(part.answer)
    assert said.startswith("10 of 101 examples (10 %) are worth less than nothing")
    assert "50 % of all value above 0" in said  # 10 x 8 of 80 + 80
    assert part.verdict == "weak"
    assert "1 example of 101 has no finite value." in part.reasons
    rows = {row[0]: row for row in part.sections[0].parts[1].rows}
    assert rows["b"][2] == "2.40"  # (40 + 80)/50
    assert values_part(replace(page, method="leverage", end=None)).answer.startswith("The leverage value of 101")
    same = values_part(replace(page, values=np.full(9, 2.0), groups={}))
    assert text_of(same.answer) == "All values are 2: knn_shapley tells none of 9 examples from another."
    many = {f"c{i:02d}": np.array([float(i)]) for i in range(60)}
    listed = values_part(replace(page, values=np.arange(60.0), groups=many)).sections[0].parts[1]
    assert [row[0] for row in listed.rows] == [f"c{i:02d}" for i in [*range(59, 49, -1), *range(9, -1, -1)]]
    assert listed.note.startswith("Of 60 classes the 10 highest and the 10 lowest.")


def sources(total: float = 6.0, **more: Any) -> SourcesPage:
    values = np.array([1.0, 3.0, 2.0])
    way = Way("src", "shapley", values, values - 0.4, values + 0.4, 0.9, "percentile of 100 replicates")
    tokens = np.array([1e9, 30e9, 4e9])
    return SourcesPage(("web", "code", "books"), (way,), "law", "chinchilla", "nats", "ok", tokens, total, **more)


def test_the_source_worth_most_is_named_and_the_one_worth_most_a_token() -> None:
    part = sources_part(sources())
    said = text_of(part.answer)
    assert said.startswith("code is the source worth most: by Shapley it takes 3 nats off the loss")
    assert "50 % of what all 3 take off it" in said
    assert said.endswith("Token for token web is worth most.")
    answers = answers_of(part)
    assert answers["Is the best source told apart from the next?"] == YES
    assert answers["Do the values of Shapley add up to the whole?"] == YES
    assert answers_of(sources_part(sources(5.0)))["Do the values of Shapley add up to the whole?"] == NO


def test_a_sample_of_orders_that_leaves_the_best_source_open_is_said() -> None:
    page = sources()
    for error, told in ((0.1, True), (0.5, False)):  # values lie 1 apart, and errors of two add up to 1.41 of one
        way = replace(page.first, error=np.full(3, error))
        part = sources_part(replace(page, ways=(way,)))
        assert (text_of(part.answer).startswith("code is the source worth most")) is told
        assert answers_of(part)["Is the best source told apart from the next?"] == (YES if told else NO)
        assert "error of sampling" in part.sections[0].parts[1].heads


def test_a_fall_of_scores_is_no_imitation_threshold() -> None:
    rng = np.random.default_rng(1)
    counts = np.round(np.geomspace(1, 3000, 60))
    for below, above, said in ((0.6, 0.2, "No imitation threshold"), (0.2, 0.6, "A concept is imitated from")):
        scores = np.where(counts < 100, below, above) + 0.03 * rng.standard_normal(60)
        found = imitation_threshold(counts, scores, bootstrap=60, permutations=99).to_dict()
        fit = fit_imitation(counts, scores, bootstrap=60)
        page = ImitationPage(
            Origin("faces", fit, level=0.95), found, counts, scores, tuple(map(str, counts)), "sim", "n"
        )
        part = imitation_part(page)
        assert text_of(part.answer).startswith(said)
        assert all(reason[:1].isupper() and reason.endswith(".") for reason in part.reasons)


# --- Worth, curves --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def law() -> Any:
    rng = np.random.default_rng(0)
    n, d = np.meshgrid(np.geomspace(1e8, 3e9, 6), np.geomspace(2e9, 2e11, 6))
    loss = (1.7 + 400 / n**0.34 + 410 / d**0.28) * np.exp(0.002 * rng.standard_normal(n.shape))
    return scaling.fit("chinchilla", {"N": n.ravel(), "D": d.ravel()}, loss.ravel(), bootstrap=60)


def worth_page(law: Any, loss: float) -> WorthPage:
    one = worth(law, loss, 1e9, n_tokens=20e9, level=0.9)
    origin = Origin("law", law, rows="36 rows", runs=36, level=0.9)
    return WorthPage(law, origin, (one,), ("",))


def test_the_worth_of_a_loss_is_that_of_the_law(law: Any) -> None:
    p = law.estimates
    loss = p["E"] + p["A"] / 1e9 ** p["alpha"] + p["B"] / 60e9 ** p["beta"]
    part = worth_part(worth_page(law, loss))
    said = text_of(part.answer)
    assert "is worth 60B random tokens" in said
    assert "counts for 3 random ones" in said
    assert said.endswith("so this data is worth more than random data.")
    assert part.verdict == law.verdict
    html = html_of(part)
    assert "worth 60B" in html
    assert "trained on 20B" in html


def test_a_loss_that_no_random_data_reach_says_so(law: Any) -> None:
    p = law.estimates
    part = worth_part(worth_page(law, 0.98 * (p["E"] + p["A"] / 1e9 ** p["alpha"])))
    assert "more than any amount of random data" in text_of(part.answer)
    assert part.verdict == "weak"
    assert "inf" not in text_of(part.answer)
    html_of(part)


@pytest.fixture(scope="module")
def curves() -> Any:
    rng = np.random.default_rng(1)
    x = np.tile(np.geomspace(100, 12800, 8), 2)
    group = ["steep"] * 8 + ["flat"] * 8
    y = np.where(np.arange(16) < 8, 0.05 + 6 / x**0.5, 0.3 + 0.5 / x**0.5) * np.exp(0.01 * rng.standard_normal(16))
    return learning_curves(x, y, group, bootstrap=40)


def test_a_budget_goes_where_more_helps(curves: Any) -> None:
    page = CollectionPage("lc", curves)
    said = text_of(collection_part(page).answer)
    assert said.startswith("Of 2 groups, twice the data of steep lowers its loss most")
    p = curves["steep"].parameters
    saved = p[1] / 12800 ** p[2] - p[1] / 25600 ** p[2]
    assert f"by {scaling.formatting.format_number(saved, 3)}, from" in said
    plan = allocate_collection(curves, 10000, cost=1.0)
    part = collection_part(replace(page, plan=plan))
    bought = scaling.formatting.format_count(plan.buy[list(plan.groups).index("steep")])
    assert text_of(part.answer).startswith(f"Buy {bought} of steep")
    assert "fig-2" in html_of(part)


# --- Pages ----------------------------------------------------------------------------------------------------------


def test_a_page_of_several_parts_keeps_them_apart(study: AppraisalPage, subset: SubsetPage, law: Any) -> None:
    p = law.estimates
    loss = p["E"] + p["A"] / 1e9 ** p["alpha"] + p["B"] / 60e9 ** p["beta"]
    parts = [subset_part(subset), appraisal_part(study), worth_part(worth_page(law, loss)), sources_part(sources())]
    html = html_of(*parts)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', html):
        assert target in ids
    assert html.count("<figure id=") == html.count("<summary>The numbers of figure") == 6
    for caption in re.findall(r"<figcaption>(.*?)</figcaption>", html, flags=re.DOTALL):
        assert "data: " in caption
    assert "<script>" not in html
    assert "s<1>" not in html  # names are escaped
    machine = json.loads(unescape(re.search(r'id="report-data">(.*?)</script>', html, re.DOTALL)[1]))  # type: ignore[index]
    assert [one["kind"] for one in machine["parts"]] == ["selection", "appraisal", "worth", "sources"]
    assert machine["fit"] is None
    assert machine["verdict"] == "weak"
    assert "It is that of: Selection heavy" in text_of(html)


def test_the_verdict_of_a_page_is_the_worst_of_its_parts() -> None:
    def part(name: str, verdict: str, simulated: bool = False) -> Part:
        return Part("values", name, sources_part(sources()).answer, "Data: none.", verdict, simulated=simulated,
                    checks=(Check("q", NO, "1", "s"),), sections=(Section("a", "A", "A", ("w",)),))  # fmt: skip

    decision, origin = join_parts([part("a", "ok"), part("b", "not identified"), part("c", "weak", True)], level=0.9)
    assert decision.verdict == "not identified"
    assert decision.verdict_words.endswith("It is that of: Values b.")
    assert decision.reasons[-1] == "Simulated, and so no word on real models: Values c."
    assert not origin.simulated
    assert join_parts([part("c", "ok", True)], level=0.9)[1].simulated
    with pytest.raises(UsageError, match="page about nothing"):
        join_parts([], level=0.9)


def test_pages_are_the_same_for_the_same_input(subset: SubsetPage) -> None:
    assert html_of(subset_part(subset)) == html_of(subset_part(subset))
