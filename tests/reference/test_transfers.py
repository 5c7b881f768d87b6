"""The sweep of arXiv:2411.12925 through the store: its pairs, its maps, and which of its losses stop falling."""

import csv
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from cli import app
from db.floors import floors_of
from db.pairs import PairQuestion, select_pairs
from db.store import Store
from db.transfers import fit_transfer
from db.verify import verify_fit
from scaling.loss_to_loss import fit_pairs, forecast_map
from scaling.loss_to_loss.monotone import monotone_note

pytestmark = pytest.mark.reference

MAPPING = Path(__file__).with_name("loss_to_loss.toml")
CORPORA = {
    "FW": "fineweb-100b", "Edu": "fineweb-edu-100b", "PP2": "proof-pile-2", "Slim": "slimpajama-chunk1",
    "Smol": "smollm-corpus", "Star": "starcoder",
}  # fmt: skip
RUNS = {"FW": 90, "Edu": 91, "PP2": 86, "Slim": 89, "Smol": 89, "Star": 84}
PAIRS = {
    "FW Edu": 86, "FW PP2": 81, "FW Slim": 85, "FW Smol": 84, "FW Star": 80, "Edu PP2": 83, "Edu Slim": 85,
    "Edu Smol": 86, "Edu Star": 80, "PP2 Slim": 80, "PP2 Smol": 82, "PP2 Star": 76, "Slim Smol": 83, "Slim Star": 79,
    "Smol Star": 79,
}  # fmt: skip
TESTS = [
    "c4", "fineweb_100b", "fineweb_1T", "fineweb_edu_100b", "proof_pile_2", "slimpajama", "smollm", "starcoder",
    "arc_challenge", "arc_easy", "boolq", "hellaswag", "mmlu_humanities", "mmlu_other", "mmlu_social_sciences",
    "mmlu_stem", "openbook_qa", "piqa", "sciq", "winogrande", "olmo_suite", "mmlu_suite",
]  # fmt: skip


@pytest.fixture(scope="module")
def sweep(reference, tmp_path_factory):
    """The sweep in a store, read in as a user would."""
    db = tmp_path_factory.mktemp("sweep") / "scaling.duckdb"
    words = ["ingest", str(reference("loss_to_loss", "sweep.csv")), "--mapping", str(MAPPING), "--db", str(db)]
    app(words, standalone_mode=False)
    with Store(db) as store:
        yield store


@pytest.fixture(scope="module")
def floors(reference):
    """E of the law of Kaplan for the own loss of each corpus, as published with the sweep."""
    with reference("loss_to_loss", "opt_params_data.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kaplan"] == "True" and row["loss_name"] == "val_loss"]
    return {name: next(float(row["E"]) for row in rows if row["data"] == corpus) for name, corpus in CORPORA.items()}


def question(source, target, metric="val_loss", other=None, **changed):
    return PairQuestion(CORPORA[source], CORPORA[target], metric, other or metric, **changed)


def test_every_run_is_read_with_its_metrics(sweep):
    _, rows = sweep.query("SELECT corpus, count(*) FROM runs_final WHERE loss_status = 'ok' GROUP BY 1")
    assert dict(rows) == {CORPORA[name]: count for name, count in RUNS.items()}
    _, rows = sweep.query("SELECT unit, count(*) FROM metric_defs GROUP BY 1 ORDER BY 1")
    assert rows == [("nats/token", 23), ("share", 14)]


@pytest.mark.parametrize(("source", "target"), list(permutations(CORPORA, 2)))
def test_the_pairs_are_those_of_the_paper(sweep, source, target):
    found = select_pairs(sweep, question(source, target))
    count = PAIRS.get(f"{source} {target}") or PAIRS[f"{target} {source}"]
    assert len(found) == count
    sides = [e.reason.partition(":")[0] for e in found.excluded]
    assert (sides.count("source"), sides.count("target")) == (RUNS[source] - count, RUNS[target] - count)
    assert found.pairs.averaged == 0
    assert found.notes == (found.pairs.sentence,)


@pytest.mark.parametrize(
    ("source", "target", "kappa", "scale", "r2"),
    [("FW", "Edu", 0.999367, 0.985766, 0.99977), ("PP2", "Star", 1.03075, 1.06296, 0.999133),
     ("Star", "Slim", 0.880749, 1.57574, 0.998656)],
)  # fmt: skip
def test_maps_between_published_floors(sweep, floors, source, target, kappa, scale, r2):
    """The published numbers have six digits."""
    given = {"floor_source": floors[source], "floor_target": floors[target]}
    saved = fit_transfer(
        sweep, question(source, target), form="shifted_power", bootstrap=0, name="pub", replace=True, **given
    )
    assert saved.fit.estimates["kappa"] == pytest.approx(kappa, abs=6e-6)
    assert saved.fit.estimates["K"] == pytest.approx(scale, abs=6e-6)
    assert saved.fit.settings["loss_to_loss"]["r2"] == pytest.approx(r2, abs=6e-6)
    assert verify_fit(sweep, "pub").status == "identical"


def test_a_floor_by_the_law_of_kaplan_and_the_other_found(sweep):
    saved = fit_transfer(
        sweep, question("FW", "Star"), floors="source", floor_law="kaplan", form="shifted_power", bootstrap=0
    )  # fmt: skip
    assert saved.fit.settings["loss_to_loss"]["floor_x"]["value"] == pytest.approx(2.17001, abs=1e-3)
    assert saved.fit.estimates == pytest.approx({"kappa": 1.24749, "K": 0.55216, "E_y": 0.911052}, abs=1e-4)


def test_which_losses_no_longer_fall(sweep):
    """22 losses of six corpora: boolq levels off in its scatter in three of them, and no other loss does."""
    _, rows = sweep.query(
        "SELECT corpus, metric, list(value ORDER BY run_id), list(compute_flop ORDER BY run_id) "
        "FROM metrics JOIN runs USING (run_id) GROUP BY ALL"
    )
    known = {(corpus, metric): (np.array(values), np.array(budgets)) for corpus, metric, values, budgets in rows}
    named = {
        (metric, name): monotone_note(known[corpus, "val_loss"][0], *known[corpus, metric])
        for metric in TESTS
        for name, corpus in CORPORA.items()
    }
    assert len(named) == 132
    found = {place for place, note in named.items() if note}
    assert found == {("boolq", "FW"), ("boolq", "Slim"), ("boolq", "Smol")}
    assert all("no fall with compute can be told from chance" in named[place] for place in found)
    assert select_pairs(sweep, question("FW", "FW", other="boolq")).notes[1:] == (named["boolq", "FW"],)


def test_boolq_rises_where_the_sweep_ends(sweep, reference):
    """At 21 times the compute of the sweep the loss on boolq lies above that of the 30 largest runs of the corpus."""
    with reference("loss_to_loss", "extrapolation.csv").open() as file:
        beyond = {row["data"]: float(row["eval/downstream_ce_loss/boolq_test_ce_loss"]) for row in csv.DictReader(file)}
    for name, corpus in CORPORA.items():
        found = select_pairs(sweep, question(name, name, other="boolq"))
        assert beyond[corpus] > found.observed[-30:].max()
        x = [*found.inputs["x"], 0.9 * found.inputs["x"].min()]
        rising = [*found.observed, beyond[corpus]]
        assert "rises with compute" not in monotone_note(x, rising, [*found.order, 1e21])  # one run proves no trend


def test_an_error_on_a_task_from_its_accuracy(sweep):
    found = select_pairs(sweep, question("Edu", "Edu", other="hellaswag_acc", complement=True))
    assert len(found) == 91
    assert found.target_unit == "share"
    assert 0.4 < found.observed.min() < found.observed.max() < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("form", ["auto", "shifted_power"])
def test_maps_between_floors_of_laws_hold_the_large_runs(sweep, reference, form):
    """Floors are found again at every cut-off, and their errors are in the width: 97 and 93 % of nominal 90 % held."""
    with reference("loss_to_loss", "extrapolation.csv").open() as file:
        large = {row["data"]: float(row["val_loss"]) for row in csv.DictReader(file)}
    held, errors, widths = [], [], []
    for source, target in permutations(CORPORA, 2):
        asked = question(source, target)
        rows = select_pairs(sweep, asked)
        floors = floors_of(sweep, asked, "both")
        fit = fit_pairs(rows.inputs["x"], rows.observed, *floors, form=form, budget=rows.order, bootstrap=100)
        said = forecast_map(fit, large[CORPORA[source]], compute_flop=1e21).prediction
        truth = large[CORPORA[target]]
        held.append(said.low <= truth <= said.high)
        errors.append(abs(said.mean / truth - 1))
        widths.append((said.high - said.low) / 2 / truth)
    assert np.mean(held) >= 0.9
    assert 100 * np.mean(errors) <= 0.85
    assert 100 * np.mean(widths) <= 2.1
