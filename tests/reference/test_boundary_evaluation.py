"""Boundaries held against the next period on the Open LLM Leaderboard, beside every baseline.

Reference figures: six tasks and three steps between the four periods of arXiv:2602.15327, published settings.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.boundary.evaluation import forecast_chances, measure_reliability, recalibrate
from scaling.boundary.evaluation.baselines import NAMES, fit_baseline
from scaling.boundary.evaluation.bins import equal_mass_edges
from scaling.boundary.evaluation.metrics import measure
from scaling.boundary.evaluation.periods import split_periods
from scaling.boundary.evaluation.result import FORECAST, PLAIN, combine

pytestmark = pytest.mark.reference

TASKS = ("IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO")
TAU = 0.98
#: As they are called in the table of the reference figures.
THEIRS = {
    "const": "constant",
    "one": "one",
    "binned": "binned_smoothed",
    "binned_exact_mono": "isotonic",
    "linear_qr": "linear",
    "ispline": "ispline",
    "sig k50 l1e-3": "zhang2026",
}


@pytest.fixture(scope="module")
def board(reference):
    table = pd.read_csv(reference("prescriptive", "derived", "oll_v2_recon_with_tokens.csv"), low_memory=False)
    table = table[table.compute_flop > 0].copy()
    table["z"] = np.log10(table.compute_flop)
    return table


@pytest.fixture(scope="module")
def figures(reference):
    return pd.read_csv(reference("prescriptive", "reference", "baselines.csv"))


def part(board, k, task):
    rows = board[board.period4 == f"P{k}"]
    return rows.z.to_numpy(), rows[f"{task} Raw"].to_numpy()


def differences(board, figures, steps):
    """Ours minus theirs: losses and coverages, fitted and to come, of each baseline, mean over the steps."""
    found = {name: [] for name in THEIRS}
    for k, task in steps:
        (z, y), (z_to, y_to) = part(board, k, task), part(board, k + 1, task)
        common = (z_to >= z.min()) & (z_to <= z.max())
        z_to, y_to = z_to[common], y_to[common]
        for theirs, ours in THEIRS.items():
            q = fit_baseline(ours, z, y, TAU)
            now = measure(z, y, q(z), TAU, equal_mass_edges(z))
            then = measure(z_to, y_to, q(z_to), TAU, equal_mass_edges(z_to))
            row = figures[(figures.k == k) & (figures.task == f"{task} Raw") & (figures.model == theirs)].iloc[0]
            assert (now.n, then.n) == (row.n, row.nv)
            found[theirs].append(
                [
                    now.smoothed_pinball - row.Ls_tr,
                    then.smoothed_pinball - row.Ls_va,
                    now.pinball - row.P_tr,
                    then.pinball - row.P_va,
                    now.coverage - row.cov_tr,
                    then.coverage - row.cov_va,
                    now.coverage_error - row.ce_tr,
                    then.coverage_error - row.ce_va,
                    then.signed_coverage_error - row.sce_va,
                ]
            )
    return {name: np.mean(rows, axis=0) for name, rows in found.items()}


def test_baselines_of_one_step(board, figures):
    for name, off in differences(board, figures, [(2, task) for task in ("BBH", "MATH Lvl 5")]).items():
        assert np.max(np.abs(off[:4])) < 3e-5, name
        # The best line goes through two of 457 models, which rounding puts on either side.
        assert np.max(np.abs(off[4:6])) < (2.5 / 457 if name == "linear_qr" else 0.002), name
        assert np.max(np.abs(off[6:])) < 0.004, name


@pytest.mark.slow
def test_baselines_of_all_steps(board, figures):
    for name, off in differences(board, figures, [(k, task) for k in (1, 2, 3) for task in TASKS]).items():
        assert np.max(np.abs(off[:4])) < 3e-5, name
        assert np.max(np.abs(off[4:])) < 0.002, name


# Smoothed and exact loss, coverage and coverage error of the models fitted; then of the next period, whose coverage
# error stands once in bins of its own and once, with its sign too, in those of the models fitted.
PUBLISHED = {
    (1, "IFEval"): (0.00604, 0.00555, 0.9931, 0.0140, 456, 0.00795, 0.00667, 0.9057, 0.0644, 0.0524, -0.0444),
    (1, "MATH Lvl 5"): (0.00400, 0.00365, 0.9862, 0.0194, 456, 0.01276, 0.01229, 0.9254, 0.0795, 0.0390, -0.0310),
    (2, "IFEval"): (0.00626, 0.00576, 0.9978, 0.0192, 841, 0.00689, 0.00597, 0.9822, 0.0135, 0.0142, 0.0015),
    (2, "MMLU-PRO"): (0.00402, 0.00368, 0.9934, 0.0147, 841, 0.00407, 0.00341, 0.9917, 0.0255, 0.0182, 0.0110),
    (3, "BBH"): (0.00376, 0.00335, 0.9905, 0.0250, 705, 0.00414, 0.00378, 0.9801, 0.0135, 0.0196, -0.0052),
    (3, "MATH Lvl 5"): (0.00650, 0.00619, 0.9845, 0.0207, 705, 0.00799, 0.00749, 0.9617, 0.0413, 0.0508, -0.0355),
}


def test_published_settings_by_step(board):
    for task in {task for _, task in PUBLISHED}:
        args = (board.z, board[f"{task} Raw"], board.period4)
        made = {
            bins: scaling.boundary.backtest(*args, preset="zhang2026", margin=False, baselines=[], bins=bins)
            for bins in ("train_overlap", "test_fixed")
        }
        for (k, of), row in PUBLISHED.items():
            if of != task:
                continue
            overlap, fixed = made["train_overlap"][k - 1], made["test_fixed"][k - 1]
            now = overlap.within[PLAIN]
            ours = (now.smoothed_pinball, now.pinball, overlap.smoothed_pinball, overlap.pinball)
            np.testing.assert_allclose(ours, [row[0], row[1], row[5], row[6]], rtol=0, atol=5e-5)
            assert now.coverage == pytest.approx(row[2], abs=2 / now.n)
            assert overlap.n_common == row[4]
            assert overlap.coverage == pytest.approx(row[7], abs=2 / row[4])
            assert now.coverage_error == pytest.approx(row[3], abs=0.004)
            assert fixed.coverage_error == pytest.approx(row[8], abs=0.004)
            assert overlap.coverage_error == pytest.approx(row[9], abs=0.004)
            assert overlap.signed_coverage_error == pytest.approx(row[10], abs=0.004)


def test_the_periods_are_those_of_the_dates(board):
    made = split_periods(board["Upload To Hub Date"])
    there = made.labels != ""
    assert there.sum() > 2400
    assert (made.labels[there] == board.period4.to_numpy()[there]).mean() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("bins", ["train_overlap", "test_fixed"])
def test_the_forecast_beats_every_baseline_out_of_period(board, bins):
    tasks = {
        task: scaling.boundary.backtest(
            board.z, board[f"{task} Raw"], board.period4, groups=board["Identified base model"], bins=bins
        )
        for task in TASKS
    }
    means = combine(tasks).means
    ours = means[FORECAST]
    assert ours["pinball"] == pytest.approx(0.00423, abs=3e-5)
    assert min(means[name]["pinball"] for name in NAMES) == pytest.approx(0.00442, abs=3e-5)
    assert ours["pinball"] <= 0.00442
    assert ours["coverage_error"] <= 0.0265
    assert ours["signed_coverage_error"] == pytest.approx(-0.006, abs=0.002)
    # Without its margin it would be too low, and no better than a straight line.
    assert means[PLAIN]["pinball"] == pytest.approx(0.00452, abs=5e-5)
    assert means[PLAIN]["signed_coverage_error"] < -0.025
    # What the coverage error alone would have named the best of all.
    assert means["one"]["coverage_error"] == pytest.approx(0.02, abs=1e-9)
    assert means["one"]["pinball"] > 2.5 * ours["pinball"]
    # The published settings, in either kind of bins.
    theirs = {"train_overlap": 0.0238, "test_fixed": 0.0265}[bins]
    assert means["zhang2026"]["coverage_error"] == pytest.approx(theirs, abs=5e-4)


@pytest.mark.slow
def test_models_without_a_known_base_are_judged_as_well(board):
    """Models that share their compute are left out together, which is nearly what base models say."""
    made = [scaling.boundary.backtest(board.z, board[f"{task} Raw"], board.period4, baselines=[]) for task in TASKS]
    pinball = np.mean([row.pinball for one in made for row in one])
    error = np.mean([row.coverage_error for one in made for row in one])
    assert pinball == pytest.approx(0.00425, abs=3e-5)
    assert error <= 0.0265


def test_chances_of_a_score_come_true_as_far_as_clusters_can_tell(board):
    made = forecast_chances(board.z, board["BBH Raw"], board.period4, groups=board["Identified base model"])
    assert len(made) == 4 * (456 + 841 + 705)
    r = made.reliability()
    assert r.clusters == 81
    assert r.brier.score == pytest.approx(0.112, abs=0.001)
    assert r.brier.discrimination == pytest.approx(0.088, abs=0.002)
    assert r.calibration_error == pytest.approx(0.034, abs=0.003)
    assert r.p_value > 0.3
    # Forecasts by the thousand would look wrong if each were taken to stand alone.
    assert measure_reliability(made.probability, made.outcome, bootstrap=200).p_value < 0.01
    put = recalibrate(made.probability, made.outcome, made.period, made.groups)
    assert {s.helped for s in put.steps} == {"no difference to be seen"}


def test_too_many_models_at_once_are_no_discoveries(board):
    known, new = board[board.period4 == "P3"], board[board.period4 == "P4"]
    b = scaling.boundary.fit(known.z, known["MATH Lvl 5 Raw"], groups=known["Identified base model"])
    found = scaling.boundary.find_exceedances(b, new.z, new["MATH Lvl 5 Raw"])
    assert min(row.p_value for row in found) >= 1 / (found.known + 1)
    assert not found.discoveries
    assert sum(row.excess > 0 for row in found) > 0.02 * len(found)
