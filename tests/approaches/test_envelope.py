"""Approach 1: the sizes that win, power laws through them, and what is refused."""

import numpy as np
import pytest

from scaling.approaches.envelope import fit_envelope
from scaling.errors import InputDataError, UsageError

ALPHA, BETA = 0.34, 0.28
A_TRUE = BETA / (ALPHA + BETA)


def loss(n, d):
    return 1.69 + 406.4 / n**ALPHA + 410.7 / d**BETA


def crossed(sizes=16, lengths=12):
    """Every size at every length: the ends of runs, each with a schedule of its own."""
    n, d = np.meshgrid(np.geomspace(3e7, 3e10, sizes), np.geomspace(1e9, 1e13, lengths), indexing="ij")
    return n.ravel(), d.ravel()


def test_recovers_the_exponents_without_noise():
    n, d = crossed(sizes=40, lengths=40)
    found = fit_envelope(n, d, loss(n, d), bootstrap=0, bandwidth=0)
    assert found.exponent_n == pytest.approx(A_TRUE, abs=0.01)
    assert found.exponent_n + found.exponent_d == pytest.approx(1, abs=1e-9)
    assert found.n_curves == 40
    best = (ALPHA * 406.4 / (BETA * 410.7)) ** (1 / (ALPHA + BETA)) * (1e22 / 6) ** A_TRUE
    n_star, d_star = (found.at(1e22, quantity)[0][0] for quantity in "ND")
    assert n_star == pytest.approx(best, rel=0.03)
    assert 6 * n_star * d_star == pytest.approx(1e22, rel=1e-9)


def test_the_interval_holds_the_truth_and_its_seed_is_recorded():
    n, d = crossed()
    y = loss(n, d) + 0.002 * np.random.default_rng(3).standard_normal(len(n))
    one, other = (fit_envelope(n, d, y, bootstrap=200, seed=seed) for seed in (5, 6))
    for quantity, truth in (("N", A_TRUE), ("D", 1 - A_TRUE)):
        low, high = one.exponent_interval(quantity)
        assert low < truth < high
        assert high - low < 0.2
    assert "200 bootstrap draws of the curves, seed 5" in one.method
    assert not np.array_equal(one.replicates, other.replicates, equal_nan=True)
    _, low, high = one.at([1e21, 1e23], "N")
    assert np.all(low < high)
    assert np.log(high / low)[1] > np.log(high / low)[0]  # farther away is less sure


def test_computes_where_the_outermost_size_wins_are_left_out():
    n, d = crossed()
    all_of_it = fit_envelope(n, d, loss(n, d), bootstrap=0)
    assert 0 < all_of_it.edge_share < 0.5
    few = n < 1.2e8  # sizes far below the optimum of most computes: the largest of them wins nearly everywhere
    found = fit_envelope(n[few], d[few], loss(n[few], d[few]), bootstrap=0)
    assert found.verdict == "not identified" or found.edge_share > 0.5


def test_checkpoints_of_runs_are_curves_of_their_own():
    n, d = crossed(sizes=8, lengths=30)
    runs = np.repeat([f"run-{i}" for i in range(8)], 30)
    found = fit_envelope(n, d, loss(n, d), curves=runs, bootstrap=0)
    assert found.n_curves == 8
    assert found.n_rows == 240


def test_smoothing_takes_the_noise_of_a_log_away():
    n, d = crossed(sizes=12, lengths=300)
    clean = fit_envelope(n, d, loss(n, d), bandwidth=0, bootstrap=0).exponent_n
    miss = {0: 0.0, 0.3: 0.0}
    for seed in range(4):
        y = loss(n, d) + 0.1 * np.random.default_rng(seed).standard_normal(len(n))
        for bandwidth in miss:
            miss[bandwidth] += abs(fit_envelope(n, d, y, bandwidth=bandwidth, bootstrap=0).exponent_n - clean)
    assert miss[0.3] < 0.6 * miss[0]


class TestRefusals:
    def test_sizes_of_one_length_make_no_curves(self):
        n = np.geomspace(1e8, 1e9, 10)
        found = fit_envelope(n, 20 * n, loss(n, 20 * n))
        assert found.refusal.kind == "too_few_curves"
        assert found.refusal.reason == (
            "there are 0 sizes that were trained to several lengths, and an envelope needs 4"
        )
        assert found.verdict == "not identified"
        assert np.isnan(found.exponent_n)
        assert np.isnan(found.exponent_interval("N")).all()
        assert np.isnan(found.at(1e20, "D")).all()

    def test_three_runs_are_too_few(self):
        n, d = crossed(sizes=3)
        found = fit_envelope(n, d, loss(n, d), curves=n)
        assert found.refusal.reason == "there are 3 runs with several checkpoints, and an envelope needs 4"

    def test_the_largest_wins_everywhere(self):
        n, d = crossed(sizes=5)
        n = n / 1e4  # so small that more parameters always help
        found = fit_envelope(n, d, loss(n, d))
        assert found.refusal.kind == "no_inner_size"
        assert "the smallest or the largest size there has the lowest loss" in found.refusal.reason
        assert found.edge_share == 1

    def test_one_size_wins_everywhere(self):
        n, d = crossed(sizes=5)
        found = fit_envelope(n, d, loss(n, d) - 0.5 * (np.abs(np.log(n / np.median(n))) < 0.1))
        assert found.refusal.kind == "one_size"

    @pytest.mark.parametrize(
        ("change", "error", "said"),
        [
            ({"loss": -1.0}, InputDataError, "must be positive in every row"),
            ({"n_tokens": np.ones(3)}, InputDataError, "one value a row each"),
            ({"curves": ["a"]}, InputDataError, "but there are 192 rows"),
            ({"points": 3}, UsageError, "ten points or more"),
            ({"bandwidth": -1}, UsageError, "ten points or more"),
            ({"level": 0}, UsageError, "a level lies between"),
        ],
    )
    def test_what_makes_no_sense(self, change, error, said):
        n, d = crossed()
        if "loss" in change:
            change = {"loss": np.where(np.arange(len(n)) == 5, -1.0, 2.0)}
        with pytest.raises(error, match=said):
            fit_envelope(**({"n_params": n, "n_tokens": d, "loss": loss(n, d)} | change))
