"""The table of the forms that were tried, as a terminal shows it."""

from __future__ import annotations

from reports.forms_rows import forms_text
from scaling.formatting import format_percent

LONG = "the estimates of 40 % of the replicates lie at a bound " * 8


def rows(*scores: float | None) -> dict[str, list[dict[str, object]]]:
    names, reasons = ("log_log", "affine", "quadratic"), ("", LONG, "")
    return {
        "candidates": [
            {"form": name, "verdict": "worse", "score": score, "weight": 0.0, "reason": reason}
            for name, score, reason in zip(names, scores, reasons, strict=True)
        ]
    }


def test_a_long_reason_stands_under_the_table_and_widens_no_cell() -> None:
    lines = forms_text(rows(0.01, 0.02, 0.008), "held-out error", format_percent).splitlines()
    assert [len(line) < 60 for line in lines[:4]] == [True] * 4
    assert lines[-1] == f"affine: {LONG}"
    assert sum("affine" in line for line in lines) == 2


def test_what_decides_is_said_where_errors_are_shown_and_only_there() -> None:
    told = "a form called worse may have the smaller one"
    assert told in forms_text(rows(0.01, 0.02, 0.008), "held-out error", format_percent)
    assert told not in forms_text(rows(None, None, None), "held-out error", format_percent)
