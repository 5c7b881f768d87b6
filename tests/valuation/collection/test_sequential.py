"""Buying in rounds: what is learnt on the way, when to stop, and what it is worth on groups that are known."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.curves import learning_curves
from scaling.valuation.collection.rehearsal import rehearse_collection
from scaling.valuation.collection.sequential import collect_in_rounds
from tests.valuation.collection.truth import TRUTH, measured

SIZES = np.geomspace(100, 12800, 8)


def true_loss(group: str, n: float) -> float:
    floor, size, alpha = TRUTH[group]
    return floor + size / n**alpha


def test_with_curves_that_are_known_rounds_buy_what_one_purchase_buys() -> None:
    x, y, group = measured(SIZES)
    once = allocate_collection(learning_curves(x, y, group, bootstrap=0), 40000)
    many = collect_in_rounds(x, y, group, 40000, true_loss, rounds=4, bootstrap=0)
    assert [round(one.plan.spent) for one in many.rounds] == [10000] * 4
    assert many.spent == 40000
    bought = np.array([many.have[g] for g in once.groups]) - once.have
    assert bought == pytest.approx(once.buy, abs=12)
    seen = many.rounds[0].observed
    assert all(value == true_loss(g, n) for g, (n, value) in seen.items())
    assert {g for g, n in zip(once.groups, many.rounds[0].plan.buy, strict=True) if n} == set(seen)


def test_what_is_seen_moves_the_money() -> None:
    """The pilot of web looks as if it went on, and the first round shows that it stopped falling."""
    x, y, group = measured(np.geomspace(100, 1600, 8))

    def seen(name: str, n: float) -> float:
        return 0.215 if name == "web" else true_loss(name, n)

    many = collect_in_rounds(x, y, group, 12000, seen, rounds=3, bootstrap=0)
    web = [dict(zip(one.plan.groups, one.plan.buy, strict=True))["web"] for one in many.rounds]
    assert web[0] > 1000
    assert max(web[1:]) < web[0] / 2


def test_rounds_stop_where_the_next_one_is_worth_too_little() -> None:
    x, y, group = measured(SIZES, 0.01)
    many = collect_in_rounds(x, y, group, 1e6, true_loss, rounds=5, bootstrap=40, least_gain=0.03)
    assert 0 < len(many.rounds) < 5
    assert many.stopped.startswith(f"stopped before round {len(many.rounds) + 1}")
    assert all(one.plan.gain_high >= 0.03 for one in many.rounds)
    assert many.spent == pytest.approx(2e5 * len(many.rounds), abs=2)
    none = collect_in_rounds(x, y, group, 100, true_loss, rounds=2, bootstrap=40, least_gain=0.5)
    assert (none.rounds, none.spent) == ((), 0)


def test_what_is_to_be_had_is_had_once() -> None:
    x, y, group = measured(SIZES)
    many = collect_in_rounds(x, y, group, 40000, true_loss, rounds=4, bootstrap=0, available=1500)
    assert {g: n - 12800 for g, n in many.have.items()} == dict.fromkeys(TRUTH, 1500)
    assert len(many.rounds) == 1


def test_rounds_that_make_no_sense() -> None:
    x, y, group = measured(SIZES)
    with pytest.raises(UsageError, match="one round at least"):
        collect_in_rounds(x, y, group, 100, true_loss, rounds=0)
    with pytest.raises(UsageError, match="least gain is -1"):
        collect_in_rounds(x, y, group, 100, true_loss, least_gain=-1)
    with pytest.raises(InputDataError, match="nan was observed"):
        collect_in_rounds(x, y, group, 100, lambda _group, _n: float("nan"), bootstrap=0)


def test_rounds_miss_less_than_one_purchase_and_that_less_than_a_uniform_split() -> None:
    found = rehearse_collection(TRUTH, [100, 200, 400, 800, 1600], 20000, rounds=3, draws=5)
    assert found.mean("rounds") < 0.4 * found.mean("once")
    assert found.mean("once") < 0.6 * found.mean("uniform")
    assert found.mean("uniform") == pytest.approx(0.004312, rel=1e-3)  # of the true curves alone
    assert found.now - found.best == pytest.approx(0.2534, abs=1e-4)


@pytest.mark.slow
def test_where_pilots_are_noisy_one_purchase_is_no_better_than_a_uniform_split_and_rounds_are() -> None:
    found = rehearse_collection(TRUTH, [100, 200, 400, 800, 1600], 20000, noise=0.05, rounds=4, draws=20, seed=0)
    assert found.mean("once") > found.mean("uniform")
    assert found.mean("rounds") + 2 * found.error("rounds") < found.mean("uniform")


def test_a_rehearsal_takes_two_draws() -> None:
    with pytest.raises(UsageError, match="two draws at least"):
        rehearse_collection(TRUTH, [100, 200, 400, 800], 100, draws=1)
