"""A user's own law: a TOML file, or a bare formula with bounds; and every way to get them wrong."""

import numpy as np
import pytest

import scaling
from scaling.errors import LawError
from scaling.laws.book import find_law
from scaling.laws.law import Law

GOOD = """
[mine]
title = "My own"
formula = "E + A/x**alpha"
predicts = { loss = "nats/token" }
inputs = { x = "steps" }
parameters.E = { low = 0, high = "min(loss)", meaning = "floor" }
parameters.A = { low = 1e-3, high = 1e9 }
parameters.alpha = { low = 0.01, high = 2, screen = [0.05, 1] }

[[mine.published]]
name = "me-2026"
values = { E = 1.5, A = 20.0, alpha = 0.3 }
source = "my notebook"
"""


def test_a_users_file_works_wherever_a_name_does(tmp_path):
    path = tmp_path / "my_law.toml"
    path.write_text(GOOD, encoding="utf-8")
    law = find_law(str(path))
    assert (law.name, law.title, law.formula, law.output) == ("mine", "My own", "E + A/x**alpha", "loss")
    assert law.parameters[0].bounds({"loss": (2.5, 3.0)}) == (0, 2.5)
    assert law.published[0].values == {"E": 1.5, "A": 20.0, "alpha": 0.3}
    assert find_law(f"{path}:mine") == law
    x = np.geomspace(1, 1e4, 30)
    fit = scaling.fit(str(path), {"x": x}, 1.5 + 20 / x**0.3, bootstrap=0)
    assert fit.estimates["alpha"] == pytest.approx(0.3, rel=1e-9)


def test_one_of_several_laws_is_named_after_a_colon(tmp_path):
    path = tmp_path / "laws.toml"
    path.write_text(GOOD + GOOD.replace("mine", "other").replace("My own", "Another"), encoding="utf-8")
    assert find_law(f"{path}:other").title == "Another"
    with pytest.raises(LawError, match=r"holds 2 laws\nName one: .*laws\.toml:mine, .*laws\.toml:other"):
        find_law(str(path))
    with pytest.raises(LawError, match=r"holds no law 'othr'\nDid you mean 'other'"):
        find_law(f"{path}:othr")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("formula =", "formla ="), "unknown key 'formla'"),
        (('formula = "E + A/x**alpha"', "formula = 3"), "'formula' is missing or of the wrong type"),
        (('inputs = { x = "steps" }', ""), "'inputs' is missing or of the wrong type"),
        (('inputs = { x = "steps" }', "inputs = {}"), "neither an input nor a parameter|has no input"),
        (("A/x**alpha", "A/x**alpha + B"), "'B' stands in the formula, but is neither"),
        (("A/x**alpha", "A/x"), "'alpha' is declared, but does not stand in the formula"),
        (("A/x**alpha", "A//x**alpha"), "expected a number, a name or"),
        (("x = ", "alpha = "), "a name is declared twice"),
        (("{ loss = ", "{ x = "), "a name is declared twice"),
        (("{ loss = ", "{ log = "), "'log' cannot name an input, output or parameter"),
        (('{ loss = "nats/token" }', '"loss"'), "'predicts' must name one quantity"),
        (('{ loss = "nats/token" }', '{ loss = "", time = "" }'), "'predicts' must name one quantity"),
        (("{ low = 1e-3, high = 1e9 }", "3"), "parameter 'A' is not a table"),
        (("low = 1e-3, high = 1e9", "lo = 1e-3"), "unknown key 'lo'"),
        (
            ("low = 1e-3, high = 1e9", "low = 1e9, high = 1e-3"),
            "the low bound 1e\\+09 is not below the high bound 0.001",
        ),
        (("low = 1e-3, high = 1e9", "low = nan"), "low of parameter 'A' must be a number"),
        (("low = 1e-3, high = 1e9", "low = true"), "low of parameter 'A' must be a number"),
        (('high = "min(loss)"', 'high = "min(los)"'), "names no input or output"),
        (('high = "min(loss)"', 'high = "least"'), "'least' is not a bound"),
        (("[0.05, 1]", "0.05"), "must be a pair"),
        (("[0.05, 1]", "[0.05, inf]"), "must be finite"),
        (("[0.05, 1]", '[0.05, "x"]'), "'x' is not a bound"),
        (('source = "my notebook"', ""), "needs name, values and source"),
        (("alpha = 0.3 }", "alpha = 'big' }"), "needs name, values and source"),
        (("alpha = 0.3 }", "beta = 0.3 }"), "published values 'me-2026' do not match its parameters"),
        (("[[mine.published]]", "[mine.published]"), "'published' must be a list of tables"),
        (("[mine]", "[mine"), "is not valid TOML"),
    ],
)
def test_each_mistake_in_a_file_has_its_message(tmp_path, change, says):
    path = tmp_path / "law.toml"
    text = GOOD.replace(*change, 1)
    assert text != GOOD
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LawError, match=says):
        find_law(str(path))


def test_files_that_are_no_laws(tmp_path):
    with pytest.raises(LawError, match=r"there is no file .*missing\.toml\nA law is a name in the book"):
        find_law(str(tmp_path / "missing.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(LawError, match="is a directory; a TOML file was expected"):
        find_law(str(tmp_path / "folder.toml"))
    for name, content, says in [
        ("empty.toml", b"", "holds no law"),
        ("numbers.toml", b"a = 3", "holds no law"),
        ("bytes.toml", b"\xff\xfe[x]", "cannot be read"),
        ("null.toml", b"[x]\x00", "not valid TOML"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LawError, match=says):
            find_law(str(tmp_path / name))
    with pytest.raises(LawError, match="cannot be read"):
        find_law("a\0b.toml")


def test_a_bare_formula_takes_inputs_and_bounds():
    law = find_law(
        "E + A/N**alpha", inputs=["N", "not_in_it"], parameters={"alpha": {"low": 0.01, "high": 2}}
    )  # fmt: skip
    assert list(law.inputs) == ["N"]
    assert law.parameter_names == ("E", "A", "alpha")
    assert law.parameters[0].bounds({}) == (-np.inf, np.inf)
    assert law.parameters[2].bounds({}) == (0.01, 2)
    assert law.output == "y"
    assert find_law("a + b*y", inputs=["y"]).output == "y_", "the output must not pass for the input of that name"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"aplha": {}}, "no parameter 'aplha' .*\nDid you mean 'alpha'"),
        ({"alpha": {"lo": 1}}, "unknown key 'lo'"),
        ({"alpha": {"low": None}}, "low of parameter 'alpha' must be a number"),
        ({"alpha": {"low": 2, "high": 1}}, "the low bound 2 is not below the high bound 1"),
        ({"alpha": 3}, "'alpha' is not a table"),
        ({"N": {"low": 1}}, "none of the names N, alpha is an input"),
    ],
)
def test_bad_bounds_of_a_bare_formula(parameters, says):
    with pytest.raises(LawError, match=says):
        find_law("N**alpha", inputs=["N"], parameters=parameters)


def test_a_formula_without_inputs_or_parameters():
    with pytest.raises(LawError, match="none of the names a, b is an input"):
        find_law("a + b", inputs=["x"])
    with pytest.raises(LawError, match="has no parameter to fit"):
        find_law("2*x + 1", inputs=["x"])
    with pytest.raises(LawError, match="law 'q': the formula has no input: a"):
        Law.from_dict("q", {"formula": "a", "inputs": {}, "parameters": {"a": {}}})
