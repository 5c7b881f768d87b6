"""The whole analysis on simulated models: it finds what is there, says who wins, and learns nothing from the test."""

import json

import numpy as np
import pytest
from scipy.special import expit

from scaling.boundary.observational import analyse
from scaling.boundary.observational.heldout import leave_largest_out
from scaling.boundary.observational.link import LinkSettings
from scaling.boundary.observational.table import read_table
from scaling.errors import InputDataError, UsageError

CUT = 10**22.5


def models(families=16, each=5, efficiency=0.8, seed=0):
    """Families of five sizes; a family's data make its compute worth more or less, by so many orders of magnitude.

    The benchmarks see one skill that compute of that worth buys, and a little of another; so does the task.
    """
    rng = np.random.default_rng(seed)
    family = np.repeat(np.arange(families), each)
    z = 21.0 + 0.6 * np.tile(np.arange(each), families) + rng.uniform(-0.3, 0.3, families)[family]
    worth = z + efficiency * rng.standard_normal(families)[family]
    other = rng.standard_normal(families * each)
    skill = 0.9 * (worth - 22.2)
    steep, easy = np.array([1.0, 0.8, 1.2, 0.9, 0.7, 1.1]), np.array([-0.5, 0.3, -1.0, 0.0, 0.8, 0.2])
    side = np.array([0.4, -0.4, 0.3, -0.3, 0.0, 0.0])
    scores = expit(np.outer(skill, steep) + np.outer(other, side) + easy) + 0.01 * rng.standard_normal((len(z), 6))
    task = expit(2.0 * skill - 1.5) + 0.01 * rng.standard_normal(len(z))
    names = np.array(["Llama-2", *(f"family {i}" for i in range(1, families))])[family]
    return np.clip(scores, 0, 1), np.clip(task, 0, 1), z, list(names), worth


def run(scores, task, z, families, **settings):
    return analyse(scores, task, z, families, **{"cutoff_flop": CUT, "bootstrap": 0, **settings})


def test_components_win_where_families_differ_in_what_compute_buys():
    scores, task, z, families, _ = models()
    found = run(scores, task, z, families)
    assert found.contest.winner == "components"
    assert found.contest.beyond_chance
    assert found.contest.components < 0.3 * found.contest.compute
    assert "components forecast this task better than compute alone, by more than chance" in found.verdict
    assert found.contest.n_models == int(np.sum(z > np.log10(CUT)))


def test_compute_wins_where_benchmarks_know_nothing_of_it_and_that_is_said_first():
    scores, _, z, families, _ = models(seed=2)
    rng = np.random.default_rng(2)
    task = np.clip(expit(2.0 * (z - 22.0)) + 0.01 * rng.standard_normal(len(z)), 0, 1)
    found = run(scores, task, z, families, preset="ruan2024")
    assert found.contest.winner == "compute alone"
    assert "compute alone forecasts this task better than components" in found.summary().splitlines()[0]
    assert found.to_dict()["contest"]["winner"] == "compute alone"


def test_a_mean_that_beats_both_is_said():
    scores, _, z, families, _ = models()
    rng = np.random.default_rng(0)
    found = run(scores, 0.5 + 0.05 * rng.standard_normal(len(z)), z, families, n_components=3)
    assert found.contest.constant < min(found.contest.components, found.contest.compute)
    assert "beats both" in found.verdict


def test_the_number_of_components_is_chosen_without_the_test():
    scores, task, z, families, _ = models()
    beyond = z > np.log10(CUT)
    found = run(scores, task, z, families)
    spoilt = run(scores, np.where(beyond, 1 - task, task), z, families)
    assert spoilt.n_components == found.n_components
    assert spoilt.rehearsal == found.rehearsal
    assert np.array_equal(spoilt.forecast.mean, found.forecast.mean)
    assert spoilt.contest.components > found.contest.components


def test_scores_of_test_models_do_not_shape_the_components():
    scores, task, z, families, _ = models()
    beyond = z > np.log10(CUT)
    changed = np.where(beyond[:, None], 1 - scores, scores)
    one, other = run(scores, task, z, families), run(changed, task, z, families)
    assert np.array_equal(one.components.loadings, other.components.loadings)
    assert one.link.beta == pytest.approx(other.link.beta)


def linear_models(seed, second):
    """Scores that are linear in one skill, or in two where the task needs so much of the second."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(20.0, 24.0, 80)
    one, two = 0.1 * (z - 22.0) + 0.05 * rng.standard_normal(80), 0.06 * rng.standard_normal(80) * (second > 0)
    scores = 0.5 + np.outer(one, [0.6, 0.5, 0.6, 0.4]) + np.outer(two, [0.6, -0.5, -0.4, 0.3])
    task = expit(12.0 * one + second * two) + 0.03 * rng.standard_normal(80)
    families = [f"f{i % 20}" for i in range(80)]
    return read_table(scores + 0.01 * rng.standard_normal((80, 4)), np.clip(task, 0, 1), z, families)


@pytest.mark.parametrize(("second", "least"), [(0.0, 1), (12.0, 2)])
def test_as_many_components_are_chosen_as_the_task_has_skills(second, least):
    chosen = []
    for seed in range(6):
        table = linear_models(seed, second)
        chosen.append(leave_largest_out(table, np.ones(80, bool), [1, 2, 3, 4], 1, LinkSettings()).n_components)
    assert chosen.count(least) >= 5
    assert min(chosen) == least


def test_a_number_that_was_asked_for_is_kept():
    scores, task, z, families, _ = models()
    found = run(scores, task, z, families, n_components=2)
    assert (found.n_components, found.how_chosen, len(found.link.beta)) == (2, "asked for", 2)


def test_compute_of_equal_worth_is_found():
    scores, task, z, families, worth = models(efficiency=0.6, seed=3)
    found = run(scores, task, z, families, n_components=1).equivalent
    own = np.array(families) == "Llama-2"
    true_gain = (worth - z) - (worth - z)[own].mean()
    inside = ~found.outside
    assert np.corrcoef(found.gain[inside], true_gain[inside])[0, 1] > 0.95
    assert np.abs(found.gain - true_gain)[inside].mean() < 0.15


def test_intervals_hold_what_was_not_seen_where_the_link_is_true():
    inside = tested = 0
    for seed in range(3):
        t = linear_models(seed, 12.0)
        found = analyse(
            t.scores, t.task, t.log10_compute, t.families, cutoff_flop=1e22, n_components=2, bootstrap=60, seed=seed
        )
        inside, tested = inside + found.covered[0], tested + found.covered[1]
    assert tested > 100
    assert 0.8 * tested <= inside < tested  # 90 % intervals


def test_intervals_repeat_with_the_seed():
    scores, task, z, families, _ = models(seed=7)
    found, again, other = (run(scores, task, z, families, bootstrap=20, seed=s, n_components=1) for s in (1, 1, 2))
    assert again.to_dict() == found.to_dict()
    assert not np.array_equal(other.forecast.high, found.forecast.high)
    assert found.covered[1] == int(np.sum(z > np.log10(CUT)))


def test_unknown_compute_is_tested_apart():
    scores, task, z, families, _ = models()
    z[[4, 9, 14]] = np.nan
    found = run(scores, task, z, families)
    error = found.error("1 component" if found.n_components == 1 else f"{found.n_components} components")
    assert error.n_test_all == error.n_test + 3
    assert found.contest.n_models == error.n_test
    assert not found.train[[4, 9, 14]].any()
    assert any("3 test models of unknown compute" in note for note in found.notes)
    assert np.isnan(found.error("compute alone").test_all)


def test_models_without_a_task_score_shape_the_components_alone():
    scores, task, z, families, _ = models()
    some = np.where(np.arange(len(z)) % 7 == 0, np.nan, task)
    found = run(scores, some, z, families)
    assert found.link.fit.n_obs == int(np.sum(found.train & np.isfinite(some)))
    assert len(found.components.values) == int(found.train.sum())
    assert np.all(np.isfinite(found.forecast.mean))


def test_everything_is_strict_json_and_the_report_shows_the_baselines():
    scores, task, z, families, _ = models()
    scores[0, 2] = np.nan
    found = run(scores, task, z, families, bootstrap=20, benchmarks=list("ABCDEF"))
    table = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {e["predictor"] for e in table["errors"]} >= {"constant", "compute alone", "1 component", "5 components"}
    assert table["components"]["imputation"]["n_imputed"] == 1
    assert len(table["forecasts"]) == len(z)
    text = found.summary()
    for words in ("constant", "compute alone", "largest left out", "PC1", "compute of equal worth in Llama-2"):
        assert words in text


def test_without_a_cutoff_nothing_is_tested_and_that_is_said():
    scores, task, z, families, _ = models()
    found = run(scores, task, z, families, cutoff_flop=None)
    assert found.contest is None
    assert found.train.all()
    assert "Nothing was tested" in found.verdict
    assert "left out" in found.verdict


def test_a_test_without_known_compute_is_no_contest_but_is_told():
    scores, task, z, families, _ = models()
    found = run(scores, task, np.where(z > np.log10(CUT), np.nan, z), families, n_components=1)
    assert found.contest is None
    assert found.error("1 component").n_test_all == int(np.sum(z > np.log10(CUT)))
    assert "none has a forecast by compute alone" in found.verdict


def test_a_missing_reference_family_costs_the_equivalents_alone():
    scores, task, z, families, _ = models()
    found = run(scores, task, z, families, reference="family 99")
    assert found.equivalent is None
    assert any("no family 'family 99'" in note for note in found.notes)


def test_one_family_has_no_intervals():
    scores, task, z, _, _ = models()
    found = run(scores, task, z, ["Llama-2"] * len(z), bootstrap=20)
    assert np.all(np.isnan(found.forecast.low))
    assert any("one family" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"preset": "ruan2023"}, UsageError, "no preset 'ruan2023'"),
        ({"preset": "ruan2024", "n_components": 2}, UsageError, "has 3 components, not 2"),
        ({"n_components": 9}, UsageError, "have no 9 components"),
        ({"cutoff_flop": 22.5}, InputDataError, "only 0 models lie below the cutoff"),
        ({"cutoff_flop": 1e30}, InputDataError, "no model lies beyond"),
        ({"cutoff_flop": 0.0}, UsageError, "a cutoff of 0 FLOP"),
        ({"bootstrap": 1}, UsageError, "one bootstrap replicate"),
        ({"bootstrap": -5}, UsageError, "number of bootstrap replicates"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, error, words):
    scores, task, z, families, _ = models()
    with pytest.raises(error, match=words):
        run(scores, task, z, families, **change)


def test_data_that_do_not_fit_are_refused():
    scores, task, z, families, _ = models()
    with pytest.raises(InputDataError, match="divide by 100"):
        run(scores, 100 * task, z, families)
    with pytest.raises(InputDataError, match="log10 of FLOP"):
        run(scores, task, 10**z, families)
    with pytest.raises(InputDataError, match="there twice"):
        run(scores, task, z, families, models=["same"] * len(z))
    with pytest.raises(InputDataError, match="has no family"):
        run(scores, task, z, [*families[:-1], ""])
    with pytest.raises(InputDataError, match="79 families for 80 models"):
        run(scores, task, z, families[:-1])
    with pytest.raises(InputDataError, match="has no score on any benchmark"):
        run(np.where(np.arange(len(z))[:, None] == 70, np.nan, scores), task, z, families)
    with pytest.raises(InputDataError, match="scores on the task that differ"):
        run(scores, np.where(z <= np.log10(CUT), 0.0, task), z, families)
    with pytest.raises(InputDataError, match="a link from 3 components needs 6 that differ"):
        run(scores, np.where(z <= np.log10(CUT), 0.0, task), z, families, n_components=3)
