"""Fits whose rows are worked out of curves: selected, verified and saved through the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import batch_answers, batch_laws, batch_steps, kinds
from db.batch_law_answers import fit_batch_law
from db.fits import remove_fit
from db.saved import load_fit, rows_by_sql, rows_of, unchanged_rows
from db.store import Store
from db.verify import verify_fit
from scaling.errors import InputDataError, UsageError
from tests.batch_sweeps import TARGET, curve_lines, steps_of, text_of, truth

QUICK = {"bootstrap": 20, "seed": 5}
ASKED = {"target": TARGET}


@pytest.fixture
def sweeps(tmp_path: Path) -> Iterator[Store]:
    """A store with the sweeps of three sizes."""
    log = tmp_path / "sweeps.csv"
    log.write_text(text_of(curve_lines(sizes=(1e8, 2e8, 4e8))), encoding="utf-8")
    with Store() as opened:
        opened.ingest(log)
        yield opened


def add(store: Store, tmp_path: Path, lines: list[str]) -> None:
    log = tmp_path / "more.csv"
    log.write_text(text_of(lines), encoding="utf-8")
    store.ingest(log)


def test_rows_are_the_cells_and_runs_are_their_members(sweeps: Store) -> None:
    asked = batch_steps.with_batch(sweeps, {**batch_steps.USUAL, **ASKED, "where": "n_params = 2e8"})
    assert (asked["batch"], asked["batch_unit"]) == ("batch_size_seqs", "sequences")
    rows = kinds.select_rows(sweeps, "steps", asked)
    assert rows.run_ids == tuple(f"n200-b{b}-lr0.001" for b in (64, 128, 256, 512, 1024, 2048, 4096))
    assert rows.observed == pytest.approx([steps_of(2e8, b) for b in rows.inputs["B"]], rel=4e-3)
    assert len(rows.runs) == 21
    assert rows.members is not None
    assert rows.members[0] == ("n200-b64-lr0.0005", "n200-b64-lr0.001", "n200-b64-lr0.002")


def test_both_ways_back_to_the_rows_are_the_same(sweeps: Store) -> None:
    [one], _ = batch_answers.fit_sweeps(sweeps, {**ASKED, "where": "n_params = 2e8"}, name="s", **QUICK)
    asked, by_sql = rows_of(sweeps, one.saved), rows_by_sql(sweeps, one.saved)
    assert asked.sha256 == by_sql.sha256 == one.saved.data_sha256
    loaded = batch_answers.load_steps(sweeps, "s")
    assert loaded.steps.estimates == one.steps.estimates
    assert loaded.steps.critical_batch().to_dict() == one.steps.critical_batch().to_dict()
    assert loaded.steps.critical_batch(method="bootstrap").low == one.steps.critical_batch(method="bootstrap").low


def test_a_better_run_that_came_later_changes_the_rows(sweeps: Store, tmp_path: Path) -> None:
    batch_answers.fit_sweeps(sweeps, {**ASKED, "where": "n_params = 2e8"}, name="s", **QUICK)
    assert verify_fit(sweeps, "s").status == "identical"
    add(sweeps, tmp_path, ["run_id,N,batch_size_seqs,lr,step,loss", "slow,2e8,64,0.01,10,4", "slow,2e8,64,0.01,20,3.9"])
    assert verify_fit(sweeps, "s").status == "identical"  # it does not win
    better = round(0.5 * steps_of(2e8, 256))
    lines = [f"fast,2e8,256,0.003,{step},{TARGET * (better / step) ** 0.1:.9g}" for step in (50, better, 2 * better)]
    add(sweeps, tmp_path, ["run_id,N,batch_size_seqs,lr,step,loss", *lines])
    assert verify_fit(sweeps, "s").status == "data changed"
    with pytest.raises(InputDataError, match="have changed since"):
        unchanged_rows(sweeps, load_fit(sweeps, "s"))


def test_a_sweep_that_cannot_be_fitted_does_not_stop_the_others(sweeps: Store) -> None:
    where = "n_params > 1e8 OR batch_size_seqs = 64"
    made, failures = batch_answers.fit_sweeps(sweeps, {**ASKED, "by": "n_params", "where": where}, name="s", **QUICK)
    assert [one.saved.name for one in made] == ["s_200m", "s_400m"]
    assert list(failures) == ["100000000.0"]
    assert "one batch size" in str(failures["100000000.0"])
    with pytest.raises(InputDataError, match="None of the 3 values of n_params can be fitted"):
        batch_answers.fit_sweeps(sweeps, {**ASKED, "by": "n_params", "where": "batch_size_seqs = 64"}, **QUICK)


def test_fits_that_belong_together_are_saved_together_or_not_at_all(sweeps: Store) -> None:
    asked = {**ASKED, "by": "n_params"}
    batch_answers.fit_sweeps(sweeps, {**ASKED, "where": "n_params = 4e8"}, name="s_400m", **QUICK)
    before = sweeps.query("SELECT name, fit_id FROM fits")[1]
    with pytest.raises(UsageError, match="already has a fit 's_400m'"):
        batch_answers.fit_sweeps(sweeps, asked, name="s", **QUICK)
    assert sweeps.query("SELECT name, fit_id FROM fits")[1] == before
    made, _ = batch_answers.fit_sweeps(sweeps, asked, name="s", replace=True, **QUICK)
    assert [one.saved.name for one in made] == ["s_100m", "s_200m", "s_400m"]
    names = sweeps.query("SELECT name, kind FROM fits ORDER BY name")[1]
    assert names == [("s_100m", "steps"), ("s_200m", "steps"), ("s_400m", "steps")]
    assert made[0].saved.command == made[2].saved.command
    assert made[0].saved.command.endswith("--name s")


def test_a_law_knows_its_points_and_what_it_was_asked(sweeps: Store) -> None:
    made = fit_batch_law(sweeps, {**ASKED, "by": "n_params", "over": "params"}, name="cbs", **QUICK)
    assert made.rows.run_ids == ("100M", "200M", "400M")
    assert made.rows.inputs["N"].tolist() == [1e8, 2e8, 4e8]
    assert made.rows.observed == pytest.approx([truth(n)[1] / truth(n)[0] for n in (1e8, 2e8, 4e8)], rel=6e-3)
    saved, law = batch_answers.load_law(sweeps, "cbs")
    assert saved.config["derived"]["asked"]["over"] == batch_laws.OVER["params"]
    assert law.predict(n_params=2e8, force=True).to_dict() == made.law.predict(n_params=2e8, force=True).to_dict()
    assert verify_fit(sweeps, "cbs").status == "identical"
    with pytest.raises(UsageError, match="no curve of steps over batch size"):
        batch_answers.load_steps(sweeps, "cbs")
    remove_fit(sweeps, "cbs")
    with pytest.raises(UsageError, match="has no fit"):
        load_fit(sweeps, "cbs")


def test_tokens_of_the_runs_are_taken_where_a_sweep_shares_them(tmp_path: Path) -> None:
    lines = ["run_id,N,D,loss,bs,to_target"]
    for n in (1e8, 2e8, 4e8, 8e8):
        lines += [
            f"r{n:g}-{b},{n:g},{3e10 * (n / 1e8) ** 0.8:.0f},3,{b},{steps_of(n, b):.4f}" for b in (32, 128, 512, 2048)
        ]
    log = tmp_path / "steps.csv"
    log.write_text(text_of(lines), encoding="utf-8")
    asked: dict[str, Any] = {"by": "n_params", "steps": "to_target", "over": "tokens"}
    with Store() as store:
        store.ingest(log)
        runs = fit_batch_law(store, asked, name="runs", **QUICK)
        curves = fit_batch_law(store, asked | {"tokens_from": "fit"}, name="curves", **QUICK)
    assert runs.rows.source.tokens_from == "runs"
    assert runs.rows.columns == {"D": "n_tokens"}
    assert runs.law.estimates["q"] == pytest.approx(0.5 / 0.8, abs=0.01)
    assert curves.rows.columns == {"D": "fewest_samples"}
    assert curves.law.estimates["q"] == pytest.approx(0.5, abs=0.01)


def test_an_unknown_kind_names_the_way_out() -> None:
    with pytest.raises(UsageError, match="knows no fits of the kind 'other'"):
        kinds.kind_named("other")
