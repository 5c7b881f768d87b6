"""Weights of sources from runs on mixtures: fitted, saved, verified and back-tested through the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from db.backtests import backtest_fit
from db.fits import remove_fit
from db.saved import load_fit, rows_by_sql, rows_of
from db.source_quality import fit_quality
from db.store import Store
from db.value_sources import values_of_sources
from db.verify import verify_fit
from scaling.errors import InputDataError, UsageError
from scaling.valuation import fit_source_weights, source_values
from tests.valuation.token_fits import mixtures

ASKED = {"tokens": {"web": "web", "books": "books", "code data": '"code data"'}, "reference": "web"}
QUICK = {"bootstrap": 30, "seed": 2}


@pytest.fixture
def store(tmp_path: Path, new_store: Store) -> Store:
    tokens, loss, n = mixtures()
    lines = ["run_id,n_params,web,books,code data,loss"]
    for i in range(len(loss)):
        amounts = ",".join(f"{column[i]:.17g}" for column in tokens.values())
        lines.append(f"r{i:02},{n[i]:.17g},{amounts},{loss[i]:.17g}")
    lines += ["diverged,1e9,1e9,0,0,nan", "empty,1e9,1e9,,0,2.5", "none,1e9,0,0,0,2.5"]
    log = tmp_path / "runs.csv"
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    new_store.ingest(log)
    return new_store


def test_a_saved_fit_is_that_of_the_library_and_answers_as_it_does(store: Store) -> None:
    found = fit_quality(store, ASKED, name="mix", **QUICK)
    tokens, loss, n = mixtures()
    own = fit_source_weights(tokens, loss, n, reference="web", **QUICK)
    saved = load_fit(store, "mix")
    assert saved.fit.estimates == pytest.approx(own.fit.estimates, rel=1e-12)
    assert saved.fit.settings["sources"] == own.fit.settings["sources"]
    assert saved.columns == {"N": "n_params", "D_web": "web", "D_books": "books", "D_code_data": '("code data")'}
    assert found.excluded == {
        "the loss is nan": 1, "has no number of tokens of books": 1, "has no tokens of any source": 1
    }  # fmt: skip
    amounts = {"web": 2e9, "code data": 1e9}
    stored = values_of_sources(
        store, "mix", {k: {"tokens": v} for k, v in amounts.items()}, 1e9, base=1e9, level=0.95
    )  # fmt: skip
    direct = source_values(own.fit, amounts, 1e9, base=1e9, methods=["shapley"])
    assert stored.values.to_dict() == direct.to_dict()


def test_the_macro_takes_its_arguments_in_the_order_that_is_shown(store: Store) -> None:
    fit_quality(store, ASKED, name="mix", **QUICK)
    saved = load_fit(store, "mix")
    assert list(saved.arguments) == list(saved.fit.law.inputs) == ["N", "D_web", "D_books", "D_code_data"]
    where = "FROM runs_final WHERE run_id LIKE 'r%' ORDER BY run_id"
    _, rows = store.query(f'SELECT ln(loss) - ln(mix(n_params, web, books, "code data")) {where}')
    assert np.array([r for (r,) in rows]) == pytest.approx(saved.fit.residuals, abs=1e-12)


def test_both_ways_back_to_the_rows_and_the_fit_are_the_same(store: Store) -> None:
    fit_quality(store, ASKED, name="mix", **QUICK)
    saved = load_fit(store, "mix")
    assert rows_of(store, saved).sha256 == rows_by_sql(store, saved).sha256 == saved.data_sha256
    assert verify_fit(store, "mix").status == "identical"


def test_tokens_of_a_source_that_change_change_the_rows(store: Store, tmp_path: Path) -> None:
    fit_quality(store, ASKED, name="mix", **QUICK)
    more = tmp_path / "more.csv"
    more.write_text("run_id,n_params,web,books,code data,loss\nnew,1e9,1e9,1e9,0,2.5\n", encoding="utf-8")
    store.ingest(more)
    assert verify_fit(store, "mix").status == "data changed"


def test_a_back_test_holds_the_largest_runs_out(store: Store) -> None:
    fit_quality(store, ASKED, name="mix", **QUICK)
    _, held = backtest_fit(store, "mix", bootstrap=0)
    tokens, _, n = mixtures()
    assert held.compute.max() == pytest.approx(np.max(n * sum(tokens.values())), rel=1e-12)
    assert len(held) > 10
    assert np.sqrt(np.mean(np.log(held.predicted / held.observed) ** 2)) < 0.01


def test_the_reference_is_the_source_of_the_most_tokens_and_is_kept(store: Store) -> None:
    found = fit_quality(store, {"tokens": ASKED["tokens"]}, name="mix", **QUICK)
    tokens, *_ = mixtures()
    most = max(tokens, key=lambda name: tokens[name].sum())
    assert found.weights.reference == most
    assert f"--reference {most}" in found.saved.command.replace("'", "")


def test_questions_that_make_no_sense(store: Store) -> None:
    with pytest.raises(UsageError, match="fewer than two"):
        fit_quality(store, {"tokens": {"web": "web"}}, **QUICK)
    with pytest.raises(UsageError, match=r"no source 'wbe'.*\n.*'web'"):
        fit_quality(store, {**ASKED, "reference": "wbe"}, **QUICK)
    with pytest.raises(InputDataError, match="All runs that are selected have one n_params"):
        fit_quality(store, {**ASKED, "where": "run_id = 'r00'"}, **QUICK)
    with pytest.raises(InputDataError, match="has no tokens of any source"):
        fit_quality(store, {**ASKED, "where": "run_id = 'none'"}, **QUICK)
    fit_quality(store, ASKED, name="mix", **QUICK)
    with pytest.raises(UsageError, match="mix"):
        fit_quality(store, ASKED, name="mix", **QUICK)
    remove_fit(store, "mix")
    with pytest.raises(UsageError, match="no fit 'mix'"):
        load_fit(store, "mix")
