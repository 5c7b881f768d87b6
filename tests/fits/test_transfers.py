"""Maps from loss to loss in the store: fitted to pairs, saved, checked again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.backtests import backtest_fit
from db.fits import fit_runs, remove_fit, save_predictions
from db.floors import floors_of
from db.landed import score_landed
from db.pairs import PairQuestion
from db.removal import remove_run, remove_source
from db.saved import load_fit, rows_by_sql, rows_of, unchanged_rows
from db.select import Question
from db.store import Store
from db.transfers import fit_transfer
from db.verify import verify_fit
from scaling.errors import InputDataError, StoreError, UsageError, VerdictError
from scaling.loss_to_loss import Floor, fit_pairs

WEB_TO_CODE = PairQuestion("web", "code", "loss", "loss")
KAPPA, K, FLOOR_X, FLOOR_Y = 1.1, 0.7, 1.8, 0.9


def law(n: float, d: float) -> float:
    """The Chinchilla law of the web runs."""
    return FLOOR_X + 480 / n**0.35 + 2100 / d**0.37


def log_text() -> str:
    """Two corpora on a grid of 48 cells, the losses of one a shifted power law of the other's, with noise of 0.1 %."""
    random = np.random.default_rng(5)
    lines = ["run_id,corpus,N,D,loss,test"]
    for i, n in enumerate(np.geomspace(2e7, 3e9, 8)):
        for j, d in enumerate(np.geomspace(5e8, 1e11, 6)):
            x = law(n, d)
            losses = {"web": x, "code": K * (x - FLOOR_X) ** KAPPA + FLOOR_Y}
            for corpus, loss in losses.items():
                shown = loss * np.exp(0.001 * random.standard_normal())
                test = 0.5 + 0.8 * shown
                lines.append(f"{corpus}-{i}{j},{corpus},{n:.6g},{d:.6g},{shown:.9g},{test:.9g}")
    lines.append("web-nan,web,5e9,1e11,nan,2")
    lines.append("web-alone,web,5e9,2e11,2.2,2.26")
    return "\n".join(lines) + "\n"


MAPPING = """
[metrics]
loss = { column = "loss", unit = "nats/token" }
test = { column = "test", unit = "nats/token" }

[options]
metric = "loss"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the log and the fit `ab`, of both floors by a law, with 40 replicates."""
    folder = tmp_path_factory.mktemp("transfer")
    (folder / "pairs.csv").write_text(log_text(), encoding="utf-8")
    (folder / "pairs.toml").write_text(MAPPING, encoding="utf-8")
    with Store(folder / "s.duckdb") as store:
        store.ingest(folder / "pairs.csv", folder / "pairs.toml")
        fit_transfer(store, WEB_TO_CODE, floors="both", form="shifted_power", name="ab", bootstrap=40, seed=4)
    return folder / "s.duckdb"


@pytest.fixture
def pairs(made: Path, tmp_path: Path) -> Any:
    """A copy of it, open for writing."""
    path = tmp_path / "s.duckdb"
    path.write_bytes(made.read_bytes())
    with Store(path) as store:
        yield store


def edit(store: Store, column: str, change: Callable[[Any], Any]) -> None:
    """Change a JSON column of the fit `ab`, past the code that writes it."""
    [(text,)] = store.query(f"SELECT {column} FROM fits WHERE name = 'ab'")[1]
    table = json.loads(text)
    change(table)
    store.connection.execute(f"UPDATE fits SET {column} = ? WHERE name = 'ab'", [json.dumps(table)]).fetchall()


class TestTheFit:
    def test_it_finds_what_the_runs_were_made_of(self, pairs: Store) -> None:
        fit = load_fit(pairs, "ab").fit
        low, high = fit.interval("kappa", 0.99)
        assert fit.estimates["kappa"] == pytest.approx(KAPPA, abs=0.06)
        assert fit.estimates["K"] == pytest.approx(K, abs=0.04)
        assert high - low < 0.1
        record = fit.settings["loss_to_loss"]
        assert record["n_pairs"] == fit.n_obs == 48
        assert record["ordered_by"] == "budget"
        assert record["r2"] > 0.999
        for side, truth, count in (("x", FLOOR_X, 49), ("y", FLOOR_Y, 48)):
            floor = record[f"floor_{side}"]
            assert floor["kind"] == "given"
            assert floor["low"] < floor["value"] < floor["high"]
            assert floor["value"] == pytest.approx(truth, abs=0.06)
            corpus = "web" if side == "x" else "code"
            assert floor["source"] == f"E of the law chinchilla, fitted to {count} runs of {corpus} (loss)"

    def test_it_is_the_fit_of_the_pairs_themselves(self, pairs: Store) -> None:
        saved = load_fit(pairs, "ab")
        rows = rows_of(pairs, saved)
        record = saved.fit.settings["loss_to_loss"]
        floors = [Floor.from_dict(record[side]) for side in ("floor_x", "floor_y")]
        again = fit_pairs(
            rows.inputs["x"], rows.observed, *floors, form="shifted_power", budget=rows.order, bootstrap=0
        )
        assert again.estimates == saved.fit.estimates
        assert again.backtest is not None
        assert saved.fit.backtest is not None
        assert again.backtest.error.tolist() == saved.fit.backtest.error.tolist()
        # The floors of a law are found again from the runs up to each cut-off; held, they would know what is held out.
        assert all(len(floor.course) > 3 for floor in floors)
        held = fit_pairs(
            rows.inputs["x"], rows.observed, *(floor.value for floor in floors), form="shifted_power",
            budget=rows.order, bootstrap=0,
        )  # fmt: skip
        assert held.backtest is not None
        assert held.backtest.error.tolist() != again.backtest.error.tolist()

    def test_the_table_of_fits_says_what_it_is(self, pairs: Store) -> None:
        _, [row] = pairs.query("SELECT kind, law, metric, n_obs FROM fits WHERE name = 'ab'")
        assert row == ("transfer", "shifted_power", "loss", 48)

    def test_every_member_run_is_kept(self, pairs: Store) -> None:
        _, rows = pairs.query(
            "SELECT r.corpus, count(*) FROM fit_rows JOIN runs AS r USING (run_id) GROUP BY 1 ORDER BY 1"
        )
        assert rows == [("code", 48), ("web", 48)]

    def test_what_was_left_out_is_kept(self, pairs: Store) -> None:
        assert load_fit(pairs, "ab").excluded["counts"] == {
            "source: no target run has its parameters and tokens": 1,
            "source: the metric loss is nan": 1,
        }

    def test_it_is_a_macro(self, pairs: Store) -> None:
        fit = load_fit(pairs, "ab").fit
        _, [(value,)] = pairs.query("SELECT ab(2.5)")
        assert value == pytest.approx(float(fit.evaluate({"x": [2.5]})[0, 0]), rel=1e-14)

    def test_its_command_makes_it_again(self, pairs: Store) -> None:
        words = shlex.split(load_fit(pairs, "ab").command)
        assert words[:3] == ["scaling", "transfer", "fit"]
        given = dict(zip(words[3::2], words[4::2], strict=True))
        assert given == {
            "--from": "web", "--to": "code", "--metric-from": "loss", "--metric-to": "loss", "--pair-by": "cell",
            "--floors": "both", "--floor-law": "chinchilla", "--form": "shifted_power", "--bootstrap": "40",
            "--seed": "4", "--name": "ab",
        }  # fmt: skip

    def test_a_name_is_made_where_none_is_given(self, pairs: Store) -> None:
        assert [fit_transfer(pairs, WEB_TO_CODE, form="affine", bootstrap=0).name for _ in range(2)] == [
            "transfer_1",
            "transfer_2",
        ]

    def test_a_taken_name_is_refused_before_the_work(self, pairs: Store) -> None:
        with pytest.raises(UsageError, match="already has a fit 'ab'"):
            fit_transfer(pairs, replace(WEB_TO_CODE, target="nowhere"), name="ab")
        made = fit_transfer(pairs, WEB_TO_CODE, form="affine", bootstrap=0, name="ab", replace=True)
        assert made.fit.law.name == "affine"

    def test_removing_it_removes_its_rows(self, pairs: Store) -> None:
        remove_fit(pairs, "ab")
        _, [counts] = pairs.query("SELECT (SELECT count(*) FROM fit_rows), (SELECT count(*) FROM predictions)")
        assert counts == (0, 0)


class TestVerify:
    def test_identical(self, pairs: Store) -> None:
        found = verify_fit(pairs, "ab")
        assert (found.status, found.moved, found.n_then, found.n_now) == ("identical", (), 48, 48)
        assert found.sentences[0].startswith("All estimates and all 40 replicates are the same to the last bit")
        assert "So is its back-test, run again." in found.sentences

    @pytest.mark.parametrize("form", ["auto", "offset_power"])
    def test_identical_with_floors_that_were_found(self, pairs: Store, form: str) -> None:
        saved = fit_transfer(pairs, WEB_TO_CODE, form=form, bootstrap=20, name="free")
        found = verify_fit(pairs, "free")
        assert (found.status, found.moved) == ("identical", ())
        assert saved.fit.rivals

    def test_few_pairs_without_a_back_test(self, pairs: Store) -> None:
        question = replace(WEB_TO_CODE, where="n_params < 3e7 AND n_tokens < 3e10")
        saved = fit_transfer(pairs, question, bootstrap=30, name="few")
        assert saved.fit.n_obs == 4
        assert saved.fit.settings["loss_to_loss"]["chosen"] == "for want of a back-test"
        assert verify_fit(pairs, "few").status == "identical"

    def test_train_to_test(self, pairs: Store) -> None:
        saved = fit_transfer(pairs, PairQuestion("web", "web", "loss", "test"), bootstrap=20, name="own")
        assert saved.fit.law.name == "affine"
        assert saved.fit.estimates == pytest.approx({"a": 0.5, "b": 0.8}, abs=1e-6)
        assert verify_fit(pairs, "own").status == "identical"

    def test_pairs_without_sizes_are_ordered_by_x(self, pairs: Store) -> None:
        pairs.connection.execute("UPDATE runs SET n_params = NULL, compute_flop = NULL").fetchall()
        saved = fit_transfer(pairs, PairQuestion("web", "web", "loss", "test"), bootstrap=20, name="own")
        assert saved.fit.settings["loss_to_loss"]["ordered_by"] == "x"
        assert saved.fit.backtest is not None
        assert len(saved.fit.backtest) > 0
        found = verify_fit(pairs, "own")
        assert (found.status, found.moved) == ("identical", ())

    def test_a_loss_that_changed(self, pairs: Store) -> None:
        pairs.connection.execute("UPDATE metrics SET value = 1.01 * value WHERE run_id = 'code-33'").fetchall()
        found = verify_fit(pairs, "ab")
        assert found.status == "data changed"
        assert "kappa" in {m.quantity for m in found.moved}
        with pytest.raises(InputDataError, match="have changed since it was made") as caught:
            unchanged_rows(pairs, load_fit(pairs, "ab"))
        assert "scaling transfer fit --from web --to code" in (caught.value.hint or "")

    def test_a_budget_that_changed(self, pairs: Store) -> None:
        """The losses are the same, but what is held out is not."""
        pairs.connection.execute("UPDATE runs SET compute_flop = 1e25 WHERE run_id = 'web-33'").fetchall()
        assert verify_fit(pairs, "ab").status == "data changed"

    def test_a_member_that_left(self, pairs: Store) -> None:
        remove_run(pairs, "code-00")
        found = verify_fit(pairs, "ab")
        assert (found.status, found.n_then, found.n_now) == ("data changed", 48, 47)
        assert "Left out now, and not then: web-00." in found.sentences

    def test_all_runs_left(self, pairs: Store) -> None:
        [(source,)] = pairs.query("SELECT source_id FROM sources")[1]
        remove_source(pairs, source)
        assert verify_fit(pairs, "ab").status == "data left the store"

    @pytest.mark.parametrize(
        "change",
        [
            lambda table: table["pairs"].update(target="web", metric_target="test"),
            lambda table: table["pairs"].update(where="n_params > 1e8"),
            lambda table: table["pairs"].update(unknown=1),
            lambda table: table.update(pairs=3),
            lambda table: table.pop("transfer"),
        ],
    )
    def test_a_question_that_was_altered(self, pairs: Store, change: Callable[[Any], Any]) -> None:
        edit(pairs, "config", change)
        with pytest.raises(StoreError, match="damaged"):
            verify_fit(pairs, "ab")

    def test_a_tolerance_that_was_altered_is_other_data(self, pairs: Store) -> None:
        pairs.connection.execute("UPDATE runs SET n_params = n_params * 1.0005 WHERE run_id = 'code-33'").fetchall()
        assert verify_fit(pairs, "ab").status == "identical"
        edit(pairs, "config", lambda table: table["pairs"].update(tolerance=1e-5))
        assert verify_fit(pairs, "ab").status == "data changed"

    def test_an_estimate_that_was_altered(self, pairs: Store) -> None:
        edit(pairs, "fit", lambda table: table["estimates"].update(K=0.8))
        found = verify_fit(pairs, "ab")
        assert found.status == "numbers moved"
        assert {"K", "SQL macro"} <= {m.quantity for m in found.moved}

    def test_the_sql_and_the_question_select_the_same_pairs(self, pairs: Store) -> None:
        saved = load_fit(pairs, "ab")
        one, other = rows_of(pairs, saved), rows_by_sql(pairs, saved)
        assert one.sha256 == other.sha256 == saved.data_sha256
        assert one.run_ids == other.run_ids


class TestBacktest:
    def test_it_is_ordered_by_budget_and_kept(self, pairs: Store) -> None:
        saved, found = backtest_fit(pairs, "ab", bootstrap=20)
        assert found.axis == "budget"
        rows = rows_of(pairs, saved)
        assert rows.order is not None
        assert found.edge == rows.order.max()
        assert found.compute.tolist() == rows.order[found.row].tolist()
        _, [(count,)] = pairs.query("SELECT count(*) FROM predictions WHERE kind = 'backtest'")
        assert count == len(found) > 0
        _, kept = pairs.query("SELECT DISTINCT run_id FROM predictions WHERE kind = 'backtest'")
        assert {run for (run,) in kept} <= set(rows.run_ids)
        assert verify_fit(pairs, "ab").status == "identical"

    def test_a_forecast_cannot_be_kept(self, pairs: Store) -> None:
        saved = load_fit(pairs, "ab")
        predicted = saved.fit.predict({"x": 2.2}, level=0.9)
        with pytest.raises(UsageError, match="A forecast of the fit 'ab' cannot be kept: it is of pairs of runs"):
            save_predictions(pairs, saved, [{"x": 2.2}], [predicted])
        assert score_landed(pairs) == ([], 0)


class TestFloors:
    def test_free_looks_for_none(self, pairs: Store) -> None:
        assert floors_of(pairs, WEB_TO_CODE) == (None, None)

    def test_the_source_alone(self, pairs: Store) -> None:
        found, none = floors_of(pairs, WEB_TO_CODE, "source")
        assert none is None
        assert found is not None
        assert found.value == pytest.approx(FLOOR_X, abs=0.03)

    def test_a_number_is_taken_whatever_the_mode(self, pairs: Store) -> None:
        one, other = floors_of(pairs, WEB_TO_CODE, "free", floor_target="0.85")
        assert one is None
        assert other is not None
        assert (other.value, other.source, other.has_error) == (0.85, "number", False)

    def test_a_saved_fit_gives_its_e_with_its_interval(self, pairs: Store) -> None:
        [web], _ = fit_runs(pairs, "chinchilla", Question(where="corpus = 'web'"), name="web_law", bootstrap=60)
        found, _ = floors_of(pairs, WEB_TO_CODE, floor_source="web_law")
        assert found is not None
        assert found.value == web.fit.estimates["E"]
        assert (found.low, found.high) == web.fit.interval("E", 0.68)
        assert found.source == "E of the fit web_law"

    def test_a_floor_is_fitted_to_the_runs_that_the_condition_leaves(self, pairs: Store) -> None:
        question = replace(WEB_TO_CODE, where="n_params < 1e9")
        found, _ = floors_of(pairs, question, "source")
        assert found is not None
        assert found.source == "E of the law chinchilla, fitted to 36 runs of web (loss)"

    def test_a_floor_follows_the_unit_of_the_map(self, pairs: Store) -> None:
        plain, _ = floors_of(pairs, WEB_TO_CODE, "source")
        both = replace(WEB_TO_CODE, bytes_per_token_source=4.0, bytes_per_token_target=4.0)
        found, _ = floors_of(pairs, both, "source")
        assert plain is not None
        assert found is not None
        assert found.value == pytest.approx(plain.value / (4 * np.log(2)))
        assert found.high == pytest.approx(plain.high / (4 * np.log(2)))

    @pytest.mark.parametrize(
        ("fit", "side", "message"),
        [
            ("web_law", "target", "The fit web_law is of runs of web, and the target is code"),
            ("both_law", "source", "The fit both_law is of runs of code, web, and the source is web"),
            ("test_law", "source", "The fit test_law is of the metric test, and the source is of loss"),
            ("ab", "source", "The fit ab has no parameter E"),
            ("nothing", "source", "The store has no fit 'nothing'"),
        ],
    )
    def test_a_fit_of_something_else_is_refused(self, pairs: Store, fit: str, side: str, message: str) -> None:
        asked = {
            "web_law": ("loss", "corpus = 'web'"),
            "both_law": ("loss", None),
            "test_law": ("test", "corpus = 'web'"),
        }
        if fit in asked:
            metric, where = asked[fit]
            fit_runs(pairs, "chinchilla", Question(metric=metric, where=where), name=fit, bootstrap=0)
        with pytest.raises(UsageError) as caught:
            floors_of(pairs, WEB_TO_CODE, **{f"floor_{side}": fit})  # type: ignore[arg-type]
        assert message in caught.value.message

    def test_a_fit_whose_runs_have_left_is_refused(self, pairs: Store) -> None:
        fit_runs(pairs, "chinchilla", Question(where="corpus = 'web'"), name="web_law", bootstrap=0)
        pairs.connection.execute("UPDATE runs SET corpus = NULL WHERE corpus = 'web'").fetchall()
        with pytest.raises(UsageError, match="is of runs that are no longer in the store"):
            floors_of(pairs, WEB_TO_CODE, floor_source="web_law")

    def test_a_law_that_is_not_identified_gives_none(self, pairs: Store) -> None:
        with pytest.raises(VerdictError, match=r"is not identified, so its E = .* is no floor") as caught:
            floors_of(pairs, replace(WEB_TO_CODE, where="n_params < 3e7"), "source")
        assert "--floors free" in (caught.value.hint or "")
        assert "--floor-from" in (caught.value.hint or "")

    @pytest.mark.parametrize("law", ["kaplan_n", "affine", "multiplicatve"])
    def test_a_law_without_a_floor(self, pairs: Store, law: str) -> None:
        with pytest.raises(UsageError):
            floors_of(pairs, WEB_TO_CODE, "source", law=law)

    def test_an_unknown_mode(self, pairs: Store) -> None:
        with pytest.raises(UsageError, match="There are no floors 'bth'") as caught:
            floors_of(pairs, WEB_TO_CODE, "bth")
        assert "Did you mean 'both'?" in (caught.value.hint or "")

    def test_a_floor_above_the_data(self, pairs: Store) -> None:
        with pytest.raises(InputDataError, match=r"the floor of x, 2\.500 \(number\), does not lie below the data"):
            fit_transfer(pairs, WEB_TO_CODE, floor_source=2.5)
