"""scaling value objectives and score: every number has what it needs to be compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.valuation import vendi
from scaling.valuation.catalogue import OBJECTIVES
from tests.cli.valued import N, documented, keys_of

Run = Callable[..., Any]
SUBSET = [5, 17, 3, 60, 90, 41]


@pytest.fixture(autouse=True)
def _examples(examples: Path) -> None:
    np.save(examples / "chosen.npy", np.array(SUBSET))


class TestObjectives:
    def test_all_are_listed_with_what_they_promise_and_why(self, ok: Run) -> None:
        rows = ok("value", "objectives").rows
        assert [row["objective"] for row in rows] == list(OBJECTIVES)
        assert keys_of(rows) == documented("objectives")
        kinds = {row["objective"]: row["guarantee"]["kind"] for row in rows}
        assert (kinds["vendi"], kinds["a_optimal"], kinds["g_optimal"]) == ("submodular", "weak", "none")
        assert all(row["guarantee"]["why"] for row in rows)
        assert {row["objective"]: row["guarantee"]["greedy_share"] for row in rows}["facility_location"] == (
            pytest.approx(1 - math.exp(-1))
        )

    def test_people_read_the_reason(self, ok: Run) -> None:
        text = ok("value", "objectives", "facility_location", "--format", "table").out
        assert "guarantee: submodular; a greedy set has at least 63.2 % of the optimum" in text
        assert "why: what a better match adds shrinks as matches improve" in text
        assert "neighbours" in text
        sheet = ok("value", "objectives", "--format", "csv").table
        assert [row["objective"] for row in sheet] == list(OBJECTIVES)
        assert all(row["why"] for row in sheet)
        for line, row in zip(sheet, ok("value", "objectives").rows, strict=True):
            share, kind = row["guarantee"]["greedy_share"], row["guarantee"]["kind"]
            assert (line["kind"], line["greedy_share"]) == (kind, "" if share is None else repr(share))

    def test_options_and_the_size_change_what_is_promised(self, ok: Run) -> None:
        cubic = ok("value", "objectives", "vendi", "--option", "q=3").row["guarantee"]
        assert (cubic["kind"], cubic["greedy_share"]) == ("none", None)
        assert "powers above 2" in cubic["why"]
        ratios = [ok("value", "objectives", "a_optimal", "-k", k).row["guarantee"]["ratio"] for k in (2, 6, 50)]
        assert ratios == sorted(ratios, reverse=True)
        assert ratios[0] > 2 * ratios[-1]

    def test_needs(self, ok: Run) -> None:
        rows = {row["objective"]: row["needs"] for row in ok("value", "objectives").rows}
        assert [entry["option"] for entry in rows["flqmi"]] == ["queries"]
        assert [entry["option"] for entry in rows["law_value"]] == ["tokens"]
        assert rows["vendi"] == []

    def test_refused(self, refused: Run) -> None:
        assert "Did you mean 'vendi'?" in refused(2, "value", "objectives", "vendy").err
        assert "Options belong to one objective" in refused(2, "value", "objectives", "--option", "q=1").err
        assert "no option 'queries'" in refused(2, "value", "objectives", "vendi", "--option", "queries=test.npy").err


class TestScore:
    def test_all_examples_by_orders(self, ok: Run) -> None:
        row = ok("value", "score", "X.npy").row
        assert [score["order"] for score in row["scores"]] == [0, 0.5, 1, 2, "inf"]
        X = np.load("X.npy")
        assert [score["value"] for score in row["scores"]] == pytest.approx(
            [vendi(X, q) for q in (0, 0.5, 1, 2, "inf")], rel=1e-12
        )
        assert (row["n"], row["size"], row["subset"], row["dtype"]) == (N, N, None, "float32")
        assert row["embeddings"] == str(Path("X.npy").resolve())
        assert all(score["random"] is None and score["z"] is None for score in row["scores"])

    def test_a_subset_stands_beside_random_ones(self, ok: Run) -> None:
        row = ok("value", "score", "X.npy", "--subset", "chosen.npy", "--q", "1", "--baseline", 40, "--seed", 3).row
        [score] = row["scores"]
        X = np.load("X.npy")
        assert score["value"] == pytest.approx(vendi(X[np.sort(SUBSET)]), rel=1e-9)
        children = np.random.SeedSequence(3).spawn(40)
        drawn = [np.sort(np.random.default_rng(child).choice(N, len(SUBSET), replace=False)) for child in children]
        values = np.array([vendi(X[at]) for at in drawn])
        assert score["random"]["mean"] == pytest.approx(values.mean(), rel=1e-9)
        assert score["random"]["sd"] == pytest.approx(values.std(ddof=1), rel=1e-9)
        assert score["z"] == pytest.approx((score["value"] - values.mean()) / values.std(ddof=1), rel=1e-6)
        assert (score["n"], score["random"]["draws"], score["random"]["balanced"]) == (6, 40, False)

    def test_every_key_is_documented(self, ok: Run) -> None:
        row = ok("value", "score", "X.npy", "--subset", "chosen.npy", "--all", "--baseline", 10).row
        assert keys_of(row) == documented("score")

    def test_all_says_what_it_leaves_out(self, ok: Run) -> None:
        row = ok("value", "score", "X.npy", "--subset", "chosen.npy", "--all", "--baseline", 0).row
        scored = {score["objective"] for score in row["scores"]}
        left = {note.partition(": ")[2].partition(".")[0] for note in row["notes"] if note.startswith("left out")}
        assert {"vendi", "log_det", "facility_location", "a_optimal", "leinster_cobbold"} <= scored
        assert {"flqmi", "gio", "set_cover", "law_value"} <= left
        assert scored | left >= set(OBJECTIVES)
        assert not scored & left

    def test_weights_and_kernels_are_said(self, ok: Run, tmp_path: Path) -> None:
        weights = np.arange(1, N + 1, dtype=float)
        np.save(tmp_path / "w.npy", weights)
        row = ok("value", "score", "X.npy", "--weights", "w.npy", "--q", "2", "--kernel", "linear").row
        [score] = row["scores"]
        X = np.load("X.npy")
        assert score["value"] == pytest.approx(vendi(X, 2, weights, kernel="linear"), rel=1e-12)
        assert (row["weighted"], score["kernel"]) == (True, "linear")
        assert score["normalisation"] == "divided by the mean squared length of rows"
        approximate = ok("value", "score", "X.npy", "--landmarks", 20, "--q", "1").row["scores"][0]
        assert approximate["value"] == pytest.approx(vendi(X, landmarks=20), rel=1e-12)
        assert "20 landmarks, seed 0" in approximate["method"]

    @pytest.mark.usefixtures("web")
    def test_a_subset_and_a_set_of_the_store(self, ok: Run, refused: Run) -> None:
        ok("value", "select", "web", "-k", 6, "--name", "six", "--baseline", 0)
        row = ok("value", "score", "web", "--subset", "six", "--labels", "label", "--q", "1").row
        assert (row["set_name"], row["size"]) == ("web", 6)
        assert row["scores"][0]["random"]["balanced"] is True
        assert "is of the set 'web', not of X.npy" in refused(2, "value", "score", "X.npy", "--subset", "six").err

    def test_text(self, ok: Run) -> None:
        text = ok("value", "score", "X.npy", "--subset", "chosen.npy", "--baseline", 20, "--format", "table").out
        assert text.startswith("6 examples (chosen.npy) of 120 in X.npy; embeddings ")
        assert "kernel cosine, rows of length one" in text
        assert "random: 20 draws of subsets of 6, seed 0" in text
        sheet = ok("value", "score", "X.npy", "--format", "csv").table
        assert [line["order"] for line in sheet] == ["0.0", "0.5", "1.0", "2.0", "inf"]

    def test_a_sheet_has_what_the_object_has(self, ok: Run) -> None:
        words = ("value", "score", "X.npy", "--subset", "chosen.npy", "--baseline", 20)
        scores, sheet = ok(*words).row["scores"], ok(*words, "--format", "csv").table
        assert [float(line["value"]) for line in sheet] == [score["value"] for score in scores]
        assert [float(line["random_mean"]) for line in sheet] == [score["random"]["mean"] for score in scores]
        assert [float(line["random_high"]) for line in sheet] == [score["random"]["high"] for score in scores]

    def test_the_whole_is_compared_with_nothing(self, ok: Run, tmp_path: Path) -> None:
        np.save(tmp_path / "all.npy", np.arange(N)[::-1])
        row = ok("value", "score", "X.npy", "--subset", "all.npy", "--q", "1").row
        assert row["scores"][0]["value"] == pytest.approx(vendi(np.load("X.npy")), rel=1e-9)
        assert row["scores"][0]["random"] is None
        assert row["notes"] == ["the subset is all examples: there is no other of its size, so no random one to "
                                "compare with"]  # fmt: skip
