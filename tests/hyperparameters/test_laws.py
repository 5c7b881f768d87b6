"""Laws of the optima: recovered, covered, paired over draws, and refused where cells cannot hold them."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.fitting.resample import bootstrap_weights
from scaling.hyperparameters import Method, compare_methods, find_cells, find_optima, fit_laws, fit_threshold
from tests.hyperparameters.conftest import CONTEXT, KB, QB, K, P, Q, runs


def test_laws_of_exact_sweeps_are_recovered(exact):
    laws = fit_laws(exact, bootstrap=0)
    assert laws.lr.estimates == pytest.approx({"k": K, "p": P, "q": Q}, rel=1e-6)
    assert laws.batch.estimates == pytest.approx({"k": KB, "q": QB}, rel=1e-6)
    # lr = lr* (B/B*)^0.4 with B* = KB D^QB.
    expected = {"k": K / KB**0.4, "p": P, "q": Q - 0.4 * QB, "r": 0.4}
    assert laws.coupled.estimates == pytest.approx(expected, rel=1e-5)


def test_the_coupled_law_is_of_batches_near_the_best_unless_asked_otherwise(exact):
    near, everywhere = fit_laws(exact, bootstrap=0), fit_laws(exact, bootstrap=0, coupled_within=None)
    best = near.batch.fit.evaluate({"D": near.slices.n_tokens})[0]
    assert np.abs(np.log2(near.slices.batch / best)).max() <= 2
    assert everywhere.coupled.n > near.coupled.n
    with pytest.raises(UsageError, match="factor above 1"):
        fit_laws(exact, bootstrap=0, coupled_within=1)


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = []
    for seed in range(40):
        laws = fit_laws(find_cells(**runs(noise=0.001, scatter=0.1, seed=seed)), bootstrap=200, seed=seed)
        for law, truth in ((laws.lr, {"p": P, "q": Q}), (laws.batch, {"q": QB})):
            for name, value in truth.items():
                low, high = law.fit.interval(name, 0.9)
                held.append(low <= value <= high)
    assert 0.75 <= np.mean(held) <= 0.97  # 12 cells drawn whole: 90 % intervals of so few are a little narrow


def test_all_laws_draw_the_same_cells(noisy):
    laws = fit_laws(noisy, Method("threshold"), bootstrap=50, seed=4)
    again = fit_laws(noisy, Method("threshold"), bootstrap=50, seed=4)
    other = fit_laws(noisy, Method("threshold"), bootstrap=50, seed=5)
    assert np.array_equal(laws.lr.fit.replicates, again.lr.fit.replicates)
    assert not np.array_equal(laws.lr.fit.replicates, other.lr.fit.replicates)
    assert laws.lr.fit.diagnostics.groups == laws.batch.fit.diagnostics.groups == laws.coupled.cells == len(noisy)
    # The same by hand: the first replicate of both laws is least squares of the cells of one draw.
    o = laws.optima
    weight = bootstrap_weights(o.n, 1, 4, o.group)[0] ** 0.5
    ones = np.ones(o.n)
    for law, design, y in (
        (laws.lr, np.stack([ones, np.log(o.n_params), np.log(o.n_tokens)], 1), np.log(o.lr)),
        (laws.batch, np.stack([ones, np.log(o.n_tokens)], 1), np.log(o.batch)),
    ):
        c = np.linalg.lstsq(design * weight[:, None], y * weight, rcond=None)[0]
        assert law.fit.replicates[0] == pytest.approx([np.exp(c[0]), *c[1:]], rel=1e-6)


def test_threshold_takes_every_run_near_the_best(noisy):
    laws = fit_threshold(noisy, 0.0025, bootstrap=0)
    assert laws.lr.n == sum(int(np.sum(c.relative < 0.0025)) for c in noisy)
    assert laws.lr.n > 3 * len(noisy)
    single = find_optima(noisy, "argmin")
    assert [c.loss.min() for c in noisy] == [
        c.loss[(c.lr == lr) & (c.batch == b)][0] for c, lr, b in zip(noisy, single.lr, single.batch, strict=True)
    ]


def test_a_cell_that_is_no_basin_is_left_out_and_said(exact):
    table = runs()
    odd = (table["n_params"] == 2e8) & (table["n_tokens"] == 4e9)
    u, v = np.log(table["lr"][odd] / 1e-3), np.log(table["batch"][odd] / 2**18)
    table["loss"][odd] = 3 * np.exp(0.002 * u**2 - 0.003 * v**2)
    laws = fit_laws(find_cells(**table, context_length=CONTEXT), bootstrap=0)
    assert laws.lr.n == 11
    assert laws.lr.estimates["p"] == pytest.approx(P, rel=1e-5)
    assert laws.optima.left_out[0].startswith("200M at 4B is left out of the laws: ")
    assert laws.optima.left_out[0] in laws.reasons


def test_a_batch_law_of_size_and_tokens_can_be_asked_for(exact):
    laws = fit_laws(exact, bootstrap=0, batch_law="k*N**p*D**q")
    assert laws.batch.estimates == pytest.approx({"k": KB, "p": 0, "q": QB}, rel=1e-4, abs=1e-6)


def test_weights_leave_exact_vertices_where_they_are_and_follow_the_errors_of_others(exact, noisy):
    weighted = fit_laws(exact, bootstrap=0, weighted=True)
    assert weighted.lr.estimates == pytest.approx({"k": K, "p": P, "q": Q}, rel=1e-6)
    assert weighted.lr.fit.settings["weighted"]
    assert not fit_laws(noisy, "threshold", bootstrap=0, weighted=True).lr.fit.settings["weighted"]


@pytest.mark.parametrize(
    ("sizes", "ratios", "said"),
    [([2e8], [20, 60, 200, 500], "one number of parameters, 200M"), ([2e8, 4e8], [20], "2 cells of one size")],
)
def test_cells_that_cannot_hold_the_laws_are_refused(sizes, ratios, said):
    with pytest.raises(InputDataError, match=said):
        fit_laws(find_cells(**runs(sizes=sizes, ratios=ratios)), bootstrap=0)


def test_too_few_batches_leave_the_coupled_law_out():
    table = runs()
    few = np.isin(table["lr"], 2.0 ** np.arange(-13, -4.9, 2))  # steps of 4 leave less than four rates near the best
    small = find_cells(**{k: v[few] for k, v in table.items()})
    laws = fit_laws(small, "argmin", bootstrap=0)
    assert laws.coupled is None
    assert laws.to_dict()["coupled"] is None


def test_laws_say_what_they_are(noisy):
    laws = fit_laws(noisy, bootstrap=50)
    text = repr(laws)
    assert "lr = k*N**p*D**q" in text
    assert "vertex of a cubic surface" in text
    table = json.loads(json.dumps(laws.to_dict(), allow_nan=False))
    assert table["lr"]["estimates"] == pytest.approx(laws.lr.estimates)
    assert len(table["bowls"]) == len(noisy)
    assert table["cells"]["diverged"] == noisy.counts["diverged"] > 0


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UsageError) as error:
        Method("bowls")
    assert "Did you mean 'bowl'?" in error.value.hint


def test_ways_of_finding_optima_are_held_against_each_other(noisy):
    ways = compare_methods(noisy, [Method("argmin"), Method("bowl")])
    argmin, bowl = ways
    assert (argmin.points, bowl.points) == (12, 12)
    assert bowl.one_out.mean_by_bowl < argmin.one_out.mean_by_bowl
    assert len(bowl.largest_size.cells) == 4
    assert {c.n_params for c in bowl.largest_size.cells} == {8e8}
    assert len(bowl.largest_compute.cells) == 4
    assert bowl.to_dict()["one_cell_out"] == bowl.one_out.mean
