"""`scaling fit --objective`: all at once, quantiles, the over-estimate penalty, and penalties of parameters."""

import shlex

import pytest

WEB = ("--where", "corpus = 'web'")


def test_all_objectives_stand_side_by_side(ok, store):
    rows = ok("fit", "chinchilla", *WEB, "--objective", "all", "--name", "w", "--bootstrap", "20", "--no-backtest").rows
    assert [row["name"] for row in rows] == ["w_huber", "w_lad", "w_squared_log", "w_squared_linear"]
    assert [row["objective"] for row in rows] == [
        "huber(0.001) on log residuals",
        "lad on log residuals",
        "squared on log residuals",
        "squared on linear residuals",
    ]
    for name in ("E", "A", "B", "alpha", "beta"):
        estimates = [row["parameters"][name]["estimate"] for row in rows]
        for row in rows:
            spread = row["spread"][name]
            assert (spread["low"], spread["high"]) == (min(estimates), max(estimates))
            mean = sum(estimates) / 4
            assert spread["relative"] == pytest.approx((max(estimates) - min(estimates)) / mean)
    # Each is a saved fit like any other, with its macro.
    [alone] = ok(
        "fit", "chinchilla", *WEB, "--objective", "lad", "--name", "alone", "--bootstrap", "20", "--no-backtest"
    ).rows
    assert alone["parameters"] == rows[1]["parameters"]
    assert alone["objective_value"] == rows[1]["objective_value"]
    [row] = ok("sql", "SELECT w_lad(1e9, 2e10) AS loss").rows
    p = {k: v["estimate"] for k, v in rows[1]["parameters"].items()}
    assert row["loss"] == pytest.approx(p["E"] + p["A"] / 1e9 ** p["alpha"] + p["B"] / 2e10 ** p["beta"])


def test_the_table_for_people(ok, store):
    lines = ok(
        "fit", "chinchilla", *WEB, "--objective", "all", "--bootstrap", "0", "--no-backtest", "--format", "table"
    ).out.splitlines()
    assert lines[0].split() == ["objective", "E", "A", "B", "alpha", "beta", "value", "rows", "verdict", "fit"]
    assert [line.split()[-1] for line in lines[2:6]] == [
        "chinchilla_1_huber", "chinchilla_1_lad", "chinchilla_1_squared_log", "chinchilla_1_squared_linear"
    ]  # fmt: skip
    assert lines[6].startswith("spread, of the mean")
    assert lines[6].count("%") == 5


def test_names_are_checked_before_anything_is_fitted(ok, refused, store):
    ok("fit", "chinchilla", *WEB, "--objective", "lad", "--name", "w_squared_log", "--bootstrap", "0", "--no-backtest")
    answer = refused(
        2, "fit", "chinchilla", *WEB, "--objective", "all", "--name", "w", "--bootstrap", "0", "--no-backtest"
    )
    assert "already has a fit 'w_squared_log'" in answer.err
    assert {row["name"] for row in ok("fits").rows} == {"web", "curve", "w_squared_log"}
    again = ok(
        "fit", "chinchilla", *WEB, "--objective", "all", "--name", "w", "--bootstrap", "0", "--no-backtest", "--replace"
    )
    assert len(again.rows) == 4


def test_all_objectives_are_of_one_group(refused, store):
    answer = refused(2, "fit", "chinchilla", "--objective", "all", "--by", "corpus")
    assert "not for one a group" in answer.err


def test_a_quantile_and_a_penalised_fit_are_saved_and_come_back(ok, store):
    [high] = ok(
        "fit", "chinchilla", *WEB, "--objective", "pinball(0.9)", "--name", "high", "--bootstrap", "20", "--no-backtest"
    ).rows
    ok("fit", "chinchilla", *WEB, "--objective", "pinball(0.1)", "--name", "low", "--bootstrap", "20", "--no-backtest")
    assert high["objective"] == "pinball(0.9) on log residuals"
    at = ("--params", "1B", "--tokens", "20B", "--force")
    [above], [below] = (ok("forecast", name, *at).rows for name in ("high", "low"))
    assert above["loss"] > below["loss"]
    [held] = ok(
        "fit",
        "chinchilla",
        *WEB,
        "--penalty",
        "alpha=0.3:100",
        "--penalty",
        "A=300:100",
        "--no-backtest",
        "--bootstrap",
        "0",
        "--name",
        "p",
    ).rows
    assert held["parameters"]["alpha"]["estimate"] == pytest.approx(0.3, abs=1e-3)
    assert held["parameters"]["A"]["estimate"] == pytest.approx(300, rel=1e-3)
    from db.saved import load_fit
    from db.store import Store

    with Store(store, read_only=True) as opened:
        words = shlex.split(load_fit(opened, "p").command)
    [again] = ok(*words[1:], "--replace").rows
    assert again["parameters"] == held["parameters"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--objective", "pinball"), "needs tau"),
        (("--objective", "pinball(2)"), "tau must lie between 0 and 1, not 2"),
        (("--objective", "quantile(0.9)"), "there is no objective 'quantile'"),
        (("--penalty", "alpha=0.3"), "'alpha=0.3' gives no penalty"),
        (("--penalty", "gamma=0.3:1"), "there is no parameter 'gamma' to penalise"),
        (("--penalty", "alpha=0.3:-1"), "a finite strength from 0 on"),
        (("--penalty", "A=-2:1"), "its centre must be positive, not -2"),
    ],
)
def test_what_makes_no_sense(refused, store, given, says):
    assert says in refused(2, "fit", "chinchilla", *given).err.lower()
