"""Losses at the best learning rate, and critical batches read across runs of several lengths."""

import math

import numpy as np
import pytest

from scaling.batch_size.iso_loss import critical_at_losses
from scaling.batch_size.tuned import tune_runs
from scaling.errors import InputDataError, UsageError

RATES = 2.0 ** np.arange(-4, 5) * 1e-3


def sweep(sizes=(1e8, 4e8), lengths=4, critical=lambda tokens: 2e6 * (tokens / 1e9) ** 0.4, rates=None):
    """Runs whose loss is a power of the tokens that count, those beyond the critical batch of their length not."""
    rows = []
    for n in sizes:
        for d in np.geomspace(2e9, 3.2e10, lengths):
            for b in 2.0 ** np.arange(17, 23):
                # d = d_min * (1 + b / critical(d_min)), solved for d_min
                low, high = 1e6, d
                for _ in range(200):
                    middle = math.sqrt(low * high)
                    low, high = (middle, high) if middle * (1 + b / critical(middle)) < d else (low, middle)
                loss = 1.5 + 200 / n**0.3 + 300 / low**0.3
                best = 1.1e-3 * (b / 2**19) ** 0.4
                used = (best,) if rates is None else rates
                rows += [(n, d, b, loss * math.exp(0.01 * math.log(lr / best) ** 2), lr) for lr in used]
    return np.array(rows).T


class TestTunedRuns:
    def test_the_vertex_of_a_parabola(self):
        loss = 2.5 * np.exp(0.01 * np.log(RATES / 1.3e-3) ** 2)
        one = np.ones(len(RATES))
        found = tune_runs(1e8 * one, 1e9 * one, 1e5 * one, loss, RATES)
        assert (found.n, found.bracketed.tolist(), found.interpolated.tolist()) == (1, [True], [True])
        assert found.lr[0] == pytest.approx(1.3e-3)
        assert found.loss[0] == pytest.approx(2.5)

    def test_diverged_runs_take_no_part(self):
        loss = 2.5 * np.exp(0.01 * np.log(RATES / 1.3e-3) ** 2)
        loss[-2:] = 11.0, np.nan
        one = np.ones(len(RATES))
        found = tune_runs(1e8 * one, 1e9 * one, 1e5 * one, loss, RATES)
        assert found.loss[0] == pytest.approx(2.5)

    def test_steep_sides_are_met_by_the_neighbours(self):
        loss = 2.5 * np.exp(0.2 * np.log(RATES / 1e-3) ** 2)  # only the best run lies within 2 %
        one = np.ones(len(RATES))
        found = tune_runs(1e8 * one, 1e9 * one, 1e5 * one, loss, RATES)
        assert found.interpolated[0]
        assert found.loss[0] == pytest.approx(2.5)

    @pytest.mark.parametrize("high", [11.0, 3.6])
    def test_beside_a_neighbour_that_nearly_diverged_no_loss_is_made_up(self, high):
        """A parabola through 3.03, 3.00 and 11 has its vertex at 2.56, which no run came near to."""
        one = np.ones(3)
        found = tune_runs(1e8 * one, 1e9 * one, 1e5 * one, [3.03, 3.0, high], [1e-3, 4e-3, 1.6e-2])
        assert (found.loss.tolist(), found.lr.tolist()) == ([3.0], [4e-3])
        assert (found.bracketed.tolist(), found.interpolated.tolist()) == ([True], [False])

    def test_an_end_of_the_grid_is_flagged(self):
        rates = RATES[:4]
        loss = 2.5 * np.exp(0.05 * np.log(rates / 1e-2) ** 2)
        one = np.ones(len(rates))
        found = tune_runs(1e8 * one, 1e9 * one, 1e5 * one, loss, rates)
        assert found.bracketed.tolist() == [False]
        assert found.loss[0] == loss.min()
        assert "1 has its best run at an end of the learning rates" in found.notes[0]
        assert found.only_bracketed().n == 0

    def test_two_roundings_of_a_rate_are_one(self):
        rates = np.array([1.38e-3, 1.381e-3, 2.76e-3])
        found = tune_runs([1e8] * 3, [1e9] * 3, [1e5] * 3, [2.5, 2.51, 2.6], rates)
        assert found.bracketed.tolist() == [False]

    def test_rounded_token_counts_are_one_length(self):
        found = tune_runs([1e8] * 2, [1e9, 1.0005e9], [1e5] * 2, [2.5, 2.4])
        assert found.n == 1
        assert found.loss[0] == 2.4

    @pytest.mark.parametrize(
        ("columns", "match"),
        [
            (([1e8], [1e9], [1e5], [2.5, 2.6]), "differ in length"),
            (([1e8], [0], [1e5], [2.5]), "'n_tokens' is 0 in row 0"),
            (([1e8], [1e9], [1e5], [math.nan]), "no run has a loss"),
            (([1e8], [1e9], [1e5], ["low"]), "not a number"),
        ],
    )
    def test_bad_input(self, columns, match):
        with pytest.raises(InputDataError, match=match):
            tune_runs(*columns)


class TestIsoLoss:
    def test_recovers_a_law_of_the_tokens(self):
        found = critical_at_losses(*sweep(lengths=12)[:4])
        for p in found.points:
            assert p.critical_batch == pytest.approx(2e6 * (p.fewest_tokens / 1e9) ** 0.4, rel=0.03)
        law = found.law(bootstrap=0)
        assert law.estimates["q"] == pytest.approx(0.4, abs=0.02)
        assert law.fit.law.unit == "tokens a step"

    def test_with_learning_rates(self):
        with_rates = critical_at_losses(*sweep(rates=RATES))
        tuned = critical_at_losses(*sweep()[:4])
        assert len(with_rates.points) == len(tuned.points) == 12
        for one, other in zip(with_rates.points, tuned.points, strict=True):
            assert one.critical_batch == pytest.approx(other.critical_batch, rel=1e-6)

    def test_lines_lie_above_a_curve_that_bends(self):
        lines, curve = (critical_at_losses(*sweep(lengths=3)[:4], between=way) for way in ("interpolated", "power"))
        ratio = [a.fewest_tokens / b.fewest_tokens for a, b in zip(lines.points[1:5], curve.points[1:5], strict=True)]
        assert min(ratio) > 1.001

    def test_a_target_that_few_batches_reach(self):
        columns = sweep(sizes=(1e8,))[:4]
        edge = float(np.sort(columns[3])[1])
        with pytest.raises(InputDataError, match="no loss is reached by enough batch sizes"):
            critical_at_losses(*columns, targets=[edge])

    @pytest.mark.parametrize("targets", ["low", [2.5, "low"], [0.0], float("nan")])
    def test_targets_that_are_no_losses(self, targets):
        with pytest.raises(UsageError, match="targets are losses"):
            critical_at_losses(*sweep(sizes=(1e8,))[:4], targets=targets)

    def test_two_lengths_are_too_few(self):
        with pytest.raises(InputDataError, match="100M parameters: 0 batch sizes with three lengths or more"):
            critical_at_losses(*sweep(sizes=(1e8,), lengths=2)[:4])

    def test_one_size_is_no_sample_of_sizes(self):
        law = critical_at_losses(*sweep(sizes=(1e8,))[:4]).law(bootstrap=0)
        assert "no independent draws" in law.reasons[0]

    def test_sizes_are_drawn_whole(self):
        law = critical_at_losses(*sweep(sizes=(1e8, 2e8, 4e8, 8e8, 1.6e9, 3.2e9))[:4]).law(bootstrap=100)
        assert law.fit.diagnostics.groups == 6
        assert law.fit.settings["resample"] == "cluster"

    def test_untuned_cells_are_left_out(self):
        columns = sweep(rates=RATES)
        high = columns[4] > 0.6e-3  # the small batches, whose best rate is lower, keep one side of it
        found = critical_at_losses(*columns[:, high])
        kept = critical_at_losses(*columns[:, high], keep_untuned=True)
        assert "They are left out." in found.notes
        assert found.runs.batch.min() == 2.0**19
        assert kept.runs.batch.min() == 2.0**17

    def test_bad_settings(self):
        with pytest.raises(UsageError, match="cannot be read 'spline'"):
            critical_at_losses(*sweep()[:4], between="spline")
        with pytest.raises(UsageError, match="0 targets"):
            critical_at_losses(*sweep()[:4], targets=0)
        with pytest.raises(UsageError, match="targets are losses"):
            critical_at_losses(*sweep()[:4], targets=[-1.0])

    def test_as_plain_data(self):
        table = critical_at_losses(*sweep()[:4]).to_dict()
        assert len(table["points"]) == 12
        assert set(table["points"][0]) >= {"target", "critical_batch", "fewest_tokens", "beyond"}
