"""Approach 2: optima of budgets, the power law through them, what is refused and why, and intervals that cover."""

from dataclasses import replace

import numpy as np
import pytest

from scaling.approaches.budgets import group_budgets, measured_cost
from scaling.approaches.isoflop import draw_signs, draw_weights, fit_isoflops
from scaling.approaches.isoflop_line import fit_line
from scaling.approaches.valley import lowest_points
from scaling.errors import InputDataError, UsageError

ALPHA, BETA = 0.34, 0.28
A_TRUE = BETA / (ALPHA + BETA)


def best(flop):
    return (ALPHA * 406.4 / (BETA * 410.7)) ** (1 / (ALPHA + BETA)) * (flop / 6) ** A_TRUE


def loss(n, d):
    return 1.69 + 406.4 / n**ALPHA + 410.7 / d**BETA


def design(budgets=5, sizes=9, ratio=4.0, low=1e18, high=1e21):
    c = np.repeat(np.geomspace(low, high, budgets), sizes)
    n = best(c) * np.tile(np.geomspace(1 / ratio, ratio, sizes), budgets)
    return n, c / 6 / n, c


def noisy(n, d, scatter=0.003, seed=0):
    return loss(n, d) + scatter * np.random.default_rng(seed).standard_normal(len(n))


class TestBudgets:
    def test_equal_nominal_values_are_one_budget_whatever_6nd_says(self):
        n, d, c = design()
        found = group_budgets(n, d * np.linspace(0.7, 1.4, len(d)), c)
        assert found.compute_flop == pytest.approx(np.geomspace(1e18, 1e21, 5))
        assert np.bincount(found.labels).tolist() == [9] * 5
        assert found.rule == "runs of equal nominal compute share a budget"
        assert np.all(found.spread == pytest.approx(1))

    def test_without_a_column_neighbours_in_6nd_are_chained(self):
        n, d, _ = design()
        wobble = np.exp(0.03 * np.sin(np.arange(len(n))))
        found = group_budgets(n, d * wobble)
        assert np.bincount(found.labels).tolist() == [9] * 5
        assert found.compute_flop == pytest.approx(np.geomspace(1e18, 1e21, 5), rel=0.02)
        assert "within 11 % of a neighbour in 6 N D" in found.rule

    def test_measured_compute_that_is_nowhere_equal_is_chained_too(self):
        n, d, c = design()
        found = group_budgets(n, d, c * np.exp(0.02 * np.random.default_rng(0).uniform(-1, 1, len(c))))
        assert len(found.compute_flop) == 5
        assert "the compute given" in found.rule

    def test_a_tolerance_splits_and_joins(self):
        n, d = np.full(4, 1e8), 1e9 * np.array([1, 1.05, 1.3, 1.35])
        assert group_budgets(n, d, tolerance=0.1).labels.tolist() == [0, 0, 1, 1]
        assert group_budgets(n, d, tolerance=0.3).labels.tolist() == [0, 0, 0, 0]
        assert group_budgets(n, d, tolerance=0.01).labels.tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"compute_flop": [0, 1, 1]}, "'C' must be positive, but row 0 has 0"),
            ({"n_tokens": [1, 2]}, "one value a row"),
            ({"n_params": [1, float("nan"), 1]}, "'N' must be positive, but row 1 has nan"),
        ],
    )
    def test_values_that_are_none(self, change, said):
        with pytest.raises(InputDataError, match=said):
            group_budgets(**({"n_params": [1, 2, 3], "n_tokens": [1, 2, 3]} | change))

    def test_a_tolerance_of_nothing(self):
        with pytest.raises(UsageError, match="tolerance of budgets must be positive"):
            group_budgets([1], [1], tolerance=0)


class TestCost:
    def test_6nd_where_the_rows_agree(self):
        n, d, c = design()
        for given in (None, c, c * 1.004):
            assert measured_cost(n, d, given).label == "6*N*D"

    def test_a_power_of_n_where_they_do_not(self):
        n, d, _ = design()
        cost = measured_cost(n, d, 1.05 * n**1.08 * d)
        assert (cost.flop_per_cell, cost.power) == pytest.approx((1.05, 1.08))
        assert cost.label == "1.050*N**1.080*D"
        assert cost.flop(n, d) == pytest.approx(1.05 * n**1.08 * d)
        assert cost.tokens_for(n, cost.flop(n, d)) == pytest.approx(d)


class TestVertex:
    def test_of_a_parabola_is_exact(self):
        x = np.array([16.0, 17, 18.5, 19, 21])
        y = 2.5 + 0.03 * (x - 18.2) ** 2
        valley = lowest_points(x, y, np.ones((1, 5)), "quadratic", "equal")
        assert valley.vertex[0] == pytest.approx(18.2, abs=1e-10)
        assert valley.curvature[0] == pytest.approx(0.06)

    def test_of_a_cubic_is_exact(self):
        x = np.linspace(16, 21, 7)
        u = x - 18.2
        valley = lowest_points(x, 2.5 + 0.03 * u**2 + 0.002 * u**3, np.ones((1, 7)), "cubic", "equal")
        assert valley.vertex[0] == pytest.approx(18.2, abs=1e-9)
        assert valley.curvature[0] == pytest.approx(0.06)

    def test_of_a_spline_is_near_the_lowest_point_of_any_smooth_curve(self):
        x = np.linspace(16, 21, 15)
        u = x - 18.2
        y = 0.28 * np.exp(-0.34 * u) + 0.34 * np.exp(0.28 * u)
        assert lowest_points(x, y, np.ones((1, 15)), "akima", "equal").vertex[0] == pytest.approx(18.2, abs=0.02)

    def test_near_rows_weigh_more_so_the_bias_shrinks(self):
        n, d, c = design(ratio=16, sizes=15)
        raw = {
            how: fit_isoflops(n, loss(n, d), group_budgets(n, d, c), weighting=how, bootstrap=0).at(1e20)[0][0]
            for how in ("equal", "near")
        }
        miss = {how: abs(np.log(value / best(1e20))) for how, value in raw.items()}
        assert miss["near"] < 0.95 * miss["equal"]

    def test_cubic_misses_less_than_a_parabola(self):
        n, d, c = design(ratio=8, sizes=15)
        budgets = group_budgets(n, d, c)
        miss = {}
        for curve in ("quadratic", "cubic", "akima"):
            optima = fit_isoflops(n, loss(n, d), budgets, curve=curve, bootstrap=0)
            miss[curve] = abs(np.log(optima.at(1e20)[0][0] / best(1e20)))
        assert miss["quadratic"] > 0.025
        assert miss["cubic"] < 0.3 * miss["quadratic"]
        assert miss["akima"] < 0.3 * miss["quadratic"]

    def test_the_error_is_that_of_the_delta_method(self):
        """Against the spread of the vertex over noise drawn anew."""
        x = np.linspace(17, 20, 12)
        y = 2.5 + 0.03 * (x - 18.6) ** 2
        rng = np.random.default_rng(0)
        draws = y + 0.004 * rng.standard_normal((4000, 12))
        valley = lowest_points(x, draws, np.ones((4000, 12)), "quadratic", "equal")
        one = lowest_points(x, y, np.ones((1, 12)), "quadratic", "equal")
        assert np.sqrt(one.gain) * 0.004 == pytest.approx(np.std(valley.vertex), rel=0.05)
        errors = [lowest_points(x, row, np.ones((1, 12)), "quadratic", "equal").log_error for row in draws[:400]]
        assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(valley.vertex), rel=0.1)


class TestLine:
    def test_recovers_the_exponent_exactly_without_noise(self):
        n, d, c = design()
        budgets = group_budgets(n, d, c)
        of_n = fit_isoflops(n, loss(n, d), budgets, bootstrap=0)
        of_d = fit_isoflops(d, loss(n, d), budgets, quantity="D", bootstrap=0)
        assert of_n.exponent == pytest.approx(A_TRUE, abs=1e-12)
        assert of_n.exponent + of_d.exponent == pytest.approx(1, abs=1e-12)
        assert of_n.verdict == "ok"
        assert of_n.method == "parabola in ln(size); no bootstrap"
        assert np.isnan(of_n.exponent_interval()).all()

    def test_weights(self):
        x, y = np.array([0.0, 1, 2]), np.array([[0.0, 1, 5], [np.nan, 1, 5], [np.nan, np.nan, 1]])
        lines = fit_line(x, y, np.array([1.0, 1, 1e-9]))
        assert lines[0] == pytest.approx([1, 0], abs=1e-6)
        assert lines[1] == pytest.approx([4, -3], abs=1e-6)
        assert np.isnan(lines[2]).all()

    def test_a_budget_with_little_scatter_in_its_optimum_counts_more(self):
        n, d, c = design(budgets=4, sizes=9)
        wide = np.concatenate([np.arange(9), 9 + np.array([3, 4, 5, 6, 7]), np.arange(18, 36)])
        optima = fit_isoflops(n[wide], noisy(n, d)[wide], group_budgets(n[wide], d[wide], c[wide]), bootstrap=0)
        weight, error = optima.line_weights, np.array([b.log_error for b in optima.budgets])
        assert np.argmin(weight) == 1 == np.argmax(error)

    def test_scatter_beyond_the_errors_widens_the_interval_and_says_so(self):
        n, d, c = design(sizes=11)
        kick = np.repeat([0.3, -0.3, 0.3, -0.3, 0.3], 11)
        off = np.exp(np.log(n) + kick)  # each budget's valley is moved by a third in size
        y = loss(off, c / 6 / off) + 0.0005 * np.random.default_rng(0).standard_normal(len(n))
        optima = fit_isoflops(n, y, group_budgets(n, d, c), bootstrap=200)
        assert optima.widened > 5
        assert optima.verdict == "weak"
        assert "times as far from a power law as their errors explain" in optima.reasons[0]
        calm = replace(optima, widened=1.0)
        assert np.diff(optima.exponent_interval())[0] == pytest.approx(
            optima.widened * np.diff(calm.exponent_interval())[0]
        )

    def test_two_budgets_have_a_line_and_no_interval(self):
        n, d, c = design(budgets=2)
        optima = fit_isoflops(n, noisy(n, d), group_budgets(n, d, c), bootstrap=50)
        assert optima.exponent == pytest.approx(A_TRUE, abs=0.03)
        assert np.isnan(optima.exponent_interval()).all()
        assert optima.verdict == "weak"
        assert optima.reasons == (
            "Two budgets determine a power law and leave nothing to judge it by: it has no interval.",
        )


class TestRefusals:
    def refuse(self, keep=None, y=None, **settings):
        n, d, c = design()
        y = loss(n, d) if y is None else y(n, d, c)
        rows = np.ones(len(n), bool) if keep is None else keep(n, d, c)
        return fit_isoflops(n[rows], y[rows], group_budgets(n[rows], d[rows], c[rows]), bootstrap=0, **settings)

    def test_fewer_than_four_sizes(self):
        optima = self.refuse(lambda n, d, c: (c > 2e18) | (np.arange(len(n)) < 3))
        first = optima.budgets[0].refusal
        assert (first.kind, first.reason) == ("too_few_sizes", "at 1e18 FLOP the runs have 3 sizes, and 4 are needed")
        assert np.isnan(optima.budgets[0].optimum)
        assert optima.reasons == ("1 budget of 5 left out. At 1e18 FLOP the runs have 3 sizes, and 4 are needed.",)
        assert optima.exponent == pytest.approx(A_TRUE, abs=1e-12)  # of the other four

    def test_sizes_within_a_per_cent_are_one(self):
        n, d, c = design(budgets=3, sizes=3)
        n = np.concatenate([n, n * 1.005])
        d, c = np.tile(d, 2), np.tile(c, 2)
        optima = fit_isoflops(n, loss(n, d), group_budgets(n, d, c), bootstrap=0)
        assert [b.n_sizes for b in optima.budgets] == [3, 3, 3]
        assert [b.n_rows for b in optima.budgets] == [6, 6, 6]
        assert {b.refusal.kind for b in optima.budgets} == {"too_few_sizes"}

    def test_a_cubic_needs_five(self):
        optima = self.refuse(lambda n, d, c: (c > 2e18) | (np.arange(len(n)) < 4), curve="cubic")
        assert optima.budgets[0].refusal.reason == "at 1e18 FLOP the runs have 4 sizes, and 5 are needed"

    def test_a_hill_in_place_of_a_valley(self):
        optima = self.refuse(y=lambda n, d, c: np.where(c < 2e18, 6 - loss(n, d), loss(n, d)))
        why = optima.budgets[0].refusal
        assert why.kind == "not_convex"
        assert (
            why.reason == "at 1e18 FLOP the loss has no lowest point in parameters: the quadratic curve is not a valley"
        )

    @pytest.mark.parametrize(("factor", "side"), [(9.0, "below the smallest run"), (1 / 9.0, "above the largest run")])
    def test_an_optimum_at_the_edge(self, factor, side):
        n, d, c = design()
        n = np.where(c < 2e18, n * factor, n)
        d = c / 6 / n
        optima = fit_isoflops(n, loss(n, d), group_budgets(n, d, c), bootstrap=0)
        why = optima.budgets[0].refusal
        assert why.kind == "edge_optimum"
        assert why.reason.startswith(f"at 1e18 FLOP the lowest point lies {side}, ")
        assert [b.refusal for b in optima.budgets[1:]] == [None] * 4

    def test_a_spline_that_falls_to_its_end(self):
        n, _, c = design()
        n = np.where(c < 2e18, n * 9, n)
        optima = fit_isoflops(n, loss(n, c / 6 / n), group_budgets(n, c / 6 / n, c), curve="akima", bootstrap=0)
        assert optima.budgets[0].refusal.kind == "edge_optimum"

    def test_a_chain_of_computes_is_no_budget(self):
        n = np.geomspace(1e8, 1e9, 30)
        d = 20 * n
        optima = fit_isoflops(n, loss(n, d), group_budgets(n, d, tolerance=0.2), bootstrap=0)
        assert optima.budgets[0].refusal.kind == "no_single_budget"
        assert "spread over a factor of 100 without a gap, so they share no budget" in optima.budgets[0].refusal.reason

    def test_one_budget_has_no_power_law(self):
        optima = self.refuse(lambda n, d, c: c < 2e18)
        assert optima.refusal.kind == "too_few_budgets"
        assert optima.verdict == "not identified"
        assert np.isnan(optima.exponent)
        assert np.isnan(optima.at(1e20)).all()
        assert optima.budgets[0].refusal is None
        assert optima.refusal.reason == (
            "Of 1 budget 1 can tell an optimum in parameters, and a power law needs two, or three for an interval."
        )

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"curve": "spline"}, "there is no curve 'spline'"),
            ({"weighting": "far"}, "there is no weighting 'far'"),
            ({"quantity": "C"}, "neither N nor D"),
            ({"level": 1.0}, "a level lies between 0 and 1"),
        ],
    )
    def test_words_that_make_no_sense(self, settings, said):
        with pytest.raises(UsageError, match=said):
            self.refuse(**settings)

    def test_losses_that_are_none(self):
        n, d, c = design()
        y = loss(n, d)
        y[3] = np.inf
        with pytest.raises(InputDataError, match="'loss' is inf in row 3"):
            fit_isoflops(n, y, group_budgets(n, d, c))
        with pytest.raises(InputDataError, match="'N' must be positive, but row 0"):
            fit_isoflops(-n, loss(n, d), group_budgets(n, d, c))
        with pytest.raises(InputDataError, match="there are 45 rows"):
            fit_isoflops(n[1:], loss(n, d), group_budgets(n, d, c))


class TestBootstrap:
    def test_does_not_depend_on_how_many_are_drawn(self):
        labels, runs = np.repeat([0, 1], 6), np.tile(list("abcdef"), 2)
        for draw in (draw_signs, draw_weights):
            for groups in (None, runs):
                many, few = draw(labels, groups, 9, 3), draw(labels, groups, 4, 3)
                assert np.array_equal(many[:4], few)

    def test_rows_are_drawn_within_their_budget(self):
        labels = np.repeat([0, 1, 2], [4, 5, 6])
        drawn = draw_weights(labels, None, 50, 0)
        for j, rows in enumerate((4, 5, 6)):
            assert np.all(drawn[:, labels == j].sum(axis=1) == rows)

    def test_checkpoints_of_a_run_share_their_draw(self):
        labels, runs = np.repeat([0, 1], 6), np.tile(list("abcdef"), 2)
        for draw in (draw_signs, draw_weights):
            drawn = draw(labels, runs, 50, 0)
            assert np.array_equal(drawn[:, :6], drawn[:, 6:])
            assert len(np.unique(drawn[:, :6], axis=0)) > 20

    def test_the_seed_is_in_the_method_and_in_the_numbers(self):
        n, d, c = design()
        one, same, other = (
            fit_isoflops(n, noisy(n, d), group_budgets(n, d, c), bootstrap=50, seed=seed) for seed in (1, 1, 2)
        )
        assert "seed 1" in one.method
        assert "50 wild bootstrap replicates of rows within each budget" in one.method
        assert np.array_equal(one.replicates, same.replicates)
        assert not np.array_equal(one.replicates, other.replicates)

    def test_a_spline_draws_rows(self):
        n, d, c = design()
        optima = fit_isoflops(n, noisy(n, d), group_budgets(n, d, c), curve="akima", bootstrap=30)
        assert "30 bootstrap replicates of rows within each budget" in optima.method
        assert np.isfinite(optima.replicates).all()
        assert np.isnan(optima.budgets[0].log_error)


@pytest.mark.parametrize(
    ("sizes", "budgets", "scatter", "ratio"), [(15, 5, 0.005, 4), (9, 6, 0.003, 4), (7, 4, 0.005, 8)]
)
@pytest.mark.slow
def test_intervals_of_the_exponent_cover(sizes, budgets, scatter, ratio):
    """The bounds are binomial bands of 200 simulations at a false-alarm rate of 1e-4."""
    n, d, c = design(budgets, sizes, ratio)
    groups = group_budgets(n, d, c)
    inside = np.zeros(3)
    vertex = []
    clean = fit_isoflops(n, loss(n, d), groups, bootstrap=0)
    for seed in range(200):
        optima = fit_isoflops(n, noisy(n, d, scatter, seed), groups, bootstrap=200, seed=seed)
        for i, level in enumerate((0.5, 0.9, 0.95)):
            low, high = replace(optima, level=level).exponent_interval()
            inside[i] += low <= A_TRUE <= high
        vertex += [a.low <= b.optimum <= a.high for a, b in zip(optima.budgets, clean.budgets, strict=True)]
    assert 0.36 <= inside[0] / 200 <= 0.64
    assert 0.81 <= inside[1] / 200 <= 0.97
    assert 0.88 <= inside[2] / 200 <= 0.995
    assert np.mean(vertex) == pytest.approx(0.95, abs=0.03)
