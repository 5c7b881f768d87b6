"""Selection from shards: the same f whatever the shards, indices over all of them, and what cannot be asked."""

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective, select, select_from_shards, vendi
from tests.valuation.choosing.toys import brute_best


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(20, 6))
    return centers[rng.integers(0, 20, 400)] + 0.5 * rng.normal(size=(400, 6))


def split(rows, *ends):
    return np.split(rows, ends)


@pytest.mark.parametrize("method", ["partitions", "sieve"])
@pytest.mark.parametrize("objective", ["facility_location", "feature_based", "log_det"])
def test_the_set_the_value_and_the_certificate_are_those_of_all_rows(rows, method, objective):
    rows = np.abs(rows) if objective == "feature_based" else rows
    options = {"represent": rows[::9]} if objective == "facility_location" else {}
    found = select_from_shards(split(rows, 150, 170, 330), 12, objective, method, **options)
    whole = make_objective(objective, rows, 24, **options)
    assert len(set(found.indices.tolist())) == 12
    assert found.value == pytest.approx(whole.evaluate(found.indices), rel=1e-9)
    assert found.gains.sum() == pytest.approx(found.value)
    best = select(rows, 12, objective, **options)
    assert 0.9 * best.value < found.value
    assert found.value / found.certificate.upper == pytest.approx(found.certificate.share)
    assert found.certificate.upper >= best.value - 1e-9
    assert found.n == 400
    assert found.options["shards"] == 4


def test_one_shard_is_plain_selection(rows):
    found = select_from_shards([rows], 10, "log_det", within="lazy")
    assert found.indices.tolist() == select(rows, 10, "log_det").indices.tolist()
    assert found.promised_share == pytest.approx(1 - np.exp(-1))


def test_high_orders_are_chosen_in_shards_as_they_are_in_one():
    """What would make powers of 20 eigenvalues monotone is 1e25 times a gain."""
    data = np.random.default_rng(2).normal(size=(40, 6))
    one = select_from_shards([data], 10, "vendi", within="lazy", q=20)
    assert one.indices.tolist() == select(data, 10, "vendi", q=20).indices.tolist()
    assert one.score > np.mean([vendi(data[np.random.default_rng(i).permutation(40)[:10]], 20) for i in range(50)])


def test_where_the_shards_end_does_not_matter_to_the_sieve(rows):
    sets = [
        select_from_shards(split(rows, *ends), 8, "facility_location", "sieve", represent=rows[::7]).indices.tolist()
        for ends in ((), (100, 200), (3, 399), tuple(range(40, 400, 40)))
    ]
    # Thresholds begin with the largest gain of a block, so those of other blocks may differ; the choice here does not.
    assert all(one == sets[0] for one in sets)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["partitions", "sieve"])
def test_promises_and_certificates_hold_against_the_best_of_all_sets(seed, method):
    X = np.random.default_rng(seed).normal(size=(12, 3))
    whole = make_objective("log_det", X, 6)
    best = brute_best(whole, 3)
    found = select_from_shards(split(X, 4, 9), 3, "log_det", method, seed, within="lazy")
    assert found.value >= found.promised_share * best - 1e-9
    assert found.value >= found.certificate.share * best - 1e-9
    assert found.certificate.upper >= best - 1e-9


def test_shards_are_loaded_by_number_or_come_once(rows):
    parts = split(rows, 100, 250)
    loaded = []

    def load(index):
        loaded.append(index)
        return parts[index]

    told = []
    by_number = select_from_shards(load, 9, "log_det", count=3, seed=4, progress=lambda *x: told.append(x))
    assert loaded == [0, 1, 2, 0, 1, 2]
    assert told == [(1, 3), (2, 3), (3, 3)]
    once = select_from_shards(iter(parts), 9, "log_det", seed=4)
    assert once.indices.tolist() == by_number.indices.tolist()
    assert by_number.certificate.share > 0.3
    assert once.certificate.share is None
    assert "no certificate: it takes a second pass" in once.notes[-1]
    assert select_from_shards(parts, 9, "log_det", seed=4).indices.tolist() == by_number.indices.tolist()
    assert select_from_shards(parts, 9, "log_det", seed=5).indices.tolist() != by_number.indices.tolist()


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"objective": "facility_location"}, UsageError, "has to know what is to be represented"),
        ({"objective": "k_center"}, UsageError, "depends on all rows"),
        ({"objective": "vendy"}, UsageError, "There is no objective 'vendy'"),
        ({"method": "lazy"}, UsageError, "no method 'lazy' for shards"),
        ({"within": "sieve"}, UsageError, "no way 'sieve' within"),
        ({"epsilon": 0.0}, UsageError, "epsilon is 0"),
        ({"k": 0}, UsageError, "k is 0"),
        ({"k": 401}, InputDataError, "The shards have 400 rows, and k is 401"),
        ({"k": 5, "method": "sieve", "shards": [np.eye(4)]}, InputDataError, "The shards have 4 rows, and k is 5"),
        ({"count": 3}, UsageError, "these come by themselves"),
        ({"shards": lambda i: np.ones((3, 2))}, UsageError, "count is missing"),
        ({"shards": [np.ones((3, 2)), np.ones((3, 4))]}, InputDataError, "Shard 1 has 4 columns"),
        ({"shards": [np.ones((3, 2)), np.full((3, 2), np.nan)]}, InputDataError, "Shard 1 is nan in row 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(rows, settings, kind, said):
    given = {"shards": split(rows, 100), "k": 2, "objective": "log_det"} | settings
    with pytest.raises(kind, match=said):
        select_from_shards(**given)
