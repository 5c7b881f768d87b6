"""scaling value report, and scaling report of what is no fit: pages of what the store holds, from the command line."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from scaling.valuation import make_objective
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


def random_scores(words: str, members: Callable[[np.random.Generator], np.ndarray]) -> tuple[float, float]:
    """Mean and spread of what a page says of random subsets, less that of subsets drawn here, in units of the mean."""
    scorer = make_objective("facility_location", np.load("X.npy"), 20)
    generator = np.random.default_rng(99)
    own = np.array([scorer.score_of(np.sort(members(generator))) for _ in range(400)])
    [part] = machine_of(Path("p.html"))["parts"]
    assert words in Path("p.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    error = own.std() * (1 / 100 + 1 / 400) ** 0.5
    return (part["random"]["mean"] - own.mean()) / error, part["random"]["sd"] / own.std()


@pytest.mark.usefixtures("chosen")
def test_random_subsets_beside_a_bound_selection_are_bound_as_it_is(ok: Run) -> None:
    y = np.load("y.npy")
    chosen = ("value", "select", "web", "--objective", "facility_location", "--baseline", "0")
    by_class = [np.flatnonzero(y == c) for c in range(6)]
    ok(*chosen, "-k", "12", "--labels", "label", "--name", "even")
    ok("report", "even", "-o", "p.html")
    off, spread = random_scores(
        "class-balanced random subsets of its size",
        lambda g: np.concatenate([g.choice(rows, 2, replace=False) for rows in by_class]),
    )
    assert abs(off) < 4
    assert 0.75 < spread < 1.3
    # One class alone may give members: subsets of all data score far above those.
    ok(*chosen, "-k", "6", "--labels", "y.npy", *(w for c in range(5) for w in ("--cap", f"{c}=0")), "--name", "one")
    ok("report", "one", "-o", "p.html")
    off, spread = random_scores(
        "random subsets of its size under the same caps of classes", lambda g: g.choice(by_class[5], 6, replace=False)
    )
    assert abs(off) < 4
    assert "no caps bind them" in Path("p.html").read_text(encoding="utf-8")
    free, _ = random_scores("random subsets", lambda g: g.choice(120, 6, replace=False))
    assert free < -20
    np.save("y.npy", (y + 1) % 6)  # classes that are no longer those of the selection
    ok("report", "one", "-o", "p.html")
    page = Path("p.html").read_text(encoding="utf-8")
    assert "Random subsets match its size alone, and not what bound it" in page
    assert "the classes have changed" in page
    [part] = machine_of(Path("p.html"))["parts"]
    assert part["verdict"] == "weak"


@pytest.mark.usefixtures("chosen")
def test_random_subsets_beside_a_budget_cost_no_more(ok: Run) -> None:
    ok("value", "select", "web", "--objective", "facility_location", "--baseline", "0", "--costs", "cost", "--budget",
       "300", "--name", "cheap")  # fmt: skip
    ok("report", "cheap", "-o", "p.html")
    costs = [row["cost"] for row in ok("sql", "SELECT cost FROM examples ORDER BY position").rows]

    def members(generator: np.random.Generator) -> np.ndarray:
        left, taken = 300.0, []
        for i in generator.permutation(120):
            if costs[i] <= left:
                left -= costs[i]
                taken.append(i)
        return np.array(taken)

    off, spread = random_scores("random subsets within the same budget", members)
    assert abs(off) < 4
    assert 0.75 < spread < 1.3
    with duckdb.connect("scaling.duckdb") as connection:  # as an earlier version kept it
        connection.execute(
            "UPDATE subsets SET options = json_merge_patch(options, '{\"costs\": null}') WHERE subset_name = 'cheap'"
        )
    ok("report", "cheap", "-o", "p.html")
    assert "which costs bound the selection is not kept" in Path("p.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("chosen")
def test_an_appraisal_of_a_name_says_nothing_of_a_selection_with_other_options(ok: Run) -> None:
    words = ("value", "select", "web", "-k", "10", "--objective", "facility_location", "--baseline", "0")
    for name, kernel in (("other", "rbf"), ("usual", "shifted_cosine")):
        ok(*words, "--option", f"kernel={kernel}", "--name", name)
        ok("value", "report", "--selection", name, "--appraisal", "study", "-o", "p.html")
        part = machine_of(Path("p.html"))["parts"][0]
        said = "was made with kernel = rbf; appraisals keep no options" in Path("p.html").read_text(encoding="utf-8")
        assert (part["verdict"], said) == (("weak", True) if name == "other" else ("ok", False))


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


def test_the_page_of_a_selection_from_a_file_knows_how_many_examples_there_were(ok: Any, tmp_path: Path) -> None:
    np.save("few.npy", np.random.default_rng(0).normal(size=(90, 4)))
    ok(
        "value",
        "select",
        "few.npy",
        "-k",
        "3",
        "--objective",
        "facility_location",
        "--name",
        "three",
        "--db",
        "few.duckdb",
    )
    ok("value", "report", "--selection", "three", "--db", "few.duckdb", "-o", "few.html")
    assert "3 of 90 examples" in Path("few.html").read_text()
