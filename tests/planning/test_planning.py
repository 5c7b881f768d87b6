"""Which runs to buy next: the rule that chooses them, the plainer ways beside it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.fitting.backtest import USUAL_SHARE
from scaling.planning.designs import Candidates, Knowledge, choose, grid, ladder, random_choice, shares
from scaling.planning.form_error import FormError
from scaling.planning.plan import Plan
from scaling.planning.rehearsal import Rehearsed, Rows, Target, gain_over, rehearse, run_noise

TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
GRID = [a.ravel() for a in np.meshgrid(np.geomspace(2e7, 5e8, 5), np.geomspace(1e9, 2e10, 4))]
RUNS = {"N": GRID[0], "D": GRID[1]}
BUDGET, FAR = 1e21, 1e23
QUICK = {"target_flop": FAR, "simulations": 8}


def law(n: Any, d: Any) -> Any:
    return TRUTH["E"] + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / d ** TRUTH["beta"]


LOSS = law(*GRID) * np.exp(0.004 * np.random.default_rng(2).standard_normal(20))


@pytest.fixture(scope="module")
def fit() -> scaling.Fit:
    return scaling.fit("chinchilla", RUNS, LOSS, objective="squared", bootstrap=300)


@pytest.fixture(scope="module")
def plan(fit: scaling.Fit) -> Plan:
    return scaling.plan_runs(fit, RUNS, LOSS, BUDGET, target_flop=FAR, simulations=40)


@pytest.fixture(scope="module")
def near(fit: scaling.Fit) -> Plan:
    return scaling.plan_runs(fit, RUNS, LOSS, BUDGET, target_flop=2e21, simulations=40)


def knowledge(seed: int, k: int, noise: float) -> Knowledge:
    """Replicates of a linear model with three parameters, as laws are near their estimates."""
    random = np.random.default_rng(seed)
    theta = random.standard_normal((400, 3)) * np.exp(random.standard_normal(3))
    return Knowledge(theta @ random.standard_normal((3, k)), theta @ random.standard_normal(3), noise)


class TestConditioning:
    @given(st.integers(0, 10**6), st.floats(0.01, 10), st.lists(st.integers(0, 7), max_size=6))
    @settings(max_examples=60, deadline=None)
    def test_another_run_never_adds_variance(self, seed: int, noise: float, chosen: list[int]) -> None:
        known = knowledge(seed, 8, noise)
        steps = [known.variance_after(chosen[:i]) for i in range(len(chosen) + 1)]
        assert all(after <= before * (1 + 1e-9) for before, after in pairwise(steps))
        diagonals = [np.diag(known.after(chosen[:i])) for i in range(len(chosen) + 1)]
        assert all(np.all(b <= a * (1 + 1e-9) + 1e-12) for a, b in pairwise(diagonals))

    @given(st.integers(0, 10**6), st.permutations(range(5)))
    @settings(max_examples=30, deadline=None)
    def test_the_order_does_not_matter(self, seed: int, order: list[int]) -> None:
        known = knowledge(seed, 5, 0.5)
        assert known.variance_after(order) == pytest.approx(known.variance_after(range(5)), rel=1e-8, abs=1e-12)

    def test_one_run_is_the_textbook_update(self) -> None:
        known = knowledge(1, 4, 0.7)
        c = known.covariance
        expected = c[-1, -1] - c[-1, 2] ** 2 / (c[2, 2] + 0.7)
        assert known.variance_after([2]) == pytest.approx(expected, rel=1e-12)
        assert known.gains(c)[2] == pytest.approx(c[-1, -1] - expected, rel=1e-12)

    def test_repeats_average_the_noise(self) -> None:
        known = knowledge(1, 4, 0.7)
        c = known.covariance
        expected = c[-1, -1] - c[-1, 2] ** 2 / (c[2, 2] + 0.7 / 3)
        assert known.variance_after([2, 2, 2]) == pytest.approx(expected, rel=1e-10)

    def test_of_several_targets_the_mean_counts(self) -> None:
        random = np.random.default_rng(4)
        theta = random.standard_normal((400, 3))
        cells, targets = random.standard_normal((3, 5)), random.standard_normal((3, 2))
        both = Knowledge(theta @ cells, theta @ targets, 0.5)
        each = [Knowledge(theta @ cells, theta @ targets[:, i], 0.5) for i in (0, 1)]
        for chosen in ([], [3], [1, 1, 4]):
            expected = np.mean([one.variance_after(chosen) for one in each])
            assert both.variance_after(chosen) == pytest.approx(expected, rel=1e-10)
        assert both.gains(both.covariance) == pytest.approx(np.mean([k.gains(k.covariance) for k in each], axis=0))

    def test_an_error_of_form_is_known_and_narrowed_like_the_rest(self) -> None:
        random = np.random.default_rng(4)
        theta = random.standard_normal((400, 2))
        form = np.array([[1.0, 0.0, 0.9], [0.0, 0.0, 0.0], [0.9, 0.0, 1.0]])  # of two cells and the target
        plain = Knowledge(theta, theta @ [0.0, 0.1], 0.01)
        doubted = Knowledge(theta, theta @ [0.0, 0.1], 0.01, form)
        assert doubted.variance == pytest.approx(plain.variance + 1)
        assert choose(plain, np.ones(2), 1.0, 1) == [1]  # the cell that the law says tells most
        assert choose(doubted, np.ones(2), 1.0, 1) == [0]  # the cell that errs as the target does

    def test_it_is_the_posterior_of_a_linear_model(self) -> None:
        """Against the same thing said in parameters: (S^-1 + X'X / s2)^-1."""
        random = np.random.default_rng(7)
        theta = random.standard_normal((100_000, 3))
        cells, target = random.standard_normal((3, 5)), random.standard_normal(3)
        known = Knowledge(theta @ cells, theta @ target, 0.5)
        x = cells[:, [0, 3, 3]].T
        posterior = np.linalg.inv(np.eye(3) + x.T @ x / 0.5)
        assert known.variance_after([0, 3, 3]) == pytest.approx(target @ posterior @ target, rel=0.05)

    def test_the_shares_add_up(self) -> None:
        known = knowledge(3, 6, 0.5)
        assert sum(shares([1, 4, 4, 0], known)) == pytest.approx(1)
        assert min(shares([1, 4, 4, 0], known)) >= 0

    def test_a_runaway_replicate_does_not_decide(self) -> None:
        random = np.random.default_rng(0)
        theta = random.standard_normal((400, 2))
        wild = theta.copy()
        wild[0] = 1e6
        tame = [Knowledge(t, t @ [1.0, 2.0], 0.1).variance for t in (theta, wild)]
        assert tame[1] == pytest.approx(tame[0], rel=0.1)


class TestChoosing:
    @pytest.mark.parametrize("seed", range(20))
    def test_nearly_as_good_as_every_set_tried(self, seed: int) -> None:
        known = knowledge(seed, 9, 0.3)
        cost = np.random.default_rng(seed).uniform(1, 4, 9)
        sets = [s for size in range(1, 6) for s in combinations(range(9), size) if cost[list(s)].sum() <= 6]
        best = min(known.variance_after(s) for s in sets)
        chosen = choose(known, cost, 6.0, 5, repeats=False)
        assert cost[chosen].sum() <= 6
        gained, most = known.variance - known.variance_after(chosen), known.variance - best
        assert gained >= (1 - 1 / np.e) * most
        assert gained <= most * (1 + 1e-9)

    def test_over_many_problems_it_is_close_to_the_best(self) -> None:
        ratios = []
        for seed in range(20):
            known = knowledge(seed, 9, 0.3)
            cost = np.random.default_rng(seed).uniform(1, 4, 9)
            sets = [s for size in range(1, 6) for s in combinations(range(9), size) if cost[list(s)].sum() <= 6]
            most = known.variance - min(known.variance_after(s) for s in sets)
            chosen = choose(known, cost, 6.0, 5, repeats=False)
            ratios.append((known.variance - known.variance_after(chosen)) / most)
        assert np.mean(ratios) > 0.98

    @given(st.integers(0, 10**6), st.floats(0.5, 20), st.integers(1, 8), st.booleans())
    @settings(max_examples=60, deadline=None)
    def test_stays_within_the_budget_and_beats_random_choice(
        self, seed: int, budget: float, max_runs: int, repeats: bool
    ) -> None:
        known = knowledge(seed, 10, 0.5)
        random = np.random.default_rng(seed)
        cost = random.uniform(0.5, 5, 10)
        chosen = choose(known, cost, budget, max_runs, repeats)
        assert cost[chosen].sum() <= budget
        assert len(chosen) <= max_runs
        others = [random_choice(random, cost, budget, max_runs, repeats) for _ in range(20)]
        for other in [chosen, *others]:
            assert cost[other].sum() <= budget
            assert repeats or len(set(other)) == len(other)
        # Greedy choice may lose to a lucky draw, never to the middle of them.
        assert known.variance_after(chosen) <= np.median([known.variance_after(o) for o in others]) * (1 + 1e-9)

    def test_nothing_affordable_is_nothing(self) -> None:
        assert choose(knowledge(0, 3, 1.0), np.full(3, 5.0), 4.0, 9) == []
        assert random_choice(np.random.default_rng(0), np.full(3, 5.0), 4.0, 9) == []


class TestFormError:
    def edge(self) -> float:
        return 6 * float(np.max(RUNS["N"] * RUNS["D"]))

    def test_nothing_inside_and_a_share_of_the_change_beyond(self, fit: scaling.Fit) -> None:
        form = FormError(fit, self.edge())
        assert form.size({"N": RUNS["N"][5:9], "D": RUNS["D"][5:9]}) == pytest.approx(np.zeros(4), abs=1e-12)
        corner = {"N": np.array([RUNS["N"].max()]), "D": np.array([RUNS["D"].max()])}
        far = {k: 10 * v for k, v in corner.items()}
        change = np.log(fit.evaluate(corner)[0] / fit.evaluate(far)[0])
        assert form.size(far) == pytest.approx(0.12 * change, rel=1e-9)

    def test_neighbours_share_it(self, fit: scaling.Fit) -> None:
        form = FormError(fit, self.edge())
        cells = {"N": np.array([2e9, 2e9 * np.e, 2e12]), "D": np.array([1e11, 1e11, 1e14])}
        size, covariance = form.size(cells), form.covariance(cells)
        assert np.diag(covariance) == pytest.approx(size**2, rel=1e-12)
        assert covariance[0, 1] == pytest.approx(size[0] * size[1] * np.exp(-0.5), rel=1e-12)
        assert abs(covariance[0, 2]) < 1e-6 * size[0] * size[2]

    def test_draws_have_its_covariance(self, fit: scaling.Fit) -> None:
        form = FormError(fit, self.edge())
        cells = {"N": np.array([2e9, 4e9, 2e10]), "D": np.array([1e11, 2e11, 1e11])}
        draws = [form.draw(np.random.default_rng(seed)) for seed in range(3000)]
        found = np.cov(np.array([draw(cells) for draw in draws]), rowvar=False)
        size = form.size(cells)
        # A covariance of 3000 draws is known to about 2 % of the product of the two sizes.
        assert found / np.outer(size, size) == pytest.approx(form.covariance(cells) / np.outer(size, size), abs=0.1)
        first = {k: v[:1] for k, v in cells.items()}
        assert draws[0](first) == pytest.approx(draws[0](cells)[:1], rel=1e-12)

    def test_truths_of_a_rehearsal_have_it(self, fit: scaling.Fit) -> None:
        form = FormError(fit, self.edge(), 0.5)
        target = Target(n_params=(5e10,), n_tokens=(5e11,))
        plain, wrong = (
            rehearse(fit, Rows(RUNS, LOSS), target, {}, f, simulations=300, seed=0, level=0.9)["nothing"].rmse
            for f in (None, form)
        )
        size = float(form.size(target.cells(fit))[0]) * fit.evaluate(target.cells(fit))[0, 0]
        assert wrong == pytest.approx(np.hypot(plain, size), rel=0.15)


class TestLayouts:
    def test_the_grid(self) -> None:
        cells = grid(1e20, (2.0, 200.0), (1e7, 1e8))
        assert cells.n_params * cells.n_tokens * 6 == pytest.approx(cells.cost_flop)
        assert cells.cost_flop.max() <= 1e20
        assert cells.cost_flop.min() == pytest.approx(1e20 / 64)
        ratio = cells.n_tokens / cells.n_params
        assert (ratio.min(), ratio.max()) == pytest.approx((2, 200))
        assert len(cells.cost_flop) == 7 * 9
        small = grid(1e20, (2.0, 200.0), (1e9, 1e9))
        assert small.n_params.min() >= 1e9
        assert small.n_tokens.min() >= 1e9
        assert grid(1e20, (2.0, 200.0), (1e7, 1e8), floor_flop=5e19).cost_flop.min() == 5e19

    def test_the_ladder(self) -> None:
        rungs = ladder(1e20, 20.0)
        assert len(rungs.cost_flop) == 15
        assert rungs.cost_flop.sum() == pytest.approx(1e20)
        assert rungs.cost_flop.sum() <= 1e20
        assert rungs.cost_flop[0] / rungs.cost_flop[-1] == pytest.approx(16)
        middle = rungs.n_tokens[2::5] / rungs.n_params[2::5]
        assert middle == pytest.approx(20)
        assert rungs.n_params[4] / rungs.n_params[0] == pytest.approx(16)
        dear = ladder(1e20, 20.0, floor_flop=1e19)
        assert len(dear.cost_flop) == 5
        assert dear.cost_flop.sum() <= 1e20


class TestPlan:
    def test_says_what_it_costs_and_teaches(self, plan: Plan) -> None:
        flop = sum(run.cost_flop for run in plan.runs)
        assert plan.spent_flop == pytest.approx(flop)
        assert plan.spent_flop <= BUDGET
        assert sum(run.teaches for run in plan.runs) == pytest.approx(1)
        for run in plan.runs:
            assert run.cost_flop == pytest.approx(run.runs * 6 * run.n_params * run.n_tokens)
            assert run.budget_share == pytest.approx(run.cost_flop / BUDGET)
        assert sum(run.runs for run in plan.runs) <= 16
        assert min(run.n_params for run in plan.runs) >= GRID[0].min()
        assert min(run.n_tokens for run in plan.runs) >= GRID[1].min()

    def test_today_is_the_allocation(self, plan: Plan, fit: scaling.Fit) -> None:
        today = scaling.allocate(fit, FAR, level=0.9)
        assert plan.loss == pytest.approx(today.loss[0], rel=1e-9)
        assert plan.loss_interval == pytest.approx([end[0] for end in today.loss_interval], rel=1e-9)
        assert plan.extrapolation_factor == pytest.approx(today.extrapolation_factor[0], rel=1e-6)

    def test_buying_helps(self, near: Plan) -> None:
        plan = near
        nothing, bought = plan.way("nothing"), plan.way("plan")
        assert bought.rmse + 2 * bought.rmse_se < nothing.rmse - 2 * nothing.rmse_se
        assert bought.width < 0.7 * nothing.width
        assert plan.narrowing < plan.random_narrowing < 1
        assert plan.random_beaten > 0.9

    @pytest.mark.parametrize("which", ["plan", "near"])
    def test_what_is_foretold_is_what_is_measured(self, which: str, request: pytest.FixtureRequest) -> None:
        """The rule is linear and the law is not, so within a factor."""
        plan = request.getfixturevalue(which)
        measured = plan.way("plan").rmse / plan.way("nothing").rmse
        assert measured == pytest.approx(plan.narrowing, rel=0.4)

    def test_far_beyond_everything_the_form_is_what_is_not_known(self, plan: Plan, near: Plan) -> None:
        assert plan.narrowing > 0.8 > 0.6 > near.narrowing
        assert any("stands for a wrong form of the law" in note for note in plan.notes)
        assert plan.form_share == USUAL_SHARE

    def test_several_targets(self, fit: scaling.Fit) -> None:
        cells = {"N": [2e8, 4e9], "D": [1e11, 5e9]}
        found = scaling.plan_runs(fit, RUNS, LOSS, BUDGET, target=cells, simulations=4)
        assert found.loss == pytest.approx(fit.evaluate(cells)[0].mean(), rel=1e-12)
        assert found.target == {"N": (2e8, 4e9), "D": (1e11, 5e9)}
        assert Plan.from_json(found.to_json()) == found
        assert "N = 2e8, D = 1e11; N = 4e9, D = 5e9" in repr(found)
        ratios = [run.n_tokens / run.n_params for run in found.runs]
        assert max(ratios) > 100  # towards the one
        assert min(ratios) < 10  # and the other

    def test_each_way_spends_the_budget(self, plan: Plan) -> None:
        assert [way.name for way in plan.ways] == ["nothing", "plan", "random", "isoFLOP ladder"]
        assert plan.way("isoFLOP ladder").n_runs == 15
        for way in plan.ways[1:]:
            assert 0.9 * BUDGET < way.spent_flop <= BUDGET
            assert way.failed == 0

    def test_the_spread_of_nothing_is_that_of_the_replicates(self, fit: scaling.Fit) -> None:
        target = Target(n_params=(1e9,), n_tokens=(5e10,))
        found = rehearse(fit, Rows(RUNS, LOSS), target, {}, simulations=300, seed=0, level=0.9)
        values = fit.evaluate({"N": 1e9, "D": 5e10}, fit.replicates)[:, 0]
        expected = float(np.sqrt(np.mean((values - fit.evaluate({"N": 1e9, "D": 5e10})[0, 0]) ** 2)))
        assert found["nothing"].rmse == pytest.approx(expected, rel=1e-9)
        low, high = target.interval(Rows(RUNS, LOSS).refit(fit, [fit.estimates], {}, np.empty(0)), 0.9)
        assert found["nothing"].held == np.mean((low[0] <= values) & (values <= high[0]))
        assert 0.8 < found["nothing"].held < 0.95

    def test_the_seed_alone_decides(self, fit: scaling.Fit) -> None:
        plans = [scaling.plan_runs(fit, RUNS, LOSS, BUDGET, **QUICK, seed=seed) for seed in (1, 1, 2)]
        assert plans[0] == plans[1]
        assert plans[0].runs == plans[2].runs
        assert plans[0].way("plan").rmse != plans[2].way("plan").rmse

    def test_it_comes_back_from_json_and_reads_as_a_report(self, plan: Plan) -> None:
        assert Plan.from_json(plan.to_json()) == plan
        text = repr(plan)
        assert "to forecast the loss at C = 1e23" in text
        assert "isoFLOP ladder" in text
        assert plan.findings[0] in text
        assert len(plan.findings) == 2
        with pytest.raises(InputDataError, match="no plan"):
            Plan.from_json('{"runs": 3}')

    def test_candidates_of_ones_own(self, fit: scaling.Fit) -> None:
        offered = {"N": [1e8, 1e9, 2e9], "D": [1e10, 2e10, 9e10]}
        found = scaling.plan_runs(fit, RUNS, LOSS, 2e20, **QUICK, candidates=offered, repeats=False)
        assert found.candidates == 2
        assert {(run.n_params, run.n_tokens) for run in found.runs} == {(1e8, 1e10), (1e9, 2e10)}
        assert {run.runs for run in found.runs} == {1}

    def test_what_a_run_costs_at_least(self, fit: scaling.Fit) -> None:
        found = scaling.plan_runs(fit, RUNS, LOSS, BUDGET, **QUICK, floor_flop=3e20)
        assert sum(run.runs for run in found.runs) <= 3
        assert all(run.cost_flop >= run.runs * 3e20 for run in found.runs)

    def test_clusters_and_weights_go_along(self, fit: scaling.Fit) -> None:
        labels = [f"run {i // 2}" for i in range(20)]
        grouped = scaling.fit("chinchilla", RUNS, LOSS, groups=labels, bootstrap=60, objective="squared")
        assert scaling.plan_runs(grouped, RUNS, LOSS, BUDGET, **QUICK, groups=labels).spent_flop <= BUDGET
        with pytest.raises(UsageError, match="made with groups"):
            scaling.plan_runs(grouped, RUNS, LOSS, BUDGET, **QUICK)
        with pytest.raises(UsageError, match="made without groups"):
            scaling.plan_runs(fit, RUNS, LOSS, BUDGET, **QUICK, groups=labels)
        weights = np.ones(20)
        weights[3] = 0
        weighted = scaling.fit("chinchilla", RUNS, LOSS, weights=weights, bootstrap=60, objective="squared")
        assert scaling.plan_runs(weighted, RUNS, LOSS, BUDGET, **QUICK, weights=weights).way("plan").failed == 0

    def test_progress_is_told(self, fit: scaling.Fit) -> None:
        told: list[tuple[int, int]] = []
        scaling.plan_runs(fit, RUNS, LOSS, BUDGET, **QUICK, progress=lambda *x: told.append(x))
        assert told == [(i, 24) for i in range(1, 25)]


class TestWords:
    def ways(self, plan: float, random: float) -> dict[str, Rehearsed]:
        noise = np.random.default_rng(0).standard_normal(50)
        return {
            name: Rehearsed(name, 1, 1.0, size * noise, np.ones(50), np.ones(50))
            for name, size in (("plan", plan), ("random", random))
        }

    def test_random_choice_that_is_as_good_is_called_so(self) -> None:
        from scaling.planning.plan_runs import _compare_ways

        ways = self.ways(1.0, 1.0)
        assert gain_over(ways["plan"], ways["random"])[0] == 0
        assert _compare_ways(ways, "random").startswith("The plan is no better than random choice")
        assert "50 % smaller" in _compare_ways(self.ways(1.0, 2.0), "random")
        assert "is worse than random choice" in _compare_ways(self.ways(2.0, 1.0), "random")

    def test_error_and_its_error(self) -> None:
        way = Rehearsed(
            "plan", 1, 1.0, np.array([3.0, -4.0, np.nan]), np.array([1.0, 3.0, np.nan]), np.array([1.0, 0.0, np.nan])
        )
        assert way.rmse == pytest.approx(np.sqrt(12.5))
        # The squares are 9 and 16: their mean is known to 3.5, and the root of it to 3.5 / (2 * root).
        assert way.rmse_se == pytest.approx(3.5 / (2 * np.sqrt(12.5)))
        assert (way.mean_width, way.failed) == (2, 1)
        assert way.held == 0.5
        assert way.held_se == pytest.approx(np.sqrt(0.25 / 2))
        sure = replace(way, inside=np.ones(98))
        assert (sure.held, sure.held_se) == (1, pytest.approx(np.sqrt(0.99 * 0.01 / 98)))
        assert np.isnan(replace(way, inside=np.full(3, np.nan)).held)

    def test_intervals_that_hold_the_truth_too_seldom_are_said_to(self, plan: Plan) -> None:
        from scaling.planning.plan_runs import _short_intervals

        def way(name: str, held: int) -> Rehearsed:
            return Rehearsed(name, 1, 1.0, np.ones(50), np.ones(50), (np.arange(50) < held).astype(float))

        assert _short_intervals({"plan": way("plan", 45), "random": way("random", 41)}, 0.9) == []
        [said] = _short_intervals({"plan": way("plan", 45), "random": way("random", 20)}, 0.9)
        assert "held the truth less often than that (random 40 %)" in said
        # Far beyond the data the form is what is not known, and the intervals know nothing of it.
        assert plan.way("plan").held < 0.7
        assert any("held the truth less often than that" in note for note in plan.notes)
        assert "interval of the parameters only" in repr(plan)
        assert "held the truth" in repr(plan)
        assert {"held", "held_se"} <= set(plan.to_dict()["ways"][0])

    def test_a_target_inside_the_data(self, fit: scaling.Fit) -> None:
        found = scaling.plan_runs(fit, RUNS, LOSS, 1e19, target={"N": 1e8, "D": 5e9}, simulations=4)
        assert found.extrapolation_factor == 1
        assert any("lies inside the data" in note for note in found.notes)

    def test_a_fit_that_is_not_identified_is_just_what_needs_runs(self) -> None:
        line = {"N": np.geomspace(2e7, 5e8, 12), "D": 20 * np.geomspace(2e7, 5e8, 12)}
        loss = law(line["N"], line["D"]) * np.exp(0.004 * np.random.default_rng(3).standard_normal(12))
        fit = scaling.fit("chinchilla", line, loss, bootstrap=100, objective="squared")
        assert fit.verdict == "not identified"
        found = scaling.plan_runs(fit, line, loss, BUDGET, target={"N": 1e9, "D": 2e11}, simulations=4)
        assert found.verdict == "not identified"
        assert found.notes[0].startswith("The fit is not identified")
        ratios = [run.n_tokens / run.n_params for run in found.runs]
        assert max(abs(np.log(np.array(ratios) / 20))) > np.log(5)  # off the line that the runs share


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"budget_flop": 0}, "budget must be a positive"),
            ({"budget_flop": -1e20}, "budget must be a positive"),
            ({"budget_flop": float("nan")}, "budget must be a positive"),
            ({"budget_flop": "much"}, "not a number"),
            ({"target_flop": 0}, "the target must be a positive"),
            ({"target_flop": None}, "needs one target"),
            ({"target": {"N": 1e9, "D": 1e10}}, "needs one target"),
            ({"target_flop": None, "target": {"N": 0, "D": 1e10}}, "must be positive"),
            ({"budget_flop": 1e15}, "buys no run as large as the smallest of the data, which costs 1.2e17 FLOP"),
            ({"candidates": {"N": [1e10], "D": [1e12]}}, "buys none of the 1 candidate: the cheapest costs 6e22"),
            ({"candidates": {"N": [1e10], "D": [-1.0]}}, "must be positive"),
            ({"max_runs": 0}, "runs must be a whole number from 1"),
            ({"simulations": 1}, "simulations must be a whole number from 2"),
            ({"seed": -1}, "seed must be a whole number from 0"),
            ({"floor_flop": -1}, "costs at least cannot be -1"),
            ({"level": 0}, "level"),
        ],
    )
    def test_numbers_that_make_no_sense(self, fit: scaling.Fit, changes: dict[str, Any], message: str) -> None:
        asked: dict[str, Any] = {"budget_flop": BUDGET, "target_flop": FAR, "simulations": 4} | changes
        with pytest.raises((UsageError, InputDataError), match=message):
            scaling.plan_runs(fit, RUNS, LOSS, **asked)

    def test_no_replicates(self) -> None:
        bare = scaling.fit("chinchilla", RUNS, LOSS, bootstrap=0)
        with pytest.raises(UsageError, match="no bootstrap replicates") as caught:
            scaling.plan_runs(bare, RUNS, LOSS, BUDGET, **QUICK)
        assert "--bootstrap 1000" in str(caught.value)

    def test_rows_that_are_not_those_of_the_fit(self, fit: scaling.Fit) -> None:
        for inputs, loss in (
            ({k: v[:-1] for k, v in RUNS.items()}, LOSS[:-1]),
            (RUNS, LOSS[::-1]),
            (RUNS, LOSS * 1.0001),
        ):
            with pytest.raises(InputDataError, match="not the 20 rows that the fit was made from"):
                scaling.plan_runs(fit, inputs, loss, BUDGET, **QUICK)

    def test_laws_of_other_inputs_and_without_an_optimum(self) -> None:
        x = np.geomspace(1e18, 1e21, 15)
        one = scaling.fit("power", {"x": x}, 90 / x**0.08 * (1 + 0.001 * np.sin(x)), bootstrap=20)
        with pytest.raises(UsageError, match="no run of N and D can be planned"):
            scaling.plan_runs(one, {"x": x}, x, BUDGET, **QUICK)
        flat = 1 + 30 / GRID[0] ** 0.1 / GRID[1] ** 0.05 * (1 + 0.001 * np.sin(GRID[0]))
        product = scaling.fit("multiplicative", RUNS, flat, bootstrap=20)
        with pytest.raises(VerdictError, match="no forecast at the target"):
            scaling.plan_runs(product, RUNS, flat, BUDGET, **QUICK)
        found = scaling.plan_runs(product, RUNS, flat, BUDGET, target={"N": 1e9, "D": 1e11}, simulations=4)
        assert found.spent_flop <= BUDGET

    def test_no_rows_to_spare(self) -> None:
        few = {k: v[[0, 3, 9, 12, 19]] for k, v in RUNS.items()}
        loss = law(few["N"], few["D"])
        fit = scaling.fit("chinchilla", few, loss, objective="squared", bootstrap=20)
        with pytest.raises(InputDataError, match="nothing to judge the scatter"):
            scaling.plan_runs(fit, few, loss, BUDGET, **QUICK)


@pytest.mark.slow
def test_the_noise_is_that_of_the_runs() -> None:
    found = {}
    for objective in ("squared", "huber"):
        values = []
        for seed in range(25):
            noise = np.random.default_rng(seed).standard_normal(20)
            fit = scaling.fit("chinchilla", RUNS, law(*GRID) * np.exp(0.01 * noise), objective=objective, bootstrap=0)
            values.append(run_noise(fit))
        found[objective] = float(np.mean(values))
    assert found["squared"] == pytest.approx(1e-4, rel=0.15)
    # A median feels pi/2 times the variance; the middle of 20 residuals of 5 parameters is a rough measure of it.
    assert found["huber"] == pytest.approx(1e-4 * np.pi / 2, rel=0.4)


def test_a_failed_refit_is_counted(fit: scaling.Fit) -> None:
    """A design whose outcomes cannot be fitted: the losses of its cells are not numbers."""
    cells = Candidates(np.array([1e8]), np.array([np.nan]), np.array([1e18]))
    rows = Rows(RUNS, LOSS)
    ways = rehearse(fit, rows, Target(compute_flop=FAR), {"bad": lambda _: cells}, simulations=3, seed=0, level=0.9)
    assert ways["bad"].failed == 3
    assert np.isnan(ways["bad"].rmse)
    assert ways["nothing"].failed == 0
    assert replace(ways["nothing"], error=np.zeros(3)).rmse == 0
