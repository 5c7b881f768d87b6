"""scaling compare: losses on other text, a fit whose rows have left the store, and nothing said twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scaling.verdicts import WEAK

TARGET = ("--params", "1e9", "--tokens", "2e10")


@pytest.fixture
def code(store: Path, ok: Any) -> str:
    """A fit of the other corpus."""
    words = ("--where", "corpus = 'code'", "--name", "code1", "--bootstrap", "60", "--no-backtest", "--seed", "3")
    ok("fit", "chinchilla", *words)
    return "code1"


def test_other_corpora_are_said_and_make_it_weak(code: str, ok: Any, run: Any) -> None:
    answer = ok("compare", code, "web", *TARGET)
    assert answer.row["verdict_a"] == answer.row["verdict_b"] == "ok"
    assert answer.row["verdict"] == WEAK
    said = "the losses were measured on other text; the runs of code1 were trained on code, and those of web on web"
    assert said in answer.err
    assert said in answer.row["notes"][0]
    assert run("compare", code, "web", *TARGET, "--fail-on", "weak").code == 1


def test_a_verdict_beyond_the_data_stays_and_fails_on_weak_all_the_same(code: str, run: Any) -> None:
    answer = run("compare", code, "web", "--flops", "1e23", "--fail-on", "weak")
    assert answer.rows[0]["verdict"].startswith("extrapolating x")
    assert answer.code == 1


def test_one_corpus_is_no_concern(store: Path, ok: Any) -> None:
    where = ("--where", "corpus = 'web' AND n_params > 3e7", "--name", "part", "--bootstrap", "60", "--no-backtest")
    ok("fit", "chinchilla", *where, "--seed", "3")
    answer = ok("compare", "part", "web", *TARGET)
    assert answer.row["verdict"] == "ok"
    assert "other text" not in answer.err


def test_metrics_that_were_forced_together_are_weak(store: Path, ok: Any, tasks: str) -> None:
    words = ("--bootstrap", "60", "--no-backtest", "--seed", "3", "--metric", "err", "--name", "err")
    ok("fit", "chinchilla", "--where", tasks, *words)
    answer = ok("compare", "err", "web", *TARGET, "--force")
    assert answer.row["verdict"] != "ok"
    assert "the fit err is of the metric err and web of loss" in answer.row["notes"][0]


def test_a_fit_is_itself_when_its_rows_have_left(store: Path, ok: Any, query: Any) -> None:
    [(source,)] = query("SELECT source_id FROM sources")
    ok("rm", "source", source)
    answer = ok("compare", "web", "web", *TARGET, "--force")
    assert answer.row["paired"] is True
    assert (answer.row["difference_low"], answer.row["difference_high"]) == (0, 0)
    assert "Paired: it is one fit." in answer.err


def test_what_holds_at_every_budget_is_said_once(code: str, ok: Any) -> None:
    words = ("--where", "corpus = 'code' AND n_params > 3e7", "--name", "code2", "--bootstrap", "60", "--no-backtest")
    ok("fit", "chinchilla", *words)
    err = ok("compare", code, "code2", "--flops", "1e20", "--flops", "1e21").err
    assert err.count("no back-test came with this fit") == 1
    assert "code1 and code2: no back-test came with this fit" in err
    lines = err.splitlines()
    assert len(lines) == len(set(lines))
