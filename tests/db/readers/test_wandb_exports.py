"""Charts, tables of runs and histories of W&B; fixtures by the formulas of tests/fixtures/make/wandb_exports.py."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.problems import Problem
from db.readers import wandb_chart, wandb_history, wandb_runs
from db.readers.found import Found, Note, RunFound, Values
from db.readers.probe import Probe
from db.readers.sniff import sniff
from db.readers.wandb_columns import lines_of_chart
from scaling.errors import ReadError

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
CHART, BY_EPOCH = LOGS / "wandb-chart" / "chart.csv", LOGS / "wandb-chart" / "by_epoch.csv"
RUNS = LOGS / "wandb-runs" / "runs.csv"
JSONL, CSV, PARQUET = (LOGS / "wandb-history" / f"history.{ending}" for ending in ("jsonl", "csv", "parquet"))
MODULES = (wandb_chart, wandb_runs, wandb_history)
ODD = [(5, math.nan), (6, math.inf), (7, -math.inf)]


def loss(run: int, i: int) -> float:
    return 4 - run / 2 - i / 64


def curves(found: Iterable[Found]) -> dict[tuple[str, str], list[tuple[int, float]]]:
    out: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for one in found:
        if isinstance(one, Values):
            pairs = zip(one.step.tolist(), one.value.tolist(), strict=True)
            out.setdefault((one.run, one.metric), []).extend(pairs)
    return out


def same(one: list[tuple[int, float]], other: list[tuple[int, float]]) -> bool:
    return [step for step, _ in one] == [step for step, _ in other] and np.array_equal(
        [value for _, value in one], [value for _, value in other], equal_nan=True
    )


def notes(found: Iterable[Found]) -> str:
    return "\n".join(one.text for one in found if isinstance(one, Note))


def problems(found: Iterable[Found]) -> list[Problem]:
    return [one for one in found if isinstance(one, Problem)]


@pytest.mark.parametrize(
    ("path", "module"),
    [(CHART, wandb_chart), (BY_EPOCH, wandb_chart), (RUNS, wandb_runs), (JSONL, wandb_history), (CSV, wandb_history),
     (PARQUET, wandb_history)],
    ids=lambda one: one.name if isinstance(one, Path) else one.NAME,
)  # fmt: skip
def test_each_is_told_and_by_one_format_alone(path: Path, module: ModuleType) -> None:
    assert [one for one in MODULES if one.sniff(Probe(path)) is not None] == [module]


def test_a_chart_by_steps() -> None:
    found = list(wandb_chart.read(CHART))
    got = curves(found)
    odd = dict(ODD)
    assert same(got["small - 1e-3", "train/loss"], [(10 * i, odd.get(i, loss(0, i))) for i in range(40)])
    assert same(got["small - 3e-3", "train/loss"], [(10 * i, loss(1, i)) for i in range(40)])
    assert same(got['große, "one"', "train/loss"], [(10 * i, loss(2, i)) for i in range(0, 40, 2)])
    assert len(got) == 3
    assert not problems(found)
    assert "8 of 100 points are means" in notes(found)
    assert "smoothing" in notes(found)


def test_a_chart_by_another_axis_has_its_steps_in_columns() -> None:
    got = curves(wandb_chart.read(BY_EPOCH))
    assert got == {
        ("deep - blue - 1", "eval - c4"): [(100 * i, loss(0, i)) for i in range(5)],
        ("plain", "eval - c4"): [(100 * i + 1, loss(1, i)) for i in range(5)],
    }


@pytest.mark.parametrize(
    ("columns", "expected", "n_doubtful"),
    [
        (["a - loss"], [("a", "loss")], 0),
        (["a - 1 - loss", "a - 2 - loss", "b - loss"], [("a - 1", "loss"), ("a - 2", "loss"), ("b", "loss")], 0),
        (["x - loss", "x - eval - c4", "y - eval - c4"], [("x", "loss"), ("x", "eval - c4"), ("y", "eval - c4")], 0),
        (["a - b - loss", "a - b - acc"], [("a - b", "loss"), ("a - b", "acc")], 2),
        (["a - b - m - n", "a - b - _step"], [("a - b", "m - n"), ("a - b", "_step")], 0),
    ],
)
def test_where_the_name_of_a_run_ends(columns: list[str], expected: list[tuple[str, str]], n_doubtful: int) -> None:
    lines, doubtful = lines_of_chart(["Step", *columns])
    assert [(line.run, line.metric) for line in lines] == expected
    assert len(doubtful) == n_doubtful


def chart(tmp_path: Path, text: str) -> list[Found]:
    path = tmp_path / "chart.csv"
    path.write_text(text, encoding="utf-8")
    return list(wandb_chart.read(path))


def test_a_doubtful_column_is_said(tmp_path: Path) -> None:
    assert "'a - b - loss' the columns do not tell" in notes(chart(tmp_path, "Step,a - b - loss\n0,1\n"))


def test_a_group_is_a_mean_over_runs(tmp_path: Path) -> None:
    assert "means over a group of runs" in notes(chart(tmp_path, "Step,Group: big - loss\n0,1\n"))


def test_an_axis_that_counts_no_steps_gives_none(tmp_path: Path) -> None:
    found = chart(tmp_path, "Relative Time (Process),a - loss\n0.5,1\n1.5,2\n")
    assert curves(found) == {("a", "loss"): [(-1, 1.0), (-1, 2.0)]}
    assert "values have no step" in notes(found)


def test_an_axis_of_tokens_or_of_training_steps_is_taken_as_such(tmp_path: Path) -> None:
    (values,) = (one for one in chart(tmp_path, "train/tokens,a - loss\n1e9,2.5\n") if isinstance(one, Values))
    assert values.tokens is not None
    assert values.tokens.tolist() == [1e9]
    assert curves(chart(tmp_path, "trainer/global_step,a - loss\n500,2.5\n")) == {("a", "loss"): [(500, 2.5)]}


def test_what_is_wrong_in_a_chart_is_told_with_its_line(tmp_path: Path) -> None:
    found = chart(tmp_path, 'Step,a - loss,b - loss\n0,1,2\n1.5,1,2\n2,high,2\n3,1\n-1,1,2\n4,null,2\n"5","1","2')
    assert [(one.line, one.column, one.refused) for one in problems(found)] == [
        (3, "Step", "value"), (4, "a - loss", "value"), (5, None, "row"), (6, "Step", "value"),
    ]  # fmt: skip
    assert curves(found)["b", "loss"] == [(0, 2.0), (2, 2.0), (4, 2.0)]
    missing = [one.missing for one in found if isinstance(one, Values) and one.run == "a"]
    assert missing[0] is not None
    assert missing[0].tolist() == [False, True]
    assert "line 8, is cut off" in notes(found)


def test_a_name_with_line_ends_and_quotes(tmp_path: Path) -> None:
    found = chart(tmp_path, 'Step,"a ""b""\nc - loss","a ""b""\nc - loss__MIN"\n0,1,1\n')
    assert curves(found) == {('a "b"\nc', "loss"): [(0, 1.0)]}


def test_a_table_of_runs() -> None:
    found = list(wandb_runs.read(RUNS))
    runs = {one.key: one for one in found if isinstance(one, RunFound)}
    assert list(runs) == ["run - 0", "twice", "twice (2)", "run - 3"]
    assert [one.state for one in runs.values()] == ["finished", "crashed", "running", None]
    assert runs["run - 3"].about["state"] == "preempted"
    assert runs["run - 0"].config == {"batch_size": 64, "flag": True, "lr": 0.001, "model.n_params": 1_000_000}
    assert runs["run - 0"].summary == {"loss": 3.0, "train/step": 0, "val/loss": 3.5}
    assert runs["run - 0"].about == {"tags": ["a", "b"], "started": 1767225600.0, "runtime": 0}
    assert math.isnan(runs["twice"].summary["loss"])
    assert "val/loss" not in runs["twice (2)"].summary
    assert not any(isinstance(one, Values) for one in found)
    said = notes(found)
    assert "not the lowest" in said
    assert "begin at the column 'loss'" in said
    assert "1 runs have the name of another" in said


def test_columns_whose_order_does_not_tell_are_both(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("ID,Name,State,Tags,Created,lr,loss,acc,beta\nx,a,finished,,,1,2,3,4\ny,a,finished,,,1,2,3\n")
    found = list(wandb_runs.read(path))
    (run,) = (one for one in found if isinstance(one, RunFound))
    assert run.key == "x"
    assert run.config == run.summary == {"lr": 1, "loss": 2, "acc": 3, "beta": 4}
    assert "all are both" in notes(found)
    assert [one.line for one in problems(found)] == [3]


def history(run: int) -> list[tuple[int, float]]:
    odd = {3: math.nan, 4: math.inf, 5: -math.inf}
    return [(i, odd.get(i, loss(run, i))) for i in range(30)]


@pytest.mark.parametrize("path", [JSONL, PARQUET], ids=lambda path: path.suffix)
def test_a_history_keeps_what_is_not_finite(path: Path) -> None:
    found = list(wandb_history.read(path))
    got = curves(found)
    for run in range(2):
        assert same(got[f"r{run}", "loss"], history(run))
    assert {metric for _, metric in got} == {"loss", "eval.loss"}
    assert [one.key for one in found if isinstance(one, RunFound)] == ["r0", "r1"]
    assert "remark" in notes(found)
    assert not problems(found)


def test_a_missing_value_of_json_lines_is_missing_and_not_nan() -> None:
    found = [one for one in wandb_history.read(JSONL) if isinstance(one, Values) and one.metric == "eval.loss"]
    assert found[0].step.tolist() == [0, 8, 10, 20]
    assert found[0].missing is not None
    assert found[0].missing.tolist() == [False, True, False, False]
    assert "picture (image-file)" in notes(wandb_history.read(JSONL))


def test_a_history_as_pandas_writes_it_has_no_nan_any_more_and_says_so() -> None:
    found = list(wandb_history.read(CSV))
    assert curves(found)["r1", "loss"] == [pair for pair in history(1) if not math.isnan(pair[1])]
    assert "NaN is an empty cell too" in notes(found)


def rows_of(tmp_path: Path, rows: list[object], name: str = "history.jsonl") -> list[Found]:
    path = tmp_path / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return list(wandb_history.read(path))


def test_a_history_of_as_many_rows_as_a_sample_has_is_suspected(tmp_path: Path) -> None:
    rows: list[object] = [{"_step": i, "_runtime": i, "_timestamp": i, "loss": 1.0} for i in range(500)]
    assert "`scan_history` gives all rows" in notes(rows_of(tmp_path, rows))
    assert "`scan_history` gives all rows" not in notes(rows_of(tmp_path, rows[:-1]))


def test_steps_of_trainers_hold_for_all_rows(tmp_path: Path) -> None:
    rows: list[object] = [
        {"_step": 0, "_runtime": 0, "train/global_step": 100, "loss": 3.0},
        {"_step": 1, "_runtime": 1, "eval": 3.5},
        {"_step": 2, "_runtime": 1, "train/global_step": 200, "loss": 2.0},
    ]
    expected = {("", "loss"): [(100, 3.0), (200, 2.0)], ("", "eval"): [(100, 3.5)]}
    got = curves(rows_of(tmp_path, rows))
    del got["", "train/global_step"]
    assert got == expected
    path = tmp_path / "history.parquet"
    connection = duckdb.connect()
    connection.execute(
        "COPY (SELECT * FROM (VALUES (0, 0.0, 100, 3.0, NULL), (1, 1.0, NULL, NULL, 3.5), (2, 1.0, 200, 2.0, NULL)) "
        f"AS t(_step, _timestamp, \"train/global_step\", loss, eval)) TO '{path}' (FORMAT parquet)"
    )
    got = curves(wandb_history.read(path))
    del got["", "train/global_step"]
    assert got == expected


def test_runs_that_are_told_apart_by_a_number(tmp_path: Path) -> None:
    rows: list[object] = [
        {"_step": i, "_runtime": i, "run": run, "loss": 1.0 + run} for run in (1, 2) for i in range(5)
    ]
    parquet = tmp_path / "h.parquet"
    rows_of(tmp_path, rows)
    duckdb.sql(f"COPY (FROM read_json('{tmp_path / 'history.jsonl'}')) TO '{parquet}'")
    for found in (rows_of(tmp_path, rows), list(wandb_history.read(parquet))):
        assert [one.key for one in found if isinstance(one, RunFound)] == ["1", "2"]
        assert curves(found) == {(f"{run}", "loss"): [(i, 1.0 + run) for i in range(5)] for run in (1, 2)}


def test_lines_that_are_none_and_steps_that_are_none(tmp_path: Path) -> None:
    rows: list[object] = [
        {"_step": 0, "_runtime": 0, "loss": 3.0}, "{broken", "[1]", {"_runtime": 0, "loss": 1.0},
        {"_step": 1.5, "_runtime": 0, "loss": 1.0}, {"_step": 2, "_runtime": 0, "loss": "Infinity"}, '{"_step": 3, "lo',
    ]  # fmt: skip
    found = rows_of(tmp_path, rows)
    assert [one.line for one in problems(found)] == [2, 3, 4, 5]
    assert curves(found) == {("", "loss"): [(0, 3.0), (2, math.inf)]}
    assert "line 7, is cut off" in notes(found)


def test_steps_of_parquet_that_are_none_are_told_by_their_row(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    duckdb.connect().execute(
        "COPY (SELECT * FROM (VALUES (0::DOUBLE, 0.0, 3.0), (1.5, 1.0, 2.0), (NULL, 1.0, 2.0), ('nan', 1, 2.0), "
        f"(-1, 1, 2.0), (7.0, 2.0, 1.0)) AS t(_step, _timestamp, loss)) TO '{path}' (FORMAT parquet)"
    )
    found = list(wandb_history.read(path))
    assert curves(found) == {("", "loss"): [(0, 3.0), (7, 1.0)]}
    assert [one.line for one in problems(found)] == [2, 3, 4, 5]


def test_parquet_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.readers.wandb_parquet._VALUES", 20_000)
    path = tmp_path / "a [b]*.parquet"
    duckdb.connect().execute(
        "COPY (SELECT 'r' || i % 3 AS run_id, i // 3 AS _step, 0.0 AS _timestamp, i::DOUBLE AS loss "
        f"FROM range(30000) AS t(i) ORDER BY i) TO '{path}' (FORMAT parquet)"
    )
    found = list(wandb_history.read(path))
    assert sum(isinstance(one, Values) for one in found) > 9
    got = curves(found)
    assert got["r1", "loss"] == [(step, 3.0 * step + 1) for step in range(10_000)]
    assert sum(isinstance(one, RunFound) for one in found) == 3


def only_read_errors(module: ModuleType, path: Path) -> None:
    try:
        for one in module.read(path):
            if isinstance(one, Values):
                assert (one.step >= -1).all()
    except ReadError as error:
        assert error.reason  # noqa: PT017


@pytest.mark.parametrize(
    ("path", "module"), [(BY_EPOCH, wandb_chart), (RUNS, wandb_runs), (CSV, wandb_history), (JSONL, wandb_history),
    (PARQUET, wandb_history)], ids=lambda one: one.name if isinstance(one, Path) else "",
)  # fmt: skip
def test_cut_off_anywhere_nothing_but_a_read_error(path: Path, module: ModuleType, tmp_path: Path) -> None:
    whole, cut = path.read_bytes(), tmp_path / path.name
    for size in range(0, len(whole), 1 if len(whole) < 1000 else 47):
        cut.write_bytes(whole[:size])
        only_read_errors(module, cut)
        for one in MODULES:
            one.sniff(Probe(cut))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_and_random_bytes_give_nothing_but_a_read_error(data: st.DataObject, tmp_path: Path) -> None:
    path, module = data.draw(
        st.sampled_from([(CHART, wandb_chart), (RUNS, wandb_runs), (CSV, wandb_history), (JSONL, wandb_history),
                         (PARQUET, wandb_history)])
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=9)):
        content[at] = byte
    changed = tmp_path / path.name
    changed.write_bytes(data.draw(st.one_of(st.just(bytes(content)), st.binary(max_size=200))))
    only_read_errors(module, changed)
    for one in MODULES:
        one.sniff(Probe(changed))


def test_a_quote_that_never_ends_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "chart.csv"
    path.write_text('Step,a - loss\n0,"' + "1,2\n" * 100_000)
    with pytest.raises(ReadError, match=r"line 2.*field limit"):
        list(wandb_chart.read(path))


def test_files_that_cannot_be_opened_are_read_errors(tmp_path: Path) -> None:
    for module in MODULES:
        with pytest.raises(ReadError):
            list(module.read(tmp_path / "none.csv"))


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_in_json_is_read_as_the_same_rows_in_lines(indent: int | None, tmp_path: Path) -> None:
    lines = LOGS / "wandb-history" / "history.jsonl"
    listed = tmp_path / "history.json"
    listed.write_text(json.dumps([json.loads(line) for line in lines.read_text().splitlines()], indent=indent))
    assert [one.NAME for one, _ in sniff(listed)] == ["wandb-history"]

    def told(path: Path) -> list[tuple[str, str, list[int], list[str]]]:
        found = [one for one in wandb_history.read(path) if isinstance(one, Values)]
        return [(one.run, one.metric, one.step.tolist(), [str(value) for value in one.value]) for one in found]

    assert told(listed) == told(lines)
    assert sum(len(steps) for _, _, steps, _ in told(listed)) > 20
    listed.write_text(listed.read_text()[:-1])
    with pytest.raises(ReadError, match=r"character \d+: it is cut off"):
        list(wandb_history.read(listed))
    listed.write_text('[{"_step": 1, "_runtime": 2, "loss": 3.5}, 7, {"_step": 2, "_runtime": 3, "loss": 3}]')
    found = list(wandb_history.read(listed))
    assert [one.reason for one in found if isinstance(one, Problem)] == ["the element is no JSON object"]
    assert [one.value.tolist() for one in found if isinstance(one, Values)] == [[3.5, 3.0]]
