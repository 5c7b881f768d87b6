"""Recommendations: the laws at a run, their intervals, what errors cost, whole sequences, and how far to trust them."""

import json
import math

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.hyperparameters import find_cells, fit_laws, recommend, whole_sequences
from tests.hyperparameters.conftest import CONTEXT, HESSIAN, best, runs

RETUNED = HESSIAN[1, 1] - HESSIAN[0, 1] ** 2 / HESSIAN[0, 0]


@pytest.fixture(scope="module")
def exact_laws(exact):
    return fit_laws(exact, bootstrap=0)


@pytest.fixture(scope="module")
def laws(noisy):
    return fit_laws(noisy, bootstrap=200)


def test_it_is_the_laws_at_the_run(exact_laws):
    said = recommend(exact_laws, 5e8, 3e10)
    assert (said.lr, said.batch) == pytest.approx(best(5e8, 3e10), rel=1e-6)
    assert said.best_batch == said.batch
    assert not said.batch_given
    assert said.cost_of_2x_lr == pytest.approx(math.expm1(HESSIAN[0, 0] * math.log(2) ** 2 / 2), rel=1e-5)
    assert said.cost_of_2x_batch == pytest.approx(math.expm1(RETUNED * math.log(2) ** 2 / 2), rel=1e-5)
    assert said.cost_of_2x_batch_lr_held == pytest.approx(math.expm1(HESSIAN[1, 1] * math.log(2) ** 2 / 2), rel=1e-5)
    assert said.slope == pytest.approx(0.4, rel=1e-5)


def test_at_a_given_batch_the_learning_rate_is_its_own(exact_laws):
    lr, batch = best(5e8, 3e10)
    said = recommend(exact_laws, 5e8, 3e10, batch=3 * batch)
    assert said.batch_given
    assert said.lr == pytest.approx(lr * 3**0.4, rel=1e-5)
    assert (said.batch_low, said.batch_high) == (said.batch, said.batch)
    assert said.best_batch == pytest.approx(batch, rel=1e-6)
    assert said.regret.batch == pytest.approx(math.expm1(RETUNED * math.log(3) ** 2 / 2), rel=1e-5)
    assert said.expected_regret == pytest.approx(said.regret.batch, rel=1e-5)


def test_the_ranges_end_where_their_share_is_lost(exact_laws):
    said = recommend(exact_laws, 5e8, 3e10, plateau=0.004)
    for end in said.plateau_lr:
        assert math.expm1(HESSIAN[0, 0] * math.log(end / said.lr) ** 2 / 2) == pytest.approx(0.004, rel=1e-5)
    for end in said.plateau_batch:
        assert math.expm1(RETUNED * math.log(end / said.batch) ** 2 / 2) == pytest.approx(0.004, rel=1e-5)


def test_intervals_are_of_the_laws_and_widen_beyond_them(laws):
    near, far = recommend(laws, 4e8, 4e10), recommend(laws, 4e10, 4e12)
    assert near.lr_low < near.lr < near.lr_high
    assert near.batch_low < near.batch < near.batch_high
    assert far.lr_high / far.lr_low > 1.5 * near.lr_high / near.lr_low
    assert far.expected_regret > near.expected_regret
    wide = recommend(laws, 4e8, 4e10, level=0.99)
    assert wide.lr_low < near.lr_low
    assert wide.lr_high > near.lr_high


def test_a_run_beyond_the_cells_is_said_to_be(laws):
    inside, beyond = recommend(laws, 4e8, 4e10), recommend(laws, 8e9, 4e11)
    assert inside.extrapolation_factor == 1
    assert not inside.verdict.startswith("extrapolating")
    assert beyond.extrapolation_factor == pytest.approx(10, rel=1e-9)
    assert beyond.verdict == "extrapolating x10"
    assert any("x10 beyond the cells" in reason for reason in beyond.reasons)


def test_a_batch_beyond_those_tried_is_said_to_be(laws):
    tried = laws.slices.batch.max()
    said = recommend(laws, 4e8, 4e10, batch=8 * tried)
    assert said.extrapolation_factor == pytest.approx(8)


@pytest.mark.parametrize("batch", [1.0, 1023.0, 1500 * 2048.0 - 1, 4_997_000.0, 3.5 * 2048])
@pytest.mark.parametrize("multiple", [1, 8, 96])
def test_whole_sequences_are_the_nearest_in_ratio(batch, multiple):
    sequences, tokens = whole_sequences(batch, 2048, multiple)
    assert sequences % multiple == 0
    assert tokens == sequences * 2048
    away = abs(math.log(tokens / batch))
    assert away <= abs(math.log((tokens + 2048 * multiple) / batch)) + 1e-12
    if sequences > multiple:
        assert away <= abs(math.log((tokens - 2048 * multiple) / batch)) + 1e-12


def test_rounding_is_offered_where_the_context_is_known(laws, exact_laws):
    said = recommend(laws, 4e8, 4e10)
    assert said.sequences() == whole_sequences(said.batch, CONTEXT)
    assert said.sequences(4096, 16)[0] % 16 == 0
    assert said.to_dict()["sequences"] == said.sequences()[0]
    without = find_cells(**runs())
    unknown = recommend(fit_laws(without, bootstrap=0), 4e8, 4e10)
    assert unknown.to_dict()["sequences"] is None
    with pytest.raises(UsageError, match="context length"):
        unknown.sequences()
    with pytest.raises(UsageError, match="multiple"):
        said.sequences(multiple=0)


def test_it_prints_and_is_plain_data(laws):
    said = recommend(laws, 4e8, 4e10)
    text = repr(said)
    assert f"{said.sequences()[0]} sequences of 2048" in text
    assert "expected to give up" in text
    table = json.loads(json.dumps(said.to_dict(), allow_nan=False))
    parts = table["expected_regret_parts"]
    assert table["expected_regret"] == pytest.approx(sum(parts.values()))
    assert table["lr_interval"] == [said.lr_low, said.lr_high]


@pytest.mark.parametrize("values", [(0, 1e10), (1e9, math.inf), (1e9, -1), ("1B", 1e10)])
def test_runs_that_are_none_are_refused(exact_laws, values):
    with pytest.raises(UsageError, match="above 0"):
        recommend(exact_laws, *values)


def test_settings_that_are_none_are_refused(exact_laws):
    with pytest.raises(UsageError, match="level"):
        recommend(exact_laws, 1e9, 1e10, level=90)
    with pytest.raises(UsageError, match="share of the loss"):
        recommend(exact_laws, 1e9, 1e10, plateau=0)
    for batch in (0, "a million"):
        with pytest.raises(UsageError, match="tokens a step"):
            recommend(exact_laws, 1e9, 1e10, batch=batch)
    with pytest.raises(UsageError, match="context length is a number of tokens above 0"):
        recommend(exact_laws, 1e9, 1e10, context_length=0)


def test_laws_that_are_not_identified_recommend_nothing_unless_forced():
    small = fit_laws(find_cells(**runs(sizes=[2e8, 4e8], ratios=[20, 60])), bootstrap=0)
    assert small.verdict == "not identified"
    with pytest.raises(VerdictError, match="not identified"):
        recommend(small, 4e8, 2e10)
    forced = recommend(small, 4e8, 2e10, force=True)
    assert forced.lr == pytest.approx(best(4e8, 2e10)[0], rel=1e-5)
    assert forced.verdict == "not identified"


def test_without_a_coupled_law_a_batch_cannot_be_given():
    table = runs()
    few = np.isin(table["lr"], 2.0 ** np.arange(-13, -4.9, 2))
    bare = fit_laws(find_cells(**{k: v[few] for k, v in table.items()}), "argmin", bootstrap=0)
    with pytest.raises(VerdictError, match="too few batches"):
        recommend(bare, 4e8, 4e10, batch=2**18)


def test_without_a_surface_costs_are_not_known():
    table = runs()
    few = np.isin(table["lr"], 2.0 ** np.arange(-13, -4.9, 2)) & (table["batch"] == 2**17)
    bare = fit_laws(find_cells(**{k: v[few] for k, v in table.items()}), "argmin", bootstrap=0)
    with pytest.raises(InputDataError, match="what an error costs is not known"):
        recommend(bare, 4e8, 4e10, force=True)
