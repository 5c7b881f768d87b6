"""Scores of shards: the same whatever the shards, again after a stop, and exact where a formula is known."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.points.leverage import SecondMoments, second_moments
from scaling.valuation.points.losses import color_score
from scaling.valuation.points.shard_source import ArrayShards, draw_rows
from scaling.valuation.points.sharded import METHODS, ScorePlan, plan_scores, score_shards

RNG = np.random.default_rng(0)
ROWS = (RNG.normal(size=(5000, 12)) * np.geomspace(1, 0.01, 12)).astype(np.float32)
UNIT = ROWS.astype(float) / np.linalg.norm(ROWS.astype(float), axis=1, keepdims=True)
QUERIES = RNG.normal(size=(7, 12))
LOSSES = RNG.uniform(1, 4, (5000, 2))
OPTIONS = {"prototype": {"k": 9, "sample": 800, "seed": 3}, "similarity": {"queries": QUERIES}}


def source_of(method, size):
    return ArrayShards(LOSSES if method == "color" else ROWS, size)


def scored(method, size, **options):
    source = source_of(method, size)
    plan = plan_scores(method, source, **(OPTIONS.get(method, {}) | options))
    return np.concatenate([scores for _, scores in score_shards(plan, source)])


@pytest.mark.parametrize("method", METHODS)
def test_scores_do_not_depend_on_the_shards(method):
    whole = scored(method, 5000)
    assert len(whole) == 5000
    for size in (1000, 999, 7):
        assert scored(method, size) == pytest.approx(whole, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_run_goes_on_with_the_very_same_scores(method):
    source = source_of(method, 640)
    plan = plan_scores(method, source, **OPTIONS.get(method, {}))
    whole = dict(score_shards(plan, source))
    kept = {}
    for i, scores in score_shards(plan, source):
        if i == 3:
            break
        kept[i] = scores
    again = plan_scores(method, source, **OPTIONS.get(method, {}))
    assert again.fingerprint == plan.fingerprint
    stored = ScorePlan(again.method, again.m, json.loads(json.dumps(again.to_dict()))["options"], again.arrays)
    assert stored.fingerprint == plan.fingerprint
    rest = dict(score_shards(stored, source, done=kept.keys()))
    assert sorted(kept) + sorted(rest) == sorted(whole) == list(range(8))
    assert all(np.array_equal((kept | rest)[i], whole[i]) for i in whole)


def test_similarity_is_the_cosine():
    asked = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True)
    assert scored("similarity", 700) == pytest.approx((UNIT @ asked.T).max(axis=1), abs=1e-6)
    assert scored("similarity", 700, reduce="mean") == pytest.approx((UNIT @ asked.T).mean(axis=1), abs=1e-6)


@pytest.mark.parametrize("ridge", [0.1, 10.0])
def test_leverage_is_the_formula_and_sums_to_the_effective_dimension(ridge):
    found = scored("leverage", 700, ridge=ridge)
    moments = UNIT.T @ UNIT
    exact = np.einsum("ij,jk,ik->i", UNIT, np.linalg.inv(moments + ridge * np.eye(12)), UNIT)
    assert found == pytest.approx(exact, rel=1e-4)
    values = np.linalg.eigvalsh(moments)
    assert found.sum() == pytest.approx(np.sum(values / (values + ridge)), rel=1e-5)
    assert np.all((found > 0) & (found < 1))


def test_a_rare_direction_has_a_high_leverage():
    rows = np.eye(4)[np.r_[np.zeros(500, int), 1]]
    source = ArrayShards(rows, 100)
    scores = np.concatenate([s for _, s in score_shards(plan_scores("leverage", source, ridge=0.5), source)])
    assert scores[500] == pytest.approx(1 / 1.5)
    assert scores[:500] == pytest.approx(1 / 500.5)


def test_moments_are_left_as_they_were_so_that_a_pass_can_go_on():
    source = ArrayShards(ROWS, 1000)
    half = SecondMoments.none(12).with_rows(source.rows(0)).with_rows(source.rows(1))
    before = half.matrix.copy()
    rest = half.with_rows(source.rows(2)).with_rows(source.rows(3)).with_rows(source.rows(4))
    assert np.array_equal(half.matrix, before)
    whole = second_moments(source)
    assert np.array_equal(rest.matrix, whole.matrix)
    assert whole.n == 5000
    assert np.trace(whole.matrix) == pytest.approx(5000, rel=1e-6)


def test_color_is_that_of_the_whole():
    assert np.array_equal(scored("color", 700), color_score(LOSSES[:, 0], LOSSES[:, 1]))


def test_prototypes_are_found_from_a_sample_that_the_shards_do_not_change():
    plans = [plan_scores("prototype", ArrayShards(ROWS, size), k=9, sample=800, seed=3) for size in (5000, 77)]
    assert plans[0].fingerprint == plans[1].fingerprint
    assert plans[0].options["sample"] == 800
    other = plan_scores("prototype", ArrayShards(ROWS), k=9, sample=800, seed=4)
    assert other.fingerprint != plans[0].fingerprint
    nearest = (UNIT @ plans[0].arrays["centres"].T).max(axis=1)
    assert scored("prototype", 700) == pytest.approx(1 - nearest, abs=1e-6)


def test_a_sample_is_drawn_evenly_and_without_repeats():
    rows = np.arange(1000.0)[:, None]
    sample, indices = draw_rows(ArrayShards(rows, 90), 300, 1)
    assert np.array_equal(sample[:, 0], indices)
    assert len(set(indices)) == 300
    assert np.all(np.diff(indices) > 0)
    hits = np.bincount(np.concatenate([draw_rows(ArrayShards(rows), 100, i)[1] for i in range(300)]), minlength=1000)
    assert hits.std() == pytest.approx(np.sqrt(30 * 0.9), rel=0.1)
    assert len(draw_rows(ArrayShards(rows), 5000, 1)[0]) == 1000


def test_a_shard_that_cannot_be_scored_is_named_after_those_before_were_given():
    rows = ROWS.copy()
    rows[2500, 4] = np.nan
    source = ArrayShards(rows, 1000)
    plan = plan_scores("similarity", source, queries=QUERIES)
    taken = []
    with pytest.raises(InputDataError, match="shard 2 is nan in row 500, column 4"):
        taken.extend(i for i, _ in score_shards(plan, source))
    assert taken == [0, 1]


def test_rows_of_a_long_shard_are_counted_from_its_start():
    rows = np.ones((60_000, 12), np.float32)
    rows[50_000] = 0
    with pytest.raises(InputDataError, match="the first is row 50000"):
        plan_scores("leverage", ArrayShards(rows, 60_000))
    plan = plan_scores("similarity", ArrayShards(ROWS), queries=QUERIES)
    assert len(plan.score(np.ones((50_000, 12)))) == 50_000
    with pytest.raises(InputDataError, match="shard 7 has shape \\(0, 12\\)"):
        plan.score(np.ones((0, 12)), "shard 7")


def test_a_missing_loss_is_no_score():
    assert np.isnan(ScorePlan("color", 2, {}, {}).score([[1.0, np.nan], [1.0, 0.5]])).tolist() == [True, False]


def test_progress_counts_shards_done_before():
    said = []
    source = ArrayShards(ROWS, 1000)
    plan = plan_scores("similarity", source, queries=QUERIES)
    list(score_shards(plan, source, done={0, 3}, progress=lambda done, of: said.append((done, of))))
    assert said == [(i, 5) for i in range(1, 6)]


@pytest.mark.parametrize(
    ("method", "options", "error", "words"),
    [
        ("prototypes", {}, UsageError, "no score 'prototypes'"),
        ("similarity", {}, UsageError, "Similarity to what"),
        ("similarity", {"queries": np.ones((2, 5))}, InputDataError, "5 columns and the shards have 12"),
        ("similarity", {"queries": QUERIES, "reduce": "sum"}, UsageError, "reduce is 'sum'"),
        ("leverage", {"ridge": 0}, UsageError, "ridge is 0"),
        ("prototype", {"k": 0}, UsageError, "k 0"),
        ("prototype", {"sample": 0}, UsageError, "sample of 0"),
        ("color", {}, InputDataError, "two losses"),
    ],
)
def test_plans_that_make_no_sense_are_refused(method, options, error, words):
    with pytest.raises(error, match=words):
        plan_scores(method, ArrayShards(ROWS), **options)


def test_a_shard_of_another_width_is_refused():
    plan = plan_scores("similarity", ArrayShards(ROWS), queries=QUERIES)
    with pytest.raises(InputDataError, match="rows of 12 columns"):
        plan.score(np.ones((3, 5)))
