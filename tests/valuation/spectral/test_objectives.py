import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective, select, vendi

H_GAINS = [
    -0.0252355595,
    -0.0213555232,
    -1.2345967693,
    -1.4711892507,
    -1.3938113538,
    -0.8450723761,
    -1.3512109107,
    -1.5228236916,
    -1.1486478134,
]


def greedy(objective, k):
    """Take the best of all candidates k times, gains of all at every step; ties go to the lowest index."""
    while len(objective.chosen) < k:
        gains = objective.gains()
        gains[objective.chosen] = -np.inf
        near = np.flatnonzero(gains >= gains.max() - 2 * objective.error)
        if near.size > 1:
            gains = objective.exact_gains(near)
            objective.add(int(near[np.flatnonzero(gains >= gains.max() - 1e-10)[0]]))
        else:
            objective.add(int(near[0]))
    return objective


def cloud(n, m, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, m)) + 0.7 * rng.normal(size=m)).astype(dtype)


def test_reference_gains(points):
    objective = make_objective("vendi", points, 6)
    for index in (0, 1, 2):
        objective.add(index)
    others = np.arange(3, 12)
    c = 1 + math.log(6)
    assert objective.constant == pytest.approx(c)
    np.testing.assert_allclose(objective.exact_gains(others) - c, H_GAINS, atol=2e-10)
    np.testing.assert_allclose(objective.gains(others) - c, H_GAINS, atol=2e-6)
    np.testing.assert_allclose(objective.gains()[3:] - c, H_GAINS, atol=2e-6)
    assert np.abs(objective.gains()[3:] - c - H_GAINS).max() > 1e-9  # the mixture it is, then
    assert objective.evaluate([0, 1, 2]) - 3 * c == pytest.approx(-0.2805502430549, abs=1e-12)
    found = objective.eigenvalues([0, 1, 2])
    np.testing.assert_allclose(found, [0.4714130172, 1.0342950078, 1.494291975], atol=1e-9)


@pytest.mark.parametrize("q", [0.5, 1, 2])
def test_reference_selection(points, q):
    objective = make_objective("vendi", points, 6, q=q, first=0)
    scores = []
    for size in range(1, 7):
        greedy(objective, size)
        scores.append(objective.score())
    assert objective.chosen == [0, 3, 2, 6, 8, 11]
    if q == 1:
        np.testing.assert_allclose(scores, [1, 1.99906559, 2.99550118, 3.73050077, 3.7029442, 3.66185006], atol=5e-9)
    assert scores[-1] == pytest.approx(vendi(points[objective.chosen], q), rel=1e-10)


def test_the_best_set_of_six(points):
    objective = make_objective("vendi", points, 6)
    best = (0, 1, 3, 6, 8, 11)
    assert vendi(points[list(best)]) == pytest.approx(3.7979408189, abs=1e-10)
    # On a budget of k the value is k (1 + log k + ...): value = k (1 + log VS) at size k.
    assert objective.evaluate(best) == pytest.approx(6 * (1 + math.log(3.7979408189)), abs=1e-8)
    chosen = greedy(objective, 6)
    assert chosen.value == pytest.approx(chosen.evaluate(chosen.chosen), abs=6 * 2e-6)
    assert chosen.value >= (1 - 1 / math.e) * objective.evaluate(best)


CASES = [
    ("vendi", {}),
    ("vendi", {"q": 0.5}),
    ("vendi", {"q": 0.7, "kernel": "shifted_cosine"}),
    ("vendi", {"q": 1.5}),
    ("vendi", {"q": 3}),
    ("vendi", {"kernel": "linear"}),
    ("rke", {}),
    ("spectral", {"phi": "atan"}),
    ("spectral", {"phi": "exponential"}),
    ("spectral", {"phi": "ratio", "parameter": 0.1}),
    ("spectral", {"phi": "log_ratio"}),
    ("spectral", {"phi": "log", "parameter": 0.3}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_errors_stay_below_the_certificate(name, options, dtype):
    """Sets that grow far beyond the dimension, so that eigenvalues pass the first bound of the mixture."""
    objective = make_objective(name, cloud(120, 6, 0, dtype), 60, **options)
    rng = np.random.default_rng(1)
    seen = []
    for step in range(60):
        some = np.setdiff1d(rng.integers(0, 120, 12), objective.chosen)
        if step % 3 == 0:  # gains of all, then of a few from the same state
            gains = objective.gains()
            np.testing.assert_allclose(
                objective.gains(some), gains[some], rtol=0, atol=max(1e-12 * max(1, gains.max()), objective.error / 100)
            )
            found = gains[some]
        else:  # gains of a few, from a decomposition
            found = objective.gains(some)
        arithmetic = 1e-12 * max(1.0, abs(objective.value))
        worst = float(np.abs(found - objective.exact_gains(some)).max())
        assert worst <= objective.error + arithmetic
        seen.append(worst)
        objective.add(int(some[np.argmax(found)]))
    if objective.error > 1e-9:
        assert max(seen) > objective.error / 1000  # a certificate, and not a number far above all errors
    assert objective.value == pytest.approx(objective.evaluate(objective.chosen), rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"q": 2, "kernel": "shifted_cosine"}, {"q": 2}, {"q": 0.7, "kernel": "linear"}], ids=str
)
def test_rounding_of_rows_that_are_alike_or_long_stays_below_the_certificate(options):
    """In float32, where each product with a member is off in the same way, or by what long rows lose."""
    rng = np.random.default_rng(9)
    rows = (rng.normal(size=(1, 384)) + 1e-3 * rng.normal(size=(60, 384))).astype(np.float32)
    objective = make_objective("vendi", rows, 60, **options)
    for member in range(40):
        gains = objective.gains()
        free = np.arange(member, 60)
        assert np.abs(gains[free] - objective.exact_gains(free)).max() <= objective.error + 1e-9, member
        objective.add(member)


@pytest.mark.parametrize("q", [20, 100])
def test_high_orders_are_chosen_by_what_they_say_and_not_by_rounding(q):
    """What would make powers of 8 members monotone is 1e8 to 1e90 times a gain."""
    rows = cloud(10, 4, 3, np.float64)
    found = select(rows, 4, q=q)
    best = max(vendi(rows[list(s)], q) for s in combinations(range(10), 4))
    assert found.score == pytest.approx(vendi(rows[found.indices], q), rel=1e-9)
    assert found.indices.tolist() != [found.indices[0], *[i for i in range(4) if i != found.indices[0]][:3]]
    assert found.score > np.mean([vendi(rows[list(s)], q) for s in combinations(range(10), 4)])
    assert 0 < found.certificate.score_share <= found.score / best * (1 + 1e-9)
    assert found.certificate.share is None  # the value is below zero
    assert str(found.certificate).startswith("a score of at least ")
    assert found.promised_share is None


def test_powers_beyond_the_largest_number_are_refused():
    with pytest.raises(UsageError, match="Powers of order 400 of eigenvalues up to 8"):
        select(cloud(10, 4, 3, np.float64), 4, q=400)
    assert select(cloud(10, 4, 3, np.float64), 4, q=math.inf).score > 1


@pytest.mark.parametrize("phi", ["exponential", "tanh"])
def test_a_ratio_of_nothing_is_no_promise(phi):
    found = select(100 * cloud(10, 4, 3, np.float64), 3, "spectral", phi=phi, kernel="linear")
    assert found.guarantee.kind == "none"
    assert found.certificate.share is None
    assert found.method == "eager"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 1, 1.5, 2]), st.integers(1, 10))
def test_the_mixture_itself_is_submodular(seed, q, size):
    rows = cloud(14, 5, seed)
    small = make_objective("vendi", rows, 12, q=q)
    large = small.fresh()
    for index in range(size):
        large.add(index)
        if index < size // 2:
            small.add(index)
    wanted = np.arange(size, 14)
    assert np.all(small.gains(wanted) >= large.gains(wanted) - large.error - small.error)
    assert np.all(large.gains(wanted) >= -large.error)  # and monotone up to the budget


@pytest.mark.parametrize("q", [0, 0.1, 0.5, 1, 2, 2.5, math.inf])
def test_gains_are_differences_of_values(points, q):
    objective = make_objective("vendi", points, 7, q=q, exact=True)
    for index in (4, 9, 1, 0, 7):
        before = objective.evaluate(objective.chosen)
        found = objective.gains(np.array([index, 11]))
        after = [objective.evaluate([*objective.chosen, i]) for i in (index, 11)]
        # x^0.1 of an eigenvalue that is nearly rounding is not well determined; none of these is.
        np.testing.assert_allclose(found, np.array(after) - before, atol=1e-7)
        objective.add(index)
        assert objective.value == pytest.approx(objective.evaluate(objective.chosen), abs=1e-6)
    assert objective.error == 0


def test_small_orders_are_exact_and_say_so(points):
    objective = make_objective("vendi", points, 6, q=0.1)
    assert objective.error == 0
    assert "no mixture of log-determinants represents 'power' of 0.1000 within 1e-6" in objective.notes[0]
    assert objective.describe()["gains"] == "eigenvalues"
    objective.add(0)
    np.testing.assert_array_equal(objective.gains(), objective.exact_gains(np.arange(12)))
    assert make_objective("vendi", points, 6).notes == ()
    assert make_objective("vendi", points, 6).describe()["gains"] == "mixture"


def test_a_closed_form_has_no_error_and_no_table(points):
    objective = make_objective("rke", points, 6)
    for index in (0, 5, 7):
        objective.add(index)
    assert objective.error == 0
    member = points[[0, 5, 7]]
    c = np.square(points @ member.T).sum(axis=1)
    np.testing.assert_allclose(objective.gains(), 12 - (2 * c + 1), atol=1e-13)
    assert objective.score() == pytest.approx(9 / np.square(member @ member.T).sum(), rel=1e-13)
    assert objective.score() == pytest.approx(vendi(member, 2), rel=1e-12)


def test_all_first_members_tie_and_the_one_closest_to_the_mean_is_taken(points):
    objective = make_objective("vendi", points, 6)
    gains = objective.gains()
    assert np.ptp(np.delete(gains, gains.argmax())) < 1e-14
    assert gains.argmax() == np.argmax(points @ points.mean(axis=0))
    assert objective.add(int(gains.argmax())) == pytest.approx(1 + math.log(6), abs=1e-14)
    assert make_objective("vendi", points, 6, first=7).gains().argmax() == 7
    twice = np.vstack([points, points])
    assert make_objective("vendi", twice, 6).gains().argmax() == gains.argmax()  # not the copy behind it
    np.testing.assert_array_equal(objective.fresh().gains(np.arange(12)), gains)
    assert objective.among(np.array([3, 5, 7])).gains().argmax() in (0, 1, 2)
    assert make_objective("vendi", points, 6, first=7).among(np.array([3, 5, 7])).gains().argmax() == 2


def test_with_lengths_left_there_is_no_tie(points):
    rows = points * np.linspace(0.5, 2, 12)[:, None]
    objective = make_objective("vendi", rows, 6, kernel="linear", q=0.5)
    np.testing.assert_allclose(objective.gains(), np.linspace(0.5, 2, 12), rtol=1e-12)
    greedy(objective, 3)
    assert objective.score() == pytest.approx(vendi(rows[objective.chosen], 0.5, kernel="linear"), rel=1e-10)


def test_scores_of_the_relatives(points):
    subset = [0, 3, 2, 6]
    found = {}
    for name in ("vendi", "renyi", "tsallis", "von_neumann", "rke", "power"):
        objective = make_objective(name, points, 6)
        assert objective.score() == {"renyi": -math.inf, "von_neumann": -math.inf}.get(name, 0.0)
        for index in subset:
            objective.add(index)
        found[name] = objective.score()
    assert found["vendi"] == pytest.approx(3.73050077, abs=5e-9)
    assert found["renyi"] == found["von_neumann"] == found["tsallis"] == pytest.approx(math.log(found["vendi"]))
    assert found["rke"] == pytest.approx(vendi(points[subset], 2), rel=1e-12)
    # VS_q = (f / k^q)^(1 / (1 - q))
    assert (found["power"] / 4**0.5) ** 2 == pytest.approx(vendi(points[subset], 0.5), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "kind", "monotone"),
    [
        ("vendi", {}, "submodular", True),
        ("vendi", {"q": 0}, "submodular", True),
        ("vendi", {"q": 2}, "submodular", True),
        ("vendi", {"q": 3}, "none", True),
        ("vendi", {"q": "inf"}, "none", True),
        ("spectral", {"phi": "ratio"}, "weak", True),
        ("spectral", {"phi": "minimum"}, "none", True),
    ],
)
def test_guarantees(points, name, options, kind, monotone):
    objective = make_objective(name, points, 6, **options)
    assert (objective.guarantee.kind, objective.guarantee.monotone) == (kind, monotone)
    if kind == "weak":
        assert objective.guarantee.ratio == pytest.approx(4 * 7 / 64)


def test_without_a_size_nothing_is_added_and_nothing_promised(points):
    objective = make_objective("vendi", points)
    assert objective.constant == 0
    assert objective.guarantee.monotone is False
    assert objective.guarantee.lazy


def test_state_for_all_is_made_when_all_are_asked_for(points):
    objective = make_objective("vendi", points, 6)
    objective.gains()
    objective.add(0)
    objective.gains(np.array([1, 2]))
    objective.add(1)
    assert objective._state is None
    objective.gains()
    assert objective._state is not None
    other = objective.fresh()
    assert other._state is None
    assert other.chosen == []
    assert objective.chosen == [0, 1]


def test_the_objective_of_some_is_that_of_their_rows(points):
    rows = np.array([2, 5, 7, 11])
    some, alone = make_objective("vendi", points, 3).among(rows), make_objective("vendi", points[rows], 3)
    for objective in (some, alone):
        objective.add(2)
        objective.add(0)
    np.testing.assert_array_equal(some.gains(), alone.gains())


def test_permuted_rows_give_permuted_gains(points):
    order = np.random.default_rng(2).permutation(12)
    first, second = make_objective("vendi", points, 6), make_objective("vendi", points[order], 6)
    for index in (3, 8, 1):
        first.add(index)
        second.add(int(np.flatnonzero(order == index)[0]))
    np.testing.assert_allclose(second.gains(), first.gains()[order], atol=1e-12)


def test_duplicates_are_finite_and_worth_less_than_others(points):
    objective = make_objective("vendi", np.vstack([points, points[:1]]), 8)
    objective.add(0)
    gains = objective.gains(np.arange(1, 13))
    assert gains.argmin() == 11
    for index in range(1, 8):
        objective.add(index)
    assert np.all(np.isfinite(objective.gains()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"q": -0.1}, "order q"),
        ({"q": math.nan}, "order q"),
        ({"kernel": "rbf"}, "no kernel 'rbf'"),
        ({"tolerance": 0}, "tolerance is 0"),
        ({"first": 12}, "first=12"),
        ({"tolerence": 1}, "tolerence"),
    ],
)
def test_bad_settings(points, options, words):
    with pytest.raises(UsageError, match=words):
        make_objective("vendi", points, 6, **options)


def test_bad_members_and_rows(points):
    objective = make_objective("vendi", points, 6)
    objective.add(3)
    with pytest.raises(UsageError, match="Candidate 3 is in the set"):
        objective.add(3)
    with pytest.raises(InputDataError, match="row 12"):
        make_objective("vendi", np.vstack([points, 0 * points[:1]]), 6)
    with pytest.raises(UsageError, match="not the sum of a function"):
        make_objective("power", points, 6, q=0)


@pytest.mark.parametrize("name", ["vendi", "renyi", "tsallis", "power", "rke", "von_neumann", "spectral", "log_det"])
@pytest.mark.parametrize("q", [0, 0.5, 1, 1.5, 2, math.inf])
def test_value_and_size_say_the_score(points, name, q):
    options = {"q": q} if name in ("vendi", "renyi", "tsallis", "power") else {}
    if name == "power" and q in (0, math.inf):
        return
    objective = make_objective(name, points, 6, **options)
    subset = [3, 8, 0, 7, 2]
    found = objective.score_at(objective.evaluate(subset), 5)
    objective.extend(subset)
    assert found == pytest.approx(objective.score(), rel=1e-12)
    if q == 1:
        assert make_objective("vendi", points, 6, kernel="linear").score_at(1.0, 5) is None


@pytest.mark.parametrize("q", [0.1, 1, 2])
def test_members_may_be_added_at_once(points, q):
    rows = np.vstack([points, points + 0.05, points - 0.05])
    once, singly = make_objective("vendi", rows, 30, q=q), make_objective("vendi", rows, 30, q=q)
    some = np.arange(0, 30)
    for index in some:
        singly.add(int(index))
    once.extend(some)
    assert once.chosen == singly.chosen
    assert once.value == pytest.approx(singly.value, rel=1e-6)
    np.testing.assert_allclose(once.gains(np.arange(30, 36)), singly.gains(np.arange(30, 36)), atol=1e-5)
    np.testing.assert_allclose(once.gains(), singly.gains(), atol=1e-5)
    with pytest.raises(UsageError, match="Candidate 5"):
        once.extend([31, 5])
