"""scaling value select: the part that is chosen, what is certain of it, random parts beside it, and where it goes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.index_files import read_index
from scaling.valuation import select
from tests.cli.valued import M, N, documented, keys_of

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _examples(web: dict[str, np.ndarray]) -> None:
    assert len(web) == 9


def ask(sql: str) -> list[tuple[Any, ...]]:
    """Ask the store itself."""
    import duckdb

    with duckdb.connect("scaling.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_choice_is_that_of_the_library(ok: Run) -> None:
    row = ok("value", "select", "X.npy", "-k", 12, "--objective", "vendi", "--option", "q=2").row
    same = select(np.load("X.npy"), 12, "vendi", q=2.0)
    assert row["indices"] == same.indices.tolist()
    assert row["gains"] == pytest.approx(same.gains.tolist(), rel=1e-12)
    assert row["certificate"]["share"] == pytest.approx(same.certificate.share, rel=1e-12)
    assert row["guarantee"]["why"] == same.guarantee.why
    assert row["first"][3] == {
        "rank": 3, "position": int(same.indices[3]), "example_id": None, "gain": pytest.approx(same.gains[3]),
        "share": pytest.approx(same.gains[:4].sum() / same.gains.sum()),
    }  # fmt: skip
    assert (row["name"], row["output"], row["streamed"]) == (None, None, False)
    assert row["z"] > 3


def test_every_key_is_documented(ok: Run) -> None:
    row = ok("value", "select", "web", "-k", 8, "--objective", "facility_location", "--worth", "--name", "fl").row
    assert keys_of(row, within=("options",)) == documented("select")


def test_people_read_certificate_guarantee_reason_and_first_members(ok: Run) -> None:
    text = ok("value", "select", "X.npy", "-k", 12, "--objective", "facility_location", "--format", "table").out
    assert text.startswith("12 of 120 examples of X.npy by facility_location, lazy, seed 0")
    assert "certificate: at least 9" in text
    assert "guarantee: submodular; at least 63.2 % of the optimum, on any data" in text
    assert "  why: what a better match adds shrinks as matches improve" in text
    assert "random: 30 draws of subsets of 12" in text
    assert "and 2 more members" in text


def test_a_sheet_holds_every_member_with_all_digits(ok: Run) -> None:
    words = ("value", "select", "web", "-k", 12, "--objective", "facility_location")
    row, sheet = ok(*words).row, ok(*words, "--format", "csv").table
    assert [int(line["position"]) for line in sheet] == row["indices"]
    assert [line["rank"] for line in sheet] == [str(i) for i in range(12)]
    assert [float(line["gain"]) for line in sheet] == row["gains"]
    assert float(sheet[-1]["share"]) == pytest.approx(1, rel=1e-12)
    assert [line["example_id"] for line in sheet[:10]] == [entry["example_id"] for entry in row["first"]]


def test_where_nothing_is_promised_the_reason_stands(ok: Run) -> None:
    text = ok("value", "select", "X.npy", "-k", 5, "--objective", "k_center", "--format", "table").out
    assert "guarantee: no guarantee; the objective promises nothing of its gains" in text
    assert "  why: the largest distance is not submodular" in text
    assert "certificate: none: " in text
    text = ok("value", "select", "X.npy", "-k", 5, "--objective", "dpp", "--format", "table").out
    assert "guarantee: submodular, not monotone; nothing is promised here: the objective is not monotone" in text
    text = ok("value", "select", "X.npy", "-k", 5, "--method", "random", "--format", "table").out
    assert "guarantee: submodular; nothing is promised here: members were drawn at random" in text


def test_the_file_and_the_rows_of_the_store(ok: Run) -> None:
    row = ok("value", "select", "web", "-k", 9, "--name", "nine", "-o", "nine.csv", "--seed", 4).row
    assert read_index("nine.csv").tolist() == row["indices"]
    assert ask("SELECT position FROM subset_members WHERE subset_name = 'nine' ORDER BY rank") == [
        (index,) for index in row["indices"]
    ]
    [(set_name, size, objective, seed, is_random, command)] = ask(
        "SELECT set_name, size, objective, seed, is_random, command FROM subsets"
    )
    assert (set_name, size, objective, seed, is_random) == ("web", 9, "vendi", 4, False)
    assert command == row["command"] == "scaling value select web -k 9 --seed 4 --name nine"
    assert row["first"][0]["example_id"] == f"e{row['indices'][0]}"
    again = ok(*command.split()[1:], "--replace").row
    assert (again["indices"], again["inputs_sha256"]) == (row["indices"], row["inputs_sha256"])


def test_a_name_that_is_taken_is_refused_before_anything_is_chosen(ok: Run, refused: Run) -> None:
    ok("value", "select", "X.npy", "-k", 5, "--name", "five", "--baseline", 0)
    answer = refused(2, "value", "select", "X.npy", "-k", 6, "--name", "five")
    assert "There is a subset 'five' already, of 5 examples by vendi" in answer.err
    assert "--replace" in answer.err
    ok("value", "select", "X.npy", "-k", 6, "--name", "five", "--baseline", 0, "--replace")
    assert ask("SELECT size FROM subsets") == [(6,)]


def test_classes_and_caps(ok: Run) -> None:
    y = np.load("y.npy")
    row = ok("value", "select", "X.npy", "-k", 12, "--labels", "y.npy").row
    assert set(Counter(y[row["indices"]].tolist()).values()) == {2}
    assert row["random"]["balanced"] is True
    row = ok("value", "select", "X.npy", "-k", 12, "--labels", "y.npy", "--per-class", 3).row
    assert max(Counter(y[row["indices"]].tolist()).values()) <= 3
    row = ok("value", "select", "X.npy", "-k", 12, "--labels", "y.npy", "--cap", "2=0").row
    assert 2 not in y[row["indices"]]


def test_a_budget(ok: Run) -> None:
    row = ok("value", "select", "web", "--costs", "cost", "--budget", 300, "--objective", "facility_location").row
    spent = ask(f"SELECT sum(cost) FROM examples WHERE position IN ({', '.join(map(str, row['indices']))})")[0][0]
    assert 200 < spent <= 300
    assert row["options"]["budget"] == 300
    assert "it is compared with random subsets within the same budget" in row["notes"]


def test_queries_and_what_is_represented_come_from_files(ok: Run) -> None:
    X, T = np.load("X.npy"), np.load("test.npy")
    row = ok("value", "select", "X.npy", "-k", 7, "--objective", "flqmi", "--queries", "test.npy").row
    assert row["indices"] == select(X, 7, "flqmi", queries=T).indices.tolist()
    row = ok("value", "select", "X.npy", "-k", 7, "--objective", "facility_location", "--represent", "test.npy").row
    assert row["indices"] == select(X, 7, "facility_location", represent=T).indices.tolist()


def test_what_it_is_worth_in_random_examples(ok: Run) -> None:
    row = ok("value", "select", "X.npy", "-k", 10, "--objective", "facility_location", "--worth").row
    assert row["worth"]["size"] > 12
    low, high = row["worth"]["interval"]
    assert low <= row["worth"]["size"] <= high
    drawn = ok("value", "select", "X.npy", "-k", 10, "--objective", "facility_location", "--worth", "--method",
               "random", "--seed", 1).row  # fmt: skip
    assert drawn["worth"]["size"] < row["worth"]["size"]
    assert abs(drawn["z"]) < 3


def test_a_random_choice_is_kept_as_one(ok: Run) -> None:
    row = ok("value", "select", "web", "-k", 12, "--method", "random", "--labels", "label", "--name", "r1").row
    assert set(Counter(np.load("y.npy")[row["indices"]].tolist()).values()) == {2}
    assert row["certificate"]["share"] is None
    assert ask("SELECT is_random, method FROM subsets") == [(True, "random")]


def test_shards_that_do_not_fit_are_streamed(ok: Run, tmp_path: Path) -> None:
    X = np.load("X.npy")
    folder = tmp_path / "shards"
    folder.mkdir()
    for i, part in enumerate(np.array_split(X, 3)):
        np.save(folder / f"part-{i}.npy", part)
    whole = ok("value", "select", "X.npy", "-k", 8).row
    row = ok("value", "select", "shards", "-k", 8, "--memory-gib", 1e-6).row
    assert (row["streamed"], row["options"]["shards"], row["n"]) == (True, 3, N)
    assert any("would not fit" in note for note in row["notes"])
    assert row["score"] > 0.9 * whole["score"]
    assert row["certificate"]["share"] * row["certificate"]["upper"] == pytest.approx(row["value"], rel=1e-3)
    sieved = ok("value", "select", "shards", "-k", 8, "--stream", "--method", "sieve").row
    assert sieved["method"] == "sieve over shards"
    sampled = ok("value", "select", "shards", "-k", 8, "--stream", "--objective", "facility_location").row
    assert any("sample of 120 rows" in note for note in sampled["notes"])
    # The sample is all rows here, so the score is that over all of them.
    best = np.max((1 + _cosines(X)[:, sampled["indices"]]) / 2, axis=1).mean()
    assert sampled["score"] == pytest.approx(best, rel=1e-5)
    assert sampled["first"][0]["gain"] > 0


def _cosines(X: np.ndarray) -> np.ndarray:
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    assert unit.shape == (N, M)
    return unit @ unit.T


def test_settings_that_do_not_go_together(refused: Run) -> None:
    for words, said in (
        (("--stream", "--labels", "y.npy"), "have no place for labels"),
        (("--method", "random", "--swaps", 3), "'random' has no place for swaps"),
        (("--method", "lazzy"), "Did you mean 'lazy'?"),
        (("--per-class", 2), "abels are missing"),
        (("-o", "chosen.pkl"), "Files of positions end in"),
        (("-o", "no/such/chosen.npy"), "There is no folder"),
        (("--labels", "y.npy", "--cap", "2=many"), "a whole number of members is expected"),
        (("--option", "q=1", "--option", "q=2"), "--option gives 'q' twice"),
        (("--option", "exact=perhaps"), "yes or no is expected"),
        (("--option", "first=1.5"), "a whole number is expected"),
    ):
        assert said in refused(2, "value", "select", "X.npy", "-k", 6, *words).err


def test_orders_that_no_mixture_represents_are_exact_and_say_so(ok: Run) -> None:
    row = ok("value", "select", "X.npy", "-k", 4, "--option", "q=0.05", "--baseline", 0).row
    assert any("no mixture of log-determinants represents" in note for note in row["notes"])
    assert row["options"]["gains"] == "eigenvalues"
    assert math.isclose(row["score"], select(np.load("X.npy"), 4, q=0.05, exact=True).score, rel_tol=1e-9)
