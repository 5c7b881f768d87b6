"""The page as a document: order, accessibility, safety, and what it says."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import scaling
from reports import Alternative, RefusedRow, ReportInput, Source, Target, answer, render_report
from reports.backtest import of_targets
from reports.prose import rows_used
from reports.style import SENTINELS
from reports.tables import of_allocation, of_alternatives, of_forecasts, of_growth
from reports.trust import checks
from reports.width import of_parts
from reports.words import made_of

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Document(HTMLParser):
    """Collect what the tests ask about: elements with their attributes, parents and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[dict] = []
        self.open: list[dict] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open[-1]['tag']}"

    def handle_starttag(self, tag, attrs):
        parent = self.open[-1] if self.open else None
        element = {"tag": tag, "attrs": dict(attrs), "parent": parent, "text": "", "children": []}
        if parent is not None:
            parent["children"].append(element)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"unexpected </{tag}>"
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag: str) -> list[dict]:
        return [e for e in self.elements if e["tag"] == tag]


@pytest.fixture(scope="module")
def document(page):
    return Document(page)


def machine(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="report-data">(.*?)</script>', page, re.S)[1])


def test_the_first_sentence_gives_forecast_interval_and_extrapolation(document, data):
    headings = document.all("h1")
    assert len(headings) == 1
    said = data.fit.predict({"N": 70e9, "D": 1.4e12}, level=0.9)
    text = headings[0]["text"].replace("\xa0", " ")
    match = re.fullmatch(
        r"A run of 70B parameters on 1\.4T tokens \(next model\) is forecast to end at a loss of ([\d.]+) nats/token "
        r"\(90 % interval ([\d.]+) to ([\d.]+)\), extrapolating x(\d+) beyond the data\.",
        text,
    )
    assert match, text
    assert [float(g) for g in match.groups()[:3]] == pytest.approx([said.mean, said.low, said.high], abs=5e-4)
    assert int(match[4]) == round(said.extrapolation_factor)


def test_sections_stand_in_their_order(document):
    sections = [e["attrs"]["id"] for e in document.all("section")]
    assert sections == [
        "forecast", "allocation", "backtest", "trust", "law", "figures", "alternatives", "data", "methods", "reproduce",
    ]  # fmt: skip
    levels = [int(e["tag"][1]) for e in document.elements if re.fullmatch("h[1-6]", e["tag"])]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert len(document.all("main")) == 1
    assert document.all("html")[0]["attrs"]["lang"] == "en"


def test_links_of_the_contents_lead_somewhere(document):
    ids = [e["attrs"]["id"] for e in document.elements if "id" in e["attrs"]]
    assert len(ids) == len(set(ids))
    inner = [e["attrs"]["href"] for e in document.elements if e["attrs"].get("href", "").startswith("#")]
    assert len(inner) > 100
    assert {target[1:] for target in inner} <= set(ids)
    urls = re.findall(r"url\(#([^)]+)\)", str([e["attrs"] for e in document.elements]))
    assert set(urls) <= set(ids)


def test_every_svg_has_a_title_and_a_description(document):
    pictures = document.all("svg")
    assert len(pictures) == 7  # the formula and six figures
    for svg in pictures:
        title, description = svg["children"][:2]
        assert (title["tag"], description["tag"]) == ("title", "desc")
        assert svg["attrs"]["role"] == "img"
        assert svg["attrs"]["aria-labelledby"] == f"{title['attrs']['id']} {description['attrs']['id']}"
        assert len(description["text"]) > 15


def test_every_figure_is_followed_by_a_table_of_its_data(document):
    figures = document.all("figure")
    assert len(figures) == 6
    for figure in figures:
        siblings = figure["parent"]["children"]
        after = siblings[siblings.index(figure) + 1]
        assert after["tag"] == "details"
        assert any(c["tag"] == "table" for div in after["children"] for c in div["children"])
        caption = next(c for c in figure["children"] if c["tag"] == "figcaption")["text"]
        assert "240" in caption
        if figure["attrs"]["id"] != "fig-alternatives":
            for words in ("huber(0.001) on log residuals", "percentile of 100 iid bootstrap replicates", "runs.csv"):
                assert words in caption


def test_tables_have_captions_and_scopes(document):
    for table in document.all("table"):
        assert table["children"][0]["tag"] == "caption"
        assert table["children"][0]["text"]
    assert all(e["attrs"].get("scope") in ("col", "row") for e in document.all("th"))
    cells = [e["text"] for e in document.elements if e["tag"] in ("td", "th")]
    assert "" not in cells
    assert "nan" not in cells


def test_long_tables_are_cut_and_say_so(document, page):
    longest = max(sum(e["tag"] == "tr" for e in t["children"][2]["children"]) for t in document.all("table"))
    assert longest <= 40
    assert "40 of 240 rows, largest residual first" in page


def test_nothing_is_loaded_and_nothing_runs(document, page):
    meta = [e["attrs"] for e in document.all("meta") if e["attrs"].get("http-equiv") == "Content-Security-Policy"]
    assert meta[0]["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    for element in document.elements:
        for name, value in element["attrs"].items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:", "https://arxiv.org/abs/"))
    assert [e["attrs"]["type"] for e in document.all("script")] == ["application/json"]
    assert "@import" not in page
    assert "url(http" not in page


def test_pictures_follow_the_theme(page):
    pictures = "".join(re.findall(r"<svg.*?</svg>", page, re.S))
    assert not re.search(r"#[0-9a-fA-F]{6}\b", pictures)
    assert not any(sentinel in page.lower() for sentinel in SENTINELS)
    assert "font-family" not in pictures
    assert "<style" not in pictures
    used = set(re.findall(r"var\((--[a-z]+)\)", page))
    for scheme in (":root {", "@media (prefers-color-scheme: dark)", "@media print"):
        block = page[page.index(scheme) :]
        defined = set(re.findall(r"(--[a-z]+):", block[: block.index("}")]))
        assert used - {"--text", "--sans", "--mono"} <= defined, scheme


def test_hovering_a_point_tells_its_run(page):
    picture = re.search(r'<figure id="fig-data">.*?</figure>', page, re.S)[0]
    assert len(re.findall(r"<use [^>]*><title>run-\d{3}: loss \(nats/token\) [\d.]+</title></use>", picture)) == 240


def test_size_is_within_the_budget(page):
    assert len(page.encode()) < 500_000


def test_the_json_reads_back(page, data, answers):
    table = machine(page)
    assert table["fit"]["estimates"] == data.fit.estimates
    assert table["fit"] == json.loads(data.fit.to_json(replicates=False))
    said = data.fit.predict({"N": 70e9, "D": 1.4e12}, level=0.9)
    assert table["forecasts"][0]["mean"] == said.mean
    assert table["forecasts"][0]["run"]["high"] == said.high
    assert table["forecasts"][0]["verdict"].startswith("extrapolating x")
    assert table["allocation"] == answers.allocation.rows()
    assert table["data"]["rows"]["loss"] == data.observed.tolist()
    assert table["data"]["refused"] == [{"file": "runs.csv", "line": 17, "reason": "loss is negative"}]
    assert table["sql"] == data.sql


def test_the_page_shows_how_it_was_made(document, data):
    text = document.all("main")[0]["text"]
    for part in (
        data.command,
        data.sql,
        data.data_sha256,
        "scaling.duckdb",
        "2026-01-02 03:05 UTC",
        "scaling-suite 0.1.0",
    ):
        assert part in text
    for part in ("not selected by --where", "loss is negative", "It was refused", "ab" * 32, "Rows refused"):
        assert part in text


def test_every_check_is_answered(document, data):
    section = next(e for e in document.all("section") if e["attrs"]["id"] == "trust")
    rows = [[c["text"] for c in e["children"]] for e in document.all("tr") if _inside(e, section)][1:]
    said = {row[0]: (row[1], row[2]) for row in rows}
    found = data.fit.diagnostics
    assert said["Converged"] == ("yes" if found.converged else "no", f"{found.starts} starts")
    assert said["Optimum repeatable"][1] == f"{found.starts_at_optimum} of {found.starts}"
    assert said["Residuals without a trend"][0] == ("yes" if found.residuals_unstructured else "no")
    assert said["Bootstrap sound"] == ("yes", "100 replicates")
    assert said["Target inside the data"][0] == "no"
    assert all(answer in ("yes", "no", "–") for answer, _ in said.values())


def _inside(element, ancestor):
    while element is not None:
        if element is ancestor:
            return True
        element = element["parent"]
    return False


def test_reasons_of_the_verdict_stand_at_the_top(unidentified):
    document = Document(render_report(unidentified))
    header = document.all("header")[0]["text"]
    assert "No forecast: the 8 rows do not determine the law." in header
    assert "Verdict on the fit: not identified" in header
    for reason in unidentified.fit.diagnostics.reasons:
        assert reason in header.replace("\xa0", " ")


def test_an_unidentified_law_gets_no_forecast_anywhere(unidentified):
    page = render_report(unidentified)
    document = Document(page)
    sections = [e["attrs"]["id"] for e in document.all("section")]
    assert "forecast" not in sections
    assert {"trust", "figures", "data"} <= set(sections)
    assert [e["attrs"]["id"] for e in document.all("figure")] == ["fig-data", "fig-residuals"]
    table = machine(page)
    assert table["forecasts"] == []
    assert table["allocation"] == []
    assert "is forecast" not in page


def test_hostile_names_stay_text(make):
    x = np.geomspace(1e18, 1e21, 40)
    y = 3e3 * x**-0.17 * np.exp(np.random.default_rng(0).standard_t(1.5, 40) * 0.01)
    evil = "</script><script>alert(1)</script>$\\frac{&\x07実験"
    page = render_report(
        replace(
            make("power", {"x": x}, y),
            name=evil,
            run_ids=tuple(f"{evil}{i}" for i in range(40)),
            targets=(Target(evil, {"x": 1e22}),),
            alternatives=(Alternative(evil, None, evil),),
            refused=(RefusedRow(evil, None, evil),),
            excluded_counts={evil: 3},
            sources=(Source(evil, evil, 40, evil),),
            command=evil,
            sql=evil,
            versions={evil: evil},
        )
    )
    document = Document(page)
    assert len(document.all("script")) == 1
    assert "alert(1)" not in {e["text"] for e in document.all("script")}
    assert machine(page)["name"] == evil
    assert "\x07" not in "".join(re.findall(r"<svg.*?</svg>", page, re.S))


def test_an_assumed_unit_is_said_once(data):
    law = replace(data.fit.law, unit="nats/token, assumed")
    document = Document(render_report(replace(data, fit=replace(data.fit, law=law), alternatives=())))
    text = document.all("main")[0]["text"]
    assert "nats/token, assumed" not in text
    assert "The logs do not state the unit of the loss; nats/token is assumed." in text


def test_simulated_runs_are_called_so_at_the_top(data, document):
    assert "Simulated data" not in document.all("header")[0]["text"]
    header = Document(render_report(replace(data, simulated=True))).all("header")[0]["text"]
    assert "The run logs behind this page come from a simulator" in header


def said_of(data):
    return {line.question: line for line in checks(answer(data))}


def test_a_constant_input_is_contradicted_by_no_check(make, make_runs):
    inputs, loss = make_runs(40)
    inputs["D"] = np.full(40, 2e10)
    data = make("chinchilla", inputs, loss, bootstrap=0)
    assert data.fit.verdict == "not identified"
    said = said_of(data)
    line = said["N and D vary independently"]
    assert (line.answer, line.number, line.sentence) == ("no", "D constant", "All rows have the same D.")
    for question in ("Every parameter determined", "Profiles close", "Amplitudes and exponents apart"):
        assert said[question].answer != "yes", question
    assert said["Every direction determined"].answer == "no"


def test_what_nothing_tells_is_not_judged(data, make, make_runs):
    inputs, loss = make_runs(40)
    inputs["D"] = np.full(40, 2e10)
    fit = make("chinchilla", inputs, loss, bootstrap=0).fit
    blind = replace(fit.diagnostics, wide=(), profile_open=(), at_bound=())
    said = said_of(ReportInput("blind", replace(fit, diagnostics=blind), inputs, loss, data.run_ids[:40]))
    for question in ("Every parameter determined", "Profiles close"):
        assert (said[question].answer, said[question].number) == ("–", "not judged"), question
    good = said_of(data)
    assert (good["Every parameter determined"].answer, good["Profiles close"].answer) == ("yes", "yes")


def test_tables_name_objective_condition_and_data(data):
    page = answer(replace(data, where="corpus = 'web'"))
    rows = "data: 240 rows of runs.csv where corpus = 'web'."
    for table in (of_forecasts(page), of_parts(page), of_growth(page), of_allocation(page)):
        assert f"objective: {data.fit.objective};" in table.note, table.caption
        assert rows in table.note, table.caption
    assert made_of(replace(data, where="corpus = 'web'")).endswith(rows)


def test_a_trimmed_fit_says_how_many_rows_are_missing(data):
    past = scaling.backtest_law("chinchilla", data.inputs, data.observed, trim="smallest 25 %")
    keep = np.argsort(data.inputs["N"] * data.inputs["D"])[60:]
    inputs = {name: values[keep] for name, values in data.inputs.items()}
    fit = scaling.fit("chinchilla", inputs, data.observed[keep], bootstrap=60)
    fit = replace(fit, settings=fit.settings | {"trim": "smallest 25 %"}, backtest=past)
    other = scaling.fit("chinchilla", inputs, data.observed[keep], objective="squared", bootstrap=0)
    trimmed = replace(
        data, fit=fit, inputs=inputs, observed=data.observed[keep], run_ids=data.run_ids[:180],
        alternatives=(Alternative("squared", other),), trim="smallest 25 %",
    )  # fmt: skip
    said = "trimmed: smallest 25 %, 60 of 240 rows left out"
    page = answer(trimmed)
    assert f"the fit was {said}" in rows_used(page)
    assert said in of_forecasts(page).note
    assert said in of_alternatives(page).note
    assert f"They see the trimmed rows only ({said})" in said_of(trimmed)["Alternatives agree"].sentence
    assert f"objective: {past.objective}, trimmed: smallest 25 %" in of_targets(page).note
    assert "trimmed" not in rows_used(answer(data))
    assert "trimmed" not in said_of(data)["Alternatives agree"].sentence


def test_only_the_bad_share_of_the_replicates_is_a_reason(data):
    said = data.fit.diagnostics
    bad = replace(said, replicates_converged=0.97, replicates_at_bound=0.01)
    assert "Of the bootstrap replicates only 97 % converged." in bad.reasons
    both = replace(said, replicates_converged=0.97, replicates_at_bound=0.2)
    assert "Of the bootstrap replicates only 97 % converged and 20 % ended at a bound." in both.reasons
    held = replace(said, replicates_converged=1.0, replicates_at_bound=0.2)
    assert "Of the bootstrap replicates 20 % ended at a bound." in held.reasons
