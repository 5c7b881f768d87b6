"""The simulator against sampling, against sums done term by term, and against the theory of its exponents."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares, minimize_scalar
from scipy.special import zeta

from scaling.errors import UsageError
from scaling.sgd import (
    Spectrum,
    learning_rate_for_excess,
    power_law_spectrum,
    simulate_run,
    stability_limit,
)
from scaling.simulate import (
    CODE,
    DEFAULT_BUDGETS,
    DEFAULT_SIZES,
    PROSE,
    TARGET_BUDGET,
    TARGET_SIZE,
    Corpus,
    known_exponents,
    known_kappa,
    known_law,
    run_logs,
    simulate_sweep,
)


@pytest.fixture(scope="module")
def sweep():
    return simulate_sweep(diverged=True)


def sampled_losses(n_params, learning_rate, batch_size, label_noise, decay, *, dimension=30, replicates=3000):
    """Run SGD on sampled data with all features; the model can move only the first `n_params` weights."""
    rng = np.random.default_rng(5)
    index = np.arange(1.0, dimension + 1)
    lam = index**-1.5
    truth = np.sqrt(index**-2.2 / lam)
    weights = np.zeros((replicates, dimension))
    average = weights.copy()
    for g, batch in zip(learning_rate, batch_size, strict=True):
        x = rng.standard_normal((replicates, batch, dimension)) * np.sqrt(lam)
        y = x @ truth + math.sqrt(label_noise) * rng.standard_normal((replicates, batch))
        residual = np.einsum("rbd,rd->rb", x, weights) - y
        gradient = np.einsum("rbd,rb->rd", x, residual) / batch
        weights[:, :n_params] -= g * gradient[:, :n_params]
        average = decay * average + (1 - decay) * weights
    return [label_noise + ((w - truth) ** 2) @ lam for w in (weights, average)]


@pytest.mark.parametrize(
    ("n_params", "learning_rate", "batch_size"),
    [
        pytest.param(30, [0.15] * 40, [1] * 40, id="one-sample"),
        pytest.param(30, [0.3] * 40, [4] * 40, id="four-samples"),
        pytest.param(30, [0.5] * 40, [16] * 40, id="sixteen-samples"),
        pytest.param(12, [0.3] * 40, [4] * 40, id="model-smaller-than-the-data"),
        pytest.param(12, [0.3] * 20 + [0.1] * 20, [2] * 20 + [8] * 20, id="schedule"),
    ],
)
def test_expected_loss_agrees_with_sampled_runs(n_params, learning_rate, batch_size):
    spectrum = power_law_spectrum(1.5, 2.2, n_params, dimension=30)
    exact = simulate_run(spectrum, learning_rate, batch_size, 40, label_noise=0.5, average_decay=0.9)
    last, average = sampled_losses(n_params, learning_rate, batch_size, 0.5, 0.9)
    for expected, sampled in ((exact.loss[0], last), (exact.average_loss[0], average)):
        standard_error = sampled.std(ddof=1) / math.sqrt(sampled.size)
        assert standard_error < 0.02 * sampled.mean()
        assert abs(sampled.mean() - expected) < 4 * standard_error
    assert exact.n_tokens[0] == sum(batch_size)


@pytest.mark.parametrize(("learning_rate", "batch_size"), [(0.05, 1), (0.4, 4), (1.2, 64)])
def test_closed_form_agrees_with_the_recursion(learning_rate, batch_size):
    spectrum = power_law_spectrum(1.3, 1.6, 4000)
    steps = [1, 2, 17, 400, 3000]
    closed = simulate_run(spectrum, learning_rate, batch_size, 3000, label_noise=0.3, steps=steps)
    schedule = np.full(3000, learning_rate)
    stepped = simulate_run(spectrum, schedule, batch_size, 3000, label_noise=0.3, steps=steps)
    np.testing.assert_allclose(closed.loss, stepped.loss, rtol=1e-10)
    np.testing.assert_array_equal(closed.step, steps)
    np.testing.assert_array_equal(closed.n_tokens, stepped.n_tokens)


def test_endless_batches_give_plain_gradient_descent():
    spectrum = power_law_spectrum(1.5, 2.0, 200)
    steps = np.array([1, 2, 5])
    run = simulate_run(spectrum, 1.0, 10**18, 5, label_noise=0.4, steps=steps)
    owed = (1 - spectrum.eigenvalue) ** (2 * steps[:, None]) * spectrum.squared_weight
    expected = 0.4 + spectrum.unseen_risk + owed @ (spectrum.multiplicity * spectrum.eigenvalue)
    np.testing.assert_allclose(run.loss, expected, rtol=1e-12)


def test_average_without_memory_is_the_last_iterate():
    spectrum = power_law_spectrum(1.5, 2.0, 50)
    run = simulate_run(spectrum, 0.4, 8, 60, label_noise=0.2, average_decay=0.0, steps=[3, 60])
    np.testing.assert_allclose(run.average_loss, run.loss, rtol=1e-14)


def test_average_is_below_the_last_iterate_once_gradient_noise_rules():
    spectrum = power_law_spectrum(1.5, 2.0, 50)
    run = simulate_run(spectrum, 0.4, 2, 4000, label_noise=0.2, average_decay=0.99)
    floor = 0.2 + spectrum.unseen_risk
    assert run.average_loss[0] - floor < 0.3 * (run.loss[0] - floor)


@pytest.mark.parametrize(("a", "b", "n_params"), [(2.0, 1.5, 20_000), (1.2, 1.5, 20_000), (1.5, 3.0, 12_345)])
def test_bins_agree_with_single_features(a, b, n_params):
    schedule, steps = np.full(3000, 0.3), [1, 10, 100, 1000, 3000]
    coarse = power_law_spectrum(a, b, n_params)
    fine = power_law_spectrum(a, b, n_params, exact=n_params)
    assert coarse.eigenvalue.size < 120
    assert fine.eigenvalue.size == n_params
    losses = [
        simulate_run(s, schedule, 8, 3000, label_noise=0.2, steps=steps).loss - 0.2 - s.unseen_risk
        for s in (coarse, fine)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-4)


@given(
    a=st.floats(1.05, 3.0),
    b=st.floats(1.05, 4.0),
    n_params=st.integers(1, 3000),
    beyond=st.integers(0, 500),
    exact=st.integers(1, 60),
)
@settings(max_examples=60, deadline=None)
def test_bins_keep_variance_and_signal_and_end_at_the_model(a, b, n_params, beyond, exact):
    dimension = n_params + beyond
    spectrum = power_law_spectrum(a, b, n_params, dimension=dimension, signal=2.5, exact=exact)
    index = np.arange(1.0, dimension + 1)
    assert spectrum.n_params == n_params
    variance = spectrum.multiplicity * spectrum.eigenvalue
    np.testing.assert_allclose(variance.sum(), np.sum(index[:n_params] ** -a), rtol=1e-11)
    np.testing.assert_allclose(variance @ spectrum.squared_weight, 2.5 * np.sum(index[:n_params] ** -b), rtol=1e-11)
    np.testing.assert_allclose(spectrum.unseen_risk, 2.5 * np.sum(index[n_params:] ** -b), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("n_params", "b"), [(1, 1.1), (37, 1.5), (10_000, 2.0)])
def test_unseen_risk_of_infinitely_many_features_is_the_zeta_tail(n_params, b):
    spectrum = power_law_spectrum(1.5, b, n_params)
    assert spectrum.unseen_risk == pytest.approx(zeta(b, n_params + 1), rel=1e-12)


def test_a_model_that_sees_everything_leaves_no_signal_unseen():
    assert power_law_spectrum(1.5, 2.0, 300, dimension=300).unseen_risk == 0


def test_one_feature_has_the_textbook_limit():
    one = Spectrum(np.array([0.5]), np.array([1.0]), np.array([1.0]))
    assert stability_limit(one, 8) == pytest.approx(2 * 8 / (0.5 * (8 + 2)), rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_loss_explodes_just_above_the_stability_limit_and_not_below(batch_size):
    spectrum = power_law_spectrum(1.3, 1.6, 500)
    limit = stability_limit(spectrum, batch_size)
    sufficient = 2 / (1 + 1 / batch_size + np.sum(spectrum.multiplicity * spectrum.eigenvalue) / batch_size)
    assert limit >= sufficient
    below, above = (
        simulate_run(spectrum, factor * limit, batch_size, 10**7, label_noise=0.1).loss[0] for factor in (0.99, 1.01)
    )
    assert below < 1000
    assert above == np.inf


@pytest.mark.parametrize("average_decay", [None, 0.9])
def test_stepping_through_a_divergence_ends_at_inf_without_nan(average_decay):
    spectrum = power_law_spectrum(1.3, 1.6, 100)
    schedule = np.full(800, 3 * stability_limit(spectrum, 4))
    run = simulate_run(spectrum, schedule, 4, 800, label_noise=0.1, average_decay=average_decay, steps=[10, 800])
    assert 1e3 < run.loss[0] < np.inf
    assert run.loss[1] == np.inf
    if average_decay is not None:
        assert run.average_loss[1] == np.inf


def test_learning_rate_for_excess_gives_that_excess_in_the_steady_state():
    spectrum = power_law_spectrum(1.2, 1.5, 64)
    rate = learning_rate_for_excess(spectrum, 16, 0.25, label_noise=1.7)
    run = simulate_run(spectrum, rate, 16, 10**6, label_noise=1.7)
    assert run.loss[0] - 1.7 - spectrum.unseen_risk == pytest.approx(0.25, rel=1e-9)


def test_a_smaller_share_of_noise_needs_a_smaller_learning_rate():
    small, large = (power_law_spectrum(1.2, 1.5, n) for n in (64, 4096))
    rates = [learning_rate_for_excess(s, 16, 0.25, label_noise=1.7) for s in (small, large)]
    assert rates[1] < rates[0] < stability_limit(small, 16)


def slopes(x, y):
    return np.diff(np.log(y)) / np.diff(np.log(x))


@pytest.mark.parametrize(("a", "b"), [(1.5, 2.5), (2.0, 1.5)])
def test_owed_signal_falls_with_the_exponent_of_theory(a, b):
    spectrum = power_law_spectrum(a, b, 10**6)
    steps = 10 ** np.arange(3, 6)
    run = simulate_run(spectrum, 0.3, 64, steps[-1], label_noise=0.0, steps=steps)
    np.testing.assert_allclose(slopes(steps, run.loss), -(b - 1) / a, rtol=0.02)


@pytest.mark.parametrize(("a", "b"), [(1.5, 2.5), (2.0, 3.75), (1.5, 4.5), (1.2, 1.5)])
def test_best_constant_learning_rate_gives_beta(a, b):
    spectrum = power_law_spectrum(a, b, 10**7, dimension=10**7)
    best = []
    budgets = [10**6, 10**7]
    for budget in budgets:

        def log_excess(log_target, budget=budget):
            rate = learning_rate_for_excess(spectrum, 1, math.exp(log_target), label_noise=1.0)
            return math.log(simulate_run(spectrum, rate, 1, budget, label_noise=1.0).loss[0] - 1.0)

        found = minimize_scalar(log_excess, bounds=(-15.0, 0.0), method="bounded", options={"xatol": 1e-3})
        best.append(math.exp(found.fun))
    assert -slopes(budgets, best)[0] == pytest.approx(known_exponents(a, b)["beta"], rel=0.04)


def test_known_exponents_in_numbers():
    assert known_exponents(1.2, 1.5) == pytest.approx({"alpha": 0.5, "beta": 0.5 / 1.7})
    assert known_law(PROSE) == pytest.approx({"E": 1.7, "A": 5.0, "B": 20.0, "alpha": 0.5, "beta": 0.5 / 1.7})


@pytest.mark.parametrize("corpus", [PROSE, CODE])
def test_chinchilla_fit_to_final_losses_finds_the_known_law(sweep, corpus):
    runs = [run for run in sweep if run.corpus == corpus.name and not run.run_id.endswith("diverged")]
    n = np.array([run.n_params for run in runs], dtype=float)
    d = np.array([run.trajectory.n_tokens[-1] for run in runs], dtype=float)
    loss = np.array([run.trajectory.loss[-1] for run in runs])
    assert len(runs) == len(DEFAULT_SIZES) * len(DEFAULT_BUDGETS)
    known = known_law(corpus)

    def residual(p):
        return np.log(p[0] + np.exp(p[1]) * (n / 400) ** -p[3] + np.exp(p[2]) * (d / 4e6) ** -p[4]) - np.log(loss)

    fit = least_squares(residual, [1.0, -1.0, -1.0, 0.3, 0.3], xtol=1e-12, ftol=1e-12)
    assert fit.x[0] == pytest.approx(known["E"], rel=0.002)
    assert fit.x[3] == pytest.approx(known["alpha"], rel=0.015)
    assert fit.x[4] == pytest.approx(known["beta"], rel=0.01)
    assert np.std(fit.fun) < 5e-4
    law = known["E"] + known["A"] * n ** -known["alpha"] + known["B"] * d ** -known["beta"]
    np.testing.assert_allclose(loss, law, rtol=4e-3)


def test_losses_of_the_two_corpora_are_related_by_the_known_kappa():
    assert known_kappa(PROSE, CODE) == pytest.approx(1.2)
    assert known_kappa(CODE, PROSE) == pytest.approx(1 / 1.2)
    # Down the compute-optimal path of the first corpus both terms of its law keep their ratio.
    law = known_law(PROSE)
    reducible = []
    for n_params in (128, 512, 2048):
        size_term = law["alpha"] * law["A"] * n_params ** -law["alpha"]
        budget = 16 * round((law["beta"] * law["B"] / size_term) ** (1 / law["beta"]) / 16)
        runs = simulate_sweep((PROSE, CODE), (n_params,), (budget,))
        reducible.append(
            [run.trajectory.loss[-1] - known_law(c)["E"] for run, c in zip(runs, (PROSE, CODE), strict=True)]
        )
    source, target = np.array(reducible).T
    np.testing.assert_allclose(slopes(source, target), 1.2, rtol=0.01)


def test_no_kappa_relates_corpora_whose_two_ratios_differ():
    assert math.isnan(known_kappa(PROSE, Corpus("flat", 2.0, 1.5, 1.0, 1.0, 1.0)))


def test_target_run_has_sixteen_times_the_compute_of_the_grid(sweep):
    assert TARGET_SIZE * TARGET_BUDGET / (DEFAULT_SIZES[-1] * DEFAULT_BUDGETS[-1]) == 16
    target = simulate_sweep((PROSE,), [TARGET_SIZE], [TARGET_BUDGET])[0]
    assert target.trajectory.n_tokens[-1] == TARGET_BUDGET
    assert target.trajectory.loss[-1] < min(r.trajectory.loss[-1] for r in sweep if r.corpus == "prose")


def test_rows_are_long_form_and_complete(sweep):
    rows = run_logs(sweep[:2])
    assert list(rows[0]) == [
        "run_id",
        "corpus",
        "n_params",
        "batch_size",
        "learning_rate",
        "step",
        "n_tokens",
        "loss",
    ]
    assert len(rows) == 40
    last = rows[19]
    assert (last["run_id"], last["corpus"], last["n_params"]) == ("prose-n32-d131072", "prose", 32)
    assert (last["step"], last["n_tokens"]) == (131072 // 16, 131072)
    assert all(type(row["loss"]) is float and type(row["n_tokens"]) is int for row in rows)
    assert all(row["n_tokens"] == row["step"] * row["batch_size"] for row in rows)


def test_same_seed_same_rows_and_another_seed_other_losses(sweep):
    first, again, other = (run_logs(sweep[:5], seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert all(x["loss"] != y["loss"] for x, y in zip(first, other, strict=True))


def test_a_part_of_the_grid_in_another_order_gives_identical_rows(sweep):
    part = simulate_sweep((CODE,), (1024, 64), (2**20, 2**18))
    whole = {(row["run_id"], row["step"]): row for row in run_logs(sweep, seed=11)}
    rows = run_logs(part, seed=11)
    assert len(rows) == 80
    assert all(row == whole[row["run_id"], row["step"]] for row in rows)


def test_evaluation_noise_has_the_stated_size(sweep):
    finite = [run for run in sweep if not run.run_id.endswith("diverged")]
    exact, noisy = (np.array([row["loss"] for row in run_logs(finite, noise=sigma)]) for sigma in (0.0, 0.003))
    z = np.log(noisy / exact) / 0.003
    assert z.std() == pytest.approx(1.0, abs=0.05)
    assert abs(z.mean()) < 4 / math.sqrt(z.size)
    np.testing.assert_allclose(exact[19::20], [run.trajectory.loss[-1] for run in finite], rtol=5e-8)


def test_diverged_run_is_recorded_as_inf_and_is_the_only_one(sweep):
    *finite, diverged = sweep
    assert diverged.run_id == "prose-n512-d131072-diverged"
    rows = run_logs([diverged])
    assert rows[-1]["loss"] == math.inf
    assert rows[0]["loss"] < math.inf
    assert not any(math.isnan(row["loss"]) for row in rows)
    assert all(np.isfinite(run.trajectory.loss).all() for run in finite)


SPECTRUM = power_law_spectrum(1.5, 2.0, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: power_law_spectrum(1.0, 2.0, 10), "a is 1.0"),
        (lambda: power_law_spectrum(1.5, 0.9, 10), "b is 0.9"),
        (lambda: known_exponents(1.5, 1.0), "b is 1.0"),
        (lambda: power_law_spectrum(1.5, 2.0, 0), "n_params is 0"),
        (lambda: power_law_spectrum(1.5, 2.0, 11, dimension=10), "n_params is 11, more than the 10 features"),
        (lambda: power_law_spectrum(1.5, 2.0, 10, signal=0.0), "signal is 0.0"),
        (lambda: power_law_spectrum(1.5, 2.0, 10, per_decade=0), "exact and per_decade"),
        (lambda: simulate_run(SPECTRUM, 0.0, 4, 10, label_noise=1.0), "learning_rate must be positive"),
        (lambda: simulate_run(SPECTRUM, math.nan, 4, 10, label_noise=1.0), "learning_rate must be positive"),
        (lambda: simulate_run(SPECTRUM, [0.1, 0.1], 4, 3, label_noise=1.0), "the run has 3 steps"),
        (lambda: simulate_run(SPECTRUM, 0.1, 0, 10, label_noise=1.0), "batch_size must be positive"),
        (lambda: simulate_run(SPECTRUM, 0.1, 2.5, 10, label_noise=1.0), "batch_size counts samples"),
        (lambda: simulate_run(SPECTRUM, 0.1, 4, 0, label_noise=1.0), "n_steps is 0"),
        (lambda: simulate_run(SPECTRUM, 0.1, 4, 10, label_noise=-1.0), "label_noise is -1.0"),
        (lambda: simulate_run(SPECTRUM, 0.1, 4, 10, label_noise=1.0, steps=[0, 5]), "between 1 and n_steps"),
        (lambda: simulate_run(SPECTRUM, 0.1, 4, 10, label_noise=1.0, steps=[11]), "between 1 and n_steps"),
        (lambda: simulate_run(SPECTRUM, 0.1, 4, 10, label_noise=1.0, steps=[]), "between 1 and n_steps"),
        (
            lambda: simulate_run(SPECTRUM, 0.1, 4, 10, label_noise=1.0, average_decay=1.0),
            "average_decay is 1.0",
        ),
        (lambda: stability_limit(SPECTRUM, 1.5), "batch_size counts samples"),
        (lambda: learning_rate_for_excess(SPECTRUM, 4, 0.0, label_noise=1.0), "excess is 0.0"),
        (
            lambda: learning_rate_for_excess(power_law_spectrum(1.5, 2.0, 10, dimension=10), 4, 0.1, label_noise=0.0),
            "Without noise",
        ),
        (lambda: simulate_sweep(sizes=()), "The grid is empty"),
        (lambda: simulate_sweep(sizes=(32, 32)), "share an id"),
        (lambda: simulate_sweep((PROSE, PROSE)), "share an id"),
        (lambda: simulate_sweep(budgets=(8,)), "less than one batch of 16"),
        (lambda: simulate_sweep(n_logged=0), "n_logged is 0"),
        (lambda: run_logs([], seed=-1), "seed is -1"),
        (lambda: run_logs([], noise=-0.1), "noise is -0.1"),
    ],
)
def test_impossible_settings_are_refused_with_a_hint(call, message):
    with pytest.raises(UsageError) as refused:
        call()
    assert message in refused.value.message
    assert refused.value.hint
