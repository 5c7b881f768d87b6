"""What an input is read from: columns, expressions, and the metrics that are not fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaling
from db.backtests import backtest_runs
from db.choosing import _condition
from db.columns import check_expression, column_of, usual_column
from db.fits import fit_runs
from db.saved import load_fit, rows_of, unchanged_rows
from db.select import Question, select
from db.store import Store
from db.verify import verify_fit
from scaling.errors import InputDataError, UsageError

ERROR = scaling.find_law("downstream_error")
MAPPING = """\
[metrics]
loss = { column = "loss", unit = "nats/token" }
"err, 17" = { column = "err", unit = "share", kind = "other" }
'my "bits"' = { column = "bits", unit = "bits/byte" }
plain = { column = "plain", kind = "loss" }
"""
OVER_LOSS = Question(metric="err, 17", inputs={"L": "metric:loss"})


def log_text() -> str:
    """Sixteen runs of three logged steps. Of r00 the error ends as nan, of r01 as inf, of r02 it is never logged."""
    random = np.random.default_rng(4)
    lines = ["run_id,step,N,D,loss,err,bits,plain"]
    for i in range(16):
        n, d = 1e8 * 1.5**i, 2e9 * 1.7 ** (i % 5)
        for step in (1, 2, 3):
            loss = 1.7 + 300 / n**0.3 + 400 / (d * step / 3) ** 0.3
            err = 0.85 - 2.2 * np.exp(-0.72 * loss) + 0.002 * random.standard_normal()
            last = {0: "nan", 1: "inf"}.get(i) if step == 3 else None
            shown = "" if i == 2 else last or f"{err:.9g}"
            lines.append(
                f"r{i:02},{step * 10},{n:.9g},{d * step / 3:.9g},{loss:.9g},{shown},{loss / 2:.9g},{loss + 0.1:.9g}"
            )
    return "\n".join(lines) + "\n"


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A store with four metrics a run, of which the loss is shown."""
    (tmp_path / "log.csv").write_text(log_text())
    (tmp_path / "map.toml").write_text(MAPPING)
    with Store() as opened:
        opened.ingest(tmp_path / "log.csv", tmp_path / "map.toml", metric="loss")
        yield opened


class TestMetrics:
    @pytest.mark.parametrize("metric", ["err, 17", 'my "bits"', "loss", "plain"])
    def test_end_by_the_rule_of_runs_final(self, metric: str, store: Store) -> None:
        """Whatever the view shows of a metric as the loss, the input of that name shows as well, run by run."""
        column = column_of(f"metric:{metric}").sql
        _, found = store.query(f"SELECT run_id, {column} FROM runs_final ORDER BY run_id")
        _, shown = store.query(
            f"SELECT run_id, loss, loss_status FROM ({store.runs_final_sql(metric)}) ORDER BY run_id"
        )
        assert len(found) == len(shown) == 16
        for (run, value), (same, loss, status) in zip(found, shown, strict=True):
            assert run == same
            expected = {"ok": loss, "missing": None}.get(status, float("nan") if status == "nan" else float("inf"))
            assert value == expected or (status == "nan" and np.isnan(value)), run

    def test_are_inputs_like_columns(self, store: Store) -> None:
        found = select(store, ERROR, OVER_LOSS, positive=True)
        assert found.columns == {"L": "metric:loss"}
        assert found.units == {"L": "nats/token"}
        assert found.metric == "err, 17"
        assert found.run_ids == tuple(f"r{i:02}" for i in range(3, 16))
        _, rows = store.query("SELECT loss FROM runs_final WHERE run_id >= 'r03' ORDER BY run_id")
        np.testing.assert_array_equal(found.inputs["L"], [row[0] for row in rows])
        assert found.reasons() == {"the loss is nan": 1, "the loss is inf": 1, "the loss is missing": 1}

    def test_runs_where_one_is_not_a_number_are_counted_by_its_name(self, store: Store) -> None:
        law = scaling.find_law("a + b*x", ["x"])
        found = select(store, law, Question(inputs={"x": "metric:err, 17"}), positive=True)
        assert len(found) == 13
        assert found.reasons() == {
            "the metric err, 17 is nan": 1, "the metric err, 17 is inf": 1, "the metric err, 17 is missing": 1,
        }  # fmt: skip

    def test_of_which_none_is_left(self, store: Store) -> None:
        law = scaling.find_law("a + b*x", ["x"])
        question = Question(inputs={"x": "metric:err, 17"}, where="run_id = 'r00'")
        with pytest.raises(InputDataError, match="of run r00, the metric err, 17 is nan"):
            select(store, law, question, positive=True)

    @pytest.mark.parametrize("text", ['metric:my "bits"', 'metric:"my ""bits"""', 'METRIC : my "bits"'])
    def test_may_be_quoted(self, text: str, store: Store) -> None:
        found = select(store, ERROR, Question(metric="err, 17", inputs={"L": text}), positive=True)
        assert found.columns == {"L": 'metric:my "bits"'}
        assert found.units == {"L": "bits/byte"}

    def test_without_a_unit_have_that_of_the_law_as_assumed(self, store: Store) -> None:
        question = Question(metric="err, 17", inputs={"L": "metric:plain"})
        assert select(store, ERROR, question, positive=True).units == {"L": "nats/token, assumed"}
        own = select(store, scaling.find_law("a + b*L", ["L"]), question, positive=True)
        assert own.units == {"L": "loss of unknown unit"}

    def test_that_no_run_has(self, store: Store) -> None:
        with pytest.raises(UsageError) as raised:
            select(store, ERROR, Question(metric="err, 17", inputs={"L": "metric:los"}), positive=True)
        assert "No run in the store has the metric 'los'" in raised.value.message
        assert "Did you mean 'loss'?" in str(raised.value.hint)

    def test_a_cast_of_the_column_metric_is_an_expression(self, store: Store) -> None:
        with pytest.raises(InputDataError, match=r"holds 'err, 17' \(run r03\), which is not a number"):
            select(store, ERROR, Question(metric="err, 17", inputs={"L": "metric::VARCHAR"}), positive=True)

    def test_that_are_missing_are_offered(self, store: Store) -> None:
        with pytest.raises(UsageError) as raised:
            select(store, scaling.find_law("shifted_power"), Question(metric='my "bits"'), positive=True)
        hint = str(raised.value.hint)
        assert "--input x=compute_flop" in hint
        assert "--input x=metric:err, 17. There are: err, 17, loss, plain." in hint


class TestTheFittedMetricItself:
    @pytest.mark.parametrize(
        "text",
        ["loss", "LOSS", "loss + 0.5", '"loss" * 1', "runs_final.loss", "(SELECT loss)", "ln(1 + coalesce(loss, 1))"],
    )
    def test_is_no_input(self, text: str, store: Store) -> None:
        with pytest.raises(UsageError) as raised:
            select(store, ERROR, Question(metric="err, 17", inputs={"L": text}), positive=True)
        assert (
            f"--input L={text} is read from the metric that is fitted (err, 17, which runs_final"
            in raised.value.message
        )
        assert "Name another metric: --input L=metric:loss. There are: loss, my" in str(raised.value.hint)

    @pytest.mark.parametrize(("metric", "name"), [("err, 17", "err, 17"), (None, "loss")])
    def test_is_none_by_its_name(self, metric: str | None, name: str, store: Store) -> None:
        with pytest.raises(UsageError, match="so the law would be fitted to itself"):
            select(store, ERROR, Question(metric=metric, inputs={"L": f"metric:{name}"}), positive=True)

    def test_nor_an_input_that_is_called_loss(self, store: Store) -> None:
        law = scaling.find_law("a + b*loss", ["loss"])
        with pytest.raises(UsageError, match="The input 'loss' is read from the metric that is fitted"):
            select(store, law, Question(), positive=True)
        found = select(store, law, Question(metric="err, 17", inputs={"loss": "metric:loss"}), positive=True)
        assert len(found) == 13

    def test_nor_by_a_way_around(self, store: Store) -> None:
        text = "(SELECT max_by(value, step) FROM metrics AS m WHERE m.run_id = runs_final.run_id AND m.metric = 'loss')"
        with pytest.raises(UsageError, match=r"the very values of the metric that is fitted \(loss\) in all 16 rows"):
            select(store, ERROR, Question(inputs={"L": text}), positive=True)
        assert len(select(store, ERROR, Question(metric="err, 17", inputs={"L": text}), positive=True)) == 13

    @pytest.mark.parametrize("text", ["n_params", "coalesce(n_params, 1)", "(SELECT max(loss) FROM frontier)"])
    def test_other_columns_are_inputs(self, text: str, store: Store) -> None:
        assert len(select(store, ERROR, Question(inputs={"L": text}), positive=True)) == 16


class TestSavedFits:
    def test_rows_come_back_the_same(self, store: Store) -> None:
        [saved], _ = fit_runs(store, "downstream_error", OVER_LOSS, name="err", bootstrap=20, objective="squared")
        assert saved.columns == {"L": "metric:loss"}
        assert saved.arguments == {"L": "L"}
        assert saved.fit.law.inputs == {"L": "nats/token"}
        assert "--input L=metric:loss" in saved.command
        again = load_fit(store, "err")
        assert unchanged_rows(store, again).sha256 == rows_of(store, saved).sha256 == saved.data_sha256
        assert verify_fit(store, "err").status == "identical"
        _, rows = store.query(
            'SELECT r.loss, err(r.loss) FROM runs_wide AS r WHERE r."err, 17" IS NOT NULL AND isfinite(r."err, 17") '
            "ORDER BY r.run_id"
        )
        losses, errors = np.array(rows).T
        np.testing.assert_allclose(errors, saved.fit.evaluate({"L": losses})[0], rtol=1e-12)

    def test_a_value_that_changes_is_noticed(self, store: Store) -> None:
        fit_runs(store, "downstream_error", OVER_LOSS, name="err", bootstrap=0)
        store.query("UPDATE metrics SET value = value * 1.1 WHERE metric = 'loss' AND run_id = 'r05' AND step = 10")
        assert verify_fit(store, "err").status == "identical"  # not the last step
        store.query("UPDATE metrics SET value = value * 1.1 WHERE metric = 'loss' AND run_id = 'r05' AND step = 30")
        assert verify_fit(store, "err").status == "data changed"

    def test_a_law_of_a_loss_is_held_out_from_the_lowest_loss_up(self, store: Store) -> None:
        """Larger runs have lower losses, whatever the unit of what is predicted."""
        question = Question(metric="err, 17", inputs={"L": 'metric:my "bits"'})
        assert backtest_runs(store, "downstream_error", question, bootstrap=0).axis == "1/L"

    def test_a_trimming_by_a_metric_is_a_condition(self, store: Store) -> None:
        rows = select(store, ERROR, OVER_LOSS, positive=True)
        keep, condition = _condition("smallest 25 %", "1/L", rows)
        found = select(store, ERROR, replace(OVER_LOSS, where=condition), positive=True)
        assert found.run_ids == tuple(run for run, kept in zip(rows.run_ids, keep, strict=True) if kept)
        assert len(found) == 10


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("n_params", "n_params"),
        ("N_Params", "n_params"),
        ("N", "n_params"),
        ("C", "compute_flop"),
        ("d", None),
        ("x", None),
    ],
)
def test_the_usual_letters_name_columns(text: str, column: str | None) -> None:
    assert usual_column(text, ["n_params", "n_tokens", "compute_flop"]) == column


def test_a_column_of_the_very_name_comes_first() -> None:
    assert usual_column("C", ["c", "compute_flop"]) == "c"


@pytest.mark.parametrize(
    ("name", "sql"), [("n_params", '"n_params"'), ("odd name", '"odd name"'), ("(a + b)", "(a + b)")]
)
def test_a_column_is_read_back(name: str, sql: str) -> None:
    assert column_of(name).sql == sql


@pytest.mark.parametrize("text", ["a; b", "a) OR (b", "(a", "a, b", "a ORDER BY b", "", "a /*", "SELECT"])
def test_text_that_is_no_expression(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_expression(text, "--where", "loss < 3")
    assert "--where takes one SQL expression" in raised.value.message
    assert raised.value.hint == "Such as: loss < 3"


@pytest.mark.parametrize("text", ["a", "a -- b", "a = ';'", "a > (SELECT b FROM c)", "a\nAND b", "(a)", "[1, 2]"])
def test_text_that_is_one(text: str) -> None:
    check_expression(text, "--where", "loss < 3")
