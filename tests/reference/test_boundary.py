"""Boundaries of the Open LLM Leaderboard and of Epoch AI's hub, against published settings and curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.boundary.solver import Points, solve

TASKS = ("IFEval Raw", "BBH Raw", "MATH Lvl 5 Raw", "GPQA Raw", "MUSR Raw", "MMLU-PRO Raw")
# y0, L, z_mid, b, objective, and the curve at 1e25 and 1e26 FLOP.
EPOCH = {
    "FrontierMath-2025-02-28-Private": (0.00509509, 0.2828, 0.3530, 3e-4),
    "FrontierMath-2025-02-28-Public": (0.00984254, 0.5208, 0.7496, 3e-4),
    "GPQA_diamond": (0.00683800, 0.8803, 0.9188, 3e-4),
    "OTIS_Mock_AIME_2024-2025": (0.01169586, 0.9081, 0.9368, 3e-4),
}
# 90 % bands of the fourth period at 1e24 FLOP, published settings, clusters of base models; made from 100 replicates.
BANDS = {
    "IFEval Raw": (0.809, 0.831), "BBH Raw": (0.675, 0.734), "MATH Lvl 5 Raw": (0.490, 0.611),
    "GPQA Raw": (0.394, 0.478), "MUSR Raw": (0.512, 0.552), "MMLU-PRO Raw": (0.529, 0.588),
}  # fmt: skip
# The boundary of all four periods at 1e22, 1e23 and 1e24 FLOP.
ALL = {
    "IFEval Raw": (0.6277, 0.7419, 0.8305), "BBH Raw": (0.5398, 0.6206, 0.6952),
    "MATH Lvl 5 Raw": (0.2921, 0.4041, 0.5271), "GPQA Raw": (0.3516, 0.3863, 0.4218),
    "MUSR Raw": (0.4975, 0.5133, 0.5290), "MMLU-PRO Raw": (0.3709, 0.4642, 0.5601),
}  # fmt: skip


@pytest.fixture(scope="module")
def leaderboard(reference):
    table = pd.read_csv(reference("prescriptive", "derived", "oll_v2_recon_with_tokens.csv"))
    table = table[table["compute_flop"] > 0]
    return table.assign(z=np.log10(table["compute_flop"]))


def columns(table, task, period=None):
    rows = table[table[task].notna() & (period is None or table["period4"] == period)]
    return rows["z"].to_numpy(), rows[task].to_numpy(), rows["Identified base model"].to_numpy()


@pytest.mark.parametrize("period", [1, 2, 3, 4])
@pytest.mark.parametrize("task", TASKS)
def test_the_optimum_is_the_global_one(leaderboard, reference, task, period):
    """Against the best of 120 polished starts."""
    known = pd.read_csv(reference("prescriptive", "reference", "fits_global.csv"))
    row = known[(known["k"] == period) & (known["task"] == task)].iloc[0]
    z, y, _ = columns(leaderboard, task, f"P{period}")
    b = scaling.boundary.fit(z, y, preset="zhang2026")
    assert b.n_obs == row["n"]
    assert b.objective_value <= row["f_glob"] + 1e-7
    at = np.linspace(z.min(), z.max(), 200)
    levels = row["y0"] + row["L"] / (1 + np.exp(-row["b"] * (at - row["zs"])))
    np.testing.assert_allclose(b.predict(at), levels, atol=1e-3)


@pytest.mark.parametrize("task", TASKS)
def test_the_boundary_of_all_periods(leaderboard, task):
    b = scaling.boundary.fit(*columns(leaderboard, task)[:2], preset="zhang2026")
    np.testing.assert_allclose(b.predict([22, 23, 24]), ALL[task], atol=1e-4)


@pytest.mark.parametrize("name", EPOCH)
def test_the_published_curves_of_the_hub(reference, name):
    folder = ("prescriptive", "authors", "epoch_outputs")
    points = pd.read_csv(reference(*folder, "points", f"{name}.csv"))
    curve = pd.read_csv(reference(*folder, "curves", f"{name}.csv"))
    value, at25, at26, tolerance = EPOCH[name]
    b = scaling.boundary.fit(points["log10_compute"], points["score"], preset="zhang2026", ridge=1e-4)
    assert b.objective_value <= value + 1e-8
    np.testing.assert_allclose(b.predict([25, 26]), [at25, at26], atol=1e-4)
    drawn = b.predict(np.log10(curve["training_compute_flop"]))
    np.testing.assert_allclose(drawn, curve["y_hat"], atol=tolerance)
    assert b.verdict in ("weak", "not identified")  # at most 1.3 models are expected above a .98 quantile of 65


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_bands_by_base_model(leaderboard, task):
    """Known from 100 replicates, which leave an error of .01 on MATH: there its lower end is missed by .017."""
    z, y, base = columns(leaderboard, task, "P4")
    b = scaling.boundary.fit(z, y, preset="zhang2026", groups=base, bootstrap=1000)
    band = b.predict(24.0, level=0.9)
    allowed = 0.02 if task == "MATH Lvl 5 Raw" else 0.01
    np.testing.assert_allclose([band.low, band.high], BANDS[task], atol=allowed)
    alone = scaling.boundary.fit(z, y, preset="zhang2026", bootstrap=200).predict(24.0, level=0.9)
    assert 1.5 < (band.high - band.low) / (alone.high - alone.low) < 7


@pytest.mark.parametrize("task", TASKS)
def test_a_sharp_corner_ends_where_many_starts_do(leaderboard, task):
    z, y, _ = columns(leaderboard, task, "P3")
    points, rng = Points.of(z, y), np.random.default_rng(2)
    found = scaling.boundary.fit(z, y)
    for _ in range(8):
        at = np.array(
            [rng.uniform(0, 0.5), rng.uniform(0, 1), np.exp(rng.uniform(-2, 2)), rng.uniform(z.min(), z.max())]
        )
        for kappa in (50.0, 200.0, 800.0, 2000.0):
            ended = solve(points, 0.98, kappa, found.settings.ridge, starts=at)
            at = ended.theta
        assert found.objective_value <= ended.value + 1e-7
