"""Bent lines of appraisals, and rises of imitation, as saved fits: rows, macros, verified, back-tested, removed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaling
from db.backtests import backtest_fit
from db.fits import remove_fit, save_predictions
from db.imitation_fits import answer_imitation
from db.saved import load_fit, rows_by_sql, rows_of, unchanged_rows
from db.store import Store
from db.value_appraisals import appraise_table
from db.verify import verify_fit
from scaling.errors import InputDataError, UsageError
from scaling.valuation import fit_broken_line, fit_imitation, imitation_threshold
from tests.scored_subsets import MAPPING, N, concept_table, concepts, scored, table

ASKED = {
    "performance": "accuracy", "score": ["pushed", "constant"], "size": "size", "random": "random", "id": "name",
    "permutations": 49,
}  # fmt: skip
QUICK: dict[str, Any] = {"bootstrap": 8, "seed": 3}


@pytest.fixture
def subsets(tmp_path: Path) -> str:
    path = tmp_path / "subsets.csv"
    path.write_text(table(), encoding="utf-8")
    return str(path)


@pytest.fixture
def store(new_store: Store) -> Store:
    return new_store


def test_a_bent_line_is_that_of_the_library_with_what_the_detector_found(store: Store, subsets: str) -> None:
    answer = appraise_table(store, subsets, ASKED, name="study", **QUICK)
    [part] = answer.parts
    saved = load_fit(store, "study_pushed")
    found = scored()
    own = fit_broken_line(found["pushed"], found["accuracy"], **QUICK)
    assert saved.fit.estimates == own.estimates
    assert np.array_equal(saved.fit.replicates, own.replicates)
    assert list(part.saved) == ["pushed"], "a score that does not vary has no bent line"
    [detected] = part.appraisal.over_optimised
    record = saved.fit.settings["over_optimisation"]
    assert (record["cap"], record["p_value"], record["reasons"]) == (detected.cap, detected.p_value, ["bend", "z"])
    rows = rows_of(store, saved)
    assert rows.run_ids == tuple(f"s{i}" for i in range(N))
    assert rows.sha256 == rows_by_sql(store, saved).sha256 == saved.data_sha256
    assert verify_fit(store, "study_pushed").status == "identical"
    a, b, c, s0 = (saved.fit.estimates[k] for k in ("a", "b", "c", "s0"))
    [(called,)] = store.query("SELECT study_pushed(15.0)")[1]
    assert called == pytest.approx(a + b * 15 + c * (15 - s0), rel=1e-12)
    words = shlex.split(saved.command)
    assert words[:4] == ["scaling", "value", "appraise", subsets]
    assert words[-2:] == ["--name", "study"]
    assert [words[i + 1] for i, word in enumerate(words) if word == "--score"] == ["pushed", "constant"]


def test_a_back_test_holds_the_highest_scores_out(store: Store, subsets: str) -> None:
    appraise_table(store, subsets, ASKED, name="study", **QUICK)
    saved, held = backtest_fit(store, "study_pushed", bootstrap=0)
    found = scored()
    order = np.sort(found["pushed"])
    assert held.axis == "s"
    assert set(held.compute) == set(order[order > held.cut.min()])
    below = found["pushed"] <= held.cut[0]
    taught = scaling.fit(
        "broken_line", {"s": found["pushed"][below]}, found["accuracy"][below], objective="squared",
        residual="linear", bootstrap=0, seed=3,
    )  # fmt: skip
    at = int(np.argmax(held.compute))
    assert held.predicted[at] == pytest.approx(taught.evaluate({"s": held.compute[at]})[0, 0], rel=1e-6)
    assert load_fit(store, saved.name).fit.backtest is not None


def test_subsets_of_the_commonest_size_that_have_everything_are_the_rows(store: Store, tmp_path: Path) -> None:
    rest = [line.split(",")[5] for line in table().splitlines()[3:]]
    sizes = ["100"] * 60 + ["50"] * 30
    path = tmp_path / "two.csv"
    path.write_text(table({"size": sizes, "accuracy": ["nan", "", *rest]}), encoding="utf-8")
    answer = appraise_table(store, str(path), ASKED, name="two", **QUICK)
    rows = rows_of(store, load_fit(store, "two_pushed"))
    assert rows.run_ids == tuple(f"s{i}" for i in range(2, 60))
    assert rows.reasons() == {"is of another size": 30}
    assert answer.parts[0].appraisal.over_optimised[0].n == 58
    assert verify_fit(store, "two_pushed").status == "identical"


def test_rows_that_changed_or_left_are_told(store: Store, subsets: str) -> None:
    appraise_table(store, subsets, ASKED, name="study", **QUICK)
    store.connection.execute("UPDATE appraisals SET performance = 0.6 WHERE subset_name = 's80'").fetchall()
    assert verify_fit(store, "study_pushed").status == "data changed"
    saved = load_fit(store, "study_pushed")
    with pytest.raises(InputDataError, match="have changed"):
        unchanged_rows(store, saved)
    from db.appraisals import remove_appraisal

    remove_appraisal(store, "study")
    assert verify_fit(store, "study_pushed").status == "data left the store"
    with pytest.raises(InputDataError) as told:
        unchanged_rows(store, saved)
    assert told.value.hint is not None
    assert f"appraise again: {saved.command} --replace" in told.value.hint
    again = appraise_table(store, subsets, ASKED, name="study", replace=True, **QUICK)
    assert verify_fit(store, "study_pushed").status == "identical"
    assert again.parts[0].saved["pushed"].fit.estimates == saved.fit.estimates
    with pytest.raises(UsageError, match="cannot be kept"):
        save_predictions(store, saved, [{"s": 15.0}], saved.fit.predict({"s": [15.0]}))
    remove_fit(store, "study_pushed")
    with pytest.raises(UsageError, match="study_pushed"):
        load_fit(store, "study_pushed")


def test_names_that_are_taken_are_refused_before_anything_is_written(store: Store, subsets: str) -> None:
    appraise_table(store, subsets, ASKED, name="study", **QUICK)
    store.connection.execute("DELETE FROM appraisal_defs").fetchall()
    store.connection.execute("DELETE FROM appraisals").fetchall()
    with pytest.raises(UsageError, match="already has a fit 'study_pushed'"):
        appraise_table(store, subsets, ASKED, name="study", **QUICK)
    assert store.query("SELECT count(*) FROM appraisals")[1] == [(0,)]


@pytest.fixture
def faces(store: Store, tmp_path: Path) -> Store:
    (tmp_path / "concepts.csv").write_text(concept_table(extra=("never,0,0.21",)), encoding="utf-8")
    (tmp_path / "concepts.toml").write_text(MAPPING, encoding="utf-8")
    store.ingest(tmp_path / "concepts.csv", tmp_path / "concepts.toml")
    return store


def test_a_rise_is_that_of_the_library_with_the_change_point_beside_it(faces: Store) -> None:
    asked = {"count": "n_images", "metric": "similarity", "permutations": 49}
    answer = answer_imitation(faces, asked, name="faces", **QUICK)
    counts, scores = concepts()
    saved = load_fit(faces, "faces")
    assert saved.fit.estimates == pytest.approx(fit_imitation(counts, scores, **QUICK).estimates, rel=1e-12)
    own = imitation_threshold(np.append(counts, 0), np.append(scores, 0.21), permutations=49, **QUICK)
    assert answer.threshold.to_dict() == own.to_dict()
    assert saved.fit.settings["imitation_threshold"]["threshold"] == own.threshold
    assert saved.config["notes"] == ["1 concept with a count of 0: part of the change point, not of the rise."]
    assert rows_of(faces, saved).sha256 == rows_by_sql(faces, saved).sha256 == saved.data_sha256
    assert verify_fit(faces, "faces").status == "identical"
    [(called,)] = faces.query("SELECT faces(400)")[1]
    assert called == pytest.approx(saved.fit.evaluate({"n": [400.0]})[0][0], rel=1e-12)
    assert shlex.split(saved.command)[-2:] == ["--name", "faces"]


def test_a_concept_of_a_count_of_0_is_data_of_the_fit_too(faces: Store) -> None:
    answer_imitation(faces, {"count": "n_images", "permutations": 19}, name="faces", **QUICK)
    faces.connection.execute("UPDATE metrics SET value = 0.9 WHERE run_id = 'never'").fetchall()
    assert verify_fit(faces, "faces").status == "data changed"


def test_a_back_test_of_a_rise_holds_out_what_was_seen_most(faces: Store) -> None:
    answer_imitation(faces, {"count": "n_images", "permutations": 19}, name="faces", **QUICK)
    _, held = backtest_fit(faces, "faces", bootstrap=0)
    counts, _ = concepts()
    assert held.axis == "n"
    assert held.compute.max() == counts.max()
    assert np.all(held.compute > held.cut)
