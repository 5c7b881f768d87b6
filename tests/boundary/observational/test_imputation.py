"""Missing scores: what is known to be there is found again, and what cannot be filled in is refused."""

import numpy as np
import pytest

from scaling.boundary.observational import fit_imputer
from scaling.errors import InputDataError, UsageError


def one_skill(n=30, d=5, missing=0.15, seed=0):
    """Scores that one skill explains wholly, and the same with holes; no row or column is empty."""
    rng = np.random.default_rng(seed)
    whole = 0.5 + np.outer(rng.uniform(-1, 1, n), rng.uniform(0.1, 0.4, d))
    holed = whole.copy()
    holed[rng.random((n, d)) < missing] = np.nan
    holed[:, 0] = whole[:, 0]
    holed[0] = whole[0]
    return whole, holed


def iterate(imputer, row, steps=5000):
    """Replace missing z-scores by the reconstruction until nothing moves: the definition, step by step."""
    missing = np.isnan(row)
    z = np.where(missing, 0.0, (row - imputer.mean) / imputer.scale)
    for _ in range(steps):
        away = z - imputer.centre
        z = np.where(missing, imputer.centre + imputer.directions.T @ (imputer.directions @ away), z)
    return z * imputer.scale + imputer.mean


def test_holes_in_scores_of_one_skill_are_filled_exactly():
    whole, holed = one_skill()
    found = fit_imputer(holed)
    assert found.converged
    assert found.n_imputed == np.isnan(holed).sum() > 10
    assert found.imputed_by_benchmark == tuple(np.isnan(holed).sum(axis=0))
    assert np.abs(found.filled - whole).max() < 1e-8
    assert np.array_equal(found.filled[~np.isnan(holed)], whole[~np.isnan(holed)])


def test_means_are_wrong_by_far_more():
    whole, holed = one_skill()
    found = fit_imputer(holed, 0)
    assert found.filled[np.isnan(holed)] == pytest.approx(np.nanmean(holed, axis=0)[np.nonzero(np.isnan(holed))[1]])
    assert np.abs(found.filled - whole).max() > 0.2


@pytest.mark.parametrize("rank", [1, 2])
def test_a_new_row_is_filled_as_by_iterating_to_the_end(rank):
    rng = np.random.default_rng(3)
    scores = np.clip(0.5 + 0.1 * rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6)) * 0.4, 0, 1)
    found = fit_imputer(scores, rank)
    row = scores[5].copy()
    row[[1, 4]] = np.nan
    assert found.apply(row[None])[0] == pytest.approx(np.clip(iterate(found, row), 0, 1), abs=1e-9)
    assert not np.allclose(found.apply(row[None])[0], fit_imputer(scores, 0).apply(row[None])[0], atol=1e-3)


def test_new_rows_do_not_change_what_was_learned():
    _, holed = one_skill()
    found = fit_imputer(holed)
    first = np.array([0.9, np.nan, 0.9, np.nan, 0.9])
    alone = found.apply(first[None])[0]
    assert np.array_equal(found.apply(np.array([first, [0.1, 0.1, np.nan, 0.1, 0.1]]))[0], alone)


def test_filled_scores_stay_within_bounds():
    low = np.linspace(0.0, 0.9, 20)
    scores = np.column_stack([low, np.clip(2 * low, 0, 1), low])
    scores[-1, 1] = np.nan
    row = fit_imputer(scores).apply(np.array([[1.0, np.nan, 1.0]]))[0]
    assert row[1] == 1.0
    assert scores[~np.isnan(scores)].max() <= 1.0


def test_a_model_without_scores_is_named():
    scores = np.array([[0.1, 0.2], [np.nan, np.nan], [0.3, 0.4], [0.4, 0.6]])
    with pytest.raises(InputDataError, match="model silent has no score"):
        fit_imputer(scores, models=["a", "silent", "b", "c"])
    with pytest.raises(InputDataError, match="model 0 has no score"):
        fit_imputer(scores[[0, 2, 3]]).apply(np.full((1, 2), np.nan))


def test_a_benchmark_without_scores_is_named():
    scores = np.array([[0.1, np.nan], [0.2, np.nan], [0.3, np.nan]])
    with pytest.raises(InputDataError, match="benchmark 'MMLU' has no score"):
        fit_imputer(scores, benchmarks=["ARC", "MMLU"])


def test_percentages_are_told_from_shares():
    with pytest.raises(InputDataError, match="divide by 100") as raised:
        fit_imputer(np.array([[0.5, 27.2], [0.4, 38.9], [0.3, 12.0]]), benchmarks=["ARC", "BLEU"])
    assert "'BLEU'" in raised.value.message
    with pytest.raises(InputDataError, match="no share") as raised:
        fit_imputer(np.array([[0.5, -0.2], [0.4, 0.9], [0.3, 0.1]]))
    assert "percent" not in str(raised.value)


def test_a_rank_that_reproduces_everything_is_refused():
    with pytest.raises(UsageError, match="cannot be filled in by 2"):
        fit_imputer(np.array([[0.1, 0.2], [0.3, 0.1], [0.5, 0.9]]), 2)


def test_a_benchmark_on_which_all_score_alike_is_no_obstacle():
    scores = np.array([[0.1, 0.5], [0.3, 0.5], [0.5, np.nan], [0.2, 0.5]])
    assert fit_imputer(scores).filled[2, 1] == pytest.approx(0.5)


def test_the_summary_counts():
    _, holed = one_skill()
    assert f"{int(np.isnan(holed).sum())} of 150 scores" in fit_imputer(holed).summary()
    assert fit_imputer(np.nan_to_num(holed, nan=0.5)).summary() == "No score is missing."
