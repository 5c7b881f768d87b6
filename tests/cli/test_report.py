"""scaling report: the page that a fit of the store becomes. What stands on it is tested beside the pages."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TARGET = ("--params", "70B", "--tokens", "1.4T")


def page() -> str:
    return Path("report.html").read_text(encoding="utf-8")


def text_of(html: str) -> str:
    """What a reader sees: without the markup, the styles and the data."""
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#39;", "'").replace("&quot;", '"')


def in_page(html: str) -> dict[str, Any]:
    """The data that a page holds."""
    [block] = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, flags=re.DOTALL)
    held: dict[str, Any] = json.loads(block)
    return held


@dataclass(frozen=True)
class Written:
    """A page, the store that it was made from, and what the command said."""

    path: Path
    store: Path
    row: dict[str, Any]
    err: str

    @property
    def html(self) -> str:
        return self.path.read_text(encoding="utf-8")


class TestPage:
    @pytest.fixture(scope="module")
    @staticmethod
    def made(tmp_path_factory: pytest.TempPathFactory, filled: Path, in_process: Any) -> Written:
        """The page of the fit `web`; made once, because the alternatives on it take some seconds."""
        folder = tmp_path_factory.mktemp("page")
        words = ("report", "web", *TARGET, "--flops", "5.76e23", "--db", filled, "-o", folder / "page.html")
        answer = in_process(*words, "--format", "json")
        assert answer.code == 0, answer.err
        return Written(folder / "page.html", filled, answer.row, answer.err)

    def test_is_told(self, made: Written) -> None:
        assert made.row == {"fit": "web", "path": str(made.path), "verdict": "ok"}
        assert re.search(r"Wrote .*page\.html \(\d+ kB\)", made.err)

    def test_is_one_small_file_that_loads_nothing(self, made: Written) -> None:
        assert len(made.html.encode()) < 500_000
        loaded = re.findall(r'<(?:link|script|img|iframe|object|image|use)\b[^>]*(?:src|href)="([^"]*)', made.html)
        assert [address for address in loaded if not address.startswith(("#", "data:"))] == []
        assert "@import" not in made.html
        assert "url(http" not in made.html

    def test_gives_the_forecast_of_the_command_line(self, made: Written, ok: Any) -> None:
        line = ok("forecast", "web", *TARGET, "--format", "table", "--db", made.store).out.splitlines()[-1]
        loss = re.split(r"\s{2,}", line)[2]
        assert loss in text_of(made.html)
        assert "x327" in text_of(made.html)

    def test_splits_a_budget_as_the_command_does(self, made: Written, ok: Any) -> None:
        [split] = in_page(made.html)["allocation"]
        row = ok("allocate", "web", "--flops", "5.76e23", "--db", made.store).row
        assert split["untied"] is None
        assert split == {name: row[name] for name in split}

    def test_says_which_runs_were_left_out_and_where_they_came_from(self, made: Written) -> None:
        text = text_of(made.html)
        assert "the loss is nan" in text
        assert "web-50" in text
        assert "runs.csv" in text

    def test_tells_how_to_make_it_again(self, made: Written, ok: Any) -> None:
        text = text_of(made.html)
        assert "scaling fit chinchilla --where" in text
        assert ok("show", "web", "--db", made.store).row["data_sha256"] in text

    def test_holds_no_path_of_this_machine(self, made: Written) -> None:
        assert str(made.path.parent.parent) not in made.html

    def test_holds_its_data(self, made: Written) -> None:
        assert '"alpha"' in json.dumps(in_page(made.html))

    def test_is_the_same_to_the_byte_when_made_again_and_the_store_is_as_it_was(self, made: Written, ok: Any) -> None:
        before = made.store.read_bytes()
        ok("report", "web", *TARGET, "--flops", "5.76e23", "--db", made.store)  # under its usual name, in this folder
        assert Path("report.html").read_bytes() == made.path.read_bytes()
        assert made.store.read_bytes() == before


def test_a_law_that_fixes_its_exponents_splits_a_budget_as_the_command_does(
    store: Path, ok: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaling.alternatives.alternatives", lambda *_, **__: ())  # seconds, and not what is asked
    words = ("--where", "corpus = 'web'", "--bootstrap", "20", "--seed", "3", "--no-backtest")
    ok("fit", "gadre", *words, "--name", "tied")
    ok("report", "tied", *TARGET, "--flops", "1e19")
    answer = ok("allocate", "tied", "--flops", "1e19")
    [split] = in_page(page())["allocation"]
    assert split["untied"]["law"] == "chinchilla"
    assert split == {name: answer.row[name] for name in split}
    [line] = [line for line in answer.err.splitlines() if line.startswith("With the exponents estimated (chinchilla, ")]
    assert line in text_of(page())


def test_a_law_of_another_input(store: Path, ok: Any) -> None:
    ok("report", "curve", "--at", "x=1e24")
    assert "1e24" in text_of(page())


def test_a_fit_that_is_not_identified_says_so_first(store: Path, ok: Any) -> None:
    words = ("--param", "E=0:", "--param", "A=0:", "--param", "alpha=0.01:2", "--where", "run_id LIKE 'web-0%'")
    ok("fit", "E + A/D**alpha", *words, "--bootstrap", "20", "--no-backtest", "--name", "few")
    answer = ok("report", "few", "--at", "D=1e12")
    assert answer.row["verdict"] == "not identified"
    assert "not identified" in text_of(page())[:2000]


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["webb"], 2, "Did you mean 'web'?"),
            (["web", "--params", "70B"], 2, "1 --params and 0 --tokens"),
            (["web", "--at", "x=1"], 2, "takes N, D"),
            (["web", "--flops", "-1"], 2, "above 0"),
            (["web", "--level", "2"], 2, "between 0 and 1"),
        ],
    )
    def test_words_that_make_no_sense(self, words: list[str], code: int, said: str, store: Path, refused: Any) -> None:
        assert said in refused(code, "report", *words).err
        assert not Path("report.html").exists()

    def test_a_directory(self, store: Path, refused: Any) -> None:
        Path("pages").mkdir()
        err = refused(2, "report", "web", "-o", "pages").err
        assert "pages" in err
        assert "directory" in err

    def test_a_folder_that_is_not_there(self, store: Path, refused: Any) -> None:
        assert "nowhere" in refused(2, "report", "web", "-o", "nowhere/page.html").err

    def test_rows_that_have_changed_since(self, store: Path, ok: Any, refused: Any) -> None:
        """A page must not show a law beside rows that it was not fitted to."""
        ok("rm", "run", "web-00")
        err = refused(4, "report", "web").err
        assert "have changed since it was made" in err
        assert "scaling fit chinchilla" in err
        assert "--replace" in err
        assert not Path("report.html").exists()

    def test_what_is_there_stays_when_the_page_cannot_be_written(self, store: Path, refused: Any) -> None:
        Path("report.html").write_text("an older page")
        refused(2, "report", "web", "--at", "x=1")
        assert page() == "an older page"
