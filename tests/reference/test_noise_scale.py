"""The noise scale on norms drawn at six checkpoints of least squares, with the exact truth in the file."""

import numpy as np
import pandas as pd
import pytest

from scaling.batch_size.mean_ratio import ratio_of_means
from scaling.batch_size.noise import noise_scale

pytestmark = pytest.mark.reference

# true, estimate, 95 % interval, mean of ratios, share of rows with a negative squared gradient
PRINTED = {
    0: (7.70, 7.73, 7.6, 7.8, 8.21, 0),
    1: (10.85, 10.80, 10.6, 11.0, 12.05, 0),
    2: (23.48, 23.98, 23.3, 24.7, 28.19, 0.005),
    3: (79.74, 80.77, 76.4, 85.6, 142.7, 0.165),
    4: (299.0, 290.8, 257, 334, -358, 0.412),
    5: (1176, 1084, 770, 1821, 199, 0.535),
}


@pytest.fixture(scope="module")
def checkpoints(reference):
    rows = pd.read_csv(reference("cbs", "gns_fixture_exact_truth.csv"))
    return dict(tuple(rows.groupby("checkpoint")))


def digits(value):
    """Half a unit of the last digit that was printed."""
    text = f"{value}"
    return 0.5 * 10.0 ** -(len(text.split(".")[1]) if "." in text else 0) * 1.02


@pytest.mark.parametrize("checkpoint", PRINTED)
def test_estimates_and_intervals(checkpoints, checkpoint):
    rows = checkpoints[checkpoint]
    truth, estimate, low, high, mean_of_ratios, negative = PRINTED[checkpoint]
    found = noise_scale(rows["sqnorm_small"], rows["sqnorm_big"], 8, 64, level=0.95)
    trace = (rows["sqnorm_small"] - rows["sqnorm_big"]) / (1 / 8 - 1 / 64)
    squared = (64 * rows["sqnorm_big"] - 8 * rows["sqnorm_small"]) / 56
    assert found.estimate == pytest.approx(trace.mean() / squared.mean(), rel=1e-12)
    assert found.estimate == pytest.approx(estimate, abs=digits(estimate))
    exact = rows["true_Bsimple"].iloc[0]
    assert exact == pytest.approx(truth, abs=digits(truth))
    assert abs(found.estimate - exact) < 2 * found.standard_error
    # The printed ends are those of the normal distribution; Student's t with 1499 degrees of freedom is a bit wider.
    normal = ratio_of_means(trace.to_numpy(), squared.to_numpy(), 1500).interval(0.95, 10**9)
    assert normal[:2] == (pytest.approx(low, abs=digits(low)), pytest.approx(high, abs=digits(high)))
    assert (found.low, found.high) == (pytest.approx(normal[0], rel=1e-3), pytest.approx(normal[1], rel=1e-3))
    assert found.high - found.low > normal[1] - normal[0]
    assert np.mean(trace / squared) == pytest.approx(mean_of_ratios, abs=digits(mean_of_ratios))
    assert found.n_negative / found.n == pytest.approx(negative, abs=6e-4)
    assert found.verdict == "ok"


@pytest.mark.parametrize("checkpoint", PRINTED)
def test_resampled_intervals_cover_the_ratio_of_all_rows(checkpoints, checkpoint):
    rows = checkpoints[checkpoint]
    small, big = rows["sqnorm_small"].to_numpy(), rows["sqnorm_big"].to_numpy()
    full = noise_scale(small, big, 8, 64).estimate
    rng = np.random.default_rng(np.random.SeedSequence([0, checkpoint]))
    hits = 0
    for _ in range(1000):
        chosen = rng.integers(0, small.size, small.size)
        found = noise_scale(small[chosen], big[chosen], 8, 64)
        hits += found.low <= full <= found.high
    assert 870 <= hits <= 930
