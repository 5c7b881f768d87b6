import numpy as np
import pytest

from scaling.boundary.evaluation.metrics import clustered_error, measure, pinball, smoothed_pinball

AWAY = np.array([-0.2, -0.1, -0.05, -0.02, 0, 0.02, 0.05, 0.1, 0.2])


def test_the_smoothed_loss_at_known_distances():
    # ln(1 + exp(50 u))/50 - .02 u, worked out to eight places.
    known = [0.00400091, 0.00213431, 0.00257779, 0.00666523, 0.01386294, 0.02586523, 0.05057779, 0.09813431, 0.19600091]
    np.testing.assert_allclose(smoothed_pinball(AWAY, np.zeros(9), 0.98), known, atol=1e-8)


def test_the_exact_loss_is_what_the_smoothed_one_tends_to():
    exact = pinball(AWAY, np.zeros(9), 0.98)
    np.testing.assert_allclose(exact[[0, 4, 8]], [0.004, 0, 0.196], atol=1e-15)
    assert np.max(smoothed_pinball(AWAY, np.zeros(9), 0.98, 1e6) - exact) == pytest.approx(np.log(2) / 1e6)


def test_coverage_by_bins_by_hand():
    z = np.array([1.0, 1, 2, 2, 2, 3])
    y = np.array([0.1, 0.9, 0.1, 0.1, 0.9, 0.5])
    m = measure(z, y, np.full(6, 0.5), 0.8, np.array([1.0, 2.0, 3.0]))
    # Below: 1 of 2, and 3 of 4 (a score on the boundary is below).
    assert m.coverage == pytest.approx(4 / 6)
    assert m.coverage_error == pytest.approx((0.3 + 0.05) / 2)
    assert m.signed_coverage_error == pytest.approx((-0.3 - 0.05) / 2)
    assert m.coverage_error_micro == pytest.approx((2 * 0.3 + 4 * 0.05) / 6)
    assert m.pinball == pytest.approx((0.2 * 0.4 * 3 + 0.8 * 0.4 * 2) / 6)
    assert np.isnan(m.skill)


def test_a_score_on_the_boundary_is_below_whatever_the_rounding():
    y = np.array([0.3, 0.3])
    assert measure(np.array([1.0, 2.0]), y, y - 1e-14, 0.9, np.array([1.0, 2.0])).coverage == 1


def test_skill_is_against_the_constant_and_the_ratio_against_bins():
    y = np.linspace(0, 1, 11)
    m = measure(y, y, y + 0.1, 0.9, np.array([0.0, 1.0]), constant=y + 0.2, binned=y + 0.05)
    assert m.skill == pytest.approx(0.5)
    assert m.ratio_to_binned == pytest.approx(2)
    same = measure(y, y, y + 0.1, 0.9, np.array([0.0, 1.0]), constant=y + 0.1, binned=y + 0.1)
    assert same.smoothed_skill == pytest.approx(0)
    assert same.smoothed_ratio_to_binned == pytest.approx(1)


def test_errors_are_those_of_clusters():
    rng = np.random.default_rng(1)
    of = np.repeat(np.arange(50), 20)
    values = rng.normal(size=50)[of]  # all of a cluster alike
    groups = of.astype(object)
    # As the mean of 50 numbers, and not of 1000.
    assert clustered_error(values, groups) == pytest.approx(values[::20].std(ddof=1) / np.sqrt(50))
    assert clustered_error(values) == pytest.approx(values.std(ddof=1) / np.sqrt(1000))
    assert np.isnan(clustered_error(values, np.zeros(1000, object)))


def test_coverage_is_never_shown_without_a_proper_score():
    z = np.linspace(1, 2, 50)
    m = measure(z, z - 1, np.ones(50), 0.98, np.array([1.0, 2.0]))
    text = str(m)
    assert text == repr(m)
    assert text.index("pinball 0.0100") < text.index("coverage error")
    assert {"pinball", "coverage_error"} <= set(m.to_dict())
    assert m.coverage_error == pytest.approx(0.02)  # of a boundary that nothing crosses: as small as it is worthless
    assert m.to_dict()["skill"] is None
