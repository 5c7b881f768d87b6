"""Shifts on the Open LLM Leaderboard, on a second harness, and between MATH-500 and AIME 2025.

The reference numbers were worked out by the procedures of arXiv:2602.15327 on these tables, apart from this package.
"""

import numpy as np
import pandas as pd
import pytest

from scaling.boundary.shift import (
    apply_offset,
    compute_disagreement,
    contamination_shift,
    detect_jump,
    detect_regrade,
    harness_offset,
    measure_monotonicity,
    measure_saturation,
    pair_models,
)

pytestmark = pytest.mark.reference

TASKS = {
    "bbh": ("BBH Raw", "bbh"),
    "gpqa": ("GPQA Raw", "gpqa"),
    "ifeval": ("IFEval Raw", "ifeval_inst_strict"),
    "math_lvl_5": ("MATH Lvl 5 Raw", "math_hard"),
    "mmlu_pro": ("MMLU-PRO Raw", "mmlu_pro"),
    "musr": ("MUSR Raw", "musr"),
}
# share of large models below the best small one so far: September and December 2024, February 2025
DOMINATED = {
    "bbh": (0.906, 0.970, 0.989),
    "gpqa": (0.891, 0.680, 0.822),
    "ifeval": (0.875, 0.960, 0.989),
    "math_lvl_5": (0.828, 0.940, 1.0),
    "mmlu_pro": (0.469, 0.260, 0.467),
    "musr": (0.984, 1.0, 1.0),
}
MONTHS = {"2024-09": 64, "2024-12": 100, "2025-02": 90}
OLD_MATH = "MATH Lvl 5 Raw (2025-02-08 grader)"


@pytest.fixture(scope="module")
def leaderboard(reference):
    return pd.read_csv(reference("prescriptive", "derived", "oll_v2_recon_with_tokens.csv"))


@pytest.fixture(scope="module")
def second(reference):
    return pd.read_csv(reference("prescriptive", "derived", "proteus_2k_slim.csv"))


@pytest.fixture(scope="module")
def exams(reference):
    return pd.read_csv(reference("prescriptive", "derived", "aa_math500_aime2025.csv"))


@pytest.fixture(scope="module")
def together(leaderboard, second):
    """A function from a task to all models of both sources, those of the leaderboard first."""
    first = leaderboard[~leaderboard["Flagged"] & leaderboard["Upload To Hub Date"].notna()]
    other = second[~second["model_id"].isin(first["fullname"])]

    def table(task):
        a, b = TASKS[task]
        names = [*first["fullname"], *other["model_id"]]
        return {
            "score": [*first[a], *other[b]],
            "n_params": 1e9 * np.array([*first["#Params (B)"], *other["num_params_B"]]),
            "date": [*first["Upload To Hub Date"], *other["last_modified"].str[:10]],
            "groups": [name.split("/")[0] for name in names],
        }

    return table


@pytest.mark.parametrize("task", TASKS)
def test_shares_below_the_best_small_model_are_those_of_the_published_rule(together, task, reference):
    found = measure_saturation(**together(task), rules=["running_max"], permutations=19).rule("running_max")
    for (month, n_large), share in zip(MONTHS.items(), DOMINATED[task], strict=True):
        assert found.month(month).n_large == n_large
        assert found.month(month).share == pytest.approx(share, abs=6e-4)
    theirs = pd.read_csv(reference("prescriptive", "reference", "dominance", f"v2_scaling_metrics_{task}.csv"))
    theirs = theirs.set_index(theirs["month"].str[:7])
    for month in ("2024-09", "2024-10", "2024-11", "2024-12", "2025-01", "2025-02"):
        assert found.month(month).share == pytest.approx(theirs["dominance_rate_frontier"][month], abs=1e-12)
        assert found.month(month).n_large == theirs["n_large"][month]


@pytest.mark.parametrize("task", TASKS)
def test_slopes_with_size_are_the_reference_where_the_two_tables_hold_all_models(together, task, reference):
    found = measure_saturation(**together(task), rules=["running_max"], permutations=19)
    theirs = pd.read_csv(reference("prescriptive", "reference", "dominance", f"v2_scaling_metrics_{task}.csv"))
    theirs = theirs.set_index(theirs["month"].str[:7])
    slopes = {slope.month: slope for slope in found.slopes}
    for month in ("2024-10", "2024-11"):
        assert slopes[month].n == theirs["n_total"][month]
        assert slopes[month].slope == pytest.approx(theirs["slope_log_params_all"][month], abs=1e-6)
        assert slopes[month].spearman == pytest.approx(theirs["spearman_log_params_all"][month], abs=1e-5)
        assert slopes[month].r2 == pytest.approx(theirs["r2_log_params_all"][month], abs=1e-5)


def test_one_organisation_saturates_bbh_and_large_models_pull_away_at_equal_numbers(together):
    found = measure_saturation(**together("bbh"))
    december = found.rule("running_max").month("2024-12")
    assert december.rests_on == "internlm"
    assert (december.share, december.without_one) == (pytest.approx(0.97), pytest.approx(0.22))
    assert found.rule("running_max").trend.low > 1
    assert found.rule("matched_best").trend.high < 0
    matched = found.rule("matched_best").month("2024-12")
    assert matched.high < 0.3 < 0.9 < matched.permuted
    assert not found.saturated
    assert any("internlm" in text for text in found.warnings)


def test_the_published_test_of_aime_against_math(exams):
    a = (exams["math_500_pct"], exams["aime_2025_pct"], exams["release_date"])
    found = contamination_shift(*a, preset="zhang2026", cutoffs="2025-02-06")
    fit = found.published["2025-02-06"]
    assert (fit["n_before"], fit["n_after"]) == (28, 62)
    for name, value in {"intercept": -4.2788, "slope": 1.3557, "gamma": 0.5757}.items():
        assert fit[name] == pytest.approx(value, abs=1e-3)
    assert fit["gamma_error"] == pytest.approx(0.3261, abs=1e-3)
    assert fit["r2"] == pytest.approx(0.529, abs=1e-3)
    assert fit["p"] == pytest.approx(0.148, abs=0.03)
    assert fit["null_mean"] == pytest.approx(0.292, abs=0.02)
    assert fit["null_sd"] == pytest.approx(0.311, abs=0.02)
    assert not found.shifted


@pytest.mark.parametrize(
    ("cutoff", "gamma", "p"),
    [
        ("2024-10-01", 1.576, 0.036),
        ("2024-12-01", 1.232, 0.035),
        ("2025-04-01", 0.416, 0.042),
        ("2025-06-01", 0.033, 0.198),
    ],
)
def test_the_published_test_hangs_on_the_cutoff(exams, cutoff, gamma, p):
    a = (exams["math_500_pct"], exams["aime_2025_pct"], exams["release_date"])
    row = contamination_shift(*a, preset="zhang2026", cutoffs=cutoff).leading
    assert row.gamma == pytest.approx(gamma, abs=1e-3)
    assert row.p == pytest.approx(p, abs=0.03)


def test_by_items_and_over_all_cutoffs_no_shift_can_be_told(exams):
    a = (exams["math_500_pct"], exams["aime_2025_pct"], exams["release_date"])
    settings = {"n_items_a": 500, "n_items_b": 300, "groups": exams["creator"]}
    found = contamination_shift(*a, **settings)
    assert len(found.cutoffs) == 10
    assert found.leading.p < 0.05 < 0.15 < found.leading.p_corrected
    at = contamination_shift(*a, **settings, cutoffs="2025-02-06")
    assert (at.leading.n_before, at.leading.n_after) == (28, 62)
    assert at.leading.gamma == pytest.approx(0.09, abs=0.03)  # two scores of 0 made most of .576
    clipped = [s.gamma for s in at.sensitivity if s.way.startswith("least squares")]
    assert clipped[0] == pytest.approx(0.5757, abs=1e-3)
    assert clipped[1] == pytest.approx(0.353, abs=1e-3)


def test_the_two_harnesses_are_apart_on_the_models_they_share(leaderboard, second):
    pairs = pair_models(leaderboard["fullname"].tolist(), second["model_id"].tolist())
    a, b = leaderboard.iloc[pairs.rows_a], second.iloc[pairs.rows_b]
    assert len(pairs) == 212
    expected = {  # of 239 models; the tables at hand share 212 of them
        ("IFEval Raw", "ifeval_inst_strict"): (-0.040, 0.159),
        ("IFEval Raw", "ifeval_prompt_strict"): (-0.162, None),
        ("MATH Lvl 5 Raw", "math_hard"): (-0.032, 0.062),
        ("BBH Raw", "bbh"): (0.003, None),
        ("GPQA Raw", "gpqa"): (0.014, None),
        ("MUSR Raw", "musr"): (0.017, None),
        ("MMLU-PRO Raw", "mmlu_pro"): (0.008, None),
    }
    for (one, other), (mean, sd) in expected.items():
        found = harness_offset(a[one], b[other], groups=b["mapped_base_model"], bootstrap=499)
        assert found.mean == pytest.approx(mean, abs=0.004)
        assert sd is None or found.sd == pytest.approx(sd, abs=0.002)
        assert found.told == (other != "bbh")
    math = harness_offset(a["MATH Lvl 5 Raw"], b["math_hard"], groups=b["mapped_base_model"])
    assert math.slope_told
    assert math.slope == pytest.approx(-0.283, abs=0.002)
    moved = apply_offset(a["MATH Lvl 5 Raw"], math)
    assert np.std(b["math_hard"].to_numpy() - moved.score) < 0.75 * math.sd
    compute = compute_disagreement(a["compute_flop"], b["compute_flop"], pairs.names)
    assert (compute.n, compute.apart) == (189, 9)
    assert compute.share == pytest.approx(0.05, abs=0.005)
    assert "Qwen-32b" in compute.models[0]["name"]


def test_the_new_grader_of_math_is_told(leaderboard):
    base = leaderboard["Identified base model"].fillna(leaderboard["fullname"])
    found = detect_regrade(leaderboard[OLD_MATH], leaderboard["MATH Lvl 5 Raw"], groups=base)
    assert found.n == 3827
    assert found.left_out == {"before missing": 86}
    assert found.mean == pytest.approx(0.044, abs=0.0012)
    assert found.highest == pytest.approx(0.71, abs=0.005)
    assert found.share_changed == pytest.approx(0.914, abs=0.001)
    assert found.p < 0.001
    assert found.shifted


def test_a_new_grader_in_the_middle_of_the_series_is_found_and_the_old_one_alone_is_not(leaderboard):
    known = leaderboard[(leaderboard["compute_flop"] > 0) & leaderboard[OLD_MATH].notna()]
    known = known[known["Submission Date"].notna()]
    scores = {one: known[one].to_numpy() for one, _ in TASKS.values()}
    date, compute = known["Submission Date"], np.log10(known["compute_flop"])
    scores["MATH Lvl 5 Raw"] = known[OLD_MATH].to_numpy()
    assert not detect_jump(scores, date, compute).found
    scores["MATH Lvl 5 Raw"] = np.where(date >= "2024-11-01", known["MATH Lvl 5 Raw"], known[OLD_MATH])
    found = detect_jump(scores, date, compute).found
    assert [(jump.task, jump.cutoff) for jump in found] == [("MATH Lvl 5 Raw", "2024-11-01")]
    assert found[0].p_corrected < 0.01


def test_scores_rise_with_compute_and_shuffled_ones_do_not(leaderboard):
    known = leaderboard[leaderboard["compute_flop"] > 0]
    compute, score = np.log10(known["compute_flop"]), known["MATH Lvl 5 Raw"].to_numpy()
    found = measure_monotonicity(compute, score, permutations=199)
    assert found.rises
    assert found.tau > 0.25
    assert found.isotonic_adjusted > 0.6
    mixed = np.random.default_rng(0).permutation(score)
    shuffled = measure_monotonicity(compute, mixed, permutations=199)
    assert abs(shuffled.tau) < 0.1
    assert abs(shuffled.isotonic_adjusted) < 0.06
    # falls of neighbours, ties sorted by score: at most the bound, and shuffled scores reach most of it
    order = np.lexsort((mixed, compute))
    bound = (len(np.unique(compute)) - 1) / (len(compute) - 1)
    assert 0.6 * bound < np.mean(np.diff(mixed[order]) < 0) <= bound < 0.09
