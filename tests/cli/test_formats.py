"""One output contract for every command: data on standard output in five formats, talk on standard error."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

TARGET = ("--params", "70B", "--tokens", "1.4T")
COMMANDS = {
    "ingest": ("ingest", "runs.csv", "--db", "other.duckdb"),
    "dry run": ("ingest", "runs.csv", "--dry-run"),
    "ls runs": ("ls",),
    "ls sources": ("ls", "--what", "sources"),
    "ls metrics": ("ls", "--what", "metrics"),
    "show run": ("show", "web-00"),
    "show fit": ("show", "web"),
    "rm": ("rm", "run", "web-00"),
    "laws": ("laws",),
    "law": ("laws", "chinchilla"),
    "fit": ("fit", "chinchilla", "--bootstrap", "0", "--no-backtest"),
    "fits": ("fits",),
    "forecast": ("forecast", "web", *TARGET),
    "allocate": ("allocate", "web", "--flops", "1e22", "--flops", "1e23"),
    "sql": ("sql", "SELECT 1.5::DOUBLE AS x, NULL AS nothing, 'nan'::DOUBLE AS unknown, '-inf'::DOUBLE AS low"),
    "schema": ("schema", "runs"),
}
TALKING = ("ingest", "dry run", "fit", "forecast", "allocate", "rm")


@pytest.fixture
def log(store: Path, write: Any) -> Path:
    return write("runs.csv", "run_id,N,D,loss\na,1e8,2e9,3.5\nb,2e8,4e9,3.25\n")


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, log: Path) -> tuple[str, ...]:
    return COMMANDS[request.param]


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in row.items():
        out |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out


def volatile(name: str) -> bool:
    """Whether a value differs from one run of the command to the next."""
    return name in ("fit_id", "name", "status", "n_replaced")


def no_json(word: str) -> None:
    """Refuse NaN and Infinity, which Python's reader takes and others do not."""
    raise AssertionError(f"{word} is no JSON")


class TestEveryCommandInEveryFormat:
    def test_formats_hold_the_same_rows(self, command: tuple[str, ...], run: Any, store: Path) -> None:
        stored = store.read_bytes()
        answers = {}
        for name in ("json", "jsonl", "csv", "markdown", "table"):
            store.write_bytes(stored)  # so that a command that writes does the same again
            Path("other.duckdb").unlink(missing_ok=True)
            answers[name] = run(*command, "--format", name)
            assert answers[name].code == 0, answers[name].err
        rows = json.loads(answers["json"].out, parse_constant=no_json)
        assert isinstance(rows, list)
        assert rows
        assert all(isinstance(row, dict) for row in rows)
        lines = [json.loads(line, parse_constant=no_json) for line in answers["jsonl"].out.splitlines()]
        assert len(lines) == len(rows)
        parsed = list(csv.DictReader(io.StringIO(answers["csv"].out)))
        assert len(parsed) == len(rows)
        for row, line, cells in zip(rows, lines, parsed, strict=True):
            assert {k: v for k, v in flat(line).items() if not volatile(k)} == {
                k: v for k, v in flat(row).items() if not volatile(k)
            }
            for key, value in flat(row).items():
                if isinstance(value, bool):
                    assert cells[key] == str(value)
                elif isinstance(value, int | float):
                    assert float(cells[key]) == value  # exact, and not merely close
                elif value is None:
                    assert cells[key] in ("", "nan")
        table, markdown = answers["table"].out, answers["markdown"].out
        assert table.strip()
        head, rule, *body = markdown.splitlines()
        assert set(rule) <= set("|- ")
        width = head.count(" | ")
        assert all(line.replace("\\|", "").count(" | ") == width for line in body)
        for answer in answers.values():
            assert "error:" not in answer.err

    def test_an_unknown_format_is_refused_before_anything_happens(self, command: tuple[str, ...], refused: Any) -> None:
        answer = refused(2, *command, "--format", "jsn")
        assert "no format 'jsn'" in answer.err
        assert "Did you mean 'json'?" in answer.err
        assert not Path("other.duckdb").exists()


def test_unasked_json_is_what_a_program_reads(store: Path, ok: Any) -> None:
    assert [row["name"] for row in ok("fits").rows] == ["web", "curve"]  # the output of a test is no terminal


@pytest.mark.parametrize("name", TALKING)
def test_talk_goes_to_standard_error(name: str, log: Path, ok: Any) -> None:
    answer = ok(*COMMANDS[name], "--format", "json")
    assert answer.err.strip()
    json.loads(answer.out)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {*TALKING}))
def test_where_there_is_nothing_to_say_nothing_is_said(name: str, log: Path, ok: Any) -> None:
    assert ok(*COMMANDS[name], "--format", "json").err == ""


class TestOddValues:
    SQL = (
        "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, '-inf'::DOUBLE AS c, NULL AS d, true AS e, 12345678 AS f, "
        "0.1 + 0.2 AS g, 0.1::DOUBLE + 0.2::DOUBLE AS h, 'a|b' AS i, 'two' || chr(10) || 'lines' AS j, "
        "[1, 2] AS k, {'x': 1.5::DOUBLE, 'y': NULL} AS l, DATE '2026-01-02' AS m"
    )

    def test_json(self, store: Path, ok: Any) -> None:
        row = ok("sql", self.SQL).row
        assert row == {
            "a": None, "b": "inf", "c": "-inf", "d": None, "e": True, "f": 12345678, "g": 0.3, "h": 0.1 + 0.2,
            "i": "a|b", "j": "two\nlines", "k": [1, 2], "l": {"x": 1.5, "y": None}, "m": "2026-01-02",
        }  # fmt: skip

    def test_csv(self, store: Path, ok: Any) -> None:
        [row] = ok("sql", self.SQL, "--format", "csv").table
        assert math.isnan(float(row["a"]))
        assert float(row["b"]) == math.inf
        assert float(row["c"]) == -math.inf
        assert row["d"] == ""
        assert row["h"] == repr(0.1 + 0.2)
        assert row["j"] == "two\nlines"
        assert json.loads(row["k"]) == [1, 2]
        assert (row["l.x"], row["l.y"]) == ("1.5", "")

    def test_table_and_markdown_are_for_people(self, store: Path, ok: Any) -> None:
        table = ok("sql", self.SQL, "--format", "table").out.splitlines()
        assert len(table) == 3  # the line break in the data does not break the row
        assert table[2].split()[:8] == ["unknown", "inf", "-inf", "-", "yes", "12345678", "0.3000", "0.3000"]
        markdown = ok("sql", self.SQL, "--format", "markdown").out.splitlines()
        assert markdown[0].startswith("| a | b |")
        assert "| a\\|b |" in markdown[2]
        assert "two lines" in markdown[2]

    def test_escape_sequences_of_the_data_do_not_reach_the_terminal(self, store: Path, ok: Any) -> None:
        out = ok("sql", "SELECT chr(27) || '[31mred' AS x", "--format", "table").out
        assert "\x1b" not in out
        assert "[31mred" in out

    def test_columns_of_one_name_are_all_there(self, store: Path, ok: Any) -> None:
        assert ok("sql", "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a").row == {"a": 1, "a_3": 2, "a_2": 3, "a_4": 4}


class TestNoRows:
    SQL = "SELECT run_id, loss FROM runs_final WHERE false"

    @pytest.mark.parametrize(
        ("format_", "out"),
        [
            ("json", "[]\n"),
            ("jsonl", ""),
            ("csv", "run_id,loss\n"),
            ("markdown", "| run_id | loss |\n| --- | --- |\n"),
            ("table", "run_id  loss\n------  ----\n"),
        ],
    )
    def test_columns_are_still_named(self, format_: str, out: str, store: Path, ok: Any) -> None:
        assert ok("sql", self.SQL, "--format", format_).out == out

    def test_people_are_told(self, store: Path, ok: Any) -> None:
        assert ok("sql", self.SQL, "--format", "table").err == "No rows.\n"
        assert ok("sql", self.SQL, "--format", "csv").err == ""
