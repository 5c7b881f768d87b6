"""How problems are told."""

from __future__ import annotations

from db.problems import Problem, line_list, nearest, summary
from scaling.formatting import format_plural


def test_a_problem_says_where_what_and_why() -> None:
    assert str(Problem("f.csv", 3, "N", "x" * 50, "not a number")) == (
        f"f.csv:3, column 'N': not a number ('{'x' * 37}...')"
    )
    assert str(Problem("f.csv", 3, None, None, "too short")) == "f.csv:3: too short"


def test_a_summary_has_one_line_a_reason_the_most_frequent_first() -> None:
    problems = [Problem("f.csv", line, "N", "x", "not a number") for line in (5, 7, 9)]
    problems = [Problem("f.csv", 2, None, None, "too short"), *problems]
    assert summary(problems) == (
        "  f.csv, lines 5, 7 and 9: column 'N': not a number (first 'x')\n  f.csv, line 2: too short"
    )
    many = [Problem("f.csv", line, None, None, f"reason {line}") for line in range(8)]
    assert summary(many).splitlines()[-1] == "  and 3 more reasons"


def test_lists_are_cut() -> None:
    assert line_list([4]) == "line 4"
    assert line_list(list(range(1, 11))) == "lines 1, 2, 3, 4, 5, 6, 7, 8 and 2 more"
    assert [format_plural(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    hint = nearest("column7", [f"column{number}" for number in range(30)])
    assert hint.startswith("Did you mean 'column7'? There are 30: column0, column1, ")
    assert hint.endswith(" and so on.")
    assert nearest("b", ["a"]) == "There are: a."
