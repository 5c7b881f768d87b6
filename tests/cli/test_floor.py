"""`--residual "log above FLOOR"`: saved, verified, back-tested and reported like any other fit."""

import pytest

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

WEB = ("--where", "corpus = 'web'")
ABOVE = ("--objective", "squared", "--residual", "log above 1.3", "--bootstrap", "30")


def test_a_fit_above_a_floor_goes_everywhere(ok, store):
    saved = ok("fit", "chinchilla", *WEB, *ABOVE, "--name", "w").row
    assert saved["objective"] == "squared on log residuals above 1.3"
    [row] = [row for row in ok("fits").rows if row["name"] == "w"]
    assert row["objective"] == "squared on log residuals above 1.3"
    assert ok("verify", "w").row["status"] == "identical"
    rows = ok("backtest", "w", "--bootstrap", "0").rows
    assert {row["objective"] for row in rows} == {"squared on log residuals above 1.3"}
    page = store.parent / "page.html"
    ok("report", "w", "--output", str(page))
    text = page.read_text(encoding="utf-8")
    assert "squared on log residuals above 1.3" in text
    assert "of what lies above 1.3" in text
    assert "each less the floor" in text


def test_all_objectives_keep_the_floor_for_logarithms(ok, store):
    rows = ok("fit", "chinchilla", *WEB, "--objective", "all", "--residual", "log above 1.3", "--bootstrap", "0").rows
    assert [row["objective"] for row in rows] == [
        "huber(0.001) on log residuals above 1.3",
        "lad on log residuals above 1.3",
        "squared on log residuals above 1.3",
        "squared on linear residuals",
    ]


@pytest.mark.parametrize(
    ("residual", "message", "code"),
    [
        ("log above 3", "which lies at or below the floor 3, so it has no logarithm above it", 4),
        ("log above -1", "must be finite and not negative, not -1", 2),
        ("linear above 1", "A floor belongs to residuals of logarithms", 2),
    ],
)
def test_floors_that_cannot_be(run, store, residual, message, code):
    answer = run("fit", "chinchilla", *WEB, "--residual", residual, "--bootstrap", "0")
    assert answer.code == code
    assert message in answer.err
