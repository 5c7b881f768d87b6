"""Data that cannot be scored, chosen from or valued: each is said, with where it is and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.valued import N

Run = Callable[..., Any]
KNN = ("--labels", "y.npy", "--test", "test.npy", "--test-labels", "y_test.npy")


@pytest.fixture(autouse=True)
def _examples(web: dict[str, np.ndarray]) -> None:
    assert len(web) == 9


@pytest.fixture
def bad(tmp_path: Path) -> Callable[..., str]:
    """Write embeddings with one cell or row changed."""

    def _bad(row: int, value: float, column: int | None = None, kind: type = np.float32) -> str:
        X = np.load("X.npy").astype(kind)
        X[row, slice(None) if column is None else column] = value
        np.save(tmp_path / "bad.npy", X)
        return "bad.npy"

    return _bad


THREE = (("score",), ("select", "-k", "5"), ("points", "--method", "leverage", "--name", "v"))


@pytest.mark.parametrize("words", THREE, ids=lambda words: words[0])
class TestRows:
    def test_zeros(self, words: tuple[str, ...], bad: Any, refused: Run) -> None:
        err = refused(4, "value", words[0], bad(7, 0), *words[1:]).err
        assert "bad.npy with nothing but zeros, the first is row 7" in err
        assert "Leave them out" in err

    def test_not_a_number(self, words: tuple[str, ...], bad: Any, refused: Run) -> None:
        err = refused(4, "value", words[0], bad(9, np.nan, 3), *words[1:]).err
        assert "bad.npy: row 9 is nan in column 3" in err

    def test_half_precision_that_overflowed(self, words: tuple[str, ...], bad: Any, refused: Run) -> None:
        err = refused(4, "value", words[0], bad(4, np.inf, 2, np.float16), *words[1:]).err
        assert "bad.npy: row 4 is inf in column 2" in err
        assert "float16 ends at 65504: write the embeddings as float32" in err

    def test_no_rows(self, words: tuple[str, ...], tmp_path: Path, refused: Run) -> None:
        np.save(tmp_path / "empty.npy", np.zeros((0, 8), np.float32))
        assert "there is nothing in it" in refused(4, "value", words[0], "empty.npy", *words[1:]).err

    def test_no_file(self, words: tuple[str, ...], refused: Run) -> None:
        assert "nowhere.npy" in refused(4, "value", words[0], "nowhere.npy", *words[1:]).err


def test_duplicates_are_noted(tmp_path: Path, ok: Run) -> None:
    X = np.load("X.npy")
    np.save(tmp_path / "twice.npy", np.vstack([X[:20], X[:6]]))
    score = ok("value", "score", "twice.npy").row
    assert score["notes"] == ["6 rows of what is scored equal to an earlier one: duplicates"]
    assert score["scores"][0]["value"] == 8  # the rank: duplicates add nothing
    notes = ok("value", "select", "twice.npy", "-k", 22, "--objective", "facility_location").row["notes"]
    assert "6 rows of twice.npy equal to an earlier one: duplicates" in notes
    assert "2 members of the set with embeddings that another has too: duplicates" in notes
    np.save(tmp_path / "y26.npy", np.load("y.npy")[[*range(20), *range(6)]])
    row = ok("value", "points", "twice.npy", "--method", "knn-shapley", "--labels", "y26.npy", *KNN[2:], "--name", "k")
    assert "6 rows of twice.npy equal to an earlier one: duplicates" in row.row["notes"]


def test_one_class_is_noted(tmp_path: Path, ok: Run) -> None:
    np.save(tmp_path / "one.npy", np.full(N, 3))
    row = ok("value", "select", "X.npy", "-k", 5, "--labels", "one.npy").row
    assert "all labels are '3': with one class there is nothing to balance" in row["notes"]
    row = ok("value", "points", "X.npy", "--method", "knn-shapley", "--labels", "one.npy", *KNN[2:], "--name", "k").row
    assert "all labels are '3': with one class, examples differ by place alone" in row["notes"]
    share = float(np.mean(np.load("y_test.npy") == 3))
    assert row["facts"]["utility_all"] == pytest.approx(share)


def test_as_many_as_there_are_and_more(ok: Run, refused: Run) -> None:
    row = ok("value", "select", "X.npy", "-k", N, "--objective", "facility_location").row
    assert sorted(row["indices"]) == list(range(N))
    assert row["random"] is None
    assert "no random subsets to compare with: there is one set of this size" in row["notes"]
    err = refused(2, "value", "select", "X.npy", "-k", N + 1).err
    assert "121 are to be chosen, and there are 120 examples in X.npy" in err
    assert "How many to choose is open" in refused(2, "value", "select", "X.npy").err
    assert "0 are to be chosen" in refused(2, "value", "select", "X.npy", "-k", 0).err


def test_a_kernel_that_is_none(tmp_path: Path, refused: Run) -> None:
    K = np.eye(4)
    K[0, 1] = K[1, 0] = 1.5
    np.save(tmp_path / "K.npy", K)
    err = refused(4, "value", "score", "K.npy", "--kernel", "precomputed").err
    assert "not positive semi-definite: its smallest eigenvalue is -0.125, its largest 0.625" in err
    K[1, 0] = 0.2
    np.save(tmp_path / "K.npy", K)
    assert "not symmetric" in refused(4, "value", "score", "K.npy", "--kernel", "precomputed").err
    assert "is square" in refused(2, "value", "score", "X.npy", "--kernel", "precomputed").err


def test_negative_similarities(tmp_path: Path, refused: Run) -> None:
    X = np.load("X.npy")
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    np.save(tmp_path / "S.npy", unit @ unit.T)
    words = ("--objective", "facility_location", "--option", "similarities=S.npy")
    err = refused(4, "value", "select", "X.npy", "-k", 5, *words).err
    assert "goes down to -0." in err
    assert "this objective needs similarities of 0 or more" in err
    np.save(tmp_path / "apart.npy", np.vstack([np.eye(3), -np.eye(3)]))
    words = ("--objective", "leinster_cobbold", "--kernel", "cosine", "--q", "1")
    err = refused(4, "value", "score", "apart.npy", *words).err
    assert "needs similarities that are not negative" in err


@pytest.mark.parametrize("order", ["-1", "nan", "two"])
def test_orders_that_there_are_not(order: str, refused: Run) -> None:
    assert "a number from 0 to infinity is expected" in refused(2, "value", "score", "X.npy", "--q", order).err
    refused(2, "value", "select", "X.npy", "-k", 5, "--option", f"q={order}")


def test_counts_that_differ(tmp_path: Path, ok: Run, refused: Run) -> None:
    np.save(tmp_path / "short.npy", np.zeros(99, int))
    for words in (
        ("select", "X.npy", "-k", 5, "--labels", "short.npy"),
        ("score", "X.npy", "--weights", "short.npy"),
        ("points", "X.npy", "--method", "knn-shapley", "--labels", "short.npy", *KNN[2:], "--name", "v"),
    ):
        err = refused(4, "value", *words).err
        assert "short.npy has 99 values, and there are 120 examples in X.npy" in err
    err = refused(4, "value", "points", "X.npy", "--method", "knn-shapley", *KNN[:4], "--test-labels", "short.npy",
                  "--name", "v").err  # fmt: skip
    assert "short.npy has 99 values, and there are 30 examples in test.npy" in err
    np.save(tmp_path / "wide.npy", np.zeros((3, 5), np.float32) + 1)
    err = refused(4, "value", "points", "X.npy", "--method", "relevance", "--queries", "wide.npy", "--name", "v").err
    assert "ueries has 5 columns and the shards have 8" in err
    np.save(tmp_path / "far.npy", np.array([3, N]))
    assert (
        "has position 120, and X.npy has 120 examples"
        in refused(4, "value", "score", "X.npy", "--subset", "far.npy").err
    )
    np.save(tmp_path / "double.npy", np.array([3, 3]))
    assert "names an example twice" in refused(4, "value", "score", "X.npy", "--subset", "double.npy").err


def test_what_fails_leaves_no_store_where_there_was_none(bad: Any, run: Run) -> None:
    Path("scaling.duckdb").unlink()
    file = bad(7, 0)
    for words in (
        ("points", file, "--method", "leverage", "--name", "v"),
        ("select", file, "-k", 5, "--name", "s"),
        ("add", "examples.csv", "--set", "web", "--label", "none"),
    ):
        assert run("value", *words).code in (2, 4)
        assert list(Path().glob("*.duckdb*")) == []
    assert run("value", "select", "X.npy", "-k", 5, "--name", "s").code == 0
    assert run("value", "select", file, "-k", 5, "--name", "t").code == 4
    assert Path("scaling.duckdb").exists()


def test_a_subset_that_is_nowhere(refused: Run) -> None:
    assert "no subset 'fourty'" in refused(2, "value", "score", "X.npy", "--subset", "fourty").err
    Path("scaling.duckdb").unlink()
    err = refused(4, "value", "score", "X.npy", "--subset", "fourty").err
    assert "no store to look for a subset of that name in" in err


def test_the_floor_is_checked_before_anything_is_valued(tmp_path: Path, refused: Run) -> None:
    np.save(tmp_path / "short.npy", np.zeros(9, int))
    words = ("--method", "leverage", "--name", "v", "--keep", 0.5, "--end", "highest", "--floor", 0.5)
    err = refused(4, "value", "points", "X.npy", *words, "--labels", "short.npy").err
    assert "short.npy has 9 values, and there are 120 examples" in err


def test_what_is_missing_is_named(ok: Run, refused: Run) -> None:
    assert "--labels is missing" in refused(2, "value", "points", "X.npy", "--method", "knn-shapley", "--name", "v").err
    assert "--queries is missing" in refused(2, "value", "points", "X.npy", "--method", "relevance", "--name", "v").err
    assert (
        "There is no method 'knn-shaply'"
        in refused(2, "value", "points", "X.npy", "--method", "knn-shaply", "--name", "v").err
    )
    ok("value", "add", "examples.csv", "--set", "bare")
    assert "The set 'bare' has no embeddings" in refused(2, "value", "score", "bare").err
    err = refused(2, "value", "points", "bare", "--method", "color-filter", "--name", "v").err
    assert "has no losses of the role 'prior'" in err
    assert "--role prior=ROLE" in err
    assert (
        "the set 'bare' has no column 'colour'"
        in refused(
            2,
            "value",
            "points",
            "bare",
            "--method",
            "el2n",
            "--probabilities",
            "X.npy",
            "--labels",
            "colour",
            "--name",
            "v",
        ).err
    )


def test_labels_from_columns(tmp_path: Path, ok: Run, refused: Run, write: Callable[[str, str], Path]) -> None:
    y = np.load("y.npy")
    write("y.csv", "id,kind,label\n" + "".join(f"{i},k,{c}\n" for i, c in enumerate(y)))
    write("two.csv", "id,kind\n" + "".join(f"{i},{c}\n" for i, c in enumerate(y)))
    one = ok("value", "select", "X.npy", "-k", 6, "--labels", "y.npy").row
    assert ok("value", "select", "X.npy", "-k", 6, "--labels", "y.csv").row["indices"] == one["indices"]
    assert ok("value", "select", "X.npy", "-k", 6, "--labels", "two.csv:kind").row["indices"] == one["indices"]
    err = refused(2, "value", "select", "X.npy", "-k", 6, "--labels", "two.csv").err
    assert "several columns, and none is called 'label'" in err
    write("gap.csv", "label\n" + "".join(f"{'' if i == 5 else c}\n" for i, c in enumerate(y)).replace("\n\n", '\n""\n'))
    assert "row 6 of gap.csv has no label" in refused(4, "value", "select", "X.npy", "-k", 6, "--labels", "gap.csv").err
    assert "there is no file 'kind'" in refused(4, "value", "select", "X.npy", "-k", 6, "--labels", "kind").err


def test_parquet_with_its_labels_beside_the_embeddings(tmp_path: Path, ok: Run) -> None:
    import duckdb

    X, y = np.load("X.npy"), np.load("y.npy")
    rows = [(i, X[i].tolist(), f"c{y[i]}") for i in range(N)]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (id INTEGER, vector FLOAT[], kind VARCHAR)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.execute("COPY (SELECT * FROM t ORDER BY id) TO 'X.parquet'")
    row = ok("value", "select", "X.parquet", "-k", 6, "--labels", "kind").row
    assert row["indices"] == ok("value", "select", "X.npy", "-k", 6, "--labels", "y.npy").row["indices"]
    assert row["embeddings_columns"] == ["vector"]
