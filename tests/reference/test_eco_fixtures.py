"""Logs that trackers wrote elsewhere, through the command into a store: all their values, settings and facts."""

from __future__ import annotations

import shutil

import pytest

from tests.db.golden import Run, ask, check_run, facts_of, ingest, series_of
from tests.db.goldens.common import COUNTED, INF, NAN, without

pytestmark = pytest.mark.reference

#: Loss of the runs of MLflow and Trackio, and of the events of TensorBoard, twenty times.
LOSS = [(10 * i, 4 - 0.03 * i) for i in range(20)]
GIVEN = {"n_params": (1e8, "given", ("config n_params",)), "learning_rate": (3e-4, "given", ("config lr",))}


@pytest.fixture
def db(empty_store, tmp_path):
    """A new store."""
    return shutil.copy(empty_store, tmp_path / "s.duckdb")


def read(path, db, name, n_values):
    """Ingest a file twice; gives the identifier of its only run."""
    [row] = ingest(path, db)
    assert (row["format"], row["status"], row["n_runs"], row["n_values"]) == (name, "ingested", 1, n_values)
    assert (row["n_refused"], row["n_scores"]) == (0, 0)
    assert ask(db, "SELECT count(*) FROM metrics") == [(n_values,)]
    assert [again["status"] for again in ingest(path, db)] == ["unchanged"]
    [(run_id,)] = ask(db, "SELECT run_id FROM runs")
    return run_id


def test_an_offline_run_of_wandb(reference, db):
    run_id = read(reference("eco_fixtures", "wandb_0.31.0_offline_run.wandb"), db, "wandb", 105)
    assert run_id == "n6is3qix"
    seen = {10 * i: 524_288 * i for i in range(50)}
    found = series_of(db, run_id)
    assert found["tokens"] == list(seen.items())
    for metric, above, rows in (("train/loss", 0.0, range(50)), ("val/c4_loss", 0.1, range(0, 50, 10))):
        assert [step for step, _ in found[metric]] == [10 * i for i in rows]
        assert [value for _, value in found[metric]] == pytest.approx([4 + above - 0.03 * i for i in rows], rel=1e-12)
        tokens = dict(ask(db, "SELECT step, tokens FROM metrics WHERE metric = ?", [metric]))
        assert tokens == {10 * i: seen[10 * i] for i in rows}
    facts, missing = facts_of(db, run_id)
    assert facts == {
        "n_params": (1e8, "given", ("config model.n_params",)),
        "n_tokens": (524_288 * 49, COUNTED, ("logged tokens",)),
        "batch_tokens": (524_288, "given", ("config batch_size_tokens",)),
        "learning_rate": (3e-4, "given", ("config lr",)),
        "seed": (0, "given", ("config seed",)),
    }
    assert missing == {"n_tokens?"}  # a row came every ten steps, and the tokens of one step with it
    assert ask(db, "SELECT r.name, l.state FROM runs AS r JOIN run_logs AS l USING (run_id)") == [
        ("n100m-d2b", "finished")
    ]
    [(metric, loss, status, n_tokens)] = ask(db, "SELECT metric, loss, loss_status, n_tokens FROM runs_final")
    assert (metric, status, n_tokens) == ("val/c4_loss", "ok", 524_288 * 40)
    assert loss == pytest.approx(4.1 - 0.03 * 40, rel=1e-12)


def test_a_run_of_mlflow(reference, db):
    run_id = read(reference("eco_fixtures", "mlflow_3.17_sqlite.db"), db, "mlflow", 22)
    run = Run(
        {"train/loss": LOSS, "x": [(1, NAN), (2, INF)]}, "train/loss", (LOSS[-1][1], "ok"), GIVEN,
        without("n_params", "learning_rate"), {"n_params": 1e8}, "finished", "n100m",
    )  # fmt: skip
    check_run(db, run_id, run)


def test_a_run_of_trackio(reference, db):
    run_id = read(reference("eco_fixtures", "trackio_0.43.db"), db, "trackio", 41)
    counted = {"n_tokens": (1.9e7, COUNTED, ("logged tokens",))}
    run = Run(
        {"train/loss": [*LOSS, (200, NAN)], "tokens": [(10 * i, 1e6 * i) for i in range(20)]},
        "train/loss",
        (None, "nan"),  # it ended so, and shows no loss that stood before
        GIVEN | counted,
        ("batch_tokens",),
        {"n_params": 1e8},
        name="n100m",
    )
    check_run(db, run_id, run)


def test_events_of_tensorboard(reference, db):
    read(reference("eco_fixtures", "events.out.tfevents.1795197631.vm.4728.0"), db, "tensorboard", 60)
    for metric, above, precision in (
        ("train/loss", 0.0, 1e-6), ("val/loss_packed", 0.1, 1e-6), ("val/loss_content64", 0.2, 1e-12),
    ):  # fmt: skip
        rows = ask(db, "SELECT step, value FROM metrics WHERE metric = ? ORDER BY step", [metric])
        assert [step for step, _ in rows] == [step for step, _ in LOSS]
        assert [value for _, value in rows] == pytest.approx([value + above for _, value in LOSS], rel=precision)
    assert ask(db, "SELECT count(*) FROM metrics WHERE value_status <> 'ok'") == [(0,)]


def test_all_of_them_at_once(reference, db):
    folder = reference("eco_fixtures", "README.txt").parent
    rows = ingest(folder, db)
    assert sorted((row["format"], row["n_values"]) for row in rows) == [
        ("mlflow", 22), ("tensorboard", 60), ("trackio", 41), ("wandb", 105)
    ]  # fmt: skip
    assert ask(db, "SELECT count(*), count(DISTINCT run_id) FROM metrics") == [(228, 4)]
    status = "SELECT value_status, count(*) FROM metrics GROUP BY ALL ORDER BY 1"
    assert ask(db, status) == [("inf", 1), ("nan", 2), ("ok", 225)]
