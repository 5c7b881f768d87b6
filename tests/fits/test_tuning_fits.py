"""Laws of learning rate and batch in a store: the same fits as by hand, saved together, checked, and loaded again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaling
from db.backtests import backtest_fit
from db.fits import remove_fit
from db.kinds import backtest_words
from db.saved import load_fit
from db.store import Store
from db.tuning_advice import advise
from db.tunings import fit_tuning, load_tuning
from db.verify import verify_fit
from scaling.errors import InputDataError, UsageError, VerdictError
from tests.tuning_logs import CONTEXT, KB, KT, QB, QT, K, P, Q, log_text

ASKED: dict[str, Any] = {"context_length": float(CONTEXT)}
DRAWS: dict[str, Any] = {"bootstrap": 40, "seed": 3}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep that scatters a little, and its laws `sweep`."""
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "log.csv").write_text(log_text(noise=3e-4))
    db = folder / "scaling.duckdb"
    with Store(db) as store:
        store.ingest(folder / "log.csv")
        fit_tuning(store, ASKED, name="sweep", **DRAWS)
    return db


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it."""
    with Store(Path(shutil.copy(filled, tmp_path / "scaling.duckdb"))) as opened:
        yield opened


@pytest.fixture
def sweep_store(tmp_path: Path) -> Callable[..., Store]:
    """A store with another sweep."""

    def _made(**settings: Any) -> Store:
        (tmp_path / "other.csv").write_text(log_text(**settings))
        opened = Store()
        opened.ingest(tmp_path / "other.csv")
        return opened

    return _made


def names(store: Store) -> set[str]:
    return {row[0] for row in store.query("SELECT name FROM fits")[1]}


def test_the_laws_of_an_exact_sweep_are_the_truth(sweep_store: Callable[..., Store]) -> None:
    with sweep_store() as store:
        one = fit_tuning(store, ASKED, name="exact", bootstrap=0, seed=0)
        assert one.saved["lr"].fit.estimates == pytest.approx({"k": K, "p": P, "q": Q}, rel=1e-5)
        assert one.saved["batch"].fit.estimates == pytest.approx({"k": KB, "q": QB}, rel=1e-5)
        # lr = lr* (B/B*)^0.4 with B* = KB D^QB.
        expected = {"k": K / KB**0.4, "p": P, "q": Q - 0.4 * QB, "r": 0.4}
        assert one.saved["coupled"].fit.estimates == pytest.approx(expected, rel=1e-4)
        [(value,)] = store.query("SELECT exact_coupled(2e8, 4e10, 1e6)")[1]
        assert value == pytest.approx(expected["k"] * 2e8**P * 4e10 ** expected["q"] * 1e6**0.4, rel=1e-4)
        assert one.saved["coupled"].columns == {"N": "n_params", "D": "n_tokens", "B": "(batch_seqs * 2048)"}


def test_they_are_those_of_fit_laws(store: Store) -> None:
    columns = "n_params, n_tokens, lr, batch_seqs, loss"
    _, rows = store.query(f"SELECT {columns} FROM runs_final ORDER BY run_id")
    n, d, lr, batch, loss = np.array(rows, float).T
    cells = scaling.hyperparameters.find_cells(n, d, lr, batch, loss, context_length=CONTEXT, batch_unit="sequences")
    laws = scaling.hyperparameters.fit_laws(cells, **DRAWS)
    loaded = load_tuning(store, "sweep")
    for part, law in (("lr", laws.lr), ("batch", laws.batch), ("coupled", laws.coupled)):
        assert law is not None
        saved = load_fit(store, f"sweep_{part}").fit
        assert saved.estimates == law.estimates
        assert np.array_equal(saved.replicates, law.fit.replicates)
        again = getattr(loaded.laws, part)
        assert np.array_equal(again.fit.replicates, law.fit.replicates)
        assert np.array_equal(again.group, law.group)
    by_hand = scaling.hyperparameters.recommend(laws, 3e9, 2e11)
    assert scaling.hyperparameters.recommend(loaded.laws, 3e9, 2e11) == by_hand


def test_rows_stand_for_cells(store: Store) -> None:
    saved = load_fit(store, "sweep_lr")
    _, [(behind,)] = store.query("SELECT count(*) FROM fit_rows WHERE fit_id = ?", [saved.fit_id])
    _, [(runs,)] = store.query("SELECT count(*) FROM runs")
    assert (saved.fit.n_obs, saved.fit.diagnostics.groups, behind) == (9, 9, runs)


def test_all_or_none(store: Store) -> None:
    before = names(store)
    remove_fit(store, "sweep_lr")
    remove_fit(store, "sweep_batch")
    with pytest.raises(UsageError, match="already has a fit 'sweep_coupled'"):
        fit_tuning(store, ASKED, name="sweep", **DRAWS)
    assert names(store) == before - {"sweep_lr", "sweep_batch"}
    with pytest.raises(UsageError, match="'sweep_lr' is gone"):
        load_tuning(store, "sweep_coupled")
    made = fit_tuning(store, ASKED, name="sweep", replace_fits=True, **DRAWS)
    assert names(store) == before
    assert load_tuning(store, "latest").name == made.name == "sweep"


@pytest.mark.parametrize("part", ["lr", "batch", "coupled"])
def test_each_is_verified_back_tested_and_verified_again(store: Store, part: str) -> None:
    assert verify_fit(store, f"sweep_{part}").status == "identical"
    saved, found = backtest_fit(store, f"sweep_{part}", bootstrap=0)
    assert found.axis == ("D" if part == "batch" else "6*N*D")
    assert len(found) > 0
    assert np.nanmax(np.abs(found.error)) < 0.2
    said = backtest_words(store, saved)
    assert said[0].startswith("In the cells of the largest model the learning rate and batch by laws of the others")
    assert verify_fit(store, f"sweep_{part}").status == "identical"


def test_runs_that_come_later_are_noticed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(log_text(sizes=(8e8,), ratios=(20,)))
    store.ingest(tmp_path / "more.csv")
    assert verify_fit(store, "sweep_batch").status == "data changed"
    with pytest.raises(InputDataError, match="rows of the fit 'sweep_lr' have changed"):
        load_tuning(store, "sweep")


def test_the_command_makes_them_again(store: Store) -> None:
    saved = load_fit(store, "sweep_coupled")
    options = "--batch batch_seqs --lr lr --context-length 2048 --bootstrap 40 --seed 3 --name sweep"
    assert saved.command == f"scaling tune fit {options}"
    asked = ASKED | {"method": "threshold", "cutoff": 0.0025}
    other = fit_tuning(store, asked, bootstrap=0, seed=0)
    assert other.name == "tuning_1"
    assert "--method threshold --cutoff 0.0025" in other.command


def test_a_part_of_an_earlier_making_goes_with_the_rest(sweep_store: Callable[..., Store]) -> None:
    with sweep_store(ratios=(20, 200), decays=(0.25, 0.5, 1, 2, 4)) as store:
        assert set(fit_tuning(store, ASKED, name="w", bootstrap=0, seed=0).saved) == {
            "lr", "batch", "coupled", "timescale"
        }  # fmt: skip
        longest = ASKED | {"where": "run_id LIKE '%-1'"}
        fit_tuning(store, longest, name="w", replace_fits=True, bootstrap=0, seed=0)
        assert names(store) == {"w_lr", "w_batch", "w_coupled"}


def test_weight_decays_give_a_timescale(sweep_store: Callable[..., Store]) -> None:
    with sweep_store(ratios=(20, 200), decays=(0.25, 0.5, 1, 2, 4)) as store:
        made = fit_tuning(store, ASKED, name="w", bootstrap=0, seed=0)
        assert made.saved["timescale"].fit.estimates == pytest.approx({"k": KT, "q": QT}, rel=1e-5)
        # Of the runs that differ in weight decay alone the best make the surface, which is then that without decay.
        assert made.saved["lr"].fit.estimates == pytest.approx({"k": K, "p": P, "q": Q}, rel=1e-5)
        assert "count for the timescale and not for the loss surface" in made.notes[0]
        assert verify_fit(store, "w_timescale").status == "identical"
        found = advise(load_tuning(store, "w"), 1e9, 1e11, force=True)  # six cells are too few to be sure
        assert found.weight_decay is not None
        tau, at = KT * 100**QT, found.recommendation
        assert found.weight_decay[0] == pytest.approx(at.batch / (at.lr * 1e11 * tau), rel=1e-5)
        assert found.weight_decay[1] <= found.weight_decay[0] <= found.weight_decay[2]


def test_a_weight_decay_that_does_not_vary_is_refused_where_it_was_asked_for(store: Store) -> None:
    with pytest.raises(InputDataError, match="run with several weight decays in 'n_params'"):
        fit_tuning(store, ASKED | {"weight_decay": "n_params"}, **DRAWS)


def test_the_loss_of_all_runs_is_saved_beside(store: Store) -> None:
    made = fit_tuning(store, ASKED | {"surface": True}, name="whole", **DRAWS)
    assert made.surface is not None
    fit = load_fit(store, "whole_loss").fit
    assert (fit.law.name, fit.settings["bootstrap"]) == ("tuned_loss", 0)
    assert load_fit(store, "whole_lr").fit.settings["bootstrap"] == DRAWS["bootstrap"]
    assert verify_fit(store, "whole_loss").status == "identical"
    loaded = load_tuning(store, "whole")
    assert loaded.surface is not None
    assert np.array_equal(loaded.surface.rows, made.surface.rows)
    found = advise(loaded, 4e8, 3e10)
    assert found.optimum is not None
    assert (found.optimum.lr, found.optimum.batch) == pytest.approx((K * 4e8**P * 3e10**Q, KB * 3e10**QB), rel=0.1)
    assert 0 <= found.surface_regret < 1e-3
    assert "--surface" in loaded.command


def test_a_batch_needs_the_coupled_law(store: Store) -> None:
    remove_fit(store, "sweep_coupled")
    one = load_tuning(store, "sweep")
    with pytest.raises(VerdictError, match="too few batches"):
        advise(one, 1e9, 1e11, batch=2**20)
    assert advise(one, 1e9, 1e11).recommendation.batch_given is False


def test_another_fit_is_no_tuning(store: Store) -> None:
    from db.fits import fit_runs

    fit_runs(store, "chinchilla", name="plain", bootstrap=0)
    with pytest.raises(UsageError, match="'plain' is no law of learning rates"):
        load_tuning(store, "plain")
