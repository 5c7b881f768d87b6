"""The result of a selection: what it holds, how it reads, and that it depends on nothing but what was given."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import Selected, make_objective, select
from tests.valuation.choosing.toys import cut, facility


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(60, 5))


@pytest.mark.parametrize("method", ["eager", "lazy", "stochastic", "sieve", "partitions"])
def test_the_same_seed_gives_the_same_set(points, method):
    one, two = (select(points, 8, "facility_location", method, seed=3) for _ in range(2))
    assert one.indices.tolist() == two.indices.tolist()
    assert one.gains.tolist() == two.gains.tolist()
    assert one.seed == 3
    assert len(set(one.indices.tolist())) == len(one) == 8
    assert one.gains.sum() == pytest.approx(one.value)


@pytest.mark.parametrize("method", ["eager", "lazy"])
@pytest.mark.parametrize("objective", ["facility_location", "graph_cut", "vendi", "log_det"])
def test_the_order_of_the_rows_does_not_matter(points, method, objective):
    order = np.random.default_rng(1).permutation(60)
    plain = select(points, 8, objective, method)
    moved = select(points[order], 8, objective, method)
    assert order[moved.indices].tolist() == plain.indices.tolist()
    assert moved.gains == pytest.approx(plain.gains, rel=1e-9)
    assert moved.certificate.share == pytest.approx(plain.certificate.share, rel=1e-9)


def test_what_is_given_is_left_as_it_was(points):
    objective = make_objective("facility_location", points)
    objective.add(5)
    before = points.copy()
    found = select(points, 4, objective)
    assert objective.chosen == [5]
    assert np.array_equal(points, before)
    assert found.indices.tolist() == select(points, 4, "facility_location").indices.tolist()
    found = select(points, 4, make_objective("facility_location", points))
    assert found.objective == "facility_location"


def test_float16_and_lists_are_read(points):
    whole = select(points, 5, "facility_location", certify=False)
    half = select(points.astype(np.float16), 5, "facility_location")
    assert half.indices.dtype == np.intp
    assert whole.value == pytest.approx(half.value, rel=1e-3)
    assert select(points.tolist(), 5, "facility_location").indices.tolist() == whole.indices.tolist()


def test_it_reads_and_is_plain_data(points):
    found = select(points, 20, "facility_location", labels=np.arange(60) % 2, swaps=2)
    lines = repr(found).split("\n")
    assert lines[0] == "20 of 60 candidates by facility_location, lazy greedy, seed 0"
    assert lines[1].startswith("  indices: ")
    assert lines[1].endswith(", ...")
    assert lines[3].startswith("  certificate: at least ")
    assert lines[4] == "  promise: at least 50 % of the optimum, on any data"
    assert any(line.startswith("  note: members of each class: 10 to 10") for line in lines)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["indices"] == found.indices.tolist()
    assert plain["certificate"]["share"] == found.certificate.share
    assert plain["guarantee"]["kind"] == "submodular"
    assert plain["options"]["caps"] == [10, 10]
    assert plain["options"]["kernel"] == "shifted_cosine"
    assert (plain["k"], plain["n"], plain["method"]) == (20, 60, "lazy")
    assert isinstance(found, Selected)


def test_a_value_that_falls_has_a_best_prefix():
    toy = cut(np.random.default_rng(0), 8)
    found = select(None, 8, toy)
    values = np.cumsum(found.gains)
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.best_prefix == 1 + int(values.argmax()) < 8
    assert found.notes[-1].startswith(f"the value is best at {found.best_prefix} members")
    assert found.promise == "none: the objective is not monotone"


def test_progress_is_told():
    told = []
    select(None, 4, facility(np.random.default_rng(0), 9), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    told.clear()
    many = facility(np.random.default_rng(0), 20)
    select(None, 3, many, "partitions", parts=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("X", "settings", "kind", "said"),
    [
        (np.zeros((4, 2)), {}, InputDataError, "nothing but zeros"),
        ([[1.0, np.nan], [0.0, 1.0]], {}, InputDataError, "nan in row 0, column 1"),
        (np.ones(4), {}, UsageError, r"X has shape \(4,\)"),
        (np.ones((4, 2)), {"objective": "facility"}, UsageError, "There is no objective 'facility'"),
        (np.ones((4, 2)), {"colour": 1}, UsageError, "no option 'colour'"),
    ],
)
def test_what_cannot_be_used_is_refused(X, settings, kind, said):
    with pytest.raises(kind, match=said):
        select(X, 2, **({"objective": "facility_location"} | settings))


def test_an_objective_of_other_candidates_is_refused(points):
    with pytest.raises(InputDataError, match="X has 60 rows, and the objective is of 9"):
        select(points, 3, facility(np.random.default_rng(0), 9))
