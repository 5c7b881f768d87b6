"""scaling value on the repeated runs of Muennighoff et al. (arXiv:2305.16264), through a store and its commands."""

import csv

import numpy as np
import pytest

from db.saved import load_fit
from db.select import Question
from db.store import Store
from db.value_pools import use_pools
from db.value_sources import values_of_sources
from db.value_worth import worths_of
from scaling.valuation import worth_across_sizes

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def store(reference):
    from db.fits import fit_runs

    with Store() as opened:
        opened.ingest(reference("datablations", "runs.csv"))
        clean = "\"dedup\" = 'False' AND loss < 7"
        fresh = Question(where=f'{clean} AND n_tokens / "U" < 1.001')
        fit_runs(opened, "chinchilla", fresh, name="fresh", bootstrap=100)
        yield opened


def test_repeated_runs_are_worth_less_to_larger_models(store, reference):
    """39 epochs of 100M tokens: as the library says on the same rows."""
    found = worths_of(store, "fresh", where='n_tokens = 3.9e9 AND "U" = 1e8 AND n_params > 8e7 AND "dedup" = \'False\'')
    with reference("datablations", "runs.csv").open(encoding="utf-8") as file:
        rows = [{k: float(row[k]) for k in ("N", "D", "U", "loss")} for row in csv.DictReader(file)
                if row["dedup"] == "False"]  # fmt: skip
    kept = [row for row in rows if row["D"] == 3.9e9 and row["U"] == 1e8 and row["N"] > 8e7]
    assert len(found.worths) == len(kept) == 7
    fit = load_fit(store, "fresh").fit
    assert fit.n_obs == 36
    own = worth_across_sizes(fit, [r["loss"] for r in kept], [r["N"] for r in kept], 3.9e9, level=0.9)
    assert (found.trend.slope, found.trend.trend) == (pytest.approx(own.slope, rel=1e-9), own.trend)
    assert own.slope_interval[1] < -0.5
    largest = max(found.worths, key=lambda one: one.n_params)
    assert largest.ratio == pytest.approx(0.089, abs=0.002)
    assert largest.ratio_interval[0] < 0.089 < largest.ratio_interval[1] < 0.2


def test_pools_and_sources_by_the_law_of_fresh_runs(store):
    """Good data of 4B tokens beside plenty at 0.5: the level of worth of both, and values that add up."""
    pools = {
        "good": {"unique": 4e9, "decay": 15.387756},
        "plenty": {"unique": 4e11, "quality": 0.5, "decay": 15.387756},
    }
    found = use_pools(store, "fresh", pools, 1e11, 2.8e9)
    epochs = dict(zip(found.plan.names, found.plan.epochs, strict=True))
    assert epochs["good"] == pytest.approx(1 + 15.387756 * np.log(2), rel=1e-9)
    assert found.plan.next_worth == pytest.approx(0.5, rel=1e-9)
    sources = {"a": {"tokens": 2e10}, "b": {"tokens": 2e10}, "c": {"tokens": 4e10}}
    values = values_of_sources(store, "fresh", sources, 2.8e9, base=1e9, methods=["all"]).values
    assert values.sums["shapley"] == pytest.approx(1, abs=1e-12)
    assert values.values["shapley"][0] == pytest.approx(values.values["shapley"][1], rel=1e-9)
