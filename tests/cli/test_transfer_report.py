"""scaling transfer report: all maps of a source on one page, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.loss_to_loss.sensitivity import law_floors

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

LAWS = {"web": (1.8, 480.0, 2100.0), "code": (0.9, 310.0, 1500.0), "books": (2.0, 500.0, 2500.0)}
BUDGETS = np.geomspace(1e18, 6.4e19, 7)
LARGE = 1.28e21
BELOW = "compute_flop < 1e20"


def log_text() -> str:
    """Runs of three corpora at seven budgets and one 20 times larger; books lacks its smallest size."""
    random = np.random.default_rng(11)
    lines = ["run_id,corpus,N,D,loss,task"]
    for corpus, (floor, a, b) in LAWS.items():
        for i, compute in enumerate([*BUDGETS, LARGE]):
            shares = np.geomspace(0.4, 2.5, 5) if compute < LARGE else [1.0]
            for j, share in enumerate(shares):
                if (corpus, i, j) == ("books", 0, 0):
                    continue
                n = share * np.sqrt(compute / 120)
                d = compute / (6 * n)
                loss = (floor + a / n**0.35 + b / d**0.37) * np.exp(0.004 * random.standard_normal())
                lines.append(f"{corpus}-{i}{j},{corpus},{n:.8g},{d:.8g},{loss:.9g},{loss + 1:.9g}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, in_process: Any) -> tuple[Path, dict[str, Any], str]:
    """The store, and the page of all maps from web, made once."""
    folder = tmp_path_factory.mktemp("maps")
    (folder / "runs.csv").write_text(log_text(), encoding="utf-8")
    mapping = (
        '[metrics]\nloss = { column = "loss", unit = "nats/token" }\ntask = { column = "task", unit = "nats/token" }'
    )
    (folder / "map.toml").write_text(mapping, encoding="utf-8")
    db = folder / "scaling.duckdb"
    words = ("ingest", folder / "runs.csv", "--mapping", folder / "map.toml", "--metric", "loss", "--db", db)
    assert in_process(*words).code == 0
    page = folder / "maps.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(law_floors.__kwdefaults__, "laws", ("chinchilla",))  # the other one takes seconds a corpus
        answer = in_process(*report(db, "--from", "web", "-o", page), "--where", BELOW)
    assert answer.code == 0, answer.err
    return db, {row["target"]: row for row in answer.rows}, page.read_text(encoding="utf-8")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the floors of the laws, other floors and pictures, which take most of the time and are not asked for."""
    monkeypatch.setattr("db.map_sheet.law_floors_of", lambda *_: ())
    monkeypatch.setattr("scaling.loss_to_loss.sheet.floor_sensitivity", lambda *_: ())
    for figure in ("maps_figures.sheet_figure", "maps_figures.residual_figure", "maps_backtest.width_figure"):
        monkeypatch.setattr(f"reports.{figure}", lambda _: None)
    monkeypatch.setattr("reports.maps_backtest.backtest_figure", lambda _: None)


def report(db: Path, *words: str | Path) -> tuple[str | Path, ...]:
    return ("transfer", "report", "--metric", "loss", "--bootstrap", "20", "--db", db, "--format", "json", *words)


def seen(html: str) -> str:
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("\u00a0", " ")


def in_page(path: Path) -> dict[str, Any]:
    [block] = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', path.read_text(), flags=re.DOTALL)
    found: dict[str, Any] = json.loads(block)
    return found


def test_all_other_corpora_are_targets_and_the_large_run_is_the_one_left_over(made: Any) -> None:
    _, rows, _ = made
    assert set(rows) == {"code", "books"}
    for target, row in rows.items():
        assert (row["run"], row["question"]) == ("web-70", "x measured")
        assert row["extrapolation_factor"] == pytest.approx(20, rel=1e-6)
        assert row["low"] < row["y"] < row["high"]
        floor, a, b = LAWS[target]
        n = np.sqrt(LARGE / 120)
        assert row["outcome"] == pytest.approx(floor + a / n**0.35 + b / (20 * n) ** 0.37, rel=0.02)
        assert row["error"] == pytest.approx(row["y"] / row["outcome"] - 1)
        assert row["held"] == (row["low"] <= row["outcome"] <= row["high"])
    assert (rows["code"]["n_pairs"], rows["books"]["n_pairs"]) == (35, 34)


def test_the_page_says_how_it_was_made_and_names_no_path(made: Any) -> None:
    db, _, html = made
    text = seen(html)
    assert "scaling transfer report --from web --metric loss --where &#39;compute_flop &lt; 1e20&#39;" in text
    assert "web-00" in text  # has no partner in books
    assert "no target run has its parameters and tokens" in text
    assert str(db.parent) not in html
    assert not re.search(r"<link|<img|@import|url\(http", html)


@pytest.mark.slow
def test_made_again_it_is_the_same_to_the_byte_and_the_store_is_as_it_was(
    made: Any, ok: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, _, html = made
    before = db.read_bytes()
    monkeypatch.setitem(law_floors.__kwdefaults__, "laws", ("chinchilla",))
    ok(*report(db, "--from", "web", "--where", BELOW))  # under its usual name, in this folder
    assert Path("maps.html").read_text(encoding="utf-8") == html
    assert db.read_bytes() == before


def test_a_named_run_that_has_a_partner_is_held_out(made: Any, quick: None, ok: Any) -> None:
    db, rows, _ = made
    row = ok(*report(db, "--target-run", "web-70", "--to", "code")).row
    assert row["n_pairs"] == 35
    assert row["y"] == pytest.approx(rows["code"]["y"], rel=1e-9)
    [held] = in_page(Path("maps.html"))["maps"]
    assert "run_id NOT IN ('web-70', 'code-70')" in held["sql"]
    assert "that pair is held out of the map and of its floors" in seen(Path("maps.html").read_text())


def test_without_a_condition_the_run_left_over_is_inside(made: Any, quick: None, ok: Any) -> None:
    db, _, _ = made
    row = ok(*report(db, "--from", "web", "--to", "books")).row
    assert (row["run"], row["extrapolation"], row["outcome"]) == ("web-00", "inside", None)


def test_an_x_that_was_typed(made: Any, quick: None, ok: Any) -> None:
    db, rows, _ = made
    words = ("--from", "web", "--to", "code", "--where", BELOW, "--x", str(rows["code"]["x"]))
    row = ok(*report(db, *words, "--flops", "1.28e21")).row
    assert row["y"] == pytest.approx(rows["code"]["y"])
    assert row["extrapolation"] == "x20"
    assert row["outcome"] is None
    assert ok(*report(db, *words)).row["extrapolation"].endswith("(of the loss)")


def test_an_x_that_a_law_forecasts_has_a_wider_interval(made: Any, quick: None, ok: Any, tmp_path: Path) -> None:
    import shutil

    db, rows, _ = made
    own = shutil.copy(db, tmp_path / "own.duckdb")
    where = f"corpus = 'web' AND {BELOW}"
    ok("fit", "chinchilla", "--where", where, "--name", "webb", "--bootstrap", "20", "--db", own)
    n = np.sqrt(LARGE / 120)
    words = ("--source-fit", "webb", "--params", f"{n:.8g}", "--tokens", f"{20 * n:.8g}", "--where", BELOW)
    row = ok(*report(Path(own), "--from", "web", "--to", "code", *words)).row
    assert row["question"] == "x predicted"
    assert row["x"] == pytest.approx(rows["code"]["x"], rel=0.03)
    assert row["high"] - row["low"] >= rows["code"]["high"] - rows["code"]["low"]
    assert row["extrapolation_factor"] == pytest.approx(20, rel=1e-4)


def test_every_ordered_pair_where_no_side_is_named(made: Any, quick: None, ok: Any) -> None:
    db, _, _ = made
    rows = ok(*report(db, "--where", BELOW, "--form", "log_log")).rows
    assert [(row["source"], row["target"]) for row in rows] == [
        ("books", "code"), ("books", "web"), ("code", "books"), ("code", "web"), ("web", "books"), ("web", "code"),
    ]  # fmt: skip
    assert {row["form"] for row in rows} == {"log_log"}


def test_two_metrics_of_one_corpus(made: Any, quick: None, ok: Any) -> None:
    db, _, _ = made
    words = ("--metric-from", "loss", "--metric-to", "task", "--from", "web", "--to", "web", "--where", BELOW)
    row = ok(*report(db, *words)).row
    assert row["y"] == pytest.approx(row["x"] + 1, rel=1e-6)  # which is what the log says
    assert (row["run"], row["n_pairs"]) == ("web-70", 35)


def test_floors_of_both_sides(made: Any, quick: None, ok: Any) -> None:
    db, _, _ = made
    ok(*report(db, "--from", "web", "--to", "code", "--where", BELOW, "--floors", "both", "--form", "shifted_power"))
    [held] = in_page(Path("maps.html"))["maps"]
    assert held["map"]["floor_x"]["kind"] == "given"
    assert held["map"]["floor_x"]["value"] == pytest.approx(1.8, abs=0.1)
    assert held["map"]["floor_y"]["source"].startswith("E of the law chinchilla, fitted to 35 runs of code")


def test_fail_on(made: Any, quick: None, run: Any) -> None:
    db, _, _ = made
    words = report(db, "--from", "web", "--to", "code", "--where", BELOW, "--form", "log_log")
    assert run(*words, "--fail-on", "extrapolating").code == 1
    assert run(*words).code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "webb"), 2, "Did you mean 'web'?"),
        (("--to", "cod"), 2, "Did you mean 'code'?"),
        (("--from", "web", "--to", "web"), 2, "There are no two sides to map"),
        (("--from", "web", "--form", "log-log"), 2, "Did you mean 'log_log'?"),
        (("--from", "web", "--floors", "bot"), 2, "Did you mean 'both'?"),
        (("--from", "web", "--floors", "both", "--floor-law", "powr"), 2, "powr"),
        (("--x", "2.1"), 2, "Name the source with --from"),
        (("--from", "web", "--x", "-2"), 2, "above 0"),
        (("--from", "web", "--flops", "1e21"), 2, "Add --x"),
        (("--from", "web", "--params", "1B", "--tokens", "20B"), 2, "Add --source-fit"),
        (("--from", "web", "--target-run", "code-00"), 2, "The run code-00 is of code"),
        (("--target-run", "web-7"), 2, "Did you mean 'web-7"),
        (("--from", "web", "--source-fit", "none", "--params", "1B", "--tokens", "20B"), 2, "none"),
        (("--from", "web", "--where", "compute_flop <"), 2, "--where"),
        (("--from", "web", "--level", "2"), 2, "between 0 and 1"),
        (("--from", "web", "--where", "compute_flop > 1e21"), 4, "one pair alone"),
        (("--from", "web", "-o", "nowhere/maps.html"), 2, "nowhere"),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], code: int, said: str, made: Any, refused: Any) -> None:
    db, _, _ = made
    assert said in refused(code, *report(db, *words)).err
    assert not Path("maps.html").exists()


class TestPageOfOneMap:
    """scaling report of a saved map: a law of a loss, not of a size."""

    @pytest.fixture(scope="class")
    @staticmethod
    def text(made: Any, in_process: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
        import shutil

        db, rows, _ = made
        folder = tmp_path_factory.mktemp("one")
        own = shutil.copy(db, folder / "own.duckdb")
        words = ("--from", "web", "--to", "code", "--metric", "loss", "--where", BELOW, "--floors", "both")
        fit = ("transfer", "fit", *words, "--form", "shifted_power", "--bootstrap", "20", "--name", "wc", "--db", own)
        assert in_process(*fit).code == 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("scaling.alternatives.alternatives", lambda *_, **__: ())  # seconds, and not what is asked
            page = ("report", "wc", "--at", f"x={rows['code']['x']}", "--db", own, "-o", folder / "one.html")
            assert in_process(*page).code == 0
        return seen((folder / "one.html").read_text(encoding="utf-8"))

    def test_the_factor_is_said_to_be_of_the_loss(self, text: str) -> None:
        assert re.search(r"the map forecasts y = \d\.\d+ nats/token", text)
        assert re.search(r"extrapolating x1\.\d in the loss x", text)
        assert "Here x is the loss of web, and y the loss of code." in text
        assert "extrapolation of the loss x" in text
        assert "scaling transfer forecast wc --run RUN" in text

    def test_a_loss_has_no_place_among_the_budgets_of_the_back_test(self, text: str) -> None:
        assert "Pairs were held out by budget, and a target is a loss here" in text
        assert "Diamonds: the targets, with the errors that their intervals allow for" not in text

    def test_rows_are_pairs_and_axes_say_of_what(self, text: str) -> None:
        assert "35 pairs of runs.csv" in text
        assert "35 pairs of 70 runs went into the fit" in text
        assert "Loss against loss: y against x (nats/token, loss of web)" in text

    def test_floors_have_the_digits_of_other_numbers(self, text: str) -> None:
        body = text[: text.index("Reproduce Command")]
        assert re.search(r"log residuals above \d\.\d{3,4}\b", body)
        assert not re.search(r"above \d\.\d{5,}", body)
