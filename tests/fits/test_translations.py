"""Laws translated by a saved map: what is kept of them, made again, and checked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from db.backtests import backtest_fit
from db.fits import fit_runs, remove_fit
from db.pairs import PairQuestion
from db.saved import SavedFit, load_fit
from db.select import Question
from db.store import Store
from db.transfers import fit_transfer
from db.translations import made_of, translate_runs
from db.verify import verify_fit
from scaling.errors import UsageError

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

TRUTH = {"E": 1.9, "N_c": 6.7e7, "D_c": 8.9e8, "alpha_N": 0.41, "alpha_D": 0.46}


def kaplan(n: float, d: float) -> float:
    t = TRUTH
    return t["E"] + ((t["N_c"] / n) ** (t["alpha_N"] / t["alpha_D"]) + t["D_c"] / d) ** t["alpha_D"]


def log_text(shift: float = 0.0) -> str:
    """36 runs of one corpus, and the same of another whose loss is a shifted power of it; every third is missing."""
    random = np.random.default_rng(5)
    lines = ["run_id,corpus,N,D,loss"]
    for i, n in enumerate(np.geomspace(2e7, 1.7e9, 6)):
        for j, d in enumerate(np.geomspace(4e8, 3e10, 6)):
            x = kaplan(n, d)
            for corpus, value in (("web", x), ("code", 0.6 * (x - 1.9) ** 1.1 + 1.3)):
                if corpus == "code" and (i + j) % 3 == 0:
                    continue
                loss = (value + shift) * np.exp(0.003 * random.standard_normal())
                lines.append(f"{corpus}-{i}{j},{corpus},{n:.9g},{d:.9g},{loss:.9g}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A law of the old corpus, a map whose floor is that of the law, and the translation; made once."""
    folder = tmp_path_factory.mktemp("translations")
    (folder / "two.csv").write_text(log_text(), encoding="utf-8")
    with Store(folder / "s.duckdb") as store:
        store.ingest(folder / "two.csv")
        fit_runs(
            store, "kaplan", Question(where="corpus = 'web'"), name="web", objective="squared", bootstrap=50, seed=0
        )
        fit_pairs(store)
        translate_runs(store, "web", "to_code", name="code")
    return folder / "s.duckdb"


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Iterator[Store]:
    copy = tmp_path / "s.duckdb"
    shutil.copy(built, copy)
    with Store(copy) as opened:
        yield opened


def fit_pairs(store: Store, name: str = "to_code", floor: str | None = "web", form: str = "shifted_power") -> SavedFit:
    question = PairQuestion("web", "code", "loss", "loss")
    return fit_transfer(store, question, floor_source=floor, form=form, name=name, bootstrap=50, replace=True)


@pytest.fixture
def saved(store: Store) -> SavedFit:
    return load_fit(store, "code")


def test_it_is_a_fit_of_the_runs_of_the_new_corpus(store: Store, saved: SavedFit) -> None:
    fit = saved.fit
    assert fit.n_obs == len(fit.residuals) == 24
    assert fit.settings["translated"]["way"] == "exact"
    assert saved.metric == "loss"
    assert saved.config["question"]["where"] == "CAST(\"corpus\" AS VARCHAR) = 'code'"
    source, pair = load_fit(store, "web").fit, load_fit(store, "to_code").fit
    assert fit.estimates["alpha_N"] == pytest.approx(source.estimates["alpha_N"] * pair.estimates["kappa"], rel=1e-12)
    assert translate_runs(store, "web", "to_code", name="again").fit == fit
    assert saved.command == "scaling transfer translate web to_code --name code"
    _, [(kind, law)] = store.query("SELECT kind, law FROM fits WHERE name = 'code'")
    assert (kind, law) == ("translation", "kaplan")


def test_the_macro_gives_the_translated_law(store: Store, saved: SavedFit) -> None:
    _, rows = store.query(
        "SELECT n_params, n_tokens, code(n_params, n_tokens) FROM runs_final WHERE corpus = 'code' ORDER BY run_id"
    )
    n, d, told = (np.array(column) for column in zip(*rows, strict=True))
    assert told == pytest.approx(saved.fit.evaluate({"N": n, "D": d})[0], rel=1e-12)


def test_the_macro_of_a_composed_law(store: Store) -> None:
    fit_pairs(store, "bent", None, "quadratic")
    saved = translate_runs(store, "web", "bent")
    assert saved.name == "translation_1"
    assert saved.fit.settings["translated"]["way"] == "pointwise"
    _, [(told,)] = store.query("SELECT translation_1(3.3e9, 5e10)")
    assert told == pytest.approx(saved.fit.evaluate({"N": [3.3e9], "D": [5e10]})[0][0], rel=1e-12)


def test_its_back_test_holds_the_largest_runs_of_both_corpora_out(store: Store, saved: SavedFit) -> None:
    found = saved.fit.backtest
    assert found is not None
    assert found.law == "kaplan translated by shifted_power"
    assert found.n_rows == 24
    assert len(found) >= 10
    _, rows = store.query(
        "SELECT p.observed, r.loss, p.mean FROM predictions AS p JOIN runs_final AS r USING (run_id) "
        "WHERE p.fit_id = ? AND p.kind = 'backtest' AND r.corpus = 'code'",
        [saved.fit_id],
    )
    assert len(rows) == len(found)
    assert all(observed == loss and abs(np.log(mean / observed)) < 0.1 for observed, loss, mean in rows)


def test_it_is_back_tested_again_and_kept(store: Store, saved: SavedFit) -> None:
    _, found = backtest_fit(store, "code", level=0.5, bootstrap=20)
    assert found.level == 0.5
    assert saved.fit.backtest is not None
    assert np.array_equal(found.predicted, saved.fit.backtest.predicted)
    kept = load_fit(store, "code").fit.backtest
    assert kept == found


def test_it_is_translated_again_to_the_last_bit(store: Store, saved: SavedFit) -> None:
    checked = verify_fit(store, saved.name)
    assert checked.status == "identical"
    assert not checked.moved
    said = " ".join(checked.sentences)
    assert "to the last bit" in said
    assert "It was translated again from the law and the map as they are stored." in said
    assert "So is its back-test, run again." in said


def test_a_law_that_was_fitted_anew_or_has_left_is_said(store: Store, saved: SavedFit) -> None:
    remove_fit(store, "to_code")
    checked = verify_fit(store, saved.name)
    assert checked.status == "data left the store"
    assert checked.sentences[0] == "The map 'to_code' that it was translated from is no longer in the store."
    with pytest.raises(UsageError, match="is no longer in the store") as caught:
        backtest_fit(store, "code")
    again = "scaling transfer translate web to_code --name code --replace"
    assert caught.value.hint == f"Fit to_code again under that name, then translate again: {again}"
    fit_pairs(store)
    checked = verify_fit(store, saved.name)
    assert checked.status == "data changed"
    assert checked.sentences[0] == "The map 'to_code' that it was translated from was fitted anew since."
    with pytest.raises(UsageError) as caught:
        backtest_fit(store, "code")
    assert caught.value.hint == f"Translate again: {again}"


def test_a_back_test_of_the_translation_itself_makes_up_for_one_that_the_law_lacks(store: Store) -> None:
    saved = translate_runs(store, "web", "to_code", name="of_bare")
    assert load_fit(store, "web").fit.backtest is None
    assert saved.fit.backtest is not None
    assert saved.fit.backtest.law == "kaplan translated by shifted_power"
    assert not any("came without a back-test" in reason for reason in saved.fit.diagnostics.reasons)
    assert verify_fit(store, "of_bare").status == "identical"


def test_it_does_not_take_the_name_of_what_it_is_made_of(store: Store) -> None:
    for name in ("web", "TO_CODE"):
        with pytest.raises(UsageError, match=f"cannot take the name '{name}' from what it is made of"):
            translate_runs(store, "web", "to_code", name=name, replace=True)
    assert load_fit(store, "web").fit.law.name == "kaplan"


def test_what_is_made_of_a_fit(store: Store) -> None:
    translate_runs(store, "web", "to_code", name="again")
    assert [made_of(store, load_fit(store, name)) for name in ("web", "to_code", "code")] == [["again", "code"]] * 2 + [
        []
    ]


def test_a_map_in_bits_per_byte_is_refused_with_what_works(store: Store) -> None:
    nats = "Fit the map in nats/token, without bytes per token: scaling transfer fit --from web --to code --metric-from"
    bits = "Ingest loss in bits/byte as a metric of its own"
    for source, target, side, way in (
        (4.0, 4.5, "takes", nats),
        (None, 4.5, "gives", nats),
        (4.0, None, "takes", bits),
    ):
        question = PairQuestion(
            "web", "code", "loss", "loss", bytes_per_token_source=source, bytes_per_token_target=target
        )
        pair = load_fit(store, "to_code")
        config = pair.config | {"pairs": question.to_dict()}
        store.connection.execute(
            "UPDATE fits SET config = ? WHERE fit_id = ?", [json.dumps(config), pair.fit_id]
        ).fetchall()
        with pytest.raises(UsageError, match=f"'to_code' {side} a loss that was brought from nats/token") as caught:
            translate_runs(store, "web", "to_code")
        assert caught.value.hint.startswith(way)


def test_new_runs_on_the_new_corpus_are_said(store: Store, saved: SavedFit, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("run_id,corpus,N,D,loss\nlate,code,2e9,5e10,1.62\n", encoding="utf-8")
    store.ingest(more)
    checked = verify_fit(store, saved.name)
    assert checked.status == "data changed"
    assert (checked.n_then, checked.n_now) == (24, 25)
    assert checked.newer_runs == ("late",)


def test_without_the_rows_of_the_law_the_back_test_is_seen_through_the_map(store: Store, tmp_path: Path) -> None:
    """The fits stay as they were; runs of the old corpus that came since do not change what the law was fitted to."""
    question = Question(where="corpus = 'web' AND n_tokens < 6e10")  # all of them, so far
    fit_runs(store, "kaplan", question, name="tested", objective="squared", bootstrap=50, seed=0)
    backtest_fit(store, "tested", bootstrap=20)
    more = tmp_path / "more.csv"
    more.write_text("run_id,corpus,N,D,loss\nlate,web,2e9,5e10,2.3\n", encoding="utf-8")
    store.ingest(more)
    saved = translate_runs(store, "tested", "to_code", name="seen")
    found = saved.fit.backtest
    assert found is not None
    assert found.law == "kaplan seen through the map shifted_power"
    _, [(count,)] = store.query("SELECT count(*) FROM predictions WHERE fit_id = ?", [saved.fit_id])
    assert count == 0
    assert saved.fit.verdict == "weak"
    said = " ".join(saved.fit.diagnostics.reasons)
    assert "The rows of the fit 'tested' have changed since it was made" in said
    assert "'to_code' have changed" not in said
    assert [step.name for step in found.steps] == ["the map shifted_power"]
    assert verify_fit(store, "seen").status == "identical"


def test_fits_that_do_not_belong_together_are_refused(store: Store) -> None:
    fit_runs(store, "kaplan", Question(), name="mixed", objective="squared", bootstrap=0)
    fit_runs(store, "kaplan", Question(where="corpus = 'code'"), name="other", objective="squared", bootstrap=0)
    for name in ("mixed", "other"):
        with pytest.raises(UsageError, match="has runs of code, and the map 'to_code' starts from web"):
            translate_runs(store, name, "to_code")
    with pytest.raises(UsageError, match="The fit 'code' was itself translated"):
        translate_runs(store, "code", "to_code")
    with pytest.raises(UsageError, match="is no map from one loss to another"):
        translate_runs(store, "web", "other")
    with pytest.raises(UsageError, match="is of x, and what is translated is a law of N and D"):
        translate_runs(store, "to_code", "to_code")
    with pytest.raises(UsageError, match="already has a fit 'web'"):
        translate_runs(store, "web", "to_code", name="web")
