"""Jumps against single steps, against the closed form after millions of them, and against sampling."""

import math

import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.sgd import power_law_spectrum, simulate_run, stability_limit
from scaling.sgd_jumps import simulate_jumps
from scaling.sgd_schedules import Segment, decaying_schedule, segments_of

NOISE = 0.5


@pytest.fixture(scope="module")
def spectrum():
    return power_law_spectrum(2.0, 3.75, 50_000)


def excess(run, spectrum):
    floor = NOISE + spectrum.unseen_risk
    return run.loss - floor, run.average_loss - floor


@pytest.mark.parametrize(
    ("rate", "batch", "decay", "n_steps"),
    [
        (0.4, 32, 0.99, 4000),
        (0.9, 1024, 0.9, 4000),
        (0.1, 8, 0.999, 4000),
        (1.7, 10**6, 0.95, 500),
        (0.5, 16, 0.0, 500),
    ],
)
def test_jumps_are_the_steps(spectrum, rate, batch, decay, n_steps):
    steps = np.unique(np.round(np.geomspace(1, n_steps, 25)).astype(int))
    settings = {"label_noise": NOISE, "average_decay": decay, "steps": steps}
    stepped = simulate_run(spectrum, np.full(n_steps, rate), batch, n_steps, **settings)
    jumped = simulate_jumps(spectrum, segments_of(rate, batch, n_steps), **settings).trajectory
    for mine, theirs in zip(excess(jumped, spectrum), excess(stepped, spectrum), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(jumped.n_tokens, stepped.n_tokens)


def test_schedules_of_both_settings_are_the_steps(spectrum):
    rng = np.random.default_rng(0)
    rate = np.repeat(rng.uniform(0.05, 0.4, 40), 25)
    batch = np.repeat(2 ** rng.integers(3, 9, 20), 50)
    settings = {"label_noise": NOISE, "average_decay": 0.98, "steps": [1, 24, 25, 26, 500, 777, 1000]}
    stepped = simulate_run(spectrum, rate, batch, 1000, **settings)
    segments = segments_of(rate, batch, 1000)
    assert len(segments) == 40
    jumped = simulate_jumps(spectrum, segments, **settings).trajectory
    np.testing.assert_allclose(jumped.loss, stepped.loss, rtol=1e-12)
    np.testing.assert_allclose(jumped.average_loss, stepped.average_loss, rtol=1e-12)
    np.testing.assert_array_equal(jumped.n_tokens, stepped.n_tokens)


def test_four_million_steps_agree_with_the_closed_form(spectrum):
    steps = np.unique(np.round(np.geomspace(1, 2**22, 50)).astype(int))
    closed = simulate_run(spectrum, 0.02, 16, 2**22, label_noise=NOISE, steps=steps)
    jumped = simulate_jumps(
        spectrum, segments_of(0.02, 16, 2**22), label_noise=NOISE, average_decay=0.9999, steps=steps
    )
    np.testing.assert_allclose(jumped.trajectory.loss, closed.loss, rtol=1e-14)
    floor = NOISE + spectrum.unseen_risk
    np.testing.assert_allclose(jumped.trajectory.loss - floor, closed.loss - floor, rtol=1e-11)
    assert jumped.trajectory.average_loss[-1] < jumped.trajectory.loss[-1]
    assert jumped.trajectory.n_tokens[-1] == 2**26


def test_the_squared_error_of_an_average_of_weights_in_their_steady_state(spectrum):
    one = power_law_spectrum(2.0, 3.0, 1, dimension=1)
    g, batch, q = 0.3, 4, 0.97
    run = simulate_jumps(one, segments_of(g, batch, 10**5), label_noise=NOISE, average_decay=q).trajectory
    last = run.loss[0] - NOISE
    # Errors of the last weights follow each other with the correlation 1 - g, so the average has this share of them.
    assert last == pytest.approx(g * NOISE / (batch * (2 - g * (1 + 2 / batch))), rel=1e-10)
    share = (1 - q) * (1 + q * (1 - g)) / ((1 + q) * (1 - q * (1 - g)))
    assert run.average_loss[0] - NOISE == pytest.approx(share * last, rel=1e-10)


def test_losses_agree_with_sampled_runs():
    rng = np.random.default_rng(12)
    lam = np.arange(1.0, 21) ** -1.5
    truth = np.sqrt(np.arange(1.0, 21) ** -2.5 / lam)
    schedule = (Segment(60, 0.4, 4), Segment(40, 0.2, 16), Segment(30, 0.1, 8))
    weights = np.zeros((3000, 20))
    average = weights.copy()
    for piece in schedule:
        for _ in range(piece.n_steps):
            x = rng.standard_normal((3000, piece.batch_size, 20)) * np.sqrt(lam)
            noise = math.sqrt(NOISE) * rng.standard_normal((3000, piece.batch_size))
            residual = np.einsum("rbd,rd->rb", x, weights - truth) - noise
            weights = weights - piece.learning_rate * np.einsum("rbd,rb->rd", x, residual) / piece.batch_size
            average = 0.95 * average + 0.05 * weights
    spectrum = power_law_spectrum(1.5, 2.5, 20, dimension=20)
    run = simulate_jumps(spectrum, schedule, label_noise=NOISE, average_decay=0.95)
    sampled = [(w - truth) ** 2 @ lam for w in (weights, average)]
    for expected, found in zip(excess(run.trajectory, spectrum), sampled, strict=True):
        standard_error = found.std(ddof=1) / math.sqrt(found.size)
        assert standard_error < 0.02 * found.mean()
        assert abs(found.mean() - expected[0]) < 4 * standard_error
    squared = ((weights - truth) * lam) ** 2 @ np.ones(20)
    standard_error = squared.std(ddof=1) / math.sqrt(squared.size)
    assert abs(squared.mean() - run.moments.sqnorm[0]) < 4 * standard_error


def test_moments_of_the_gradient_agree_with_their_definition():
    spectrum = power_law_spectrum(1.5, 2.5, 20, dimension=20)
    run = simulate_jumps(spectrum, segments_of(1e-9, 1, 1), label_noise=NOISE)
    rng = np.random.default_rng(3)
    lam, error = spectrum.eigenvalue, np.sqrt(spectrum.squared_weight)
    x = rng.standard_normal((200_000, 20)) * np.sqrt(lam)
    gradient = x * (x @ error - math.sqrt(NOISE) * rng.standard_normal(200_000))[:, None]
    spread = gradient - lam * error
    for weight, mean, trace in (
        (np.ones(20), run.moments.sqnorm, run.moments.trace),
        (lam, run.moments.curvature, run.moments.curvature_trace),
    ):
        assert mean[0] == pytest.approx(weight @ (lam * error) ** 2, rel=1e-6)
        sampled = spread**2 @ weight
        assert abs(sampled.mean() - trace[0]) < 4 * sampled.std() / math.sqrt(sampled.size)
    assert run.moments.noise_scale[0] == run.moments.trace[0] / run.moments.sqnorm[0]
    assert run.moments.curved_noise_scale[0] < run.moments.noise_scale[0]


def test_pieces_of_a_decay_approach_the_decay(spectrum):
    losses = {}
    for pieces in (100, 400, 2000):
        schedule = decaying_schedule(2000, 0.5, 64, warmup_steps=200, pieces=pieces)
        assert sum(piece.n_steps for piece in schedule) == 2000
        run = simulate_jumps(spectrum, schedule, label_noise=NOISE, average_decay=0.95)
        losses[pieces] = np.concatenate(excess(run.trajectory, spectrum))
    np.testing.assert_allclose(losses[100], losses[2000], rtol=5e-3)
    np.testing.assert_allclose(losses[400], losses[2000], rtol=4e-4)


@pytest.mark.parametrize(("shape", "mean"), [("cosine", 0.55), ("linear", 0.55), ("constant", 1.0)])
def test_shapes_of_a_schedule(shape, mean):
    schedule = decaying_schedule(1000, 0.5, 64, shape=shape, final_share=0.1, pieces=7)
    assert sum(p.n_steps * p.learning_rate for p in schedule) / 1000 == pytest.approx(0.5 * mean, rel=1e-6)
    whole = decaying_schedule(100, 0.5, 64, shape=shape, final_share=0.1, warmup_steps=10, pieces=100)
    assert [p.learning_rate for p in whole[:2]] == pytest.approx([0.025, 0.075])
    assert whole[-1].learning_rate == pytest.approx(0.5 if shape == "constant" else 0.05, rel=0.06)


def test_a_divergence_ends_at_inf_without_nan(spectrum):
    rate = 3 * stability_limit(spectrum, 4)
    run = simulate_jumps(spectrum, segments_of(rate, 4, 10**6), label_noise=NOISE, average_decay=0.9, steps=[3, 10**6])
    assert np.isfinite(run.trajectory.loss[0])
    assert run.trajectory.loss[1] == run.trajectory.average_loss[1] == np.inf
    assert run.moments.trace[1] == np.inf


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: simulate_jumps(s, (), label_noise=1), "no segments"),
        (lambda s: simulate_jumps(s, (Segment(0, 0.1, 4),), label_noise=1), "no stretch"),
        (lambda s: simulate_jumps(s, (Segment(5, 0.1, 4),), label_noise=-1), "variance"),
        (lambda s: simulate_jumps(s, (Segment(5, 0.1, 4),), label_noise=1, average_decay=1), "outside"),
        (lambda s: simulate_jumps(s, (Segment(5, 0.1, 4),), label_noise=1, steps=[6]), "between 1 and the end"),
        (lambda s: segments_of([0.1, 0.2], 4, 3), "has the shape"),
        (lambda s: decaying_schedule(10, 0.1, 4, shape="spiral"), "no schedule 'spiral'"),
        (lambda s: decaying_schedule(10, 0.1, 4, warmup_steps=10), "warmup_steps is 10"),
        (lambda s: decaying_schedule(10, 0.1, 4, final_share=2), "final_share"),
    ],
)
def test_bad_settings(spectrum, call, words):
    with pytest.raises(UsageError, match=words):
        call(spectrum)
