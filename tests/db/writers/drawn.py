"""Runs that are drawn at random."""

from __future__ import annotations

import math
from typing import Any, Literal

from hypothesis import strategies as st

from tests.db.writers.made import Made, Value


def names(pattern: str, without: str = "^$") -> st.SearchStrategy[str]:
    """Names of a pattern, but for those of another."""
    return st.from_regex(rf"(?!{without})(?:{pattern})", fullmatch=True)


def any_text(exclude: str = "\0", *, most: int = 12) -> st.SearchStrategy[str]:
    """Names of all characters that a text can hold, with quotes, commas and line ends among them."""
    signs = st.characters(exclude_categories=["Cs"], exclude_characters=exclude)
    odd = st.sampled_from(sorted({"\"a\" 'b'", "a,b;c", "two\nlines", "ä/€😀", " - ", "{x}=[1]", "a.b"}))
    drawn = st.one_of(odd, st.text(signs, min_size=1, max_size=most))
    return drawn.filter(lambda text: not set(text) & set(exclude) and text == text.strip() and not text.startswith("_"))


def floats(largest: float = 1e300, width: Literal[16, 32, 64] = 64) -> st.SearchStrategy[float]:
    """Numbers of all sizes, NaN and infinite ones among them; SQLite keeps no sign of 0."""
    finite = st.floats(-largest, largest, width=width)
    return st.one_of(st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0]), finite).map(lambda value: value + 0.0)


SETTINGS = st.dictionaries(
    names("k_[a-z]{1,6}"),
    st.one_of(
        st.integers(0, 2**31), st.integers(-(2**20), 2**20).map(lambda i: i / 64 + 1 / 128), st.booleans(),
        names("w[a-z]{0,8}"),
    ),
    max_size=4,
)  # fmt: skip


@st.composite
def runs(
    draw: Any, metric: st.SearchStrategy[str], value: st.SearchStrategy[Value], keys: st.SearchStrategy[str] | None,
    always: tuple[str, st.SearchStrategy[Value]] | None = None,
) -> list[Made]:  # fmt: skip
    """One run, or up to three where keys tell them apart; steps rise, and rows have some of the metrics."""
    found = []
    for key in draw(st.lists(keys, min_size=1, max_size=3, unique=True)) if keys is not None else ["r"]:
        metrics = draw(st.lists(metric, min_size=1, max_size=3, unique_by=str.lower))
        steps = sorted(draw(st.sets(st.one_of(st.integers(0, 20), st.integers(0, 2**36)), min_size=1, max_size=5)))
        rows = []
        for step in steps:
            row = {always[0]: draw(always[1])} if always else {}
            rows.append((step, row | draw(st.dictionaries(st.sampled_from(metrics), value, min_size=1, max_size=3))))
        found.append(Made(key, rows, draw(SETTINGS)))
    return found


def missing(values: st.SearchStrategy[float]) -> st.SearchStrategy[Value]:
    """Values, some of which are missing."""
    return st.one_of(st.none(), values)
