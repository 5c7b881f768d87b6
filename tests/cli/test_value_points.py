"""scaling value add and points: sets come in whole, and every example gets its value, kept a shard at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.index_files import read_index
from scaling.valuation import (
    color_score,
    el2n,
    el2n_from_losses,
    forgetting_events,
    knn_banzhaf,
    knn_leave_one_out,
    knn_shapley,
    knn_utility,
    loss_drop_alignment,
    prototype_difficulty,
    right_from_losses,
    sample_joint_batch,
    training_map,
    true_label_probability,
)
from tests.cli.conftest import run_command
from tests.cli.valued import ADD, CLASSES, N, documented, keys_of

Run = Callable[..., Any]
KNN = ("--labels", "y.npy", "--test", "test.npy", "--test-labels", "y_test.npy")


@pytest.fixture(autouse=True)
def _examples(web: dict[str, np.ndarray]) -> None:
    assert len(web) == 9


def ask(sql: str) -> list[tuple[Any, ...]]:
    """Ask the store itself."""
    import duckdb

    with duckdb.connect("scaling.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def kept(name: str) -> np.ndarray:
    """Values as the store has them, in the order of the positions."""
    rows = ask(f"SELECT position, value FROM valuations WHERE valuation_name = '{name}' ORDER BY position")
    assert [position for position, _ in rows] == list(range(N))
    return np.array([np.nan if value is None else value for _, value in rows])


class TestAdd:
    @pytest.fixture(autouse=True)
    def _no_store(self) -> None:
        Path("scaling.duckdb").unlink()

    def test_a_set_comes_in_with_everything(self, ok: Run) -> None:
        row = ok(*ADD).row
        assert keys_of(row) == documented("add") - {"roles", "n_losses"}  # those of losses alone
        assert (row["status"], row["n_examples"], row["n_dims"], row["n_labels"], row["n_groups"]) == (
            "ingested", N, 8, CLASSES, 2,
        )  # fmt: skip
        assert {(entry["role"], entry["step"]) for entry in row["losses"]} == {
            ("prior", None), ("conditional", None), *((role, step) for role in ("loss", "val") for step in (1, 2, 3)),
        }  # fmt: skip
        assert ok(*ADD).row["status"] == "unchanged"
        assert ask("SELECT count(*), sum(cost) > 0 FROM examples") == [(N, True)]

    def test_embeddings_alone_and_a_folder(self, ok: Run, tmp_path: Path) -> None:
        assert ok("value", "add", "X.npy", "--set", "bare").row["n_dims"] == 8
        (tmp_path / "parts").mkdir()
        np.save(tmp_path / "parts" / "0.npy", np.load("X.npy"))
        assert ok("value", "add", "parts", "--set", "parts").row["n_examples"] == N

    def test_losses_a_row_a_checkpoint(self, ok: Run, refused: Run, write: Callable[[str, str], Path]) -> None:
        ok("value", "add", "X.npy", "--set", "bare")
        lines = [f"{i},{step},{2 - step / 10 + i / 100}" for i in range(N) for step in (1, 2)]
        write("long.csv", "id,step,nats\n" + "\n".join(lines) + "\n")
        row = ok("value", "add", "long.csv", "--set", "bare", "--step", "step", "--loss", "learner=nats").row
        assert (row["roles"], row["n_losses"], row["n_examples"]) == (["learner"], 2 * N, N)
        assert set(row) == {"set_name", "status", "path", "roles", "n_losses", "n_not_ok", "n_examples", "warnings"}
        assert set(row) <= documented("add")
        assert "no set 'bear'" in refused(2, "value", "add", "long.csv", "--set", "bear", "--step", "step").err
        answer = refused(2, "value", "add", "long.csv", "--set", "bare", "--step", "step", "--loss", "a=nats",
                         "--loss", "b=nats")  # fmt: skip
        assert "Give one --loss ROLE=COLUMN" in answer.err

    def test_refused(self, ok: Run, refused: Run, tmp_path: Path) -> None:
        ok(*ADD)
        np.save(tmp_path / "short.npy", np.load("X.npy")[:-1])
        answer = refused(4, "value", "add", "examples.csv", "--set", "other", "--embeddings", "short.npy")
        assert "has 120 examples, but" in answer.err
        assert "has embeddings of 119" in answer.err
        answer = refused(2, "value", "add", "examples.csv", "--set", "other", "--label", "klass")
        assert "no column 'klass'" in answer.err
        answer = refused(2, "value", "add", "examples.csv", "--set", "other", "--loss", "a@soon=loss1")
        assert "ROLE@1000=COLUMN" in answer.err
        assert (
            "--embeddings names others"
            in refused(2, "value", "add", "X.npy", "--set", "other", "--embeddings", "X.npy").err
        )


class TestMethods:
    def test_nearest_neighbours_are_those_of_the_library(self, ok: Run) -> None:
        X, y, T, yt = (np.load(f"{name}.npy") for name in ("X", "y", "test", "y_test"))
        for method, function in (
            ("knn-shapley", knn_shapley), ("knn-banzhaf", knn_banzhaf), ("knn-leave-one-out", knn_leave_one_out)
        ):  # fmt: skip
            row = ok("value", "points", "X.npy", "--method", method, *KNN, "--option", "k=3", "--name", method).row
            assert kept(method) == pytest.approx(function(X, y, T, yt, 3), abs=1e-12)
            assert row["facts"]["utility_all"] == pytest.approx(knn_utility(X, y, T, yt, 3)[0])
            assert row["method"] == method.replace("-", "_")
        shapley = ok("value", "points", "X.npy", "--method", "knn_shapley", *KNN, "--name", "s").row
        assert shapley["facts"]["sum"] == pytest.approx(shapley["facts"]["utility_all"], abs=1e-9)
        assert shapley["highest"][0]["value"] == shapley["distribution"]["max"] == pytest.approx(kept("s").max())

    def test_two_losses(self, ok: Run, web: dict[str, np.ndarray]) -> None:
        row = ok("value", "points", "web", "--method", "color-filter", "--name", "c", "--keep", 0.1, "-o", "k.csv").row
        score = color_score(web["prior"], web["conditional"])
        assert kept("c") == pytest.approx(score)
        assert read_index("k.csv").tolist() == np.argsort(-score, kind="stable")[:12].tolist()
        assert row["kept"]["threshold"] == pytest.approx(np.sort(score)[-12])
        words = ("--role", "learner=prior", "--role", "reference=conditional")
        ok("value", "points", "web", "--method", "learnability", *words, "--name", "l")
        assert kept("l") == pytest.approx(score)
        joint = ok("value", "points", "web", "--method", "jest", *words, "--option", "size=10", "--option",
                   "temperature=0.1", "--seed", 2, "--name", "j", "-o", "batch.npy").row  # fmt: skip
        batch = sample_joint_batch(score, 10, temperature=0.1, seed=2)
        assert joint["facts"]["batch"] == batch.indices.tolist() == read_index("batch.npy").tolist()

    def test_a_file_of_two_losses(self, ok: Run, refused: Run, tmp_path: Path) -> None:
        pairs = np.random.default_rng(1).random((N, 2))
        pairs[4, 1] = np.nan
        np.save(tmp_path / "pairs.npy", pairs)
        row = ok("value", "points", "pairs.npy", "--method", "color-filter", "--name", "c").row
        assert np.isnan(kept("c")[4])
        assert row["distribution"]["n_finite"] == N - 1
        assert "1 example without a value" in row["notes"][0]
        answer = refused(4, "value", "points", "X.npy", "--method", "color-filter", "--name", "d")
        assert "X.npy has 8 columns; two losses an example are expected" in answer.err

    def test_losses_over_training(self, ok: Run, web: dict[str, np.ndarray]) -> None:
        losses = np.column_stack([web[f"loss{step}"] for step in (1, 2, 3)])
        ok("value", "points", "web", "--method", "alignment", "--option", "validation=val", "--name", "a")
        assert kept("a") == pytest.approx(loss_drop_alignment(losses, [3.0, 2.5, 2.2]).score)
        forgotten = ok("value", "points", "web", "--method", "forgetting", "--name", "f").row
        events = forgetting_events(right_from_losses(losses))
        assert kept("f").tolist() == events.events.tolist()
        assert forgotten["facts"]["n_unforgettable"] == int(events.unforgettable.sum())
        ok("value", "points", "web", "--method", "el2n", "--name", "e")
        assert kept("e") == pytest.approx(el2n_from_losses(losses))
        maps = ok("value", "points", "web", "--method", "maps", "--option", "value=confidence", "--name", "m").row
        place = training_map(true_label_probability(losses))
        assert kept("m") == pytest.approx(place.confidence)
        assert maps["facts"]["regions"]["ambiguous"] == int(np.sum(place.region == "ambiguous"))

    def test_a_file_of_validation_losses(self, ok: Run, web: dict[str, np.ndarray], write: Any) -> None:
        losses = np.column_stack([web[f"loss{step}"] for step in (1, 2, 3)])
        write("val.txt", "3.1\n2.9\n2.2\n")
        ok("value", "points", "web", "--method", "alignment", "--option", "validation=val.txt", "--name", "a")
        assert kept("a") == pytest.approx(loss_drop_alignment(losses, [3.1, 2.9, 2.2]).score)

    def test_probabilities(self, ok: Run, web: dict[str, np.ndarray], tmp_path: Path) -> None:
        table = np.random.default_rng(2).dirichlet(np.ones(CLASSES), size=N)
        np.save(tmp_path / "p.npy", table)
        words = ("--probabilities", "p.npy", "--labels", "y.npy", "--name", "e")
        ok("value", "points", "web", "--method", "el2n", *words)
        assert kept("e") == pytest.approx(el2n(table, np.load("y.npy")))
        assert web

    def test_embeddings_alone(self, ok: Run) -> None:
        X, T = np.load("X.npy").astype(float), np.load("test.npy").astype(float)
        ok("value", "points", "X.npy", "--method", "prototypes", "--option", "k=6", "--name", "p")
        assert kept("p") == pytest.approx(prototype_difficulty(X.astype(np.float32), 6).difficulty, abs=1e-6)
        unit = X / np.linalg.norm(X, axis=1)[:, None]
        asked = T / np.linalg.norm(T, axis=1)[:, None]
        ok("value", "points", "X.npy", "--method", "relevance", "--queries", "test.npy", "--name", "r")
        assert kept("r") == pytest.approx((unit @ asked.T).max(axis=1), abs=1e-6)
        ok("value", "points", "X.npy", "--method", "leverage", "--option", "ridge=2", "--name", "l")
        inverse = np.linalg.inv(unit.T @ unit + 2 * np.eye(unit.shape[1]))
        assert kept("l") == pytest.approx(np.einsum("ij,jk,ik->i", unit, inverse, unit), abs=1e-6)

    def test_sensitivity_needs_the_losses_of_its_centres_only(
        self, ok: Run, refused: Run, write: Callable[[str, str], Path]
    ) -> None:
        def table(known: set[int]) -> str:
            lines = [f"{i},{2 + i / 100 if i in known else ''}" for i in range(N)]
            return "id,nats\n" + "\n".join(lines) + "\n"

        words = ("--set", "s", "--embeddings", "X.npy", "--loss", "loss=nats")
        ok("value", "add", write("none.csv", table(set())), *words)
        settings = ("--method", "sensitivity", "--option", "k=5", "--option", "size=20", "--name", "v")
        err = refused(4, "value", "points", "s", *settings).err
        assert "5 centres of 5 without a loss: measure the examples at positions" in err
        centres = {int(word) for word in err.partition("positions ")[2].partition(".")[0].split(", ")}
        ok("value", "add", write("some.csv", table(centres)), *words, "--replace")
        row = ok("value", "points", "s", *settings).row
        assert kept("v").sum() == pytest.approx(1)
        assert len(row["facts"]["batch"]) == len(row["facts"]["weights"]) == 20
        chances = kept("v")[row["facts"]["batch"]]
        assert row["facts"]["weights"] == pytest.approx((1 / (20 * chances)).tolist())


class TestShards:
    def test_the_same_command_finds_it_done(self, ok: Run) -> None:
        words = ("value", "points", "X.npy", "--method", "leverage", "--shard-rows", 25, "--name", "l")
        first, second = ok(*words).row, ok(*words).row
        assert (first["shards"], first["shards_done_before"], first["complete"]) == (5, 0, True)
        assert second == first | {"shards_done_before": 5}
        assert ask("SELECT count(*), count(sha256) FROM valuation_shards") == [(5, 5)]

    def test_how_rows_are_divided_changes_nothing(self, ok: Run) -> None:
        for method in ("leverage", "prototypes"):
            words = ("value", "points", "X.npy", "--method", method)
            ok(*words, "--name", f"{method}_one")
            ok(*words, "--shard-rows", 17, "--name", f"{method}_many")
            assert kept(f"{method}_many") == pytest.approx(kept(f"{method}_one"), abs=1e-12)

    def test_other_settings_under_the_name_are_refused(self, ok: Run, refused: Run) -> None:
        words = ("value", "points", "X.npy", "--method", "prototypes", "--name", "p")
        ok(*words, "--option", "k=5")
        answer = refused(2, *words, "--option", "k=6")
        assert "A valuation 'p' is there already, and something else is asked for now" in answer.err
        assert "the option k (5, now 6)" in answer.err
        assert ok(*words, "--option", "k=6", "--replace").row["options"]["k"] == 6

    def test_data_that_are_refused_at_once_leave_nothing_and_take_nothing_away(self, ok: Run, refused: Run) -> None:
        words = ("value", "points", "Z.npy", "--method", "relevance", "--queries", "test.npy", "--shard-rows", 50,
                 "--name", "r")  # fmt: skip
        good = np.load("X.npy")
        bad = good.copy()
        bad[3] = 0
        np.save("Z.npy", bad)
        refused(4, *words)
        assert ask("SELECT count(*) FROM valuation_defs") == ask("SELECT count(*) FROM valuation_shards") == [(0,)]
        np.save("Z.npy", good)
        assert ok(*words).row["shards_done_before"] == 0
        before = kept("r")
        np.save("Z.npy", bad)
        refused(4, *words, "--replace")
        assert kept("r").tolist() == before.tolist()
        bad = good.copy()
        bad[-1] = 0  # what comes later is gone on with
        np.save("Z.npy", bad)
        assert run_command(*words, "--replace").code == 4
        assert ask("SELECT count(*), count(sha256) FROM valuation_shards") == [(3, 2)]

    def test_the_unit_is_that_of_the_task(self, ok: Run) -> None:
        words = ("value", "points", "X.npy", "--method", "knn-shapley", *KNN, "--option", "k=2", "--name")
        assert ok(*words, "a").row["unit"] == "share of accuracy"
        assert ok(*words, "b", "--option", "task=regression").row["unit"] == "squared units of the target"

    def test_the_command_that_is_kept_makes_them_again(self, ok: Run) -> None:
        row = ok("value", "points", "X.npy", "--method", "knn-shapley", *KNN, "--option", "k=2", "--name", "s").row
        before = kept("s")
        ok("rm", "valuation", "s")
        ok(*row["command"].split()[1:])
        assert kept("s").tolist() == before.tolist()


class TestKept:
    def test_the_end_has_to_be_said_of_difficulty(self, ok: Run, refused: Run, web: dict[str, np.ndarray]) -> None:
        words = ("value", "points", "web", "--method", "el2n", "--name", "e", "--keep", 0.25)
        assert "Give --end highest or --end lowest" in refused(2, *words).err
        leverage = refused(2, "value", "points", "X.npy", "--method", "leverage", "--name", "l", "--keep", 0.2).err
        assert "high leverage lie in directions that few others have" in leverage
        assert "difficulty" not in leverage
        row = ok(*words, "--end", "lowest", "-o", "easy.txt").row
        losses = np.column_stack([web[f"loss{step}"] for step in (1, 2, 3)])
        assert read_index("easy.txt").tolist() == np.argsort(el2n_from_losses(losses), kind="stable")[:30].tolist()
        assert (row["kept"]["n"], row["kept"]["end"]) == (30, "lowest")

    def test_classes_have_a_floor(self, ok: Run) -> None:
        y = np.load("y.npy")
        row = ok("value", "points", "X.npy", "--method", "leverage", "--name", "l", "--keep", 0.2, "--end", "highest",
                 "--labels", "y.npy", "--floor", 1, "-o", "k.npy").row  # fmt: skip
        counts = np.bincount(y[read_index("k.npy")], minlength=CLASSES)
        assert counts.min() == 4
        assert row["kept"]["classes"] == {str(c): [int(np.sum(y == c)), int(counts[c])] for c in range(CLASSES)}

    def test_refused(self, refused: Run) -> None:
        words = ("value", "points", "X.npy", "--method", "relevance", "--queries", "test.npy", "--name", "r")
        for more, said in (
            (("--keep", 1.5), "is no share"),
            (("--end", "lowest"), "Give --keep SHARE"),
            (("-o", "k.npy"), "Give --keep SHARE"),
            (("--keep", 0.5, "--end", "middle"), "There is no end 'middle'"),
            (("--keep", 0.5, "--floor", 0.5), "--labels is missing"),
            (("--keep", 0.5, "-o", "k.pkl"), "Files of positions end in"),
            (("--option", "k=3"), "has no option 'k'"),
        ):
            assert said in refused(2, *words, *more).err


def test_every_key_is_documented(ok: Run, web: dict[str, np.ndarray]) -> None:
    rows = [
        ok("value", "points", "web", "--method", "color-filter", "--name", "c", "--keep", 0.1).row,
        ok("value", "points", "web", "--method", "jest", "--role", "learner=prior", "--role", "reference=conditional",
           "--name", "j").row,
        ok("value", "points", "web", "--method", "maps", "--name", "m").row,
        ok("value", "points", "web", "--method", "alignment", "--option", "validation=val", "--name", "a").row,
        ok("value", "points", "web", "--method", "forgetting", "--name", "f").row,
        ok("value", "points", "web", "--method", "el2n", "--name", "e").row,
        ok("value", "points", "web", "--method", "prototypes", "--name", "p").row,
        ok("value", "points", "web", "--method", "leverage", "--name", "l").row,
        ok("value", "points", "web", "--method", "relevance", "--queries", "test.npy", "--name", "r").row,
        ok("value", "points", "web", "--method", "knn-shapley", "--labels", "label", "--test", "web", "--name",
           "k").row,
        ok("value", "points", "web", "--method", "sensitivity", "--role", "loss=prior", "--name", "s").row,
    ]  # fmt: skip
    assert keys_of(rows, within=("options", "regions", "classes")) == documented("points")
    assert web


def test_text(ok: Run, web: dict[str, np.ndarray]) -> None:
    words = ("value", "points", "web", "--method", "color-filter", "--name", "c", "--keep", 0.1, "-o", "k.npy")
    text = ok(*words, "--format", "table").out
    assert text.startswith("color_filter of 120 examples of web: prior less conditional loss")
    assert "(nats per token)" in text
    assert "highest:\nposition  example" in text
    assert "kept: 12 examples, the highest 10 %, down to " in text
    assert text.endswith("in SQL: ranked_examples WHERE valuation_name = 'c'\n")
    again = ok(*words, "--format", "table").out
    assert "1 shard, 1 of them done before; kept as the values c" in again
    sheet = ok(*words, "--format", "csv").table
    assert [line["end"] for line in sheet] == ["highest"] * 10 + ["lowest"] * 10
    assert web
