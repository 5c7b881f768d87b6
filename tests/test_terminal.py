"""Rows in five formats, and results as rows."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scaling
from reports.rows import allocation_shown, fit_row, forecast_rows, forecast_shown, law_text, with_interval
from reports.terminal import FORMATS, as_rows, cell, choose_format, plain, render, unique_names
from scaling.errors import UsageError

numbers = st.one_of(st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)
tables = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(texts.filter(bool), min_size=width, max_size=width, unique=True),
        st.lists(st.lists(st.one_of(numbers, texts), min_size=width, max_size=width), min_size=1, max_size=5),
    )
)


class TestMachines:
    @given(tables)
    def test_json_comes_back(self, table: tuple[list[str], list[list[Any]]]) -> None:
        names, values = table
        rows = [dict(zip(names, row, strict=True)) for row in values]
        assert json.loads(render(rows, "json")) == rows
        assert [json.loads(line) for line in render(rows, "jsonl").split("\n")[:-1]] == rows

    @given(tables)
    def test_csv_comes_back(self, table: tuple[list[str], list[list[Any]]]) -> None:
        names, values = table
        rows = [dict(zip(names, row, strict=True)) for row in values]
        back = list(csv.DictReader(io.StringIO(render(rows, "csv"), newline="")))
        assert [list(row) for row in back] == [names] * len(rows)
        for row, found in zip(rows, back, strict=True):
            for name, value in row.items():
                assert found[name] == str(value)
                if not isinstance(value, str):
                    assert type(value)(found[name]) == value

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (math.nan, "null"),
            (math.inf, '"inf"'),
            (-math.inf, '"-inf"'),
            (None, "null"),
            (True, "true"),
            (Decimal("0.5"), "0.5"),
            (Decimal("NaN"), "null"),
            (datetime(2026, 1, 2, 3, 4, 5), '"2026-01-02T03:04:05"'),
            (date(2026, 1, 2), '"2026-01-02"'),
            ((1, math.nan), "[1, null]"),
            ({1: {"x": math.inf}}, '{"1": {"x": "inf"}}'),
            (b"\x00", "\"b'\\\\x00'\""),
            (2**70, str(2**70)),
        ],
    )
    def test_odd_values_in_json(self, value: Any, text: str) -> None:
        assert json.dumps(plain(value), allow_nan=False) == text

    def test_nested_values_in_csv(self) -> None:
        rows = [{"a": {"b": {"c": 0.1}, "d": None}, "e": [1, math.nan]}, {"f": math.nan}]
        [first, second] = csv.DictReader(io.StringIO(render(rows, "csv")))
        assert first == {"a.b.c": "0.1", "a.d": "", "e": "[1, null]", "f": ""}
        assert second["f"] == "nan"


class TestPeople:
    @pytest.mark.parametrize(
        ("name", "value", "text"),
        [
            ("loss", 1.8172181, "1.817"),
            ("loss", math.nan, "unknown"),
            ("loss", math.inf, "inf"),
            ("loss", None, "-"),
            ("n_params", 124_439_808.0, "124M"),
            ("n_params", 124_439_808, "124M"),
            ("n_tokens_low", 1.4e12, "1.4T"),
            ("n_params", math.nan, "unknown"),
            ("n_obs", 123456, "123456"),
            ("count", 12345678, "12345678"),
            ("step", 2000000, "2000000"),
            ("share", Decimal("0.25"), "0.2500"),
            ("flag", False, "no"),
            ("names", ["a", 0.123456], "a, 0.1235"),
            ("when", datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04"),
            ("text", "two\nlines\tand \x1b[31m", "two lines and  [31m"),
        ],
    )
    def test_a_cell(self, name: str, value: Any, text: str) -> None:
        assert cell(name, value) == text

    def test_a_table(self) -> None:
        rows = [{"run_id": "a", "loss": 2.5, "n": 1}, {"run_id": "long-name", "loss": None, "n": 1000}]
        assert render(rows, "table") == (
            "run_id      loss     n\n---------  -----  ----\na          2.500     1\nlong-name      -  1000\n"
        )

    def test_people_may_be_shown_other_rows(self) -> None:
        rows, shown = [{"x": 1.23456789}], [{"x": "about 1"}]
        assert "about 1" in render(rows, "table", shown)
        assert "about 1" in render(rows, "markdown", shown)
        assert "1.23456789" in render(rows, "csv", shown)
        assert "1.23456789" in render(rows, "json", shown)

    @given(tables)
    def test_a_row_is_a_line_whatever_is_in_it(self, table: tuple[list[str], list[list[Any]]]) -> None:
        names, values = table
        plain_names = [f"c{i}" for i in range(len(names))]
        rows = [dict(zip(plain_names, row, strict=True)) for row in values]
        for name in ("table", "markdown"):
            assert len(render(rows, name).splitlines()) == len(rows) + 2

    @pytest.mark.parametrize(
        ("format_", "text"), [("json", "[]\n"), ("jsonl", ""), ("csv", "a,b\n"), ("table", "a  b\n-  -\n")]
    )
    def test_no_rows(self, format_: str, text: str) -> None:
        assert render([], format_, columns=["a", "b"]) == text

    def test_nothing_at_all(self) -> None:
        assert [render([], name) for name in ("csv", "table", "markdown")] == ["", "", ""]


@given(st.lists(st.sampled_from(["a", "b", "a_2", "a_3", "a_2_2"]), max_size=8))
def test_names_of_columns_are_made_unique_and_kept_where_they_are(columns: list[str]) -> None:
    names = unique_names(columns)
    assert len(set(names)) == len(columns)
    for column in set(columns):
        assert names[columns.index(column)] == column
    rows = as_rows(columns, [list(range(len(columns)))])
    assert list(rows[0].values()) == list(range(len(columns)))


def test_choosing_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert choose_format(None) == "json"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert choose_format(None) == "table"
    monkeypatch.setattr("sys.stdout", None)
    assert choose_format(None) == "json"
    assert [choose_format(name) for name in FORMATS] == list(FORMATS)
    with pytest.raises(UsageError, match="no format 'tabel'"):
        choose_format("tabel")


@pytest.fixture(scope="module")
def fit() -> scaling.Fit:
    random = np.random.default_rng(2)
    n, d = random.uniform(1e7, 1e10, 40), random.uniform(1e9, 1e12, 40)
    loss = (1.8 + 480 / n**0.35 + 2100 / d**0.37) * np.exp(0.002 * random.standard_normal(40))
    return scaling.fit("chinchilla", {"N": n, "D": d}, loss, bootstrap=30)


class TestResultsAsRows:
    def test_a_fit(self, fit: scaling.Fit) -> None:
        row = fit_row(fit, 0.5)
        assert row["level"] == 0.5
        for name, entry in row["parameters"].items():
            assert entry["estimate"] == fit.estimates[name]
            assert (entry["low"], entry["high"]) == fit.interval(name, 0.5)
            assert entry["se"] == fit.standard_errors[name]

    def test_forecasts(self, fit: scaling.Fit) -> None:
        targets = [{"N": 1e9, "D": 1e11}, {"N": 70e9, "D": 1.4e12}]
        made = [fit.predict(target, level=0.8) for target in targets]
        rows = forecast_rows(fit, targets, made)
        assert [(row["inputs"], row["loss"], row["low"], row["high"]) for row in rows] == [
            (target, p.mean, p.low, p.high) for target, p in zip(targets, made, strict=True)
        ]
        shown = forecast_shown(fit, targets, made)
        assert (shown[1]["N"], shown[1]["D"], shown[1]["verdict"]) == ("70B", "1.4T", made[1].verdict)
        low, high = (float(text) for text in shown[1]["80 % interval"].split(" to "))
        assert low == pytest.approx(made[1].low, abs=0.01)
        assert low < float(shown[1]["loss"]) < high

    def test_allocations(self, fit: scaling.Fit) -> None:
        [shown] = allocation_shown(fit, scaling.allocate(fit, 5.76e23, level=0.9))
        assert shown["compute (FLOP)"] == "5.76e23"
        assert shown["params"].endswith("B")
        assert " to " in shown["params, 90 %"]

    def test_what_is_unknown_is_said_once(self, fit: scaling.Fit) -> None:
        bare = replace(fit, replicates=np.empty((0, 5)))
        [shown] = allocation_shown(bare, scaling.allocate(bare, 5.76e23))
        assert shown["params, 95 %"] == shown["tokens, 95 %"] == shown["loss, 95 %"] == "unknown"

    @pytest.mark.parametrize(
        ("value", "low", "high", "text"),
        [
            (1.97336678, 1.94717, 2.00529, "1.973"),
            (1.97336678, 1.97330, 1.97340, "1.973367"),
            (1.97336678, math.nan, math.nan, "1.973"),
            (1.97336678, 1.97336678, 1.97336678, "1.973"),
            (0.0, -1.0, 1.0, "0"),
            (1.97336678, -math.inf, math.inf, "1.973"),
        ],
    )
    def test_a_value_beside_its_interval(self, value: float, low: float, high: float, text: str) -> None:
        assert with_interval(value, low, high) == text

    def test_a_law(self) -> None:
        text = law_text(scaling.find_law("chinchilla"))
        assert text.startswith("Chinchilla, approach 3\nloss (nats/token) = E + A/N**alpha + B/D**beta\n")
        assert "besiroglu-2024 (arXiv:2404.10102)" in text
        assert "A = 482.01" in text
        assert all(line == line.rstrip() for line in text.splitlines())
