"""Learning curves of groups: fitted, saved, verified, back-tested and loaded through the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from db.backtests import backtest_fit
from db.collection_answers import fit_curves, load_curves, plan_collection
from db.fits import remove_fit
from db.saved import load_fit, rows_by_sql, rows_of
from db.store import Store
from db.verify import verify_fit
from scaling.errors import InputDataError, UsageError
from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.curves import learning_curves

TRUTH = {"web": (0.05, 3.0, 0.4), "code": (0.1, 8.0, 0.6), "math": (0.02, 1.2, 0.25)}
ASKED = {"count": "n_examples", "by": "domain"}
QUICK = {"bootstrap": 40, "seed": 3}


def measured(sizes: np.ndarray, noise: float = 0.01) -> dict[str, np.ndarray]:
    """What was measured of each group."""
    random = np.random.default_rng(5)
    return {
        group: (floor + size / sizes**alpha) * np.exp(noise * random.standard_normal(len(sizes)))
        for group, (floor, size, alpha) in TRUTH.items()
    }


SIZES = np.geomspace(100, 12800, 8)
LOSSES = measured(SIZES)


def log_lines() -> list[str]:
    lines = ["run_id,domain,n_examples,loss,acc"]
    for group, losses in LOSSES.items():
        for n, loss in zip(SIZES, losses, strict=True):
            lines.append(f"{group}-{n:.0f},{group},{n:.17g},{loss:.17g},{1 - loss:.17g}")
    lines += ["base,web,0,1.4,0.01", "few-100,few,100,0.9,0.1", "nan,web,400,nan,0.5", "lost,,100,1.0,0.1"]
    return lines


@pytest.fixture
def store(tmp_path: Path, new_store: Store) -> Store:
    log = tmp_path / "runs.csv"
    log.write_text("\n".join(log_lines()) + "\n", encoding="utf-8")
    new_store.ingest(log)
    return new_store


@pytest.mark.parametrize("pool", [False, True])
def test_saved_curves_are_those_of_the_library(store: Store, pool: bool) -> None:
    found = fit_curves(store, {**ASKED, "pool": pool}, name="lc", **QUICK)
    x = np.tile(SIZES, 3)
    y, group = np.concatenate(list(LOSSES.values())), np.repeat(list(LOSSES), len(SIZES))
    own = learning_curves(x, y, group, pool=pool, **QUICK)
    assert {g: one.name for g, one in found.saved.items()} == {g: f"lc_{g}" for g in sorted(TRUTH)}
    for name, saved in found.saved.items():
        assert load_fit(store, saved.name).fit.estimates == own[name].fit.estimates
    assert found.curves.refused == {
        "few": f"has one size, and its curve takes {3 if pool else 4} at least: measure it at more numbers of examples"
    }
    assert found.excluded == {
        "has no number above 0 in the column of examples": 1, "the value is nan": 1, "has no domain": 1
    }  # fmt: skip
    loaded = load_curves(store, ["lc"])
    assert list(loaded.curves) == list(found.curves)
    plans = [allocate_collection(c, 5000, force=True).to_dict() for c in (loaded.curves, own)]
    assert plans[0] == plans[1]


@pytest.mark.parametrize("pool", [False, True])
def test_both_ways_back_to_the_rows_and_the_fit_are_the_same(store: Store, pool: bool) -> None:
    fit_curves(store, {**ASKED, "pool": pool}, name="lc", **QUICK)
    saved = load_fit(store, "lc_code")
    assert rows_of(store, saved).sha256 == rows_by_sql(store, saved).sha256 == saved.data_sha256
    assert len(rows_of(store, saved)) == len(saved.fit.residuals) == len(SIZES)
    assert verify_fit(store, "lc_code").status == "identical"
    floor, size, alpha = (saved.fit.estimates[k] for k in ("E", "A", "alpha"))
    [(called,)] = store.query("SELECT lc_code(1e5)")[1]
    assert called == pytest.approx(floor + size / 1e5**alpha, rel=1e-12)


def test_more_runs_of_another_group_change_a_curve_only_where_exponents_are_shared(
    store: Store, tmp_path: Path
) -> None:  # fmt: skip
    fit_curves(store, ASKED, name="own", **QUICK)
    fit_curves(store, {**ASKED, "pool": True}, name="shared", **QUICK)
    more = tmp_path / "more.csv"
    more.write_text("run_id,domain,n_examples,loss\nweb-new,web,25600,0.2\n", encoding="utf-8")
    store.ingest(more)
    assert [verify_fit(store, f"{name}_code").status for name in ("own", "shared")] == ["identical", "data changed"]
    assert verify_fit(store, "own_web").status == "data changed"


@pytest.mark.parametrize("pool", [False, True])
def test_a_back_test_holds_the_largest_sizes_out(store: Store, pool: bool) -> None:
    fit_curves(store, {**ASKED, "pool": pool}, name="lc", **QUICK)
    _, held = backtest_fit(store, "lc_code", bootstrap=0)
    assert (len(held), held.cut.tolist()) == (1, [SIZES[-2]])
    left = np.tile(SIZES[:-1], 3), np.concatenate([one[:-1] for one in LOSSES.values()])
    known = learning_curves(*left, np.repeat(list(LOSSES), len(SIZES) - 1), pool=pool, bootstrap=0)
    # Where exponents are shared, that of the cut-off is found from what all groups had up to there.
    assert held.predicted[0] == pytest.approx(known["code"].fit.evaluate({"x": SIZES[-1]})[0, 0], rel=1e-5)
    assert held.compute.max() == SIZES[-1]


def test_an_accuracy_is_turned_into_an_error(store: Store) -> None:
    asked = {**ASKED, "value": "acc", "higher": True, "where": "domain <> 'few' AND n_examples > 0 AND loss < 1"}
    found = fit_curves(store, asked, name="acc", **QUICK)
    direct = fit_curves(store, {**ASKED, "where": asked["where"]}, name="err", **QUICK)
    for group in found.saved:
        ours, theirs = found.curves[group].fit.estimates, direct.curves[group].fit.estimates
        assert ours == pytest.approx(theirs, rel=1e-6)
    assert verify_fit(store, "acc_code").status == "identical"
    assert "--higher-is-better" in found.saved["code"].command
    with pytest.raises(UsageError, match="errors, 1 - value"):
        load_curves(store, ["acc_code", "err_web"])


def test_curves_without_groups_and_names_that_are_none(store: Store) -> None:
    one = fit_curves(store, {"count": "n_examples", "where": "domain = 'web'"}, name="web", **QUICK)
    assert list(one.saved) == ["all"]
    assert load_curves(store, ["web"]).curves["all"].have == SIZES[-1]
    with pytest.raises(UsageError, match="counts the examples is not said"):
        fit_curves(store, {"by": "domain"})
    with pytest.raises(UsageError, match="no fit 'nothing'"):
        load_curves(store, ["nothing"])
    with pytest.raises(InputDataError, match="No run that is selected"):
        fit_curves(store, {**ASKED, "where": "domain = 'web' AND n_examples = 0"})
    remove_fit(store, "web")
    with pytest.raises(UsageError, match="web"):
        load_curves(store, ["web"])


def test_a_round_spends_its_part(store: Store) -> None:
    fit_curves(store, ASKED, name="lc", **QUICK)
    _, plan = plan_collection(store, ["lc"], 9000, rounds=3, cost={"web": 1, "code": 2, "math": 0.5})
    assert plan.budget == 3000
    assert 2998.5 <= plan.spent <= 3000
