"""scaling value report, and scaling report of what is no fit: pages of what the store holds, from the command line."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.cli.conftest import Run, law

WEB_LOSS = 2.35


def machine_of(page: Path) -> dict[str, Any]:
    found = re.search(r'id="report-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    answer: dict[str, Any] = json.loads(unescape(found[1]))
    return answer


def headline_of(page: Path) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return unescape(re.sub(r"<[^>]+>", "", found[1])).replace("\u00a0", " ")


def appraised(objective: str) -> str:
    """Sixty subsets of ten: the objective goes with the accuracy throughout."""
    rng = np.random.default_rng(6)
    lines = [f"name,size,random,accuracy,{objective}"]
    for i in range(60):
        score = 0.5 + (0.01 if i < 30 else 0.06) * rng.standard_normal()
        lines.append(f"s{i},10,{str(i < 30).lower()},{0.6 + score / 4 + 0.002 * rng.standard_normal():.9g},{score:.9g}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def made(examples_folder: Path, tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A folder with a selection, values of its set, and an appraisal of its objective."""
    folder = tmp_path_factory.mktemp("chosen")
    shutil.copytree(examples_folder, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        _make(in_process)
    return folder


@pytest.fixture
def chosen(made: Path, tmp_path: Path) -> None:
    """A copy of it, for a test of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with duckdb.connect(str(tmp_path / "scaling.duckdb")) as connection:
        connection.execute("UPDATE example_sets SET embeddings_uri = ?", [str(tmp_path / "X.npy")]).fetchall()


def _make(run: Run) -> None:
    def ok(*words: str) -> None:
        answer = run(*words)
        assert answer.code == 0, answer.err

    ok("value", "select", "web", "-k", "10", "--objective", "facility_location", "--name", "ten", "--baseline", "0")
    ok("value", "points", "web", "--method", "color-filter", "--name", "filter")
    Path("table.csv").write_text(appraised("facility_location"), encoding="utf-8")
    ok("value", "appraise", "table.csv", "--performance", "accuracy", "--score", "facility_location", "--size",
       "size", "--random", "random", "--id", "name", "--name", "study", "--bootstrap", "20",
       "--permutations", "49")  # fmt: skip


@pytest.mark.usefixtures("chosen")
def test_one_page_of_a_selection_an_appraisal_and_values(ok: Run) -> None:
    answer = ok("value", "report", "--selection", "ten", "--appraisal", "study", "--values", "filter", "-o", "p.html")
    assert [(row["kind"], row["name"]) for row in answer.rows] == [
        ("selection", "ten"), ("appraisal", "study"), ("values", "filter"),
    ]  # fmt: skip
    selection, appraisal, values = machine_of(Path("p.html"))["parts"]
    shown = ok("show", "ten").row
    assert selection["score"] == pytest.approx(shown["score"], rel=1e-12)
    assert selection["certificate"] == shown["certificate"]
    # Random tens are drawn anew for the page, and a selection that maximises the score lies above them.
    assert selection["random"]["mean"] < selection["score"]
    assert selection["z"] > 2
    assert selection["worth"]["size"] > 10
    assert selection["verdict"] == "ok"
    assert headline_of(Path("p.html")).startswith("Take the 10 of 120 examples in ten")
    assert appraisal["n"] == 60
    assert appraisal["caps"] == {}
    losses = ok("sql", "SELECT avg(value) AS mean FROM valuations WHERE valuation_name = 'filter'").row["mean"]
    assert values["quantiles"]["0.0"] < losses < values["quantiles"]["1.0"]


@pytest.mark.usefixtures("chosen")
def test_report_writes_the_page_of_what_a_name_is(ok: Run, refused: Run) -> None:
    for name, kind in (("ten", "selection"), ("filter", "values"), ("study", "appraisal")):
        assert ok("report", name, "-o", "p.html").row["kind"] == kind
        assert f">{name}<" in Path("p.html").read_text(encoding="utf-8")
    # The bent line of an objective is a fit; without a question its page is that of the appraisal.
    assert ok("report", "study_facility_location", "-o", "p.html").row["name"] == "study"
    assert "fit" in ok("report", "study_facility_location", "--at", "s=0.5", "-o", "p.html").row
    assert "no fit of a law" in refused(2, "report", "ten", "--at", "N=1B").err


@pytest.mark.usefixtures("chosen")
def test_a_selection_whose_embeddings_are_gone_has_a_page_that_says_so(ok: Run) -> None:
    Path("X.npy").unlink()
    ok("report", "ten", "-o", "p.html")
    [part] = machine_of(Path("p.html"))["parts"]
    assert part["random"] is None
    assert part["verdict"] == "weak"
    assert "are no longer at" in Path("p.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("store")
def test_a_worth_on_a_page_is_that_of_the_command(ok: Run) -> None:
    asked = ("--loss", str(WEB_LOSS), "--params", "1B", "--tokens", "20B")
    said = ok("value", "worth", "web", *asked).row
    ok("value", "report", "--worth", "web", *asked, "-o", "p.html")
    [part] = machine_of(Path("p.html"))["parts"]
    assert part["worths"][0]["d_eq"] == pytest.approx(said["worths"][0]["d_eq"], rel=1e-12)
    truth = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
    assert law(truth, 1e9, part["worths"][0]["d_eq"]) == pytest.approx(WEB_LOSS, abs=0.01)


@pytest.mark.usefixtures("store")
def test_sources_of_several_methods_stand_side_by_side(ok: Run, refused: Run) -> None:
    ok("value", "sources", "web", "--source", "a=1B", "--source", "b=9B", "--params", "1B", "--base", "1B", "--method",
       "shapley", "--method", "banzhaf", "--name", "src")  # fmt: skip
    row = ok("report", "src", "-o", "p.html").row
    assert (row["kind"], row["name"]) == ("sources", "src")
    [part] = machine_of(Path("p.html"))["parts"]
    assert [one["method"] for one in part["sources"]] == ["shapley"] * 2 + ["banzhaf"] * 2
    shapley = [one["value"] for one in part["sources"] if one["method"] == "shapley"]
    assert sum(shapley) == pytest.approx(part["total"], rel=1e-9)
    assert headline_of(Path("p.html")).startswith("b is the source worth most")
    assert "--sources src_shapley" in refused(2, "value", "report", "--values", "src_shapley").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "A page about nothing"),
        (("--worth", "web"), "takes a law of random data and a loss"),
        (("--loss", "2.1"), "takes a law of random data and a loss"),
        (("--budget", "1K"), "A budget is spent by learning curves"),
        (("--curves", "lc", "--cost", "1"), "A budget is spent by learning curves"),
        (("--selection", "none"), "no subset 'none'"),
        (("--values", "none"), "no valuation 'none'"),
        (("--sources", "none"), "no valuation 'none'"),
        (("--appraisal", "none"), "no appraisal 'none'"),
        (("--selection", "none", "-o", "no/p.html"), "there is no folder"),
        (("--level", "2", "--selection", "none"), "level"),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_cannot_be_shown_is_refused(words: tuple[str, ...], said: str, refused: Run) -> None:
    assert said.lower() in refused(2, "value", "report", *words).err.lower()
    assert not Path("value.html").exists()
