"""Corpora ranked: the order of known truths, what the probabilities mean, what the baseline says, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.loss_to_loss.ranking.backtest import backtest_ranking, score_decisions
from scaling.loss_to_loss.ranking.baseline import find_baseline
from scaling.loss_to_loss.ranking.errors import Misses
from scaling.loss_to_loss.ranking.maps import LINEAR_FORMS, evaluate_linear, fit_linear
from scaling.loss_to_loss.ranking.rank import rank_corpora
from scaling.loss_to_loss.ranking.runs import budgets_in_common, cell_numbers, read_runs

BUDGETS = (1e18, 3e18, 1e19, 3e19, 1e20)
RATIOS = (5, 10, 20, 40, 80)


def sweep(e=2.0, scale=1.0, noise=0.0, seed=0, budgets=BUDGETS):
    """Runs of a corpus whose law is Chinchilla's with another floor and size."""
    budget, ratio = (v.ravel() for v in np.meshgrid(budgets, RATIOS, indexing="ij"))
    n = np.sqrt(budget / 6 / ratio)
    d = ratio * n
    loss = e + scale * (400 / n**0.34 + 2000 / d**0.37)
    return n, d, 6 * n * d, loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(n)))


def crossing(noise=0.002):
    """Two corpora whose curves cross beyond the data, and a third that is worse throughout."""
    return {"early": sweep(2.1, 0.8, noise, 1), "late": sweep(2.0, 1.1, noise, 2), "poor": sweep(2.6, 1.2, noise, 3)}


def test_laws_and_maps_see_that_the_curves_cross_and_the_baseline_does_not():
    found = rank_corpora(crossing(), 1e24, law="chinchilla", bootstrap=100)
    assert [row.corpus for row in sorted(found.table, key=lambda r: r.baseline_rank)] == ["early", "late", "poor"]
    assert [row.corpus for row in found.tables["laws"]] == ["late", "early", "poor"]
    assert found.best.corpus == "late"
    assert "says otherwise" in found.decision
    assert found.table[0].low < found.table[0].forecast < found.table[0].high
    assert sum(row.p_best for row in found.table) == pytest.approx(1)
    poor = next(row for row in found.table if row.corpus == "poor")
    assert (poor.rank, poor.rank_low, poor.rank_high, poor.n_runs) == (3, 3, 3, 25)
    assert found.probability("late", "poor") + found.probability("poor", "late") == pytest.approx(1)


def test_what_is_the_same_is_open_and_what_is_far_apart_is_clear():
    equal = {name: sweep(2.0, 1.0, 0.003, seed) for seed, name in enumerate(("a", "b", "c"))}
    found = rank_corpora(equal, 1e21, law="chinchilla", bootstrap=100)
    assert found.verdict == "open"
    assert found.decision.startswith("It is open which corpus is best")
    far = {"a": sweep(2.0, 1.0, 0.003, 1), "b": sweep(2.5, 1.0, 0.003, 2)}
    found = rank_corpora(far, 1e21, law="chinchilla", bootstrap=100)
    assert found.verdict == "clear"
    assert "says the same" in found.decision
    assert "over 99" in found.decision  # a share of draws is never certainty


def test_corpora_that_are_the_same_are_a_tie():
    found = rank_corpora({"a": sweep(), "b": sweep(), "poor": sweep(2.5)}, 1e21, law="chinchilla", bootstrap=20)
    ranks = {row.corpus: (row.rank, row.baseline_rank) for row in found.table}
    assert ranks == {"a": (1, 1), "b": (1, 1), "poor": (3, 3)}
    assert found.decision.startswith("Nothing tells a and b apart at 1e21 FLOP: their forecasts are the same, ")
    assert "does not tell a and b apart either: it is " in found.decision
    assert "leads" not in found.decision
    assert "otherwise" not in found.decision


def test_a_lead_too_small_for_four_digits_is_said_in_percent():
    a, b = sweep(2.0, noise=0.002, seed=1), sweep(2.0, noise=0.002, seed=1)
    low = float(a[3].min())
    found = rank_corpora({"a": a, "b": (*b[:3], np.where(b[3] == low, low * (1 - 1e-5), b[3]))}, 1e21,
                         law="chinchilla", bootstrap=20)  # fmt: skip
    said = replace(found, tables={"both": tuple(
        replace(row, p_best=0.6 if row.corpus == "a" else 0.4) for row in found.table
    )})  # fmt: skip
    assert said.decision.endswith(" (by 0.0010 %).")


@pytest.mark.slow
def test_probabilities_of_two_equal_corpora_are_no_more_than_what_they_promise():
    """Of 24 pairs of equal truth, drawn anew: a 90 % probability is wrong half of the time here, so it must be rare."""
    sure = 0
    for seed in range(24):
        pair = {"a": sweep(2.0, 1.0, 0.004, 100 + seed), "b": sweep(2.0, 1.0, 0.004, 200 + seed)}
        p = rank_corpora(pair, 3e21, law="chinchilla", method="maps", bootstrap=50, seed=seed).probability("a", "b")
        sure += max(p, 1 - p) > 0.9
    assert sure <= 5  # 2.4 expected where the probabilities are right


def test_seeds_and_plain_data():
    runs = crossing()
    one, same, other = (rank_corpora(runs, 1e22, law="chinchilla", bootstrap=50, seed=s) for s in (3, 3, 4))
    assert one.to_dict() == same.to_dict()
    assert one.to_dict()["tables"] != other.to_dict()["tables"]
    turned = dict(reversed(runs.items()))
    assert rank_corpora(turned, 1e22, law="chinchilla", bootstrap=50, seed=3).to_dict() == one.to_dict()
    table = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert table["seed"] == 3
    assert set(table["tables"]) == {"laws", "maps", "both"}
    assert table["pairwise"]["baseline"][0][0] == 0.5
    assert "drawn" not in repr(one)
    assert "4000 draws, 50 replicates, seed 3" in repr(one)


def test_a_cell_at_the_target_is_where_all_laws_are_worked_out():
    runs = {"a": sweep(2.0), "b": sweep(2.3)}
    found = rank_corpora(runs, 1e22, law="chinchilla", n_params=1e9, bootstrap=20)
    d = 1e22 / 6e9
    wanted = 2.0 + 400 / 1e9**0.34 + 2000 / d**0.37
    assert found.tables["laws"][0].forecast == pytest.approx(wanted, rel=1e-5)
    lowest = rank_corpora(runs, 1e22, law="chinchilla", bootstrap=20).tables["laws"][0].forecast
    assert lowest < wanted


def test_a_metric_that_does_not_fall_with_compute_is_not_forecast():
    n, d, flop, loss = sweep(2.3, noise=0.002, seed=5)
    rising = loss + 0.3 * np.log(flop / 1e18) ** 2 / 10
    found = rank_corpora(
        {"a": sweep(2.0, noise=0.002), "odd": (n, d, flop, rising)}, 1e22, law="chinchilla", bootstrap=20
    )
    assert found.not_falling == ("odd",)
    flat = 2.5 + 0.05 * np.random.default_rng(6).standard_normal(25)
    found_flat = rank_corpora({"a": sweep(2.0), "odd": (n, d, flop, flat)}, 1e22, law="chinchilla", bootstrap=20)
    assert found_flat.not_falling == ("odd",)
    assert found.verdict == "open"
    assert found.decision.startswith("The metric is not monotone: over the larger budgets of odd no fall")
    assert rank_corpora(crossing(), 1e22, law="chinchilla", bootstrap=20).not_falling == ()


def test_nothing_exceeds_the_ceiling():
    runs = {name: (n, d, flop, loss / 3) for name, (n, d, flop, loss) in crossing(0.05).items()}
    free, held = (rank_corpora(runs, 1e21, law="chinchilla", bootstrap=40, ceiling=c) for c in (np.inf, 0.9))
    assert max(row.high for row in free.table) > 0.9
    assert max(row.high for row in held.table) == 0.9


def test_auto_takes_the_law_that_misses_least_of_its_own():
    found = rank_corpora(crossing(0.001), 1e21, bootstrap=20)
    assert found.law in ("chinchilla", "gadre")


def test_too_few_common_cells_leave_the_laws():
    n, d, flop, loss = sweep(2.3)
    runs = {"a": sweep(2.0), "b": (1.3 * n, d / 1.3, flop, loss)}
    found = rank_corpora(runs, 1e21, law="chinchilla", bootstrap=20)
    assert found.method == "laws"
    assert "Ranked by laws alone: b and a have 0 cells" in found.notes[0]
    with pytest.raises(InputDataError, match="have 0 cells"):
        rank_corpora(runs, 1e21, law="chinchilla", method="maps", bootstrap=20)


def test_the_baseline_is_the_best_loss_at_the_largest_common_budget():
    runs = read_runs({"a": sweep(2.0, budgets=BUDGETS), "b": sweep(2.1, budgets=BUDGETS[:4])})
    found = find_baseline(runs)
    assert found.budget == pytest.approx(3e19)
    assert found.loss[1] == runs["b"].loss.min()
    assert found.loss[0] > runs["a"].loss.min()
    assert found.exact
    noisy = read_runs({name: sweep(2.0, noise=0.01, seed=i) for i, name in enumerate("abcdefgh")})
    assert find_baseline(noisy).scatter == pytest.approx(0.01, rel=0.5)


def test_budgets_and_cells_are_those_of_all():
    runs = read_runs({"a": sweep(2.0), "b": [np.asarray(c)[:10] * (1 + 1e-5) for c in sweep(2.1)]})
    assert budgets_in_common(runs) == pytest.approx([1e18, 3e18], rel=1e-4)
    numbers = cell_numbers(runs)
    assert list(numbers["b"]) == list(numbers["a"][:10])
    assert len(set(numbers["a"])) == 25


def test_linear_forms_are_recovered_and_weights_count():
    x = np.linspace(2, 4, 9)
    truths = {
        "affine": 0.3 + 1.2 * x, "quadratic": 0.3 + 0.4 * x + 0.1 * x**2, "log_log": 1.1 * x**0.8,
        "log_quadratic": np.exp(0.1 + 0.7 * np.log(x) + 0.1 * np.log(x) ** 2),
    }  # fmt: skip
    assert set(truths) == set(LINEAR_FORMS)
    for form, y in truths.items():
        found, centre = fit_linear(form, x, y)
        assert evaluate_linear(form, found, centre, x[None])[0] == pytest.approx(y, rel=1e-9)
    y = truths["affine"].copy()
    y[-1] += 1
    w = np.ones((2, 9))
    w[1, -1] = 0
    found, _ = fit_linear("affine", x, y, w)
    assert found[1, 1] == pytest.approx(1.2)
    assert found[0, 1] > 1.3
    lonely, _ = fit_linear("affine", x, y, np.eye(9)[:1])
    assert np.isnan(lonely).all()  # one point draws no line


def test_what_all_miss_together_is_told_from_what_each_misses():
    near, nothing = 1 / np.array([2.0, 4.0, 8.0]), np.zeros((3, 4))
    change = np.full((3, 4), 0.2)
    together = Misses(np.full((3, 4), 0.1), change, nothing, near).split()
    apart = Misses(np.array([[0.1, -0.1, 0.1, -0.1]] * 3), change, nothing, near).split()
    assert together[0] < 0.1 < 0.3 < together[1]
    assert apart[0] > 0.3 > 0.15 > apart[1]


def test_scores_of_decisions():
    found = score_decisions("x", np.array([0.95, 0.95, 0.6, 0.2]), np.array([True, False, True, False]))
    assert (found.decisions, found.right, found.sure, found.sure_right) == (4, 3, 2, 1)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.4**2 + 0.2**2) / 4)


def test_the_backtest_hides_budgets_and_says_who_wins():
    runs = {"loss": crossing(), "other": {name: sweep(e, 1.0, 0.002, 7) for name, e in (("early", 2.0), ("late", 2.2))}}
    found = backtest_ranking(runs, bootstrap=20)
    assert found.cuts == pytest.approx((3e18, 1e19, 3e19))
    assert {s.way for s in found.scores} == {"baseline", "laws", "maps", "both"}
    assert [s.decisions for s in found.scores] == [12, 12, 12, 12]
    best = {corpus: columns[3].min() for corpus, columns in runs["loss"].items()}
    assert all(r["lower"] == (best[r["one"]] < best[r["other"]]) for r in found.rows if r["metric"] == "loss")
    assert found.verdict.startswith("Of 12 decisions on held-out budgets were right: baseline 100 %")
    assert "Nothing beats" in found.verdict or "equal" in found.verdict or "chance" in found.verdict
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda runs: {"early": runs["early"]}, InputDataError, "two corpora or more"),
        (lambda runs: runs | {"bad": ([1.0], [1.0, 2.0], None, [3.0])}, InputDataError, "different lengths: 1 N, 2 D"),
        (lambda runs: runs | {"bad": ([1e8], [1e9], None, [-0.1])}, InputDataError, "loss of the corpus bad is -0.1"),
        (lambda runs: runs | {"bad": ([1e8], [1e9], None, [2.0])}, InputDataError, "the corpus bad: .*1 row"),
    ],
)
def test_runs_that_cannot_be_ranked(change, error, message):
    with pytest.raises(error, match=message):
        rank_corpora(change(crossing()), 1e21, law="chinchilla", bootstrap=20)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"n_params": -1.0}, "must be a positive number"),
        ({"reference": "nowhere"}, "no corpus 'nowhere'"),
        ({"bootstrap": 0}, "bootstrap replicates"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(UsageError, match=message):
        rank_corpora(crossing(), 1e21, law="chinchilla", **({"bootstrap": 20} | settings))
    with pytest.raises(UsageError, match="positive number of FLOP"):
        rank_corpora(crossing(), -1e21)


def test_a_backtest_needs_two_budgets():
    one = {name: sweep(2.0, budgets=(1e19,)) for name in ("a", "b")}
    with pytest.raises(InputDataError, match="fewer than two budgets in common for loss"):
        backtest_ranking({"loss": one})
