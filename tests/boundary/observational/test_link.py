"""The link from components to a task: parameters known beforehand are found, and both ways of fitting agree."""

import numpy as np
import pytest
from scipy.special import expit

from scaling.boundary.observational.link import LinkSettings, fit_link, quick_fit
from scaling.errors import InputDataError, UsageError

ALPHA, BETA, SHIFT = -1.0, np.array([4.0, -2.0]), 0.08


def tasks(n=60, chance=0.25, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, 2)) * [0.8, 0.4]
    above = SHIFT + (1 - SHIFT) * expit(ALPHA + values @ BETA)
    score = chance + (1 - chance) * above + noise * rng.standard_normal(n)
    return values, np.clip(score, 0, 1), [f"f{i % 24}" for i in range(n)]


def test_parameters_are_found_again():
    values, score, families = tasks()
    link = fit_link(values, score, settings=LinkSettings(chance=0.25), families=families)
    assert (link.alpha, link.shift) == pytest.approx((ALPHA, SHIFT), abs=1e-5)
    assert link.beta == pytest.approx(BETA, abs=1e-4)
    assert link.predict(values) == pytest.approx(score, abs=1e-6)
    assert link.index(values) == pytest.approx(ALPHA + values @ BETA, abs=1e-4)


@pytest.mark.parametrize("objective", ["squared", "huber"])
@pytest.mark.parametrize("max_shift", [0.2, 0.0])
def test_the_quick_way_ends_where_the_engine_does(objective, max_shift):
    values, score, _ = tasks(noise=0.05)
    score[3] = 0.0
    settings = LinkSettings(0.25, objective, 0.05, max_shift)
    slow, quick = fit_link(values, score, settings=settings), quick_fit(values, score, settings)
    assert quick.alpha == pytest.approx(slow.alpha, abs=2e-3)
    assert quick.beta == pytest.approx(slow.beta, rel=2e-3)
    assert settings.restore(quick.normalised(values)) == pytest.approx(slow.predict(values), abs=2e-4)


def test_outliers_move_squared_errors_more_than_huber():
    values, score, _ = tasks(noise=0.005)
    truth = score.copy()
    score[np.argsort(np.abs(score - 0.6))[:4]] = 0.25
    apart = [
        np.abs(fit_link(values, score, settings=LinkSettings(0.25, objective, 0.02)).predict(values) - truth).max()
        for objective in ("squared", "huber")
    ]
    assert apart[1] < 0.5 * apart[0]


def test_the_shift_stops_at_its_bound():
    values = np.linspace(-2, 2, 40)[:, None]
    score = 0.4 + 0.6 * expit(4 * values[:, 0])
    assert quick_fit(values, score, LinkSettings()).shift == pytest.approx(0.2, abs=1e-6)
    assert fit_link(values, score).shift == pytest.approx(0.2, abs=1e-6)


def test_few_families_are_said():
    values, score, _ = tasks(noise=0.03)
    link = fit_link(values, score, families=[f"f{i % 4}" for i in range(len(score))])
    assert link.fit.verdict == "not identified"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chance": 1.0}, "score of a guess"),
        ({"objective": "pinball"}, "not fitted by 'pinball'"),
        ({"max_shift": 1.0}, "shift cannot reach"),
        ({"delta": 0.0}, "delta"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, words):
    with pytest.raises(UsageError, match=words):
        LinkSettings(**change)


def test_data_that_fix_no_link_are_refused():
    values, score, _ = tasks()
    with pytest.raises(InputDataError, match="4 models"):
        fit_link(values[:4], score[:4])
    with pytest.raises(InputDataError, match="all 60 models have the score"):
        fit_link(values, np.full(60, 0.5))
    with pytest.raises(InputDataError, match="not known"):
        fit_link(values, np.where(np.arange(60) == 3, np.nan, score))
