"""Components of scores: found again where they are known, with signs and intervals that can be relied on."""

import numpy as np
import pytest

from scaling.boundary.observational import fit_components, fit_latent_score
from scaling.errors import InputDataError, UsageError


def two_skills(families=15, each=5, noise=0.01, seed=1, shared=0.5):
    """Scores of two skills, the first partly shared within families; variances 0.04 and 0.004, loadings orthonormal."""
    rng = np.random.default_rng(seed)
    loadings = np.linalg.qr(np.column_stack([np.array([3, 2, 2, 1, 1.5, 2.5]), [1, -1, 1, -1, 0, 0]]))[0].T
    loadings *= np.sign(loadings.sum(axis=1))[:, None]
    n = families * each
    first = np.repeat(rng.standard_normal(families), each) * np.sqrt(shared) + rng.standard_normal(n) * np.sqrt(
        1 - shared
    )
    skills = np.column_stack([first * 0.2, rng.standard_normal(n) * 0.2 * np.sqrt(0.1)])
    scores = 0.5 + skills @ loadings + noise * rng.standard_normal((n, 6))
    return np.clip(scores, 0, 1), loadings, [f"family {i // each}" for i in range(n)]


def test_loadings_and_shares_are_found_again():
    scores, truth, _ = two_skills(families=400)
    found = fit_components(scores, 2)
    assert found.loadings[0] == pytest.approx(truth[0], abs=0.01)
    assert found.loadings[1] == pytest.approx(truth[1], abs=0.03)
    assert found.shares[:2] == pytest.approx([0.04 / 0.0446, 0.004 / 0.0446], abs=0.01)
    assert found.shares.sum() == pytest.approx(1)
    assert len(found.shares) == 6


def test_a_higher_first_component_is_a_better_model():
    scores, _, _ = two_skills()
    for flipped in (scores, 1 - scores):
        found = fit_components(flipped, 2)
        assert np.all(found.loadings.sum(axis=1) > 0)
        assert np.corrcoef(found.values[:, 0], flipped.mean(axis=1))[0, 1] > 0.95


def test_scores_are_not_scaled():
    scores, _, _ = two_skills()
    narrow = scores.copy()
    narrow[:, 0] = 0.5 + (scores[:, 0] - 0.5) / 10
    assert fit_components(narrow, 1).loadings[0, 0] < 0.2 < fit_components(scores, 1).loadings[0, 0]


def test_new_models_are_measured_as_training_ones():
    scores, _, _ = two_skills()
    found = fit_components(scores, 3)
    assert found.transform(scores[7:9]) == pytest.approx(found.values[7:9], abs=1e-12)
    holed = scores[7:8].copy()
    holed[0, 2] = np.nan
    assert found.transform(holed)[0, 0] == pytest.approx(found.values[7, 0], abs=0.05)


def test_families_drawn_anew_give_wider_intervals_than_models():
    """Squares of a skill that is shared to 0.9 are correlated by 0.81, so five of them tell as much as 1.2."""
    scores, _, families = two_skills(families=60, shared=0.9)
    alone = [str(i) for i in range(len(scores))]
    whole, single = (fit_components(scores, 2, families=f, bootstrap=300, seed=4) for f in (families, alone))
    width = [float(np.diff([x[0] for x in c.share_interval(0.9)])[0]) for c in (whole, single)]
    assert whole.families == 60
    assert width[0] > 1.5 * width[1]


def test_intervals_hold_the_truth_and_repeat_with_the_seed():
    scores, truth, families = two_skills()
    found = fit_components(scores, 2, families=families, bootstrap=200, seed=4)
    low, high = found.loading_interval(0.99)
    assert np.mean((low[0] <= truth[0]) & (truth[0] <= high[0])) >= 5 / 6
    low, high = found.share_interval(0.9)
    assert low[0] < found.shares[0] < high[0]
    again = fit_components(scores, 2, families=families, bootstrap=200, seed=4)
    other = fit_components(scores, 2, families=families, bootstrap=200, seed=5)
    assert np.array_equal(again.share_replicates, found.share_replicates)
    assert not np.array_equal(other.share_replicates, found.share_replicates)


def test_without_a_bootstrap_intervals_are_unknown():
    scores, _, _ = two_skills()
    low, high = fit_components(scores, 2).share_interval()
    assert np.all(np.isnan(low))
    assert np.all(np.isnan(high))
    assert "interval" not in fit_components(scores, 2).summary()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"n_components": 7}, UsageError, "have no 7 components"),
        ({"n_components": 0}, UsageError, "have no 0 components"),
        ({"bootstrap": 10}, UsageError, "needs the family"),
        ({"bootstrap": 10, "families": ["one"] * 75}, InputDataError, "all models are of one family"),
    ],
)
def test_what_cannot_be_done_is_refused(change, error, words):
    scores, _, _ = two_skills()
    with pytest.raises(error, match=words):
        fit_components(scores, **change)


def test_equal_models_have_no_components():
    with pytest.raises(InputDataError, match="all models have the same scores"):
        fit_components(np.tile([0.2, 0.4, 0.5], (6, 1)), 1)


def test_a_latent_score_runs_from_0_to_1_by_the_training_models_alone():
    scores, _, _ = two_skills(families=40)
    order = np.argsort(scores.mean(axis=1))
    train, best = scores[order[:150]], scores[order[150:]]
    latent = fit_latent_score(train)
    inside = latent.transform(train)
    assert np.mean(inside == 0) == pytest.approx(0.01, abs=0.01)
    assert np.mean(inside == 1) == pytest.approx(0.01, abs=0.01)
    assert latent.transform(best).mean() > 0.9
    raw = latent.components.values[:, 0]
    assert inside[10] == pytest.approx((raw[10] - np.quantile(raw, 0.01)) / np.ptp(np.quantile(raw, [0.01, 0.99])))
    with pytest.raises(UsageError, match="no component 0"):
        fit_latent_score(train, 0)
