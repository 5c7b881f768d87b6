"""Names that can be called in SQL, and the macros behind them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scaling
from db.macros import check_name, drop_sql, macro_sql, safe_name
from db.store import Store
from scaling.errors import UsageError


@pytest.fixture(scope="module")
def empty() -> Store:
    return Store()


def works(store: Store, name: str) -> bool:
    """Whether a macro of that name can be made and called, quoted or not, in any case."""
    with store.transaction() as connection:
        connection.execute(f'CREATE OR REPLACE MACRO "{name}"(a, b) AS a + 2 * b').fetchall()
    calls = ", ".join(f"{call}(1, 2)" for call in (name, name.upper(), f'"{name}"'))
    answer = store.query(f"SELECT {calls}, 1 - {name}(1, 2)")[1]
    store.query(drop_sql(name))
    return answer == [(5, 5, 5, -4)]


def is_free(store: Store, name: str) -> bool:
    """Whether a name is accepted."""
    try:
        return check_name(store, name) == name
    except UsageError:
        return False


def suggestion(store: Store, name: str) -> str:
    """The name that is suggested in place of one that is refused."""
    with pytest.raises(UsageError) as raised:
        check_name(store, name)
    return str(raised.value.hint).split("'")[1]


WORDS = """
c4 _ X loss n_params runs_final fits law day first key new off over rank replace run schema set sql text type value
if ifnull date time try cast map row struct coalesce columns unpack grouping extract trim interval exists any lambda
list power epoch query end case current_date
"""


@pytest.mark.parametrize("word", WORDS.split())
def test_a_name_that_is_taken_works_and_one_that_is_refused_comes_with_one_that_does(word: str, empty: Store) -> None:
    name = word if is_free(empty, word) else suggestion(empty, word)
    assert check_name(empty, name) == name
    assert works(empty, name)


@pytest.mark.parametrize(
    "word", ["epoch", "LOG", "table", "ifnull", "try", "date", "latest", "Latest", "sum", "select"]
)
def test_words_with_a_meaning_are_refused(word: str, empty: Store) -> None:
    with pytest.raises(UsageError, match=f"'{word}' cannot name a fit"):
        check_name(empty, word)


@pytest.mark.parametrize("word", ["9a", "a b", "a-b", "a.b", "", "ä", 'a"', "a'; --", "x" * 65, "a\n"])
def test_what_is_no_identifier_is_refused(word: str, empty: Store) -> None:
    with pytest.raises(UsageError, match="letters, digits and underscores"):
        check_name(empty, word)


@given(text=st.text(max_size=80))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_can_be_made_a_name(text: str, empty: Store) -> None:
    name = safe_name(empty, text)
    assert check_name(empty, name) == name
    assert len(name) <= 64


def test_a_saved_macro_does_not_stand_in_its_own_way(empty: Store) -> None:
    empty.query("CREATE MACRO mine(a) AS a + 1")
    assert check_name(empty, "mine") == "mine"
    assert check_name(empty, "MINE") == "MINE"
    empty.query(drop_sql("mine"))


def _fit(law: str) -> scaling.Fit:
    random = np.random.default_rng(5)
    n, d = random.uniform(1e7, 1e10, 30), random.uniform(1e9, 1e12, 30)
    loss = (1.8 + 480 / n**0.35 + 2100 / d**0.37) * np.exp(0.002 * random.standard_normal(30))
    inputs = {"N": n, "D": d} if "N" in scaling.find_law(law).inputs else {"x": d}
    return scaling.fit(law, inputs, loss, bootstrap=0)


@pytest.mark.parametrize("law", ["chinchilla", "kaplan", "skaling", "multiplicative", "power", "power_floor"])
def test_sql_agrees_with_python_far_beyond_the_data(law: str, empty: Store) -> None:
    fit = _fit(law)
    arguments = {name: f"arg {name}" for name in fit.law.inputs}  # a blank in a name, as columns may have
    empty.query(macro_sql("far", fit, arguments))
    values = np.geomspace(1e3, 1e15, 25)
    points = np.array([(a, b) for a in values for b in values])[:: 1 if len(arguments) == 2 else 25, : len(arguments)]
    rows = empty.query(
        f"SELECT far({', '.join(f'p[{i + 1}]' for i in range(len(arguments)))}) FROM (SELECT unnest(?) AS p)",
        [points.tolist()],
    )[1]
    expected = fit.evaluate(dict(zip(fit.law.inputs, points.T, strict=True)))[0]
    np.testing.assert_allclose([row[0] for row in rows], expected, rtol=1e-12, atol=0)


def test_the_statement_names_the_arguments_and_reads_back_exactly(empty: Store) -> None:
    fit = _fit("power_floor")
    statement = macro_sql("mine", fit, {"x": "n_tokens"})
    assert re.match(r'CREATE OR REPLACE MACRO "mine"\("n_tokens"\) AS ', statement)
    numbers = {float(text) for text in re.findall(r"\d[\d.]*(?:e[-+]?\d+)?", statement)}
    assert {abs(value) for value in fit.estimates.values()} <= numbers
