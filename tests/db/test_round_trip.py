"""Runs that are made up, written in each format and read again: the same values, steps and settings come back."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.readers import helm as helm_reader
from db.readers import (
    hf_trainer,
    inspect_log,
    levanter,
    lightning,
    lm_eval,
    megatron,
    mlflow_store,
    mlruns,
    nanotron,
    neptune,
    olmo,
    tfevents,
    torchtitan,
    trackio,
    wandb_chart,
    wandb_history,
    wandb_offline,
)
from db.readers.probe import Probe
from tests.db.golden import ask, ingest, same, scaling, series_of
from tests.db.readers.gathering import Gathered
from tests.db.readers.results import Results
from tests.db.writers import binary, databases, results, tables, texts
from tests.db.writers.drawn import any_text, floats, missing, names, runs
from tests.db.writers.made import Made, Series, Value

QUICK = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
FEW = settings(QUICK, max_examples=4)


# --- Ways to write ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A way to write runs.

    Parameters
    ----------
    reader : module
        What reads them again.
    write : callable
        Writes them.
    made : strategy
        Runs that it can write.
    config : callable, optional
        What comes back of their settings; None where they are not written.
    value : callable, optional
        What comes back of a value.
    """

    reader: ModuleType
    write: Callable[[Path, Sequence[Made]], Path]
    made: st.SearchStrategy[list[Made]]
    config: Callable[[Any], Any] | None = dict
    value: Callable[[Value], Value] = lambda value: value


def as_texts(config: dict[str, Any]) -> dict[str, str]:
    """Settings as MLflow has them."""
    return {key: str(value) for key, value in config.items()}


def in_general(config: dict[str, Any]) -> dict[str, Any]:
    """Settings that stand in a part of the config."""
    return {f"general.{key}": value for key, value in config.items()}


def through(number: Callable[[float], str]) -> Callable[[Value], Value]:
    """What is left of a value that is printed so."""
    return lambda value: None if value is None else texts.printed(number(value))


ANY = missing(floats())
WORDS = names("[a-z][a-z_]{0,8}", "step$|loss$|run$|iter$|epoch$|consumed_tokens$")
IDS = names("[a-z0-9]{1,8}")
HEX = st.integers(0, 16**32 - 1).map("{:032x}".format)
COLUMN = any_text("\0\r").filter(lambda name: name.lower() not in ("step", "epoch", "run", "run_id", "run_name"))
PLACES = names(r"[a-zA-Z0-9_ .:-]{1,8}(?:/[a-z]{1,4})?", r".*(?:^|/)[. ]|.*[. ]$")
WAYS = {
    "tensorboard, numbers": Way(tfevents, binary.tfevents, runs(any_text(), floats(2.0**99, 32), None), None),
    "tensorboard, tensors": Way(tfevents, binary.tfevents_tensors, runs(any_text(), floats(), None), None),
    "wandb": Way(wandb_offline, binary.wandb, runs(any_text(), ANY, None)),
    "mlflow": Way(mlflow_store, databases.mlflow, runs(any_text(), floats(), HEX), as_texts),
    "mlruns": Way(mlruns, databases.mlruns, runs(PLACES, floats(), HEX), as_texts),
    "trackio": Way(trackio, databases.trackio, runs(any_text(), ANY, any_text())),
    "hf_trainer": Way(hf_trainer, tables.hf_trainer, runs(COLUMN, ANY, None)),
    "lightning": Way(lightning, tables.lightning, runs(COLUMN, floats(), None)),
    "levanter": Way(levanter, tables.levanter, runs(any_text(), ANY, None)),
    "wandb-history, lines": Way(wandb_history, tables.history_jsonl, runs(COLUMN, ANY, IDS), None),
    "wandb-history, CSV": Way(wandb_history, tables.history_csv, runs(COLUMN, floats(), IDS), None),
    "wandb-history, Parquet": Way(wandb_history, tables.history_parquet, runs(COLUMN, floats(), IDS), None),
    "wandb-chart": Way(wandb_chart, tables.chart, runs(any_text("\0\r\n-"), floats(), any_text("\0\r\n-")), None),
    "neptune": Way(neptune, databases.neptune, runs(names("[a-z]{1,4}/[a-z]{1,4}", "sys|mon"), ANY, IDS)),
    "megatron": Way(
        megatron, texts.megatron, runs(names("[a-z][a-z /()-]{0,8}[a-z]", ".*loss$"), floats(), None),
        value=through(texts.megatron_number),
    ),
    "nanotron": Way(
        nanotron, texts.nanotron, runs(WORDS, floats(1e14), None), in_general, through(texts.nanotron_number)
    ),
    "torchtitan": Way(
        torchtitan, texts.torchtitan, runs(WORDS, floats(1e9), None, ("loss", st.floats(0, 100) | st.just(math.nan))),
        value=through(texts.titan_number),
    ),
    "olmo, console": Way(
        olmo, texts.olmo, runs(names("[a-z]{1,5}/[a-zA-Z]{1,6}"), floats(1e14), None), None, through(texts.olmo_number)
    ),
    "olmo, saved": Way(olmo, texts.olmo_saved, runs(any_text(), ANY, None)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WAYS))
@QUICK
@given(data=st.data())
def test_what_is_written_is_read(name, data) -> None:
    way = WAYS[name]
    made = data.draw(way.made)
    with tempfile.TemporaryDirectory() as folder:
        path = way.write(Path(folder), made)
        sign = way.reader.sniff(Probe(path))
        found = Gathered(way.reader.read(path, sign.entries if sign else ()))
    assert (found.error, found.problems) == (None, [])
    expected = {(run.key, metric): series for run in made for metric, series in run.series.items()}
    if {run for run, _ in found.values} == {""}:  # a log of one run that has no key
        expected = {("", metric): series for (_, metric), series in expected.items()}
    assert sorted(found.values) == sorted(expected)
    for key, series in expected.items():
        assert same({"x": found.values[key]}, {"x": [(step, way.value(value)) for step, value in series]}), key
    if way.config is not None:
        given_ = [dict(sorted(way.config(run.config).items())) for run in made if run.config]
        assert sorted(map(repr, filter(None, map(made_up, found.runs.values())))) == sorted(map(repr, given_))


def made_up(run: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run that were made up, without those that a format adds."""
    return {key: value for key, value in sorted(run["config"].items()) if key.rpartition(".")[2].startswith("k_")}


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio", "hf_trainer", "wandb-history, Parquet", "neptune"])
@FEW
@given(data=st.data())
def test_what_is_written_is_in_the_store(name, empty_store, data) -> None:
    made = data.draw(WAYS[name].made)
    with tempfile.TemporaryDirectory() as folder:
        (log := Path(folder) / "log").mkdir()
        db = Path(folder) / "s.duckdb"
        db.write_bytes(empty_store.read_bytes())
        path = WAYS[name].write(log, made)
        done = scaling("ingest", path, "--db", db, "--format", "json")
        if done.code:  # several made-up names are losses by chance
            assert "several metrics could be the loss" in done.err
            return
        [row] = json.loads(done.out)
        assert (row["n_runs"], row["n_refused"]) == (len(made), 0)
        ids = [run.key for run in made] if name != "hf_trainer" else ["log"]
        for run, run_id in zip(made, ids, strict=True):
            assert same(series_of(db, run_id), run.series)


# --- Results ----------------------------------------------------------------------------------------------------------

SHARES = st.floats(0, 1)
ONE_TASK = st.dictionaries(
    st.tuples(st.just("parity"), names("[a-z]{2,6}"), st.just("none")), SHARES, min_size=1, max_size=5
)
TASKS = st.dictionaries(
    st.tuples(names("[a-z]{2,6}(?:_[0-9]{1,2})?"), names("[a-z]{2,6}"), names("none|strict|[a-z]{3,5}-[a-z]{2}")),
    SHARES, min_size=1, max_size=6,
)  # fmt: skip
SCORERS = st.dictionaries(
    st.tuples(st.just("sums"), st.sampled_from(["accuracy", "mean"]), names("[a-z]{2,6}")), SHARES, min_size=1,
    max_size=5,
)  # fmt: skip
RESULTS: dict[str, tuple[ModuleType, Callable[[Path, Any], Path], Any]] = {
    "lm-eval": (lm_eval, results.lm_eval, TASKS),
    "inspect, JSON": (inspect_log, results.inspect_json, SCORERS),
    "inspect, archive": (inspect_log, results.inspect_eval, SCORERS),
    "helm": (helm_reader, results.helm, ONE_TASK),
}


@pytest.mark.parametrize("name", list(RESULTS))
@QUICK
@given(data=st.data())
def test_results_that_are_written_are_read(name, data) -> None:
    reader, write, scores = RESULTS[name]
    expected = data.draw(scores)
    with tempfile.TemporaryDirectory() as folder:
        found = Results(reader, write(Path(folder), expected))
    assert found.by("task", "metric", "filter") == expected
    assert found.problems == []
    if name == "lm-eval":
        assert {(one.stderr, one.n_shot, one.n_samples, one.task_version) for one in found.scores} == {
            (0.125, 5, 100, "2.0")
        }


# --- Out of a store and into another ----------------------------------------------------------------------------------

LONG = (
    "SELECT m.run_id, m.step, m.tokens, r.n_params AS N, coalesce(CAST(m.value AS VARCHAR), m.value_status) AS loss "
    "FROM metrics AS m JOIN runs AS r USING (run_id) WHERE m.metric = 'loss' ORDER BY ALL"
)
NUMBERS = LONG.replace("AS loss", "::DOUBLE AS loss")
CURVES: dict[str, Series] = {
    "a": {"loss": [(0, 10.5), (10, 0.1 + 0.2), (20, 1 / 3), (30, math.inf)]},
    "b": {"loss": [(0, 11.0), (10, math.nan), (20, -math.inf), (40, 5e-324)]},
    'c, "odd"\nname': {"loss": [(10, 0.5), (20, 1.7976931348623157e308)]},
}


def filled(folder: Path, empty: Path) -> Path:
    """A store with runs of Trackio that count tokens."""
    runs = [
        Made(
            key,
            [(step, {"loss": value, "tokens": 1000.0 * step}) for step, value in series["loss"]],
            {"n_params": 10 ** (7 + i)},
        )
        for i, (key, series) in enumerate(CURVES.items())
    ]
    db = folder / "first.duckdb"
    db.write_bytes(empty.read_bytes())
    ingest(databases.trackio(folder, runs), db)
    return db


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_a_store_gives_is_the_same_in_another(kind, tmp_path, empty_store) -> None:
    first, second = filled(tmp_path, empty_store), tmp_path / "second.duckdb"
    second.write_bytes(empty_store.read_bytes())
    path = tmp_path / f"runs.{kind}"
    if kind == "parquet":  # as any program writes it that opens the store
        with duckdb.connect(str(first), read_only=True) as connection:
            connection.execute(f"COPY ({NUMBERS}) TO '{path}' (FORMAT parquet)")
    else:
        path.write_text(scaling("sql", LONG, "--db", first, "--format", kind).out, encoding="utf-8")
    ingest(path, second)
    rows = "SELECT run_id, step, tokens, value, value_status FROM metrics WHERE metric = 'loss' ORDER BY ALL"
    assert ask(second, rows) == ask(first, rows)
    assert len(ask(second, rows)) == sum(len(series["loss"]) for series in CURVES.values())
    sizes = "SELECT run_id, n_params, loss, loss_status FROM runs_final ORDER BY ALL"
    assert ask(second, sizes) == ask(first, sizes)
    for run_id, series in CURVES.items():
        assert same({"loss": series_of(second, run_id)["loss"]}, series)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_of_final_losses_is_the_same_in_another(kind, tmp_path, empty_store) -> None:
    first, second = filled(tmp_path, empty_store), tmp_path / "second.duckdb"
    second.write_bytes(empty_store.read_bytes())
    shown = "SELECT run_id, n_params, n_tokens, compute_flop, loss FROM runs_final WHERE loss_status = 'ok'"
    path = tmp_path / f"runs.{kind}"
    path.write_text(scaling("sql", shown, "--db", first, "--format", kind).out, encoding="utf-8")
    ingest(path, second)
    assert ask(second, f"{shown} ORDER BY 1") == ask(first, f"{shown} ORDER BY 1")
    assert len(ask(second, shown)) == 2
