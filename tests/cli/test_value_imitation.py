"""Imitation thresholds on the command line: what is printed, saved, documented and refused."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.valuation import fit_imitation, imitation_threshold
from tests.scored_subsets import MAPPING, QUICK, concept_table, concepts, documented

Run = Callable[..., Any]
Write = Callable[[str, str], Path]
IMITATION = ("value", "imitation", "--count", "n_images", "--metric", "similarity", *QUICK)
OTHERS = ("never,0,0.21", "lost,,0.3", "bad,40,nan")


@pytest.fixture
def read(write: Write, ok: Run) -> Callable[..., None]:
    """Read concepts into the store."""

    def _read(text: str) -> None:
        ok("ingest", write("concepts.csv", text), "--mapping", write("concepts.toml", MAPPING))

    return _read


def test_what_is_printed_is_documented_and_is_that_of_the_library(read: Any, ok: Run) -> None:
    read(concept_table(extra=OTHERS))
    row = ok(*IMITATION, "--name", "faces").row
    assert set(row) == documented("imitation")
    counts, scores = concepts()
    own = imitation_threshold(np.append(counts, 0), np.append(scores, 0.21), bootstrap=12, permutations=49)
    for key, value in own.to_dict().items():
        assert row[key] == value
    assert row["threshold"] == counts[counts >= 300].min()
    rise = fit_imitation(counts, scores, bootstrap=12)
    assert {name: one["estimate"] for name, one in row["rise"].items()} == pytest.approx(rise.estimates, rel=1e-9)
    assert row["excluded"] == {
        "has no number of 0 or above in the column n_images": 1, "the score is nan": 1
    }  # fmt: skip
    assert (row["name"], row["count"], row["metric"], row["warnings"]) == ("faces", "n_images", "similarity", [])
    text = ok(*IMITATION, "--name", "faces", "--replace", "--format", "table").out
    low, high = (f"{end:.4g}" for end in own.interval)
    assert f"Imitation threshold {own.threshold:.0f} (95 % interval {low} to {high})" in text
    assert "smooth rise: half way at" in text
    assert "in SQL: faces(n_images)" in text
    again = ok(*shlex.split(row["command"])[1:], "--replace").row
    assert {k: v for k, v in again.items() if k != "fit_id"} == {k: v for k, v in row.items() if k != "fit_id"}


def test_a_condition_and_settings_come_back_in_the_command(read: Any, ok: Run) -> None:
    read(concept_table())
    row = ok(*IMITATION, "--where", "n_images < 2000", "--min-size", "8", "--penalty", "0.05", "--name", "part").row
    counts, scores = concepts()
    own = imitation_threshold(
        counts[counts < 2000], scores[counts < 2000], min_size=8, penalty=0.05, bootstrap=12, permutations=49
    )
    assert (row["n"], row["threshold"], row["penalty"]) == (int((counts < 2000).sum()), own.threshold, 0.05)
    words = shlex.split(row["command"])
    assert words[words.index("--where") + 1] == "n_images < 2000"
    assert words[words.index("--min-size") + 1] == "8"


def test_without_a_break_it_says_so_and_can_fail(read: Any, ok: Run, run: Run) -> None:
    read(concept_table(jump=0))
    row = ok(*IMITATION, "--name", "flat").row
    assert row["p_value"] > 0.05
    assert row["threshold"] is None
    assert row["warnings"][0].startswith("scores in any other order break as much with a chance of")
    answer = run(*IMITATION, "--name", "flat", "--replace", "--format", "table", "--fail-on", "no-break")
    assert "No imitation threshold: the scores of 60 concepts are one stretch" in answer.out
    assert "warning: scores in any other order" in answer.out
    assert answer.code == 1
    assert "Scores in any other order break as much" in answer.err
    assert run(*IMITATION, "--fail-on", "weak").code == 2


def test_with_a_break_nothing_fails(read: Any, ok: Run) -> None:
    read(concept_table())
    sheet = ok(*IMITATION, "--fail-on", "no-break", "--format", "csv").table
    counts, _ = concepts()
    assert [float(line["count"]) for line in sheet] == np.unique(counts).tolist()
    assert np.all(np.diff([float(line["score"]) for line in sheet]) >= 0)


def test_what_makes_no_sense_is_refused(read: Any, refused: Run, ok: Run) -> None:
    read(concept_table(extra=OTHERS))
    for code, words, message in (
        (2, ("value", "imitation"), "counts the training examples of a concept is not said"),
        (2, ("value", "imitation", "--count", "n_image"), "n_images"),
        (2, (*IMITATION[:-4], "--metric", "similarty"), "similarity"),
        (4, (*IMITATION, "--where", "n_images < 0"), "No run of the store is selected"),
        (4, (*IMITATION, "--where", "n_images < 15"), "no threshold can be told from fewer than 12"),
        (4, (*IMITATION, "--where", "run_id = 'lost'"), "No run that is selected is a concept"),
        (2, (*IMITATION, "--name", "no name"), "no name"),
        (2, (*IMITATION, "--level", "2"), "2"),
    ):
        assert message in refused(code, *words).err, words
    ok(*IMITATION, "--name", "faces")
    assert "already has a fit 'faces'" in refused(2, *IMITATION, "--name", "faces").err


def test_scores_that_are_all_the_same_and_one_count_are_refused(read: Any, refused: Run) -> None:
    lines = "concept,n_images,similarity\n" + "".join(f"c{i},{i + 1},0.5\n" for i in range(20))
    read(lines)
    assert "All concepts have the score 0.5000: nothing sets in" in refused(4, *IMITATION).err
    lines = "concept,n_images,similarity\n" + "".join(f"d{i},7,{i / 20}\n" for i in range(20))
    read(lines)
    assert "All concepts have the count 7" in refused(4, *IMITATION, "--where", "run_id LIKE 'd%'").err
